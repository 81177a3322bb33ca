/* SPDX-License-Identifier: MIT
 * Deliveries to a peer: what it gets, whether it can verify it, what its answers are taken for, and whom a call never reaches. */
#include "config.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "outside/callback.h"
#include "t/outside/rig.h"
#include "t/tap.h"

#define SECRET "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define NEW_SECRET "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define BODY "{\"job_id\":\"j1\",\"text\":\"Xin ch\xc3\xa0o\"}"

static const char *const outcomes[] = {
    [CALLBACK_DELIVERED] = "delivered",
    [CALLBACK_RETRY] = "retry",
    [CALLBACK_REFUSED] = "refused",
};

struct told {
    int times;
    struct callback_answer answer;
};

static void tell(void *arg, const struct callback_answer *a)
{
    struct told *t = arg;
    t->times++;
    t->answer = *a;
}

static bool was_told(void *arg)
{
    return ((struct told *)arg)->times > 0;
}

/* "http://127.0.0.1:PORT", or another host with that port; one of a few static buffers. */
static const char *list_of(const char *format, int port)
{
    static char text[32][256];
    static unsigned next;
    char *at = text[next++ % ARRAY_LEN(text)];
    struct buf b = { 0 };
    for (const char *c = format; *c != '\0'; c++)
        if (*c == '#')
            buf_i64(&b, port);
        else
            buf_addc(&b, *c);
    (void)snprintf(at, sizeof(text[0]), "%s", b.p);
    buf_fini(&b);
    return at;
}

static struct callback *callback_to(struct rig *r, const char *list, const char *secrets, int64_t timeout_ms)
{
    struct err e = { 0 };
    struct callback_options o = { .allowlist = list, .secrets = secrets, .timeout_ms = timeout_ms };
    struct callback *c = callback_open(r->loop, r->http, &o, &e);
    if (c == NULL)
        bail_out("%s", e.text);
    return c;
}

static struct callback_request request_to(const char *url)
{
    return (
        struct callback_request){ .url = sv_from(url), .id = SV("msg_1"), .body = SV(BODY), .timestamp_s = 1700000000 };
}

static void post(struct rig *r, struct callback *c, const struct callback_request *q, struct told *t)
{
    *t = (struct told){ 0 };
    if (callback_post(c, q, tell, t) == NULL || t->times != 0)
        bail_out("an answer from inside the call");
    rig_until(r, was_told, t);
}

/* ---- what is sent ---- */

/* The value of a header of a request; a static buffer. */
static const char *header_of(const char *request, const char *name)
{
    static char value[512];
    const char *at = strcasestr(request, name);
    value[0] = '\0';
    if (at != NULL)
        (void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(at + strlen(name), "\r"), at + strlen(name));
    return value;
}

/* As a receiver would do it, with another function of libcrypto than the sender's. */
static void sign(const char *secret, const char *id, const char *time, const char *body, char out[64])
{
    unsigned char key[64], digest[32];
    unsigned n = sizeof(digest);
    struct buf text = { 0 };
    int size = EVP_DecodeBlock(key, (const unsigned char *)secret, (int)strlen(secret));
    for (size_t i = strlen(secret); i > 0 && secret[i - 1] == '='; i--)
        size--;
    buf_printf(&text, "%s.%s.%s", id, time, body);
    (void)HMAC(EVP_sha256(), key, size, (const unsigned char *)text.p, text.n, digest, &n);
    (void)memcpy(out, "v1,", 3);
    (void)EVP_EncodeBlock((unsigned char *)out + 3, digest, (int)n);
    buf_fini(&text);
}

