/* SPDX-License-Identifier: MIT
 * Erasure, on every archive: what was received before is gone from all tables, and from the files; what is late is not taken, what is younger is; it is
 * counted once however often it is asked for. */
#include "config.h"

#include <stdio.h>

#include "t/archive/erase.h"

#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* of one() */

#define NAME r->name
#define HOUR INT64_C(3600000)
#define DAYS_AGO(n) (-24 * HOUR * (n))

static const char *one(struct rig *r, const char *format, const char *id)
{
    return rig_query(r, arena_printf(r->arena, format, id).p);
}

/* Everything of one session. */
static void fill(struct rig *r, const char *conversation, const char *user, unsigned turn)
{
    struct sv items[] = {
        rig_turn_item(r, &(struct turn){ .conversation = conversation, .turn = turn, .fence = 1, .messages = "m1 m2", .user = user, .reply = CANARY,
                                         .action = "executed", .job = "{\"created_at\":1759568000000}", .at = DAYS_AGO(5), .received = DAYS_AGO(5) }),
        rig_turn_item(r, &(struct turn){ .conversation = conversation, .turn = turn + 1, .fence = 2, .messages = "m3", .user = user, .reply = CANARY,
                                         .action = "executed", .job = "{\"created_at\":1760000000000}" }),
        erase_message(r, conversation, "m4", user, 500),
        erase_state(r, conversation, "closed", 600),
        erase_customer(r, conversation, user, CANARY, "0912345678", 700),
    };
    ok(rig_kept(r, items, ARRAY_LEN(items)), "%s: %s is written", NAME, conversation);
}

