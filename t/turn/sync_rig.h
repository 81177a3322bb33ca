/* SPDX-License-Identifier: MIT
 * A rig that is told of exchanges: at noon, of "customer" in c1. With an archive that knows one session, or without one. */
#ifndef T_TURN_SYNC_RIG_H
#define T_TURN_SYNC_RIG_H

#include "archive/archive.h"
#include "t/turn/rig.h"
#include "turn/chat.h"

#define NOON INT64_C(1699963200000) /* 2023-11-14T12:00:00Z */
#define HOUR INT64_C(3600000)

struct known {
    struct archive archive;
    struct loop *loop;
    bool down;
    const char *session, *messages; /* NULL: it knows nothing; ids, with blanks around each */
    const struct sv *context;
    size_t context_n;
    int sessions_asked, messages_asked;
};
extern struct known sync_known;

void sync_open(struct rig *r);
void sync_open_archived(struct rig *r);
/* Made `before` milliseconds ago; what it says is made of its id. */
struct chat_exchange sync_made(const char *id, int64_t before);
/* The status, the code if there is one, and the result; valid until the next call. */
const char *sync_with(struct rig *r, struct turns *t, const struct chat_exchange *list, size_t n, bool several);
const char *sync_many(struct rig *r, const struct chat_exchange *list, size_t n);
const char *sync_one(struct rig *r, struct chat_exchange e);
/* The customer says it (its id), and gets his answer. */
void sync_say(struct rig *r, const char *id);

#define DONE(id, known) "200 {\"message\":\"Chat message synced successfully\",\"messageId\":\"" id "\",\"sessionId\":\"c1\",\"duplicate\":" known "}"
#define MANY(synced, known) "200 {\"message\":\"Chat messages synced successfully\",\"synced\":" synced ",\"duplicates\":" known "}"

#endif
