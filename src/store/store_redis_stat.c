/* SPDX-License-Identifier: MIT
 * Numbers of the Redis store, and the server's own figures as JSON. */
#include "config.h"

#include "lib/json.h"
#include "store/store_redis_inside.h"

enum { AT_CONVERSATIONS, AT_ACTIVE, AT_WAITING, AT_PAUSED, AT_DUE, AT_QUEUE, AT_TAKEN, AT_DEAD, AT_INFO, FIGURES };

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

static void on_stat(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct redis *r = call->owner;
    store_stat_fn *fn = (store_stat_fn *)call->fn;
    struct buf text = { 0 };
    struct store_stat n = { .up = true };
    int64_t *const to[] = { [AT_CONVERSATIONS] = &n.conversations,
                            [AT_ACTIVE] = &n.active,
                            [AT_WAITING] = &n.waiting,
                            [AT_PAUSED] = &n.paused,
                            [AT_DUE] = &n.due,
                            [AT_QUEUE] = &n.queue,
                            [AT_TAKEN] = &n.queue_taken,
                            [AT_DEAD] = &n.dead };
    enum store_status status = redis_status(r, outcome, reply, "stat");
    if (status == STORE_DONE && reply->n != FIGURES)
        status = redis_odd(r, "stat");
    if (status == STORE_DONE) {
        for (size_t i = 0; i < ARRAY_LEN(to); i++) {
            struct redis_reply item = redis_item(reply, i);
            *to[i] = redis_number(&item, 0);
        }
        write_info(&text, redis_text(reply, AT_INFO));
        n.text = buf_ok(&text) ? buf_sv(&text) : SV("{}");
    }
    fn(call->arg, status, status == STORE_DONE ? &n : NULL);
    buf_fini(&text);
}

void redis_stat(struct store *s, store_stat_fn *fn, void *arg)
{
    struct redis *r = redis_of(s);
    const struct sv keys[] = { KEY_ACTIVITY, KEY_ACTIVE, KEY_WAITING, KEY_PAUSED,
                               KEY_DUE,      KEY_QUEUE,  KEY_BATCHES, KEY_DEAD };
    struct buf *b = redis_link_begin_script(r->link, SCRIPT_STAT, ARRAY_LEN(keys), 0);
    bool sent = false;
    if (b != NULL) {
        for (size_t i = 0; i < ARRAY_LEN(keys); i++)
            redis_write(b, keys[i]);
        sent = redis_link_end(
            r->link, &(struct redis_call){ .done = on_stat, .owner = r, .fn = (void (*)(void))fn, .arg = arg });
    }
    if (!sent)
        redis_refuse(r, &(struct answer){ .kind = ANSWER_STAT, .fn.stat = fn, .arg = arg });
}
