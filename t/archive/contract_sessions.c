/* SPDX-License-Identifier: MIT
 * Background tasks and what they leave: a message that has only come, whatever is decided about it before or after; how a session is, in whatever order
 * that is told; what is known about a customer; and both as they are read. */
#include "config.h"

#include <stdlib.h>

#include "t/archive/contract.h"

#define NAME r->name

/* ---- calls ---- */

static void on_session(void *arg, enum archive_status status, struct sv session, struct sv customer)
{
    struct answer *w = arg;

    w->count++;
    w->status = status;
    w->entries = arena_array(w->r->arena, 2, sizeof(struct sv));
    w->entries[0] = arena_sv(w->r->arena, session);
    w->entries[1] = arena_sv(w->r->arena, customer);
}

static void on_customer(void *arg, enum archive_status status, struct sv customer)
{
    struct answer *w = arg;

    w->count++;
    w->status = status;
    w->outcome = arena_sv(w->r->arena, customer);
}

static struct sv session_before(struct rig *r, struct sv id, int64_t before_ms, struct sv *customer)
{
    struct answer w = { .r = r };

    archive_session(r->a, id, before_ms, on_session, &w);
    ok(w.count == 0, "%s: no answer from inside the call", NAME);
    rig_wait(r, &w);
    *customer = w.entries[1];
    return w.status == ARCHIVE_DONE ? w.entries[0] : SV("down");
}

static struct sv session_of(struct rig *r, struct sv id, struct sv *customer)
{
    return session_before(r, id, 0, customer);
}

static struct sv customer_of(struct rig *r, struct sv id)
{
    struct answer w = { .r = r };

    archive_customer(r->a, id, on_customer, &w);
    ok(w.count == 0, "%s: no answer from inside the call", NAME);
    rig_wait(r, &w);
    return w.status == ARCHIVE_DONE ? w.outcome : SV("down");
}

/* ---- items ---- */

static struct sv save(struct rig *r, const char *conversation, const char *message, int64_t at)
{
    return arena_printf(r->arena, "{\"type\":\"save_message\",\"session_id\":\"%s\",\"message\":{\"message_id\":\"%s\",\"content\":\"%s\",\"sender_id\":\"user_1\","
                                  "\"sender_type\":\"user\",\"timestamp\":%lld,\"received\":%lld,\"seq\":%s}}",
                        conversation, message, message, (long long)(RIG_NOW + at), (long long)(RIG_NOW + at), message + 1);
}

static struct sv state(struct rig *r, const char *session, int64_t at, const char *members)
{
    return arena_printf(r->arena, "{\"type\":\"update_session_status\",\"session_id\":\"%s\",\"at\":%lld,%s}", session, (long long)(RIG_NOW + at), members);
}

static struct sv said(struct rig *r, const char *sender, const char *message, int64_t at, const char *members)
{
    return arena_printf(r->arena, "{\"type\":\"extract_customer_info\",\"conversation_id\":\"talk\",\"sender_id\":\"%s\",\"message_id\":\"%s\",\"at\":%lld,"
                                  "\"entities\":{%s}}", sender, message, (long long)at, members);
}

/* The n-th order of three. */
static const unsigned orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

/* ---- a message that has come ---- */

static void any_order_of_decisions(struct rig *r)
{
    for (unsigned i = 0; i < 12; i++) { /* in batches of one, then in one */
        char name[32], sql[160];
        (void)snprintf(name, sizeof(name), "order_%u", i);
        struct sv three[] = { save(r, name, "m1", 0), rig_message_item(r, name, "m1", "user", "bot_paused", RIG_NOW),
                              rig_turn_item(r, &(struct turn){ .conversation = name, .turn = 0x800 + i, .fence = 7, .messages = "m1", .reply = "r",
                                                               .action = "executed" }) };
        struct sv items[] = { three[orders[i % 6][0]], three[orders[i % 6][1]], three[orders[i % 6][2]] };
        bool kept = i < 6 ? rig_kept(r, items, 1) && rig_kept(r, items + 1, 1) && rig_kept(r, items + 2, 1) : rig_kept(r, items, 3);
        ok(kept && rig_kept(r, items, 3), "%s: a message comes, is recorded, is answered: order %u, and all of it again", NAME, i);
        (void)snprintf(sql, sizeof(sql), "SELECT status, coalesce(reason, '-'), fence, said FROM messages WHERE conversation_id = '%s'", name);
        is_str(rig_query(r, sql), r->server != NULL ? "completed|-|7|t" : "completed|-|7|1", "%s: the answer stands", NAME);
        (void)snprintf(sql, sizeof(sql), "SELECT total_messages, customer_messages FROM conversations WHERE conversation_id = '%s'", name);
        is_str(rig_query(r, sql), "1|1", "%s: it counts once", NAME);
    }
}

