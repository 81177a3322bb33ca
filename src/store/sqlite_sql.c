/* SPDX-License-Identifier: MIT
 * Tables and statements of the state that lives in a SQLite file. Ids and contents are bound as text whatever their
 * bytes are (SQLite compares and keeps them byte by byte), so that a person with sqlite3 can read and query them.
 *
 *  state_conversation  one row each, version 0: forgotten, kept for its marks until lease_until; pending and context are numbered rows of their own, [first, next) each, without
 * gaps
 *  state_mark          marks by message id                 ("until": past it, a row counts as absent and is swept some
 * time)
 *  state_value         small values by name
 *  state_item          message_queue: items never move or change, batches are ranges of their numbers
 *  state_range         numbers before counts.queue_head that are not acknowledged yet; batch NULL: given back, taken
 * first
 *  state_callback, state_callback_range   callback_queue, the same
 *  state_letter        dead letters; "bound": to a step of store_merge. (state_dead: those of version 1 of these tables)
 *  state_text          views, customers, numbers of the last event of what is forgotten (enum session_text)
 *  state_log           last events of a conversation; absent past its events_until
 *  state_user          one row for each user and conversation with a history: number and bound of its entries; listed 0: it has left the user's set
 *  state_entry         its entries, numbered without gaps, the newest highest
 *  state_info, state_field   fields of a session, and until when
 *  state_day, state_figure   figures of a day, and until when; day "<day> <key>": bound to a step of store_merge
 *  state_preference    preferences of a user
 *  state_event         the last events, numbered without gaps, read by all processes; push: the conversation that has logged
 *                      events; told 0: there is nothing else to it
 *  state_counts        one row: numbers for stat, and the next number of everything that is numbered */
#include "config.h"

#include "store/sqlite_sql.h"

