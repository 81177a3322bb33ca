/* SPDX-License-Identifier: MIT
 * The breaker's states on a clock that stands still, the backends behind it, and a crowd that comes back. */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "outside/ai.h"
#include "outside/breaker.h"
#include "outside/platform.h"
#include "t/outside/rig.h"
#include "t/tap.h"

static struct breaker_stat stat_of(const struct breaker *b)
{
    struct breaker_stat s;
    breaker_stat(b, &s);
    return s;
}

static const char *state(const struct breaker *b)
{
    return breaker_state_name(stat_of(b).state);
}

static bool call_bad(struct breaker *b, int64_t said_ms, bool busy)
{
    struct breaker_call c;
    if (!breaker_ask(b, &c))
        return false;
    breaker_bad(b, &c, said_ms, busy);
    return true;
}

static bool call_good(struct breaker *b)
{
    struct breaker_call c;
    if (!breaker_ask(b, &c))
        return false;
    breaker_good(b, &c);
    return true;
}

static int64_t open_for(struct breaker *b)
{
    while (call_bad(b, -1, false))
        ;
    return stat_of(b).left_ms;
}

static void states(void)
{
    struct breaker *b = breaker_new("AI", 5, 10000);
    struct breaker_call probe, other;
    clock_fake(1700000000000);
    for (int i = 0; i < 4; i++)
        (void)call_bad(b, -1, false);
    ok(call_good(b), "a good call among bad ones");
    for (int i = 0; i < 4; i++)
        (void)call_bad(b, -1, false);
    is_str(state(b), "closed", "four in a row do not open it");
    for (int i = 0; i < 20; i++)
        (void)call_bad(b, 5000, true);
    is_str(state(b), "closed", "nor does \"too many requests\"");
    ok(call_bad(b, -1, false), "the fifth");
    is_str(state(b), "open", "does");
    int64_t left_ms = stat_of(b).left_ms;
    ok(left_ms >= 7500 && left_ms <= 10000, "for about BREAKER_OPEN_MS: %lld", (long long)left_ms);
    is_int(breaker_wait_ms(b), left_ms, "that is how long nobody is let through");
    ok(!breaker_ask(b, &probe), "nobody is");
    clock_fake_move(left_ms - 1);
    ok(!breaker_ask(b, &probe), "not a millisecond before");
    clock_fake_move(1);
    ok(breaker_ask(b, &probe), "then one");
    ok(!breaker_ask(b, &other), "and only one");
    is_str(state(b), "half_open", "half-open");
    breaker_gone(b, &probe);
    ok(breaker_ask(b, &probe), "another one when that was broken off");
    breaker_bad(b, &probe, -1, false);
    left_ms = stat_of(b).left_ms;
    ok(left_ms >= 15000 && left_ms <= 20000, "bad: open for twice as long: %lld", (long long)left_ms);
    for (int i = 0; i < 6; i++) {
        clock_fake_move(stat_of(b).left_ms);
        left_ms = open_for(b);
    }
    ok(left_ms >= 45000 && left_ms <= BREAKER_OPEN_MAX_MS, "to the cap: %lld", (long long)left_ms);
    clock_fake_move(left_ms);
    ok(breaker_ask(b, &probe), "a probe");
    breaker_bad(b, &probe, 300000, false);
    is_int(stat_of(b).left_ms, 300000, "Retry-After is kept");
    clock_fake_move(300000);
    ok(breaker_ask(b, &probe), "a probe");
    breaker_bad(b, &probe, INT64_MAX / 2, true);
    is_int(stat_of(b).left_ms, BREAKER_SAID_MAX_MS, "within reason");
    clock_fake_move(BREAKER_SAID_MAX_MS);
    ok(call_good(b), "a good probe");
    is_str(state(b), "recovering", "closes it little by little");
    is_int(stat_of(b).opened, 10, "how often it was open");
    for (int i = 0; i < 600; i++)
        (void)call_good(b);
    is_str(state(b), "closed", "and then wholly");
    left_ms = open_for(b);
    ok(left_ms <= 10000, "the next time it is open for the first period again: %lld", (long long)left_ms);
    is_int(stat_of(b).in_flight, 0, "nothing is under way");
    breaker_free(b);
    b = breaker_new("AI", 0, 10000);
    for (int i = 0; i < 100; i++)
        (void)call_bad(b, 1000, false);
    is_str(state(b), "closed", "0 switches it off");
    breaker_free(b);
}

