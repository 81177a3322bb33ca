/* SPDX-License-Identifier: MIT
 * What a repeat of a reply by the page API finds out about the tries before it, and what it does then. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "t/tap.h"
#include "t/turn/page_rig.h"

struct look_case {
    const char *name, *actions;
    struct peer_step first[3]; /* answers of the first try, the last one leaves doubt */
    int first_n;
    const char *found[2]; /* what the reads say; NULL: 500 */
    enum platform_outcome outcome;
    const char *asked;
};

static const struct look_case look_cases[] = {
    { "there", "[" M("a") "]", { CUT }, 1, { BY("p1", "m1", "a", NEWER) }, PLATFORM_SENT, "POST a|GET|" },
    { "there, in markup", "[" M("a  &  b") "]", { CUT }, 1, { "{\"id\":\"1\",\"from\":{\"id\":\"p1\"},\"message\":\"<b>a</b> &amp; b\",\"inserted_at\":\"" NEWER "\"}" }, PLATFORM_SENT, "POST a  &  b|GET|" },
    { "not there", "[" M("a") "]", { CUT }, 1, { "", "" }, PLATFORM_SENT, "POST a|GET|GET|POST a|" },
    { "there at the second look", "[" M("a") "]", { CUT }, 1, { "", BY("p1", "m1", "a", NEWER) }, PLATFORM_SENT, "POST a|GET|GET|" },
    { "the customer's", "[" M("a") "]", { CUT }, 1, { BY("u1", "m1", "a", NEWER), BY("u1", "m1", "a", NEWER) }, PLATFORM_SENT, "POST a|GET|GET|POST a|" },
    { "an older one", "[" M("a") "]", { CUT }, 1, { BY("p1", "m1", "a", OLDER), BY("p1", "m1", "a", OLDER) }, PLATFORM_SENT, "POST a|GET|GET|POST a|" },
    { "it cannot be read", "[" M("a") "]", { CUT }, 1, { NULL }, PLATFORM_UNREACHABLE, "POST a|GET|" },
    { "the second of two", "[" M("a") "," M("b") "]", { SAYS(YES), CUT }, 2, { BY("p1", "m2", "b", NEWER) "," BY("p1", "m1", "a", NEWER) }, PLATFORM_SENT, "POST a|POST b|GET|" },
    { "the first of two", "[" M("a") "," M("b") "]", { CUT }, 1, { BY("p1", "m1", "a", NEWER) }, PLATFORM_SENT, "POST a|GET|POST b|" },
    { "two that are equal, one is there", "[" M("a") "," M("a") "]", { SAYS(YES), CUT }, 2, { BY("p1", "m1", "a", NEWER), BY("p1", "m1", "a", NEWER) }, PLATFORM_SENT,
      "POST a|POST a|GET|GET|POST a|" },
    { "two that are equal, both are there", "[" M("a") "," M("a") "]", { SAYS(YES), CUT }, 2, { BY("p1", "m2", "a", NEWER) "," BY("p1", "m1", "a", NEWER) }, PLATFORM_SENT,
      "POST a|POST a|GET|" },
    { "an answer that says neither yes nor no, and it is there", "[" M("a") "]", { SAYS(NEITHER) }, 1, { BY("p1", "m1", "a", NEWER) }, PLATFORM_SENT, "POST a|GET|" },
    { "an answer that says neither yes nor no, and it is not there", "[" M("a") "]", { SAYS(NEITHER) }, 1, { "", "" }, PLATFORM_SENT, "POST a|GET|GET|POST a|" },
    { "one that is shown twice is one", "[" M("a") "," M("a") "]", { SAYS(YES), CUT }, 2,
      { BY("p1", "m1", "a", NEWER) "," BY("p1", "m1", "a", NEWER), BY("p1", "m1", "a", NEWER) }, PLATFORM_SENT, "POST a|POST a|GET|GET|POST a|" },
};

static void test_looks(void)
{
    for (size_t i = 0; i < ARRAY_LEN(look_cases); i++) {
        const struct look_case *c = &look_cases[i];
        struct peer_step steps[8] = { 0 };
        int n = 0;
        for (; n < c->first_n; n++)
            steps[n] = c->first[n];
        for (size_t k = 0; k < 2; k++)
            if (k == 0 || c->found[k] != NULL)
                steps[n++].answer = c->found[k] != NULL ? page_reads(c->found[k]) : STATUS("500 X");
        steps[n++].answer = YES;
        page_begin(steps, n);
        struct page_told t = page_say(c->actions, false);
        is_outcome(&t, PLATFORM_UNKNOWN, c->name);
        page_killed();
        t = page_say(c->actions, true);
        is_outcome(&t, c->outcome, c->name);
        is_asked(c->asked, c->name);
        page_end();
    }
}

