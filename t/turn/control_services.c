/* SPDX-License-Identifier: MIT
 * Rows of bots, AI cores and platforms as an administrator reads and changes them: what comes out, what is refused and in which words, and what
 * the archive is asked for. The archive is a double. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/log.h"
#include "t/lib/archive_double.h"
#include "t/tap.h"
#include "t/turn/rig.h"
#include "turn/bot_row.h"
#include "turn/control_services.h"
#include "turn/turn_parts.h"

static struct rig r;
static struct archive_double db;
static const struct bot base = { .policy = { .pending_max = 500 }, .context_max = 40 };

/* ---- asking ---- */

static struct {
    int status;
    char code[64], message[200];
    struct buf result, detail;
} said;

static void on_answer(void *arg, const struct control_answer *a)
{
    (void)arg;
    if (said.status != 0)
        bail_out("answered twice");
    said.status = a->http_status;
    (void)snprintf(said.code, sizeof(said.code), "%s", a->code != NULL ? a->code : "");
    (void)snprintf(said.message, sizeof(said.message), "%s", a->message != NULL ? a->message : "");
    if (a->result.p != NULL)
        buf_add(&said.result, a->result);
    if (a->detail.p != NULL)
        buf_add(&said.detail, a->detail);
}

static void forget(void)
{
    said.status = 0;
    buf_clear(&said.result);
    buf_clear(&said.detail);
}

static int wait_for(void)
{
    if (said.status != 0)
        bail_out("an answer from inside the call");
    for (int i = 0; i < 5000 && said.status == 0; i++)
        loop_turn(r.loop, false);
    return said.status;
}

static int list(enum archive_service kind, const char *cursor, size_t limit)
{
    const struct control_page page = { .cursor = sv_from(cursor), .limit = limit };
    forget();
    control_services_list(r.turns, kind, &page, on_answer, NULL);
    return wait_for();
}

static int show(struct bots *b, enum archive_service kind, const char *name)
{
    forget();
    control_services_show(r.turns, b, kind, sv_from(name), on_answer, NULL);
    return wait_for();
}

static int put(enum control_service_op op, enum archive_service kind, const char *name, const char *row, int64_t version)
{
    const struct control_service what = { .kind = kind, .op = op, .name = sv_from(name), .row = sv_from(row), .expect_version = version };
    forget();
    control_services_write(r.turns, NULL, &what, on_answer, NULL);
    return wait_for();
}

static int create(enum archive_service kind, const char *row)
{
    return put(CONTROL_CREATE, kind, NULL, row, 0);
}

static int drop(enum archive_service kind, const char *name, int64_t version)
{
    forget();
    control_services_delete(r.turns, NULL, kind, sv_from(name), version, on_answer, NULL);
    return wait_for();
}

static const char *result(void)
{
    return said.result.p != NULL && said.result.n > 0 ? said.result.p : "";
}

static const char *detail(void)
{
    return said.detail.p != NULL && said.detail.n > 0 ? said.detail.p : "";
}

static const char *stored(enum archive_service kind, size_t i)
{
    return i < db.n[kind] ? db.rows[kind][i] : "(none)";
}

static void begin(void)
{
    archive_double_open(&db, r.loop);
    r.turns->o.archive = &db.archive;
}

static void end(void)
{
    archive_double_close(&db);
    r.turns->o.archive = NULL;
}

/* ---- tests ---- */

static void without_a_database(void)
{
    is_int(list(ARCHIVE_BOTS, NULL, 10), 503, "a list without a database");
    is_str(said.code, "no_database", "says so");
    is_int(show(NULL, ARCHIVE_AI_CORES, "x"), 503, "a core");
    is_int(create(ARCHIVE_BOTS, "{}"), 503, "a new one");
    is_int(drop(ARCHIVE_PLATFORMS, "x", 0), 503, "a removal");
    is_str(said.code, "no_database", "all say so");
    begin();
    db.away = true;
    is_int(list(ARCHIVE_BOTS, NULL, 10), 503, "a database that is away");
    is_str(said.code, "archive_unavailable", "says so");
    is_int(show(NULL, ARCHIVE_BOTS, "x"), 503, "one of it");
    is_int(create(ARCHIVE_PLATFORMS, "{\"name\":\"p\",\"provider\":\"log\"}"), 503, "a new one");
    has_str(said.message, "not known whether", "nobody knows whether it was made");
    is_int(put(CONTROL_REPLACE, ARCHIVE_PLATFORMS, "p", "{\"provider\":\"log\"}", 0), 503, "a nameless one");
    is_int(drop(ARCHIVE_PLATFORMS, "p", 0), 503, "a removal");
    end();
}

