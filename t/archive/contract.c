/* SPDX-License-Identifier: MIT
 * What archive.h promises, on every archive that can be had here. What only a server can do (stop, die, refuse) is in contract_faults.c. */
#include "config.h"

#include <stdlib.h>

#include "t/archive/contract.h"

#define NAME r->name

static int64_t count(struct rig *r, const char *sql)
{
    int64_t n = -1;
    (void)sv_to_i64(sv_from(rig_query(r, sql)), &n);
    return n;
}

/* ---- writing ---- */

static void writes_a_turn(struct rig *r)
{
    struct sv item = rig_turn_item(r, &(struct turn){ .conversation = "turn", .turn = 1, .fence = 3, .messages = "a1 a2", .reply = "yes",
                                                      .action = "executed" });
    char uuid[37];

    rig_uuid(1, uuid);
    ok(rig_kept(r, &item, 1), "%s: a turn is kept", NAME);
    is_str(rig_query(r, "SELECT message_id, seq, sender_id, sender_type, content, status, turn_id, fence, revision FROM messages"
                        " WHERE conversation_id = 'turn' ORDER BY id"),
           "a1|1|user_1|user|a1|completed|01890000-0000-7000-8000-000000000001|3|0\n"
           "a2|2|user_1|user|a2|completed|01890000-0000-7000-8000-000000000001|3|0", "%s: its messages", NAME);
    is_str(rig_query(r, "SELECT message_id, model_used, ai_processing_time_ms, storage_backend FROM messages"
                        " WHERE conversation_id = 'turn' AND ai_response IS NOT NULL"),
           "a2|gpt-4|1234.5|Redis", "%s: the reply stands on the newest message it covers", NAME);
    is_str(rig_query(r, "SELECT turn_id, position, message_id, action_type, status, retry_count FROM message_actions"
                        " WHERE conversation_id = 'turn'"),
           "01890000-0000-7000-8000-000000000001|0|a2|send_message|executed|0", "%s: its action", NAME);
    is_str(rig_query(r, "SELECT total_messages, customer_messages, last_seq FROM conversations WHERE conversation_id = 'turn'"), "2|2|2",
           "%s: its conversation", NAME);
    is_str(rig_query(r, "SELECT user_id, status FROM chat_sessions WHERE session_id = 'turn'"), "user_1|active", "%s: its session", NAME);
    is_sv(rig_message(r, "turn", "a1"), SV("{\"status\":\"completed\",\"turn_id\":\"01890000-0000-7000-8000-000000000001\"}"),
          "%s: what became of a message", NAME);
    is_sv(rig_message(r, "turn", "a9"), SV_NONE, "%s: of an unknown one nothing is known", NAME);
    is_sv(rig_message(r, "other", "a1"), SV_NONE, "%s: nor of its name in another conversation", NAME);
}

static void writes_single_messages(struct rig *r)
{
    struct sv items[] = {
        rig_message_item(r, "single", "s1", "agent", "agent_message", RIG_NOW),
        rig_message_item(r, "single", "s2", "bot", "own_message", RIG_NOW),
        rig_message_item(r, "single", "s3", "user", "bot_paused", RIG_NOW),
        rig_message_item(r, "lonely", "s4", "agent", "agent_message", RIG_NOW),
    };

    ok(rig_kept(r, items, ARRAY_LEN(items)), "%s: single messages are kept", NAME);
    is_sv(rig_message(r, "single", "s3"), SV("{\"status\":\"recorded\",\"reason\":\"bot_paused\"}"), "%s: with their reason", NAME);
    is_str(rig_query(r, "SELECT total_messages, customer_messages FROM conversations WHERE conversation_id = 'single'"), "3|1",
           "%s: only customers' messages count as such", NAME);
    is_str(rig_query(r, "SELECT user_id FROM chat_sessions WHERE session_id = 'single'"), "user", "%s: the session is the customer's", NAME);
    is_str(rig_query(r, "SELECT user_id FROM chat_sessions WHERE session_id = 'lonely'"), "", "%s: or nobody's as yet", NAME);
}

