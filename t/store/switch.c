/* SPDX-License-Identifier: MIT
 * Tests src/store/store_switch.c and switch_*.c in one process: each promise about the way over and back, with a real redis-server that
 * is stopped, continued, killed and started. Two processes: switch_host.c. */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "store/store_count.h"
#include "t/store/switch_rig.h"

static bool is_unreachable(void *arg)
{
    struct rig *r = arg;
    return !store_is_up(r->redis);
}

static bool is_anybody(void *arg, struct sv owner)
{
    (void)arg;
    return owner.n > 0;
}

static void over_and_back(struct loop *l, struct place *at)
{
    struct rig r;
    rig_open(&r, l, at);
    ok(apply(&r, CHANGE("a", 0, LEASE, .mark_new = { SV("m1"), SV("1") })) == STORE_DONE && is_redis(&r),
       "at first: Redis");
    is_int(r.version, 1, "versions are as they are");
    (void)load(&r, "a", "m1");
    uint64_t before = r.view.version;
    ok(r.events > 0, "who listens is told that it begins");
    redis_server_signal(&at->redis, SIGSTOP);
    int64_t began_ms = clock_mono_ms();
    is_int(apply(&r, CHANGE("b", 0, LEASE, .mark_new = { SV("m2"), SV("2") })), STORE_CONFLICT,
           "stopped: an apply that may have been done is a conflict");
    ok(is_sqlite(&r), "the host has gone over");
    diag("after %lld ms", (long long)(clock_mono_ms() - began_ms));
    ok(load(&r, "b", "m2") == STORE_DONE && r.view.version == 0, "the other store knows nothing of it");
    is_int(apply(&r, CHANGE("b", 0, LEASE, .mark_new = { SV("m2"), SV("2") })), STORE_DONE, "and takes it");
    ok(apply(&r, CHANGE("a", before)) == STORE_CONFLICT, "a version of before is not taken for one of now");
    store_renew(r.s, SV("a"), SV("tok"), 60000, on_status, &r);
    is_int(wait_for(&r), STORE_LEASE_LOST, "a lease of before does not count");
    is_int(apply(&r, CHANGE("a", 0, LEASE, .mark_new = { SV("m3"), SV("3") })), STORE_DONE,
           "the same conversation begins anew");
    uint64_t away = r.version;
    ok(away != 1, "its versions are others");
    r.events = 0;
    redis_server_signal(&at->redis, SIGCONT);
    ok(loop_until(l, is_redis, &r), "continued: the host is back");
    loop_for(l, 30);
    ok(r.events > 0, "who listens is told");
    ok(r.joins >= 2, "records were joined");
    is_int(apply(&r, CHANGE("a", away)), STORE_CONFLICT, "a version of the time away is none of now");
    ok(load(&r, "a", "m3") == STORE_DONE && r.view.version > 0 && r.view.mark.p != NULL,
       "what was done away is in Redis");
    ok(load(&r, "b", "m2") == STORE_DONE && r.view.mark.p != NULL, "all of it");
    ok(load(&r, "a", "m1") == STORE_DONE && r.view.mark.p != NULL, "with what was there before");
    is_sv(r.view.lease_token, SV_NONE, "no lease of either time is left");
    store_stat(r.sqlite, on_stat, &r);
    ok(wait_for(&r) == STORE_DONE && r.stat.conversations == 0, "and the other store is empty");
    rig_close(&r);
}

struct seen {
    struct rig *r;
    bool is_view, is_customer;
    uint64_t last, pushed;
    unsigned pushes, looks;
};

static void on_session(void *arg, enum store_status status, const struct store_session *s)
{
    struct seen *seen = arg;
    seen->is_view = s != NULL && s->view.p != NULL;
    seen->is_customer = s != NULL && s->customer.p != NULL;
    on_status(seen->r, status);
}

static void on_events(void *arg, enum store_status status, const struct store_events *e)
{
    struct seen *seen = arg;
    seen->last = e != NULL ? e->last : 0;
    on_status(seen->r, status);
}

