/* SPDX-License-Identifier: MIT
 * cjose's keys, as strict as we want them. Its own checks do not suffice (0.6.2.1): an HMAC is compared before the length of the one that came is, an
 * ECDSA signature may have an odd byte behind it, and no key is too short. */
#include "config.h"

#include <stdlib.h>

#include <cjose/header.h>
#include <cjose/jwk.h>
#include <cjose/jws.h>
#include <openssl/err.h>

#include "lib/jwt_key.h"

#define RSA_BITS_MIN 2048  /* NIST SP 800-131A */
#define RSA_BITS_MAX 16384 /* as libcrypto verifies */
#define RSA_EXPONENT_MAX 8 /* bytes */
#define EC_BYTES 32        /* of a coordinate on P-256 */
#define SECRET_MAX 4096
#define HS256_BYTES 32

static const char *const names[] = { [JWT_HS256] = "HS256", [JWT_RS256] = "RS256", [JWT_ES256] = "ES256" };

const char *jwt_alg_name(enum jwt_alg alg)
{
    return names[alg];
}

bool jwt_alg_parse(struct sv name, enum jwt_alg *alg)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (sv_eq(name, sv_from(names[i]))) {
            *alg = (enum jwt_alg)i;
            return true;
        }
    }
    return false;
}

/* ---- made ---- */

/* libcrypto's queue of this thread: what is left there would be taken for the failure of whoever uses TLS here next. */
static void forget_errors(void)
{
    ERR_clear_error();
}

static struct sv without_zeros(struct sv number)
{
    while (number.n > 0 && number.p[0] == '\0')
        number = (struct sv){ number.p + 1, number.n - 1 };
    return number;
}

static size_t bits(struct sv number)
{
    size_t n = number.n * 8;

    for (unsigned mask = 0x80; number.n > 0 && mask != 0 && ((unsigned char)number.p[0] & mask) == 0; mask >>= 1)
        n--;
    return n;
}

static bool is_odd(struct sv number)
{
    return number.n > 0 && (number.p[number.n - 1] & 1) != 0;
}

/* cjose takes what it only reads as if it wrote. */
static uint8_t *bytes(struct sv s)
{
    return (uint8_t *)(uintptr_t)s.p;
}

static int set(struct jwt_key *key, cjose_jwk_t *jwk, size_t signature_n, struct err *e)
{
    key->jwk = jwk;
    key->signature_n = signature_n;
    forget_errors();
    return jwk != NULL ? 0 : err_set(e, ERR_INVALID, "these numbers are no key for %s", jwt_alg_name(key->alg));
}

static int make_secret(struct jwt_key *key, const struct jwt_material *m, struct err *e)
{
    cjose_err why;

    if (m->secret.n < JWT_SECRET_MIN)
        return err_set(e, ERR_RANGE, "a secret for HS256 has at least %d bytes, this one %zu", JWT_SECRET_MIN, m->secret.n);
    if (m->secret.n > SECRET_MAX)
        return err_set(e, ERR_RANGE, "a secret for HS256 has at most %d bytes", SECRET_MAX);
    return set(key, cjose_jwk_create_oct_spec(bytes(m->secret), m->secret.n, &why), HS256_BYTES, e);
}

static int make_rsa(struct jwt_key *key, const struct jwt_material *m, struct err *e)
{
    struct sv n = without_zeros(m->n), exponent = without_zeros(m->e);
    const cjose_jwk_rsa_keyspec spec = { .n = bytes(n), .nlen = n.n, .e = bytes(exponent), .elen = exponent.n,
                                         .d = bytes(m->private), .dlen = m->private.n };
    cjose_err why;

    if (bits(n) < RSA_BITS_MIN)
        return err_set(e, ERR_RANGE, "an RSA key has at least %d bits, this one %zu", RSA_BITS_MIN, bits(n));
    if (bits(n) > RSA_BITS_MAX)
        return err_set(e, ERR_RANGE, "an RSA key has at most %d bits", RSA_BITS_MAX);
    if (!is_odd(n) || !is_odd(exponent) || bits(exponent) < 2 || exponent.n > RSA_EXPONENT_MAX)
        return err_set(e, ERR_INVALID, "the numbers are no RSA key");
    return set(key, cjose_jwk_create_RSA_spec(&spec, &why), n.n, e);
}

static int make_ec(struct jwt_key *key, const struct jwt_material *m, struct err *e)
{
    struct sv x = m->x, y = m->y;
    const cjose_jwk_ec_keyspec spec = { .crv = CJOSE_JWK_EC_P_256, .x = bytes(x), .xlen = x.n, .y = bytes(y), .ylen = y.n,
                                        .d = bytes(m->private), .dlen = m->private.n };
    cjose_err why;

    if (x.n != EC_BYTES || y.n != EC_BYTES) /* RFC 7518 6.2.1.2: the full size */
        return err_set(e, ERR_INVALID, "a coordinate on P-256 has %d bytes", EC_BYTES);
    return set(key, cjose_jwk_create_EC_spec(&spec, &why), 2 * EC_BYTES, e);
}

static int make(struct jwt_key *key, const struct jwt_material *m, struct err *e)
{
    switch (m->alg) {
    case JWT_HS256:
        return make_secret(key, m, e);
    case JWT_RS256:
        return make_rsa(key, m, e);
    case JWT_ES256:
        return make_ec(key, m, e);
    }
    return err_set(e, ERR_INTERNAL, "no such algorithm");
}

int jwt_key_init(struct jwt_key *key, const struct jwt_material *m, struct sv kid, struct err *e)
{
    key->alg = m->alg;
    if (make(key, m, e) != 0)
        return -1;
    if (kid.p == NULL)
        return 0;
    key->kid = strndup(kid.p, kid.n);
    return key->kid != NULL ? 0 : err_set(e, ERR_MEMORY, "out of memory");
}

void jwt_key_fini(struct jwt_key *key)
{
    if (key->jwk != NULL)
        (void)cjose_jwk_release(key->jwk);
    free(key->kid);
    *key = (struct jwt_key){ 0 };
}

/* ---- used ---- */

bool jwt_key_verifies(const struct jwt_key *key, struct sv token)
{
    cjose_err why;
    cjose_jws_t *jws = cjose_jws_import(token.p, token.n, &why);
    bool good = jws != NULL && cjose_jws_verify(jws, key->jwk, &why);

    cjose_jws_release(jws);
    forget_errors();
    return good;
}

static cjose_header_t *header_of(const struct jwt_key *key)
{
    cjose_err why;
    cjose_header_t *h = cjose_header_new(&why);

    if (h != NULL && cjose_header_set(h, "alg", jwt_alg_name(key->alg), &why) && cjose_header_set(h, "typ", "JWT", &why) &&
        (key->kid == NULL || cjose_header_set(h, "kid", key->kid, &why)))
        return h;
    cjose_header_release(h);
    return NULL;
}

int jwt_key_sign(const struct jwt_key *key, struct sv claims, struct buf *out, struct err *e)
{
    cjose_err why;
    const char *text = NULL;
    cjose_header_t *h = header_of(key);
    cjose_jws_t *jws = h != NULL ? cjose_jws_sign(key->jwk, h, bytes(claims), claims.n, &why) : NULL;
    bool good = jws != NULL && cjose_jws_export(jws, &text, &why) && text != NULL;

    if (good)
        buf_add(out, sv_from(text));
    cjose_jws_release(jws);
    cjose_header_release(h);
    forget_errors();
    return good && buf_ok(out) ? 0 : err_set(e, ERR_INVALID, "this key cannot sign");
}
