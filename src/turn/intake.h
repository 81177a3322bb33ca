/* SPDX-License-Identifier: MIT
 * A history on its way (see history.h): what turn_history.c and intake.c share. Nobody else includes this. */
#ifndef TURN_INTAKE_H
#define TURN_INTAKE_H

#include "turn/history.h"
#include "turn/turn_parts.h"

struct intake {
    struct turns *t;
    struct arena *a;
    struct history h;
    char token[ID_TOKEN_SIZE];
    bool recall_done; /* the archive was asked about a conversation that the store does not know */
    int64_t absent_ms; /* the store's time when it had nothing of it: it need not be asked a second time; 0: it has something */
    const struct sv *recalled;
    size_t recalled_n;

    unsigned salt, salts; /* another one when a name is taken: the same was said before what is stored still tells; how often it was */
    const struct markup_part *parts; /* of h, without those that are known although new ones come before them */
    const size_t *places;           /* theirs in h */
    size_t parts_n;
    const char **names;             /* of h's parts, once they were given: a second try may meet another store, where they are to be the same */
    struct message newest, *others; /* others: history, then older ones to be answered */
    size_t history_n;

    struct sv last_id;              /* nothing new: the newest of the customer's messages that was recognised; SV_NONE: none was */
    char job_id[ID_UUID_SIZE];      /* nothing new: that it waits for; "" it has ended */
    char lock_id[ID_UUID_SIZE];
    size_t consolidated;

    history_fn *fn;
    void *arg;
};

/* Between load and decision (a transact_look_fn, arg: the intake): what of the history is new, as messages. False: nothing, and last_id, job_id,
 * lock_id, consolidated say who has it; or memory is short (all of them empty). */
bool intake_look(struct transact *x);
/* What the arrival leaves behind (a transact_fill_fn): marks, history items, the job. */
int intake_fill(struct transact *x, struct store_change *c);
/* The lease's token (32 hexadecimal digits) as a UUID; "" for another text. */
void intake_lock_id(char out[ID_UUID_SIZE], const char *token);

#endif
