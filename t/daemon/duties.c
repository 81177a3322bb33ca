/* SPDX-License-Identifier: MIT
 * Duties on timers: heartbeat and durability, daemons that are not heard of any more, what has lost its record, the cleanup's rounds. Those
 * that need keys deleted behind the store's back run on a real Redis. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/absent.h"
#include "daemon/cleaner.h"
#include "daemon/heartbeat.h"
#include "daemon/orphans.h"
#include "daemon/sweep.h"
#include "lib/clock.h"
#include "t/store/redis_server.h"
#include "t/tap.h"
#include "t/turn/rig.h"

static void flag(void *arg)
{
    *(bool *)arg = true;
}

static bool is_set(void *arg)
{
    return *(bool *)arg;
}

/* ---- values ---- */

struct value {
    struct rig *r;
    bool came;
    char text[512]; /* "" none */
};

static void got(void *arg, enum store_status status, struct sv value)
{
    struct value *v = arg;
    v->came = true;
    (void)snprintf(v->text, sizeof(v->text), "%.*s", status == STORE_DONE ? (int)value.n : 0, value.p != NULL ? value.p : "");
}

static const char *value_of(struct rig *r, struct store *s, const char *name, struct value *v)
{
    *v = (struct value){ .r = r };
    store_get(s, sv_from(name), got, v);
    loop_until(r->loop, is_set, &v->came);
    return v->text;
}

static void put_down(void *arg, enum store_status status)
{
    (void)status;
    *(bool *)arg = true;
}

static void put_value(struct rig *r, const char *name, struct sv text)
{
    bool done = false;
    store_put(r->store, sv_from(name), text, 60000, put_down, &done);
    loop_until(r->loop, is_set, &done);
}

/* ---- heartbeat ---- */

static void beats(void)
{
    struct rig r;
    struct value v;
    char own[160];
    rig_open(&r, &rig_policy);
    (void)snprintf(own, sizeof(own), "daemon:%s", alive_name(r.alive));
    struct heartbeat *h = heartbeat_new(r.loop, r.store, r.alive, "9.9");
    for (int i = 0; i < 1000 && value_of(&r, r.store, "heartbeat", &v)[0] == '\0'; i++)
        loop_turn(r.loop, false);
    has_str(v.text, alive_name(r.alive), "the store has a heartbeat with the daemon's name");
    has_str(v.text, "\"version\":\"9.9\"", "its version");
    has_str(v.text, "\"at\":1", "its time");
    ok(value_of(&r, r.store, own, &v)[0] != '\0', "and one of its own");
    heartbeat_stop(h);
    is_str(value_of(&r, r.store, own, &v), "", "which goes with it");
    heartbeat_free(h);
    rig_close(&r);
}

