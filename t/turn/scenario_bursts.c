/* SPDX-License-Identifier: MIT
 * Short scenes on simulated time, three responders and two daemons: bursts, the moments around a turn's end at which a message could be
 * left behind, persons who take over, AI calls that outlast their lease, owners that die. Each replays a failure that others
 * have shipped; docs/findings.md names them. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "t/tap.h"
#include "t/turn/scenario_stage.h"

static const struct policy base = {
    .on_newer = ON_NEWER_RESTART, .max_wait_ms = 10000, .restart_max = 3, .pending_max = 500, .lease_ttl_ms = 30000,
    .human_lease_ms = 1800000, .ai_timeout_ms = 300000, .send_timeout_ms = 10000, .sends_max = 3, .attempts_max = 3,
    .retry_for_ms = 86400000, .retry_base_ms = 10, .retry_cap_ms = 20,
};
#define MINUTE_MS 60000

static void all_once(const struct stage *s, const char *name)
{
    int wrong = 0;
    for (int n = 1; n <= s->written; n++)
        if (s->messages[n].submitted && s->messages[n].covered != 1) {
            wrong++;
            diag("%s: message %d (%d %s) is covered %d times", name, n, s->messages[n].http_status, s->messages[n].status,
                 s->messages[n].covered);
        }
    is_int(wrong, 0, "%s: each message has exactly one reply", name);
    is_int(s->running_max, 1, "%s: never two AI calls at once", name);
}

/* ---- bursts ---- */

static void five_during_a_turn(void)
{
    struct stage *s = stage_open(&base);
    stage_write(s, 1, "user");
    for (int n = 2; n <= 6; n++) {
        stage_run_to(s, (n - 1) * 100);
        stage_write(s, n, "user");
    }
    stage_rest(s, 3000);
    is_int(s->calls_n, 2, "five during a turn: two AI calls");
    is_str(stage_ids(&s->calls[1]), "1 2 3 4 5 6", "five during a turn: the second one has them all in order");
    is_int(s->sends_n, 1, "five during a turn: one reply");
    is_str(stage_ids(&s->sends[0]), "1 2 3 4 5 6", "five during a turn: to all of them");
    is_str(s->messages[1].status, "restart_needed", "five during a turn: the first is told");
    for (int n = 2; n <= 6; n++) {
        is_str(s->messages[n].status, "locked", "five during a turn: message %d waits", n);
        is_str(s->messages[n].turn_id, s->sends[0].key, "five during a turn: and was promised the turn that answers it");
    }
    all_once(s, "five during a turn");
    stage_close(s);
}

static void five_and_a_quiet_window(void)
{
    struct policy p = base;
    p.debounce_ms = 500;
    struct stage *s = stage_open(&p);
    for (int n = 1; n <= 5; n++) {
        stage_run_to(s, n * 100);
        stage_write(s, n, "user");
    }
    stage_rest(s, 3000);
    is_int(s->calls_n, 1, "five in a quiet window: one AI call");
    is_str(stage_ids(&s->calls[0]), "1 2 3 4 5", "five in a quiet window: with all of them");
    is_str(s->messages[1].status, "completed", "five in a quiet window: who opened it has the reply");
    is_str(s->messages[5].reason, "deferred", "five in a quiet window: the others joined");
    all_once(s, "five in a quiet window");
    stage_close(s);
}

/* Messages that come faster than the quiet window is long: it ends all the same, and nothing piles up. */
static void window_has_an_end(void)
{
    struct policy p = base;
    p.debounce_ms = 1000;
    p.max_wait_ms = 4000;
    struct stage *s = stage_open(&p);
    for (int n = 1; n <= 100; n++) {
        stage_run_to(s, n * 500);
        stage_write(s, n, "user");
    }
    int during = s->sends_n;
    stage_rest(s, 5000);
    is_int(s->calls[0].begin_ms, 500 + 4000, "a window without a pause ends after max_wait_ms");
    ok(during >= 5, "replies while the customer writes: %d", during);
    all_once(s, "a window without a pause");
    stage_close(s);
}

/* ---- no message is left behind, at whatever moment it comes ---- */

static void around_the_end(enum on_newer on_newer, const char *name)
{
    struct policy p = base;
    p.on_newer = on_newer;
    int late = 0, wrong = 0;
    for (int at_ms = 990; at_ms <= 1035; at_ms++) { /* the AI answers at 1000, the platform at 1020 */
        struct stage *s = stage_open(&p);
        stage_write(s, 1, "user");
        stage_run_to(s, at_ms);
        stage_write(s, 2, "user");
        if (s->messages[2].http_status == 0)
            stage_run_to(s, at_ms);
        stage_run_to(s, at_ms + 2200);
        wrong += s->messages[1].covered != 1 || s->messages[2].covered > 1 || s->running_max != 1;
        late += s->messages[2].http_status != 409 && s->messages[2].covered != 1;
        stage_close(s);
    }
    is_int(late, 0, "%s: a message around a turn's end is answered after one more AI call, no other message is needed to wake it", name);
    is_int(wrong, 0, "%s: each once", name);
}

/* ---- a lease that outlasts its term ---- */

static void long_ai_call(void)
{
    struct stage *s = stage_open(&base);
    s->ai_ms = 100000; /* three times the lease */
    stage_write_to(s, 0, 1, "user");
    for (int64_t at_ms = 5000; at_ms < 95000; at_ms += 7000) {
        stage_run_to(s, at_ms);
        is_int(s->calls_n, 1, "a long AI call: one at %lld ms", (long long)at_ms);
    }
    stage_run_to(s, 95000);
    stage_write_to(s, 1, 2, "user");
    stage_run_to(s, 96000);
    is_str(s->messages[2].status, "locked", "a long AI call: the turn still has its lease");
    stage_rest(s, 110000);
    all_once(s, "a long AI call");
    stage_close(s);
}

