/* SPDX-License-Identifier: MIT
 * PORT: what is kept for good. Written only by the daemon, from the items of message_queue, in batches, at least once: every write is
 * idempotent. Read by everybody for context of conversations that the store has forgotten and for history.
 *
 * Items are JSON objects (docs/message-queue.md is the public text). Beside the background tasks, named below, there are two kinds:
 *   {"type":"turn","v":1,"conversation_id":C,"turn_id":T,"seq":N,"status":S,"reason":R?,"at":ms,
 *    "messages":[M...],"reply":{the seed's ai_response}?,"actions":[{"type":..,"data":..,"status":..,"reason":..?}...],
 *    "restarts":n,"fence":n,"ai_ms":n,"storage":"Redis",
 *    "job":{"attempts":n,"created_at":ms,"started_at":ms|null,"bot_id":..|null,"callback_urls":[..]?,"error":..|null}?}
 *   {"type":"message","v":1,"conversation_id":C,"seq":N,"reason":R,"message":M}
 *   M = {"message_id":..,"content":..,"sender_id":..,"sender_type":..,"timestamp":ms,"received":ms,"seq":n,
 *        "metadata":{..}?,"attachments":[..]?}
 * A turn's reply stands on the newest of its messages. A message whose turn was withheld comes with the turn that answered it. A turn that a
 * client was told the id of has a job, which becomes a row of its own.
 *
 * Callbacks come exactly once, on the loop, never from inside the call. */
#ifndef ARCHIVE_ARCHIVE_H
#define ARCHIVE_ARCHIVE_H

#include "lib/arena.h"
#include "lib/err.h"
#include "lib/sv.h"

struct archive;
struct archive_history_ops;
struct loop;

enum archive_status {
    ARCHIVE_DONE,
    ARCHIVE_DOWN,
    ARCHIVE_NO_TABLES, /* of archive_services on a server alone: the migrations have not been run there yet */
};

/* verdicts[i] for items[i] after COMMIT: NULL: kept (or was there already); else why it never can be (poison). DOWN: nothing is
 * known, write the batch again. `items` stay valid until the callback. */
typedef void archive_write_fn(void *arg, enum archive_status status, const char *const *verdicts);
void archive_write(struct archive *a, const struct sv *items, size_t n, archive_write_fn *fn, void *arg);

/* The last `max` messages and replies of a conversation, oldest first, as context entries:
 * {"role":"user|assistant|agent|system|bot","content":..,"timestamp":ms,"message_id":..?}; n = 0: unknown conversation. */
typedef void archive_context_fn(void *arg, enum archive_status status, const struct sv *entries, size_t n);
void archive_context(struct archive *a, struct sv conversation_id, size_t max, archive_context_fn *fn, void *arg);

/* What became of one message, for duplicates that are older than the dedupe marks: {"status":S,"turn_id":T?} or SV_NONE. */
typedef void archive_message_fn(void *arg, enum archive_status status, struct sv outcome);
void archive_message(struct archive *a, struct sv conversation_id, struct sv message_id, archive_message_fn *fn, void *arg);

/* What is left of a job that the store has forgotten (id: the turn's, a UUID), or SV_NONE: {"job_id","conversation_id","status","created_at":s,
 * "started_at":s|null,"completed_at":s|null,"attempts","consolidated_messages","result":{..}|null,"error":..|null}, in seconds with three
 * decimals. */
typedef void archive_job_fn(void *arg, enum archive_status status, struct sv job);
void archive_job(struct archive *a, struct sv job_id, archive_job_fn *fn, void *arg);

/* ---- sessions and customers (items save_message, update_session_status, extract_customer_info: docs/message-queue.md) ---- */

/* session: {"session_id","user_id":..|null,"status":"active|closed|archived","check_reply":bool,"check_reply_until":s|null,"created_at":s,
 * "last_activity":s,"message_count":n,"customer_messages":n,"last_message":{"message_id":..|null,"content","sender_type","timestamp":s}|null}; last_message is the reply
 * ("bot", without an id) where the newest message has one that was said. customer: of its user, as archive_customer, or SV_NONE. session SV_NONE: it is
 * not known. s: seconds with three decimals. customer_messages: those of senders of type user.
 * before_ms not 0: both count what was received before that time alone. */
