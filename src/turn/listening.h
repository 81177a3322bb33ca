/* SPDX-License-Identifier: MIT
 * Who listens to a session leaves a mark in the store, listening:<session>: a turn that could show its answer as it grows asks for
 * nothing of the kind where there is none. One mark a session and process, however many listeners it has there. Nothing depends on it but that. */
#ifndef TURN_LISTENING_H
#define TURN_LISTENING_H

#include "lib/attr.h"
#include "store/store.h"

struct listening;
struct loop;

#define LISTENING_NAME_SIZE (sizeof("listening:") + STORE_ID_MAX)
/* The name of the mark, in `to`. session_id: at most STORE_ID_MAX bytes. */
struct sv listening_name(char to[LISTENING_NAME_SIZE], struct sv session_id);

/* NULL: memory. */
struct listening *listening_new(struct loop *l, struct store *s) MUST_CHECK;
void listening_free(struct listening *l); /* all have ended. NULL is allowed */

/* A part of whatever stands for the session; zeroed at first. */
struct listening_place {
    struct listening_place *prev, *next; /* those whose mark is due in the same second; prev NULL: it is the first of them */
    struct sv id;                        /* borrowed: lives as long */
    unsigned slot;
};
/* The mark is left at once, and again and again until listening_end; it is gone 90 s after that. A store that is away is no matter. */
void listening_begin(struct listening *l, struct listening_place *p, struct sv session_id);
void listening_end(struct listening *l, struct listening_place *p);
/* The store may be another one, or have lost what it knew: all marks are left anew, within some seconds. */
void listening_again(struct listening *l);

#endif
