/* SPDX-License-Identifier: MIT
 * The arena: alignment, zeroes, its cap, the order of deferred functions, and reuse. */
#include "config.h"

#include <stdio.h>

#include "lib/arena.h"
#include "t/tap.h"

static char order[32];

#define LETTER(c) ((void *)(intptr_t)(c))

static void note(void *arg)
{
    size_t n = strlen(order);

    (void)snprintf(order + n, sizeof(order) - n, "%c", (char)(intptr_t)arg);
}

static bool is_zero(const unsigned char *p, size_t n)
{
    while (n > 0)
        if (p[--n] != 0)
            return false;
    return true;
}

static void test_pieces(void)
{
    struct arena *a = arena_new(0, 10u << 20);
    unsigned char *before = NULL;
    bool aligned = true, zeroed = true, apart = true;

    for (size_t size = 0; size < 3000; size += 7) {
        unsigned char *p = arena_alloc(a, size);
        aligned &= p != NULL && (uintptr_t)p % _Alignof(max_align_t) == 0;
        zeroed &= is_zero(p, size);
        apart &= p != before;
        memset(p, 0xAA, size);
        before = p;
    }
    ok(aligned && zeroed && apart, "pieces are aligned, zeroed, distinct");
    unsigned char *large = arena_alloc(a, 300000);
    ok(large != NULL && is_zero(large, 300000), "a piece larger than any block");
    memset(large, 0xAA, 300000);
    unsigned char *small = arena_alloc(a, 16);
    ok(small != NULL && is_zero(small, 16), "a small one after it");
    ok(arena_used(a) >= 300016, "used: %zu", arena_used(a));
    arena_reset(a);
    is_int(arena_used(a), 0, "nothing is used after a reset");
    unsigned char *again = arena_alloc(a, 2000);
    ok(again != NULL && is_zero(again, 2000), "memory is zeroed again after a reset");
    arena_free(a);
}

static void test_cap(void)
{
    struct arena *a = arena_new(64, 1024);
    size_t got = 0;

    ok(arena_alloc(a, 1025) == NULL, "more than the cap at once");
    ok(arena_alloc(a, SIZE_MAX) == NULL && arena_array(a, SIZE_MAX / 2, 3) == NULL, "sizes that overflow");
    while (arena_alloc(a, 32) != NULL)
        got += 32;
    is_int(got, 1024, "the cap is reached exactly");
    is_sv(arena_sv(a, SV("x")), SV_NONE, "no copy beyond it");
    is_sv(arena_printf(a, "x"), SV_NONE, "no text beyond it");
    order[0] = '\0';
    is_int(arena_defer(a, note, LETTER('L')), -1, "nothing can be deferred");
    is_str(order, "L", "but then it ran at once");
    arena_reset(a);
    ok(arena_alloc(a, 1024) != NULL, "a reset gives all of it back");
    arena_free(a);
    a = arena_new(1u << 20, 100);
    ok(arena_alloc(a, 96) != NULL && arena_alloc(a, 96) == NULL, "a first block is not larger than the cap");
    arena_free(a);
}

static void test_text(void)
{
    struct arena *a = arena_new(0, 1u << 20);
    char from[] = "bytes";
    struct sv copy = arena_sv(a, (struct sv){ from, 5 });

    from[0] = 'X';
    is_sv(copy, SV("bytes"), "a copy");
    is_int(copy.p[5], 0, "with NUL behind it");
    is_sv(arena_sv(a, SV("")), SV(""), "empty stays empty");
    is_sv(arena_sv(a, SV_NONE), SV_NONE, "absent stays absent");
    is_str(arena_str(a, SV_NONE), "", "but as a C string it is empty");
    is_sv(arena_printf(a, "%d-%s", 7, "x"), SV("7-x"), "formatted");
    copy = arena_printf(a, "%0300d", 1);
    ok(copy.n == 300 && copy.p[299] == '1' && copy.p[300] == '\0', "formatted, long");
    arena_free(a);
}

int main(void)
{
    struct arena *a = arena_new(0, 1000);

    test_pieces();
    test_cap();
    test_text();
    order[0] = '\0';
    ok(arena_defer(a, note, LETTER('1')) == 0 && arena_defer(a, note, LETTER('2')) == 0, "two deferred");
    arena_reset(a);
    is_str(order, "21", "run in reverse order");
    ok(arena_defer(a, note, LETTER('3')) == 0, "one more");
    arena_free(a);
    is_str(order, "213", "each runs once");
    arena_free(NULL);
    return done_testing();
}
