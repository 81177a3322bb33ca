/* SPDX-License-Identifier: MIT
 * Messages that were here before, and jobs that are asked about: answered from what earlier turns left behind. Changes nothing. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "turn/reason.h"
#include "turn/turn_parts.h"

/* ---- duplicates ---- */

struct again {
    struct turns *t;
    struct arena *a;
    struct client client;
    json_t *mark;
    struct sv answer; /* that a job is told with, until the job is there to be asked for */
};

static void again_done(struct again *r, enum answer_status status, struct buf *b)
{
    r->t->stat.replayed++;
    turns_count(r->t, FIGURE_REPLAYED);
    r->t->transactions--;
    client_answer(&r->client, buf_ok(b) ? status : ANSWER_FULL, buf_sv(b), 1000);
    buf_fini(b);
    turns_look_drained(r->t);
    arena_free(r->a);
}

enum answer_status replay_status(struct sv status)
{
    static const struct {
        const char *name;
        enum answer_status code;
    } codes[] = {
        { "completed", ANSWER_COMPLETED }, { "recorded", ANSWER_RECORDED }, { "cancelled", ANSWER_CANCELLED }, { "failed", ANSWER_FAILED },
    };
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (sv_eq(status, sv_from(codes[i].name)))
            return codes[i].code;
    return ANSWER_COMPLETED;
}

static void put_short(struct json_out *o, struct again *r)
{
    json_obj(o);
    json_kstr(o, "status", json_sv(r->mark, "status"));
    if (json_sv(r->mark, "reason").p != NULL)
        json_kstr(o, "reason", json_sv(r->mark, "reason"));
    json_kstr(o, "message_id", r->client.message_id);
    json_kbool(o, "replayed", true);
    json_obj_end(o);
}

static void found_answer(void *arg, enum store_status status, struct sv value)
{
    struct again *r = arg;
    json_t *job = status == STORE_DONE && value.p != NULL ? json_read_in(r->a, value, false, NULL) : NULL;
    json_t *result = json_object_get(job, "result");
    bool fresh = turns_store_now(r->t) - json_i64(r->mark, "at", 0) < r->t->o.answer_ttl_ms;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    if (json_is_object(result) && fresh) {
        json_object_set_new(result, "message_id", json_stringn(r->client.message_id.p, r->client.message_id.n));
        json_object_set_new(result, "replayed", json_true());
        json_val(&o, result);
    } else {
        put_short(&o, r);
    }
    again_done(r, replay_status(json_sv(r->mark, "status")), &b);
}

static void opened(void *arg, enum store_status status)
{
    struct again *r = arg;
    struct buf b = { 0 };
    if (status != STORE_DONE)
        log_warning("a job could not be stored, its status_url will not know it", "message_id", r->client.message_id.p, NULL);
    buf_add(&b, r->answer);
    again_done(r, ANSWER_QUEUED, &b);
}

/* A turn that somebody began for itself has no record before its end, and none at all when another turn answers its message. False: memory is
 * short. */
static bool open_job(struct again *r, const char *turn, struct sv conversation_id, const struct conversation *c, struct sv answer)
{
    struct sv name = arena_printf(r->a, "job_open:%s", turn);
    struct sv value = job_format(r->a, sv_from(turn), conversation_id, "queued", c, turns_store_now(r->t), c->pending_n, SV_NONE, NULL,
                                 r->client.message_id);
    r->answer = arena_sv(r->a, answer);
    if (name.p == NULL || value.p == NULL || r->answer.p == NULL)
        return false;
    store_put(r->t->o.store, name, value, job_ttl_ms(r->t), opened, r);
    return true;
}

