/* SPDX-License-Identifier: MIT
 * A list of watchers for each conversation, and a timer for each watcher: being woken is that timer set to now, so that no list is walked
 * while somebody leaves it. Knows nothing of what is waited for. */
#include "config.h"

#include <stdlib.h>

#include "turn/turn_parts.h"
#include "turn/watch.h"

struct watch {
    struct turns *t;
    struct watch *prev, *next; /* of one conversation */
    struct loop_timer *timer;
    turns_fn *fn;
    void *arg;
    size_t n;
    char id[]; /* the conversation's, n bytes */
};

static struct sv id_of(const struct watch *w)
{
    return (struct sv){ w->id, w->n };
}

static void fire(void *arg)
{
    struct watch *w = arg;
    loop_timer_set(w->timer, WATCH_EVERY_MS / 2 + (int64_t)id_random_below(WATCH_EVERY_MS / 2));
    w->fn(w->arg);
}

struct watch *turns_watch(struct turns *t, struct sv conversation_id, turns_fn *fn, void *arg)
{
    struct watch *w = calloc(1, sizeof(*w) + conversation_id.n);
    if (w == NULL)
        return NULL;
    *w = (struct watch){ .t = t, .fn = fn, .arg = arg, .n = conversation_id.n, .timer = loop_timer_new(t->o.loop, fire, w) };
    memcpy(w->id, conversation_id.p, conversation_id.n);
    w->next = map_find(t->watched, conversation_id);
    if (w->timer == NULL || map_put(t->watched, id_of(w), w, NULL) != 0) {
        loop_timer_free(w->timer);
        free(w);
        return NULL;
    }
    if (w->next != NULL)
        w->next->prev = w;
    loop_timer_set(w->timer, t->draining ? 0 : WATCH_EVERY_MS);
    return w;
}

static void watch_free(struct watch *w)
{
    loop_timer_free(w->timer);
    free(w);
}

void turns_unwatch(struct watch *w)
{
    if (w == NULL)
        return;
    if (w->next != NULL)
        w->next->prev = w->prev;
    if (w->prev != NULL)
        w->prev->next = w->next;
    else if (w->next == NULL)
        (void)map_take(w->t->watched, id_of(w));
    else if (map_put(w->t->watched, id_of(w), w->next, NULL) != 0) /* the key is there: nothing is allocated */
        abort();
    watch_free(w);
}

bool turns_is_draining(const struct turns *t)
{
    return t->draining;
}

static void wake_list(void *arg, struct sv key, void *value)
{
    (void)arg, (void)key;
    for (struct watch *w = value; w != NULL; w = w->next)
        loop_timer_set(w->timer, 0);
}

void watches_wake(struct turns *t, struct sv conversation_id)
{
    wake_list(NULL, conversation_id, map_find(t->watched, conversation_id));
}

void watches_wake_all(struct turns *t)
{
    map_each(t->watched, wake_list, NULL);
}

static void free_list(void *arg, struct sv key, void *value)
{
    (void)arg, (void)key;
    for (struct watch *w = value, *next; w != NULL; w = next) {
        next = w->next;
        watch_free(w);
    }
}

void watches_free(struct turns *t)
{
    if (t->watched != NULL)
        map_each(t->watched, free_list, NULL);
    map_free(t->watched);
    t->watched = NULL;
}
