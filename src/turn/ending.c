/* SPDX-License-Identifier: MIT
 * What the end of a turn leaves behind: dedupe marks that know the outcome, the reply in the context, the history item for the archive,
 * the job record with the whole answer. Knows nothing of how it came to this end. */
#include "config.h"

#include "lib/digest.h"
#include "turn/session_view.h"
#include "turn/turn_parts.h"

void result_backend(struct json_out *o, struct turns *t)
{
    const char *backend = store_backend(t->o.store);
    json_kstr(o, "storage_backend", sv_from(backend));
    json_kbool(o, "distributed_lock_used", strcmp(backend, "SQLite") != 0);
}

static void put_reply(struct json_out *o, const struct reply *r)
{
    json_kraw(o, "ai_response", r->response);
    json_kraw(o, "extracted_actions", r->actions);
    if (r->dropped_n > 0)
        json_kraw(o, "dropped_actions", r->dropped);
}

static void put_send(struct json_out *o, const struct ending *end)
{
    json_key(o, "pancake_result");
    json_obj(o);
    json_kstr(o, "status", sv_from(end->send));
    if (end->reason != NULL)
        json_kstr(o, "reason", sv_from(end->reason));
    json_kint(o, "actions_executed", end->executed);
    json_obj_end(o);
}

void ending_result(struct buf *b, struct turns *t, const char *turn_id, const struct ending *end, struct sv message_id)
{
    struct json_out o = { .b = b };
    json_obj(&o);
    json_kstr(&o, "status", sv_from(end->status));
    if (end->reason != NULL)
        json_kstr(&o, "reason", sv_from(end->reason));
    if (end->reply != NULL)
        put_reply(&o, end->reply);
    if (end->send != NULL)
        put_send(&o, end);
    json_kstr(&o, "message_id", message_id);
    json_kstr(&o, "turn_id", sv_from(turn_id));
    json_kint(&o, "context_size", (int64_t)end->context_size);
    result_backend(&o, t);
    json_obj_end(&o);
}

/* ---- marks ---- */

struct covered {
    struct sv id, content, metadata;
    uint64_t seq;
    int64_t received_ms;
};

/* The withheld turns that were about the pending list's i-th message, too. */
static void put_superseded(struct json_out *o, const struct conversation *before, size_t i)
{
    bool any = false;
    for (size_t k = 0; k < before->superseded_n; k++) {
        if (i >= before->superseded[k].covered_n)
            continue;
        if (!any) {
            json_key(o, "superseded");
            json_arr(o);
        }
        any = true;
        json_str(o, sv_from(before->superseded[k].turn_id));
    }
    if (any)
        json_arr_end(o);
}

static void put_mark(struct json_out *o, struct transact *x, const struct ending *end, const struct covered *item, size_t i)
{
    char hash[17];
    message_hash_of(item->content, item->metadata, hash);
    json_obj(o);
    json_kint(o, "seq", (int64_t)item->seq);
    json_kstr(o, "turn", sv_from(x->decision.turn_id));
    json_kstr(o, "h", sv_from(hash));
    json_kstr(o, "status", sv_from(end->status));
    if (end->reason != NULL)
        json_kstr(o, "reason", sv_from(end->reason));
    json_kint(o, "at", x->event.now_ms);
    if (item->received_ms != 0)
        json_kint(o, "received", item->received_ms);
    put_superseded(o, &x->before, i);
    json_obj_end(o);
}

static int fill_marks(struct transact *x, struct store_change *c, const struct ending *end, const struct covered *items)
{
    struct store_pair *marks = arena_array(x->scratch, end->covered_n + 1, sizeof(*marks));
    if (marks == NULL)
        return -1;
    struct buf b = { 0 };
    for (size_t i = 0; i < end->covered_n; i++) {
        buf_clear(&b);
        struct json_out o = { .b = &b };
        put_mark(&o, x, end, &items[i], i);
        marks[i] = (struct store_pair){ items[i].id, buf_ok(&b) ? arena_sv(x->scratch, buf_sv(&b)) : SV_NONE };
        if (marks[i].value.p == NULL) {
            buf_fini(&b);
            return -1;
        }
    }
    buf_fini(&b);
    c->marks = marks;
    c->marks_n = end->covered_n;
    return 0;
}

