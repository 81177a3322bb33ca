/* SPDX-License-Identifier: MIT
 * Tests of src/api/endpoint_webhook.c and webhook_*.c: who may bring a webhook, what is answered when, and what is left in the store. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/webhook_strangers.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/json.h"
#include "lib/log.h"
#include "t/lib/api_rig.h"
#include "t/lib/fcgi_client.h"
#include "t/lib/webhook_double.h"
#include "t/tap.h"

#define PATH "/webhooks/pancake/100"
#define SECRET "s3cret-one"
#define BODY                                                                                                                                                     \
    "{\"event_type\":\"messaging\",\"page_id\":100,\"data\":{\"conversation\":{\"id\":\"c1\"},\"message\":{\"id\":\"m1\",\"original_message\":\"hi\","               \
    "\"from\":{\"id\":\"u1\"},\"inserted_at\":\"2026-11-26T04:00:00\"}}}"
#define OTHER "{\"event_type\":\"post\",\"page_id\":\"100\",\"data\":{}}"
#define PLATFORM "HTTP_AUTHORIZATION", "Bearer " RIG_PLATFORM

static struct rig rig;

static bool page(void *arg, struct sv page_id, char bot_id[MESSAGE_ID_MAX + 1])
{
    (void)arg;
    if (sv_eq(page_id, SV("200")))
        memcpy(bot_id, "bot-2", sizeof("bot-2"));
    return sv_eq(page_id, SV("100")) || sv_eq(page_id, SV("200")) || sv_eq(page_id, SV("igo_7"));
}

static struct api_options options(void)
{
    struct api_options o = rig_options();

    o.webhook_secrets = "s3cret-zero, " SECRET;
    o.webhooks_fetched = true;
    o.webhook_deadline_ms = 30000;
    o.page = page;
    return o;
}

static void ask(const char *method, const char *uri, const char *const *more, const char *body, struct fcgi_answer *a)
{
    struct buf b = { 0 };

    put_request(&b, method, uri, more, sv_from(body));
    client_ask(rig.path, buf_sv(&b), a);
    buf_fini(&b);
}

static const char *signature(const char *key, const char *body)
{
    static char text[8 + 2 * DIGEST_SIZE];
    unsigned char digest[DIGEST_SIZE];
    struct sv part = sv_from(body);
    size_t n = (size_t)snprintf(text, sizeof(text), "sha256=");

    digest_hmac(sv_from(key), &part, 1, digest);
    for (size_t i = 0; i < DIGEST_SIZE; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%02x", digest[i]);
    return text;
}

static void who_may(void)
{
    static const struct {
        int line;
        const char *uri;
        const char *more[4];
        int status;
        const char *code;
    } table[] = {
        { __LINE__, PATH, { PLATFORM }, 200, NULL },
        { __LINE__, PATH, { "HTTP_AUTHORIZATION", "Bearer " RIG_ADMIN }, 200, NULL },
        { __LINE__, PATH "?secret=" SECRET, { NULL }, 200, NULL },
        { __LINE__, PATH "?secret=s3cret-zero", { NULL }, 200, NULL },
        { __LINE__, PATH "?x=1&secret=s3cret%2Done", { NULL }, 200, NULL },
        { __LINE__, PATH "?secret=" SECRET, { "HTTP_AUTHORIZATION", "Bearer wrong" }, 200, NULL },
        { __LINE__, PATH, { NULL }, 401, "unauthorized" },
        { __LINE__, PATH, { "HTTP_AUTHORIZATION", "Bearer wrong" }, 401, "unauthorized" },
        { __LINE__, PATH, { "HTTP_AUTHORIZATION", "Bearer " SECRET }, 401, "unauthorized" },
        { __LINE__, PATH "?secret=", { NULL }, 401, "unauthorized" },
        { __LINE__, PATH "?secret=s3cret-on", { NULL }, 401, "unauthorized" },
        { __LINE__, PATH "?secret=s3cret-zero,%20" SECRET, { NULL }, 401, "unauthorized" },
        { __LINE__, PATH "?secret=" SECRET "&secret=" SECRET, { NULL }, 401, "unauthorized" },
        { __LINE__, PATH "?token=" SECRET, { NULL }, 401, "unauthorized" },
        { __LINE__, PATH, { "HTTP_X_SECRET", SECRET }, 401, "unauthorized" },
        { __LINE__, "/webhooks/pancake/100/x?secret=" SECRET, { NULL }, 404, "not_found" },
        { __LINE__, "/webhooks/pancake/101?secret=" SECRET, { NULL }, 404, "unknown_page" },
        { __LINE__, "/webhooks/pancake/101", { NULL }, 401, "unauthorized" },
        /* the secret opens nothing else */
        { __LINE__, "/api/v1/enhanced-handle-message?secret=" SECRET, { NULL }, 401, "unauthorized" },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct fcgi_answer a;
        ask("POST", table[i].uri, table[i].more, BODY, &a);
        is_int(a.status, table[i].status, "line %d: status", table[i].line);
        if (table[i].code != NULL)
            has_str(a.out.p, table[i].code, "line %d: code", table[i].line);
        answer_fini(&a);
    }
    ok(atomic_load(&rig_script.delay_ms) == 0 && atomic_load(&rig_seen.submits) == 0, "nothing went another way");
}

