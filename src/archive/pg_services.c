/* SPDX-License-Identifier: MIT
 * A call lives in its arena from the question to the answer. An edit whose transaction another one was in the way of is made again: nothing of
 * it remained. */
#include "config.h"

#include <stdlib.h>

#include "archive/archive_entry.h"
#include "archive/archive_item.h"
#include "archive/pg_services.h"
#include "archive/pg_sql.h"
#include "lib/id.h"
#include "lib/log.h"

#define ARENA_MAX (64u << 20)
#define TRIES_MAX 20 /* each lost race is another edit that got through */
#define UNDEFINED_TABLE "42P01"

struct call {
    struct arena *arena;
    struct pg_pool *pool;
    struct pg_query queries[2];
    struct sv params[3];
    char number[8]; /* bigint, big endian */
    int tries;
    int64_t known;
    archive_services_fn *read;
    archive_edit_fn *edit;
    void *arg;
};

static struct call *call_new(struct pg_pool *p, void *arg)
{
    struct arena *a = arena_new(0, ARENA_MAX);
    struct call *c = a != NULL ? arena_alloc(a, sizeof(*c)) : NULL;

    if (c == NULL) {
        log_error("out of memory: a question to the archive", NULL);
        abort();
    }
    c->arena = a;
    c->pool = p;
    c->arg = arg;
    return c;
}

static struct sv bigint(struct call *c, int64_t n)
{
    for (size_t i = 0; i < sizeof(c->number); i++)
        c->number[i] = (char)((uint64_t)n >> (56 - 8 * i));
    return (struct sv){ c->number, sizeof(c->number) };
}

static bool is_class(const struct pg_outcome *o, const char *prefix)
{
    return o->status == PG_REFUSED && strncmp(o->sqlstate, prefix, strlen(prefix)) == 0;
}

static void log_refusal(const struct pg_outcome *o, const char *statement)
{
    if (o->status == PG_REFUSED)
        log_warning("PostgreSQL refuses a question", "statement", statement, "sqlstate", o->sqlstate, "reason", o->text, NULL);
}

/* ---- reading ---- */

/* The first row is the version, the others are in the order of the services. */
static int collect(struct call *c, const struct pg_outcome *o, struct archive_services *s)
{
    size_t n = pg_rows(o), row = 1;
    struct sv *list = arena_array(c->arena, n + 1, sizeof(*list));

    if (list == NULL || n == 0 || !sv_to_i64(pg_value(o, 0, 2), &s->version))
        return -1;
    s->changed = c->known == 0 || s->version != c->known;
    for (unsigned service = 0; service < ARCHIVE_SERVICES; service++) {
        int64_t of = service;
        s->rows[service] = list + row;
        for (; row < n && sv_to_i64(pg_value(o, row, 0), &of) && of == service; row++)
            list[row] = pg_value(o, row, 2);
        s->rows_n[service] = (size_t)(list + row - s->rows[service]);
    }
    return 0;
}

static void on_read(void *arg, const struct pg_outcome *o)
{
    struct call *c = arg;
    struct archive_services s = { 0 };

    if (is_class(o, UNDEFINED_TABLE)) {
        log_debug("PostgreSQL has no such table", "reason", o->text, NULL);
        c->read(c->arg, ARCHIVE_NO_TABLES, NULL);
        arena_free(c->arena);
        return;
    }
    log_refusal(o, c->queries[0].statement->name);
    if (o->status == PG_DONE && collect(c, o, &s) == 0)
        c->read(c->arg, ARCHIVE_DONE, &s);
    else
        c->read(c->arg, ARCHIVE_DOWN, NULL);
    arena_free(c->arena);
}

void pg_services_read(struct pg_pool *p, int64_t known, archive_services_fn *fn, void *arg)
{
    struct call *c = call_new(p, arg);

    c->read = fn;
    c->known = known;
    c->params[0] = bigint(c, known);
    c->queries[0] = (struct pg_query){ &pg_sql[PG_SQL_SERVICES], c->params };
    pg_pool_run(p, PG_READ, &(struct pg_request){ .queries = c->queries, .n = 1, .fn = on_read, .arg = c });
}

/* ---- editing ---- */

static void on_edited(void *arg, const struct pg_outcome *o);

static void send_edit(struct call *c)
{
    pg_pool_run(c->pool, PG_WRITE, &(struct pg_request){ .queries = c->queries, .n = ARRAY_LEN(c->queries), .transaction = true,
                                                         .fn = on_edited, .arg = c });
}

static void on_edited(void *arg, const struct pg_outcome *o)
{
    struct call *c = arg;
    enum archive_status status = ARCHIVE_DOWN;
    enum archive_edited edited = ARCHIVE_EDIT_REFUSED;
    struct sv row = SV_NONE;

    if (is_class(o, "40") && ++c->tries < TRIES_MAX) {
        send_edit(c);
        return;
    }
    log_refusal(o, c->queries[1].statement->name);
    if (o->status == PG_DONE && pg_rows(o) == 1 && edited_read(pg_value(o, 0, 0), &edited)) {
        status = ARCHIVE_DONE;
        row = pg_value(o, 0, 1);
    } else if (is_class(o, "23505")) { /* a name, taken since it was looked for: only where service_version has been emptied */
        status = ARCHIVE_DONE;
        edited = ARCHIVE_EDIT_EXISTS;
    } else if (is_class(o, "22") || is_class(o, "23") || is_class(o, "54")) {
        status = ARCHIVE_DONE;
    }
    c->edit(c->arg, status, edited, status == ARCHIVE_DONE && edited == ARCHIVE_EDIT_DONE ? row : SV_NONE);
    arena_free(c->arena);
}

static struct sv keep(struct call *c, struct sv text)
{
    struct sv copy = arena_sv(c->arena, text);

    if (copy.p == NULL && text.p != NULL) {
        log_error("out of memory: an edit of the archive", NULL);
        abort();
    }
    return copy;
}

void pg_services_edit(struct pg_pool *p, const struct archive_edit *edit, archive_edit_fn *fn, void *arg)
{
    static const unsigned first[] = { [ARCHIVE_INSERT] = PG_SQL_INSERT, [ARCHIVE_REPLACE] = PG_SQL_REPLACE, [ARCHIVE_DELETE] = PG_SQL_DELETE };
    struct call *c = call_new(p, arg);
    struct sv name = item_is_id(edit->name) ? keep(c, edit->name) : SV_NONE; /* what cannot be in a database names no row */
    char id[ID_UUID_SIZE];

    c->edit = fn;
    switch (edit->op) {
    case ARCHIVE_INSERT:
        id_uuid7(id);
        c->params[0] = keep(c, sv_from(id));
        c->params[1] = keep(c, edit->row);
        break;
    case ARCHIVE_REPLACE:
        c->params[0] = name;
        c->params[1] = keep(c, edit->row);
        c->params[2] = bigint(c, edit->expect_version);
        break;
    case ARCHIVE_DELETE:
        c->params[0] = name;
        c->params[1] = bigint(c, edit->expect_version);
        break;
    }
    c->queries[0] = (struct pg_query){ &pg_sql[PG_SQL_EDITOR], c->params };
    c->queries[1] = (struct pg_query){ &pg_sql[first[edit->op] + edit->service], c->params };
    send_edit(c);
}
