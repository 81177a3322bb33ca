/* SPDX-License-Identifier: MIT
 * A conversation that was forgotten comes back: what was said before is recalled from the archive, for the first answer and for those after
 * it; and what an administrator is told of messages that only the archive knows. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "t/tap.h"
#include "t/turn/control_ask.h"

/* An archive that knows one conversation. */
struct memory {
    struct archive archive;
    struct loop *loop;
    bool up;
    int asked;
    int64_t person_ms; /* 0: nobody wrote */
    archive_context_fn *fn;
    archive_message_fn *message_fn;
    archive_session_fn *session_fn;
    void *session_arg;
    void *arg;
};

static struct memory memory;

static void told(void *arg)
{
    struct memory *m = arg;
    char person[100];
    (void)snprintf(person, sizeof(person), "{\"role\":\"agent\",\"content\":\"I am Minh\",\"timestamp\":%lld,\"message_id\":\"p\\u0031\"}",
                   (long long)m->person_ms);
    const struct sv entries[] = {
        sv_from("{\"role\":\"user\",\"content\":\"long ago\",\"timestamp\":1000,\"message_id\":\"m1\"}"),
        sv_from("{\"role\":\"assistant\",\"content\":\"indeed\",\"timestamp\":2000}"),
        sv_from(person),
    };
    m->fn(m->arg, m->up ? ARCHIVE_DONE : ARCHIVE_DOWN, m->up ? entries : NULL, m->up ? ARRAY_LEN(entries) - (m->person_ms == 0) : 0);
}

static void context(struct archive *a, struct sv id, size_t max, archive_context_fn *fn, void *arg)
{
    struct memory *m = CONTAINER_OF(a, struct memory, archive);
    (void)id, (void)max;
    m->asked++;
    m->fn = fn;
    m->arg = arg;
    loop_soon(m->loop, told, m);
}

static void message_told(void *arg)
{
    struct memory *m = arg;
    m->message_fn(m->arg, m->up ? ARCHIVE_DONE : ARCHIVE_DOWN, m->up ? SV("{\"status\":\"recorded\",\"reason\":\"bot_paused\"}") : SV_NONE);
}

static void message(struct archive *a, struct sv id, struct sv message_id, archive_message_fn *fn, void *arg)
{
    struct memory *m = CONTAINER_OF(a, struct memory, archive);
    (void)id;
    if (m->person_ms == 0)
        is_sv(message_id, SV("m1"), "the archive is asked about what has no mark");
    m->message_fn = fn;
    m->arg = arg;
    loop_soon(m->loop, message_told, m);
}

static void session_told(void *arg)
{
    struct memory *m = arg;
    m->session_fn(m->session_arg, ARCHIVE_DONE, SV_NONE, SV_NONE);
}

static void session(struct archive *a, struct sv id, int64_t before_ms, archive_session_fn *fn, void *arg)
{
    struct memory *m = CONTAINER_OF(a, struct memory, archive);
    (void)id, (void)before_ms;
    m->session_fn = fn;
    m->session_arg = arg;
    loop_soon(m->loop, session_told, m);
}

static bool is_up(const struct archive *a)
{
    (void)a;
    return true;
}

static const struct archive_ops ops = { .name = "memory", .context = context, .message = message, .session = session, .is_up = is_up };

static void open_rig(struct rig *r)
{
    struct err e;
    rig_open(r, &rig_policy);
    turns_free(r->turns);
    memory = (struct memory){ .archive = { .ops = &ops }, .loop = r->loop, .up = true };
    r->options.archive = &memory.archive;
    r->turns = turns_new(&r->options, &e);
}

static void say(struct rig *r, const char *id, const char *text, const char *sender)
{
    struct rig_answer a;
    rig_send(r, "c1", id, text, sender, &a);
    if (!rig_until(r, &a))
        bail_out("no answer");
    rig_forget(&a);
}

