/* SPDX-License-Identifier: MIT
 * Promises about one conversation: version, marks, lease, pending messages, context. */
#include "config.h"

#include "lib/clock.h"
#include "t/store/contract.h"

static enum store_status did(struct rig *r, struct store_change c)
{
    return apply(r, &c)->status;
}

static void version(struct rig *r)
{
    const struct store_view *v = load(r, "c");
    is_int(v->version, 0, "no record: version 0");
    is_sv(v->record, SV_NONE, "and no record");
    is_sv(v->lease_token, SV_NONE, "and nobody holds it");
    ok(v->now_ms > 0, "the store tells its time");
    is_int(did(r, CHANGE("c", 1)), STORE_CONFLICT, "a version that is not there");
    struct call *c = apply(r, &CHANGE("c", 0));
    is_int(c->status, STORE_DONE, "the first record");
    is_int(c->applied.version, 1, "has version 1");
    ok(c->applied.now_ms > 0, "the store tells its time");
    is_int(did(r, CHANGE("c", 0)), STORE_CONFLICT, "again: there is a record now");
    is_int(did(r, CHANGE("c", 2)), STORE_CONFLICT, "a version to come");
    is_int(apply(r, &CHANGE("c", 1, .record = SV("{\"a\":1}")))->applied.version, 2, "the next one");
    v = load(r, "c");
    is_int(v->version, 2, "is read");
    is_sv(v->record, SV("{\"a\":1}"), "with its record");
    is_sv(v->mark, SV_NONE, "an unknown message has no mark");
    is_int(load(r, "C")->version, 0, "ids are compared byte by byte");
    is_int(did(r, CHANGE("c", 2, .record = SV(""))), STORE_DONE, "an empty record is a record");
    v = load(r, "c");
    ok(v->version == 3 && v->record.p != NULL && v->record.n == 0, "and is read as such");
}

static void conflict_changes_nothing(struct rig *r)
{
    static const struct store_pair marks[] = { { { "m2", 2 }, { "x", 1 } } };
    (void)apply(r, &CHANGE("c", 0));
    const struct store_stat before = *stat_of(r);
    struct store_change all =
        CHANGE("c", 7, .lease = STORE_LEASE_TAKE, .lease_token = SV("t"), .lease_ttl_ms = LONG_MS,
               .mark_new = { SV("m"), SV("x") }, .marks = marks, .marks_n = 1, .pending_add = SV("p"),
               .context_add = LIST(SV("k")), .context_add_n = 1, .context_max = 9, .queue_add = LIST(SV("q")),
               .queue_add_n = 1, .job = { SV("j"), SV("v") }, .job_ttl_ms = LONG_MS, .due_ms = 1, .in = STORE_IN_ACTIVE,
               .event = SV("e"));
    is_int(did(r, all), STORE_CONFLICT, "a conflict");
    const struct store_view *v = load(r, "c");
    is_sv(v->record, SV("r"), "left the record");
    is_int(v->version, 1, "the version");
    is_sv(v->lease_token, SV_NONE, "the lock");
    is_sv(v->mark, SV_NONE, "the marks");
    is_int(v->pending_n + v->context_n, 0, "the lists");
    is_sv(load_of(r, SV("c"), SV("m2"))->mark, SV_NONE, "the other marks");
    is_sv(get(r, "job:j"), SV_NONE, "the job");
    is_int(due(r, 9)->n, 0, "the due time");
    const struct store_stat *after = stat_of(r);
    ok(after->queue == before.queue && after->active == before.active, "the queue and the listings as they were");
    is_int(r->heard, r->connected, "and nobody heard of it");
}

