/* SPDX-License-Identifier: MIT
 * Figures of several processes: what the killed ones counted stays, once; slots are used again; files that are not ours are replaced
 * under those who still use them; without a file everything works alone. */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/metrics.h"
#include "t/tap.h"

#define LAYOUT 7u
#define CROWD 24
#define ROUNDS 40

static char base[] = "/tmp/t-metrics-XXXXXX";
static char path[64];

/* Shared with the children: what they say they have counted, each word written by one of them before and after each count. */
struct board {
    _Atomic uint64_t before, after;
    _Atomic int ready;
};
static struct board *board;

static struct metrics *open_ours(uint32_t layout)
{
    struct err e;
    struct metrics *m = metrics_open(path, layout, &e);
    if (m == NULL || e.code != ERR_NONE)
        bail_out("metrics_open: %s", e.text);
    return m;
}

/* Counts for ever. */
static pid_t start_counting(struct board *b)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct err e;
    struct metrics *m = metrics_open(path, LAYOUT, &e);
    if (m == NULL || e.code != ERR_NONE)
        _exit(1);
    b->ready = 1;
    for (;;) {
        b->before++;
        metrics_add(m, 3, 1);
        b->after++;
    }
}

/* Takes a slot, and waits to be killed. */
static pid_t start_holding(struct board *b)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct err e;
    struct metrics *m = metrics_open(path, LAYOUT, &e);
    metrics_add(m, 4, 1);
    b->ready = m == NULL ? -1 : e.code == ERR_NONE ? 1 : 2;
    for (;;)
        (void)pause();
}

static void wait_ready(const struct board *b, pid_t pid)
{
    while (b->ready == 0)
        if (waitpid(pid, NULL, WNOHANG) == pid)
            bail_out("a child ended");
}

static void end(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static void alone(void)
{
    struct err e;
    struct metrics_times t;
    struct metrics *m = metrics_open(NULL, LAYOUT, &e);
    ok(m != NULL && e.code == ERR_NONE, "without a file");
    metrics_add(m, 0, 5);
    metrics_add(m, METRICS_COUNTERS_MAX - 1, 1);
    metrics_add(m, METRICS_COUNTERS_MAX, 1);
    metrics_time(m, METRICS_HISTOGRAMS_MAX, 1);
    is_int(metrics_count(m, 0), 5, "it counts");
    is_int(metrics_count(m, METRICS_COUNTERS_MAX - 1), 1, "to the last counter");
    is_int(metrics_count(m, METRICS_COUNTERS_MAX), 0, "and not beyond");
    metrics_times(m, 0, &t);
    is_int(t.n + t.p50_us + t.p99_us, 0, "no duration yet");
    is_int(metrics_processes(m), 1, "one process");
    metrics_close(m);

    m = metrics_open("/nonexistent/dir/metrics", LAYOUT, &e);
    ok(m != NULL && e.code == ERR_IO, "a file that cannot be had is said: %s", e.text);
    metrics_add(m, 1, 2);
    is_int(metrics_count(m, 1), 2, "and it works alone");
    metrics_close(m);
    m = metrics_open("/dev/null", LAYOUT, &e);
    ok(m != NULL && e.code == ERR_INVALID, "so is one that is no file: %s", e.text);
    metrics_close(m);

    metrics_add(NULL, 0, 1);
    metrics_time(NULL, 0, 1);
    metrics_times(NULL, 0, &t);
    is_int(metrics_count(NULL, 0) + t.n + metrics_processes(NULL), 0, "none at all counts nothing");
    metrics_close(NULL);
}

static void durations(void)
{
    struct err e;
    struct metrics_times t;
    struct metrics *m = metrics_open(NULL, LAYOUT, &e);
    for (unsigned i = 1; i <= 1000; i++)
        metrics_time(m, 2, i * 100);
    metrics_times(m, 2, &t);
    is_int(t.n, 1000, "a thousand durations");
    is_int(t.sum_us, 50050000, "their sum");
    ok(t.p50_us >= 50000 && t.p50_us <= 56250, "p50: %llu", (unsigned long long)t.p50_us);
    ok(t.p95_us >= 95000 && t.p95_us <= 106875, "p95: %llu", (unsigned long long)t.p95_us);
    ok(t.p99_us >= 99000 && t.p99_us <= 111375, "p99: %llu", (unsigned long long)t.p99_us);
    bool exact = true;
    for (uint64_t us = 1; us < UINT64_C(1) << 41; us = us * 9 / 8 + 1) {
        struct metrics *one = metrics_open(NULL, LAYOUT, &e);
        metrics_time(one, 0, us);
        metrics_times(one, 0, &t);
        uint64_t real = us < UINT64_C(1) << 40 ? us : UINT64_C(1) << 40;
        exact = exact && t.p50_us >= real && t.p50_us <= real + real / 8;
        metrics_close(one);
    }
    ok(exact, "each within an eighth, to the end");
    metrics_time(m, 3, 0);
    metrics_times(m, 3, &t);
    ok(t.n == 1 && t.p99_us == 0, "a duration of nothing");
    metrics_close(m);
}

static void killed(void)
{
    struct metrics *m = open_ours(LAYOUT);
    metrics_add(m, 3, 10);
    uint64_t least = 10, most = 10;
    bool seen = true;
    for (int i = 0; i < ROUNDS; i++) {
        memset(board, 0, sizeof(*board));
        pid_t pid = start_counting(board);
        wait_ready(board, pid);
        seen = seen && metrics_processes(m) == 2;
        while (board->after < 1000)
            ;
        end(pid);
        least += board->after;
        most += board->before;
        seen = seen && metrics_processes(m) == 1;
    }
    uint64_t n = metrics_count(m, 3);
    ok(n >= least && n <= most, "%d killed: %llu counted, of %llu to %llu", ROUNDS, (unsigned long long)n, (unsigned long long)least,
       (unsigned long long)most);
    ok(seen, "a killed process is not counted among the processes at once");
    metrics_close(m);
    m = open_ours(LAYOUT);
    is_int(metrics_count(m, 3), n, "it is still there for the next one");
    metrics_close(m);
}

/* All open at once, some are killed while they do. */
static void crowd(void)
{
    struct metrics *m = open_ours(LAYOUT);
    unsigned lost = 0, held = 0;
    uint64_t before = metrics_count(m, 4), ready = 0;
    for (int round = 0; round < ROUNDS / 4; round++) {
        pid_t pids[CROWD];
        memset(board, 0, CROWD * sizeof(*board));
        for (int i = 0; i < CROWD; i++) {
            pids[i] = start_holding(&board[i]);
            if (i % 3 == 2)
                end(pids[i - 1]); /* perhaps while it takes its slot */
        }
        for (int i = 0; i < CROWD; i++)
            if (i % 3 != 1)
                wait_ready(&board[i], pids[i]);
        held += metrics_processes(m);
        for (int i = 0; i < CROWD; i++) {
            lost += board[i].ready == 2 || board[i].ready == -1;
            ready += board[i].ready == 1;
            if (i % 3 != 1)
                end(pids[i]);
        }
    }
    is_int(lost, 0, "each got a slot");
    is_int(held, ROUNDS / 4 * (CROWD - CROWD / 3 + 1), "of its own");
    uint64_t n = metrics_count(m, 4) - before;
    ok(n >= ready && n <= ROUNDS / 4 * CROWD, "and counted there: %llu", (unsigned long long)n);
    is_int(metrics_processes(m), 1, "all gone");
    metrics_close(m);
}

static void full(void)
{
    struct metrics *all[METRICS_SLOTS_MAX];
    struct err e;
    for (int i = 0; i < METRICS_SLOTS_MAX; i++)
        all[i] = open_ours(LAYOUT);
    is_int(metrics_processes(all[0]), METRICS_SLOTS_MAX, "every slot in use");
    uint64_t before = metrics_count(all[5], 9);
    struct metrics *one = metrics_open(path, LAYOUT, &e);
    ok(one != NULL && e.code == ERR_UNAVAILABLE, "one more: %s", e.text);
    metrics_add(one, 9, 1);
    is_int(metrics_count(one, 9), 1, "works alone");
    is_int(metrics_count(all[5], 9), before, "and by itself");
    metrics_close(one);
    metrics_add(all[200], 9, 1);
    for (int i = 0; i < METRICS_SLOTS_MAX; i++)
        metrics_close(all[i]);
    one = open_ours(LAYOUT);
    is_int(metrics_count(one, 9), before + 1, "slots are free again, with what they hold");
    metrics_close(one);
}

static void scribble(off_t size, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) < 0 || (size > 0 && ftruncate(fd, size) != 0))
        bail_out("no file");
    (void)close(fd);
}

