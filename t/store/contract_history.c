/* SPDX-License-Identifier: MIT
 * Promises of store_history.h: entries, fields, a user's sessions, figures, preferences; and what an erasure takes along and what it
 * keeps from coming back. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "t/store/contract.h"

#define HISTORY(...) .history = &(struct store_history_change){ __VA_ARGS__ }
#define ENTRIES(...)                                                                                                   \
    .entries = LIST(__VA_ARGS__), .entries_n = ARRAY_LEN(LIST(__VA_ARGS__)), .entries_max = 1000, .ttl_ms = LONG_MS
#define PAIRS(...)                                                                                                     \
    (const struct store_pair[]){ __VA_ARGS__ }, sizeof((const struct store_pair[]){ __VA_ARGS__ }) / sizeof(struct store_pair)
#define PAIR(k, v) { SV(k), SV(v) }
#define FIELDS(...) .fields = (const struct store_pair[]){ __VA_ARGS__ }, .fields_n = sizeof((const struct store_pair[]){ __VA_ARGS__ }) / sizeof(struct store_pair)
#define COUNTS(...)                                                                                                    \
    .day = SV("2026-01-31"), .counts = (const struct store_count[]){ __VA_ARGS__ },                                    \
    .counts_n = sizeof((const struct store_count[]){ __VA_ARGS__ }) / sizeof(struct store_count), .counts_ttl_ms = LONG_MS
#define USER(name) .user_id = SV(name), .ttl_ms = LONG_MS
#define E(n) SV("{\"messageId\":\"m" #n "\"}")

static struct sv entries_of(struct rig *r, const char *id, const char *user_id)
{
    const struct store_history *h = history_of(r, id, user_id);
    return joined(r, h->entries, h->entries_n);
}

static struct sv infos_of(struct rig *r, const char *id)
{
    const struct store_history *h = history_of(r, id, NULL);
    return fields_of(r, h->fields, h->fields_n);
}

static void entries(struct rig *r)
{
    const struct store_history *h = history_of(r, "c", "u");
    ok(h->version == 0 && h->record.p == NULL && h->pending_n == 0 && h->entries_n == 0 && h->fields_n == 0 && h->now_ms > 0,
       "nothing is known of a conversation at first");
    (void)apply(r, &CHANGE("c", 0, .record = SV("one"), HISTORY(.user_id = SV("u"), ENTRIES(E(1), E(2)))));
    (void)apply(r, &CHANGE("c", 1, .record = SV("two"), .pending_add = SV("p1"), .pending_more = LIST(SV("p2")),
                           .pending_more_n = 1, HISTORY(.user_id = SV("u"), ENTRIES(E(3)))));
    h = history_of(r, "c", "u");
    ok(h->version == 2 && sv_eq(h->record, SV("two")), "the record comes along");
    is_sv(joined(r, h->pending, h->pending_n), SV("p1,p2"), "and what is pending");
    is_sv(joined(r, h->entries, h->entries_n), SV("{\"messageId\":\"m3\"},{\"messageId\":\"m2\"},{\"messageId\":\"m1\"}"),
          "entries, newest first");
    is_int(h->fields_n, 0, "no fields");
    (void)apply(r, &CHANGE("c", 2));
    is_int(history_of(r, "c", "u")->entries_n, 3, "they stay where a change says nothing of them");
    h = history_of(r, "c", NULL);
    ok(h->version == 3 && h->entries_n == 0 && h->pending_n == 2, "without a user there are no entries");
    (void)apply(r, &CHANGE("c", 3, HISTORY(.user_id = SV("v"), ENTRIES(E(9)))));
    is_sv(entries_of(r, "c", "v"), E(9), "another user has his own");
    (void)apply(r, &CHANGE("c", 4, HISTORY(USER("u"), .entries = LIST(E(4), E(5)), .entries_n = 2, .entries_max = 2)));
    is_sv(entries_of(r, "c", "u"), SV("{\"messageId\":\"m5\"},{\"messageId\":\"m4\"}"), "older ones are cut");
    struct sv many[1500];
    char text[ARRAY_LEN(many)][8];
    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        (void)snprintf(text[i], sizeof text[i], "%zu", i);
        many[i] = sv_from(text[i]);
    }
    (void)apply(r, &CHANGE("c", 5, HISTORY(USER("u"), .entries = many, .entries_n = ARRAY_LEN(many), .entries_max = 1000)));
    h = history_of(r, "c", "u");
    unsigned wrong = h->entries_n != 1000;
    for (size_t i = 0; i < h->entries_n; i++)
        wrong += !sv_eq(h->entries[i], many[ARRAY_LEN(many) - 1 - i]);
    is_int(wrong, 0, "many at once");
}

static void ends(struct rig *r)
{
    (void)apply(r, &CHANGE("c", 0, HISTORY(.user_id = SV("u"), .entries = LIST(E(1)), .entries_n = 1, .entries_max = 9,
                                           FIELDS(PAIR("a", "1")), .ttl_ms = SHORT_MS, .counts_ttl_ms = SHORT_MS,
                                           .day = SV("2026-01-31"), .counts = &(struct store_count){ SV("n"), 1 }, .counts_n = 1)));
    rig_pass(r, SHORT_MS + 20);
    is_sv(entries_of(r, "c", "u"), SV(""), "entries end after their time");
    is_sv(infos_of(r, "c"), SV(""), "so do the fields");
    is_sv(user_of(r, "u"), SV(""), "and the session in the listing");
    is_sv(figures_of(r, "2026-01-31"), SV(""), "and the figures");
    (void)apply(r, &CHANGE("c", 1, HISTORY(.user_id = SV("u"), ENTRIES(E(2)), FIELDS(PAIR("b", "2")), COUNTS({ SV("n"), 2 }))));
    is_sv(entries_of(r, "c", "u"), E(2), "what comes then begins anew");
    is_sv(infos_of(r, "c"), SV("b=2"), "fields, too");
    is_sv(user_of(r, "u"), SV("c: b=2"), "and the listing");
    is_sv(figures_of(r, "2026-01-31"), SV("n=2"), "and figures");
    (void)apply(r, &CHANGE("c", 2, HISTORY(.user_id = SV("u"), .ttl_ms = SHORT_MS)));
    (void)apply(r, &CHANGE("c", 3, HISTORY(USER("u"))));
    rig_pass(r, SHORT_MS + 20);
    ok(sv_eq(entries_of(r, "c", "u"), E(2)) && sv_eq(user_of(r, "u"), SV("c: b=2")), "a change renews the time of all of it");
}

static void fields(struct rig *r)
{
    (void)apply(r, &CHANGE("c", 0, HISTORY(USER("u"), FIELDS(PAIR("a", "1"), PAIR("b", "2")))));
    is_sv(infos_of(r, "c"), SV("a=1 b=2"), "fields of a session");
    (void)apply(r, &CHANGE("c", 1, HISTORY(USER("u"), FIELDS(PAIR("b", "3"), PAIR("c", "")))));
    is_sv(infos_of(r, "c"), SV("a=1 b=3 c="), "are overwritten one by one");
    (void)apply(r, &CHANGE("c", 2, HISTORY(USER("u"))));
    is_sv(infos_of(r, "c"), SV("a=1 b=3 c="), "or not at all");
    (void)apply(r, &CHANGE("c", 3, .forget = true));
    const struct store_history *h = history_of(r, "c", "u");
    ok(h->version == 0 && h->record.p == NULL, "a conversation is forgotten");
    is_sv(fields_of(r, h->fields, h->fields_n), SV("a=1 b=3 c="), "its fields stay");
    is_sv(user_of(r, "u"), SV("c: a=1 b=3 c="), "in the listing, too");
}

static void users(struct rig *r)
{
    is_sv(user_of(r, "u"), SV(""), "a user without sessions");
    (void)apply(r, &CHANGE("c", 0, HISTORY(USER("u"), .sessions_max = 2, FIELDS(PAIR("lastActivity", "2026-01-31T10:00:00.000Z")))));
    (void)apply(r, &CHANGE("d", 0, HISTORY(USER("u"), .sessions_max = 2, FIELDS(PAIR("lastActivity", "2026-01-31T09:00:00.000Z")))));
    (void)apply(r, &CHANGE("x", 0, HISTORY(USER("v"), .sessions_max = 2, FIELDS(PAIR("n", "1")))));
    (void)apply(r, &CHANGE("none", 0, HISTORY(.counts_n = 0)));
    is_sv(user_of(r, "u"), SV("c: lastActivity=2026-01-31T10:00:00.000Z; d: lastActivity=2026-01-31T09:00:00.000Z"), "two sessions");
    is_sv(user_of(r, "v"), SV("x: n=1"), "another user's");
    (void)apply(r, &CHANGE("d", 1, HISTORY(USER("u"), .sessions_max = 1, FIELDS(PAIR("lastActivity", "2026-01-31T11:00:00.000Z")))));
    is_int(user_of(r, "u").n > 60, 1, "a session that is there already makes nobody leave");
    (void)apply(r, &CHANGE("e", 0, HISTORY(USER("u"), .sessions_max = 2, FIELDS(PAIR("lastActivity", "2026-01-31T12:00:00.000Z")))));
    struct sv want = SV("d: lastActivity=2026-01-31T11:00:00.000Z; e: lastActivity=2026-01-31T12:00:00.000Z"), is = SV("");
    for (int i = 0; i < 200 && !sv_eq(is, want); i++) { /* the one that leaves may do so a moment later */
        is = user_of(r, "u");
        if (!sv_eq(is, want))
            rig_pass(r, 5);
    }
    is_sv(is, want, "with a new one, the one that is silent longest leaves");
    is_sv(infos_of(r, "c"), SV("lastActivity=2026-01-31T10:00:00.000Z"), "its fields stay");
    (void)apply(r, &CHANGE("e", 1, HISTORY(.user_id = SV("u"), .ttl_ms = SHORT_MS)));
    (void)apply(r, &CHANGE("d", 2, HISTORY(USER("u"))));
    rig_pass(r, SHORT_MS + 20);
    is_sv(user_of(r, "u"), SV("d: lastActivity=2026-01-31T11:00:00.000Z"), "one whose fields have ended is left out");
    (void)apply(r, &CHANGE("e", 2, HISTORY(USER("u"), FIELDS(PAIR("n", "1")))));
    is_sv(user_of(r, "u"), SV("d: lastActivity=2026-01-31T11:00:00.000Z; e: n=1"), "until it has some again");
}

