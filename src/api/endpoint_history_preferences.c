/* SPDX-License-Identifier: MIT
 * /api/chathistory/{userId}/preferences: names with values. A value is kept as text: of a number its digits, of a boolean "true" or "false". */
#include "config.h"

#include "api/endpoint_admin.h"
#include "api/endpoint_history.h"

#define PREFERENCES_MAX 100
#define KEY_BYTES_MAX 128
#define VALUE_BYTES_MAX 4096

#define NO_USER "user_not_found", "User not found"

const struct input endpoint_history_preferences_input = { .whole = true, .size = sizeof(struct sv) };

void endpoint_history_preferences(struct request *r)
{
    const struct chat_who who = history_who(r);

    if (!history_id_fits(r, 0, NO_USER))
        return;
    chat_preferences(r->api->o.turns, &who, r->args[0], history_answer, r);
    request_park(r);
}

struct checking {
    struct arena *a;
    struct chat_preference *list;
    size_t n;
    struct json_out o; /* what is wrong */
    size_t wrong;
    bool memory; /* it was short */
};

static void refuse(struct checking *c, const char *key, const char *msg, const char *type)
{
    if (c->wrong++ < VALIDATE_DETAILS_MAX)
        validate_line(&c->o, "body", key, msg, type);
}

static bool is_key(struct sv key)
{
    bool right = key.n > 0 && key.n <= KEY_BYTES_MAX;

    for (size_t i = 0; right && i < key.n; i++)
        right = (unsigned char)key.p[i] >= ' ' && key.p[i] != 0x7F;
    return right;
}

/* As text, in the arena; SV_NONE: it has none, or memory is short. */
static struct sv text_of(struct checking *c, const json_t *value)
{
    struct buf b = { 0 };
    struct sv text = SV_NONE;

    if (json_is_string(value)) {
        text = arena_sv(c->a, (struct sv){ json_string_value(value), json_string_length(value) });
    } else if (json_is_number(value) || json_is_boolean(value)) {
        json_dump_to(&b, value);
        text = buf_ok(&b) ? arena_sv(c->a, buf_sv(&b)) : SV_NONE;
    } else {
        return SV_NONE;
    }
    buf_fini(&b);
    c->memory = c->memory || text.p == NULL;
    return text;
}

static void take(struct checking *c, const char *key, const json_t *value)
{
    struct sv name = arena_sv(c->a, sv_from(key)), text = text_of(c, value);

    c->memory = c->memory || name.p == NULL;
    if (!is_key(name))
        refuse(c, key, "Names should have 1 to 128 bytes of UTF-8 without control characters", "string_length");
    else if (text.p == NULL)
        refuse(c, key, "Input should be a string, a number or a boolean", "scalar_type");
    else if (text.n > VALUE_BYTES_MAX)
        refuse(c, key, "String should have at most 4096 bytes of UTF-8", "string_too_long");
    else if (c->wrong == 0)
        c->list[c->n++] = (struct chat_preference){ .key = name, .value = text };
}

static void check(struct checking *c, json_t *body)
{
    size_t n = json_object_size(body);

    if (!json_is_object(body)) {
        refuse(c, NULL, "Input should be a valid dictionary", "dict_type");
        return;
    }
    if (n > PREFERENCES_MAX) {
        refuse(c, NULL, "Dictionary should have at most 100 items", "too_long");
        return;
    }
    c->list = arena_array(c->a, n + 1, sizeof(*c->list));
    c->memory = c->list == NULL;
    for (void *at = json_object_iter(body); at != NULL && !c->memory; at = json_object_iter_next(body, at))
        take(c, json_object_iter_key(at), json_object_iter_value(at));
}

static void put(struct request *r, const struct chat_preference *list, size_t n)
{
    const struct chat_who who = history_who(r);

    if (r->role == ROLE_ADMIN)
        admin_log(r, r->args[0]);
    chat_preferences_put(r->api->o.turns, &who, r->args[0], list, n, history_answer, r);
    request_park(r);
}

void endpoint_history_preferences_put(struct request *r)
{
    const struct sv *text = r->input;
    struct buf detail = { 0 };
    struct checking c = { .a = r->f.scratch, .o = { .b = &detail } };
    json_t *body;

    if (!history_id_fits(r, 0, NO_USER))
        return;
    body = json_read_in(r->f.scratch, *text, true, NULL);
    json_arr(&c.o);
    if (body != NULL)
        check(&c, body);
    json_arr_end(&c.o);
    if (body == NULL || c.memory || !buf_ok(&detail))
        request_fail(r, PROBLEM_INTERNAL, 0);
    else if (c.wrong > 0)
        request_error(r, &(struct request_error){ .status = 422, .code = SV("validation_error"), .text = SV("Some fields are missing or wrong."),
                                                  .detail = buf_sv(&detail), .more = SV_NONE });
    else
        put(r, c.list, c.n);
    buf_fini(&detail);
}

void endpoint_history_preferences_delete(struct request *r)
{
    if (history_id_fits(r, 0, NO_USER))
        put(r, NULL, 0);
}
