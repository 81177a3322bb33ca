/* SPDX-License-Identifier: MIT
 * PORT, second part: what readers of a session and those who listen to it see of a conversation. store.h has the first part, and its rules hold
 * here too. Knows neither what a view says nor what an event means.
 *
 *   store_apply   writes the view, logs events and gives each its number, in the same atomic unit as the record
 *   store_event_say  logs one event that belongs to no change of the record: what is said while a turn runs
 *   store_session reads the view; store_session_fill puts back one that was forgotten, never over a newer one
 *   store_events  the last events, for whoever has missed some; store_listen: the coming ones */
#ifndef STORE_STORE_SESSION_H
#define STORE_STORE_SESSION_H

#include "store/store.h"

/* What a change adds (store_change.session). Zero-filled: nothing. */
struct store_session_change {
    enum { STORE_VIEW_KEEP = 0, STORE_VIEW_SET, STORE_VIEW_DROP } view_op;
    struct sv view; /* SET: kept as chat_session:<id> */
    int64_t ttl_ms; /* of the view, and of the event log from now on */
    /* JSON objects with at least one member and without "seq". Each is logged as {"seq":n,<members>}, n one more than the last one's (the first
     * is 1), and told to everybody who listens. The log keeps the last events_max. */
    const struct sv *events;
    size_t events_n, events_max;
    uint64_t seq_least; /* the last number given out counts as at least this, also when there is no event; 0: as it is */
};

/* ---- the cache ---- */

struct store_session {
    struct sv view;     /* SV_NONE: not cached */
    struct sv customer; /* the same */
};
typedef void store_session_fn(void *arg, enum store_status status, const struct store_session *s); /* s only on DONE */
void store_session(struct store *s, struct sv conversation_id, store_session_fn *fn, void *arg);

/* A view or customer SV_NONE is left alone. Of a conversation that was erased (store_erased_at) nothing is written, which is DONE as well: it may have been
 * read before that. */
struct store_session_fill {
    struct sv conversation_id;
    struct sv view;    /* written only where there is none, and while the record's version is ... */
    uint64_t version;  /* ... this one (0: there is no record); else nothing is written, which is DONE as well */
    struct sv customer; /* written in any case */
    int64_t ttl_ms;
};
void store_session_fill(struct store *s, const struct store_session_fill *what, store_status_fn *fn, void *arg);

/* ---- events ---- */

#define STORE_EVENTS_NOW UINT64_MAX

struct store_events {
    const struct sv *events; /* those kept with a number above `after`, oldest first, each with its "seq" as its first member */
    size_t n;
    uint64_t last; /* number of the last one that was given out; 0: none so far */
};
typedef void store_events_fn(void *arg, enum store_status status, const struct store_events *e); /* e only on DONE */
/* after STORE_EVENTS_NOW: only `last` is wanted. */
void store_events(struct store *s, struct sv conversation_id, uint64_t after, store_events_fn *fn, void *arg);

/* One event for the log and for everybody who listens, while a lease lasts; `event` as in store_session_change. The record and its version stay as they
 * are; without a record, or without this token in the lock, nothing is written: LEASE_LOST. Where the log's last event begins with the same `same` bytes (0: it
 * never does), the new one takes its place: it is logged as {"seq":n,"since":m,<members>}, and stands for all that had the numbers from m to n. Nothing waits
 * for a store that is away: DOWN. */
struct store_event_say {
    struct sv conversation_id, need_token, event;
    size_t same, events_max;
    int64_t ttl_ms;
};
void store_event_say(struct store *s, const struct store_event_say *what, store_status_fn *fn, void *arg);

/* From now on fn hears of the conversation's events, until store_unlisten. listen twice is listen once. -1: memory, or no id. */
int store_listen(struct store *s, struct sv conversation_id) MUST_CHECK;
void store_unlisten(struct store *s, struct sv conversation_id);
/* event SV_NONE: there may be news, read the events: after store_listen has taken effect, and whenever a backend does not pass on the events
 * themselves. id SV_NONE: that holds for all conversations (a new connection, another store). One subscriber a store. */
typedef void store_push_fn(void *arg, struct sv conversation_id, struct sv event);
void store_on_push(struct store *s, store_push_fn *fn, void *arg);

/* The number of an event as store_events and fn give it; 0: it has none. */
uint64_t store_event_seq(struct sv event);
/* The first of the numbers that it stands for: its own, or an earlier one. */
uint64_t store_event_since(struct sv event);

#endif
