/* SPDX-License-Identifier: MIT
 * Promises about callback_queue: it is as good a queue as message_queue, and the two have nothing in common but the dead letters. */
#include "config.h"

#include <string.h>

#include "t/store/contract.h"

#define Q STORE_QUEUE_CALLBACKS
#define LETTER_OF(n) SV("019a0000-0000-7000-8000-00000000000" #n)

static enum store_status add(struct rig *r, uint64_t version, const struct sv *items, size_t n)
{
    return apply(r, &CHANGE("c", version, .callbacks_add = items, .callbacks_add_n = n))->status;
}

static enum store_status ack_callbacks(struct rig *r, struct sv batch)
{
    return ack(r, &(struct store_ack){ .queue = Q, .batch = batch });
}

static void queue(struct rig *r)
{
    const struct store_batch *b = take_of(r, Q, "own.er-1", 10);
    ok(b->name.n == 0 && b->n == 0 && b->left == 0, "nothing to take");
    const struct store_letter letter = { LETTER_OF(1), SV("3!") };
    is_int(add(r, 0, LIST(SV("1"), SV("2")), 2), STORE_DONE, "two");
    is_int(add(r, 1, LIST(SV("3"), SV("4"), SV("5")), 3), STORE_DONE, "and three");
    b = take_of(r, Q, "own.er-1", 2);
    is_sv(joined(r, b->items, b->n), SV("1,2"), "the first ones, in order");
    is_int(b->left, 3, "the rest is left");
    ok(sv_starts(b->name, SV("own.er-1:")), "the batch has the owner's name: %.*s", SV_FMT(b->name));
    const struct store_batch *other = take_of(r, Q, "own.er-2", 2);
    is_sv(joined(r, other->items, other->n), SV("3,4"), "another owner gets the next ones");
    const struct store_stat *s = stat_of(r);
    ok(s->callbacks == 1 && s->callbacks_taken == 4, "one waits, four are taken");
    ok(s->queue == 0 && s->queue_taken == 0 && s->heads_n == 0, "none of it is in message_queue");
    is_int(ack_callbacks(r, b->name), STORE_DONE, "acknowledged");
    is_int(stat_of(r)->callbacks_taken, 2, "forgotten");
    const struct store_ack twice = { .queue = Q, .batch = b->name, .again = LIST(SV("twice")), .again_n = 1 };
    is_int(ack(r, &twice), STORE_DONE, "again: no error");
    is_int(stat_of(r)->callbacks, 1, "and nothing came of it");
    const struct store_ack some = {
        .queue = Q, .batch = other->name, .again = LIST(SV("3b"), SV("4b")), .again_n = 2, .dead = &letter, .dead_n = 1
    };
    is_int(ack(r, &some), STORE_DONE, "two again, one dead");
    s = stat_of(r);
    ok(s->callbacks == 3 && s->callbacks_taken == 0 && s->queue == 0, "two came back, to this queue");
    is_int(s->dead, 1, "one is dead");
    is_sv(letters(r, &(struct store_letters){ .op = STORE_LETTERS_GET, .id = LETTER_OF(1) })->letters[0].item, SV("3!"),
          "where all dead letters are");
    is_sv(drain_of(r, Q), SV("3b,4b,5"), "to the queue's front, in order");
    is_int(add(r, 2, LIST(SV("6")), 1), STORE_DONE, "drained");
    is_sv(drain_of(r, Q), SV("6"), "and used again");
}

