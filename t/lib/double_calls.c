/* SPDX-License-Identifier: MIT
 * See double_calls.h; what the script's fields mean is told at the top of double.c. A request that is not answered at
 * once is a struct pending, owned by the connection's wait until it ends or the caller goes away. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/map.h"
#include "t/lib/double_calls.h"

void calls_refuse(struct conn *c, int status, const char *text)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "error", sv_from(text));
    json_obj_end(&o);
    server_answer(c, &(struct answer){ .status = status, .body = buf_sv(&b), .retry_after_s = -1 });
    buf_fini(&b);
}

/* A request that is answered later. */
struct pending {
    struct waiting waiting; /* first */
    struct scene *d;
    struct conn *conn;
    size_t entry;
    bool ai;
    enum { THEN_ANSWER, THEN_RESET, THEN_HALF, THEN_TRICKLE } then;
    int64_t slow_ms;
    struct answer answer;
    struct buf body;
};

/* ---- ending a call ---- */

static void pending_free(struct pending *p)
{
    buf_fini(&p->body);
    free(p);
}

static void note_end(struct pending *p, int status, bool closed_early)
{
    if (p->ai)
        ledger_ai_end(p->d->ledger, p->entry, status, closed_early);
    else
        ledger_platform_end(p->d->ledger, p->entry, status, closed_early);
}

/* The delay is over. The end is noted before the answer leaves, so that a caller who has it finds it in the ledger. */
static void pending_due(void *arg)
{
    struct pending *p = arg;
    p->answer.body = buf_sv(&p->body);
    note_end(p, p->then == THEN_RESET || p->then == THEN_HALF ? 0 : p->answer.status, false);
    switch (p->then) {
    case THEN_ANSWER:
        server_answer(p->conn, &p->answer);
        break;
    case THEN_RESET:
        server_cut(p->conn, NULL);
        break;
    case THEN_HALF:
        server_cut(p->conn, &p->answer);
        break;
    case THEN_TRICKLE:
        server_trickle(p->conn, &p->answer, p->slow_ms);
        break;
    }
    pending_free(p);
}

static void pending_gone(struct waiting *w)
{
    struct pending *p = (struct pending *)w;
    note_end(p, 0, true);
    pending_free(p);
}

void calls_gone(void *arg, struct conn *c, void *pending)
{
    struct waiting *w = pending;
    (void)arg;
    (void)c;
    if (w != NULL)
        w->gone(w);
}

static void finish(struct pending *p, bool hang, int64_t delay_ms)
{
    if (hang)
        server_wait(p->conn, -1, pending_due, p);
    else if (delay_ms > 0)
        server_wait(p->conn, delay_ms, pending_due, p);
    else
        pending_due(p);
}

static struct pending *pending_new(struct scene *d, struct conn *c, bool ai)
{
    struct pending *p = calloc(1, sizeof *p);
    if (p == NULL)
        abort();
    *p = (struct pending){
        .waiting = { pending_gone }, .d = d, .conn = c, .ai = ai, .answer = { .status = 200, .retry_after_s = -1 }
    };
    return p;
}

static struct script *script_for(struct scene *d, struct sv conversation_id)
{
    struct script *s = conversation_id.n > 0 ? map_find(d->overrides, conversation_id) : NULL;
    return s != NULL ? s : &d->script;
}

static struct ledger_call call_of(const struct request *r, const json_t *body)
{
    return (struct ledger_call){ .conversation_id = json_sv(body, "conversation_id"),
                                 .turn_id = r->idempotency_key,
                                 .request_id = r->request_id,
                                 .traceparent = r->traceparent,
                                 .path = r->path,
                                 .authorization = r->authorization,
                                 .body = body };
}

/* ---- the AI ---- */

