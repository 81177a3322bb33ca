/* SPDX-License-Identifier: MIT
 * The event loop: libuv behind a handful of functions; only lib/loop.c includes uv.h. One loop a process, run by one thread.
 * All functions belong to that thread, but loop_post. Callbacks never nest: what one causes runs after it.
 * The process ignores SIGPIPE from loop_new on. */
#ifndef LIB_LOOP_H
#define LIB_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/attr.h"

struct loop;
struct loop_timer;
struct loop_fd;
struct loop_signal;
typedef void loop_fn(void *arg);

struct loop *loop_new(void) MUST_CHECK;
/* All handles must have been freed; their closing is awaited here. Aborts when one is left. */
void loop_free(struct loop *l);
/* Until loop_stop. */
void loop_run(struct loop *l);
/* One round: waits for the next event (or not at all). */
void loop_turn(struct loop *l, bool wait);
void loop_stop(struct loop *l);
/* fn(arg) soon on the loop's thread, in order of the calls. Thread safe, never blocks on the loop, wakes it. The node is allocated
 * inside; false: out of memory. */
bool loop_post(struct loop *l, loop_fn *fn, void *arg) MUST_CHECK;
/* fn(arg) after the current callback, in order. Loop thread only. Aborts when memory is short. */
void loop_soon(struct loop *l, loop_fn *fn, void *arg);

/* One-shot timers; set again at will, also from inside fn. Times are milliseconds from now (clock_mono's pace). */
struct loop_timer *loop_timer_new(struct loop *l, loop_fn *fn, void *arg) MUST_CHECK;
void loop_timer_set(struct loop_timer *t, int64_t in_ms); /* negative counts as 0 */
void loop_timer_stop(struct loop_timer *t);
bool loop_timer_is_set(const struct loop_timer *t);
void loop_timer_free(struct loop_timer *t); /* NULL is allowed; never fires after */

/* Readiness of a descriptor that the caller owns. An error or hang-up is reported as whatever was wanted, so that the caller's
 * read or write meets it (libuv alone would stop the handle silently on POLLERR). */
#define LOOP_READ 1
#define LOOP_WRITE 2
typedef void loop_fd_fn(void *arg, int events);
struct loop_fd *loop_fd_new(struct loop *l, int fd, loop_fd_fn *fn, void *arg) MUST_CHECK;
void loop_fd_want(struct loop_fd *f, int events); /* 0 stops */
/* Must come before close(fd). Never fires after. NULL is allowed. */
void loop_fd_free(struct loop_fd *f);

/* The uv_loop_t, for a library that brings libuv handles of its own. It must have closed them before loop_free. */
void *loop_native(struct loop *l);

struct loop_signal *loop_signal_new(struct loop *l, int signo, loop_fn *fn, void *arg) MUST_CHECK;
void loop_signal_free(struct loop_signal *s);

#endif
