/* SPDX-License-Identifier: MIT
 * What goes wrong outside: a server that refuses, hangs, dies, comes back; a file that another process keeps to itself. */
#include "config.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/filelock.h"
#include "t/archive/contract.h"

static int64_t real_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct sv turn_of(struct rig *r, const char *conversation, unsigned n)
{
    char message[32];
    (void)snprintf(message, sizeof(message), "m%u", n);
    return rig_turn_item(r, &(struct turn){ .conversation = conversation, .turn = 50000 + n, .messages = message, .reply = "r", .action = "executed" });
}

static void fill(struct rig *r, struct sv *items, size_t n, const char *conversation)
{
    for (size_t i = 0; i < n; i++)
        items[i] = turn_of(r, conversation, (unsigned)i);
}

/* Written again and again, as the daemon does, until it is taken. */
static bool is_kept_at_last(struct rig *r, struct archive *a, const struct sv *items, size_t n)
{
    int64_t give_up_ms = real_ms() + 60000;
    struct answer w = { .status = ARCHIVE_DOWN };

    while (w.status != ARCHIVE_DONE && real_ms() < give_up_ms) {
        rig_turn(r);
        rig_start_write(r, a, &w, items, n);
        rig_wait(r, &w);
    }
    for (size_t i = 0; w.status == ARCHIVE_DONE && i < n; i++)
        if (w.verdicts[i] != NULL)
            return false;
    return w.status == ARCHIVE_DONE;
}

static bool is_up(void *arg)
{
    return archive_is_up(arg);
}

static bool is_not_up(void *arg)
{
    return !archive_is_up(arg);
}

/* ---- SQLite ---- */

/* The store needs the same file for every turn. */
static void shares_the_file(struct rig *r)
{
    enum { N = 2000 };
    struct sv *items = arena_array(r->arena, N, sizeof(*items));
    char path[96];
    struct err e = { 0 };
    struct answer w;
    int turns = 0;
    bool refused = false;

    fill(r, items, N, "sharing");
    (void)snprintf(path, sizeof(path), "%s.lock", r->place);
    struct filelock *l = filelock_open(path, &e);
    if (l == NULL)
        bail_out("%s", e.text);
    rig_start_write(r, r->a, &w, items, N);
    while (w.count == 0) {
        bool got = filelock_take(l, 0, &e) == 0;
        turns += got && refused;
        refused = !got;
        if (got)
            filelock_release_now(l);
        loop_turn(r->loop, false);
    }
    is_int(w.status, ARCHIVE_DONE, "a large batch");
    ok(turns >= 5, "leaves the file to others %d times", turns);
    filelock_close(l);
}

