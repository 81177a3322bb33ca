/* SPDX-License-Identifier: MIT
 * Histories, figures and preferences in SQLite: what a call brings is copied on the loop's side, what it reads is copied on the worker's. An id that
 * cannot be in a database is asked for as NULL, which nothing equals. */
#include "config.h"

#include "archive/archive_item.h"
#include "archive/archive_sqlite_inside.h"
#include "archive/history_entry.h"
#include "archive/item_erased.h"
#include "archive/lite_erase.h"
#include "lib/clock.h"

/* What is read, row by row. */
struct list {
    void *rows;
    size_t n, size;
};

struct call {
    union {
        archive_page_fn *page;
        archive_sessions_fn *sessions;
        archive_ids_fn *ids;
        archive_figures_fn *figures;
        archive_pairs_fn *pairs;
        archive_done_fn *done;
    } fn;
    struct archive_page page;
    struct sv user, from, to;
    size_t max;
    bool users;
    int64_t read_ms;
    struct archive_figure *figures;
    struct archive_pair *pairs;
    size_t n; /* of figures or pairs that are put */
    struct archive_pages pages;
    struct list list;
};

/* Room for one more row, zeroed. NULL: memory is short. */
static void *add(struct arena *a, struct list *l, size_t row_size)
{
    if (l->n == l->size) {
        size_t size = l->size > 0 ? 2 * l->size : 32;
        void *rows = arena_array(a, size, row_size);
        if (rows == NULL)
            return NULL;
        if (l->n > 0)
            memcpy(rows, l->rows, l->n * row_size);
        l->rows = rows;
        l->size = size;
    }
    return (char *)l->rows + l->n++ * row_size;
}

/* A value of the row, copied. False: memory is short. */
static bool take(const struct sqlite *s, struct arena *a, unsigned statement, int column, struct sv *out)
{
    struct sv value = lite_value(s->lite, statement, column);

    *out = arena_sv(a, value);
    return out->p != NULL || value.p == NULL;
}

/* On the loop's side: false when memory is short. */
static bool keep(struct arena *a, struct sv text, struct sv *out)
{
    *out = arena_sv(a, text);
    return out->p != NULL || text.p == NULL;
}

static bool keep_id(struct arena *a, struct sv id, struct sv *out)
{
    return keep(a, item_is_id(id) ? id : SV_NONE, out);
}

static struct lite_arg limit(size_t n)
{
    return lite_i(n < INT64_MAX ? (int64_t)n : INT64_MAX);
}

/* ---- pages ---- */

static bool take_exchange(const struct sqlite *s, struct arena *a, struct archive_exchange *x)
{
    struct sv *const texts[] = { NULL, NULL, &x->message_id, &x->sender_id, &x->content, &x->reply, &x->metadata, &x->status, &x->reason, &x->turn_id };

    x->timestamp_ms = lite_int(s->lite, LITE_PAGE, 0);
    x->received_ms = lite_int(s->lite, LITE_PAGE, 10);
    (void)item_uuid_parse(lite_value(s->lite, LITE_PAGE, 1), x->id);
    for (size_t i = 2; i < ARRAY_LEN(texts); i++)
        if (!take(s, a, LITE_PAGE, (int)i, texts[i]))
            return false;
    return true;
}

static int read_rows(struct sqlite *s, struct arena *a, struct call *c)
{
    struct history_key end = history_end(&c->page);
    char id[37];
    item_uuid_format(end.id, id);
    const struct lite_arg args[] = { lite_s(c->page.session_id), lite_i(c->page.from_ms), lite_i(end.ms), lite_s(sv_from(id)),
                                     limit(c->page.skip), limit(c->page.max) };
    int rc = lite_ask(s->lite, LITE_PAGE, args, ARRAY_LEN(args));

    while (rc > 0) {
        struct archive_exchange *x = add(a, &c->list, sizeof(*x));
        rc = x != NULL && take_exchange(s, a, x) ? lite_next(s->lite, LITE_PAGE) : -1;
    }
    lite_end(s->lite, LITE_PAGE);
    c->pages.list = c->list.rows;
    c->pages.n = c->list.n;
    return rc;
}

