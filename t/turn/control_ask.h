/* SPDX-License-Identifier: MIT
 * An administrator's questions, asked on a rig and waited for. */
#ifndef T_TURN_CONTROL_ASK_H
#define T_TURN_CONTROL_ASK_H

#include "t/turn/rig.h"
#include "turn/control.h"

struct asked {
    int http_status; /* 0: no answer (yet) */
    char code[64];
    json_t *result;
};

/* For arg of any control_ call. */
control_fn asked_fn;
/* Runs the loop until the answer is there. */
bool asked_wait(struct rig *r, const struct asked *q);
void asked_forget(struct asked *q);

void ask_cancel(struct rig *r, const char *conversation, struct asked *q);
void ask_show(struct rig *r, const char *conversation, struct asked *q);
void ask_fate(struct rig *r, const char *conversation, const char *message, struct asked *q);
void ask_list(struct rig *r, enum control_state state, const char *cursor, size_t limit, struct asked *q);
void ask_cleanup(struct rig *r, int64_t max_age_ms, bool dry_run, struct asked *q);
void ask_health(struct rig *r, struct asked *q);
void ask_stats(struct rig *r, struct asked *q);
void ask_dead(struct rig *r, struct asked *q);

/* "(none)" when it is not a string there. The path's parts are divided by '/'; a number is an array's element. */
const char *asked_str(const struct asked *q, const char *path);
int64_t asked_int(const struct asked *q, const char *path);
bool asked_bool(const struct asked *q, const char *path);
size_t asked_count(const struct asked *q, const char *path);
/* "step:turn" of each step, with blanks between; turns are shortened to their place in `turns` (A, B, ...) or "-". */
const char *asked_steps(const struct asked *q, const char *path, const char *const *turns, size_t turns_n);

#endif
