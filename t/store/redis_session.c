/* SPDX-License-Identifier: MIT
 * Sessions on Redis alone: which keys they leave, values of other types under their names, no memory, thousands of channels, lost
 * connections, and a server that does not answer. The contract of the port is tested by contract_session.c. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/redis_link.h"
#include "t/store/contract.h"
#include "t/store/redis_server.h"

#define EVENT SV("{\"type\":\"a\"}")
#define SESSION(...) .session = &(struct store_session_change){ __VA_ARGS__ }
#define ONE_EVENT .events = LIST(EVENT), .events_n = 1, .events_max = 500, .ttl_ms = LONG_MS
#define CHANNELS 3000

static const char *const words[] = { "--enable-debug-command", "local", NULL };
static const struct backend plain = { .name = "redis", .real_clock = true };

static struct store *open_one(const struct redis_server *s, struct rig *r)
{
    struct err e;
    struct store_redis_options o = { .host = "127.0.0.1", .port = s->port, .unix_path = "", .user = "", .password = "",
                                     .command_timeout_ms = 5000 };
    struct store *store = store_redis_open(r->loop, &o, &e);
    if (store == NULL)
        bail_out("no store in Redis");
    return store;
}

static bool is_connected(struct rig *r, void *arg)
{
    return r->pushed_all >= *(const unsigned *)arg;
}

static void open_store(struct rig *r, const struct redis_server *s)
{
    (void)redis_server_say(s, "FLUSHALL");
    r->pushes = r->pushed_all = r->connected = 0;
    r->s = open_one(s, r);
    store_subscribe(r->s, rig_event, r);
    store_on_push(r->s, rig_push, r);
    ok(rig_until(r, is_connected, &(unsigned){ 1 }) && r->connected == 1, "a connection says that there may be news, of all");
}

static void close_store(struct rig *r)
{
    store_close(r->s);
    for (int i = 0; i < 3; i++)
        loop_turn(r->loop, false);
    r->calls = NULL;
    arena_reset(r->arena);
}

static bool were_pushed(struct rig *r, void *arg)
{
    return r->pushes >= *(const unsigned *)arg;
}

static bool pushed(struct rig *r, unsigned n)
{
    return rig_until(r, were_pushed, &n);
}

/* ---- the layout ---- */

static long ttl_of(const struct redis_server *s, const char *key)
{
    char command[80];
    (void)snprintf(command, sizeof command, "PTTL %s", key);
    return strtol(redis_server_say(s, command), NULL, 10);
}

static bool is_about(long ms, int64_t all_ms)
{
    return ms <= all_ms && ms > all_ms - 30000;
}

