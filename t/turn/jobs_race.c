/* SPDX-License-Identifier: MIT
 * Histories that come in at two processes at once, and texts that the customer says again after the store has lost sight of them: nothing is
 * answered twice, nothing is lost, everybody is told a job. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/id.h"
#include "lib/loop.h"
#include "store/store_ops.h"
#include "t/tap.h"
#include "t/turn/control_ask.h"
#include "turn/history.h"

struct told {
    bool done;
    enum history_outcome outcome;
    char job_id[64], lock_id[64];
    size_t consolidated;
};

static void on_told(void *arg, const struct history_answer *a)
{
    struct told *t = arg;
    if (t->done)
        bail_out("a client was answered twice");
    *t = (struct told){ .done = true, .outcome = a->outcome, .consolidated = a->consolidated };
    snprintf(t->job_id, sizeof(t->job_id), "%s", a->job_id);
    snprintf(t->lock_id, sizeof(t->lock_id), "%s", a->lock_id);
}

static void submit(struct turns *turns, const char *conversation, const char *markup, struct told *told)
{
    struct arena *a = arena_new(0, 1u << 20);
    struct markup m;
    struct err e;
    *told = (struct told){ 0 };
    if (markup_parse(a, sv_from(markup), &m, &e) != 0)
        bail_out("%s: %s", markup, e.text);
    const struct history h = { .conversation_id = sv_from(conversation), .parts = m.parts, .parts_n = m.n, .sender_id = SV("customer") };
    turns_submit_history(turns, &h, on_told, told);
    arena_free(a);
}

static void await(struct rig *r, const struct told *told)
{
    for (int i = 0; i < 20000 && !told->done; i++) {
        clock_fake_move(1);
        loop_turn(r->loop, false);
    }
    if (!told->done)
        bail_out("no answer");
}

static struct told post(struct rig *r, const char *conversation, const char *markup)
{
    struct told told;
    submit(r->turns, conversation, markup, &told);
    await(r, &told);
    return told;
}

/* ---- the cases ---- */

static void two_processes(void)
{
    struct rig r;
    struct err e;
    struct told a, b;
    rig_open(&r, &rig_policy);
    struct turns *other = turns_new(&r.options, &e);
    submit(r.turns, "c1", "<USER>one</USER>", &a);
    submit(other, "c1", "<USER>one</USER>", &b);
    await(&r, &a);
    await(&r, &b);
    is_int(a.outcome, HISTORY_STARTED, "one of two equal requests has a job of its own");
    is_int(b.outcome, HISTORY_LOCKED, "the other one joins it");
    is_str(b.job_id, a.job_id, "it is the same");
    is_str(b.lock_id, a.lock_id, "under the same lock");
    is_int((int)b.consolidated, 1, "of one message");

    submit(r.turns, "c2", "<USER>one</USER>", &a);
    submit(other, "c2", "<USER>one</USER><USER>two</USER>", &b);
    await(&r, &a);
    await(&r, &b);
    is_str(b.job_id, a.job_id, "a window that reaches further");
    rig_visit(&r, "c1");
    rig_visit(&r, "c2");
    is_int(r.platform.sent, 2, "one reply each");
    is_str(r.ai.seen, "user:one|user:two|", "and each text once");
    turns_free(other);
    rig_close(&r);
}

static void said_again(void)
{
    struct rig r;
    struct policy p = rig_policy;
    char markup[64];
    rig_open(&r, &p);
    const struct turns_change change = { .policy = p, .bot_name = "Default Bot", .context_max = 4, .job_ttl_ms = 86400000 };
    turns_set(r.turns, &change);
    for (int i = 0; i < 3; i++) {
        struct told first = post(&r, "c1", "<USER>thanks</USER>");
        is_int(first.outcome, HISTORY_STARTED, "said for the %d. time", i + 1);
        rig_visit(&r, "c1");
        for (int k = 0; k < 3; k++) {
            snprintf(markup, sizeof(markup), "<USER>other %d.%d</USER>", i, k);
            struct told t = post(&r, "c1", markup);
            is_int(t.outcome, HISTORY_STARTED, "then %s", markup);
            rig_visit(&r, "c1");
        }
    }
    is_int(r.platform.sent, 12, "each has its reply");
    rig_close(&r);
}

/* The ids of all messages with this text that the archive is to get. */
struct names {
    bool done;
    const char *text;
    char ids[8][ID_UUID_SIZE];
    size_t n;
};

static void on_taken(void *arg, enum store_status status, const struct store_batch *batch)
{
    struct names *names = arg;
    names->done = true;
    for (size_t i = 0; status == STORE_DONE && i < batch->n; i++) {
        json_t *item = json_read(batch->items[i], false, NULL), *messages = json_object_get(item, "messages");
        for (size_t k = 0; k < json_array_size(messages) && names->n < ARRAY_LEN(names->ids); k++) {
            const json_t *m = json_array_get(messages, k);
            if (sv_eq(json_sv(m, "content"), sv_from(names->text)))
                snprintf(names->ids[names->n++], ID_UUID_SIZE, "%.*s", SV_FMT(json_sv(m, "message_id")));
        }
        json_decref(item);
    }
}

