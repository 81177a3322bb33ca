/* SPDX-License-Identifier: MIT
 * See double_pages_rules.h. Two tables name every field, its place, kind and default. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "t/lib/double_pages_rules.h"

enum field_kind { FIELD_INT, FIELD_BOOL, FIELD_TEXT, FIELD_KIND, FIELD_DO };

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset;
    int64_t fallback;
};

#define OPTION(member, kind, fallback) { #member, (kind), offsetof(struct pages_options, member), (fallback) }
static const struct field options[] = {
    OPTION(limit, FIELD_INT, 5),
    OPTION(retry_after, FIELD_INT, -1),
    OPTION(visible_after, FIELD_INT, 0),
    OPTION(numeric_ids, FIELD_BOOL, false),
    OPTION(no_originals, FIELD_BOOL, false),
    OPTION(webhook_url, FIELD_TEXT, 0),
    OPTION(webhook_auth, FIELD_TEXT, 0),
    OPTION(webhook_secret, FIELD_TEXT, 0),
    OPTION(webhook_token, FIELD_TEXT, 0),
    OPTION(webhook_timeout_ms, FIELD_INT, 5000),
    OPTION(webhook_retries, FIELD_INT, 0),
    OPTION(webhook_retry_ms, FIELD_INT, 300),
    OPTION(connections, FIELD_INT, 20),
    OPTION(echo_times, FIELD_INT, 0),
    OPTION(echo_delay_ms, FIELD_INT, 0),
    OPTION(echo_first, FIELD_BOOL, false),
};

#define RULE(name, member, kind, fallback) { name, (kind), offsetof(struct pages_rule, member), (fallback) }
static const struct field rule_fields[] = {
    RULE("call", kind, FIELD_KIND, PAGES_ANY),
    RULE("do", does, FIELD_DO, PAGES_DO_NOTHING),
    RULE("page", page, FIELD_TEXT, 0),
    RULE("conversation_id", conversation, FIELD_TEXT, 0),
    RULE("text", text, FIELD_TEXT, 0),
    RULE("body", body, FIELD_TEXT, 0),
    RULE("skip", skip, FIELD_INT, 0),
    RULE("times", times, FIELD_INT, 0),
    RULE("status", status, FIELD_INT, 500),
    RULE("retry_after", retry_after, FIELD_INT, -1),
    RULE("delay_ms", delay_ms, FIELD_INT, 0),
    RULE("slow_ms", slow_ms, FIELD_INT, 2000),
    RULE("store", store, FIELD_BOOL, false),
};

static const char *const kinds[] = {
    [PAGES_SEND] = "send", [PAGES_READ] = "read", [PAGES_LIST] = "list", [PAGES_ANY] = "any",
};
static const char *const deeds[] = {
    [PAGES_DO_NOTHING] = "nothing", [PAGES_DO_STATUS] = "status", [PAGES_DO_SUCCESS_FALSE] = "success_false",
    [PAGES_DO_HANG] = "hang",       [PAGES_DO_CUT] = "cut",       [PAGES_DO_HALF] = "half",
    [PAGES_DO_BODY] = "body",       [PAGES_DO_SLOW] = "slow",     [PAGES_DO_DUPLICATE_ID] = "duplicate_id",
};

const char *rules_kind_name(enum pages_kind kind)
{
    return kinds[kind];
}

static void set_default(void *of, const struct field *f)
{
    void *at = (char *)of + f->offset;
    switch (f->kind) {
    case FIELD_INT:
        *(int64_t *)at = f->fallback;
        break;
    case FIELD_BOOL:
        *(bool *)at = f->fallback != 0;
        break;
    case FIELD_TEXT:
        free(*(char **)at);
        *(char **)at = NULL;
        break;
    case FIELD_KIND:
    case FIELD_DO:
        *(int *)at = (int)f->fallback;
        break;
    }
}

static int set_name(int *at, const char *const *names, size_t n, const json_t *value)
{
    const char *text = json_string_value(value);
    for (size_t i = 0; text != NULL && i < n; i++) {
        if (strcmp(names[i], text) == 0) {
            *at = (int)i;
            return 0;
        }
    }
    return -1;
}

static int set_value(void *of, const struct field *f, const json_t *value)
{
    void *at = (char *)of + f->offset;
    switch (f->kind) {
    case FIELD_INT:
        *(int64_t *)at = json_integer_value(value);
        return json_is_integer(value) ? 0 : -1;
    case FIELD_BOOL:
        *(bool *)at = json_is_true(value);
        return json_is_boolean(value) ? 0 : -1;
    case FIELD_TEXT:
        free(*(char **)at);
        *(char **)at = json_is_string(value) ? strdup(json_string_value(value)) : NULL;
        return *(char **)at != NULL ? 0 : -1;
    case FIELD_KIND:
        return set_name(at, kinds, ARRAY_LEN(kinds), value);
    case FIELD_DO:
        return set_name(at, deeds, ARRAY_LEN(deeds), value);
    }
    return -1;
}

/* The field of this name. null restores its default. */
static int set_field(void *of, const struct field *fields, size_t n, const char *name, const json_t *value, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(fields[i].name, name) != 0)
            continue;
        if (json_is_null(value)) {
            set_default(of, &fields[i]);
            return 0;
        }
        return set_value(of, &fields[i], value) == 0 ? 0 : err_set(e, ERR_INVALID, "%s: not such a value", name);
    }
    return err_set(e, ERR_INVALID, "%s: no such field", name);
}

