/* SPDX-License-Identifier: MIT
 * Tests of src/lib/jwt_keys.c, jwt_pem.c and jwt_sign.c: which keys are taken, what is said about the others, and tokens of our own. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/jwt.h"
#include "t/lib/jwt_rig.h"
#include "t/tap.h"

#define NOW_MS INT64_C(1700000000000)
#define CLAIMS SV("{\"sub\":\"u1\",\"exp\":1700000300}")

static void takes(struct jwt_options o, const char *name)
{
    struct err e = { 0 };
    struct jwt_keys *k = jwt_keys_new(&o, &e);

    ok(k != NULL, "%s", name);
    if (k == NULL)
        diag("%s", e.text);
    jwt_keys_free(k);
}

static void refuses(struct jwt_options o, enum err_code code, const char *says)
{
    struct err e = { 0 };
    struct jwt_keys *k = jwt_keys_new(&o, &e);

    ok(k == NULL, "refused: %s", says);
    is_int(e.code, code, "its code");
    has_str(e.text, says, "its reason");
    ok(strstr(e.text, "secret-") == NULL, "which says nothing of a secret");
    jwt_keys_free(k);
}

static void test_on(void)
{
    ok(!jwt_is_on(&(struct jwt_options){ 0 }) && !jwt_is_on(&(struct jwt_options){ .secret = "", .jwks_file = "", .issuer = "x" }), "off without a key");
    ok(jwt_is_on(&(struct jwt_options){ .secret = "x" }) && jwt_is_on(&(struct jwt_options){ .public_key_file = "x" }) &&
           jwt_is_on(&(struct jwt_options){ .jwks_file = "x" }), "on with one");
    refuses((struct jwt_options){ 0 }, ERR_INVALID, "there is no key");
}

static void test_secret(void)
{
    takes((struct jwt_options){ .secret = "12345678901234567890123456789012" }, "a secret of 32 bytes");
    refuses((struct jwt_options){ .secret = "secret-78901234567890123456789x" }, ERR_RANGE, "at least 32 bytes, this one 31");
}

static void test_pem(void)
{
    takes((struct jwt_options){ .public_key_file = jwt_rig_path("rsa.pub") }, "RSA");
    takes((struct jwt_options){ .public_key_file = jwt_rig_path("ec.pub") }, "EC on P-256");
    refuses((struct jwt_options){ .public_key_file = jwt_rig_path("weak.pub") }, ERR_RANGE, "weak.pub: an RSA key has at least 2048 bits, this one 1024");
    refuses((struct jwt_options){ .public_key_file = jwt_rig_path("p384.pub") }, ERR_INVALID, "neither RSA nor EC on P-256");
    refuses((struct jwt_options){ .public_key_file = jwt_rig_path("ed.pub") }, ERR_INVALID, "neither RSA nor EC on P-256");
    refuses((struct jwt_options){ .public_key_file = jwt_rig_path("rsa.key") }, ERR_INVALID, "holds no public key");
    refuses((struct jwt_options){ .public_key_file = jwt_rig_path("none.pub") }, ERR_IO, "cannot be read");
    refuses((struct jwt_options){ .public_key_file = jwt_rig_path("") }, ERR_IO, "cannot be read");
    refuses((struct jwt_options){ .public_key_file = "/dev/null" }, ERR_RANGE, "is empty");
    refuses((struct jwt_options){ .public_key_file = "/dev/zero" }, ERR_RANGE, "is too large");
    jwt_rig_write("text.pub", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
    refuses((struct jwt_options){ .public_key_file = jwt_rig_path("text.pub") }, ERR_INVALID, "holds no public key");
}

/* ---- JWK sets ---- */

static void refuses_text(const char *text, enum err_code code, const char *says)
{
    jwt_rig_write("set.json", text);
    refuses((struct jwt_options){ .jwks_file = jwt_rig_path("set.json") }, code, says);
}

static void write_set(enum rig_key first, const char *first_members, enum rig_key second, const char *second_members)
{
    struct buf b = { 0 };

    buf_add(&b, SV("{\"keys\":["));
    rig_jwk(&b, first, first_members);
    buf_addc(&b, ',');
    rig_jwk(&b, second, second_members);
    buf_add(&b, SV("]}"));
    jwt_rig_write("set.json", b.p);
    buf_fini(&b);
}