const char sqlite_schema[] =
    "CREATE TABLE IF NOT EXISTS state_meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS state_counts("
    " one INTEGER PRIMARY KEY CHECK(one = 1),"
    " conversations INTEGER NOT NULL DEFAULT 0, active INTEGER NOT NULL DEFAULT 0, waiting INTEGER NOT NULL DEFAULT 0,"
    " paused INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL DEFAULT 0, queue INTEGER NOT NULL DEFAULT 0,"
    " queue_taken INTEGER NOT NULL DEFAULT 0, queue_bytes INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0,"
    " queue_head INTEGER NOT NULL DEFAULT 1, queue_next INTEGER NOT NULL DEFAULT 1, batch_next INTEGER NOT NULL "
    "DEFAULT 1,"
    " event_next INTEGER NOT NULL DEFAULT 1, conversation_next INTEGER NOT NULL DEFAULT 1,"
    " callbacks INTEGER NOT NULL DEFAULT 0, callbacks_taken INTEGER NOT NULL DEFAULT 0,"
    " callbacks_bytes INTEGER NOT NULL DEFAULT 0, callbacks_head INTEGER NOT NULL DEFAULT 1,"
    " callbacks_next INTEGER NOT NULL DEFAULT 1);"
    "INSERT OR IGNORE INTO state_counts(one) VALUES(1);"
    "CREATE TABLE IF NOT EXISTS state_conversation("
    " n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, record TEXT NOT NULL,"
    " lease_token TEXT, lease_until INTEGER NOT NULL, due INTEGER,"
    " pending_first INTEGER NOT NULL, pending_next INTEGER NOT NULL,"
    " context_first INTEGER NOT NULL, context_next INTEGER NOT NULL,"
    " listed INTEGER NOT NULL, activity INTEGER NOT NULL, active INTEGER NOT NULL, waiting INTEGER NOT NULL,"
    " paused INTEGER NOT NULL, events INTEGER NOT NULL DEFAULT 0, events_until INTEGER NOT NULL DEFAULT 0);"
    "DROP INDEX IF EXISTS state_conversation_due;" /* of version 1 */
    "CREATE INDEX IF NOT EXISTS state_list_due ON state_conversation(due, id) WHERE due IS NOT NULL;"
    "CREATE INDEX IF NOT EXISTS state_list_activity ON state_conversation(activity, id, version) WHERE version > 0;"
    "CREATE INDEX IF NOT EXISTS state_list_active ON state_conversation(active, id) WHERE (listed & 1) <> 0;"
    "CREATE INDEX IF NOT EXISTS state_list_waiting ON state_conversation(waiting, id) WHERE (listed & 2) <> 0;"
    "CREATE INDEX IF NOT EXISTS state_list_paused ON state_conversation(paused, id) WHERE (listed & 4) <> 0;"
    "CREATE INDEX IF NOT EXISTS state_forgotten ON state_conversation(lease_until) WHERE version = 0;"
    "CREATE TABLE IF NOT EXISTS state_mark("
    " conversation INTEGER NOT NULL, message_id TEXT NOT NULL, until INTEGER NOT NULL, value TEXT NOT NULL,"
    " PRIMARY KEY(conversation, message_id)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS state_mark_until ON state_mark(until);"
    "CREATE TABLE IF NOT EXISTS state_pending("
    " conversation INTEGER NOT NULL, seq INTEGER NOT NULL, item TEXT NOT NULL, PRIMARY KEY(conversation, seq)) WITHOUT "
    "ROWID;"
    "CREATE TABLE IF NOT EXISTS state_context("
    " conversation INTEGER NOT NULL, seq INTEGER NOT NULL, item TEXT NOT NULL, PRIMARY KEY(conversation, seq)) WITHOUT "
    "ROWID;"
    "CREATE TABLE IF NOT EXISTS state_value("
    " name TEXT PRIMARY KEY, until INTEGER NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS state_value_until ON state_value(until);"
    "CREATE TABLE IF NOT EXISTS state_item(seq INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, item TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS state_range("
    " first INTEGER PRIMARY KEY, last INTEGER NOT NULL, batch INTEGER, owner TEXT);"
    "CREATE TABLE IF NOT EXISTS state_callback(seq INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, item TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS state_callback_range("
    " first INTEGER PRIMARY KEY, last INTEGER NOT NULL, batch INTEGER, owner TEXT);"
    "CREATE TABLE IF NOT EXISTS state_letter(id TEXT PRIMARY KEY, item TEXT NOT NULL, bound TEXT);"
    "CREATE INDEX IF NOT EXISTS state_letter_bound ON state_letter(bound) WHERE bound IS NOT NULL;"
    /* those of version 1 had no ids: they get such of the oldest age, in their order */
    "CREATE TABLE IF NOT EXISTS state_dead(seq INTEGER PRIMARY KEY, item TEXT NOT NULL);"
    "INSERT OR IGNORE INTO state_letter(id, item)"
    " SELECT printf('00000000-0000-7000-8000-%012x', seq), item FROM state_dead;"
    "DELETE FROM state_dead;"
    "CREATE TABLE IF NOT EXISTS state_text("
    " id TEXT NOT NULL, what INTEGER NOT NULL, until INTEGER NOT NULL, value TEXT NOT NULL,"
    " PRIMARY KEY(id, what)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS state_text_until ON state_text(until);"
    "CREATE TABLE IF NOT EXISTS state_log("
    " conversation INTEGER NOT NULL, seq INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY(conversation, seq)) WITHOUT "
    "ROWID;"
    "CREATE TABLE IF NOT EXISTS state_user("
    " n INTEGER PRIMARY KEY, user TEXT NOT NULL, id TEXT NOT NULL, until INTEGER NOT NULL, next INTEGER NOT NULL,"
    " listed INTEGER NOT NULL, UNIQUE(user, id));"
    "CREATE INDEX IF NOT EXISTS state_user_until ON state_user(until);"
    "CREATE INDEX IF NOT EXISTS state_user_id ON state_user(id);"
    "CREATE TABLE IF NOT EXISTS state_entry("
    " n INTEGER NOT NULL, seq INTEGER NOT NULL, item TEXT NOT NULL, PRIMARY KEY(n, seq)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS state_info(id TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS state_info_until ON state_info(until);"
    "CREATE TABLE IF NOT EXISTS state_field("
    " id TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(id, name)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS state_day(day TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS state_figure("
    " day TEXT NOT NULL, metric TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY(day, metric)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS state_preference("
    " user TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(user, name)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS state_event("
    " seq INTEGER PRIMARY KEY, event TEXT NOT NULL, push TEXT, told INTEGER NOT NULL DEFAULT 1);";