/* ---- context ---- */

static struct sv reply_entry(struct transact *x, const struct ending *end)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "role", SV("assistant"));
    json_kstr(&o, "content", end->reply->text);
    json_kint(&o, "timestamp", x->event.now_ms);
    json_kstr(&o, "turn_id", sv_from(x->decision.turn_id));
    json_obj_end(&o);
    struct sv s = buf_ok(&b) ? arena_sv(x->scratch, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return s;
}

/* The reply has reached the customer, or may have, or is there for whoever asks. */
static bool is_there(const struct ending *end)
{
    bool sent = end->send != NULL && (strcmp(end->send, "success") == 0 || strcmp(end->send, "unknown") == 0);
    bool proposed = end->action_status != NULL && strcmp(end->action_status, "proposed") == 0;
    return end->reply != NULL && (sent || proposed);
}

/* What the archive recalled, then what was covered, then the reply. */
static int fill_context(struct transact *x, struct store_change *c, const struct ending *end)
{
    bool said = is_there(end) && end->reply->text.n > 0;
    bool recalls = end->recalled_n > 0 && c->pending_drop_to_context && c->pending_drop == end->covered_n;
    size_t n = (recalls ? end->recalled_n + end->covered_n : 0) + said;
    if (end->past != NULL && !x->decision.next.recalled)
        session_past_join(&x->decision.next, end->past);
    x->decision.next.past_known = x->decision.next.past_known || end->no_past;
    x->decision.next.recalled = x->decision.next.recalled || end->recall_done;
    if (n == 0)
        return 0;
    struct sv *list = arena_array(x->scratch, n, sizeof(*list));
    if (list == NULL)
        return -1;
    if (recalls) {
        memcpy(list, end->recalled, end->recalled_n * sizeof(*list));
        memcpy(list + end->recalled_n, end->covered, end->covered_n * sizeof(*list));
        c->pending_drop_to_context = false;
    }
    if (said)
        list[n - 1] = reply_entry(x, end);
    c->context_add = list;
    c->context_add_n = n;
    return said && list[n - 1].p == NULL ? -1 : 0;
}

/* ---- the history item ---- */

/* The lists are made by actions.c: each element's own members come first, then its outcome. */
static void put_actions(struct json_out *o, struct sv list, const char *status)
{
    struct sv rest = json_raw_inside(list), one, key, value;
    while (json_raw_next(&rest, NULL, &one)) {
        struct sv members = json_raw_inside(one);
        json_obj(o);
        while (json_raw_next(&members, &key, &value)) {
            if (sv_eq(key, SV("type")))
                json_kraw(o, "type", value);
            else if (sv_eq(key, SV("data")))
                json_kraw(o, "data", value);
            else if (sv_eq(key, SV("reason")))
                json_kraw(o, "reason", value);
        }
        json_kstr(o, "status", sv_from(status));
        json_obj_end(o);
    }
}

static bool is_failed(const struct ending *end)
{
    return strcmp(end->status, "failed") == 0;
}

/* For the table of jobs: only turns whose id somebody was told. */
static void put_job(struct json_out *o, struct transact *x, const struct ending *end)
{
    const struct conversation *c = &x->before;
    if (!c->told && !x->told)
        return;
    json_key(o, "job");
    json_obj(o);
    json_kint(o, "attempts", (int64_t)c->attempts + 1);
    json_kint(o, "created_at", c->oldest_ms != 0 ? c->oldest_ms : x->event.now_ms);
    json_key(o, "started_at");
    if (c->began_ms != 0)
        json_int(o, c->began_ms);
    else
        json_nul(o);
    json_kstr(o, "bot_id", end->bot != NULL ? sv_from(end->bot->bot_id) : SV_NONE);
    json_key(o, "callback_urls");
    callbacks_put_urls(o, end);
    json_kstr(o, "error", is_failed(end) ? sv_from(end->reason) : SV_NONE);
    json_obj_end(o);
}

