/* SPDX-License-Identifier: MIT
 * What the endpoints of /api/chathistory share. */
#ifndef API_ENDPOINT_HISTORY_H
#define API_ENDPOINT_HISTORY_H

#include "api/endpoints.h"
#include "turn/chat.h"

/* Who asks; good as long as the request. */
struct chat_who history_who(const struct request *r);
/* False: nobody and nothing has such an id (an argument of the path), and it is answered: to an administrator 404, to a user the 403 of every other. */
bool history_id_fits(struct request *r, size_t argument, const char *code, const char *message) MUST_CHECK;
/* A control_fn whose arg is the request. */
void history_answer(void *arg, const struct control_answer *a);

#endif
