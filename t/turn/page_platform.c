/* SPDX-License-Identifier: MIT
 * Replies by the page API: pieces in their places, what each answer leads to, and what a repeat finds out. A server that says what it is told, the memory store; each
 * repeat is by an instance of its own, as if the first had been killed. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "store/store_backends.h"
#include "t/outside/rig.h"
#include "t/tap.h"
#include "turn/page_platform.h"

#define YES "HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n{\"success\":true,\"id\":\"m_1\"}"
#define NO "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"success\":false}"
#define STATUS(line) "HTTP/1.1 " line "\r\nContent-Length: 0\r\n\r\n"
#define CUT { .then = PEER_CLOSE }
#define SAYS(text) { .answer = (text) }

static struct rig rig;
static struct store *store;
static struct peer *peer;
static struct pages *pages;
static struct platform *platform;

/* ---- messages as they are read ---- */

#define NEWER "2099-01-01T00:00:00.000000"
#define OLDER "2001-01-01T00:00:00.000000"
#define BY(who, id, text, at)                                                                                                                              \
    "{\"id\":\"" id "\",\"from\":{\"id\":\"" who "\",\"name\":\"N\"},\"original_message\":\"" text "\",\"message\":\"<div>" text "</div>\",\"inserted_at\":\"" at "\"}"

static const char *reads(const char *messages)
{
    static char texts[4][2048];
    static unsigned next;
    char *at = texts[next++ % ARRAY_LEN(texts)];
    (void)snprintf(at, sizeof texts[0], "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n{\"messages\":[%s]}", strlen(messages) + 15, messages);
    return at;
}

/* ---- the stage ---- */

static struct platform *instance(int64_t calls_per_second)
{
    struct err e = { 0 };
    const struct page_platform_options o = { .loop = rig.loop, .store = store, .pages = pages, .page_id = "p1", .calls_per_second = calls_per_second };
    struct platform *p = page_platform_open(&o, &e);
    if (p == NULL)
        bail_out("%s", e.text);
    return p;
}

static void begin(const struct peer_step *steps, int n)
{
    struct err e = { 0 };
    store = store_memory_open(rig.loop, 0);
    peer = peer_start(steps, n);
    const struct pages_options o = { .url = rig_url(peer_port(peer), ""), .tokens = "p1=t1,p2=t2", .token = "" };
    pages = pages_open(rig.loop, rig.http, &o, &e);
    if (store == NULL || pages == NULL)
        bail_out("%s", e.text);
    platform = instance(5);
}

static void end(void)
{
    platform_close(platform);
    pages_close(pages);
    store_close(store);
    peer_stop(peer);
}

/* As if its process had been killed and another one goes on. */
static void killed(void)
{
    platform_close(platform);
    platform = instance(5);
}

struct told {
    int times;
    struct platform_answer answer;
};

static void tell(void *arg, const struct platform_answer *a)
{
    struct told *t = arg;
    t->times++;
    t->answer = *a;
}

static bool was_told(void *arg)
{
    return ((struct told *)arg)->times > 0;
}

static const char *const outcomes[] = {
    [PLATFORM_SENT] = "sent",         [PLATFORM_FAILED] = "failed",   [PLATFORM_UNREACHABLE] = "unreachable",
    [PLATFORM_TOO_LATE] = "too late", [PLATFORM_UNKNOWN] = "unknown",
};

#define M(text) "{\"type\":\"send_message\",\"data\":{\"message\":\"" text "\"}}"
#define BODY "{\"timestamp\":1800000000.000}"

static struct platform_request request(const char *actions, bool again)
{
    return (struct platform_request){ .body = SV(BODY), .idempotency_key = SV("turn-1"), .conversation_id = SV("c1"), .actions = sv_from(actions), .again = again,
                                      .timeout_ms = 20000 };
}

static struct told deliver(const struct platform_request *q)
{
    struct told t = { 0 };
    if (platform_send(platform, q, tell, &t) == NULL || t.times != 0)
        bail_out("an answer from inside the call");
    rig_until(&rig, was_told, &t);
    return t;
}

static struct told say(const char *actions, bool again)
{
    struct platform_request q = request(actions, again);
    return deliver(&q);
}

