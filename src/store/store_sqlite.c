/* SPDX-License-Identifier: MIT
 * The store in one SQLite file, for a single host: the embedded default, and the fallback when Redis is away. Here is
 * the loop's half: it makes an operation of each call, hands it to the thread (sqlite_thread.c), and tells the answer.
 * It keeps the port's promises about time: an operation that takes longer than timeout_ms is answered DOWN, whatever
 * the thread is waiting for.
 *
 * Answers come back over an eventfd rather than loop_post, since a descriptor can be let go of at close, and no memory
 * is needed at a moment when an answer must not get lost. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/map.h"
#include "store/sqlite_thread.h"
#include "store/store_sqlite.h"

#define POLL_MS 50
_Static_assert(POLL_MS <= 100, "a cancel reaches another process within 200 ms");
#define TIMEOUT_MS 5000

struct sqlite {
    struct store store;
    char *path;
    int64_t timeout_ms;
    struct sqlite_thread *thread; /* NULL: closing */
    int event_fd;
    struct loop_fd *ready;
    struct loop_timer *timer; /* set while something was asked: the oldest one's deadline, or earlier */
    struct op *asked_first, *asked_last;
    struct answers *answers; /* what needs no thread */
    struct map *listened;    /* ids only */
    bool *closed;            /* set at close, for the function that is telling answers just then */
};

static struct sqlite *of(struct store *s)
{
    return CONTAINER_OF(s, struct sqlite, store);
}

/* ---- asking ---- */

static void asked_add(struct sqlite *q, struct op *op)
{
    op->asked_next = NULL;
    op->asked_prev = q->asked_last;
    *(q->asked_last != NULL ? &q->asked_last->asked_next : &q->asked_first) = op;
    q->asked_last = op;
}

static void asked_take(struct sqlite *q, struct op *op)
{
    *(op->asked_prev != NULL ? &op->asked_prev->asked_next : &q->asked_first) = op->asked_next;
    *(op->asked_next != NULL ? &op->asked_next->asked_prev : &q->asked_last) = op->asked_prev;
}

static void answer_now(struct sqlite *q, const struct answer *a, enum store_status status)
{
    struct answer *copy = answer_new(a);
    copy->status = status;
    answers_later(q->answers, copy);
}

/* `from` and `answer` are copied. */
static void ask(struct sqlite *q, const struct op *from, const struct answer *answer)
{
    if (q->thread == NULL || !sqlite_thread_is_up(q->thread)) {
        answer_now(q, answer, STORE_DOWN);
        return;
    }
    struct op *op = malloc(sizeof *op);
    if (op == NULL) {
        answer_now(q, answer, STORE_FULL);
        return;
    }
    *op = *from;
    op->answer = answer_new(answer);
    if (op_keep(op) != 0) {
        op_free(op);
        answer_now(q, answer, STORE_FULL);
        return;
    }
    op->deadline_ms = clock_mono_ms() + q->timeout_ms;
    asked_add(q, op);
    if (!loop_timer_is_set(q->timer))
        loop_timer_set(q->timer, q->timeout_ms);
    sqlite_thread_ask(q->thread, op);
}

/* ---- telling ---- */

/* Only of what is listened to, or of all (SV_NONE). */
static void tell_push(void *arg, struct sv id, struct sv event)
{
    struct sqlite *q = arg;
    if (q->store.on_push != NULL && (id.p == NULL || map_find(q->listened, id) != NULL))
        q->store.on_push(q->store.push_arg, id, event);
}

static void tell_events(struct sqlite *q, struct answer *events, const bool *closed)
{
    while (events != NULL) {
        struct answer *next = events->next;
        bool is_event = events->kind == ANSWER_EVENT;
        if (!*closed && is_event && q->store.on_event != NULL)
            q->store.on_event(q->store.event_arg, events->is.value);
        if (!*closed && (!is_event || events->is.value.p == NULL))
            tell_push(q, events->is.value, SV_NONE);
        answer_free(events);
        events = next;
    }
}

/* A callback may close the store: then all that was asked has been told and freed there. */
static void on_ready(void *arg, int what)
{
    struct sqlite *q = arg;
    uint64_t count;
    bool closed = false;
    (void)what;
    if (read(q->event_fd, &count, sizeof count) < 0 && errno != EAGAIN)
        abort(); /* it is our own descriptor: somebody has closed it */
    struct sqlite_done d = sqlite_thread_done(q->thread);
    q->closed = &closed;
    while (d.ops != NULL && !closed) {
        struct op *op = d.ops;
        d.ops = op->next;
        asked_take(q, op);
        if (!op->told) {
            struct answer *a = op->answer;
            op->answer = NULL;
            answer_tell(a);
        }
        op_free(op);
    }
    tell_events(q, d.events, &closed);
    if (closed)
        return;
    q->closed = NULL;
    if (q->asked_first == NULL)
        loop_timer_stop(q->timer);
}

