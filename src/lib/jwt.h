/* SPDX-License-Identifier: MIT
 * JSON Web Tokens (RFC 7519) as compact JWS (RFC 7515), after the advice of RFC 8725: which algorithm is allowed belongs to the key and never to
 * the token, and nothing of a token's claims is read before its signature has been found good. HS256, RS256 and ES256; no encryption.
 *
 *   jwt.c        a token taken apart and judged          jwt_keys.c   files and secrets become a set of keys
 *   jwt_key.c    one key: the only user of cjose         jwt_pem.c    PEM files, through OpenSSL
 *   jwt_sign.c   tokens made */
#ifndef LIB_JWT_H
#define LIB_JWT_H

#include "lib/json.h"

#define JWT_BYTES_MAX 8192 /* of a token, which is part of a header */
#define JWT_LEEWAY_S 60    /* that clocks may differ, for exp and nbf */
#define JWT_SECRET_MIN 32  /* bytes (RFC 7518 3.2: not shorter than the hash) */

struct jwt_keys;

/* "" and NULL: not set. */
struct jwt_options {
    const char *secret;          /* HS256, its bytes as they are; at least JWT_SECRET_MIN */
    const char *public_key_file; /* PEM: RSA of 2048 bits and more is for RS256, EC P-256 for ES256 */
    const char *jwks_file;       /* RFC 7517 5: keys RSA, EC P-256 and oct, of the same strength */
    const char *issuer;          /* what `iss` has to be, exactly */
    const char *audience;        /* what `aud` has to be or to hold */
};

/* Are there keys, so that tokens are looked at at all? */
bool jwt_is_on(const struct jwt_options *o);
/* Reads the files. Nothing is kept of the options. Of a JWKS, keys that are not for signatures (`use`, `key_ops`) are left out; any other that cannot be
 * used is an error that gives its index. Two keys that no token could tell apart (the same `kid`, or none, and the same algorithm) are one, too. NULL: *e
 * says why, without a word of a key (ERR_INVALID, ERR_RANGE: too weak; ERR_IO; ERR_MEMORY). */
struct jwt_keys *jwt_keys_new(const struct jwt_options *o, struct err *e) MUST_CHECK;
void jwt_keys_free(struct jwt_keys *k);

/* What a token is, the first that applies. */
enum jwt_verdict {
    JWT_GOOD,
    JWT_TOO_LONG,
    JWT_NOT_COMPACT,    /* not three parts of canonical base64url, none of them empty */
    JWT_BAD_HEADER,     /* no strict JSON object, or `alg`, `kid`, `typ` of a wrong type */
    JWT_BAD_EXTENSION,  /* jku, jwk, x5u, x5c, crit, b64: it wants to say itself what is to be believed */
    JWT_BAD_ALGORITHM,  /* none, or any but ours */
    JWT_UNKNOWN_KEY,    /* no key fits `kid` and `alg` */
    JWT_BAD_SIGNATURE,
    JWT_BAD_CLAIMS,     /* no strict JSON object, or exp, nbf, iss, aud of a wrong type */
    JWT_NO_EXPIRY,
    JWT_EXPIRED,
    JWT_TOO_EARLY,      /* nbf */
    JWT_WRONG_ISSUER,
    JWT_WRONG_AUDIENCE, /* also when none is said though one is wanted, or one is said though none is configured (RFC 7519 4.1.3) */
    JWT_NO_MEMORY,
};

/* For logs: never anything that the token says. */
const char *jwt_verdict_text(enum jwt_verdict v);

/* JWT_GOOD: *claims is the claims' object; it lives as long as the arena (which also serves as scratch, at most 4 * JWT_BYTES_MAX). now_ms: clock_wall_ms.
 * Which key: of those with the token's `kid` and `alg` the one; where there is none, or the token names none, the one without a kid for that alg; for a
 * token without a kid also the only key of that alg. Any number of threads at once. */
enum jwt_verdict jwt_verify(const struct jwt_keys *k, struct sv token, int64_t now_ms, struct arena *a, const json_t **claims) MUST_CHECK;

struct jwt_signing {
    const char *secret;           /* HS256; or */
    const char *private_key_file; /* PEM without a password: RS256 or ES256, as its key is */
    const char *kid;              /* NULL: none */
};
/* Appends a token with these claims (JSON of an object). -1 as jwt_keys_new. */
int jwt_sign(const struct jwt_signing *with, struct sv claims, struct buf *out, struct err *e) MUST_CHECK;

#endif
