/* SPDX-License-Identifier: MIT
 * The hub over a store that loses, doubles and delays what it tells: each listener gets each event once and in order, or is told that it missed some.
 * Random runs: SEED=n repeats one. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/loop.h"
#include "store/store_ops.h"
#include "t/tap.h"
#include "turn/push.h"

#define SESSIONS 3
#define LISTENERS 12
#define LOG_MAX 20
#define READS_MAX 64
#define PUSHES_MAX 4096
#define TEXT 96
#define SEQ_MAX 4096

/* ---- the store ---- */

struct read {
    store_events_fn *fn;
    void *arg;
    int session;
    uint64_t after;
    bool done;
    uint64_t last, first; /* what it found: events first..last */
};

struct push {
    int session; /* -1: all */
    uint64_t seq; /* 0: there may be news */
};

static struct fake {
    struct store store;
    uint64_t last[SESSIONS], first[SESSIONS]; /* the log has first..last */
    uint64_t since[SESSIONS][SEQ_MAX]; /* of a text that grows: since which number; 0: it is no such text */
    bool listened[SESSIONS], lost[SESSIONS];
    struct read reads[READS_MAX];
    size_t reads_n;
    struct push pushes[PUSHES_MAX];
    size_t pushes_n;
    bool down, lossless;
    int listens, unlistens, marks;
} fake;

static const char *const ids[SESSIONS] = { "a", "b", "c" };
static uint64_t state;

static uint64_t below(uint64_t n)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (state >> 33) % n;
}

static int session_of(struct sv id)
{
    return id.p[0] - 'a';
}

static uint64_t since_of(int session, uint64_t seq)
{
    uint64_t since = seq < SEQ_MAX ? fake.since[session][seq] : 0;
    return since > 0 ? since : seq;
}

static struct sv event_text(char out[TEXT], int session, uint64_t seq)
{
    uint64_t since = since_of(session, seq);
    int n = since < seq ? snprintf(out, TEXT, "{\"seq\":%" PRIu64 ",\"since\":%" PRIu64 ",\"type\":\"reply\"}", seq, since)
                        : snprintf(out, TEXT, "{\"seq\":%" PRIu64 ",\"type\":\"message\"}", seq);
    return (struct sv){ out, (size_t)n };
}

static void fake_events(struct store *s, struct sv id, uint64_t after, store_events_fn *fn, void *arg)
{
    (void)s;
    if (fake.reads_n == READS_MAX)
        abort();
    fake.reads[fake.reads_n++] = (struct read){ .fn = fn, .arg = arg, .session = session_of(id), .after = after };
}

static void tell(int session, uint64_t seq)
{
    if (fake.pushes_n < PUSHES_MAX)
        fake.pushes[fake.pushes_n++] = (struct push){ session, seq };
}

static int fake_listen(struct store *s, struct sv id, bool on)
{
    (void)s;
    fake.listened[session_of(id)] = on;
    fake.listens += on;
    fake.unlistens += !on;
    if (on)
        tell(session_of(id), 0);
    return 0;
}

/* A mark that somebody listens. */
static void fake_value(struct store *s, const struct store_value *what, store_value_fn *fn, void *arg)
{
    (void)s;
    fake.marks += what->put && sv_starts(what->name, SV("listening:"));
    fn(arg, STORE_DOWN, SV_NONE);
}

static const struct store_ops ops = { .name = "fake", .events = fake_events, .listen = fake_listen, .value = fake_value };

/* grows: takes the place of the last event, where that does so too. */
static void emit_one(int session, bool grows)
{
    uint64_t seq = ++fake.last[session];
    fake.since[session][seq % SEQ_MAX] = !grows ? 0 : fake.since[session][seq - 1] > 0 ? fake.since[session][seq - 1] : seq;
    if (fake.last[session] - fake.first[session] >= LOG_MAX)
        fake.first[session]++;
    if (fake.listened[session] && (fake.lossless || below(10) > 0))
        tell(session, seq);
    else
        fake.lost[session] = true;
}

static void emit(int session)
{
    emit_one(session, false);
}

