/* SPDX-License-Identifier: MIT
 * What tests of replies by the page API share: one page's server, store and platform. A repeat is by an instance of its own (page_killed), as if the first process
 * had died. */
#ifndef T_TURN_PAGE_RIG_H
#define T_TURN_PAGE_RIG_H

#include "t/outside/rig.h"
#include "turn/page_platform.h"

#define YES "HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n{\"success\":true,\"id\":\"m_1\"}"
#define NO "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"success\":false}"
#define NO_AS_NUMBER "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"success\":0}"
#define NEITHER "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"success\":null}"
#define STATUS(line) "HTTP/1.1 " line "\r\nContent-Length: 0\r\n\r\n"
#define CUT { .then = PEER_CLOSE }
#define SAYS(text) { .answer = (text) }

#define M(text) "{\"type\":\"send_message\",\"data\":{\"message\":\"" text "\"}}"
#define BODY "{\"timestamp\":1800000000.000}"

#define NEWER "2099-01-01T00:00:00.000000"
#define OLDER "2001-01-01T00:00:00.000000"
#define BY(who, id, text, at)                                                                                                                              \
    "{\"id\":\"" id "\",\"from\":{\"id\":\"" who "\",\"name\":\"N\"},\"original_message\":\"" text "\",\"message\":\"<div>" text "</div>\",\"inserted_at\":\"" at "\"}"

extern struct rig rig;
extern struct peer *peer;
extern struct platform *platform;

struct page_told {
    int times;
    struct platform_answer answer;
};

/* An answer with these messages; the last four stay valid. */
const char *page_reads(const char *messages);
/* Of the page p1, with p2 beside it. */
struct platform *page_instance(int64_t calls_per_second);
void page_begin(const struct peer_step *steps, int n);
void page_end(void);
void page_killed(void);

struct platform_request page_request(const char *actions, bool again);
void page_tell(void *arg, const struct platform_answer *a);
bool page_was_told(void *arg);
/* The answer, waited for. */
struct page_told page_deliver(const struct platform_request *q);
struct page_told page_say(const char *actions, bool again);
void is_outcome(const struct page_told *t, enum platform_outcome want, const char *name);
/* Methods and texts of what was asked: "POST hi|GET|". */
void is_asked(const char *want, const char *name);

/* What the store has of this name; until the next call. */
const char *page_stored(const char *name);
void page_put(const char *name, const char *value);
/* The mark of a text, until the next call. */
const char *page_mark(const char *text);

#endif