static void layout(struct rig *r, const struct redis_server *s)
{
    open_store(r, s);
    (void)apply(r, &CHANGE("c", 0, SESSION(.view_op = STORE_VIEW_SET, .view = SV("view"), ONE_EVENT)));
    (void)session_fill(r, &(struct store_session_fill){ .conversation_id = SV("c"), .customer = SV("who") });
    is_str(redis_server_say(s, "GET chat_session:c"), "view", "a view");
    is_str(redis_server_say(s, "GET session_customer:c"), "who", "a customer");
    is_str(redis_server_say(s, "LRANGE events:c 0 -1"), "{\"seq\":1,\"type\":\"a\"}", "the log");
    is_str(redis_server_say(s, "HGET conversation:c events"), "1", "the number stands with the record");
    is_str(redis_server_say(s, "EXISTS events_last:c"), "0", "and only there");
    ok(is_about(ttl_of(s, "chat_session:c"), LONG_MS) && is_about(ttl_of(s, "session_customer:c"), LONG_MS) &&
           is_about(ttl_of(s, "events:c"), LONG_MS),
       "all three end some time");
    (void)apply(r, &CHANGE("c", 1, SESSION(.view_op = STORE_VIEW_DROP)));
    is_str(redis_server_say(s, "EXISTS chat_session:c"), "0", "a view is dropped");
    (void)apply(r, &CHANGE("c", 2, .forget = true));
    is_str(redis_server_say(s, "KEYS *c"), "events_last:c", "what is forgotten leaves the number");
    is_str(redis_server_say(s, "GET events_last:c"), "1", "of its last event");
    ok(is_about(ttl_of(s, "events_last:c"), 24 * 3600 * 1000), "for a day");
    (void)redis_server_say(s, "RPUSH events:d {\"seq\":5,\"a\":1}");
    (void)redis_server_say(s, "SET chat_session:d old");
    (void)apply(r, &CHANGE("d", 0, .forget = true));
    is_str(redis_server_say(s, "KEYS *d"), "events_last:d", "what a lost record left behind goes too");
    is_str(redis_server_say(s, "GET events_last:d"), "5", "but for the number, which the log has");
    (void)apply(r, &CHANGE("e", 0, SESSION(ONE_EVENT)));
    (void)apply(r, &CHANGE("e", 1, SESSION(ONE_EVENT)));
    (void)redis_server_say(s, "DEL conversation:e");
    is_int(events_of(r, "e", 1)->last, 2, "where a person has deleted the record, the log is read");
    (void)apply(r, &CHANGE("e", 0, SESSION(ONE_EVENT)));
    is_str(redis_server_say(s, "LINDEX events:e -1"), "{\"seq\":3,\"type\":\"a\"}", "and numbers go on from it");
    close_store(r);
}

/* ---- other programs' values ---- */

static void set_odd(const struct redis_server *s, const char *key, bool is_set, char *before, size_t size)
{
    char command[80];
    (void)snprintf(command, sizeof command, is_set ? "SADD %s odd" : "SET %s odd", key);
    (void)redis_server_say(s, command);
    (void)snprintf(before, size, "%s", redis_server_say(s, "DEBUG DIGEST"));
}

/* A change of all that a change may be. */
static enum store_status change_all(struct rig *r, const char *id, uint64_t version)
{
    const struct sv two[] = { EVENT, EVENT };
    return apply(r, &CHANGE(id, version, .mark_new = { SV("n"), SV("x") }, .pending_add = SV("p"), .pending_more = two,
                            .pending_more_n = 2, .pending_drop = 2, .pending_drop_to_context = true, .context_add = two,
                            .context_add_n = 2, .context_max = 40, .queue_add = two, .queue_add_n = 2, .callbacks_add = two,
                            .callbacks_add_n = 2, .activity_ms = 9, .due_ms = 9, .in = STORE_IN_WAITING | STORE_IN_ACTIVE,
                            .active_ms = 9, .waiting_ms = 9, .job = { SV("j"), SV("x") }, .job_ttl_ms = LONG_MS,
                            .lease = STORE_LEASE_TAKE, .lease_token = SV("t"), .lease_ttl_ms = LONG_MS, .event = SV("told"),
                            SESSION(.view_op = STORE_VIEW_SET, .view = SV("v"), .events = two, .events_n = 2, .events_max = 9,
                                    .ttl_ms = LONG_MS)))
        ->status;
}

