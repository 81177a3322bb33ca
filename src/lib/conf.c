/* SPDX-License-Identifier: MIT
 * Loads options: sets one value at a time, from the weakest origin to the strongest, so that the last one stays. Values
 * of secrets never get into an error's text. Knows no option by name. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/conf.h"

#define FILE_MAX_BYTES (1024 * 1024)
#define SECRET_MAX_BYTES (64 * 1024)

const char conf_environment[] = "environment";

struct load {
    const struct conf_option *table;
    size_t count;
    struct arena *a;
    char *target;
    struct conf_source *sources;
    int *seen; /* line of the file that named the option, 0: none */
    struct err *e;
};

/* Where the text at hand is from, as errors name it. */
struct place {
    const char *file;
    int line;
};

static int fail(struct load *l, struct place at, const char *name, const char *why)
{
    if (at.line > 0)
        return err_set(l->e, ERR_INVALID, "%s:%d: %s: %s", at.file, at.line, name, why);
    if (strcmp(at.file, conf_environment) == 0)
        return err_set(l->e, ERR_INVALID, "environment variable %s: %s", name, why);
    return err_set(l->e, ERR_INVALID, "%s: %s (%s)", name, why, at.file);
}

static int fail_memory(struct load *l)
{
    return err_set(l->e, ERR_MEMORY, "out of memory while reading the configuration");
}

static bool to_bool(struct sv s, bool *out)
{
    static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (sv_eq_nocase(s, sv_from(words[i]))) {
            *out = i % 2 == 1;
            return true;
        }
    }
    return false;
}

static bool to_choice(const char *choices, struct sv s, int *out)
{
    struct sv rest = sv_from(choices);

    for (int i = 0; rest.p != NULL; i++) {
        if (sv_eq_nocase(sv_split(&rest, '|'), s)) {
            *out = i;
            return true;
        }
    }
    return false;
}

static int set_string(struct load *l, const struct conf_option *o, struct sv value, struct place at)
{
    const char *copy;

    if (!sv_is_utf8(value))
        return fail(l, at, o->name, "not UTF-8");
    copy = arena_str(l->a, value);
    if (copy == NULL)
        return fail_memory(l);
    memcpy(l->target + o->offset, &copy, sizeof(copy));
    return 0;
}

static int set_int(struct load *l, const struct conf_option *o, struct sv value, struct place at)
{
    char why[96];
    int64_t number;

    if (!sv_to_i64(value, &number) || number < o->min || number > o->max) {
        (void)snprintf(why, sizeof(why), "must be a number from %lld to %lld", (long long)o->min, (long long)o->max);
        return fail(l, at, o->name, why);
    }
    memcpy(l->target + o->offset, &number, sizeof(number));
    return 0;
}

static int set_enum(struct load *l, const struct conf_option *o, struct sv value, struct place at)
{
    char why[160];
    int choice;

    if (!to_choice(o->choices, value, &choice)) {
        (void)snprintf(why, sizeof(why), "must be one of %s", o->choices);
        return fail(l, at, o->name, why);
    }
    memcpy(l->target + o->offset, &choice, sizeof(choice));
    return 0;
}

static int set_value(struct load *l, const struct conf_option *o, struct sv value, struct place at)
{
    bool yes;
    int rc = -1;

    switch (o->type) {
    case CONF_STRING:
        rc = set_string(l, o, value, at);
        break;
    case CONF_INT:
        rc = set_int(l, o, value, at);
        break;
    case CONF_BOOL:
        if (!to_bool(value, &yes))
            return fail(l, at, o->name, "must be yes or no");
        memcpy(l->target + o->offset, &yes, sizeof(yes));
        rc = 0;
        break;
    case CONF_ENUM:
        rc = set_enum(l, o, value, at);
        break;
    }
    if (rc == 0)
        l->sources[o - l->table] = (struct conf_source){ at.file, at.line };
    return rc;
}

/* Whole content, at most `max` bytes. SV_NONE with *e set. */
static struct sv read_file(struct arena *a, const char *path, size_t max, struct err *e)
{
    struct buf b = { .max = max + 1 };
    struct sv content = SV_NONE;
    ssize_t n = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        (void)err_set_errno(e, errno, "%s", path);
        return SV_NONE;
    }
    while (n > 0 && b.n <= max) {
        size_t room = max + 1 - b.n < 4096 ? max + 1 - b.n : 4096;
        char *p = buf_room(&b, room);
        if (p == NULL)
            break;
        n = read(fd, p, room);
        if (n > 0)
            buf_grown(&b, (size_t)n);
        else if (n < 0 && errno == EINTR)
            n = 1;
    }
    if (n < 0)
        (void)err_set_errno(e, errno, "%s", path);
    else if (b.n > max)
        (void)err_set(e, ERR_INVALID, "%s: larger than %zu bytes", path, max);
    else if (memchr(buf_sv(&b).p, '\0', b.n) != NULL)
        (void)err_set(e, ERR_INVALID, "%s: contains a NUL byte", path);
    else if (!buf_ok(&b) || (content = arena_sv(a, buf_sv(&b))).p == NULL)
        (void)err_set(e, ERR_MEMORY, "%s: out of memory", path);
    (void)close(fd);
    buf_fini(&b);
    return content;
}

