/* SPDX-License-Identifier: MIT
 * The sweep of a page, against the double of the page API: every message that no webhook brought is taken, each once, whatever happens meanwhile. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "t/daemon/page_sweep_rig.h"
#include "t/tap.h"
#include "turn/page_platform.h"

#define SOON_MS 300

static bool all_there(int n)
{
    int missing = 0;
    char conversation[16], want[16];
    for (int i = 0; i < n; i++) {
        (void)snprintf(conversation, sizeof conversation, "c%d", i);
        (void)snprintf(want, sizeof want, "m%d ", i);
        missing += strcmp(stage_waits(conversation), want) != 0;
    }
    return missing == 0;
}

static void test_all(void)
{
    char want[2048], id[16];
    size_t n = 0;
    stage_begin();
    for (int i = 0; i < 70; i++) {
        (void)snprintf(id, sizeof id, "x%d", i);
        n += (size_t)snprintf(want + n, sizeof want - n, "%s ", id);
        stage_say_as("customer", "much", id, "one of many");
    }
    stage_say_many(125);
    stage_put("seen", 60000);
    stage_put("deferred", 30000);
    stage_daemon_start(0, 0);
    ok(stage_until(stage_swept), "a page is swept");
    ok(all_there(125), "conversations of three pages of the listing: each message is there once");
    is_str(stage_waits("much"), want, "messages of three pages, oldest first");
    is_int(stage_calls("reads"), 128, "no conversation was read twice");
    is_str(stage_value("deferred"), "", "nothing is deferred any more");
    stage_turn_for(SOON_MS);
    is_str(stage_value("behind"), "", "nothing is behind");
    is_str(stage_value("sweeper"), "", "the lease is given back");
    is_str(stage_value("seen"), stage_value("swept"), "the page was seen when the sweep began");
    int lists = stage_calls("lists");
    stage_say_as("customer", "soon", "n1", "said a moment later");
    stage_daemon_start(1, 0);
    stage_turn_for(2 * SOON_MS);
    is_str(stage_waits("soon"), "n1 ", "a daemon that starts a moment later looks again");
    stage_put("swept", -1);
    stage_put("deferred", 0);
    ok(stage_until(stage_swept), "a second one");
    ok(stage_calls("lists") > lists, "is made for what was deferred");
    ok(all_there(125), "and changes nothing");
    is_str(stage_waits("much"), want, "at all");
    stage_end();
}

static void test_taken(void)
{
    stage_begin();
    stage_say_many(2);
    stage_put("seen", 60000);
    stage_put("sweeper", 0);
    stage_daemon_start(0, 0);
    stage_turn_for(SOON_MS);
    is_int(stage_calls("calls"), 0, "what another daemon sweeps is left to it");
    stage_put("sweeper", -1);
    ok(stage_until(stage_swept), "and is not, once its lease has ended");
    ok(all_there(2), "all is there");
    stage_end();
}

static bool some_read(void)
{
    return stage_calls("reads") >= 10;
}

static bool listed(void)
{
    return stage_calls("lists") > 0;
}

static bool three_lists(void)
{
    return stage_calls("lists") >= 3;
}

/* While the first page of the listing is worked on, conversations of later ones, and the one that the second page begins behind, come to the front. */
static void test_moving(void)
{
    struct page_sweep_stat stat;
    stage_begin();
    stage_say_many(150);
    stage_put("seen", 60000);
    stage_daemon_start(0, 0);
    ok(stage_until(some_read), "a sweep is under way");
    page_sweep_stat(stage.sweep[0], &stat);
    ok(stat.due == 1 && stat.running == 1 && stat.swept == 0, "which is to be seen");
    stage_say_as("customer", "c20", "e1", "moves");
    stage_say_as("customer", "c90", "e2", "moves"); /* the 60th */
    stage_say_as("customer", "c91", "e3", "moves");
    stage_say_as("customer", "c0", "e4", "moves");
    ok(stage_until(stage_swept), "it ends");
    int missing = 0;
    for (int i = 0; i < 150; i++) {
        char c[16], m[16];
        (void)snprintf(c, sizeof c, "c%d", i);
        (void)snprintf(m, sizeof m, "m%d ", i);
        missing += strstr(stage_waits(c), m) == NULL;
    }
    is_int(missing, 0, "nothing is missed between pages");
    stage_end();
}

