/* SPDX-License-Identifier: MIT
 * What the files of t/lib/listeners share.
 *
 *   listeners.c: commands, who is cut when, report ──> listeners_link.c: one connection's life ──> listeners_read.c: its bytes
 *                                                                        listeners_check.c <── each event */
#ifndef T_LIB_LISTENERS_H
#define T_LIB_LISTENERS_H

#include "lib/buf.h"
#include "lib/loop.h"

enum { SESSION_ID_SIZE = 64, TICKET_SIZE = 1024, FRAME_MAX = 1 << 20, HEARD_MAX = 1 << 16 };

enum link_kind { LINK_SSE, LINK_WS, LINK_KINDS };
enum link_state {
    LINK_WAITS,      /* until its timer lets it into the queue */
    LINK_QUEUED,     /* until few enough others are connecting */
    LINK_CONNECTING,
    LINK_HEAD,       /* the request is out */
    LINK_OPEN,
};
enum link_pace { PACE_QUICK, PACE_SLOW, PACE_DEAF };
enum cut_way { CUT_RESET, CUT_FIN, CUT_HALF, CUT_WAYS }; /* HALF: says that it goes and waits for the other side to end */

struct session {
    char id[SESSION_ID_SIZE];
    char ticket[TICKET_SIZE]; /* "": none */
    uint64_t *heard; /* digest of the event with this number, by whoever heard it first; 0: not heard */
};

struct tally {
    uint64_t events, doubled, missed, out_of_order;
    uint64_t differing; /* another text than another listener got under this number, or of another session */
    uint64_t malformed; /* what no client could read */
    uint64_t resets;
    uint64_t pings;     /* keep-alives */
    uint64_t cuts;      /* by us */
    uint64_t dropped;   /* open connections that the other side ended */
    uint64_t reconnects;
    uint64_t refused;   /* answers other than 200 or 101 */
    uint64_t failed;    /* connections that did not get as far as an answer */
    int last_refusal;
};

struct crowd;

struct link {
    struct crowd *c;
    struct session *s;
    struct link *next; /* in the queue */
    enum link_kind kind;
    enum link_state state;
    enum link_pace pace;
    bool straight;  /* past the web server */
    bool by_ticket; /* where its session has one */
    bool begun;     /* it knows where it begins */
    bool was_open, leaving, chunked;
    bool over;      /* the stream has come to a proper end */
    uint64_t seen;  /* the last event */
    uint64_t owed;  /* events that it missed so far */
    int fd;
    struct loop_fd *watch;
    struct loop_timer *timer; /* the state says what for */
    struct buf in;   /* bytes that are no whole chunk or frame yet */
    struct buf text; /* of them, what is no whole event yet */
};

struct plan {
    int port, sessions, pace;
    int listeners[LINK_KINDS], hot, deaf, slow_percent, now_percent;
    const char *straight, *token, *prefix;
};

struct crowd {
    struct plan plan;
    struct loop *loop;
    struct session *sessions;
    struct link *links;
    size_t links_n;
    struct link *first, *last; /* who wants to connect */
    int connecting;
    bool asleep; /* deaf ones do not read */
    uint64_t random;
    struct tally n;
};

/* 0 to below - 1. */
unsigned crowd_random(struct crowd *c, unsigned below);

/* ---- listeners_link.c ---- */

/* False: memory. */
bool link_init(struct link *l) MUST_CHECK;
void link_start(struct link *l);
/* Only an open one. It comes back by itself. */
void link_cut(struct link *l, enum cut_way how);
void link_wake(struct link *l);
void link_free(struct link *l);
/* Writes all of it, or gives the connection up. */
void link_say(struct link *l, struct sv bytes);

/* ---- listeners_read.c: take what l->in holds ---- */

/* The answer's head is there: 0 when it is not whole, else its status. */
int read_head(struct link *l);
/* False: it cannot be read on. */
bool read_stream(struct link *l);
bool read_frames(struct link *l);
void say_close(struct link *l);

/* ---- listeners_check.c ---- */

/* id: of a server-sent event; SV_NONE: none. */
void check_event(struct link *l, struct sv id, struct sv event);
/* Something that no server should send; says so on standard error. */
void check_fails(struct link *l, const char *what, struct sv bytes);

#endif