static void life_of_a_row(void)
{
    begin();
    is_int(create(ARCHIVE_AI_CORES, "{\"name\":\"c\",\"provider\":\"native\",\"base_url\":\"http://ai:8001\",\"api_key\":\"env:KEY\"}"), 201, "a core");
    is_str(result(), "{\"name\":\"c\",\"provider\":\"native\",\"base_url\":\"http://ai:8001\",\"path\":null,\"model\":null,\"api_key\":\"env:KEY\","
                     "\"timeout_ms\":null,\"settings\":{},\"environments\":{},\"id\":\"01890000-0000-7000-8000-000000000001\",\"version\":1,"
                     "\"created_at\":1699123456.789,\"updated_at\":1699123456.790}", "whole, with its defaults, times in seconds");
    is_int(create(ARCHIVE_PLATFORMS, "{\"name\":\"p\",\"provider\":\"log\",\"deliver\":false,\"settings\":{\"timeout_ms\":5,\"mine\":[1]}}"), 201, "a platform");
    has_str(result(), "\"deliver\":false,\"settings\":{\"timeout_ms\":5,\"mine\":[1]}", "as it was handed in");
    is_int(create(ARCHIVE_BOTS, "{\"bot_id\":\"sales\",\"name\":\"Sales\",\"ai_core\":\"c\",\"platform\":\"p\",\"system_prompt\":\"\\u0001x\"}"), 201, "a bot");
    has_str(result(), "\"bot_id\":\"sales\",\"name\":\"Sales\",\"ai_core\":\"c\",\"platform\":\"p\",\"system_prompt\":\"\\u0001x\",\"enabled\":true,"
                      "\"settings\":{},\"environments\":{}", "with its defaults");
    is_int(create(ARCHIVE_BOTS, "{\"bot_id\":\"sales\",\"name\":\"S\"}"), 409, "the same once more");
    is_str(said.code, "exists", "exists");
    is_int(show(NULL, ARCHIVE_BOTS, "sales"), 200, "it can be seen");
    has_str(result(), "\"name\":\"Sales\"", "as it is");
    is_int(show(NULL, ARCHIVE_BOTS, "01890000-0000-7000-8000-000000000003"), 200, "by its UUID, too");
    is_int(put(CONTROL_REPLACE, ARCHIVE_BOTS, "sales", "{\"name\":\"S2\",\"enabled\":false}", 0), 200, "replaced");
    has_str(result(), "\"bot_id\":\"sales\",\"name\":\"S2\",\"ai_core\":null,\"platform\":null,\"system_prompt\":null,\"enabled\":false",
            "all of it: what is not said has its default");
    has_str(result(), "\"version\":4", "another version");
    is_int(put(CONTROL_REPLACE, ARCHIVE_BOTS, "sales", "{\"bot_id\":\"vente\",\"name\":\"S2\",\"ai_core\":\"c\"}", 4), 200, "with another id");
    is_int(show(NULL, ARCHIVE_BOTS, "sales"), 404, "the old one is gone");
    is_str(said.code, "unknown_bot", "says so");
    is_int(put(CONTROL_REPLACE, ARCHIVE_BOTS, "vente", "{\"name\":\"S\"}", 4), 409, "a version of before");
    is_str(said.code, "stale", "stale");
    is_int(put(CONTROL_REPLACE, ARCHIVE_BOTS, "vente", "{\"name\":\"S\",\"version\":4}", 0), 409, "the same from the body");
    is_int(put(CONTROL_REPLACE, ARCHIVE_BOTS, "vente", "{\"name\":\"S\",\"version\":4,\"ai_core\":\"c\"}", 5), 200, "what is said apart counts");
    is_int(drop(ARCHIVE_AI_CORES, "c", 0), 409, "a core that a bot uses");
    is_str(said.code, "in_use", "is in use");
    is_str(result(), "{\"bots\":[\"vente\"]}", "by whom");
    is_int(drop(ARCHIVE_BOTS, "vente", 5), 409, "a version of before is not deleted");
    is_int(drop(ARCHIVE_BOTS, "vente", 6), 200, "that one is");
    is_str(result(), "{\"bot_id\":\"vente\",\"deleted\":true}", "says so");
    is_int(drop(ARCHIVE_BOTS, "vente", 0), 404, "once");
    is_int(drop(ARCHIVE_AI_CORES, "c", 0), 200, "and then the core");
    is_str(result(), "{\"name\":\"c\",\"deleted\":true}", "by its name");
    is_int(drop(ARCHIVE_AI_CORES, "c", 0), 404, "once");
    is_str(said.code, "unknown_ai_core", "unknown");
    is_int(show(NULL, ARCHIVE_PLATFORMS, "q"), 404, "no platform");
    is_str(said.code, "unknown_platform", "says so");
    is_int(put(CONTROL_REPLACE, ARCHIVE_PLATFORMS, "q", "{\"provider\":\"log\"}", 0), 404, "none to be replaced");
    is_int(put(CONTROL_REPLACE, ARCHIVE_PLATFORMS, "q", "{\"name\":\"q\",\"provider\":\"log\"}", 0), 404, "nor with its name");
    end();
}

