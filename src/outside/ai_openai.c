/* SPDX-License-Identifier: MIT
 * An OpenAI-compatible service behind AI_SERVICE_URL. A question is one POST, or several: a try that failed in a way that may pass is repeated with
 * backoff or after the service's Retry-After, and an answer whose calls are wrong is sent back with what is wrong with them, all of it while there is
 * time. Once a round has given something, a later one that fails takes nothing away. Knows nothing of what becomes of the answer. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/backoff.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "outside/calls.h"
#include "outside/chat_prompt.h"
#include "outside/completion_calls.h"
#include "outside/completion_read.h"
#include "outside/endpoint.h"
#include "outside/http.h"
#include "outside/openai_reply.h"

enum {
    BACKOFF_MS = 250,
    BACKOFF_MAX_MS = 5000,
    HEADERS = 4,
    TOKEN_MIN = 6,
    AFTER_DONE_MS = 200,    /* how long the end of an answer is waited for once nothing can follow */
    AFTER_FINISH_MS = 2000, /* or only what a service says of its costs */
    GROWTH_MS = 200,        /* between two looks at a text that grows, and a ms more for so many bytes of it: each looks through all of it */
    GROWTH_BYTES = 8192,
};

#define PATH "/chat/completions"

struct openai {
    struct ai ai;
    struct loop *loop;
    struct http *http;
    struct endpoint at;
    struct ai_openai_options o; /* its numbers */
    enum completion_bound bound; /* the name that this service and model took last */
    bool hides; /* this model's thoughts begin before its answer's first byte: as far as its last answer shows, else as its name has it */
    struct call_link *calls;
};

struct ai_call {
    struct openai *ai;
    struct call_link link;
    ai_fn *fn;
    void *arg;
    ai_fault_fn *fault;
    ai_partial_fn *partial;
    struct buf turn_id, request_id, traceparent, key, body;
    struct chat_prompt prompt;
    struct completion_read read; /* of the try that is on its way */
    struct openai_reply reply;   /* of the rounds that are over */
    struct http_call *post;      /* NULL: between two tries */
    struct loop_timer *again;    /* between two tries the next one; during one, that its answer is whole although it goes on */
    struct loop_timer *grown;    /* the text has grown; NULL: nobody wants to know */
    size_t shown_at, shown;      /* where what is told of it begins; bytes that were told */
    int64_t next_told_ms;        /* mono; not before */
    int64_t begun_ms, deadline_ms;
    int failures, answers; /* tries that failed; answers that came whole, each of which makes the next try another question */
    unsigned changes;      /* of the endpoint, when it was asked */
    bool tools;            /* they are offered */
    bool renamed;          /* the bound of the answer goes by its other name already */
};

static void call_free(struct ai_call *c)
{
    struct buf *const all[] = { &c->turn_id, &c->request_id, &c->traceparent, &c->key, &c->body };
    loop_timer_free(c->again);
    loop_timer_free(c->grown);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_fini(all[i]);
    chat_prompt_fini(&c->prompt);
    completion_read_fini(&c->read);
    openai_reply_fini(&c->reply);
    free(c);
}

static void end(struct ai_call *c, struct ai_answer *a)
{
    a->took_ms = clock_mono_ms() - c->begun_ms;
    calls_leave(&c->link); /* from here on the call is nobody's but the caller's: its answer may close everything */
    c->fn(c->arg, a);
    call_free(c);
}

/* ---- the end ---- */

static void end_with_reply(struct ai_call *c)
{
    struct ai_answer a = { .outcome = AI_ANSWERED, .retry_after_ms = -1 };
    json_t *response, *actions;
    if (openai_reply_is_broken(&c->reply))
        log_warning("a JSON block in the AI's answer cannot be read, it is dropped", "request_id", c->request_id.p, "turn_id", c->turn_id.p, NULL);
    if (c->reply.left_out > 0)
        log_warning("a JSON block in the AI's answer has more actions than are looked at, the others are dropped", "request_id", c->request_id.p, "turn_id", c->turn_id.p, NULL);
    if (openai_reply_make(&c->reply, clock_mono_ms() - c->begun_ms, c->ai->at.model.p, &response, &actions) != 0) {
        a.outcome = AI_INVALID;
        (void)err_set(&a.err, ERR_MEMORY, "no memory for the answer");
    }
    a.response = response;
    a.actions = actions;
    end(c, &a);
    json_decref(response);
    json_decref(actions);
}

