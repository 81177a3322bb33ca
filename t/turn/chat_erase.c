/* SPDX-License-Identifier: MIT
 * Tests of src/turn/chat_erase.c, chat_erase_user.c, erase_session.c and erase_letters.c: what is gone, what a turn that runs hears of it, what may be
 * written anew, who may ask, and what a store or an archive that fails in between leaves to be asked for again. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "t/tap.h"
#include "t/turn/chat_rig.h"
#include "t/turn/history_ask.h"

static char file[64];

static void fresh_file(void)
{
    chat_file_remove(file);
    chat_file_make(file);
}

/* ---- asking without waiting ---- */

static void noted(void *arg, const struct control_answer *a)
{
    *(int *)arg = a->http_status;
}

static void begin_erasing(struct chat_rig *c, const char *user, const char *session, int *status)
{
    const struct chat_who who = chat_by(NULL);

    *status = 0;
    chat_erase(c->r.turns, &who, sv_from(user), sv_from(session), noted, status);
}

static void wait_status(struct chat_rig *c, const int *status)
{
    for (int i = 0; i < 20000 && *status == 0; i++) {
        loop_turn(c->r.loop, false);
        if (i > 300)
            usleep(100);
    }
    if (*status == 0)
        bail_out("an erasure gets no answer");
}

/* ---- looking ---- */

static void send_one(struct chat_rig *c, const char *session, const char *id, const char *text, struct rig_answer *a)
{
    rig_send(&c->r, session, id, text, "user", a);
    if (!rig_until(&c->r, a))
        bail_out("a message gets no answer");
}

static void is_answer(const struct rig_answer *a, const char *want, const char *name)
{
    char text[200];

    (void)snprintf(text, sizeof(text), "%d %s/%s replayed:%d", a->http_status, rig_str(a, "status"), rig_str(a, "reason"),
                   json_bool(a->result, "replayed", false));
    is_str(text, want, "%s", name);
}

static void is_again(struct chat_rig *c, const char *session, const char *id, const char *name)
{
    struct rig_answer a;

    send_one(c, session, id, "whatever it was", &a);
    is_answer(&a, "200 cancelled/erased replayed:1", name);
    is_str(rig_str(&a, "message_id"), id, "with its id");
    rig_forget(&a);
}

/* How many items of the queue are no erasure's; those are taken for good. */
static size_t items_left(struct chat_rig *c)
{
    size_t n = history_items(&c->r), other = 0;

    for (size_t i = 0; i < n; i++)
        other += !sv_eq(json_raw_member(sv_from(history_item(i)), "type"), SV("\"erase\""));
    return other;
}

/* ---- one session ---- */

