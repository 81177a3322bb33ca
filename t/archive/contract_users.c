/* SPDX-License-Identifier: MIT
 * What archive_history.h says of users: their sessions, and the names of these; figures by day; preferences; and that every call is answered
 * once, whatever becomes of its archive. */
#include "config.h"

#include "t/archive/history.h"

#define SV_INIT(literal) { "" literal, sizeof(literal) - 1 }

#define NAME r->name

/* ---- sessions ---- */

static const struct history_answer *ids(struct rig *r, const char *user, struct sv after, size_t max)
{
    struct history_answer *h = arena_alloc(r->arena, sizeof(*h));
    if (h == NULL)
        bail_out("out of memory");
    history_start_ids(r, r->a, h, sv_from(user), after, max);
    history_wait(r, h);
    return h;
}

static void sessions_of_a_user(struct rig *r)
{
    enum { N = 30 };
    struct sv items[N + 3];
    const struct history_answer *got;
    int wrong = 0;

    for (unsigned i = 0; i < N; i++) { /* active in another order than that of their names */
        struct sv session = arena_printf(r->arena, "us-%02u", i);
        items[i] = rig_turn_item(r, &(struct turn){ .conversation = session.p, .turn = 8000 + i, .messages = "u1 u2", .user = "owner",
                                                    .at = (i * 7 % N) * 1000, .received = (i * 7 % N) * 1000 });
    }
    items[N] = SV("{\"type\":\"update_session_status\",\"session_id\":\"us-03\",\"status\":\"archived\",\"at\":1760000000000}");
    items[N + 1] = SV("{\"type\":\"update_session_status\",\"session_id\":\"us-empty\",\"status\":\"closed\",\"at\":1760000000000}");
    items[N + 2] = rig_turn_item(r, &(struct turn){ .conversation = "of another", .turn = 8900, .messages = "u1", .user = "owner2" });
    ok(rig_kept(r, items, ARRAY_LEN(items)), "%s: a user of %d sessions", NAME, N);
    got = history_sessions(r, "owner", 100);
    is_int(got->n, N, "%s: has them all", NAME);
    for (size_t i = 0; i < got->n; i++) {
        const struct archive_user_session *s = &got->sessions[i];
        wrong += s->activity_ms != RIG_NOW + (int64_t)(N - 1 - i) * 1000 + 5000 || s->messages != 2 || s->created_ms != s->activity_ms - 5000;
        wrong += !sv_eq(s->status, sv_eq(s->session_id, SV("us-03")) ? SV("archived") : SV("active"));
    }
    is_int(wrong, 0, "%s: the last that was active first, with time, number and status", NAME);
    got = history_sessions(r, "owner", 4);
    ok(got->n == 4 && got->sessions[3].activity_ms == RIG_NOW + 31000, "%s: or only the last ones", NAME);
    is_int(history_sessions(r, "nobody", 10)->n, 0, "%s: who is not known has none", NAME);
    is_int(history_sessions(r, "", 10)->n, 0, "%s: nor has who cannot be", NAME);
}

static void names_of_sessions(struct rig *r)
{
    struct sv after = SV_NONE;
    char name[8];
    int wrong = 0;
    size_t total = 0;

    for (;;) {
        const struct history_answer *got = ids(r, "owner", after, 7);
        for (size_t i = 0; i < got->n; i++) {
            (void)snprintf(name, sizeof(name), "us-%02zu", total++);
            wrong += !sv_eq(got->ids[i], sv_from(name));
        }
        if (got->status != ARCHIVE_DONE || got->n == 0)
            break;
        after = got->ids[got->n - 1];
    }
    is_int(total, 30, "%s: the names of a user's sessions, some at a time", NAME);
    is_int(wrong, 0, "%s: in their order", NAME);
    is_int(ids(r, "nobody", SV_NONE, 7)->n, 0, "%s: none of who is not known", NAME);
}

/* ---- figures ---- */

#define PUT(list) put(r, list, ARRAY_LEN(list))

static enum archive_status put(struct rig *r, const struct archive_figure *list, size_t n)
{
    struct history_answer h;
    history_start_figures_put(r, r->a, &h, list, n, RIG_NOW);
    history_wait(r, &h);
    return h.status;
}

static const char *figures_text(struct rig *r, const char *from, const char *to, bool users)
{
    struct sv text = SV("");
    struct history_answer h;

    history_start_figures(r, r->a, &h, sv_from(from), sv_from(to), users);
    history_wait(r, &h);
    for (size_t i = 0; i < h.n; i++)
        text = arena_printf(r->arena, "%s%.*s %.*s=%lld\n", text.p, SV_FMT(h.figures[i].day), SV_FMT(h.figures[i].metric), (long long)h.figures[i].value);
    return h.status == ARCHIVE_DONE ? text.p : "down";
}

