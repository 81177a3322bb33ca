/* SPDX-License-Identifier: MIT
 * The client of Pancake's page API: URLs, bodies, and what an answer is sorted into. In doubt it is unknown. A status of 200 alone says nothing: the body must be an
 * object that does not deny success. Whose token a page needs is in pages_tokens.c. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/loop.h"
#include "outside/calls.h"
#include "outside/http.h"
#include "outside/pages.h"
#include "outside/pages_tokens.h"

#define PAGES_URL "https://pages.fm/api"

struct pages {
    struct loop *loop;
    struct http *http;
    struct buf base; /* without a slash at its end */
    struct pages_tokens tokens;
    struct call_link *calls;
};

struct pages_call {
    struct call_link link;
    pages_fn *fn;
    void *arg;
    const char *list; /* the member that an answer must have as an array; NULL: none */
    struct http_call *http; /* one of these two is set: the request, */
    struct loop_timer *refuse; /* or the moment at which it is refused, since there is no token */
};

static void call_free(struct pages_call *c)
{
    loop_timer_free(c->refuse);
    free(c);
}

/* ---- what an answer means ---- */

enum success { SUCCESS_UNSAID, SUCCESS_YES, SUCCESS_NO, SUCCESS_STRANGE };

/* The member `success`: true or false, as whatever services write for them. Null, and what is neither, is STRANGE. */
static enum success success_of(const json_t *body)
{
    const json_t *v = json_object_get(body, "success");
    struct sv text = json_sv(body, "success");
    if (v == NULL)
        return SUCCESS_UNSAID;
    if (json_is_true(v) || (json_is_number(v) && json_number_value(v) == 1) || sv_eq_nocase(text, SV("true")) || sv_eq(text, SV("1")))
        return SUCCESS_YES;
    if (json_is_false(v) || (json_is_number(v) && json_number_value(v) == 0) || sv_eq_nocase(text, SV("false")) || sv_eq(text, SV("0")))
        return SUCCESS_NO;
    return SUCCESS_STRANGE;
}

/* Of a 2xx. Who cannot tell yes from no reads back, or reads again. */
static enum pages_outcome taken(const struct pages_call *c, const json_t *body)
{
    bool whole = body != NULL && (c->list == NULL || json_is_array(json_object_get(body, c->list)));
    switch (success_of(body)) {
    case SUCCESS_UNSAID:
    case SUCCESS_YES:
        return whole ? PAGES_DONE : PAGES_UNKNOWN;
    case SUCCESS_NO:
        return PAGES_REFUSED;
    case SUCCESS_STRANGE:
        return PAGES_UNKNOWN;
    }
    return PAGES_UNKNOWN;
}

/* What a body says counts behind a 2xx alone: a server that has failed denies, too, what it did before. */
static enum pages_outcome outcome_of(const struct pages_call *c, int status, const json_t *body)
{
    if (status == 429)
        return PAGES_LIMITED;
    if (status == 503 || status == 401) /* a token can be put right: what waits for it is not lost */
        return PAGES_UNREACHABLE;
    if (status >= 200 && status < 300)
        return taken(c, body);
    return status >= 400 && status < 500 && status != 408 ? PAGES_REFUSED : PAGES_UNKNOWN;
}

static const char *const meanings[] = {
    [PAGES_DONE] = "done",
    [PAGES_REFUSED] = "refused",
    [PAGES_LIMITED] = "too many calls",
    [PAGES_UNREACHABLE] = "not now",
    [PAGES_TOO_LATE] = "too late",
    [PAGES_UNKNOWN] = "outcome unknown",
};

/* What the service says in words may repeat what was sent, token or text: only its numbers are told. */
static void explain(struct pages_answer *a)
{
    static const char *const names[] = { "error_code", "e_code", "e_subcode" };
    enum err_code kind = a->outcome == PAGES_REFUSED ? ERR_REFUSED : ERR_UNAVAILABLE;
    char codes[ARRAY_LEN(names) * 40] = "";
    size_t n = 0;
    if (a->outcome == PAGES_DONE)
        return;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const json_t *code = json_object_get(a->body, names[i]);
        if (json_is_integer(code))
            n += (size_t)snprintf(codes + n, sizeof(codes) - n, ", %s %lld", names[i], (long long)json_integer_value(code));
    }
    (void)err_set(&a->err, kind, "the page API answered with status %d%s: %s", a->http_status, codes, a->http_status == 401 ? "it refuses the page's token" : meanings[a->outcome]);
}

