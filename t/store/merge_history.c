/* SPDX-License-Identifier: MIT
 * Going back from a SQLite store: entries, fields, figures and preferences, each once wherever the merge is cut off; and what the other
 * store has erased meanwhile. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/buf.h"
#include "t/store/contract.h"

#define DAY "2026-01-31"
#define ENTRY(id) SV("{\"messageId\":\"" id "\",\"received\":5}")
#define PENDING(id, at) SV("{\"message_id\":\"" id "\",\"received\":" at "}")
#define PAIR(k, v) { SV(k), SV(v) }

static char dir[64];

static int join(void *arg, struct arena *a, const struct store_join *in, struct store_joined *out)
{
    (void)arg;
    *out = (struct store_joined){ .record = arena_printf(a, "%.*s+%.*s", SV_FMT(in->old), SV_FMT(in->new_)), .due_ms = in->now_ms };
    return 0;
}

static enum store_status merge(struct rig *r, struct store *from, struct store *to)
{
    struct call *c = rig_call(r);
    store_merge(from, to, join, NULL, rig_status, c);
    rig_wait(r, c);
    return c->status;
}

static struct store *open_file(struct rig *r)
{
    struct err e;
    char path[100];
    (void)snprintf(path, sizeof path, "%s/from", dir);
    struct store *s = store_sqlite_open(r->loop, &(struct store_sqlite_options){ .path = path, .poll_ms = 5 }, &e);
    if (s == NULL)
        bail_out("%s", e.text);
    return s;
}

static void remove_file(void)
{
    static const char *const ends[] = { "", "-journal", "-wal", "-shm", ".lock" };
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char path[120];
        (void)snprintf(path, sizeof path, "%s/from%s", dir, ends[i]);
        (void)unlink(path);
    }
}

static void prefer(struct rig *r, const char *user_id, const char *value)
{
    struct call *c = rig_call(r);
    const struct store_pair pair = { SV("language"), sv_from(value) };
    store_preferences_put(r->s, sv_from(user_id), &pair, 1, rig_status, c);
    rig_wait(r, c);
}

static void tell(struct rig *r, const char *id, uint64_t version, const struct sv *entries, size_t entries_n, const char *activity,
                 const char *count, int64_t counted)
{
    const struct store_pair fields[] = { PAIR("userId", "u"), PAIR("createdAt", "2026-01-31T08"), { SV("lastActivity"), sv_from(activity) },
                                         { SV("messageCount"), sv_from(count) } };
    const struct store_count counts[] = { { SV("total_messages"), counted } };
    const struct store_history_change h = { .user_id = SV("u"), .entries = entries, .entries_n = entries_n, .entries_max = 1000,
                                            .fields = fields, .fields_n = ARRAY_LEN(fields), .ttl_ms = LONG_MS, .sessions_max = 100,
                                            .day = SV(DAY), .counts = counts, .counts_n = 1, .counts_ttl_ms = LONG_MS };
    is_int(apply(r, &CHANGE(id, version, .record = SV("r"), .decided_ms = INT64_MAX, .history = &h))->status, STORE_DONE, "%s is told of",
           id);
}

static void fill(struct rig *r, struct store *from, struct store *to)
{
    r->s = to;
    tell(r, "c", 0, LIST(ENTRY("m1"), ENTRY("m2")), 2, "2026-01-31T10", "2", 2);
    tell(r, "shared", 0, LIST(ENTRY("s1")), 1, "2026-01-31T09", "1", 1);
    prefer(r, "u", "old");
    prefer(r, "w", "other");
    r->s = from;
    tell(r, "c", 0, LIST(ENTRY("m2"), ENTRY("m3")), 2, "2026-01-31T12", "2", 1);
    tell(r, "new", 0, LIST(ENTRY("n1")), 1, "2026-01-31T11", "1", 1);
    tell(r, "gone", 0, LIST(ENTRY("g1")), 1, "2026-01-31T07", "1", 1);
    (void)apply(r, &CHANGE("gone", 1, .forget = true));
    (void)apply(r, &CHANGE("nobody", 0, .history = &(struct store_history_change){
                                            .day = SV("2026-02-01"), .counts = &(struct store_count){ SV("locked_turns"), 7 },
                                            .counts_n = 1, .counts_ttl_ms = LONG_MS }));
    prefer(r, "u", "new");
}

static struct sv state_of(struct rig *r, struct store *s)
{
    static const char *const ids[] = { "c", "shared", "new", "gone", "nobody" };
    struct buf b = { 0 };
    r->s = s;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        const struct store_history *h = history_of(r, ids[i], "u");
        buf_printf(&b, "%s %.*s: %.*s | %.*s\n", ids[i], SV_FMT(h->record), SV_FMT(joined(r, h->entries, h->entries_n)),
                   SV_FMT(fields_of(r, h->fields, h->fields_n)));
    }
    buf_printf(&b, "%.*s\n%.*s\n%.*s\n%.*s\n", SV_FMT(figures_of(r, DAY)), SV_FMT(figures_of(r, "2026-02-01")),
               SV_FMT(preferences_of(r, "u")), SV_FMT(preferences_of(r, "w")));
    struct sv sessions = user_of(r, "u");
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        buf_printf(&b, "%s", strstr(sessions.p, ids[i]) != NULL ? ids[i] : "-");
    buf_printf(&b, " %lld conversations", (long long)stat_of(r)->conversations);
    struct sv all = arena_sv(r->arena, buf_sv(&b));
    buf_fini(&b);
    return all;
}

#define E(id) "{\"messageId\":\"" id "\",\"received\":5}"
#define F(at, n) "createdAt=2026-01-31T08 lastActivity=2026-01-31T" at " messageCount=" n " userId=u\n"
static const char expected[] = "c r+r: " E("m3") "," E("m2") "," E("m1") " | " F("12", "3")
    "shared r: " E("s1") " | " F("09", "1")
    "new r+: " E("n1") " | " F("11", "1")
    "gone : " E("g1") " | " F("07", "1")
    "nobody r+:  | \n"
    "total_messages=6\nlocked_turns=7\nlanguage=new\nlanguage=other\ncsharednewgone- 4 conversations";

static void is_empty(struct rig *r, struct store *s)
{
    static const char none[] = "c :  | \nshared :  | \nnew :  | \ngone :  | \nnobody :  | \n\n\n\n\n----- 0 conversations";
    is_sv(state_of(r, s), sv_from(none), "nothing is left behind");
}

static void test_whole(struct rig *r)
{
    struct store *from = open_file(r), *to = store_memory_open(r->loop, 0);
    fill(r, from, to);
    is_int(merge(r, from, to), STORE_DONE, "merged");
    is_sv(state_of(r, to), sv_from(expected), "all of both is there");
    is_empty(r, from);
    is_int(merge(r, from, to), STORE_DONE, "again, with nothing");
    is_sv(state_of(r, to), sv_from(expected), "adds nothing");
    r->s = from;
    tell(r, "gone", 0, LIST(ENTRY("g2")), 1, "2026-01-31T13", "1", 1);
    (void)apply(r, &CHANGE("gone", 1, .forget = true));
    is_int(merge(r, from, to), STORE_DONE, "a second outage");
    r->s = to;
    const struct store_history *h = history_of(r, "gone", "u");
    is_sv(joined(r, h->entries, h->entries_n), SV(E("g2") "," E("g1")), "of a conversation that has been forgotten twice");
    is_sv(fields_of(r, h->fields, h->fields_n), SV("createdAt=2026-01-31T08 lastActivity=2026-01-31T13 messageCount=2 userId=u"),
          "its fields, too");
    is_sv(figures_of(r, DAY), SV("total_messages=7"), "and figures");
    store_close(from);
    store_close(to);
    remove_file();
}

static void test_failures(struct rig *r)
{
    unsigned wrong = 0, n = 1;
    for (bool failed = true; failed && n < 300; n++) {
        struct store *from = open_file(r), *inner = store_memory_open(r->loop, 0);
        fill(r, from, inner);
        struct store *to = store_fail_open(r->loop, inner, (n + 1) / 2, false, n % 2 == 0);
        failed = merge(r, from, to) != STORE_DONE;
        wrong += failed && merge(r, from, to) != STORE_DONE;
        struct sv state = state_of(r, inner);
        if (!sv_eq(state, sv_from(expected)) && wrong++ == 0)
            is_sv(state, sv_from(expected), "after failure %u", n);
        is_empty(r, from);
        store_close(from);
        store_close(to);
        remove_file();
        arena_reset(r->arena);
        r->calls = NULL;
    }
    ok(n > 30 && n < 300, "cut off at %u places", n - 1);
    is_int(wrong, 0, "and the end was always the same");
}

/* Figures go last: cut off there, the host counts on before the next try. */
static void test_goes_on(struct rig *r)
{
    for (unsigned n = 1; n < 12; n++) {
        struct store *from = open_file(r), *inner = store_memory_open(r->loop, 0);
        r->s = from;
        tell(r, "c", 0, LIST(ENTRY("m1")), 1, "2026-01-31T10", "1", 1);
        (void)apply(r, &CHANGE("c", 1, .forget = true));
        struct store *to = store_fail_open(r->loop, inner, (n + 1) / 2, false, n % 2 == 0);
        bool failed = merge(r, from, to) != STORE_DONE;
        r->s = from;
        tell(r, "c", load(r, "c")->version, LIST(ENTRY("m2")), 1, "2026-01-31T11", "2", 1);
        is_int(merge(r, from, to), STORE_DONE, "merged, %s %u", failed ? "after failure" : "with more than", n);
        r->s = inner;
        is_sv(figures_of(r, DAY), SV("total_messages=2"), "each was counted once");
        const struct store_history *h = history_of(r, "c", "u");
        is_sv(joined(r, h->entries, h->entries_n), SV(E("m2") "," E("m1")), "each is there once");
        store_close(from);
        store_close(to);
        remove_file();
    }
}