static void all_of_it(void)
{
    struct chat_rig c;
    struct asked q = { 0 };
    struct rig_answer a;
    char id[64];

    fresh_file();
    chat_open(&c, file, 0);
    chat_say(&c, "customer", "s1", "m1", "my canary", clock_wall_ms());
    chat_write_archive(&c);
    chat_say(&c, "customer", "s1", "m2", "my canary again", clock_wall_ms());
    chat_say(&c, "customer", "s2", "m1", "another session", clock_wall_ms());
    ask_erase(&c, "customer", "customer", "s1", &q);
    is_int(q.http_status, 200, "it is erased");
    is_str(asked_str(&q, "message"), "Chat history deleted successfully", "in the words of the published interface");
    is_str(asked_str(&q, "receipt/subject"), "session", "a receipt of what");
    ok(asked_int(&q, "receipt/store/messages") >= 4, "how much the store had");
    is_int(asked_int(&q, "receipt/archive/messages"), 1, "and the archive");
    (void)snprintf(id, sizeof(id), "%s", asked_str(&q, "receipt/id"));
    is_int(strlen(id), 36, "and under which id it is kept");
    is_str(history_entries(&c.r, "s1", "customer"), "", "no entry is left");
    is_str(history_context(&c.r, "s1"), "", "no context");
    is_str(history_field(&c.r, "s1", "userId"), "(none)", "no field");
    is_str(history_entries(&c.r, "s2", "customer"), "m1:completed=answer 3", "the other session stays");
    is_again(&c, "s1", "m1", "a message that the archive had");
    is_again(&c, "s1", "m2", "one that it had not");
    is_int(c.r.ai.calls, 3, "nobody is asked about them");

    ask_session(&c, "customer", "s1", &q);
    is_int(q.http_status, 403, "its user is told what he is told of every unknown session");
    ask_session(&c, NULL, "s1", &q);
    is_int(q.http_status, 404, "an administrator that there is none");
    ask_erase(&c, NULL, "customer", "s1", &q);
    is_int(q.http_status, 200, "who may have it erased again");
    ask_erase(&c, "customer", "customer", "s1", &q);
    is_int(q.http_status, 403, "its user needs not");

    send_one(&c, "s1", "m3", "anew", &a);
    is_answer(&a, "200 completed/(none) replayed:0", "who writes anew is answered");
    rig_forget(&a);
    is_str(c.r.ai.seen, "user:anew|", "without a word of what was before");
    is_str(history_context(&c.r, "s1"), "m3:user=anew -:assistant=answer 4", "which stays out of the context");
    chat_write_archive(&c);
    struct chat_page p = chat_page_of("customer", "customer", "s1", 1, 0);
    ask_page(&c, &p, &q);
    is_str(page_text(&q), "m3=answer 4", "and out of the history, when all that waited is written");
    is_int(asked_int(&q, "totalCount"), 1, "which counts what was written since");
    is_int(asked_int(&q, "sessionInfo/messageCount"), 1, "as the session does");
    asked_forget(&q);
    chat_close(&c);
}

static void who_may(void)
{
    struct chat_rig c;
    struct asked q = { 0 };

    fresh_file();
    chat_open(&c, file, 0);
    chat_say(&c, "customer", "s1", "m1", "text", clock_wall_ms());
    ask_erase(&c, "other", "customer", "s1", &q);
    is_int(q.http_status, 403, "not for another user");
    ask_erase(&c, "other", "other", "s1", &q);
    is_int(q.http_status, 403, "nor under his own name");
    ask_erase(&c, "other", "other", "unknown", &q);
    is_int(q.http_status, 403, "nor one that is not there");
    ask_erase(&c, "other", "customer", NULL, &q);
    is_int(q.http_status, 403, "nor all of another user");
    ask_erase(&c, NULL, "other", "s1", &q);
    is_int(q.http_status, 404, "an administrator has to know whose it is");
    ask_erase(&c, NULL, "customer", "unknown", &q);
    is_int(q.http_status, 404, "and that it is there");
    is_str(q.code, "session_not_found", "which is said");
    is_str(history_entries(&c.r, "s1", "customer"), "m1:completed=answer 1", "nothing is gone");
    ask_erase(&c, "other", "other", NULL, &q);
    is_int(q.http_status, 200, "who has nothing may have it erased");
    is_int(asked_int(&q, "receipt/sessions"), 0, "which says so");
    asked_forget(&q);
    chat_close(&c);
}

/* Marks have a time to live: what was written before that, and comes again after the erasure, is not known to anybody any more. */
static void long_ago(void)
{
    struct chat_rig c;
    struct asked q = { 0 };
    int64_t then_ms = clock_wall_ms() - 4 * 86400 * INT64_C(1000);
    int status = 0;

    fresh_file();
    chat_open(&c, file, 0);
    chat_say(&c, "customer", "s1", "m1", "new", clock_wall_ms());
    chat_write_archive(&c);
    ask_erase(&c, "customer", "customer", "s1", &q);
    chat_say(&c, "customer", "s1", "old", "my canary", then_ms);
    is_int(c.r.ai.calls, 1, "what was said long before the erasure is answered as what was erased");
    struct chat_exchange told = { .message_id = SV("told"), .user_id = SV("customer"), .session_id = SV("s1"), .user_message = SV("my canary"),
                                  .ai_response = SV("yes"), .timestamp_ms = then_ms, .metadata = SV_NONE };
    chat_sync(c.r.turns, &told, 1, false, noted, &status);
    wait_status(&c, &status);
    is_int(status, 200, "told of again it is a duplicate");
    is_str(history_entries(&c.r, "s1", "customer"), "", "nothing comes back");
    chat_say(&c, "customer", "s2", "old", "text", then_ms);
    is_int(c.r.ai.calls, 2, "where nothing was erased a late one is a message like any other");
    asked_forget(&q);
    chat_close(&c);
}

