/* SPDX-License-Identifier: MIT
 * The contract test's own redis-server: on a Unix socket in a directory of its own, without persistence, ended at the
 * end. */
#include "config.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/store/contract.h"

struct server {
    char dir[64], socket[80];
    pid_t pid;
    redisContext *admin; /* a connection of the test's own */
};

static bool can_connect(struct rig *r, void *arg)
{
    struct server *s = r->own;
    (void)arg;
    redisFree(s->admin);
    s->admin = redisConnectUnix(s->socket);
    return s->admin != NULL && s->admin->err == 0;
}

static bool redis_start(struct rig *r, const char **why)
{
    static struct server s;
    (void)snprintf(s.dir, sizeof s.dir, "/tmp/contract.XXXXXX");
    if (access("/usr/bin/redis-server", X_OK) != 0 || mkdtemp(s.dir) == NULL) {
        *why = "redis-server is not installed";
        return false;
    }
    (void)snprintf(s.socket, sizeof s.socket, "%s/redis.sock", s.dir);
    s.pid = fork();
    if (s.pid == 0) { /* it must not outlive a test that crashes, nor hold its output open */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (freopen("/dev/null", "w", stdout) == NULL)
            _exit(127);
        (void)execl("/usr/bin/redis-server", "redis-server", "--port", "0", "--unixsocket", s.socket, "--save", "",
                    "--appendonly", "no", "--dir", s.dir, "--logfile", "redis.log", (char *)NULL);
        _exit(127);
    }
    r->own = &s;
    if (!rig_until(r, can_connect, NULL))
        bail_out("redis-server does not come up");
    return true;
}

static void redis_command(struct rig *r, const char *command, const char *key)
{
    struct server *s = r->own;
    redisReply *reply = redisCommand(s->admin, command, key);
    if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
        bail_out("redis: %s", reply != NULL ? reply->str : s->admin->errstr);
    freeReplyObject(reply);
}

static void redis_stop(struct rig *r)
{
    struct server *s = r->own;
    char log[100];
    redisFree(s->admin);
    s->admin = NULL;
    (void)kill(s->pid, SIGKILL);
    (void)waitpid(s->pid, NULL, 0);
    (void)snprintf(log, sizeof log, "%s/redis.log", s->dir);
    (void)unlink(log);
    (void)unlink(s->socket);
    (void)rmdir(s->dir);
}

static void redis_wipe(struct rig *r)
{
    redis_command(r, "FLUSHALL", NULL);
}

static void redis_cut_lock(struct rig *r, const char *id)
{
    redis_command(r, "DEL lock:%s", id);
}

static struct store *redis_open(struct rig *r, size_t bound)
{
    struct err e;
    const struct server *s = r->own;
    struct store_redis_options o = { .host = "",
                                     .unix_path = s->socket,
                                     .user = "",
                                     .password = "",
                                     .command_timeout_ms = 5000,
                                     .queue_max_bytes = (int64_t)bound * 1000 };
    struct store *store = store_redis_open(r->loop, &o, &e);
    if (store == NULL)
        diag("%s", e.text);
    return store;
}

extern const struct backend contract_redis;
const struct backend contract_redis = {
    .name = "redis",
    .start = redis_start,
    .stop = redis_stop,
    .wipe = redis_wipe,
    .open = redis_open,
    .cut_lock = redis_cut_lock,
    .real_clock = true,
    .shared = true,
};
