/* SPDX-License-Identifier: MIT
 * The lock excludes threads and processes, waits no longer than told, and dies with its holder. */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/filelock.h"
#include "t/tap.h"

#define ROUNDS 300
#define PROCESSES 3

static char dir[] = "/tmp/tk-filelock-XXXXXX", path[64];

static struct filelock *open_it(void)
{
    struct err e = { 0 };
    struct filelock *l = filelock_open(path, &e);
    if (l == NULL)
        bail_out("%s", e.text);
    return l;
}

static void one_process(void)
{
    struct filelock *a = open_it(), *b = open_it();
    struct err e = { 0 };
    struct stat st;
    char link_path[80];

    ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "the file is made, for its owner alone");
    is_int(filelock_take(a, 0, &e), 0, "it is free");
    ok(filelock_is_held(a) && !filelock_is_held(b), "and then held");
    is_int(filelock_take(b, 0, &e), -1, "another one of the same process does not get it");
    is_int(e.code, ERR_UNAVAILABLE, "for being held");
    int64_t began_ms = clock_mono_ms();
    is_int(filelock_take(b, 120, &e), -1, "nor after a while");
    ok(clock_mono_ms() - began_ms >= 120, "which is waited for");
    filelock_release(a);
    ok(!filelock_is_held(a), "released");
    is_int(filelock_take(b, 0, &e), 0, "the other one gets it");
    filelock_close(b);
    is_int(filelock_take(a, 0, &e), 0, "closing frees it");
    filelock_release_now(a);
    filelock_close(a);
    filelock_close(NULL);
    ok(filelock_open("/nonexistent/x.lock", &e) == NULL && e.code == ERR_IO, "a path that cannot be is an error");
    (void)snprintf(link_path, sizeof(link_path), "%s/link", dir);
    ok(symlink(path, link_path) == 0, "a link");
    ok(filelock_open(link_path, &e) == NULL, "is not followed");
    (void)unlink(link_path);
}

static void dies_with_its_holder(void)
{
    struct filelock *a;
    struct err e = { 0 };
    int ready[2], status;
    char c;

    if (pipe(ready) != 0)
        bail_out("pipe");
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct filelock *l = open_it();
        ssize_t n = filelock_take(l, 1000, &e) == 0 ? write(ready[1], "x", 1) : -1;
        for (;;)
            (void)pause();
        _exit(n == 1 ? 0 : 1);
    }
    a = open_it();
    ok(read(ready[0], &c, 1) == 1, "another process has it");
    (void)kill(pid, SIGSTOP);
    is_int(filelock_take(a, 30, &e), -1, "as long as it lives, stopped or not");
    (void)kill(pid, SIGKILL);
    is_int(filelock_take(a, 10000, &e), 0, "and not a moment longer");
    (void)waitpid(pid, &status, 0);
    filelock_close(a);
}

/* Each adds 1 to a number in a file, read and written back: one lost addition and the sum is wrong. */
static void shares(void)
{
    char number[80];
    long sum = 0;
    int status, failed = 0;
    FILE *f;

    (void)snprintf(number, sizeof(number), "%s/number", dir);
    (void)fflush(NULL);
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() != 0)
            continue;
        struct filelock *l = open_it();
        struct err e;
        for (int k = 0; k < ROUNDS; k++) {
            long n = 0;
            if (filelock_take(l, 60000, &e) != 0)
                _exit(1);
            f = fopen(number, "re");
            if (f != NULL && fscanf(f, "%ld", &n) != 1)
                _exit(2);
            if (f != NULL)
                (void)fclose(f);
            f = fopen(number, "we");
            if (f == NULL || fprintf(f, "%ld", n + 1) < 0 || fclose(f) != 0)
                _exit(3);
            filelock_release(l);
        }
        _exit(0);
    }
    for (int i = 0; i < PROCESSES; i++)
        failed += wait(&status) < 0 || status != 0;
    is_int(failed, 0, "%d processes take turns", PROCESSES);
    f = fopen(number, "re");
    ok(f != NULL && fscanf(f, "%ld", &sum) == 1, "they have left a number");
    is_int(sum, PROCESSES * ROUNDS, "and none was in another one's way");
    if (f != NULL)
        (void)fclose(f);
    (void)unlink(number);
}

int main(void)
{
    if (mkdtemp(dir) == NULL)
        bail_out("no temporary directory");
    (void)snprintf(path, sizeof(path), "%s/state.db.lock", dir);
    one_process();
    dies_with_its_holder();
    shares();
    (void)unlink(path);
    (void)rmdir(dir);
    return done_testing();
}