static void wrong_types(struct rig *r, const struct redis_server *s)
{
    char before[80];
    open_store(r, s);
    (void)apply(r, &CHANGE("c", 0, .pending_add = SV("1"), .context_add = LIST(SV("2")), .context_add_n = 1, SESSION(ONE_EVENT)));
    (void)apply(r, &CHANGE("d", 0));

    (void)redis_server_say(s, "DEL due");
    set_odd(s, "due", false, before, sizeof before);
    is_int(change_all(r, "c", 1), STORE_DOWN, "something else is in due, which is written after the log: apply");
    is_int(change_all(r, "new", 0), STORE_DOWN, "one with a log, one without");
    is_str(redis_server_say(s, "DEBUG DIGEST"), before, "nothing at all has changed");
    (void)redis_server_say(s, "DEL due");

    (void)redis_server_say(s, "DEL events:c");
    set_odd(s, "events:c", false, before, sizeof before);
    is_int(change_all(r, "c", 1), STORE_DOWN, "something else is in events:c: apply");
    is_str(redis_server_say(s, "DEBUG DIGEST"), before, "nothing at all has changed");
    struct call *e = rig_call(r);
    store_events(r->s, SV("c"), 0, rig_events, e);
    rig_wait(r, e);
    is_int(e->status, STORE_DOWN, "events cannot be read");
    is_int(apply(r, &CHANGE("c", 1))->status, STORE_DONE, "what has no events is done");
    is_int(apply(r, &CHANGE("c", 2, .forget = true))->status, STORE_DONE, "and it can be forgotten");

    set_odd(s, "events_last:d", true, before, sizeof before);
    is_int(change_all(r, "d", 1), STORE_DOWN, "something else is in events_last:d: apply");
    is_int(apply(r, &CHANGE("d", 1, .forget = true))->status, STORE_DOWN, "forget");
    is_str(redis_server_say(s, "DEBUG DIGEST"), before, "nothing at all has changed");
    (void)redis_server_say(s, "DEL events_last:d");

    set_odd(s, "chat_session:d", true, before, sizeof before);
    set_odd(s, "session_customer:d", true, before, sizeof before);
    const struct store_session *session = session_of(r, "d");
    ok(session->view.p == NULL && session->customer.p == NULL, "something else in chat_session:d is no view");
    is_int(change_all(r, "d", 1), STORE_DONE, "a change puts one in its place");
    is_int(session_fill(r, &(struct store_session_fill){ .conversation_id = SV("d"), .customer = SV("who") }), STORE_DONE, "so");
    session = session_of(r, "d");
    ok(sv_eq(session->view, SV("v")) && sv_eq(session->customer, SV("who")), "does a customer");

    set_odd(s, "conversation:x", false, before, sizeof before);
    is_int(session_fill(r, &(struct store_session_fill){ .conversation_id = SV("x"), .view = SV("v"), .customer = SV("w") }),
           STORE_DOWN, "something else is in conversation:x: a view cannot be put back");
    is_str(redis_server_say(s, "DEBUG DIGEST"), before, "nothing at all has changed");
    ok(store_is_up(r->s), "and the store is up");
    close_store(r);
}

static void no_memory(struct rig *r, const struct redis_server *s)
{
    open_store(r, s);
    (void)apply(r, &CHANGE("c", 0, SESSION(ONE_EVENT)));
    (void)redis_server_say(s, "CONFIG SET maxmemory 1");
    struct store_change c = CHANGE("c", 1, SESSION(.view_op = STORE_VIEW_SET, .view = SV("v"), ONE_EVENT));
    is_int(apply(r, &c)->status, STORE_FULL, "no memory for something new");
    is_int(session_fill(r, &(struct store_session_fill){ .conversation_id = SV("c"), .view = SV("v") }), STORE_FULL,
           "nor for what can be made again");
    is_int(events_of(r, "c", 0)->n, 1, "reading goes on");
    c.finishing = true;
    is_int(apply(r, &c)->status, STORE_DONE, "the end of a turn is shown and told");
    ok(sv_eq(session_of(r, "c")->view, SV("v")) && events_of(r, "c", 0)->last == 2, "as ever");
    is_int(apply(r, &CHANGE("c", 2, .forget = true))->status, STORE_DONE, "forgetting makes room");
    (void)redis_server_say(s, "CONFIG SET maxmemory 0");
    close_store(r);
}

/* ---- channels ---- */

static void say_events(struct rig *r, struct store *writer, unsigned *wrong)
{
    struct store *mine = r->s;
    char id[16];
    r->s = writer;
    for (unsigned i = 0; i < CHANNELS; i += 97) {
        (void)snprintf(id, sizeof id, "c%u", i);
        unsigned before = r->pushes;
        uint64_t version = load(r, id)->version;
        *wrong += apply(r, &CHANGE(id, version, SESSION(ONE_EVENT)))->status != STORE_DONE || !pushed(r, before + 1) ||
                  !sv_eq(r->push_id, sv_from(id)) || store_event_seq(r->push_event) != version + 1;
    }
    r->s = mine;
}

