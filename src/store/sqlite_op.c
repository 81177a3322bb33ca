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

static bool keep_pairs(struct op *op, const struct store_pair **pairs, size_t n)
{
    struct store_pair *kept = arena_array(op->arena, n + 1, sizeof *kept);
    bool all = kept != NULL;
    for (size_t i = 0; all && i < n; i++) {
        kept[i] = (*pairs)[i];
        all = keep(op, &kept[i].key) && keep(op, &kept[i].value);
    }
    *pairs = kept;
    return all;
}

static bool keep_history(struct op *op, const struct store_history_change **history)
{
    if (*history == NULL)
        return true;
    struct store_history_change *kept = arena_alloc(op->arena, sizeof *kept);
    struct store_count *counts = arena_array(op->arena, (*history)->counts_n + 1, sizeof *counts);
    if (kept == NULL || counts == NULL)
        return false;
    *kept = **history;
    *history = kept;
    bool all = true;
    for (size_t i = 0; all && i < kept->counts_n; i++) {
        counts[i] = kept->counts[i];
        all = keep(op, &counts[i].metric);
    }
    kept->counts = counts;
    return all && keep(op, &kept->user_id) && keep(op, &kept->day) && keep_all(op, &kept->entries, kept->entries_n) &&
           keep_pairs(op, &kept->fields, kept->fields_n);
}

static bool keep_erase(struct op *op, const struct store_erase **erase)
{
    if (*erase == NULL)
        return true;
    struct store_erase *kept = arena_alloc(op->arena, sizeof *kept);
    if (kept == NULL)
        return false;
    *kept = **erase;
    *erase = kept;
    return keep(op, &kept->user_id) && keep(op, &kept->day_metric) && keep(op, &kept->day_into) &&
           keep_all(op, &kept->jobs, kept->jobs_n);
}

static bool keep_change(struct op *op, struct store_change *c)
{
    return keep_pairs(op, &c->marks, c->marks_n) && keep_history(op, &c->history) && keep_erase(op, &c->erase) && keep(op, &c->conversation_id) && keep(op, &c->need_token) && keep(op, &c->record) &&
           keep(op, &c->lease_token) && keep(op, &c->mark_new.key) && keep(op, &c->mark_new.value) &&
           keep(op, &c->pending_add) && keep_all(op, &c->pending_more, c->pending_more_n) &&
           keep_all(op, &c->context_add, c->context_add_n) && keep_all(op, &c->queue_add, c->queue_add_n) &&
           keep_all(op, &c->callbacks_add, c->callbacks_add_n) &&
           keep_letters(op, &c->letters, c->letters_n) && keep(op, &c->job.key) && keep(op, &c->job.value) &&
           keep_session(op, &c->session) && keep(op, &c->event);
}

static bool keep_place(struct op *op, struct store_value *v)
{
    if (v->place == NULL)
        return true;
    struct store_place *kept = arena_alloc(op->arena, sizeof *kept);
    if (kept == NULL)
        return false;
    *kept = *v->place;
    kept->name = v->name;
    v->place = kept;
    return true;
}

static bool keep_ask(struct op *op)
{
    switch (op->kind) {
    case OP_LOAD:
        return keep(op, &op->ask.load.conversation_id) && keep(op, &op->ask.load.message_id);
    case OP_APPLY:
        return keep_change(op, &op->ask.apply);
    case OP_RENEW:
        return keep(op, &op->ask.renew.id) && keep(op, &op->ask.renew.token);
    case OP_LIST:
        return keep(op, &op->ask.list.after_id);
    case OP_TAKE:
        return keep(op, &op->ask.take.owner);
    case OP_ACK:
        return keep(op, &op->ask.ack.batch) && keep_letters(op, &op->ask.ack.dead, op->ask.ack.dead_n) &&
              keep_all(op, &op->ask.ack.again, op->ask.ack.again_n);
    case OP_RECOVER:
        return keep_all(op, &op->ask.recover.owners, op->ask.recover.n);
    case OP_LETTERS:
    case OP_LETTERS_CHANGE:
        return keep(op, &op->ask.letters.id) && keep(op, &op->ask.letters.item);
    case OP_PUT:
    case OP_GET:
    case OP_COUNT:
    case OP_PLACE:
        return keep(op, &op->ask.value.name) && keep(op, &op->ask.value.value) && keep_place(op, &op->ask.value);
    case OP_SESSION_FILL:
        return keep(op, &op->ask.fill.conversation_id) && keep(op, &op->ask.fill.view) && keep(op, &op->ask.fill.customer);
    case OP_SESSION:
    case OP_EVENTS:
        return keep(op, &op->ask.events.id);
    case OP_HISTORY:
    case OP_USER:
    case OP_FIGURES:
    case OP_PREFERENCES_PUT:
    case OP_PREFERENCES:
    case OP_ERASED_AT:
        return keep(op, &op->ask.history.id) && keep(op, &op->ask.history.user_id) &&
              keep_pairs(op, &op->ask.history.pairs, op->ask.history.n);
    case OP_FORGET:
        return keep(op, &op->ask.forget.id) && keep(op, &op->ask.forget.key);
    case OP_OWNERS:
    case OP_STAT:
    case OP_WHOLE:
    case OP_STOCK:
    case OP_TASTES:
        return true;
    }
    return false;
}

int op_keep(struct op *op)
{
    op->arena = arena_new(0, OP_ARENA_MAX);
    return op->arena != NULL && keep_ask(op) ? 0 : -1;
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
    [OP_PLACE] = { true, op_place },
    [OP_STAT] = { false, op_stat },
    [OP_SESSION] = { false, op_session },
    [OP_SESSION_FILL] = { true, op_session_fill },
    [OP_EVENTS] = { false, op_events },
    [OP_HISTORY] = { false, op_history },
    [OP_USER] = { false, op_user },
    [OP_FIGURES] = { false, op_figures },
    [OP_PREFERENCES_PUT] = { true, op_preferences_put },
    [OP_PREFERENCES] = { false, op_preferences },
    [OP_ERASED_AT] = { false, op_erased_at },
    [OP_WHOLE] = { true, op_whole },
    [OP_FORGET] = { true, op_forget },
    [OP_STOCK] = { false, op_stock },
    [OP_TASTES] = { false, op_tastes },
};
_Static_assert(ARRAY_LEN(kinds) == OP_TASTES + 1, "one line for each kind");

bool op_writes(const struct op *op)
{
    return kinds[op->kind].writes;
}

int op_run(struct session *x, struct op *op)
{
    answer_clear(op->answer);
    return kinds[op->kind].run(x, op);
}
