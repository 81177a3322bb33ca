/* SPDX-License-Identifier: MIT
 * One item is one batch of the queue and one errand here:
 *
 *   take ──> POSTING ──delivered─────────────────────────> ACKING ──> gone
 *              ^  │ no answer, or "not now"                  ^ │ the store gives no answer: the same ack again
 *              │  v                                          │ v
 *            WAITING (backoff, or as the receiver said) ─────┘ given up, refused: as a dead letter; draining: back to the queue
 *
 * Before each post the store is asked whether the item's conversation was erased since (ASKING): then nothing is sent, and the item is gone.
 * Errands wait without a descriptor, so there may be many more of them than posts under way. Those that are due and find no free post stand in
 * line. One receiver gets at most three times as many posts as are free, 48 where it is the only one: there is always a free one for the next, who
 * passes by those in line. */
#include "config.h"

#include <stdlib.h>

#include "daemon/absent.h"
#include "daemon/courier.h"
#include "lib/alive.h"
#include "lib/backoff.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "outside/callback.h"
#include "store/store_history.h"

#define HELD_MAX 2000
#define POSTS_MAX 64
#define LOOK_EVERY_MS 2000
#define RECOVER_EVERY_MS 5000
#define ACK_RETRY_MS 500
#define SAID_MAX_MS 600000
#define ERRAND_ARENA_MAX (64u << 20)

enum errand_state { ERRAND_WAITING, ERRAND_ASKING, ERRAND_POSTING, ERRAND_ACKING };

struct errand {
    struct errand *prev, *next;
    struct courier *courier;
    struct arena *a;
    struct loop_timer *timer;
    enum errand_state state;
    struct callback_call *call;
    int64_t at_ms;      /* of the item */
    struct sv conversation_id; /* n = 0: it does not say */
    struct sv batch, item, url, receiver, job_id, webhook_id, body; /* receiver: scheme, host and port of the URL */
    struct errand *behind; /* in line */
    unsigned tries;
    bool again;                 /* the ack gives it back */
    struct store_letter letter; /* id SV_NONE: delivered, or given back */
    char letter_id[ID_UUID_SIZE];
};

struct courier {
    struct courier_options o;
    struct loop_timer *timer;
    struct errand *first, *line, **line_end;
    const struct errand *posting[POSTS_MAX];
    size_t held, posts;
    bool asking, again; /* the store is asked; there was news during that */
    int64_t recovered_mono_ms;
    void (*stopped)(void *arg);
    void *stopped_arg;
    bool stopping, ended;
};

static void look(void *arg);

static void check_stopped(struct courier *c)
{
    if (!c->stopping || c->stopped == NULL || c->held > 0 || c->asking)
        return;
    void (*fn)(void *) = c->stopped;
    c->stopped = NULL;
    loop_soon(c->o.loop, fn, c->stopped_arg);
}

/* ---- an errand ends ---- */

static void errand_free(struct errand *x)
{
    struct courier *c = x->courier;
    if (x->prev != NULL)
        x->prev->next = x->next;
    else
        c->first = x->next;
    if (x->next != NULL)
        x->next->prev = x->prev;
    c->held--;
    loop_timer_free(x->timer);
    arena_free(x->a);
}

static void ack(struct errand *x);

static void errand_done(struct errand *x)
{
    struct courier *c = x->courier;
    bool was_full = c->held >= HELD_MAX; /* unacknowledged at the end: whoever recovers the batch delivers it once more, under the same id */
    errand_free(x);
    if (was_full && !c->ended)
        courier_wake(c);
    check_stopped(c);
}

/* It was received before its conversation was erased. */
static bool is_erased(const struct errand *x, enum store_status status, int64_t erased_ms)
{
    return status == STORE_DONE && erased_ms != 0 && x->at_ms <= erased_ms;
}

static void letter_dropped(void *arg, enum store_status status, const struct store_letter *letters, size_t n)
{
    (void)status, (void)letters, (void)n; /* else it goes with the next erasure */
    errand_done(arg);
}

static void letter_looked_at(void *arg, enum store_status status, int64_t erased_ms)
{
    struct errand *x = arg;
    const struct store_letters drop = { .op = STORE_LETTERS_DROP, .id = x->letter.id };
    if (is_erased(x, status, erased_ms))
        store_letters(x->courier->o.store, &drop, letter_dropped, x);
    else
        errand_done(x);
}