/* NAME_FILE: the value is what the file holds, less one newline. */
static int set_from_file(struct load *l, const struct conf_option *o, struct sv path, struct place at)
{
    const char *name = arena_str(l->a, path);
    struct err why;
    struct sv value;

    if (name == NULL)
        return fail_memory(l);
    value = read_file(l->a, name, SECRET_MAX_BYTES, &why);
    if (value.p == NULL) {
        char setting[80];
        (void)snprintf(setting, sizeof(setting), "%s_FILE", o->name);
        return fail(l, at, setting, why.text);
    }
    if (value.n > 0 && value.p[value.n - 1] == '\n')
        value.n--;
    if (value.n > 0 && value.p[value.n - 1] == '\r')
        value.n--;
    return set_value(l, o, value, (struct place){ name, 0 });
}

/* The option of that name; *is_file: the name is NAME_FILE of a secret. NULL: there is none. */
static const struct conf_option *find(const struct load *l, struct sv name, bool *is_file)
{
    const struct sv suffix = SV("_FILE");

    *is_file = false;
    for (size_t i = 0; i < l->count; i++)
        if (sv_eq(name, sv_from(l->table[i].name)))
            return &l->table[i];
    if (name.n <= suffix.n || !sv_eq((struct sv){ name.p + name.n - suffix.n, suffix.n }, suffix))
        return NULL;
    name.n -= suffix.n;
    *is_file = true;
    for (size_t i = 0; i < l->count; i++)
        if ((l->table[i].flags & CONF_SECRET) != 0 && sv_eq(name, sv_from(l->table[i].name)))
            return &l->table[i];
    return NULL;
}

static bool is_blank(struct sv s)
{
    s = sv_trim(s);
    return s.n == 0 || s.p[0] == '#';
}

/* Text behind the opening double quote; *value is written into the arena. NULL or what is wrong. */
static const char *unescape(struct load *l, struct sv s, struct sv *value)
{
    char *out = arena_alloc(l->a, s.n + 1);
    size_t n = 0, i;

    if (out == NULL)
        return "out of memory";
    for (i = 0; i < s.n && s.p[i] != '"'; i++) {
        char c = s.p[i];
        if (c == '\\') {
            i++;
            c = i < s.n ? s.p[i] : '\0';
            if (c == 'n')
                c = '\n';
            else if (c == 't')
                c = '\t';
            else if (c != '"' && c != '\\')
                return "only \\n \\t \\\" and \\\\ may stand between double quotes";
        }
        out[n++] = c;
    }
    if (i >= s.n)
        return "the double quote is not closed";
    if (!is_blank((struct sv){ s.p + i + 1, s.n - i - 1 }))
        return "something follows the closing quote";
    *value = (struct sv){ out, n };
    return NULL;
}

/* What stands behind '='. NULL or what is wrong. */
static const char *parse_value(struct load *l, struct sv s, struct sv *value)
{
    struct sv text = sv_trim(s);

    if (text.n > 0 && text.p[0] == '"')
        return unescape(l, (struct sv){ text.p + 1, text.n - 1 }, value);
    if (text.n > 0 && text.p[0] == '\'') {
        struct sv rest = { text.p + 1, text.n - 1 };
        *value = sv_split(&rest, '\'');
        if (rest.p == NULL)
            return "the quote is not closed";
        return is_blank(rest) ? NULL : "something follows the closing quote";
    }
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] == '#' && (s.p[i - 1] == ' ' || s.p[i - 1] == '\t')) {
            s.n = i - 1;
            break;
        }
    }
    *value = sv_trim(s);
    return NULL;
}

static int load_line(struct load *l, struct sv line, struct place at)
{
    struct sv rest = sv_trim(line), key, value = SV_NONE;
    const struct conf_option *o;
    const char *wrong;
    char name[80];
    bool is_file;

    if (is_blank(rest))
        return 0;
    if (sv_starts(rest, SV("export ")) || sv_starts(rest, SV("export\t")))
        rest = (struct sv){ rest.p + 7, rest.n - 7 };
    key = sv_trim(sv_split(&rest, '='));
    if (rest.p == NULL)
        return err_set(l->e, ERR_INVALID, "%s:%d: not of the form KEY=value", at.file, at.line);
    (void)snprintf(name, sizeof(name), "%.*s", SV_FMT(key));
    o = find(l, key, &is_file);
    if (o == NULL)
        return fail(l, at, sv_is_utf8(key) ? name : "?", "unknown option");
    if (l->seen[o - l->table] != 0)
        return err_set(l->e, ERR_INVALID, "%s:%d: %s: stands in line %d already", at.file, at.line, name,
                       l->seen[o - l->table]);
    l->seen[o - l->table] = at.line;
    wrong = parse_value(l, rest, &value);
    if (wrong != NULL)
        return fail(l, at, name, wrong);
    return is_file ? set_from_file(l, o, value, at) : set_value(l, o, value, at);
}

