/* SPDX-License-Identifier: MIT
 * All of one session goes:
 *
 *   archive: ids ──> lane ──> history, lists ──> apply: forget, marks, erase item ──> archive: tombstone, rows ──> marks and jobs that came in between
 *                               ^                  │ somebody wrote in between
 *                               └──────────────────┘
 *
 * The first apply is what ends a running turn: its version and its lease are gone, so nothing that it decides is taken any more. What is
 * accepted after it belongs to a new record, and stays. From then on a daemon may be the one who deletes the rows, having found the item, and does not tell
 * which they were: so the archive is asked before for the ids that it alone knows. */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "turn/control_own.h"
#include "turn/erase.h"
#include "turn/queue_passed.h"
#include "turn/reason.h"
#include "turn/running.h"

#define TRIES_MAX 200
#define PAUSE_STEP_MS 2

struct names { /* each once */
    struct map *seen;
    struct sv *at;
    size_t n, size;
};

struct erasing {
    struct turns *t;
    struct arena *a;
    struct sv id, user_id, said_user_id, mark;
    bool figures;
    int64_t user_at_ms;
    struct erased_session result;
    struct names messages, jobs; /* that the store's step knew */
    size_t jobs_done;
    uint64_t version;
    unsigned tries;
    size_t open;   /* small values that are being removed */
    bool down, in_lane, passed; /* passed: what the store has cut off is in the archive */
    struct lane_place place;
    struct loop_timer *pause;
    struct sv *late_ids; /* messages that only the archive knew */
    size_t late_n;
    erase_session_fn *fn;
    void *arg;
};

static void look(void *arg);
static void mark_late(struct erasing *q);

struct sv erased_mark(struct arena *a, int64_t at_ms)
{
    return arena_printf(a, "{\"status\":\"cancelled\",\"reason\":\"" REASON_ERASED "\",\"at\":%lld}", (long long)at_ms);
}

/* ---- the end ---- */

static void leave_lane(struct erasing *q)
{
    if (q->in_lane)
        lanes_leave(q->t->lanes, q->id);
    q->in_lane = false;
}

static void erasing_free(struct erasing *q)
{
    struct turns *t = q->t;
    map_free(q->messages.seen);
    map_free(q->jobs.seen);
    loop_timer_free(q->pause);
    arena_free(q->a);
    t->transactions--;
    turns_look_drained(t);
}

static void end(struct erasing *q, enum erase_end how)
{
    leave_lane(q);
    q->result.end = how;
    q->fn(q->arg, &q->result);
    erasing_free(q);
}

/* ---- names ---- */

/* False: memory is short. Empty ones, and those that no store takes, are none. */
static bool add_name(struct erasing *q, struct names *names, struct sv name)
{
    if (name.n == 0 || name.n > STORE_ID_MAX || map_find(names->seen, name) != NULL)
        return true;
    if (names->n == names->size) {
        size_t size = names->size * 2 + 64;
        struct sv *more = arena_array(q->a, size, sizeof(*more));
        if (more == NULL)
            return false;
        if (names->n > 0)
            memcpy(more, names->at, names->n * sizeof(*more));
        names->at = more;
        names->size = size;
    }
    struct sv kept = arena_sv(q->a, name);
    if (kept.p == NULL || map_put(names->seen, kept, q, NULL) != 0)
        return false;
    names->at[names->n++] = kept;
    return true;
}

static bool add_json(struct erasing *q, struct names *names, struct sv json)
{
    struct sv text = json.p != NULL ? message_text(q->a, json) : SV_NONE;
    return add_name(q, names, text);
}

