/* SPDX-License-Identifier: MIT
 * Several processes on one state file, as responders and daemons are: no change that was told DONE is lost, none is
 * done twice, each process gets its share, and a process that is killed in the middle of it all costs nobody anything.
 */
#include "config.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/store/contract.h"

#define CHILDREN 3
#define EACH 120 /* changes that every surviving child must get done */
#define CONVERSATIONS 5
#define SIDE_BY_SIDE 4 /* a child's flows */
#define UNFAIR 10      /* the luckiest child may have so many times the unluckiest's */

static const struct backend plain = { .name = "stress", .real_clock = true };
static char dir[64], path[80];

static struct store *open_file(struct loop *l)
{
    struct err e;
    struct store *s = store_sqlite_open(l, &(struct store_sqlite_options){ .path = path, .timeout_ms = 30000 }, &e);
    if (s == NULL)
        bail_out("%s", e.text);
    return s;
}

/* ---- a child: load, change, load, change ... until it is told to stop ---- */

struct child {
    struct store *s;
    int out; /* one byte for each change that was told DONE: the conversation's number */
    bool stop;
    unsigned busy;
};

struct flow {
    struct child *c;
    unsigned number, conversation;
    char id[16];
};

static void look(struct flow *f);

static void done(void *arg, enum store_status status, const struct store_applied *a)
{
    struct flow *f = arg;
    (void)a;
    char byte = (char)f->conversation;
    if (status != STORE_DONE && status != STORE_CONFLICT)
        _exit(3);
    if (status == STORE_DONE && write(f->c->out, &byte, 1) != 1)
        _exit(4);
    f->conversation = (f->conversation + f->number + 1) % CONVERSATIONS;
    look(f);
}

static void loaded(void *arg, enum store_status status, const struct store_view *v)
{
    struct flow *f = arg;
    if (status != STORE_DONE)
        _exit(2);
    if (v->pending_n != v->version) /* every change adds one: whatever is seen, is whole */
        _exit(5);
    struct sv item = sv_from(f->id);
    store_apply(f->c->s,
                &(struct store_change){ .conversation_id = sv_from(f->id),
                                        .expect_version = v->version,
                                        .first_version = v->version == 0,
                                        .record = SV("{}"),
                                        .pending_add = item,
                                        .queue_add = &item,
                                        .queue_add_n = 1 },
                done, f);
}

static void look(struct flow *f)
{
    if (f->c->stop) {
        f->c->busy--;
        return;
    }
    (void)snprintf(f->id, sizeof f->id, "c%u", f->conversation);
    store_load(f->c->s, &(struct store_load){ .conversation_id = sv_from(f->id), .want_lists = true }, loaded, f);
}

static void told_to_stop(void *arg, int events)
{
    struct child *c = arg;
    (void)events;
    c->stop = true;
}

static void child(int out, int stop, unsigned seed)
{
    struct loop *l = loop_new();
    struct child c = { .s = open_file(l), .out = out, .busy = SIDE_BY_SIDE };
    struct loop_fd *f = loop_fd_new(l, stop, told_to_stop, &c);
    struct flow flows[SIDE_BY_SIDE];
    loop_fd_want(f, LOOP_READ);
    for (unsigned i = 0; i < SIDE_BY_SIDE; i++) {
        flows[i] = (struct flow){ .c = &c, .number = i, .conversation = (seed + i) % CONVERSATIONS };
        look(&flows[i]);
    }
    while (c.busy > 0)
        loop_turn(l, true);
    loop_fd_free(f);
    store_close(c.s);
    loop_free(l);
    _exit(0);
}

/* ---- the parent ---- */

struct run {
    pid_t pid[CHILDREN + 1]; /* the last one is killed */
    int out[CHILDREN + 1], stop[2];
    unsigned count[CHILDREN + 1], told[CONVERSATIONS];
};

static void start(struct run *x)
{
    if (pipe2(x->stop, O_CLOEXEC) != 0)
        bail_out("no pipe");
    for (unsigned i = 0; i <= CHILDREN; i++) {
        int p[2];
        if (pipe2(p, O_CLOEXEC) != 0 || (x->pid[i] = fork()) < 0)
            bail_out("no pipe or process");
        if (x->pid[i] == 0) {
            (void)close(x->stop[1]);
            (void)close(p[0]);
            child(p[1], x->stop[0], i);
        }
        (void)close(p[1]);
        x->out[i] = p[0];
    }
    (void)close(x->stop[0]);
}

/* What child i has said by now. False at its end. */
static bool listen_to(struct run *x, unsigned i)
{
    char bytes[256];
    ssize_t n = read(x->out[i], bytes, sizeof bytes);
    for (ssize_t k = 0; k < n; k++) {
        x->count[i]++;
        x->told[(unsigned char)bytes[k] % CONVERSATIONS]++;
    }
    return n > 0;
}

