/* SPDX-License-Identifier: MIT
 * Two tables for each kind of row, its fields and its known settings, and what a row is with an environment's entry over it. The ranges of
 * settings are those of src/settings.c, where the same things are said for the default bot; t/04-settings.t compares them. */
#include "config.h"

#include "turn/bot_row_own.h"
#include "turn/policy.h"

const char *const row_environments[] = { "development", "test", "staging", "production", NULL };

static const char *const on_newer[] = {
    [ON_NEWER_RESTART] = "restart", [ON_NEWER_FINISH] = "finish", [ON_NEWER_INTERRUPT] = "interrupt", [ON_NEWER_REJECT] = "reject", NULL,
};
static const char *const core_providers[] = { "native", "openai", "simulated", NULL };
static const char *const cores_with_address[] = { "native", "openai", NULL };
static const char *const platforms_with_address[] = { "actions", NULL };
static const char *const platform_providers[] = { "actions", "pages_fm", "log", NULL };

#define SETTINGS_AND_ENVIRONMENTS                                                                                                               \
    { .name = "settings", .type = ROW_OBJECT, .max = ROW_SETTINGS_MAX },                                                                        \
    { .name = "environments", .type = ROW_OBJECT, .max = ROW_ENVIRONMENTS_MAX }

static const struct row_field bot_fields[] = {
    { .name = "bot_id", .type = ROW_ID, .required = true },
    { .name = "name", .type = ROW_ID, .required = true },
    { .name = "ai_core", .type = ROW_ID },
    { .name = "platform", .type = ROW_ID },
    { .name = "system_prompt", .type = ROW_TEXT, .max = ROW_PROMPT_MAX },
    { .name = "enabled", .type = ROW_FLAG, .yes = true },
    SETTINGS_AND_ENVIRONMENTS,
};
static const struct row_field core_fields[] = {
    { .name = "name", .type = ROW_ID, .required = true },
    { .name = "provider", .type = ROW_CHOICE, .required = true, .choices = core_providers },
    { .name = "base_url", .type = ROW_URL },
    { .name = "path", .type = ROW_PATH },
    { .name = "model", .type = ROW_ID },
    { .name = "api_key", .type = ROW_SECRET },
    { .name = "timeout_ms", .type = ROW_INT, .lo = 1, .hi = 3600000 },
    SETTINGS_AND_ENVIRONMENTS,
};
static const struct row_field platform_fields[] = {
    { .name = "name", .type = ROW_ID, .required = true },
    { .name = "provider", .type = ROW_CHOICE, .required = true, .choices = platform_providers },
    { .name = "base_url", .type = ROW_URL },
    { .name = "path", .type = ROW_PATH },
    { .name = "token", .type = ROW_SECRET },
    { .name = "deliver", .type = ROW_FLAG, .yes = true },
    SETTINGS_AND_ENVIRONMENTS,
};

#define NUMBER(n, low, high) { .name = (n), .type = ROW_INT, .lo = (low), .hi = (high) }
static const struct row_field bot_settings[] = {
    { .name = "on_newer", .type = ROW_CHOICE, .choices = on_newer },
    NUMBER("debounce_ms", 0, 600000),
    NUMBER("max_wait_ms", 0, 3600000),
    NUMBER("restart_max", 0, 1000),
    NUMBER("pending_max", 1, 10000),
    NUMBER("context_messages", 1, 1000),
    NUMBER("human_lease_minutes", 1, 525600),
    NUMBER("job_max_attempts", 1, 100),
    NUMBER("retry_for_hours", 1, 8760),
    NUMBER("ai_timeout", 1, 3600),
};
static const struct row_field core_settings[] = {
    NUMBER("timeout_ms", 1, 3600000),
    NUMBER("retries", 0, 20),
    NUMBER("delay_ms", 0, 600000),
};
static const struct row_field platform_settings[] = {
    NUMBER("timeout_ms", 1, 600000),
    { .name = "idempotent", .type = ROW_FLAG },
    { .name = "page_id", .type = ROW_ID },
};

const struct row_kind row_kinds[] = {
    [ARCHIVE_BOTS] = { "bots", "bot_id", NULL, bot_fields, bot_settings, ARRAY_LEN(bot_fields), ARRAY_LEN(bot_settings) },
    [ARCHIVE_AI_CORES] = { "ai_cores", "name", cores_with_address, core_fields, core_settings, ARRAY_LEN(core_fields), ARRAY_LEN(core_settings) },
    [ARCHIVE_PLATFORMS] = { "platforms", "name", platforms_with_address, platform_fields, platform_settings, ARRAY_LEN(platform_fields),
                            ARRAY_LEN(platform_settings) },
};
_Static_assert(ARRAY_LEN(row_kinds) == ARCHIVE_SERVICES, "every kind of row has its tables");

