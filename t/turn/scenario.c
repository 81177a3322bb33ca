/* SPDX-License-Identifier: MIT
 * A customer who writes every 300 ms for a minute while the AI takes a second, under each policy, with and without a quiet window, to
 * three responders and two daemons on simulated time. Whatever the policy: he gets replies throughout, every accepted message is
 * covered by exactly one of them, the AI reads them in the order of their arrival, and no reply is stale that need not be. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "t/tap.h"
#include "t/turn/scenario_stage.h"

#define EVERY_MS 300
#define MINUTE_MS 60000
#define AI_MS 1000

static const struct policy base = {
    .on_newer = ON_NEWER_RESTART, .max_wait_ms = 10000, .restart_max = 3, .pending_max = 500, .lease_ttl_ms = 30000,
    .human_lease_ms = 1800000, .ai_timeout_ms = 30000, .send_timeout_ms = 10000, .sends_max = 3, .attempts_max = 3,
    .retry_for_ms = 86400000, .retry_base_ms = 10, .retry_cap_ms = 20,
};

struct scenario {
    const char *name;
    enum on_newer on_newer;
    int64_t debounce_ms, max_wait_ms;
    int64_t every_ms;
};

static bool accepted(const struct stage_message *m)
{
    return m->submitted && m->http_status != 409;
}

/* ---- what every scenario must show ---- */

static void each_once(const struct stage *s, const char *name)
{
    int wrong = 0, unanswered = 0, strange = 0;
    for (int n = 1; n <= s->written; n++) {
        const struct stage_message *m = &s->messages[n];
        int want = accepted(m) ? 1 : 0;
        wrong += m->covered != want;
        unanswered += !m->answered;
        strange += m->http_status != 200 && m->http_status != 202 && m->http_status != 409;
        if (m->covered != want)
            diag("message %d (%d %s) is covered %d times", n, m->http_status, m->status, m->covered);
    }
    is_int(wrong, 0, "%s: every accepted message is covered by exactly one reply, no rejected one is", name);
    is_int(unanswered, 0, "%s: every request is answered", name);
    is_int(strange, 0, "%s: with 200, 202 or 409", name);
}

static void in_order(const struct stage *s, const char *name)
{
    int wrong = 0;
    for (int i = 0; i < s->calls_n; i++)
        wrong += !s->calls[i].in_order;
    for (int i = 0; i < s->sends_n; i++)
        wrong += !s->sends[i].in_order;
    is_int(wrong, 0, "%s: the AI and the platform always see the order of arrival", name);
    is_int(s->running_max, 1, "%s: never two AI calls at once", name);
}

/* From the first message, from reply to reply, and to the last one. */
static void no_gap(const struct stage *s, const char *name, int64_t max_ms)
{
    int64_t last_ms = 0, widest_ms = 0;
    for (int i = 0; i < s->sends_n; i++) {
        int64_t gap_ms = s->sends[i].begin_ms - last_ms;
        widest_ms = gap_ms > widest_ms ? gap_ms : widest_ms;
        last_ms = s->sends[i].begin_ms;
    }
    ok(widest_ms <= max_ms, "%s: no gap above %lld ms (%lld, %d replies)", name, (long long)max_ms, (long long)widest_ms, s->sends_n);
    ok(last_ms >= MINUTE_MS - max_ms, "%s: until the end (%lld)", name, (long long)last_ms);
}

static int calls_between(const struct stage *s, int64_t after_ms, int64_t until_ms)
{
    int n = 0;
    for (int i = 0; i < s->calls_n; i++)
        n += s->calls[i].begin_ms >= after_ms && s->calls[i].begin_ms < until_ms;
    return n;
}

/* What was accepted before the gate and is in no reply up to this one. */
static int left_out(const struct stage *s, int send)
{
    bool covered[STAGE_MESSAGES_MAX + 1] = { false };
    int n = 0;
    for (int i = 0; i <= send; i++)
        for (int j = 0; j < s->sends[i].ids_n; j++)
            covered[s->sends[i].ids[j]] = true;
    for (int i = 1; i <= s->written; i++)
        n += accepted(&s->messages[i]) && s->messages[i].at_ms < s->sends[send].begin_ms && !covered[i];
    return n;
}

static void none_stale(const struct stage *s, const char *name, const struct policy *p)
{
    int stale = 0, spent = 0;
    for (int i = 0; i < s->sends_n; i++) {
        int64_t after_ms = i == 0 ? 0 : s->sends[i - 1].begin_ms;
        bool budget_spent = calls_between(s, after_ms, s->sends[i].begin_ms) == (int)p->restart_max + 1;
        int n = left_out(s, i);
        spent += budget_spent;
        if (n > 0 && !budget_spent) {
            stale++;
            diag("reply %d at %lld leaves %d messages out", i, (long long)s->sends[i].begin_ms, n);
        }
    }
    is_int(stale, 0, "%s: a reply leaves out what was accepted before its gate only when the budget is spent (%d times)", name, spent);
}

