/* SPDX-License-Identifier: MIT
 * A sweep in which one conversation cannot be had: the others are, and it is looked at again until it can be. One that is too long is had in part. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "t/daemon/page_sweep_rig.h"
#include "t/tap.h"

static bool y_there(void)
{
    return strcmp(stage_waits("y"), "y1 ") == 0;
}

static bool left_twice(void)
{
    struct page_sweep_stat stat;
    page_sweep_stat(stage.sweep[0], &stat);
    return stat.cut >= 2;
}

static bool is_quiet(void)
{
    return *stage_value("sweeper") == '\0';
}

/* x is the newer one, so it is read first. Nothing is deferred. */
static void begin_with(uint32_t pending_max, int x)
{
    struct policy policy = rig_policy;
    char id[16];
    policy.pending_max = pending_max;
    stage_begin_with(&policy);
    stage_say_as("customer", "y", "y1", "hello");
    stage_turn_for(5);
    for (int i = 0; i < x; i++) {
        (void)snprintf(id, sizeof id, "x%d", i);
        stage_say_as("customer", "x", id, "and hello");
    }
    stage_put("seen", 60000);
}

/* How x fails: a rule of the double's. */
static void test_unreadable(const char *rule)
{
    struct page_sweep_stat stat;
    begin_with(500, 1);
    stage_control(rule);
    stage_daemon_start(0, 0);
    ok(stage_until(y_there), "what is behind a conversation that cannot be read is fetched");
    ok(stage_until(left_twice) && !stage_swept(), "which is no sweep that counts");
    is_str(stage_waits("x"), "", "nor is the conversation taken");
    ok(*stage_value("behind") != '\0', "it is behind");
    stage_put("seen", 0); /* a webhook comes meanwhile */
    stage_control("{\"forget_rules\":true}");
    ok(stage_until(stage_swept), "it is looked at again until it can be read");
    is_str(stage_waits("x"), "x0 ", "and is there");
    ok(y_there(), "what was there is there once");
    page_sweep_stat(stage.sweep[0], &stat);
    ok(stat.found.put_off >= 2 && stat.found.put_off == stat.cut, "the figures: left, each time");
    ok(stage_until(is_quiet), "the lease is given back");
    is_str(stage_value("behind"), "", "nothing is behind");
    stage_end();
}

/* A refusal that is over soon costs nothing but a few tries, of the listing too. */
static void test_refused_for_now(const char *rule)
{
    struct page_sweep_stat stat;
    begin_with(500, 1);
    stage_control(rule);
    stage_daemon_start(0, 0);
    ok(stage_until(stage_swept), "what is refused for now does not keep a sweep from its end: %s", rule);
    is_str(stage_waits("x"), "x0 ", "nothing is lost");
    ok(y_there(), "of any conversation");
    page_sweep_stat(stage.sweep[0], &stat);
    ok(stat.cut == 0 && stat.found.unread == 0 && stat.found.put_off == 0, "the first sweep has all of it");
    stage_end();
}

static void test_full(void)
{
    struct page_sweep_stat stat;
    begin_with(3, 5);
    stage_daemon_start(0, 0);
    ok(stage_until(y_there), "what is behind a conversation that is full is fetched");
    is_str(stage_waits("x"), "x0 x1 x2 ", "of that one, as much as there is room for");
    ok(stage_until(left_twice) && !stage_swept(), "which is no sweep that counts");
    stage_visits("x");
    ok(stage_until(stage_swept), "it is looked at again until there is room");
    page_sweep_stat(stage.sweep[0], &stat);
    is_int((int64_t)stat.found.accepted, 6, "and the rest is there, once");
    stage_end();
}

static bool cut_once(void)
{
    struct page_sweep_stat stat;
    page_sweep_stat(stage.sweep[0], &stat);
    return stat.cut >= 1;
}

/* Three side by side are taken for the API's failure, once. */
static void test_several(const char *how)
{
    struct page_sweep_stat stat;
    char rules[512];
    begin_with(500, 0);
    stage_say_many(4);
    (void)snprintf(rules, sizeof rules,
                   "{\"rules\":[{\"call\":\"read\",\"conversation_id\":\"c3\",%s},{\"call\":\"read\",\"conversation_id\":\"c2\",%s},{\"call\":\"read\",\"conversation_id\":\"c1\",%s}]}", how, how, how);
    stage_control(rules);
    stage_daemon_start(0, 0);
    ok(stage_until(cut_once), "several in a row");
    page_sweep_stat(stage.sweep[0], &stat);
    is_int((int64_t)stat.found.conversations, 3, "end a sweep before what is behind them");
    ok(stage_until(y_there), "but the next one gets there");
    is_str(stage_waits("c0"), "m0 ", "to all of it");
    stage_control("{\"forget_rules\":true}");
    ok(stage_until(stage_swept), "and to its end");
    is_str(stage_waits("c2"), "m2 ", "when they can be read");
    stage_end();
}

/* A token that is refused from some moment on is no matter of the conversation that is read just then. */
static void test_token(void)
{
    struct page_sweep_stat stat;
    begin_with(500, 0);
    stage_say_many(3);
    stage_control("{\"rules\":[{\"call\":\"read\",\"do\":\"status\",\"status\":401}]}");
    stage_daemon_start(0, 0);
    ok(stage_until(cut_once), "a refused token ends the sweep");
    page_sweep_stat(stage.sweep[0], &stat);
    is_int((int64_t)stat.found.put_off, 0, "no conversation is left for it");
    is_int(stage_calls("reads"), 1, "and it is asked once");
    stage_control("{\"forget_rules\":true}");
    ok(stage_until(stage_swept), "the next sweep comes to its end");
    is_str(stage_waits("c0"), "m0 ", "and all is there");
    stage_end();
}

