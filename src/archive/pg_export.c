/* SPDX-License-Identifier: MIT
 * The server makes the lines and sends no more than EXPORT_BYTES of them, and the one that goes beyond. A table without a row behind the place is passed
 * over. docs/history.md says what a line has. */
#include "config.h"

#include <stdlib.h>

#include "archive/archive_item.h"
#include "archive/export_place.h"
#include "archive/pg_erase_sql.h"
#include "archive/pg_export.h"
#include "lib/log.h"

#define ARENA_MAX (64u << 20)
#define ZERO_UUID "00000000-0000-0000-0000-000000000000"

/* All take: name, key, position, limit; and answer: key, position, line. */
#define ISO(time) "to_char(" time " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
#define LINES(key, position, columns, from, order) \
    "SELECT b.key, b.position, b.line FROM (SELECT k.*, sum(octet_length(k.line)) OVER (ORDER BY k.n) - octet_length(k.line) AS before FROM (" \
    "SELECT " key "::text AS key, " position " AS position, row_number() OVER (ORDER BY " order ") AS n," \
    " (SELECT row_to_json(x)::text FROM (SELECT " columns ") x) AS line FROM " from " ORDER BY " order " LIMIT $4) k) b" \
    " WHERE b.before < 1048576 ORDER BY b.n"

#define SESSION_TEXT \
    LINES("''", "0", "'session' AS type, c.conversation_id AS \"sessionId\", s.user_id AS \"userId\", coalesce(s.status, 'active') AS status," \
          " coalesce(s.check_reply, true) AS \"checkReply\", " ISO("s.check_reply_until") " AS \"checkReplyUntil\", " ISO("c.created_at") " AS \"createdAt\"," \
          " CASE WHEN c.total_messages > 0 THEN " ISO("c.last_message_timestamp") " END AS \"lastMessage\", c.total_messages AS \"messageCount\", c.metadata", \
          "conversations c LEFT JOIN chat_sessions s ON s.session_id = c.conversation_id WHERE c.conversation_id = $1", "c.id")
#define MESSAGES_TEXT \
    LINES("m.id", "0", "'message' AS type, m.conversation_id AS \"sessionId\", m.message_id AS \"messageId\", m.sender_id AS \"senderId\"," \
          " m.sender_type AS \"senderType\", m.content, " ISO("m.\"timestamp\"") " AS timestamp, " ISO("m.received_at") " AS \"receivedAt\"," \
          " m.metadata, m.attachments, m.status, m.reason, m.turn_id AS \"turnId\"," \
          " CASE WHEN m.said THEN m.ai_response ->> 'response_text' END AS \"aiResponse\", m.ai_response AS reply, m.model_used AS \"modelUsed\"," \
          " m.ai_processing_time_ms AS \"aiProcessingTimeMs\", " ISO("m.answered_at") " AS \"answeredAt\"", \
          "messages m WHERE m.conversation_id = $1 AND m.id > $2::uuid", "m.id")
#define ACTIONS_TEXT \
    LINES("a.turn_id", "a.position", "'action' AS type, a.conversation_id AS \"sessionId\", a.turn_id AS \"turnId\", a.position," \
          " a.message_id AS \"messageId\", a.action_type AS \"actionType\", a.data, a.status, a.reason, a.retry_count AS \"retryCount\", " \
          ISO("a.created_at") " AS \"createdAt\"", \
          "message_actions a WHERE a.conversation_id = $1 AND (a.turn_id, a.position) > ($2::uuid, $3)", "a.turn_id, a.position")
#define JOBS_TEXT \
    LINES("j.id", "0", "'job' AS type, j.conversation_id AS \"sessionId\", j.id AS \"jobId\", j.status, j.attempts," \
          " j.consolidated_messages AS \"consolidatedMessages\", j.bot_id AS \"botId\", j.callback_url AS \"callbackUrl\", j.result, j.error, " \
          ISO("j.created_at") " AS \"createdAt\", " ISO("j.started_at") " AS \"startedAt\", " ISO("j.completed_at") " AS \"completedAt\"", \
          "jobs j WHERE j.conversation_id = $1 AND j.id > $2::uuid", "j.id")
#define CUSTOMER_TEXT \
    LINES("''", "0", "'customer' AS type, k.sender_id AS \"userId\", k.phone, k.email, k.name, k.address, k.sources, " ISO("k.created_at") " AS \"createdAt\", " \
          ISO("k.updated_at") " AS \"updatedAt\"", "customers k WHERE k.sender_id = $1", "k.id")
#define PREFERENCES_TEXT \
    LINES("p.key", "0", "'preference' AS type, p.user_id AS \"userId\", p.key, p.value, " ISO("p.updated_at") " AS \"updatedAt\"", \
          "user_preferences p WHERE p.user_id = $1 AND p.key > $2", "p.key")
#define FIGURES_TEXT \
    LINES("d.day", "0", "'figure' AS type, $1 AS \"userId\", d.day AS date, d.value AS messages", \
          "daily_analytics d WHERE d.metric = 'user_' || $1 || '_messages' AND d.day > coalesce(nullif($2, '')::date, '-infinity')", "d.day")

_Static_assert(PG_SQL_N + PG_HISTORY_SQL_N + PG_ERASE_SQL_N + EXPORT_TABLES <= PG_STATEMENTS_MAX, "a link knows no more");