static void is_outcome(const struct told *t, enum platform_outcome want, const char *name)
{
    is_str(outcomes[t->answer.outcome], outcomes[want], "%s (%s)", name, t->answer.err.text);
}

/* Methods and texts of what was asked: "POST hi|GET|". */
static void is_asked(const char *want, const char *name)
{
    struct buf b = { 0 };
    for (int i = 0; i < peer_requests(peer); i++) {
        const char *got = peer_request(peer, i), *text = strstr(got, "\"message\":\"");
        buf_printf(&b, "%.*s", (int)strcspn(got, " "), got);
        if (text != NULL)
            buf_printf(&b, " %.*s", (int)strcspn(text + 11, "\""), text + 11);
        buf_addc(&b, '|');
    }
    is_str(b.p != NULL ? b.p : "", want, "%s", name);
    buf_fini(&b);
}

struct got {
    bool there;
    char value[128];
};

static void take(void *arg, enum store_status status, struct sv value)
{
    struct got *g = arg;
    g->there = true;
    (void)snprintf(g->value, sizeof g->value, "%s%.*s", status == STORE_DONE ? "" : "down ", SV_FMT(value.p != NULL ? value : SV("(none)")));
}

static bool is_there(void *arg)
{
    return ((struct got *)arg)->there;
}

static const char *stored(const char *name)
{
    static struct got g;
    g = (struct got){ 0 };
    store_get(store, sv_from(name), take, &g);
    rig_until(&rig, is_there, &g);
    return g.value;
}

static void put_done(void *arg, enum store_status status)
{
    *(bool *)arg = status == STORE_DONE;
}

static bool is_true(void *arg)
{
    return *(bool *)arg;
}

static void put(const char *name, const char *value)
{
    bool there = false;
    store_put(store, sv_from(name), sv_from(value), 60000, put_done, &there);
    rig_until(&rig, is_true, &there);
}

static const char *text_mark(const char *text)
{
    static char name[PAGE_ECHO_SIZE];
    page_echo_text(name, SV("p1"), SV("c1"), sv_from(text));
    return name;
}

/* ---- it goes well ---- */

static void test_sent(void)
{
    static const struct peer_step steps[] = { SAYS(YES) };
    char id[PAGE_ECHO_SIZE];
    begin(steps, 1);
    struct told t = say("[" M("hello  there") "]", false);
    is_outcome(&t, PLATFORM_SENT, "one piece");
    is_int(t.answer.actions_executed, 1, "executed");
    has_str(peer_request(peer, 0), "POST /public_api/v1/pages/p1/conversations/c1/messages?page_access_token=t1 ", "to the page");
    has_str(peer_request(peer, 0), "{\"action\":\"reply_inbox\",\"message\":\"hello  there\"}", "as a reply");
    is_str(stored(text_mark("hello there")), "sent", "its text is known as ours");
    page_echo_id(id, SV("p1"), SV("m_1"));
    is_str(stored(id), "id", "so is its id");
    is_str(platform_name(platform), "pages_fm", "the name");
    end();
}

static void test_pieces(void)
{
    static const struct peer_step steps[] = { SAYS(YES) };
    begin(steps, 1);
    struct told t = say("[" M("a") "," M("b") ",{\"type\":\"execute_api\",\"data\":{\"name\":\"n\"}}," M("c") ",{\"type\":\"end_conversation\"}]", false);
    is_outcome(&t, PLATFORM_SENT, "three pieces");
    is_int(t.answer.actions_executed, 4, "what has no counterpart is not executed");
    is_asked("POST a|POST b|POST c|", "in order, each once");
    ok(t.answer.took_ms >= 2 * 280 - 5, "in their places: %lld ms", (long long)t.answer.took_ms);
    end();
}

