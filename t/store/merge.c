/* SPDX-License-Identifier: MIT
 * Going back from a SQLite store to another one: what is joined and how, and that a merge which is cut off anywhere and
 * run again ends with the same state. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "t/store/contract.h"

static const struct backend plain = { .name = "merge" };
static char dir[64];

/* Items that are left, and in another list not. */
static size_t left(const struct store_waiting *items, size_t n, bool alone)
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++)
        left += !items[i].answered && (!alone || items[i].same == SIZE_MAX);
    return left;
}

/* What a test joins with: it says what it was given. The first item of a record that sends comes first. */
static int join(void *arg, struct arena *a, const struct store_join *in, struct store_joined *out)
{
    if (arg != NULL)
        return -1;
    size_t ours = left(in->old_pending, in->old_pending_n, true), theirs = left(in->new_pending, in->new_pending_n, false);
    *out = (struct store_joined){
        .record = arena_printf(a, "%.*s(%zu)+%.*s(%zu)", SV_FMT(in->old), ours, SV_FMT(in->new_), theirs),
        .old_front_n = sv_eq(in->old, SV("sending")),
        .new_front_n = sv_eq(in->new_, SV("sending")),
        .due_ms = in->now_ms,
        .in = ours + theirs > 0 ? STORE_IN_WAITING : 0,
    };
    return 0;
}

static enum store_status merge_with(struct rig *r, struct store *from, struct store *to, void *join_arg)
{
    struct call *c = rig_call(r);
    store_merge(from, to, join, join_arg, rig_status, c);
    rig_wait(r, c);
    return c->status;
}

static enum store_status merge(struct rig *r, struct store *from, struct store *to)
{
    return merge_with(r, from, to, NULL);
}

static struct store *open_file(struct rig *r, const char *name)
{
    struct err e;
    char path[100];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    struct store *s = store_sqlite_open(r->loop, &(struct store_sqlite_options){ .path = path, .poll_ms = 5 }, &e);
    if (s == NULL)
        bail_out("%s", e.text);
    return s;
}

static void remove_file(const char *name)
{
    static const char *const ends[] = { "", "-journal", "-wal", "-shm", ".lock" };
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char path[120];
        (void)snprintf(path, sizeof path, "%s/%s%s", dir, name, ends[i]);
        (void)unlink(path);
    }
}

#define PENDING_TEXT(id) "{\"message_id\":\"" id "\",\"content\":\"?\"}"
#define PENDING(id) SV(PENDING_TEXT(id))
#define OPEN SV("{\"turn\":1}")
#define ANSWERED(n) SV("{\"status\":\"completed\",\"n\":" #n "}")

static void on(struct rig *r, struct store *s)
{
    r->s = s;
}

/* Takes so many, a minute apart. */
static int64_t place(struct rig *r, const char *name, unsigned n)
{
    struct call *c = rig_call(r);
    int64_t ms = -1;
    store_place(r->s, &(struct store_place){ .name = sv_from(name), .every_ms = 60000, .ahead_max_ms = LONG_MS, .n = n }, rig_value, c);
    rig_wait(r, c);
    ok(sv_to_i64(c->value, &ms), "a place of %s", name);
    return ms;
}

/* As it might be after an outage: m1 was answered before it, m2 and m3 were waiting; m2 came again while it lasted and
 * was answered locally, m4 and m5 are new, m5 is not answered yet. */
static void fill_shared(struct rig *r, struct store *s)
{
    on(r, s);
    struct store_pair marks[] = { { SV("m1"), ANSWERED(1) }, { SV("m2"), OPEN }, { SV("m3"), OPEN } };
    (void)apply(r, &CHANGE("c", 0, .record = SV("shared"), .marks = marks, .marks_n = 3, .pending_add = PENDING("m2"),
                           .pending_more = LIST(PENDING("m3")), .pending_more_n = 1, .lease = STORE_LEASE_TAKE,
                           .lease_token = SV("old"), .lease_ttl_ms = LONG_MS, .in = STORE_IN_ACTIVE,
                           .context_add = LIST(SV("{\"message_id\":\"m1\"}"), SV("{\"turn_id\":\"t1\"}")),
                           .context_add_n = 2, .context_max = 9, .queue_add = LIST(SV("q1")), .queue_add_n = 1,
                           .callbacks_add = LIST(SV("b1")), .callbacks_add_n = 1));
    (void)apply(r, &CHANGE("only shared", 0, .record = SV("untouched")));
    (void)put(r, "job:j1", "shared", LONG_MS);
    (void)place(r, "place:here", 9);
    (void)place(r, "place:there", 2);
}

