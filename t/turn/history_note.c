/* SPDX-License-Identifier: MIT
 * What each way in and out of a conversation leaves for the readers of its history: entries, fields, and the day's figures. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "store/store_history.h"
#include "store/store_ops.h"
#include "t/tap.h"
#include "t/turn/control_ask.h"
#include "t/turn/history_ask.h"
#include "t/turn/job_ask.h"
#include "turn/session.h"

#define NOON INT64_C(1699963200000) /* 2023-11-14T12:00:00Z */

static int64_t now_ms;

static void at(int64_t ms)
{
    now_ms = ms;
    clock_fake(ms);
}

static void say_as(struct rig *r, const char *id, const char *sender)
{
    struct rig_answer a;
    rig_send(r, "c1", id, id, sender, &a);
    if (!rig_until(r, &a))
        bail_out("no answer");
    rig_forget(&a);
}

static void say(struct rig *r, const char *id)
{
    say_as(r, id, "user");
}

static void visit_until(struct rig *r, int64_t ms)
{
    for (int i = 0; i < 10; i++) {
        at(now_ms + ms);
        rig_visit(r, "c1");
    }
}

/* ---- ways to an end ---- */

static void answered(struct rig *r)
{
    say(r, "m1");
}

static void has_nothing_to_say(struct rig *r)
{
    r->ai.reply = "{\"model_used\":\"m\"}";
    say(r, "m1");
}

static void refused(struct rig *r)
{
    r->platform.outcome = PLATFORM_FAILED;
    say(r, "m1");
}

static void impossible(struct rig *r)
{
    r->platform.impossible = true;
    refused(r);
}

static void unknown(struct rig *r)
{
    r->platform.outcome = PLATFORM_UNKNOWN;
    say(r, "m1");
}

static void restarted(struct rig *r)
{
    struct rig_answer one, two;
    r->ai.hold = true;
    rig_send(r, "c1", "m1", "m1", "user", &one);
    rig_settle(r);
    rig_send(r, "c1", "m2", "m2", "user", &two);
    rig_settle(r);
    rig_ai_release(r);
    rig_settle(r);
    r->ai.hold = false;
    visit_until(r, 10);
    rig_forget(&one);
    rig_forget(&two);
}

static void given_up(struct rig *r)
{
    r->ai.outcome = AI_REFUSED;
    say(r, "m1");
    visit_until(r, 1000);
}

static void revived(struct rig *r)
{
    struct asked q;
    char id[64];
    given_up(r);
    r->ai.outcome = AI_ANSWERED;
    ask_dead(r, &q);
    (void)snprintf(id, sizeof(id), "%s", asked_str(&q, "dead/0/id"));
    asked_forget(&q);
    q = (struct asked){ 0 };
    control_dead_retry(r->turns, sv_from(id), asked_fn, &q);
    asked_wait(r, &q);
    asked_forget(&q);
    visit_until(r, 10);
}

static void pause_c1(struct rig *r)
{
    struct asked q = { 0 };
    control_pause(r->turns, SV("c1"), 0, asked_fn, &q);
    asked_wait(r, &q);
    asked_forget(&q);
}

static void silent(struct rig *r)
{
    say(r, "m0");
    pause_c1(r);
    say(r, "m1");
}

/* The pause comes while the AI thinks. */
static void withheld(struct rig *r)
{
    struct rig_answer a;
    r->ai.hold = true;
    rig_send(r, "c1", "m1", "m1", "user", &a);
    rig_settle(r);
    pause_c1(r);
    rig_ai_release(r);
    rig_until(r, &a);
    rig_forget(&a);
}

/* What waits for its retry is a person's before that. */
static void taken_over(struct rig *r)
{
    r->ai.outcome = AI_UNREACHABLE;
    say(r, "m1");
    pause_c1(r);
    visit_until(r, 10);
}

static void cancelled(struct rig *r)
{
    struct rig_answer a;
    struct asked q;
    r->ai.hold = true;
    rig_send(r, "c1", "m1", "m1", "user", &a);
    rig_settle(r);
    ask_cancel(r, "c1", &q);
    asked_forget(&q);
    rig_until(r, &a);
    rig_forget(&a);
}

static void others(struct rig *r)
{
    say_as(r, "m1", "agent");
    say_as(r, "m2", "system");
    say_as(r, "m3", "bot");
}

static void between_others(struct rig *r)
{
    say(r, "m1");
    say_as(r, "m2", "agent");
    say(r, "m3");
}

