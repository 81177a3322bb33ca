/* SPDX-License-Identifier: MIT
 * See address.h. Version 4 has a list of what is not public. Version 6 is the other way round: only 2000::/3 is given out,
 * so that all else is refused without being named, and the list holds the exceptions inside of it. */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "outside/address.h"

/* inet_pton: takes no leading zeros, no missing parts, no hexadecimal and octal numbers. */
bool address_parse(struct sv text, struct address *out)
{
    char copy[ADDRESS_TEXT_SIZE] = "";
    struct address a = { .size = 4 };
    if (text.n == 0 || text.n >= sizeof(copy))
        return false;
    memcpy(copy, text.p, text.n);
    if (strlen(copy) != text.n)
        return false;
    if (inet_pton(AF_INET, copy, a.bytes) != 1) {
        a.size = 16;
        if (inet_pton(AF_INET6, copy, a.bytes) != 1)
            return false;
    }
    *out = a;
    return true;
}

bool address_net_parse(struct sv text, struct address_net *out)
{
    struct sv first = sv_split(&text, '/');
    struct address_net net = { 0 };
    uint64_t bits;
    if (!address_parse(first, &net.first) || !sv_to_u64(text, &bits) || bits > net.first.size * 8U)
        return false;
    net.bits = (unsigned char)bits;
    for (size_t i = 0; i < net.first.size * 8U; i++)
        if (i >= bits && (net.first.bytes[i / 8] >> (7 - i % 8) & 1) != 0)
            return false;
    *out = net;
    return true;
}

void address_text(const struct address *a, char *out)
{
    if (inet_ntop(a->size == 4 ? AF_INET : AF_INET6, a->bytes, out, ADDRESS_TEXT_SIZE) == NULL)
        *out = '\0';
}

bool address_of_socket(const struct sockaddr *from, struct address *out, unsigned *port)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    *out = (struct address){ 0 };
    if (from->sa_family == AF_INET) {
        memcpy(&v4, from, sizeof(v4));
        out->size = 4;
        memcpy(out->bytes, &v4.sin_addr, 4);
        *port = ntohs(v4.sin_port);
        return true;
    }
    if (from->sa_family == AF_INET6) {
        memcpy(&v6, from, sizeof(v6));
        out->size = 16;
        memcpy(out->bytes, &v6.sin6_addr, 16);
        *port = ntohs(v6.sin6_port);
        return true;
    }
    return false;
}

bool address_eq(const struct address *a, const struct address *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

bool address_in(const struct address *a, const struct address_net *net)
{
    size_t whole = net->bits / 8, rest = net->bits % 8;
    if (a->size != net->first.size || memcmp(a->bytes, net->first.bytes, whole) != 0)
        return false;
    return rest == 0 || (a->bytes[whole] ^ net->first.bytes[whole]) >> (8 - rest) == 0;
}

static const struct address_net not_public[] = {
    { { { 0 }, 4 }, 8 },                        /* this network (RFC 791) */
    { { { 10 }, 4 }, 8 },                       /* private (RFC 1918) */
    { { { 100, 64 }, 4 }, 10 },                 /* between a carrier and its customers (RFC 6598) */
    { { { 127 }, 4 }, 8 },                      /* loopback (RFC 1122) */
    { { { 169, 254 }, 4 }, 16 },                /* link-local (RFC 3927), and where clouds keep their credentials */
    { { { 172, 16 }, 4 }, 12 },                 /* private (RFC 1918) */
    { { { 192, 0, 0 }, 4 }, 24 },               /* protocol assignments (RFC 6890) */
    { { { 192, 0, 2 }, 4 }, 24 },               /* documentation (RFC 5737) */
    { { { 192, 31, 196 }, 4 }, 24 },            /* AS112 (RFC 7535) */
    { { { 192, 52, 193 }, 4 }, 24 },            /* AMT (RFC 7450) */
    { { { 192, 88, 99 }, 4 }, 24 },             /* 6to4 relays (RFC 7526) */
    { { { 192, 168 }, 4 }, 16 },                /* private (RFC 1918) */
    { { { 192, 175, 48 }, 4 }, 24 },            /* AS112 (RFC 7534) */
    { { { 198, 18 }, 4 }, 15 },                 /* benchmarks (RFC 2544) */
    { { { 198, 51, 100 }, 4 }, 24 },            /* documentation (RFC 5737) */
    { { { 203, 0, 113 }, 4 }, 24 },             /* documentation (RFC 5737) */
    { { { 224 }, 4 }, 4 },                      /* multicast (RFC 1112) */
    { { { 240 }, 4 }, 4 },                      /* reserved (RFC 1112), and the broadcast address */
    { { { 0x20, 0x01 }, 16 }, 23 },             /* protocol assignments (RFC 2928): Teredo, ORCHID, benchmarks */
    { { { 0x20, 0x01, 0x0d, 0xb8 }, 16 }, 32 }, /* documentation (RFC 3849) */
    { { { 0x20, 0x02 }, 16 }, 16 },             /* 6to4: wraps version 4 (RFC 3056) */
    { { { 0x26, 0x20, 0x00, 0x4f, 0x80 }, 16 }, 48 }, /* AS112 (RFC 7534) */
    { { { 0x3f, 0xff }, 16 }, 20 },                   /* documentation (RFC 9637) */
};
static const struct address_net given_out = { { { 0x20 }, 16 }, 3 };

/* Interface identifiers of ISATAP (RFC 5214) end in an address of version 4 behind 00-00-5E-FE. */
static bool wraps_v4(const struct address *a)
{
    return (a->bytes[8] & 0xfd) == 0 && a->bytes[9] == 0 && a->bytes[10] == 0x5e && a->bytes[11] == 0xfe;
}

bool address_is_public(const struct address *a)
{
    if (a->size == 16 && (!address_in(a, &given_out) || wraps_v4(a)))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(not_public); i++)
        if (address_in(a, &not_public[i]))
            return false;
    return true;
}
