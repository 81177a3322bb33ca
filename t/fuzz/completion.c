/* SPDX-License-Identifier: MIT
 * Any bytes as the body of an OpenAI-compatible service's answer (outside/completion_read.h). However it is cut it means the same, and whatever is made
 * of it is JSON that can be read again: what the turn gets, and what the service is told back. The first byte says where it is cut. How to run it:
 * t/fuzz/markup.c. */
#include "config.h"

#include <string.h>

#include "outside/chat_prompt.h"
#include "outside/completion_read.h"
#include "outside/openai_reply.h"
#include "t/fuzz/fuzz.h"

const char fuzz_name[] = "completion";
const char *const fuzz_words[] = { "data: ", "\n\n", "\r", "\r\n", ":", "[DONE]", "{\"choices\":[", "{\"index\":0,\"delta\":{", "}}]}", "\"content\":\"", "\"content\":null", "\"tool_calls\":[",
                                   "{\"index\":0,", "\"id\":\"a\",", "\"id\":\"call_1\",", "\"function\":{", "\"name\":\"f\"", "\"arguments\":\"", "{\\\"", "}", "\"", "\"finish_reason\":\"stop\"",
                                   "\"length\"", "\"error\":{", "\"code\":", "\"message\":{", "\"usage\":{\"total_tokens\":1}", "```json", "```", "\\\"actions\\\":[", "<think>", "</think>", "\\\"type\\\":\\\"x\\\",\\\"data\\\":{}", "\\n", "\xef\xbb\xbf", "\xff",
                                   "\xc3\xa0", "\\ud83c", "\\u0000", ",", "[", "]", "null", "event: error\n", NULL };

struct outcome {
    struct completion_read read;
    enum completion_state state;
    struct err err;
};

static void read_in(struct outcome *o, struct sv body, size_t cut)
{
    struct sv first = { body.p, cut < body.n ? cut : body.n };
    *o = (struct outcome){ 0 };
    completion_read_init(&o->read);
    bool more = completion_read_add(&o->read, SV("text/event-stream"), first);
    for (size_t at = first.n; more && at < body.n; at += cut % 7 + 1)
        more = completion_read_add(&o->read, SV("text/event-stream"), (struct sv){ body.p + at, body.n - at < cut % 7 + 1 ? body.n - at : cut % 7 + 1 });
    must(more);
    o->state = completion_read_end(&o->read, &o->err);
    must((o->state == COMPLETION_GOOD) == (o->err.text[0] == '\0'));
}

static void dump(struct buf *to, const struct completion *c)
{
    struct json_out o = { .b = to };
    completion_render(&o, c);
    must(buf_ok(to));
}

static const char *fault(struct sv type, const json_t *data)
{
    must(json_is_object(data));
    return type.n == 1 ? NULL : "unknown_type";
}

/* Every call has an id of its own. */
static void check_ids(const json_t *message)
{
    const json_t *calls = json_object_get(message, "tool_calls");
    for (size_t i = 0; i < json_array_size(calls); i++)
        for (size_t k = 0; k < i; k++)
            must(!json_equal(json_object_get(json_array_get(calls, i), "id"), json_object_get(json_array_get(calls, k), "id")));
}

static void check_reply(const struct completion *c)
{
    struct openai_reply r = { 0 };
    json_t *response, *actions, *action;
    size_t i;
    must(openai_reply_add(&r, c, fault) == 0 && openai_reply_make(&r, 1, "m", &response, &actions) == 0);
    must(json_is_string(json_object_get(response, "response_text")));
    struct sv said = completion_said(c, NULL);
    must(openai_reply_is_some(&r) + openai_reply_is_empty(&r) + (json_array_size(r.wrong) > 0 || openai_reply_is_broken(&r)) >= 1);
    must(!openai_reply_is_empty(&r) || (c->calls_n == 0 && (memchr(said.p, '`', said.n) != NULL || memchr(said.p, '{', said.n) != NULL)));
    must((actions != NULL) == (c->calls_n > 0));
    size_t like_calls = 0; /* what stands in a block may be anything */
    json_array_foreach(actions, i, action) like_calls += json_is_string(json_object_get(action, "type")) && json_object_get(action, "data") != NULL;
    must(actions == NULL || like_calls >= json_array_size(r.right) + json_array_size(r.wrong));
    struct buf text = { 0 };
    json_t *both = json_pack("{s:O,s:o}", "response", response, "actions", actions != NULL ? json_incref(actions) : json_null());
    json_dump_to(&text, both);
    json_t *again = json_read(buf_sv(&text), false, NULL);
    must(json_equal(again, both));
    json_decref(again);
    json_decref(both);
    buf_fini(&text);

    struct chat_prompt p = { 0 };
    buf_add(&p.rest, SV("\"model\":\"m\""));
    buf_add(&p.messages, SV("{}"));
    chat_prompt_add_round(&p, c, openai_reply_verdict, &r);
    if (openai_reply_is_broken(&r))
        chat_prompt_add_unreadable(&p);
    chat_prompt_render(&text, &p);
    again = json_read(buf_sv(&text), false, NULL);
    must(json_array_size(json_object_get(again, "messages")) == 2 + c->calls_n + openai_reply_is_broken(&r));
    check_ids(json_array_get(json_object_get(again, "messages"), 1));
    json_decref(again);
    buf_fini(&text);
    chat_prompt_fini(&p);
    json_decref(response);
    json_decref(actions);
    openai_reply_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct sv body = { (const char *)data + 1, size - 1 };
    struct outcome whole, cut;
    struct buf a = { 0 }, b = { 0 };
    read_in(&whole, body, body.n);
    read_in(&cut, body, data[0] % 64);
    dump(&a, &whole.read.completion);
    dump(&b, &cut.read.completion);
    must(whole.state == cut.state && sv_eq(buf_sv(&a), buf_sv(&b)) && strcmp(whole.err.text, cut.err.text) == 0);
    struct sv shown = completion_shown(&whole.read.completion), text = buf_sv(&whole.read.completion.text);
    must(sv_is_utf8(text) && sv_is_utf8(shown) && (shown.n == 0 || (shown.p >= text.p && shown.p + shown.n <= text.p + text.n)) && memmem(shown.p, shown.n, "```", 3) == NULL);
    if (whole.state == COMPLETION_GOOD)
        check_reply(&whole.read.completion);
    buf_fini(&a);
    buf_fini(&b);
    completion_read_fini(&whole.read);
    completion_read_fini(&cut.read);
    return 0;
}
