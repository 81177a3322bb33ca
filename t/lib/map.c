/* SPDX-License-Identifier: MIT
 * The map against a plain array as its model, in random order; and taking while going through. */
#include "config.h"

#include <stdio.h>

#include "lib/id.h"
#include "lib/map.h"
#include "t/tap.h"

#define KEYS 500

static struct sv key_of(size_t i, char text[32])
{
    int n = snprintf(text, 32, "%0*zu", (int)(i % 20) + 1, i);

    return (struct sv){ text, (size_t)n };
}

static void test_model(void)
{
    struct map *m = map_new();
    static int values[KEYS * 2];
    void *model[KEYS] = { 0 };
    char text[32];
    size_t count = 0, wrong = 0;

    for (int i = 0; i < 20000; i++) {
        size_t k = id_random_below(KEYS);
        void *value = &values[id_random_below(KEYS * 2)], *old = &wrong;
        if (id_random_below(3) > 0) {
            wrong += map_put(m, key_of(k, text), value, &old) != 0 || old != model[k];
            count += model[k] == NULL;
            model[k] = value;
        } else {
            wrong += map_take(m, key_of(k, text)) != model[k];
            count -= model[k] != NULL;
            model[k] = NULL;
        }
        k = id_random_below(KEYS);
        wrong += map_find(m, key_of(k, text)) != model[k] || map_count(m) != count;
    }
    is_int(wrong, 0, "as the model");
    map_free(m);
}

struct walk {
    struct map *m;
    size_t seen, wrong;
};

static void take_each(void *arg, struct sv key, void *value)
{
    struct walk *w = arg;

    w->seen++;
    w->wrong += map_take(w->m, key) != value;
}

int main(void)
{
    struct walk w = { .m = map_new() };
    char text[32];
    int x, y;
    void *old = &x;

    test_model();
    for (size_t i = 0; i < KEYS; i++)
        if (map_put(w.m, key_of(i, text), &x, NULL) != 0)
            w.wrong++;
    map_each(w.m, take_each, &w);
    ok(w.seen == KEYS && w.wrong == 0 && map_count(w.m) == 0, "each one seen once and taken");
    ok(map_put(w.m, SV(""), &x, &old) == 0 && old == NULL && map_find(w.m, SV_NONE) == &x, "the empty key");
    ok(map_put(w.m, SV("a\0b"), &y, NULL) == 0 && map_find(w.m, SV("a\0c")) == NULL && map_find(w.m, SV("a\0b")) == &y,
       "keys are bytes");
    map_free(w.m);
    map_free(NULL);
    return done_testing();
}
