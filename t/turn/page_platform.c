/* SPDX-License-Identifier: MIT
 * Replies by the page API: pieces in their places, and what each answer leads to. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "t/tap.h"
#include "t/turn/page_rig.h"

/* ---- it goes well ---- */

static void test_sent(void)
{
    static const struct peer_step steps[] = { SAYS(YES) };
    char id[PAGE_ECHO_SIZE];
    page_begin(steps, 1);
    struct page_told t = page_say("[" M("hello  there") "]", false);
    is_outcome(&t, PLATFORM_SENT, "one piece");
    is_int(t.answer.actions_executed, 1, "executed");
    has_str(peer_request(peer, 0), "POST /public_api/v1/pages/p1/conversations/c1/messages?page_access_token=t1 ", "to the page");
    has_str(peer_request(peer, 0), "{\"action\":\"reply_inbox\",\"message\":\"hello  there\"}", "as a reply");
    is_str(page_stored(page_mark("hello there")), "turn-1", "its text is known as ours");
    page_echo_id(id, SV("p1"), SV("m_1"));
    is_str(page_stored(id), "turn-1", "so is its id");
    is_str(platform_name(platform), "pages_fm", "the name");
    ok(platform_talks_only(platform), "a page knows no operations");
    page_end();
}

static void test_pieces(void)
{
    static const struct peer_step steps[] = { SAYS(YES) };
    page_begin(steps, 1);
    struct page_told t = page_say("[" M("a") "," M("b") ",{\"type\":\"execute_api\",\"data\":{\"name\":\"n\"}}," M("c") ",{\"type\":\"end_conversation\"}]", false);
    is_outcome(&t, PLATFORM_SENT, "three pieces");
    is_int(t.answer.actions_executed, 4, "what has no counterpart is not executed");
    is_asked("POST a|POST b|POST c|", "in order, each once");
    ok(t.answer.took_ms >= 2 * 280 - 5, "in their places: %lld ms", (long long)t.answer.took_ms);
    page_end();
}

static void test_no_call(void)
{
    static const struct peer_step steps[] = { SAYS(YES) };
    page_begin(steps, 1);
    struct page_told t = page_say("[{\"type\":\"transfer_to_agent\"},{\"type\":\"end_conversation\"}]", false);
    is_outcome(&t, PLATFORM_SENT, "nothing to say");
    is_int(t.answer.actions_executed, 2, "both done");
    t = page_say("[{\"type\":\"execute_api\",\"data\":{\"name\":\"n\"}}]", false);
    is_outcome(&t, PLATFORM_FAILED, "nothing that could be done");
    ok(t.answer.impossible, "for which nobody is asked");
    t = page_say("[{\"type\":\"execute_api\",\"data\":{\"name\":\"n\"}}]", true);
    ok(t.answer.outcome == PLATFORM_FAILED && t.answer.impossible && t.answer.settled, "nor was anything sent by an earlier try");
    struct platform_request q = page_request("[" M("a") "]", false);
    q.metadata = SV("{\"page_id\":\"p9\"}");
    t = page_deliver(&q);
    is_outcome(&t, PLATFORM_FAILED, "a page without a token");
    ok(!t.answer.impossible, "which is another matter");
    q.metadata = SV("{\"channel\":\"COMMENT\"}");
    t = page_deliver(&q);
    is_outcome(&t, PLATFORM_FAILED, "no comment to answer");
    is_int(peer_requests(peer), 0, "no call");
    q.metadata = SV("{\"channel\":\"COMMENT\",\"page_id\":\"p2\"}");
    q.message_id = SV("c_7~0123");
    t = page_deliver(&q);
    is_outcome(&t, PLATFORM_SENT, "a comment");
    has_str(peer_request(peer, 0), "/pages/p2/conversations/c1/messages?page_access_token=t2 ", "on the page of the message");
    has_str(peer_request(peer, 0), "{\"action\":\"reply_comment\",\"message_id\":\"c_7\",", "the comment itself, not its edit");
    page_end();
}

/* ---- it does not ---- */

static void test_limited(void)
{
    static const struct peer_step said[] = { SAYS(STATUS("429 X\r\nRetry-After: 1")), SAYS(YES) }, unsaid[] = { SAYS(STATUS("429 X")), SAYS(STATUS("429 X")), SAYS(YES) };
    page_begin(said, 2);
    struct page_told t = page_say("[" M("a") "]", false);
    is_outcome(&t, PLATFORM_SENT, "too many, then not");
    is_asked("POST a|POST a|", "the piece again");
    ok(t.answer.took_ms >= 995, "after its time: %lld ms", (long long)t.answer.took_ms);
    page_end();
    page_begin(unsaid, 3);
    t = page_say("[" M("a") "]", false);
    is_outcome(&t, PLATFORM_SENT, "too many twice, without a time");
    ok(t.answer.took_ms >= 2990, "a second, then two: %lld ms", (long long)t.answer.took_ms);
    page_end();
    page_begin(unsaid, 1);
    struct platform_request q = page_request("[" M("a") "]", false);
    q.send_before_ms = clock_mono_ms() + 500;
    t = page_deliver(&q);
    is_outcome(&t, PLATFORM_UNREACHABLE, "too many, and no time left");
    ok(t.answer.retry_after_ms > 500 && t.answer.retry_after_ms <= 1500, "when it may be tried again: %lld ms", (long long)t.answer.retry_after_ms);
    is_asked("POST a|", "one call");
    is_str(page_stored("page:p1:limited"), "1", "other processes see that the page is to be left alone");
    platform_close(platform);
    platform = page_instance(5);
    q = page_request("[" M("b") "]", false);
    q.conversation_id = SV("c2");
    q.send_before_ms = clock_mono_ms() + 300;
    t = page_deliver(&q);
    is_outcome(&t, PLATFORM_TOO_LATE, "and leave it alone");
    is_asked("POST a|", "no call");
    page_end();
}

