/* SPDX-License-Identifier: MIT
 * Answers are copied into the rig's arena. */
#include "config.h"

#include "lib/json.h"
#include "t/archive/services.h"

#define INSIDE (-1) /* count while the call has not returned yet */

static int came(int count, const char *name)
{
    if (count == INSIDE)
        ok(false, "%s: an answer came from inside the call", name);
    return count == INSIDE ? 1 : count + 1;
}

static void on_polled(void *arg, enum archive_status status, const struct archive_services *s)
{
    struct polled *p = arg;

    p->count = came(p->count, p->r->name);
    p->status = status;
    if (s == NULL)
        return;
    p->s = *s;
    for (size_t i = 0; i < ARCHIVE_SERVICES; i++) {
        struct sv *rows = arena_array(p->r->arena, s->rows_n[i] + 1, sizeof(*rows));
        for (size_t k = 0; k < s->rows_n[i]; k++)
            rows[k] = arena_sv(p->r->arena, s->rows[i][k]);
        p->s.rows[i] = rows;
    }
}

static void on_edited(void *arg, enum archive_status status, enum archive_edited edited, struct sv row)
{
    struct edited *w = arg;

    w->count = came(w->count, w->r->name);
    w->status = status;
    w->edited = edited;
    w->row = arena_sv(w->r->arena, row);
}

void services_start_poll(struct rig *r, struct archive *a, struct polled *p, int64_t known)
{
    *p = (struct polled){ .r = r, .count = INSIDE };
    archive_services(a, known, on_polled, p);
    p->count = p->count == INSIDE ? 0 : p->count;
}

void services_start_edit(struct rig *r, struct archive *a, struct edited *w, const struct archive_edit *edit)
{
    *w = (struct edited){ .r = r, .count = INSIDE };
    archive_edit(a, edit, on_edited, w);
    w->count = w->count == INSIDE ? 0 : w->count;
}

static bool is_not_0(void *arg)
{
    return *(const int *)arg != 0;
}

void services_wait(struct rig *r, const int *count)
{
    if (!rig_until(r, is_not_0, (void *)(uintptr_t)count))
        bail_out("%s: a call was not answered", r->name);
}

struct polled services_poll(struct rig *r, int64_t known)
{
    struct polled p;

    services_start_poll(r, r->a, &p, known);
    services_wait(r, &p.count);
    return p;
}

static struct edited edit(struct rig *r, const struct archive_edit *e)
{
    struct edited w;

    services_start_edit(r, r->a, &w, e);
    services_wait(r, &w.count);
    return w;
}

struct edited services_insert(struct rig *r, enum archive_service service, const char *row)
{
    return edit(r, &(struct archive_edit){ .service = service, .op = ARCHIVE_INSERT, .row = sv_from(row) });
}

struct edited services_replace(struct rig *r, enum archive_service service, const char *name, const char *row, int64_t version)
{
    return edit(r, &(struct archive_edit){ .service = service, .op = ARCHIVE_REPLACE, .name = sv_from(name), .row = sv_from(row),
                                           .expect_version = version });
}

struct edited services_delete(struct rig *r, enum archive_service service, const char *name, int64_t version)
{
    return edit(r, &(struct archive_edit){ .service = service, .op = ARCHIVE_DELETE, .name = sv_from(name), .expect_version = version });
}

static json_t *read_row(struct sv row)
{
    struct err e = { 0 };
    json_t *o = row.p != NULL ? json_read(row, false, &e) : NULL;

    if (row.p != NULL && o == NULL)
        ok(false, "a row is JSON: %s: %.*s", e.text, SV_FMT(row));
    return o;
}

const char *services_at(struct rig *r, struct sv row, const char *member)
{
    json_t *o = read_row(row), *value = json_object_get(o, member);
    struct buf b = { 0 };

    if (value != NULL)
        json_dump_to(&b, value);
    const char *text = value != NULL ? arena_str(r->arena, buf_sv(&b)) : "";
    buf_fini(&b);
    json_decref(o);
    return text;
}

int64_t services_number(struct sv row, const char *member)
{
    json_t *o = read_row(row);
    int64_t n = json_i64(o, member, -1);

    json_decref(o);
    return n;
}

struct sv services_row(const struct polled *p, enum archive_service service, const char *name)
{
    for (size_t i = 0; i < p->s.rows_n[service]; i++) {
        json_t *o = read_row(p->s.rows[service][i]);
        bool found = sv_eq(json_sv(o, service == ARCHIVE_BOTS ? "bot_id" : "name"), sv_from(name));
        json_decref(o);
        if (found)
            return p->s.rows[service][i];
    }
    return SV_NONE;
}