void sqlite_faults(struct rig *r)
{
    char path[96];
    struct err e = { 0 };
    struct answer w, c;
    struct sv item = turn_of(r, "locked out", 1);

    ok(archive_sqlite_open(r->loop, ":memory:", &e) == NULL, "a file in memory is nobody's archive");
    ok(archive_sqlite_open(r->loop, "/nonexistent/dir/state.db", &e) == NULL, "a path that cannot be is an error");
    has_str(e.text, "/nonexistent", "that names it");
    (void)snprintf(path, sizeof(path), "%s.lock", r->place);
    struct filelock *l = filelock_open(path, &e);
    if (l == NULL || filelock_take(l, 5000, &e) != 0)
        bail_out("%s", e.text);
    rig_start_write(r, r->a, &w, &item, 1);
    rig_start_context(r, r->a, &c, SV("ctx"), 5);
    rig_wait(r, &w);
    rig_wait(r, &c);
    ok(w.status == ARCHIVE_DOWN && c.status == ARCHIVE_DOWN, "while another process keeps the file, calls are answered as down");
    ok(!archive_is_up(r->a), "and it is not up");
    filelock_close(l);
    ok(rig_until(r, is_up, r->a), "it comes back by itself");
    ok(rig_kept(r, &item, 1), "and takes what could not be written");
    is_str(rig_query(r, "SELECT total_messages FROM conversations WHERE conversation_id = 'locked out'"), "1", "once");
    (void)rig_query(r, "ALTER TABLE messages RENAME TO gone");
    rig_start_write(r, r->a, &w, &item, 1);
    rig_wait(r, &w);
    is_int(w.status, ARCHIVE_DOWN, "a missing table is nobody's poison");
    (void)rig_query(r, "ALTER TABLE gone RENAME TO messages");
    ok(rig_kept(r, &item, 1), "when it is back, all is well");
    (void)rig_query(r, "CREATE TRIGGER t BEFORE INSERT ON messages WHEN new.content = 'm7' BEGIN SELECT RAISE(ABORT, 'no sevens'); END");
    struct sv items[20];
    fill(r, items, ARRAY_LEN(items), "sevens");
    const struct answer *v = rig_write(r, items, ARRAY_LEN(items));
    is_int(v->status, ARCHIVE_DONE, "a row that the database refuses");
    for (size_t i = 0; v->status == ARCHIVE_DONE && i < ARRAY_LEN(items); i++)
        ok((v->verdicts[i] != NULL) == (i == 7), "item %zu is %s", i, i == 7 ? "refused" : "kept");
    if (v->status == ARCHIVE_DONE && v->verdicts[7] != NULL)
        has_str(v->verdicts[7], "no sevens", "with the reason");
    is_str(rig_query(r, "SELECT total_messages, (SELECT count(*) FROM message_actions WHERE conversation_id = 'sevens') FROM conversations"
                        " WHERE conversation_id = 'sevens'"), "19|19", "of the refused one nothing is left");
    (void)rig_query(r, "DROP TRIGGER t");
    (void)rig_query(r, "CREATE TRIGGER t BEFORE INSERT ON messages WHEN new.content = 'm7' BEGIN SELECT json('{'); END");
    fill(r, items, ARRAY_LEN(items), "eights");
    v = rig_write(r, items, ARRAY_LEN(items));
    ok(v->status == ARCHIVE_DONE && v->verdicts[7] != NULL && strstr(v->verdicts[7], "malformed JSON") != NULL, "a row that a statement fails on, which is no"
       " constraint");
    is_str(rig_query(r, "SELECT total_messages FROM conversations WHERE conversation_id = 'eights'"), "19", "is refused alone");
    is_str(rig_query(r, "SELECT count(*) FROM conversations WHERE conversation_id LIKE '%a trial%'"), "0", "of what was tried nothing stays");
    (void)rig_query(r, "DROP TRIGGER t");
    shares_the_file(r);
}

/* ---- PostgreSQL refuses ---- */

#define MANY 256

static void refuses_rows(struct rig *r)
{
    struct sv items[MANY];
    const struct answer *w;
    int right = 0;

    (void)rig_query(r, "ALTER TABLE messages ADD CONSTRAINT fussy CHECK (conversation_id <> 'fussy' OR seq NOT IN (3, 100, 101, 255)) NOT VALID");
    fill(r, items, MANY, "fussy");
    w = rig_write(r, items, MANY);
    is_int(w->status, ARCHIVE_DONE, "rows that the server refuses");
    for (unsigned i = 0; w->status == ARCHIVE_DONE && i < MANY; i++) {
        bool bad = i == 3 || i == 100 || i == 101 || i == 255;
        right += (w->verdicts[i] != NULL) == bad;
        if (bad && w->verdicts[i] != NULL)
            has_str(w->verdicts[i], "fussy", "item %u has the server's reason", i);
    }
    is_int(right, MANY, "are found among %d, and only they", MANY);
    is_str(rig_query(r, "SELECT total_messages, (SELECT count(*) FROM message_actions WHERE conversation_id = 'fussy') FROM conversations"
                        " WHERE conversation_id = 'fussy'"), "252|252", "of the refused ones nothing is left");
    w = rig_write(r, &items[3], 1);
    ok(w->status == ARCHIVE_DONE && w->verdicts[0] != NULL, "a batch of one that is refused");
    (void)rig_query(r, "ALTER TABLE messages DROP CONSTRAINT fussy");
}

