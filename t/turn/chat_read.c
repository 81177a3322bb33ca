/* SPDX-License-Identifier: MIT
 * Tests of src/turn/chat_page.c, chat_find.c, chat_one.c and chat_list.c: what a user and an administrator read while messages wait, are archived,
 * are forgotten; with one of the two sources away; and who may read what. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/clock.h"
#include "t/tap.h"
#include "t/turn/chat_rig.h"

static char file[64];
static int64_t base_ms; /* a minute ago */

static void say_three(struct chat_rig *c)
{
    base_ms = clock_wall_ms() - 60000;
    chat_say(c, "u1", "s1", "m1", "one", base_ms + 1000);
    chat_say(c, "u1", "s1", "m2", "two \"quoted\"", base_ms + 3000);
    chat_say(c, "u1", "s1", "m3", "three", base_ms + 2000); /* older than the one before it */
}

static json_t *messages_of(const struct asked *q)
{
    return json_incref(json_object_get(q->result, "messages"));
}

/* The same text, whoever has it. */
static void where_it_stands(void)
{
    struct chat_rig c, other;
    struct asked q = { 0 };
    struct chat_page p = chat_page_of("u1", "u1", "s1", 1, 0);
    char time[25];

    chat_open(&c, file, 0);
    say_three(&c);
    ask_page(&c, &p, &q);
    is_int(q.http_status, 200, "right after the answers");
    is_str(page_text(&q), "m1=answer 1 m3=answer 3 m2=answer 2", "all are there, oldest first");
    is_int(asked_int(&q, "totalCount") * 100 + asked_int(&q, "currentPage") * 10 + asked_int(&q, "totalPages"), 311, "counted");
    is_str(asked_str(&q, "sessionInfo/userId"), "u1", "whose it is");
    is_int(asked_int(&q, "sessionInfo/messageCount"), 3, "and how many");
    is_str(asked_str(&q, "sessionInfo/status"), "active", "and how it is");
    clock_format(base_ms + 1000, time);
    is_str(asked_str(&q, "messages/0/timestamp"), time, "the time that is shown");
    is_str(asked_str(&q, "messages/2/userMessage"), "two \"quoted\"", "the text");
    is_str(asked_str(&q, "messages/2/status"), "completed", "the outcome");
    is_str(asked_str(&q, "messages/2/userId"), "u1", "who wrote it");
    is_str(chat_cache, "", "no word of where it stands");
    json_t *recent = messages_of(&q);

    chat_write_archive(&c);
    ask_page(&c, &p, &q);
    json_t *both = messages_of(&q);
    ok(json_equal(recent, both), "the same when the archive has it, too");
    is_int(asked_int(&q, "totalCount"), 3, "each once");

    chat_open(&other, file, 0); /* with an empty store */
    ask_page(&other, &p, &q);
    json_t *archived = messages_of(&q);
    ok(json_equal(recent, archived), "the same when only the archive has it");
    is_int(asked_int(&q, "totalCount"), 3, "and as many");
    is_int(asked_int(&q, "sessionInfo/messageCount"), 3, "so does the session say");
    is_str(chat_cache, "", "the store was asked");
    chat_close(&other);

    chat_open(&other, file, 1);
    ask_page(&other, &p, &q);
    json_t *alone = messages_of(&q);
    ok(json_equal(recent, alone), "the same without a store");
    is_str(chat_cache, "BYPASS", "which is said");
    chat_close(&other);

    c.gate.away = true;
    ask_page(&c, &p, &q);
    json_t *without = messages_of(&q);
    ok(json_equal(recent, without), "the same without the archive");
    chat_close(&c);
    json_decref(recent);
    json_decref(both);
    json_decref(archived);
    json_decref(alone);
    json_decref(without);
    asked_forget(&q);
}

