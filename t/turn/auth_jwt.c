/* SPDX-License-Identifier: MIT
 * Tests of src/turn/auth_claims.c: whose a JSON Web Token is, and that nobody is anybody by it whose token does not say so. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/jwt_rig.h"
#include "t/tap.h"
#include "turn/auth.h"

#define NOW_MS INT64_C(1700000000000)
#define HEADER SV("{\"alg\":\"HS256\",\"typ\":\"JWT\"}")
#define NET "\"http://schemas.microsoft.com/ws/2008/06/identity/claims/role\""
#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X256 X64 X64 X64 X64

static struct auth *a;

static enum auth_role ask(const char *scheme, const char *claims, enum rig_how how, struct auth_identity *out)
{
    struct buf b = { 0 };
    enum auth_role role;
    char text[4096];

    (void)snprintf(text, sizeof(text), "{\"exp\":1700000300%s%s}", claims[0] != '\0' ? "," : "", claims);
    buf_printf(&b, "%s ", scheme);
    rig_token(&b, HEADER, sv_from(text), how);
    role = auth_check(a, buf_sv(&b), NOW_MS, out);
    buf_fini(&b);
    return role;
}

static const struct {
    const char *claims;
    enum auth_role role;
    const char *user; /* of ROLE_USER */
} rows[] = {
    { "\"userId\":\"user123\"", ROLE_USER, "user123" },
    { "\"sub\":\"user123\"", ROLE_USER, "user123" },
    { "\"userId\":\"a\",\"sub\":\"b\"", ROLE_USER, "a" },
    { "\"sub\":\"b\",\"userId\":\"a\"", ROLE_USER, "a" },
    { "\"userId\":\"\xE1\xBB\x87 \xF0\x9F\x98\x80/%\"", ROLE_USER, "\xE1\xBB\x87 \xF0\x9F\x98\x80/%" },
    { "\"userId\":42", ROLE_USER, "42" },
    { "\"userId\":\"" X256 "\"", ROLE_USER, X256 },
    { "\"userId\":\"" X256 "x\"", ROLE_NOBODY, NULL },
    { "\"userId\":\"\"", ROLE_NOBODY, NULL },
    { "\"userId\":\"\",\"sub\":\"b\"", ROLE_NOBODY, NULL },
    { "\"sub\":\"\"", ROLE_NOBODY, NULL },
    { "\"userId\":null,\"sub\":\"b\"", ROLE_NOBODY, NULL },
    { "\"userId\":[\"a\"]", ROLE_NOBODY, NULL },
    { "\"userId\":{\"id\":\"a\"}", ROLE_NOBODY, NULL },
    { "\"userId\":true", ROLE_NOBODY, NULL },
    { "\"userId\":4.5", ROLE_NOBODY, NULL },
    { "\"sub\":42", ROLE_NOBODY, NULL },
    { "\"userId\":\"a\\nb\"", ROLE_NOBODY, NULL },
    { "\"userId\":\"a\\u007fb\"", ROLE_NOBODY, NULL },
    { "\"userId\":\"a\\u0085b\"", ROLE_NOBODY, NULL },
    { "\"userId\":\"\\u0001\"", ROLE_NOBODY, NULL },
    { "\"sub\":\"a\\tb\"", ROLE_NOBODY, NULL },
    { "", ROLE_NOBODY, NULL },
    { "\"name\":\"user123\"", ROLE_NOBODY, NULL },
    { "\"userid\":\"user123\",\"UserId\":\"user123\"", ROLE_NOBODY, NULL },
    { "\"role\":\"Admin\"", ROLE_ADMIN, NULL },
    { "\"role\":\"Platform\"", ROLE_PLATFORM, NULL },
    { "\"roles\":[\"Admin\"]", ROLE_ADMIN, NULL },
    { "\"roles\":\"Platform\"", ROLE_PLATFORM, NULL },
    { "\"roles\":[\"User\",\"Platform\"]", ROLE_PLATFORM, NULL },
    { "\"roles\":[\"Platform\",\"Admin\"]", ROLE_ADMIN, NULL },
    { "\"roles\":[\"Admin\",\"Platform\"]", ROLE_ADMIN, NULL },
    { "\"role\":[\"Admin\"]", ROLE_ADMIN, NULL },
    { "\"role\":\"User\",\"roles\":[\"Admin\"]", ROLE_ADMIN, NULL },
    { NET ":\"Admin\"", ROLE_ADMIN, NULL },
    { NET ":[\"Reader\",\"Platform\"]", ROLE_PLATFORM, NULL },
    { "\"role\":\"Admin\",\"userId\":\"a\"", ROLE_ADMIN, NULL },
    { "\"role\":\"Platform\",\"sub\":\"a\"", ROLE_PLATFORM, NULL },
    { "\"role\":\"Admin\",\"userId\":\"\"", ROLE_NOBODY, NULL },
    { "\"role\":\"admin\"", ROLE_NOBODY, NULL },
    { "\"role\":\"ADMIN\",\"sub\":\"a\"", ROLE_USER, "a" },
    { "\"role\":\"Admin \",\"sub\":\"a\"", ROLE_USER, "a" },
    { "\"role\":\"Admin,Platform\",\"sub\":\"a\"", ROLE_USER, "a" },
    { "\"role\":\"Admin Platform\",\"sub\":\"a\"", ROLE_USER, "a" },
    { "\"role\":\"Administrator\",\"sub\":\"a\"", ROLE_USER, "a" },
    { "\"role\":[[\"Admin\"]],\"sub\":\"a\"", ROLE_USER, "a" },
    { "\"role\":{\"Admin\":true},\"sub\":\"a\"", ROLE_USER, "a" },
    { "\"role\":true,\"sub\":\"a\"", ROLE_USER, "a" },
    { "\"roles\":[],\"sub\":\"a\"", ROLE_USER, "a" },
    { "\"roles\":[1,null,\"User\"],\"sub\":\"a\"", ROLE_USER, "a" },
    { "\"Role\":\"Admin\",\"sub\":\"a\"", ROLE_USER, "a" },
    { "\"scope\":\"Admin\",\"sub\":\"a\"", ROLE_USER, "a" },
};

