/* SPDX-License-Identifier: MIT
 * See pages_tokens.h. */
#include "config.h"

#include <stdlib.h>

#include "outside/pages_tokens.h"

static bool is_word(struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return s.n > 0;
}

static int add(struct pages_tokens *t, struct sv entry, size_t number, struct err *e)
{
    struct sv token = entry, page_id = sv_trim(sv_split(&token, '='));
    token = sv_trim(token);
    if (!is_word(page_id) || token.p == NULL)
        return err_set(e, ERR_INVALID, "entry %zu is not page=token", number);
    if (!is_word(token))
        return err_set(e, ERR_INVALID, "entry %zu has no token, or one with a character that no token has", number);
    for (size_t i = 0; i < t->n; i++)
        if (sv_eq(t->pages[i].page_id, page_id))
            return err_set(e, ERR_INVALID, "entry %zu names a page that another one names", number);
    t->pages[t->n++] = (struct pages_token){ page_id, token };
    return 0;
}

int pages_tokens_set(struct pages_tokens *t, const char *tokens, const char *other, struct err *e)
{
    size_t n = strlen(tokens), most = 1, number = 0;
    int rc = 0;
    for (const char *at = tokens; *at != '\0'; at++)
        most += *at == ',';
    *t = (struct pages_tokens){ .text = malloc(n + strlen(other) + 2), .pages = calloc(most, sizeof(struct pages_token)) };
    if (t->text == NULL || t->pages == NULL) {
        pages_tokens_fini(t);
        return err_set(e, ERR_MEMORY, "no memory");
    }
    memcpy(t->text, tokens, n + 1);
    memcpy(t->text + n + 1, other, strlen(other) + 1);
    t->other = *other != '\0' ? sv_from(t->text + n + 1) : SV_NONE;
    for (struct sv rest = { t->text, n }, entry; rc == 0 && rest.p != NULL;) {
        entry = sv_trim(sv_split(&rest, ','));
        number++;
        if (entry.n > 0)
            rc = add(t, entry, number, e);
    }
    if (rc != 0)
        pages_tokens_fini(t);
    return rc;
}

struct sv pages_tokens_find(const struct pages_tokens *t, struct sv page_id)
{
    for (size_t i = 0; i < t->n; i++)
        if (sv_eq(t->pages[i].page_id, page_id))
            return t->pages[i].token;
    return page_id.n > 0 ? t->other : SV_NONE;
}

void pages_tokens_fini(struct pages_tokens *t)
{
    free(t->text);
    free(t->pages);
    *t = (struct pages_tokens){ 0 };
}
