/* SPDX-License-Identifier: MIT
 * See ai_rig.h. */
#include "config.h"

#include "t/outside/ai_rig.h"
#include "t/tap.h"

const char *const ai_outcomes[] = {
    [AI_ANSWERED] = "answered", [AI_UNREACHABLE] = "unreachable", [AI_REFUSED] = "refused", [AI_DENIED] = "denied", [AI_INVALID] = "invalid",
};

void tell(void *arg, const struct ai_answer *a)
{
    struct told *t = arg;
    t->times++;
    t->answer = *a;
    json_incref(a->response);
    json_incref(a->actions);
}

void tell_partial(void *arg, struct sv text)
{
    struct told *t = arg;
    t->partials++;
    buf_clear(&t->partial);
    buf_add(&t->partial, text);
    buf_add(&t->all, text);
    buf_addc(&t->all, '|');
    if (!sv_is_utf8(text))
        bail_out("a partial text that is no UTF-8");
    if (t->abort != NULL)
        ai_abort(t->ai, *t->abort);
}

void told_free(struct told *t)
{
    json_decref(t->answer.response);
    json_decref(t->answer.actions);
    buf_fini(&t->partial);
    buf_fini(&t->all);
    *t = (struct told){ 0 };
}

bool was_told(void *arg)
{
    return ((struct told *)arg)->times > 0;
}

void ask_and_wait(struct rig *r, struct ai *ai, const struct ai_request *q, struct told *t)
{
    told_free(t);
    if (ai_ask(ai, q, tell, t) == NULL || t->times != 0)
        bail_out("an answer from inside the call");
    rig_until(r, was_told, t);
}

/* ---- the end of calls ---- */

struct arrival {
    struct peer *peer;
    int requests, closed;
};

static bool arrived(void *arg)
{
    const struct arrival *a = arg;
    return peer_requests(a->peer) >= a->requests && peer_closed(a->peer) >= a->closed;
}

void check_abort(struct rig *r, struct ai *ai, struct peer *p, struct ai *waits, struct peer *busy, const struct ai_request *q)
{
    struct told t = { 0 };
    struct ai_call *c = ai_ask(ai, q, tell, &t);
    rig_until(r, arrived, &(struct arrival){ p, 1, 0 });
    ai_abort(ai, c);
    rig_until(r, arrived, &(struct arrival){ p, 1, 1 });
    c = ai_ask(waits, q, tell, &t);
    rig_until(r, arrived, &(struct arrival){ busy, 1, 0 });
    rig_settle(r);
    ai_abort(waits, c); /* between two tries */
    ai_abort(waits, NULL);
    ok(ai_ask(waits, q, tell, &t) != NULL && ai_ask(ai, q, tell, &t) != NULL, "asked");
    rig_until(r, arrived, &(struct arrival){ busy, 2, 0 });
    rig_settle(r);
    ai_close(ai);
    ai_close(waits);
    rig_settle(r);
    is_int(t.times, 0, "aborted or closed: never answered");
    told_free(&t);
}

static void closes(void *arg, const struct ai_answer *a)
{
    struct ai **ai = arg;
    (void)a;
    ai_close(*ai);
    *ai = NULL;
}

static bool is_closed(void *arg)
{
    return *(struct ai **)arg == NULL;
}

void check_close_inside(struct rig *r, struct ai *ai, const struct ai_request *q)
{
    ok(ai_ask(ai, q, closes, &ai) != NULL && ai_ask(ai, q, closes, &ai) != NULL, "asked");
    rig_until(r, is_closed, &ai);
    rig_settle(r);
    ok(true, "closed from inside an answer");
}
