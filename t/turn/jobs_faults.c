/* SPDX-License-Identifier: MIT
 * Jobs whose process is lost, whose store goes away on the way, or is not the one that knows what came before: nothing is answered twice, and
 * every id that somebody was told of stays good. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "store/store_ops.h"
#include "t/tap.h"
#include "t/turn/job_ask.h"
#include "turn/conversation.h"
#include "turn/overlap.h"
#include "turn/recent.h"

/* The process that works on it is lost, and customers write on: ids lead from one turn to the next, over as many steps as it takes. */
static void lost_and_restarted(void)
{
    struct rig r;
    rig_open(&r, &rig_policy);
    r.ai.hold = true;
    struct told a = post(&r, "c1", "<USER>one</USER>");
    rig_visit(&r, "c1");
    struct told b = post(&r, "c1", "<USER>one</USER><USER>two</USER>");
    ok(strcmp(a.job_id, b.job_id) != 0, "the next job is promised");
    turns_free(r.turns);
    r.turns = turns_new(&r.options, NULL);
    if (r.turns == NULL)
        bail_out("no second engine");
    clock_fake_move(rig_policy.lease_ttl_ms + 1);
    rig_visit(&r, "c1");
    is_int(r.ai.calls, 2, "the lease has run out: the turn begins anew, with both");
    json_t *j = job_of(&r, b.job_id);
    is_sv(json_sv(j, "status"), SV("processing"), "what was promised is worked on");
    is_sv(json_sv(j, "merged_into"), sv_from(a.job_id), "by the first");
    json_decref(j);
    struct told c = post(&r, "c1", "<USER>one</USER><USER>two</USER><USER>three</USER>");
    rig_ai_release(&r);
    rig_settle(&r);
    is_job(&r, b.job_id, "queued", "its reply is stale, too");
    r.ai.hold = false;
    rig_visit(&r, "c1");
    is_str(r.platform.last_key, c.job_id, "the last one answers");
    is_job(&r, a.job_id, "completed", "the first");
    j = job_of(&r, b.job_id);
    is_sv(json_sv(j, "status"), SV("completed"), "and the second is completed");
    is_sv(json_sv(j, "merged_into"), sv_from(c.job_id), "by the third");
    json_decref(j);
    rig_close(&r);
}

/* ---- stores that know less than they should ---- */

/* Two stores of one host, each with an engine of its own, and what the host remembers. */
static void use_recent(struct rig *r, struct recent *recent)
{
    turns_free(r->turns);
    r->options.recent = recent;
    r->turns = turns_new(&r->options, NULL);
    if (r->turns == NULL)
        bail_out("no engine");
}

static struct recent *open_host(struct rig *r, struct rig *other)
{
    struct err e;
    char path[96];
    rig_open(r, &rig_policy);
    rig_open(other, &rig_policy);
    (void)snprintf(path, sizeof(path), "%s/recent", r->dir);
    struct recent *recent = recent_open(path, &e);
    if (recent == NULL)
        bail_out("%s", e.text);
    (void)unlink(path); /* the map stays */
    use_recent(r, recent);
    use_recent(other, recent);
    return recent;
}

static void close_host(struct rig *r, struct rig *other, struct recent *recent)
{
    use_recent(r, NULL);
    use_recent(other, NULL);
    recent_close(recent);
    rig_close(other);
    rig_close(r);
}

/* The shared store is away: what it had taken is known all the same, by what this host remembers. */
static void remembered(void)
{
    struct rig r, other;
    struct rig_answer a;
    struct recent *recent = open_host(&r, &other);
    (void)post(&r, "c1", "<USER>one</USER>");
    clock_fake_move(10);
    (void)post(&r, "c1", "<USER>one</USER><USER>two</USER>");
    struct told t = post(&other, "c2", "<USER>one</USER>");
    is_int(t.outcome, HISTORY_STARTED, "another conversation");
    other.store->standing_in = true;
    t = post(&other, "c1", "<USER>one</USER><USER>two</USER>");
    is_int(t.outcome, HISTORY_KNOWN, "the store that stands in does not know it, the host does");
    is_str(t.job_id, "", "which job has it is not known");
    clock_fake_move(10);
    t = post(&other, "c1", "<USER>one</USER><USER>two</USER><USER>three</USER>");
    is_int(t.outcome, HISTORY_STARTED, "one more");
    is_int((int)t.consolidated, 1, "is new alone");
    clock_fake_move(10);
    t = post(&other, "c1", "<USER>one</USER><USER>two</USER><USER>three</USER><USER>four</USER>");
    is_int((int)t.consolidated, 2, "and one more, where it knows the one before");
    rig_send(&r, "c3", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "a message with a name");
    rig_forget(&a);
    rig_send(&other, "c3", "m1", "one", "user", &a);
    ok(rig_until(&other, &a), "the same to the store that stands in");
    is_str(rig_str(&a, "status"), "queued", "is not answered by it");
    is_str(rig_str(&a, "reason"), "waiting", "but by the one that has it");
    rig_forget(&a);
    other.store->standing_in = false;
    rig_send(&other, "c3", "m1", "one", "user", &a);
    other.store->standing_in = true;
    ok(rig_until(&other, &a), "the same while the host goes over");
    is_str(rig_str(&a, "status"), "queued", "is not answered either");
    rig_forget(&a);
    rig_send(&other, "c3", "m2", "two", "user", &a);
    ok(rig_until(&other, &a), "another one");
    is_str(rig_str(&a, "status"), "completed", "is");
    rig_forget(&a);
    other.store->standing_in = false;
    t = post(&other, "c1", "<USER>one</USER><USER>five</USER>");
    is_int((int)t.consolidated, 4, "a store that is to know everything is believed");
    rig_settle(&other);
    rig_settle(&r);
    close_host(&r, &other, recent);
}

