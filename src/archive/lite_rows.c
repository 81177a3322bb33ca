/* SPDX-License-Identifier: MIT
 * The rules are those of pg_sql.c: a row that is there gives way only to a higher fence and counts as a revision then; only new rows count. */
#include "config.h"

#include "archive/lite_rows.h"

#define REPLY "ai_response, ai_processing_time_ms, model_used, restarts, storage_backend, answered_at, said"
#define ORDER_TIME "max(min(\"timestamp\", received_at + 300000), received_at - 2592000000)"

const char *const lite_sql[LITE_SQL_N] = {
    [LITE_CONVERSATION] = "INSERT INTO conversations (id, conversation_id, created_at, last_message_timestamp) VALUES (?1, ?2, ?3, ?4)"
                          " ON CONFLICT (conversation_id) DO NOTHING",
    [LITE_MESSAGE] = "INSERT INTO messages AS o (conversation_id, id, message_id, seq, sender_id, sender_type, content, \"timestamp\","
                     " received_at, metadata, attachments, status, reason, turn_id, fence, " REPLY ")"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)"
                     " ON CONFLICT (conversation_id, message_id) DO UPDATE SET status = excluded.status, reason = excluded.reason,"
                     " turn_id = excluded.turn_id, fence = excluded.fence, revision = o.revision + 1,"
                     " ai_response = excluded.ai_response, ai_processing_time_ms = excluded.ai_processing_time_ms,"
                     " model_used = excluded.model_used, restarts = excluded.restarts, storage_backend = excluded.storage_backend,"
                     " answered_at = excluded.answered_at, said = excluded.said WHERE o.fence < excluded.fence"
                     " RETURNING revision",
    [LITE_COUNT] = "UPDATE conversations SET last_message_timestamp = max(last_message_timestamp, ?2), last_seq = max(last_seq, ?3),"
                   " total_messages = total_messages + ?4, customer_messages = customer_messages + ?5 WHERE conversation_id = ?1",
    [LITE_ACTION] = "INSERT INTO message_actions AS o (conversation_id, turn_id, position, message_id, action_type, data, status,"
                    " reason, retry_count, fence, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
                    " ON CONFLICT (conversation_id, turn_id, position) DO UPDATE SET message_id = excluded.message_id,"
                    " action_type = excluded.action_type, data = excluded.data, status = excluded.status,"
                    " reason = excluded.reason, retry_count = excluded.retry_count, fence = excluded.fence"
                    " WHERE o.fence < excluded.fence",
    [LITE_SESSION] = "INSERT INTO chat_sessions AS o (id, session_id, user_id, user_seq, created_at, updated_at)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?5)"
                     " ON CONFLICT (session_id) DO UPDATE SET user_id = excluded.user_id, user_seq = excluded.user_seq"
                     " WHERE excluded.user_seq < o.user_seq",
    [LITE_CONTEXT] = "SELECT sender_type, content, " ORDER_TIME ", message_id,"
                     " CASE WHEN said THEN json_extract(ai_response, '$.response_text') END, answered_at"
                     " FROM messages WHERE conversation_id = ?1 AND sender_type <> 'bot' ORDER BY id DESC LIMIT ?2",
    [LITE_OUTCOME] = "SELECT status, turn_id, reason FROM messages WHERE conversation_id = ?1 AND message_id = ?2",
    [LITE_SIZE] = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    [LITE_OLD] = "SELECT conversation_id, message_id FROM messages WHERE received_at < ?1 ORDER BY received_at LIMIT ?2",
    [LITE_FORGET_ACTIONS] = "DELETE FROM message_actions WHERE conversation_id = ?1 AND message_id = ?2",
    [LITE_FORGET_MESSAGE] = "DELETE FROM messages WHERE conversation_id = ?1 AND message_id = ?2",
};

/* What the rows of one item have in common. */
struct row_maker {
    struct lite *l;
    const struct item *item;
    char turn_id[37];
};

static struct sv turn_of(const struct row_maker *r)
{
    return r->item->has_turn ? sv_from(r->turn_id) : SV_NONE;
}

