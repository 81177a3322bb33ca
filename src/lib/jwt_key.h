/* SPDX-License-Identifier: MIT
 * One key for signatures: what it is made of, and the one algorithm that it is for. Private to jwt*.c. */
#ifndef LIB_JWT_KEY_H
#define LIB_JWT_KEY_H

#include "lib/jwt.h"

enum jwt_alg { JWT_HS256, JWT_RS256, JWT_ES256 };

/* "HS256"; exactly so, since names of algorithms are case-sensitive (RFC 7515 4.1.1). */
const char *jwt_alg_name(enum jwt_alg alg);
bool jwt_alg_parse(struct sv name, enum jwt_alg *alg);

/* Numbers are big-endian bytes; SV_NONE: not given. */
struct jwt_material {
    enum jwt_alg alg;
    struct sv secret;  /* HS256 */
    struct sv n, e;    /* RS256: modulus, exponent */
    struct sv x, y;    /* ES256: the point, on P-256 */
    struct sv private; /* RS256, ES256: d, for a key that signs */
};

struct jwt_key {
    enum jwt_alg alg;
    char *kid;          /* NULL: none; owned */
    size_t signature_n; /* bytes of each signature */
    void *jwk;          /* cjose's */
};

/* *key is zero before. kid SV_NONE: none. ERR_RANGE: too weak, or too large; ERR_INVALID: no key. Nothing of the material is kept by reference. */
int jwt_key_init(struct jwt_key *key, const struct jwt_material *m, struct sv kid, struct err *e) MUST_CHECK;
void jwt_key_fini(struct jwt_key *key);
/* `token` is a compact JWS whose parts are canonical base64url, whose header is an object with this key's `alg`, and whose signature has signature_n bytes. */
bool jwt_key_verifies(const struct jwt_key *key, struct sv token) MUST_CHECK;
/* Appends the compact JWS of the claims. */
int jwt_key_sign(const struct jwt_key *key, struct sv claims, struct buf *out, struct err *e) MUST_CHECK;

/* jwt_pem.c: the key in a PEM file, its numbers in the arena. ERR_INVALID: none, of the other kind (private, public), or one that is of no use. */
int jwt_pem_public(const char *path, struct arena *a, struct jwt_material *out, struct err *e) MUST_CHECK;
int jwt_pem_private(const char *path, struct arena *a, struct jwt_material *out, struct err *e) MUST_CHECK;
/* The whole of a small file, in the arena. */
struct sv jwt_file(const char *path, struct arena *a, struct err *e) MUST_CHECK;

#endif
