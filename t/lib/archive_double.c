/* SPDX-License-Identifier: MIT
 * See archive_double.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/archive_double.h"
#include "t/tap.h"

struct held {
    struct archive_double *d;
    struct held *next;
    int64_t known;
    archive_services_fn *services;
    archive_edit_fn *edit;
    enum archive_edited edited;
    char *row;
    void *arg;
};

static const char *key_of(enum archive_service service)
{
    return service == ARCHIVE_BOTS ? "bot_id" : "name";
}

/* ---- rows ---- */

static json_t *parse(const char *row)
{
    return json_read(sv_from(row), false, NULL);
}

static size_t find(const struct archive_double *d, enum archive_service service, struct sv name)
{
    for (size_t i = 0; i < d->n[service]; i++) {
        json_t *row = parse(d->rows[service][i]);
        bool found = name.p != NULL && (sv_eq(json_sv(row, key_of(service)), name) || sv_eq(json_sv(row, "id"), name));
        json_decref(row);
        if (found)
            return i;
    }
    return DOUBLE_ROWS_MAX;
}

static void put_at(struct archive_double *d, enum archive_service service, size_t at, const char *row)
{
    if (at == DOUBLE_ROWS_MAX)
        at = d->n[service]++;
    else
        free(d->rows[service][at]);
    if (at >= DOUBLE_ROWS_MAX)
        bail_out("too many rows");
    d->rows[service][at] = strdup(row);
    d->version++;
}

void archive_double_put(struct archive_double *d, enum archive_service service, const char *row)
{
    json_t *j = parse(row);
    put_at(d, service, find(d, service, json_sv(j, key_of(service))), row);
    json_decref(j);
}

static void remove_at(struct archive_double *d, enum archive_service service, size_t at)
{
    free(d->rows[service][at]);
    d->rows[service][at] = d->rows[service][--d->n[service]];
    d->version++;
}

void archive_double_remove(struct archive_double *d, enum archive_service service, const char *name)
{
    size_t at = find(d, service, sv_from(name));
    if (at == DOUBLE_ROWS_MAX)
        bail_out("no such row: %s", name);
    remove_at(d, service, at);
}

/* ---- answers ---- */

static void answer(struct held *h)
{
    struct archive_double *d = h->d;
    static struct sv rows[ARCHIVE_SERVICES][DOUBLE_ROWS_MAX];
    struct archive_services s = { .version = d->version, .changed = h->known == 0 || d->version != h->known };
    enum archive_status status = d->away ? ARCHIVE_DOWN : d->no_tables && h->edit == NULL ? ARCHIVE_NO_TABLES : ARCHIVE_DONE;
    if (h->edit != NULL) {
        h->edit(h->arg, status, h->edited, sv_from(h->row));
        free(h->row);
        free(h);
        return;
    }
    for (int k = 0; s.changed && k < ARCHIVE_SERVICES; k++) {
        for (size_t i = 0; i < d->n[k]; i++)
            rows[k][i] = sv_from(d->rows[k][i]);
        s.rows[k] = rows[k];
        s.rows_n[k] = d->n[k];
    }
    d->sent += s.changed && status == ARCHIVE_DONE;
    h->services(h->arg, status, status == ARCHIVE_DONE ? &s : NULL);
    free(h);
}

static void respond(void *arg)
{
    struct held *h = arg;
    if (!h->d->hold) {
        answer(h);
        return;
    }
    h->next = h->d->held;
    h->d->held = h;
}

void archive_double_release(struct archive_double *d)
{
    d->hold = false;
    while (d->held != NULL) {
        struct held *h = d->held;
        d->held = h->next;
        answer(h);
    }
}

static struct held *later(struct archive *a, void *arg)
{
    struct archive_double *d = CONTAINER_OF(a, struct archive_double, archive);
    struct held *h = calloc(1, sizeof(*h));
    if (h == NULL)
        abort();
    h->d = d;
    h->arg = arg;
    loop_soon(d->loop, respond, h);
    return h;
}

static void services(struct archive *a, int64_t known, archive_services_fn *fn, void *arg)
{
    struct held *h = later(a, arg);
    h->services = fn;
    h->known = known;
    h->d->looks++;
}

/* ---- edits ---- */

static bool is_used(const struct archive_double *d, enum archive_service service, struct sv name)
{
    const char *member = service == ARCHIVE_AI_CORES ? "ai_core" : "platform";
    bool used = false;
    for (size_t i = 0; service != ARCHIVE_BOTS && i < d->n[ARCHIVE_BOTS]; i++) {
        json_t *row = parse(d->rows[ARCHIVE_BOTS][i]);
        used = used || sv_eq(json_sv(row, member), name);
        json_decref(row);
    }
    return used;
}