static void a_session(struct rig *r)
{
    char uuid[37];
    fill(r, "gone", "u-1", 100);
    fill(r, "stays", "u-2", 200);
    struct sv also[] = { erase_customer(r, "gone", "u-2", "from there", NULL, 800), erase_customer(r, "stays", "u-1", "later", NULL, 900) };
    ok(rig_kept(r, also, ARRAY_LEN(also)), "%s: what was said elsewhere", NAME);
    (void)rig_query(r, r->server != NULL
                           ? "INSERT INTO dead_letters (id, kind, conversation_id, item, reason) VALUES ('01890000-0000-7000-8000-0000000000a1', 'x', 'gone', 'a', 'r'),"
                             " ('01890000-0000-7000-8000-0000000000a2', 'x', NULL, '{\"session_id\":\"gone\"}', 'r'),"
                             " ('01890000-0000-7000-8000-0000000000a3', 'x', NULL, '{\"session_id\":\"gone by\"}', 'r')"
                           : "INSERT INTO dead_letters (id, kind, conversation_id, item, reason, first_at, dead_at) VALUES ('a1', 'x', 'gone', CAST('a' AS BLOB), 'r', 1, 1),"
                             " ('a2', 'x', NULL, CAST('{\"session_id\":\"gone\"}' AS BLOB), 'r', 1, 1),"
                             " ('a3', 'x', NULL, CAST('{\"session_id\":\"gone by\"}' AS BLOB), 'r', 1, 1)");
    struct erased before = erase_ids(r, "gone", 1000);
    is_int(before.status, ARCHIVE_DONE, "%s: what the store may still know of it", NAME);
    is_sv(before.messages, SV("m3,m4"), "%s: messages", NAME);
    rig_uuid(101, uuid);
    is_sv(before.jobs, sv_from(uuid), "%s: jobs", NAME);
    is_int(erase_ids(r, "", 1000).status, ARCHIVE_DONE, "%s: of one that cannot be there is none", NAME);
    struct erased e = erase(r, ARCHIVE_SESSION, "gone", 1000);
    is_int(e.status, ARCHIVE_DONE, "%s: a session is erased", NAME);
    ok(e.count == 1 && e.id.n == 36, "%s: its erasure has an id", NAME);
    has_str(e.tables.p, "messages 4", "%s: messages", NAME);
    has_str(e.tables.p, "message_actions 2", "%s: actions", NAME);
    has_str(e.tables.p, "jobs 2", "%s: jobs", NAME);
    has_str(e.tables.p, "conversations 1", "%s: the conversation", NAME);
    has_str(e.tables.p, "chat_sessions 1", "%s: the session", NAME);
    has_str(e.tables.p, "customers 2", "%s: customers", NAME);
    has_str(e.tables.p, "dead_letters 2", "%s: dead letters", NAME);
    is_sv(e.messages, SV("m3,m4"), "%s: messages that the store may still know", NAME);
    is_sv(e.jobs, sv_from(uuid), "%s: jobs that it may still know", NAME);
    is_str(one(r, "SELECT (SELECT count(*) FROM messages WHERE conversation_id = '%1$s') + (SELECT count(*) FROM conversations WHERE conversation_id = '%1$s')"
                  " + (SELECT count(*) FROM message_actions WHERE conversation_id = '%1$s') + (SELECT count(*) FROM jobs WHERE conversation_id = '%1$s')"
                  " + (SELECT count(*) FROM chat_sessions WHERE session_id = '%1$s')", "gone"), "0", "%s: nothing is left of it", NAME);
    is_str(rig_query(r, "SELECT name, phone FROM customers WHERE sender_id = 'u-1'"), "later|", "%s: what was said elsewhere stays", NAME);
    is_str(rig_query(r, "SELECT name, phone FROM customers WHERE sender_id = 'u-2'"), "|+84912345678", "%s: of others, what was said there goes", NAME);
    has_str(rig_query(r, "SELECT sources FROM customers WHERE sender_id = 'u-2'"), "phone", "%s: with its source", NAME);
    ok(strstr(rig_query(r, "SELECT sources FROM customers WHERE sender_id = 'u-2'"), "name") == NULL, "%s: and no other", NAME);
    is_str(one(r, "SELECT count(*) FROM messages WHERE conversation_id = '%s'", "stays"), "4", "%s: others stay", NAME);
    is_str(rig_query(r, "SELECT count(*) FROM dead_letters"), "1", "%s: and their letters", NAME);
    is_int(erase_receipt(r, e.id, "{\"store_messages\":3,\"store_jobs\":1}"), ARCHIVE_DONE, "%s: what others counted", NAME);
    is_int(erase_receipt(r, e.id, "{\"store_messages\":2}"), ARCHIVE_DONE, "%s: twice", NAME);
    has_str(rig_query(r, r->server != NULL ? "SELECT (receipt ->> 'messages') || ' ' || (receipt ->> 'store_messages') || ' ' || (receipt ->> 'store_jobs')"
                                             " || ' ' || (receipt ->> 'customers') FROM erasures"
                                           : "SELECT receipt ->> 'messages' || ' ' || (receipt ->> 'store_messages') || ' ' || (receipt ->> 'store_jobs')"
                                             " || ' ' || (receipt ->> 'customers') FROM erasures"), "4 5 1 2", "%s: the receipt has all of it", NAME);
    struct erased again = erase(r, ARCHIVE_SESSION, "gone", 1000);
    is_sv(again.id, e.id, "%s: asking again is the same erasure", NAME);
    is_sv(again.tables, e.tables, "%s: and says what went then", NAME);
    is_sv(again.messages, SV(""), "%s: but not of which messages", NAME);
    is_int(erase(r, ARCHIVE_SESSION, "nobody has it", 1000).status, ARCHIVE_DONE, "%s: one that is not known", NAME);
    is_int(erase(r, ARCHIVE_SESSION, "", 1000).status, ARCHIVE_DONE, "%s: one that cannot be", NAME);
}

