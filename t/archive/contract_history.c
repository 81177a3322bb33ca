/* SPDX-License-Identifier: MIT
 * Histories by the page against a naive model of them, sessions and their names, figures, preferences: what archive_history.h promises of reading. */
#include "config.h"

#include <stdlib.h>

#include "archive/archive_item.h"
#include "archive/pg_history_sql.h"
#include "t/archive/history.h"

#define NAME r->name
#define DAY_MS INT64_C(86400000)

/* ---- the model: all exchanges of one session, sorted when asked ---- */

#define MODEL_MAX 400

struct model {
    struct archive_exchange list[MODEL_MAX];
    size_t n;
};

static int newest_first(const void *pa, const void *pb)
{
    const struct archive_exchange *a = pa, *b = pb;

    if (a->timestamp_ms != b->timestamp_ms)
        return a->timestamp_ms < b->timestamp_ms ? 1 : -1;
    return -memcmp(a->id, b->id, sizeof(a->id));
}

static void model_add(struct rig *r, struct model *m, const char *session, struct sv id, int64_t timestamp_ms, int64_t received_ms, int64_t seq, struct sv reply)
{
    struct archive_exchange *x = &m->list[m->n++];

    if (m->n > MODEL_MAX)
        bail_out("the model is full");
    *x = (struct archive_exchange){ .timestamp_ms = timestamp_ms, .message_id = arena_sv(r->arena, id), .content = arena_sv(r->arena, id), .reply = reply,
                                    .received_ms = received_ms };
    archive_message_uuid(sv_from(session), id, timestamp_ms, received_ms, seq, false, x->id);
    qsort(m->list, m->n, sizeof(*m->list), newest_first);
}

static bool inside(const struct archive_page *p, const struct archive_exchange *x)
{
    return x->timestamp_ms >= p->from_ms && x->timestamp_ms <= p->to_ms;
}

static bool behind(const struct archive_page *p, const struct archive_exchange *x)
{
    struct archive_exchange cursor = { .timestamp_ms = p->before_ms };
    memcpy(cursor.id, p->before_id, sizeof(cursor.id));
    return !p->after || newest_first(&cursor, x) < 0;
}

/* What is wrong with an answer, or NULL. */
static const char *compare(const struct model *m, const struct archive_page *p, const struct history_answer *got)
{
    size_t skip = p->skip, at = 0;
    int64_t total = 0;

    for (size_t i = 0; i < m->n; i++) {
        const struct archive_exchange *x = &m->list[i];
        total += inside(p, x);
        if (!inside(p, x) || !behind(p, x) || at == p->max)
            continue;
        if (skip > 0) {
            skip--;
            continue;
        }
        if (at == got->n)
            return "rows are missing";
        const struct archive_exchange *y = &got->exchanges[at++];
        if (memcmp(x->id, y->id, sizeof(x->id)) != 0 || x->timestamp_ms != y->timestamp_ms || !sv_eq(x->message_id, y->message_id))
            return "another row";
        if (!sv_eq(x->content, y->content) || !sv_eq(x->reply, y->reply) || (x->reply.p == NULL) != (y->reply.p == NULL) ||
            x->received_ms != y->received_ms)
            return "a row is not as it was";
    }
    if (at != got->n)
        return "rows too many";
    return got->total == (p->counted ? total : -1) ? NULL : "another total";
}

static const struct model *known_to;
static bool is_known(struct sv id)
{
    for (size_t i = 0; i < known_to->n; i++)
        if (sv_eq(known_to->list[i].message_id, id))
            return true;
    return false;
}

/* ---- a session of all kinds ---- */

#define SESSION "history"
#define LATEST 50

