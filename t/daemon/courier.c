/* SPDX-License-Identifier: MIT
 * The courier, on the memory store and with receivers that say what the test wants: every item is delivered, or given up as a dead letter
 * that can be tried again, and nothing is forgotten when the store, the receiver or the daemon goes away. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "store/store_history.h"
#include "t/daemon/courier_desk.h"
#include "t/store/redis_server.h"
#include "t/tap.h"
#include "t/turn/control_ask.h"

#define HELD_MAX 2000 /* as in courier.c */
#define POSTS_MAX 64
#define RECEIVERS 64 /* enough for all posts */
#define LONG_MS 3600000

/* ---- delivery ---- */

static void delivered(void)
{
    struct desk d;
    desk_open(&d, 3, 0, false);
    desk_put(&d, "j1");
    desk_start(&d, 5);
    desk_until_posts(&d, 1, "an item");
    is_str(callback_double.url, "https://hooks.example.com/j1", "goes to its URL");
    is_str(callback_double.id, "j1", "under the job's id");
    is_str(callback_double.body, "{\"type\":\"job.completed\",\"data\":{\"job_id\":\"j1\"}}", "with its body");
    ok(llabs(callback_double.timestamp_s - clock_wall_ms() / 1000) < 120, "and the time");
    desk_until(&d, 0, 0, 0, "delivered");
    desk_put(&d, "j2");
    courier_wake(d.courier);
    for (int i = 0; i < 500 && callback_double.posts < 2; i++) /* without a timer's help */
        loop_turn(d.r.loop, false);
    is_int(callback_double.posts, 2, "news wakes it");
    desk_put(&d, "j3");
    desk_until_posts(&d, 3, "without news it looks every now and then");
    desk_end(&d);
}

static void retried(void)
{
    struct desk d;
    desk_open(&d, 5, 0, false);
    callback_double.fail_first = 2;
    desk_put(&d, "j1");
    desk_start(&d, 20);
    desk_until(&d, 0, 0, 0, "after two failures");
    is_int(callback_double.posts, 3, "the third one went well");
    is_str(callback_double.id, "j1", "under the same id");
    for (int i = 1; i < 3; i++)
        ok(callback_double.at_ms[i] - callback_double.at_ms[i - 1] >= 10, "a wait before try %d", i + 1);
    callback_double.fail_first = 1;
    callback_double.retry_after_ms = 300;
    desk_put(&d, "j2");
    courier_wake(d.courier);
    desk_until(&d, 0, 0, 0, "told when to come again");
    ok(callback_double.posts == 5 && callback_double.at_ms[4] - callback_double.at_ms[3] >= 300, "it came no earlier");
    callback_double.refuse = 1;
    desk_put(&d, "j3");
    courier_wake(d.courier);
    desk_until(&d, 0, 0, 0, "a post that cannot be begun is begun later");
    is_int(callback_double.posts, 6, "once");
    desk_end(&d);
}

/* One that is slow, one that is away for long: neither holds up another. */
static void independent(void)
{
    struct desk d;
    desk_open(&d, 5, 0, false);
    callback_double.fail_first = 1;
    callback_double.retry_after_ms = LONG_MS;
    desk_put(&d, "away");
    desk_start(&d, 5);
    desk_until_posts(&d, 1, "one that is away");
    callback_double.hold = true;
    desk_put(&d, "slow");
    courier_wake(d.courier);
    desk_until_posts(&d, 2, "one that does not answer");
    callback_double.hold = false;
    callback_double.outcome = CALLBACK_DELIVERED;
    desk_put(&d, "quick"); /* its post releases the one that waits longest; its own answer comes below */
    courier_wake(d.courier);
    desk_until_posts(&d, 3, "one that is quick");
    callback_double_release(1);
    desk_until(&d, 0, 1, 0, "but for the one that is away");
    is_int(courier_holds(d.courier), 1, "which is held");
    desk_stop(&d, "the end");
    desk_until(&d, 1, 0, 0, "it goes back at the end");
    desk_close(&d);
}

/* ---- giving up ---- */

