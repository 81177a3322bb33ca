/* SPDX-License-Identifier: MIT
 * Migrations: once, twice, by many at once, by a program that is too old, with files that are not as they should be. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/archive/rig.h"

struct place {
    const char *name;
    struct pgserver *server;
    char dir[64];   /* for files of our own */
    unsigned fresh; /* places made so far */
    char text[128];
};

static const char *next_place(struct place *p)
{
    char name[32];

    if (p->server == NULL) {
        (void)snprintf(p->text, sizeof(p->text), "%s/state%u.db", p->dir, p->fresh++);
        return p->text;
    }
    (void)snprintf(name, sizeof(name), "migrate%u", p->fresh++);
    return pgserver_database(p->server, name);
}

static int migrate(const struct place *p, const char *where, const char *dir, int *applied, struct err *e)
{
    *e = (struct err){ 0 };
    return p->server != NULL ? migrate_postgres(where, dir, applied, e) : migrate_sqlite(where, dir, applied, e);
}

static const char *shipped(const struct place *p)
{
    return rig_sql_dir(p->server != NULL ? "postgres" : "sqlite");
}

static const char *query(const struct place *p, const char *where, const char *sql)
{
    struct rig r = { .server = p->server, .place = where };
    return rig_query(&r, sql);
}

static void put_file(const struct place *p, const char *dir, const char *name, const char *text)
{
    char path[160];

    (void)snprintf(path, sizeof(path), "%s/%s", p->dir, dir);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        bail_out("%s: %s", path, strerror(errno));
    if (name == NULL)
        return;
    (void)snprintf(path, sizeof(path), "%s/%s/%s", p->dir, dir, name);
    if (text == NULL) {
        (void)unlink(path);
        return;
    }
    FILE *f = fopen(path, "we");
    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
        bail_out("%s: %s", path, strerror(errno));
}

static const char *own(const struct place *p, const char *dir)
{
    static char path[160];
    (void)snprintf(path, sizeof(path), "%s/%s", p->dir, dir);
    return path;
}

static void once_and_again(struct place *p)
{
    const char *where = next_place(p);
    struct err e;
    int applied, files;

    is_int(migrate(p, where, shipped(p), &files, &e), 0, "%s: an empty database%s%s", p->name, e.text[0] != '\0' ? ": " : "", e.text);
    ok(files >= 2, "%s: gets all files", p->name);
    is_int(migrate(p, where, shipped(p), &applied, &e), 0, "%s: again", p->name);
    is_int(applied, 0, "%s: gets nothing", p->name);
    int64_t rows = 0;
    (void)sv_to_i64(sv_from(query(p, where, "SELECT count(*) FROM schema_migrations WHERE length(checksum) = 64 AND name LIKE '0__\\_%.sql' ESCAPE '\\'")), &rows);
    is_int(rows, files, "%s: each is listed with name and checksum", p->name);
    static const char *const tables[] = { "conversations", "messages", "message_actions", "chat_sessions", "customers", "jobs", "bots", "ai_cores", "platforms",
                                          "daily_analytics", "erasures", "dead_letters", "user_preferences" };
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        char sql[64];
        (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", tables[i]);
        is_str(query(p, where, sql), "0", "%s: %s is there", p->name, tables[i]);
    }
}

#define CROWD 5

static void many_at_once(struct place *p)
{
    const char *where = next_place(p);
    const char *dir = shipped(p);
    pid_t pids[CROWD];
    int total = 0, files;
    struct err e;

    for (size_t i = 0; i < CROWD; i++) {
        (void)fflush(NULL);
        pids[i] = fork();
        if (pids[i] == 0) {
            int applied;
            if (migrate(p, where, dir, &applied, &e) != 0) {
                diag("%s", e.text);
                _exit(100);
            }
            _exit(applied);
        }
    }
    for (size_t i = 0; i < CROWD; i++) {
        int status = -1;
        while (waitpid(pids[i], &status, 0) < 0 && errno == EINTR)
            ;
        total += WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
    }
    is_int(migrate(p, where, dir, &files, &e), 0, "%s: %d at once", p->name, CROWD);
    is_int(files, 0, "%s: leave nothing to do", p->name);
    char text[16];
    (void)snprintf(text, sizeof(text), "%d", total);
    is_str(query(p, where, "SELECT count(*) FROM schema_migrations"), text, "%s: and each file was applied by one of them", p->name);
}

