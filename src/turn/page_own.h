/* SPDX-License-Identifier: MIT
 * What page_platform.c (the port), page_send.c (a delivery, and each call in it) and page_look.c (reading back) share. Nobody else includes this. */
#ifndef TURN_PAGE_OWN_H
#define TURN_PAGE_OWN_H

#include "lib/loop.h"
#include "lib/map.h"
#include "outside/calls.h"
#include "turn/page_platform.h"
#include "turn/page_text.h"

#define PAGE_LATE_MS 60      /* so late at a place, and another one is taken */
#define PAGE_WAITS 64

struct page_platform {
    struct platform platform;
    struct page_platform_options o; /* page_id is a copy */
    struct call_link *calls;
    struct map *held;       /* conversation -> struct page_held: places that turns wait for */
    size_t held_max;        /* so many, and what is over is looked for */
    unsigned char waits[PAGE_WAITS]; /* by a hash of the page: how often it said "too many" in a row without saying until when */
};

/* Places in a row that were given out: the first one is at at_ms (clock_mono_ms), each next every_ms later. */
struct page_held {
    int64_t at_ms, every_ms;
    size_t first, n; /* the pieces that they are for */
};

enum page_state {
    PAGE_PIECE_OPEN = '.',    /* nothing was sent */
    PAGE_PIECE_MAYBE = '?',   /* it may have arrived */
    PAGE_PIECE_MISSED = '-',  /* the same; it was looked for once, and not found */
    PAGE_PIECE_ARRIVED = '+',
};

/* A message of the page that may be a piece, while the store is asked whose it is. */
struct page_candidate {
    struct platform_call *c;
    struct page_candidate *next;
    size_t piece;              /* the first one with its text */
    char mark[PAGE_ECHO_SIZE]; /* of its id */
    bool others;               /* another delivery has sent it */
};

struct platform_call {
    struct call_link link;
    struct page_platform *p; /* NULL: aborted; lives until the store has answered */
    struct arena *a;
    platform_fn *fn; /* one of these two */
    platform_place_fn *place_fn;
    void *arg;
    unsigned asked; /* answers of the store that are still to come */

    struct sv page_id, conversation_id, message_id, actions, key;
    bool comment, again, stopped; /* stopped: nothing more is to be sent */
    int64_t began_ms, deadline_ms, send_before_ms; /* clock_mono_ms */
    int64_t first_try_ms;                          /* wall */
    struct err err;                                /* why it cannot be sent at all; code 0: it can */

    struct page_text text;
    struct sv plain[PAGE_PIECES_MAX];
    char state[PAGE_PIECES_MAX]; /* enum page_state */
    size_t at;                   /* the piece that is being sent */
    struct page_held held;       /* n 0: none */
    char record[80], limit[300], echo[PAGE_ECHO_SIZE];

    struct loop_timer *timer;
    void (*then)(struct platform_call *c); /* when the timer fires, or all that the store was asked is answered */
    struct pages_call *call;
    bool store_failed, limited;
    bool answered_any; /* a call of this delivery has left */
    bool settled;      /* of no piece it is unknown whether an earlier try has sent it */
    bool recalled;     /* an earlier try's states were in the store: its marks were written, too */
    int64_t retry_after_ms;
    int http_status;

    unsigned read_pages, read_n; /* reading back */
    bool read_whole;             /* nothing older need be read */
    struct map *seen;            /* ids of messages of this round */
    struct page_candidate *candidates, **last_candidate; /* of the page that was read, newest first */
    const struct page_candidate *matched[PAGE_PIECES_MAX];
};

/* page_platform.c: the call, with what the request says. NULL: memory. */
struct platform_call *page_call_new(struct page_platform *p, const struct platform_request *r) MUST_CHECK;
/* Frees it, or leaves that to the store's last answer. */
void page_call_end(struct platform_call *c);
/* fn once, then the end. */
void page_answer(struct platform_call *c, const struct platform_answer *answer);
/* c->then after so long. */
void page_after(struct platform_call *c, int64_t ms, void (*then)(struct platform_call *c));
/* A question to the store is out: call it before each, and page_heard in its answer; false: the call was aborted. c->then runs once nothing is out. */
void page_ask(struct platform_call *c);
bool page_heard(struct platform_call *c);
/* For store_put whose answer decides nothing but whether it failed. */
void page_written(void *arg, enum store_status status);
/* Takes the places that were given to this conversation by platform_place. */
void page_take_held(struct platform_call *c);
/* For how long a page is left alone that said "too many": as long as it said, PAGE_LIMITED_MAX_MS at most; said_ms < 0: it did not say. Told to all processes. c->then when that is done. */
void page_leave_alone(struct platform_call *c, int64_t said_ms);
void page_was_good(struct platform_call *c);

/* page_send.c */
void page_send_begin(struct platform_call *c);
/* The next piece that is open, or the end. */
void page_send_next(struct platform_call *c);
/* Nothing more can be sent now. What is known is written first. */
void page_send_later(struct platform_call *c, int64_t retry_after_ms, const char *why);
/* The end with this outcome: UNKNOWN, or nothing was sent, and what an earlier try has sent stays unknown (UNREACHABLE, TOO_LATE). */
void page_send_not(struct platform_call *c, enum platform_outcome outcome, const char *why);

/* page_look.c: finds out about what may have arrived, then page_send_next. */
void page_look_begin(struct platform_call *c);

#endif
