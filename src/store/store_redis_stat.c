/* SPDX-License-Identifier: MIT
 * Numbers of the Redis store, and the server's own figures as JSON. The first items of batches are asked for in a second command, since
 * their names must be known first. What changes in between cannot hide an item: the queue's head is read in both. */
#include "config.h"

#include <stdlib.h>

#include "lib/json.h"
#include "store/store_redis_inside.h"

enum {
    AT_TIME,
    AT_CONVERSATIONS,
    AT_ACTIVE,
    AT_WAITING,
    AT_PAUSED,
    AT_DUE,
    AT_QUEUE,
    AT_TAKEN,
    AT_DEAD,
    AT_RECENT,
    AT_DAY,
    AT_HEAD,
    AT_BATCHES,
    AT_CALLBACKS,
    AT_CALLBACKS_TAKEN,
    AT_SESSIONS,
    AT_INFO,
    FIGURES
};

#define STAT_MAX (256u << 20)

struct figure {
    const char *name;
    bool is_text;
};

/* Lines of INFO that are shown. */
static const struct figure figures[] = {
    { "redis_version", true },
    { "uptime_in_seconds", false },
    { "connected_clients", false },
    { "used_memory", false },
    { "used_memory_human", true },
    { "maxmemory", false },
    { "maxmemory_policy", true },
    { "keyspace_hits", false },
    { "keyspace_misses", false },
    { "evicted_keys", false },
    { "expired_keys", false },
    { "aof_enabled", false },
    { "aof_last_write_status", true },
    { "rdb_last_bgsave_status", true },
    { "rdb_last_save_time", false },
    { "role", true },
    { "total_commands_processed", false },
};

static void write_figure(struct json_out *o, struct sv name, struct sv value)
{
    int64_t number;
    for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
        const struct figure *f = &figures[i];
        if (!sv_eq(name, sv_from(f->name)))
            continue;
        if (!f->is_text && sv_to_i64(value, &number))
            json_kint(o, f->name, number);
        else if (f->is_text && sv_is_utf8(value))
            json_kstr(o, f->name, value);
        return;
    }
}

static void write_info(struct buf *b, struct sv info)
{
    struct json_out o = { .b = b };
    json_obj(&o);
    while (info.n > 0) {
        struct sv value = sv_split(&info, '\n');
        if (value.n > 0 && value.p[value.n - 1] == '\r')
            value.n--;
        struct sv name = sv_split(&value, ':');
        if (value.p != NULL)
            write_figure(&o, name, value);
    }
    json_obj_end(&o);
}

/* Between the two commands. */
struct asking {
    struct redis *r;
    store_stat_fn *fn;
    void *arg;
    struct arena *arena;
    struct store_stat n;
    struct sv *heads; /* with room for all */
    size_t heads_max;
};

static void end(struct asking *q, enum store_status status)
{
    q->n.heads = q->heads;
    q->fn(q->arg, status, status == STORE_DONE ? &q->n : NULL); /* may close the store */
    arena_free(q->arena);
    free(q);
}

