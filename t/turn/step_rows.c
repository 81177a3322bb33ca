/* SPDX-License-Identifier: MIT
 * Runs a table of decisions. */
#include "config.h"

#include <stdlib.h>

#include "t/tap.h"
#include "t/turn/step_rows.h"

static const char *text(const char *s)
{
    return s != NULL ? s : "";
}

static void read_superseded(struct conversation *c, const char *text)
{
    while (text != NULL && *text != '\0') {
        struct superseded *s = &c->superseded[c->superseded_n++];
        size_t n = strcspn(text, "/");
        memcpy(s->turn_id, text, n);
        s->covered_n = (uint32_t)strtoul(text + n + 1, NULL, 10);
        text += n + strcspn(text + n, " ");
        text += *text == ' ';
    }
}

static struct sv superseded_of(struct buf *b, const struct conversation *c)
{
    for (size_t i = 0; i < c->superseded_n; i++)
        buf_printf(b, "%s%s/%u", i > 0 ? " " : "", c->superseded[i].turn_id, c->superseded[i].covered_n);
    return b->n > 0 ? buf_sv(b) : SV("");
}

static struct conversation record_of(const struct row_record *r)
{
    struct conversation c = {
        .created_ms = 1, .activity_ms = 2, .user_id = "u1", .seq = 5, .total = 4, .phase = r->phase, .pending_n = r->pending_n,
        .covered_n = r->covered_n, .restarts = r->restarts, .attempts = r->attempts, .faults = r->faults, .sends = r->sends, .fence = r->fence,
        .oldest_ms = r->oldest_ms, .newer_ms = r->newer_ms, .opened_ms = r->opened_ms, .wait_until_ms = r->wait_until_ms,
        .retry_at_ms = r->retry_at_ms, .send_deadline_ms = r->send_deadline_ms, .paused = r->paused, .paused_until_ms = r->paused_until_ms,
        .closed = r->closed, .archived = r->archived, .told = r->told, .job = r->job, .newer_job = r->newer_job, .cancelled_n = r->cancelled_n, .cancelled_after_ms = r->cancelled_after_ms,
    };
    step_copy(c.cancelled_turn_id, sizeof(c.cancelled_turn_id), r->cancelled_turn_id);
    step_copy(c.lock_token, sizeof(c.lock_token), r->lock_token);
    step_copy(c.token, sizeof(c.token), r->token);
    step_copy(c.owner, sizeof(c.owner), r->token != NULL ? "owner" : "");
    step_copy(c.turn_id, sizeof(c.turn_id), r->turn_id);
    step_copy(c.next_turn_id, sizeof(c.next_turn_id), r->next_turn_id);
    step_copy(c.reason, sizeof(c.reason), r->reason);
    read_superseded(&c, r->superseded);
    c.send_fence = r->send_fence != 0 ? r->send_fence : c.phase == PHASE_SENDING ? c.fence : 0;
    return c;
}

static void check_job(const struct row *row, const struct conversation *c)
{
    const struct row_record *w = &row->want.next;
    if (row->event.as_job || row->is.told || w->told)
        is_int(c->told, w->told, "%s: somebody was told", row->name);
    is_int(c->job, w->job, "%s: a job", row->name);
    is_int(c->newer_job, w->newer_job, "%s: a job behind it", row->name);
    is_int(c->cancelled_n, w->cancelled_n, "%s: cancelled while they wait", row->name);
    is_str(c->cancelled_turn_id, text(w->cancelled_turn_id), "%s: the turn that was cancelled", row->name);
    is_int(c->cancelled_after_ms, w->cancelled_after_ms, "%s: first behind those", row->name);
    is_str(c->lock_token, text(w->lock_token), "%s: promised token", row->name);
}

