/* SPDX-License-Identifier: MIT
 * Which pages without a token are told: each at once, none twice in a minute, never more than the table holds. */
#include "config.h"

#include <stdio.h>

#include "api/webhook_strangers.h"
#include "t/tap.h"

static struct sv invented(char text[24], int i)
{
    return (struct sv){ text, (size_t)snprintf(text, 24, "page-%d", i) };
}

static void one_page(void)
{
    struct webhook_strangers s = { 0 };
    uint64_t untold = 99;
    int64_t now_ms = 0;

    ok(webhook_strangers_tell(&s, SV("100"), now_ms, &untold) && untold == 0, "the first one is told, also at the clock's very beginning");
    for (int i = 0; i < 59; i++)
        ok(!webhook_strangers_tell(&s, SV("100"), now_ms += 1000, &untold), "not again within the minute");
    ok(webhook_strangers_tell(&s, SV("101"), now_ms, &untold), "another page is");
    is_int(untold, 59, "with what was not told meanwhile");
    ok(!webhook_strangers_tell(&s, SV("100"), WEBHOOK_STRANGERS_MS - 1, &untold), "a millisecond too early");
    ok(webhook_strangers_tell(&s, SV("100"), WEBHOOK_STRANGERS_MS, &untold), "the minute is over");
    is_int(untold, 1, "and one was not told");
    ok(webhook_strangers_tell(&s, SV_NONE, WEBHOOK_STRANGERS_MS, &untold), "one without an id");
    ok(!webhook_strangers_tell(&s, SV(""), WEBHOOK_STRANGERS_MS, &untold), "which is one for all of them");
}

static void scanner(void)
{
    struct webhook_strangers s = { 0 };
    uint64_t untold, all = 0;
    char text[24];
    int told = 0;

    for (int i = 0; i < 100000; i++)
        told += webhook_strangers_tell(&s, invented(text, i), i / 10, &untold);
    is_int(told, WEBHOOK_STRANGERS_MAX, "ten seconds of invented ids fill the table and no more");
    for (int i = 0; i < 100000; i++) {
        bool yes = webhook_strangers_tell(&s, invented(text, i), WEBHOOK_STRANGERS_MS + i / 10, &untold);
        told += yes;
        all += yes ? untold : 0;
    }
    is_int(told, 2 * WEBHOOK_STRANGERS_MAX, "nor does the minute behind them");
    is_int((long long)all + (long long)s.untold, 200000 - told, "none is uncounted");
    ok(webhook_strangers_tell(&s, SV("100"), 3 * WEBHOOK_STRANGERS_MS, &untold), "then the mistyped one is told");
    ok(!webhook_strangers_tell(&s, SV("100"), 3 * WEBHOOK_STRANGERS_MS + 1, &untold), "once");
}

int main(void)
{
    one_page();
    scanner();
    return done_testing();
}
