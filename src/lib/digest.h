/* SPDX-License-Identifier: MIT
 * SHA-256, its HMAC, keys made of passwords, comparison in constant time, base64 (OpenSSL's libcrypto). */
#ifndef LIB_DIGEST_H
#define LIB_DIGEST_H

#include "lib/attr.h"
#include "lib/sv.h"

#define DIGEST_SIZE 32

void digest_sha256(struct sv s, unsigned char out[DIGEST_SIZE]);
/* First `bytes` (at most 32) of the digest in lower-case hex, and NUL. */
void digest_hex(struct sv s, size_t bytes, char *out);
bool digest_equal(const unsigned char a[DIGEST_SIZE], const unsigned char b[DIGEST_SIZE]);
/* HMAC-SHA-256 (RFC 2104) of the parts, as if they were one. Keys may have any length. */
void digest_hmac(struct sv key, const struct sv *parts, size_t n, unsigned char out[DIGEST_SIZE]);

/* PBKDF2 with HMAC-SHA-256 (RFC 8018 5.2): a key of a password, at a price for whoever tries passwords. */
void digest_stretch(struct sv password, struct sv salt, int rounds, unsigned char out[DIGEST_SIZE]);

/* Bytes that digest_base64 writes for n, the NUL among them. */
#define DIGEST_BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)
/* RFC 4648 section 4, padded, NUL terminated. At most 64 KiB. Returns the length of the text. */
size_t digest_base64(struct sv s, char *out);
/* Only what digest_base64 could have written: padded, no blank, no bit left over. False: it is not, or holds more than max
 * bytes. *n: how many it holds. */
bool digest_from_base64(struct sv text, unsigned char *out, size_t max, size_t *n) MUST_CHECK;
/* The same two with the alphabet for URLs and without padding (RFC 4648 section 5). `out` of the first as long as that of digest_base64. */
size_t digest_base64url(struct sv s, char *out);
bool digest_from_base64url(struct sv text, unsigned char *out, size_t max, size_t *n) MUST_CHECK;

#endif