static void signatures(void)
{
    struct fcgi_answer a;
    char upper[8 + 2 * DIGEST_SIZE];
    const char *const right[] = { "HTTP_X_PANCAKE_SIGNATURE", signature(SECRET, BODY), NULL };
    (void)snprintf(upper, sizeof(upper), "%s", right[1]);
    int before = atomic_load(&webhook_submits);

    ask("POST", PATH, right, BODY, &a);
    is_int(a.status, 200, "a signature");
    answer_fini(&a);
    ask("POST", PATH, right, OTHER, &a);
    is_int(a.status, 401, "of another body");
    has_str(a.out.p, "WWW-Authenticate: Bearer", "as all refusals");
    answer_fini(&a);
    ask("POST", PATH, right, "not json", &a);
    is_int(a.status, 401, "before it is looked at");
    answer_fini(&a);
    for (char *c = upper + 7; *c != '\0'; c++)
        *c = (char)(*c >= 'a' ? *c - 'a' + 'A' : *c);
    const char *const wrong[] = { signature("s3cret-three", BODY), upper + 7, "sha256=", "sha1=00", "", "sha256=zz", upper };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        const char *const more[] = { "HTTP_X_PANCAKE_SIGNATURE", wrong[i], NULL };
        ask("POST", PATH, more, BODY, &a);
        is_int(a.status, wrong[i] == upper ? 200 : 401, "\"%s\"", wrong[i]);
        answer_fini(&a);
    }
    is_int(atomic_load(&webhook_submits), before + 2, "only those that were right arrived");
}

/* How many lines of the log so far have all of these. */
static int lines_with(const char *path, const char *const *parts)
{
    char line[8192];
    int n = 0;
    FILE *f = fopen(path, "r");

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        bool all = true;
        for (size_t i = 0; parts[i] != NULL; i++)
            all = all && strstr(line, parts[i]) != NULL;
        n += all;
    }
    if (f != NULL)
        (void)fclose(f);
    return n;
}

#define LINES(path, ...) lines_with(path, (const char *const[]){ "\"level\":\"WARNING\"", __VA_ARGS__, NULL })
#define STRANGER "for a page that nobody answers here"
#define REFUSAL "a request was refused"
#define NO_WEBHOOK "not what the page API sends"

static void post(const char *uri, const char *body, int status)
{
    struct fcgi_answer a;

    ask("POST", uri, NULL, body, &a);
    is_int(a.status, status, "%.60s", uri);
    answer_fini(&a);
}