static void files_and_faults(struct place *p)
{
    const char *where = next_place(p);
    struct err e;
    int applied;

    ok(migrate(p, where, "/nonexistent", &applied, &e) != 0 && e.code == ERR_IO, "%s: no directory", p->name);
    put_file(p, "empty", NULL, NULL);
    ok(migrate(p, where, own(p, "empty"), &applied, &e) != 0, "%s: no file", p->name);
    put_file(p, "own", "001_first.sql", "CREATE TABLE first (a integer);");
    put_file(p, "own", "README", "not a migration");
    put_file(p, "own", "003_third.sql", "CREATE TABLE third (a integer);");
    ok(migrate(p, where, own(p, "own"), &applied, &e) != 0, "%s: a number is missing", p->name);
    has_str(e.text, "002", "%s: which one", p->name);
    is_int(applied, 0, "%s: nothing is applied then", p->name);
    put_file(p, "own", "002_second.sql", "CREATE TABLE second (a integer); INSERT INTO second VALUES (1); INSERT INTO nowhere VALUES (1);");
    ok(migrate(p, where, own(p, "own"), &applied, &e) != 0, "%s: a file that fails", p->name);
    has_str(e.text, "002_second.sql", "%s: is named", p->name);
    is_int(applied, 1, "%s: the one before it is applied", p->name);
    is_str(query(p, where, "SELECT max(version) FROM schema_migrations"), "1", "%s: and listed", p->name);
    put_file(p, "own", "002_second.sql", "CREATE TABLE second (a integer); INSERT INTO second VALUES (1);");
    is_int(migrate(p, where, own(p, "own"), &applied, &e), 0, "%s: mended", p->name);
    is_int(applied, 2, "%s: the rest follows", p->name);
    is_str(query(p, where, "SELECT count(*) FROM second"), "1", "%s: of the failed try nothing was left", p->name);
    put_file(p, "own", "001_first.sql", "CREATE TABLE first (a integer, b integer);");
    ok(migrate(p, where, own(p, "own"), &applied, &e) != 0 && e.code == ERR_INVALID, "%s: a file that was changed afterwards", p->name);
    has_str(e.text, "001_first.sql has changed", "%s: is noticed", p->name);
    put_file(p, "own", "001_first.sql", "CREATE TABLE first (a integer);");
    put_file(p, "own", "003_third.sql", NULL);
    ok(migrate(p, where, own(p, "own"), &applied, &e) != 0 && e.code == ERR_RANGE, "%s: a database that is ahead of the program", p->name);
    has_str(e.text, "version 3", "%s: says so", p->name);
    put_file(p, "own", "003_other.sql", "");
    ok(migrate(p, where, own(p, "own"), &applied, &e) != 0, "%s: an empty file", p->name);
    put_file(p, "own", "003_other.sql", "SELECT 1;");
    put_file(p, "own", "002_twice.sql", "SELECT 1;");
    ok(migrate(p, where, own(p, "own"), &applied, &e) != 0, "%s: a number that is there twice", p->name);
}

static void copy_file(const struct place *p, const char *dir, const char *name)
{
    char path[600], text[32768];

    (void)snprintf(path, sizeof(path), "%s/%s", shipped(p), name);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        bail_out("%s: %s", path, strerror(errno));
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    (void)fclose(f);
    put_file(p, dir, name, text);
}

