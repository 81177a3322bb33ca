/* SPDX-License-Identifier: MIT
 * A token judged: first its form, then which key it may have been signed with, then the signature, then what it claims. */
#include "config.h"

#include <math.h>

#include "lib/digest.h"
#include "lib/jwt_keys.h"

#define DATE_MAX 253402300799.0 /* the year 9999: beyond it somebody has counted milliseconds */

static const char *const texts[] = {
    [JWT_GOOD] = "the token is good",
    [JWT_TOO_LONG] = "the token is too long",
    [JWT_NOT_COMPACT] = "it is no compact JWS",
    [JWT_BAD_HEADER] = "the token's header is not right",
    [JWT_BAD_EXTENSION] = "the token's header wants what is not allowed",
    [JWT_BAD_ALGORITHM] = "the token's algorithm is not allowed",
    [JWT_UNKNOWN_KEY] = "no key fits the token",
    [JWT_BAD_SIGNATURE] = "the token's signature is wrong",
    [JWT_BAD_CLAIMS] = "the token's claims are not right",
    [JWT_NO_EXPIRY] = "the token has no exp",
    [JWT_EXPIRED] = "the token has expired",
    [JWT_TOO_EARLY] = "the token is not valid yet",
    [JWT_WRONG_ISSUER] = "the token is another issuer's",
    [JWT_WRONG_AUDIENCE] = "the token is for another audience",
    [JWT_NO_MEMORY] = "out of memory",
};

const char *jwt_verdict_text(enum jwt_verdict v)
{
    return texts[v];
}

/* ---- form ---- */

struct token {
    struct sv header, claims, signature; /* decoded, in the arena */
};

static enum jwt_verdict decode(struct sv text, struct arena *a, struct sv *out)
{
    unsigned char *room = text.n > 0 ? arena_alloc(a, text.n) : NULL;
    size_t n;

    if (text.n == 0)
        return JWT_NOT_COMPACT;
    if (room == NULL)
        return JWT_NO_MEMORY;
    if (!digest_from_base64url(text, room, text.n, &n))
        return JWT_NOT_COMPACT;
    *out = (struct sv){ (const char *)room, n };
    return JWT_GOOD;
}

static enum jwt_verdict take_apart(struct sv text, struct arena *a, struct token *out)
{
    struct sv claims = text, header = sv_split(&claims, '.'), signature = claims;
    enum jwt_verdict v;

    claims = sv_split(&signature, '.'); /* a further dot is no base64url */
    v = decode(header, a, &out->header);
    if (v == JWT_GOOD)
        v = decode(claims, a, &out->claims);
    return v == JWT_GOOD ? decode(signature, a, &out->signature) : v;
}

static enum jwt_verdict read_object(struct sv text, struct arena *a, enum jwt_verdict otherwise, const json_t **out)
{
    struct err e;

    *out = json_read_in(a, text, false, &e);
    if (*out == NULL)
        return e.code == ERR_MEMORY ? JWT_NO_MEMORY : otherwise;
    return json_is_object(*out) ? JWT_GOOD : otherwise;
}

/* ---- key ---- */

/* The signature's key is ours to choose (RFC 8725 3.10), and what we do not understand must not be critical (RFC 7515 4.1.11). */
static const char *const refused[] = { "jku", "jwk", "x5u", "x5c", "crit", "b64" };

static bool is_text_or_absent(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return v == NULL || (json_is_string(v) && json_string_length(v) > 0);
}

static enum jwt_verdict pick_key(const struct jwt_keys *k, const json_t *header, const struct jwt_key **key)
{
    enum jwt_alg alg;

    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (json_object_get(header, refused[i]) != NULL)
            return JWT_BAD_EXTENSION;
    if (json_object_get(header, "alg") == NULL || !is_text_or_absent(header, "alg") || !is_text_or_absent(header, "kid") ||
        !is_text_or_absent(header, "typ"))
        return JWT_BAD_HEADER;
    if (!jwt_alg_parse(json_sv(header, "alg"), &alg))
        return JWT_BAD_ALGORITHM;
    *key = jwt_keys_pick(k, json_sv(header, "kid"), alg);
    return *key != NULL ? JWT_GOOD : JWT_UNKNOWN_KEY;
}