/* What an administrator finds who has mistyped an id, and what a scanner can make of the log. */
static void logs(void)
{
    struct api_options o = options();
    char log[128], uri[2048];
    struct err e;

    rig_start(&rig, &o);
    (void)snprintf(log, sizeof(log), "%s/log", rig.dir);
    if (!ok(log_open("t", log, LOG_INFO, &e) == 0, "a log"))
        return;
    for (int i = 0; i < 5; i++)
        post("/webhooks/pancake/1o1?secret=" SECRET, BODY, 404);
    is_int(LINES(log, STRANGER, "\"page_id\":\"1o1\"", "\"request_id\":\""), 1, "a page without a token is told once a minute");
    post("/webhooks/pancake/a%22%C2%A0b?secret=" SECRET, BODY, 404);
    is_int(LINES(log, STRANGER, "\"page_id\":\"a\\\"\xc2\xa0" "b\"", "\"not_logged\":4"), 1, "another one too, and how often there was silence");
    post("/webhooks/pancake/a%0Ab?secret=" SECRET, BODY, 400);
    (void)snprintf(uri, sizeof(uri), "/webhooks/pancake/%0300d?secret=" SECRET, 7);
    post(uri, BODY, 404);
    is_int(LINES(log, STRANGER, "0000"), 0, "one that is no id is not repeated");
    is_int(LINES(log, STRANGER), 3, "but told");
    for (int i = 0; i < 100; i++) {
        (void)snprintf(uri, sizeof(uri), "/webhooks/pancake/scan-%d?secret=" SECRET, i);
        post(uri, BODY, 404);
    }
    is_int(LINES(log, STRANGER), WEBHOOK_STRANGERS_MAX, "whoever invents ids fills no log");

    post("/webhooks/pancake/p7?secret=" SECRET "x", BODY, 401);
    is_int(LINES(log, REFUSAL, "\"page_id\":\"p7\""), 1, "a refused credential, with the page");
    const char *const wrong[] = { "HTTP_X_PANCAKE_SIGNATURE", "sha256=00", NULL };
    struct fcgi_answer a;
    ask("POST", "/webhooks/pancake/p8", wrong, BODY, &a);
    is_int(a.status, 401, "a wrong signature");
    answer_fini(&a);
    is_int(LINES(log, REFUSAL, "\"page_id\":\"p8\"", "a wrong signature"), 1, "the same");
    (void)snprintf(uri, sizeof(uri), "/webhooks/pancake/%0300d", 8);
    post(uri, BODY, 401);
    is_int(LINES(log, REFUSAL, "0000"), 0, "where it is no id, without");
    post("/api/v1/enhanced-handle-message", BODY, 401);
    is_int(LINES(log, REFUSAL, "enhanced-handle-message") - LINES(log, REFUSAL, "enhanced-handle-message", "page_id"), 1, "other routes have none");
    post(PATH "?secret=" SECRET, "[]", 422);
    is_int(LINES(log, NO_WEBHOOK, "\"page_id\":\"100\"", "it should be an object"), 1, "what is no webhook, with the page");
    is_int(LINES(log, SECRET), 0, "the secret is nowhere");
    log_close();
    (void)unlink(log);
    rig_stop(&rig);
}

static void forms(void)
{
    static const struct {
        int line;
        const char *method, *uri, *body;
        int status;
        const char *part;
    } table[] = {
        { __LINE__, "GET", PATH, NULL, 405, "Allow: POST" },
        { __LINE__, "PUT", PATH, BODY, 405, "method_not_allowed" },
        { __LINE__, "POST", PATH, "{", 400, "\"code\":\"" },
        { __LINE__, "POST", PATH, "", 400, "\"code\":\"" },
        { __LINE__, "POST", PATH, "[]", 422, "\"detail\":[{\"loc\":[\"body\"],\"msg\":\"it should be an object\",\"type\":\"webhook\"}]" },
        { __LINE__, "POST", PATH, "{\"event_type\":\"messaging\",\"data\":{}}", 422, "data.message should be an object" },
        { __LINE__, "POST", "/webhooks/pancake/200", BODY, 422, "page_id should be the page of the path" },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const char *const more[] = { PLATFORM, NULL };
        struct fcgi_answer a;
        ask(table[i].method, table[i].uri, more, table[i].body, &a);
        is_int(a.status, table[i].status, "line %d: status", table[i].line);
        has_str(a.out.p, table[i].part, "line %d: what it says", table[i].line);
        answer_fini(&a);
    }
    const char *pairs[] = { "REQUEST_METHOD", "POST", "REQUEST_URI", PATH, PLATFORM, "CONTENT_TYPE", "text/plain", NULL };
    struct buf b = { 0 };
    struct fcgi_answer a;
    put_begin(&b, 1, ROLE_IS_RESPONDER, false);
    put_params(&b, 1, pairs);
    put_stdin(&b, 1, SV(BODY));
    client_ask(rig.path, buf_sv(&b), &a);
    buf_fini(&b);
    is_int(a.status, 415, "no JSON");
    answer_fini(&a);
    const char *const more[] = { PLATFORM, "HTTP_X_REQUEST_ID", "req-9", NULL };
    ask("POST", PATH, more, BODY, &a);
    is_int(a.status, 200, "a message");
    is_sv(buf_sv(&webhook_seen), SV("100 0 m1 hi - req-9"), "is submitted as it was read");
    answer_fini(&a);
    ask("POST", "/webhooks/pancake/200", more, "{\"data\":{\"conversation\":{\"id\":1},\"message\":{\"id\":2,\"message\":\"x\",\"from\":{\"id\":200}}}}", &a);
    is_int(a.status, 200, "one of the page");
    is_sv(buf_sv(&webhook_seen), SV("200 1 2 x bot-2 req-9"), "with the bot that answers it");
    answer_fini(&a);
}

