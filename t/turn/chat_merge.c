/* SPDX-License-Identifier: MIT
 * Pages of a history that is partly in the store and partly in the archive: cases by hand, then thousands by chance against a model that
 * has everything in one list. Cursors besides. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "t/tap.h"
#include "turn/chat_cursor.h"

#define ALL_MAX 64

static uint64_t state = 1;

static uint32_t below(uint32_t bound)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(((state >> 33) * bound) >> 31);
}

/* ---- a world: each exchange is one letter, its time a digit; the id grows with the place in the text ---- */

struct exchange {
    struct chat_key key;
    char name[4];
    bool archived, recent;
};
struct world {
    struct exchange all[ALL_MAX]; /* newest first */
    size_t n;
    char text[8 * ALL_MAX];
};

static struct chat_key key_of(int64_t ms, size_t number)
{
    struct chat_key k = { .ms = ms };

    k.id[0] = (unsigned char)(number >> 8);
    k.id[1] = (unsigned char)number;
    return k;
}

static int newest_first(const void *a, const void *b)
{
    const struct exchange *x = a, *y = b;

    return chat_key_compare(&y->key, &x->key);
}

/* What the archive answers. */
static size_t archive_rows(const struct world *w, const struct chat_wish *wish, struct chat_ask ask, struct chat_row *rows, int64_t *total)
{
    size_t n = 0;

    *total = 0;
    for (size_t i = 0; i < w->n; i++) {
        const struct exchange *e = &w->all[i];
        if (!e->archived || e->key.ms < wish->from_ms || e->key.ms > wish->to_ms)
            continue;
        (*total)++;
        if (wish->by_cursor && wish->after && chat_key_compare(&e->key, &wish->last) >= 0)
            continue;
        if (ask.skip > 0)
            ask.skip--;
        else if (n < ask.max)
            rows[n++] = (struct chat_row){ .key = e->key, .message_id = sv_from(e->name) };
    }
    return n;
}

/* In the order of the store's list: that in which they came, newest first, one of them with an earlier outcome below. */
static size_t store_list(const struct world *w, struct chat_recent *list, bool twice)
{
    size_t n = 0;

    for (size_t i = 0; i < w->n; i++)
        if (w->all[i].recent)
            list[n++] = (struct chat_recent){ .key = w->all[i].key, .message_id = sv_from(w->all[i].name), .archived = w->all[i].archived, .from = i };
    for (size_t i = n; i > 1; i--) { /* time is no order of arrival */
        size_t k = below((uint32_t)i);
        struct chat_recent one = list[k];
        list[k] = list[i - 1];
        list[i - 1] = one;
    }
    if (twice && n > 0) {
        list[n] = list[below((uint32_t)n)];
        list[n++].from = 999;
    }
    return n;
}

/* One page as text; `tries` counts the questions. */
static struct chat_merged page_of(struct arena *a, const struct world *w, const struct chat_wish *wish, size_t guess, bool twice, struct buf *text,
                                  int *tries)
{
    struct chat_recent *list = arena_array(a, ALL_MAX + 1, sizeof(*list));
    struct chat_row *rows = arena_array(a, ALL_MAX + 1, sizeof(*rows));
    size_t n = store_list(w, list, twice);
    struct chat_merged out = { .again = true, .unarchived = guess };

    n = (size_t)chat_recent_order(a, list, n);
    for (*tries = 0; out.again && *tries < 3; (*tries)++) {
        struct chat_parts p = { .recent = list, .recent_n = n, .rows = rows, .ask = chat_merge_ask(wish, out.unarchived) };
        p.rows_n = archive_rows(w, wish, p.ask, rows, &p.rows_total);
        if (chat_merge(a, wish, &p, &out) != 0)
            bail_out("no memory");
    }
    for (size_t i = 0; i < out.n; i++) {
        const struct chat_line *l = &out.lines[i];
        bool recent = l->recent != CHAT_NOWHERE, row = l->row != CHAT_NOWHERE;
        buf_add(text, recent ? list[l->recent].message_id : rows[l->row].message_id);
        if (recent && (list[l->recent].archived != row || (row && !sv_eq(list[l->recent].message_id, rows[l->row].message_id))))
            bail_out("a line is not what it should be");
        if (recent && list[l->recent].from == 999)
            bail_out("an earlier outcome was taken");
        buf_addc(text, ' ');
    }
    return out;
}

static bool is_in(const struct exchange *e, const struct chat_wish *w)
{
    return (e->archived || e->recent) && e->key.ms >= w->from_ms && e->key.ms <= w->to_ms;
}