static bool add_record(struct erasing *q, struct sv record)
{
    struct conversation c;
    struct err e;
    bool kept = true;
    if (record.p == NULL || conversation_parse(record, &c, &e) != 0)
        return true;
    if (c.user_id[0] != '\0')
        q->user_id = arena_sv(q->a, sv_from(c.user_id));
    kept = q->user_id.p != NULL || c.user_id[0] == '\0';
    kept = kept && add_name(q, &q->messages, sv_from(c.last_message_id)) && add_name(q, &q->jobs, sv_from(c.turn_id)) &&
           add_name(q, &q->jobs, sv_from(c.next_turn_id)) && add_name(q, &q->jobs, sv_from(c.cancelled_turn_id));
    for (uint32_t i = 0; kept && i < c.superseded_n; i++)
        kept = add_name(q, &q->jobs, sv_from(c.superseded[i].turn_id));
    return kept;
}

static bool add_items(struct erasing *q, const struct sv *items, size_t n)
{
    bool kept = true;
    for (size_t i = 0; kept && i < n; i++) {
        struct sv callback = json_raw_member(items[i], "callback");
        kept = add_json(q, &q->messages, json_raw_member(items[i], "message_id")) &&
               (callback.p == NULL || add_json(q, &q->jobs, json_raw_member(callback, "job_id")));
    }
    return kept;
}

static bool add_entries(struct erasing *q, const struct sv *entries, size_t n)
{
    bool kept = true;
    for (size_t i = 0; kept && i < n; i++)
        kept = add_json(q, &q->messages, json_raw_member(entries[i], "messageId")) &&
               add_json(q, &q->jobs, json_raw_member(entries[i], "turnId"));
    return kept;
}

static bool add_ids(struct erasing *q, const struct archive_erased *e)
{
    bool kept = true;
    for (size_t i = 0; kept && i < e->message_ids_n; i++)
        kept = add_name(q, &q->messages, e->message_ids[i]);
    for (size_t i = 0; kept && i < e->job_ids_n; i++)
        kept = add_name(q, &q->jobs, e->job_ids[i]);
    return kept;
}

/* ---- small values ---- */

static void value_removed(void *arg, enum store_status status)
{
    struct erasing *q = arg;
    q->down = q->down || status != STORE_DONE;
    if (--q->open > 0)
        return;
    if (q->down)
        end(q, ERASE_STORE_DOWN);
    else
        mark_late(q);
}

static void remove_value(struct erasing *q, const char *head, struct sv id)
{
    struct sv name = arena_printf(q->a, "%s%.*s", head, SV_FMT(id));
    q->down = q->down || name.p == NULL;
    if (name.p == NULL)
        return;
    q->open++;
    store_put(q->t->o.store, name, SV_NONE, 0, value_removed, q);
}

static void removed_all(void *arg)
{
    value_removed(arg, STORE_DONE);
}

/* What the change could not name: what a client that was sent away has left, and jobs that only the archive knew. */
static void remove_values(struct erasing *q)
{
    q->open = 1;
    for (size_t i = 0; i < q->jobs.n; i++) {
        remove_value(q, "job_open:", q->jobs.at[i]);
        if (i >= q->jobs_done)
            remove_value(q, "job:", q->jobs.at[i]);
    }
    loop_soon(q->t->o.loop, removed_all, q);
}

/* ---- the archive ---- */

static void archive_erased_it(void *arg, enum archive_status status, const struct archive_erased *e)
{
    struct erasing *q = arg;
    bool kept = true;
    if (status != ARCHIVE_DONE) {
        end(q, ERASE_ARCHIVE_DOWN);
        return;
    }
    struct archive_erased *to = &q->result.archive;
    struct archive_pair *tables = arena_array(q->a, e->tables_n + 1, sizeof(*tables));
    kept = tables != NULL;
    for (size_t i = 0; kept && i < e->tables_n; i++) {
        int64_t rows = 0;
        tables[i] = (struct archive_pair){ arena_sv(q->a, e->tables[i].key), arena_sv(q->a, e->tables[i].value) };
        kept = tables[i].key.p != NULL && tables[i].value.p != NULL;
        if (sv_to_i64(e->tables[i].value, &rows) && rows > 0)
            q->result.was_there = true;
    }
    *to = (struct archive_erased){ .tables = tables, .tables_n = e->tables_n, .erasure_id = arena_sv(q->a, e->erasure_id) };
    size_t before = q->messages.n;
    kept = kept && add_ids(q, e);
    q->late_ids = q->messages.at + before;
    q->late_n = q->messages.n - before;
    if (kept && to->erasure_id.p != NULL)
        remove_values(q);
    else
        end(q, ERASE_MEMORY);
}

