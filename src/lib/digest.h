/* SPDX-License-Identifier: MIT
 * SHA-256 and comparison in constant time (OpenSSL's libcrypto). */
#ifndef LIB_DIGEST_H
#define LIB_DIGEST_H

#include "lib/sv.h"

#define DIGEST_SIZE 32

void digest_sha256(struct sv s, unsigned char out[DIGEST_SIZE]);
/* First `bytes` (at most 32) of the digest in lower-case hex, and NUL. */
void digest_hex(struct sv s, size_t bytes, char *out);
bool digest_equal(const unsigned char a[DIGEST_SIZE], const unsigned char b[DIGEST_SIZE]);

#endif
