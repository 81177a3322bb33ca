/* SPDX-License-Identifier: MIT
 * Pancake's page API inside the double: what is said to /public_api/ and /pages/. Told at the top of double_pages.c. */
#ifndef T_LIB_DOUBLE_PAGES_H
#define T_LIB_DOUBLE_PAGES_H

#include "t/lib/double_server.h"

struct pages_double;

/* NULL: memory. */
struct pages_double *pages_double_open(struct loop *l);
void pages_double_close(struct pages_double *p);
/* Everything is forgotten; webhooks that are under way go on. */
void pages_double_reset(struct pages_double *p);
/* False: the path is none of these. */
bool pages_double_serve(struct pages_double *p, struct conn *c, const struct request *r);

#endif