static void comes_back(void)
{
    struct rig r;
    struct asked q;
    open_rig(&r);
    say(&r, "m2", "here again", "user");
    is_str(r.ai.seen, "user:long ago|assistant:indeed|user:here again|", "the first answer knows what was before");
    say(&r, "m3", "and now?", "user");
    is_str(r.ai.seen, "user:long ago|assistant:indeed|user:here again|assistant:answer 1|user:and now?|", "and so does the second");
    is_int(memory.asked, 1, "which asks no archive");
    ask_show(&r, "c1", &q);
    is_int(asked_int(&q, "context_size"), 6, "all of it is in the store");
    is_str(asked_str(&q, "timeline/0/reason"), "bot_paused", "a message without a mark ended as the archive says");
    is_str(asked_str(&q, "timeline/1/reason"), "answered", "one with a mark as that says");
    asked_forget(&q);
    memory.up = false;
    ask_show(&r, "c1", &q);
    is_str(asked_str(&q, "timeline/0/status"), "recorded", "when the archive is away, it does not wait for an answer either");
    is_str(asked_str(&q, "timeline/0/reason"), "forgotten", "which is all that is known");
    asked_forget(&q);
    rig_close(&r);
}

static void person_first(void)
{
    struct policy p = rig_policy;
    struct rig r;
    struct err e;
    p.human_lease_ms = 1;
    open_rig(&r);
    turns_free(r.turns);
    r.options.policy = p;
    r.turns = turns_new(&r.options, &e);
    int64_t now_ms = clock_wall_ms();
    clock_fake(now_ms);
    say(&r, "p1", "hello, it is Minh", "agent");
    clock_fake(now_ms + 10);
    say(&r, "m2", "hello", "user");
    is_str(r.ai.seen, "user:long ago|assistant:indeed|agent:hello, it is Minh|user:hello|", "a person wrote first: what was before is known all the same");
    say(&r, "m3", "bye", "user");
    ok(strstr(r.ai.seen, "user:long ago|assistant:indeed|") == r.ai.seen, "also later: %s", r.ai.seen);
    clock_real();
    rig_close(&r);
}

static void resume(struct rig *r)
{
    struct asked q = { 0 };
    control_resume(r->turns, SV("c1"), asked_fn, &q);
    if (!asked_wait(r, &q) || q.http_status != 200)
        bail_out("not resumed");
    asked_forget(&q);
}

/* The store that stands in for another one has no record of a person's message; the archive has it. */
static void person_elsewhere(void)
{
    struct rig r;
    struct asked q;
    open_rig(&r);
    memory.person_ms = clock_wall_ms() - 1000;
    say(&r, "m2", "hello", "user");
    is_str(r.ai.seen, "", "the AI is not asked while a person has the conversation");
    is_int(r.platform.sent, 0, "and nothing is sent");
    ask_show(&r, "c1", &q);
    is_str(asked_str(&q, "timeline/2/reason"), "bot_paused", "for a reason that is told");
    asked_forget(&q);
    say(&r, "m3", "are you there?", "user");
    is_int(memory.asked, 1, "the record knows it now");
    resume(&r);
    say(&r, "m4", "bot?", "user");
    is_str(r.ai.seen, "user:long ago|assistant:indeed|agent:I am Minh|user:hello|user:are you there?|user:bot?|", "resumed, it answers");
    rig_close(&r);
}

static void person_long_gone(void)
{
    struct rig r;
    open_rig(&r);
    memory.person_ms = clock_wall_ms() - rig_policy.human_lease_ms - 1000;
    say(&r, "m2", "hello", "user");
    is_str(r.ai.seen, "user:long ago|assistant:indeed|agent:I am Minh|user:hello|", "a person's time is over some time");
    rig_close(&r);
}

