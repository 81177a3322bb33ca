/* SPDX-License-Identifier: MIT
 * All endpoints: the table, and the functions that it names. One file endpoint_*.c a group. */
#ifndef API_ENDPOINTS_H
#define API_ENDPOINTS_H

#include "api/request.h"

extern const struct route endpoints[];
extern const size_t endpoints_n;

/* endpoint_message.c */
extern const struct input endpoint_message_input;
void endpoint_message(struct request *r);
/* endpoint_job.c */
void endpoint_job(struct request *r);
/* endpoint_health.c */
void endpoint_health(struct request *r);

#endif
