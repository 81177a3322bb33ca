/* SPDX-License-Identifier: MIT
 * Tests of endpoint_chat.c, endpoint_job.c and the handler's status: what is checked, what the engine gets, what comes back; and how long a request
 * for a job is held. */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "outside/callback.h"
#include "outside/http.h"
#include "t/lib/api_rig.h"
#include "t/lib/fcgi_client.h"
#include "t/lib/jobs_double.h"
#include "t/lib/control_double.h"
#include "t/tap.h"

#define CHAT "/api/v1/chat/message"
#define JOB "/api/v1/chat/jobs/"
#define PLATFORM "HTTP_AUTHORIZATION", "Bearer " RIG_PLATFORM
#define HELLO "<USER>Hello, how are you?</USER><br><BOT>I'm doing well!</BOT><br>"

static struct rig rig;

static void ask(const char *method, const char *uri, const char *body, struct fcgi_answer *a)
{
    static const char *const headers[] = { PLATFORM, NULL };
    struct buf b = { 0 };

    put_request(&b, method, uri, headers, sv_from(body));
    client_ask(rig.path, buf_sv(&b), a);
    buf_fini(&b);
}

static json_t *json_of(const struct fcgi_answer *a)
{
    return json_read(answer_body(a), false, NULL);
}

static void is_member(const json_t *j, const char *key, const char *want, const char *what)
{
    const json_t *v = json_object_get(j, key);

    if (want == NULL)
        ok(json_is_null(v), "%s: %s is null", what, key);
    else
        is_sv(json_sv(j, key), sv_from(want), "%s: %s", what, key);
}

/* ---- POST /api/v1/chat/message ---- */