/* Archived already, and resumed by hand: what the store has itself is not news. */
static void person_here(void)
{
    struct rig r;
    open_rig(&r);
    say(&r, "p1", "I am Minh", "agent");
    memory.person_ms = clock_wall_ms();
    resume(&r);
    say(&r, "m2", "hello", "user");
    is_str(r.ai.seen, "user:long ago|assistant:indeed|agent:I am Minh|user:hello|", "a resume holds, and nothing is said twice");
    rig_close(&r);
}

static void only_archived(void)
{
    struct rig r;
    struct asked q;
    open_rig(&r);
    ask_show(&r, "c1", &q);
    is_int(q.http_status, 200, "a conversation that only the archive knows");
    ok(asked_bool(&q, "archived_only"), "is shown as that");
    ok(json_is_null(json_object_get(q.result, "total_messages")), "how many messages it had is not known here");
    is_str(asked_str(&q, "timeline/0/message_id"), "m1", "its messages are in the timeline");
    is_str(asked_str(&q, "timeline/0/reason"), "bot_paused", "with what became of them");
    is_str(asked_str(&q, "context/0/content"), "long ago", "what was said");
    is_int(asked_int(&q, "context/0/timestamp"), 1, "with the time in seconds");
    asked_forget(&q);
    rig_close(&r);
}

static void timeline_in_order(void)
{
    struct rig r;
    struct rig_answer a;
    struct asked q;
    int64_t now_ms = clock_wall_ms();
    rig_open(&r, &rig_policy);
    clock_fake(now_ms);
    r.ai.hold = true;
    rig_send(&r, "c1", "m1", "hello", "user", &a);
    rig_settle(&r);
    clock_fake(now_ms + 10);
    say(&r, "p1", "I am here", "agent");
    rig_ai_release(&r);
    ok(rig_until(&r, &a), "a turn ends after a message that came later");
    ask_show(&r, "c1", &q);
    is_str(asked_str(&q, "timeline/0/message_id"), "m1", "the timeline is in the order in which they came");
    is_str(asked_str(&q, "timeline/1/message_id"), "p1", "oldest first");
    asked_forget(&q);
    rig_forget(&a);
    clock_real();
    rig_close(&r);
}

static void silenced_from_afar(void)
{
    struct rig r;
    struct asked q = { 0 };
    open_rig(&r);
    ask_cancel(&r, "c1", &q);
    is_int(q.http_status, 200, "a conversation that only the archive knows can be cancelled");
    ok(!asked_bool(&q, "cancelled"), "where there is nothing to cancel");
    asked_forget(&q);
    q = (struct asked){ 0 };
    control_pause(r.turns, SV("c1"), 0, asked_fn, &q);
    ok(asked_wait(&r, &q) && q.http_status == 200 && !asked_bool(&q, "check_reply"), "and silenced");
    asked_forget(&q);
    say(&r, "m2", "here again", "user");
    is_str(r.ai.seen, "", "the next message finds the bot silent");
    resume(&r);
    say(&r, "m3", "bot?", "user");
    is_str(r.ai.seen, "user:long ago|assistant:indeed|user:here again|user:bot?|", "until it may speak again, and knows what was before");
    memory.up = false;
    q = (struct asked){ 0 };
    control_pause(r.turns, SV("c2"), 0, asked_fn, &q);
    ok(asked_wait(&r, &q), "while the archive is away it is told");
    is_int(q.http_status, 503, "that nobody can know");
    is_str(q.code, "archive_unavailable", "because of the archive");
    asked_forget(&q);
    rig_close(&r);
}

static void archive_away(void)
{
    struct rig r;
    open_rig(&r);
    memory.up = false;
    say(&r, "m2", "here again", "user");
    is_str(r.ai.seen, "user:here again|", "without the archive it is answered all the same");
    say(&r, "m3", "and now?", "user");
    is_int(memory.asked, 1, "and the archive is left alone once there is a reply");
    rig_close(&r);
}

int main(void)
{
    comes_back();
    person_first();
    person_elsewhere();
    person_long_gone();
    person_here();
    only_archived();
    silenced_from_afar();
    timeline_in_order();
    archive_away();
    return done_testing();
}
