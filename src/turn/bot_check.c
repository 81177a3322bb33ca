/* SPDX-License-Identifier: MIT
 * Is a row right? One function for each type of value, and what only the whole row shows. A message never repeats what was handed in: it may
 * be a secret in the wrong place. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>

#include "outside/http.h"
#include "outside/openai_base.h"
#include "turn/bot_row_own.h"
#include "turn/message.h"

#define ADDRESS_MAX 2048
#define VARIABLE_MAX 128

/* What the database adds, and what the API shows besides: may be handed in with the rest, so that an answer can be sent back. */
static const char *const shown[] = { "id", "version", "created_at", "updated_at", "trouble", NULL };

/* ---- telling ---- */

struct check {
    enum archive_service kind;
    row_problem_fn *fn;
    void *arg;
    const char *loc[ROW_LOC_MAX];
    size_t depth, problems;
    bool settings_told, address_told; /* of the row itself: not once more of each environment */
};

static void enter(struct check *c, const char *name)
{
    if (c->depth < ROW_LOC_MAX)
        c->loc[c->depth] = name;
    c->depth++;
}

static void leave(struct check *c)
{
    c->depth--;
}

static void PRINTF_LIKE(3, 4) wrong(struct check *c, const char *type, const char *format, ...)
{
    char msg[160];
    struct row_problem p = { .loc_n = c->depth < ROW_LOC_MAX ? c->depth : ROW_LOC_MAX, .msg = msg, .type = type };
    va_list args;
    va_start(args, format);
    (void)vsnprintf(msg, sizeof(msg), format, args);
    va_end(args);
    memcpy(p.loc, c->loc, sizeof(p.loc));
    c->problems++;
    c->fn(c->arg, &p);
}

/* ---- one value ---- */

static void check_id(struct check *c, struct sv s)
{
    if (s.n == 0)
        wrong(c, "string_too_short", "String should have at least 1 character");
    else if (s.n > MESSAGE_ID_MAX)
        wrong(c, "string_too_long", "String should have at most %d bytes of UTF-8", MESSAGE_ID_MAX);
    else if (sv_has_control(s))
        wrong(c, "string_control_character", "String should not contain control characters");
}

static bool is_printable(struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return true;
}

/* As src/settings_check.c: a user or password would stand in logs and answers. */
static void check_url(struct check *c, struct sv s)
{
    struct sv rest = { s.n > 0 ? strchr(s.p, ':') : NULL, 0 };
    if (s.n > ADDRESS_MAX || !is_printable(s) || rest.p == NULL || http_check_url(s.p, NULL) != 0) {
        wrong(c, "url_parsing", "Input should be a valid URL that begins with http:// or https://");
        return;
    }
    rest.p += strspn(rest.p, ":/");
    rest.n = strcspn(rest.p, "/?#");
    if (rest.n == 0)
        wrong(c, "url_parsing", "Input should be a valid URL, empty host");
    else if (memchr(rest.p, '@', rest.n) != NULL)
        wrong(c, "url_credentials", "URL should not hold a user or password");
    else if (strpbrk(s.p, "?#") != NULL) /* a path is put behind it */
        wrong(c, "url_parsing", "URL should not have a query or a fragment");
}

static void check_path(struct check *c, struct sv s)
{
    if (s.n == 0 || s.n > ADDRESS_MAX || s.p[0] != '/' || !is_printable(s))
        wrong(c, "path", "Input should be a path that begins with '/'");
}

static bool is_name(struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        if (!((ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || ch == '_' || (i > 0 && ch >= '0' && ch <= '9')))
            return false;
    }
    return s.n > 0 && s.n <= VARIABLE_MAX;
}

static void check_secret(struct check *c, struct sv s)
{
    bool variable = sv_starts(s, SV("env:")) && is_name((struct sv){ s.p + 4, s.n - 4 });
    bool file = sv_starts(s, SV("file:/")) && s.n <= 4096 && !sv_has_control(s);
    if (!variable && !file)
        wrong(c, "secret_reference", "Input should name where the secret is: env:NAME or file:/path");
}

static void check_choice(struct check *c, const struct row_field *f, struct sv s)
{
    char msg[160];
    size_t n = 0;
    for (size_t i = 0; f->choices[i] != NULL; i++)
        if (sv_eq(s, sv_from(f->choices[i])))
            return;
    for (size_t i = 0; f->choices[i] != NULL && n < sizeof(msg); i++)
        n += (size_t)snprintf(msg + n, sizeof(msg) - n, "%s'%s'", i == 0 ? "Input should be " : f->choices[i + 1] != NULL ? ", " : " or ",
                              f->choices[i]);
    wrong(c, "enum", "%s", msg);
}

