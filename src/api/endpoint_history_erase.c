/* SPDX-License-Identifier: MIT
 * /api/chathistory: erasure of a session, or of all of a user. turn/chat.h does it, and says who may. */
#include "config.h"

#include "api/endpoint_admin.h"
#include "api/endpoint_history.h"

#define NO_SESSION "session_not_found", "Session not found"
#define NO_USER "user_not_found", "User not found"

static void erase(struct request *r, struct sv session_id)
{
    const struct chat_who who = history_who(r);

    if (r->role == ROLE_ADMIN)
        admin_log(r, session_id.p != NULL ? session_id : r->args[0]);
    chat_erase(r->api->o.turns, &who, r->args[0], session_id, history_answer, r);
    request_park(r);
}

void endpoint_history_erase_session(struct request *r)
{
    if (history_id_fits(r, 0, NO_SESSION) && history_id_fits(r, 1, NO_SESSION))
        erase(r, r->args[1]);
}

void endpoint_history_erase_user(struct request *r)
{
    if (history_id_fits(r, 0, NO_USER))
        erase(r, SV_NONE);
}
