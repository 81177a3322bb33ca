/* SPDX-License-Identifier: MIT
 * A store that fails at any one call, before or after the work: what a caller that loads again and goes on ends with is
 * always the same, each call is answered once, and what was refused left nothing half done. */
#include "config.h"

#include "t/store/contract.h"

#define STEPS 8

static const struct backend plain = { .name = "fail" };

static enum store_status try_load(struct rig *r, struct call **c)
{
    *c = rig_call(r);
    store_load(r->s, &(struct store_load){ SV("c"), SV_NONE, true }, rig_loaded, *c);
    rig_wait(r, *c);
    return (*c)->status;
}

/* Step k takes the record from version k to k + 1, adds a pending item and a queue item, moves one to the context. */
static bool run(struct rig *r)
{
    unsigned tries = 0;
    for (struct call *c; tries < 100; tries++) {
        if (try_load(r, &c) != STORE_DONE)
            continue;
        uint64_t k = c->view.version;
        if (c->view.pending_n != (k > 0 ? 1 : 0) || c->view.context_n != (k > 0 ? k - 1 : 0))
            return false; /* half done */
        if (k == STEPS)
            return true;
        struct sv item = arena_printf(r->arena, "%llu", (unsigned long long)k);
        (void)apply(r, &CHANGE("c", k, .pending_add = item, .pending_drop = k > 0, .pending_drop_to_context = true,
                               .context_max = 99, .queue_add = &item, .queue_add_n = 1, .mark_new = { item, item }));
    }
    return false;
}

/* The whole with the n-th call failing. */
static bool round_with(struct rig *r, unsigned n, bool after)
{
    struct store *inner = store_memory_open(r->loop, 0), *outer = store_fail_open(r->loop, inner, n, false, after);
    r->calls = NULL;
    r->s = outer;
    bool right = run(r);
    for (const struct call *c = r->calls; c != NULL; c = c->next)
        right = right && c->answers == 1;
    r->s = inner;
    const struct store_view *v = load(r, "c");
    right = right && v->version == STEPS && sv_eq(joined(r, v->context, v->context_n), SV("0,1,2,3,4,5,6")) &&
            sv_eq(joined(r, v->pending, v->pending_n), SV("7")) && sv_eq(drain(r), SV("0,1,2,3,4,5,6,7"));
    store_close(outer);
    return right;
}

static void every_call(struct rig *r)
{
    for (int after = 0; after < 2; after++) {
        unsigned wrong = 0;
        for (unsigned n = 1; n <= 3 * STEPS; n++) {
            wrong += !round_with(r, n, after == 1);
            arena_reset(r->arena);
        }
        is_int(wrong, 0, "one call fails %s the work, wherever: the end is the same", after == 1 ? "after" : "before");
    }
}

static void every_kind(struct rig *r)
{
    for (int after = 0; after < 2; after++) {
        r->calls = NULL;
        r->s = store_fail_open(r->loop, store_memory_open(r->loop, 0), 1, true, after == 1);
        struct call *c[20];
        for (size_t i = 0; i < ARRAY_LEN(c); i++)
            c[i] = rig_call(r);
        struct store_change change = filled(&CHANGE("c", 0));
        store_load(r->s, &(struct store_load){ SV("c"), SV_NONE, true }, rig_loaded, c[0]);
        store_apply(r->s, &change, rig_applied, c[1]);
        store_renew(r->s, SV("c"), SV("t"), 1, rig_status, c[2]);
        store_list(r->s, &(struct store_list){ .max = 1 }, rig_list, c[3]);
        store_take(r->s, STORE_QUEUE_MESSAGES, SV("o"), 1, rig_batch, c[4]);
        store_ack(r->s, &(struct store_ack){ .batch = SV("o:1") }, rig_status, c[5]);
        store_put(r->s, SV("x"), SV("y"), 1, rig_status, c[6]);
        store_get(r->s, SV("x"), rig_value, c[7]);
        store_stat(r->s, rig_stat, c[8]);
        store_letters(r->s, &(struct store_letters){ .max = 1 }, rig_letters, c[9]);
        store_session(r->s, SV("c"), rig_session, c[10]);
        store_session_fill(r->s, &(struct store_session_fill){ .conversation_id = SV("c"), .ttl_ms = 1 }, rig_status, c[11]);
        store_events(r->s, SV("c"), 0, rig_events, c[12]);
        store_history(r->s, SV("c"), SV("u"), rig_history, c[13]);
        store_user(r->s, SV("u"), rig_user, c[14]);
        store_figures(r->s, SV("2026-01-31"), rig_pairs, c[15]);
        store_preferences(r->s, SV("u"), rig_pairs, c[16]);
        store_preferences_put(r->s, SV("u"), NULL, 0, rig_status, c[17]);
        store_erased_at(r->s, SV("c"), rig_erased, c[18]);
        store_event_say(r->s, &(struct store_event_say){ .conversation_id = SV("c"), .need_token = SV("t"), .event = SV("{\"a\":1}"),
                                                         .events_max = 1, .ttl_ms = 1 }, rig_status, c[19]);
        unsigned wrong = 0;
        for (size_t i = 0; i < ARRAY_LEN(c); i++) {
            rig_wait(r, c[i]);
            wrong += c[i]->status != STORE_DOWN || c[i]->answers != 1;
        }
        is_int(wrong, 0, "every kind of call fails from then on");
        store_close(r->s);
    }
}

static void closed_while_waiting(struct rig *r)
{
    for (int after = 0; after < 2; after++) {
        r->s = store_fail_open(r->loop, store_memory_open(r->loop, 0), 1, false, after == 1);
        struct call *failing = rig_call(r), *other = rig_call(r);
        store_get(r->s, SV("x"), rig_value, failing);
        store_get(r->s, SV("x"), rig_value, other);
        r->inside = false;
        store_close(r->s);
        ok(failing->answers == 1 && failing->status == STORE_DOWN && other->answers == 1 && other->status == STORE_DOWN,
           "both were answered at close");
    }
}

int main(void)
{
    struct rig r = { .backend = &plain, .loop = loop_new(), .arena = arena_new(0, 1u << 30) };
    if (r.loop == NULL || r.arena == NULL)
        bail_out("no memory");
    every_call(&r);
    every_kind(&r);
    closed_while_waiting(&r);
    for (int i = 0; i < 3; i++)
        loop_turn(r.loop, false);
    arena_free(r.arena);
    loop_free(r.loop);
    return done_testing();
}
