/* SPDX-License-Identifier: MIT
 * Promises of store_history.h: what an erasure takes along, what it leaves, and what it keeps from coming back. */
#include "config.h"

#include <string.h>

#include "t/store/contract.h"

#define ERASED SV("{\"status\":\"erased\"}")
#define HISTORY(...) .history = &(struct store_history_change){ __VA_ARGS__ }
#define DAY "2026-01-31"

static struct store_history_change history_for(const char *user_id)
{
    static const struct store_pair field = { { "lastActivity", 12 }, { "2026", 4 } };
    static const struct sv entries[] = { { "e1", 2 }, { "e2", 2 } };
    static const struct store_count counts[] = { { { "total_messages", 14 }, 3 }, { { "user_u_messages", 15 }, 3 } };
    return (struct store_history_change){ .user_id = sv_from(user_id), .entries = entries, .entries_n = 2, .entries_max = 9,
                                          .fields = &field, .fields_n = 1, .ttl_ms = LONG_MS, .sessions_max = 9,
                                          .day = SV(DAY), .counts = counts, .counts_n = 2, .counts_ttl_ms = LONG_MS };
}

/* A conversation with everything that there can be. Returns its version. */
static uint64_t fill(struct rig *r, const char *id, const char *job)
{
    struct store_history_change h = history_for("u");
    (void)apply(r, &CHANGE(id, 0, .decided_ms = INT64_MAX, .mark_new = { SV("m"), SV("x") }, .pending_add = SV("p1"),
                           .pending_more = LIST(SV("p2"), SV("p3")), .pending_more_n = 2, .context_add = LIST(SV("k")),
                           .context_add_n = 1, .context_max = 9, .queue_add = LIST(SV("q1")), .queue_add_n = 1,
                           .job = { sv_from(job), SV("job") }, .job_ttl_ms = LONG_MS, .lease = STORE_LEASE_TAKE,
                           .lease_token = SV("t"), .lease_ttl_ms = LONG_MS, .due_ms = 1, .in = STORE_IN_ACTIVE | STORE_IN_WAITING,
                           .activity_ms = 5, .active_ms = 5, .waiting_ms = 5,
                           .session = &(struct store_session_change){ .view_op = STORE_VIEW_SET, .view = SV("v"), .ttl_ms = LONG_MS,
                                                                      .events = LIST(SV("{\"a\":1}"), SV("{\"a\":2}")), .events_n = 2,
                                                                      .events_max = 9 },
                           .history = &h));
    (void)session_fill(r, &(struct store_session_fill){ .conversation_id = sv_from(id), .customer = SV("who") });
    return load(r, id)->version;
}

#define ERASE(id, version, at, ...)                                                                                    \
    CHANGE(id, version, .forget = true, .marks = &(struct store_pair){ SV("m"), ERASED }, .marks_n = 1,                \
           .erase = &(struct store_erase){ .user_id = SV("u"), .at_ms = (at), __VA_ARGS__ })