static void late_items(struct rig *r)
{
    fill(r, "late", "u-3", 300);
    is_int(erase(r, ARCHIVE_SESSION, "late", 1000).status, ARCHIVE_DONE, "%s: erased", NAME);
    fill(r, "late", "u-3", 300);
    is_str(one(r, "SELECT (SELECT count(*) FROM messages WHERE conversation_id = '%1$s') + (SELECT count(*) FROM conversations WHERE conversation_id = '%1$s')"
                  " + (SELECT count(*) FROM customers WHERE sender_id = 'u-3')", "late"), "0", "%s: what is late is taken and dropped", NAME);
    struct sv items[] = {
        arena_printf(r->arena, "{\"type\":\"turn\",\"conversation_id\":\"late\",\"turn_id\":\"01890000-0000-7000-8000-00000000aaaa\",\"status\":\"completed\","
                     "\"at\":%lld,\"reply\":{\"response_text\":\"yes\"},\"actions\":[{\"type\":\"send_message\",\"status\":\"executed\"}],\"messages\":["
                     "{\"message_id\":\"b1\",\"content\":\"" CANARY "\",\"sender_id\":\"u-3\",\"sender_type\":\"user\",\"timestamp\":%lld,\"seq\":9},"
                     "{\"message_id\":\"n1\",\"content\":\"new\",\"sender_id\":\"u-3\",\"sender_type\":\"user\",\"timestamp\":%lld,\"seq\":2}]}",
                     (long long)RIG_NOW + 3000, (long long)RIG_NOW + 1000, (long long)RIG_NOW + 1001),
        erase_message(r, "late", "b2", "u-3", 1000), erase_message(r, "late", "n2", "u-4", 1001),
        erase_state(r, "late", "archived", 1000), erase_customer(r, "late", "u-3", "old", NULL, 1000), erase_customer(r, "late", "u-3", "new", NULL, 1001),
    };
    ok(rig_kept(r, items, ARRAY_LEN(items)), "%s: a mixed batch", NAME);
    is_str(one(r, "SELECT message_id FROM messages WHERE conversation_id = '%s' ORDER BY message_id", "late"), "n1\nn2", "%s: what is younger is taken", NAME);
    is_str(one(r, "SELECT CASE WHEN said THEN 'said' END FROM messages WHERE conversation_id = '%s' AND message_id = 'n1'", "late"), "said",
           "%s: with the reply", NAME);
    is_str(one(r, "SELECT message_id FROM message_actions WHERE conversation_id = '%s'", "late"), "n1", "%s: and the action", NAME);
    is_str(one(r, "SELECT status FROM chat_sessions WHERE session_id = '%s'", "late"), "active", "%s: nothing that was said before counts", NAME);
    is_str(one(r, "SELECT name FROM customers WHERE sender_id = '%s'", "u-3"), "new", "%s: nor of the customer", NAME);
    struct sv later = erase_message(r, "late", "b3", "u-3", 900);
    (void)rig_query(r, r->server != NULL ? "UPDATE messages SET received_at = to_timestamp(1760000000.9) WHERE message_id = 'n2'"
                                         : "UPDATE messages SET received_at = 1760000000900 WHERE message_id = 'n2'");
    (void)one(r, "UPDATE chat_sessions SET user_seq = 1760000000900999, user_id = 'u-4' WHERE session_id = '%s'", "late");
    (void)one(r, r->server != NULL ? "UPDATE conversations SET created_at = to_timestamp(1760000000.9) WHERE conversation_id = '%s'"
                                   : "UPDATE conversations SET created_at = 1760000000900 WHERE conversation_id = '%s'", "late");
    has_str(erase(r, ARCHIVE_SESSION, "late", 1000).tables.p, "messages 5", "%s: asking again removes what is left", NAME);
    is_str(one(r, "SELECT total_messages, customer_messages, forgotten_messages, last_seq FROM conversations WHERE conversation_id = '%s'", "late"),
           "1|1|0|2", "%s: and the rest is counted as it is", NAME);
    is_str(one(r, "SELECT user_id FROM chat_sessions WHERE session_id = '%s'", "late"), "u-3", "%s: whose it is, too", NAME);
    ok(rig_kept(r, &later, 1), "%s: still late", NAME);
    is_str(one(r, "SELECT message_id FROM messages WHERE conversation_id = '%s'", "late"), "n1", "%s: still dropped", NAME);
    struct sv second = erase(r, ARCHIVE_SESSION, "late", 5000).tables;
    has_str(second.p, "messages 1", "%s: a second erasure", NAME);
    ok(rig_kept(r, items, ARRAY_LEN(items)), "%s: everything is late", NAME);
    is_str(one(r, "SELECT count(*) FROM conversations WHERE conversation_id = '%s'", "late"), "0", "%s: nothing comes back", NAME);
    struct sv state = erase_state(r, "late", "closed", 5001);
    ok(rig_kept(r, &state, 1), "%s: a word about it that is younger", NAME);
    is_sv(erase(r, ARCHIVE_SESSION, "late", 5000).tables, second, "%s: is not erased", NAME);
    is_str(one(r, "SELECT status FROM chat_sessions WHERE session_id = '%s'", "late"), "closed", "%s: stays", NAME);
}

static struct archive_figure figure(const char *day, const char *metric, int64_t value)
{
    return (struct archive_figure){ sv_from(day), sv_from(metric), value };
}

