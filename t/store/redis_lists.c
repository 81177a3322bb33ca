/* SPDX-License-Identifier: MIT
 * Listings, forgetting and dead letters on Redis alone: which keys they leave, values of other types under their names, no memory, no
 * server, and that 200,000 conversations cost what 1,000 cost. The contract of the port is tested by contract.c. */
#include "config.h"

#include <stdio.h>
#include <signal.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "t/store/contract.h"
#include "t/store/redis_server.h"

#define LETTER SV("019a0000-0000-7000-8000-000000000001")
#define OTHER SV("019a0000-0000-7000-8000-000000000002")

static const char *const words[] = { "--enable-debug-command", "local", NULL };
static const struct backend plain = { .name = "redis", .real_clock = true };

static bool is_up(struct rig *r, void *arg)
{
    (void)arg;
    return store_is_up(r->s);
}

static void open_store(struct rig *r, const struct redis_server *s, int database)
{
    struct err e;
    struct store_redis_options o = { .host = "127.0.0.1",
                                     .port = s->port,
                                     .unix_path = "",
                                     .user = "",
                                     .password = "",
                                     .database = database,
                                     .command_timeout_ms = 5000 };
    r->s = store_redis_open(r->loop, &o, &e);
    if (r->s == NULL || !rig_until(r, is_up, NULL))
        bail_out("no store in Redis");
}

static void close_store(struct rig *r)
{
    store_close(r->s);
    for (int i = 0; i < 3; i++)
        loop_turn(r->loop, false);
    r->calls = NULL;
    arena_reset(r->arena);
}

static enum store_status fill(struct rig *r)
{
    const struct sv two[] = { SV("1"), SV("2") };
    return apply(r, &CHANGE("c", 0, .lease = STORE_LEASE_TAKE, .lease_token = SV("t"), .lease_ttl_ms = LONG_MS,
                            .mark_new = { SV("m"), SV("x") }, .pending_add = SV("p"), .context_add = two,
                            .context_add_n = 2, .queue_add = two, .queue_add_n = 2, .due_ms = 5,
                            .letters = &(struct store_letter){ LETTER, SV("dead") }, .letters_n = 1,
                            .in = STORE_IN_WAITING | STORE_IN_ACTIVE | STORE_IN_PAUSED, .activity_ms = 7, .active_ms = 8,
                            .waiting_ms = 9, .paused_ms = 10))
        ->status;
}

/* ---- the layout ---- */

static void layout(struct rig *r, const struct redis_server *s)
{
    (void)redis_server_say(s, "FLUSHALL");
    open_store(r, s, 0);
    is_int(fill(r), STORE_DONE, "a conversation with all that there is");
    is_str(redis_server_say(s, "ZRANGE message_queue:dead 0 -1 WITHSCORES"), "019a0000-0000-7000-8000-000000000001 0",
           "ids of dead letters are a sorted set");
    is_str(redis_server_say(s, "HGETALL message_queue:dead:items"), "019a0000-0000-7000-8000-000000000001 dead",
           "what they are, a hash");
    static const char *const figures[] = { "connected_clients", "used_memory_human", "keyspace_hits", "keyspace_misses",
                                           "aof_enabled", "aof_last_write_status", "maxmemory_policy",
                                           "rdb_last_save_time", "role" };
    struct sv text = stat_of(r)->text;
    for (size_t i = 0; i < ARRAY_LEN(figures); i++)
        has_str(text.p, figures[i], "a figure of the server's own");
    is_int(letters(r, &(struct store_letters){ .op = STORE_LETTERS_AGAIN, .id = LETTER, .item = SV("3") })->n, 1, "again");
    is_str(redis_server_say(s, "LRANGE message_queue 0 -1"), "1 2 3", "it is in the queue");
    is_str(redis_server_say(s, "EXISTS message_queue:dead message_queue:dead:items"), "0", "and dead no more");
    is_int(apply(r, &CHANGE("c", 1, .forget = true))->status, STORE_DONE, "forgotten");
    is_str(redis_server_say(s, "DBSIZE"), "2", "the queue and the mark are left");
    is_str(redis_server_say(s, "EXISTS message_queue message:c:m"), "2", "those");
    close_store(r);
}

/* ---- other programs' values ---- */

