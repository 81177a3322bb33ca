/* SPDX-License-Identifier: MIT
 * Every promise of store.h, on every backend that can be reached: the same table of cases. A backend that differs from
 * store_memory in any case is wrong, or the case is. */
#include "config.h"

#include <string.h>

#include "lib/clock.h"
#include "t/store/contract.h"

#define EPOCH_MS 1700000000000

static bool said_hello(struct rig *r, void *arg)
{
    (void)arg;
    return r->connected > 0;
}

static void run_case(struct rig *r, const struct rig_case *c)
{
    if (c->needs_shared && !r->backend->shared)
        return;
    r->backend->wipe(r);
    r->heard = r->connected = r->pushes = r->pushed_all = 0;
    r->event = r->push_id = r->push_event = SV_NONE;
    r->calls = NULL;
    r->s = r->backend->open(r, c->bound);
    if (r->s == NULL)
        bail_out("%s: cannot be opened", r->backend->name);
    store_subscribe(r->s, rig_event, r);
    store_on_push(r->s, rig_push, r);
    ok(rig_until(r, said_hello, NULL) && store_is_up(r->s), "%s: is up, and says so", r->backend->name);
    diag("%s: %s", r->backend->name, c->name);
    c->run(r);
    for (int i = 0; i < 3; i++)
        loop_turn(r->loop, false);
    store_close(r->s);
    for (int i = 0; i < 3; i++)
        loop_turn(r->loop, false);
    unsigned wrong = 0;
    for (const struct call *call = r->calls; call != NULL; call = call->next)
        wrong += call->answers != 1;
    is_int(wrong, 0, "%s: %s: every call was answered exactly once", r->backend->name, c->name);
    arena_reset(r->arena);
}

static void run_backend(struct loop *l, struct arena *a, const struct backend *b)
{
    static const struct rig_case *const tables[] = { conversation_cases, queue_cases, place_cases, callback_cases, list_cases,
                                                   session_cases, history_cases, erase_cases, odd_cases };
    struct rig r = { .backend = b, .loop = l, .arena = a };
    const char *why = "";
    if (!b->start(&r, &why)) {
        diag("%s: %s", b->name, why);
        skip(why);
        return;
    }
    if (b->real_clock)
        clock_real();
    else
        clock_fake(EPOCH_MS);
    for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
        for (const struct rig_case *c = tables[t]; c->name != NULL; c++)
            run_case(&r, c);
    }
    clock_real();
    b->stop(&r);
}

int main(int argc, char **argv)
{
    struct loop *l = loop_new();
    struct arena *a = arena_new(0, 1u << 30);
    if (l == NULL || a == NULL)
        bail_out("no memory");
    for (size_t i = 0; backends[i] != NULL; i++) {
        if (argc < 2 || strcmp(argv[1], backends[i]->name) == 0) /* a name: that backend alone */
            run_backend(l, a, backends[i]);
    }
    arena_free(a);
    loop_free(l);
    return done_testing();
}