static void test_no_call(void)
{
    static const struct peer_step steps[] = { SAYS(YES) };
    begin(steps, 1);
    struct told t = say("[{\"type\":\"transfer_to_agent\"},{\"type\":\"end_conversation\"}]", false);
    is_outcome(&t, PLATFORM_SENT, "nothing to say");
    is_int(t.answer.actions_executed, 2, "both done");
    t = say("[{\"type\":\"execute_api\",\"data\":{\"name\":\"n\"}}]", false);
    is_outcome(&t, PLATFORM_FAILED, "nothing that could be done");
    struct platform_request q = request("[" M("a") "]", false);
    q.metadata = SV("{\"page_id\":\"p9\"}");
    t = deliver(&q);
    is_outcome(&t, PLATFORM_FAILED, "a page without a token");
    q.metadata = SV("{\"channel\":\"COMMENT\"}");
    t = deliver(&q);
    is_outcome(&t, PLATFORM_FAILED, "no comment to answer");
    is_int(peer_requests(peer), 0, "no call");
    q.metadata = SV("{\"channel\":\"COMMENT\",\"page_id\":\"p2\"}");
    q.message_id = SV("c_7~0123");
    t = deliver(&q);
    is_outcome(&t, PLATFORM_SENT, "a comment");
    has_str(peer_request(peer, 0), "/pages/p2/conversations/c1/messages?page_access_token=t2 ", "on the page of the message");
    has_str(peer_request(peer, 0), "{\"action\":\"reply_comment\",\"message_id\":\"c_7\",", "the comment itself, not its edit");
    end();
}

/* ---- it does not ---- */

static void test_limited(void)
{
    static const struct peer_step said[] = { SAYS(STATUS("429 X\r\nRetry-After: 1")), SAYS(YES) }, unsaid[] = { SAYS(STATUS("429 X")), SAYS(STATUS("429 X")), SAYS(YES) };
    begin(said, 2);
    struct told t = say("[" M("a") "]", false);
    is_outcome(&t, PLATFORM_SENT, "too many, then not");
    is_asked("POST a|POST a|", "the piece again");
    ok(t.answer.took_ms >= 995, "after its time: %lld ms", (long long)t.answer.took_ms);
    end();
    begin(unsaid, 3);
    t = say("[" M("a") "]", false);
    is_outcome(&t, PLATFORM_SENT, "too many twice, without a time");
    ok(t.answer.took_ms >= 2990, "a second, then two: %lld ms", (long long)t.answer.took_ms);
    end();
    begin(unsaid, 1);
    struct platform_request q = request("[" M("a") "]", false);
    q.send_before_ms = clock_mono_ms() + 500;
    t = deliver(&q);
    is_outcome(&t, PLATFORM_UNREACHABLE, "too many, and no time left");
    ok(t.answer.retry_after_ms > 500 && t.answer.retry_after_ms <= 1500, "when it may be tried again: %lld ms", (long long)t.answer.retry_after_ms);
    is_asked("POST a|", "one call");
    is_str(stored("page:p1:limited"), "1", "other processes see that the page is to be left alone");
    platform_close(platform);
    platform = instance(5);
    q = request("[" M("b") "]", false);
    q.conversation_id = SV("c2");
    q.send_before_ms = clock_mono_ms() + 300;
    t = deliver(&q);
    is_outcome(&t, PLATFORM_TOO_LATE, "and leave it alone");
    is_asked("POST a|", "no call");
    end();
}

static void test_refused(void)
{
    static const struct peer_step first[] = { SAYS(NO) }, second[] = { SAYS(YES), SAYS(STATUS("400 X")) };
    begin(first, 1);
    struct told t = say("[" M("a") "," M("b") "]", false);
    is_outcome(&t, PLATFORM_FAILED, "refused");
    is_asked("POST a|", "the rest is not sent");
    end();
    begin(second, 2);
    t = say("[" M("a") "," M("b") ",{\"type\":\"transfer_to_agent\"}]", false);
    is_outcome(&t, PLATFORM_SENT, "a part was refused");
    is_int(t.answer.actions_executed, 2, "what went out, and what needs no call");
    end();
}

static void test_busy(void)
{
    static const struct peer_step steps[] = { SAYS(STATUS("503 X\r\nRetry-After: 2")), SAYS(YES), SAYS(STATUS("503 X")), SAYS(YES) };
    begin(steps, 4);
    struct told t = say("[" M("a") "]", false);
    is_outcome(&t, PLATFORM_UNREACHABLE, "503");
    is_int(t.answer.retry_after_ms, 2000, "when again");
    killed();
    t = say("[" M("a") "," M("b") "]", true);
    is_outcome(&t, PLATFORM_UNKNOWN, "again: another text fits no record, and all is read");
    end();
    begin(steps, 4);
    t = say("[" M("a") "]", false);
    killed();
    t = say("[" M("a") "]", true);
    is_outcome(&t, PLATFORM_SENT, "again");
    is_asked("POST a|POST a|", "what was not sent is not looked for");
    end();
    begin(steps + 1, 3);
    t = say("[" M("a") "," M("b") "]", false);
    is_outcome(&t, PLATFORM_UNKNOWN, "one of two was sent");
    killed();
    t = say("[" M("a") "," M("b") "]", true);
    is_outcome(&t, PLATFORM_SENT, "again: the rest");
    is_int(t.answer.actions_executed, 2, "both");
    is_asked("POST a|POST b|POST b|", "nothing is looked for");
    end();
}

