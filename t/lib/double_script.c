/* SPDX-License-Identifier: MIT
 * See double_script.h. One table names every field, its place, kind and default. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "t/lib/double_script.h"

enum kind { KIND_INT, KIND_BOOL, KIND_CUT, KIND_MODE, KIND_TEXT, KIND_JSON };

struct field {
    const char *part, *name;
    enum kind kind;
    size_t offset;
    int64_t fallback;
};

#define AI(member, kind, fallback)                                                                                     \
    {                                                                                                                  \
        "ai", #member, (kind), offsetof(struct script, ai.member), (fallback)                                          \
    }
#define PLATFORM(member, kind, fallback)                                                                               \
    {                                                                                                                  \
        "platform", #member, (kind), offsetof(struct script, platform.member), (fallback)                              \
    }

static const struct field fields[] = {
    AI(delay_ms, KIND_INT, 0),
    AI(status, KIND_INT, 200),
    AI(fail_next, KIND_INT, 0),
    AI(fail_status, KIND_INT, 503),
    AI(retry_after, KIND_INT, -1),
    AI(times, KIND_INT, 0),
    AI(cut, KIND_CUT, AI_CUT_NONE),
    AI(hang, KIND_BOOL, false),
    AI(wrap, KIND_BOOL, false),
    AI(chunked, KIND_BOOL, false),
    AI(keep, KIND_BOOL, false),
    AI(body, KIND_TEXT, 0),
    AI(text, KIND_TEXT, 0),
    AI(actions, KIND_JSON, 0),
    PLATFORM(delay_ms, KIND_INT, 0),
    PLATFORM(status, KIND_INT, 400),
    PLATFORM(retry_after, KIND_INT, -1),
    PLATFORM(actions_executed, KIND_INT, -1),
    PLATFORM(slow_ms, KIND_INT, 2000),
    PLATFORM(times, KIND_INT, 0),
    PLATFORM(mode, KIND_MODE, MODE_OK),
    PLATFORM(apply, KIND_BOOL, false),
    PLATFORM(body, KIND_TEXT, 0),
};

static const char *const cuts[] = {
    [AI_CUT_NONE] = "none",
    [AI_CUT_BEFORE_READ] = "before_read",
    [AI_CUT_AFTER_READ] = "after_read",
    [AI_CUT_MID_ANSWER] = "mid_answer",
};
static const char *const modes[] = {
    [MODE_OK] = "ok",
    [MODE_FAIL_STATUS] = "fail_status",
    [MODE_SUCCESS_FALSE] = "success_false",
    [MODE_CUT_BEFORE_APPLY] = "cut_before_apply",
    [MODE_CUT_AFTER_APPLY] = "cut_after_apply",
    [MODE_HANG] = "hang",
    [MODE_SLOW] = "slow",
};

const char *script_mode_name(int mode)
{
    return modes[mode];
}

static void *place(const struct script *s, const struct field *f)
{
    return (char *)(uintptr_t)s + f->offset;
}

static char *copy_text(const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL)
        abort();
    return copy;
}

static void set_default(struct script *s, const struct field *f)
{
    void *at = place(s, f);
    switch (f->kind) {
    case KIND_INT:
        *(int64_t *)at = f->fallback;
        break;
    case KIND_BOOL:
        *(bool *)at = f->fallback != 0;
        break;
    case KIND_CUT:
    case KIND_MODE:
        *(int *)at = (int)f->fallback;
        break;
    case KIND_TEXT:
    case KIND_JSON:
        free(*(char **)at);
        *(char **)at = NULL;
        break;
    }
}

void script_init(struct script *s)
{
    *s = (struct script){ 0 };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        set_default(s, &fields[i]);
}

void script_fini(struct script *s)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        set_default(s, &fields[i]);
}

void script_copy(struct script *to, const struct script *from)
{
    *to = *from;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (fields[i].kind != KIND_TEXT && fields[i].kind != KIND_JSON)
            continue;
        char **text = place(to, &fields[i]);
        if (*text != NULL)
            *text = copy_text(*text);
    }
}

static int choice(const char *const *names, size_t n, const json_t *value)
{
    const char *text = json_string_value(value);
    for (size_t i = 0; text != NULL && i < n; i++)
        if (strcmp(names[i], text) == 0)
            return (int)i;
    return -1;
}

/* A string is taken as it is, so that a body can be garbage; anything else is dumped. */
static char *raw_text(enum kind kind, const json_t *value)
{
    if (kind == KIND_TEXT && json_is_string(value))
        return copy_text(json_string_value(value));
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL)
        abort();
    return text;
}

