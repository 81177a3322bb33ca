/* SPDX-License-Identifier: MIT
 * See scrub.h. First the free pages are wiped: of the others, those whose first byte is the mark of a tree's page are such then, since an
 * overflow page and a trunk of the free list begin with a page number under 2^25. */
#include "config.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/scrub.h"

#define HEAD 100          /* of the file, in front of page 1's own */
#define PAGES_MAX (1 << 25)
#define AT_ONCE (1 << 18) /* bytes read in one piece */

enum { INDEX_INSIDE = 2, TABLE_INSIDE = 5, INDEX_LEAF = 10, TABLE_LEAF = 13 };

struct scrubbing {
    const struct scrub_file *f;
    size_t page, usable;
    uint32_t pages;
    unsigned char *one; /* room for a page */
    struct err *e;
};

static uint32_t get2(const unsigned char *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get4(const unsigned char *p)
{
    return get2(p) << 16 | get2(p + 2);
}

static int damaged(const struct scrubbing *s)
{
    return err_set(s->e, ERR_PROTOCOL, "the database file is damaged");
}

static int64_t place(const struct scrubbing *s, uint32_t number)
{
    return (int64_t)(number - 1) * (int64_t)s->page;
}

static int take(const struct scrubbing *s, void *to, size_t n, int64_t at)
{
    return s->f->read(s->f->arg, to, n, at) == 0 ? 0 : err_set(s->e, ERR_IO, "the database file cannot be read");
}

static int put(const struct scrubbing *s, const void *from, size_t n, int64_t at)
{
    return s->f->write(s->f->arg, from, n, at) == 0 ? 0 : err_set(s->e, ERR_IO, "the database file cannot be written");
}

/* Zeroes; true: something was there. */
static bool wipe(unsigned char *p, size_t n)
{
    size_t i = 0;
    while (i < n && p[i] == 0)
        i++;
    if (i == n)
        return false;
    memset(p + i, 0, n - i);
    return true;
}

/* ---- the free list ---- */

static bool is_page(const struct scrubbing *s, uint32_t number)
{
    return number > 1 && number <= s->pages;
}

static int wipe_page(const struct scrubbing *s, uint32_t number)
{
    if (!is_page(s, number))
        return damaged(s);
    if (take(s, s->one, s->page, place(s, number)) != 0)
        return -1;
    return wipe(s->one, s->page) ? put(s, s->one, s->page, place(s, number)) : 0;
}

static int wipe_trunk(const struct scrubbing *s, uint32_t number, unsigned char *trunk, uint32_t *next)
{
    if (!is_page(s, number))
        return damaged(s);
    if (take(s, trunk, s->page, place(s, number)) != 0)
        return -1;
    size_t leaves = get4(trunk + 4);
    if (leaves > s->usable / 4 - 2)
        return damaged(s);
    for (size_t i = 0; i < leaves; i++) {
        if (wipe_page(s, get4(trunk + 8 + 4 * i)) != 0)
            return -1;
    }
    *next = get4(trunk);
    size_t used = 8 + 4 * leaves;
    return wipe(trunk + used, s->page - used) ? put(s, trunk, s->page, place(s, number)) : 0;
}

static int wipe_free(const struct scrubbing *s, uint32_t first)
{
    unsigned char *trunk = malloc(s->page);
    int rc = trunk != NULL ? 0 : err_set(s->e, ERR_MEMORY, "no memory");
    uint32_t seen = 0;
    for (uint32_t at = first, next = 0; rc == 0 && at != 0; at = next) {
        rc = ++seen > s->pages ? damaged(s) : wipe_trunk(s, at, trunk, &next);
    }
    free(trunk);
    return rc;
}

/* ---- trees ---- */

/* How many bytes; 0: it goes beyond the page. */
static size_t varint(const unsigned char *p, const unsigned char *end, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < 9 && p + i < end; i++) {
        if (i == 8) {
            *value = *value << 8 | p[i];
            return 9;
        }
        *value = *value << 7 | (p[i] & 0x7f);
        if ((p[i] & 0x80) == 0)
            return i + 1;
    }
    return 0;
}

/* The last page of a chain is used for `last` bytes behind the number of the next. */
static int wipe_end(const struct scrubbing *s, uint32_t number, uint64_t rest)
{
    size_t room = s->usable - 4;
    unsigned char next[4];
    for (; rest > room; rest -= room) {
        if (!is_page(s, number))
            return damaged(s);
        if (take(s, next, sizeof next, place(s, number)) != 0)
            return -1;
        number = get4(next);
    }
    if (!is_page(s, number))
        return damaged(s);
    if (take(s, s->one, s->page, place(s, number)) != 0)
        return -1;
    if (get4(s->one) != 0)
        return damaged(s);
    size_t used = 4 + (size_t)rest;
    return wipe(s->one + used, s->usable - used) ? put(s, s->one, s->page, place(s, number)) : 0;
}