static void durability(void)
{
    static const struct {
        const char *figures, *says; /* "": nothing */
    } rows[] = {
        { "{\"maxmemory\":0,\"maxmemory_policy\":\"noeviction\",\"aof_enabled\":1,\"aof_last_write_status\":\"ok\"}", "" },
        { "{\"maxmemory\":9,\"maxmemory_policy\":\"allkeys-lru\",\"aof_enabled\":1,\"aof_last_write_status\":\"ok\"}", "may evict" },
        { "{\"maxmemory\":0,\"maxmemory_policy\":\"allkeys-lru\",\"aof_enabled\":1,\"aof_last_write_status\":\"ok\"}", "would evict" },
        { "{\"maxmemory_policy\":\"noeviction\",\"aof_enabled\":0}", "no AOF" },
        { "{\"maxmemory_policy\":\"volatile-ttl\",\"aof_enabled\":0}", "and writes no AOF" },
        { "{\"maxmemory_policy\":\"noeviction\",\"aof_enabled\":1,\"aof_last_write_status\":\"err\"}", "could not write" },
        { "{\"file_bytes\":1,\"journal_mode\":\"persist\"}", "" },
        { "{}", "" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *said = heartbeat_durability(sv_from(rows[i].figures));
        if (rows[i].says[0] == '\0')
            is_str(said, NULL, "durable: %s", rows[i].figures);
        else
            has_str(said, rows[i].says, "not durable: %s", rows[i].figures);
    }
}

/* ---- daemons of other hosts ---- */

struct asking {
    struct absent *absent;
    const char *owner;
};

static bool is_gone(void *arg)
{
    const struct asking *x = arg;
    return absent_for_good(x->absent, x->owner);
}

static void absent_daemons(void)
{
    struct rig r;
    rig_open(&r, &rig_policy);
    struct absent *a = absent_new(r.loop, r.store, 200, 10);
    struct asking live = { a, "host.1.live" }, gone = { a, "host.2.gone" };
    put_value(&r, "daemon:host.1.live", SV("{}"));
    ok(!is_gone(&live) && !is_gone(&gone), "nobody is given up at first sight");
    int64_t began_ms = clock_mono_ms();
    ok(loop_until(r.loop, is_gone, &gone), "one that is never heard of is given up");
    ok(clock_mono_ms() - began_ms >= 200, "not before its time");
    ok(!is_gone(&live), "one that is heard of is not");
    put_value(&r, "daemon:host.1.live", SV_NONE);
    ok(loop_until(r.loop, is_gone, &live), "until it is not heard of any more");
    bool crowd = false;
    for (int i = 0; i < 1000; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "host.%d.x", i + 10);
        crowd = absent_for_good(a, name) || crowd;
    }
    ok(!crowd && !absent_for_good(a, ""), "more than it can watch: those are left alone");
    absent_stop(a);
    rig_close(&r);
    absent_free(a);
}

/* ---- orphans, on Redis ---- */

struct looked {
    bool done;
    size_t repaired, visited;
};

static void on_looked(void *arg, size_t repaired, size_t visited)
{
    struct looked *l = arg;
    *l = (struct looked){ true, repaired, visited };
}

static struct looked look(struct rig *r, struct orphans *o, bool all)
{
    struct looked l = { 0 };
    orphans_look(o, all, on_looked, &l);
    loop_until(r->loop, is_set, &l.done);
    return l;
}

static int64_t number(const char *text)
{
    int64_t n = -1;
    (void)sv_to_i64(sv_from(text), &n);
    return n;
}

static bool store_up(void *arg)
{
    return store_is_up(arg);
}

static void orphan_members(struct rig *r, struct redis_server *server, struct store *s, struct turns *t)
{
    struct orphans *o = orphans_new(r->loop, s, t, 3600000);
    struct looked l = look(r, o, true);
    ok(l.done && l.repaired == 0 && l.visited == 0, "nothing is lost at first");
    for (int i = 0; i < 250; i++) {
        char command[128];
        (void)snprintf(command, sizeof(command), "ZADD activity %d gone%d", 1000 + i, i);
        redis_server_say(server, command);
    }
    redis_server_say(server, "ZADD due 1000 gone1");
    redis_server_say(server, "ZADD active 1000 gone2");
    redis_server_say(server, "ZADD waiting 1000 gone3");
    redis_server_say(server, "ZADD paused 1000 gone4");
    l = look(r, o, false);
    is_int(l.repaired, 4 + ORPHANS_LOOK_MAX, "a look has a bound: members without a record");
    l = look(r, o, false);
    is_int(l.repaired, 246 - ORPHANS_LOOK_MAX, "the next one goes on behind it");
    is_str(redis_server_say(server, "ZCARD activity"), "0", "they are out of the listings");
    is_str(redis_server_say(server, "ZCARD due"), "0", "due");
    is_str(redis_server_say(server, "ZCARD active"), "0", "active");
    is_str(redis_server_say(server, "ZCARD waiting"), "0", "waiting");
    is_str(redis_server_say(server, "ZCARD paused"), "0", "paused");
    is_str(redis_server_say(server, "EXISTS conversation:gone1 lock:gone1"), "0", "and leave nothing");
    orphans_free(o);
}

static void send_message(struct rig *r, struct turns *t, const char *conversation, const char *id, struct rig_answer *a);