static void ask_archive(struct erasing *q)
{
    const struct archive_erase what = { .subject = ARCHIVE_SESSION, .id = q->id, .at_ms = q->result.at_ms };
    leave_lane(q);
    if (q->t->o.archive == NULL)
        remove_values(q);
    else
        archive_erase(q->t->o.archive, &what, archive_erased_it, q);
}

/* ---- the store ---- */

static void again(struct erasing *q)
{
    if (++q->tries >= TRIES_MAX) {
        end(q, ERASE_CONTENDED);
        return;
    }
    if (q->pause == NULL)
        q->pause = loop_timer_new(q->t->o.loop, look, q);
    if (q->pause == NULL)
        end(q, ERASE_MEMORY);
    else
        loop_timer_set(q->pause, (int64_t)id_random_below(PAUSE_STEP_MS * (q->tries < 16 ? q->tries : 16) + 1));
}

/* True: it has to be asked again, or is over. */
static bool failed(struct erasing *q, enum store_status status)
{
    bool stands_in = store_is_standing_in(q->t->o.store) || store_is_spooling(q->t->o.store);
    if (status == STORE_DONE && !stands_in)
        return false;
    if (status == STORE_CONFLICT && !stands_in)
        again(q);
    else
        end(q, ERASE_STORE_DOWN);
    return true;
}

static void applied(void *arg, enum store_status status, const struct store_applied *a)
{
    struct erasing *q = arg;
    (void)a;
    if (failed(q, status))
        return;
    q->jobs_done = q->jobs.n;
    q->result.was_there = q->result.was_there || q->result.counts.messages + q->result.counts.jobs + q->result.counts.events > 0;
    control_tell_owner(q->t, q->id);
    ask_archive(q);
}

static struct sv make_item(struct erasing *q, const char *key, struct sv id, int64_t at_ms)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "type", SV("erase"));
    json_kint(&o, "v", 1);
    json_kstr(&o, key, id);
    json_kint(&o, "at", at_ms);
    json_obj_end(&o);
    struct sv item = buf_ok(&b) ? arena_sv(q->a, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return item;
}

static struct store_pair *make_marks(struct erasing *q, const struct sv *ids, size_t n)
{
    struct store_pair *marks = arena_array(q->a, n + 1, sizeof(*marks));
    for (size_t i = 0; marks != NULL && i < n; i++)
        marks[i] = (struct store_pair){ ids[i], q->mark };
    return marks;
}

static void apply(struct erasing *q)
{
    struct sv items[2] = { make_item(q, "conversation_id", q->id, q->result.at_ms), SV_NONE };
    struct sv metric = q->figures ? arena_printf(q->a, "user_%.*s_messages", SV_FMT(q->said_user_id)) : SV_NONE;
    bool whole = q->user_at_ms > 0 && q->said_user_id.n > 0;
    if (whole)
        items[1] = make_item(q, "user_id", q->said_user_id, q->user_at_ms);
    q->mark = erased_mark(q->a, q->result.at_ms);
    struct sv event = arena_printf(q->a, "interrupt %.*s\njob %.*s\nerased %.*s", SV_FMT(q->id), SV_FMT(q->id), SV_FMT(q->id));
    const struct store_erase erase = { .user_id = q->user_id.n > 0 ? q->user_id : SV_NONE, .jobs = q->jobs.at, .jobs_n = q->jobs.n,
                                       .at_ms = q->result.at_ms, .day_metric = metric,
                                       .day_into = metric.p != NULL ? SV("erased_users_messages") : SV_NONE, .counts = &q->result.counts };
    const struct store_change c = { .conversation_id = q->id, .expect_version = q->version, .forget = true, .erase = &erase,
                                    .marks = make_marks(q, q->messages.at, q->messages.n), .marks_n = q->messages.n,
                                    .mark_ttl_ms = q->t->o.mark_ttl_ms, .queue_add = items, .queue_add_n = whole ? 2 : 1, .event = event,
                                    .finishing = true };
    if (items[0].p == NULL || (whole && items[1].p == NULL) || event.p == NULL || q->mark.p == NULL || c.marks == NULL ||
        (q->figures && metric.p == NULL))
        end(q, ERASE_MEMORY);
    else
        store_apply(q->t->o.store, &c, applied, q);
}