static void only_came(struct rig *r)
{
    struct sv items[] = { save(r, "came", "m1", 0), save(r, "came", "m2", 10), save(r, "came", "m1", 0) };
    struct sv recorded = rig_message_item(r, "came", "m1", "user", "bot_paused", RIG_NOW);
    struct sv no_fence = rig_turn_item(r, &(struct turn){ .conversation = "came", .turn = 0x820, .messages = "m2", .reply = "r", .action = "executed" });

    ok(rig_kept(r, items, ARRAY_LEN(items)), "%s: two messages come, one twice", NAME);
    is_sv(rig_message(r, "came", "m1"), SV("{\"status\":\"received\"}"), "%s: nothing was decided about it", NAME);
    is_str(rig_query(r, "SELECT total_messages, customer_messages, last_seq FROM conversations WHERE conversation_id = 'came'"), "2|2|2", "%s: they count", NAME);
    is_str(rig_query(r, "SELECT user_id FROM chat_sessions WHERE session_id = 'came'"), "user_1", "%s: the session has its user", NAME);
    is_int(rig_context(r, "came", 9)->n, 2, "%s: they are part of the context", NAME);
    ok(rig_kept(r, &recorded, 1) && rig_kept(r, items, 1), "%s: it is recorded, and comes once more", NAME);
    is_sv(rig_message(r, "came", "m1"), SV("{\"status\":\"recorded\",\"reason\":\"bot_paused\"}"), "%s: recorded it is", NAME);
    ok(rig_kept(r, &no_fence, 1) && rig_kept(r, items + 1, 1), "%s: a turn without a fence decides, too", NAME);
    has_str(rig_message(r, "came", "m2").p, "\"status\":\"completed\"", "%s: completed it is", NAME);
}

/* ---- how a session is ---- */

#define STATE "SELECT status, check_reply, status_at, check_reply_at FROM chat_sessions WHERE session_id = "

static void newest_word_stands(struct rig *r)
{
    for (unsigned i = 0; i < 12; i++) {
        char name[32], sql[200];
        (void)snprintf(name, sizeof(name), "state_%u", i);
        struct sv three[] = { state(r, name, 100, "\"status\":\"closed\",\"check_reply\":false,\"check_reply_until\":1760000900000"),
                              state(r, name, 200, "\"status\":\"archived\""), state(r, name, 150, "\"check_reply\":true") };
        struct sv items[] = { three[orders[i % 6][0]], three[orders[i % 6][1]], three[orders[i % 6][2]] };
        bool kept = i < 6 ? rig_kept(r, items, 1) && rig_kept(r, items + 1, 1) && rig_kept(r, items + 2, 1) : rig_kept(r, items, 3);
        ok(kept && rig_kept(r, items, 2), "%s: three words on a session: order %u", NAME, i);
        (void)snprintf(sql, sizeof(sql), STATE "'%s' AND check_reply_until IS NULL", name);
        is_str(rig_query(r, sql), r->server != NULL ? "archived|t|1760000000200|1760000000150" : "archived|1|1760000000200|1760000000150",
               "%s: of each group the newest stands", NAME);
    }
}

static void ties_have_one_end(struct rig *r)
{
    for (unsigned i = 0; i < 12; i++) {
        char name[32], sql[200];
        (void)snprintf(name, sizeof(name), "tie_%u", i);
        struct sv three[] = { state(r, name, 5, "\"status\":\"active\",\"check_reply\":true"),
                              state(r, name, 5, "\"status\":\"closed\",\"check_reply\":false,\"check_reply_until\":1760000001000"),
                              state(r, name, 5, "\"status\":\"archived\",\"check_reply\":false,\"check_reply_until\":1760000002000") };
        struct sv items[] = { three[orders[i % 6][0]], three[orders[i % 6][1]], three[orders[i % 6][2]] };
        ok(i < 6 ? rig_kept(r, items, 1) && rig_kept(r, items + 1, 1) && rig_kept(r, items + 2, 1) : rig_kept(r, items, 3),
           "%s: three words at the same time: order %u", NAME, i);
        (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM chat_sessions WHERE session_id = '%s' AND status = 'closed' AND check_reply = %s AND"
                                         " check_reply_until = %s", name, r->server != NULL ? "false" : "0",
                       r->server != NULL ? "to_timestamp(1760000002)" : "1760000002000");
        is_str(rig_query(r, sql), "1", "%s: the end is the same", NAME);
    }
}

