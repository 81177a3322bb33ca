/* SPDX-License-Identifier: MIT
 * Tests of src/lib/jwt.c: every token that must not pass, each with the reason for which it does not, and those that must. */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/jwt.h"
#include "t/lib/jwt_rig.h"
#include "t/tap.h"

#define NOW_S 1700000000
#define NOW_MS (NOW_S * INT64_C(1000))
#define H(alg, ...) "{\"alg\":\"" alg "\",\"typ\":\"JWT\"" __VA_ARGS__ "}"
#define C(...) "{\"sub\":\"u1\"" __VA_ARGS__ "}"
#define EXP ",\"exp\":1700000300"
#define FINE C(EXP)

/* What is configured. */
enum set {
    SECRET,   /* JWT_SECRET */
    RSA,      /* JWT_PUBLIC_KEY_FILE */
    EC,
    JWKS,     /* r1 and r2 (RSA), e1 (EC), o1 (oct) */
    JWKS_ONE, /* r1 only */
    ALL,      /* secret, RSA file, JWKS */
    STRICT,   /* secret, issuer "https://id.example/", audience "chat" */
    SETS,
};
static struct jwt_keys *sets[SETS];

struct row {
    const char *name;
    enum set set;
    enum jwt_verdict want;
    enum rig_how how;
    const char *header, *claims;
};