static void writes_again(struct rig *r)
{
    struct sv items[6];

    for (unsigned i = 0; i < ARRAY_LEN(items); i++)
        items[i] = rig_turn_item(r, &(struct turn){ .conversation = i % 2 != 0 ? "again" : "once more", .turn = 100 + i, .fence = i + 1,
                                                    .messages = i < 2 ? "x1 x2" : i < 4 ? "x3" : "x4 x5", .reply = "r", .action = "executed" });
    ok(rig_kept(r, items, 4), "%s: a batch", NAME);
    ok(rig_kept(r, items, 4), "%s: the same batch again", NAME);
    struct sv other[] = { items[3], items[5], items[1], items[1], items[4], items[0], items[5], items[2] };
    ok(rig_kept(r, other, ARRAY_LEN(other)), "%s: in another order, some twice, with new ones", NAME);
    is_str(rig_query(r, "SELECT conversation_id, total_messages, customer_messages, last_seq FROM conversations"
                        " WHERE conversation_id IN ('again', 'once more') ORDER BY 1"),
           "again|5|5|5\nonce more|5|5|5", "%s: everything counts once", NAME);
    is_int(count(r, "SELECT count(*) FROM messages WHERE conversation_id IN ('again', 'once more')"), 10, "%s: and is there once", NAME);
    is_int(count(r, "SELECT count(*) FROM message_actions WHERE conversation_id IN ('again', 'once more')"), 6, "%s: actions, too", NAME);
    is_int(count(r, "SELECT coalesce(sum(revision), 0) FROM messages WHERE conversation_id IN ('again', 'once more')"), 0,
           "%s: nothing was replaced", NAME);
}

static void later_decision_wins(struct rig *r)
{
    struct sv failed = rig_turn_item(r, &(struct turn){ .conversation = "fence", .turn = 200, .status = "failed", .fence = 5, .messages = "f1" });
    struct sv done = rig_turn_item(r, &(struct turn){ .conversation = "fence", .turn = 201, .fence = 8, .messages = "f1 f2", .reply = "late",
                                                      .action = "executed" });
    struct sv unknown = rig_turn_item(r, &(struct turn){ .conversation = "fence", .turn = 201, .fence = 7, .messages = "f1 f2", .reply = "late",
                                                         .action = "unknown" });

    ok(rig_kept(r, &failed, 1) && rig_kept(r, &done, 1), "%s: a turn that failed, and the one that answered after all", NAME);
    is_sv(rig_message(r, "fence", "f1"), SV("{\"status\":\"completed\",\"turn_id\":\"01890000-0000-7000-8000-0000000000c9\"}"),
          "%s: the later decision replaces the earlier one", NAME);
    ok(rig_kept(r, &unknown, 1) && rig_kept(r, &failed, 1), "%s: earlier ones come late", NAME);
    is_sv(rig_message(r, "fence", "f1"), SV("{\"status\":\"completed\",\"turn_id\":\"01890000-0000-7000-8000-0000000000c9\"}"),
          "%s: and change nothing", NAME);
    is_str(rig_query(r, "SELECT status FROM message_actions WHERE conversation_id = 'fence'"), "executed", "%s: nor do actions", NAME);
    is_str(rig_query(r, "SELECT total_messages FROM conversations WHERE conversation_id = 'fence'"), "2", "%s: counted once all the same", NAME);
    is_str(rig_query(r, "SELECT fence FROM message_actions WHERE conversation_id = 'fence'"), "8", "%s: its fence stands on them", NAME);
    is_str(rig_query(r, "SELECT message_id, ai_response IS NULL, revision FROM messages WHERE conversation_id = 'fence' ORDER BY id"),
           r->server != NULL ? "f1|t|1\nf2|f|0" : "f1|1|1\nf2|0|0", "%s: the reply is where it belongs", NAME);
    struct sv both[] = { failed, done };
    char wipe[] = "DELETE FROM conversations WHERE conversation_id = 'fence'";
    (void)rig_query(r, wipe);
    is_int(count(r, "SELECT (SELECT count(*) FROM messages WHERE conversation_id = 'fence')"
                    " + (SELECT count(*) FROM message_actions WHERE conversation_id = 'fence')"
                    " + (SELECT count(*) FROM chat_sessions WHERE session_id = 'fence')"), 0, "%s: a conversation goes with all that is its own", NAME);
    ok(rig_kept(r, both, 2), "%s: both in one batch", NAME);
    is_sv(rig_message(r, "fence", "f1"), SV("{\"status\":\"completed\",\"turn_id\":\"01890000-0000-7000-8000-0000000000c9\"}"),
          "%s: the same end", NAME);
}

