/* SPDX-License-Identifier: MIT
 * Promises of store_session.h: views and who may write them, event logs and their numbers, who hears of events. In a store that stands in
 * numbers begin at the clock, so cases count from the first one that they get. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/json.h"
#include "t/store/contract.h"

#define SESSION(...) .session = &(struct store_session_change){ __VA_ARGS__ }
#define VIEW(text) .view_op = STORE_VIEW_SET, .view = SV(text), .ttl_ms = LONG_MS
#define EVENTS(...)                                                                                                    \
    .events = LIST(__VA_ARGS__), .events_n = ARRAY_LEN(LIST(__VA_ARGS__)), .events_max = 500, .ttl_ms = LONG_MS
#define A SV("{\"type\":\"a\"}")
#define B SV("{\"type\":\"b\"}")
#define DAY_MS (24 * 3600 * INT64_C(1000))

/* What `event` is when it has the number `seq`. */
static struct sv numbered(struct rig *r, uint64_t seq, struct sv event)
{
    return arena_printf(r->arena, "{\"seq\":%llu,%.*s", (unsigned long long)seq, (int)event.n - 1, event.p + 1);
}

/* The number of the first event of conversation "c", which is new. */
static uint64_t first_of(struct rig *r)
{
    is_int(apply(r, &CHANGE("c", 0, SESSION(EVENTS(A))))->status, STORE_DONE, "an event");
    const struct store_events *e = events_of(r, "c", 0);
    is_int(e->n, 1, "is kept");
    ok(rig_versions > 0 ? e->last > 1000000 : e->last == 1, "as the first one");
    is_sv(e->n > 0 ? e->events[0] : SV_NONE, numbered(r, e->last, A), "with its number");
    return e->last;
}

/* ---- the cache ---- */

static void views(struct rig *r)
{
    const struct store_session *s = session_of(r, "c");
    ok(s->view.p == NULL && s->customer.p == NULL, "nothing is known of a conversation at first");
    (void)apply(r, &CHANGE("c", 0, SESSION(VIEW("one"))));
    (void)apply(r, &CHANGE("c:last", 0, SESSION(VIEW("another"))));
    is_sv(session_of(r, "c")->view, SV("one"), "a view is set with a new record");
    (void)apply(r, &CHANGE("c", 1));
    (void)apply(r, &CHANGE("c", 2, SESSION(EVENTS(A))));
    is_sv(session_of(r, "c")->view, SV("one"), "and stays where a change says nothing of it");
    (void)apply(r, &CHANGE("c", 3, SESSION(VIEW("two"))));
    is_sv(session_of(r, "c")->view, SV("two"), "it is replaced");
    is_int(session_fill(r, &(struct store_session_fill){ .conversation_id = SV("c"), .customer = SV("who") }), STORE_DONE,
           "a customer");
    (void)apply(r, &CHANGE("c", 4, SESSION(.view_op = STORE_VIEW_DROP)));
    s = session_of(r, "c");
    ok(s->view.p == NULL, "it is dropped");
    is_sv(s->customer, SV("who"), "the customer stays");
    (void)apply(r, &CHANGE("c", 5, SESSION(.view_op = STORE_VIEW_SET, .view = SV(""), .ttl_ms = LONG_MS)));
    ok(session_of(r, "c")->view.p != NULL, "an empty view is one");
    (void)apply(r, &CHANGE("c", 6, SESSION(.view_op = STORE_VIEW_SET, .view = SV("short"), .ttl_ms = SHORT_MS)));
    rig_pass(r, SHORT_MS + 20);
    ok(session_of(r, "c")->view.p == NULL, "it is gone after its time");
    is_sv(session_of(r, "c:last")->view, SV("another"), "nothing happened to another conversation's");
    is_int(load(r, "c")->version, 7, "versions count as ever");
}