static void fill_local(struct rig *r, struct store *s)
{
    on(r, s);
    struct store_pair marks[] = {
        { SV("m1"), OPEN }, { SV("m2"), ANSWERED(2) }, { SV("m4"), ANSWERED(4) }, { SV("m5"), OPEN }
    };
    (void)apply(
        r, &CHANGE("c", 0, .record = SV("local"), .marks = marks, .marks_n = 4, .pending_add = PENDING("m5"),
                   .pending_more = LIST(PENDING("m1"), PENDING("m3")), .pending_more_n = 2,
                   .context_add =
                       LIST(SV("{\"message_id\":\"m1\"}"), SV("{\"message_id\":\"m4\"}"), SV("{\"turn_id\":\"t4\"}")),
                   .context_add_n = 3, .context_max = 9, .queue_add = LIST(SV("q2"), SV("q3")), .queue_add_n = 2,
                   .lease = STORE_LEASE_TAKE, .lease_token = SV("mine"), .lease_ttl_ms = LONG_MS));
    (void)apply(r, &CHANGE("new", 0, .record = SV("sending"), .marks = &(struct store_pair){ SV("n1"), OPEN },
                           .marks_n = 1, .pending_add = PENDING("n1"), .queue_add = LIST(SV("q4")), .queue_add_n = 1,
                           .callbacks_add = LIST(SV("b2"), SV("b3")), .callbacks_add_n = 2));
    (void)apply(r, &CHANGE("third", 0, .record = SV("idle"), .queue_add = LIST(SV("q5")), .queue_add_n = 1,
                           .callbacks_add = LIST(SV("b4")), .callbacks_add_n = 1));
    (void)apply(r, &CHANGE("gone", 0, .marks = &(struct store_pair){ SV("g1"), ANSWERED(8) }, .marks_n = 1,
                           .pending_add = PENDING("g2")));
    (void)apply(r, &CHANGE("gone", 1, .forget = true));
    (void)put(r, "job:j1", "local", LONG_MS);
    (void)put(r, "job:j2", "local too", LONG_MS);
    (void)put(r, "job:gone", "x", SHORT_MS);
    (void)place(r, "place:here", 5);
    (void)place(r, "place:there", 7);
    (void)place(r, "place:new", 3);
    const struct store_letter letter = { SV("019a0000-0000-7000-8000-000000000003"), SV("q3 dead") };
    const struct store_batch *b = take(r, "somebody", 1); /* q2: taken, never acknowledged */
    b = take(r, "somebody", 1);                           /* q3 */
    (void)ack(r, &(struct store_ack){ .batch = b->name, .dead = &letter, .dead_n = 1 });
    (void)take_of(r, STORE_QUEUE_CALLBACKS, "somebody", 1);     /* b2: taken, never acknowledged */
    b = take_of(r, STORE_QUEUE_CALLBACKS, "somebody", 1);       /* b3: delivered */
    (void)ack(r, &(struct store_ack){ .queue = STORE_QUEUE_CALLBACKS, .batch = b->name });
}

static void describe(struct rig *r, struct buf *b, const char *id)
{
    static const char *const messages[] = { "m1", "m2", "m3", "m4", "m5", "n1", "g1" };
    const struct store_view *v = load(r, id);
    buf_printf(b, "%s: %.*s lease %.*s\n pending", id, SV_FMT(v->record), SV_FMT(v->lease_token));
    for (size_t i = 0; i < v->pending_n; i++)
        buf_printf(b, " %.*s", SV_FMT(v->pending[i]));
    buf_printf(b, "\n context");
    for (size_t i = 0; i < v->context_n; i++)
        buf_printf(b, " %.*s", SV_FMT(v->context[i]));
    buf_printf(b, "\n marks");
    for (size_t i = 0; i < ARRAY_LEN(messages); i++)
        buf_printf(b, " %s=%.*s", messages[i], SV_FMT(load_of(r, sv_from(id), sv_from(messages[i]))->mark));
    buf_printf(b, "\n");
}