static void refuses_everything(struct rig *r)
{
    struct sv items[200];

    fill(r, items, ARRAY_LEN(items), "no table");
    (void)rig_query(r, "ALTER TABLE message_actions RENAME TO gone");
    is_int(rig_write(r, items, ARRAY_LEN(items))->status, ARCHIVE_DOWN, "a missing table is nobody's poison");
    (void)rig_query(r, "ALTER TABLE gone RENAME TO message_actions");
    ok(rig_kept(r, items, ARRAY_LEN(items)), "when it is back, all is well");
    (void)rig_query(r, "ALTER DATABASE contract SET default_transaction_read_only = on");
    struct archive *a = rig_archive(r, 2000, 1);
    struct answer w;
    rig_start_write(r, a, &w, items, ARRAY_LEN(items));
    rig_wait(r, &w);
    is_int(w.status, ARCHIVE_DOWN, "a server that only reads takes nothing, and that is no poison");
    (void)rig_query(r, "START TRANSACTION READ WRITE; ALTER DATABASE contract RESET default_transaction_read_only; COMMIT");
    ok(is_kept_at_last(r, a, items, ARRAY_LEN(items)), "once it writes again, a new connection finds that out");
    archive_close(a);
}

/* An error that does not say whose fault it is, for some items only. */
static void refuses_unclearly(struct rig *r)
{
    struct sv items[50];
    const struct answer *w;
    int right = 0;

    (void)rig_query(r, "CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.conversation_id = 'odd' AND NEW.seq % 10 = 1 THEN"
                       " RAISE EXCEPTION 'something odd' USING ERRCODE = 'XX000'; END IF; RETURN NEW; END $$;"
                       " CREATE TRIGGER odd BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION odd()");
    fill(r, items, ARRAY_LEN(items), "odd");
    w = rig_write(r, items, ARRAY_LEN(items));
    for (unsigned i = 0; w->status == ARCHIVE_DONE && i < ARRAY_LEN(items); i++)
        right += (w->verdicts[i] != NULL) == (i % 10 == 1);
    is_int(right, ARRAY_LEN(items), "an internal error is the item's fault when the others go through");
    w = rig_write(r, &items[31], 1);
    ok(w->status == ARCHIVE_DONE && w->verdicts[0] != NULL, "alone, too, when the server takes harmless ones");
    is_str(rig_query(r, "SELECT count(*) FROM conversations WHERE conversation_id LIKE '%a trial%'"), "0", "of which nothing stays");
    (void)rig_query(r, "DROP TRIGGER odd ON messages; DROP FUNCTION odd");
}

/* Items on which the server is lost: the connection breaks, or the deadline passes. Written again and again, as the daemon does, until it is done. */
static void is_lost_on_items(struct rig *r)
{
    struct archive *a = rig_archive(r, 400, 2);
    struct sv items[40];
    struct answer w = { .status = ARCHIVE_DOWN };
    int tries = 0, right = 0;

    (void)rig_query(r, "CREATE FUNCTION deadly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.conversation_id = 'deadly' AND NEW.seq IN (7, 30) THEN"
                       " PERFORM pg_terminate_backend(pg_backend_pid()); ELSIF NEW.conversation_id = 'deadly' AND NEW.seq = 20 THEN PERFORM pg_sleep(20);"
                       " END IF; RETURN NEW; END $$; CREATE TRIGGER deadly BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION deadly()");
    fill(r, items, ARRAY_LEN(items), "deadly");
    for (; w.status != ARCHIVE_DONE && tries < 400; tries++) {
        for (int64_t until_ms = real_ms() + 5000; !archive_is_up(a) && real_ms() < until_ms;)
            rig_turn(r);
        rig_start_write(r, a, &w, items, ARRAY_LEN(items));
        rig_wait(r, &w);
    }
    is_int(w.status, ARCHIVE_DONE, "a batch with items on which the server is lost is done at last (%d tries)", tries);
    for (unsigned i = 0; w.status == ARCHIVE_DONE && i < ARRAY_LEN(items); i++)
        right += (w.verdicts[i] != NULL) == (i == 7 || i == 20 || i == 30);
    is_int(right, ARRAY_LEN(items), "they are refused, and only they");
    if (w.status == ARCHIVE_DONE && w.verdicts[7] != NULL)
        has_str(w.verdicts[7], "lost on it 5 times", "after five times");
    ok(tries >= 15, "of each");
    is_str(rig_query(r, "SELECT total_messages FROM conversations WHERE conversation_id = 'deadly'"), "37", "the others are kept, once");
    (void)rig_query(r, "DROP TRIGGER deadly ON messages; DROP FUNCTION deadly");
    rig_start_write(r, a, &w, &items[7], 1);
    rig_wait(r, &w);
    ok(w.status == ARCHIVE_DONE && w.verdicts[0] == NULL, "once the server can do it, it is taken");
    archive_close(a);
}