/* Few different times, so that many are equal, and out of order; some far from when they were received. */
static void fill(struct rig *r, struct model *m)
{
    struct sv items[200];
    size_t n = 0;

    for (unsigned i = 1; i <= ARRAY_LEN(items); i++) {
        struct sv id = arena_printf(r->arena, "h%u", i), said = SV_NONE;
        int64_t at = history_below(8) == 0 ? -(int64_t)history_below(80) * DAY_MS : (int64_t)history_below(LATEST) * (history_below(3) == 0 ? 1 : 1000);
        int64_t received = (int64_t)history_below(3) * 1000;
        unsigned kind = history_below(10);
        if (kind == 0) { /* not a customer's */
            items[n++] = rig_message_item(r, SESSION, id.p, history_below(2) == 0 ? "agent" : "bot", "agent_message", RIG_NOW + at);
            continue;
        }
        struct turn t = { .conversation = SESSION, .turn = 5000 + i, .fence = 1, .messages = id.p, .at = at, .received = received };
        if (kind < 6) {
            t.reply = kind < 5 ? "to the customer" : "to nobody";
            t.action = kind < 5 ? "executed" : "withheld";
            said = kind < 5 ? SV("to the customer") : SV_NONE;
        }
        items[n++] = rig_turn_item(r, &t);
        model_add(r, m, SESSION, id, RIG_NOW + at, RIG_NOW + received, i, said);
    }
    ok(rig_kept(r, items, n), "%s: a session of %zu messages, %zu of them exchanges", NAME, n, m->n);
    ok(rig_kept(r, items, n), "%s: written again", NAME);
}

static struct archive_page any_page(const struct model *m, struct sv *recent)
{
    struct archive_page p = { .session_id = SV(SESSION), .from_ms = INT64_MIN, .to_ms = INT64_MAX, .counted = history_below(2) == 0, .recent = recent };

    if (history_below(2) == 0)
        p.from_ms = m->list[history_below((unsigned)m->n)].timestamp_ms + (int64_t)history_below(3) - 1;
    if (history_below(2) == 0)
        p.to_ms = m->list[history_below((unsigned)m->n)].timestamp_ms + (int64_t)history_below(3) - 1;
    p.after = history_below(2) == 0;
    if (p.after) {
        const struct archive_exchange *x = &m->list[history_below((unsigned)m->n)];
        p.before_ms = x->timestamp_ms;
        memcpy(p.before_id, x->id, sizeof(p.before_id));
        if (history_below(3) == 0)
            p.before_id[15] ^= 1; /* a key that is not there (any more) */
    }
    p.skip = history_below(3) == 0 ? history_below(250) : 0;
    p.max = history_below(4) == 0 ? history_below(300) : history_below(25);
    p.recent_n = history_below(5);
    return p;
}

static void pages(struct rig *r, const struct model *m)
{
    int wrong = 0, wrongly_known = 0;
    struct sv recent[5];

    known_to = m;
    for (int i = 0; i < 400; i++) {
        struct archive_page p = any_page(m, recent);
        for (size_t k = 0; k < p.recent_n; k++)
            recent[k] = history_below(6) == 0 ? SV("bad\0id") : history_below(3) == 0 ? arena_printf(r->arena, "x%u", history_below(300)) :
                        m->list[history_below((unsigned)m->n)].message_id;
        const struct history_answer *got = history_page(r, &p);
        const char *why = got->status == ARCHIVE_DONE ? compare(m, &p, got) : "down";
        if (why != NULL && wrong++ < 5)
            diag("%s: page %d: %s (from %lld to %lld, after %d, skip %zu, max %zu)", NAME, i, why, (long long)p.from_ms, (long long)p.to_ms, p.after,
                 p.skip, p.max);
        for (size_t k = 0; got->status == ARCHIVE_DONE && k < p.recent_n; k++)
            wrongly_known += got->known[k] != is_known(recent[k]);
    }
    is_int(wrong, 0, "%s: pages are those of the model", NAME);
    is_int(wrongly_known, 0, "%s: and of messages it is said whether they are there", NAME);
}

static void turn_page(struct archive_page *p, const struct history_answer *got)
{
    p->after = true;
    p->before_ms = got->exchanges[got->n - 1].timestamp_ms;
    memcpy(p->before_id, got->exchanges[got->n - 1].id, sizeof(p->before_id));
}

