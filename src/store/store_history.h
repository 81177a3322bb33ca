/* SPDX-License-Identifier: MIT
 * PORT, third part: the recent history of a conversation as its user reads it, and what is counted a day. store.h has the first part, and its rules
 * hold here too. Knows neither what an entry says nor what a figure means. docs/history.md has the whole picture.
 *
 *   store_apply          appends entries, writes the session's fields, counts: in the same atomic unit as the record (store_change.history);
 *                        and erases all of a conversation (store_change.erase)
 *   store_history        what is recent of one conversation; store_user: of whom the sessions are
 *   store_figures        what was counted on a day
 *   store_preferences    a copy of what the archive has
 *
 * In Redis under the names that the published interface has: chat_history:<user>:<session> (list, newest first), session_info:<session> (hash),
 * user_sessions:<user> (set), chat_analytics:<yyyy-MM-dd> (hash), user_preferences:<user> (hash). */
#ifndef STORE_STORE_HISTORY_H
#define STORE_STORE_HISTORY_H

#include "store/store.h"

struct store_count { struct sv metric; int64_t n; };

/* What a change adds (store_change.history; NULL: nothing). Zero-filled: nothing. */
struct store_history_change {
    struct sv user_id;        /* of the session, 1 to STORE_ID_MAX bytes; SV_NONE: it has no user so far, and only counts count */
    const struct sv *entries; /* JSON objects, oldest first */
    size_t entries_n, entries_max; /* when something is appended, older ones are cut to this many */
    const struct store_pair *fields; /* of the session: overwritten one by one */
    size_t fields_n;
    int64_t ttl_ms;           /* of all of it but the counts, from now on */
    size_t sessions_max;      /* of a user; where there are more, those whose field "lastActivity" is smallest leave the user's set */
    struct sv day;            /* yyyy-MM-dd */
    const struct store_count *counts; /* added to that day's figures */
    size_t counts_n;
    int64_t counts_ttl_ms;
};

/* Beside store_change.forget: true, which then also removes events (their last number is kept), entries, fields, the session in the user's listing,
 * and the jobs that are named. `expect_version` counts as ever (0: there is no record; what it left behind goes, pending messages
 * among it); marks overwrites the dedupe marks of the messages that are known, so that they do not come again; queue_add is appended, event is
 * published. Items that wait in the queues, and dead letters, stay there: whoever takes them finds the erasure in the archive (or by store_erased_at).
 *
 * From then on, for mark_ttl_ms: an apply with expect_version 0 whose decided_ms is not above `at_ms` is a CONFLICT, so that what is accepted after
 * the erasure is received after it, too. */
struct store_erase {
    struct sv user_id;     /* SV_NONE: none */
    const struct sv *jobs; /* ids */
    size_t jobs_n;
    int64_t at_ms;         /* the store's time, from the load that expect_version is from */
    struct sv day_metric, day_into; /* of every day that is kept, the first figure is added to the second one and removed; SV_NONE: none is */
    struct store_erased *counts;    /* NULL, or filled in before the callback comes with DONE; stays the caller's */
};
struct store_erased { int64_t messages, jobs, events; }; /* how many there were: entries, pending and context together */

/* ---- reading ---- */

struct store_history {
    uint64_t version;        /* of the record; 0: none */
    struct sv record;        /* SV_NONE: none */
    const struct sv *pending; /* arrival order */
    const struct sv *entries; /* newest first */
    const struct store_pair *fields; /* n = 0: not known */
    size_t pending_n, entries_n, fields_n;
    int64_t now_ms;
};
typedef void store_history_fn(void *arg, enum store_status status, const struct store_history *h); /* h only on DONE */
/* One snapshot. user_id SV_NONE: without entries. */
void store_history(struct store *s, struct sv conversation_id, struct sv user_id, store_history_fn *fn, void *arg);

struct store_user_session { struct sv id; const struct store_pair *fields; size_t fields_n; };
typedef void store_user_fn(void *arg, enum store_status status, const struct store_user_session *sessions, size_t n);
/* The sessions of a user that are recent, in no order. Those whose fields have expired are left out, and leave the set. */
void store_user(struct store *s, struct sv user_id, store_user_fn *fn, void *arg);

typedef void store_pairs_fn(void *arg, enum store_status status, const struct store_pair *pairs, size_t n); /* values decimal; n = 0: none */
void store_figures(struct store *s, struct sv day, store_pairs_fn *fn, void *arg);

/* Replaces all; n = 0 removes. */
void store_preferences_put(struct store *s, struct sv user_id, const struct store_pair *pairs, size_t n, store_status_fn *fn, void *arg);
void store_preferences(struct store *s, struct sv user_id, store_pairs_fn *fn, void *arg);

/* For who works off the queues: when a conversation was erased, as store time; 0: not within the last mark_ttl_ms. */
typedef void store_erased_fn(void *arg, enum store_status status, int64_t at_ms);
void store_erased_at(struct store *s, struct sv conversation_id, store_erased_fn *fn, void *arg);

/* ---- for backends: of struct store_ops, its `history` ---- */
struct store_history_ops {
    void (*history)(struct store *s, struct sv id, struct sv user_id, store_history_fn *fn, void *arg);
    void (*user)(struct store *s, struct sv user_id, store_user_fn *fn, void *arg);
    void (*figures)(struct store *s, struct sv day, store_pairs_fn *fn, void *arg);
    void (*preferences_put)(struct store *s, struct sv user_id, const struct store_pair *pairs, size_t n, store_status_fn *fn, void *arg);
    void (*preferences)(struct store *s, struct sv user_id, store_pairs_fn *fn, void *arg);
    void (*erased_at)(struct store *s, struct sv id, store_erased_fn *fn, void *arg);
};

#endif