/* Versions 1 and 2 had one queue, version 3 had no sessions. (Version 4 had no history: whole tables, made above.) */
const struct sqlite_upgrade sqlite_upgrades[] = {
    { "SELECT count(*) FROM pragma_table_info('state_counts') WHERE name = 'callbacks'",
      "ALTER TABLE state_counts ADD COLUMN callbacks INTEGER NOT NULL DEFAULT 0;"
      "ALTER TABLE state_counts ADD COLUMN callbacks_taken INTEGER NOT NULL DEFAULT 0;"
      "ALTER TABLE state_counts ADD COLUMN callbacks_bytes INTEGER NOT NULL DEFAULT 0;"
      "ALTER TABLE state_counts ADD COLUMN callbacks_head INTEGER NOT NULL DEFAULT 1;"
      "ALTER TABLE state_counts ADD COLUMN callbacks_next INTEGER NOT NULL DEFAULT 1;" },
    { "SELECT count(*) FROM pragma_table_info('state_conversation') WHERE name = 'events'",
      "ALTER TABLE state_conversation ADD COLUMN events INTEGER NOT NULL DEFAULT 0;"
      "ALTER TABLE state_conversation ADD COLUMN events_until INTEGER NOT NULL DEFAULT 0;" },
    { "SELECT count(*) FROM pragma_table_info('state_event') WHERE name = 'push'",
      "ALTER TABLE state_event ADD COLUMN push TEXT;"
      "ALTER TABLE state_event ADD COLUMN told INTEGER NOT NULL DEFAULT 1;" },
    /* an index on a column that may just have been added */
    { "SELECT count(*) FROM pragma_index_list('state_conversation') WHERE name = 'state_logged'",
      "CREATE INDEX state_logged ON state_conversation(events_until) WHERE events_until > 0;" },
    { NULL, NULL },
};

#define OF(queue, which) [SQL_QUEUE + (queue)*QUEUE_SQL_N + (which)]
#define FREE_ORDER " ORDER BY first"
#define QUEUE(q, items, ranges)                                                                                        \
    OF(q, QUEUE_ADD) = "INSERT INTO " items "(seq, bytes, item) VALUES(?1, ?2, ?3)",                                   \
    OF(q, QUEUE_ITEMS) = "SELECT item FROM " items " WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq",                        \
    OF(q, QUEUE_BYTES) = "SELECT coalesce(sum(bytes), 0) FROM " items " WHERE seq BETWEEN ?1 AND ?2",                  \
    OF(q, QUEUE_FITS) = "SELECT max(seq) FROM (SELECT seq, sum(bytes) OVER (ORDER BY seq) - bytes AS before FROM " items  \
                        " WHERE seq BETWEEN ?1 AND ?2) WHERE before < ?3",                                             \
    OF(q, QUEUE_DROP) = "DELETE FROM " items " WHERE seq BETWEEN ?1 AND ?2",                                           \
    OF(q, QUEUE_RANGES_FREE) = "SELECT first, last FROM " ranges " WHERE batch IS NULL" FREE_ORDER,                    \
    OF(q, QUEUE_RANGES_OF) = "SELECT first, last FROM " ranges " WHERE batch = ?1 AND owner = ?2" FREE_ORDER,          \
    OF(q, QUEUE_RANGE_SET) =                                                                                           \
        "INSERT INTO " ranges "(first, last, batch, owner) VALUES(?1, ?2, ?3, ?4)"                                     \
        " ON CONFLICT DO UPDATE SET last = excluded.last, batch = excluded.batch, owner = excluded.owner",             \
    OF(q, QUEUE_RANGE_DROP) = "DELETE FROM " ranges " WHERE first = ?1",                                               \
    OF(q, QUEUE_OWNERS) = "SELECT DISTINCT owner FROM " ranges " WHERE batch > 0",                                     \
    OF(q, QUEUE_OWNER_ITEMS) = "SELECT coalesce(sum(last - first + 1), 0) FROM " ranges " WHERE owner = ?1",           \
    OF(q, QUEUE_OWNER_FREE) = "UPDATE " ranges " SET batch = NULL, owner = NULL WHERE owner = ?1",                     \
    OF(q, QUEUE_LOWEST) = "SELECT min(first) FROM " ranges,                                                            \
    OF(q, QUEUE_FIRST) = "SELECT min(seq) FROM " items,                                                                \
    OF(q, QUEUE_HEADS) = "SELECT i.item FROM " ranges " r JOIN " items " i ON i.seq = r.first ORDER BY r.first"        \
                         " LIMIT ?1",                                                                                  \
    OF(q, QUEUE_BOUND_ITEMS) = "SELECT i.item FROM " ranges " r CROSS JOIN " items " i"                                \
                               " WHERE r.batch = 0 AND r.owner = ?1 AND i.seq BETWEEN r.first AND r.last"              \
                               " ORDER BY r.first, i.seq",                                                             \
    OF(q, QUEUE_RANGES_FREE_ALL) = "UPDATE " ranges " SET batch = NULL, owner = NULL WHERE batch IS NOT NULL"

