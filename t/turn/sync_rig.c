/* SPDX-License-Identifier: MIT
 * See sync_rig.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "t/tap.h"
#include "t/turn/control_ask.h"
#include "t/turn/sync_rig.h"

/* ---- an archive that knows one session ---- */

struct question {
    struct known *k;
    archive_context_fn *context;
    archive_message_fn *message;
    archive_session_fn *session;
    void *arg;
    char id[64];
};

static void tell(void *arg)
{
    struct question *q = arg;
    struct known *k = q->k;
    enum archive_status status = k->down ? ARCHIVE_DOWN : ARCHIVE_DONE;
    bool there = !k->down && k->session != NULL;
    if (q->context != NULL)
        q->context(q->arg, status, k->context, k->down ? 0 : k->context_n);
    else if (q->session != NULL)
        q->session(q->arg, status, there ? sv_from(k->session) : SV_NONE, SV_NONE);
    else
        q->message(q->arg, status, there && strstr(k->messages, q->id) != NULL ? SV("{\"status\":\"completed\"}") : SV_NONE);
    free(q);
}

static struct question *question(struct archive *a, void *arg)
{
    struct question *q = calloc(1, sizeof(*q));
    q->k = CONTAINER_OF(a, struct known, archive);
    q->arg = arg;
    loop_soon(q->k->loop, tell, q);
    return q;
}

static void context(struct archive *a, struct sv id, size_t max, archive_context_fn *fn, void *arg)
{
    (void)id, (void)max;
    question(a, arg)->context = fn;
}

static void message(struct archive *a, struct sv id, struct sv message_id, archive_message_fn *fn, void *arg)
{
    struct question *q = question(a, arg);
    (void)id;
    q->message = fn;
    q->k->messages_asked++;
    (void)snprintf(q->id, sizeof(q->id), " %.*s ", SV_FMT(message_id));
}

static void session(struct archive *a, struct sv id, int64_t before_ms, archive_session_fn *fn, void *arg)
{
    struct question *q = question(a, arg);
    (void)id, (void)before_ms;
    q->session = fn;
    q->k->sessions_asked++;
}

static bool is_up(const struct archive *a)
{
    (void)a;
    return true;
}

static const struct archive_ops ops = { .name = "known", .context = context, .message = message, .session = session, .is_up = is_up };
struct known sync_known;

void sync_open(struct rig *r)
{
    clock_fake(NOON);
    rig_open(r, &rig_policy);
}

void sync_open_archived(struct rig *r)
{
    struct err e;
    sync_open(r);
    turns_free(r->turns);
    sync_known = (struct known){ .archive = { .ops = &ops }, .loop = r->loop, .messages = "" };
    r->options.archive = &sync_known.archive;
    r->turns = turns_new(&r->options, &e);
}

/* ---- asking ---- */

struct chat_exchange sync_made(const char *id, int64_t before)
{
    static char texts[64][2][40];
    static size_t next;
    char *q = texts[next % 64][0], *a = texts[next % 64][1];
    next++;
    (void)snprintf(q, 40, "ask-%s", id);
    (void)snprintf(a, 40, "answer-%s", id);
    return (struct chat_exchange){ .message_id = sv_from(id), .user_id = SV("customer"), .session_id = SV("c1"), .user_message = sv_from(q),
                                   .ai_response = sv_from(a), .timestamp_ms = clock_wall_ms() - before, .metadata = SV_NONE };
}

const char *sync_with(struct rig *r, struct turns *t, const struct chat_exchange *list, size_t n, bool several)
{
    static char text[1000];
    struct asked q = { 0 };
    struct buf b = { 0 };
    chat_sync(t, list, n, several, asked_fn, &q);
    if (q.http_status != 0)
        bail_out("an answer from inside the call");
    asked_wait(r, &q);
    buf_printf(&b, "%d%s%s ", q.http_status, q.code[0] != '\0' ? " " : "", q.code);
    json_dump_to(&b, q.result != NULL ? q.result : json_null());
    (void)snprintf(text, sizeof(text), "%.*s", (int)b.n, b.p);
    buf_fini(&b);
    asked_forget(&q);
    return text;
}

const char *sync_many(struct rig *r, const struct chat_exchange *list, size_t n)
{
    return sync_with(r, r->turns, list, n, true);
}

const char *sync_one(struct rig *r, struct chat_exchange e)
{
    return sync_with(r, r->turns, &e, 1, false);
}

void sync_say(struct rig *r, const char *id)
{
    struct rig_answer a;
    rig_send(r, "c1", id, id, "user", &a);
    rig_until(r, &a);
    rig_forget(&a);
}
