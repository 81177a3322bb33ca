/* SPDX-License-Identifier: MIT
 * FastCGI requests from a listening socket to the loop, and answers back. Knows records, parameters and bodies, nothing of HTTP.
 *
 *   reader thread   accept, read the parameters ─ops.head─> read the body ─ops.body─> loop_post
 *   loop            ops.handle ... (parked for as long as it takes: one descriptor, no thread) ... fcgi_reply
 *                                  or fcgi_stream ... fcgi_stream_write ... fcgi_stream_end
 *
 * libfcgi reads, since it blocks, on threads whose number follows the load; a request that is not complete within read_timeout_ms is
 * cut, however slowly it drips. The answer is framed here and leaves the loop without blocking, whatever its size. libfcgi's own
 * way out is not used: it blocks when the socket is full, keeps 17 KB a request, and closes with a draining wait of two seconds.
 * A connection that the web server wants to keep (FCGI_KEEP_CONN) waits for its next request beside the listening socket, where it holds
 * no thread; others are closed after their answer. */
#ifndef API_FCGI_H
#define API_FCGI_H

#include "lib/arena.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/sv.h"

struct fcgi;
struct fcgi_slow;

#define FCGI_READERS_MAX 64
#define FCGI_REFUSE (-1)

enum fcgi_stream_state {
    STREAM_NONE,
    STREAM_OPEN,
    STREAM_LEAVES, /* `gone` is on its way, then it is ended properly */
    STREAM_LOST,   /* `gone` is on its way, then the connection is cut */
};

/* Of an answer that goes on. */
struct fcgi_stream {
    enum fcgi_stream_state state;
    loop_fn *gone; /* NULL: has been called, or is not to be */
    loop_fn *room; /* NULL: nobody wants to know */
    void *arg;
    size_t max; /* bytes that may wait */
};

/* First member of the owner's struct, which is zeroed memory of ops.request_size bytes. Lives until its connection is closed. */
struct fcgi_request {
    struct arena *scratch; /* for whatever the request needs until it is parked; see fcgi_park */
    char *const *params;   /* "NAME=value", NULL-terminated; only inside ops.head and ops.body */
    int64_t began_us;      /* clock_mono_us when it was accepted */
    struct fcgi *fcgi;     /* this one and the rest: private */
    struct fcgi_request *prev, *next;
    struct fcgi_slow *slow;
    struct fcgi_stream stream;
    int fd;
    uint16_t id;
    bool body_left;   /* the web server may still be sending */
    bool keep;        /* it wants to use the connection again */
    bool nonblocking; /* the loop has watched the descriptor */
};

struct fcgi_ops {
    size_t request_size;
    size_t scratch_first, scratch_max; /* arena_new's arguments */
    /* READER. The parameters are there. How many bytes of body are wanted at most, or FCGI_REFUSE: the request will be answered
     * without its body, of which nothing is read. Must not block. */
    int64_t (*head)(void *arg, struct fcgi_request *r);
    /* READER. The body, or its first bytes when it is longer than wanted (`longer`). Borrowed. Not called after FCGI_REFUSE. */
    void (*body)(void *arg, struct fcgi_request *r, struct sv body, bool longer);
    /* LOOP. Leads to exactly one fcgi_reply or fcgi_stream, now or later. */
    void (*handle)(void *arg, struct fcgi_request *r);
    /* The request goes away, answered or not; after head was called. READER or LOOP. */
    void (*closed)(void *arg, struct fcgi_request *r);
};

struct fcgi_options {
    struct loop *loop;
    int listen_fd;            /* stays the caller's. Made O_NONBLOCK, which all processes that share the socket see */
    unsigned readers_max;     /* 1 to FCGI_READERS_MAX */
    int64_t read_timeout_ms;  /* for a whole request */
    int64_t write_timeout_ms; /* without any progress */
};

/* A listening stream socket? False for a terminal, a file, nothing. */
bool fcgi_is_listener(int fd);
/* Begins to accept. Signal dispositions stay as they were, although libfcgi would take some of them over. One a process. */
struct fcgi *fcgi_open(const struct fcgi_options *o, const struct fcgi_ops *ops, void *arg, struct err *e) MUST_CHECK;
/* Frees the scratch arena of a request that waits for its answer. LOOP. */
void fcgi_park(struct fcgi_request *r);
/* `answer`: a CGI response (RFC 3875 6), header and body; copied where it must. The request is gone after. LOOP. */
void fcgi_reply(struct fcgi_request *r, struct sv answer);
/* Begins an answer that goes on. `head`: the CGI header, and perhaps the first bytes of the body. `gone` comes once, on the loop, never
 * from inside a call, when the web server has closed the connection, or does not read (write_timeout_ms without progress, or more than
 * buffer_max bytes would wait), or the responder drains or closes. In `gone` the request may be looked at for the last time. LOOP. */
void fcgi_stream(struct fcgi_request *r, struct sv head, size_t buffer_max, loop_fn *gone, void *arg);
/* Appends to the body; never blocks; copied where it must. What comes when nothing waits is taken whatever its size, or a large piece
 * could never be sent. -1: it is on its way to `gone`, nothing more is written. LOOP. */
int fcgi_stream_write(struct fcgi_request *r, struct sv bytes);
/* Bytes that the web server has not taken yet. LOOP. */
size_t fcgi_stream_waiting(const struct fcgi_request *r);
/* room(argument of `gone`) whenever the last of them has been taken. It may write, or end the stream. LOOP. */
void fcgi_stream_on_room(struct fcgi_request *r, loop_fn *room);
/* The proper end, once all is written. `gone` does not come any more, also where it was on its way. The request is gone after. LOOP. */
void fcgi_stream_end(struct fcgi_request *r);
/* The proper end without its user's doing: `gone` comes. Nothing more is written. LOOP. */
void fcgi_stream_leave(struct fcgi_request *r);
/* Accepts nothing more from now on; fn on the loop once everything that was accepted is answered and all readers have ended. Streams are
 * ended properly, so that their clients ask another responder. */
void fcgi_drain(struct fcgi *f, loop_fn *fn, void *arg);
/* Open connections, those that are being read among them. Any thread. */
size_t fcgi_live(const struct fcgi *f);
/* Connections that are still open are cut. Not from inside a callback of the loop, which may be run for one round. */
void fcgi_close(struct fcgi *f);

#endif
