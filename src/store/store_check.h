/* SPDX-License-Identifier: MIT
 * What the parts of the port's front share (store.c, store_session.c, store_history.c): see store.c for what is refused and what aborts. */
#ifndef STORE_STORE_CHECK_H
#define STORE_STORE_CHECK_H

#include "store/answer.h"

/* Aborts with a line in the log when not: only a wrong program asks for that. */
void store_must(bool what, const char *call, const char *says);
bool store_is_id(struct sv id);
bool store_is_name(struct sv name); /* an id with a prefix */
bool store_are_pairs(const struct store_pair *pairs, size_t n);
/* No item is SV_NONE. */
bool store_is_list(const struct sv *items, size_t n);
/* Answers later, with a->status. */
void store_refuse(struct store *s, const struct answer *a);
void store_refuse_status(struct store *s, store_status_fn *fn, void *arg); /* with FULL */
/* Aborts when a backend could not do it; NULL is allowed (store_session.c). */
void store_check_session(const struct store_session_change *c);

/* The same for what store_history.h has (store_history.c). */
void store_check_history(const struct store_history_change *c);
void store_check_erase(const struct store_change *c);
/* False: an id or a name in there is empty or too long. NULL is allowed. */
bool store_history_fits(const struct store_history_change *c);
bool store_erase_fits(const struct store_erase *e);

#endif