/* Ids and texts of the customer's messages after the last reply. */
static void unanswered(const json_t *body, json_t *ids, json_t *texts)
{
    size_t i;
    const json_t *message, *messages = json_object_get(body, "messages");
    json_array_foreach(messages, i, message)
    {
        const char *role = json_string_value(json_object_get(message, "role"));
        if (role != NULL && strcmp(role, "assistant") == 0) {
            json_array_clear(ids);
            json_array_clear(texts);
        } else if (role != NULL && strcmp(role, "user") == 0) {
            json_array_append(ids, json_object_get(message, "message_id"));
            json_array_append(texts, json_object_get(message, "content"));
        }
    }
}

static void response_text(struct buf *b, const char *nonce, const json_t *ids, const json_t *texts)
{
    buf_add(b, sv_from(nonce));
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const char *id = json_string_value(json_array_get(ids, i)), *text = json_string_value(json_array_get(texts, i));
        buf_printf(b, "%s [%s] %s", i > 0 ? " |" : "", id != NULL ? id : "?", text != NULL ? text : "");
    }
}

static void render_reply(struct buf *out, const struct script_ai *s, const char *nonce, const json_t *ids,
                         const json_t *texts)
{
    struct json_out o = { .b = out };
    struct buf text = { 0 };
    bool wrap = s->wrap || s->actions != NULL;
    response_text(&text, nonce, ids, texts);
    json_obj(&o);
    if (wrap) {
        json_key(&o, "ai_response");
        json_obj(&o);
    }
    json_kstr(&o, "response_text", s->text != NULL ? sv_from(s->text) : buf_sv(&text));
    json_kstr(&o, "intent", SV("double"));
    json_kraw(&o, "confidence", SV("0.95"));
    json_key(&o, "entities");
    json_obj(&o);
    json_kstr(&o, "nonce", sv_from(nonce));
    json_kval(&o, "message_ids", ids);
    json_kval(&o, "texts", texts);
    json_obj_end(&o);
    json_kstr(&o, "model_used", SV("double"));
    if (wrap) {
        json_obj_end(&o);
        if (s->actions != NULL)
            json_kraw(&o, "actions", sv_from(s->actions));
    }
    json_obj_end(&o);
    buf_fini(&text);
}

/* Status, body and way of ending that the script wants. */
static void script_answer(struct pending *p, const struct script_ai *s)
{
    static const int then[] = {
        [AI_CUT_NONE] = THEN_ANSWER,
        [AI_CUT_BEFORE_READ] = THEN_RESET,
        [AI_CUT_AFTER_READ] = THEN_RESET,
        [AI_CUT_MID_ANSWER] = THEN_HALF,
    };
    p->then = then[s->cut];
    p->answer.chunked = s->chunked;
    p->answer.status = (int)(s->fail_next > 0 ? s->fail_status : s->status);
    if (p->answer.status != 200)
        p->answer.retry_after_s = s->retry_after;
    if (s->fail_next > 0)
        p->then = THEN_ANSWER;
    if (s->body != NULL && s->fail_next == 0) {
        buf_clear(&p->body);
        buf_add(&p->body, sv_from(s->body));
    } else if (p->answer.status != 200) {
        buf_clear(&p->body);
        buf_add(&p->body, SV("{\"error\":\"scripted failure\"}"));
    }
}

static const char quiet_reply[] =
    "{\"response_text\":\"quiet\",\"intent\":\"double\",\"confidence\":0.95,\"entities\":{},"
    "\"model_used\":\"double\"}";

/* The entry in the ledger and the reply. */
static void hear_ai(struct pending *p, const struct script_ai *s, struct ledger_call *call)
{
    struct scene *d = p->d;
    if (d->quiet) {
        buf_add(&p->body, sv_from(quiet_reply));
        p->entry = ledger_ai_start(d->ledger, call);
        return;
    }
    json_t *ids = json_array(), *texts = json_array();
    char nonce[32];
    (void)snprintf(nonce, sizeof nonce, "%s-%llu", d->run, (unsigned long long)++d->nonces);
    unanswered(call->body, ids, texts);
    call->message_ids = ids;
    call->messages = (int64_t)json_array_size(json_object_get(call->body, "messages"));
    call->nonce = sv_from(nonce);
    call->keep = s->keep;
    render_reply(&p->body, s, nonce, ids, texts);
    p->entry = ledger_ai_start(d->ledger, call);
    json_decref(ids);
    json_decref(texts);
}

