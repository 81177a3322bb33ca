/* SPDX-License-Identifier: MIT
 * Tests of src/lib/query.c and of validate_query: what a query says, and everything that is wrong with it at once. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/validate.h"
#include "t/tap.h"

struct target {
    int64_t limit;
    double hours;
    bool dry;
    int state;
    struct sv id, text;
};

static const char *const states[] = { "all", "stuck", NULL };

#define TARGET(label, type, member) .name = label, .kind = type, .offset = offsetof(struct target, member)

static const struct field fields[] = {
    { TARGET("limit", FIELD_INT, limit), .least = 1, .most = 500 },
    { TARGET("hours", FIELD_NUMBER, hours), .least = 0, .most = 1000 },
    { TARGET("dry", FIELD_FLAG, dry) },
    { TARGET("state", FIELD_CHOICE, state), .choices = states },
    { TARGET("id", FIELD_ID, id), .max = 256 },
    { TARGET("text", FIELD_TEXT, text), .max = 10 },
};
static const struct target defaults = { .limit = 50, .hours = 24 };
static const struct input input = {
    .fields = fields, .fields_n = ARRAY_LEN(fields), .size = sizeof(struct target), .defaults = &defaults
};

static const struct field needed[] = { { TARGET("id", FIELD_ID, id), .max = 256, .required = true } };
static const struct input with_needed = { .fields = needed, .fields_n = 1, .size = sizeof(struct target) };

/* limit hours dry state id text, as one line; how many are wrong is returned. */
static int run(const struct input *in, const char *uri, struct buf *line, struct buf *detail)
{
    struct arena *a = arena_new(0, 1 << 20);
    struct target t;
    int wrong = validate_query(in, sv_from(uri), a, &t, detail);

    buf_printf(line, "%lld %g %d %s", (long long)t.limit, t.hours, t.dry, states[t.state]);
    buf_printf(line, " %.*s %.*s", SV_FMT(t.id.p != NULL ? t.id : SV("-")),
               SV_FMT(t.text.p != NULL ? t.text : SV("-")));
    arena_free(a);
    return wrong;
}

static void test_right(void)
{
    static const struct {
        int line;
        const char *uri, *values;
    } table[] = {
        { __LINE__, "/x", "50 24 0 all - -" },
        { __LINE__, "/x?", "50 24 0 all - -" },
        { __LINE__, "/x?&&&=&=1&unknown&unknown=1&unknown=2&%zz=1", "50 24 0 all - -" },
        { __LINE__, "/x?limit=1", "1 24 0 all - -" },
        { __LINE__, "/x?limit=500&state=stuck", "500 24 0 stuck - -" },
        { __LINE__, "/x?limit=007", "7 24 0 all - -" },
        { __LINE__, "http://h:1/x?limit=2#limit=3", "2 24 0 all - -" },
        { __LINE__, "/x?li%6Dit=%33", "3 24 0 all - -" },
        { __LINE__, "/x?hours=0", "50 0 0 all - -" },
        { __LINE__, "/x?hours=0.5", "50 0.5 0 all - -" },
        { __LINE__, "/x?hours=.25", "50 0.25 0 all - -" },
        { __LINE__, "/x?hours=1000.", "50 1000 0 all - -" },
        { __LINE__, "/x?hours=-0", "50 -0 0 all - -" },
        { __LINE__, "/x?limit=&hours=&dry=&state=&id=&text=", "50 24 0 all - -" },
        { __LINE__, "/x?limit&hours&state&id&text", "50 24 0 all - -" },
        { __LINE__, "/x?dry", "50 24 1 all - -" },
        { __LINE__, "/x?dry&limit=5", "5 24 1 all - -" },
        { __LINE__, "/x?dry=1", "50 24 1 all - -" },
        { __LINE__, "/x?dry=TRUE", "50 24 1 all - -" },
        { __LINE__, "/x?dry=yes", "50 24 1 all - -" },
        { __LINE__, "/x?dry=on", "50 24 1 all - -" },
        { __LINE__, "/x?dry=0", "50 24 0 all - -" },
        { __LINE__, "/x?dry=False", "50 24 0 all - -" },
        { __LINE__, "/x?dry=no", "50 24 0 all - -" },
        { __LINE__, "/x?dry=off", "50 24 0 all - -" },
        { __LINE__, "/x?id=h%E1%BB%99i+tho%E1%BA%A1i%2Fa%26b%3Dc%2B",
          "50 24 0 all h\xE1\xBB\x99i tho\xE1\xBA\xA1i/a&b=c+ -" },
        { __LINE__, "/x?id=a=b?c", "50 24 0 all a=b?c -" },
        { __LINE__, "/x?text=0123456789", "50 24 0 all - 0123456789" },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct buf line = { 0 }, detail = { 0 };
        is_int(run(&input, table[i].uri, &line, &detail), 0, "line %d: %s", table[i].line, table[i].uri);
        is_str(line.p, table[i].values, "line %d: its values", table[i].line);
        is_str(detail.p, "[]", "line %d: nothing is wrong", table[i].line);
        buf_fini(&line);
        buf_fini(&detail);
    }
}