static void check_letter(struct desk *d, const char *job, const char *reason, int attempts, struct asked *q)
{
    char conversation[64];
    (void)snprintf(conversation, sizeof(conversation), "c-%s", job);
    ask_dead(&d->r, q);
    is_int(asked_int(q, "total"), 1, "%s: one dead letter", job);
    is_str(asked_str(q, "dead/0/type"), "callback", "%s: its type", job);
    is_str(asked_str(q, "dead/0/reason"), reason, "%s: its reason", job);
    is_str(asked_str(q, "dead/0/conversation_id"), conversation, "%s: its conversation", job);
    is_int(asked_int(q, "dead/0/attempts"), attempts, "%s: its attempts", job);
    is_str(asked_str(q, "dead/0/item/job_id"), job, "%s: what it was", job);
    ok(llabs(asked_int(q, "dead/0/at") - clock_wall_ms() / 1000) < 120, "%s: since when", job);
}

static void given_up(void)
{
    struct desk d;
    struct asked q, done = { 0 };
    desk_open(&d, 3, 0, false);
    callback_double.outcome = CALLBACK_RETRY;
    desk_put(&d, "j1");
    desk_start(&d, 5);
    desk_until(&d, 0, 0, 1, "a receiver that is away for too long");
    is_int(callback_double.posts, 3, "as often as it may be tried");
    check_letter(&d, "j1", "hooks.example.com said no", 3, &q);
    callback_double.outcome = CALLBACK_DELIVERED;
    control_dead_retry(d.r.turns, sv_from(asked_str(&q, "dead/0/id")), asked_fn, &done);
    ok(asked_wait(&d.r, &done) && done.http_status == 200, "an administrator has it tried again");
    is_str(asked_str(&done, "type"), "callback", "as a callback");
    courier_wake(d.courier);
    desk_until(&d, 0, 0, 0, "and it is delivered");
    is_str(callback_double.id, "j1", "under the id that it had");
    asked_forget(&done);
    courier_set(d.courier, 1);
    callback_double.outcome = CALLBACK_RETRY;
    desk_put(&d, "j2");
    courier_wake(d.courier);
    desk_until(&d, 0, 0, 1, "a reload changes how often");
    asked_forget(&q);
    check_letter(&d, "j2", "hooks.example.com said no", 1, &q);
    asked_forget(&q);
    desk_end(&d);
}

static void refused(void)
{
    struct desk d;
    struct asked q, done = { 0 };
    desk_open(&d, 3, 0, false);
    callback_double.outcome = CALLBACK_REFUSED;
    desk_put(&d, "j1");
    desk_start(&d, 5);
    desk_until(&d, 0, 0, 1, "a receiver that refuses");
    desk_until_posts(&d, 1, "is not asked again");
    check_letter(&d, "j1", "hooks.example.com said no", 1, &q);
    control_dead_discard(d.r.turns, sv_from(asked_str(&q, "dead/0/id")), asked_fn, &done);
    ok(asked_wait(&d.r, &done) && done.http_status == 200, "an administrator drops it");
    desk_until(&d, 0, 0, 0, "dropped");
    asked_forget(&q);
    asked_forget(&done);
    desk_end(&d);
}

/* ---- what anybody may have pushed ---- */

static void garbage(void)
{
#define URL "\"url\":\"https://hooks.example.com/x\""
    static const struct sv items[] = {
        SV("nonsense"), SV(""), SV("[1]"), SV("{}"), SV("\xff\xfe"), SV("{\"type\":\"message\",\"v\":1}"),
        SV("{\"type\":\"callback\",\"v\":2,\"job_id\":\"j\"," URL ",\"body\":{}}"),
        SV("{\"type\":\"callback\",\"v\":1,\"job_id\":\"j\",\"body\":{}}"),
        SV("{\"type\":\"callback\",\"v\":1," URL ",\"body\":{}}"),
        SV("{\"type\":\"callback\",\"v\":1,\"job_id\":7," URL ",\"body\":{}}"),
        SV("{\"type\":\"callback\",\"v\":1,\"job_id\":\"j\"," URL "}"),
        SV("{\"type\":\"callback\",\"v\":1,\"job_id\":\"j\"," URL ",\"body\":\"text\"}"),
        SV("{\"type\":\"callback\",\"v\":1,\"job_id\":\"j\"," URL ",\"body\":{}"),
    };
#undef URL
    const int n = (int)ARRAY_LEN(items);
    struct desk d;
    struct asked q;
    desk_open(&d, 3, 0, false);
    for (int i = 0; i < n; i++)
        desk_put_text(&d, items[i]);
    desk_put(&d, "good");
    desk_start(&d, 5);
    desk_until(&d, 0, 0, n, "items that are none");
    is_int(callback_double.posts, 1, "hold up nothing");
    is_str(callback_double.id, "good", "of what is good");
    ask_dead(&d.r, &q);
    is_str(asked_str(&q, "dead/0/item"), "{\"type\":\"callback\",\"v\":1,\"job_id\":\"j\",\"url\":\"https://hooks.example.com/x\",\"body\":{}",
           "one that is no JSON as text");
    is_str(asked_str(&q, "dead/0/reason"), "not an item of callback_queue", "with its reason");
    is_str(asked_str(&q, "dead/1/type"), "callback", "one that says what it is as that");
    is_str(asked_str(&q, "dead/1/reason"), "an item of callback_queue needs url, job_id and body", "with what it lacks");
    asked_forget(&q);
    desk_end(&d);
}

