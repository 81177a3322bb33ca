/* SPDX-License-Identifier: MIT
 * What an administrator sees of conversations and does to them. The same for the HTTP API and the daemon's admin socket: both only
 * wrap the JSON that comes from here.
 *
 * Nothing here costs more with more stored conversations: listings come from the store's indexes, a state from its own keys. */
#ifndef TURN_CONTROL_H
#define TURN_CONTROL_H

#include "turn/turn.h"

/* http_status 200, or 201 for something new: `result` is a JSON object. Else `code` (snake_case) and `message` (one sentence) say why; `result` may add to it. */
struct control_answer {
    int http_status;       /* 200, 201, 202, 404, 409, 422, 503 */
    const char *code;      /* NULL with 200, 201 */
    const char *message;
    struct sv result;      /* SV_NONE: none */
    struct sv detail;      /* of 422: JSON array of {"loc":["body","field"...],"msg","type"}; SV_NONE: `message` says it all */
    int64_t retry_after_ms; /* of 409 and 503 */
    const char *cache;      /* "HIT", "MISS", "BYPASS": where it was found; NULL: no cache has to do with it */
};
/* Exactly once, never from inside the call; the answer is borrowed until it returns. Arguments of all calls are borrowed until they return. */
typedef void control_fn(void *arg, const struct control_answer *answer);

/* ---- one conversation ---- */

/* {"cancelled":true,"conversation_id","turn_id","messages":[ids],"phase"}, {"cancelled":false,...} when idle. 409 `too_late`: a live owner
 * is sending, or a lost one may have sent ("freed":true then). 404 `unknown_conversation`. */
void control_cancel(struct turns *t, struct sv conversation_id, control_fn *fn, void *arg);
/* The same for the turn that a job is, whatever it has been merged into. 200 {"success","cancelled":true,"job_id","conversation_id","status"}: no
 * reply of it ever goes out; also when it was cancelled or had failed before ("cancelled":false for the latter). 409 `too_late`: its reply is
 * being sent, or was. 404 `unknown_job`. */
void control_cancel_job(struct turns *t, struct sv job_id, control_fn *fn, void *arg);
/* {"conversation_id","check_reply":bool,"check_reply_until":seconds|null}. until_ms 0: until resumed. 404. */
void control_pause(struct turns *t, struct sv conversation_id, int64_t until_ms, control_fn *fn, void *arg);
void control_resume(struct turns *t, struct sv conversation_id, control_fn *fn, void *arg);
/* The whole state: lease (owner, age, left, fence), pending messages, send state, restarts, check_reply, and `timeline`: a fate (as
 * control_fate) for each recent message, oldest first. 404 when neither store nor archive knows it. */
void control_show(struct turns *t, struct sv conversation_id, control_fn *fn, void *arg);
/* What became of one message: {"conversation_id","message_id","status","reason","received_at","turn_id","superseded":[turn ids],"ended_at",
 * "steps":[{"step":"received|merged|superseded|sent|...","at","turn_id","reason"}]}. From the store's mark, else the archive. 404. */
void control_fate(struct turns *t, struct sv conversation_id, struct sv message_id, control_fn *fn, void *arg);

/* ---- all of them ---- */

enum control_state { CONTROL_ALL, CONTROL_ACTIVE, CONTROL_STUCK, CONTROL_PAUSED };
struct control_list {
    enum control_state state;
    struct sv cursor; /* next_cursor of the page before; SV_NONE or "": the first. Wrong: 422 `bad_cursor` */
    size_t limit;     /* 1 to 500 */
};
/* The seed's fields, and next_cursor (null at the end). */
void control_list(struct turns *t, const struct control_list *what, control_fn *fn, void *arg);
void control_health(struct turns *t, control_fn *fn, void *arg); /* 200 with "status":"healthy|degraded"; 503 with "unhealthy" and the result */
void control_stats(struct turns *t, control_fn *fn, void *arg);
/* Reads of sessions, of all processes of this host, and how many are cached: {"hits","misses","bypasses","hit_rate":0..1|null,"entries",
 * "ttl_seconds","storage_backend"}. */
void control_cache(struct turns *t, control_fn *fn, void *arg);
/* The handler's components, at most a second old: {"initialized","components":{"redis_connected","lock_manager","background_job_manager":{..},
 * "store","archive","daemon"},"status":"healthy|degraded"}; 503 with "unhealthy" and the result. */
void control_handler(struct turns *t, control_fn *fn, void *arg);

struct control_cleanup {
    int64_t max_age_ms;
    bool dry_run;
    size_t max; /* conversations looked at; 0: no bound */
    int64_t within_ms; /* begins nothing more after so long and answers with "complete":false; 0: no bound */
};
/* Forgets conversations without activity for so long: never one with a running turn, pending messages, or history that is not archived.
 * `unarchived` counts those that were looked at: behind the first of them nothing can go. Never younger than a minute, whatever max_age_ms says. {"dry_run","max_age_hours","examined","removed","kept":{"busy":n,"pending":n,"paused":n,"unarchived":n,"changed":n},"complete":bool} */
void control_cleanup(struct turns *t, const struct control_cleanup *what, control_fn *fn, void *arg);

/* ---- what waits for the archive, and what was given up ---- */

void control_queue(struct turns *t, control_fn *fn, void *arg); /* depth, taken, dead, oldest age, rate */
/* {"total","dead":[{"id","at","reason","attempts","type":"turn|history|callback","conversation_id","item"}],"next_cursor"}; newest first. turn: given
 * up, item is the letter; history: an item that the archive refused; callback: one that could not be delivered. */
void control_dead_list(struct turns *t, struct sv cursor, size_t limit, control_fn *fn, void *arg);
/* A history item goes back to message_queue; a turn that was given up begins anew with its messages. {"id","retried":true,...}; 404
 * `unknown_dead_letter`; 409 when its messages have been answered meanwhile. */
void control_dead_retry(struct turns *t, struct sv id, control_fn *fn, void *arg);
void control_dead_discard(struct turns *t, struct sv id, control_fn *fn, void *arg); /* {"id","discarded":true} */

#endif