static void check_int(struct check *c, const struct row_field *f, const json_t *value)
{
    if (!json_is_integer(value))
        wrong(c, "int_type", "Input should be a valid integer");
    else if (json_integer_value(value) < f->lo)
        wrong(c, "greater_than_equal", "Input should be greater than or equal to %lld", (long long)f->lo);
    else if (json_integer_value(value) > f->hi)
        wrong(c, "less_than_equal", "Input should be less than or equal to %lld", (long long)f->hi);
}

static void check_size(struct check *c, const struct row_field *f, const json_t *value)
{
    struct buf text = { .max = f->max + 1 };
    json_dump_to(&text, value);
    if (!buf_ok(&text) || text.n > f->max)
        wrong(c, "too_long", "Input should have at most %zu bytes of JSON", f->max);
    buf_fini(&text);
}

static void check_object(struct check *c, const struct row_field *f, const json_t *value);

static void check_string(struct check *c, const struct row_field *f, struct sv s)
{
    switch (f->type) {
    case ROW_ID:
        check_id(c, s);
        return;
    case ROW_TEXT:
        if (s.n > f->max)
            wrong(c, "string_too_long", "String should have at most %zu bytes of UTF-8", f->max);
        return;
    case ROW_CHOICE:
        check_choice(c, f, s);
        return;
    case ROW_URL:
        check_url(c, s);
        return;
    case ROW_PATH:
        check_path(c, s);
        return;
    case ROW_SECRET:
        check_secret(c, s);
        return;
    case ROW_FLAG:
    case ROW_INT:
    case ROW_OBJECT:
        return; /* no strings */
    }
}

static void check_value(struct check *c, const struct row_field *f, const json_t *value)
{
    switch (f->type) {
    case ROW_FLAG:
        if (!json_is_boolean(value))
            wrong(c, "bool_type", "Input should be a valid boolean");
        return;
    case ROW_INT:
        check_int(c, f, value);
        return;
    case ROW_OBJECT:
        check_object(c, f, value);
        return;
    case ROW_ID:
    case ROW_TEXT:
    case ROW_CHOICE:
    case ROW_URL:
    case ROW_PATH:
    case ROW_SECRET:
        if (json_is_string(value))
            check_string(c, f, (struct sv){ json_string_value(value), json_string_length(value) });
        else
            wrong(c, "string_type", "Input should be a valid string");
        return;
    }
}

/* ---- objects ---- */

/* Fields of `object`; with `only` those alone that it has too. */
static void check_fields(struct check *c, const struct row_field *fields, size_t n, const json_t *object, const json_t *only)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_object_get(object, fields[i].name);
        if (only != NULL && json_object_get(only, fields[i].name) == NULL)
            continue;
        enter(c, fields[i].name);
        if (value != NULL && (fields[i].required || !json_is_null(value)))
            check_value(c, &fields[i], value);
        else if (fields[i].required)
            wrong(c, "missing", "Field required");
        leave(c);
    }
}

static void check_object(struct check *c, const struct row_field *f, const json_t *value)
{
    if (!json_is_object(value)) {
        wrong(c, "dict_type", "Input should be a valid dictionary");
        return;
    }
    check_size(c, f, value);
    if (strcmp(f->name, "settings") == 0)
        check_fields(c, row_kinds[c->kind].settings, row_kinds[c->kind].settings_n, value, NULL);
}