/* From the newest to the oldest by cursor, while newer and older ones are written: each that was there is met once, and none twice. */
static void walk(struct rig *r, struct model *m)
{
    struct archive_page p = { .session_id = SV(SESSION), .from_ms = INT64_MIN, .to_ms = INT64_MAX, .max = 7 };
    bool met[MODEL_MAX] = { false };
    size_t before_n = m->n, twice = 0, missed = 0, round = 0;
    struct model was = *m;

    for (;; round++) {
        const struct history_answer *got = history_page(r, &p);
        for (size_t i = 0; i < got->n; i++)
            for (size_t k = 0; k < was.n; k++)
                if (sv_eq(was.list[k].message_id, got->exchanges[i].message_id)) {
                    twice += met[k];
                    met[k] = true;
                }
        if (got->status != ARCHIVE_DONE || got->n == 0)
            break;
        turn_page(&p, got);
        struct sv id = arena_printf(r->arena, "w%zu", 1000 + round);
        int64_t at = (int64_t)history_below(2 * LATEST) * 1000;
        struct sv item = rig_turn_item(r, &(struct turn){ .conversation = SESSION, .turn = 6000 + (unsigned)round, .messages = id.p, .at = at });
        if (!rig_kept(r, &item, 1))
            break;
        model_add(r, m, SESSION, id, RIG_NOW + at, RIG_NOW, 1000 + (int64_t)round, SV_NONE);
    }
    for (size_t k = 0; k < before_n; k++)
        missed += !met[k];
    ok(round > before_n / 7, "%s: a walk of %zu pages", NAME, round);
    is_int(missed, 0, "%s: passes nothing over", NAME);
    is_int(twice, 0, "%s: and meets nothing twice", NAME);
}

static void oddities(struct rig *r)
{
    struct archive_page p = { .session_id = SV("nobody's"), .from_ms = INT64_MIN, .to_ms = INT64_MAX, .counted = true, .max = 10 };
    const struct history_answer *got = history_page(r, &p);

    ok(got->status == ARCHIVE_DONE && got->n == 0 && got->total == 0, "%s: an unknown session has an empty history", NAME);
    p.session_id = SV("a\0b");
    got = history_page(r, &p);
    ok(got->status == ARCHIVE_DONE && got->n == 0 && got->total == 0, "%s: so has one that cannot be", NAME);
    p.session_id = SV(SESSION);
    p.from_ms = -5;
    p.to_ms = INT64_MAX - 1;
    got = history_page(r, &p);
    ok(got->status == ARCHIVE_DONE && got->n == 10, "%s: bounds outside of all calendars", NAME);
    p.from_ms = INT64_MAX;
    got = history_page(r, &p);
    ok(got->status == ARCHIVE_DONE && got->n == 0 && got->total == 0, "%s: bounds with nothing between them", NAME);
    p.from_ms = INT64_MIN;
    p.to_ms = -1;
    got = history_page(r, &p);
    ok(got->status == ARCHIVE_DONE && got->n == 0 && got->total == 0, "%s: nothing is before 1970", NAME);
}

/* A row with all that it can have. */
static void all_of_it(struct rig *r)
{
    static const char item[] =
        "{\"type\":\"turn\",\"conversation_id\":\"whole\",\"turn_id\":\"01890000-0000-7000-8000-00000000abcd\",\"status\":\"failed\",\"reason\":\"ai_timeout\","
        "\"at\":1760000000500,\"messages\":[{\"message_id\":\"m\",\"content\":\"T\xc3\xb4i \\\"\\u00e9\\\"\",\"sender_id\":\"someone\",\"sender_type\":\"user\","
        "\"timestamp\":1760000000007,\"received\":1760000000011,\"metadata\":{\"a\": [1]}}],\"reply\":{\"response_text\":\"v\xc3\xa2ng\"},"
        "\"actions\":[{\"type\":\"x\",\"status\":\"unknown\"}]}";
    struct archive_page p = { .session_id = SV("whole"), .from_ms = 1760000000007, .to_ms = 1760000000007, .counted = true, .max = 10 };
    struct sv text = sv_from(item);

    ok(rig_kept(r, &text, 1), "%s: a message with all that it can have", NAME);
    const struct history_answer *got = history_page(r, &p);
    is_int(got->n, 1, "%s: is found by its very millisecond", NAME);
    is_int(got->total, 1, "%s: and counted", NAME);
    const struct archive_exchange *x = got->exchanges;
    is_sv(x->content, SV("T\xc3\xb4i \"\xc3\xa9\""), "%s: content", NAME);
    is_sv(x->reply, SV("v\xc3\xa2ng"), "%s: reply", NAME);
    is_sv(x->sender_id, SV("someone"), "%s: sender", NAME);
    ok(sv_eq(x->metadata, SV("{\"a\": [1]}")), "%s: metadata", NAME);
    is_sv(x->status, SV("failed"), "%s: status", NAME);
    is_sv(x->reason, SV("ai_timeout"), "%s: reason", NAME);
    is_sv(x->turn_id, SV("01890000-0000-7000-8000-00000000abcd"), "%s: turn", NAME);
    is_int(x->timestamp_ms, 1760000000007, "%s: time", NAME);
    is_int(x->received_ms, 1760000000011, "%s: when it came", NAME);
}