static void test_late(void)
{
    static const struct peer_step steps[] = { SAYS(YES) };
    begin(steps, 1);
    struct platform_request q = request("[" M("a") "]", false);
    q.send_before_ms = clock_mono_ms() - 1;
    struct told t = deliver(&q);
    is_outcome(&t, PLATFORM_TOO_LATE, "past its time");
    q = request("[" M("a") "," M("b") "," M("c") "," M("d") "]", false);
    q.send_before_ms = clock_mono_ms() + 400;
    t = deliver(&q);
    is_outcome(&t, PLATFORM_UNKNOWN, "time for two of four");
    is_asked("POST a|POST b|", "two");
    killed();
    q = request("[" M("a") "," M("b") "," M("c") "," M("d") "]", true);
    t = deliver(&q);
    is_outcome(&t, PLATFORM_SENT, "the rest");
    is_asked("POST a|POST b|POST c|POST d|", "each once");
    end();
}

/* ---- what may have arrived ---- */

struct look_case {
    const char *name, *actions;
    struct peer_step first[3]; /* answers of the first try, the last one leaves doubt */
    int first_n;
    const char *found[2]; /* what the reads say; NULL: 500 */
    enum platform_outcome outcome;
    const char *asked;
};

static const struct look_case look_cases[] = {
    { "there", "[" M("a") "]", { CUT }, 1, { BY("p1", "m1", "a", NEWER) }, PLATFORM_SENT, "POST a|GET|" },
    { "there, in markup", "[" M("a  &  b") "]", { CUT }, 1, { "{\"id\":\"1\",\"from\":{\"id\":\"p1\"},\"message\":\"<b>a</b> &amp; b\",\"inserted_at\":\"" NEWER "\"}" }, PLATFORM_SENT, "POST a  &  b|GET|" },
    { "not there", "[" M("a") "]", { CUT }, 1, { "", "" }, PLATFORM_SENT, "POST a|GET|GET|POST a|" },
    { "there at the second look", "[" M("a") "]", { CUT }, 1, { "", BY("p1", "m1", "a", NEWER) }, PLATFORM_SENT, "POST a|GET|GET|" },
    { "the customer's", "[" M("a") "]", { CUT }, 1, { BY("u1", "m1", "a", NEWER), BY("u1", "m1", "a", NEWER) }, PLATFORM_SENT, "POST a|GET|GET|POST a|" },
    { "an older one", "[" M("a") "]", { CUT }, 1, { BY("p1", "m1", "a", OLDER), BY("p1", "m1", "a", OLDER) }, PLATFORM_SENT, "POST a|GET|GET|POST a|" },
    { "it cannot be read", "[" M("a") "]", { CUT }, 1, { NULL }, PLATFORM_UNKNOWN, "POST a|GET|" },
    { "the second of two", "[" M("a") "," M("b") "]", { SAYS(YES), CUT }, 2, { BY("p1", "m2", "b", NEWER) "," BY("p1", "m1", "a", NEWER) }, PLATFORM_SENT, "POST a|POST b|GET|" },
    { "the first of two", "[" M("a") "," M("b") "]", { CUT }, 1, { BY("p1", "m1", "a", NEWER) }, PLATFORM_SENT, "POST a|GET|POST b|" },
    { "two that are equal, one is there", "[" M("a") "," M("a") "]", { SAYS(YES), CUT }, 2, { BY("p1", "m1", "a", NEWER), BY("p1", "m1", "a", NEWER) }, PLATFORM_SENT,
      "POST a|POST a|GET|GET|POST a|" },
    { "two that are equal, both are there", "[" M("a") "," M("a") "]", { SAYS(YES), CUT }, 2, { BY("p1", "m2", "a", NEWER) "," BY("p1", "m1", "a", NEWER) }, PLATFORM_SENT,
      "POST a|POST a|GET|" },
    { "one that is shown twice is one", "[" M("a") "," M("a") "]", { SAYS(YES), CUT }, 2,
      { BY("p1", "m1", "a", NEWER) "," BY("p1", "m1", "a", NEWER), BY("p1", "m1", "a", NEWER) }, PLATFORM_SENT, "POST a|POST a|GET|GET|POST a|" },
};

