/* SPDX-License-Identifier: MIT
 * A page of a session's history. What is recent is known from the store (chat_find.h); the archive is asked for its rows and which of the recent
 * exchanges it has; chat_merge.h lays the one between the other. Where only one of both can be asked it answers alone, if it has everything. */
#include "config.h"

#include "turn/chat_cursor.h"
#include "turn/chat_find.h"
#include "turn/queue_passed.h"
#include "turn/turn_parts.h"

#define TRIES_MAX 4
#define BEHIND_MS 1000    /* so long a page waits for the archive */
#define JUST_NOW_MS 10000 /* what is older is guessed to be archived */

struct page {
    struct chat_find f;
    struct chat_wish wish;
    bool filtered;
    struct sv cursor;
    size_t known_n; /* exchanges that the store has */
    struct chat_recent *recent; /* those of them that this page is about */
    struct sv *ids; /* theirs */
    size_t recent_n;
    struct chat_ask ask;
    unsigned tries;
    const struct archive_exchange *rows; /* borrowed from the archive's answer */
};

static void end(struct page *q)
{
    control_end(&q->f.c);
}

static void refuse_memory(struct page *q)
{
    control_refuse(&q->f.c, 503, "unavailable", "Memory is short.", NULL);
    end(q);
}

/* ---- the answer ---- */

static bool put_messages(struct json_out *o, const struct page *q, const struct chat_merged *m)
{
    bool whole = true;

    json_key(o, "messages");
    json_arr(o);
    for (size_t i = 0; i < m->n; i++) {
        const struct chat_line *line = &m->lines[i];
        const struct chat_entry *e = line->recent != CHAT_NOWHERE ? &q->f.entries[q->recent[line->recent].from] : NULL;
        if (e != NULL && e->message_json.p != NULL)
            chat_entry_put(o, q->f.session_id, e);
        else if (line->row != CHAT_NOWHERE)
            chat_row_put(o, q->f.session_id, &q->rows[line->row]);
        else
            whole = false;
    }
    json_arr_end(o);
    return whole;
}

static void put_place(struct json_out *o, const struct page *q, const struct chat_merged *m)
{
    int64_t size = (int64_t)q->wish.size;

    if (q->wish.by_cursor)
        return;
    json_kint(o, "totalCount", m->total);
    json_kint(o, "currentPage", (int64_t)q->wish.page);
    json_kint(o, "totalPages", (m->total + size - 1) / size);
}

static void put_cursor(struct json_out *o, const struct page *q, const struct chat_merged *m)
{
    char cursor[CHAT_CURSOR_SIZE];

    if (m->more)
        chat_cursor_make(q->f.session_id, &m->lines[0].key, cursor);
    json_kstr(o, "nextCursor", m->more ? sv_from(cursor) : SV_NONE);
}

static void tell(struct page *q, const struct chat_merged *m)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    struct chat_info info = q->f.info;

    if (m->n == 0) {
        control_refuse(&q->f.c, 404, "history_not_found", "Chat history not found", NULL);
        end(q);
        return;
    }
    if (!q->filtered && m->total > info.messages) /* the record is younger than the history */
        info.messages = m->total;
    json_obj(&o);
    bool whole = put_messages(&o, q, m);
    put_place(&o, q, m);
    json_key(&o, "sessionInfo");
    chat_put_session(&o, q->f.session_id, &info);
    put_cursor(&o, q, m);
    json_obj_end(&o);
    if (whole) {
        control_tell(&q->f.c, &b);
    } else {
        buf_fini(&b);
        control_refuse(&q->f.c, 503, "unavailable", "These messages are too large to be shown before they are archived.", NULL);
    }
    end(q);
}

/* ---- without the archive ---- */

static void tell_alone(struct page *q)
{
    const struct chat_parts p = { .recent = q->recent, .recent_n = q->recent_n, .ask = q->ask };
    struct chat_merged m;

    if (q->f.store_down) {
        control_unavailable(&q->f.c);
        end(q);
    } else if (q->f.c.t->o.archive != NULL && (q->f.asks_before || (int64_t)q->known_n < q->f.info.messages)) {
        chat_refuse_archive(&q->f.c);
        end(q);
    } else if (chat_merge(q->f.c.a, &q->wish, &p, &m) != 0) {
        refuse_memory(q);
    } else {
        tell(q, &m);
    }
}

/* ---- with it ---- */

static void ask(struct page *q);

static struct chat_row *rows_of(struct page *q, const struct archive_pages *p)
{
    struct chat_row *rows = arena_array(q->f.c.a, p->n + 1, sizeof(*rows));

    for (size_t i = 0; rows != NULL && i < p->n; i++) {
        rows[i] = (struct chat_row){ .key.ms = p->list[i].timestamp_ms, .message_id = p->list[i].message_id };
        memcpy(rows[i].key.id, p->list[i].id, CHAT_UUID_BYTES);
    }
    return rows;
}

