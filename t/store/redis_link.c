/* SPDX-License-Identifier: MIT
 * Tests src/store/redis_link.c and what it stands on: order, deadlines, loss and return, greeting, forgotten scripts, strange
 * peers. Half of it against a real redis-server, half against a fake one. */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/clock.h"
#include "store/redis_link.h"
#include "t/store/redis_server.h"
#include "t/tap.h"

#define MANY 1000
#define MEGABYTE (1u << 20)

static const char *const no_disk[] = { "--save", "", "--appendonly", "no", NULL };

/* ---- a link and what it has told ---- */

struct user {
    struct loop *loop;
    struct redis_link *link;
    unsigned ups, messages;
    char last[64]; /* message */
    int64_t time_ms;
    unsigned waiting; /* calls without an answer */
    unsigned answered, refused, lost, no_memory, out_of_order;
    uint64_t expected;
    struct buf text; /* of the last answer: strings joined by blanks */
    bool close_inside;
};

static void on_up(void *arg, int64_t time_ms)
{
    struct user *u = arg;
    u->ups++;
    u->time_ms = time_ms;
}

static void on_message(void *arg, struct sv channel, struct sv message)
{
    struct user *u = arg;
    is_sv(channel, SV("news"), "a message says where it came from");
    u->messages++;
    (void)snprintf(u->last, sizeof(u->last), "%.*s", SV_FMT(message));
}

static struct user *user_of(struct loop *l)
{
    struct user *u = calloc(1, sizeof(*u));
    if (u == NULL)
        bail_out("no memory");
    u->loop = l;
    return u;
}

static void open_with(struct user *u, const struct redis_link_options *from)
{
    struct err e;
    struct redis_link_options o = *from;
    o.host = o.host != NULL ? o.host : "127.0.0.1";
    o.timeout_ms = o.timeout_ms > 0 ? o.timeout_ms : 5000;
    o.on_up = on_up;
    o.on_message = on_message;
    o.arg = u;
    u->link = redis_link_open(u->loop, &o, &e);
    if (u->link == NULL)
        bail_out("%s", e.text);
}

static void user_close(struct user *u)
{
    redis_link_close(u->link);
    loop_turn(u->loop, false);
    loop_turn(u->loop, false);
    is_int(u->waiting, 0, "every call was answered");
    buf_fini(&u->text);
    free(u);
}

static bool is_up(void *arg)
{
    return redis_link_is_up(((struct user *)arg)->link);
}

static bool is_down(void *arg)
{
    return !is_up(arg);
}

static bool is_quiet(void *arg)
{
    return ((struct user *)arg)->waiting == 0;
}

static bool has_message(void *arg)
{
    return ((struct user *)arg)->messages > 0;
}

static void must_come_up(struct user *u, const char *what)
{
    ok(loop_until(u->loop, is_up, u), "%s", what);
}

static void add_text(struct buf *b, const struct redis_reply *r)
{
    if (b->n > 0)
        buf_addc(b, ' ');
    if (r->type == REDIS_INTEGER)
        buf_i64(b, r->integer);
    else
        buf_add(b, r->text);
    for (size_t i = 0; i < r->n; i++)
        add_text(b, &r->items[i]);
}

static void on_done(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct user *u = call->owner;
    u->waiting--;
    u->answered += outcome == REDIS_ANSWERED;
    u->refused += outcome == REDIS_REFUSED;
    u->lost += outcome == REDIS_LOST;
    u->no_memory += outcome == REDIS_NO_MEMORY;
    if (call->number != u->expected++)
        u->out_of_order++;
    if ((reply == NULL) != (outcome == REDIS_LOST))
        ok(false, "a reply comes unless it is lost");
    buf_clear(&u->text);
    if (reply != NULL)
        add_text(&u->text, reply);
    if (u->close_inside) {
        struct redis_link *l = u->link;
        u->close_inside = false;
        redis_link_close(l);
    }
}

/* `words` are blank-separated. */
static void write_words(struct buf *b, const char *words)
{
    struct sv rest = sv_from(words), count = rest;
    size_t n = 0;
    while (count.p != NULL) {
        (void)sv_split(&count, ' ');
        n++;
    }
    redis_write_head(b, n);
    while (rest.p != NULL)
        redis_write(b, sv_split(&rest, ' '));
}

static bool ask_as(struct user *u, const char *words, uint64_t number)
{
    struct buf *b = redis_link_begin(u->link);
    if (b == NULL)
        return false;
    write_words(b, words);
    u->waiting++;
    return redis_link_end(u->link, &(struct redis_call){ .done = on_done, .owner = u, .number = number });
}