/* From the moment it is accepted. */
static void waiting(void)
{
    struct chat_rig c;
    struct asked q = { 0 };
    struct chat_page p = chat_page_of("u1", "u1", "s2", 1, 2);

    chat_open(&c, file, 0);
    chat_say(&c, "u1", "s2", "a", "first", clock_wall_ms() - 5000);
    chat_write_archive(&c);
    c.r.ai.hold = true;
    chat_say(&c, "u1", "s2", "b", "second", clock_wall_ms() - 4000);
    ask_page(&c, &p, &q);
    is_str(page_text(&q), "a=answer 1 b", "a message whose turn runs has no answer yet");
    is_str(asked_str(&q, "messages/1/status"), "received", "and that status");
    is_int(asked_int(&q, "sessionInfo/messageCount"), 2, "it counts");
    chat_say(&c, "u1", "s2", "c", "third", clock_wall_ms() - 3000);
    ask_page(&c, &p, &q);
    is_str(page_text(&q), "b c", "the next one waits for it");
    is_int(asked_int(&q, "totalCount") * 10 + asked_int(&q, "totalPages"), 32, "all are counted");
    p.page = 2;
    ask_page(&c, &p, &q);
    is_str(page_text(&q), "a=answer 1", "and are before what is older");
    c.gate.away = true;
    ask_page(&c, &p, &q);
    is_str(page_text(&q), "a=answer 1", "also without the archive");
    c.gate.away = false;
    p.page = 3;
    ask_page(&c, &p, &q);
    is_int(q.http_status, 404, "behind the last page there is nothing");
    is_str(q.code, "history_not_found", "which has a name");
    c.r.ai.hold = false;
    rig_ai_release(&c.r);
    rig_settle(&c.r);
    rig_visit(&c.r, "s2");
    chat_close(&c);
    asked_forget(&q);
}

/* ---- who may ---- */

static void rights(void)
{
    static const struct { const char *by, *user, *session; int status; const char *code; } pages[] = {
        { "u1", "u1", "s1", 200, "" },
        { "u2", "u1", "s1", 403, "forbidden" },      /* another's */
        { "u2", "u2", "s1", 403, "forbidden" },      /* another's under his own name */
        { "u1", "u2", "s1", 403, "forbidden" },
        { "u1", "u1", "nowhere", 403, "forbidden" }, /* no such session */
        { "u1", "u1", "nobodys", 403, "forbidden" }, /* nobody has written there so far */
        { NULL, "u1", "s1", 200, "" },
        { NULL, "u2", "s1", 404, "history_not_found" },
        { NULL, "u1", "nowhere", 404, "history_not_found" },
        { NULL, "u1", "nobodys", 404, "history_not_found" },
    };
    static const struct { const char *by, *session; int status; const char *code; } sessions[] = {
        { "u1", "s1", 200, "" },
        { "u2", "s1", 403, "forbidden" },
        { "u1", "nowhere", 403, "forbidden" },
        { "u1", "nobodys", 403, "forbidden" },
        { NULL, "s1", 200, "" },
        { NULL, "nobodys", 200, "" },
        { NULL, "nowhere", 404, "session_not_found" },
    };
    struct chat_rig c;
    struct asked q = { 0 };
    struct rig_answer sent;

    chat_open(&c, file, 0);
    rig_send(&c.r, "nobodys", "x1", "a person writes first", "agent", &sent);
    if (!rig_until(&c.r, &sent))
        bail_out("no answer");
    rig_forget(&sent);
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        struct chat_page p = chat_page_of(pages[i].by, pages[i].user, pages[i].session, 1, 0);
        ask_page(&c, &p, &q);
        is_int(q.http_status, pages[i].status, "page %zu", i);
        is_str(q.code, pages[i].code, "its code");
    }
    for (size_t i = 0; i < ARRAY_LEN(sessions); i++) {
        ask_session(&c, sessions[i].by, sessions[i].session, &q);
        is_int(q.http_status, sessions[i].status, "session %zu", i);
        is_str(q.code, sessions[i].code, "its code");
        ask_archive(&c, sessions[i].by, sessions[i].session, &q);
        is_int(q.http_status, sessions[i].status, "putting it away");
        is_str(q.code, sessions[i].code, "its code");
    }
    ask_sessions(&c, "u2", "u1", &q);
    is_int(q.http_status, 403, "another's sessions");
    ask_sessions(&c, "u2", "u2", &q);
    is_int(q.http_status, 200, "a user without sessions");
    is_int(json_array_size(q.result), 0, "has an empty list");
    ask_sessions(&c, NULL, "u1", &q);
    is_int(json_array_size(q.result), 2, "an administrator sees all of a user's");

    c.gate.away = true; /* it may be there, and his */
    ask_session(&c, "u1", "nowhere", &q);
    is_int(q.http_status, 503, "without the archive nobody knows");
    is_str(q.code, "archive_unavailable", "which is said");
    ask_session(&c, NULL, "nowhere", &q);
    is_int(q.http_status, 503, "not even an administrator");
    chat_close(&c);
    asked_forget(&q);
}

