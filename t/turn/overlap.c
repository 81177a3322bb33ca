/* SPDX-License-Identifier: MIT
 * What of a history is new: the cases one by one, then conversations that are shown to two sides through windows, with losses, and the whole
 * way of a message: clients that send histories, a store that takes what is new and forgets what is old, and a count of the answers. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/arena.h"
#include "lib/clock.h"
#include "t/tap.h"
#include "turn/overlap.h"

#define LIST_MAX 10100

static uint64_t state = 1;
static struct overlap_entry stored[LIST_MAX];
static struct markup_part parts[LIST_MAX];

static uint32_t below(uint32_t bound)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(((state >> 33) * bound) >> 31);
}

/* Words; one that begins with a capital letter is not the customer's, "_" is a blank, "-" an empty text. */
static size_t read_words(const char *text, struct overlap_entry *out, char *words, size_t size)
{
    size_t n = 0;
    (void)snprintf(words, size, "%s", text);
    for (struct sv rest = sv_from(words), word; rest.p != NULL;) {
        word = sv_split(&rest, ' ');
        if (word.n == 0)
            continue;
        out[n++] = (struct overlap_entry){ .user = word.p[0] < 'A' || word.p[0] > 'Z', .text = sv_eq(word, SV("-")) ? SV("") : word };
    }
    for (char *c = words; *c != '\0'; c++)
        *c = *c == '_' ? ' ' : *c;
    return n;
}