/* All of a store that a test filled; takes its queue. */
static struct sv state_of(struct rig *r, struct store *s)
{
    struct buf b = { 0 };
    on(r, s);
    describe(r, &b, "c");
    describe(r, &b, "new");
    describe(r, &b, "third");
    describe(r, &b, "only shared");
    describe(r, &b, "gone");
    const struct store_stat *n = stat_of(r);
    struct sv j1 = get(r, "job:j1"), j2 = get(r, "job:j2"), queue = drain(r), callbacks = drain_of(r, STORE_QUEUE_CALLBACKS);
    buf_printf(&b, "job %.*s, %.*s", SV_FMT(j1), SV_FMT(j2));
    buf_printf(&b, "\n%lld conversations, %lld waiting, %lld due\nqueue %.*s\ncallbacks %.*s\ndead %lld",
               (long long)n->conversations, (long long)n->waiting, (long long)n->due, SV_FMT(queue), SV_FMT(callbacks),
               (long long)n->dead);
    const struct call *dead = letters(r, &(struct store_letters){ .max = 100 });
    for (size_t i = 0; i < dead->n; i++)
        buf_printf(&b, " %.*s", SV_FMT(dead->letters[i].item));
    struct sv all = arena_sv(r->arena, buf_sv(&b));
    buf_fini(&b);
    return all;
}

static const char expected[] =
    "c: local(1)+shared(1) lease \n"
    " pending {\"message_id\":\"m3\",\"content\":\"?\"} {\"message_id\":\"m5\",\"content\":\"?\"}\n"
    " context {\"message_id\":\"m1\"} {\"turn_id\":\"t1\"} {\"message_id\":\"m4\"} {\"turn_id\":\"t4\"}\n"
    " marks m1={\"status\":\"completed\",\"n\":1} m2={\"status\":\"completed\",\"n\":2} m3={\"turn\":1}"
    " m4={\"status\":\"completed\",\"n\":4} m5={\"turn\":1} n1= g1=\n"
    "new: sending(1)+(0) lease \n"
    " pending {\"message_id\":\"n1\",\"content\":\"?\"}\n"
    " context\n"
    " marks m1= m2= m3= m4= m5= n1={\"turn\":1} g1=\n"
    "third: idle(0)+(0) lease \n pending\n context\n marks m1= m2= m3= m4= m5= n1= g1=\n"
    "only shared: untouched lease \n pending\n context\n marks m1= m2= m3= m4= m5= n1= g1=\n"
    "gone:  lease \n pending\n context\n marks m1= m2= m3= m4= m5= n1= g1={\"status\":\"completed\",\"n\":8}\n"
    "job local, local too\n4 conversations, 2 waiting, 3 due\nqueue q1,q2,q4,q5\ncallbacks b1,b2,b4\n"
    "dead 1 q3 dead";

static void is_empty(struct rig *r, struct store *s)
{
    on(r, s);
    const struct store_stat *n = stat_of(r);
    ok(n->conversations == 0 && n->queue == 0 && n->queue_taken == 0 && n->dead == 0 && n->due == 0,
       "nothing is left behind");
    ok(n->callbacks == 0 && n->callbacks_taken == 0, "no callback either");
    is_int(load(r, "c")->version, 0, "not the conversation");
    is_sv(get(r, "job:j2"), SV_NONE, "nor the job");
}

static void test_whole(struct rig *r)
{
    struct store *from = open_file(r, "from"), *to = store_memory_open(r->loop, 0);
    fill_shared(r, to);
    fill_local(r, from);
    rig_pass(r, SHORT_MS + 20);
    is_int(merge(r, from, to), STORE_DONE, "merged");
    is_sv(state_of(r, to), sv_from(expected), "all of both is there");
    ok(place(r, "place:here", 1) > 8 * 60000, "a row of places that went on here goes on");
    ok(place(r, "place:there", 1) > 6 * 60000, "one that was longer there does so behind its places");
    ok(place(r, "place:new", 1) > 2 * 60000, "and one that was only there");
    is_empty(r, from);
    is_int(merge(r, from, to), STORE_DONE, "an empty one merges as well");
    /* the same ids once more: nothing of the first time may hold this back */
    on(r, from);
    (void)apply(r, &CHANGE("c", 0, .record = SV("second outage"), .pending_add = PENDING("m9"),
                           .queue_add = LIST(SV("q9")), .queue_add_n = 1));
    is_int(merge(r, from, to), STORE_DONE, "a second time");
    on(r, to);
    is_sv(load(r, "c")->record, SV("second outage(1)+local(1)+shared(1)(2)"), "is taken over too");
    is_sv(drain(r), SV("q9"), "with its items");
    store_close(from);
    store_close(to);
    remove_file("from");
}

