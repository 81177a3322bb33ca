/* SPDX-License-Identifier: MIT
 * A redis-server for a test: on a free loopback port, in a directory of its own, removed at the end. And a fake one, which says
 * what the test tells it to. */
#ifndef T_STORE_REDIS_SERVER_H
#define T_STORE_REDIS_SERVER_H

#include <sys/types.h>
#include "lib/buf.h"
#include "lib/loop.h"
#include "lib/sv.h"

struct redis_server {
    char dir[64];
    int port;
    pid_t pid; /* 0: not running */
};

/* False: not installed. `more` are further words of the command line, ended by NULL; they are used again by redis_server_start. */
bool redis_server_open(struct redis_server *s, const char *const *more);
void redis_server_start(struct redis_server *s, const char *const *more); /* after a kill; waits until it answers */
void redis_server_signal(struct redis_server *s, int signo); /* SIGSTOP and SIGKILL: waits until it is so */
void redis_server_close(struct redis_server *s);
/* One command, blank-separated, on a connection of its own; the reply as text ("(nil)", numbers, arrays joined by blanks). Valid until
 * the next call. */
const char *redis_server_say(const struct redis_server *s, const char *command);

/* Turns the loop until done(arg), at most 20 s. */
bool loop_until(struct loop *l, bool (*done)(void *arg), void *arg);
void loop_for(struct loop *l, int64_t ms);

/* A listening socket whose other end the test plays itself, between turns of the loop. */
struct fake {
    struct loop *loop;
    int listener, fd, port;
    struct buf got;
};
void fake_open(struct fake *f, struct loop *l);
void fake_accept(struct fake *f); /* the next connection; forgets the one before */
/* Reads until a whole command is there, takes it, and returns its words joined by blanks; "" when the peer has gone away. */
const char *fake_command(struct fake *f, char *text, size_t size);
void fake_say(struct fake *f, const char *bytes);
/* Answers a greeting as a friendly server would, up to and with TIME (or SUBSCRIBE). */
void fake_greet(struct fake *f);
void fake_hang_up(struct fake *f);
void fake_close(struct fake *f);

#endif