static void results(void)
{
    static const struct {
        enum webhook_result result;
        const char *body;
        const char *answer;
        bool seen;
    } table[] = {
        { WEBHOOK_ACCEPTED, BODY, "\r\n\r\n{\"success\":true,\"message_id\":\"m1\"}", true },
        { WEBHOOK_DUPLICATE, BODY, "\r\n\r\n{\"success\":true,\"message_id\":\"m1\",\"duplicate\":true}", true },
        { WEBHOOK_OWN, BODY, "\r\n\r\n{\"success\":true,\"message_id\":\"m1\",\"echo\":true}", true },
        { WEBHOOK_LEFT, OTHER, "\r\n\r\n{\"success\":true,\"ignored\":true}", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct api_options o = options();
        const char *const more[] = { PLATFORM, NULL };
        struct fcgi_answer a;
        webhook_double_forget();
        atomic_store(&webhook_script.result, table[i].result);
        rig_start(&rig, &o);
        ask("POST", PATH, more, table[i].body, &a);
        is_int(a.status, 200, "result %zu", i);
        has_str(a.out.p, table[i].answer, "and its answer");
        answer_fini(&a);
        for (int k = 0; k < 3; k++) {
            ask("POST", PATH, more, table[i].body, &a);
            answer_fini(&a);
        }
        is_int(atomic_load(&webhook_double_puts), table[i].seen ? 1 : 0, "what is left in the store, once in ten seconds");
        const char *value = webhook_double_value("page:100:seen");
        ok((value != NULL) == table[i].seen, "that a webhook was accepted");
        ok(value == NULL || llabs(strtoll(value, NULL, 10) - clock_wall_ms()) < 60000, "and when");
        rig_stop(&rig);
    }
    atomic_store(&webhook_script.result, WEBHOOK_ACCEPTED);
}

static bool wait_for_value(const char *name)
{
    for (int i = 0; i < 1000 && webhook_double_value(name) == NULL; i++)
        (void)usleep(10000);
    return webhook_double_value(name) != NULL;
}

static void not_now(void)
{
    struct api_options o = options();
    const char *const more[] = { PLATFORM, NULL };
    struct fcgi_answer a;
    int told = 0;

    webhook_double_forget();
    webhook_double_put("page:igo_7:deferred", "17"); /* another process was earlier */
    rig_start(&rig, &o);
    atomic_store(&webhook_script.store_down, true);
    atomic_store(&webhook_script.result, WEBHOOK_NOT_NOW);
    int64_t before_ms = clock_wall_ms();
    for (int i = 0; i < 20; i++) {
        ask("POST", i == 7 ? "/webhooks/pancake/igo_7" : PATH, more, i == 7 ? "{\"data\":{\"conversation\":{\"id\":1},\"message\":{\"id\":2,\"message\":\"x\",\"from\":{\"id\":3}}}}" : BODY, &a);
        told += a.status == 503 && answer_header(&a, "Retry-After").n > 0;
        answer_fini(&a);
    }
    is_int(told, 20, "twenty are told to come again");
    for (int i = 0; i < 30; i++) {
        ask("POST", PATH, more, BODY, &a);
        told += a.status == 200;
        if (i == 0)
            has_str(a.out.p, "\r\n\r\n{\"success\":true,\"deferred\":true}", "then it is said that it was accepted, which it was not");
        answer_fini(&a);
    }
    is_int(told, 50, "to all of them");
    ask("POST", PATH, more, "[]", &a);
    is_int(a.status, 422, "what is wrong is told");
    answer_fini(&a);
    atomic_store(&webhook_script.result, WEBHOOK_LEFT);
    ask("POST", PATH, more, OTHER, &a);
    is_int(a.status, 200, "what needs no store");
    answer_fini(&a);
    atomic_store(&webhook_script.result, WEBHOOK_NOT_NOW);
    ask("POST", PATH, more, BODY, &a);
    is_int(a.status, 200, "does not end it");
    answer_fini(&a);
    ok(webhook_double_value("page:100:deferred") == NULL, "the store does not have it yet");
    atomic_store(&webhook_script.store_down, false);
    ok(wait_for_value("page:100:deferred"), "as soon as the store can be asked, it has");
    int64_t at_ms = webhook_double_value("page:100:deferred") != NULL ? strtoll(webhook_double_value("page:100:deferred"), NULL, 10) : 0;
    ok(at_ms >= before_ms && at_ms < before_ms + 5000, "when the first one was not accepted");
    is_str(webhook_double_value("page:igo_7:deferred"), "17", "who was earlier stays");
    atomic_store(&webhook_script.result, WEBHOOK_ACCEPTED);
    ask("POST", PATH, more, BODY, &a);
    has_str(a.out.p, "\r\n\r\n{\"success\":true,\"message_id\":\"m1\"}", "one is accepted");
    answer_fini(&a);
    rig_stop(&rig);
}

static void deadline(void)
{
    struct api_options o = options();
    const char *const more[] = { PLATFORM, NULL };
    struct fcgi_answer a;

    webhook_double_forget();
    o.webhook_deadline_ms = 50;
    rig_start(&rig, &o);
    atomic_store(&webhook_script.hold, true);
    ask("POST", PATH, more, BODY, &a);
    is_int(a.status, 503, "what takes too long is told to come again");
    answer_fini(&a);
    rig_run(&rig, webhook_double_release, NULL);
    ok(webhook_double_value("page:100:seen") == NULL, "that it was accepted after all is nobody's business");
    ask("POST", PATH, more, BODY, &a);
    is_int(a.status, 200, "the next one");
    answer_fini(&a);
    atomic_store(&webhook_script.hold, true);
    struct buf b = { 0 };
    put_request(&b, "POST", PATH, more, SV(BODY));
    int fd = client_connect(rig.path), before = atomic_load(&webhook_submits);
    (void)client_send(fd, buf_sv(&b));
    ok(rig_wait_int(&webhook_submits, before + 1), "one that waits");
    rig_run(&rig, webhook_double_release, NULL);
    client_read(fd, &a, 20000);
    is_int(a.status, 200, "for its store");
    answer_fini(&a);
    (void)close(fd);
    buf_fini(&b);
    rig_stop(&rig);
}

/* No room for more requests: that is a failure like others. */
static void busy(void)
{
    struct api_options o = options();
    const char *const more[] = { PLATFORM, NULL }, *const unproved[] = { "HTTP_X_PANCAKE_SIGNATURE", "sha256=00", NULL };
    struct buf b = { 0 };
    struct fcgi_answer a;
    int statuses[22] = { 0 }, fd, before = atomic_load(&webhook_submits);

    webhook_double_forget();
    o.in_flight_max = 1;
    rig_start(&rig, &o);
    atomic_store(&webhook_script.hold, true);
    put_request(&b, "POST", PATH, more, SV(BODY));
    fd = client_connect(rig.path);
    (void)client_send(fd, buf_sv(&b));
    ok(rig_wait_int(&webhook_submits, before + 1), "one waits");
    for (int i = 0; i < 30; i++) {
        ask("POST", PATH, unproved, BODY, &a);
        answer_fini(&a);
    }
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        ask("POST", PATH, more, BODY, &a);
        statuses[i] = a.status;
        answer_fini(&a);
    }
    is_int(statuses[19], 503, "there is no room for others, whoever knocks besides");
    is_int(statuses[20], 200, "after twenty that is not said any more");
    ask("POST", "/webhooks/pancake/101", more, BODY, &a);
    is_int(a.status, 404, "but to pages that nobody knows");
    answer_fini(&a);
    rig_run(&rig, webhook_double_release, NULL);
    client_read(fd, &a, 20000);
    is_int(a.status, 200, "who waited is answered");
    answer_fini(&a);
    ok(wait_for_value("page:100:deferred"), "and it is known that something was missed");
    (void)close(fd);
    buf_fini(&b);
    rig_stop(&rig);
}