/* ?1, ?2: behind this score and id, where NULL is above all ids; ?3: the bound on the other side; ?4: how many; ?5: records too */
#define LIST_UP(score, which)                                                                                          \
    "SELECT id, " score ", CASE WHEN ?5 THEN record END FROM state_conversation WHERE " which " AND (" score           \
    ", id) > (?1, coalesce(?2, x'')) AND " score " <= ?3 ORDER BY " score ", id LIMIT ?4"
#define LIST_DOWN(score, which)                                                                                        \
    "SELECT id, " score ", CASE WHEN ?5 THEN record END FROM state_conversation WHERE " which " AND (" score           \
    ", id) < (?1, coalesce(?2, x'')) AND " score " >= ?3 ORDER BY " score " DESC, id DESC LIMIT ?4"

const char *const sqlite_sql[SQL_N] = {
    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_DATA_VERSION] = "PRAGMA data_version",

    [SQL_COUNTS] =
        "SELECT conversations, active, waiting, paused, due, dead, batch_next, event_next, conversation_next,"
        " queue, queue_taken, queue_bytes, queue_head, queue_next,"
        " callbacks, callbacks_taken, callbacks_bytes, callbacks_head, callbacks_next FROM state_counts WHERE one = 1",
    [SQL_COUNTS_SET] =
        "UPDATE state_counts SET conversations = ?1, active = ?2, waiting = ?3, paused = ?4, due = ?5, dead = ?6,"
        " batch_next = ?7, event_next = ?8, conversation_next = ?9, queue = ?10, queue_taken = ?11, queue_bytes = ?12,"
        " queue_head = ?13, queue_next = ?14, callbacks = ?15, callbacks_taken = ?16, callbacks_bytes = ?17,"
        " callbacks_head = ?18, callbacks_next = ?19 WHERE one = 1",

    [SQL_CONVERSATION] =
        "SELECT n, version, record, lease_token, lease_until, due, pending_first, pending_next, context_first,"
        " context_next, listed, activity, active, waiting, paused, events, events_until FROM state_conversation"
        " WHERE id = ?1",
    [SQL_CONVERSATION_ADD] =
        "INSERT INTO state_conversation(n, version, record, lease_token, lease_until, due, pending_first,"
        " pending_next, context_first, context_next, listed, activity, active, waiting, paused, events,"
        " events_until, id) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
    [SQL_CONVERSATION_SET] =
        "UPDATE state_conversation SET version = ?2, record = ?3, lease_token = ?4, lease_until = ?5, due = ?6,"
        " pending_first = ?7, pending_next = ?8, context_first = ?9, context_next = ?10, listed = ?11,"
        " activity = ?12, active = ?13, waiting = ?14, paused = ?15, events = ?16, events_until = ?17 WHERE n = ?1",
    [SQL_LEASE_SET] = "UPDATE state_conversation SET lease_until = ?2, due = ?3 WHERE n = ?1",
    [SQL_MARK] = "SELECT value FROM state_mark WHERE conversation = ?1 AND message_id = ?2 AND until > ?3",
    [SQL_MARK_SET] = "INSERT INTO state_mark(conversation, message_id, until, value) VALUES(?1, ?2, ?3, ?4)"
                     " ON CONFLICT DO UPDATE SET until = excluded.until, value = excluded.value",
    [SQL_PENDING] = "SELECT item FROM state_pending WHERE conversation = ?1 ORDER BY seq",
    [SQL_PENDING_ADD] = "INSERT INTO state_pending(conversation, seq, item) VALUES(?1, ?2, ?3)",
    /* ?2: first number that stays; ?3: how far the context's numbers are from the pending ones' */
    [SQL_PENDING_TO_CONTEXT] =
        "INSERT INTO state_context(conversation, seq, item)"
        " SELECT conversation, seq + ?3, item FROM state_pending WHERE conversation = ?1 AND seq < ?2",
    [SQL_PENDING_DROP] = "DELETE FROM state_pending WHERE conversation = ?1 AND seq < ?2",
    [SQL_CONTEXT] = "SELECT item FROM state_context WHERE conversation = ?1 ORDER BY seq",
    [SQL_CONTEXT_ADD] = "INSERT INTO state_context(conversation, seq, item) VALUES(?1, ?2, ?3)",
    [SQL_CONTEXT_DROP] = "DELETE FROM state_context WHERE conversation = ?1 AND seq < ?2",
    [SQL_MARKS_UNTIL] = "SELECT coalesce(max(until), 0) FROM state_mark WHERE conversation = ?1",
    [SQL_MARKS_MOVE] = "UPDATE state_mark SET conversation = ?2 WHERE conversation = ?1",
    /* with a number of its own, so that a number with a version never means two things */
    [SQL_CONVERSATION_FORGET] =
        "UPDATE state_conversation SET n = ?2, version = 0, record = '', lease_token = NULL, lease_until = ?3,"
        " due = NULL, pending_first = 0, pending_next = 0, context_first = 0, context_next = 0, listed = 0,"
        " activity = 0, active = 0, waiting = 0, paused = 0, events = 0, events_until = 0 WHERE n = ?1",

    [SQL_LIST_DUE] = LIST_UP("due", "due IS NOT NULL"),
    [SQL_LIST_DUE_NEWEST] = LIST_DOWN("due", "due IS NOT NULL"),
    [SQL_LIST_ACTIVITY] = LIST_UP("activity", "version > 0"),
    [SQL_LIST_ACTIVITY_NEWEST] = LIST_DOWN("activity", "version > 0"),
    [SQL_LIST_ACTIVE] = LIST_UP("active", "(listed & 1) <> 0"),
    [SQL_LIST_ACTIVE_NEWEST] = LIST_DOWN("active", "(listed & 1) <> 0"),
    [SQL_LIST_WAITING] = LIST_UP("waiting", "(listed & 2) <> 0"),
    [SQL_LIST_WAITING_NEWEST] = LIST_DOWN("waiting", "(listed & 2) <> 0"),
    [SQL_LIST_PAUSED] = LIST_UP("paused", "(listed & 4) <> 0"),
    [SQL_LIST_PAUSED_NEWEST] = LIST_DOWN("paused", "(listed & 4) <> 0"),
    [SQL_ACTIVE_SINCE] = "SELECT count(*) FROM state_conversation WHERE version > 0 AND activity > ?1",

    [SQL_VALUE] = "SELECT value FROM state_value WHERE name = ?1 AND until > ?2",
    [SQL_VALUE_SET] = "INSERT INTO state_value(name, until, value) VALUES(?1, ?2, ?3)"
                      " ON CONFLICT DO UPDATE SET until = excluded.until, value = excluded.value",
    [SQL_VALUE_DROP] = "DELETE FROM state_value WHERE name = ?1",
    [SQL_VALUE_COUNT] = "INSERT INTO state_value(name, until, value) VALUES(?1, ?2 + ?3, '1') ON CONFLICT DO UPDATE SET"
                        " until = CASE WHEN until > ?2 THEN until ELSE excluded.until END,"
                        " value = CASE WHEN until > ?2 THEN CAST(CAST(value AS INTEGER) + 1 AS TEXT) ELSE '1' END RETURNING value",

    QUEUE(STORE_QUEUE_MESSAGES, "state_item", "state_range"),
    QUEUE(STORE_QUEUE_CALLBACKS, "state_callback", "state_callback_range"),

    [SQL_LETTER] = "SELECT id, item FROM state_letter WHERE id = ?1",
    [SQL_LETTER_SET] = "INSERT INTO state_letter(id, item) VALUES(?1, ?2)"
                       " ON CONFLICT DO UPDATE SET item = excluded.item",
    [SQL_LETTER_DROP] = "DELETE FROM state_letter WHERE id = ?1",
    [SQL_LETTERS] = "SELECT id, item FROM state_letter WHERE id < coalesce(?1, x'') ORDER BY id DESC LIMIT ?2",

    [SQL_TEXT] = "SELECT value FROM state_text WHERE id = ?1 AND what = ?2 AND until > ?3",
    [SQL_VIEWS] = "SELECT count(*) FROM state_text WHERE until > ?1 AND what = ?2",
    [SQL_TEXTS] = "SELECT what, value FROM state_text WHERE id = ?1 AND until > ?2",
    [SQL_TEXT_SET] = "INSERT INTO state_text(id, what, until, value) VALUES(?1, ?2, ?3, ?4)"
                     " ON CONFLICT DO UPDATE SET until = excluded.until, value = excluded.value",
    [SQL_TEXT_DROP] = "DELETE FROM state_text WHERE id = ?1 AND what = ?2",
    [SQL_TEXTS_DROP] = "DELETE FROM state_text WHERE id = ?1",
    [SQL_TEXTS_DROP_ALL] = "DELETE FROM state_text",
    [SQL_TEXTS_SWEEP] = "DELETE FROM state_text WHERE (id, what) IN"
                        " (SELECT id, what FROM state_text WHERE until <= ?1 ORDER BY until LIMIT ?2)",
    [SQL_LOG_ADD] = "INSERT INTO state_log(conversation, seq, event) VALUES(?1, ?2, ?3)",
    [SQL_LOG_AT] = "SELECT event FROM state_log WHERE conversation = ?1 AND seq = ?2",
    [SQL_LOG_TAKE] = "DELETE FROM state_log WHERE conversation = ?1 AND seq = ?2",
    [SQL_LOG_LAST] = "UPDATE state_conversation SET events = ?2, events_until = ?3 WHERE n = ?1",
    [SQL_LOG] = "SELECT event FROM state_log WHERE conversation = ?1 AND seq > ?2 ORDER BY seq",
    /* ?2: how many of the last ones stay */
    [SQL_LOG_CUT] = "DELETE FROM state_log WHERE conversation = ?1 AND seq <= (SELECT seq FROM state_log"
                    " WHERE conversation = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
    [SQL_LOG_DROP] = "DELETE FROM state_log WHERE conversation = ?1",
    [SQL_LOGS_SWEEP] = "DELETE FROM state_log WHERE conversation IN (SELECT n FROM state_conversation"
                       " WHERE events_until > 0 AND events_until <= ?1 ORDER BY events_until LIMIT ?2)",
    [SQL_LOGS_SWEPT] = "UPDATE state_conversation SET events_until = 0 WHERE n IN (SELECT n FROM state_conversation"
                       " WHERE events_until > 0 AND events_until <= ?1 ORDER BY events_until LIMIT ?2)",

    [SQL_USER_ROW] = "SELECT n, until, next, listed FROM state_user WHERE user = ?1 AND id = ?2",
    [SQL_USER_SET] = "INSERT INTO state_user(n, user, id, until, next, listed) VALUES(?1, ?2, ?3, ?4, ?5, 1)"
                     " ON CONFLICT DO UPDATE SET until = excluded.until, next = excluded.next, listed = 1",
    /* ?2: how many stay, those of the latest activity; ?3: now */
    [SQL_USER_CUT] =
        "UPDATE state_user SET listed = 0 WHERE n IN (SELECT u.n FROM state_user u"
        " LEFT JOIN state_info i ON i.id = u.id AND i.until > ?3"
        " LEFT JOIN state_field f ON f.id = i.id AND f.name = 'lastActivity'"
        " WHERE u.user = ?1 AND u.listed = 1 AND u.until > ?3"
        " ORDER BY coalesce(f.value, '') DESC, u.id DESC LIMIT -1 OFFSET ?2)",
    [SQL_USER_UNLIST] = "DELETE FROM state_user WHERE n = ?1",
    [SQL_USER_ENTRIES] = "SELECT e.item FROM state_user u JOIN state_entry e ON e.n = u.n"
                         " WHERE u.user = ?1 AND u.id = ?2 AND u.until > ?3 ORDER BY e.seq DESC",
    [SQL_USER_SESSIONS] =
        "SELECT u.id, f.name, f.value FROM state_user u JOIN state_info i ON i.id = u.id AND i.until > ?2"
        " JOIN state_field f ON f.id = u.id WHERE u.user = ?1 AND u.listed = 1 AND u.until > ?2 ORDER BY u.id",
    [SQL_ENTRY_ADD] = "INSERT INTO state_entry(n, seq, item) VALUES(?1, ?2, ?3)",
    [SQL_ENTRIES_CUT] = "DELETE FROM state_entry WHERE n = ?1 AND seq < ?2",
    [SQL_ENTRIES_DROP] = "DELETE FROM state_entry WHERE n = ?1",
    [SQL_INFO] = "SELECT until FROM state_info WHERE id = ?1",
    [SQL_INFO_SET] = "INSERT INTO state_info(id, until) VALUES(?1, ?2) ON CONFLICT DO UPDATE SET until = excluded.until",
    [SQL_INFO_DROP] = "DELETE FROM state_info WHERE id = ?1",
    [SQL_FIELDS] = "SELECT f.name, f.value FROM state_info i JOIN state_field f ON f.id = i.id WHERE i.id = ?1 AND i.until > ?2",
    [SQL_FIELD_SET] = "INSERT INTO state_field(id, name, value) VALUES(?1, ?2, ?3)"
                      " ON CONFLICT DO UPDATE SET value = excluded.value",
    [SQL_FIELDS_DROP] = "DELETE FROM state_field WHERE id = ?1",
    [SQL_DAY] = "SELECT until FROM state_day WHERE day = ?1",
    [SQL_DAY_SET] = "INSERT INTO state_day(day, until) VALUES(?1, ?2) ON CONFLICT DO UPDATE SET until = excluded.until",
    [SQL_FIGURES] = "SELECT f.metric, f.value FROM state_day d JOIN state_figure f ON f.day = d.day"
                    " WHERE d.day = ?1 AND d.until > ?2",
    [SQL_FIGURE_ADD] = "INSERT INTO state_figure(day, metric, value) VALUES(?1, ?2, ?3)"
                       " ON CONFLICT DO UPDATE SET value = value + excluded.value",
    [SQL_FIGURES_DROP] = "DELETE FROM state_figure WHERE day = ?1",
    [SQL_FIGURE_MOVE] = "INSERT INTO state_figure(day, metric, value)"
                        " SELECT day, ?2, value FROM state_figure WHERE metric = ?1"
                        " ON CONFLICT DO UPDATE SET value = value + excluded.value",
    [SQL_FIGURE_MOVED] = "DELETE FROM state_figure WHERE metric = ?1",
    [SQL_PREFERENCES] = "SELECT name, value FROM state_preference WHERE user = ?1",
    [SQL_PREFERENCE_SET] = "INSERT INTO state_preference(user, name, value) VALUES(?1, ?2, ?3)"
                           " ON CONFLICT DO UPDATE SET value = excluded.value",
    [SQL_PREFERENCES_DROP] = "DELETE FROM state_preference WHERE user = ?1",
    [SQL_LOG_COUNT] = "SELECT count(*) FROM state_log WHERE conversation = ?1",
    [SQL_WIPE] = "SELECT value FROM state_meta WHERE key = 'wipe'",
    [SQL_WIPE_SET] = "INSERT OR REPLACE INTO state_meta VALUES('wipe', 1)",
    [SQL_WIPE_AFTER] = "SELECT value FROM state_meta WHERE key = 'wipe_after_' || ?1",
    [SQL_WIPE_AFTER_SET] = "INSERT OR REPLACE INTO state_meta VALUES('wipe_after_' || ?1, ?2)",
    [SQL_WIPE_AFTER_DROP] = "DELETE FROM state_meta WHERE key = 'wipe_after_' || ?1",
    [SQL_ANY_ERASED] = "SELECT 1 FROM state_value WHERE name >= 'erased:' AND name < 'erased;' LIMIT 1",
