/* SPDX-License-Identifier: MIT
 * Exchanges of sessions that only the archive knows, and what becomes of what it tells. */
#include "config.h"

#include "lib/clock.h"
#include "store/store_ops.h"
#include "t/tap.h"
#include "t/turn/history_ask.h"
#include "t/turn/sync_rig.h"

/* ---- what only the archive knows ---- */

#define PAST(user) \
    "{\"session_id\":\"c1\",\"user_id\":\"" user "\",\"status\":\"active\",\"check_reply\":true,\"check_reply_until\":null,\"created_at\":1600000000.500," \
    "\"last_activity\":1600000009.000,\"message_count\":9,\"customer_messages\":5,\"last_message\":null}"

static void forgotten(void)
{
    struct rig r;
    sync_open_archived(&r);
    sync_known.session = PAST("somebody");
    is_str(sync_one(&r, sync_made("x1", 0)), "409 session_of_another_user null", "a forgotten session of another user");
    sync_known.session = PAST("customer");
    sync_known.messages = " x1 x2 ";
    sync_known.down = true;
    is_str(sync_one(&r, sync_made("x1", 0)), "503 archive_unavailable null", "whose it is, nobody says");
    sync_known.down = false;
    struct chat_exchange list[] = { sync_made("x1", 25 * HOUR), sync_made("x2", 23 * HOUR), sync_made("x3", 25 * HOUR) };
    sync_known.messages_asked = 0;
    is_str(sync_many(&r, list, 3), MANY("2", "1"), "a forgotten session: what the archive has is known");
    is_int(sync_known.messages_asked, 2, "it is asked about what is older than a day");
    is_str(history_field(&r, "c1", "messageCount"), "7", "all of the customer's messages are counted");
    is_str(history_field(&r, "c1", "createdAt"), "2020-09-13T12:26:40.500Z", "and the session is as old as it is");
    int sessions = sync_known.sessions_asked;
    is_str(sync_one(&r, sync_made("x4", 0)), DONE("x4", "false"), "one more");
    is_int(sync_known.sessions_asked, sessions, "needs no archive");
    is_str(history_field(&r, "c1", "messageCount"), "8", "and counts");
    rig_close(&r);
}

static void unknown_to_all(void)
{
    struct rig r;
    sync_open_archived(&r);
    struct chat_exchange list[] = { sync_made("x1", 99 * HOUR), sync_made("x2", 98 * HOUR) };
    is_str(sync_many(&r, list, 2), MANY("2", "0"), "a session that nobody knows");
    is_int(sync_known.messages_asked, 0, "has no messages in the archive to ask for");
    is_str(sync_many(&r, list, 2), MANY("0", "2"), "again");
    is_int(sync_known.messages_asked, 0, "what has a mark is not asked for either");
    sync_known.session = PAST("customer");
    sync_known.messages = " x0 ";
    is_str(sync_one(&r, sync_made("x0", 99 * HOUR)), DONE("x0", "true"), "an old one without a mark");
    is_int(sync_known.messages_asked, 1, "is");
    sync_known.down = true;
    is_str(sync_one(&r, sync_made("x5", 99 * HOUR)), "503 archive_unavailable null", "and not taken unless there is an answer");
    is_str(sync_one(&r, sync_made("x6", 0)), DONE("x6", "false"), "which a new one does not need");
    rig_close(&r);
}

/* Another store stands in, or only takes messages in. */
static void standing_in(void)
{
    struct rig r;
    sync_open_archived(&r);
    sync_say(&r, "m1");
    sync_known.session = PAST("customer");
    sync_known.messages = " x1 ";
    r.store->standing_in = true;
    is_str(sync_one(&r, sync_made("x1", 0)), DONE("x1", "true"), "what this store does not know, the other one may have known");
    is_str(sync_one(&r, sync_made("x2", 0)), DONE("x2", "false"), "or not");
    is_int(sync_known.messages_asked, 2, "says the archive, however new it is");
    r.store->spooling = true;
    is_str(sync_one(&r, sync_made("x3", 0)), "503 store_unavailable null", "while messages are only taken in, this has time");
    rig_close(&r);
}

/* The store has forgotten the conversation; first an exchange is told of, then the customer writes: the AI knows everything once. */
static void recalled(void)
{
    const struct sv entries[] = { SV("{\"role\":\"user\",\"content\":\"long ago\",\"timestamp\":1600000001000,\"message_id\":\"m1\"}"),
                                  SV("{\"role\":\"assistant\",\"content\":\"indeed\",\"timestamp\":1600000002000}"),
                                  SV("{\"role\":\"user\",\"content\":\"ask-x1\",\"timestamp\":1699963200000,\"message_id\":\"x1\"}"),
                                  SV("{\"role\":\"assistant\",\"content\":\"answer-x1\",\"timestamp\":1699963200000}"),
                                  SV("{\"role\":\"user\",\"content\":\"\",\"timestamp\":1699963200000,\"message_id\":\"x2\"}") };
    struct rig r;
    sync_open_archived(&r);
    sync_known.session = PAST("customer");
    is_str(sync_one(&r, sync_made("x1", 0)), DONE("x1", "false"), "in a forgotten conversation");
    sync_known.context = entries; /* what was told of has been archived meanwhile */
    sync_known.context_n = ARRAY_LEN(entries);
    sync_say(&r, "m2");
    is_str(r.ai.seen, "user:long ago|assistant:indeed|user:ask-x1|assistant:answer-x1|user:m2|", "the AI knows all of it, once");
    is_str(history_field(&r, "c1", "messageCount"), "7", "and it is counted once");
    sync_say(&r, "m3");
    is_str(history_field(&r, "c1", "messageCount"), "8", "as is the next");
    rig_close(&r);
}

/* A message is accepted before the archive says what was. */
static void counted_after_a_turn(void)
{
    const struct sv entries[] = { SV("{\"role\":\"user\",\"content\":\"long ago\",\"timestamp\":1600000001000,\"message_id\":\"m1\"}") };
    struct rig r;
    sync_open_archived(&r);
    sync_known.session = PAST("customer");
    sync_known.context = entries;
    sync_known.context_n = 1;
    sync_say(&r, "m2");
    is_str(history_field(&r, "c1", "messageCount"), "6", "a forgotten conversation counts what was before, too");
    is_str(history_field(&r, "c1", "createdAt"), "2020-09-13T12:26:40.500Z", "and is as old as it is");
    sync_say(&r, "m3");
    is_str(history_field(&r, "c1", "messageCount"), "7", "once");
    rig_close(&r);
}

int main(void)
{
    forgotten();
    unknown_to_all();
    standing_in();
    recalled();
    counted_after_a_turn();
    clock_real();
    return done_testing();
}
