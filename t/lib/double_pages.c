/* SPDX-License-Identifier: MIT
 * Pancake's page API, played with real state: what was sent is there to be read, by its tokens, within its limit, and goes wrong when it is told to.
 *
 * POST .../public_api/v1/pages/{page}/conversations/{id}/messages   {"action":"reply_inbox"|"reply_comment","message","message_id"}
 * GET  the same, ?current_count=     GET .../public_api/v2/pages/{page}/conversations?since=&until=&last_conversation_id=
 *     all with ?page_access_token=. Wrong: 401. Over the limit: 429. Understood and refused (no such conversation, the action of another kind of
 *     conversation, a comment that is none, no text or too much of it for the page's platform): 200 with "success": false.
 *
 * POST /pages/control    options, null restores one: tokens {page: token}, added to those that are known; limit (5, 0: none) calls in any second;
 *     retry_after (-1) that a 429 says; visible_after (0): the read from which on a new message is shown; numeric_ids; no_originals (messages
 *     without original_message); webhook_url (the page's id is put behind it), webhook_auth (secret | signature | bearer | none),
 *     webhook_secret, webhook_token, webhook_timeout_ms, webhook_retries (0), webhook_retry_ms, connections (20);
 *     echo_times (0): webhooks that tell of each message that the API made, echo_delay_ms, echo_first: before the send's answer.
 *     forget_rules: true; rules: [{call: send|read|list|any, page, conversation_id, text (part of the message), skip, times (0: all),
 *     do: nothing|status|success_false|hang|cut|half|body|slow|duplicate_id, store, status, retry_after, body, delay_ms, slow_ms}]; the first that fits
 *     a call is its. store: whether a send takes effect (not with status and success_false, unless said). Answers the rules with how often they were used.
 * POST /pages/say        {"messages":[{page, conversation_id, as: customer|staff|page, text, type: INBOX|COMMENT, post_id, customer_id, customer_name,
 *     attachments, id, reply_to} or {page, conversation_id, edit: id, text} or {.., remove: id}], times (0): webhooks for each; seed (0: in order),
 *     delay_ms, spread_ms}. Answers {"ids":[...],"webhooks":[the bodies]}
 * GET /pages/ledger[?conversation_id=]   {conversation: {page, type, reads, messages: [{id, who, text, at_us, reply_to, removed}]}}: what people see
 * GET /pages/calls[?page=&conversation_id=]   GET /pages/stats[?page=]   GET /pages/deliveries */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "t/lib/double_calls.h"
#include "t/lib/double_pages.h"
#include "t/lib/double_pages_calls.h"
#include "t/lib/double_pages_hooks.h"
#include "t/lib/double_pages_state.h"
#include "t/lib/double_query.h"

enum { BEAT_MS = 20 };

struct pages_double {
    struct loop *loop;
    struct pages_state *state;
    struct pages_rules rules;
    struct page_calls *calls;
    struct hooks *hooks;
    struct loop_timer *beat; /* runs from the first call on: how late this process is itself */
    int64_t beat_due_ms, late_ms;
};

/* A call that is under way. Owned by the connection's wait, or by its echoes until they are told. */
struct page_pending {
    struct waiting waiting; /* first */
    struct pages_double *p;
    struct conn *conn;
    struct hooks_batch *echoes; /* its answer waits for them */
    size_t call;
    enum pages_do does;
    int64_t slow_ms;
    struct answer answer;
    struct buf body;
};

static struct pages_style style(const struct pages_double *p)
{
    return (struct pages_style){ .numeric_ids = p->rules.options.numeric_ids, .no_originals = p->rules.options.no_originals };
}

/* ---- what a request says ---- */

struct target {
    enum pages_kind kind;
    struct buf page, conversation;
};

/* False: not an endpoint of the API. `path` begins behind /public_api/. */
static bool read_target(struct sv path, struct sv method, struct target *t)
{
    bool post = sv_eq(method, SV("POST"));
    struct sv version = sv_split(&path, '/');
    if (!sv_eq(sv_split(&path, '/'), SV("pages")))
        return false;
    query_decode(&t->page, sv_split(&path, '/'));
    if (!sv_eq(sv_split(&path, '/'), SV("conversations")))
        return false;
    if (path.n == 0) {
        t->kind = PAGES_LIST;
        return sv_eq(version, SV("v2")) && !post;
    }
    query_decode(&t->conversation, sv_split(&path, '/'));
    t->kind = post ? PAGES_SEND : PAGES_READ;
    return sv_eq(version, SV("v1")) && sv_eq(path, SV("messages"));
}