/* The listing as it is when nothing has happened for a while. */
static void test_known(void)
{
    char rules[1024];
    begin_with(500, 1);
    long long then_ms = (long long)clock_wall_ms() - 600000;
    (void)snprintf(rules, sizeof rules,
                   "{\"rules\":[{\"call\":\"list\",\"do\":\"body\",\"body\":\"{\\\"conversations\\\":[{\\\"id\\\":\\\"x\\\",\\\"updated_at\\\":%lld},{\\\"id\\\":\\\"y\\\",\\\"updated_at\\\":%lld}]}\"},"
                   "{\"call\":\"read\",\"conversation_id\":\"x\",\"do\":\"status\",\"status\":500}]}",
                   then_ms, then_ms);
    stage_control(rules);
    stage_put("seen", 1200000);
    stage_daemon_start(0, 0);
    ok(stage_until(left_twice), "a conversation is left twice");
    stage_daemon_stop(0);
    ok(y_there(), "the other one is there");
    int reads = stage_calls("reads"), lists = stage_calls("lists");
    ok(reads <= 4 + 1 + lists - 1, "which is read once, and the first one once more each time: %d reads, %d lists", reads, lists);
    page_sweep_end(stage.sweep[0]);
    page_sweep_free(stage.sweep[0]);
    stage.sweep[0] = NULL;
    stage_end();
}

/* The newest are taken. What is older is left for good, and holds up nobody. */
static void test_too_long(void)
{
    enum { MOST = 60, ALL = 150 };
    struct page_sweep_stat stat;
    char want[1024], id[16];
    size_t n = 0;
    begin_with(500, ALL);
    for (int i = ALL - MOST; i < ALL; i++)
        n += (size_t)snprintf(want + n, sizeof want - n, "x%d ", i);
    stage.read_most = MOST;
    stage_daemon_start(0, 0);
    ok(stage_until(stage_swept), "a sweep with a conversation that is too long comes to its end, and counts");
    is_str(stage_waits("x"), want, "of that one the newest messages are taken, as many as a sweep reads");
    is_int(stage_calls("reads"), 2 + 1, "nothing older was read");
    ok(y_there(), "what is behind it is fetched");
    page_sweep_stat(stage.sweep[0], &stat);
    ok(stat.found.unread == 1 && stat.found.put_off == 0 && stat.found.accepted == MOST + 1, "the figures: one was not read to its end, none is left for later");
    is_str(stage_value("behind"), "", "nothing is behind");
    stage_say_as("customer", "x", "last", "still there?");
    (void)snprintf(id, sizeof id, "x%d", ALL - MOST - 1);
    stage_put("swept", -1);
    stage_put("deferred", 30000);
    ok(stage_until(stage_swept), "another sweep");
    has_str(stage_waits("x"), "last ", "takes what is new");
    ok(strstr(stage_waits("x"), id) == NULL, "and nothing of the rest");
    stage_end();
}

/* The API gives the same page of messages, whatever is asked for; they have nothing in them. The bound is the daemon's own. */
static void test_without_end(void)
{
    struct page_sweep_stat stat;
    struct buf b = { 0 };
    begin_with(500, 1);
    buf_add(&b, SV("{\"rules\":[{\"call\":\"read\",\"conversation_id\":\"x\",\"do\":\"body\",\"body\":\"{\\\"messages\\\":["));
    for (int i = 0; i < 30; i++)
        buf_printf(&b, "%s{\\\"id\\\":\\\"e%d\\\",\\\"from\\\":{\\\"id\\\":\\\"u\\\"}}", i > 0 ? "," : "", i);
    buf_add(&b, SV("]}\"}]}"));
    stage_control(b.p);
    buf_fini(&b);
    stage_daemon_start(0, 0);
    ok(stage_until(stage_swept), "a conversation without an end does not keep a sweep from its own");
    is_int(stage_calls("reads"), (20000 + 29) / 30 + 1, "it is left once 20,000 messages were read");
    ok(y_there(), "what is behind it is fetched");
    page_sweep_stat(stage.sweep[0], &stat);
    is_int((int64_t)stat.found.unread, 1, "and that is to be seen");
    stage_end();
}

int main(void)
{
    test_too_long();
    test_without_end();
    test_unreadable("{\"rules\":[{\"call\":\"read\",\"conversation_id\":\"x\",\"do\":\"status\",\"status\":500}]}");
    test_unreadable("{\"rules\":[{\"call\":\"read\",\"conversation_id\":\"x\",\"do\":\"body\",\"body\":\"{\\\"messages\\\":[{\\\"id\\\":\\\"a\\\\u0000\\\"}]}\"}]}");
    test_unreadable("{\"rules\":[{\"call\":\"read\",\"conversation_id\":\"x\",\"do\":\"success_false\"}]}");
    test_unreadable("{\"rules\":[{\"call\":\"read\",\"conversation_id\":\"x\",\"do\":\"status\",\"status\":400}]}");
    test_unreadable("{\"rules\":[{\"call\":\"read\",\"conversation_id\":\"x\",\"do\":\"status\",\"status\":403}]}");
    test_refused_for_now("{\"rules\":[{\"call\":\"read\",\"do\":\"success_false\",\"times\":3}]}");
    test_refused_for_now("{\"rules\":[{\"call\":\"read\",\"do\":\"status\",\"status\":400,\"times\":3}]}");
    test_refused_for_now("{\"rules\":[{\"call\":\"list\",\"do\":\"success_false\",\"times\":3}]}");
    test_full();
    test_several("\"do\":\"status\",\"status\":500");
    test_several("\"do\":\"success_false\"");
    test_token();
    test_known();
    return done_testing();
}
