/* SPDX-License-Identifier: MIT
 * Shapes of ids, order of UUID version 7 under a clock that stands still or steps back, and bounds of random numbers
 * and waits. */
#include "config.h"

#include <stdio.h>

#include "lib/backoff.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/id.h"
#include "t/tap.h"

static bool is_uuid(const char *s, char version)
{
    for (int i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s[i] != '-' : strchr("0123456789abcdef", s[i]) == NULL || s[i] == '\0')
            return false;
    }
    return s[36] == '\0' && s[14] == version && strchr("89ab", s[19]) != NULL;
}

static void test_uuid7(void)
{
    char last[ID_UUID_SIZE], next[ID_UUID_SIZE];
    int disorder = 0;

    clock_fake(1645557742000);
    id_uuid7(last);
    ok(is_uuid(last, '7'), "shape: %s", last);
    ok(strncmp(last, "017f22e2-79b0-7", 15) == 0, "the time of RFC 9562 appendix A.6");
    for (int i = 0; i < 20000; i++) { /* more than a millisecond's counter holds; and steps back */
        if (i % 1000 == 999)
            clock_fake_move(i % 2000 == 999 ? -5000 : 4);
        id_uuid7(next);
        disorder += strcmp(last, next) >= 0 || !is_uuid(next, '7');
        memcpy(last, next, sizeof(last));
    }
    is_int(disorder, 0, "always growing");
    clock_real();
}

static void test_random(void)
{
    int counts[7] = { 0 };
    bool inside = true;
    char a[ID_TOKEN_SIZE], b[ID_TOKEN_SIZE], u[ID_UUID_SIZE];

    for (int i = 0; i < 7000; i++) {
        uint64_t n = id_random_below(7);
        inside &= n < 7;
        counts[n % 7]++;
    }
    for (int i = 0; i < 7; i++)
        inside &= counts[i] > 800 && counts[i] < 1200;
    ok(inside, "uniform below 7");
    is_int(id_random_below(1), 0, "below 1");
    ok(id_random_below(UINT64_MAX) < UINT64_MAX, "below the largest");
    id_token(a);
    id_token(b);
    ok(strlen(a) == 32 && strspn(a, "0123456789abcdef") == 32 && strcmp(a, b) != 0, "tokens");
    id_uuid4(u);
    ok(is_uuid(u, '4'), "version 4: %s", u);
}

static void test_backoff(void)
{
    static const struct {
        unsigned attempt;
        int64_t base, cap, low, high;
    } table[] = {
        { 0, 100, 1000, 50, 100 },          { 1, 100, 1000, 50, 200 },           { 3, 100, 1000, 50, 800 },
        { 4, 100, 1000, 50, 1000 },         { 4000000000, 100, 1000, 50, 1000 }, { 0, 100, 20, 20, 20 },
        { 70, 1, INT64_MAX, 0, INT64_MAX },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        bool inside = true;
        for (int n = 0; n < 200; n++) {
            int64_t ms = backoff_ms(table[i].attempt, table[i].base, table[i].cap);
            inside &= ms >= table[i].low && ms <= table[i].high;
        }
        ok(inside, "backoff of try %u", table[i].attempt);
    }
}

int main(void)
{
    unsigned char one[DIGEST_SIZE], two[DIGEST_SIZE];
    char hex[65];

    test_uuid7();
    test_random();
    test_backoff();
    digest_hex(SV("abc"), 32, hex);
    is_str(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "SHA-256 of FIPS 180-2 B.1");
    digest_hex(SV_NONE, 4, hex);
    is_str(hex, "e3b0c442", "of nothing, cut");
    digest_sha256(SV("a"), one);
    digest_sha256(SV("a"), two);
    ok(digest_equal(one, two), "equal digests");
    two[31] ^= 1;
    ok(!digest_equal(one, two), "one bit apart");
    return done_testing();
}
