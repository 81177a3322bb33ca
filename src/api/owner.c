/* SPDX-License-Identifier: MIT
 * A user's request waits for the session's owner with its scratch memory, which what comes after needs. */
#include "config.h"

#include "api/owner.h"
#include "turn/message.h"

#define RETRY_AFTER_MS 1000

struct check {
    struct request *r;
    struct sv session_id;
    bool may_begin;
    void (*go)(struct request *r);
};

void owner_refuse(struct request *r, enum session_owner whose)
{
    atomic_fetch_add(&r->api->refused, 1);
    if (whose == SESSION_OWNER_UNSURE)
        request_error(r, &(struct request_error){ .status = 503,
                                                  .code = SV("owner_unknown"),
                                                  .text = SV("Whose session this is cannot be found out now."),
                                                  .retry_after_ms = RETRY_AFTER_MS });
    else
        request_fail(r, PROBLEM_FORBIDDEN, 0);
}

static void on_owner(void *arg, enum session_owner whose)
{
    const struct check *c = arg;

    if (whose == SESSION_HIS || (whose == SESSION_NOBODY_KNOWS_IT && c->may_begin && session_may_begin(c->session_id)))
        c->go(c->r);
    else
        owner_refuse(c->r, whose);
}

void owner_check(struct request *r, struct sv session_id, bool may_begin, void (*go)(struct request *r))
{
    struct check *c;

    if (r->role != ROLE_USER) {
        go(r);
        return;
    }
    if (session_id.n == 0 || session_id.n > MESSAGE_ID_MAX) {
        owner_refuse(r, SESSION_NOBODY_KNOWS_IT);
        return;
    }
    c = arena_alloc(r->f.scratch, sizeof(*c));
    if (c != NULL)
        *c = (struct check){ .r = r, .session_id = session_id, .may_begin = may_begin, .go = go };
    if (c == NULL || session_owner(r->api->o.turns, session_id, r->user_id, on_owner, c) != 0)
        owner_refuse(r, SESSION_OWNER_UNSURE);
}