static void set_makes_or_replaces(void)
{
    begin();
    is_int(put(CONTROL_SET, ARCHIVE_PLATFORMS, NULL, "{\"name\":\"p\",\"provider\":\"log\",\"version\":7}", 0), 201, "SET of a new one");
    is_int(db.n[ARCHIVE_PLATFORMS], 1, "is made, whatever version it says");
    is_int(put(CONTROL_SET, ARCHIVE_PLATFORMS, NULL, "{\"name\":\"p\",\"provider\":\"log\",\"deliver\":false}", 0), 200, "the next one replaces it");
    has_str(stored(ARCHIVE_PLATFORMS, 0), "\"deliver\":false", "indeed");
    is_int(put(CONTROL_SET, ARCHIVE_PLATFORMS, NULL, "{\"name\":\"p\",\"provider\":\"log\",\"version\":1}", 0), 409, "a version of before does not");
    is_int(show(NULL, ARCHIVE_PLATFORMS, "p"), 200, "what was shown");
    char shown[1024];
    (void)snprintf(shown, sizeof(shown), "%s", result());
    is_int(put(CONTROL_SET, ARCHIVE_PLATFORMS, NULL, shown, 0), 200, "can be handed in as it is");
    is_int(put(CONTROL_SET, ARCHIVE_PLATFORMS, NULL, "{\"provider\":\"log\"}", 0), 422, "a name is needed");
    db.refuse = ARCHIVE_EDIT_UNKNOWN; /* gone between two looks: the insert then finds it */
    is_int(put(CONTROL_SET, ARCHIVE_PLATFORMS, NULL, "{\"name\":\"p\",\"provider\":\"log\"}", 0), 200, "somebody was quicker");
    is_int(db.n[ARCHIVE_PLATFORMS], 1, "one row");
    db.refuse = ARCHIVE_EDIT_REFUSED;
    is_int(put(CONTROL_SET, ARCHIVE_PLATFORMS, NULL, "{\"name\":\"p\",\"provider\":\"log\"}", 0), 422, "the database refuses");
    has_str(detail(), "\"type\":\"refused\"", "says so");
    end();
}

