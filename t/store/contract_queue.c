/* SPDX-License-Identifier: MIT
 * Promises about what all conversations share: the queue, due times, small values, numbers, events, bounds. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "t/store/contract.h"

static void enqueue(struct rig *r, uint64_t version, const struct sv *items, size_t n)
{
    if (apply(r, &CHANGE("q", version, .queue_add = items, .queue_add_n = n))->status != STORE_DONE)
        bail_out("%s: cannot enqueue", r->backend->name);
}

static void queue(struct rig *r)
{
    const struct store_batch *b = take(r, "own.er-1", 10);
    ok(b->name.n == 0 && b->n == 0 && b->left == 0, "nothing to take");
    const struct store_letter letter = { SV("019a0000-0000-7000-8000-000000000001"), SV("3!") };
    enqueue(r, 0, LIST(SV("1"), SV("2")), 2);
    enqueue(r, 1, LIST(SV("3"), SV("4"), SV("5")), 3);
    b = take(r, "own.er-1", 2);
    is_sv(joined(r, b->items, b->n), SV("1,2"), "the first ones, in order");
    is_int(b->left, 3, "the rest is left");
    ok(sv_starts(b->name, SV("own.er-1:")), "the batch has the owner's name: %.*s", SV_FMT(b->name));
    const struct store_batch *other = take(r, "own.er-2", 2);
    is_sv(joined(r, other->items, other->n), SV("3,4"), "another owner gets the next ones");
    ok(!sv_eq(b->name, other->name), "in a batch of its own");
    const struct store_stat *s = stat_of(r);
    is_int(s->queue, 1, "one waits");
    is_int(s->queue_taken, 4, "four are taken");
    is_int(ack(r, &(struct store_ack){ .batch = b->name }), STORE_DONE, "acknowledged");
    is_int(stat_of(r)->queue_taken, 2, "forgotten");
    is_int(ack(r, &(struct store_ack){ .batch = b->name, .again = LIST(SV("twice")), .again_n = 1 }), STORE_DONE,
           "again: no error");
    is_int(stat_of(r)->queue, 1, "and nothing came of it");
    is_int(ack(r,
               &(struct store_ack){
                   .batch = other->name, .again = LIST(SV("3b"), SV("4b")), .again_n = 2, .dead = &letter, .dead_n = 1 }),
           STORE_DONE, "two again, one dead");
    s = stat_of(r);
    is_int(s->queue, 3, "two came back");
    is_int(s->queue_taken, 0, "none is taken");
    is_int(s->dead, 1, "one is dead");
    is_sv(drain(r), SV("3b,4b,5"), "to the queue's front, in order");
    is_int(stat_of(r)->queue_taken, 0, "drained");
    enqueue(r, 2, LIST(SV("6")), 1);
    is_sv(drain(r), SV("6"), "and used again");
}

static void recovery(struct rig *r)
{
    enqueue(r, 0, LIST(SV("1"), SV("2"), SV("3"), SV("4"), SV("5"), SV("6"), SV("7")), 7);
    (void)take(r, "dead.1", 2);
    struct sv alive = take(r, "alive.1", 1)->name;
    (void)take(r, "dead.2", 2);
    (void)take(r, "dead.1", 1);
    is_int(stat_of(r)->queue_taken, 6, "six taken");
    is_int(recover(r, "nobody"), STORE_DONE, "nobody is dead");
    is_int(stat_of(r)->queue, 1, "nothing comes back");
    is_int(recover(r, "dead."), STORE_DONE, "two are dead");
    const struct store_stat *s = stat_of(r);
    is_int(s->queue, 6, "five came back");
    is_int(s->queue_taken, 1, "one stays taken");
    enqueue(r, 1, LIST(SV("8")), 1);
    const struct store_batch *b = take(r, "alive.2", 3);
    ok(b->n >= 1 && sv_eq(b->items[0], SV("1")), "they are taken first");
    is_int(recover(r, "alive.2"), STORE_DONE, "a second death");
    is_sv(drain(r), SV("1,2,4,5,6,7,8"), "all at the front and in order");
    is_int(ack(r, &(struct store_ack){ .batch = alive }), STORE_DONE, "the living one acknowledges");
    s = stat_of(r);
    ok(s->queue == 0 && s->queue_taken == 0, "nothing is left");
}

/* Large items come in small company, so that a batch can always be had in time; none is so large that it is not had at all. */
static void large_items(struct rig *r)
{
    size_t half = STORE_TAKE_BYTES / 2 + 1;
    char *text = calloc(3, half);
    if (text == NULL)
        bail_out("no memory");
    memset(text, 'x', 3 * half);
    const struct sv large = { text, half }, largest = { text, 3 * half }, small = SV("s");
    const struct sv items[] = { small, large, large, large, largest, small };
    for (size_t i = 0; i < ARRAY_LEN(items); i++)
        enqueue(r, i, &items[i], 1);
    static const size_t sizes[] = { 3, 2, 1 };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        const struct store_batch *b = take(r, "o", 10);
        is_int(b->n, sizes[i], "batch %zu has as many as it may", i);
        is_int(ack(r, &(struct store_ack){ .batch = b->name }), STORE_DONE, "acknowledged");
    }
    is_int(stat_of(r)->queue, 0, "all of them came");
    for (size_t i = 2; i < ARRAY_LEN(items); i++)
        enqueue(r, 4 + i, i == 4 ? &large : &items[i], 1);
    (void)take(r, "dead.1", 10);
    (void)take(r, "dead.2", 10);
    is_int(recover(r, "dead."), STORE_DONE, "their owners die");
    is_int(stat_of(r)->queue, 4, "all come back");
    const struct store_batch *b = take(r, "o", 10);
    ok(b->n == 2 && b->items[0].n == half && b->items[1].n == half && b->left == 2, "and are taken in the same way");
    b = take(r, "o", 10);
    ok(b->n == 2 && b->items[0].n == half && sv_eq(b->items[1], small) && b->left == 0, "to the last one");
    free(text);
}

