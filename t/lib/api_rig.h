/* SPDX-License-Identifier: MIT
 * The HTTP side on a Unix socket of its own, in a thread of this process, with doubles of the turn engine, store and archive
 * behind it (this file stands in for src/turn/turn.c and the two ports: link it before the library). */
#ifndef T_LIB_API_RIG_H
#define T_LIB_API_RIG_H

#include <stdatomic.h>

#include "api/api.h"
#include "lib/buf.h"
#include "store/store_count.h"
#include "turn/turn.h"

/* What the doubles do. May be changed while the loop's thread is idle. */
struct rig_script {
    atomic_bool store_up, archive_up, standing_in;
    atomic_llong delay_ms; /* before a turn's answer */
    atomic_bool hold;      /* answers wait for rig_answer_all */
    enum answer_status status;
    int http_status;
    int64_t retry_after_ms;
    const char *result; /* JSON; NULL: {"status":"completed","message_id":M} */
    atomic_size_t result_size; /* above 0: a result of this many bytes */
};

/* What they saw. */
struct rig_seen {
    atomic_int submits;
    atomic_int waiting; /* submitted and not answered */
    atomic_bool respond_async;
    struct buf conversation_id, message_id, content, sender_id, metadata, attachments, traceparent, request_id;
    enum sender_type sender_type;
    int64_t timestamp_ms, wait_ms;
};

extern struct rig_script rig_script;
extern struct rig_seen rig_seen;

struct rig {
    struct loop *loop;
    struct api *api;
    char dir[64], path[96];
    int listen_fd;
    atomic_bool drained;
};

#define RIG_PLATFORM "platform-token-1"
#define RIG_ADMIN "admin-token-1"

/* Defaults of every option; a test changes what it wants. */
struct api_options rig_options(void);
/* Opens, and runs the loop in a thread. Ends the test run when that fails. */
void rig_start(struct rig *r, const struct api_options *o);
/* Everything that was held is answered. */
void rig_answer_all(struct rig *r);
/* Begins to drain; r->drained is set when it is done. */
void rig_drain(struct rig *r);
/* fn(arg) on the loop's thread; returns when it has run. */
void rig_run(struct rig *r, loop_fn *fn, void *arg);
void rig_stop(struct rig *r);
/* Polls `*what` for a generous while. */
bool rig_wait(const atomic_bool *what);
bool rig_wait_int(const atomic_int *what, int value);

/* What store_count does; NULL: it aborts, since nobody has set a limit. */
extern void (*rig_count)(struct sv name, int64_t ttl_ms, store_value_fn *fn, void *arg);

/* The doubles for a program without the thread. */
void rig_doubles(struct loop *loop);
struct store *rig_store(void);
struct archive *rig_archive(void);
struct turns *rig_turns(void);
/* A listening Unix socket. -1: errno says why. */
int rig_listen(const char *path, int backlog);

#endif