static const struct {
    const char *stored, *history;
    size_t known;
    long last;
} cases[] = {
    { "", "ok", 0, -1 },
    { "", "a B ok", 0, -1 },
    /* the same text twice */
    { "ok B", "ok B ok", 2, 0 },
    { "ok B", "ok C ok", 2, 0 },
    { "ok", "ok ok", 1, 0 },
    { "ok", "ok B ok", 1, 0 },
    { "ok ok", "ok ok", 2, 1 },
    { "ok ok", "ok ok ok", 2, 1 },
    { "ok B ok B ok B", "ok B ok B ok B ok", 6, 4 },
    { "ok B ok C", "ok D ok D ok D", 4, 2 },
    { "1 M 2 M 1 M", "1 M 2 M 1 M 2", 6, 4 },
    { "1 M 2 M 1 M 2 M", "2 M 1 M 2 M 1", 6, 6 },
    /* windows, and histories that reach further back */
    { "a ok B", "ok B x", 2, 1 },
    { "a ok B", "ok C x", 2, 1 },
    { "u1 A u2 B u3 C", "B u3 C u4", 3, 4 },
    { "u1 A u2 B u3 C", "X u3 Y u4", 3, 4 },
    { "u1 A u2 B", "B u3", 1, -1 },
    { "u1 A u2 B", "X u3", 0, -1 },
    { "u2 B", "u1 A u2 B u3", 4, 0 },
    { "B u3 C", "u1 A u2 B u3 C u4 D u5", 6, 1 },
    { "A", "A u1", 1, -1 },
    { "A A2", "A A2 u1", 2, -1 },
    { "a B ok C", "C ok", 1, -1 },
    { "a B ok C", "B ok", 2, 2 },
    { "a B ok C", "X ok", 2, 2 },
    /* repeats */
    { "u1 B", "u1", 1, 0 },
    { "u1 B", "u1 B", 2, 0 },
    { "u1 B", "u1 C", 2, 0 },
    { "u1", "u1 B", 2, 0 },
    { "u1 B u2", "u1 B u2", 3, 2 },
    { "Hist hello Ours", "hello Hist", 2, 1 },
    { "u1 A B1 u2 Ours", "u1 A u2 B1 B2", 5, 3 },
    { "u1 A B1 u2 Ours", "u1 A u2 B1 Ours u3", 5, 3 },
    /* a person, several bubbles, withheld replies */
    { "u1 A u2", "u1 u2", 2, 2 },
    { "u1 A u2", "u1 u2 u3", 2, 2 },
    { "u1 u2", "u1 A u2 u3", 3, 1 },
    { "u1 Long", "u1 Two Bubbles u2", 3, 0 },
    { "u1", "u1 Two Bubbles u2", 1, 0 },
    { "u1 A B C", "u1 X u2", 2, 0 },
    { "u1 S u2 S u3", "u1 u2 B u3 C u4", 4, 4 },
    /* nothing in common */
    { "u1 B", "u9", 0, -1 },
    { "u1 B", "u9 B", 0, -1 },
    { "u1 Sorry", "u9 Sorry", 0, -1 },
    { "u1 Sorry", "u9 Sorry u10", 0, -1 },
    { "u1 Sorry Bye", "u9 Sorry Bye u10", 0, -1 },
    { "u1 B u2 Sorry", "u9 X u8 Sorry u7 Y", 0, -1 },
    { "x A ok B", "a C ok", 0, -1 },
    /* one side lacks something */
    { "u1 B u2", "u1 B u3", 2, 0 },
    { "u1 B u2", "u1 B u2 u3", 3, 2 },
    { "u1 A u2 B u3 C", "u1 A u3 C", 4, 4 },
    { "u1 A u2 B u3 C", "u1 A u3 C u4", 4, 4 },
    { "u1 A u2 B", "u1 A u9 X u2 B u3", 6, 2 },
    { "u1 u2 - B", "u1 u2 B u3", 3, 1 },
    { "u1 - - -", "u1 u2", 1, 0 },
    /* came late, sorted in before the others */
    { "u1", "u0 u1", 0, -1 },
    { "a B u2", "a B u1 u2", 2, 0 },
    { "a B u1 u3", "a B u1 u2 u3", 3, 2 },
    { "u1 u2 u3 u4 u5 u6 u7 u8", "u0 u1 u2 u3 u4 u5 u6 u7 u8", 9, 7 },
    { "u1 u2 u3 u4 u5 u6 u7 u8", "u0 u1 u2 u3 u4 u5 u6 u7 u8 u9", 9, 7 },
    { "u1 u2 u3 u4 u5 u6 u7 u8", "u0 u1 u2 u3 x u4 u5 u6 u7 u8", 0, -1 },
    /* older requests that come late, and what only looks like one */
    { "u1 A u2 B", "u1 A", 2, 0 },
    { "u1 A u2 B", "u1 X", 0, -1 },
    { "u1 A u2 B u3 C u4 D", "u1 A", 2, 0 },
    { "u1 A u2 B u3 C", "u1 u2", 2, 2 },
    { "u1 A u2 B u3 C u4 D u5 E u6 F", "u1 X u2 Y u3", 5, 4 },
    { "u1 A u2 B u3 C u4 D u5 E u6 F", "B u3", 2, 4 },
    { "u1 u2 u3", "u1 u2", 2, 1 },
    { "ok A x B", "ok", 0, -1 },
    { "u1 u2", "u1", 0, -1 },
    { "ok A x B ok C", "ok", 1, 4 },
    { "a b c a", "a b", 1, 3 },
    { "a b c d e a", "a b c d", 4, 3 },
    { "a b c d e f g a", "a b c d", 1, 7 },
    { "M ok B x M", "M ok", 1, -1 },
    { "1 M 2 N 3 O 1 M", "1 M 2", 2, 6 },
    { "M u1 M u2 M u3 M u4 M u5 M u6 M u7 M", "M u1 M u2 M", 5, 3 },
    /* white space is one; case is not */
    { "a_b B", "a__b B u2", 2, 0 },
    { "_a\r\nb\xC2\xA0 B", "a\nb B u2", 2, 0 },
    { "ab B", "a_b", 0, -1 },
    { "ok B", "oK", 0, -1 },
    /* the same words of the other side are another text */
    { "u1 Ok", "u1 X ok", 2, 0 },
};

static void one_by_one(void)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char words[2][256];
        struct overlap_entry history[50];
        size_t last = 7, stored_n = read_words(cases[i].stored, stored, words[0], sizeof(words[0]));
        size_t n = read_words(cases[i].history, history, words[1], sizeof(words[1]));
        for (size_t k = 0; k < n; k++)
            parts[k] = (struct markup_part){ .bot = !history[k].user, .text = history[k].text };
        is_int(overlap_known(stored, stored_n, parts, n, &last, NULL), cases[i].known, "row %zu", i);
        is_int(last == SIZE_MAX ? -1 : (long)last, cases[i].last, "the last one that matched");
    }
    size_t last;
    struct overlap_entry agent = { .user = false, .text = SV("hello") };
    parts[0] = (struct markup_part){ .bot = false, .text = SV("hello") };
    is_int(overlap_known(&agent, 1, parts, 1, &last, NULL), 0, "the same words of another person are another text");
    is_int(overlap_known(NULL, 0, NULL, 0, &last, NULL), 0, "nothing and nothing");
}

