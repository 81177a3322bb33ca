/* SPDX-License-Identifier: MIT
 * Histories, figures and preferences in PostgreSQL. A call lives in its arena from the question to the answer. An id that cannot be in a database is
 * asked for as NULL, which nothing equals. */
#include "config.h"

#include <endian.h>
#include <stdlib.h>

#include "archive/archive_door.h"
#include "archive/archive_item.h"
#include "archive/archive_postgres_inside.h"
#include "archive/history_entry.h"
#include "archive/pg_erase.h"
#include "archive/pg_erase_sql.h"
#include "archive/pg_export.h"
#include "archive/pg_history_sql.h"
#include "lib/log.h"

#define ARENA_MAX (256u << 20)
#define PARAMS_MAX 9
#define ARRAYS_MAX 3
#define QUERIES_MAX 3

struct call {
    struct arena *arena;
    struct pg_query queries[QUERIES_MAX];
    size_t queries_n;
    struct sv params[PARAMS_MAX];
    struct pg_array arrays[ARRAYS_MAX];
    size_t recent_n; /* messages of which it is to be said whether they are there */
    union {
        archive_page_fn *page;
        archive_sessions_fn *sessions;
        archive_ids_fn *ids;
        archive_figures_fn *figures;
        archive_pairs_fn *pairs;
        archive_done_fn *done;
    } fn;
    void *arg;
};

static void *must_have(void *p)
{
    if (p == NULL) {
        log_error("out of memory: a question to the archive", NULL);
        abort();
    }
    return p;
}

static void free_arrays(void *arg)
{
    struct call *c = arg;

    for (size_t i = 0; i < ARRAYS_MAX; i++)
        pg_array_fini(&c->arrays[i]);
}

static struct call *call_new(enum pg_history_sql sql, void *arg)
{
    struct arena *a = must_have(arena_new(0, ARENA_MAX));
    struct call *c = must_have(arena_alloc(a, sizeof(*c)));

    c->arena = a;
    c->arg = arg;
    c->queries[0] = (struct pg_query){ &pg_history_sql[sql], c->params };
    c->queries_n = 1;
    return c;
}

static void call_free(struct call *c)
{
    free_arrays(c);
    arena_free(c->arena);
}

/* ---- parameters ---- */

static struct sv keep(struct call *c, struct sv text)
{
    return (struct sv){ must_have(arena_str(c->arena, text)), text.n };
}

static struct sv keep_id(struct call *c, struct sv id)
{
    return item_is_id(id) ? keep(c, id) : SV_NONE;
}

static struct sv bigint(struct call *c, int64_t n)
{
    uint64_t *wire = must_have(arena_alloc(c->arena, sizeof(*wire)));

    *wire = htobe64((uint64_t)n);
    return (struct sv){ (const char *)wire, sizeof(*wire) };
}

static struct sv limit(struct call *c, size_t n)
{
    return bigint(c, n < INT64_MAX ? (int64_t)n : INT64_MAX);
}

/* What lies outside of what a row may say (1970 to 9999) is infinite. */
static struct sv time_ms(struct call *c, int64_t ms)
{
    if (ms < 0 || ms > 2 * DOOR_MS_MAX)
        return bigint(c, ms < 0 ? INT64_MIN : INT64_MAX);
    return bigint(c, (ms - PG_EPOCH_MS) * 1000);
}

static struct sv array(struct pg_array *a)
{
    struct sv all = pg_array_end(a);

    must_have((void *)(uintptr_t)all.p);
    return all;
}

/* ---- answers ---- */

static int64_t number(const struct pg_outcome *o, size_t row, unsigned column)
{
    int64_t n = 0;

    (void)sv_to_i64(pg_value(o, row, column), &n);
    return n;
}

static enum archive_status status_of(const struct call *c, const struct pg_outcome *o)
{
    if (o->status == PG_REFUSED)
        log_warning("PostgreSQL refuses a question", "statement", c->queries[c->queries_n - 1].statement->name, "sqlstate", o->sqlstate, "reason",
                    o->text, NULL);
    return o->status == PG_DONE ? ARCHIVE_DONE : ARCHIVE_DOWN;
}