static void test_request(struct rig *r)
{
    static const struct peer_step step = { .answer = PEER_OK(2, "{}") };
    struct peer *p = peer_start(&step, 1);
    struct callback *c = callback_to(r, list_of("http://127.0.0.1:#/in", peer_port(p)), "whsec_" SECRET, PLENTY_MS);
    struct callback_request q = request_to(rig_url(peer_port(p), "/in/a?token=t"));
    struct told t;
    char want[64], both[160];
    post(r, c, &q, &t);
    is_str(outcomes[t.answer.outcome], "delivered", "a delivery: %s", t.answer.err.text);
    is_int(t.answer.http_status, 200, "its status");
    const char *got = peer_request(p, 0);
    ok(sv_starts(sv_from(got), SV("POST /in/a?token=t HTTP/1.1\r\n")), "method, path and query");
    is_str(strstr(got, "\r\n\r\n") + 4, BODY, "the body");
    is_str(header_of(got, "\r\nContent-Type: "), "application/json", "its type");
    is_str(header_of(got, "\r\nwebhook-id: "), "msg_1", "webhook-id");
    is_str(header_of(got, "\r\nwebhook-timestamp: "), "1700000000", "webhook-timestamp");
    sign(SECRET, "msg_1", "1700000000", BODY, want);
    is_str(header_of(got, "\r\nwebhook-signature: "), want, "webhook-signature");
    has_str(header_of(got, "\r\nUser-Agent: "), "turnkeeper/", "a name");
    ok(strstr(got, SECRET) == NULL, "the secret is not in it");

    struct err e = { 0 };
    struct callback_options o = { list_of("http://127.0.0.1:#", peer_port(p)), NEW_SECRET ",whsec_" SECRET, PLENTY_MS };
    is_int(callback_set(c, &o, &e), 0, "a second secret: %s", e.text);
    q.timestamp_s = 1700000060;
    q.body = SV("");
    post(r, c, &q, &t);
    got = peer_request(p, 1);
    sign(NEW_SECRET, "msg_1", "1700000060", "", both);
    sign(SECRET, "msg_1", "1700000060", "", want);
    (void)snprintf(both + strlen(both), sizeof(both) - strlen(both), " %s", want);
    is_str(header_of(got, "\r\nwebhook-signature: "), both, "both sign, the first one first");
    is_str(header_of(got, "\r\nwebhook-id: "), "msg_1", "the id stays");
    callback_close(c);
    peer_stop(p);
}

/* Once by a program that shares nothing with this one. */
static void test_perl(struct rig *r)
{
    static const struct peer_step step = { .answer = PEER_OK(2, "{}") };
    static const char program[] =
        "perl -MDigest::SHA=hmac_sha256 -MMIME::Base64 -e 'print \"v1,\" . "
        "encode_base64(hmac_sha256(\"msg_1.1700000000.$ARGV[1]\", decode_base64($ARGV[0])), \"\")' " SECRET " '" BODY
        "'";
    struct peer *p = peer_start(&step, 1);
    struct callback *c = callback_to(r, list_of("http://127.0.0.1:#", peer_port(p)), SECRET, PLENTY_MS);
    struct callback_request q = request_to(rig_url(peer_port(p), "/"));
    struct told t;
    char want[128] = "";
    post(r, c, &q, &t);
    FILE *perl = popen(program, "r");
    if (perl == NULL || fgets(want, sizeof(want), perl) == NULL)
        skip("no perl with Digest::SHA");
    else
        is_str(header_of(peer_request(p, 0), "\r\nwebhook-signature: "), want, "perl signs alike");
    if (perl != NULL)
        (void)pclose(perl);
    callback_close(c);
    peer_stop(p);
}

/* ---- what answers mean ---- */

#define HEAD(line)                                                                                                     \
    {                                                                                                                  \
        .answer = "HTTP/1.1 " line "\r\nContent-Length: 0\r\n\r\n"                                                     \
    }
#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define A60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A600 A60 A60 A60 A60 A60 A60 A60 A60 A60 A60

