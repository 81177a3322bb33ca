/* SPDX-License-Identifier: MIT
 * A sweep's calls, one at a time, each in a place of the reading row:
 *
 *   LIST ──per conversation──> MESSAGES, page after page, back to `since` ──> take ──> the next conversation ──> the next page of LIST
 *
 * A conversation moves to the front of the listing whenever something happens in it, also while the listing is read: it may move past us, and the one that the next
 * page would begin behind may be gone from where it was. So a listing of several pages is looked at again, from when it began, until it is one page; what was
 * visited is not read again. And where nothing comes behind a conversation though the page before was full, the listing goes on by time. */
#include "config.h"

#include <stdlib.h>

#include "daemon/page_sweep_own.h"
#include "lib/backoff.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"

#define LIST_FULL 60
#define READ_FULL 30
#define PASSES_MOST 5
#define PAGES_MOST 1000
#define FUTURE_MS 3600000
#define CALL_MS 20000
#define LOST_MS 5000     /* so long after its time a call is not waited for any more */
#define LATE_MS 60       /* so late at a place, and another one is taken */
#define TRIES_MOST 4     /* of one call */
#define ROW_MS 900000    /* so long a place is waited for: three times as long as one "too many" moves the row */
#define ROW_LOOK_MS 30000
#define LIMITED_MOST 10  /* times in a row */
#define LIMITED_FIRST_MS 1000
#define LIMITED_MAX_MS 60000
#define SECONDS_MAX 1e11 /* more are milliseconds */

static void place(struct swept_page *p);
static void read_call(struct swept_page *p);

/* ---- a place, then the call ---- */

static void limit_known(void *arg, enum store_status status, struct sv value)
{
    struct swept_page *p = arg;
    if (!sweep_heard(p))
        return;
    if (status != STORE_DONE) {
        sweep_over(p, "the store cannot be asked");
    } else if (value.p != NULL) {
        place(p);
    } else {
        p->run.wanted_mono_ms = 0;
        p->run.step(p);
    }
}

static void moment(struct swept_page *p)
{
    char name[STORE_ID_MAX + 1];
    if (clock_mono_ms() - p->run.place_mono_ms > LATE_MS) {
        place(p);
        return;
    }
    sweep_ask(p);
    store_get(p->all->o.store, sweep_name(name, p, "limited"), limit_known, p);
}

/* None was given: said_ms is how far the first one is, negative. It is asked for again when that is near enough, or now and then: the row may be emptied meanwhile. */
static void wait_for_row(struct swept_page *p, int64_t said_ms)
{
    int64_t ms = -(said_ms + p->run.ahead_max_ms);
    ms = ms < ROW_LOOK_MS ? ms : ROW_LOOK_MS;
    sweep_after(p, (ms > 0 ? ms : 0) + backoff_ms(2, 1000, 10000), place);
}

static void placed(void *arg, enum store_status status, struct sv value)
{
    struct swept_page *p = arg;
    int64_t ms = 0;
    if (!sweep_heard(p))
        return;
    if (status != STORE_DONE || !sv_to_i64(value, &ms)) {
        sweep_over(p, "the store cannot be asked");
    } else if (ms >= 0) {
        p->run.place_mono_ms = clock_mono_ms() + ms;
        sweep_after(p, ms, moment);
    } else {
        wait_for_row(p, ms);
    }
}

static void place(struct swept_page *p)
{
    int64_t now_ms = clock_mono_ms(), most_ms = p->all->o.row_ms > 0 ? p->all->o.row_ms : ROW_MS;
    if (p->run.wanted_mono_ms == 0)
        p->run.wanted_mono_ms = now_ms;
    if (now_ms - p->run.wanted_mono_ms > most_ms) {
        sweep_over(p, "the page is called too often");
        return;
    }
    struct arena *a = arena_new(0, 4096);
    struct store_place q = { .name = SV_NONE };
    if (a != NULL)
        q = page_place(a, sv_from(p->id), PAGE_ROW_READ, 1, p->all->o.calls_per_second);
    if (q.name.p == NULL) {
        arena_free(a);
        sweep_over(p, "memory is short");
        return;
    }
    p->run.ahead_max_ms = q.ahead_max_ms;
    sweep_ask(p);
    store_place(p->all->o.store, &q, placed, p);
    arena_free(a);
}

static void place_for(struct swept_page *p, void (*step)(struct swept_page *p))
{
    p->run.step = step;
    p->run.again = 0;
    p->run.wanted_mono_ms = 0;
    place(p);
}

/* ---- "too many" ---- */