/* Ids are strings, or numbers. */
static struct sv id_of(const json_t *body, char *number, size_t size)
{
    const json_t *id = json_object_get(body, "id");
    if (json_is_integer(id))
        return (struct sv){ number, (size_t)snprintf(number, size, "%lld", (long long)json_integer_value(id)) };
    struct sv text = json_sv(body, "id");
    return text.n > 0 ? text : SV_NONE;
}

static void answered(void *arg, const struct http_answer *h)
{
    static const enum pages_outcome outcomes[] = {
        [HTTP_ANSWERED] = PAGES_UNKNOWN,
        [HTTP_NOT_SENT] = PAGES_UNREACHABLE,
        [HTTP_TOO_LATE] = PAGES_TOO_LATE,
        [HTTP_UNKNOWN] = PAGES_UNKNOWN,
    };
    struct pages_call *c = arg;
    struct pages_answer a = { .outcome = outcomes[h->outcome], .retry_after_ms = h->retry_after_ms, .took_ms = h->took_ms, .err = h->err };
    char number[24];
    json_t *body = h->outcome == HTTP_ANSWERED ? json_read(h->body, false, NULL) : NULL;
    if (h->outcome == HTTP_ANSWERED) {
        a.http_status = h->status;
        a.body = json_is_object(body) ? body : NULL;
        a.outcome = outcome_of(c, h->status, a.body);
        a.id = a.outcome == PAGES_DONE ? id_of(a.body, number, sizeof(number)) : SV_NONE;
        explain(&a);
    }
    calls_leave(&c->link); /* from here on the call is nobody's but the caller's: its answer may close everything */
    c->fn(c->arg, &a);
    json_decref(body);
    call_free(c);
}

static void refused(void *arg)
{
    struct pages_call *c = arg;
    struct pages_answer a = { .outcome = PAGES_REFUSED, .retry_after_ms = -1 };
    (void)err_set(&a.err, ERR_REFUSED, "not asked: there is no token for this page");
    calls_leave(&c->link);
    c->fn(c->arg, &a);
    call_free(c);
}

/* ---- requests ---- */

/* RFC 3986, 2.3: all but unreserved characters is escaped. */
static void add_escaped(struct buf *b, struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '~' || (c == '.' && s.n > 2);
        if (plain)
            buf_addc(b, c);
        else
            buf_printf(b, "%%%02X", (unsigned)(unsigned char)c);
    }
}

/* The last one of a query: nothing is put behind a token. */
static void add_token(struct buf *url, const struct pages *p, struct sv page_id, char before)
{
    struct sv token = pages_tokens_find(&p->tokens, page_id);
    buf_addc(url, before);
    buf_add(url, SV("page_access_token="));
    add_escaped(url, token.p != NULL ? token : SV(""));
}

static void begin_url(struct buf *url, const struct pages *p, const char *version, struct sv page_id)
{
    buf_printf(url, "%s/public_api/%s/pages/", p->base.p, version);
    add_escaped(url, page_id);
    buf_add(url, SV("/conversations"));
}

static void messages_url(struct buf *url, const struct pages *p, struct sv page_id, struct sv conversation_id)
{
    begin_url(url, p, "v1", page_id);
    buf_addc(url, '/');
    add_escaped(url, conversation_id);
    buf_add(url, SV("/messages"));
}

/* Owns url. */
static struct pages_call *begin(struct pages *p, struct pages_call from, struct sv page_id, struct buf *url, struct http_request q)
{
    struct pages_call *c = buf_ok(url) ? calloc(1, sizeof(*c)) : NULL;
    if (c == NULL) {
        buf_fini(url);
        return NULL;
    }
    *c = from;
    calls_enter(&p->calls, &c->link);
    q.url = url->p;
    if (pages_has(p, page_id))
        c->http = http_post(p->http, &q, answered, c);
    else if ((c->refuse = loop_timer_new(p->loop, refused, c)) != NULL)
        loop_timer_set(c->refuse, 0);
    buf_fini(url);
    if (c->http != NULL || c->refuse != NULL)
        return c;
    calls_leave(&c->link);
    call_free(c);
    return NULL;
}