/* ---- claims ---- */

/* NumericDate (RFC 7519 2): seconds, with a fraction or without. False: no such number. */
static bool take_date(const json_t *claims, const char *key, double *out)
{
    const json_t *v = json_object_get(claims, key);

    *out = json_is_number(v) ? json_number_value(v) : -1.0;
    return *out >= 0.0 && *out <= DATE_MAX;
}

static enum jwt_verdict check_dates(const json_t *claims, int64_t now_ms)
{
    double now = (double)now_ms / 1000.0, at;

    if (json_object_get(claims, "exp") == NULL)
        return JWT_NO_EXPIRY;
    if (!take_date(claims, "exp", &at))
        return JWT_BAD_CLAIMS;
    if (now >= at + JWT_LEEWAY_S)
        return JWT_EXPIRED;
    if (json_object_get(claims, "nbf") == NULL)
        return JWT_GOOD;
    if (!take_date(claims, "nbf", &at))
        return JWT_BAD_CLAIMS;
    return now < at - JWT_LEEWAY_S ? JWT_TOO_EARLY : JWT_GOOD;
}

static enum jwt_verdict check_issuer(const json_t *claims, const char *issuer)
{
    const json_t *v = json_object_get(claims, "iss");

    if (v != NULL && !json_is_string(v))
        return JWT_BAD_CLAIMS;
    return issuer == NULL || sv_eq(json_sv(claims, "iss"), sv_from(issuer)) ? JWT_GOOD : JWT_WRONG_ISSUER;
}

static bool is_text(const json_t *v, const char *text)
{
    return json_is_string(v) && sv_eq((struct sv){ json_string_value(v), json_string_length(v) }, sv_from(text));
}

/* A string, or an array of strings (RFC 7519 4.1.3). Who has no name cannot be the audience of a token that names one. */
static enum jwt_verdict check_audience(const json_t *claims, const char *audience)
{
    const json_t *v = json_object_get(claims, "aud"), *one;
    bool meant = audience != NULL && is_text(v, audience);
    size_t i;

    if (v == NULL)
        return audience == NULL ? JWT_GOOD : JWT_WRONG_AUDIENCE;
    if (!json_is_string(v) && !json_is_array(v))
        return JWT_BAD_CLAIMS;
    json_array_foreach (v, i, one) {
        if (!json_is_string(one))
            return JWT_BAD_CLAIMS;
        meant = meant || (audience != NULL && is_text(one, audience));
    }
    return meant ? JWT_GOOD : JWT_WRONG_AUDIENCE;
}

static enum jwt_verdict check_claims(const struct jwt_keys *k, const json_t *claims, int64_t now_ms)
{
    enum jwt_verdict v = check_dates(claims, now_ms);

    if (v == JWT_GOOD)
        v = check_issuer(claims, k->issuer);
    return v == JWT_GOOD ? check_audience(claims, k->audience) : v;
}

/* ---- all of it ---- */

enum jwt_verdict jwt_verify(const struct jwt_keys *k, struct sv token, int64_t now_ms, struct arena *a, const json_t **claims)
{
    const struct jwt_key *key;
    const json_t *header;
    struct token t;
    enum jwt_verdict v;

    *claims = NULL;
    if (token.n > JWT_BYTES_MAX)
        return JWT_TOO_LONG;
    v = take_apart(token, a, &t);
    if (v == JWT_GOOD)
        v = read_object(t.header, a, JWT_BAD_HEADER, &header);
    if (v == JWT_GOOD)
        v = pick_key(k, header, &key);
    if (v != JWT_GOOD)
        return v;
    if (t.signature.n != key->signature_n || !jwt_key_verifies(key, token))
        return JWT_BAD_SIGNATURE;
    v = read_object(t.claims, a, JWT_BAD_CLAIMS, claims);
    if (v == JWT_GOOD)
        v = check_claims(k, *claims, now_ms);
    if (v != JWT_GOOD)
        *claims = NULL;
    return v;
}
