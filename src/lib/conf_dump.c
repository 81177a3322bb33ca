/* SPDX-License-Identifier: MIT
 * Prints options: the effective values, and an example file. Both can be read back by conf_load. */
#include "config.h"

#include "lib/conf.h"

static bool is_simple(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p <= ' ' || *p == '"' || *p == '\'' || *p == '#' || *p == '\\' || *p == 0x7F)
            return false;
    return true;
}

static void print_quoted(const char *text, FILE *out)
{
    (void)fputc('"', out);
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\n' || *p == '\t')
            (void)fprintf(out, "\\%c", *p == '\n' ? 'n' : 't');
        else if (*p == '"' || *p == '\\')
            (void)fprintf(out, "\\%c", *p);
        else
            (void)fputc(*p, out);
    }
    (void)fputc('"', out);
}

static void print_string(const struct conf_option *o, const char *text, FILE *out)
{
    if ((o->flags & CONF_SECRET) != 0 && text[0] != '\0')
        (void)fputs("***", out);
    else if (is_simple(text))
        (void)fputs(text, out);
    else
        print_quoted(text, out);
}

static void print_choice(const char *choices, int choice, FILE *out)
{
    struct sv rest = sv_from(choices), word = SV_NONE;

    for (int i = 0; i <= choice; i++)
        word = sv_split(&rest, '|');
    (void)fprintf(out, "%.*s", SV_FMT(word));
}

static void print_value(const struct conf_option *o, const void *target, FILE *out)
{
    const char *at = (const char *)target + o->offset;
    const char *text;
    int64_t number;
    bool yes;
    int choice;

    switch (o->type) {
    case CONF_STRING:
        memcpy(&text, at, sizeof(text));
        print_string(o, text, out);
        break;
    case CONF_INT:
        memcpy(&number, at, sizeof(number));
        (void)fprintf(out, "%lld", (long long)number);
        break;
    case CONF_BOOL:
        memcpy(&yes, at, sizeof(yes));
        (void)fputs(yes ? "true" : "false", out);
        break;
    case CONF_ENUM:
        memcpy(&choice, at, sizeof(choice));
        print_choice(o->choices, choice, out);
        break;
    }
}

void conf_dump(const struct conf_option *table, size_t count, const void *target, const struct conf_source *sources,
               FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(out, "%s=", table[i].name);
        print_value(&table[i], target, out);
        if (sources[i].line > 0)
            (void)fprintf(out, " # %s:%d\n", sources[i].what, sources[i].line);
        else
            (void)fprintf(out, " # %s\n", sources[i].what);
    }
}

void conf_example(const struct conf_option *table, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct conf_option *o = &table[i];
        (void)fprintf(out, "%s# %s\n", i > 0 ? "\n" : "", o->help);
        if (o->type == CONF_INT)
            (void)fprintf(out, "# a number from %lld to %lld\n", (long long)o->min, (long long)o->max);
        else if (o->type == CONF_BOOL)
            (void)fputs("# true or false\n", out);
        else if (o->type == CONF_ENUM)
            (void)fprintf(out, "# one of %s\n", o->choices);
        if ((o->flags & CONF_SECRET) != 0)
            (void)fprintf(out, "# secret; %s_FILE=path reads it from a file\n", o->name);
        (void)fprintf(out, "#%s=", o->name);
        if (o->fallback != NULL && is_simple(o->fallback))
            (void)fputs(o->fallback, out);
        else if (o->fallback != NULL)
            print_quoted(o->fallback, out);
        (void)fputc('\n', out);
    }
}