static void row_moved(void *arg, enum store_status status, struct sv value)
{
    struct swept_page *p = arg;
    (void)value;
    if (!sweep_heard(p))
        return;
    if (status != STORE_DONE) {
        sweep_over(p, "the store cannot be asked");
        return;
    }
    if (p->run.row > PAGE_ROW_READ) {
        place(p);
        return;
    }
    struct arena *a = arena_new(0, 4096);
    struct store_place q = { .name = SV_NONE };
    if (a != NULL)
        q = page_place(a, sv_from(p->id), (enum page_row)p->run.row, 0, p->all->o.calls_per_second);
    if (q.name.p == NULL) {
        arena_free(a);
        sweep_over(p, "memory is short");
        return;
    }
    p->run.row++;
    q.wait_ms = p->run.wait_ms;
    sweep_ask(p);
    store_place(p->all->o.store, &q, row_moved, p);
    arena_free(a);
}

static void limit_told(void *arg, enum store_status status)
{
    row_moved(arg, status, SV_NONE);
}

/* All processes leave the page alone for as long as it said, within reason. */
static void leave_alone(struct swept_page *p, int64_t said_ms)
{
    struct sweep_run *r = &p->run;
    char name[STORE_ID_MAX + 1];
    if (++r->limited > LIMITED_MOST) {
        sweep_over(p, "too many calls");
        return;
    }
    int64_t ms = LIMITED_FIRST_MS << (r->limited - 1);
    if (said_ms >= 1)
        r->wait_ms = said_ms < PAGE_LIMITED_MAX_MS ? said_ms : PAGE_LIMITED_MAX_MS;
    else
        r->wait_ms = ms < LIMITED_MAX_MS ? ms : LIMITED_MAX_MS;
    r->row = PAGE_ROW_SEND;
    sweep_ask(p);
    store_put(p->all->o.store, sweep_name(name, p, "limited"), SV("1"), r->wait_ms, limit_told, p);
}

/* ---- calls ---- */

static struct sweep_call *call_new(struct swept_page *p)
{
    struct sweep_call *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    *c = (struct sweep_call){ .page = p, .next = p->all->calls, .at = &p->all->calls };
    if (c->next != NULL)
        c->next->at = &c->next;
    p->all->calls = c;
    return c;
}

static struct swept_page *call_free(struct sweep_call *c)
{
    struct swept_page *p = c->page;
    *c->at = c->next;
    if (c->next != NULL)
        c->next->at = c->at;
    free(c);
    if (p != NULL) {
        p->call = NULL;
        loop_timer_stop(p->timer);
    }
    return p;
}

static void lost(struct swept_page *p)
{
    p->call->page = NULL;
    p->call = NULL;
    sweep_over(p, "a call was not answered");
}

static void begun(struct swept_page *p, struct sweep_call *c, const struct pages_call *call)
{
    if (call == NULL) {
        if (c != NULL)
            (void)call_free(c);
        sweep_over(p, "memory is short");
        return;
    }
    p->call = c;
    sweep_after(p, CALL_MS + LOST_MS, lost);
}

/* The page's client, or the end. */
static struct pages *client(struct swept_page *p)
{
    struct pages *pages = page_peers_find(p->all->o.peers, sv_from(p->id));
    if (pages == NULL)
        sweep_over(p, "there is no token any more");
    return pages;
}

/* What was asked for is no more. Every other refusal may be one for now. */
static bool is_gone(const struct pages_answer *a)
{
    return a->outcome == PAGES_REFUSED && (a->http_status == 404 || a->http_status == 410);
}

/* The page's token is refused, or there is none: no matter of one conversation. */
static bool is_shut(const struct pages_answer *a)
{
    return a->http_status == 401 || (a->outcome == PAGES_REFUSED && a->http_status == 0);
}

/* False: something else has been begun. */
static bool is_good(struct swept_page *p, const struct pages_answer *a)
{
    struct sweep_run *r = &p->run;
    switch (a->outcome) {
    case PAGES_DONE:
        r->again = r->limited = 0;
        return true;
    case PAGES_LIMITED:
        leave_alone(p, a->retry_after_ms);
        return false;
    case PAGES_REFUSED:
    case PAGES_UNREACHABLE:
    case PAGES_TOO_LATE:
    case PAGES_UNKNOWN:
        r->again++;
        if (is_shut(a))
            sweep_over(p, a->err.text);
        else if (r->step == read_call && (r->again >= TRIES_MOST || sweep_was_left(p)))
            sweep_leave(p, a->err.text);
        else if (r->again >= TRIES_MOST)
            sweep_over(p, a->err.text);
        else
            sweep_after(p, a->retry_after_ms > 0 && a->retry_after_ms < LIMITED_MAX_MS ? a->retry_after_ms : backoff_ms(r->again, p->all->o.retry_ms / 4, 10000), place);
        return false;
    }
    return false;
}