/* ---- a turn that runs ---- */

static void while_the_ai_thinks(void)
{
    struct chat_rig c;
    struct rig_answer a, b, late;
    int status;

    fresh_file();
    chat_open(&c, file, 0);
    c.r.ai.hold = true;
    rig_send(&c.r, "s1", "m1", "canary", "user", &a);
    rig_settle(&c.r);
    rig_send(&c.r, "s1", "m2", "newer", "user", &b);
    rig_settle(&c.r);
    is_str(rig_str(&b, "status"), "locked", "one runs, one waits");
    rig_forget(&b);
    begin_erasing(&c, "customer", "s1", &status);
    wait_status(&c, &status);
    is_int(status, 200, "it is erased");
    ok(rig_until(&c.r, &a), "its client is answered");
    is_answer(&a, "200 cancelled/erased replayed:0", "that the turn is over");
    rig_forget(&a);
    is_int(c.r.ai.aborted, 1, "the AI is not waited for");
    rig_settle(&c.r);
    is_int(c.r.platform.sent, 0, "nothing is sent");
    is_int(turns_running(c.r.turns), 0, "nothing runs");
    is_int(items_left(&c), 0, "nothing is told to the archive");
    is_str(history_entries(&c.r, "s1", "customer"), "", "there is no history");
    c.r.ai.hold = false;
    is_again(&c, "s1", "m1", "the message that was being answered");
    is_again(&c, "s1", "m2", "the one that waited");
    send_one(&c, "s1", "m3", "anew", &late);
    is_answer(&late, "200 completed/(none) replayed:0", "what comes then is answered");
    is_str(c.r.ai.seen, "user:anew|", "alone");
    rig_forget(&late);
    chat_close(&c);
}

static void while_it_is_sent(void)
{
    struct chat_rig c;
    struct rig_answer a;
    int status;

    fresh_file();
    chat_open(&c, file, 0);
    c.r.platform.hold = true;
    rig_send(&c.r, "s1", "m1", "canary", "user", &a);
    for (int i = 0; i < 20000 && c.r.platform.sent == 0; i++) {
        loop_turn(c.r.loop, false);
        usleep(100);
    }
    is_int(c.r.platform.sent, 1, "it is being sent");
    begin_erasing(&c, "customer", "s1", &status);
    wait_status(&c, &status);
    is_int(status, 200, "an erasure does not wait for it");
    rig_platform_release(&c.r);
    ok(rig_until(&c.r, &a), "its client is answered");
    is_answer(&a, "200 cancelled/erased replayed:0", "that it was erased");
    rig_forget(&a);
    rig_settle(&c.r);
    is_int(items_left(&c), 0, "what became of it is not written");
    is_str(history_context(&c.r, "s1"), "", "nor what was said");
    is_str(history_entries(&c.r, "s1", "customer"), "", "nor to whom");
    c.r.platform.hold = false;
    is_again(&c, "s1", "m1", "the message");
    is_int(c.r.platform.sent, 1, "it was sent once");
    chat_close(&c);
}

static void in_a_quiet_window(void)
{
    struct chat_rig c;
    struct rig_answer a;
    int status;
    struct turns_change change;

    chat_open(&c, NULL, 0);
    change = (struct turns_change){ .policy = rig_policy, .bot_name = "Default Bot", .context_max = 40 };
    change.policy.debounce_ms = 60000;
    turns_set(c.r.turns, &change);
    rig_send(&c.r, "s1", "m1", "canary", "user", &a);
    rig_settle(&c.r);
    begin_erasing(&c, "customer", "s1", &status);
    wait_status(&c, &status);
    ok(rig_until(&c.r, &a), "who waits for a quiet moment is answered");
    is_answer(&a, "200 cancelled/erased replayed:0", "that it was erased");
    rig_forget(&a);
    is_int(c.r.ai.calls, 0, "the AI is not asked");
    is_int(turns_running(c.r.turns), 0, "nothing runs");
    chat_close(&c);
}

