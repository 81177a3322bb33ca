/* SPDX-License-Identifier: MIT
 * What all questions about a session of the history begin with: what is known of it, whose it is, and whether the caller may have it. Shared by the files
 * chat_*.c that read; nobody else includes this.
 *
 *   store ──record──> the session, its recent exchanges
 *     ├──no record: fields of the session (they stay longer)
 *     └──neither, nobody's so far, or a record that does not know what was before it ──> archive
 *
 * A session that is another's looks to a user like one that is not there. */
#ifndef TURN_CHAT_FIND_H
#define TURN_CHAT_FIND_H

#include "turn/chat.h"
#include "turn/chat_entry.h"
#include "turn/control_own.h"

struct chat_info {
    bool known;
    struct sv user_id; /* n = 0: nobody's so far */
    int64_t created_ms, activity_ms;
    int64_t messages; /* the customer's */
    struct sv status;
};

/* First member of each one's own struct. */
struct chat_find {
    struct control_call c;
    struct chat_who who;
    struct sv user_id;    /* whose it is said to be; SV_NONE: not said */
    struct sv session_id;
    const char *unknown_code, *unknown_text; /* of 404 */
    bool entries_too;
    void (*found)(struct chat_find *f); /* it may be told; answers and ends */

    /* what was found */
    struct chat_info info;
    struct chat_entry *entries; /* what is recent; of a message that is there twice what counts comes first */
    size_t entries_n;
    int64_t now_ms; /* of the store; 0: not known */
    bool store_down, archive_down;
    bool asks_before; /* the record counts its own messages alone: whether there was something before `before_ms` only the archive knows */
    int64_t before_ms;
};
/* Everything is copied. NULL: as control_begin. */
void *chat_find_begin(struct turns *t, size_t size, const struct chat_who *who, struct sv user_id, struct sv session_id, control_fn *fn, void *arg) MUST_CHECK;
void chat_find_go(struct chat_find *f);

/* 403 in the words of every other 403; 503 when the archive is needed. */
void chat_refuse_access(struct control_call *c);
void chat_refuse_archive(struct control_call *c);
/* 422 about one parameter of the query. */
void chat_refuse_query(struct control_call *c, const char *field, const char *msg, const char *type);

/* {"sessionId","userId","createdAt","lastActivity","messageCount","status"}. */
void chat_put_session(struct json_out *o, struct sv session_id, const struct chat_info *info);
/* A session's fields as the store has them; values in the arena. False: they are not those of a session. */
bool chat_info_of_fields(struct arena *a, const struct store_pair *fields, size_t n, struct chat_info *out);

#endif