static void session_before_messages(struct rig *r)
{
    struct sv customer, word = state(r, "early", 1000, "\"status\":\"closed\""), turn = rig_turn_item(r, &(struct turn){
        .conversation = "early", .turn = 0x840, .fence = 1, .messages = "m1", .reply = "yes", .action = "executed", .user = "early_user" });

    ok(rig_kept(r, &word, 1), "%s: a session that is not known", NAME);
    is_sv(session_of(r, SV("early"), &customer),
          SV("{\"session_id\":\"early\",\"user_id\":null,\"status\":\"closed\",\"check_reply\":true,\"check_reply_until\":null,"
             "\"created_at\":1760000001.000,\"last_activity\":1760000001.000,\"message_count\":0,\"customer_messages\":0,\"last_message\":null}"), "%s: is made, empty", NAME);
    ok(customer.p == NULL, "%s: with nobody in it", NAME);
    is_int(rig_context(r, "early", 5)->n, 0, "%s: and no context", NAME);
    ok(rig_kept(r, &turn, 1), "%s: then its messages come", NAME);
    is_str(rig_query(r, "SELECT total_messages, customer_messages FROM conversations WHERE conversation_id = 'early'"), "1|1", "%s: they count", NAME);
    is_str(rig_query(r, "SELECT user_id, status FROM chat_sessions WHERE session_id = 'early'"), "early_user|closed", "%s: and have a user", NAME);
    is_str(rig_query(r, r->server != NULL ? "SELECT extract(epoch FROM last_message_timestamp)::bigint FROM conversations WHERE conversation_id = 'early'"
                                          : "SELECT last_message_timestamp / 1000 FROM conversations WHERE conversation_id = 'early'"),
           "1760000000", "%s: the last message is the last message", NAME);
    has_str(session_of(r, SV("early"), &customer).p, "\"created_at\":1760000000.000", "%s: and it is as old as the first", NAME);
}

/* ---- reading a session ---- */