static void names(struct rig *r)
{
    (void)apply(r, &CHANGE("b:c", 0, HISTORY(.user_id = SV("a"), ENTRIES(E(1)), FIELDS(PAIR("f", "1")))));
    (void)apply(r, &CHANGE("c", 0, HISTORY(.user_id = SV("a:b"), ENTRIES(E(2)), FIELDS(PAIR("f", "2")))));
    (void)apply(r, &CHANGE(":c", 0, HISTORY(.user_id = SV("a:b"), ENTRIES(E(3)), FIELDS(PAIR("f", "3")))));
    (void)apply(r, &CHANGE("a:b:c", 0, HISTORY(.user_id = SV(":3"), ENTRIES(E(4)), FIELDS(PAIR("f", "4")))));
    ok(sv_eq(entries_of(r, "b:c", "a"), E(1)) && sv_eq(entries_of(r, "c", "a:b"), E(2)) && sv_eq(entries_of(r, ":c", "a:b"), E(3)) &&
           sv_eq(entries_of(r, "a:b:c", ":3"), E(4)) && sv_eq(entries_of(r, "c", "a"), SV("")),
       "ids with colons are not taken for each other");
    is_sv(user_of(r, "a:b"), SV(":c: f=3; c: f=2"), "in listings neither");
    unsigned wrong = 0;
    for (unsigned b = 1; b < 256; b++) {
        char id[4] = { 'x', (char)b, 'y', '\0' };
        struct sv user = sv_from(id);
        (void)apply(r, &CHANGE(id, 0, .history = &(struct store_history_change){
                                          .user_id = user, .entries = &user, .entries_n = 1, .entries_max = 1, .ttl_ms = LONG_MS,
                                          .fields = &(struct store_pair){ user, user }, .fields_n = 1 }));
        const struct store_history *h = history_of(r, id, id);
        wrong += h->entries_n != 1 || !sv_eq(h->entries[0], user) || h->fields_n != 1 || !sv_eq(h->fields[0].key, user) ||
                 !sv_eq(h->fields[0].value, user);
    }
    is_int(wrong, 0, "every byte from 1 to 255 may stand in an id");
}

