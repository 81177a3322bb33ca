/* SPDX-License-Identifier: MIT
 * PANCAKE_WEBHOOK_SECRET: who shows it, or signs with it, may bring webhooks. Immutable once made, so that any thread may ask. */
#ifndef API_WEBHOOK_KEYS_H
#define API_WEBHOOK_KEYS_H

#include "lib/err.h"
#include "lib/sv.h"

struct webhook_keys;

/* A list with commas between (spaces around them are cut); "" or NULL: none, nobody may. NULL with *e: ERR_INVALID: an empty one among others; ERR_RANGE: too
 * many; ERR_MEMORY. */
struct webhook_keys *webhook_keys_new(const char *list, struct err *e) MUST_CHECK;
void webhook_keys_free(struct webhook_keys *k); /* NULL is allowed */
/* Both compare with all keys, in constant time. */
bool webhook_keys_have(const struct webhook_keys *k, struct sv secret);
/* header: "sha256=" and the HMAC-SHA-256 (RFC 2104) of the body in hexadecimal digits. */
bool webhook_keys_signed(const struct webhook_keys *k, struct sv header, struct sv body);

#endif