static void got_lists(void *arg, enum store_status status, const struct store_view *v)
{
    struct erasing *q = arg;
    if (failed(q, status))
        return;
    if (v->version != q->version)
        again(q);
    else if (!add_items(q, v->context, v->context_n) || !add_items(q, v->pending, v->pending_n))
        end(q, ERASE_MEMORY);
    else
        apply(q);
}

static void enter(void *arg);

static void go_in(struct erasing *q)
{
    if (lanes_enter(q->t->lanes, q->id, &q->place, enter, q) != 0)
        end(q, ERASE_MEMORY);
}

/* Without an answer only marks are left of what the archive alone knows, and they say nothing of what it was; but where the store has cut entries off, results, too. */
static void archive_knows(void *arg, enum archive_status status, const struct archive_erased *e)
{
    struct erasing *q = arg;
    if (status == ARCHIVE_DONE && !add_ids(q, e))
        end(q, ERASE_MEMORY);
    else if (status != ARCHIVE_DONE && q->passed)
        end(q, ERASE_BEHIND);
    else
        go_in(q);
}

static void ask_ids(struct erasing *q)
{
    archive_erase_ids(q->t->o.archive, q->id, clock_wall_ms(), archive_knows, q);
}

static void queue_has_passed(void *arg, enum queue_passed how, int64_t now_ms)
{
    struct erasing *q = arg;
    (void)now_ms;
    q->passed = true;
    if (how == QUEUE_STORE_DOWN)
        end(q, ERASE_STORE_DOWN);
    else if (how == QUEUE_BEHIND)
        end(q, ERASE_BEHIND);
    else
        ask_ids(q);
}

/* Of an older exchange that still waits for the archive nobody would know the mark and the job. */
static bool is_cut(struct erasing *q, const struct store_history *h)
{
    if (q->passed || h->entries_n < HISTORY_ENTRIES_MAX || q->t->o.archive == NULL)
        return false;
    leave_lane(q);
    queue_passed(q->t, 0, ERASE_BEHIND_MS, queue_has_passed, q);
    return true;
}

static void got_history(void *arg, enum store_status status, const struct store_history *h)
{
    struct erasing *q = arg;
    struct sv asked = q->user_id;
    if (failed(q, status) || is_cut(q, h))
        return;
    q->version = h->version;
    q->result.at_ms = h->now_ms;
    q->result.was_there = q->result.was_there || h->version != 0 || h->pending_n + h->entries_n + h->fields_n > 0;
    for (size_t i = 0; q->user_id.n == 0 && i < h->fields_n; i++)
        if (sv_eq(h->fields[i].key, SV("userId")))
            q->user_id = arena_sv(q->a, h->fields[i].value);
    if (!add_record(q, h->record) || !add_items(q, h->pending, h->pending_n) || !add_entries(q, h->entries, h->entries_n)) {
        end(q, ERASE_MEMORY);
        return;
    }
    if (!sv_eq(asked, q->user_id)) { /* the entries are under another name than was thought */
        look(q);
        return;
    }
    const struct store_load what = { .conversation_id = q->id, .want_lists = true };
    store_load(q->t->o.store, &what, got_lists, q);
}

static void look(void *arg)
{
    struct erasing *q = arg;
    store_history(q->t->o.store, q->id, q->user_id.n > 0 ? q->user_id : SV_NONE, got_history, q);
}

