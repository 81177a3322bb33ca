/* SPDX-License-Identifier: MIT
 * Reading back: what became of pieces that may have arrived. First the marks, which an echo has set when it came; then the conversation's newest messages, and
 * once more a little later, since what was sent a moment ago need not be shown yet. Each look's result is kept for the tries to come; whatever cannot be read leaves
 * the outcome as unknown as it was, and nothing is sent. */
#include "config.h"

#include "lib/clock.h"
#include "turn/page_own.h"
#include "turn/webhook.h"

#define CLOCKS_MS 120000 /* between the clocks of two services */
#define AGAIN_MS 2000
#define READ_ROW_MS 3000 /* so long may the row of reads be; then the places of sends are as good */
#define PAGES_MOST 3
#define PAGE_SIZE 30

static void read_page(struct platform_call *c);

/* ---- messages ---- */

static bool is_unsure(const struct platform_call *c, size_t i)
{
    return c->state[i] == PAGE_PIECE_MAYBE || c->state[i] == PAGE_PIECE_MISSED;
}

static bool some_left(const struct platform_call *c)
{
    for (size_t i = 0; i < c->text.n; i++)
        if (is_unsure(c, i) && c->matched[i] == NULL)
            return true;
    return false;
}

/* The message counts for the first piece with its text that has none yet: those that have arrived for sure need theirs, too. */
static void match(struct platform_call *c, const struct page_candidate *candidate)
{
    for (size_t i = candidate->piece; i < c->text.n; i++) {
        if (c->matched[i] != NULL || c->state[i] == PAGE_PIECE_OPEN || !sv_eq(c->plain[i], c->plain[candidate->piece]))
            continue;
        c->matched[i] = candidate;
        return;
    }
}

/* False: memory. */
static bool keep_candidate(struct platform_call *c, struct sv plain, struct sv message_id)
{
    size_t i = 0;
    while (i < c->text.n && (c->state[i] == PAGE_PIECE_OPEN || !sv_eq(c->plain[i], plain)))
        i++;
    if (i == c->text.n)
        return true;
    struct page_candidate *candidate = arena_alloc(c->a, sizeof(*candidate));
    if (candidate == NULL)
        return false;
    *candidate = (struct page_candidate){ .c = c, .piece = i };
    page_echo_id(candidate->mark, c->page_id, message_id);
    *c->last_candidate = candidate;
    c->last_candidate = &candidate->next;
    return true;
}

enum message_age { MESSAGE_NEW, MESSAGE_OLD, MESSAGE_UNREADABLE };

/* As if it had come by webhook. */
static enum message_age look_at(struct platform_call *c, struct arena *a, const json_t *message)
{
    struct webhook w;
    struct err e;
    struct buf body = { 0 };
    struct json_out o = { .b = &body };
    json_obj(&o);
    json_kstr(&o, "page_id", c->page_id);
    json_key(&o, "data");
    json_obj(&o);
    json_key(&o, "conversation");
    json_obj(&o);
    json_kstr(&o, "id", c->conversation_id);
    json_kstr(&o, "type", c->comment ? SV("COMMENT") : SV("INBOX"));
    json_obj_end(&o);
    json_kval(&o, "message", message);
    json_obj_end(&o);
    json_obj_end(&o);
    const json_t *read = buf_ok(&body) ? json_read_in(a, buf_sv(&body), false, NULL) : NULL;
    buf_fini(&body);
    if (read == NULL || webhook_read(a, c->page_id, read, &w, &e) != 0)
        return MESSAGE_UNREADABLE;
    if (w.kind != WEBHOOK_CUSTOMER && w.kind != WEBHOOK_PAGE) /* one of the page may be what is looked for */
        return sv_eq(json_sv(json_object_get(message, "from"), "id"), c->page_id) ? MESSAGE_UNREADABLE : MESSAGE_NEW;
    if (w.message.timestamp_ms > 0 && w.message.timestamp_ms < c->first_try_ms - CLOCKS_MS)
        return MESSAGE_OLD;
    if (w.kind != WEBHOOK_PAGE || map_find(c->seen, w.message.message_id) != NULL)
        return MESSAGE_NEW;
    if (map_put(c->seen, w.message.message_id, c, NULL) != 0 || !keep_candidate(c, w.plain, w.message.message_id))
        return MESSAGE_UNREADABLE;
    return MESSAGE_NEW;
}

