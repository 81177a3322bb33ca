/* SPDX-License-Identifier: MIT
 * The server is a child that dies with its parent (PR_SET_PDEATHSIG), so that a crashed test leaves no server; the directory
 * is removed by atexit, which a crash skips. Backends have process groups of their own, so their pids come from /proc. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "lib/buf.h"
#include "t/lib/pgserver.h"
#include "t/tap.h"

#define DATABASES_MAX 16
#define PIDS_MAX 64
#define READY_TRIES 1200 /* of 50 ms */

struct pgserver {
    char dir[64], data[80], bin[256];
    uid_t uid;
    gid_t gid;
    pid_t pid; /* 0: does not run */
    struct {
        char name[64], conninfo[256];
    } databases[DATABASES_MAX];
    int databases_n;
};

static struct pgserver *the_one; /* for atexit */
static struct buf answer;

static void nap(long ms)
{
    (void)nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* ---- processes ---- */

static void become(const struct pgserver *s)
{
    if (getuid() != 0)
        return;
    if (setgroups(0, NULL) != 0 || setgid(s->gid) != 0 || setuid(s->uid) != 0)
        _exit(126);
}

static pid_t start(const struct pgserver *s, const char *program, const char *const *argv)
{
    char path[320], log[96];
    pid_t parent = getpid(), pid;

    (void)snprintf(path, sizeof(path), "%s/%s", s->bin, program);
    (void)snprintf(log, sizeof(log), "%s/log", s->dir);
    (void)fflush(NULL);
    pid = fork();
    if (pid != 0)
        return pid;
    become(s);
    (void)prctl(PR_SET_PDEATHSIG, SIGINT);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (getppid() != parent || fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 || chdir(s->dir) != 0)
        _exit(126);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    /* execv takes no const; it does not write to them. */
    char *args[32] = { NULL };
    for (size_t i = 0; argv[i] != NULL && i < ARRAY_LEN(args) - 1; i++)
        args[i] = strdup(i == 0 ? path : argv[i]); /* PostgreSQL's programs look for one another where their own name says */
    (void)execv(path, args);
    _exit(127);
}

static void reap(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
}

/* The server and its children: itself first. */
static size_t pids_of(const struct pgserver *s, pid_t *pids)
{
    char path[64], text[4096], *next = text;
    size_t n = 0;
    FILE *f;

    pids[n++] = s->pid;
    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)s->pid, (int)s->pid);
    f = fopen(path, "re");
    if (f == NULL)
        return n;
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    (void)fclose(f);
    for (long pid; n < PIDS_MAX && (pid = strtol(next, &next, 10)) > 0;)
        pids[n++] = (pid_t)pid;
    return n;
}

static void signal_all(const struct pgserver *s, int signo)
{
    pid_t pids[PIDS_MAX];
    size_t n = pids_of(s, pids);

    for (size_t i = 0; i < n; i++)
        (void)kill(pids[i], signo);
}

void pgserver_freeze(struct pgserver *s, bool frozen)
{
    signal_all(s, frozen ? SIGSTOP : SIGCONT);
}

/* Until they are gone, too: a new server does not start beside a child of the old one, which holds its memory. */
void pgserver_kill(struct pgserver *s)
{
    pid_t pids[PIDS_MAX];
    size_t n = pids_of(s, pids);
    const struct timespec moment = { .tv_nsec = 10000000 };
    int patience = 300; /* where nobody reaps orphans they are never gone */

    for (size_t i = 0; i < n; i++)
        (void)kill(pids[i], SIGKILL);
    reap(s->pid);
    for (size_t i = 1; i < n; i++)
        for (; patience > 0 && kill(pids[i], 0) == 0; patience--)
            (void)nanosleep(&moment, NULL);
    s->pid = 0;
}