static void end_without(struct ai_call *c, struct ai_answer *a)
{
    if (openai_reply_is_some(&c->reply))
        end_with_reply(c);
    else
        end(c, a);
}

/* ---- tries ---- */

static int post(struct ai_call *c);

static void go_on(struct ai_call *c)
{
    struct ai_answer a = { .outcome = AI_UNREACHABLE, .retry_after_ms = -1 };
    if (post(c) == 0)
        return;
    (void)err_set(&a.err, ERR_MEMORY, "no memory for another try");
    end_without(c, &a);
}

/* True when another try is on its way. */
static bool retry(struct ai_call *c, int64_t retry_after_ms)
{
    int64_t wait_ms = backoff_ms((unsigned)c->failures, BACKOFF_MS, BACKOFF_MAX_MS);
    if (retry_after_ms > 0) /* not all who were told the same time at that very moment */
        wait_ms += retry_after_ms;
    if (++c->failures > c->ai->o.retries || wait_ms >= c->deadline_ms - clock_mono_ms())
        return false;
    loop_timer_set(c->again, wait_ms);
    return true;
}

/* False: it was an answer with nothing in it, as far as can be told only now. */
static bool round_is_over(struct ai_call *c)
{
    struct ai_answer a = { .outcome = AI_INVALID, .retry_after_ms = -1 };
    int failed = completion_calls_written(&c->read.completion);
    if (c->read.completion.left_out > 0)
        log_warning("the AI called more tools at once than are done, the others are left out", "request_id", c->request_id.p, "turn_id", c->turn_id.p, NULL);
    if (failed != 0 || openai_reply_add(&c->reply, &c->read.completion, c->fault) != 0) {
        (void)err_set(&a.err, ERR_MEMORY, "no memory for the answer");
        end(c, &a);
    } else if (openai_reply_is_empty(&c->reply)) {
        return false;
    } else if (openai_reply_has_wrong(&c->reply) && c->reply.rounds < (size_t)c->ai->o.rounds && clock_mono_ms() < c->deadline_ms) {
        chat_prompt_add_round(&c->prompt, &c->read.completion, openai_reply_verdict, &c->reply);
        if (openai_reply_is_broken(&c->reply))
            chat_prompt_add_unreadable(&c->prompt);
        go_on(c);
    } else if (openai_reply_is_broken(&c->reply) && !openai_reply_is_some(&c->reply)) {
        (void)err_set(&a.err, ERR_INVALID, "the answer is a JSON block that cannot be read");
        end(c, &a);
    } else {
        end_with_reply(c);
    }
    return true;
}

/* What a try came to that gave no answer. */
struct failure {
    struct ai_answer answer;
    bool passes; /* may be tried again */
};

static enum ai_outcome outcome_of_denial(enum completion_denial denial)
{
    return denial == DENIAL_ALL ? AI_DENIED : AI_REFUSED;
}

static struct failure failure_of_state(enum completion_state state, enum completion_denial denial, const struct err *e)
{
    struct failure f = { .answer = { .outcome = AI_INVALID, .retry_after_ms = -1, .err = *e }, .passes = true };
    switch (state) {
    case COMPLETION_GOOD:
    case COMPLETION_LENGTH:
    case COMPLETION_BROKEN:
    case COMPLETION_EMPTY:
        break;
    case COMPLETION_CUT:
    case COMPLETION_ERROR:
        f.answer.outcome = AI_UNREACHABLE;
        break;
    case COMPLETION_REFUSED:
    case COMPLETION_DENIED:
        f.answer.outcome = outcome_of_denial(denial);
        f.passes = false;
        break;
    case COMPLETION_LARGE:
        f.passes = false;
        break;
    }
    return f;
}

