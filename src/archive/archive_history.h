/* SPDX-License-Identifier: MIT
 * PORT, second part: the history of users, page by page; what is counted a day; preferences; erasure and export. archive.h has the first part, and
 * its rules hold here too: callbacks come once, on the loop, never from inside the call, and what they get is borrowed until they return.
 * docs/history.md has the whole picture.
 *
 * A history is made of the messages of senders of type user, each with the reply that stands on it, in the order of (timestamp, id): the time that
 * is shown, and the row's id (archive_item.h) where two are equal. */
#ifndef ARCHIVE_ARCHIVE_HISTORY_H
#define ARCHIVE_ARCHIVE_HISTORY_H

#include "archive/archive.h"

#define ARCHIVE_UUID_BYTES 16

struct archive_exchange {
    int64_t timestamp_ms;
    unsigned char id[ARCHIVE_UUID_BYTES];
    struct sv message_id, sender_id, content;
    struct sv reply;                    /* its text, where it was said; SV_NONE: none */
    struct sv metadata;                 /* JSON object; SV_NONE: none */
    struct sv status, reason, turn_id;  /* SV_NONE: none */
    int64_t received_ms;
};

/* The id that a message has in the archive, from what its item says: for merging what is not there yet. order as archive_item.h. */
void archive_message_uuid(struct sv conversation_id, struct sv message_id, int64_t timestamp_ms, int64_t received_ms, int64_t seq, bool synced,
                          unsigned char out[ARCHIVE_UUID_BYTES]);

struct archive_page {
    struct sv session_id;
    int64_t from_ms, to_ms; /* of the timestamp, both included; INT64_MIN, INT64_MAX: no bound */
    bool counted;           /* total is wanted */
    bool after;             /* only older ones than (before_ms, before_id) */
    int64_t before_ms;
    unsigned char before_id[ARCHIVE_UUID_BYTES];
    size_t skip, max;       /* then so many are left out, and so many wanted */
    const struct sv *recent; /* ids of messages of which it is to be said whether they are there */
    size_t recent_n;
};
struct archive_pages {
    const struct archive_exchange *list; /* newest first */
    size_t n;
    int64_t total;     /* within the bounds; -1: not wanted. Without bounds it costs the same however many there are */
    const bool *known; /* recent_n of them: is there */
};
typedef void archive_page_fn(void *arg, enum archive_status status, const struct archive_pages *p);
/* One snapshot. An unknown session has an empty history. With `after` it costs what it returns; `skip` costs what it skips. */
void archive_history(struct archive *a, const struct archive_page *what, archive_page_fn *fn, void *arg);

struct archive_user_session {
    struct sv session_id, status; /* active, closed, archived */
    int64_t created_ms, activity_ms, messages; /* of senders of type user, those that are kept */
};
typedef void archive_sessions_fn(void *arg, enum archive_status status, const struct archive_user_session *list, size_t n);
/* The last `max` by activity, newest first. */
void archive_user_sessions(struct archive *a, struct sv user_id, size_t max, archive_sessions_fn *fn, void *arg);

struct archive_pair { struct sv key, value; };
typedef void archive_pairs_fn(void *arg, enum archive_status status, const struct archive_pair *pairs, size_t n);
typedef void archive_done_fn(void *arg, enum archive_status status);

/* ---- figures: values decimal ---- */

struct archive_figure { struct sv day, metric; int64_t value; };
typedef void archive_figures_fn(void *arg, enum archive_status status, const struct archive_figure *list, size_t n);
/* Of the days from..to (yyyy-MM-dd, both included), in the order of day and metric. users false: without those of single users (user_<id>_messages). */
void archive_figures(struct archive *a, struct sv from, struct sv to, bool users, archive_figures_fn *fn, void *arg);
/* Each becomes at least that value, read at read_ms. The figure of a user who was erased since is left out. */
void archive_figures_put(struct archive *a, const struct archive_figure *list, size_t n, int64_t read_ms, archive_done_fn *fn, void *arg);

/* ---- preferences ---- */

void archive_preferences(struct archive *a, struct sv user_id, archive_pairs_fn *fn, void *arg);
/* Replaces all; n = 0 removes. */
void archive_preferences_put(struct archive *a, struct sv user_id, const struct archive_pair *pairs, size_t n, archive_done_fn *fn, void *arg);