long long pgserver_cpu_us(const struct pgserver *s)
{
    pid_t pids[PIDS_MAX];
    size_t n = pids_of(s, pids);
    unsigned long long ticks = 0;

    for (size_t i = 0; i < n; i++) {
        char path[64], text[1024];
        unsigned long user, system;
        FILE *f;
        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pids[i]);
        f = fopen(path, "re");
        if (f == NULL)
            continue;
        text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
        (void)fclose(f);
        const char *behind = strrchr(text, ')'); /* proc(5): utime and stime are fields 14 and 15 */
        if (behind != NULL && sscanf(behind + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2)
            ticks += user + system;
    }
    return (long long)(ticks * (1000000ULL / (unsigned long long)sysconf(_SC_CLK_TCK)));
}

/* ---- life ---- */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void pgserver_end(struct pgserver *s)
{
    if (s == NULL)
        return;
    if (s->pid != 0) {
        pgserver_freeze(s, false);
        (void)kill(s->pid, SIGINT);
        reap(s->pid);
    }
    (void)nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    buf_fini(&answer);
    the_one = NULL;
    free(s);
}

static void end_at_exit(void)
{
    pgserver_end(the_one);
}

static bool find_programs(struct pgserver *s)
{
    static const char *const patterns[] = { "/usr/lib/postgresql/*/bin/initdb", "/usr/lib64/pgsql/bin/initdb", "/usr/pgsql-*/bin/initdb",
                                            "/usr/local/pgsql/bin/initdb", "/usr/local/bin/initdb", "/usr/bin/initdb" };
    bool found = false;

    for (size_t i = 0; !found && i < ARRAY_LEN(patterns); i++) {
        glob_t g = { 0 };
        if (glob(patterns[i], 0, NULL, &g) == 0 && g.gl_pathc > 0) {
            const char *last = g.gl_pathv[g.gl_pathc - 1];
            (void)snprintf(s->bin, sizeof(s->bin), "%.*s", (int)(strlen(last) - strlen("/initdb")), last);
            found = true;
        }
        globfree(&g);
    }
    return found;
}

static bool choose_user(struct pgserver *s)
{
    static const char *const names[] = { "postgres", "nobody" };

    s->uid = getuid();
    s->gid = getgid();
    for (size_t i = 0; s->uid == 0 && i < ARRAY_LEN(names); i++) {
        const struct passwd *p = getpwnam(names[i]);
        if (p != NULL) {
            s->uid = p->pw_uid;
            s->gid = p->pw_gid;
            break;
        }
    }
    return s->uid != 0;
}

static void show_log(const struct pgserver *s)
{
    char path[96], line[512];

    (void)snprintf(path, sizeof(path), "%s/log", s->dir);
    FILE *log = fopen(path, "r");
    while (log != NULL && fgets(line, sizeof(line), log) != NULL)
        diag("%.*s", (int)strcspn(line, "\n"), line);
    if (log != NULL)
        (void)fclose(log);
}

static void wait_until_ready(struct pgserver *s)
{
    char conninfo[160];
    int tries = READY_TRIES, status;

    (void)snprintf(conninfo, sizeof(conninfo), "host=%s user=tk dbname=postgres connect_timeout=5", s->dir);
    while (PQping(conninfo) != PQPING_OK) {
        if (waitpid(s->pid, &status, WNOHANG) == s->pid) {
            show_log(s);
            bail_out("the PostgreSQL server ended with %d", status);
        }
        if (--tries == 0)
            bail_out("the PostgreSQL server does not come up");
        nap(50);
    }
}

void pgserver_restart(struct pgserver *s)
{
    const char *const argv[] = { "postgres", "-D", s->data, "-k", s->dir, "-h", "", "-c", "fsync=off", "-c", "shared_buffers=64MB",
                                 "-c", "max_connections=40", "-c", "max_wal_size=512MB", NULL };
    char pidfile[96];

    (void)snprintf(pidfile, sizeof(pidfile), "%s/postmaster.pid", s->data);
    (void)unlink(pidfile); /* of one that was killed: its number may belong to another process by now */
    s->pid = start(s, "postgres", argv);
    if (s->pid < 0)
        bail_out("fork: %s", strerror(errno));
    wait_until_ready(s);
}

static void make_cluster(struct pgserver *s)
{
    const char *const argv[] = { "initdb", "-D", s->data, "-U", "tk", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
                                 "--no-instructions", NULL };
    pid_t pid = start(s, "initdb", argv);
    int status = -1;

    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (status != 0) {
        show_log(s);
        bail_out("initdb ended with %d", status);
    }
}

