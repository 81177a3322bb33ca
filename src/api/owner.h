/* SPDX-License-Identifier: MIT
 * What users may have: their own sessions, and nothing that tells whether there are others. */
#ifndef API_OWNER_H
#define API_OWNER_H

#include "api/request.h"
#include "turn/session_owner.h"

/* go(r), at once for all but users. For a user once the session is known to be his, or with `may_begin` one that he may begin; else the request is answered:
 * 403, the same for another's session as for one that nobody knows, 503 when it cannot be found out. The request has not been parked when go is called.
 * The session's id lives as long as the request's scratch. */
void owner_check(struct request *r, struct sv session_id, bool may_begin, void (*go)(struct request *r));
/* That answer, for whoever has found out by himself that the session is not his. */
void owner_refuse(struct request *r, enum session_owner whose);

#endif