static void reads_a_session(struct rig *r)
{
    struct sv customer, turn = rig_turn_item(r, &(struct turn){ .conversation = "read", .turn = 0x850, .fence = 1, .messages = "m1 m2", .reply = "yes, \"so\"",
                                                                .action = "executed", .user = "reader" });
    struct sv person = said(r, "reader", "m1", RIG_NOW, "\"name\":\"An\""), word = state(r, "read", 1, "\"check_reply\":false,\"check_reply_until\":1760000009500");
    struct sv pending = save(r, "read", "m3", 6000), agent = rig_message_item(r, "read", "m4", "agent", "agent_message", RIG_NOW + 9000);
    struct sv withheld = rig_turn_item(r, &(struct turn){ .conversation = "read", .turn = 0x851, .fence = 2, .messages = "m5", .reply = "never",
                                                          .action = "withheld", .user = "reader", .at = 20000 });

    ok(rig_kept(r, &turn, 1), "%s: a session", NAME);
    is_sv(session_of(r, SV("read"), &customer),
          SV("{\"session_id\":\"read\",\"user_id\":\"reader\",\"status\":\"active\",\"check_reply\":true,\"check_reply_until\":null,"
             "\"created_at\":1760000000.000,\"last_activity\":1760000005.000,\"message_count\":2,\"customer_messages\":2,\"last_message\":{\"message_id\":null,"
             "\"content\":\"yes, \\\"so\\\"\",\"sender_type\":\"bot\",\"timestamp\":1760000005.000}}"), "%s: is read, with the reply as its last word", NAME);
    ok(customer.p == NULL, "%s: nothing is known about its user", NAME);
    struct sv two[] = { person, word };
    ok(rig_kept(r, two, 2) && rig_kept(r, &pending, 1), "%s: the bot is silent, he says his name, and writes on", NAME);
    is_sv(session_of(r, SV("read"), &customer),
          SV("{\"session_id\":\"read\",\"user_id\":\"reader\",\"status\":\"active\",\"check_reply\":false,\"check_reply_until\":1760000009.500,"
             "\"created_at\":1760000000.000,\"last_activity\":1760000006.000,\"message_count\":3,\"customer_messages\":3,\"last_message\":{\"message_id\":\"m3\","
             "\"content\":\"m3\",\"sender_type\":\"user\",\"timestamp\":1760000006.000}}"), "%s: all of it is read", NAME);
    is_sv(customer, customer_of(r, SV("reader")), "%s: and who it is", NAME);
    has_str(customer.p, "\"name\":\"An\"", "%s: by name", NAME);
    ok(rig_kept(r, &agent, 1), "%s: a person answers", NAME);
    has_str(session_of(r, SV("read"), &customer).p, "\"message_count\":4,\"customer_messages\":3,\"last_message\":{\"message_id\":\"m4\",\"content\":\"m4\",\"sender_type\":\"agent\"",
            "%s: the last word is his", NAME);
    ok(rig_kept(r, &withheld, 1), "%s: a reply that was withheld", NAME);
    has_str(session_of(r, SV("read"), &customer).p, "\"message_count\":5,\"customer_messages\":4,", "%s: counted", NAME);
    has_str(session_before(r, SV("read"), RIG_NOW + 1, &customer).p, "\"message_count\":4,\"customer_messages\":3,", "%s: up to a time", NAME);
    has_str(session_before(r, SV("read"), 1, &customer).p, "\"message_count\":0,\"customer_messages\":0,", "%s: before all of it", NAME);
    has_str(session_of(r, SV("read"), &customer).p, "\"last_message\":{\"message_id\":\"m5\",\"content\":\"m5\",\"sender_type\":\"user\"", "%s: is no last word", NAME);
}

static void asks_odd_things(struct rig *r)
{
    static const struct sv ids[] = { { NULL, 0 }, { "", 0 }, { "nobody", 6 }, { "a\0b", 3 }, { "\xff\xfe", 2 } };
    char *id = arena_alloc(r->arena, 2000);
    struct sv customer;

    memset(id, 'x', 1999);
    for (size_t i = 0; i <= ARRAY_LEN(ids); i++) {
        struct sv one = i < ARRAY_LEN(ids) ? ids[i] : sv_from(id);
        ok(session_of(r, one, &customer).p == NULL && customer.p == NULL, "%s: session %zu is unknown", NAME, i);
        ok(customer_of(r, one).p == NULL, "%s: customer %zu is unknown", NAME, i);
    }
}

/* ---- customers ---- */

/* Sources as JSON, whatever spaces a database puts there and in whatever order. */
static bool has_source(struct rig *r, const char *sender, const char *field, const char *message, int64_t at)
{
    char sql[400];

    if (r->server != NULL)
        (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM customers WHERE sender_id = '%s' AND sources -> '%s' = '{\"conversation_id\":\"talk\","
                                         "\"message_id\":\"%s\",\"at\":%lld}'", sender, field, message, (long long)at);
    else
        (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM customers WHERE sender_id = '%s' AND json_extract(sources, '$.%s') = '{\"conversation_id\":"
                                         "\"talk\",\"message_id\":\"%s\",\"at\":%lld}'", sender, field, message, (long long)at);
    return strcmp(rig_query(r, sql), "1") == 0;
}