static void a_user(struct rig *r)
{
    static const char sums[] = "SELECT day, metric, value FROM daily_analytics WHERE metric LIKE '%users%' OR metric LIKE 'user%' ORDER BY day, metric";
    struct archive_figure before[] = { figure("2026-01-01", "user_u-5_messages", 4), figure("2026-01-02", "user_u-5_messages", 6),
                                       figure("2026-01-02", "user_u-50_messages", 1), figure("2026-01-02", "erased_users_messages", 2) };
    struct archive_figure after[] = { figure("2026-01-03", "erased_users_messages", 9), figure("2026-01-03", "user_u-5_messages", 9) };
    fill(r, "of u-5", "u-5", 500);
    is_int(erase_figures(r, before, ARRAY_LEN(before), 0), ARCHIVE_DONE, "%s: figures", NAME);
    is_int(erase_figures(r, after, 1, 1500), ARCHIVE_DONE, "%s: a sum that was read after the store's erasure", NAME);
    (void)rig_query(r, "INSERT INTO daily_analytics (day, metric, value) VALUES ('2026-01-03', 'user_u-5_messages', 9)");
    is_int(erase_preference(r, "u-5", "language", CANARY), ARCHIVE_DONE, "%s: preferences", NAME);
    struct erased e = erase(r, ARCHIVE_USER, "u-5", 1000);
    is_sv(e.tables, SV("customers 1, user_preferences 1, daily_analytics 3"), "%s: a user is erased", NAME);
    is_str(rig_query(r, sums), "2026-01-01|erased_users_messages|4\n2026-01-02|erased_users_messages|8\n2026-01-02|user_u-50_messages|1\n"
                               "2026-01-03|erased_users_messages|9", "%s: his figures are folded", NAME);
    is_sv(erase(r, ARCHIVE_USER, "u-5", 1000).tables, e.tables, "%s: once", NAME);
    is_str(one(r, "SELECT count(*) FROM messages WHERE conversation_id = '%s'", "of u-5"), "4", "%s: his sessions are erased by themselves", NAME);
    is_int(erase_figures(r, before, 2, 1000), ARCHIVE_DONE, "%s: figures that were read before", NAME);
    is_str(rig_query(r, "SELECT count(*) FROM daily_analytics WHERE metric = 'user_u-5_messages'"), "0", "%s: do not come back", NAME);
    struct sv items[] = { erase_message(r, "new of u-5", "x1", "u-5", 1000), erase_message(r, "new of u-5", "x2", "u-6", 1000),
                          erase_customer(r, "new of u-5", "u-5", "old", NULL, 1000), erase_message(r, "newer of u-5", "x3", "u-5", 1001) };
    ok(rig_kept(r, items, ARRAY_LEN(items)), "%s: what is late of a user", NAME);
    is_str(rig_query(r, "SELECT message_id FROM messages WHERE message_id LIKE 'x%' ORDER BY message_id"), "x2\nx3", "%s: is dropped", NAME);
    is_str(one(r, "SELECT count(*) FROM customers WHERE sender_id = '%s'", "u-5"), "0", "%s: wherever", NAME);
    struct archive_figure anew = figure("2026-01-03", "user_u-5_messages", 1);
    is_int(erase_figures(r, &anew, 1, 1001), ARCHIVE_DONE, "%s: he writes anew", NAME);
    is_int(erase_preference(r, "u-5", "language", "vi"), ARCHIVE_DONE, "%s: and has preferences", NAME);
    is_sv(erase(r, ARCHIVE_USER, "u-5", 1000).tables, SV("customers 1, user_preferences 1, daily_analytics 4"), "%s: preferences that are younger stay", NAME);
    is_str(rig_query(r, "SELECT value FROM daily_analytics WHERE metric = 'erased_users_messages' AND day = '2026-01-03'"), "9", "%s: sums say what they did", NAME);
}

