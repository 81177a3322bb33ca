/* SPDX-License-Identifier: MIT
 * See http.h. Each call owns an easy handle that is prepared once and used again and again. What must be known about
 * curl 7.88 here (lib/multi.c, lib/transfer.c, lib/http.c of that release):
 *  - when a kept connection dies before a byte of the answer came, Curl_retry_request sends the same request again on a
 *    fresh one, even a POST that was sent as a whole. The pre-request callback runs before each of them; there a second
 *    one is refused for requests that go out once;
 *  - CURLINFO_REQUEST_SIZE counts the bytes of all these attempts that the kernel took, and is 0 while nothing left.
 *    Over TLS a failed write says nothing about records that have left, so there only the callback counts;
 *  - a call that ends while its name is looked up joins the thread that does (lib/asyn-thread.c, Curl_resolver_kill): the loop stood still for as long as
 *    a dead name server is waited for, 20 s. With CURLOPT_QUICK_EXIT the thread is detached, and frees what is its own when it comes back. */
#include "config.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "outside/http_lane.h"
#include "outside/http_own.h"

enum {
    CONNECT_TIMEOUT_MS = 3000,
    ANSWER_MAX = 4 * 1024 * 1024,
    IDLE_CALLS = 256,  /* prepared calls that are kept */
    BODY_KEPT = 65536, /* larger buffers are not kept with an idle call */
    READ_SIZE = 4096,
    IDLE_AGE_S = 60, /* a connection that was idle for longer is not used again */
    /* The same for requests that go out once: below the keep-alive limit of the usual servers (5 s), so that such a
     * request seldom meets a connection that is being closed, which would make its outcome unknown. */
    IDLE_AGE_ONCE_S = 3,
};

struct http {
    struct loop *loop;
    struct http_options options;
    CURLSH *share; /* resolved names and TLS sessions of all lanes */
    struct http_lanes *lanes;
    struct http_call *running, *idle;
    size_t idle_n;
    bool closed;
};

struct http_call {
    struct http *http;
    struct http_call *next, *prev; /* in running; idle uses next only */
    struct http_lane *lane;        /* NULL: ended, or never begun */
    CURL *easy;
    http_fn *fn;
    void *arg;
    int64_t begun_ms, send_before_ms;
    struct http_opened opened;
    unsigned tries; /* of the request that may have put bytes on the wire */
    bool once, get, tls, late, refused, aborted, alone, connect_only;
    struct http_answer early; /* of a call that ends before curl sees it */
    struct http_in in;
    struct http_wait wait;
    struct buf copy, lines;
    struct curl_slist headers[HTTP_HEADERS_MAX];
    char *url; /* what the handle is prepared for, and parsed: so curl need not do it for each call */
    CURLU *parsed;
    int64_t timeout_ms;
    char error[CURL_ERROR_SIZE];
};

/* ---- while curl works ---- */

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct http_call *c = arg;
    n *= size;
    if (n > 0 && !http_in_piece(&c->in, (struct sv){ bytes, n }))
        return 0;
    http_wait_heard(&c->wait);
    return n;
}

static size_t on_head_line(char *line, size_t size, size_t n, void *arg)
{
    struct http_call *c = arg;
    long status = c->in.status;
    n *= size;
    if (status < 200) /* none yet, or an interim one */
        (void)curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200)
        http_wait_heard(&c->wait);
    return http_in_head_line(&c->in, (int)status, (struct sv){ line, n }) ? n : 0;
}

/* Whether a byte of the request may have reached the peer. */
static bool may_have_left(const struct http_call *c)
{
    long bytes = 0;
    if (c->tries == 0)
        return false;
    (void)curl_easy_getinfo(c->easy, CURLINFO_REQUEST_SIZE, &bytes);
    return c->tls || bytes > 0;
}

