/* SPDX-License-Identifier: MIT
 *   note ──> waiting ──a few at a time──> archive_customer ──> store_session_fill ──> freed */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/customers.h"
#include "store/store_session.h"

#define AT_ONCE_MAX 8
#define WAITING_MAX 10000
#define SCRATCH_CAP (64u << 20)

struct one {
    struct one *next;
    struct customers *c;
    struct sv conversation_id, sender_id; /* in `text` */
    char text[];
};

struct customers {
    struct store *store;
    struct archive *archive;
    int64_t ttl_ms;
    struct one *first, **last; /* that wait */
    size_t waiting, at_once;
    bool stopped;
};

static void go_on(struct customers *c);

static void done(struct one *o)
{
    struct customers *c = o->c;

    free(o);
    c->at_once--;
    go_on(c);
}

static void filled(void *arg, enum store_status status)
{
    (void)status;
    done(arg);
}

static void got(void *arg, enum archive_status status, struct sv customer)
{
    struct one *o = arg;
    const struct store_session_fill fill = { .conversation_id = o->conversation_id, .view = SV_NONE, .customer = customer,
                                             .ttl_ms = o->c->ttl_ms };

    if (status != ARCHIVE_DONE || customer.p == NULL || o->c->stopped)
        done(o);
    else
        store_session_fill(o->c->store, &fill, filled, o);
}

static void go_on(struct customers *c)
{
    while (!c->stopped && c->first != NULL && c->at_once < AT_ONCE_MAX) {
        struct one *o = c->first;
        c->first = o->next;
        if (c->first == NULL)
            c->last = &c->first;
        c->waiting--;
        c->at_once++;
        archive_customer(c->archive, o->sender_id, got, o);
    }
}

static bool waits(const struct customers *c, struct sv conversation_id, struct sv sender_id)
{
    for (const struct one *o = c->first; o != NULL; o = o->next)
        if (sv_eq(o->conversation_id, conversation_id) && sv_eq(o->sender_id, sender_id))
            return true;
    return false;
}

static void add(struct customers *c, struct sv conversation_id, struct sv sender_id)
{
    struct one *o = c->waiting < WAITING_MAX ? calloc(1, sizeof(*o) + conversation_id.n + sender_id.n) : NULL;

    if (o == NULL)
        return;
    memcpy(o->text, conversation_id.p, conversation_id.n);
    memcpy(o->text + conversation_id.n, sender_id.p, sender_id.n);
    o->c = c;
    o->conversation_id = (struct sv){ o->text, conversation_id.n };
    o->sender_id = (struct sv){ o->text + conversation_id.n, sender_id.n };
    *c->last = o;
    c->last = &o->next;
    c->waiting++;
}

void customers_note(struct customers *c, const struct sv *items, size_t n)
{
    struct arena *a = arena_new(0, SCRATCH_CAP);

    for (size_t i = 0; i < n && a != NULL; i++) {
        struct sv conversation_id, sender_id;
        if (archive_item_customer(a, items[i], &conversation_id, &sender_id) && !waits(c, conversation_id, sender_id))
            add(c, conversation_id, sender_id);
        arena_reset(a);
    }
    arena_free(a);
    go_on(c);
}

struct customers *customers_new(struct store *s, struct archive *a, int64_t ttl_ms)
{
    struct customers *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    *c = (struct customers){ .store = s, .archive = a, .ttl_ms = ttl_ms };
    c->last = &c->first;
    return c;
}

void customers_set_ttl(struct customers *c, int64_t ttl_ms)
{
    c->ttl_ms = ttl_ms;
}

void customers_stop(struct customers *c)
{
    if (c != NULL)
        c->stopped = true;
}

void customers_free(struct customers *c)
{
    if (c == NULL)
        return;
    for (struct one *o = c->first, *next; o != NULL; o = next) {
        next = o->next;
        free(o);
    }
    free(c);
}
