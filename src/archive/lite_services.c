/* SPDX-License-Identifier: MIT
 * SQLite has one writer at a time, so what an edit looks at is what it writes to. */
#include "config.h"

#include "archive/archive_entry.h"
#include "archive/archive_item.h"
#include "archive/lite_services.h"
#include "archive/lite_sql.h"
#include "lib/clock.h"
#include "lib/id.h"

/* All rows of a service, or the one of that id. */
static int read_rows(struct lite *l, struct arena *a, enum archive_service service, struct sv id, const struct sv **rows, size_t *rows_n)
{
    unsigned statement = LITE_ROWS + service;
    const struct lite_arg arg = lite_s(id);
    int rc = lite_ask(l, statement, &arg, 1);
    size_t n = 0, size = rc > 0 ? (size_t)lite_int(l, statement, 1) : 0;
    struct sv *list = arena_array(a, size + 1, sizeof(*list));

    while (rc > 0 && list != NULL && n < size) {
        list[n] = arena_sv(a, lite_value(l, statement, 0));
        rc = list[n++].p != NULL ? lite_next(l, statement) : -1;
    }
    lite_end(l, statement);
    *rows = list;
    *rows_n = n;
    return rc < 0 || list == NULL ? -1 : 0;
}

int lite_services_read(struct lite *l, struct arena *a, int64_t known, struct archive_services *s)
{
    *s = (struct archive_services){ 0 };
    if (lite_ask(l, LITE_VERSION, NULL, 0) != 1)
        return -1;
    s->version = lite_int(l, LITE_VERSION, 0);
    lite_end(l, LITE_VERSION);
    s->changed = known == 0 || s->version != known;
    for (unsigned i = 0; s->changed && i < ARCHIVE_SERVICES; i++)
        if (read_rows(l, a, i, SV_NONE, &s->rows[i], &s->rows_n[i]) != 0)
            return -1;
    return 0;
}

static int read_row(struct lite *l, struct arena *a, enum archive_service service, struct sv id, struct sv *row)
{
    const struct sv *rows;
    size_t n;

    if (read_rows(l, a, service, id, &rows, &n) != 0 || n != 1)
        return -1;
    *row = rows[0];
    return 0;
}

/* *id: of the row that is meant, in the arena. */
static int look(struct lite *l, struct arena *a, const struct archive_edit *edit, enum archive_edited *edited, struct sv *id)
{
    unsigned statement = LITE_LOOK + edit->service;
    bool named = edit->op != ARCHIVE_INSERT && item_is_id(edit->name); /* what cannot be in a database names no row */
    const struct lite_arg args[] = { lite_i(edit->op), lite_s(named ? edit->name : SV_NONE),
                                     lite_s(edit->op != ARCHIVE_DELETE ? edit->row : SV_NONE),
                                     lite_i(edit->op != ARCHIVE_INSERT ? edit->expect_version : 0) };
    int rc = lite_ask(l, statement, args, ARRAY_LEN(args));

    if (rc > 0) {
        *id = arena_sv(a, lite_value(l, statement, 1));
        rc = edited_read(lite_value(l, statement, 0), edited) ? 1 : -1;
        if (*edited == ARCHIVE_EDIT_DONE && edit->op != ARCHIVE_INSERT && id->p == NULL)
            rc = -1;
    }
    lite_end(l, statement);
    return rc > 0 ? 0 : -1;
}

int lite_services_edit(struct lite *l, struct arena *a, const struct archive_edit *edit, enum archive_edited *edited, struct sv *row)
{
    char fresh[ID_UUID_SIZE];
    struct sv id = SV_NONE;
    int rc = look(l, a, edit, edited, &id);

    if (rc != 0 || *edited != ARCHIVE_EDIT_DONE)
        return rc;
    if (edit->op == ARCHIVE_INSERT) {
        id_uuid7(fresh);
        id = sv_from(fresh);
    }
    const struct lite_arg args[] = { lite_s(id), lite_s(edit->row), lite_i(clock_wall_ms()) };
    switch (edit->op) {
    case ARCHIVE_INSERT:
        rc = lite_do(l, LITE_INSERT + edit->service, args, 3);
        break;
    case ARCHIVE_REPLACE:
        rc = lite_do(l, LITE_REPLACE + edit->service, args, 2);
        break;
    case ARCHIVE_DELETE:
        return read_row(l, a, edit->service, id, row) == 0 ? lite_do(l, LITE_DELETE + edit->service, args, 1) : -1;
    }
    return rc == 0 ? read_row(l, a, edit->service, id, row) : -1;
}
