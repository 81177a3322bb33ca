/* SPDX-License-Identifier: MIT
 * Turns whose messages are changed or taken back: what the AI is asked, and what becomes of a turn that has nothing left. */
#include "config.h"

#include "lib/clock.h"
#include "t/tap.h"
#include "t/turn/control_ask.h"

static void answered(void *arg, const struct turn_answer *answer)
{
    struct rig_answer *a = arg;

    a->http_status = answer->http_status;
    a->result = json_read(answer->result, false, NULL);
}

/* about: metadata, or NULL. */
static void send(struct rig *r, const char *id, const char *text, const char *about, struct rig_answer *out)
{
    const struct message m = { .conversation_id = SV("c1"), .message_id = sv_from(id), .content = sv_from(text), .sender_id = SV("customer"),
                               .timestamp_ms = clock_wall_ms(), .metadata = sv_from(about) };
    const struct submit_options o = { .wait_ms = 60000 };

    *out = (struct rig_answer){ 0 };
    turns_submit(r->turns, &m, &o, answered, out);
}

static void visit_until_idle(struct rig *r)
{
    for (int i = 0; i < 20; i++)
        rig_visit(r, "c1");
}

static void edited(void)
{
    struct rig r;
    struct rig_answer a, b, c;

    rig_open(&r, &rig_policy);
    r.ai.hold = true;
    send(&r, "m1", "two shirts", NULL, &a);
    rig_settle(&r);
    send(&r, "m2", "in red", NULL, &b);
    send(&r, "m1~e", "three shirts", "{\"edits\":\"m1\"}", &c);
    ok(rig_until(&r, &b) && rig_until(&r, &c), "both are taken");
    r.ai.hold = false;
    rig_ai_release(&r);
    visit_until_idle(&r);
    ok(rig_until(&r, &a), "the turn ends");
    is_str(rig_str(&a, "status"), "restart_needed", "the first answer is withheld");
    is_str(r.ai.seen, "user:in red|user:three shirts|", "the question has the text as it is now");
    is_int(r.platform.sent, 1, "one reply");
    has_str(r.platform.last_body, "[\"m1\",\"m2\",\"m1~e\"]", "to all three");
    is_str(r.platform.last_message_id, "m1", "the newest is what the platform knows the edit by");
    rig_forget(&a), rig_forget(&b), rig_forget(&c);

    send(&r, "m3", "and socks", NULL, &a);
    ok(rig_until(&r, &a), "a later message");
    is_str(r.ai.seen, "user:in red|user:three shirts|assistant:answer 2|user:and socks|", "nor does the context have the text as it was");
    rig_forget(&a);
    rig_close(&r);
}

/* What was told last need not be newest. */
static void edits_with_numbers(void)
{
    static const struct {
        const char *id, *text, *about;
    } rows[2][4] = {
        { { "m1", "one", NULL }, { "m1~c", "three", "{\"edits\":\"m1\",\"edit_number\":2}" }, { "m1~b", "two", "{\"edits\":\"m1\"}" }, { "m2", "and", NULL } },
        { { "m1", "three", "{\"edit_number\":2}" }, { "m1~b", "two", "{\"edits\":\"m1\"}" }, { "m2", "and", NULL }, { "m3", "so on", "{\"edit_number\":7}" } },
    };
    static const char *const seen[] = { "user:wait|user:three|user:and|", "user:wait|user:three|user:and|user:so on|" };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig r;
        struct rig_answer first, a;
        rig_open(&r, &rig_policy);
        r.ai.hold = true;
        send(&r, "m0", "wait", NULL, &first);
        rig_settle(&r);
        for (size_t k = 0; k < ARRAY_LEN(rows[i]); k++) {
            send(&r, rows[i][k].id, rows[i][k].text, rows[i][k].about, &a);
            ok(rig_until(&r, &a), "taken");
            rig_forget(&a);
        }
        r.ai.hold = false;
        rig_ai_release(&r);
        visit_until_idle(&r);
        ok(rig_until(&r, &first), "the turn ends");
        is_str(r.ai.seen, seen[i], "the edit with the highest number is asked about, and nothing else is touched");
        rig_forget(&first);
        rig_close(&r);
    }
}

static void answered_before(void)
{
    struct rig r;
    struct rig_answer a, b;

    rig_open(&r, &rig_policy);
    send(&r, "m1", "two shirts", NULL, &a);
    ok(rig_until(&r, &a), "answered");
    send(&r, "m1~e", "three shirts", "{\"edits\":\"m1\"}", &b);
    ok(rig_until(&r, &b), "then edited");
    is_str(rig_str(&b, "status"), "completed", "the edit is answered");
    is_str(r.ai.seen, "user:two shirts|assistant:answer 1|user:three shirts|", "what was answered stays in the context");
    rig_forget(&a), rig_forget(&b);
    send(&r, "m1~removed", "[removed]", "{\"removes\":\"m1\"}", &a);
    ok(rig_until(&r, &a), "then taken back");
    is_str(rig_str(&a, "status"), "recorded", "nothing answers that");
    is_str(rig_str(&a, "reason"), "message_removed", "the reason");
    is_str(rig_in(&a, "pancake_result", "status"), "skipped", "nothing is sent");
    is_int(r.ai.calls, 2, "the AI is not asked");
    is_int(r.platform.sent, 2, "nor the platform");
    rig_forget(&a);
    send(&r, "m2", "hello?", NULL, &a);
    ok(rig_until(&r, &a), "a message after it");
    is_str(rig_str(&a, "status"), "completed", "is answered");
    is_str(r.ai.seen, "user:two shirts|assistant:answer 1|user:three shirts|assistant:answer 2|user:hello?|", "the note itself is in no question");
    rig_forget(&a);
    rig_close(&r);
}