static void marks(struct rig *r)
{
    is_int(did(r, CHANGE("c", 0, .mark_new = { SV("m"), SV("one") })), STORE_DONE, "a new mark");
    is_sv(load(r, "c")->mark, SV("one"), "is read");
    struct call *c = apply(r, &CHANGE("c", 1, .mark_new = { SV("m"), SV("two") }, .record = SV("changed")));
    is_int(c->status, STORE_DUPLICATE, "again: duplicate");
    is_sv(c->applied.mark, SV("one"), "with the mark that is there");
    is_sv(load(r, "c")->record, SV("r"), "nothing changed");
    is_int(load(r, "c")->version, 1, "nor the version");
    struct store_pair over[] = { { SV("m"), SV("three") }, { SV("m2"), SV("") } };
    is_int(did(r, CHANGE("c", 1, .marks = over, .marks_n = 2)), STORE_DONE, "marks are overwritten");
    is_sv(load(r, "c")->mark, SV("three"), "the first");
    is_sv(load_of(r, SV("c"), SV("m2"))->mark, SV(""), "the second, empty but there");
    is_int(did(r, CHANGE("d", 0, .mark_new = { SV("m"), SV("d") })), STORE_DONE, "another conversation has its own");
    is_sv(load(r, "d")->mark, SV("d"), "marks");
    is_int(did(r, CHANGE("c", 2, .mark_new = { SV("a:b"), SV("1") })), STORE_DONE, "an id with a colon");
    is_int(did(r, CHANGE("c:a", 0, .mark_new = { SV("b"), SV("2") })), STORE_DONE,
           "is not confused with another split");
    is_sv(load_of(r, SV("c:a"), SV("b"))->mark, SV("2"), "this one");
    is_sv(load_of(r, SV("c"), SV("a:b"))->mark, SV("1"), "that one");
}

static void marks_expire(struct rig *r)
{
    struct store_pair over = { SV("m2"), SV("x") };
    (void)apply(
        r, &CHANGE("c", 0, .mark_new = { SV("m"), SV("one") }, .marks = &over, .marks_n = 1, .mark_ttl_ms = SHORT_MS));
    rig_pass(r, SHORT_MS + 20);
    is_sv(load(r, "c")->mark, SV_NONE, "a mark past its time is gone");
    is_sv(load_of(r, SV("c"), SV("m2"))->mark, SV_NONE, "the other kind too");
    is_int(did(r, CHANGE("c", 1, .mark_new = { SV("m"), SV("two") })), STORE_DONE, "it may be set anew");
    is_sv(load(r, "c")->mark, SV("two"), "and is read");
}

static void lease(struct rig *r)
{
    (void)apply(r, &CHANGE("c", 0, .lease = STORE_LEASE_TAKE, .lease_token = SV("t1"), .lease_ttl_ms = LONG_MS));
    const struct store_view *v = load(r, "c");
    is_sv(v->lease_token, SV("t1"), "the lock is taken");
    ok(v->lease_left_ms > LONG_MS - 60000 && v->lease_left_ms <= LONG_MS, "for the time asked");
    is_int(did(r, CHANGE("c", 1, .need_token = SV("t2"))), STORE_LEASE_LOST, "another token");
    is_int(did(r, CHANGE("c", 1, .need_token = SV("t"))), STORE_LEASE_LOST, "a part of it");
    is_int(did(r, CHANGE("c", 1, .need_token = SV("t1"))), STORE_DONE, "the right token");
    is_sv(load(r, "c")->lease_token, SV("t1"), "is kept");
    is_int(did(r, CHANGE("c", 2)), STORE_DONE, "without a token: not asked");
    is_int(did(r, CHANGE("c", 3, .lease = STORE_LEASE_TAKE, .lease_token = SV("t3"), .lease_ttl_ms = LONG_MS)),
           STORE_DONE, "taken over");
    is_int(did(r, CHANGE("c", 4, .need_token = SV("t1"))), STORE_LEASE_LOST, "the old token is lost");
    is_int(did(r, CHANGE("c", 4, .need_token = SV("t3"), .lease = STORE_LEASE_DROP)), STORE_DONE, "given up");
    v = load(r, "c");
    is_sv(v->lease_token, SV_NONE, "the lock is free");
    is_int(v->lease_left_ms, 0, "with no time left");
    is_int(did(r, CHANGE("c", 5, .need_token = SV("t3"))), STORE_LEASE_LOST, "and needed in vain");
    is_int(did(r, CHANGE("c", 5, .lease = STORE_LEASE_DROP)), STORE_DONE, "dropping nothing is no error");
    is_int(did(r, CHANGE("new", 0, .need_token = SV("t"))), STORE_LEASE_LOST, "no record, no lease");
    is_int(load(r, "new")->version, 0, "and no record after it");
}