static void figures(struct rig *r)
{
    is_sv(figures_of(r, "2026-01-31"), SV(""), "a day without figures");
    (void)apply(r, &CHANGE("c", 0, HISTORY(COUNTS({ SV("total_messages"), 1 }, { SV("user_u_messages"), 1 }))));
    (void)apply(r, &CHANGE("d", 0, HISTORY(USER("u"), COUNTS({ SV("total_messages"), 2 }, { SV("ai_time_ms"), 1234567890123 }))));
    is_sv(figures_of(r, "2026-01-31"), SV("ai_time_ms=1234567890123 total_messages=3 user_u_messages=1"), "figures are added up");
    (void)apply(r, &CHANGE("c", 1, HISTORY(.day = SV("2026-02-01"), .counts = &(struct store_count){ SV("total_messages"), 5 },
                                           .counts_n = 1, .counts_ttl_ms = LONG_MS)));
    is_sv(figures_of(r, "2026-02-01"), SV("total_messages=5"), "each day has its own");
    (void)apply(r, &CHANGE("c", 2, HISTORY(.fields_n = 0)));
    is_sv(user_of(r, "u"), SV(""), "a session without fields is not listed");
    is_sv(infos_of(r, "c"), SV(""), "what has no user has no fields");
}

static void refusals(struct rig *r)
{
    struct store_history_change h = { .user_id = SV("u"), ENTRIES(E(2)), FIELDS(PAIR("a", "2")), COUNTS({ SV("n"), 1 }) };
    (void)apply(r, &CHANGE("c", 0, .mark_new = { SV("m"), SV("x") }, HISTORY(.user_id = SV("u"), ENTRIES(E(1)), FIELDS(PAIR("a", "1")))));
    is_int(apply(r, &CHANGE("c", 7, .history = &h))->status, STORE_CONFLICT, "another version");
    is_int(apply(r, &CHANGE("c", 0, .history = &h))->status, STORE_CONFLICT, "no record");
    is_int(apply(r, &CHANGE("c", 1, .need_token = SV("t"), .history = &h))->status, STORE_LEASE_LOST, "no lease");
    is_int(apply(r, &CHANGE("c", 1, .mark_new = { SV("m"), SV("y") }, .history = &h))->status, STORE_DUPLICATE, "a duplicate");
    ok(sv_eq(entries_of(r, "c", "u"), E(1)) && sv_eq(infos_of(r, "c"), SV("a=1")) && sv_eq(figures_of(r, "2026-01-31"), SV("")),
       "what is refused leaves nothing");
    is_int(apply(r, &CHANGE("c", 1, .mark_new = { SV("n"), SV("y") }, .marks = PAIRS(PAIR("o", "z")), .pending_add = SV("p"),
                            .context_add = LIST(SV("k")), .context_add_n = 1, .queue_add = LIST(SV("q")), .queue_add_n = 1,
                            .job = { SV("j"), SV("job") }, .job_ttl_ms = LONG_MS, .callbacks_add = LIST(SV("b")), .callbacks_add_n = 1,
                            .letters = &(struct store_letter){ SV("019a0000-0000-7000-8000-000000000003"), SV("dead") }, .letters_n = 1,
                            .session = &(struct store_session_change){ .view_op = STORE_VIEW_SET, .view = SV("v"), .ttl_ms = LONG_MS,
                                                                       .events = LIST(SV("{\"a\":1}")), .events_n = 1, .events_max = 9 },
                            .event = SV("told"), .history = &h))
               ->status,
           STORE_DONE, "what is not does all that it says");
    ok(sv_eq(entries_of(r, "c", "u"), SV("{\"messageId\":\"m2\"},{\"messageId\":\"m1\"}")) && sv_eq(infos_of(r, "c"), SV("a=2")) &&
           sv_eq(figures_of(r, "2026-01-31"), SV("n=1")),
       "beside everything else:");
    const struct store_view *v = load_of(r, SV("c"), SV("n"));
    ok(sv_eq(v->mark, SV("y")) && v->pending_n == 1 && sv_eq(v->pending[0], SV("p")) && v->context_n == 1 && sv_eq(v->context[0], SV("k")) &&
           sv_eq(load_of(r, SV("c"), SV("o"))->mark, SV("z")),
       "marks and lists");
    ok(sv_eq(drain(r), SV("q")) && sv_eq(drain_of(r, STORE_QUEUE_CALLBACKS), SV("b")) && sv_eq(get(r, "job:j"), SV("job")) &&
           letters(r, &(struct store_letters){ .max = 9 })->n == 1 && sv_eq(session_of(r, "c")->view, SV("v")) &&
           events_of(r, "c", 0)->n == 1 && sv_eq(r->event, SV("told")),
       "queues, job, letter, view and events");
}

