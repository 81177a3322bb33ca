/* SPDX-License-Identifier: MIT
 * take -> write -> ack, again and again; recovery of batches whose daemon died. */
#include "config.h"

#include <stdlib.h>

#include "daemon/absent.h"
#include "daemon/archiver.h"
#include "daemon/customers.h"
#include "lib/alive.h"
#include "lib/backoff.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/metrics.h"
#include "turn/figures.h"

#define BATCH_MAX 500
#define BUSY_MS 100 /* while there is something: batches grow */
#define IDLE_MS 20  /* while there is nothing: a single message is soon in the archive */
#define RECOVER_EVERY_MS 5000
#define ARENA_CAP (256u << 20) /* STORE_TAKE_BYTES and one large item, three times */
#define READABLE_MAX (4u << 20) /* of an item that is no JSON */

enum archiver_state { ARCHIVER_RESTING, ARCHIVER_TAKING, ARCHIVER_WRITING, ARCHIVER_HOLDING, ARCHIVER_ACKING, ARCHIVER_RECOVERING };

struct archiver {
    struct loop *loop;
    struct store *store;
    struct archive *archive;
    struct alive *alive;
    struct absent *absent;
    struct metrics *metrics;
    struct customers *customers;
    struct loop_timer *timer;
    enum archiver_state state;
    unsigned failures;
    int64_t recovered_mono_ms;
    bool more, was_down;
    void (*stopped)(void *arg);
    void *stopped_arg;

    struct arena *a; /* of the batch */
    struct sv batch;
    struct sv *items;
    struct store_letter *dead;
    char (*ids)[ID_UUID_SIZE]; /* of the letters */
    size_t items_n, dead_n;
};

static void act(void *arg);

static void rest(struct archiver *v, int64_t in_ms)
{
    v->state = ARCHIVER_RESTING;
    if (v->stopped != NULL) {
        void (*fn)(void *) = v->stopped;
        v->stopped = NULL;
        loop_timer_stop(v->timer);
        loop_soon(v->loop, fn, v->stopped_arg);
        return;
    }
    loop_timer_set(v->timer, in_ms);
}

static void hold(struct archiver *v)
{
    if (v->stopped != NULL) { /* the batch keeps this process's name; whoever comes next finds it dead and takes it over */
        rest(v, 0);
        return;
    }
    v->state = ARCHIVER_HOLDING;
    loop_timer_set(v->timer, backoff_ms(v->failures++, 200, 5000));
}

/* ---- ack ---- */

static void acked(void *arg, enum store_status status)
{
    struct archiver *v = arg;
    if (status != STORE_DONE) { /* written, not acknowledged: writing again changes nothing */
        hold(v);
        return;
    }
    v->failures = 0;
    v->batch = SV_NONE;
    arena_reset(v->a);
    if (v->items_n > 0) { /* 0: it was given back */
        metrics_add(v->metrics, FIGURE_ARCHIVED, v->items_n - v->dead_n);
        metrics_add(v->metrics, FIGURE_DEAD, v->dead_n);
    }
    rest(v, v->more ? 0 : BUSY_MS);
}

/* What is no JSON, as text: bytes of which no text can be made are question marks. */
static struct sv readable(struct arena *a, struct sv item)
{
    if (sv_is_utf8(item))
        return sv_cut_utf8(item, READABLE_MAX);
    char *p = arena_str(a, item);
    for (size_t i = 0; p != NULL && i < item.n; i++)
        p[i] = (unsigned char)p[i] < 0x80 ? p[i] : '?';
    return p != NULL ? sv_cut_utf8((struct sv){ p, item.n }, READABLE_MAX) : SV("(not UTF-8)");
}

static struct sv dead_letter(struct archiver *v, struct sv item, const char *why)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "reason", sv_from(why));
    json_kms(&o, "at", clock_wall_ms());
    json_kint(&o, "attempts", 1);
    json_key(&o, "item");
    json_t *j = json_read_in(v->a, item, true, NULL);
    if (j != NULL)
        json_raw(&o, item);
    else
        json_str(&o, readable(v->a, item));
    json_obj_end(&o);
    struct sv s = buf_ok(&b) ? arena_sv(v->a, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return s;
}

static void written(void *arg, enum archive_status status, const char *const *verdicts)
{
    struct archiver *v = arg;
    if (status != ARCHIVE_DONE) {
        if (!v->was_down)
            log_warning("the archive is away; message_queue keeps everything", NULL);
        v->was_down = true;
        hold(v);
        return;
    }
    if (v->was_down)
        log_info("the archive is back", NULL);
    v->was_down = false;
    if (v->customers != NULL)
        customers_note(v->customers, v->items, v->items_n);
    v->dead_n = 0;
    for (size_t i = 0; i < v->items_n; i++) {
        if (verdicts[i] == NULL)
            continue;
        log_error("an item cannot be archived and goes to the dead letters", "reason", verdicts[i], NULL);
        struct store_letter *letter = &v->dead[v->dead_n++];
        letter->item = dead_letter(v, v->items[i], verdicts[i]);
        if (letter->item.p == NULL)
            letter->item = v->items[i]; /* memory is short: the bare item rather than none */
        id_uuid7(v->ids[v->dead_n - 1]);
        letter->id = sv_from(v->ids[v->dead_n - 1]);
    }
    v->state = ARCHIVER_ACKING;
    const struct store_ack ack = { .batch = v->batch, .dead = v->dead, .dead_n = v->dead_n };
    store_ack(v->store, &ack, acked, v);
}

