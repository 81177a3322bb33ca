/* SPDX-License-Identifier: MIT
 * A sweep whose reading row is too long: it waits until a place is near, as long as it takes, and that is no call in vain. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_ops.h"
#include "t/daemon/page_sweep_rig.h"
#include "t/tap.h"

#define AHEAD_MS 60000 /* a place of that row is given at most so far ahead */

/* The store of the stage, but for what it says of the reading row. */
static struct {
    const struct store_ops *real;
    struct store_ops ops;
    int skip, times; /* so many places are given first; then so many are not, */
    int64_t far_ms;  /* since the first one is so far */
    int asked;       /* for one, since skip is 0 */
} row;

struct later {
    store_value_fn *fn;
    void *arg;
    char text[24];
};

static void tell(void *arg)
{
    struct later *l = arg;
    l->fn(l->arg, STORE_DONE, sv_from(l->text));
    free(l);
}

static void value(struct store *s, const struct store_value *what, store_value_fn *fn, void *arg)
{
    bool is_read = what->place != NULL && what->place->n > 0 && sv_eq(what->name, SV("place:page:" PAGE ":read"));
    if (is_read && row.skip > 0) {
        row.skip--;
    } else if (is_read) {
        row.asked++;
        if (row.times > 0) {
            struct later *l = malloc(sizeof *l);
            if (l == NULL)
                bail_out("memory");
            row.times--;
            *l = (struct later){ .fn = fn, .arg = arg };
            (void)snprintf(l->text, sizeof l->text, "-%lld", (long long)row.far_ms);
            loop_soon(s->loop, tell, l);
            return;
        }
    }
    row.real->value(s, what, fn, arg);
}

static void begin(int skip, int times, int64_t far_ms)
{
    stage_begin();
    row.real = stage.r.store->ops;
    row.ops = *row.real;
    row.ops.value = value;
    stage.r.store->ops = &row.ops;
    row.skip = skip;
    row.times = times;
    row.far_ms = far_ms;
    row.asked = 0;
    stage_say_many(1);
    stage_put("seen", 60000);
}

/* A conversation has as many tries as ever behind a row that was too long. */
static void test_tries(void)
{
    struct page_sweep_stat stat;
    begin(1, 3, AHEAD_MS + 1); /* the listing has its place */
    stage_control("{\"rules\":[{\"call\":\"read\",\"do\":\"status\",\"status\":500,\"times\":1}]}");
    stage_daemon_start(0, 0);
    ok(stage_until(stage_swept), "a row that is too long three times, and one call in vain");
    page_sweep_stat(stage.sweep[0], &stat);
    ok(stat.cut == 0 && stat.found.put_off == 0, "are no four calls in vain");
    is_int(row.asked, 5, "a place is asked for until there is one, and for the call that is made again");
    is_int(stage_calls("reads"), 2, "which is made twice");
    is_str(stage_waits("c0"), "m0 ", "all is there");
    stage_end();
}

/* As behind a "too many" that asks for minutes. */
static void test_far(void)
{
    struct page_sweep_stat stat;
    begin(0, 1000, 5 * AHEAD_MS);
    stage_daemon_start(0, 0);
    stage_turn_for(5000);
    is_int(row.asked, 1, "a place that is minutes away is not asked for all the time");
    page_sweep_stat(stage.sweep[0], &stat);
    ok(stat.running == 1 && stat.cut == 0, "the sweep waits for it");
    stage_end();
}

static bool cut_once(void)
{
    struct page_sweep_stat stat;
    page_sweep_stat(stage.sweep[0], &stat);
    return stat.cut >= 1;
}

static void test_never(void)
{
    begin(0, 1000, AHEAD_MS + 1);
    stage.row_ms = 5000; /* a place is asked for again within 4 s */
    stage_daemon_start(0, 0);
    ok(stage_until(cut_once), "a row that stays too long ends a sweep");
    ok(row.asked >= 2, "not at once");
    is_int(stage_calls("calls"), 0, "the page is not called");
    row.times = 0;
    ok(stage_until(stage_swept), "the next one comes to its end");
    is_str(stage_waits("c0"), "m0 ", "all is there");
    stage_end();
}

int main(void)
{
    test_tries();
    test_far();
    test_never();
    return done_testing();
}
