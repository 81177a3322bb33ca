/* SPDX-License-Identifier: MIT
 * Hash map. Keys often come from clients, so the hash is keyed: SipHash-1-3 (Aumasson and Bernstein 2012, with the
 * fewer rounds that hash tables use). One allocation an entry; entries never move, only the table of their heads is
 * renewed. */
#include "config.h"

#include <stdlib.h>

#include "lib/id.h"
#include "lib/map.h"

#define SIZE_FIRST 16

struct entry {
    struct entry *next;
    uint64_t hash;
    void *value;
    size_t n;
    char key[];
};

struct map {
    struct entry **heads;
    size_t size; /* a power of two */
    size_t count;
    uint64_t seed[2];
};

#define ROTATE(x, n) ((x) << (n) | (x) >> (64 - (n)))

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = ROTATE(v[1], 13) ^ v[0];
    v[0] = ROTATE(v[0], 32);
    v[2] += v[3];
    v[3] = ROTATE(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = ROTATE(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = ROTATE(v[1], 17) ^ v[2];
    v[2] = ROTATE(v[2], 32);
}

static uint64_t hash_of(const struct map *m, struct sv key)
{
    uint64_t v[4] = { m->seed[0] ^ 0x736f6d6570736575, m->seed[1] ^ 0x646f72616e646f6d, m->seed[0] ^ 0x6c7967656e657261,
                      m->seed[1] ^ 0x7465646279746573 };
    uint64_t word;
    size_t i;

    for (i = 0; i + 8 <= key.n; i += 8) {
        memcpy(&word, key.p + i, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = 0;
    if (key.n > i)
        memcpy(&word, key.p + i, key.n - i);
    word ^= (uint64_t)key.n << 56;
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xFF;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct map *map_new(void)
{
    struct map *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return NULL;
    m->size = SIZE_FIRST;
    m->heads = calloc(m->size, sizeof(struct entry *));
    if (m->heads == NULL) {
        free(m);
        return NULL;
    }
    id_random(m->seed, sizeof(m->seed));
    return m;
}

void map_free(struct map *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->size; i++) {
        while (m->heads[i] != NULL) {
            struct entry *x = m->heads[i];
            m->heads[i] = x->next;
            free(x);
        }
    }
    free(m->heads);
    free(m);
}

/* The link that points to the entry, or the empty link at its chain's end. */
static struct entry **link_of(const struct map *m, struct sv key, uint64_t hash)
{
    struct entry **at = &m->heads[hash & (m->size - 1)];

    while (*at != NULL && ((*at)->hash != hash || !sv_eq((struct sv){ (*at)->key, (*at)->n }, key)))
        at = &(*at)->next;
    return at;
}

void *map_find(const struct map *m, struct sv key)
{
    const struct entry *x = *link_of(m, key, hash_of(m, key));

    return x != NULL ? x->value : NULL;
}

/* Without memory the map stays as it is: slower, not wrong. */
static void grow(struct map *m)
{
    size_t size = m->size * 2;
    struct entry **heads = calloc(size, sizeof(struct entry *));

    if (heads == NULL)
        return;
    for (size_t i = 0; i < m->size; i++) {
        while (m->heads[i] != NULL) {
            struct entry *x = m->heads[i];
            m->heads[i] = x->next;
            x->next = heads[x->hash & (size - 1)];
            heads[x->hash & (size - 1)] = x;
        }
    }
    free(m->heads);
    m->heads = heads;
    m->size = size;
}

int map_put(struct map *m, struct sv key, void *value, void **old)
{
    uint64_t hash = hash_of(m, key);
    struct entry **at = link_of(m, key, hash);
    struct entry *x = *at;

    if (old != NULL)
        *old = x != NULL ? x->value : NULL;
    if (x != NULL) {
        x->value = value;
        return 0;
    }
    x = malloc(sizeof(*x) + key.n);
    if (x == NULL)
        return -1;
    *x = (struct entry){ .hash = hash, .value = value, .n = key.n };
    if (key.n > 0)
        memcpy(x->key, key.p, key.n);
    *at = x;
    if (++m->count > m->size)
        grow(m);
    return 0;
}

void *map_take(struct map *m, struct sv key)
{
    struct entry **at = link_of(m, key, hash_of(m, key));
    struct entry *x = *at;
    void *value;

    if (x == NULL)
        return NULL;
    value = x->value;
    *at = x->next;
    m->count--;
    free(x);
    return value;
}

size_t map_count(const struct map *m)
{
    return m->count;
}

void map_each(struct map *m, void (*fn)(void *arg, struct sv key, void *value), void *arg)
{
    for (size_t i = 0; i < m->size; i++) {
        struct entry *next;
        for (struct entry *x = m->heads[i]; x != NULL; x = next) {
            next = x->next;
            fn(arg, (struct sv){ x->key, x->n }, x->value);
        }
    }
}