static void first_customer_owns(struct rig *r)
{
    struct sv second = rig_turn_item(r, &(struct turn){ .conversation = "owner", .turn = 300, .messages = "o2", .user = "bob", .at = 2000 });
    struct sv first = rig_turn_item(r, &(struct turn){ .conversation = "owner", .turn = 301, .messages = "o1", .user = "alice", .at = 2000 });
    struct sv third = rig_turn_item(r, &(struct turn){ .conversation = "owner", .turn = 302, .messages = "o3", .user = "carol", .at = 3000 });
    /* the store had forgotten the conversation: its numbers begin anew */
    struct sv anew = rig_turn_item(r, &(struct turn){ .conversation = "owner", .turn = 303, .messages = "p1", .user = "dave", .at = 9000 });

    ok(rig_kept(r, &second, 1) && rig_kept(r, &first, 1) && rig_kept(r, &third, 1) && rig_kept(r, &anew, 1), "%s: four customers, out of order",
       NAME);
    is_str(rig_query(r, "SELECT user_id FROM chat_sessions WHERE session_id = 'owner'"), "alice",
           "%s: the session is the first one's by arrival", NAME);
}

static void poison_alone(struct rig *r)
{
    struct sv items[] = {
        rig_turn_item(r, &(struct turn){ .conversation = "good", .turn = 400, .messages = "p1", .reply = "r", .action = "executed" }),
        SV("{\"type\":\"turn\"}"),
        SV("not json"),
        rig_turn_item(r, &(struct turn){ .conversation = "good", .turn = 401, .messages = "p2" }),
        { NULL, 0 },
    };
    const struct answer *w = rig_write(r, items, ARRAY_LEN(items));

    is_int(w->status, ARCHIVE_DONE, "%s: a batch with poison is answered", NAME);
    ok(w->verdicts[0] == NULL && w->verdicts[3] == NULL, "%s: what is good is kept", NAME);
    ok(w->verdicts[1] != NULL && w->verdicts[2] != NULL && w->verdicts[4] != NULL, "%s: what is not has a reason", NAME);
    is_int(count(r, "SELECT total_messages FROM conversations WHERE conversation_id = 'good'"), 2, "%s: really", NAME);
    w = rig_write(r, items + 1, 2);
    ok(w->status == ARCHIVE_DONE && w->verdicts[0] != NULL && w->verdicts[1] != NULL, "%s: nothing but poison", NAME);
    w = rig_write(r, items, 0);
    is_int(w->status, ARCHIVE_DONE, "%s: nothing at all", NAME);
}

static void large_batches(struct rig *r)
{
    enum { N = 3000 };
    struct sv *items = arena_array(r->arena, N, sizeof(*items));
    struct arena *a = arena_new(0, 64u << 20);
    char *text = arena_alloc(a, 65537);

    for (unsigned i = 0; i < N; i++) {
        char conversation[32], message[32];
        (void)snprintf(conversation, sizeof(conversation), "large_%u", i % 700);
        (void)snprintf(message, sizeof(message), "m%u", i);
        items[i] = rig_turn_item(r, &(struct turn){ .conversation = conversation, .turn = 10000 + i, .messages = arena_str(a, sv_from(message)),
                                                    .reply = "r", .action = "executed" });
    }
    ok(rig_kept(r, items, N), "%s: %d turns at once", NAME, N);
    is_int(count(r, "SELECT count(*) FROM messages WHERE conversation_id LIKE 'large%'"), N, "%s: are there", NAME);
    is_int(count(r, "SELECT sum(total_messages) FROM conversations WHERE conversation_id LIKE 'large%'"), N, "%s: and counted", NAME);
    memset(text, 'x', 65536);
    for (unsigned i = 0; i < 400; i++) /* 26 MB: more than goes into one transaction */
        items[i] = arena_printf(a, "{\"type\":\"message\",\"conversation_id\":\"heavy\",\"reason\":\"r\",\"message\":{\"message_id\":\"h%u\","
                                   "\"content\":\"%s\",\"sender_id\":\"u\",\"sender_type\":\"user\",\"timestamp\":1760000000000}}", i, text);
    ok(rig_kept(r, items, 400), "%s: 26 MB at once", NAME);
    is_int(count(r, "SELECT sum(length(content)) FROM messages WHERE conversation_id = 'heavy'"), 400 * 65536, "%s: not a byte is missing", NAME);
    arena_free(a);
}

