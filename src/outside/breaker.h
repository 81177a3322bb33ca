/* SPDX-License-Identifier: MIT
 * A circuit breaker: stops asking an upstream that fails, tries it with one call from time to time, and when that goes well lets the others
 * come back a few at a time. One for each upstream, of this process. Pure state over the clock; knows nothing of calls.
 *
 *   closed      all pass; so many failures in a row open it
 *   open        none pass; for open_ms, doubled each time up to BREAKER_OPEN_MAX_MS, or for as long as the upstream said
 *   half-open   one passes, the probe: good closes it, bad opens it again
 *   recovering  as closed, but only as many at once as have gone well since; the rest is refused for a moment */
#ifndef OUTSIDE_BREAKER_H
#define OUTSIDE_BREAKER_H

#include <stdint.h>

#include "lib/attr.h"
#include "lib/sv.h"

#define BREAKER_OPEN_MAX_MS 60000
#define BREAKER_SAID_MAX_MS 600000 /* what an upstream may ask for at most */

struct breaker;

/* name: for the log, kept by pointer. failures 0: it never opens. NULL: memory. */
struct breaker *breaker_new(const char *name, unsigned failures, int64_t open_ms) MUST_CHECK;
/* From now on; what is open stays so. */
void breaker_set(struct breaker *b, unsigned failures, int64_t open_ms);
void breaker_free(struct breaker *b); /* NULL is allowed */

struct breaker_call { /* one call that was let through */
    uint64_t era; /* how often the breaker had opened then: what is known of a call from before says nothing about the time since */
    bool probe;
};
/* May a call be made? After `true` exactly one of breaker_good, _bad, _gone follows with that struct. */
bool breaker_ask(struct breaker *b, struct breaker_call *c);
/* The upstream answered, whatever it said about that one call. */
void breaker_good(struct breaker *b, const struct breaker_call *c);
/* It could not be reached, or answered that it cannot, or lets nobody in. said_ms: its Retry-After, -1 none. `busy`: it only wants less (429): that opens
 * nothing that is closed. */
void breaker_bad(struct breaker *b, const struct breaker_call *c, int64_t said_ms, bool busy);
/* The call was broken off from this side. */
void breaker_gone(struct breaker *b, const struct breaker_call *c);

/* How long a call would be refused from now on, at least; 0: it would not. */
int64_t breaker_wait_ms(const struct breaker *b);

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_RECOVERING };
struct breaker_stat {
    enum breaker_state state;
    unsigned failures; /* in a row */
    int64_t left_ms;   /* of OPEN, until the next probe */
    uint64_t opened, refused, in_flight;
};
void breaker_stat(const struct breaker *b, struct breaker_stat *out);
const char *breaker_state_name(enum breaker_state s); /* closed, open, half_open, recovering */

#endif
