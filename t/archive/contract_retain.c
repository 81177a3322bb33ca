/* SPDX-License-Identifier: MIT
 * Retention: old messages go with their actions, what is young stays, counts stay, an erased past does not come back as a second count, and
 * two that delete at once delete each message once. */
#include "config.h"

#include "t/archive/contract.h"

#define NAME r->name
#define LONG_AGO (-INT64_C(400) * 86400000)
#define BOUND (RIG_NOW - INT64_C(300) * 86400000)

struct gone {
    int count;
    enum archive_status status;
    size_t deleted;
};

static void on_retained(void *arg, enum archive_status status, size_t deleted)
{
    struct gone *g = arg;
    *g = (struct gone){ g->count + 1, status, deleted };
}

static struct gone retain(struct rig *r, size_t max)
{
    struct gone g = { 0 };
    archive_retain(r->a, BOUND, max, on_retained, &g);
    ok(g.count == 0, "%s: no answer from inside the call", NAME);
    for (int i = 0; i < 3000 && g.count == 0; i++)
        rig_turn(r);
    return g;
}

static void deletes_what_is_old(struct rig *r)
{
    struct sv items[] = {
        rig_turn_item(r, &(struct turn){ .conversation = "aged", .turn = 901, .fence = 1, .messages = "o1 o2", .reply = "yes",
                                         .action = "executed", .received = LONG_AGO }),
        rig_turn_item(r, &(struct turn){ .conversation = "aged", .turn = 902, .fence = 2, .messages = "o3", .reply = "yes",
                                         .action = "executed", .received = LONG_AGO + 1000, .job = "{}" }),
        rig_turn_item(r, &(struct turn){ .conversation = "aged", .turn = 903, .fence = 3, .messages = "y4", .reply = "yes",
                                         .action = "executed", .job = "{}" }),
    };
    ok(rig_kept(r, items, ARRAY_LEN(items)), "%s: old and young messages", NAME);
    struct gone g = retain(r, 2);
    ok(g.count == 1 && g.status == ARCHIVE_DONE, "%s: a batch is deleted", NAME);
    is_int(g.deleted, 2, "%s: of the size that was asked for", NAME);
    is_str(rig_query(r, "SELECT message_id FROM messages WHERE conversation_id = 'aged' ORDER BY id"), "o3\ny4", "%s: the oldest first", NAME);
    is_str(rig_query(r, "SELECT message_id FROM message_actions WHERE conversation_id = 'aged' ORDER BY turn_id"), "o3\ny4",
           "%s: with their actions", NAME);
    g = retain(r, 2);
    is_int(g.deleted, 1, "%s: the rest", NAME);
    is_sv(rig_job(r, 902), SV_NONE, "%s: with its job", NAME);
    ok(rig_job(r, 903).n > 0, "%s: young jobs stay", NAME);
    g = retain(r, 2);
    is_int(g.deleted, 0, "%s: nothing is left", NAME);
    is_str(rig_query(r, "SELECT message_id FROM messages WHERE conversation_id = 'aged'"), "y4", "%s: what is young stays", NAME);
    is_str(rig_query(r, "SELECT total_messages, customer_messages FROM conversations WHERE conversation_id = 'aged'"), "4|4",
           "%s: counts say what was received", NAME);
    is_str(rig_query(r, "SELECT user_id FROM chat_sessions WHERE session_id = 'aged'"), "user_1", "%s: the session stays", NAME);
    is_sv(rig_message(r, "aged", "o1"), SV_NONE, "%s: nothing is known of a deleted one", NAME);
    ok(rig_message(r, "aged", "y4").p != NULL, "%s: of the others it is", NAME);
}

/* Two at once: each message is deleted and counted once. */
static void two_at_once(struct rig *r)
{
    enum { N = 300 };
    struct gone g[2] = { { 0 }, { 0 } };
    struct archive *other = rig_archive(r, 5000, 2);
    struct sv *items = arena_array(r->arena, N, sizeof(*items));
    size_t total = 0;
    for (unsigned i = 0; i < N; i++) {
        struct sv id = arena_printf(r->arena, "w%u", i + 1);
        items[i] = rig_turn_item(r, &(struct turn){ .conversation = i % 2 == 0 ? "w-even" : "w-odd", .turn = 1000 + i, .fence = i + 1,
                                                    .messages = id.p, .received = LONG_AGO + (int64_t)i });
    }
    ok(rig_kept(r, items, N), "%s: %d old messages", NAME, N);
    for (int round = 0; round < 50 && total < N; round++) {
        g[0] = g[1] = (struct gone){ 0 };
        archive_retain(r->a, BOUND, 50, on_retained, &g[0]);
        archive_retain(other, BOUND, 50, on_retained, &g[1]);
        for (int i = 0; i < 3000 && (g[0].count == 0 || g[1].count == 0); i++)
            rig_turn(r);
        if (g[0].status != ARCHIVE_DONE || g[1].status != ARCHIVE_DONE)
            break;
        total += g[0].deleted + g[1].deleted;
    }
    is_int(total, N, "%s: two that delete at once delete each message once", NAME);
    is_str(rig_query(r, "SELECT count(*) FROM messages WHERE conversation_id IN ('w-even', 'w-odd')"), "0", "%s: none is left", NAME);
    archive_close(other);
}

void retention(struct rig *r)
{
    deletes_what_is_old(r);
    two_at_once(r);
}