#define WRONG(name, msg, type) "{\"loc\":[\"query\",\"" name "\"],\"msg\":\"" msg "\",\"type\":\"" type "\"}"
#define INT_TEXT "Input should be a valid integer, unable to parse string as an integer"
#define NUMBER_TEXT "Input should be a valid number, unable to parse string as a number"
#define FLAG_TEXT "Input should be a valid boolean, unable to interpret input"
#define ONCE "Parameter should be given once"
#define UTF8 "Input should be percent-encoded UTF-8"
#define CONTROL "String should not contain control characters"

static void test_wrong(void)
{
    static const struct {
        int line;
        const char *uri;
        int n;
        const char *detail;
    } table[] = {
        { __LINE__, "/x?limit=0", 1,
          WRONG("limit", "Input should be greater than or equal to 1", "greater_than_equal") },
        { __LINE__, "/x?limit=501", 1, WRONG("limit", "Input should be less than or equal to 500", "less_than_equal") },
        { __LINE__, "/x?limit=-1", 1,
          WRONG("limit", "Input should be greater than or equal to 1", "greater_than_equal") },
        { __LINE__, "/x?limit=1.5", 1, WRONG("limit", INT_TEXT, "int_parsing") },
        { __LINE__, "/x?limit=x", 1, WRONG("limit", INT_TEXT, "int_parsing") },
        { __LINE__, "/x?limit=+5", 1, WRONG("limit", INT_TEXT, "int_parsing") },
        { __LINE__, "/x?limit=0x10", 1, WRONG("limit", INT_TEXT, "int_parsing") },
        { __LINE__, "/x?limit=9223372036854775808", 1, WRONG("limit", INT_TEXT, "int_parsing") },
        { __LINE__, "/x?hours=1000.5", 1,
          WRONG("hours", "Input should be less than or equal to 1000", "less_than_equal") },
        { __LINE__, "/x?hours=-0.1", 1,
          WRONG("hours", "Input should be greater than or equal to 0", "greater_than_equal") },
        { __LINE__, "/x?hours=nan", 1, WRONG("hours", NUMBER_TEXT, "float_parsing") },
        { __LINE__, "/x?hours=inf", 1, WRONG("hours", NUMBER_TEXT, "float_parsing") },
        { __LINE__, "/x?hours=1e3", 1, WRONG("hours", NUMBER_TEXT, "float_parsing") },
        { __LINE__, "/x?hours=0x10", 1, WRONG("hours", NUMBER_TEXT, "float_parsing") },
        { __LINE__, "/x?hours=1..2", 1, WRONG("hours", NUMBER_TEXT, "float_parsing") },
        { __LINE__, "/x?hours=.", 1, WRONG("hours", NUMBER_TEXT, "float_parsing") },
        { __LINE__, "/x?hours=-", 1, WRONG("hours", NUMBER_TEXT, "float_parsing") },
        { __LINE__, "/x?hours=1-", 1, WRONG("hours", NUMBER_TEXT, "float_parsing") },
        { __LINE__, "/x?hours=12,5", 1, WRONG("hours", NUMBER_TEXT, "float_parsing") },
        { __LINE__, "/x?dry=maybe", 1, WRONG("dry", FLAG_TEXT, "bool_parsing") },
        { __LINE__, "/x?dry=2", 1, WRONG("dry", FLAG_TEXT, "bool_parsing") },
        { __LINE__, "/x?state=running", 1, WRONG("state", "Input should be 'all' or 'stuck'", "enum") },
        { __LINE__, "/x?state=ALL", 1, WRONG("state", "Input should be 'all' or 'stuck'", "enum") },
        { __LINE__, "/x?id=a%07", 1, WRONG("id", CONTROL, "string_control_character") },
        { __LINE__, "/x?id=%C2%85", 1, WRONG("id", CONTROL, "string_control_character") },
        { __LINE__, "/x?id=%", 1, WRONG("id", UTF8, "string_unicode") },
        { __LINE__, "/x?id=%2", 1, WRONG("id", UTF8, "string_unicode") },
        { __LINE__, "/x?id=%2g", 1, WRONG("id", UTF8, "string_unicode") },
        { __LINE__, "/x?id=%FF", 1, WRONG("id", UTF8, "string_unicode") },
        { __LINE__, "/x?id=%ED%A0%80", 1, WRONG("id", UTF8, "string_unicode") },
        { __LINE__, "/x?id=a%00b", 1, WRONG("id", UTF8, "string_unicode") },
        { __LINE__, "/x?text=01234567890", 1,
          WRONG("text", "String should have at most 10 bytes of UTF-8", "string_too_long") },
        { __LINE__, "/x?limit=1&limit=1", 1, WRONG("limit", ONCE, "repeated") },
        { __LINE__, "/x?limit=1&limit=1&li%6dit=2", 1, WRONG("limit", ONCE, "repeated") },
        { __LINE__, "/x?dry&dry", 1, WRONG("dry", ONCE, "repeated") },
        { __LINE__, "/x?id=%FF&id=a", 1, WRONG("id", ONCE, "repeated") },
        { __LINE__, "/x?state=z&limit=0&hours=x&limit=0&dry=z", 4,
          WRONG("limit", ONCE, "repeated") "," WRONG("hours", NUMBER_TEXT, "float_parsing") "," WRONG(
              "dry", FLAG_TEXT, "bool_parsing") "," WRONG("state", "Input should be 'all' or 'stuck'", "enum") },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct buf line = { 0 }, detail = { 0 }, want = { 0 };
        buf_printf(&want, "[%s]", table[i].detail);
        is_int(run(&input, table[i].uri, &line, &detail), table[i].n, "line %d: %s", table[i].line, table[i].uri);
        is_str(detail.p, want.p, "line %d: which", table[i].line);
        buf_fini(&line);
        buf_fini(&detail);
        buf_fini(&want);
    }
}