static bool authorized(const struct pages_double *p, struct sv page, struct sv query)
{
    struct buf token = { 0 }, name = { 0 };
    buf_add(&name, page);
    query_value(&token, query, SV("page_access_token"));
    struct sv want = page.n > 0 ? json_sv(p->rules.tokens, name.p) : SV_NONE;
    bool yes = want.n > 0 && sv_eq(want, buf_sv(&token));
    buf_fini(&token);
    buf_fini(&name);
    return yes;
}

/* ---- ending a call ---- */

static void pending_free(struct page_pending *w)
{
    if (w->echoes != NULL)
        hooks_batch_forget(w->echoes);
    buf_fini(&w->body);
    free(w);
}

static void pending_gone(struct waiting *waiting)
{
    struct page_pending *w = (struct page_pending *)waiting;
    page_calls_ends(w->p->calls, w->call, 0, true);
    pending_free(w);
}

static void pending_due(void *arg)
{
    struct page_pending *w = arg;
    bool cut = w->does == PAGES_DO_CUT || w->does == PAGES_DO_HALF;
    w->answer.body = buf_sv(&w->body);
    page_calls_ends(w->p->calls, w->call, cut ? 0 : w->answer.status, false);
    if (w->does == PAGES_DO_CUT)
        server_cut(w->conn, NULL);
    else if (w->does == PAGES_DO_HALF)
        server_cut(w->conn, &w->answer);
    else if (w->does == PAGES_DO_SLOW)
        server_trickle(w->conn, &w->answer, w->slow_ms);
    else
        server_answer(w->conn, &w->answer);
    pending_free(w);
}

static void echoes_told(void *arg)
{
    struct page_pending *w = arg;
    w->echoes = NULL;
    pending_due(w);
}

static void finish(struct page_pending *w, int64_t delay_ms)
{
    if (w->does == PAGES_DO_HANG || w->echoes != NULL)
        server_wait(w->conn, -1, pending_due, w);
    else if (delay_ms > 0)
        server_wait(w->conn, delay_ms, pending_due, w);
    else
        pending_due(w);
}

static void say(struct page_pending *w, int status, const char *text)
{
    struct json_out o = { .b = &w->body };
    buf_clear(&w->body);
    w->answer.status = status;
    json_obj(&o);
    json_kbool(&o, "success", false);
    json_kstr(&o, "message", sv_from(text));
    json_obj_end(&o);
}

/* ---- sends ---- */

static size_t characters(struct sv text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
    return n;
}

static size_t characters_max(struct sv page)
{
    return sv_starts(page, SV("igo_")) ? 1000 : sv_starts(page, SV("ttm_")) ? 500 : 2000;
}

struct wish {
    struct page_conversation *conversation;
    struct sv text;
    struct buf reply_to;
    const char *wrong; /* why it is refused; NULL: it is not */
    int status;
};

static const char *wrong_action(struct wish *w, struct sv action, const json_t *comment)
{
    bool of_comment = strcmp(w->conversation->type, "COMMENT") == 0;
    if (!sv_eq(action, of_comment ? SV("reply_comment") : SV("reply_inbox")))
        return "the action is not for this kind of conversation";
    if (!of_comment)
        return NULL;
    if (json_is_integer(comment))
        buf_i64(&w->reply_to, json_integer_value(comment));
    else
        buf_add(&w->reply_to, sv_from(json_string_value(comment)));
    const struct page_message *m = state_message(w->conversation, buf_sv(&w->reply_to));
    return m == NULL ? "no such comment" : m->removed ? "the comment was removed" : NULL;
}

static void read_wish(struct pages_double *p, const struct target *t, const json_t *body, struct wish *w)
{
    w->status = 200;
    w->text = json_sv(body, "message");
    w->conversation = state_find(p->state, buf_sv(&t->page), buf_sv(&t->conversation));
    if (body == NULL) {
        w->status = 400;
        w->wrong = "not JSON";
    } else if (json_object_get(body, "message") != NULL && json_object_get(body, "content_ids") != NULL) {
        w->status = 500;
        w->wrong = "message and content_ids";
    } else if (w->conversation == NULL) {
        w->wrong = "no such conversation";
    } else if (w->text.n == 0) {
        w->wrong = "no message";
    } else if (characters(w->text) > characters_max(buf_sv(&t->page))) {
        w->wrong = "the message is too long";
    } else {
        w->wrong = wrong_action(w, json_sv(body, "action"), json_object_get(body, "message_id"));
    }
}

