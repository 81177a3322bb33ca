/* SPDX-License-Identifier: MIT
 * The port's front: checks what callers hand over, so that backends need not.
 * What depends on data from outside is answered, never fatal: an id that is empty or over STORE_ID_MAX gives FULL
 * ("over a bound; nothing changed"), through the callback and not from inside the call. What only a wrong program can
 * ask for aborts with one line in the log: a missing callback or record, a list that is NULL with a count, a TTL or
 * `max` that is not positive, a lease without a token. */
#include "config.h"

#include <stdlib.h>

#include "lib/id.h"
#include "lib/log.h"
#include "store/answer.h"
#include "store/store_check.h"

#define NAME_MAX_BYTES (STORE_ID_MAX + 64) /* "job:" and its like before an id */
#define FIRST_VERSIONS (UINT64_C(1) << 47) /* as many again are left to count on, see store_next_version */

void store_must(bool what, const char *call, const char *says)
{
    if (what)
        return;
    log_error("store: wrong call", "call", call, "needs", says, NULL);
    abort();
}

bool store_is_id(struct sv id)
{
    return id.p != NULL && id.n >= 1 && id.n <= STORE_ID_MAX;
}

bool store_is_list(const struct sv *items, size_t n)
{
    if (n > 0 && items == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (items[i].p == NULL)
            return false;
    }
    return true;
}

static bool are_letters(const struct store_letter *letters, size_t n)
{
    if (n > 0 && letters == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!store_is_id(letters[i].id) || letters[i].item.p == NULL)
            return false;
    }
    return true;
}

void store_refuse(struct store *s, const struct answer *a)
{
    if (s->refused == NULL)
        s->refused = answers_new(s->loop);
    if (s->refused == NULL)
        abort();
    answers_later(s->refused, answer_new(a));
}

void store_load(struct store *s, const struct store_load *what, store_load_fn *fn, void *arg)
{
    store_must(fn != NULL, "load", "a callback");
    if (!store_is_id(what->conversation_id) || (what->message_id.p != NULL && !store_is_id(what->message_id))) {
        store_refuse(s, &(struct answer){ .kind = ANSWER_LOAD, .status = STORE_FULL, .fn.load = fn, .arg = arg });
        return;
    }
    s->ops->load(s, what, fn, arg);
}

static bool ids_fit(const struct store_change *c)
{
    if (!store_is_id(c->conversation_id) || (c->mark_new.key.p != NULL && !store_is_id(c->mark_new.key)))
        return false;
    for (size_t i = 0; i < c->marks_n; i++) {
        if (!store_is_id(c->marks[i].key))
            return false;
    }
    if (!store_history_fits(c->history) || !store_erase_fits(c->erase))
        return false;
    return c->lease_token.n <= STORE_ID_MAX && c->need_token.n <= STORE_ID_MAX && c->job.key.n <= STORE_ID_MAX;
}

/* Nothing of what forgetting ignores may be asked for beside it. */
static void check_forget(const struct store_change *c)
{
    store_must(c->first_version == 0 && c->record.p == NULL && c->need_token.p == NULL && c->lease == STORE_LEASE_KEEP &&
             c->mark_new.key.p == NULL && c->pending_add.p == NULL && c->pending_more_n == 0 &&
             c->pending_drop == 0 && c->context_add_n == 0 && c->callbacks_add_n == 0 &&
             c->letters_n == 0 && c->job.key.p == NULL && c->due_ms == 0 && c->in == 0 && c->session == NULL && c->history == NULL,
         "apply", "nothing beside forgetting but the expected version and an event");
    store_must(c->erase != NULL || (c->marks_n == 0 && c->queue_add_n == 0), "apply", "marks and items beside forgetting only when it erases");
}

static void check_marks(const struct store_change *c)
{
    store_must(c->marks_n == 0 || c->marks != NULL, "apply", "marks");
    for (size_t i = 0; i < c->marks_n; i++)
        store_must(c->marks[i].value.p != NULL, "apply", "value of a mark");
}