static void test_set(void)
{
    static const struct {
        enum rig_key first, second;
        const char *first_members, *second_members;
        enum err_code code;
        const char *says; /* NULL: it is taken */
    } rows[] = {
        { RIG_RSA, RIG_EC, "", "", 0, NULL },
        { RIG_RSA, RIG_RSA_OTHER, "\"kid\":\"a\",", "\"kid\":\"b\",", 0, NULL },
        { RIG_RSA, RIG_EC, "\"kid\":\"a\",", "\"kid\":\"a\",", 0, NULL },
        { RIG_RSA, RIG_RSA_OTHER, "\"kid\":\"a\",", "", 0, NULL },
        { RIG_RSA, RIG_RSA_OTHER, "\"kid\":\"a\",", "\"kid\":\"a\",", ERR_INVALID, "key 1 cannot be used: no token could tell it" },
        { RIG_RSA, RIG_RSA_OTHER, "", "", ERR_INVALID, "key 1 cannot be used: no token could tell it" },
        { RIG_RSA, RIG_RSA_WEAK, "\"kid\":\"a\",", "\"kid\":\"b\",", ERR_RANGE, "key 1 cannot be used: an RSA key has at least 2048 bits" },
        { RIG_EC_384, RIG_EC, "\"kid\":\"a\",", "\"kid\":\"b\",", ERR_INVALID, "key 0 cannot be used: crv is not P-256" },
        { RIG_RSA, RIG_RSA_WEAK, "", "\"use\":\"enc\",", 0, NULL },
        { RIG_RSA, RIG_EC_384, "", "\"use\":\"enc\",\"alg\":\"ECDH-ES\",", 0, NULL },
        { RIG_RSA, RIG_RSA_WEAK, "", "\"key_ops\":[\"encrypt\"],", 0, NULL },
        { RIG_RSA, RIG_EC, "\"key_ops\":[\"verify\"],", "\"use\":\"sig\",", 0, NULL },
        { RIG_RSA, RIG_EC, "\"use\":\"enc\",", "\"use\":1,", ERR_INVALID, "holds no key for signatures" },
        { RIG_RSA, RIG_EC, "", "\"alg\":\"RS256\",", ERR_INVALID, "key 1 cannot be used: alg is not ES256" },
        { RIG_RSA, RIG_EC, "\"alg\":\"RS512\",", "", ERR_INVALID, "key 0 cannot be used: alg is not RS256" },
        { RIG_RSA, RIG_EC, "\"alg\":\"none\",", "", ERR_INVALID, "key 0 cannot be used: alg is not RS256" },
        { RIG_RSA, RIG_EC, "\"alg\":null,", "", ERR_INVALID, "key 0 cannot be used: alg is not RS256" },
        { RIG_RSA, RIG_EC, "\"kid\":\"\",", "", ERR_INVALID, "key 0 cannot be used: kid is no text" },
        { RIG_RSA, RIG_EC, "\"kid\":7,", "", ERR_INVALID, "key 0 cannot be used: kid is no text" },
        { RIG_RSA, RIG_EC, "\"kty\":\"RSA\",", "", ERR_INVALID, "a key stands twice" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        write_set(rows[i].first, rows[i].first_members, rows[i].second, rows[i].second_members);
        if (rows[i].says == NULL)
            takes((struct jwt_options){ .jwks_file = jwt_rig_path("set.json") }, "a set");
        else
            refuses((struct jwt_options){ .jwks_file = jwt_rig_path("set.json") }, rows[i].code, rows[i].says);
    }
    write_set(RIG_RSA, "\"kid\":\"a\",", RIG_EC, "");
    takes((struct jwt_options){ .jwks_file = jwt_rig_path("set.json"), .public_key_file = jwt_rig_path("rsa2.pub"), .secret = RIG_SECRET }, "all kinds together");
    refuses((struct jwt_options){ .jwks_file = jwt_rig_path("set.json"), .public_key_file = jwt_rig_path("ec2.pub") }, ERR_INVALID,
            "key 1 cannot be used: no token could tell it from another key for ES256 without a kid");
}

static void test_text(void)
{
    refuses_text("", ERR_RANGE, "is empty");
    refuses_text("{", ERR_INVALID, "invalid JSON");
    refuses_text("[]", ERR_INVALID, "no JWK set");
    refuses_text("{\"keys\":{}}", ERR_INVALID, "no JWK set");
    refuses_text("{\"keys\":[]}", ERR_INVALID, "holds no key");
    refuses_text("{\"keys\":[1]}", ERR_INVALID, "key 0 cannot be used: it is no object");
    refuses_text("{\"keys\":[{}]}", ERR_INVALID, "key 0 cannot be used: kty");
    refuses_text("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}]}", ERR_INVALID, "key 0 cannot be used: kty");
    refuses_text("{\"keys\":[{\"kty\":\"oct\"}]}", ERR_INVALID, "k is no base64url");
    refuses_text("{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0LXNob3J0\"}]}", ERR_RANGE, "at least 32 bytes, this one 12");
    refuses_text("{\"keys\":[{\"kty\":\"oct\",\"k\":\"====\"}]}", ERR_INVALID, "k is no base64url");
    refuses_text("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AQAB\"}]}", ERR_RANGE, "at least 2048 bits, this one 0");
    refuses_text("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}]}", ERR_INVALID, "32 bytes");
    refuses_text("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
                 "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}", ERR_INVALID, "no key for ES256");
}

/* A point off the curve, an even exponent, an exponent of one. */
static void test_numbers(void)
{
    static const struct { enum rig_key key; const char *from, *to; } rows[] = {
        { RIG_RSA, "\"e\":\"AQAB\"", "\"e\":\"AQAA\"" },
        { RIG_RSA, "\"e\":\"AQAB\"", "\"e\":\"AQ\"" },
        { RIG_RSA, "\"e\":\"AQAB\"", "\"e\":\"AQAAAAAAAAAAAAAB\"" },
        { RIG_EC, "\"y\":\"", "\"y\":\"B" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b = { 0 }, changed = { 0 };
        size_t skip = strlen(rows[i].from) + (rows[i].key == RIG_EC ? 1 : 0);
        const char *at;
        buf_add(&b, SV("{\"keys\":["));
        rig_jwk(&b, rows[i].key, "");
        buf_add(&b, SV("]}"));
        at = strstr(b.p, rows[i].from);
        if (at == NULL)
            bail_out("no %s", rows[i].from);
        if (rows[i].key == RIG_EC && at[skip - 1] == 'B') /* it was one already */
            buf_printf(&changed, "%.*s\"y\":\"A%s", (int)(at - b.p), b.p, at + skip);
        else
            buf_printf(&changed, "%.*s%s%s", (int)(at - b.p), b.p, rows[i].to, at + skip);
        refuses_text(changed.p, ERR_INVALID, "key 0 cannot be used");
        buf_fini(&b);
        buf_fini(&changed);
    }
}

/* ---- tokens of our own ---- */

static void signs(const char *name, struct jwt_signing with, struct jwt_options o, enum jwt_verdict want)
{
    struct buf b = { 0 };
    struct err e = { 0 };
    struct arena *a = arena_new(0, 65536);
    struct jwt_keys *k = jwt_keys_new(&o, &e);
    const json_t *claims;

    if (ok(jwt_sign(&with, CLAIMS, &b, &e) == 0 && k != NULL, "%s", name))
        is_int(jwt_verify(k, buf_sv(&b), NOW_MS, a, &claims), want, "%s", jwt_verdict_text(want));
    else
        diag("%s", e.text);
    jwt_keys_free(k);
    arena_free(a);
    buf_fini(&b);
}

static void cannot_sign(struct jwt_signing with, enum err_code code, const char *says)
{
    struct buf b = { 0 };
    struct err e = { 0 };

    ok(jwt_sign(&with, CLAIMS, &b, &e) == -1 && b.n == 0, "cannot sign: %s", says);
    is_int(e.code, code, "its code");
    has_str(e.text, says, "its reason");
    buf_fini(&b);
}

static void test_sign(void)
{
    write_set(RIG_RSA, "\"kid\":\"a\",", RIG_RSA_OTHER, "\"kid\":\"b\",");
    signs("HS256", (struct jwt_signing){ .secret = RIG_SECRET }, (struct jwt_options){ .secret = RIG_SECRET }, JWT_GOOD);
    signs("HS256 for somebody else", (struct jwt_signing){ .secret = RIG_SECRET }, (struct jwt_options){ .secret = RIG_OTHER_SECRET }, JWT_BAD_SIGNATURE);
    signs("RS256", (struct jwt_signing){ .private_key_file = jwt_rig_path("rsa.key") }, (struct jwt_options){ .public_key_file = jwt_rig_path("rsa.pub") }, JWT_GOOD);
    signs("ES256", (struct jwt_signing){ .private_key_file = jwt_rig_path("ec.key") }, (struct jwt_options){ .public_key_file = jwt_rig_path("ec.pub") }, JWT_GOOD);
    signs("a kid", (struct jwt_signing){ .private_key_file = jwt_rig_path("rsa2.key"), .kid = "b" },
          (struct jwt_options){ .jwks_file = jwt_rig_path("set.json") }, JWT_GOOD);
    signs("another's kid", (struct jwt_signing){ .private_key_file = jwt_rig_path("rsa2.key"), .kid = "a" },
          (struct jwt_options){ .jwks_file = jwt_rig_path("set.json") }, JWT_BAD_SIGNATURE);
    cannot_sign((struct jwt_signing){ .secret = "short" }, ERR_RANGE, "at least 32 bytes");
    cannot_sign((struct jwt_signing){ .secret = NULL }, ERR_RANGE, "at least 32 bytes");
    cannot_sign((struct jwt_signing){ .private_key_file = jwt_rig_path("rsa.pub") }, ERR_INVALID, "holds no private key");
    cannot_sign((struct jwt_signing){ .private_key_file = jwt_rig_path("weak.key") }, ERR_RANGE, "at least 2048 bits");
    cannot_sign((struct jwt_signing){ .private_key_file = jwt_rig_path("p384.key") }, ERR_INVALID, "neither RSA nor EC");
    cannot_sign((struct jwt_signing){ .private_key_file = jwt_rig_path("none.key") }, ERR_IO, "cannot be read");
}

int main(void)
{
    jwt_rig_begin();
    test_on();
    test_secret();
    test_pem();
    test_set();
    test_text();
    test_numbers();
    test_sign();
    jwt_rig_end();
    return done_testing();
}
