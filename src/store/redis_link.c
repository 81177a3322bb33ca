/* SPDX-License-Identifier: MIT
 * See redis_link.h. Here: what is in flight, deadlines, replies. How a connection comes about is in redis_connect.c.
 *
 * Bytes of a command stay in `out` until its reply is there, so that it can be repeated when the server has forgotten its script
 * (NOSCRIPT means that nothing was done). Places in the stream are counted from the connection's first byte: out.p[0] is at
 * `base`, what is before `sent` has gone out, and each flight knows from where to where it reaches. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "store/redis_link_inside.h"

#define OUT_KEEPS 65536
#define READS_A_ROUND 16

/* ---- the ring of flights ---- */

static struct flight *flight_at(struct redis_link *l, size_t i)
{
    return &l->flights[(l->flights_head + i) & (l->flights_size - 1)];
}

static bool flight_add(struct redis_link *l, const struct flight *f)
{
    if (l->flights_n == l->flights_size) {
        size_t size = l->flights_size == 0 ? 64 : l->flights_size * 2;
        struct flight *p = calloc(size, sizeof(*p));
        if (p == NULL)
            return false;
        for (size_t i = 0; i < l->flights_n; i++)
            p[i] = *flight_at(l, i);
        free(l->flights);
        l->flights = p;
        l->flights_size = size;
        l->flights_head = 0;
    }
    l->flights_n++;
    l->unsent++;
    *flight_at(l, l->flights_n - 1) = *f;
    return true;
}

static struct flight flight_take(struct redis_link *l)
{
    struct flight f = *flight_at(l, 0);
    l->flights_head = (l->flights_head + 1) & (l->flights_size - 1);
    l->flights_n--;
    return f;
}

void link_tell_lost(struct redis_link *l)
{
    struct flight *all = l->flights;
    size_t n = l->flights_n, head = l->flights_head, size = l->flights_size;
    l->flights = NULL; /* a callback may send anew, or close */
    l->flights_n = l->flights_head = l->flights_size = l->unsent = 0;
    for (size_t i = 0; i < n; i++) {
        const struct flight *f = &all[(head + i) & (size - 1)];
        f->call.done(&f->call, REDIS_LOST, NULL);
    }
    free(all);
}

/* ---- out ---- */

/* The server's time for a command begins when that goes out: this process may have been held up before. */
static void note_sent(struct redis_link *l)
{
    int64_t deadline_ms = clock_mono_ms() + l->timeout_ms;
    for (; l->unsent > 0; l->unsent--) {
        struct flight *f = flight_at(l, l->flights_n - l->unsent);
        if (f->to > l->sent)
            return;
        if (!f->repeated)
            f->deadline_ms = deadline_ms;
    }
}

void link_flush(void *arg)
{
    struct redis_link *l = arg;
    l->flush_under_way = false;
    if (l->state != LINK_UP && l->state != LINK_GREETING)
        return; /* set for a connection that is gone */
    while (l->sent < l->base + l->out.n) {
        size_t at = (size_t)(l->sent - l->base);
        ssize_t n = send(l->fd, l->out.p + at, l->out.n - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            l->sent += (uint64_t)n;
            note_sent(l);
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN)
            loop_fd_want(l->watch, LOOP_READ | LOOP_WRITE);
        else
            link_lost(l, strerror(errno));
        return;
    }
    loop_fd_want(l->watch, LOOP_READ);
}

/* A timer of 0 runs when all events of this round have had their callbacks; set from inside a timer it would wait a
 * millisecond, hence the step between. */
static void arm_flush(void *arg)
{
    struct redis_link *l = arg;
    if (!l->closed)
        loop_timer_set(l->flush, 0);
}

static void want_flush(struct redis_link *l)
{
    if (l->flush_under_way)
        return;
    l->flush_under_way = true;
    loop_soon(l->loop, arm_flush, l);
}

/* Drops what no flight needs any more. */
static void trim(struct redis_link *l)
{
    uint64_t needed = l->flights_n > 0 ? flight_at(l, 0)->from : l->base + l->out.n;
    if (needed > l->sent)
        needed = l->sent;
    size_t n = (size_t)(needed - l->base);
    if (n == l->out.n) {
        if (l->out.size > OUT_KEEPS)
            buf_fini(&l->out);
        else
            buf_clear(&l->out);
    } else if (n > OUT_KEEPS && n > l->out.n / 2) {
        buf_consume(&l->out, n);
    } else {
        return;
    }
    l->base = needed;
}

struct buf *link_begin(struct redis_link *l)
{
    l->began = l->base + l->out.n;
    l->script = -1;
    return &l->out;
}

struct buf *redis_link_begin(struct redis_link *l)
{
    if (l->state != LINK_UP || l->flights_n >= LINK_FLIGHTS_MAX || l->out.n >= LINK_BYTES_MAX)
        return NULL;
    return link_begin(l);
}

