/* SPDX-License-Identifier: MIT
 * What becomes of webhooks: turns, echoes, take-overs, edits and removals, in any order and any number of times. */
#include "config.h"

#include <stdio.h>
#include <unistd.h>

#include "lib/clock.h"
#include "t/tap.h"
#include "t/turn/control_ask.h"
#include "turn/page_platform.h"
#include "turn/webhook.h"

#define PAGE "100"
#define CALLS 12 /* of the store, in faults(), before the turn begins: its own are turn/faults.c's */
#define NOTHING_YET (-1)

struct outcome {
    int result; /* NOTHING_YET, enum webhook_result */
    char id[64];
};

static struct arena *arena;
static struct webhook_options options = { .request_id = SV("req-1") }; /* of those that are delivered */

static void done(void *arg, enum webhook_result result, struct sv message_id)
{
    struct outcome *o = arg;

    if (o->result != NOTHING_YET)
        bail_out("a webhook was told its outcome twice");
    o->result = (int)result;
    (void)snprintf(o->id, sizeof(o->id), "%.*s", SV_FMT(message_id));
}

static bool until(struct rig *r, const struct outcome *o)
{
    for (int i = 0; i < 5000 && o->result == NOTHING_YET; i++)
        loop_turn(r->loop, i > 300);
    return o->result != NOTHING_YET;
}

/* What the platform says of a message that was edited once, twice, three times. */
static const char *history(const char *change)
{
    static const char *const lists[] = { "[{\"message\":\"?\"}]", "[{\"message\":\"?\"},{\"message\":\"?\"}]", "[{\"message\":\"?\"},{\"message\":\"?\"},{\"message\":\"?\"}]" };

    if (strncmp(change, "edited", 6) != 0)
        return "null";
    return lists[change[6] != '\0' ? change[6] - '1' : 0];
}

/* from: "u" a customer, "page", or an admin's id. change: "", "edited", "edited2", "edited3", "removed". */
static void deliver(struct rig *r, const char *from, const char *id, const char *text, const char *change, struct outcome *o)
{
    bool customer = strcmp(from, "u") == 0, page = strcmp(from, "page") == 0;
    char at[25];
    struct webhook w;
    struct err e;
    clock_format(clock_wall_ms(), at);
    struct sv body = arena_printf(
        arena,
        "{\"event_type\":\"messaging\",\"page_id\":\"" PAGE "\",\"data\":{\"conversation\":{\"id\":\"c1\",\"type\":\"INBOX\"},\"message\":{\"id\":\"%s\",\"original_message\":\"%s\","
        "\"inserted_at\":\"%s\",\"is_removed\":%s,\"edit_history\":%s,\"from\":{\"id\":\"%s\"%s%s%s}}}}",
        id, text, at, strcmp(change, "removed") == 0 ? "true" : "false", history(change), customer ? "u" : PAGE,
        customer || page ? "" : ",\"admin_id\":\"", customer || page ? "" : from, customer || page ? "" : "\"");
    const json_t *json = json_read_in(arena, body, false, &e);
    if (json == NULL || webhook_read(arena, SV(PAGE), json, &w, &e) != 0 || w.kind == WEBHOOK_WRONG)
        bail_out("the test's own form is wrong");
    *o = (struct outcome){ .result = NOTHING_YET };
    webhook_submit(r->turns, SV(PAGE), &w, &options, done, o);
    is_int(o->result, NOTHING_YET, "nothing is told from inside the call");
}

/* The same, to its end. */
static enum webhook_result delivered(struct rig *r, const char *from, const char *id, const char *text, const char *change)
{
    struct outcome o;

    deliver(r, from, id, text, change, &o);
    if (!until(r, &o))
        bail_out("no outcome");
    return (enum webhook_result)o.result;
}

static void stored(void *arg, enum store_status status)
{
    *(int *)arg = (int)status;
}

static void put(struct rig *r, const char *name, const char *value)
{
    int status = -1;

    store_put(r->store, sv_from(name), sv_from(value), PAGE_ECHO_TTL_MS, stored, &status);
    for (int i = 0; i < 1000 && status < 0; i++)
        loop_turn(r->loop, false);
    is_int(status, STORE_DONE, "a mark is there");
}

struct got {
    bool known;
    char value[16];
};

static void got(void *arg, enum store_status status, struct sv value)
{
    struct got *g = arg;

    g->known = status == STORE_DONE;
    (void)snprintf(g->value, sizeof(g->value), "%.*s", SV_FMT(value));
}