static enum store_status read_figures(struct asking *q, const struct redis_call *call, const struct redis_reply *reply)
{
    struct store_stat *n = &q->n;
    int64_t *const to[FIGURES] = { [AT_CONVERSATIONS] = &n->conversations,
                                   [AT_ACTIVE] = &n->active,
                                   [AT_WAITING] = &n->waiting,
                                   [AT_PAUSED] = &n->paused,
                                   [AT_DUE] = &n->due,
                                   [AT_QUEUE] = &n->queue,
                                   [AT_TAKEN] = &n->queue_taken,
                                   [AT_CALLBACKS] = &n->callbacks,
                                   [AT_CALLBACKS_TAKEN] = &n->callbacks_taken,
                                   [AT_DEAD] = &n->dead,
                                   [AT_RECENT] = &n->recent,
                                   [AT_DAY] = &n->day,
                                   [AT_SESSIONS] = &n->sessions };
    struct buf text = { 0 };
    if (reply->n != FIGURES)
        return redis_odd(q->r, "stat");
    for (size_t i = 0; i < FIGURES; i++) {
        struct redis_reply item = redis_item(reply, i);
        if (to[i] != NULL)
            *to[i] = redis_number(&item, 0);
    }
    struct redis_reply time = redis_item(reply, AT_TIME);
    n->up = true;
    n->now_ms = redis_heard_time(q->r, call, &time);
    write_info(&text, redis_text(reply, AT_INFO));
    n->text = buf_ok(&text) ? arena_sv(q->arena, buf_sv(&text)) : SV_NONE;
    buf_fini(&text);
    struct sv head = redis_text(reply, AT_HEAD);
    q->heads_max = redis_item(reply, AT_BATCHES).n + 2;
    q->heads = arena_array(q->arena, q->heads_max, sizeof(*q->heads));
    if (q->heads != NULL && head.p != NULL)
        q->heads[n->heads_n++] = head = arena_sv(q->arena, head);
    return n->text.p != NULL && q->heads != NULL && (n->heads_n == 0 || head.p != NULL) ? STORE_DONE : STORE_FULL;
}

static void on_heads(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct asking *q = call->arg;
    enum store_status status = redis_status(q->r, outcome, reply, "stat: heads");
    for (size_t i = 0; status == STORE_DONE && i < reply->n && q->n.heads_n < q->heads_max; i++) {
        struct sv head = redis_text(reply, i);
        bool is_first = i == 0 && q->n.heads_n > 0 && head.p != NULL && sv_eq(head, q->heads[0]);
        if (head.p != NULL && !is_first)
            q->heads[q->n.heads_n++] = head; /* borrowed until this returns */
    }
    end(q, status);
}

static bool ask_heads(struct asking *q, const struct redis_reply *batches)
{
    struct buf *b = redis_link_begin_script(q->r->link, SCRIPT_HEADS, 1 + batches->n, 0);
    if (b == NULL)
        return false;
    redis_write(b, KEY_QUEUE);
    for (size_t i = 0; i < batches->n; i++)
        redis_key_batch(b, STORE_QUEUE_MESSAGES, redis_text(batches, i));
    return redis_link_end(q->r->link, &(struct redis_call){ .done = on_heads, .owner = q->r, .arg = q });
}

static void on_stat(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct asking *q = call->arg;
    enum store_status status = redis_status(q->r, outcome, reply, "stat");
    if (status == STORE_DONE)
        status = read_figures(q, call, reply);
    struct redis_reply batches = status == STORE_DONE ? redis_item(reply, AT_BATCHES) : (struct redis_reply){ 0 };
    if (batches.n == 0)
        end(q, status);
    else if (!ask_heads(q, &batches))
        end(q, redis_link_is_up(q->r->link) ? STORE_FULL : STORE_DOWN);
}

void redis_stat(struct store *s, store_stat_fn *fn, void *arg)
{
    struct redis *r = redis_of(s);
    const struct sv keys[] = { KEY_ACTIVITY, KEY_ACTIVE,  KEY_WAITING, KEY_PAUSED,    KEY_DUE,
                               KEY_QUEUE,    KEY_BATCHES, KEY_DEAD,    KEY_CALLBACKS, KEY_CALLBACK_BATCHES,
                               KEY_SESSIONS };
    struct asking *q = calloc(1, sizeof(*q));
    struct arena *arena = arena_new(0, STAT_MAX);
    struct buf *b = q != NULL && arena != NULL ? redis_link_begin_script(r->link, SCRIPT_STAT, ARRAY_LEN(keys), 0) : NULL;
    if (b != NULL) {
        q->r = r;
        q->fn = fn;
        q->arg = arg;
        q->arena = arena;
        for (size_t i = 0; i < ARRAY_LEN(keys); i++)
            redis_write(b, keys[i]);
        if (redis_link_end(r->link, &(struct redis_call){ .done = on_stat, .owner = r, .arg = q }))
            return;
    }
    free(q);
    arena_free(arena);
    redis_refuse(r, &(struct answer){ .kind = ANSWER_STAT, .fn.stat = fn, .arg = arg });
}