static const struct row algorithms[] = {
    { "HS256 with the secret", SECRET, JWT_GOOD, RIG_HS256, H("HS256"), FINE },
    { "RS256 with the RSA key", RSA, JWT_GOOD, RIG_RS256, H("RS256"), FINE },
    { "ES256 with the EC key", EC, JWT_GOOD, RIG_ES256, H("ES256"), FINE },
    { "without typ", SECRET, JWT_GOOD, RIG_HS256, "{\"alg\":\"HS256\"}", FINE },
    { "typ of an access token", SECRET, JWT_GOOD, RIG_HS256, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", FINE },
    { "white space inside the JSON", SECRET, JWT_GOOD, RIG_HS256, " { \"alg\" : \"HS256\" }\n", "\t{ \"exp\" : 1700000300 } " },
    { "another secret", SECRET, JWT_BAD_SIGNATURE, RIG_HS256_OTHER, H("HS256"), FINE },
    { "a secret of no bytes", SECRET, JWT_BAD_SIGNATURE, RIG_HS256_EMPTY, H("HS256"), FINE },
    { "half of the HMAC", SECRET, JWT_BAD_SIGNATURE, RIG_HS256_HALF, H("HS256"), FINE },
    { "a byte behind the HMAC", SECRET, JWT_BAD_SIGNATURE, RIG_HS256_LONGER, H("HS256"), FINE },
    { "a byte behind r and s", EC, JWT_BAD_SIGNATURE, RIG_ES256_LONGER, H("ES256"), FINE },
    { "a signature of zeros", SECRET, JWT_BAD_SIGNATURE, RIG_ZEROS_32, H("HS256"), FINE },
    { "another RSA key", RSA, JWT_BAD_SIGNATURE, RIG_RS256_OTHER, H("RS256"), FINE },
    { "another EC key", EC, JWT_BAD_SIGNATURE, RIG_ES256_OTHER, H("ES256"), FINE },
    { "r and s of zero", EC, JWT_BAD_SIGNATURE, RIG_ZEROS_64, H("ES256"), FINE },
    { "ES256 in DER", EC, JWT_BAD_SIGNATURE, RIG_ES256_DER, H("ES256"), FINE },
    { "ES256 on P-384", EC, JWT_BAD_SIGNATURE, RIG_ES256_ON_384, H("ES256"), FINE },
    { "ES384", EC, JWT_BAD_ALGORITHM, RIG_ES384, H("ES384"), FINE },
    { "HS384 with the secret", SECRET, JWT_BAD_ALGORITHM, RIG_HS384, H("HS384"), FINE },
    { "HS512 with the secret", SECRET, JWT_BAD_ALGORITHM, RIG_HS512, H("HS512"), FINE },
    { "RS384 with the RSA key", RSA, JWT_BAD_ALGORITHM, RIG_RS384, H("RS384"), FINE },
    { "RS512 with the RSA key", RSA, JWT_BAD_ALGORITHM, RIG_RS512, H("RS512"), FINE },
    { "PS256 with the RSA key", RSA, JWT_BAD_ALGORITHM, RIG_PS256, H("PS256"), FINE },
    { "PS256 that calls itself RS256", RSA, JWT_BAD_SIGNATURE, RIG_PS256, H("RS256"), FINE },
    { "RS512 that calls itself RS256", RSA, JWT_BAD_SIGNATURE, RIG_RS512, H("RS256"), FINE },
    { "HS384 that calls itself HS256", SECRET, JWT_BAD_SIGNATURE, RIG_HS384, H("HS256"), FINE },
    { "EdDSA", EC, JWT_BAD_ALGORITHM, RIG_ZEROS_64, H("EdDSA"), FINE },
    { "hs256 in small letters", SECRET, JWT_BAD_ALGORITHM, RIG_HS256, H("hs256"), FINE },
    { "HS256 with a blank", SECRET, JWT_BAD_ALGORITHM, RIG_HS256, H("HS256 "), FINE },
    { "HS256 signed with the public key's PEM", RSA, JWT_UNKNOWN_KEY, RIG_HS256_PEM, H("HS256"), FINE },
    { "HS256 signed with the public key's DER", RSA, JWT_UNKNOWN_KEY, RIG_HS256_DER, H("HS256"), FINE },
    { "the same where there is a secret, too", ALL, JWT_BAD_SIGNATURE, RIG_HS256_PEM, H("HS256"), FINE },
    { "the same with the RSA key's kid", ALL, JWT_BAD_SIGNATURE, RIG_HS256_PEM, H("HS256", ",\"kid\":\"r1\""), FINE },
    { "RS256 where there is only a secret", SECRET, JWT_UNKNOWN_KEY, RIG_RS256, H("RS256"), FINE },
    { "ES256 where there is only a secret", SECRET, JWT_UNKNOWN_KEY, RIG_ES256, H("ES256"), FINE },
    { "RS256 where there is only an EC key", EC, JWT_UNKNOWN_KEY, RIG_RS256, H("RS256"), FINE },
    { "ES256 where there is only an RSA key", RSA, JWT_UNKNOWN_KEY, RIG_ES256, H("ES256"), FINE },
    { "an EC signature that calls itself RS256", RSA, JWT_BAD_SIGNATURE, RIG_ES256, H("RS256"), FINE },
    { "an RSA signature that calls itself ES256", EC, JWT_BAD_SIGNATURE, RIG_RS256, H("ES256"), FINE },
    { "an HMAC that calls itself RS256", RSA, JWT_BAD_SIGNATURE, RIG_HS256, H("RS256"), FINE },
    { "none without a signature", SECRET, JWT_NOT_COMPACT, RIG_NOTHING, H("none"), FINE },
    { "none", SECRET, JWT_BAD_ALGORITHM, RIG_HS256, H("none"), FINE },
    { "None", SECRET, JWT_BAD_ALGORITHM, RIG_HS256, H("None"), FINE },
    { "NONE", SECRET, JWT_BAD_ALGORITHM, RIG_HS256, H("NONE"), FINE },
    { "nOnE", SECRET, JWT_BAD_ALGORITHM, RIG_ZEROS_32, H("nOnE"), FINE },
    { "none, and a NUL", SECRET, JWT_BAD_HEADER, RIG_HS256, H("none\\u0000"), FINE },
    { "no alg", SECRET, JWT_BAD_HEADER, RIG_HS256, "{\"typ\":\"JWT\"}", FINE },
    { "an empty alg", SECRET, JWT_BAD_HEADER, RIG_HS256, H(""), FINE },
    { "alg null", SECRET, JWT_BAD_HEADER, RIG_HS256, "{\"alg\":null}", FINE },
    { "alg false", SECRET, JWT_BAD_HEADER, RIG_HS256, "{\"alg\":false}", FINE },
    { "alg a list", SECRET, JWT_BAD_HEADER, RIG_HS256, "{\"alg\":[\"HS256\"]}", FINE },
};

static const struct row headers[] = {
    { "kid of the first RSA key", JWKS, JWT_GOOD, RIG_RS256, H("RS256", ",\"kid\":\"r1\""), FINE },
    { "kid of the second RSA key", JWKS, JWT_GOOD, RIG_RS256_OTHER, H("RS256", ",\"kid\":\"r2\""), FINE },
    { "kid of the EC key", JWKS, JWT_GOOD, RIG_ES256, H("ES256", ",\"kid\":\"e1\""), FINE },
    { "kid of the secret", JWKS, JWT_GOOD, RIG_HS256_OTHER, H("HS256", ",\"kid\":\"o1\""), FINE },
    { "kid of the other RSA key", JWKS, JWT_BAD_SIGNATURE, RIG_RS256, H("RS256", ",\"kid\":\"r2\""), FINE },
    { "kid of a key for another algorithm", JWKS, JWT_UNKNOWN_KEY, RIG_RS256, H("RS256", ",\"kid\":\"e1\""), FINE },
    { "kid of an RSA key with HS256", JWKS, JWT_UNKNOWN_KEY, RIG_HS256_PEM, H("HS256", ",\"kid\":\"r1\""), FINE },
    { "kid in another case", JWKS, JWT_UNKNOWN_KEY, RIG_RS256, H("RS256", ",\"kid\":\"R1\""), FINE },
    { "an unknown kid", JWKS, JWT_UNKNOWN_KEY, RIG_RS256, H("RS256", ",\"kid\":\"r3\""), FINE },
    { "an unknown kid where there is one key", JWKS_ONE, JWT_UNKNOWN_KEY, RIG_RS256, H("RS256", ",\"kid\":\"r3\""), FINE },
    { "no kid, one key of the algorithm", JWKS_ONE, JWT_GOOD, RIG_RS256, H("RS256"), FINE },
    { "no kid, one key of the algorithm among others", JWKS, JWT_GOOD, RIG_ES256, H("ES256"), FINE },
    { "no kid, two keys of the algorithm", JWKS, JWT_UNKNOWN_KEY, RIG_RS256, H("RS256"), FINE },
    { "no kid, and a key without one", ALL, JWT_GOOD, RIG_HS256, H("HS256"), FINE },
    { "some kid, and a key without one", RSA, JWT_GOOD, RIG_RS256, H("RS256", ",\"kid\":\"theirs\""), FINE },
    { "an empty kid", JWKS_ONE, JWT_BAD_HEADER, RIG_RS256, H("RS256", ",\"kid\":\"\""), FINE },
    { "kid a number", JWKS_ONE, JWT_BAD_HEADER, RIG_RS256, H("RS256", ",\"kid\":1"), FINE },
    { "kid null", JWKS_ONE, JWT_BAD_HEADER, RIG_RS256, H("RS256", ",\"kid\":null"), FINE },
    { "kid a path", JWKS_ONE, JWT_UNKNOWN_KEY, RIG_HS256_EMPTY, H("RS256", ",\"kid\":\"../../dev/null\""), FINE },
    { "jku", RSA, JWT_BAD_EXTENSION, RIG_RS256, H("RS256", ",\"jku\":\"https://evil.example/keys\""), FINE },
    { "jwk", RSA, JWT_BAD_EXTENSION, RIG_RS256, H("RS256", ",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}"), FINE },
    { "x5u", RSA, JWT_BAD_EXTENSION, RIG_RS256, H("RS256", ",\"x5u\":\"https://evil.example/c\""), FINE },
    { "x5c", RSA, JWT_BAD_EXTENSION, RIG_RS256, H("RS256", ",\"x5c\":[\"MIIB\"]"), FINE },
    { "crit", SECRET, JWT_BAD_EXTENSION, RIG_HS256, H("HS256", ",\"crit\":[\"exp\"]"), FINE },
    { "an empty crit", SECRET, JWT_BAD_EXTENSION, RIG_HS256, H("HS256", ",\"crit\":[]"), FINE },
    { "b64 false", SECRET, JWT_BAD_EXTENSION, RIG_HS256, H("HS256", ",\"b64\":false,\"crit\":[\"b64\"]"), FINE },
    { "b64 without crit", SECRET, JWT_BAD_EXTENSION, RIG_HS256, H("HS256", ",\"b64\":false"), FINE },
    { "x5t is only a name", SECRET, JWT_GOOD, RIG_HS256, H("HS256", ",\"x5t\":\"abc\""), FINE },
    { "alg twice", SECRET, JWT_BAD_HEADER, RIG_HS256, "{\"alg\":\"none\",\"alg\":\"HS256\"}", FINE },
    { "alg twice, once escaped", SECRET, JWT_BAD_HEADER, RIG_HS256, "{\"alg\":\"none\",\"\\u0061lg\":\"HS256\"}", FINE },
    { "a header that is an array", SECRET, JWT_BAD_HEADER, RIG_HS256, "[\"HS256\"]", FINE },
    { "a header that is no JSON", SECRET, JWT_BAD_HEADER, RIG_HS256, "alg=HS256", FINE },
    { "a header with something behind it", SECRET, JWT_BAD_HEADER, RIG_HS256, H("HS256") "{}", FINE },
    { "a header that is not UTF-8", SECRET, JWT_BAD_HEADER, RIG_HS256, H("HS256", ",\"kid\":\"\xff\""), FINE },
    { "an empty header", SECRET, JWT_NOT_COMPACT, RIG_HS256, "", FINE },
};

static const struct row claims[] = {
    { "no claims", SECRET, JWT_NO_EXPIRY, RIG_HS256, H("HS256"), "{}" },
    { "no exp", SECRET, JWT_NO_EXPIRY, RIG_HS256, H("HS256"), C() },
    { "exp long ago", SECRET, JWT_EXPIRED, RIG_HS256, H("HS256"), C(",\"exp\":1600000000") },
    { "exp 60 s ago", SECRET, JWT_EXPIRED, RIG_HS256, H("HS256"), C(",\"exp\":1699999940") },
    { "exp 59 s ago", SECRET, JWT_GOOD, RIG_HS256, H("HS256"), C(",\"exp\":1699999941") },
    { "exp 59.5 s ago", SECRET, JWT_GOOD, RIG_HS256, H("HS256"), C(",\"exp\":1699999940.5") },
    { "exp now", SECRET, JWT_GOOD, RIG_HS256, H("HS256"), C(",\"exp\":1700000000") },
    { "exp as 1.7000003e9", SECRET, JWT_GOOD, RIG_HS256, H("HS256"), C(",\"exp\":1.7000003e9") },
    { "exp in the year 9999", SECRET, JWT_GOOD, RIG_HS256, H("HS256"), C(",\"exp\":253402300799") },
    { "exp in milliseconds", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(",\"exp\":1700000300000") },
    { "exp of 63 bits", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(",\"exp\":9223372036854775807") },
    { "exp beyond 64 bits", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(",\"exp\":92233720368547758080") },
    { "exp 1e308", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(",\"exp\":1e308") },
    { "exp 1e999", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(",\"exp\":1e999") },
    { "exp negative", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(",\"exp\":-1") },
    { "exp 0", SECRET, JWT_EXPIRED, RIG_HS256, H("HS256"), C(",\"exp\":0") },
    { "exp a string", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(",\"exp\":\"1700000300\"") },
    { "exp null", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(",\"exp\":null") },
    { "exp true", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(",\"exp\":true") },
    { "exp a list", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(",\"exp\":[1700000300]") },
    { "exp NaN", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(",\"exp\":NaN") },
    { "exp twice", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(",\"exp\":1600000000" EXP) },
    { "nbf in 60 s", SECRET, JWT_GOOD, RIG_HS256, H("HS256"), C(EXP ",\"nbf\":1700000060") },
    { "nbf in 61 s", SECRET, JWT_TOO_EARLY, RIG_HS256, H("HS256"), C(EXP ",\"nbf\":1700000061") },
    { "nbf in 60.5 s", SECRET, JWT_TOO_EARLY, RIG_HS256, H("HS256"), C(EXP ",\"nbf\":1700000060.5") },
    { "nbf before", SECRET, JWT_GOOD, RIG_HS256, H("HS256"), C(EXP ",\"nbf\":1600000000") },
    { "nbf a string", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(EXP ",\"nbf\":\"0\"") },
    { "nbf null", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(EXP ",\"nbf\":null") },
    { "expired and too early", SECRET, JWT_EXPIRED, RIG_HS256, H("HS256"), C(",\"exp\":1,\"nbf\":1800000000") },
    { "iat in the future", SECRET, JWT_GOOD, RIG_HS256, H("HS256"), C(EXP ",\"iat\":1800000000") },
    { "issuer and audience", STRICT, JWT_GOOD, RIG_HS256, H("HS256"), C(EXP ",\"iss\":\"https://id.example/\",\"aud\":\"chat\"") },
    { "one of several audiences", STRICT, JWT_GOOD, RIG_HS256, H("HS256"), C(EXP ",\"iss\":\"https://id.example/\",\"aud\":[\"a\",\"chat\",\"b\"]") },
    { "no issuer", STRICT, JWT_WRONG_ISSUER, RIG_HS256, H("HS256"), C(EXP ",\"aud\":\"chat\"") },
    { "another issuer", STRICT, JWT_WRONG_ISSUER, RIG_HS256, H("HS256"), C(EXP ",\"iss\":\"https://id.example\",\"aud\":\"chat\"") },
    { "the issuer and more", STRICT, JWT_WRONG_ISSUER, RIG_HS256, H("HS256"), C(EXP ",\"iss\":\"https://id.example/x\",\"aud\":\"chat\"") },
    { "issuers in a list", STRICT, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(EXP ",\"iss\":[\"https://id.example/\"],\"aud\":\"chat\"") },
    { "no audience", STRICT, JWT_WRONG_AUDIENCE, RIG_HS256, H("HS256"), C(EXP ",\"iss\":\"https://id.example/\"") },
    { "another audience", STRICT, JWT_WRONG_AUDIENCE, RIG_HS256, H("HS256"), C(EXP ",\"iss\":\"https://id.example/\",\"aud\":\"shop\"") },
    { "other audiences", STRICT, JWT_WRONG_AUDIENCE, RIG_HS256, H("HS256"), C(EXP ",\"iss\":\"https://id.example/\",\"aud\":[\"Chat\",\"chat \"]") },
    { "no audience in the list", STRICT, JWT_WRONG_AUDIENCE, RIG_HS256, H("HS256"), C(EXP ",\"iss\":\"https://id.example/\",\"aud\":[]") },
    { "a number among audiences", STRICT, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(EXP ",\"iss\":\"https://id.example/\",\"aud\":[\"chat\",1]") },
    { "an audience that is an object", STRICT, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(EXP ",\"iss\":\"https://id.example/\",\"aud\":{\"chat\":1}") },
    { "some issuer where none is wanted", SECRET, JWT_GOOD, RIG_HS256, H("HS256"), C(EXP ",\"iss\":\"anybody\"") },
    { "some audience where none is configured", SECRET, JWT_WRONG_AUDIENCE, RIG_HS256, H("HS256"), C(EXP ",\"aud\":\"chat\"") },
    { "claims that are an array", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), "[1]" },
    { "claims that are a string", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), "\"x\"" },
    { "claims that are no JSON", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), "x" },
    { "claims with something behind them", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), FINE "x" },
    { "sub twice", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(EXP ",\"sub\":\"u2\"") },
    { "a claim twice, inside", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(EXP ",\"x\":{\"a\":1,\"a\":2}") },
    { "a NUL in a claim", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(EXP ",\"x\":\"a\\u0000b\"") },
    { "claims that are not UTF-8", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(EXP ",\"x\":\"\xc3\"") },
    { "half a surrogate", SECRET, JWT_BAD_CLAIMS, RIG_HS256, H("HS256"), C(EXP ",\"x\":\"\\ud800\"") },
    { "empty claims", SECRET, JWT_NOT_COMPACT, RIG_HS256, H("HS256"), "" },
};