void calls_ai(struct scene *d, struct conn *c, const struct request *r)
{
    json_t *body = NULL;
    struct err e;
    if (!d->quiet && (body = json_read(r->body, false, &e)) == NULL) {
        calls_refuse(c, 400, e.text);
        return;
    }
    struct ledger_call call = call_of(r, body);
    struct script_ai *s = &script_for(d, call.conversation_id)->ai;
    bool fail = s->fail_next > 0;
    if (s->cut == AI_CUT_BEFORE_READ && !fail) {
        script_ai_used(s);
        server_cut(c, NULL);
    } else {
        struct pending *p = pending_new(d, c, true);
        bool hang = s->hang && !fail;
        int64_t delay_ms = fail ? 0 : s->delay_ms;
        hear_ai(p, s, &call);
        script_answer(p, s);
        script_ai_used(s);
        finish(p, hang, delay_ms);
    }
    json_decref(body);
}

/* ---- the platform ---- */

static void platform_answer(struct pending *p, const struct script_platform *s, int64_t actions)
{
    int64_t executed = s->actions_executed >= 0 ? s->actions_executed : actions;
    p->slow_ms = s->slow_ms;
    switch ((enum platform_mode)s->mode) {
    case MODE_OK:
    case MODE_HANG:
        break;
    case MODE_SLOW:
        p->then = THEN_TRICKLE;
        break;
    case MODE_FAIL_STATUS:
        p->answer.status = (int)s->status;
        p->answer.retry_after_s = s->retry_after;
        buf_add(&p->body, s->body != NULL ? sv_from(s->body) : SV("{\"success\":false,\"error\":\"scripted status\"}"));
        return;
    case MODE_SUCCESS_FALSE:
        buf_add(&p->body,
                s->body != NULL ? sv_from(s->body) : SV("{\"success\":false,\"error\":\"scripted refusal\"}"));
        return;
    case MODE_CUT_BEFORE_APPLY:
    case MODE_CUT_AFTER_APPLY:
        p->then = THEN_RESET;
        break;
    }
    if (s->body != NULL)
        buf_add(&p->body, sv_from(s->body));
    else
        buf_printf(&p->body, "{\"success\":true,\"actions_executed\":%lld}", (long long)executed);
}

void calls_platform(struct scene *d, struct conn *c, const struct request *r)
{
    json_t *body = NULL;
    struct err e;
    if (!d->quiet && (body = json_read(r->body, false, &e)) == NULL) {
        calls_refuse(c, 400, e.text);
        return;
    }
    struct ledger_call call = call_of(r, body);
    struct script_platform *s = &script_for(d, call.conversation_id)->platform;
    if (s->mode == MODE_CUT_BEFORE_APPLY) {
        ledger_platform_cut(d->ledger);
        script_platform_used(s);
        json_decref(body);
        server_cut(c, NULL);
        return;
    }
    struct pending *p = pending_new(d, c, false);
    call.message_ids = json_object_get(body, "message_ids");
    call.mode = script_mode_name(s->mode);
    call.applied = s->mode == MODE_FAIL_STATUS ? s->apply : s->mode != MODE_SUCCESS_FALSE;
    p->entry = ledger_platform(d->ledger, &call);
    platform_answer(p, s, d->quiet ? 1 : (int64_t)json_array_size(json_object_get(body, "actions")));
    bool hang = s->mode == MODE_HANG;
    int64_t delay_ms = s->delay_ms;
    script_platform_used(s);
    json_decref(body);
    finish(p, hang, delay_ms);
}
