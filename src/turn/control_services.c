/* SPDX-License-Identifier: MIT
 * Rows as an administrator sees them. Each question reads all rows of the database, which are few, in one snapshot. */
#include "config.h"

#include <stdlib.h>

#include "turn/control_service.h"

#define PAGE_BYTES_MAX (1u << 20)
#define HIDDEN "***"

static const char *const unknown_codes[] = {
    [ARCHIVE_BOTS] = "unknown_bot", [ARCHIVE_AI_CORES] = "unknown_ai_core", [ARCHIVE_PLATFORMS] = "unknown_platform",
};

/* ---- the beginning and the ends ---- */

static void no_database(void *arg)
{
    control_refuse(arg, 503, "no_database", "There is no database: bots are configured in one.", NULL);
    control_end(arg);
}

void *service_begin(struct turns *t, struct bots *b, enum archive_service kind, struct sv name, size_t size, control_fn *fn, void *arg)
{
    struct service_call *q = control_begin(t, size, fn, arg);
    if (q == NULL)
        return NULL;
    q->bots = b;
    q->kind = kind;
    q->name = arena_sv(q->c.a, name);
    if (name.p != NULL && q->name.p == NULL)
        control_short_of_memory(&q->c);
    else if (t->o.archive == NULL)
        loop_soon(t->o.loop, no_database, q);
    else
        return q;
    return NULL;
}

void service_unknown(struct service_call *q)
{
    static const char *const sentences[] = {
        [ARCHIVE_BOTS] = "There is no bot of this name.",
        [ARCHIVE_AI_CORES] = "There is no AI core of this name.",
        [ARCHIVE_PLATFORMS] = "There is no platform of this name.",
    };
    control_refuse(&q->c, 404, unknown_codes[q->kind], sentences[q->kind], NULL);
}

void service_away(struct service_call *q)
{
    control_refuse(&q->c, 503, "archive_unavailable", "The database gives no answer now.", NULL);
}

/* ---- rows ---- */

static struct sv key_of(enum archive_service kind, const json_t *row)
{
    return json_sv(row, row_key(kind));
}

struct sv service_find(const struct archive_services *s, enum archive_service kind, struct sv name)
{
    struct sv by_id = SV_NONE, by_key = SV_NONE;
    for (size_t i = 0; i < s->rows_n[kind] && by_key.p == NULL; i++) {
        json_t *row = json_read(s->rows[kind][i], false, NULL);
        if (sv_eq(key_of(kind, row), name))
            by_key = s->rows[kind][i];
        else if (by_id.p == NULL && sv_eq(json_sv(row, "id"), name))
            by_id = s->rows[kind][i];
        json_decref(row);
    }
    return by_key.p != NULL ? by_key : by_id;
}

static bool is_secret(const char *name)
{
    return strcmp(name, "api_key") == 0 || strcmp(name, "token") == 0;
}

/* -1: memory. */
static int hide_in(json_t *object)
{
    int rc = 0;
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        struct sv value = json_sv(object, json_object_iter_key(at));
        if (is_secret(json_object_iter_key(at)) && value.p != NULL && !sv_starts(value, SV("env:")) && !sv_starts(value, SV("file:")))
            rc |= json_object_iter_set_new(object, at, json_string(HIDDEN));
    }
    return rc;
}

/* The database checks the columns; what stands in `environments` somebody may have typed there. */
static int hide_secrets(json_t *row)
{
    json_t *all = json_object_get(row, "environments");
    int rc = hide_in(row);
    for (void *at = json_object_iter(all); at != NULL; at = json_object_iter_next(all, at))
        rc |= hide_in(json_object_iter_value(at));
    return rc;
}

static void put_trouble(struct json_out *o, const json_t *row, struct bots *b)
{
    struct bot *bot = b != NULL ? bots_find(b, key_of(ARCHIVE_BOTS, row)) : NULL;
    bool same = bot != NULL && bot->version == json_i64(row, "version", 0);
    json_kstr(o, "trouble", same ? sv_from(bot->trouble) : SV_NONE);
    bot_release(bot);
}

bool service_put_row(struct json_out *o, enum archive_service kind, struct sv text, struct bots *b)
{
    json_t *row = json_read(text, false, NULL);
    if (!json_is_object(row) || hide_secrets(row) != 0) {
        json_decref(row);
        return false;
    }
    json_obj(o);
    for (void *at = json_object_iter(row); at != NULL; at = json_object_iter_next(row, at)) {
        const char *name = json_object_iter_key(at);
        bool time = strcmp(name, "created_at") == 0 || strcmp(name, "updated_at") == 0;
        json_key(o, name);
        if (time)
            json_ms(o, json_i64(row, name, 0));
        else
            json_val(o, json_object_iter_value(at));
    }
    if (kind == ARCHIVE_BOTS && b != NULL)
        put_trouble(o, row, b);
    json_obj_end(o);
    json_decref(row);
    return true;
}

/* ---- the list ---- */

struct page {
    struct service_call s;
    size_t limit;
    struct sv cursor;
};

struct named {
    struct sv name, row;
};