/* An idle conversation that the listings call busy. */
static void stale_members(struct rig *r, struct redis_server *server, struct store *s, struct turns *t)
{
    struct rig_answer a;
    struct orphans *o = orphans_new(r->loop, s, t, 3600000);
    send_message(r, t, "idle", "m1", &a);
    for (int i = 0; i < 2000 && a.http_status == 0; i++)
        loop_turn(r->loop, true);
    is_str(rig_str(&a, "status"), "completed", "a conversation that is idle");
    rig_forget(&a);
    redis_server_say(server, "ZADD active 1000 idle");
    redis_server_say(server, "ZADD waiting 1000 idle");
    redis_server_say(server, "ZADD paused 1000 idle");
    is_int(look(r, o, true).repaired, 1, "is listed as busy");
    is_str(redis_server_say(server, "ZCARD active"), "0", "it is not any more");
    is_str(redis_server_say(server, "ZCARD waiting"), "0", "nor as waiting");
    is_str(redis_server_say(server, "ZCARD paused"), "0", "nor as paused");
    is_str(redis_server_say(server, "ZCARD activity"), "1", "it is still known");
    send_message(r, t, "idle", "m2", &a);
    for (int i = 0; i < 2000 && a.http_status == 0; i++)
        loop_turn(r->loop, true);
    is_str(rig_str(&a, "status"), "completed", "and answers");
    rig_forget(&a);
    is_int(look(r, o, true).repaired, 0, "nothing is left to repair");
    orphans_free(o);
}

static void send_message(struct rig *r, struct turns *t, const char *conversation, const char *id, struct rig_answer *a)
{
    struct turns *own = r->turns;
    r->turns = t;
    rig_send(r, conversation, id, "hello", "user", a);
    r->turns = own;
}

struct wait {
    struct rig *r;
    int sent;
};

static bool has_sent(void *arg)
{
    const struct wait *w = arg;
    return w->r->platform.sent >= w->sent;
}

/* The record was deleted behind our back while a message waited: it is answered. */
static void orphan_messages(struct rig *r, struct redis_server *server, struct store *s, struct turns *t)
{
    struct rig_answer a;
    struct orphans *o = orphans_new(r->loop, s, t, 3600000);
    struct wait w = { r, r->platform.sent + 1 };
    bool stopped = false;
    r->ai.outcome = AI_UNREACHABLE;
    send_message(r, t, "evicted", "m1", &a);
    for (int i = 0; i < 2000 && a.http_status == 0; i++)
        loop_turn(r->loop, true);
    is_str(rig_str(&a, "status"), "queued", "a message waits");
    rig_forget(&a);
    redis_server_say(server, "DEL conversation:evicted");
    is_str(redis_server_say(server, "LLEN conversation:evicted:pending"), "1", "its record is deleted, it is not");
    r->ai.outcome = AI_ANSWERED;
    struct looked l = look(r, o, true);
    is_int(l.repaired, 1, "the look finds it");
    struct sweep *sweep = sweep_new(r->loop, s, t, 10, 60000);
    ok(loop_until(r->loop, has_sent, &w), "and it is answered");
    sweep_stop(sweep, flag, &stopped);
    loop_until(r->loop, is_set, &stopped);
    sweep_free(sweep);
    orphans_free(o);
}

/* A turn that waits and whose due time was deleted: nobody would come. */
static void lost_due_time(struct rig *r, struct redis_server *server, struct store *s, struct turns *t)
{
    struct rig_answer a;
    struct orphans *o = orphans_new(r->loop, s, t, 1);
    struct wait w = { r, r->platform.sent + 1 };
    r->ai.outcome = AI_UNREACHABLE;
    send_message(r, t, "undue", "m1", &a);
    for (int i = 0; i < 2000 && a.http_status == 0; i++)
        loop_turn(r->loop, true);
    rig_forget(&a);
    redis_server_say(server, "ZREM due undue");
    r->ai.outcome = AI_ANSWERED;
    loop_for(r->loop, 100);
    is_int(r->platform.sent, w.sent - 1, "nobody comes by itself");
    struct looked l = look(r, o, false);
    ok(l.visited >= 1, "the look visits what has waited for too long");
    ok(loop_until(r->loop, has_sent, &w), "and it is answered");
    orphans_free(o);
}

