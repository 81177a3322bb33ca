/* SPDX-License-Identifier: MIT
 * Tests of src/api/rate.c: what is counted, for whom, and what is said about it. The store's part is played here, in a minute that
 * does not end. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "t/lib/api_rig.h"
#include "t/lib/control_double.h"
#include "t/lib/fcgi_client.h"
#include "t/lib/jwt_rig.h"
#include "t/tap.h"

#define LIMIT 3
#define PLATFORM "Bearer " RIG_PLATFORM
#define PLATFORM_2 "Bearer platform-token-2"
#define ADMIN "Bearer " RIG_ADMIN
#define CHAT "/api/v1/chat/sessions/s1"
#define A_PATH "/api/v1/enhanced-handle-message"

static struct rig rig;

/* ---- the store ---- */

static struct number { char name[80]; int64_t n; } numbers[32];
static size_t numbers_n;
static atomic_bool down;
static atomic_int counted;

struct reply_later { store_value_fn *fn; void *arg; int64_t n; };

static void tell(void *arg)
{
    struct reply_later l = *(struct reply_later *)arg;
    char text[24];

    free(arg);
    (void)snprintf(text, sizeof(text), "%" PRId64, l.n);
    if (atomic_load(&down))
        l.fn(l.arg, STORE_DOWN, SV_NONE);
    else
        l.fn(l.arg, STORE_DONE, sv_from(text));
}

/* Names end with the minute, which is left out here. */
static void count(struct sv name, int64_t ttl_ms, store_value_fn *fn, void *arg)
{
    struct reply_later *l = malloc(sizeof(*l));
    char own[80];
    size_t i = 0;

    if (l == NULL || name.n >= sizeof(own) || ttl_ms < 60000)
        abort();
    (void)snprintf(own, sizeof(own), "%.*s", SV_FMT(name));
    *strrchr(own, ':') = '\0';
    while (i < numbers_n && strcmp(numbers[i].name, own) != 0)
        i++;
    if (i == ARRAY_LEN(numbers))
        abort();
    if (i == numbers_n)
        (void)snprintf(numbers[numbers_n++].name, sizeof(own), "%s", own);
    atomic_fetch_add(&counted, 1);
    *l = (struct reply_later){ fn, arg, ++numbers[i].n };
    loop_soon(rig.loop, tell, l);
}

static void new_minute(void)
{
    numbers_n = 0;
    memset(numbers, 0, sizeof(numbers));
    atomic_store(&counted, 0);
}

/* ---- requests ---- */

static void ask(const char *credential, const char *method, const char *uri, const char *body, struct fcgi_answer *a)
{
    const char *const headers[] = { "HTTP_AUTHORIZATION", credential, NULL };
    struct buf b = { 0 };

    put_request(&b, method, uri, credential != NULL ? headers : NULL, sv_from(body));
    client_ask(rig.path, buf_sv(&b), a);
    buf_fini(&b);
}

/* Its status, and what it says is left; -1: nothing. */
static int status(const char *credential, const char *method, const char *uri, const char *body, int64_t *left)
{
    struct fcgi_answer a;
    int got;

    *left = -1;
    ask(credential, method, uri, body, &a);
    got = a.status;
    (void)sv_to_i64(answer_header(&a, "RateLimit-Remaining"), left);
    answer_fini(&a);
    return got;
}

static const char *message(const char *conversation)
{
    static char text[300];

    (void)snprintf(text, sizeof(text),
                   "{\"conversation_id\":\"%s\",\"message_id\":\"m\",\"message_content\":\"hi\",\"sender_id\":\"u1\",\"sender_type\":\"user\",\"timestamp\":1}",
                   conversation);
    return text;
}

static void test_credential(void)
{
    struct fcgi_answer a;
    int64_t left, reset = 0, after = 0;
    json_t *j;

    new_minute();
    for (int64_t i = 1; i <= LIMIT; i++) {
        is_int(status(PLATFORM, "GET", CHAT, NULL, &left), 200, "request %d", (int)i);
        is_int(left, LIMIT - i, "and how many are left");
    }
    ask(PLATFORM, "GET", CHAT, NULL, &a);
    is_int(a.status, 429, "one too many");
    is_sv(answer_header(&a, "RateLimit-Limit"), SV("3"), "the limit");
    is_sv(answer_header(&a, "RateLimit-Remaining"), SV("0"), "nothing is left");
    ok(sv_to_i64(answer_header(&a, "RateLimit-Reset"), &reset) && reset >= 1 && reset <= 60, "for less than a minute");
    ok(sv_to_i64(answer_header(&a, "Retry-After"), &after) && after == reset, "then it may come back");
    j = json_read(answer_body(&a), false, NULL);
    is_sv(json_sv(j, "code"), SV("rate_limited"), "its code");
    json_decref(j);
    answer_fini(&a);
    is_int(status(ADMIN, "GET", "/api/v1/admin/queue", NULL, &left), 200, "another credential has its own");
    is_int(left, LIMIT - 1, "as many as everybody");
    new_minute();
    is_int(status(PLATFORM, "GET", CHAT, NULL, &left), 200, "the next minute is a new one");
}

