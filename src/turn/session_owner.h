/* SPDX-License-Identifier: MIT
 * Whose session it is, for users who may have their own only. The same for the HTTP API and the daemon's WebSockets. */
#ifndef TURN_SESSION_OWNER_H
#define TURN_SESSION_OWNER_H

#include "turn/session.h"

enum session_owner {
    SESSION_HIS,
    SESSION_NOT_HIS, /* another's, or nobody's so far */
    SESSION_NOBODY_KNOWS_IT,
    SESSION_OWNER_UNSURE, /* it cannot be found out now */
};

/* What session_get's answer says about it. Also unsure: a store that only stands in does not know the session, so that the other one may. */
enum session_owner session_owner_of(const struct control_answer *a, struct sv user_id);

typedef void session_owner_fn(void *arg, enum session_owner whose);
/* fn(arg, whose) exactly once, never from inside the call. Copies both. -1: memory; fn is not called. */
int session_owner(struct turns *t, struct sv session_id, struct sv user_id, session_owner_fn *fn, void *arg) MUST_CHECK;

/* May a user begin a session of this id, by its first message? Only a random UUID (RFC 9562, version 4 or 7): any other id may be guessed, and who were first
 * would own what is said in it later. */
bool session_may_begin(struct sv session_id);

#endif