static const char *mark(struct rig *r, const char *name)
{
    static struct got g;

    g = (struct got){ 0 };
    store_get(r->store, sv_from(name), got, &g);
    for (int i = 0; i < 1000 && !g.known; i++)
        loop_turn(r->loop, false);
    return g.value;
}

static void visits(struct rig *r)
{
    for (int i = 0; i < 20; i++)
        rig_visit(r, "c1");
}

static void customers(void)
{
    struct rig r;
    struct outcome o;

    rig_open(&r, &rig_policy);
    deliver(&r, "u", "m1", "hello", "", &o);
    ok(until(&r, &o), "an outcome");
    is_int(o.result, WEBHOOK_ACCEPTED, "a customer's message is accepted");
    is_str(o.id, "m1", "under its id");
    is_int(r.ai.calls, 0, "and left to a daemon");
    visits(&r);
    is_str(r.ai.seen, "user:hello|", "which answers it");
    is_int(r.platform.sent, 1, "once");
    is_int(delivered(&r, "u", "m1", "hello", ""), WEBHOOK_DUPLICATE, "a second delivery");
    is_int(delivered(&r, "u", "m1", "another text", ""), WEBHOOK_DUPLICATE, "one with another text that says nothing of a change");
    visits(&r);
    is_int(r.ai.calls, 1, "change nothing");
    rig_close(&r);
}

static void echoes(void)
{
    struct rig r;
    char by_text[PAGE_ECHO_SIZE], by_id[PAGE_ECHO_SIZE], named[PAGE_ECHO_SIZE];

    rig_open(&r, &rig_policy);
    page_echo_text(by_text, SV(PAGE), SV("c1"), SV("answer 1 & more"));
    page_echo_id(by_id, SV(PAGE), SV("p1"));
    page_echo_id(named, SV(PAGE), SV("p2"));
    put(&r, by_text, "turn-1");
    is_int(delivered(&r, "page", "p1", "answer  1 &amp; more\\n", ""), WEBHOOK_OWN, "an echo, before the platform's answer has named its id");
    is_str(mark(&r, by_text), "seen:turn-1", "its text has arrived");
    is_str(mark(&r, by_id), "turn-1", "its id is known, and whose it is");
    for (int i = 0; i < 3; i++)
        is_int(delivered(&r, i == 1 ? "admin-1" : "page", "p1", "answer 1 &amp; more", ""), WEBHOOK_OWN, "the same again");
    put(&r, by_text, "turn-2"); /* the same words again */
    is_int(delivered(&r, "page", "p1", "answer 1 &amp; more", ""), WEBHOOK_OWN, "the echo of the first ones, once more");
    is_str(mark(&r, by_text), "turn-2", "says nothing of those that have the same words");
    put(&r, named, "turn-1");
    is_int(delivered(&r, "page", "p2", "as the platform has rewritten it", ""), WEBHOOK_OWN, "an echo that is known by its id");
    is_str(mark(&r, named), "turn-1", "and stays that reply's");
    is_int(delivered(&r, "page", "p2", "mended by a person", "edited"), WEBHOOK_OWN, "and is ours, whoever changes it");
    is_int(delivered(&r, "page", "p2", "", "removed"), WEBHOOK_OWN, "or takes it back");
    is_int(delivered(&r, "u", "m1", "hello", ""), WEBHOOK_ACCEPTED, "a customer");
    visits(&r);
    is_int(r.ai.calls, 1, "is answered: nobody has taken over");
    is_int(delivered(&r, "page", "p9", "", "removed"), WEBHOOK_LEFT, "what the page takes back without our knowing it is left");
    rig_close(&r);
}

/* What the platform has named by its id leaves no mark behind that would make a person's words ours. */
static void same_words(void)
{
    struct rig r;
    char by_text[PAGE_ECHO_SIZE], by_id[PAGE_ECHO_SIZE];

    rig_open(&r, &rig_policy);
    page_echo_text(by_text, SV(PAGE), SV("c1"), SV("good day"));
    page_echo_id(by_id, SV(PAGE), SV("p1"));
    put(&r, by_text, "turn-1");
    put(&r, by_id, "turn-1");
    is_int(delivered(&r, "page", "p1", "good day", ""), WEBHOOK_OWN, "the echo");
    is_int(delivered(&r, "admin-1", "p2", "good day", ""), WEBHOOK_ACCEPTED, "a person with the same words");
    is_int(delivered(&r, "u", "m1", "hello", ""), WEBHOOK_ACCEPTED, "a customer");
    visits(&r);
    is_int(r.ai.calls, 0, "is the person's");
    put(&r, by_text, "turn-2");
    is_int(delivered(&r, "page", "p1", "good day", ""), WEBHOOK_OWN, "the echo again");
    is_str(mark(&r, by_text), "turn-2", "does not use up another reply's mark");
    rig_close(&r);
}

