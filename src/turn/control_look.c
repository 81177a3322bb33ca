/* SPDX-License-Identifier: MIT
 * Asks store, archive and daemon at once and waits a bounded time for their answers: whoever wants to know how the system is must hear it
 * above all when something is away. */
#include "config.h"

#include "turn/control_look.h"

#define LOOK_WITHIN_MS 2500

static void done(struct look *q)
{
    if (--q->open > 0)
        return;
    if (q->c.fn != NULL)
        q->tell(q);
    loop_timer_free(q->timer);
    control_end(&q->c);
}

static void late(void *arg)
{
    struct look *q = arg;
    if (q->c.fn != NULL)
        q->tell(q);
}

/* Of both listings; one that is in both is told once. */
static void stuck_told(void *arg, enum store_status status, const struct store_listing *l)
{
    struct look *q = arg;
    for (size_t i = 0; status == STORE_DONE && i < l->n && q->stuck_n < CONTROL_STUCK_SHOWN; i++) {
        const struct store_listed *item = &l->items[i];
        struct conversation c;
        struct err e;
        if (item->record.p == NULL || conversation_parse(item->record, &c, &e) != 0)
            continue;
        bool known = false;
        for (size_t k = 0; k < q->stuck_n; k++)
            known |= sv_eq(q->stuck[k], item->id);
        if (known || !control_is_stuck(q->c.t, &c, q->now_ms, item->score_ms))
            continue;
        q->stuck[q->stuck_n] = arena_sv(q->c.a, item->id);
        q->stuck_n += q->stuck[q->stuck_n].p != NULL;
    }
    done(q);
}

static void ask_stuck(struct look *q)
{
    struct store *s = q->c.t->o.store;
    struct store_list waiting = { .index = STORE_WAITING, .max_ms = q->now_ms - control_stuck_after_ms(q->c.t), .max = CONTROL_STUCK_SHOWN,
                                  .want_records = true };
    struct store_list due = { .index = STORE_DUE, .max_ms = q->now_ms - CONTROL_OVERDUE_MS, .max = CONTROL_STUCK_SHOWN, .want_records = true };
    q->open += 2;
    store_list(s, &waiting, stuck_told, q);
    store_list(s, &due, stuck_told, q);
}

static void store_told(void *arg, enum store_status status, const struct store_stat *stat)
{
    struct look *q = arg;
    q->store_up = status == STORE_DONE;
    if (q->store_up) {
        q->store = *stat;
        q->store.text = arena_sv(q->c.a, stat->text);
        q->oldest_item_ms = control_oldest_item_ms(stat);
        q->store.heads = NULL;
        q->store.heads_n = 0;
        q->now_ms = stat->now_ms;
        ask_stuck(q);
    }
    done(q);
}

static void archive_told(void *arg, enum archive_status status, const struct archive_stat *stat)
{
    struct look *q = arg;
    q->archive_known = status == ARCHIVE_DONE;
    if (q->archive_known) {
        q->archive = *stat;
        q->archive.text = arena_sv(q->c.a, stat->text);
    }
    done(q);
}

static void heartbeat_told(void *arg, enum store_status status, struct sv value)
{
    struct look *q = arg;
    if (status == STORE_DONE && value.p != NULL)
        q->heartbeat = json_read_in(q->c.a, value, false, NULL);
    done(q);
}

void look_begin(struct turns *t, void (*tell)(struct look *q), control_fn *fn, void *arg)
{
    struct look *q = control_begin(t, sizeof(*q), fn, arg);
    if (q == NULL)
        return;
    q->tell = tell;
    q->timer = loop_timer_new(t->o.loop, late, q);
    if (q->timer == NULL) {
        control_short_of_memory(&q->c);
        return;
    }
    loop_timer_set(q->timer, LOOK_WITHIN_MS);
    q->now_ms = turns_store_now(t);
    q->open = t->o.archive != NULL ? 3 : 2;
    store_stat(t->o.store, store_told, q);
    store_get(t->o.store, SV("heartbeat"), heartbeat_told, q);
    if (t->o.archive != NULL)
        archive_stat(t->o.archive, archive_told, q);
}

int64_t look_lag_ms(const struct look *q)
{
    if (!q->store_up || q->oldest_item_ms == 0)
        return -1;
    return q->oldest_item_ms == INT64_MAX || q->oldest_item_ms > q->store.now_ms ? 0 : q->store.now_ms - q->oldest_item_ms;
}

void look_put_queue(struct json_out *o, const struct look *q)
{
    json_kint(o, "depth", q->store.queue);
    json_kint(o, "taken", q->store.queue_taken);
    json_kint(o, "dead", q->store.dead);
    json_key(o, "oldest_age_seconds");
    if (look_lag_ms(q) >= 0)
        json_ms(o, look_lag_ms(q));
    else
        json_nul(o);
    json_key(o, "callbacks");
    json_obj(o);
    json_kint(o, "depth", q->store.callbacks);
    json_kint(o, "taken", q->store.callbacks_taken);
    json_obj_end(o);
}