static void write_batch(struct archiver *v)
{
    v->state = ARCHIVER_WRITING;
    archive_write(v->archive, v->items, v->items_n, written, v);
}

/* ---- take ---- */

static void taken(void *arg, enum store_status status, const struct store_batch *batch)
{
    struct archiver *v = arg;
    if (status != STORE_DONE || batch->n == 0) {
        rest(v, status == STORE_DONE ? IDLE_MS : 500);
        return;
    }
    v->batch = arena_sv(v->a, batch->name);
    v->items = arena_array(v->a, batch->n, sizeof(*v->items));
    v->dead = arena_array(v->a, batch->n, sizeof(*v->dead));
    v->ids = arena_array(v->a, batch->n, sizeof(*v->ids));
    v->items_n = batch->n;
    size_t bytes = 0;
    bool fits = v->batch.p != NULL && v->items != NULL && v->dead != NULL && v->ids != NULL;
    for (size_t i = 0; fits && i < batch->n; i++) {
        v->items[i] = arena_sv(v->a, batch->items[i]);
        fits = v->items[i].p != NULL;
        bytes += batch->items[i].n;
    }
    v->more = batch->left > 0 && (batch->n >= BATCH_MAX / 2 || bytes >= STORE_TAKE_BYTES / 2);
    if (!fits) { /* give it back: it comes again */
        log_error("a batch does not fit into memory", NULL);
        v->items_n = 0;
        v->state = ARCHIVER_ACKING;
        const struct store_ack ack = { .batch = batch->name, .again = batch->items, .again_n = batch->n };
        store_ack(v->store, &ack, acked, v);
        return;
    }
    write_batch(v);
}

static bool is_dead(void *arg, struct sv owner)
{
    struct archiver *v = arg;
    char name[128];
    if (owner.n >= sizeof(name) || sv_eq(owner, sv_from(alive_name(v->alive))))
        return false;
    memcpy(name, owner.p, owner.n);
    name[owner.n] = '\0';
    return alive_is_dead(v->alive, name) || absent_for_good(v->absent, name);
}

static void recovered(void *arg, enum store_status status)
{
    struct archiver *v = arg;
    if (status == STORE_DONE)
        v->recovered_mono_ms = clock_mono_ms();
    rest(v, 0);
}

static void act(void *arg)
{
    struct archiver *v = arg;
    if (v->state == ARCHIVER_HOLDING) {
        write_batch(v);
        return;
    }
    if (v->recovered_mono_ms == 0 || clock_mono_ms() - v->recovered_mono_ms > RECOVER_EVERY_MS) {
        v->state = ARCHIVER_RECOVERING;
        v->recovered_mono_ms = clock_mono_ms();
        store_recover(v->store, STORE_QUEUE_MESSAGES, is_dead, v, recovered, v);
        return;
    }
    v->state = ARCHIVER_TAKING;
    store_take(v->store, STORE_QUEUE_MESSAGES, sv_from(alive_name(v->alive)), BATCH_MAX, taken, v);
}

struct archiver *archiver_new(struct loop *l, struct store *s, struct archive *a, struct alive *alive, struct absent *absent)
{
    struct archiver *v = calloc(1, sizeof(*v));
    if (v == NULL)
        return NULL;
    *v = (struct archiver){ .loop = l, .store = s, .archive = a, .alive = alive, .absent = absent,
                            .timer = loop_timer_new(l, act, v), .a = arena_new(65536, ARENA_CAP) };
    if (v->timer == NULL || v->a == NULL) {
        archiver_free(v);
        return NULL;
    }
    loop_timer_set(v->timer, 0);
    return v;
}

void archiver_measure(struct archiver *v, struct metrics *m)
{
    v->metrics = m;
}

void archiver_customers(struct archiver *v, struct customers *c)
{
    v->customers = c;
}

void archiver_wake(struct archiver *v)
{
    v->recovered_mono_ms = 0;
    if (v->state == ARCHIVER_RESTING || v->state == ARCHIVER_HOLDING)
        loop_timer_set(v->timer, 0);
}

void archiver_stop(struct archiver *v, void (*fn)(void *arg), void *arg)
{
    v->stopped = fn;
    v->stopped_arg = arg;
    if (v->state == ARCHIVER_RESTING || v->state == ARCHIVER_HOLDING)
        rest(v, 0);
}

void archiver_free(struct archiver *v)
{
    if (v == NULL)
        return;
    loop_timer_free(v->timer);
    arena_free(v->a);
    free(v);
}
