/* SPDX-License-Identifier: MIT
 * Random names. No pool of random bytes is kept: a pool would be the same in a forked child. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "lib/clock.h"
#include "lib/id.h"

#define COUNTER_BITS 12 /* rand_a of a UUID version 7 */

void id_random(void *out, size_t n)
{
    unsigned char *p = out;

    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            perror("getrandom");
            abort();
        }
        p += got;
        n -= (size_t)got;
    }
}

uint64_t id_random_below(uint64_t bound)
{
    uint64_t floor = (0 - bound) % bound; /* 2^64 mod bound: numbers below it would favour small results */
    uint64_t number;

    do {
        id_random(&number, sizeof(number));
    } while (number < floor);
    return number % bound;
}

static char *put_hex(char *out, const unsigned char *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    return out;
}

static void put_uuid(char *out, unsigned char bytes[16], unsigned version)
{
    bytes[6] = (unsigned char)((bytes[6] & 0x0F) | version << 4);
    bytes[8] = (unsigned char)((bytes[8] & 0x3F) | 0x80);
    out = put_hex(out, bytes, 4);
    *out++ = '-';
    out = put_hex(out, bytes + 4, 2);
    *out++ = '-';
    out = put_hex(out, bytes + 6, 2);
    *out++ = '-';
    out = put_hex(out, bytes + 8, 2);
    *out++ = '-';
    out = put_hex(out, bytes + 10, 6);
    *out = '\0';
}

void id_uuid8(char out[ID_UUID_SIZE], const unsigned char bits[16])
{
    unsigned char bytes[16];

    memcpy(bytes, bits, sizeof(bytes));
    put_uuid(out, bytes, 8);
}

void id_uuid4(char out[ID_UUID_SIZE])
{
    unsigned char bytes[16];

    id_random(bytes, sizeof(bytes));
    put_uuid(out, bytes, 4);
}

/* RFC 9562 6.2, method 1: time and counter are one growing number. A new millisecond begins with a random counter whose
 * top bit is clear; when the counter runs over inside a millisecond, the time part borrows from the future. */
void id_uuid7(char out[ID_UUID_SIZE])
{
    static _Atomic uint64_t last;
    unsigned char bytes[16];
    uint64_t before = last, next, fresh;

    id_random(bytes, sizeof(bytes));
    fresh = (uint64_t)clock_wall_ms() << COUNTER_BITS | ((bytes[6] & 7u) << 8 | bytes[7]);
    do {
        next = fresh >> COUNTER_BITS > before >> COUNTER_BITS ? fresh : before + 1;
    } while (!atomic_compare_exchange_weak(&last, &before, next));
    for (size_t i = 0; i < 6; i++)
        bytes[i] = (unsigned char)(next >> (COUNTER_BITS + 40 - 8 * i));
    bytes[6] = (unsigned char)(next >> 8 & 15);
    bytes[7] = (unsigned char)next;
    put_uuid(out, bytes, 7);
}

void id_token(char out[ID_TOKEN_SIZE])
{
    unsigned char bytes[16];

    id_random(bytes, sizeof(bytes));
    bytes[6] = (unsigned char)((bytes[6] & 15) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 63) | 0x80);
    *put_hex(out, bytes, sizeof(bytes)) = '\0';
}
