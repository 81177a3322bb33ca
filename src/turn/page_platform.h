/* SPDX-License-Identifier: MIT
 * A platform (outside/platform.h) that is Pancake's page API: actions as text, text in pieces, pieces as calls that keep the page's limit together with all other
 * processes, and the way to find out what became of one whose outcome is not known. docs/peers.md, section 2. Decides nothing about turns. */
#ifndef TURN_PAGE_PLATFORM_H
#define TURN_PAGE_PLATFORM_H

#include "lib/arena.h"
#include "outside/pages.h"
#include "outside/platform.h"
#include "store/store_count.h"

struct page_platform_options {
    struct loop *loop;
    struct store *store;
    struct pages *pages;     /* the caller's, as the others; must live as long */
    const char *page_id;     /* of conversations whose messages do not say it; NULL: none */
    int64_t calls_per_second; /* PANCAKE_CALLS_PER_SECOND, 2 at least */
    void (*closed)(void *arg); /* called when it is closed: `pages` is no longer needed. NULL: nobody */
    void *closed_arg;
};
struct platform *page_platform_open(const struct page_platform_options *o, struct err *e) MUST_CHECK;
/* From now on. */
void page_platform_set(struct platform *p, int64_t calls_per_second);

/* ---- echoes: shared with turn/webhook.c ---- */

/* The text as the platform may show it and as we sent it are the same thing here: markup and entities gone, white space as one blank, none at the ends. Appended. */
void page_text_plain(struct buf *b, struct sv text);
/* "echo:<32 hex digits>" of page, conversation and plain text, or of a message's id. */
#define PAGE_ECHO_SIZE 40
void page_echo_text(char out[PAGE_ECHO_SIZE], struct sv page_id, struct sv conversation_id, struct sv plain);
void page_echo_id(char out[PAGE_ECHO_SIZE], struct sv page_id, struct sv message_id);
/* A mark's value is the idempotency key of the delivery that sent it, or is about to; of a text whose echo came, "seen:" stands before it: it has arrived. */
#define PAGE_ECHO_SEEN "seen:"
#define PAGE_ECHO_TTL_MS (86400 * INT64_C(1000))

/* ---- places of a page, for everybody who calls its API ---- */

/* What a send, or something that reads, asks store_place for. name lives in the arena; SV_NONE name: memory. */
enum page_row { PAGE_ROW_SEND, PAGE_ROW_READ };
/* The longest that a page is left alone which has said "too many", whatever it asked for: a time that is wrong must not keep it silent for hours. It is tried again
 * then, and may say so again. */
#define PAGE_LIMITED_MAX_MS 300000
struct store_place page_place(struct arena *a, struct sv page_id, enum page_row row, unsigned n, int64_t calls_per_second);

#endif
