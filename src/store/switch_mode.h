/* SPDX-License-Identifier: MIT
 * Which store is in force on this host: one word in a small file that all processes map, and what they must know of each other to
 * change it together. The word holds the mode and a count of changes (epoch), so one compare-and-swap changes both.
 * Who lives is told by kernel locks on bytes of the file, which end with their process, whatever way. Knows nothing of what stores do. */
#ifndef STORE_SWITCH_MODE_H
#define STORE_SWITCH_MODE_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"

enum mode {
    MODE_RETURNING =
        0, /* all hold their calls; also what a new file says: somebody has to look what the secondary holds */
    MODE_PRIMARY,
    MODE_SECONDARY,
};

struct mode_word {
    enum mode mode;
    uint64_t epoch; /* changes since the file was made */
};

struct mode_file;

/* Made 0600 when it is not there. NULL with *e: not to be opened or mapped, another kind of file, too many processes. */
struct mode_file *mode_open(const char *path, struct err *e) MUST_CHECK;
void mode_close(struct mode_file *m); /* NULL is allowed */

struct mode_word mode_now(const struct mode_file *m);
/* False: somebody else has changed it since `from` was read. */
bool mode_change(struct mode_file *m, struct mode_word from, enum mode to) MUST_CHECK;

/* Calls of this process that are on their way to the store of `mode` (PRIMARY, SECONDARY). */
void mode_enter(struct mode_file *m, enum mode mode);
void mode_leave(struct mode_file *m, enum mode mode);
/* The same of all processes that live. */
uint64_t mode_under_way(const struct mode_file *m, enum mode mode);

/* When some process of the host had an answer from the primary last (clock_mono_ms(), which all share); 0: never. */
void mode_heard(struct mode_file *m, int64_t now_ms);
int64_t mode_heard_ms(const struct mode_file *m);

/* Whether this process takes the primary to be up, and whether another one that lives does. */
void mode_believe(struct mode_file *m, bool up);
bool mode_others_believe(const struct mode_file *m);

/* One process at a time leads the way back. True: it is this one. */
bool mode_lead(struct mode_file *m) MUST_CHECK;
void mode_follow(struct mode_file *m);

#endif