static void run(struct archive *a, enum pg_kind kind, struct call *c, pg_outcome_fn *fn)
{
    pg_pool_run(postgres_of(a)->pool, kind,
                &(struct pg_request){ .queries = c->queries, .n = c->queries_n, .transaction = kind == PG_WRITE, .fn = fn, .arg = c });
}

/* ---- pages ---- */

static void read_exchange(const struct pg_outcome *o, size_t row, struct archive_exchange *x)
{
    *x = (struct archive_exchange){ .timestamp_ms = number(o, row, 1),
                                    .message_id = pg_value(o, row, 3),
                                    .sender_id = pg_value(o, row, 4),
                                    .content = pg_value(o, row, 5),
                                    .reply = pg_value(o, row, 6),
                                    .metadata = pg_value(o, row, 7),
                                    .status = pg_value(o, row, 8),
                                    .reason = pg_value(o, row, 9),
                                    .turn_id = pg_value(o, row, 10),
                                    .received_ms = number(o, row, 11) };
    (void)item_uuid_parse(pg_value(o, row, 2), x->id);
}

static int collect(struct call *c, const struct pg_outcome *o, struct archive_pages *p)
{
    size_t rows = pg_rows(o);
    struct archive_exchange *list = arena_array(c->arena, rows + 1, sizeof(*list));
    bool *known = arena_array(c->arena, c->recent_n + 1, sizeof(*known));

    if (list == NULL || known == NULL)
        return -1;
    *p = (struct archive_pages){ .list = list, .known = known, .total = -1 };
    for (size_t row = 0; row < rows; row++) {
        int64_t kind = number(o, row, 0), value = number(o, row, 1);
        if (kind == PG_ROW_TOTAL)
            p->total = value;
        else if (kind == PG_ROW_KNOWN && value >= 1 && (size_t)value <= c->recent_n)
            known[value - 1] = true;
        else if (kind == PG_ROW_EXCHANGE)
            read_exchange(o, row, &list[p->n++]);
    }
    return 0;
}

static void on_page(void *arg, const struct pg_outcome *o)
{
    struct call *c = arg;
    struct archive_pages p;
    enum archive_status status = status_of(c, o);

    if (status == ARCHIVE_DONE && collect(c, o, &p) != 0)
        status = ARCHIVE_DOWN;
    c->fn.page(c->arg, status, status == ARCHIVE_DONE ? &p : NULL);
    call_free(c);
}

static void page(struct archive *a, const struct archive_page *what, archive_page_fn *fn, void *arg)
{
    struct call *c = call_new(PG_HISTORY_PAGE, arg);
    struct history_key end = history_end(what);
    bool bounded = what->from_ms != INT64_MIN || what->to_ms != INT64_MAX;

    c->fn.page = fn;
    c->recent_n = what->recent_n;
    pg_array_start(&c->arrays[0], PG_TEXT);
    for (size_t i = 0; i < what->recent_n; i++)
        pg_array_text(&c->arrays[0], item_is_id(what->recent[i]) ? what->recent[i] : SV_NONE);
    c->params[0] = keep_id(c, what->session_id);
    c->params[1] = time_ms(c, what->from_ms);
    c->params[2] = time_ms(c, end.ms);
    c->params[3] = (struct sv){ memcpy(must_have(arena_alloc(c->arena, sizeof(end.id))), end.id, sizeof(end.id)), sizeof(end.id) };
    c->params[4] = limit(c, what->skip);
    c->params[5] = limit(c, what->max);
    c->params[6] = bigint(c, !what->counted ? PG_TOTAL_NONE : bounded ? PG_TOTAL_WITHIN : PG_TOTAL_ALL);
    c->params[7] = array(&c->arrays[0]);
    c->params[8] = time_ms(c, what->to_ms < INT64_MAX ? what->to_ms + 1 : INT64_MAX);
    run(a, PG_READ, c, on_page);
}

/* ---- sessions ---- */

