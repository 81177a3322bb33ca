/* SPDX-License-Identifier: MIT
 * A delivery, piece after piece. What each piece is known to be stands in the store under the delivery's key, one character each, and is written before the
 * piece leaves; so whoever repeats the delivery, here or elsewhere, knows which pieces are to be looked for and which need not be.
 *
 *   begin ──again──> record ──some may have arrived──> page_look.c
 *     │                 │                                  │
 *     v                 v                                  v
 *   next piece ──> a place ──its moment──> marks ──> call ──done──> marks ──> next piece
 *                    ^                       │         │
 *                    └── late, or "too many" ┘─────────┘ */
#include "config.h"

#include <stdio.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "turn/page_own.h"

#define STOPPED "not sent: a person has taken over"

/* ---- ends ---- */

static size_t arrived(const struct platform_call *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->text.n; i++)
        n += c->state[i] == PAGE_PIECE_ARRIVED;
    return n;
}

static void end(struct platform_call *c, enum platform_outcome outcome, int64_t executed)
{
    page_answer(c, &(struct platform_answer){ .outcome = outcome, .actions_executed = executed, .settled = c->settled, .retry_after_ms = c->retry_after_ms, .http_status = c->http_status, .err = c->err });
}

/* Actions all of whose pieces have arrived, and those that need none. */
static int64_t executed(const struct platform_call *c)
{
    int64_t n = (int64_t)c->text.executed;
    size_t lost = SIZE_MAX;
    for (size_t i = 0; i < c->text.n; i++) {
        if (c->state[i] == PAGE_PIECE_ARRIVED || c->text.pieces[i].action == lost)
            continue;
        lost = c->text.pieces[i].action;
        n--;
    }
    return n;
}

/* Nor was anything sent by an earlier try. */
static void impossible(struct platform_call *c)
{
    struct platform_answer a = { .outcome = PLATFORM_FAILED, .impossible = true, .settled = true, .retry_after_ms = -1 };
    (void)err_set(&a.err, ERR_REFUSED, "not sent: none of the reply's actions can be done by messages of a page");
    page_answer(c, &a);
}

static void refused(struct platform_call *c)
{
    if (arrived(c) == 0) {
        end(c, PLATFORM_FAILED, 0);
        return;
    }
    log_warning("a part of a reply was refused, behind others that have arrived", "conversation_id", c->conversation_id.p, "page_id", c->page_id.p, "error", c->err.text, NULL);
    end(c, PLATFORM_SENT, executed(c));
}

void page_send_not(struct platform_call *c, enum platform_outcome outcome, const char *why)
{
    if (c->err.code == ERR_NONE)
        (void)err_set(&c->err, ERR_UNAVAILABLE, "%s", why);
    end(c, outcome, 0);
}

static void tell_later(struct platform_call *c)
{
    if (arrived(c) > 0)
        end(c, PLATFORM_PART, 0);
    else
        end(c, c->answered_any ? PLATFORM_UNREACHABLE : PLATFORM_TOO_LATE, 0);
}

/* ---- what is known, in the store ---- */

static void write_record(struct platform_call *c)
{
    page_ask(c);
    store_put(c->p->o.store, sv_from(c->record), (struct sv){ c->state, c->text.n }, PAGE_ECHO_TTL_MS, page_written, c);
}

void page_send_later(struct platform_call *c, int64_t retry_after_ms, const char *why)
{
    c->retry_after_ms = retry_after_ms;
    if (c->err.code == ERR_NONE)
        (void)err_set(&c->err, ERR_UNAVAILABLE, "%s", why);
    c->then = tell_later;
    write_record(c);
}

/* ---- a place ---- */

static void moment(struct platform_call *c);

static int64_t place_of(const struct platform_call *c)
{
    return c->held.at_ms + (int64_t)(c->at - c->held.first) * c->held.every_ms;
}

static bool has_place(const struct platform_call *c)
{
    return c->at >= c->held.first && c->at - c->held.first < c->held.n && clock_mono_ms() <= place_of(c) + PAGE_LATE_MS;
}

static void await_place(struct platform_call *c)
{
    int64_t at_ms = place_of(c);
    if (at_ms > c->send_before_ms)
        page_send_later(c, at_ms - clock_mono_ms(), "not sent in time: too many wait for the page");
    else
        page_after(c, at_ms - clock_mono_ms(), moment);
}

