/* SPDX-License-Identifier: MIT
 * The set of keys: from a secret, a PEM file, and a JWK set (RFC 7517). What is in a file that is read anew must be good as a whole. */
#include "config.h"

#include <stdlib.h>

#include "lib/digest.h"
#include "lib/jwt_keys.h"

#define KEYS_MAX 256
#define KID_MAX 256
#define NUMBER_MAX 8192 /* bytes of a number or secret in a JWK */
#define ARENA_MAX (8u << 20)

static bool is_set(const char *text)
{
    return text != NULL && *text != '\0';
}

bool jwt_is_on(const struct jwt_options *o)
{
    return is_set(o->secret) || is_set(o->public_key_file) || is_set(o->jwks_file);
}

/* ---- a set ---- */

static bool has_kid(const struct jwt_key *key, struct sv kid)
{
    return (key->kid == NULL) == (kid.p == NULL) && sv_eq(sv_from(key->kid), kid);
}

static const struct jwt_key *find(const struct jwt_keys *k, struct sv kid, enum jwt_alg alg)
{
    for (size_t i = 0; i < k->n; i++)
        if (k->keys[i].alg == alg && has_kid(&k->keys[i], kid))
            return &k->keys[i];
    return NULL;
}

static const struct jwt_key *only_one(const struct jwt_keys *k, enum jwt_alg alg)
{
    const struct jwt_key *one = NULL;

    for (size_t i = 0; i < k->n; i++) {
        if (k->keys[i].alg != alg)
            continue;
        if (one != NULL)
            return NULL;
        one = &k->keys[i];
    }
    return one;
}

const struct jwt_key *jwt_keys_pick(const struct jwt_keys *k, struct sv kid, enum jwt_alg alg)
{
    const struct jwt_key *key = kid.p != NULL ? find(k, kid, alg) : NULL;

    if (key == NULL)
        key = find(k, SV_NONE, alg);
    return key == NULL && kid.p == NULL ? only_one(k, alg) : key;
}

static int add(struct jwt_keys *k, const struct jwt_material *m, struct sv kid, struct err *e)
{
    if (k->n == KEYS_MAX)
        return err_set(e, ERR_RANGE, "there are more than %d keys", KEYS_MAX);
    if (find(k, kid, m->alg) != NULL)
        return err_set(e, ERR_INVALID, "no token could tell it from another key for %s%s", jwt_alg_name(m->alg), kid.p == NULL ? " without a kid" : "");
    if (jwt_key_init(&k->keys[k->n], m, kid, e) == 0) {
        k->n++;
        return 0;
    }
    jwt_key_fini(&k->keys[k->n]);
    return -1;
}

/* ---- JWK ---- */

/* A member in base64url. -1: it is none. */
static int take(const json_t *jwk, const char *name, struct arena *a, struct sv *out, struct err *e)
{
    struct sv text = json_sv(jwk, name);
    unsigned char *room = text.n > 0 && text.n <= NUMBER_MAX ? arena_alloc(a, text.n) : NULL;
    size_t n;

    if (room == NULL || !digest_from_base64url(text, room, text.n, &n))
        return err_set(e, ERR_INVALID, "%s is no base64url", name);
    *out = (struct sv){ (const char *)room, n };
    return 0;
}

static int take_numbers(const json_t *jwk, struct sv kty, struct arena *a, struct jwt_material *m, struct err *e)
{
    if (sv_eq(kty, SV("oct"))) {
        m->alg = JWT_HS256;
        return take(jwk, "k", a, &m->secret, e);
    }
    if (sv_eq(kty, SV("RSA"))) {
        m->alg = JWT_RS256;
        return take(jwk, "n", a, &m->n, e) != 0 ? -1 : take(jwk, "e", a, &m->e, e);
    }
    if (!sv_eq(kty, SV("EC")))
        return err_set(e, ERR_INVALID, "kty is neither RSA nor EC nor oct");
    if (!sv_eq(json_sv(jwk, "crv"), SV("P-256")))
        return err_set(e, ERR_INVALID, "crv is not P-256");
    m->alg = JWT_ES256;
    return take(jwk, "x", a, &m->x, e) != 0 ? -1 : take(jwk, "y", a, &m->y, e);
}

/* `use` and `key_ops` say that it is for something else than looking at signatures. */
static bool is_for_others(const json_t *jwk)
{
    const json_t *use = json_object_get(jwk, "use"), *operations = json_object_get(jwk, "key_ops"), *one;
    size_t i;

    if (use != NULL && !sv_eq(json_sv(jwk, "use"), SV("sig")))
        return true;
    if (!json_is_array(operations))
        return false;
    json_array_foreach (operations, i, one)
        if (json_is_string(one) && strcmp(json_string_value(one), "verify") == 0)
            return false;
    return true;
}

