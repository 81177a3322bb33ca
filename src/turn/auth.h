/* SPDX-License-Identifier: MIT
 * Who asks, and whether that one may. Reads the Authorization parameter and nothing else: a token of the configuration, or a JSON Web Token. Keeps
 * digests and keys, never tokens. Immutable once made, so that any thread may ask. */
#ifndef TURN_AUTH_H
#define TURN_AUTH_H

#include "lib/digest.h"
#include "lib/jwt.h"

struct auth;

#define AUTH_USER_MAX 256 /* bytes of a user's id, as of every id */

/* ROLE_TICKET: who shows a ticket (turn/ticket.h) for the session at hand; auth_check never says so. */
enum auth_role { ROLE_NOBODY, ROLE_TICKET, ROLE_USER, ROLE_PLATFORM, ROLE_ADMIN };

/* Whom a route is for. */
enum auth_access {
    ACCESS_PUBLIC,   /* no credential is looked at */
    ACCESS_STATUS,   /* the same unless PUBLIC_STATUS=no; then as PLATFORM */
    ACCESS_PLATFORM, /* platform, admin */
    ACCESS_CHAT,     /* the same, and users: the endpoint lets each have only what is his */
    ACCESS_SESSION,  /* the same, and tickets of that session */
    ACCESS_USER,     /* users, for what is their own (the endpoint's to see), and admins; no platform */
    ACCESS_WEBHOOK,  /* platform, admin, and who shows PANCAKE_WEBHOOK_SECRET or signs with it (api/webhook_keys.h) */
    ACCESS_ADMIN,
};

/* Each a list of tokens with commas between (spaces around them are cut). -1 (ERR_INVALID): none, an empty one, or one that no
 * client could send (RFC 6750 2.1: visible ASCII). A token in both lists is an admin's.
 * jwt: NULL, or not on: no JSON Web Tokens. Else its files are read, with the errors of jwt_keys_new. */
struct auth *auth_new(const char *platform_tokens, const char *admin_tokens, const struct jwt_options *jwt, struct err *e) MUST_CHECK;
void auth_free(struct auth *a);

/* Who it is. */
struct auth_identity {
    enum auth_role role;
    char user_id[AUTH_USER_MAX + 1];       /* of ROLE_USER, 1 to 256 bytes without control characters; else "" */
    unsigned char credential[DIGEST_SIZE]; /* the same for every request of the same one, also with another JWT of his; of ROLE_NOBODY zeros */
    const char *why;                       /* for the log: a constant that says nothing of the credential; NULL but for ROLE_NOBODY */
};
/* `authorization` is the header's value, SV_NONE when there is none. ROLE_NOBODY for everything but exactly one valid
 * `Bearer <token>`. The time taken says nothing about how much of a token was right, or which one. now_ms: clock_wall_ms.
 * Of a JWT count the claims `role`, `roles` and .NET's name for them, each a string or an array of strings: Admin or Platform, exactly so, is as the token
 * of that name. Else it is a user's: `userId`, or `sub` where there is none. A JWT with neither is nobody's. */
enum auth_role auth_check(const struct auth *a, struct sv authorization, int64_t now_ms, struct auth_identity *out);
bool auth_allows(enum auth_role role, enum auth_access access);
const char *auth_role_name(enum auth_role role);

#endif