struct buf *redis_link_begin_script(struct redis_link *l, size_t script, size_t keys, size_t args)
{
    struct buf *b = redis_link_begin(l);
    if (b == NULL)
        return NULL;
    l->script = (int)script;
    redis_write_head(b, 3 + keys + args);
    redis_write(b, SV("EVALSHA"));
    redis_write(b, (struct sv){ l->scripts[script].sha, SHA_DIGITS });
    redis_write_i64(b, (int64_t)keys);
    return b;
}

static bool end_command(struct redis_link *l, const struct redis_call *call, unsigned n, bool channels)
{
    struct flight f = { .call = *call,
                        .from = l->began,
                        .to = l->base + l->out.n,
                        .script = l->script,
                        .channels = channels,
                        .replies = n };
    f.call.sent_ms = clock_mono_ms();
    f.deadline_ms = f.call.sent_ms + l->timeout_ms;
    if (!buf_ok(&l->out) || !flight_add(l, &f)) {
        l->out.failed = false;
        l->out.n = (size_t)(l->began - l->base);
        return false;
    }
    if (f.deadline_ms < l->clock_at_ms)
        link_set_clock(l, f.deadline_ms);
    want_flush(l);
    return true;
}

bool redis_link_end(struct redis_link *l, const struct redis_call *call)
{
    return end_command(l, call, 1, false);
}

bool redis_link_end_group(struct redis_link *l, const struct redis_call *call, unsigned n)
{
    return end_command(l, call, n, false);
}

bool link_end_channels(struct redis_link *l, const struct redis_call *call, unsigned n)
{
    return end_command(l, call, n, true);
}

/* ---- a script that the server has forgotten ---- */

static void ignore(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    (void)call;
    (void)outcome;
    (void)reply; /* a script that cannot be loaded shows when it is called again */
}

void link_write_script(struct redis_link *l, size_t i)
{
    const struct redis_script *s = l->scripts[i].script;
    struct buf *b = &l->out;
    redis_write_head(b, 3);
    redis_write(b, SV("SCRIPT"));
    redis_write(b, SV("LOAD"));
    if (s->flags == NULL)
        redis_write(b, sv_from(s->text));
    else
        redis_write_joined(b, (struct sv[]){ SV("#!lua flags="), sv_from(s->flags), sv_from(strchr(s->text, '\n')) },
                           3);
}

/* Sends the same bytes once more behind a SCRIPT LOAD; the deadline stays. Commands that were sent before the last reload need no
 * other one. */
static bool repeat(struct redis_link *l, struct flight f)
{
    struct loaded *s = &l->scripts[f.script];
    size_t n = (size_t)(f.to - f.from);
    if (f.from >= s->reloaded_at) {
        (void)link_begin(l);
        link_write_script(l, (size_t)f.script);
        struct flight load = { .call = { .done = ignore },
                               .deadline_ms = f.deadline_ms,
                               .from = l->began,
                               .to = l->base + l->out.n,
                               .script = -1,
                               .replies = 1 };
        if (!buf_ok(&l->out) || !flight_add(l, &load))
            return false;
        s->reloaded_at = load.from;
    }
    char *to = buf_room(&l->out, n);
    if (to == NULL)
        return false;
    memcpy(to, l->out.p + (f.from - l->base), n);
    f.from = l->base + l->out.n;
    buf_grown(&l->out, n);
    f.to = f.from + n;
    f.repeated = true;
    if (!flight_add(l, &f))
        return false;
    want_flush(l);
    return true;
}

/* ---- in ---- */

/* Errors after which this connection is of no use: the server cannot serve, or not us. */
static const char *const useless[] = {
    "LOADING", "READONLY", "MISCONF", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS",
    "BUSY",    "NOAUTH",   "MOVED",   "ASK",        "UNKILLABLE",
};

static bool says(struct sv error, const char *word)
{
    struct sv w = sv_from(word);
    return sv_starts(error, w) && (error.n == w.n || error.p[w.n] == ' ');
}

bool link_is_useless(struct sv error)
{
    for (size_t i = 0; i < ARRAY_LEN(useless); i++) {
        if (says(error, useless[i]))
            return true;
    }
    return false;
}

static void on_error(struct redis_link *l, struct flight *f, const struct redis_reply *reply)
{
    if (says(reply->text, "NOSCRIPT") && f->script >= 0 && !f->repeated && l->state == LINK_UP) {
        if (repeat(l, *f))
            return;
        f->call.done(&f->call, REDIS_LOST, NULL);
        link_lost(l, "no memory");
        return;
    }
    if (l->state != LINK_UP || !link_is_useless(reply->text)) {
        f->call.done(&f->call, says(reply->text, "OOM") ? REDIS_NO_MEMORY : REDIS_REFUSED, reply);
        return;
    }
    struct sv why = sv_cut_utf8(reply->text, REASON_SIZE - 1);
    char text[REASON_SIZE];
    memcpy(text, why.p, why.n);
    text[why.n] = '\0';
    f->call.done(&f->call, REDIS_LOST, NULL);
    link_lost(l, text);
}