/* Its mark has expired by then, but the archive keeps its first row for ever. */
static void days_later(void)
{
    struct rig r;
    struct policy p = rig_policy;
    struct names names = { .text = "good morning" };
    rig_open(&r, &p);
    const struct turns_change change = { .policy = p, .bot_name = "Default Bot", .context_max = 2, .job_ttl_ms = 86400000 };
    turns_set(r.turns, &change);
    for (int i = 0; i < 3; i++) {
        (void)post(&r, "c1", "<USER>good morning</USER><USER>a question</USER>");
        rig_visit(&r, "c1");
        (void)post(&r, "c1", "<USER>another</USER>");
        rig_visit(&r, "c1");
        clock_fake_move(i == 0 ? 8 * 3600 * 1000 : 72 * 3600 * 1000);
    }
    store_take(r.store, STORE_QUEUE_MESSAGES, SV("test"), 100, on_taken, &names);
    for (int i = 0; i < 1000 && !names.done; i++)
        loop_turn(r.loop, false);
    is_int((int)names.n, 3, "said three times");
    ok(strcmp(names.ids[0], names.ids[1]) != 0, "on the same day it is another message");
    ok(strcmp(names.ids[1], names.ids[2]) != 0 && strcmp(names.ids[0], names.ids[2]) != 0, "days later, too");
    rig_close(&r);
}

/* A store whose first answer to an arrival is that somebody was quicker, as of a host that goes over to its other store; hours later for the clock,
 * so that names made anew would be others. */
static struct store_ops spied;
static const struct store_ops *spied_on;
static struct buf spied_ids;

struct refused {
    store_apply_fn *fn;
    void *arg;
};

static void refuse(void *arg)
{
    struct refused *x = arg;
    clock_fake_move(7 * 3600 * 1000);
    x->fn(x->arg, STORE_CONFLICT, NULL);
}

static void spy_apply(struct store *s, const struct store_change *change, store_apply_fn *fn, void *arg)
{
    static struct refused refused;
    bool first = spied_ids.n == 0;
    for (size_t i = 0; i < change->marks_n; i++)
        buf_printf(&spied_ids, "%.*s ", SV_FMT(change->marks[i].key));
    buf_printf(&spied_ids, "%.*s\n", SV_FMT(change->mark_new.key));
    refused = (struct refused){ fn, arg };
    if (first)
        loop_soon(s->loop, refuse, &refused);
    else
        spied_on->apply(s, change, fn, arg);
}

static void one_name(void)
{
    struct rig r;
    rig_open(&r, &rig_policy);
    spied_on = r.store->ops;
    spied = *spied_on;
    spied.apply = spy_apply;
    r.store->ops = &spied;
    struct told t = post(&r, "c1", "<USER>one</USER><USER>two</USER>");
    is_int(t.outcome, HISTORY_STARTED, "taken at the second try");
    struct sv rest = buf_sv(&spied_ids), a = sv_split(&rest, '\n'), b = sv_split(&rest, '\n');
    ok(a.n == 2 * 36 + 1 && sv_eq(a, b), "under the names of the first: %s", spied_ids.p);
    r.store->ops = spied_on;
    buf_fini(&spied_ids);
    rig_close(&r);
}

/* It would be refused for ever: each later history brings the same, and more. */
static void more_than_may_wait(void)
{
    struct rig r;
    struct policy p = rig_policy;
    p.pending_max = 3;
    rig_open(&r, &p);
    struct told t = post(&r, "c1", "<USER>1</USER><USER>2</USER><USER>3</USER><USER>4</USER><USER>5</USER>");
    is_int(t.outcome, HISTORY_STARTED, "more texts than may wait: the newest are answered");
    is_int((int)t.consolidated, 3, "as many as may");
    t = post(&r, "c1", "<USER>1</USER><USER>2</USER><USER>3</USER><USER>4</USER><USER>5</USER><USER>6</USER>");
    is_int(t.outcome, HISTORY_FULL, "while they wait, no others are taken");
    rig_visit(&r, "c1");
    is_str(r.ai.seen, "user:1|user:2|user:3|user:4|user:5|", "the AI is told all of them");
    t = post(&r, "c1", "<USER>1</USER><USER>2</USER><USER>3</USER><USER>4</USER><USER>5</USER><USER>6</USER>");
    is_int(t.outcome, HISTORY_STARTED, "then they are");
    rig_close(&r);
}

static void on_due(void *arg, enum store_status status, const struct store_listing *l)
{
    *(int *)arg = status == STORE_DONE ? (int)l->n : -1;
}

/* Visits it until it is not due at any time any more. */
static void until_settled(struct rig *r, const char *conversation)
{
    const struct store_list due = { .index = STORE_DUE, .max_ms = INT64_MAX, .max = 1 };
    for (int i = 0; i < 2000; i++) {
        int n = -2;
        rig_visit(r, conversation);
        store_list(r->store, &due, on_due, &n);
        for (int k = 0; k < 1000 && n == -2; k++)
            loop_turn(r->loop, false);
        if (n == 0)
            return;
        clock_fake_move(100);
        usleep(1000);
    }
    bail_out("it does not come to rest");
}

