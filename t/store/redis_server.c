/* SPDX-License-Identifier: MIT
 * See redis_server.h. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "t/store/redis_server.h"
#include "t/tap.h"

#define SERVER "/usr/bin/redis-server"
#define PATIENCE_MS 20000
#define WORDS_MAX 40

static int64_t real_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int listen_on(int *port)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons((uint16_t)*port) };
    socklen_t size = sizeof(at);
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 16) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        bail_out("no listening socket");
    *port = ntohs(at.sin_port);
    return fd;
}

/* ---- the real one ---- */

static redisContext *admin_of(const struct redis_server *s)
{
    return redisConnectWithTimeout("127.0.0.1", s->port, (struct timeval){ 5, 0 });
}

void redis_server_start(struct redis_server *s, const char *const *more)
{
    char port[12];
    const char *words[WORDS_MAX] = { "redis-server", "--port", port,        "--bind", "127.0.0.1",
                                     "--dir",        s->dir,   "--logfile", "log" };
    size_t n = 9;
    (void)snprintf(port, sizeof(port), "%d", s->port);
    while (more != NULL && *more != NULL && n + 1 < WORDS_MAX)
        words[n++] = *more++;
    s->pid = fork();
    if (s->pid == 0) {
        (void)execv(SERVER, (char *const *)(uintptr_t)words);
        _exit(127);
    }
    int64_t until_ms = real_ms() + PATIENCE_MS;
    for (;;) {
        redisContext *c = admin_of(s);
        redisReply *r = c != NULL && c->err == 0 ? redisCommand(c, "PING") : NULL;
        bool up = r != NULL && (r->type == REDIS_REPLY_STATUS || strncmp(r->str, "NOAUTH", 6) == 0);
        if (r != NULL)
            freeReplyObject(r);
        if (c != NULL)
            redisFree(c);
        if (up)
            return;
        if (real_ms() > until_ms)
            bail_out("redis-server does not come up");
        (void)nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    }
}

bool redis_server_open(struct redis_server *s, const char *const *more)
{
    *s = (struct redis_server){ .dir = "/tmp/redis-test.XXXXXX" };
    if (access(SERVER, X_OK) != 0)
        return false;
    if (mkdtemp(s->dir) == NULL)
        bail_out("no directory");
    (void)close(listen_on(&s->port));
    redis_server_start(s, more);
    return true;
}

void redis_server_signal(struct redis_server *s, int signo)
{
    if (s->pid <= 0 || kill(s->pid, signo) != 0)
        bail_out("redis-server is not there");
    if (signo == SIGSTOP) /* the kernel says when it is in force */
        (void)waitpid(s->pid, NULL, WUNTRACED);
    if (signo != SIGKILL)
        return;
    (void)waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

void redis_server_close(struct redis_server *s)
{
    static const char *const files[] = { "log", "dump.rdb", "appendonlydir/appendonly.aof.1.base.rdb",
                                         "appendonlydir/appendonly.aof.1.incr.aof",
                                         "appendonlydir/appendonly.aof.manifest" };
    char path[160];
    if (s->pid > 0)
        redis_server_signal(s, SIGKILL);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", s->dir, files[i]);
        (void)unlink(path);
    }
    (void)snprintf(path, sizeof(path), "%s/appendonlydir", s->dir);
    (void)rmdir(path);
    (void)rmdir(s->dir);
}

static void as_text(struct buf *b, const redisReply *r)
{
    switch (r->type) {
    case REDIS_REPLY_INTEGER:
        buf_i64(b, r->integer);
        break;
    case REDIS_REPLY_NIL:
        buf_add(b, SV("(nil)"));
        break;
    case REDIS_REPLY_ARRAY:
        for (size_t i = 0; i < r->elements; i++) {
            if (i > 0)
                buf_addc(b, ' ');
            as_text(b, r->element[i]);
        }
        break;
    default:
        buf_add(b, (struct sv){ r->str, (size_t)r->len });
        break;
    }
}

const char *redis_server_say(const struct redis_server *s, const char *command)
{
    static struct buf text;
    redisContext *c = admin_of(s);
    redisReply *r = c != NULL && c->err == 0 ? redisCommand(c, command) : NULL;
    if (r == NULL)
        bail_out("redis-server does not answer %s", command);
    buf_clear(&text);
    buf_add(&text, SV(""));
    as_text(&text, r);
    buf_addc(&text, '\0');
    freeReplyObject(r);
    redisFree(c);
    return buf_sv(&text).p;
}

/* ---- waiting ---- */

static void nothing(void *arg)
{
    (void)arg;
}