static const struct {
    const char *name;
    struct peer_step step;
    enum callback_outcome outcome;
    int status;
    int64_t retry_after_ms; /* 0: none */
    bool ends_by_time;
} answers[] = {
    { "200", HEAD("200 OK"), CALLBACK_DELIVERED, 200, 0, false },
    { "201", HEAD("201 Created"), CALLBACK_DELIVERED, 201, 0, false },
    { "202", HEAD("202 X"), CALLBACK_DELIVERED, 202, 0, false },
    { "204", { .answer = "HTTP/1.1 204 X\r\n\r\n" }, CALLBACK_DELIVERED, 204, 0, false },
    { "299", HEAD("299 X"), CALLBACK_DELIVERED, 299, 0, false },
    { "301", HEAD("301 X\r\nLocation: /"), CALLBACK_REFUSED, 301, 0, false },
    { "304", { .answer = "HTTP/1.1 304 X\r\n\r\n" }, CALLBACK_REFUSED, 304, 0, false },
    { "400", HEAD("400 X"), CALLBACK_REFUSED, 400, 0, false },
    { "401", HEAD("401 X\r\nWWW-Authenticate: Basic"), CALLBACK_REFUSED, 401, 0, false },
    { "403", HEAD("403 X"), CALLBACK_REFUSED, 403, 0, false },
    { "404", HEAD("404 X"), CALLBACK_REFUSED, 404, 0, false },
    { "410", HEAD("410 X"), CALLBACK_REFUSED, 410, 0, false },
    { "422 with Retry-After", HEAD("422 X\r\nRetry-After: 5"), CALLBACK_REFUSED, 422, 0, false },
    { "408", HEAD("408 X"), CALLBACK_RETRY, 408, 0, false },
    { "425", HEAD("425 X"), CALLBACK_RETRY, 425, 0, false },
    { "429", HEAD("429 X\r\nRetry-After: 7"), CALLBACK_RETRY, 429, 7000, false },
    { "500", HEAD("500 X"), CALLBACK_RETRY, 500, 0, false },
    { "501", HEAD("501 X"), CALLBACK_RETRY, 501, 0, false },
    { "503", HEAD("503 X\r\nRetry-After: 120"), CALLBACK_RETRY, 503, 120000, false },
    { "503 with a strange Retry-After", HEAD("503 X\r\nRetry-After: soon"), CALLBACK_RETRY, 503, 0, false },
    { "599", HEAD("599 X"), CALLBACK_RETRY, 599, 0, false },
    { "600", HEAD("600 X"), CALLBACK_REFUSED, 600, 0, false },
    { "999", HEAD("999 X"), CALLBACK_REFUSED, 999, 0, false },
    { "100, then 200",
      { .answer = "HTTP/1.1 100 Continue\r\n\r\n" PEER_OK(2, "{}") },
      CALLBACK_DELIVERED,
      200,
      0,
      false },
    { "a body that is too large",
      { .answer = OK_HEAD "Content-Length: 1000000\r\n\r\n0123456789", .repeat = 100000 },
      CALLBACK_DELIVERED,
      200,
      0,
      false },
    { "chunks for ever",
      { .answer = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n", .then = PEER_HANG, .repeat = 20000 },
      CALLBACK_DELIVERED,
      200,
      0,
      false },
    { "an error with a body that is too large",
      { .answer = "HTTP/1.1 500 X\r\nContent-Length: 1000000\r\n\r\n0123456789", .repeat = 100000 },
      CALLBACK_RETRY,
      500,
      0,
      false },
    { "a body that is cut",
      { .answer = OK_HEAD "Content-Length: 9\r\n\r\nabc", .then = PEER_CLOSE },
      CALLBACK_DELIVERED,
      200,
      0,
      false },
    { "a body that never ends",
      { .answer = OK_HEAD "Content-Length: 9\r\n\r\nabc", .then = PEER_HANG },
      CALLBACK_DELIVERED,
      200,
      0,
      true },
    { "a body that drips",
      { .answer = OK_HEAD "Content-Length: 700\r\n\r\n" A600, .then = PEER_HANG, .pieces = 100000 },
      CALLBACK_DELIVERED,
      200,
      0,
      true },
    { "an answer that never comes", { .then = PEER_HANG }, CALLBACK_RETRY, 0, 0, true },
    { "a head that never ends", { .answer = OK_HEAD "X: y\r\n", .then = PEER_HANG }, CALLBACK_RETRY, 0, 0, true },
    { "a head that drips",
      { .answer = OK_HEAD "X: " A600 A600 "\r\n", .then = PEER_HANG, .pieces = 100000 },
      CALLBACK_RETRY,
      0,
      0,
      true },
    { "an interim head and no more",
      { .answer = "HTTP/1.1 100 Continue\r\n\r\n", .then = PEER_HANG },
      CALLBACK_RETRY,
      0,
      0,
      true },
    { "interim heads for ever",
      { .answer = "HTTP/1.1 100 X\r\n\r\nHTTP/1.1 100 X\r\n\r\n", .then = PEER_HANG, .repeat = 20000 },
      CALLBACK_RETRY,
      0,
      0,
      false },
    { "a body without a length",
      { .answer = OK_HEAD "\r\nabc", .then = PEER_CLOSE },
      CALLBACK_DELIVERED,
      200,
      0,
      false },
    { "a head that is cut", { .answer = OK_HEAD "X: y", .then = PEER_CLOSE }, CALLBACK_RETRY, 0, 0, false },
    { "a close without an answer", { .then = PEER_CLOSE }, CALLBACK_RETRY, 0, 0, false },
    { "a reset", { .then = PEER_RESET }, CALLBACK_RETRY, 0, 0, false },
    { "no HTTP", { .answer = "hello\r\n\r\n", .then = PEER_CLOSE }, CALLBACK_RETRY, 0, 0, false },
};

static void test_answers(struct rig *r)
{
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct peer *p = peer_start(&answers[i].step, 1);
        struct callback *c = callback_to(r, list_of("http://127.0.0.1:#", peer_port(p)), SECRET,
                                         answers[i].ends_by_time ? 1000 : PLENTY_MS);
        struct callback_request q = request_to(rig_url(peer_port(p), "/x?secret=1"));
        struct told t;
        post(r, c, &q, &t);
        is_str(outcomes[t.answer.outcome], outcomes[answers[i].outcome], "%s: %s", answers[i].name, t.answer.err.text);
        is_int(t.answer.http_status, answers[i].status, "%s: status", answers[i].name);
        is_int(t.answer.retry_after_ms, answers[i].retry_after_ms > 0 ? answers[i].retry_after_ms : -1,
               "%s: Retry-After", answers[i].name);
        is_int(t.answer.err.code == ERR_NONE, t.answer.outcome == CALLBACK_DELIVERED, "%s: an error or none",
               answers[i].name);
        ok(strstr(t.answer.err.text, "secret") == NULL, "%s: no query in it", answers[i].name);
        is_int(t.times, 1, "%s: told once", answers[i].name);
        is_int(peer_requests(p), 1, "%s: sent once", answers[i].name);
        callback_close(c);
        peer_stop(p);
    }
}