/* The same from one list. */
static void model(const struct world *w, const struct chat_wish *wish, struct buf *text, int64_t *total, bool *more)
{
    size_t found[ALL_MAX], n = 0, low = wish->by_cursor ? 0 : (wish->page - 1) * wish->size, high = low + wish->size;

    *total = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (!is_in(&w->all[i], wish))
            continue;
        (*total)++;
        if (!wish->by_cursor || !wish->after || chat_key_compare(&w->all[i].key, &wish->last) < 0)
            found[n++] = i;
    }
    *more = n > high;
    for (size_t i = n < high ? n : high; i > low; i--) {
        buf_add(text, sv_from(w->all[found[i - 1]].name));
        buf_addc(text, ' ');
    }
}

/* ---- by hand ---- */

/* Exchanges in the order of arrival: name, time; capital letters: the archive has it; a dot behind it: the store does not. */
static void build(struct world *w, const char *text)
{
    w->n = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '.')
            w->all[w->n - 1].recent = false;
        if (*c == '.' || *c == ' ')
            continue;
        struct exchange *e = &w->all[w->n++];
        *e = (struct exchange){ .key = key_of(c[1] - '0', w->n), .name = { *c }, .archived = *c <= 'Z', .recent = true };
        c++;
    }
    qsort(w->all, w->n, sizeof(w->all[0]), newest_first);
}

static const struct {
    const char *world;
    size_t page, size;
    int64_t from, to;
    size_t guess;
    const char *page_text;
    int64_t total;
} cases[] = {
    { "", 1, 3, 0, 9, 0, "", 0 },
    { "a1 b2 c3", 1, 2, 0, 9, 3, "b c ", 3 },
    { "a1 b2 c3", 2, 2, 0, 9, 3, "a ", 3 },
    { "a1 b2 c3", 3, 2, 0, 9, 3, "", 3 },
    { "A1. B2. C3.", 1, 2, 0, 9, 0, "B C ", 3 },
    { "A1. B2. C3.", 2, 2, 0, 9, 0, "A ", 3 },
    { "A1. B2 C3", 1, 5, 0, 9, 2, "A B C ", 3 },           /* in both: once */
    { "A1. B2. c3", 2, 2, 0, 9, 1, "A ", 3 },
    { "A1. B2. C3. d4 e5", 2, 2, 0, 9, 2, "B C ", 5 },
    { "A1. B2. C3. d4 e5", 2, 2, 0, 9, 0, "B C ", 5 },     /* too low a guess */
    { "A1. B2. C3. d4 e5", 2, 2, 0, 9, 50, "B C ", 5 },
    { "A1. b1 C1. d1", 1, 2, 0, 9, 2, "C d ", 4 },         /* one time: by arrival */
    { "A1. b1 C1. d1", 2, 2, 0, 9, 2, "A b ", 4 },
    { "A5. B6. c1 d2", 1, 2, 0, 9, 2, "A B ", 4 },         /* recent, and older than all that is archived */
    { "A5. B6. c1 d2", 2, 2, 0, 9, 2, "c d ", 4 },
    { "A1. B2. C3. d9", 2, 2, 0, 9, 1, "A B ", 4 },        /* recent, and newer than the page */
    { "A1. B2. C3. d2", 1, 9, 2, 2, 1, "B d ", 2 },        /* bounds are included */
    { "A1. B2. C3. d2", 1, 9, 3, 9, 1, "C ", 1 },
    { "A1. B2. C3. d2", 1, 9, 4, 9, 1, "", 0 },
    { "A1. B2. C3. d2", 2, 1, 2, 3, 0, "d ", 3 },
};

static void by_hand(void)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena *a = arena_new(0, 1 << 20);
        struct world w;
        struct buf text = { 0 };
        struct chat_wish wish = { .from_ms = cases[i].from, .to_ms = cases[i].to, .page = cases[i].page, .size = cases[i].size };
        int tries;
        build(&w, cases[i].world);
        struct chat_merged out = page_of(a, &w, &wish, cases[i].guess, true, &text, &tries);
        is_sv(text.p != NULL ? buf_sv(&text) : SV(""), sv_from(cases[i].page_text), "case %zu: page %zu of \"%s\"", i, cases[i].page, cases[i].world);
        is_int(out.total, cases[i].total, "case %zu: counted", i);
        buf_fini(&text);
        arena_free(a);
    }
}

/* ---- by chance ---- */

static void make_world(struct world *w)
{
    uint32_t times = 1 + below(12);

    w->n = below(ALL_MAX - 2);
    for (size_t i = 0; i < w->n; i++) {
        uint32_t kind = below(4); /* old ones are the archive's alone */
        struct exchange *e = &w->all[i];
        *e = (struct exchange){ .key = key_of(below(times), i), .archived = kind != 0, .recent = kind < 3 && (kind == 0 || below(2) == 0) };
        (void)snprintf(e->name, sizeof(e->name), "%zu", i);
    }
    qsort(w->all, w->n, sizeof(w->all[0]), newest_first);
}