/* A look that found nothing counts for the next try, too, and what is known then holds for all tries. */
static void test_looks_apart(void)
{
    struct peer_step steps[] = { CUT, SAYS(page_reads("")), SAYS(STATUS("500 X")), SAYS(page_reads("")), SAYS(STATUS("503 X")), SAYS(NO), SAYS(YES) };
    page_begin(steps, 7);
    struct page_told t = page_say("[" M("a") "]", false);
    is_str(page_stored("page:sent:turn-1"), "?", "it may have arrived");
    page_killed();
    t = page_say("[" M("a") "]", true);
    is_outcome(&t, PLATFORM_UNREACHABLE, "the second look fails");
    ok(!t.answer.settled, "which says nothing about the first try");
    is_str(page_stored("page:sent:turn-1"), "-", "the first look is kept");
    page_killed();
    t = page_say("[" M("a") "]", true);
    is_outcome(&t, PLATFORM_UNREACHABLE, "one more look, then the page is away");
    ok(t.answer.settled, "no try has arrived");
    is_str(page_stored("page:sent:turn-1"), ".", "that is kept");
    page_killed();
    t = page_say("[" M("a") "]", true);
    is_outcome(&t, PLATFORM_FAILED, "refused");
    ok(t.answer.settled, "and no try before has arrived");
    is_asked("POST a|GET|GET|GET|POST a|POST a|", "each look once");
    page_end();
}

/* Many have to look at once: when the row of reads is long, they look in the places of sends. */
static void test_many_looks(void)
{
    enum { MANY = 12 };
    struct peer_step steps[] = { SAYS(page_reads(BY("p1", "m1", "a", NEWER))) };
    static struct page_told told[MANY];
    static char ids[MANY][8], keys[MANY][8];
    int late = 0;
    page_begin(steps, 1);
    memset(told, 0, sizeof told);
    for (int i = 0; i < MANY; i++) {
        struct platform_request q = page_request("[" M("a") "]", true);
        (void)snprintf(ids[i], sizeof ids[i], "c%d", i);
        (void)snprintf(keys[i], sizeof keys[i], "t%d", i);
        q.conversation_id = sv_from(ids[i]);
        q.idempotency_key = sv_from(keys[i]);
        q.timeout_ms = 8000;
        if (platform_send(platform, &q, page_tell, &told[i]) == NULL)
            bail_out("memory");
    }
    for (int i = 0; i < MANY; i++) {
        rig_until(&rig, page_was_told, &told[i]);
        late += told[i].answer.outcome != PLATFORM_SENT;
    }
    is_int(late, 0, "twelve have looked in time that one row of reads has no room for");
    page_end();
}

/* An echo has shown it: nothing is read. Of two equal ones it may be the other's. */
static void test_marks(void)
{
    struct peer_step steps[] = { CUT, SAYS(YES) };
    page_begin(steps, 2);
    struct page_told t = page_say("[" M("a") "]", false);
    page_put(page_mark("a"), "seen:turn-1");
    page_killed();
    t = page_say("[" M("a") "]", true);
    is_outcome(&t, PLATFORM_SENT, "its echo came");
    is_asked("POST a|", "nothing is read");
    page_end();
    steps[1].answer = page_reads(BY("p1", "m1", "a", NEWER) "," BY("p1", "m2", "a", NEWER));
    page_begin(steps, 2);
    t = page_say("[" M("a") "," M("a") "]", false);
    page_put(page_mark("a"), "seen:turn-1");
    page_killed();
    t = page_say("[" M("a") "," M("a") "]", true);
    has_str(peer_request(peer, 1), "GET ", "an echo of one of two that are equal says nothing");
    page_end();
}

