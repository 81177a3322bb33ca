/* SPDX-License-Identifier: MIT
 * An AI for trying things out: waits, then answers with a sentence that repeats what it was asked, so that one sees
 * which messages were answered together. Needs no network. */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "lib/loop.h"
#include "outside/ai.h"
#include "outside/calls.h"

enum { TEXTS_MAX = 20, TEXT_MAX = 400 };

struct simulated {
    struct ai ai;
    struct loop *loop;
    int64_t delay_ms;
    struct call_link *calls;
};

struct ai_call {
    struct call_link link;
    ai_fn *fn;
    void *arg;
    struct loop_timer *timer;
    int64_t begun_ms;
    json_t *response;
};

static void call_free(struct ai_call *c)
{
    loop_timer_free(c->timer);
    json_decref(c->response);
    free(c);
}

/* ---- the sentence ---- */

static bool is_question(const struct ai_message *m)
{
    return sv_eq(m->role, SV("user"));
}

/* Messages after the last reply. */
static size_t first_open(const struct ai_request *r)
{
    size_t i = r->messages_n;
    while (i > 0 && !sv_eq(r->messages[i - 1].role, SV("assistant")))
        i--;
    return i;
}

static void quote(struct buf *b, const struct ai_message *m)
{
    json_t *text = json_read(m->content_json, true, NULL);
    struct sv whole = { json_string_value(text), json_string_length(text) };
    struct sv shown = whole.p != NULL ? sv_cut_utf8(whole, TEXT_MAX) : SV("");
    buf_add(b, SV("\xe2\x80\x9c"));
    buf_add(b, shown);
    buf_add(b, shown.n < whole.n ? SV("\xe2\x80\xa6\xe2\x80\x9d") : SV("\xe2\x80\x9d"));
    json_decref(text);
}

static void write_sentence(struct buf *b, const struct ai_request *r)
{
    size_t n = 0, quoted = 0;
    for (size_t i = first_open(r); i < r->messages_n; i++)
        n += is_question(&r->messages[i]);
    buf_add(b, n == 1 ? SV("Thank you for your message. You wrote: ") : SV("Thank you for your messages. "));
    if (n != 1)
        buf_printf(b, "You wrote %zu: ", n);
    for (size_t i = first_open(r); i < r->messages_n && quoted < TEXTS_MAX; i++) {
        if (!is_question(&r->messages[i]))
            continue;
        if (quoted++ > 0)
            buf_add(b, SV(", "));
        quote(b, &r->messages[i]);
    }
    if (quoted < n)
        buf_printf(b, " and %zu more", n - quoted);
    buf_add(b, SV(". How else may I help you?"));
}

static json_t *make_response(const struct ai_request *r)
{
    struct buf text = { 0 };
    write_sentence(&text, r);
    json_t *response = buf_ok(&text)
                           ? json_pack("{s:s%, s:s, s:f, s:{}, s:s}", "response_text", text.p, text.n, "intent",
                                       "simulated", "confidence", 0.9, "entities", "model_used", "simulated")
                           : NULL;
    buf_fini(&text);
    return response;
}

/* ---- calls ---- */

static void due(void *arg)
{
    struct ai_call *c = arg;
    struct ai_answer a = { .outcome = AI_ANSWERED, .retry_after_ms = -1, .took_ms = clock_mono_ms() - c->begun_ms };
    a.response = c->response;
    if (json_object_set_new(c->response, "processing_time_ms", json_integer(a.took_ms)) != 0) {
        a.outcome = AI_UNREACHABLE;
        (void)err_set(&a.err, ERR_MEMORY, "no memory");
    }
    calls_leave(&c->link); /* from here on the call is nobody's but the caller's: its answer may close everything */
    c->fn(c->arg, &a);
    call_free(c);
}

static struct ai_call *simulated_ask(struct ai *ai, const struct ai_request *r, ai_fn *fn, void *arg)
{
    struct simulated *s = (struct simulated *)ai;
    struct ai_call *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    *c = (struct ai_call){ .fn = fn, .arg = arg, .begun_ms = clock_mono_ms() };
    calls_enter(&s->calls, &c->link);
    c->response = make_response(r);
    c->timer = loop_timer_new(s->loop, due, c);
    if (c->response == NULL || c->timer == NULL) {
        calls_leave(&c->link);
        call_free(c);
        return NULL;
    }
    loop_timer_set(c->timer, s->delay_ms);
    return c;
}

static void simulated_abort(struct ai *ai, struct ai_call *c)
{
    (void)ai;
    calls_leave(&c->link);
    call_free(c);
}

static void simulated_close(struct ai *ai)
{
    struct simulated *s = (struct simulated *)ai;
    while (s->calls != NULL)
        simulated_abort(ai, CONTAINER_OF(s->calls, struct ai_call, link));
    free(s);
}

static const struct ai_ops simulated_ops = {
    .name = "simulated",
    .ask = simulated_ask,
    .abort = simulated_abort,
    .close = simulated_close,
};

struct ai *ai_simulated_open(struct loop *l, int64_t delay_ms, struct err *e)
{
    struct simulated *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory");
        return NULL;
    }
    *s = (struct simulated){ .ai = { &simulated_ops }, .loop = l, .delay_ms = delay_ms };
    return &s->ai;
}