/* Who waits for a row that somebody keeps is not blamed, however often he comes. */
static void blames_no_lock(struct rig *r)
{
    struct archive *a = rig_archive(r, 200, 2);
    struct sv item = turn_of(r, "kept", 1);
    struct answer w = { .status = ARCHIVE_DONE };
    int downs = 0;

    ok(rig_kept(r, &item, 1), "a conversation");
    item = turn_of(r, "kept", 2);
    void *held = pgserver_hold(r->place, "UPDATE conversations SET metadata = NULL WHERE conversation_id = 'kept'");
    for (int i = 0; i < 12; i++) {
        for (int64_t until_ms = real_ms() + 5000; !archive_is_up(a) && real_ms() < until_ms;)
            rig_turn(r);
        rig_start_write(r, a, &w, &item, 1);
        rig_wait(r, &w);
        downs += w.status == ARCHIVE_DOWN;
    }
    is_int(downs, 12, "as long as somebody keeps its row, an item waits");
    pgserver_let_go(held);
    ok(is_kept_at_last(r, a, &item, 1), "and is kept then");
    archive_close(a);
}

/* Someone else's transaction was in the way: the server says so, and wants it tried again. */
static void loses_a_race(struct rig *r)
{
    struct sv items[20];

    (void)rig_query(r, "CREATE SEQUENCE tries; CREATE FUNCTION race() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                       " IF NEW.conversation_id = 'race' AND NEW.seq = 9 AND nextval('tries') <= 3 THEN"
                       " RAISE EXCEPTION 'another one was quicker' USING ERRCODE = '40P01'; END IF; RETURN NEW; END $$;"
                       " CREATE TRIGGER race BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION race()");
    fill(r, items, ARRAY_LEN(items), "race");
    ok(rig_kept(r, items, ARRAY_LEN(items)), "a deadlock is tried again");
    is_str(rig_query(r, "SELECT last_value FROM tries"), "4", "as often as it takes");
    is_str(rig_query(r, "SELECT total_messages FROM conversations WHERE conversation_id = 'race'"), "20", "and nothing counts twice");
    (void)rig_query(r, "DROP TRIGGER race ON messages; DROP FUNCTION race; DROP SEQUENCE tries");
}

/* What a pooler does that gives each transaction another server: prepared statements are gone. */
static void loses_statements(struct rig *r)
{
    struct sv items[3];

    (void)rig_query(r, "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DEALLOCATE ALL; RETURN NULL; END $$;"
                       " CREATE TRIGGER forget AFTER INSERT ON chat_sessions FOR EACH STATEMENT EXECUTE FUNCTION forget()");
    for (unsigned i = 0; i < 3; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "forget_%u", i);
        items[i] = turn_of(r, name, i);
    }
    ok(rig_kept(r, &items[0], 1) && rig_kept(r, &items[1], 1) && rig_kept(r, &items[2], 1), "statements that are forgotten are sent again");
    (void)rig_query(r, "DROP TRIGGER forget ON chat_sessions; DROP FUNCTION forget");
    ok(rig_kept(r, items, 3), "and again");
}

/* ---- PostgreSQL hangs ---- */

