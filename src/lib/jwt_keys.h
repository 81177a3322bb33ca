/* SPDX-License-Identifier: MIT
 * What jwt.c and jwt_keys.c share: a set of keys, immutable once it is made. */
#ifndef LIB_JWT_KEYS_H
#define LIB_JWT_KEYS_H

#include "lib/jwt_key.h"

struct jwt_keys {
    size_t n;
    struct jwt_key *keys;
    char *issuer, *audience; /* NULL: not set */
};

/* The one key that a token with this kid (SV_NONE: without) and algorithm can have been signed with; NULL: there is none, or more than one. */
const struct jwt_key *jwt_keys_pick(const struct jwt_keys *k, struct sv kid, enum jwt_alg alg);

#endif
