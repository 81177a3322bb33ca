/* SPDX-License-Identifier: MIT
 * What a user has set. The archive has it; the store has a copy for other programs and for the time when the archive is away. The copy goes before
 * the archive is written and comes after, so that there is never an old one. Where there is no archive the store has it alone. */
#include "config.h"

#include "archive/archive_history.h"
#include "store/store_history.h"
#include "turn/chat_find.h"

struct preferences {
    struct control_call c;
    bool allowed, puts;
    struct sv user_id;
    struct archive_pair *list; /* to be put */
    struct store_pair *copy;   /* the same */
    size_t n;
};

static void end(struct preferences *q)
{
    control_end(&q->c);
}

static void put(struct json_out *o, struct sv key, struct sv value)
{
    json_name(o, key);
    json_str(o, value);
}

/* ---- reading ---- */

static void from_store(void *arg, enum store_status status, const struct store_pair *pairs, size_t n)
{
    struct preferences *q = arg;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    if (status != STORE_DONE) {
        control_unavailable(&q->c);
    } else if (n == 0 && q->c.t->o.archive != NULL) { /* no copy is not the same as nothing */
        chat_refuse_archive(&q->c);
    } else {
        json_obj(&o);
        for (size_t i = 0; i < n; i++)
            put(&o, pairs[i].key, pairs[i].value);
        json_obj_end(&o);
        control_tell(&q->c, &b);
    }
    end(q);
}

static void from_archive(void *arg, enum archive_status status, const struct archive_pair *pairs, size_t n)
{
    struct preferences *q = arg;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    if (status != ARCHIVE_DONE) {
        store_preferences(q->c.t->o.store, q->user_id, from_store, q);
        return;
    }
    json_obj(&o);
    for (size_t i = 0; i < n; i++)
        put(&o, pairs[i].key, pairs[i].value);
    json_obj_end(&o);
    control_tell(&q->c, &b);
    end(q);
}

/* ---- writing ---- */

/* Whether there is a copy or not: the archive has them. */
static void copied(void *arg, enum store_status status)
{
    struct preferences *q = arg;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    if (status != STORE_DONE && q->c.t->o.archive == NULL) {
        control_unavailable(&q->c);
        end(q);
        return;
    }
    json_obj(&o);
    for (size_t i = 0; i < q->n; i++)
        put(&o, q->list[i].key, q->list[i].value);
    json_obj_end(&o);
    control_tell(&q->c, &b);
    end(q);
}

static void copy(struct preferences *q)
{
    store_preferences_put(q->c.t->o.store, q->user_id, q->copy, q->n, copied, q);
}

static void archived(void *arg, enum archive_status status)
{
    struct preferences *q = arg;

    if (status == ARCHIVE_DONE) {
        copy(q);
        return;
    }
    chat_refuse_archive(&q->c);
    end(q);
}

static void copy_gone(void *arg, enum store_status status)
{
    struct preferences *q = arg;

    if (status == STORE_DONE) {
        archive_preferences_put(q->c.t->o.archive, q->user_id, q->list, q->n, archived, q);
        return;
    }
    control_unavailable(&q->c);
    end(q);
}

/* ---- both ---- */

static void go(void *arg)
{
    struct preferences *q = arg;
    struct turns *t = q->c.t;

    if (!q->allowed) {
        chat_refuse_access(&q->c);
        end(q);
    } else if (q->puts && t->o.archive != NULL) {
        store_preferences_put(t->o.store, q->user_id, NULL, 0, copy_gone, q);
    } else if (q->puts) {
        copy(q);
    } else if (t->o.archive != NULL) {
        archive_preferences(t->o.archive, q->user_id, from_archive, q);
    } else {
        store_preferences(t->o.store, q->user_id, from_store, q);
    }
}

static struct preferences *begin(struct turns *t, const struct chat_who *who, struct sv user_id, control_fn *fn, void *arg)
{
    struct preferences *q = control_begin(t, sizeof(*q), fn, arg);

    if (q == NULL)
        return NULL;
    q->allowed = who->admin || sv_eq(who->user_id, user_id);
    q->user_id = arena_sv(q->c.a, user_id);
    if (q->user_id.p != NULL)
        return q;
    control_short_of_memory(&q->c);
    return NULL;
}

void chat_preferences(struct turns *t, const struct chat_who *who, struct sv user_id, control_fn *fn, void *arg)
{
    struct preferences *q = begin(t, who, user_id, fn, arg);

    if (q != NULL)
        loop_soon(t->o.loop, go, q);
}

void chat_preferences_put(struct turns *t, const struct chat_who *who, struct sv user_id, const struct chat_preference *list, size_t n, control_fn *fn,
                          void *arg)
{
    struct preferences *q = begin(t, who, user_id, fn, arg);
    bool whole;

    if (q == NULL || control_is_spooling(&q->c))
        return;
    q->puts = true;
    q->n = n;
    q->list = arena_array(q->c.a, n + 1, sizeof(*q->list));
    q->copy = arena_array(q->c.a, n + 1, sizeof(*q->copy));
    whole = q->list != NULL && q->copy != NULL;
    for (size_t i = 0; whole && i < n; i++) {
        q->list[i] = (struct archive_pair){ .key = arena_sv(q->c.a, list[i].key), .value = arena_sv(q->c.a, list[i].value) };
        q->copy[i] = (struct store_pair){ .key = q->list[i].key, .value = q->list[i].value };
        whole = q->list[i].key.p != NULL && q->list[i].value.p != NULL;
    }
    if (whole)
        loop_soon(t->o.loop, go, q);
    else
        control_short_of_memory(&q->c);
}