static void on_push(void *arg, struct sv id, struct sv event)
{
    struct seen *seen = arg;
    seen->pushes += id.p != NULL;
    seen->looks += id.p == NULL;
    seen->pushed = event.p != NULL ? store_event_seq(event) : seen->pushed;
}

static bool has_pushed(void *arg)
{
    return ((const struct seen *)arg)->pushes > 0;
}

static void look(struct seen *seen, const char *id)
{
    store_session(seen->r->s, sv_from(id), on_session, seen);
    is_int(wait_for(seen->r), STORE_DONE, "a session is read");
    store_events(seen->r->s, sv_from(id), 0, on_events, seen);
    is_int(wait_for(seen->r), STORE_DONE, "and its events");
}

#define EVENT_AND_VIEW                                                                                                 \
    .session = &(struct store_session_change){ .view_op = STORE_VIEW_SET, .view = SV("v"), .ttl_ms = 600000,          \
                                               .events = &event, .events_n = 1, .events_max = 9 }

static void sessions_away(struct loop *l, struct place *at)
{
    const struct sv event = SV("{\"type\":\"a\"}");
    struct rig r;
    rig_open(&r, l, at);
    struct seen seen = { .r = &r };
    store_on_push(r.s, on_push, &seen);
    (void)load(&r, "s", "m");
    is_int(store_listen(r.s, SV("s")), 0, "somebody listens");
    ok(loop_until(l, has_pushed, &seen), "which takes effect");
    (void)apply(&r, CHANGE("s", 0, EVENT_AND_VIEW));
    (void)apply(&r, CHANGE("t", 0, EVENT_AND_VIEW));
    look(&seen, "s");
    ok(seen.is_view && seen.last == 1 && seen.pushed == 1, "in Redis: a view, an event");
    (void)load(&r, "t", "m");
    struct store_session_fill fill = {
        .conversation_id = SV("t"), .view = SV("of before"), .version = r.view.version, .customer = SV("who"), .ttl_ms = 600000
    };
    uint64_t now_ms = (uint64_t)clock_wall_ms();
    redis_server_signal(&at->redis, SIGSTOP);
    seen.looks = 0;
    look(&seen, "s");
    ok(is_sqlite(&r) && !seen.is_view && seen.last == 0, "stopped: the other store knows nothing");
    loop_for(l, 30);
    ok(seen.looks > 0, "and who listens is told to look");
    seen.pushes = 0;
    is_int(apply(&r, CHANGE("s", 0, EVENT_AND_VIEW)), STORE_DONE, "an event away");
    ok(loop_until(l, has_pushed, &seen), "is heard");
    look(&seen, "s");
    ok(seen.is_view && seen.last > now_ms, "its number is above all that there were");
    uint64_t away = seen.last;
    (void)apply(&r, CHANGE("t", 0));
    store_session_fill(r.s, &fill, on_status, &r);
    is_int(wait_for(&r), STORE_DONE, "a view of before comes");
    look(&seen, "t");
    ok(!seen.is_view && seen.is_customer, "and is not written, what is known of the customer is");
    (void)apply(&r, CHANGE("t", r.version, EVENT_AND_VIEW));
    look(&seen, "t");
    ok(seen.last > now_ms, "also when the record began without one");
    (void)load(&r, "s", "m");
    fill.conversation_id = SV("s");
    fill.version = r.view.version;
    redis_server_signal(&at->redis, SIGCONT);
    seen.looks = 0;
    ok(loop_until(l, is_redis, &r), "continued: the host is back");
    loop_for(l, 30);
    ok(seen.looks > 0, "who listens is told to look");
    store_session_fill(r.s, &fill, on_status, &r);
    is_int(wait_for(&r), STORE_DONE, "a view of the time away comes");
    look(&seen, "s");
    ok(!seen.is_view && seen.last == away, "no view of either time is there, the number is");
    (void)load(&r, "s", "m");
    seen.pushes = 0;
    is_int(apply(&r, CHANGE("s", r.view.version, EVENT_AND_VIEW)), STORE_DONE, "an event");
    ok(loop_until(l, has_pushed, &seen) && seen.pushed == away + 1, "is heard from Redis again, and the next");
    store_unlisten(r.s, SV("s"));
    rig_close(&r);
}

