/* SPDX-License-Identifier: MIT
 * What holds for step() whatever the record says: records also come from merges, older versions and hands. Random records, random events. */
#include "config.h"

#include "t/tap.h"
#include "turn/step.h"

#define CASES 300000
#define NOW 100000

static uint64_t state = 1;

static uint32_t below(uint32_t bound)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(((state >> 33) * bound) >> 31);
}

static int64_t around_now(void)
{
    static const int64_t ms[] = { 0, 1, NOW - 500, NOW, NOW + 1, NOW + 5000 };
    return ms[below(ARRAY_LEN(ms))];
}

static void name(char *to, size_t size)
{
    static const char *const names[] = { "", "k1", "k2", "k3" };
    const char *from = names[below(ARRAY_LEN(names))];
    memset(to, 0, size);
    memcpy(to, from, strlen(from));
}

static void draw_record(struct conversation *c)
{
    *c = (struct conversation){ .phase = (enum phase)below(5), .pending_n = below(4), .restarts = below(4), .attempts = below(4),
                                .faults = below(4), .sends = below(4), .fence = below(4), .send_fence = below(4), .paused = below(4) == 0,
                                .closed = below(2) == 0, .seq = 9, .total = 5 };
    c->covered_n = c->pending_n > 0 ? below(c->pending_n + 1) : 0;
    int64_t *const times[] = { &c->created_ms, &c->oldest_ms, &c->newer_ms, &c->opened_ms, &c->wait_until_ms, &c->retry_at_ms,
                               &c->send_deadline_ms, &c->paused_until_ms };
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        *times[i] = around_now();
    name(c->token, sizeof(c->token));
    name(c->owner, sizeof(c->owner));
    if (c->token[0] != '\0' && c->fence == 0)
        c->fence = 1;
    name(c->turn_id, sizeof(c->turn_id));
    name(c->next_turn_id, sizeof(c->next_turn_id));
}

static void draw_event(struct event *ev, struct message *m, char *token, size_t size)
{
    *m = (struct message){ .conversation_id = SV("c"), .message_id = SV("m"), .content = SV("x"), .sender_id = SV("u"),
                           .sender_type = (enum sender_type)below(4) };
    if (below(2) == 0)
        m->sender_type = SENDER_USER;
    name(token, size);
    if (token[0] == '\0')
        memcpy(token, "k9", 3);
    *ev = (struct event){ .kind = (enum event_kind)below(EVENT_SYNC + 1), .now_ms = NOW, .lease_held = below(2) == 0,
                          .owner_dead = below(4) == 0, .token = token, .fence = below(4), .owner = "me", .fresh_id = "fresh", .message = m,
                          .hand_over = below(4) == 0, .has_actions = below(4) > 0, .interrupted = below(4) == 0,
                          .failure = (enum failure)below(3), .sent = (enum sent)below(SENT_PART + 1), .settled = below(2) == 0, .transferred = below(4) == 0,
                          .ended = below(4) == 0, .jitter_ms = below(1000), .reason = "reason", .until_ms = below(2) == 0 ? 0 : around_now(),
                          .revive_n = 1 + below(3), .synced_n = 1 + below(3), .target = below(3) == 0 ? "k1" : NULL };
    ev->lease_left_ms = ev->lease_held ? 1 + below(1000) : 0;
}

static void draw_policy(struct policy *p)
{
    *p = (struct policy){ .on_newer = (enum on_newer)below(4), .debounce_ms = below(2) * 200, .max_wait_ms = 1000, .restart_max = below(3),
                          .pending_max = below(5), .lease_ttl_ms = 3000, .human_lease_ms = 600, .send_timeout_ms = 2000,
                          .send_idempotent = below(2) == 0, .sends_max = below(4), .attempts_max = below(4), .retry_for_ms = below(2) * 5000 };
}

/* NULL: all is well. */
static const char *breach(const struct conversation *b, const struct event *ev, const struct decision *d)
{
    const struct conversation *n = &d->next;
    uint32_t added = d->add_pending + (ev->kind == EVENT_REVIVE && d->changed ? ev->revive_n : 0);
    bool none = d->verdict == VERDICT_REJECTED || d->verdict == VERDICT_FULL || d->verdict == VERDICT_LOST || d->verdict == VERDICT_TOO_LATE;
    if (none && d->changed)
        return "a refusal changes something";
    if (d->settled_n > b->pending_n + added)
        return "more is settled than there is";
    if (n->pending_n != b->pending_n + added - d->settled_n)
        return "pending messages appear or vanish";
    if (n->covered_n > n->pending_n)
        return "more is covered than is pending";
    if (n->fence < b->fence)
        return "the fence falls";
    if (d->lease == STORE_LEASE_TAKE && (strcmp(n->token, ev->token) != 0 || n->fence == 0 || d->due_ms <= NOW))
        return "a lease is taken and not noted";
    if (d->lease == STORE_LEASE_DROP && (n->token[0] != '\0' || n->owner[0] != '\0'))
        return "a lease is dropped and still noted";
    if (d->changed && n->pending_n > 0 && b->phase != PHASE_IDLE && d->due_ms == 0)
        return "nobody will look after what is pending";
    if (d->changed && d->settled_n > 0 && (d->turn_id == NULL || strcmp(d->turn_id, b->turn_id) != 0))
        return "an end under another's id";
    if (ev->kind == EVENT_BEGIN && d->verdict == VERDICT_NOTHING && d->changed && d->due_ms != 0 && d->due_ms <= NOW)
        return "a visit leaves it due";
    return NULL;
}

int main(void)
{
    size_t seen[VERDICT_TOO_LATE + 1] = { 0 };
    const char *what = NULL;
    for (int i = 0; i < CASES && what == NULL; i++) {
        struct conversation c;
        struct event ev;
        struct message m;
        struct policy p;
        struct decision d;
        char token[ID_TOKEN_SIZE];
        draw_record(&c);
        draw_event(&ev, &m, token, sizeof(token));
        draw_policy(&p);
        step(&c, &ev, &p, &d);
        seen[d.verdict]++;
        what = breach(&c, &ev, &d);
        if (what != NULL)
            diag("case %d: %s, event %d, %s in %s, pending %u, covered %u, retry at %lld, due %lld", i, what, (int)ev.kind,
                 verdict_name(d.verdict), phase_name(c.phase), c.pending_n, c.covered_n, (long long)c.retry_at_ms, (long long)d.due_ms);
    }
    ok(what == NULL, "whatever the record says");
    for (int v = 0; v <= VERDICT_TOO_LATE; v++)
        ok(seen[v] > 0, "%s was among it", verdict_name((enum verdict)v));
    return done_testing();
}