static void test_redirect(struct rig *r)
{
    static const struct peer_step step = { .answer = PEER_OK(2, "{}") };
    static const char *const lines[] = { "301 X", "302 X", "303 X", "307 X", "308 X" };
    struct peer *other = peer_start(&step, 1);
    struct told t;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        char answer[256];
        (void)snprintf(answer, sizeof(answer), "HTTP/1.1 %s\r\nLocation: %s\r\nRefresh: 0\r\nContent-Length: 0\r\n\r\n",
                       lines[i], rig_url(peer_port(other), "/"));
        const struct peer_step away = { .answer = answer };
        struct peer *p = peer_start(&away, 1);
        char list[128];
        (void)snprintf(list, sizeof(list), "%s,%s", rig_url(peer_port(p), ""), rig_url(peer_port(other), ""));
        struct callback *c = callback_to(r, list, SECRET, PLENTY_MS);
        struct callback_request q = request_to(rig_url(peer_port(p), "/"));
        post(r, c, &q, &t);
        is_str(outcomes[t.answer.outcome], "refused", "%s: %s", lines[i], t.answer.err.text);
        has_str(t.answer.err.text, "redirect", "and it says why");
        callback_close(c);
        peer_stop(p);
    }
    is_int(peer_connections(other), 0, "even where it leads to is allowed, nobody went there");
    peer_stop(other);
}