static struct failure failure_of_http(const struct http_answer *h)
{
    struct failure f = { .answer = { .outcome = AI_UNREACHABLE, .retry_after_ms = h->retry_after_ms, .err = h->err }, .passes = true };
    enum completion_denial denial = DENIAL_NONE;
    switch (h->outcome) {
    case HTTP_ANSWERED:
        f.answer.http_status = h->status;
        denial = completion_denial_of(h->status, h->body, &f.answer.err);
        f.passes = denial == DENIAL_NONE;
        break;
    case HTTP_NOT_SENT:
        f.passes = h->err.code != ERR_INVALID && h->err.code != ERR_RANGE;
        break;
    case HTTP_TOO_LATE:
        break;
    case HTTP_UNKNOWN:
        if (h->err.code == ERR_PROTOCOL) { /* what answers there is something else */
            f.answer.outcome = AI_INVALID;
            f.passes = false;
            return f;
        }
        break;
    }
    if (!f.passes)
        f.answer.outcome = outcome_of_denial(denial);
    return f;
}

/* Services repeat what they were sent where nobody looks for it; what is behind it is not told, either. Shorter ones stand in every text. */
static void mask_token(struct err *e, struct sv authorization)
{
    struct sv token = authorization;
    (void)sv_split(&token, ' ');
    char *at = token.n >= TOKEN_MIN ? memmem(e->text, strlen(e->text), token.p, token.n) : NULL;
    if (at != NULL)
        (void)snprintf(at, sizeof(e->text) - (size_t)(at - e->text), "[masked]");
}

static void failed(struct ai_call *c, struct failure *f)
{
    mask_token(&f->answer.err, buf_sv(&c->ai->at.authorization));
    if (f->passes && retry(c, f->answer.retry_after_ms))
        return;
    end_without(c, &f->answer);
}

/* True when the question is asked again with the other name for the answer's bound. This counts as no try. */
static bool rename_bound(struct ai_call *c, const struct http_answer *h)
{
    struct chat_prompt *p = &c->prompt;
    if (c->renamed || p->answer_tokens <= 0 || h->outcome != HTTP_ANSWERED || !completion_is_misnamed(h->status, h->body, p->bound) || clock_mono_ms() >= c->deadline_ms)
        return false;
    c->renamed = true;
    c->answers++;
    p->bound = p->bound == COMPLETION_OLDER_BOUND ? COMPLETION_NEWER_BOUND : COMPLETION_OLDER_BOUND;
    go_on(c);
    return true;
}

/* What a good answer tells of how others of this service and model will be. */
static void learn(struct ai_call *c, bool whole, enum completion_state state)
{
    struct openai *ai = c->ai;
    enum thoughts how;
    if (!whole || c->changes != ai->at.changes)
        return;
    ai->bound = c->prompt.bound;
    (void)completion_said(&c->read.completion, &how);
    if (state == COMPLETION_GOOD && c->read.completion.text.n > 0)
        ai->hides = how == THOUGHTS_UNOPENED;
}

/* h NULL: the answer went on behind its end. */
static void judge(struct ai_call *c, const struct http_answer *h)
{
    struct err e = { 0 };
    bool whole = h == NULL || (h->outcome == HTTP_ANSWERED && h->status >= 200 && h->status < 300);
    if (!whole && rename_bound(c, h))
        return;
    enum completion_state state = whole || c->read.bytes > 0 ? completion_read_end(&c->read, &e) : COMPLETION_CUT;
    learn(c, whole, state);
    bool cut = state == COMPLETION_CUT || state == COMPLETION_BROKEN || state == COMPLETION_EMPTY;
    struct failure f = !whole && cut ? failure_of_http(h) : failure_of_state(state, c->read.completion.denial, &e);
    c->answers += whole;
    if (whole && h != NULL)
        f.answer.http_status = h->status;
    if (state == COMPLETION_GOOD && round_is_over(c))
        return;
    if (state == COMPLETION_GOOD)
        (void)err_set(&f.answer.err, ERR_INVALID, "the AI service's answer is empty");
    failed(c, &f);
}