static void on_sessions(void *arg, const struct pg_outcome *o)
{
    struct call *c = arg;
    enum archive_status status = status_of(c, o);
    size_t n = pg_rows(o);
    struct archive_user_session *list = arena_array(c->arena, n + 1, sizeof(*list));

    if (list == NULL)
        status = ARCHIVE_DOWN;
    for (size_t i = 0; status == ARCHIVE_DONE && i < n; i++)
        list[i] = (struct archive_user_session){ .session_id = pg_value(o, i, 0), .status = pg_value(o, i, 1), .created_ms = number(o, i, 2),
                                                 .activity_ms = number(o, i, 3), .messages = number(o, i, 4) };
    c->fn.sessions(c->arg, status, status == ARCHIVE_DONE ? list : NULL, status == ARCHIVE_DONE ? n : 0);
    call_free(c);
}

static void sessions(struct archive *a, struct sv user_id, size_t max, archive_sessions_fn *fn, void *arg)
{
    struct call *c = call_new(PG_HISTORY_SESSIONS, arg);

    c->fn.sessions = fn;
    c->params[0] = keep_id(c, user_id);
    c->params[1] = limit(c, max);
    run(a, PG_READ, c, on_sessions);
}

static void on_ids(void *arg, const struct pg_outcome *o)
{
    struct call *c = arg;
    enum archive_status status = status_of(c, o);
    size_t n = pg_rows(o);
    struct sv *list = arena_array(c->arena, n + 1, sizeof(*list));

    if (list == NULL)
        status = ARCHIVE_DOWN;
    for (size_t i = 0; status == ARCHIVE_DONE && i < n; i++)
        list[i] = pg_value(o, i, 0);
    c->fn.ids(c->arg, status, status == ARCHIVE_DONE ? list : NULL, status == ARCHIVE_DONE ? n : 0);
    call_free(c);
}

static void ids(struct archive *a, struct sv user_id, struct sv after, size_t max, archive_ids_fn *fn, void *arg)
{
    struct call *c = call_new(PG_HISTORY_IDS, arg);

    c->fn.ids = fn;
    c->params[0] = keep_id(c, user_id);
    c->params[1] = after.p == NULL ? SV("") : keep_id(c, after);
    c->params[2] = limit(c, max);
    run(a, PG_READ, c, on_ids);
}

/* ---- figures ---- */

static void on_figures(void *arg, const struct pg_outcome *o)
{
    struct call *c = arg;
    enum archive_status status = status_of(c, o);
    size_t n = pg_rows(o);
    struct archive_figure *list = arena_array(c->arena, n + 1, sizeof(*list));

    if (list == NULL)
        status = ARCHIVE_DOWN;
    for (size_t i = 0; status == ARCHIVE_DONE && i < n; i++)
        list[i] = (struct archive_figure){ .day = pg_value(o, i, 0), .metric = pg_value(o, i, 1), .value = number(o, i, 2) };
    c->fn.figures(c->arg, status, status == ARCHIVE_DONE ? list : NULL, status == ARCHIVE_DONE ? n : 0);
    call_free(c);
}

static void figures(struct archive *a, struct sv from, struct sv to, bool users, archive_figures_fn *fn, void *arg)
{
    struct call *c = call_new(PG_HISTORY_FIGURES, arg);

    c->fn.figures = fn;
    c->params[0] = history_is_day(from) ? keep(c, from) : SV_NONE;
    c->params[1] = history_is_day(to) ? keep(c, to) : SV_NONE;
    c->params[2] = (struct sv){ users ? "\1" : "\0", 1 };
    run(a, PG_READ, c, on_figures);
}

static void on_done(void *arg, const struct pg_outcome *o)
{
    struct call *c = arg;

    c->fn.done(c->arg, status_of(c, o));
    call_free(c);
}