static void test_answers(void)
{
    static const struct {
        enum history_outcome outcome;
        const char *job, *lock;
        size_t consolidated;
        const char *reason;
        int status;
        const char *said, *action; /* or the code of an error */
    } table[] = {
        { HISTORY_STARTED, "j", "l", 1, NULL, 200, "ai_processing_started", "lock_acquired" },
        { HISTORY_LOCKED, "j", "l", 3, NULL, 200, "locked", "lock_exists" },
        { HISTORY_KNOWN, "j", "", 0, NULL, 200, "already_processed", "none" },
        { HISTORY_RECORDED, "", "", 0, "bot_paused", 200, "recorded", "recorded" },
        { HISTORY_REJECTED, "", "", 0, NULL, 409, "turn_running", NULL },
        { HISTORY_FULL, "", "", 0, NULL, 503, "too_many_pending", NULL },
        { HISTORY_UNAVAILABLE, "", "", 0, NULL, 503, "unavailable", NULL },
        { HISTORY_TOO_LARGE, "", "", 0, NULL, 413, "body_too_large", NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct fcgi_answer a;
        const char *name = table[i].said;

        jobs_script.history = (struct history_answer){ .outcome = table[i].outcome, .job_id = table[i].job, .lock_id = table[i].lock,
                                                       .consolidated = table[i].consolidated, .bot_name = "Default Bot",
                                                       .reason = table[i].reason, .retry_after_ms = 1000 };
        ask("POST", CHAT, "{\"conversation_id\":\"c1\",\"history\":\"" HELLO "\",\"resources\":{\"user_id\":\"123\"}}", &a);
        json_t *j = json_of(&a);
        is_int(a.status, table[i].status, "%s: status", name);
        if (table[i].status == 200) {
            ok(json_is_true(json_object_get(j, "success")), "%s: success", name);
            is_member(j, "status", table[i].said, name);
            is_member(j, "action", table[i].action, name);
            is_member(j, "error", NULL, name);
            is_member(j, "ai_job_id", *table[i].job != '\0' ? table[i].job : NULL, name);
            is_member(j, "lock_id", *table[i].lock != '\0' ? table[i].lock : NULL, name);
            is_int(json_i64(j, "consolidated_messages", -1), (int64_t)table[i].consolidated, "%s: consolidated_messages", name);
            is_member(j, "bot_name", "Default Bot", name);
            is_member(j, "conversation_id", "c1", name);
            ok(json_sv(j, "message").n > 0, "%s: a sentence", name);
            is_sv(json_sv(j, "reason"), sv_from(table[i].reason), "%s: reason", name);
        } else {
            is_member(j, "code", table[i].said, name);
            ok(json_is_false(json_object_get(j, "success")), "%s: no success", name);
        }
        json_decref(j);
        answer_fini(&a);
    }
    jobs_script.history = (struct history_answer){ 0 };
}

static void test_seen(void)
{
    static const struct {
        const char *body, *seen; /* of what the engine gets */
    } table[] = {
        { "{\"conversation_id\":\"c1\",\"history\":\"" HELLO "\",\"resources\":{\"user_id\":\"123\",\"session_type\":\"web\"}}",
          "c1 known 123 - {\"user_id\":\"123\",\"session_type\":\"web\"} - U:Hello, how are you? B:I'm doing well!" },
        { "{\"conversation_id\":\"c1\",\"history\":\"<USER>x</USER>\"}", "c1 known anonymous:c1 - - - U:x" },
        { "{\"conversation_id\":\"c1\",\"history\":\"<USER>x</USER>\",\"resources\":null}", "c1 known anonymous:c1 - - - U:x" },
        { "{\"conversation_id\":\"c1\",\"history\":\"<USER>x</USER>\",\"resources\":{\"user_id\":42,\"bot_id\":\"shop\"}}",
          "c1 known 42 shop {\"user_id\":42,\"bot_id\":\"shop\"} - U:x" },
        { "{\"conversation_id\":\"c1\",\"history\":\"<USER>&lt;b&gt; T\u00f4i &amp; <b>x</b></USER>\",\"unknown\":1}",
          "c1 known anonymous:c1 - - - U:<b> T\xc3\xb4i & <b>x</b>" },
        { "{\"conversation_id\":\"c1\",\"history\":\"<USER>x</USER>\",\"resources\":{\"callback_url\":\"https://hooks.example.com/a\"}}",
          "c1 known anonymous:c1 - {\"callback_url\":\"https://hooks.example.com/a\"} https://hooks.example.com/a U:x" },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct fcgi_answer a;

        ask("POST", CHAT, table[i].body, &a);
        is_int(a.status, 200, "%s: 200", table[i].body);
        is_sv(buf_sv(&jobs_seen), sv_from(table[i].seen), "%s: what the engine gets", table[i].body);
        answer_fini(&a);
    }
}

static void test_made_id(void)
{
    struct fcgi_answer a;
    const char *ids[2];
    char text[2][64];

    for (size_t i = 0; i < 2; i++) {
        ask("POST", CHAT, i == 0 ? "{\"history\":\"<USER>x</USER>\"}" : "{\"conversation_id\":null,\"history\":\"<USER>x</USER>\"}", &a);
        json_t *j = json_of(&a);
        (void)snprintf(text[i], sizeof(text[i]), "%.*s", SV_FMT(json_sv(j, "conversation_id")));
        ids[i] = text[i];
        is_int((int64_t)strlen(ids[i]), 36, "a UUID is made");
        ok(jobs_seen.n > 42 && strncmp(jobs_seen.p, ids[i], 36) == 0 && strncmp(jobs_seen.p + 37, "fresh ", 6) == 0,
           "the engine gets it, as one that nobody has seen");
        json_decref(j);
        answer_fini(&a);
    }
    ok(strcmp(ids[0], ids[1]) != 0, "another each time");
}

static void test_refused(void)
{
    static const struct {
        const char *body;
        const char *loc; /* of the first detail */
    } table[] = {
        { "{}", "[\"body\",\"history\"]" },
        { "{\"history\":null}", "[\"body\",\"history\"]" },
        { "{\"history\":\"\"}", "[\"body\",\"history\"]" },
        { "{\"history\":5}", "[\"body\",\"history\"]" },
        { "{\"history\":\"hello\"}", "[\"body\",\"history\"]" },
        { "{\"history\":\"<BOT>only a bot</BOT>\"}", "[\"body\",\"history\"]" },
        { "{\"history\":\"<USER>not closed\"}", "[\"body\",\"history\"]" },
        { "{\"history\":\"<USER>x</USER> and <BOT>y</BOT>\"}", "[\"body\",\"history\"]" },
        { "{\"history\":\"<USER>x</USER>\",\"conversation_id\":\"\"}", "[\"body\",\"conversation_id\"]" },
        { "{\"history\":\"<USER>x</USER>\",\"conversation_id\":7}", "[\"body\",\"conversation_id\"]" },
        { "{\"history\":\"<USER>x</USER>\",\"resources\":[]}", "[\"body\",\"resources\"]" },
        { "{\"history\":\"<USER>x</USER>\",\"resources\":{\"user_id\":true}}",
          "[\"body\",\"resources\",\"user_id\"]" },
        { "{\"history\":\"<USER>x</USER>\",\"resources\":{\"callback_url\":\"https://evil.example/a\"}}",
          "[\"body\",\"resources\",\"callback_url\"]" },
        { "{\"history\":\"<USER>x</USER>\",\"resources\":{\"callback_url\":\"http://169.254.169.254/\"}}",
          "[\"body\",\"resources\",\"callback_url\"]" },
    };
    int before = atomic_load(&jobs_histories);

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct fcgi_answer a;
        struct buf loc = { 0 };

        ask("POST", CHAT, table[i].body, &a);
        json_t *j = json_of(&a);
        is_int(a.status, 422, "%s: 422", table[i].body);
        const json_t *detail = json_array_get(json_object_get(j, "detail"), 0);
        json_dump_to(&loc, json_object_get(detail, "loc"));
        is_sv(buf_sv(&loc), sv_from(table[i].loc), "%s: where", table[i].body);
        ok(json_sv(detail, "msg").n > 0 && json_sv(detail, "type").n > 0, "%s: what", table[i].body);
        buf_fini(&loc);
        json_decref(j);
        answer_fini(&a);
    }
    is_int(atomic_load(&jobs_histories), before, "the engine gets none of these");
}