static bool is_up(struct rig *r, void *arg)
{
    (void)r;
    return store_is_up(arg);
}

static void channels(struct rig *r, const struct redis_server *s)
{
    char id[16];
    unsigned wrong = 0;
    open_store(r, s);
    struct store *writer = open_one(s, r);
    (void)rig_until(r, is_up, writer);
    for (unsigned i = 0; i < CHANNELS; i++) {
        (void)snprintf(id, sizeof id, "c%u", i);
        wrong += store_listen(r->s, sv_from(id)) != 0 || store_listen(r->s, sv_from(id)) != 0;
    }
    ok(pushed(r, CHANNELS) && wrong == 0, "%d channels are subscribed to", CHANNELS);
    say_events(r, writer, &wrong);
    is_int(wrong, 0, "what another process writes is heard, with its number");
    is_int(r->pushes, CHANNELS + (CHANNELS + 96) / 97, "each event once");
    for (unsigned i = 1; i <= 3; i++) {
        unsigned connected = r->connected, before = r->pushes;
        (void)redis_server_say(s, "CLIENT KILL TYPE pubsub");
        ok(rig_until(r, is_connected, &(unsigned){ 1 + i }) && r->connected == connected + 1, "a lost connection is told");
        is_int(r->pushes, before, "once for all");
        is_str(redis_server_say(s, "PUBSUB NUMSUB events:c0 events:c2999"), "events:c0 1 events:c2999 1",
               "they are subscribed to again by then");
        say_events(r, writer, &wrong);
        is_int(wrong, 0, "and heard");
    }
    for (unsigned i = 0; i < CHANNELS; i++) {
        (void)snprintf(id, sizeof id, "c%u", i);
        store_unlisten(r->s, sv_from(id));
    }
    is_int(store_listen(r->s, SV("last")), 0, "one more");
    unsigned before = r->pushes;
    ok(pushed(r, before + 1), "is subscribed to");
    is_str(redis_server_say(s, "PUBSUB CHANNELS events:*"), "events:last", "it is the only one that is left");
    store_close(writer);
    close_store(r);
}

/* Listening before there is a connection, and what is given up meanwhile. */
static void before_up(struct rig *r, const struct redis_server *s)
{
    (void)redis_server_say(s, "FLUSHALL");
    r->pushes = r->pushed_all = 0;
    r->s = open_one(s, r);
    store_on_push(r->s, rig_push, r);
    ok(store_listen(r->s, SV("a")) == 0 && store_listen(r->s, SV("b")) == 0, "listening before there is a connection");
    store_unlisten(r->s, SV("a"));
    ok(rig_until(r, is_connected, &(unsigned){ 1 }), "connected");
    is_str(redis_server_say(s, "PUBSUB CHANNELS events:*"), "events:b", "what is still wanted is subscribed to");
    (void)apply(r, &CHANGE("b", 0, SESSION(ONE_EVENT)));
    ok(pushed(r, 1) && sv_eq(r->push_event, SV("{\"seq\":1,\"type\":\"a\"}")), "and heard");
    close_store(r);
}

/* A server whose rules do not allow a channel: logged, and it works when they do. */
static void not_allowed(struct rig *r, const struct redis_server *s)
{
    open_store(r, s);
    (void)redis_server_say(s, "ACL SETUSER default resetchannels &turnkeeper:events");
    is_int(store_listen(r->s, SV("c")), 0, "listening to what is not allowed");
    rig_pass(r, 200);
    is_int(r->pushes, 0, "does not take effect");
    ok(store_is_up(r->s) && load(r, "c")->version == 0, "commands go on");
    (void)redis_server_say(s, "ACL SETUSER default allchannels");
    unsigned before = r->pushed_all;
    ok(rig_until(r, is_connected, &(unsigned){ before + 1 }), "until it is allowed");
    (void)apply(r, &CHANGE("c", 0, SESSION(ONE_EVENT)));
    ok(pushed(r, 1) && store_event_seq(r->push_event) == 1, "then it is heard");
    close_store(r);
}

