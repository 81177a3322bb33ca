/* SPDX-License-Identifier: MIT
 * See scenario_stage.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "store/store_count.h"
#include "t/tap.h"
#include "t/turn/scenario_stage.h"
#include "turn/chat.h"
#include "turn/turn_parts.h"

struct stage_engine {
    struct stage *s;
    int number;
    struct ai ai;
    struct platform platform;
    struct alive *alive;
    struct turns *turns;
    struct sweep *sweep; /* daemons */
    int64_t place_ms;    /* of the last place, since the scenario began; -1: it is used */
};

int64_t stage_now(const struct stage *s)
{
    return clock_wall_ms() - s->begin_ms;
}

static int number_of(struct sv id)
{
    int n = 0;
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] >= '0' && id.p[i] <= '9')
            n = n * 10 + (id.p[i] - '0');
    return n;
}

static void see(struct stage_call *c, int id)
{
    c->in_order = c->in_order && (c->ids_n == 0 || c->ids[c->ids_n - 1] < id);
    c->ids[c->ids_n++] = id;
}

const char *stage_ids(const struct stage_call *c)
{
    static char text[STAGE_MESSAGES_MAX * 5];
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i < c->ids_n; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, i > 0 ? " %d" : "%d", c->ids[i]);
    return text;
}

static struct stage_call *next_call(struct stage *s, struct stage_call *of, int *n, int engine)
{
    if (*n == STAGE_CALLS_MAX)
        bail_out("more calls than a scenario may make");
    struct stage_call *c = &of[(*n)++];
    *c = (struct stage_call){ .begin_ms = stage_now(s), .engine = engine, .in_order = true };
    return c;
}

/* ---- the AI ---- */

struct ai_call {
    struct stage_engine *e;
    struct stage_call *seen;
    struct loop_timer *timer;
    ai_fn *fn;
    void *arg;
};

static void ai_over(struct ai_call *c, bool aborted)
{
    c->seen->end_ms = stage_now(c->e->s);
    c->seen->ended = !aborted;
    c->seen->aborted = aborted;
    c->e->s->running--;
    loop_timer_free(c->timer);
}

static void ai_answers(void *arg)
{
    struct ai_call *c = arg;
    struct ai_answer a = { .outcome = AI_ANSWERED, .took_ms = c->e->s->ai_ms, .retry_after_ms = -1 };
    ai_over(c, false);
    a.response = json_read(SV("{\"response_text\":\"a reply\",\"processing_time_ms\":1,\"model_used\":\"m\"}"), false, NULL);
    a.actions = c->e->s->actions != NULL ? json_read(sv_from(c->e->s->actions), true, NULL) : NULL;
    c->fn(c->arg, &a);
    json_decref(a.response);
    json_decref(a.actions);
    free(c);
}

static struct ai_call *ask(struct ai *ai, const struct ai_request *r, ai_fn *fn, void *arg)
{
    struct stage_engine *e = CONTAINER_OF(ai, struct stage_engine, ai);
    struct stage *s = e->s;
    struct ai_call *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    if (s->vary != NULL)
        s->vary(s);
    *c = (struct ai_call){ .e = e, .fn = fn, .arg = arg, .seen = next_call(s, s->calls, &s->calls_n, e->number) };
    for (size_t i = 0; i < r->messages_n; i++) {
        if (sv_eq(r->messages[i].role, SV("user")))
            see(c->seen, number_of(r->messages[i].message_id_json));
    }
    if (++s->running > s->running_max)
        s->running_max = s->running;
    c->timer = loop_timer_new(s->loop, ai_answers, c);
    loop_timer_set(c->timer, s->ai_ms);
    return c;
}

static void ai_cut(struct ai *ai, struct ai_call *c)
{
    (void)ai;
    ai_over(c, true);
    free(c);
}

static void ai_shut(struct ai *ai)
{
    (void)ai;
}

static const struct ai_ops ai_ops = { .name = "stage", .ask = ask, .abort = ai_cut, .close = ai_shut };

/* ---- the platform ---- */