/* Calls of every kind while Redis is stopped: all are answered, on the other store. */
static void every_kind(struct loop *l, struct place *at)
{
    struct rig r;
    rig_open(&r, l, at);
    is_int(apply(&r, CHANGE("k", 0, .queue_add = (const struct sv[]){ SV("1"), SV("2") }, .queue_add_n = 2)),
           STORE_DONE, "queued");
    store_take(r.s, STORE_QUEUE_MESSAGES, SV("o"), 1, on_batch, &r);
    ok(wait_for(&r) == STORE_DONE && r.n == 1, "a batch of Redis");
    char batch[300];
    (void)snprintf(batch, sizeof(batch), "%s", r.batch);
    redis_server_signal(&at->redis, SIGSTOP);
    store_load(r.s, &(struct store_load){ SV("k"), SV_NONE, true }, on_load, &r);
    store_renew(r.s, SV("k"), SV("tok"), 1000, on_status, &r);
    store_list(r.s, &(struct store_list){ .max = 5 }, on_list, &r);
    store_letters(r.s, &(struct store_letters){ .max = 5 }, on_letters, &r);
    store_take(r.s, STORE_QUEUE_MESSAGES, SV("o"), 1, on_batch, &r);
    store_put(r.s, SV("job:1"), SV("value"), 60000, on_status, &r);
    store_get(r.s, SV("job:1"), on_value, &r);
    store_stat(r.s, on_stat, &r);
    ask_apply(&r, CHANGE("k", r.version));
    loop_for(l, 20);
    is_int(r.answers, 0, "nobody is told that it is down");
    ok(loop_until(l, is_sqlite, &r), "over");
    loop_for(l, 300);
    is_int(r.answers, 9, "all are answered");
    r.answers = 0;
    store_get(r.s, SV("job:1"), on_value, &r);
    ok(wait_for(&r) == STORE_DONE && r.n == 5, "the value is in the other store");
    store_ack(r.s, &(struct store_ack){ .batch = sv_from(batch) }, on_status, &r);
    is_int(wait_for(&r), STORE_DOWN, "a batch of Redis is acknowledged in Redis, or not at all");
    is_int(apply(&r, CHANGE("k2", 0, .queue_add = (const struct sv[]){ SV("3") }, .queue_add_n = 1)), STORE_DONE,
           "queued away");
    redis_server_signal(&at->redis, SIGCONT);
    ok(loop_until(l, is_redis, &r), "back");
    store_ack(r.s, &(struct store_ack){ .batch = sv_from(batch) }, on_status, &r);
    is_int(wait_for(&r), STORE_DONE, "now it is");
    loop_for(l, 50);
    is_str(redis_server_say(&at->redis, "EXISTS message_queue:batches"), "0",
           "no batch is left over, not even the one that got lost");
    is_str(redis_server_say(&at->redis, "LRANGE message_queue 0 -1"), "2 3", "the queue has what was not acknowledged");
    is_str(redis_server_say(&at->redis, "GET job:1"), "value", "the value came along");
    rig_close(&r);
}