/* A callback may close the store. */
static void close_it(void *arg, struct sv id, struct sv event)
{
    struct rig *r = arg;
    (void)id;
    (void)event;
    store_close(r->s);
    r->s = NULL;
}

static bool is_closed(struct rig *r, void *arg)
{
    (void)arg;
    return r->s == NULL;
}

static void close_in_push(struct rig *r, const struct redis_server *s)
{
    r->s = open_one(s, r);
    store_on_push(r->s, close_it, r);
    ok(rig_until(r, is_closed, NULL), "closed in the first push");
    open_store(r, s);
    store_on_push(r->s, close_it, r);
    is_int(store_listen(r->s, SV("c")), 0, "closed");
    ok(rig_until(r, is_closed, NULL), "in the push of a channel");
}

/* ---- a server that does not answer ---- */

struct heard {
    unsigned ups, subscribed, messages;
};

static void on_up(void *arg, int64_t time_ms)
{
    (void)time_ms;
    ((struct heard *)arg)->ups++;
}

static void on_subscribed(void *arg, struct sv channel)
{
    ok(sv_starts(channel, SV("c")), "a channel is subscribed to");
    ((struct heard *)arg)->subscribed++;
}

static void on_message(void *arg, struct sv channel, struct sv message)
{
    is_sv(channel, SV("c2"), "a message on a channel that is wanted");
    is_sv(message, SV("hello"), "is told");
    ((struct heard *)arg)->messages++;
}

static bool has_subscribed(void *arg)
{
    return ((const struct heard *)arg)->subscribed > 0;
}

static bool has_come_up(void *arg)
{
    return ((const struct heard *)arg)->ups > 0;
}

static bool has_heard(void *arg)
{
    return ((const struct heard *)arg)->messages > 0;
}

static bool has_both(struct sv command)
{
    return sv_eq(command, SV("SUBSCRIBE c1 c2")) || sv_eq(command, SV("SUBSCRIBE c2 c1"));
}

static void silent(struct loop *l)
{
    struct fake f;
    struct heard h = { 0 };
    struct err e;
    char text[200];
    fake_open(&f, l);
    struct redis_link *link = redis_link_open(
        l,
        &(struct redis_link_options){ .host = "127.0.0.1", .port = f.port, .timeout_ms = 100, .channel = SV("turnkeeper:events"),
                                      .on_up = on_up, .on_message = on_message, .on_subscribed = on_subscribed, .arg = &h },
        &e);
    if (link == NULL)
        bail_out("%s", e.text);
    fake_accept(&f);
    fake_greet(&f);
    ok(loop_until(l, has_come_up, &h), "up");
    ok(redis_link_subscribe(link, SV("c1")) == 0 && redis_link_subscribe(link, SV("c2")) == 0, "two channels");
    is_str(fake_command(&f, text, sizeof text), "SUBSCRIBE c1", "are asked for");
    is_sv(buf_sv(&f.got), SV("*2\r\n$9\r\nSUBSCRIBE\r\n$2\r\nc2\r\n"), "in one write");
    fake_say(&f, "*3\r\n$9\r\nsubscribe\r\n$2\r\nc1\r\n:2\r\n");
    ok(loop_until(l, has_subscribed, &h) && h.subscribed == 1, "the first takes effect");
    fake_accept(&f);
    ok(h.subscribed == 1, "where an answer does not come in time, the connection is given up");
    ok(has_both(sv_from(fake_command(&f, text, sizeof text))), "the next one asks for both, in one command");
    is_str(fake_command(&f, text, sizeof text), "SUBSCRIBE turnkeeper:events", "and for the one that it was made for");
    is_int(h.ups, 1, "it is not up before it has all of them");
    fake_say(&f, "*3\r\n$9\r\nsubscribe\r\n$2\r\nc1\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$2\r\nc2\r\n:2\r\n"
                 "*3\r\n$9\r\nsubscribe\r\n$17\r\nturnkeeper:events\r\n:3\r\n");
    h.ups = 0;
    ok(loop_until(l, has_come_up, &h), "then it is");
    is_int(h.subscribed, 1, "and says so once");
    redis_link_unsubscribe(link, SV("c1"));
    fake_say(&f, "*3\r\n$7\r\nmessage\r\n$2\r\nc1\r\n$3\r\nold\r\n*3\r\n$7\r\nmessage\r\n$2\r\nc2\r\n$5\r\nhello\r\n");
    ok(loop_until(l, has_heard, &h) && h.messages == 1, "what is not wanted any more is not");
    is_str(fake_command(&f, text, sizeof text), "UNSUBSCRIBE c1", "which the server hears");
    fake_say(&f, "*3\r\n$11\r\nunsubscribe\r\n$2\r\nc1\r\n:2\r\n");
    loop_for(l, 150);
    ok(redis_link_is_up(link), "an answer in time is enough");
    redis_link_close(link);
    fake_close(&f);
}

