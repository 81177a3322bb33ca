/* SPDX-License-Identifier: MIT
 * A platform that is a file: each reply becomes one line, and counts as sent once it is on the disk. Writing and fsync
 * happen on a thread of its own, which takes all lines that wait and syncs them together, so that the loop never waits
 * for a disk. Without a file only the program's log gets a line, without the text of messages. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "outside/platform.h"

struct logged {
    struct platform platform;
    struct loop *loop;
    int fd; /* -1: only the program's log */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t more;
    struct platform_call *queue, **queue_end; /* guarded by mutex, as is stop */
    bool stop;
    struct platform_call *calls; /* the loop's: all that were not answered yet */
};

/* Between queue and delivery the thread owns line and answer, the loop the rest. */
struct platform_call {
    struct logged *platform; /* NULL: closed meanwhile */
    struct platform_call *next, *prev;
    struct platform_call *queued;
    platform_fn *fn; /* NULL: aborted */
    void *arg;
    int fd;
    struct loop *loop;
    struct buf line;
    int64_t begun_ms, send_before_ms, actions_n;
    struct platform_answer answer;
};

/* ---- on the loop ---- */

static void forget(struct platform_call *c)
{
    if (c->platform != NULL) {
        if (c->prev != NULL)
            c->prev->next = c->next;
        else
            c->platform->calls = c->next;
        if (c->next != NULL)
            c->next->prev = c->prev;
    }
    buf_fini(&c->line);
    free(c);
}

static void deliver(void *arg)
{
    struct platform_call *c = arg;
    c->answer.took_ms = clock_mono_ms() - c->begun_ms;
    if (c->fn != NULL)
        c->fn(c->arg, &c->answer);
    forget(c);
}

/* ---- on the thread ---- */

static void put(struct platform_call *c)
{
    struct platform_answer *a = &c->answer;
    *a = (struct platform_answer){ .outcome = PLATFORM_UNREACHABLE, .retry_after_ms = -1 };
    if (c->send_before_ms != 0 && clock_mono_ms() >= c->send_before_ms) {
        a->outcome = PLATFORM_TOO_LATE;
        (void)err_set(&a->err, ERR_UNAVAILABLE, "the time to send was over");
        return;
    }
    ssize_t n;
    do
        n = write(c->fd, c->line.p, c->line.n);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)c->line.n) {
        a->outcome = PLATFORM_SENT;
        a->actions_executed = c->actions_n;
    } else if (n < 0) {
        (void)err_set_errno(&a->err, errno, "the file of replies");
    } else {
        a->outcome = PLATFORM_UNKNOWN;
        (void)err_set(&a->err, ERR_IO, "the file of replies took only a part of a line");
        if (write(c->fd, "\n", 1) != 1)
            log_error("the file of replies ends in a part of a line", NULL);
    }
}

static void put_all(struct platform_call *first, int fd)
{
    for (struct platform_call *c = first; c != NULL; c = c->queued)
        put(c);
    bool synced = fdatasync(fd) == 0 || errno == EINVAL || errno == EROFS; /* pipes and devices know no sync */
    int number = errno;
    while (first != NULL) {
        struct platform_call *c = first;
        first = c->queued;
        if (!synced && c->answer.outcome == PLATFORM_SENT) {
            c->answer.outcome = PLATFORM_UNKNOWN;
            c->answer.actions_executed = 0;
            (void)err_set_errno(&c->answer.err, number, "the file of replies");
        }
        while (!loop_post(c->loop, deliver, c))
            (void)nanosleep(&(struct timespec){ .tv_nsec = 10 * 1000 * 1000 }, NULL);
    }
}

