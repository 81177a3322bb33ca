/* SPDX-License-Identifier: MIT
 * Two passes over a table: how wide each column is, then the lines. Widths count code points, which is right for what ids and names hold
 * mostly, and merely untidy for wide characters. */
#include "config.h"

#include <math.h>

#include "daemon/table.h"
#include "lib/clock.h"

#define DEPTH_MAX 4 /* objects inside objects that become lines of their own; below that JSON is shown as it is */
#define CELL_MAX 300 /* characters of one cell among others: more than any id has, less than what would bury the line */

struct columns {
    const char *names[TABLE_COLUMNS_MAX];
    size_t widths[TABLE_COLUMNS_MAX];
    size_t n;
};

static size_t width_of(struct sv s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

static void add_clean(struct buf *b, struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7F)
            buf_printf(b, "\\x%02x", (unsigned char)s.p[i]);
        else if ((unsigned char)s.p[i] == 0xC2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xA0) /* U+0080 to U+009F steer terminals, too */
            buf_printf(b, "\\u00%02x", (unsigned char)s.p[++i]);
        else
            buf_addc(b, s.p[i]);
    }
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool is_time(const char *key, const json_t *value)
{
    if (!json_is_number(value) || json_number_value(value) < 1e9 || json_number_value(value) > 1e11)
        return false;
    return strcmp(key, "at") == 0 || strcmp(key, "timestamp") == 0 || strcmp(key, "last_activity") == 0 || ends_with(key, "_at") ||
           ends_with(key, "_until") || ends_with(key, "_timestamp");
}

/* One value on one line. */
static void add_cell(struct buf *b, const char *key, const json_t *value)
{
    char time[25];

    if (value == NULL || json_is_null(value)) {
        buf_addc(b, '-');
    } else if (json_is_string(value)) {
        struct sv s = { json_string_value(value), json_string_length(value) };
        if (s.n == 0)
            buf_addc(b, '-');
        add_clean(b, s);
    } else if (json_is_boolean(value)) {
        buf_add(b, json_is_true(value) ? SV("yes") : SV("no"));
    } else if (is_time(key, value)) {
        clock_format((int64_t)llround(json_number_value(value) * 1000), time);
        buf_add(b, sv_from(time));
    } else {
        struct buf raw = { 0 };
        json_dump_to(&raw, value);
        add_clean(b, buf_ok(&raw) ? buf_sv(&raw) : SV_NONE);
        buf_fini(&raw);
    }
}

/* The same among others, where what is too long is cut; --json has all of it. */
static struct sv cell(struct buf *scratch, const char *key, const json_t *value)
{
    size_t chars = 0, cut = 0;
    buf_clear(scratch);
    add_cell(scratch, key, value);
    if (!buf_ok(scratch))
        return SV_NONE;
    struct sv all = buf_sv(scratch);
    for (; cut < all.n && chars <= CELL_MAX; cut++)
        chars += ((unsigned char)all.p[cut] & 0xC0) != 0x80;
    if (chars <= CELL_MAX)
        return all;
    scratch->n = cut - 1; /* before the first byte of the first character that is too many */
    buf_add(scratch, SV("..."));
    return buf_ok(scratch) ? buf_sv(scratch) : SV_NONE;
}

static void pad(struct buf *b, size_t have, size_t want)
{
    for (; have < want; have++)
        buf_addc(b, ' ');
}

/* ---- array of objects ---- */

static void add_column(struct columns *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->names[i], name) == 0)
            return;
    if (c->n == TABLE_COLUMNS_MAX)
        return;
    c->names[c->n] = name;
    c->widths[c->n++] = width_of(sv_from(name));
}

static void measure(struct columns *c, json_t *rows, struct buf *scratch)
{
    json_t *row;
    size_t i;

    json_array_foreach(rows, i, row) {
        void *it = json_object_iter(row);
        for (; it != NULL; it = json_object_iter_next(row, it))
            add_column(c, json_object_iter_key(it));
    }
    json_array_foreach(rows, i, row) {
        for (size_t k = 0; k < c->n; k++) {
            size_t width = width_of(cell(scratch, c->names[k], json_object_get(row, c->names[k])));
            c->widths[k] = width > c->widths[k] ? width : c->widths[k];
        }
    }
}

