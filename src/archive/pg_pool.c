/* SPDX-License-Identifier: MIT
 * One list of waiting requests for each kind, oldest first; all have the same patience, so one timer for the oldest is enough. */
#include "config.h"

#include <stdlib.h>

#include "archive/pg_pool.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"

#define WAITING_MAX 10000 /* requests in line */

struct job {
    struct job *next;
    struct pg_pool *pool;
    struct slot *slot; /* where it runs; NULL: it waits */
    enum pg_kind kind;
    struct pg_request request;
    int64_t deadline_ms;
};

struct line {
    struct job *first, **end;
};

struct slot {
    struct pg_pool *pool;
    struct pg_link *link;
    struct job *job;
};

struct pg_pool {
    struct loop *loop;
    char *conninfo;
    int64_t timeout_ms;
    struct slot slots[PG_POOL_MAX];
    int size;
    int running[PG_KINDS];
    struct line waiting[PG_KINDS]; /* not started */
    struct line refused;           /* to be answered PG_LOST in the next round */
    size_t waiting_n;
    struct loop_timer *timer;
    bool was_up, said_down; /* for one log line a change */
    bool answering, closed; /* closed from inside a callback of answer_refused, which then frees it */
};

static void line_add(struct line *l, struct job *j)
{
    j->next = NULL;
    *l->end = j;
    l->end = &j->next;
}

static struct job *line_take(struct line *l)
{
    struct job *j = l->first;

    if (j == NULL)
        return NULL;
    l->first = j->next;
    if (l->first == NULL)
        l->end = &l->first;
    return j;
}

/* ---- state of the whole ---- */

static bool is_connected(const struct slot *s)
{
    enum pg_link_state state = s->link != NULL ? pg_link_state(s->link) : PG_LINK_OFF;

    return state == PG_LINK_IDLE || state == PG_LINK_BUSY;
}

bool pg_pool_is_up(const struct pg_pool *p)
{
    for (int i = 0; i < p->size; i++)
        if (is_connected(&p->slots[i]))
            return true;
    return false;
}

/* No link is there, and the last try of one has failed. */
static bool is_unreachable(const struct pg_pool *p)
{
    bool failed = false;

    for (int i = 0; i < p->size; i++) {
        if (is_connected(&p->slots[i]))
            return false;
        failed = failed || *pg_link_error(p->slots[i].link) != '\0';
    }
    return failed;
}

int pg_pool_size(const struct pg_pool *p)
{
    return p->size;
}

int pg_pool_in_use(const struct pg_pool *p)
{
    return p->running[PG_READ] + p->running[PG_WRITE];
}

static void tell_changes(struct pg_pool *p)
{
    bool up = pg_pool_is_up(p);

    if (up && !p->was_up)
        log_info("PostgreSQL is connected", NULL);
    else if (!up && !p->said_down && is_unreachable(p))
        log_warning("PostgreSQL cannot be reached", "reason", pg_link_error(p->slots[0].link), NULL);
    p->said_down = !up && (p->said_down || is_unreachable(p));
    p->was_up = up;
}

/* ---- answering ---- */

static const struct pg_outcome lost = { .status = PG_LOST, .text = "PostgreSQL cannot be reached" };

static void answer_refused(struct pg_pool *p)
{
    struct job *j;

    p->answering = true;
    while ((j = line_take(&p->refused)) != NULL) {
        j->request.fn(j->request.arg, &lost);
        free(j);
    }
    p->answering = false;
    if (p->closed)
        free(p);
}

static void refuse(struct pg_pool *p, struct job *j)
{
    line_add(&p->refused, j);
    loop_timer_set(p->timer, 0);
}

/* ---- handing out ---- */

static void finished(void *arg, const struct pg_outcome *o);

static void dispatch(struct pg_pool *p);

static struct slot *idle_slot(struct pg_pool *p)
{
    for (int i = 0; i < p->size; i++)
        if (p->slots[i].job == NULL && pg_link_state(p->slots[i].link) == PG_LINK_IDLE)
            return &p->slots[i];
    return NULL;
}

static void wake_another(struct pg_pool *p)
{
    for (int i = 0; i < p->size; i++) {
        enum pg_link_state state = pg_link_state(p->slots[i].link);
        if (state == PG_LINK_CONNECTING)
            return; /* one after another */
        if (state == PG_LINK_OFF) {
            pg_link_wake(p->slots[i].link);
            return;
        }
    }
}

static bool start_one(struct pg_pool *p, enum pg_kind kind)
{
    struct slot *s = idle_slot(p);
    struct job *j;

    if (p->running[kind] >= (p->size > 1 ? p->size - 1 : 1) || p->waiting[kind].first == NULL)
        return false;
    if (s == NULL) {
        wake_another(p);
        return false;
    }
    j = line_take(&p->waiting[kind]);
    if (j == NULL)
        return false;
    p->waiting_n--;
    p->running[kind]++;
    j->slot = s;
    s->job = j;
    pg_link_run(s->link, &(struct pg_request){ .queries = j->request.queries,
                                               .n = j->request.n,
                                               .transaction = j->request.transaction,
                                               .trial = j->request.trial,
                                               .fn = finished,
                                               .arg = s });
    return true;
}