/* Dead letters: what is given up away comes along; what was asked for and not answered is told so, and is in one place. */
static void letters_away(struct loop *l, struct place *at)
{
    static const struct sv first = { "019a0000-0000-7000-8000-000000000001", 36 },
                           second = { "019a0000-0000-7000-8000-000000000002", 36 };
    struct rig r;
    rig_open(&r, l, at);
    is_int(apply(&r, CHANGE("l", 0, .letters = &(struct store_letter){ first, SV("one") }, .letters_n = 1)), STORE_DONE,
           "one letter in Redis");
    redis_server_signal(&at->redis, SIGSTOP);
    store_letters(r.s, &(struct store_letters){ .op = STORE_LETTERS_AGAIN, .id = first, .item = SV("one again") }, on_letters,
                  &r);
    is_int(wait_for(&r), STORE_DOWN, "a second chance that Redis does not answer is not given elsewhere");
    ok(loop_until(l, is_sqlite, &r), "over");
    store_letters(r.s, &(struct store_letters){ .op = STORE_LETTERS_GET, .id = first }, on_letters, &r);
    ok(wait_for(&r) == STORE_DONE && r.n == 0, "it is not known here");
    is_int(apply(&r, CHANGE("l2", 0, .letters = &(struct store_letter){ second, SV("two") }, .letters_n = 1)), STORE_DONE,
           "another is given up away");
    redis_server_signal(&at->redis, SIGCONT);
    ok(loop_until(l, is_redis, &r), "back");
    is_str(redis_server_say(&at->redis, "HGET message_queue:dead:items 019a0000-0000-7000-8000-000000000002"), "two",
           "it came along");
    store_letters(r.s, &(struct store_letters){ .op = STORE_LETTERS_GET, .id = first }, on_letters, &r);
    (void)wait_for(&r);
    bool queued = strstr(redis_server_say(&at->redis, "LRANGE message_queue 0 -1"), "one again") != NULL;
    ok(queued == (r.n == 0), "the first is dead or in the queue, not both");
    rig_close(&r);
}

/* Callbacks are where the host is; a batch is acknowledged where it was taken; what was queued away comes along. */
static void callbacks_away(struct loop *l, struct place *at)
{
    static const enum store_queue q = STORE_QUEUE_CALLBACKS;
    struct rig r;
    char batch[300], item[8] = "3";
    rig_open(&r, l, at);
    (void)redis_server_say(&at->redis, "FLUSHALL");
    is_int(apply(&r, CHANGE("cb", 0, .callbacks_add = (const struct sv[]){ SV("1"), SV("2") }, .callbacks_add_n = 2)),
           STORE_DONE, "two callbacks in Redis");
    store_take(r.s, q, SV("o"), 1, on_batch, &r);
    ok(wait_for(&r) == STORE_DONE && r.n == 1, "a batch of Redis");
    (void)snprintf(batch, sizeof(batch), "%s", r.batch);
    redis_server_signal(&at->redis, SIGSTOP);
    store_take(r.s, q, SV("o"), 1, on_batch, &r); /* may be done in Redis: nobody gets it there */
    ok(wait_for(&r) == STORE_DONE && is_sqlite(&r) && r.n == 0, "the next is asked of the other store, which has none");
    is_int(apply(&r, CHANGE("cb2", 0, .callbacks_add = (const struct sv[]){ { item, 1 }, SV("4") }, .callbacks_add_n = 2)),
           STORE_DONE, "queued away");
    store_take(r.s, q, SV("o"), 1, on_batch, &r);
    ok(wait_for(&r) == STORE_DONE && r.n == 1, "and taken away");
    store_recover(r.s, q, is_anybody, NULL, on_status, &r);
    is_int(wait_for(&r), STORE_DONE, "given back");
    store_ack(r.s, &(struct store_ack){ .queue = q, .batch = sv_from(batch) }, on_status, &r);
    is_int(wait_for(&r), STORE_DOWN, "a batch of Redis is acknowledged in Redis, or not at all");
    redis_server_signal(&at->redis, SIGCONT);
    ok(loop_until(l, is_redis, &r), "back");
    store_ack(r.s, &(struct store_ack){ .queue = q, .batch = sv_from(batch) }, on_status, &r);
    is_int(wait_for(&r), STORE_DONE, "now it is");
    loop_for(l, 50);
    is_str(redis_server_say(&at->redis, "EXISTS callback_queue:batches"), "0", "no batch is left over, not even the lost one");
    is_str(redis_server_say(&at->redis, "LRANGE callback_queue 0 -1"), "2 3 4", "those of before and those of away");
    redis_server_signal(&at->redis, SIGKILL);
    ok(loop_until(l, is_unreachable, &r), "Redis dead, the host not gone over yet");
    ask_apply(&r, CHANGE("cb3", 0, .callbacks_add = (const struct sv[]){ { item, 1 } }, .callbacks_add_n = 1));
    item[0] = 'x';
    is_int(wait_for(&r), STORE_DONE, "an apply that is held until it has");
    store_apply(r.s, CHANGE("cb3", r.version, .forget = true), on_apply, &r);
    is_int(wait_for(&r), STORE_DONE, "its conversation is forgotten: there is nothing but a callback");
    rig_close(&r);
    (void)unlink(at->mode);
    redis_server_start(&at->redis, no_disk);
    rig_open(&r, l, at);
    ok(load(&r, "cb3", "m") == STORE_DONE && loop_until(l, is_redis, &r), "with a new mode file: back");
    is_str(redis_server_say(&at->redis, "LRANGE callback_queue 0 -1"), "3", "it is found, and as it was given");
    rig_close(&r);
}

