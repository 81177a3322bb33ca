/* SPDX-License-Identifier: MIT
 * Copies of a call's arguments, and which function runs what. */
#include "config.h"

#include <stdlib.h>

#include "store/sqlite_op.h"

#define OP_ARENA_MAX (256u << 20)

static bool keep(struct op *op, struct sv *s)
{
    if (s->p == NULL)
        return true;
    *s = arena_sv(op->arena, *s);
    return s->p != NULL;
}

static bool keep_all(struct op *op, const struct sv **items, size_t n)
{
    if (n == 0)
        return true;
    struct sv *kept = arena_array(op->arena, n, sizeof *kept);
    bool all = kept != NULL;
    for (size_t i = 0; all && i < n; i++) {
        kept[i] = (*items)[i];
        all = keep(op, &kept[i]);
    }
    *items = kept;
    return all;
}

static bool keep_letters(struct op *op, const struct store_letter **letters, size_t n)
{
    struct store_letter *kept = arena_array(op->arena, n + 1, sizeof *kept);
    bool all = kept != NULL;
    for (size_t i = 0; all && i < n; i++) {
        kept[i] = (*letters)[i];
        all = keep(op, &kept[i].id) && keep(op, &kept[i].item);
    }
    *letters = kept;
    return all;
}

static bool keep_session(struct op *op, const struct store_session_change **session)
{
    if (*session == NULL)
        return true;
    struct store_session_change *kept = arena_alloc(op->arena, sizeof *kept);
    if (kept == NULL)
        return false;
    *kept = **session;
    *session = kept;
    return keep(op, &kept->view) && keep_all(op, &kept->events, kept->events_n);
}

static bool keep_change(struct op *op, struct store_change *c)
{
    struct store_pair *marks = arena_array(op->arena, c->marks_n + 1, sizeof *marks);
    bool all = marks != NULL;
    for (size_t i = 0; all && i < c->marks_n; i++) {
        marks[i] = c->marks[i];
        all = keep(op, &marks[i].key) && keep(op, &marks[i].value);
    }
    c->marks = marks;
    return all && keep(op, &c->conversation_id) && keep(op, &c->need_token) && keep(op, &c->record) &&
           keep(op, &c->lease_token) && keep(op, &c->mark_new.key) && keep(op, &c->mark_new.value) &&
           keep(op, &c->pending_add) && keep_all(op, &c->pending_more, c->pending_more_n) &&
           keep_all(op, &c->context_add, c->context_add_n) && keep_all(op, &c->queue_add, c->queue_add_n) &&
           keep_all(op, &c->callbacks_add, c->callbacks_add_n) &&
           keep_letters(op, &c->letters, c->letters_n) && keep(op, &c->job.key) && keep(op, &c->job.value) &&
           keep_session(op, &c->session) && keep(op, &c->event);
}

int op_keep(struct op *op)
{
    bool all = true;
    op->arena = arena_new(0, OP_ARENA_MAX);
    if (op->arena == NULL)
        return -1;
    switch (op->kind) {
    case OP_LOAD:
        all = keep(op, &op->ask.load.conversation_id) && keep(op, &op->ask.load.message_id);
        break;
    case OP_APPLY:
        all = keep_change(op, &op->ask.apply);
        break;
    case OP_RENEW:
        all = keep(op, &op->ask.renew.id) && keep(op, &op->ask.renew.token);
        break;
    case OP_LIST:
        all = keep(op, &op->ask.list.after_id);
        break;
    case OP_TAKE:
        all = keep(op, &op->ask.take.owner);
        break;
    case OP_ACK:
        all = keep(op, &op->ask.ack.batch) && keep_letters(op, &op->ask.ack.dead, op->ask.ack.dead_n) &&
              keep_all(op, &op->ask.ack.again, op->ask.ack.again_n);
        break;
    case OP_RECOVER:
        all = keep_all(op, &op->ask.recover.owners, op->ask.recover.n);
        break;
    case OP_LETTERS:
    case OP_LETTERS_CHANGE:
        all = keep(op, &op->ask.letters.id) && keep(op, &op->ask.letters.item);
        break;
    case OP_PUT:
    case OP_GET:
    case OP_COUNT:
        all = keep(op, &op->ask.value.name) && keep(op, &op->ask.value.value);
        break;
    case OP_SESSION_FILL:
        all = keep(op, &op->ask.fill.conversation_id) && keep(op, &op->ask.fill.view) && keep(op, &op->ask.fill.customer);
        break;
    case OP_SESSION:
    case OP_EVENTS:
        all = keep(op, &op->ask.events.id);
        break;
    case OP_FORGET:
        all = keep(op, &op->ask.forget.id) && keep(op, &op->ask.forget.key);
        break;
    case OP_OWNERS:
    case OP_STAT:
    case OP_WHOLE:
    case OP_STOCK:
        break;
    }
    return all ? 0 : -1;
}

void op_free(struct op *op)
{
    arena_free(op->arena);
    answer_free(op->answer);
    free(op);
}

static const struct {
    bool writes;
    int (*run)(struct session *x, struct op *op);
} kinds[] = {
    [OP_LOAD] = { false, op_load },
    [OP_APPLY] = { true, op_apply },
    [OP_RENEW] = { true, op_renew },
    [OP_LIST] = { false, op_list },
    [OP_TAKE] = { true, op_take },
    [OP_ACK] = { true, op_ack },
    [OP_OWNERS] = { false, op_owners },
    [OP_RECOVER] = { true, op_recover },
    [OP_LETTERS] = { false, op_letters },
    [OP_LETTERS_CHANGE] = { true, op_letters_change },
    [OP_PUT] = { true, op_put },
    [OP_GET] = { false, op_get },
    [OP_COUNT] = { true, op_one_more },
    [OP_STAT] = { false, op_stat },
    [OP_SESSION] = { false, op_session },
    [OP_SESSION_FILL] = { true, op_session_fill },
    [OP_EVENTS] = { false, op_events },
    [OP_WHOLE] = { true, op_whole },
    [OP_FORGET] = { true, op_forget },
    [OP_STOCK] = { false, op_stock },
};
_Static_assert(ARRAY_LEN(kinds) == OP_STOCK + 1, "one line for each kind");

bool op_writes(const struct op *op)
{
    return kinds[op->kind].writes;
}

int op_run(struct session *x, struct op *op)
{
    answer_clear(op->answer);
    return kinds[op->kind].run(x, op);
}