typedef void archive_session_fn(void *arg, enum archive_status status, struct sv session, struct sv customer);
void archive_session(struct archive *a, struct sv session_id, int64_t before_ms, archive_session_fn *fn, void *arg);

/* {"sender_id","phone","email","name","address" (each ..|null),"sources":{"phone":{"conversation_id","message_id","at":ms}...},"created_at":s,
 * "updated_at":s}, or SV_NONE. */
typedef void archive_customer_fn(void *arg, enum archive_status status, struct sv customer);
void archive_customer(struct archive *a, struct sv sender_id, archive_customer_fn *fn, void *arg);

/* Of an item that was kept: true, with where and who, when it may have changed what archive_customer says. The strings live as long as the arena and
 * the item. */
bool archive_item_customer(struct arena *a, struct sv item, struct sv *conversation_id, struct sv *sender_id) MUST_CHECK;

/* ---- the configuration of bots ----
 * Rows are JSON objects, the same in both directions; what is absent or null has its default, times are milliseconds since 1970:
 *   bots       {"id","bot_id","name","ai_core","platform","system_prompt","enabled","settings","environments","version","created_at","updated_at"}
 *   ai_cores   {"id","name","provider","base_url","path","model","api_key","timeout_ms","settings","environments","version",...}
 *   platforms  {"id","name","provider","base_url","path","token","deliver","settings","environments","version",...}
 * "id", "version", "created_at", "updated_at" only come out. A bot's "ai_core" and "platform" are names; inwards a row's UUID will do, too.
 * settings or environments that a person made no JSON of, before the database refused that, come out as null (SQLite). */
enum archive_service { ARCHIVE_BOTS, ARCHIVE_AI_CORES, ARCHIVE_PLATFORMS };
#define ARCHIVE_SERVICES (ARCHIVE_PLATFORMS + 1)

struct archive_services {
    int64_t version; /* grows with every change of the three tables, whoever makes it; after a restore it may be lower */
    bool changed;    /* false: it is `known`, and the lists are empty */
    const struct sv *rows[ARCHIVE_SERVICES]; /* in the order of their names */
    size_t rows_n[ARCHIVE_SERVICES];
};
/* `s` only with DONE, valid during the call. */
typedef void archive_services_fn(void *arg, enum archive_status status, const struct archive_services *s);
/* All of it in one snapshot, when its version is another than `known` (0: in any case). Cheap when it is not. */
void archive_services(struct archive *a, int64_t known, archive_services_fn *fn, void *arg);

enum archive_edit_op { ARCHIVE_INSERT, ARCHIVE_REPLACE, ARCHIVE_DELETE };
struct archive_edit {
    enum archive_service service;
    enum archive_edit_op op;
    struct sv name;         /* REPLACE, DELETE: which row. bot_id of a bot, name of the others, or its UUID; names go first */
    struct sv row;          /* INSERT, REPLACE: JSON object, validated: types, providers, sizes, UTF-8, no NUL */
    int64_t expect_version; /* REPLACE, DELETE: of the row. 0: whichever */
};
enum archive_edited {
    ARCHIVE_EDIT_DONE,
    ARCHIVE_EDIT_UNKNOWN,     /* no such row */
    ARCHIVE_EDIT_EXISTS,      /* the new row's name is taken */
    ARCHIVE_EDIT_IN_USE,      /* DELETE: a bot names this core or platform */
    ARCHIVE_EDIT_STALE,       /* the row has another version */
    ARCHIVE_EDIT_NO_CORE,     /* the new row names an ai_core that is not there */
    ARCHIVE_EDIT_NO_PLATFORM,
    ARCHIVE_EDIT_REFUSED,     /* by the database, for what is in the row */
};
#define ARCHIVE_EDITS (ARCHIVE_EDIT_REFUSED + 1)
/* `row`: as it is now (DELETE: as it was); SV_NONE unless DONE and EDIT_DONE. */
typedef void archive_edit_fn(void *arg, enum archive_status status, enum archive_edited edited, struct sv row);
/* One transaction; edits of all processes are made one after another. REPLACE makes the row anew but for its id and created_at, its version goes
 * up. What `edit` points to is copied. DOWN: it may or may not have been done. */