static void short_break(struct loop *l, struct place *at)
{
    struct rig r;
    rig_open(&r, l, at);
    is_int(apply(&r, CHANGE("s", 0)), STORE_DONE, "all is well");
    uint64_t version = r.version;
    (void)redis_server_say(&at->redis, "CLIENT KILL TYPE normal SKIPME yes");
    (void)load(&r, "s", "m");
    ok(r.status == STORE_DONE && is_redis(&r),
       "a connection that is lost for a moment: the call waits for the next one");
    is_int(r.view.version, version, "and is answered there");
    rig_close(&r);
}

static void closing(struct loop *l, struct place *at)
{
    struct rig r;
    rig_open(&r, l, at);
    is_int(apply(&r, CHANGE("c", 0)), STORE_DONE, "all is well");
    redis_server_signal(&at->redis, SIGSTOP);
    ask_apply(&r, CHANGE("c", r.version));
    store_get(r.s, SV("job:1"), on_value, &r);
    loop_turn(l, false);
    store_close(r.s);
    is_int(r.answers, 2, "what waits is told when it is closed");
    is_int(r.status, STORE_DOWN, "down");
    loop_turn(l, false);
    loop_turn(l, false);
    redis_server_signal(&at->redis, SIGCONT);
}

static void spooling(struct loop *l, struct place *at)
{
    struct rig r;
    struct err e;
    rig_open_as(&r, l, at, STORE_FALLBACK_SPOOL);
    is_int(apply(&r, CHANGE("sp", 0)), STORE_DONE, "spool: all is well");
    ok(!store_is_spooling(r.s), "and nothing is spooled");
    redis_server_signal(&at->redis, SIGKILL);
    ok(loop_until(l, is_sqlite, &r) && store_is_spooling(r.s), "Redis dead: messages are only accepted");
    ok(store_is_up(r.s), "which is up");
    redis_server_start(&at->redis, no_disk);
    ok(loop_until(l, is_redis, &r) && !store_is_spooling(r.s), "until it is back");
    rig_close(&r);
    struct store *m = store_memory_open(l, 0);
    ok(store_switch_open(l, m, NULL, &(struct store_switch_options){ .fallback = STORE_FALLBACK_REJECT }, &e) == m,
       "reject: there is nothing to switch");
    store_close(m);
}

struct given {
    struct rig *r;
    int64_t ms;
};

static void on_place(void *arg, enum store_status status, struct sv value)
{
    struct given *g = arg;
    g->ms = -1;
    (void)sv_to_i64(value, &g->ms);
    on_status(g->r, status);
}

#define EVERY_MS 60000

