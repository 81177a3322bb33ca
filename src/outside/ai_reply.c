/* SPDX-License-Identifier: MIT
 * See ai_reply.h. The answer comes from outside and may be anything: the strict reader bounds depth, refuses NUL, bad
 * UTF-8 and duplicate keys; here only shapes are looked at. */
#include "config.h"

#include "outside/ai_reply.h"

void ai_request_render(struct buf *b, const struct ai_request *r)
{
    struct json_out o = { .b = b };
    json_obj(&o);
    json_kstr(&o, "conversation_id", r->conversation_id);
    json_kstr(&o, "message_id", r->message_id);
    json_kstr(&o, "message", r->message);
    json_key(&o, "messages");
    json_arr(&o);
    for (size_t i = 0; i < r->messages_n; i++) {
        const struct ai_message *m = &r->messages[i];
        json_obj(&o);
        json_kstr(&o, "role", m->role);
        json_kraw(&o, "content", m->content_json.n > 0 ? m->content_json : SV("\"\""));
        json_kms(&o, "timestamp", m->timestamp_ms);
        json_kraw(&o, "message_id", m->message_id_json.n > 0 ? m->message_id_json : SV("null"));
        json_obj_end(&o);
    }
    json_arr_end(&o);
    json_kraw(&o, "metadata", r->metadata.n > 0 ? r->metadata : SV("{}"));
    json_kraw(&o, "bot", r->bot.n > 0 ? r->bot : SV("{}"));
    json_obj_end(&o);
}

/* ---- the answer ---- */

static bool is_fit(const json_t *value, const char *kind)
{
    switch (*kind) {
    case 's':
        return json_is_string(value);
    case 'n':
        return json_is_number(value);
    case 'o':
        return json_is_object(value);
    }
    return false;
}

/* Optional fields: whoever reads the response later may rely on their types. */
static void drop_unfit(json_t *response)
{
    static const struct {
        const char *name, *kind;
    } optional[] = {
        { "intent", "string" },     { "confidence", "number" },
        { "entities", "object" },   { "processing_time_ms", "number" },
        { "model_used", "string" },
    };
    for (size_t i = 0; i < ARRAY_LEN(optional); i++) {
        const json_t *value = json_object_get(response, optional[i].name);
        if (value != NULL && !is_fit(value, optional[i].kind))
            (void)json_object_del(response, optional[i].name);
    }
}

static int fill(json_t *response, int64_t took_ms, const char *model, struct err *e)
{
    int failed = 0;
    if (json_object_get(response, "processing_time_ms") == NULL)
        failed |= json_object_set_new(response, "processing_time_ms", json_integer(took_ms));
    if (json_object_get(response, "model_used") == NULL)
        failed |= json_object_set_new(response, "model_used", json_string(model));
    return failed == 0 ? 0 : err_set(e, ERR_MEMORY, "no memory for the answer");
}

static int take(json_t *root, int64_t took_ms, const char *model, struct ai_reply *out, struct err *e)
{
    json_t *inner = json_object_get(root, "ai_response");
    json_t *response = inner != NULL ? inner : root;
    if (!json_is_object(response))
        return err_set(e, ERR_INVALID, inner != NULL ? "ai_response is not an object" : "the answer is not an object");
    json_t *actions = json_object_get(root, "actions");
    if (actions == NULL)
        actions = json_object_get(response, "actions");
    if (actions != NULL && !json_is_array(actions) && !json_is_null(actions))
        return err_set(e, ERR_INVALID, "actions is not an array");
    if (!json_is_string(json_object_get(response, "response_text")))
        return err_set(e, ERR_INVALID, "response_text is %s",
                       json_object_get(response, "response_text") != NULL ? "not a string" : "missing");
    out->actions = json_is_array(actions) ? json_incref(actions) : NULL;
    out->response = json_incref(response);
    (void)json_object_del(response, "actions");
    drop_unfit(response);
    return fill(response, took_ms, model, e);
}

int ai_reply_read(struct sv body, int64_t took_ms, const char *model, struct ai_reply *out, struct err *e)
{
    *out = (struct ai_reply){ 0 };
    json_t *root = json_read(body, false, e);
    if (root == NULL)
        return -1;
    int rc = take(root, took_ms, model, out, e);
    json_decref(root);
    if (rc != 0)
        ai_reply_fini(out);
    return rc;
}

void ai_reply_fini(struct ai_reply *r)
{
    json_decref(r->response);
    json_decref(r->actions);
    *r = (struct ai_reply){ 0 };
}
