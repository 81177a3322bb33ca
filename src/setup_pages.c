/* SPDX-License-Identifier: MIT
 * The page API as the settings and the rows of `platforms` have it: one client for the pages of the settings, one more for each row, and the platforms that send
 * through them. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "outside/pages.h"
#include "setup_parts.h"
#include "turn/page_platform.h"

/* A row's client, as long as the platform that sends through it. */
struct row_client {
    struct pages *pages;
    struct page_peer peer;
    char *page_id; /* NULL: none */
};

/* Where actions go elsewhere, address and token are of that place. */
static struct pages_options options_of(const struct settings *s)
{
    bool ours = s->pancake_provider == PANCAKE_PROVIDER_PAGES_FM;
    return (struct pages_options){ .url = ours ? settings_pancake_url(s) : "", .tokens = s->pancake_page_tokens, .token = ours ? s->pancake_token : "" };
}

int setup_open_pages(struct setup *u, struct err *e)
{
    const struct pages_options o = options_of(u->settings);
    u->pages = pages_open(u->loop, u->http, &o, e);
    if (u->pages == NULL)
        return -1;
    u->page_peer.pages = u->pages;
    page_peers_enter(&u->page_peers, &u->page_peer);
    return 0;
}

int setup_change_pages(struct setup *u, const struct settings *s, struct err *e)
{
    const struct pages_options o = options_of(s);
    if (s->pancake_provider == PANCAKE_PROVIDER_PAGES_FM)
        page_platform_set(u->platform_inner, s->pancake_calls_per_second);
    return pages_set(u->pages, &o, e);
}

void setup_close_pages(struct setup *u)
{
    page_peers_leave(&u->page_peer);
    pages_close(u->pages);
}

static struct page_platform_options platform_options(const struct setup *u)
{
    return (struct page_platform_options){ .loop = u->loop, .store = u->store, .pages = u->pages, .calls_per_second = u->settings->pancake_calls_per_second };
}

struct platform *setup_open_page_platform(struct setup *u, struct err *e)
{
    const struct page_platform_options o = platform_options(u);
    return page_platform_open(&o, e);
}

bool setup_page_bot(void *setup, struct sv page_id, char bot_id[MESSAGE_ID_MAX + 1])
{
    const struct setup *u = setup;
    struct bot *bot = bots_find_page(u->bots, page_id);
    bot_id[0] = '\0';
    if (bot != NULL)
        (void)snprintf(bot_id, MESSAGE_ID_MAX + 1, "%s", bot->bot_id);
    bool known = bot != NULL || (u->settings->pancake_provider == PANCAKE_PROVIDER_PAGES_FM && page_peers_find(&u->page_peers, page_id) != NULL);
    bot_release(bot);
    return known;
}

/* ---- rows ---- */

/* With a page and a token of its own it is for that page alone; without the token it has those of the settings. */
static struct pages *open_row_pages(struct setup *u, const struct bot_platform *p, struct err *e)
{
    const struct pages_options usual = options_of(u->settings);
    struct pages_options o = { .url = p->url != NULL ? p->url : usual.url, .tokens = "", .token = p->secret };
    struct buf own = { 0 };
    if (*p->secret == '\0') {
        o.tokens = usual.tokens;
        o.token = usual.token;
    } else if (p->page_id != NULL) {
        buf_printf(&own, "%s=%s", p->page_id, p->secret);
        o.tokens = buf_ok(&own) ? own.p : "";
        o.token = "";
    }
    struct pages *pages = buf_ok(&own) ? pages_open(u->loop, u->http, &o, e) : NULL;
    if (!buf_ok(&own))
        (void)err_set(e, ERR_MEMORY, "no memory");
    buf_fini(&own);
    return pages;
}

static void row_free(void *arg)
{
    struct row_client *row = arg;
    page_peers_leave(&row->peer);
    pages_close(row->pages);
    free(row->page_id);
    free(row);
}

static struct platform *open_row_platform(const struct setup *u, struct row_client *row, struct err *e)
{
    struct page_platform_options o = platform_options(u);
    o.pages = row->pages;
    o.page_id = row->page_id;
    o.closed = row_free;
    o.closed_arg = row;
    return page_platform_open(&o, e);
}

struct platform *setup_open_page_row(struct setup *u, const struct bot_platform *p, struct err *e)
{
    struct row_client *row = calloc(1, sizeof(*row));
    if (row == NULL || (p->page_id != NULL && (row->page_id = strdup(p->page_id)) == NULL)) {
        free(row);
        (void)err_set(e, ERR_MEMORY, "no memory");
        return NULL;
    }
    row->pages = open_row_pages(u, p, e);
    struct platform *platform = row->pages != NULL ? open_row_platform(u, row, e) : NULL;
    if (platform == NULL) {
        row_free(row);
        return NULL;
    }
    row->peer = (struct page_peer){ .pages = row->pages, .page_id = row->page_id };
    if (row->page_id != NULL)
        page_peers_enter(&u->page_peers, &row->peer);
    return platform;
}