static void fills(struct rig *r)
{
    struct store_session_fill f = { .conversation_id = SV("c"), .view = SV("old") };
    is_int(session_fill(r, &f), STORE_DONE, "a view of a conversation that has no record");
    is_sv(session_of(r, "c")->view, SV("old"), "is there");
    f.view = SV("other");
    is_int(session_fill(r, &f), STORE_DONE, "another one");
    is_sv(session_of(r, "c")->view, SV("old"), "does not replace it");
    (void)apply(r, &CHANGE("c", 0, SESSION(.view_op = STORE_VIEW_DROP)));
    (void)session_fill(r, &f);
    ok(session_of(r, "c")->view.p == NULL, "made without a record, it is not written once there is one");
    f.version = 2;
    (void)session_fill(r, &f);
    ok(session_of(r, "c")->view.p == NULL, "nor one of another version");
    f.version = 1;
    f.customer = SV("who");
    (void)session_fill(r, &f);
    const struct store_session *s = session_of(r, "c");
    ok(sv_eq(s->view, SV("other")) && sv_eq(s->customer, SV("who")), "one of this version is, and a customer");
    f = (struct store_session_fill){ .conversation_id = SV("c"), .version = 9, .view = SV("x"), .customer = SV("she") };
    (void)session_fill(r, &f);
    s = session_of(r, "c");
    ok(sv_eq(s->view, SV("other")) && sv_eq(s->customer, SV("she")), "a customer is replaced in any case");
    f = (struct store_session_fill){ .conversation_id = SV("d"), .view = SV("x"), .customer = SV("y"), .ttl_ms = SHORT_MS };
    (void)session_fill(r, &f);
    rig_pass(r, SHORT_MS + 20);
    s = session_of(r, "d");
    ok(s->view.p == NULL && s->customer.p == NULL, "both are gone after their time");
    is_int(load(r, "d")->version, 0, "and a record has not come about");
    is_int(stat_of(r)->conversations, 1, "nor a conversation");
}

/* ---- events ---- */

static void numbers(struct rig *r)
{
    const struct store_events *e = events_of(r, "c", 0);
    ok(e->n == 0 && e->last == 0, "no events at first");
    uint64_t first = first_of(r);
    (void)apply(r, &CHANGE("c", 1));
    (void)apply(r, &CHANGE("c", 2, SESSION(EVENTS(B, A))));
    e = events_of(r, "c", 0);
    ok(e->n == 3 && e->last == first + 2, "each has its number, without gaps");
    ok(e->n == 3 && sv_eq(e->events[0], numbered(r, first, A)) && sv_eq(e->events[1], numbered(r, first + 1, B)) &&
           sv_eq(e->events[2], numbered(r, first + 2, A)),
       "in their order");
    e = events_of(r, "c", first + 1);
    ok(e->n == 1 && e->last == first + 2 && store_event_seq(e->events[0]) == first + 2, "those behind a number");
    e = events_of(r, "c", first + 2);
    ok(e->n == 0 && e->last == first + 2, "there may be none");
    e = events_of(r, "c", first + 999);
    ok(e->n == 0 && e->last == first + 2, "also when the number was never given");
    e = events_of(r, "c", STORE_EVENTS_NOW);
    ok(e->n == 0 && e->last == first + 2, "the last number alone");
    is_int(events_of(r, "d", 0)->last, 0, "another conversation has its own");
}

static void bound(struct rig *r)
{
    uint64_t first = first_of(r), version = 1;
    for (unsigned i = 0; i < 4; i++)
        (void)apply(r, &CHANGE("c", version++, SESSION(.events = LIST(B, A), .events_n = 2, .events_max = 3,
                                                       .ttl_ms = LONG_MS)));
    const struct store_events *e = events_of(r, "c", 0);
    ok(e->n == 3 && e->last == first + 8, "the last three are kept");
    ok(e->n == 3 && store_event_seq(e->events[0]) == first + 6 && store_event_seq(e->events[2]) == first + 8, "which they are");
    struct sv many[1200];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = A;
    (void)apply(r, &CHANGE("c", version, SESSION(.events = many, .events_n = ARRAY_LEN(many), .events_max = 500,
                                                 .ttl_ms = LONG_MS)));
    e = events_of(r, "c", 0);
    ok(e->n == 500 && e->last == first + 1208, "many at once");
    uint64_t wrong = 0;
    for (size_t i = 0; i < e->n; i++)
        wrong += store_event_seq(e->events[i]) != e->last - e->n + 1 + i;
    is_int(wrong, 0, "are numbered one by one");
}

