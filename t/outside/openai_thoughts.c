/* SPDX-License-Identifier: MIT
 * A model's thoughts while its answer is shown as it grows: nothing of them is ever told, wherever the stream is cut, as soon as it can be known that they
 * are thoughts. */
#include "config.h"

#include "t/outside/openai_rig.h"
#include "t/tap.h"

#define SAYS(chunks) { .answer = HEAD("200 OK", "text/event-stream") chunks FINISH("stop") DONE, .then = PEER_CLOSE }
#define OPENED SAYS(TEXT("<th") TEXT("ink>\\nHm, ") TEXT("hm.</thi") TEXT("nk>\\n\\n") TEXT("Xin ") TEXT("ch\xc3\xa0o!"))
#define UNOPENED SAYS(TEXT("Hm, ") TEXT("hm.\\n</thi") TEXT("nk>\\n\\n") TEXT("Xin ") TEXT("ch\xc3\xa0o!"))
#define PLAIN SAYS(TEXT("Xin ") TEXT("ch\xc3\xa0o!"))
#define HI "Xin ch\xc3\xa0o!"

static const struct row {
    const char *name, *model;
    struct peer_step steps[4];
    const char *seen; /* of each answer: + it grew, . it did not, ? it grew and may have begun with thoughts */
} rows[] = {
    { "a tag at the beginning", "m", { OPENED, OPENED }, "++" },
    { "none, of a model that nothing is known of", "m", { UNOPENED, UNOPENED, UNOPENED }, "?++" },
    { "none, of one whose name tells of thoughts", "DeepSeek-R1-Distill", { UNOPENED, UNOPENED }, "++" },
    { "a name that tells of them, and there are none", "qwen3:8b", { PLAIN, PLAIN }, ".+" },
    { "a name that tells of them, and there is a tag", "qwen3:8b", { OPENED, PLAIN, OPENED }, "+++" },
    { "one that thinks no more", "m", { UNOPENED, PLAIN, PLAIN }, "?.+" },
};

/* '!': something was told that is no part of it. */
static char ask_once(struct rig *r, struct ai *ai, const struct row *row, int pieces)
{
    struct ai_request q = openai_question(true);
    struct told t = { 0 };
    ask_and_wait(r, ai, &q, &t);
    struct sv said = json_sv(t.answer.response, "response_text"), all = buf_sv(&t.all), last = buf_sv(&t.partial);
    is_sv(said, SV(HI), "%s, %d pieces: what is said", row->name, pieces);
    bool wrong = false;
    while (all.n > 0) {
        struct sv one = sv_split(&all, '|');
        wrong = wrong || !sv_starts(said, one);
    }
    ok(t.partials == 0 || sv_starts(said, last), "%s: in the end it is a part of that", row->name);
    char seen = wrong ? '!' : t.partials > 0 ? '+' : '.';
    told_free(&t);
    return seen;
}

static void test_row(struct rig *r, const struct row *row, int pieces)
{
    struct peer_step steps[ARRAY_LEN(row->steps)];
    char seen[ARRAY_LEN(row->steps) + 1] = "";
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        steps[i] = row->steps[i];
        steps[i].pieces = pieces;
    }
    struct peer *p = peer_start(steps, ARRAY_LEN(steps));
    struct ai_openai_options o = openai_options(peer_port(p));
    o.model = row->model;
    struct ai *ai = openai_opened(r, &o);
    for (size_t i = 0; i < strlen(row->seen); i++) {
        seen[i] = ask_once(r, ai, row, pieces);
        if (row->seen[i] == '?' && seen[i] != '.')
            seen[i] = '?';
    }
    is_str(seen, row->seen, "%s, %d pieces: how it grows", row->name, pieces);
    ai_close(ai);
    peer_stop(p);
}

/* What was learnt is of a model: another one begins with what its name tells. */
static void test_set(struct rig *r)
{
    static const struct peer_step steps[] = { UNOPENED, { .answer = HEAD("200 OK", "text/event-stream") TEXT("Xin ") TEXT("ch\xc3\xa0o!") FINISH("stop") DONE, .then = PEER_CLOSE, .pieces = 120 } };
    struct peer *p = peer_start(steps, ARRAY_LEN(steps));
    struct ai_openai_options o = openai_options(peer_port(p));
    struct ai *ai = openai_opened(r, &o);
    struct err e;
    (void)ask_once(r, ai, &rows[1], 1);
    o.rounds = 2;
    is_int(ai_openai_set(ai, &o, &e), 0, "set, the model is the same");
    o.model = "m2";
    is_int(ai_openai_set(ai, &o, &e), 0, "set, it is another one");
    is_int(ask_once(r, ai, &rows[0], 120), '+', "whose answer grows");
    ai_close(ai);
    peer_stop(p);
}

int main(void)
{
    static const int pieces[] = { 120, 300 };
    struct rig r;
    rig_open(&r, NULL);
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        for (size_t k = 0; k < ARRAY_LEN(rows); k++)
            test_row(&r, &rows[k], pieces[i]);
    test_set(&r);
    rig_close(&r);
    openai_rig_free();
    return done_testing();
}