/* The reply before this one had the same words, and is there: a moment ago, so that no clock can tell them apart. */
static void test_same_words(void)
{
    struct peer_step steps[] = { CUT, SAYS(page_reads(BY("p1", "m1", "a", NEWER))), SAYS(page_reads(BY("p1", "m2", "a", NEWER) "," BY("p1", "m1", "a", NEWER))), SAYS(YES) };
    char before[PAGE_ECHO_SIZE], own[PAGE_ECHO_SIZE];
    page_echo_id(before, SV("p1"), SV("m1"));
    page_echo_id(own, SV("p1"), SV("m2"));
    page_begin(steps, 4);
    struct page_told t = page_say("[" M("a") "]", false);
    page_put(before, "turn-0");
    page_put(page_mark("a"), "seen:turn-0");
    page_killed();
    t = page_say("[" M("a") "]", true);
    is_outcome(&t, PLATFORM_SENT, "it is there at the second look");
    is_asked("POST a|GET|GET|", "what an earlier reply has sent, or an echo has told of it, is not this one's");
    is_str(page_stored(own), "turn-1", "what was found is this one's from then on");
    is_str(page_stored(before), "turn-0", "and the other stays what it is");
    page_end();
}

static bool has_asked(void *arg)
{
    return peer_requests(peer) >= *(const int *)arg;
}

/* A person takes over while the second of three is on its way; what an earlier try has sent is read then, and nothing is sent. */
static void test_stopped(void)
{
    struct peer_step steps[] = { SAYS(YES), { .answer = YES, .delay_ms = 200 }, SAYS(YES) };
    struct platform_request q = page_request("[" M("a") "," M("b") "," M("c") "]", false);
    struct page_told t = { 0 };
    int two = 2;
    page_begin(steps, 3);
    struct platform_call *call = platform_send(platform, &q, page_tell, &t);
    rig_until(&rig, has_asked, &two);
    platform_stop(platform, call);
    rig_until(&rig, page_was_told, &t);
    is_outcome(&t, PLATFORM_PART, "stopped");
    is_asked("POST a|POST b|", "what was on its way is waited for, the rest is not sent");
    q.again = q.look_only = true;
    t = page_deliver(&q);
    is_outcome(&t, PLATFORM_PART, "only looked at");
    is_asked("POST a|POST b|", "not sent then either");
    page_end();
}

static void test_look_only(void)
{
    struct peer_step steps[] = { CUT, SAYS(page_reads("")), SAYS(page_reads("")), SAYS(YES) };
    struct platform_request q = page_request("[" M("a") "]", false);
    page_begin(steps, 4);
    struct page_told t = page_deliver(&q);
    q.again = q.look_only = true;
    t = page_deliver(&q);
    is_outcome(&t, PLATFORM_TOO_LATE, "looked for in vain");
    ok(t.answer.settled, "so nothing has arrived");
    is_asked("POST a|GET|GET|", "and nothing is sent");
    page_end();
}

/* No record: the process was killed in front of it, or the store has lost it. A mark may be that of an earlier reply. */
static void test_no_record(void)
{
    struct peer_step steps[] = { SAYS(page_reads("")), SAYS(page_reads("")), SAYS(YES) };
    page_begin(steps, 3);
    page_put(page_mark("a"), "seen:turn-1");
    struct page_told t = page_say("[" M("a") "]", true);
    is_outcome(&t, PLATFORM_SENT, "nothing is known");
    is_asked("GET|GET|POST a|", "it is looked for twice, then sent");
    page_end();
}

/* Killed while the call hangs. */
static void test_killed(void)
{
    struct peer_step steps[] = { { .then = PEER_HANG }, SAYS(page_reads(BY("p1", "m1", "a", NEWER))), SAYS(YES) };
    page_begin(steps, 3);
    struct page_told t = { 0 };
    struct platform_request q = page_request("[" M("a") "," M("b") "]", false);
    if (platform_send(platform, &q, page_tell, &t) == NULL)
        bail_out("memory");
    while (peer_requests(peer) == 0)
        rig_settle(&rig);
    is_str(page_stored("page:sent:turn-1"), "?.", "what is known is in the store while it hangs");
    page_killed();
    is_int(t.times, 0, "closed: never answered");
    t = page_say("[" M("a") "," M("b") "]", true);
    is_outcome(&t, PLATFORM_SENT, "another one goes on");
    is_asked("POST a|GET|POST b|", "what is there is not sent again");
    page_end();
}

int main(void)
{
    rig_open(&rig, NULL);
    test_looks();
    test_looks_apart();
    test_many_looks();
    test_marks();
    test_same_words();
    test_stopped();
    test_look_only();
    test_no_record();
    test_killed();
    rig_close(&rig);
    return done_testing();
}