static int take_kid(const json_t *jwk, struct sv *kid, struct err *e)
{
    *kid = json_sv(jwk, "kid");
    if (json_object_get(jwk, "kid") != NULL && (kid->n == 0 || kid->n > KID_MAX))
        return err_set(e, ERR_INVALID, "kid is no text of 1 to %d bytes", KID_MAX);
    return 0;
}

static int add_jwk(struct jwt_keys *k, const json_t *jwk, struct arena *a, struct err *e)
{
    const json_t *alg = json_object_get(jwk, "alg");
    struct jwt_material m = { .alg = JWT_HS256 };
    struct sv kid;

    if (!json_is_object(jwk))
        return err_set(e, ERR_INVALID, "it is no object");
    if (is_for_others(jwk))
        return 0;
    if (take_kid(jwk, &kid, e) != 0 || take_numbers(jwk, json_sv(jwk, "kty"), a, &m, e) != 0)
        return -1;
    if (alg != NULL && !sv_eq(json_sv(jwk, "alg"), sv_from(jwt_alg_name(m.alg))))
        return err_set(e, ERR_INVALID, "alg is not %s", jwt_alg_name(m.alg));
    return add(k, &m, kid, e);
}

static int add_jwks(struct jwt_keys *k, const char *path, struct arena *a, struct err *e)
{
    struct sv text = jwt_file(path, a, e);
    struct err why;
    const json_t *set = text.p != NULL ? json_read_in(a, text, false, &why) : NULL;
    const json_t *keys = json_object_get(set, "keys"), *one;
    size_t i, before = k->n;

    if (text.p == NULL)
        return -1;
    if (set == NULL)
        return err_set(e, ERR_INVALID, "%s: %s", path, why.text);
    if (!json_is_array(keys))
        return err_set(e, ERR_INVALID, "%s is no JWK set: it has no array \"keys\"", path);
    json_array_foreach (keys, i, one)
        if (add_jwk(k, one, a, &why) != 0)
            return err_set(e, why.code, "%s: key %zu cannot be used: %s", path, i, why.text);
    return k->n > before ? 0 : err_set(e, ERR_INVALID, "%s holds no key for signatures", path);
}

/* ---- all of it ---- */

static int add_secret(struct jwt_keys *k, const char *secret, struct err *e)
{
    const struct jwt_material m = { .alg = JWT_HS256, .secret = sv_from(secret) };

    return add(k, &m, SV_NONE, e);
}

static int add_public(struct jwt_keys *k, const char *path, struct arena *a, struct err *e)
{
    struct jwt_material m;
    struct err why;

    if (jwt_pem_public(path, a, &m, e) != 0)
        return -1;
    return add(k, &m, SV_NONE, &why) == 0 ? 0 : err_set(e, why.code, "%s: %s", path, why.text);
}

static int fill(struct jwt_keys *k, const struct jwt_options *o, struct arena *a, struct err *e)
{
    if (is_set(o->secret) && add_secret(k, o->secret, e) != 0)
        return -1;
    if (is_set(o->public_key_file) && add_public(k, o->public_key_file, a, e) != 0)
        return -1;
    if (is_set(o->jwks_file) && add_jwks(k, o->jwks_file, a, e) != 0)
        return -1;
    k->issuer = is_set(o->issuer) ? strdup(o->issuer) : NULL;
    k->audience = is_set(o->audience) ? strdup(o->audience) : NULL;
    if ((k->issuer == NULL && is_set(o->issuer)) || (k->audience == NULL && is_set(o->audience)))
        return err_set(e, ERR_MEMORY, "out of memory");
    return k->n > 0 ? 0 : err_set(e, ERR_INVALID, "there is no key for tokens");
}

struct jwt_keys *jwt_keys_new(const struct jwt_options *o, struct err *e)
{
    struct arena *a = arena_new(0, ARENA_MAX);
    struct jwt_keys *k = calloc(1, sizeof(*k));
    int rc = -1;

    if (k != NULL)
        k->keys = calloc(KEYS_MAX, sizeof(*k->keys));
    if (a == NULL || k == NULL || k->keys == NULL)
        (void)err_set(e, ERR_MEMORY, "out of memory");
    else
        rc = fill(k, o, a, e);
    arena_free(a);
    if (rc == 0)
        return k;
    jwt_keys_free(k);
    return NULL;
}

void jwt_keys_free(struct jwt_keys *k)
{
    if (k == NULL)
        return;
    for (size_t i = 0; i < k->n; i++)
        jwt_key_fini(&k->keys[i]);
    free(k->keys);
    free(k->issuer);
    free(k->audience);
    free(k);
}