struct platform_call {
    struct stage_engine *e;
    struct stage_call *seen;
    struct loop_timer *timer; /* NULL: it asks for a place */
    platform_fn *fn;
    platform_place_fn *place_fn;
    bool dropped;
    void *arg;
    size_t actions_n;
    enum platform_outcome outcome;
};

static void platform_answers(void *arg)
{
    struct platform_call *c = arg;
    struct platform_answer a = { .outcome = c->outcome, .actions_executed = (int64_t)c->actions_n, .retry_after_ms = -1 };
    c->seen->end_ms = stage_now(c->e->s);
    c->seen->ended = true;
    loop_timer_free(c->timer);
    c->fn(c->arg, &a);
    free(c);
}

static struct platform_call *deliver(struct platform *p, const struct platform_request *r, platform_fn *fn, void *arg)
{
    struct stage_engine *e = CONTAINER_OF(p, struct stage_engine, platform);
    struct stage *s = e->s;
    struct platform_call *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    if (s->vary != NULL)
        s->vary(s);
    *c = (struct platform_call){ .e = e, .fn = fn, .arg = arg, .actions_n = r->actions_n, .outcome = s->platform_outcome };
    c->seen = next_call(s, s->sends, &s->sends_n, e->number);
    s->misplaced_n += s->place_every_ms > 0 && e->place_ms != stage_now(s);
    e->place_ms = -1;
    snprintf(c->seen->key, sizeof(c->seen->key), "%.*s", SV_FMT(r->idempotency_key));
    json_t *body = json_read(r->body, false, NULL), *id;
    size_t i;
    json_array_foreach(json_object_get(body, "message_ids"), i, id)
    {
        int n = number_of(sv_from(json_string_value(id)));
        see(c->seen, n);
        if (s->platform_outcome == PLATFORM_SENT)
            s->messages[n].covered++;
    }
    json_decref(body);
    c->timer = loop_timer_new(s->loop, platform_answers, c);
    loop_timer_set(c->timer, s->platform_ms);
    return c;
}

static void placed(void *arg, enum store_status status, struct sv value)
{
    struct platform_call *c = arg;
    struct stage *s = c->dropped ? NULL : c->e->s;
    int64_t ms = 0;
    if (s != NULL && status == STORE_DONE && sv_to_i64(value, &ms) && ms >= 0) {
        s->places_n++;
        c->e->place_ms = stage_now(s) + ms;
        c->place_fn(c->arg, &(struct platform_place){ PLATFORM_PLACE, clock_mono_ms() + ms, -1 });
    } else if (s != NULL) {
        s->no_places_n++;
        c->place_fn(c->arg, &(struct platform_place){ PLATFORM_NO_PLACE, 0, -ms - s->place_ahead_ms });
    }
    free(c);
}

static void taken(void *arg, enum store_status status, struct sv value)
{
    (void)arg, (void)status, (void)value;
}

static struct platform_call *give_place(struct platform *p, const struct platform_request *r, platform_place_fn *fn, void *arg)
{
    struct stage_engine *e = CONTAINER_OF(p, struct stage_engine, platform);
    struct stage *s = e->s;
    struct store_place row = { .name = SV("place:stage"), .every_ms = s->place_every_ms, .ahead_max_ms = s->place_ahead_ms, .n = 1 };
    struct platform_call *c = calloc(1, sizeof(*c));
    (void)r;
    if (c == NULL)
        return NULL;
    if (s->vary != NULL)
        s->vary(s);
    *c = (struct platform_call){ .e = e, .place_fn = fn, .arg = arg };
    row.n = s->place_crowd;
    row.wait_ms = s->place_wait_ms;
    store_place(s->store, &row, taken, NULL);
    row.n = 1;
    store_place(s->store, &row, placed, c);
    return c;
}

static void platform_cut(struct platform *p, struct platform_call *c)
{
    (void)p;
    if (c->place_fn != NULL) {
        c->dropped = true;
        return;
    }
    c->seen->aborted = true;
    loop_timer_free(c->timer);
    free(c);
}

