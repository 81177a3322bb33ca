/* SPDX-License-Identifier: MIT
 * Dead letters in Redis: message_queue:dead is a sorted set of ids (all scores 0, so that the ids' own order counts),
 * message_queue:dead:items a hash of what they are. Knows nothing of what letters mean. */
#include "config.h"

#include <stdlib.h>

#include "store/store_redis_inside.h"

static void on_letters(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct redis *r = call->owner;
    store_letters_fn *fn = (store_letters_fn *)call->fn;
    struct store_letter *letters = NULL;
    size_t n = 0;
    enum store_status status = redis_status(r, outcome, reply, "letters");
    if (status == STORE_DONE) {
        n = reply->n / 2;
        letters = calloc(n + 1, sizeof(*letters));
        if (letters == NULL)
            status = STORE_DOWN;
    }
    for (size_t i = 0; letters != NULL && i < n; i++) {
        letters[i] = (struct store_letter){ redis_text(reply, 2 * i), redis_text(reply, 2 * i + 1) };
        if (letters[i].id.p == NULL || letters[i].item.p == NULL)
            status = redis_odd(r, "letters");
    }
    fn(call->arg, status, status == STORE_DONE ? letters : NULL, status == STORE_DONE ? n : 0);
    free(letters);
}

static struct sv name_of(enum store_letters_op op)
{
    switch (op) {
    case STORE_LETTERS_LIST:
        return SV("list");
    case STORE_LETTERS_GET:
        return SV("get");
    case STORE_LETTERS_DROP:
        return SV("drop");
    case STORE_LETTERS_AGAIN:
        return SV("again");
    }
    return SV("");
}

void redis_letters(struct store *s, const struct store_letters *what, store_letters_fn *fn, void *arg)
{
    struct redis *r = redis_of(s);
    struct buf *b = redis_link_begin_script(r->link, SCRIPT_LETTERS, 3, 4);
    bool sent = false;
    if (b != NULL) {
        redis_write(b, KEY_DEAD);
        redis_write(b, KEY_DEAD_ITEMS);
        redis_key_queue(b, what->op == STORE_LETTERS_AGAIN ? what->queue : STORE_QUEUE_MESSAGES);
        redis_write(b, name_of(what->op));
        redis_write(b, what->id);
        if (what->op == STORE_LETTERS_LIST)
            redis_write_i64(b, what->max < INT32_MAX ? (int64_t)what->max : INT32_MAX);
        else
            redis_write(b, what->item);
        redis_write_i64(b, STORE_LIST_BYTES);
        sent = redis_link_end(
            r->link, &(struct redis_call){ .done = on_letters, .owner = r, .fn = (void (*)(void))fn, .arg = arg });
    }
    if (!sent)
        redis_refuse(r, &(struct answer){ .kind = ANSWER_LETTERS, .fn.letters = fn, .arg = arg });
}