static void tell_echo(struct page_pending *w, const struct page_conversation *c, const struct page_message *m)
{
    const struct pages_options *o = &w->p->rules.options;
    struct pages_style y = style(w->p);
    struct buf body = { 0 };
    struct json_out out = { .b = &body };
    if (o->echo_times <= 0)
        return;
    state_write_webhook(&out, &y, c, m);
    struct hooks_batch *b = hooks_batch_new(w->p->hooks, o->echo_first ? echoes_told : NULL, w);
    hooks_batch_add(b, sv_from(c->page), buf_sv(&body), o->echo_times);
    if (o->echo_first)
        w->echoes = b;
    hooks_batch_go(b, 0, o->echo_delay_ms, 0);
    buf_fini(&body);
}

/* The message is there, and what the API says of it is the answer so far. */
static void store(struct page_pending *w, struct wish *wish, const struct pages_rule *rule)
{
    struct pages_double *p = w->p;
    struct pages_style y = style(p);
    struct json_out o = { .b = &w->body };
    int64_t after = p->rules.options.visible_after;
    struct buf id = { 0 };
    if (rule != NULL && rule->does == PAGES_DO_DUPLICATE_ID)
        buf_add(&id, state_last_id(p->state));
    const struct page_message *m = state_add(p->state, wish->conversation,
                                             &(struct pages_new){ .id = buf_sv(&id),
                                                                  .text = wish->text,
                                                                  .reply_to = buf_sv(&wish->reply_to),
                                                                  .who = PAGES_API,
                                                                  .hidden_reads = after > 0 ? (uint64_t)after - 1 : 0 });
    page_calls_wrote(p->calls, w->call, SV_NONE, sv_from(m->id));
    json_obj(&o);
    json_kbool(&o, "success", true);
    json_key(&o, "id");
    state_write_id(&o, &y, sv_from(m->id));
    json_kstr(&o, "message", wish->text);
    json_obj_end(&o);
    tell_echo(w, wish->conversation, m);
    buf_fini(&id);
}

/* ---- calls ---- */

static void misbehave(struct page_pending *w, const struct pages_rule *r)
{
    w->does = r->does;
    w->slow_ms = r->slow_ms;
    if (r->does == PAGES_DO_STATUS) {
        say(w, (int)r->status, "scripted status");
        w->answer.retry_after_s = r->retry_after;
    } else if (r->does == PAGES_DO_SUCCESS_FALSE) {
        say(w, 200, "scripted refusal");
    }
    if (r->body != NULL) {
        buf_clear(&w->body);
        buf_add(&w->body, sv_from(r->body));
    }
}

static void send_message(struct page_pending *w, const struct target *t, struct sv text)
{
    struct err e;
    json_t *body = json_read(text, false, &e);
    struct wish wish = { 0 };
    int64_t delay_ms = 0;
    read_wish(w->p, t, body, &wish);
    page_calls_wrote(w->p->calls, w->call, wish.text, SV_NONE);
    if (wish.wrong != NULL) {
        say(w, wish.status, wish.wrong);
    } else {
        const struct pages_rule *rule = rules_match(&w->p->rules, PAGES_SEND, buf_sv(&t->page), buf_sv(&t->conversation), wish.text);
        if (rule == NULL || rule->store)
            store(w, &wish, rule);
        if (rule != NULL) {
            misbehave(w, rule);
            delay_ms = rule->delay_ms;
        }
    }
    buf_fini(&wish.reply_to);
    json_decref(body);
    finish(w, delay_ms);
}

static void read_messages(struct page_pending *w, const struct target *t, struct sv query)
{
    struct pages_double *p = w->p;
    struct pages_style y = style(p);
    struct json_out o = { .b = &w->body };
    int64_t skip = query_number(query, SV("current_count"), 0);
    struct page_conversation *c = state_find(p->state, buf_sv(&t->page), buf_sv(&t->conversation));
    const struct pages_rule *rule = rules_match(&p->rules, PAGES_READ, buf_sv(&t->page), buf_sv(&t->conversation), SV_NONE);
    state_write_read(&o, &y, c, skip > 0 ? (uint64_t)skip : 0);
    if (rule != NULL)
        misbehave(w, rule);
    finish(w, rule != NULL ? rule->delay_ms : 0);
}

static void list_conversations(struct page_pending *w, const struct target *t, struct sv query)
{
    struct pages_double *p = w->p;
    struct json_out o = { .b = &w->body };
    struct buf after = { 0 };
    const struct pages_rule *rule = rules_match(&p->rules, PAGES_LIST, buf_sv(&t->page), SV_NONE, SV_NONE);
    query_value(&after, query, SV("last_conversation_id"));
    state_write_list(p->state, &o, buf_sv(&t->page), query_number(query, SV("since"), 0), query_number(query, SV("until"), INT64_MAX),
                     buf_sv(&after));
    if (rule != NULL)
        misbehave(w, rule);
    buf_fini(&after);
    finish(w, rule != NULL ? rule->delay_ms : 0);
}