static void what_is_refused(void)
{
    static char long_text[70000], long_row[80000];
    static const struct {
        int line;
        enum archive_service kind;
        const char *row, *detail;
    } table[] = {
#define D(loc, msg, type) "{\"loc\":[\"body\"" loc "],\"msg\":\"" msg "\",\"type\":\"" type "\"}"
        { __LINE__, ARCHIVE_BOTS, "[]", "[" D("", "Input should be a valid dictionary", "dict_type") "]" },
        { __LINE__, ARCHIVE_BOTS, "17", "[" D("", "Input should be a valid dictionary", "dict_type") "]" },
        { __LINE__, ARCHIVE_BOTS, "{", "[" D("", "invalid JSON in line 1, column 1: it ends too early", "json_invalid") "]" },
        { __LINE__, ARCHIVE_BOTS, "", "[" D("", "invalid JSON in line 1, column 0: it ends too early", "json_invalid") "]" },
        { __LINE__, ARCHIVE_BOTS, "{}",
          "[" D(",\"bot_id\"", "Field required", "missing") "," D(",\"name\"", "Field required", "missing") "]" },
        { __LINE__, ARCHIVE_BOTS, "{\"bot_id\":\"\",\"name\":7,\"enabled\":\"yes\",\"ai_core\":[],\"system_promt\":\"x\"}",
          "[" D(",\"system_promt\"", "Extra inputs are not permitted", "extra_forbidden") ","
              D(",\"bot_id\"", "String should have at least 1 character", "string_too_short") ","
              D(",\"name\"", "Input should be a valid string", "string_type") ","
              D(",\"ai_core\"", "Input should be a valid string", "string_type") ","
              D(",\"enabled\"", "Input should be a valid boolean", "bool_type") "]" },
        { __LINE__, ARCHIVE_BOTS, "{\"bot_id\":\"a\\nb\",\"name\":\"x\\u0085\"}",
          "[" D(",\"bot_id\"", "String should not contain control characters", "string_control_character") ","
              D(",\"name\"", "String should not contain control characters", "string_control_character") "]" },
        { __LINE__, ARCHIVE_BOTS, "{\"bot_id\":\"a\",\"name\":\"x\",\"ai_core\":\"nobody\"}",
          "[" D(",\"ai_core\"", "There is no AI core of this name", "unknown_ai_core") "]" },
        { __LINE__, ARCHIVE_BOTS, "{\"bot_id\":\"a\",\"name\":\"x\",\"platform\":\"nobody\"}",
          "[" D(",\"platform\"", "There is no platform of this name", "unknown_platform") "]" },
        { __LINE__, ARCHIVE_BOTS, "{\"bot_id\":\"a\",\"name\":\"x\",\"ai_core\":\"nobody\",\"platform\":\"nobody\"}",
          "[" D(",\"ai_core\"", "There is no AI core of this name", "unknown_ai_core") ","
              D(",\"platform\"", "There is no platform of this name", "unknown_platform") "]" },
        { __LINE__, ARCHIVE_BOTS, "{\"bot_id\":\"a\",\"name\":\"x\",\"enabled\":\"x\",\"ai_core\":\"nobody\",\"platform\":\"nobody\"}",
          "[" D(",\"enabled\"", "Input should be a valid boolean", "bool_type") ","
              D(",\"ai_core\"", "There is no AI core of this name", "unknown_ai_core") ","
              D(",\"platform\"", "There is no platform of this name", "unknown_platform") "]" },
        { __LINE__, ARCHIVE_BOTS, "{\"bot_id\":\"a\",\"name\":\"x\",\"ai_core\":\"a\\nb\",\"platform\":\"nobody\"}",
          "[" D(",\"ai_core\"", "String should not contain control characters", "string_control_character") ","
              D(",\"platform\"", "There is no platform of this name", "unknown_platform") "]" },
        { __LINE__, ARCHIVE_BOTS, "{\"bot_id\":\"\",\"name\":\"x\",\"settings\":{\"debounce_ms\":-1},\"environments\":{\"prod\":{},\"test\":{"
                                  "\"restart_max\":-1,\"settings\":{\"pending_max\":0}}}}",
          "[" D(",\"bot_id\"", "String should have at least 1 character", "string_too_short") ","
              D(",\"settings\",\"debounce_ms\"", "Input should be greater than or equal to 0", "greater_than_equal") ","
              D(",\"environments\",\"prod\"", "Environments are development, test, staging and production", "extra_forbidden") ","
              D(",\"environments\",\"test\",\"restart_max\"", "Input should be greater than or equal to 0", "greater_than_equal") ","
              D(",\"environments\",\"test\",\"settings\",\"pending_max\"", "Input should be greater than or equal to 1", "greater_than_equal") "]" },
        { __LINE__, ARCHIVE_BOTS, "{\"bot_id\":\"a\",\"name\":\"x\",\"settings\":{\"debounce_ms\":-1,\"max_wait_ms\":3600001,\"restart_max\":1.5,"
                                  "\"pending_max\":\"1\",\"on_newer\":\"never\",\"ai_timeout\":0}}",
          "[" D(",\"settings\",\"on_newer\"", "Input should be 'restart', 'finish', 'interrupt' or 'reject'", "enum") ","
              D(",\"settings\",\"debounce_ms\"", "Input should be greater than or equal to 0", "greater_than_equal") ","
              D(",\"settings\",\"max_wait_ms\"", "Input should be less than or equal to 3600000", "less_than_equal") ","
              D(",\"settings\",\"restart_max\"", "Input should be a valid integer", "int_type") ","
              D(",\"settings\",\"pending_max\"", "Input should be a valid integer", "int_type") ","
              D(",\"settings\",\"ai_timeout\"", "Input should be greater than or equal to 1", "greater_than_equal") "]" },
        { __LINE__, ARCHIVE_BOTS, "{\"bot_id\":\"a\",\"name\":\"x\",\"settings\":[],\"environments\":1}",
          "[" D(",\"settings\"", "Input should be a valid dictionary", "dict_type") ","
              D(",\"environments\"", "Input should be a valid dictionary", "dict_type") "]" },
        { __LINE__, ARCHIVE_BOTS, "{\"bot_id\":\"a\",\"name\":\"x\",\"environments\":{\"prod\":{},\"test\":1,\"staging\":{\"bot_id\":\"b\",\"tone\":\"x\","
                                  "\"debounce_ms\":\"1\",\"settings\":{\"restart_max\":-1,\"tone\":\"x\"},\"enabled\":0}}}",
          "[" D(",\"environments\",\"prod\"", "Environments are development, test, staging and production", "extra_forbidden") ","
              D(",\"environments\",\"test\"", "Input should be a valid dictionary", "dict_type") ","
              D(",\"environments\",\"staging\",\"bot_id\"", "Only fields of the row and known settings differ here; all others under settings",
                "extra_forbidden") ","
              D(",\"environments\",\"staging\",\"tone\"", "Only fields of the row and known settings differ here; all others under settings",
                "extra_forbidden") ","
              D(",\"environments\",\"staging\",\"debounce_ms\"", "Input should be a valid integer", "int_type") ","
              D(",\"environments\",\"staging\",\"enabled\"", "Input should be a valid boolean", "bool_type") ","
              D(",\"environments\",\"staging\",\"settings\",\"restart_max\"", "Input should be greater than or equal to 0", "greater_than_equal") "]" },
        { __LINE__, ARCHIVE_AI_CORES, "{\"name\":\"c\",\"provider\":\"openai\",\"model\":\"m\"}", "[" D(",\"base_url\"", "Field required", "missing") "]" },
        { __LINE__, ARCHIVE_AI_CORES, "{\"name\":\"c\",\"provider\":\"actions\"}",
          "[" D(",\"provider\"", "Input should be 'native', 'openai' or 'simulated'", "enum") "]" },
        { __LINE__, ARCHIVE_AI_CORES, "{\"name\":\"c\",\"provider\":\"openai\",\"model\":\"m\",\"base_url\":\"http://x/v1/chat/completions\"}",
          "[" D(",\"base_url\"", "URL should be the base, to which /chat/completions is added", "url_parsing") "]" },
        { __LINE__, ARCHIVE_AI_CORES, "{\"name\":\"c\",\"provider\":\"native\",\"base_url\":\"http://x/chat/completions\",\"environments\":{\"test\":{"
                                      "\"provider\":\"openai\",\"model\":\"m\"}}}",
          "[" D(",\"environments\",\"test\",\"base_url\"", "URL should be the base, to which /chat/completions is added", "url_parsing") "]" },
        { __LINE__, ARCHIVE_AI_CORES, "{\"name\":\"c\",\"provider\":\"native\"}", "[" D(",\"base_url\"", "Field required", "missing") "]" },
        { __LINE__, ARCHIVE_AI_CORES, "{\"name\":\"c\",\"provider\":\"native\",\"base_url\":\"ftp://x\"}",
          "[" D(",\"base_url\"", "Input should be a valid URL that begins with http:// or https://", "url_parsing") "]" },
        { __LINE__, ARCHIVE_AI_CORES, "{\"name\":\"c\",\"provider\":\"native\",\"base_url\":\"http://u:p@x\"}",
          "[" D(",\"base_url\"", "URL should not hold a user or password", "url_credentials") "]" },
        { __LINE__, ARCHIVE_AI_CORES, "{\"name\":\"c\",\"provider\":\"native\",\"base_url\":\"http://x/?a=1#f\"}",
          "[" D(",\"base_url\"", "URL should not have a query or a fragment", "url_parsing") "]" },
        { __LINE__, ARCHIVE_AI_CORES, "{\"name\":\"c\",\"provider\":\"native\",\"base_url\":\"http://x#f\"}",
          "[" D(",\"base_url\"", "URL should not have a query or a fragment", "url_parsing") "]" },
        { __LINE__, ARCHIVE_PLATFORMS, "{\"name\":\"p\",\"provider\":\"actions\",\"base_url\":\"http://x/v1?\"}",
          "[" D(",\"base_url\"", "URL should not have a query or a fragment", "url_parsing") "]" },
        { __LINE__, ARCHIVE_AI_CORES, "{\"name\":\"c\",\"provider\":\"simulated\",\"api_key\":\"sk-secret\",\"path\":\"p\",\"timeout_ms\":0}",
          "[" D(",\"path\"", "Input should be a path that begins with '/'", "path") ","
              D(",\"api_key\"", "Input should name where the secret is: env:NAME or file:/path", "secret_reference") ","
              D(",\"timeout_ms\"", "Input should be greater than or equal to 1", "greater_than_equal") "]" },
        { __LINE__, ARCHIVE_AI_CORES, "{\"name\":\"c\",\"provider\":\"simulated\",\"settings\":{\"retries\":21,\"delay_ms\":-1},\"environments\":{"
                                      "\"production\":{\"provider\":\"native\"}}}",
          "[" D(",\"settings\",\"retries\"", "Input should be less than or equal to 20", "less_than_equal") ","
              D(",\"settings\",\"delay_ms\"", "Input should be greater than or equal to 0", "greater_than_equal") ","
              D(",\"environments\",\"production\",\"base_url\"", "Field required", "missing") "]" },
        { __LINE__, ARCHIVE_AI_CORES, "{\"provider\":\"native\",\"environments\":{\"production\":{\"provider\":\"native\"}}}",
          "[" D(",\"name\"", "Field required", "missing") "," D(",\"base_url\"", "Field required", "missing") "]" },
        { __LINE__, ARCHIVE_AI_CORES, "{\"name\":\"c\",\"provider\":\"simulated\",\"environments\":{\"production\":{\"provider\":\"native\"},"
                                      "\"test\":{\"api_key\":\"sk-secret\"}}}",
          "[" D(",\"environments\",\"production\",\"base_url\"", "Field required", "missing") ","
              D(",\"environments\",\"test\",\"api_key\"", "Input should name where the secret is: env:NAME or file:/path", "secret_reference") "]" },
        { __LINE__, ARCHIVE_PLATFORMS, "{\"name\":\"p\",\"provider\":\"pages_fm\",\"token\":\"env:\",\"settings\":{\"idempotent\":1}}",
          "[" D(",\"token\"", "Input should name where the secret is: env:NAME or file:/path", "secret_reference") ","
              D(",\"settings\",\"idempotent\"", "Input should be a valid boolean", "bool_type") "]" },
        { __LINE__, ARCHIVE_PLATFORMS, "{\"name\":\"p\",\"provider\":\"log\",\"token\":\"file:relative\",\"version\":\"x\"}",
          "[" D(",\"token\"", "Input should name where the secret is: env:NAME or file:/path", "secret_reference") "]" },
    };
    begin();
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        is_int(create(table[i].kind, table[i].row), 422, "line %d is refused", table[i].line);
        is_str(detail(), table[i].detail, "line %d: everything that is wrong", table[i].line);
        ok(strstr(detail(), "sk-secret") == NULL && strstr(said.message, "sk-secret") == NULL, "line %d: no value is repeated", table[i].line);
    }
    is_int(put(CONTROL_REPLACE, ARCHIVE_PLATFORMS, "p", "{\"provider\":\"log\",\"version\":\"x\"}", 0), 422, "a version that is none");
    is_str(detail(), "[" D(",\"version\"", "Input should be a valid integer greater than 0", "int_type") "]", "is told");
    memset(long_text, 'x', sizeof(long_text) - 1);
    (void)snprintf(long_row, sizeof(long_row), "{\"bot_id\":\"a\",\"name\":\"%.257s\",\"system_prompt\":\"%.65537s\"}", long_text, long_text);
    is_int(create(ARCHIVE_BOTS, long_row), 422, "too long");
    is_str(detail(), "[" D(",\"name\"", "String should have at most 256 bytes of UTF-8", "string_too_long") ","
                         D(",\"system_prompt\"", "String should have at most 65536 bytes of UTF-8", "string_too_long") "]", "what is");
    (void)snprintf(long_row, sizeof(long_row), "{\"bot_id\":\"a\",\"name\":\"%.256s\",\"system_prompt\":\"%.65536s\"}", long_text, long_text);
    is_int(create(ARCHIVE_BOTS, long_row), 201, "as long as may be");
    (void)snprintf(long_row, sizeof(long_row), "{\"bot_id\":\"b\",\"name\":\"x\",\"settings\":{\"x\":\"%.16377s\"}}", long_text);
    is_int(create(ARCHIVE_BOTS, long_row), 422, "too much of settings");
    has_str(detail(), "at most 16384 bytes of JSON", "how much there may be");
    (void)snprintf(long_row, sizeof(long_row), "{\"bot_id\":\"b\",\"name\":\"x\",\"settings\":{\"x\":\"%.16376s\"}}", long_text);
    is_int(create(ARCHIVE_BOTS, long_row), 201, "as much as may be");
    is_int(db.edits, 5, "nothing but what was right went to the database, and the rows whose names it judges");
    end();
}