static void test_looks(void)
{
    for (size_t i = 0; i < ARRAY_LEN(look_cases); i++) {
        const struct look_case *c = &look_cases[i];
        struct peer_step steps[8] = { 0 };
        int n = 0;
        for (; n < c->first_n; n++)
            steps[n] = c->first[n];
        for (size_t k = 0; k < 2; k++)
            if (k == 0 || c->found[k] != NULL)
                steps[n++].answer = c->found[k] != NULL ? reads(c->found[k]) : STATUS("500 X");
        steps[n++].answer = YES;
        begin(steps, n);
        struct told t = say(c->actions, false);
        is_outcome(&t, PLATFORM_UNKNOWN, c->name);
        killed();
        t = say(c->actions, true);
        is_outcome(&t, c->outcome, c->name);
        is_asked(c->asked, c->name);
        end();
    }
}

/* An echo has shown it: nothing is read. Of two equal ones it may be the other's. */
static void test_marks(void)
{
    struct peer_step steps[] = { CUT, SAYS(YES) };
    begin(steps, 2);
    struct told t = say("[" M("a") "]", false);
    put(text_mark("a"), "seen");
    killed();
    t = say("[" M("a") "]", true);
    is_outcome(&t, PLATFORM_SENT, "its echo came");
    is_asked("POST a|", "nothing is read");
    end();
    steps[1].answer = reads(BY("p1", "m1", "a", NEWER) "," BY("p1", "m2", "a", NEWER));
    begin(steps, 2);
    t = say("[" M("a") "," M("a") "]", false);
    put(text_mark("a"), "seen");
    killed();
    t = say("[" M("a") "," M("a") "]", true);
    has_str(peer_request(peer, 1), "GET ", "an echo of one of two that are equal says nothing");
    end();
}

/* No record: the process was killed in front of it, or the store has lost it. A mark may be that of an earlier reply. */
static void test_no_record(void)
{
    struct peer_step steps[] = { SAYS(reads("")), SAYS(reads("")), SAYS(YES) };
    begin(steps, 3);
    put(text_mark("a"), "seen");
    struct told t = say("[" M("a") "]", true);
    is_outcome(&t, PLATFORM_SENT, "nothing is known");
    is_asked("GET|GET|POST a|", "it is looked for twice, then sent");
    end();
}

/* Killed while the call hangs. */
static void test_killed(void)
{
    struct peer_step steps[] = { { .then = PEER_HANG }, SAYS(reads(BY("p1", "m1", "a", NEWER))), SAYS(YES) };
    begin(steps, 3);
    struct told t = { 0 };
    struct platform_request q = request("[" M("a") "," M("b") "]", false);
    if (platform_send(platform, &q, tell, &t) == NULL)
        bail_out("memory");
    while (peer_requests(peer) == 0)
        rig_settle(&rig);
    is_str(stored("page:sent:turn-1"), "?.", "what is known is in the store while it hangs");
    killed();
    is_int(t.times, 0, "closed: never answered");
    t = say("[" M("a") "," M("b") "]", true);
    is_outcome(&t, PLATFORM_SENT, "another one goes on");
    is_asked("POST a|GET|POST b|", "what is there is not sent again");
    end();
}

static void test_abort(void)
{
    static const struct peer_step steps[] = { SAYS(YES) };
    begin(steps, 1);
    struct told t = { 0 };
    struct platform_request q = request("[" M("a") "]", false);
    for (int rounds = 0; rounds < 12; rounds++) { /* wherever it is, the store still owing an answer or not */
        struct platform_call *call = platform_send(platform, &q, tell, &t);
        for (int i = 0; i < rounds && t.times == 0; i++)
            loop_turn(rig.loop, false);
        if (t.times == 0)
            platform_abort(platform, call);
        t.times = 0;
    }
    rig_settle(&rig);
    is_int(t.times, 0, "aborted: never answered");
    end();
}

