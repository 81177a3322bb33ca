/* SPDX-License-Identifier: MIT
 * Forgets conversations that nobody has used for long. A conversation is forgotten only when nothing would be lost: it is idle, nothing
 * waits, the bot is not silenced until later, and everything of it has reached the archive. What has not is known from the queue's first
 * items: they are read before the walk begins, and nothing that was queued before them is unarchived. The version decides at
 * the end: who came in between keeps his conversation. */
#include "config.h"

#include "lib/clock.h"
#include "turn/control_own.h"

#define PAGE 64
#define MARGIN_MS 60000 /* clocks, and items that were queued while the heads were read */

enum kept { KEPT_BUSY, KEPT_PENDING, KEPT_PAUSED, KEPT_UNARCHIVED, KEPT_CHANGED, KEPT_N };

struct cleaning {
    struct control_call c;
    struct control_cleanup what;
    int64_t began_mono_ms, before_ms, now_ms;
    int64_t archived_before_ms; /* what came to its end before it is in the archive */
    uint64_t examined, removed, kept[KEPT_N];
    char after_key[STORE_ID_MAX + 1];
    struct sv after;
    int64_t after_ms;
    size_t open; /* conversations of this page under way, and the walk itself */
    bool last_page, down;
    struct candidate *page; /* PAGE of them */
    size_t page_n;
};

struct candidate {
    struct cleaning *owner;
    char key[STORE_ID_MAX + 1];
    struct sv id;
};

static void next_page(struct cleaning *q);

static void tell(struct cleaning *q)
{
    static const char *const names[] = { [KEPT_BUSY] = "busy", [KEPT_PENDING] = "pending", [KEPT_PAUSED] = "paused",
                                         [KEPT_UNARCHIVED] = "unarchived", [KEPT_CHANGED] = "changed" };
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kbool(&o, "dry_run", q->what.dry_run);
    json_key(&o, "max_age_hours");
    json_num(&o, (double)q->what.max_age_ms / 3600000);
    json_kint(&o, "examined", (int64_t)q->examined);
    json_kint(&o, "removed", (int64_t)q->removed);
    json_key(&o, "kept");
    json_obj(&o);
    for (size_t i = 0; i < KEPT_N; i++)
        json_kint(&o, names[i], (int64_t)q->kept[i]);
    json_obj_end(&o);
    json_kbool(&o, "complete", q->last_page && !q->down);
    json_kstr(&o, "storage_backend", sv_from(store_backend(q->c.t->o.store)));
    json_obj_end(&o);
    control_tell(&q->c, &b);
    control_end(&q->c);
}

static void part_done(struct cleaning *q)
{
    if (--q->open > 0)
        return;
    bool enough = q->c.t->draining || (q->what.max > 0 && q->examined >= q->what.max) ||
                  (q->what.within_ms > 0 && clock_mono_ms() - q->began_mono_ms >= q->what.within_ms);
    if (q->last_page || q->down || enough)
        tell(q);
    else
        next_page(q);
}

/* KEPT_N: it may go. */
static enum kept look(const struct cleaning *q, const struct conversation *c, size_t pending_n)
{
    if (c->pending_n > 0 || pending_n > 0)
        return KEPT_PENDING;
    if (c->phase != PHASE_IDLE || c->token[0] != '\0' || q->now_ms < c->send_deadline_ms)
        return KEPT_BUSY;
    if (c->paused && (c->paused_until_ms == 0 || q->now_ms < c->paused_until_ms))
        return KEPT_PAUSED;
    if (c->activity_ms + MARGIN_MS >= q->archived_before_ms)
        return KEPT_UNARCHIVED;
    return c->activity_ms > q->before_ms ? KEPT_CHANGED : KEPT_N;
}

/* ---- one conversation ---- */

static void forgotten(void *arg, enum store_status status, const struct store_applied *applied)
{
    struct candidate *d = arg;
    struct cleaning *q = d->owner;
    (void)applied;
    if (status == STORE_DONE) {
        q->removed++;
        turns_count(q->c.t, FIGURE_CLEANED);
    } else if (status == STORE_DOWN) {
        q->down = true;
    } else {
        q->kept[KEPT_CHANGED]++;
    }
    part_done(q);
}