static void run_read(struct read *r)
{
    r->done = true;
    r->last = fake.last[r->session];
    r->first = r->after == STORE_EVENTS_NOW ? r->last + 1 : r->after + 1 > fake.first[r->session] ? r->after + 1 : fake.first[r->session];
}

static void answer_read(size_t i)
{
    struct read r = fake.reads[i];
    char texts[LOG_MAX + 1][TEXT];
    struct sv list[LOG_MAX + 1];
    struct store_events e = { .events = list, .last = r.last };

    fake.reads[i] = fake.reads[--fake.reads_n];
    for (uint64_t seq = r.last; seq >= r.first && seq > 0; seq = since_of(r.session, seq) - 1)
        e.n++;
    size_t at = e.n;
    for (uint64_t seq = r.last; at > 0; seq = since_of(r.session, seq) - 1, at--)
        list[at - 1] = event_text(texts[at - 1], r.session, seq);
    r.fn(r.arg, fake.down ? STORE_DOWN : STORE_DONE, fake.down ? NULL : &e);
}

static void deliver(void)
{
    struct push p = fake.pushes[0];
    char text[TEXT];

    memmove(fake.pushes, fake.pushes + 1, --fake.pushes_n * sizeof(p));
    if (p.session < 0)
        fake.store.on_push(fake.store.push_arg, SV_NONE, SV_NONE);
    else
        fake.store.on_push(fake.store.push_arg, sv_from(ids[p.session]), p.seq > 0 ? event_text(text, p.session, p.seq) : SV_NONE);
}

/* One thing that was on its way arrives: subscriptions in order, reads in any. */
static bool move_on(void)
{
    size_t i = fake.reads_n > 0 ? below(fake.reads_n) : 0;
    if (fake.pushes_n > 0 && (fake.reads_n == 0 || below(2) == 0))
        deliver();
    else if (fake.reads_n > 0 && !fake.reads[i].done)
        run_read(&fake.reads[i]);
    else if (fake.reads_n > 0)
        answer_read(i);
    else
        return false;
    return true;
}

static void drain(void)
{
    while (move_on())
        continue;
}

static void settle(void)
{
    for (int i = 0; i < SESSIONS; i++)
        fake.lost[i] = false;
    tell(-1, 0);
    drain();
}

/* ---- listeners ---- */

static struct ear {
    struct listener *l;
    int session;
    uint64_t at; /* the last one heard; HUB_NOW: none so far */
    int heard, resets, wrong;
    bool leaves; /* at the next event */
    int room;    /* events that it takes yet; -1: any number */
} ears[LISTENERS];

static bool hear(void *arg, uint64_t seq, struct sv event)
{
    struct ear *e = arg;
    if (e->room == 0)
        return false;
    e->room -= e->room > 0;
    bool reset = event.n > 30 && strstr(event.p, "\"type\":\"reset\"") != NULL;

    bool lost = e->at == HUB_NOW || e->at + 1 < fake.first[e->session] || e->at > fake.last[e->session];
    e->wrong += store_event_seq(event) != seq;
    e->wrong += reset && !lost;
    e->wrong += !reset && e->at != HUB_NOW && (seq <= e->at || store_event_since(event) > e->at + 1);
    e->at = seq;
    e->heard++;
    e->resets += reset;
    if (e->leaves) {
        listener_free(e->l);
        e->l = NULL;
    }
    return true;
}

static void listen(struct hub *h, struct ear *e, int session, uint64_t after)
{
    *e = (struct ear){ .session = session, .at = after, .room = -1 };
    e->l = listener_new(h, sv_from(ids[session]), after, hear, e);
}

static struct hub *begin(struct loop *l)
{
    struct err e;
    memset(&fake, 0, sizeof(fake));
    memset(ears, 0, sizeof(ears));
    fake.store = (struct store){ .ops = &ops, .backend = "fake", .loop = l };
    for (int i = 0; i < SESSIONS; i++)
        fake.first[i] = 1;
    return hub_new(l, &fake.store, &e);
}