static void before_a_retry(void)
{
    struct chat_rig c;
    struct rig_answer a;
    struct asked q = { 0 };

    chat_open(&c, NULL, 0);
    c.r.ai.outcome = AI_UNREACHABLE;
    send_one(&c, "s1", "m1", "canary", &a);
    is_str(rig_str(&a, "status"), "queued", "it is to be tried again");
    char job[64];
    (void)snprintf(job, sizeof(job), "%s", rig_str(&a, "job_id"));
    rig_forget(&a);
    ask_erase(&c, NULL, "customer", "s1", &q);
    is_int(q.http_status, 200, "it is erased");
    asked_forget(&q);
    c.r.ai.outcome = AI_ANSWERED;
    for (int i = 0; i < 5; i++)
        rig_visit(&c.r, "s1");
    is_int(c.r.ai.calls, 1, "it is not tried again");
    is_int(c.r.platform.sent, 0, "nothing is sent");
    q = (struct asked){ 0 };
    control_cancel_job(c.r.turns, sv_from(job), asked_fn, &q);
    ok(asked_wait(&c.r, &q), "its job");
    is_int(q.http_status, 404, "is not known any more");
    asked_forget(&q);
    is_again(&c, "s1", "m1", "the message");
    chat_close(&c);
}

/* ---- the archive ---- */

static void without_the_archive(void)
{
    struct chat_rig c;
    struct asked q = { 0 };
    struct rig_answer a;

    fresh_file();
    chat_open(&c, file, 0);
    chat_say(&c, "customer", "s1", "m1", "my canary", clock_wall_ms());
    chat_write_archive(&c);
    c.gate.away = true;
    ask_erase(&c, "customer", "customer", "s1", &q);
    is_int(q.http_status, 503, "without the archive it is not complete");
    is_str(q.code, "archive_unavailable", "which is said");
    is_str(history_context(&c.r, "s1"), "", "what was done stays done");
    ask_erase(&c, "other", "other", "s1", &q);
    is_int(q.http_status, 503, "to another user it is like any session that nobody can look for");

    c.gate.away = false; /* it is back, and no daemon has come so far */
    send_one(&c, "s1", "m2", "anew", &a);
    is_answer(&a, "200 completed/(none) replayed:0", "who writes anew is answered");
    rig_forget(&a);
    is_str(c.r.ai.seen, "user:anew|", "without what the archive still has");
    is_str(history_context(&c.r, "s1"), "m2:user=anew -:assistant=answer 2", "which does not come back");
    ask_erase(&c, "other", "other", "s1", &q);
    is_int(q.http_status, 403, "another user may not go on with it");
    ask_erase(&c, "customer", "customer", "s1", &q);
    is_int(q.http_status, 200, "asked again it is completed");
    is_int(asked_int(&q, "receipt/archive/messages"), 1, "the archive forgets");
    is_again(&c, "s1", "m1", "the message of before");
    is_again(&c, "s1", "m2", "and the one that came in between");
    asked_forget(&q);
    chat_close(&c);
}

/* What waits in the queue when it is erased: a daemon finds the erasure in its way. */
static void what_waits_in_the_queue(void)
{
    struct chat_rig c;
    struct asked q = { 0 };

    fresh_file();
    chat_open(&c, file, 0);
    chat_say(&c, "customer", "s1", "m1", "my canary", clock_wall_ms());
    ask_erase(&c, "customer", "customer", "s1", &q);
    is_int(q.http_status, 200, "it is erased");
    chat_write_archive(&c); /* the turn, and the erasure */
    ask_session(&c, NULL, "s1", &q);
    is_int(q.http_status, 404, "nothing of it is archived");

    chat_say(&c, "customer", "s2", "m1", "my canary", clock_wall_ms());
    chat_write_archive(&c);
    c.gate.away = true;
    ask_erase(&c, NULL, "customer", "s2", &q);
    is_int(q.http_status, 503, "the archive is away");
    c.gate.away = false;
    chat_write_archive(&c);
    ask_session(&c, NULL, "s2", &q);
    is_int(q.http_status, 404, "the item that was left behind has erased it");
    ask_erase(&c, "customer", "customer", "s2", &q);
    is_int(q.http_status, 200, "and whoever began it may see that it is done");
    asked_forget(&q);
    chat_close(&c);
}

