/* SPDX-License-Identifier: MIT
 * Shared by endpoint_admin*.c: from a control_answer to an HTTP answer. Not for other endpoints. */
#ifndef API_ENDPOINT_ADMIN_H
#define API_ENDPOINT_ADMIN_H

#include "api/endpoints.h"
#include "turn/control.h"

/* A control_fn whose arg is the request: 200 and 201 as they are, else an error with its code, its sentence and what `result` adds. */
void admin_answer(void *arg, const struct control_answer *a);
/* The same for answers that describe a state whatever their status is: a result is always the body. */
void admin_answer_state(void *arg, const struct control_answer *a);
/* False: the id in the path is longer than any; answered 404. */
bool admin_id(struct request *r, const char *code, const char *message) MUST_CHECK;
/* Before something is changed. `what`: the id that it is about, SV_NONE: none. */
void admin_log(const struct request *r, struct sv what);

#endif
