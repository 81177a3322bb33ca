/* SPDX-License-Identifier: MIT
 * Times are whole milliseconds everywhere: a cursor made of one and an id neither repeats a row nor passes one over. */
#include "config.h"

#include <stdlib.h>

#include "archive/archive_item.h"
#include "archive/history_entry.h"

struct history_key history_end(const struct archive_page *what)
{
    /* "up to to_ms" is "before the first id of the next millisecond" */
    struct history_key end = { .ms = what->to_ms < INT64_MAX ? what->to_ms + 1 : INT64_MAX };

    if (what->after && what->before_ms < end.ms) {
        end.ms = what->before_ms;
        memcpy(end.id, what->before_id, sizeof(end.id));
    }
    return end;
}

bool history_is_day(struct sv day)
{
    static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int parts[3] = { 0 };

    if (day.p == NULL || day.n != 10)
        return false;
    for (size_t i = 0, part = 0; i < day.n; i++) {
        if (i == 4 || i == 7) {
            if (day.p[i] != '-')
                return false;
            part++;
        } else if (day.p[i] < '0' || day.p[i] > '9') {
            return false;
        } else {
            parts[part] = parts[part] * 10 + (day.p[i] - '0');
        }
    }
    if (parts[0] < 1 || parts[1] < 1 || parts[1] > 12 || parts[2] < 1)
        return false;
    bool leap = parts[0] % 4 == 0 && (parts[0] % 100 != 0 || parts[0] % 400 == 0);
    return parts[2] <= lengths[parts[1] - 1] + (parts[1] == 2 && leap);
}

struct sv history_figure_user(struct sv metric)
{
    static const char before[] = "user_", behind[] = "_messages";
    size_t around = sizeof(before) - 1 + sizeof(behind) - 1;

    if (metric.n <= around || !sv_starts(metric, SV("user_")) ||
        memcmp(metric.p + metric.n - (sizeof(behind) - 1), behind, sizeof(behind) - 1) != 0)
        return SV_NONE;
    return (struct sv){ metric.p + sizeof(before) - 1, metric.n - around };
}

static bool is_figure(const struct archive_figure *f)
{
    return history_is_day(f->day) && f->metric.n > 0 && f->metric.n <= ITEM_ID_MAX + 64 && memchr(f->metric.p, '\0', f->metric.n) == NULL &&
           sv_is_utf8(f->metric);
}

static int compare_sv(struct sv a, struct sv b)
{
    int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

static int compare_figures(const void *pa, const void *pb)
{
    const struct archive_figure *a = pa, *b = pb;
    int c = compare_sv(a->day, b->day);

    if (c == 0)
        c = compare_sv(a->metric, b->metric);
    return c != 0 ? c : (a->value < b->value) - (a->value > b->value);
}

size_t history_figures(const struct archive_figure *list, size_t n, struct archive_figure *out)
{
    size_t kept = 0, distinct = 0;

    for (size_t i = 0; i < n; i++)
        if (is_figure(&list[i]))
            out[kept++] = list[i];
    if (kept > 0)
        qsort(out, kept, sizeof(*out), compare_figures);
    for (size_t i = 0; i < kept; i++)
        if (distinct == 0 || !sv_eq(out[distinct - 1].day, out[i].day) || !sv_eq(out[distinct - 1].metric, out[i].metric))
            out[distinct++] = out[i];
    return distinct;
}