/* What a daemon finishes. */
static void from_the_queue(struct rig *r)
{
    fill(r, "queued", "u-7", 700);
    struct sv items[] = { erase_message(r, "queued", "q1", "u-7", 900), erase_item(r, "queued", "u-7", 1000), erase_message(r, "queued", "q2", "u-7", 1500),
                          erase_message(r, "else", "q3", "u-8", 800), erase_item(r, NULL, "u-7", 1000), SV("{\"type\":\"erase\",\"at\":5}") };
    const struct answer *w = rig_write(r, items, ARRAY_LEN(items));
    is_int(w->status, ARCHIVE_DONE, "%s: a batch that erases", NAME);
    for (size_t i = 0; w->status == ARCHIVE_DONE && i < ARRAY_LEN(items) - 1; i++)
        is_str(w->verdicts[i], NULL, "%s: item %zu is kept", NAME, i);
    ok(w->status == ARCHIVE_DONE && w->verdicts[5] != NULL, "%s: one that names nobody is not", NAME);
    is_str(rig_query(r, "SELECT message_id FROM messages WHERE conversation_id IN ('queued', 'else') ORDER BY message_id"), "q2\nq3",
           "%s: what was before is gone, what is younger is there", NAME);
    is_str(rig_query(r, "SELECT count(*) FROM customers WHERE sender_id = 'u-7'"), "0", "%s: so is the user", NAME);
    ok(rig_kept(r, items, 5), "%s: all of it again", NAME);
    is_str(rig_query(r, "SELECT message_id FROM messages WHERE conversation_id IN ('queued', 'else') ORDER BY message_id"), "q2\nq3", "%s: is the same", NAME);
}

/* The database refuses an item beside those that were erased: verdicts are as ever, and what was erased is no fault. */
static void beside_poison(struct rig *r)
{
    (void)rig_query(r, r->server != NULL
                           ? "ALTER TABLE messages ADD CONSTRAINT no_poison CHECK (message_id <> 'poison')"
                           : "CREATE TRIGGER no_poison BEFORE INSERT ON messages WHEN new.message_id = 'poison' BEGIN SELECT RAISE(ABORT, 'poison'); END");
    is_int(erase(r, ARCHIVE_SESSION, "mixed", 1000).status, ARCHIVE_DONE, "%s: erased", NAME);
    struct sv items[12];
    for (unsigned i = 0; i < ARRAY_LEN(items); i++)
        items[i] = i == 5 ? erase_message(r, "other", "poison", "u-9", 2000)
                   : i % 2 == 0 ? erase_message(r, "mixed", arena_printf(r->arena, "p%u", i).p, "u-9", 500)
                                : erase_message(r, "mixed", arena_printf(r->arena, "p%u", i).p, "u-9", 1500);
    const struct answer *w = rig_write(r, items, ARRAY_LEN(items));
    is_int(w->status, ARCHIVE_DONE, "%s: a batch with poison and what was erased", NAME);
    for (unsigned i = 0; w->status == ARCHIVE_DONE && i < ARRAY_LEN(items); i++)
        ok((w->verdicts[i] != NULL) == (i == 5), "%s: item %u", NAME, i);
    is_str(rig_query(r, "SELECT message_id FROM messages WHERE conversation_id = 'mixed' ORDER BY message_id"), "p1\np11\np3\np7\np9", "%s: is split all the same", NAME);
    (void)rig_query(r, r->server != NULL ? "ALTER TABLE messages DROP CONSTRAINT no_poison" : "DROP TRIGGER no_poison");
}

/* Many were erased, and the database's statistics know nothing of it: a large batch with one name among many is still a matter of moments. */
static void among_many(struct rig *r)
{
    enum { N = 1500, GONE = 20000 };
    struct sv *items = arena_array(r->arena, N, sizeof(*items));
    struct sv sql = arena_printf(r->arena, r->server != NULL
                                               ? "INSERT INTO erasures (id, subject, subject_hash, salt, erased_at) SELECT gen_random_uuid(), 'user',"
                                                 " erasure_hash('user', 'many_' || i), salt, to_timestamp(2000000000) FROM erasure_salt, generate_series(1, %d) i"
                                               : "WITH RECURSIVE i (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < %d) INSERT INTO erasures"
                                                 " (id, subject, subject_hash, salt, erased_at) SELECT 'm' || i, 'user', randomblob(32), salt, 2000000000000"
                                                 " FROM erasure_salt, i", GONE);
    (void)rig_query(r, sql.p);
    is_int(erase(r, ARCHIVE_SESSION, "many-700", 1000).status, ARCHIVE_DONE, "%s: one more", NAME);
    for (unsigned i = 0; i < N; i++)
        items[i] = erase_message(r, arena_printf(r->arena, "many-%u", i).p, "m", arena_printf(r->arena, "many-u-%u", i).p, 900);
    struct archive *usual = r->a;
    r->a = rig_archive(r, 20000, 1); /* other tests may have the machine; with a plan of old statistics it is minutes */
    ok(rig_kept(r, items, N), "%s: a large batch, of which one was erased", NAME);
    archive_close(r->a);
    r->a = usual;
    is_str(rig_query(r, "SELECT count(*) FROM conversations WHERE conversation_id LIKE 'many-%'"), "1499", "%s: all others are there", NAME);
    (void)rig_query(r, r->server != NULL ? "DELETE FROM erasures WHERE erased_at = to_timestamp(2000000000)" : "DELETE FROM erasures WHERE erased_at = 2000000000000");
}

