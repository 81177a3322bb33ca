/* SPDX-License-Identifier: MIT
 * The store goes between the gate and the end of a turn and comes back: what became of the reply is written down then, by the process that knows. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "store/store_ops.h"
#include "t/tap.h"
#include "t/turn/job_ask.h"
#include "t/turn/rig.h"
#include "turn/conversation.h"

/* ---- a store that goes, and another one that knows nothing ---- */

static struct store_ops switched;
static const struct store_ops *ops;
static bool gone, goes; /* `goes`: with the next change, which it makes and nobody hears of */
static bool is_back;    /* by the time at which anybody asks, and leases have run out */
static struct {
    store_apply_fn *fn;
    void *arg;
} unheard;

static void go(struct rig *r, bool yes)
{
    gone = yes;
    r->store->standing_in = yes;
}

static void load(struct store *s, const struct store_load *what, store_load_fn *fn, void *arg)
{
    const struct store_view nothing = { .now_ms = clock_wall_ms() };
    if (gone)
        fn(arg, STORE_DONE, &nothing);
    else
        ops->load(s, what, fn, arg);
}

static void made(void *arg, enum store_status status, const struct store_applied *applied)
{
    struct store *s = arg;
    (void)applied;
    if (is_back) {
        gone = s->standing_in = false;
        clock_fake_move(rig_policy.lease_ttl_ms + 1);
    }
    unheard.fn(unheard.arg, status == STORE_DONE ? STORE_CONFLICT : status, NULL);
}

static void apply(struct store *s, const struct store_change *c, store_apply_fn *fn, void *arg)
{
    if (gone) {
        fn(arg, STORE_CONFLICT, NULL);
    } else if (goes) {
        goes = false;
        gone = s->standing_in = true;
        unheard.fn = fn;
        unheard.arg = arg;
        ops->apply(s, c, made, s);
    } else {
        ops->apply(s, c, fn, arg);
    }
}

static void open(struct rig *r)
{
    rig_open(r, &rig_policy);
    ops = r->store->ops;
    switched = *ops;
    switched.load = load;
    switched.apply = apply;
    r->store->ops = &switched;
    gone = goes = is_back = false;
}

static void pass(struct rig *r, int64_t ms)
{
    clock_fake_move(ms);
    rig_settle(r);
}

/* Until the turn has told what it knows, or is lost. Its look is made by a timer of the loop, which does not run by the fake clock. */
static void until_told(struct rig *r)
{
    struct turns_stat before, now;
    turns_stat(r->turns, &before);
    now = before;
    for (int i = 0; i < 10000 && now.completed == before.completed && now.lost == before.lost && now.queued == before.queued; i++) {
        loop_turn(r->loop, false);
        usleep(500);
        turns_stat(r->turns, &now);
    }
    rig_settle(r);
}

/* ---- the cases ---- */

/* A job whose turn waits for the AI, or for the platform. */
static struct told begin(struct rig *r, bool sends)
{
    open(r);
    r->ai.hold = !sends;
    r->platform.hold = sends;
    struct told t = post(r, "c1", "<USER>one</USER>");
    rig_visit(r, "c1");
    return t;
}

/* The store goes while it is sent. */
static struct told begin_and_lose(struct rig *r)
{
    struct told t = begin(r, true);
    go(r, true);
    rig_platform_release(r);
    rig_settle(r);
    return t;
}

static void gate_unheard(bool made_it)
{
    struct rig r;
    struct told t = begin(&r, false);
    goes = made_it;
    if (!made_it)
        go(&r, true);
    rig_ai_release(&r);
    rig_settle(&r);
    ok(gone, "the store goes with the gate, which is %s", made_it ? "written" : "not written");
    is_int(r.platform.sent, 0, "nothing is sent");
    pass(&r, 60000);
    is_int((int)turns_running(r.turns), 0, "it does not count as a turn that runs");
    go(&r, false);
    r.ai.hold = false;
    rig_visit(&r, "c1"); /* the lease has run out */
    until_told(&r);
    for (int i = 0; i < 20 && r.platform.sent == 0; i++) {
        pass(&r, 1000);
        rig_visit(&r, "c1");
    }
    is_int(r.platform.sent, 1, "when it is back, the message is answered");
    is_job(&r, t.job_id, "completed", "and its job has ended");
    rig_close(&r);
}