/* ---- many ---- */

static void many(void)
{
    struct desk d;
    desk_open(&d, 3, 0, false);
    callback_double.hold = true;
    for (int i = 0; i < HELD_MAX + 100; i++) {
        char job[16], host[32];
        (void)snprintf(job, sizeof(job), "j%d", i);
        (void)snprintf(host, sizeof(host), "hooks%d.example.com", i % RECEIVERS);
        desk_put_for(&d, job, host);
    }
    desk_start(&d, 5);
    desk_until(&d, 100, HELD_MAX, 0, "it takes what it can hold");
    courier_wake(d.courier);
    rig_settle(&d.r);
    is_int(courier_holds(d.courier), HELD_MAX, "and no more for news");
    is_int(callback_double.waiting, POSTS_MAX, "and posts %d at once", POSTS_MAX);
    callback_double_release(10);
    desk_until(&d, 90, HELD_MAX, 0, "for each that is delivered comes another one");
    is_int(callback_double.waiting_max, POSTS_MAX, "never more posts than that");
    callback_double.hold = false;
    callback_double_release(POSTS_MAX);
    desk_until(&d, 0, 0, 0, "in the end all are delivered");
    is_int(callback_double.posts, HELD_MAX + 100, "once each");
    desk_end(&d);
}

/* All of them wait for receivers that are away: what is held goes back, in one go. */
static void many_wait(void)
{
    struct desk d;
    desk_open(&d, 3, 0, false);
    callback_double.outcome = CALLBACK_RETRY;
    callback_double.retry_after_ms = LONG_MS;
    for (int i = 0; i < HELD_MAX + 5; i++)
        desk_put(&d, "j");
    desk_start(&d, 5);
    desk_until(&d, 5, HELD_MAX, 0, "all are tried");
    desk_until_posts(&d, HELD_MAX, "once each");
    desk_stop(&d, "while they wait");
    desk_until(&d, HELD_MAX + 5, 0, 0, "all are back in the queue");
    desk_close(&d);
}

/* ---- the end of a daemon ---- */

static void drained(void)
{
    struct desk d;
    desk_open(&d, 3, 0, false);
    callback_double.hold = true;
    desk_put(&d, "j1");
    desk_put(&d, "j2");
    desk_start(&d, 5);
    desk_until_posts(&d, 2, "two are under way");
    desk_put(&d, "j3");
    courier_stop(d.courier, desk_flag, &d.stopped);
    courier_wake(d.courier);
    rig_settle(&d.r);
    ok(!d.stopped, "it waits for their answers");
    callback_double_release(1);
    rig_settle(&d.r);
    ok(!d.stopped, "of all");
    callback_double.outcome = CALLBACK_RETRY;
    callback_double_release(1);
    desk_stop(&d, "the end");
    is_int(callback_double.posts, 2, "and begins nothing more");
    desk_until(&d, 2, 0, 0, "what was not taken waits for another daemon");
    desk_close(&d);
}

