/* SPDX-License-Identifier: MIT
 * Histories and jobs of which the store knows nothing (any more): what the archive says of them, and what happens when it says nothing. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "store/store_ops.h"
#include "t/tap.h"
#include "t/turn/rig.h"
#include "turn/history.h"
#include "turn/overlap.h"
#include "turn/recent.h"

#define TURN "018bcfe5-6800-71dd-8be5-6f1e3fc06e57"

/* ---- an archive that answers what the test says, when it says so ---- */

static struct {
    struct archive archive;
    struct loop *loop;
    const char *entries[4];
    const char *outcome, *job, *session; /* NULL: it knows none */
    bool up, hold;
    int contexts;
    archive_context_fn *held;
    void *held_arg;
} old;

struct question {
    archive_context_fn *context;
    archive_message_fn *message;
    archive_job_fn *job;
    archive_session_fn *session;
    void *arg;
};
static struct question asked; /* one at a time */

static void tell_context(archive_context_fn *fn, void *arg)
{
    struct sv list[4];
    size_t n = 0;
    while (n < 4 && old.entries[n] != NULL)
        list[n] = sv_from(old.entries[n]), n++;
    fn(arg, ARCHIVE_DONE, list, n);
}

static void answer(void *arg)
{
    struct question q = asked;
    (void)arg;
    asked = (struct question){ 0 };
    if (q.context != NULL)
        tell_context(q.context, q.arg);
    else if (q.session != NULL)
        q.session(q.arg, ARCHIVE_DONE, sv_from(old.session), SV_NONE);
    else if (q.message != NULL)
        q.message(q.arg, ARCHIVE_DONE, sv_from(old.outcome));
    else
        q.job(q.arg, ARCHIVE_DONE, sv_from(old.job));
}

static void context(struct archive *a, struct sv id, size_t max, archive_context_fn *fn, void *arg)
{
    (void)a, (void)id, (void)max;
    old.contexts++;
    if (old.hold) {
        old.held = fn;
        old.held_arg = arg;
        return;
    }
    asked = (struct question){ .context = fn, .arg = arg };
    loop_soon(old.loop, answer, NULL);
}

static void session(struct archive *a, struct sv id, int64_t before_ms, archive_session_fn *fn, void *arg)
{
    (void)a, (void)id;
    ok(before_ms > 0, "what was before the record is asked for");
    asked = (struct question){ .session = fn, .arg = arg };
    loop_soon(old.loop, answer, NULL);
}

static void message(struct archive *a, struct sv id, struct sv message_id, archive_message_fn *fn, void *arg)
{
    (void)a, (void)id, (void)message_id;
    asked = (struct question){ .message = fn, .arg = arg };
    loop_soon(old.loop, answer, NULL);
}

static void job(struct archive *a, struct sv id, archive_job_fn *fn, void *arg)
{
    (void)a, (void)id;
    asked = (struct question){ .job = fn, .arg = arg };
    loop_soon(old.loop, answer, NULL);
}

static bool is_up(const struct archive *a)
{
    (void)a;
    return old.up;
}

static const struct archive_ops ops = { .name = "Old", .context = context, .message = message, .job = job, .session = session, .is_up = is_up };

/* ---- asking ---- */

struct told {
    bool done;
    enum history_outcome outcome;
    char job_id[64];
};

static void on_told(void *arg, const struct history_answer *a)
{
    struct told *t = arg;
    *t = (struct told){ .done = true, .outcome = a->outcome };
    snprintf(t->job_id, sizeof(t->job_id), "%s", a->job_id);
}

static struct told post(struct rig *r, const char *conversation, const char *markup)
{
    struct arena *a = arena_new(0, 1u << 20);
    struct told told = { 0 };
    struct markup m;
    struct err e;
    if (markup_parse(a, sv_from(markup), &m, &e) != 0)
        bail_out("%s: %s", markup, e.text);
    const struct history h = { .conversation_id = sv_from(conversation), .parts = m.parts, .parts_n = m.n, .sender_id = SV("customer") };
    turns_submit_history(r->turns, &h, on_told, &told);
    arena_free(a);
    for (int i = 0; i < 40000 && !told.done; i++) {
        loop_turn(r->loop, false);
        if (i > 300)
            usleep(100);
    }
    if (!told.done)
        bail_out("no answer");
    return told;
}

