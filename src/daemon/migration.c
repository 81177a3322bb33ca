/* SPDX-License-Identifier: MIT
 * One try at a time, each on a thread that ends with it. */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/migration.h"
#include "lib/log.h"
#include "lib/loop.h"

#define AGAIN_MS 3000

struct migration {
    struct loop *loop;
    struct loop_timer *timer;
    pthread_t thread;
    bool running; /* the thread is to be joined, and its post is to come */
    bool closed;  /* freed by that post */
    int (*run)(void *, int *, struct err *);
    void *run_arg;
    void (*done)(void *, bool);
    void *arg;
    int rc, applied; /* written by the thread, read after it has posted */
    struct err err;
};

static void join(struct migration *m)
{
    if (m->running)
        pthread_join(m->thread, NULL);
    m->running = false;
}

static void tried(void *arg)
{
    struct migration *m = arg;
    char count[16];
    if (m->closed) {
        free(m);
        return;
    }
    join(m);
    if (m->rc == 0) {
        snprintf(count, sizeof(count), "%d", m->applied);
        log_info("the archive's schema is up to date", "applied", count, NULL);
        m->done(m->arg, true);
        return;
    }
    if (m->err.code == ERR_RANGE || m->err.code == ERR_INVALID) {
        log_error("the archive's schema cannot be used", "error", m->err.text, NULL);
        m->done(m->arg, false);
        return;
    }
    log_warning("migrations have to wait", "error", m->err.text, NULL);
    loop_timer_set(m->timer, AGAIN_MS);
}

static void *body(void *arg)
{
    struct migration *m = arg;
    m->rc = m->run(m->run_arg, &m->applied, &m->err);
    if (!loop_post(m->loop, tried, m))
        log_error("out of memory after a migration", NULL);
    return NULL;
}

static void try_now(void *arg)
{
    struct migration *m = arg;
    m->running = pthread_create(&m->thread, NULL, body, m) == 0;
    if (!m->running)
        loop_timer_set(m->timer, AGAIN_MS);
}

struct migration *migration_start(struct loop *l, int (*run)(void *, int *, struct err *), void *run_arg, void (*done)(void *, bool), void *arg)
{
    struct migration *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return NULL;
    *m = (struct migration){ .loop = l, .timer = loop_timer_new(l, try_now, m), .run = run, .run_arg = run_arg, .done = done, .arg = arg };
    if (m->timer == NULL) {
        free(m);
        return NULL;
    }
    loop_timer_set(m->timer, 0);
    return m;
}

void migration_free(struct migration *m)
{
    if (m == NULL)
        return;
    loop_timer_free(m->timer);
    m->closed = m->running;
    join(m);
    if (!m->closed)
        free(m);
}