static void enter(void *arg)
{
    struct erasing *q = arg;
    q->in_lane = true;
    look(q);
}

/* ---- what only the archive knew ---- */

static int fill_marks(struct transact *x, struct store_change *c)
{
    struct erasing *q = x->arg;
    c->marks = make_marks(q, q->late_ids, q->late_n);
    c->marks_n = q->late_n;
    return c->marks == NULL ? -1 : 0;
}

static void late_applied(void *arg, enum store_status status, const struct store_applied *a)
{
    struct erasing *q = arg;
    (void)a;
    if (status == STORE_CONFLICT && ++q->tries < TRIES_MAX)
        mark_late(q); /* the user has begun anew */
    else
        end(q, status == STORE_DONE ? ERASE_DONE : status == STORE_CONFLICT ? ERASE_CONTENDED : ERASE_STORE_DOWN);
}

static void late_decided(struct transact *x)
{
    struct erasing *q = x->arg;
    if (x->status == TRANSACT_DONE) {
        end(q, ERASE_DONE);
        return;
    }
    if (x->status != TRANSACT_STRANGE) {
        end(q, ERASE_STORE_DOWN);
        return;
    }
    const struct store_erase erase = { .user_id = SV_NONE, .at_ms = q->result.at_ms };
    const struct store_change c = { .conversation_id = q->id, .forget = true, .erase = &erase, .marks = make_marks(q, q->late_ids, q->late_n),
                                    .marks_n = q->late_n, .mark_ttl_ms = q->t->o.mark_ttl_ms, .finishing = true };
    if (c.marks == NULL)
        end(q, ERASE_MEMORY);
    else
        store_apply(q->t->o.store, &c, late_applied, q);
}

/* Those of a conversation that has begun anew are written beside its record, which stays as it is. */
static void mark_late(struct erasing *q)
{
    if (q->late_n == 0) {
        end(q, ERASE_DONE);
        return;
    }
    struct transact *x = transact_new(q->t, q->id, EVENT_SESSION, late_decided, q);
    if (x == NULL) {
        end(q, ERASE_MEMORY);
        return;
    }
    x->only_existing = true;
    x->fill = fill_marks;
    transact_go(x);
}

/* ---- the beginning ---- */

struct refusal {
    erase_session_fn *fn;
    void *arg;
};

static void refuse(void *arg)
{
    struct refusal r = *(struct refusal *)arg;
    const struct erased_session e = { .end = ERASE_MEMORY };
    free(arg);
    r.fn(r.arg, &e);
}

static void refuse_soon(struct turns *t, erase_session_fn *fn, void *arg)
{
    struct refusal *r = malloc(sizeof(*r));
    if (r == NULL)
        abort(); /* as loop_soon would */
    *r = (struct refusal){ fn, arg };
    loop_soon(t->o.loop, refuse, r);
}

void erase_session(struct turns *t, const struct erase_session *what, erase_session_fn *fn, void *arg)
{
    struct arena *a = arena_new(0, TURN_ARENA_CAP * 4);
    struct erasing *q = a == NULL ? NULL : arena_alloc(a, sizeof(*q));
    if (q == NULL) {
        arena_free(a);
        refuse_soon(t, fn, arg);
        return;
    }
    *q = (struct erasing){ .t = t, .a = a, .id = arena_sv(a, what->id), .said_user_id = arena_sv(a, what->user_id), .figures = what->figures,
                           .user_at_ms = what->user_at_ms, .fn = fn, .arg = arg };
    q->user_id = q->said_user_id;
    q->messages.seen = map_new();
    q->jobs.seen = map_new();
    t->transactions++;
    if (q->id.p == NULL || (what->user_id.n > 0 && q->user_id.p == NULL) || q->messages.seen == NULL || q->jobs.seen == NULL ||
        (t->o.archive == NULL && lanes_enter(t->lanes, q->id, &q->place, enter, q) != 0)) {
        erasing_free(q);
        refuse_soon(t, fn, arg);
    } else if (t->o.archive != NULL) {
        ask_ids(q);
    }
}