static void lease_expires(struct rig *r)
{
    (void)apply(r, &CHANGE("c", 0, .lease = STORE_LEASE_TAKE, .lease_token = SV("t"), .lease_ttl_ms = SHORT_MS));
    rig_pass(r, SHORT_MS + 20);
    const struct store_view *v = load(r, "c");
    is_sv(v->lease_token, SV_NONE, "a lease past its time is nobody's");
    is_int(v->lease_left_ms, 0, "and has no time left");
    is_int(did(r, CHANGE("c", 1, .need_token = SV("t"))), STORE_LEASE_LOST, "its token is worth nothing");
    is_int(renew(r, "c", "t", LONG_MS), STORE_LEASE_LOST, "nor can it be renewed");
    is_sv(load(r, "c")->lease_token, SV_NONE, "it does not come back");
}

static void lease_cut(struct rig *r)
{
    (void)apply(
        r, &CHANGE("c", 0, .lease = STORE_LEASE_TAKE, .lease_token = SV("t"), .lease_ttl_ms = LONG_MS, .due_ms = 1));
    uint64_t version_now = 1;
    if (r->backend->cut_lock != NULL) {
        r->backend->cut_lock(r, "c");
    } else {
        (void)apply(r, &CHANGE("c", 1, .lease = STORE_LEASE_DROP, .due_ms = 1));
        version_now = 2;
    }
    is_sv(load(r, "c")->lease_token, SV_NONE, "a lock deleted by hand is gone");
    is_int(did(r, CHANGE("c", version_now, .need_token = SV("t"))), STORE_LEASE_LOST, "its owner changes nothing");
    is_int(renew(r, "c", "t", LONG_MS), STORE_LEASE_LOST, "nor renews");
    is_int(load(r, "c")->version, version_now, "the record is as it was");
    is_int(due(r, 9)->n, 1, "and its due time");
}

static void renewal(struct rig *r)
{
    int64_t now_ms = load(r, "c")->now_ms;
    is_int(renew(r, "c", "t", LONG_MS), STORE_LEASE_LOST, "no record to renew");
    (void)apply(r, &CHANGE("c", 0, .lease = STORE_LEASE_TAKE, .lease_token = SV("t"), .lease_ttl_ms = LONG_MS,
                           .due_ms = now_ms));
    is_int(due(r, 9)->n, 1, "due now");
    is_int(renew(r, "c", "x", LONG_MS), STORE_LEASE_LOST, "another's token");
    is_int(due(r, 9)->n, 1, "left the due time");
    is_int(renew(r, "c", "t", 2 * LONG_MS), STORE_DONE, "renewed");
    const struct store_view *v = load(r, "c");
    ok(v->lease_left_ms > 2 * LONG_MS - 60000 && v->lease_left_ms <= 2 * LONG_MS, "the lease is longer");
    is_int(v->version, 1, "the version stays");
    is_sv(v->record, SV("r"), "the record too");
    struct call *c = due(r, 9);
    is_int(c->n, 0, "the due time moved");
    ok(c->next_ms > 2 * LONG_MS - 60000 && c->next_ms <= 2 * LONG_MS, "to the same moment (%lld ms)",
       (long long)c->next_ms);
    is_int(stat_of(r)->due, 1, "it is listed once");
}

