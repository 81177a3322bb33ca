/* SPDX-License-Identifier: MIT
 * The door of the archive: one item of message_queue (docs/message-queue.md), parsed and checked so that whatever passes here is
 * accepted by PostgreSQL and SQLite. What cannot pass gets a reason, once, here; it is poison and will never become good.
 * Only what breaks the format is refused. What is merely odd is taken: a text that is too long for its column is cut, a time outside the
 * years 1970 to 9999 is clamped, since the message was accepted from a customer long before. Knows no database. */
#ifndef ARCHIVE_ARCHIVE_ITEM_H
#define ARCHIVE_ARCHIVE_ITEM_H

#include "lib/arena.h"
#include "lib/err.h"

#define ITEM_BYTES_MAX (64u << 20) /* of one item */
#define ITEM_ID_MAX 1024           /* bytes of an id: 256 characters of 4 */
#define ITEM_CONTENT_MAX 65536
#define ITEM_UUID_BYTES 16

struct item_message {
    struct sv message_id, sender_id, content;
    const char *sender_type; /* user, agent, bot, system */
    int64_t timestamp_ms;    /* as the platform said, inside 1970..9999 */
    int64_t received_ms;
    int64_t order_ms; /* item_order_ms: what orders a conversation */
    int64_t seq;      /* arrival number in the conversation; 0: not known */
    struct sv metadata, attachments; /* JSON; SV_NONE: none */
    /* Made of order_ms, seq and a hash of the name, in the form of a UUID of version 7: the same each time, and in the order of the history. */
    unsigned char id[ITEM_UUID_BYTES];
};

struct item_action {
    struct sv type, reason; /* reason SV_NONE: none */
    const char *status;     /* one of the seven of message_actions */
    struct sv data;         /* JSON */
    int64_t retry_count;
};

/* A turn that a client was told the id of. */
struct item_job {
    const char *status; /* completed, failed, cancelled */
    int64_t attempts, created_ms;
    int64_t started_ms; /* -1: never */
    struct sv bot_id, callback_url, error; /* SV_NONE: none */
};

/* How a session is from item.at_ms on. Two groups, of each of which the newest counts. */
struct item_state {
    unsigned char id[ITEM_UUID_BYTES]; /* of the rows, where there are none yet */
    const char *status; /* active, closed, archived; NULL: not said */
    bool has_check_reply, check_reply;
    int64_t until_ms; /* check_reply is what it is until then; -1: for good */
};

enum item_field { ITEM_PHONE, ITEM_EMAIL, ITEM_NAME, ITEM_ADDRESS };
#define ITEM_FIELDS (ITEM_ADDRESS + 1)

/* What somebody said of himself, at item.at_ms. */
struct item_customer {
    unsigned char id[ITEM_UUID_BYTES]; /* of the row, where there is none yet */
    struct sv sender_id;
    struct sv fields[ITEM_FIELDS]; /* SV_NONE: not said. At least one is */
    struct sv source;              /* JSON: where it was said */
};

/* What was received up to item.at_ms is to be erased. */
struct item_erase {
    bool user;    /* all of a user's but his sessions; else a session */
    struct sv id;
};

struct item {
    struct sv conversation_id;
    struct sv status, reason; /* of the messages; reason SV_NONE: none */
    bool has_turn;
    unsigned char turn_id[ITEM_UUID_BYTES];
    int64_t fence; /* of the lease under which this was decided: a higher one replaces a lower one. -1: nothing was decided yet */
    int64_t seq, at_ms, restarts;
    struct sv storage, model; /* SV_NONE: not said */
    struct sv reply;          /* JSON object; SV_NONE: none */
    bool has_ai_ms;
    double ai_ms;
    bool said; /* the reply's text reached the customer, or may have, or is there for whoever asks for the job, or was said elsewhere */
    const struct item_message *messages; /* at least one, but for state, customer and erase: none */
    size_t messages_n;
    bool synced;   /* an exchange that was made elsewhere, perhaps long ago */
    size_t newest; /* index of the message that carries the reply: highest seq */
    const struct item_action *actions;
    size_t actions_n;
    const struct item_job *job; /* NULL: none */
    const struct item_state *state;       /* NULL: none */
    const struct item_customer *customer; /* NULL: none, or nothing was found */
    const struct item_erase *erase;       /* NULL: none */
};

/* Everything in *out lives as long as the arena and the text, of which it borrows. -1: the reason, without quoting the item (ERR_INVALID, ERR_RANGE), or ERR_MEMORY,
 * which says nothing about the item. */
int item_parse(struct arena *a, struct sv text, struct item *out, struct err *e) MUST_CHECK;

/* The time that orders a message: its timestamp, at most 5 minutes after it was received, and at most 30 days before, unless it is synced. */
int64_t item_order_ms(int64_t timestamp_ms, int64_t received_ms, bool synced);

/* The user of a session is its first customer by arrival: by time, and by number where that is equal, since the numbers of a conversation begin
 * anew after the store has forgotten it. */
static inline int64_t item_user_seq(const struct item_message *m)
{
    return m->received_ms * 1000 + (m->seq > 0 && m->seq < 999 ? m->seq : 999);
}

/* What may be asked for: 1 to ITEM_ID_MAX bytes of UTF-8 without NUL. Anything else cannot be in an archive. */
bool item_is_id(struct sv id);
/* 36 characters to 16 bytes and back; the text gets a NUL. */
bool item_uuid_parse(struct sv text, unsigned char out[ITEM_UUID_BYTES]);
/* Of version 7: of a time, an arrival number and a hash of a name and of what it is a name in. */
void item_uuid_make(unsigned char out[ITEM_UUID_BYTES], int64_t ms, int64_t seq, struct sv where, struct sv name);
int64_t item_uuid_ms(struct sv text); /* the time in it; 0: it is none */
void item_uuid_format(const unsigned char id[ITEM_UUID_BYTES], char out[37]);

#endif
