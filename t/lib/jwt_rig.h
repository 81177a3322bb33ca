/* SPDX-License-Identifier: MIT
 * Keys and tokens for tests of src/lib/jwt.h, made with libcrypto alone: what src/lib makes of cjose is judged by something else. */
#ifndef T_LIB_JWT_RIG_H
#define T_LIB_JWT_RIG_H

#include "lib/buf.h"

#define RIG_SECRET "a-secret-of-32-bytes-and-a-few-more"
#define RIG_OTHER_SECRET "another-secret-that-has-32-bytes-too"

enum rig_key { RIG_RSA, RIG_RSA_OTHER, RIG_RSA_WEAK, RIG_EC, RIG_EC_OTHER, RIG_EC_384, RIG_ED, RIG_KEYS };

/* How a token is signed, whatever its header says. */
enum rig_how {
    RIG_HS256,        /* with RIG_SECRET */
    RIG_HS256_OTHER,  /* with RIG_OTHER_SECRET */
    RIG_HS256_PEM,    /* with the text of RIG_RSA's public PEM file */
    RIG_HS256_DER,    /* with the same in DER */
    RIG_HS256_EMPTY,  /* with a secret of no bytes */
    RIG_HS256_HALF,   /* 16 bytes of it */
    RIG_HS256_LONGER, /* a byte behind it */
    RIG_HS384,
    RIG_HS512,
    RIG_RS256,
    RIG_RS256_OTHER,
    RIG_RS384,
    RIG_RS512,
    RIG_PS256,
    RIG_ES256,
    RIG_ES256_OTHER,
    RIG_ES256_DER,    /* as libcrypto writes it, not r and s */
    RIG_ES256_LONGER, /* a byte behind s */
    RIG_ES384,        /* on P-384 */
    RIG_ES256_ON_384, /* SHA-256, but on P-384 */
    RIG_ZEROS_32,
    RIG_ZEROS_64,
    RIG_NOTHING,      /* an empty signature */
};

/* Makes the keys, and their files in a directory of the test's own. */
void jwt_rig_begin(void);
void jwt_rig_end(void);
/* A file's path: "rsa.pub" and the like, see jwt_rig.c. Good until the next but seven. */
const char *jwt_rig_path(const char *name);
void jwt_rig_write(const char *name, const char *text);
/* A JWK of a key's public numbers with these members besides ("\"kid\":\"a\","), into b. */
void rig_jwk(struct buf *b, enum rig_key key, const char *members);
/* The same of a secret. */
void rig_jwk_oct(struct buf *b, const char *secret, const char *members);
/* base64url of s, appended. */
void rig_base64url(struct buf *b, struct sv s);
/* A token, appended. header and claims are any bytes. */
void rig_token(struct buf *b, struct sv header, struct sv claims, enum rig_how how);

#endif
