/* SPDX-License-Identifier: MIT
 * The configuration of bots: what goes in comes out, names are unique, references are by name, versions grow with every change, a poll that
 * knows the version gets nothing. */
#include "config.h"

#include <stdlib.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/id.h"
#include "t/archive/contract.h"
#include "t/archive/services.h"

#define NAME r->name
#define CORE_FULL "{\"name\":\"gpt\",\"provider\":\"openai\",\"base_url\":\"https://ai.test/v1\",\"path\":\"/chat/completions\",\"model\":\"gpt-4\"," \
    "\"api_key\":\"env:OPENAI_KEY\",\"timeout_ms\":20000,\"settings\":{\"temperature\":0.5,\"stop\":[\"a\",null]}," \
    "\"environments\":{\"production\":{\"temperature\":0}}}"
#define BOT_FULL "{\"bot_id\":\"b1\",\"name\":\"Bot \\\"Một\\\"\",\"ai_core\":\"gpt\",\"platform\":\"pages\",\"system_prompt\":\"line 1\\nline 2 '; --\"," \
    "\"enabled\":false,\"settings\":{\"on_newer\":\"finish\"},\"environments\":{}}"

static void is_done(struct rig *r, const struct edited *w, const char *what)
{
    ok(w->count == 1 && w->status == ARCHIVE_DONE && w->edited == ARCHIVE_EDIT_DONE && w->row.p != NULL, "%s: %s", NAME, what);
}

static void is_refused(struct rig *r, struct edited w, enum archive_edited how, const char *what)
{
    ok(w.count == 1 && w.status == ARCHIVE_DONE && w.row.p == NULL, "%s: %s: an answer without a row", NAME, what);
    is_int(w.edited, how, "%s: %s", NAME, what);
}

static void starts_empty(struct rig *r)
{
    struct polled p = services_poll(r, 0);

    ok(p.status == ARCHIVE_DONE && p.s.changed && p.s.version > 0, "%s: an empty configuration has a version", NAME);
    is_int(p.s.rows_n[ARCHIVE_BOTS] + p.s.rows_n[ARCHIVE_AI_CORES] + p.s.rows_n[ARCHIVE_PLATFORMS], 0, "%s: and no row", NAME);
    struct polled again = services_poll(r, p.s.version);
    ok(again.status == ARCHIVE_DONE && !again.s.changed && again.s.version == p.s.version, "%s: who knows it hears nothing", NAME);
    ok(services_poll(r, p.s.version + 1).s.changed, "%s: who knows a later one, of a database that was there before, does", NAME);
}

