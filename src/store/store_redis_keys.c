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

/* An id that another one follows on. */
static void key_of_two(struct buf *b, struct sv head, struct sv id, struct sv behind)
{
    char size[24] = "";
    if (memchr(id.p, ':', id.n) != NULL)
        (void)snprintf(size, sizeof(size), ":%zu:", id.n);
    redis_write_joined(b, (struct sv[]){ head, sv_from(size), id, SV(":"), behind }, 5);
}

void redis_key_mark(struct buf *b, struct sv id, struct sv message_id)
{
    key_of_two(b, SV("message:"), id, message_id);
}

void redis_key_entries(struct buf *b, struct sv user_id, struct sv id)
{
    key_of_two(b, SV("chat_history:"), user_id, id);
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

static const struct sv history_heads[] = {
    [KEY_INFO] = { "session_info:", 13 },          [KEY_USER] = { "user_sessions:", 14 }, [KEY_DAY] = { "chat_analytics:", 15 },
    [KEY_PREFERENCES] = { "user_preferences:", 17 }, [KEY_ERASED] = { "erased:", 7 },
};

void redis_key_history(struct buf *b, struct sv id, enum history_key which)
{
    redis_write_joined(b, (struct sv[]){ history_heads[which], id }, 2);
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