static void leave_all(void)
{
    for (int i = 0; i < LISTENERS; i++) {
        listener_free(ears[i].l);
        ears[i].l = NULL;
    }
    while (move_on())
        continue;
}

/* ---- tests ---- */

static int places;
static void count_place(void *arg)
{
    (void)arg;
    places++;
}

static void plain(struct loop *l)
{
    struct hub *h = begin(l);
    struct hub_stat stat;

    for (int i = 0; i < 5; i++)
        emit(0);
    listen(h, &ears[0], 0, 0);
    listen(h, &ears[1], 0, 3);
    listen(h, &ears[2], 0, HUB_NOW);
    listener_on_placed(ears[2].l, count_place);
    listen(h, &ears[3], 0, 99);
    is_int(ears[0].heard, 0, "nothing comes from inside the call");
    settle();
    is_int(places, 1, "where it begins is known, and told once");
    is_int(ears[0].heard, 5, "all that is kept");
    is_int(ears[1].heard, 2, "what is new since");
    is_int(ears[2].heard, 0, "nothing that was before");
    is_int(ears[3].resets, 1, "who has seen more than there ever was is told so");
    is_int((int64_t)ears[3].at, 5, "and goes on from what there is");
    emit(0);
    emit(1);
    settle();
    for (int i = 0; i < 4; i++)
        is_int((int64_t)ears[i].at, 6, "the next one reaches listener %d", i);
    is_int(ears[2].heard, 1, "also who began in between");
    hub_stat(h, &stat);
    is_int((int64_t)stat.listeners, 4, "four listeners");
    is_int((int64_t)stat.sessions, 1, "of one session");
    is_int(fake.marks, 1, "which has left one mark that it is listened to");
    leave_all();
    hub_stat(h, &stat);
    is_int((int64_t)(stat.listeners + stat.sessions), 0, "all have gone");
    is_int(fake.listens, fake.unlistens, "nobody is subscribed any more");
    hub_free(h);
}

/* What comes by itself overtakes the answer to the question where the log ends. */
static void overtaken(struct loop *l)
{
    struct hub *h = begin(l);

    fake.lossless = true;
    listen(h, &ears[1], 0, HUB_NOW);
    drain();
    listen(h, &ears[0], 0, HUB_NOW);
    run_read(&fake.reads[0]);
    emit(0);
    while (fake.pushes_n > 0)
        deliver();
    answer_read(0);
    drain();
    is_int(ears[0].heard, 1, "an event that overtakes the first look is not lost");
    leave_all();
    hub_free(h);
}

static void trimmed(struct loop *l)
{
    struct hub *h = begin(l);

    for (int i = 0; i < LOG_MAX + 15; i++)
        emit(0);
    listen(h, &ears[0], 0, 2);
    settle();
    is_int(ears[0].resets, 1, "what is not kept any more is told as missed");
    is_int(ears[0].heard, LOG_MAX + 1, "and the rest comes");
    is_int((int64_t)ears[0].at, LOG_MAX + 15, "to its end");
    is_int(ears[0].wrong, 0, "in order");
    fake.last[0] = 0; /* forgotten for so long that the numbers begin anew */
    fake.first[0] = 1;
    fake.lossless = true;
    emit(0);
    drain();
    emit(0);
    drain();
    is_int((int64_t)ears[0].at, 2, "numbers that begin anew are followed");
    is_int(ears[0].resets, 2, "after a reset");
    leave_all();
    hub_free(h);
}

/* A store that stands in for another one knows nothing of what was before. */
static void stood_in(struct loop *l)
{
    struct hub *h = begin(l);

    for (int i = 0; i < 5; i++)
        emit(0);
    listen(h, &ears[0], 0, 0);
    settle();
    fake.last[0] = 0;
    tell(-1, 0);
    drain();
    is_int(ears[0].heard, 5, "nothing is told of what the one that stands in does not know");
    fake.last[0] = 5;
    tell(-1, 0);
    drain();
    is_int(ears[0].heard, 5, "nor anything again when the other one is back");
    fake.first[0] = 1001; /* something happened */
    fake.last[0] = 1002;
    tell(-1, 0);
    drain();
    is_int((int64_t)ears[0].at, 1002, "what happened meanwhile is told");
    is_int(ears[0].heard, 8, "behind a reset");
    is_int(ears[0].wrong, 0, "in order");
    leave_all();
    hub_free(h);
}

