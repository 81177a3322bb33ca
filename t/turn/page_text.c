/* SPDX-License-Identifier: MIT
 * Actions as text and text as pieces. Chance makes texts of everything that is hard to cut; whatever they are, the pieces say the same. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/id.h"
#include "t/tap.h"
#include "turn/actions.h"
#include "turn/page_platform.h"
#include "turn/page_split.h"
#include "turn/page_text.h"

/* ---- actions ---- */

#define MESSAGE(text) "{\"type\":\"send_message\",\"data\":{\"message\":\"" text "\"}}"

struct action_case {
    const char *actions, *pieces; /* "index:text|" */
    size_t executed, not_executed;
};

static const struct action_case action_cases[] = {
    { "[]", "", 0, 0 },
    { "[" MESSAGE("hello") "]", "0:hello|", 1, 0 },
    { "[" MESSAGE(" \\n hello \\u00a0") "]", "0:hello|", 1, 0 },
    { "[" MESSAGE(" \\n\\u00a0\\u200b") "," MESSAGE("x") "]", "1:x|", 1, 1 },
    { "[{\"type\":\"send_quick_replies\",\"data\":{\"message\":\"Which?\",\"quick_replies\":[\"Red\",{\"title\":\"Blue\"},{},{\"label\":\" Green \"}]}}]",
      "0:Which?\n1. Red\n2. Blue\n3. Green|", 1, 0 },
    { "[{\"type\":\"send_carousel\",\"data\":{\"elements\":[{\"title\":\"A\",\"subtitle\":\"a\",\"url\":\"https://a\"},{\"title\":\"B\",\"buttons\":[{\"title\":\"buy\"},{\"url\":\"https://b\"}]},"
      "{\"title\":\"C\",\"default_action\":{\"url\":\"https://c\"}}]}}]",
      "0:A\na\nhttps://a\n\nB\nhttps://b\n\nC\nhttps://c|", 1, 0 },
    { "[{\"type\":\"collect_info\",\"data\":{\"message\":\"Your name?\",\"fields\":[\"name\"]}}]", "0:Your name?|", 1, 0 },
    { "[{\"type\":\"collect_info\",\"data\":{\"fields\":[\"name\",{\"label\":\"Phone\"},{\"name\":\"city\"}]}}]", "0:name\nPhone\ncity|", 1, 0 },
    { "[" MESSAGE("bye") ",{\"type\":\"transfer_to_agent\",\"data\":{}},{\"type\":\"end_conversation\",\"data\":{}}]", "0:bye|", 3, 0 },
    { "[{\"type\":\"execute_api\",\"data\":{\"name\":\"n\"}}," MESSAGE("x") "]", "1:x|", 1, 1 },
    { "[{\"type\":\"transfer_to_agent\"}]", "", 1, 0 },
    { "[{\"type\":\"execute_api\",\"data\":{\"name\":\"n\"}}]", "", 0, 1 },
};

static void test_actions(void)
{
    for (size_t i = 0; i < ARRAY_LEN(action_cases); i++) {
        const struct action_case *c = &action_cases[i];
        struct arena *a = arena_new(0, 1u << 20);
        struct page_text text;
        struct buf b = { 0 };
        struct err e = { 0 };
        is_int(page_text(a, sv_from(c->actions), 2000, &text, &e), 0, "actions %zu: %s", i, e.text);
        for (size_t n = 0; n < text.n; n++)
            buf_printf(&b, "%zu:%.*s|", text.pieces[n].action, SV_FMT(text.pieces[n].text));
        is_str(b.p != NULL ? b.p : "", c->pieces, "what they say");
        is_int(text.executed, c->executed, "executed");
        is_int(text.not_executed, c->not_executed, "and not");
        buf_fini(&b);
        arena_free(a);
    }
    struct arena *a = arena_new(0, 1u << 20);
    struct page_text text;
    struct err e;
    ok(page_text(a, SV("{}"), 9, &text, &e) != 0 && e.code == ERR_INVALID, "not a list");
    ok(page_text(a, SV("[nonsense"), 9, &text, &e) != 0, "not JSON");
    arena_free(a);
    is_int(page_chars_max(SV("igo_17")), 1000, "Instagram");
    is_int(page_chars_max(SV("ttm_17")), 500, "TikTok");
    is_int(page_chars_max(SV("1017")), 2000, "others");
}

