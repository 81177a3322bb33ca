/* SPDX-License-Identifier: MIT
 * A message for a session comes in: accepted as one for a job (turn_arrive.c does all of it), and told to its sender in the words of a session. */
#include "config.h"

#include <stdio.h>

#include "lib/clock.h"
#include "turn/control_own.h"
#include "turn/session.h"

struct submission {
    struct control_call c;
    struct sv session_id, message_id;
};

/* The job that answers it: none where nothing does. */
static struct sv job_of(struct sv result)
{
    struct sv id = json_raw_member(result, "job_id");

    return id.p != NULL ? id : json_raw_member(result, "turn_id");
}

static void tell_accepted(struct submission *q, const struct turn_answer *answer)
{
    struct sv status = json_raw_member(answer->result, "status"), reason = json_raw_member(answer->result, "reason");
    bool recorded = sv_eq(status, SV("\"recorded\"")) && !sv_eq(reason, SV("\"deferred\""));
    struct sv job = recorded ? SV_NONE : job_of(answer->result);
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    json_obj(&o);
    json_kbool(&o, "accepted", true);
    json_kstr(&o, "session_id", q->session_id);
    json_kstr(&o, "message_id", q->message_id);
    json_kbool(&o, "check_reply", answer->check_reply);
    json_kraw(&o, "job_id", job.p != NULL ? job : SV("null"));
    if (recorded)
        json_kraw(&o, "reason", reason.p != NULL ? reason : SV("null"));
    if (json_raw_member(answer->result, "replayed").p != NULL)
        json_kbool(&o, "duplicate", true);
    json_obj_end(&o);
    control_tell_accepted(&q->c, &b);
}

static void on_answer(void *arg, const struct turn_answer *answer)
{
    struct submission *q = arg;

    switch (answer->status) {
    case ANSWER_COMPLETED:
    case ANSWER_LOCKED:
    case ANSWER_RESTART_NEEDED:
    case ANSWER_RECORDED:
    case ANSWER_PROCESSING:
    case ANSWER_QUEUED:
    case ANSWER_CANCELLED:
    case ANSWER_FAILED:
        tell_accepted(q, answer);
        break;
    case ANSWER_TURN_RUNNING:
        control_refuse(&q->c, 409, "turn_running", "A turn is running and the bot takes nothing meanwhile: try again later.", NULL);
        break;
    case ANSWER_FULL:
        control_refuse(&q->c, 503, "too_many_pending", "Too many messages of this session wait, or the store is full.", NULL);
        break;
    case ANSWER_UNAVAILABLE:
        control_unavailable(&q->c);
        break;
    case ANSWER_TOO_LARGE:
        control_refuse(&q->c, 413, "too_large", "The message is too large.", NULL);
        break;
    }
    control_end(&q->c);
}

void session_submit(struct turns *t, const struct session_submit *s, control_fn *fn, void *arg)
{
    const struct session_message *in = s->message;
    struct submission *q = control_begin(t, sizeof(*q), fn, arg);
    char made[ID_UUID_SIZE];

    if (q == NULL)
        return;
    id_uuid7(made);
    q->session_id = arena_sv(q->c.a, s->session_id);
    q->message_id = arena_sv(q->c.a, in->message_id.n > 0 ? in->message_id : sv_from(made));
    if (q->session_id.p == NULL || q->message_id.p == NULL) {
        control_short_of_memory(&q->c);
        return;
    }
    const struct message m = { .conversation_id = q->session_id, .message_id = q->message_id, .content = in->content,
                               .sender_id = in->sender_id, .sender_type = (enum sender_type)in->sender_type,
                               .timestamp_ms = in->timestamp_ms >= 0 ? in->timestamp_ms : turns_store_now(t),
                               .metadata = in->metadata, .attachments = in->attachments, .bot_id = in->bot_id };
    const struct submit_options o = { .as_job = true, .request_id = s->request_id, .traceparent = s->traceparent };
    turns_submit(t, &m, &o, on_answer, q);
}