static void takes_over(void)
{
    struct rig r;
    struct rig_answer a;

    rig_open(&r, &rig_policy);
    is_int(delivered(&r, "admin-1", "p1", "I am here", ""), WEBHOOK_ACCEPTED, "a person's message");
    is_int(delivered(&r, "admin-1", "p1", "I am here", ""), WEBHOOK_DUPLICATE, "comes twice");
    is_int(delivered(&r, "u", "m1", "hello", ""), WEBHOOK_ACCEPTED, "a customer");
    visits(&r);
    is_int(r.ai.calls, 0, "is the person's");
    rig_send(&r, "c1", "m1", "hello", "user", &a);
    ok(rig_until(&r, &a), "its fate");
    is_str(rig_str(&a, "reason"), "bot_paused", "says so");
    rig_forget(&a);
    rig_close(&r);
}

static const char *reason(struct rig *r, const char *id)
{
    static char said[64];
    struct rig_answer a;

    rig_send(r, "c1", id, "as it is known", "user", &a);
    ok(rig_until(r, &a), "the fate of %s", id);
    (void)snprintf(said, sizeof(said), "%s", rig_str(&a, "reason"));
    rig_forget(&a);
    return said;
}

/* Messages that were fetched, and that a person has answered meanwhile. */
static void answered_elsewhere(void)
{
    struct rig r;

    rig_open(&r, &rig_policy);
    options.fetched = options.answered_elsewhere = true;
    is_int(delivered(&r, "u", "m1", "hello", ""), WEBHOOK_ACCEPTED, "what a person has answered is accepted");
    is_int(delivered(&r, "u", "m1", "hello?", "edited"), WEBHOOK_ACCEPTED, "so is its change");
    is_int(delivered(&r, "u", "m1", "hello?", "edited"), WEBHOOK_DUPLICATE, "once");
    is_int(delivered(&r, "u", "m2", "and now?", ""), WEBHOOK_ACCEPTED, "and another");
    visits(&r);
    is_int(r.ai.calls, 0, "none of it is answered");
    is_str(reason(&r, "m1"), "answered_by_person", "which is said of it");
    is_str(reason(&r, "m2"), "answered_by_person", "and of the other");
    options.answered_elsewhere = false;
    is_int(delivered(&r, "u", "m3", "and then?", ""), WEBHOOK_ACCEPTED, "what nobody has answered");
    is_int(delivered(&r, "u", "m2", "and now?", ""), WEBHOOK_DUPLICATE, "what was recorded stays so");
    visits(&r);
    is_int(r.ai.calls, 1, "is answered");
    is_str(r.ai.seen, "user:hello?|user:and now?|user:and then?|", "with what was said before");
    options.fetched = false;
    rig_close(&r);
}

/* A person's message, ago_ms after it was written. */
static bool is_silent_after(int64_t ago_ms, bool fetched)
{
    struct rig r;
    struct webhook w = { .kind = WEBHOOK_PAGE, .plain = SV("hi"),
                         .message = { .conversation_id = SV("c1"), .message_id = SV("p1"), .content = SV("hi"), .sender_id = SV("a"),
                                      .sender_type = SENDER_AGENT, .metadata = SV("{\"page_id\":\"100\"}") } };
    struct outcome o = { .result = NOTHING_YET };

    rig_open(&r, &rig_policy);
    w.message.timestamp_ms = clock_wall_ms() - ago_ms;
    webhook_submit(r.turns, SV(PAGE), &w, &(struct webhook_options){ .fetched = fetched }, done, &o);
    ok(until(&r, &o), "an outcome");
    is_int(o.result, WEBHOOK_ACCEPTED, "a person's message");
    is_int(delivered(&r, "u", "m1", "hello", ""), WEBHOOK_ACCEPTED, "a customer");
    visits(&r);
    bool silent = r.ai.calls == 0;
    rig_close(&r);
    return silent;
}

static void from_when_on(void)
{
    ok(is_silent_after(rig_policy.human_lease_ms + 1000, false), "one that is told silences the bot from now on");
    ok(!is_silent_after(rig_policy.human_lease_ms + 1000, true), "one that was fetched from when it was written");
    ok(is_silent_after(rig_policy.human_lease_ms - 60000, true), "while that lasts");
}