static int read_total(struct sqlite *s, struct call *c)
{
    const struct archive_page *p = &c->page;
    bool bounded = p->from_ms != INT64_MIN || p->to_ms != INT64_MAX;
    unsigned statement = bounded ? LITE_TOTAL_WITHIN : LITE_TOTAL;
    const struct lite_arg args[] = { lite_s(p->session_id), lite_i(p->from_ms), lite_i(p->to_ms < INT64_MAX ? p->to_ms + 1 : INT64_MAX) };
    int rc;

    c->pages.total = -1;
    if (!p->counted)
        return 0;
    rc = lite_ask(s->lite, statement, args, bounded ? 3 : 1);
    c->pages.total = rc > 0 ? lite_int(s->lite, statement, 0) : 0;
    lite_end(s->lite, statement);
    return rc < 0 ? -1 : 0;
}

static int read_known(struct sqlite *s, struct arena *a, struct call *c)
{
    bool *known = arena_array(a, c->page.recent_n + 1, sizeof(*known));

    if (known == NULL)
        return -1;
    for (size_t i = 0; i < c->page.recent_n; i++) {
        const struct lite_arg args[] = { lite_s(c->page.session_id), lite_s(c->page.recent[i]) };
        int rc = lite_ask(s->lite, LITE_OUTCOME, args, ARRAY_LEN(args));
        lite_end(s->lite, LITE_OUTCOME);
        if (rc < 0)
            return -1;
        known[i] = rc > 0;
    }
    c->pages.known = known;
    return 0;
}

static int run_page(struct sqlite *s, struct job *j)
{
    struct call *c = j->data;

    return read_rows(s, j->arena, c) == 0 && read_total(s, c) == 0 ? read_known(s, j->arena, c) : -1;
}

static void answer_page(struct job *j, enum archive_status status)
{
    struct call *c = j->data;

    c->fn.page(j->arg, status, status == ARCHIVE_DONE ? &c->pages : NULL);
}

static void page(struct archive *a, const struct archive_page *what, archive_page_fn *fn, void *arg)
{
    static const struct job_type type = { JOB_READS, "the archive cannot be read", run_page, answer_page };
    struct job *j = sqlite_job_new(a, &type, sizeof(struct call), arg);
    struct call *c = j->data;
    struct sv *recent = arena_array(j->arena, what->recent_n + 1, sizeof(*recent));
    bool complete = recent != NULL;

    c->fn.page = fn;
    c->page = *what;
    c->page.recent = recent;
    complete = complete && keep_id(j->arena, what->session_id, &c->page.session_id);
    for (size_t i = 0; complete && i < what->recent_n; i++)
        complete = keep_id(j->arena, what->recent[i], &recent[i]);
    sqlite_job_submit(j, complete);
}

/* ---- sessions ---- */

static int run_sessions(struct sqlite *s, struct job *j)
{
    struct call *c = j->data;
    const struct lite_arg args[] = { lite_s(c->user), limit(c->max) };
    int rc = lite_ask(s->lite, LITE_USER_SESSIONS, args, ARRAY_LEN(args));

    while (rc > 0) {
        struct archive_user_session *row = add(j->arena, &c->list, sizeof(*row));
        if (row == NULL || !take(s, j->arena, LITE_USER_SESSIONS, 0, &row->session_id) ||
            !take(s, j->arena, LITE_USER_SESSIONS, 1, &row->status)) {
            rc = -1;
            break;
        }
        row->created_ms = lite_int(s->lite, LITE_USER_SESSIONS, 2);
        row->activity_ms = lite_int(s->lite, LITE_USER_SESSIONS, 3);
        row->messages = lite_int(s->lite, LITE_USER_SESSIONS, 4);
        rc = lite_next(s->lite, LITE_USER_SESSIONS);
    }
    lite_end(s->lite, LITE_USER_SESSIONS);
    return rc;
}

static void answer_sessions(struct job *j, enum archive_status status)
{
    struct call *c = j->data;
    bool done = status == ARCHIVE_DONE;

    c->fn.sessions(j->arg, status, done ? c->list.rows : NULL, done ? c->list.n : 0);
}

static void sessions(struct archive *a, struct sv user_id, size_t max, archive_sessions_fn *fn, void *arg)
{
    static const struct job_type type = { JOB_READS, "the archive cannot be read", run_sessions, answer_sessions };
    struct job *j = sqlite_job_new(a, &type, sizeof(struct call), arg);
    struct call *c = j->data;

    c->fn.sessions = fn;
    c->max = max;
    sqlite_job_submit(j, keep_id(j->arena, user_id, &c->user));
}