static void on_reply(struct redis_link *l, const struct redis_reply *reply)
{
    l->heard_ms = clock_mono_ms();
    if (l->listens && reply->type == REDIS_ARRAY && link_on_message(l, reply))
        return;
    if (l->flights_n == 0 || flight_at(l, 0)->to > l->sent) {
        link_lost(l, "a reply that nobody asked for");
        return;
    }
    struct flight *first = flight_at(l, 0);
    struct redis_reply group = { .type = REDIS_ARRAY, .items = l->group };
    if (first->channels && reply->type == REDIS_ARRAY) {
        if (--first->replies == 0)
            (void)flight_take(l);
        link_on_channel(l, reply);
        return;
    }
    if (!first->channels && (first->replies > 1 || l->group_n > 0)) {
        l->group[l->group_n++] = *reply;
        if (--first->replies > 0)
            return;
        group.n = l->group_n;
        l->group_n = 0;
        reply = &group;
        for (size_t i = group.n; i-- > 0;) {
            if (l->group[i].type == REDIS_ERROR)
                reply = &l->group[i];
        }
    }
    struct flight f = flight_take(l);
    if (reply->type == REDIS_ERROR)
        on_error(l, &f, reply);
    else
        f.call.done(&f.call, REDIS_ANSWERED, reply);
}

/* False: the connection is gone. */
static bool take_replies(struct redis_link *l)
{
    struct err e;
    int fd = l->fd;
    while (!l->closed && l->fd == fd) {
        const struct redis_reply *reply;
        int rc = redis_codec_next(l->codec, l->group_n > 0, &reply, &e);
        if (rc == 0) {
            trim(l);
            return true;
        }
        if (rc < 0)
            link_lost(l, e.text);
        else
            on_reply(l, reply);
    }
    return false;
}

static void on_readable(struct redis_link *l)
{
    struct err e;
    for (unsigned i = 0; i < READS_A_ROUND; i++) {
        ssize_t n = recv(l->fd, l->chunk, sizeof(l->chunk), MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            link_lost(l, n == 0 ? "closed by the server" : strerror(errno));
            return;
        }
        if (redis_codec_feed(l->codec, (struct sv){ l->chunk, (size_t)n }, &e) != 0) {
            link_lost(l, e.text);
            return;
        }
        if (!take_replies(l) || (size_t)n < sizeof(l->chunk))
            return;
    }
}

void link_on_io(void *arg, int events)
{
    struct redis_link *l = arg;
    if (l->state == LINK_CONNECTING) {
        link_on_connected(l);
        return;
    }
    if ((events & LOOP_READ) != 0)
        on_readable(l);
    if (!l->closed && (events & LOOP_WRITE) != 0)
        link_flush(l);
}

/* ---- time ---- */

void link_set_clock(struct redis_link *l, int64_t at_ms)
{
    l->clock_at_ms = at_ms;
    loop_timer_set(l->clock, at_ms - clock_mono_ms());
}

static void ping(struct redis_link *l)
{
    struct buf *b = link_begin(l);
    redis_write_head(b, 1);
    redis_write(b, SV("PING"));
    if (!redis_link_end(l, &(struct redis_call){ .done = ignore }))
        link_lost(l, "no memory");
}

static int64_t earliest_deadline_ms(struct redis_link *l)
{
    int64_t earliest_ms = INT64_MAX;
    for (size_t i = 0; i < l->flights_n; i++) {
        if (flight_at(l, i)->deadline_ms < earliest_ms)
            earliest_ms = flight_at(l, i)->deadline_ms;
    }
    return earliest_ms;
}

/* While UP the timer is set to the earliest deadline that was known when it was set, or later on to the next look at an idle
 * connection: not once a command. */
void link_on_time(struct redis_link *l, int64_t late_ms)
{
    int64_t now_ms = clock_mono_ms(), earliest_ms = earliest_deadline_ms(l);
    if (earliest_ms <= now_ms) { /* when it is this process that was held up, the replies are there */
        on_readable(l);
        if (l->closed || l->state != LINK_UP)
            return;
        earliest_ms = earliest_deadline_ms(l);
    }
    if (earliest_ms <= now_ms && late_ms >= l->timeout_ms / 4) { /* with the whole machine, perhaps */
        link_set_clock(l, now_ms + l->timeout_ms / 4);
        return;
    }
    if (earliest_ms <= now_ms) {
        link_lost(l, "no reply in time");
        return;
    }
    if (earliest_ms != INT64_MAX) {
        link_set_clock(l, earliest_ms);
        return;
    }
    if (now_ms - l->heard_ms < l->idle_ms) {
        link_set_clock(l, l->heard_ms + l->idle_ms);
        return;
    }
    l->clock_at_ms = INT64_MAX; /* the ping sets it to its own deadline */
    ping(l);
}

bool redis_link_is_up(const struct redis_link *l)
{
    return l->state == LINK_UP;
}

const char *redis_link_reason(const struct redis_link *l)
{
    return l->reason;
}