static enum store_status job_status; /* of the last answer */
static char job_text[1000];

static void on_job(void *arg, enum store_status status, struct sv text)
{
    job_status = status;
    snprintf(job_text, sizeof(job_text), "%.*s", SV_FMT(text));
    json_t **j = arg;
    *j = status == STORE_DONE && text.p != NULL ? json_read(text, false, NULL) : json_null();
}

static json_t *job_of(struct rig *r, const char *id)
{
    json_t *j = NULL;
    turns_job(r->turns, sv_from(id), on_job, &j);
    for (int i = 0; i < 1000 && j == NULL; i++)
        loop_turn(r->loop, false);
    return j;
}

static void open_with_archive(struct rig *r)
{
    struct err e;
    rig_open(r, &rig_policy);
    old = (__typeof__(old)){ .archive = { &ops }, .loop = r->loop, .up = true };
    turns_free(r->turns);
    r->options.archive = &old.archive;
    r->turns = turns_new(&r->options, &e);
    if (r->turns == NULL)
        bail_out("no engine");
}

/* ---- the cases ---- */

static void forgotten(void)
{
    struct rig r;
    open_with_archive(&r);
    old.entries[0] = "{\"role\":\"user\",\"content\":\"hello\",\"timestamp\":1,\"message_id\":\"m1\"}";
    old.entries[1] = "{\"role\":\"assistant\",\"content\":\"hi\",\"timestamp\":2}";
    old.outcome = "{\"status\":\"completed\",\"turn_id\":\"" TURN "\"}";
    struct told t = post(&r, "c1", "<USER>hello</USER><BOT>hi</BOT>");
    is_int(t.outcome, HISTORY_KNOWN, "what the archive has is not answered again");
    is_str(t.job_id, TURN, "the job that had it is found there");
    t = post(&r, "c1", "<USER>hello</USER><BOT>hi</BOT><USER>more</USER>");
    is_int(t.outcome, HISTORY_STARTED, "what it does not have is new");
    rig_visit(&r, "c1");
    is_str(r.ai.seen, "user:hello|assistant:hi|user:more|", "the AI is told all of it, each once");
    old.contexts = 0;
    t = post(&r, "c1", "<USER>hello</USER><BOT>hi</BOT><USER>more</USER><BOT>answer 1</BOT><USER>yet more</USER>");
    is_int(t.outcome, HISTORY_STARTED, "the next one");
    is_int(old.contexts, 0, "asks the archive nothing");
    rig_close(&r);
}

static void away_and_slow(void)
{
    struct rig r;
    open_with_archive(&r);
    old.up = false;
    is_int(post(&r, "c1", "<USER>hello</USER>").outcome, HISTORY_STARTED, "an archive that is away is not waited for");
    is_int(old.contexts, 0, "nor asked");
    old.up = old.hold = true;
    struct told t = post(&r, "c2", "<USER>hello</USER>");
    is_int(t.outcome, HISTORY_STARTED, "one that says nothing is not waited for either");
    is_int(old.contexts, 1, "although it was asked");
    old.hold = false;
    tell_context(old.held, old.held_arg);
    rig_visit(&r, "c2");
    is_int(r.platform.sent, 1, "its late answer harms nobody");
    rig_close(&r);
}

static void old_jobs(void)
{
    struct rig r;
    open_with_archive(&r);
    json_t *j = job_of(&r, TURN);
    ok(json_is_null(j) && job_status == STORE_DONE, "a job that nobody knows");
    old.job = "{\"job_id\":\"" TURN "\",\"conversation_id\":\"c1\",\"status\":\"completed\",\"attempts\":1,\"consolidated_messages\":2,\"result\":{},"
              "\"created_at\":1699123456.650,\"started_at\":1699123457.000,\"completed_at\":null}";
    j = job_of(&r, TURN);
    is_sv(json_sv(j, "status"), SV("completed"), "a job whose time in the store is over is found in the archive");
    is_int(json_i64(j, "consolidated_messages", 0), 2, "with what is kept of it");
    has_str(job_text, "\"created_at\":1699123456.650,\"started_at\":1699123457.000,\"completed_at\":null", "times have three decimals");
    json_decref(j);
    old.up = false;
    j = job_of(&r, TURN);
    ok(json_is_null(j) && job_status == STORE_DOWN, "while that is away nobody can tell whether there is such a job");
    rig_close(&r);
}

