/* SPDX-License-Identifier: MIT
 * Rows of bots, ai_cores and platforms as JSON objects: what may stand in them, what they are in one environment, and how a whole one looks.
 * One table, so that what the API takes and what a bot is made of are judged alike. Knows neither database nor backends. */
#ifndef TURN_BOT_ROW_H
#define TURN_BOT_ROW_H

#include "archive/archive.h"
#include "lib/json.h"

#define ROW_PROMPT_MAX 65536
#define ROW_SETTINGS_MAX 16384     /* bytes of JSON */
#define ROW_ENVIRONMENTS_MAX 65536 /* the same */
#define ROW_LOC_MAX 4

/* The names that ENVIRONMENT may have, NULL-terminated. */
extern const char *const row_environments[];

const char *row_table(enum archive_service kind); /* bots, ai_cores, platforms */
const char *row_key(enum archive_service kind);   /* bot_id, name */

/* What is wrong with one field: where it stands, what is wrong in words, and that as a type. Never quotes a value. */
struct row_problem {
    const char *loc[ROW_LOC_MAX];
    size_t loc_n;
    const char *msg, *type;
};
typedef void row_problem_fn(void *arg, const struct row_problem *p);

/* A row that somebody hands in: every field and every environment, members that no row has, sizes. Tells each problem; returns how many. */
size_t row_check(enum archive_service kind, const json_t *row, row_problem_fn *fn, void *arg);
/* What row_in gave: its own fields alone. */
size_t row_check_effective(enum archive_service kind, const json_t *row, row_problem_fn *fn, void *arg);

/* The row as it is in an environment: that entry of `environments` merged over it. Its members are fields of the row, "settings" (member by
 * member) or settings by themselves. A new object; NULL: memory. */
json_t *row_in(enum archive_service kind, const json_t *row, const char *environment) MUST_CHECK;
/* The fields that can be handed in and no others, each with its default where it is not there. A new object; NULL: memory. */
json_t *row_whole(enum archive_service kind, const json_t *row) MUST_CHECK;

/* A known setting of an effective row that is in its range; `fallback` when it is not said. */
int64_t row_setting(const json_t *row, const char *name, int64_t fallback);
/* A choice of settings as its index; a flag as 0 or 1. */
int row_setting_choice(enum archive_service kind, const json_t *row, const char *name, int fallback);

#endif
