/* SPDX-License-Identifier: MIT
 * Random names. All from getrandom(2); a failure of the kernel's generator aborts, since nothing safe can follow. */
#ifndef LIB_ID_H
#define LIB_ID_H

#include <stddef.h>
#include <stdint.h>

#define ID_UUID_SIZE 37  /* text and NUL */
#define ID_TOKEN_SIZE 33 /* 32 hexadecimal digits and NUL */

/* UUID version 7 (RFC 9562 5.7): grows with time inside a process even when the clock steps back. No order across processes. */
void id_uuid7(char out[ID_UUID_SIZE]);
/* UUID version 8 (RFC 9562 5.8) of the caller's bits, of which six are lost. */
void id_uuid8(char out[ID_UUID_SIZE], const unsigned char bits[16]);
/* UUID version 4 (RFC 9562 5.4). */
void id_uuid4(char out[ID_UUID_SIZE]);
/* A UUID of version 4 without its hyphens: 122 random bits that nobody guesses. */
void id_token(char out[ID_TOKEN_SIZE]);
void id_random(void *out, size_t n);
/* Uniform in [0, bound), bound > 0. */
uint64_t id_random_below(uint64_t bound);

#endif
