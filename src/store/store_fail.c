/* SPDX-License-Identifier: MIT
 * A store that fails on purpose, for tests: the n-th call answers DOWN, either without asking the inner store or after
 * it has done the work ("the answer was lost"). All else goes to the inner store as it is.
 * Knows nothing of the inner store but the port. */
#include "config.h"

#include <stdlib.h>

#include "lib/loop.h"
#include "store/answer.h"
#include "store/store_backends.h"

struct fail {
    struct store store;
    struct store *inner;
    struct answers *answers;
    unsigned calls, nth;
    bool from_then_on, after;
};

static struct fail *of(struct store *s)
{
    return CONTAINER_OF(s, struct fail, store);
}

static bool fails(struct fail *f)
{
    f->calls++;
    return f->nth > 0 && (f->calls == f->nth || (f->from_then_on && f->calls > f->nth));
}

/* The inner store's answer is thrown away, *a (DOWN) told in its place. */
static void lost_load(void *arg, enum store_status status, const struct store_view *view)
{
    (void)status;
    (void)view;
    answer_tell(arg);
}

static void lost_apply(void *arg, enum store_status status, const struct store_applied *applied)
{
    (void)status;
    (void)applied;
    answer_tell(arg);
}

static void lost_status(void *arg, enum store_status status)
{
    (void)status;
    answer_tell(arg);
}

static void lost_list(void *arg, enum store_status status, const struct store_listing *listing)
{
    (void)status;
    (void)listing;
    answer_tell(arg);
}

static void lost_letters(void *arg, enum store_status status, const struct store_letter *letters, size_t n)
{
    (void)status;
    (void)letters;
    (void)n;
    answer_tell(arg);
}

static void lost_batch(void *arg, enum store_status status, const struct store_batch *batch)
{
    (void)status;
    (void)batch;
    answer_tell(arg);
}

static void lost_value(void *arg, enum store_status status, struct sv value)
{
    (void)status;
    (void)value;
    answer_tell(arg);
}

static void lost_stat(void *arg, enum store_status status, const struct store_stat *stat)
{
    (void)status;
    (void)stat;
    answer_tell(arg);
}

static void lost_session(void *arg, enum store_status status, const struct store_session *session)
{
    (void)status;
    (void)session;
    answer_tell(arg);
}

static void lost_events(void *arg, enum store_status status, const struct store_events *events)
{
    (void)status;
    (void)events;
    answer_tell(arg);
}

static void lost_history(void *arg, enum store_status status, const struct store_history *h)
{
    (void)status;
    (void)h;
    answer_tell(arg);
}

static void lost_user(void *arg, enum store_status status, const struct store_user_session *sessions, size_t n)
{
    (void)status;
    (void)sessions;
    (void)n;
    answer_tell(arg);
}

static void lost_pairs(void *arg, enum store_status status, const struct store_pair *pairs, size_t n)
{
    (void)status;
    (void)pairs;
    (void)n;
    answer_tell(arg);
}

static void lost_erased(void *arg, enum store_status status, int64_t at_ms)
{
    (void)status;
    (void)at_ms;
    answer_tell(arg);
}

/* For a call that fails: NULL when the answer is on its way already, else what `lost_...` shall tell after the work. */
static struct answer *prepare(struct fail *f, const struct answer *from)
{
    struct answer *a = answer_new(from);
    a->status = STORE_DOWN;
    if (f->after)
        return a;
    answers_later(f->answers, a);
    return NULL;
}

static void fail_load(struct store *s, const struct store_load *what, store_load_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (fails(f)) {
        arg = prepare(f, &(struct answer){ .kind = ANSWER_LOAD, .fn.load = fn, .arg = arg });
        fn = lost_load;
        if (arg == NULL)
            return;
    }
    store_load(f->inner, what, fn, arg);
}

static void fail_apply(struct store *s, const struct store_change *change, store_apply_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (fails(f)) {
        arg = prepare(f, &(struct answer){ .kind = ANSWER_APPLY, .fn.apply = fn, .arg = arg });
        fn = lost_apply;
        if (arg == NULL)
            return;
    }
    store_apply(f->inner, change, fn, arg);
}

