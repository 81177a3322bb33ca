/* SPDX-License-Identifier: MIT
 * Tickets: what a browser shows instead of a credential where it cannot set headers (WebSocket, EventSource), in ?ticket=. A ticket is bound to
 * one session and to who is behind it, is valid for TICKET_MS for any number of connections, and is nothing but text with a signature
 * (HMAC-SHA-256, RFC 2104): any process with the same tokens accepts it, without a store.
 *
 *   base64url(payload) "." base64url(HMAC(key, that text));  payload: JSON {"v":1,"sid":..,"exp":s,"snd":..?,"typ":"user|agent|.."} */
#ifndef TURN_TICKET_H
#define TURN_TICKET_H

#include "lib/arena.h"
#include "turn/message.h"

#define TICKET_MS (10 * 60 * INT64_C(1000))
#define TICKET_BYTES_MAX 2048

struct tickets;

struct ticket {
    struct sv session_id;
    struct sv sender_id;          /* whom messages sent with it are from; SV_NONE: whoever they say */
    enum sender_type sender_type; /* what they are from */
    int64_t expires_ms;           /* clock_wall_ms */
};

/* secrets: a list with commas, as ADMIN_ACCESS_TOKEN is: the first one signs, all verify, so that they can be rotated. Keys are stretched
 * (PBKDF2), since a ticket is in the hands of strangers who may try passwords against it. NULL: ERR_INVALID (none), ERR_MEMORY. */
struct tickets *tickets_new(const char *secrets, struct err *e) MUST_CHECK;
void tickets_free(struct tickets *t);
/* In the arena; SV_NONE: memory, or ids that are too long. */
struct sv ticket_make(const struct tickets *t, struct arena *a, const struct ticket *ticket) MUST_CHECK;
/* False: it is none, is not ours, or is over. Strings are in the arena. Takes the same time whichever key was right. */
bool ticket_check(const struct tickets *t, struct arena *a, struct sv text, int64_t now_ms, struct ticket *out) MUST_CHECK;

#endif
