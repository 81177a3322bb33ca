/* SPDX-License-Identifier: MIT
 * The names of Redis keys: see store_redis_inside.h for the rules that keep them apart. */
#include "config.h"

#include <stdio.h>

#include "store/store_redis_inside.h"

static bool ends(struct sv s, struct sv tail)
{
    return s.n >= tail.n && memcmp(s.p + (s.n - tail.n), tail.p, tail.n) == 0;
}

static bool is_reserved(struct sv id)
{
    return ends(id, SV(":context")) || ends(id, SV(":pending")) || ends(id, SV(":record"));
}

void redis_key_conversation(struct buf *b, struct sv id, enum conversation_key which)
{
    static const struct sv tails[] = {
        [KEY_RECORD] = { "", 0 },
        [KEY_CONTEXT] = { ":context", 8 },
        [KEY_PENDING] = { ":pending", 8 },
    };
    redis_write_joined(
        b, (struct sv[]){ SV("conversation:"), id, is_reserved(id) ? SV(":record") : SV(""), tails[which] }, 4);
}

void redis_key_lock(struct buf *b, struct sv id)
{
    redis_write_joined(b, (struct sv[]){ SV("lock:"), id }, 2);
}

void redis_key_mark(struct buf *b, struct sv id, struct sv message_id)
{
    char size[24] = "";
    if (memchr(id.p, ':', id.n) != NULL)
        (void)snprintf(size, sizeof(size), ":%zu:", id.n);
    redis_write_joined(b, (struct sv[]){ SV("message:"), sv_from(size), id, SV(":"), message_id }, 5);
}

void redis_key_job(struct buf *b, struct sv id)
{
    redis_write_joined(b, (struct sv[]){ SV("job:"), id }, 2);
}

static const struct sv session_heads[] = {
    [KEY_VIEW] = { "chat_session:", 13 },
    [KEY_CUSTOMER] = { "session_customer:", 17 },
    [KEY_EVENTS] = { REDIS_EVENTS, sizeof(REDIS_EVENTS) - 1 },
    [KEY_LAST] = { "events_last:", 12 },
};

void redis_key_session(struct buf *b, struct sv id, enum session_key which)
{
    redis_write_joined(b, (struct sv[]){ session_heads[which], id }, 2);
}

void redis_key_queue(struct buf *b, enum store_queue q)
{
    redis_write(b, q == STORE_QUEUE_MESSAGES ? KEY_QUEUE : KEY_CALLBACKS);
}

void redis_key_batches(struct buf *b, enum store_queue q)
{
    redis_write(b, q == STORE_QUEUE_MESSAGES ? KEY_BATCHES : KEY_CALLBACK_BATCHES);
}

void redis_key_batch(struct buf *b, enum store_queue q, struct sv name)
{
    struct sv head = q == STORE_QUEUE_MESSAGES ? SV("message_queue:taken:") : SV("callback_queue:taken:");
    redis_write_joined(b, (struct sv[]){ head, name }, 2);
}
