/* SPDX-License-Identifier: MIT
 * What the endpoints of sessions share. */
#ifndef API_ENDPOINT_SESSION_H
#define API_ENDPOINT_SESSION_H

#include "api/endpoints.h"

/* False: no session has such an id; answered with 404. */
bool session_id_fits(struct request *r);

#endif