static void test_who_answers(void)
{
    char mark[PAGE_ECHO_SIZE];
    stage_begin();
    stage_say_as("customer", "staffed", "s1", "hello");
    stage_say_as("staff", "staffed", "s2", "I see to it");
    stage_say_as("customer", "echoed", "e1", "hello");
    stage_say_as("page", "echoed", "e2", "as the bot said");
    stage_say_as("customer", "echoed", "e3", "and more");
    page_echo_text(mark, SV(PAGE), SV("echoed"), SV("as the bot said"));
    store_put(stage.r.store, sv_from(mark), SV("sent"), 60000, stage_ignore, NULL);
    stage_put("seen", 60000);
    stage_daemon_start(0, 0);
    ok(stage_until(stage_swept), "a page is swept");
    stage_visits("staffed");
    is_int(stage.r.ai.calls, 0, "where a person has answered the bot does not");
    stage_visits("echoed");
    is_int(stage.r.ai.calls, 1, "its own echo silences nobody");
    has_str(stage.r.ai.seen, "user:hello|", "the first message is asked about");
    has_str(stage.r.ai.seen, "user:and more|", "and the second");
    stage_end();
}

static void test_limited(void)
{
    stage_begin();
    stage_say_many(3);
    stage_put("seen", 60000);
    stage_control("{\"rules\":[{\"call\":\"list\",\"do\":\"status\",\"status\":429,\"retry_after\":1,\"times\":1},"
            "{\"call\":\"read\",\"do\":\"status\",\"status\":429,\"retry_after\":-1,\"skip\":1,\"times\":1}]}");
    int64_t began_ms = clock_mono_ms();
    stage_daemon_start(0, 0);
    ok(stage_until(stage_swept), "a page that says \"too many\" is swept all the same");
    ok(clock_mono_ms() - began_ms >= 2000, "after as long as it said, and as is usual");
    is_int(stage_calls("lists") + stage_calls("reads"), 6, "both calls are made again");
    ok(all_there(3), "all is there");
    stage_end();
}

static bool is_limited(void)
{
    return *stage_value("limited") != '\0';
}

/* A time that is wrong keeps the page silent for minutes, not for hours; other processes see the rows. */
static void test_limited_for_hours(void)
{
    stage_begin();
    stage.in_rows = true;
    stage_say_many(1);
    stage_put("seen", 60000);
    stage_control("{\"rules\":[{\"call\":\"list\",\"do\":\"status\",\"status\":429,\"retry_after\":7200,\"times\":1}]}");
    stage_daemon_start(0, 0);
    ok(stage_until(is_limited), "a page asks for two hours");
    stage_turn_for(SOON_MS);
    int64_t send_ms = stage_row_ms("send"), read_ms = stage_row_ms("read");
    ok(send_ms > 200000 && send_ms <= 300000, "replies wait five minutes: %lld ms", (long long)send_ms);
    ok(read_ms > 200000 && read_ms <= 300000, "so do reads: %lld ms", (long long)read_ms);
    is_int(stage_calls("lists"), 1, "it is not called meanwhile");
    stage_end();
}

static bool is_behind(void)
{
    return *stage_value("behind") != '\0' && *stage_value("deferred") == '\0' && *stage_value("sweeper") == '\0';
}

static void test_failing(void)
{
    struct page_sweep_stat stat;
    stage_begin();
    stage_say_many(5);
    stage_put("seen", 1000);
    stage_put("deferred", 30000);
    stage_control("{\"rules\":[{\"call\":\"read\",\"do\":\"status\",\"status\":500,\"skip\":2,\"times\":6}]}");
    stage_daemon_start(0, 0);
    ok(stage_until(is_behind), "a sweep that fails leaves what is behind");
    ok(!stage_swept(), "and does not count");
    ok(stage_until(stage_swept), "it is made again");
    page_sweep_stat(stage.sweep[0], &stat);
    ok(stat.cut >= 1 && stat.swept == 1, "both are counted");
    stage_turn_for(SOON_MS);
    is_str(stage_value("behind"), "", "to its end");
    ok(all_there(5), "all is there, once");
    stage_end();
}