void archive_edit(struct archive *a, const struct archive_edit *edit, archive_edit_fn *fn, void *arg);

struct archive_stat {
    bool up;
    int64_t pool_size, in_use;
    struct sv text; /* JSON object: connections, database_size_bytes, commit_total */
};
typedef void archive_stat_fn(void *arg, enum archive_status status, const struct archive_stat *stat);
void archive_stat(struct archive *a, archive_stat_fn *fn, void *arg);

/* Retention: deletes up to `max` messages that were received before `older_than_ms`, the oldest first, with their actions and jobs. Conversations
 * and sessions stay, and their total_messages goes on saying how many were received. deleted < max: there are no more. Any number of daemons may
 * do it at once. After DOWN some may have been deleted. */
typedef void archive_retain_fn(void *arg, enum archive_status status, size_t deleted);
void archive_retain(struct archive *a, int64_t older_than_ms, size_t max, archive_retain_fn *fn, void *arg);

const char *archive_name(const struct archive *a); /* "PostgreSQL", "SQLite" */
bool archive_is_up(const struct archive *a);
void archive_close(struct archive *a);

struct archive_postgres_options {
    const char *conninfo; /* keyword/value or URI for libpq */
    int pool_size;
    int64_t timeout_ms; /* of one statement, connecting included; 0: 5000 */
};
/* Connects in the background, non-blocking, pipeline mode, reconnects with backoff. */
struct archive *archive_postgres_open(struct loop *l, const struct archive_postgres_options *o, struct err *e) MUST_CHECK;
/* On the file of the embedded store, own thread and connection, the same inter-process lock as the store's. */
struct archive *archive_sqlite_open(struct loop *l, const char *path, struct err *e) MUST_CHECK;

/* Applies the numbered files of `dir` (sql/postgres or sql/sqlite) that schema_migrations does not list, in order, each in its own
 * transaction, under a lock, so that any number of processes may do it at once. Blocking: for mains before their loop runs.
 * *applied: how many. -1: which file and why. A database that is ahead of the files is an error (ERR_RANGE). */
int migrate_postgres(const char *conninfo, const char *dir, int *applied, struct err *e) MUST_CHECK;
int migrate_sqlite(const char *path, const char *dir, int *applied, struct err *e) MUST_CHECK;

/* ---- for backends: first member of each one's struct ---- */
struct archive_ops {
    const char *name;
    const struct archive_history_ops *history; /* archive_history.h */
    void (*write)(struct archive *a, const struct sv *items, size_t n, archive_write_fn *fn, void *arg);
    void (*context)(struct archive *a, struct sv conversation_id, size_t max, archive_context_fn *fn, void *arg);
    void (*message)(struct archive *a, struct sv conversation_id, struct sv message_id, archive_message_fn *fn, void *arg);
    void (*job)(struct archive *a, struct sv job_id, archive_job_fn *fn, void *arg);
    void (*session)(struct archive *a, struct sv session_id, int64_t before_ms, archive_session_fn *fn, void *arg);
    void (*customer)(struct archive *a, struct sv sender_id, archive_customer_fn *fn, void *arg);
    void (*services)(struct archive *a, int64_t known, archive_services_fn *fn, void *arg);
    void (*edit)(struct archive *a, const struct archive_edit *edit, archive_edit_fn *fn, void *arg);
    void (*stat)(struct archive *a, archive_stat_fn *fn, void *arg);
    void (*retain)(struct archive *a, int64_t older_than_ms, size_t max, archive_retain_fn *fn, void *arg);
    bool (*is_up)(const struct archive *a);
    void (*close)(struct archive *a);
};
struct archive {
    const struct archive_ops *ops;
};

#endif
