/* SPDX-License-Identifier: MIT
 * A double of src/turn/session.c and push.c for tests of the HTTP side: says what it was asked (t/lib/control_double.h), answers what it is told. A
 * listener hears what session_double_tell says. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>

#include "t/lib/control_double.h"
#include "t/lib/session_double.h"
#include "turn/push.h"
#include "turn/session.h"

struct listener {
    listener_fn *fn;
    void *arg;
};

static struct listener *heard;
atomic_int session_double_listeners;
atomic_ullong session_double_after;

void session_get(struct turns *t, struct sv session_id, control_fn *fn, void *arg)
{
    (void)t;
    control_double_take(fn, arg, "session %.*s", SV_FMT(session_id));
}

void session_patch(struct turns *t, struct sv session_id, const struct session_change *change, control_fn *fn, void *arg)
{
    (void)t;
    control_double_take(fn, arg, "patch %.*s %d %d %s", SV_FMT(session_id), (int)change->status, (int)change->reply,
                        change->until_ms != 0 ? "for a time" : "-");
}

void session_submit(struct turns *t, const struct session_submit *s, control_fn *fn, void *arg)
{
    const struct session_message *m = s->message;
    (void)t;
    control_double_take(fn, arg, "submit %.*s %.*s %.*s %.*s %d %" PRId64, SV_FMT(s->session_id), SV_FMT(m->message_id), SV_FMT(m->sender_id),
                        SV_FMT(m->content), m->sender_type, m->timestamp_ms);
}

void session_customer(struct turns *t, struct sv sender_id, control_fn *fn, void *arg)
{
    (void)t;
    control_double_take(fn, arg, "customer %.*s", SV_FMT(sender_id));
}

struct listener *listener_new(struct hub *h, struct sv session_id, uint64_t after, listener_fn *fn, void *arg)
{
    (void)h, (void)session_id;
    heard = calloc(1, sizeof(*heard));
    if (heard == NULL)
        abort();
    *heard = (struct listener){ fn, arg };
    atomic_store(&session_double_after, after);
    atomic_fetch_add(&session_double_listeners, 1);
    return heard;
}

void listener_on_placed(struct listener *l, void (*placed)(void *arg))
{
    placed(l->arg);
}

void listener_more(struct listener *l)
{
    (void)l;
}

void listener_free(struct listener *l)
{
    if (l == NULL)
        return;
    if (heard == l)
        heard = NULL;
    atomic_fetch_sub(&session_double_listeners, 1);
    free(l);
}

void session_double_tell(void *event)
{
    static const char head[] = "{\"seq\":";
    const char *text = event;

    if (heard != NULL)
        (void)heard->fn(heard->arg, strtoull(text + sizeof(head) - 1, NULL, 10), sv_from(text));
}
