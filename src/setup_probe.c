/* SPDX-License-Identifier: MIT
 * -tt's look at the AI service and the chat platform: a connection (TLS included) on which nothing is sent; of an OpenAI-compatible service the list of its models
 * instead, which shows whether it takes the token, and what setup_probe_pages.c asks the page API. Knows nothing of the adapters that really ask them. */
#include "config.h"

#include <stdio.h>

#include "lib/loop.h"
#include "outside/http.h"
#include "setup_parts.h"

#define PATIENCE_MS 5000
#define URL_SHOWN 200

struct probe {
    const char *who;          /* in sentences */
    const char *url_setting;
    const char *url, *path;   /* joined */
    const char *token;        /* is shown, and what is answered counts; NULL: only the connection does */
    struct loop *loop;        /* runs while there are some left */
    unsigned *left;
    struct http_answer answer; /* without what it borrows */
};

static void answered(void *arg, const struct http_answer *answer)
{
    struct probe *p = arg;
    p->answer = (struct http_answer){ .outcome = answer->outcome, .status = answer->status, .err = answer->err };
    if (--*p->left == 0)
        loop_stop(p->loop);
}

/* Whether an answer will come. */
static bool begin(struct probe *p, struct http *http)
{
    struct buf url = { 0 }, authorization = { 0 };
    http_join_url(&url, p->url, p->path);
    buf_printf(&authorization, "Bearer %s", p->token != NULL ? p->token : "");
    const struct http_header header = { "Authorization", buf_sv(&authorization) };
    const struct http_request r = { .url = url.p, .get = true, .headers = &header, .headers_n = p->token != NULL && *p->token != '\0', .timeout_ms = PATIENCE_MS,
                                    .once = true, .connect_only = p->token == NULL, .status_only = true };
    bool begun = buf_ok(&url) && buf_ok(&authorization) && http_post(http, &r, answered, p) != NULL;
    buf_fini(&url);
    buf_fini(&authorization);
    if (!begun) {
        p->answer.outcome = HTTP_NOT_SENT;
        (void)err_set(&p->answer.err, ERR_MEMORY, "no memory");
    }
    return begun;
}

/* ---- what it means ---- */

static void judge_status(const struct probe *p, settings_finding_fn *fn, void *arg)
{
    char text[600];
    int status = p->answer.status;
    const char *said;
    bool wrong = status == 401 || status == 403;
    if (wrong)
        said = *p->token == '\0' ? "wants a token, and AI_SERVICE_TOKEN is empty" : "refuses AI_SERVICE_TOKEN";
    else if (status >= 500)
        said = "is in trouble";
    else if (status >= 300 && status < 400)
        said = "wants to be asked elsewhere, and redirects are not followed";
    else
        return; /* a list, or none of these: it is there */
    (void)snprintf(text, sizeof(text), "%s (%s) %s: status %d for GET %.*s%s", p->who, p->url_setting, said, status, URL_SHOWN, p->url, p->path);
    fn(arg, wrong, text);
}

static void judge(const struct probe *p, settings_finding_fn *fn, void *arg)
{
    char text[600];
    switch (p->answer.outcome) {
    case HTTP_ANSWERED:
        judge_status(p, fn, arg);
        return;
    case HTTP_TOO_LATE: /* the connection is there, and no more was wanted */
        return;
    case HTTP_NOT_SENT:
        (void)snprintf(text, sizeof(text), "%s (%s) cannot be reached at %.*s: %s", p->who, p->url_setting, URL_SHOWN, p->url, p->answer.err.text);
        break;
    case HTTP_UNKNOWN:
        (void)snprintf(text, sizeof(text), "%s (%s) does not answer GET %.*s%s: %s", p->who, p->url_setting, URL_SHOWN, p->url, p->path, p->answer.err.text);
        break;
    }
    fn(arg, true, text);
}

/* ---- whom to try ---- */

static size_t choose(const struct settings *s, struct probe *probes)
{
    size_t n = 0;
    if (s->ai_provider != AI_PROVIDER_SIMULATED) {
        bool openai = s->ai_provider == AI_PROVIDER_OPENAI;
        probes[n++] = (struct probe){ .who = "the AI service", .url_setting = "AI_SERVICE_URL", .url = s->ai_url, .path = openai ? "/models" : s->ai_path,
                                      .token = openai ? s->ai_token : NULL };
    }
    if (s->pancake_provider != PANCAKE_PROVIDER_LOG)
        probes[n++] = (struct probe){ .who = "the chat platform", .url_setting = "PANCAKE_BASE_URL", .url = settings_pancake_url(s), .path = "" };
    return n;
}

static void run(struct probe *probes, size_t n, struct loop *loop, struct http *http)
{
    unsigned left = 0;
    for (size_t i = 0; i < n; i++) {
        probes[i].loop = loop;
        probes[i].left = &left;
        left += begin(&probes[i], http);
    }
    if (left > 0)
        loop_run(loop);
}

void setup_probe(const struct settings *s, settings_finding_fn *fn, void *arg)
{
    const struct http_options o = { 0 };
    struct probe probes[2];
    size_t n = choose(s, probes);
    struct err e;
    struct loop *loop = loop_new();
    struct http *http = loop != NULL ? http_open(loop, &o, &e) : NULL;
    if (http != NULL) {
        run(probes, n, loop, http);
        for (size_t i = 0; i < n; i++)
            judge(&probes[i], fn, arg);
        setup_probe_pages(s, loop, http, fn, arg);
    } else {
        fn(arg, true, "no memory");
    }
    http_close(http);
    if (loop != NULL)
        loop_free(loop);
}