/* Told already but still in the thread's hands: stays in the list, which need not be in the order of the deadlines
 * then. */
static struct op *first_untold(struct sqlite *q)
{
    struct op *op = q->asked_first;
    while (op != NULL && op->told)
        op = op->asked_next;
    return op;
}

static void on_timer(void *arg)
{
    struct sqlite *q = arg;
    int64_t now_ms = clock_mono_ms();
    bool closed = false;
    q->closed = &closed;
    struct op *op = first_untold(q);
    while (op != NULL && op->deadline_ms <= now_ms) {
        struct answer late = { .kind = op->answer->kind, .fn = op->answer->fn, .arg = op->answer->arg };
        op->told = true;
        if (sqlite_thread_take_back(q->thread, op)) {
            asked_take(q, op);
            op_free(op);
        }
        answer_tell_only(&late, STORE_DOWN);
        if (closed)
            return;
        op = first_untold(q);
    }
    q->closed = NULL;
    if (op != NULL)
        loop_timer_set(q->timer, op->deadline_ms - now_ms);
}

/* ---- the port ---- */

static void sqlite_load(struct store *s, const struct store_load *what, store_load_fn *fn, void *arg)
{
    ask(of(s), &(struct op){ .kind = OP_LOAD, .ask.load = *what },
        &(struct answer){ .kind = ANSWER_LOAD, .fn.load = fn, .arg = arg });
}

static void sqlite_apply(struct store *s, const struct store_change *change, store_apply_fn *fn, void *arg)
{
    ask(of(s), &(struct op){ .kind = OP_APPLY, .ask.apply = *change },
        &(struct answer){ .kind = ANSWER_APPLY, .fn.apply = fn, .arg = arg,
                          .erased_to = change->erase != NULL ? change->erase->counts : NULL });
}

static void ask_status(struct store *s, const struct op *op, store_status_fn *fn, void *arg)
{
    ask(of(s), op, &(struct answer){ .kind = ANSWER_STATUS, .fn.status = fn, .arg = arg });
}

static void sqlite_renew(struct store *s, struct sv id, struct sv token, int64_t ttl_ms, store_status_fn *fn, void *arg)
{
    ask_status(s, &(struct op){ .kind = OP_RENEW, .ask.renew = { id, token, ttl_ms } }, fn, arg);
}

static void sqlite_list(struct store *s, const struct store_list *what, store_list_fn *fn, void *arg)
{
    ask(of(s), &(struct op){ .kind = OP_LIST, .ask.list = *what },
        &(struct answer){ .kind = ANSWER_LIST, .fn.list = fn, .arg = arg });
}

static void sqlite_take(struct store *s, enum store_queue q, struct sv owner, size_t max, store_take_fn *fn, void *arg)
{
    ask(of(s), &(struct op){ .kind = OP_TAKE, .ask.take = { q, owner, max } },
        &(struct answer){ .kind = ANSWER_BATCH, .fn.batch = fn, .arg = arg });
}

static void sqlite_ack(struct store *s, const struct store_ack *ack, store_status_fn *fn, void *arg)
{
    ask_status(s, &(struct op){ .kind = OP_ACK, .ask.ack = *ack }, fn, arg);
}

/* In two steps, since is_dead belongs to the loop's thread: who has batches, then give back those of the dead. What an
 * owner takes in between is given back too; the dead take nothing. */
struct recovery {
    struct store *s;
    enum store_queue queue;
    store_dead_fn *is_dead;
    void *dead_arg;
    store_status_fn *fn;
    void *arg;
};

static void give_back(void *arg, enum store_status status, const void *what)
{
    struct recovery *r = arg;
    const struct owners *o = what;
    struct sv *dead = status == STORE_DONE ? calloc(o->n + 1, sizeof *dead) : NULL;
    size_t dead_n = 0;
    for (size_t i = 0; dead != NULL && i < o->n; i++) {
        if (r->is_dead(r->dead_arg, o->at[i]))
            dead[dead_n++] = o->at[i];
    }
    if (dead_n > 0)
        ask_status(r->s, &(struct op){ .kind = OP_RECOVER, .ask.recover = { r->queue, dead, dead_n } }, r->fn, r->arg);
    else
        r->fn(r->arg, status == STORE_DONE && dead == NULL ? STORE_FULL : status);
    free(dead);
    free(r);
}