static void on_beat(void *arg)
{
    struct pages_double *p = arg;
    int64_t late_ms = clock_mono_ms() - p->beat_due_ms;
    if (late_ms > p->late_ms)
        p->late_ms = late_ms;
    p->beat_due_ms = clock_mono_ms() + BEAT_MS;
    loop_timer_set(p->beat, BEAT_MS);
}

static struct page_pending *pending_new(struct pages_double *p, struct conn *c, const struct target *t)
{
    struct page_pending *w = calloc(1, sizeof *w);
    if (w == NULL)
        abort();
    *w = (struct page_pending){
        .waiting = { pending_gone }, .p = p, .conn = c, .answer = { .status = 200, .retry_after_s = -1 }
    };
    w->call = page_calls_add(p->calls, t->kind, buf_sv(&t->page), buf_sv(&t->conversation));
    if (!loop_timer_is_set(p->beat)) {
        p->beat_due_ms = clock_mono_ms() + BEAT_MS;
        loop_timer_set(p->beat, BEAT_MS);
    }
    return w;
}

static void serve_api(struct pages_double *p, struct conn *c, const struct request *r, struct sv path)
{
    struct target t = { 0 };
    if (!read_target(path, r->method, &t)) {
        calls_refuse(c, 404, "no such endpoint");
    } else {
        struct page_pending *w = pending_new(p, c, &t);
        if (!authorized(p, buf_sv(&t.page), r->query)) {
            say(w, 401, "Invalid page_access_token");
            finish(w, 0);
        } else if (!page_calls_allow(p->calls, w->call, p->rules.options.limit)) {
            say(w, 429, "Too many requests");
            w->answer.retry_after_s = p->rules.options.retry_after;
            finish(w, 0);
        } else if (t.kind == PAGES_SEND) {
            send_message(w, &t, r->body);
        } else if (t.kind == PAGES_READ) {
            read_messages(w, &t, r->query);
        } else {
            list_conversations(w, &t, r->query);
        }
    }
    buf_fini(&t.page);
    buf_fini(&t.conversation);
}

/* ---- what tests ask for ---- */

static void answer_buf(struct conn *c, struct buf *b)
{
    server_answer(c, &(struct answer){ .status = 200, .body = buf_sv(b), .retry_after_s = -1 });
    buf_fini(b);
}

static void serve_control(struct pages_double *p, struct conn *c, const struct request *r)
{
    struct err e;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_t *body = json_read(r->body, false, &e);
    if (body == NULL || rules_update(&p->rules, body, &e) != 0) {
        calls_refuse(c, 400, e.text);
    } else {
        rules_write(&p->rules, &o);
        answer_buf(c, &b);
    }
    json_decref(body);
}

/* What became of one of the messages; NULL: it says nothing that can be. */
static struct page_message *take(struct pages_double *p, const json_t *said, struct page_conversation **at)
{
    struct sv as = json_sv(said, "as"), edit = json_sv(said, "edit"), removed = json_sv(said, "remove");
    struct pages_place place = { .page = json_sv(said, "page"),
                                 .conversation = json_sv(said, "conversation_id"),
                                 .type = json_sv(said, "type"),
                                 .post_id = json_sv(said, "post_id"),
                                 .customer_id = json_sv(said, "customer_id"),
                                 .customer_name = json_sv(said, "customer_name") };
    if (place.page.n == 0 || place.conversation.n == 0)
        return NULL;
    struct page_conversation *conversation = *at = state_conversation(p->state, &place);
    if (edit.n > 0 || removed.n > 0) {
        struct page_message *m = state_message(conversation, edit.n > 0 ? edit : removed);
        if (m != NULL && edit.n > 0)
            state_edit(p->state, conversation, m, json_sv(said, "text"));
        else if (m != NULL)
            state_remove(p->state, conversation, m);
        return m;
    }
    return state_add(p->state, conversation,
                     &(struct pages_new){
                         .id = json_sv(said, "id"),
                         .text = json_sv(said, "text"),
                         .reply_to = json_sv(said, "reply_to"),
                         .attachments = json_object_get(said, "attachments"),
                         .who = sv_eq(as, SV("staff")) ? PAGES_STAFF : sv_eq(as, SV("page")) ? PAGES_API : PAGES_CUSTOMER,
                     });
}