struct pgserver *pgserver_start(const char **why)
{
    struct pgserver *s = calloc(1, sizeof(*s));

    if (s == NULL)
        bail_out("out of memory");
    *why = NULL;
    if (!find_programs(s))
        *why = "PostgreSQL's server is not installed";
    else if (!choose_user(s))
        *why = "no unprivileged user to run PostgreSQL as";
    if (*why != NULL) {
        free(s);
        return NULL;
    }
    (void)snprintf(s->dir, sizeof(s->dir), "/tmp/tk-pg-XXXXXX"); /* short: a socket's path is limited */
    if (mkdtemp(s->dir) == NULL || (getuid() == 0 && chown(s->dir, s->uid, s->gid) != 0))
        bail_out("%s: %s", s->dir, strerror(errno));
    (void)snprintf(s->data, sizeof(s->data), "%s/data", s->dir);
    the_one = s;
    (void)atexit(end_at_exit);
    make_cluster(s);
    pgserver_restart(s);
    return s;
}

/* ---- SQL ---- */

static PGresult *run(const char *conninfo, const char *sql, PGconn **c)
{
    *c = PQconnectdb(conninfo);
    if (PQstatus(*c) != CONNECTION_OK)
        bail_out("%s", PQerrorMessage(*c));
    PQclear(PQexec(*c, "SET client_min_messages = error"));
    return PQexec(*c, sql);
}

const char *pgserver_query(const char *conninfo, const char *sql)
{
    PGconn *c;
    PGresult *r = run(conninfo, sql, &c);

    if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK)
        bail_out("%s: %s", sql, PQerrorMessage(c));
    buf_clear(&answer);
    for (int row = 0; row < PQntuples(r); row++) {
        if (row > 0)
            buf_addc(&answer, '\n');
        for (int column = 0; column < PQnfields(r); column++)
            buf_printf(&answer, "%s%s", column > 0 ? "|" : "", PQgetvalue(r, row, column));
    }
    PQclear(r);
    PQfinish(c);
    return answer.p != NULL ? answer.p : "";
}

const char *pgserver_try(const char *conninfo, const char *sql)
{
    static char sqlstate[6];
    PGconn *c;
    PGresult *r = run(conninfo, sql, &c);
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);

    (void)snprintf(sqlstate, sizeof(sqlstate), "%s", state != NULL ? state : "");
    PQclear(r);
    PQfinish(c);
    return sqlstate;
}

void *pgserver_hold(const char *conninfo, const char *sql)
{
    PGconn *c;

    PQclear(run(conninfo, "BEGIN", &c));
    PGresult *r = PQexec(c, sql);
    if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK)
        bail_out("%s: %s", sql, PQerrorMessage(c));
    PQclear(r);
    return c;
}

void pgserver_let_go(void *held)
{
    PQfinish(held);
}

void pgserver_commit(void *held)
{
    PGresult *r = PQexec(held, "COMMIT");

    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        bail_out("COMMIT: %s", PQerrorMessage(held));
    PQclear(r);
    PQfinish(held);
}

const char *pgserver_database(struct pgserver *s, const char *name)
{
    char admin[160], conninfo[256], sql[96];
    int n = s->databases_n;

    for (int i = 0; i < n; i++)
        if (strcmp(s->databases[i].name, name) == 0)
            return s->databases[i].conninfo;
    if (n == DATABASES_MAX)
        bail_out("too many databases");
    (void)snprintf(admin, sizeof(admin), "host=%s user=tk dbname=postgres", s->dir);
    (void)snprintf(sql, sizeof(sql), "CREATE DATABASE %s", name);
    (void)pgserver_query(admin, sql);
    (void)snprintf(s->databases[n].name, sizeof(s->databases[n].name), "%s", name);
    (void)snprintf(conninfo, sizeof(conninfo), "host=%s user=tk dbname=%s", s->dir, name);
    memcpy(s->databases[n].conninfo, conninfo, sizeof(conninfo));
    s->databases_n++;
    return s->databases[n].conninfo;
}