static void set_aside(const struct redis_server *s, const char *victim, char *before, size_t size)
{
    char command[80];
    (void)snprintf(command, sizeof(command), "RENAME %s aside", victim);
    (void)redis_server_say(s, command);
    (void)snprintf(command, sizeof(command), "SET %s odd", victim);
    (void)redis_server_say(s, command);
    (void)snprintf(before, size, "%s", redis_server_say(s, "DEBUG DIGEST"));
}

static void put_back(const struct redis_server *s, const char *victim)
{
    char command[80];
    (void)snprintf(command, sizeof(command), "RENAME aside %s", victim);
    (void)redis_server_say(s, command);
}

static void wrong_types(struct rig *r, const struct redis_server *s)
{
    static const char *const victims[] = { "due",    "activity",           "active", "waiting",
                                           "paused", "message_queue:dead", "message_queue:dead:items", "message_queue" };
    char before[80]; /* in the order of enum store_index first */
    (void)redis_server_say(s, "FLUSHALL");
    open_store(r, s, 0);
    (void)fill(r);
    struct sv batch = take(r, "o", 1)->name;
    const struct store_ack a = { .batch = batch, .dead = &(struct store_letter){ OTHER, SV("x") }, .dead_n = 1 };
    for (size_t i = 0; i < ARRAY_LEN(victims); i++) {
        bool is_listing = i < 5;
        set_aside(s, victims[i], before, sizeof(before));
        is_int(apply(r, &CHANGE("new", 0, .mark_new = { SV("n"), SV("x") }, .pending_add = SV("p"), .activity_ms = 1,
                                .due_ms = 1, .in = STORE_IN_WAITING | STORE_IN_ACTIVE | STORE_IN_PAUSED,
                                .queue_add = LIST(SV("q")), .queue_add_n = 1,
                                .letters = &(struct store_letter){ OTHER, SV("x") }, .letters_n = 1))
                   ->status,
               STORE_DOWN, "something else is in %s: apply", victims[i]);
        if (is_listing) {
            is_int(apply(r, &CHANGE("c", 1, .forget = true))->status, STORE_DOWN, "forget");
            is_int(list(r, &(struct store_list){ .index = (enum store_index)i, .max = 3 })->status, STORE_DOWN, "list");
        } else {
            is_int(ack(r, &a), STORE_DOWN, "ack");
            is_int(letters(r, &(struct store_letters){ .op = STORE_LETTERS_DROP, .id = LETTER })->status, STORE_DOWN,
                   "letters");
        }
        is_str(redis_server_say(s, "DEBUG DIGEST"), before, "nothing at all has changed");
        ok(store_is_up(r->s), "and the store is up");
        put_back(s, victims[i]);
    }
    close_store(r);
}

/* ---- callbacks ---- */