static int run_ids(struct sqlite *s, struct job *j)
{
    struct call *c = j->data;
    const struct lite_arg args[] = { lite_s(c->user), lite_s(c->from), limit(c->max) };
    int rc = lite_ask(s->lite, LITE_USER_IDS, args, ARRAY_LEN(args));

    while (rc > 0) {
        struct sv *row = add(j->arena, &c->list, sizeof(*row));
        rc = row != NULL && take(s, j->arena, LITE_USER_IDS, 0, row) ? lite_next(s->lite, LITE_USER_IDS) : -1;
    }
    lite_end(s->lite, LITE_USER_IDS);
    return rc;
}

static void answer_ids(struct job *j, enum archive_status status)
{
    struct call *c = j->data;
    bool done = status == ARCHIVE_DONE;

    c->fn.ids(j->arg, status, done ? c->list.rows : NULL, done ? c->list.n : 0);
}

static void ids(struct archive *a, struct sv user_id, struct sv after, size_t max, archive_ids_fn *fn, void *arg)
{
    static const struct job_type type = { JOB_READS, "the archive cannot be read", run_ids, answer_ids };
    struct job *j = sqlite_job_new(a, &type, sizeof(struct call), arg);
    struct call *c = j->data;
    bool first = after.p == NULL;

    c->fn.ids = fn;
    c->max = max;
    c->from = SV("");
    sqlite_job_submit(j, keep_id(j->arena, user_id, &c->user) && (first || keep_id(j->arena, after, &c->from)));
}

/* ---- figures ---- */

static int run_figures(struct sqlite *s, struct job *j)
{
    struct call *c = j->data;
    const struct lite_arg args[] = { lite_s(c->from), lite_s(c->to), lite_i(c->users) };
    int rc = lite_ask(s->lite, LITE_FIGURES, args, ARRAY_LEN(args));

    while (rc > 0) {
        struct archive_figure *row = add(j->arena, &c->list, sizeof(*row));
        if (row == NULL || !take(s, j->arena, LITE_FIGURES, 0, &row->day) || !take(s, j->arena, LITE_FIGURES, 1, &row->metric)) {
            rc = -1;
            break;
        }
        row->value = lite_int(s->lite, LITE_FIGURES, 2);
        rc = lite_next(s->lite, LITE_FIGURES);
    }
    lite_end(s->lite, LITE_FIGURES);
    return rc;
}

static void answer_figures(struct job *j, enum archive_status status)
{
    struct call *c = j->data;
    bool done = status == ARCHIVE_DONE;

    c->fn.figures(j->arg, status, done ? c->list.rows : NULL, done ? c->list.n : 0);
}

static void figures(struct archive *a, struct sv from, struct sv to, bool users, archive_figures_fn *fn, void *arg)
{
    static const struct job_type type = { JOB_READS, "the archive cannot be read", run_figures, answer_figures };
    struct job *j = sqlite_job_new(a, &type, sizeof(struct call), arg);
    struct call *c = j->data;

    c->fn.figures = fn;
    c->users = users;
    sqlite_job_submit(j, keep(j->arena, history_is_day(from) ? from : SV_NONE, &c->from) &&
                             keep(j->arena, history_is_day(to) ? to : SV_NONE, &c->to));
}

static int run_figures_put(struct sqlite *s, struct job *j)
{
    struct call *c = j->data;

    for (size_t i = 0; i < c->n; i++) {
        const struct archive_figure *f = &c->figures[i];
        const struct lite_arg args[] = { lite_s(f->day), lite_s(f->metric), lite_i(f->value), lite_i(c->read_ms) };
        struct sv user = history_figure_user(f->metric);
        int64_t erased_ms = ITEM_NEVER_ERASED;
        if (user.p != NULL && lite_erased_since(s->lite, ARCHIVE_USER, user, c->read_ms, &erased_ms) != 0)
            return -1;
        if (erased_ms == ITEM_NEVER_ERASED && lite_do(s->lite, LITE_FIGURE_PUT, args, ARRAY_LEN(args)) != 0)
            return -1;
    }
    return 0;
}

static void answer_done(struct job *j, enum archive_status status)
{
    struct call *c = j->data;

    c->fn.done(j->arg, status);
}