/* A batch that was given back is not its owner's any more. */
static void late_ack(struct rig *r)
{
    enqueue(r, 0, LIST(SV("1"), SV("2")), 2);
    struct sv name = take(r, "o", 2)->name;
    (void)recover(r, "o");
    is_int(ack(r, &(struct store_ack){ .batch = name, .again = LIST(SV("1 again")), .again_n = 1 }), STORE_DONE,
           "too late");
    is_sv(drain(r), SV("1,2"), "the items are there, once");
}

static void due_times(struct rig *r)
{
    int64_t now_ms = load(r, "c")->now_ms;
    struct call *c = due(r, 9);
    ok(c->status == STORE_DONE && c->n == 0 && c->next_ms == -1, "nothing is due, ever");
    (void)apply(r, &CHANGE("third", 0, .due_ms = now_ms - 10));
    (void)apply(r, &CHANGE("first", 0, .due_ms = now_ms - 1000));
    (void)apply(r, &CHANGE("later", 0, .due_ms = now_ms + LONG_MS));
    (void)apply(r, &CHANGE("second", 0, .due_ms = now_ms - 500));
    (void)apply(r, &CHANGE("never", 0));
    c = due(r, 9);
    is_sv(joined(r, c->items, c->n), SV("first,second,third"), "the earliest first");
    ok(c->next_ms > LONG_MS - 60000 && c->next_ms <= LONG_MS, "and when the next one is");
    c = due(r, 2);
    is_sv(joined(r, c->items, c->n), SV("first,second"), "at most so many; they stay listed");
    (void)apply(r, &CHANGE("first", 1));
    (void)apply(r, &CHANGE("second", 1, .due_ms = now_ms + LONG_MS / 2));
    (void)apply(r, &CHANGE("third", 1, .due_ms = now_ms - 2000));
    c = due(r, 9);
    is_sv(joined(r, c->items, c->n), SV("third"), "an apply moves or removes them");
    ok(c->next_ms > LONG_MS / 2 - 60000 && c->next_ms <= LONG_MS / 2, "the next one is another");
    is_int(stat_of(r)->due, 3, "three are listed");
}

static void due_comes(struct rig *r)
{
    int64_t now_ms = load(r, "c")->now_ms;
    (void)apply(r, &CHANGE("c", 0, .due_ms = now_ms + SHORT_MS));
    rig_pass(r, SHORT_MS + 20);
    struct call *c = due(r, 9);
    is_sv(joined(r, c->items, c->n), SV("c"), "the time has come");
    is_int(c->next_ms, -1, "nothing after it");
}