/* For the calls that answer with a status alone. False: the answer is on its way. */
static bool goes_on(struct fail *f, store_status_fn **fn, void **arg)
{
    if (!fails(f))
        return true;
    *arg = prepare(f, &(struct answer){ .kind = ANSWER_STATUS, .fn.status = *fn, .arg = *arg });
    *fn = lost_status;
    return *arg != NULL;
}

static void fail_renew(struct store *s, struct sv id, struct sv token, int64_t ttl_ms, store_status_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (goes_on(f, &fn, &arg))
        store_renew(f->inner, id, token, ttl_ms, fn, arg);
}

static void fail_list(struct store *s, const struct store_list *what, store_list_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (fails(f)) {
        arg = prepare(f, &(struct answer){ .kind = ANSWER_LIST, .fn.list = fn, .arg = arg });
        fn = lost_list;
        if (arg == NULL)
            return;
    }
    store_list(f->inner, what, fn, arg);
}

static void fail_take(struct store *s, enum store_queue queue, struct sv owner, size_t max, store_take_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (fails(f)) {
        arg = prepare(f, &(struct answer){ .kind = ANSWER_BATCH, .fn.batch = fn, .arg = arg });
        fn = lost_batch;
        if (arg == NULL)
            return;
    }
    store_take(f->inner, queue, owner, max, fn, arg);
}

static void fail_ack(struct store *s, const struct store_ack *ack, store_status_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (goes_on(f, &fn, &arg))
        store_ack(f->inner, ack, fn, arg);
}

static void fail_recover(struct store *s, enum store_queue queue, store_dead_fn *is_dead, void *dead_arg, store_status_fn *fn,
                         void *arg)
{
    struct fail *f = of(s);
    if (goes_on(f, &fn, &arg))
        store_recover(f->inner, queue, is_dead, dead_arg, fn, arg);
}

static void fail_letters(struct store *s, const struct store_letters *what, store_letters_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (fails(f)) {
        arg = prepare(f, &(struct answer){ .kind = ANSWER_LETTERS, .fn.letters = fn, .arg = arg });
        fn = lost_letters;
        if (arg == NULL)
            return;
    }
    store_letters(f->inner, what, fn, arg);
}

static void fail_value(struct store *s, const struct store_value *what, store_value_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (fails(f)) {
        arg = prepare(f, &(struct answer){ .kind = ANSWER_VALUE, .fn.value = fn, .arg = arg });
        fn = lost_value;
        if (arg == NULL)
            return;
    }
    f->inner->ops->value(f->inner, what, fn, arg);
}

static void fail_stat(struct store *s, store_stat_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (fails(f)) {
        arg = prepare(f, &(struct answer){ .kind = ANSWER_STAT, .fn.stat = fn, .arg = arg });
        fn = lost_stat;
        if (arg == NULL)
            return;
    }
    store_stat(f->inner, fn, arg);
}

static void fail_session(struct store *s, struct sv id, store_session_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (fails(f)) {
        arg = prepare(f, &(struct answer){ .kind = ANSWER_SESSION, .fn.session = fn, .arg = arg });
        fn = lost_session;
        if (arg == NULL)
            return;
    }
    store_session(f->inner, id, fn, arg);
}

static void fail_session_fill(struct store *s, const struct store_session_fill *what, store_status_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (goes_on(f, &fn, &arg))
        store_session_fill(f->inner, what, fn, arg);
}

static void fail_event_say(struct store *s, const struct store_event_say *what, store_status_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (goes_on(f, &fn, &arg))
        store_event_say(f->inner, what, fn, arg);
}

static void fail_events(struct store *s, struct sv id, uint64_t after, store_events_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (fails(f)) {
        arg = prepare(f, &(struct answer){ .kind = ANSWER_EVENTS, .fn.events = fn, .arg = arg });
        fn = lost_events;
        if (arg == NULL)
            return;
    }
    store_events(f->inner, id, after, fn, arg);
}

static void fail_history(struct store *s, struct sv id, struct sv user_id, store_history_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (fails(f)) {
        arg = prepare(f, &(struct answer){ .kind = ANSWER_HISTORY, .fn.history = fn, .arg = arg });
        fn = lost_history;
        if (arg == NULL)
            return;
    }
    store_history(f->inner, id, user_id, fn, arg);
}

