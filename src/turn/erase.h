/* SPDX-License-Identifier: MIT
 * Parts of an erasure (chat_erase.c puts them together; docs/history.md says in which order, and why): all of one session, and the dead
 * letters that speak of what was erased. Private to turn/. */
#ifndef TURN_ERASE_H
#define TURN_ERASE_H

#include "archive/archive_history.h"
#include "lib/map.h"
#include "store/store_history.h"
#include "turn/turn_parts.h"

enum erase_end {
    ERASE_DONE,
    ERASE_STORE_DOWN,   /* or it only stands in for another one */
    ERASE_ARCHIVE_DOWN, /* the store has forgotten it; a daemon does the rest when the archive is back */
    ERASE_CONTENDED,    /* others write to it all the time: nothing was done */
    ERASE_BEHIND,       /* the store does not know all of it any more, and the archive not so far: nothing was done */
    ERASE_MEMORY,
};

/* So long an erasure waits for the archive where the store alone does not know everything. */
#define ERASE_BEHIND_MS 10000

/* ---- one session (erase_session.c) ---- */

struct erase_session {
    struct sv id, user_id; /* user_id: whose it is said to be; SV_NONE: not known */
    bool figures;          /* what was counted of the user goes into the erased users' figure, too */
    int64_t user_at_ms;    /* a daemon is told as well that all of the user up to this time goes; 0: it is not */
};

struct erased_session {
    enum erase_end end;
    int64_t at_ms;           /* everything that was accepted up to then is gone; 0: nothing was done */
    bool was_there;          /* the store or the archive had something of it */
    struct store_erased counts; /* of the store */
    struct archive_erased archive; /* its lists are borrowed until the callback returns; erasure_id n = 0: no archive */
};
typedef void erase_session_fn(void *arg, const struct erased_session *e);
/* Archive (what it alone knows), store, archive, and once more the store, for what came to the archive in between. fn comes exactly once, never from inside the call. Copies everything. */
void erase_session(struct turns *t, const struct erase_session *what, erase_session_fn *fn, void *arg);

/* The mark of an erased message: whoever sends it again hears that, and nothing of it is in there. In the arena; SV_NONE: memory. */
struct sv erased_mark(struct arena *a, int64_t at_ms) MUST_CHECK;

/* ---- dead letters (erase_letters.c) ---- */

struct erase_letters {
    struct map *sessions; /* conversation id -> const int64_t: what was received up to then; the caller's until fn comes */
    struct sv user_id;          /* and those that name this user, up to user_at_ms; SV_NONE: none. The caller's as well */
    int64_t user_at_ms;
};
typedef void erase_letters_fn(void *arg, enum store_status status, int64_t dropped);
void erase_letters(struct turns *t, const struct erase_letters *what, erase_letters_fn *fn, void *arg);

#endif
