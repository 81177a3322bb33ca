/* SPDX-License-Identifier: MIT
 * HMAC-SHA-256 and base64 against the vectors of RFC 4231, RFC 4648 and Standard Webhooks. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/digest.h"
#include "lib/id.h"
#include "t/tap.h"

static void to_hex(const unsigned char *bytes, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static char filled[2][131];

static void test_hmac(void)
{
    const struct {
        struct sv key, data;
        const char *hex;
        size_t bytes;
    } cases[] = {
        { SV("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"), SV("Hi There"),
          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", 32 },
        { SV("Jefe"), SV("what do ya want for nothing?"),
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", 32 },
        { { filled[0], 20 },
          { filled[1], 50 },
          "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
          32 },
        { SV("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19"),
          SV("\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"
             "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"),
          "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b", 32 },
        { SV("\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c"),
          SV("Test With Truncation"), "a3b6167473100ee06e0c796c2955552b", 16 },
        { { filled[0], 131 },
          SV("Test Using Larger Than Block-Size Key - Hash Key First"),
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
          32 },
        { { filled[0], 131 },
          SV("This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
             "hashed before being used by the HMAC algorithm."),
          "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
          32 },
    };
    memset(filled[0], 0xaa, sizeof(filled[0]));
    memset(filled[1], 0xdd, sizeof(filled[1]));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        unsigned char out[DIGEST_SIZE];
        char hex[2 * DIGEST_SIZE + 1];
        digest_hmac(cases[i].key, &cases[i].data, 1, out);
        to_hex(out, cases[i].bytes, hex);
        is_str(hex, cases[i].hex, "RFC 4231 section 4.%zu", i + 2);
        const struct sv parts[] = {
            { cases[i].data.p, 3 }, SV(""), SV_NONE, { cases[i].data.p + 3, cases[i].data.n - 3 }
        };
        digest_hmac(cases[i].key, parts, ARRAY_LEN(parts), out);
        to_hex(out, cases[i].bytes, hex);
        is_str(hex, cases[i].hex, "the same in parts");
    }
    unsigned char empty[DIGEST_SIZE];
    char hex[2 * DIGEST_SIZE + 1];
    digest_hmac(SV_NONE, NULL, 0, empty);
    to_hex(empty, DIGEST_SIZE, hex);
    is_str(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad", "no key and no data");
}

static void test_webhook(void)
{
    const struct sv parts[] = { SV("msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330."), SV("{\"test\": 2432232314}") };
    unsigned char key[64], out[DIGEST_SIZE];
    char text[DIGEST_BASE64_SIZE(DIGEST_SIZE)];
    size_t n;
    ok(digest_from_base64(SV("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), key, sizeof(key), &n), "the secret is base64");
    is_int(n, 24, "of 24 bytes");
    digest_hmac((struct sv){ (const char *)key, n }, parts, ARRAY_LEN(parts), out);
    is_int(digest_base64((struct sv){ (const char *)out, sizeof(out) }, text), 44, "44 characters");
    is_str(text, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "the example of Standard Webhooks");
}

static void test_base64(void)
{
    static const struct {
        struct sv bytes;
        const char *text;
    } good[] = {
        { SV(""), "" },
        { SV("f"), "Zg==" },
        { SV("fo"), "Zm8=" },
        { SV("foo"), "Zm9v" },
        { SV("foob"), "Zm9vYg==" },
        { SV("fooba"), "Zm9vYmE=" },
        { SV("foobar"), "Zm9vYmFy" },
        { SV("\0\xff\xfe"), "AP/+" },
    };
    static const char *const bad[] = {
        "Z",        "Zg",    "Zg=",   "=",          "====", "Z===",  "Zg==Zg==",
        "Zm9v\n",   " Zm9v", "Zm9v ", "Zm 9v",      "Zh==", "Zm9=",  "AP_-",
        "Zm9v====", "Zm9vZ", "Zm9*",  "\xc3\xa9Zm", "-Zm9", "Zm9v=", "Zm9vYg==\n\n\n\n",
    };
    unsigned char out[8];
    char text[16];
    size_t n;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        is_int(digest_base64(good[i].bytes, text), strlen(good[i].text), "base64 %zu: length", i);
        is_str(text, good[i].text, "base64 %zu", i);
        ok(digest_from_base64(sv_from(good[i].text), out, sizeof(out), &n), "\"%s\" is read", good[i].text);
        is_sv(((struct sv){ (const char *)out, n }), good[i].bytes, "and is what was written");
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ok(!digest_from_base64(sv_from(bad[i]), out, sizeof(out), &n), "not base64: \"%s\"", bad[i]);
    ok(!digest_from_base64(SV("Zm9\0"), out, sizeof(out), &n), "not base64: a NUL");
    ok(digest_from_base64(SV("Zm9vYmE="), out, 5, &n) && n == 5, "as much as there is room for");
    ok(!digest_from_base64(SV("Zm9vYmFy"), out, 5, &n), "more than there is room for");
}

static void test_round_trip(void)
{
    unsigned char bytes[400], again[400];
    char text[DIGEST_BASE64_SIZE(sizeof(bytes))];
    int wrong = 0;
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        size_t n, length;
        id_random(bytes, sizeof(bytes));
        length = digest_base64((struct sv){ (const char *)bytes, size }, text);
        wrong += length != strlen(text) || length + 1 != DIGEST_BASE64_SIZE(size);
        wrong += !digest_from_base64((struct sv){ text, length }, again, size, &n) || n != size ||
                 memcmp(bytes, again, size) != 0;
        wrong += size > 0 && digest_from_base64((struct sv){ text, length }, again, size - 1, &n);
        wrong += length > 0 && digest_from_base64((struct sv){ text, length - 1 }, again, size, &n);
    }
    is_int(wrong, 0, "every size up to 400 bytes is read as it was written");
}

/* RFC 7914 section 11. */
static void test_stretch(void)
{
    unsigned char out[DIGEST_SIZE];
    char hex[2 * DIGEST_SIZE + 1];
    digest_stretch(SV("passwd"), SV("salt"), 1, out);
    to_hex(out, sizeof(out), hex);
    is_str(hex, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc", "PBKDF2, one round");
    digest_stretch(SV("Password"), SV("NaCl"), 80000, out);
    to_hex(out, sizeof(out), hex);
    is_str(hex, "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56", "80,000 rounds");
}

static void test_base64url(void)
{
    static const char *const bad[] = { "Z", "Zg=", "Zg==", "Zh", "Zm9", "AP/-", "AP+-", "Zm9v\n", " Zm9v", "Zm.v", "\xc3\xa9Zm" };
    unsigned char bytes[400], again[400];
    char text[DIGEST_BASE64_SIZE(sizeof(bytes))];
    size_t n, length;
    int wrong = 0;
    is_int(digest_base64url(SV("\0\xff\xfe\xff"), text), 6, "base64url: length");
    is_str(text, "AP_-_w", "base64url");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ok(!digest_from_base64url(sv_from(bad[i]), again, sizeof(again), &n), "not base64url: \"%s\"", bad[i]);
    ok(!digest_from_base64url(SV("Zm9\0"), again, sizeof(again), &n), "not base64url: a NUL");
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        id_random(bytes, sizeof(bytes));
        length = digest_base64url((struct sv){ (const char *)bytes, size }, text);
        wrong += length != strlen(text) || strpbrk(text, "+/=") != NULL;
        wrong += !digest_from_base64url((struct sv){ text, length }, again, size, &n) || n != size || memcmp(bytes, again, size) != 0;
        wrong += size > 0 && digest_from_base64url((struct sv){ text, length }, again, size - 1, &n);
    }
    is_int(wrong, 0, "every size up to 400 bytes is read as it was written");
}

int main(void)
{
    test_hmac();
    test_webhook();
    test_base64();
    test_round_trip();
    test_stretch();
    test_base64url();
    return done_testing();
}