#define EXPORTS(table, name, text) \
    [table] = { name, text, PG_SQL_N + PG_HISTORY_SQL_N + PG_ERASE_SQL_N + (table), 4, { PG_TEXT, PG_TEXT, PG_BIGINT, PG_BIGINT } }

static const struct pg_statement statements[EXPORT_TABLES] = {
    EXPORTS(EXPORT_SESSION, "tk_export_session", SESSION_TEXT),
    EXPORTS(EXPORT_MESSAGES, "tk_export_messages", MESSAGES_TEXT),
    EXPORTS(EXPORT_ACTIONS, "tk_export_actions", ACTIONS_TEXT),
    EXPORTS(EXPORT_JOBS, "tk_export_jobs", JOBS_TEXT),
    EXPORTS(EXPORT_CUSTOMER, "tk_export_customer", CUSTOMER_TEXT),
    EXPORTS(EXPORT_PREFERENCES, "tk_export_preferences", PREFERENCES_TEXT),
    EXPORTS(EXPORT_FIGURES, "tk_export_figures", FIGURES_TEXT),
};

struct call {
    struct arena *arena;
    struct pg_pool *pool;
    struct pg_query query;
    struct sv params[4];
    char position[8], limit[8];
    struct export_place place;
    size_t max;
    archive_export_fn *fn;
    void *arg;
};

static void *must_have(void *p)
{
    if (p == NULL) {
        log_error("out of memory: an export of the archive", NULL);
        abort();
    }
    return p;
}

static struct sv bigint(char to[8], int64_t n)
{
    const uint64_t wire = htobe64((uint64_t)n);

    memcpy(to, &wire, sizeof(wire));
    return (struct sv){ to, sizeof(wire) };
}

static void finish(struct call *c, enum archive_status status, const struct sv *lines, size_t n, struct sv position)
{
    c->fn(c->arg, status, lines, n, position);
    arena_free(c->arena);
}

static void ask(struct call *c);

/* The place behind the last of these rows. When there were fewer than could have been, it is the next table's beginning. */
static struct sv place_behind(struct call *c, const struct pg_outcome *o, size_t bytes)
{
    size_t n = pg_rows(o);

    if (n < c->max && bytes < EXPORT_BYTES)
        return export_place_next(&c->place) ? export_place_write(c->arena, &c->place) : SV("");
    if (c->place.table == EXPORT_SESSION || c->place.table == EXPORT_CUSTOMER)
        return export_place_next(&c->place) ? export_place_write(c->arena, &c->place) : SV("");
    c->place.key = pg_value(o, n - 1, 0);
    (void)sv_to_i64(pg_value(o, n - 1, 1), &c->place.position);
    return export_place_write(c->arena, &c->place);
}

static void on_lines(void *arg, const struct pg_outcome *o)
{
    struct call *c = arg;
    size_t n = pg_rows(o), bytes = 0;
    struct sv *lines;

    if (o->status == PG_REFUSED)
        log_warning("PostgreSQL refuses an export", "statement", c->query.statement->name, "sqlstate", o->sqlstate, "reason", o->text, NULL);
    if (o->status != PG_DONE) {
        finish(c, ARCHIVE_DOWN, NULL, 0, SV(""));
        return;
    }
    if (n == 0) {
        if (export_place_next(&c->place))
            ask(c);
        else
            finish(c, ARCHIVE_DONE, NULL, 0, SV(""));
        return;
    }
    lines = must_have(arena_array(c->arena, n, sizeof(*lines)));
    for (size_t i = 0; i < n; i++) {
        lines[i] = pg_value(o, i, 2);
        bytes += lines[i].n;
    }
    struct sv position = place_behind(c, o, bytes);
    must_have((void *)(uintptr_t)position.p);
    finish(c, ARCHIVE_DONE, lines, n, position);
}

static void ask(struct call *c)
{
    bool uuid = c->place.table == EXPORT_MESSAGES || c->place.table == EXPORT_ACTIONS || c->place.table == EXPORT_JOBS;

    c->params[1] = uuid && c->place.key.n == 0 ? SV(ZERO_UUID) : c->place.key;
    c->params[2] = bigint(c->position, c->place.position);
    c->params[3] = bigint(c->limit, c->max < INT64_MAX ? (int64_t)c->max : INT64_MAX);
    c->query = (struct pg_query){ &statements[c->place.table], c->params };
    pg_pool_run(c->pool, PG_READ, &(struct pg_request){ .queries = &c->query, .n = 1, .fn = on_lines, .arg = c });
}

void pg_export(struct pg_pool *p, const struct archive_export *what, archive_export_fn *fn, void *arg)
{
    struct arena *a = must_have(arena_new(0, ARENA_MAX));
    struct call *c = must_have(arena_alloc(a, sizeof(*c)));
    struct archive_export kept = *what;
    struct sv name = what->session_id.p != NULL ? what->session_id : what->user_id;

    *c = (struct call){ .arena = a, .pool = p, .max = what->max, .fn = fn, .arg = arg };
    kept.position = (struct sv){ must_have(arena_str(a, what->position)), what->position.n };
    c->params[0] = item_is_id(name) ? (struct sv){ must_have(arena_str(a, name)), name.n } : SV_NONE; /* which nothing equals */
    must_have(export_place_read(&kept, &c->place) ? c : NULL); /* the front has seen to it */
    ask(c);
}