/* A thousand that come at the same moment, when the upstream is back. */
static void crowd(void)
{
    struct breaker *b = breaker_new("AI", 5, 10000);
    static struct breaker_call calls[1000];
    unsigned through = 0, before = 1, rounds = 0, done = 0;
    bool doubled_at_most = true;
    clock_fake(1700000000000);
    clock_fake_move(open_for(b));
    for (; done < 1000 && rounds < 200; rounds++) {
        through = 0;
        for (unsigned i = done; i < 1000; i++)
            through += breaker_ask(b, &calls[through]);
        if (rounds == 0)
            is_int(through, 1, "of a thousand one is let through");
        if (rounds == 1)
            is_int(through, 2, "then two");
        for (unsigned i = 0; i < through; i++)
            breaker_good(b, &calls[i]);
        doubled_at_most = doubled_at_most && through <= 2 * before;
        before = through;
        done += through;
    }
    is_int(done, 1000, "all of them in the end, after %u rounds", rounds);
    ok(doubled_at_most, "never more than twice as many as just went well");
    clock_real();
    breaker_free(b);
}

/* Those that were under way when it opened must not count for what came later. */
static void stragglers(void)
{
    struct breaker *b = breaker_new("AI", 5, 10000);
    struct breaker_call old[50], probe, next;
    clock_fake(1700000000000);
    for (size_t i = 0; i < ARRAY_LEN(old); i++)
        (void)breaker_ask(b, &old[i]);
    for (int i = 0; i < 20; i++)
        breaker_bad(b, &old[i], -1, false);
    is_int(stat_of(b).opened, 1, "it opens once");
    clock_fake_move(10000);
    ok(breaker_ask(b, &probe), "a probe");
    for (int i = 20; i < 40; i++)
        breaker_bad(b, &old[i], -1, false);
    is_str(state(b), "half_open", "old failures do not end it");
    breaker_good(b, &probe);
    ok(breaker_ask(b, &next), "there is room");
    for (int i = 40; i < 48; i++)
        breaker_bad(b, &old[i], -1, false);
    breaker_gone(b, &old[48]);
    breaker_good(b, &old[49]);
    is_str(state(b), "recovering", "nor open it again");
    is_int(stat_of(b).in_flight, 1, "only the new one counts");
    breaker_gone(b, &next);
    clock_real();
    breaker_free(b);
}

/* ---- behind a backend ---- */

#define DOWN "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"
#define GOOD PEER_OK(22, "{\"response_text\":\"ok\"}")

struct told {
    int times;
    enum ai_outcome outcome;
    enum platform_outcome sent;
    bool circuit_open;
    int64_t retry_after_ms;
};

static void tell(void *arg, const struct ai_answer *a)
{
    struct told *t = arg;
    *t = (struct told){ t->times + 1, a->outcome, 0, a->circuit_open, a->retry_after_ms };
}

static void tell_sent(void *arg, const struct platform_answer *a)
{
    struct told *t = arg;
    *t = (struct told){ t->times + 1, 0, a->outcome, a->circuit_open, a->retry_after_ms };
}

static bool was_told(void *arg)
{
    return ((struct told *)arg)->times > 0;
}

static struct told ask(struct rig *r, struct ai *ai)
{
    static const struct ai_message message = { SV("user"), SV("\"hi\""), 1000, SV("\"m1\"") };
    struct ai_request q = { .conversation_id = SV("c1"), .message_id = SV("m1"), .message = SV("hi"), .messages = &message,
                            .messages_n = 1, .turn_id = SV("turn-1"), .timeout_ms = PLENTY_MS };
    struct told t = { 0 };
    if (ai_ask(ai, &q, tell, &t) == NULL || t.times != 0)
        bail_out("an answer from inside the call");
    rig_until(r, was_told, &t);
    return t;
}

static struct told send_to(struct rig *r, struct platform *p)
{
    struct platform_request q = { .body = SV("{}"), .idempotency_key = SV("t1"), .conversation_id = SV("c1"), .actions_n = 1,
                                  .timeout_ms = PLENTY_MS, .send_before_ms = clock_mono_ms() + PLENTY_MS };
    struct told t = { 0 };
    if (platform_send(p, &q, tell_sent, &t) == NULL || t.times != 0)
        bail_out("an answer from inside the call");
    rig_until(r, was_told, &t);
    return t;
}