static void log_ends(struct rig *r)
{
    uint64_t first = first_of(r);
    (void)apply(r, &CHANGE("c", 1, SESSION(.events = LIST(B), .events_n = 1, .events_max = 9, .ttl_ms = SHORT_MS)));
    rig_pass(r, SHORT_MS + 20);
    const struct store_events *e = events_of(r, "c", 0);
    ok(e->n == 0 && e->last == first + 1, "the log ends after its time, the number stays");
    (void)apply(r, &CHANGE("c", 2, SESSION(EVENTS(A))));
    e = events_of(r, "c", 0);
    ok(e->n == 1 && e->last == first + 2, "a new log has what is new");
}

static void forgotten(struct rig *r)
{
    uint64_t first = first_of(r);
    (void)apply(r, &CHANGE("c", 1, SESSION(VIEW("v"), .events = LIST(A, B), .events_n = 2, .events_max = 9)));
    (void)session_fill(r, &(struct store_session_fill){ .conversation_id = SV("c"), .customer = SV("who") });
    is_int(apply(r, &CHANGE("c", 2, .forget = true))->status, STORE_DONE, "forgotten");
    const struct store_session *s = session_of(r, "c");
    ok(s->view.p == NULL && s->customer.p == NULL, "view and customer go");
    const struct store_events *e = events_of(r, "c", 0);
    ok(e->n == 0 && e->last == first + 2, "so does the log, but for the last number");
    is_int(events_of(r, "c:last", 0)->last, 0, "which is no other conversation's");
    is_int(apply(r, &CHANGE("c", 0, .mark_new = { SV("m"), SV("x") }))->status, STORE_DONE, "it comes back");
    e = events_of(r, "c", 0);
    ok(e->n == 0 && e->last >= first + 2, "the number is still known");
    uint64_t last = e->last;
    (void)apply(r, &CHANGE("c", 1, SESSION(EVENTS(B))));
    e = events_of(r, "c", last);
    ok(e->n == 1 && e->last == last + 1, "and goes on");
    (void)apply(r, &CHANGE("c", 2, .forget = true));
    (void)apply(r, &CHANGE("c", 0));
    (void)apply(r, &CHANGE("c", 1, .forget = true));
    (void)apply(r, &CHANGE("c", 0, SESSION(EVENTS(A))));
    ok(events_of(r, "c", 0)->last > last + 1, "also when it was forgotten again without an event");
    (void)apply(r, &CHANGE("c", 1, .forget = true));
    (void)session_fill(r, &(struct store_session_fill){ .conversation_id = SV("c"), .view = SV("v"), .customer = SV("w") });
    (void)apply(r, &CHANGE("c", 0, .forget = true));
    s = session_of(r, "c");
    ok(s->view.p == NULL && s->customer.p == NULL && events_of(r, "c", 0)->last > last, "what has no record can be forgotten too");
    if (r->backend->real_clock)
        return;
    rig_pass(r, DAY_MS + 1000);
    is_int(events_of(r, "c", 0)->last, 0, "after a day the number is forgotten");
    (void)apply(r, &CHANGE("c", 0, SESSION(EVENTS(A))));
    is_int(events_of(r, "c", 0)->last, 1, "and numbers begin again");
    rig_pass(r, 2 * DAY_MS);
    is_int(events_of(r, "c", 0)->last, 1, "while there is a record, it never is");
}