/* ---- messages ---- */

static void next_conversation(struct swept_page *p);

/* How many of them were kept, or need not be. *old: they go back to before `since`. *full: the run must be taken first. */
static size_t keep_all(struct swept_page *p, const json_t *messages, bool *old, bool *full)
{
    struct sweep_run *r = &p->run;
    size_t i, n = json_array_size(messages);
    for (i = 0; i < n; i++) {
        enum sweep_age age = sweep_keep(p, json_array_get(messages, i));
        *old = *old || age == SWEEP_OLD;
        if (age != SWEEP_NO_ROOM) {
            r->found.messages += age == SWEEP_NEW;
        } else if (r->items_n > 0) {
            *full = true;
            break;
        } else {
            log_warning("a message of the page API is too large", "page_id", p->id, NULL);
            r->found.unread++;
        }
    }
    return i;
}

static void read_answered(void *arg, const struct pages_answer *a)
{
    struct swept_page *p = call_free(arg);
    bool old = false, full = false;
    if (p == NULL)
        return;
    struct sweep_run *r = &p->run;
    if (is_gone(a)) { /* this conversation alone */
        log_warning("a conversation cannot be read", "page_id", p->id, "conversation_id", r->listed[r->at].id.p, "error", a->err.text, NULL);
        r->found.unread++;
        r->read_more = false;
        sweep_take(p);
        return;
    }
    if (!is_good(p, a))
        return;
    const json_t *messages = json_object_get(a->body, "messages");
    r->read_n += (unsigned)keep_all(p, messages, &old, &full);
    r->read_more = full || (!old && json_array_size(messages) >= READ_FULL);
    if (r->read_more && r->read_n >= p->all->o.read_most) {
        log_warning("a conversation has too many new messages, or the page API gives the same ones again and again: the rest of it is not read", "page_id", p->id, "conversation_id",
                    r->listed[r->at].id.p, NULL);
        r->found.unread++;
        r->read_more = false;
    }
    if (full || !r->read_more)
        sweep_take(p);
    else
        place_for(p, read_call);
}

static void read_call(struct swept_page *p)
{
    struct pages *pages = client(p);
    if (pages == NULL)
        return;
    struct sweep_call *c = call_new(p);
    const struct pages_reading q = { .page_id = sv_from(p->id), .conversation_id = p->run.listed[p->run.at].id, .current_count = p->run.read_n,
                                     .timeout_ms = CALL_MS };
    begun(p, c, c != NULL ? pages_messages(pages, &q, read_answered, c) : NULL);
}

void sweep_read_on(struct swept_page *p)
{
    if (p->run.read_more) {
        place_for(p, read_call);
        return;
    }
    if (sweep_is_done(p))
        sweep_read_next(p);
    else
        sweep_over(p, "memory is short");
}

void sweep_read_next(struct swept_page *p)
{
    p->run.at++;
    next_conversation(p);
}

/* ---- the listing ---- */

static void list_call(struct swept_page *p);

static void begin_pass(struct swept_page *p, int64_t since_ms)
{
    struct sweep_run *r = &p->run;
    r->passes++;
    r->pages = 0;
    r->pass_since_ms = since_ms;
    r->pass_began_ms = clock_wall_ms();
    r->until_ms = r->pass_began_ms + FUTURE_MS; /* what moves to the front is still in it */
    r->oldest_ms = INT64_MAX;
    buf_clear(&r->cursor);
    place_for(p, list_call);
}

static void end_page(struct swept_page *p)
{
    struct sweep_run *r = &p->run;
    if (r->more && r->pages < PAGES_MOST)
        place_for(p, list_call);
    else if (r->more)
        sweep_over(p, "there are too many conversations");
    else if (r->pages > 1 && r->passes < PASSES_MOST)
        begin_pass(p, r->pass_began_ms - SWEEP_CLOCKS_MS > r->since_ms ? r->pass_began_ms - SWEEP_CLOCKS_MS : r->since_ms);
    else
        sweep_over(p, NULL);
}