/* A connection that only listens and hears nothing is tried with a PING, however many channels it has. */
static void idle(struct loop *l)
{
    struct fake f;
    struct heard h = { 0 };
    struct err e;
    char text[200];
    fake_open(&f, l);
    struct redis_link *link = redis_link_open(l,
                                              &(struct redis_link_options){ .host = "127.0.0.1", .port = f.port, .timeout_ms = 100,
                                                                            .idle_ms = 60, .channel = SV("turnkeeper:events"),
                                                                            .on_up = on_up, .on_subscribed = on_subscribed,
                                                                            .arg = &h },
                                              &e);
    if (link == NULL)
        bail_out("%s", e.text);
    fake_accept(&f);
    fake_greet(&f);
    ok(loop_until(l, has_come_up, &h), "up");
    is_str(fake_command(&f, text, sizeof text), "PING", "an idle connection is tried");
    ok(redis_link_subscribe(link, SV("c1")) == 0, "a channel meanwhile");
    is_str(fake_command(&f, text, sizeof text), "SUBSCRIBE c1", "is asked for behind it");
    fake_say(&f, "*2\r\n$4\r\npong\r\n$0\r\n\r\n*3\r\n$9\r\nsubscribe\r\n$2\r\nc1\r\n:2\r\n");
    ok(loop_until(l, has_subscribed, &h) && redis_link_is_up(link), "both are answered");
    is_str(fake_command(&f, text, sizeof text), "PING", "and it is tried again");
    fake_accept(&f);
    is_str(fake_command(&f, text, sizeof text), "SUBSCRIBE c1", "no answer: a new connection, with the channel");
    redis_link_close(link);
    fake_close(&f);
}

int main(void)
{
    struct redis_server s;
    struct rig r = { .backend = &plain, .loop = loop_new(), .arena = arena_new(0, 1u << 30) };
    if (r.loop == NULL || r.arena == NULL)
        bail_out("no memory");
    silent(r.loop);
    idle(r.loop);
    if (redis_server_open(&s, words)) {
        layout(&r, &s);
        wrong_types(&r, &s);
        no_memory(&r, &s);
        channels(&r, &s);
        before_up(&r, &s);
        not_allowed(&r, &s);
        close_in_push(&r, &s);
        redis_server_close(&s);
    } else {
        skip("redis-server is not installed");
    }
    for (int i = 0; i < 3; i++)
        loop_turn(r.loop, false);
    arena_free(r.arena);
    loop_free(r.loop);
    return done_testing();
}