static enum jwt_verdict verdict_at(enum set set, struct sv token, int64_t now_ms)
{
    struct arena *a = arena_new(0, 4 * JWT_BYTES_MAX);
    const json_t *found = NULL;
    enum jwt_verdict v = jwt_verify(sets[set], token, now_ms, a, &found);

    if ((v == JWT_GOOD) != (found != NULL))
        ok(false, "claims are given with a good token only");
    arena_free(a);
    return v;
}

static void run(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct buf b = { 0 };
        enum jwt_verdict got;
        rig_token(&b, sv_from(rows[i].header), sv_from(rows[i].claims), rows[i].how);
        got = verdict_at(rows[i].set, buf_sv(&b), NOW_MS);
        ok(got == rows[i].want, "%s: %s", rows[i].name, jwt_verdict_text(rows[i].want));
        if (got != rows[i].want)
            diag("got: %s", jwt_verdict_text(got));
        buf_fini(&b);
    }
}

/* ---- form ---- */

static struct buf good_token(enum set set)
{
    static const struct { const char *header; enum rig_how how; } how[] = {
        [SECRET] = { H("HS256"), RIG_HS256 }, [RSA] = { H("RS256"), RIG_RS256 }, [EC] = { H("ES256"), RIG_ES256 },
    };
    struct buf b = { 0 };