/* A database that is in use and has the tables of version 3. */
static void from_version_3(struct place *p)
{
    static const char *const files[] = { "001_core.sql", "002_services.sql", "003_retention.sql" };
    const char *where = next_place(p), *now = p->server != NULL ? "now()" : "5";
    struct err e;
    int applied;
    char sql[400], version[32];

    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        copy_file(p, "v3", files[i]);
    is_int(migrate(p, where, own(p, "v3"), &applied, &e), 0, "%s: version 3%s", p->name, e.text);
    is_int(applied, 3, "%s: three files", p->name);
    (void)snprintf(sql, sizeof(sql), "INSERT INTO ai_cores (id, name, provider, created_at, updated_at) VALUES"
                   " ('01890000-0000-7000-8000-000000000001', 'core', 'native', %s, %s)", now, now);
    (void)query(p, where, sql);
    (void)snprintf(sql, sizeof(sql), "INSERT INTO bots (id, bot_id, name, ai_core_id, settings, created_at, updated_at) VALUES"
                   " ('01890000-0000-7000-8000-000000000002', 'b', 'B', '01890000-0000-7000-8000-000000000001', '[]', %s, %s)", now, now);
    (void)query(p, where, sql);
    (void)snprintf(sql, sizeof(sql), "INSERT INTO conversations (id, conversation_id, created_at, last_message_timestamp) VALUES"
                   " ('01890000-0000-7000-8000-000000000003', 'c', %s, %s)", now, now);
    (void)query(p, where, sql);
    (void)snprintf(sql, sizeof(sql), "INSERT INTO jobs (id, conversation_id, status, created_at) VALUES"
                   " ('01890000-0000-7000-8000-000000000004', 'c', 'completed', %s)", now);
    (void)query(p, where, sql);
    (void)snprintf(sql, sizeof(sql), "INSERT INTO chat_sessions (id, session_id, status, created_at, updated_at) VALUES"
                   " ('01890000-0000-7000-8000-000000000005', 'c', 'closed', %s, %s)", now, now);
    (void)query(p, where, sql);
    (void)snprintf(sql, sizeof(sql), "INSERT INTO customers (id, sender_id, name, created_at, updated_at) VALUES"
                   " ('01890000-0000-7000-8000-000000000006', 'u', 'An', %s, %s)", now, now);
    (void)query(p, where, sql);
    is_int(migrate(p, where, shipped(p), &applied, &e), 0, "%s: goes on to the newest%s%s", p->name, e.text[0] != '\0' ? ": " : "", e.text);
    ok(applied >= 1, "%s: by what is missing", p->name);
    is_str(query(p, where, "SELECT b.bot_id, b.settings, b.version, c.name, c.version FROM bots b JOIN ai_cores c ON c.id = b.ai_core_id"), "b|[]|1|core|1",
           "%s: rows are as they were, even those that could not be written any more", p->name);
    is_str(query(p, where, "SELECT status, fence FROM jobs"), "completed|0", "%s: a job of old gives way to any", p->name);
    is_str(query(p, where, "SELECT status, status_at, check_reply_at FROM chat_sessions"), "closed|-1|-1", "%s: how a session is gives way to any word", p->name);
    is_str(query(p, where, "SELECT name, name_at, phone_at, email_at, address_at FROM customers"), "An|-1|-1|-1|-1", "%s: so does what is known of a customer",
           p->name);
    (void)snprintf(version, sizeof(version), "%s", query(p, where, "SELECT version FROM service_version"));
    ok(strlen(version) == 13, "%s: the configuration has a version of about now", p->name);
    (void)query(p, where, "UPDATE ai_cores SET model = 'x'");
    ok(strcmp(query(p, where, "SELECT version FROM service_version"), version) > 0, "%s: that grows", p->name);
    is_str(query(p, where, "SELECT version FROM ai_cores"), "2", "%s: with the row's own", p->name);
}