/* As stores leave it behind that were apart for a moment. `also`: "+" known although new ones come before it. */
static void apart(void)
{
    static const struct {
        const char *stored;
        int64_t step_ms; /* from each entry to the next */
        const char *history;
        size_t known;
        const char *also;
        long last;
    } rows[] = {
        { "a B u2 u1", 500, "a B u1 u2", 4, "----", 2 },
        { "a B u2 u1", 500, "a B u1 u2 u3", 4, "-----", 2 },
        { "a B u2 u3 u1", 500, "a B u1 u2 u3", 5, "-----", 3 },
        { "a B u2 u3 u1", 500, "a B u1 X u2 u3 u4", 6, "-------", 3 },
        { "a B u1 u3", 500, "a B u1 u2 u3", 3, "----+", 2 },
        { "a B u3", 500, "a B u1 u2 u3 u4", 2, "----+-", 0 },
        { "h u1 u2 u3", 500, "h W u0 u1 u2 u3 u4", 1, "---+++-", 0 },
        { "u1 u2 u3", 500, "u0 u1 u2 u3", 0, "-+++", -1 },
        { "u2 u1", 500, "u1 u2", 1, "--", 1 },               /* there is nothing before them that both have */
        { "a B u2 u1", 0, "a B u1 u2", 3, "----", 3 },       /* not said when */
        { "a B u2 u1", 20000, "a B u1 u2", 3, "----", 3 },   /* no moment */
        { "a ok B", 500, "a ok C ok", 3, "----", 1 },        /* the customer says it again */
        { "a ok B ok C", 500, "a ok B ok C ok", 5, "------", 3 },
        { "ok B a C", 500, "a C ok", 2, "---", 2 },          /* so does he when a window shows less than what is there */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char words[2][256], flags[51] = "";
        struct overlap_entry history[50];
        struct overlap_room room[50];
        size_t last = 7, stored_n = read_words(rows[i].stored, stored, words[0], sizeof(words[0]));
        size_t n = read_words(rows[i].history, history, words[1], sizeof(words[1]));
        for (size_t k = 0; k < stored_n; k++)
            stored[k].at_ms = rows[i].step_ms != 0 ? 1700000000000 + (int64_t)k * rows[i].step_ms : 0;
        for (size_t k = 0; k < n; k++)
            parts[k] = (struct markup_part){ .bot = !history[k].user, .text = history[k].text };
        is_int(overlap_known(stored, stored_n, parts, n, &last, room), rows[i].known, "%s | %s", rows[i].stored, rows[i].history);
        for (size_t k = 0; k < n; k++)
            flags[k] = room[k].known ? '+' : '-';
        is_str(flags, rows[i].also, "known behind that");
        is_int((long)last, rows[i].last, "the last one that matched");
    }
}

static struct sv name(struct arena *a, const char *kind, size_t number)
{
    struct sv text = arena_printf(a, "%s %zu", kind, number);
    if (text.p == NULL)
        bail_out("no memory");
    return text;
}

/* `all` entries, some of them the last ones that are stored, and the newest `more`. */
static void long_ones(struct arena *a)
{
    static const struct {
        size_t all, kept, more;
        bool alternating;
    } rows[] = { { 300, 40, 2, true }, { 300, 40, 2, false }, { 300, 9, 1, false }, { 10000, 540, 2, true }, { 10000, 1024, 1, true }, { 10000, 9999, 2, true } };
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        size_t n = 0, last, known = rows[r].all - rows[r].more;
        for (size_t i = 0; i < rows[r].all; i++) {
            bool bot = rows[r].alternating && i % 2 == 0;
            parts[i] = (struct markup_part){ .bot = bot, .text = name(a, "text", i) };
            if (i < known && i + rows[r].kept >= known)
                stored[n++] = (struct overlap_entry){ .user = !bot, .text = parts[i].text };
        }
        is_int(overlap_known(stored, n, parts, rows[r].all, &last, NULL), known, "of %zu parts, %zu of them stored, %zu are new", rows[r].all, n, rows[r].more);
        is_int(last, rows[r].alternating && (known - 1) % 2 == 0 ? n - 2 : n - 1, "and the last one is found");
    }
}

static void worst_case(void)
{
    int64_t best_us = INT64_MAX;
    size_t last = 0, known = 0;
    for (size_t i = 0; i < MARKUP_PARTS_MAX; i++)
        parts[i] = (struct markup_part){ .text = SV("ok") };
    for (size_t i = 0; i < 540; i++)
        stored[i] = (struct overlap_entry){ .user = true, .text = SV("ok") };
    for (int i = 0; i < 5; i++) {
        int64_t begin_us = clock_mono_us();
        known = overlap_known(stored, 540, parts, MARKUP_PARTS_MAX, &last, NULL);
        int64_t took_us = clock_mono_us() - begin_us;
        best_us = took_us < best_us ? took_us : best_us;
    }
    is_int(known, 540, "of 10,000 equal parts against 540 entries those many are known");
    ok(best_us < 500000, "in a time that even sanitizers keep (%lld us; 8 ms without)", (long long)best_us);
}

