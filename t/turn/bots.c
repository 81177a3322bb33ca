/* SPDX-License-Identifier: MIT
 * The registry of bots over a scripted database: what is held stays as it was, what is not used is closed, a change is seen, and an absent
 * database changes nothing. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "outside/breaker.h"
#include "t/tap.h"
#include "t/turn/bots_rig.h"

static void no_database(void)
{
    registry_open_on(NULL, 0);
    registry_settle();
    ok(registry_find("sales") == NULL, "without a database nothing is found");
    ok(!bots_is_known(registry.bots) && bots_is_settled(registry.bots), "nor known, nor waited for");
    bots_look(registry.bots);
    bots_set_base(registry.bots, &registry_base);
    registry_settle();
    ok(registry_find("sales") == NULL, "whatever is asked for");
    bots_free(registry.bots);
}

static void pinned(void)
{
    registry_open_db(60000);
    registry_core("c", "\"provider\":\"native\",\"base_url\":\"http://ai:1\"");
    registry_core("d", "\"provider\":\"native\",\"base_url\":\"http://ai:4\"");
    registry_bot("a", 1, "\"name\":\"A\",\"ai_core\":\"c\"");
    registry_bot("b", 1, "\"name\":\"B\",\"ai_core\":\"c\"");
    registry_refresh();
    is_int(registry.opened, 1, "two bots of one core share it; a core of no bot is not opened");
    struct bot *a = registry_find("a"), *b = registry_find("b");
    ok(a->ai == b->ai, "indeed");
    bot_release(b);
    registry_bot("a", 2, "\"name\":\"A2\",\"ai_core\":\"c\"");
    registry_refresh();
    is_int(registry.opened, 1, "another version of a bot goes on with the same instance");
    struct bot *a2 = registry_find("a");
    ok(a2 != a && a2->version == 2 && a2->ai == a->ai, "a new bot");
    is_str(a->name, "A", "the held one is as it was");
    bot_release(a2);
    registry_core("c", "\"provider\":\"native\",\"base_url\":\"http://ai:2\"");
    registry_refresh();
    is_int(registry.opened, 2, "a core that was changed is opened anew");
    is_int(registry.closed, 0, "the old one is not closed: a turn holds its bot");
    is_str(registry_ai_of(a), "c http://ai:1 - -  0 -1 -1", "and goes on with it");
    a2 = registry_find("a");
    is_str(registry_ai_of(a2), "c http://ai:2 - -  0 -1 -1", "new turns get the new one");
    bot_release(a2);
    struct bot *again = bot_hold(a);
    ok(again == a, "held twice");
    bot_release(a);
    registry_settle();
    is_int(registry.closed, 0, "one of two holders has gone");
    bot_release(again);
    is_int(registry.closed, 0, "not closed where it is released, which may be inside a callback of it");
    registry_settle();
    is_int(registry.closed, 1, "but soon");
    a = registry_find("a");
    archive_double_remove(&registry.db, ARCHIVE_BOTS, "a");
    registry_refresh();
    ok(registry_find("a") == NULL, "a bot that was deleted is not found");
    is_str(a->name, "A2", "but a turn keeps it");
    bot_release(a);
    registry_settle();
    is_int(registry.closed, 1, "its core is another bot's as well");
    archive_double_remove(&registry.db, ARCHIVE_BOTS, "b");
    registry_refresh();
    is_int(registry.closed, 2, "until that has gone, too");
    registry_close_db();
}

static void polling(void)
{
    registry_open_db(20);
    registry_bot("a", 1, "\"name\":\"A\"");
    registry_refresh();
    registry_bot("a", 2, "\"name\":\"A\"");
    struct bot *a = NULL;
    int looks = registry.db.looks;
    for (int i = 0; i < 20000 && (a == NULL || a->version != 2); i++) {
        bot_release(a);
        loop_turn(registry.loop, true);
        a = registry_find("a");
    }
    ok(a != NULL && a->version == 2, "a change is in force without being asked for");
    bot_release(a);
    for (int i = 0; i < 20000 && registry.db.looks < looks + 5; i++)
        loop_turn(registry.loop, true);
    ok(registry.db.looks >= looks + 5, "it goes on looking");
    is_int(registry.db.sent, 2, "but rows come only with a change");
    registry_close_db();
}

static void a_change_during_a_look(void)
{
    registry_open_db(60000);
    registry_refresh();
    registry.db.hold = true;
    int before = registry.db.looks;
    bots_look(registry.bots);
    for (int i = 0; i < 2000 && registry.db.looks == before; i++)
        loop_turn(registry.loop, false);
    bots_look(registry.bots);
    bots_look(registry.bots);
    registry_settle();
    is_int(registry.db.looks, before + 1, "one question at a time");
    archive_double_release(&registry.db);
    for (int i = 0; i < 2000 && registry.db.looks < before + 2; i++) {
        loop_turn(registry.loop, false);
        usleep(100);
    }
    registry_settle();
    is_int(registry.db.looks, before + 2, "then one more for all that were asked meanwhile");
    registry_close_db();
}

static void called_once(void *arg)
{
    (*(int *)arg)++;
}

static void awaited(void)
{
    int called = 0;
    struct bots_waiter one = { .fn = called_once, .arg = &called }, two = one, gone = one;
    registry_open_on(NULL, 0);
    ok(!bots_await(registry.bots, &one), "without a database nobody waits");
    bots_stop(registry.bots);
    bots_free(registry.bots);
    registry_open_db(60000);
    registry_settle();
    registry.db.hold = true;
    int before = registry.db.looks;
    ok(bots_await(registry.bots, &one), "a name that is not found is looked for");
    for (int i = 0; i < 2000 && registry.db.looks == before; i++) {
        loop_turn(registry.loop, false);
        usleep(100);
    }
    registry_bot("late", 1, "\"name\":\"Late\"");
    ok(bots_await(registry.bots, &two) && bots_await(registry.bots, &gone), "by two more while the database is asked");
    bots_await_no_more(&gone);
    registry.db.hold = false;
    archive_double_release(&registry.db);
    for (int i = 0; i < 2000 && called < 1; i++)
        loop_turn(registry.loop, false);
    is_int(registry.db.looks, before + 1, "the first one hears of the first answer");
    for (int i = 0; i < 2000 && called < 2; i++) {
        loop_turn(registry.loop, false);
        usleep(100);
    }
    is_int(called, 2, "the second one of the next");
    is_int(registry.db.looks, before + 2, "which began after it had asked");
    is_str(registry_trouble("late"), "(none)", "and the bot is there");
    bots_await_no_more(&one);
    ok(bots_await(registry.bots, &one), "when the database goes away then");
    registry.db.away = true;
    for (int i = 0; i < 2000 && called < 3; i++) {
        loop_turn(registry.loop, false);
        usleep(100);
    }
    is_int(called, 3, "nobody waits for its return");
    ok(!bots_await(registry.bots, &one), "nor begins to wait");
    registry.db.away = false;
    ok(bots_await(registry.bots, &one), "and who waits at the end");
    registry_close_db();
    is_int(called, 3, "is not called");
}

static void away_and_back(void)
{
    int gone = registry_logged("bots stay as they are"), back = registry_logged("answers again"), unknown = registry_logged("nothing is known of bots");
    registry_open_db(60000);
    registry.db.away = true;
    ok(!bots_is_settled(registry.bots), "whoever starts waits for the first look");
    registry_refresh();
    ok(bots_is_settled(registry.bots), "but not longer, if there is no answer");
    is_int(registry_logged("nothing is known of bots"), unknown, "a program that starts is given a moment");
    registry_refresh();
    registry_refresh();
    is_int(registry_logged("nothing is known of bots"), unknown + 1, "then it is said, once");
    ok(registry_find("a") == NULL && !bots_is_known(registry.bots), "and nothing is found");
    registry.db.away = false;
    registry_bot("a", 1, "\"name\":\"A\"");
    registry_refresh();
    is_int(registry_logged("answers again"), back + 1, "its return is said");
    is_str(registry_trouble("a"), "(none)", "bots are found");
    registry.db.away = true;
    registry_bot("a", 2, "\"name\":\"A\"");
    registry_refresh();
    registry_refresh();
    is_int(registry_logged("bots stay as they are"), gone + 1, "its absence is said once");
    struct bot *a = registry_find("a");
    ok(a != NULL && a->version == 1, "what is known stays in force");
    bots_set_base(registry.bots, &registry_base);
    struct bot *made = registry_find("a");
    ok(made != NULL && made != a && made->version == 1, "also through a reload");
    bot_release(a);
    bot_release(made);
    registry.db.away = false;
    registry_refresh();
    a = registry_find("a");
    is_int(a->version, 2, "then the change is");
    is_int(registry_logged("answers again"), back + 2, "and that is said");
    bot_release(a);
    registry_close_db();
}

static void tables_to_come(void)
{
    int none = registry_logged("no tables for bots yet"), lost = registry_logged("has lost its tables"), away = registry_logged("does not answer"),
        back = registry_logged("answers again");
    registry_open_db(60000);
    registry.db.no_tables = true;
    for (int i = 0; i < 4; i++)
        registry_refresh();
    ok(bots_is_settled(registry.bots) && !bots_is_known(registry.bots), "a database whose tables are still to be made is not waited for");
    is_int(registry_logged("no tables for bots yet"), none + 1, "that is said, once");
    registry.db.no_tables = false;
    registry_bot("a", 1, "\"name\":\"A\"");
    registry_refresh();
    is_str(registry_trouble("a"), "(none)", "when they are there, bots are found");
    registry.db.no_tables = true;
    registry_refresh();
    registry_refresh();
    is_int(registry_logged("has lost its tables"), lost + 1, "tables that go are told of otherwise");
    ok(bots_is_known(registry.bots), "and what is known stays in force");
    is_int(registry_logged("does not answer") + registry_logged("answers again"), away + back, "nothing says that the database was away");
    registry_close_db();
}

struct counted {
    int n, current, troubled;
    size_t bots;
    char names[200];
};

static void count(void *arg, const struct bots_backend *k)
{
    struct counted *c = arg;
    struct breaker_stat stat = { .failures = 99 };
    if (k->breaker != NULL)
        breaker_stat(k->breaker, &stat);
    size_t n = strlen(c->names);
    (void)snprintf(c->names + n, sizeof(c->names) - n, "%s/%s/%s ", k->service == ARCHIVE_AI_CORES ? "core" : "platform", k->name, k->provider);
    c->n++;
    c->current += k->current;
    c->troubled += k->trouble != NULL;
    c->bots += k->bots;
    ok(k->trouble != NULL || stat.failures == 0, "a circuit of its own: %s", k->name);
}

static void backends(void)
{
    struct counted c = { 0 };
    registry_open_db(60000);
    registry_core("c", "\"provider\":\"native\",\"base_url\":\"http://1\"");
    registry_core("x", "\"provider\":\"native\",\"base_url\":\"http://1\",\"api_key\":\"env:T_BOTS_NO_SUCH\"");
    registry_platform("p", "\"provider\":\"log\"");
    registry_bot("a", 1, "\"name\":\"A\",\"ai_core\":\"c\",\"platform\":\"p\"");
    registry_bot("b", 1, "\"name\":\"B\",\"ai_core\":\"c\"");
    registry_bot("x", 1, "\"name\":\"X\",\"ai_core\":\"x\"");
    registry_refresh();
    struct bot *held = registry_find("b");
    registry_core("c", "\"provider\":\"native\",\"base_url\":\"http://2\"");
    registry_refresh();
    bots_each(registry.bots, count, &c);
    is_int(c.n, 4, "cores, platforms, and what turns of before use: %s", c.names);
    is_int(c.current, 3, "those in force");
    is_int(c.troubled, 1, "one cannot be used");
    is_int(c.bots, 5, "used by so many bots");
    has_str(c.names, "platform/p/log", "by name and provider");
    bot_release(held);
    registry_settle();
    c = (struct counted){ 0 };
    bots_each(registry.bots, count, &c);
    is_int(c.n, 3, "the old one has gone");
    registry_close_db();
}

static void the_end(void)
{
    registry_open_db(60000);
    registry_core("c", "\"provider\":\"native\",\"base_url\":\"http://1\"");
    registry_bot("a", 1, "\"name\":\"A\",\"ai_core\":\"c\"");
    registry_refresh();
    struct bot *held = registry_find("a");
    int before = registry.db.looks;
    registry.db.hold = true;
    bots_look(registry.bots);
    for (int i = 0; i < 2000 && registry.db.looks == before; i++)
        loop_turn(registry.loop, false);
    bots_stop(registry.bots);
    bots_stop(registry.bots);
    registry_settle();
    ok(registry_find("a") == NULL, "after the stop nothing is found");
    is_str(registry_ai_of(held), "c http://1 - -  0 -1 -1", "what is held stays");
    bot_release(held);
    archive_double_close(&registry.db); /* answers what was asked */
    registry_settle();
    is_int(registry.closed, 1, "the last holder closes it");
    bots_free(registry.bots);
}

int main(void)
{
    registry_begin("bots");
    no_database();
    pinned();
    polling();
    a_change_during_a_look();
    awaited();
    away_and_back();
    tables_to_come();
    backends();
    the_end();
    registry_end();
    return done_testing();
}
