/* SPDX-License-Identifier: MIT
 * What the administrator has said about callbacks: the destinations that are allowed and the secrets that sign. Made from two
 * settings, never changed afterwards. Knows no connection.
 *
 * Entries of the list are
 *   hooks.example.com                    https at port 443, any path
 *   *.example.com                        the same for every name below it, at any depth, not for it
 *   https://hooks.example.com:8443/x     that port (or the scheme's own), and the path /x or one below it
 *   http://127.0.0.1:9000                an address: given literally, it may be a private one
 *   10.0.0.0/8                           allows no destination: names that are allowed may lead to these addresses
 * All others are connected to at public addresses only. */
#ifndef OUTSIDE_CALLBACK_RULES_H
#define OUTSIDE_CALLBACK_RULES_H

#include "lib/err.h"
#include "outside/address.h"
#include "outside/target.h"

struct callback_rules;
struct buf;

/* "" and "" are rules that allow nothing. NULL: an entry that is not like above (named in the error), a secret that is not
 * whsec_ and base64 or base64 alone of 24 to 64 bytes, too many of them, a list without a secret, memory. */
struct callback_rules *callback_rules_new(const char *allowlist, const char *secrets, struct err *e) MUST_CHECK;
void callback_rules_free(struct callback_rules *r); /* NULL is allowed */
bool callback_rules_allow(const struct callback_rules *r, const struct target *t);
/* Whether a connection on behalf of that target may be made to the address. */
bool callback_rules_may_connect(const struct callback_rules *r, const struct target *t, const struct address *a, unsigned port);
/* Value of webhook-signature: "v1,<base64>" of each secret, the first one's first, a space between them. */
void callback_rules_sign(const struct callback_rules *r, struct sv id, int64_t timestamp_s, struct sv body, struct buf *out);

#endif
