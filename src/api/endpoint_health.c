/* SPDX-License-Identifier: MIT
 * GET /health for load balancers: what this process knows already. No server is asked, nothing waits, nobody needs a credential. */
#include "config.h"

#include "api/endpoint_admin.h"
#include "archive/archive.h"
#include "store/store.h"

void endpoint_health(struct request *r)
{
    const struct api_options *o = &r->api->o;

    if (!store_is_up(o->store))
        request_answer(r, 503, SV("{\"status\":\"unavailable\"}"));
    else if (store_is_standing_in(o->store) || (o->archive != NULL && !archive_is_up(o->archive)))
        request_answer(r, 200, SV("{\"status\":\"degraded\"}"));
    else
        request_answer(r, 200, SV("{\"status\":\"ok\"}"));
}

/* The parts of the handler; PUBLIC_STATUS says whether a credential is needed. */
void endpoint_handler(struct request *r)
{
    control_handler(r->api->o.turns, admin_answer_state, r);
    request_park(r);
}
