/* SPDX-License-Identifier: MIT
 * How a streamed answer comes in over time: how often its text is told, when its end is taken for one, and what is a call where no tools were offered. */
#include "config.h"

#include <stdio.h>

#include "t/outside/openai_rig.h"
#include "t/tap.h"

enum { WORDS = 200, PINGS = 100, PING_MS = 100 };

static void ask(struct rig *r, const struct peer_step *step, const struct ai_openai_options *with, struct told *t)
{
    struct peer *p = peer_start(step, 1);
    struct ai_openai_options o = openai_options(peer_port(p));
    o.growth_ms = with->growth_ms;
    o.tools = with->tools;
    o.rounds = 1;
    struct ai *ai = openai_opened(r, &o);
    struct ai_request q = openai_question(true);
    if (ai_ask(ai, &q, tell, t) == NULL)
        bail_out("memory");
    rig_until(r, was_told, t);
    is_int(peer_requests(p), 1, "asked once");
    ai_close(ai);
    peer_stop(p);
}

/* Each piece is a chunk; what comes in between waits. */
static void test_pace(struct rig *r)
{
    static char text[WORDS * 64 + 512];
    size_t n = (size_t)snprintf(text, sizeof text, "%s", HEAD("200 OK", "text/event-stream"));
    for (int i = 0; i < WORDS; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s", TEXT("word "));
    (void)snprintf(text + n, sizeof text - n, "%s", FINISH("stop") DONE);
    const struct peer_step step = { .answer = text, .then = PEER_CLOSE, .pieces = WORDS, .pause_ms = 5 };
    struct told t = { 0 };
    ask(r, &step, &(struct ai_openai_options){ .tools = true }, &t);
    is_int(t.answer.outcome, AI_ANSWERED, "an answer in %d pieces", WORDS);
    ok(t.partials >= 2 && t.partials <= 2 + t.answer.took_ms / 200, "within %d ms it was told %d times: five times a second at most", (int)t.answer.took_ms, t.partials);
    told_free(&t);
}

/* The service keeps its connection alive, long after the end. */
static void test_pings(struct rig *r)
{
    static char text[PINGS * 16 + 1024];
    size_t n = (size_t)snprintf(text, sizeof text, "%s", HEAD("200 OK", "text/event-stream") TEXT("Hi") FINISH("stop") DONE);
    for (int i = 0; i < PINGS; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, ": ping ping\n\n");
    const struct peer_step step = { .answer = text, .then = PEER_HANG, .pieces = PINGS, .pause_ms = PING_MS };
    struct told t = { 0 };
    ask(r, &step, &(struct ai_openai_options){ .tools = true, .growth_ms = -1 }, &t);
    is_int(t.answer.outcome, AI_ANSWERED, "an answer behind which comments come");
    ok(t.answer.took_ms < PINGS * PING_MS * 9 / 10, "is there before the last of them (%d ms)", (int)t.answer.took_ms);
    told_free(&t);
}

/* Its last line never comes to its end. */
static void test_cut_line(struct rig *r)
{
    static const struct peer_step step = { .answer = HEAD("200 OK", "text/event-stream") TEXT("Hi") FINISH("stop") "data: {\"choices\":[],\"usa", .then = PEER_HANG };
    struct told t = { 0 };
    ask(r, &step, &(struct ai_openai_options){ .tools = true, .growth_ms = -1 }, &t);
    is_int(t.answer.outcome, AI_ANSWERED, "an answer behind which a line is not finished");
    told_free(&t);
}

static void test_no_tools(struct rig *r)
{
    static const struct peer_step step = { .answer = HEAD("200 OK", "text/event-stream") TEXT("So:\\n<tool_call>{\\\"name\\\":\\\"f\\\"}</tool_call>") FINISH("stop") DONE, .then = PEER_CLOSE, .pieces = 40 };
    struct told t = { 0 };
    ask(r, &step, &(struct ai_openai_options){ .growth_ms = -1 }, &t);
    is_sv(json_sv(t.answer.response, "response_text"), SV("So:\n<tool_call>{\"name\":\"f\"}</tool_call>"), "no call where there are no tools");
    is_str(t.partial.p, "So:\n<tool_call>{\"name\":\"f\"}</tool_call>", "nor while it grows");
    told_free(&t);
}

int main(void)
{
    struct rig r;
    rig_open(&r, NULL);
    test_pace(&r);
    test_pings(&r);
    test_cut_line(&r);
    test_no_tools(&r);
    rig_close(&r);
    openai_rig_free();
    return done_testing();
}