/* ---- places ---- */

struct place_told {
    int times;
    struct platform_place place;
};

static void tell_place(void *arg, const struct platform_place *p)
{
    struct place_told *t = arg;
    t->times++;
    t->place = *p;
}

static bool was_placed(void *arg)
{
    return ((struct place_told *)arg)->times > 0;
}

static struct platform_place place(struct platform *p, const struct platform_request *q)
{
    struct place_told t = { 0 };
    if (platform_place(p, q, tell_place, &t) == NULL || t.times != 0)
        bail_out("a place from inside the call");
    rig_until(&rig, was_placed, &t);
    return t.place;
}

static void test_places(void)
{
    static const struct peer_step steps[] = { SAYS(YES) };
    begin(steps, 1);
    struct platform *other = instance(5);
    int64_t now_ms = clock_mono_ms(), last_ms = 0;
    bool apart = true;
    for (int i = 0; i < 10; i++) {
        char id[8];
        (void)snprintf(id, sizeof id, "c%d", i);
        struct platform_request q = request("[" M("a") "]", false);
        q.conversation_id = sv_from(id);
        struct platform_place at = place(i % 2 == 0 ? platform : other, &q);
        apart = apart && at.outcome == PLATFORM_PLACE && (i == 0 || at.at_ms - last_ms >= 280 - 40);
        last_ms = at.at_ms;
    }
    ok(apart, "two instances share one row");
    ok(last_ms - now_ms >= 9 * 280 - 5, "ten places: %lld ms", (long long)(last_ms - now_ms));
    struct platform_request q = request("[" M("a") "," M("b") "," M("c") "]", false);
    q.metadata = SV("{\"page_id\":\"p2\"}");
    q.conversation_id = SV("d1");
    struct platform_place first = place(platform, &q);
    q.conversation_id = SV("d2");
    struct platform_place second = place(other, &q);
    ok(first.at_ms - now_ms < 2000, "another page has a row of its own");
    ok(second.at_ms - first.at_ms >= 3 * 280 - 40, "three pieces take three places");
    q.conversation_id = SV("d1");
    struct told t = deliver(&q);
    is_outcome(&t, PLATFORM_SENT, "in the places that it has");
    ok(clock_mono_ms() - first.at_ms < 5000 && t.answer.took_ms < 3000, "it takes no others behind the second's: %lld ms", (long long)t.answer.took_ms);
    q = request("[{\"type\":\"transfer_to_agent\"}]", false);
    ok(place(platform, &q).at_ms <= clock_mono_ms(), "what needs no call needs no place");
    platform_close(other);
    end();
}

static void test_arithmetic(void)
{
    struct arena *a = arena_new(0, 65536);
    struct store_place s = page_place(a, SV("p"), PAGE_ROW_SEND, 3, 5), r = page_place(a, SV("p"), PAGE_ROW_READ, 1, 5);
    is_sv(s.name, SV("place:page:p:send"), "the row of sends");
    is_sv(r.name, SV("place:page:p:read"), "the row of reads");
    is_int(s.every_ms, 280, "four a second with 12 %% to spare");
    is_int(r.every_ms, 1200, "one in 1.2 s");
    is_int(s.n, 3, "places");
    for (int64_t limit = 2; limit <= 1000; limit++) {
        int64_t every_ms = page_place(a, SV("p"), PAGE_ROW_SEND, 1, limit).every_ms;
        if ((1099 / every_ms + 1) + 1 > limit) {
            ok(false, "%lld a second: more than that in 1.1 s", (long long)limit);
            break;
        }
        arena_reset(a);
    }
    ok(true, "never more than the limit in 1.1 s, with a read among them");
    arena_free(a);
}

int main(void)
{
    rig_open(&rig, NULL);
    test_arithmetic();
    test_sent();
    test_pieces();
    test_no_call();
    test_limited();
    test_refused();
    test_busy();
    test_late();
    test_looks();
    test_marks();
    test_no_record();
    test_killed();
    test_abort();
    test_places();
    rig_close(&rig);
    return done_testing();
}