static void removed(void)
{
    struct rig r;
    struct rig_answer a, b, c;
    struct asked q;

    rig_open(&r, &rig_policy);
    r.ai.hold = true;
    send(&r, "m1", "my password is 1234", NULL, &a);
    rig_settle(&r);
    send(&r, "m1~removed", "[removed]", "{\"removes\":\"m1\"}", &b);
    ok(rig_until(&r, &b), "the removal is taken");
    r.ai.hold = false;
    rig_ai_release(&r);
    ok(rig_until(&r, &a), "the turn ends");
    is_str(rig_str(&a, "status"), "restart_needed", "its reply is withheld");
    visit_until_idle(&r);
    is_int(r.ai.calls, 1, "the AI is not asked again");
    is_int(r.platform.sent, 0, "nothing is sent");
    rig_forget(&a), rig_forget(&b);

    for (int i = 0; i < 2; i++) {
        send(&r, i == 0 ? "m1" : "m1~removed", i == 0 ? "my password is 1234" : "[removed]", NULL, &c);
        ok(rig_until(&r, &c), "a second delivery");
        is_str(rig_str(&c, "status"), "recorded", "is told how it ended");
        is_str(rig_str(&c, "reason"), "message_removed", "and why");
        ok(json_is_true(json_object_get(c.result, "replayed")), "as a duplicate");
        rig_forget(&c);
    }
    ask_fate(&r, "c1", "m1", &q);
    is_str(asked_str(&q, "status"), "recorded", "its fate");
    is_str(asked_str(&q, "reason"), "message_removed", "why");
    is_str(asked_str(&q, "steps/4/step"), "withheld", "its last step");
    asked_forget(&q);
    ask_show(&r, "c1", &q);
    is_str(asked_str(&q, "timeline/0/reason"), "message_removed", "the timeline says so");
    asked_forget(&q);
    send(&r, "m2", "hello", NULL, &a);
    ok(rig_until(&r, &a), "a message after it");
    is_str(rig_str(&a, "status"), "completed", "is answered");
    is_str(r.ai.seen, "user:hello|", "what was taken back is not told to the AI");
    rig_forget(&a);
    rig_close(&r);
}

/* A removal, and something else. */
static void partly(void)
{
    struct rig r;
    struct rig_answer a, b, c;

    rig_open(&r, &rig_policy);
    r.ai.hold = true;
    send(&r, "m1", "one", NULL, &a);
    rig_settle(&r);
    send(&r, "m2", "two", NULL, &b);
    send(&r, "m2~removed", "[removed]", "{\"removes\":\"m2\"}", &c);
    r.ai.hold = false;
    rig_ai_release(&r);
    visit_until_idle(&r);
    is_str(r.ai.seen, "user:one|", "what is left is asked about");
    is_int(r.platform.sent, 1, "and answered");
    has_str(r.platform.last_body, "[\"m1\",\"m2\",\"m2~removed\"]", "all of it ends with the reply");
    is_str(r.platform.last_message_id, "m1", "what is left is the newest");
    rig_forget(&a), rig_forget(&b), rig_forget(&c);
    rig_close(&r);
}

/* With each call of the store failing once, before or after it did its work: never an answer to nothing, never a turn that hangs. */
static void with_faults(void)
{
    for (unsigned n = 1; n <= 6; n++) {
        for (int after = 0; after < 2; after++) {
            struct rig r;
            struct rig_answer a;
            rig_open_failing(&r, &rig_policy, n, after != 0);
            send(&r, "m1", "[removed]", "{\"removes\":\"m1\"}", &a);
            ok(rig_until(&r, &a), "call %u fails %s: an answer comes", n, after ? "after" : "before");
            is_int(r.ai.calls + r.platform.sent, 0, "nobody is asked");
            ok(a.http_status == 200 || a.http_status == 503, "it is told the end, or to come again (%d)", a.http_status);
            if (a.http_status == 200)
                is_str(rig_str(&a, "reason"), "message_removed", "as what it is");
            rig_forget(&a);
            rig_close(&r);
        }
    }
}

int main(void)
{
    edited();
    edits_with_numbers();
    answered_before();
    removed();
    partly();
    with_faults();
    return done_testing();
}
