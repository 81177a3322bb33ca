/* SPDX-License-Identifier: MIT
 * Options of a program: a constant table, a struct that they fill, and where each value came from.
 * Built-in default < file (KEY=value lines) < environment < NAME_FILE (the value is the content of that file, one trailing
 * newline cut). Knows no option by name; src/settings.c holds the table.
 * File format: blank lines, '#' comments, optional "export ", KEY=value, KEY='literal', KEY="with \n \t \" \\ escapes"; an unquoted
 * value ends at " #" or the line's end and is trimmed. Unknown key, duplicate key, bad value: an error with file and line. */
#ifndef LIB_CONF_H
#define LIB_CONF_H

#include <stdio.h>
#include "lib/arena.h"
#include "lib/err.h"

enum conf_type { CONF_STRING, CONF_INT, CONF_BOOL, CONF_ENUM };

#define CONF_SECRET 1u /* masked in dumps; NAME_FILE is accepted */
#define CONF_RELOAD 2u /* a reload takes it over */

struct conf_option {
    const char *name;
    enum conf_type type;
    size_t offset;        /* of: const char * (STRING; "" when empty), int64_t (INT), bool, int (ENUM: index into choices) */
    const char *fallback; /* the default, as text */
    int64_t min, max;     /* INT */
    const char *choices;  /* ENUM: "embedded|spool|reject", matched without case */
    unsigned flags;
    const char *help;     /* one line */
};

extern const char conf_environment[]; /* "environment" */

struct conf_source { /* where an option's value is from, for dumps and errors */
    const char *what; /* "default", conf_environment, or the file's path */
    int line;         /* 0 when not from a file */
};

/* Fills `target` (zeroed by the caller) and sources[count]. Strings live in the arena. `path` may be NULL (no file); a path that
 * cannot be read is an error. `environ_` is a NULL-terminated list as environ(7); names not in the table are ignored there.
 * "yes/no/true/false/on/off/1/0" for BOOL.
 * NAME_FILE (for CONF_SECRET) may stand in the file too; the environment's NAME or NAME_FILE is stronger than the file's. -1 with the first error, "FILE:LINE: ..." when it is from a file. */
int conf_load(const struct conf_option *table, size_t count, const char *path, char *const *environ_, struct arena *a,
              void *target, struct conf_source *sources, struct err *e) MUST_CHECK;
/* What is wrong with an option that was loaded, for checks across options: *e is ERR_RANGE, with "FILE:LINE: " or "environment variable NAME: "
 * before `why`, which names the option itself. Returns -1. */
int conf_blame(const struct conf_option *table, size_t count, const struct conf_source *sources, const char *name, const char *why,
               struct err *e);
/* Takes over what has CONF_RELOAD from another reading of the same table, strings by pointer; the rest stays. fn for each option whose value
 * differs; taken: it was taken over. */
typedef void conf_change_fn(void *arg, const char *name, bool taken);
void conf_adopt(const struct conf_option *table, size_t count, void *target, struct conf_source *sources, const void *fresh,
                const struct conf_source *fresh_sources, conf_change_fn *fn, void *arg);
/* NAME=value lines in table order, secrets as "***" (empty when empty), source as a trailing comment. */
void conf_dump(const struct conf_option *table, size_t count, const void *target, const struct conf_source *sources, FILE *out);
/* A commented example file: help, range, default of each option. */
void conf_example(const struct conf_option *table, size_t count, FILE *out);

#endif
