/* SPDX-License-Identifier: MIT
 * See openai_reply.h. Which actions may be executed is not known here: the turn says it of each call (ai_request.fault), and drops what is still wrong
 * at the end with its reason. */
#include "config.h"

#include <stdlib.h>

#include "outside/openai_reply.h"

enum { BROKEN_MAX = 1024 }; /* bytes that are kept of what cannot be read, for who looks why */

/* ---- rounds ---- */

static void keep(struct buf *to, const struct buf *from)
{
    if (from->n == 0)
        return;
    buf_clear(to);
    buf_add(to, buf_sv(from));
}

/* Two that are the same have the same. No data is {}, as a call's is. The caller's to free; NULL: memory. */
static char *key_of(json_t *action)
{
    json_t *data = json_object_get(action, "data");
    bool none = json_is_object(data) && json_object_size(data) == 0;
    json_t *known = json_is_object(action) ? json_pack("{s:O*,s:O*}", "type", json_object_get(action, "type"), "data", none ? NULL : data) : json_incref(action);
    char *key = known == NULL ? NULL : json_dumps(known, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    json_decref(known);
    return key;
}

/* seen: an object of keys. *again: it is among them already. -1: memory. */
static int see(json_t *seen, json_t *action, bool *again)
{
    char *key = key_of(action);
    *again = key != NULL && json_object_get(seen, key) != NULL;
    int failed = key == NULL ? -1 : *again ? 0 : json_object_set_new(seen, key, json_true());
    free(key);
    return failed;
}

static int extend_once(json_t *list, const json_t *actions)
{
    size_t i;
    json_t *one, *seen = json_object();
    bool again;
    int failed = seen == NULL ? -1 : 0;
    json_array_foreach(list, i, one) failed |= see(seen, one, &again);
    json_array_foreach(actions, i, one)
    {
        failed |= see(seen, one, &again);
        failed |= again ? 0 : json_array_append(list, one);
    }
    json_decref(seen);
    return failed;
}

/* What cannot be read stands as the text that it is: data that is no object. */
static json_t *action_of(const struct completion_call *call, json_t *data)
{
    json_t *action = json_object();
    struct sv name = call->name.n > 0 ? buf_sv(&call->name) : SV(""), arguments = call->arguments.n > 0 ? buf_sv(&call->arguments) : SV("");
    int failed = json_object_set_new(action, "type", json_stringn(name.p, name.n));
    failed |= json_object_set_new(action, "data", data != NULL ? json_incref(data) : json_stringn(arguments.p, arguments.n));
    if (failed == 0)
        return action;
    json_decref(action);
    return NULL;
}

static int add_call(struct openai_reply *r, json_t *right, const struct completion_call *call, ai_fault_fn *fault)
{
    json_t *data = completion_arguments(call, NULL), *action = action_of(call, data);
    struct sv name = json_sv(action, "type");
    const char *why = data == NULL ? "arguments_are_no_object" : fault != NULL ? fault(name, data) : NULL;
    int failed = action == NULL ? -1 : json_array_append_new(r->verdicts, why != NULL ? json_string(why) : json_null());
    if (failed == 0)
        failed = json_array_append(why != NULL ? r->wrong : right, action);
    json_decref(action);
    json_decref(data);
    return failed;
}

static int add_usage(struct openai_reply *r, const char *name, int64_t tokens)
{
    if (tokens < 0)
        return 0;
    if (r->usage == NULL)
        r->usage = json_object();
    return json_object_set_new(r->usage, name, json_integer(json_i64(r->usage, name, 0) + tokens));
}

static bool has_something(json_t *block)
{
    const char *name;
    json_t *value;
    json_object_foreach(block, name, value) if (!json_is_null(value)) return true;
    return false;
}

/* What stands further behind can neither be executed nor be kept as dropped. Returns how many that are. */
static size_t cut(json_t *actions)
{
    size_t n = json_array_size(actions), left_out = n > OPENAI_REPLY_ACTIONS_MAX ? n - OPENAI_REPLY_ACTIONS_MAX : 0;
    for (size_t i = 0; i < left_out; i++)
        (void)json_array_remove(actions, n - 1 - i);
    return left_out;
}

/* A text that was nothing but blocks that cannot be read, or have nothing in them, leaves what was said before. */
static int add_text(struct openai_reply *r, const struct completion *c)
{
    struct answer_block b = { 0 };
    int failed = answer_block_read(completion_said(c, NULL), &b);
    r->left_out += cut(json_object_get(b.known, "actions"));
    buf_clear(&r->broken);
    buf_add(&r->broken, buf_sv(&b.broken));
    if (r->broken.n > 0 && c->unreadable.n > 0)
        buf_addc(&r->broken, '\n');
    buf_add(&r->broken, buf_sv(&c->unreadable));
    if (failed == 0 && (sv_trim_space(buf_sv(&b.rest)).n > 0 || has_something(b.known))) {
        buf_clear(&r->text);
        buf_add(&r->text, buf_sv(&b.rest));
        if (r->earlier == NULL)
            r->earlier = json_array();
        failed = extend_once(r->earlier, json_object_get(r->block, "actions"));
        json_decref(r->block);
        r->block = json_incref(b.known);
    }
    answer_block_fini(&b);
    return failed == 0 && buf_ok(&r->text) && buf_ok(&r->broken) ? 0 : -1;
}

int openai_reply_add(struct openai_reply *r, const struct completion *c, ai_fault_fn *fault)
{
    int failed = add_text(r, c);
    json_t *right = json_array();
    r->rounds++;
    keep(&r->finish, &c->finish);
    keep(&r->model, &c->model);
    json_decref(r->wrong);
    json_decref(r->verdicts);
    r->wrong = json_array();
    r->verdicts = json_array();
    if (r->right == NULL)
        r->right = json_array();
    for (size_t i = 0; failed == 0 && i < c->calls_n; i++)
        failed = add_call(r, right, &c->calls[i], fault);
    failed |= extend_once(r->right, right);
    json_decref(right);
    failed |= add_usage(r, "prompt_tokens", c->prompt_tokens) | add_usage(r, "completion_tokens", c->completion_tokens) |
              add_usage(r, "total_tokens", c->total_tokens);
    return failed == 0 && buf_ok(&r->finish) && buf_ok(&r->model) ? 0 : -1;
}

bool openai_reply_has_wrong(const struct openai_reply *r)
{
    return json_array_size(r->wrong) > 0 || (openai_reply_is_broken(r) && !openai_reply_is_some(r));
}

bool openai_reply_is_broken(const struct openai_reply *r)
{
    return r->broken.n > 0;
}

const char *openai_reply_verdict(void *arg, size_t call)
{
    const struct openai_reply *r = arg;
    return json_string_value(json_array_get(r->verdicts, call));
}

bool openai_reply_is_some(const struct openai_reply *r)
{
    return sv_trim_space(buf_sv(&r->text)).n > 0 || r->block != NULL || json_array_size(r->right) > 0;
}

bool openai_reply_is_empty(const struct openai_reply *r)
{
    return !openai_reply_is_some(r) && !openai_reply_is_broken(r) && json_array_size(r->wrong) == 0;
}

void openai_reply_fini(struct openai_reply *r)
{
    buf_fini(&r->text);
    buf_fini(&r->broken);
    buf_fini(&r->finish);
    buf_fini(&r->model);
    json_decref(r->block);
    json_decref(r->earlier);
    json_decref(r->right);
    json_decref(r->wrong);
    json_decref(r->verdicts);
    json_decref(r->usage);
    *r = (struct openai_reply){ 0 };
}

/* ---- the answer ---- */

static bool is_said(const json_t *actions, struct sv text)
{
    size_t i;
    json_t *one;
    json_array_foreach(actions, i, one)
    {
        struct sv said = sv_trim_space(json_sv(json_object_get(one, "data"), "message"));
        if (sv_eq(said, text))
            return true;
    }
    return false;
}

static int append_broken(json_t *list, const struct openai_reply *r)
{
    struct sv text = sv_cut_utf8(buf_sv(&r->broken), BROKEN_MAX);
    return text.n == 0 ? 0 : json_array_append_new(list, json_pack("{s:s,s:{s:s%}}", "type", AI_BLOCK, "data", "text", text.p, text.n));
}

/* A message that can be said is among them. */
static bool has_message(const json_t *actions)
{
    size_t i;
    json_t *one;
    json_array_foreach(actions, i, one)
    {
        if (sv_eq(json_sv(one, "type"), SV("send_message")) && sv_trim_space(json_sv(json_object_get(one, "data"), "message")).n > 0)
            return true;
    }
    return false;
}

/* The text comes in front of what else is to be done, unless that says it itself: a block with any message is all that is said. NULL: memory. */
static json_t *all_actions(const struct openai_reply *r, struct sv text, bool calls)
{
    json_t *all = json_array(), *of_block = json_object_get(r->block, "actions");
    bool others = calls || json_array_size(r->earlier) > 0, says = has_message(of_block);
    const json_t *const lists[] = { r->right, r->earlier, of_block };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        says = says || is_said(lists[i], text);
    int failed = all == NULL ? -1 : 0;
    if (text.n > 0 && !says && (others || json_array_size(of_block) > 0))
        failed |= json_array_append_new(all, json_pack("{s:s,s:{s:s%}}", "type", "send_message", "data", "message", text.p, text.n));
    if (calls)
        failed |= json_array_extend(all, r->right) | json_array_extend(all, r->wrong);
    failed |= extend_once(all, r->earlier);
    if (others)
        failed |= extend_once(all, of_block);
    else if (json_is_array(of_block))
        failed |= json_array_extend(all, of_block);
    failed |= append_broken(all, r);
    if (failed == 0)
        return all;
    json_decref(all);
    return NULL;
}

/* Actions of a block go on as a block at the end of the text, without a backtick inside: what is taken from a text is judged in one place. */
static void add_block(struct buf *text, const json_t *actions)
{
    struct buf list = { 0 };
    json_dump_to(&list, actions);
    buf_add(text, SV("\n```json\n{\"actions\":"));
    for (size_t i = 0; i < list.n; i++)
        if (list.p[i] == '`')
            buf_add(text, SV("\\u0060"));
        else
            buf_addc(text, list.p[i]);
    buf_add(text, SV("}\n```"));
    text->failed |= !buf_ok(&list);
    buf_fini(&list);
}

static json_t *response_of(const struct openai_reply *r, struct sv text, int64_t took_ms, const char *model)
{
    json_t *response = json_object(), *intent = json_object_get(r->block, "intent"), *confidence = json_object_get(r->block, "confidence"),
           *entities = json_object_get(r->block, "entities");
    int failed = json_object_set_new(response, "response_text", json_stringn(text.n > 0 ? text.p : "", text.n));
    failed |= json_is_string(intent) ? json_object_set(response, "intent", intent) : 0;
    failed |= json_is_number(confidence) ? json_object_set(response, "confidence", confidence) : 0;
    failed |= json_is_object(entities) ? json_object_set(response, "entities", entities) : 0;
    failed |= json_object_set_new(response, "processing_time_ms", json_integer(took_ms));
    failed |= json_object_set_new(response, "model_used", json_string(r->model.n > 0 ? r->model.p : model));
    failed |= r->usage != NULL ? json_object_set(response, "usage", r->usage) : 0;
    failed |= r->finish.n > 0 ? json_object_set_new(response, "finish_reason", json_string(r->finish.p)) : 0;
    if (failed == 0)
        return response;
    json_decref(response);
    return NULL;
}

int openai_reply_make(const struct openai_reply *r, int64_t took_ms, const char *model, json_t **response, json_t **actions)
{
    struct buf text = { 0 };
    bool calls = json_array_size(r->right) > 0 || json_array_size(r->wrong) > 0;
    json_t *list = all_actions(r, sv_trim_space(buf_sv(&r->text)), calls);
    *response = *actions = NULL;
    buf_add(&text, buf_sv(&r->text));
    if (!calls && json_array_size(list) > 0)
        add_block(&text, list);
    if (buf_ok(&text) && list != NULL)
        *response = response_of(r, buf_sv(&text), took_ms, model);
    buf_fini(&text);
    if (*response != NULL && calls)
        *actions = json_incref(list);
    json_decref(list);
    return *response != NULL ? 0 : -1;
}
