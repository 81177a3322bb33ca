/* SPDX-License-Identifier: MIT
 * Places: in their order, as far apart as is said, none twice, whoever asks; none that is too far away; a row that waits; a row that is over. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "t/store/contract.h"

#define EVERY_MS 60000 /* so long that what a backend's own clock adds between two calls does not count */
#define FAR_MS (INT64_C(1000) * EVERY_MS)
#define SLACK_MS (EVERY_MS / 2)
#define CALLERS 60
#define SOME_MS (10 * SHORT_MS) /* long enough for two calls on a busy machine */

static int64_t number(struct sv text)
{
    int64_t n = INT64_MIN;
    if (!sv_to_i64(text, &n))
        ok(false, "\"%.*s\" is no number", SV_FMT(text));
    return n;
}

static struct call *ask(struct rig *r, struct store *s, const struct store_place *p)
{
    struct call *c = rig_call(r);
    store_place(s, p, rig_value, c);
    r->inside = false;
    return c;
}

static struct call *place(struct rig *r, const struct store_place *p)
{
    struct call *c = ask(r, r->s, p);
    rig_wait(r, c);
    return c;
}

/* So far away, less what has passed since `want` began to count. */
static void is_away(struct rig *r, const struct store_place *p, int64_t want_ms, const char *what)
{
    struct call *c = place(r, p);
    int64_t ms = number(c->value);
    is_int(c->status, STORE_DONE, "%s: answered", what);
    if (r->backend->real_clock && want_ms > 0)
        ok(ms <= want_ms && ms > want_ms - SLACK_MS, "%s: %lld ms away, not %lld", what, (long long)ms, (long long)want_ms);
    else if (r->backend->real_clock && want_ms < 0)
        ok(ms >= want_ms && ms < want_ms + SLACK_MS, "%s: %lld ms away, not %lld", what, (long long)ms, (long long)want_ms);
    else
        is_int(ms, want_ms, "%s", what);
}

static void one_by_one(struct rig *r)
{
    struct store_place p = { .name = SV("place:a"), .every_ms = EVERY_MS, .ahead_max_ms = 2 * EVERY_MS, .n = 1 };
    is_away(r, &p, 0, "the first one is now");
    is_away(r, &p, EVERY_MS, "the second one");
    is_away(r, &p, 2 * EVERY_MS, "the third one, as far as it may be");
    is_away(r, &p, -3 * EVERY_MS, "the fourth would be too far");
    is_away(r, &p, -3 * EVERY_MS, "and was not taken");
    p.ahead_max_ms = FAR_MS;
    is_away(r, &p, 3 * EVERY_MS, "it is there for one who waits longer");
    p.n = 4;
    is_away(r, &p, 4 * EVERY_MS, "the first one of four");
    p.n = 1;
    is_away(r, &p, 8 * EVERY_MS, "the next is behind them");
    p.every_ms = 10 * EVERY_MS;
    is_away(r, &p, 9 * EVERY_MS, "another distance counts from here on");
    is_away(r, &p, 19 * EVERY_MS, "as it is said");
    p.name = SV("place:b");
    is_away(r, &p, 0, "another row has its own");
    p = (struct store_place){ .name = SV("place:c"), .every_ms = EVERY_MS, .n = 3 };
    is_away(r, &p, 0, "several at once, now or never");
    is_away(r, &p, -3 * EVERY_MS, "never");
}

static void waits(struct rig *r)
{
    const struct store_place one = { .name = SV("place:w"), .every_ms = EVERY_MS, .ahead_max_ms = FAR_MS, .n = 1 };
    struct store_place w = { .name = SV("place:w"), .wait_ms = 5 * EVERY_MS };
    struct call *c = place(r, &w);
    is_int(c->status, STORE_DONE, "a row is to wait");
    is_sv(c->value, SV_NONE, "which has no value");
    is_away(r, &one, 5 * EVERY_MS, "it does");
    w.wait_ms = 2 * EVERY_MS;
    is_sv(place(r, &w)->value, SV_NONE, "less than it waits already");
    is_away(r, &one, 6 * EVERY_MS, "changes nothing");
    w.wait_ms = 9 * EVERY_MS;
    w.every_ms = EVERY_MS;
    is_sv(place(r, &w)->value, SV_NONE, "more");
    is_away(r, &one, 9 * EVERY_MS, "is for those that come now");
    w.wait_ms = 0;
    w.name = SV("place:x");
    is_int(place(r, &w)->status, STORE_DONE, "no time at all");
    is_sv(get(r, "place:x"), SV_NONE, "is nothing to keep");
}

