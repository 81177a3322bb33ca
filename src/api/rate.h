/* SPDX-License-Identifier: MIT
 * RATE_LIMIT_PER_MINUTE: how many requests one credential may make, and how many messages one conversation may get, on all instances together. */
#ifndef API_RATE_H
#define API_RATE_H

struct request;

/* go(r) when there is no limit, or it is not reached; else the request is answered with 429. While it is being counted, the request keeps its scratch. What the
 * store cannot count now is let through. */
void rate_check(struct request *r, void (*go)(struct request *r));

#endif