static void keeps_what_it_gets(struct rig *r)
{
    struct sv item = SV("{\"type\":\"message\",\"conversation_id\":\"Tr\xc3\xb2 chuy\xe1\xbb\x87n 'x'; --\",\"reason\":\"r\",\"message\":{\"message_id\":\"\xf0\x9f\x98\x80\","
                        "\"content\":\"a\\nb\\\"c\\\\d\xc3\xa9 $1 %s \xe2\x80\xae\",\"sender_id\":\"' OR 1=1\",\"sender_type\":\"user\",\"timestamp\":1,"
                        "\"received\":1760000000000,\"metadata\":{\"a\":[1,2.5,null,true,\"\xc3\xa9\"],\"b\":{}},\"attachments\":[{\"url\":\"x\"}]}}");
    const struct answer *w;

    ok(rig_kept(r, &item, 1), "%s: unpleasant characters", NAME);
    is_str(rig_query(r, "SELECT content FROM messages WHERE message_id = '\xf0\x9f\x98\x80'"), "a\nb\"c\\d\xc3\xa9 $1 %s \xe2\x80\xae",
           "%s: come back as they are", NAME);
    is_str(rig_query(r, r->server != NULL ? "SELECT metadata -> 'a' ->> 1, attachments -> 0 ->> 'url' FROM messages WHERE message_id = '\xf0\x9f\x98\x80'"
                                          : "SELECT json_extract(metadata, '$.a[1]'), json_extract(attachments, '$[0].url') FROM messages"
                                            " WHERE message_id = '\xf0\x9f\x98\x80'"),
           "2.5|x", "%s: JSON is JSON", NAME);
    w = rig_context(r, "Tr\xc3\xb2 chuy\xe1\xbb\x87n 'x'; --", 5);
    if (is_int(w->n, 1, "%s: and is found under its name", NAME))
        is_sv(w->entries[0], SV("{\"role\":\"user\",\"content\":\"a\\nb\\\"c\\\\d\xc3\xa9 $1 %s \xe2\x80\xae\",\"timestamp\":1757408000000,\"message_id\":"
                                "\"\xf0\x9f\x98\x80\"}"), "%s: with a time not older than 30 days before it came", NAME);
}

/* ---- reading ---- */

static void reads_context(struct rig *r)
{
    struct sv items[] = {
        rig_turn_item(r, &(struct turn){ .conversation = "ctx", .turn = 500, .messages = "k3", .reply = "third", .action = "executed", .at = 30000 }),
        rig_turn_item(r, &(struct turn){ .conversation = "ctx", .turn = 501, .messages = "k1 k2", .reply = "first", .action = "executed", .at = 10000 }),
        rig_message_item(r, "ctx", "k4", "agent", "agent_message", RIG_NOW + 40000),
        rig_message_item(r, "ctx", "k5", "bot", "own_message", RIG_NOW + 50000),
        rig_message_item(r, "ctx", "k6", "system", "system_message", RIG_NOW + 60000),
        rig_turn_item(r, &(struct turn){ .conversation = "ctx", .turn = 502, .messages = "k7", .reply = "never said", .action = "withheld", .at = 70000,
                                         .status = "recorded" }),
        rig_turn_item(r, &(struct turn){ .conversation = "ctx", .turn = 503, .messages = "k8", .reply = "perhaps", .action = "unknown", .at = 80000 }),
    };
    static const char *const want[] = { "k1", "k2", "first", "k3", "third", "k4", "k6", "k7", "k8", "perhaps" };
    static const char *const roles[] = { "user", "user", "assistant", "user", "assistant", "agent", "system", "user", "user", "assistant" };
    const struct answer *w;

    ok(rig_kept(r, items, ARRAY_LEN(items)), "%s: a conversation", NAME);
    w = rig_context(r, "ctx", 40);
    is_int(w->n, ARRAY_LEN(want), "%s: its context", NAME);
    for (size_t i = 0; i < w->n && i < ARRAY_LEN(want); i++) {
        char part[80];
        (void)snprintf(part, sizeof(part), "{\"role\":\"%s\",\"content\":\"%s\",", roles[i], want[i]);
        has_str(w->entries[i].p, part, "%s: entry %zu", NAME, i);
    }
    is_sv(w->entries[2], SV("{\"role\":\"assistant\",\"content\":\"first\",\"timestamp\":1760000015000}"), "%s: a reply has its own time", NAME);
    w = rig_context(r, "ctx", 4);
    if (is_int(w->n, 4, "%s: the last four", NAME)) {
        has_str(w->entries[0].p, "k6", "%s: from here", NAME);
        has_str(w->entries[3].p, "perhaps", "%s: to the newest", NAME);
    }
    w = rig_context(r, "ctx", 1);
    ok(w->n == 1 && strstr(w->entries[0].p, "perhaps") != NULL, "%s: the last one", NAME);
    w = rig_context(r, "nobody", 10);
    ok(w->status == ARCHIVE_DONE && w->n == 0, "%s: an unknown conversation is empty", NAME);
}

