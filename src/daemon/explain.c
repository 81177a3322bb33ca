/* SPDX-License-Identifier: MIT
 * EXPLAIN: sentences for a person out of the JSON that control.h gives. Decides nothing: status and reason were written by whoever decided.
 * A reason that is not in the table is shown as it is, so that a new one is never hidden. */
#include "config.h"

#include "daemon/command_own.h"
#include "lib/alive.h"
#include "lib/clock.h"
#include "turn/reason.h"

#define MESSAGES_SHOWN 10

/* status, reason (NULL: any) -> sentence. The first that fits. */
static const struct {
    const char *status, *reason, *sentence;
} sentences[] = {
    { "completed", REASON_ANSWERED, "It was answered." },
    { "completed", REASON_PLATFORM_REFUSED, "Its reply went to the platform, which refused it." },
    { "completed", REASON_NO_ACTIONS, "The AI was asked and had nothing to say." },
    { "completed", REASON_NO_EXECUTABLE_ACTION, "The AI proposed nothing but actions that its platform cannot do; nothing was sent, and the platform was not asked." },
    { "completed", REASON_NOT_DELIVERED, "It was answered; the reply is there for whoever asks for the job, its bot delivers nothing to the platform." },
    { "completed", NULL, "It was answered." },
    { "recorded", REASON_AGENT_MESSAGE, "It is a person's message: the bot does not answer those, and stays silent for a while." },
    { "recorded", REASON_OWN_MESSAGE, "It is the echo of what the bot said itself." },
    { "recorded", REASON_SYSTEM_MESSAGE, "It is a system message: nobody expects an answer to it." },
    { "recorded", REASON_BOT_PAUSED, "The bot was silent in this conversation, because a person had taken over or it was paused." },
    { "recorded", REASON_ANSWERED_BY_PERSON, "A person had answered it before the bot knew of it: no webhook brought it in time, and it was fetched later." },
    { "recorded", REASON_BOT_DISABLED, "Its bot is switched off." },
    { "recorded", REASON_HISTORY, "It came as the past of a conversation; somebody else has answered it." },
    { "recorded", REASON_SYNCED, "Somebody else had this exchange with the customer and told of it." },
    { "recorded", REASON_MESSAGE_REMOVED, "Its sender took it back before it was answered, and nothing else was to be answered." },
    { "recorded", REASON_FORGOTTEN, "It waits for nothing; how it ended is not known here any more, or the archive does not answer now." },
    { "recorded", NULL, "It was kept as context and not answered." },
    { "cancelled", REASON_CANCELLED, "An administrator cancelled the turn that was to answer it." },
    { "cancelled", REASON_ERASED, "Its session or its user was erased; nothing of it is kept." },
    { "failed", NULL, "It was given up after all tries; its turn is a dead letter, which RETRY revives." },
    { "unknown", REASON_BOT_PAUSED, "A person took over while its reply went out in pieces: some were sent, the rest is not sent any more." },
    { "unknown", NULL, "A reply was sent, but whether the platform got it is not known; it is not sent again." },
    { "withheld", NULL, "A reply was ready and withheld." },
    { "locked", REASON_PROCESSING, "It waits for the running turn; the next one answers it." },
    { "deferred", REASON_DEFERRED, "It waits with the burst that it belongs to." },
    { "pending", REASON_WAITING, "It waits for an answer." },
    { "queued", NULL, "It waits for its turn." },
    { "processing", REASON_PROCESSING, "A turn that answers it is running." },
    { "received", REASON_ACCEPTED, "It was accepted, and waits." },
    { "restart_needed", NULL, "Newer messages came while it was answered; one turn answers them together." },
};