static void answered(void *arg, const struct http_answer *h)
{
    struct ai_call *c = arg;
    c->post = NULL;
    loop_timer_stop(c->again);
    if (c->grown != NULL)
        loop_timer_stop(c->grown);
    else if (h->outcome == HTTP_ANSWERED && h->status >= 200 && h->status < 300)
        c->read.large |= !completion_read_add(&c->read, h->content_type, h->body);
    judge(c, h);
}

static void again(void *arg)
{
    struct ai_call *c = arg;
    if (c->post == NULL) {
        go_on(c);
        return;
    }
    http_abort(c->post);
    c->post = NULL;
    loop_timer_stop(c->grown);
    judge(c, NULL);
}

/* ---- a text that grows ---- */

/* SV(""): there is nothing new to tell. */
static struct sv growth(struct ai_call *c)
{
    struct sv text = completion_shown(&c->read.completion);
    size_t at = text.n > 0 ? (size_t)(text.p - c->read.completion.text.p) : 0;
    if (text.n > 0 && at != c->shown_at) {
        c->shown_at = at;
        c->shown = 0;
    }
    return text.n > c->shown ? text : SV("");
}

static bool take_piece(void *arg, struct sv content_type, struct sv piece)
{
    struct ai_call *c = arg;
    const struct completion *now = &c->read.completion;
    bool was_done = now->done, had_finished = now->finish.n > 0;
    bool more = completion_read_add(&c->read, content_type, piece);
    if (!loop_timer_is_set(c->grown))
        loop_timer_set(c->grown, c->next_told_ms - clock_mono_ms());
    if (now->done && !was_done)
        loop_timer_set(c->again, AFTER_DONE_MS);
    else if (!now->done && now->finish.n > 0 && !had_finished)
        loop_timer_set(c->again, AFTER_FINISH_MS);
    return more;
}

/* From a timer, so that whoever is told may abort the call. */
static void tell_growth(void *arg)
{
    struct ai_call *c = arg;
    struct sv text = growth(c);
    if (c->ai->o.growth_ms >= 0)
        c->next_told_ms = clock_mono_ms() + (c->ai->o.growth_ms > 0 ? c->ai->o.growth_ms : GROWTH_MS) + (int64_t)(c->read.completion.text.n / GROWTH_BYTES);
    if (text.n == 0)
        return;
    c->shown = text.n;
    c->partial(c->arg, text);
}

/* ---- asking ---- */

static int render_question(struct ai_call *c)
{
    buf_clear(&c->body);
    buf_clear(&c->key);
    chat_prompt_render(&c->body, &c->prompt);
    buf_add(&c->key, buf_sv(&c->turn_id));
    if (c->answers > 0 && c->key.n > 0)
        buf_printf(&c->key, ".%d", c->answers + 1);
    return buf_ok(&c->body) && buf_ok(&c->key) ? 0 : -1;
}

static int post(struct ai_call *c)
{
    const struct openai *ai = c->ai;
    const bool streamed = c->grown != NULL; /* else not a byte may come before the answer is complete, and to cut it off would be to pay twice */
    int64_t left_ms = c->deadline_ms - clock_mono_ms();
    completion_read_fini(&c->read);
    completion_read_init(&c->read);
    c->read.completion.hides = ai->hides;
    c->read.completion.tools = c->tools;
    c->shown_at = c->shown = 0;
    if (render_question(c) != 0)
        return -1;
    const struct http_header wanted[HEADERS] = {
        { "Idempotency-Key", buf_sv(&c->key) },
        { "X-Request-ID", buf_sv(&c->request_id) },
        { "traceparent", buf_sv(&c->traceparent) },
        { "Authorization", buf_sv(&ai->at.authorization) },
    };
    struct http_header headers[HEADERS];
    struct http_request r = {
        .url = ai->at.url.p,
        .body = buf_sv(&c->body),
        .body_borrowed = true,
        .headers = headers,
        .timeout_ms = left_ms > 0 ? left_ms : 1,
        .first_byte_ms = streamed ? ai->o.first_byte_ms : 0,
        .silence_ms = streamed ? ai->o.silence_ms : 0,
        .on_piece = streamed ? take_piece : NULL,
        .on_piece_arg = c,
    };
    for (size_t i = 0; i < HEADERS; i++)
        if (wanted[i].value.n > 0)
            headers[r.headers_n++] = wanted[i];
    c->post = http_post(ai->http, &r, answered, c);
    return c->post != NULL ? 0 : -1;
}

