/* SPDX-License-Identifier: MIT
 * Tests of src/turn/chat_figures.c and chat_preferences.c: figures of days from the store, from its copy in the archive, and from both; preferences,
 * which are never old. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "store/store_history.h"
#include "t/tap.h"
#include "t/turn/chat_rig.h"

static char file[64];

static void put_done(void *arg, enum archive_status status)
{
    *(int *)arg = status == ARCHIVE_DONE ? 1 : 2;
}

/* As the daemon copies them. */
static void put_figures(struct chat_rig *c, const struct archive_figure *list, size_t n)
{
    int done = 0;

    archive_figures_put(c->gate.real, list, n, clock_wall_ms(), put_done, &done);
    for (int i = 0; i < 50000 && done == 0; i++)
        loop_turn(c->r.loop, true);
    if (done != 1)
        bail_out("figures cannot be written");
}

#define FIGURE(day, metric, value) { { day, sizeof(day) - 1 }, { metric, sizeof(metric) - 1 }, value }

static void days(void)
{
    static const struct archive_figure old[] = {
        FIGURE("2024-01-01", "total_messages", 10), FIGURE("2024-01-01", "user_a_messages", 7), FIGURE("2024-01-01", "user_\"b\"_messages", 3),
        FIGURE("2024-01-01", "ai_responses", 9), FIGURE("2024-01-01", "ai_calls", 4), FIGURE("2024-01-01", "ai_time_ms", 1003),
        FIGURE("2024-01-03", "total_messages", 5), FIGURE("2024-01-03", "erased_users_messages", 2), FIGURE("2024-01-03", "ai_calls", 6),
        FIGURE("2024-01-03", "ai_time_ms", 1000), FIGURE("2024-01-03", "restarted_turns", 1),
    };
    struct chat_rig c;
    struct asked q = { 0 };

    chat_open(&c, file, 0);
    put_figures(&c, old, ARRAY_LEN(old));
    ask_figures(&c, "2024-01-01", NULL, &q);
    is_int(q.http_status, 200, "a day of long ago");
    is_str(asked_str(&q, "date"), "2024-01-01", "which one");
    is_int(asked_int(&q, "total_messages"), 10, "its figures");
    is_int(asked_int(&q, "user_a_messages"), 7, "those of a user");
    is_int(asked_int(&q, "user_\"b\"_messages"), 3, "whatever he is called");
    is_int(asked_int(&q, "completed_turns"), 0, "what was not counted is 0");
    ok(json_real_value(json_object_get(q.result, "mean_ai_time_ms")) > 250.7 && json_real_value(json_object_get(q.result, "mean_ai_time_ms")) < 250.9,
       "the mean of the AI's time");
    ok(json_object_get(q.result, "ai_calls") == NULL && json_object_get(q.result, "ai_time_ms") == NULL, "not what it is made of");
    ask_figures(&c, "2023-12-31", NULL, &q);
    is_int(q.http_status, 200, "a day without anything");
    is_int(asked_int(&q, "total_messages"), 0, "is all 0");
    ok(json_is_null(json_object_get(q.result, "mean_ai_time_ms")), "and has no mean");

    ask_figures(&c, "2023-12-31", "2024-01-03", &q);
    is_int(asked_count(&q, "days"), 4, "each day of a range, those of nothing, too");
    is_str(asked_str(&q, "days/2/date"), "2024-01-02", "in their order");
    is_int(asked_int(&q, "days/1/total_messages") + 100 * asked_int(&q, "days/3/total_messages"), 510, "each with its own");
    ok(json_object_get(json_array_get(json_object_get(q.result, "days"), 1), "user_a_messages") == NULL, "without single users");
    is_int(asked_int(&q, "total/total_messages"), 15, "the total");
    is_int(asked_int(&q, "total/erased_users_messages"), 2, "of those who were erased, too");
    ok(json_real_value(json_object_get(json_object_get(q.result, "total"), "mean_ai_time_ms")) > 200.2, "and the mean over all of them");
    ask_figures(&c, "today", NULL, &q);
    is_int(q.http_status, 422, "a day that is none");
    c.gate.away = true;
    ask_figures(&c, "2024-01-01", NULL, &q);
    is_int(q.http_status, 503, "without the archive an old day is not known");
    ask_figures(&c, "2023-12-31", "2024-01-03", &q);
    is_int(q.http_status, 503, "nor is a range");
    chat_close(&c);
    asked_forget(&q);
}