static void at_least(struct rig *r)
{
    uint64_t first = first_of(r);
    (void)apply(r, &CHANGE("c", 1, SESSION(.seq_least = first + 1000)));
    const struct store_events *e = events_of(r, "c", 0);
    ok(e->n == 1 && e->last == first + 1000, "the last number counts as at least so much");
    (void)apply(r, &CHANGE("c", 2, SESSION(.seq_least = first + 5, EVENTS(B))));
    e = events_of(r, "c", first);
    ok(e->n == 1 && e->last == first + 1001, "a lower one changes nothing, and the next is counted from there");
    is_int(e->n > 0 ? (intmax_t)store_event_seq(e->events[0]) : 0, (intmax_t)first + 1001, "as its text says");
    uint64_t far = (UINT64_C(1) << 53) - 10;
    (void)apply(r, &CHANGE("c", 3, SESSION(.seq_least = far, EVENTS(B, A))));
    e = events_of(r, "c", far);
    ok(e->n == 2 && e->last == far + 2 && sv_eq(e->events[0], numbered(r, far + 1, B)), "large numbers are exact");
    (void)apply(r, &CHANGE("d", 0, SESSION(.seq_least = far)));
    ok(events_of(r, "d", 0)->last == far, "a new record may begin so");
}

static void refusals(struct rig *r)
{
    struct store_session_change s = { VIEW("new"), .events = LIST(B), .events_n = 1, .events_max = 9 };
    (void)apply(r, &CHANGE("c", 0, .mark_new = { SV("m"), SV("x") }, SESSION(VIEW("old"), .events = LIST(A), .events_n = 1,
                                                                            .events_max = 9)));
    uint64_t last = events_of(r, "c", 0)->last;
    is_int(store_listen(r->s, SV("c")), 0, "somebody listens");
    rig_pass(r, SHORT_MS);
    (void)load(r, "c");
    r->pushes = 0;
    is_int(apply(r, &CHANGE("c", 7, .session = &s))->status, STORE_CONFLICT, "another version");
    is_int(apply(r, &CHANGE("c", 0, .session = &s))->status, STORE_CONFLICT, "no record");
    is_int(apply(r, &CHANGE("c", 1, .need_token = SV("t"), .session = &s))->status, STORE_LEASE_LOST, "no lease");
    is_int(apply(r, &CHANGE("c", 1, .mark_new = { SV("m"), SV("y") }, .session = &s))->status, STORE_DUPLICATE, "a duplicate");
    is_sv(session_of(r, "c")->view, SV("old"), "what is refused leaves the view");
    ok(events_of(r, "c", 0)->last == last && events_of(r, "c", 0)->n == 1, "and the log");
    rig_pass(r, SHORT_MS);
    (void)load(r, "c");
    is_int(r->pushes, 0, "and nobody is told");
    (void)apply(r, &CHANGE("c", 1, .mark_new = { SV("n"), SV("y") }, .pending_add = SV("p"), .queue_add = LIST(SV("q")),
                           .queue_add_n = 1, .job = { SV("j"), SV("job") }, .job_ttl_ms = LONG_MS, .callbacks_add = LIST(SV("k")),
                           .callbacks_add_n = 1, .event = SV("told"), .session = &s));
    ok(sv_eq(session_of(r, "c")->view, SV("new")) && events_of(r, "c", last)->n == 1, "what is not does all that it says");
    ok(sv_eq(load_of(r, SV("c"), SV("n"))->mark, SV("y")) && sv_eq(get(r, "job:j"), SV("job")) && sv_eq(drain(r), SV("q")) &&
           sv_eq(drain_of(r, STORE_QUEUE_CALLBACKS), SV("k")),
       "beside everything else");
    store_unlisten(r->s, SV("c"));
}

static bool has_pushed(struct rig *r, void *arg)
{
    (void)arg;
    return r->pushes > 0;
}

/* ---- what is said while a lease lasts ---- */

#define LEASE .lease = STORE_LEASE_TAKE, .lease_token = SV("token"), .lease_ttl_ms = LONG_MS
#define SAME (sizeof("{\"type\":\"draft\",\"job\":\"1\",") - 1)

static enum store_status say_as(struct rig *r, const char *id, const char *token, struct sv event, size_t same)
{
    struct call *c = rig_call(r);
    store_event_say(r->s, &(struct store_event_say){ .conversation_id = sv_from(id), .need_token = sv_from(token), .event = event,
                                                     .same = same, .events_max = 4, .ttl_ms = LONG_MS }, rig_status, c);
    rig_wait(r, c);
    return c->status;
}

