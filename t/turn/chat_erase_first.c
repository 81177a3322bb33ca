/* SPDX-License-Identifier: MIT
 * Tests of src/turn/erase_session.c and chat_erase_user.c: a daemon takes the erasure out of the queue, and is done with it, before the one who was asked for
 * it comes to the archive himself. What is forgotten, and what the receipt says, is the same. */
#include "config.h"

#include <stdio.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "t/tap.h"
#include "t/turn/chat_rig.h"
#include "t/turn/history_ask.h"

#define AGENT_MESSAGES 60 /* more than the context has: the store does not name all of them, the archive does */

static char file[64];

static void open_anew(struct chat_rig *c)
{
    chat_file_remove(file);
    chat_file_make(file);
    chat_open(c, file, 0);
}

/* The daemon is there when the erasure comes to the archive. */
static void erase_behind_the_daemon(struct chat_rig *c, const char *user, const char *session, struct asked *q)
{
    const struct chat_who who = chat_by(user);

    asked_forget(q);
    *q = (struct asked){ 0 };
    c->gate.holds = true;
    chat_erase(c->r.turns, &who, sv_from(user), sv_from(session), asked_fn, q);
    chat_gate_wait(c);
    chat_write_archive(c);
    chat_gate_release(c);
    ok(asked_wait(&c->r, q), "the daemon comes first");
    is_int(q->http_status, 200, "it is erased");
}

static void send_one(struct chat_rig *c, const char *session, const char *id, const char *sender_type, struct rig_answer *a)
{
    rig_send(&c->r, session, id, "my canary", sender_type, a);
    if (!rig_until(&c->r, a))
        bail_out("a message gets no answer");
}

static void is_again(struct chat_rig *c, const char *session, const char *id, const char *sender_type, const char *name)
{
    struct rig_answer a;
    char text[100];

    send_one(c, session, id, sender_type, &a);
    (void)snprintf(text, sizeof(text), "%s/%s replayed:%d", rig_str(&a, "status"), rig_str(&a, "reason"), json_bool(a.result, "replayed", false));
    is_str(text, "cancelled/erased replayed:1", "%s", name);
    rig_forget(&a);
}

static void a_session(void)
{
    struct chat_rig c;
    struct asked q = { 0 };

    open_anew(&c);
    chat_say(&c, "customer", "s1", "m1", "my canary", clock_wall_ms());
    chat_write_archive(&c);
    erase_behind_the_daemon(&c, "customer", "s1", &q);
    is_int(asked_int(&q, "receipt/archive/messages"), 1, "the receipt counts what the daemon has deleted");
    is_int(asked_int(&q, "receipt/archive/conversations"), 1, "in each table");
    ok(asked_int(&q, "receipt/store/messages") >= 2, "beside what the store had");
    is_again(&c, "s1", "m1", "user", "its message");
    ask_session(&c, NULL, "s1", &q);
    is_int(q.http_status, 404, "and nothing is left");
    asked_forget(&q);
    chat_close(&c);
}

static void more_than_the_store_names(void)
{
    struct chat_rig c;
    struct asked q = { 0 };
    struct rig_answer a;

    open_anew(&c);
    chat_say(&c, "customer", "s1", "m1", "my canary", clock_wall_ms());
    for (int i = 0; i < AGENT_MESSAGES; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "a%d", i);
        send_one(&c, "s1", id, "agent", &a);
        rig_forget(&a);
    }
    chat_write_archive(&c);
    erase_behind_the_daemon(&c, "customer", "s1", &q);
    is_int(asked_int(&q, "receipt/archive/messages"), AGENT_MESSAGES + 1, "the receipt counts all of it");
    is_again(&c, "s1", "a0", "agent", "a message that only the archive knew");
    is_again(&c, "s1", "a59", "agent", "and one that the store knew, too");
    asked_forget(&q);
    chat_close(&c);
}

static void a_user(void)
{
    struct chat_rig c;
    struct asked q = { 0 };
    const char *const pairs[] = { "language", "vi", NULL };

    open_anew(&c);
    chat_say(&c, "customer", "s1", "m1", "my canary", clock_wall_ms());
    chat_write_archive(&c);
    put_preferences(&c, "customer", "customer", pairs, &q);
    erase_behind_the_daemon(&c, "customer", NULL, &q);
    is_int(asked_int(&q, "receipt/sessions"), 1, "a user: his session");
    is_int(asked_int(&q, "receipt/archive/messages"), 1, "what was said in it");
    is_int(asked_int(&q, "receipt/archive/user_preferences"), 1, "and what belonged to himself");
    is_again(&c, "s1", "m1", "user", "his message");
    asked_forget(&q);
    chat_close(&c);
}

int main(void)
{
    log_threshold = LOG_ERROR;
    chat_file_make(file);
    a_session();
    more_than_the_store_names();
    a_user();
    chat_file_remove(file);
    return done_testing();
}
