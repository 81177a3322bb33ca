/* SPDX-License-Identifier: MIT
 * See places_rig.h. */
#include "config.h"

#include "lib/clock.h"
#include "t/tap.h"
#include "t/turn/places_rig.h"

void places_nothing(void *arg)
{
    *(bool *)arg = true;
}

void places_pass(struct rig *r, int64_t ms)
{
    bool there = false;
    struct loop_timer *t = loop_timer_new(r->loop, places_nothing, &there);
    loop_timer_set(t, ms);
    while (!there)
        loop_turn(r->loop, true);
    loop_timer_free(t);
    rig_settle(r);
}

void places_heard(void *arg, struct sv event)
{
    (void)turns_event(((struct rig *)arg)->turns, event);
}

void places_open_failing(struct rig *r, const struct policy *p, unsigned n, bool after)
{
    clock_fake(1700000000000);
    rig_open_failing(r, p, n, after);
    rig_give_places(r);
    store_subscribe(r->store, places_heard, r);
    rig_settle(r);
}

void places_open(struct rig *r, const struct policy *p)
{
    places_open_failing(r, p, 0, false);
}

void places_shut(struct rig *r)
{
    is_int(r->platform.early, 0, "nothing went out before its moment");
    rig_close(r);
    clock_real();
}

struct policy places_policy(enum on_newer on_newer, uint32_t restart_max)
{
    struct policy p = rig_policy;
    p.on_newer = on_newer;
    p.restart_max = restart_max;
    return p;
}

void places_visit_until_sent(struct rig *r, int sent)
{
    for (int i = 0; i < 200 && r->platform.sent < sent; i++) {
        rig_visit(r, "c1");
        places_pass(r, 50);
    }
    is_int(r->platform.sent, sent, "sent, and once");
}

void places_begin(struct rig *r, const struct policy *p, int64_t in_ms, struct rig_answer *a)
{
    places_open(r, p);
    r->platform.place.at_ms = in_ms;
    rig_send(r, "c1", "m1", "one", "user", a);
    rig_settle(r);
    is_int(r->platform.places, 1, "a place is asked for");
    is_int(r->platform.sent, 0, "nothing is sent");
}