/* Whoever comes back to a session that was forgotten altogether. */
static void anew(struct loop *l)
{
    struct hub *h = begin(l);

    fake.lossless = true;
    listen(h, &ears[0], 0, 57);
    drain();
    is_int(ears[0].heard, 0, "of a session without events nothing is told");
    emit(0);
    emit(0);
    drain();
    is_int((int64_t)ears[0].at, 2, "its first events are, whatever the number that was seen before");
    is_int(ears[0].resets, 1, "after a reset");
    leave_all();
    hub_free(h);
}

/* Of a text that grows the log has the newest alone. */
static void growing(struct loop *l)
{
    struct hub *h = begin(l);

    fake.lossless = true;
    emit(0);
    listen(h, &ears[0], 0, 0);
    settle();
    for (int i = 0; i < 3; i++)
        emit_one(0, true);
    drain();
    is_int(ears[0].heard, 4, "who listens hears it grow");
    listen(h, &ears[1], 0, 0);
    listen(h, &ears[2], 0, 1);
    listen(h, &ears[3], 0, 3);
    settle();
    is_int(ears[1].heard, 2, "who comes later hears the newest of it");
    is_int(ears[2].heard + ears[3].heard, 2, "once, whatever he has had of it");
    emit(0);
    emit_one(0, true);
    settle();
    for (int i = 0; i < 4; i++)
        is_int((int64_t)ears[i].at, 6, "and what follows, listener %d", i);
    fake.lossless = false;
    fake.listened[0] = false; /* a connection is gone */
    for (int i = 0; i < 3; i++)
        emit_one(0, true);
    fake.listened[0] = true;
    fake.lossless = true;
    emit_one(0, true);
    drain();
    size_t reads = fake.reads_n;
    for (int i = 0; i < 4; i++)
        is_int((int64_t)ears[i].at, 10, "what was missed of it is in what comes next, listener %d", i);
    is_int(ears[0].resets + ears[1].resets + ears[2].resets + ears[3].resets, 0, "nothing of it counts as lost");
    is_int(ears[0].wrong + ears[1].wrong + ears[2].wrong + ears[3].wrong + (int)reads, 0, "in order");
    leave_all();
    hub_free(h);
}

static void slow(struct loop *l)
{
    struct hub *h = begin(l);

    for (int i = 0; i < 10; i++)
        emit(0);
    listen(h, &ears[0], 0, 0);
    listen(h, &ears[1], 0, 0);
    ears[0].room = 3;
    settle();
    is_int(ears[0].heard, 3, "who has room for three gets three");
    is_int(ears[1].heard, 10, "and holds up nobody");
    emit(0);
    settle();
    is_int(ears[0].heard, 3, "nothing more comes while there is no room");
    ears[0].room = 2;
    listener_more(ears[0].l);
    settle();
    is_int((int64_t)ears[0].at, 5, "then it goes on where it was");
    for (int i = 0; i < LOG_MAX + 2; i++)
        emit(0);
    ears[0].room = -1;
    listener_more(ears[0].l);
    settle();
    is_int(ears[0].resets, 1, "who reads too slowly is told what he has missed");
    is_int((int64_t)ears[0].at, 11 + LOG_MAX + 2, "and gets the rest");
    is_int(ears[0].wrong + ears[1].wrong, 0, "in order");
    leave_all();
    hub_free(h);
}

