/* SPDX-License-Identifier: MIT
 * Tests src/store/store_switch.c with two processes that work on the same conversations while their redis-server is stopped, continued,
 * killed and started empty, and while the one that leads the way back is killed on it: they go together, every call is answered,
 * and what was acknowledged away from Redis is in Redis afterwards. */
#include "config.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "t/store/switch_rig.h"

enum { WORKERS = 2, LANES = 4, CONVERSATIONS = 12, MESSAGES = 20000 };

struct board { /* shared with the workers */
    _Atomic bool stop, die;
    struct {
        _Atomic unsigned done, conflicts, downs, made;
        _Atomic int backend; /* 'R', 'S' */
        _Atomic int64_t slowest_ms;
        _Atomic unsigned unanswered;
        _Atomic char acked[MESSAGES];
        unsigned char conversation[MESSAGES];
    } of[WORKERS];
};

struct lane {
    struct worker *w;
    struct loop_timer *pause;
    unsigned message;
    char id[16], message_id[24];
    int64_t began_ms;
    bool waiting;
};

struct worker {
    struct rig rig;
    struct board *board;
    unsigned me;
    struct lane lanes[LANES];
};

static void lane_load(void *arg);

static void lane_done(struct lane *n)
{
    struct worker *w = n->w;
    int64_t took_ms = clock_mono_ms() - n->began_ms;
    n->waiting = false;
    w->board->of[w->me].acked[n->message] = 1;
    w->board->of[w->me].done++;
    if (took_ms > w->board->of[w->me].slowest_ms)
        w->board->of[w->me].slowest_ms = took_ms;
    n->message = 0;
    loop_timer_set(n->pause, 2);
}

static void lane_on_apply(void *arg, enum store_status status, const struct store_applied *applied)
{
    struct lane *n = arg;
    (void)applied;
    if (status == STORE_DONE || status == STORE_DUPLICATE) {
        lane_done(n);
        return;
    }
    n->waiting = false;
    if (status == STORE_CONFLICT)
        n->w->board->of[n->w->me].conflicts++;
    else
        n->w->board->of[n->w->me].downs++;
    loop_timer_set(n->pause, status == STORE_CONFLICT ? 0 : 20);
}

static void lane_on_load(void *arg, enum store_status status, const struct store_view *view)
{
    struct lane *n = arg;
    if (status != STORE_DONE) {
        lane_on_apply(arg, status, NULL);
        return;
    }
    if (view->mark.p != NULL) {
        lane_done(n);
        return;
    }
    struct sv item = sv_from(n->message_id);
    struct store_change c = { .conversation_id = sv_from(n->id),
                              .expect_version = view->version,
                              .record = SV("{}"),
                              .mark_new = { item, SV("seen") },
                              .mark_ttl_ms = 3600000,
                              .queue_add = &item,
                              .queue_add_n = 1,
                              .context_add = &item,
                              .context_add_n = 1,
                              .context_max = 20,
                              .activity_ms = view->now_ms };
    store_apply(n->w->rig.s, &c, lane_on_apply, n);
}

static void lane_load(void *arg)
{
    struct lane *n = arg;
    struct worker *w = n->w;
    if (n->message == 0) {
        if (w->board->stop || w->board->of[w->me].made + 1 >= MESSAGES)
            return;
        n->message = ++w->board->of[w->me].made;
        unsigned conversation = (n->message * 7 + w->me) % CONVERSATIONS;
        w->board->of[w->me].conversation[n->message] = (unsigned char)conversation;
        (void)snprintf(n->id, sizeof(n->id), "c%u", conversation);
        (void)snprintf(n->message_id, sizeof(n->message_id), "w%u-%u", w->me, n->message);
        n->began_ms = clock_mono_ms();
    }
    n->waiting = true;
    store_load(w->rig.s, &(struct store_load){ sv_from(n->id), sv_from(n->message_id), false }, lane_on_load, n);
}

static bool lanes_rest(void *arg)
{
    struct worker *w = arg;
    w->board->of[w->me].backend = store_backend(w->rig.s)[0];
    if (!w->board->stop)
        return false;
    for (unsigned i = 0; i < LANES; i++) {
        if (w->lanes[i].message != 0)
            return false;
    }
    return true;
}

static void work(struct place *at, struct board *board, unsigned me)
{
    static struct worker w;
    struct loop *l = loop_new();
    w = (struct worker){ .board = board, .me = me };
    rig_open(&w.rig, l, at);
    w.rig.die = &board->die;
    for (unsigned i = 0; i < LANES; i++) {
        w.lanes[i] = (struct lane){ .w = &w };
        w.lanes[i].pause = loop_timer_new(l, lane_load, &w.lanes[i]);
        loop_timer_set(w.lanes[i].pause, 0);
    }
    while (!board->stop)
        (void)loop_until(l, lanes_rest, &w);
    (void)loop_until(l, lanes_rest, &w);
    for (unsigned i = 0; i < LANES; i++) {
        board->of[me].unanswered += w.lanes[i].waiting;
        loop_timer_free(w.lanes[i].pause);
    }
    rig_close(&w.rig);
    loop_free(l);
}