static void test_gone(int status)
{
    struct page_sweep_stat stat;
    char rules[128];
    stage_begin();
    stage_say_many(3);
    stage_put("seen", 60000);
    (void)snprintf(rules, sizeof rules, "{\"rules\":[{\"call\":\"read\",\"conversation_id\":\"c1\",\"do\":\"status\",\"status\":%d}]}", status);
    stage_control(rules);
    stage_daemon_start(0, 0);
    ok(stage_until(stage_swept), "a conversation that is gone (%d) holds up none", status);
    is_str(stage_waits("c0"), "m0 ", "the next one is there");
    is_str(stage_waits("c1"), "", "it is not");
    is_int(stage_calls("reads"), 3, "it is asked for once");
    page_sweep_stat(stage.sweep[0], &stat);
    ok(stat.found.unread == 1 && stat.cut == 0, "which is to be seen");
    stage_end();
}

static void test_two(void)
{
    stage_begin();
    stage_say_many(20);
    stage_put("seen", 60000);
    stage_put("deferred", 1000);
    stage_daemon_start(0, 0);
    stage_daemon_start(1, 0);
    ok(stage_until(stage_swept), "two daemons");
    stage_turn_for(2 * SOON_MS);
    is_int(stage_calls("lists"), 1, "sweep a page once");
    is_int(stage_calls("reads"), 20, "and read each conversation once");
    ok(all_there(20), "all is there, once");
    stage_end();
}

static void test_restart(void)
{
    stage_begin();
    stage_say_many(40);
    stage_put("seen", 60000);
    stage_put("deferred", 30000);
    stage_daemon_start(0, 0);
    ok(stage_until(some_read), "a sweep is under way");
    stage_daemon_stop(0);
    page_sweep_end(stage.sweep[0]);
    page_sweep_free(stage.sweep[0]);
    ok(is_behind(), "its end leaves what is behind, and the lease");
    stage_put("deferred", 0); /* somebody says so meanwhile */
    stage_daemon_start(0, 0);
    ok(stage_until(stage_swept), "the next daemon makes it anew");
    ok(all_there(40), "all is there, once");
    stage_end();
}

/* Its beginning is remembered until a sweep has come to its end, whatever is seen meanwhile. */
static void test_unknown(void)
{
    stage_begin();
    stage_say_many(3);
    stage_control("{\"rules\":[{\"call\":\"list\",\"do\":\"status\",\"status\":401,\"times\":1}]}");
    stage_daemon_start(0, 0);
    ok(stage_until(is_behind), "a page of which nothing is known begins now");
    ok(*stage_value("seen") != '\0', "which is noted");
    stage_put("seen", 0);
    ok(stage_until(stage_swept), "it is swept like any other");
    ok(all_there(3), "what was just written, while nobody knew the page, is taken");
    stage_daemon_start(1, 0);
    stage_turn_for(2 * SOON_MS);
    ok(all_there(3), "and once, by however many");
    stage_end();
    stage_begin();
    stage_put("seen", 60000);
    char first[32];
    (void)snprintf(first, sizeof first, "%s", stage_value("seen"));
    stage_control("{\"rules\":[{\"call\":\"list\",\"do\":\"status\",\"status\":401,\"times\":1}]}");
    stage_daemon_start(0, 0);
    ok(stage_until(is_behind), "where a webhook was faster than the daemon");
    is_str(stage_value("behind"), first, "it begins with that");
    stage_put("seen", 0);
    ok(stage_until(stage_swept), "until it was swept");
    stage_turn_for(SOON_MS);
    is_str(stage_value("behind"), "", "to the end");
    stage_end();
    stage_begin();
    stage_say_many(3);
    stage_put("deferred", 0);
    stage_daemon_start(0, 0);
    ok(stage_until(stage_swept), "where something is deferred");
    ok(all_there(3), "it is a day that is looked at");
    stage_end();
}