/* Nobody knows any more whether a mark was there. */
static void too_old(void)
{
    struct rig r;
    struct webhook w = { .kind = WEBHOOK_PAGE, .plain = SV("hi"),
                         .message = { .conversation_id = SV("c1"), .message_id = SV("p1"), .content = SV("hi"), .sender_id = SV("a"),
                                      .sender_type = SENDER_AGENT, .metadata = SV("{\"page_id\":\"100\"}") } };
    struct outcome o = { .result = NOTHING_YET };

    rig_open(&r, &rig_policy);
    (void)delivered(&r, "u", "m0", "hello", ""); /* the store's clock is known */
    w.message.timestamp_ms = clock_wall_ms() - PAGE_ECHO_TTL_MS;
    webhook_submit(r.turns, SV(PAGE), &w, &(struct webhook_options){ 0 }, done, &o);
    ok(until(&r, &o), "an outcome");
    is_int(o.result, WEBHOOK_LEFT, "is left");
    visits(&r);
    is_int(r.ai.calls, 1, "nobody has taken over by it");
    rig_close(&r);
}

static void edits(void)
{
    struct rig r;

    rig_open(&r, &rig_policy);
    is_int(delivered(&r, "u", "m1", "two shirts", ""), WEBHOOK_ACCEPTED, "a message");
    is_int(delivered(&r, "u", "m1", "three shirts", "edited"), WEBHOOK_ACCEPTED, "its edit");
    is_int(delivered(&r, "u", "m1", "three shirts", "edited"), WEBHOOK_DUPLICATE, "which comes again");
    is_int(delivered(&r, "u", "m1", " three  <b>shirts</b>\\n", "edited"), WEBHOOK_DUPLICATE, "and in another form");
    is_int(delivered(&r, "u", "m1", "two shirts", ""), WEBHOOK_DUPLICATE, "as does the message");
    is_int(delivered(&r, "u", "m1", "four shirts", "edited"), WEBHOOK_ACCEPTED, "a second edit");
    visits(&r);
    is_str(r.ai.seen, "user:four shirts|", "the last text is asked about");
    is_int(r.platform.sent, 1, "once");
    has_str(r.platform.last_body, "\"message_ids\":[\"m1\",\"m1~", "and answers all three");

    is_int(delivered(&r, "u", "m2", "socks, too", "edited"), WEBHOOK_ACCEPTED, "an edit that is seen before its message");
    is_int(delivered(&r, "u", "m2", "socks", ""), WEBHOOK_DUPLICATE, "is the message");
    visits(&r);
    is_str(r.ai.seen, "user:four shirts|assistant:answer 1|user:socks, too|", "with its text");
    rig_close(&r);
}

struct told {
    const char *text, *change;
};

/* Each of n states of one message is told `times` times, in the order that `code` has as digits to base n. False: that is none of them. */
static bool tell_in_order(struct rig *r, const struct told *states, unsigned n, unsigned times, unsigned code)
{
    unsigned order[8], of[4] = { 0 };

    for (unsigned i = 0; i < n * times; i++, code /= n) {
        order[i] = code % n;
        if (++of[order[i]] > times)
            return false;
    }
    rig_open(r, &rig_policy);
    for (unsigned i = 0; i < n * times; i++)
        (void)delivered(r, "u", "m1", states[order[i]].text, states[order[i]].change);
    visits(r);
    return true;
}

static void told_in_any_order(const struct told *states, unsigned n, unsigned times, const char *seen)
{
    unsigned codes = 1, orders = 0, right = 0;
    struct rig r;

    for (unsigned i = 0; i < n * times; i++)
        codes *= n;
    for (unsigned code = 0; code < codes; code++) {
        if (!tell_in_order(&r, states, n, times, code))
            continue;
        orders++;
        if (strcmp(r.ai.seen, seen) == 0 && r.ai.calls == 1 && r.platform.sent == 1)
            right++;
        else
            diag("code %u: %d calls, %d sends, \"%s\"", code, r.ai.calls, r.platform.sent, r.ai.seen);
        rig_close(&r);
    }
    is_int(right, orders, "in any of %u orders one answer, to what it says now", orders);
}