/* A reply at this moment, by an instance that knows nothing of what others were told. Half a second is too short to wait for a place. */
static struct page_told soon(const char *conversation_id)
{
    struct platform_request q = page_request("[" M("a") "]", false);
    q.conversation_id = sv_from(conversation_id);
    q.send_before_ms = clock_mono_ms() + 500;
    page_killed();
    return page_deliver(&q);
}

/* What a page asks for is obeyed, within reason. The clock is moved. */
static void test_limited_for_long(void)
{
    static const struct {
        const char *name, *answer;
        int64_t wait_ms;
    } cases[] = {
        { "two minutes", STATUS("429 X\r\nRetry-After: 120"), 120000 },
        { "five minutes", STATUS("429 X\r\nRetry-After: 300"), 300000 },
        { "an hour", STATUS("429 X\r\nRetry-After: 3600"), 300000 },
        { "a century", STATUS("429 X\r\nRetry-After: 3153600000"), 300000 },
        { "a date far off", STATUS("429 X\r\nRetry-After: Wed, 21 Oct 2099 07:28:00 GMT"), 300000 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct peer_step steps[] = { SAYS(cases[i].answer), SAYS(cases[i].answer), SAYS(YES) };
        clock_fake(1800000000000);
        page_begin(steps, 3);
        for (int times = 1; times <= 2; times++) {
            struct page_told t = soon("c1");
            is_outcome(&t, PLATFORM_UNREACHABLE, cases[i].name);
            is_int(t.answer.retry_after_ms, cases[i].wait_ms, "%s: when it is to be tried again", cases[i].name);
            clock_fake_move(cases[i].wait_ms - 1000);
            t = soon("c2");
            is_outcome(&t, PLATFORM_TOO_LATE, "a second before, by another process");
            is_int(peer_requests(peer), times, "%s: nobody calls it before", cases[i].name);
            clock_fake_move(1000);
        }
        struct page_told t = soon("c3");
        is_outcome(&t, PLATFORM_SENT, "then it is tried again, each time");
        is_int(peer_requests(peer), 3, "%s: three calls", cases[i].name);
        page_end();
        clock_real();
    }
}

static void test_refused(void)
{
    static const struct peer_step first[] = { SAYS(NO) }, as_number[] = { SAYS(NO_AS_NUMBER) }, second[] = { SAYS(YES), SAYS(STATUS("400 X")) };
    page_begin(first, 1);
    struct page_told t = page_say("[" M("a") "," M("b") "]", false);
    is_outcome(&t, PLATFORM_FAILED, "refused");
    ok(!t.answer.impossible, "by the page");
    is_asked("POST a|", "the rest is not sent");
    page_end();
    page_begin(as_number, 1);
    t = page_say("[" M("a") "]", false);
    is_outcome(&t, PLATFORM_FAILED, "refused by a 0");
    page_end();
    page_begin(second, 2);
    t = page_say("[" M("a") "," M("b") ",{\"type\":\"transfer_to_agent\"}]", false);
    is_outcome(&t, PLATFORM_SENT, "a part was refused");
    is_int(t.answer.actions_executed, 2, "what went out, and what needs no call");
    page_end();
}

/* More than 20 pieces: begun, and then refused. */
static void test_cut(void)
{
    static const struct peer_step steps[] = { SAYS(YES), SAYS(STATUS("400 X")) };
    struct buf b = { 0 };
    page_begin(steps, 2);
    buf_add(&b, SV("[{\"type\":\"send_message\",\"data\":{\"message\":\""));
    for (int i = 0; i < 21 * 200; i++)
        buf_add(&b, SV("123456789 "));
    buf_add(&b, SV("\"}},{\"type\":\"transfer_to_agent\"}]"));
    struct page_told t = page_say(b.p, false);
    is_outcome(&t, PLATFORM_SENT, "too long, and a part was refused");
    is_int(peer_requests(peer), 2, "two calls");
    is_int(t.answer.actions_executed, 1, "only what needs no call was executed");
    page_end();
    buf_fini(&b);
}

static void test_busy(void)
{
    static const struct peer_step steps[] = { SAYS(STATUS("503 X\r\nRetry-After: 2")), SAYS(YES), SAYS(STATUS("503 X")), SAYS(YES) };
    page_begin(steps, 4);
    struct page_told t = page_say("[" M("a") "]", false);
    is_outcome(&t, PLATFORM_UNREACHABLE, "503");
    is_int(t.answer.retry_after_ms, 2000, "when again");
    page_killed();
    t = page_say("[" M("a") "," M("b") "]", true);
    is_outcome(&t, PLATFORM_UNREACHABLE, "again: another text fits no record, and all is to be read, which does not go");
    ok(!t.answer.settled, "of the first try nothing is known");
    page_end();
    page_begin(steps, 4);
    t = page_say("[" M("a") "]", false);
    page_killed();
    t = page_say("[" M("a") "]", true);
    is_outcome(&t, PLATFORM_SENT, "again");
    is_asked("POST a|POST a|", "what was not sent is not looked for");
    page_end();
    page_begin(steps + 1, 3);
    t = page_say("[" M("a") "," M("b") "]", false);
    is_outcome(&t, PLATFORM_PART, "one of two was sent");
    page_killed();
    t = page_say("[" M("a") "," M("b") "]", true);
    is_outcome(&t, PLATFORM_SENT, "again: the rest");
    is_int(t.answer.actions_executed, 2, "both");
    is_asked("POST a|POST b|POST b|", "nothing is looked for");
    page_end();
}

static void test_late(void)
{
    static const struct peer_step steps[] = { SAYS(YES) };
    page_begin(steps, 1);
    struct platform_request q = page_request("[" M("a") "]", false);
    q.send_before_ms = clock_mono_ms() - 1;
    struct page_told t = page_deliver(&q);
    is_outcome(&t, PLATFORM_TOO_LATE, "past its time");
    q = page_request("[" M("a") "," M("b") "," M("c") "," M("d") "]", false);
    q.send_before_ms = clock_mono_ms() + 400;
    t = page_deliver(&q);
    is_outcome(&t, PLATFORM_PART, "time for two of four");
    is_asked("POST a|POST b|", "two");
    page_killed();
    q = page_request("[" M("a") "," M("b") "," M("c") "," M("d") "]", true);
    t = page_deliver(&q);
    is_outcome(&t, PLATFORM_SENT, "the rest");
    is_asked("POST a|POST b|POST c|POST d|", "each once");
    page_end();
}

static void test_abort(void)
{
    static const struct peer_step steps[] = { SAYS(YES) };
    page_begin(steps, 1);
    struct page_told t = { 0 };
    struct platform_request q = page_request("[" M("a") "]", false);
    for (int rounds = 0; rounds < 12; rounds++) { /* wherever it is, the store still owing an answer or not */
        struct platform_call *call = platform_send(platform, &q, page_tell, &t);
        for (int i = 0; i < rounds && t.times == 0; i++)
            loop_turn(rig.loop, false);
        if (t.times == 0)
            platform_abort(platform, call);
        t.times = 0;
    }
    rig_settle(&rig);
    is_int(t.times, 0, "aborted: never answered");
    page_end();
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
    page_begin(steps, 1);
    struct platform *other = page_instance(5);
    int64_t now_ms = clock_mono_ms(), last_ms = 0;
    bool apart = true;
    for (int i = 0; i < 10; i++) {
        char id[8];
        (void)snprintf(id, sizeof id, "c%d", i);
        struct platform_request q = page_request("[" M("a") "]", false);
        q.conversation_id = sv_from(id);
        struct platform_place at = place(i % 2 == 0 ? platform : other, &q);
        apart = apart && at.outcome == PLATFORM_PLACE && (i == 0 || at.at_ms - last_ms >= 280 - 40);
        last_ms = at.at_ms;
    }
    ok(apart, "two instances share one row");
    ok(last_ms - now_ms >= 9 * 280 - 5, "ten places: %lld ms", (long long)(last_ms - now_ms));
    struct platform_request q = page_request("[" M("a") "," M("b") "," M("c") "]", false);
    q.metadata = SV("{\"page_id\":\"p2\"}");
    q.conversation_id = SV("d1");
    struct platform_place first = place(platform, &q);
    q.conversation_id = SV("d2");
    struct platform_place second = place(other, &q);
    ok(first.at_ms - now_ms < 2000, "another page has a row of its own");
    ok(second.at_ms - first.at_ms >= 3 * 280 - 40, "three pieces take three places");
    q.conversation_id = SV("d1");
    struct page_told t = page_deliver(&q);
    is_outcome(&t, PLATFORM_SENT, "in the places that it has");
    ok(clock_mono_ms() - first.at_ms < 5000 && t.answer.took_ms < 3000, "it takes no others behind the second's: %lld ms", (long long)t.answer.took_ms);
    q = page_request("[{\"type\":\"transfer_to_agent\"}]", false);
    ok(place(platform, &q).at_ms <= clock_mono_ms(), "what needs no call needs no place");
    platform_close(other);
    page_end();
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
    test_limited_for_long();
    test_refused();
    test_cut();
    test_busy();
    test_late();
    test_abort();
    test_places();
    rig_close(&rig);
    return done_testing();
}
