/* SPDX-License-Identifier: MIT
 * An erasure that was asked for, from the question to the receipt: what chat_erase.c (one session, the answer) and chat_erase_user.c (all of a user)
 * share. Nobody else includes this. */
#ifndef TURN_CHAT_ERASE_H
#define TURN_CHAT_ERASE_H

#include "turn/chat_find.h"
#include "turn/erase.h"

struct erase_todo {
    struct sv id;
    struct erase_todo *next;
};

struct chat_erasure {
    struct chat_find f;      /* first */
    bool whole;              /* all of the user */
    struct map *sessions;    /* id -> const int64_t *: erased up to then. What this erasure has met so far */
    int64_t at_ms;           /* of the receipt */

    /* of a user */
    struct erase_todo *first, **last; /* sessions that are to be erased, in this round */
    struct sv after;         /* the archive was asked up to this one */
    unsigned rounds;
    bool all_gone;           /* the store had no session of his when it was asked last, ... */
    int64_t began_ms, asked_ms; /* when it was asked first, and last, by its clock */
    int64_t himself_ms;      /* up to when he himself is being erased in the archive */

    /* what has become of it */
    enum erase_end end;      /* what went wrong first */
    int64_t sessions_n, messages, jobs, events, letters;
    struct { struct sv table; int64_t rows; } tables[ARCHIVE_TABLES_MAX];
    size_t tables_n;
    struct sv erasure_id;    /* n = 0: no archive */
};

/* The store's counts as the receipt keeps them beside the archive's, which has tables of the same names. */
void chat_erasure_counts(struct json_out *o, int64_t messages, int64_t jobs, int64_t events);
/* Adds it up; and how it ended. */
void chat_erasure_note(struct chat_erasure *e, struct sv id, const struct erased_session *s);
void chat_erasure_tables(struct chat_erasure *e, const struct archive_erased *a);
void chat_erasure_failed(struct chat_erasure *e, enum erase_end how);
/* Sessions and user are done: dead letters, receipt, answer, end. */
void chat_erasure_letters(struct chat_erasure *e);
/* Begins with the user's sessions. */
void chat_erasure_user(struct chat_erasure *e);

#endif
