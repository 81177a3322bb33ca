/* SPDX-License-Identifier: MIT
 * The sweep: visits what is due, and says that it has stopped only when nothing can come back to it. */
#include "config.h"

#include "daemon/sweep.h"
#include "t/tap.h"
#include "t/turn/rig.h"

static void flag(void *arg)
{
    *(bool *)arg = true;
}

static void visits(void)
{
    struct rig r;
    struct rig_answer a;
    bool stopped = false;
    rig_open(&r, &rig_policy);
    r.ai.outcome = AI_UNREACHABLE;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "a message is queued");
    is_str(rig_str(&a, "status"), "queued", "since the AI is away");
    rig_forget(&a);
    r.ai.outcome = AI_ANSWERED;
    struct sweep *w = sweep_new(r.loop, r.store, r.turns, 100, 60000);
    for (int i = 0; i < 5000 && r.platform.sent == 0; i++)
        loop_turn(r.loop, true);
    is_int(r.platform.sent, 1, "the sweep finds it when its time has come");
    sweep_stop(w, flag, &stopped);
    for (int i = 0; i < 1000 && !stopped; i++)
        loop_turn(r.loop, false);
    ok(stopped, "it stops");
    sweep_free(w);
    rig_close(&r);
}

/* Stopped in the middle of a look: the store's answer comes later, and must find it alive. */
static void stop_while_looking(void)
{
    struct rig r;
    bool stopped = false;
    rig_open(&r, &rig_policy);
    struct sweep *w = sweep_new(r.loop, r.store, r.turns, 100, 60000);
    int rounds = 0;
    loop_turn(r.loop, true); /* its timer: the look has begun, its answer waits for the next round */
    sweep_stop(w, flag, &stopped);
    ok(!stopped, "not stopped at once");
    for (; rounds < 1000 && !stopped; rounds++)
        loop_turn(r.loop, false);
    ok(stopped, "stopped after the answer");
    sweep_free(w);
    rig_close(&r);
}

int main(void)
{
    visits();
    stop_while_looking();
    return done_testing();
}
