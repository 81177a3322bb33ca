/* SPDX-License-Identifier: MIT
 * Private to daemon/command*.c: a call of one command, from its line to its answer. A command's function gets the call with its arguments
 * and ends it, now or later, by exactly one of the call_* functions below. */
#ifndef DAEMON_COMMAND_OWN_H
#define DAEMON_COMMAND_OWN_H

#include "daemon/command.h"
#include "daemon/words.h"
#include "lib/json.h"
#include "turn/control.h"

struct call;
struct loop_timer;

#define COMMAND_REST (WORDS_MAX + 1)

struct command {
    const char *name; /* upper case; two words are one name */
    const char *args; /* for HELP */
    const char *help;
    size_t min, max;  /* arguments; COMMAND_REST: one, the rest of the line as it is, quotes and all */
    void (*run)(struct call *c);
};

struct commands {
    struct commands_options o;
    struct call *calls; /* not answered */
    size_t calls_n;
    bool stopping;
    void (*stopped)(void *arg);
    void *stopped_arg;
    int64_t began_mono_ms, began_ms;
};

struct call {
    struct commands *owner;
    struct call *next, **link;
    struct arena *a; /* the call's memory */
    const struct command *command;
    struct sv args[WORDS_MAX];
    size_t n;
    bool json;
    command_fn *fn;
    void *arg;
    void *state; /* a command's own */
    struct loop_timer *timer; /* a command's own; freed with the call */
};

/* What is asked about: (args[i], or SV_NONE). Ends the call with ERR bad_arguments when it is no id: then false. */
bool call_id(struct call *c, size_t i);
/* The value of NAME=value among the arguments, or a bare number as the first; `fallback` when it is not there. False: ended. */
bool call_number(struct call *c, const char *name, int64_t lo, int64_t hi, int64_t fallback, int64_t *out);
/* The value of NAME=value; SV_NONE. */
struct sv call_value(const struct call *c, const char *name);
/* Ends the call if an argument is NAME=... with a name that is not listed (NULL-terminated). False: ended. */
bool call_only(struct call *c, const char *const *names);

void call_json(struct call *c, struct sv json);                   /* JSON, shown as a table */
void call_text(struct call *c, struct sv json, struct sv text);   /* the same, but this text for people */
void call_out(struct call *c, struct buf *b);                     /* as call_json, of a buffer that is freed; its failure is an error */
void call_err(struct call *c, const char *code, struct sv text);
void call_control(void *call, const struct control_answer *answer); /* a control_fn */
/* NULL with the call ended. */
json_t *call_parse(struct call *c, struct sv json);

/* command_show.c, command_list.c, command_do.c, explain.c */
void command_status(struct call *c);
void command_config(struct call *c);
void command_leases(struct call *c);
void command_queue(struct call *c);
void command_dead(struct call *c);
void command_jobs(struct call *c);
void command_backends(struct call *c);
void command_stats(struct call *c);
void command_workers(struct call *c);
void command_get(struct call *c);
void command_explain(struct call *c);
void command_cancel(struct call *c);
void command_pause(struct call *c);
void command_resume(struct call *c);
void command_cleanup(struct call *c);
void command_sweep(struct call *c);
void command_archive(struct call *c);
void command_retry(struct call *c);
void command_discard(struct call *c);
void command_reload(struct call *c);
void command_log_level(struct call *c);
void command_drain(struct call *c);
void command_shutdown(struct call *c);
/* command_service.c: of BOT, CORE and PLATFORM */
void command_service_list(struct call *c);
void command_service_show(struct call *c);
void command_service_set(struct call *c);
void command_service_delete(struct call *c);

#endif