static int look_at_cell(const struct scrubbing *s, int type, const unsigned char *cell, const unsigned char *end)
{
    uint64_t payload, row;
    const unsigned char *p = cell + (type == INDEX_INSIDE ? 4 : 0);
    size_t n = varint(p, end, &payload);
    if (n == 0)
        return damaged(s);
    p += n;
    if (type == TABLE_LEAF) {
        n = varint(p, end, &row);
        if (n == 0)
            return damaged(s);
        p += n;
    }
    size_t most = type == TABLE_LEAF ? s->usable - 35 : (s->usable - 12) * 64 / 255 - 23;
    if (payload <= most)
        return 0;
    size_t least = (s->usable - 12) * 32 / 255 - 23, local = least + (size_t)((payload - least) % (s->usable - 4));
    if (local > most)
        local = least;
    if ((size_t)(end - p) < local + 4)
        return damaged(s);
    return wipe_end(s, get4(p + local), payload - local);
}

/* Free blocks: chained, each with its size. */
static int wipe_blocks(const struct scrubbing *s, unsigned char *page, size_t first, bool *changed)
{
    for (size_t at = first, next; at != 0; at = next) {
        if (at + 4 > s->usable)
            return damaged(s);
        size_t size = get2(page + at + 2);
        next = get2(page + at);
        if (size < 4 || at + size > s->usable || (next != 0 && next < at + size))
            return damaged(s);
        if (wipe(page + at + 4, size - 4))
            *changed = true;
    }
    return 0;
}

/* `head`: where the page's own head is. */
static int wipe_tree(const struct scrubbing *s, unsigned char *page, size_t head, bool *changed)
{
    int type = page[head];
    if (type != INDEX_INSIDE && type != TABLE_INSIDE && type != INDEX_LEAF && type != TABLE_LEAF)
        return 0;
    size_t cells = get2(page + head + 3), start = get2(page + head + 5);
    size_t pointers = head + (type == INDEX_INSIDE || type == TABLE_INSIDE ? 12 : 8), used = pointers + 2 * cells;
    if (start == 0)
        start = 65536;
    if (used > start || start > s->usable || wipe_blocks(s, page, get2(page + head + 1), changed) != 0)
        return damaged(s);
    if (wipe(page + used, start - used))
        *changed = true;
    for (size_t i = 0; type != TABLE_INSIDE && i < cells; i++) {
        size_t at = get2(page + pointers + 2 * i);
        if (at < start || at + 4 > s->usable)
            return damaged(s);
        if (look_at_cell(s, type, page + at, page + s->usable) != 0)
            return -1;
    }
    return 0;
}

static int wipe_trees(const struct scrubbing *s)
{
    uint32_t at_once = s->page < AT_ONCE ? (uint32_t)(AT_ONCE / s->page) : 1;
    unsigned char *many = malloc(at_once * s->page);
    int rc = many != NULL ? 0 : err_set(s->e, ERR_MEMORY, "no memory");
    for (uint32_t first = 1; rc == 0 && first <= s->pages; first += at_once) {
        uint32_t n = s->pages - first + 1 < at_once ? s->pages - first + 1 : at_once;
        rc = take(s, many, n * s->page, place(s, first));
        for (uint32_t i = 0; rc == 0 && i < n; i++) {
            unsigned char *page = many + i * s->page;
            bool changed = false;
            rc = wipe_tree(s, page, first + i == 1 ? HEAD : 0, &changed);
            if (rc == 0 && changed)
                rc = put(s, page, s->page, place(s, first + i));
        }
    }
    free(many);
    return rc;
}

int scrub(const struct scrub_file *f, struct err *e)
{
    unsigned char head[HEAD];
    struct scrubbing s = { .f = f, .e = e };
    if (f->size == 0)
        return 0;
    if (f->size < HEAD || take(&s, head, sizeof head, 0) != 0 || memcmp(head, "SQLite format 3", 16) != 0)
        return damaged(&s);
    s.page = get2(head + 16) == 1 ? 65536 : get2(head + 16);
    if (s.page < 512 || (s.page & (s.page - 1)) != 0 || head[20] > 32)
        return damaged(&s);
    s.usable = s.page - head[20];
    if (get4(head + 52) != 0 || f->size / (int64_t)s.page > PAGES_MAX)
        return err_set(e, ERR_REFUSED, "the database file is too large to be wiped, or has auto_vacuum");
    s.pages = (uint32_t)(f->size / (int64_t)s.page);
    uint32_t said = get4(head + 28); /* what is behind them is no page of the database */
    if (memcmp(head + 24, head + 92, 4) == 0 && said > 0 && said < s.pages)
        s.pages = said;
    s.one = malloc(s.page);
    int rc = s.one != NULL ? 0 : err_set(e, ERR_MEMORY, "no memory");
    if (rc == 0)
        rc = wipe_free(&s, get4(head + 32));
    if (rc == 0)
        rc = wipe_trees(&s);
    free(s.one);
    return rc;
}