/* Every call to the shared store fails once, before or after it did its work; the merge is run again until it is done.
 */
static void test_failures(struct rig *r, bool after)
{
    unsigned wrong = 0, n = 1;
    for (bool failed = true; failed && n < 500; n++) {
        struct store *from = open_file(r, "from"), *inner = store_memory_open(r->loop, 0);
        fill_shared(r, inner);
        fill_local(r, from);
        rig_pass(r, SHORT_MS + 20);
        struct store *to = store_fail_open(r->loop, inner, n, false, after);
        failed = merge(r, from, to) != STORE_DONE;
        if (failed && merge(r, from, to) != STORE_DONE)
            wrong++;
        struct sv state = state_of(r, inner);
        if (!sv_eq(state, sv_from(expected)) && wrong++ == 0)
            is_sv(state, sv_from(expected), "after failure of call %u", n);
        store_close(from);
        store_close(to);
        remove_file("from");
    }
    ok(n > 15 && n < 500, "%u calls failed, one at a time, %s the work", n - 2, after ? "after" : "before");
    is_int(wrong, 0, "and the end was always the same");
}

/* A child merges one file into another and vanishes after so many rounds of its loop; then it is done again. */
static void test_kill(struct rig *r)
{
    unsigned wrong = 0, rounds = 1;
    bool finished = false;
    for (; !finished && rounds < 400; rounds++) {
        struct store *from = open_file(r, "from"), *to = open_file(r, "to");
        fill_shared(r, to);
        fill_local(r, from);
        rig_pass(r, SHORT_MS + 20);
        store_close(from);
        store_close(to);
        pid_t pid = fork();
        if (pid == 0) {
            struct rig child = { .backend = &plain, .loop = loop_new(), .arena = arena_new(0, 64 << 20) };
            struct call *c = rig_call(&child);
            store_merge(open_file(&child, "from"), open_file(&child, "to"), join, NULL, rig_status, c);
            for (child.inside = false; rounds > 0 && c->answers == 0; rounds--)
                loop_turn(child.loop, true);
            _exit(c->answers > 0 ? 1 : 0);
        }
        int status = 0;
        (void)waitpid(pid, &status, 0);
        finished = WIFEXITED(status) && WEXITSTATUS(status) == 1;
        from = open_file(r, "from");
        to = open_file(r, "to");
        wrong += merge(r, from, to) != STORE_DONE;
        struct sv state = state_of(r, to);
        if (!sv_eq(state, sv_from(expected)) && wrong++ == 0)
            is_sv(state, sv_from(expected), "after a kill in round %u", rounds);
        store_close(from);
        store_close(to);
        remove_file("from");
        remove_file("to");
        arena_reset(r->arena);
        r->calls = NULL;
    }
    ok(finished && rounds > 10, "killed after each of %u rounds", rounds);
    is_int(wrong, 0, "and the end was always the same");
}

/* Between two tries the host goes on working on what it has not given back yet. */
static void test_goes_on(struct rig *r)
{
    for (unsigned lost = 0; lost < 2; lost++) {
        struct store *from = open_file(r, "from"), *inner = store_memory_open(r->loop, 0);
        on(r, from);
        (void)apply(r, &CHANGE("c", 0, .record = SV("one"), .pending_add = PENDING("m1"), .queue_add = LIST(SV("q1")),
                               .queue_add_n = 1, .callbacks_add = LIST(SV("b1")), .callbacks_add_n = 1,
                               .marks = &(struct store_pair){ SV("m1"), OPEN }, .marks_n = 1));
        /* look, look up m1, erased?, apply: the fourth call */
        struct store *to = store_fail_open(r->loop, inner, 4, false, lost == 1);
        is_int(merge(r, from, to), STORE_DOWN, "cut off %s the step", lost == 1 ? "after" : "before");
        on(r, from);
        (void)apply(r, &CHANGE("c", 1, .record = SV("two"), .pending_add = PENDING("m2"), .pending_drop = 1,
                               .queue_add = LIST(SV("q2")), .queue_add_n = 1, .callbacks_add = LIST(SV("b2")),
                               .callbacks_add_n = 1, .marks = &(struct store_pair){ SV("m1"), ANSWERED(1) }, .marks_n = 1));
        is_int(merge(r, from, to), STORE_DONE, "done again");
        on(r, inner);
        const struct store_view *v = load(r, "c");
        is_sv(load_of(r, SV("c"), SV("m1"))->mark, ANSWERED(1), "the later mark is there");
        is_sv(joined(r, v->pending, v->pending_n), PENDING("m2"),
              "the answered message does not wait any more, the new one does");
        is_sv(drain(r), SV("q1,q2"), "each item came once");
        is_sv(drain_of(r, STORE_QUEUE_CALLBACKS), SV("b1,b2"), "each callback too");
        on(r, from);
        is_int(stat_of(r)->conversations, 0, "nothing is left");
        store_close(from);
        store_close(to);
        remove_file("from");
    }
}

