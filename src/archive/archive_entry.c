/* SPDX-License-Identifier: MIT
 * A reply stands behind the newest message that it covers, as it was in the conversation; what came after that message and before the
 * reply follows behind, since it was answered later. */
#include "config.h"

#include "archive/archive_entry.h"
#include "lib/json.h"

int entries_init(struct entries *e, struct arena *a, size_t max)
{
    *e = (struct entries){ .arena = a, .max = max };
    e->slots = arena_array(a, max, sizeof(*e->slots));
    return e->slots != NULL ? 0 : -1;
}

bool entries_full(const struct entries *e)
{
    return e->n >= e->max;
}

static int add(struct entries *e, struct sv role, struct sv content, int64_t ms, struct sv message_id)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    struct sv *slot = &e->slots[e->max - 1 - e->n];

    json_obj(&o);
    json_kstr(&o, "role", role);
    json_kstr(&o, "content", content);
    json_kint(&o, "timestamp", ms);
    if (message_id.p != NULL)
        json_kstr(&o, "message_id", message_id);
    json_obj_end(&o);
    *slot = buf_ok(&b) ? arena_sv(e->arena, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    if (slot->p == NULL)
        return -1;
    e->n++;
    return 0;
}

int entries_add(struct entries *e, const struct entry *row)
{
    if (row->reply.n > 0 && !entries_full(e) && add(e, SV("assistant"), row->reply, row->replied_ms, SV_NONE) != 0)
        return -1;
    if (entries_full(e))
        return 0;
    return add(e, row->sender_type, row->content, row->timestamp_ms, row->message_id);
}

const struct sv *entries_list(const struct entries *e)
{
    return e->slots + (e->max - e->n);
}

struct sv outcome_format(struct arena *a, struct sv status, struct sv turn_id, struct sv reason)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    struct sv text;

    json_obj(&o);
    json_kstr(&o, "status", status);
    if (turn_id.p != NULL)
        json_kstr(&o, "turn_id", turn_id);
    if (reason.p != NULL)
        json_kstr(&o, "reason", reason);
    json_obj_end(&o);
    text = buf_ok(&b) ? arena_sv(a, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return text;
}

static void put_ms(struct json_out *o, const char *key, struct sv text)
{
    int64_t ms = 0;

    if (text.p != NULL && sv_to_i64(text, &ms))
        json_kms(o, key, ms);
    else
        json_kstr(o, key, SV_NONE);
}

struct sv job_entry_format(struct arena *a, const struct job_entry *row)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    struct sv text;

    json_obj(&o);
    json_kstr(&o, "job_id", row->id);
    json_kstr(&o, "conversation_id", row->conversation_id);
    json_kstr(&o, "status", row->status);
    put_ms(&o, "created_at", row->created_ms);
    put_ms(&o, "started_at", row->started_ms);
    put_ms(&o, "completed_at", row->completed_ms);
    json_kraw(&o, "attempts", row->attempts);
    json_kraw(&o, "consolidated_messages", row->consolidated_messages);
    json_kraw(&o, "result", row->result.p != NULL ? row->result : SV("null"));
    json_kstr(&o, "error", row->error);
    json_obj_end(&o);
    text = buf_ok(&b) ? arena_sv(a, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return text;
}

bool edited_read(struct sv word, enum archive_edited *edited)
{
    static const char *const words[ARCHIVE_EDITS] = {
        [ARCHIVE_EDIT_DONE] = "done",
        [ARCHIVE_EDIT_UNKNOWN] = "unknown",
        [ARCHIVE_EDIT_EXISTS] = "exists",
        [ARCHIVE_EDIT_IN_USE] = "in_use",
        [ARCHIVE_EDIT_STALE] = "stale",
        [ARCHIVE_EDIT_NO_CORE] = "no_core",
        [ARCHIVE_EDIT_NO_PLATFORM] = "no_platform",
        [ARCHIVE_EDIT_REFUSED] = "refused",
    };

    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        if (sv_eq(word, sv_from(words[i]))) {
            *edited = i;
            return true;
        }
    return false;
}