static void test_periodic(void)
{
    stage_begin();
    stage_say_many(1);
    stage_put("seen", 60000);
    stage_daemon_start(0, 200);
    ok(stage_until(three_lists), "now and then it is looked again");
    stage_end();
    stage_begin();
    stage_put("seen", 60000);
    stage_daemon_start(0, 0);
    ok(stage_until(stage_swept), "or once");
    stage_turn_for(2 * SOON_MS);
    is_int(stage_calls("lists"), 1, "and then never");
    stage_put("swept", 60000);
    page_sweep_set(stage.sweep[0], 3600000, 5);
    stage_turn_for(SOON_MS);
    is_int(stage_calls("lists"), 1, "nor soon");
    page_sweep_set(stage.sweep[0], 1000, 5);
    stage_put("swept", 60000);
    stage_turn_for(SOON_MS);
    is_int(stage_calls("lists"), 2, "but when it is to be sooner");
    page_sweep_set(stage.sweep[0], 0, 5);
    stage_put("swept", 60000);
    page_sweep_all(stage.sweep[0]);
    stage_turn_for(2 * SOON_MS);
    is_int(stage_calls("lists"), 3, "and when the store has come back");
    stage_end();
}

static bool twice(void)
{
    struct page_sweep_stat stat;
    page_sweep_stat(stage.sweep[0], &stat);
    return stat.swept >= 2;
}

/* Something is deferred; of another message, ten minutes old, nobody has told. Without a time of its own a sweep looks at all since the last one, whatever was seen since. */
static void test_since_the_last(void)
{
    char rules[1024];
    stage_begin();
    stage_put("seen", 60000);
    stage_daemon_start(0, 0);
    ok(stage_until(stage_swept), "a page is swept at the start alone");
    stage_turn_for(SOON_MS);
    long long then_ms = (long long)clock_wall_ms() - 600000;
    char at[25];
    clock_format(then_ms, at);
    (void)snprintf(rules, sizeof rules,
                   "{\"rules\":[{\"call\":\"list\",\"do\":\"body\",\"body\":\"{\\\"conversations\\\":[{\\\"id\\\":\\\"old\\\",\\\"updated_at\\\":%lld}]}\"},"
                   "{\"call\":\"read\",\"do\":\"body\",\"body\":\"{\\\"messages\\\":[{\\\"id\\\":\\\"o1\\\",\\\"inserted_at\\\":\\\"%s\\\",\\\"original_message\\\":\\\"hello\\\",\\\"from\\\":{\\\"id\\\":\\\"u1\\\"}}]}\"}]}",
                   then_ms, at);
    stage_control(rules);
    stage_put("swept", 1200000);
    stage_put("seen", 1000);
    stage_put("deferred", 1000);
    ok(stage_until(twice), "and once more, for what was deferred");
    is_str(stage_waits("old"), "o1 ", "all since the last sweep is looked at");
    stage_end();
}

static void test_places(void)
{
    stage_begin();
    stage_say_many(2);
    stage_put("seen", 60000);
    stage.in_rows = true;
    int64_t began_ms = clock_mono_ms();
    stage_daemon_start(0, 0);
    ok(stage_until(stage_swept), "a page is swept");
    ok(clock_mono_ms() - began_ms >= 2400 - 10, "each call in its place: %lld ms", (long long)(clock_mono_ms() - began_ms));
    stage_end();
}

/* The process goes while a call is under way, or a place is waited for. */
static void test_cut(void)
{
    stage_begin();
    stage_say_many(2);
    stage_put("seen", 60000);
    stage.in_rows = true;
    stage_daemon_start(0, 0);
    ok(stage_until(listed), "a place is waited for");
    stage_close();
    stage_begin();
    stage_put("seen", 60000);
    stage_control("{\"rules\":[{\"call\":\"list\",\"do\":\"hang\"}]}");
    stage_daemon_start(0, 0);
    ok(stage_until(listed), "a call is not answered");
    stage_close();
}

int main(void)
{
    test_cut();
    test_all();
    test_moving();
    test_who_answers();
    test_limited();
    test_limited_for_hours();
    test_failing();
    test_gone(404);
    test_gone(410);
    test_two();
    test_taken();
    test_restart();
    test_unknown();
    test_periodic();
    test_since_the_last();
    test_places();
    return done_testing();
}