/* What is asked for is what would be taken. */
static void test_words_for_ids(void)
{
    static const char *const table[][2] = {
        { "{\"history\":\"<USER>x</USER>\",\"resources\":{\"user_id\":true}}", "\"msg\":\"Input should be a valid string or integer\"" },
        { "{\"history\":\"<USER>x</USER>\",\"resources\":{\"bot_id\":1.5}}", "\"msg\":\"Input should be a valid string or integer\"" },
        { "{\"history\":\"<USER>x</USER>\",\"conversation_id\":7}", "\"msg\":\"Input should be a valid string\"" },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct fcgi_answer a;

        ask("POST", CHAT, table[i][0], &a);
        has_str(a.out.p, table[i][1], "%s: in which words", table[i][0]);
        answer_fini(&a);
    }
}

/* ---- a job ---- */

#define QUEUED "{\"job_id\":\"j1\",\"conversation_id\":\"c1\",\"status\":\"queued\",\"attempts\":1}"
#define PROCESSING "{\"job_id\":\"j1\",\"conversation_id\":\"c1\",\"status\":\"processing\",\"attempts\":1}"
#define COMPLETED "{\"job_id\":\"j1\",\"conversation_id\":\"c1\",\"status\":\"completed\",\"attempts\":1}"

static void set_job(void *arg)
{
    jobs_script.job = arg;
    jobs_double_wake(NULL);
}

struct held {
    struct fcgi_answer answer;
    const char *uri;
    atomic_bool done;
};

static void *ask_held(void *arg)
{
    struct held *h = arg;

    ask("GET", h->uri, NULL, &h->answer);
    atomic_store(&h->done, true);
    return NULL;
}

