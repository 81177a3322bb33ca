/* SPDX-License-Identifier: MIT
 * One connection does one thing at a time:
 *
 *   READING ──a whole line──> RUNNING ──answer──> WRITING ──all of it is out──> READING (what has come meanwhile is next)
 *      │ line too long, not allowed, too many                │ ERR
 *      └────────────────────────────────────> WRITING, last ─┴──> LINGERING until the peer closes ──> gone
 *
 * Nothing is read while a command runs or an answer waits, so a peer that sends without reading stops itself. LINGERING is for peers that
 * still send: a close would throw away the answer that they have not read yet. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/admin.h"
#include "daemon/socket_file.h"
#include "daemon/words.h"
#include "lib/log.h"
#include "lib/loop.h"

#define IDLE_MS 600000
#define STALL_MS 10000
#define LINGER_MS 2000
#define CONNECTIONS_MAX 128
#define BUFFERED_MAX (64u << 20) /* answers of all connections together */
#define AGAIN_MS 3000
#define ACCEPT_PAUSE_MS 200
#define READS_AT_ONCE 16

enum state { READING, RUNNING, WRITING, LINGERING };

struct connection {
    struct admin *admin; /* NULL: closed while its command ran; freed with the answer */
    struct connection *next, **link;
    int fd;
    struct loop_fd *watch;
    struct loop_timer *limit; /* idle, stall, linger */
    enum state state;
    bool last;      /* to be closed after this answer */
    bool advancing; /* advance() is on the stack: an answer from inside a call goes on there */
    struct buf in, out;
    size_t sent;
};

struct admin {
    struct loop *loop;
    struct commands *commands;
    struct admin_options o;
    struct socket_file socket;
    struct loop_fd *watch;
    struct loop_timer *again; /* to take the socket, or to accept once descriptors are free */
    struct connection *connections;
    size_t connections_n, buffered;
    bool told, told_full;
};

static void advance(struct connection *c);

/* ---- the end of a connection ---- */

static void drop(struct connection *c)
{
    struct admin *a = c->admin;
    bool running = c->state == RUNNING;

    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    a->connections_n--;
    a->buffered -= c->out.size;
    loop_fd_free(c->watch);
    loop_timer_free(c->limit);
    (void)close(c->fd);
    buf_fini(&c->in);
    buf_fini(&c->out);
    c->admin = NULL;
    if (!running)
        free(c);
}

static void on_limit(void *arg)
{
    struct connection *c = arg;

    if (c->state == WRITING)
        log_warning("an administrator's connection does not read its answer", NULL);
    drop(c);
}

/* ---- writing ---- */