/* A store that is slow to answer, as while a host goes over to its other one. */
static struct store_ops slow;
static const struct store_ops *slowed;

static void slow_load(struct store *s, const struct store_load *what, store_load_fn *fn, void *arg)
{
    usleep(50000);
    slowed->load(s, what, fn, arg);
}

static void on_pending(void *arg, enum store_status status, const struct store_view *v)
{
    struct message_item m;
    struct err e;
    int64_t *received_ms = arg;
    if (status != STORE_DONE || v->pending_n != 1 || message_look(v->pending[0], &m, &e) != 0)
        bail_out("the message does not wait");
    *received_ms = m.received_ms;
}

static void on_counts(void *arg, enum store_status status, const struct store_view *v)
{
    size_t *counts = arg;
    counts[0] = status == STORE_DONE ? v->pending_n : 0;
    counts[1] = status == STORE_DONE ? v->context_n : 0;
}

static void received_when(void)
{
    struct rig r;
    int64_t received_ms = 0, before_ms = clock_wall_ms();
    const struct store_load what = { .conversation_id = SV("c1"), .want_lists = true };
    open_with_archive(&r);
    slowed = r.store->ops;
    slow = *slowed;
    slow.load = slow_load;
    r.store->ops = &slow;
    (void)post(&r, "c1", "<USER>hello</USER>");
    int64_t after_ms = clock_wall_ms();
    r.store->ops = slowed;
    store_load(r.store, &what, on_pending, &received_ms);
    for (int i = 0; i < 1000 && received_ms == 0; i++)
        loop_turn(r.loop, false);
    ok(received_ms >= before_ms && received_ms <= after_ms, "a new conversation's message is not received in the future, %d ms",
       (int)(received_ms - after_ms));
    rig_close(&r);
}

/* One request brought two texts, of which the archive has heard only the second, and the host remembers both: they have one time. */
static void of_one_time(void)
{
    struct rig r;
    struct err e;
    char path[96], entry[160];
    int64_t now_ms = clock_wall_ms();
    open_with_archive(&r);
    (void)snprintf(path, sizeof(path), "%s/recent", r.dir);
    struct recent *recent = recent_open(path, &e);
    if (recent == NULL)
        bail_out("%s", e.text);
    recent_add(recent, SV("c1"), SV("m1"), overlap_key(true, SV("hello")), now_ms);
    recent_add(recent, SV("c1"), SV("m2"), overlap_key(true, SV("how long?")), now_ms);
    (void)snprintf(entry, sizeof(entry), "{\"role\":\"user\",\"content\":\"how long?\",\"timestamp\":%lld,\"message_id\":\"m2\"}", (long long)now_ms);
    old.entries[0] = entry;
    old.entries[1] = NULL;
    turns_free(r.turns);
    r.options.recent = recent;
    r.turns = turns_new(&r.options, NULL);
    r.store->standing_in = true;
    struct told t = post(&r, "c1", "<USER>hello</USER><BOT>welcome</BOT><USER>how long?</USER><BOT>a day</BOT><USER>thanks</USER>");
    is_int(t.outcome, HISTORY_STARTED, "a third text");
    const struct store_load what = { .conversation_id = SV("c1"), .want_lists = true };
    size_t counts[2] = { SIZE_MAX, SIZE_MAX };
    store_load(r.store, &what, on_counts, counts);
    for (int i = 0; i < 1000 && counts[0] == SIZE_MAX; i++)
        loop_turn(r.loop, false);
    is_int((int)counts[0], 1, "waits");
    is_int((int)counts[1], 1, "and of what came before it only a reply is new");
    turns_free(r.turns);
    r.options.recent = NULL;
    r.turns = turns_new(&r.options, NULL);
    recent_close(recent);
    (void)unlink(path);
    rig_close(&r);
}

int main(void)
{
    received_when();
    of_one_time();
    forgotten();
    away_and_slow();
    old_jobs();
    return done_testing();
}