static void put_item(struct json_out *o, struct transact *x, const struct ending *end)
{
    const struct decision *d = &x->decision;
    json_obj(o);
    json_kstr(o, "type", SV("turn"));
    json_kint(o, "v", 1);
    json_kstr(o, "conversation_id", x->id);
    json_kstr(o, "turn_id", sv_from(d->turn_id));
    json_kint(o, "seq", (int64_t)d->next.seq);
    json_kstr(o, "status", sv_from(end->status));
    if (end->reason != NULL)
        json_kstr(o, "reason", sv_from(end->reason));
    json_kint(o, "at", x->event.now_ms);
    json_key(o, "messages");
    json_arr(o);
    for (size_t i = 0; i < end->covered_n; i++)
        json_raw(o, end->covered[i]);
    json_arr_end(o);
    json_key(o, "actions");
    json_arr(o);
    if (end->reply != NULL && end->action_status != NULL) {
        put_actions(o, end->reply->actions, end->action_status);
        put_actions(o, end->reply->dropped, "dropped");
    }
    json_arr_end(o);
    if (end->reply != NULL) {
        json_kraw(o, "reply", end->reply->response);
        json_kint(o, "ai_ms", end->reply->ai_ms);
    }
    put_job(o, x, end);
    json_kint(o, "restarts", x->before.restarts);
    json_kint(o, "fence", (int64_t)x->before.fence);
    json_kstr(o, "storage", sv_from(store_backend(x->t->o.store)));
    json_obj_end(o);
}

static int fill_item(struct transact *x, struct store_change *c, const struct ending *end)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    put_item(&o, x, end);
    struct sv *list = arena_alloc(x->scratch, sizeof(*list));
    if (list != NULL && buf_ok(&b))
        *list = arena_sv(x->scratch, buf_sv(&b));
    buf_fini(&b);
    if (list == NULL || list->p == NULL)
        return -1;
    c->queue_add = list;
    c->queue_add_n = 1;
    return 0;
}

/* ---- the letter that a turn leaves which is given up ---- */

static int fill_letter(struct transact *x, struct store_change *c, const struct ending *end)
{
    struct store_letter *letter = arena_alloc(x->scratch, sizeof(*letter));
    char id[ID_UUID_SIZE];
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    id_uuid7(id);
    json_obj(&o);
    json_kstr(&o, "type", SV("turn"));
    json_kint(&o, "v", 1);
    json_kstr(&o, "id", sv_from(id));
    json_kms(&o, "at", x->event.now_ms);
    json_kstr(&o, "reason", sv_from(end->reason));
    json_kint(&o, "attempts", (int64_t)x->before.attempts + 1);
    json_kstr(&o, "conversation_id", x->id);
    json_kstr(&o, "turn_id", sv_from(x->decision.turn_id));
    json_key(&o, "messages");
    json_arr(&o);
    for (size_t i = 0; i < end->covered_n; i++)
        json_raw(&o, end->covered[i]);
    json_arr_end(&o);
    json_obj_end(&o);
    if (letter != NULL && buf_ok(&b))
        *letter = (struct store_letter){ arena_sv(x->scratch, sv_from(id)), arena_sv(x->scratch, buf_sv(&b)) };
    buf_fini(&b);
    if (letter == NULL || letter->id.p == NULL || letter->item.p == NULL)
        return -1;
    c->letters = letter;
    c->letters_n = 1;
    return 0;
}

/* ---- the job ---- */

