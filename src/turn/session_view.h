/* SPDX-License-Identifier: MIT
 * How a session looks from outside: the view that is cached, made of a conversation's record and its last message; docs/sessions.md. Private to turn/. */
#ifndef TURN_SESSION_VIEW_H
#define TURN_SESSION_VIEW_H

#include "turn/conversation.h"

/* The last thing that was said. */
struct session_last {
    struct sv message_id; /* as text, or as JSON where `raw`; SV_NONE: a reply */
    struct sv content;    /* the same; SV_NONE: nothing was said so far */
    bool raw;             /* both are JSON strings */
    const char *sender_type;
    int64_t timestamp_ms;
};
/* Of what stands in the store's lists: the last of those that wait, else of the context. */
struct session_last session_last_of(const struct sv *pending, size_t pending_n, const struct sv *context, size_t context_n);

/* "active", "closed", "archived". */
const char *session_status(const struct conversation *c);
/* May the bot reply? */
bool session_check_reply(const struct conversation *c, int64_t now_ms);
/* Until when it may not, 0: it may, or nobody knows. */
int64_t session_silent_until_ms(const struct conversation *c, int64_t now_ms);
/* The members "status", "check_reply" and "check_reply_until". */
void session_put_status(struct json_out *o, const struct conversation *c, int64_t now_ms);
/* What the archive says of the time before the record (archive_session with its created_ms, or of a record that is just made). */
#define SESSION_FOR_EVER_MS 253402300799000 /* of a silence that the archive knows: until somebody ends it */
struct session_past {
    int64_t messages, created_ms; /* created_ms 0: it knows nothing */
    int64_t customers;            /* those of the messages that are the customer's */
    int64_t silent_until_ms;      /* the bot may not reply until then; 0: it may */
    char user_id[MESSAGE_ID_MAX + 1];
};
void session_past_read(struct sv session, struct session_past *out);
/* Once: a record that was told before stays as it is. */
void session_past_join(struct conversation *c, const struct session_past *past);
/* The whole view but for the customer, appended. */
void session_view_format(struct buf *b, struct sv id, const struct conversation *c, const struct session_last *last, int64_t now_ms);
/* A view as it was kept, as it is now: a pause that has passed is none. customer: JSON; SV_NONE: null. */
void session_view_show(struct buf *b, struct sv view, struct sv customer, int64_t now_ms);
/* `over`, the view of a store that stands in, laid over `under`, what the database has of the same session; `more` messages are not in its count. */
void session_view_join(struct buf *b, struct sv under, struct sv over, int64_t more);

#endif