static void count(struct sv name, int64_t ttl_ms, store_value_fn *fn, void *arg)
{
    (void)name, (void)ttl_ms, (void)fn, (void)arg;
    abort(); /* no webhook is counted */
}

static void unlimited(void)
{
    struct api_options o = options();
    const char *const more[] = { PLATFORM, NULL };
    struct fcgi_answer a;

    o.rate_limit = 1;
    rig_count = count;
    rig_start(&rig, &o);
    for (int i = 0; i < 3; i++) {
        ask("POST", i == 0 ? PATH : PATH "?secret=" SECRET, i == 0 ? more : NULL, BODY, &a);
        is_int(a.status, 200, "no limit");
        answer_fini(&a);
    }
    rig_stop(&rig);
    rig_count = NULL;
}

struct reload {
    struct api_options o;
    int rc;
};

static void do_reload(void *arg)
{
    struct reload *r = arg;
    struct err e;

    r->rc = api_reload(rig.api, &r->o, &e);
}

static void secrets(void)
{
    static const char *const wrong[] = { ",", "a,", " ,b", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17" };
    struct reload r = { .o = options() };
    struct fcgi_answer a;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct api_options o = options();
        struct err e;
        o.webhook_secrets = wrong[i];
        ok(api_open(&o, &e) == NULL && (e.code == ERR_INVALID || e.code == ERR_RANGE), "\"%s\" is no list of secrets", wrong[i]);
        has_str(e.text, "PANCAKE_WEBHOOK_SECRET", "which is said by name");
    }
    rig_start(&rig, &r.o);
    r.o.webhook_secrets = "fresh";
    rig_run(&rig, do_reload, &r);
    is_int(r.rc, 0, "a reload");
    ask("POST", PATH "?secret=" SECRET, NULL, BODY, &a);
    is_int(a.status, 401, "the old secret is void");
    answer_fini(&a);
    ask("POST", PATH "?secret=fresh", NULL, BODY, &a);
    is_int(a.status, 200, "the fresh one is in force");
    answer_fini(&a);
    r.o.webhook_secrets = "";
    rig_run(&rig, do_reload, &r);
    ask("POST", PATH "?secret=", NULL, BODY, &a);
    is_int(a.status, 401, "none opens nothing");
    answer_fini(&a);
    const char *const empty[] = { "HTTP_X_PANCAKE_SIGNATURE", signature("", BODY), NULL };
    ask("POST", PATH, empty, BODY, &a);
    is_int(a.status, 401, "nor does a signature with nothing");
    answer_fini(&a);
    rig_stop(&rig);
    r.o.page = NULL;
    rig_start(&rig, &r.o);
    const char *const more[] = { PLATFORM, NULL };
    ask("POST", PATH, more, BODY, &a);
    is_int(a.status, 404, "without pages none is known");
    answer_fini(&a);
    rig_stop(&rig);
}

int main(void)
{
    struct api_options o = options();

    rig_start(&rig, &o);
    who_may();
    signatures();
    forms();
    rig_stop(&rig);
    logs();
    results();
    not_now();
    deadline();
    busy();
    unlimited();
    secrets();
    buf_fini(&webhook_seen);
    return done_testing();
}