/* 1: all is out, 0: later, -1: the peer is gone. */
static int write_some(struct connection *c)
{
    while (c->sent < c->out.n) {
        ssize_t n = send(c->fd, c->out.p + c->sent, c->out.n - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        c->sent += (size_t)n;
        loop_timer_set(c->limit, c->admin->o.stall_ms);
    }
    return 1;
}

static void begin_answer(struct connection *c, struct sv answer)
{
    struct admin *a = c->admin;

    if (a->buffered + answer.n > BUFFERED_MAX)
        answer = SV("ERR busy too many answers wait to be read\n");
    buf_clear(&c->out);
    c->sent = 0;
    a->buffered -= c->out.size;
    buf_add(&c->out, answer);
    a->buffered += c->out.size;
    c->last = c->last || !buf_ok(&c->out);
    c->state = WRITING;
    loop_timer_set(c->limit, a->o.stall_ms);
}

static void end_answer(struct connection *c)
{
    c->admin->buffered -= c->out.size;
    buf_fini(&c->out);
    if (c->last) {
        (void)shutdown(c->fd, SHUT_WR);
        c->state = LINGERING;
        loop_timer_set(c->limit, LINGER_MS);
        return;
    }
    c->state = READING;
    loop_timer_set(c->limit, c->admin->o.idle_ms);
}

static void refuse(struct connection *c, struct sv answer)
{
    c->last = true;
    begin_answer(c, answer);
}

/* ---- commands ---- */

static void on_answer(void *arg, struct sv answer)
{
    struct connection *c = arg;

    if (c->admin == NULL) { /* dropped meanwhile */
        free(c);
        return;
    }
    begin_answer(c, answer);
    if (!c->advancing)
        advance(c);
}

static bool has_line(const struct connection *c)
{
    return c->in.n >= WORDS_LINE_MAX || (c->in.n > 0 && memchr(c->in.p, '\n', c->in.n) != NULL);
}

/* The next whole line of what has been read. False: there is none. */
static bool run_line(struct connection *c)
{
    const char *end = c->in.n > 0 ? memchr(c->in.p, '\n', c->in.n) : NULL;
    size_t n = end != NULL ? (size_t)(end - c->in.p) : c->in.n;

    if (n >= WORDS_LINE_MAX || (end == NULL && c->in.n >= WORDS_LINE_MAX)) {
        refuse(c, SV("ERR line_too_long a line has at most 262144 bytes\n"));
        return true;
    }
    if (end == NULL)
        return false;
    struct sv line = { c->in.p, n > 0 && c->in.p[n - 1] == '\r' ? n - 1 : n };
    c->state = RUNNING;
    loop_timer_stop(c->limit);
    commands_run(c->admin->commands, line, on_answer, c); /* copies the line */
    buf_consume(&c->in, n + 1);
    return true;
}

/* ---- reading ---- */

/* 1: something came, 0: nothing now, -1: an end. */
static int read_some(struct connection *c)
{
    bool wanted = c->state == READING;
    char trash[4096];
    size_t room = wanted ? WORDS_LINE_MAX - c->in.n : sizeof(trash);
    char *to = wanted ? buf_room(&c->in, room > 4096 ? 4096 : room) : trash;
    ssize_t n;

    if (to == NULL)
        return -1;
    do {
        n = recv(c->fd, to, room > 4096 ? 4096 : room, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : -1;
    if (n == 0)
        return -1;
    if (wanted)
        buf_grown(&c->in, (size_t)n);
    return 1;
}

/* Goes as far as it can without waiting. False: the connection is gone, or runs a command. */
static bool go(struct connection *c, int *reads)
{
    int rc = 0;

    switch (c->state) {
    case READING:
        if (*reads > 0 && !run_line(c))
            rc = read_some(c);
        else
            rc = *reads > 0;
        break;
    case RUNNING:
        return false;
    case WRITING:
        rc = write_some(c);
        if (rc == 1)
            end_answer(c);
        break;
    case LINGERING:
        rc = *reads > 0 ? read_some(c) : 0;
        break;
    }
    (*reads)--;
    if (rc < 0)
        drop(c);
    return rc > 0;
}

static void advance(struct connection *c)
{
    struct admin *a = c->admin;
    size_t before = a->connections_n;
    int reads = READS_AT_ONCE;

    c->advancing = true;
    while (go(c, &reads))
        ;
    if (a->connections_n < before)
        return; /* dropped: freed, or to be freed by its command */
    c->advancing = false;
    int want = 0;
    if (c->state == READING && has_line(c)) /* its turn is over, but a line is there: as soon as the loop has been round */
        want = LOOP_READ | LOOP_WRITE;
    else if (c->state == READING || c->state == LINGERING)
        want = LOOP_READ;
    else if (c->state == WRITING)
        want = LOOP_WRITE;
    loop_fd_want(c->watch, want);
}

static void on_ready(void *arg, int events)
{
    (void)events;
    advance(arg);
}

/* ---- accepting ---- */

static void on_acceptable(void *arg, int events);

static struct connection *connection_new(struct admin *a, int fd)
{
    struct connection *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    *c = (struct connection){ .admin = a, .fd = fd, .state = READING, .link = &a->connections, .next = a->connections };
    c->watch = loop_fd_new(a->loop, fd, on_ready, c);
    c->limit = loop_timer_new(a->loop, on_limit, c);
    if (c->watch == NULL || c->limit == NULL) {
        loop_fd_free(c->watch);
        loop_timer_free(c->limit);
        free(c);
        return NULL;
    }
    if (c->next != NULL)
        c->next->link = &c->next;
    a->connections = c;
    a->connections_n++;
    loop_timer_set(c->limit, a->o.idle_ms);
    return c;
}

/* Without a struct of its own: whoever comes when there are too many gets one line. */
static void turn_away(int fd)
{
    static const char text[] = "ERR busy too many connections\n";
    (void)!send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)close(fd);
}

static void greet(struct admin *a, int fd)
{
    char uid_text[24], pid_text[24];
    long uid, pid;

    if (a->connections_n >= a->o.connections_max) {
        if (!a->told_full)
            log_warning("too many connections to the admin socket", NULL);
        a->told_full = true;
        turn_away(fd);
        return;
    }
    a->told_full = false;
    struct connection *c = connection_new(a, fd);
    if (c == NULL) {
        turn_away(fd);
        return;
    }
    bool may = socket_file_may(&a->socket, fd, &uid, &pid);
    (void)snprintf(uid_text, sizeof(uid_text), "%ld", uid);
    (void)snprintf(pid_text, sizeof(pid_text), "%ld", pid);
    if (may) {
        log_debug("an administrator connects", "uid", uid_text, "pid", pid_text, NULL);
    } else {
        log_warning("refused at the admin socket", "uid", uid_text, "pid", pid_text, NULL);
        refuse(c, SV("ERR denied only root, the daemon's user and the members of the socket's group may use this\n"));
    }
    advance(c);
}

static void listen_again(void *arg)
{
    struct admin *a = arg;
    struct err e;

    if (a->watch != NULL) { /* accepting was paused */
        loop_fd_want(a->watch, LOOP_READ);
        return;
    }
    if (socket_file_open(&a->socket, a->o.path, 0660, &e) != 0) {
        if (!a->told)
            log_error("no admin socket for now", "path", a->o.path, "error", e.text, NULL);
        a->told = true;
        loop_timer_set(a->again, AGAIN_MS);
        return;
    }
    a->watch = loop_fd_new(a->loop, a->socket.fd, on_acceptable, a);
    if (a->watch == NULL) {
        socket_file_close(&a->socket, a->o.path);
        loop_timer_set(a->again, AGAIN_MS);
        return;
    }
    log_info("admin socket", "path", a->o.path, NULL);
    loop_fd_want(a->watch, LOOP_READ);
}

static void on_acceptable(void *arg, int events)
{
    struct admin *a = arg;

    (void)events;
    for (int i = 0; i < READS_AT_ONCE; i++) {
        int fd = socket_file_accept(&a->socket);
        if (fd >= 0) {
            greet(a, fd);
            continue;
        }
        if (errno != EAGAIN) { /* out of descriptors: the connection waits in the backlog */
            loop_fd_want(a->watch, 0);
            loop_timer_set(a->again, ACCEPT_PAUSE_MS);
        }
        return;
    }
}

/* ---- life ---- */

struct admin *admin_open(struct loop *l, struct commands *commands, const struct admin_options *o, struct err *e)
{
    struct admin *a = calloc(1, sizeof(*a));

    if (a == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory for the admin socket");
        return NULL;
    }
    *a = (struct admin){ .loop = l, .commands = commands, .o = *o, .socket.fd = -1 };
    a->o.idle_ms = o->idle_ms > 0 ? o->idle_ms : IDLE_MS;
    a->o.stall_ms = o->stall_ms > 0 ? o->stall_ms : STALL_MS;
    a->o.connections_max = o->connections_max > 0 ? o->connections_max : CONNECTIONS_MAX;
    a->again = loop_timer_new(l, listen_again, a);
    if (a->again == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory for the admin socket");
        free(a);
        return NULL;
    }
    listen_again(a);
    return a;
}

bool admin_is_listening(const struct admin *a)
{
    return a->socket.fd >= 0;
}

void admin_close(struct admin *a)
{
    if (a == NULL)
        return;
    loop_fd_free(a->watch);
    loop_timer_free(a->again);
    socket_file_close(&a->socket, a->o.path);
    while (a->connections != NULL) {
        struct connection *c = a->connections;
        if (c->state == WRITING)
            (void)write_some(c);
        drop(c);
    }
    free(a);
}