static void test_conversation(void)
{
    int64_t left;

    new_minute();
    is_int(status(PLATFORM, "POST", A_PATH, message("c1"), &left), 200, "a message");
    is_int(status(PLATFORM_2, "POST", A_PATH, message("c1"), &left), 200, "another's");
    is_int(status(ADMIN, "POST", A_PATH, message("c1"), &left), 200, "a third one's");
    is_int(left, 0, "what is left is the least of both");
    is_int(status(PLATFORM_2, "POST", "/api/v1/chat/message", "{\"conversation_id\":\"c1\",\"history\":\"<USER>x</USER>\"}", &left), 429,
           "the conversation has had its messages, whichever way they come");
    is_int(status(PLATFORM_2, "POST", "/api/v1/chat/sessions/c1/messages", "{\"content\":\"x\",\"sender_id\":\"u\",\"sender_type\":\"user\"}", &left), 429,
           "all of them");
    is_int(status(PLATFORM_2, "POST", A_PATH, message("c2"), &left), 200, "another one has not");
    is_int(left, LIMIT - 2, "refused ones did not count for the credential");
    is_int(status(PLATFORM, "GET", "/api/v1/chat/sessions/c1", NULL, &left), 200, "reading is no message");
}

/* Tokens change, the user does not. */
static void test_users(void)
{
    int64_t left;

    new_minute();
    for (int i = 0; i < LIMIT + 1; i++) {
        char claims[200], line[1024];
        struct buf b = { 0 };
        (void)snprintf(claims, sizeof(claims), "{\"exp\":%" PRId64 ",\"sub\":\"u1\",\"jti\":\"%d\"}", clock_wall_ms() / 1000 + 300, i);
        rig_token(&b, SV("{\"alg\":\"HS256\"}"), sv_from(claims), RIG_HS256);
        (void)snprintf(line, sizeof(line), "Bearer %s", b.p);
        buf_fini(&b);
        is_int(status(line, "GET", "/api/v1/customers/u1", NULL, &left), i < LIMIT ? 200 : 429, "token %d of a user", i);
    }
}

static void test_not_counted(void)
{
    int64_t left;

    new_minute();
    is_int(status(NULL, "GET", "/health", NULL, &left), 200, "/health");
    is_int(left, -1, "has no limit");
    is_int(status("Bearer wrong", "GET", CHAT, NULL, &left), 401, "nobody");
    is_int(status(PLATFORM, "GET", "/api/v1/admin/queue", NULL, &left), 403, "who may not");
    is_int(atomic_load(&counted), 0, "is not counted");
    atomic_store(&down, true);
    for (int i = 0; i < LIMIT + 2; i++)
        is_int(status(PLATFORM, "POST", A_PATH, message("c1"), &left), 200, "what cannot be counted is let through");
    is_int(left, -1, "and nothing is said");
    atomic_store(&down, false);
}

static void reload(void *arg)
{
    struct err e;

    is_int(api_reload(rig.api, arg, &e), 0, "a reload");
}

static void test_reload(struct api_options o)
{
    int64_t left;

    o.rate_limit = 0;
    rig_run(&rig, reload, &o);
    new_minute();
    for (int i = 0; i < LIMIT + 2; i++)
        is_int(status(PLATFORM, "GET", CHAT, NULL, &left), 200, "without a limit");
    is_int(atomic_load(&counted), 0, "nothing is counted");
}

int main(void)
{
    struct api_options o = rig_options();

    o.jwt.secret = RIG_SECRET;
    o.rate_limit = LIMIT;
    rig_count = count;
    rig_start(&rig, &o);
    test_credential();
    test_conversation();
    test_users();
    test_not_counted();
    test_reload(o);
    rig_stop(&rig);
    buf_fini(&control_seen);
    return done_testing();
}
