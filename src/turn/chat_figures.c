/* SPDX-License-Identifier: MIT
 * What was counted on a day, or on each of several. The store counts, the archive has a copy that is a minute old at most; figures only grow, so of two
 * that differ the greater one is right: after the store has been emptied that is the archive's. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "archive/archive_history.h"
#include "lib/clock.h"
#include "store/store_history.h"
#include "turn/chat.h"
#include "turn/chat_find.h"

#define DAY_MS (86400 * INT64_C(1000))
#define DAY_BYTES 10
#define DAYS_ASKED_MAX 2 /* of a range, the store is asked for the days that may not be copied yet: today and yesterday */

enum known { TOTAL, RESPONSES, COMPLETED, LOCKED, RESTARTED, ERASED, AI_TIME, AI_CALLS };
static const struct sv known_names[] = {
    [TOTAL] = { "total_messages", 14 },       [RESPONSES] = { "ai_responses", 12 },     [COMPLETED] = { "completed_turns", 15 },
    [LOCKED] = { "locked_turns", 12 },        [RESTARTED] = { "restarted_turns", 15 },  [ERASED] = { "erased_users_messages", 21 },
    [AI_TIME] = { "ai_time_ms", 10 },         [AI_CALLS] = { "ai_calls", 8 },
};
#define KNOWN_N ARRAY_LEN(known_names)

struct counted { struct sv day, metric; int64_t value; };

struct figures {
    struct control_call c;
    struct sv from, to; /* yyyy-MM-dd */
    bool single;
    int64_t from_ms, to_ms;
    struct sv asked[DAYS_ASKED_MAX]; /* of the store */
    size_t asked_n, answered_n;
    bool store_down, short_of_memory;
    struct counted *list;
    size_t n, room;
};

/* ---- what is collected ---- */

static void add(struct figures *q, struct sv day, struct sv metric, int64_t value)
{
    if (q->n == q->room) {
        size_t room = q->room > 0 ? 2 * q->room : 64;
        struct counted *more = arena_array(q->c.a, room, sizeof(*more));
        q->short_of_memory = q->short_of_memory || more == NULL;
        if (more == NULL)
            return;
        if (q->n > 0)
            memcpy(more, q->list, q->n * sizeof(*more));
        q->list = more;
        q->room = room;
    }
    q->list[q->n] = (struct counted){ .day = arena_sv(q->c.a, day), .metric = arena_sv(q->c.a, metric), .value = value };
    q->short_of_memory = q->short_of_memory || q->list[q->n].day.p == NULL || q->list[q->n].metric.p == NULL;
    q->n += !q->short_of_memory;
}

static int compare_sv(struct sv a, struct sv b)
{
    int d = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return d != 0 ? d : (a.n > b.n) - (a.n < b.n);
}

static int by_name(const void *a, const void *b)
{
    const struct counted *x = a, *y = b;
    int d = compare_sv(x->day, y->day);

    d = d != 0 ? d : compare_sv(x->metric, y->metric);
    return d != 0 ? d : (x->value < y->value) - (x->value > y->value);
}

/* Each figure once, the greater one. */
static void join(struct figures *q)
{
    size_t n = 0;

    if (q->n > 0)
        qsort(q->list, q->n, sizeof(*q->list), by_name);
    for (size_t i = 0; i < q->n; i++)
        if (n == 0 || !sv_eq(q->list[n - 1].day, q->list[i].day) || !sv_eq(q->list[n - 1].metric, q->list[i].metric))
            q->list[n++] = q->list[i];
    q->n = n;
}

/* ---- the answer ---- */

static void put_known(struct json_out *o, const int64_t known[KNOWN_N], bool erased_too)
{
    for (size_t i = 0; i < ERASED; i++)
        json_kint(o, known_names[i].p, known[i]);
    json_key(o, "mean_ai_time_ms");
    if (known[AI_CALLS] > 0)
        json_num(o, round((double)known[AI_TIME] / (double)known[AI_CALLS] * 10.0) / 10.0);
    else
        json_nul(o);
    if (erased_too || known[ERASED] > 0)
        json_kint(o, known_names[ERASED].p, known[ERASED]);
}

/* The figures of `day` from `at` on; returns where the next day's begin. */
static size_t read_day(const struct figures *q, struct sv day, size_t at, int64_t known[KNOWN_N])
{
    memset(known, 0, KNOWN_N * sizeof(*known));
    while (at < q->n && compare_sv(q->list[at].day, day) < 0)
        at++;
    for (; at < q->n && sv_eq(q->list[at].day, day); at++)
        for (size_t k = 0; k < KNOWN_N; k++)
            if (sv_eq(q->list[at].metric, known_names[k]))
                known[k] = q->list[at].value;
    return at;
}

static bool is_known(struct sv metric)
{
    bool known = false;

    for (size_t k = 0; k < KNOWN_N; k++)
        known = known || sv_eq(metric, known_names[k]);
    return known;
}

