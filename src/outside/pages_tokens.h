/* SPDX-License-Identifier: MIT
 * Which token a page of the page API needs: PANCAKE_PAGE_TOKENS taken apart. */
#ifndef OUTSIDE_PAGES_TOKENS_H
#define OUTSIDE_PAGES_TOKENS_H

#include "lib/err.h"
#include "lib/sv.h"

struct pages_token {
    struct sv page_id, token;
};
/* Zeroed: none. */
struct pages_tokens {
    char *text;                /* what the others point into */
    struct pages_token *pages;
    size_t n;
    struct sv other;           /* of pages that are not among them; SV_NONE: those have none */
};

/* `tokens`: page=token, separated by commas, blanks around each left out; `other`: "" none. Both are copied. -1: ERR_INVALID (the text says which entry by its
 * number and repeats nothing), memory; *t is empty then. */
int pages_tokens_set(struct pages_tokens *t, const char *tokens, const char *other, struct err *e) MUST_CHECK;
/* SV_NONE: there is none. */
struct sv pages_tokens_find(const struct pages_tokens *t, struct sv page_id);
void pages_tokens_fini(struct pages_tokens *t);

#endif
