/* SPDX-License-Identifier: MIT
 * See redis_link.h. Here: how a connection comes about (name, connect, greeting), how it is given up, open and close.
 * The greeting goes out in one write and is answered in order: AUTH, SELECT, the scripts, the types of shared keys, a write that
 * changes nothing, TIME; or AUTH and SUBSCRIBE of all channels. The first error in it ends the try. */
#include "config.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/backoff.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "store/redis_link_inside.h"

#define IDLE_MAX_MS 5000 /* silence after which a connection that is not used is tried */
#define PAUSE_BASE_MS 50
#define PAUSE_CAP_MS 1000

enum greeting { GREET_PLAIN, GREET_SCRIPT, GREET_KEY, GREET_LAST };

static void try_next(struct redis_link *l);

/* ---- giving up ---- */

static void log_reason(struct redis_link *l, const char *reason, bool was_up)
{
    char at[128];
    bool is_unix = l->unix_at.sun_path[0] != '\0';
    if (!was_up && strcmp(l->reason, reason) == 0)
        return; /* told already */
    (void)snprintf(l->reason, sizeof(l->reason), "%s", reason);
    if (is_unix)
        (void)snprintf(at, sizeof(at), "%s", l->unix_at.sun_path);
    else
        (void)snprintf(at, sizeof(at), "%s:%d", l->host, l->port);
    log_warning(was_up ? "redis: connection lost" : "redis: cannot connect", "server", at, "reason", reason, "for",
                l->listens ? "events" : "commands", NULL);
}

static void hang_up(struct redis_link *l)
{
    loop_fd_free(l->watch);
    l->watch = NULL;
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
    loop_timer_stop(l->clock);
    l->clock_at_ms = INT64_MAX;
    resolve_cancel(l->resolve);
    l->resolve = NULL;
    buf_fini(&l->out);
    l->base = l->sent = l->began = 0;
    l->group_n = 0;
    for (size_t i = 0; i < l->scripts_n; i++)
        l->scripts[i].reloaded_at = 0;
}

void link_lost(struct redis_link *l, const char *reason)
{
    if (l->closed)
        return;
    log_reason(l, reason, l->state == LINK_UP);
    hang_up(l);
    l->state = LINK_WAITING;
    link_set_clock(l, clock_mono_ms() + backoff_ms(l->attempts, PAUSE_BASE_MS, PAUSE_CAP_MS));
    if (l->attempts < 30)
        l->attempts++;
    link_tell_lost(l);
}

/* ---- greeting ---- */

static void greeted(struct redis_link *l, int64_t time_ms)
{
    if (!l->listens && time_ms == 0) {
        link_lost(l, "no time of day");
        return;
    }
    if (l->reason[0] != '\0')
        log_info("redis: connected", "for", l->listens ? "events" : "commands", NULL);
    l->reason[0] = '\0';
    l->attempts = 0;
    l->state = LINK_UP;
    l->heard_ms = clock_mono_ms();
    link_set_clock(l, l->heard_ms + l->timeout_ms);
    if (l->on_up != NULL)
        l->on_up(l->arg, time_ms);
}

static void refuse(struct redis_link *l, struct sv error)
{
    char text[REASON_SIZE];
    const char *args = memmem(error.p, error.n, ", with args", 11); /* of a command that it does not know: AUTH has the password there */
    if (args != NULL)
        error.n = (size_t)(args - error.p);
    error = sv_cut_utf8(error, sizeof(text) / 2);
    (void)snprintf(text, sizeof(text), "refused: %.*s", SV_FMT(error));
    link_lost(l, text);
}

static bool key_fits(struct redis_link *l, const struct redis_shared_key *k, struct sv type)
{
    if (sv_eq(type, SV("none")) || sv_eq(type, sv_from(k->type)))
        return true;
    char text[REASON_SIZE];
    (void)snprintf(text, sizeof(text), "the key %s is not a %s: is this database shared with another program?", k->name,
                   k->type);
    link_lost(l, text);
    return false;
}

static void on_greeting(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct redis_link *l = call->owner;
    size_t i = call->number;
    if (outcome == REDIS_LOST || l->state != LINK_GREETING)
        return;
    if (outcome != REDIS_ANSWERED) {
        refuse(l, reply->text);
        return;
    }
    switch ((enum greeting)(uintptr_t)call->arg) {
    case GREET_PLAIN:
        return;
    case GREET_SCRIPT:
        if (reply->type != REDIS_STRING || reply->text.n != SHA_DIGITS)
            link_lost(l, "no digest of a script");
        else
            memcpy(l->scripts[i].sha, reply->text.p, SHA_DIGITS);
        return;
    case GREET_KEY:
        (void)key_fits(l, &l->keys[i], reply->text);
        return;
    case GREET_LAST:
        greeted(l, redis_time_ms(reply));
        return;
    }
}