static void ask_place(struct platform_call *c, enum page_row row, store_value_fn *fn)
{
    int64_t left_ms = c->send_before_ms - clock_mono_ms();
    unsigned n = row == PAGE_ROW_SEND ? (unsigned)(c->text.n - c->at) : 1;
    struct store_place q = page_place(c->a, c->page_id, row, n, c->p->o.calls_per_second);
    if (q.name.p == NULL || left_ms <= 0) {
        page_send_later(c, -1, q.name.p == NULL ? "not sent: memory is short" : "not sent in time");
        return;
    }
    if (q.ahead_max_ms > left_ms)
        q.ahead_max_ms = left_ms;
    c->held = (struct page_held){ .every_ms = q.every_ms, .first = c->at, .n = n };
    page_ask(c);
    store_place(c->p->o.store, &q, fn, c);
}

static void nothing(struct platform_call *c)
{
    (void)c;
}

/* True: it has a place. *ms: how far that is, or would be; -1: nobody knows. */
static bool take_place(struct platform_call *c, enum store_status status, struct sv value, int64_t *ms)
{
    bool known = status == STORE_DONE && sv_to_i64(value, ms);
    bool given = known && *ms >= 0;
    if (given)
        c->held.at_ms = clock_mono_ms() + *ms;
    else
        c->held.n = 0;
    *ms = !known ? -1 : *ms < 0 ? -*ms : *ms;
    return given;
}

static void late_place(void *arg, enum store_status status, struct sv value)
{
    struct platform_call *c = arg;
    int64_t ms = 0;
    if (!page_heard(c))
        return;
    if (take_place(c, status, value, &ms)) {
        await_place(c);
        return;
    }
    c->http_status = 429; /* the page's own limit: nothing is wrong with it, and a circuit breaker need not open */
    page_send_later(c, ms, "not sent in time: too many wait for the page");
}

/* Where the row of sends is long, a reply that has passed its gate may still have a place in the other one, which is short. */
static void another_place(void *arg, enum store_status status, struct sv value)
{
    struct platform_call *c = arg;
    int64_t ms = 0;
    if (!page_heard(c))
        return;
    if (take_place(c, status, value, &ms))
        await_place(c);
    else if (status == STORE_DONE)
        ask_place(c, PAGE_ROW_READ, late_place);
    else
        page_send_later(c, -1, "not sent: the store does not say when");
}

static void find_place(struct platform_call *c)
{
    c->then = nothing;
    ask_place(c, PAGE_ROW_SEND, another_place);
}

/* ---- a piece ---- */

static void call(struct platform_call *c);

static void limit_known(void *arg, enum store_status status, struct sv value)
{
    struct platform_call *c = arg;
    c->store_failed |= status != STORE_DONE;
    c->limited = value.p != NULL;
    (void)page_heard(c);
}

/* In the order in which it is asked: what may be, then that it is ours, then whether the page may be called at all. */
static void moment(struct platform_call *c)
{
    c->store_failed = c->limited = false;
    c->state[c->at] = PAGE_PIECE_MAYBE;
    c->then = call;
    write_record(c);
    page_echo_text(c->echo, c->page_id, c->conversation_id, c->plain[c->at]);
    page_ask(c);
    store_put(c->p->o.store, sv_from(c->echo), c->key, PAGE_ECHO_TTL_MS, page_written, c);
    page_ask(c);
    store_get(c->p->o.store, sv_from(c->limit), limit_known, c);
}

static void done(struct platform_call *c, const struct pages_answer *a)
{
    c->state[c->at] = PAGE_PIECE_ARRIVED;
    c->retry_after_ms = -1;
    page_was_good(c);
    c->then = page_send_next;
    write_record(c);
    if (a->id.n == 0)
        return;
    page_echo_id(c->echo, c->page_id, a->id);
    page_ask(c);
    store_put(c->p->o.store, sv_from(c->echo), c->key, PAGE_ECHO_TTL_MS, page_written, c);
}

static void after_limit(struct platform_call *c)
{
    c->held.n = 0;
    find_place(c);
}

static void answered(void *arg, const struct pages_answer *a)
{
    struct platform_call *c = arg;
    c->call = NULL;
    c->http_status = a->http_status;
    c->answered_any |= a->outcome != PAGES_TOO_LATE;
    c->err = a->outcome == PAGES_DONE ? (struct err){ .code = ERR_NONE } : a->err;
    if (a->outcome != PAGES_DONE && a->outcome != PAGES_UNKNOWN)
        c->state[c->at] = PAGE_PIECE_OPEN;
    switch (a->outcome) {
    case PAGES_DONE:
        done(c, a);
        return;
    case PAGES_REFUSED:
        refused(c);
        return;
    case PAGES_LIMITED:
        c->then = after_limit;
        page_leave_alone(c, a->retry_after_ms);
        return;
    case PAGES_UNREACHABLE:
    case PAGES_TOO_LATE:
        page_send_later(c, a->retry_after_ms, "not sent");
        return;
    case PAGES_UNKNOWN:
        page_send_not(c, PLATFORM_UNKNOWN, "outcome unknown");
        return;
    }
}