static int prepare(struct ai_call *c, const struct ai_request *r)
{
    const struct openai *ai = c->ai;
    const struct chat_prompt_options o = {
        .model = buf_sv(&ai->at.model),
        .system_prompt = buf_sv(&ai->at.prompt),
        .context_tokens = ai->o.context_tokens,
        .answer_tokens = ai->o.answer_tokens,
        .tools = ai->o.tools,
        .stream_usage = ai->o.stream_usage,
    };
    c->changes = ai->at.changes;
    c->tools = o.tools && r->tools.n > 0;
    c->prompt.bound = ai->bound;
    chat_prompt_init(&c->prompt, &o, r);
    buf_add(&c->turn_id, r->turn_id);
    buf_add(&c->request_id, r->request_id);
    buf_add(&c->traceparent, r->traceparent);
    c->again = loop_timer_new(ai->loop, again, c);
    c->grown = r->partial != NULL ? loop_timer_new(ai->loop, tell_growth, c) : NULL;
    bool fits = chat_prompt_ok(&c->prompt) && buf_ok(&c->turn_id) && buf_ok(&c->request_id) && buf_ok(&c->traceparent);
    return fits && c->again != NULL && (r->partial == NULL || c->grown != NULL) ? 0 : -1;
}

static struct ai_call *openai_ask(struct ai *ai, const struct ai_request *r, ai_fn *fn, void *arg)
{
    struct openai *o = (struct openai *)ai;
    struct ai_call *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    *c = (struct ai_call){ .ai = o, .fn = fn, .arg = arg, .fault = r->fault, .partial = r->partial, .begun_ms = clock_mono_ms() };
    c->deadline_ms = c->begun_ms + r->timeout_ms;
    calls_enter(&o->calls, &c->link);
    if (prepare(c, r) == 0 && post(c) == 0)
        return c;
    calls_leave(&c->link);
    call_free(c);
    return NULL;
}

static void openai_abort(struct ai *ai, struct ai_call *c)
{
    (void)ai;
    if (c->post != NULL)
        http_abort(c->post);
    calls_leave(&c->link);
    call_free(c);
}

/* ---- opening ---- */

static void openai_close(struct ai *ai)
{
    struct openai *o = (struct openai *)ai;
    while (o->calls != NULL)
        openai_abort(ai, CONTAINER_OF(o->calls, struct ai_call, link));
    endpoint_fini(&o->at);
    free(o);
}

static const struct ai_ops openai_ops = {
    .name = "openai",
    .streams = true,
    .ask = openai_ask,
    .abort = openai_abort,
    .close = openai_close,
};

int ai_openai_set(struct ai *ai, const struct ai_openai_options *o, struct err *e)
{
    struct openai *to = (struct openai *)ai;
    const struct endpoint_options at = { .url = o->url, .path = o->path != NULL ? o->path : PATH, .token = o->token, .model = o->model, .prompt = o->system_prompt };
    if (o->model == NULL || *o->model == '\0')
        return err_set(e, ERR_INVALID, "the provider openai needs the name of a model");
    unsigned changes = to->at.changes;
    if (endpoint_set(&to->at, &at, e) != 0)
        return -1;
    if (to->at.changes != changes) {
        to->bound = COMPLETION_OLDER_BOUND;
        to->hides = thoughts_are_likely(buf_sv(&to->at.model));
    }
    to->o = *o;
    to->o.url = to->o.path = to->o.token = to->o.model = to->o.system_prompt = NULL; /* these are copied */
    return 0;
}

struct ai *ai_openai_open(struct loop *l, struct http *h, const struct ai_openai_options *o, struct err *e)
{
    struct openai *to = calloc(1, sizeof(*to));
    if (to == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory");
        return NULL;
    }
    *to = (struct openai){ .ai = { &openai_ops }, .loop = l, .http = h };
    if (ai_openai_set(&to->ai, o, e) == 0)
        return &to->ai;
    free(to);
    return NULL;
}
