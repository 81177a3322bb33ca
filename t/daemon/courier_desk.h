/* SPDX-License-Identifier: MIT
 * A courier at work on a queue of the memory store, with a double of src/outside/callback.c, for tests of what becomes of its items. */
#ifndef T_DAEMON_COURIER_DESK_H
#define T_DAEMON_COURIER_DESK_H

#include "daemon/absent.h"
#include "daemon/courier.h"
#include "t/lib/callback_double.h"
#include "t/turn/rig.h"

struct desk {
    struct rig r;
    struct absent *absent;
    struct callback *callback;
    struct courier *courier;
    unsigned attempts_max;
    size_t items;
    bool stopped;
};

void desk_flag(void *arg);
bool desk_is_set(void *arg);
/* The n-th call of the store fails; 0: none. */
void desk_open(struct desk *d, unsigned attempts_max, unsigned nth, bool after);
void desk_start(struct desk *d, int64_t base_ms);
/* In the order of the daemon's end. */
void desk_close(struct desk *d);
void desk_put_text(struct desk *d, struct sv text);
void desk_put_for(struct desk *d, const char *job, const char *host);
void desk_put(struct desk *d, const char *job);
/* Until so many items wait in the queue, are in somebody's hands, and are dead letters. */
void desk_until(struct desk *d, int64_t waiting, int64_t taken, int64_t dead, const char *what);
void desk_until_posts(struct desk *d, int n, const char *what);
bool desk_is_idle(void *arg);
void desk_stop(struct desk *d, const char *what);
void desk_end(struct desk *d);

#endif