/* ---- erasure ----
 * First what says so is committed (a hash of the name, and the time), then rows go in small transactions. From the first commit on archive_write
 * takes nothing of that subject that was received at `at_ms` or before: such an item is kept by being dropped (verdict NULL). Asking again is allowed,
 * removes what is left, and says what went in all. Several may ask for the same at once, as a daemon does, who has it from the queue: each is answered when
 * nothing is left. But an id is said only to the one who deleted its row: who needs them asks archive_erase_ids before. */
enum archive_subject { ARCHIVE_SESSION, ARCHIVE_USER };
struct archive_erase {
    enum archive_subject subject;
    struct sv id;
    int64_t at_ms;
};
#define ARCHIVE_TABLES_MAX 16
struct archive_erased {
    const struct archive_pair *tables; /* rows by table, decimal, whoever deleted them; sessions of a user are erased one by one before him */
    size_t tables_n;
    struct sv erasure_id; /* UUID of the receipt's row */
    const struct sv *message_ids, *job_ids; /* of a session: those that the store may still know, received or ended in the last 48 hours */
    size_t message_ids_n, job_ids_n;
};
typedef void archive_erased_fn(void *arg, enum archive_status status, const struct archive_erased *e);
void archive_erase(struct archive *a, const struct archive_erase *what, archive_erased_fn *fn, void *arg);
/* Only the ids that the store may still know at that time, of a session that is about to be erased; nothing goes. */
void archive_erase_ids(struct archive *a, struct sv session_id, int64_t at_ms, archive_erased_fn *fn, void *arg);
/* Adds to the receipt what other stores counted: a JSON object of numbers, under names that are no table's. */
void archive_receipt(struct archive *a, struct sv erasure_id, struct sv counts, archive_done_fn *fn, void *arg);
/* Of a user: the ids of all sessions, in the order of their ids, behind `after` (SV_NONE: from the first), at most `max`. */
typedef void archive_ids_fn(void *arg, enum archive_status status, const struct sv *ids, size_t n);
void archive_user_ids(struct archive *a, struct sv user_id, struct sv after, size_t max, archive_ids_fn *fn, void *arg);

/* ---- export ---- */

/* The rows of one session, or (SESSION_ID SV_NONE) those of the user himself: JSON objects with a member "type" ("session", "message", "action",
 * "job"; "customer", "preference", "figure"), in the order of `position`, behind which the next call goes on; "" to begin, and at the end. At most `max` at a time
 * and about 1 MB. */
struct archive_export { struct sv user_id, session_id, position; size_t max; };
typedef void archive_export_fn(void *arg, enum archive_status status, const struct sv *lines, size_t n, struct sv position);
void archive_export(struct archive *a, const struct archive_export *what, archive_export_fn *fn, void *arg);

/* ---- for backends: of struct archive_ops, its `history` ---- */
struct archive_history_ops {
    void (*page)(struct archive *a, const struct archive_page *what, archive_page_fn *fn, void *arg);
    void (*sessions)(struct archive *a, struct sv user_id, size_t max, archive_sessions_fn *fn, void *arg);
    void (*figures)(struct archive *a, struct sv from, struct sv to, bool users, archive_figures_fn *fn, void *arg);
    void (*figures_put)(struct archive *a, const struct archive_figure *list, size_t n, int64_t read_ms, archive_done_fn *fn, void *arg);
    void (*preferences)(struct archive *a, struct sv user_id, archive_pairs_fn *fn, void *arg);
    void (*preferences_put)(struct archive *a, struct sv user_id, const struct archive_pair *pairs, size_t n, archive_done_fn *fn, void *arg);
    void (*erase)(struct archive *a, const struct archive_erase *what, archive_erased_fn *fn, void *arg);
    void (*erase_ids)(struct archive *a, struct sv session_id, int64_t at_ms, archive_erased_fn *fn, void *arg);
    void (*receipt)(struct archive *a, struct sv erasure_id, struct sv counts, archive_done_fn *fn, void *arg);
    void (*ids)(struct archive *a, struct sv user_id, struct sv after, size_t max, archive_ids_fn *fn, void *arg);
    void (*export)(struct archive *a, const struct archive_export *what, archive_export_fn *fn, void *arg);
};

#endif