static int load_file(struct load *l, const char *path)
{
    struct sv text = read_file(l->a, path, FILE_MAX_BYTES, l->e);
    struct place at = { arena_str(l->a, sv_from(path)), 0 };

    if (text.p == NULL)
        return -1;
    if (at.file == NULL)
        return fail_memory(l);
    if (sv_starts(text, SV("\xEF\xBB\xBF")))
        text = (struct sv){ text.p + 3, text.n - 3 };
    while (text.p != NULL) {
        struct sv line = sv_split(&text, '\n');
        at.line++;
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (load_line(l, line, at) != 0)
            return -1;
    }
    return 0;
}

/* Twice over the environment: NAME first, then the stronger NAME_FILE. */
static int load_environment(struct load *l, char *const *environ_)
{
    const struct place at = { conf_environment, 0 };

    for (int pass = 0; pass < 2; pass++) {
        for (char *const *x = environ_; *x != NULL; x++) {
            struct sv value = sv_from(*x), name = sv_split(&value, '=');
            bool is_file;
            const struct conf_option *o = value.p != NULL ? find(l, name, &is_file) : NULL;
            if (o == NULL || is_file != (pass == 1) || (is_file && value.n == 0))
                continue;
            if ((is_file ? set_from_file(l, o, value, at) : set_value(l, o, value, at)) != 0)
                return -1;
        }
    }
    return 0;
}

int conf_load(const struct conf_option *table, size_t count, const char *path, char *const *environ_, struct arena *a,
              void *target, struct conf_source *sources, struct err *e)
{
    struct load l = { .table = table, .count = count, .a = a, .target = target, .sources = sources, .e = e };

    l.seen = arena_array(a, count, sizeof(*l.seen));
    if (l.seen == NULL)
        return fail_memory(&l);
    for (size_t i = 0; i < count; i++)
        if (set_value(&l, &table[i], sv_from(table[i].fallback != NULL ? table[i].fallback : ""),
                      (struct place){ "default", 0 }) != 0)
            return -1;
    if (path != NULL && load_file(&l, path) != 0)
        return -1;
    return environ_ != NULL ? load_environment(&l, environ_) : 0;
}

int conf_blame(const struct conf_option *table, size_t count, const struct conf_source *sources, const char *name, const char *why,
               struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].name, name) != 0)
            continue;
        if (sources[i].line > 0)
            return err_set(e, ERR_RANGE, "%s:%d: %s", sources[i].what, sources[i].line, why);
        if (strcmp(sources[i].what, conf_environment) == 0)
            return err_set(e, ERR_RANGE, "environment variable %s: %s", name, why);
        return err_set(e, ERR_RANGE, "%s (%s)", why, sources[i].what);
    }
    return err_set(e, ERR_RANGE, "%s", why);
}

/* ---- another reading ---- */

static size_t size_of(enum conf_type type)
{
    switch (type) {
    case CONF_STRING:
        return sizeof(const char *);
    case CONF_INT:
        return sizeof(int64_t);
    case CONF_BOOL:
        return sizeof(bool);
    case CONF_ENUM:
        return sizeof(int);
    }
    return 0;
}

static bool is_same(const struct conf_option *o, const char *a, const char *b)
{
    const char *x, *y;

    if (o->type != CONF_STRING)
        return memcmp(a + o->offset, b + o->offset, size_of(o->type)) == 0;
    memcpy(&x, a + o->offset, sizeof(x));
    memcpy(&y, b + o->offset, sizeof(y));
    return strcmp(x, y) == 0;
}

void conf_adopt(const struct conf_option *table, size_t count, void *target, struct conf_source *sources, const void *fresh,
                const struct conf_source *fresh_sources, conf_change_fn *fn, void *arg)
{
    for (size_t i = 0; i < count; i++) {
        const struct conf_option *o = &table[i];
        bool reloads = (o->flags & CONF_RELOAD) != 0;
        if (!is_same(o, target, fresh))
            fn(arg, o->name, reloads);
        if (!reloads)
            continue;
        memcpy((char *)target + o->offset, (const char *)fresh + o->offset, size_of(o->type));
        sources[i] = fresh_sources[i];
    }
}