static int set_field(struct script *s, const struct field *f, const json_t *value, struct err *e)
{
    void *at = place(s, f);
    int index = -1;
    set_default(s, f);
    if (json_is_null(value))
        return 0;
    switch (f->kind) {
    case KIND_INT:
        if (!json_is_integer(value))
            break;
        *(int64_t *)at = json_integer_value(value);
        return 0;
    case KIND_BOOL:
        if (!json_is_boolean(value))
            break;
        *(bool *)at = json_is_true(value);
        return 0;
    case KIND_CUT:
    case KIND_MODE:
        index = f->kind == KIND_CUT ? choice(cuts, ARRAY_LEN(cuts), value) : choice(modes, ARRAY_LEN(modes), value);
        if (index < 0)
            break;
        *(int *)at = index;
        return 0;
    case KIND_TEXT:
    case KIND_JSON:
        *(char **)at = raw_text(f->kind, value);
        return 0;
    }
    return err_set(e, ERR_INVALID, "%s.%s: wrong value", f->part, f->name);
}

static int update_part(struct script *s, const char *part, const json_t *control, struct err *e)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)control, key, value)
    {
        size_t i = 0;
        while (i < ARRAY_LEN(fields) && (strcmp(fields[i].part, part) != 0 || strcmp(fields[i].name, key) != 0))
            i++;
        if (i == ARRAY_LEN(fields))
            return err_set(e, ERR_INVALID, "%s.%s: no such field", part, key);
        if (set_field(s, &fields[i], value, e) != 0)
            return -1;
    }
    return 0;
}

int script_update(struct script *s, const json_t *control, struct err *e)
{
    struct script changed;
    script_copy(&changed, s);
    if (update_part(&changed, "ai", json_object_get(control, "ai"), e) != 0 ||
        update_part(&changed, "platform", json_object_get(control, "platform"), e) != 0) {
        script_fini(&changed);
        return -1;
    }
    script_fini(s);
    *s = changed;
    return 0;
}

static void render_field(const struct script *s, const struct field *f, struct json_out *o)
{
    const void *at = place(s, f);
    switch (f->kind) {
    case KIND_INT:
        json_kint(o, f->name, *(const int64_t *)at);
        break;
    case KIND_BOOL:
        json_kbool(o, f->name, *(const bool *)at);
        break;
    case KIND_CUT:
        json_kstr(o, f->name, sv_from(cuts[*(const int *)at]));
        break;
    case KIND_MODE:
        json_kstr(o, f->name, sv_from(modes[*(const int *)at]));
        break;
    case KIND_TEXT:
    case KIND_JSON:
        json_kstr(o, f->name, sv_from(*(char *const *)at));
        break;
    }
}

void script_render(const struct script *s, struct json_out *o)
{
    const char *part = "";
    json_obj(o);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (strcmp(part, fields[i].part) != 0) {
            if (*part != '\0')
                json_obj_end(o);
            part = fields[i].part;
            json_key(o, part);
            json_obj(o);
        }
        render_field(s, &fields[i], o);
    }
    json_obj_end(o);
    json_obj_end(o);
}

void script_ai_used(struct script_ai *a)
{
    if (a->fail_next > 0)
        a->fail_next--;
    if (a->times == 0 || --a->times > 0)
        return;
    a->status = 200;
    a->cut = AI_CUT_NONE;
    a->hang = false;
    free(a->body);
    a->body = NULL;
}

void script_platform_used(struct script_platform *p)
{
    if (p->times == 0 || --p->times > 0)
        return;
    p->mode = MODE_OK;
    free(p->body);
    p->body = NULL;
}