static bool ask(struct user *u, const char *words)
{
    u->expected = 0;
    return ask_as(u, words, 0);
}

/* Asks and waits; the answer's text. */
static const char *answer(struct user *u, const char *words)
{
    if (!ask(u, words) || !loop_until(u->loop, is_quiet, u))
        return "(none)";
    return buf_sv(&u->text).p;
}

/* ---- the real server ---- */

static void order(struct loop *l, const struct redis_server *s)
{
    struct user *u = user_of(l);
    char words[40];
    open_with(u, &(struct redis_link_options){ .port = s->port });
    ok(!is_up(u) && redis_link_begin(u->link) == NULL, "not up before the loop has turned");
    must_come_up(u, "comes up");
    ok(u->time_ms > 1600000000000, "with the server's clock");
    is_str(answer(u, "PING"), "PONG", "answers");
    unsigned asked = 0;
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(words, sizeof(words), "ECHO %u", i);
        asked += ask_as(u, words, i + 1);
    }
    is_int(asked, MANY, "a thousand commands at once");
    u->expected = 1;
    ok(loop_until(l, is_quiet, u), "are answered");
    is_int(u->out_of_order, 0, "in their order");
    is_str(buf_sv(&u->text).p, "999", "each with its own reply");
    is_str(answer(u, "NOSUCH"), "ERR unknown command 'NOSUCH', with args beginning with: ", "an error is a reply");
    is_int(u->refused, 1, "of its own kind");
    struct buf *b = redis_link_begin(u->link);
    write_words(b, "SET a 1");
    write_words(b, "GET a");
    write_words(b, "HGET a x");
    u->waiting++;
    u->expected = 0;
    ok(redis_link_end_group(u->link, &(struct redis_call){ .done = on_done, .owner = u }, 3), "a group");
    (void)loop_until(l, is_quiet, u);
    is_int(u->refused, 2, "is refused when one of its commands is");
    b = redis_link_begin(u->link);
    write_words(b, "SET a 12");
    write_words(b, "GET a");
    u->waiting++;
    u->expected = 0;
    ok(redis_link_end_group(u->link, &(struct redis_call){ .done = on_done, .owner = u }, 2), "a group");
    (void)loop_until(l, is_quiet, u);
    is_str(buf_sv(&u->text).p, "OK 12", "is answered as an array");
    u->close_inside = true;
    ok(ask(u, "PING") && ask_as(u, "PING", 1), "two more");
    (void)loop_until(l, is_quiet, u);
    is_int(u->lost, 1, "the first one's callback closes the link: the second is lost");
    u->link = NULL;
    user_close(u);
}

static void large(struct loop *l, const struct redis_server *s)
{
    struct user *u = user_of(l);
    char *text = malloc(MEGABYTE);
    open_with(u, &(struct redis_link_options){ .port = s->port });
    must_come_up(u, "comes up");
    memset(text, 'x', MEGABYTE);
    text[17] = '\r';
    text[18] = '\0';
    for (unsigned i = 0; i < 16; i++) {
        struct buf *b = redis_link_begin(u->link);
        redis_write_head(b, 3);
        redis_write(b, SV("SET"));
        redis_write_joined(b, (struct sv[]){ SV("big"), SV(""), SV("!") }, 3);
        redis_write(b, (struct sv){ text, MEGABYTE });
        u->waiting++;
        ok(redis_link_end(u->link, &(struct redis_call){ .done = on_done, .owner = u, .number = 2 * i }), "1 MB out");
        ok(ask_as(u, "GET big!", 2 * i + 1), "and in again");
    }
    u->expected = 0;
    ok(loop_until(l, is_quiet, u), "all come back");
    ok(u->answered == 32 && u->out_of_order == 0, "in order");
    ok(u->text.n == MEGABYTE && memcmp(u->text.p, text, MEGABYTE) == 0, "byte by byte");
    free(text);
    user_close(u);
}