/* *fresh: the message was not there. */
static int write_message(struct row_maker *r, const struct item_message *m, bool *fresh)
{
    const struct item *item = r->item;
    bool newest = item->has_turn && m == &item->messages[item->newest];
    char id[37];
    item_uuid_format(m->id, id);
    const struct lite_arg args[] = {
        lite_s(item->conversation_id), lite_s(sv_from(id)), lite_s(m->message_id), lite_i(m->seq), lite_s(m->sender_id),
        lite_s(sv_from(m->sender_type)), lite_s(m->content), lite_i(m->timestamp_ms), lite_i(m->received_ms),
        lite_s(m->metadata), lite_s(m->attachments),
        lite_s(item->status), lite_s(item->reason), lite_s(turn_of(r)), lite_i(item->fence),
        lite_s(newest ? item->reply : SV_NONE), lite_d(newest && item->has_ai_ms, item->ai_ms),
        lite_s(newest ? item->model : SV_NONE), newest ? lite_i(item->restarts) : lite_s(SV_NONE),
        lite_s(newest ? item->storage : SV_NONE), newest ? lite_i(item->at_ms) : lite_s(SV_NONE), lite_i(newest && item->said),
    };
    int rc = lite_ask(r->l, LITE_MESSAGE, args, ARRAY_LEN(args));

    *fresh = rc > 0 && lite_int(r->l, LITE_MESSAGE, 0) == 0;
    if (rc > 0)
        rc = lite_next(r->l, LITE_MESSAGE); /* a RETURNING statement is done when it has been read to its end */
    return rc;
}

static int write_action(struct row_maker *r, size_t position)
{
    const struct item *item = r->item;
    const struct item_action *a = &item->actions[position];
    const struct lite_arg args[] = {
        lite_s(item->conversation_id), lite_s(turn_of(r)), lite_i((int64_t)position),
        lite_s(item->messages[item->newest].message_id), lite_s(a->type), lite_s(a->data),
        lite_s(sv_from(a->status)), lite_s(a->reason), lite_i(a->retry_count), lite_i(item->fence), lite_i(item->at_ms),
    };

    return lite_do(r->l, LITE_ACTION, args, ARRAY_LEN(args));
}

static int write_session(struct row_maker *r)
{
    const struct item *item = r->item;
    const struct item_message *user = NULL;
    char id[37];

    for (size_t i = 0; i < item->messages_n; i++) {
        const struct item_message *m = &item->messages[i];
        if (strcmp(m->sender_type, "user") == 0 && (user == NULL || item_user_seq(m) < item_user_seq(user)))
            user = m;
    }
    item_uuid_format(item->messages[0].id, id);
    const struct lite_arg args[] = { lite_s(sv_from(id)), lite_s(item->conversation_id), lite_s(user != NULL ? user->sender_id : SV_NONE),
                                     lite_i(user != NULL ? item_user_seq(user) : INT64_MAX), lite_i(item->messages[0].order_ms) };
    return lite_do(r->l, LITE_SESSION, args, ARRAY_LEN(args));
}

static int write_conversation(struct row_maker *r)
{
    const struct item_message *first = &r->item->messages[0];
    char id[37];

    item_uuid_format(first->id, id);
    const struct lite_arg args[] = { lite_s(sv_from(id)), lite_s(r->item->conversation_id), lite_i(first->received_ms),
                                     lite_i(first->order_ms) };
    return lite_do(r->l, LITE_CONVERSATION, args, ARRAY_LEN(args));
}

static int write_messages(struct row_maker *r)
{
    int64_t total = 0, customers = 0, last_ms = 0, last_seq = 0;

    for (size_t i = 0; i < r->item->messages_n; i++) {
        const struct item_message *m = &r->item->messages[i];
        bool fresh;
        if (write_message(r, m, &fresh) != 0)
            return -1;
        if (!fresh)
            continue;
        total++;
        customers += strcmp(m->sender_type, "user") == 0;
        last_ms = m->order_ms > last_ms ? m->order_ms : last_ms;
        last_seq = m->seq > last_seq ? m->seq : last_seq;
    }
    if (total == 0)
        return 0;
    const struct lite_arg args[] = { lite_s(r->item->conversation_id), lite_i(last_ms), lite_i(last_seq), lite_i(total),
                                     lite_i(customers) };
    return lite_do(r->l, LITE_COUNT, args, ARRAY_LEN(args));
}