static void with_a_past(struct rig *r)
{
    (void)post(r, "c1", "<USER>one</USER><br><BOT>two</BOT><br><USER>three</USER>");
    visit_until(r, 10);
}

static void with_a_past_and_silent(struct rig *r)
{
    say(r, "m0");
    pause_c1(r);
    (void)post(r, "c1", "<USER>one</USER><br><BOT>two</BOT><br><USER>three</USER>");
}

static void again(struct rig *r)
{
    say(r, "m1");
    say(r, "m1");
}

static void proposed(struct rig *r)
{
    r->ai.actions = "[{\"type\":\"odd\"}]";
    say(r, "m1");
}

/* Its process dies; another one comes after the lease. */
static void lose_owner(struct rig *r)
{
    struct err e;
    turns_free(r->turns);
    r->ai.held = NULL;
    r->platform.held = NULL;
    alive_close(r->alive);
    r->alive = r->options.alive = alive_open(r->dir, &e);
    r->turns = turns_new(&r->options, &e);
    r->ai.hold = r->platform.hold = false;
    at(now_ms + 60000);
    rig_visit(r, "c1");
}

static void lost_while_sending(struct rig *r)
{
    struct rig_answer a;
    r->platform.hold = true;
    rig_send(r, "c1", "m1", "m1", "user", &a);
    rig_settle(r);
    lose_owner(r);
}

static void lost_too_often(struct rig *r)
{
    struct rig_answer a;
    r->ai.hold = true;
    rig_send(r, "c1", "m1", "m1", "user", &a);
    rig_settle(r);
    for (int i = 0; i < 2; i++) {
        lose_owner(r);
        if (r->ai.calls == 2)
            break;
    }
}

static void cancelled_while_it_waits(struct rig *r)
{
    struct rig_answer one, two;
    struct asked q = { 0 };
    char job[64];
    r->platform.hold = true;
    rig_send(r, "c1", "m1", "m1", "user", &one);
    rig_settle(r);
    rig_send(r, "c1", "m2", "m2", "user", &two);
    rig_until(r, &two);
    (void)snprintf(job, sizeof(job), "%s", rig_str(&two, "turn_id"));
    control_cancel_job(r->turns, sv_from(job), asked_fn, &q);
    asked_wait(r, &q);
    asked_forget(&q);
    rig_platform_release(r);
    rig_until(r, &one);
    visit_until(r, 10);
    rig_forget(&one);
    rig_forget(&two);
}

static void silenced_in_a_burst(struct rig *r)
{
    struct turns_change change = { .policy = rig_policy, .bot_name = "Default Bot", .context_max = 40 };
    struct rig_answer a;
    change.policy.debounce_ms = 30;
    turns_set(r->turns, &change);
    rig_send(r, "c1", "m1", "m1", "user", &a);
    rig_settle(r);
    pause_c1(r);
    at(now_ms + 1000);
    rig_until(r, &a);
    rig_forget(&a);
}

static const struct way {
    const char *name;
    void (*go)(struct rig *r);
    const char *entries;
    int total, said, completed, locked, restarted, asked;
} ways[] = {
    { "answered", answered, "m1:completed=answer 1", 1, 1, 1, 0, 0, 1 },
    { "told of twice", again, "m1:completed=answer 1", 1, 1, 1, 0, 0, 1 },
    { "with actions that are none", proposed, "m1:completed=answer 1", 1, 1, 1, 0, 0, 1 },
    { "nothing to say", has_nothing_to_say, "m1:completed/no_actions", 1, 0, 1, 0, 0, 1 },
    { "refused by the platform", refused, "m1:completed/platform_refused", 1, 0, 1, 0, 0, 1 },
    { "with nothing that its platform can do", impossible, "m1:completed/no_executable_action", 1, 0, 1, 0, 0, 1 },
    { "said, perhaps", unknown, "m1:completed/outcome_unknown=answer 1", 1, 1, 1, 0, 0, 1 },
    { "begun anew", restarted, "m1:completed m2:completed=answer 2", 2, 1, 1, 1, 1, 2 },
    { "given up", given_up, "m1:failed/ai_refused", 1, 0, 0, 0, 0, 0 },
    { "given up and answered after all", revived, "m1:failed/ai_refused m1:completed=answer 4", 1, 1, 1, 0, 0, 1 },
    { "while the bot is silent", silent, "m0:completed=answer 1 m1:recorded/bot_paused", 2, 1, 1, 0, 0, 1 },
    { "its reply withheld", withheld, "m1:recorded/bot_paused", 1, 0, 0, 0, 0, 1 },
    { "taken over while it waits", taken_over, "m1:recorded/bot_paused", 1, 0, 0, 0, 0, 0 },
    { "cancelled", cancelled, "m1:cancelled/cancelled", 1, 0, 0, 0, 0, 0 },
    { "cancelled while it waits for a turn", cancelled_while_it_waits, "m1:completed=answer 1 m2:cancelled/cancelled", 2, 1, 1, 1, 0, 1 },
    { "its owner lost while it sends", lost_while_sending, "m1:completed/owner_lost=answer 1", 1, 1, 1, 0, 0, 0 },
    { "its owner lost while the AI thinks", lost_too_often, "m1:completed=answer 2", 1, 1, 1, 0, 0, 1 },
    { "silenced in a burst", silenced_in_a_burst, "m1:recorded/bot_paused", 1, 0, 0, 0, 0, 0 },
    { "what others say", others, "", 0, 0, 0, 0, 0, 0 },
    { "a person between", between_others, "m1:completed=answer 1 m3:recorded/bot_paused", 2, 1, 1, 0, 0, 1 },
    { "with its past", with_a_past, "*:recorded/history *:completed=answer 1", 2, 1, 1, 0, 0, 1 },
    { "with its past, and silent", with_a_past_and_silent, "m0:completed=answer 1 *:recorded/history *:recorded/bot_paused", 3, 1, 1, 0, 0, 1 },
};