static void callback_names(struct rig *r, const struct redis_server *s)
{
    char command[200], name[100];
    (void)redis_server_say(s, "FLUSHALL");
    open_store(r, s, 0);
    struct store_change c = CHANGE("c", 0, .queue_add = LIST(SV("m")), .queue_add_n = 1,
                                   .callbacks_add = LIST(SV("1"), SV("2"), SV("3")), .callbacks_add_n = 3);
    is_int(apply(r, &c)->status, STORE_DONE, "an item and three callbacks");
    is_str(redis_server_say(s, "LRANGE callback_queue 0 -1"), "1 2 3", "a list of their own");
    is_str(redis_server_say(s, "LRANGE message_queue 0 -1"), "m", "beside the other");
    struct sv batch = take_of(r, STORE_QUEUE_CALLBACKS, "host.1.ab", 2)->name;
    (void)snprintf(name, sizeof(name), "%.*s", SV_FMT(batch));
    (void)snprintf(command, sizeof(command), "LRANGE callback_queue:taken:%s 0 -1", name);
    is_str(redis_server_say(s, command), "1 2", "a batch is a list: %s", name);
    (void)snprintf(command, sizeof(command), "%s 2", name);
    is_str(redis_server_say(s, "ZRANGE callback_queue:batches 0 -1 WITHSCORES"), command, "known by name, with its size");
    is_str(redis_server_say(s, "EXISTS message_queue:batches"), "0", "not to the other queue");
    const struct store_stat *n = stat_of(r);
    ok(n->callbacks == 1 && n->callbacks_taken == 2 && n->queue == 1 && n->queue_taken == 0, "the figures say so");
    const struct store_ack a = { .queue = STORE_QUEUE_CALLBACKS, .batch = batch, .again = LIST(SV("2 again")), .again_n = 1,
                                 .dead = &(struct store_letter){ LETTER, SV("1 dead") }, .dead_n = 1 };
    is_int(ack(r, &a), STORE_DONE, "acknowledged");
    is_str(redis_server_say(s, "LRANGE callback_queue 0 -1"), "2 again 3", "what comes again is in front");
    is_str(redis_server_say(s, "HGETALL message_queue:dead:items"), "019a0000-0000-7000-8000-000000000001 1 dead",
           "what is dead is with all that is");
    is_str(redis_server_say(s, "EXISTS callback_queue:batches"), "0", "and the batch is forgotten");
    const struct store_letters what = {
        .op = STORE_LETTERS_AGAIN, .queue = STORE_QUEUE_CALLBACKS, .id = LETTER, .item = SV("1")
    };
    is_int(letters(r, &what)->n, 1, "the letter again");
    is_str(redis_server_say(s, "LRANGE callback_queue 0 -1"), "2 again 3 1", "is behind the others");
    (void)redis_server_say(s, "RPUSH callback_queue:taken:gone.2.cd:7 by hand");
    (void)redis_server_say(s, "ZADD callback_queue:batches 2 gone.2.cd:7");
    (void)recover(r, "gone.");
    is_str(redis_server_say(s, "LLEN callback_queue"), "3", "recovering messages leaves callbacks alone");
    (void)recover_of(r, STORE_QUEUE_CALLBACKS, "gone.");
    is_str(redis_server_say(s, "LRANGE callback_queue 0 -1"), "by hand 2 again 3 1", "recovering callbacks does not");
    is_sv(drain_of(r, STORE_QUEUE_CALLBACKS), SV("by,hand,2 again,3,1"), "drained");
    is_str(redis_server_say(s, "KEYS callback_queue*"), "", "nothing is left of it");
    close_store(r);
}

static void callback_types(struct rig *r, const struct redis_server *s)
{
    static const char *const victims[] = { "callback_queue", "callback_queue:batches" };
    char before[80];
    (void)redis_server_say(s, "FLUSHALL");
    open_store(r, s, 0);
    (void)fill(r);
    (void)apply(r, &CHANGE("d", 0, .callbacks_add = LIST(SV("1"), SV("2")), .callbacks_add_n = 2));
    struct sv batch = take_of(r, STORE_QUEUE_CALLBACKS, "o", 1)->name;
    const struct store_ack a = { .queue = STORE_QUEUE_CALLBACKS, .batch = batch,
                                 .dead = &(struct store_letter){ OTHER, SV("x") }, .dead_n = 1 };
    const struct store_letters again = {
        .op = STORE_LETTERS_AGAIN, .queue = STORE_QUEUE_CALLBACKS, .id = LETTER, .item = SV("x")
    };
    struct store_change c = CHANGE("new", 0, .mark_new = { SV("n"), SV("x") }, .pending_add = SV("p"), .activity_ms = 1,
                                   .due_ms = 1, .callbacks_add = LIST(SV("q")), .callbacks_add_n = 1,
                                   .letters = &(struct store_letter){ OTHER, SV("x") }, .letters_n = 1);
    for (size_t i = 0; i < ARRAY_LEN(victims); i++) {
        set_aside(s, victims[i], before, sizeof(before));
        struct call *t = rig_call(r);
        store_take(r->s, STORE_QUEUE_CALLBACKS, SV("o"), 1, rig_batch, t);
        rig_wait(r, t);
        is_int(t->status, STORE_DOWN, "something else is in %s: take", victims[i]);
        is_int(ack(r, &a), STORE_DOWN, "ack");
        if (i == 0) {
            is_int(apply(r, &c)->status, STORE_DOWN, "apply");
            is_int(letters(r, &again)->status, STORE_DOWN, "letters");
        } else {
            is_int(recover_of(r, STORE_QUEUE_CALLBACKS, "o"), STORE_DOWN, "recover");
        }
        is_str(redis_server_say(s, "DEBUG DIGEST"), before, "nothing at all has changed");
        is_int(apply(r, &CHANGE("other", i, .queue_add = LIST(SV("q")), .queue_add_n = 1))->status, STORE_DONE,
               "who has no callbacks does not notice");
        put_back(s, victims[i]);
    }
    is_int(apply(r, &c)->status, STORE_DONE, "put right: apply");
    is_int(ack(r, &a), STORE_DONE, "ack");
    is_sv(drain_of(r, STORE_QUEUE_CALLBACKS), SV("2,q"), "all is there");
    close_store(r);
}