/* A conversation of distinct texts, the store's view of its first `seen` entries and a client's of a window that ends behind them. Others' texts
 * are lost or look different on either side. What is new must be exactly the customer's texts from `seen` on. */
static bool two_views(struct arena *a, int *checked)
{
    size_t seen = 1 + below(60), fresh = below(5), all = seen + fresh, stored_n = 0, n = 0, last;
    bool user[70];
    size_t from = below(3) == 0 ? 0 : below((uint32_t)seen), keep = below(2) == 0 ? seen : 24 + below(30), new_users = 0, common = 0;
    for (size_t i = 0; i < all; i++)
        user[i] = below(5) < 3;
    user[0] = user[seen - 1] = user[all - 1] = true;
    size_t stored_from = keep < seen ? seen - keep : 0;
    for (size_t i = 0; i < all; i++) {
        struct sv text = name(a, user[i] ? "u" : "b", i), other = below(3) == 0 ? name(a, "x", i) : text;
        if (i >= stored_from && i < seen && (user[i] || below(4) > 0)) {
            stored[stored_n++] = (struct overlap_entry){ .user = user[i], .text = text };
        }
        if (i >= from && (user[i] || below(4) > 0)) {
            parts[n++] = (struct markup_part){ .bot = !user[i], .text = user[i] ? text : other };
            new_users += user[i] && i >= seen;
            common += user[i] && i >= stored_from && i < seen;
        }
    }
    size_t known = overlap_known(stored, stored_n, parts, n, &last, NULL), left = 0;
    for (size_t i = known; i < n; i++)
        left += !parts[i].bot;
    /* What the store has forgotten may stand in the run that would be answered; with fewer than 8 pairs that is not known. */
    if (stored_from > from && common < 8)
        return true;
    (*checked)++;
    bool right = left == new_users && (last == SIZE_MAX || stored[last].user);
    if (!right)
        diag("seen %zu, new %zu, from %zu, kept from %zu: %zu of %zu known, %zu users left, last %zu", seen, fresh, from, stored_from, known, n, left, last);
    return right;
}

static void views(struct arena *a)
{
    int checked = 0;
    bool right = true;
    for (int i = 0; i < 30000 && right; i++) {
        right = two_views(a, &checked);
        arena_reset(a);
    }
    ok(right && checked > 25000, "of distinct texts exactly the new ones are new (%d conversations)", checked);
}

#define TALK_MAX 400

/* The truth (what the platform shows), the store, and how often each text of the truth was answered. */
struct talk {
    struct arena *a;
    size_t kept, window; /* entries; parts, 0: all */
    bool answers_shown;  /* the platform shows our replies as they are */
    struct markup_part truth[TALK_MAX];
    size_t truth_n, answered[TALK_MAX];
    struct overlap_entry stored[TALK_MAX * 3];
    size_t stored_n;
};

static void keep(struct talk *t, bool user, struct sv text)
{
    t->stored[t->stored_n++] = (struct overlap_entry){ .user = user, .text = text };
    if (t->stored_n > t->kept) {
        t->stored_n--;
        memmove(t->stored, t->stored + 1, t->stored_n * sizeof(t->stored[0]));
    }
}

/* A request whose history ends before part `end` of the truth. */
static void send_history(struct talk *t, size_t end)
{
    size_t from = t->window > 0 && end > t->window ? end - t->window : 0, n = end - from, last;
    const struct markup_part *history = t->truth + from;
    size_t known = overlap_known(t->stored, t->stored_n, history, n, &last, NULL);
    struct markup_run run = markup_question(history, n, known);
    for (size_t i = known; i < n; i++)
        if (i < run.begin || i >= run.end)
            keep(t, !history[i].bot, history[i].text);
    for (size_t i = run.begin; i < run.end; i++) {
        keep(t, true, history[i].text);
        t->answered[from + i]++;
    }
}

static void speak(struct talk *t, bool bot, size_t alphabet)
{
    struct sv text = alphabet > 0 ? name(t->a, bot ? "b" : "u", below((uint32_t)alphabet)) : name(t->a, bot ? "b" : "u", t->truth_n);
    t->truth[t->truth_n++] = (struct markup_part){ .bot = bot, .text = text };
    if (bot)
        keep(t, false, t->answers_shown || below(2) == 0 ? text : name(t->a, "other", t->truth_n));
}