/* An outage that is over before the turn hears of it, but not before its lease has run out. */
static void gate_too_late(void)
{
    struct rig r;
    struct turns_stat stat;
    struct told t = begin(&r, false);
    goes = is_back = true;
    r.ai.hold = false;
    rig_ai_release(&r);
    rig_settle(&r);
    is_int(r.platform.sent, 0, "a gate that is found too late is not used");
    turns_stat(r.turns, &stat);
    ok(stat.queued == 2 && stat.lost == 0, "and the record does not keep it"); /* queued when it came, and again */
    for (int i = 0; i < 20 && r.platform.sent == 0; i++) {
        pass(&r, 1000);
        rig_visit(&r, "c1");
    }
    is_int(r.platform.sent, 1, "the message is answered");
    is_job(&r, t.job_id, "completed", "and its job has ended");
    rig_close(&r);
}

static void end_unheard(bool visited_first)
{
    struct rig r;
    struct told t = begin_and_lose(&r);
    is_int(r.platform.sent, 1, "a reply is sent");
    pass(&r, 60000);
    go(&r, false);
    if (visited_first) {
        rig_visit(&r, "c1");
        is_job(&r, t.job_id, "processing", "whoever comes by leaves it as it is");
    }
    until_told(&r);
    is_job(&r, t.job_id, "completed", "what the platform said is written down when the store is back");
    struct turns_stat stat;
    turns_stat(r.turns, &stat);
    ok(stat.completed == 1 && stat.unknown == 0 && stat.lost == 0, "as a turn like any other");
    pass(&r, 10000);
    rig_visit(&r, "c1");
    is_int(r.platform.sent, 1, "nothing is sent again");
    rig_close(&r);
}

/* ---- the record was joined meanwhile ---- */

static struct {
    struct conversation record;
    uint64_t version;
} joined;

static void keep_record(void *arg, enum store_status status, const struct store_view *v)
{
    struct err e;
    (void)arg;
    if (status != STORE_DONE || conversation_parse(v->record, &joined.record, &e) != 0)
        bail_out("no record");
    joined.version = v->version;
}

static void is_written(void *arg, enum store_status status, const struct store_applied *applied)
{
    (void)applied;
    *(bool *)arg = status == STORE_DONE;
}

/* As turns_join leaves it. */
static void join(struct rig *r, uint32_t sends)
{
    const struct store_load what = { .conversation_id = SV("c1") };
    struct buf b = { 0 };
    bool written = false;
    store_load(r->store, &what, keep_record, NULL);
    rig_settle(r);
    joined.record.token[0] = joined.record.owner[0] = '\0';
    joined.record.fence++;
    joined.record.sends = sends;
    conversation_format(&b, &joined.record);
    const struct store_change c = { .conversation_id = SV("c1"), .expect_version = joined.version, .record = buf_sv(&b), .lease = STORE_LEASE_DROP,
                                    .due_ms = joined.record.send_deadline_ms, .in = STORE_IN_ACTIVE | STORE_IN_WAITING };
    store_apply(r->store, &c, is_written, &written);
    rig_settle(r);
    buf_fini(&b);
    ok(written, "joined");
}

static void joined_end(uint32_t sends)
{
    struct rig r;
    struct told t = begin_and_lose(&r);
    gone = false; /* for the one that joins */
    join(&r, sends);
    go(&r, false);
    until_told(&r);
    if (sends == 1) {
        is_job(&r, t.job_id, "completed", "its send is still that of the turn which tells");
    } else {
        is_job(&r, t.job_id, "processing", "one of two sends is not enough to tell");
        for (int i = 0; i < 20; i++) {
            pass(&r, 1000);
            rig_visit(&r, "c1");
        }
        json_t *j = job_of(&r, t.job_id);
        is_sv(json_sv(json_object_get(json_object_get(j, "result"), "pancake_result"), "status"), SV("unknown"), "it ends as unknown");
        json_decref(j);
    }
    is_int(r.platform.sent, 1, "sent once");
    rig_close(&r);
}

static void drained(void *arg)
{
    *(bool *)arg = true;
}

static void shut_down(bool drain)
{
    struct rig r;
    struct turns_stat stat;
    bool done = false;
    (void)begin_and_lose(&r);
    if (drain)
        turns_drain(r.turns, 0, drained, &done);
    rig_settle(&r);
    ok(done == drain, "a drain does not wait for a store that is away");
    turns_stat(r.turns, &stat);
    is_int((int)stat.lost, drain, "a turn that is kept is lost with the process");
    rig_close(&r); /* frees those that are still kept: the leak checker looks */
}

int main(void)
{
    clock_fake(1700000000000);
    gate_unheard(true);
    gate_unheard(false);
    gate_too_late();
    end_unheard(false);
    end_unheard(true);
    joined_end(1);
    joined_end(1000000);
    shut_down(true);
    shut_down(false);
    return done_testing();
}
