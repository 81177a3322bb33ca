/* SPDX-License-Identifier: MIT
 * What the files control*.c share. Nobody else includes this. */
#ifndef TURN_CONTROL_OWN_H
#define TURN_CONTROL_OWN_H

#include "turn/control.h"
#include "turn/turn_parts.h"

#define CONTROL_ID_SHOWN_MAX 60 /* messages whose marks are read for one timeline */
#define CONTROL_OVERDUE_MS 2000 /* a lease is looked after within this */

/* One question of an administrator: first member of each one's own struct, which lives in the arena. */
struct control_call {
    struct turns *t;
    struct arena *a;
    control_fn *fn; /* NULL: answered */
    const char *cache; /* of the answer */
    void *arg;
};

/* `size` bytes that begin with a struct control_call, the rest zero; the engine does not drain before it is ended. NULL: memory is short,
 * and fn will be told from the loop. */
void *control_begin(struct turns *t, size_t size, control_fn *fn, void *arg) MUST_CHECK;
/* Tells the caller; what remains to be done goes on. Each of them at most once. */
void control_tell(struct control_call *c, struct buf *result); /* 200, or 503 when the buffer failed; frees the buffer */
void control_tell_made(struct control_call *c, struct buf *result); /* the same with 201 */
void control_tell_accepted(struct control_call *c, struct buf *result); /* with 202 */
void control_refuse(struct control_call *c, int http_status, const char *code, const char *message, struct buf *result); /* result NULL: none */
/* 422 with every field that is wrong: a JSON array. */
void control_invalid(struct control_call *c, const char *code, const char *message, struct buf *detail);
void control_unavailable(struct control_call *c); /* the store gives no answer */
void control_short_of_memory(struct control_call *c); /* from inside the caller's call: answered and ended on the loop */
/* True while the store only takes messages in, so that no conversation can be changed: the call is then answered and ended. */
bool control_is_spooling(struct control_call *c);
/* Frees it. */
void control_end(struct control_call *c);

/* The turn that this process runs there looks whether it still is one. */
void control_tell_owner(struct turns *t, struct sv conversation_id);

/* Seconds, or null when there is no such time. */
void control_put_ms(struct json_out *o, const char *key, int64_t ms);
/* "check_reply" and "check_reply_until". */
void control_put_pause(struct json_out *o, const struct conversation *c, int64_t now_ms);
/* A message has waited too long, or a lease is past its deadline. due_ms: the conversation's, 0: not known. */
bool control_is_stuck(const struct turns *t, const struct conversation *c, int64_t now_ms, int64_t due_ms);
int64_t control_stuck_after_ms(const struct turns *t);
/* When the oldest item of the queue came: INT64_MAX when there is none, 0 when it cannot be told. */
int64_t control_oldest_item_ms(const struct store_stat *s);

#endif
