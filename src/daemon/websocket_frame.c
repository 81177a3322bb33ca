/* SPDX-License-Identifier: MIT
 * Shared frames are found by session and number, but are the same only when their text is: numbers begin anew when a session is erased. */
#include "config.h"

#include <stdlib.h>

#include "daemon/websocket_frame.h"
#include "lib/map.h"

#define KEY_MAX 512

struct frames {
    struct map *all;
};

struct frames *frames_new(void)
{
    struct frames *f = calloc(1, sizeof(*f));

    if (f != NULL && (f->all = map_new()) != NULL)
        return f;
    free(f);
    return NULL;
}

void frames_free(struct frames *f)
{
    if (f == NULL)
        return;
    map_free(f->all);
    free(f);
}

static struct frame *make(struct sv text, struct sv key)
{
    struct frame *f = malloc(sizeof(*f) + FRAME_ROOM + text.n + key.n);

    if (f == NULL)
        return NULL;
    *f = (struct frame){ .refs = 1, .n = text.n, .text = (unsigned char *)(f + 1) + FRAME_ROOM, .key_n = key.n };
    f->key = (char *)f->text + text.n;
    if (text.n > 0)
        memcpy(f->text, text.p, text.n);
    if (key.n > 0)
        memcpy(f->key, key.p, key.n);
    return f;
}

struct frame *frame_new(struct sv text)
{
    return make(text, SV_NONE);
}

static struct sv key_of(const struct frame *f)
{
    return (struct sv){ f->key, f->key_n };
}

struct frame *frames_get(struct frames *f, struct sv session_id, uint64_t seq, struct sv text)
{
    char bytes[KEY_MAX];
    struct sv key = { bytes, sizeof(seq) + session_id.n };
    struct frame *known;

    if (key.n > sizeof(bytes))
        return frame_new(text);
    memcpy(bytes, &seq, sizeof(seq));
    memcpy(bytes + sizeof(seq), session_id.p, session_id.n);
    known = map_find(f->all, key);
    if (known != NULL && known->n == text.n && memcmp(known->text, text.p, text.n) == 0) {
        known->refs++;
        return known;
    }
    struct frame *fresh = make(text, key);
    if (fresh != NULL && map_put(f->all, key, fresh, NULL) == 0)
        fresh->of = f;
    return fresh;
}

void frame_unref(struct frame *f)
{
    if (f == NULL || --f->refs > 0)
        return;
    if (f->of != NULL && map_find(f->of->all, key_of(f)) == f) /* else a later one has taken its place */
        (void)map_take(f->of->all, key_of(f));
    free(f);
}