/* An erasure that came while it was given up did not find its letter. */
static void acked(void *arg, enum store_status status)
{
    struct errand *x = arg;
    struct courier *c = x->courier;
    if (status != STORE_DONE && !c->stopping && !c->ended)
        loop_timer_set(x->timer, ACK_RETRY_MS);
    else if (status == STORE_DONE && !c->ended && x->letter.id.p != NULL && x->conversation_id.n > 0)
        store_erased_at(c->o.store, x->conversation_id, letter_looked_at, x);
    else
        errand_done(x);
}

static void ack(struct errand *x)
{
    const struct store_ack what = { .queue = STORE_QUEUE_CALLBACKS, .batch = x->batch, .dead = &x->letter, .dead_n = x->letter.id.p != NULL,
                                    .again = &x->item, .again_n = x->again };
    x->state = ERRAND_ACKING;
    store_ack(x->courier->o.store, &what, acked, x);
}

static void give_up(struct errand *x, const char *why)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_t *j = json_read_in(x->a, x->item, true, NULL);
    log_error("a callback is given up", "job_id", x->job_id.p, "reason", why, NULL);
    json_obj(&o);
    json_kstr(&o, "reason", sv_from(why));
    json_kms(&o, "at", clock_wall_ms());
    json_kint(&o, "attempts", x->tries);
    json_key(&o, "item");
    if (j != NULL)
        json_raw(&o, x->item);
    else
        json_str(&o, sv_is_utf8(x->item) ? x->item : SV("(not UTF-8)"));
    json_obj_end(&o);
    id_uuid7(x->letter_id);
    x->letter = (struct store_letter){ sv_from(x->letter_id), buf_ok(&b) ? arena_sv(x->a, buf_sv(&b)) : x->item };
    if (x->letter.item.p == NULL)
        x->letter.item = x->item; /* memory is short: the bare item rather than none */
    buf_fini(&b);
    ack(x);
}

static void give_back(struct errand *x)
{
    x->again = true;
    ack(x);
}

/* ---- the line ---- */

static void stand_in_line(struct errand *x)
{
    struct courier *c = x->courier;
    x->state = ERRAND_WAITING;
    x->behind = NULL;
    *c->line_end = x;
    c->line_end = &x->behind;
}

static bool may_post(const struct errand *x)
{
    const struct courier *c = x->courier;
    size_t same = 0;
    for (size_t i = 0; i < c->posts; i++)
        same += sv_eq(c->posting[i]->receiver, x->receiver);
    return same < 3 * (POSTS_MAX - c->posts);
}

/* The first one in line that may. NULL: none. */
static struct errand *next_in_line(struct courier *c)
{
    struct errand **at = &c->line;
    while (*at != NULL && !may_post(*at))
        at = &(*at)->behind;
    struct errand *x = *at;
    if (x == NULL)
        return NULL;
    *at = x->behind;
    if (*at == NULL)
        c->line_end = at;
    return x;
}

static void drop_line(struct courier *c)
{
    c->line = NULL;
    c->line_end = &c->line;
}

/* ---- delivery ---- */

static void post(struct errand *x);

static void wait(struct errand *x, int64_t in_ms)
{
    x->state = ERRAND_WAITING;
    if (x->courier->stopping)
        give_back(x);
    else
        loop_timer_set(x->timer, in_ms);
}

/* Its place is another's. */
static void leave_post(struct errand *x)
{
    struct courier *c = x->courier;
    struct errand *next;
    size_t i = 0;
    while (c->posting[i] != x)
        i++;
    c->posting[i] = c->posting[--c->posts];
    while (!c->stopping && !c->ended && (next = next_in_line(c)) != NULL)
        post(next);
}

static void answered(void *arg, const struct callback_answer *a)
{
    struct errand *x = arg;
    struct courier *c = x->courier;
    int64_t said_ms = a->retry_after_ms < SAID_MAX_MS ? a->retry_after_ms : SAID_MAX_MS;
    x->call = NULL;
    leave_post(x);
    switch (a->outcome) {
    case CALLBACK_DELIVERED:
        ack(x);
        return;
    case CALLBACK_REFUSED:
        give_up(x, a->err.text);
        return;
    case CALLBACK_RETRY:
        if (x->tries >= c->o.attempts_max)
            give_up(x, a->err.text);
        else
            wait(x, (said_ms > 0 ? said_ms : 0) + backoff_ms(x->tries - 1, c->o.retry_base_ms, c->o.retry_cap_ms));
        return;
    }
}

