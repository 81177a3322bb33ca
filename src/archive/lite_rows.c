/* SPDX-License-Identifier: MIT
 * The rules of the statements are those of pg_sql.c: a row that is there gives way only to a higher fence and counts as a revision then; only new
 * rows count. */
#include "config.h"

#include "archive/lite_rows.h"
#include "archive/lite_tasks.h"

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

static int write_job(struct row_maker *r)
{
    const struct item *item = r->item;
    const struct item_job *job = item->job;

    if (job == NULL)
        return 0;
    const struct lite_arg args[] = {
        lite_s(turn_of(r)), lite_s(item->conversation_id), lite_s(job->bot_id), lite_s(sv_from(job->status)), lite_i(job->attempts),
        lite_i((int64_t)item->messages_n), lite_s(job->callback_url), lite_s(item->reply), lite_s(job->error), lite_i(job->created_ms),
        job->started_ms >= 0 ? lite_i(job->started_ms) : lite_s(SV_NONE), lite_i(item->at_ms), lite_i(item->fence),
    };
    return lite_do(r->l, LITE_JOB, args, ARRAY_LEN(args));
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
    int64_t total = 0, customers = 0, last_ms = 0, last_seq = 0, first_ms = INT64_MAX, active_ms = r->item->has_turn ? r->item->at_ms : 0;

    for (size_t i = 0; i < r->item->messages_n; i++) {
        const struct item_message *m = &r->item->messages[i];
        bool fresh;
        if (write_message(r, m, &fresh) != 0)
            return -1;
        active_ms = m->received_ms > active_ms ? m->received_ms : active_ms;
        if (!fresh)
            continue;
        total++;
        customers += strcmp(m->sender_type, "user") == 0;
        last_ms = m->order_ms > last_ms ? m->order_ms : last_ms;
        last_seq = m->seq > last_seq ? m->seq : last_seq;
        first_ms = m->received_ms < first_ms ? m->received_ms : first_ms;
    }
    const struct lite_arg args[] = { lite_s(r->item->conversation_id), lite_i(last_ms), lite_i(last_seq), lite_i(total),
                                     lite_i(customers), lite_i(first_ms), lite_i(active_ms) };
    return lite_do(r->l, LITE_COUNT, args, ARRAY_LEN(args));
}

int lite_write_item(struct lite *l, const struct item *item)
{
    struct row_maker r = { .l = l, .item = item };
    int rc;

    if (item->messages_n == 0) {
        if (item->state != NULL)
            return lite_write_state(l, item);
        return item->customer != NULL ? lite_write_customer(l, item) : 0;
    }
    item_uuid_format(item->turn_id, r.turn_id);
    rc = write_conversation(&r) == 0 && write_messages(&r) == 0 && write_session(&r) == 0 ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < item->actions_n; i++)
        rc = write_action(&r, i);
    return rc == 0 ? write_job(&r) : -1;
}

/* ---- reading ---- */

int lite_read_context(struct lite *l, struct sv conversation_id, struct entries *e)
{
    const struct lite_arg args[] = { lite_s(conversation_id), lite_i((int64_t)e->max) };
    int rc = lite_ask(l, LITE_CONTEXT, args, ARRAY_LEN(args));

    while (rc > 0 && !entries_full(e)) {
        struct entry entry = { .sender_type = lite_value(l, LITE_CONTEXT, 0),
                               .content = lite_value(l, LITE_CONTEXT, 1),
                               .timestamp_ms = item_uuid_ms(lite_value(l, LITE_CONTEXT, 2)),
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

int lite_read_job(struct lite *l, struct arena *a, struct sv job_id, struct sv *job)
{
    const struct lite_arg arg = lite_s(job_id);
    int rc = lite_ask(l, LITE_READ_JOB, &arg, 1);

    *job = SV_NONE;
    if (rc > 0) {
        const struct job_entry row = { .id = lite_value(l, LITE_READ_JOB, 0),
                                       .conversation_id = lite_value(l, LITE_READ_JOB, 1),
                                       .status = lite_value(l, LITE_READ_JOB, 2),
                                       .created_ms = lite_value(l, LITE_READ_JOB, 3),
                                       .started_ms = lite_value(l, LITE_READ_JOB, 4),
                                       .completed_ms = lite_value(l, LITE_READ_JOB, 5),
                                       .attempts = lite_value(l, LITE_READ_JOB, 6),
                                       .consolidated_messages = lite_value(l, LITE_READ_JOB, 7),
                                       .result = lite_value(l, LITE_READ_JOB, 8),
                                       .error = lite_value(l, LITE_READ_JOB, 9) };
        *job = job_entry_format(a, &row);
        rc = job->p != NULL ? 0 : -1;
    }
    lite_end(l, LITE_READ_JOB);
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

    if (lite_do(l, LITE_FORGET_ACTIONS, args, ARRAY_LEN(args)) != 0 || lite_do(l, LITE_FORGET_JOB, args, ARRAY_LEN(args)) != 0 ||
        lite_do(l, LITE_FORGET_COUNT, args, ARRAY_LEN(args)) != 0 || lite_do(l, LITE_FORGET_MESSAGE, args, ARRAY_LEN(args)) != 0)
        return -1;
    *gone = (size_t)lite_changes(l);
    return 0;
}
