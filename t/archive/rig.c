/* SPDX-License-Identifier: MIT
 * Answers are copied into the rig's arena, since what a callback gets is gone when it returns. */
#include "config.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/json.h"
#include "t/archive/rig.h"

#define PATIENCE_S 60

static int64_t real_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- place ---- */

static void nothing(void *arg)
{
    (void)arg;
}

const char *rig_sql_dir(const char *database)
{
    static char dir[512];
    const char *top = getenv("top_srcdir");

    (void)snprintf(dir, sizeof(dir), "%s/sql/%s", top != NULL ? top : ".", database);
    return dir;
}

struct archive *rig_archive(struct rig *r, int64_t timeout_ms, int pool_size)
{
    struct err e = { 0 };
    const struct archive_postgres_options o = { .conninfo = r->place, .pool_size = pool_size, .timeout_ms = timeout_ms };
    struct archive *a = r->server != NULL ? archive_postgres_open(r->loop, &o, &e) : archive_sqlite_open(r->loop, r->place, &e);

    if (a == NULL)
        bail_out("opening the archive: %s", e.text);
    return a;
}

void rig_open(struct rig *r, struct pgserver *server, const char *database)
{
    struct err e = { 0 };
    int applied;

    *r = (struct rig){ .name = server != NULL ? "PostgreSQL" : "SQLite", .server = server };
    r->loop = loop_new();
    r->arena = arena_new(0, 1u << 30);
    r->tick = r->loop != NULL ? loop_timer_new(r->loop, nothing, NULL) : NULL;
    if (r->tick == NULL || r->arena == NULL)
        bail_out("out of memory");
    if (server != NULL) {
        r->place = pgserver_database(server, database);
        if (migrate_postgres(r->place, rig_sql_dir("postgres"), &applied, &e) != 0)
            bail_out("migrate: %s", e.text);
    } else {
        char dir[] = "/tmp/tk-archive-XXXXXX";
        if (mkdtemp(dir) == NULL)
            bail_out("no temporary directory");
        (void)snprintf(r->path, sizeof(r->path), "%s/state.db", dir);
        r->place = r->path;
        if (migrate_sqlite(r->place, rig_sql_dir("sqlite"), &applied, &e) != 0)
            bail_out("migrate: %s", e.text);
    }
    r->a = rig_archive(r, 0, 0);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void rig_close(struct rig *r)
{
    archive_close(r->a);
    loop_timer_free(r->tick);
    loop_free(r->loop);
    arena_free(r->arena);
    if (r->server == NULL) {
        *strrchr(r->path, '/') = '\0';
        (void)nftw(r->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    }
}

static const char *query_file(const char *path, const char *sql)
{
    static char answer[65536];
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    size_t n = 0;
    int rc;

    if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_busy_timeout(db, 10000) != SQLITE_OK ||
        sqlite3_exec(db, "PRAGMA foreign_keys = ON", NULL, NULL, NULL) != SQLITE_OK || sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        bail_out("%s: %s", sql, sqlite3_errmsg(db));
    answer[0] = '\0';
    for (int row = 0; (rc = sqlite3_step(s)) == SQLITE_ROW; row++)
        for (int column = 0; column < sqlite3_column_count(s); column++) {
            const char *value = (const char *)sqlite3_column_text(s, column);
            int more = snprintf(answer + n, sizeof(answer) - n, "%s%s", column > 0 ? "|" : row > 0 ? "\n" : "", value != NULL ? value : "");
            n += more > 0 && (size_t)more < sizeof(answer) - n ? (size_t)more : 0;
        }
    if (rc != SQLITE_DONE)
        bail_out("%s: %s", sql, sqlite3_errmsg(db));
    (void)sqlite3_finalize(s);
    (void)sqlite3_close(db);
    return answer;
}

const char *rig_query(const struct rig *r, const char *sql)
{
    return r->server != NULL ? pgserver_query(r->place, sql) : query_file(r->place, sql);
}

/* ---- calls ---- */

void rig_turn(struct rig *r)
{
    loop_timer_set(r->tick, 10);
    loop_turn(r->loop, true);
}

bool rig_until(struct rig *r, bool (*done)(void *arg), void *arg)
{
    int64_t give_up_ms = real_ms() + PATIENCE_S * 1000;

    while (!done(arg)) {
        if (real_ms() > give_up_ms)
            return false;
        rig_turn(r);
    }
    return true;
}

static bool answered(void *arg)
{
    return ((const struct answer *)arg)->count > 0;
}

void rig_wait(struct rig *r, const struct answer *w)
{
    if (!rig_until(r, answered, (void *)(uintptr_t)w))
        bail_out("%s: a call was not answered in %d s", r->name, PATIENCE_S);
}

static void came(struct answer *w, enum archive_status status)
{
    if (w->inside)
        ok(false, "%s: an answer came from inside the call", w->r->name);
    w->count++;
    w->status = status;
}

static void on_write(void *arg, enum archive_status status, const char *const *verdicts)
{
    struct answer *w = arg;

    came(w, status);
    w->verdicts = arena_array(w->r->arena, w->n + 1, sizeof(char *));
    for (size_t i = 0; status == ARCHIVE_DONE && w->verdicts != NULL && i < w->n; i++)
        w->verdicts[i] = verdicts[i] != NULL ? arena_str(w->r->arena, sv_from(verdicts[i])) : NULL;
}

static void on_context(void *arg, enum archive_status status, const struct sv *entries, size_t n)
{
    struct answer *w = arg;

    came(w, status);
    w->n = n;
    w->entries = arena_array(w->r->arena, n + 1, sizeof(struct sv));
    for (size_t i = 0; w->entries != NULL && i < n; i++)
        w->entries[i] = arena_sv(w->r->arena, entries[i]);
}

static void on_message(void *arg, enum archive_status status, struct sv outcome)
{
    struct answer *w = arg;

    came(w, status);
    w->outcome = arena_sv(w->r->arena, outcome);
}

static void on_stat(void *arg, enum archive_status status, const struct archive_stat *stat)
{
    struct answer *w = arg;

    came(w, status);
    w->stat = *stat;
    w->stat.text = arena_sv(w->r->arena, stat->text);
}

static void begin(struct rig *r, struct answer *w)
{
    *w = (struct answer){ .r = r, .inside = true };
}

void rig_start_write(struct rig *r, struct archive *a, struct answer *w, const struct sv *items, size_t n)
{
    begin(r, w);
    w->n = n;
    archive_write(a, items, n, on_write, w);
    w->inside = false;
}

void rig_start_context(struct rig *r, struct archive *a, struct answer *w, struct sv conversation, size_t max)
{
    begin(r, w);
    archive_context(a, conversation, max, on_context, w);
    w->inside = false;
}

void rig_start_message(struct rig *r, struct archive *a, struct answer *w, struct sv conversation, struct sv message)
{
    begin(r, w);
    archive_message(a, conversation, message, on_message, w);
    w->inside = false;
}

void rig_start_job(struct rig *r, struct archive *a, struct answer *w, struct sv id)
{
    begin(r, w);
    archive_job(a, id, on_message, w);
    w->inside = false;
}

void rig_start_stat(struct rig *r, struct archive *a, struct answer *w)
{
    begin(r, w);
    archive_stat(a, on_stat, w);
    w->inside = false;
}

static struct answer *fresh(struct rig *r)
{
    struct answer *w = arena_alloc(r->arena, sizeof(*w));
    if (w == NULL)
        bail_out("out of memory");
    return w;
}

const struct answer *rig_write(struct rig *r, const struct sv *items, size_t n)
{
    struct answer *w = fresh(r);
    rig_start_write(r, r->a, w, items, n);
    rig_wait(r, w);
    return w;
}

const struct answer *rig_context(struct rig *r, const char *conversation, size_t max)
{
    struct answer *w = fresh(r);
    rig_start_context(r, r->a, w, sv_from(conversation), max);
    rig_wait(r, w);
    return w;
}

struct sv rig_message(struct rig *r, const char *conversation, const char *message)
{
    struct answer *w = fresh(r);
    rig_start_message(r, r->a, w, sv_from(conversation), sv_from(message));
    rig_wait(r, w);
    return w->status == ARCHIVE_DONE ? w->outcome : SV("down");
}

struct sv rig_job(struct rig *r, unsigned turn)
{
    struct answer *w = fresh(r);
    char id[37];

    rig_uuid(turn, id);
    rig_start_job(r, r->a, w, sv_from(id));
    rig_wait(r, w);
    return w->status == ARCHIVE_DONE ? w->outcome : SV("down");
}

bool rig_kept(struct rig *r, const struct sv *items, size_t n)
{
    const struct answer *w = rig_write(r, items, n);
    bool kept = w->status == ARCHIVE_DONE;

    if (!kept)
        diag("%s: the batch was answered DOWN", r->name);
    for (size_t i = 0; w->status == ARCHIVE_DONE && i < n; i++)
        if (w->verdicts[i] != NULL) {
            diag("%s: item %zu: %s", r->name, i, w->verdicts[i]);
            kept = false;
        }
    return kept;
}

/* ---- items ---- */

void rig_uuid(unsigned n, char out[37])
{
    (void)snprintf(out, 37, "01890000-0000-7000-8000-%012x", n);
}

static struct sv finish(struct rig *r, struct buf *b)
{
    struct sv s = buf_ok(b) ? arena_sv(r->arena, buf_sv(b)) : SV_NONE;
    buf_fini(b);
    if (s.p == NULL)
        bail_out("out of memory");
    return s;
}

static void put_message(struct json_out *o, struct sv id, const char *user, const char *sender_type, int64_t timestamp,
                        int64_t received)
{
    size_t digits = 0;
    int64_t seq = 0;

    while (digits < id.n && (id.p[digits] < '0' || id.p[digits] > '9'))
        digits++;
    (void)sv_to_i64((struct sv){ id.p + digits, id.n - digits }, &seq);
    json_obj(o);
    json_kstr(o, "message_id", id);
    json_kstr(o, "content", id);
    json_kstr(o, "sender_id", sv_from(user));
    json_kstr(o, "sender_type", sv_from(sender_type));
    json_kint(o, "timestamp", timestamp);
    json_kint(o, "received", received);
    json_kint(o, "seq", seq);
    json_obj_end(o);
}

static void put_outcome(struct json_out *o, const struct turn *t)
{
    if (t->reply != NULL) {
        json_key(o, "reply");
        json_obj(o);
        json_kstr(o, "response_text", sv_from(t->reply));
        json_kstr(o, "model_used", SV("gpt-4"));
        json_key(o, "processing_time_ms");
        json_num(o, 1234.5);
        json_obj_end(o);
    }
    json_key(o, "actions");
    json_arr(o);
    if (t->action != NULL) {
        json_obj(o);
        json_kstr(o, "type", SV("send_message"));
        json_kraw(o, "data", SV("{\"message\":\"hello\"}"));
        json_kstr(o, "status", sv_from(t->action));
        json_obj_end(o);
    }
    json_arr_end(o);
}

struct sv rig_turn_item(struct rig *r, const struct turn *t)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    struct sv ids = sv_from(t->messages);
    char uuid[37];

    rig_uuid(t->turn, uuid);
    json_obj(&o);
    json_kstr(&o, "type", SV("turn"));
    json_kint(&o, "v", 1);
    json_kstr(&o, "conversation_id", sv_from(t->conversation));
    json_kstr(&o, "turn_id", sv_from(uuid));
    json_kstr(&o, "status", sv_from(t->status != NULL ? t->status : "completed"));
    json_kint(&o, "at", RIG_NOW + t->at + 5000);
    json_kint(&o, "fence", t->fence);
    json_key(&o, "messages");
    json_arr(&o);
    while (ids.p != NULL)
        put_message(&o, sv_split(&ids, ' '), t->user != NULL ? t->user : "user_1", "user", RIG_NOW + t->at,
                    RIG_NOW + t->received);
    json_arr_end(&o);
    put_outcome(&o, t);
    json_kstr(&o, "storage", SV("Redis"));
    if (t->job != NULL)
        json_kraw(&o, "job", sv_from(t->job));
    json_obj_end(&o);
    return finish(r, &b);
}

struct sv rig_message_item(struct rig *r, const char *conversation, const char *message, const char *sender_type, const char *reason,
                           int64_t timestamp)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    json_obj(&o);
    json_kstr(&o, "type", SV("message"));
    json_kint(&o, "v", 1);
    json_kstr(&o, "conversation_id", sv_from(conversation));
    json_kstr(&o, "reason", sv_from(reason));
    json_key(&o, "message");
    put_message(&o, sv_from(message), sender_type, sender_type, timestamp, RIG_NOW);
    json_obj_end(&o);
    return finish(r, &b);
}