static void is_over(struct rig *r)
{
    const struct store_place one = { .name = SV("place:o"), .every_ms = SOME_MS, .ahead_max_ms = FAR_MS, .n = 2 };
    is_away(r, &one, 0, "a row of short places");
    ok(get(r, "place:o").p != NULL, "is kept");
    rig_pass(r, 2 * SOME_MS + 20);
    is_sv(get(r, "place:o"), SV_NONE, "no longer than it says something");
    is_away(r, &one, 0, "what was not taken in time does not come back: now is now");
    const struct store_place other = { .name = SV("place:o"), .every_ms = EVERY_MS, .ahead_max_ms = FAR_MS, .n = 1 };
    rig_pass(r, 2 * SOME_MS + 20);
    is_away(r, &other, 0, "and again");
    is_away(r, &other, EVERY_MS, "from there on they are as far apart as is said");
}

static void odd(struct rig *r)
{
    struct store_place p = { .name = SV(""), .every_ms = EVERY_MS, .n = 1 };
    is_int(place(r, &p)->status, STORE_FULL, "a row without a name");
    char name[STORE_ID_MAX + 1];
    memset(name, 'p', sizeof name);
    p.name = (struct sv){ name, sizeof name };
    is_int(place(r, &p)->status, STORE_FULL, "one with too long a name");
    p.name.n--;
    is_away(r, &p, 0, "the longest name");
    is_away(r, &p, -EVERY_MS, "is whole");
    memset(name, 'q', sizeof name);
    is_away(r, &p, 0, "and another's is another");
}

static int by_size(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* All of them ask before any is answered, half of them through another handle when there is one. */
static void many(struct rig *r, struct store *other)
{
    char name[] = "place:many";
    struct store_place p = { .every_ms = EVERY_MS, .ahead_max_ms = FAR_MS };
    struct call *calls[CALLERS];
    int64_t at[CALLERS], behind = 0;
    for (unsigned i = 0; i < CALLERS; i++) {
        p.name = sv_from(name);
        p.n = 1 + i % 3;
        calls[i] = ask(r, i % 2 == 0 ? r->s : other, &p);
        memset(&p.name, 0, sizeof p.name); /* what was asked with is the caller's again */
    }
    memset(name, 'x', sizeof name - 1);
    for (unsigned i = 0; i < CALLERS; i++) {
        rig_wait(r, calls[i]);
        at[i] = (number(calls[i]->value) + EVERY_MS - 1) / EVERY_MS * 10 + 1 + i % 3; /* where it is, and how many it has */
    }
    qsort(at, CALLERS, sizeof *at, by_size);
    bool apart = true;
    for (unsigned i = 0; i < CALLERS; i++) {
        apart = apart && at[i] / 10 == behind;
        behind = at[i] / 10 + at[i] % 10;
    }
    ok(apart, "of many at once each has its own places, and none is left out");
    is_int(behind, 2 * CALLERS, "all have theirs");
}

static void many_here(struct rig *r)
{
    many(r, r->s);
}

static void many_there(struct rig *r)
{
    struct store *other = r->backend->open(r, 0);
    if (other == NULL)
        bail_out("%s: no second handle", r->backend->name);
    for (int64_t until_ms = 0; !store_is_up(other) && until_ms < 200; until_ms++)
        rig_pass(r, 10);
    many(r, other);
    store_close(other);
}

const struct rig_case place_cases[] = {
    { .name = "places, one by one", .run = one_by_one },
    { .name = "a row of places that waits", .run = waits },
    { .name = "a row of places that is over", .run = is_over },
    { .name = "odd rows of places", .run = odd },
    { .name = "places for many at once", .run = many_here },
    { .name = "places for many, of several processes", .run = many_there, .needs_shared = true },
    { .name = NULL },
};