static void recovery(struct rig *r)
{
    (void)add(r, 0, LIST(SV("1"), SV("2"), SV("3"), SV("4"), SV("5"), SV("6"), SV("7")), 7);
    struct sv lost = take_of(r, Q, "dead.1", 2)->name, alive = take_of(r, Q, "alive.1", 1)->name;
    (void)take_of(r, Q, "dead.2", 2);
    (void)take_of(r, Q, "dead.1", 1);
    is_int(recover_of(r, Q, "nobody"), STORE_DONE, "nobody is dead");
    is_int(stat_of(r)->callbacks, 1, "nothing comes back");
    is_int(recover_of(r, Q, "dead."), STORE_DONE, "two are dead");
    const struct store_stat *s = stat_of(r);
    ok(s->callbacks == 6 && s->callbacks_taken == 1, "five came back, one stays taken");
    (void)add(r, 1, LIST(SV("8")), 1);
    is_int(ack(r, &(struct store_ack){ .queue = Q, .batch = lost, .again = LIST(SV("1 again")), .again_n = 1 }), STORE_DONE,
           "a dead one acknowledges after all: too late");
    is_sv(drain_of(r, Q), SV("1,2,4,5,6,7,8"), "all at the front and in order, once");
    is_int(ack_callbacks(r, alive), STORE_DONE, "the living one acknowledges");
    s = stat_of(r);
    ok(s->callbacks == 0 && s->callbacks_taken == 0, "nothing is left");
}

static bool is_ours(struct sv name)
{
    return sv_starts(name, SV("o:"));
}