/* The messages of an open send stand in front, wherever else they wait: whoever ends it counts from there. */
static void test_sends(struct rig *r)
{
    static const struct {
        const char *name, *local, *shared, *expected;
    } rows[] = {
        { "nobody sends", "local", "shared", PENDING_TEXT("m1") "," PENDING_TEXT("m2") "," PENDING_TEXT("m3") },
        { "the host sends what waits for the shared store's turn as well", "sending", "shared",
          PENDING_TEXT("m2") "," PENDING_TEXT("m1") "," PENDING_TEXT("m3") },
        { "the shared store's turn sends", "local", "sending", PENDING_TEXT("m1") "," PENDING_TEXT("m2") "," PENDING_TEXT("m3") },
        { "both send", "sending", "sending", PENDING_TEXT("m1") "," PENDING_TEXT("m2") "," PENDING_TEXT("m3") },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct store *from = open_file(r, "from"), *to = store_memory_open(r->loop, 0);
        on(r, to);
        (void)apply(r, &CHANGE("c", 0, .record = sv_from(rows[i].shared), .pending_add = PENDING("m1"), .pending_more = LIST(PENDING("m2")),
                               .pending_more_n = 1));
        on(r, from);
        (void)apply(r, &CHANGE("c", 0, .record = sv_from(rows[i].local), .pending_add = PENDING("m2"), .pending_more = LIST(PENDING("m3")),
                               .pending_more_n = 1));
        is_int(merge(r, from, to), STORE_DONE, "%s: merged", rows[i].name);
        on(r, to);
        const struct store_view *v = load(r, "c");
        is_sv(joined(r, v->pending, v->pending_n), sv_from(rows[i].expected), "%s: its own first, each once", rows[i].name);
        store_close(from);
        store_close(to);
        remove_file("from");
    }
}

static void test_sizes(struct rig *r)
{
    enum { ITEMS = 2500, CALLBACKS = 1100, MARKS = 200 };
    struct store *from = open_file(r, "from"), *to = store_memory_open(r->loop, 0);
    struct sv *items = arena_array(r->arena, ITEMS, sizeof *items);
    struct store_pair *marks = arena_array(r->arena, MARKS, sizeof *marks);
    if (items == NULL || marks == NULL)
        bail_out("no memory");
    for (unsigned i = 0; i < ITEMS; i++)
        items[i] = arena_printf(r->arena, "%u", i);
    for (unsigned i = 0; i < MARKS; i++)
        marks[i] = (struct store_pair){ arena_printf(r->arena, "m%u", i), ANSWERED(1) };
    on(r, from);
    (void)apply(r, &CHANGE("c", 0, .queue_add = items, .queue_add_n = ITEMS, .callbacks_add = items,
                           .callbacks_add_n = CALLBACKS, .marks = marks, .marks_n = MARKS,
                           .pending_add = PENDING("p1")));
    is_int(merge(r, from, to), STORE_DONE, "long queues behind one conversation, one longer than the other");
    on(r, to);
    ok(stat_of(r)->queue == ITEMS && stat_of(r)->callbacks == CALLBACKS, "are all there");
    unsigned wrong = 0;
    for (enum store_queue q = STORE_QUEUE_MESSAGES; q < STORE_QUEUES; q++) {
        const struct store_batch *b = take_of(r, q, "o", ITEMS);
        wrong += b->n != (q == STORE_QUEUE_MESSAGES ? ITEMS : CALLBACKS);
        for (unsigned i = 0; i < b->n; i++)
            wrong += !sv_eq(b->items[i], items[i]);
    }
    is_int(wrong, 0, "in order, each once");
    is_int(load(r, "c")->pending_n, 1, "the pending message too");
    wrong = 0;
    for (unsigned i = 0; i < MARKS; i++)
        wrong += load_of(r, SV("c"), marks[i].key)->mark.p == NULL;
    is_int(wrong, 0, "and every mark");
    is_empty(r, from);
    store_close(from);
    store_close(to);
    remove_file("from");
}