static bool names_nobody(const struct archive_double *d, const json_t *row, const char *member, enum archive_service service)
{
    struct sv name = json_sv(row, member);
    return name.p != NULL && find(d, service, name) == DOUBLE_ROWS_MAX;
}

static int64_t version_of(const struct archive_double *d, enum archive_service service, size_t at)
{
    json_t *row = parse(d->rows[service][at]);
    int64_t version = json_i64(row, "version", 0);
    json_decref(row);
    return version;
}

static enum archive_edited judge(const struct archive_double *d, const struct archive_edit *e, const json_t *row, size_t at)
{
    size_t other = find(d, e->service, json_sv(row, key_of(e->service)));
    if (d->refuse != ARCHIVE_EDIT_DONE)
        return d->refuse;
    if (e->op != ARCHIVE_INSERT && at == DOUBLE_ROWS_MAX)
        return ARCHIVE_EDIT_UNKNOWN;
    if (e->op != ARCHIVE_DELETE && other != DOUBLE_ROWS_MAX && (e->op == ARCHIVE_INSERT || other != at))
        return ARCHIVE_EDIT_EXISTS;
    if (e->op != ARCHIVE_INSERT && e->expect_version != 0 && version_of(d, e->service, at) != e->expect_version)
        return ARCHIVE_EDIT_STALE;
    if (e->op == ARCHIVE_DELETE && is_used(d, e->service, e->name))
        return ARCHIVE_EDIT_IN_USE;
    if (e->service == ARCHIVE_BOTS && names_nobody(d, row, "ai_core", ARCHIVE_AI_CORES))
        return ARCHIVE_EDIT_NO_CORE;
    if (e->service == ARCHIVE_BOTS && names_nobody(d, row, "platform", ARCHIVE_PLATFORMS))
        return ARCHIVE_EDIT_NO_PLATFORM;
    return ARCHIVE_EDIT_DONE;
}

static char *stamped(struct archive_double *d, enum archive_service service, size_t at, json_t *row)
{
    char id[48];
    struct buf b = { 0 };
    json_t *old = at != DOUBLE_ROWS_MAX ? parse(d->rows[service][at]) : NULL;
    (void)snprintf(id, sizeof(id), "01890000-0000-7000-8000-%012lld", (long long)d->row_version);
    (void)json_object_set_new(row, "id", old != NULL ? json_incref(json_object_get(old, "id")) : json_string(id));
    (void)json_object_set_new(row, "version", json_integer(d->row_version++));
    (void)json_object_set_new(row, "created_at", json_integer(1699123456789));
    (void)json_object_set_new(row, "updated_at", json_integer(1699123456790));
    json_decref(old);
    json_dump_to(&b, row);
    return buf_take(&b);
}

static void edit(struct archive *a, const struct archive_edit *e, archive_edit_fn *fn, void *arg)
{
    struct held *h = later(a, arg);
    struct archive_double *d = h->d;
    json_t *row = e->row.p != NULL ? json_read(e->row, false, NULL) : NULL;
    size_t at = e->op == ARCHIVE_INSERT ? DOUBLE_ROWS_MAX : find(d, e->service, e->name);
    d->edits++;
    h->edit = fn;
    h->edited = judge(d, e, row, at);
    d->refuse = ARCHIVE_EDIT_DONE;
    if (h->edited == ARCHIVE_EDIT_DONE && !d->away) {
        if (e->op == ARCHIVE_DELETE) {
            remove_at(d, e->service, at);
        } else {
            h->row = stamped(d, e->service, at, row);
            put_at(d, e->service, at, h->row);
        }
    }
    json_decref(row);
}

static bool is_up(const struct archive *a)
{
    return !((const struct archive_double *)(const void *)a)->away; /* its first member */
}

static const struct archive_ops ops = { .name = "Double", .services = services, .edit = edit, .is_up = is_up };

void archive_double_open(struct archive_double *d, struct loop *loop)
{
    *d = (struct archive_double){ .archive = { &ops }, .loop = loop, .version = 1, .row_version = 1 };
}

void archive_double_close(struct archive_double *d)
{
    archive_double_release(d);
    for (int k = 0; k < ARCHIVE_SERVICES; k++)
        for (size_t i = 0; i < d->n[k]; i++)
            free(d->rows[k][i]);
}
