/* SPDX-License-Identifier: MIT
 * Layout (src/backend/utils/adt/arrayfuncs.c, array_recv): int32 dimensions, int32 has-nulls, int32 element type, int32 count,
 * int32 lower bound; then for each element int32 length (-1: NULL) and its bytes. All big endian. */
#include "config.h"

#include <endian.h>

#include "archive/pg_array.h"

#define COUNT_AT 12

uint32_t pg_array_type(enum pg_type element)
{
    switch (element) {
    case PG_BOOLEAN:
        return 1000;
    case PG_INTEGER:
        return 1007;
    case PG_TEXT:
        return 1009;
    case PG_BIGINT:
        return 1016;
    case PG_DOUBLE:
        return 1022;
    case PG_TIMESTAMPTZ:
        return 1185;
    case PG_UUID:
        return 2951;
    case PG_JSONB:
        return 3807;
    }
    return 0;
}

static void put_u32(char *p, uint32_t n)
{
    n = htobe32(n);
    memcpy(p, &n, sizeof(n));
}

void pg_array_start(struct pg_array *a, enum pg_type element)
{
    char head[20];

    put_u32(head, 1);
    put_u32(head + 4, 1);
    put_u32(head + 8, (uint32_t)element);
    put_u32(head + COUNT_AT, 0);
    put_u32(head + 16, 1);
    buf_clear(&a->b);
    buf_add(&a->b, (struct sv){ head, sizeof(head) });
    a->n = 0;
}

/* Room for a length and n bytes; NULL when memory is short. */
static char *element(struct pg_array *a, size_t n)
{
    char *p = buf_room(&a->b, n + 4);

    if (p == NULL)
        return NULL;
    put_u32(p, (uint32_t)n);
    buf_grown(&a->b, n + 4);
    a->n++;
    return p + 4;
}

void pg_array_null(struct pg_array *a)
{
    char *p = buf_room(&a->b, 4);

    if (p == NULL)
        return;
    put_u32(p, UINT32_MAX);
    buf_grown(&a->b, 4);
    a->n++;
}

void pg_array_text(struct pg_array *a, struct sv s)
{
    char *p;

    if (s.p == NULL) {
        pg_array_null(a);
        return;
    }
    p = element(a, s.n);
    if (p != NULL && s.n > 0)
        memcpy(p, s.p, s.n);
}

static void put_u64(struct pg_array *a, uint64_t n)
{
    char *p = element(a, sizeof(n));

    n = htobe64(n);
    if (p != NULL)
        memcpy(p, &n, sizeof(n));
}

void pg_array_bigint(struct pg_array *a, int64_t n)
{
    put_u64(a, (uint64_t)n);
}

void pg_array_integer(struct pg_array *a, int32_t n)
{
    char *p = element(a, sizeof(n));

    if (p != NULL)
        put_u32(p, (uint32_t)n);
}

void pg_array_double(struct pg_array *a, double n)
{
    uint64_t bits;

    memcpy(&bits, &n, sizeof(bits));
    put_u64(a, bits);
}

void pg_array_boolean(struct pg_array *a, bool yes)
{
    char *p = element(a, 1);

    if (p != NULL)
        *p = yes ? 1 : 0;
}

void pg_array_ms(struct pg_array *a, int64_t wall_ms)
{
    put_u64(a, (uint64_t)((wall_ms - PG_EPOCH_MS) * 1000));
}

void pg_array_uuid(struct pg_array *a, const unsigned char id[16])
{
    char *p = element(a, 16);

    if (p != NULL)
        memcpy(p, id, 16);
}

/* jsonb_recv: a version byte, then the text. */
void pg_array_json(struct pg_array *a, struct sv json)
{
    char *p;

    if (json.p == NULL) {
        pg_array_null(a);
        return;
    }
    p = element(a, json.n + 1);
    if (p == NULL)
        return;
    *p = 1;
    memcpy(p + 1, json.p, json.n);
}

struct sv pg_array_end(struct pg_array *a)
{
    if (!buf_ok(&a->b))
        return SV_NONE;
    put_u32(a->b.p + COUNT_AT, a->n);
    return buf_sv(&a->b);
}

void pg_array_fini(struct pg_array *a)
{
    buf_fini(&a->b);
    a->n = 0;
}
