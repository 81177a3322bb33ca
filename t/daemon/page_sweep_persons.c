/* SPDX-License-Identifier: MIT
 * What a sweep makes of conversations in which a person has written: what he has answered is not answered again, and he silences the bot from when he wrote. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "t/daemon/page_sweep_rig.h"
#include "t/tap.h"
#include "turn/conversation.h"
#include "turn/page_platform.h"
#include "turn/webhook.h"

#define SHORT_MS 300
#define LONG_MS 600000

static void begin_with(int64_t human_lease_ms)
{
    struct policy policy = rig_policy;
    policy.human_lease_ms = human_lease_ms;
    stage_begin_with(&policy);
    stage_put("seen", 60000);
}

/* Nobody writes twice in a millisecond. */
static void says(const char *as, const char *conversation, const char *id, const char *text)
{
    stage_say_as(as, conversation, id, text);
    stage_turn_for(5);
}

static void sweep(void)
{
    stage_put("swept", -1);
    if (stage.sweep[0] == NULL)
        stage_daemon_start(0, 0);
    else
        page_sweep_all(stage.sweep[0]);
    ok(stage_until(stage_swept), "a page is swept");
}

/* ---- what is known of it here ---- */

static void told(void *arg, enum webhook_result result, struct sv id)
{
    (void)id;
    *(int *)arg = (int)result;
}

/* The page's message comes by webhook, as the double would send it. */
static void told_in_time(const char *conversation, const char *id, const char *text)
{
    struct arena *a = arena_new(0, 1 << 20);
    struct webhook w;
    struct err e;
    int result = -1;
    struct sv body = arena_printf(a, "{\"event_type\":\"messaging\",\"page_id\":\"" PAGE "\",\"data\":{\"conversation\":{\"id\":\"%s\",\"type\":\"INBOX\"},"
                                     "\"message\":{\"id\":\"%s\",\"conversation_id\":\"%s\",\"original_message\":\"%s\",\"from\":{\"id\":\"" PAGE "\"}}}}",
                                  conversation, id, conversation, text);
    const json_t *j = json_read_in(a, body, false, &e);
    if (j == NULL || webhook_read(a, SV(PAGE), j, &w, &e) != 0 || w.kind != WEBHOOK_PAGE)
        bail_out("the test's own form is wrong");
    webhook_submit(stage.r.turns, SV(PAGE), &w, &(struct webhook_options){ .bot_id = SV_NONE }, told, &result);
    while (result < 0)
        stage_turn();
    is_int(result, WEBHOOK_ACCEPTED, "a person's message is told in time");
    arena_free(a);
}

/* What became of a customer's message, as its sender would hear it. Until the next call. */
static const char *fate(const char *conversation, const char *id, const char *text)
{
    static char said[128];
    struct rig_answer a;
    rig_send(&stage.r, conversation, id, text, "user", &a);
    if (!rig_until(&stage.r, &a))
        bail_out("no answer");
    const char *reason = rig_str(&a, "reason");
    (void)snprintf(said, sizeof said, "%s %s", rig_str(&a, "status"), reason != NULL ? reason : "");
    rig_forget(&a);
    return said;
}

struct silence {
    bool there, paused;
    int64_t until_ms;
};

static void loaded(void *arg, enum store_status status, const struct store_view *v)
{
    struct silence *s = arg;
    struct conversation c = { 0 };
    struct err e;
    if (status != STORE_DONE || conversation_parse(v->record, &c, &e) != 0)
        bail_out("no record");
    *s = (struct silence){ .there = true, .paused = c.paused, .until_ms = c.paused_until_ms };
}

static struct silence silence(const char *conversation)
{
    struct silence s = { 0 };
    store_load(stage.r.store, &(struct store_load){ .conversation_id = sv_from(conversation) }, loaded, &s);
    while (!s.there)
        stage_turn();
    return s;
}

/* ---- the rules ---- */

/* The customer's webhook was lost, the person's came; the sweep comes when his time is over. */
static void test_told_in_time(void)
{
    begin_with(SHORT_MS);
    says("customer", "staffed", "s1", "hello");
    says("staff", "staffed", "s2", "I see to it");
    told_in_time("staffed", "s2", "I see to it");
    stage_turn_for(2 * SHORT_MS);
    sweep();
    stage_visits("staffed");
    is_int(stage.r.ai.calls, 0, "what a person has answered is not answered again");
    is_str(fate("staffed", "s1", "hello"), "recorded answered_by_person", "and that is said");
    says("customer", "staffed", "s3", "and where is it?");
    sweep();
    stage_visits("staffed");
    is_int(stage.r.ai.calls, 1, "what was asked later is answered");
    is_str(stage.r.ai.seen, "user:hello|agent:I see to it|user:and where is it?|", "with all that was said before");
    stage_end();
}