static void everything(struct rig *r)
{
    uint64_t version = fill(r, "c", "j1");
    (void)fill(r, "d", "j3");
    (void)put(r, "job:j2", "other", LONG_MS);
    uint64_t last = events_of(r, "c", 0)->last;
    int64_t at_ms = load(r, "c")->now_ms;
    struct store_erased n = { 9, 9, 9 };
    struct store_change c = ERASE("c", version + 1, at_ms, .jobs = LIST(SV("j1"), SV("none")), .jobs_n = 2, .counts = &n);
    c.queue_add = LIST(SV("erase c"));
    c.queue_add_n = 1;
    c.event = SV("erased c");
    is_int(apply(r, &c)->status, STORE_CONFLICT, "another version");
    ok(n.messages == 9 && history_of(r, "c", "u")->entries_n == 2 && erased_at(r, "c") == 0, "erases nothing");
    unsigned heard = r->heard;
    c.expect_version = version;
    const struct call *done = apply(r, &c);
    is_int(done->status, STORE_DONE, "erased");
    is_int((intmax_t)done->applied.version, 0, "no version is left");
    ok(n.messages == 6 && n.jobs == 1 && n.events == 2, "how much it was: %d, %d, %d", (int)n.messages, (int)n.jobs, (int)n.events);
    const struct store_view *v = load(r, "c");
    ok(v->version == 0 && v->record.p == NULL && v->pending_n == 0 && v->context_n == 0 && v->lease_token.p == NULL,
       "record, lists and lock are gone");
    is_sv(v->mark, ERASED, "the mark says so");
    const struct store_history *h = history_of(r, "c", "u");
    ok(h->version == 0 && h->entries_n == 0 && h->fields_n == 0, "entries and fields are gone");
    (void)session_fill(r, &(struct store_session_fill){ .conversation_id = SV("c"), .view = SV("read before"), .customer = SV("read before") });
    ok(session_of(r, "c")->view.p == NULL && session_of(r, "c")->customer.p == NULL, "and nobody puts back what he read before");
    is_sv(user_of(r, "u"), SV("d: lastActivity=2026"), "and the session in the listing");
    const struct store_session *s = session_of(r, "c");
    ok(s->view.p == NULL && s->customer.p == NULL, "view and customer");
    const struct store_events *e = events_of(r, "c", 0);
    ok(e->n == 0 && e->last == last, "events, but for the last number");
    ok(get(r, "job:j1").p == NULL && sv_eq(get(r, "job:j2"), SV("other")), "the job that was named, and no other");
    ok(list(r, &(struct store_list){ .index = STORE_ACTIVE, .max = 9 })->n == 1 &&
           list(r, &(struct store_list){ .index = STORE_DUE, .max = 9 })->n == 1,
       "the listings");
    is_sv(figures_of(r, DAY), SV("total_messages=6 user_u_messages=6"), "figures stay");
    ok(r->heard > heard && sv_eq(r->event, SV("erased c")), "subscribers hear of it");
    is_sv(drain(r), SV("q1,q1,erase c"), "what waits in the queue stays, and the item comes behind it");
    is_int(erased_at(r, "c"), at_ms, "when it was");
    is_int(erased_at(r, "d"), 0, "another one was not");
    v = load(r, "d");
    ok(v->version == 1 && v->pending_n == 3 && v->context_n == 1 && history_of(r, "d", "u")->entries_n == 2 && events_of(r, "d", 0)->n == 2,
       "and has everything");
}

static void younger(struct rig *r)
{
    uint64_t version = fill(r, "c", "j");
    int64_t at_ms = load(r, "c")->now_ms + 1000000; /* so that whatever counts from a clock stays below */
    is_int(apply(r, &ERASE("c", version, at_ms))->status, STORE_DONE, "erased");
    is_int(apply(r, &CHANGE("c", version))->status, STORE_CONFLICT, "who knew the record can change nothing");
    is_int(apply(r, &CHANGE("c", 0, .decided_ms = at_ms - 1))->status, STORE_CONFLICT, "what was decided before cannot come back");
    is_int(apply(r, &CHANGE("c", 0, .decided_ms = at_ms))->status, STORE_CONFLICT, "nor in the same moment");
    is_int(apply(r, &CHANGE("c", 0))->status, STORE_CONFLICT, "nor what does not say when");
    struct call *again = apply(r, &CHANGE("c", 0, .decided_ms = at_ms + 1, .mark_new = { SV("m"), SV("y") }));
    is_int(again->status, STORE_DUPLICATE, "a message that was known is a duplicate");
    is_sv(again->applied.mark, ERASED, "and what it is told");
    is_int(load(r, "c")->version, 0, "so nothing is there");
    is_int(apply(r, &CHANGE("d", 0, .decided_ms = 1))->status, STORE_DONE, "another conversation is free");
    is_int(apply(r, &CHANGE("c", 0, .decided_ms = at_ms + 1, .mark_new = { SV("n"), SV("y") }))->status, STORE_DONE, "what is younger comes");
    is_int(apply(r, &CHANGE("c", 1, .decided_ms = 1))->status, STORE_DONE, "and what follows on it, whenever it was decided");
    is_int(apply(r, &CHANGE("c", 2, .forget = true))->status, STORE_DONE, "it may be forgotten");
    is_int(erased_at(r, "c"), at_ms, "the erasure is known still");
    is_int(apply(r, &CHANGE("c", 0, .decided_ms = at_ms))->status, STORE_CONFLICT, "and counts");
    is_int(apply(r, &ERASE("c", 0, at_ms - 10))->status, STORE_DONE, "erasing again, as of earlier");
    is_int(erased_at(r, "c"), at_ms, "does not make it older");
    is_int(apply(r, &ERASE("c", 0, at_ms + 10))->status, STORE_DONE, "as of later");
    is_int(erased_at(r, "c"), at_ms + 10, "makes it younger");
}