/* An edit back to a wording of before, where the platform counts its edits. */
static void edited_back(void)
{
    static const struct told thrice[] = { { "two shirts", "" }, { "three shirts", "edited" }, { "two shirts", "edited2" } };
    static const struct told four_times[] = { { "two shirts", "" }, { "three shirts", "edited" }, { "two shirts", "edited2" }, { "three shirts", "edited3" } };
    struct rig r;

    told_in_any_order(thrice, 3, 1, "user:two shirts|");
    told_in_any_order(thrice, 3, 2, "user:two shirts|");
    told_in_any_order(four_times, 4, 1, "user:three shirts|");
    rig_open(&r, &rig_policy);
    for (unsigned i = 0; i < ARRAY_LEN(four_times); i++) { /* each is answered before the next */
        for (int times = 0; times < 3; times++) {
            is_int(delivered(&r, "u", "m1", four_times[i].text, four_times[i].change), times == 0 ? WEBHOOK_ACCEPTED : WEBHOOK_DUPLICATE, "state %u, told %d times before", i, times);
            visits(&r);
        }
        is_int(r.ai.calls, (int)i + 1, "one answer to each");
    }
    rig_close(&r);
    rig_open(&r, &rig_policy);
    for (int times = 0; times < 3; times++) {
        is_int(delivered(&r, "u", "m1", "two shirts", "edited2"), times == 0 ? WEBHOOK_ACCEPTED : WEBHOOK_DUPLICATE, "its third state is seen first");
        visits(&r);
    }
    is_int(delivered(&r, "u", "m1", "two shirts", ""), WEBHOOK_DUPLICATE, "its first one comes late");
    visits(&r);
    is_int(r.ai.calls, 1, "one answer");
    is_int(delivered(&r, "u", "m1", "", "removed"), WEBHOOK_ACCEPTED, "taken back");
    is_int(delivered(&r, "u", "m1", "", "removed"), WEBHOOK_DUPLICATE, "once");
    rig_close(&r);
}

/* An administrator has it tried again: what came before is a duplicate still. */
static void edited_and_revived(void)
{
    struct rig r;
    struct asked q;
    struct policy once = rig_policy;

    once.attempts_max = 1;
    rig_open(&r, &once);
    r.ai.outcome = AI_REFUSED;
    is_int(delivered(&r, "u", "m1", "two shirts", "edited2"), WEBHOOK_ACCEPTED, "a message that was edited twice");
    visits(&r);
    ask_dead(&r, &q);
    const struct sv id = arena_sv(arena, sv_from(asked_str(&q, "dead/0/id")));
    asked_forget(&q);
    q = (struct asked){ 0 };
    control_dead_retry(r.turns, id, asked_fn, &q);
    ok(asked_wait(&r, &q) && q.http_status == 200, "it was given up, and is tried again");
    asked_forget(&q);
    is_int(delivered(&r, "u", "m1", "two shirts", "edited2"), WEBHOOK_DUPLICATE, "it comes again meanwhile");
    r.ai.outcome = AI_ANSWERED;
    visits(&r);
    is_str(r.ai.seen, "user:two shirts|", "it is answered");
    is_int(r.platform.sent, 1, "once");
    rig_close(&r);
}

/* A platform whose list of edits does not grow: a wording of before cannot be told from an old delivery. */
static void edited_without_count(void)
{
    struct rig r;

    rig_open(&r, &rig_policy);
    is_int(delivered(&r, "u", "m1", "two shirts", ""), WEBHOOK_ACCEPTED, "a message");
    is_int(delivered(&r, "u", "m1", "three shirts", "edited"), WEBHOOK_ACCEPTED, "its edit");
    is_int(delivered(&r, "u", "m1", "two shirts", "edited"), WEBHOOK_DUPLICATE, "its first wording again is a duplicate");
    visits(&r);
    is_str(r.ai.seen, "user:three shirts|", "and what differs from it is answered");
    rig_close(&r);
}

