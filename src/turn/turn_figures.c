/* SPDX-License-Identifier: MIT
 * What is measured about turns: figures for all processes of the host (figures.h), and one log line for each turn that ends. Decides
 * nothing. */
#include "config.h"

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "turn/running.h"

void turns_count(struct turns *t, enum figure figure)
{
    metrics_add(t->o.metrics, figure, 1);
}

void turns_time(struct turns *t, enum figure_time figure, int64_t us)
{
    metrics_time(t->o.metrics, figure, us > 0 ? (uint64_t)us : 0);
}

void turn_goes_out(struct turn *turn)
{
    turn->out_since_us = clock_mono_us();
}

int64_t turn_came_back(struct turn *turn)
{
    int64_t us = turn->out_since_us == 0 ? 0 : clock_mono_us() - turn->out_since_us;
    turn->out_since_us = 0;
    turn->out_us += us;
    return us;
}

/* Of a lost owner, and taken from it by this decision. */
void turns_count_swept(struct transact *x)
{
    enum verdict v = x->decision.verdict;
    bool ends = v == VERDICT_RUN || v == VERDICT_RESEND || v == VERDICT_UNKNOWN || v == VERDICT_FAILED || v == VERDICT_SILENCED;
    bool leased = x->before.token[0] != '\0' && x->before.phase != PHASE_IDLE && x->before.phase != PHASE_QUEUED;
    if (ends && leased && x->event.fence == 0)
        turns_count(x->t, FIGURE_SWEPT);
}

/* ---- the line of a turn that has ended ---- */

struct number {
    char text[24];
};

static const char *number(struct number *n, int64_t value)
{
    snprintf(n->text, sizeof(n->text), "%lld", (long long)value);
    return n->text;
}

/* Of a JSON text that holds a string; for LOG_CONTENT only. */
static const char *content_of(struct turn *turn)
{
    struct message_item m;
    struct err e;
    if (turn->covered_n == 0 || message_look(turn->covered[turn->covered_n - 1], &m, &e) != 0)
        return NULL;
    struct sv text = message_text(turn->a, m.content_json);
    return text.p;
}

static const char *reply_of(struct turn *turn)
{
    return turn->has_reply ? arena_str(turn->a, turn->reply.response) : NULL;
}

static void write_line(struct turn *turn, const char *status, const char *reason, const char *send, uint32_t restarts, int64_t own_us)
{
    struct number messages, ai_ms, own_ms, again;
    bool content = turn->t->o.log_content;
    log_write(LOG_INFO, "turn ended", "request_id", turn->client.request_id.p, "conversation_id", turn->id.p, "turn_id", turn->record.turn_id,
              "status", status, "reason", reason, "send", send, "#messages", number(&messages, (int64_t)turn->covered_n), "#ai_ms",
              number(&ai_ms, turn->ai_us / 1000), "#own_ms", number(&own_ms, own_us / 1000), "#restarts", number(&again, restarts), "content",
              content ? content_of(turn) : NULL, "response", content ? reply_of(turn) : NULL, NULL);
}

void turn_note_end(struct turn *turn, const char *status, const char *reason, const char *send, uint32_t restarts)
{
    (void)turn_came_back(turn);
    int64_t own_us = clock_mono_us() - turn->arrived_us - turn->out_us;
    turns_time(turn->t, FIGURE_OWN_TIME, own_us);
    if (LOG_IS_ON(LOG_INFO))
        write_line(turn, status, reason, send, restarts, own_us);
}

void turns_note_end(struct transact *x, const char *status)
{
    struct number messages, restarts;
    if (!LOG_IS_ON(LOG_INFO))
        return;
    log_write(LOG_INFO, "turn ended", "conversation_id", x->id.p, "turn_id", x->decision.turn_id, "status", status, "reason",
              x->decision.reason, "#messages", number(&messages, x->decision.settled_n), "#restarts", number(&restarts, x->before.restarts),
              NULL);
}