const char *row_table(enum archive_service kind)
{
    return row_kinds[kind].table;
}

const char *row_key(enum archive_service kind)
{
    return row_kinds[kind].key;
}

static const struct row_field *find(const struct row_field *fields, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

const struct row_field *row_find_field(enum archive_service kind, const char *name)
{
    return find(row_kinds[kind].fields, row_kinds[kind].fields_n, name);
}

const struct row_field *row_find_setting(enum archive_service kind, const char *name)
{
    return find(row_kinds[kind].settings, row_kinds[kind].settings_n, name);
}

bool row_may_differ(enum archive_service kind, const char *name)
{
    if (strcmp(name, row_kinds[kind].key) == 0 || strcmp(name, "environments") == 0)
        return false;
    return row_find_field(kind, name) != NULL || row_find_setting(kind, name) != NULL;
}

/* ---- merging ---- */

static int set(json_t *object, const char *name, const json_t *value)
{
    return json_object_set(object, name, row_plain(value)); /* counts it, changes nothing */
}

json_t *row_merged(enum archive_service kind, const json_t *row, const json_t *entry)
{
    const struct row_kind *k = &row_kinds[kind];
    json_t *to = json_copy(row_plain(row)), *settings = json_object(), *from = json_object_get(row, "settings");
    bool broken = from != NULL && !json_is_object(from) && !json_is_null(from); /* stays, to be told of */
    int rc = to == NULL || settings == NULL ? -1 : json_is_object(from) ? json_object_update(settings, from) : 0;
    for (void *at = json_object_iter(row_plain(entry)); rc == 0 && at != NULL;
         at = json_object_iter_next(row_plain(entry), at)) {
        const char *name = json_object_iter_key(at);
        const json_t *value = json_object_iter_value(at);
        if (strcmp(name, "settings") == 0 && json_is_object(value))
            rc = json_object_update(settings, row_plain(value));
        else if (strcmp(name, "settings") == 0)
            broken = !json_is_null(value) && (rc = set(to, name, value)) == 0;
        else if (row_find_field(kind, name) != NULL)
            rc = strcmp(name, k->key) == 0 || strcmp(name, "environments") == 0 ? 0 : set(to, name, value);
        else
            rc = set(settings, name, value);
    }
    if (rc == 0 && !broken)
        rc = json_object_set(to, "settings", settings);
    json_decref(settings);
    if (rc == 0)
        return to;
    json_decref(to);
    return NULL;
}

json_t *row_in(enum archive_service kind, const json_t *row, const char *environment)
{
    const json_t *entry = json_object_get(json_object_get(row, "environments"), environment);
    return row_merged(kind, row, json_is_object(entry) ? entry : NULL);
}

json_t *row_whole(enum archive_service kind, const json_t *row)
{
    const struct row_kind *k = &row_kinds[kind];
    json_t *to = json_object();
    int rc = to == NULL ? -1 : 0;
    for (size_t i = 0; rc == 0 && i < k->fields_n; i++) {
        const json_t *value = json_object_get(row, k->fields[i].name);
        if (value != NULL && !json_is_null(value))
            rc = set(to, k->fields[i].name, value);
        else if (k->fields[i].type == ROW_OBJECT)
            rc = json_object_set_new(to, k->fields[i].name, json_object());
        else
            rc = json_object_set_new(to, k->fields[i].name, k->fields[i].type == ROW_FLAG ? json_boolean(k->fields[i].yes) : json_null());
    }
    if (rc == 0)
        return to;
    json_decref(to);
    return NULL;
}

/* ---- settings ---- */

int64_t row_setting(const json_t *row, const char *name, int64_t fallback)
{
    return json_i64(json_object_get(row, "settings"), name, fallback);
}

int row_setting_choice(enum archive_service kind, const json_t *row, const char *name, int fallback)
{
    const json_t *value = json_object_get(json_object_get(row, "settings"), name);
    const struct row_field *f = row_find_setting(kind, name);
    if (json_is_boolean(value))
        return json_is_true(value);
    for (int i = 0; f != NULL && f->choices != NULL && json_is_string(value) && f->choices[i] != NULL; i++)
        if (strcmp(json_string_value(value), f->choices[i]) == 0)
            return i;
    return fallback;
}