/* A text that grows: job n has said so much. */
static struct sv draft(struct rig *r, int n, const char *text)
{
    return arena_printf(r->arena, "{\"type\":\"draft\",\"job\":\"%d\",\"text\":\"%s\"}", n, text);
}

static enum store_status say(struct rig *r, int n, const char *text)
{
    return say_as(r, "c", "token", draft(r, n, text), SAME);
}

static void is_log(struct rig *r, const char *expected, const char *says)
{
    const struct store_events *e = events_of(r, "c", 0);
    struct buf b = { 0 };
    for (size_t i = 0; i < e->n; i++) { /* the numbers' last digits, so that they are the same wherever counting begins */
        uint64_t seq = store_event_seq(e->events[i]), since = store_event_since(e->events[i]);
        struct sv text = json_raw_member(e->events[i], "text");
        buf_printf(&b, "%s-%d+%d%.*s", i > 0 ? " " : "", (int)(e->last - seq), (int)(seq - since), SV_FMT(text.p != NULL ? text : SV("")));
    }
    is_sv(buf_sv(&b), sv_from(expected), "%s", says);
    buf_fini(&b);
}

static void said(struct rig *r)
{
    (void)apply(r, &CHANGE("c", 0, LEASE, SESSION(EVENTS(A))));
    uint64_t first = events_of(r, "c", 0)->last;
    is_int(say(r, 1, "Go"), STORE_DONE, "something is said while the lease lasts");
    const struct store_events *e = events_of(r, "c", first);
    ok(e->n == 1 && sv_eq(e->events[0], numbered(r, first + 1, draft(r, 1, "Go"))), "it has the next number");
    is_int(say(r, 1, "Good"), STORE_DONE, "more is said");
    is_int(say(r, 1, "Good morning"), STORE_DONE, "and more");
    is_log(r, "-3+0 -0+2\"Good morning\"", "the newest stands for all of it");
    ok(events_of(r, "c", 0)->last == first + 3, "each had a number");
    is_int(events_of(r, "c", first + 2)->n, 1, "whoever had the one before gets the newest");
    is_int(say(r, 2, "Another"), STORE_DONE, "another job");
    is_log(r, "-4+0 -1+2\"Good morning\" -0+0\"Another\"", "takes nobody's place");
    (void)apply(r, &CHANGE("c", 1, SESSION(EVENTS(B))));
    is_int(say(r, 2, "Another one"), STORE_DONE, "after an event of the record");
    is_log(r, "-3+2\"Good morning\" -2+0\"Another\" -1+0 -0+0\"Another one\"", "nothing is replaced");
    is_int(say_as(r, "c", "token", draft(r, 2, "Another one"), 0), STORE_DONE, "who replaces nothing");
    is_log(r, "-3+0\"Another\" -2+0 -1+0\"Another one\" -0+0\"Another one\"", "has all of it kept, to the log's bound");
    (void)apply(r, &CHANGE("c", 2, SESSION(.events = LIST(A), .events_n = 1, .events_max = 4, .ttl_ms = LONG_MS)));
    is_log(r, "-3+0 -2+0\"Another one\" -1+0\"Another one\" -0+0", "and the record's next event goes on from there");
    is_int(load(r, "c")->version, 3, "the record's version is not touched");
}

