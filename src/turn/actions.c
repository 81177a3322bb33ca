/* SPDX-License-Identifier: MIT
 * Extraction and validation of actions. Knows their shapes, not what becomes of them. */
#include "config.h"

#include "lib/plain.h"
#include "outside/ai.h"
#include "turn/action_kinds.h"
#include "turn/actions.h"

struct lists {
    struct buf good, bad;
    struct json_out good_out, bad_out;
    struct reply *reply;
    bool speaks; /* one of the actions says something to the customer */
    bool failed; /* memory */
};

static void add_plain(struct lists *l, const json_t *action, const json_t *data)
{
    const json_t *type = json_object_get(action, "type");
    int index = action_index(json_sv(action, "type"));
    const char *why = NULL;
    if (l->reply->actions_n >= ACTIONS_MAX)
        why = "too_many_actions";
    else if (!json_is_object(action) || !json_is_string(type))
        why = "not_an_action";
    else if (sv_eq(json_sv(action, "type"), SV(AI_BLOCK)))
        why = "unreadable";
    else
        why = action_fault_at(index, data);
    if (why != NULL && l->reply->dropped_n >= ACTIONS_MAX)
        return;
    struct json_out *o = why == NULL ? &l->good_out : &l->bad_out;
    json_obj(o);
    json_kstr(o, "type", json_is_string(type) ? json_sv(action, "type") : SV("unknown"));
    json_key(o, "data");
    if (json_is_object(data))
        json_val(o, data);
    else
        json_raw(o, SV("{}"));
    if (why != NULL)
        json_kstr(o, "reason", sv_from(why));
    json_obj_end(o);
    if (why != NULL) {
        l->reply->dropped_n++;
        return;
    }
    l->reply->actions_n++;
    l->reply->transfers |= index == ACTION_TRANSFER;
    l->reply->ends |= index == ACTION_END;
    l->speaks |= index < ACTION_TRANSFER;
}

static void add_one(struct lists *l, const json_t *action)
{
    const json_t *data = json_object_get(action, "data");
    json_t *plain = data != NULL ? plain_json(data) : NULL;
    l->failed |= data != NULL && plain == NULL;
    add_plain(l, action, plain);
    json_decref(plain);
}

static void add_text(struct lists *l, struct sv text)
{
    if (sv_trim(text).n == 0)
        return;
    struct json_out *o = &l->good_out;
    json_obj(o);
    json_kstr(o, "type", SV("send_message"));
    json_key(o, "data");
    json_obj(o);
    json_kstr(o, "message", text);
    json_obj_end(o);
    json_obj_end(o);
    l->reply->actions_n++;
    l->speaks = true;
}

/* Finds ```json ... ``` whose content is an object with an "actions" array. *rest is the text without it. */
static json_t *fenced_actions(struct arena *a, struct sv text, struct sv *rest)
{
    static const char open[] = "```json", close[] = "```";
    const char *at = text.p, *end = text.p + text.n;
    while ((at = memmem(at, (size_t)(end - at), open, sizeof(open) - 1)) != NULL) {
        const char *from = at + sizeof(open) - 1;
        const char *to = memmem(from, (size_t)(end - from), close, sizeof(close) - 1);
        if (to == NULL)
            return NULL;
        json_t *j = json_read_in(a, (struct sv){ from, (size_t)(to - from) }, false, NULL);
        json_t *list = json_object_get(j, "actions");
        if (json_is_array(list)) {
            struct sv before = { text.p, (size_t)(at - text.p) };
            struct sv after = { to + sizeof(close) - 1, (size_t)(end - to) - (sizeof(close) - 1) };
            while (before.n > 0 && strchr(" \t\r\n", before.p[before.n - 1]) != NULL)
                before.n--;
            while (after.n > 0 && strchr(" \t\r\n", after.p[0]) != NULL)
                after.p++, after.n--;
            *rest = arena_printf(a, "%.*s%s%.*s", SV_FMT(before), before.n > 0 && after.n > 0 ? "\n" : "", SV_FMT(after));
            return rest->p != NULL ? list : NULL;
        }
        at = from;
    }
    return NULL;
}

static struct sv keep(struct arena *a, struct buf *b)
{
    struct sv s = buf_ok(b) ? arena_sv(a, buf_sv(b)) : SV_NONE;
    buf_fini(b);
    return s;
}

/* The same text where there is nothing to be left out. */
static struct sv plain_text(struct arena *a, struct sv text, bool *failed)
{
    struct buf b = { 0 };
    plain_add(&b, text);
    struct sv plain = b.n > 0 ? buf_sv(&b) : SV("");
    plain = text.p == NULL || (buf_ok(&b) && sv_eq(plain, text)) ? text : arena_sv(a, plain);
    *failed |= !buf_ok(&b) || (text.p != NULL && plain.p == NULL);
    buf_fini(&b);
    return plain;
}

/* With `text` for its own, which is `before`. */
static struct sv response_json(struct arena *a, const json_t *response, struct sv before, struct sv text)
{
    struct buf b = { 0 };
    if (text.p != before.p) {
        json_t *copy = json_copy((json_t *)(uintptr_t)response);
        b.failed = json_object_set_new(copy, "response_text", json_stringn(text.p, text.n)) != 0;
        json_dump_to(&b, copy);
        json_decref(copy);
    } else {
        json_dump_to(&b, response);
    }
    return keep(a, &b);
}

/* A block's actions come in front of the text in the model's own order; the text is still said when none of them says anything. */
static void add_list(struct lists *l, const json_t *list, struct sv text_if_silent)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one) add_one(l, one);
    if (!l->speaks)
        add_text(l, text_if_silent);
}

int actions_extract(struct arena *a, const json_t *response, const json_t *actions, struct reply *out, struct err *e)
{
    const struct sv own = json_sv(response, "response_text");
    *out = (struct reply){ 0 };
    struct lists l = { .reply = out };
    l.good_out.b = &l.good;
    l.bad_out.b = &l.bad;
    json_arr(&l.good_out);
    json_arr(&l.bad_out);
    struct sv text = plain_text(a, own, &l.failed), rest;
    json_t *fenced = json_is_array(actions) || text.p == NULL ? NULL : fenced_actions(a, text, &rest);
    if (json_is_array(actions)) {
        add_list(&l, actions, SV_NONE);
        if (out->actions_n == 0 && json_array_size(actions) > 0)
            add_text(&l, text);
    } else if (fenced != NULL) {
        text = rest;
        add_list(&l, fenced, text);
    } else {
        add_text(&l, text);
    }
    json_arr_end(&l.good_out);
    json_arr_end(&l.bad_out);
    out->actions = keep(a, &l.good);
    out->dropped = keep(a, &l.bad);
    out->text = arena_sv(a, text);
    out->response = response_json(a, response, own, text);
    if (l.failed || out->actions.p == NULL || out->dropped.p == NULL || out->response.p == NULL || (text.p != NULL && out->text.p == NULL))
        return err_set(e, ERR_MEMORY, "the reply is larger than a turn may be");
    return 0;
}