/* Reasons that add something. */
static const struct {
    const char *reason, *sentence;
} reasons[] = {
    { REASON_SUPERSEDED, "Newer messages came before the reply was sent, so one reply answers all of them." },
    { REASON_BOT_UNUSABLE, "Its bot names an AI or a platform that cannot be used; BOT SHOW says why." },
    { REASON_AI_UNREACHABLE, "The AI service could not be reached, or had an error of its own." },
    { REASON_AI_CIRCUIT_OPEN, "The AI service has failed so often lately that it was not asked; the log says how." },
    { REASON_AI_REFUSED, "The AI service refused the request." },
    { REASON_AI_DENIED, "The AI service lets nobody in: its token, account, model or address has to be mended. The log says how it said so." },
    { REASON_AI_INVALID_ANSWER, "The AI service answered something that cannot be used." },
    { REASON_AI_ANSWER_TOO_LARGE, "The answer of the AI service was too large." },
    { REASON_OUT_OF_MEMORY, "The process that worked on it was short of memory." },
    { REASON_PLATFORM_UNREACHABLE, "The platform could not be reached, refused the token, or wanted no more calls for now; nothing was sent. The log says which." },
    { REASON_PLATFORM_CIRCUIT_OPEN, "The platform has failed so often lately that nothing was sent to it; the log says how." },
    { REASON_PLATFORM_BUSY, "The platform takes so many calls a second and had no place within reach; nothing was sent." },
    { REASON_SEND_TOO_LATE, "Its process was too slow to send the reply in time, so nothing was sent." },
    { REASON_RESPONDER_BUSY, "The process that took it was short of memory; a daemon works on it." },
    { REASON_HANDED_OVER, "The process that took it does not work on it; a daemon does." },
    { REASON_JOB_QUEUED, "It came as a job; a daemon takes it up." },
    { REASON_HANDED_BACK, "The process that worked on it was shut down; another goes on." },
    { REASON_NEWER_MESSAGES, "It came after the snapshot of the turn before." },
    { REASON_RESTART, "A reply was withheld because newer messages came; one turn answers all of them." },
    { REASON_REVIVED, "Its turn had been given up, and is tried again." },
    { REASON_OUTCOME_UNKNOWN, "The platform did not say whether it took the reply." },
    { REASON_OWNER_LOST, "The process that was sending it was lost." },
    { REASON_OWNERS_LOST, "Each process that worked on it was lost." },
    { REASON_EARLIER_SEND_UNKNOWN, "An earlier reply's outcome is not known yet, and no other may go out before its deadline." },
};

struct story {
    struct call *call;
    struct buf text; /* lines */
    struct buf json;
    struct json_out o;
};

static void say(struct story *s, struct sv line)
{
    buf_add(&s->text, line);
    buf_addc(&s->text, '\n');
    json_str(&s->o, line);
}

static void say_of(struct story *s, struct sv what, struct sv sentence)
{
    struct sv line = arena_printf(s->call->a, "%.*s: %.*s", SV_FMT(what), SV_FMT(sentence));
    say(s, line.p != NULL ? line : sentence);
}

static struct sv sentence_of(struct arena *a, struct sv status, struct sv reason)
{
    for (size_t i = 0; i < ARRAY_LEN(sentences); i++)
        if (sv_eq(status, sv_from(sentences[i].status)) &&
            (sentences[i].reason == NULL || sv_eq(reason, sv_from(sentences[i].reason))))
            return sv_from(sentences[i].sentence);
    return arena_printf(a, "Its state is \"%.*s\".", SV_FMT(status));
}

static void say_reason(struct story *s, struct sv what, struct sv reason)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (sv_eq(reason, sv_from(reasons[i].reason))) {
            say_of(s, what, sv_from(reasons[i].sentence));
            return;
        }
    for (size_t i = 0; i < ARRAY_LEN(sentences); i++)
        if (sentences[i].reason != NULL && sv_eq(reason, sv_from(sentences[i].reason)))
            return; /* the sentence about the status said it */
    say_of(s, what, arena_printf(s->call->a, "The reason that was written down is \"%.*s\".", SV_FMT(reason)));
}

static struct sv date(struct arena *a, const json_t *object, const char *key)
{
    char text[25];
    double seconds = json_f64(object, key, 0);
    if (seconds <= 0)
        return SV_NONE;
    clock_format((int64_t)(seconds * 1000), text);
    return arena_sv(a, sv_from(text));
}

/* One message's fate. */
static void say_fate(struct story *s, const json_t *fate)
{
    struct arena *a = s->call->a;
    struct sv id = json_sv(fate, "message_id"), status = json_sv(fate, "status"), reason = json_sv(fate, "reason");
    struct sv turn = json_sv(fate, "turn_id"), at = date(a, fate, "received_at");
    struct sv what = id.p != NULL ? id : SV("message");
    size_t superseded = json_array_size(json_object_get(fate, "superseded"));

    if (at.p != NULL)
        say_of(s, what, arena_printf(a, "It came at %.*s.", SV_FMT(at)));
    say_of(s, what, sentence_of(a, status, reason));
    if (reason.n > 0)
        say_reason(s, what, reason);
    if (superseded > 0)
        say_of(s, what, arena_printf(a, "%zu %s withheld before that, because newer messages came.", superseded,
                                     superseded == 1 ? "reply was" : "replies were"));
    if (turn.n > 0)
        say_of(s, what, arena_printf(a, "Its turn is %.*s.", SV_FMT(turn)));
}