/* Whatever the store is being asked at that moment. */
static void stopped_anywhere(void)
{
    for (int turns = 0; turns < 8; turns++) {
        struct desk d;
        desk_open(&d, 3, 0, false);
        desk_put(&d, "j1");
        desk_start(&d, 5);
        for (int i = 0; i < turns; i++)
            loop_turn(d.r.loop, false);
        desk_stop(&d, "at any time");
        const int posts = callback_double.posts;
        rig_settle(&d.r);
        is_int(callback_double.posts, posts, "after %d turns: nothing comes after that", turns);
        desk_until(&d, posts == 0 ? 1 : 0, 0, 0, "delivered, or still in the queue");
        desk_close(&d);
    }
}

/* Not drained: the process ends while a post is under way, an ack is, and another item waits. */
static void cut_off(void)
{
    struct desk d;
    desk_open(&d, 3, 11, false);
    callback_double.fail_first = 1;
    callback_double.retry_after_ms = LONG_MS;
    desk_put(&d, "waits"); /* recover, take, look */
    desk_start(&d, 5);
    desk_until_posts(&d, 1, "one waits");
    callback_double.hold = true;
    desk_put(&d, "acked");
    desk_put(&d, "posted");
    courier_wake(d.courier); /* take, look, take, look */
    desk_until_posts(&d, 3, "two are under way");
    callback_double_release(1);
    rig_settle(&d.r); /* the ack is the eleventh call: it will be said again */
    is_int(callback_double.waiting, 1, "one is acknowledged");
    is_int(courier_holds(d.courier), 3, "all are held");
    desk_close(&d);
}

/* ---- the store is away ---- */

static void ack_lost(unsigned nth, bool after, enum callback_outcome outcome, const char *what)
{
    struct desk d;
    bool dead = outcome == CALLBACK_REFUSED;
    desk_open(&d, 3, nth, after);
    callback_double.outcome = outcome;
    desk_put(&d, "j1"); /* the first call; then recover, take, look whether it was erased, ack */
    desk_start(&d, 5);
    desk_until_posts(&d, 1, what);
    ok(loop_until(d.r.loop, desk_is_idle, d.courier), "%s: in the end it holds nothing", what);
    desk_until(&d, 0, 0, dead ? 1 : 0, what);
    desk_until_posts(&d, 1, what);
    desk_stop(&d, what);
    desk_close(&d);
}

static void store_away(void)
{
    struct desk d;
    ack_lost(5, false, CALLBACK_DELIVERED, "the store is away at the ack");
    ack_lost(5, true, CALLBACK_DELIVERED, "the ack's answer is lost");
    ack_lost(5, false, CALLBACK_REFUSED, "the store is away at the letter");
    ack_lost(5, true, CALLBACK_REFUSED, "the letter's answer is lost");
    ack_lost(2, false, CALLBACK_DELIVERED, "the store is away at recovery");
    ack_lost(3, false, CALLBACK_DELIVERED, "the store is away at the take");
    ack_lost(4, false, CALLBACK_DELIVERED, "the store is away when it is asked for an erasure");
    ack_lost(6, true, CALLBACK_REFUSED, "the store is away when it is asked once more");

    desk_open(&d, 3, 5, false);
    callback_double.hold = true;
    desk_put(&d, "j1");
    desk_start(&d, 5);
    desk_until_posts(&d, 1, "the store goes away while it stops");
    courier_stop(d.courier, desk_flag, &d.stopped);
    callback_double_release(1);
    desk_stop(&d, "without the store");
    desk_until(&d, 0, 1, 0, "the batch stays for whoever comes next");
    desk_close(&d);
}

/* ---- what was erased ---- */

static void erased(void *arg, enum store_status status, const struct store_applied *a)
{
    (void)a;
    if (status != STORE_DONE)
        bail_out("nothing can be erased");
    desk_flag(arg);
}

/* The conversation of desk_put's item, at a time after or before that item (which is from the year 1970). */
static void erase(struct desk *d, const char *job, int64_t at_ms)
{
    char id[64];
    bool done = false;
    (void)snprintf(id, sizeof(id), "c-%s", job);
    const struct store_erase e = { .at_ms = at_ms };
    const struct store_change c = { .conversation_id = sv_from(id), .forget = true, .erase = &e, .mark_ttl_ms = LONG_MS };
    store_apply(d->r.store, &c, erased, &done);
    if (!loop_until(d->r.loop, desk_is_set, &done))
        bail_out("the store does not answer");
}

