/* SPDX-License-Identifier: MIT
 * The courier's line: who waits for whom when receivers are slow, and what becomes of those in line when it stops. Over the memory store, with a
 * double of outside/callback.c that answers when the test says. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "daemon/absent.h"
#include "daemon/courier.h"
#include "outside/callback.h"
#include "t/tap.h"
#include "t/turn/rig.h"

/* ---- the double ---- */

#define CALLS_MAX 512

struct callback_call {
    callback_fn *fn;
    void *arg;
    char url[80], id[80];
    bool open;
};

static struct callback_call calls[CALLS_MAX];
static size_t calls_n;

struct callback_call *callback_post(struct callback *c, const struct callback_request *r, callback_fn *fn, void *arg)
{
    struct callback_call *call = &calls[calls_n++];
    (void)c;
    if (calls_n == CALLS_MAX)
        bail_out("too many calls");
    *call = (struct callback_call){ .fn = fn, .arg = arg, .open = true };
    snprintf(call->url, sizeof(call->url), "%.*s", SV_FMT(r->url));
    snprintf(call->id, sizeof(call->id), "%.*s", SV_FMT(r->id));
    return call;
}

static void answer(struct callback_call *call, enum callback_outcome outcome)
{
    struct callback_answer a = { .outcome = outcome, .retry_after_ms = -1 };
    (void)err_set(&a.err, ERR_UNAVAILABLE, "no answer");
    call->open = false;
    call->fn(call->arg, &a);
}

static size_t calls_to(const char *host, bool open_only)
{
    size_t n = 0;
    for (size_t i = 0; i < calls_n; i++)
        n += strstr(calls[i].url, host) != NULL && (calls[i].open || !open_only);
    return n;
}

/* ---- the queue ---- */

static struct rig r;
static struct courier *courier;
static struct absent *absent;

static void applied(void *arg, enum store_status status, const struct store_applied *a)
{
    (void)a;
    if (status != STORE_DONE)
        bail_out("an item was not taken");
    *(bool *)arg = true;
}

static void put(const char *item)
{
    static int conversations;
    char id[32];
    bool done = false;
    struct sv items[1] = { sv_from(item) };
    snprintf(id, sizeof(id), "c%d", conversations++);
    const struct store_change c = { .conversation_id = sv_from(id), .record = SV("{}"), .callbacks_add = items, .callbacks_add_n = 1 };
    store_apply(r.store, &c, applied, &done);
    for (int i = 0; i < 1000 && !done; i++)
        loop_turn(r.loop, false);
}

static void put_for(const char *host, int number)
{
    char item[256];
    snprintf(item, sizeof(item), "{\"type\":\"callback\",\"v\":1,\"job_id\":\"%s-%d\",\"url\":\"https://%s/hook\",\"body\":{}}", host, number, host);
    put(item);
}

static void told(void *arg, enum store_status status, const struct store_stat *s)
{
    struct store_stat *out = arg;
    *out = status == STORE_DONE ? *s : (struct store_stat){ .dead = -1 };
    out->now_ms = 1;
}

static struct store_stat stat_now(void)
{
    struct store_stat s = { .now_ms = 0 };
    store_stat(r.store, told, &s);
    for (int i = 0; i < 1000 && s.now_ms == 0; i++)
        loop_turn(r.loop, false);
    return s;
}

static bool wait_for(bool (*holds)(void))
{
    for (int i = 0; i < 20000 && !holds(); i++)
        loop_turn(r.loop, true);
    return holds();
}

static void begin(void)
{
    rig_open(&r, &rig_policy);
    calls_n = 0;
    absent = absent_new(r.loop, r.store, 60000, 0);
    const struct courier_options o = { .loop = r.loop, .store = r.store, .alive = r.alive, .absent = absent, .attempts_max = 3, .retry_base_ms = 1,
                                       .retry_cap_ms = 2 };
    courier = courier_new(&o);
}

static void stopped(void *arg)
{
    *(bool *)arg = true;
}

static void end(void)
{
    courier_end(courier);
    absent_stop(absent);
    rig_settle(&r);
    courier_free(courier);
    absent_free(absent);
    rig_close(&r);
}

/* ---- the cases ---- */

static bool slow_is_busy(void)
{
    return courier_holds(courier) >= 150;
}

static bool quick_is_called(void)
{
    return calls_to("quick", false) > 0;
}

static bool nothing_is_held(void)
{
    for (size_t i = 0; i < calls_n; i++)
        if (calls[i].open)
            answer(&calls[i], CALLBACK_DELIVERED);
    return courier_holds(courier) == 0;
}

static void slow_receiver(void)
{
    begin();
    for (int i = 0; i < 150; i++)
        put_for("slow", i);
    courier_wake(courier);
    ok(wait_for(slow_is_busy), "many items for a receiver that does not answer");
    is_int((int)calls_to("slow", true), 48, "it gets three quarters of the posts");
    for (int i = 0; i < 40; i++)
        put_for("slower", i);
    put_for("quick", 1);
    courier_wake(courier);
    ok(wait_for(quick_is_called), "the third receiver waits neither for it nor for another of that kind");
    ok(wait_for(nothing_is_held), "everything is delivered in the end");
    is_int((int)calls_to("slow", false), 190, "each once");
    struct store_stat s = stat_now();
    is_int((int)(s.callbacks + s.callbacks_taken + s.dead), 0, "and nothing is left");
    end();
}

static bool one_is_open(void)
{
    return calls_to("away", true) == 1;
}

static void stops(void)
{
    bool is_stopped = false;
    begin();
    for (int i = 0; i < 60; i++)
        put_for("slow", i);
    put_for("away", 1);
    courier_wake(courier);
    ok(wait_for(one_is_open), "one is on its way");
    courier_stop(courier, stopped, &is_stopped);
    for (int i = 0; i < 100; i++)
        loop_turn(r.loop, false);
    ok(!is_stopped, "what is on its way is waited for");
    for (size_t i = 0; i < calls_n; i++)
        if (calls[i].open)
            answer(&calls[i], i % 2 == 0 ? CALLBACK_DELIVERED : CALLBACK_RETRY);
    for (int i = 0; i < 5000 && !is_stopped; i++)
        loop_turn(r.loop, false);
    ok(is_stopped, "then it has stopped");
    struct store_stat s = stat_now();
    size_t delivered = (calls_n + 1) / 2;
    is_int((int)s.callbacks, 61 - (int)delivered, "what was not delivered is in the queue again");
    is_int((int)(s.callbacks_taken + s.dead), 0, "all of it");
    end();
}

int main(void)
{
    slow_receiver();
    stops();
    return done_testing();
}
