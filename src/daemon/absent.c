/* SPDX-License-Identifier: MIT
 * A short list of watched names; one look a minute asks the store for each one's heartbeat. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/absent.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"

#define WATCHED_MAX 256
#define LOOK_MS 60000
#define NAME_SIZE 128

struct watched {
    char name[NAME_SIZE]; /* "": free */
    bool asked;           /* for its heartbeat; not answered yet */
    bool missing;         /* the last look found none */
    int64_t seen_mono_ms; /* its heartbeat, or when watching began */
    int64_t wanted_mono_ms;
};

struct absent {
    struct loop *loop;
    struct store *store;
    struct loop_timer *timer;
    int64_t patience_ms, look_ms;
    struct watched watched[WATCHED_MAX];
};

static void got_heartbeat(void *arg, enum store_status status, struct sv value)
{
    struct watched *w = arg;
    w->asked = false;
    if (status != STORE_DONE)
        return; /* whoever cannot be heard is not absent */
    w->missing = value.p == NULL;
    if (!w->missing)
        w->seen_mono_ms = clock_mono_ms();
}

static void look(void *arg)
{
    struct absent *a = arg;
    int64_t now = clock_mono_ms();
    for (size_t i = 0; i < WATCHED_MAX; i++) {
        struct watched *w = &a->watched[i];
        char name[NAME_SIZE + 8];
        if (w->name[0] == '\0' || w->asked)
            continue;
        if (now - w->wanted_mono_ms > 10 * a->look_ms) {
            w->name[0] = '\0';
            continue;
        }
        w->asked = true;
        (void)snprintf(name, sizeof(name), "daemon:%s", w->name);
        store_get(a->store, sv_from(name), got_heartbeat, w);
    }
    loop_timer_set(a->timer, a->look_ms);
}

static struct watched *find(struct absent *a, const char *owner)
{
    struct watched *room = NULL;
    for (size_t i = 0; i < WATCHED_MAX; i++) {
        struct watched *w = &a->watched[i];
        if (strcmp(w->name, owner) == 0)
            return w;
        if (w->name[0] == '\0' && !w->asked)
            room = w;
    }
    if (room != NULL) {
        *room = (struct watched){ .seen_mono_ms = clock_mono_ms() };
        (void)snprintf(room->name, sizeof(room->name), "%s", owner);
    }
    return room;
}

bool absent_for_good(struct absent *a, const char *owner)
{
    struct watched *w = owner[0] != '\0' && strlen(owner) < NAME_SIZE ? find(a, owner) : NULL;
    if (w == NULL)
        return false;
    w->wanted_mono_ms = clock_mono_ms();
    if (!w->missing || w->wanted_mono_ms - w->seen_mono_ms < a->patience_ms)
        return false;
    log_warning("a daemon has not been heard of for so long that its batches are given back", "owner", owner, NULL);
    return true;
}

struct absent *absent_new(struct loop *l, struct store *s, int64_t patience_ms, int64_t look_ms)
{
    struct absent *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return NULL;
    *a = (struct absent){ .loop = l, .store = s, .timer = loop_timer_new(l, look, a), .patience_ms = patience_ms,
                          .look_ms = look_ms > 0 ? look_ms : LOOK_MS };
    if (a->timer == NULL) {
        free(a);
        return NULL;
    }
    loop_timer_set(a->timer, a->look_ms);
    return a;
}

void absent_stop(struct absent *a)
{
    if (a == NULL)
        return;
    loop_timer_free(a->timer);
    a->timer = NULL;
}

void absent_free(struct absent *a)
{
    absent_stop(a);
    free(a);
}
