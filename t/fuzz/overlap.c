/* SPDX-License-Identifier: MIT
 * Any bytes as a stored conversation and a history (turn/overlap.h): the first says how many of the others are stored entries, each of the others is
 * a speaker and one of few texts. The answer is compared with one that is found the slow way, straight from the header's words: every pair is
 * tried behind every other pair. How to run it: t/fuzz/markup.c. */
#include "config.h"

#include "t/fuzz/fuzz.h"
#include "turn/overlap.h"

#define SIDE_MAX 24
#define NEVER (-10000)
#define FORGOTTEN_MIN 8

const char fuzz_name[] = "overlap";
const char *const fuzz_words[] = { "\x01", "\x03", "\x05", "\x02", "\x01\x02", "\x03\x04", "\x01\x03\x05\x07", "\x02\x04", "\x0D", "\x0F", NULL };

struct both {
    struct overlap_entry stored[SIDE_MAX];
    struct markup_part parts[SIDE_MAX];
    size_t stored_n, parts_n, run; /* run: first part that would be answered */
};

/* What a byte says: bit 0 the customer, bits 1 to 3 the text. Two of the texts differ in white space only, one is empty. */
static struct sv text_of(uint8_t byte)
{
    static const struct sv texts[] = { SV("ok"), SV("yes"), SV("a b"), SV("a \t\xC2\xA0 b"), SV("c"), SV("d"), SV("e"), SV("") };
    return texts[byte >> 1 & 7];
}

static bool blank(uint8_t byte)
{
    return (byte >> 1 & 7) == 7;
}

static void read_both(struct both *b, const uint8_t *data, size_t size)
{
    *b = (struct both){ 0 };
    for (size_t i = 1; i < size; i++) {
        if (i <= data[0] % (SIDE_MAX + 1)) {
            b->stored[b->stored_n++] = (struct overlap_entry){ .user = data[i] & 1, .text = text_of(data[i]) };
        } else if (b->parts_n < SIDE_MAX && !blank(data[i])) {
            b->parts[b->parts_n++] = (struct markup_part){ .bot = !(data[i] & 1), .text = text_of(data[i]) };
        }
    }
    b->run = markup_question(b->parts, b->parts_n, 0).begin;
}

static bool pair(const struct both *b, size_t i, size_t j)
{
    struct sv x = b->stored[i].text, y = b->parts[j].text;
    if (b->stored[i].user == b->parts[j].bot || x.n == 0)
        return false;
    return sv_eq(x, y) || (x.p[0] == 'a' && y.p[0] == 'a'); /* the two that differ in white space */
}

static int users_stored(const struct both *b, size_t from, size_t to)
{
    int n = 0;
    for (; from < to; from++)
        n += b->stored[from].user && b->stored[from].text.n > 0;
    return n;
}

/* Cost of leaving these parts over. */
static int over(const struct both *b, size_t from, size_t to)
{
    int n = 0;
    for (; from < to; from++)
        n += b->parts[from].bot ? 0 : from >= b->run ? -NEVER : 1;
    return n;
}

static int larger(int x, int y)
{
    return x > y ? x : y;
}

/* The best layouts whose last pair is (i, j): score * 100 + number of the last stored entry of the customer's with a pair. */
static void pairs(const struct both *b, int best[SIDE_MAX][SIDE_MAX])
{
    for (size_t i = 0; i < b->stored_n; i++) {
        for (size_t j = 0; j < b->parts_n; j++) {
            int before = (j > b->run ? 1 - FORGOTTEN_MIN : 0) - users_stored(b, 0, i);
            if (j <= b->run)
                before = larger(before, larger(-1, -over(b, 0, j)));
            if (j == 0)
                before = 0;
            before *= 100;
            for (size_t x = 0; x < i; x++)
                for (size_t y = 0; y < j; y++)
                    before = larger(before, best[x][y] - (users_stored(b, x + 1, i) + over(b, y + 1, j)) * 100);
            int last = b->stored[i].user ? (int)i + 1 : ((before % 100) + 100) % 100;
            int score = (before - ((before % 100) + 100) % 100) / 100 + 1;
            best[i][j] = pair(b, i, j) ? score * 100 + last : 100 * NEVER;
        }
    }
}

static size_t slow(const struct both *b, size_t *last_matched)
{
    int best[SIDE_MAX][SIDE_MAX], at_end = 0, inside = 0;
    size_t known = 0, first_user = 0;
    pairs(b, best);
    for (size_t j = 0; j < b->parts_n; j++) {
        for (size_t i = 0; i < b->stored_n; i++) {
            int cell = best[i][j] - users_stored(b, i + 1, b->stored_n) * 100;
            if (cell / 100 > at_end / 100 || (known == j + 1 && cell > at_end)) {
                at_end = cell;
                known = j + 1;
            }
            inside = larger(inside, best[i][j] - 100 - over(b, j + 1, b->parts_n) * 100);
        }
    }
    if (inside / 100 > at_end / 100 && at_end % 100 == 0) {
        at_end = inside;
        known = b->parts_n;
    }
    size_t last = (size_t)(at_end % 100);
    *last_matched = last > 0 ? last - 1 : SIZE_MAX;
    while (first_user < b->parts_n && b->parts[first_user].bot)
        first_user++;
    if (last == 0 && known > first_user)
        known = first_user;
    if (last > 0 && last < b->stored_n && !b->stored[last].user)
        while (known < b->parts_n && b->parts[known].bot)
            known++;
    for (size_t i = known; i < b->parts_n; i++)
        if (!b->parts[i].bot)
            return known;
    return b->parts_n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct both b;
    size_t last = 0, slow_last = 0;
    read_both(&b, data, size);
    size_t known = overlap_known(b.stored, b.stored_n, b.parts, b.parts_n, &last, NULL);
    must(known <= b.parts_n && (last == SIZE_MAX || (last < b.stored_n && b.stored[last].user)));
    must(known == slow(&b, &slow_last));
    must(last == slow_last);

    /* No part that would be answered is known without a pair, unless the store has forgotten. */
    for (size_t j = b.run; j < known && b.stored_n < FORGOTTEN_MIN; j++) {
        bool found = b.parts[j].bot;
        for (size_t i = 0; i < b.stored_n && !found; i++)
            found = pair(&b, i, j);
        must(found);
    }
    return 0;
}