static void send(struct errand *x)
{
    struct courier *c = x->courier;
    const struct callback_request r = { .url = x->url, .id = x->webhook_id, .body = x->body, .timestamp_s = clock_wall_ms() / 1000 };
    x->call = callback_post(c->o.callback, &r, answered, x);
    if (x->call == NULL) {
        leave_post(x);
        wait(x, ACK_RETRY_MS);
        return;
    }
    x->state = ERRAND_POSTING;
    x->tries++;
}

static void asked(void *arg, enum store_status status, int64_t erased_ms)
{
    struct errand *x = arg;
    struct courier *c = x->courier;
    if (status == STORE_DONE && !c->ended && !c->stopping && !is_erased(x, status, erased_ms)) {
        send(x);
        return;
    }
    leave_post(x);
    if (c->ended)
        errand_done(x);
    else if (is_erased(x, status, erased_ms))
        ack(x);
    else
        wait(x, ACK_RETRY_MS);
}

static void post(struct errand *x)
{
    struct courier *c = x->courier;
    if (c->stopping) { /* it was taken when that was said */
        give_back(x);
        return;
    }
    if (!may_post(x)) {
        stand_in_line(x);
        return;
    }
    c->posting[c->posts++] = x;
    x->state = ERRAND_ASKING;
    if (x->conversation_id.n > 0)
        store_erased_at(c->o.store, x->conversation_id, asked, x);
    else
        send(x);
}

static void tick(void *arg)
{
    struct errand *x = arg;
    if (x->state == ERRAND_ACKING)
        ack(x);
    else
        post(x);
}

/* ---- taking ---- */

static struct sv receiver_of(struct sv url)
{
    size_t n = 0;
    for (int slashes = 0; n < url.n; n++)
        if (url.p[n] == '/' && ++slashes == 3)
            break;
    return (struct sv){ url.p, n };
}

