/* SPDX-License-Identifier: MIT
 * See openai_rows.h. */
#include "config.h"

#include <string.h>

#include "t/outside/openai_rows.h"
#include "t/tap.h"
#include "turn/actions.h"

static void check_reply(const struct openai_row *c, const struct told *t, int pieces)
{
    struct reply reply;
    struct err e = { 0 };
    if (t->answer.response == NULL)
        return;
    struct arena *a = arena_new(0, 1 << 24);
    if (actions_extract(a, t->answer.response, t->answer.actions, &reply, &e) != 0)
        bail_out("%s", e.text);
    is_sv(reply.actions, sv_from(c->actions), "%s, %d pieces: actions", c->name, pieces);
    is_sv(reply.dropped, sv_from(c->dropped != NULL ? c->dropped : "[]"), "%s: dropped", c->name);
    if (c->response != NULL)
        has_str(reply.response.p, c->response, "%s: response", c->name);
    arena_free(a);
}

/* A row that is under way. */
struct run {
    const struct openai_row *row;
    struct peer_step steps[OPENAI_STEPS_MAX];
    struct peer *peer;
    struct ai *ai;
    struct told told;
};

static void begin_row(struct rig *r, struct run *u, const struct openai_row *c, int pieces)
{
    int n = 0;
    *u = (struct run){ .row = c };
    for (; n < (int)ARRAY_LEN(u->steps) && (c->steps[n].answer != NULL || c->steps[n].then != PEER_KEEP); n++) {
        u->steps[n] = c->steps[n];
        if (c->steps[n].pieces == 0)
            u->steps[n].pieces = u->steps[n].repeat > 0 ? 0 : pieces;
    }
    u->peer = peer_start(u->steps, n);
    struct ai_openai_options o = openai_options(peer_port(u->peer));
    o.retries = c->retries < 0 ? 0 : 2;
    o.first_byte_ms = c->first_byte_ms;
    o.silence_ms = c->silence_ms;
    u->ai = openai_opened(r, &o);
    struct ai_request q = openai_question(!c->whole);
    if (c->timeout_ms != 0)
        q.timeout_ms = c->timeout_ms;
    if (ai_ask(u->ai, &q, tell, &u->told) == NULL || u->told.times != 0 || u->told.partials != 0)
        bail_out("an answer from inside the call");
}

static void end_row(struct rig *r, struct run *u, int pieces)
{
    const struct openai_row *c = u->row;
    struct told *t = &u->told;
    rig_until(r, was_told, t);
    is_str(ai_outcomes[t->answer.outcome], ai_outcomes[c->outcome], "%s (%s)", c->name, t->answer.err.text);
    is_int(peer_requests(u->peer), c->requests, "%s: requests", c->name);
    ok((t->answer.response != NULL) == (c->outcome == AI_ANSWERED), "%s: a response with an answer only", c->name);
    ok((t->answer.err.text[0] != '\0') == (c->outcome != AI_ANSWERED), "%s: a reason without one only", c->name);
    if (c->error != NULL)
        has_str(t->answer.err.text, c->error, "%s: which", c->name);
    ok(c->retry_after_ms > 0 ? t->answer.retry_after_ms >= c->retry_after_ms : t->answer.retry_after_ms <= 0, "%s: Retry-After", c->name);
    ok(strstr(t->answer.err.text, "sk-") == NULL, "%s: no token in it", c->name);
    ok(!c->whole || t->partials == 0, "%s: no partial texts unasked", c->name);
    check_reply(c, t, pieces);
    rig_settle(r);
    is_int(t->times, 1, "%s: answered once", c->name);
    ai_close(u->ai);
    peer_stop(u->peer);
    told_free(t);
}

static bool has_limit(const struct openai_row *c)
{
    return c->first_byte_ms > 0 || c->silence_ms > 0 || c->timeout_ms > 0;
}

/* Side by side, but for those where a short time matters. */
void openai_rows(struct rig *r, const struct openai_row *rows, size_t n, int pieces)
{
    static struct run runs[OPENAI_ROWS_MAX];
    if (n > ARRAY_LEN(runs))
        bail_out("too many rows");
    for (size_t i = 0; i < n; i++)
        if (!has_limit(&rows[i]))
            begin_row(r, &runs[i], &rows[i], pieces);
    for (size_t i = 0; i < n; i++)
        if (!has_limit(&rows[i]))
            end_row(r, &runs[i], pieces);
    for (size_t i = 0; i < n; i++) {
        if (!has_limit(&rows[i]) || pieces > 1)
            continue;
        begin_row(r, &runs[i], &rows[i], pieces);
        end_row(r, &runs[i], pieces);
    }
}