/* A store that makes a change and is lost before anybody hears of it: what its switch says then. */
static struct store_ops deaf;
static const struct store_ops *hearing;
static struct unheard {
    store_apply_fn *fn;
    void *arg;
} unheard;

static void was_made(void *arg, enum store_status status, const struct store_applied *applied)
{
    struct unheard *u = arg;
    (void)applied;
    u->fn(u->arg, status == STORE_DONE ? STORE_CONFLICT : status, NULL);
}

static void deaf_apply(struct store *s, const struct store_change *c, store_apply_fn *fn, void *arg)
{
    s->ops = hearing; /* once */
    unheard = (struct unheard){ fn, arg };
    hearing->apply(s, c, was_made, &unheard);
}

static void be_deaf(struct rig *r)
{
    hearing = r->store->ops;
    deaf = *hearing;
    deaf.apply = deaf_apply;
    r->store->ops = &deaf;
}

/* What was found to be there, when an arrival was tried again, is remembered like what was heard of. */
static void made_unheard(void)
{
    struct rig r, other;
    struct rig_answer a;
    struct recent *recent = open_host(&r, &other);
    be_deaf(&r);
    struct told t = post(&r, "c1", "<USER>hello</USER><BOT>welcome</BOT><USER>one</USER>");
    is_int(t.outcome, HISTORY_LOCKED, "a history that was taken in without a word");
    be_deaf(&r);
    r.ai.hold = true;
    rig_send(&r, "c2", "m1", "one", "user", &a);
    rig_settle(&r);
    struct recent_message m[4];
    is_int((int)recent_of(recent, SV("c1"), 0, m, 4), 2, "is remembered");
    ok(m[0].key == overlap_key(true, SV("hello")), "in its order");
    ok(recent_has(recent, SV("c2"), SV("m1"), 0), "so is a message with a name");
    other.store->standing_in = true;
    t = post(&other, "c1", "<USER>hello</USER><BOT>welcome</BOT><USER>one</USER><USER>two</USER>");
    is_int((int)t.consolidated, 1, "and known to the store that stands in");
    r.ai.hold = false;
    rig_ai_release(&r);
    rig_settle(&r);
    rig_forget(&a);
    rig_settle(&other);
    close_host(&r, &other, recent);
}

static void put_done(void *arg, enum store_status status, const struct store_applied *applied)
{
    (void)applied;
    *(bool *)arg = status == STORE_DONE;
}

/* A message waited in one store while the next one was answered in the other: the history has them in the order in which they came. */
static void out_of_order(void)
{
    struct rig r;
    struct buf b = { 0 };
    bool done = false;
    const struct sv context[] = {
        SV("{\"message_id\":\"m2\",\"content\":\"two\",\"sender_id\":\"x\",\"sender_type\":\"user\",\"timestamp\":2000,\"received\":2000,\"seq\":2}"),
        SV("{\"role\":\"assistant\",\"content\":\"to two\",\"timestamp\":2500}"),
        SV("{\"message_id\":\"m1\",\"content\":\"one\",\"sender_id\":\"x\",\"sender_type\":\"user\",\"timestamp\":1000,\"received\":1000,\"seq\":1}"),
        SV("{\"role\":\"assistant\",\"content\":\"to one\",\"timestamp\":3000}"),
    };
    rig_open(&r, &rig_policy);
    conversation_format(&b, &(struct conversation){ .created_ms = 1000, .activity_ms = 3000, .seq = 2, .total = 2, .context_n = 4 });
    const struct store_change c = { .conversation_id = SV("c1"), .record = buf_sv(&b), .context_add = context, .context_add_n = 4,
                                    .activity_ms = 3000 };
    store_apply(r.store, &c, put_done, &done);
    rig_settle(&r);
    buf_fini(&b);
    ok(done, "answered in the wrong order");
    struct told t = post(&r, "c1", "<USER>one</USER><USER>two</USER>");
    is_int(t.outcome, HISTORY_KNOWN, "both are known");
    t = post(&r, "c1", "<USER>one</USER><USER>two</USER><USER>three</USER>");
    is_int((int)t.consolidated, 1, "one more is new alone");
    rig_close(&r);
}

/* The process is lost that worked on a message, its sender asks again and is told of a job. It can be asked for, whoever answers in the end. */
static void told_later(void)
{
    struct rig r;
    struct rig_answer a, b;
    char id[64];
    rig_open(&r, &rig_policy);
    r.ai.hold = true;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    turns_free(r.turns);
    r.turns = turns_new(&r.options, NULL);
    rig_forget(&a);
    clock_fake_move(rig_policy.lease_ttl_ms + 1);
    rig_send(&r, "c1", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "asked again");
    is_str(rig_str(&a, "status"), "queued", "it waits");
    (void)snprintf(id, sizeof(id), "%s", rig_str(&a, "job_id"));
    is_job(&r, id, "processing", "as a job that can be asked for, worked on as far as is known");
    rig_visit(&r, "c1");
    is_job(&r, id, "processing", "while it runs");
    rig_send(&r, "c1", "m2", "two", "user", &b);
    rig_settle(&r);
    rig_ai_release(&r);
    rig_settle(&r);
    r.ai.hold = false;
    is_job(&r, id, "queued", "its reply is stale");
    rig_visit(&r, "c1");
    is_int(r.platform.sent, 1, "answered");
    ok(strcmp(r.platform.last_key, id) != 0, "by another turn");
    is_job(&r, id, "completed", "and for whoever asks");
    rig_forget(&a);
    rig_forget(&b);
    rig_close(&r);
}

int main(void)
{
    clock_fake(1700000000000);
    lost_and_restarted();
    remembered();
    made_unheard();
    out_of_order();
    told_later();
    return done_testing();
}
