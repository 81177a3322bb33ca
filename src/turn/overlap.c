/* SPDX-License-Identifier: MIT
 * Alignment by dynamic programming over one column at a time: cell i of the column of part j is the best layout of the first i stored entries and
 * the first j parts. A cell also carries which stored entries of the customer's were the first and the last with a pair, so that nothing has to be
 * traced back.
 * The header says what the scores mean. */
#include "config.h"

#include "turn/overlap.h"

/* A cell: score * ONE + (index of the last paired entry of the customer's + 1, or 0) * LAST_ONE + the same of the first one. Comparing cells
 * compares scores first. */
#define ONE ((int64_t)1 << 32)
#define LAST_ONE ((int64_t)1 << 16)
#define PAIRS (ONE - 1)
#define NEVER (-(1 << 24) * ONE) /* no layout */
#define FORGOTTEN_MIN 8          /* so many pairs show that what comes before them was forgotten */

struct side {
    uint64_t key[OVERLAP_STORED_MAX]; /* hash of text and speaker */
    int64_t cost[OVERLAP_STORED_MAX]; /* of leaving the entry over */
    bool user[OVERLAP_STORED_MAX];
    size_t n;
};

_Static_assert(OVERLAP_STORED_MAX < LAST_ONE, "an index fits");

struct best {
    size_t known;
    int64_t cell;
};

static size_t last_of(int64_t cell)
{
    return (size_t)((cell & PAIRS) / LAST_ONE);
}

static size_t first_of(int64_t cell)
{
    return (size_t)(cell & (LAST_ONE - 1));
}

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
    return (cell - (cell & PAIRS)) / ONE;
}

/* With entry i of the customer's paired as well. */
static int64_t paired(int64_t cell, size_t i)
{
    size_t first = first_of(cell) != 0 ? first_of(cell) : i + 1;
    return cell - (cell & PAIRS) + ONE + (int64_t)(i + 1) * LAST_ONE + (int64_t)first;
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
            cell = larger(cell, user ? paired(before, i) : before + ONE);
        before = column[i + 1];
        column[i + 1] = cell;
    }
}

/* The best layout that ends with the stored conversation; failing that, one inside of it. `run`: the first part that would be answered. gaps: parts
 * from there on may be left over like any others. */
static struct best align(const struct side *s, const struct markup_part *parts, size_t parts_n, size_t run, bool gaps)
{
    int64_t column[OVERLAP_STORED_MAX + 1] = { 0 };
    struct best best = { 0 };
    for (size_t j = 0; j < parts_n; j++) {
        bool late = j >= run; /* at or behind the first part that would be answered */
        int64_t left = parts[j].bot ? 0 : late && !gaps ? -NEVER : ONE;
        next_column(column, s, overlap_key(!parts[j].bot, parts[j].text), !parts[j].bot, late && !gaps ? (1 - FORGOTTEN_MIN) * ONE : 0, left,
                    late ? NEVER : -ONE);
        if (score(column[s->n]) > score(best.cell))
            best = (struct best){ j + 1, column[s->n] };
    }
    int64_t inside = 0;
    for (size_t i = 0; i <= s->n; i++)
        inside = larger(inside, column[i] - ONE);
    bool by_bots = last_of(best.cell) == 0;
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

/* The customer's, of this text, from entry `first` on, about when `at_ms` was; the last one's index in *where. */
static size_t count_behind(const struct overlap_entry *stored, const struct side *s, size_t first, int64_t at_ms, uint64_t key, size_t *where)
{
    size_t n = 0;
    for (size_t i = first; i < s->n; i++) {
        int64_t apart = stored[i].at_ms - at_ms;
        if (!s->user[i] || s->key[i] != key || apart > OVERLAP_APART_MS || apart < -OVERLAP_APART_MS)
            continue;
        n++;
        *where = i;
    }
    return n;
}

static void look_at_parts(struct overlap_room *room, const struct markup_part *parts, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        room[i].key = parts[i].bot ? 0 : overlap_key(true, parts[i].text);
}

/* Whether any of the parts behind the known ones was said lately, so that it is worth another look. */
static bool came_lately(const struct overlap_entry *stored, const struct side *s, const struct overlap_room *room, size_t from, size_t to)
{
    int64_t newest_ms = s->n > 0 ? stored[s->n - 1].at_ms : 0;
    for (size_t j = from; newest_ms != 0 && j < to; j++)
        for (size_t i = s->n; room[j].key != 0 && i > 0 && stored[i - 1].at_ms >= newest_ms - OVERLAP_APART_MS; i--)
            if (s->user[i - 1] && s->key[i - 1] == room[j].key)
                return true;
    return false;
}

/* Marks parts that would be new although what was said is there, at another place. How many parts from the front are known then. *last: the
 * entry of the last one of those; as long as there is none it stays. */
static size_t in_another_order(const struct overlap_entry *stored, const struct side *s, const struct markup_part *parts, size_t parts_n, size_t known,
                               size_t *last, struct overlap_room *room)
{
    if (parts_n - known > OVERLAP_APART_MAX)
        return known;
    look_at_parts(room, parts, known, parts_n);
    if (!came_lately(stored, s, room, known, parts_n))
        return known;
    look_at_parts(room, parts, 0, known);
    int64_t cell = align(s, parts, parts_n, markup_question(parts, parts_n, 0).begin, true).cell;
    if (last_of(cell) == 0)
        return known;
    size_t first = first_of(cell) - 1;
    int64_t at_ms = stored[last_of(cell) - 1].at_ms;
    bool whole = true; /* so far, all of them */
    for (size_t j = known; j < parts_n; j++) {
        size_t before = 0, where = 0;
        if (room[j].key == 0)
            continue;
        for (size_t k = 0; k < j; k++)
            before += room[k].key == room[j].key;
        bool there = count_behind(stored, s, first, at_ms, room[j].key, &where) > before;
        whole = whole && there;
        if (whole) {
            known = j + 1;
            *last = where;
        } else {
            room[j].known = there;
        }
    }
    return known;
}

size_t overlap_known(const struct overlap_entry *stored, size_t stored_n, const struct markup_part *parts, size_t parts_n, size_t *last_matched,
                     struct overlap_room *room)
{
    size_t skipped = stored_n > OVERLAP_STORED_MAX ? stored_n - OVERLAP_STORED_MAX : 0;
    struct side s;
    look_at(&s, stored + skipped, stored_n - skipped);
    struct best best = align(&s, parts, parts_n, markup_question(parts, parts_n, 0).begin, false);
    size_t known = best.known, last = last_of(best.cell), first_user = 0;

    *last_matched = last > 0 ? skipped + last - 1 : SIZE_MAX;
    while (first_user < parts_n && parts[first_user].bot)
        first_user++;
    if (last == 0 && known > first_user)
        known = first_user;
    if (last > 0 && last < s.n && !s.user[last])
        while (known < parts_n && parts[known].bot)
            known++;
    size_t other = SIZE_MAX;
    for (size_t i = 0; room != NULL && i < parts_n; i++)
        room[i].known = false;
    if (room != NULL)
        known = in_another_order(stored + skipped, &s, parts, parts_n, known, &other, room);
    if (other != SIZE_MAX)
        *last_matched = skipped + other;
    struct markup_run run = markup_question(parts, parts_n, known);
    while (run.begin < run.end && room != NULL && room[run.begin].known)
        run.begin++;
    return run.begin < run.end ? known : parts_n;
}
