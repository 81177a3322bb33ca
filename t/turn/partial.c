/* SPDX-License-Identifier: MIT
 * An answer that is shown as it grows: only where somebody listens and the AI can, at a bounded pace, and never by a turn that is not in charge any more. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "store/store_ops.h"
#include "t/tap.h"
#include "t/turn/rig.h"

/* ---- the store: as it is, but for what the test holds or counts ---- */

static struct {
    const struct store_ops *own;
    struct store_ops ops;
    bool hold; /* the question whether somebody listens */
    enum store_status says; /* how the next events that are said are answered; DONE: by the store */
    store_value_fn *held;
    void *held_arg;
    int looks, said;
    int64_t said_ms[256];
    char name[64];
} st;

static void value(struct store *s, const struct store_value *what, store_value_fn *fn, void *arg)
{
    bool look = !what->put && sv_starts(what->name, SV("listening:"));
    st.looks += look;
    if (look)
        snprintf(st.name, sizeof(st.name), "%.*s", SV_FMT(what->name));
    if (!look || !st.hold) {
        st.own->value(s, what, fn, arg);
        return;
    }
    st.held = fn;
    st.held_arg = arg;
}

struct refused {
    store_status_fn *fn;
    void *arg;
    enum store_status says;
};

static void refuse(void *arg)
{
    struct refused *call = arg;
    call->fn(call->arg, call->says);
    free(call);
}

static void event_say(struct store *s, const struct store_event_say *what, store_status_fn *fn, void *arg)
{
    if (st.said < (int)ARRAY_LEN(st.said_ms))
        st.said_ms[st.said] = clock_mono_ms();
    st.said++;
    if (st.says == STORE_DONE) {
        st.own->event_say(s, what, fn, arg);
        return;
    }
    struct refused *call = malloc(sizeof(*call));
    if (call == NULL)
        bail_out("no memory");
    *call = (struct refused){ fn, arg, st.says };
    loop_soon(s->loop, refuse, call);
}

static void release(enum store_status status, bool listens)
{
    store_value_fn *fn = st.held;
    st.held = NULL;
    if (fn == NULL)
        bail_out("nobody looks whether somebody listens");
    fn(st.held_arg, status, listens ? SV("1") : SV_NONE);
}

static void open_with(struct rig *r, const struct policy *policy)
{
    rig_open(r, policy);
    rig_ai_streams(r);
    memset(&st, 0, sizeof(st));
    st.own = r->store->ops;
    st.ops = *st.own;
    st.ops.value = value;
    st.ops.event_say = event_say;
    r->store->ops = &st.ops;
    r->ai.hold = true;
}

/* ---- what the store has ---- */

static void put(void *arg, enum store_status status)
{
    *(bool *)arg = status == STORE_DONE;
}

static void listen(struct rig *r, const char *name)
{
    bool done = false;
    store_put(r->store, sv_from(name), SV("1"), 90000, put, &done);
    for (int i = 0; i < 100 && !done; i++)
        loop_turn(r->loop, false);
}

static struct log {
    bool done;
    int n, partials;
    uint64_t last;
    char types[256];  /* of the events, a space after each; "partial" of one that is */
    char text[512];   /* of the last partial event */
    char whole[1024]; /* that event */
} seen;

static void read_log(void *arg, enum store_status status, const struct store_events *e)
{
    (void)arg;
    memset(&seen, 0, sizeof(seen));
    seen.done = true;
    if (status != STORE_DONE)
        return;
    seen.last = e->last;
    seen.n = (int)e->n;
    for (size_t i = 0; i < e->n; i++) {
        json_t *j = json_read(e->events[i], false, NULL);
        bool partial = json_is_true(json_object_get(j, "partial"));
        size_t at = strlen(seen.types);
        snprintf(seen.types + at, sizeof(seen.types) - at, "%s ", partial ? "partial" : json_string_value(json_object_get(j, "type")));
        seen.partials += partial;
        if (partial) {
            snprintf(seen.text, sizeof(seen.text), "%s", json_string_value(json_object_get(j, "text")));
            snprintf(seen.whole, sizeof(seen.whole), "%.*s", SV_FMT(e->events[i]));
        }
        json_decref(j);
    }
}