static void stopped(struct loop *l, struct redis_server *s)
{
    struct user *u = user_of(l);
    open_with(u, &(struct redis_link_options){ .port = s->port, .timeout_ms = 150 });
    must_come_up(u, "comes up");
    redis_server_signal(s, SIGSTOP);
    int64_t before_ms = clock_mono_ms();
    ok(ask_as(u, "INCR stopped", 0) && ask_as(u, "ECHO late", 1), "two commands to a server that is stopped");
    ok(loop_until(l, is_quiet, u), "are answered");
    ok(clock_mono_ms() - before_ms >= 150, "not before their time");
    is_int(u->lost, 2, "as lost");
    ok(is_down(u) && !ask(u, "PING"), "the link is down and takes nothing");
    loop_for(l, 200);
    ok(is_down(u), "and stays so");
    redis_server_signal(s, SIGCONT);
    must_come_up(u, "it is back when the server is");
    is_str(answer(u, "ECHO new"), "new", "no late reply is taken for a new one");
    is_str(answer(u, "GET stopped"), "1", "a lost command may have been done");
    is_int(u->ups, 2, "it told both times");
    user_close(u);
}

/* The process itself was held up, so many turns after it asked: nothing is late for that. */
static void held_up(struct loop *l, const struct redis_server *s, unsigned turns)
{
    struct user *u = user_of(l);
    open_with(u, &(struct redis_link_options){ .port = s->port, .timeout_ms = 100 });
    must_come_up(u, "comes up");
    ok(ask(u, "ECHO in-time"), "a command");
    for (unsigned i = 0; i < turns; i++)
        loop_turn(l, false);
    (void)nanosleep(&(struct timespec){ 0, 300000000 }, NULL);
    (void)loop_until(l, is_quiet, u);
    ok(u->answered == 1 && u->lost == 0 && is_up(u), "is answered although we were late, after %u turns", turns);
    user_close(u);
}

static void killed(struct loop *l, struct redis_server *s)
{
    struct user *u = user_of(l), *listener = user_of(l);
    open_with(u, &(struct redis_link_options){ .port = s->port });
    open_with(listener, &(struct redis_link_options){ .port = s->port, .channel = SV("news") });
    must_come_up(u, "commands");
    must_come_up(listener, "events");
    is_str(answer(u, "PUBLISH news hello"), "1", "told to one");
    ok(loop_until(l, has_message, listener), "who hears it");
    is_str(listener->last, "hello", "as it was");
    ok(ask(u, "BLPOP nothing 5"), "a command that takes long");
    loop_turn(l, true);
    redis_server_signal(s, SIGKILL);
    ok(loop_until(l, is_quiet, u), "ends with its server");
    is_int(u->lost, 1, "lost");
    ok(loop_until(l, is_down, listener), "events are down too");
    redis_server_start(s, no_disk);
    must_come_up(u, "both come back");
    must_come_up(listener, "on their own");
    is_int(listener->ups, 2, "and say so");
    listener->messages = 0;
    is_str(answer(u, "PUBLISH news again"), "1", "told anew");
    ok(loop_until(l, has_message, listener), "and are subscribed again");
    user_close(listener);
    user_close(u);
}

static void at_once(struct user *u)
{
    for (unsigned i = 0; i < 50; i++) {
        struct buf *b = redis_link_begin_script(u->link, i % 2, 1, 1);
        redis_write(b, SV("sum"));
        redis_write_i64(b, 1);
        u->waiting++;
        if (!redis_link_end(u->link, &(struct redis_call){ .done = on_done, .owner = u, .number = i }))
            ok(false, "asks");
    }
    (void)loop_until(u->loop, is_quiet, u);
}

static void scripts(struct loop *l, const struct redis_server *s)
{
    static const struct redis_script all[] = {
        { .text = "#!lua\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])\n" },
        { .text = "#!lua flags=no-writes\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])\n", .flags = "allow-oom" },
    };
    struct user *u = user_of(l);
    open_with(u, &(struct redis_link_options){ .port = s->port, .scripts = all, .scripts_n = 2 });
    must_come_up(u, "scripts are loaded");
    at_once(u);
    is_str(buf_sv(&u->text).p, "50", "and run, the second with other flags than its own");
    is_str(redis_server_say(s, "SCRIPT FLUSH"), "OK", "the server forgets them");
    at_once(u);
    is_int(u->answered, 100, "nobody notices");
    is_str(redis_server_say(s, "GET sum"), "100", "each was done once");
    is_str(redis_server_say(s, "SCRIPT FLUSH"), "OK", "again");
    at_once(u);
    is_str(redis_server_say(s, "GET sum"), "150", "again");
    is_int(u->ups, 1, "on one connection");
    user_close(u);
}