static void listings(struct rig *r)
{
    (void)apply(r, &CHANGE("a", 0, .in = STORE_IN_ACTIVE, .active_ms = 5, .activity_ms = 5));
    (void)apply(r, &CHANGE("b", 0, .in = STORE_IN_ACTIVE | STORE_IN_WAITING, .waiting_ms = 6, .active_ms = 6,
                           .activity_ms = 6));
    (void)apply(r, &CHANGE("c", 0, .in = STORE_IN_PAUSED, .paused_ms = 7, .activity_ms = 7));
    (void)apply(r, &CHANGE("d", 0, .activity_ms = 8));
    const struct store_stat *s = stat_of(r);
    ok(s->up, "up");
    is_int(s->conversations, 4, "conversations");
    is_int(s->active, 2, "active");
    is_int(s->waiting, 1, "waiting");
    is_int(s->paused, 1, "paused");
    ok(s->text.n >= 2 && s->text.p[0] == '{', "the backend's own figures are an object");
    (void)apply(r, &CHANGE("a", 1, .activity_ms = 9));
    (void)apply(r, &CHANGE("b", 1, .in = STORE_IN_WAITING | STORE_IN_PAUSED, .waiting_ms = 6, .paused_ms = 9,
                           .activity_ms = 9));
    s = stat_of(r);
    is_int(s->conversations, 4, "still four");
    is_int(s->active, 0, "none active");
    is_int(s->waiting, 1, "one waiting");
    is_int(s->paused, 2, "two paused");
}

static void values(struct rig *r)
{
    is_sv(get(r, "job:1"), SV_NONE, "not there");
    is_int(put(r, "job:1", "one", LONG_MS), STORE_DONE, "put");
    is_sv(get(r, "job:1"), SV("one"), "got");
    is_int(put(r, "job:1", "", LONG_MS), STORE_DONE, "overwritten by nothing");
    is_sv(get(r, "job:1"), SV(""), "which is there");
    is_int(put(r, "job:1", NULL, 0), STORE_DONE, "removed");
    is_sv(get(r, "job:1"), SV_NONE, "gone");
    is_int(put(r, "job:1", NULL, 0), STORE_DONE, "removing nothing is no error");
    is_int(put(r, "daemon:x", "alive", SHORT_MS), STORE_DONE, "for a short time");
    (void)apply(r, &CHANGE("c", 0, .job = { SV("j"), SV("queued") }, .job_ttl_ms = LONG_MS));
    is_sv(get(r, "job:j"), SV("queued"), "a job comes with an apply");
    (void)apply(r, &CHANGE("c", 1, .job = { SV("j"), SV("done") }, .job_ttl_ms = SHORT_MS));
    rig_pass(r, SHORT_MS + 20);
    is_sv(get(r, "job:j"), SV_NONE, "and ends with its time");
    is_sv(get(r, "daemon:x"), SV_NONE, "as every value");
    (void)apply(r, &CHANGE("c", 2, .job = { SV("j"), SV("new") }, .job_ttl_ms = LONG_MS));
    is_sv(get(r, "job:j"), SV("new"), "it may be set anew");
}

static void numbers(struct rig *r)
{
    const int64_t some_ms = 10 * SHORT_MS; /* long enough for two calls on a busy machine */
    is_sv(count(r, "rate:a", LONG_MS), SV("1"), "the first");
    is_sv(count(r, "rate:a", LONG_MS), SV("2"), "the second");
    is_sv(count(r, "rate:b", some_ms), SV("1"), "another number");
    is_sv(count(r, "rate:b", LONG_MS), SV("2"), "its end stays that of the first one");
    is_sv(get(r, "rate:a"), SV("2"), "it can be read");
    rig_pass(r, some_ms + 20);
    is_sv(get(r, "rate:b"), SV_NONE, "it is over");
    is_sv(count(r, "rate:b", LONG_MS), SV("1"), "and begins anew");
    is_sv(count(r, "rate:a", SHORT_MS), SV("3"), "the other one goes on");
}

static bool heard_some(struct rig *r, void *arg)
{
    return r->heard - r->connected >= *(const unsigned *)arg;
}

static void events(struct rig *r)
{
    unsigned want = 1;
    (void)apply(r, &CHANGE("c", 0, .event = SV("{\"type\":\"hello\"}")));
    ok(rig_until(r, heard_some, &want), "an event is heard by who made it");
    is_sv(r->event, SV("{\"type\":\"hello\"}"), "as it is");
    (void)apply(r, &CHANGE("c", 0, .event = SV("not applied")));
    (void)apply(r, &CHANGE("c", 1, .event = SV("second")));
    want = 2;
    ok(rig_until(r, heard_some, &want), "the next one");
    is_sv(r->event, SV("second"), "what was not applied is not told");
    is_int(r->heard - r->connected, 2, "each once");
}