static void test_unreachable(struct rig *r)
{
    struct told t;
    int dead = peer_dead_port(), full = peer_full_port();
    struct callback *c = callback_to(r, list_of("http://127.0.0.1:#,http://name.invalid:#", dead), SECRET, PLENTY_MS);
    struct callback_request q = request_to(rig_url(dead, "/?secret=1"));
    post(r, c, &q, &t);
    is_str(outcomes[t.answer.outcome], "retry", "nobody listens: %s", t.answer.err.text);
    is_int(t.answer.http_status, 0, "no status");
    q = request_to(list_of("http://name.invalid:#/?secret=1", dead));
    post(r, c, &q, &t);
    is_str(outcomes[t.answer.outcome], "retry", "no such name: %s", t.answer.err.text);
    callback_close(c);
    c = callback_to(r, list_of("http://127.0.0.1:#", full), SECRET, 80);
    q = request_to(rig_url(full, "/"));
    post(r, c, &q, &t);
    is_str(outcomes[t.answer.outcome], "retry", "a connection that does not come about: %s", t.answer.err.text);
    callback_close(c);
}

/* ---- where no call goes ---- */

static void test_refused(struct rig *r)
{
    static const struct peer_step step = { .answer = PEER_OK(2, "{}") };
    struct peer *p = peer_start(&step, 1);
    int port = peer_port(p);
    struct callback *c = callback_to(r, list_of("http://127.0.0.1:#/in", port), SECRET, PLENTY_MS);
    const struct {
        const char *url;
        struct sv id;
        enum err_code code;
    } cases[] = {
        { list_of("http://127.0.0.1:#/out", port), SV("m"), ERR_REFUSED },
        { list_of("http://localhost:#/in", port), SV("m"), ERR_REFUSED },
        { list_of("http://127.0.0.1:#/in/../out", port), SV("m"), ERR_INVALID },
        { "http://127.1/in", SV("m"), ERR_INVALID },
        { "", SV("m"), ERR_INVALID },
        { "nonsense", SV("m"), ERR_INVALID },
        { rig_url(port, "/in"), SV(""), ERR_INVALID },
        { rig_url(port, "/in"), SV("a.b"), ERR_INVALID },
        { rig_url(port, "/in"), SV("a\r\nX: y"), ERR_INVALID },
        { rig_url(port, "/in"), SV("a b"), ERR_INVALID },
        { rig_url(port, "/in"), SV("\xc3\xa9"), ERR_INVALID },
        { rig_url(port, "/in"), SV(A60 A60 A60 A60 A60), ERR_INVALID },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct callback_request q = request_to(cases[i].url);
        struct told t;
        struct err e = { 0 };
        q.id = cases[i].id;
        post(r, c, &q, &t);
        is_str(outcomes[t.answer.outcome], "refused", "call %zu: %s", i, t.answer.err.text);
        is_int(t.answer.err.code, cases[i].code, "and its code");
        is_int(t.answer.retry_after_ms, -1, "no Retry-After");
        bool by_url = sv_eq(cases[i].id, SV("m"));
        is_int(callback_check_url(c, sv_from(cases[i].url), &e), by_url ? -1 : 0, "the URL alone: %s", e.text);
        if (by_url)
            is_str(e.text, t.answer.err.text, "the same is said of it beforehand");
    }
    is_int(peer_connections(p), 0, "nobody was asked");
    callback_close(c);
    peer_stop(p);
}