/* The n-th call gets no answer of the store: whoever was told 503 asks again, and everything is answered once. */
static void lost_answers(void)
{
    int repeated = 0;
    for (unsigned n = 1; n < 30; n++)
        for (int after = 0; after < 2; after++) {
            struct rig r;
            rig_open_failing(&r, &rig_policy, n, after != 0);
            struct told t = post(&r, "c1", "<USER>one</USER><USER>two</USER>");
            if (t.outcome == HISTORY_UNAVAILABLE) {
                repeated++;
                t = post(&r, "c1", "<USER>one</USER><USER>two</USER>");
            }
            bool taken = t.outcome == HISTORY_STARTED || t.outcome == HISTORY_LOCKED;
            until_settled(&r, "c1");
            struct told again = post(&r, "c1", "<USER>one</USER><USER>two</USER><BOT>answer 1</BOT>");
            if (again.outcome == HISTORY_UNAVAILABLE)
                again = post(&r, "c1", "<USER>one</USER><USER>two</USER><BOT>answer 1</BOT>");
            if (!taken || again.outcome != HISTORY_KNOWN || r.platform.sent != 1 || strcmp(r.ai.seen, "user:one|user:two|") != 0 ||
                strcmp(again.job_id, t.job_id) != 0)
                ok(false, "call %u, %s: taken %d, then %d, %d replies, job %s, then %s, told \"%s\"", n, after != 0 ? "done" : "not done", t.outcome,
                   again.outcome, r.platform.sent, t.job_id, again.job_id, r.ai.seen);
            rig_close(&r);
        }
    ok(repeated > 2, "%d requests were repeated, and everything was answered once", repeated);
}

/* The same with a cancel: what it is told holds. `sending`: it comes while the reply is sent. */
static void lost_cancels(bool sending, bool next)
{
    int told_cancelled = 0, too_late = 0;
    for (unsigned n = 1; n < 24; n++)
        for (int after = 0; after < 2; after++) {
            struct rig r;
            struct asked q = { 0 };
            rig_open_failing(&r, &rig_policy, n, after != 0);
            r.ai.hold = !sending;
            r.platform.hold = sending;
            struct told t = post(&r, "c1", "<USER>one</USER>"), meant = t;
            rig_visit(&r, "c1");
            if (next)
                meant = post(&r, "c1", "<USER>one</USER><USER>two</USER>");
            control_cancel_job(r.turns, sv_from(meant.job_id), asked_fn, &q);
            if (!asked_wait(&r, &q))
                bail_out("no answer to a cancel");
            r.ai.hold = r.platform.hold = false;
            if (r.ai.held != NULL)
                rig_ai_release(&r);
            if (r.platform.held != NULL)
                rig_platform_release(&r);
            until_settled(&r, "c1");
            bool cancelled = q.http_status == 200 && asked_bool(&q, "cancelled"), both = next && !sending;
            int sent = r.platform.sent, most = next && sending ? 1 : 0;
            told_cancelled += cancelled;
            too_late += q.http_status == 409;
            if (meant.outcome != HISTORY_UNAVAILABLE && ((cancelled && sent > most) || (q.http_status == 409 && sent == 0) || sent > 1 + next))
                ok(false, "call %u, %s: a cancel was told %d, and %d replies went out (%d)", n, after != 0 ? "done" : "not done", q.http_status, sent, both);
            asked_forget(&q);
            rig_close(&r);
        }
    ok(told_cancelled + too_late > 20, "%d cancels were done, %d came too late, and what they were told holds", told_cancelled, too_late);
}

static void count_items(void *arg, enum store_status status, const struct store_batch *batch)
{
    size_t *n = arg;
    *n = status == STORE_DONE ? batch->n : 0;
}

/* A history of years. */
static void very_long(void)
{
    struct rig r;
    struct buf b = { 0 };
    size_t n = SIZE_MAX;
    rig_open(&r, &rig_policy);
    for (int i = 0; i < 1500; i++)
        buf_printf(&b, "<BOT>%d</BOT>", i);
    buf_add(&b, SV("<USER>one</USER><USER>two</USER>"));
    struct told t = post(&r, "c1", b.p);
    is_int(t.outcome, HISTORY_STARTED, "1,500 parts and a question");
    is_int((int)t.consolidated, 2, "of two messages");
    store_take(r.store, STORE_QUEUE_MESSAGES, SV("test"), 2000, count_items, &n);
    for (int i = 0; i < 1000 && n == SIZE_MAX; i++)
        loop_turn(r.loop, false);
    is_int((int)n, 998, "with the question, 1,000 are kept");
    t = post(&r, "c1", b.p);
    is_int(t.outcome, HISTORY_LOCKED, "and recognised");
    buf_fini(&b);
    rig_close(&r);
}

int main(void)
{
    clock_fake(1700000000000);
    two_processes();
    said_again();
    days_later();
    one_name();
    very_long();
    more_than_may_wait();
    lost_answers();
    lost_cancels(false, false);
    lost_cancels(true, false);
    lost_cancels(false, true);
    lost_cancels(true, true);
    return done_testing();
}