/* Several lines are one event, which comes whole: nothing on the way takes '\n' for an end. */
static void events_of_lines(struct rig *r)
{
    static char text[4096];
    struct sv lines[] = { SV("due\njob 019a0000-0000-7000-8000-000000000001"), SV("\n"), SV("a\r\n\n$3\r\nb\n"),
                          { text, sizeof text } };
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 50 == 49 ? '\n' : (char)('a' + i % 26);
    for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
        (void)apply(r, &CHANGE("c", i, .event = lines[i]));
        ok(rig_until(r, heard_some, &(unsigned){ i + 1 }), "an event of several lines, %zu bytes", lines[i].n);
        is_sv(r->event, lines[i], "comes as it is");
    }
    (void)apply(r, &CHANGE("c", ARRAY_LEN(lines), .forget = true, .event = lines[0]));
    ok(rig_until(r, heard_some, &(unsigned){ ARRAY_LEN(lines) + 1 }), "with forgetting too");
    is_sv(r->event, lines[0], "the same");
    is_int(r->heard - r->connected, ARRAY_LEN(lines) + 1, "each once");
}

static bool is_connected(struct rig *r, void *arg)
{
    (void)arg;
    return r->connected > 0;
}

static void events_between(struct rig *r)
{
    struct rig other = *r;
    other.heard = other.connected = 0;
    other.s = r->backend->open(r, 0);
    if (other.s == NULL)
        bail_out("%s: no second handle", r->backend->name);
    store_subscribe(other.s, rig_event, &other);
    other.calls = NULL;
    ok(rig_until(&other, is_connected, NULL), "another handle is up"); /* so what follows is heard */
    struct sv items[20];
    for (unsigned i = 0; i < 20; i++) {
        items[i] = arena_printf(r->arena, "e%u\nline %u", i, i);
        (void)apply(r, &CHANGE("c", i, .event = items[i]));
    }
    ok(rig_until(&other, heard_some, &(unsigned){ 20 }), "another handle hears all");
    is_sv(other.event, SV("e19\nline 19"), "the last one last, with its lines");
    (void)apply(&other, &CHANGE("c", 20, .event = SV("back")));
    ok(rig_until(r, heard_some, &(unsigned){ 21 }), "and is heard");
    is_sv(r->event, SV("back"), "the other way");
    is_int(load(r, "c")->version, 21, "both work on the same record");
    is_int(apply(r, &CHANGE("c", 20))->status, STORE_CONFLICT, "one conflicts with the other");
    store_close(other.s);
    other.s = NULL;
}

static void bound(struct rig *r)
{
    static char item[1000];
    memset(item, 'x', sizeof item);
    struct sv big = { item, sizeof item };
    uint64_t version = 0;
    enum store_status status = STORE_DONE;
    while (status == STORE_DONE && version < 12) {
        status = apply(r, &CHANGE("c", version, .queue_add = &big, .queue_add_n = 1, .in = STORE_IN_WAITING))->status;
        version += status == STORE_DONE;
    }
    is_int(status, STORE_FULL, "the queue has a bound");
    ok(version >= 2 && version <= 6, "about where it was set (%llu items)", (unsigned long long)version);
    is_int(load(r, "c")->version, version, "what was refused changed nothing");
    is_int(stat_of(r)->queue, (int64_t)version, "nor the queue");
    is_int(apply(r, &CHANGE("new", 0, .mark_new = { SV("m"), SV("x") }, .queue_add = &big, .queue_add_n = 1))->status,
           STORE_FULL, "no new message comes in");
    is_int(load(r, "new")->version, 0, "and leaves nothing behind");
    is_sv(load(r, "new")->mark, SV_NONE, "no mark either");
    is_int(apply(r, &CHANGE("c", version, .queue_add = &big, .queue_add_n = 1, .finishing = true))->status, STORE_DONE,
           "what was begun may be finished");
    is_int(stat_of(r)->queue, (int64_t)version + 1, "with its items");
    is_int(apply(r, &CHANGE("c", version + 1, .pending_more = LIST(SV("p")), .pending_more_n = 1))->status, STORE_FULL,
           "new messages stay out, whichever way they come");
    struct sv all = drain(r);
    is_int(all.n, (version + 1) * 1001 - 1, "all is there");
    is_int(apply(r, &CHANGE("new", 0, .mark_new = { SV("m"), SV("x") }, .queue_add = &big, .queue_add_n = 1))->status,
           STORE_DONE, "and there is room again");
}

const struct rig_case queue_cases[] = {
    { .name = "queue", .run = queue },
    { .name = "large items", .run = large_items },
    { .name = "recovery of batches", .run = recovery },
    { .name = "an ack that comes too late", .run = late_ack },
    { .name = "due times", .run = due_times },
    { .name = "a due time comes", .run = due_comes },
    { .name = "listings", .run = listings },
    { .name = "small values", .run = values },
    { .name = "numbers", .run = numbers },
    { .name = "events", .run = events },
    { .name = "events of several lines", .run = events_of_lines },
    { .name = "events between handles", .run = events_between, .needs_shared = true },
    { .name = "a bound of the queue", .run = bound, .bound = 4 },
    { .name = NULL },
};