static enum store_status prefer(struct rig *r, const char *user_id, const struct store_pair *pairs, size_t n)
{
    struct call *c = rig_call(r);
    store_preferences_put(r->s, sv_from(user_id), pairs, n, rig_status, c);
    rig_wait(r, c);
    return c->status;
}

static void preferences(struct rig *r)
{
    is_sv(preferences_of(r, "u"), SV(""), "no preferences");
    is_int(prefer(r, "u", PAIRS(PAIR("a", "1"), PAIR("b", "{\"x\":[1,2]}"))), STORE_DONE, "some");
    (void)prefer(r, "v", PAIRS(PAIR("a", "9")));
    is_sv(preferences_of(r, "u"), SV("a=1 b={\"x\":[1,2]}"), "are there");
    (void)prefer(r, "u", PAIRS(PAIR("c", "3")));
    is_sv(preferences_of(r, "u"), SV("c=3"), "others replace all of them");
    is_int(prefer(r, "u", NULL, 0), STORE_DONE, "none");
    is_sv(preferences_of(r, "u"), SV(""), "removes them");
    is_int(prefer(r, "u", NULL, 0), STORE_DONE, "twice");
    is_sv(preferences_of(r, "v"), SV("a=9"), "another user's stay");
}

static void odd_ids(struct rig *r)
{
    char text[STORE_ID_MAX + 2];
    memset(text, 'i', sizeof text);
    struct sv ids[] = { SV(""), { text, STORE_ID_MAX + 1 } };
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct call *c[] = { rig_call(r), rig_call(r), rig_call(r), rig_call(r), rig_call(r), rig_call(r), rig_call(r), rig_call(r) };
        store_history(r->s, ids[i], SV("u"), rig_history, c[0]);
        store_history(r->s, SV("c"), ids[i], rig_history, c[1]);
        store_user(r->s, ids[i], rig_user, c[2]);
        store_figures(r->s, ids[i], rig_pairs, c[3]);
        store_preferences(r->s, ids[i], rig_pairs, c[4]);
        store_preferences_put(r->s, ids[i], NULL, 0, rig_status, c[5]);
        store_erased_at(r->s, ids[i], rig_erased, c[6]);
        struct store_change change = CHANGE("c", 0, HISTORY(.user_id = ids[i], .ttl_ms = 1));
        change = filled(&change);
        store_apply(r->s, &change, rig_applied, c[7]);
        for (size_t k = 0; k < ARRAY_LEN(c); k++) {
            rig_wait(r, c[k]);
            is_int(c[k]->status, STORE_FULL, "an id that is none");
        }
    }
    is_int(load(r, "c")->version, 0, "nothing is written");
}