static void still_open(struct again *r, struct sv conversation_id, const struct conversation *c, bool lease_held)
{
    bool waits = c->phase == PHASE_QUEUED || !lease_held;
    const char *turn = c->turn_id[0] != '\0' ? c->turn_id : json_string_value(json_object_get(r->mark, "turn"));
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "status", waits ? SV("queued") : SV("locked"));
    json_kstr(&o, "reason", waits ? sv_from(c->reason[0] != '\0' ? c->reason : REASON_WAITING) : SV(REASON_PROCESSING));
    json_kstr(&o, "message_id", r->client.message_id);
    json_kstr(&o, "turn_id", sv_from(turn));
    if (waits && turn != NULL) {
        json_kstr(&o, "job_id", sv_from(turn));
        json_key(&o, "status_url");
        json_str(&o, arena_printf(r->a, "/api/v1/chat/jobs/%s", turn));
    }
    json_kbool(&o, "replayed", true);
    result_backend(&o, r->t);
    json_obj_end(&o);
    if (waits && turn != NULL && buf_ok(&b) && open_job(r, turn, conversation_id, c, buf_sv(&b)))
        buf_fini(&b);
    else
        again_done(r, waits ? ANSWER_QUEUED : ANSWER_LOCKED, &b);
}

void replay(struct turns *t, struct sv conversation_id, const struct client *client, struct sv mark, const struct conversation *record,
            bool lease_held)
{
    struct arena *a = arena_new(0, TURN_ARENA_CAP);
    struct again *r = a == NULL ? NULL : arena_alloc(a, sizeof(*r));
    struct client c = *client;
    if (r == NULL) {
        arena_free(a);
        client_answer(&c, ANSWER_FULL, SV_NONE, 1000);
        return;
    }
    *r = (struct again){ .t = t, .a = a, .client = c, .mark = json_read_in(a, mark, false, NULL) };
    r->client.message_id = arena_sv(a, c.message_id);
    t->transactions++;
    struct sv hash = json_sv(r->mark, "h"); /* none: it was erased */
    r->client.other_content = hash.p != NULL && !sv_eq(hash, sv_from(c.hash));
    if (r->client.other_content && !c.changed)
        log_warning("a message came again with another content; it is answered like the first", "conversation_id", conversation_id.p,
                    "message_id", r->client.message_id.p, NULL);
    struct sv turn = json_sv(r->mark, "turn");
    if (json_sv(r->mark, "status").p == NULL) {
        still_open(r, conversation_id, record, lease_held);
        return;
    }
    struct sv name = turn.p == NULL ? SV_NONE : arena_printf(a, "job:%.*s", SV_FMT(turn));
    if (name.p != NULL) {
        store_get(t->o.store, name, found_answer, r);
        return;
    }
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    put_short(&o, r);
    again_done(r, replay_status(json_sv(r->mark, "status")), &b);
}

/* ---- jobs ---- */

#define HOPS_MAX 16

struct asked {
    struct turns *t;
    struct arena *a;
    json_t *job;
    struct sv id, wanted; /* as it was asked for; behind the alias */
    unsigned hops;       /* ids that led here: each turn that took over another's messages may have been taken over */
    bool open, archived; /* asked were: what a client that was sent away left; the archive */
    turn_job_fn *fn;
    void *arg;
};

/* Jobs that are not found may be somewhere else, where nobody can look now. */
static bool may_be_elsewhere(const struct turns *t)
{
    return store_is_standing_in(t->o.store) || store_is_spooling(t->o.store) || (t->o.archive != NULL && !archive_is_up(t->o.archive));
}

static bool is_time(const char *name)
{
    size_t n = strlen(name);
    return n > 3 && strcmp(name + n - 3, "_at") == 0;
}

/* A time has three decimals, whatever JSON makes of its number. */
static void put_job(struct buf *b, json_t *job)
{
    struct json_out o = { .b = b };
    json_obj(&o);
    for (void *at = json_object_iter(job); at != NULL; at = json_object_iter_next(job, at)) {
        const json_t *value = json_object_iter_value(at);
        if (is_time(json_object_iter_key(at)) && json_is_number(value))
            json_kms(&o, json_object_iter_key(at), llround(json_number_value(value) * 1000));
        else
            json_kval(&o, json_object_iter_key(at), value);
    }
    json_obj_end(&o);
}

