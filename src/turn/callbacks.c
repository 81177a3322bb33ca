/* SPDX-License-Identifier: MIT
 * What the end of a turn leaves for those who named a callback URL: one item of callback_queue for each, in the same atomic step that ends
 * the turn. The daemon delivers it (daemon/courier.c). The item:
 *   {"type":"callback","v":1,"id":UUID,"at":ms,"conversation_id":C,"job_id":J,"url":U,"body":{"type":"job.completed","timestamp":ISO 8601,
 *    "data":{the job, as GET /api/v1/chat/jobs/J shows it}}}
 * J is what the sender was told, also when another turn has answered its message in the end. Knows nothing of how it is delivered. */
#include "config.h"

#include "lib/clock.h"
#include "turn/turn_parts.h"

/* The raw "callback" member of a covered message; SV_NONE: it has none, or an earlier one has the same. */
static struct sv callback_of(const struct ending *end, size_t i)
{
    struct sv own = json_raw_member(end->covered[i], "callback");
    for (size_t k = 0; own.p != NULL && k < i; k++)
        if (sv_eq(json_raw_member(end->covered[k], "callback"), own))
            return SV_NONE;
    return own;
}

void callbacks_put_urls(struct json_out *o, const struct ending *end)
{
    json_arr(o);
    for (size_t i = 0; i < end->covered_n; i++) {
        struct sv callback = callback_of(end, i);
        if (callback.p != NULL)
            json_raw(o, json_raw_member(callback, "url"));
    }
    json_arr_end(o);
}

static struct sv make_item(struct transact *x, const struct ending *end, struct sv callback, struct sv message_id)
{
    struct sv told = message_text(x->scratch, json_raw_member(callback, "job_id"));
    struct sv id = told.p != NULL ? told : sv_from(x->decision.turn_id);
    struct sv job = ending_job(x, end, id, message_id);
    char own_id[ID_UUID_SIZE], at[25];
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    if (job.p == NULL)
        return SV_NONE;
    id_uuid7(own_id);
    clock_format(x->event.now_ms, at);
    json_obj(&o);
    json_kstr(&o, "type", SV("callback"));
    json_kint(&o, "v", 1);
    json_kstr(&o, "id", sv_from(own_id));
    json_kint(&o, "at", x->event.now_ms);
    json_kstr(&o, "conversation_id", x->id);
    json_kstr(&o, "job_id", id);
    if (strcmp(end->status, "failed") == 0) /* an administrator may have it tried again, and then it ends anew */
        json_kstr(&o, "webhook_id", arena_printf(x->scratch, "%.*s-failed", SV_FMT(id)));
    json_kraw(&o, "url", json_raw_member(callback, "url"));
    json_key(&o, "body");
    json_obj(&o);
    json_kstr(&o, "type", arena_printf(x->scratch, "job.%s", strcmp(end->status, "recorded") == 0 ? "completed" : end->status));
    json_kstr(&o, "timestamp", sv_from(at));
    json_kraw(&o, "data", job);
    json_obj_end(&o);
    json_obj_end(&o);
    struct sv item = buf_ok(&b) ? arena_sv(x->scratch, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return item;
}

int callbacks_fill(struct transact *x, struct store_change *c, const struct ending *end, struct sv message_id)
{
    struct sv *list = NULL;
    size_t n = 0;
    for (size_t i = 0; i < end->covered_n; i++) {
        struct sv callback = callback_of(end, i);
        if (callback.p == NULL)
            continue;
        if (list == NULL && (list = arena_array(x->scratch, end->covered_n, sizeof(*list))) == NULL)
            return -1;
        list[n] = make_item(x, end, callback, message_id);
        if (list[n++].p == NULL)
            return -1;
    }
    c->callbacks_add = list;
    c->callbacks_add_n = n;
    return 0;
}