/* The connection is there; the next thing that curl does is to send. */
static int on_ready_to_send(void *arg, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    struct http_call *c = arg;
    (void)remote_ip;
    (void)remote_port;
    if (c->opened.n > 0)
        http_lane_established(&c->opened, local_ip, local_port);
    if (c->once && may_have_left(c)) {
        c->refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
    if (c->connect_only || (c->send_before_ms != 0 && clock_mono_ms() >= c->send_before_ms)) {
        c->late = true;
        return CURL_PREREQFUNC_ABORT;
    }
    c->tries++;
    return CURL_PREREQFUNC_OK;
}

/* ---- calls ---- */

static void on_limit(void *arg);

static void call_free(struct http_call *c)
{
    curl_easy_cleanup(c->easy);
    curl_url_cleanup(c->parsed);
    http_wait_fini(&c->wait);
    buf_fini(&c->in.body);
    buf_fini(&c->copy);
    buf_fini(&c->lines);
    free(c->url);
    free(c);
}

static void prepare(struct http_call *c)
{
    struct http *h = c->http;
    CURL *e = c->easy;
    curl_easy_setopt(e, CURLOPT_PRIVATE, c);
    curl_easy_setopt(e, CURLOPT_POST, 1L);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->headers);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_head_line);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_ready_to_send);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, c);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error);
    curl_easy_setopt(e, CURLOPT_SHARE, h->share);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_NOPROXY, "*"); /* spares the search of the environment at each call */
    curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)h->options.connect_timeout_ms);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, (long)READ_SIZE);
    curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
    curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, (long)IDLE_AGE_S);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
    c->opened.lanes = h->lanes;
    http_lane_prepare(e, &c->opened);
}

static struct http_call *call_take(struct http *h)
{
    struct http_call *c = h->idle;
    if (c != NULL) {
        h->idle = c->next;
        h->idle_n--;
        return c;
    }
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->http = h;
    c->wait.passed_fn = on_limit;
    c->wait.arg = c;
    c->in.body.max = h->options.answer_max;
    c->easy = curl_easy_init();
    if (c->easy == NULL) {
        free(c);
        return NULL;
    }
    prepare(c);
    return c;
}

static void trim(struct buf *b)
{
    if (b->size > BODY_KEPT) {
        size_t max = b->max;
        buf_fini(b);
        b->max = max;
    }
    buf_clear(b);
}

static void call_give_back(struct http_call *c)
{
    struct http *h = c->http;
    if (h->closed || h->idle_n >= IDLE_CALLS) {
        call_free(c);
        return;
    }
    trim(&c->in.body);
    trim(&c->copy);
    trim(&c->lines);
    c->next = h->idle;
    h->idle = c;
    h->idle_n++;
}

static void running_add(struct http_call *c)
{
    struct http *h = c->http;
    c->prev = NULL;
    c->next = h->running;
    if (c->next != NULL)
        c->next->prev = c;
    h->running = c;
}

static void running_remove(struct http_call *c)
{
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        c->http->running = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
}

/* ---- how a call ends ---- */

static int failure(const struct http_call *c, CURLcode code, struct http_answer *a)
{
    bool left = may_have_left(c);
    const char *why = c->error[0] != '\0' ? c->error : curl_easy_strerror(code);
    a->outcome = left ? HTTP_UNKNOWN : c->late ? HTTP_TOO_LATE : HTTP_NOT_SENT;
    if (c->wait.passed)
        return http_wait_why(&c->wait, &a->err);
    if (c->in.enough)
        return err_set(&a->err, ERR_PROTOCOL, "the rest of the answer is not wanted");
    if (c->in.too_large)
        return err_set(&a->err, ERR_PROTOCOL, "the answer is larger than %zu bytes",
                       c->in.head_n > HTTP_HEAD_MAX ? (size_t)HTTP_HEAD_MAX : c->in.body.max);
    if (c->refused)
        return err_set(&a->err, ERR_UNAVAILABLE, "the peer closed the kept connection without an answer");
    if (c->opened.any_barred && !c->opened.any_allowed)
        return err_set(&a->err, ERR_REFUSED, "the destination has no address to which a connection is allowed");
    if (c->late)
        return err_set(&a->err, ERR_UNAVAILABLE, "the time to send was over%s", left ? " for a second try" : "");
    switch ((int)code) {
    case CURLE_OUT_OF_MEMORY:
        return err_set(&a->err, ERR_MEMORY, "%s", why);
    case CURLE_URL_MALFORMAT:
        return err_set(&a->err, ERR_INVALID, "%s", why);
    case CURLE_UNSUPPORTED_PROTOCOL: /* an answer that is not HTTP/1 */
    case CURLE_WEIRD_SERVER_REPLY:
        return err_set(&a->err, ERR_PROTOCOL, "%s", why);
    default:
        return err_set(&a->err, ERR_UNAVAILABLE, "%s", why);
    }
}

static void answered(const struct http_call *c, struct http_answer *a)
{
    curl_off_t wait_s = 0;
    a->outcome = HTTP_ANSWERED;
    a->status = c->in.status;
    a->body = c->in.body.p != NULL ? buf_sv(&c->in.body) : SV("");
    a->content_type = http_in_type(&c->in);
    if (a->status >= 300) {
        (void)curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &wait_s);
        if (wait_s > 0)
            a->retry_after_ms = wait_s > INT_MAX ? (int64_t)INT_MAX * 1000 : (int64_t)wait_s * 1000;
    }
}