int lite_write_item(struct lite *l, const struct item *item)
{
    struct row_maker r = { .l = l, .item = item };
    int rc;

    item_uuid_format(item->turn_id, r.turn_id);
    rc = write_conversation(&r) == 0 && write_messages(&r) == 0 && write_session(&r) == 0 ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < item->actions_n; i++)
        rc = write_action(&r, i);
    return rc;
}

/* ---- reading ---- */

int lite_read_context(struct lite *l, struct sv conversation_id, struct entries *e)
{
    const struct lite_arg args[] = { lite_s(conversation_id), lite_i((int64_t)e->max) };
    int rc = lite_ask(l, LITE_CONTEXT, args, ARRAY_LEN(args));

    while (rc > 0 && !entries_full(e)) {
        struct entry entry = { .sender_type = lite_value(l, LITE_CONTEXT, 0),
                               .content = lite_value(l, LITE_CONTEXT, 1),
                               .timestamp_ms = lite_int(l, LITE_CONTEXT, 2),
                               .message_id = lite_value(l, LITE_CONTEXT, 3),
                               .reply = lite_value(l, LITE_CONTEXT, 4),
                               .replied_ms = lite_int(l, LITE_CONTEXT, 5) };
        rc = entries_add(e, &entry) == 0 ? lite_next(l, LITE_CONTEXT) : -1;
    }
    lite_end(l, LITE_CONTEXT);
    return rc < 0 ? -1 : 0;
}

int lite_read_outcome(struct lite *l, struct arena *a, struct sv conversation_id, struct sv message_id, struct sv *outcome)
{
    const struct lite_arg args[] = { lite_s(conversation_id), lite_s(message_id) };
    int rc = lite_ask(l, LITE_OUTCOME, args, ARRAY_LEN(args));

    *outcome = SV_NONE;
    if (rc > 0) {
        *outcome = outcome_format(a, lite_value(l, LITE_OUTCOME, 0), lite_value(l, LITE_OUTCOME, 1), lite_value(l, LITE_OUTCOME, 2));
        rc = outcome->p != NULL ? 0 : -1;
    }
    lite_end(l, LITE_OUTCOME);
    return rc;
}

int lite_read_size(struct lite *l, int64_t *bytes)
{
    int rc = lite_ask(l, LITE_SIZE, NULL, 0);

    *bytes = rc > 0 ? lite_int(l, LITE_SIZE, 0) : 0;
    lite_end(l, LITE_SIZE);
    return rc < 0 ? -1 : 0;
}

/* ---- retention ---- */

int lite_read_old(struct lite *l, struct arena *a, int64_t before_ms, size_t max, struct sv **pairs, size_t *n)
{
    const struct lite_arg args[] = { lite_i(before_ms), lite_i((int64_t)max) };
    int rc;

    *n = 0;
    *pairs = arena_array(a, 2 * max, sizeof(**pairs));
    if (*pairs == NULL)
        return -1;
    rc = lite_ask(l, LITE_OLD, args, ARRAY_LEN(args));
    while (rc > 0 && *n < max) {
        struct sv *pair = *pairs + 2 * *n;
        pair[0] = arena_sv(a, lite_value(l, LITE_OLD, 0));
        pair[1] = arena_sv(a, lite_value(l, LITE_OLD, 1));
        ++*n;
        rc = pair[0].p != NULL && pair[1].p != NULL ? lite_next(l, LITE_OLD) : -1;
    }
    lite_end(l, LITE_OLD);
    return rc < 0 ? -1 : 0;
}

int lite_forget_message(struct lite *l, const struct sv pair[2], size_t *gone)
{
    const struct lite_arg args[] = { lite_s(pair[0]), lite_s(pair[1]) };

    if (lite_do(l, LITE_FORGET_ACTIONS, args, ARRAY_LEN(args)) != 0 || lite_do(l, LITE_FORGET_MESSAGE, args, ARRAY_LEN(args)) != 0)
        return -1;
    *gone = (size_t)lite_changes(l);
    return 0;
}