static void add_rows(struct buf *b, json_t *rows)
{
    struct columns c = { .n = 0 };
    struct buf scratch = { 0 };
    json_t *row;
    size_t i;

    measure(&c, rows, &scratch);
    for (size_t k = 0; k < c.n; k++) {
        for (const char *p = c.names[k]; *p != '\0'; p++)
            buf_addc(b, *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p);
        if (k + 1 < c.n)
            pad(b, width_of(sv_from(c.names[k])), c.widths[k] + 2);
    }
    buf_addc(b, '\n');
    json_array_foreach(rows, i, row) {
        for (size_t k = 0; k < c.n; k++) {
            struct sv text = cell(&scratch, c.names[k], json_object_get(row, c.names[k]));
            buf_add(b, text);
            if (k + 1 < c.n)
                pad(b, width_of(text), c.widths[k] + 2);
        }
        buf_addc(b, '\n');
    }
    buf_fini(&scratch);
}

static bool is_rows(const json_t *value)
{
    const json_t *row;
    size_t i;

    json_array_foreach(value, i, row)
        if (!json_is_object(row))
            return false;
    return json_array_size(value) > 0;
}

/* ---- object ---- */

struct lines {
    struct buf *b;
    size_t width; /* of the names */
};

typedef void line_fn(struct lines *l, struct sv name, const char *key, json_t *value);

static void each_line(struct lines *l, json_t *object, const char *prefix, unsigned depth, line_fn *fn)
{
    struct buf name = { 0 };
    void *it = json_object_iter(object);

    for (; it != NULL; it = json_object_iter_next(object, it)) {
        const char *key = json_object_iter_key(it);
        json_t *value = json_object_iter_value(it);
        buf_clear(&name);
        buf_add(&name, sv_from(prefix));
        add_clean(&name, sv_from(key));
        if (!buf_ok(&name))
            break;
        if (json_is_object(value) && json_object_size(value) > 0 && depth < DEPTH_MAX) {
            buf_addc(&name, '.');
            each_line(l, value, buf_ok(&name) ? name.p : "", depth + 1, fn);
        } else {
            fn(l, buf_sv(&name), key, value);
        }
    }
    buf_fini(&name);
}

static void measure_line(struct lines *l, struct sv name, const char *key, json_t *value)
{
    (void)key;
    size_t width = width_of(name);
    if (!is_rows(value) && width > l->width)
        l->width = width;
}

static void add_line(struct lines *l, struct sv name, const char *key, json_t *value)
{
    const json_t *one;
    size_t i;

    if (is_rows(value))
        return;
    buf_add(l->b, name);
    pad(l->b, width_of(name), l->width + 2);
    if (!json_is_array(value)) {
        add_cell(l->b, key, value);
    } else {
        if (json_array_size(value) == 0)
            buf_addc(l->b, '-');
        json_array_foreach(value, i, one) {
            buf_add(l->b, i > 0 ? SV(", ") : SV(""));
            add_cell(l->b, key, one);
        }
    }
    buf_addc(l->b, '\n');
}

static void add_table(struct lines *l, struct sv name, const char *key, json_t *value)
{
    (void)key;
    if (!is_rows(value))
        return;
    if (l->b->n > 0)
        buf_addc(l->b, '\n');
    buf_add(l->b, name);
    buf_add(l->b, SV(":\n"));
    add_rows(l->b, value);
}

void table_format(struct buf *b, json_t *value)
{
    struct lines l = { .b = b };

    if (is_rows(value)) {
        add_rows(b, value);
    } else if (json_is_object(value)) {
        each_line(&l, value, "", 1, measure_line);
        each_line(&l, value, "", 1, add_line);
        each_line(&l, value, "", 1, add_table);
    } else if (json_is_array(value) && json_array_size(value) == 0) {
        buf_add(b, SV("(none)\n"));
    } else {
        add_cell(b, "", value);
        buf_addc(b, '\n');
    }
}