/* More than a reply may have: an action is said whole or not at all, but one that alone is too long is begun. */
static void test_too_many(void)
{
    struct arena *a = arena_new(0, 1u << 20);
    struct buf b = { 0 };
    struct page_text text;
    struct err e;
    buf_add(&b, SV("[" MESSAGE("first") ",{\"type\":\"send_message\",\"data\":{\"message\":\""));
    for (int i = 0; i < 20; i++)
        buf_add(&b, SV("0123456789 "));
    buf_add(&b, SV("\"}}," MESSAGE("last") ",{\"type\":\"end_conversation\"}]"));
    is_int(page_text(a, buf_sv(&b), 10, &text, &e), 0, "three texts, 22 pieces");
    is_int(text.n, 1, "the second does not fit, and nothing is said behind it");
    is_int(text.executed, 2, "executed");
    is_int(text.not_executed, 2, "not executed");
    buf_clear(&b);
    buf_add(&b, SV("[{\"type\":\"send_message\",\"data\":{\"message\":\""));
    for (int i = 0; i < 25; i++)
        buf_add(&b, SV("0123456789 "));
    buf_add(&b, SV("\"}}]"));
    is_int(page_text(a, buf_sv(&b), 10, &text, &e), 0, "one text, 25 pieces");
    is_int(text.n, PAGE_PIECES_MAX, "its beginning");
    is_int(text.executed, 0, "does not count");
    is_int(text.not_executed, 1, "as executed");
    is_int(text.pieces[0].action == PAGE_ACTION_CUT && text.pieces[PAGE_PIECES_MAX - 1].action == PAGE_ACTION_CUT, 1, "its pieces are of no action that is");
    buf_fini(&b);
    arena_free(a);
}

/* The largest answers that are taken: their beginning is said as that of any long one, with memory to spare. */
static void test_huge(void)
{
    struct buf b = { 0 };
    struct page_text text;
    struct err e;
    buf_add(&b, SV("[{\"type\":\"send_message\",\"data\":{\"message\":\""));
    for (int i = 0; i < 400000; i++)
        buf_add(&b, SV("0123456789"));
    buf_add(&b, SV("\"}},{\"type\":\"send_message\",\"data\":{\"message\":\"last\"}}]"));
    struct arena *a = arena_new(0, 8u << 20);
    is_int(page_text(a, buf_sv(&b), 2000, &text, &e), 0, "4 MB of text");
    is_int(text.n, PAGE_PIECES_MAX, "its beginning");
    is_int(text.not_executed, 2, "neither it nor what is behind it counts");
    arena_free(a);
    buf_clear(&b);
    buf_add(&b, SV("[{\"type\":\"send_carousel\",\"data\":{\"elements\":[{\"title\":\"0\"}"));
    for (int i = 0; i < 200000; i++)
        buf_add(&b, SV(",{\"title\":\"0123456789\"}"));
    buf_add(&b, SV("]}}]"));
    a = arena_new(0, 64u << 20);
    is_int(page_text(a, buf_sv(&b), 2000, &text, &e), 0, "200,000 elements");
    is_int(text.n, PAGE_PIECES_MAX, "their beginning");
    arena_free(a);
    buf_fini(&b);
}

/* ---- cuts ---- */

#define A5 "aaaaa"
#define A10 A5 A5
#define E_ACUTE "e\xCC\x81"                                                  /* e, combining acute */
#define VIET "e\xCC\x82\xCC\x81"                                             /* e, circumflex, acute */
#define FAMILY "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7"                /* woman, joiner, girl */
#define THUMB "\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD"                             /* thumb, tone */
#define HEART "\xE2\x9D\xA4\xEF\xB8\x8F"                                     /* heart, variation selector */
#define FLAG "\xF0\x9F\x87\xBB\xF0\x9F\x87\xB3"                              /* V, N */