/* Nothing came, and his time is over. */
static void test_all_lost(void)
{
    static const char *const said[][3] = { { "customer", "s1", "hello" }, { "staff", "s2", "I see to it" }, { "customer", "s3", "thank you" },
                                           { "staff", "s4", "you are welcome" }, { "customer", "s5", "where is it?" } };
    struct page_sweep_stat stat;
    begin_with(SHORT_MS);
    for (size_t i = 0; i < ARRAY_LEN(said); i++)
        says(said[i][0], "staffed", said[i][1], said[i][2]);
    stage_turn_for(2 * SHORT_MS);
    sweep();
    ok(!silence("staffed").paused, "who wrote so long ago does not silence the bot");
    is_str(stage_waits("staffed"), "s5 ", "only what he has not answered waits");
    stage_visits("staffed");
    is_int(stage.r.ai.calls, 1, "and is answered");
    is_str(stage.r.ai.seen, "user:hello|agent:I see to it|user:thank you|agent:you are welcome|user:where is it?|", "with all that was said before");
    is_str(fate("staffed", "s3", "thank you"), "recorded answered_by_person", "what he has answered is recorded");
    page_sweep_stat(stage.sweep[0], &stat);
    is_int((int64_t)stat.swept, 1, "the figures: one sweep");
    is_int((int64_t)stat.cut, 0, "the figures: it came to its end");
    is_int((int64_t)stat.pages, 1, "the figures: of a page");
    is_int((int64_t)stat.due, 0, "the figures: which need not be swept again");
    is_int((int64_t)stat.found.accepted, 5, "the figures: five messages");
    is_int((int64_t)stat.found.answered, 2, "the figures: a person had answered two of them");
    stage_end();
}

static void test_own_time(void)
{
    begin_with(LONG_MS);
    int64_t before_ms = clock_wall_ms();
    says("staff", "staffed", "s1", "may I help you?");
    int64_t after_ms = clock_wall_ms();
    stage_turn_for(1000);
    says("customer", "staffed", "s2", "yes");
    sweep();
    struct silence s = silence("staffed");
    ok(s.paused && s.until_ms >= before_ms - 1 + LONG_MS && s.until_ms <= after_ms + 1 + LONG_MS, "a person silences the bot from when he wrote");
    stage_visits("staffed");
    is_int(stage.r.ai.calls, 0, "as long as that lasts");
    is_str(fate("staffed", "s2", "yes"), "recorded bot_paused", "which is said of what comes meanwhile");
    stage_end();
}

/* A reply of the bot, and what a person took back. */
static void test_no_answers(void)
{
    char mark[PAGE_ECHO_SIZE];
    begin_with(SHORT_MS);
    says("customer", "echoed", "e1", "hello");
    says("page", "echoed", "e2", "as the bot said");
    says("customer", "removed", "r1", "hello");
    says("staff", "removed", "r2", "wrong window");
    stage_remove("removed", "r2");
    page_echo_text(mark, SV(PAGE), SV("echoed"), SV("as the bot said"));
    store_put(stage.r.store, sv_from(mark), SV("sent"), 60000, stage_ignore, NULL);
    stage_turn_for(2 * SHORT_MS);
    sweep();
    is_str(stage_waits("echoed"), "e1 ", "a reply of the bot is none of a person");
    is_str(stage_waits("removed"), "r1 ", "nor is what the page took back");
    stage_end();
}

/* More than are put in order at once. */
static void test_many(bool answered)
{
    char id[16], want[8192];
    size_t n = 0;
    begin_with(SHORT_MS);
    for (int i = 0; i < 340; i++) {
        (void)snprintf(id, sizeof id, "m%d", i);
        stage_say_as("customer", "much", id, "one of many");
    }
    for (int i = 40; i < 380; i++) /* the newer ones first */
        n += (size_t)snprintf(want + n, sizeof want - n, "m%d ", i < 340 ? i : i - 340);
    if (answered)
        stage_say_as("staff", "much", "s1", "one after the other, please");
    stage_turn_for(2 * SHORT_MS);
    sweep();
    is_int(stage_calls("reads"), 13, "as many messages as there are are read");
    is_str(stage_waits("much"), answered ? "" : want, answered ? "a person's word stands behind all of them" : "and none is left out");
    if (answered)
        is_str(fate("much", "m0", "one of many"), "recorded answered_by_person", "behind the oldest, too");
    stage_end();
}

int main(void)
{
    test_told_in_time();
    test_all_lost();
    test_own_time();
    test_no_answers();
    test_many(false);
    test_many(true);
    return done_testing();
}