static void serve_say(struct pages_double *p, struct conn *c, const struct request *r)
{
    struct err e = { .text = "a message that cannot be" };
    struct buf ids = { 0 }, bodies = { 0 }, answer = { 0 };
    struct json_out i = { .b = &ids }, o = { .b = &bodies };
    struct pages_style y = style(p);
    json_t *body = json_read(r->body, false, &e);
    const json_t *said;
    size_t n;
    bool good = body != NULL;
    struct hooks_batch *batch = hooks_batch_new(p->hooks, NULL, NULL);
    json_arr(&i);
    json_arr(&o);
    json_array_foreach(json_object_get(body, "messages"), n, said)
    {
        struct page_conversation *conversation = NULL;
        const struct page_message *m = take(p, said, &conversation);
        if (m == NULL) {
            good = false;
            break;
        }
        struct buf one = { 0 };
        state_write_webhook(&(struct json_out){ .b = &one }, &y, conversation, m);
        json_str(&i, sv_from(m->id));
        json_raw(&o, buf_sv(&one));
        hooks_batch_add(batch, sv_from(conversation->page), buf_sv(&one), json_i64(body, "times", 0));
        buf_fini(&one);
    }
    json_arr_end(&i);
    json_arr_end(&o);
    hooks_batch_go(batch, (uint64_t)json_i64(body, "seed", 0), json_i64(body, "delay_ms", 0), json_i64(body, "spread_ms", 0));
    if (good) {
        buf_printf(&answer, "{\"ids\":%.*s,\"webhooks\":%.*s}", SV_FMT(buf_sv(&ids)), SV_FMT(buf_sv(&bodies)));
        answer_buf(c, &answer);
    } else {
        calls_refuse(c, 400, e.text);
    }
    buf_fini(&ids);
    buf_fini(&bodies);
    json_decref(body);
}

static void serve_reading(struct pages_double *p, struct conn *c, const struct request *r)
{
    struct buf b = { 0 }, page = { 0 }, conversation = { 0 };
    struct json_out o = { .b = &b };
    query_value(&page, r->query, SV("page"));
    query_value(&conversation, r->query, SV("conversation_id"));
    if (sv_eq(r->path, SV("/pages/ledger")))
        state_write_ledger(p->state, &o, buf_sv(&conversation));
    else if (sv_eq(r->path, SV("/pages/calls")))
        page_calls_write(p->calls, &o, buf_sv(&page), buf_sv(&conversation));
    else if (sv_eq(r->path, SV("/pages/stats")))
        page_calls_stats(p->calls, &o, buf_sv(&page), p->late_ms);
    else if (sv_eq(r->path, SV("/pages/deliveries")))
        hooks_write(p->hooks, &o);
    if (b.n > 0)
        answer_buf(c, &b);
    else
        calls_refuse(c, 404, "no such endpoint");
    buf_fini(&page);
    buf_fini(&conversation);
}

bool pages_double_serve(struct pages_double *p, struct conn *c, const struct request *r)
{
    static const char api[] = "/public_api/";
    const char *at = r->path.n > 0 ? memmem(r->path.p, r->path.n, api, sizeof api - 1) : NULL;
    if (at != NULL) {
        at += sizeof api - 1;
        serve_api(p, c, r, (struct sv){ at, (size_t)(r->path.p + r->path.n - at) });
    } else if (!sv_starts(r->path, SV("/pages/"))) {
        return false;
    } else if (sv_eq(r->path, SV("/pages/control"))) {
        serve_control(p, c, r);
    } else if (sv_eq(r->path, SV("/pages/say"))) {
        serve_say(p, c, r);
    } else {
        serve_reading(p, c, r);
    }
    return true;
}

/* ---- its life ---- */

struct pages_double *pages_double_open(struct loop *l)
{
    struct pages_double *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->loop = l;
    rules_init(&p->rules);
    p->state = state_new();
    p->calls = page_calls_new();
    p->hooks = hooks_open(l, &p->rules.options);
    p->beat = loop_timer_new(l, on_beat, p);
    if (p->hooks == NULL || p->beat == NULL)
        abort();
    return p;
}

void pages_double_reset(struct pages_double *p)
{
    state_clear(p->state);
    page_calls_clear(p->calls);
    hooks_clear(p->hooks);
    rules_fini(&p->rules);
    rules_init(&p->rules);
    p->late_ms = 0;
}

void pages_double_close(struct pages_double *p)
{
    loop_timer_free(p->beat);
    hooks_close(p->hooks);
    state_free(p->state);
    page_calls_free(p->calls);
    rules_fini(&p->rules);
    free(p);
}