/* Callbacks are all that is left, and somebody else is dead over one of them; cut off before and after each call. */
static void test_callbacks(struct rig *r)
{
    unsigned wrong = 0, n = 1;
    for (bool failed = true; failed && n < 50; n++) {
        struct store *from = open_file(r, "from"), *inner = store_memory_open(r->loop, 0);
        on(r, from);
        (void)apply(r, &CHANGE("c", 0, .callbacks_add = LIST(SV("b1"), SV("b2"), SV("b3")), .callbacks_add_n = 3));
        (void)apply(r, &CHANGE("c", 1, .forget = true));
        (void)take_of(r, STORE_QUEUE_CALLBACKS, "dead", 2);
        struct store *to = store_fail_open(r->loop, inner, (n + 1) / 2, false, n % 2 == 0);
        failed = merge(r, from, to) != STORE_DONE;
        wrong += failed && merge(r, from, to) != STORE_DONE;
        is_empty(r, from);
        on(r, inner);
        struct sv all = drain_of(r, STORE_QUEUE_CALLBACKS);
        wrong += !sv_eq(all, SV("b1,b2,b3")) || stat_of(r)->conversations != 0 || stat_of(r)->queue != 0;
        store_close(from);
        store_close(to);
        remove_file("from");
    }
    ok(n > 5, "%u times nothing but callbacks", n - 1);
    is_int(wrong, 0, "they go over, each once, and leave no conversation behind");
}

static void test_unjoinable(struct rig *r)
{
    struct store *from = open_file(r, "from"), *to = store_memory_open(r->loop, 0);
    fill_shared(r, to);
    on(r, from);
    (void)apply(r, &CHANGE("c", 0, .record = SV("local"), .pending_add = PENDING("m7")));
    (void)apply(r, &CHANGE("d", 0, .record = SV("local"), .pending_add = PENDING("m8")));
    is_int(merge_with(r, from, to, r), STORE_DONE, "records that cannot be joined hold nothing up");
    on(r, to);
    is_sv(load(r, "c")->record, SV("shared"), "the shared one stays");
    is_int(load(r, "c")->pending_n, 3, "the message is there");
    is_sv(load(r, "d")->record, SV("local"), "or ours, where there is none");
    is_int(due(r, 9)->n, 2, "both are looked at");
    store_close(from);
    store_close(to);
    remove_file("from");
}

/* Dead letters and items without any conversation go over without leaving one behind; more letters than go with one step. */
static void test_letters(struct rig *r)
{
    enum { LETTERS = 250 };
    struct store *from = open_file(r, "from"), *to = store_memory_open(r->loop, 0);
    struct store_letter *many = arena_array(r->arena, LETTERS, sizeof *many);
    if (many == NULL)
        bail_out("no memory");
    for (unsigned i = 0; i < LETTERS; i++)
        many[i] = (struct store_letter){ arena_printf(r->arena, "019a0000-0000-7000-8000-%012u", i),
                                         arena_printf(r->arena, "letter %u", i) };
    on(r, from);
    (void)apply(r, &CHANGE("c", 0, .letters = many, .letters_n = LETTERS, .queue_add = LIST(SV("q")), .queue_add_n = 1));
    (void)apply(r, &CHANGE("c", 1, .forget = true));
    is_int(merge(r, from, to), STORE_DONE, "no conversation, an item, many letters");
    on(r, to);
    ok(stat_of(r)->conversations == 0 && stat_of(r)->queue == 1 && stat_of(r)->dead == LETTERS, "all went over, no more");
    const struct call *c = letters(r, &(struct store_letters){ .max = 1000 });
    unsigned wrong = c->n != LETTERS;
    for (unsigned i = 0; i < c->n; i++)
        wrong += !sv_eq(c->letters[i].id, many[LETTERS - 1 - i].id) || !sv_eq(c->letters[i].item, many[LETTERS - 1 - i].item);
    is_int(wrong, 0, "each under its id");
    is_empty(r, from);
    store_close(from);
    store_close(to);
    remove_file("from");
}