static void greet_end(struct redis_link *l, enum greeting what, size_t i)
{
    struct redis_call call = { .done = on_greeting, .owner = l, .arg = (void *)(uintptr_t)what, .number = i };
    if (!redis_link_end(l, &call))
        link_lost(l, "no memory");
}

/* NULL ends the words. */
static void greet_word(struct redis_link *l, enum greeting what, size_t i, const char *a, const char *b, const char *c)
{
    if (l->state != LINK_GREETING)
        return; /* memory was short a moment ago */
    struct buf *out = link_begin(l);
    redis_write_head(out, b == NULL ? 1 : c == NULL ? 2 : 3);
    redis_write(out, sv_from(a));
    if (b != NULL)
        redis_write(out, sv_from(b));
    if (b != NULL && c != NULL)
        redis_write(out, sv_from(c));
    greet_end(l, what, i);
}

static void greet_commands(struct redis_link *l)
{
    char number[12];
    (void)snprintf(number, sizeof(number), "%d", l->database);
    if (l->database != 0)
        greet_word(l, GREET_PLAIN, 0, "SELECT", number, NULL);
    for (size_t i = 0; i < l->scripts_n && l->state == LINK_GREETING; i++) {
        (void)link_begin(l);
        link_write_script(l, i);
        greet_end(l, GREET_SCRIPT, i);
    }
    for (size_t i = 0; i < l->keys_n; i++)
        greet_word(l, GREET_KEY, i, "TYPE", l->keys[i].name, NULL);
    /* a write, which a server refuses that cannot take any, and that needs no memory */
    greet_word(l, GREET_PLAIN, 0, "DEL", "turnkeeper:probe", NULL);
    greet_word(l, GREET_LAST, 0, "TIME", NULL, NULL);
}

static void greet(struct redis_link *l)
{
    l->state = LINK_GREETING;
    if (l->password[0] != '\0' && l->user[0] != '\0')
        greet_word(l, GREET_PLAIN, 0, "AUTH", l->user, l->password);
    else if (l->password[0] != '\0')
        greet_word(l, GREET_PLAIN, 0, "AUTH", l->password, NULL);
    if (l->listens && !link_write_channels(l, on_greeting))
        link_lost(l, "no memory");
    else if (l->listens)
        greet_word(l, GREET_LAST, 0, "SUBSCRIBE", l->channel.p, NULL);
    else
        greet_commands(l);
}

/* ---- connecting ---- */

/* Where nobody listens on a port of the kernel's own range, a connection to it may be given that very port and meet itself. */
static bool is_itself(int fd)
{
    struct sockaddr_storage here = { 0 }, there = { 0 };
    socklen_t a = sizeof(here), b = sizeof(there);
    return getsockname(fd, (struct sockaddr *)&here, &a) == 0 && getpeername(fd, (struct sockaddr *)&there, &b) == 0 &&
           here.ss_family != AF_UNIX && a == b && memcmp(&here, &there, a) == 0;
}

static void connected(struct redis_link *l)
{
    int yes = 1;
    if (is_itself(l->fd)) {
        link_lost(l, strerror(ECONNREFUSED));
        return;
    }
    if (l->unix_at.sun_path[0] == '\0' && setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) != 0) {
        link_lost(l, strerror(errno));
        return;
    }
    if (redis_codec_reset(l->codec) != 0) {
        link_lost(l, "no memory");
        return;
    }
    loop_fd_want(l->watch, LOOP_READ);
    greet(l);
}

void link_on_connected(struct redis_link *l)
{
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error == 0) {
        connected(l);
        return;
    }
    if (l->tried < l->found.n)
        try_next(l);
    else
        link_lost(l, strerror(error));
}

/* 0: under way; else an errno value. */
static int start_connect(struct redis_link *l, const struct sockaddr *to, socklen_t size)
{
    loop_fd_free(l->watch);
    l->watch = NULL;
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return errno;
    if (connect(l->fd, to, size) != 0 && errno != EINPROGRESS)
        return errno;
    l->watch = loop_fd_new(l->loop, l->fd, link_on_io, l);
    if (l->watch == NULL)
        return ENOMEM;
    loop_fd_want(l->watch, LOOP_WRITE);
    return 0;
}

static void try_next(struct redis_link *l)
{
    int error = EADDRNOTAVAIL;
    while (error != 0 && l->tried < l->found.n) {
        /* each round of tries begins with another address: the first may be one that swallows what is sent to it */
        const struct address *a = &l->found.all[(l->attempts + l->tried++) % l->found.n];
        error = start_connect(l, (const struct sockaddr *)&a->at, a->size);
    }
    if (error != 0)
        link_lost(l, strerror(error));
}

static void start_tries(struct redis_link *l)
{
    l->state = LINK_CONNECTING;
    l->tried = 0;
    link_set_clock(l, clock_mono_ms() + l->timeout_ms);
    try_next(l);
}

static void on_resolved(void *arg, const struct resolved *found)
{
    struct redis_link *l = arg;
    l->resolve = NULL;
    if (found->n == 0) {
        link_lost(l, found->error);
        return;
    }
    l->found = *found;
    start_tries(l);
}