static void deliver(struct http_call *c, struct http_answer *a)
{
    a->took_ms = clock_mono_ms() - c->begun_ms;
    http_wait_end(&c->wait);
    running_remove(c);
    c->fn(c->arg, a);
    call_give_back(c);
}

/* A head behind which nothing is wanted. */
static bool is_enough(const struct http_call *c)
{
    return c->in.status_only && c->in.whole_head && !c->in.too_large && c->in.status >= 200;
}

static void on_done(void *arg, void *easy, int code)
{
    struct http_answer a = { .retry_after_ms = -1 };
    struct http_call *c = NULL;
    (void)arg;
    (void)curl_easy_getinfo((CURL *)easy, CURLINFO_PRIVATE, &c);
    c->lane = NULL;
    if ((code == CURLE_OK && c->in.whole_head) || is_enough(c))
        answered(c, &a);
    else if (code == CURLE_OK)
        (void)failure(c, CURLE_PARTIAL_FILE, &a);
    else
        (void)failure(c, (CURLcode)code, &a);
    deliver(c, &a);
}

/* A limit of http_wait has passed. */
static void on_limit(void *arg)
{
    struct http_call *c = arg;
    struct http_answer a = { .retry_after_ms = -1 };
    http_lane_remove(c->lane, c->easy);
    c->lane = NULL;
    if (is_enough(c))
        answered(c, &a);
    else
        (void)failure(c, CURLE_OPERATION_TIMEDOUT, &a);
    deliver(c, &a);
}

/* ---- beginning a call ---- */

static void end_early(void *arg)
{
    struct http_call *c = arg;
    if (c->aborted)
        call_give_back(c);
    else
        deliver(c, &c->early);
}

/* curl only reads the list, so that its nodes can lie in the call and its texts in one buffer. */
static int set_headers(struct http_call *c, const struct http_request *r, struct err *e)
{
    size_t n, at[HTTP_HEADERS_MAX];
    if (http_head_lines(&c->lines, r, at, &n, e) != 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        c->headers[i] =
            (struct curl_slist){ .data = c->lines.p + at[i], .next = i + 1 < n ? &c->headers[i + 1] : NULL };
    return 0;
}

/* NULL: not a whole URL of ours, or memory is short. */
static CURLU *parse_url(const char *text, bool *tls)
{
    char *scheme = NULL, *host = NULL;
    CURLU *u = curl_url();
    bool known = u != NULL && curl_url_set(u, CURLUPART_URL, text, 0) == CURLUE_OK &&
                 curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                 curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                 (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    *tls = known && strcmp(scheme, "https") == 0;
    curl_free(scheme);
    curl_free(host);
    if (known)
        return u;
    curl_url_cleanup(u);
    return NULL;
}

int http_check_url(const char *url, struct err *e)
{
    bool tls;
    CURLU *u = parse_url(url, &tls);
    if (u == NULL)
        return err_set(e, ERR_INVALID, "not a http or https URL");
    curl_url_cleanup(u);
    return 0;
}

static int set_url(struct http_call *c, const char *text, struct err *e)
{
    bool tls;
    CURLU *parsed = parse_url(text, &tls);
    if (parsed == NULL)
        return err_set(e, ERR_INVALID, "not a http or https URL");
    char *url = strdup(text);
    if (url == NULL) {
        curl_url_cleanup(parsed);
        return err_set(e, ERR_MEMORY, "url");
    }
    curl_easy_setopt(c->easy, CURLOPT_URL, url);
    curl_easy_setopt(c->easy, CURLOPT_CURLU, parsed);
    curl_url_cleanup(c->parsed);
    free(c->url);
    c->parsed = parsed;
    c->url = url;
    c->tls = tls;
    return 0;
}

/* Only what differs from the last call on this handle. */
static int set_options(struct http_call *c, const struct http_request *r, struct err *e)
{
    if ((c->url == NULL || strcmp(c->url, r->url) != 0) && set_url(c, r->url, e) != 0)
        return -1;
    if (c->timeout_ms != r->timeout_ms) {
        c->timeout_ms = r->timeout_ms;
        curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, r->timeout_ms > INT_MAX ? (long)INT_MAX : (long)r->timeout_ms);
    }
    if (c->once != r->once) {
        c->once = r->once;
        curl_easy_setopt(c->easy, CURLOPT_MAXAGE_CONN, (long)(r->once ? IDLE_AGE_ONCE_S : IDLE_AGE_S));
    }
    bool alone = r->may_connect != NULL;
    if (c->alone != alone) {
        c->alone = alone;
        curl_easy_setopt(c->easy, CURLOPT_FRESH_CONNECT, (long)alone);
        curl_easy_setopt(c->easy, CURLOPT_FORBID_REUSE, (long)alone);
    }
    if (c->get != r->get) {
        c->get = r->get;
        curl_easy_setopt(c->easy, r->get ? CURLOPT_HTTPGET : CURLOPT_POST, 1L);
    }
    if (r->get)
        return 0;
    struct sv body = r->body;
    if (!r->body_borrowed) {
        buf_clear(&c->copy);
        buf_add(&c->copy, body);
        if (!buf_ok(&c->copy))
            return err_set(e, ERR_MEMORY, "body");
        body = buf_sv(&c->copy);
    }
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, body.n > 0 ? body.p : "");
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
    return 0;
}

