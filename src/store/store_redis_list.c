/* SPDX-License-Identifier: MIT
 * Listings in Redis: a page of a sorted set (sql/redis/list.lua), then the records of those on it, when they are wanted, in a second
 * command. Knows nothing of what records mean. */
#include "config.h"

#include <stdlib.h>

#include "store/store_redis_inside.h"

#define LISTING_MAX (256u << 20)

/* A listing between its two commands; the first one's reply does not outlive it. */
struct listing {
    struct redis *r;
    store_list_fn *fn;
    void *arg;
    struct store_list what;
    struct arena *arena;
    struct store_listed *items;
    struct store_listing is;
};

static void end(struct listing *l, enum store_status status)
{
    struct listing copy = *l;
    free(l);
    copy.fn(copy.arg, status, status == STORE_DONE ? &copy.is : NULL); /* may close the store */
    arena_free(copy.arena);
}

/* Scores of whole milliseconds come as integers; whatever else there is was put there by hand. */
static int64_t score_of(const struct redis_reply *score)
{
    char text[64] = "";
    int64_t ms = redis_number(score, INT64_MIN);
    if (ms != INT64_MIN || score->type != REDIS_STRING || score->text.n >= sizeof(text))
        return ms == INT64_MIN ? 0 : ms;
    memcpy(text, score->text.p, score->text.n);
    double d = strtod(text, NULL);
    return d >= 9e18 ? INT64_MAX : d <= 0 ? 0 : (int64_t)d;
}

/* The lowest score comes first, whatever was asked for. */
static enum store_status read_page(struct listing *l, const struct redis_call *call, const struct redis_reply *reply)
{
    struct redis_reply time = redis_item(reply, 0), page = redis_item(reply, 1), more = redis_item(reply, 2),
                       coming = redis_item(reply, 3);
    size_t n = page.n / 2;
    l->is = (struct store_listing){ .now_ms = redis_heard_time(l->r, call, &time), .next_ms = -1 };
    if (l->is.now_ms == 0)
        return redis_odd(l->r, "list: TIME");
    l->items = arena_array(l->arena, n + 1, sizeof(*l->items));
    if (l->items == NULL)
        return STORE_FULL;
    for (size_t i = 0; i < n; i++) {
        struct redis_reply score = redis_item(&page, 2 * i + 1);
        struct store_listed *one = &l->items[l->what.newest_first ? n - 1 - i : i];
        *one = (struct store_listed){ .id = arena_sv(l->arena, redis_text(&page, 2 * i)), .score_ms = score_of(&score) };
        if (one->id.p == NULL)
            return STORE_FULL;
    }
    l->is.items = l->items;
    l->is.n = n;
    if (l->what.until_now && more.integer > 0)
        l->is.next_ms = 0;
    else if (coming.type == REDIS_STRING)
        l->is.next_ms = score_of(&coming) > l->is.now_ms ? score_of(&coming) - l->is.now_ms : 0;
    return STORE_DONE;
}

static void on_records(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct listing *l = call->arg;
    enum store_status status = redis_status(l->r, outcome, reply, "list: records");
    for (size_t i = 0; status == STORE_DONE && i < l->is.n; i++)
        l->items[i].record = redis_text(reply, i); /* borrowed until this returns */
    end(l, status);
}

static bool ask_records(struct listing *l)
{
    struct buf *b = redis_link_begin_script(l->r->link, SCRIPT_RECORDS, l->is.n, 0);
    if (b == NULL)
        return false;
    for (size_t i = 0; i < l->is.n; i++)
        redis_key_conversation(b, l->items[i].id, KEY_RECORD);
    return redis_link_end(l->r->link, &(struct redis_call){ .done = on_records, .owner = l->r, .arg = l });
}

static void on_page(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct listing *l = call->arg;
    enum store_status status = redis_status(l->r, outcome, reply, "list");
    if (status == STORE_DONE)
        status = read_page(l, call, reply);
    if (status != STORE_DONE || !l->what.want_records || l->is.n == 0)
        end(l, status);
    else if (!ask_records(l))
        end(l, redis_link_is_up(l->r->link) ? STORE_FULL : STORE_DOWN);
}

static struct sv key_of(enum store_index index)
{
    switch (index) {
    case STORE_DUE:
        return KEY_DUE;
    case STORE_ACTIVITY:
        return KEY_ACTIVITY;
    case STORE_ACTIVE:
        return KEY_ACTIVE;
    case STORE_WAITING:
        return KEY_WAITING;
    case STORE_PAUSED:
        return KEY_PAUSED;
    }
    return SV("");
}

static void write_bound(struct buf *b, int64_t ms)
{
    if (ms > 0)
        redis_write_i64(b, ms);
    else
        redis_write(b, SV_NONE);
}

static bool ask_page(struct listing *l)
{
    const struct store_list *w = &l->what;
    struct buf *b = redis_link_begin_script(l->r->link, SCRIPT_LIST, 1, 7);
    if (b == NULL)
        return false;
    redis_write(b, key_of(w->index));
    redis_write(b, w->newest_first ? SV("1") : SV("0"));
    redis_write(b, w->until_now ? SV("1") : SV("0"));
    write_bound(b, w->min_ms);
    write_bound(b, w->max_ms);
    redis_write(b, w->after_id);
    redis_write_i64(b, w->after_ms);
    redis_write_i64(b, w->max < INT32_MAX ? (int64_t)w->max : INT32_MAX);
    return redis_link_end(l->r->link, &(struct redis_call){ .done = on_page, .owner = l->r, .arg = l });
}

void redis_list(struct store *s, const struct store_list *what, store_list_fn *fn, void *arg)
{
    struct redis *r = redis_of(s);
    struct listing *l = malloc(sizeof(*l));
    struct arena *arena = arena_new(0, LISTING_MAX);
    if (l != NULL && arena != NULL) {
        *l = (struct listing){ .r = r, .fn = fn, .arg = arg, .what = *what, .arena = arena };
        if (ask_page(l))
            return;
    }
    free(l);
    arena_free(arena);
    redis_refuse(r, &(struct answer){ .kind = ANSWER_LIST, .fn.list = fn, .arg = arg });
}