/* A database of version 5 with messages, from which retention has deleted some: exchanges are counted as they are. */
static void from_version_5(struct place *p)
{
    static const char *const files[] = { "001_core.sql", "002_services.sql", "003_retention.sql", "004_services.sql", "005_sessions.sql" };
    static const char *const types[] = { "user", "user", "agent", "user", "bot" };
    const char *where = next_place(p), *now = p->server != NULL ? "to_timestamp(5)" : "5000";
    struct err e;
    int applied;
    char sql[600];

    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        copy_file(p, "v5", files[i]);
    is_int(migrate(p, where, own(p, "v5"), &applied, &e), 0, "%s: version 5%s", p->name, e.text);
    for (unsigned c = 0; c < 3; c++) { /* c0: all are there; c1: 7 of its user's are gone; c2: all are gone */
        (void)snprintf(sql, sizeof(sql), "INSERT INTO conversations (id, conversation_id, created_at, last_message_timestamp, total_messages, customer_messages)"
                       " VALUES ('01890000-0000-7000-8000-00000000000%u', 'c%u', %s, %s, 20, %u)", c, c, now, now, c == 1 ? 10u : 3u);
        (void)query(p, where, sql);
        for (unsigned i = 0; c < 2 && i < ARRAY_LEN(types); i++) {
            (void)snprintf(sql, sizeof(sql), "INSERT INTO messages (conversation_id, id, message_id, seq, sender_id, sender_type, content, \"timestamp\", received_at, status)"
                           " VALUES ('c%u', '01890000-0000-7000-8000-0000000000%u%u', 'm%u', 1, 'u', '%s', 'x', %s, %s, 'completed')", c, c, i, i, types[i], now, now);
            (void)query(p, where, sql);
        }
    }
    is_int(migrate(p, where, shipped(p), &applied, &e), 0, "%s: goes on to the newest%s%s", p->name, e.text[0] != '\0' ? ": " : "", e.text);
    is_str(query(p, where, "SELECT conversation_id, customer_messages, customer_messages - forgotten_messages FROM conversations ORDER BY 1"),
           "c0|3|3\nc1|10|3\nc2|3|0", "%s: what is there is counted, and what was there is, too", p->name);
    is_str(query(p, where, "SELECT count(*) FROM user_preferences"), "0", "%s: nobody has preferences", p->name);
}

/* A database of version 6: what a person did to it is no obstacle, what was erased stays as it was told, names are hashed with a salt of its own. */
static void from_version_6(struct place *p)
{
    static const char *const files[] = { "001_core.sql", "002_services.sql", "003_retention.sql", "004_services.sql", "005_sessions.sql", "006_history.sql" };
    const char *where = next_place(p);
    struct err e;
    int applied;
    char salt[200];

    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        copy_file(p, "v6", files[i]);
    is_int(migrate(p, where, own(p, "v6"), &applied, &e), 0, "%s: version 6%s", p->name, e.text);
    (void)query(p, where, p->server != NULL
                              ? "INSERT INTO customers (id, sender_id, phone, sources) VALUES ('01890000-0000-7000-8000-000000000001', 'u', '+84912345678', '7')"
                              : "INSERT INTO customers (id, sender_id, phone, sources, created_at, updated_at) VALUES ('1', 'u', '+84912345678', 'no JSON', 1, 1)");
    (void)query(p, where, p->server != NULL
                              ? "INSERT INTO erasures (id, subject, subject_hash, salt, erased_at) VALUES ('01890000-0000-7000-8000-000000000002', 'user', '\\x01', '\\x02', to_timestamp(5))"
                              : "INSERT INTO erasures (id, subject, subject_hash, salt, erased_at) VALUES ('2', 'user', x'01', x'02', 5000)");
    (void)query(p, where, "INSERT INTO daily_analytics (day, metric, value) VALUES ('2026-01-01', 'total_messages', 3)");
    is_int(migrate(p, where, shipped(p), &applied, &e), 0, "%s: goes on to the newest%s%s", p->name, e.text[0] != '\0' ? ": " : "", e.text);
    is_str(query(p, where, "SELECT count(*) FROM erasures WHERE subject = 'user' AND made_at IS NOT NULL"), "1", "%s: what was erased stays", p->name);
    is_str(query(p, where, "SELECT phone FROM customers WHERE sender_id = 'u'"), "+84912345678", "%s: whatever its sources are", p->name);
    is_str(query(p, where, "SELECT value, read_ms FROM daily_analytics"), "3|-1", "%s: nobody knows when a figure was read", p->name);
    (void)snprintf(salt, sizeof(salt), "%s", query(p, where, p->server != NULL ? "SELECT encode(salt, 'hex') FROM erasure_salt" : "SELECT hex(salt) FROM erasure_salt"));
    ok(strlen(salt) == 64, "%s: there is a salt", p->name);
    where = next_place(p);
    is_int(migrate(p, where, shipped(p), &applied, &e), 0, "%s: another database%s", p->name, e.text);
    ok(strcmp(query(p, where, p->server != NULL ? "SELECT encode(salt, 'hex') FROM erasure_salt" : "SELECT hex(salt) FROM erasure_salt"), salt) != 0,
       "%s: has another one", p->name);
}

