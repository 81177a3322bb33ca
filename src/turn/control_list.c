/* SPDX-License-Identifier: MIT
 * Pages of conversations, from the store's listings. A page costs what it shows: the cursor says behind which entry it goes on.
 *
 * Stuck ones come from two listings: first those whose messages wait too long, then those whose lease is past its deadline. */
#include "config.h"

#include <stdio.h>

#include "turn/control_own.h"

#define ROUNDS_MAX 4 /* of one page: entries that are filtered out cost, too */

enum source { SOURCE_ACTIVITY, SOURCE_ACTIVE, SOURCE_PAUSED, SOURCE_WAITING, SOURCE_DUE };

struct listing {
    struct control_call c;
    enum control_state state;
    size_t limit;
    enum source source;
    char after_key[STORE_ID_MAX + 1];
    struct sv after; /* SV_NONE: from the start of the source */
    int64_t after_ms, now_ms;
    struct buf items;
    struct json_out o;
    size_t n;
    unsigned rounds;
    bool more;
    int64_t total;
};

static void ask(struct listing *q);

/* ---- the cursor: source.score.id, the id in hex ---- */

static bool read_cursor(struct listing *q, struct sv cursor)
{
    struct sv rest = cursor;
    struct sv source = sv_split(&rest, '.'), score = sv_split(&rest, '.');
    uint64_t n = 0;
    if (!sv_to_u64(source, &n) || n > SOURCE_DUE || !sv_to_i64(score, &q->after_ms) || rest.n % 2 != 0 || rest.n > 2 * STORE_ID_MAX)
        return false;
    for (size_t i = 0; i < rest.n; i++) {
        char c = rest.p[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return false;
        q->after_key[i / 2] = (char)((unsigned char)q->after_key[i / 2] << 4 | (unsigned)digit);
    }
    bool fits = n == (uint64_t)q->source || (q->state == CONTROL_STUCK && n == SOURCE_DUE);
    q->source = (enum source)n;
    if (rest.n > 0)
        q->after = (struct sv){ q->after_key, rest.n / 2 };
    return fits && sv_is_utf8((struct sv){ q->after_key, rest.n / 2 });
}

static void put_cursor(struct json_out *o, const struct listing *q)
{
    struct buf b = { 0 };
    json_key(o, "next_cursor");
    if (!q->more) {
        json_nul(o);
        return;
    }
    buf_printf(&b, "%d.%lld.", (int)q->source, (long long)q->after_ms);
    for (size_t i = 0; i < q->after.n; i++)
        buf_printf(&b, "%02x", (unsigned char)q->after.p[i]);
    if (buf_ok(&b))
        json_str(o, buf_sv(&b));
    else
        json_nul(o);
    buf_fini(&b);
}

/* ---- one entry ---- */

static void put_entry(struct listing *q, struct sv id, const struct conversation *c, int64_t due_ms)
{
    struct json_out *o = &q->o;
    json_obj(o);
    json_kstr(o, "conversation_id", id);
    json_kstr(o, "last_message_id", c->last_message_id[0] != '\0' ? sv_from(c->last_message_id) : SV_NONE);
    control_put_ms(o, "last_message_timestamp", c->last_message_ms);
    json_kbool(o, "ai_processing", c->phase == PHASE_THINKING || c->phase == PHASE_SENDING);
    json_kint(o, "context_size", (int64_t)c->context_n + c->pending_n);
    json_kstr(o, "phase", sv_from(phase_name(c->phase)));
    json_kstr(o, "turn_id", c->turn_id[0] != '\0' ? sv_from(c->turn_id) : SV_NONE);
    json_kint(o, "pending", c->pending_n);
    control_put_ms(o, "oldest_pending_at", c->oldest_ms);
    control_put_ms(o, "last_activity", c->activity_ms);
    control_put_ms(o, "began_at", c->phase == PHASE_IDLE || c->phase == PHASE_QUEUED ? 0 : c->began_ms);
    json_kint(o, "restarts", c->restarts);
    json_kstr(o, "reason", c->reason[0] != '\0' ? sv_from(c->reason) : SV_NONE);
    control_put_pause(o, c, q->now_ms);
    json_kbool(o, "closed", c->closed);
    json_kbool(o, "stuck", control_is_stuck(q->c.t, c, q->now_ms, due_ms));
    json_obj_end(o);
    q->n++;
}

static bool is_wanted(const struct listing *q, const struct conversation *c, int64_t score_ms)
{
    if (q->source != SOURCE_DUE)
        return true;
    /* a lease past its deadline; what waits too long besides was in the listing before */
    bool waits = c->pending_n > 0 && c->oldest_ms != 0 && c->oldest_ms <= q->now_ms - control_stuck_after_ms(q->c.t);
    return !waits && c->token[0] != '\0' && control_is_stuck(q->c.t, c, q->now_ms, score_ms);
}

/* ---- pages ---- */

static void tell(struct listing *q)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_arr_end(&q->o);
    json_obj(&o);
    json_kint(&o, "total_conversations", q->total);
    json_key(&o, "conversations");
    json_raw(&o, buf_sv(&q->items));
    put_cursor(&o, q);
    json_kstr(&o, "storage_backend", sv_from(store_backend(q->c.t->o.store)));
    json_obj_end(&o);
    if (buf_ok(&q->items))
        control_tell(&q->c, &b);
    else
        control_refuse(&q->c, 503, "unavailable", "Memory is short.", &b);
    buf_fini(&q->items);
    control_end(&q->c);
}