/* ---- pages ---- */

static void filters(void)
{
    struct chat_rig c;
    struct asked q = { 0 };
    struct chat_page p = chat_page_of("u1", "u1", "s1", 1, 0);

    chat_open(&c, file, 0);
    p.from_ms = base_ms + 2000;
    ask_page(&c, &p, &q);
    is_str(page_text(&q), "m3=answer 3 m2=answer 2", "from a time on, it among them");
    is_int(asked_int(&q, "totalCount"), 2, "counted after the filter");
    is_int(asked_int(&q, "sessionInfo/messageCount"), 3, "the session's number is not");
    p.to_ms = base_ms + 2000;
    ask_page(&c, &p, &q);
    is_str(page_text(&q), "m3=answer 3", "up to a time");
    p.from_ms = p.to_ms = base_ms + 2001;
    ask_page(&c, &p, &q);
    is_int(q.http_status, 404, "nothing is 404");
    is_str(q.code, "history_not_found", "as an empty history is");
    chat_close(&c);
    asked_forget(&q);
}

static const char *next_cursor(struct asked *q)
{
    static char cursor[80];
    const char *text = json_string_value(json_object_get(q->result, "nextCursor"));

    (void)snprintf(cursor, sizeof(cursor), "%s", text != NULL ? text : "");
    return cursor;
}

/* While messages come and are archived. */
static void walking(void)
{
    struct chat_rig c;
    struct asked q = { 0 };
    struct chat_page p = chat_page_of("u1", "u1", "s3", 1, 2);
    const int64_t at_ms = clock_wall_ms() - 100000;
    char seen[400] = "";
    size_t pages = 0;

    chat_open(&c, file, 0);
    for (int i = 1; i <= 7; i++) {
        char id[8];
        (void)snprintf(id, sizeof(id), "w%d", i);
        chat_say(&c, "u1", "s3", id, "walk", at_ms + i / 2 * 1000); /* two of each time */
        if (i == 3)
            chat_write_archive(&c);
    }
    p.by_cursor = true;
    p.cursor = SV("");
    do {
        ask_page(&c, &p, &q);
        for (size_t i = asked_count(&q, "messages"); i > 0; i--) {
            char path[40];
            (void)snprintf(path, sizeof(path), "messages/%zu/messageId", i - 1);
            (void)snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s ", asked_str(&q, path));
        }
        p.cursor = sv_from(next_cursor(&q));
        if (++pages == 1)
            chat_write_archive(&c);
        char id[8];
        (void)snprintf(id, sizeof(id), "n%zu", pages);
        chat_say(&c, "u1", "s3", id, "new", at_ms + 50000);
    } while (p.cursor.n > 0 && pages < 10);
    is_str(seen, "w7 w6 w5 w4 w3 w2 w1 ", "each that was there once, newest first");
    is_int(pages, 4, "in as many pages as it takes");
    ok(json_object_get(q.result, "totalCount") == NULL && json_object_get(q.result, "currentPage") == NULL, "which have no number");
    p = chat_page_of("u1", "u1", "s3", 1, 4);
    ask_page(&c, &p, &q);
    p = chat_page_of("u1", "u1", "s1", 1, 2);
    p.by_cursor = true;
    p.cursor = sv_from(next_cursor(&q));
    ok(p.cursor.n > 0, "a numbered page has a cursor, too");
    ask_page(&c, &p, &q);
    is_int(q.http_status, 422, "which is none of another session");
    p.cursor = SV("nonsense");
    ask_page(&c, &p, &q);
    is_int(q.http_status, 422, "nor is any other text");
    chat_close(&c);
    asked_forget(&q);
}

