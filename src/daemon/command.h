/* SPDX-License-Identifier: MIT
 * The commands of the admin socket: one table (command.c) gives name, arguments, help and function. A line goes in, the whole answer comes
 * out: lines of a table, or one line of JSON when the line ends in --json, and as its last line "OK" or "ERR <code> <text>". Knows no
 * socket. What a command says about conversations comes from turn/control.h. */
#ifndef DAEMON_COMMAND_H
#define DAEMON_COMMAND_H

#include <stdio.h>

#include "turn/turn.h"

struct commands;
struct alive;
struct bots;
struct loop;

/* What only the main can do. Each may be NULL: the command then says that it cannot. */
struct command_hooks {
    int (*reload)(void *arg, struct err *e); /* as HUP. -1: refused, the old configuration stays */
    void (*shutdown)(void *arg);             /* as TERM; called once the answer is on its way */
    void (*sweep)(void *arg);                /* look for what is due or orphaned now */
    void (*archive_now)(void *arg);          /* take from message_queue now */
    void (*pause_work)(void *arg, bool yes); /* this daemon begins no turns */
    bool (*is_paused)(void *arg);
    size_t (*callbacks)(void *arg);          /* that this daemon has in its hands */
    void (*config)(void *arg, FILE *out);    /* NAME=value # source, secrets masked */
    void (*status)(void *arg, struct json_out *o);   /* more members of SHOW STATUS */
    void (*backends)(void *arg, struct json_out *o); /* more rows for SHOW BACKENDS: {"backend","name","state",...} */
    void *arg;
};

struct commands_options {
    struct loop *loop;
    struct store *store;
    struct archive *archive; /* NULL: none */
    struct alive *alive;
    struct turns *turns;
    struct bots *bots; /* NULL: none; then changes to their rows are seen later */
    const char *ai, *platform; /* who they are, for SHOW BACKENDS */
    const char *log_level;     /* so far; LOG LEVEL changes it until the next reload */
    int64_t drain_ms;          /* how long DRAIN waits for running turns */
    struct command_hooks hooks;
};

/* The options are copied, what they point to is kept. NULL: no memory. */
struct commands *commands_new(const struct commands_options *o) MUST_CHECK;
/* fn exactly once, also from inside the call; `answer` is borrowed until it returns. `line` has no line end and is borrowed. */
typedef void command_fn(void *arg, struct sv answer);
void commands_run(struct commands *c, struct sv line, command_fn *fn, void *arg);
/* Further lines are refused; stopped(arg) when those that run have been answered. */
void commands_stop(struct commands *c, void (*stopped)(void *arg), void *arg);
/* After that, or before the loop ran. NULL is allowed. */
void commands_free(struct commands *c);

#endif