struct said {
    struct redis_server *server;
    const char *command, *answer;
};

static bool is_said(void *arg)
{
    const struct said *x = arg;
    return strcmp(redis_server_say(x->server, x->command), x->answer) == 0;
}

static void queue_message(struct rig *r, struct turns *t, const char *conversation)
{
    struct rig_answer a;
    r->ai.outcome = AI_UNREACHABLE;
    send_message(r, t, conversation, "m1", &a);
    for (int i = 0; i < 2000 && a.http_status == 0; i++)
        loop_turn(r->loop, true);
    is_str(rig_str(&a, "status"), "queued", "a message waits: %s", conversation);
    rig_forget(&a);
    r->ai.outcome = AI_ANSWERED;
}

/* Somebody's hand in the listings, and nothing runs but the sweep. */
static void sweep_heals(struct rig *r, struct redis_server *server, struct store *s, struct turns *t)
{
    enum { STUCK_AFTER_MS = 300 };
    struct wait w = { r, r->platform.sent + 2 };
    bool stopped = false;
    queue_message(r, t, "delisted");
    redis_server_say(server, "ZREM due delisted");
    queue_message(r, t, "unrecorded");
    redis_server_say(server, "DEL conversation:unrecorded");
    redis_server_say(server, "ZADD due 1000 ghost1");
    redis_server_say(server, "ZADD waiting 1000 ghost2");
    struct sweep *sweep = sweep_new(r->loop, s, t, 10, STUCK_AFTER_MS);
    ok(loop_until(r->loop, has_sent, &w), "what is not due any more and what has no record are answered");
    struct said due = { server, "ZSCORE due ghost1", "(nil)" }, waiting = { server, "ZSCORE waiting ghost2", "(nil)" };
    ok(loop_until(r->loop, is_said, &due), "what is due and has no record is not due any more");
    ok(loop_until(r->loop, is_said, &waiting), "nor does it wait");
    is_str(redis_server_say(server, "EXISTS conversation:ghost1 conversation:ghost2"), "0", "and no record is made for it");
    is_str(redis_server_say(server, "LLEN conversation:unrecorded:pending"), "0", "nothing is pending any more");
    is_int(r->platform.sent, w.sent, "nothing is sent twice");
    sweep_stop(sweep, flag, &stopped);
    loop_until(r->loop, is_set, &stopped);
    sweep_free(sweep);
}

/* Many leases of lost owners, expired at once: all are taken over, by looks that cost what they find. */
static void many_expired(struct rig *r, struct redis_server *server, struct store *s, struct turns *t)
{
    enum { N = 600 };
    struct rig_answer a[N];
    struct wait w = { r, r->platform.sent + N };
    bool stopped = false;
    r->ai.outcome = AI_UNREACHABLE;
    for (int i = 0; i < N; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "lost%d", i);
        send_message(r, t, id, "m1", &a[i]);
    }
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < 5000 && a[i].http_status == 0; k++)
            loop_turn(r->loop, true);
        rig_forget(&a[i]);
    }
    ok(number(redis_server_say(server, "ZCARD due")) >= N, "%d conversations are due", N);
    r->ai.outcome = AI_ANSWERED;
    struct sweep *sweep = sweep_new(r->loop, s, t, 1000, 60000);
    sweep_pause(sweep, true);
    loop_for(r->loop, 200); /* more than the longest retry */
    is_int(r->platform.sent, w.sent - N, "a paused sweep visits none");
    sweep_pause(sweep, false);
    ok(loop_until(r->loop, has_sent, &w), "all of them are answered");
    sweep_stop(sweep, flag, &stopped);
    loop_until(r->loop, is_set, &stopped);
    sweep_free(sweep);
}