/* More than one would think is not archived: the archive is asked a second time. */
static void unarchived(void)
{
    struct chat_rig c;
    struct asked q = { 0 };
    struct chat_page p = chat_page_of("u1", "u1", "s4", 2, 2);
    const int64_t now_ms = clock_wall_ms();

    chat_open(&c, file, 0);
    clock_fake(now_ms - 60000); /* they were received a minute ago */
    for (int i = 1; i <= 6; i++) {
        char id[8];
        (void)snprintf(id, sizeof(id), "o%d", i);
        chat_say(&c, "u1", "s4", id, "old", now_ms - 100000 + i * 1000);
        if (i == 2) {
            clock_real();
            chat_write_archive(&c);
            clock_fake(now_ms - 60000);
        }
    }
    clock_real();
    ask_page(&c, &p, &q);
    is_str(page_text(&q), "o3=answer 3 o4=answer 4", "a page of what has waited for the archive for long");
    p.page = 3;
    ask_page(&c, &p, &q);
    is_str(page_text(&q), "o1=answer 1 o2=answer 2", "and the page behind it");
    is_int(asked_int(&q, "totalCount"), 6, "of all there are");

    struct turns_change change = { .policy = rig_policy, .bot_name = "Default Bot", .context_max = 40, .retention_ms = 30000 };
    turns_set(c.r.turns, &change);
    p.page = 1;
    ask_page(&c, &p, &q);
    is_str(page_text(&q), "o1=answer 1 o2=answer 2", "what is past its retention is not shown from the store");
    chat_close(&c);
    asked_forget(&q);
}

/* The store keeps the last thousand, and lets go of those before them whether or not the archive has them. */
static void more_than_the_store_keeps(void)
{
    struct chat_rig c;
    struct asked q = { 0 };
    struct chat_page p = chat_page_of("u9", "u9", "long", 1, 5);
    char id[16];

    chat_open(&c, file, 0);
    base_ms = clock_wall_ms() - 60000;
    for (int i = 0; i < 1005; i++) {
        (void)snprintf(id, sizeof(id), "m%d", i);
        chat_say(&c, "u9", "long", id, "text", base_ms + i);
    }
    ask_page(&c, &p, &q);
    is_int(q.http_status, 503, "a page that would miss what is on its way to the archive is none");
    is_str(q.code, "archive_behind", "and says so");
    chat_write_archive(&c);
    ask_page(&c, &p, &q);
    is_int(q.http_status, 200, "once it is there, it is");
    is_int(asked_int(&q, "totalCount"), 1005, "and all are counted");
    chat_close(&c);
    asked_forget(&q);
}

/* ---- sessions ---- */

