/* SPDX-License-Identifier: MIT
 * The sweep: visits what is due, never more than may run at once, little by little, and says that it has stopped only when nothing can come
 * back to it. */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/sweep.h"
#include "lib/clock.h"
#include "t/tap.h"
#include "t/turn/rig.h"
#include "turn/conversation.h"

static void flag(void *arg)
{
    *(bool *)arg = true;
}

static void visits(void)
{
    struct rig r;
    struct rig_answer a;
    bool stopped = false;
    rig_open(&r, &rig_policy);
    r.ai.outcome = AI_UNREACHABLE;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "a message is queued");
    is_str(rig_str(&a, "status"), "queued", "since the AI is away");
    rig_forget(&a);
    r.ai.outcome = AI_ANSWERED;
    struct sweep *w = sweep_new(r.loop, r.store, r.turns, 100, 60000);
    for (int i = 0; i < 5000 && r.platform.sent == 0; i++)
        loop_turn(r.loop, true);
    is_int(r.platform.sent, 1, "the sweep finds it when its time has come");
    sweep_stop(w, flag, &stopped);
    for (int i = 0; i < 1000 && !stopped; i++)
        loop_turn(r.loop, false);
    ok(stopped, "it stops");
    sweep_free(w);
    rig_close(&r);
}

/* Stopped in the middle of a look: the store's answer comes later, and must find it alive. */
static void stop_while_looking(void)
{
    struct rig r;
    bool stopped = false;
    rig_open(&r, &rig_policy);
    struct sweep *w = sweep_new(r.loop, r.store, r.turns, 100, 60000);
    int rounds = 0;
    loop_turn(r.loop, true); /* its timer: the look has begun, its answer waits for the next round */
    sweep_stop(w, flag, &stopped);
    ok(!stopped, "not stopped at once");
    for (; rounds < 1000 && !stopped; rounds++)
        loop_turn(r.loop, false);
    ok(stopped, "stopped after the answer");
    sweep_free(w);
    rig_close(&r);
}

/* ---- a process that is killed ---- */

struct other {
    pid_t pid;
    char name[128];
};

static void other_start(const struct rig *r, struct other *o)
{
    int ends[2];
    struct err e;
    if (pipe(ends) != 0 || (o->pid = fork()) < 0)
        bail_out("no other process");
    if (o->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        struct alive *alive = alive_open(r->dir, &e);
        const char *name = alive != NULL ? alive_name(alive) : "";
        if (write(ends[1], name, strlen(name) + 1) > 0)
            (void)pause();
        _exit(1);
    }
    (void)close(ends[1]);
    if (read(ends[0], o->name, sizeof(o->name)) < 2)
        bail_out("the other process has no name");
    (void)close(ends[0]);
}

static void other_kill(const struct other *o)
{
    int status;
    (void)kill(o->pid, SIGKILL);
    if (waitpid(o->pid, &status, 0) != o->pid)
        bail_out("the other process is not to be killed");
}

struct giving {
    struct rig *r;
    const char *owner;
    bool done;
};

static void given(void *arg, enum store_status status, const struct store_applied *applied)
{
    struct giving *g = arg;
    (void)applied;
    if (status != STORE_DONE)
        bail_out("a record cannot be written");
    g->done = true;
}

static void loaded(void *arg, enum store_status status, const struct store_view *v)
{
    struct giving *g = arg;
    struct conversation c;
    struct err e;
    struct buf b = { 0 };
    if (status != STORE_DONE || conversation_parse(v->record, &c, &e) != 0)
        bail_out("there is no record");
    (void)snprintf(c.owner, sizeof(c.owner), "%s", g->owner);
    conversation_format(&b, &c);
    const struct store_change change = { .conversation_id = SV("c1"), .expect_version = v->version, .record = buf_sv(&b),
                                         .due_ms = v->now_ms + v->lease_left_ms, .in = STORE_IN_ACTIVE | STORE_IN_WAITING,
                                         .activity_ms = v->now_ms, .active_ms = v->now_ms, .waiting_ms = v->now_ms };
    store_apply(g->r->store, &change, given, g);
    buf_fini(&b);
}

/* A turn that the other process works on. */
static void give_turn(struct rig *r, const struct other *o)
{
    struct giving g = { r, o->name, false };
    struct rig_answer a;
    struct turns *own = r->turns;
    const struct store_load what = { .conversation_id = SV("c1") };
    r->ai.hold = true;
    r->turns = turns_new(&r->options, NULL);
    if (r->turns == NULL)
        bail_out("no second engine");
    rig_send(r, "c1", "m1", "one", "user", &a);
    rig_settle(r);
    turns_free(r->turns);
    r->turns = own;
    r->ai.hold = false;
    store_load(r->store, &what, loaded, &g);
    for (int i = 0; i < 1000 && !g.done; i++)
        loop_turn(r->loop, false);
    rig_forget(&a);
}

/* A lease lasts for 30 s; whoever is proved dead does not need it any more. */
static void owner_killed(void)
{
    struct rig r;
    struct other o;
    bool stopped = false;
    rig_open(&r, &rig_policy);
    other_start(&r, &o);
    give_turn(&r, &o);
    struct sweep *w = sweep_new(r.loop, r.store, r.turns, 100, 60000);
    if (sweep_watch(w, r.alive) != 0)
        bail_out("no watch");
    int64_t begin_ms = clock_mono_ms();
    while (clock_mono_ms() - begin_ms < 1200) /* two looks and more */
        loop_turn(r.loop, true);
    is_int(r.ai.calls, 1, "the turn of another process, which lives");
    other_kill(&o);
    begin_ms = clock_mono_ms();
    while (clock_mono_ms() - begin_ms < rig_policy.lease_ttl_ms && r.platform.sent == 0)
        loop_turn(r.loop, true);
    is_int(r.platform.sent, 1, "is taken over when it is dead");
    ok(clock_mono_ms() - begin_ms < rig_policy.lease_ttl_ms / 2, "long before its lease ends");
    sweep_stop(w, flag, &stopped);
    for (int i = 0; i < 1000 && !stopped; i++)
        loop_turn(r.loop, false);
    sweep_free(w);
    rig_close(&r);
}