struct pages_call *pages_send(struct pages *p, const struct pages_message *m, pages_fn *fn, void *arg)
{
    struct buf url = { 0 }, body = { 0 };
    struct json_out o = { .b = &body };
    messages_url(&url, p, m->page_id, m->conversation_id);
    add_token(&url, p, m->page_id, '?');
    json_obj(&o);
    json_kstr(&o, "action", m->action == PAGES_REPLY_INBOX ? SV("reply_inbox") : SV("reply_comment"));
    if (m->action == PAGES_REPLY_COMMENT)
        json_kstr(&o, "message_id", m->message_id);
    json_kstr(&o, "message", m->text);
    json_obj_end(&o);
    url.failed = url.failed || !buf_ok(&body);
    struct http_request q = { .body = buf_sv(&body), .timeout_ms = m->timeout_ms, .send_before_ms = m->send_before_ms, .once = true };
    struct pages_call *c = begin(p, (struct pages_call){ .fn = fn, .arg = arg }, m->page_id, &url, q);
    buf_fini(&body);
    return c;
}

struct pages_call *pages_messages(struct pages *p, const struct pages_reading *r, pages_fn *fn, void *arg)
{
    struct buf url = { 0 };
    messages_url(&url, p, r->page_id, r->conversation_id);
    buf_printf(&url, "?current_count=%u", r->current_count);
    add_token(&url, p, r->page_id, '&');
    return begin(p, (struct pages_call){ .fn = fn, .arg = arg, .list = "messages" }, r->page_id, &url, (struct http_request){ .get = true, .timeout_ms = r->timeout_ms, .once = true });
}

struct pages_call *pages_conversations(struct pages *p, const struct pages_listing *l, pages_fn *fn, void *arg)
{
    struct buf url = { 0 };
    begin_url(&url, p, "v2", l->page_id);
    buf_printf(&url, "?since=%lld&until=%lld", (long long)(l->since_ms / 1000), (long long)((l->until_ms + 999) / 1000));
    if (l->last_conversation_id.n > 0) {
        buf_add(&url, SV("&last_conversation_id="));
        add_escaped(&url, l->last_conversation_id);
    }
    add_token(&url, p, l->page_id, '&');
    return begin(p, (struct pages_call){ .fn = fn, .arg = arg, .list = "conversations" }, l->page_id, &url, (struct http_request){ .get = true, .timeout_ms = l->timeout_ms, .once = true });
}

void pages_abort(struct pages_call *c)
{
    if (c->http != NULL)
        http_abort(c->http);
    calls_leave(&c->link);
    call_free(c);
}

/* ---- life ---- */

/* As people copy it from the API's pages. */
static void set_base(struct buf *b, const char *url)
{
    static const char *const tails[] = { "/", "/public_api/v1", "/public_api/v2", "/public_api", "/" };
    struct sv s = *url != '\0' ? sv_from(url) : SV(PAGES_URL);
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        struct sv tail = sv_from(tails[i]);
        while (s.n > tail.n && memcmp(s.p + s.n - tail.n, tail.p, tail.n) == 0)
            s.n -= tail.n;
    }
    buf_add(b, s);
}

int pages_set(struct pages *p, const struct pages_options *o, struct err *e)
{
    struct buf base = { 0 };
    struct pages_tokens tokens = { 0 };
    set_base(&base, o->url);
    int rc = buf_ok(&base) ? http_check_url(base.p, e) : err_set(e, ERR_MEMORY, "no memory");
    if (rc == 0)
        rc = pages_tokens_set(&tokens, o->tokens, o->token, e);
    if (rc != 0) {
        buf_fini(&base);
        return -1;
    }
    buf_fini(&p->base);
    pages_tokens_fini(&p->tokens);
    p->base = base;
    p->tokens = tokens;
    return 0;
}

struct pages *pages_open(struct loop *l, struct http *h, const struct pages_options *o, struct err *e)
{
    struct pages *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory");
        return NULL;
    }
    p->loop = l;
    p->http = h;
    if (pages_set(p, o, e) == 0)
        return p;
    free(p);
    return NULL;
}

void pages_close(struct pages *p)
{
    if (p == NULL)
        return;
    while (p->calls != NULL)
        pages_abort(CONTAINER_OF(p->calls, struct pages_call, link));
    buf_fini(&p->base);
    pages_tokens_fini(&p->tokens);
    free(p);
}

bool pages_has(const struct pages *p, struct sv page_id)
{
    return pages_tokens_find(&p->tokens, page_id).p != NULL;
}

void pages_each(const struct pages *p, pages_each_fn *fn, void *arg)
{
    for (size_t i = 0; i < p->tokens.n; i++)
        fn(arg, p->tokens.pages[i].page_id);
}