/* ---- a whole conversation ---- */

static void say_pause(struct story *s, const json_t *state)
{
    struct sv until = date(s->call->a, state, "check_reply_until");
    if (json_bool(state, "check_reply", true))
        say(s, SV("The bot may answer here."));
    else if (until.p != NULL)
        say(s, arena_printf(s->call->a, "The bot is silent here until %.*s: it was paused, or a person has taken over.", SV_FMT(until)));
    else
        say(s, SV("The bot is silent here until somebody resumes it."));
}

/* Who works on it, as the lock and the owner's own life tell. */
static void say_owner(struct story *s, const json_t *state, const json_t *lease)
{
    struct arena *a = s->call->a;
    struct sv owner = json_sv(lease, "owner"), name = arena_printf(a, "%.*s", SV_FMT(owner));
    bool sends = sv_eq(json_sv(state, "phase"), SV("sending")), held = json_bool(lease, "held", false);
    if (name.p != NULL && alive_is_dead(s->call->owner->o.alive, name.p))
        say(s, arena_printf(a, "A turn was running, but its process is gone (%.*s); another one goes on at the latest in %.1f s.", SV_FMT(owner),
                            (double)json_i64(lease, "left_ms", 0) / 1000));
    else if (!held)
        say(s, arena_printf(a, "A turn was running, but its lease is over (%.*s); another process goes on at once.", SV_FMT(owner)));
    else if (sends)
        say(s, arena_printf(a, "A reply is on its way to the platform; the lease is held by %.*s.", SV_FMT(owner)));
    else if (sv_eq(json_sv(state, "phase"), SV("waiting")))
        say(s, arena_printf(a, "A burst is being collected; its lease is held by %.*s.", SV_FMT(owner)));
    else
        say(s, arena_printf(a, "A turn is running; its lease is held by %.*s.", SV_FMT(owner)));
}

static void say_turn(struct story *s, const json_t *state)
{
    const json_t *lease = json_object_get(state, "lease");
    int64_t n = json_i64(state, "pending", 0); /* the messages themselves are not all shown */
    struct sv again = date(s->call->a, state, "retry_at");
    if (json_is_object(lease))
        say_owner(s, state, lease);
    else
        say(s, SV("No turn is running."));
    if (n > 0)
        say(s, arena_printf(s->call->a, "%lld %s for an answer.", (long long)n, n == 1 ? "message waits" : "messages wait"));
    if (n > 0 && again.p != NULL && !json_is_object(lease))
        say(s, arena_printf(s->call->a, "The next try is due at %.*s.", SV_FMT(again)));
    if (json_bool(state, "archived_only", false))
        say(s, SV("Nothing was said here for so long that only the archive knows it."));
}

static void say_state(struct story *s, const json_t *state)
{
    const json_t *timeline = json_object_get(state, "timeline");
    size_t n = json_array_size(timeline);
    say_pause(s, state);
    say_turn(s, state);
    for (size_t i = n > MESSAGES_SHOWN ? n - MESSAGES_SHOWN : 0; i < n; i++)
        say_fate(s, json_array_get(timeline, i));
}

/* ---- the command ---- */

static void tell(struct call *c, const struct control_answer *answer, const char *key, void (*speak)(struct story *s, const json_t *j))
{
    struct story s = { .call = c };
    if (answer->http_status != 200) {
        call_control(c, answer);
        return;
    }
    json_t *j = call_parse(c, answer->result);
    if (j == NULL)
        return;
    s.o.b = &s.json;
    json_obj(&s.o);
    json_key(&s.o, "explanation");
    json_arr(&s.o);
    speak(&s, j);
    json_arr_end(&s.o);
    json_kraw(&s.o, key, answer->result);
    json_obj_end(&s.o);
    if (buf_ok(&s.text) && buf_ok(&s.json))
        call_text(c, buf_sv(&s.json), buf_sv(&s.text));
    else
        call_err(c, "unavailable", SV("no memory"));
    buf_fini(&s.text);
    buf_fini(&s.json);
}

static void on_fate(void *arg, const struct control_answer *answer)
{
    tell(arg, answer, "fate", say_fate);
}

static void on_state(void *arg, const struct control_answer *answer)
{
    tell(arg, answer, "state", say_state);
}

void command_explain(struct call *c)
{
    if (!call_id(c, 0))
        return;
    if (c->n == 1)
        control_show(c->owner->o.turns, c->args[0], on_state, c);
    else if (call_id(c, 1))
        control_fate(c->owner->o.turns, c->args[0], c->args[1], on_fate, c);
}
