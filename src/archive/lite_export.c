/* SPDX-License-Identifier: MIT
 * archive_export in SQLite: rows are read until there are enough of them, or of their bytes. A table without a row behind the place is passed over. */
#include "config.h"

#include "archive/archive_item.h"
#include "archive/archive_sqlite_inside.h"
#include "archive/export_place.h"
#include "archive/lite_sql.h"

#define LINES_FIRST 64

_Static_assert(LITE_EXPORT + EXPORT_TABLES - 1 == LITE_EXPORT_LAST, "one statement a table");

struct export_call {
    archive_export_fn *fn;
    struct sv name;
    struct export_place place;
    size_t max;
    struct sv *lines;
    size_t n, size, bytes;
    struct sv position;
};

static int add(struct arena *a, struct export_call *c, struct sv line)
{
    if (c->n == c->size) {
        size_t size = c->size > 0 ? 2 * c->size : LINES_FIRST;
        struct sv *lines = arena_array(a, size, sizeof(*lines));
        if (lines == NULL)
            return -1;
        if (c->n > 0)
            memcpy(lines, c->lines, c->n * sizeof(*lines));
        c->lines = lines;
        c->size = size;
    }
    c->lines[c->n] = arena_sv(a, line);
    c->bytes += line.n;
    return c->lines[c->n++].p != NULL ? 0 : -1;
}

/* Of one table; *more: it has, or may have, rows behind these. */
static int read_table(struct lite *l, struct arena *a, struct export_call *c, bool *more)
{
    unsigned statement = LITE_EXPORT + c->place.table;
    bool row = c->place.table == EXPORT_SESSION || c->place.table == EXPORT_CUSTOMER;
    const struct lite_arg args[] = { lite_s(c->name), lite_s(c->place.key), lite_i(c->place.position),
                                     lite_i(c->max < INT64_MAX ? (int64_t)c->max : INT64_MAX) };
    struct sv key = c->place.key;
    int rc = lite_ask(l, statement, args, ARRAY_LEN(args));

    while (rc > 0 && c->bytes < EXPORT_BYTES) {
        key = arena_sv(a, lite_value(l, statement, 0));
        c->place.position = lite_int(l, statement, 1);
        rc = key.p != NULL && add(a, c, lite_value(l, statement, 2)) == 0 ? lite_next(l, statement) : -1;
    }
    lite_end(l, statement);
    c->place.key = key;
    *more = !row && (rc > 0 || c->n == c->max);
    return rc < 0 ? -1 : 0;
}

static int run_export(struct sqlite *s, struct job *j)
{
    struct export_call *c = j->data;
    bool more = false, there = true;

    while (c->n == 0 && there) {
        if (read_table(s->lite, j->arena, c, &more) != 0)
            return -1;
        there = more || export_place_next(&c->place);
    }
    c->position = there ? export_place_write(j->arena, &c->place) : SV("");
    return c->position.p != NULL ? 0 : -1;
}

static void answer_export(struct job *j, enum archive_status status)
{
    struct export_call *c = j->data;
    bool done = status == ARCHIVE_DONE;

    c->fn(j->arg, status, done ? c->lines : NULL, done ? c->n : 0, done ? c->position : SV(""));
}

void lite_export_call(struct archive *a, const struct archive_export *what, archive_export_fn *fn, void *arg)
{
    static const struct job_type type = { JOB_READS, "the archive cannot be read", run_export, answer_export };
    struct job *j = sqlite_job_new(a, &type, sizeof(struct export_call), arg);
    struct export_call *c = j->data;
    struct archive_export kept = *what;
    struct sv name = what->session_id.p != NULL ? what->session_id : what->user_id;

    c->fn = fn;
    c->max = what->max;
    kept.position = arena_sv(j->arena, what->position);
    c->name = item_is_id(name) ? arena_sv(j->arena, name) : SV_NONE; /* which nothing equals */
    sqlite_job_submit(j, (kept.position.p != NULL || what->position.p == NULL) && (c->name.p != NULL || !item_is_id(name)) &&
                             export_place_read(&kept, &c->place));
}