    rig_token(&b, sv_from(how[set].header), SV(FINE), how[set].how);
    return b;
}

static void refuses(const char *name, enum set set, struct sv token)
{
    enum jwt_verdict v = verdict_at(set, token, NOW_MS);

    ok(v == JWT_NOT_COMPACT || v == JWT_BAD_SIGNATURE, "%s is refused", name);
}

/* Every byte of a good token is needed and none may be added or differ. */
static void test_bytes(void)
{
    for (enum set s = SECRET; s <= EC; s++) {
        struct buf b = good_token(s);
        size_t passed = 0;
        ok(verdict_at(s, buf_sv(&b), NOW_MS) == JWT_GOOD, "key %d: a good token", (int)s);
        for (size_t i = 0; i < b.n; i++) {
            char kept = b.p[i];
            passed += verdict_at(s, (struct sv){ b.p, i }, NOW_MS) == JWT_GOOD;
            passed += verdict_at(s, (struct sv){ b.p + i + 1, b.n - i - 1 }, NOW_MS) == JWT_GOOD;
            b.p[i] = kept == 'A' ? 'B' : 'A';
            passed += verdict_at(s, buf_sv(&b), NOW_MS) == JWT_GOOD;
            b.p[i] = (char)(kept ^ 1);
            passed += verdict_at(s, buf_sv(&b), NOW_MS) == JWT_GOOD;
            b.p[i] = kept;
        }
        is_int(passed, 0, "key %d: cut or changed at any of %zu bytes, it is none", (int)s, b.n);
        buf_fini(&b);
    }
}