/* Whoever pushes to the queue may push anything: what is none goes to the dead letters. */
static const char *read_item(struct errand *x)
{
    struct err e;
    json_t *j = json_read_in(x->a, x->item, false, &e);
    struct sv type = json_sv(j, "type");
    struct buf b = { 0 };
    x->url = json_sv(j, "url");
    x->receiver = receiver_of(x->url);
    x->job_id = json_sv(j, "job_id");
    x->conversation_id = json_sv(j, "conversation_id");
    x->at_ms = json_i64(j, "at", 0);
    x->webhook_id = json_sv(j, "webhook_id").n > 0 ? json_sv(j, "webhook_id") : x->job_id;
    if (j == NULL || !sv_eq(type, SV("callback")) || json_i64(j, "v", 1) != 1)
        return "not an item of callback_queue";
    if (x->url.n == 0 || x->job_id.n == 0 || x->job_id.n > STORE_ID_MAX || !json_is_object(json_object_get(j, "body")))
        return "an item of callback_queue needs url, job_id and body";
    json_dump_to(&b, json_object_get(j, "body"));
    x->body = buf_ok(&b) ? arena_sv(x->a, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return x->body.p == NULL ? "too large" : NULL;
}

static struct errand *errand_new(struct courier *c, const struct store_batch *batch)
{
    struct arena *a = arena_new(0, ERRAND_ARENA_MAX);
    struct errand *x = a == NULL ? NULL : arena_alloc(a, sizeof(*x));
    if (x != NULL) {
        *x = (struct errand){ .courier = c, .a = a, .batch = arena_sv(a, batch->name), .item = arena_sv(a, batch->items[0]) };
        x->timer = loop_timer_new(c->o.loop, tick, x);
    }
    if (x == NULL || x->batch.p == NULL || x->item.p == NULL || x->timer == NULL) {
        if (x != NULL)
            loop_timer_free(x->timer);
        arena_free(a);
        return NULL;
    }
    x->next = c->first;
    if (x->next != NULL)
        x->next->prev = x;
    c->first = x;
    c->held++;
    return x;
}

static void rest(struct courier *c, int64_t in_ms)
{
    c->asking = false;
    if (c->ended)
        return;
    if (c->stopping) {
        check_stopped(c);
        return;
    }
    loop_timer_set(c->timer, c->again ? 0 : in_ms);
    c->again = false;
}

static void given_back(void *arg, enum store_status status)
{
    (void)status; /* else the batch stays under this process's name until it ends */
    rest(arg, LOOK_EVERY_MS);
}

static void taken(void *arg, enum store_status status, const struct store_batch *batch)
{
    struct courier *c = arg;
    if (status != STORE_DONE || batch->n == 0 || c->ended) { /* at the end: whoever comes next recovers the batch */
        rest(c, LOOK_EVERY_MS);
        return;
    }
    struct errand *x = errand_new(c, batch);
    if (x == NULL) {
        const struct store_ack back = { .queue = STORE_QUEUE_CALLBACKS, .batch = batch->name, .again = batch->items, .again_n = batch->n };
        log_error("no memory for a callback; it waits", NULL);
        store_ack(c->o.store, &back, given_back, c);
        return;
    }
    const char *wrong = read_item(x);
    if (wrong != NULL)
        give_up(x, wrong);
    else
        post(x);
    rest(c, batch->left > 0 && c->held < HELD_MAX ? 0 : LOOK_EVERY_MS);
}

static bool is_dead(void *arg, struct sv owner)
{
    struct courier *c = arg;
    char name[128];
    if (owner.n >= sizeof(name) || sv_eq(owner, sv_from(alive_name(c->o.alive))))
        return false;
    memcpy(name, owner.p, owner.n);
    name[owner.n] = '\0';
    return alive_is_dead(c->o.alive, name) || absent_for_good(c->o.absent, name);
}

static void recovered(void *arg, enum store_status status)
{
    (void)status; /* not done: the next one comes soon */
    rest(arg, 0);
}

static void look(void *arg)
{
    struct courier *c = arg;
    int64_t now_ms = clock_mono_ms();
    if (c->asking || c->stopping)
        return;
    if (c->recovered_mono_ms == 0 || now_ms - c->recovered_mono_ms > RECOVER_EVERY_MS) {
        c->recovered_mono_ms = now_ms;
        c->asking = true;
        store_recover(c->o.store, STORE_QUEUE_CALLBACKS, is_dead, c, recovered, c);
    } else if (c->held >= HELD_MAX) {
        loop_timer_set(c->timer, LOOK_EVERY_MS);
    } else {
        c->asking = true;
        store_take(c->o.store, STORE_QUEUE_CALLBACKS, sv_from(alive_name(c->o.alive)), 1, taken, c);
    }
}

/* ---- life ---- */

struct courier *courier_new(const struct courier_options *o)
{
    struct courier *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    *c = (struct courier){ .o = *o, .timer = loop_timer_new(o->loop, look, c) };
    if (c->timer == NULL) {
        free(c);
        return NULL;
    }
    drop_line(c);
    if (c->o.retry_base_ms <= 0)
        c->o.retry_base_ms = 1000;
    if (c->o.retry_cap_ms <= 0)
        c->o.retry_cap_ms = 60000;
    loop_timer_set(c->timer, 0);
    return c;
}

void courier_set(struct courier *c, unsigned attempts_max)
{
    c->o.attempts_max = attempts_max;
}

void courier_wake(struct courier *c)
{
    if (c->asking)
        c->again = true;
    else if (!c->stopping)
        loop_timer_set(c->timer, 0);
}

void courier_stop(struct courier *c, void (*fn)(void *arg), void *arg)
{
    c->stopping = true;
    c->stopped = fn;
    c->stopped_arg = arg;
    loop_timer_stop(c->timer);
    drop_line(c);
    for (struct errand *x = c->first, *next; x != NULL; x = next) {
        next = x->next;
        if (x->state == ERRAND_WAITING) {
            loop_timer_stop(x->timer);
            give_back(x);
        }
    }
    check_stopped(c);
}

size_t courier_holds(const struct courier *c)
{
    return c->held;
}

void courier_end(struct courier *c)
{
    if (c == NULL)
        return;
    c->ended = true;
    loop_timer_free(c->timer);
    c->timer = NULL;
    for (struct errand *x = c->first; x != NULL; x = x->next) {
        loop_timer_free(x->timer);
        x->timer = NULL;
    }
}

void courier_free(struct courier *c)
{
    if (c == NULL)
        return;
    while (c->first != NULL)
        errand_free(c->first);
    loop_timer_free(c->timer);
    free(c);
}