static void check_change(const struct store_change *c)
{
    check_marks(c);
    store_must(store_is_list(c->queue_add, c->queue_add_n), "apply", "items for the queue");
    store_check_erase(c);
    if (c->forget) {
        check_forget(c);
        return;
    }
    store_must(c->record.p != NULL, "apply", "a record");
    store_must(c->lease != STORE_LEASE_TAKE || (c->lease_token.n > 0 && c->lease_ttl_ms > 0), "apply",
         "token and TTL of the lease");
    store_must((c->marks_n == 0 && c->mark_new.key.p == NULL) || c->mark_ttl_ms > 0, "apply", "TTL of the marks");
    store_must(c->mark_new.key.p == NULL || c->mark_new.value.p != NULL, "apply", "value of the new mark");
    store_must(store_is_list(c->pending_more, c->pending_more_n), "apply", "pending items");
    store_must(store_is_list(c->context_add, c->context_add_n), "apply", "items for the context");
    store_must(store_is_list(c->callbacks_add, c->callbacks_add_n), "apply", "callbacks");
    store_must(are_letters(c->letters, c->letters_n), "apply", "letters with their ids");
    store_must(c->job.key.p == NULL || c->job.value.p == NULL || c->job_ttl_ms > 0, "apply", "TTL of the job");
    store_must(c->expect_version == 0 || c->first_version == 0, "apply", "a first version only for a new record");
    store_must(c->due_ms >= 0, "apply", "a due time that is not negative");
    store_check_session(c->session);
    store_check_history(c->history);
}

void store_apply(struct store *s, const struct store_change *change, store_apply_fn *fn, void *arg)
{
    store_must(fn != NULL, "apply", "a callback");
    check_change(change);
    if (!ids_fit(change)) {
        store_refuse(s, &(struct answer){ .kind = ANSWER_APPLY, .status = STORE_FULL, .fn.apply = fn, .arg = arg });
        return;
    }
    struct store_change whole = *change;
    if (!whole.forget && whole.expect_version == 0 && whole.first_version == 0)
        whole.first_version = 1 + id_random_below(FIRST_VERSIONS);
    s->ops->apply(s, &whole, fn, arg);
}

void store_refuse_status(struct store *s, store_status_fn *fn, void *arg)
{
    store_refuse(s, &(struct answer){ .kind = ANSWER_STATUS, .status = STORE_FULL, .fn.status = fn, .arg = arg });
}

void store_renew(struct store *s, struct sv conversation_id, struct sv token, int64_t ttl_ms, store_status_fn *fn,
                 void *arg)
{
    store_must(fn != NULL && ttl_ms > 0, "renew", "a callback and a TTL");
    if (!store_is_id(conversation_id) || !store_is_id(token)) {
        store_refuse_status(s, fn, arg);
        return;
    }
    s->ops->renew(s, conversation_id, token, ttl_ms, fn, arg);
}

void store_list(struct store *s, const struct store_list *what, store_list_fn *fn, void *arg)
{
    store_must(fn != NULL && what->max > 0, "list", "a callback and a maximum");
    store_must(what->min_ms >= 0 && what->max_ms >= 0, "list", "bounds that are not negative");
    if (what->after_id.p != NULL && (!store_is_id(what->after_id) || what->after_ms < 0)) { /* a cursor comes from outside */
        store_refuse(s, &(struct answer){ .kind = ANSWER_LIST, .status = STORE_FULL, .fn.list = fn, .arg = arg });
        return;
    }
    s->ops->list(s, what, fn, arg);
}

static bool is_queue(enum store_queue q)
{
    return (unsigned)q < STORE_QUEUES;
}

void store_take(struct store *s, enum store_queue q, struct sv owner, size_t max, store_take_fn *fn, void *arg)
{
    store_must(fn != NULL && max > 0 && is_queue(q), "take", "a callback, a maximum and a queue");
    if (!store_is_id(owner)) {
        store_refuse(s, &(struct answer){ .kind = ANSWER_BATCH, .status = STORE_FULL, .fn.batch = fn, .arg = arg });
        return;
    }
    s->ops->take(s, q, owner, max, fn, arg);
}

