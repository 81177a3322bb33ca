/* SPDX-License-Identifier: MIT
 * What becomes of the rows of the database: values and defaults, environments, secrets, and rows that cannot be used. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "t/tap.h"
#include "t/turn/bots_rig.h"

static void what_a_row_says(void)
{
    registry_open_db(60000);
    (void)setenv("T_BOTS_KEY", "key-1", 1);
    registry_core("fast", "\"provider\":\"native\",\"base_url\":\"http://ai:1\",\"path\":\"/p\",\"model\":\"m1\",\"api_key\":\"env:T_BOTS_KEY\","
                 "\"timeout_ms\":1500,\"settings\":{\"retries\":7}");
    registry_core("play", "\"provider\":\"simulated\",\"base_url\":null,\"path\":null,\"model\":null,\"api_key\":null,\"timeout_ms\":null,\"settings\":{\"delay_ms\":11}");
    registry_platform("page", "\"provider\":\"actions\",\"base_url\":\"https://p\",\"token\":\"env:T_BOTS_KEY\",\"deliver\":false,"
                     "\"settings\":{\"timeout_ms\":2500,\"idempotent\":true}");
    registry_platform("paper", "\"provider\":\"log\"");
    registry_bot("sales", 3, "\"name\":\"Sales\",\"ai_core\":\"fast\",\"platform\":\"page\",\"system_prompt\":\"Be \\\"kind\\\"\",\"enabled\":false,"
            "\"settings\":{\"on_newer\":\"interrupt\",\"debounce_ms\":100,\"max_wait_ms\":200,\"restart_max\":0,\"pending_max\":9,"
            "\"context_messages\":8,\"human_lease_minutes\":2,\"job_max_attempts\":4,\"retry_for_hours\":6,\"tone\":\"warm\",\"x\":{\"y\":[1]}}");
    registry_bot("plain", 1, "\"name\":\"Plain\",\"ai_core\":null,\"platform\":null,\"settings\":{}");
    registry_bot("quick", 1, "\"name\":\"Quick\",\"ai_core\":\"play\",\"platform\":\"paper\",\"settings\":{\"ai_timeout\":2}");
    ok(registry_find("sales") == NULL, "before the first answer nothing is found");
    registry_refresh();
    ok(bots_is_known(registry.bots), "then they are known");
    struct bot *s = registry_find("sales");
    if (!ok(s != NULL, "a bot is found"))
        bail_out("no bot");
    is_str(s->bot_id, "sales", "its id");
    is_str(s->name, "Sales", "its name");
    is_int(s->version, 3, "its version");
    ok(!s->enabled && !s->deliver && s->trouble == NULL, "its flags");
    is_str(registry_ai_of(s), "fast http://ai:1 /p m1 key-1 1500 7 -1", "its AI, with the secret");
    is_str(registry_platform_of(s), "page https://p - key-1 2500", "its platform");
    is_sv(s->json, SV("{\"id\":\"sales\",\"name\":\"Sales\",\"version\":3,\"system_prompt\":\"Be \\\"kind\\\"\",\"settings\":{"
                      "\"on_newer\":\"interrupt\",\"debounce_ms\":100,\"max_wait_ms\":200,\"restart_max\":0,\"pending_max\":9,"
                      "\"context_messages\":8,\"human_lease_minutes\":2,\"job_max_attempts\":4,\"retry_for_hours\":6,\"tone\":\"warm\",\"x\":{\"y\":[1]}},"
                      "\"model\":\"m1\"}"), "what the AI is told");
    const struct policy *p = &s->policy;
    ok(p->on_newer == ON_NEWER_INTERRUPT && p->debounce_ms == 100 && p->max_wait_ms == 200 && p->restart_max == 0 && p->pending_max == 9,
       "its policy");
    ok(s->context_max == 8 && p->human_lease_ms == 120000 && p->attempts_max == 4 && p->retry_for_ms == 6 * 3600000, "more of it");
    ok(p->ai_timeout_ms == 1500 && p->send_timeout_ms == 2500 && p->send_idempotent, "of its core and platform");
    ok(p->lease_ttl_ms == 30000 && p->sends_max == 5 && p->retry_cap_ms == 60000, "the rest is the default bot's");
    bot_release(s);
    struct bot *plain = registry_find("plain");
    is_str(registry_ai_of(plain), "environment", "a bot without a core asks the default bot's AI");
    is_str(registry_platform_of(plain), "environment", "the same for the platform");
    ok(plain->deliver && plain->enabled && memcmp(&plain->policy, &registry_base.policy, sizeof(registry_base.policy)) == 0 && plain->context_max == 40,
       "and behaves like it");
    has_str(plain->json.p, "\"system_prompt\":null,\"settings\":{},\"model\":null", "with nothing to tell");
    bot_release(plain);
    struct bot *quick = registry_find("quick");
    is_str(registry_ai_of(quick), "play - - -  0 -1 11 simulated", "the simulated AI");
    is_str(registry_platform_of(quick), "paper - -  0 log", "the log");
    is_int(quick->policy.ai_timeout_ms, 2000, "ai_timeout is in seconds");
    bot_release(quick);
    ok(registry_find("") == NULL && registry_find("Sales") == NULL && bots_find(registry.bots, SV_NONE) == NULL, "ids are exact");
    registry_close_db();
}

static void broken_rows(void)
{
    static const struct {
        const char *row, *why;
    } table[] = {
        { "\"name\":\"B\",\"settings\":{\"debounce_ms\":-1}",
          "its row cannot be used: settings.debounce_ms: Input should be greater than or equal to 0" },
        { "\"name\":\"B\",\"settings\":{\"on_newer\":\"never\"}",
          "its row cannot be used: settings.on_newer: Input should be 'restart', 'finish', 'interrupt' or 'reject'" },
        { "\"name\":\"B\",\"settings\":[1]", "its row cannot be used: settings: Input should be a valid dictionary" },
        { "\"name\":\"B\",\"settings\":\"x\"", "its row cannot be used: settings: Input should be a valid dictionary" },
        { "\"name\":17", "its row cannot be used: name: Input should be a valid string" },
        { "\"name\":\"B\",\"enabled\":1", "its row cannot be used: enabled: Input should be a valid boolean" },
        { "\"name\":\"B\",\"ai_core\":\"nobody\"", "ai_core \"nobody\": there is none of this name" },
        { "\"name\":\"B\",\"platform\":\"nobody\"", "platform \"nobody\": there is none of this name" },
        { "\"name\":\"B\",\"ai_core\":\"gpt\"", "ai_core \"gpt\": base_url: Field required" },
        { "\"name\":\"B\",\"platform\":\"fm\"", "(none)" },
        { "\"name\":\"B\",\"ai_core\":\"lost\"", "ai_core \"lost\": base_url: Field required" },
        { "\"name\":\"B\",\"ai_core\":\"open\"", "ai_core \"open\": base_url: URL should not hold a user or password" },
        { "\"name\":\"B\",\"ai_core\":\"keyless\"", "ai_core \"keyless\": env:T_BOTS_NO_SUCH is not set" },
        { "\"name\":\"B\",\"ai_core\":\"bare\"", "ai_core \"bare\": api_key: Input should name where the secret is: env:NAME or file:/path" },
        { "\"name\":\"B\",\"ai_core\":\"fine\"", "(none)" },
    };
    registry_open_db(60000);
    registry_core("gpt", "\"provider\":\"openai\",\"model\":\"m\"");
    registry_core("lost", "\"provider\":\"native\"");
    registry_core("open", "\"provider\":\"native\",\"base_url\":\"http://me:secret@x\"");
    registry_core("keyless", "\"provider\":\"native\",\"base_url\":\"http://x\",\"api_key\":\"env:T_BOTS_NO_SUCH\"");
    registry_core("bare", "\"provider\":\"native\",\"base_url\":\"http://x\",\"api_key\":\"sk-very-secret\"");
    registry_core("fine", "\"provider\":\"native\",\"base_url\":\"http://x\"");
    registry_platform("fm", "\"provider\":\"pages_fm\"");
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        registry_bot("b", (int)i + 1, table[i].row);
        registry_refresh();
        is_str(registry_trouble("b"), table[i].why, "row %zu", i);
        struct bot *b = registry_find("b");
        is_int(b->version, i + 1, "its version");
        ok(b->enabled, "its messages wait: it is not silent");
        ok(b->ai == NULL || b->platform == NULL || b->trouble == NULL, "nothing can be asked of it");
        bot_release(b);
    }
    registry_bot("b", 80, "\"name\":17,\"enabled\":false");
    registry_refresh();
    struct bot *off = registry_find("b");
    ok(off->trouble != NULL && !off->enabled, "one that is switched off as well is silent");
    bot_release(off);
    is_int(registry_logged("sk-very-secret"), 0, "no secret in the log");
    is_int(registry_logged("me:secret"), 0, "not in an address either");
    int told = registry_logged("a bot cannot be used");
    registry_bot("b", 90, "\"name\":\"B\",\"ai_core\":\"lost\"");
    registry_refresh();
    registry_bot("other", 1, "\"name\":\"O\"");
    registry_refresh();
    bots_set_base(registry.bots, &registry_base);
    is_int(registry_logged("a bot cannot be used"), told + 1, "told once for a version");
    archive_double_put(&registry.db, ARCHIVE_BOTS, "no json");
    archive_double_put(&registry.db, ARCHIVE_BOTS, "[]");
    archive_double_put(&registry.db, ARCHIVE_BOTS, "{\"name\":\"nobody\"}");
    archive_double_put(&registry.db, ARCHIVE_AI_CORES, "no json");
    archive_double_put(&registry.db, ARCHIVE_PLATFORMS, "{}");
    registry_refresh();
    is_str(registry_trouble("other"), "(none)", "rows that are none harm nobody else");
    registry.refuse = true;
    registry_core("fine", "\"provider\":\"native\",\"base_url\":\"http://y\"");
    registry_bot("b", 91, "\"name\":\"B\",\"ai_core\":\"fine\"");
    registry_refresh();
    is_str(registry_trouble("b"), "ai_core \"fine\": the factory has none", "one that cannot be opened");
    registry.refuse = false;
    registry_close_db();
}

static void environments(void)
{
    registry_open_db(60000);
    registry_core("c", "\"provider\":\"native\",\"base_url\":\"http://live\",\"settings\":{\"retries\":1,\"note\":\"n\"},\"environments\":{"
              "\"staging\":{\"base_url\":\"http://staging\",\"retries\":2,\"timeout_ms\":77},\"production\":{\"base_url\":5}}");
    registry_core("s", "\"provider\":\"simulated\"");
    registry_bot("a", 1, "\"name\":\"A\",\"ai_core\":\"c\",\"system_prompt\":\"live\",\"settings\":{\"debounce_ms\":1,\"keep\":true},\"environments\":{"
            "\"staging\":{\"settings\":{\"debounce_ms\":2,\"more\":\"x\"},\"restart_max\":1,\"system_prompt\":null,\"name\":\"A in staging\","
            "\"bot_id\":\"other\"},\"test\":{\"enabled\":false}}");
    registry_bot("b", 1, "\"name\":\"B\",\"environments\":{\"staging\":{\"ai_core\":\"s\"}}");
    registry_bot("w", 1, "\"name\":\"W\",\"environments\":{\"staging\":{\"debounce_ms\":\"soon\"}}");
    registry_refresh();
    struct bot *a = registry_find("a"), *b = registry_find("b");
    is_str(registry_ai_of(a), "c http://staging - -  77 2 -1", "a core in this environment");
    is_int(a->policy.debounce_ms, 2, "settings are merged");
    is_int(a->policy.restart_max, 1, "also when they stand there by themselves");
    is_sv(a->json, SV("{\"id\":\"a\",\"name\":\"A in staging\",\"version\":1,\"system_prompt\":null,\"settings\":{\"debounce_ms\":2,"
                      "\"keep\":true,\"more\":\"x\",\"restart_max\":1},\"model\":null}"), "what the AI is told here");
    ok(a->enabled, "other environments are not looked at");
    is_str(registry_ai_of(b), "s - - -  0 -1 -1 simulated", "another core in this environment");
    is_str(registry_trouble("w"), "its row cannot be used: settings.debounce_ms: Input should be a valid integer", "a wrong entry is trouble");
    bot_release(a);
    bot_release(b);
    registry_close_db();
}

static void write_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "we");
    if (out == NULL || fputs(text, out) < 0 || fclose(out) != 0)
        bail_out("%s cannot be written", path);
}

static void secrets(void)
{
    char path[96], row[256], why[200];
    int again = registry_logged("a bot can be used again");
    (void)snprintf(path, sizeof(path), "%s.secret", registry.log_path);
    write_file(path, "first-secret\nsecond line\n");
    (void)unsetenv("T_BOTS_LATER");
    registry_open_db(60000);
    (void)snprintf(row, sizeof(row), "\"provider\":\"native\",\"base_url\":\"http://x\",\"api_key\":\"file:%s\"", path);
    registry_core("f", row);
    registry_core("e", "\"provider\":\"native\",\"base_url\":\"http://x\",\"api_key\":\"env:T_BOTS_LATER\"");
    registry_bot("f", 1, "\"name\":\"F\",\"ai_core\":\"f\"");
    registry_bot("e", 1, "\"name\":\"E\",\"ai_core\":\"e\"");
    registry_refresh();
    struct bot *f = registry_find("f");
    is_str(registry_ai_of(f), "f http://x - - first-secret 0 -1 -1", "the first line of a file");
    is_str(registry_trouble("e"), "ai_core \"e\": env:T_BOTS_LATER is not set", "a variable that is not set");
    write_file(path, "rotated\r\n");
    (void)setenv("T_BOTS_LATER", "now", 1);
    registry_bot("f", 2, "\"name\":\"F\",\"ai_core\":\"f\"");
    registry_refresh();
    struct bot *f2 = registry_find("f");
    is_str(registry_ai_of(f2), "f http://x - - first-secret 0 -1 -1", "no secret is read again for a change elsewhere");
    bot_release(f2);
    bots_set_base(registry.bots, &registry_base);
    f2 = registry_find("f");
    is_str(registry_ai_of(f2), "f http://x - - rotated 0 -1 -1", "but with a reload");
    is_str(registry_ai_of(f), "f http://x - - first-secret 0 -1 -1", "while a turn goes on with the old one");
    is_str(registry_trouble("e"), "(none)", "and what was not there may be there now");
    is_int(registry_logged("a bot can be used again"), again + 1, "which is said");
    bot_release(f2);
    bot_release(f);
    static const struct {
        const char *text, *why;
    } table[] = {
        { "", "is empty" }, { "\nx\n", "is empty" }, { "two words\n", "holds a character that no secret has" },
        { "caf\xC3\xA9\n", "holds a character that no secret has" },
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        write_file(path, table[i].text);
        bots_set_base(registry.bots, &registry_base);
        (void)snprintf(why, sizeof(why), "ai_core \"f\": file:%s %s", path, table[i].why);
        is_str(registry_trouble("f"), why, "file %zu", i);
    }
    (void)unlink(path);
    bots_set_base(registry.bots, &registry_base);
    (void)snprintf(why, sizeof(why), "ai_core \"f\": file:%s cannot be read: No such file or directory", path);
    is_str(registry_trouble("f"), why, "no file");
    registry_core("f", "\"provider\":\"native\",\"base_url\":\"http://x\",\"api_key\":\"file:/\"");
    registry_refresh();
    has_str(registry_trouble("f"), "file:/ cannot be read", "no regular file");
    is_int(registry_logged("first-secret") + registry_logged("rotated") + registry_logged("caf"), 0, "no secret in the log");
    registry_settle();
    registry_close_db();
}

/* ---- pages of the page API ---- */