static void removals(void)
{
    struct rig r;

    rig_open(&r, &rig_policy);
    is_int(delivered(&r, "u", "m1", "my password is 1234", ""), WEBHOOK_ACCEPTED, "a message");
    is_int(delivered(&r, "u", "m1", "my password was 1234", "edited"), WEBHOOK_ACCEPTED, "edited");
    is_int(delivered(&r, "u", "m1", "", "removed"), WEBHOOK_ACCEPTED, "taken back");
    is_int(delivered(&r, "u", "m1", "", "removed"), WEBHOOK_DUPLICATE, "which comes again");
    is_int(delivered(&r, "u", "m1", "my password is 1234", ""), WEBHOOK_DUPLICATE, "as does the message");
    visits(&r);
    is_int(r.ai.calls + r.platform.sent, 0, "nobody is asked, nothing is sent");

    is_int(delivered(&r, "u", "m2", "", "removed"), WEBHOOK_ACCEPTED, "a removal that is seen before its message");
    is_int(delivered(&r, "u", "m2", "secret", ""), WEBHOOK_DUPLICATE, "takes its place");
    is_int(delivered(&r, "u", "m2", "secret!", "edited"), WEBHOOK_ACCEPTED, "an edit that comes late");
    is_int(delivered(&r, "u", "m2", "", "removed"), WEBHOOK_DUPLICATE, "the removal again");
    visits(&r);
    is_int(r.ai.calls + r.platform.sent, 0, "changes nothing");
    is_int(delivered(&r, "u", "m3", "hello", ""), WEBHOOK_ACCEPTED, "a message after all that");
    visits(&r);
    is_str(r.ai.seen, "user:hello|", "is asked about alone");
    rig_close(&r);
}

/* An id that leaves no room for what it becomes. */
static void long_ids(void)
{
    struct rig r;
    char id[MESSAGE_ID_MAX + 1];

    memset(id, 'i', MESSAGE_ID_MAX);
    id[MESSAGE_ID_MAX] = '\0';
    rig_open(&r, &rig_policy);
    is_int(delivered(&r, "u", id, "one", ""), WEBHOOK_ACCEPTED, "a message with a long id");
    is_int(delivered(&r, "u", id, "two", "edited"), WEBHOOK_ACCEPTED, "its edit");
    visits(&r);
    is_str(r.ai.seen, "user:two|", "replaces it");
    is_int(delivered(&r, "u", id, "two", "edited"), WEBHOOK_DUPLICATE, "once");
    rig_close(&r);
}

static void others(void)
{
    struct rig r;
    struct webhook w = { .kind = WEBHOOK_OTHER };
    struct outcome o = { .result = NOTHING_YET };

    rig_open(&r, &rig_policy);
    webhook_submit(r.turns, SV(PAGE), &w, &(struct webhook_options){ 0 }, done, &o);
    is_int(o.result, NOTHING_YET, "nothing is told from inside the call");
    ok(until(&r, &o), "an outcome");
    is_int(o.result, WEBHOOK_LEFT, "is left");
    rig_close(&r);
}

/* Each call of the store fails once, before or after it did its work. What is not accepted is sent again: in the end each message is there once. */
static void faults(void)
{
    static const struct {
        const char *from, *id, *text, *change;
    } steps[] = {
        { "u", "m1", "two shirts", "" },
        { "page", "e1", "an echo", "" },
        { "u", "m1", "three shirts", "edited" },
        { "page", "e1", "an echo", "" },
    };
    for (unsigned n = 1; n <= CALLS; n++) {
        for (int after = 0; after < 2; after++) {
            struct rig r;
            char by_text[PAGE_ECHO_SIZE];
            int refused = 0;
            rig_open(&r, &rig_policy);
            page_echo_text(by_text, SV(PAGE), SV("c1"), SV("an echo"));
            put(&r, by_text, "sent");
            struct store *failing = store_fail_open(r.loop, r.store, n, false, after != 0);
            struct err e;
            r.options.store = failing;
            turns_free(r.turns);
            r.turns = turns_new(&r.options, &e);
            r.store = failing;
            for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
                for (int k = 0; k < 3 && delivered(&r, steps[i].from, steps[i].id, steps[i].text, steps[i].change) == WEBHOOK_NOT_NOW; k++)
                    refused++;
            }
            ok(refused <= 1, "call %u fails %s: at most one is told to come again", n, after ? "after" : "before");
            for (int k = 0; k < 300 && r.platform.sent == 0; k++) {
                (void)usleep(k > 20 ? 10000 : 0);
                rig_visit(&r, "c1");
            }
            is_str(r.ai.seen, "user:three shirts|", "what it is now is answered");
            is_int(r.platform.sent, 1, "once: the echo was nobody's take-over");
            rig_close(&r);
        }
    }
}

int main(void)
{
    arena = arena_new(0, 64u << 20);
    customers();
    echoes();
    takes_over();
    same_words();
    answered_elsewhere();
    from_when_on();
    too_old();
    edits();
    edited_back();
    edited_and_revived();
    edited_without_count();
    removals();
    long_ids();
    others();
    faults();
    arena_free(arena);
    return done_testing();
}