static void add_event(struct rig *r, const char *id, uint64_t version, uint64_t seq_least, const char *view)
{
    const struct store_session_change session = { .view_op = STORE_VIEW_SET, .view = sv_from(view), .ttl_ms = LONG_MS,
                                                  .events = LIST(SV("{\"a\":1}")), .events_n = 1, .events_max = 9,
                                                  .seq_least = seq_least };
    const struct store_pair mark = { SV("m"), ANSWERED(1) };
    (void)apply(r, &CHANGE(id, version, .marks = &mark, .marks_n = 1, .session = &session));
}

static bool has(struct rig *r, const char *id, uint64_t last, size_t n, struct sv customer)
{
    const struct store_session *s = session_of(r, id);
    bool as_said = s->view.p == NULL && sv_eq(s->customer, customer);
    return as_said && events_of(r, id, 0)->last == last && events_of(r, id, 0)->n == n;
}

/* Views of either side are of half the truth; numbers go on above both. Cut off before and after each call. */
static void test_sessions(struct rig *r)
{
    unsigned wrong = 0, n = 1;
    for (bool failed = true; failed && n < 90; n++) {
        struct store *from = open_file(r, "from"), *inner = store_memory_open(r->loop, 0);
        on(r, inner);
        add_event(r, "c", 0, 0, "shared");
        (void)session_fill(r, &(struct store_session_fill){ .conversation_id = SV("c"), .customer = SV("who") });
        (void)session_fill(r, &(struct store_session_fill){ .conversation_id = SV("new"), .view = SV("archived") });
        on(r, from);
        add_event(r, "c", 0, 1000, "local");
        add_event(r, "new", 0, 2000, "local");
        add_event(r, "gone", 0, 3000, "local");
        (void)apply(r, &CHANGE("gone", 1, .forget = true));
        (void)session_fill(r, &(struct store_session_fill){ .conversation_id = SV("other"), .view = SV("archived") });
        struct store *to = store_fail_open(r->loop, inner, (n + 1) / 2, false, n % 2 == 0);
        failed = merge(r, from, to) != STORE_DONE;
        wrong += failed && merge(r, from, to) != STORE_DONE;
        wrong += !has(r, "c", 0, 0, SV_NONE) || !has(r, "new", 0, 0, SV_NONE) || !has(r, "gone", 0, 0, SV_NONE) ||
                 !has(r, "other", 0, 0, SV_NONE);
        on(r, inner);
        wrong += !has(r, "c", 1001, 1, SV("who")) || !has(r, "new", 2001, 0, SV_NONE) || !has(r, "gone", 3001, 0, SV_NONE) ||
                 !has(r, "other", 0, 0, SV_NONE);
        add_event(r, "c", load(r, "c")->version, 0, "new");
        add_event(r, "gone", 0, 0, "new");
        wrong += events_of(r, "c", 0)->last != 1002 || events_of(r, "gone", 0)->last != 3002;
        store_close(from);
        store_close(to);
        remove_file("from");
    }
    ok(n > 10, "%u times sessions", n - 1);
    is_int(wrong, 0, "no view of before is left, and numbers go on");
}

int main(void)
{
    struct rig r = { .backend = &(const struct backend){ .name = "merge", .real_clock = true },
                     .loop = loop_new(),
                     .arena = arena_new(0, 1u << 30) };
    (void)snprintf(dir, sizeof dir, "/tmp/merge.XXXXXX");
    if (r.loop == NULL || r.arena == NULL || mkdtemp(dir) == NULL)
        bail_out("no memory or directory");
    test_whole(&r);
    test_failures(&r, false);
    test_failures(&r, true);
    test_goes_on(&r);
    test_sends(&r);
    test_sizes(&r);
    test_callbacks(&r);
    test_unjoinable(&r);
    test_letters(&r);
    test_sessions(&r);
    r.calls = NULL;
    arena_reset(r.arena);
    test_kill(&r);
    for (int i = 0; i < 3; i++)
        loop_turn(r.loop, false);
    ok(rmdir(dir) == 0, "no file was left");
    arena_free(r.arena);
    loop_free(r.loop);
    return done_testing();
}