/* One owner with a batch of each: what is done to one does nothing to the other. */
static void apart(struct rig *r)
{
    struct store_change both = CHANGE("c", 0, .queue_add = LIST(SV("m1"), SV("m2"), SV("m3")), .queue_add_n = 3,
                                      .callbacks_add = LIST(SV("c1"), SV("c2"), SV("c3")), .callbacks_add_n = 3);
    is_int(apply(r, &both)->status, STORE_DONE, "items for both in one step");
    const struct store_batch *m = take(r, "o", 2), *c = take_of(r, Q, "o", 2);
    ok(is_ours(m->name) && is_ours(c->name) && !sv_eq(m->name, c->name), "a batch of each, with names of their own");
    is_sv(joined(r, m->items, m->n), SV("m1,m2"), "messages here");
    is_sv(joined(r, c->items, c->n), SV("c1,c2"), "callbacks there");
    const struct store_letter letter = { LETTER_OF(1), SV("never") };
    const struct store_ack wrong[] = {
        { .batch = c->name, .again = LIST(SV("x")), .again_n = 1, .dead = &letter, .dead_n = 1 },
        { .queue = Q, .batch = m->name, .again = LIST(SV("x")), .again_n = 1, .dead = &letter, .dead_n = 1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        is_int(ack(r, &wrong[i]), STORE_DONE, "acknowledged in the wrong queue: as one that is not known");
    const struct store_stat *s = stat_of(r);
    ok(s->queue == 1 && s->queue_taken == 2 && s->callbacks == 1 && s->callbacks_taken == 2 && s->dead == 0,
       "which does nothing");
    is_int(recover_of(r, Q, "o"), STORE_DONE, "its callbacks are given back");
    s = stat_of(r);
    ok(s->queue_taken == 2 && s->callbacks == 3 && s->callbacks_taken == 0, "they alone");
    is_int(ack(r, &(struct store_ack){ .batch = m->name }), STORE_DONE, "its messages acknowledged");
    (void)take_of(r, Q, "o", 1);
    is_int(recover(r, "o"), STORE_DONE, "its messages given back: there are none");
    s = stat_of(r);
    ok(s->queue == 1 && s->queue_taken == 0 && s->callbacks == 2 && s->callbacks_taken == 1, "and its callbacks stay taken");
    is_sv(drain(r), SV("m3"), "the rest of one");
    is_sv(drain_of(r, Q), SV("c2,c3"), "and of the other");
}

static void again(struct rig *r)
{
    const struct store_letter two[] = { { LETTER_OF(1), SV("one") }, { LETTER_OF(2), SV("two") } };
    struct store_change c = CHANGE("c", 0, .letters = two, .letters_n = 2, .callbacks_add = LIST(SV("c1"), SV("c2")),
                                   .callbacks_add_n = 2, .queue_add = LIST(SV("m1")), .queue_add_n = 1);
    is_int(apply(r, &c)->status, STORE_DONE, "letters and items");
    struct store_letters what = { .op = STORE_LETTERS_AGAIN, .queue = Q, .id = LETTER_OF(1), .item = SV("c3") };
    is_int(letters(r, &what)->n, 1, "a letter becomes a callback again");
    is_int(letters(r, &what)->n, 0, "once");
    what = (struct store_letters){ .op = STORE_LETTERS_AGAIN, .id = LETTER_OF(2), .item = SV("m2") };
    is_int(letters(r, &what)->n, 1, "another an item for the archive");
    is_sv(drain(r), SV("m1,m2"), "which is in message_queue");
    is_sv(drain_of(r, Q), SV("c1,c2,c3"), "the first behind the callbacks");
    is_int(stat_of(r)->dead, 0, "and dead no more");
}

static void not_applied(struct rig *r)
{
    const struct sv *item = LIST(SV("x"));
    (void)apply(r, &CHANGE("c", 0, .mark_new = { SV("m"), SV("x") }));
    is_int(add(r, 7, item, 1), STORE_CONFLICT, "a conflict");
    struct store_change c = CHANGE("c", 1, .mark_new = { SV("m"), SV("x") }, .callbacks_add = item, .callbacks_add_n = 1);
    is_int(apply(r, &c)->status, STORE_DUPLICATE, "a duplicate");
    c = CHANGE("c", 1, .need_token = SV("t"), .callbacks_add = item, .callbacks_add_n = 1);
    is_int(apply(r, &c)->status, STORE_LEASE_LOST, "a lease that is lost");
    is_int(stat_of(r)->callbacks, 0, "nothing is queued");
    is_int(add(r, 1, item, 1), STORE_DONE, "then it is");
    is_int(add(r, 1, item, 1), STORE_CONFLICT, "again, as after a lost answer: refused");
    (void)apply(r, &CHANGE("c", 2, .forget = true));
    is_sv(drain_of(r, Q), SV("x"), "it is there once, and outlives its conversation");
}

/* What a call is given is its caller's again as soon as it returns. */
static void borrowed(struct rig *r)
{
    char text[] = "p1p2q1c1";
    struct sv more[] = { { text + 2, 2 } }, items[] = { { text + 4, 2 } }, callbacks[] = { { text + 6, 2 } };
    struct call *c = rig_call(r);
    struct store_change change =
        filled(&CHANGE("c", 0, .pending_add = { text, 2 }, .pending_more = more, .pending_more_n = 1, .queue_add = items,
                       .queue_add_n = 1, .callbacks_add = callbacks, .callbacks_add_n = 1));
    store_apply(r->s, &change, rig_applied, c);
    memset(text, 'x', sizeof text);
    more[0] = items[0] = callbacks[0] = SV("y");
    rig_wait(r, c);
    const struct store_view *v = load(r, "c");
    is_sv(joined(r, v->pending, v->pending_n), SV("p1,p2"), "pending messages as they were when the call was made");
    is_sv(drain(r), SV("q1"), "items");
    is_sv(drain_of(r, Q), SV("c1"), "callbacks");
}

static void bound(struct rig *r)
{
    static char text[1000];
    memset(text, 'x', sizeof text);
    struct sv big[8];
    for (size_t i = 0; i < ARRAY_LEN(big); i++)
        big[i] = (struct sv){ text, sizeof text };
    is_int(add(r, 0, big, ARRAY_LEN(big)), STORE_DONE, "more than message_queue may hold");
    is_int(apply(r, &CHANGE("c", 1, .mark_new = { SV("m"), SV("x") }, .queue_add = big, .queue_add_n = 1))->status, STORE_DONE,
           "callbacks do not count there");
    is_int(apply(r, &CHANGE("c", 2, .queue_add = big, .queue_add_n = ARRAY_LEN(big), .finishing = true))->status, STORE_DONE,
           "message_queue is over its bound");
    is_int(apply(r, &CHANGE("c", 3, .pending_more = LIST(SV("p")), .pending_more_n = 1))->status, STORE_FULL,
           "no new message comes in, whichever way");
    is_int(add(r, 3, big, 1), STORE_DONE, "but a callback does");
    const struct store_stat *s = stat_of(r);
    ok(s->callbacks == 9 && s->queue == 9, "all are there");
}

/* More than a script or a statement takes in one go, among everything else that an apply can hold. */
static void many(struct rig *r)
{
    enum { N = 2500 };
    struct sv *items = arena_array(r->arena, N, sizeof *items);
    if (items == NULL)
        bail_out("no memory");
    for (unsigned i = 0; i < N; i++)
        items[i] = arena_printf(r->arena, "callback %u", i);
    const struct store_letter two[] = { { LETTER_OF(1), SV("one") }, { LETTER_OF(2), SV("two") } };
    struct store_change c = CHANGE("c", 0, .mark_new = { SV("m"), SV("x") }, .pending_add = SV("p"), .context_add = LIST(SV("k")),
                                   .context_add_n = 1, .queue_add = LIST(SV("q")), .queue_add_n = 1, .letters = two,
                                   .letters_n = 2, .job = { SV("j"), SV("v") }, .job_ttl_ms = LONG_MS, .event = SV("e"),
                                   .callbacks_add = items, .callbacks_add_n = N);
    is_int(apply(r, &c)->status, STORE_DONE, "thousands beside all else");
    const struct store_batch *b = take_of(r, Q, "o", N);
    unsigned wrong = b->n != N;
    for (size_t i = 0; i < b->n; i++)
        wrong += !sv_eq(b->items[i], items[i]);
    is_int(wrong, 0, "in order, each once");
    is_int(ack(r, &(struct store_ack){ .queue = Q, .batch = b->name, .again = items + 1, .again_n = N - 1 }), STORE_DONE,
           "most of them again");
    is_int(stat_of(r)->callbacks, N - 1, "are back");
    const struct store_view *v = load(r, "c");
    ok(v->pending_n == 1 && v->context_n == 1 && v->mark.p != NULL, "the lists and the mark have theirs");
    is_sv(get(r, "job:j"), SV("v"), "the job too");
    is_sv(drain(r), SV("q"), "message_queue too");
    const struct call *l = letters(r, &(struct store_letters){ .max = 9 });
    ok(l->n == 2 && sv_eq(l->letters[0].item, SV("two")) && sv_eq(l->letters[1].item, SV("one")), "and the letters");
}

static bool is_connected(struct rig *r, void *arg)
{
    return r->connected >= *(const unsigned *)arg;
}

static void reopened(struct rig *r)
{
    (void)add(r, 0, LIST(SV("1"), SV("2")), 2);
    (void)take_of(r, Q, "dead.1", 1);
    store_close(r->s);
    r->s = r->backend->open(r, 0);
    store_subscribe(r->s, rig_event, r);
    ok(rig_until(r, is_connected, &(unsigned){ 2 }), "opened again");
    const struct store_stat *s = stat_of(r);
    ok(s->callbacks == 1 && s->callbacks_taken == 1, "what was queued and what was taken is there");
    (void)recover_of(r, Q, "dead.");
    is_sv(drain_of(r, Q), SV("1,2"), "and the batch of the dead one comes back");
}

const struct rig_case callback_cases[] = {
    { .name = "callbacks", .run = queue },
    { .name = "recovery of callbacks", .run = recovery },
    { .name = "two queues", .run = apart },
    { .name = "a letter becomes a callback", .run = again },
    { .name = "callbacks of what is not applied", .run = not_applied },
    { .name = "callbacks are copied", .run = borrowed },
    { .name = "callbacks know no bound", .run = bound, .bound = 4 },
    { .name = "many callbacks", .run = many },
    { .name = "callbacks outlive a process", .run = reopened, .needs_shared = true },
    { .name = NULL },
};
