/* SPDX-License-Identifier: MIT
 * SHA-256 and its HMAC. The algorithms are fetched from OpenSSL once: OpenSSL 3 searches its providers at every implicit
 * fetch. Without them nothing safe can follow, so that their absence aborts. */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "lib/digest.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;
static EVP_MAC *hmac;

static void fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
}

static void missing(void)
{
    (void)fputs("SHA-256 is not available\n", stderr);
    abort();
}

void digest_sha256(struct sv s, unsigned char out[DIGEST_SIZE])
{
    unsigned int n = 0;

    (void)pthread_once(&once, fetch);
    if (sha256 == NULL || EVP_Digest(s.n > 0 ? s.p : "", s.n, out, &n, sha256, NULL) != 1 || n != DIGEST_SIZE)
        missing();
}

void digest_hex(struct sv s, size_t bytes, char *out)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[DIGEST_SIZE];

    digest_sha256(s, digest);
    for (size_t i = 0; i < bytes && i < DIGEST_SIZE; i++) {
        *out++ = digits[digest[i] >> 4];
        *out++ = digits[digest[i] & 15];
    }
    *out = '\0';
}

bool digest_equal(const unsigned char a[DIGEST_SIZE], const unsigned char b[DIGEST_SIZE])
{
    return CRYPTO_memcmp(a, b, DIGEST_SIZE) == 0;
}

void digest_hmac(struct sv key, const struct sv *parts, size_t n, unsigned char out[DIGEST_SIZE])
{
    char name[] = "SHA256";
    const OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                                  OSSL_PARAM_construct_end() };
    size_t size = 0;

    (void)pthread_once(&once, fetch);
    EVP_MAC_CTX *c = hmac != NULL ? EVP_MAC_CTX_new(hmac) : NULL;
    /* a key of NULL would mean "the one of before" */
    bool good = c != NULL && EVP_MAC_init(c, (const unsigned char *)(key.n > 0 ? key.p : ""), key.n, params) == 1;
    for (size_t i = 0; i < n && good; i++)
        good = parts[i].n == 0 || EVP_MAC_update(c, (const unsigned char *)parts[i].p, parts[i].n) == 1;
    if (!good || EVP_MAC_final(c, out, &size, DIGEST_SIZE) != 1 || size != DIGEST_SIZE)
        missing();
    EVP_MAC_CTX_free(c);
}

void digest_stretch(struct sv password, struct sv salt, int rounds, unsigned char out[DIGEST_SIZE])
{
    (void)pthread_once(&once, fetch);
    if (sha256 == NULL || PKCS5_PBKDF2_HMAC(password.n > 0 ? password.p : "", (int)password.n, (const unsigned char *)salt.p, (int)salt.n,
                                            rounds, sha256, DIGEST_SIZE, out) != 1)
        missing();
}

enum { BASE64_MAX = 65536 };

size_t digest_base64(struct sv s, char *out)
{
    int n =
        s.n > 0 && s.n <= BASE64_MAX ? EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)s.p, (int)s.n) : 0;
    out[n] = '\0';
    return (size_t)n;
}

/* libcrypto's decoder skips blanks, takes padding for zero bytes and ignores bits left over. Writing the result again
 * and comparing finds all of that. */
bool digest_from_base64(struct sv text, unsigned char *out, size_t max, size_t *n)
{
    enum { BYTES_MAX = 96 }; /* in one piece */
    unsigned char bytes[BYTES_MAX];
    char again[DIGEST_BASE64_SIZE(BYTES_MAX)];

    *n = 0;
    while (text.n > 0) {
        struct sv piece = { text.p, text.n < sizeof(again) - 1 ? text.n : sizeof(again) - 1 };
        int decoded = piece.n % 4 == 0 ? EVP_DecodeBlock(bytes, (const unsigned char *)piece.p, (int)piece.n) : -1;
        size_t size = decoded > 0 ? (size_t)decoded : 0;
        text = (struct sv){ text.p + piece.n, text.n - piece.n };
        if (size == 0)
            return false;
        if (text.n == 0 && piece.p[piece.n - 1] == '=')
            size -= piece.p[piece.n - 2] == '=' ? 2 : 1;
        (void)digest_base64((struct sv){ (const char *)bytes, size }, again);
        if (!sv_eq(sv_from(again), piece) || size > max - *n)
            return false;
        memcpy(out + *n, bytes, size);
        *n += size;
    }
    return true;
}

size_t digest_base64url(struct sv s, char *out)
{
    size_t n = digest_base64(s, out);

    while (n > 0 && out[n - 1] == '=')
        n--;
    out[n] = '\0';
    for (size_t i = 0; i < n; i++)
        out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
    return n;
}

bool digest_from_base64url(struct sv text, unsigned char *out, size_t max, size_t *n)
{
    char piece[128]; /* a multiple of 4: only the last one may have to be padded */

    *n = 0;
    while (text.n > 0) {
        size_t chars = text.n < sizeof(piece) ? text.n : sizeof(piece), bytes;
        for (size_t i = 0; i < chars; i++) {
            if (strchr("+/=", text.p[i]) != NULL) /* NUL too */
                return false;
            piece[i] = text.p[i] == '-' ? '+' : text.p[i];
            piece[i] = piece[i] == '_' ? '/' : piece[i];
        }
        text = (struct sv){ text.p + chars, text.n - chars };
        for (; chars % 4 != 0; chars++)
            piece[chars] = '=';
        if (!digest_from_base64((struct sv){ piece, chars }, out + *n, max - *n, &bytes))
            return false;
        *n += bytes;
    }
    return true;
}