static int rejected_are_without_effect(struct stage *s, const char *name)
{
    int rejected = 0, seen = 0;
    bool shown[STAGE_MESSAGES_MAX + 1] = { false };
    for (int i = 0; i < s->calls_n; i++)
        for (int j = 0; j < s->calls[i].ids_n; j++)
            shown[s->calls[i].ids[j]] = true;
    int first = 0;
    for (int n = 1; n <= s->written; n++) {
        if (accepted(&s->messages[n]))
            continue;
        rejected++;
        seen += shown[n];
        if (first == 0)
            first = n;
    }
    is_int(seen, 0, "%s: the AI never sees a rejected message", name);
    if (first == 0)
        return 0;
    stage_write(s, first, "user");
    stage_rest(s, 2000);
    is_str(s->messages[first].status, "completed", "%s: a rejected message that is sent again is answered like a new one", name);
    is_int(s->messages[first].covered, 1, "%s: once", name);
    return rejected;
}

/* ---- the scenario ---- */

static void judge(struct stage *s, const struct scenario *x, const struct policy *p)
{
    const char *name = x->name;
    each_once(s, name);
    in_order(s, name);
    int64_t ai_calls = p->on_newer == ON_NEWER_RESTART || p->on_newer == ON_NEWER_INTERRUPT ? p->restart_max + 1 : 1;
    int64_t waits_ms = p->debounce_ms > 0 ? p->max_wait_ms : 0;
    no_gap(s, name, ai_calls * AI_MS + waits_ms + x->every_ms + s->platform_ms);
    switch (p->on_newer) {
    case ON_NEWER_RESTART:
    case ON_NEWER_INTERRUPT:
        none_stale(s, name, p);
        break;
    case ON_NEWER_FINISH:
        for (int i = 0; i < s->calls_n; i++)
            if (!s->calls[i].ended)
                ok(false, "%s: no AI call is in vain", name);
        is_int(s->sends_n, s->calls_n, "%s: every AI call becomes a reply", name);
        break;
    case ON_NEWER_REJECT:
        ok(rejected_are_without_effect(s, name) > 50, "%s: while a turn runs, messages are rejected", name);
        break;
    }
    if (p->on_newer == ON_NEWER_INTERRUPT && p->debounce_ms == 0) {
        int aborted = 0;
        for (int i = 0; i < s->calls_n; i++)
            aborted += s->calls[i].aborted && s->calls[i].end_ms - s->calls[i].begin_ms <= x->every_ms;
        ok(aborted > 20, "%s: overtaken AI calls are cut at the next message (%d)", name, aborted);
    }
    if (p->debounce_ms > 0 && s->calls_n > 0)
        ok(s->calls[0].begin_ms <= p->max_wait_ms, "%s: the AI is asked after max_wait_ms at the latest (%lld)", name,
           (long long)s->calls[0].begin_ms);
}

static void play(const struct scenario *x)
{
    struct policy p = base;
    p.on_newer = x->on_newer;
    p.debounce_ms = x->debounce_ms;
    p.max_wait_ms = x->max_wait_ms;
    struct stage *s = stage_open(&p);
    s->ai_ms = AI_MS;
    int n = 0;
    for (int64_t at_ms = 0; at_ms < MINUTE_MS; at_ms += x->every_ms) {
        stage_run_to(s, at_ms);
        stage_write(s, ++n, "user");
    }
    stage_rest(s, 3000);
    judge(s, x, &p);
    stage_close(s);
}

static const struct scenario scenarios[] = {
    { "restart", ON_NEWER_RESTART, 0, 10000, EVERY_MS },
    { "finish", ON_NEWER_FINISH, 0, 10000, EVERY_MS },
    { "interrupt", ON_NEWER_INTERRUPT, 0, 10000, EVERY_MS },
    { "reject", ON_NEWER_REJECT, 0, 10000, EVERY_MS },
    /* a quiet window that is over before the next message */
    { "restart, short window", ON_NEWER_RESTART, 200, 1500, EVERY_MS },
    { "finish, short window", ON_NEWER_FINISH, 200, 1500, EVERY_MS },
    { "interrupt, short window", ON_NEWER_INTERRUPT, 200, 1500, EVERY_MS },
    { "reject, short window", ON_NEWER_REJECT, 200, 1500, EVERY_MS },
    /* one that never comes: only its cap ends it */
    { "restart, no pause", ON_NEWER_RESTART, 500, 1500, EVERY_MS },
    { "finish, no pause", ON_NEWER_FINISH, 500, 1500, EVERY_MS },
    { "interrupt, no pause", ON_NEWER_INTERRUPT, 500, 1500, EVERY_MS },
    { "reject, no pause", ON_NEWER_REJECT, 500, 1500, EVERY_MS },
    /* messages that fall on the very moments at which calls end */
    { "restart, in step with the AI", ON_NEWER_RESTART, 0, 10000, 250 },
    { "interrupt, in step with the AI", ON_NEWER_INTERRUPT, 0, 10000, 250 },
    { "finish, in step with the AI", ON_NEWER_FINISH, 0, 10000, 500 },
};

int main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
        play(&scenarios[i]);
    return done_testing();
}