/* `want` has * for an id that is made. */
static void is_like(const char *got, const char *want, const char *name)
{
    char like[4000];
    size_t n = 0;
    for (const char *p = got; *p != '\0' && n + 2 < sizeof(like);) {
        bool word = p == got || p[-1] == ' ';
        size_t id = word ? strcspn(p, ":") : 0;
        if (id == 36) {
            like[n++] = '*';
            p += id;
        } else {
            like[n++] = *p++;
        }
    }
    like[n] = '\0';
    is_str(like, want, "%s: entries", name);
}

static void all_ways(void)
{
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        const struct way *w = &ways[i];
        struct rig r;
        char count[24];
        at(NOON);
        rig_open(&r, &rig_policy);
        w->go(&r);
        is_like(history_entries(&r, "c1", "customer"), w->entries, w->name);
        is_int(history_figure(&r, "total_messages"), w->total, "%s: messages", w->name);
        is_int(history_figure(&r, "user_customer_messages"), w->total, "%s: his", w->name);
        is_int(history_figure(&r, "ai_responses"), w->said, "%s: replies that were said", w->name);
        is_int(history_figure(&r, "completed_turns"), w->completed, "%s: turns that completed", w->name);
        is_int(history_figure(&r, "locked_turns"), w->locked, "%s: messages that met a turn", w->name);
        is_int(history_figure(&r, "restarted_turns"), w->restarted, "%s: turns that began anew", w->name);
        is_int(history_figure(&r, "ai_calls"), w->asked, "%s: answers of the AI", w->name);
        is_int(history_figure(&r, "ai_time_ms"), w->asked, "%s: and their time", w->name);
        (void)snprintf(count, sizeof(count), "%d", w->total);
        is_str(history_field(&r, "c1", "messageCount"), w->total > 0 ? count : "(none)", "%s: the session counts them", w->name);
        is_int(history_sessions(&r, "customer"), w->total > 0, "%s: it is listed", w->name);
        rig_close(&r);
    }
}

/* ---- what exactly is written ---- */

static void an_entry(void)
{
    struct rig r;
    struct rig_answer a = { 0 };
    at(NOON + 250);
    rig_open(&r, &rig_policy);
    rig_send(&r, "c1", "m \"1\"", "Xin ch\xc3\xa0o\n", "user", &a);
    at(NOON + 250);
    rig_until(&r, &a);
    const char *turn = rig_str(&a, "turn_id");
    char want[1000];
    (void)snprintf(want, sizeof(want),
                   "{\"messageId\":\"m \\\"1\\\"\",\"userId\":\"customer\",\"sessionId\":\"c1\",\"userMessage\":\"Xin ch\xc3\xa0o\\n\",\"aiResponse\":\"answer 1\","
                   "\"timestamp\":\"2023-11-14T12:00:00.250Z\",\"metadata\":{},\"status\":\"completed\",\"reason\":null,\"turnId\":\"%s\",\"seq\":1,"
                   "\"received\":1699963200250}", turn);
    is_str(history_entry(&r, "c1", "customer", 0), want, "an entry");
    rig_forget(&a);
    is_str(history_field(&r, "c1", "sessionId"), "c1", "sessionId");
    is_str(history_field(&r, "c1", "userId"), "customer", "userId");
    is_str(history_field(&r, "c1", "createdAt"), "2023-11-14T12:00:00.250Z", "createdAt");
    is_str(history_field(&r, "c1", "lastActivity"), "2023-11-14T12:00:00.250Z", "lastActivity");
    is_str(history_field(&r, "c1", "status"), "active", "status");
    rig_close(&r);
}