static void figures_put(struct archive *a, const struct archive_figure *list, size_t n, int64_t read_ms, archive_done_fn *fn, void *arg)
{
    static const struct job_type type = { JOB_WRITES, "the archive does not take figures", run_figures_put, answer_done };
    struct job *j = sqlite_job_new(a, &type, sizeof(struct call), arg);
    struct call *c = j->data;
    bool complete;

    c->fn.done = fn;
    c->read_ms = read_ms;
    c->figures = arena_array(j->arena, n + 1, sizeof(*c->figures));
    complete = c->figures != NULL;
    if (complete)
        c->n = history_figures(list, n, c->figures);
    for (size_t i = 0; complete && i < c->n; i++)
        complete = keep(j->arena, c->figures[i].day, &c->figures[i].day) && keep(j->arena, c->figures[i].metric, &c->figures[i].metric);
    sqlite_job_submit(j, complete);
}

/* ---- preferences ---- */

static int run_preferences(struct sqlite *s, struct job *j)
{
    struct call *c = j->data;
    const struct lite_arg arg = lite_s(c->user);
    int rc = lite_ask(s->lite, LITE_PREFERENCES, &arg, 1);

    while (rc > 0) {
        struct archive_pair *row = add(j->arena, &c->list, sizeof(*row));
        bool taken = row != NULL && take(s, j->arena, LITE_PREFERENCES, 0, &row->key) && take(s, j->arena, LITE_PREFERENCES, 1, &row->value);
        rc = taken ? lite_next(s->lite, LITE_PREFERENCES) : -1;
    }
    lite_end(s->lite, LITE_PREFERENCES);
    return rc;
}

static void answer_preferences(struct job *j, enum archive_status status)
{
    struct call *c = j->data;
    bool done = status == ARCHIVE_DONE;

    c->fn.pairs(j->arg, status, done ? c->list.rows : NULL, done ? c->list.n : 0);
}

static void preferences(struct archive *a, struct sv user_id, archive_pairs_fn *fn, void *arg)
{
    static const struct job_type type = { JOB_READS, "the archive cannot be read", run_preferences, answer_preferences };
    struct job *j = sqlite_job_new(a, &type, sizeof(struct call), arg);
    struct call *c = j->data;

    c->fn.pairs = fn;
    sqlite_job_submit(j, keep_id(j->arena, user_id, &c->user));
}

static int run_preferences_put(struct sqlite *s, struct job *j)
{
    struct call *c = j->data;
    const struct lite_arg user = lite_s(c->user);
    int64_t now_ms = clock_wall_ms();

    if (lite_do(s->lite, LITE_PREFERENCES_CLEAR, &user, 1) != 0)
        return -1;
    for (size_t i = 0; i < c->n; i++) {
        const struct lite_arg args[] = { user, lite_s(c->pairs[i].key), lite_s(c->pairs[i].value), lite_i(now_ms) };
        if (lite_do(s->lite, LITE_PREFERENCE, args, ARRAY_LEN(args)) != 0)
            return -1;
    }
    return 0;
}

static void preferences_put(struct archive *a, struct sv user_id, const struct archive_pair *pairs, size_t n, archive_done_fn *fn, void *arg)
{
    static const struct job_type type = { JOB_WRITES, "the archive does not take preferences", run_preferences_put, answer_done };
    struct job *j = sqlite_job_new(a, &type, sizeof(struct call), arg);
    struct call *c = j->data;
    bool complete = keep_id(j->arena, user_id, &c->user);

    c->fn.done = fn;
    c->n = n;
    c->pairs = arena_array(j->arena, n + 1, sizeof(*c->pairs));
    complete = complete && c->pairs != NULL;
    for (size_t i = 0; complete && i < n; i++)
        complete = keep(j->arena, pairs[i].key, &c->pairs[i].key) && keep(j->arena, pairs[i].value, &c->pairs[i].value);
    sqlite_job_submit(j, complete);
}

const struct archive_history_ops lite_history_ops = {
    .page = page,
    .sessions = sessions,
    .figures = figures,
    .figures_put = figures_put,
    .preferences = preferences,
    .preferences_put = preferences_put,
    .ids = ids,
    .erase = lite_erase_call,
    .erase_ids = lite_erase_ids_call,
    .receipt = lite_receipt_call,
    .export = lite_export_call,
};