static unsigned slowest(const struct run *x)
{
    unsigned least = x->count[0];
    for (unsigned i = 1; i < CHILDREN; i++)
        least = x->count[i] < least ? x->count[i] : least;
    return least;
}

static void follow(struct run *x)
{
    bool killed = false;
    while (slowest(x) < EACH) {
        struct pollfd fds[CHILDREN + 1];
        unsigned n = killed ? CHILDREN : CHILDREN + 1;
        for (unsigned i = 0; i <= CHILDREN; i++)
            fds[i] = (struct pollfd){ .fd = x->out[i], .events = POLLIN };
        if (poll(fds, n, 60000) <= 0)
            bail_out("no child got anything done in a minute");
        for (unsigned i = 0; i < n; i++) {
            if (fds[i].revents != 0 && !listen_to(x, i))
                bail_out("child %u ended on its own", i);
        }
        if (!killed && x->count[CHILDREN] >= EACH / 4 && slowest(x) < EACH) {
            (void)kill(x->pid[CHILDREN], SIGKILL);
            while (listen_to(x, CHILDREN))
                continue;
            killed = true;
        }
    }
    ok(killed, "one child was killed after %u changes of its own", x->count[CHILDREN]);
}

static void stop(struct run *x)
{
    unsigned most = 0, least = slowest(x), bad = 0;
    for (unsigned i = 0; i < CHILDREN; i++)
        most = x->count[i] > most ? x->count[i] : most;
    diag("the luckiest child had %u changes, the unluckiest %u", most, least);
    ok(most <= least * UNFAIR, "every process gets its share");
    (void)close(x->stop[1]);
    for (unsigned i = 0; i <= CHILDREN; i++) {
        int status = 0;
        while (listen_to(x, i))
            continue;
        (void)close(x->out[i]);
        (void)waitpid(x->pid[i], &status, 0);
        if (i < CHILDREN && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
            diag("child %u: status %x", i, (unsigned)status);
            bad++;
        }
    }
    is_int(bad, 0, "no child met anything but done and conflict");
}

/* What was told DONE is there; what is there and was not told can only be the last changes of the one that was killed.
 */
static void check(struct rig *r, const struct run *x)
{
    uint64_t told = 0, there = 0;
    unsigned lost = 0, torn = 0;
    r->s = open_file(r->loop);
    for (unsigned i = 0; i < CONVERSATIONS; i++) {
        const struct store_view *v = load_of(r, arena_printf(r->arena, "c%u", i), SV_NONE);
        lost += v->version < x->told[i];
        torn += v->pending_n != v->version;
        told += x->told[i];
        there += v->version;
    }
    is_int(lost, 0, "no change that was told is lost");
    ok(there - told <= SIDE_BY_SIDE, "%llu changes told, %llu there", (unsigned long long)told,
       (unsigned long long)there);
    is_int(torn, 0, "each change is there as a whole");
    is_int(stat_of(r)->queue, (int64_t)there, "with its queue item");
    const struct store_batch *b = take(r, "o", (size_t)there + 1);
    is_int(b->n, there, "which can be taken");
    store_close(r->s);
}

static int found_ok(void *arg, int n, char **values, char **names)
{
    (void)names;
    *(bool *)arg = n == 1 && strcmp(values[0], "ok") == 0;
    return 0;
}

int main(void)
{
    static const char *const ends[] = { "", "-journal", "-wal", "-shm", ".lock" };
    struct rig r = { .backend = &plain, .loop = loop_new(), .arena = arena_new(0, 1u << 30) };
    struct run x = { 0 };
    sqlite3 *db = NULL;
    bool intact = false;
    (void)snprintf(dir, sizeof dir, "/tmp/stress.XXXXXX");
    if (r.loop == NULL || r.arena == NULL || mkdtemp(dir) == NULL)
        bail_out("no memory or directory");
    (void)snprintf(path, sizeof path, "%s/state.db", dir);
    start(&x);
    follow(&x);
    stop(&x);
    check(&r, &x);
    (void)(sqlite3_open(path, &db) == SQLITE_OK &&
           sqlite3_exec(db, "PRAGMA integrity_check", found_ok, &intact, NULL) == SQLITE_OK);
    ok(intact, "the file is intact");
    (void)sqlite3_close(db);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char name[100];
        (void)snprintf(name, sizeof name, "%s%s", path, ends[i]);
        (void)unlink(name);
    }
    (void)rmdir(dir);
    arena_free(r.arena);
    loop_turn(r.loop, false);
    loop_free(r.loop);
    return done_testing();
}
