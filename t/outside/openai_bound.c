/* SPDX-License-Identifier: MIT
 * What the bound of an answer is called by the provider openai: max_tokens, until the service wants max_completion_tokens. Which answers say so stands
 * in t/outside/completion.c. */
#include "config.h"

#include <string.h>

#include "t/outside/openai_rig.h"
#include "t/tap.h"

#define TAKES_NEWER \
    ERROR("400 X", "{\"error\":{\"message\":\"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.\"," \
                   "\"type\":\"invalid_request_error\",\"param\":\"max_tokens\",\"code\":\"unsupported_parameter\"}}")
#define TAKES_OLDER \
    ERROR("400 X", "{\"error\":{\"message\":\"Unrecognized request argument supplied: max_completion_tokens\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}")
#define OTHER_VALUE ERROR("400 X", "{\"error\":{\"type\":\"invalid_request_error\",\"param\":\"max_tokens\",\"code\":\"invalid_value\"}}")
#define SAYS_OK { .answer = WHOLE_OK, .then = PEER_CLOSE }

static const struct bound {
    const char *name;
    struct peer_step steps[6];
    const char *asked; /* a letter for each request: m max_tokens, c max_completion_tokens, - neither; a space between two questions */
    enum ai_outcome last;
    int retries;
    bool streamed, unbound;
} bounds[] = {
    { "a service that knows max_tokens", { SAYS_OK, SAYS_OK }, "m m", .last = AI_ANSWERED },
    { "one that does not is asked by the other name, from then on", { TAKES_NEWER, SAYS_OK, SAYS_OK, SAYS_OK }, "mc c c", .last = AI_ANSWERED },
    { "also when it streams", { TAKES_NEWER, GOOD, GOOD }, "mc c", .last = AI_ANSWERED, .streamed = true },
    { "which is no try", { TAKES_NEWER, ERROR("503 X", ""), SAYS_OK }, "mcc", .last = AI_ANSWERED, .retries = 1 },
    { "and may come after one", { ERROR("503 X", ""), TAKES_NEWER, SAYS_OK, SAYS_OK }, "mmc c", .last = AI_ANSWERED, .retries = 1 },
    { "and holds in all rounds", { TAKES_NEWER, CALLS(CALL("a", "format_disk", "{}")), SAYS_OK, SAYS_OK }, "mcc c", .last = AI_ANSWERED },
    { "but once in a question; what helped nothing is not remembered", { TAKES_NEWER, TAKES_OLDER, TAKES_NEWER, TAKES_OLDER }, "mc mc", .last = AI_REFUSED },
    { "one that has changed its mind", { TAKES_NEWER, SAYS_OK, TAKES_OLDER, SAYS_OK, SAYS_OK }, "mc cm m", .last = AI_ANSWERED },
    { "another fault of it", { OTHER_VALUE, OTHER_VALUE }, "m m", .last = AI_REFUSED },
    { "nothing to be called by another name", { TAKES_NEWER }, "-", .last = AI_REFUSED, .unbound = true },
};

static char called(const char *request)
{
    bool older = strstr(request, "\"max_tokens\":99,") != NULL, newer = strstr(request, "\"max_completion_tokens\":99,") != NULL;
    return older && newer ? '2' : older ? 'm' : newer ? 'c' : '-';
}

static void ask_once(struct rig *r, struct ai *ai, struct told *t, bool stream)
{
    struct ai_request q = openai_question(stream);
    ask_and_wait(r, ai, &q, t);
}

static void test_bound(struct rig *r, const struct bound *b)
{
    struct peer *p = peer_start(b->steps, ARRAY_LEN(b->steps));
    struct ai_openai_options o = openai_options(peer_port(p));
    o.answer_tokens = b->unbound ? 0 : 99;
    o.retries = b->retries;
    struct ai *ai = openai_opened(r, &o);
    struct told t = { 0 };
    char asked[sizeof "mc mc mc mc"] = "";
    size_t n = 0;
    for (int seen = 0; n < strlen(b->asked); asked[n++] = ' ') {
        ask_once(r, ai, &t, b->streamed);
        for (; seen < peer_requests(p) && n + 2 < sizeof asked; seen++)
            asked[n++] = called(peer_request(p, seen));
    }
    asked[n - 1] = '\0';
    is_str(asked, b->asked, "%s", b->name);
    is_str(ai_outcomes[t.answer.outcome], ai_outcomes[b->last], "%s: and the end of it (%s)", b->name, t.answer.err.text);
    ai_close(ai);
    peer_stop(p);
    told_free(&t);
}

static void test_bound_is_of_a_model(struct rig *r)
{
    static const struct peer_step steps[] = { TAKES_NEWER, SAYS_OK, SAYS_OK, SAYS_OK };
    struct peer *p = peer_start(steps, ARRAY_LEN(steps));
    struct ai_openai_options o = openai_options(peer_port(p));
    o.answer_tokens = 99;
    struct ai *ai = openai_opened(r, &o);
    struct told t = { 0 };
    struct err e;
    ask_once(r, ai, &t, false);
    has_str(peer_request(p, 1), "\r\nIdempotency-Key: turn-1.2\r\n", "by the other name it is another request");
    o.token = "sk-other";
    is_int(ai_openai_set(ai, &o, &e), 0, "another token");
    ask_once(r, ai, &t, false);
    o.model = "m2";
    is_int(ai_openai_set(ai, &o, &e), 0, "another model");
    ask_once(r, ai, &t, false);
    is_int(peer_requests(p), 4, "no request too many");
    is_int(called(peer_request(p, 2)), 'c', "another token changes nothing");
    is_int(called(peer_request(p, 3)), 'm', "another model is asked as any other");
    ai_close(ai);
    peer_stop(p);
    told_free(&t);
}

int main(void)
{
    struct rig r;
    rig_open(&r, NULL);
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
        test_bound(&r, &bounds[i]);
    test_bound_is_of_a_model(&r);
    rig_close(&r);
    openai_rig_free();
    return done_testing();
}