static const struct log *look(struct rig *r)
{
    seen.done = false;
    store_events(r->store, SV("c"), 0, read_log, NULL);
    while (!seen.done)
        loop_turn(r->loop, false);
    return &seen;
}

/* Until n were said; false: not in 5 s. */
static bool until_said(struct rig *r, int n)
{
    for (int i = 0; i < 5000 && st.said < n; i++) {
        loop_turn(r->loop, false);
        usleep(1000);
    }
    rig_settle(r);
    return st.said >= n;
}

static void until_asked(struct rig *r)
{
    for (int i = 0; i < 1000 && r->ai.held == NULL && st.held == NULL; i++)
        loop_turn(r->loop, false);
}

static void say(struct rig *r, const char *text)
{
    r->ai.partial(r->ai.partial_arg, sv_from(text));
}

/* ---- tests ---- */

static void nobody(void)
{
    struct rig r;
    struct rig_answer a;
    open_with(&r, &rig_policy);
    listen(&r, "listening:another");
    rig_send(&r, "c", "m1", "hello", "user", &a);
    until_asked(&r);
    is_int(st.looks, 1, "it is looked for a listener, once");
    is_sv(sv_from(st.name), SV("listening:c"), "of this session");
    ok(r.ai.held != NULL && r.ai.partial == NULL, "where there is none, the AI is asked for its whole answer");
    ok(r.ai.tools, "with the actions as tools");
    rig_ai_release(&r);
    ok(rig_until(&r, &a) && a.http_status == 200, "it is answered");
    is_int(look(&r)->partials + st.said, 0, "and nothing was told of it before");
    rig_forget(&a);
    rig_close(&r);

    rig_open(&r, &rig_policy);
    memset(&st, 0, sizeof(st));
    st.own = r.store->ops;
    st.ops = *st.own;
    st.ops.value = value;
    r.store->ops = &st.ops;
    listen(&r, "listening:c");
    rig_send(&r, "c", "m1", "hello", "user", &a);
    ok(rig_until(&r, &a) && a.http_status == 200, "an AI that cannot show it answers");
    is_int(st.looks, 0, "nobody looks for listeners then");
    ok(r.ai.partial == NULL && !r.ai.tools, "and it is asked as ever");
    rig_forget(&a);
    rig_close(&r);
}

static void grows(void)
{
    struct rig r;
    struct rig_answer a;
    char text[64] = "";
    open_with(&r, &rig_policy);
    listen(&r, "listening:c");
    rig_send(&r, "c", "m1", "hello", "user", &a);
    until_asked(&r);
    ok(r.ai.partial != NULL, "where somebody listens, the AI is asked to show it");
    say(&r, "Go\aod\x7f");
    ok(until_said(&r, 1), "what it says first is told");
    is_sv(sv_from(look(&r)->text), SV("Good"), "with its text");
    is_sv(sv_from(seen.types), SV("message typing partial "), "after it is known that it is asked");
    ok(strstr(seen.whole, "\"type\":\"reply\",\"session_id\":\"c\",\"partial\":true,\"job_id\":\"") != NULL && strstr(seen.whole, "\"at\":1") != NULL,
       "as a part of a reply of this turn");
    int64_t began_ms = clock_mono_ms();
    int rounds = 0;
    while (clock_mono_ms() - began_ms < 1300 || rounds < 5) {
        snprintf(text, sizeof(text), "Good morning \"%d\"", rounds++);
        say(&r, text);
        loop_turn(r.loop, false);
        usleep(2000);
    }
    int said = st.said;
    ok(rounds > 20 && said >= 3, "of %d more %d are told", rounds, said - 1);
    snprintf(text, sizeof(text), "Good morning, and that is all");
    say(&r, text);
    int wrong = 0;
    ok(until_said(&r, said + 1), "the last state is not lost");
    for (int i = 1; i < st.said; i++)
        wrong += st.said_ms[i] - st.said_ms[i - 1] < 249;
    is_int(wrong, 0, "never more than four in a second");
    is_sv(sv_from(look(&r)->text), sv_from(text), "the newest is kept");
    is_int(seen.partials, 1, "alone");
    is_int((int64_t)seen.last, 2 + st.said, "and each had its number");
    rig_ai_release(&r);
    ok(rig_until(&r, &a) && a.http_status == 200, "then it is answered");
    is_sv(sv_from(look(&r)->types), SV("message typing partial reply "), "the reply comes once, last");
    int before = st.said;
    usleep(300000);
    rig_settle(&r);
    is_int(st.said, before, "nothing follows");
    rig_forget(&a);
    rig_close(&r);
}