static void goes_in_and_out(struct rig *r)
{
    int64_t before = services_poll(r, 0).s.version;
    struct edited core = services_insert(r, ARCHIVE_AI_CORES, CORE_FULL);
    struct edited platform = services_insert(r, ARCHIVE_PLATFORMS, "{\"name\":\"pages\",\"provider\":\"pages_fm\",\"token\":\"file:/etc/t\",\"deliver\":false}");
    struct edited bot = services_insert(r, ARCHIVE_BOTS, BOT_FULL);

    is_done(r, &core, "a core");
    is_done(r, &platform, "a platform");
    is_done(r, &bot, "a bot");
    struct polled p = services_poll(r, before);
    ok(p.s.changed && p.s.version >= before + 3, "%s: the version has grown", NAME);
    ok(p.s.rows_n[0] == 1 && p.s.rows_n[1] == 1 && p.s.rows_n[2] == 1, "%s: each has one row", NAME);
    is_sv(services_row(&p, ARCHIVE_BOTS, "b1"), bot.row, "%s: an edit answers what a poll tells", NAME);
    static const struct {
        enum archive_service service;
        const char *name, *member, *json;
    } want[] = {
        { ARCHIVE_AI_CORES, "gpt", "provider", "\"openai\"" },
        { ARCHIVE_AI_CORES, "gpt", "base_url", "\"https://ai.test/v1\"" },
        { ARCHIVE_AI_CORES, "gpt", "path", "\"/chat/completions\"" },
        { ARCHIVE_AI_CORES, "gpt", "model", "\"gpt-4\"" },
        { ARCHIVE_AI_CORES, "gpt", "api_key", "\"env:OPENAI_KEY\"" },
        { ARCHIVE_AI_CORES, "gpt", "timeout_ms", "20000" },
        { ARCHIVE_AI_CORES, "gpt", "environments", "{\"production\":{\"temperature\":0}}" },
        { ARCHIVE_AI_CORES, "gpt", "version", "1" },
        { ARCHIVE_PLATFORMS, "pages", "provider", "\"pages_fm\"" },
        { ARCHIVE_PLATFORMS, "pages", "token", "\"file:/etc/t\"" },
        { ARCHIVE_PLATFORMS, "pages", "deliver", "false" },
        { ARCHIVE_PLATFORMS, "pages", "base_url", "null" },
        { ARCHIVE_PLATFORMS, "pages", "path", "null" },
        { ARCHIVE_PLATFORMS, "pages", "settings", "{}" },
        { ARCHIVE_PLATFORMS, "pages", "environments", "{}" },
        { ARCHIVE_BOTS, "b1", "name", "\"Bot \\\"Một\\\"\"" },
        { ARCHIVE_BOTS, "b1", "ai_core", "\"gpt\"" },
        { ARCHIVE_BOTS, "b1", "platform", "\"pages\"" },
        { ARCHIVE_BOTS, "b1", "system_prompt", "\"line 1\\nline 2 '; --\"" },
        { ARCHIVE_BOTS, "b1", "enabled", "false" },
        { ARCHIVE_BOTS, "b1", "settings", "{\"on_newer\":\"finish\"}" },
        { ARCHIVE_BOTS, "b1", "environments", "{}" },
        { ARCHIVE_BOTS, "b1", "version", "1" },
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        is_str(services_at(r, services_row(&p, want[i].service, want[i].name), want[i].member), want[i].json, "%s: %s of %s", NAME, want[i].member,
               want[i].name);
    has_str(services_at(r, core.row, "settings"), "\"stop\":[\"a\",null]", "%s: open structures stay open", NAME);
    ok(strlen(services_at(r, bot.row, "id")) == 38 && services_at(r, bot.row, "id")[15] == '7', "%s: ids are UUIDs of version 7", NAME);
    ok(services_number(bot.row, "created_at") > INT64_C(1700000000000) && services_number(bot.row, "created_at") == services_number(bot.row, "updated_at"),
       "%s: times are milliseconds", NAME);
    struct edited least = services_insert(r, ARCHIVE_BOTS, "{\"bot_id\":\"a0\",\"name\":\"least\",\"ai_core\":null,\"unknown\":1}");
    is_done(r, &least, "a bot of two words");
    is_str(services_at(r, least.row, "enabled"), "true", "%s: is enabled", NAME);
    is_str(services_at(r, least.row, "ai_core"), "null", "%s: and names no core", NAME);
    p = services_poll(r, 0);
    ok(p.s.rows_n[ARCHIVE_BOTS] == 2 && services_number(p.s.rows[ARCHIVE_BOTS][0], "created_at") == services_number(least.row, "created_at"),
       "%s: lists are in the order of names", NAME);
}

/* Expects what goes_in_and_out left. */
static void replaces(struct rig *r)
{
    struct polled p = services_poll(r, 0);
    struct sv old = services_row(&p, ARCHIVE_BOTS, "b1");
    struct edited w = services_replace(r, ARCHIVE_BOTS, "b1", "{\"bot_id\":\"b1\",\"name\":\"new\"}", 1);

    is_done(r, &w, "a bot is replaced");
    is_str(services_at(r, w.row, "id"), services_at(r, old, "id"), "%s: it keeps its id", NAME);
    is_int(services_number(w.row, "created_at"), services_number(old, "created_at"), "%s: and when it was made", NAME);
    is_int(services_number(w.row, "version"), 2, "%s: its version grows", NAME);
    ok(services_number(w.row, "updated_at") >= services_number(old, "updated_at"), "%s: its time, too", NAME);
    is_str(services_at(r, w.row, "system_prompt"), "null", "%s: what is not said has its default", NAME);
    is_str(services_at(r, w.row, "settings"), "{}", "%s: settings, too", NAME);
    is_str(services_at(r, w.row, "enabled"), "true", "%s: enabled, too", NAME);
    is_str(services_at(r, w.row, "ai_core"), "null", "%s: a reference, too", NAME);
    ok(services_poll(r, p.s.version).s.changed, "%s: and it is noticed", NAME);
    is_refused(r, services_replace(r, ARCHIVE_BOTS, "b1", BOT_FULL, 1), ARCHIVE_EDIT_STALE, "the old version is stale");
    is_refused(r, services_replace(r, ARCHIVE_BOTS, "nobody", BOT_FULL, 0), ARCHIVE_EDIT_UNKNOWN, "an unknown one");
    is_refused(r, services_replace(r, ARCHIVE_BOTS, "a0", BOT_FULL, 0), ARCHIVE_EDIT_EXISTS, "another one's name");
    is_refused(r, services_insert(r, ARCHIVE_BOTS, BOT_FULL), ARCHIVE_EDIT_EXISTS, "a name that is taken");
    is_refused(r, services_insert(r, ARCHIVE_AI_CORES, CORE_FULL), ARCHIVE_EDIT_EXISTS, "a core's name that is taken");
    is_refused(r, services_insert(r, ARCHIVE_BOTS, "{\"bot_id\":\"c\",\"name\":\"c\",\"ai_core\":\"nothing\"}"), ARCHIVE_EDIT_NO_CORE, "no such core");
    is_refused(r, services_insert(r, ARCHIVE_BOTS, "{\"bot_id\":\"c\",\"name\":\"c\",\"ai_core\":\"gpt\",\"platform\":\"gpt\"}"), ARCHIVE_EDIT_NO_PLATFORM,
               "no such platform");
    is_refused(r, services_replace(r, ARCHIVE_BOTS, "b1", "{\"bot_id\":\"b1\",\"name\":\"c\",\"platform\":\"x\"}", 0), ARCHIVE_EDIT_NO_PLATFORM,
               "nor when replacing");
    w = services_replace(r, ARCHIVE_BOTS, services_at(r, old, "id"), "{\"bot_id\":\"x\",\"name\":\"c\"}", 0);
    is_refused(r, w, ARCHIVE_EDIT_UNKNOWN, "an id in quotes is no id");
    char id[ID_UUID_SIZE] = "";
    (void)snprintf(id, sizeof(id), "%.36s", services_at(r, old, "id") + 1);
    w = services_replace(r, ARCHIVE_BOTS, id, "{\"bot_id\":\"b2\",\"name\":\"c\"}", 2);
    is_done(r, &w, "by its id");
    is_str(services_at(r, w.row, "bot_id"), "\"b2\"", "%s: with a new name", NAME);
    is_refused(r, services_replace(r, ARCHIVE_BOTS, "b1", BOT_FULL, 0), ARCHIVE_EDIT_UNKNOWN, "the old one is nobody's");
    w = services_replace(r, ARCHIVE_BOTS, "b2", BOT_FULL, 3);
    is_done(r, &w, "and back");
    is_str(services_at(r, w.row, "ai_core"), "\"gpt\"", "%s: with its core", NAME);
}

static void names_by_id(struct rig *r)
{
    struct polled p = services_poll(r, 0);
    struct sv core = services_row(&p, ARCHIVE_AI_CORES, "gpt");
    struct sv row = arena_printf(r->arena, "{\"bot_id\":\"by-id\",\"name\":\"x\",\"ai_core\":%s}", services_at(r, core, "id"));
    struct edited w = services_insert(r, ARCHIVE_BOTS, row.p);

    is_done(r, &w, "a bot names its core by id");
    is_str(services_at(r, w.row, "ai_core"), "\"gpt\"", "%s: and is told its name", NAME);
    /* a row whose name is another one's id */
    row = arena_printf(r->arena, "{\"name\":%s,\"provider\":\"simulated\"}", services_at(r, core, "id"));
    w = services_insert(r, ARCHIVE_AI_CORES, row.p);
    is_done(r, &w, "a core is named like another one's id");
    char id[ID_UUID_SIZE] = "";
    (void)snprintf(id, sizeof(id), "%.36s", services_at(r, core, "id") + 1);
    w = services_delete(r, ARCHIVE_AI_CORES, id, 0);
    is_done(r, &w, "that name means");
    is_str(services_at(r, w.row, "provider"), "\"simulated\"", "%s: the one that has it", NAME);
    w = services_delete(r, ARCHIVE_BOTS, "by-id", 0);
    is_done(r, &w, "a bot goes");
}

static void deletes(struct rig *r)
{
    struct edited w;

    is_refused(r, services_delete(r, ARCHIVE_AI_CORES, "gpt", 0), ARCHIVE_EDIT_IN_USE, "a core that a bot names stays");
    is_refused(r, services_delete(r, ARCHIVE_PLATFORMS, "pages", 0), ARCHIVE_EDIT_IN_USE, "a platform, too");
    is_refused(r, services_delete(r, ARCHIVE_BOTS, "b1", 1), ARCHIVE_EDIT_STALE, "another version stays");
    is_refused(r, services_delete(r, ARCHIVE_BOTS, "nobody", 0), ARCHIVE_EDIT_UNKNOWN, "nobody cannot go");
    is_refused(r, services_delete(r, ARCHIVE_BOTS, "", 0), ARCHIVE_EDIT_UNKNOWN, "nor who has no name");
    is_refused(r, services_delete(r, ARCHIVE_BOTS, "\xff", 0), ARCHIVE_EDIT_UNKNOWN, "nor a name that cannot be");
    int64_t before = services_poll(r, 0).s.version;
    w = services_delete(r, ARCHIVE_BOTS, "b1", 4);
    is_done(r, &w, "a bot goes");
    is_str(services_at(r, w.row, "ai_core"), "\"gpt\"", "%s: and is told as it was", NAME);
    is_str(services_at(r, w.row, "version"), "4", "%s: with its version", NAME);
    struct polled p = services_poll(r, before);
    ok(p.s.changed && services_row(&p, ARCHIVE_BOTS, "b1").p == NULL, "%s: that is noticed", NAME);
    w = services_delete(r, ARCHIVE_AI_CORES, "gpt", 0);
    is_done(r, &w, "now its core can go");
    w = services_delete(r, ARCHIVE_PLATFORMS, "pages", 1);
    is_done(r, &w, "and its platform");
    w = services_delete(r, ARCHIVE_BOTS, "a0", 0);
    is_done(r, &w, "and the other bot");
}

/* Values that a caller should have found. */
static void refuses_values(struct rig *r)
{
    static const struct {
        enum archive_service service;
        const char *row;
    } bad[] = {
        { ARCHIVE_AI_CORES, "{\"name\":\"x\",\"provider\":\"nobody\"}" },
        { ARCHIVE_AI_CORES, "{\"name\":\"x\",\"provider\":\"native\",\"api_key\":\"sk-secret\"}" },
        { ARCHIVE_AI_CORES, "{\"name\":\"x\",\"provider\":\"native\",\"timeout_ms\":0}" },
        { ARCHIVE_AI_CORES, "{\"name\":\"x\",\"provider\":\"native\",\"timeout_ms\":\"soon\"}" },
        { ARCHIVE_AI_CORES, "{\"provider\":\"native\"}" },
        { ARCHIVE_AI_CORES, "{\"name\":\"x\",\"provider\":\"native\",\"settings\":[]}" },
        { ARCHIVE_PLATFORMS, "{\"name\":\"x\",\"provider\":\"log\",\"environments\":\"text\"}" },
        { ARCHIVE_BOTS, "{\"bot_id\":\"x\"}" },
        { ARCHIVE_BOTS, "{\"name\":\"x\"}" },
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        is_refused(r, services_insert(r, bad[i].service, bad[i].row), ARCHIVE_EDIT_REFUSED, bad[i].row);
    struct edited w = services_insert(r, ARCHIVE_AI_CORES, "{\"name\":\"x\",\"provider\":\"native\"}");
    is_done(r, &w, "nothing is left of them");
    is_refused(r, services_replace(r, ARCHIVE_AI_CORES, "x", "{\"name\":\"x\",\"provider\":\"nobody\"}", 0), ARCHIVE_EDIT_REFUSED, "nor when replacing");
    ok(archive_is_up(r->a), "%s: and it is up all the while", NAME);
    struct polled p = services_poll(r, 0);
    is_sv(services_row(&p, ARCHIVE_AI_CORES, "x"), w.row, "%s: the row is as it was", NAME);
    w = services_delete(r, ARCHIVE_AI_CORES, "x", 1);
    is_done(r, &w, "the end of it");
}

/* Somebody types SQL. */
static void by_hand(struct rig *r)
{
    struct edited core = services_insert(r, ARCHIVE_AI_CORES, "{\"name\":\"hand\",\"provider\":\"native\"}");
    struct edited bot = services_insert(r, ARCHIVE_BOTS, "{\"bot_id\":\"hand\",\"name\":\"x\",\"ai_core\":\"hand\"}");
    is_done(r, &core, "a core");
    is_done(r, &bot, "a bot");
    int64_t known = services_poll(r, 0).s.version;

    (void)rig_query(r, "UPDATE bots SET name = 'typed' WHERE bot_id = 'hand'");
    struct polled p = services_poll(r, known);
    ok(p.s.changed && p.s.version > known, "%s: an UPDATE that somebody types is noticed", NAME);
    struct sv row = services_row(&p, ARCHIVE_BOTS, "hand");
    is_str(services_at(r, row, "name"), "\"typed\"", "%s: with what it changed", NAME);
    is_int(services_number(row, "version"), 2, "%s: the row's version has grown", NAME);
    ok(services_number(row, "updated_at") >= services_number(bot.row, "updated_at"), "%s: and its time is set", NAME);
    is_refused(r, services_replace(r, ARCHIVE_BOTS, "hand", BOT_FULL, 1), ARCHIVE_EDIT_STALE, "who read it before is late");
    known = p.s.version;
    (void)rig_query(r, "DELETE FROM ai_cores WHERE name = 'hand'");
    p = services_poll(r, known);
    row = services_row(&p, ARCHIVE_BOTS, "hand");
    ok(p.s.changed && p.s.rows_n[ARCHIVE_AI_CORES] == 0, "%s: so is a DELETE", NAME);
    is_str(services_at(r, row, "ai_core"), "null", "%s: whoever named it names none", NAME);
    is_int(services_number(row, "version"), 3, "%s: which is a change of theirs", NAME);
    known = p.s.version;
    (void)rig_query(r, r->server != NULL ? "INSERT INTO platforms (id, name, provider) VALUES (gen_random_uuid(), 'typed', 'log')"
                                         : "INSERT INTO platforms (id, name, provider, created_at, updated_at) VALUES ('p', 'typed', 'log', 1, 1)");
    p = services_poll(r, known);
    ok(p.s.changed && p.s.rows_n[ARCHIVE_PLATFORMS] == 1, "%s: and an INSERT", NAME);
    known = p.s.version;
    (void)rig_query(r, "DELETE FROM platforms; ");
    (void)rig_query(r, "DELETE FROM bots");
    (void)rig_query(r, "DELETE FROM service_version");
    ok(services_poll(r, known).s.changed, "%s: a version that somebody deletes is another one", NAME);
    while (clock_wall_ms() <= known) /* a new number begins at the clock's, which the changes above may have overtaken by a moment */
        (void)usleep(1000);
    core = services_insert(r, ARCHIVE_AI_CORES, "{\"name\":\"after\",\"provider\":\"native\"}");
    is_done(r, &core, "the next change");
    p = services_poll(r, known);
    ok(p.s.changed && p.s.version > known, "%s: makes one that nobody has seen", NAME);
    core = services_delete(r, ARCHIVE_AI_CORES, "after", 0);
    is_done(r, &core, "the last");
}

void services(struct rig *r)
{
    starts_empty(r);
    goes_in_and_out(r);
    replaces(r);
    names_by_id(r);
    deletes(r);
    refuses_values(r);
    by_hand(r);
    services_editors(r);
}