static void check_record(const struct row *row, const struct conversation *c)
{
    const struct row_record *w = &row->want.next;
    is_str(phase_name(c->phase), phase_name(w->phase), "%s: phase", row->name);
    is_int(c->pending_n, w->pending_n, "%s: pending", row->name);
    is_int(c->covered_n, w->covered_n, "%s: covered", row->name);
    is_int(c->restarts, w->restarts, "%s: restarts", row->name);
    is_int(c->attempts, w->attempts, "%s: attempts", row->name);
    is_int(c->faults, w->faults, "%s: faults", row->name);
    is_int(c->sends, w->sends, "%s: sends", row->name);
    is_int(c->fence, w->fence, "%s: fence", row->name);
    is_int(c->send_fence, w->send_fence != 0 ? w->send_fence : w->phase == PHASE_SENDING ? w->fence : 0, "%s: fence of the send", row->name);
    is_str(c->token, text(w->token), "%s: token", row->name);
    is_str(c->turn_id, text(w->turn_id), "%s: turn", row->name);
    is_str(c->next_turn_id, text(w->next_turn_id), "%s: next turn", row->name);
    is_str(c->reason, text(w->reason), "%s: reason of the record", row->name);
    is_int(c->oldest_ms, w->oldest_ms, "%s: oldest", row->name);
    is_int(c->newer_ms, w->newer_ms, "%s: first newer", row->name);
    is_int(c->opened_ms, w->opened_ms, "%s: opened", row->name);
    is_int(c->wait_until_ms, w->wait_until_ms, "%s: wait until", row->name);
    is_int(c->retry_at_ms, w->retry_at_ms, "%s: retry at", row->name);
    is_int(c->send_deadline_ms, w->send_deadline_ms, "%s: send deadline", row->name);
    is_int(c->paused_until_ms, w->paused_until_ms, "%s: paused until", row->name);
    is_int(c->paused, w->paused, "%s: paused", row->name);
    is_int(c->closed, w->closed, "%s: closed", row->name);
    is_int(c->archived, w->archived, "%s: archived", row->name);
    check_job(row, c);
    struct buf b = { 0 };
    is_sv(superseded_of(&b, c), sv_from(text(w->superseded)), "%s: superseded", row->name);
    buf_fini(&b);
    is_int(c->owner[0] != '\0', c->token[0] != '\0', "%s: an owner as long as a token", row->name);
}

static void check_decision(const struct row *row, const struct decision *d)
{
    const struct row_want *w = &row->want;
    is_str(verdict_name(d->verdict), verdict_name(w->verdict), "%s: verdict", row->name);
    is_int(d->changed, w->changed, "%s: changed", row->name);
    is_int(d->need_lease, w->need_lease, "%s: needs the lease", row->name);
    is_int(d->wake, w->wake, "%s: wakes the daemons", row->name);
    is_int(d->interrupt, w->interrupt, "%s: interrupts", row->name);
    is_int(d->add_pending, w->add_pending, "%s: message to the pending list", row->name);
    is_int(d->add_context, w->add_context, "%s: message to the context", row->name);
    is_int(d->named_next, w->named_next, "%s: names the next turn", row->name);
    is_int(d->lease, w->lease, "%s: lease", row->name);
    is_int(d->lease_ttl_ms, w->lease == STORE_LEASE_TAKE ? TTL : 0, "%s: lease's time", row->name);
    is_int(d->settled_n, w->settled_n, "%s: settled", row->name);
    is_int(d->settled_to_context || w->settled_n == 0, true, "%s: settled messages go to the context", row->name);
    is_int(d->position, w->position, "%s: position", row->name);
    is_int(d->due_ms, w->due_ms, "%s: due", row->name);
    is_str(text(d->turn_id), text(w->turn_id), "%s: turn of the verdict", row->name);
    is_str(text(d->reason), text(w->reason), "%s: reason", row->name);
}

void rows_check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct row row = rows[i];
        struct conversation before = record_of(&row.is);
        struct message m = { .conversation_id = SV("c"), .message_id = SV("m1"), .content = SV("hello"), .sender_id = SV("u2"),
                             .sender_type = row.sender, .timestamp_ms = row.sent_ms != 0 ? row.sent_ms : 77 };
        struct decision d;
        row.event.token = row.event.token != NULL ? row.event.token : "fresh-token";
        row.event.owner = "me";
        row.event.fresh_id = "F";
        row.event.now_ms = NOW;
        row.event.lease_left_ms = row.event.lease_held ? 400 : 0;
        m.sender_id = row.event.kind == EVENT_SYNC ? SV("u1") : m.sender_id; /* whose the session is */
        row.event.message = row.event.kind == EVENT_ARRIVE || row.event.kind == EVENT_SYNC ? &m : NULL;
        row.policy.lease_ttl_ms = TTL;
        row.policy.send_timeout_ms = 2000;
        row.policy.human_lease_ms = 600;
        if (row.policy.pending_max == 0)
            row.policy.pending_max = 100;
        step(&before, &row.event, &row.policy, &d);
        check_decision(&row, &d);
        check_record(&row, &d.next);
        if (row.event.kind == EVENT_ARRIVE || row.event.kind == EVENT_SYNC)
            is_int(d.next.activity_ms, d.changed ? NOW : before.activity_ms, "%s: activity", row.name);
    }
}