static void refusing(struct loop *l, const struct redis_server *s)
{
    struct user *u = user_of(l);
    open_with(u, &(struct redis_link_options){ .port = s->port });
    must_come_up(u, "comes up");
    (void)redis_server_say(s, "REPLICAOF 127.0.0.1 1");
    ok(ask(u, "SET a 1") && loop_until(l, is_quiet, u), "a write on a server that has become a replica");
    is_int(u->lost, 1, "is lost");
    loop_for(l, 150);
    ok(is_down(u), "the link stays down: the greeting's write is refused");
    ok(strstr(redis_link_reason(u->link), "refused: READONLY") != NULL, "which is its reason");
    (void)redis_server_say(s, "REPLICAOF NO ONE");
    must_come_up(u, "until it is a master again");
    is_str(redis_link_reason(u->link), "", "and has none any more");
    (void)redis_server_say(s, "CONFIG SET maxmemory 1");
    ok(ask(u, "SET a 1") && loop_until(l, is_quiet, u), "a write without memory");
    ok(u->no_memory == 1 && is_up(u), "is refused, the link stays");
    (void)redis_server_say(s, "CONFIG SET maxmemory 0");
    user_close(u);
    (void)redis_server_say(s, "SET due 1");
    static const struct redis_shared_key keys[] = { { "message_queue", "list" }, { "due", "zset" } };
    u = user_of(l);
    open_with(u, &(struct redis_link_options){ .port = s->port, .keys = keys, .keys_n = 2 });
    loop_for(l, 150);
    ok(is_down(u), "a database where a name is taken by something else is not used");
    (void)redis_server_say(s, "DEL due");
    must_come_up(u, "until it is free");
    user_close(u);
}

static void credentials(struct loop *l)
{
    static const char *const secret[] = { "--save", "",   "--requirepass", "secret", "--user", "keeper", "on", ">key",
                                          "~*",     "&*", "+@all",         NULL };
    static const struct {
        const char *user, *password, *name;
        bool comes_up;
    } tries[] = {
        { "", "secret", "a password", true },
        { "keeper", "key", "a user with a password", true },
        { "", "wrong", "a wrong password", false },
        { "", "", "no password", false },
        { "keeper", "secret", "another one's password", false },
    };
    struct redis_server s;
    if (!redis_server_open(&s, secret))
        return;
    for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
        struct user *u = user_of(l), *listener = user_of(l);
        struct redis_link_options o = {
            .port = s.port, .user = tries[i].user, .password = tries[i].password, .database = 3
        };
        open_with(u, &o);
        o.channel = SV("news");
        open_with(listener, &o);
        if (tries[i].comes_up) {
            must_come_up(u, tries[i].name);
            must_come_up(listener, "and for events");
            has_str(answer(u, "CLIENT INFO"), "db=3", "in its database");
        } else {
            loop_for(l, 100);
            ok(is_down(u) && is_down(listener), "%s", tries[i].name);
        }
        user_close(listener);
        user_close(u);
    }
    redis_server_close(&s);
}

static void names(struct loop *l, const struct redis_server *s)
{
    struct user *u = user_of(l), *nobody = user_of(l);
    open_with(u, &(struct redis_link_options){ .host = "localhost", .port = s->port });
    open_with(nobody, &(struct redis_link_options){ .host = "no-such-host.invalid", .port = s->port });
    must_come_up(u, "a name is looked up");
    is_str(answer(u, "PING"), "PONG", "and used");
    ok(is_down(nobody), "another leads nowhere");
    user_close(nobody);
    user_close(u);
    for (unsigned i = 0; i < 20; i++) { /* closed while the thread is at work */
        u = user_of(l);
        open_with(u, &(struct redis_link_options){ .host = "localhost", .port = s->port });
        loop_turn(l, false);
        redis_link_close(u->link);
        loop_turn(l, false);
        free(u);
    }
}

/* ---- the fake one ---- */

static void one_write(struct loop *l)
{
    struct fake f;
    struct user *u = user_of(l);
    char text[200];
    fake_open(&f, l);
    open_with(u, &(struct redis_link_options){ .port = f.port });
    fake_accept(&f);
    fake_greet(&f);
    must_come_up(u, "a friendly fake");
    is_int(u->time_ms, 1700000000123, "tells its time");
    ok(ask_as(u, "GET a", 0) && ask_as(u, "GET b", 1), "two commands in one round");
    is_str(fake_command(&f, text, sizeof(text)), "GET a", "the first");
    is_sv(buf_sv(&f.got), SV("*2\r\n$3\r\nGET\r\n$1\r\nb\r\n"), "the second came with the same read");
    is_str(fake_command(&f, text, sizeof(text)), "GET b", "whole");
    static const char reply[] = "$5\r\nhe\r\nx\r\n*3\r\n:-7\r\n$-1\r\n*1\r\n+yes\r\n";
    u->expected = 0;
    for (size_t i = 0; reply[i] != '\0'; i++) { /* byte by byte */
        fake_say(&f, (char[]){ reply[i], '\0' });
        loop_turn(l, false);
    }
    ok(loop_until(l, is_quiet, u), "replies in single bytes");
    is_str(buf_sv(&u->text).p, "-7   yes", "are put together");
    is_int(u->answered, 2, "both");
    user_close(u);
    fake_close(&f);
}