void store_ack(struct store *s, const struct store_ack *ack, store_status_fn *fn, void *arg)
{
    store_must(fn != NULL && is_queue(ack->queue), "ack", "a callback and a queue");
    store_must(are_letters(ack->dead, ack->dead_n) && store_is_list(ack->again, ack->again_n), "ack", "letters and items");
    if (ack->batch.p == NULL || ack->batch.n == 0 || ack->batch.n > NAME_MAX_BYTES) {
        store_refuse_status(s, fn, arg);
        return;
    }
    s->ops->ack(s, ack, fn, arg);
}

void store_recover(struct store *s, enum store_queue q, store_dead_fn *is_dead, void *dead_arg, store_status_fn *fn,
                   void *arg)
{
    store_must(fn != NULL && is_dead != NULL && is_queue(q), "recover", "two callbacks and a queue");
    s->ops->recover(s, q, is_dead, dead_arg, fn, arg);
}

void store_letters(struct store *s, const struct store_letters *what, store_letters_fn *fn, void *arg)
{
    bool lists = what->op == STORE_LETTERS_LIST;
    store_must(fn != NULL && (!lists || what->max > 0), "letters", "a callback and a maximum");
    store_must(what->op != STORE_LETTERS_AGAIN || (what->item.p != NULL && is_queue(what->queue)), "letters",
         "the item that comes again, and its queue");
    if (!store_is_id(what->id) && !(lists && what->id.p == NULL)) {
        store_refuse(s, &(struct answer){ .kind = ANSWER_LETTERS, .status = STORE_FULL, .fn.letters = fn, .arg = arg });
        return;
    }
    s->ops->letters(s, what, fn, arg);
}

/* ---- small values ---- */

struct putting {
    store_status_fn *fn;
    void *arg;
};

static void on_put(void *arg, enum store_status status, struct sv value)
{
    struct putting p = *(struct putting *)arg;
    (void)value;
    free(arg);
    p.fn(p.arg, status);
}

bool store_is_name(struct sv name)
{
    return name.p != NULL && name.n > 0 && name.n <= NAME_MAX_BYTES;
}

void store_put(struct store *s, struct sv name, struct sv value, int64_t ttl_ms, store_status_fn *fn, void *arg)
{
    store_must(fn != NULL && (value.p == NULL || ttl_ms > 0), "put", "a callback and a TTL");
    struct putting *p = store_is_name(name) ? malloc(sizeof *p) : NULL;
    if (p == NULL) {
        store_refuse_status(s, fn, arg);
        return;
    }
    *p = (struct putting){ fn, arg };
    s->ops->value(s, &(struct store_value){ .name = name, .value = value, .ttl_ms = ttl_ms, .put = true }, on_put, p);
}

void store_get(struct store *s, struct sv name, store_value_fn *fn, void *arg)
{
    store_must(fn != NULL, "get", "a callback");
    if (!store_is_name(name)) {
        store_refuse(s, &(struct answer){ .kind = ANSWER_VALUE, .status = STORE_FULL, .fn.value = fn, .arg = arg });
        return;
    }
    s->ops->value(s, &(struct store_value){ .name = name }, fn, arg);
}

void store_stat(struct store *s, store_stat_fn *fn, void *arg)
{
    store_must(fn != NULL, "stat", "a callback");
    s->ops->stat(s, fn, arg);
}

void store_subscribe(struct store *s, store_event_fn *fn, void *arg)
{
    s->on_event = fn;
    s->event_arg = arg;
}

const char *store_backend(const struct store *s)
{
    return s->backend;
}

bool store_is_up(const struct store *s)
{
    return s->ops->is_up(s);
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    answers_close(s->refused);
    s->ops->close(s);
}

bool store_is_standing_in(const struct store *s)
{
    return s->standing_in;
}

bool store_is_spooling(const struct store *s)
{
    return s->spooling;
}
