/* SPDX-License-Identifier: MIT
 * Marks that somebody listens: left at once, renewed in time and never all at once, also in a store that has lost them. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/loop.h"
#include "store/store_ops.h"
#include "t/tap.h"
#include "turn/listening.c" /* its seconds are the test's */

#define SESSIONS 3000
#define SECONDS 600

static struct {
    struct store store;
    int64_t last_s[SESSIONS], longest_s; /* when each was marked; the longest time between two */
    int64_t now_s;
    int marks, most, wrong;
} fake;

static struct place {
    struct listening_place place;
    char id[16];
} places[SESSIONS];

static void fake_value(struct store *s, const struct store_value *what, store_value_fn *fn, void *arg)
{
    struct sv id = { what->name.p + 10, what->name.n - 10 };
    int64_t n = -1;
    (void)s;
    fake.wrong += !what->put || what->ttl_ms != TTL_MS || what->value.p == NULL || !sv_starts(what->name, SV("listening:")) || !sv_to_i64(id, &n);
    if (n >= 0 && n < SESSIONS) {
        int64_t since_s = fake.now_s - fake.last_s[n];
        fake.longest_s = fake.last_s[n] > 0 && since_s > fake.longest_s ? since_s : fake.longest_s;
        fake.last_s[n] = fake.now_s;
    }
    fake.marks++;
    fn(arg, STORE_DOWN, SV_NONE); /* which is no matter */
}

static const struct store_ops ops = { .name = "fake", .value = fake_value };

/* Seconds pass; how many marks were left. */
static int pass(struct listening *g, int seconds)
{
    int before = fake.marks;
    for (int i = 0; i < seconds; i++) {
        int at = fake.marks;
        fake.now_s++;
        on_tick(g);
        fake.most = fake.marks - at > fake.most ? fake.marks - at : fake.most;
    }
    return fake.marks - before;
}

int main(void)
{
    struct loop *l = loop_new();
    fake.store = (struct store){ .ops = &ops, .loop = l };
    fake.now_s = 1;
    struct listening *g = listening_new(l, &fake.store);
    ok(g != NULL && !loop_timer_is_set(g->timer), "nobody listens, nothing is done");
    for (int i = 0; i < SESSIONS; i++) {
        snprintf(places[i].id, sizeof(places[i].id), "%d", i);
        listening_begin(g, &places[i].place, sv_from(places[i].id));
    }
    is_int(fake.marks, SESSIONS, "each leaves its mark at once");
    ok(loop_timer_is_set(g->timer), "and there will be more");
    pass(g, SECONDS);
    ok(fake.marks > SESSIONS * 14 && fake.marks < SESSIONS * 22, "each again about twice in its life (%d)", fake.marks);
    ok(fake.longest_s * 2 < TTL_MS / 1000, "soon enough that one may get lost (%d s)", (int)fake.longest_s);
    ok(fake.most < SESSIONS / 10, "never many at once (%d of %d)", fake.most, SESSIONS);
    fake.most = 0;
    listening_again(g);
    int first = pass(g, 1);
    ok(first > 0 && first < SESSIONS / 2, "a store that has lost them gets them again, not all at once (%d)", first);
    is_int(first + pass(g, AGAIN_S - 1), SESSIONS, "but within seconds");
    is_int(pass(g, EVERY_S - AGAIN_S), 0, "and then as ever");
    for (int i = 0; i < SESSIONS; i += 2)
        listening_end(g, &places[i].place);
    int64_t before_s = fake.now_s;
    pass(g, 2 * TTL_MS / 1000);
    int wrong = 0;
    for (int i = 0; i < SESSIONS; i++)
        wrong += (fake.last_s[i] > before_s) != (i % 2 == 1);
    is_int(wrong, 0, "who has gone leaves no more");
    for (int i = 1; i < SESSIONS; i += 2)
        listening_end(g, &places[i].place);
    ok(!loop_timer_is_set(g->timer), "when all have gone nothing is done");
    is_int(pass(g, TTL_MS / 1000), 0, "nothing at all");
    is_int(fake.wrong, 0, "each mark had its name, its value and its time");
    listening_free(g);
    listening_free(NULL);
    loop_turn(l, false);
    loop_free(l);
    return done_testing();
}
