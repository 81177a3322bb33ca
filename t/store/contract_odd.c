/* SPDX-License-Identifier: MIT
 * Promises about odd input and odd moments: ids of any bytes, big values, refused arguments, close. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "t/store/contract.h"

static void bytes(struct rig *r)
{
    unsigned wrong = 0;
    for (unsigned b = 1; b < 256; b++) {
        char text[3] = { 'x', (char)b, 'y' };
        struct sv id = { text, 3 };
        struct store_change c = CHANGE("", 0, .mark_new = { id, id }, .pending_add = id, .record = id, .queue_add = &id,
                                       .queue_add_n = 1, .job = { id, id }, .job_ttl_ms = LONG_MS, .due_ms = b,
                                       .lease = STORE_LEASE_TAKE, .lease_token = id, .lease_ttl_ms = LONG_MS);
        c.conversation_id = id;
        if (apply(r, &c)->status != STORE_DONE)
            wrong++;
        const struct store_view *v = load_of(r, id, id);
        wrong += v->version != 1 || !sv_eq(v->record, id) || !sv_eq(v->mark, id) || v->pending_n != 1 ||
                 !sv_eq(v->pending[0], id) || !sv_eq(v->lease_token, id);
    }
    is_int(wrong, 0, "every byte from 1 to 255 may stand in an id, a token and a value");
    struct call *c = due(r, 300);
    is_int(c->n, 255, "all are due");
    wrong = 0;
    for (unsigned b = 1; b <= c->n; b++)
        wrong += c->items[b - 1].n != 3 || (unsigned char)c->items[b - 1].p[1] != b;
    is_int(wrong, 0, "and their ids come back as they were");
    const struct store_batch *batch = take(r, "o", 300);
    wrong = batch->n != 255;
    for (unsigned b = 1; b <= batch->n; b++)
        wrong += batch->items[b - 1].n != 3 || (unsigned char)batch->items[b - 1].p[1] != b;
    is_int(wrong, 0, "so do the queue's items");
}

static struct sv long_text(struct rig *r, size_t n, char fill)
{
    char *p = arena_alloc(r->arena, n + 1);
    if (p == NULL)
        bail_out("no memory");
    memset(p, fill, n);
    return (struct sv){ p, n };
}

static void long_ids(struct rig *r)
{
    struct sv id = long_text(r, STORE_ID_MAX, 'i'), other = long_text(r, STORE_ID_MAX - 1, 'i');
    struct store_change c = CHANGE("", 0, .mark_new = { id, SV("1") }, .due_ms = 1);
    c.conversation_id = id;
    is_int(apply(r, &c)->status, STORE_DONE, "an id of the greatest length");
    c.conversation_id = other;
    is_int(apply(r, &c)->status, STORE_DONE, "one shorter is another");
    is_sv(load_of(r, id, id)->mark, SV("1"), "is read");
    is_sv(load_of(r, id, other)->mark, SV_NONE, "a shorter message id is another");
    is_int(due(r, 9)->n, 2, "both are due");
    struct sv owner = long_text(r, 256, 'o');
    (void)apply(r, &CHANGE("c", 0, .queue_add = LIST(SV("q")), .queue_add_n = 1));
    struct call *t = rig_call(r);
    store_take(r->s, STORE_QUEUE_MESSAGES, owner, 1, rig_batch, t);
    rig_wait(r, t);
    ok(t->status == STORE_DONE && sv_starts(t->batch.name, owner), "a long owner");
    is_int(ack(r, &(struct store_ack){ .batch = t->batch.name }), STORE_DONE, "acknowledges");
    is_int(stat_of(r)->queue_taken, 0, "its batch");
}

static void refused(struct rig *r)
{
    struct sv id = long_text(r, STORE_ID_MAX + 1, 'i');
    struct store_change c = CHANGE("", 0);
    is_int(apply(r, &c)->status, STORE_FULL, "an empty id");
    c.conversation_id = id;
    is_int(apply(r, &c)->status, STORE_FULL, "an id that is too long");
    is_int(apply(r, &CHANGE("c", 0, .mark_new = { id, SV("x") }))->status, STORE_FULL, "a message id that is too long");
    is_int(apply(r, &CHANGE("c", 0, .mark_new = { SV(""), SV("x") }))->status, STORE_FULL, "or empty");
    struct call *l = rig_call(r);
    store_load(r->s, &(struct store_load){ id, SV_NONE, true }, rig_loaded, l);
    rig_wait(r, l);
    is_int(l->status, STORE_FULL, "load refuses it too");
    is_int(stat_of(r)->conversations, 0, "nothing was written");
}

static void big(struct rig *r)
{
    struct sv a = long_text(r, BIG, 'a'), b = long_text(r, BIG, 'b');
    struct store_pair marks[] = { { SV("m2"), b } };
    ((char *)(uintptr_t)a.p)[100] = '\0'; /* values are bytes */
    struct store_change c =
        CHANGE("c", 0, .record = a, .mark_new = { SV("m"), b }, .marks = marks, .marks_n = 1, .pending_add = a,
               .context_add = LIST(a, b), .context_add_n = 2, .context_max = 40, .queue_add = LIST(a, b),
               .queue_add_n = 2, .job = { SV("j"), b }, .job_ttl_ms = LONG_MS, .event = a);
    is_int(apply(r, &c)->status, STORE_DONE, "64 KiB everywhere");
    const struct store_view *v = load(r, "c");
    ok(sv_eq(v->record, a) && sv_eq(v->mark, b), "record and mark");
    ok(v->pending_n == 1 && sv_eq(v->pending[0], a), "pending");
    ok(v->context_n == 2 && sv_eq(v->context[0], a) && sv_eq(v->context[1], b), "context");
    ok(sv_eq(get(r, "job:j"), b), "job");
    (void)apply(r, &CHANGE("c", 1, .pending_drop = 1, .pending_drop_to_context = true, .context_max = 40));
    v = load(r, "c");
    ok(v->context_n == 3 && sv_eq(v->context[2], a), "moved to the context");
    const struct store_batch *batch = take(r, "o", 9);
    ok(batch->n == 2 && sv_eq(batch->items[0], a) && sv_eq(batch->items[1], b), "queue");
}