static bool is_among(const char *const *names, const char *name)
{
    while (*names != NULL && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

/* The path of a call is put behind it. */
static void check_base(struct check *c, const char *provider, const json_t *row)
{
    if (c->kind != ARCHIVE_AI_CORES || provider == NULL || strcmp(provider, "openai") != 0 || openai_base(json_sv(row, "base_url")).p == NULL)
        return;
    enter(c, "base_url");
    wrong(c, "url_parsing", "URL should be the base, to which /chat/completions is added");
    leave(c);
}

/* What no field can say alone. */
static void check_address(struct check *c, const json_t *row)
{
    const char *const *needs = row_kinds[c->kind].address;
    const char *provider = json_string_value(json_object_get(row, "provider"));
    check_base(c, provider, row);
    if (needs == NULL || provider == NULL || !is_among(needs, provider) || json_is_string(json_object_get(row, "base_url")))
        return;
    if (json_object_get(row, "base_url") != NULL && !json_is_null(json_object_get(row, "base_url")))
        return; /* told already */
    enter(c, "base_url");
    wrong(c, "missing", "Field required");
    leave(c);
}

size_t row_check_effective(enum archive_service kind, const json_t *row, row_problem_fn *fn, void *arg)
{
    struct check c = { .kind = kind, .fn = fn, .arg = arg };
    if (!json_is_object(row)) {
        wrong(&c, "dict_type", "Input should be a valid dictionary");
        return c.problems;
    }
    for (size_t i = 0; i < row_kinds[kind].fields_n; i++)
        if (strcmp(row_kinds[kind].fields[i].name, "environments") != 0)
            check_fields(&c, &row_kinds[kind].fields[i], 1, row, NULL);
    check_address(&c, row);
    return c.problems;
}

/* Its members, judged as part of the row that they make together. Settings are, once each of the entry's own and of the row's is right. */
static void check_merged(struct check *c, const json_t *whole, const json_t *entry)
{
    const struct row_kind *k = &row_kinds[c->kind];
    size_t before = c->problems;
    for (size_t i = 0; i < k->settings_n; i++)
        if (row_find_field(c->kind, k->settings[i].name) == NULL)
            check_fields(c, &k->settings[i], 1, entry, entry);
    const json_t *source = c->problems == before && !c->settings_told ? whole : entry;
    for (size_t i = 0; i < k->fields_n; i++)
        check_fields(c, &k->fields[i], 1, strcmp(k->fields[i].name, "settings") == 0 ? source : whole, entry);
    if (c->problems == before && !c->address_told)
        check_address(c, whole);
}

static void check_entry(struct check *c, const json_t *row, const json_t *entry)
{
    if (!json_is_object(entry)) {
        wrong(c, "dict_type", "Input should be a valid dictionary");
        return;
    }
    for (void *at = json_object_iter(row_plain(entry)); at != NULL; at = json_object_iter_next(row_plain(entry), at)) {
        if (row_may_differ(c->kind, json_object_iter_key(at)))
            continue;
        enter(c, json_object_iter_key(at));
        wrong(c, "extra_forbidden", "Only fields of the row and known settings differ here; all others under settings");
        leave(c);
    }
    json_t *whole = row_merged(c->kind, row, entry);
    if (whole != NULL)
        check_merged(c, whole, entry);
    else
        wrong(c, "memory", "Memory is short");
    json_decref(whole);
}

static void check_environments(struct check *c, const json_t *row)
{
    json_t *all = json_object_get(row, "environments");
    if (!json_is_object(all))
        return; /* told already, or none */
    enter(c, "environments");
    for (void *at = json_object_iter(all); at != NULL; at = json_object_iter_next(all, at)) {
        enter(c, json_object_iter_key(at));
        if (!is_among(row_environments, json_object_iter_key(at)))
            wrong(c, "extra_forbidden", "Environments are development, test, staging and production");
        else
            check_entry(c, row, json_object_iter_value(at));
        leave(c);
    }
    leave(c);
}

size_t row_check(enum archive_service kind, const json_t *row, row_problem_fn *fn, void *arg)
{
    struct check c = { .kind = kind, .fn = fn, .arg = arg };
    const struct row_kind *k = &row_kinds[kind];
    if (!json_is_object(row)) {
        wrong(&c, "dict_type", "Input should be a valid dictionary");
        return c.problems;
    }
    for (void *at = json_object_iter(row_plain(row)); at != NULL; at = json_object_iter_next(row_plain(row), at)) {
        const char *name = json_object_iter_key(at);
        if (row_find_field(kind, name) != NULL || is_among(shown, name))
            continue;
        enter(&c, name);
        wrong(&c, "extra_forbidden", "Extra inputs are not permitted");
        leave(&c);
    }
    for (size_t i = 0; i < k->fields_n; i++) {
        size_t before = c.problems;
        check_fields(&c, &k->fields[i], 1, row, NULL);
        c.settings_told |= c.problems > before && strcmp(k->fields[i].name, "settings") == 0;
    }
    size_t before = c.problems;
    check_address(&c, row);
    c.address_told = c.problems > before;
    check_environments(&c, row);
    return c.problems;
}