static void rule_free(struct pages_rule *r)
{
    free(r->page);
    free(r->conversation);
    free(r->text);
    free(r->body);
    free(r);
}

static void forget(struct pages_rules *r)
{
    while (r->first != NULL) {
        struct pages_rule *gone = r->first;
        r->first = gone->next;
        rule_free(gone);
    }
    r->last = &r->first;
}

void rules_init(struct pages_rules *r)
{
    *r = (struct pages_rules){ .tokens = json_object() };
    r->last = &r->first;
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        set_default(&r->options, &options[i]);
}

void rules_fini(struct pages_rules *r)
{
    forget(r);
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        set_default(&r->options, &options[i]);
    json_decref(r->tokens);
}

/* What stores the message when nothing else is said: all that fails behind its arrival. */
static bool stores(int does)
{
    return does != PAGES_DO_STATUS && does != PAGES_DO_SUCCESS_FALSE;
}

static int add_rule(struct pages_rules *r, const json_t *rule, struct err *e)
{
    struct pages_rule *new = calloc(1, sizeof *new);
    const char *name;
    json_t *value;
    if (new == NULL)
        abort();
    for (size_t i = 0; i < ARRAY_LEN(rule_fields); i++)
        set_default(new, &rule_fields[i]);
    json_object_foreach((json_t *)(uintptr_t)rule, name, value)
    {
        if (set_field(new, rule_fields, ARRAY_LEN(rule_fields), name, value, e) != 0) {
            rule_free(new);
            return -1;
        }
    }
    if (json_object_get(rule, "store") == NULL)
        new->store = stores(new->does);
    *r->last = new;
    r->last = &new->next;
    return 0;
}

int rules_update(struct pages_rules *r, const json_t *control, struct err *e)
{
    const char *name;
    json_t *value;
    size_t i;
    const json_t *rule;
    if (json_is_true(json_object_get(control, "forget_rules")))
        forget(r);
    json_object_foreach((json_t *)(uintptr_t)control, name, value)
    {
        if (strcmp(name, "forget_rules") == 0)
            continue;
        if (strcmp(name, "tokens") == 0) {
            json_object_update(r->tokens, value);
        } else if (strcmp(name, "rules") == 0) {
            json_array_foreach(value, i, rule)
            {
                if (add_rule(r, rule, e) != 0)
                    return -1;
            }
        } else if (set_field(&r->options, options, ARRAY_LEN(options), name, value, e) != 0) {
            return -1;
        }
    }
    return 0;
}

void rules_write(const struct pages_rules *r, struct json_out *o)
{
    json_obj(o);
    json_kbool(o, "success", true);
    json_key(o, "rules");
    json_arr(o);
    for (const struct pages_rule *rule = r->first; rule != NULL; rule = rule->next) {
        json_obj(o);
        json_kstr(o, "call", sv_from(kinds[rule->kind]));
        json_kstr(o, "do", sv_from(deeds[rule->does]));
        if (rule->conversation != NULL)
            json_kstr(o, "conversation_id", sv_from(rule->conversation));
        json_kint(o, "used", rule->used);
        json_obj_end(o);
    }
    json_arr_end(o);
    json_obj_end(o);
}

static bool fits(const char *want, struct sv is)
{
    return want == NULL || sv_eq(sv_from(want), is);
}

const struct pages_rule *rules_match(struct pages_rules *r, enum pages_kind kind, struct sv page, struct sv conversation, struct sv text)
{
    for (struct pages_rule *rule = r->first; rule != NULL; rule = rule->next) {
        if ((rule->kind != PAGES_ANY && rule->kind != (int)kind) || !fits(rule->page, page) || !fits(rule->conversation, conversation))
            continue;
        if (rule->text != NULL && (text.n == 0 || memmem(text.p, text.n, rule->text, strlen(rule->text)) == NULL))
            continue;
        if (rule->skip > 0) {
            rule->skip--;
            continue;
        }
        if (rule->times > 0 && rule->used >= rule->times)
            continue;
        rule->used++;
        return rule;
    }
    return NULL;
}