/* ---- what retention leaves ---- */

static void on_retained(void *arg, enum archive_status status, size_t deleted)
{
    *(int64_t *)arg = status == ARCHIVE_DONE ? (int64_t)deleted : -2;
}

static void after_retention(struct rig *r)
{
    struct archive_page all = { .session_id = SV("shrinks"), .from_ms = INT64_MIN, .to_ms = INT64_MAX, .counted = true, .max = 10 }, some = all;
    struct sv items[] = {
        rig_turn_item(r, &(struct turn){ .conversation = "shrinks", .turn = 7000, .messages = "s1 s2", .received = -400 * DAY_MS, .at = -400 * DAY_MS }),
        rig_message_item(r, "shrinks", "s3", "agent", "agent_message", RIG_NOW),
        rig_turn_item(r, &(struct turn){ .conversation = "shrinks", .turn = 7001, .messages = "s4 s5 s6" }),
    };
    int64_t deleted = -1;

    ok(rig_kept(r, items, ARRAY_LEN(items)), "%s: a session, a part of it of old", NAME);
    is_int(history_page(r, &all)->total, 5, "%s: counts its customer's messages", NAME);
    archive_retain(r->a, RIG_NOW - 300 * DAY_MS, 100, on_retained, &deleted);
    while (deleted == -1)
        rig_turn(r);
    is_int(deleted, 2, "%s: what is old is deleted", NAME);
    is_int(history_page(r, &all)->total, 3, "%s: and no longer counted", NAME);
    is_int(history_page(r, &all)->n, 3, "%s: nor shown", NAME);
    some.from_ms = 0;
    is_int(history_page(r, &some)->total, 3, "%s: with bounds, too", NAME);
    ok(rig_kept(r, items, 1), "%s: the old ones come once more", NAME);
    is_int(history_page(r, &all)->total, 5, "%s: and count again", NAME);
    deleted = -1;
    archive_retain(r->a, RIG_NOW - 300 * DAY_MS, 1, on_retained, &deleted);
    while (deleted == -1)
        rig_turn(r);
    is_int(history_page(r, &all)->total, 4, "%s: one goes", NAME);
}

/* ---- told of afterwards ---- */

static void synced(struct rig *r)
{
    static const char format[] =
        "{\"type\":\"turn\",\"conversation_id\":\"told\",\"turn_id\":\"01890000-0000-7000-8000-0000000071%02u\",\"status\":\"completed\",\"at\":%lld,%s"
        "\"fence\":7,\"messages\":[{\"message_id\":\"%s\",\"content\":\"%s\",\"sender_id\":\"user_t\",\"sender_type\":\"user\",\"timestamp\":%lld,"
        "\"received\":%lld,\"seq\":%u}],\"reply\":{\"response_text\":\"%s\"},\"actions\":[]}";
    int64_t year = 365 * DAY_MS, old = RIG_NOW - 3 * year;
    struct sv here = arena_printf(r->arena, format, 1, (long long)RIG_NOW, "", "n1", "today", (long long)RIG_NOW, (long long)RIG_NOW, 1, "unsaid");
    struct sv told[] = {
        arena_printf(r->arena, format, 2, (long long)RIG_NOW, "\"synced\":true,", "n3", "later", (long long)old + 1, (long long)RIG_NOW, 3, "then"),
        arena_printf(r->arena, format, 3, (long long)RIG_NOW, "\"synced\":true,", "n2", "earlier", (long long)old, (long long)RIG_NOW, 4, "first"),
        arena_printf(r->arena, format, 4, (long long)RIG_NOW, "\"synced\":true,", "n1", "again", (long long)old, (long long)RIG_NOW, 5, "no"),
    };
    struct archive_page p = { .session_id = SV("told"), .from_ms = INT64_MIN, .to_ms = INT64_MAX, .counted = true, .max = 10 };
    const struct history_answer *got;

    ok(rig_kept(r, told, 1), "%s: an exchange of three years ago is told of", NAME);
    got = history_sessions(r, "user_t", 5);
    ok(got->n == 1 && got->sessions[0].activity_ms == RIG_NOW, "%s: its session was active when it was told of", NAME);
    ok(rig_kept(r, &here, 1) && rig_kept(r, told, ARRAY_LEN(told)), "%s: one of today, an earlier one, and one that was had here", NAME);
    got = history_page(r, &p);
    is_int(got->n, 3, "%s: three in all", NAME);
    is_sv(got->exchanges[0].message_id, SV("n1"), "%s: the newest by time", NAME);
    is_sv(got->exchanges[0].content, SV("today"), "%s: as it was here", NAME);
    is_sv(got->exchanges[0].reply, SV_NONE, "%s: with what was said here", NAME);
    is_sv(got->exchanges[1].message_id, SV("n3"), "%s: then the others", NAME);
    is_sv(got->exchanges[1].reply, SV("then"), "%s: whose replies were said", NAME);
    is_sv(got->exchanges[2].message_id, SV("n2"), "%s: in the order of their own time", NAME);
    is_int(got->exchanges[2].timestamp_ms, old, "%s: which is told", NAME);
    const struct answer *context = rig_context(r, "told", 10);
    is_int(context->n, 5, "%s: they are context", NAME);
    has_str(context->entries[0].p, "\"content\":\"earlier\",\"timestamp\":1665392000000", "%s: in that order, at that time", NAME);
    has_str(context->entries[4].p, "today", "%s: to the end", NAME);
    got = history_sessions(r, "user_t", 5);
    ok(got->n == 1 && got->sessions[0].activity_ms == RIG_NOW && got->sessions[0].messages == 3, "%s: the session was active today", NAME);
}