/* A customer writes, the client sends the history after each message, sometimes twice; with `lag` some requests come after younger ones. The bot answers
 * now and then, when nothing is late: a text that it has passed over counts as answered elsewhere. Says how many texts were not answered, and how many more than once. */
static void live(struct talk *t, size_t alphabet, uint32_t lag, size_t *lost, size_t *twice)
{
    size_t late = 0;
    *lost = *twice = 0;
    while (t->truth_n < TALK_MAX - 2) {
        speak(t, false, alphabet);
        if (late == 0 && below(100) < lag)
            late = t->truth_n;
        else
            for (uint32_t times = 1 + (below(4) == 0); times > 0; times--)
                send_history(t, t->truth_n);
        if (late > 0 && late < t->truth_n && below(2) == 0) {
            send_history(t, late);
            late = 0;
        }
        if (late == 0 && below(3) > 0)
            speak(t, true, alphabet);
    }
    send_history(t, late > 0 ? late : t->truth_n);
    for (size_t i = 0; i < t->truth_n; i++) {
        *lost += !t->truth[i].bot && t->answered[i] == 0;
        *twice += !t->truth[i].bot && t->answered[i] > 1;
    }
}

static void lives(struct arena *a)
{
    static const struct {
        size_t kept, window, alphabet;
        uint32_t lag; /* percent */
        bool shown;
        size_t lost_max, twice_max;
        const char *what;
    } rows[] = {
        { TALK_MAX * 2, 0, 0, 0, true, 0, 0, "distinct texts, whole histories" },
        { TALK_MAX * 2, 0, 0, 0, false, 0, 0, "distinct texts, whole histories, replies look different" },
        { 40, 0, 0, 0, false, 0, 0, "distinct texts, whole histories, a store that forgets" },
        { 40, 10, 0, 0, false, 0, 0, "distinct texts, a window of 10, a store that forgets" },
        { 40, 3, 0, 0, true, 0, 0, "distinct texts, a window of 3, a store that forgets" },
        { TALK_MAX * 2, 0, 3, 0, true, 0, 0, "three texts, whole histories" },
        { TALK_MAX * 2, 0, 3, 0, false, 0, 0, "three texts, whole histories, replies look different" },
        { TALK_MAX * 2, 0, 1, 0, false, 0, 0, "one text, whole histories, replies look different" },
        { 40, 0, 3, 0, true, 0, SIZE_MAX, "three texts, whole histories, a store that forgets: none is lost" },
        { 40, 0, 1, 0, true, 0, SIZE_MAX, "one text, whole histories, a store that forgets: none is lost" },
        { TALK_MAX * 2, 0, 0, 30, false, 0, SIZE_MAX, "distinct texts, whole histories, some late: none is lost" },
        { 40, 0, 0, 30, true, 0, SIZE_MAX, "distinct texts, whole histories, some late, a store that forgets: none is lost" },
        { 40, 10, 0, 30, true, 0, SIZE_MAX, "distinct texts, a window of 10, some late, a store that forgets: none is lost" },
        { TALK_MAX * 2, 0, 3, 30, true, 0, SIZE_MAX, "three texts, whole histories, some late: none is lost" },
        { 40, 10, 3, 0, true, 0, SIZE_MAX, "three texts, a window of 10 in which replies look the same: none is lost" },
        { 40, 1, 0, 0, false, 0, 0, "distinct texts, the newest only" },
    };
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        size_t lost = 0, twice = 0;
        for (int i = 0; i < 8; i++) {
            struct talk *t = calloc(1, sizeof(*t));
            if (t == NULL)
                bail_out("no memory");
            size_t l, w;
            t->a = a;
            t->kept = rows[r].kept;
            t->window = rows[r].window;
            t->answers_shown = rows[r].shown;
            live(t, rows[r].alphabet, rows[r].lag, &l, &w);
            lost += l;
            twice += w;
            free(t);
            arena_reset(a);
        }
        ok(lost <= rows[r].lost_max && twice <= rows[r].twice_max, "%s (%zu lost, %zu twice)", rows[r].what, lost, twice);
    }
}

int main(void)
{
    struct arena *a = arena_new(0, 64 << 20);
    if (a == NULL)
        bail_out("no memory");
    one_by_one();
    apart();
    long_ones(a);
    worst_case();
    arena_reset(a);
    views(a);
    lives(a);
    arena_free(a);
    return done_testing();
}