static void owner_dies(void)
{
    struct stage *s = stage_open(&base);
    stage_write_to(s, 0, 1, "user");
    stage_run_to(s, 400);
    stage_kill(s, 0);
    stage_run_to(s, 500);
    stage_write_to(s, 1, 2, "user");
    stage_rest(s, 40000);
    is_int(s->messages[1].covered, 1, "an owner dies: its message has a reply");
    is_int(s->messages[2].covered, 1, "an owner dies: a later one too");
    ok(s->sends_n > 0 && s->sends[s->sends_n - 1].begin_ms < 34000, "an owner dies: within its lease and two seconds");
    stage_close(s);
}

/* The platform cannot be reached: nothing counts as answered before it was. */
static void send_fails(void)
{
    struct stage *s = stage_open(&base);
    s->platform_outcome = PLATFORM_UNREACHABLE;
    stage_write(s, 1, "user");
    stage_run_to(s, 1030);
    is_str(s->messages[1].status, "queued", "a failed send: the message stays");
    is_int(s->messages[1].covered, 0, "a failed send: unanswered");
    s->platform_outcome = PLATFORM_SENT;
    stage_rest(s, 5000);
    is_int(s->messages[1].covered, 1, "a failed send: the reply comes when the platform is back");
    stage_close(s);
}

/* ---- persons ---- */

static void person_during_the_call(void)
{
    struct policy p = base;
    p.human_lease_ms = 10 * MINUTE_MS;
    struct stage *s = stage_open(&p);
    stage_write(s, 1, "user");
    stage_run_to(s, 500);
    stage_write(s, 2, "agent");
    stage_rest(s, 2000);
    is_int(s->sends_n, 0, "a person during the AI call: the reply is withheld");
    is_str(s->messages[1].reason, "bot_paused", "a person during the AI call: and the client told why");
    is_str(s->messages[2].reason, "agent_message", "a person during the AI call: his message is recorded");
    stage_run_to(s, 9 * MINUTE_MS);
    stage_write(s, 3, "agent"); /* slides the lease to minute 19 */
    stage_run_to(s, 18 * MINUTE_MS);
    stage_write(s, 4, "user");
    stage_rest(s, 2000);
    is_str(s->messages[4].reason, "bot_paused", "a person writes again: the bot stays silent for as long once more");
    is_int(s->calls_n, 1, "a person writes again: the AI is not asked");
    stage_run_to(s, 19 * MINUTE_MS + 1000);
    stage_write(s, 5, "user");
    stage_rest(s, 2000);
    is_str(s->messages[5].status, "completed", "after the last one's lease the bot speaks again");
    is_int(s->messages[4].covered, 0, "after the last one's lease: what came meanwhile is context, not a question");
    is_str(stage_ids(&s->calls[s->calls_n - 1]), "1 4 5", "after the last one's lease: the AI reads all of it in order");
    stage_close(s);
}

static void person_between(void)
{
    struct stage *s = stage_open(&base);
    stage_write(s, 1, "user");
    stage_run_to(s, 300);
    stage_write(s, 2, "user"); /* the turn will restart */
    stage_run_to(s, 1500);     /* the second AI call */
    stage_write(s, 3, "agent");
    stage_rest(s, 3000);
    is_int(s->sends_n, 0, "a person during the restarted turn: its reply is withheld too");
    stage_close(s);
}

static void transfer(void)
{
    struct stage *s = stage_open(&base);
    s->actions = "[{\"type\":\"transfer_to_agent\",\"data\":{}}]";
    stage_write(s, 1, "user");
    stage_rest(s, 2000);
    is_str(s->messages[1].status, "completed", "transfer_to_agent: is executed");
    stage_write(s, 2, "user");
    stage_rest(s, 2000);
    is_str(s->messages[2].reason, "bot_paused", "transfer_to_agent: and silences the bot");
    stage_close(s);
    s = stage_open(&base);
    s->actions = "[{\"type\":\"transfer_to_agent\",\"data\":{}}]";
    s->platform_outcome = PLATFORM_FAILED;
    stage_write(s, 1, "user");
    stage_rest(s, 2000);
    s->platform_outcome = PLATFORM_SENT;
    s->actions = NULL;
    stage_write(s, 2, "user");
    stage_rest(s, 2000);
    is_str(s->messages[2].status, "completed", "transfer_to_agent: one that the platform refused silences nobody");
    stage_close(s);
}

static void own_echo(void)
{
    struct stage *s = stage_open(&base);
    stage_write(s, 1, "user");
    stage_run_to(s, 500);
    stage_write(s, 2, "bot");
    stage_rest(s, 2000);
    is_str(s->messages[2].reason, "own_message", "an echo is recorded");
    is_str(s->messages[1].status, "completed", "and restarts nothing");
    is_int(s->calls_n, 1, "nor is it answered");
    stage_close(s);
}

int main(void)
{
    five_during_a_turn();
    five_and_a_quiet_window();
    window_has_an_end();
    around_the_end(ON_NEWER_RESTART, "restart");
    around_the_end(ON_NEWER_FINISH, "finish");
    around_the_end(ON_NEWER_INTERRUPT, "interrupt");
    around_the_end(ON_NEWER_REJECT, "reject");
    long_ai_call();
    owner_dies();
    send_fails();
    person_during_the_call();
    person_between();
    transfer();
    own_echo();
    return done_testing();
}