/* The answer is complete before the pace allows to tell of it. */
static void answered_early(void)
{
    struct rig r;
    struct rig_answer a;
    open_with(&r, &rig_policy);
    r.platform.hold = true;
    listen(&r, "listening:c");
    rig_send(&r, "c", "m1", "hello", "user", &a);
    until_asked(&r);
    say(&r, "G");
    ok(until_said(&r, 1), "the beginning is told");
    say(&r, "Good morning");
    rig_ai_release(&r);
    ok(until_said(&r, 2), "while the platform has it, the rest is told");
    is_sv(sv_from(look(&r)->text), SV("Good morning"), "all of it");
    rig_platform_release(&r);
    ok(rig_until(&r, &a) && a.http_status == 200, "it is answered");
    is_sv(sv_from(look(&r)->types), SV("message typing partial reply "), "the reply is the last");
    rig_forget(&a);
    rig_close(&r);

    open_with(&r, &rig_policy);
    listen(&r, "listening:c");
    rig_send(&r, "c", "m1", "hello", "user", &a);
    until_asked(&r);
    say(&r, "G");
    ok(until_said(&r, 1), "the beginning is told");
    say(&r, "Good morning");
    rig_ai_release(&r);
    ok(rig_until(&r, &a) && a.http_status == 200, "a reply that is through before that");
    usleep(300000);
    rig_settle(&r);
    is_int(st.said, 1, "leaves nothing to tell");
    rig_forget(&a);
    rig_close(&r);
}

static void store_fails(void)
{
    struct rig r;
    struct rig_answer a;
    open_with(&r, &rig_policy);
    st.hold = true;
    listen(&r, "listening:c");
    rig_send(&r, "c", "m1", "hello", "user", &a);
    until_asked(&r);
    ok(r.ai.held == NULL, "the AI is not asked before it is known");
    release(STORE_DOWN, false);
    until_asked(&r);
    ok(r.ai.held != NULL && r.ai.partial == NULL, "a store that does not say so is no reason to wait");
    rig_ai_release(&r);
    ok(rig_until(&r, &a) && a.http_status == 200, "it is answered");
    rig_forget(&a);
    rig_close(&r);

    open_with(&r, &rig_policy);
    listen(&r, "listening:c");
    rig_send(&r, "c", "m1", "hello", "user", &a);
    until_asked(&r);
    st.says = STORE_DOWN;
    say(&r, "Good morning");
    ok(until_said(&r, 1), "a store that does not take it");
    st.says = STORE_DONE;
    ok(until_said(&r, 2), "is told again");
    is_sv(sv_from(look(&r)->text), SV("Good morning"), "when it is back");
    st.says = STORE_LEASE_LOST;
    say(&r, "Good morning!");
    ok(until_said(&r, 3), "a lease that is lost");
    st.says = STORE_DONE;
    say(&r, "Good morning!!");
    usleep(300000);
    rig_settle(&r);
    is_int(st.said, 3, "is the end of it");
    rig_ai_release(&r);
    ok(rig_until(&r, &a) && a.http_status == 200, "the turn finds out by itself");
    rig_forget(&a);
    rig_close(&r);
}

static void drained(void *arg)
{
    *(bool *)arg = true;
}