static void pages(void)
{
    static char prompt[60001];
    char row[61000];
    begin();
    for (int i = 0; i < 5; i++) {
        (void)snprintf(row, sizeof(row), "{\"bot_id\":\"%c\",\"name\":\"x\",\"updated_at\":1699123456789}", "dbeac"[i]);
        archive_double_put(&db, ARCHIVE_BOTS, row);
    }
    archive_double_put(&db, ARCHIVE_BOTS, "no json");
    is_int(list(ARCHIVE_BOTS, NULL, 2), 200, "a page");
    is_str(result(), "{\"bots\":[{\"bot_id\":\"a\",\"name\":\"x\",\"updated_at\":1699123456.789},{\"bot_id\":\"b\",\"name\":\"x\",\"updated_at\":"
                     "1699123456.789}],\"total\":5,\"next_cursor\":\"bots:b\"}", "in the order of their names");
    is_int(list(ARCHIVE_BOTS, "bots:b", 2), 200, "the next");
    has_str(result(), "\"next_cursor\":\"bots:d\"", "goes on behind it");
    is_int(list(ARCHIVE_BOTS, "bots:d", 2), 200, "the last");
    has_str(result(), "{\"bots\":[{\"bot_id\":\"e\",", "ends");
    has_str(result(), "\"next_cursor\":null", "there");
    is_int(list(ARCHIVE_BOTS, "bots:bb", 500), 200, "a cursor need not be there any more");
    has_str(result(), "{\"bots\":[{\"bot_id\":\"c\",", "it goes on behind where it would be");
    is_int(list(ARCHIVE_AI_CORES, NULL, 50), 200, "no cores");
    is_str(result(), "{\"ai_cores\":[],\"total\":0,\"next_cursor\":null}", "an empty list");
    is_int(list(ARCHIVE_PLATFORMS, "platforms:x", 50), 200, "no platforms");
    memset(prompt, 'x', sizeof(prompt) - 1);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(row, sizeof(row), "{\"bot_id\":\"z%02d\",\"name\":\"x\",\"system_prompt\":\"%s\"}", i, prompt);
        archive_double_put(&db, ARCHIVE_BOTS, row);
    }
    is_int(list(ARCHIVE_BOTS, "bots:e", 500), 200, "a page of much text");
    ok(said.result.n > 1000000 && said.result.n < 1200000, "ends early");
    has_str(result(), "\"next_cursor\":\"bots:z17\"", "and can be gone on with");
    end();
}