static void test_claims(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct auth_identity who;
        enum auth_role role = ask("Bearer", rows[i].claims, RIG_HS256, &who);
        ok(role == rows[i].role && who.role == role, "%s: %s", rows[i].claims, auth_role_name(rows[i].role));
        is_str(who.user_id, rows[i].user != NULL ? rows[i].user : "", "and this user");
        ok((who.why != NULL) == (role == ROLE_NOBODY), "a reason where it is nobody's");
        ok(ask("Bearer", rows[i].claims, RIG_HS256_OTHER, &who) == ROLE_NOBODY && who.user_id[0] == '\0', "signed by a stranger, it is nobody's");
    }
}

static void test_header(void)
{
    struct auth_identity who;

    is_int(ask("bearer", "\"sub\":\"a\"", RIG_HS256, &who), ROLE_USER, "the scheme in any case");
    is_int(ask("Basic", "\"sub\":\"a\"", RIG_HS256, &who), ROLE_NOBODY, "another scheme");
    is_int(ask("", "\"sub\":\"a\"", RIG_HS256, &who), ROLE_NOBODY, "no scheme");
    is_int(ask("Bearer x,", "\"sub\":\"a\"", RIG_HS256, &who), ROLE_NOBODY, "two tokens");
    is_int(auth_check(a, SV("Bearer platform.with.dots"), NOW_MS, &who), ROLE_PLATFORM, "a token of the configuration may look like one");
    is_int(auth_check(a, SV("Bearer a.b.c"), NOW_MS, &who), ROLE_NOBODY, "what only looks like one");
    is_str(who.why, "it is no compact JWS", "and why");
    is_int(auth_check(a, SV("Bearer guess"), NOW_MS, &who), ROLE_NOBODY, "what does not");
    is_str(who.why, "an unknown token", "and why");
    is_int(auth_check(a, SV_NONE, NOW_MS, &who), ROLE_NOBODY, "nothing");
    is_str(who.why, "no credential", "and why");
}

/* The credential is who bears the token, not the token. */
static void test_credential(void)
{
    struct auth_identity first, second;

    (void)ask("Bearer", "\"sub\":\"a\",\"jti\":\"1\"", RIG_HS256, &first);
    (void)ask("Bearer", "\"userId\":\"a\",\"jti\":\"2\"", RIG_HS256, &second);
    ok(digest_equal(first.credential, second.credential), "two tokens of a user are one credential");
    (void)ask("Bearer", "\"sub\":\"b\"", RIG_HS256, &second);
    ok(!digest_equal(first.credential, second.credential), "two users are two");
    (void)ask("Bearer", "\"sub\":\"a\",\"role\":\"Admin\"", RIG_HS256, &second);
    ok(!digest_equal(first.credential, second.credential), "so is a user who is an administrator");
}

static void test_off(void)
{
    const struct jwt_options bad = { .secret = "short" }, off = { .secret = "", .issuer = "x" };
    struct auth *on = a;
    struct auth_identity who;
    struct err e;

    ok(auth_new("p", "q", &bad, &e) == NULL && e.code == ERR_RANGE, "a bad key is no configuration");
    a = auth_new("p", "q", &off, &e);
    is_int(ask("Bearer", "\"sub\":\"a\"", RIG_HS256, &who), ROLE_NOBODY, "without a key a JWT is nobody's");
    is_str(who.why, "an unknown token", "as any other text");
    auth_free(a);
    a = on;
}

int main(void)
{
    const struct jwt_options o = { .secret = RIG_SECRET };
    struct err e;

    a = auth_new("platform.with.dots", "boss", &o, &e);
    if (a == NULL)
        bail_out("%s", e.text);
    test_claims();
    test_header();
    test_credential();
    test_off();
    auth_free(a);
    return done_testing();
}
