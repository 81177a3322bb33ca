/* SPDX-License-Identifier: MIT
 * Alignment by dynamic programming over one column at a time: cell i of the column of part j is the best layout of the first i stored entries and
 * the first j parts. A cell also carries which stored entry of the customer's was the last with a pair, so that nothing has to be traced back.
 * The header says what the scores mean. */
#include "config.h"

#include "turn/overlap.h"

/* A cell: score * ONE + (index of the last paired entry of the customer's + 1, or 0). Comparing cells compares scores first. */
#define ONE ((int64_t)1 << 32)
#define LAST (ONE - 1)
#define NEVER (-(1 << 24) * ONE) /* no layout */
#define FORGOTTEN_MIN 8          /* so many pairs show that what comes before them was forgotten */

struct side {
    uint64_t key[OVERLAP_STORED_MAX]; /* hash of text and speaker */
    int64_t cost[OVERLAP_STORED_MAX]; /* of leaving the entry over */
    bool user[OVERLAP_STORED_MAX];
    size_t n;
};

struct best {
    size_t known;
    int64_t cell;
};

/* FNV-1a over the text with its white space evened out. 0: the text is empty. */
uint64_t overlap_key(bool user, struct sv s)
{
    uint64_t h = 0xCBF29CE484222325u;
    bool any = false, gap = false;
    h = (h ^ user) * 0x100000001B3u;
    for (size_t i = 0; i < s.n;) {
        size_t space = markup_space((struct sv){ s.p + i, s.n - i });
        if (space > 0) {
            gap = any;
            i += space;
            continue;
        }
        if (gap)
            h = (h ^ ' ') * 0x100000001B3u;
        h = (h ^ (unsigned char)s.p[i++]) * 0x100000001B3u;
        gap = false;
        any = true;
    }
    return any ? h | 1 : 0;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t score(int64_t cell)
{
    return (cell - (cell & LAST)) / ONE;
}

/* From the column of the part before to this part's. begin: cell 0, where only parts were left over. left: cost of leaving this part over. fresh: of
 * beginning behind it, with something left over on both sides. */
static void next_column(int64_t *column, const struct side *s, uint64_t key, bool user, int64_t begin, int64_t left, int64_t fresh)
{
    int64_t before = column[0];
    column[0] = begin;
    for (size_t i = 0; i < s->n; i++) {
        int64_t cell = larger(larger(column[i] - s->cost[i], column[i + 1] - left), fresh);
        if (s->key[i] == key && key != 0)
            cell = larger(cell, user ? before - (before & LAST) + ONE + (int64_t)(i + 1) : before + ONE);
        before = column[i + 1];
        column[i + 1] = cell;
    }
}

/* The best layout that ends with the stored conversation; failing that, one inside of it. `run`: the first part that would be answered. */
static struct best align(const struct side *s, const struct markup_part *parts, size_t parts_n, size_t run)
{
    int64_t column[OVERLAP_STORED_MAX + 1] = { 0 };
    struct best best = { 0 };
    for (size_t j = 0; j < parts_n; j++) {
        bool late = j >= run; /* at or behind the first part that would be answered */
        int64_t left = parts[j].bot ? 0 : late ? -NEVER : ONE;
        next_column(column, s, overlap_key(!parts[j].bot, parts[j].text), !parts[j].bot, late ? (1 - FORGOTTEN_MIN) * ONE : 0, left,
                    late ? NEVER : -ONE);
        if (score(column[s->n]) > score(best.cell))
            best = (struct best){ j + 1, column[s->n] };
    }
    int64_t inside = 0;
    for (size_t i = 0; i <= s->n; i++)
        inside = larger(inside, column[i] - ONE);
    bool by_bots = (best.cell & LAST) == 0;
    return score(inside) > 0 && by_bots && score(inside) > score(best.cell) ? (struct best){ parts_n, inside } : best;
}

static void look_at(struct side *s, const struct overlap_entry *stored, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t key = stored[i].key != 0 ? stored[i].key : overlap_key(stored[i].user, stored[i].text);
        s->key[i] = key;
        s->user[i] = stored[i].user;
        s->cost[i] = stored[i].user && key != 0 ? ONE : 0;
    }
    s->n = n;
}

size_t overlap_known(const struct overlap_entry *stored, size_t stored_n, const struct markup_part *parts, size_t parts_n, size_t *last_matched)
{
    size_t skipped = stored_n > OVERLAP_STORED_MAX ? stored_n - OVERLAP_STORED_MAX : 0;
    struct side s;
    look_at(&s, stored + skipped, stored_n - skipped);
    struct best best = align(&s, parts, parts_n, markup_question(parts, parts_n, 0).begin);
    size_t known = best.known, last = (size_t)(best.cell & LAST), first_user = 0;

    *last_matched = last > 0 ? skipped + last - 1 : SIZE_MAX;
    while (first_user < parts_n && parts[first_user].bot)
        first_user++;
    if (last == 0 && known > first_user)
        known = first_user;
    if (last > 0 && last < s.n && !s.user[last])
        while (known < parts_n && parts[known].bot)
            known++;
    struct markup_run run = markup_question(parts, parts_n, known);
    return run.begin < run.end ? known : parts_n;
}