struct sv job_format(struct arena *a, struct sv id, struct sv conversation_id, const char *status, const struct conversation *c, int64_t now_ms,
                     size_t messages, struct sv result, const char *error, struct sv message_id)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    bool ended = strcmp(status, "queued") != 0 && strcmp(status, "processing") != 0;
    json_obj(&o);
    json_kstr(&o, "job_id", id);
    json_kstr(&o, "conversation_id", conversation_id);
    if (message_id.p != NULL)
        json_kstr(&o, "message_id", message_id);
    json_kstr(&o, "status", sv_from(status));
    json_kms(&o, "created_at", c->oldest_ms != 0 ? c->oldest_ms : now_ms);
    json_key(&o, "started_at");
    if (c->began_ms != 0)
        json_ms(&o, c->began_ms);
    else
        json_nul(&o);
    json_key(&o, "completed_at");
    if (ended)
        json_ms(&o, now_ms);
    else
        json_nul(&o);
    json_kint(&o, "attempts", (int64_t)c->attempts + 1);
    json_kint(&o, "consolidated_messages", (int64_t)messages);
    json_kraw(&o, "result", result.p != NULL ? result : SV("null"));
    json_kstr(&o, "error", sv_from(error));
    json_obj_end(&o);
    struct sv s = buf_ok(&b) ? arena_sv(a, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return s;
}

struct sv ending_job(struct transact *x, const struct ending *end, struct sv id, struct sv message_id)
{
    bool failed = is_failed(end);
    const char *status = failed || strcmp(end->status, "cancelled") == 0 ? end->status : "completed";
    struct buf b = { 0 };
    ending_result(&b, x->t, x->decision.turn_id, end, message_id);
    struct sv value = !buf_ok(&b) ? SV_NONE
                                  : job_format(x->scratch, id, x->id, status, &x->before, x->event.now_ms, end->covered_n, buf_sv(&b),
                                               failed ? end->reason : NULL, SV_NONE);
    buf_fini(&b);
    return value;
}

static int fill_job(struct transact *x, struct store_change *c, const struct ending *end, struct sv newest_id)
{
    struct sv id = sv_from(x->decision.turn_id);
    c->job = (struct store_pair){ id, ending_job(x, end, id, newest_id) };
    return c->job.value.p == NULL ? -1 : callbacks_fill(x, c, end, newest_id);
}

/* For session_note. */
static int fill_outcome(struct transact *x, const struct ending *end, const struct covered *items)
{
    struct sv *ids = arena_array(x->scratch, end->covered_n + 1, sizeof(*ids));
    if (ids == NULL)
        return -1;
    for (size_t i = 0; i < end->covered_n; i++)
        ids[i] = items[i].id;
    x->outcome = (struct outcome){ .status = end->status, .reason = end->reason, .send = end->send, .said = is_there(end), .text = SV_NONE,
                                   .actions = SV_NONE, .entities = SV_NONE, .message_ids = ids, .covered = end->covered,
                                   .message_ids_n = end->covered_n };
    if (end->reply != NULL) {
        x->outcome.text = end->reply->text;
        x->outcome.actions = end->reply->actions;
        x->outcome.entities = json_raw_member(end->reply->response, "entities");
    }
    return 0;
}

int ending_fill(struct transact *x, struct store_change *c, const struct ending *end)
{
    struct covered *items = arena_array(x->scratch, end->covered_n + 1, sizeof(*items));
    if (items == NULL)
        return -1;
    for (size_t i = 0; i < end->covered_n; i++) {
        struct message_item m;
        struct err e;
        if (message_look(end->covered[i], &m, &e) != 0)
            return -1;
        items[i] = (struct covered){ message_text(x->scratch, m.message_id_json), message_text(x->scratch, m.content_json),
                                      json_raw_member(end->covered[i], "metadata"), m.seq, m.received_ms };
        if (items[i].id.p == NULL || items[i].content.p == NULL)
            return -1;
    }
    struct sv newest = end->covered_n > 0 ? items[end->covered_n - 1].id : SV_NONE;
    if (fill_marks(x, c, end, items) != 0 || fill_context(x, c, end) != 0 || fill_item(x, c, end) != 0)
        return -1;
    if (fill_outcome(x, end, items) != 0)
        return -1;
    if (is_failed(end) && fill_letter(x, c, end) != 0)
        return -1;
    return fill_job(x, c, end, newest);
}