static void asks_odd_things(struct rig *r)
{
    struct answer w[4];
    char *id = arena_alloc(r->arena, 2000);

    memset(id, 'x', 1999);
    rig_start_context(r, r->a, &w[0], SV(""), 5);
    rig_start_context(r, r->a, &w[1], SV("a\0b"), 5);
    rig_start_message(r, r->a, &w[2], SV("turn"), SV("\xff\xfe"));
    rig_start_message(r, r->a, &w[3], sv_from(id), SV("a1"));
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        rig_wait(r, &w[i]);
        ok(w[i].status == ARCHIVE_DONE && w[i].n == 0 && w[i].outcome.p == NULL, "%s: an impossible name %zu is simply unknown", NAME, i);
    }
}

static void counts(struct rig *r)
{
    struct answer w;

    rig_start_stat(r, r->a, &w);
    rig_wait(r, &w);
    ok(w.status == ARCHIVE_DONE && w.stat.up, "%s: figures", NAME);
    ok(w.stat.pool_size >= 1, "%s: size of the pool", NAME);
    has_str(w.stat.text.p, "\"connections\":", "%s: connections", NAME);
    has_str(w.stat.text.p, "\"database_size_bytes\":", "%s: size", NAME);
    has_str(w.stat.text.p, "\"commit_total\":", "%s: commits", NAME);
    ok(archive_is_up(r->a), "%s: it is up", NAME);
    is_str(archive_name(r->a), NAME, "%s: its name", NAME);
}

static void seed_queries(struct rig *r)
{
    const char *recent = rig_query(r, "SELECT conversation_id, last_message_timestamp, total_messages FROM conversations"
                                      " ORDER BY last_message_timestamp DESC LIMIT 10;");
    ok(strncmp(recent, "ctx|", 4) == 0 && strchr(recent, '\n') != NULL, "%s: the newest conversation comes first", NAME);
    const char *actions = rig_query(r, "SELECT action_type, COUNT(*), AVG(retry_count) FROM message_actions GROUP BY action_type;");
    ok(strncmp(actions, "send_message|", 13) == 0, "%s: actions by type", NAME);
}

/* ---- several writers ---- */

#define WRITERS 3
#define BATCHES 30
#define BATCH 60
#define TURNS 400

struct crowd {
    struct rig *r;
    struct sv *turns;
    unsigned seed;
    int left, down;
    struct crowd_writer {
        struct crowd *crowd;
        struct archive *a;
        struct sv items[BATCH];
        int batches;
    } writers[WRITERS];
};

static void crowd_next(void *arg, enum archive_status status, const char *const *verdicts);

static void crowd_write(struct crowd_writer *w)
{
    for (unsigned i = 0; i < BATCH; i++) {
        w->crowd->seed = w->crowd->seed * 1103515245u + 12345u;
        w->items[i] = w->crowd->turns[(w->crowd->seed >> 8) % TURNS];
    }
    archive_write(w->a, w->items, BATCH, crowd_next, w);
}

static void crowd_next(void *arg, enum archive_status status, const char *const *verdicts)
{
    struct crowd_writer *w = arg;

    w->crowd->down += status != ARCHIVE_DONE;
    for (unsigned i = 0; status == ARCHIVE_DONE && i < BATCH; i++)
        w->crowd->down += verdicts[i] != NULL;
    if (++w->batches < BATCHES)
        crowd_write(w);
    else
        w->crowd->left--;
}

