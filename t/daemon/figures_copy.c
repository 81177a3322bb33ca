/* SPDX-License-Identifier: MIT
 * The copies of the figures: of each day once it is over, of today again and again, after an outage, of more users than one transaction takes, and a
 * last time at the end. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "archive/archive_history.h"
#include "daemon/figures_copy.h"
#include "lib/clock.h"
#include "store/store_history.h"
#include "t/tap.h"
#include "t/turn/chat_rig.h"

#define DAY_MS (86400 * INT64_C(1000))
#define USERS 1203

/* Stands before the archive and counts what it is told to write. */
struct scribe {
    struct archive archive; /* first */
    struct gate *gate;
    size_t figures, calls, most;
};

static void refuse(void *arg)
{
    void **what = arg;
    archive_done_fn *fn;

    memcpy(&fn, &what[0], sizeof(fn));
    fn(what[1], ARCHIVE_DOWN);
    free(what);
}

static void figures_put(struct archive *a, const struct archive_figure *list, size_t n, int64_t read_ms, archive_done_fn *fn, void *arg)
{
    struct scribe *s = (struct scribe *)(void *)a;

    if (s->gate->away) {
        void **what = calloc(2, sizeof(*what));
        if (what == NULL)
            abort();
        memcpy(&what[0], &fn, sizeof(fn));
        what[1] = arg;
        loop_soon(s->gate->loop, refuse, what);
        return;
    }
    s->figures += n;
    s->calls++;
    s->most = n > s->most ? n : s->most;
    archive_figures_put(s->gate->real, list, n, read_ms, fn, arg);
}

static const struct archive_history_ops scribe_history = { .figures_put = figures_put };
static const struct archive_ops scribe_ops = { .name = "Scribe", .history = &scribe_history };

static char file[64];

static void day_of(int64_t ms, char out[25])
{
    clock_format(ms, out);
    out[10] = '\0';
}

static void applied(void *arg, enum store_status status, const struct store_applied *a)
{
    (void)a;
    *(int *)arg = status == STORE_DONE ? 1 : 2;
}

/* Counts something in the store, on whatever day. */
static void count(struct chat_rig *c, const char *conversation, int64_t ms, const struct store_count *counts, size_t n)
{
    char day[25];
    int done = 0;

    day_of(ms, day);
    const struct store_history_change h = { .user_id = SV_NONE, .day = sv_from(day), .counts = counts, .counts_n = n, .counts_ttl_ms = 30 * DAY_MS };
    const struct store_change change = { .conversation_id = sv_from(conversation), .record = SV("{}"), .activity_ms = 1, .history = &h };
    store_apply(c->r.store, &change, applied, &done);
    for (int i = 0; i < 1000 && done == 0; i++)
        loop_turn(c->r.loop, false);
    if (done != 1)
        bail_out("the store does not count");
}

struct reading { bool done; int64_t total; size_t n; };

static void on_read(void *arg, enum archive_status status, const struct archive_figure *list, size_t n)
{
    struct reading *r = arg;

    r->done = true;
    r->n = n;
    for (size_t i = 0; status == ARCHIVE_DONE && i < n; i++)
        if (sv_eq(list[i].metric, SV("total_messages")))
            r->total = list[i].value;
}

static struct reading read_day(struct chat_rig *c, int64_t ms)
{
    struct reading r = { .total = -1 };
    char day[25];

    day_of(ms, day);
    archive_figures(c->gate.real, sv_from(day), sv_from(day), true, on_read, &r);
    for (int i = 0; i < 50000 && !r.done; i++) {
        loop_turn(c->r.loop, false);
        usleep(100);
    }
    return r;
}

static bool comes_to(struct chat_rig *c, int64_t ms, int64_t total)
{
    for (int i = 0; i < 500; i++) {
        if (read_day(c, ms).total == total)
            return true;
        for (int k = 0; k < 20; k++)
            loop_turn(c->r.loop, false);
    }
    return false;
}

static void flag(void *arg)
{
    *(bool *)arg = true;
}

static bool stops(struct chat_rig *c, struct figures_copy *f)
{
    bool stopped = false;

    figures_copy_stop(f, flag, &stopped);
    if (stopped)
        return false;
    for (int i = 0; i < 50000 && !stopped; i++) {
        loop_turn(c->r.loop, false);
        usleep(100);
    }
    return stopped;
}

int main(void)
{
    struct chat_rig c;
    struct scribe scribe = { .archive = { &scribe_ops }, .gate = &c.gate };
    const int64_t now_ms = clock_wall_ms();
    const struct store_count five[] = { { SV("total_messages"), 5 }, { SV("user_\"x\"_messages"), 5 } }, one[] = { { SV("total_messages"), 1 } };
    static struct store_count many[USERS];
    static char names[USERS][32];

    chat_file_make(file);
    chat_open(&c, file, 0);
    const struct figures_copy_options o = { .loop = c.r.loop, .store = c.r.store, .archive = &scribe.archive, .days = 30, .every_ms = 20, .first_ms = 1 };
    count(&c, "a", now_ms, five, 2);
    count(&c, "b", now_ms - DAY_MS, five, 2);
    count(&c, "c", now_ms - 29 * DAY_MS, five, 2);
    struct figures_copy *f = figures_copy_new(&o);
    ok(comes_to(&c, now_ms, 5), "today");
    ok(comes_to(&c, now_ms - DAY_MS, 5), "yesterday");
    ok(comes_to(&c, now_ms - 29 * DAY_MS, 5), "and what a daemon that was not there has missed");

    size_t before = scribe.figures;
    for (int i = 0; i < 3000; i++) {
        loop_turn(c.r.loop, false);
        usleep(50);
    }
    is_int(scribe.figures, before, "what has not changed is not written again");
    count(&c, "d", now_ms, one, 1);
    ok(comes_to(&c, now_ms, 6), "what is counted later follows");
    is_int(scribe.figures, before + 1, "alone");

    c.gate.away = true;
    count(&c, "e", now_ms - DAY_MS, one, 1);
    count(&c, "f", now_ms, one, 1);
    for (int i = 0; i < 2000; i++) {
        loop_turn(c.r.loop, false);
        usleep(50);
    }
    c.gate.away = false;
    ok(comes_to(&c, now_ms, 7), "after an outage of the archive, today");
    ok(comes_to(&c, now_ms - DAY_MS, 6), "and yesterday");

    for (size_t i = 0; i < USERS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "user_%zu_messages", i);
        many[i] = (struct store_count){ sv_from(names[i]), (int64_t)i + 1 };
    }
    scribe.most = 0;
    for (size_t i = 0; i < USERS; i += 100) {
        char name[16];
        (void)snprintf(name, sizeof(name), "many%zu", i);
        count(&c, name, now_ms, many + i, USERS - i < 100 ? USERS - i : 100);
    }
    ok(stops(&c, f), "it stops, not from inside the call");
    is_int(read_day(&c, now_ms).n, USERS + 2, "and has copied all that was counted before");
    ok(scribe.most <= FIGURES_COPY_BATCH, "in pieces");
    figures_copy_free(f);

    c.gate.away = true;
    f = figures_copy_new(&o);
    ok(stops(&c, f), "it stops without the archive, too");
    figures_copy_free(f);
    f = figures_copy_new(&o);
    figures_copy_free(f);
    ok(true, "and can go before it has begun");
    chat_close(&c);
    chat_file_remove(file);
    return done_testing();
}