#define ENDED(what, table) "(SELECT " what " FROM " table " WHERE until <= ?1 ORDER BY until LIMIT ?2)"
    [SQL_ENTRIES_SWEEP] = "DELETE FROM state_entry WHERE n IN " ENDED("n", "state_user"),
    [SQL_USERS_SWEEP] = "DELETE FROM state_user WHERE n IN " ENDED("n", "state_user"),
    [SQL_FIELDS_SWEEP] = "DELETE FROM state_field WHERE id IN " ENDED("id", "state_info"),
    [SQL_INFOS_SWEEP] = "DELETE FROM state_info WHERE id IN " ENDED("id", "state_info"),
    [SQL_FIGURES_SWEEP] = "DELETE FROM state_figure WHERE day IN " ENDED("day", "state_day"),
    [SQL_DAYS_SWEEP] = "DELETE FROM state_day WHERE day IN " ENDED("day", "state_day"),

    [SQL_EVENT_ADD] = "INSERT INTO state_event(seq, event, push, told) VALUES(?1, ?2, ?3, ?4)",
    [SQL_EVENTS] = "SELECT seq, event, push, told FROM state_event WHERE seq > ?1 ORDER BY seq",
    [SQL_EVENTS_DROP] = "DELETE FROM state_event WHERE seq <= ?1",

    [SQL_MARKS_SWEEP] = "DELETE FROM state_mark WHERE (conversation, message_id) IN"
                        " (SELECT conversation, message_id FROM state_mark WHERE until <= ?1 ORDER BY until LIMIT ?2)",
    [SQL_VALUES_SWEEP] = "DELETE FROM state_value WHERE name IN"
                         " (SELECT name FROM state_value WHERE until <= ?1 ORDER BY until LIMIT ?2)",

    [SQL_FORGOTTEN_SWEEP] =
        "DELETE FROM state_conversation WHERE n IN (SELECT n FROM state_conversation"
        " WHERE version = 0 AND lease_until <= ?1 ORDER BY lease_until LIMIT ?2)",

    [SQL_JOURNAL_MODE] = "PRAGMA journal_mode",
    [SQL_SYNCHRONOUS] = "PRAGMA synchronous",

    [SQL_FILE_TOKEN] = "SELECT value FROM state_meta WHERE key = 'file'",
    [SQL_FIRST_CONVERSATION] = "SELECT id FROM state_conversation WHERE n > ?1 ORDER BY n LIMIT 1",
    [SQL_CONVERSATION_ID] = "SELECT id FROM state_conversation WHERE n = ?1",
    [SQL_CONVERSATION_DROP] = "DELETE FROM state_conversation WHERE n = ?1",
    [SQL_MARKS_OF] = "SELECT message_id, until, value FROM state_mark WHERE conversation = ?1 AND until > ?2",
    [SQL_MARKS_DROP] = "DELETE FROM state_mark WHERE conversation = ?1",
    [SQL_BOUND] = "SELECT owner FROM state_range WHERE batch = 0"
                  " UNION ALL SELECT owner FROM state_callback_range WHERE batch = 0"
                  " UNION ALL SELECT bound FROM state_letter WHERE bound IS NOT NULL LIMIT 1",
    [SQL_LETTERS_BIND] =
        "UPDATE state_letter SET bound = ?1 WHERE id IN (SELECT id FROM state_letter ORDER BY id LIMIT ?2)",
    [SQL_LETTERS_BOUND] = "SELECT id, item FROM state_letter WHERE bound = ?1 ORDER BY id LIMIT ?2",
    [SQL_LETTERS_BOUND_DROP] = "DELETE FROM state_letter WHERE bound = ?1",
    [SQL_LETTERS_FREE] = "UPDATE state_letter SET bound = NULL WHERE bound = ?1",
    [SQL_USER_OF] = "SELECT n, user, until FROM state_user WHERE id = ?1 ORDER BY n LIMIT 1",
    [SQL_USER_FIRST] = "SELECT n, until, id FROM state_user ORDER BY n LIMIT 1",
    /* those that are bound first */
    [SQL_DAY_FIRST] = "SELECT day, until FROM state_day WHERE until > ?1 ORDER BY length(day) DESC, day LIMIT 1",
    [SQL_DAY_BIND] = "UPDATE state_day SET day = ?2 WHERE day = ?1",
    [SQL_FIGURES_BIND] = "UPDATE state_figure SET day = ?2 WHERE day = ?1",
    [SQL_DAY_BOUND_DROP] = "DELETE FROM state_day WHERE substr(day, 12) = ?1",
    [SQL_FIGURES_BOUND_DROP] = "DELETE FROM state_figure WHERE substr(day, 12) = ?1",
    [SQL_INFOS_DROP_ALL] = "DELETE FROM state_info",
    [SQL_FIELDS_DROP_ALL] = "DELETE FROM state_field",
    [SQL_PREFERENCES_FIRST] = "SELECT user FROM state_preference ORDER BY user LIMIT 1",
    [SQL_FIRST_VALUES] = "SELECT name, until, value FROM state_value WHERE until > ?1 ORDER BY name LIMIT ?2",
};