static void pending(struct rig *r)
{
    (void)apply(r, &CHANGE("c", 0, .pending_add = SV("p1")));
    (void)apply(r, &CHANGE("c", 1, .pending_add = SV("p2")));
    (void)apply(r, &CHANGE("c", 2, .pending_add = SV("p3")));
    const struct store_view *v = load(r, "c");
    is_sv(joined(r, v->pending, v->pending_n), SV("p1,p2,p3"), "in the order of arrival");
    is_int(v->context_n, 0, "and not in the context");
    (void)apply(r, &CHANGE("c", 3, .pending_drop = 1));
    v = load(r, "c");
    is_sv(joined(r, v->pending, v->pending_n), SV("p2,p3"), "dropped from the front");
    is_int(v->context_n, 0, "for good");
    (void)apply(r,
                &CHANGE("c", 4, .pending_drop = 1, .pending_drop_to_context = true, .context_add = LIST(SV("answer")),
                        .context_add_n = 1, .context_max = 10, .pending_add = SV("p4")));
    v = load(r, "c");
    is_sv(joined(r, v->pending, v->pending_n), SV("p3,p4"), "moved and added in one step");
    is_sv(joined(r, v->context, v->context_n), SV("p2,answer"), "the dropped one stands before what is added");
    (void)apply(r, &CHANGE("c", 5, .pending_drop = 9, .pending_drop_to_context = true, .context_max = 10));
    v = load(r, "c");
    is_int(v->pending_n, 0, "more than there are: all");
    is_sv(joined(r, v->context, v->context_n), SV("p2,answer,p3,p4"), "in order");
    (void)apply(r, &CHANGE("c", 6, .pending_add = SV("p5"), .pending_drop = 1, .pending_drop_to_context = true,
                           .context_max = 10));
    v = load(r, "c");
    is_int(v->pending_n, 0, "added first, then dropped");
    is_sv(joined(r, v->context, v->context_n), SV("p2,answer,p3,p4,p5"), "to the context");
    (void)apply(
        r, &CHANGE("c", 7, .pending_add = SV("p6"), .pending_more = LIST(SV("p7"), SV("p8")), .pending_more_n = 2));
    (void)apply(r, &CHANGE("c", 8, .pending_add = SV("q1"), .pending_more = LIST(SV("q2"), SV("q3")),
                           .pending_more_n = 2, .pending_drop = 3));
    v = load(r, "c");
    is_sv(joined(r, v->pending, v->pending_n), SV("q1,q2,q3"), "several at once: a list is replaced in one step");
    struct call *c = rig_call(r);
    store_load(r->s, &(struct store_load){ .conversation_id = SV("c") }, rig_loaded, c);
    rig_wait(r, c);
    ok(c->view.version == 9 && c->view.context_n == 0 && c->view.pending_n == 0, "lists only come when asked for");
}

/* As a request brings them that holds several messages: every part of the change in its order, all in one step. */
static void several(struct rig *r)
{
    const struct store_pair more[] = { { SV("m2"), SV("two") }, { SV("m3"), SV("three") }, { SV("m"), SV("one, over") } };
    const struct store_letter letter = { SV("019a0000-0000-7000-8000-000000000001"), SV("dead") };
    struct store_change c = CHANGE("c", 0, .mark_new = { SV("m"), SV("one") }, .marks = more, .marks_n = 3,
                                   .pending_add = SV("p1"), .pending_more = LIST(SV("p2"), SV("p3"), SV("p4")),
                                   .pending_more_n = 3, .pending_drop = 2, .pending_drop_to_context = true,
                                   .context_add = LIST(SV("k1"), SV("k2")), .context_add_n = 2, .context_max = 9,
                                   .queue_add = LIST(SV("q1"), SV("q2"), SV("q3")), .queue_add_n = 3, .letters = &letter,
                                   .letters_n = 1, .job = { SV("j"), SV("v") }, .job_ttl_ms = LONG_MS, .due_ms = 1,
                                   .in = STORE_IN_WAITING, .lease = STORE_LEASE_TAKE, .lease_token = SV("t"),
                                   .lease_ttl_ms = LONG_MS, .event = SV("due\njob j"));
    is_int(did(r, c), STORE_DONE, "several messages in one step");
    const struct store_view *v = load(r, "c");
    is_sv(joined(r, v->pending, v->pending_n), SV("p3,p4"), "added behind each other, then dropped from the front");
    is_sv(joined(r, v->context, v->context_n), SV("p1,p2,k1,k2"), "to the context, before what is added there");
    is_sv(v->mark, SV("one, over"), "the new mark first, then the others over it");
    is_sv(load_of(r, SV("c"), SV("m2"))->mark, SV("two"), "the second");
    is_sv(load_of(r, SV("c"), SV("m3"))->mark, SV("three"), "the third");
    is_sv(v->lease_token, SV("t"), "the lock");
    is_sv(get(r, "job:j"), SV("v"), "the job");
    const struct store_stat *s = stat_of(r);
    ok(s->queue == 3 && s->dead == 1 && s->waiting == 1 && s->due == 1, "the queue, the letter and the listings");
    c.expect_version = 1;
    is_int(did(r, c), STORE_DUPLICATE, "again: the first message is known");
    c.mark_new = (struct store_pair){ SV("m5"), SV("five") };
    c.expect_version = 2;
    is_int(did(r, c), STORE_CONFLICT, "on another version: a conflict");
    v = load(r, "c");
    ok(v->version == 1 && v->pending_n == 2 && v->context_n == 4 && stat_of(r)->queue == 3, "of which nothing is done");
    is_sv(load_of(r, SV("c"), SV("m5"))->mark, SV_NONE, "not even the mark");
    is_sv(drain(r), SV("q1,q2,q3"), "the items are in order");
    is_int(did(r, CHANGE("c", 1, .pending_more = LIST(SV("p5"), SV("p6")), .pending_more_n = 2)), STORE_DONE,
           "without a first one");
    v = load(r, "c");
    is_sv(joined(r, v->pending, v->pending_n), SV("p3,p4,p5,p6"), "they stand behind the last all the same");
}