static void cursors(void)
{
    static const struct {
        int line;
        enum archive_service kind;
        const char *cursor;
    } table[] = {
        { __LINE__, ARCHIVE_BOTS, "junk" },       { __LINE__, ARCHIVE_BOTS, "bots" },   { __LINE__, ARCHIVE_BOTS, ":a" },
        { __LINE__, ARCHIVE_BOTS, "ai_cores:a" }, { __LINE__, ARCHIVE_AI_CORES, "c" }, { __LINE__, ARCHIVE_AI_CORES, "bots:c" },
        { __LINE__, ARCHIVE_PLATFORMS, "platform:p" },
    };
    begin();
    archive_double_put(&db, ARCHIVE_BOTS, "{\"bot_id\":\"a\",\"name\":\"x\"}");
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        is_int(list(table[i].kind, table[i].cursor, 50), 422, "line %d: a cursor that no page of this list gave out", table[i].line);
        is_str(said.code, "bad_cursor", "line %d: is named", table[i].line);
    }
    is_int(list(ARCHIVE_BOTS, "", 50), 200, "an empty one is none");
    end();
}

/* The id of a row is its own: a body with another one was meant for another row. */
static void foreign_ids(void)
{
    static const char own[] = "01890000-0000-7000-8000-000000000001", other[] = "01890000-0000-7000-8000-000000000002";
    static const char refusal[] = "[" D(",\"id\"", "This is not the id of the row that the path names", "foreign_id") "]";
    char row[300];
    begin();
    is_int(create(ARCHIVE_BOTS, "{\"bot_id\":\"a\",\"name\":\"A\"}"), 201, "a row");
    is_int(create(ARCHIVE_BOTS, "{\"bot_id\":\"b\",\"name\":\"B\"}"), 201, "another one");
    (void)snprintf(row, sizeof(row), "{\"bot_id\":\"a\",\"name\":\"A2\",\"id\":\"%s\"}", other);
    is_int(put(CONTROL_REPLACE, ARCHIVE_BOTS, "a", row, 0), 422, "the id of another row");
    is_str(detail(), refusal, "is named");
    is_int(put(CONTROL_REPLACE, ARCHIVE_BOTS, own, row, 0), 422, "also where the path has the UUID");
    is_str(detail(), refusal, "is named");
    (void)snprintf(row, sizeof(row), "{\"name\":\"A2\",\"id\":\"%s\"}", other);
    is_int(put(CONTROL_REPLACE, ARCHIVE_BOTS, "a", row, 0), 422, "and where the body leaves the name to the path");
    (void)snprintf(row, sizeof(row), "{\"bot_id\":\"a\",\"name\":7,\"ai_core\":\"nobody\",\"id\":\"%s\"}", other);
    is_int(put(CONTROL_REPLACE, ARCHIVE_BOTS, "a", row, 0), 422, "with other things that are wrong");
    is_str(detail(), "[" D(",\"name\"", "Input should be a valid string", "string_type") ","
                         D(",\"id\"", "This is not the id of the row that the path names", "foreign_id") ","
                         D(",\"ai_core\"", "There is no AI core of this name", "unknown_ai_core") "]", "all are told");
    is_int(put(CONTROL_REPLACE, ARCHIVE_BOTS, "a", "{\"name\":\"A2\",\"id\":7}", 0), 422, "an id that is none");
    is_str(detail(), "[" D(",\"id\"", "Input should be a valid string", "string_type") "]", "is told");
    is_int(db.edits, 2, "nothing of it went to the database");
    (void)snprintf(row, sizeof(row), "{\"bot_id\":\"a\",\"name\":\"A2\",\"id\":\"%s\"}", own);
    is_int(put(CONTROL_REPLACE, ARCHIVE_BOTS, "a", row, 0), 200, "its own");
    is_int(put(CONTROL_REPLACE, ARCHIVE_BOTS, own, row, 0), 200, "by it");
    is_int(put(CONTROL_REPLACE, ARCHIVE_BOTS, "a", "{\"name\":\"A2\",\"id\":null}", 0), 200, "null is none");
    is_int(put(CONTROL_REPLACE, ARCHIVE_BOTS, "c", row, 0), 404, "a row that is not there");
    is_int(put(CONTROL_SET, ARCHIVE_BOTS, NULL, row, 0), 200, "SET names a row by its key");
    end();
}