/* Another session keeps a row that batches want. */
static void waits_for_a_lock(struct rig *r)
{
    struct archive *patient = rig_archive(r, 60000, 3), *hasty = rig_archive(r, 300, 1);
    struct answer w[5], c;
    struct sv item = rig_turn_item(r, &(struct turn){ .conversation = "ctx", .turn = 700, .messages = "k99" });
    void *held = pgserver_hold(r->place, "UPDATE conversations SET metadata = NULL WHERE conversation_id = 'ctx'");

    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        rig_start_write(r, patient, &w[i], &item, 1);
    while (strcmp(rig_query(r, "SELECT count(*) >= 2 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = 'contract'"), "t") != 0)
        rig_turn(r);
    for (int i = 0; i < 20; i++)
        rig_turn(r); /* whoever can start by now has started */
    rig_start_context(r, patient, &c, SV("ctx"), 3);
    rig_wait(r, &c);
    ok(c.status == ARCHIVE_DONE && c.n > 0 && w[0].count == 0, "batches that wait for a row do not delay a question, however many");
    rig_start_write(r, hasty, &c, &item, 1);
    rig_wait(r, &c);
    is_int(c.status, ARCHIVE_DOWN, "a batch that has waited too long is given up");
    pgserver_let_go(held);
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        rig_wait(r, &w[i]);
        ok(w[i].status == ARCHIVE_DONE && w[i].verdicts[0] == NULL, "batch %zu goes through when the row is free", i);
    }
    ok(is_kept_at_last(r, hasty, &item, 1), "and so does the one that was given up");
    archive_close(patient);
    archive_close(hasty);
}

static void stands_still(struct rig *r)
{
    struct archive *a = rig_archive(r, 700, 2);
    struct answer w[4];
    struct sv item = turn_of(r, "frozen", 1);
    int64_t began_ms;

    ok(rig_until(r, is_up, a), "connected");
    pgserver_freeze(r->server, true);
    began_ms = real_ms();
    rig_start_write(r, a, &w[0], &item, 1);
    rig_start_write(r, a, &w[1], &item, 1);
    rig_start_context(r, a, &w[2], SV("ctx"), 5);
    rig_start_stat(r, a, &w[3]);
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        rig_wait(r, &w[i]);
        is_int(w[i].status, ARCHIVE_DOWN, "a server that stands still: call %zu is down", i);
    }
    ok(real_ms() - began_ms < 20000, "not much later than the timeout");
    ok(rig_until(r, is_not_up, a), "it is not up");
    rig_start_write(r, a, &w[0], &item, 1);
    began_ms = real_ms();
    archive_close(a);
    ok(w[0].count == 1 && w[0].status == ARCHIVE_DOWN, "closing answers what waits");
    ok(real_ms() - began_ms < 5000, "and waits for no server");
    pgserver_freeze(r->server, false);
    ok(rig_until(r, is_up, r->a), "another archive finds the server again");
    ok(is_kept_at_last(r, r->a, &item, 1), "and writes");
}

/* This process stands still, the server does not: its answer is there when the deadline is noticed. */
static void stands_still_here(struct rig *r)
{
    struct archive *a = rig_archive(r, 3000, 1);
    struct answer w;
    struct sv item = turn_of(r, "held up", 1);

    ok(rig_kept(r, &item, 1) && rig_until(r, is_up, a), "a conversation");
    item = turn_of(r, "held up", 2);
    void *held = pgserver_hold(r->place, "UPDATE conversations SET metadata = NULL WHERE conversation_id = 'held up'");
    rig_start_write(r, a, &w, &item, 1);
    for (int i = 0; i < 5; i++)
        rig_turn(r);
    is_int(w.count, 0, "an item is sent, and waits");
    pgserver_let_go(held);
    (void)nanosleep(&(struct timespec){ .tv_sec = 4 }, NULL);
    rig_wait(r, &w);
    is_int(w.status, ARCHIVE_DONE, "an answer that came while this process stood still counts");
    archive_close(a);
}