static void fail_user(struct store *s, struct sv user_id, store_user_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (fails(f)) {
        arg = prepare(f, &(struct answer){ .kind = ANSWER_USER, .fn.user = fn, .arg = arg });
        fn = lost_user;
        if (arg == NULL)
            return;
    }
    store_user(f->inner, user_id, fn, arg);
}

/* For the calls that answer with pairs. False: the answer is on its way. */
static bool pairs_go_on(struct fail *f, store_pairs_fn **fn, void **arg)
{
    if (!fails(f))
        return true;
    *arg = prepare(f, &(struct answer){ .kind = ANSWER_PAIRS, .fn.pairs = *fn, .arg = *arg });
    *fn = lost_pairs;
    return *arg != NULL;
}

static void fail_figures(struct store *s, struct sv day, store_pairs_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (pairs_go_on(f, &fn, &arg))
        store_figures(f->inner, day, fn, arg);
}

static void fail_preferences_put(struct store *s, struct sv user_id, const struct store_pair *pairs, size_t n,
                                 store_status_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (goes_on(f, &fn, &arg))
        store_preferences_put(f->inner, user_id, pairs, n, fn, arg);
}

static void fail_preferences(struct store *s, struct sv user_id, store_pairs_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (pairs_go_on(f, &fn, &arg))
        store_preferences(f->inner, user_id, fn, arg);
}

static void fail_erased_at(struct store *s, struct sv id, store_erased_fn *fn, void *arg)
{
    struct fail *f = of(s);
    if (fails(f)) {
        arg = prepare(f, &(struct answer){ .kind = ANSWER_ERASED, .fn.erased = fn, .arg = arg });
        fn = lost_erased;
        if (arg == NULL)
            return;
    }
    store_erased_at(f->inner, id, fn, arg);
}

static const struct store_history_ops fail_history_ops = {
    .history = fail_history,
    .user = fail_user,
    .figures = fail_figures,
    .preferences_put = fail_preferences_put,
    .preferences = fail_preferences,
    .erased_at = fail_erased_at,
};

/* Not counted: no answer can be lost. */
static int fail_listen(struct store *s, struct sv id, bool on)
{
    struct fail *f = of(s);
    if (on)
        return store_listen(f->inner, id);
    store_unlisten(f->inner, id);
    return 0;
}

static bool fail_is_up(const struct store *s)
{
    return store_is_up(((const struct fail *)(const void *)s)->inner); /* `store` is the first member */
}

static void fail_close(struct store *s)
{
    struct fail *f = of(s);
    store_close(f->inner);
    answers_close(f->answers);
    free(f);
}

static void hear(void *arg, struct sv event)
{
    struct fail *f = arg;
    if (f->store.on_event != NULL)
        f->store.on_event(f->store.event_arg, event);
}

static void hear_push(void *arg, struct sv id, struct sv event)
{
    struct fail *f = arg;
    if (f->store.on_push != NULL)
        f->store.on_push(f->store.push_arg, id, event);
}

static const struct store_ops fail_ops = {
    .name = "fail",
    .history = &fail_history_ops,
    .load = fail_load,
    .apply = fail_apply,
    .renew = fail_renew,
    .list = fail_list,
    .take = fail_take,
    .ack = fail_ack,
    .recover = fail_recover,
    .letters = fail_letters,
    .value = fail_value,
    .stat = fail_stat,
    .session = fail_session,
    .session_fill = fail_session_fill,
    .events = fail_events,
    .event_say = fail_event_say,
    .listen = fail_listen,
    .is_up = fail_is_up,
    .close = fail_close,
};

struct store *store_fail_open(struct loop *l, struct store *inner, unsigned nth, bool from_then_on, bool after)
{
    struct fail *f = calloc(1, sizeof *f);
    if (f == NULL)
        abort();
    f->store = (struct store){ .ops = &fail_ops, .backend = store_backend(inner), .loop = l };
    f->inner = inner;
    f->answers = answers_new(l);
    if (f->answers == NULL)
        abort();
    f->nth = nth;
    f->from_then_on = from_then_on;
    f->after = after;
    store_subscribe(inner, hear, f);
    store_on_push(inner, hear_push, f);
    return &f->store;
}