/* What the call points to is the caller's again before it is answered. */
static int64_t places(struct rig *r, unsigned n)
{
    char name[] = "place:row";
    struct given g = { .r = r };
    struct store_place p = { .name = sv_from(name), .every_ms = EVERY_MS, .ahead_max_ms = 100 * EVERY_MS, .n = n };
    store_place(r->s, &p, on_place, &g);
    memset(name, 'x', sizeof(name) - 1);
    p = (struct store_place){ 0 };
    is_int(wait_for(r), STORE_DONE, "%u places", n);
    return (g.ms + EVERY_MS - 1) / EVERY_MS;
}

/* While it is away this host has a row of its own; back there, nothing is given that is before what it gave. */
static void places_away(struct loop *l, struct place *at)
{
    struct rig r;
    rig_open(&r, l, at);
    is_int(places(&r, 2), 0, "the first place");
    is_int(places(&r, 1), 2, "the one behind two");
    redis_server_signal(&at->redis, SIGSTOP);
    is_int(places(&r, 7), 0, "stopped: a row of this host's own");
    ok(is_sqlite(&r), "in the other store");
    is_int(places(&r, 1), 7, "which goes on");
    redis_server_signal(&at->redis, SIGCONT);
    ok(loop_until(l, is_redis, &r), "continued: the host is back");
    int64_t next = places(&r, 1); /* Redis may have done what it was asked as it was stopped */
    ok(next >= 8, "no place is before those that were given: %lld", (long long)next);
    is_int(places(&r, 1), next + 1, "and from there it goes on");
    rig_close(&r);
}

/* A new mode file beside a state file that holds something: it must not be forgotten. */
static void lost_file(struct loop *l, struct place *at)
{
    struct rig r;
    rig_open(&r, l, at);
    is_int(apply(&r, CHANGE("l", 0)), STORE_DONE, "all is well");
    redis_server_signal(&at->redis, SIGKILL);
    ok(loop_until(l, is_sqlite, &r), "over");
    is_int(apply(&r, CHANGE("lost", 0, .mark_new = { SV("m"), SV("x") })), STORE_DONE, "something is written");
    rig_close(&r);
    (void)unlink(at->mode);
    rig_open(&r, l, at);
    ok(load(&r, "lost", "m") == STORE_DONE && r.view.mark.p != NULL && is_sqlite(&r),
       "without the file and without Redis: it is found");
    rig_close(&r);
    (void)unlink(at->mode);
    redis_server_start(&at->redis, no_disk);
    rig_open(&r, l, at);
    ok(loop_until(l, is_redis, &r), "with Redis: back");
    ok(load(&r, "lost", "m") == STORE_DONE && r.view.mark.p != NULL, "and there");
    rig_close(&r);
}

static void odd_file(struct loop *l, struct place *at)
{
    static const char *const contents[] = { "short", NULL };
    for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
        struct err e = { 0 };
        struct store *a = store_memory_open(l, 0), *b = store_memory_open(l, 0);
        (void)unlink(at->mode);
        int fd = open(at->mode, O_CREAT | O_WRONLY, 0600);
        ok(fd >= 0 && (contents[i] != NULL ? write(fd, contents[i], 5) == 5 : ftruncate(fd, 1 << 20) == 0),
           "a file of another kind");
        (void)close(fd);
        struct store_switch_options o = { .mode_path = at->mode, .join = join };
        ok(store_switch_open(l, a, b, &o, &e) == NULL && e.text[0] != '\0', "is refused: %s", e.text);
        store_close(a);
        store_close(b);
    }
    (void)unlink(at->mode);
}

int main(void)
{
    struct place at;
    if (!place_open(&at))
        return skip_all("redis-server is not installed");
    struct loop *l = loop_new();
    odd_file(l, &at);
    over_and_back(l, &at);
    every_kind(l, &at);
    sessions_away(l, &at);
    letters_away(l, &at);
    callbacks_away(l, &at);
    places_away(l, &at);
    short_break(l, &at);
    closing(l, &at);
    spooling(l, &at);
    lost_file(l, &at);
    place_close(&at);
    loop_free(l);
    return done_testing();
}