/* ---- no memory, no server ---- */

static void no_memory(struct rig *r, const struct redis_server *s)
{
    (void)redis_server_say(s, "FLUSHALL");
    open_store(r, s, 0);
    (void)fill(r);
    (void)apply(r, &CHANGE("d", 0));
    (void)redis_server_say(s, "CONFIG SET maxmemory 1");
    struct store_change c = CHANGE("d", 1, .letters = &(struct store_letter){ OTHER, SV("y") }, .letters_n = 1);
    is_int(apply(r, &c)->status, STORE_FULL, "no memory for something new");
    c.finishing = true;
    is_int(apply(r, &c)->status, STORE_DONE, "the end of a turn may give it up");
    is_int(letters(r, &(struct store_letters){ .max = 5 })->n, 2, "listing goes on");
    is_int(letters(r, &(struct store_letters){ .op = STORE_LETTERS_AGAIN, .id = OTHER, .item = SV("z") })->n, 1, "again");
    is_int(letters(r, &(struct store_letters){ .op = STORE_LETTERS_DROP, .id = LETTER })->n, 1, "dropping makes room");
    is_int(list(r, &(struct store_list){ .index = STORE_ACTIVITY, .max = 5, .want_records = true })->n, 2, "listings");
    is_int(stat_of(r)->dead, 0, "figures");
    is_int(apply(r, &CHANGE("c", 1, .forget = true))->status, STORE_DONE, "and forgetting, which makes room too");
    (void)redis_server_say(s, "CONFIG SET maxmemory 0");
    close_store(r);
}

static void no_server(struct rig *r, struct redis_server *s)
{
    open_store(r, s, 0);
    redis_server_signal(s, SIGKILL);
    is_int(list(r, &(struct store_list){ .max = 5, .want_records = true })->status, STORE_DOWN, "no server: list");
    is_int(letters(r, &(struct store_letters){ .max = 5 })->status, STORE_DOWN, "letters");
    is_int(apply(r, &CHANGE("c", 1, .forget = true))->status, STORE_DOWN, "forget");
    redis_server_start(s, words);
    close_store(r);
}

/* ---- what it costs ---- */

/* In the server, so that it is fast: a hundred conversations of each activity, all of one score in `waiting`, a letter each. */
static const char loader[] =
    "EVAL redis.call('SELECT',ARGV[1])for\ti=tonumber(ARGV[2]),tonumber(ARGV[3])do\tlocal\tid='conversation-number-'..i;"
    "redis.call('HSET','conversation:'..id,'version','1','record',ARGV[4],'index','')"
    "redis.call('ZADD','activity',1700000000000+math.floor(i/100),id)redis.call('ZADD','waiting',1700000000000,id)"
    "redis.call('ZADD','due',1700000000000+i,id)"
    "local\tl=string.format('019a0000-0000-7000-8000-%%012x',i)redis.call('ZADD','message_queue:dead',0,l)"
    "redis.call('HSET','message_queue:dead:items',l,ARGV[4])end;return\t1 0 %d %d %d %s";

static void load_many(const struct redis_server *s, int database, int n)
{
    char command[2000], record[201];
    memset(record, 'r', sizeof(record) - 1);
    record[sizeof(record) - 1] = '\0';
    for (int first = 1; first <= n; first += 20000) {
        int used = snprintf(command, sizeof(command), loader, database, first, first + 19999 < n ? first + 19999 : n, record);
        if (used < 0 || (size_t)used >= sizeof(command))
            bail_out("the loader does not fit");
        char twice[2100], *to = twice; /* the command is a format again */
        for (const char *p = command; *p != '\0'; p++) {
            if (*p == '%')
                *to++ = '%';
            *to++ = *p;
        }
        *to = '\0';
        is_str(redis_server_say(s, twice), "1", "%d conversations", first + 19999 < n ? first + 19999 : n);
    }
}