static void unavailable(struct listing *q)
{
    buf_fini(&q->items);
    control_unavailable(&q->c);
    control_end(&q->c);
}

/* One entry of the page, or (false) one too many: that there are more is known then. */
static bool take(struct listing *q, const struct store_listed *item)
{
    struct conversation c;
    struct err e;
    bool readable = item->record.p != NULL && conversation_parse(item->record, &c, &e) == 0 && item->id.n <= STORE_ID_MAX;
    bool wanted = readable && is_wanted(q, &c, item->score_ms);
    if (wanted && q->n == q->limit) {
        q->more = true;
        return false;
    }
    if (wanted)
        put_entry(q, item->id, &c, q->source == SOURCE_DUE ? item->score_ms : 0);
    if (item->id.n <= STORE_ID_MAX) {
        memcpy(q->after_key, item->id.p, item->id.n);
        q->after = (struct sv){ q->after_key, item->id.n };
        q->after_ms = item->score_ms;
    }
    return true;
}

static void listed(void *arg, enum store_status status, const struct store_listing *l)
{
    struct listing *q = arg;
    if (status != STORE_DONE) {
        unavailable(q);
        return;
    }
    bool full = false;
    for (size_t i = 0; i < l->n && !full; i++)
        full = !take(q, &l->items[i]);
    if (full) {
        tell(q);
        return;
    }
    if (l->n > q->limit) { /* there are more, whatever was filtered out */
        q->more = ++q->rounds >= ROUNDS_MAX;
        if (q->more)
            tell(q);
        else
            ask(q);
        return;
    }
    if (q->source == SOURCE_WAITING) {
        q->source = SOURCE_DUE;
        q->after = SV_NONE;
        q->after_ms = 0;
        ask(q);
        return;
    }
    tell(q);
}

static void ask(struct listing *q)
{
    static const enum store_index indexes[] = {
        [SOURCE_ACTIVITY] = STORE_ACTIVITY, [SOURCE_ACTIVE] = STORE_ACTIVE, [SOURCE_PAUSED] = STORE_PAUSED,
        [SOURCE_WAITING] = STORE_WAITING,   [SOURCE_DUE] = STORE_DUE,
    };
    struct store_list what = { .index = indexes[q->source], .after_id = q->after, .after_ms = q->after_ms, .max = q->limit + 1,
                               .want_records = true };
    what.newest_first = q->source == SOURCE_ACTIVITY || q->source == SOURCE_ACTIVE || q->source == SOURCE_PAUSED;
    if (q->source == SOURCE_PAUSED)
        what.min_ms = q->now_ms + 1;
    else if (q->source == SOURCE_WAITING)
        what.max_ms = q->now_ms - control_stuck_after_ms(q->c.t);
    else if (q->source == SOURCE_DUE)
        what.max_ms = q->now_ms - CONTROL_OVERDUE_MS;
    store_list(q->c.t->o.store, &what, listed, q);
}

static void counted(void *arg, enum store_status status, const struct store_stat *stat)
{
    struct listing *q = arg;
    if (status != STORE_DONE) {
        unavailable(q);
        return;
    }
    q->total = stat->conversations;
    q->now_ms = stat->now_ms;
    ask(q);
}

static void bad_cursor(void *arg)
{
    struct listing *q = arg;
    buf_fini(&q->items);
    control_refuse(&q->c, 422, "bad_cursor", "The cursor is not one that this listing gave out.", NULL);
    control_end(&q->c);
}

void control_list(struct turns *t, const struct control_list *what, control_fn *fn, void *arg)
{
    static const enum source sources[] = {
        [CONTROL_ALL] = SOURCE_ACTIVITY, [CONTROL_ACTIVE] = SOURCE_ACTIVE, [CONTROL_STUCK] = SOURCE_WAITING, [CONTROL_PAUSED] = SOURCE_PAUSED,
    };
    struct listing *q = control_begin(t, sizeof(*q), fn, arg);
    if (q == NULL)
        return;
    q->state = what->state;
    q->source = sources[what->state];
    q->limit = what->limit == 0 ? 1 : what->limit > 500 ? 500 : what->limit;
    q->o.b = &q->items;
    json_arr(&q->o);
    if (what->cursor.n > 0 && !read_cursor(q, what->cursor)) {
        loop_soon(t->o.loop, bad_cursor, q);
        return;
    }
    store_stat(t->o.store, counted, q);
}
