/* SPDX-License-Identifier: MIT
 * Minutes of the clock: a number for each credential and each conversation, which the store counts and forgets. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "api/owner.h"
#include "api/rate.h"
#include "api/request.h"
#include "lib/clock.h"
#include "store/store_count.h"

#define MINUTE_MS INT64_C(60000)
#define NAME_DIGITS 16 /* bytes of a digest that stand in a name, in hex */

/* This request's share. True: it may go on. */
static bool take(struct request *r, enum store_status status, struct sv number)
{
    int64_t n, left;

    if (status != STORE_DONE || !sv_to_i64(number, &n))
        return true;
    left = n < r->rate.limit ? r->rate.limit - n : 0;
    if (!r->rate.known || left < r->rate.remaining)
        r->rate.remaining = left;
    r->rate.known = true;
    return n <= r->rate.limit;
}

static void refuse(struct request *r)
{
    atomic_fetch_add(&r->api->limited, 1);
    request_fail(r, PROBLEM_RATE_LIMITED, r->rate.reset_ms);
}

static void count(struct request *r, const char *what, struct sv of, store_value_fn *fn)
{
    char hex[2 * NAME_DIGITS + 1], name[80];
    int n;

    digest_hex(of, NAME_DIGITS, hex);
    n = snprintf(name, sizeof(name), "rate:%s:%s:%" PRId64, what, hex, r->rate.minute);
    store_count(r->api->o.store, (struct sv){ name, (size_t)n }, 2 * MINUTE_MS, fn, r);
}

static void on_last(void *arg, enum store_status status, struct sv number)
{
    struct request *r = arg;

    if (take(r, status, number))
        r->rate.go(r);
    else
        refuse(r);
}

static void count_credential(struct request *r, store_value_fn *fn)
{
    count(r, "credential", (struct sv){ (const char *)r->credential, sizeof(r->credential) }, fn);
}

static void on_conversation(void *arg, enum store_status status, struct sv number)
{
    struct request *r = arg;

    if (take(r, status, number))
        count_credential(r, on_last);
    else
        refuse(r);
}

static void on_his(struct request *r)
{
    count(r, "conversation", r->route->conversation(r), on_last);
}

/* What is another's is neither counted for that one nor shown. */
static void on_user(void *arg, enum store_status status, struct sv number)
{
    struct request *r = arg;

    if (take(r, status, number))
        owner_check(r, r->route->conversation(r), true, on_his);
    else
        refuse(r);
}

void rate_check(struct request *r, void (*go)(struct request *r))
{
    static const unsigned char nobody[DIGEST_SIZE];
    int64_t now_ms = clock_wall_ms();
    struct sv conversation;

    if (r->api->o.rate_limit == 0 || digest_equal(r->credential, nobody)) {
        go(r);
        return;
    }
    r->rate.limit = r->api->o.rate_limit;
    r->rate.minute = now_ms / MINUTE_MS;
    r->rate.reset_ms = MINUTE_MS - now_ms % MINUTE_MS;
    r->rate.go = go;
    conversation = r->route->conversation != NULL ? r->route->conversation(r) : SV_NONE;
    if (conversation.n == 0)
        count_credential(r, on_last);
    else if (r->role == ROLE_USER)
        count_credential(r, on_user);
    else
        count(r, "conversation", conversation, on_conversation);
}