/* A name that is allowed and leads to this machine, as any name may from one second to the next. */
static void test_name(struct rig *r)
{
    static const struct peer_step step = { .answer = PEER_OK(2, "{}") };
    static const struct {
        const char *list;
        enum callback_outcome outcome;
    } cases[] = {
        { "http://localhost:#", CALLBACK_REFUSED },
        { "http://localhost:#,http://127.0.0.2:#,10.0.0.0/8", CALLBACK_REFUSED },
        { "http://localhost:#,http://127.0.0.1:#", CALLBACK_DELIVERED },
        { "http://localhost:#,127.0.0.0/8", CALLBACK_DELIVERED },
    };
    struct peer *p = peer_start(&step, 1);
    int port = peer_port(p), delivered = 0;
    const char *url = list_of("http://LOCALHOST.:#/x", port);
    struct heard h = { 0 };
    rig_post(r, &(struct http_request){ .url = list_of("http://localhost:#/", port), .timeout_ms = PLENTY_MS }, &h);
    is_int(h.answer.outcome, HTTP_ANSWERED, "somebody else has a connection to it, which is kept %s",
           h.answer.err.text);
    int before = peer_connections(p);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct callback *c = callback_to(r, list_of(cases[i].list, port), SECRET, PLENTY_MS);
        struct callback_request q = request_to(url);
        struct told t;
        struct err e = { 0 };
        is_int(callback_check_url(c, q.url, &e), 0, "the URL is allowed %s", e.text);
        post(r, c, &q, &t);
        is_str(outcomes[t.answer.outcome], outcomes[cases[i].outcome], "with %s: %s", cases[i].list, t.answer.err.text);
        delivered += cases[i].outcome == CALLBACK_DELIVERED;
        if (cases[i].outcome == CALLBACK_REFUSED)
            is_int(t.answer.err.code, ERR_REFUSED, "and its code");
        is_int(peer_connections(p), before + delivered, "a connection of its own, or none");
        callback_close(c);
    }
    is_int(peer_requests(p), 1 + delivered, "requests");
    rig_post(r, &(struct http_request){ .url = list_of("http://localhost:#/", port), .timeout_ms = PLENTY_MS }, &h);
    is_int(peer_connections(p), before + delivered, "the other one goes on with its own");
    heard_free(&h);
    peer_stop(p);
}

/* ---- reload ---- */