static void listing(void)
{
    struct chat_rig c;
    struct asked q = { 0 };

    chat_open(&c, file, 0);
    chat_say(&c, "lister", "l1", "a", "x", clock_wall_ms());
    chat_say(&c, "lister", "l1", "b", "x", clock_wall_ms());
    chat_write_archive(&c);
    usleep(5000);
    chat_say(&c, "lister", "l2", "a", "x", clock_wall_ms());
    ask_sessions(&c, "lister", "lister", &q);
    is_int(json_array_size(q.result), 2, "one is archived, one is not yet");
    is_str(asked_str(&q, "0/sessionId"), "l2", "the newest activity first");
    is_int(asked_int(&q, "1/messageCount"), 2, "each once");
    is_str(asked_str(&q, "1/userId"), "lister", "with its user");

    ask_archive(&c, "lister", "l1", &q);
    is_str(asked_str(&q, "message"), "Session archived successfully", "put away");
    is_str(asked_str(&q, "session/status"), "archived", "as is said");
    ask_session(&c, "lister", "l1", &q);
    is_str(asked_str(&q, "status"), "archived", "and read");
    ask_archive(&c, "lister", "l1", &q);
    is_int(q.http_status, 200, "twice is as good as once");
    c.gate.away = true;
    ask_sessions(&c, "lister", "lister", &q);
    is_int(json_array_size(q.result), 2, "without the archive the recent ones are told");
    is_str(asked_str(&q, "1/status"), "archived", "as they are");
    ask_sessions(&c, "u2", "u2", &q);
    is_int(q.http_status, 503, "that somebody has none is not known then");
    c.gate.away = false;
    chat_write_archive(&c);
    chat_close(&c);

    chat_open(&c, file, 1);
    ask_sessions(&c, "lister", "lister", &q);
    is_int(json_array_size(q.result), 2, "without the store the archived ones are told");
    is_str(chat_cache, "BYPASS", "which is said");
    is_str(asked_str(&q, "0/sessionId"), "l2", "in the same order");
    is_int(asked_int(&q, "1/messageCount"), 2, "with the same numbers");
    chat_close(&c);

    chat_open(&c, file, 0); /* the store has forgotten them */
    ask_session(&c, "lister", "l1", &q);
    is_int(asked_int(&q, "messageCount"), 2, "a forgotten one is read from the archive");
    chat_say(&c, "lister", "l1", "c", "again", clock_wall_ms());
    ask_session(&c, "lister", "l1", &q);
    is_int(asked_int(&q, "messageCount"), 3, "and counts on when it comes back");
    is_str(asked_str(&q, "status"), "active", "open again");
    struct chat_page p = chat_page_of("lister", "lister", "l1", 1, 0);
    ask_page(&c, &p, &q);
    is_str(page_text(&q), "a=answer 1 b=answer 2 c=answer 1", "with all that was said");
    c.gate.away = true;
    ask_page(&c, &p, &q);
    is_int(q.http_status, 503, "which the store alone does not have, and does not pretend to");
    chat_close(&c);
    asked_forget(&q);
}

/* ---- neither, and only one at all ---- */

static void nothing_there(void)
{
    struct chat_rig c;
    struct asked q = { 0 };
    struct chat_page p = chat_page_of("u1", "u1", "s1", 1, 0);

    chat_open(&c, file, 1);
    c.gate.away = true;
    ask_page(&c, &p, &q);
    is_int(q.http_status, 503, "without both there is no page");
    is_str(q.code, "store_unavailable", "by its name");
    chat_close(&c);
    chat_open(&c, file, 1);
    c.gate.away = true;
    ask_sessions(&c, "u1", "u1", &q);
    is_int(q.http_status, 503, "and no list");
    chat_close(&c);

    chat_open(&c, NULL, 0);
    ask_page(&c, &p, &q);
    is_int(q.http_status, 403, "where there is no archive the store says what there is");
    ask_sessions(&c, "u1", "u1", &q);
    is_int(q.http_status, 200, "also that there is nothing");
    say_three(&c);
    ask_page(&c, &p, &q);
    is_str(page_text(&q), "m1=answer 1 m3=answer 3 m2=answer 2", "and has all of it");
    ask_sessions(&c, "u1", "u1", &q);
    is_int(json_array_size(q.result), 1, "and lists it");
    chat_close(&c);
    asked_forget(&q);
}

int main(void)
{
    chat_file_make(file);
    where_it_stands();
    waiting();
    rights();
    filters();
    walking();
    unarchived();
    more_than_the_store_keeps();
    listing();
    nothing_there();
    chat_file_remove(file);
    return done_testing();
}
