/* SPDX-License-Identifier: MIT
 * The rules in src/turn/step.c about exchanges that were made elsewhere: they are counted and dated, and change nothing about any turn. */
#include "config.h"

#include "t/tap.h"
#include "t/turn/step_rows.h"

#define SYNC(n) .event = { .kind = EVENT_SYNC, .synced_n = (n) }
#define SYNC_HELD(n) .event = { .kind = EVENT_SYNC, HELD, .synced_n = (n) }
#define KEPT .changed = true, .reason = "synced"

static const struct row rows[] = {
    { "sync: nothing runs", .is = { IDLE }, SYNC(3), .want = { VERDICT_RECORDED, KEPT, .next = { IDLE } } },
    { "sync: closed, archived, silent as before", .is = { IDLE, .closed = true, .archived = true, .paused = true }, SYNC(1),
      .want = { VERDICT_RECORDED, KEPT, .next = { IDLE, .closed = true, .archived = true, .paused = true } } },
    { "sync: a pause goes on for as long as it would", .is = { IDLE, .paused = true, .paused_until_ms = 9000 }, SYNC(1),
      .want = { VERDICT_RECORDED, KEPT, .next = { IDLE, .paused = true, .paused_until_ms = 9000 } } },
    { "sync: the bot is switched off", .is = { IDLE }, SYNC(1), .policy = { .silent = true },
      .want = { VERDICT_RECORDED, KEPT, .next = { IDLE } } },
    { "sync: a turn thinks", .is = { THINKING(2, 1), NEWER }, SYNC_HELD(2),
      .want = { VERDICT_RECORDED, KEPT, .due_ms = NOW + 400, .next = { THINKING(2, 1), NEWER } } },
    { "sync: one whose owner is lost", .is = { THINKING(1, 1) }, SYNC(2),
      .want = { VERDICT_RECORDED, KEPT, .due_ms = NOW, .next = { THINKING(1, 1) } } },
    { "sync: it is no newer message for the policies", .is = { THINKING(1, 1) }, SYNC_HELD(2), .policy = { .on_newer = ON_NEWER_REJECT },
      .want = { VERDICT_RECORDED, KEPT, .due_ms = NOW + 400, .next = { THINKING(1, 1) } } },
    { "sync: nor an interruption", .is = { THINKING(1, 1) }, SYNC_HELD(2), .policy = { .on_newer = ON_NEWER_INTERRUPT, .restart_max = 3 },
      .want = { VERDICT_RECORDED, KEPT, .due_ms = NOW + 400, .next = { THINKING(1, 1) } } },
    { "sync: a reply is being sent", .is = { SENDING(1, 1) }, SYNC_HELD(2),
      .want = { VERDICT_RECORDED, KEPT, .due_ms = NOW + 400, .next = { SENDING(1, 1) } } },
    { "sync: a lost owner's reply", .is = { SENDING(1, 1) }, SYNC(2),
      .want = { VERDICT_RECORDED, KEPT, .due_ms = 40000, .next = { SENDING(1, 1) } } },
    { "sync: a burst waits", .is = { WAITING(2, 10100) }, SYNC_HELD(2),
      .want = { VERDICT_RECORDED, KEPT, .due_ms = NOW + 400, .next = { WAITING(2, 10100) } } },
    { "sync: something waits", .is = { QUEUED(2, 12000, "why") }, SYNC(2),
      .want = { VERDICT_RECORDED, KEPT, .due_ms = 12000, .next = { QUEUED(2, 12000, "why") } } },
    { "sync: many wait already", .is = { QUEUED(10, 12000, "why") }, SYNC(20), .policy = { .pending_max = 10 },
      .want = { VERDICT_RECORDED, KEPT, .due_ms = 12000, .next = { QUEUED(10, 12000, "why") } } },
};

/* What it notes. */
static void notes(void)
{
    struct conversation before = { .total = 4, .seq = 9, .closed = true };
    struct message m = { .message_id = SV("x9"), .sender_id = SV("u2"), .sender_type = SENDER_USER, .timestamp_ms = 500 };
    struct event ev = { .kind = EVENT_SYNC, .now_ms = NOW, .token = "", .owner = "me", .fresh_id = "F", .message = &m, .synced_n = 3 };
    struct policy p = { .lease_ttl_ms = TTL, .pending_max = 10 };
    struct decision d;
    step(&before, &ev, &p, &d);
    is_str(d.next.user_id, "u2", "a session of nobody is the user's now");
    is_int(d.next.total, 7, "three more of the customer's");
    is_int(d.next.seq, 12, "with arrival numbers");
    is_int(d.next.created_ms, NOW, "created");
    is_int(d.next.activity_ms, NOW, "active");
    is_str(d.next.last_message_id, "x9", "the newest is the last message");
    is_int(d.next.last_message_ms, 500, "with its own time");
    ok(d.next.closed, "who closed it has closed it");
    ok(!d.add_pending && !d.add_context && d.lease == STORE_LEASE_KEEP && d.due_ms == 0, "and nothing is to be done");
    before = d.next;
    m.message_id = SV("x1");
    m.timestamp_ms = 499;
    ev.now_ms = NOW + 7;
    step(&before, &ev, &p, &d);
    is_str(d.next.last_message_id, "x9", "an older one is not");
    is_int(d.next.last_message_ms, 500, "at all");
    is_int(d.next.created_ms, NOW, "created once");
    is_int(d.next.activity_ms, NOW + 7, "active all the same");
    m.sender_id = SV("u3");
    step(&before, &ev, &p, &d);
    is_str(verdict_name(d.verdict), "rejected", "another user's session is his");
    ok(!d.changed, "and stays as it is");
    m.sender_id = SV("u");
    step(&before, &ev, &p, &d);
    is_str(verdict_name(d.verdict), "rejected", "whose name is longer, too");
}

/* What came with a history is the customer's in part. */
static void history(void)
{
    struct conversation before = { .total = 1, .seq = 1, .created_ms = 5, .user_id = "u2" };
    struct message m = { .message_id = SV("m"), .sender_id = SV("u2"), .sender_type = SENDER_USER, .timestamp_ms = 500 };
    struct event ev = { .kind = EVENT_ARRIVE, .now_ms = NOW, .token = "k", .owner = "me", .fresh_id = "F", .message = &m, .as_job = true,
                        .hand_over = true, .together_n = 2, .history_n = 5, .history_users_n = 3 };
    struct policy p = { .lease_ttl_ms = TTL, .pending_max = 10 };
    struct decision d;
    step(&before, &ev, &p, &d);
    is_int(d.next.total, 6, "two that are to be answered and three that were");
    is_int(d.next.seq, 8, "all have arrival numbers");
    is_int(d.next.pending_n, 2, "two wait");
    p.pending_max = 1;
    step(&before, &ev, &p, &d);
    is_int(d.next.total, 1, "what is refused counts nothing");
}

int main(void)
{
    rows_check(rows, ARRAY_LEN(rows));
    notes();
    history();
    return done_testing();
}