static void on_redis(void)
{
    struct redis_server server;
    struct rig r;
    struct err e = { .text = "" };
    if (!redis_server_open(&server, NULL)) {
        skip("redis-server is not installed");
        return;
    }
    rig_open(&r, &rig_policy);
    const struct store_redis_options o = { .host = "127.0.0.1", .port = server.port, .unix_path = "", .user = "", .password = "",
                                           .command_timeout_ms = 5000 };
    struct store *s = store_redis_open(r.loop, &o, &e);
    loop_until(r.loop, store_up, s);
    struct turns_options with = r.options;
    with.store = s;
    struct turns *t = turns_new(&with, &e);
    orphan_members(&r, &server, s, t);
    stale_members(&r, &server, s, t);
    orphan_messages(&r, &server, s, t);
    lost_due_time(&r, &server, s, t);
    sweep_heals(&r, &server, s, t);
    many_expired(&r, &server, s, t);
    bool drained = false;
    turns_drain(t, 5000, flag, &drained);
    loop_until(r.loop, is_set, &drained);
    turns_free(t);
    store_close(s);
    rig_close(&r);
    redis_server_close(&server);
}

/* ---- the cleanup's rounds ---- */

struct old_archive {
    struct archive archive;
    struct loop *loop;
    int calls;
    size_t left; /* old messages */
    int64_t before_ms;
    archive_retain_fn *fn;
    void *arg;
};

static void retained(void *arg)
{
    struct old_archive *a = arg;
    size_t n = a->left < CLEANER_RETAIN_MAX ? a->left : CLEANER_RETAIN_MAX;
    a->left -= n;
    a->fn(a->arg, ARCHIVE_DONE, n);
}

static void old_retain(struct archive *archive, int64_t before_ms, size_t max, archive_retain_fn *fn, void *arg)
{
    struct old_archive *a = CONTAINER_OF(archive, struct old_archive, archive);
    a->calls++;
    a->before_ms = before_ms;
    a->fn = fn;
    a->arg = arg;
    is_int(max, CLEANER_RETAIN_MAX, "a batch of the archive is bounded");
    loop_soon(a->loop, retained, a);
}

static bool old_is_up(const struct archive *a)
{
    (void)a;
    return true;
}

static bool none_left(void *arg)
{
    return ((const struct old_archive *)arg)->left == 0;
}

static void rounds(void)
{
    static const struct archive_ops ops = { .name = "old", .retain = old_retain, .is_up = old_is_up };
    struct rig r;
    bool stopped = false;
    rig_open(&r, &rig_policy);
    struct old_archive a = { .archive = { .ops = &ops }, .loop = r.loop, .left = 2 * CLEANER_RETAIN_MAX + 3 };
    const struct cleaner_options o = { .loop = r.loop, .store = r.store, .turns = r.turns, .archive = NULL, .every_ms = 40,
                                       .state_ttl_ms = 86400000, .orphan_ttl_ms = 86400000, .retention_ms = 1000, .first_ms = 1 };
    struct cleaner *c = cleaner_new(&o);
    loop_for(r.loop, 100);
    is_int(a.calls, 0, "without an archive nothing is deleted");
    cleaner_archive(c, &a.archive);
    ok(loop_until(r.loop, none_left, &a), "then all that is old is deleted");
    is_int(a.calls, 3, "in three batches");
    int64_t age_ms = clock_wall_ms() - a.before_ms;
    ok(age_ms >= 1000 && age_ms < 60000, "of what is older than the retention");
    a.left = 5 * CLEANER_RETAIN_MAX;
    int calls = a.calls;
    for (int i = 0; i < 5000 && a.calls == calls; i++)
        loop_turn(r.loop, true);
    cleaner_stop(c, flag, &stopped);
    ok(loop_until(r.loop, is_set, &stopped), "it stops between two batches");
    calls = a.calls;
    loop_for(r.loop, 100);
    is_int(a.calls, calls, "and does no more");
    cleaner_free(c);

    a.left = 2 * CLEANER_RETAIN_MAX + 3;
    struct cleaner_options once = o;
    once.archive = &a.archive;
    once.every_ms = 3600000;
    c = cleaner_new(&once);
    ok(loop_until(r.loop, none_left, &a), "one round is enough for three batches");
    stopped = false;
    cleaner_stop(c, flag, &stopped);
    loop_until(r.loop, is_set, &stopped);
    cleaner_free(c);
    rig_close(&r);
}

int main(void)
{
    beats();
    durability();
    absent_daemons();
    rounds();
    on_redis();
    return done_testing();
}
