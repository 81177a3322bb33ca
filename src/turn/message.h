/* SPDX-License-Identifier: MIT
 * A message as the platform delivered it, and the two forms in which it is kept: as an item of the pending list (and of the
 * context, where it moves once it is answered) and inside the archive's items. */
#ifndef TURN_MESSAGE_H
#define TURN_MESSAGE_H

#include "lib/json.h"

enum sender_type { SENDER_USER, SENDER_AGENT, SENDER_BOT, SENDER_SYSTEM };

#define MESSAGE_ID_MAX 256        /* bytes of any id */
#define MESSAGE_CONTENT_MAX 65536 /* bytes */

/* Checked by whoever made it: ids of 1 to 256 bytes of UTF-8 without control characters, content of 1 to 65,536. */
struct message {
    struct sv conversation_id, message_id, content, sender_id;
    enum sender_type sender_type;
    int64_t timestamp_ms; /* the platform's */
    struct sv metadata;    /* JSON object or SV_NONE */
    struct sv attachments; /* JSON array or SV_NONE */
    struct sv bot_id;      /* the bot that is to answer; SV_NONE: the conversation's */
    struct sv callback_url;    /* where its job's result goes besides; SV_NONE: nowhere */
    struct sv callback_job_id; /* under this id, which its sender was told */
    struct sv request_id, traceparent; /* of the request that brought it, where another process is to work on it; SV_NONE */
};

/* "user", "agent", "bot", "system". */
const char *sender_type_name(enum sender_type t);
bool sender_type_parse(struct sv name, enum sender_type *out);
/* The role that the AI is told: user, agent, assistant, system. */
const char *sender_type_role(enum sender_type t);

/* The item: {"message_id":..,"content":..,"sender_id":..,"sender_type":..,"timestamp":ms,"received":ms,"seq":n,"metadata":..,
 * "attachments":..,"callback":{"url":..,"job_id":..},"request_id":..,"traceparent":..}. Appended to b. */
void message_format(struct buf *b, const struct message *m, int64_t received_ms, uint64_t seq);

/* What an item says, without a parse: of the pending list, the context ("role" instead of "sender_type" for replies) or the archive. All
 * borrowed from the item. */
struct message_item {
    struct sv role;            /* user, assistant, agent, system */
    struct sv content_json;    /* JSON string, with quotes and escapes */
    struct sv message_id_json; /* the same; SV_NONE for a reply */
    int64_t timestamp_ms;      /* clamped: 30 days before to 5 minutes after it was received */
    uint64_t seq;
    int64_t received_ms; /* 0: not said */
    struct sv raw; /* the item itself */
};
/* -1: not an item (ERR_INVALID). */
int message_look(struct sv item, struct message_item *out, struct err *e) MUST_CHECK;
/* A JSON string's text, in the arena; SV_NONE: not one, or memory is short. */
struct sv message_text(struct arena *a, struct sv json_string_text) MUST_CHECK;
/* By timestamp; equal ones keep their order. */
void message_sort(struct message_item *items, size_t n);
/* Which edit of a message this is, by its metadata (edit_number), from the second on; 0: it is none, the first, or nobody says. SV_NONE is allowed. */
int64_t message_edit_number(struct sv metadata);
/* Whether the same message came with another content: 16 hex digits of its SHA-256. From the second edit on the number counts, too: a wording may come back. */
void message_hash(const struct message *m, char out[17]);
void message_hash_of(struct sv content, struct sv metadata, char out[17]);

#endif
