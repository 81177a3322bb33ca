/* SPDX-License-Identifier: MIT
 * Who has a token for a page: a row's own before those of the settings, each page told once. */
#include "config.h"

#include "t/outside/rig.h"
#include "t/tap.h"
#include "turn/page_peers.h"

struct notes {
    struct buf text;
    const struct pages *settings; /* the others get a star */
};

static void note(void *arg, struct pages *of, struct sv page_id)
{
    struct notes *n = arg;
    buf_printf(&n->text, "%.*s%s ", SV_FMT(page_id), of == n->settings ? "" : "*");
}

static struct pages *open_pages(struct rig *rig, const char *tokens)
{
    struct err e = { 0 };
    struct pages *p = pages_open(rig->loop, rig->http, &(struct pages_options){ .url = "http://x", .tokens = tokens, .token = "" }, &e);
    if (p == NULL)
        bail_out("%s", e.text);
    return p;
}

static void test_peers(struct rig *rig)
{
    struct page_peers all = { 0 };
    struct page_peer usual = { 0 }, row = { 0 }, twice = { 0 };
    struct notes notes = { 0 };
    struct pages *pages = open_pages(rig, "p1=t1,p2=t2"), *own = open_pages(rig, "p2=o2,p3=o3");
    notes.settings = usual.pages = pages;
    row = (struct page_peer){ .pages = own, .page_id = "p2" };
    twice = (struct page_peer){ .pages = own, .page_id = "p3" };
    page_peers_enter(&all, &row);
    page_peers_enter(&all, &usual);
    page_peers_enter(&all, &twice);
    ok(page_peers_find(&all, SV("p1")) == pages, "a page of the settings");
    ok(page_peers_find(&all, SV("p2")) == own, "a row's own token is before it");
    ok(page_peers_find(&all, SV("p9")) == NULL && page_peers_find(&all, SV("")) == NULL, "nobody's");
    page_peers_each(&all, note, &notes);
    is_str(notes.text.p, "p3* p1 p2* ", "each page once, with whom it is");
    page_peers_leave(&row);
    page_peers_leave(&row);
    ok(page_peers_find(&all, SV("p2")) == pages, "the row is gone");
    page_peers_leave(&usual);
    page_peers_leave(&twice);
    ok(page_peers_find(&all, SV("p1")) == NULL, "all are");
    buf_fini(&notes.text);
    pages_close(own);
    pages_close(pages);
}

int main(void)
{
    struct rig rig;
    rig_open(&rig, NULL);
    test_peers(&rig);
    rig_close(&rig);
    return done_testing();
}