static void said_without(struct rig *r)
{
    struct sv event = draft(r, 1, "x");
    (void)load(r, "nobody"); /* a store is in force: nothing waits for one */
    is_int(say_as(r, "c", "token", event, 0), STORE_LEASE_LOST, "a conversation that there is not");
    is_int(load(r, "c")->version, 0, "does not come about");
    (void)apply(r, &CHANGE("c", 0, SESSION(EVENTS(A))));
    is_int(say_as(r, "c", "token", event, 0), STORE_LEASE_LOST, "nobody holds the lease");
    (void)apply(r, &CHANGE("c", 1, LEASE));
    is_int(say_as(r, "c", "toke", event, 0), STORE_LEASE_LOST, "another does");
    is_int(say_as(r, "c:context", "token", event, 0), STORE_LEASE_LOST, "of another conversation");
    is_log(r, "-0+0", "nothing of it is logged");
    is_int(say_as(r, "c", "token", event, 0), STORE_DONE, "the owner may");
    (void)apply(r, &CHANGE("c", 2, .lease = STORE_LEASE_DROP, SESSION(EVENTS(B))));
    is_int(say_as(r, "c", "token", event, 0), STORE_LEASE_LOST, "not after the end");
    is_log(r, "-2+0 -1+0\"x\" -0+0", "of its turn");
    (void)apply(r, &CHANGE("c", 3, .lease = STORE_LEASE_TAKE, .lease_token = SV("token"), .lease_ttl_ms = SHORT_MS));
    rig_pass(r, SHORT_MS + 20);
    is_int(say_as(r, "c", "token", event, 0), STORE_LEASE_LOST, "nor when its time has passed");
    (void)apply(r, &CHANGE("c", 4, LEASE));
    (void)apply(r, &CHANGE("c", 5, .forget = true));
    uint64_t last = events_of(r, "c", 0)->last;
    is_int(say_as(r, "c", "token", event, 0), STORE_LEASE_LOST, "nor when it was forgotten");
    ok(events_of(r, "c", 0)->n == 0 && events_of(r, "c", 0)->last == last, "it stays so");
    is_int(stat_of(r)->conversations, 0, "no conversation");
}

/* A record whose numbers went on elsewhere: what is said next does not hide that something is missing. */
static void said_after_a_jump(struct rig *r)
{
    (void)apply(r, &CHANGE("c", 0, LEASE, SESSION(EVENTS(A))));
    uint64_t first = events_of(r, "c", 0)->last;
    (void)say(r, 1, "a");
    (void)apply(r, &CHANGE("c", 1, SESSION(.seq_least = first + 1000)));
    (void)say(r, 1, "b");
    const struct store_events *e = events_of(r, "c", first + 1);
    ok(e->n == 1 && store_event_seq(e->events[0]) == first + 1001 && store_event_since(e->events[0]) == first + 1001,
       "it stands for nothing that was elsewhere");
    is_int(store_listen(r->s, SV("c")), 0, "somebody listens");
    rig_pass(r, SHORT_MS);
    (void)load(r, "nobody");
    r->pushes = 0;
    (void)say(r, 1, "bc");
    (void)rig_until(r, has_pushed, NULL);
    e = events_of(r, "c", first + 1001);
    ok(e->n == 1 && store_event_seq(e->events[0]) == first + 1002 && store_event_since(e->events[0]) == first + 1001, "the next stands for it");
    ok(r->push_event.p == NULL || sv_eq(r->push_event, e->events[0]), "and is told as it is logged");
    store_unlisten(r->s, SV("c"));
}

/* ---- who listens ---- */

static bool was_pushed(struct rig *r, void *arg)
{
    return r->pushes >= *(const unsigned *)arg;
}

static bool pushed(struct rig *r, unsigned n)
{
    return rig_until(r, was_pushed, &n);
}

/* The last push was of the event with that number, or said that there may be one, and there is. */
static bool tells(struct rig *r, const char *id, uint64_t seq)
{
    if (!sv_eq(r->push_id, sv_from(id)))
        return false;
    if (r->push_event.p != NULL)
        return store_event_seq(r->push_event) == seq;
    const struct store_events *e = events_of(r, id, seq - 1);
    return e->n > 0 && store_event_seq(e->events[0]) == seq;
}

/* Whatever was on its way has come. */
static void settle(struct rig *r)
{
    rig_pass(r, SHORT_MS);
    for (int i = 0; i < 3; i++) {
        (void)load(r, "nobody");
        (void)rig_until(r, was_pushed, &(unsigned){ 0 });
    }
}

