/* SPDX-License-Identifier: MIT
 * Tests of src/turn/auth.c: exactly one valid bearer token, and what it opens. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "t/tap.h"
#include "turn/auth.h"

#define NOW_MS INT64_C(1700000000000)
#define GOOD "s3cret-platform"
#define BOSS "s3cret-admin"

static void test_check(void)
{
    static const struct {
        int line;
        const char *header;
        enum auth_role role;
    } table[] = {
        { __LINE__, "Bearer " GOOD, ROLE_PLATFORM },
        { __LINE__, "bearer " GOOD, ROLE_PLATFORM },
        { __LINE__, "BEARER  " GOOD, ROLE_PLATFORM },
        { __LINE__, "Bearer newer-platform", ROLE_PLATFORM },
        { __LINE__, "Bearer " BOSS, ROLE_ADMIN },
        { __LINE__, NULL, ROLE_NOBODY },
        { __LINE__, "", ROLE_NOBODY },
        { __LINE__, "Bearer", ROLE_NOBODY },
        { __LINE__, "Bearer ", ROLE_NOBODY },
        { __LINE__, GOOD, ROLE_NOBODY },
        { __LINE__, "Basic " GOOD, ROLE_NOBODY },
        { __LINE__, "Bearer:" GOOD, ROLE_NOBODY },
        { __LINE__, "Bearer\t" GOOD, ROLE_NOBODY },
        { __LINE__, " Bearer " GOOD, ROLE_NOBODY },
        { __LINE__, "Bearer " GOOD " ", ROLE_NOBODY },
        { __LINE__, "Bearer " GOOD "\t", ROLE_NOBODY },
        { __LINE__, "Bearer " GOOD "x", ROLE_NOBODY },
        { __LINE__, "Bearer s3cret-platfor", ROLE_NOBODY },
        { __LINE__, "Bearer S3CRET-PLATFORM", ROLE_NOBODY },
        { __LINE__, "Bearer " GOOD "," GOOD, ROLE_NOBODY },
        { __LINE__, "Bearer " GOOD ", Bearer " GOOD, ROLE_NOBODY },
        { __LINE__, "Bearer " GOOD ", Bearer evil", ROLE_NOBODY },
        { __LINE__, "Bearer evil, Bearer " GOOD, ROLE_NOBODY },
        { __LINE__, "Bearer " GOOD " extra", ROLE_NOBODY },
        { __LINE__, "Bearer \"" GOOD "\"", ROLE_NOBODY },
        { __LINE__, "Bearer Bearer " GOOD, ROLE_NOBODY },
        { __LINE__, "Bearer s3cret\x01platform", ROLE_NOBODY },
        { __LINE__, "Bearer \xC3\xA9", ROLE_NOBODY },
    };
    struct auth_identity who, again;
    struct err e;
    struct auth *a = auth_new(GOOD " , newer-platform", BOSS, NULL, &e);

    if (!ok(a != NULL, "several tokens in a variable"))
        return;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        is_int(auth_check(a, sv_from(table[i].header), NOW_MS, &who), table[i].role, "line %d: %s", table[i].line,
               table[i].header != NULL ? table[i].header : "no header");
    is_int(auth_check(a, (struct sv){ "Bearer " GOOD "\0", sizeof("Bearer " GOOD) }, NOW_MS, &who), ROLE_NOBODY, "a NUL behind it");
    ok(digest_equal(who.credential, (unsigned char[DIGEST_SIZE]){ 0 }) && who.user_id[0] == '\0', "nobody has no credential and no id");
    (void)auth_check(a, SV("Bearer " GOOD), NOW_MS, &who);
    (void)auth_check(a, SV("bearer  " GOOD), NOW_MS, &again);
    ok(digest_equal(who.credential, again.credential), "the same credential, however it is written");
    (void)auth_check(a, SV("Bearer newer-platform"), NOW_MS, &again);
    ok(!digest_equal(who.credential, again.credential), "another credential");
    auth_free(a);
}

static void test_configuration(void)
{
    static const struct {
        int line;
        const char *platform, *admin;
        bool good;
    } table[] = {
        { __LINE__, "a", "b", true },         { __LINE__, "a,c", " b ", true }, { __LINE__, "", "b", false },
        { __LINE__, "a", "", false },         { __LINE__, NULL, "b", false },   { __LINE__, "a", NULL, false },
        { __LINE__, "a,,c", "b", false },     { __LINE__, "a,", "b", false },   { __LINE__, ",a", "b", false },
        { __LINE__, "  ", "b", false },       { __LINE__, "a b", "b", false },  { __LINE__, "a\n", "b", false },
        { __LINE__, "\xC3\xA9", "b", false },
    };
    char many[256] = "t0";
    struct auth_identity who;
    struct err e;
    struct auth *a;

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        a = auth_new(table[i].platform, table[i].admin, NULL, &e);
        is_int(a != NULL, table[i].good, "line %d", table[i].line);
        if (a == NULL)
            is_int(e.code, ERR_INVALID, "line %d: its code", table[i].line);
        auth_free(a);
    }
    for (int i = 1; i < 40; i++)
        (void)snprintf(many + strlen(many), sizeof(many) - strlen(many), ",t%d", i);
    a = auth_new(many, "b", NULL, &e);
    ok(a == NULL && e.code == ERR_RANGE, "too many");
    auth_free(a);
    a = auth_new("both,x", "both", NULL, &e);
    ok(a != NULL && auth_check(a, SV("Bearer both"), NOW_MS, &who) == ROLE_ADMIN, "a token in both lists is an admin's");
    auth_free(a);
}

static void test_access(void)
{
    static const struct {
        int line;
        enum auth_role role;
        bool open, platform, chat, session, user, admin;
    } table[] = {
        { __LINE__, ROLE_NOBODY, true, false, false, false, false, false },
        { __LINE__, ROLE_TICKET, true, false, false, true, false, false },
        { __LINE__, ROLE_USER, true, false, true, true, true, false },
        { __LINE__, ROLE_PLATFORM, true, true, true, true, false, false },
        { __LINE__, ROLE_ADMIN, true, true, true, true, true, true },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        is_int(auth_allows(table[i].role, ACCESS_PUBLIC), table[i].open, "line %d: public", table[i].line);
        is_int(auth_allows(table[i].role, ACCESS_PLATFORM), table[i].platform, "line %d: platform", table[i].line);
        is_int(auth_allows(table[i].role, ACCESS_STATUS), table[i].platform, "line %d: status", table[i].line);
        is_int(auth_allows(table[i].role, ACCESS_CHAT), table[i].chat, "line %d: chat", table[i].line);
        is_int(auth_allows(table[i].role, ACCESS_SESSION), table[i].session, "line %d: session", table[i].line);
        is_int(auth_allows(table[i].role, ACCESS_USER), table[i].user, "line %d: user", table[i].line);
        is_int(auth_allows(table[i].role, ACCESS_ADMIN), table[i].admin, "line %d: admin", table[i].line);
    }
}

int main(void)
{
    test_check();
    test_configuration();
    test_access();
    return done_testing();
}