/* ---- dead letters ---- */

static size_t letters(struct chat_rig *c)
{
    struct asked q;

    ask_dead(&c->r, &q);
    size_t n = (size_t)asked_int(&q, "total");
    asked_forget(&q);
    return n;
}

static void give_up(struct chat_rig *c, const char *session)
{
    struct rig_answer a;

    c->r.ai.outcome = AI_REFUSED;
    send_one(c, session, "m1", "canary", &a);
    rig_forget(&a);
    for (int i = 0; i < 200; i++) {
        rig_visit(&c->r, session);
        usleep(1000);
        struct asked q;
        ask_fate(&c->r, session, "m1", &q);
        bool over = strcmp(asked_str(&q, "status"), "failed") == 0;
        asked_forget(&q);
        if (over)
            break;
    }
    c->r.ai.outcome = AI_ANSWERED;
}

static void dead_letters(void)
{
    struct chat_rig c;
    struct asked q = { 0 };
    char id[64];

    chat_open(&c, NULL, 0);
    give_up(&c, "s1");
    give_up(&c, "s2");
    is_int(letters(&c), 2, "two turns were given up");
    ask_dead(&c.r, &q);
    (void)snprintf(id, sizeof(id), "%s", asked_str(&q, "dead/1/id")); /* the older one */
    asked_forget(&q);
    ask_erase(&c, NULL, "customer", "s1", &q);
    is_int(q.http_status, 200, "one session is erased");
    is_int(asked_int(&q, "receipt/store/deadLetters"), 1, "with its letter");
    is_int(letters(&c), 1, "the other one stays");
    asked_forget(&q);
    q = (struct asked){ 0 };
    control_dead_retry(c.r.turns, sv_from(id), asked_fn, &q);
    ok(asked_wait(&c.r, &q), "a retry of it");
    is_int(q.http_status, 404, "finds nothing");
    asked_forget(&q);
    is_again(&c, "s1", "m1", "its message");
    ask_erase(&c, NULL, "customer", NULL, &q);
    is_int(letters(&c), 0, "with the user all of his letters go");
    asked_forget(&q);
    chat_close(&c);
}

/* ---- a user ---- */

static void all_of_a_user(void)
{
    struct chat_rig c;
    struct asked q = { 0 };
    const char *const pairs[] = { "language", "vi", NULL };

    fresh_file();
    chat_open(&c, file, 0);
    chat_say(&c, "customer", "s1", "m1", "my canary", clock_wall_ms());
    chat_write_archive(&c);
    chat_say(&c, "customer", "s2", "m1", "my canary", clock_wall_ms());
    chat_say(&c, "customer", "s3", "m1", "my canary", clock_wall_ms());
    chat_say(&c, "other", "s4", "m1", "somebody else", clock_wall_ms());
    put_preferences(&c, "customer", "customer", pairs, &q);
    is_int(q.http_status, 200, "three sessions and a preference");
    is_int(history_figure(&c.r, "user_customer_messages"), 3, "are counted");
    ask_erase(&c, "customer", "customer", NULL, &q);
    is_int(q.http_status, 200, "all of him is erased");
    is_str(asked_str(&q, "receipt/subject"), "user", "as the receipt says");
    is_int(asked_int(&q, "receipt/sessions"), 3, "which counts his sessions");
    is_int(history_sessions(&c.r, "customer"), 0, "none is left");
    is_int(history_figure(&c.r, "user_customer_messages"), 0, "his figure is gone");
    is_int(history_figure(&c.r, "erased_users_messages"), 3, "what it said is kept without his name");
    is_int(history_figure(&c.r, "total_messages"), 4, "nothing is counted less");
    ask_preferences(&c, "customer", "customer", &q);
    is_int(json_object_size(q.result), 0, "nor does he prefer anything");
    ask_sessions(&c, "other", "other", &q);
    is_int(json_array_size(q.result), 1, "another user stays");
    is_again(&c, "s1", "m1", "a message of his");
    is_again(&c, "s3", "m1", "and another");
    chat_write_archive(&c);
    ask_sessions(&c, NULL, "customer", &q);
    is_int(json_array_size(q.result), 0, "nothing of what waited is archived");
    ask_erase(&c, "customer", "customer", NULL, &q);
    is_int(q.http_status, 200, "it may be asked for again");
    is_int(history_figure(&c.r, "erased_users_messages"), 3, "which counts nothing twice");
    asked_forget(&q);
    chat_close(&c);
}