static void mark_ends(struct rig *r)
{
    uint64_t version = fill(r, "c", "j");
    struct store_change c = ERASE("c", version, load(r, "c")->now_ms + 1000000);
    c.mark_ttl_ms = SHORT_MS;
    (void)apply(r, &c);
    ok(erased_at(r, "c") > 0, "it is known");
    rig_pass(r, SHORT_MS + 20);
    is_int(erased_at(r, "c"), 0, "for its time");
    ok(load(r, "c")->mark.p == NULL, "as the marks are");
    is_int(apply(r, &CHANGE("c", 0))->status, STORE_DONE, "then anything may come");
}

static void without_record(struct rig *r)
{
    struct store_history_change h = history_for("u");
    struct store_erased n = { 0 };
    int64_t at_ms = load(r, "c")->now_ms;
    is_int(apply(r, &ERASE("never", 0, at_ms))->status, STORE_DONE, "what never was can be erased");
    ok(erased_at(r, "never") == at_ms && sv_eq(load(r, "never")->mark, ERASED), "and is known as such");
    (void)apply(r, &CHANGE("c", 0, .history = &h, .mark_new = { SV("m"), SV("x") }));
    (void)apply(r, &CHANGE("c", 1, .forget = true));
    is_int(apply(r, &ERASE("c", 1, at_ms))->status, STORE_CONFLICT, "what was forgotten has no version");
    is_int(apply(r, &ERASE("c", 0, at_ms, .counts = &n))->status, STORE_DONE, "and can be erased");
    ok(n.messages == 2 && history_of(r, "c", "u")->entries_n == 0 && history_of(r, "c", "u")->fields_n == 0, "with its history");
    is_sv(user_of(r, "u"), SV(""), "and its place in the listing");
    is_sv(load(r, "c")->mark, ERASED, "its mark is another now");
    (void)apply(r, &CHANGE("n", 0, .pending_add = SV("p")));
    is_int(apply(r, &CHANGE("n", 1, .forget = true, .erase = &(struct store_erase){ .at_ms = at_ms, .counts = &n }))->status, STORE_DONE,
           "what belongs to nobody");
    ok(n.messages == 1 && load(r, "n")->version == 0, "goes as well");
}

static void a_users_figures(struct rig *r)
{
    struct store_history_change h = history_for("u");
    (void)apply(r, &CHANGE("c", 0, .history = &h));
    h.day = SV("2026-02-01");
    h.counts_n = 1;
    (void)apply(r, &CHANGE("c", 1, .history = &h));
    h.day = SV("2026-02-02");
    h.counts_n = 2;
    (void)apply(r, &CHANGE("c", 2, .history = &h));
    (void)apply(r, &CHANGE("d", 0, HISTORY(.day = SV("2026-02-02"), .counts = &(struct store_count){ SV("erased_users_messages"), 4 },
                                           .counts_n = 1, .counts_ttl_ms = LONG_MS)));
    struct store_change c = ERASE("c", 3, load(r, "c")->now_ms, .day_metric = SV("user_u_messages"),
                                  .day_into = SV("erased_users_messages"));
    is_int(apply(r, &c)->status, STORE_DONE, "erased, with the figures of a user");
    is_sv(figures_of(r, DAY), SV("erased_users_messages=3 total_messages=3"), "which go over to those of nobody");
    is_sv(figures_of(r, "2026-02-01"), SV("total_messages=3"), "on days that have none, nothing does");
    is_sv(figures_of(r, "2026-02-02"), SV("erased_users_messages=7 total_messages=3"), "on others they are added");
    c.expect_version = 0;
    is_int(apply(r, &c)->status, STORE_DONE, "twice");
    is_sv(figures_of(r, "2026-02-02"), SV("erased_users_messages=7 total_messages=3"), "changes nothing more");
}

const struct rig_case erase_cases[] = {
    { .name = "erased with everything", .run = everything },
    { .name = "what comes after an erasure", .run = younger },
    { .name = "the end of an erasure", .run = mark_ends },
    { .name = "erased without a record", .run = without_record },
    { .name = "figures of who is erased", .run = a_users_figures },
    { .name = NULL },
};