static void context(struct rig *r)
{
    (void)apply(r,
                &CHANGE("c", 0, .context_add = LIST(SV("1"), SV("2"), SV("3")), .context_add_n = 3, .context_max = 4));
    (void)apply(r, &CHANGE("c", 1, .context_add = LIST(SV("4"), SV("5")), .context_add_n = 2, .context_max = 4));
    const struct store_view *v = load(r, "c");
    is_sv(joined(r, v->context, v->context_n), SV("2,3,4,5"), "the oldest are cut");
    (void)apply(r, &CHANGE("c", 2));
    v = load(r, "c");
    is_int(v->context_n, 4, "a change that adds nothing cuts nothing");
    (void)apply(r, &CHANGE("c", 3, .context_add = LIST(SV("a"), SV("b"), SV("c"), SV("d"), SV("e")), .context_add_n = 5,
                           .context_max = 2));
    v = load(r, "c");
    is_sv(joined(r, v->context, v->context_n), SV("d,e"), "also what was just added");
    (void)apply(r, &CHANGE("c", 4, .pending_add = SV("p")));
    (void)apply(r, &CHANGE("c", 5, .pending_drop = 1, .pending_drop_to_context = true, .context_max = 2));
    v = load(r, "c");
    is_sv(joined(r, v->context, v->context_n), SV("e,p"), "or moved");
    (void)apply(r, &CHANGE("c", 6, .context_add = LIST(SV("x")), .context_add_n = 1));
    v = load(r, "c");
    is_sv(joined(r, v->context, v->context_n), SV("e,p,x"), "a maximum of 0 cuts nothing");
    is_int(load(r, "d")->context_n, 0, "another conversation has none of it");
}

static void retry_after_done(struct rig *r)
{
    struct store_change c = CHANGE("c", 0, .mark_new = { SV("m"), SV("x") }, .pending_add = SV("p"),
                                   .queue_add = LIST(SV("q")), .queue_add_n = 1);
    is_int(did(r, c), STORE_DONE, "applied");
    enum store_status again = did(r, c);
    ok(again == STORE_CONFLICT || again == STORE_DUPLICATE, "applied again, as after a lost answer: refused");
    is_int(load(r, "c")->pending_n, 1, "nothing is there twice");
    is_int(stat_of(r)->queue, 1, "nor queued twice");
}

const struct rig_case conversation_cases[] = {
    { .name = "version and conflict", .run = version },
    { .name = "a conflict changes nothing", .run = conflict_changes_nothing },
    { .name = "marks", .run = marks },
    { .name = "marks expire", .run = marks_expire },
    { .name = "lease", .run = lease },
    { .name = "lease expires", .run = lease_expires },
    { .name = "lock deleted by hand", .run = lease_cut },
    { .name = "renew", .run = renewal },
    { .name = "pending", .run = pending },
    { .name = "several messages at once", .run = several },
    { .name = "context", .run = context },
    { .name = "the same apply again", .run = retry_after_done },
    { .name = NULL },
};