static void on_rows(void *arg, enum archive_status status, const struct archive_pages *p)
{
    struct page *q = arg;
    struct chat_merged m;

    if (status != ARCHIVE_DONE) {
        q->ask = (struct chat_ask){ 0 };
        tell_alone(q);
        return;
    }
    for (size_t i = 0; i < q->recent_n; i++)
        q->recent[i].archived = p->known[i];
    struct chat_parts parts = { .recent = q->recent, .recent_n = q->recent_n, .rows = rows_of(q, p), .rows_n = p->n, .rows_total = p->total,
                                .ask = q->ask };
    q->rows = p->list;
    if (parts.rows == NULL || chat_merge(q->f.c.a, &q->wish, &parts, &m) != 0) {
        refuse_memory(q);
    } else if (!m.again) {
        tell(q, &m);
    } else if (++q->tries < TRIES_MAX) {
        q->ask = chat_merge_ask(&q->wish, m.unarchived);
        ask(q);
    } else { /* it loses rows faster than it can be asked */
        chat_refuse_archive(&q->f.c);
        end(q);
    }
}

static void ask(struct page *q)
{
    struct archive_page what = { .session_id = q->f.session_id, .from_ms = q->wish.from_ms, .to_ms = q->wish.to_ms, .counted = !q->wish.by_cursor,
                                 .after = q->wish.after, .before_ms = q->wish.last.ms, .skip = q->ask.skip, .max = q->ask.max, .recent = q->ids,
                                 .recent_n = q->recent_n };

    memcpy(what.before_id, q->wish.last.id, sizeof(what.before_id));
    archive_history(q->f.c.t->o.archive, &what, on_rows, q);
}

/* Those that the archive has not had the time to take. */
static size_t guess(const struct page *q)
{
    size_t n = 0;

    for (size_t i = 0; i < q->recent_n; i++)
        n += q->f.entries[q->recent[i].from].received_ms > q->f.now_ms - JUST_NOW_MS;
    return n;
}

/* Could it be on this page, or be counted for it? */
static bool is_wanted(const struct page *q, const struct chat_key *key)
{
    bool within = key->ms >= q->wish.from_ms && key->ms <= q->wish.to_ms;

    return within && (!q->wish.after || chat_key_compare(key, &q->wish.last) < 0);
}

static int order_recent(struct page *q)
{
    size_t n = 0;
    int64_t left;

    q->recent = arena_array(q->f.c.a, q->f.entries_n + 1, sizeof(*q->recent));
    q->ids = arena_array(q->f.c.a, q->f.entries_n + 1, sizeof(*q->ids));
    if (q->recent == NULL || q->ids == NULL)
        return -1;
    for (size_t i = 0; i < q->f.entries_n; i++)
        q->recent[i] = (struct chat_recent){ .key = q->f.entries[i].key, .message_id = q->f.entries[i].message_id, .from = i };
    left = chat_recent_order(q->f.c.a, q->recent, q->f.entries_n);
    q->known_n = left > 0 ? (size_t)left : 0;
    for (size_t i = 0; i < q->known_n; i++)
        if (is_wanted(q, &q->recent[i].key))
            q->recent[n++] = q->recent[i];
    q->recent_n = n;
    for (size_t i = 0; i < n; i++)
        q->ids[i] = q->recent[i].message_id;
    return left < 0 ? -1 : 0;
}

static void queue_has_passed(void *arg, enum queue_passed how, int64_t until_ms)
{
    struct page *q = arg;

    (void)until_ms;
    switch (how) {
    case QUEUE_PASSED:
        ask(q);
        return;
    case QUEUE_BEHIND:
        control_refuse(&q->f.c, 503, "archive_behind", "The archive has still to catch up with this session.", NULL);
        break;
    case QUEUE_STORE_DOWN:
        control_unavailable(&q->f.c);
        break;
    }
    end(q);
}

static void on_found(struct chat_find *f)
{
    struct page *q = (struct page *)(void *)f;

    if (q->cursor.n > 0 && !chat_cursor_read(f->session_id, q->cursor, &q->wish.last)) {
        chat_refuse_query(&f->c, "cursor", "Input should be a nextCursor of this session", "cursor");
        end(q);
        return;
    }
    q->wish.after = q->cursor.n > 0;
    if (order_recent(q) != 0) {
        refuse_memory(q);
        return;
    }
    if (f->c.t->o.archive == NULL || f->archive_down) {
        tell_alone(q);
        return;
    }
    q->ask = chat_merge_ask(&q->wish, guess(q));
    if (f->entries_n < HISTORY_ENTRIES_MAX)
        ask(q);
    else /* the store may have let older ones go: the archive must have them */
        queue_passed(f->c.t, f->info.activity_ms, BEHIND_MS, queue_has_passed, q);
}

void chat_page(struct turns *t, const struct chat_page *p, control_fn *fn, void *arg)
{
    struct page *q = chat_find_begin(t, sizeof(*q), &p->who, p->user_id, p->session_id, fn, arg);

    if (q == NULL)
        return;
    q->wish = (struct chat_wish){ .from_ms = p->from_ms, .to_ms = p->to_ms, .page = (size_t)p->page, .by_cursor = p->by_cursor,
                                  .size = (size_t)(p->page_size > 0 ? p->page_size : history_page_size(t)) };
    q->filtered = p->from_ms != INT64_MIN || p->to_ms != INT64_MAX || p->by_cursor;
    q->cursor = arena_sv(q->f.c.a, p->cursor);
    q->f.entries_too = true;
    q->f.unknown_code = "history_not_found";
    q->f.unknown_text = "Chat history not found";
    q->f.found = on_found;
    if (q->cursor.n == p->cursor.n)
        chat_find_go(&q->f);
    else
        control_short_of_memory(&q->f.c);
}
