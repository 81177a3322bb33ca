/* SPDX-License-Identifier: MIT
 * The sessions of a user. The store has those that were in use lately, the archive has all of them but the newest moments; each is told once, as the
 * store says it. */
#include "config.h"

#include <stdlib.h>

#include "archive/archive_history.h"
#include "store/store_history.h"
#include "turn/chat_find.h"

struct listed { struct sv id; struct chat_info info; };

struct listing {
    struct control_call c;
    bool allowed, store_down;
    struct sv user_id;
    size_t max;
    struct listed *list;
    size_t n;
    bool short_of_memory;
};

static int by_activity(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;

    if (x->info.activity_ms != y->info.activity_ms)
        return x->info.activity_ms > y->info.activity_ms ? -1 : 1;
    size_t n = x->id.n < y->id.n ? x->id.n : y->id.n;
    int d = memcmp(x->id.p, y->id.p, n);
    return d != 0 ? d : (x->id.n > y->id.n) - (x->id.n < y->id.n);
}

/* Room for so many more. */
static bool room(struct listing *q, size_t more)
{
    struct listed *list = arena_array(q->c.a, q->n + more + 1, sizeof(*list));

    q->short_of_memory = q->short_of_memory || list == NULL;
    if (list == NULL)
        return false;
    if (q->n > 0)
        memcpy(list, q->list, q->n * sizeof(*list));
    q->list = list;
    return true;
}

static void refuse(struct listing *q, bool archive_down)
{
    if (q->store_down || !archive_down)
        control_unavailable(&q->c);
    else
        chat_refuse_archive(&q->c);
    control_end(&q->c);
}

static void tell(struct listing *q)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    if (q->short_of_memory) {
        control_refuse(&q->c, 503, "unavailable", "Memory is short.", NULL);
        control_end(&q->c);
        return;
    }
    if (q->n > 0)
        qsort(q->list, q->n, sizeof(*q->list), by_activity);
    json_arr(&o);
    for (size_t i = 0; i < q->n && i < q->max; i++)
        chat_put_session(&o, q->list[i].id, &q->list[i].info);
    json_arr_end(&o);
    control_tell(&q->c, &b);
    control_end(&q->c);
}

/* Both are few (MAX_SESSIONS_PER_USER). */
static struct listed *find(struct listing *q, size_t n, struct sv id)
{
    for (size_t i = 0; i < n; i++)
        if (sv_eq(q->list[i].id, id))
            return &q->list[i];
    return NULL;
}

static void add_archived(struct listing *q, size_t recent, const struct archive_user_session *s)
{
    struct listed *known = find(q, recent, s->session_id);

    if (known != NULL) { /* one that came back after the store had forgotten it counts anew until it has looked here */
        if (s->messages > known->info.messages)
            known->info.messages = s->messages;
        if (s->created_ms < known->info.created_ms)
            known->info.created_ms = s->created_ms;
        return;
    }
    q->list[q->n++] = (struct listed){ .id = arena_sv(q->c.a, s->session_id),
                                       .info = { .known = true, .user_id = q->user_id, .created_ms = s->created_ms, .activity_ms = s->activity_ms,
                                                 .messages = s->messages, .status = arena_sv(q->c.a, s->status) } };
    q->short_of_memory = q->short_of_memory || q->list[q->n - 1].id.p == NULL || q->list[q->n - 1].info.status.p == NULL;
}

static void on_archive(void *arg, enum archive_status status, const struct archive_user_session *list, size_t n)
{
    struct listing *q = arg;
    size_t recent = q->n;

    if (status != ARCHIVE_DONE && (q->store_down || q->n == 0)) { /* there may be some; without it those that are recent are told */
        refuse(q, true);
        return;
    }
    if (status == ARCHIVE_DONE && room(q, n))
        for (size_t i = 0; i < n; i++)
            add_archived(q, recent, &list[i]);
    tell(q);
}

static void on_store(void *arg, enum store_status status, const struct store_user_session *list, size_t n)
{
    struct listing *q = arg;
    struct archive *archive = q->c.t->o.archive;

    q->store_down = status != STORE_DONE;
    if (q->store_down || store_is_standing_in(q->c.t->o.store))
        q->c.cache = "BYPASS";
    if (!q->store_down && n > 0 && room(q, n)) {
        for (size_t i = 0; i < n; i++) {
            struct listed *one = &q->list[q->n];
            one->id = arena_sv(q->c.a, list[i].id);
            q->n += one->id.p != NULL && chat_info_of_fields(q->c.a, list[i].fields, list[i].fields_n, &one->info) &&
                    sv_eq(one->info.user_id, q->user_id);
        }
    }
    if (archive != NULL)
        archive_user_sessions(archive, q->user_id, q->max, on_archive, q);
    else if (q->store_down)
        refuse(q, false);
    else
        tell(q);
}

static void begin(void *arg)
{
    struct listing *q = arg;

    if (!q->allowed) {
        chat_refuse_access(&q->c);
        control_end(&q->c);
    } else if (store_is_spooling(q->c.t->o.store)) {
        on_store(q, STORE_DOWN, NULL, 0);
    } else {
        store_user(q->c.t->o.store, q->user_id, on_store, q);
    }
}

void chat_sessions(struct turns *t, const struct chat_who *who, struct sv user_id, control_fn *fn, void *arg)
{
    struct listing *q = control_begin(t, sizeof(*q), fn, arg);

    if (q == NULL)
        return;
    q->allowed = who->admin || sv_eq(who->user_id, user_id);
    q->max = history_sessions_max(t);
    q->user_id = arena_sv(q->c.a, user_id);
    if (q->user_id.p == NULL)
        control_short_of_memory(&q->c);
    else
        loop_soon(t->o.loop, begin, q);
}