static void test_form(void)
{
    static const struct { const char *name, *before, *after; } extra[] = {
        { "a blank before", " ", "" }, { "a blank behind", "", " " }, { "a line break behind", "", "\n" }, { "padding", "", "=" },
        { "more padding", "", "==" }, { "a dot behind", "", "." }, { "a dot before", ".", "" }, { "a fourth part", "", ".AAAA" },
        { "a fifth part", "", ".AAAA.AAAA" }, { "a letter behind", "", "A" }, { "four letters behind", "", "AAAA" }, { "Bearer", "Bearer ", "" },
    };
    static const char *const none[] = { "", ".", "..", "...", "a", "a.b", "a.b.c", "e30.e30.e30", "e30..e30", ".e30.e30", "e30.e30.", "....", "eyJ" };
    struct buf good = good_token(SECRET), other = good_token(SECRET);

    for (size_t i = 0; i < ARRAY_LEN(extra); i++) {
        struct buf b = { 0 };
        buf_printf(&b, "%s%s%s", extra[i].before, good.p, extra[i].after);
        refuses(extra[i].name, SECRET, buf_sv(&b));
        buf_fini(&b);
    }
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        ok(verdict_at(SECRET, sv_from(none[i]), NOW_MS) != JWT_GOOD, "\"%s\" is none", none[i]);
    ok(verdict_at(SECRET, SV_NONE, NOW_MS) == JWT_NOT_COMPACT, "nothing is none");
    ok(verdict_at(SECRET, (struct sv){ good.p, good.n + 1 }, NOW_MS) == JWT_NOT_COMPACT, "a NUL behind");
    buf_clear(&other);
    rig_token(&other, SV(H("HS256")), SV(C(EXP ",\"role\":\"Admin\"")), RIG_HS256_OTHER);
    *strrchr(other.p, '.') = '\0';
    other.n = strlen(other.p);
    buf_printf(&other, "%s", strrchr(good.p, '.'));
    ok(verdict_at(SECRET, buf_sv(&other), NOW_MS) == JWT_BAD_SIGNATURE, "the signature of another token");
    buf_fini(&good);
    buf_fini(&other);
}

