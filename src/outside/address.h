/* SPDX-License-Identifier: MIT
 * Addresses of the Internet Protocol as texts and as what sockets name: reading them strictly, and telling those that anybody
 * in the world may reach from those that mean something near. Knows no port and asks no name server. */
#ifndef OUTSIDE_ADDRESS_H
#define OUTSIDE_ADDRESS_H

#include "lib/attr.h"
#include "lib/sv.h"

struct sockaddr;

struct address {
    unsigned char bytes[16]; /* in network order; 4 of them for version 4, the others are zero */
    unsigned char size;      /* 4 or 16 */
};

struct address_net {
    struct address first;
    unsigned char bits; /* that count */
};

#define ADDRESS_TEXT_SIZE 46 /* and NUL */

/* Four decimal numbers without leading zeros, or RFC 4291 section 2.2 without brackets and zone. False: neither. */
bool address_parse(struct sv text, struct address *out) MUST_CHECK;
/* "10.0.0.0/8", "fd00::/8". False: not like this, or a bit behind the prefix is set. */
bool address_net_parse(struct sv text, struct address_net *out) MUST_CHECK;
/* In its shortest form (RFC 5952); out has room for ADDRESS_TEXT_SIZE bytes. */
void address_text(const struct address *a, char *out);
/* False: another family. *port is in host order. */
bool address_of_socket(const struct sockaddr *from, struct address *out, unsigned *port) MUST_CHECK;
bool address_eq(const struct address *a, const struct address *b);
bool address_in(const struct address *a, const struct address_net *net);
/* Whether it is a single host's that the whole Internet can reach: not in the IANA special-purpose registries (RFC 6890 and
 * later), no multicast, nothing that wraps an address of version 4. */
bool address_is_public(const struct address *a);

#endif
