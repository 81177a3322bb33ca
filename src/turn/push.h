/* SPDX-License-Identifier: MIT
 * What is pushed to those who listen to a session: one hub a process, for server-sent events (api) and WebSockets (daemon) alike.
 *
 *   store's event ──> session ──> each listener, by its own cursor
 *
 * A listener has a cursor: the number of the last event that it was given. An event that is the next one is passed on; one that it had
 * is not; behind a gap the log is read from the cursor on. So each event comes once and in order, whatever is missed, doubled or late on the
 * way; but of a text that grows the newest state stands for those before it (store_event_since). What the log does not keep any more is told as
 * an event of its own: {"seq":n,"type":"reset","missed":m}, after which the listener should read the session anew. */
#ifndef TURN_PUSH_H
#define TURN_PUSH_H

#include "store/store_session.h"

struct hub;
struct loop;
struct listener;

/* NULL: memory. Takes over the store's push events. */
struct hub *hub_new(struct loop *l, struct store *s, struct err *e) MUST_CHECK;
/* There must be no listeners any more. NULL is allowed. */
void hub_free(struct hub *h);

/* seq, and the event as JSON with "seq" as its first member; borrowed until it returns. It may free its own listener, no other one. False: there is no
 * room for it now. Nothing more comes then until listener_more, after which this event comes again, from the log: so nobody has to keep more than he wants
 * for one who reads slowly. */
typedef bool listener_fn(void *arg, uint64_t seq, struct sv event);
/* after: what the listener has seen; HUB_NOW: only what comes from now on. fn never comes from inside a call. NULL: memory. */
#define HUB_NOW STORE_EVENTS_NOW
struct listener *listener_new(struct hub *h, struct sv session_id, uint64_t after, listener_fn *fn, void *arg) MUST_CHECK;
/* HUB_NOW: fn once, when it is known where "now" is: what happens from then on comes; also when the store cannot say so at the moment. Never from
 * inside a call. It may free the listener. */
void listener_on_placed(struct listener *l, void (*placed)(void *arg));
/* There is room again. */
void listener_more(struct listener *l);
/* fn will not come any more. Allowed inside fn. NULL is allowed. */
void listener_free(struct listener *l);

/* What there was of a session is no more: each of its listeners is told so, as of events that it has missed. */
void hub_reset(struct hub *h, struct sv session_id);

struct hub_stat {
    size_t listeners, sessions;
    uint64_t events;  /* passed on to listeners */
    uint64_t resets;  /* of those: that something was missed for good */
};
void hub_stat(const struct hub *h, struct hub_stat *out);

#endif