static pid_t start_worker(struct place *at, struct board *board, unsigned me)
{
    pid_t pid = fork();
    if (pid == 0) {
        work(at, board, me);
        _exit(0);
    }
    return pid;
}

struct both {
    struct board *board;
    int backend;
    unsigned more_than[WORKERS];
};

static bool all_at(void *arg)
{
    const struct both *b = arg;
    for (unsigned i = 0; i < WORKERS; i++) {
        if (b->board->of[i].backend != b->backend || b->board->of[i].done <= b->more_than[i])
            return false;
    }
    return true;
}

/* Both workers are there, and have had answers since. */
static void must_be_at(struct loop *l, struct board *board, int backend, const char *what)
{
    struct both b = { .board = board, .backend = backend };
    ok(loop_until(l, all_at, &b), "%s: both are at %c", what, backend);
    for (unsigned i = 0; i < WORKERS; i++)
        b.more_than[i] = board->of[i].done + 20;
    ok(loop_until(l, all_at, &b), "and work there");
}

static unsigned missing_in_redis(const struct place *at, const struct board *board, unsigned from[WORKERS])
{
    unsigned missing = 0;
    for (unsigned w = 0; w < WORKERS; w++) {
        for (unsigned i = from[w]; i <= board->of[w].made; i++) {
            char command[80];
            if (!board->of[w].acked[i])
                continue;
            (void)snprintf(command, sizeof(command), "EXISTS message:c%u:w%u-%u", board->of[w].conversation[i], w, i);
            missing += strcmp(redis_server_say(&at->redis, command), "1") != 0;
        }
    }
    return missing;
}

static void two_processes(struct loop *l, struct place *at)
{
    struct board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[WORKERS];
    unsigned from[WORKERS] = { 1, 1 };
    if (board == MAP_FAILED)
        bail_out("no memory");
    place_clean(at);
    (void)redis_server_say(&at->redis, "FLUSHALL");
    for (unsigned i = 0; i < WORKERS; i++)
        pids[i] = start_worker(at, board, i);
    must_be_at(l, board, 'R', "at first");
    redis_server_signal(&at->redis, SIGSTOP);
    must_be_at(l, board, 'S', "stopped");
    redis_server_signal(&at->redis, SIGCONT);
    must_be_at(l, board, 'R', "continued");
    is_int(missing_in_redis(at, board, from), 0, "what was acknowledged before, away and since is in Redis");
    redis_server_signal(&at->redis, SIGKILL);
    for (unsigned i = 0; i < WORKERS; i++)
        from[i] = board->of[i].made + LANES + 1; /* what Redis had is gone with it */
    must_be_at(l, board, 'S', "killed");
    redis_server_start(&at->redis, no_disk);
    must_be_at(l, board, 'R', "started empty");
    redis_server_signal(&at->redis, SIGKILL);
    must_be_at(l, board, 'S', "killed again");
    for (unsigned i = 0; i < WORKERS; i++)
        from[i] = board->of[i].made + 1;
    board->die = true; /* whoever joins first */
    loop_for(l, 50);
    redis_server_start(&at->redis, no_disk);
    int status = 0;
    pid_t dead = waitpid(-1, &status, 0);
    unsigned victim = dead == pids[0] ? 0 : 1;
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the one who leads the way back is killed on it");
    pids[victim] = start_worker(at, board, victim);
    must_be_at(l, board, 'R', "another one has gone on");
    board->stop = true;
    for (unsigned i = 0; i < WORKERS; i++) {
        (void)waitpid(pids[i], &status, 0);
        ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "worker %u ends well", i);
        is_int(board->of[i].unanswered, 0, "every call was answered");
        diag("worker %u: %u messages, %u conflicts, %u down, slowest %lld ms", i, board->of[i].done,
             board->of[i].conflicts, board->of[i].downs, (long long)board->of[i].slowest_ms);
    }
    is_int(missing_in_redis(at, board, from), 0, "all is in Redis");
    struct rig r;
    rig_open(&r, l, at);
    store_stat(r.sqlite, on_stat, &r);
    ok(wait_for(&r) == STORE_DONE && r.stat.conversations == 0 && r.stat.queue == 0, "and nothing is left beside it");
    rig_close(&r);
    (void)munmap(board, sizeof(*board));
}

int main(void)
{
    struct place at;
    if (!place_open(&at))
        return skip_all("redis-server is not installed");
    struct loop *l = loop_new();
    two_processes(l, &at);
    place_close(&at);
    loop_free(l);
    return done_testing();
}
