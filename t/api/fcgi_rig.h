/* SPDX-License-Identifier: MIT
 * For tests of answers that go on: fcgi.h over a socket of its own, with every request answered by a stream, and the web server's side of
 * it. Everything happens in the test's own thread, which turns the loop by hand, so that what happens inside a call and what happens after
 * it can be told apart. Ends the test run when something cannot be set up. */
#ifndef T_API_FCGI_RIG_H
#define T_API_FCGI_RIG_H

#include "api/fcgi.h"
#include "lib/buf.h"

#define BUFFER_MAX 8192
#define TURNS 4000
#define HEAD "Status: 200 OK\r\n\r\nfirst"
#define LONG_MS 20000

/* What became of a stream; outlives it. */
struct fate {
    struct fcgi_request *r;
    int gone;
    int written;      /* what a write in `gone` returned */
    struct fate *end; /* to be ended in `gone` */
};

/* The web server's side of it. */
struct peer {
    int fd;
    struct buf in, out; /* records, and what was in them */
    bool ended, closed;
};

extern struct loop *loop;
extern struct fcgi *fcgi;
extern char socket_path[96];
extern int inside; /* a call of a function of fcgi.h */
extern int nested; /* how often `gone` came in one */
extern int handled, closed;
extern bool no_stream;          /* requests are only parked */
extern struct fate fates[2000]; /* by the number of the request since begin() */

void begin(int64_t write_timeout_ms);
void finish(void);
bool turn_until(const int *what, int value);

void begin_stream(struct fate *fate); /* of a request that is parked */
int write_to(struct fate *fate, struct sv bytes);
void end_stream(struct fate *fate);
/* Writes numbers, and adds them to `all`, until something waits. */
void fill(struct fate *fate, int *number, struct buf *all);

/* A request without its body ("unread": one is on its way), and one that is whole. */
void put_head(struct buf *b, bool keep, const char *body);
void put_get(struct buf *b, bool keep);
/* A stream begins, on a connection that is there, or a new one. */
struct fate *ask_on(struct peer *p, bool keep);
struct fate *ask(struct peer *p);
/* Reads what is there now, `most` bytes of it. */
void hear(struct peer *p, size_t most);
void hear_until(struct peer *p, const bool *what);
/* A check: this has come, and perhaps the end. Forgets it. */
void heard(struct peer *p, const char *text, bool ended, const char *what);
void hang_up(struct peer *p);

#endif
