/* SPDX-License-Identifier: MIT
 * Asks the rig's engine for jobs, as POST /api/v1/chat/message and GET /api/v1/chat/jobs do. */
#ifndef T_TURN_JOB_ASK_H
#define T_TURN_JOB_ASK_H

#include "t/turn/rig.h"
#include "turn/history.h"

struct told {
    bool done;
    enum history_outcome outcome;
    char job_id[64], lock_id[64], bot_name[64], reason[64];
    size_t consolidated;
};

/* A history in markup; the test ends when there is no answer. callback NULL: none. */
struct told post_with(struct rig *r, const char *conversation, const char *markup, const char *callback);
struct told post(struct rig *r, const char *conversation, const char *markup);
/* The job as it is shown, to be released; NULL: there is none. */
json_t *job_of(struct rig *r, const char *id);
/* One test: whether it has this status. */
void is_job(struct rig *r, const char *id, const char *status, const char *what);

#endif
