/* SPDX-License-Identifier: MIT
 * What the engine counts and measures, turn by turn, and that it works without anybody who counts. */
#include "config.h"

#include <stdio.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "t/tap.h"
#include "t/turn/rig.h"
#include "turn/figures.h"

/* An engine on the rig's ports that counts in `m`. */
static void count_in(struct rig *r, struct metrics *m)
{
    struct err e;
    turns_free(r->turns);
    r->options.metrics = m;
    r->turns = turns_new(&r->options, &e);
    if (r->turns == NULL)
        bail_out("%s", e.text);
}

static void send_one(struct rig *r, const char *conversation, const char *id, const char *sender_type)
{
    struct rig_answer a;
    rig_send(r, conversation, id, "hello", sender_type, &a);
    ok(rig_until(r, &a), "%s %s is answered", conversation, id);
    rig_forget(&a);
}

static void turns_are_counted(void)
{
    static const struct {
        enum figure figure;
        unsigned n;
        const char *name;
    } wanted[] = {
        { FIGURE_MESSAGES, 7, "messages" },   { FIGURE_COMPLETED, 3, "completed" },     { FIGURE_RECORDED, 1, "recorded" },
        { FIGURE_QUEUED, 1, "queued" },       { FIGURE_UNKNOWN, 1, "unknown" },         { FIGURE_REPLAYED, 1, "replayed" },
        { FIGURE_AI_CALLS, 5, "AI calls" },   { FIGURE_AI_FAILURES, 1, "AI failures" }, { FIGURE_SENDS, 3, "sends" },
        { FIGURE_SEND_FAILURES, 2, "failed sends" }, { FIGURE_FAILED, 0, "failed" }, { FIGURE_SWEPT, 0, "swept" },
    };
    struct rig r;
    struct rig_answer held, locked;
    struct err e;
    struct metrics_times t;
    struct metrics *m = metrics_open(NULL, FIGURES_LAYOUT, &e);
    rig_open(&r, &rig_policy);
    count_in(&r, m);
    send_one(&r, "c1", "m1", "user");
    send_one(&r, "c1", "m1", "user"); /* again */
    send_one(&r, "c2", "p1", "agent");
    r.ai.outcome = AI_UNREACHABLE;
    send_one(&r, "c3", "m1", "user");
    r.ai.outcome = AI_ANSWERED;
    r.platform.outcome = PLATFORM_UNKNOWN;
    send_one(&r, "c4", "m1", "user");
    r.platform.outcome = PLATFORM_FAILED;
    send_one(&r, "c5", "m1", "user");
    r.platform.impossible = true; /* which is no send, and no platform's failure */
    send_one(&r, "c7", "m1", "user");
    r.ai.hold = true;
    rig_send(&r, "c6", "m1", "one", "user", &held);
    rig_settle(&r);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        is_int(metrics_count(m, wanted[i].figure), wanted[i].n, "%s", wanted[i].name);
    rig_send(&r, "c6", "m2", "two", "user", &locked);
    ok(rig_until(&r, &locked), "a newer one");
    is_int(metrics_count(m, FIGURE_LOCKED), 1, "locked");
    rig_ai_release(&r);
    ok(rig_until(&r, &held), "the turn ends");
    is_int(metrics_count(m, FIGURE_RESTARTED), 1, "restarted");
    metrics_times(m, FIGURE_AI_TIME, &t);
    is_int(t.n, 6, "a time for each AI call");
    metrics_times(m, FIGURE_OWN_TIME, &t);
    is_int(t.n, 6, "and for each turn");
    rig_forget(&held);
    rig_forget(&locked);
    rig_close(&r);
    metrics_close(m);
}

/* What the AI takes is not the engine's own time; on a clock that stands still but for that. */
static void times_are_apart(void)
{
    struct rig r;
    struct rig_answer a;
    struct err e;
    struct metrics_times ai, own;
    struct metrics *m = metrics_open(NULL, FIGURES_LAYOUT, &e);
    rig_open(&r, &rig_policy);
    count_in(&r, m);
    clock_fake(1700000000000);
    r.ai.hold = true;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    clock_fake_move(1000);
    rig_ai_release(&r);
    ok(rig_until(&r, &a), "a turn whose AI takes a second");
    metrics_times(m, FIGURE_AI_TIME, &ai);
    metrics_times(m, FIGURE_OWN_TIME, &own);
    is_int(ai.sum_us, 1000000, "that is the AI's time");
    is_int(own.sum_us, 0, "and nobody else's");
    clock_real();
    rig_forget(&a);
    rig_close(&r);
    metrics_close(m);
}

int main(void)
{
    log_threshold = LOG_ERROR + 1;
    turns_are_counted();
    times_are_apart();
    return done_testing();
}
