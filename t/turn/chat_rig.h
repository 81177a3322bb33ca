/* SPDX-License-Identifier: MIT
 * An engine on the memory store with a real archive (SQLite) behind it that can be away, and a reader's questions. What the engine leaves in the queue
 * is archived when the test says so. */
#ifndef T_TURN_CHAT_RIG_H
#define T_TURN_CHAT_RIG_H

#include "archive/archive_history.h"
#include "t/turn/control_ask.h"
#include "turn/chat.h"

struct gate {
    struct archive archive; /* first */
    struct archive *real;
    struct loop *loop;
    bool away;
    bool holds;        /* the next erasure waits for chat_gate_release */
    struct held *held; /* it does */
};

struct chat_rig {
    struct rig r;
    struct gate gate;
};

/* A file with the archive's tables, for any number of rigs. */
void chat_file_make(char path[64]);
void chat_file_remove(const char *path);
/* path NULL: there is no archive. failing: that call of the store is answered DOWN (the first is 1); 0: none is. */
void chat_open(struct chat_rig *c, const char *path, unsigned failing);
void chat_close(struct chat_rig *c);
/* Turns the loop until an erasure is held (gate.holds). Ends the test run when none comes. */
void chat_gate_wait(struct chat_rig *c);
/* It goes on, and no other one is held. */
void chat_gate_release(struct chat_rig *c);

/* A message of `user` that is answered (or waits, when the AI is held). */
void chat_say(struct chat_rig *c, const char *user, const char *session, const char *id, const char *text, int64_t timestamp_ms);
/* All that waits in the queue is written. */
void chat_write_archive(struct chat_rig *c);

/* For chat_who: an administrator when NULL. */
struct chat_who chat_by(const char *user);
struct chat_page chat_page_of(const char *by, const char *user, const char *session, int64_t page, int64_t size);
void ask_page(struct chat_rig *c, const struct chat_page *p, struct asked *q);
void ask_session(struct chat_rig *c, const char *by, const char *session, struct asked *q);
void ask_archive(struct chat_rig *c, const char *by, const char *session, struct asked *q);
/* The result is an array: asked_str(q, "0/sessionId"). */
void ask_sessions(struct chat_rig *c, const char *by, const char *user, struct asked *q);
void ask_figures(struct chat_rig *c, const char *from, const char *to, struct asked *q);
void ask_preferences(struct chat_rig *c, const char *by, const char *user, struct asked *q);
/* session NULL: all of the user. */
void ask_erase(struct chat_rig *c, const char *by, const char *user, const char *session, struct asked *q);
/* pairs: key, value, key, value, ..., NULL. */
void put_preferences(struct chat_rig *c, const char *by, const char *user, const char *const *pairs, struct asked *q);
/* "id=response" of each message of a page, blanks between; a response of none is "id". Valid until the next call. */
const char *page_text(const struct asked *q);
/* The X-Cache of the last answer; "": none. */
extern const char *chat_cache;

#endif
