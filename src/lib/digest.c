/* SPDX-License-Identifier: MIT
 * SHA-256. The algorithm is fetched from OpenSSL once: OpenSSL 3 searches its providers at every implicit fetch. */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "lib/digest.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;

static void fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

void digest_sha256(struct sv s, unsigned char out[DIGEST_SIZE])
{
    unsigned int n = 0;

    (void)pthread_once(&once, fetch);
    if (sha256 == NULL || EVP_Digest(s.n > 0 ? s.p : "", s.n, out, &n, sha256, NULL) != 1 || n != DIGEST_SIZE) {
        (void)fputs("SHA-256 is not available\n", stderr);
        abort();
    }
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
