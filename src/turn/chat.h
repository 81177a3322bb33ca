/* SPDX-License-Identifier: MIT
 * The history of chats, as a user, the AI service and the business read and write it (docs/history.md). What is recent stands in the store, all of it
 * in the archive, and a read joins both. Answers and their lifetime are those of turn/control.h; bodies have camelCase members. Who may ask is
 * checked here as well, since it depends on whose the session is: `user_id` in struct chat_who. */
#ifndef TURN_CHAT_H
#define TURN_CHAT_H

#include "lib/validate.h"
#include "turn/control.h"

/* Who asks: an administrator, or a user for himself. */
struct chat_who {
    bool admin;
    struct sv user_id; /* of a user */
};

/* ---- reading ---- */

struct chat_page {
    struct chat_who who;
    struct sv user_id, session_id;
    int64_t page, page_size; /* from 1; page_size 0: PAGE_SIZE */
    int64_t from_ms, to_ms;  /* INT64_MIN, INT64_MAX: no bound */
    bool by_cursor;
    struct sv cursor;        /* by_cursor: "" is the newest page */
};
/* {"messages":[oldest first],"totalCount","currentPage","totalPages","sessionInfo":{..},"nextCursor":..|null}; by cursor without the two in the middle.
 * 404 `history_not_found` when there is nothing on the page, or (admin) no such session; 403 `forbidden`, 422 a cursor that is none of ours. 503. */
void chat_page(struct turns *t, const struct chat_page *p, control_fn *fn, void *arg);
/* [{"sessionId","userId","createdAt","lastActivity","messageCount","status"}], newest activity first. 403; 503. */
void chat_sessions(struct turns *t, const struct chat_who *who, struct sv user_id, control_fn *fn, void *arg);
/* One of those. 404 `session_not_found` (admin), 403; 503. */
void chat_session(struct turns *t, const struct chat_who *who, struct sv session_id, control_fn *fn, void *arg);

/* ---- writing ---- */

/* {"message":"Session archived successfully","session":{..}}. 404, 403, 503. */
void chat_archive(struct turns *t, const struct chat_who *who, struct sv session_id, control_fn *fn, void *arg);

/* A message and its answer that were exchanged elsewhere. Absent ones are zero. */
struct chat_exchange {
    struct sv message_id; /* absent: one is made */
    struct sv user_id, session_id;
    struct sv user_message, ai_response; /* at least one of them has text */
    int64_t timestamp_ms; /* -1: now */
    struct sv metadata;   /* JSON object; SV_NONE: none */
};
/* {"message":"Chat message synced successfully","messageId",...}, for several {"message":"Chat messages synced successfully","synced","duplicates"}.
 * An id that the session has is left as it is ("duplicate":true). 409 `session_of_another_user`; 413; 503. */
void chat_sync(struct turns *t, const struct chat_exchange *list, size_t n, bool several, control_fn *fn, void *arg);

/* ---- erasure and export ---- */

/* session_id SV_NONE: all of the user. {"message":"Chat history deleted successfully","receipt":{"id","erasedAt","subject","sessions","store":{..},
 * "archive":{table: rows}}}. What is not there is erased as well (an admin gets 404 when neither store nor archive ever had the session). 403; 503: it
 * is not complete, ask again; what was begun stays. */
void chat_erase(struct turns *t, const struct chat_who *who, struct sv user_id, struct sv session_id, control_fn *fn, void *arg);

/* All of a user as JSON lines, piece by piece: `line` for each piece of whole lines; then `fn` once (200, or an error: before the first piece as an
 * answer, after it the stream just ends without its last line {"type":"end"}). After a piece nothing comes until chat_export_go. */
struct chat_export;
typedef void chat_piece_fn(void *arg, struct sv lines);
struct chat_export *chat_export_new(struct turns *t, const struct chat_who *who, struct sv user_id, chat_piece_fn *piece, control_fn *fn, void *arg);
void chat_export_go(struct chat_export *x);
/* Before its end: nothing comes any more. */
void chat_export_stop(struct chat_export *x);

/* ---- figures and preferences ---- */

/* {"date","total_messages","ai_responses","completed_turns","locked_turns","restarted_turns","mean_ai_time_ms":n|null,"user_<id>_messages"...}; from the
 * store where it has the day, else from the archive. `to` SV_NONE: the one day; else {"from","to","days":[..],"total":{..}} without single users. 503. */
void chat_analytics(struct turns *t, struct sv from, struct sv to, control_fn *fn, void *arg);

/* {key: value}, of strings. 403; 503. */
void chat_preferences(struct turns *t, const struct chat_who *who, struct sv user_id, control_fn *fn, void *arg);
struct chat_preference { struct sv key, value; };
void chat_preferences_put(struct turns *t, const struct chat_who *who, struct sv user_id, const struct chat_preference *list, size_t n, control_fn *fn,
                          void *arg);

#endif