enum cost { COST_NEWEST, COST_CURSOR, COST_EQUAL, COST_GONE, COST_DUE, COST_LETTERS, COST_LETTER, COST_STAT, COSTS };
static const char *const cost_names[COSTS] = { "a page",        "a page behind a cursor", "a page of equal scores",
                                               "a cursor gone", "who is due",             "dead letters",
                                               "one letter",    "figures" };

static void ask(struct rig *r, enum cost what, struct call *c)
{
    struct store_list l = { .index = STORE_ACTIVITY, .max = 50, .want_records = true, .newest_first = true };
    struct store_letters letters_of = { .id = SV("019a0000-0000-7000-8000-0000000001f4"), .max = 50 };
    switch (what) {
    case COST_NEWEST:
        break;
    case COST_CURSOR:
        l.after_id = SV("conversation-number-500");
        l.after_ms = 1700000000005;
        break;
    case COST_EQUAL:
    case COST_GONE:
        l.index = STORE_WAITING;
        l.after_id = what == COST_EQUAL ? SV("conversation-number-500") : SV("conversation-number-500-that-is-gone");
        l.after_ms = 1700000000000;
        break;
    case COST_DUE:
        l = (struct store_list){ .index = STORE_DUE, .until_now = true, .max = 50 };
        break;
    case COST_LETTER:
        letters_of.op = STORE_LETTERS_GET;
        store_letters(r->s, &letters_of, rig_letters, c);
        return;
    case COST_LETTERS:
        store_letters(r->s, &letters_of, rig_letters, c);
        return;
    case COST_STAT:
        store_stat(r->s, rig_stat, c);
        return;
    case COSTS:
        return;
    }
    store_list(r->s, &l, rig_list, c);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Microseconds of a call on each of two stores in turn: the medians, so that what else the machine does counts for both. */
static void measure(struct rig *few, struct rig *many, enum cost what, int64_t took[2])
{
    enum { ROUNDS = 61 };
    int64_t all[2][ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < 2; k++) {
            struct rig *r = k == 0 ? few : many;
            struct call *c = rig_call(r);
            int64_t began_us = clock_mono_us();
            ask(r, what, c);
            rig_wait(r, c);
            all[k][i] = clock_mono_us() - began_us;
            if (c->status != STORE_DONE || (what < COST_LETTER && c->n != 50))
                ok(false, "%s: status %d, %zu", cost_names[what], (int)c->status, c->n);
        }
    }
    for (int k = 0; k < 2; k++) {
        qsort(all[k], ROUNDS, sizeof(all[k][0]), by_size);
        took[k] = all[k][ROUNDS / 2];
    }
}

static void costs(struct rig *few, const struct redis_server *s)
{
    struct rig many = { .backend = &plain, .loop = few->loop, .arena = few->arena };
    (void)redis_server_say(s, "FLUSHALL");
    load_many(s, 1, 1000);
    load_many(s, 2, 200000);
    open_store(few, s, 1);
    open_store(&many, s, 2);
    is_int(stat_of(&many)->conversations, 200000, "all are there");
    for (enum cost what = COST_NEWEST; what < COSTS; what++) {
        int64_t took[2];
        measure(few, &many, what, took);
        ok(took[1] <= 2 * took[0], "%s: %lld us of 200,000, %lld us of 1,000", cost_names[what], (long long)took[1],
           (long long)took[0]);
    }
    store_close(many.s);
    close_store(few);
}

int main(void)
{
    struct redis_server s;
    struct rig r = { .backend = &plain, .loop = loop_new(), .arena = arena_new(0, 1u << 30) };
    if (r.loop == NULL || r.arena == NULL)
        bail_out("no memory");
    if (!redis_server_open(&s, words))
        return skip_all("redis-server is not installed");
    layout(&r, &s);
    wrong_types(&r, &s);
    callback_names(&r, &s);
    callback_types(&r, &s);
    no_memory(&r, &s);
    no_server(&r, &s);
    costs(&r, &s);
    redis_server_close(&s);
    arena_free(r.arena);
    loop_free(r.loop);
    return done_testing();
}