static void figures(struct rig *r)
{
    static const struct archive_figure first[] = {
        { SV_INIT("2026-01-02"), SV_INIT("total_messages"), 5 },   { SV_INIT("2026-01-01"), SV_INIT("total_messages"), 7 },
        { SV_INIT("2026-01-02"), SV_INIT("user_a_messages"), 3 },  { SV_INIT("2026-01-02"), SV_INIT("userza_messages"), 1 },
        { SV_INIT("2026-01-02"), SV_INIT("total_messages"), 4 },   { SV_INIT("2026-02-30"), SV_INIT("total_messages"), 4 },
        { SV_INIT("2026-01-03"), SV_INIT("ai_responses"), INT64_MAX }, { SV_INIT("yesterday!"), SV_INIT("x"), 4 },
        { SV_INIT("2026-01-03"), SV_INIT("user_\xff_messages"), 4 },
    };
    static const struct archive_figure second[] = {
        { SV_INIT("2026-01-01"), SV_INIT("total_messages"), 6 },
        { SV_INIT("2026-01-02"), SV_INIT("total_messages"), 9 },
        { SV_INIT("2026-01-02"), SV_INIT("user_a_messages"), 3 },
    };

    is_int(PUT(first), ARCHIVE_DONE, "%s: figures are put", NAME);
    is_str(figures_text(r, "2026-01-01", "2026-01-31", true),
           "2026-01-01 total_messages=7\n2026-01-02 total_messages=5\n2026-01-02 user_a_messages=3\n2026-01-02 userza_messages=1\n"
           "2026-01-03 ai_responses=9223372036854775807\n", "%s: those that can be", NAME);
    is_int(PUT(second), ARCHIVE_DONE, "%s: and put again", NAME);
    is_str(figures_text(r, "2026-01-01", "2026-01-02", false), "2026-01-01 total_messages=7\n2026-01-02 total_messages=9\n2026-01-02 userza_messages=1\n",
           "%s: the greater one stands; without users'; days included", NAME);
    is_str(figures_text(r, "2026-01-04", "2026-01-31", true), "", "%s: days without any", NAME);
    is_str(figures_text(r, "2026-13-01", "x", true), "", "%s: days that are none", NAME);
    is_int(put(r, NULL, 0), ARCHIVE_DONE, "%s: nothing to put", NAME);
}

/* ---- preferences ---- */

static const char *preferences_text(struct rig *r, const char *user)
{
    struct sv text = SV("");
    struct history_answer h;

    history_start_preferences(r, r->a, &h, sv_from(user));
    history_wait(r, &h);
    for (size_t i = 0; i < h.n; i++)
        text = arena_printf(r->arena, "%s%.*s=%.*s\n", text.p, SV_FMT(h.pairs[i].key), SV_FMT(h.pairs[i].value));
    return h.status == ARCHIVE_DONE ? text.p : "down";
}

static enum archive_status prefer(struct rig *r, const char *user, const struct archive_pair *pairs, size_t n)
{
    struct history_answer h;
    history_start_preferences_put(r, r->a, &h, sv_from(user), pairs, n);
    history_wait(r, &h);
    return h.status;
}

static void preferences(struct rig *r)
{
    static const struct archive_pair first[] = { { SV_INIT("theme"), SV_INIT("\"dark\"") }, { SV_INIT("lang"), SV_INIT("\"vi\"") },
                                                 { SV_INIT("theme"), SV_INIT("\"l\xc3\xa9ger\"") } };
    static const struct archive_pair second[] = { { SV_INIT("empty"), SV_INIT("") } };
    struct history_answer h[2];

    is_str(preferences_text(r, "p1"), "", "%s: no preferences", NAME);
    is_int(prefer(r, "p1", first, 3), ARCHIVE_DONE, "%s: are set", NAME);
    is_int(prefer(r, "p2", second, 1), ARCHIVE_DONE, "%s: those of another one, too", NAME);
    is_str(preferences_text(r, "p1"), "lang=\"vi\"\ntheme=\"l\xc3\xa9ger\"\n", "%s: and read, of two of a name the last", NAME);
    is_int(prefer(r, "p1", second, 1), ARCHIVE_DONE, "%s: they are replaced", NAME);
    is_str(preferences_text(r, "p1"), "empty=\n", "%s: all of them", NAME);
    is_int(prefer(r, "p1", NULL, 0), ARCHIVE_DONE, "%s: they are removed", NAME);
    is_str(preferences_text(r, "p1"), "", "%s: all of them", NAME);
    is_str(preferences_text(r, "p2"), "empty=\n", "%s: of nobody else", NAME);
    history_start_preferences_put(r, r->a, &h[0], SV("p3"), first, 3);
    history_start_preferences_put(r, r->a, &h[1], SV("p3"), second, 1);
    history_wait(r, &h[0]);
    history_wait(r, &h[1]);
    ok(h[0].status == ARCHIVE_DONE && h[1].status == ARCHIVE_DONE, "%s: two at once", NAME);
    const char *left = preferences_text(r, "p3");
    ok(strcmp(left, "empty=\n") == 0 || strncmp(left, "lang=\"vi\"\ntheme=", 16) == 0, "%s: leave those of one of them", NAME);
}