static void test_length(void)
{
    struct buf claim = { 0 }, b = { 0 };

    buf_printf(&claim, "{\"exp\":1700000300,\"x\":\"%05900d\"}", 0);
    rig_token(&b, SV(H("HS256")), buf_sv(&claim), RIG_HS256);
    ok(b.n <= JWT_BYTES_MAX && verdict_at(SECRET, buf_sv(&b), NOW_MS) == JWT_GOOD, "%zu bytes are fine", b.n);
    buf_clear(&claim);
    buf_clear(&b);
    buf_printf(&claim, "{\"exp\":1700000300,\"x\":\"%06100d\"}", 0);
    rig_token(&b, SV(H("HS256")), buf_sv(&claim), RIG_HS256);
    ok(b.n > JWT_BYTES_MAX && verdict_at(SECRET, buf_sv(&b), NOW_MS) == JWT_TOO_LONG, "%zu bytes are too long", b.n);
    buf_clear(&claim);
    buf_clear(&b);
    buf_printf(&claim, "{\"exp\":1700000300,\"x\":\"%047000d\"}", 0);
    rig_token(&b, SV(H("HS256")), buf_sv(&claim), RIG_HS256);
    ok(verdict_at(SECRET, buf_sv(&b), NOW_MS) == JWT_TOO_LONG, "%zu bytes are too long", b.n);
    buf_clear(&claim);
    buf_clear(&b);
    for (int i = 0; i < 3000; i++)
        buf_addc(&claim, '[');
    rig_token(&b, SV(H("HS256")), buf_sv(&claim), RIG_HS256);
    ok(verdict_at(SECRET, buf_sv(&b), NOW_MS) == JWT_BAD_CLAIMS, "3,000 brackets");
    buf_fini(&claim);
    buf_fini(&b);
}