static void before_ai(struct rig *r)
{
    static const struct peer_step steps[] = { { .answer = DOWN }, { .answer = "HTTP/1.1 400 X\r\nContent-Length: 0\r\n\r\n" },
                                              { .answer = DOWN }, { .answer = "HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n" }, { .answer = GOOD } };
    struct peer *p = peer_start(steps, ARRAY_LEN(steps));
    struct breaker *b = breaker_new("AI", 2, 60000);
    struct ai_native_options o = { .url = rig_url(peer_port(p), "/"), .path = "/process", .token = "", .model = "m" };
    struct err e;
    struct ai *ai = ai_guarded_open(r->loop, ai_native_open(r->loop, r->http, &o, &e), b, &e);
    struct told t = ask(r, ai);
    ok(t.outcome == AI_UNREACHABLE && !t.circuit_open, "500: unreachable");
    t = ask(r, ai);
    ok(t.outcome == AI_REFUSED, "400: refused");
    (void)ask(r, ai);
    is_int(ai_wait_ms(ai), 0, "not two failures in a row yet");
    t = ask(r, ai);
    ok(t.outcome == AI_DENIED, "401: denied");
    is_str(state(b), "open", "two in a row open it");
    t = ask(r, ai);
    ok(t.outcome == AI_UNREACHABLE && t.circuit_open, "then nobody is asked");
    ok(t.retry_after_ms > 30000 && ai_wait_ms(ai) > 30000, "and it is said for how long");
    is_int(peer_requests(p), 4, "the AI hears nothing of it");
    struct told dropped = { 0 };
    static const struct ai_message message = { SV("user"), SV("\"hi\""), 1000, SV("\"m1\"") };
    struct ai_request q = { .conversation_id = SV("c1"), .messages = &message, .messages_n = 1, .timeout_ms = PLENTY_MS };
    ai_abort(ai, ai_ask(ai, &q, tell, &dropped));
    if (ai_ask(ai, &q, tell, &dropped) == NULL) /* is there when it closes */
        bail_out("memory");
    ai_close(ai);
    rig_settle(r);
    is_int(dropped.times, 0, "nothing comes after an abort or the end");
    peer_stop(p);
    breaker_free(b);
}

/* An AI that answers when the test says so. */
static struct growing {
    struct ai ai;
    struct ai_request asked;
    ai_fn *fn;
    void *arg;
} growing;

static struct ai_call *growing_ask(struct ai *ai, const struct ai_request *r, ai_fn *fn, void *arg)
{
    (void)ai;
    growing.asked = *r;
    growing.fn = fn;
    growing.arg = arg;
    return (struct ai_call *)&growing; /* nobody looks into it */
}

static void growing_abort(struct ai *ai, struct ai_call *call)
{
    (void)ai, (void)call;
}

static void growing_close(struct ai *ai)
{
    (void)ai;
}

static char grown[32];
static void hear_growth(void *arg, struct sv text)
{
    struct told *t = arg;
    snprintf(grown, sizeof(grown), "%d %.*s", t->times, SV_FMT(text));
}

static void before_ai_that_streams(struct rig *r)
{
    static const struct ai_ops ops = { .name = "growing", .streams = true, .ask = growing_ask, .abort = growing_abort, .close = growing_close };
    static const struct ai_ops plain = { .name = "plain", .ask = growing_ask, .abort = growing_abort, .close = growing_close };
    struct breaker *b = breaker_new("AI", 2, 60000);
    struct err e;
    struct told t = { 0 };
    struct ai_request q = { .tools = SV("[]"), .partial = hear_growth };
    growing.ai.ops = &plain;
    struct ai *ai = ai_guarded_open(r->loop, &growing.ai, b, &e);
    ok(!ai_can_stream(ai), "what cannot show its answer cannot behind a breaker");
    ai_close(ai);
    growing.ai.ops = &ops;
    ai = ai_guarded_open(r->loop, &growing.ai, b, &e);
    ok(ai_can_stream(ai), "what can, can");
    if (ai_ask(ai, &q, tell, &t) == NULL)
        bail_out("memory");
    ok(growing.asked.partial != NULL && sv_eq(growing.asked.tools, SV("[]")), "it is asked to, and for all else");
    growing.asked.partial(growing.arg, SV("so far"));
    is_str(grown, "0 so far", "what it says comes with the argument of who asked");
    growing.fn(growing.arg, &(struct ai_answer){ .outcome = AI_ANSWERED });
    is_int(t.times, 1, "as its answer does");
    q.partial = NULL;
    struct ai_call *c = ai_ask(ai, &q, tell, &t);
    ok(growing.asked.partial == NULL, "where nobody wants to see it grow, it is not asked to");
    ai_abort(ai, c);
    ai_close(ai);
    breaker_free(b);
}