static void listens(struct rig *r)
{
    uint64_t first = first_of(r);
    settle(r);
    is_int(r->pushes, 0, "nobody listens, nobody is told");
    is_int(store_listen(r->s, SV("c")), 0, "somebody listens");
    ok(pushed(r, 1) && tells(r, "c", first), "and is told to look, once that has taken effect");
    ok(r->push_event.p == NULL, "without an event");
    is_int(store_listen(r->s, SV("c")), 0, "twice");
    settle(r);
    r->pushes = 0;
    (void)apply(r, &CHANGE("c", 1, .event = SV("other"), SESSION(EVENTS(B))));
    ok(pushed(r, 1) && tells(r, "c", first + 1), "hears of an event");
    settle(r);
    is_int(r->pushes, 1, "once");
    is_sv(r->event, SV("other"), "what all are told is told as before");
    unsigned heard = r->heard;
    (void)apply(r, &CHANGE("c", 2, SESSION(EVENTS(B))));
    ok(pushed(r, 2), "one event alone");
    settle(r);
    is_int(r->heard, heard, "is told to nobody else");
    (void)apply(r, &CHANGE("c", 3, SESSION(VIEW("v"))));
    (void)apply(r, &CHANGE("c", 4));
    (void)apply(r, &CHANGE("d", 0, SESSION(EVENTS(A))));
    settle(r);
    is_int(r->pushes, 2, "no event, or one of another conversation, is no news");
    store_unlisten(r->s, SV("c"));
    store_unlisten(r->s, SV("c"));
    store_unlisten(r->s, SV("never"));
    settle(r);
    r->pushes = 0;
    (void)apply(r, &CHANGE("c", 5, SESSION(EVENTS(B))));
    settle(r);
    is_int(r->pushes, 0, "nothing more after the end");
    is_int(store_listen(r->s, SV("c")), 0, "again");
    store_unlisten(r->s, SV("c"));
    is_int(store_listen(r->s, SV("c")), 0, "and again");
    ok(pushed(r, 1), "looks again");
    settle(r);
    r->pushes = 0;
    (void)apply(r, &CHANGE("c", 6, SESSION(EVENTS(B))));
    ok(pushed(r, 1) && tells(r, "c", first + 4), "hears again");
    ok(r->pushed_all > 0, "a connection tells all to look");
}

static void listens_to_many(struct rig *r)
{
    enum { N = 300 };
    char id[16];
    unsigned wrong = 0;
    (void)load(r, "nobody"); /* a store is in force */
    for (unsigned i = 0; i < N; i++) {
        (void)snprintf(id, sizeof id, "c%u", i);
        wrong += store_listen(r->s, sv_from(id)) != 0;
    }
    is_int(wrong, 0, "many are listened to");
    ok(pushed(r, N), "each takes effect");
    settle(r);
    r->pushes = 0;
    for (unsigned i = 0; i < N; i += 7) {
        (void)snprintf(id, sizeof id, "c%u", i);
        unsigned before = r->pushes;
        (void)apply(r, &CHANGE(id, 0, SESSION(EVENTS(A))));
        wrong += !pushed(r, before + 1) || !sv_eq(r->push_id, sv_from(id));
    }
    is_int(wrong, 0, "each is heard");
}

static void all_bytes(struct rig *r)
{
    unsigned wrong = 0;
    (void)load(r, "nobody");
    for (unsigned b = 1; b < 256; b++) {
        char id[4] = { 'x', (char)b, 'y', '\0' };
        unsigned before = r->pushes;
        wrong += store_listen(r->s, sv_from(id)) != 0 || !pushed(r, before + 1) || !sv_eq(r->push_id, sv_from(id));
        before = r->pushes;
        (void)apply(r, &CHANGE(id, 0, SESSION(.view_op = STORE_VIEW_SET, .view = sv_from(id), EVENTS(A))));
        wrong += !pushed(r, before + 1) || !sv_eq(r->push_id, sv_from(id));
        wrong += !sv_eq(session_of(r, id)->view, sv_from(id)) || events_of(r, id, 0)->n != 1;
        store_unlisten(r->s, sv_from(id));
    }
    is_int(wrong, 0, "every byte from 1 to 255 may stand in an id");
}

static bool is_up(struct rig *r, void *arg)
{
    (void)arg;
    return store_is_up(r->s);
}