static void sqlite_recover(struct store *s, enum store_queue q, store_dead_fn *is_dead, void *dead_arg, store_status_fn *fn,
                           void *arg)
{
    struct recovery *r = malloc(sizeof *r);
    if (r == NULL) {
        answer_now(of(s), &(struct answer){ .kind = ANSWER_STATUS, .fn.status = fn, .arg = arg }, STORE_FULL);
        return;
    }
    *r = (struct recovery){ s, q, is_dead, dead_arg, fn, arg };
    ask(of(s), &(struct op){ .kind = OP_OWNERS, .ask.recover.queue = q },
        &(struct answer){ .kind = ANSWER_OTHER, .fn.other = give_back, .arg = r });
}

static void sqlite_letters(struct store *s, const struct store_letters *what, store_letters_fn *fn, void *arg)
{
    bool reads = what->op == STORE_LETTERS_LIST || what->op == STORE_LETTERS_GET;
    ask(of(s), &(struct op){ .kind = reads ? OP_LETTERS : OP_LETTERS_CHANGE, .ask.letters = *what },
        &(struct answer){ .kind = ANSWER_LETTERS, .fn.letters = fn, .arg = arg });
}

static void sqlite_value(struct store *s, const struct store_value *what, store_value_fn *fn, void *arg)
{
    ask(of(s), &(struct op){ .kind = what->place != NULL ? OP_PLACE : what->count ? OP_COUNT : what->put ? OP_PUT : OP_GET, .ask.value = *what },
        &(struct answer){ .kind = ANSWER_VALUE, .fn.value = fn, .arg = arg });
}

static void sqlite_stat(struct store *s, store_stat_fn *fn, void *arg)
{
    ask(of(s), &(struct op){ .kind = OP_STAT }, &(struct answer){ .kind = ANSWER_STAT, .fn.stat = fn, .arg = arg });
}

static void sqlite_session(struct store *s, struct sv id, store_session_fn *fn, void *arg)
{
    ask(of(s), &(struct op){ .kind = OP_SESSION, .ask.events.id = id },
        &(struct answer){ .kind = ANSWER_SESSION, .fn.session = fn, .arg = arg });
}

static void sqlite_session_fill(struct store *s, const struct store_session_fill *what, store_status_fn *fn, void *arg)
{
    ask_status(s, &(struct op){ .kind = OP_SESSION_FILL, .ask.fill = *what }, fn, arg);
}

static void sqlite_events(struct store *s, struct sv id, uint64_t after, store_events_fn *fn, void *arg)
{
    ask(of(s), &(struct op){ .kind = OP_EVENTS, .ask.events = { id, after } },
        &(struct answer){ .kind = ANSWER_EVENTS, .fn.events = fn, .arg = arg });
}

static void sqlite_history(struct store *s, struct sv id, struct sv user_id, store_history_fn *fn, void *arg)
{
    ask(of(s), &(struct op){ .kind = OP_HISTORY, .ask.history = { .id = id, .user_id = user_id } },
        &(struct answer){ .kind = ANSWER_HISTORY, .fn.history = fn, .arg = arg });
}

static void sqlite_user(struct store *s, struct sv user_id, store_user_fn *fn, void *arg)
{
    ask(of(s), &(struct op){ .kind = OP_USER, .ask.history.user_id = user_id },
        &(struct answer){ .kind = ANSWER_USER, .fn.user = fn, .arg = arg });
}

static void sqlite_figures(struct store *s, struct sv day, store_pairs_fn *fn, void *arg)
{
    ask(of(s), &(struct op){ .kind = OP_FIGURES, .ask.history.id = day },
        &(struct answer){ .kind = ANSWER_PAIRS, .fn.pairs = fn, .arg = arg });
}

static void sqlite_preferences_put(struct store *s, struct sv user_id, const struct store_pair *pairs, size_t n,
                                   store_status_fn *fn, void *arg)
{
    ask_status(s, &(struct op){ .kind = OP_PREFERENCES_PUT, .ask.history = { .user_id = user_id, .pairs = pairs, .n = n } }, fn, arg);
}

static void sqlite_preferences(struct store *s, struct sv user_id, store_pairs_fn *fn, void *arg)
{
    ask(of(s), &(struct op){ .kind = OP_PREFERENCES, .ask.history.user_id = user_id },
        &(struct answer){ .kind = ANSWER_PAIRS, .fn.pairs = fn, .arg = arg });
}

static void sqlite_erased_at(struct store *s, struct sv id, store_erased_fn *fn, void *arg)
{
    ask(of(s), &(struct op){ .kind = OP_ERASED_AT, .ask.history.id = id },
        &(struct answer){ .kind = ANSWER_ERASED, .fn.erased = fn, .arg = arg });
}

static const struct store_history_ops history_ops = {
    .history = sqlite_history,
    .user = sqlite_user,
    .figures = sqlite_figures,
    .preferences_put = sqlite_preferences_put,
    .preferences = sqlite_preferences,
    .erased_at = sqlite_erased_at,
};