static void hidden(void)
{
    begin();
    archive_double_put(&db, ARCHIVE_AI_CORES, "{\"name\":\"c\",\"api_key\":\"env:A\",\"environments\":{\"test\":{\"api_key\":\"sk-typed\"},"
                                              "\"staging\":{\"api_key\":\"file:/x\"},\"production\":5}}");
    is_int(show(NULL, ARCHIVE_AI_CORES, "c"), 200, "a row with a secret that somebody has typed into the database");
    is_str(result(), "{\"name\":\"c\",\"api_key\":\"env:A\",\"environments\":{\"test\":{\"api_key\":\"***\"},\"staging\":{\"api_key\":\"file:/x\"},"
                     "\"production\":5}}", "hides it; names stay");
    end();
}

static struct ai *no_ai(void *arg, const struct bot_core *core, struct breaker **breaker, struct err *e)
{
    (void)arg, (void)core, (void)breaker;
    (void)err_set(e, ERR_INVALID, "none here");
    return NULL;
}

static void trouble_and_looks(void)
{
    struct err e;
    begin();
    archive_double_put(&db, ARCHIVE_AI_CORES, "{\"name\":\"c\",\"provider\":\"simulated\",\"version\":1}");
    archive_double_put(&db, ARCHIVE_BOTS, "{\"bot_id\":\"a\",\"name\":\"A\",\"ai_core\":\"c\",\"version\":1}");
    archive_double_put(&db, ARCHIVE_BOTS, "{\"bot_id\":\"b\",\"name\":\"B\",\"version\":1}");
    const struct bots_options o = { .loop = r.loop, .archive = &db.archive, .environment = "test", .base = &base, .look_ms = 60000,
                                    .factory = { .open_ai = no_ai } };
    struct bots *bots = bots_new(&o, &e);
    for (int i = 0; i < 1000 && !bots_is_known(bots); i++)
        loop_turn(r.loop, false);
    is_int(show(bots, ARCHIVE_BOTS, "a"), 200, "a bot");
    has_str(result(), "\"trouble\":\"ai_core \\\"c\\\": none here\"}", "with why it cannot be used");
    is_int(show(bots, ARCHIVE_BOTS, "b"), 200, "another one");
    has_str(result(), "\"trouble\":null}", "without trouble");
    const struct control_service what = { .kind = ARCHIVE_BOTS, .op = CONTROL_SET, .row = SV("{\"bot_id\":\"b\",\"name\":\"B2\"}") };
    forget();
    control_services_write(r.turns, bots, &what, on_answer, NULL);
    is_int(wait_for(), 200, "changed");
    struct bot *b = NULL;
    for (int i = 0; i < 3000 && (b == NULL || strcmp(b->name, "B2") != 0); i++) {
        bot_release(b);
        loop_turn(r.loop, false);
        usleep(100);
        b = bots_find(bots, SV("b"));
    }
    is_str(b != NULL ? b->name : NULL, "B2", "and in force here at once");
    bot_release(b);
    bots_stop(bots);
    end();
    bots_free(bots);
}

int main(void)
{
    log_threshold = LOG_ERROR;
    rig_open(&r, &rig_policy);
    without_a_database();
    life_of_a_row();
    set_makes_or_replaces();
    what_is_refused();
    pages();
    cursors();
    foreign_ids();
    hidden();
    trouble_and_looks();
    buf_fini(&said.result);
    buf_fini(&said.detail);
    rig_close(&r);
    return done_testing();
}