static bool crowd_done(void *arg)
{
    return ((struct crowd *)arg)->left == 0;
}

static void overlapping_writers(struct rig *r)
{
    struct crowd c = { .r = r, .seed = 1, .left = WRITERS, .turns = arena_array(r->arena, TURNS, sizeof(struct sv)) };

    for (unsigned i = 0; i < TURNS; i++) {
        char conversation[32], messages[64];
        (void)snprintf(conversation, sizeof(conversation), "crowd_%u", i % 20);
        (void)snprintf(messages, sizeof(messages), "q%u w%u", i, i);
        c.turns[i] = rig_turn_item(r, &(struct turn){ .conversation = conversation, .turn = 20000 + i, .messages = messages, .reply = "r", .action = "executed" });
    }
    for (size_t i = 0; i < WRITERS; i++) {
        c.writers[i] = (struct crowd_writer){ .crowd = &c, .a = i == 0 ? r->a : rig_archive(r, 0, 2) };
        crowd_write(&c.writers[i]);
    }
    ok(rig_until(r, crowd_done, &c), "%s: %d writers of the same turns come to an end", NAME, WRITERS);
    is_int(c.down, 0, "%s: and none is turned away", NAME);
    for (size_t i = 1; i < WRITERS; i++)
        archive_close(c.writers[i].a);
    ok(rig_kept(r, c.turns, TURNS), "%s: all of them once more", NAME);
    is_int(count(r, "SELECT count(*) FROM messages WHERE conversation_id LIKE 'crowd%'"), 2 * TURNS, "%s: each message once", NAME);
    is_int(count(r, "SELECT sum(total_messages) FROM conversations WHERE conversation_id LIKE 'crowd%'"), 2 * TURNS, "%s: and counted once", NAME);
    is_int(count(r, "SELECT count(*) FROM message_actions WHERE conversation_id LIKE 'crowd%'"), TURNS, "%s: each action once", NAME);
}

static void closes_in_flight(struct rig *r)
{
    struct archive *a = rig_archive(r, 0, 2);
    struct answer w[8];
    struct sv item = rig_turn_item(r, &(struct turn){ .conversation = "closing", .turn = 600, .messages = "z1" });
    int lost = 0;

    for (size_t i = 0; i < 4; i++)
        rig_start_write(r, a, &w[i], &item, 1);
    rig_start_context(r, a, &w[4], SV("ctx"), 5);
    rig_start_context(r, a, &w[5], SV(""), 5);
    rig_start_message(r, a, &w[6], SV("ctx"), SV("k1"));
    rig_start_stat(r, a, &w[7]);
    archive_close(a);
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        is_int(w[i].count, 1, "%s: call %zu is answered before close returns", NAME, i);
        lost += w[i].status == ARCHIVE_DOWN;
    }
    is_int(lost, ARRAY_LEN(w), "%s: as down", NAME);
    for (int i = 0; i < 5; i++)
        rig_turn(r);
    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        is_int(w[i].count, 1, "%s: call %zu is not answered again", NAME, i);
    archive_close(NULL);
}

static void run(struct rig *r)
{
    writes_a_turn(r);
    writes_single_messages(r);
    writes_again(r);
    later_decision_wins(r);
    first_customer_owns(r);
    poison_alone(r);
    keeps_what_it_gets(r);
    reads_context(r);
    asks_odd_things(r);
    counts(r);
    seed_queries(r);
    jobs(r);
    sessions(r);
    services(r);
    retention(r);
    history(r);
    large_batches(r);
    overlapping_writers(r);
    closes_in_flight(r);
}

int main(void)
{
    struct rig r;
    const char *why;
    struct pgserver *server;

    rig_open(&r, NULL, NULL);
    run(&r);
    services_sqlite(&r);
    sqlite_faults(&r);
    rig_close(&r);
    server = pgserver_start(&why);
    if (server == NULL) {
        skip(why);
    } else {
        rig_open(&r, server, "contract");
        run(&r);
        history_plans(&r);
        services_postgres(&r);
        services_die(&r);
        postgres_faults(&r);
        rig_close(&r);
        pgserver_end(server);
    }
    return done_testing();
}