static void test_wait(void)
{
    struct fcgi_answer a;
    struct held h = { .uri = JOB "j1?wait=30" };
    pthread_t thread;
    int reads;

    jobs_script.job = QUEUED;
    ask("GET", JOB "j1", NULL, &a);
    is_sv(answer_body(&a), SV(QUEUED), "without wait: as it is now");
    answer_fini(&a);
    jobs_script.job = COMPLETED;
    ask("GET", JOB "j1?wait=30", NULL, &a);
    is_sv(answer_body(&a), SV(COMPLETED), "a job that has ended: at once");
    answer_fini(&a);
    ask("GET", JOB "unknown?wait=30", NULL, &a);
    is_int(a.status, 404, "one that is not there: at once");
    answer_fini(&a);
    ask("GET", JOB "down?wait=30", NULL, &a);
    is_int(a.status, 503, "no store: at once");
    answer_fini(&a);
    is_int(atomic_load(&jobs_watchers), 0, "nobody watches any more");

    jobs_script.job = QUEUED;
    reads = atomic_load(&jobs_reads);
    if (pthread_create(&thread, NULL, ask_held, &h) != 0)
        bail_out("no thread");
    ok(rig_wait_int(&jobs_watchers, 1), "an open job is watched");
    ok(rig_wait_int(&jobs_reads, reads + 2), "and read once more, for what happened before");
    rig_run(&rig, jobs_double_wake, NULL);
    ok(rig_wait_int(&jobs_reads, reads + 3), "after a hint it is read again");
    ok(!atomic_load(&h.done), "as before: the request is held");
    rig_run(&rig, set_job, (void *)(uintptr_t)PROCESSING);
    ok(rig_wait(&h.done), "it has come a step on: the request is answered");
    is_sv(answer_body(&h.answer), SV(PROCESSING), "with that");
    pthread_join(thread, NULL);
    answer_fini(&h.answer);
    is_int(atomic_load(&jobs_watchers), 0, "and nobody watches any more");

    ask("GET", JOB "j1?wait=0.05", NULL, &a);
    is_int(a.status, 200, "the time is over");
    is_sv(answer_body(&a), SV(PROCESSING), "as it is then");
    answer_fini(&a);
    ask("GET", JOB "j1?wait=61", NULL, &a);
    is_int(a.status, 422, "too long");
    answer_fini(&a);
    ask("GET", JOB "j1?wait=soon", NULL, &a);
    is_int(a.status, 422, "no number");
    answer_fini(&a);
    jobs_script.job = NULL;
}

static void test_cancel(void)
{
    static const char *const how[][2] = { { "DELETE", JOB "j%201" }, { "POST", JOB "j%201/cancel" } };

    for (size_t i = 0; i < ARRAY_LEN(how); i++) {
        struct fcgi_answer a;

        ask(how[i][0], how[i][1], NULL, &a);
        is_int(a.status, 200, "%s: 200", how[i][0]);
        is_sv(buf_sv(&control_seen), SV("cancel_job j 1"), "%s: what is asked for", how[i][0]);
        answer_fini(&a);
        control_script.answer = (struct control_answer){ .http_status = 409, .code = "too_late", .message = "The reply is being sent." };
        ask(how[i][0], how[i][1], NULL, &a);
        json_t *j = json_of(&a);
        is_int(a.status, 409, "%s: 409", how[i][0]);
        is_member(j, "code", "too_late", how[i][0]);
        json_decref(j);
        answer_fini(&a);
        control_script.answer = (struct control_answer){ 0 };
    }
}

/* ---- the handler's status ---- */

static void test_handler(void)
{
    static const char *const nobody[] = { NULL }, *const platform[] = { PLATFORM, NULL };
    struct fcgi_answer a;
    struct buf b = { 0 };

    for (int closed = 0; closed <= 1; closed++) {
        struct api_options o = rig_options();
        o.closed_status = closed;
        rig_start(&rig, &o);
        for (int credential = 0; credential <= 1; credential++) {
            buf_clear(&b);
            put_request(&b, "GET", "/api/v1/status/handler", credential ? platform : nobody, SV_NONE);
            client_ask(rig.path, buf_sv(&b), &a);
            is_int(a.status, closed && !credential ? 401 : 200, "status %s, %s credential", closed ? "closed" : "open", credential ? "with a" : "no");
            answer_fini(&a);
        }
        rig_stop(&rig);
    }
    buf_fini(&b);
}

int main(void)
{
    struct err e;
    struct loop *loop = loop_new(); /* the callbacks' own: nothing is sent */
    struct http *http = http_open(loop, &(struct http_options){ 0 }, &e);
    struct callback *callback = callback_open(loop, http,
                                              &(struct callback_options){ "https://hooks.example.com", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", 1000 },
                                              &e);
    struct api_options o = rig_options();

    if (callback == NULL)
        bail_out("%s", e.text);
    o.callback = callback;
    rig_start(&rig, &o);
    test_answers();
    test_seen();
    test_made_id();
    test_refused();
    test_words_for_ids();
    test_wait();
    test_cancel();
    rig_stop(&rig);
    test_handler();
    callback_close(callback);
    http_close(http);
    loop_free(loop);
    buf_fini(&jobs_seen);
    buf_fini(&control_seen);
    return done_testing();
}
