/* SPDX-License-Identifier: MIT
 * See answer.h. A list has at most one loop_soon under way. That call cannot be taken back, so it holds a ticket of its
 * own that outlives the list when the list is closed first. */
#include "config.h"

#include <stdlib.h>

#include "lib/loop.h"
#include "store/answer.h"

#define ANSWER_ARENA_MAX (256u << 20) /* 500 pending items of 64 KiB with room to spare */

struct ticket {
    struct answers *q; /* NULL: closed meanwhile */
};

struct answers {
    struct loop *loop;
    struct answer *first, **last;
    struct ticket *ticket; /* NULL: nothing under way */
};

struct answer *answer_new(const struct answer *from)
{
    struct answer *a = malloc(sizeof *a);
    if (a == NULL)
        abort();
    *a = *from;
    a->next = NULL;
    return a;
}

struct arena *answer_arena(struct answer *a)
{
    if (a->arena == NULL)
        a->arena = arena_new(0, ANSWER_ARENA_MAX);
    return a->arena;
}

bool answer_keep(struct answer *a, struct sv *s)
{
    if (s->p == NULL)
        return true;
    if (answer_arena(a) == NULL)
        return false;
    *s = arena_sv(a->arena, *s);
    return s->p != NULL;
}

void answer_clear(struct answer *a)
{
    if (a->arena != NULL)
        arena_reset(a->arena);
    memset(&a->is, 0, sizeof a->is);
    a->erased = (struct store_erased){ 0 };
}

static void call(const struct answer *a)
{
    bool done = a->status == STORE_DONE;
    switch (a->kind) {
    case ANSWER_LOAD:
        a->fn.load(a->arg, a->status, done ? &a->is.view : NULL);
        break;
    case ANSWER_APPLY:
        if (done && a->erased_to != NULL)
            *a->erased_to = a->erased;
        a->fn.apply(a->arg, a->status, done || a->status == STORE_DUPLICATE ? &a->is.applied : NULL);
        break;
    case ANSWER_STATUS:
        a->fn.status(a->arg, a->status);
        break;
    case ANSWER_LIST:
        a->fn.list(a->arg, a->status, done ? &a->is.list : NULL);
        break;
    case ANSWER_BATCH:
        a->fn.batch(a->arg, a->status, done ? &a->is.batch : NULL);
        break;
    case ANSWER_LETTERS:
        a->fn.letters(a->arg, a->status, done ? a->is.letters.at : NULL, done ? a->is.letters.n : 0);
        break;
    case ANSWER_VALUE:
        a->fn.value(a->arg, a->status, done ? a->is.value : SV_NONE);
        break;
    case ANSWER_STAT:
        a->fn.stat(a->arg, a->status, done ? &a->is.stat : NULL);
        break;
    case ANSWER_EVENT:
        if (done && a->fn.event != NULL)
            a->fn.event(a->arg, a->is.value);
        break;
    case ANSWER_SESSION:
        a->fn.session(a->arg, a->status, done ? &a->is.session : NULL);
        break;
    case ANSWER_EVENTS:
        a->fn.events(a->arg, a->status, done ? &a->is.events : NULL);
        break;
    case ANSWER_PUSH:
        if (done && a->fn.push != NULL)
            a->fn.push(a->arg, a->is.value, SV_NONE);
        break;
    case ANSWER_HISTORY:
        a->fn.history(a->arg, a->status, done ? &a->is.history : NULL);
        break;
    case ANSWER_USER:
        a->fn.user(a->arg, a->status, done ? a->is.user.at : NULL, done ? a->is.user.n : 0);
        break;
    case ANSWER_PAIRS:
        a->fn.pairs(a->arg, a->status, done ? a->is.pairs.at : NULL, done ? a->is.pairs.n : 0);
        break;
    case ANSWER_ERASED:
        a->fn.erased(a->arg, a->status, done ? a->is.at_ms : 0);
        break;
    case ANSWER_OTHER:
        a->fn.other(a->arg, a->status, done ? a->is.other : NULL);
        break;
    }
}

void answer_tell(struct answer *a)
{
    call(a);
    answer_free(a);
}

void answer_tell_only(const struct answer *a, enum store_status status)
{
    struct answer bare = { .kind = a->kind, .status = status, .fn = a->fn, .arg = a->arg };
    call(&bare);
}

void answer_free(struct answer *a)
{
    if (a == NULL)
        return;
    arena_free(a->arena);
    free(a);
}

struct answers *answers_new(struct loop *l)
{
    struct answers *q = calloc(1, sizeof *q);
    if (q == NULL)
        return NULL;
    q->loop = l;
    q->last = &q->first;
    return q;
}

static struct answer *take_first(struct answers *q)
{
    struct answer *a = q->first;
    q->first = a->next;
    if (q->first == NULL)
        q->last = &q->first;
    return a;
}

/* A callback may ask anew (its answer waits for the next round) or close the list. */
static void tell_waiting(void *arg)
{
    struct ticket *t = arg;
    if (t->q == NULL) {
        free(t);
        return;
    }
    const struct answer *end = CONTAINER_OF(t->q->last, struct answer, next);
    bool more = true;
    while (more && t->q != NULL) {
        struct answer *a = take_first(t->q);
        more = a != end;
        answer_tell(a);
    }
    if (t->q != NULL && t->q->first != NULL) {
        loop_soon(t->q->loop, tell_waiting, t);
        return;
    }
    if (t->q != NULL)
        t->q->ticket = NULL;
    free(t);
}

void answers_later(struct answers *q, struct answer *a)
{
    a->next = NULL;
    *q->last = a;
    q->last = &a->next;
    if (q->ticket != NULL)
        return;
    q->ticket = malloc(sizeof *q->ticket);
    if (q->ticket == NULL)
        abort();
    q->ticket->q = q;
    loop_soon(q->loop, tell_waiting, q->ticket);
}

void answers_close(struct answers *q)
{
    if (q == NULL)
        return;
    while (q->first != NULL) {
        struct answer *a = take_first(q);
        a->status = STORE_DOWN;
        answer_tell(a);
    }
    if (q->ticket != NULL)
        q->ticket->q = NULL;
    free(q);
}