/* ---- how PostgreSQL goes about it ---- */

/* The planner takes every session for a short one. Whatever it makes of the statement, there is no step that reads a session to throw away most of it. */
void history_plans(struct rig *r)
{
    static const struct { const struct pg_statement *statement; const char *types, *values; } asked[] = {
        { &pg_sql[PG_SQL_MESSAGE], "text, text", "'history', 'h1'" },
        { &pg_history_sql[PG_HISTORY_PAGE], "text, timestamptz, timestamptz, uuid, bigint, bigint, bigint, text[], timestamptz",
          "'history', '-infinity', 'infinity', '01890000-0000-7000-8000-000000000001', 0, 50, 2, '{h1,h2}', 'infinity'" },
        { &pg_history_sql[PG_HISTORY_SESSIONS], "text, bigint", "'owner', 100" },
        { &pg_history_sql[PG_HISTORY_IDS], "text, text, bigint", "'owner', '', 100" },
    };

    (void)rig_query(r, "INSERT INTO conversations (id, conversation_id, last_message_timestamp) SELECT gen_random_uuid(), 'plans-' || i, now() FROM generate_series(1, 20000) i;"
                       " INSERT INTO messages (conversation_id, id, message_id, seq, sender_id, sender_type, content, \"timestamp\", received_at, status)"
                       " SELECT 'plans-' || i, gen_random_uuid(), 'm', 1, 'u', 'user', repeat('x', 100), now(), now(), 'completed' FROM generate_series(1, 20000) i;"
                       " INSERT INTO chat_sessions (id, session_id, user_id, created_at) SELECT gen_random_uuid(), 'plans-' || i, 'plans-' || i, now() FROM generate_series(1, 20000) i");
    (void)rig_query(r, "VACUUM ANALYZE");
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        const char *name = asked[i].statement->name;
        struct sv sql = arena_printf(r->arena, "SET enable_seqscan = off; SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan;"
                                               " PREPARE p (%s) AS %s; EXPLAIN EXECUTE p (%s)", asked[i].types, asked[i].statement->sql, asked[i].values);
        const char *plan = rig_query(r, sql.p);
        bool fine = strstr(plan, "Index") != NULL && strstr(plan, "Filter:") == NULL && strstr(plan, "Seq Scan") == NULL && strstr(plan, "Hash") == NULL;
        ok(fine, "%s: %s looks for rows by indexes alone", NAME, name);
        if (!fine)
            diag("%s", plan);
    }
    (void)rig_query(r, "DELETE FROM conversations WHERE conversation_id LIKE 'plans-%'");
}

void history(struct rig *r)
{
    static struct model m;

    m.n = 0;
    fill(r, &m);
    pages(r, &m);
    walk(r, &m);
    pages(r, &m);
    oddities(r);
    all_of_it(r);
    after_retention(r);
    synced(r);
    history_users(r);
}