static void patch(struct rig *r, enum session_status status)
{
    struct asked q = { 0 };
    const struct session_change change = { .status = status };
    session_patch(r->turns, SV("c1"), &change, asked_fn, &q);
    asked_wait(r, &q);
    asked_forget(&q);
}

static void states(void)
{
    struct rig r;
    at(NOON);
    rig_open(&r, &rig_policy);
    say(&r, "m1");
    at(NOON + 5000);
    patch(&r, SESSION_ARCHIVED);
    is_str(history_field(&r, "c1", "status"), "archived", "an archived session says so");
    is_str(history_field(&r, "c1", "lastActivity"), "2023-11-14T12:00:00.000Z", "which is no activity of it");
    patch(&r, SESSION_CLOSED);
    is_str(history_field(&r, "c1", "status"), "closed", "a closed one, too");
    say(&r, "m2");
    is_str(history_field(&r, "c1", "status"), "active", "its customer opens it");
    is_str(history_field(&r, "c1", "lastActivity"), "2023-11-14T12:00:05.000Z", "and that is");
    rig_close(&r);
}

/* ---- how little is written ---- */

static struct {
    const struct store_ops *real;
    struct store_ops ops;
    size_t applies, fields, entries, counts, without;
    int64_t ttl_ms, undecided;
    size_t sessions_max;
} spy;

static void spy_apply(struct store *s, const struct store_change *c, store_apply_fn *fn, void *arg)
{
    const struct store_history_change *h = c->history;
    spy.applies++;
    spy.undecided += c->decided_ms == 0;
    spy.without += h == NULL;
    if (h != NULL) {
        spy.fields += h->fields_n;
        spy.entries += h->entries_n;
        spy.counts += h->counts_n;
        spy.ttl_ms = h->ttl_ms;
        spy.sessions_max = h->sessions_max;
    }
    spy.real->apply(s, c, fn, arg);
}

static void spy_on(struct rig *r)
{
    spy.real = r->store->ops;
    spy.ops = *r->store->ops;
    spy.ops.apply = spy_apply;
    r->store->ops = &spy.ops;
}

static void spied(size_t applies, size_t fields, size_t entries, size_t without, const char *name)
{
    is_int(spy.applies, applies, "%s: changes", name);
    is_int(spy.fields, fields, "%s: fields in all of them", name);
    is_int(spy.entries, entries, "%s: entries", name);
    is_int(spy.without, without, "%s: changes that leave nothing", name);
    is_int(spy.undecided, 0, "%s: all say when they were decided", name);
    spy.applies = spy.fields = spy.entries = spy.counts = spy.without = 0;
}

static void sparing(void)
{
    struct rig r;
    at(NOON);
    rig_open(&r, &rig_policy);
    spy_on(&r);
    say(&r, "m1");
    spied(3, 6, 1, 1, "the first message"); /* the gate leaves nothing; the end is at the same moment, so activity is the same */
    at(NOON + 1000);
    say(&r, "m2");
    spied(3, 2, 1, 1, "the next one"); /* lastActivity, messageCount */
    at(NOON + 2000);
    say_as(&r, "m3", "system");
    spied(1, 1, 0, 0, "what a system says");
    pause_c1(&r);
    spied(1, 0, 0, 1, "a pause");
    at(NOON + 3000 + 86400000);
    say(&r, "m4");
    spied(1, 6, 1, 0, "after a day, when fields may have expired"); /* all of them */
    is_int(spy.ttl_ms, 30 * 86400 * INT64_C(1000), "thirty days");
    is_int(spy.sessions_max, 100, "a hundred sessions");
    const struct turns_change change = { .policy = rig_policy, .bot_name = "Default Bot", .context_max = 40, .history_days = 1, .sessions_max = 3 };
    turns_set(r.turns, &change);
    say(&r, "m5");
    is_int(spy.ttl_ms, r.options.mark_ttl_ms, "one day is less than marks are kept");
    is_int(spy.sessions_max, 3, "as it is set");
    rig_close(&r);
}

int main(void)
{
    all_ways();
    an_entry();
    states();
    sparing();
    clock_real();
    return done_testing();
}