static void another(struct rig *r)
{
    struct store *mine = r->s, *other = r->backend->open(r, 0);
    is_int(store_listen(mine, SV("c")), 0, "one listens");
    ok(pushed(r, 1), "that takes effect");
    r->s = other;
    ok(rig_until(r, is_up, NULL), "another one is opened");
    settle(r);
    r->pushes = 0;
    uint64_t first = first_of(r);
    ok(pushed(r, 1) && tells(r, "c", first), "and hears what another has written");
    r->s = mine;
    is_int(events_of(r, "c", 0)->n, 1, "which it can read");
    store_close(other);
}

/* ---- odd ---- */

static void odd_ids(struct rig *r)
{
    char text[STORE_ID_MAX + 2];
    memset(text, 'i', sizeof text);
    struct sv ids[] = { SV(""), { text, STORE_ID_MAX + 1 } };
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct call *c[] = { rig_call(r), rig_call(r), rig_call(r), rig_call(r) };
        store_event_say(r->s, &(struct store_event_say){ .conversation_id = ids[i], .need_token = SV("t"), .event = A, .events_max = 1, .ttl_ms = 1 },
                        rig_status, c[3]);
        store_session(r->s, ids[i], rig_session, c[0]);
        store_session_fill(r->s, &(struct store_session_fill){ .conversation_id = ids[i], .ttl_ms = 1 }, rig_status, c[1]);
        store_events(r->s, ids[i], 0, rig_events, c[2]);
        for (size_t k = 0; k < ARRAY_LEN(c); k++) {
            rig_wait(r, c[k]);
            is_int(c[k]->status, STORE_FULL, "an id that is none");
        }
        is_int(store_listen(r->s, ids[i]), -1, "cannot be listened to");
        store_unlisten(r->s, ids[i]);
    }
    is_int(store_event_seq(SV("{\"seq\":12,\"a\":1}")), 12, "an event's number");
    is_int(store_event_seq(SV("{\"seq\":x,\"a\":1}")) + store_event_seq(SV("{\"a\":1}")) + store_event_seq(SV("")) +
               store_event_seq(SV_NONE) + store_event_seq(SV("{\"seq\":5}")),
           0, "what has none");
}

static void closing(struct rig *r)
{
    (void)first_of(r);
    is_int(store_listen(r->s, SV("c")), 0, "somebody listens");
    struct call *c[] = { rig_call(r), rig_call(r), rig_call(r), rig_call(r) };
    store_event_say(r->s, &(struct store_event_say){ .conversation_id = SV("c"), .need_token = SV("t"), .event = A, .events_max = 1, .ttl_ms = 1 },
                    rig_status, c[3]);
    store_session(r->s, SV("c"), rig_session, c[0]);
    store_session_fill(r->s, &(struct store_session_fill){ .conversation_id = SV("c"), .ttl_ms = 1 }, rig_status, c[1]);
    store_events(r->s, SV("c"), 0, rig_events, c[2]);
    r->inside = false; /* close may tell */
    store_close(r->s);
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        ok(c[i]->answers == 1 && c[i]->status == STORE_DOWN, "a call was answered DOWN before close returned");
    for (int i = 0; i < 3; i++)
        loop_turn(r->loop, false);
    r->s = r->backend->open(r, 0); /* for the end of the case */
}

const struct rig_case session_cases[] = {
    { .name = "views", .run = views },
    { .name = "views that are put back", .run = fills },
    { .name = "numbers of events", .run = numbers },
    { .name = "bound of the log", .run = bound },
    { .name = "end of the log", .run = log_ends },
    { .name = "sessions that are forgotten", .run = forgotten },
    { .name = "numbers from elsewhere", .run = at_least },
    { .name = "what is refused", .run = refusals },
    { .name = "what is said", .run = said },
    { .name = "what is said without a lease", .run = said_without },
    { .name = "what is said after a jump", .run = said_after_a_jump },
    { .name = "listening", .run = listens },
    { .name = "listening to many", .run = listens_to_many },
    { .name = "all bytes in sessions", .run = all_bytes },
    { .name = "another's events", .run = another, .needs_shared = true },
    { .name = "odd ids of sessions", .run = odd_ids },
    { .name = "close with sessions", .run = closing },
    { .name = NULL },
};