static void today(void)
{
    struct chat_rig c;
    struct asked q = { 0 };
    char day[25];
    int64_t now_ms = clock_wall_ms();

    clock_format(now_ms, day);
    day[10] = '\0';
    chat_open(&c, file, 0);
    chat_say(&c, "u1", "s1", "a", "x", now_ms);
    chat_say(&c, "u1", "s1", "b", "x", now_ms);
    chat_say(&c, "u2", "s2", "a", "x", now_ms);
    ask_figures(&c, day, NULL, &q);
    is_int(asked_int(&q, "total_messages") * 100 + asked_int(&q, "ai_responses") * 10 + asked_int(&q, "completed_turns"), 333, "counted as it happens");
    is_int(asked_int(&q, "user_u1_messages") * 10 + asked_int(&q, "user_u2_messages"), 21, "of each user");
    ask_figures(&c, day, day, &q);
    is_int(asked_int(&q, "total/total_messages"), 3, "a range that ends today, the same");
    c.gate.away = true;
    ask_figures(&c, day, NULL, &q);
    is_int(asked_int(&q, "total_messages"), 3, "without the archive, too");
    c.gate.away = false;

    const struct archive_figure copy[] = { { sv_from(day), SV("total_messages"), 50 }, { sv_from(day), SV("user_u1_messages"), 1 } };
    put_figures(&c, copy, ARRAY_LEN(copy));
    ask_figures(&c, day, NULL, &q);
    is_int(asked_int(&q, "total_messages"), 50, "figures only grow: the greater one is right");
    is_int(asked_int(&q, "user_u1_messages"), 2, "wherever it is");
    chat_close(&c);
    chat_open(&c, file, 1);
    ask_figures(&c, day, NULL, &q);
    is_int(asked_int(&q, "total_messages"), 50, "without the store: the copy");
    is_str(chat_cache, "BYPASS", "which is said");
    chat_close(&c);
    asked_forget(&q);
}

static const char *text_of(const struct asked *q)
{
    static char text[200];
    char *all = json_dumps(q->result, JSON_COMPACT | JSON_SORT_KEYS);

    (void)snprintf(text, sizeof(text), "%s", all != NULL ? all : "(none)");
    free(all);
    return text;
}

static void preferences(void)
{
    static const char *const two[] = { "theme", "dark", "ng\xC3\xB4n ng\xE1\xBB\xAF", "vi \"x\"", NULL }, *const one[] = { "theme", "light", NULL },
                             *const none[] = { NULL };
    struct chat_rig c;
    struct asked q = { 0 };

    chat_open(&c, file, 0);
    ask_preferences(&c, "u1", "u1", &q);
    is_str(text_of(&q), "{}", "none so far");
    put_preferences(&c, "u1", "u1", two, &q);
    is_str(text_of(&q), "{\"ng\xC3\xB4n ng\xE1\xBB\xAF\":\"vi \\\"x\\\"\",\"theme\":\"dark\"}", "what is put is the answer");
    ask_preferences(&c, "u1", "u1", &q);
    is_int(json_object_size(q.result), 2, "and is read");
    put_preferences(&c, "u2", "u1", one, &q);
    is_int(q.http_status, 403, "another's are not put");
    ask_preferences(&c, "u2", "u1", &q);
    is_int(q.http_status, 403, "nor read");
    put_preferences(&c, NULL, "u1", one, &q);
    is_str(text_of(&q), "{\"theme\":\"light\"}", "an administrator may; what is not said is gone");
    c.gate.away = true;
    ask_preferences(&c, "u1", "u1", &q);
    is_str(text_of(&q), "{\"theme\":\"light\"}", "without the archive there is a copy");
    put_preferences(&c, "u1", "u1", two, &q);
    is_int(q.http_status, 503, "but nothing is put");
    ask_preferences(&c, "u1", "u1", &q);
    is_int(q.http_status, 503, "and after that try, which may have been made, the copy is not believed");
    c.gate.away = false;
    ask_preferences(&c, "u1", "u1", &q);
    is_str(text_of(&q), "{\"theme\":\"light\"}", "the archive knows");
    put_preferences(&c, "u1", "u1", none, &q);
    is_str(text_of(&q), "{}", "nothing is put: all are removed");
    ask_preferences(&c, "u1", "u1", &q);
    is_str(text_of(&q), "{}", "and stay so");
    chat_close(&c);

    chat_open(&c, file, 1);
    put_preferences(&c, "u1", "u1", two, &q);
    is_int(q.http_status, 503, "without the store nothing is put: its copy would be old");
    ask_preferences(&c, "u1", "u1", &q);
    is_str(text_of(&q), "{}", "and nothing was");
    chat_close(&c);

    chat_open(&c, NULL, 0);
    put_preferences(&c, "u1", "u1", one, &q);
    ask_preferences(&c, "u1", "u1", &q);
    is_str(text_of(&q), "{\"theme\":\"light\"}", "where there is no archive the store has them alone");
    chat_close(&c);
    asked_forget(&q);
}

int main(void)
{
    chat_file_make(file);
    days();
    today();
    preferences();
    chat_file_remove(file);
    return done_testing();
}