static void platform_shut(struct platform *p)
{
    (void)p;
}

static const struct platform_ops platform_ops = { .name = "stage", .send = deliver, .abort = platform_cut, .close = platform_shut };

static const struct platform_ops place_ops = { .name = "stage", .send = deliver, .abort = platform_cut, .close = platform_shut, .place = give_place };

void stage_give_places(struct stage *s, int64_t every_ms, int64_t ahead_ms)
{
    s->place_every_ms = every_ms;
    s->place_ahead_ms = ahead_ms;
    for (int i = 0; i < STAGE_ENGINES; i++)
        s->engines[i]->platform.ops = &place_ops;
}

/* ---- the installation ---- */

static void event(void *arg, struct sv text)
{
    struct stage *s = arg;
    for (int i = 0; i < STAGE_ENGINES; i++) {
        struct stage_engine *e = s->engines[i];
        if (e != NULL && (turns_event(e->turns, text) & TURNS_DUE) != 0 && e->sweep != NULL)
            sweep_wake(e->sweep);
    }
}

static struct stage_engine *engine_open(struct stage *s, int number, const struct policy *policy)
{
    struct err err = { 0 };
    struct stage_engine *e = calloc(1, sizeof(*e));
    if (e == NULL)
        bail_out("no memory");
    *e = (struct stage_engine){ .s = s, .number = number, .place_ms = -1, .ai.ops = &ai_ops, .platform.ops = &platform_ops,
                                .alive = alive_open(s->dir, &err) };
    struct turns_options o = { .loop = s->loop, .store = s->store, .ai = &e->ai, .platform = &e->platform, .alive = e->alive,
                               .policy = *policy, .bot_id = "default", .bot_name = "Default Bot", .context_max = 40,
                               .mark_ttl_ms = 172800000, .answer_ttl_ms = 3600000 };
    e->turns = e->alive == NULL ? NULL : turns_new(&o, &err);
    if (number >= STAGE_RESPONDERS && e->turns != NULL)
        e->sweep = sweep_new(s->loop, s->store, e->turns, 100, 120000);
    if (e->turns == NULL || (number >= STAGE_RESPONDERS && e->sweep == NULL))
        bail_out("an engine cannot be built: %s", err.text);
    return e;
}

static void stopped(void *arg)
{
    *(bool *)arg = true;
}

bool stage_kill(struct stage *s, int engine)
{
    struct stage_engine *e = s->engines[engine];
    if (e == NULL || e->turns->transactions > 0)
        return false;
    bool done = e->sweep == NULL;
    s->engines[engine] = NULL;
    if (e->sweep != NULL)
        sweep_stop(e->sweep, stopped, &done);
    for (int i = 0; i < 1000 && !done; i++)
        loop_turn(s->loop, false);
    sweep_free(e->sweep);
    turns_free(e->turns);
    for (int i = 0; i < 100; i++) /* answers of the store that nobody waits for */
        loop_turn(s->loop, false);
    alive_close(e->alive);
    free(e);
    return true;
}

struct stage *stage_open(const struct policy *policy)
{
    struct stage *s = calloc(1, sizeof(*s));
    if (s == NULL)
        bail_out("no memory");
    clock_fake(1790000000000);
    s->begin_ms = clock_wall_ms();
    s->ai_ms = 1000;
    s->platform_ms = 20;
    s->platform_outcome = PLATFORM_SENT;
    snprintf(s->dir, sizeof(s->dir), "/tmp/turn-stage.XXXXXX");
    s->loop = loop_new();
    s->store = store_memory_open(s->loop, 0);
    if (mkdtemp(s->dir) == NULL || s->store == NULL)
        bail_out("the stage cannot be built");
    for (int i = 0; i < STAGE_ENGINES; i++)
        s->engines[i] = engine_open(s, i, policy);
    store_subscribe(s->store, event, s);
    return s;
}