static void *work(void *arg)
{
    struct logged *p = arg;
    (void)pthread_mutex_lock(&p->mutex);
    for (;;) {
        while (p->queue == NULL && !p->stop)
            (void)pthread_cond_wait(&p->more, &p->mutex);
        struct platform_call *first = p->queue;
        if (first == NULL)
            break;
        p->queue = NULL;
        p->queue_end = &p->queue;
        (void)pthread_mutex_unlock(&p->mutex);
        put_all(first, p->fd);
        (void)pthread_mutex_lock(&p->mutex);
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return NULL;
}

/* ---- sending ---- */

/* A body may have line ends between its values; JSON allows none inside them. */
static void render(struct buf *line, struct sv body)
{
    buf_add(line, body);
    for (size_t i = 0; buf_ok(line) && i < line->n; i++)
        if (line->p[i] == '\n' || line->p[i] == '\r')
            line->p[i] = ' ';
    buf_addc(line, '\n');
}

static void send_to_log(struct platform_call *c, const struct platform_request *r)
{
    struct buf id = { 0 }, number = { 0 };
    buf_add(&id, r->conversation_id);
    buf_i64(&number, c->actions_n);
    bool late = c->send_before_ms != 0 && clock_mono_ms() >= c->send_before_ms;
    c->answer = (struct platform_answer){ .outcome = late ? PLATFORM_TOO_LATE : PLATFORM_SENT, .retry_after_ms = -1 };
    if (late)
        (void)err_set(&c->answer.err, ERR_UNAVAILABLE, "the time to send was over");
    else
        c->answer.actions_executed = c->actions_n;
    if (!late && buf_ok(&id) && buf_ok(&number))
        log_info("actions for the platform", "conversation_id", id.p != NULL ? id.p : "", "actions", number.p, NULL);
    buf_fini(&id);
    buf_fini(&number);
    loop_soon(c->loop, deliver, c);
}

static struct platform_call *log_send(struct platform *platform, const struct platform_request *r, platform_fn *fn,
                                      void *arg)
{
    struct logged *p = (struct logged *)platform;
    struct platform_call *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    *c = (struct platform_call){ .platform = p,
                                 .fn = fn,
                                 .arg = arg,
                                 .fd = p->fd,
                                 .loop = p->loop,
                                 .next = p->calls,
                                 .begun_ms = clock_mono_ms(),
                                 .send_before_ms = r->send_before_ms,
                                 .actions_n = (int64_t)r->actions_n };
    if (c->next != NULL)
        c->next->prev = c;
    p->calls = c;
    if (p->fd < 0) {
        send_to_log(c, r);
        return c;
    }
    render(&c->line, r->body);
    if (!buf_ok(&c->line)) {
        forget(c);
        return NULL;
    }
    (void)pthread_mutex_lock(&p->mutex);
    *p->queue_end = c;
    p->queue_end = &c->queued;
    (void)pthread_cond_signal(&p->more);
    (void)pthread_mutex_unlock(&p->mutex);
    return c;
}

static void log_abort(struct platform *platform, struct platform_call *c)
{
    (void)platform;
    c->fn = NULL;
}

/* What waits is still written; nobody is told any more. */
static void log_end(struct platform *platform)
{
    struct logged *p = (struct logged *)platform;
    if (p->fd >= 0) {
        (void)pthread_mutex_lock(&p->mutex);
        p->stop = true;
        (void)pthread_cond_signal(&p->more);
        (void)pthread_mutex_unlock(&p->mutex);
        (void)pthread_join(p->thread, NULL);
        (void)close(p->fd);
    }
    for (struct platform_call *c = p->calls; c != NULL; c = c->next) {
        c->platform = NULL;
        c->fn = NULL;
    }
    (void)pthread_mutex_destroy(&p->mutex);
    (void)pthread_cond_destroy(&p->more);
    free(p);
}

static const struct platform_ops log_ops = {
    .name = "log",
    .send = log_send,
    .abort = log_abort,
    .close = log_end,
};

/* Signals are the loop's. */
static int start_thread(struct logged *p)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int number = pthread_create(&p->thread, NULL, work, p);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return number;
}

struct platform *platform_log_open(struct loop *l, const char *path, struct err *e)
{
    struct logged *p = calloc(1, sizeof(*p));
    int number = 0;
    if (p == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory");
        return NULL;
    }
    *p = (struct logged){ .platform = { &log_ops }, .loop = l, .fd = -1 };
    p->queue_end = &p->queue;
    (void)pthread_mutex_init(&p->mutex, NULL);
    (void)pthread_cond_init(&p->more, NULL);
    if (*path == '\0')
        return &p->platform;
    p->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    number = p->fd < 0 ? errno : start_thread(p);
    if (number == 0)
        return &p->platform;
    (void)err_set_errno(e, number, "%s", path);
    if (p->fd >= 0)
        (void)close(p->fd);
    (void)pthread_mutex_destroy(&p->mutex);
    (void)pthread_cond_destroy(&p->more);
    free(p);
    return NULL;
}