static struct chat_wish make_wish(void)
{
    struct chat_wish wish = { .from_ms = INT64_MIN, .to_ms = INT64_MAX, .page = 1 + below(8), .size = 1 + below(9) };

    if (below(2) == 0)
        wish.from_ms = below(12);
    if (below(2) == 0)
        wish.to_ms = below(12);
    return wish;
}

static bool compare_page(struct arena *a, const struct world *w, const struct chat_wish *wish, struct chat_merged *out)
{
    struct buf got = { 0 }, want = { 0 };
    int64_t total;
    bool more;
    int tries;

    *out = page_of(a, w, wish, below(12), below(2) == 0, &got, &tries);
    model(w, wish, &want, &total, &more);
    bool same = sv_eq(buf_sv(&got), buf_sv(&want)) && out->more == more && !out->again && tries <= 2 && (wish->by_cursor || out->total == total);
    if (!same)
        diag("got [%.*s] %d, want [%.*s] %d, total %lld of %lld, tries %d", SV_FMT(buf_sv(&got)), out->more, SV_FMT(buf_sv(&want)), more,
             (long long)out->total, (long long)total, tries);
    buf_fini(&got);
    buf_fini(&want);
    return same;
}

static void by_chance(void)
{
    size_t right = 0, n = 40000;

    for (size_t i = 0; i < n; i++) {
        struct arena *a = arena_new(0, 1 << 20);
        struct world w;
        struct chat_wish wish = make_wish();
        struct chat_merged out;
        make_world(&w);
        right += compare_page(a, &w, &wish, &out);
        arena_free(a);
    }
    is_int(right, n, "pages by number are those of one list");
}

/* What was there at the first page comes exactly once, in order, whatever is archived and whatever arrives meanwhile. */
static bool walk(struct world *w)
{
    struct chat_wish wish = make_wish();
    size_t seen = 0, there = 0, added = 0;
    bool right = true;

    wish.by_cursor = true;
    for (size_t i = 0; i < w->n; i++)
        there += is_in(&w->all[i], &wish);
    for (bool more = true; more && right;) {
        struct arena *a = arena_new(0, 1 << 20);
        struct chat_merged out;
        right = compare_page(a, w, &wish, &out);
        seen += out.n;
        more = out.more;
        if (out.n > 0) {
            wish.last = out.lines[0].key;
            wish.after = true;
        }
        arena_free(a);
        for (size_t i = 0; i < w->n; i++)
            w->all[i].archived = w->all[i].archived || (w->all[i].recent && below(3) == 0);
        if (w->n < ALL_MAX - 1 && wish.after && below(2) == 0) { /* newer than all that was shown */
            w->all[w->n++] = (struct exchange){ .key = key_of(100, 1000 + added++), .name = "+", .recent = true };
            qsort(w->all, w->n, sizeof(w->all[0]), newest_first);
        }
    }
    return right && seen == there;
}

static void by_cursor(void)
{
    size_t right = 0, n = 8000;

    for (size_t i = 0; i < n; i++) {
        struct world w;
        make_world(&w);
        right += walk(&w);
    }
    is_int(right, n, "walks by cursor see each exchange once");
}

/* ---- cursors ---- */

static void cursors(void)
{
    struct chat_key key = key_of(1699123456789, 77), back;
    char text[CHAT_CURSOR_SIZE];
    size_t taken = 0;

    chat_cursor_make(SV("s"), &key, text);
    ok(chat_cursor_read(SV("s"), sv_from(text), &back) && chat_key_compare(&key, &back) == 0, "a cursor says where");
    ok(!chat_cursor_read(SV("t"), sv_from(text), &back), "not in another session");
    for (size_t i = 0; text[i] != '\0'; i++) {
        char was = text[i];
        text[i] = was == 'A' ? 'B' : 'A';
        taken += chat_cursor_read(SV("s"), sv_from(text), &back);
        text[i] = was;
    }
    is_int(taken, 0, "no letter can be changed");
    ok(!chat_cursor_read(SV("s"), SV(""), &back) && !chat_cursor_read(SV("s"), SV("AA"), &back) && !chat_cursor_read(SV("s"), SV("%%%"), &back),
       "nor is anything else one");
    key.ms = -5;
    chat_cursor_make(SV("s"), &key, text);
    ok(chat_cursor_read(SV("s"), sv_from(text), &back) && back.ms == -5, "nor is a time before 1970 lost");
}

int main(void)
{
    by_hand();
    by_chance();
    by_cursor();
    cursors();
    return done_testing();
}