static void interrupted_while_looking(void)
{
    struct rig r;
    struct rig_answer a, b;
    open_with(&r, &rig_policy);
    st.hold = true;
    rig_send(&r, "c", "m1", "hello", "user", &a);
    until_asked(&r);
    rig_send(&r, "c", "m2", "and", "user", &b);
    rig_settle(&r);
    (void)turns_event(r.turns, SV("interrupt c"));
    rig_settle(&r);
    ok(a.http_status == 0 && st.held != NULL, "something newer while it is looked");
    release(STORE_DONE, true);
    rig_settle(&r);
    ok(r.ai.held != NULL || a.http_status != 0, "it goes on with that");
    st.hold = false;
    r.ai.hold = false;
    rig_ai_release(&r);
    ok(rig_until(&r, &a), "and comes to an end: %d %s", a.http_status, rig_str(&a, "status"));
    rig_visit(&r, "c");
    rig_settle(&r);
    is_int(look(&r)->partials, 0, "without a word in between");
    rig_forget(&a);
    rig_forget(&b);
    rig_close(&r);

    bool done = false;
    open_with(&r, &rig_policy);
    st.hold = true;
    rig_send(&r, "c", "m1", "hello", "user", &a);
    until_asked(&r);
    turns_drain(r.turns, 0, drained, &done);
    ok(rig_until(&r, &a) && a.http_status == 202, "a process that ends hands it back");
    rig_settle(&r);
    ok(!done, "and waits for what is under way");
    release(STORE_DONE, true);
    rig_settle(&r);
    ok(done && r.ai.calls == 0, "which asks nobody any more");
    rig_forget(&a);
    rig_close(&r);
}

static struct {
    uint64_t version;
    char record[4096];
} now;

static void loaded(void *arg, enum store_status status, const struct store_view *v)
{
    (void)arg;
    now.version = status == STORE_DONE ? v->version : 0;
    snprintf(now.record, sizeof(now.record), "%.*s", SV_FMT(status == STORE_DONE ? v->record : SV("")));
}

static void applied(void *arg, enum store_status status, const struct store_applied *x)
{
    (void)x;
    *(bool *)arg = status == STORE_DONE;
}

/* Somebody deletes the lock by hand; the record stays as it is. */
static void cut_lock(struct rig *r)
{
    bool done = false;
    store_load(r->store, &(struct store_load){ .conversation_id = SV("c") }, loaded, NULL);
    rig_settle(r);
    store_apply(r->store, &(struct store_change){ .conversation_id = SV("c"), .expect_version = now.version, .record = sv_from(now.record),
                                                  .lease = STORE_LEASE_DROP }, applied, &done);
    rig_settle(r);
    if (!done)
        bail_out("the lock stays");
}

static void lost(void)
{
    struct policy policy = rig_policy;
    struct rig r;
    struct rig_answer a;
    policy.lease_ttl_ms = 300;
    open_with(&r, &policy);
    st.hold = true;
    rig_send(&r, "c", "m1", "hello", "user", &a);
    until_asked(&r);
    cut_lock(&r);
    ok(rig_until(&r, &a) && a.http_status == 202, "a turn loses its lease while it is looked");
    release(STORE_DONE, true);
    rig_settle(&r);
    is_int(r.ai.calls, 0, "nobody is asked any more");
    rig_forget(&a);
    rig_close(&r);

    open_with(&r, &rig_policy);
    listen(&r, "listening:c");
    rig_send(&r, "c", "m1", "hello", "user", &a);
    until_asked(&r);
    say(&r, "Go\aod\x7f");
    (void)until_said(&r, 1);
    cut_lock(&r);
    uint64_t last = look(&r)->last;
    say(&r, "Good morning");
    ok(until_said(&r, 2), "one that has lost it, and does not know");
    is_int((int64_t)look(&r)->last, (int64_t)last, "is not heard any more");
    rig_ai_release(&r);
    (void)rig_until(&r, &a);
    rig_forget(&a);
    rig_close(&r);
}

int main(void)
{
    nobody();
    grows();
    answered_early();
    store_fails();
    interrupted_while_looking();
    lost();
    return done_testing();
}