static void test_reload(struct rig *r)
{
    static const struct peer_step step = { .answer = PEER_OK(2, "{}") };
    struct peer *p = peer_start(&step, 1);
    const char *list = list_of("http://127.0.0.1:#", peer_port(p));
    struct callback *c = callback_to(r, "", "", PLENTY_MS);
    struct callback_request q = request_to(rig_url(peer_port(p), "/"));
    struct callback_options o = { list, SECRET, PLENTY_MS };
    struct err e = { 0 };
    struct told t;
    post(r, c, &q, &t);
    is_str(outcomes[t.answer.outcome], "refused", "an empty list: %s", t.answer.err.text);
    is_int(callback_set(c, &o, &e), 0, "a list");
    post(r, c, &q, &t);
    is_str(outcomes[t.answer.outcome], "delivered", "allowed now");
    const struct callback_options bad[] = {
        { "https://", SECRET, PLENTY_MS },
        { list, "", PLENTY_MS },
        { list, "short", PLENTY_MS },
        { "", "", 0 },
        { "", "", -1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        e = (struct err){ 0 };
        is_int(callback_check_options(&bad[i], &e), -1, "bad options: %s", e.text);
        ok(e.text[0] != '\0', "with a reason");
        is_int(callback_set(c, &bad[i], &e), -1, "and are not taken");
        ok(callback_open(r->loop, r->http, &bad[i], &e) == NULL, "nor opened with");
    }
    post(r, c, &q, &t);
    is_str(outcomes[t.answer.outcome], "delivered", "nothing has changed");
    is_int(callback_check_options(&o, &e), 0, "good ones are good");
    o.allowlist = list_of("http://localhost:#,127.0.0.0/8", peer_port(p));
    is_int(callback_set(c, &o, &e), 0, "a name and a net");
    q = request_to(list_of("http://localhost:#/", peer_port(p)));
    post(r, c, &q, &t);
    is_str(outcomes[t.answer.outcome], "delivered", "the name leads there");
    o.allowlist = list_of("http://localhost:#/in,127.0.0.0/8", peer_port(p));
    t = (struct told){ 0 };
    int before = peer_connections(p);
    ok(callback_post(c, &q, tell, &t) != NULL, "a call begins");
    is_int(callback_set(c, &o, &e), 0, "and its destination is taken from the list");
    rig_until(r, was_told, &t);
    is_str(outcomes[t.answer.outcome], "refused", "not allowed any more: %s", t.answer.err.text);
    is_int(peer_connections(p), before, "no connection");
    callback_close(c);
    peer_stop(p);
}

/* ---- ending ---- */

static bool has_request(void *arg)
{
    return peer_requests(arg) > 0;
}

static bool has_closed(void *arg)
{
    return peer_closed(arg) > 0;
}

static void test_abort(struct rig *r)
{
    static const struct peer_step step = { .then = PEER_HANG };
    struct peer *p = peer_start(&step, 1);
    struct callback *c = callback_to(r, list_of("http://127.0.0.1:#", peer_port(p)), SECRET, PLENTY_MS);
    struct callback_request q = request_to(rig_url(peer_port(p), "/")), no = request_to("https://evil/");
    struct told t = { 0 };
    callback_abort(NULL);
    callback_abort(callback_post(c, &q, tell, &t));
    callback_abort(callback_post(c, &no, tell, &t));
    rig_settle(r);
    is_int(peer_requests(p), 0, "aborted before it began");
    struct callback_call *call = callback_post(c, &q, tell, &t);
    rig_until(r, has_request, p);
    callback_abort(call);
    rig_until(r, has_closed, p);
    ok(true, "aborted while it waits: the peer sees it");
    ok(callback_post(c, &q, tell, &t) != NULL && callback_post(c, &no, tell, &t) != NULL, "two calls under way");
    rig_settle(r);
    callback_close(c);
    callback_close(NULL);
    rig_settle(r);
    is_int(t.times, 1, "only the one that was refused was told");
    peer_stop(p);
}

struct ending {
    struct callback *callback;
    struct told told;
};

static void end_all(void *arg, const struct callback_answer *a)
{
    struct ending *x = arg;
    tell(&x->told, a);
    callback_close(x->callback);
}

static bool has_ended(void *arg)
{
    return ((struct ending *)arg)->told.times > 0;
}

static void test_close_inside(struct rig *r)
{
    static const struct peer_step steps[] = { { .answer = PEER_OK(2, "{}") }, { .then = PEER_HANG } };
    for (int refused = 0; refused < 2; refused++) {
        struct peer *p = peer_start(steps, ARRAY_LEN(steps));
        struct ending x = { .callback =
                                callback_to(r, list_of("http://127.0.0.1:#", peer_port(p)), SECRET, PLENTY_MS) };
        struct callback_request q = request_to(rig_url(peer_port(p), "/")), no = request_to("https://evil/");
        struct told never = { 0 };
        ok(callback_post(x.callback, refused ? &no : &q, end_all, &x) != NULL, "a call that ends all");
        if (refused)
            ok(callback_post(x.callback, &no, tell, &never) != NULL, "one that would be refused next");
        /* of two requests to the peer, on two connections, either may be the first there */
        ok((refused ? callback_post(x.callback, &q, tell, &never) : callback_post(x.callback, &q, end_all, &x)) != NULL, "and one more");
        rig_until(r, has_ended, &x);
        rig_settle(r);
        is_int(x.told.times, 1, "told once");
        is_int(never.times, 0, "the others were not told");
        peer_stop(p);
    }
}

int main(void)
{
    struct rig r;
    rig_open(&r, NULL);
    test_request(&r);
    test_perl(&r);
    test_answers(&r);
    test_redirect(&r);
    test_unreachable(&r);
    test_refused(&r);
    test_name(&r);
    test_reload(&r);
    test_abort(&r);
    test_close_inside(&r);
    rig_close(&r);
    return done_testing();
}
