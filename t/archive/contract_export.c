/* SPDX-License-Identifier: MIT
 * Export, on every archive: all that was written of a session and of its user comes out, each row once, whatever the pieces; nobody else's does. */
#include "config.h"

#include <stdio.h>

#include "lib/json.h"
#include "t/archive/erase.h"

#define NAME r->name
#define LINES_MAX 600

struct lines {
    struct rig *r;
    int count;
    enum archive_status status;
    struct sv list[LINES_MAX];
    size_t n, calls, most_bytes, last_n;
    struct sv position;
};

static void on_lines(void *arg, enum archive_status status, const struct sv *lines, size_t n, struct sv position)
{
    struct lines *l = arg;
    size_t bytes = 0;

    l->count++;
    l->status = status;
    l->last_n = n;
    for (size_t i = 0; i < n; i++, bytes += l->list[l->n - 1].n)
        if (l->n < LINES_MAX)
            l->list[l->n++] = arena_sv(l->r->arena, lines[i]);
    l->most_bytes = bytes > l->most_bytes ? bytes : l->most_bytes;
    l->position = arena_sv(l->r->arena, position);
}

static bool came(void *arg)
{
    return ((const struct lines *)arg)->count > 0;
}

static void export_all(struct rig *r, struct lines *l, const char *user, const char *session, size_t max)
{
    *l = (struct lines){ .r = r, .position = SV("") };
    do {
        l->count = 0;
        archive_export(r->a, &(struct archive_export){ sv_from(user), session != NULL ? sv_from(session) : SV_NONE, l->position, max }, on_lines, l);
        if (l->count != 0)
            ok(false, "%s: an answer came from inside the call", NAME);
        if (!rig_until(r, came, l))
            bail_out("%s: an export is not answered", NAME);
        l->calls++;
        if (l->last_n > max)
            ok(false, "%s: more than %zu lines", NAME, max);
    } while (l->status == ARCHIVE_DONE && l->position.n > 0 && l->calls < 2000);
    ok(l->status == ARCHIVE_DONE, "%s: exported, %zu at a time", NAME, max);
}

static json_t *line(struct rig *r, const struct lines *l, size_t i)
{
    struct err e = { 0 };
    json_t *o = i < l->n ? json_read_in(r->arena, l->list[i], false, &e) : NULL;
    if (o == NULL)
        ok(false, "%s: line %zu is JSON: %s", NAME, i, e.text);
    return o;
}

static size_t of_type(struct rig *r, const struct lines *l, const char *type)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += sv_eq(json_sv(line(r, l, i), "type"), sv_from(type));
    return n;
}

static void fill(struct rig *r)
{
    struct sv items[] = {
        rig_turn_item(r, &(struct turn){ .conversation = "exported", .turn = 7001, .fence = 1, .messages = "e1 e2", .user = "u-20", .reply = "ch\xc3\xa0o \\\"b\\\"",
                                         .action = "executed", .job = "{\"bot_id\":\"b-1\",\"attempts\":2,\"created_at\":1759999999000}" }),
        rig_turn_item(r, &(struct turn){ .conversation = "exported", .turn = 7002, .fence = 2, .messages = "e3", .user = "u-20", .status = "failed",
                                         .action = "withheld", .at = 10, .received = 10 }),
        erase_message(r, "exported", "e4", "u-20", 1234),
        erase_message(r, "not exported", "e5", "u-20", 1234),
        erase_state(r, "exported", "closed", 600),
        erase_customer(r, "exported", "u-20", "An", "0912345678", 700),
    };
    struct archive_figure figures[] = { { SV("2026-02-01"), SV("user_u-20_messages"), 3 }, { SV("2026-02-02"), SV("user_u-20_messages"), 1 } };
    ok(rig_kept(r, items, ARRAY_LEN(items)), "%s: something to export", NAME);
    is_int(erase_figures(r, figures, ARRAY_LEN(figures), 0), ARCHIVE_DONE, "%s: figures", NAME);
    is_int(erase_preference(r, "u-20", "language", "vi"), ARCHIVE_DONE, "%s: preferences", NAME);
}

