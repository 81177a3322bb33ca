/* SPDX-License-Identifier: MIT
 * Killed is dead, stopped is not; names of other hosts and other shapes are never called dead. */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/alive.h"
#include "t/tap.h"

static char base[] = "/tmp/t-alive-XXXXXX";
static char dir[64];

/* A process with a name, waiting to be killed (or, tidy, to be told to end). */
static pid_t start(char name[128])
{
    int out[2];
    pid_t pid;
    ssize_t n;

    if (pipe(out) != 0)
        bail_out("pipe");
    pid = fork();
    if (pid == 0) {
        struct alive *a = alive_open(dir, NULL);
        if (a == NULL || write(out[1], alive_name(a), strlen(alive_name(a))) < 0)
            _exit(1);
        for (;;)
            (void)pause();
    }
    n = read(out[0], name, 127);
    (void)close(out[0]);
    (void)close(out[1]);
    if (pid < 0 || n <= 0)
        bail_out("no child");
    name[n] = '\0';
    return pid;
}

static void end(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static int count_files(void)
{
    DIR *d = opendir(dir);
    const struct dirent *x;
    int n = 0;

    while ((x = readdir(d)) != NULL)
        n += x->d_name[0] != '.';
    (void)closedir(d);
    return n;
}

static void make_file(const char *name)
{
    char path[256];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    if (fd < 0)
        bail_out("%s", path);
    (void)close(fd);
}

static void test_names(struct alive *a, const char dead[128])
{
    static const char *const bad[] = { "",
                                       ".",
                                       "..",
                                       "../x",
                                       "a.b.c",
                                       "0123456789abcdef.1.x",
                                       "0123456789abcdef.1.0123456789abcdef0123456789abcdef",
                                       "0123456789abcdef.0.0123456789abcdef0123456789abcdef" };
    char name[160];

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ok(!alive_is_dead(a, bad[i]), "never dead: \"%s\"", bad[i]);
    (void)snprintf(name, sizeof(name), "%s/", dead);
    ok(!alive_is_dead(a, name), "nor with something behind");
    (void)snprintf(name, sizeof(name), "%s", dead);
    name[0] = name[0] == '0' ? '1' : '0';
    ok(!alive_is_dead(a, name), "nor another host's");
    ok(!alive_is_dead(a, alive_name(a)), "nor oneself");
}

int main(void)
{
    char one[128], two[128];
    struct err e = { 0 };
    struct stat st;
    struct alive *a;
    pid_t pid;

    if (mkdtemp(base) == NULL)
        bail_out("mkdtemp");
    (void)snprintf(dir, sizeof(dir), "%s/alive", base);
    ok(alive_open("/nonexistent/deep/dir", &e) == NULL && e.code == ERR_IO, "no directory: %s", e.text);
    a = alive_open(dir, &e);
    if (a == NULL)
        bail_out("%s", e.text);
    ok(stat(dir, &st) == 0 && (st.st_mode & 0777) == 0700, "the directory is private");

    pid = start(one);
    ok(!alive_is_dead(a, one), "a running process");
    (void)kill(pid, SIGSTOP);
    (void)waitpid(pid, NULL, WUNTRACED);
    ok(!alive_is_dead(a, one), "a stopped process");
    alive_tidy(a);
    is_int(count_files(), 2, "tidying leaves those who live");
    end(pid);
    ok(alive_is_dead(a, one), "a killed process");
    is_int(count_files(), 1, "its file is gone");
    ok(alive_is_dead(a, one), "it stays dead without a file");

    pid = start(two);
    end(pid);
    make_file("notes.txt");
    alive_tidy(a);
    is_int(count_files(), 2, "tidying removes the dead one's file and no other");
    ok(alive_is_dead(a, two), "dead after tidying");
    test_names(a, one);
    alive_close(a);
    is_int(count_files(), 1, "the own file is removed at the end");
    alive_close(NULL);
    (void)snprintf(one, sizeof(one), "%s/notes.txt", dir);
    (void)unlink(one);
    (void)rmdir(dir);
    (void)rmdir(base);
    return done_testing();
}
