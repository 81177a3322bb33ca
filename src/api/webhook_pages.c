/* SPDX-License-Identifier: MIT
 * When each page's webhooks came, and when one was not accepted: kept here until the store has it. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/webhook_pages.h"
#include "lib/clock.h"
#include "lib/map.h"

#define RETRY_MS 1000
#define PAGES_MAX 10000
#define NAME_SIZE (STORE_ID_MAX + 1)
#define PAGE_ID_MAX (STORE_ID_MAX - sizeof("page::deferred"))

struct page {
    struct webhook_pages *all;
    int64_t seen_mono_ms;  /* when "seen" was written last; 0: never */
    int64_t missed_ms;     /* not in the store yet; 0: nothing is */
    int64_t missed_again_ms; /* the first one since missed_ms is being written; 0: none */
    bool writing;
    char seen[NAME_SIZE], deferred[NAME_SIZE]; /* names of the values */
};

struct webhook_pages {
    struct store *store;
    struct map *pages;
    struct loop_timer *timer;
    size_t calls;  /* of the store, under way */
    size_t missed; /* pages with missed_ms */
    bool closed;
};

static void free_page(void *arg, struct sv key, void *value)
{
    (void)map_take(arg, key);
    free(value);
}

static void free_all(struct webhook_pages *p)
{
    if (p->pages != NULL)
        map_each(p->pages, free_page, p->pages);
    map_free(p->pages);
    free(p);
}

/* False: nobody is left who wants to know. */
static bool is_wanted(struct webhook_pages *p)
{
    p->calls--;
    if (!p->closed)
        return true;
    if (p->calls == 0)
        free_all(p);
    return false;
}

static struct page *page_of(struct webhook_pages *p, struct sv page_id)
{
    struct page *page = map_find(p->pages, page_id);

    if (page != NULL || page_id.n > PAGE_ID_MAX || map_count(p->pages) >= PAGES_MAX)
        return page;
    page = calloc(1, sizeof(*page));
    if (page == NULL)
        return NULL;
    page->all = p;
    (void)snprintf(page->seen, sizeof(page->seen), "page:%.*s:seen", SV_FMT(page_id));
    (void)snprintf(page->deferred, sizeof(page->deferred), "page:%.*s:deferred", SV_FMT(page_id));
    if (map_put(p->pages, page_id, page, NULL) == 0)
        return page;
    free(page);
    return NULL;
}

static void put_ms(struct webhook_pages *p, const char *name, int64_t ms, store_status_fn *fn, void *arg)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%" PRId64, ms);

    p->calls++;
    store_put(p->store, sv_from(name), (struct sv){ text, (size_t)n }, WEBHOOK_PAGES_TTL_MS, fn, arg);
}

/* ---- accepted ---- */

static void seen_written(void *arg, enum store_status status)
{
    struct page *page = arg;

    if (is_wanted(page->all) && status != STORE_DONE)
        page->seen_mono_ms = 0;
}

void webhook_pages_accepted(struct webhook_pages *p, struct sv page_id)
{
    struct page *page = page_of(p, page_id);
    int64_t now_ms = clock_mono_ms();

    if (page == NULL || (page->seen_mono_ms != 0 && now_ms - page->seen_mono_ms < WEBHOOK_SEEN_EVERY_MS))
        return;
    page->seen_mono_ms = now_ms;
    put_ms(p, page->seen, clock_wall_ms(), seen_written, page);
}

/* ---- not accepted ---- */

static void retry_soon(struct webhook_pages *p)
{
    if (p->missed > 0 && !loop_timer_is_set(p->timer))
        loop_timer_set(p->timer, RETRY_MS);
}

static void written(struct page *page, bool done)
{
    struct webhook_pages *p = page->all;

    page->writing = false;
    if (done) {
        page->missed_ms = page->missed_again_ms;
        page->missed_again_ms = 0;
        p->missed -= page->missed_ms == 0;
    }
    retry_soon(p);
}

static void deferred_written(void *arg, enum store_status status)
{
    struct page *page = arg;

    if (is_wanted(page->all))
        written(page, status == STORE_DONE);
}

/* Another process may have been earlier. */
static void deferred_read(void *arg, enum store_status status, struct sv value)
{
    struct page *page = arg;
    int64_t there_ms = 0;

    if (!is_wanted(page->all))
        return;
    if (status != STORE_DONE)
        written(page, false);
    else if (sv_to_i64(value, &there_ms) && there_ms > 0 && there_ms <= page->missed_ms)
        written(page, true);
    else
        put_ms(page->all, page->deferred, page->missed_ms, deferred_written, page);
}

static void write_missed(struct page *page)
{
    page->writing = true;
    page->all->calls++;
    store_get(page->all->store, sv_from(page->deferred), deferred_read, page);
}

static void look(void *arg, struct sv key, void *value)
{
    struct page *page = value;

    (void)arg;
    (void)key;
    if (page->missed_ms != 0 && !page->writing)
        write_missed(page);
}

static void tick(void *arg)
{
    struct webhook_pages *p = arg;

    if (store_is_up(p->store))
        map_each(p->pages, look, NULL);
    retry_soon(p);
}

void webhook_pages_missed(struct webhook_pages *p, struct sv page_id)
{
    struct page *page = page_of(p, page_id);

    if (page == NULL)
        return;
    if (page->missed_ms == 0) {
        page->missed_ms = clock_wall_ms();
        p->missed++;
        retry_soon(p);
    } else if (page->writing && page->missed_again_ms == 0) {
        page->missed_again_ms = clock_wall_ms();
    }
}

/* ---- life ---- */

struct webhook_pages *webhook_pages_new(struct loop *loop, struct store *store, struct err *e)
{
    struct webhook_pages *p = calloc(1, sizeof(*p));

    if (p != NULL) {
        p->store = store;
        p->pages = map_new();
        p->timer = loop_timer_new(loop, tick, p);
    }
    if (p != NULL && p->pages != NULL && p->timer != NULL)
        return p;
    webhook_pages_free(p);
    (void)err_set(e, ERR_MEMORY, "out of memory");
    return NULL;
}

void webhook_pages_free(struct webhook_pages *p)
{
    if (p == NULL)
        return;
    loop_timer_free(p->timer);
    p->timer = NULL;
    p->closed = true;
    if (p->calls == 0)
        free_all(p);
}
