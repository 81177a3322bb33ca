/* SPDX-License-Identifier: MIT
 * A conversation that was forgotten comes back: what was said before is recalled from the archive, for the first answer and for those after
 * it. */
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
    archive_context_fn *fn;
    void *arg;
};

static struct memory memory;

static void told(void *arg)
{
    const struct sv entries[] = {
        sv_from("{\"role\":\"user\",\"content\":\"long ago\",\"timestamp\":1000,\"message_id\":\"m1\"}"),
        sv_from("{\"role\":\"assistant\",\"content\":\"indeed\",\"timestamp\":2000}"),
    };
    struct memory *m = arg;
    m->fn(m->arg, m->up ? ARCHIVE_DONE : ARCHIVE_DOWN, m->up ? entries : NULL, m->up ? ARRAY_LEN(entries) : 0);
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

static bool is_up(const struct archive *a)
{
    (void)a;
    return true;
}

static const struct archive_ops ops = { .name = "memory", .context = context, .is_up = is_up };

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
    archive_away();
    return done_testing();
}