static void test_erased(struct rig *r)
{
    struct store *from = open_file(r), *to = store_memory_open(r->loop, 0);
    const struct store_pair marks[] = { PAIR("m1", "{\"status\":\"completed\",\"received\":50}"), PAIR("m3", "{\"received\":150}") };
    r->s = to;
    for (int i = 0; i < 2; i++) {
        const char *id = i == 0 ? "c" : "d";
        (void)apply(r, &CHANGE(id, 0, .forget = true, .erase = &(struct store_erase){ .user_id = SV("u"), .at_ms = 100 }));
    }
    r->s = from;
    tell(r, "d", 0, LIST(ENTRY("m1")), 1, "2026-01-31T10", "1", 1);
    tell(r, "c", 0, LIST(ENTRY("m1"), SV("{\"messageId\":\"m2\",\"received\":101}")), 2, "2026-01-31T10", "2", 1);
    (void)apply(r, &CHANGE("c", 1, .record = SV("r"), .marks = marks, .marks_n = 2, .pending_add = PENDING("m1", "99"),
                           .pending_more = LIST(PENDING("m3", "150"), SV("no object")), .pending_more_n = 2,
                           .context_add = LIST(SV("k")), .context_add_n = 1));
    is_int(merge(r, from, to), STORE_DONE, "merged into a store that has erased two conversations");
    r->s = to;
    const struct store_history *h = history_of(r, "c", "u");
    is_sv(joined(r, h->entries, h->entries_n), SV("{\"messageId\":\"m2\",\"received\":101}"), "of the first one, what is younger is there");
    const struct store_view *v = load(r, "c");
    is_sv(joined(r, v->pending, v->pending_n), PENDING("m3", "150"), "and waits");
    is_int(v->context_n, 0, "its context is not");
    is_sv(load_of(r, SV("c"), SV("m1"))->mark, SV("{\"status\":\"erased\"}"), "what is older is known as erased");
    is_sv(load_of(r, SV("c"), SV("m3"))->mark, SV("{\"received\":150}"), "what is younger as it was");
    h = history_of(r, "d", "u");
    ok(h->version == 0 && h->record.p == NULL && h->entries_n == 0 && h->fields_n == 0, "of the other one nothing is");
    ok(strstr(user_of(r, "u").p, "d:") == NULL, "in the listing neither");
    is_empty(r, from);
    store_close(from);
    store_close(to);
    remove_file();
}

