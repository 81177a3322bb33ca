/* SPDX-License-Identifier: MIT
 * The owner is the first sender of type user, whom a session's view names; it never changes. */
#include "config.h"

#include <stdlib.h>

#include "turn/session_owner.h"

#define ARENA_MAX 4096

/* As JSON has it: with escapes. */
static bool names(struct sv json, struct sv user_id)
{
    struct arena *a = json.p != NULL && user_id.n > 0 ? arena_new(0, ARENA_MAX) : NULL;
    struct sv owner = a != NULL ? message_text(a, json) : SV_NONE;
    bool his = owner.n > 0 && sv_eq(owner, user_id);

    arena_free(a);
    return his;
}

enum session_owner session_owner_of(const struct control_answer *a, struct sv user_id)
{
    if (a->http_status == 200)
        return names(json_raw_member(a->result, "user_id"), user_id) ? SESSION_HIS : SESSION_NOT_HIS;
    if (a->http_status == 404 && a->cache == NULL)
        return SESSION_NOBODY_KNOWS_IT;
    return SESSION_OWNER_UNSURE;
}

struct question {
    session_owner_fn *fn;
    void *arg;
    size_t n;
    char user_id[];
};

static void on_session(void *arg, const struct control_answer *a)
{
    struct question *q = arg;
    enum session_owner whose = session_owner_of(a, (struct sv){ q->user_id, q->n });
    session_owner_fn *fn = q->fn;

    arg = q->arg;
    free(q);
    fn(arg, whose);
}

int session_owner(struct turns *t, struct sv session_id, struct sv user_id, session_owner_fn *fn, void *arg)
{
    struct question *q = malloc(sizeof(*q) + user_id.n);

    if (q == NULL)
        return -1;
    *q = (struct question){ .fn = fn, .arg = arg, .n = user_id.n };
    memcpy(q->user_id, user_id.p, user_id.n);
    session_get(t, session_id, on_session, q);
    return 0;
}

bool session_may_begin(struct sv id)
{
    static const char form[] = "xxxxxxxx-xxxx-Vxxx-Nxxx-xxxxxxxxxxxx";

    if (id.n != sizeof(form) - 1)
        return false;
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        bool good = form[i] == '-'   ? c == '-'
                    : form[i] == 'V' ? c == '4' || c == '7'
                    : form[i] == 'N' ? sv_hex_digit(c) >= 8 && sv_hex_digit(c) <= 11
                                     : sv_hex_digit(c) >= 0;
        if (!good)
            return false;
    }
    return true;
}