/* ---- how many at once ---- */

/* An AI that thinks until it is told to answer. */
struct thinker {
    struct ai ai;
    struct ai_call *first;
    size_t running, running_max;
};

struct ai_call {
    struct thinker *of;
    struct ai_call *next;
    ai_fn *fn;
    void *arg;
};

static struct ai_call *think(struct ai *ai, const struct ai_request *r, ai_fn *fn, void *arg)
{
    struct thinker *t = CONTAINER_OF(ai, struct thinker, ai);
    struct ai_call *c = malloc(sizeof(*c));
    (void)r;
    if (c == NULL)
        bail_out("no memory");
    *c = (struct ai_call){ .of = t, .next = t->first, .fn = fn, .arg = arg };
    t->first = c;
    t->running++;
    t->running_max = t->running > t->running_max ? t->running : t->running_max;
    return c;
}

static void stop_thinking(struct ai *ai, struct ai_call *c)
{
    struct thinker *t = CONTAINER_OF(ai, struct thinker, ai);
    struct ai_call **at = &t->first;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    t->running--;
    free(c);
}

static void answer_one(struct thinker *t)
{
    struct ai_call *c = t->first;
    if (c == NULL)
        return;
    struct ai_answer a = { .outcome = AI_ANSWERED, .took_ms = 1, .retry_after_ms = -1,
                           .response = json_read(SV("{\"response_text\":\"so\"}"), false, NULL) };
    t->first = c->next;
    t->running--;
    c->fn(c->arg, &a);
    json_decref(a.response);
    free(c);
}

static void think_no_more(struct ai *ai)
{
    (void)ai;
}

static const struct ai_ops thinker_ops = { .name = "thinker", .ask = think, .abort = stop_thinking, .close = think_no_more };

/* `n` conversations that wait for a daemon. */
static void queue_messages(struct rig *r, int n)
{
    int queued = 0;
    r->ai.outcome = AI_UNREACHABLE;
    for (int i = 0; i < n; i++) {
        struct rig_answer a;
        char id[16];
        (void)snprintf(id, sizeof(id), "c%d", i);
        rig_send(r, id, "m1", "one", "user", &a);
        queued += rig_until(r, &a) && strcmp(rig_str(&a, "status"), "queued") == 0;
        rig_forget(&a);
    }
    is_int(queued, n, "%d conversations wait", n);
}

struct stage {
    struct rig rig;
    struct thinker thinker;
    struct turns *turns;
    struct sweep *sweep;
};

static void stage_open(struct stage *s, int n, size_t running_max)
{
    struct err e;
    rig_open(&s->rig, &rig_policy);
    queue_messages(&s->rig, n);
    s->thinker = (struct thinker){ .ai = { .ops = &thinker_ops } };
    struct turns_options with = s->rig.options;
    with.ai = &s->thinker.ai;
    s->turns = turns_new(&with, &e);
    s->sweep = sweep_new(s->rig.loop, s->rig.store, s->turns, running_max, 60000);
}

static void stage_close(struct stage *s)
{
    bool stopped = false;
    sweep_stop(s->sweep, flag, &stopped);
    for (int i = 0; i < 1000 && !stopped; i++)
        loop_turn(s->rig.loop, false);
    ok(stopped, "it stops");
    sweep_free(s->sweep);
    turns_free(s->turns);
    rig_close(&s->rig);
}

static void no_more_than_allowed(void)
{
    enum { N = 40, MAX = 3 };
    struct stage s;
    stage_open(&s, N, MAX);
    for (int i = 0; i < 5000 && s.thinker.running < MAX; i++)
        loop_turn(s.rig.loop, true);
    for (int i = 0; i < 20000 && s.rig.platform.sent < N; i++) {
        sweep_wake(s.sweep); /* as each new message does */
        loop_turn(s.rig.loop, false);
        if (s.thinker.running >= MAX || s.rig.platform.sent + MAX > N)
            answer_one(&s.thinker);
        else
            loop_turn(s.rig.loop, true);
    }
    is_int(s.rig.platform.sent, N, "all are answered");
    is_int(s.thinker.running_max, MAX, "and never more at once than this daemon may run");
    stage_close(&s);
}

/* The bound is one from below: a slow machine takes longer. */
static void little_by_little(void)
{
    enum { N = 300, TOGETHER = 64, STEP_MS = 50, MAX = 1000 };
    struct stage s;
    stage_open(&s, N, MAX);
    int64_t began_ms = clock_mono_ms();
    for (int i = 0; i < 20000 && s.thinker.running < N; i++)
        loop_turn(s.rig.loop, true);
    is_int(s.thinker.running, N, "all of them run");
    ok(clock_mono_ms() - began_ms >= N - TOGETHER - STEP_MS, "but they did not begin together: one a millisecond, where 1000 are allowed");
    stage_close(&s);
}

int main(void)
{
    visits();
    owner_killed();
    stop_while_looking();
    no_more_than_allowed();
    little_by_little();
    return done_testing();
}