/* False: some of it could not be read. *old: it goes back to before the first try. */
static bool look_through(struct platform_call *c, const json_t *messages, bool *old)
{
    struct arena *a = arena_new(0, 16u << 20);
    bool whole = a != NULL;
    const json_t *one;
    size_t i;
    *old = false;
    json_array_foreach(messages, i, one) {
        enum message_age age = whole ? look_at(c, a, one) : MESSAGE_UNREADABLE;
        whole = age != MESSAGE_UNREADABLE;
        *old |= age == MESSAGE_OLD;
        if (!whole)
            break;
    }
    arena_free(a);
    return whole;
}

/* ---- what was found ---- */

static void not_read(struct platform_call *c)
{
    page_send_not(c, PLATFORM_UNREACHABLE, "not sent: it cannot be read whether it has arrived");
}

static void no_time(struct platform_call *c)
{
    page_send_not(c, PLATFORM_TOO_LATE, "not sent: there was no time to read whether it has arrived");
}

static void begin_round(struct platform_call *c)
{
    c->read_pages = c->read_n = 0;
    memset(c->matched, 0, sizeof(c->matched));
    map_free(c->seen);
    c->seen = map_new();
    if (c->seen == NULL)
        page_send_not(c, PLATFORM_TOO_LATE, "not read: memory is short");
    else
        read_page(c);
}

static void wait_round(struct platform_call *c)
{
    page_after(c, AGAIN_MS, begin_round);
}

/* What was looked for twice and not found is to be sent. It is written, so that another try needs not look for it so often again, and no other delivery takes what
 * was found for its own. */
static void conclude(struct platform_call *c)
{
    for (size_t i = 0; i < c->text.n; i++) {
        if (is_unsure(c, i) && c->matched[i] != NULL) {
            c->state[i] = PAGE_PIECE_ARRIVED;
            page_ask(c);
            store_put(c->p->o.store, sv_from(c->matched[i]->mark), c->key, PAGE_ECHO_TTL_MS, page_written, c);
        } else if (is_unsure(c, i))
            c->state[i] = c->state[i] == PAGE_PIECE_MAYBE ? PAGE_PIECE_MISSED : PAGE_PIECE_OPEN;
    }
    memset(c->matched, 0, sizeof(c->matched));
    c->then = some_left(c) ? wait_round : page_send_next;
    page_ask(c);
    store_put(c->p->o.store, sv_from(c->record), (struct sv){ c->state, c->text.n }, PAGE_ECHO_TTL_MS, page_written, c);
}

/* ---- whose they are ---- */

static void whose_known(struct platform_call *c)
{
    if (c->store_failed) {
        page_send_not(c, PLATFORM_TOO_LATE, "not sent: the store does not say what others have sent");
        return;
    }
    for (const struct page_candidate *at = c->candidates; at != NULL; at = at->next)
        if (!at->others)
            match(c, at);
    if (some_left(c) && !c->read_whole)
        read_page(c);
    else
        conclude(c);
}

static void whose(void *arg, enum store_status status, struct sv value)
{
    struct page_candidate *candidate = arg;
    struct platform_call *c = candidate->c;
    candidate->others = value.n > 0 && !sv_eq(value, c->key);
    c->store_failed |= status != STORE_DONE;
    (void)page_heard(c);
}

/* The same words may have been sent before: by the reply before this one, a moment ago. */
static void ask_whose(struct platform_call *c)
{
    if (c->candidates == NULL) {
        whose_known(c);
        return;
    }
    c->store_failed = false;
    c->then = whose_known;
    page_ask(c); /* not before all are asked */
    for (struct page_candidate *at = c->candidates; at != NULL; at = at->next) {
        page_ask(c);
        store_get(c->p->o.store, sv_from(at->mark), whose, at);
    }
    (void)page_heard(c);
}

static void answered(void *arg, const struct pages_answer *a)
{
    struct platform_call *c = arg;
    c->call = NULL;
    c->http_status = a->http_status;
    if (a->outcome == PAGES_LIMITED) {
        c->err = a->err;
        c->then = not_read;
        page_leave_alone(c, a->retry_after_ms);
        return;
    }
    if (a->outcome != PAGES_DONE) {
        c->err = a->err;
        c->retry_after_ms = a->retry_after_ms;
        not_read(c);
        return;
    }
    const json_t *messages = json_object_get(a->body, "messages");
    size_t n = json_array_size(messages);
    bool old = false;
    page_was_good(c);
    c->candidates = NULL;
    c->last_candidate = &c->candidates;
    if (!look_through(c, messages, &old)) {
        not_read(c);
        return;
    }
    c->read_n += (unsigned)n;
    c->read_whole = old || n < PAGE_SIZE || c->read_pages >= PAGES_MOST;
    ask_whose(c);
}