static void other_files(void)
{
    static const char *const texts[] = { "x", "no figures at all", "" };
    struct stat st;
    struct metrics *old = open_ours(LAYOUT);
    uint64_t n = metrics_count(old, 3);
    struct metrics *newer = open_ours(LAYOUT + 1);
    is_int(metrics_count(newer, 3), 0, "another layout begins anew");
    metrics_add(newer, 3, 1);
    metrics_add(old, 3, 1);
    is_int(metrics_count(old, 3), n + 1, "under those who have the old one, it stays");
    is_int(metrics_count(newer, 3), 1, "and they do not meet");
    metrics_close(old);
    metrics_close(newer);
    (void)stat(path, &st);
    for (size_t i = 0; i < 2 * ARRAY_LEN(texts); i++) {
        (void)unlink(path);
        scribble(i % 2 == 0 ? st.st_size : 0, texts[i / 2]);
        struct metrics *m = open_ours(LAYOUT);
        metrics_add(m, 3, 1);
        is_int(metrics_count(m, 3), 1, "a foreign or torn file is replaced (%zu)", i);
        metrics_close(m);
        m = open_ours(LAYOUT);
        is_int(metrics_count(m, 3), 1, "for good");
        metrics_close(m);
    }
    (void)stat(path, &st);
    is_int(st.st_mode & 0777, 0600, "readable by its owner alone");
}

int main(void)
{
    if (mkdtemp(base) == NULL)
        bail_out("no directory");
    (void)snprintf(path, sizeof(path), "%s/metrics", base);
    board = mmap(NULL, CROWD * sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        bail_out("no memory");
    alone();
    durations();
    killed();
    crowd();
    full();
    other_files();
    (void)unlink(path);
    ok(rmdir(base) == 0, "nothing else was left behind");
    return done_testing();
}