void stage_close(struct stage *s)
{
    for (int i = 0; i < STAGE_ENGINES; i++)
        if (s->engines[i] != NULL && !stage_kill(s, i))
            bail_out("an engine still waits for the store");
    store_close(s->store);
    rmdir(s->dir);
    loop_free(s->loop);
    free(s);
    clock_real();
}

/* ---- the customer ---- */

static void copy_text(char *to, size_t size, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    snprintf(to, size, "%s", text != NULL ? text : "");
}

static void told(void *arg, const struct turn_answer *answer)
{
    struct stage_message *m = arg;
    if (m->answered)
        bail_out("a client was answered twice");
    json_t *result = answer->result.p != NULL ? json_read(answer->result, false, NULL) : NULL;
    m->answered = true;
    m->http_status = answer->http_status;
    copy_text(m->status, sizeof(m->status), result, "status");
    copy_text(m->reason, sizeof(m->reason), result, "reason");
    copy_text(m->turn_id, sizeof(m->turn_id), result, "turn_id");
    json_decref(result);
}

void stage_write_to(struct stage *s, int responder, int n, const char *sender_type)
{
    char id[16];
    struct stage_message *m = &s->messages[n];
    if (n > STAGE_MESSAGES_MAX || (m->submitted && !m->answered))
        bail_out("message %d cannot be written", n);
    int covered = m->covered;
    *m = (struct stage_message){ .at_ms = stage_now(s), .submitted = true, .covered = covered };
    if (n > s->written)
        s->written = n;
    snprintf(id, sizeof(id), "m%d", n);
    struct message message = { .conversation_id = SV("c1"), .message_id = sv_from(id), .content = sv_from(id), .sender_id = SV("customer"),
                               .timestamp_ms = clock_wall_ms() };
    struct submit_options o = { .wait_ms = 60000 };
    if (!sender_type_parse(sv_from(sender_type), &message.sender_type))
        bail_out("no such sender: %s", sender_type);
    turns_submit(s->engines[responder]->turns, &message, &o, told, m);
}

void stage_write(struct stage *s, int n, const char *sender_type)
{
    stage_write_to(s, n % STAGE_RESPONDERS, n, sender_type);
}

void stage_interrupt(struct stage *s)
{
    event(s, SV("interrupt c1"));
}

static void erased(void *arg, const struct control_answer *a)
{
    struct stage_erasure *e = arg;
    e->answered = true;
    e->http_status = a->http_status;
    e->calls_n = e->s->calls_n;
    e->sends_n = e->s->sends_n;
}

void stage_erase(struct stage *s, int engine)
{
    const struct chat_who who = { .admin = true };
    struct stage_erasure *e = &s->erasures[s->erasures_n++];
    if (s->erasures_n > STAGE_ERASURES_MAX)
        bail_out("more erasures than a scenario may have");
    *e = (struct stage_erasure){ .s = s };
    for (int n = 1; n <= s->written; n++) {
        const struct stage_message *m = &s->messages[n];
        e->before[n] = m->answered ? m->http_status < 300 : m->submitted && m->at_ms + STAGE_ACCEPTED_MS < stage_now(s);
    }
    chat_erase(s->engines[engine]->turns, &who, SV("customer"), SV("c1"), erased, e);
}

static void arrived(void *arg)
{
    *(bool *)arg = true;
}

void stage_run_to(struct stage *s, int64_t ms)
{
    bool there = false;
    struct loop_timer *t = loop_timer_new(s->loop, arrived, &there);
    loop_timer_set(t, ms - stage_now(s));
    while (!there)
        loop_turn(s->loop, true);
    loop_timer_free(t);
    for (int i = 0; i < 300; i++)
        loop_turn(s->loop, false);
}

void stage_rest(struct stage *s, int64_t quiet_ms)
{
    int64_t until_ms = stage_now(s) + quiet_ms;
    for (int calls_n = -1, sends_n = -1; calls_n != s->calls_n || sends_n != s->sends_n || s->running > 0; until_ms += quiet_ms) {
        calls_n = s->calls_n;
        sends_n = s->sends_n;
        stage_run_to(s, until_ms);
    }
}
