/* SPDX-License-Identifier: MIT
 * The double: plays the AI service and the chat platform for end-to-end tests and benches, by a script, and keeps the
 * ledger of what really reached them.
 *
 *   t/lib/double [--port N] [--ledger FILE] [--quiet]
 *
 * Listens on 127.0.0.1 (port 0: a free one), prints "listening PORT" and a newline on stdout, ends on TERM, INT or when
 * its standard input was a pipe and is closed. --ledger appends every event as a JSON line. --quiet: fixed answers,
 * bodies are not parsed, no entries; delays, status, cuts of the global script and plain counters still work.
 *
 * POST .../process       the AI, under any path that ends so. Answers {"response_text":"<nonce> [m1] text | [m2] text",
 *     "intent":"double", "confidence", "entities":{"nonce", "message_ids":[...], "texts":[...]}, "model_used":"double"}: the ids and
 *     texts of role "user" after the last "assistant" message that it was shown.
 * POST .../actions       the platform, the same. Answers {"success":true,"actions_executed":N}.
 * POST /control          {"ai":{...},"platform":{...},"conversation_id":"c1"}: changes the fields that are named, null
 *     restores one; with conversation_id only for that conversation (which starts from the global script as it is
 *     then). Answers the resulting script; 400 with "error" for unknown fields.
 *   ai:
 *     delay_ms      before the answer (0)
 *     status        HTTP status (200)
 *     body          text that is sent as it is, or a JSON value
 *     text          replaces response_text
 *     actions       JSON array; the answer is then {"ai_response":{...},"actions":[...]}
 *     wrap          that form without actions too
 *     chunked       answers without Content-Length
 *     hang          never answers
 *     keep          the ledger keeps the whole request, as body
 *     cut           none | before_read (RST, no entry) | after_read | mid_answer; the last two after delay_ms
 *     fail_next     the next n calls get fail_status (503) at once
 *     retry_after   seconds, a header of answers with another status than 200
 *     times         after n calls status, cut, hang and body are normal again (0: stay)
 *   platform: delay_ms, body, retry_after, times as above; the entry is written before delay_ms
 *     mode          ok | fail_status (with status, 400; applied only with apply:true) | success_false (200, not
 *                   applied) | cut_before_apply (RST, no entry) | cut_after_apply (entry, after delay_ms RST)
 *                   | hang (entry, no answer) | slow (entry, the answer trickles over slow_ms)
 *     actions_executed  number in the answer (-1: as many as came)
 * GET /ledger[?conversation_id=C]   {"ai":[...],"platform":[...]}; entries of both have
 *     conversation_id, turn_id (Idempotency-Key), request_id, traceparent, path, authorized (an Authorization header
 *     was there), authorization (the header), message_ids, start_ms, end_ms, ended, status (0: cut), closed_early (the caller went first), entry;
 *     ai: nonce, messages (how many were shown), message_id, bot (the object), parallel (calls of the conversation
 *     that run, with it);
 *     platform: mode, applied, fence, distributed_lock_id, actions, ai_response, covered_twice (message ids that an
 *     earlier applied POST covered)
 * GET /stats             ai_calls, ai_running, ai_max_running, ai_max_parallel_per_conversation, ai_closed_early,
 *     platform_posts, platform_applied, platform_running, platform_closed_early, platform_cut, duplicate_keys,
 *     duplicate_messages (covered by a second applied POST), fence_regressions, conversations
 * .../public_api/..., /pages/...   Pancake's page API: see double_pages.c
 * POST /reset            forgets ledger, counters and script. GET /health answers {"status":"ok"}
 */
#include "config.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/id.h"
#include "lib/map.h"
#include "t/lib/double_calls.h"
#include "t/lib/double_pages.h"
#include "t/lib/double_query.h"

static void answer_text(struct conn *c, int status, struct sv body)
{
    server_answer(c, &(struct answer){ .status = status, .body = body, .retry_after_s = -1 });
}

/* ---- control ---- */

static void free_script(void *arg, struct sv key, void *value)
{
    (void)arg;
    (void)key;
    script_fini(value);
    free(value);
}

static void forget_overrides(struct scene *d)
{
    map_each(d->overrides, free_script, NULL);
    map_free(d->overrides);
    d->overrides = map_new();
    if (d->overrides == NULL)
        abort();
}

static struct script *override_of(struct scene *d, struct sv conversation_id)
{
    struct script *s = map_find(d->overrides, conversation_id);
    if (s != NULL)
        return s;
    s = calloc(1, sizeof *s);
    if (s == NULL || map_put(d->overrides, conversation_id, s, NULL) != 0)
        abort();
    script_copy(s, &d->script);
    return s;
}

static void serve_control(struct scene *d, struct conn *c, const struct request *r)
{
    struct err e;
    json_t *body = json_read(r->body, false, &e);
    if (body == NULL) {
        calls_refuse(c, 400, e.text);
        return;
    }
    struct sv conversation_id = json_sv(body, "conversation_id");
    struct script *s = conversation_id.n > 0 ? override_of(d, conversation_id) : &d->script;
    if (script_update(s, body, &e) != 0) {
        calls_refuse(c, 400, e.text);
    } else {
        struct buf b = { 0 };
        struct json_out o = { .b = &b };
        script_render(s, &o);
        answer_text(c, 200, buf_sv(&b));
        buf_fini(&b);
    }
    json_decref(body);
}