/* 429 is a wish for less, but where it says that there is no quota. */
static void before_ai_without_quota(struct rig *r)
{
    static const struct ai_ops ops = { .name = "growing", .ask = growing_ask, .abort = growing_abort, .close = growing_close };
    static const enum ai_outcome outcomes[] = { AI_UNREACHABLE, AI_UNREACHABLE, AI_DENIED, AI_DENIED };
    static const char *const states[] = { "closed", "closed", "closed", "open" };
    struct breaker *b = breaker_new("AI", 2, 60000);
    struct err e;
    struct told t = { 0 };
    struct ai_request q = { 0 };
    growing.ai.ops = &ops;
    struct ai *ai = ai_guarded_open(r->loop, &growing.ai, b, &e);
    for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
        if (ai_ask(ai, &q, tell, &t) == NULL)
            bail_out("memory");
        growing.fn(growing.arg, &(struct ai_answer){ .outcome = outcomes[i], .http_status = 429, .retry_after_ms = -1 });
        is_str(state(b), states[i], "429, %s: %zu", outcomes[i] == AI_DENIED ? "no quota" : "too many", i);
    }
    ai_close(ai);
    breaker_free(b);
}

static void before_platform(struct rig *r)
{
    static const struct peer_step steps[] = { { .answer = DOWN }, { .answer = "HTTP/1.1 503 X\r\nRetry-After: 90\r\nContent-Length: 0\r\n\r\n" },
                                              { .answer = PEER_OK(2, "{}") } };
    struct peer *p = peer_start(steps, ARRAY_LEN(steps));
    struct breaker *b = breaker_new("platform", 2, 1000);
    struct platform_actions_options o = { .url = rig_url(peer_port(p), "/"), .path = "/actions", .token = "" };
    struct err e;
    struct platform *platform = platform_guarded_open(r->loop, platform_actions_open(r->loop, r->http, &o, &e), b, &e);
    struct told t = send_to(r, platform);
    ok(!platform_has_places(platform) && platform_place(platform, &(struct platform_request){ 0 }, NULL, NULL) == NULL, "no places where there are none");
    ok(t.sent == PLATFORM_UNKNOWN && !t.circuit_open, "500: unknown");
    t = send_to(r, platform);
    ok(t.sent == PLATFORM_UNREACHABLE && !t.circuit_open && t.retry_after_ms == 90000, "503: not now");
    t = send_to(r, platform);
    ok(t.sent == PLATFORM_UNREACHABLE && t.circuit_open, "then nothing is sent");
    ok(platform_wait_ms(platform) > 80000, "for as long as it asked for");
    is_int(peer_requests(p), 2, "the platform hears nothing");
    platform_close(platform);
    peer_stop(p);
    breaker_free(b);
}

/* ---- before a platform that has places: of each call it is written down what it was told, and answered at once ---- */

struct rows {
    struct platform platform;
    struct loop *loop;
    struct loop_timer *timer;
    unsigned places, sends, aborts;
    enum platform_outcome sent; /* what a send is answered */
    bool impossible;
    struct platform_place place;
    platform_fn *fn;
    platform_place_fn *place_fn;
    void *arg;
};

static void rows_answer(void *arg)
{
    struct rows *p = arg;
    if (p->place_fn != NULL)
        p->place_fn(p->arg, &p->place);
    else
        p->fn(p->arg, &(struct platform_answer){ .outcome = p->sent, .impossible = p->impossible, .retry_after_ms = -1 });
}

static struct platform_call *rows_send(struct platform *platform, const struct platform_request *r, platform_fn *fn, void *arg)
{
    struct rows *p = (struct rows *)platform;
    (void)r;
    p->sends++;
    p->fn = fn;
    p->place_fn = NULL;
    p->arg = arg;
    loop_timer_set(p->timer, 0);
    return (struct platform_call *)p;
}

static struct platform_call *rows_place(struct platform *platform, const struct platform_request *r, platform_place_fn *fn, void *arg)
{
    struct rows *p = (struct rows *)platform;
    (void)r;
    p->places++;
    p->place_fn = fn;
    p->arg = arg;
    loop_timer_set(p->timer, 0);
    return (struct platform_call *)p;
}