bool loop_until(struct loop *l, bool (*done)(void *arg), void *arg)
{
    int64_t until_ms = real_ms() + PATIENCE_MS;
    struct loop_timer *t = loop_timer_new(l, nothing, NULL);
    bool is = done(arg);
    while (!is && real_ms() < until_ms) {
        loop_timer_set(t, 10);
        loop_turn(l, true);
        is = done(arg);
    }
    loop_timer_free(t);
    return is;
}

static bool is_past(void *arg)
{
    return real_ms() >= *(const int64_t *)arg;
}

void loop_for(struct loop *l, int64_t ms)
{
    int64_t until_ms = real_ms() + ms;
    (void)loop_until(l, is_past, &until_ms);
}

/* ---- the fake ---- */

void fake_open(struct fake *f, struct loop *l)
{
    *f = (struct fake){ .loop = l, .fd = -1 };
    f->listener = listen_on(&f->port);
    if (fcntl(f->listener, F_SETFL, O_NONBLOCK) != 0)
        bail_out("no listening socket");
}

static bool can_accept(void *arg)
{
    struct fake *f = arg;
    f->fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return f->fd >= 0;
}

void fake_hang_up(struct fake *f)
{
    if (f->fd >= 0)
        (void)close(f->fd);
    f->fd = -1;
    buf_clear(&f->got);
}

void fake_accept(struct fake *f)
{
    fake_hang_up(f);
    if (!loop_until(f->loop, can_accept, f))
        bail_out("nobody connects");
}

/* Parses one command; its bytes are 0 when it is not whole yet. */
static size_t command_in(struct sv s, char *text, size_t size)
{
    const char *at = s.p, *end = s.p + s.n;
    long words = 1, n = 0;
    text[0] = '\0';
    for (long i = -1; i < words; i++) {
        const char *line = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        if (line == NULL)
            return 0;
        n = strtol(at + 1, NULL, 10);
        at = line + 1;
        if (i < 0) {
            words = n;
            continue;
        }
        if (end - at < n + 2)
            return 0;
        size_t len = strlen(text);
        (void)snprintf(text + len, size - len, "%s%.*s", i > 0 ? " " : "", (int)n, at);
        at += n + 2;
    }
    return (size_t)(at - s.p);
}

struct waiting {
    struct fake *f;
    char *text;
    size_t size;
};

static bool has_command(void *arg)
{
    struct waiting *w = arg;
    char *room = buf_room(&w->f->got, 65536);
    ssize_t n = room != NULL ? recv(w->f->fd, room, 65536, MSG_DONTWAIT) : -1;
    if (n > 0)
        buf_grown(&w->f->got, (size_t)n);
    size_t used = command_in(buf_sv(&w->f->got), w->text, w->size);
    buf_consume(&w->f->got, used);
    if (used == 0 && (n == 0 || (n < 0 && errno != EAGAIN))) {
        w->text[0] = '\0';
        return true;
    }
    return used > 0;
}

const char *fake_command(struct fake *f, char *text, size_t size)
{
    if (!loop_until(f->loop, has_command, &(struct waiting){ f, text, size }))
        bail_out("no command comes");
    return text;
}

void fake_say(struct fake *f, const char *bytes)
{
    if (send(f->fd, bytes, strlen(bytes), MSG_NOSIGNAL) != (ssize_t)strlen(bytes))
        bail_out("the fake server cannot say all");
}

void fake_greet(struct fake *f)
{
    char text[16384];
    bool more = true;
    while (more) {
        struct sv c = sv_from(fake_command(f, text, sizeof(text)));
        if (c.n == 0)
            return;
        more = !sv_eq(c, SV("TIME")) && !sv_starts(c, SV("SUBSCRIBE"));
        if (sv_starts(c, SV("SCRIPT")))
            fake_say(f, "$40\r\n0123456789012345678901234567890123456789\r\n");
        else if (sv_starts(c, SV("TYPE")))
            fake_say(f, "+none\r\n");
        else if (sv_starts(c, SV("DEL")))
            fake_say(f, ":0\r\n");
        else if (sv_starts(c, SV("TIME")))
            fake_say(f, "*2\r\n$10\r\n1700000000\r\n$6\r\n123456\r\n");
        else if (sv_starts(c, SV("SUBSCRIBE")))
            fake_say(f, "*3\r\n$9\r\nsubscribe\r\n$17\r\nturnkeeper:events\r\n:1\r\n");
        else
            fake_say(f, "+OK\r\n");
    }
}

void fake_close(struct fake *f)
{
    fake_hang_up(f);
    (void)close(f->listener);
    buf_fini(&f->got);
}