/* ---- calls whose archive goes ---- */

#define CALLS 7

static void start_all(struct rig *r, struct archive *a, struct history_answer h[CALLS])
{
    static const struct archive_figure figure = { SV_INIT("2026-03-01"), SV_INIT("total_messages"), 1 };
    static const struct archive_pair pair = { SV_INIT("k"), SV_INIT("v") };
    struct sv recent = SV("h1");
    struct archive_page p = { .session_id = SV("history"), .from_ms = INT64_MIN, .to_ms = INT64_MAX, .counted = true, .max = 5, .recent = &recent, .recent_n = 1 };

    history_start_page(r, a, &h[0], &p);
    history_start_sessions(r, a, &h[1], SV("owner"), 5);
    history_start_ids(r, a, &h[2], SV("owner"), SV_NONE, 5);
    history_start_figures(r, a, &h[3], SV("2026-01-01"), SV("2026-12-31"), true);
    history_start_figures_put(r, a, &h[4], &figure, 1, RIG_NOW);
    history_start_preferences(r, a, &h[5], SV("p2"));
    history_start_preferences_put(r, a, &h[6], SV("p9"), &pair, 1);
}

static void closed(struct rig *r)
{
    struct history_answer h[CALLS];
    struct archive *a = rig_archive(r, 5000, 2);
    int once = 0, down = 0, empty = 0;

    start_all(r, a, h);
    archive_close(a);
    for (size_t i = 0; i < CALLS; i++) {
        once += h[i].count == 1;
        down += h[i].status == ARCHIVE_DOWN;
        empty += h[i].n == 0;
    }
    is_int(once, CALLS, "%s: calls whose archive is closed are answered once", NAME);
    is_int(down, CALLS, "%s: as DOWN", NAME);
    is_int(empty, CALLS, "%s: with nothing", NAME);
    for (int i = 0; i < 20; i++)
        rig_turn(r);
    for (size_t i = 0; i < CALLS; i++)
        once -= h[i].count == 1;
    is_int(once, 0, "%s: and not again", NAME);
}

/* The table that a call needs is away: it is DOWN, and others go on. */
static void refused(struct rig *r)
{
    struct history_answer h[CALLS];
    int down = 0;

    (void)rig_query(r, "ALTER TABLE messages RENAME TO messages_away");
    (void)rig_query(r, "ALTER TABLE chat_sessions RENAME TO chat_sessions_away");
    (void)rig_query(r, "ALTER TABLE daily_analytics RENAME TO daily_analytics_away");
    (void)rig_query(r, "ALTER TABLE user_preferences RENAME TO user_preferences_away");
    start_all(r, r->a, h);
    for (size_t i = 0; i < CALLS; i++) {
        history_wait(r, &h[i]);
        down += h[i].count == 1 && h[i].status == ARCHIVE_DOWN && h[i].n == 0;
    }
    is_int(down, CALLS, "%s: without their tables all are DOWN", NAME);
    (void)rig_query(r, "ALTER TABLE messages_away RENAME TO messages");
    (void)rig_query(r, "ALTER TABLE chat_sessions_away RENAME TO chat_sessions");
    (void)rig_query(r, "ALTER TABLE daily_analytics_away RENAME TO daily_analytics");
    (void)rig_query(r, "ALTER TABLE user_preferences_away RENAME TO user_preferences");
    down = 0;
    start_all(r, r->a, h);
    for (size_t i = 0; i < CALLS; i++) {
        history_wait(r, &h[i]);
        down += h[i].status != ARCHIVE_DONE;
    }
    is_int(down, 0, "%s: with them all is well again", NAME);
    ok(h[0].n == 5 && h[0].known[0] && h[1].n == 5 && h[2].n == 5 && h[3].n > 0 && h[5].n == 1, "%s: and answered", NAME);
}

void history_users(struct rig *r)
{
    sessions_of_a_user(r);
    names_of_sessions(r);
    figures(r);
    preferences(r);
    closed(r);
    refused(r);
}