static void asked_done(struct asked *q, enum store_status status, const char *live_status)
{
    struct buf b = { 0 };
    if (status == STORE_DONE && q->job == NULL && may_be_elsewhere(q->t))
        status = STORE_DOWN;
    bool known = status == STORE_DONE && q->job != NULL;
    if (known) {
        json_object_del(q->job, "intent");
        struct sv own = json_sv(q->job, "job_id");
        if (own.p != NULL && !sv_eq(own, q->id))
            json_object_set_new(q->job, "merged_into", json_stringn(own.p, own.n));
        json_object_set_new(q->job, "job_id", json_stringn(q->id.p, q->id.n));
        if (live_status != NULL)
            json_object_set_new(q->job, "status", json_string(live_status));
        static const char *const optional[] = { "created_at", "started_at", "completed_at", "result", "error" };
        for (size_t i = 0; i < ARRAY_LEN(optional); i++)
            if (json_object_get(q->job, optional[i]) == NULL)
                json_object_set_new(q->job, optional[i], json_null());
        put_job(&b, q->job);
    }
    q->t->transactions--;
    q->fn(q->arg, known && !buf_ok(&b) ? STORE_FULL : status, known ? buf_sv(&b) : SV_NONE);
    buf_fini(&b);
    turns_look_drained(q->t);
    arena_free(q->a);
}

static void got_job(void *arg, enum store_status status, struct sv value);

/* False: it leads on for too long, or memory is short. */
static bool follow(struct asked *q, struct sv to)
{
    struct sv name = q->hops < HOPS_MAX ? arena_printf(q->a, "job:%.*s", SV_FMT(to)) : SV_NONE;
    if (name.p == NULL)
        return false;
    q->hops++;
    q->wanted = to;
    q->open = q->archived = false;
    store_get(q->t->o.store, name, got_job, q);
    return true;
}

/* An open job's record says only that it was begun. What the conversation knows better than the record of its open job. */
static void put_live(struct asked *q, const struct conversation *c)
{
    bool runs = c->phase == PHASE_THINKING || c->phase == PHASE_SENDING;
    json_object_set_new(q->job, "attempts", json_integer((json_int_t)c->attempts + 1));
    json_object_set_new(q->job, "consolidated_messages", json_integer(runs ? c->covered_n : c->pending_n));
    if (runs && c->began_ms != 0)
        json_object_set_new(q->job, "started_at", json_real((double)c->began_ms / 1000));
}

static void got_record(void *arg, enum store_status status, const struct store_view *v)
{
    struct asked *q = arg;
    struct conversation c;
    struct err e;
    const char *live = NULL;
    if (status == STORE_DONE && conversation_parse(v->record, &c, &e) == 0 && sv_eq(sv_from(c.turn_id), json_sv(q->job, "job_id"))) {
        live = c.phase == PHASE_THINKING || c.phase == PHASE_SENDING ? "processing" : "queued";
        put_live(q, &c);
    }
    json_t *mark = live == NULL && status == STORE_DONE && v->mark.p != NULL ? json_read_in(q->a, v->mark, false, NULL) : NULL;
    struct sv turn = json_sv(mark, "turn");
    if (json_sv(mark, "status").p != NULL && turn.p != NULL && follow(q, turn)) /* another turn has answered its message */
        return;
    asked_done(q, status, live);
}

/* Its time in the store is over. */
static void got_archived(void *arg, enum archive_status status, struct sv job)
{
    struct asked *q = arg;
    q->job = status == ARCHIVE_DONE && job.p != NULL ? json_read_in(q->a, job, false, NULL) : NULL;
    asked_done(q, status == ARCHIVE_DONE ? STORE_DONE : STORE_DOWN, NULL);
}