static int sqlite_listen(struct store *s, struct sv id, bool on)
{
    struct sqlite *q = of(s);
    if (!on) {
        (void)map_take(q->listened, id);
    } else if (map_find(q->listened, id) == NULL) {
        struct answer *a =
            answer_new(&(struct answer){ .kind = ANSWER_PUSH, .fn.push = tell_push, .arg = q, .is.value = id });
        if (!answer_keep(a, &a->is.value) || map_put(q->listened, id, q, NULL) != 0) {
            answer_free(a);
            return -1;
        }
        answers_later(q->answers, a);
    }
    if (q->thread != NULL)
        sqlite_thread_listens(q->thread, map_count(q->listened) > 0);
    return 0;
}

static bool sqlite_is_up(const struct store *s)
{
    const struct sqlite *q = (const void *)s; /* `store` is the first member */
    return q->thread != NULL && sqlite_thread_is_up(q->thread);
}

/* ---- open, close ---- */

static void fini(struct sqlite *q)
{
    loop_timer_free(q->timer);
    loop_fd_free(q->ready);
    if (q->event_fd >= 0)
        (void)close(q->event_fd);
    map_free(q->listened);
    free(q->path);
    free(q);
}

/* The thread's last transaction may have done some of what is told DOWN here, as the port allows. */
static void sqlite_close(struct store *s)
{
    struct sqlite *q = of(s);
    if (q->closed != NULL)
        *q->closed = true;
    sqlite_thread_stop(q->thread);
    q->thread = NULL;
    while (q->asked_first != NULL) {
        struct op *op = q->asked_first;
        asked_take(q, op);
        if (!op->told)
            answer_tell_only(op->answer, STORE_DOWN);
        op_free(op);
    }
    answers_close(q->answers);
    fini(q);
}

const struct store_ops store_sqlite_ops = {
    .name = "sqlite",
    .history = &history_ops,
    .load = sqlite_load,
    .apply = sqlite_apply,
    .renew = sqlite_renew,
    .list = sqlite_list,
    .take = sqlite_take,
    .ack = sqlite_ack,
    .recover = sqlite_recover,
    .letters = sqlite_letters,
    .value = sqlite_value,
    .stat = sqlite_stat,
    .session = sqlite_session,
    .session_fill = sqlite_session_fill,
    .events = sqlite_events,
    .listen = sqlite_listen,
    .is_up = sqlite_is_up,
    .close = sqlite_close,
};

void store_sqlite_ask(struct store *s, const struct op *op, const struct answer *answer)
{
    ask(of(s), op, answer);
}

static void say_connected(void *arg, struct sv event)
{
    struct sqlite *q = arg;
    if (q->store.on_event != NULL)
        q->store.on_event(q->store.event_arg, event);
}

static int start(struct sqlite *q, struct store_sqlite_options o, struct err *e)
{
    q->path = strdup(o.path);
    q->answers = answers_new(q->store.loop);
    q->listened = map_new();
    q->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (q->path == NULL || q->answers == NULL || q->listened == NULL || q->event_fd < 0)
        return err_set(e, ERR_MEMORY, "no memory or descriptor for the state file");
    q->ready = loop_fd_new(q->store.loop, q->event_fd, on_ready, q);
    q->timer = loop_timer_new(q->store.loop, on_timer, q);
    if (q->ready == NULL || q->timer == NULL)
        return err_set(e, ERR_MEMORY, "no memory for the state file");
    o.path = q->path;
    o.poll_ms = o.poll_ms > 0 ? o.poll_ms : POLL_MS;
    o.timeout_ms = q->timeout_ms = o.timeout_ms > 0 ? o.timeout_ms : TIMEOUT_MS;
    q->thread = sqlite_thread_start(&o, q->event_fd, e);
    return q->thread != NULL ? 0 : -1;
}

struct store *store_sqlite_open(struct loop *l, const struct store_sqlite_options *o, struct err *e)
{
    struct sqlite *q = calloc(1, sizeof *q);
    if (q == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory for the state file");
        return NULL;
    }
    q->event_fd = -1;
    q->store = (struct store){ .ops = &store_sqlite_ops, .backend = "SQLite", .loop = l };
    if (start(q, *o, e) != 0) {
        answers_close(q->answers);
        fini(q);
        return NULL;
    }
    loop_fd_want(q->ready, LOOP_READ);
    answers_later(q->answers,
                  answer_new(&(struct answer){ .kind = ANSWER_EVENT, .fn.event = say_connected, .arg = q }));
    answers_later(q->answers, answer_new(&(struct answer){ .kind = ANSWER_PUSH, .fn.push = tell_push, .arg = q }));
    return &q->store;
}