/* More rows than go at once, with nothing of it anywhere afterwards: not in a dump, nor in the file or beside it. */
static void leaves_no_trace(struct rig *r)
{
    enum { N = 4500 };
    struct sv *items = arena_array(r->arena, N, sizeof(*items));
    char filler[3000];
    memset(filler, 'x', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    for (unsigned i = 0; i < N; i++) {
        struct sv id = arena_printf(r->arena, "t%u", i);
        struct sv reply = arena_printf(r->arena, CANARY "-trace %.*s", (int)(i % sizeof(filler)), filler);
        items[i] = rig_turn_item(r, &(struct turn){ .conversation = i % 3 == 0 ? "beside" : CANARY "-trace", .turn = 10000 + i, .fence = 1, .messages = id.p,
                                                    .user = i % 3 == 0 ? "u-10" : CANARY "-trace", .reply = i % 3 == 0 ? "yes" : reply.p,
                                                    .action = "executed", .at = (int64_t)i, .received = (int64_t)i, .job = i % 50 == 1 ? "{}" : NULL });
    }
    for (unsigned i = 0; i < N; i += 500)
        ok(rig_kept(r, items + i, 500), "%s: many, %u", NAME, i);
    for (unsigned i = 0; i < 60; i += 1) { /* some of them once more, longer: rows move */
        struct sv id = arena_printf(r->arena, "t%u", i);
        items[i] = rig_turn_item(r, &(struct turn){ .conversation = i % 3 == 0 ? "beside" : CANARY "-trace", .turn = 10000 + i, .fence = 2, .messages = id.p,
                                                    .user = i % 3 == 0 ? "u-10" : CANARY "-trace", .reply = i % 3 == 0 ? filler : CANARY "-trace",
                                                    .action = "failed", .at = (int64_t)i, .received = (int64_t)i });
    }
    ok(rig_kept(r, items, 60), "%s: later outcomes", NAME);
    struct sv said = erase_customer(r, "beside", CANARY "-trace", CANARY "-trace", NULL, 500);
    ok(rig_kept(r, &said, 1), "%s: what is known about the user", NAME);
    struct archive_figure counted = figure("2026-03-01", "user_" CANARY "-trace_messages", 3000);
    is_int(erase_figures(r, &counted, 1, 500), ARCHIVE_DONE, "%s: and counted of him", NAME);
    is_int(erase_preference(r, CANARY "-trace", "note", CANARY "-trace"), ARCHIVE_DONE, "%s: and set by him", NAME);
    long before = erase_find(r, CANARY "-trace");
    struct erased e = erase(r, ARCHIVE_SESSION, CANARY "-trace", 10000);
    is_int(e.status, ARCHIVE_DONE, "%s: a large session is erased", NAME);
    has_str(e.tables.p, "messages 3000", "%s: all of it", NAME);
    is_sv(erase(r, ARCHIVE_USER, CANARY "-trace", 10000).tables, SV("customers 1, user_preferences 1, daily_analytics 1"), "%s: and its user", NAME);
    if (before < 0)
        skip("pg_dump is not installed");
    else
        ok(before > 3000 && erase_find(r, CANARY "-trace") == 0, "%s: what was to be found %ld times is not found any more: %ld", NAME, before,
           erase_find(r, CANARY "-trace"));
    is_str(one(r, "SELECT count(*) FROM messages WHERE conversation_id = '%s'", "beside"), "1500", "%s: its neighbour is whole", NAME);
}

void erase_rules(struct rig *r)
{
    a_session(r);
    late_items(r);
    a_user(r);
    from_the_queue(r);
    beside_poison(r);
    among_many(r);
    leaves_no_trace(r);
}