/* ---- asking ---- */

static void call(struct platform_call *c)
{
    int64_t left_ms = c->deadline_ms - clock_mono_ms();
    const struct pages_reading r = { .page_id = c->page_id, .conversation_id = c->conversation_id, .current_count = c->read_n, .timeout_ms = left_ms };
    if (left_ms <= 0) {
        no_time(c);
        return;
    }
    if (c->limited) {
        c->limited = false;
        read_page(c);
        return;
    }
    c->read_pages++;
    c->call = pages_messages(c->p->o.pages, &r, answered, c);
    if (c->call == NULL)
        page_send_not(c, PLATFORM_TOO_LATE, "not read: memory is short");
}

static void limit_known(void *arg, enum store_status status, struct sv value)
{
    struct platform_call *c = arg;
    c->limited = status == STORE_DONE && value.p != NULL;
    (void)page_heard(c);
}

static void moment(struct platform_call *c)
{
    c->then = call;
    page_ask(c);
    store_get(c->p->o.store, sv_from(c->limit), limit_known, c);
}

static void nothing(struct platform_call *c)
{
    (void)c;
}

static void ask_place(struct platform_call *c, enum page_row row, int64_t ahead_ms, store_value_fn *fn)
{
    struct store_place q = page_place(c->a, c->page_id, row, 1, c->p->o.calls_per_second);
    int64_t left_ms = c->deadline_ms - clock_mono_ms();
    if (q.name.p == NULL || left_ms <= 0) {
        no_time(c);
        return;
    }
    q.ahead_max_ms = ahead_ms < left_ms ? ahead_ms : left_ms;
    c->then = nothing;
    page_ask(c);
    store_place(c->p->o.store, &q, fn, c);
}

static void placed(void *arg, enum store_status status, struct sv value)
{
    struct platform_call *c = arg;
    int64_t ms = 0;
    if (!page_heard(c))
        return;
    if (status == STORE_DONE && sv_to_i64(value, &ms) && ms >= 0) {
        page_after(c, ms, moment);
        return;
    }
    c->retry_after_ms = ms < 0 ? -ms : -1;
    no_time(c);
}

/* The row of reads is long: one place of the sends, which are waiting for what is read. */
static void placed_soon(void *arg, enum store_status status, struct sv value)
{
    struct platform_call *c = arg;
    int64_t ms = 0;
    if (!page_heard(c))
        return;
    if (status == STORE_DONE && sv_to_i64(value, &ms) && ms >= 0)
        page_after(c, ms, moment);
    else
        ask_place(c, PAGE_ROW_SEND, INT64_MAX, placed);
}

static void read_page(struct platform_call *c)
{
    ask_place(c, PAGE_ROW_READ, READ_ROW_MS, placed_soon);
}

/* ---- marks ---- */

static bool is_alone(const struct platform_call *c, size_t at)
{
    for (size_t i = 0; i < c->text.n; i++)
        if (i != at && sv_eq(c->plain[i], c->plain[at]))
            return false;
    return true;
}

static void mark_known(void *arg, enum store_status status, struct sv value);

/* The next piece whose mark may say something: the first try has written it, and no other piece has the same one. */
static void look_at_mark(struct platform_call *c)
{
    while (c->at < c->text.n && !(c->recalled && is_unsure(c, c->at) && is_alone(c, c->at)))
        c->at++;
    if (c->at == c->text.n) {
        if (!some_left(c))
            page_send_next(c);
        else if (memchr(c->state, PAGE_PIECE_MISSED, c->text.n) != NULL)
            wait_round(c); /* nobody knows when the first look was */
        else
            begin_round(c);
        return;
    }
    page_echo_text(c->echo, c->page_id, c->conversation_id, c->plain[c->at]);
    c->then = nothing;
    page_ask(c);
    store_get(c->p->o.store, sv_from(c->echo), mark_known, c);
}

static void mark_known(void *arg, enum store_status status, struct sv value)
{
    struct platform_call *c = arg;
    if (!page_heard(c))
        return;
    if (status == STORE_DONE && sv_starts(value, SV(PAGE_ECHO_SEEN)) && sv_eq((struct sv){ value.p + strlen(PAGE_ECHO_SEEN), value.n - strlen(PAGE_ECHO_SEEN) }, c->key))
        c->state[c->at] = PAGE_PIECE_ARRIVED;
    c->at++;
    look_at_mark(c);
}

void page_look_begin(struct platform_call *c)
{
    c->at = 0;
    look_at_mark(c);
}