static void next_conversation(struct swept_page *p)
{
    struct sweep_run *r = &p->run;
    while (r->at < r->n && map_find(r->visited, r->listed[r->at].id) != NULL)
        r->at++;
    if (r->at == r->n) {
        end_page(p);
        return;
    }
    if (map_put(r->visited, r->listed[r->at].id, p, NULL) != 0) {
        sweep_over(p, "memory is short");
        return;
    }
    r->found.conversations++;
    r->read_n = 0;
    r->persons_before = false;
    place_for(p, read_call);
}

/* INT64_MAX: it does not say. */
static int64_t updated_ms(const json_t *conversation)
{
    const json_t *v = json_object_get(conversation, "updated_at");
    int64_t ms = 0;
    if (json_is_string(v) && clock_parse(json_string_value(v), &ms))
        return ms;
    double n = json_is_number(v) ? json_number_value(v) : 0;
    n = n < SECONDS_MAX ? n * 1000 : n;
    return n >= 1 && n < 1e15 ? (int64_t)n : INT64_MAX;
}

static struct sv about(struct arena *a, struct sv id, const json_t *conversation)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    struct sv name = json_sv(json_object_get(conversation, "from"), "name");
    json_obj(&o);
    json_kstr(&o, "id", id);
    json_kval(&o, "type", json_object_get(conversation, "type"));
    json_kval(&o, "post_id", json_object_get(conversation, "post_id"));
    if (name.n > 0) {
        json_key(&o, "from");
        json_obj(&o);
        json_kstr(&o, "name", name);
        json_obj_end(&o);
    }
    json_obj_end(&o);
    struct sv s = buf_ok(&b) ? arena_sv(a, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return s;
}

/* False: memory is short. */
static bool keep_conversation(struct swept_page *p, const json_t *conversation)
{
    struct sweep_run *r = &p->run;
    const json_t *v = json_object_get(conversation, "id");
    struct sv id = json_is_integer(v) ? arena_printf(r->list, "%lld", (long long)json_integer_value(v)) : arena_sv(r->list, json_sv(conversation, "id"));
    if (id.n == 0)
        return !json_is_integer(v) && json_sv(conversation, "id").n == 0;
    struct sv what = about(r->list, id, conversation);
    if (what.p == NULL)
        return false;
    int64_t ms = updated_ms(conversation);
    r->oldest_ms = ms < r->oldest_ms ? ms : r->oldest_ms;
    if (ms >= r->pass_since_ms && sweep_is_known(p, id, ms)) {
        if (map_put(r->done, id, p, NULL) != 0)
            return false;
    } else if (ms >= r->pass_since_ms) {
        r->listed[r->n++] = (struct sweep_listed){ id, what };
    }
    buf_clear(&r->cursor);
    buf_add(&r->cursor, id);
    return buf_ok(&r->cursor);
}

static bool keep_list(struct swept_page *p, const json_t *list)
{
    struct sweep_run *r = &p->run;
    const json_t *one;
    size_t i;
    arena_reset(r->list);
    r->n = r->at = 0;
    r->listed = arena_array(r->list, json_array_size(list) + 1, sizeof(*r->listed));
    if (r->listed == NULL)
        return false;
    json_array_foreach(list, i, one) {
        if (!keep_conversation(p, one))
            return false;
    }
    return true;
}

static void list_answered(void *arg, const struct pages_answer *a)
{
    struct swept_page *p = call_free(arg);
    if (p == NULL || !is_good(p, a))
        return;
    struct sweep_run *r = &p->run;
    const json_t *list = json_object_get(a->body, "conversations");
    size_t n = json_array_size(list);
    r->pages++;
    if (n == 0 && r->cursor.n > 0 && r->oldest_ms < r->until_ms) { /* the page before was full, and its last one has moved */
        r->until_ms = r->oldest_ms;
        buf_clear(&r->cursor);
        place_for(p, list_call);
        return;
    }
    if (!keep_list(p, list)) {
        sweep_over(p, "memory is short");
        return;
    }
    r->more = n >= LIST_FULL && r->oldest_ms >= r->pass_since_ms;
    next_conversation(p);
}

static void list_call(struct swept_page *p)
{
    struct pages *pages = client(p);
    if (pages == NULL)
        return;
    struct sweep_call *c = call_new(p);
    const struct pages_listing q = { .page_id = sv_from(p->id), .since_ms = p->run.pass_since_ms, .until_ms = p->run.until_ms,
                                     .last_conversation_id = buf_sv(&p->run.cursor), .timeout_ms = CALL_MS };
    begun(p, c, c != NULL ? pages_conversations(pages, &q, list_answered, c) : NULL);
}

void sweep_read_begin(struct swept_page *p)
{
    begin_pass(p, p->run.since_ms);
}