/* What restores a dump finds nothing by a bare name, and a dump has a version that readers have seen with other rows. */
static void restored(struct place *p)
{
    const char *where = next_place(p);
    struct err e;
    int applied;

    is_int(migrate(p, where, shipped(p), &applied, &e), 0, "a database for a dump");
    is_str(pgserver_try(where, "SET search_path = ''; COPY public.ai_cores (id, name, provider) FROM PROGRAM 'true';"
                               " INSERT INTO public.ai_cores (id, name, provider) VALUES (gen_random_uuid(), 'a', 'native');"
                               " UPDATE public.ai_cores SET model = 'x'; DELETE FROM public.ai_cores"), "", "triggers need no search_path");
    (void)pgserver_query(where, "UPDATE service_version SET version = 7");
    (void)pgserver_query(where, "INSERT INTO ai_cores (id, name, provider) VALUES (gen_random_uuid(), 'a', 'native')");
    is_str(pgserver_query(where, "SELECT version > extract(epoch FROM now() - interval '1 hour') * 1000 FROM service_version"), "t",
           "the first change after it comes to a version that nobody has seen");
    (void)pgserver_query(where, "UPDATE service_version SET version = 9007199254740000");
    (void)pgserver_query(where, "DELETE FROM ai_cores");
    is_str(pgserver_query(where, "SELECT version > 9007199254740000 FROM service_version"), "t", "and none goes back, whatever the clock says");
    (void)pgserver_query(where, "TRUNCATE ai_cores CASCADE");
    ok(strcmp(pgserver_query(where, "SELECT version > 9007199254740002 FROM service_version"), "t") == 0, "emptying a table is a change");
}

static void postgres_alone(struct place *p)
{
    const char *where = next_place(p);
    char conninfo[320];
    struct err e;
    int applied;

    is_int(migrate(p, where, shipped(p), &applied, &e), 0, "a database");
    (void)pgserver_query(where, "CREATE ROLE reader LOGIN; GRANT SELECT ON schema_migrations TO reader; REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    (void)snprintf(conninfo, sizeof(conninfo), "%s user=reader", where);
    is_int(migrate_postgres(conninfo, shipped(p), &applied, &e), 0, "who may create nothing, but need not, is content%s%s", e.text[0] ? ": " : "", e.text);
    (void)pgserver_query(where, "CREATE DATABASE latin ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    ok(migrate_postgres(pgserver_database(p->server, "latin1x"), "/nonexistent", &applied, &e) != 0, "files come first");
    (void)snprintf(conninfo, sizeof(conninfo), "%s dbname=latin", where);
    ok(migrate_postgres(conninfo, shipped(p), &applied, &e) != 0 && strstr(e.text, "UTF8") != NULL, "a database that cannot hold every text is refused");
    ok(migrate_postgres("host=/nonexistent dbname=x", shipped(p), &applied, &e) != 0 && e.code == ERR_UNAVAILABLE, "no server");
    ok(strchr(e.text, '\n') == NULL, "the reason is one line");
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void run(const char *name, struct pgserver *server)
{
    struct place p = { .name = name, .server = server, .dir = "/tmp/tk-migrate-XXXXXX" };

    if (mkdtemp(p.dir) == NULL)
        bail_out("no temporary directory");
    once_and_again(&p);
    many_at_once(&p);
    files_and_faults(&p);
    from_version_3(&p);
    from_version_5(&p);
    from_version_6(&p);
    if (server != NULL) {
        postgres_alone(&p);
        restored(&p);
    }
    (void)nftw(p.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const char *why;
    struct pgserver *server;

    run("SQLite", NULL);
    server = pgserver_start(&why);
    if (server == NULL)
        skip(why);
    else
        run("PostgreSQL", server);
    pgserver_end(server);
    return done_testing();
}