static void closing(struct rig *r)
{
    struct call *c[] = { rig_call(r), rig_call(r), rig_call(r), rig_call(r), rig_call(r), rig_call(r) };
    store_history(r->s, SV("c"), SV("u"), rig_history, c[0]);
    store_user(r->s, SV("u"), rig_user, c[1]);
    store_figures(r->s, SV("2026-01-31"), rig_pairs, c[2]);
    store_preferences(r->s, SV("u"), rig_pairs, c[3]);
    store_preferences_put(r->s, SV("u"), NULL, 0, rig_status, c[4]);
    store_erased_at(r->s, SV("c"), rig_erased, c[5]);
    r->inside = false; /* close may tell */
    store_close(r->s);
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        ok(c[i]->answers == 1 && c[i]->status == STORE_DOWN, "a call was answered DOWN before close returned");
    for (int i = 0; i < 3; i++)
        loop_turn(r->loop, false);
    r->s = r->backend->open(r, 0); /* for the end of the case */
}

static bool is_up(struct rig *r, void *arg)
{
    (void)arg;
    return store_is_up(r->s);
}

static void another(struct rig *r)
{
    struct store *mine = r->s, *other = r->backend->open(r, 0);
    (void)apply(r, &CHANGE("c", 0, HISTORY(.user_id = SV("u"), ENTRIES(E(1)), FIELDS(PAIR("a", "1")), COUNTS({ SV("n"), 1 }))));
    r->s = other;
    ok(rig_until(r, is_up, NULL), "another one is opened");
    ok(sv_eq(entries_of(r, "c", "u"), E(1)) && sv_eq(user_of(r, "u"), SV("c: a=1")) && sv_eq(figures_of(r, "2026-01-31"), SV("n=1")),
       "and sees the same");
    r->s = mine;
    store_close(other);
}

const struct rig_case history_cases[] = {
    { .name = "entries", .run = entries },
    { .name = "the end of a history", .run = ends },
    { .name = "fields", .run = fields },
    { .name = "users", .run = users },
    { .name = "names of histories", .run = names },
    { .name = "figures", .run = figures },
    { .name = "a history that is refused", .run = refusals },
    { .name = "preferences", .run = preferences },
    { .name = "odd ids of histories", .run = odd_ids },
    { .name = "close with histories", .run = closing },
    { .name = "another's history", .run = another, .needs_shared = true },
    { .name = NULL },
};