static void figures_put(struct archive *a, const struct archive_figure *list, size_t n, int64_t read_ms, archive_done_fn *fn, void *arg)
{
    struct call *c = call_new(PG_HISTORY_FIGURES_PUT, arg);
    struct archive_figure *figures = must_have(arena_array(c->arena, n + 1, sizeof(*figures)));

    c->queries[1] = c->queries[0];
    c->queries[0] = (struct pg_query){ &pg_erase_sql[PG_ERASE_SHARED], NULL };
    c->queries_n = 2;
    n = history_figures(list, n, figures);
    c->fn.done = fn;
    pg_array_start(&c->arrays[0], PG_TEXT);
    pg_array_start(&c->arrays[1], PG_TEXT);
    pg_array_start(&c->arrays[2], PG_BIGINT);
    for (size_t i = 0; i < n; i++) {
        pg_array_text(&c->arrays[0], figures[i].day);
        pg_array_text(&c->arrays[1], figures[i].metric);
        pg_array_bigint(&c->arrays[2], figures[i].value);
    }
    for (size_t i = 0; i < 3; i++)
        c->params[i] = array(&c->arrays[i]);
    c->params[3] = bigint(c, read_ms);
    c->params[4] = time_ms(c, read_ms);
    run(a, PG_WRITE, c, on_done);
}

/* ---- preferences ---- */

static void on_preferences(void *arg, const struct pg_outcome *o)
{
    struct call *c = arg;
    enum archive_status status = status_of(c, o);
    size_t n = pg_rows(o);
    struct archive_pair *list = arena_array(c->arena, n + 1, sizeof(*list));

    if (list == NULL)
        status = ARCHIVE_DOWN;
    for (size_t i = 0; status == ARCHIVE_DONE && i < n; i++)
        list[i] = (struct archive_pair){ pg_value(o, i, 0), pg_value(o, i, 1) };
    c->fn.pairs(c->arg, status, status == ARCHIVE_DONE ? list : NULL, status == ARCHIVE_DONE ? n : 0);
    call_free(c);
}

static void preferences(struct archive *a, struct sv user_id, archive_pairs_fn *fn, void *arg)
{
    struct call *c = call_new(PG_HISTORY_PREFERENCES, arg);

    c->fn.pairs = fn;
    c->params[0] = keep_id(c, user_id);
    run(a, PG_READ, c, on_preferences);
}

static void preferences_put(struct archive *a, struct sv user_id, const struct archive_pair *pairs, size_t n, archive_done_fn *fn, void *arg)
{
    struct call *c = call_new(PG_HISTORY_EDITOR, arg);

    c->fn.done = fn;
    c->queries[1] = (struct pg_query){ &pg_history_sql[PG_HISTORY_CLEAR], c->params };
    c->queries[2] = (struct pg_query){ &pg_history_sql[PG_HISTORY_SET], c->params };
    c->queries_n = n > 0 ? 3 : 2;
    pg_array_start(&c->arrays[0], PG_TEXT);
    pg_array_start(&c->arrays[1], PG_TEXT);
    for (size_t i = 0; i < n; i++) {
        pg_array_text(&c->arrays[0], pairs[i].key);
        pg_array_text(&c->arrays[1], pairs[i].value);
    }
    c->params[0] = keep_id(c, user_id);
    c->params[1] = array(&c->arrays[0]);
    c->params[2] = array(&c->arrays[1]);
    run(a, PG_WRITE, c, on_done);
}

/* ---- erasure and export ---- */

static void erase(struct archive *a, const struct archive_erase *what, archive_erased_fn *fn, void *arg)
{
    pg_erase(postgres_of(a)->pool, what, fn, arg);
}

static void erase_ids(struct archive *a, struct sv session_id, int64_t at_ms, archive_erased_fn *fn, void *arg)
{
    pg_erase_ids(postgres_of(a)->pool, session_id, at_ms, fn, arg);
}

static void receipt(struct archive *a, struct sv erasure_id, struct sv counts, archive_done_fn *fn, void *arg)
{
    pg_receipt(postgres_of(a)->pool, erasure_id, counts, fn, arg);
}

static void export_rows(struct archive *a, const struct archive_export *what, archive_export_fn *fn, void *arg)
{
    pg_export(postgres_of(a)->pool, what, fn, arg);
}

const struct archive_history_ops pg_history_ops = {
    .page = page,
    .sessions = sessions,
    .figures = figures,
    .figures_put = figures_put,
    .preferences = preferences,
    .preferences_put = preferences_put,
    .ids = ids,
    .erase = erase,
    .erase_ids = erase_ids,
    .receipt = receipt,
    .export = export_rows,
};