static void loaded(void *arg, enum store_status status, const struct store_view *v)
{
    struct candidate *d = arg;
    struct cleaning *q = d->owner;
    struct conversation c;
    struct err e;
    if (status != STORE_DONE) {
        q->down = true;
        part_done(q);
        return;
    }
    if (v->version == 0 || conversation_parse(v->record, &c, &e) != 0) {
        q->kept[KEPT_CHANGED]++;
        part_done(q);
        return;
    }
    enum kept kept = v->lease_token.n > 0 ? KEPT_BUSY : look(q, &c, v->pending_n);
    if (kept != KEPT_N) {
        q->kept[kept]++;
        part_done(q);
        return;
    }
    struct store_change change = { .conversation_id = d->id, .expect_version = v->version, .forget = true };
    store_apply(q->c.t->o.store, &change, forgotten, d);
}

static void visit(struct cleaning *q, const struct store_listed *item)
{
    struct conversation c;
    struct err e;
    q->examined++;
    if (item->record.p == NULL || conversation_parse(item->record, &c, &e) != 0) {
        q->kept[KEPT_CHANGED]++;
        return;
    }
    enum kept kept = look(q, &c, 0);
    if (kept != KEPT_N) {
        q->kept[kept]++;
        return;
    }
    if (q->what.dry_run) {
        q->removed++;
        return;
    }
    struct candidate *d = &q->page[q->page_n++];
    d->owner = q;
    memcpy(d->key, item->id.p, item->id.n);
    d->id = (struct sv){ d->key, item->id.n };
    q->open++;
    struct store_load what = { .conversation_id = d->id };
    store_load(q->c.t->o.store, &what, loaded, d);
}

/* ---- the walk ---- */

static void listed(void *arg, enum store_status status, const struct store_listing *l)
{
    struct cleaning *q = arg;
    if (status != STORE_DONE) {
        q->down = true;
        part_done(q);
        return;
    }
    size_t n = l->n;
    if (q->what.max > 0 && n > q->what.max - q->examined)
        n = (size_t)(q->what.max - q->examined);
    q->last_page = l->n < PAGE && n == l->n;
    if (n > 0 && l->items[n - 1].score_ms + MARGIN_MS >= q->archived_before_ms)
        q->last_page = true; /* so is everything behind it: the listing is in the order of activity */
    for (size_t i = 0; i < n; i++) {
        const struct store_listed *item = &l->items[i];
        if (item->id.n == 0 || item->id.n > STORE_ID_MAX)
            continue;
        visit(q, item);
        memcpy(q->after_key, item->id.p, item->id.n);
        q->after = (struct sv){ q->after_key, item->id.n };
        q->after_ms = item->score_ms;
    }
    part_done(q);
}

static void next_page(struct cleaning *q)
{
    struct store_list what = { .index = STORE_ACTIVITY, .max_ms = q->before_ms, .after_id = q->after, .after_ms = q->after_ms, .max = PAGE,
                               .want_records = true };
    q->open = 1;
    q->page_n = 0;
    store_list(q->c.t->o.store, &what, listed, q);
}

static void counted(void *arg, enum store_status status, const struct store_stat *stat)
{
    struct cleaning *q = arg;
    if (status != STORE_DONE) {
        control_unavailable(&q->c);
        control_end(&q->c);
        return;
    }
    q->now_ms = stat->now_ms;
    q->before_ms = stat->now_ms - (q->what.max_age_ms > MARGIN_MS ? q->what.max_age_ms : MARGIN_MS);
    q->archived_before_ms = control_oldest_item_ms(stat);
    if (q->before_ms <= 0) { /* longer ago than there is time: nothing is so old, and 0 would mean no bound */
        q->last_page = true;
        tell(q);
        return;
    }
    next_page(q);
}

void control_cleanup(struct turns *t, const struct control_cleanup *what, control_fn *fn, void *arg)
{
    struct cleaning *q = control_begin(t, sizeof(*q), fn, arg);
    if (q == NULL || control_is_spooling(&q->c))
        return;
    q->what = *what;
    q->began_mono_ms = clock_mono_ms();
    q->page = arena_array(q->c.a, PAGE, sizeof(*q->page));
    if (q->page == NULL) {
        control_short_of_memory(&q->c);
        return;
    }
    store_stat(t->o.store, counted, q);
}