static void rows_abort(struct platform *platform, struct platform_call *call)
{
    struct rows *p = (struct rows *)platform;
    (void)call;
    p->aborts++;
    loop_timer_stop(p->timer);
}

static void rows_close(struct platform *platform)
{
    loop_timer_free(((struct rows *)platform)->timer);
}

struct placed {
    unsigned times;
    struct platform_place place;
};

static void tell_place(void *arg, const struct platform_place *place)
{
    struct placed *t = arg;
    t->times++;
    t->place = *place;
}

static bool was_placed(void *arg)
{
    return ((const struct placed *)arg)->times > 0;
}

static struct platform_place place_of(struct rig *r, struct platform *p)
{
    struct platform_request q = { .conversation_id = SV("c1"), .actions = SV("[]"), .timeout_ms = PLENTY_MS };
    struct placed t = { 0 };
    if (platform_place(p, &q, tell_place, &t) == NULL || t.times != 0)
        bail_out("a place from inside the call");
    rig_until(r, was_placed, &t);
    is_int(t.times, 1, "one answer");
    return t.place;
}

static void before_places(struct rig *r)
{
    static const struct platform_ops ops = { .name = "rows", .send = rows_send, .abort = rows_abort, .close = rows_close, .place = rows_place };
    struct rows rows = { .platform = { &ops }, .loop = r->loop, .place = { PLATFORM_PLACE, 12345, -1 } };
    struct breaker *b = breaker_new("platform", 2, 1000);
    struct breaker_stat stat;
    struct placed dropped = { 0 };
    struct platform_request q = { .conversation_id = SV("c1") };
    struct err e;
    rows.timer = loop_timer_new(r->loop, rows_answer, &rows);
    struct platform *p = platform_guarded_open(r->loop, &rows.platform, b, &e);
    ok(platform_has_places(p), "it has places as what it guards");
    struct platform_place place = place_of(r, p);
    ok(place.outcome == PLATFORM_PLACE && place.at_ms == 12345, "a place comes as it is");
    breaker_stat(b, &stat);
    ok(stat.in_flight == 0 && stat.failures == 0, "it is no call");
    rows.sent = PLATFORM_UNKNOWN;
    (void)send_to(r, p);
    (void)place_of(r, p);
    breaker_stat(b, &stat);
    is_int(stat.failures, 1, "nor does it say that anything is well");
    rows.sent = PLATFORM_FAILED;
    rows.impossible = true;
    (void)send_to(r, p);
    breaker_stat(b, &stat);
    ok(stat.failures == 1 && stat.in_flight == 0, "nor does a reply for which nobody was asked");
    rows.impossible = false;
    rows.sent = PLATFORM_UNKNOWN;
    rows.place = (struct platform_place){ PLATFORM_NO_PLACE, 0, 700 };
    place = place_of(r, p);
    ok(place.outcome == PLATFORM_NO_PLACE && place.retry_after_ms == 700, "none comes as it is");
    breaker_stat(b, &stat);
    is_int(stat.failures, 1, "and is no failure");
    platform_abort(p, platform_place(p, &q, tell_place, &dropped));
    breaker_stat(b, &stat);
    ok(rows.aborts == 1 && stat.in_flight == 0, "one that is asked for may be left");
    (void)send_to(r, p);
    is_str(state(b), "open", "another failure opens it");
    unsigned asked = rows.places;
    place = place_of(r, p);
    ok(place.outcome == PLATFORM_NO_PLACE && place.retry_after_ms > 500, "there is no place while it is open");
    is_int(rows.places, asked, "and nobody is asked for one");
    platform_abort(p, platform_place(p, &q, tell_place, &dropped));
    if (platform_place(p, &q, tell_place, &dropped) == NULL) /* is there when it closes */
        bail_out("memory");
    platform_close(p);
    rig_settle(r);
    is_int(dropped.times, 0, "nothing comes after an abort or the end");
    breaker_free(b);
}

int main(void)
{
    struct rig r;
    log_threshold = LOG_ERROR;
    states();
    crowd();
    stragglers();
    rig_open(&r, NULL);
    before_ai(&r);
    before_ai_that_streams(&r);
    before_ai_without_quota(&r);
    before_platform(&r);
    before_places(&r);
    rig_close(&r);
    return done_testing();
}