/* ---- names in any case, empty texts, dates, and what belongs together ---- */

struct span { int64_t from, to, day; struct sv text; };

static void in_order(struct check *c, const void *target)
{
    const struct span *s = target;

    if (s->from > s->to)
        validate_wrong(c, "to", "order", "Too early");
}

#define SPAN(label, type, member) .name = label, .kind = type, .offset = offsetof(struct span, member)
static const struct field span_fields[] = {
    { SPAN("fromDate", FIELD_TIME, from), .day_too = true },
    { SPAN("to", FIELD_TIME, to) },
    { SPAN("day", FIELD_DAY, day) },
    { SPAN("text", FIELD_TEXT, text), .empty_too = true, .max = 3 },
};
static const struct span no_span = { .from = -1, .to = 5000, .day = -1 };
static const struct input span_input = { .fields = span_fields, .fields_n = ARRAY_LEN(span_fields), .size = sizeof(struct span), .defaults = &no_span,
                                         .any_case = true, .also = in_order };

static void test_spans(void)
{
    static const struct { int line; const char *uri, *values; } table[] = {
        { __LINE__, "/x", "-1 5000 -1 (none) []" },
        { __LINE__, "/x?FROMDATE=1970-01-01T00:00:01Z&To=1970-01-01T00:00:02Z", "1000 2000 -1 (none) []" },
        { __LINE__, "/x?fromdate=1970-01-01&Day=1970-01-02", "0 5000 86400000 (none) []" },
        { __LINE__, "/x?text=", "-1 5000 -1 () []" },
        { __LINE__, "/x?TEXT", "-1 5000 -1 () []" },
        { __LINE__, "/x?text=abc&to=", "-1 5000 -1 (abc) []" },
        { __LINE__, "/x?fromDate=1970-01-02", "86400000 5000 -1 (none) [" WRONG("to", "Too early", "order") "]" },
        { __LINE__, "/x?to=1970-01-01", "-1 5000 -1 (none) [" WRONG("to", "Input should be a number of seconds or an ISO 8601 string", "timestamp_parsing") "]" },
        { __LINE__, "/x?day=1970-01-01T00:00:00Z", "-1 5000 -1 (none) [" WRONG("day", "Input should be a date, yyyy-MM-dd", "date_parsing") "]" },
        { __LINE__, "/x?day=1969-12-31", "-1 5000 -1 (none) [" WRONG("day", "Input should be between 1970-01-01 and the year 9999", "date_range") "]" },
        { __LINE__, "/x?text=a&Text=b", "-1 5000 -1 (none) [" WRONG("text", ONCE, "repeated") "]" },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct arena *a = arena_new(0, 1 << 20);
        struct buf line = { 0 }, detail = { 0 };
        struct span s;
        int wrong = validate_query(&span_input, sv_from(table[i].uri), a, &s, &detail);
        buf_printf(&line, "%lld %lld %lld (%.*s) %s", (long long)s.from, (long long)s.to, (long long)s.day, SV_FMT(s.text.p != NULL ? s.text : SV("none")), detail.p);
        is_str(line.p, table[i].values, "line %d: %s", table[i].line, table[i].uri);
        is_int(wrong, strstr(table[i].values, "[]") == NULL, "line %d: so many are wrong", table[i].line);
        buf_fini(&line);
        buf_fini(&detail);
        arena_free(a);
    }
}

static void test_needed(void)
{
    static const char *const absent[] = { "/x", "/x?id", "/x?id=", "/x?ID=a", "/x?x#&id=a" };

    for (size_t i = 0; i < ARRAY_LEN(absent); i++) {
        struct buf line = { 0 }, detail = { 0 };
        is_int(run(&with_needed, absent[i], &line, &detail), 1, "%s lacks it", absent[i]);
        is_str(detail.p, "[" WRONG("id", "Field required", "missing") "]", "and is told so");
        buf_fini(&line);
        buf_fini(&detail);
    }
}

static void test_memory(void)
{
    struct arena *a = arena_new(0, 64);
    struct buf detail = { 0 };
    struct target t;
    char uri[400] = "/x?id=";

    memset(uri + 6, 'a', 300);
    is_int(validate_query(&input, sv_from(uri), a, &t, &detail), -1, "a full arena is no wrong parameter");
    buf_fini(&detail);
    arena_free(a);
}

int main(void)
{
    test_right();
    test_wrong();
    test_spans();
    test_needed();
    test_memory();
    return done_testing();
}