static const struct {
    size_t max;
    const char *text, *pieces;
} cuts[] = {
    { 10, "", "" },
    { 10, " \n\t ", "" },
    { 10, "  hello  ", "hello" },
    { 10, A10, A10 },
    { 10, A10 "b", A10 "|b" },
    { 10, A10 " b", A10 "|b" },
    { 10, A5 " " A5 " " A5, A5 "|" A5 "|" A5 },
    { 10, "aaaa\n\nbb bb", "aaaa|bb bb" },
    { 10, "aaa bb\nccc ddd", "aaa bb|ccc ddd" },
    { 10, "a\nbbbb ccc dd", "a\nbbbb ccc|dd" },
    { 10, "aaa b. cc ddd", "aaa b.|cc ddd" },
    { 10, "aaa \"b!\" cc ddd", "aaa \"b!\"|cc ddd" },
    { 10, "a. bbb ccc ddd", "a. bbb ccc|ddd" },
    { 10, "aa 1.5 bbb ccc", "aa 1.5 bbb|ccc" },
    { 4, "\xE4\xBD\xA0\xE5\xA5\xBD\xE3\x80\x82\xE6\x88\x91\xE5\x9C\xA8", "\xE4\xBD\xA0\xE5\xA5\xBD\xE3\x80\x82|\xE6\x88\x91\xE5\x9C\xA8" },
    { 2, "\xC3\xA9\xC3\xA9\xC3\xA9", "\xC3\xA9\xC3\xA9|\xC3\xA9" },
    { 4, "abc" E_ACUTE "d", "abc|" E_ACUTE "d" },
    { 5, "abc" VIET "d", "abc|" VIET "d" },
    { 3, FAMILY FAMILY, FAMILY "|" FAMILY },
    { 4, FAMILY FAMILY, FAMILY "|" FAMILY },
    { 3, THUMB THUMB, THUMB "|" THUMB },
    { 3, HEART HEART, HEART "|" HEART },
    { 3, FLAG FLAG, FLAG "|" FLAG },
    { 2, VIET "x", "e\xCC\x82|\xCC\x81x" }, /* one character alone is longer */
    { 1, "ab c", "a|b|c" },
    { 10, "aaaa\r\n\r\nbb bb", "aaaa|bb bb" },
    { 6, "aaa \xCC\x81" "bbb", "aaa \xCC\x81" "b|bb" }, /* a mark on a blank */
};

static void test_cuts(void)
{
    for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
        struct sv rest = sv_from(cuts[i].text);
        struct buf b = { 0 };
        for (struct sv piece; (piece = page_split_next(&rest, cuts[i].max)).n > 0;)
            buf_printf(&b, "%s%.*s", b.n > 0 ? "|" : "", SV_FMT(piece));
        is_str(b.p != NULL ? b.p : "", cuts[i].pieces, "cut %zu", i);
        buf_fini(&b);
    }
}

/* ---- chance ---- */

static size_t count(struct sv s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xC0u) != 0x80u;
    return n;
}

static void add_dense(struct buf *b, struct sv s)
{
    struct buf plain = { 0 };
    page_text_plain(&plain, s);
    for (size_t i = 0; i < plain.n; i++)
        if (plain.p[i] != ' ')
            buf_addc(b, plain.p[i]);
    buf_fini(&plain);
}

/* Ends in the middle of what is seen as one character? Those of this test only. */
static bool starts_joined(struct sv s)
{
    static const char *const marks[] = { "\xCC\x81", "\xCC\x82", "\xE2\x80\x8D", "\xF0\x9F\x8F\xBD", "\xEF\xB8\x8F" };
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (sv_starts(s, sv_from(marks[i])))
            return true;
    return false;
}

static void test_chance(void)
{
    static const char *const parts[] = { "a", "bc", " ", " ", "\n", "\n\n", "\r\n", ". ", "! ", "\xE3\x80\x82", "\xC3\xA9", E_ACUTE, VIET, FAMILY, THUMB, HEART, FLAG,
                                         "\xC2\xA0", "word ", "verylongwordwithoutanend", "https://x.example/a?b=c ", "\xF0\x9F\x98\x80", ") ", "\t" };
    const char *said = getenv("SEED");
    uint64_t seed = said != NULL ? strtoull(said, NULL, 10) : id_random_below(1u << 30);
    unsigned failed = 0;
    srandom((unsigned)seed);
    for (int round = 0; round < 20000 && failed == 0; round++) {
        struct buf text = { 0 }, want = { 0 }, got = { 0 };
        long n = random() % 120;
        size_t max = 7 + (size_t)random() % 40; /* the longest of them fit */
        bool right = true;
        for (long i = 0; i < n; i++)
            buf_add(&text, sv_from(parts[(size_t)random() % ARRAY_LEN(parts)]));
        struct sv rest = buf_sv(&text);
        for (struct sv piece; (piece = page_split_next(&rest, max)).n > 0;) {
            right = right && count(piece) <= max && sv_is_utf8(piece) && sv_trim(piece).n == piece.n && !starts_joined(piece);
            add_dense(&got, piece);
        }
        add_dense(&want, buf_sv(&text));
        right = right && rest.n == 0 && sv_eq(buf_sv(&want), buf_sv(&got));
        if (!right) {
            failed++;
            diag("max %zu, text: %s", max, text.p);
        }
        buf_fini(&text);
        buf_fini(&want);
        buf_fini(&got);
    }
    is_int(failed, 0, "20,000 texts of chance: each piece is right, and together they say the same (SEED=%llu)", (unsigned long long)seed);
}

int main(void)
{
    test_actions();
    test_too_many();
    test_huge();
    test_cuts();
    test_chance();
    return done_testing();
}
