/* SPDX-License-Identifier: MIT
 * Which messages a question has when some of them change others or take them back: by a table of short lists. */
#include "config.h"

#include "lib/buf.h"
#include "t/tap.h"
#include "turn/withdrawn.h"

#define ITEMS_MAX 12

static struct arena *arena;

/* "m1" a message, "m1~e:m1" an edit of m1, "m1~r:m1-" a removal of it, "=" a reply; with "#2" behind it: the second edit. */
static struct sv item(struct sv word)
{
    struct sv number = word, about = sv_split(&number, '#'), id = sv_split(&about, ':');
    struct sv said = number.p != NULL ? arena_printf(arena, ",\"edit_number\":%.*s", SV_FMT(number)) : SV("");

    if (sv_eq(word, SV("=")))
        return arena_printf(arena, "{\"role\":\"assistant\",\"content\":\"a reply\",\"timestamp\":1}");
    if (about.p == NULL)
        return arena_printf(arena, "{\"message_id\":\"%.*s\",\"content\":\"x\",\"sender_type\":\"user\",\"metadata\":{\"page_id\":\"1\"%.*s}}", SV_FMT(id), SV_FMT(said));
    bool removes = about.p[about.n - 1] == '-';
    return arena_printf(arena, "{\"message_id\":\"%.*s\",\"content\":\"x\",\"sender_type\":\"user\",\"metadata\":{\"page_id\":\"1\",\"%s\":\"%.*s\"%.*s}}", SV_FMT(id),
                        removes ? "removes" : "edits", (int)(about.n - removes), about.p, SV_FMT(said));
}

static void lists(void)
{
    static const struct {
        int line;
        const char *items, *left;
    } rows[] = {
        { __LINE__, "", "" },
        { __LINE__, "m1", "m1" },
        { __LINE__, "m1 = m2", "m1 = m2" },
        { __LINE__, "m1 e1:m1", "e1:m1" },
        { __LINE__, "m1 m2 e1:m1", "m2 e1:m1" },
        { __LINE__, "m1 e1:m1 e2:m1", "e2:m1" },
        { __LINE__, "m1 e1:m1 m2 e2:m2", "e1:m1 e2:m2" },
        { __LINE__, "e1:m1", "e1:m1" },
        /* what comes behind an edit under the old id came late: nobody knows more of it */
        { __LINE__, "e1:m1 m1", "e1:m1 m1" },
        /* what is counted counts, not what came last */
        { __LINE__, "m1 e1:m1 e2:m1#2", "e2:m1#2" },
        { __LINE__, "m1 e2:m1#2 e1:m1", "e2:m1#2" },
        { __LINE__, "e3:m1#3 m2 e2:m1#2 e1:m1", "e3:m1#3 m2" },
        { __LINE__, "m1#2 e1:m1", "m1#2" },
        { __LINE__, "m1#2 m2 e1:m1 e3:m1#3", "m2 e3:m1#3" },
        { __LINE__, "m1#12 e9:m1#9", "m1#12" },
        { __LINE__, "m1#2 m2#3 e1:m3", "m1#2 m2#3 e1:m3" },
        { __LINE__, "m1#2 = e1:m1", "m1#2 = e1:m1" },
        { __LINE__, "m1#2 e3:m1#3 r1:m1-", "" },
        { __LINE__, "m1 r1:m1-", "" },
        { __LINE__, "m1 m2 r1:m1-", "m2" },
        { __LINE__, "m1 e1:m1 r1:m1-", "" },
        { __LINE__, "m1:m1-", "" },
        { __LINE__, "m1:m1- m2", "m2" },
        /* taken back is taken back, whatever else arrives */
        { __LINE__, "r1:m1- m1", "" },
        { __LINE__, "r1:m1- e1:m1 m2", "m2" },
        { __LINE__, "r1:m9- m1", "m1" },
        /* what was answered stays */
        { __LINE__, "m1 = r1:m1-", "m1 =" },
        { __LINE__, "m1 = e1:m1", "m1 = e1:m1" },
        { __LINE__, "m1 = e1:m1 r1:m1-", "m1 =" },
        { __LINE__, "m1 r1:m1- = m2", "= m2" },
        { __LINE__, "m0 = m1 r1:m1- m2", "m0 = m2" },
        { __LINE__, "m1 = m2 = m3 e1:m3 e2:m1", "m1 = m2 = e1:m3 e2:m1" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sv items[ITEMS_MAX], words[ITEMS_MAX], rest = sv_from(rows[i].items);
        bool left[ITEMS_MAX];
        struct buf got = { 0 };
        size_t n = 0;
        while (rest.n > 0) {
            words[n] = sv_split(&rest, ' ');
            items[n] = item(words[n]);
            n++;
        }
        ok(withdrawn_select(arena, items, n, left), "line %d: selected", rows[i].line);
        for (size_t k = 0; k < n; k++) {
            if (left[k])
                buf_printf(&got, "%s%.*s", got.n > 0 ? " " : "", SV_FMT(words[k]));
        }
        is_sv(got.n > 0 ? buf_sv(&got) : SV(""), sv_from(rows[i].left), "line %d: %s", rows[i].line, rows[i].items);
        buf_fini(&got);
    }
}

/* Ids are compared as what they mean, and what is no id is none. */
static void forms(void)
{
    const struct sv items[] = {
        SV("{\"message_id\":\"m\\u00e9\\\"1\",\"content\":\"x\",\"sender_type\":\"user\"}"),
        SV("{\"message_id\":\"e1\",\"content\":\"x\",\"sender_type\":\"user\",\"metadata\":{\"edits\":\"m\xC3\xA9\\u00221\"}}"),
        SV("{\"message_id\":\"e2\",\"content\":\"x\",\"sender_type\":\"user\",\"metadata\":{\"edits\":17,\"removes\":null}}"),
        SV("{\"message_id\":\"e3\",\"content\":\"x\",\"sender_type\":\"user\",\"metadata\":{\"removes\":{\"e2\":\"e2\"}}}"),
        SV("{\"message_id\":\"e4\",\"content\":\"{\\\"metadata\\\":{\\\"removes\\\":\\\"e1\\\"}}\",\"sender_type\":\"user\"}"),
    };
    bool left[ARRAY_LEN(items)];

    ok(withdrawn_select(arena, items, ARRAY_LEN(items), left), "odd forms");
    ok(!left[0] && left[1], "escapes are the same id");
    ok(left[2] && left[3] && left[4], "what is no string, or stands elsewhere, is about nothing");
    struct arena *small = arena_new(64, 64);
    ok(!withdrawn_select(small, items, ARRAY_LEN(items), left), "without memory nothing is said");
    arena_free(small);
}

int main(void)
{
    arena = arena_new(0, 1u << 20);
    lists();
    forms();
    arena_free(arena);
    return done_testing();
}