static void strange(struct loop *l)
{
    static const char *const replies[] = {
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "$-7\r\n",
        "*-2\r\n",
        "$99999999999999999999\r\n",
        "*2147483647\r\n:1\r\n",
        ":12a\r\n",
        "%2\r\n",
        "\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
        "+OK\r\n+more\r\n",
        "$3\r\nabcd\r\n+x\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-READONLY You can't write against a read only replica.\r\n",
        "-MISCONF Redis is configured to save RDB snapshots\r\n",
        "-CLUSTERDOWN Hash slot not served\r\n",
        "-BUSY running\r\n",
        "-MOVED 1 127.0.0.1:1\r\n",
        "-NOAUTH Authentication required.\r\n",
        "",
    };
    for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
        struct fake f;
        struct user *u = user_of(l);
        char text[200];
        fake_open(&f, l);
        open_with(u, &(struct redis_link_options){ .port = f.port });
        fake_accept(&f);
        fake_greet(&f);
        (void)loop_until(l, is_up, u);
        ok(ask(u, "GET a"), "a command");
        (void)fake_command(&f, text, sizeof(text));
        fake_say(&f, replies[i]);
        if (replies[i][0] == '\0')
            fake_hang_up(&f);
        ok(loop_until(l, is_down, u), "strange reply %zu ends the connection", i);
        ok(u->waiting == 0 && u->lost + u->answered == 1, "the command has its answer");
        fake_accept(&f);
        fake_greet(&f);
        must_come_up(u, "and another one is tried");
        user_close(u);
        fake_close(&f);
    }
}

static void greetings(struct loop *l)
{
    static const char *const replies[] = {
        "+OK\r\n", "-ERR user_script:1: unexpected symbol near '#'\r\n",
        ":1\r\n",  "$-1\r\n",
        "*0\r\n",  "-MISCONF no disk\r\n",
        "garbage", "",
    };
    static const struct redis_script script[] = { { .text = "#!lua\nreturn 1\n" } };
    for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
        struct fake f;
        struct user *u = user_of(l);
        char text[200];
        fake_open(&f, l);
        open_with(u, &(struct redis_link_options){ .port = f.port, .scripts = script, .scripts_n = 1 });
        fake_accept(&f);
        is_str(fake_command(&f, text, sizeof(text)), "SCRIPT LOAD #!lua\nreturn 1\n", "the script");
        fake_say(&f, replies[i]);
        if (replies[i][0] == '\0')
            fake_hang_up(&f);
        else if (replies[i][0] == 'g')
            fake_say(&f, "\r\n");
        fake_accept(&f); /* it tries anew */
        ok(is_down(u), "odd greeting %zu is not taken", i);
        fake_greet(&f);
        must_come_up(u, "until it is");
        user_close(u);
        fake_close(&f);
    }
}

static void silent(struct loop *l)
{
    struct fake f;
    struct user *u = user_of(l);
    char text[200];
    fake_open(&f, l);
    open_with(u, &(struct redis_link_options){ .port = f.port, .timeout_ms = 60 });
    fake_accept(&f);
    (void)fake_command(&f, text, sizeof(text)); /* and not a word */
    fake_accept(&f);
    ok(is_down(u), "a server that accepts and says nothing is given up");
    fake_greet(&f);
    must_come_up(u, "and tried again");
    fake_hang_up(&f);
    ok(loop_until(l, is_down, u), "a lost connection is noticed without a command");
    user_close(u);
    fake_close(&f);
}

int main(void)
{
    struct redis_server s;
    struct loop *l = loop_new();
    one_write(l);
    strange(l);
    greetings(l);
    silent(l);
    if (redis_server_open(&s, no_disk)) {
        order(l, &s);
        large(l, &s);
        stopped(l, &s);
        for (unsigned turns = 0; turns < 4; turns++)
            held_up(l, &s, turns);
        killed(l, &s);
        scripts(l, &s);
        refusing(l, &s);
        names(l, &s);
        redis_server_close(&s);
        credentials(l);
    } else {
        skip("redis-server is not installed");
    }
    loop_free(l);
    return done_testing();
}