static void serve_reset(struct scene *d, struct conn *c, const struct request *r)
{
    (void)r;
    ledger_reset(d->ledger);
    pages_double_reset(d->pages);
    forget_overrides(d);
    script_fini(&d->script);
    script_init(&d->script);
    answer_text(c, 200, SV("{\"success\":true}"));
}

static void serve_ledger(struct scene *d, struct conn *c, const struct request *r)
{
    struct buf b = { 0 }, id = { 0 };
    struct json_out o = { .b = &b };
    query_value(&id, r->query, SV("conversation_id"));
    ledger_render(d->ledger, id.n > 0 ? buf_sv(&id) : SV_NONE, &o);
    answer_text(c, 200, buf_sv(&b));
    buf_fini(&b);
    buf_fini(&id);
}

static void serve_stats(struct scene *d, struct conn *c, const struct request *r)
{
    (void)r;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    ledger_stats(d->ledger, &o);
    answer_text(c, 200, buf_sv(&b));
    buf_fini(&b);
}

static void serve_health(struct scene *d, struct conn *c, const struct request *r)
{
    (void)d;
    (void)r;
    answer_text(c, 200, SV("{\"status\":\"ok\"}"));
}

static const struct {
    const char *method, *path;
    bool anywhere; /* under any path before it */
    void (*serve)(struct scene *d, struct conn *c, const struct request *r);
} routes[] = {
    { "POST", "/process", true, calls_ai },       { "POST", "/actions", true, calls_platform },
    { "POST", "/control", false, serve_control }, { "POST", "/reset", false, serve_reset },
    { "GET", "/ledger", false, serve_ledger },    { "GET", "/stats", false, serve_stats },
    { "GET", "/health", false, serve_health },
};

static void on_request(void *arg, struct conn *c, const struct request *r)
{
    struct scene *d = arg;
    if (pages_double_serve(d->pages, c, r))
        return;
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        struct sv path = sv_from(routes[i].path), asked = r->path;
        if (routes[i].anywhere && asked.n > path.n)
            asked = (struct sv){ asked.p + asked.n - path.n, path.n };
        if (sv_eq(asked, path) && sv_eq(r->method, sv_from(routes[i].method))) {
            routes[i].serve(d, c, r);
            return;
        }
    }
    calls_refuse(c, 404, "no such endpoint");
}

/* ---- the program ---- */

static void stop(void *arg)
{
    loop_stop(arg);
}

/* The end of standard input ends the double too, so that a test that dies leaves none behind. */
static void on_stdin(void *arg, int events)
{
    char ignored[256];
    (void)events;
    if (read(STDIN_FILENO, ignored, sizeof ignored) <= 0)
        loop_stop(arg);
}

static struct loop_fd *watch_stdin(struct loop *l)
{
    struct stat st;
    if (fstat(STDIN_FILENO, &st) != 0 || !S_ISFIFO(st.st_mode))
        return NULL;
    struct loop_fd *f = loop_fd_new(l, STDIN_FILENO, on_stdin, l);
    if (f != NULL)
        loop_fd_want(f, LOOP_READ);
    return f;
}

static void run(struct scene *d)
{
    struct loop_signal *term = loop_signal_new(d->loop, SIGTERM, stop, d->loop);
    struct loop_signal *interrupt = loop_signal_new(d->loop, SIGINT, stop, d->loop);
    struct loop_fd *input = watch_stdin(d->loop);
    printf("listening %d\n", server_port(d->server));
    (void)fflush(stdout);
    loop_run(d->loop);
    loop_fd_free(input);
    loop_signal_free(term);
    loop_signal_free(interrupt);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "port", required_argument, NULL, 'p' },
        { "ledger", required_argument, NULL, 'l' },
        { "quiet", no_argument, NULL, 'q' },
        { 0 },
    };
    static const struct server_ops ops = { .handle = on_request, .gone = calls_gone };
    struct scene d = { 0 };
    const char *ledger = "";
    uint64_t port = 0;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'p' && sv_to_u64(sv_from(optarg), &port) && port < 65536)
            continue;
        if (option == 'l')
            ledger = optarg;
        else if (option == 'q')
            d.quiet = true;
        else
            return 64;
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    char token[ID_TOKEN_SIZE];
    id_token(token);
    memcpy(d.run, token, sizeof d.run - 1);
    script_init(&d.script);
    d.loop = loop_new();
    d.overrides = map_new();
    d.ledger = ledger_open(ledger, d.quiet);
    if (d.loop == NULL || d.overrides == NULL || d.ledger == NULL)
        return 69;
    d.pages = pages_double_open(d.loop);
    if (d.pages == NULL)
        return 69;
    d.server = server_open(d.loop, (int)port, &ops, &d);
    if (d.server == NULL)
        return 69;
    run(&d);
    server_close(d.server);
    pages_double_close(d.pages);
    loop_free(d.loop);
    forget_overrides(&d);
    map_free(d.overrides);
    script_fini(&d.script);
    ledger_close(d.ledger);
    return 0;
}