static void start(struct redis_link *l)
{
    struct err e;
    if (l->unix_at.sun_path[0] != '\0') {
        l->found.n = 1;
        memcpy(&l->found.all[0].at, &l->unix_at, sizeof(l->unix_at));
        l->found.all[0].size = sizeof(l->unix_at);
        start_tries(l);
        return;
    }
    l->state = LINK_RESOLVING;
    l->resolve = resolve_start(l->loop, l->host, l->port, on_resolved, l, &e);
    if (l->resolve == NULL)
        link_lost(l, e.text);
}

static void on_clock(void *arg)
{
    struct redis_link *l = arg;
    int64_t now_ms = clock_mono_ms(), late_ms = now_ms - l->clock_at_ms;
    l->clock_at_ms = INT64_MAX;
    switch (l->state) {
    case LINK_WAITING:
        start(l);
        return;
    case LINK_RESOLVING:
        return;
    case LINK_CONNECTING:
    case LINK_GREETING:
        if (late_ms >= l->timeout_ms / 4) /* this process was held up: what it waits for may be there */
            link_set_clock(l, now_ms + l->timeout_ms / 4);
        else
            link_lost(l, "no connection in time");
        return;
    case LINK_UP:
        link_on_time(l, late_ms);
        return;
    }
}

/* ---- open, close ---- */

static void destroy(void *arg)
{
    struct redis_link *l = arg;
    redis_codec_free(l->codec);
    free(l->flights);
    free(l->scripts);
    free(l->host);
    free(l->user);
    free(l->password);
    free((void *)(uintptr_t)l->channel.p);
    map_free(l->channels);
    free(l);
}

static char *copy_of(const char *text)
{
    return strdup(text != NULL ? text : "");
}

static int set_up(struct redis_link *l, const struct redis_link_options *o)
{
    l->host = copy_of(o->host);
    l->user = copy_of(o->user);
    l->password = copy_of(o->password);
    l->scripts = calloc(o->scripts_n + 1, sizeof(*l->scripts));
    l->codec = redis_codec_new(REPLY_BYTES_MAX);
    l->clock = loop_timer_new(l->loop, on_clock, l);
    l->flush = loop_timer_new(l->loop, link_flush, l);
    if (o->channel.p != NULL) {
        char *channel = strndup(o->channel.p, o->channel.n);
        l->channel = (struct sv){ channel, o->channel.n };
        l->channels = map_new();
        l->listens = true;
        if (channel == NULL || l->channels == NULL)
            return -1;
    }
    if (l->host == NULL || l->user == NULL || l->password == NULL || l->scripts == NULL || l->codec == NULL ||
        l->clock == NULL || l->flush == NULL)
        return -1;
    for (size_t i = 0; i < o->scripts_n; i++)
        l->scripts[i].script = &o->scripts[i];
    return 0;
}

struct redis_link *redis_link_open(struct loop *loop, const struct redis_link_options *o, struct err *e)
{
    struct redis_link *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        (void)err_set(e, ERR_MEMORY, "redis: no memory");
        return NULL;
    }
    *l = (struct redis_link){ .loop = loop,
                              .fd = -1,
                              .port = o->port,
                              .database = o->database,
                              .timeout_ms = o->timeout_ms,
                              .idle_ms = o->idle_ms > 0 && o->idle_ms < IDLE_MAX_MS ? o->idle_ms : IDLE_MAX_MS,
                              .scripts_n = o->scripts_n,
                              .keys = o->keys,
                              .keys_n = o->keys_n,
                              .on_up = o->on_up,
                              .on_message = o->on_message,
                              .on_subscribed = o->on_subscribed,
                              .arg = o->arg,
                              .clock_at_ms = INT64_MAX };
    size_t n = o->unix_path != NULL ? strlen(o->unix_path) : 0;
    if (n >= sizeof(l->unix_at.sun_path)) {
        free(l);
        (void)err_set(e, ERR_RANGE, "redis: the socket's path is over %zu bytes", sizeof(l->unix_at.sun_path) - 1);
        return NULL;
    }
    l->unix_at.sun_family = AF_UNIX;
    memcpy(l->unix_at.sun_path, o->unix_path != NULL ? o->unix_path : "", n);
    if (set_up(l, o) != 0) {
        loop_timer_free(l->clock);
        loop_timer_free(l->flush);
        destroy(l);
        (void)err_set(e, ERR_MEMORY, "redis: no memory");
        return NULL;
    }
    link_set_clock(l, clock_mono_ms());
    return l;
}

/* A step of the loop may still come (arm_flush), and a caller may be inside a callback: the memory goes behind both. */
void redis_link_close(struct redis_link *l)
{
    if (l == NULL)
        return;
    hang_up(l);
    l->state = LINK_WAITING;
    l->closed = true;
    loop_timer_free(l->clock);
    loop_timer_free(l->flush);
    link_tell_lost(l);
    loop_soon(l->loop, destroy, l);
}