static void leaving(struct loop *l)
{
    struct hub *h = begin(l);

    for (int i = 0; i < 4; i++)
        emit(0);
    for (int i = 0; i < LISTENERS; i++) {
        listen(h, &ears[i], 0, 0);
        ears[i].leaves = i % 3 != 1;
    }
    settle();
    for (int i = 0; i < LISTENERS; i++)
        is_int(ears[i].heard, ears[i].leaves ? 1 : 4, "listener %d, which %s", i, ears[i].leaves ? "leaves at the first event" : "stays");
    for (int i = 0; i < LISTENERS; i++)
        ears[i].leaves = true;
    emit(0);
    settle();
    is_int(fake.listens, fake.unlistens, "the last one turned out the light");
    listen(h, &ears[0], 1, HUB_NOW);
    listener_free(ears[0].l);
    ears[0].l = NULL;
    hub_free(h); /* with a reading under way */
    while (fake.reads_n > 0) {
        run_read(&fake.reads[0]);
        answer_read(0);
    }
    ok(fake.store.on_push == NULL, "a hub that is gone hears nothing");
}

static void tick(void *arg)
{
    loop_stop(arg);
}

static void away(struct loop *l)
{
    struct hub *h = begin(l);
    struct loop_timer *t = loop_timer_new(l, tick, l);

    emit(0);
    fake.down = true;
    listen(h, &ears[0], 0, 0);
    settle();
    is_int(ears[0].heard, 0, "a store that is away tells nothing");
    fake.down = false;
    for (int i = 0; i < 100 && fake.reads_n == 0; i++) {
        loop_timer_set(t, 20);
        loop_run(l);
    }
    settle();
    is_int(ears[0].heard, 1, "and is asked again");
    leave_all();
    loop_timer_free(t);
    hub_free(h);
}

static int random_run(struct loop *l, uint64_t seed)
{
    struct hub *h = begin(l);
    int wrong = 0;

    state = seed;
    bool lossless = fake.lossless = below(2) == 0;
    for (int step = 0; step < 4000; step++) {
        struct ear *e = &ears[below(LISTENERS)];
        uint64_t what = below(100);
        if (what < 20) {
            emit_one((int)below(SESSIONS), below(2) == 0);
        } else if (what < 24 && e->l == NULL) {
            int s = (int)below(SESSIONS);
            uint64_t back = below(LOG_MAX);
            listen(h, e, s, below(3) == 0 ? HUB_NOW : fake.last[s] > back ? fake.last[s] - back : 0);
        } else if (what < 26 && e->l != NULL) {
            listener_free(e->l);
            e->l = NULL;
        } else if (what < 29 && e->l != NULL) {
            e->room = (int)below(4) - 1;
            listener_more(e->l);
        } else if (what < 30) {
            e->leaves = e->l != NULL;
        } else if (what < 33) { /* a new connection: all that was lost before is told in one word */
            tell(-1, 0);
        } else {
            (void)move_on();
        }
    }
    for (int i = 0; i < LISTENERS; i++) {
        ears[i].room = -1;
        if (ears[i].l != NULL)
            listener_more(ears[i].l);
    }
    fake.lossless = true;
    for (int i = 0; i < SESSIONS && !lossless; i++)
        emit(i); /* what was lost before is found out by this one */
    drain();
    for (int i = 0; i < LISTENERS; i++) {
        wrong += ears[i].wrong;
        wrong += ears[i].l != NULL && ears[i].at != HUB_NOW && ears[i].at != fake.last[ears[i].session];
    }
    leave_all();
    wrong += fake.listens != fake.unlistens;
    hub_free(h);
    return wrong;
}

int main(void)
{
    struct loop *l = loop_new();
    const char *given = getenv("SEED");
    uint64_t first = given != NULL ? strtoull(given, NULL, 10) : 1;
    int failed = 0;

    plain(l);
    overtaken(l);
    trimmed(l);
    stood_in(l);
    anew(l);
    growing(l);
    slow(l);
    leaving(l);
    away(l);
    for (uint64_t seed = first; seed < first + (given != NULL ? 1 : 300); seed++) {
        int wrong = random_run(l, seed);
        if (wrong != 0)
            diag("SEED=%" PRIu64 ": %d", seed, wrong);
        failed += wrong != 0;
    }
    is_int(failed, 0, "in random runs each listener hears each event once and in order, to the last");
    loop_free(l);
    return done_testing();
}