static void call(struct platform_call *c)
{
    int64_t now_ms = clock_mono_ms();
    if (c->store_failed || c->limited || c->stopped || now_ms > place_of(c) + PAGE_LATE_MS || now_ms >= c->send_before_ms)
        c->state[c->at] = PAGE_PIECE_OPEN;
    if (c->store_failed) {
        page_send_later(c, -1, "not sent: the store does not answer");
        return;
    }
    if (c->stopped) {
        page_send_later(c, -1, STOPPED);
        return;
    }
    if (c->state[c->at] == PAGE_PIECE_OPEN) {
        find_place(c);
        return;
    }
    const struct pages_message m = {
        .page_id = c->page_id,
        .conversation_id = c->conversation_id,
        .action = c->comment ? PAGES_REPLY_COMMENT : PAGES_REPLY_INBOX,
        .text = c->text.pieces[c->at].text,
        .message_id = c->message_id,
        .timeout_ms = c->deadline_ms - now_ms,
        .send_before_ms = c->send_before_ms,
    };
    c->call = pages_send(c->p->o.pages, &m, answered, c);
    if (c->call != NULL)
        return;
    c->state[c->at] = PAGE_PIECE_OPEN;
    page_send_later(c, -1, "not sent: memory is short");
}

void page_send_next(struct platform_call *c)
{
    c->settled = true;
    c->at = 0;
    while (c->at < c->text.n && c->state[c->at] == PAGE_PIECE_ARRIVED)
        c->at++;
    if (c->at == c->text.n)
        end(c, PLATFORM_SENT, executed(c));
    else if (c->stopped)
        page_send_later(c, -1, STOPPED);
    else if (has_place(c))
        await_place(c);
    else
        find_place(c);
}

/* ---- begin ---- */

static bool is_state(char s)
{
    return s == PAGE_PIECE_OPEN || s == PAGE_PIECE_MAYBE || s == PAGE_PIECE_MISSED || s == PAGE_PIECE_ARRIVED;
}

/* What an earlier try has left. Nothing, or nothing that fits: all may have arrived. */
static void recalled(void *arg, enum store_status status, struct sv value)
{
    struct platform_call *c = arg;
    if (!page_heard(c))
        return;
    if (status != STORE_DONE) {
        page_send_not(c, PLATFORM_TOO_LATE, "not sent: the store does not say what an earlier try has sent");
        return;
    }
    bool known = value.n == c->text.n;
    for (size_t i = 0; known && i < c->text.n; i++)
        known = is_state(value.p[i]);
    for (size_t i = 0; i < c->text.n; i++)
        c->state[i] = known ? value.p[i] : (char)PAGE_PIECE_MAYBE;
    c->recalled = known;
    page_look_begin(c);
}

static bool make_plain(struct platform_call *c)
{
    for (size_t i = 0; i < c->text.n; i++) {
        struct buf b = { 0 };
        page_text_plain(&b, c->text.pieces[i].text);
        c->plain[i] = buf_ok(&b) ? arena_sv(c->a, b.n > 0 ? buf_sv(&b) : SV("")) : SV_NONE;
        buf_fini(&b);
        if (c->plain[i].p == NULL)
            return false;
        c->state[i] = PAGE_PIECE_OPEN;
    }
    return true;
}

void page_send_begin(struct platform_call *c)
{
    if (c->err.code != ERR_NONE) {
        end(c, PLATFORM_FAILED, 0);
    } else if (c->text.n == 0 && c->text.executed > 0) {
        end(c, PLATFORM_SENT, (int64_t)c->text.executed);
    } else if (c->text.n == 0) {
        impossible(c);
    } else if (!make_plain(c)) {
        (void)err_set(&c->err, ERR_MEMORY, "not sent: memory is short");
        end(c, PLATFORM_TOO_LATE, 0);
    } else {
        (void)snprintf(c->record, sizeof(c->record), "page:sent:%.*s", SV_FMT(sv_cut_utf8(c->key, 64)));
        (void)snprintf(c->limit, sizeof(c->limit), "page:%.*s:limited", SV_FMT(c->page_id));
        page_take_held(c);
        if (!c->again) {
            page_send_next(c);
            return;
        }
        c->then = nothing;
        page_ask(c);
        store_get(c->p->o.store, sv_from(c->record), recalled, c);
    }
}
