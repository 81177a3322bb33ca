/* SPDX-License-Identifier: MIT
 * -tt's look at the pages of PANCAKE_PAGE_TOKENS: each is asked once for the conversations of the last second, which shows whether the page API knows it and takes
 * its token. Nothing is sent to anybody. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "outside/http.h"
#include "outside/pages.h"
#include "setup_parts.h"

#define PATIENCE_MS 5000
#define TRIED_MAX 50 /* pages; more would take a while, and a shop has a few */

struct trial {
    struct trials *all;
    struct sv page_id;
    enum pages_outcome outcome;
    int status;
    struct err err;
};

struct trials {
    struct loop *loop;
    struct pages *pages;
    struct arena *a;
    struct trial each[TRIED_MAX];
    size_t n, left, untried;
};

static void answered(void *arg, const struct pages_answer *answer)
{
    struct trial *t = arg;
    t->outcome = answer->outcome;
    t->status = answer->http_status;
    t->err = answer->err;
    if (--t->all->left == 0)
        loop_stop(t->all->loop);
}

static void begin(void *arg, struct sv page_id)
{
    struct trials *all = arg;
    int64_t now_ms = clock_wall_ms();
    if (all->n == TRIED_MAX) {
        all->untried++;
        return;
    }
    struct trial *t = &all->each[all->n++];
    *t = (struct trial){ .all = all, .page_id = arena_sv(all->a, page_id), .outcome = PAGES_UNKNOWN };
    const struct pages_listing q = { .page_id = page_id, .since_ms = now_ms - 1000, .until_ms = now_ms, .timeout_ms = PATIENCE_MS };
    if (pages_conversations(all->pages, &q, answered, t) != NULL)
        all->left++;
    else
        (void)err_set(&t->err, ERR_MEMORY, "no memory");
}

/* What is wrong, or may be; NULL: nothing, or that the page API is not there, which is told without pages. */
static const char *said_of(const struct trial *t, bool *wrong)
{
    *wrong = true;
    switch (t->outcome) {
    case PAGES_DONE:
    case PAGES_LIMITED: /* it is in use */
        return NULL;
    case PAGES_REFUSED:
        return "the page cannot be used";
    case PAGES_UNREACHABLE:
        *wrong = t->status == 401;
        return t->status == 401 ? "its token is refused" : t->status != 0 ? "the page API is in trouble" : NULL;
    case PAGES_TOO_LATE:
    case PAGES_UNKNOWN:
        break;
    }
    *wrong = t->status >= 300 && t->status < 400;
    return *wrong ? "redirects are not followed" : "the page cannot be read now";
}

static void judge(const struct trials *all, const char *url, settings_finding_fn *fn, void *arg)
{
    char text[700];
    for (size_t i = 0; i < all->n; i++) {
        const struct trial *t = &all->each[i];
        bool wrong;
        const char *said = said_of(t, &wrong);
        if (said == NULL)
            continue;
        (void)snprintf(text, sizeof(text), "page %.*s (PANCAKE_PAGE_TOKENS) at %.200s: %s: %s", SV_FMT(t->page_id), url, said, t->err.text);
        fn(arg, wrong, text);
    }
    if (all->untried > 0) {
        (void)snprintf(text, sizeof(text), "PANCAKE_PAGE_TOKENS: %zu pages behind the first %d were not tried", all->untried, TRIED_MAX);
        fn(arg, false, text);
    }
}

void setup_probe_pages(const struct settings *s, struct loop *loop, struct http *http, settings_finding_fn *fn, void *arg)
{
    const struct pages_options o = { .url = settings_pancake_url(s), .tokens = s->pancake_page_tokens, .token = "" };
    struct trials all = { .loop = loop, .a = arena_new(0, 1u << 20) };
    struct err e;
    if (s->pancake_provider != PANCAKE_PROVIDER_PAGES_FM) {
        arena_free(all.a);
        return;
    }
    all.pages = all.a != NULL ? pages_open(loop, http, &o, &e) : NULL;
    if (all.pages == NULL) {
        fn(arg, true, all.a != NULL ? e.text : "no memory");
    } else {
        pages_each(all.pages, begin, &all);
        if (all.left > 0)
            loop_run(loop);
        judge(&all, o.url, fn, arg);
    }
    pages_close(all.pages);
    arena_free(all.a);
}