static void newest_of_each_field(struct rig *r)
{
    for (unsigned i = 0; i < 12; i++) {
        char name[32], sql[200];
        (void)snprintf(name, sizeof(name), "person_%u", i);
        struct sv three[] = { said(r, name, "m1", 1000, "\"name\":\"Old\",\"phone\":\"0912345671\",\"email\":\"old@b.vn\""),
                              said(r, name, "m2", 2000, "\"name\":\"New\",\"address\":\"12 'x'\""), said(r, name, "m3", 3000, "\"phone\":\"0912345673\"") };
        struct sv items[] = { three[orders[i % 6][0]], three[orders[i % 6][1]], three[orders[i % 6][2]] };
        bool kept = i < 6 ? rig_kept(r, items, 1) && rig_kept(r, items + 1, 1) && rig_kept(r, items + 2, 1) : rig_kept(r, items, 3);
        ok(kept && rig_kept(r, items, 3), "%s: somebody says three things: order %u, and again", NAME, i);
        (void)snprintf(sql, sizeof(sql), "SELECT name, phone, email, address, name_at, phone_at, email_at, address_at FROM customers WHERE sender_id = '%s'", name);
        is_str(rig_query(r, sql), "New|+84912345673|old@b.vn|12 'x'|2000|3000|1000|2000", "%s: of each the last stands", NAME);
        ok(has_source(r, name, "name", "m2", 2000) && has_source(r, name, "phone", "m3", 3000) && has_source(r, name, "email", "m1", 1000) &&
               has_source(r, name, "address", "m2", 2000), "%s: with where it was said", NAME);
    }
    is_str(rig_query(r, "SELECT count(*), count(DISTINCT id) FROM customers WHERE sender_id LIKE 'person%'"), "12|12", "%s: each is one", NAME);
}

static void later_written_wins_a_tie(struct rig *r)
{
    struct sv one = said(r, "tie", "a", 5000, "\"name\":\"One\",\"email\":\"one@b.vn\""), two = said(r, "tie", "b", 5000, "\"name\":\"Two\"");
    struct sv both[] = { one, two }, back[] = { two, one };

    ok(rig_kept(r, &one, 1) && rig_kept(r, &two, 1), "%s: two names at the same time", NAME);
    is_str(rig_query(r, "SELECT name, email FROM customers WHERE sender_id = 'tie'"), "Two|one@b.vn", "%s: the one written later", NAME);
    ok(rig_kept(r, back, 2), "%s: in one batch", NAME);
    is_str(rig_query(r, "SELECT name FROM customers WHERE sender_id = 'tie'"), "One", "%s: the later in it", NAME);
    ok(rig_kept(r, both, 2), "%s: the other way round", NAME);
    is_str(rig_query(r, "SELECT name FROM customers WHERE sender_id = 'tie'"), "Two", "%s: the same", NAME);
}

static void reads_a_customer(struct rig *r)
{
    struct sv items[] = {
        said(r, "c \xc3\xa9", "m1", 1760000000000, "\"name\":\"Nguy\xe1\xbb\x85n \\\"An\\\"\""),
        said(r, "c \xc3\xa9", "m2", 1760000060000, "\"phone\":{\"value\":\"0912345678\"}"),
        SV("{\"type\":\"extract_customer_info\",\"session_id\":\"talk\",\"sender_id\":\"silent\",\"at\":5,\"content\":\"nothing\"}"),
        SV("{\"type\":\"extract_customer_info\",\"session_id\":\"talk\",\"sender_id\":\"c \xc3\xa9\",\"at\":1760000070000,\"content\":\"a@b.vn\"}"),
    };
    struct sv text;

    ok(rig_kept(r, items, ARRAY_LEN(items)), "%s: customers", NAME);
    text = customer_of(r, SV("c \xc3\xa9"));
    has_str(text.p, "{\"sender_id\":\"c \xc3\xa9\",\"phone\":\"+84912345678\",\"email\":\"a@b.vn\",\"name\":\"Nguy\xe1\xbb\x85n \\\"An\\\"\",\"address\":null,"
                    "\"sources\":{", "%s: one is read", NAME);
    has_str(text.p, "},\"created_at\":1760000000.000,\"updated_at\":1760000070.000}", "%s: with its times", NAME);
    ok(has_source(r, "c \xc3\xa9", "phone", "m2", 1760000060000), "%s: and its sources", NAME);
    ok(strstr(text.p, "\"message_id\": null") != NULL || strstr(text.p, "\"message_id\":null") != NULL, "%s: one without a message", NAME);
    ok(customer_of(r, SV("silent")).p == NULL, "%s: who said nothing is not known", NAME);
    (void)rig_query(r, "UPDATE customers SET sources = '[1]' WHERE sender_id = 'c \xc3\xa9'");
    has_str(customer_of(r, SV("c \xc3\xa9")).p, "\"sources\":{},", "%s: sources that a person spoilt are none", NAME);
    ok(rig_kept(r, items + 1, 1), "%s: and get in nobody's way", NAME);
    has_str(customer_of(r, SV("c \xc3\xa9")).p, "\"m2\"", "%s: the next is there", NAME);
    if (r->server == NULL) {
        (void)rig_query(r, "UPDATE customers SET sources = 'no JSON' WHERE sender_id = 'c \xc3\xa9'");
        has_str(customer_of(r, SV("c \xc3\xa9")).p, "\"sources\":{},", "%s: those that are no JSON, too", NAME);
        ok(rig_kept(r, items + 1, 1), "%s: and get in nobody's way", NAME);
    }
}

