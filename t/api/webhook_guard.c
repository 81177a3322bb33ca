/* SPDX-License-Identifier: MIT
 * How many webhooks may fail: the rule, and that no order of failures and acceptances has more of them in 30 minutes. */
#include "config.h"

#include "api/webhook_guard.h"
#include "t/tap.h"

#define MINUTE_MS INT64_C(60000)

static uint64_t state = 1;

static uint32_t below(uint32_t bound)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(((state >> 33) * bound) >> 31);
}

static void rule(void)
{
    struct webhook_guard g = { 0 };
    int64_t now_ms = 5;
    int told = 0;

    for (int i = 0; i < WEBHOOK_FAILURES_MAX; i++)
        told += webhook_guard_may_fail(&g, now_ms += MINUTE_MS);
    is_int(told, WEBHOOK_FAILURES_MAX, "twenty failures are told");
    ok(!webhook_guard_may_fail(&g, now_ms += 1), "the next one in 30 minutes is not");
    ok(!webhook_guard_may_fail(&g, now_ms += 10 * 3600 * 1000), "nor any other, however late, until one is accepted");
    webhook_guard_accepted(&g);
    ok(webhook_guard_may_fail(&g, now_ms), "then they are told again");

    g = (struct webhook_guard){ 0 };
    now_ms = 5;
    for (int i = 0; i < WEBHOOK_FAILURES_MAX; i++)
        (void)webhook_guard_may_fail(&g, now_ms);
    webhook_guard_accepted(&g);
    ok(!webhook_guard_may_fail(&g, now_ms + WEBHOOK_FAILURES_MS - 1), "one that was accepted does not undo those before it");
    webhook_guard_accepted(&g);
    ok(webhook_guard_may_fail(&g, now_ms + WEBHOOK_FAILURES_MS), "30 minutes do");

    g = (struct webhook_guard){ 0 };
    now_ms = 5;
    told = 0;
    for (int i = 0; i < 1000; i++)
        told += webhook_guard_may_fail(&g, now_ms += 2 * MINUTE_MS);
    is_int(told, 1000, "few at a time are told for ever");
}

static void any_order(void)
{
    struct webhook_guard g = { 0 };
    static int64_t told_ms[20000];
    size_t n = 0;
    int64_t now_ms = 5;
    bool good = true, deferred = false;

    for (int i = 0; i < 20000; i++) {
        now_ms += below(3) == 0 ? 0 : below(20 * 60000);
        if (below(4) == 0)
            webhook_guard_accepted(&g);
        else if (webhook_guard_may_fail(&g, now_ms))
            told_ms[n++] = now_ms;
        else
            deferred = true;
        if (below(50) == 0) { /* a bad hour */
            for (int k = 0; k < 40; k++) {
                if (n < 20000 && webhook_guard_may_fail(&g, now_ms += below(1000)))
                    told_ms[n++] = now_ms;
            }
        }
        if (n > 19000)
            break;
    }
    for (size_t i = WEBHOOK_FAILURES_MAX; i < n; i++)
        good = good && told_ms[i] - told_ms[i - WEBHOOK_FAILURES_MAX] >= WEBHOOK_FAILURES_MS;
    ok(n > 1000 && deferred, "%zu failures were told, others not", n);
    ok(good, "never more than %d in 30 minutes", WEBHOOK_FAILURES_MAX);
}

int main(void)
{
    rule();
    any_order();
    return done_testing();
}