/* A peer that takes the connection and says nothing. */
static void says_nothing(struct rig *r)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char conninfo[160];
    struct err e = { 0 };
    struct answer w;
    struct sv item = turn_of(r, "silent", 1);
    int64_t began_ms = real_ms();

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, n) != 0 || listen(fd, 4) != 0 || getsockname(fd, (struct sockaddr *)&at, &n) != 0)
        bail_out("a listener: %s", strerror(errno));
    (void)snprintf(conninfo, sizeof(conninfo), "host=localhost port=%d user=tk dbname=contract", ntohs(at.sin_port));
    struct archive *a = archive_postgres_open(r->loop, &(struct archive_postgres_options){ conninfo, 2, 500 }, &e);
    rig_start_write(r, a, &w, &item, 1);
    rig_wait(r, &w);
    is_int(w.status, ARCHIVE_DOWN, "a peer that says nothing");
    ok(!archive_is_up(a), "is not up");
    archive_close(a);
    ok(real_ms() - began_ms < 20000, "and closing does not wait for it");
    (void)close(fd);
    a = archive_postgres_open(r->loop, &(struct archive_postgres_options){ conninfo, 2, 2000 }, &e);
    rig_start_write(r, a, &w, &item, 1);
    rig_wait(r, &w);
    is_int(w.status, ARCHIVE_DOWN, "nobody there");
    began_ms = real_ms();
    rig_start_context(r, a, &w, SV("x"), 1);
    rig_wait(r, &w);
    ok(w.status == ARCHIVE_DOWN && real_ms() - began_ms < 1500, "is known the next time");
    archive_close(a);
}

/* ---- PostgreSQL dies ---- */

struct stream {
    struct archive *a;
    struct sv *items;
    size_t at, n, step;
    int downs;
    bool stop;
};

static void stream_next(void *arg, enum archive_status status, const char *const *verdicts);

static void stream_write(struct stream *s)
{
    size_t n = s->n - s->at < s->step ? s->n - s->at : s->step;
    archive_write(s->a, s->items + s->at, n, stream_next, s);
}

static void stream_next(void *arg, enum archive_status status, const char *const *verdicts)
{
    struct stream *s = arg;

    if (status == ARCHIVE_DONE) {
        for (size_t i = 0; i < s->step && s->at + i < s->n; i++)
            if (verdicts[i] != NULL)
                diag("%s", verdicts[i]);
        s->at = s->at + s->step < s->n ? s->at + s->step : s->n;
    } else {
        s->downs++;
    }
    if (s->at < s->n && !s->stop)
        stream_write(s);
    else
        s->stop = true;
}

static bool stream_has_some(void *arg)
{
    return ((struct stream *)arg)->at > 300;
}

static bool stream_was_down(void *arg)
{
    return ((struct stream *)arg)->downs > 0;
}

static bool stream_is_done(void *arg)
{
    return ((struct stream *)arg)->stop;
}

static void dies(struct rig *r)
{
    struct stream s = { .a = r->a, .n = 3000, .step = 20 };

    s.items = arena_array(r->arena, s.n, sizeof(struct sv));
    fill(r, s.items, s.n, "mortal");
    stream_write(&s);
    ok(rig_until(r, stream_has_some, &s), "while batches are written");
    pgserver_kill(r->server);
    ok(rig_until(r, stream_was_down, &s), "the server dies, and the batch is down");
    ok(rig_until(r, is_not_up, r->a), "the archive knows");
    pgserver_restart(r->server);
    ok(rig_until(r, stream_is_done, &s), "it comes back, and so does the archive");
    is_int(s.at, s.n, "everything was written");
    char want[32];
    (void)snprintf(want, sizeof(want), "%zu|%zu", s.n, s.n);
    is_str(rig_query(r, "SELECT total_messages, (SELECT count(*) FROM message_actions WHERE conversation_id = 'mortal') FROM conversations"
                        " WHERE conversation_id = 'mortal'"), want, "once, whatever became of the batch that was under way");
    (void)rig_query(r, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'contract'");
    ok(rig_until(r, is_not_up, r->a) && rig_until(r, is_up, r->a), "connections that an administrator ends come back");
}

void postgres_faults(struct rig *r)
{
    refuses_rows(r);
    refuses_everything(r);
    refuses_unclearly(r);
    is_lost_on_items(r);
    blames_no_lock(r);
    loses_a_race(r);
    loses_statements(r);
    waits_for_a_lock(r);
    stands_still(r);
    stands_still_here(r);
    says_nothing(r);
    dies(r);
}
