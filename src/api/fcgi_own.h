/* SPDX-License-Identifier: MIT
 * What fcgi.c, fcgi_pool.c, fcgi_keep.c, fcgi_read.c, fcgi_write.c and fcgi_stream.c share. */
#ifndef API_FCGI_OWN_H
#define API_FCGI_OWN_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "api/fcgi.h"
#include "lib/buf.h"

enum reader_state { READER_FREE, READER_RUNS };

struct reader {
    struct fcgi *fcgi;
    enum reader_state state; /* guarded by fcgi.mutex */
    pthread_t thread;
    int fd; /* being read, -1 none; guarded by fcgi.mutex, and closed only after it was taken out of here */
    int64_t began_ms;
    struct buf body; /* the thread's own */
};

struct fcgi {
    struct fcgi_options o;
    const struct fcgi_ops *ops;
    void *arg;
    int epoll_fd, wake_fd; /* wake_fd becomes readable, for good, when the readers must end */
    atomic_bool stopping;
    atomic_size_t live;   /* connections: counted from accept to close */
    atomic_size_t posted; /* requests on their way to the loop */

    pthread_mutex_t mutex;
    /* guarded by it */
    unsigned serving; /* readers that will take another connection */
    unsigned idle;    /* those of them that wait for one */
    unsigned threads; /* started and not joined */
    bool growing;     /* the loop will start more of them when none is idle for a while */
    struct reader readers[FCGI_READERS_MAX];
    uint32_t *kept; /* by descriptor: 0, or the number under which it waits in epoll_fd for its next request */
    size_t kept_size;
    uint32_t kept_last;        /* number given */
    atomic_uint kept_n;        /* how many wait */
    atomic_llong complained_s; /* when accept's failure was logged last */

    /* the loop's */
    struct fcgi_request *first; /* handed over and not yet closed */
    bool closing;               /* nothing is handled any more */
    size_t leaving;             /* streams whose `gone` comes by loop_soon */
    struct loop_timer *watch, *grow;
    struct buf frame;
    loop_fn *drained;
    void *drained_arg;
};

/* What an event of epoll_fd says: the listener, the wake descriptor, or a kept connection (descriptor << 32 | its number). */
#define EVENT_LISTENER UINT64_MAX
#define EVENT_WAKE (UINT64_MAX - 1)

/* ---- fcgi.c ---- */

/* READER. fn(arg) on the loop, which counts down `posted`. */
bool fcgi_post(struct fcgi *f, loop_fn *fn, void *arg) MUST_CHECK;
/* READER. The request is the loop's now. False: out of memory, it is still the caller's. */
bool fcgi_hand_over(struct fcgi_request *r) MUST_CHECK;
/* Gives the memory back and calls ops.closed; the descriptor must be gone. */
void fcgi_request_free(struct fcgi_request *r);
/* LOOP. The connection is over (or kept, when fd is -1). */
void fcgi_request_end(struct fcgi_request *r);
/* LOOP. To be called whenever the last of something may have gone. */
void fcgi_check_drained(struct fcgi *f);

/* ---- fcgi_pool.c ---- */

int fcgi_pool_open(struct fcgi *f, struct err *e) MUST_CHECK;
/* Requests that have been read since before_ms (clock_mono_ms) or longer: their readers meet the end of the input. */
void fcgi_pool_cut(struct fcgi *f, int64_t before_ms);
/* No reader is left. */
bool fcgi_pool_ended(struct fcgi *f);

/* ---- fcgi_keep.c ---- */

/* LOOP. The connection waits for its next request. False: it cannot. */
bool fcgi_keep(struct fcgi *f, int fd) MUST_CHECK;
/* READER. The descriptor that an event means, no longer waiting; -1: it was closed meanwhile. */
int fcgi_keep_take(struct fcgi *f, uint64_t event) MUST_CHECK;
/* Closes all that wait. */
void fcgi_keep_close(struct fcgi *f);

/* ---- fcgi_read.c ---- */

/* Makes libfcgi ready to read. */
int fcgi_read_init(struct err *e) MUST_CHECK;
/* READER. Reads one request from `fd`. NULL: there is none (broken off, not FastCGI, not a responder's); fd is still the caller's.
 * Else the request has it. */
struct fcgi_request *fcgi_read(struct fcgi *f, int fd, struct buf *body) MUST_CHECK;

/* ---- fcgi_write.c ---- */

/* A connection that needs more than one send. */
struct fcgi_slow {
    struct fcgi_request *r;
    struct buf rest; /* empty: nothing waits */
    size_t sent;     /* of it */
    struct loop_fd *watch;
    struct loop_timer *limit; /* a stream has one only while it is held up */
};

/* Becomes r->slow, arg of the callback. NULL: out of memory. */
struct fcgi_slow *fcgi_slow_new(struct fcgi_request *r, loop_fd_fn *ready) MUST_CHECK;
/* Stops watching, forgets what was left to write. NULL is allowed. */
void fcgi_slow_free(struct fcgi_slow *s);
/* The loop's buffer for records, empty. */
struct buf *fcgi_frame(struct fcgi *f);
/* Records with a part of the answer, none when it is empty; the end of the answer. */
void fcgi_add_output(struct buf *b, uint16_t id, struct sv bytes);
void fcgi_add_end(struct buf *b, uint16_t id);
/* How much the socket takes now. -1: the web server is gone. */
ssize_t fcgi_send(int fd, struct sv bytes);
/* Reads what has come, into memory that the next call overwrites. *bytes: at most 64 KiB of it, empty when there was nothing. False: the
 * web server has closed. */
bool fcgi_hear(int fd, struct sv *bytes) MUST_CHECK;
/* The last bytes of an answer are in fcgi_frame: sends them, and the request is gone. */
void fcgi_finish(struct fcgi_request *r);

/* ---- fcgi_stream.c ---- */

/* The connection is to be cut: `gone` comes at once where it has not come. The request is gone after. */
void fcgi_stream_cut(struct fcgi_request *r);

#endif