static void many(struct rig *r)
{
    enum { N = 500 };
    struct call *calls[N];
    for (unsigned i = 0; i < N; i++) {
        struct sv id = arena_printf(r->arena, "c%u", i / 5), it = arena_printf(r->arena, "%u", i);
        calls[i] = rig_call(r);
        struct store_change c = CHANGE("", i % 5, .pending_add = it);
        c.conversation_id = id;
        c = filled(&c);
        store_apply(r->s, &c, rig_applied, calls[i]);
    }
    unsigned bad = 0;
    for (unsigned i = 0; i < N; i++) {
        rig_wait(r, calls[i]);
        bad += calls[i]->status != STORE_DONE || calls[i]->applied.version != i % 5 + 1;
    }
    is_int(bad, 0, "calls that were not waited for are done in their order");
    const struct store_view *v = load(r, "c7");
    is_sv(joined(r, v->pending, v->pending_n), SV("35,36,37,38,39"), "with nothing lost");
}

static void closing(struct rig *r)
{
    (void)apply(r, &CHANGE("c", 0));
    struct store *s = r->s;
    struct call *c[8];
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        c[i] = rig_call(r);
    store_load(s, &(struct store_load){ SV("c"), SV("m"), true }, rig_loaded, c[0]);
    store_apply(s, &CHANGE("c", 1, .record = SV("r")), rig_applied, c[1]);
    store_get(s, SV("x"), rig_value, c[2]);
    store_stat(s, rig_stat, c[3]);
    store_list(s, &(struct store_list){ .max = 1 }, rig_list, c[4]);
    store_take(s, STORE_QUEUE_MESSAGES, SV("o"), 1, rig_batch, c[5]);
    store_load(s, &(struct store_load){ SV(""), SV_NONE, true }, rig_loaded, c[6]);
    store_letters(s, &(struct store_letters){ .max = 1 }, rig_letters, c[7]);
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        is_int(c[i]->answers, 0, "call %zu waits", i);
    r->inside = false; /* close may tell */
    store_close(s);
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        is_int(c[i]->answers, 1, "call %zu was answered before close returned", i);
        is_int(c[i]->status, STORE_DOWN, "with DOWN");
    }
    for (int i = 0; i < 3; i++)
        loop_turn(r->loop, false);
    store_close(NULL);
    r->s = r->backend->open(r, 0); /* for the end of the case */
    store_subscribe(r->s, rig_event, r);
}

static bool connected_twice(struct rig *r, void *arg)
{
    (void)arg;
    return r->connected >= 2;
}

static void reopened(struct rig *r)
{
    (void)apply(r, &CHANGE("c", 0, .mark_new = { SV("m"), SV("kept") }, .queue_add = LIST(SV("q")), .queue_add_n = 1));
    store_close(r->s);
    r->s = r->backend->open(r, 0);
    store_subscribe(r->s, rig_event, r);
    ok(rig_until(r, connected_twice, NULL), "opened again");
    is_sv(load(r, "c")->mark, SV("kept"), "what was applied is there");
    is_sv(drain(r), SV("q"), "and what was queued");
}

/* A callback may ask again, and the last one may close. */
struct chain {
    struct rig *r;
    unsigned left;
    bool closed;
};

static void next_link(void *arg, enum store_status status, struct sv value)
{
    struct chain *c = arg;
    (void)status;
    (void)value;
    if (c->left-- > 0) {
        store_get(c->r->s, SV("x"), next_link, c);
        return;
    }
    store_close(c->r->s);
    c->closed = true;
}

static bool chain_ended(struct rig *r, void *arg)
{
    (void)r;
    return ((const struct chain *)arg)->closed;
}

static void close_in_callback(struct rig *r)
{
    struct chain c = { .r = r, .left = 10 };
    next_link(&c, STORE_DONE, SV_NONE);
    struct call *behind = rig_call(r);
    store_get(r->s, SV("y"), rig_value, behind);
    ok(rig_until(r, chain_ended, &c), "asked again in a callback ten times, then closed there");
    is_int(behind->answers, 1, "the other call was answered");
    r->s = r->backend->open(r, 0);
    store_subscribe(r->s, rig_event, r);
}

const struct rig_case odd_cases[] = {
    { .name = "all bytes", .run = bytes },
    { .name = "long ids", .run = long_ids },
    { .name = "refused ids", .run = refused },
    { .name = "big values", .run = big },
    { .name = "many calls at once", .run = many },
    { .name = "close", .run = closing },
    { .name = "close in a callback", .run = close_in_callback },
    { .name = "opened again", .run = reopened, .needs_shared = true },
    { .name = NULL },
};