static void expire(struct pg_pool *p)
{
    bool unreachable = is_unreachable(p);
    int64_t now_ms = clock_mono_ms(), next_ms = INT64_MAX;

    for (int kind = 0; kind < PG_KINDS; kind++) {
        struct line *l = &p->waiting[kind];
        while (l->first != NULL && (unreachable || l->first->deadline_ms <= now_ms)) {
            p->waiting_n--;
            line_add(&p->refused, line_take(l));
        }
        if (l->first != NULL && l->first->deadline_ms < next_ms)
            next_ms = l->first->deadline_ms;
    }
    if (p->refused.first != NULL)
        loop_timer_set(p->timer, 0);
    else if (next_ms != INT64_MAX)
        loop_timer_set(p->timer, next_ms - now_ms);
    else
        loop_timer_stop(p->timer);
}

static void dispatch(struct pg_pool *p)
{
    bool more = true;

    while (more) {
        more = start_one(p, PG_READ);
        more = start_one(p, PG_WRITE) || more;
    }
    expire(p);
}

static void finished(void *arg, const struct pg_outcome *o)
{
    struct slot *s = arg;
    struct job *j = s->job;
    struct pg_pool *p = s->pool;

    s->job = NULL;
    p->running[j->kind]--;
    tell_changes(p);
    dispatch(p);
    j->request.fn(j->request.arg, o); /* last: the pool may be closed in it */
    free(j);
}

static void on_change(void *arg)
{
    struct slot *s = arg;

    tell_changes(s->pool);
    dispatch(s->pool);
}

static void on_timer(void *arg)
{
    struct pg_pool *p = arg;

    expire(p);
    answer_refused(p);
}

void pg_pool_run(struct pg_pool *p, enum pg_kind kind, const struct pg_request *r)
{
    struct job *j = calloc(1, sizeof(*j));

    if (j == NULL) {
        log_error("out of memory: a request to PostgreSQL", NULL);
        abort();
    }
    j->pool = p;
    j->kind = kind;
    j->request = *r;
    j->deadline_ms = clock_mono_ms() + p->timeout_ms;
    if (is_unreachable(p) || p->waiting_n >= WAITING_MAX) {
        refuse(p, j);
        return;
    }
    line_add(&p->waiting[kind], j);
    p->waiting_n++;
    dispatch(p);
}

/* ---- life ---- */

static int open_links(struct pg_pool *p)
{
    for (int i = 0; i < p->size; i++) {
        struct slot *s = &p->slots[i];
        s->pool = p;
        s->link = pg_link_new(p->loop, &(struct pg_link_options){ .conninfo = p->conninfo,
                                                                 .timeout_ms = p->timeout_ms,
                                                                 .changed = on_change,
                                                                 .arg = s });
        if (s->link == NULL)
            return -1;
    }
    return 0;
}

static void line_init(struct line *l)
{
    l->first = NULL;
    l->end = &l->first;
}

struct pg_pool *pg_pool_open(struct loop *l, const char *conninfo, int size, int64_t timeout_ms, struct err *e)
{
    struct pg_pool *p = calloc(1, sizeof(*p));

    if (p == NULL)
        goto out;
    line_init(&p->waiting[PG_READ]);
    line_init(&p->waiting[PG_WRITE]);
    line_init(&p->refused);
    p->loop = l;
    p->size = size < 1 ? 1 : size > PG_POOL_MAX ? PG_POOL_MAX : size;
    p->timeout_ms = timeout_ms;
    p->conninfo = strdup(conninfo);
    p->timer = loop_timer_new(l, on_timer, p);
    if (p->conninfo == NULL || p->timer == NULL || open_links(p) != 0)
        goto out;
    pg_link_wake(p->slots[0].link);
    return p;
out:
    (void)err_set(e, ERR_MEMORY, "no memory for connections to PostgreSQL");
    pg_pool_close(p);
    return NULL;
}

static void answer_line(struct line *l)
{
    struct job *j;

    while ((j = line_take(l)) != NULL) {
        j->request.fn(j->request.arg, &lost);
        free(j);
    }
}

void pg_pool_close(struct pg_pool *p)
{
    struct line running;

    if (p == NULL)
        return;
    line_init(&running);
    for (int i = 0; i < p->size; i++) {
        if (p->slots[i].job != NULL)
            line_add(&running, p->slots[i].job);
        pg_link_free(p->slots[i].link);
    }
    loop_timer_free(p->timer);
    answer_line(&running);
    answer_line(&p->waiting[PG_READ]);
    answer_line(&p->waiting[PG_WRITE]);
    answer_line(&p->refused);
    free(p->conninfo);
    p->closed = true;
    if (!p->answering)
        free(p);
}