static void got_job(void *arg, enum store_status status, struct sv value)
{
    struct asked *q = arg;
    q->job = status == STORE_DONE && value.p != NULL ? json_read_in(q->a, value, false, NULL) : NULL;
    struct sv same = json_sv(q->job, "same_as");
    if (q->job == NULL && status == STORE_DONE && !q->open) {
        q->open = true;
        struct sv name = arena_printf(q->a, "job_open:%.*s", SV_FMT(q->wanted));
        if (name.p != NULL) {
            store_get(q->t->o.store, name, got_job, q);
            return;
        }
    }
    if (q->job == NULL && status == STORE_DONE && !q->archived && q->t->o.archive != NULL && archive_is_up(q->t->o.archive)) {
        q->archived = true;
        archive_job(q->t->o.archive, q->wanted, got_archived, q);
        return;
    }
    if (same.p != NULL && follow(q, same))
        return;
    struct sv state = json_sv(q->job, "status");
    struct store_load what = { .conversation_id = json_sv(q->job, "conversation_id"), .message_id = json_sv(q->job, "message_id") };
    bool open = sv_eq(state, SV("queued")) || sv_eq(state, SV("processing"));
    if (q->job != NULL && open && what.conversation_id.n > 0)
        store_load(q->t->o.store, &what, got_record, q);
    else
        asked_done(q, status, NULL);
}

struct unasked { /* for want of memory */
    turn_job_fn *fn;
    void *arg;
};

static void answer_unasked(void *arg)
{
    struct unasked *x = arg;
    x->fn(x->arg, STORE_FULL, SV_NONE);
    free(x);
}

void turns_job(struct turns *t, struct sv job_id, turn_job_fn *fn, void *arg)
{
    struct arena *a = arena_new(0, TURN_ARENA_CAP);
    struct asked *q = a == NULL ? NULL : arena_alloc(a, sizeof(*q));
    struct sv id = q == NULL ? SV_NONE : job_id_copy(a, job_id);
    struct sv name = id.p == NULL ? SV_NONE : arena_printf(a, "job:%.*s", SV_FMT(id));
    if (name.p == NULL) {
        struct unasked *x = malloc(sizeof(*x));
        if (x == NULL)
            abort(); /* as loop_soon would */
        arena_free(a);
        *x = (struct unasked){ fn, arg };
        loop_soon(t->o.loop, answer_unasked, x);
        return;
    }
    *q = (struct asked){ .t = t, .a = a, .id = id, .fn = fn, .arg = arg };
    q->wanted = q->id;
    t->transactions++;
    store_get(t->o.store, name, got_job, q);
}

/* ---- ids ---- */

struct sv job_id_copy(struct arena *a, struct sv id)
{
    char *small = arena_alloc(a, id.n + 1);
    if (small == NULL)
        return SV_NONE;
    for (size_t i = 0; i < id.n; i++)
        small[i] = (char)(id.p[i] >= 'A' && id.p[i] <= 'Z' ? id.p[i] - 'A' + 'a' : id.p[i]);
    return (struct sv){ small, id.n };
}

static void aliased(void *arg, enum store_status status)
{
    struct turns *t = arg;
    if (status != STORE_DONE)
        log_warning("a job's alias could not be stored", NULL);
    t->transactions--;
    turns_look_drained(t);
}

void job_alias(struct turns *t, const char *from, const char *to)
{
    struct arena *a = turns_scratch(t);
    struct sv name = a == NULL ? SV_NONE : arena_printf(a, "job:%s", from);
    struct sv value = a == NULL ? SV_NONE : arena_printf(a, "{\"same_as\":\"%s\"}", to);
    if (name.p != NULL && value.p != NULL) {
        t->transactions++;
        store_put(t->o.store, name, value, JOB_OPEN_TTL_MS, aliased, t);
    }
    if (a != NULL)
        turns_scratch_back(t, a);
}
