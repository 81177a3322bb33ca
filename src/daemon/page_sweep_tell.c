/* SPDX-License-Identifier: MIT
 * What sweeps have done: a line in the log at the end of each, and figures of all of them. Decides nothing. */
#include "config.h"

#include <stdio.h>

#include "daemon/page_sweep_own.h"
#include "lib/clock.h"
#include "lib/log.h"

static void say(const struct swept_page *p, const char *what, const char *why)
{
    const struct page_sweep_found *f = &p->run.found;
    const uint64_t n[] = { f->conversations, f->messages, f->accepted, f->answered, f->duplicates, f->own, f->left, f->unread, f->put_off };
    char text[ARRAY_LEN(n)][24], ms[24];
    for (size_t i = 0; i < ARRAY_LEN(n); i++)
        (void)snprintf(text[i], sizeof(text[i]), "%llu", (unsigned long long)n[i]);
    (void)snprintf(ms, sizeof(ms), "%lld", (long long)(clock_wall_ms() - p->run.began_ms));
    log_write(why != NULL ? LOG_WARNING : LOG_INFO, what, "page_id", p->id, "#conversations", text[0], "#messages", text[1], "#accepted", text[2], "#answered", text[3],
              "#duplicates", text[4], "#own", text[5], "#left", text[6], "#unread", text[7], "#put_off", text[8], "#took_ms", ms, why != NULL ? "error" : NULL, why, NULL);
}

static void add(struct page_sweep_found *to, const struct page_sweep_found *f)
{
    to->conversations += f->conversations;
    to->messages += f->messages;
    to->accepted += f->accepted;
    to->answered += f->answered;
    to->duplicates += f->duplicates;
    to->own += f->own;
    to->left += f->left;
    to->unread += f->unread;
    to->put_off += f->put_off;
}

void sweep_tell(struct swept_page *p, const char *why)
{
    struct page_sweep_stat *stat = &p->all->stat;
    say(p, why != NULL ? "a sweep of a page has not come to its end" : "a page was swept", why);
    *(why != NULL ? &stat->cut : &stat->swept) += 1;
    add(&stat->found, &p->run.found);
}

static void count_due(void *arg, struct sv key, void *value)
{
    const struct swept_page *p = value;
    (void)key;
    *(size_t *)arg += p->wish_ms != 0;
}

void page_sweep_stat(const struct page_sweep *s, struct page_sweep_stat *out)
{
    *out = s->stat;
    out->pages = map_count(s->pages);
    map_each(s->pages, count_due, &out->due);
    out->running = s->running;
}