static void two_at_once(void)
{
    struct chat_rig c;
    struct asked q = { 0 };
    int one, two, all;

    fresh_file();
    chat_open(&c, file, 0);
    for (int i = 0; i < 5; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "m%d", i);
        chat_say(&c, "customer", "s1", id, "my canary", clock_wall_ms());
        chat_say(&c, "customer", "s2", id, "my canary", clock_wall_ms());
    }
    chat_write_archive(&c);
    begin_erasing(&c, "customer", "s1", &one);
    begin_erasing(&c, "customer", "s1", &two);
    begin_erasing(&c, "customer", NULL, &all);
    wait_status(&c, &one);
    wait_status(&c, &two);
    wait_status(&c, &all);
    is_int(one * 1000000 + two * 1000 + all, 200200200, "several at once are done");
    is_int(history_sessions(&c.r, "customer"), 0, "and nothing is left");
    is_int(history_figure(&c.r, "erased_users_messages"), 10, "each is counted once");
    asked_forget(&q);
    chat_close(&c);
}

/* ---- a store that fails ---- */

static void whatever_fails(void)
{
    size_t wrong = 0, refused = 0, completed = 0;

    for (unsigned n = 1; n < 60; n++) {
        struct chat_rig c;
        int status;

        fresh_file();
        chat_open(&c, file, 0);
        chat_say(&c, "customer", "s1", "m1", "canary", clock_wall_ms());
        chat_write_archive(&c);
        chat_say(&c, "customer", "s1", "m2", "canary", clock_wall_ms());
        struct store *whole = c.r.store;
        c.r.store = store_fail_open(c.r.loop, whole, n, false, n % 2 == 0);
        turns_free(c.r.turns);
        c.r.options.store = c.r.store;
        struct err e;
        c.r.turns = turns_new(&c.r.options, &e);
        begin_erasing(&c, "customer", n % 3 == 0 ? NULL : "s1", &status);
        wait_status(&c, &status);
        refused += status == 503;
        wrong += status != 200 && status != 503;
        for (int i = 0; i < 3 && (i == 0 || status == 503); i++) {
            begin_erasing(&c, "customer", n % 3 == 0 ? NULL : "s1", &status);
            wait_status(&c, &status);
        }
        completed += status == 200;
        wrong += status != 200 || *history_entries(&c.r, "s1", "customer") != '\0' || *history_context(&c.r, "s1") != '\0';
        chat_write_archive(&c);
        struct asked q = { 0 };
        ask_session(&c, NULL, "s1", &q);
        if (q.http_status == 503) /* that was the one */
            ask_session(&c, NULL, "s1", &q);
        if (status != 200 || q.http_status != 404 || *history_context(&c.r, "s1") != '\0' || *history_entries(&c.r, "s1", "customer") != '\0')
            diag("call %u: %d, then %d", n, status, q.http_status);
        wrong += q.http_status != 404;
        asked_forget(&q);
        chat_close(&c);
    }
    is_int(wrong, 0, "whatever fails, asking again completes it");
    ok(refused > 5 && completed > refused, "%zu were refused, %zu completed", refused, completed);
}

int main(void)
{
    log_threshold = LOG_ERROR;
    chat_file_make(file);
    all_of_it();
    who_may();
    long_ago();
    while_the_ai_thinks();
    while_it_is_sent();
    in_a_quiet_window();
    before_a_retry();
    without_the_archive();
    what_waits_in_the_queue();
    dead_letters();
    all_of_a_user();
    two_at_once();
    whatever_fails();
    chat_file_remove(file);
    return done_testing();
}