/* ---- threads ---- */

static void *verify_often(void *arg)
{
    const struct buf *tokens = arg;
    size_t right = 0;

    for (int i = 0; i < 300; i++)
        for (enum set s = SECRET; s <= EC; s++)
            right += verdict_at(s, buf_sv(&tokens[s]), NOW_MS) == JWT_GOOD && verdict_at((s + 1) % 3, buf_sv(&tokens[s]), NOW_MS) == JWT_UNKNOWN_KEY;
    return right == 900 ? arg : NULL;
}

static void test_threads(void)
{
    struct buf tokens[3] = { good_token(SECRET), good_token(RSA), good_token(EC) };
    pthread_t threads[4];
    void *result;

    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        if (pthread_create(&threads[i], NULL, verify_often, tokens) != 0)
            bail_out("no thread");
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        (void)pthread_join(threads[i], &result);
        ok(result != NULL, "thread %zu was always right", i);
    }
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
        buf_fini(&tokens[i]);
}

/* ---- all of it ---- */

static struct jwt_keys *with(struct jwt_options o)
{
    struct err e = { 0 };
    struct jwt_keys *k = jwt_keys_new(&o, &e);

    if (k == NULL)
        bail_out("no keys: %s", e.text);
    return k;
}

static void open_sets(void)
{
    struct buf b = { 0 };

    buf_add(&b, SV("{\"keys\":["));
    rig_jwk(&b, RIG_RSA, "\"kid\":\"r1\",");
    buf_add(&b, SV("]}"));
    jwt_rig_write("one.json", b.p);
    b.n -= 2;
    buf_addc(&b, ',');
    rig_jwk(&b, RIG_RSA_OTHER, "\"kid\":\"r2\",\"use\":\"sig\",\"alg\":\"RS256\",");
    buf_addc(&b, ',');
    rig_jwk(&b, RIG_EC, "\"kid\":\"e1\",\"alg\":\"ES256\",");
    buf_addc(&b, ',');
    rig_jwk_oct(&b, RIG_OTHER_SECRET, "\"kid\":\"o1\",");
    buf_add(&b, SV("]}"));
    jwt_rig_write("all.json", b.p);
    buf_fini(&b);
    sets[SECRET] = with((struct jwt_options){ .secret = RIG_SECRET });
    sets[RSA] = with((struct jwt_options){ .public_key_file = jwt_rig_path("rsa.pub") });
    sets[EC] = with((struct jwt_options){ .public_key_file = jwt_rig_path("ec.pub"), .secret = "" });
    sets[JWKS] = with((struct jwt_options){ .jwks_file = jwt_rig_path("all.json") });
    sets[JWKS_ONE] = with((struct jwt_options){ .jwks_file = jwt_rig_path("one.json") });
    sets[ALL] = with((struct jwt_options){ .secret = RIG_SECRET, .public_key_file = jwt_rig_path("rsa.pub"), .jwks_file = jwt_rig_path("all.json") });
    sets[STRICT] = with((struct jwt_options){ .secret = RIG_SECRET, .issuer = "https://id.example/", .audience = "chat" });
}

int main(void)
{
    jwt_rig_begin();
    open_sets();
    run(algorithms, ARRAY_LEN(algorithms));
    run(headers, ARRAY_LEN(headers));
    run(claims, ARRAY_LEN(claims));
    test_bytes();
    test_form();
    test_length();
    test_threads();
    for (int i = 0; i < SETS; i++)
        jwt_keys_free(sets[i]);
    jwt_rig_end();
    return done_testing();
}
