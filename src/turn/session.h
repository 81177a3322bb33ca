/* SPDX-License-Identifier: MIT
 * Sessions as chat pages and inboxes use them: read one, set its state, send a message, look at the customer. The same for the HTTP API and the
 * daemon's WebSockets. docs/sessions.md has the whole picture. Answers and their lifetime are those of turn/control.h. */
#ifndef TURN_SESSION_H
#define TURN_SESSION_H

#include "lib/validate.h"
#include "turn/control.h"
#include "turn/message.h"
#include "turn/step.h"

/* {"session_id","user_id","status","check_reply","check_reply_until","created_at","last_activity","message_count","last_message","customer"}; the answer's
 * `cache` says where it came from. 404 `unknown_session`; (with `cache` BYPASS: a store that only stands in does not know it, nor
 * does the archive so far); 503 when neither store nor database can be asked. */
void session_get(struct turns *t, struct sv session_id, control_fn *fn, void *arg);

struct session_change {
    enum session_status status;
    enum session_reply reply;
    int64_t until_ms; /* of REPLY_OFF; 0: until it is set again */
};
/* The session as it is now. The database is told by a background task. 404, 503 as above. */
void session_patch(struct turns *t, struct sv session_id, const struct session_change *change, control_fn *fn, void *arg);

/* A message as a client sends it (session_message_input checks it). Absent ones are zero. */
struct session_message {
    struct sv message_id; /* absent: one is made */
    struct sv content, sender_id;
    int sender_type;      /* enum sender_type */
    int64_t timestamp_ms; /* -1: now */
    struct sv metadata, attachments;
    struct sv bot_id; /* of metadata */
};
extern const struct input session_message_input;
/* The same from a user, who needs not say who he is: sender_id and sender_type are not looked at, and left empty. */
extern const struct input session_message_user_input;

/* 202 {"accepted":true,"message_id","check_reply","job_id":id|null,"session_id"}, with "reason" where it is not answered, "duplicate":true where it was
 * here before. 409 turn_running, 413, 503. sender_type user is answered as a job when the bot may reply. Everything is copied. */
struct session_submit {
    struct sv session_id;
    const struct session_message *message;
    struct sv request_id, traceparent; /* SV_NONE: none */
};
void session_submit(struct turns *t, const struct session_submit *s, control_fn *fn, void *arg);

/* What is known about a sender: archive_customer's object. 404 `unknown_customer`; 503. */
void session_customer(struct turns *t, struct sv sender_id, control_fn *fn, void *arg);

#endif