/* Both sides know of an erasure: the later one stands. */
static void test_notes(struct rig *r)
{
    static const struct {
        const char *id;
        int64_t local_ms, shared_ms, expected_ms;
    } rows[] = { { "a", 100, 200, 200 }, { "b", 200, 100, 200 }, { "c", 100, 0, 100 } };
    struct store *from = open_file(r), *to = store_memory_open(r->loop, 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct store_erase e = { .at_ms = rows[i].local_ms };
        r->s = from;
        (void)apply(r, &CHANGE(rows[i].id, 0, .forget = true, .erase = &e));
        e.at_ms = rows[i].shared_ms;
        r->s = to;
        if (e.at_ms > 0)
            (void)apply(r, &CHANGE(rows[i].id, 0, .forget = true, .erase = &e));
    }
    is_int(merge(r, from, to), STORE_DONE, "merged");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        is_int(erased_at(r, rows[i].id), rows[i].expected_ms, "%s was erased when it was last", rows[i].id);
        r->s = from;
        is_int(erased_at(r, rows[i].id), 0, "which the other store need not know any more");
        r->s = to;
    }
    store_close(from);
    store_close(to);
    remove_file();
}

int main(void)
{
    struct rig r = { .backend = &(const struct backend){ .name = "merge", .real_clock = true },
                     .loop = loop_new(),
                     .arena = arena_new(0, 1u << 30) };
    (void)snprintf(dir, sizeof dir, "/tmp/merge.XXXXXX");
    if (r.loop == NULL || r.arena == NULL || mkdtemp(dir) == NULL)
        bail_out("no memory or directory");
    test_whole(&r);
    test_failures(&r);
    test_goes_on(&r);
    test_erased(&r);
    test_notes(&r);
    for (int i = 0; i < 3; i++)
        loop_turn(r.loop, false);
    ok(rmdir(dir) == 0, "no file was left");
    arena_free(r.arena);
    loop_free(r.loop);
    return done_testing();
}