static void put_single(struct json_out *o, const struct figures *q)
{
    int64_t known[KNOWN_N];

    json_obj(o);
    json_kstr(o, "date", q->from);
    (void)read_day(q, q->from, 0, known);
    put_known(o, known, false);
    for (size_t i = 0; i < q->n; i++) {
        if (is_known(q->list[i].metric) || !sv_eq(q->list[i].day, q->from))
            continue;
        json_name(o, q->list[i].metric);
        json_int(o, q->list[i].value);
    }
    json_obj_end(o);
}

static void put_range(struct json_out *o, const struct figures *q)
{
    int64_t known[KNOWN_N], total[KNOWN_N] = { 0 };
    size_t at = 0;

    json_obj(o);
    json_kstr(o, "from", q->from);
    json_kstr(o, "to", q->to);
    json_key(o, "days");
    json_arr(o);
    for (int64_t ms = q->from_ms; ms <= q->to_ms; ms += DAY_MS) {
        char text[25];
        clock_format(ms, text);
        at = read_day(q, (struct sv){ text, DAY_BYTES }, at, known);
        json_obj(o);
        json_kstr(o, "date", (struct sv){ text, DAY_BYTES });
        put_known(o, known, false);
        json_obj_end(o);
        for (size_t k = 0; k < KNOWN_N; k++)
            total[k] += known[k];
    }
    json_arr_end(o);
    json_key(o, "total");
    json_obj(o);
    put_known(o, total, true);
    json_obj_end(o);
    json_obj_end(o);
}

static void tell(struct figures *q)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    join(q);
    if (q->short_of_memory) {
        control_refuse(&q->c, 503, "unavailable", "Memory is short.", NULL);
    } else {
        if (q->single)
            put_single(&o, q);
        else
            put_range(&o, q);
        control_tell(&q->c, &b);
    }
    control_end(&q->c);
}

/* ---- the way ---- */

/* Without the archive a single day is told as the store has it, if it has it. */
static void on_archive(void *arg, enum archive_status status, const struct archive_figure *list, size_t n)
{
    struct figures *q = arg;

    if (status != ARCHIVE_DONE && (!q->single || q->n == 0)) {
        chat_refuse_archive(&q->c);
        control_end(&q->c);
        return;
    }
    for (size_t i = 0; status == ARCHIVE_DONE && i < n; i++)
        add(q, list[i].day, list[i].metric, list[i].value);
    tell(q);
}

static void ask_archive(struct figures *q)
{
    if (q->store_down)
        q->c.cache = "BYPASS";
    if (q->c.t->o.archive != NULL) {
        archive_figures(q->c.t->o.archive, q->from, q->to, q->single, on_archive, q);
    } else if (q->store_down) {
        control_unavailable(&q->c);
        control_end(&q->c);
    } else {
        tell(q);
    }
}

static void ask_store(struct figures *q);

static void on_store(void *arg, enum store_status status, const struct store_pair *pairs, size_t n)
{
    struct figures *q = arg;

    q->store_down = q->store_down || status != STORE_DONE;
    for (size_t i = 0; status == STORE_DONE && i < n; i++) {
        int64_t value;
        if (sv_to_i64(pairs[i].value, &value))
            add(q, q->asked[q->answered_n], pairs[i].key, value);
    }
    q->answered_n++;
    ask_store(q);
}

static void ask_store(struct figures *q)
{
    if (q->answered_n < q->asked_n && !q->store_down)
        store_figures(q->c.t->o.store, q->asked[q->answered_n], on_store, q);
    else
        ask_archive(q);
}

static void begin(void *arg)
{
    struct figures *q = arg;

    q->store_down = store_is_spooling(q->c.t->o.store);
    ask_store(q);
}

static void bad_day(void *arg)
{
    struct figures *q = arg;

    chat_refuse_query(&q->c, "from", "Input should be a date, yyyy-MM-dd", "date_parsing");
    control_end(&q->c);
}

/* Of a range, those days that a copy may be behind with; without an archive, all. */
static void choose_days(struct figures *q)
{
    int64_t now_ms = turns_store_now(q->c.t), today_ms = now_ms - now_ms % DAY_MS;

    if (q->single)
        q->asked[q->asked_n++] = q->from;
    for (int64_t ms = today_ms - DAY_MS; !q->single && ms <= today_ms; ms += DAY_MS) {
        char text[25];
        clock_format(ms, text);
        if (ms >= q->from_ms && ms <= q->to_ms)
            q->asked[q->asked_n++] = arena_sv(q->c.a, (struct sv){ text, DAY_BYTES });
    }
}

void chat_analytics(struct turns *t, struct sv from, struct sv to, control_fn *fn, void *arg)
{
    struct figures *q = control_begin(t, sizeof(*q), fn, arg);

    if (q == NULL)
        return;
    q->single = to.p == NULL;
    q->from = arena_sv(q->c.a, from);
    q->to = q->single ? q->from : arena_sv(q->c.a, to);
    if (q->from.p == NULL || q->to.p == NULL) {
        control_short_of_memory(&q->c);
    } else if (!clock_parse_day(q->from.p, &q->from_ms) || !clock_parse_day(q->to.p, &q->to_ms)) {
        loop_soon(t->o.loop, bad_day, q);
    } else {
        choose_days(q);
        loop_soon(t->o.loop, begin, q);
    }
}