static int begin(struct http_call *c, const struct http_request *r)
{
    struct http_answer *a = &c->early;
    *a = (struct http_answer){ .outcome = HTTP_NOT_SENT, .retry_after_ms = -1 };
    if (r->send_before_ms != 0 && c->begun_ms >= r->send_before_ms) {
        a->outcome = HTTP_TOO_LATE;
        return err_set(&a->err, ERR_UNAVAILABLE, "the time to send was over");
    }
    if (r->timeout_ms <= 0)
        return err_set(&a->err, ERR_UNAVAILABLE, "no time is left");
    if (set_headers(c, r, &a->err) != 0 || set_options(c, r, &a->err) != 0)
        return -1;
    if (http_wait_begin(&c->wait, c->http->loop, r) != 0)
        return err_set(&a->err, ERR_MEMORY, "no memory for a limit");
    c->lane = http_lane_add(c->http->lanes, c->easy);
    if (c->lane == NULL) {
        http_wait_end(&c->wait);
        return err_set(&a->err, ERR_MEMORY, "no memory for another call");
    }
    return 0;
}

struct http_call *http_post(struct http *h, const struct http_request *r, http_fn *fn, void *arg)
{
    struct http_call *c = call_take(h);
    if (c == NULL)
        return NULL;
    c->fn = fn;
    c->arg = arg;
    c->begun_ms = clock_mono_ms();
    c->send_before_ms = r->send_before_ms;
    c->connect_only = r->connect_only;
    c->opened.n = 0;
    c->opened.may_connect = r->may_connect;
    c->opened.may_connect_arg = r->may_connect_arg;
    c->opened.any_allowed = c->opened.any_barred = false;
    http_in_begin(&c->in, r);
    c->tries = 0;
    c->late = c->refused = c->aborted = false;
    c->error[0] = '\0';
    running_add(c);
    if (begin(c, r) != 0)
        loop_soon(h->loop, end_early, c);
    return c;
}

void http_abort(struct http_call *c)
{
    running_remove(c);
    http_wait_end(&c->wait);
    if (c->lane == NULL) { /* end_early is on its way */
        c->aborted = true;
        return;
    }
    http_lane_remove(c->lane, c->easy);
    c->lane = NULL;
    call_give_back(c);
}

/* ---- the whole ---- */

static void free_http(void *arg)
{
    struct http *h = arg;
    curl_share_cleanup(h->share);
    free(h);
}

struct http *http_open(struct loop *l, const struct http_options *o, struct err *e)
{
    static bool begun;
    if (!begun && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        (void)err_set(e, ERR_MEMORY, "curl");
        return NULL;
    }
    begun = true;
    struct http *h = calloc(1, sizeof(*h));
    if (h == NULL) {
        (void)err_set(e, ERR_MEMORY, "http");
        return NULL;
    }
    *h = (struct http){ .loop = l, .options = *o };
    if (h->options.connect_timeout_ms == 0)
        h->options.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    if (h->options.answer_max == 0)
        h->options.answer_max = ANSWER_MAX;
    h->lanes = http_lanes_new(l, o->connections_max, on_done, h);
    h->share = curl_share_init();
    if (h->lanes == NULL || h->share == NULL) {
        http_lanes_free(h->lanes);
        free_http(h);
        (void)err_set(e, ERR_MEMORY, "http");
        return NULL;
    }
    curl_share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    return h;
}

void http_close(struct http *h)
{
    if (h == NULL)
        return;
    h->closed = true;
    while (h->running != NULL)
        http_abort(h->running);
    while (h->idle != NULL) {
        struct http_call *c = h->idle;
        h->idle = c->next;
        call_free(c);
    }
    http_lanes_free(h->lanes);
    loop_soon(h->loop, free_http, h);
}