/* ---- two daemons ---- */

#define CROWD_ITEMS 300

/* The same items in two archives at once, in different orders: every row once, the newest words, and nobody is turned away. */
static void two_at_once(struct rig *r)
{
    struct archive *other = rig_archive(r, 0, 2);
    struct sv *one = arena_array(r->arena, CROWD_ITEMS, sizeof(*one)), *two = arena_array(r->arena, CROWD_ITEMS, sizeof(*two));
    struct answer w[2];
    int wrong = 0;

    for (unsigned i = 0; i < CROWD_ITEMS; i++) {
        char name[32], message[32], member[64];
        (void)snprintf(name, sizeof(name), "both_%u", i * 7 % 25);
        (void)snprintf(message, sizeof(message), "m%u", i);
        (void)snprintf(member, sizeof(member), "\"name\":\"N%u\"", i);
        if (i % 3 == 0)
            one[i] = save(r, name, message, i);
        else if (i % 3 == 1)
            one[i] = state(r, name, i, i % 2 != 0 ? "\"status\":\"closed\"" : "\"check_reply\":false");
        else
            one[i] = said(r, name, message, i, member);
        two[CROWD_ITEMS - 1 - i] = one[i];
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 2; i++)
            rig_start_write(r, i == 0 ? r->a : other, &w[i], i == 0 ? one : two, CROWD_ITEMS);
        for (int i = 0; i < 2; i++) {
            rig_wait(r, &w[i]);
            wrong += w[i].status != ARCHIVE_DONE;
            for (unsigned k = 0; w[i].status == ARCHIVE_DONE && k < CROWD_ITEMS; k++)
                wrong += w[i].verdicts[k] != NULL;
        }
        if (round < 9)
            (void)rig_query(r, "DELETE FROM conversations WHERE conversation_id LIKE 'both%'");
        if (round < 9)
            (void)rig_query(r, "DELETE FROM customers WHERE sender_id LIKE 'both%'");
    }
    is_int(wrong, 0, "%s: two archives write the same tasks at once", NAME);
    is_str(rig_query(r, "SELECT count(*), sum(total_messages) FROM conversations WHERE conversation_id LIKE 'both%'"), "25|100", "%s: messages count once", NAME);
    is_str(rig_query(r, "SELECT count(*) FROM chat_sessions WHERE session_id LIKE 'both%' AND status_at > 0"), "25", "%s: sessions are there", NAME);
    is_str(rig_query(r, "SELECT count(*), sum(name_at) FROM customers WHERE sender_id LIKE 'both%' AND name = 'N' || name_at"), "25|6575",
           "%s: customers have the newest name", NAME);
    archive_close(other);
}

static void closes_in_flight(struct rig *r)
{
    struct archive *a = rig_archive(r, 0, 2);
    struct answer w[4] = { { .r = r }, { .r = r }, { .r = r }, { .r = r } };

    archive_session(a, SV("read"), 0, on_session, &w[0]);
    archive_session(a, SV(""), 0, on_session, &w[1]);
    archive_customer(a, SV("reader"), on_customer, &w[2]);
    archive_customer(a, SV(""), on_customer, &w[3]);
    archive_close(a);
    for (int i = 0; i < 5; i++)
        rig_turn(r);
    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        ok(w[i].count == 1 && w[i].status == ARCHIVE_DOWN, "%s: question %zu is answered once, as down, when the archive closes", NAME, i);
}

void sessions(struct rig *r)
{
    any_order_of_decisions(r);
    only_came(r);
    newest_word_stands(r);
    ties_have_one_end(r);
    session_before_messages(r);
    reads_a_session(r);
    asks_odd_things(r);
    newest_of_each_field(r);
    later_written_wins_a_tie(r);
    reads_a_customer(r);
    two_at_once(r);
    closes_in_flight(r);
}
