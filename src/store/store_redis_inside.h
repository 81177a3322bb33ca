/* SPDX-License-Identifier: MIT
 * What the files of the Redis store share: the open store, its key names, and how a command's reply finds back to its caller.
 *
 * Key names are part of the contract. Ids are any bytes, so three rules keep two names apart that would be the
 * same: a conversation id that ends in ":context", ":pending" or ":record" gets ":record" appended in conversation:<id>; in
 * message:<id>:<message_id> and chat_history:<user>:<id>, an id with a colon is written as :<bytes of id>:<id> where another one follows. Nothing else is escaped: in other names the id stands
 * last, behind a head that is no other's. */
#ifndef STORE_STORE_REDIS_INSIDE_H
#define STORE_STORE_REDIS_INSIDE_H

#include "store/answer.h"
#include "store/redis_link.h"
#include "store/redis_scripts.h"
#include "store/store_backends.h"

struct taking;

struct redis {
    struct store store;
    struct redis_link *link;   /* commands */
    struct redis_link *events; /* SUBSCRIBE */
    struct answers *answers;   /* those that were refused without asking */
    int64_t queue_max_bytes;
    int64_t clock_ms, clock_mono_ms; /* the server's clock, and when that was; 0: not known yet */
    uint64_t batches;                /* number of the newest batch */
    struct taking *lost_takes;
    bool closed; /* waits to be freed */
    int64_t complained_ms; /* clock_mono_ms() of the last complaint in the log */
};

static inline struct redis *redis_of(struct store *s)
{
    return CONTAINER_OF(s, struct redis, store);
}

/* ---- names (store_redis_keys.c) ---- */

#define REDIS_CHANNEL "turnkeeper:events"

#define REDIS_EVENTS "events:" /* the head of the channels of single conversations, and of their logs */

enum session_key { KEY_VIEW, KEY_CUSTOMER, KEY_EVENTS, KEY_LAST };
enum history_key { KEY_INFO, KEY_USER, KEY_DAY, KEY_PREFERENCES, KEY_ERASED }; /* each with its id, or a day */
enum conversation_key { KEY_RECORD, KEY_CONTEXT, KEY_PENDING };

/* Each writes one argument. */
void redis_key_conversation(struct buf *b, struct sv id, enum conversation_key which);
void redis_key_lock(struct buf *b, struct sv id);
void redis_key_mark(struct buf *b, struct sv id, struct sv message_id);
void redis_key_job(struct buf *b, struct sv id);
void redis_key_session(struct buf *b, struct sv id, enum session_key which);
void redis_key_entries(struct buf *b, struct sv user_id, struct sv id);
void redis_key_history(struct buf *b, struct sv id, enum history_key which);
void redis_key_queue(struct buf *b, enum store_queue q);
void redis_key_batches(struct buf *b, enum store_queue q); /* the names of all its batches */
void redis_key_batch(struct buf *b, enum store_queue q, struct sv name);
#define KEY_DUE SV("due")
#define KEY_ACTIVITY SV("activity")
#define KEY_ACTIVE SV("active")
#define KEY_WAITING SV("waiting")
#define KEY_PAUSED SV("paused")
#define KEY_SESSIONS SV("sessions")
#define KEY_DAYS SV("analytics_days") /* those that have figures; score: until when */
#define KEY_QUEUE SV("message_queue")
#define KEY_CALLBACKS SV("callback_queue")
#define KEY_DEAD SV("message_queue:dead")
#define KEY_DEAD_ITEMS SV("message_queue:dead:items")
#define KEY_BATCHES SV("message_queue:batches")
#define KEY_CALLBACK_BATCHES SV("callback_queue:batches")

/* ---- calls (store_redis.c) ---- */

/* The status of a command that has no reply to look at, or of one whose reply is an error (which is logged, `what` names it). */
enum store_status redis_status(struct redis *r, enum redis_outcome outcome, const struct redis_reply *reply,
                               const char *what);
/* A reply of a shape that Redis does not give: logged; DOWN. */
enum store_status redis_odd(struct redis *r, const char *what);
/* Answers later: DOWN, or FULL when the link is up and takes no more. */
void redis_refuse(struct redis *r, const struct answer *a);
/* A scripted call without a special answer: 0 done, 1 conflict, 2 lease lost, 3 full. */
enum store_status redis_code(struct redis *r, const struct redis_reply *reply, const char *what);
/* Ends a command whose caller gets a status alone. */
void redis_end_status(struct redis *r, redis_done_fn *done, store_status_fn *fn, void *arg);
/* TIME came with the reply of `call`. Returns it in milliseconds; 0: it was none. */
int64_t redis_heard_time(struct redis *r, const struct redis_call *call, const struct redis_reply *time);
/* The server's clock by our own count. */
int64_t redis_now_ms(const struct redis *r);

/* ---- operations ---- */

void redis_load(struct store *s, const struct store_load *what, store_load_fn *fn, void *arg); /* store_redis_load.c */
void redis_apply(struct store *s, const struct store_change *c, store_apply_fn *fn,
                 void *arg); /* store_redis_apply.c */
void redis_renew(struct store *s, struct sv id, struct sv token, int64_t ttl_ms, store_status_fn *fn, void *arg);
void redis_list(struct store *s, const struct store_list *what, store_list_fn *fn, void *arg); /* store_redis_list.c */
void redis_letters(struct store *s, const struct store_letters *what, store_letters_fn *fn,
                   void *arg); /* store_redis_letters.c */
void redis_take(struct store *s, enum store_queue q, struct sv owner, size_t max, store_take_fn *fn,
                void *arg); /* store_redis_queue.c */
void redis_ack(struct store *s, const struct store_ack *ack, store_status_fn *fn, void *arg);
void redis_recover(struct store *s, enum store_queue q, store_dead_fn *is_dead, void *dead_arg, store_status_fn *fn, void *arg);
void redis_return_lost_takes(struct redis *r);
void redis_forget_lost_takes(struct redis *r);
void redis_stat(struct store *s, store_stat_fn *fn, void *arg); /* store_redis_stat.c */
void redis_session(struct store *s, struct sv id, store_session_fn *fn, void *arg); /* store_redis_session.c */
void redis_session_fill(struct store *s, const struct store_session_fill *what, store_status_fn *fn, void *arg);
void redis_events(struct store *s, struct sv id, uint64_t after, store_events_fn *fn, void *arg);
void redis_event_say(struct store *s, const struct store_event_say *what, store_status_fn *fn, void *arg);
int redis_listen(struct store *s, struct sv id, bool on);
extern const struct store_history_ops redis_history_ops; /* store_redis_history.c */
/* What apply.lua answers when a user has too many sessions: some are made to leave, whenever that is done. */
void redis_user_trim(struct redis *r, const struct redis_reply *crowd);
void redis_erase(struct redis *r, const struct store_change *c, store_apply_fn *fn, void *arg); /* store_redis_erase.c */
/* The command of an apply that does not forget; NULL: it cannot be taken (store_redis_write.c). */
struct buf *redis_write_change(struct redis *r, const struct store_change *c);
/* The first seven keys of what changes a conversation. */
void redis_write_fixed_keys(struct buf *b, struct sv id);
/* What comes on a conversation's channel. */
void redis_push(struct redis *r, struct sv channel, struct sv event);

#endif