static void not_sent(void)
{
    struct desk d;
    desk_open(&d, 3, 0, false);
    desk_put(&d, "erased");
    desk_put(&d, "other");
    erase(&d, "erased", 2);
    desk_start(&d, 5);
    desk_until(&d, 0, 0, 0, "one was erased in the queue");
    is_int(callback_double.posts, 1, "only the other one is sent");
    is_str(callback_double.id, "other", "it is that one");
    callback_double.fail_first = 1 + callback_double.posts;
    callback_double.outcome = CALLBACK_RETRY;
    callback_double.retry_after_ms = 50;
    desk_put(&d, "waits");
    courier_wake(d.courier);
    desk_until_posts(&d, 2, "one is tried");
    erase(&d, "waits", 2);
    desk_until(&d, 0, 0, 0, "and erased before it is tried again");
    is_int(callback_double.posts, 2, "which it is not");
    callback_double.hold = true;
    callback_double.outcome = CALLBACK_REFUSED;
    desk_put(&d, "posted");
    courier_wake(d.courier);
    desk_until_posts(&d, 3, "one is under way");
    erase(&d, "posted", 2);
    callback_double_release(1);
    desk_until(&d, 0, 0, 0, "that it is refused leaves no letter");
    rig_settle(&d.r);
    desk_until(&d, 0, 0, 0, "none at all");
    desk_end(&d);
}

/* ---- daemons that died ---- */

static void taken_by_dead(void *arg, enum store_status status, const struct store_batch *b)
{
    if (status != STORE_DONE || b->n != 1)
        bail_out("nothing could be taken");
    desk_flag(arg);
}

/* The name of a process that has just died without saying so. */
static void dead_name(const char *dir, char *name, size_t size)
{
    int out[2];
    if (pipe(out) != 0)
        bail_out("no pipe");
    pid_t pid = fork();
    if (pid == 0) {
        struct err e;
        struct alive *a = alive_open(dir, &e);
        const char *own = a != NULL ? alive_name(a) : "";
        _exit(write(out[1], own, strlen(own)) == (ssize_t)strlen(own) ? 0 : 1);
    }
    (void)close(out[1]);
    ssize_t n = read(out[0], name, size - 1);
    (void)close(out[0]);
    if (pid < 0 || waitpid(pid, NULL, 0) != pid || n <= 0)
        bail_out("no process that dies");
    name[n] = '\0';
}

static void take_as(struct desk *d, const char *owner)
{
    bool done = false;
    store_take(d->r.store, STORE_QUEUE_CALLBACKS, sv_from(owner), 1, taken_by_dead, &done);
    if (!loop_until(d->r.loop, desk_is_set, &done))
        bail_out("the store does not answer");
}

static void recovered(void)
{
    struct desk d;
    char dead[160];
    struct err e;
    clock_fake(clock_wall_ms());
    desk_open(&d, 3, 0, false);
    struct alive *other = alive_open(d.r.dir, &e);
    if (other == NULL)
        bail_out("no second owner: %s", e.text);
    dead_name(d.r.dir, dead, sizeof(dead));
    desk_put(&d, "of-dead");
    take_as(&d, dead);
    desk_put(&d, "of-living");
    take_as(&d, alive_name(other));
    desk_until(&d, 0, 2, 0, "two daemons had taken");
    desk_start(&d, 5);
    desk_until_posts(&d, 1, "of the dead one's");
    is_str(callback_double.id, "of-dead", "it is that one's");
    desk_until(&d, 0, 1, 0, "the other one's stays its own");
    dead_name(d.r.dir, dead, sizeof(dead));
    desk_put(&d, "later");
    take_as(&d, dead);
    clock_fake_move(6000); /* it looks for dead ones every now and then */
    courier_wake(d.courier);
    desk_until_posts(&d, 2, "one that dies while it works");
    is_str(callback_double.id, "later", "is found, too");
    desk_until(&d, 0, 1, 0, "the living one's is still its own");
    alive_close(other);
    desk_end(&d);
    clock_real();
}

int main(void)
{
    delivered();
    retried();
    independent();
    given_up();
    refused();
    garbage();
    many();
    many_wait();
    drained();
    stopped_anywhere();
    cut_off();
    store_away();
    not_sent();
    recovered();
    return done_testing();
}