static const char *bot_of_page(const char *page_id)
{
    static char id[64];
    struct bot *b = bots_find_page(registry.bots, sv_from(page_id));
    (void)snprintf(id, sizeof(id), "%s", b != NULL ? b->bot_id : "(none)");
    bot_release(b);
    return id;
}

static void pages(void)
{
    registry_open_db(60000);
    is_str(bot_of_page("1"), "(none)", "nothing is known yet");
    registry_platform("one", "\"provider\":\"pages_fm\",\"settings\":{\"page_id\":\"1\"}");
    registry_platform("two", "\"provider\":\"pages_fm\",\"settings\":{\"page_id\":\"0\",\"idempotent\":false},\"environments\":{\"staging\":{\"page_id\":\"2\"}}");
    registry_platform("old", "\"provider\":\"actions\",\"base_url\":\"http://x\",\"settings\":{\"page_id\":\"3\"}");
    registry_platform("any", "\"provider\":\"pages_fm\"");
    registry_bot("z", 1, "\"name\":\"Z\",\"platform\":\"one\"");
    registry_bot("y", 1, "\"name\":\"Y\",\"platform\":\"two\"");
    registry_bot("x", 1, "\"name\":\"X\",\"platform\":\"old\"");
    registry_bot("w", 1, "\"name\":\"W\",\"platform\":\"any\"");
    registry_bot("v", 1, "\"name\":\"V\"");
    registry_refresh();
    is_str(bot_of_page("1"), "z", "the bot whose platform names the page");
    is_str(bot_of_page("2"), "y", "as it is in this environment");
    is_str(bot_of_page("0"), "(none)", "not as it is in others");
    is_str(bot_of_page("3"), "(none)", "another provider has no pages");
    is_str(bot_of_page(""), "(none)", "no page");
    struct bot *y = registry_find("y"), *x = registry_find("x");
    ok(y->policy.send_idempotent, "what may have arrived is read back, whatever the row says of repeats");
    ok(!x->policy.send_idempotent, "elsewhere it is not");
    has_str(registry_platform_of(y), " page 2", "the platform is told its page");
    bot_release(x);
    bot_release(y);
    registry_bot("b", 1, "\"name\":\"B\",\"platform\":\"one\",\"enabled\":false");
    registry_bot("c", 1, "\"name\":\"C\",\"platform\":\"one\",\"ai_core\":\"nobody\"");
    registry_refresh();
    is_str(bot_of_page("1"), "z", "one that works comes before one that does not");
    registry_bot("d", 1, "\"name\":\"D\",\"platform\":\"one\"");
    registry_refresh();
    is_str(bot_of_page("1"), "d", "of two that work it is always the same one");
    registry_close_db();
}

int main(void)
{
    registry_begin("bots_rows");
    what_a_row_says();
    broken_rows();
    environments();
    secrets();
    pages();
    registry_end();
    return done_testing();
}
