/* SPDX-License-Identifier: MIT
 * The client that waits for a running turn: how long, and what it is told when the turn goes on without it. */
#include "config.h"

#include "lib/log.h"
#include "store/store_history.h"
#include "turn/reason.h"
#include "turn/running.h"

static void client_tick(void *arg);

static struct sv keep(struct arena *a, struct sv s)
{
    return s.p == NULL ? SV_NONE : arena_sv(a, s);
}

void turn_begun_by_client(struct turn *turn, const struct client *c)
{
    turn->client = *c;
    turn->arrived_us = c->arrived_us;
    turn->client.message_id = keep(turn->a, c->message_id);
    turn->client.request_id = keep(turn->a, c->request_id);
    turn->client.traceparent = keep(turn->a, c->traceparent);
    turn->client_timer = loop_timer_new(turn->t->o.loop, client_tick, turn);
    if (turn->client_timer != NULL)
        loop_timer_set(turn->client_timer, c->respond_async ? 0 : c->wait_ms);
}

struct told { /* a client that is told where its message is */
    struct arena *a;
    struct turns *t;
    struct client client;
    struct sv turn_id;
    int64_t began_ms; /* the turn, by the store's clock */
    struct sv name;
    struct sv open_name, open_value; /* what status_url finds as long as the turn has left nothing behind */
};

static void told_free(struct told *told)
{
    struct turns *t = told->t;
    arena_free(told->a);
    t->transactions--;
    turns_look_drained(t);
}

static void tell_processing(struct told *told)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "status", SV("processing"));
    json_kstr(&o, "job_id", told->turn_id);
    json_kstr(&o, "turn_id", told->turn_id);
    json_key(&o, "status_url");
    json_str(&o, arena_printf(told->a, "/api/v1/chat/jobs/%s", told->turn_id.p));
    json_kstr(&o, "message_id", told->client.message_id);
    result_backend(&o, told->t);
    json_obj_end(&o);
    client_answer(&told->client, buf_ok(&b) ? ANSWER_PROCESSING : ANSWER_UNAVAILABLE, buf_sv(&b), 1000);
    buf_fini(&b);
    told_free(told);
}

static void open_stored(void *arg, enum store_status status)
{
    struct told *told = arg;
    if (status != STORE_DONE)
        log_warning("a job could not be stored, its status_url will not know it", "job_id", told->turn_id.p, NULL);
    tell_processing(told);
}

/* The turn is another's now: perhaps it is over already. */
static void outcome_looked_up(void *arg, enum store_status status, struct sv value)
{
    struct told *told = arg;
    json_t *job = status == STORE_DONE && value.p != NULL ? json_read_in(told->a, value, false, NULL) : NULL;
    json_t *result = json_object_get(job, "result");
    struct buf b = { 0 };
    if (json_is_object(result)) {
        json_object_set_new(result, "message_id", json_stringn(told->client.message_id.p, told->client.message_id.n));
        json_dump_to(&b, result);
        client_answer(&told->client, buf_ok(&b) ? replay_status(json_sv(result, "status")) : ANSWER_UNAVAILABLE, buf_sv(&b), 1000);
        buf_fini(&b);
        told_free(told);
        return;
    }
    store_put(told->t->o.store, told->open_name, told->open_value, job_ttl_ms(told->t), open_stored, told);
}

static void tell_erased(struct told *told)
{
    struct buf b = { 0 };
    const struct ending end = { .status = "cancelled", .reason = REASON_ERASED, .send = "withheld", .bot = &told->t->base };
    ending_result(&b, told->t, told->turn_id.p, &end, told->client.message_id);
    told->t->stat.cancelled++;
    client_answer(&told->client, buf_ok(&b) ? ANSWER_CANCELLED : ANSWER_UNAVAILABLE, buf_sv(&b), 1000);
    buf_fini(&b);
    told_free(told);
}

/* A turn that began after the erasure is not meant by it. */
static void erasure_looked_up(void *arg, enum store_status status, int64_t at_ms)
{
    struct told *told = arg;
    if (status == STORE_DONE && at_ms != 0 && told->began_ms <= at_ms)
        tell_erased(told);
    else
        store_get(told->t->o.store, told->name, outcome_looked_up, told);
}

static struct told *told_new(struct turn *turn)
{
    struct turns *t = turn->t;
    struct arena *a = arena_new(0, TURN_ARENA_CAP);
    struct told *told = a == NULL ? NULL : arena_alloc(a, sizeof(*told));
    if (told == NULL) {
        arena_free(a);
        return NULL;
    }
    *told = (struct told){ .a = a, .t = t, .client = turn->client, .turn_id = arena_sv(a, sv_from(turn->record.turn_id)) };
    turn->told = true;
    told->began_ms = turn->record.began_ms;
    told->name = arena_printf(a, "job:%s", turn->record.turn_id);
    told->client.message_id = keep(a, turn->client.message_id);
    told->open_name = arena_printf(a, "job_open:%s", turn->record.turn_id);
    told->open_value = told->turn_id.p == NULL ? SV_NONE
                                               : job_format(a, told->turn_id, turn->id, "processing", &turn->record, turns_store_now(t),
                                                            turn->covered_n, SV_NONE, NULL, told->client.message_id);
    if (told->open_value.p == NULL || told->open_name.p == NULL || told->name.p == NULL) {
        arena_free(a);
        return NULL;
    }
    t->transactions++;
    return told;
}

void turn_answer_processing(struct turn *turn, bool lost)
{
    if (turn->client.fn == NULL)
        return;
    struct turns *t = turn->t;
    struct told *told = told_new(turn);
    if (told == NULL) {
        client_answer(&turn->client, ANSWER_UNAVAILABLE, SV_NONE, 1000);
        return;
    }
    turn->client.fn = NULL;
    if (lost)
        store_erased_at(t->o.store, turn->id, erasure_looked_up, told);
    else
        store_put(t->o.store, told->open_name, told->open_value, job_ttl_ms(t), open_stored, told);
}

static void client_tick(void *arg)
{
    turn_answer_processing(arg, false);
}