static int by_name(const void *a, const void *b)
{
    struct sv x = ((const struct named *)a)->name, y = ((const struct named *)b)->name;
    size_t n = x.n < y.n ? x.n : y.n;
    int order = n > 0 ? memcmp(x.p, y.p, n) : 0;
    return order != 0 ? order : (x.n > y.n) - (x.n < y.n);
}

/* Rows with a name, in its order. NULL: memory. */
static struct named *sorted(struct page *p, const struct archive_services *s, size_t *n)
{
    enum archive_service kind = p->s.kind;
    struct named *all = arena_array(p->s.c.a, s->rows_n[kind] + 1, sizeof(*all));
    *n = 0;
    for (size_t i = 0; all != NULL && i < s->rows_n[kind]; i++) {
        json_t *row = json_read(s->rows[kind][i], false, NULL);
        struct sv name = key_of(kind, row);
        if (name.p != NULL)
            all[(*n)++] = (struct named){ arena_sv(p->s.c.a, name), s->rows[kind][i] };
        json_decref(row);
        if (name.p != NULL && all[*n - 1].name.p == NULL)
            return NULL;
    }
    if (all != NULL)
        qsort(all, *n, sizeof(*all), by_name);
    return all;
}

/* The cursor: bots:sales goes on behind that name, whether it is still there or not. */
static bool read_cursor(struct page *p, struct sv cursor)
{
    struct sv name = cursor, table = sv_split(&name, ':');
    bool is = name.p != NULL && sv_eq(table, sv_from(row_table(p->s.kind)));
    p->cursor = is ? arena_sv(p->s.c.a, name) : SV_NONE;
    return is;
}

static void put_cursor(struct json_out *o, enum archive_service kind, struct sv name)
{
    struct buf b = { 0 };
    buf_printf(&b, "%s:%.*s", row_table(kind), SV_FMT(name));
    json_kstr(o, "next_cursor", buf_sv(&b));
    o->b->failed = o->b->failed || !buf_ok(&b);
    buf_fini(&b);
}

static void put_page(struct page *p, struct json_out *o, const struct named *all, size_t n)
{
    const struct named after = { .name = p->cursor };
    size_t i = 0, from, begin = o->b->n;
    while (p->cursor.p != NULL && i < n && by_name(&all[i], &after) <= 0)
        i++;
    json_obj(o);
    json_key(o, row_table(p->s.kind));
    json_arr(o);
    for (from = i; i < n && i - from < p->limit && (i == from || o->b->n - begin < PAGE_BYTES_MAX); i++)
        (void)service_put_row(o, p->s.kind, all[i].row, NULL);
    json_arr_end(o);
    json_kint(o, "total", (int64_t)n);
    if (i < n && i > from)
        put_cursor(o, p->s.kind, all[i - 1].name);
    else
        json_kstr(o, "next_cursor", SV_NONE);
    json_obj_end(o);
}

static void listed(void *arg, enum archive_status status, const struct archive_services *s)
{
    struct page *p = arg;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    size_t n = 0;
    struct named *all = status == ARCHIVE_DONE ? sorted(p, s, &n) : NULL;
    if (status != ARCHIVE_DONE) {
        service_away(&p->s);
    } else if (all == NULL) {
        control_refuse(&p->s.c, 503, "unavailable", "Memory is short.", NULL);
    } else {
        put_page(p, &o, all, n);
        control_tell(&p->s.c, &b);
    }
    control_end(&p->s.c);
}

static void bad_cursor(void *arg)
{
    struct page *p = arg;
    control_refuse(&p->s.c, 422, "bad_cursor", "The cursor is not one that this listing gave out.", NULL);
    control_end(&p->s.c);
}

void control_services_list(struct turns *t, enum archive_service kind, const struct control_page *page, control_fn *fn, void *arg)
{
    struct page *p = service_begin(t, NULL, kind, SV_NONE, sizeof(*p), fn, arg);
    if (p == NULL)
        return;
    p->limit = page->limit == 0 ? 1 : page->limit > 500 ? 500 : page->limit;
    if (page->cursor.n > 0 && !read_cursor(p, page->cursor))
        loop_soon(t->o.loop, bad_cursor, p);
    else if (page->cursor.n > 0 && p->cursor.p == NULL)
        control_short_of_memory(&p->s.c);
    else
        archive_services(t->o.archive, 0, listed, p);
}

/* ---- one ---- */

static void shown(void *arg, enum archive_status status, const struct archive_services *s)
{
    struct service_call *q = arg;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    struct sv row = status == ARCHIVE_DONE ? service_find(s, q->kind, q->name) : SV_NONE;
    if (status != ARCHIVE_DONE)
        service_away(q);
    else if (row.p == NULL || !service_put_row(&o, q->kind, row, q->bots))
        service_unknown(q);
    else
        control_tell(&q->c, &b);
    control_end(&q->c);
}

void control_services_show(struct turns *t, struct bots *b, enum archive_service kind, struct sv name, control_fn *fn, void *arg)
{
    struct service_call *q = service_begin(t, b, kind, name, sizeof(*q), fn, arg);
    if (q != NULL)
        archive_services(t->o.archive, 0, shown, q);
}