static void a_session(struct rig *r, struct lines *l)
{
    char uuid[37];
    json_t *o;

    rig_uuid(7001, uuid);
    export_all(r, l, "u-20", "exported", 100);
    is_int(l->n, 1 + 4 + 2 + 1, "%s: every row of the session", NAME);
    o = line(r, l, 0);
    is_sv(json_sv(o, "type"), SV("session"), "%s: the session first", NAME);
    is_sv(json_sv(o, "userId"), SV("u-20"), "%s: whose", NAME);
    is_sv(json_sv(o, "status"), SV("closed"), "%s: how", NAME);
    is_int(json_i64(o, "messageCount", -1), 4, "%s: how many messages", NAME);
    ok(json_bool(o, "checkReply", false), "%s: truth is true", NAME);
    o = line(r, l, 1);
    is_sv(json_sv(o, "type"), SV("message"), "%s: then messages, in their order", NAME);
    is_sv(json_sv(o, "messageId"), SV("e1"), "%s: the oldest first", NAME);
    is_sv(json_sv(o, "timestamp"), SV("2025-10-09T08:53:20.000Z"), "%s: times are ISO 8601", NAME);
    o = line(r, l, 2);
    is_sv(json_sv(o, "aiResponse"), SV("ch\xc3\xa0o \\\"b\\\""), "%s: what was said to it", NAME);
    is_sv(json_sv(json_object_get(o, "reply"), "model_used"), SV("gpt-4"), "%s: the whole reply", NAME);
    is_sv(json_sv(o, "turnId"), sv_from(uuid), "%s: by which turn", NAME);
    o = line(r, l, 4);
    is_sv(json_sv(o, "content"), SV(CANARY " e4"), "%s: the text", NAME);
    is_sv(json_sv(json_object_get(o, "metadata"), "page"), SV(CANARY), "%s: open structures are structures", NAME);
    is_sv(json_sv(o, "receivedAt"), SV("2025-10-09T08:53:21.234Z"), "%s: to the millisecond", NAME);
    o = line(r, l, 5);
    is_sv(json_sv(o, "type"), SV("action"), "%s: then actions", NAME);
    is_sv(json_sv(json_object_get(o, "data"), "message"), SV("hello"), "%s: with their data", NAME);
    is_sv(json_sv(o, "status"), SV("executed"), "%s: what became of it", NAME);
    o = line(r, l, 7);
    is_sv(json_sv(o, "type"), SV("job"), "%s: then jobs", NAME);
    is_sv(json_sv(o, "jobId"), sv_from(uuid), "%s: which", NAME);
    is_sv(json_sv(o, "botId"), SV("b-1"), "%s: of which bot", NAME);
    is_int(json_i64(o, "attempts", 0), 2, "%s: how often it was tried", NAME);
}

static void the_user(struct rig *r, struct lines *l)
{
    json_t *o;

    export_all(r, l, "u-20", NULL, 100);
    is_int(l->n, 4, "%s: every row of the user", NAME);
    o = line(r, l, 0);
    is_sv(json_sv(o, "type"), SV("customer"), "%s: what is known about him", NAME);
    is_sv(json_sv(o, "phone"), SV("+84912345678"), "%s: each value", NAME);
    is_sv(json_sv(json_object_get(json_object_get(o, "sources"), "name"), "conversation_id"), SV("exported"), "%s: and where it is from", NAME);
    o = line(r, l, 1);
    is_sv(json_sv(o, "type"), SV("preference"), "%s: what he has set", NAME);
    is_sv(json_sv(o, "value"), SV("vi"), "%s: to what", NAME);
    o = line(r, l, 3);
    is_sv(json_sv(o, "type"), SV("figure"), "%s: what was counted of him", NAME);
    is_sv(json_sv(o, "date"), SV("2026-02-02"), "%s: when", NAME);
    is_int(json_i64(o, "messages", 0), 1, "%s: how much", NAME);
    export_all(r, l, "nobody", NULL, 5);
    is_int(l->n, 0, "%s: of nobody there is nothing", NAME);
    export_all(r, l, "", "", 5);
    is_int(l->n, 0, "%s: nor of what cannot be", NAME);
}

static void in_pieces(struct rig *r, struct lines *l)
{
    static const size_t sizes[] = { 1, 2, 3, 7 };
    struct lines *whole = arena_alloc(r->arena, sizeof(*whole));

    for (unsigned i = 0; i < 2; i++) {
        export_all(r, whole, "u-20", i == 0 ? "exported" : NULL, 100);
        for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
            bool same;
            export_all(r, l, "u-20", i == 0 ? "exported" : NULL, sizes[k]);
            same = l->n == whole->n;
            for (size_t at = 0; same && at < l->n; at++)
                same = sv_eq(l->list[at], whole->list[at]);
            ok(same, "%s: the same, %zu at a time", NAME, sizes[k]);
        }
    }
}

/* Messages of 60 kB each: a piece ends behind the first that goes beyond a megabyte. */
static void large(struct rig *r, struct lines *l)
{
    enum { N = 60, SIZE = 60000 };
    struct sv items[N];
    char *text = arena_array(r->arena, SIZE + 1, 1);

    if (text == NULL)
        bail_out("out of memory");
    memset(text, 'y', SIZE);
    for (unsigned i = 0; i < N; i++)
        items[i] = arena_printf(r->arena, "{\"type\":\"message\",\"conversation_id\":\"large\",\"message\":{\"message_id\":\"l%u\",\"content\":\"%s\",\"sender_id\":\"u\","
                                "\"sender_type\":\"user\",\"timestamp\":%lld,\"seq\":%u}}", i, text, (long long)(RIG_NOW + i), i + 1);
    ok(rig_kept(r, items, N), "%s: large messages", NAME);
    export_all(r, l, "u", "large", 500);
    is_int(of_type(r, l, "message"), N, "%s: all of them", NAME);
    ok(l->most_bytes < (1u << 20) + 2 * SIZE && l->calls >= 4, "%s: about a megabyte at a time: at most %zu bytes, %zu calls", NAME, l->most_bytes, l->calls);
}

void erase_exports(struct rig *r)
{
    struct lines *l = arena_alloc(r->arena, sizeof(*l));

    if (l == NULL)
        bail_out("out of memory");
    fill(r);
    a_session(r, l);
    the_user(r, l);
    in_pieces(r, l);
    large(r, l);
}
