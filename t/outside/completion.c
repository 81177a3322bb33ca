/* SPDX-License-Identifier: MIT
 * Answers of services that call themselves OpenAI-compatible, as they are seen in the wild, cut at every byte: what each comes to. */
#include "config.h"

#include "outside/completion_read.h"
#include "t/tap.h"

#define DATA(json) "data: " json "\n\n"
#define DELTA(json) DATA("{\"choices\":[{\"index\":0,\"delta\":" json "}]}")
#define FINISH(why) DATA("{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" why "\"}]}")
#define DONE "data: [DONE]\n\n"
#define HI DELTA("{\"role\":\"assistant\",\"content\":\"Hi \"}") DELTA("{\"content\":\"there\"}")
#define CALLS(list) DELTA("{\"tool_calls\":[" list "]}")
#define F(rest) "\"function\":{" rest "}"
#define WHOLE(message, finish) "{\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":" message ",\"finish_reason\":" finish "}]}"
#define CHAOS "\xf0\x9f\x8c\x80" "\xe1\xba\xbf"

static const char *const states[] = {
    [COMPLETION_GOOD] = "good", [COMPLETION_CUT] = "cut", [COMPLETION_LENGTH] = "length", [COMPLETION_REFUSED] = "refused", [COMPLETION_ERROR] = "error",
    [COMPLETION_DENIED] = "denied", [COMPLETION_BROKEN] = "broken", [COMPLETION_EMPTY] = "empty", [COMPLETION_LARGE] = "large",
};

struct row {
    const char *name, *body;
    enum completion_state state;
    const char *text;  /* that is said */
    const char *calls; /* id name(arguments) of each, as they are told back */
    const char *type;  /* NULL: text/event-stream */
    const char *error; /* part of the error's text */
};

#define JSON "application/json"
/* Name, body, state, text, calls, and then members by name. */
#define ROW(n, b, s, t, ...) { .name = (n), .body = (b), .state = (s), .text = (t), .calls = __VA_ARGS__ }

static const struct row rows[] = {
    ROW("an ordinary stream", HI FINISH("stop") DONE, COMPLETION_GOOD, "Hi there", ""),
    ROW("[DONE] is missing", HI FINISH("stop"), COMPLETION_GOOD, "Hi there", ""),
    ROW("finish_reason is missing", HI DONE, COMPLETION_GOOD, "Hi there", ""),
    ROW("both are missing", HI, COMPLETION_CUT, "Hi there", ""),
    ROW("finish_reason is null and empty", HI DATA("{\"choices\":[{\"delta\":{},\"finish_reason\":null}]}") FINISH(""), COMPLETION_CUT, "Hi there", ""),
    ROW("the last empty line is missing", HI "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}", COMPLETION_GOOD, "Hi there", ""),
    ROW("nothing at all", "", COMPLETION_CUT, "", ""),
    ROW("[DONE] alone", DONE, COMPLETION_EMPTY, "", ""),
    ROW("stop behind nothing", FINISH("stop") DONE, COMPLETION_EMPTY, "", ""),
    ROW("comments", ": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n" HI ":\n" FINISH("stop") DONE, COMPLETION_GOOD, "Hi there", ""),
    ROW("CR LF", "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\r\n\r\ndata: [DONE]\r\n\r\n", COMPLETION_GOOD, "Hi", ""),
    ROW("CR alone", "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\r\rdata: [DONE]\r\r", COMPLETION_GOOD, "Hi", ""),
    ROW("a BOM", "\xef\xbb\xbf" HI FINISH("stop"), COMPLETION_GOOD, "Hi there", ""),
    ROW("no blank behind the colon, several lines of data", "data:{\"choices\":\ndata:[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata:[DONE]\n\n", COMPLETION_GOOD, "Hi", ""),
    ROW("id, retry and event", "id: 7\nretry: 10\nevent: completion.chunk\n" HI "event: done\n" DONE, COMPLETION_GOOD, "Hi there", ""),
    ROW("characters of several bytes", DELTA("{\"content\":\"" CHAOS "\"}") DELTA("{\"content\":\"\\ud83c\\udf00\"}") FINISH("stop"), COMPLETION_GOOD,
      CHAOS "\xf0\x9f\x8c\x80", ""),
    ROW("bytes that are no UTF-8", DELTA("{\"content\":\"\xff\xc3\"}") FINISH("stop") DONE, COMPLETION_BROKEN, "", ""),
    ROW("no JSON in it", HI DATA("{\"choices\"") FINISH("stop"), COMPLETION_BROKEN, "Hi there", ""),
    ROW("the last event is cut", HI "data: {\"choices\":[{\"del", COMPLETION_BROKEN, "Hi there", ""),
    ROW("no choice", DATA("{\"choices\":[]}") DONE, COMPLETION_EMPTY, "", ""),
    ROW("a last chunk with usage alone", HI FINISH("stop") DATA("{\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}") DONE,
      COMPLETION_GOOD, "Hi there", ""),
    ROW("usage null before it", DATA("{\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":null}],\"usage\":null}") FINISH("stop"), COMPLETION_GOOD, "x", ""),
    ROW("content null and absent", DELTA("{\"role\":\"assistant\",\"content\":null}") DELTA("{}") DELTA("{\"content\":\"\"}") HI FINISH("stop"), COMPLETION_GOOD,
      "Hi there", ""),
    ROW("reasoning beside it", DELTA("{\"reasoning_content\":\"hm\"}") DELTA("{\"reasoning\":\"hm\",\"reasoning_details\":[{\"type\":\"x\"}]}") HI FINISH("stop"),
      COMPLETION_GOOD, "Hi there", ""),
    ROW("thoughts before it", DELTA("{\"content\":\"<think>\\nhm\"}") DELTA("{\"content\":\" </think>\\n\\n\"}") HI FINISH("stop"), COMPLETION_GOOD, "Hi there", ""),
    ROW("thoughts that were begun in the template", DELTA("{\"content\":\"hm </th\"}") DELTA("{\"content\":\"ink>\"}") HI DONE, COMPLETION_GOOD, "Hi there", ""),
    ROW("thoughts alone", DELTA("{\"content\":\"<think>hm</think>\\n\"}") FINISH("stop"), COMPLETION_EMPTY, "", ""),
    ROW("thoughts without end", DELTA("{\"content\":\"<think>hm\"}") HI FINISH("stop") DONE, COMPLETION_EMPTY, "", ""),
    ROW("thoughts cut by the bound", DELTA("{\"content\":\"<think>hm\"}") FINISH("length") DONE, COMPLETION_LENGTH, "", ""),
    ROW("thoughts beside a call", DELTA("{\"content\":\"<think>hm\"}") CALLS("{\"index\":0,\"id\":\"a\"," F("\"name\":\"f\"") "}") FINISH("tool_calls"), COMPLETION_GOOD, "", "a f({}) "),
    ROW("a tag within the text", DELTA("{\"content\":\"A <think>b</think> c\"}") FINISH("stop"), COMPLETION_GOOD, "A <think>b</think> c", ""),
    ROW("white space alone", DELTA("{\"content\":\" \\n\\t\"}") FINISH("stop"), COMPLETION_EMPTY, " \n\t", ""),
    ROW("nothing but controls", DELTA("{\"content\":\" \\u0007\\u0085\"}") FINISH("stop"), COMPLETION_EMPTY, " \a\xc2\x85", ""),
    ROW("parts of text", DELTA("{\"content\":[{\"type\":\"thinking\",\"thinking\":[]},{\"type\":\"text\",\"text\":\"Hi\"}]}") FINISH("stop"), COMPLETION_GOOD, "Hi", ""),
    ROW("another choice beside it", DATA("{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"no\"}},{\"index\":0,\"delta\":{\"content\":\"yes\"}}]}") FINISH("stop"),
      COMPLETION_GOOD, "yes", ""),
    ROW("a refusal", DELTA("{\"content\":null,\"refusal\":\"I can\"}") DELTA("{\"refusal\":\"not\"}") FINISH("stop") DONE, COMPLETION_REFUSED, "", "",
      .error = "the model refuses"),
    ROW("length", HI FINISH("length") DONE, COMPLETION_LENGTH, "Hi there", "", .error = "(length)"),
    ROW("content_filter", HI FINISH("content_filter") DONE, COMPLETION_REFUSED, "Hi there", "", .error = "(content_filter)"),
    ROW("an unknown reason, and [DONE]", HI FINISH("eos") DONE, COMPLETION_GOOD, "Hi there", ""),
    ROW("an unknown reason without", HI FINISH("eos"), COMPLETION_CUT, "Hi there", ""),
    ROW("gave up", HI FINISH("error") DONE, COMPLETION_ERROR, "Hi there", ""),
    ROW("an error within", HI DATA("{\"error\":{\"message\":\"secret sk-1\",\"code\":502},\"choices\":[]}") DONE, COMPLETION_ERROR, "Hi there", "", .error = ": 502"),
    ROW("an error with a good end", HI DATA("{\"error\":{\"type\":\"server_error\"},\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}") DONE, COMPLETION_ERROR,
      "Hi there", "", .error = ": server_error"),
    ROW("an error that is a string", DATA("{\"error\":\"boom <b>\"}"), COMPLETION_ERROR, "", "", .error = "with an error"),
    ROW("an error of vLLM", DATA("{\"object\":\"error\",\"message\":\"x\",\"type\":\"BadRequestError\",\"code\":400}"), COMPLETION_DENIED, "", "",
      .error = ": BadRequestError"),
    ROW("an event that is one", "event: error\ndata: {\"message\":\"x\"}\n\n", COMPLETION_ERROR, "", "", .error = "an event that is an error"),
    ROW("no quota", DATA("{\"error\":{\"code\":\"insufficient_quota\",\"type\":\"insufficient_quota\"}}"), COMPLETION_DENIED, "", "", .error = "insufficient_quota"),
    ROW("an invalid key", DATA("{\"error\":{\"type\":\"authentication_error\"}}"), COMPLETION_DENIED, "", ""),
    ROW("error null", DATA("{\"error\":null,\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}"), COMPLETION_GOOD, "x", ""),

    ROW("a call in fragments",
      CALLS("{\"index\":0,\"id\":\"a\",\"type\":\"function\"," F("\"name\":\"f\",\"arguments\":\"\"") "}") CALLS("{\"index\":0," F("\"arguments\":\"{\\\"x\\\":\"") "}")
          CALLS("{\"index\":0," F("\"arguments\":\"1}\"") "}") FINISH("tool_calls") DONE,
      COMPLETION_GOOD, "", "a f({\"x\":1}) "),
    ROW("two in turn", CALLS("{\"index\":0,\"id\":\"a\"," F("\"name\":\"f\",\"arguments\":\"{\"") "},{\"index\":1,\"id\":\"b\"," F("\"name\":\"g\"") "}")
          CALLS("{\"index\":1," F("\"arguments\":\"{}\"") "},{\"index\":0," F("\"arguments\":\"}\"") "}") FINISH("tool_calls"),
      COMPLETION_GOOD, "", "a f({}) b g({}) "),
    ROW("no index: a new id is a new call",
      CALLS("{\"id\":\"a\"," F("\"name\":\"f\",\"arguments\":\"{\"") "}") CALLS("{" F("\"arguments\":\"}\"") "}") CALLS("{\"id\":\"b\"," F("\"name\":\"f\",\"arguments\":\"{}\"") "}")
          FINISH("tool_calls"),
      COMPLETION_GOOD, "", "a f({}) b f({}) "),
    ROW("no index, no id: a new name is a new call",
      CALLS("{" F("\"name\":\"f\",\"arguments\":\"{\"") "}") CALLS("{" F("\"arguments\":\"}\"") "}") CALLS("{" F("\"name\":\"g\"") "}") CALLS("{" F("\"name\":\"h\",\"arguments\":\"{}\"") "}")
          FINISH("stop"),
      COMPLETION_GOOD, "", "call_1 f({}) call_2 g({}) call_3 h({}) "),
    ROW("no index, no id, the same name twice", CALLS("{" F("\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"") "}") CALLS("{" F("\"name\":\"f\",\"arguments\":\"{\\\"x\\\":2}\"") "}")
          FINISH("stop"),
      COMPLETION_GOOD, "", "call_1 f({\"x\":1}) call_2 f({\"x\":2}) "),
    ROW("index always 0", CALLS("{\"index\":0,\"id\":\"a\"," F("\"name\":\"f\",\"arguments\":\"{\"") "}") CALLS("{\"index\":0," F("\"arguments\":\"}\"") "}")
          CALLS("{\"index\":0,\"id\":\"b\"," F("\"name\":\"g\",\"arguments\":\"\"") "}") CALLS("{\"index\":0," F("\"arguments\":\"{\\\"y\\\":2}\"") "}") FINISH("tool_calls"),
      COMPLETION_GOOD, "", "a f({}) b g({\"y\":2}) "),
    ROW("index always 0, no id", CALLS("{\"index\":0," F("\"name\":\"f\",\"arguments\":\"{}\"") "}") CALLS("{\"index\":0," F("\"name\":\"f\",\"arguments\":\"{\\\"y\\\":2}\"") "}")
          FINISH("tool_calls"),
      COMPLETION_GOOD, "", "call_1 f({}) call_2 f({\"y\":2}) "),
    ROW("id and name in every fragment", CALLS("{\"index\":0,\"id\":\"a\"," F("\"name\":\"f\",\"arguments\":\"{\"") "}") CALLS("{\"index\":0,\"id\":\"a\"," F("\"name\":\"f\",\"arguments\":\"}\"") "}")
          FINISH("tool_calls"),
      COMPLETION_GOOD, "", "a f({}) "),
    ROW("name in every fragment, no id, no index", CALLS("{" F("\"name\":\"f\",\"arguments\":\"{\"") "}") CALLS("{" F("\"name\":\"f\",\"arguments\":\"}\"") "}") FINISH("tool_calls"),
      COMPLETION_GOOD, "", "call_1 f({}) "),
    ROW("a name in pieces", CALLS("{\"index\":0,\"id\":\"a\"," F("\"name\":\"send_\"") "}") CALLS("{\"index\":0," F("\"name\":\"message\",\"arguments\":\"{}\"") "}") FINISH("tool_calls"),
      COMPLETION_GOOD, "", "a send_message({}) "),
    ROW("the id comes late", CALLS("{\"index\":0," F("\"name\":\"f\"") "}") CALLS("{\"index\":0,\"id\":\"a\"," F("\"arguments\":\"{}\"") "}") FINISH("tool_calls"), COMPLETION_GOOD, "",
      "a f({}) "),
    ROW("an id as ours, and one is missing", CALLS("{\"index\":0," F("\"name\":\"f\"") "}") CALLS("{\"index\":1,\"id\":\"call_1\"," F("\"name\":\"g\"") "}") FINISH("tool_calls"),
      COMPLETION_GOOD, "", "call_1_1 f({}) call_1 g({}) "),
    ROW("one id for two calls", CALLS("{\"index\":0,\"id\":\"a\"," F("\"name\":\"f\"") "}") CALLS("{\"index\":1,\"id\":\"a\"," F("\"name\":\"g\"") "}") FINISH("tool_calls"),
      COMPLETION_GOOD, "", "a f({}) call_2 g({}) "),
    ROW("arguments that are an object", CALLS("{\"index\":0,\"id\":\"a\"," F("\"name\":\"f\",\"arguments\":{\"x\":1}") "}") FINISH("stop"), COMPLETION_GOOD, "", "a f({\"x\":1}) "),
    ROW("empty arguments", CALLS("{\"index\":0,\"id\":\"a\"," F("\"name\":\"f\",\"arguments\":\"\"") "}") FINISH("tool_calls"), COMPLETION_GOOD, "", "a f({}) "),
    ROW("the end within a call", CALLS("{\"index\":0,\"id\":\"a\"," F("\"name\":\"f\",\"arguments\":\"{\\\"x\"") "}"), COMPLETION_CUT, "", "a f({\"x) "),
    ROW("[DONE] within a call", CALLS("{\"index\":0,\"id\":\"a\"," F("\"name\":\"f\",\"arguments\":\"{\\\"x\"") "}") DONE, COMPLETION_CUT, "", "a f({\"x) "),
    ROW("calls that are no list", DELTA("{\"tool_calls\":{}}") FINISH("tool_calls"), COMPLETION_BROKEN, "", ""),
    ROW("a call that is no object", CALLS("7") FINISH("tool_calls"), COMPLETION_BROKEN, "", ""),
    ROW("the call of before there were tools", DELTA("{\"function_call\":{\"name\":\"f\",\"arguments\":\"{\"}}") DELTA("{\"function_call\":{\"arguments\":\"}\"}}") FINISH("function_call"),
      COMPLETION_GOOD, "", "call_1 f({}) "),

    ROW("a completion instead of a stream", WHOLE("{\"content\":\"Hi\"}", "\"stop\""), COMPLETION_GOOD, "Hi", "", .type = JSON),
    ROW("called a stream", WHOLE("{\"content\":\"Hi\"}", "\"stop\""), COMPLETION_GOOD, "Hi", ""),
    ROW("behind a BOM and empty lines", "\xef\xbb\xbf\r\n\n" WHOLE("{\"content\":\"Hi\"}", "\"stop\""), COMPLETION_GOOD, "Hi", "", .type = JSON),
    ROW("a stream called JSON", HI FINISH("stop"), COMPLETION_GOOD, "Hi there", "", .type = JSON),
    ROW("a completion without finish_reason", WHOLE("{\"content\":\"Hi\"}", "null"), COMPLETION_GOOD, "Hi", "", .type = JSON),
    ROW("a completion with calls",
      WHOLE("{\"content\":null,\"tool_calls\":[{\"id\":\"a\"," F("\"name\":\"f\",\"arguments\":\"{}\"") "},{" F("\"name\":\"f\",\"arguments\":\"{}\"") "}]}", "\"tool_calls\""), COMPLETION_GOOD,
      "", "a f({}) call_2 f({}) ", .type = JSON),
    ROW("a completion in one event", DATA(WHOLE("{\"content\":\"Hi\"}", "\"stop\"")), COMPLETION_GOOD, "Hi", ""),
    ROW("an error instead of a stream", "{\"error\":{\"message\":\"x\",\"type\":\"overloaded_error\"}}", COMPLETION_ERROR, "", "", .type = JSON, .error = ": overloaded_error"),
    ROW("no choice in it", "{\"choices\":[]}", COMPLETION_EMPTY, "", "", .type = JSON),
    ROW("a page", "<html>welcome</html>", COMPLETION_BROKEN, "", "", .type = "text/html"),
    ROW("half a completion", "{\"choices\":[{\"message\":{\"content\":\"Hi", COMPLETION_BROKEN, "", "", .type = JSON),
    ROW("a list", "[]", COMPLETION_BROKEN, "", "", .type = JSON),
    ROW("an empty body", "", COMPLETION_CUT, "", "", .type = JSON),
    ROW("a key twice", "{\"choices\":[],\"choices\":[]}", COMPLETION_BROKEN, "", "", .type = JSON),
    ROW("content that is a number", WHOLE("{\"content\":3}", "\"stop\""), COMPLETION_BROKEN, "", "", .type = JSON),
};

static void show_calls(struct buf *out, const struct completion *c)
{
    struct buf id = { 0 };
    buf_add(out, SV(""));
    for (size_t i = 0; i < c->calls_n; i++) {
        completion_call_id(&id, c, i);
        struct sv arguments = c->calls[i].arguments.n > 0 ? buf_sv(&c->calls[i].arguments) : SV("{}");
        buf_printf(out, "%.*s %.*s(%.*s) ", SV_FMT(buf_sv(&id)), SV_FMT(buf_sv(&c->calls[i].name)), SV_FMT(arguments));
    }
    buf_fini(&id);
}

static void read_in_pieces(struct completion_read *r, const struct row *row, size_t piece)
{
    struct sv type = row->type != NULL ? sv_from(row->type) : SV("text/event-stream");
    size_t n = strlen(row->body);
    completion_read_init(r);
    bool more = true;
    for (size_t at = 0; at < n; at += piece)
        more = completion_read_add(r, type, (struct sv){ row->body + at, n - at < piece ? n - at : piece }) && more;
    ok(more, "%s: more is wanted", row->name);
}

static void test_rows(void)
{
    static const size_t pieces[] = { 100000, 1, 2, 3, 7, 64 };
    for (size_t i = 0; i < ARRAY_LEN(rows) * ARRAY_LEN(pieces); i++) {
        const struct row *row = &rows[i / ARRAY_LEN(pieces)];
        struct completion_read r;
        struct buf calls = { 0 };
        struct err e = { 0 };
        read_in_pieces(&r, row, pieces[i % ARRAY_LEN(pieces)]);
        enum completion_state state = completion_read_end(&r, &e);
        show_calls(&calls, &r.completion);
        is_str(states[state], states[row->state], "%s, %zu bytes a piece (%s)", row->name, pieces[i % ARRAY_LEN(pieces)], e.text);
        is_sv(completion_said(&r.completion, NULL), sv_from(row->text), "%s: text", row->name);
        is_str(calls.n > 0 ? calls.p : "", row->calls, "%s: calls", row->name);
        ok((e.text[0] != '\0') == (state != COMPLETION_GOOD), "%s: a reason when it is not good", row->name);
        if (row->error != NULL)
            has_str(e.text, row->error, "%s: which one", row->name);
        ok(strcasestr(e.text, "sk-1") == NULL && strstr(e.text, "<b>") == NULL && strstr(e.text, "there") == NULL, "%s: it quotes nothing", row->name);
        buf_fini(&calls);
        completion_read_fini(&r);
    }
}

/* What is not known here survives, with the call and with the message. */
static void test_render(void)
{
    static const char body[] = DELTA("{\"content\":\"<think>t</think>a\",\"reasoning_content\":\"x\",\"audio\":null}") DELTA("{\"reasoning_content\":\"y\",\"details\":[1]}") DELTA("{\"details\":[2]}")
        CALLS("{\"index\":0," F("\"name\":\"f\",\"strict\":true,\"arguments\":\"{\"") ",\"extra_content\":{\"google\":{\"thought_signature\":\"s\"}}}")
            CALLS("{\"index\":0," F("\"arguments\":\"\\\"\"") "}") FINISH("tool_calls");
    struct completion_read r;
    struct buf out = { 0 };
    struct json_out o = { .b = &out };
    struct err e = { 0 };
    completion_read_init(&r);
    ok(completion_read_add(&r, SV("text/event-stream"), sv_from(body)) && completion_read_end(&r, &e) == COMPLETION_GOOD, "read");
    completion_render(&o, &r.completion);
    is_str(out.p,
           "{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"\",\"strict\":true},"
           "\"extra_content\":{\"google\":{\"thought_signature\":\"s\"}}}],\"details\":[1,2],\"reasoning_content\":\"xy\"}",
           "the message as it came, without what was thought");
    buf_fini(&out);
    completion_read_fini(&r);
}

#define SIX "{\"a\":[{\"a\":[{\"a\":["
#define SIX_SHUT "]}]}]}"
#define DEEP24 SIX SIX SIX SIX
#define SHUT24 SIX_SHUT SIX_SHUT SIX_SHUT SIX_SHUT

static void test_arguments(void)
{
    static const struct {
        const char *text, *want; /* NULL: none */
    } all[] = {
        { "", "{}" }, { " \n", "{}" }, { "{\"a\":1}", "{\"a\":1}" }, { "{\"a\":1,\"a\":2}", NULL }, { "[]", NULL }, { "\"x\"", NULL }, { "null", NULL }, { "{\"a\":", NULL },
        { "{\"a\":{\"b\":1,\"b\":1}}", NULL }, { DEEP24 "1" SHUT24, DEEP24 "1" SHUT24 }, { "{\"a\":" DEEP24 "{}" SHUT24 "}", NULL }, { "{} {}", NULL }, { "{\"a\":\"\\u0000\"}", NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct completion_call call = { 0 };
        struct buf out = { 0 };
        struct err e = { 0 };
        buf_add(&call.arguments, sv_from(all[i].text));
        json_t *j = completion_arguments(&call, &e);
        if (j != NULL)
            json_dump_to(&out, j);
        is_str(j != NULL ? out.p : NULL, all[i].want, "arguments \"%s\" (%s)", all[i].text, e.text);
        json_decref(j);
        buf_fini(&out);
        buf_fini(&call.arguments);
    }
}

static void test_bounds(void)
{
    struct completion_read r;
    struct err e = { 0 };
    struct buf large = { 0 };
    char call[128];
    completion_read_init(&r);
    for (int i = 0; i < COMPLETION_CALLS_MAX + 20; i++) {
        (void)snprintf(call, sizeof call, CALLS("{\"index\":%d,\"id\":\"i%d\"," F("\"name\":\"f\"") "}"), i, i);
        if (!completion_read_add(&r, SV("text/event-stream"), sv_from(call)))
            bail_out("call %d", i);
    }
    is_int((int)r.completion.calls_n, COMPLETION_CALLS_MAX, "so many calls and no more");
    completion_read_fini(&r);

    for (int i = 0; i < 65536; i++)
        buf_add(&large, SV("0123456789abcdef"));
    completion_read_init(&r);
    bool more = true;
    int n = 0;
    while (n < 100 && more) {
        more = completion_read_add(&r, SV("text/event-stream"), SV("data: {\"choices\":[{\"delta\":{\"content\":\"")) &&
               completion_read_add(&r, SV("text/event-stream"), buf_sv(&large)) && completion_read_add(&r, SV("text/event-stream"), SV("\"}}]}\n\n"));
        n++;
    }
    ok(!more && n < 80, "a stream that does not end is given up after %d MiB", n);
    ok(r.completion.text.n <= COMPLETION_MAX, "and its text is not kept");
    is_str(states[completion_read_end(&r, &e)], "large", "large: %s", e.text);
    completion_read_fini(&r);

    completion_read_init(&r);
    for (more = completion_read_add(&r, SV("application/json"), SV("{")), n = 0; n < 100 && more; n++)
        more = completion_read_add(&r, SV("application/json"), buf_sv(&large));
    ok(!more && n < 20, "one object that does not end, too");
    is_str(states[completion_read_end(&r, &e)], "large", "large: %s", e.text);
    completion_read_fini(&r);
    buf_fini(&large);
}

static void test_shown(void)
{
    static const struct {
        const char *text, *shown;
        const char *hidden; /* when the model is taken to think before its first byte; NULL: the same as shown */
    } all[] = {
        { "", "", NULL }, { "Hi", "Hi", "" }, { " Hi ", " Hi", "" }, { "Hi `", "Hi", "" }, { "Hi ``", "Hi", "" }, { "Hi ```json", "Hi", "" },
        { "Hi `x` there", "Hi `x` there", "" }, { "{\"intent\"", "", NULL }, { " \n{", "", NULL }, { "\n", "", NULL }, { "a ``` b ``` c", "a", "" }, { "```json", "", NULL },
        { "<", "", NULL }, { "\n<thi", "", NULL }, { "\xef\xbb\xbf", "", NULL }, { "\xef\xbb\xbf<thi", "", NULL }, { "<think>a", "", NULL }, { "<think>a</think", "", NULL }, { "<think>a</think>", "", NULL }, { "<think>a</think>\n\nHi ``", "Hi", NULL },
        { "<think>a</think> <thi", "", NULL }, { "<thin air", "<thin air", "" }, { "hm</thin", "hm</thin", "" }, { "hm</think>", "", NULL }, { "hm</think> Hi", "Hi", NULL },
        { "Hi\n{", "Hi", "" }, { "Hi\n\n  {\"intent\":\"x\"}\nBye", "Hi", "" }, { "Hi {x}\nBye", "Hi {x}\nBye", "" }, { "Hi\n`{`", "Hi\n`{", "" },
        { "hm</think>{", "", NULL }, { "hm</think>a\n{", "a", NULL }, { "a <think>b", "a <think>b", "" },
        { "Hi <", "Hi", "" }, { "Hi\n<tool_c", "Hi", "" }, { "Hi <tools", "Hi <tools", "" }, { "Hi\n<tool_call>\n{\"name", "Hi", "" }, { "<tool_call>{", "", NULL },
    };
    for (size_t i = 0; i < 2 * ARRAY_LEN(all); i++) {
        struct completion c;
        bool hides = i % 2 == 1;
        const char *want = hides && all[i / 2].hidden != NULL ? all[i / 2].hidden : all[i / 2].shown;
        completion_init(&c);
        c.hides = hides;
        c.tools = true;
        buf_add(&c.text, sv_from(all[i / 2].text));
        is_sv(completion_shown(&c), sv_from(want), "shown of \"%s\"%s", all[i / 2].text, hides ? ", hidden" : "");
        completion_fini(&c);
    }
}

#define A40 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_denied(void)
{
    static const struct {
        int status;
        const char *body;
        enum completion_denial denial;
        const char *text;
    } all[] = {
        { 400, "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"unsupported_parameter\",\"param\":\"max_tokens\"}}", DENIAL_QUESTION,
          "status 400: invalid_request_error, unsupported_parameter, max_tokens" },
        { 401, "{\"error\":{\"message\":\"Incorrect API key provided: sk-1\"}}", DENIAL_ALL, "status 401" },
        { 400, "{\"code\":\"Client specified an invalid argument\",\"error\":\"Incorrect API key provided: sk-1\"}", DENIAL_ALL, "status 400" },
        { 400, "{\"error\":{\"code\":400,\"message\":\"API key not valid. Please pass a valid API key.\",\"status\":\"INVALID_ARGUMENT\"}}", DENIAL_ALL, "status 400" },
        { 400, "{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Your credit balance is too low to access the API\"}}", DENIAL_ALL, "status 400: invalid_request_error" },
        { 403, "", DENIAL_QUESTION, "status 403" }, { 404, "<html>", DENIAL_ALL, "status 404" }, { 302, "", DENIAL_ALL, "status 302" }, { 422, "{}", DENIAL_QUESTION, "status 422" },
        { 408, "", DENIAL_NONE, "status 408" }, { 409, "[]", DENIAL_NONE, "status 409" }, { 429, "{\"error\":{\"code\":\"rate_limit_exceeded\"}}", DENIAL_NONE, "rate_limit_exceeded" },
        { 429, "{\"error\":{\"code\":\"insufficient_quota\"}}", DENIAL_ALL, "insufficient_quota" }, { 500, "{\"error\":{\"type\":\"insufficient_quota\"}}", DENIAL_ALL, "insufficient_quota" },
        { 500, "{\"error\":{\"type\":\"invalid_request_error\"}}", DENIAL_NONE, "status 500" }, { 503, "", DENIAL_NONE, "status 503" },
        { 401, "{\"error\":{\"type\":\"sk-1abc\",\"code\":\"invalid_api_key\",\"param\":\"SK-1\"}}", DENIAL_ALL, "status 401: [masked], invalid_api_key, [masked]" },
        { 401, "{\"error\":{\"type\":\"bearer.x\",\"code\":\"" A40 "\",\"param\":\"" A40 "b\"}}", DENIAL_ALL, "status 401: [masked], " A40 ", [masked]" },
        { 500, "{\"error\":{\"type\":\"<script>\",\"code\":\"two words\"}}", DENIAL_NONE, "status 500" },
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct err e = { 0 };
        is_int(completion_denial_of(all[i].status, sv_from(all[i].body), &e), all[i].denial, "%d %s", all[i].status, all[i].body);
        has_str(e.text, all[i].text, "%d: its error", all[i].status);
        ok(strstr(e.text, "sk-1") == NULL && strstr(e.text, "<") == NULL && strstr(e.text, "two words") == NULL, "%d: it quotes nothing", all[i].status);
    }
}

static void test_misnamed(void)
{
#define TAKES_NEWER "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
#define TAKES_OLDER "Unrecognized request argument supplied: max_completion_tokens"
    static const struct {
        int status;
        const char *body;
        bool older, newer; /* whether it was the name's fault, when max_tokens was said, when max_completion_tokens was */
    } all[] = {
        { 400, "{\"error\":{\"message\":\"" TAKES_NEWER "\",\"type\":\"invalid_request_error\",\"param\":\"max_tokens\",\"code\":\"unsupported_parameter\"}}", true, false },
        { 400, "{\"error\":{\"code\":\"unsupported_parameter\",\"param\":\"max_tokens\"}}", true, false },
        { 400, "{\"error\":{\"code\":\"unknown_parameter\",\"param\":\"max_completion_tokens\"}}", false, true },
        { 400, "{\"error\":{\"message\":\"" TAKES_NEWER "\",\"code\":\"invalid_request_body\"}}", true, true },
        { 400, "{\"error\":{\"message\":\"" TAKES_OLDER "\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}", true, true },
        { 400, "{\"error\":\"" TAKES_NEWER "\"}", true, true },
        { 400, "{\"object\":\"error\",\"message\":\"" TAKES_OLDER "\"}", true, true },
        { 400, "{\"error\":{\"message\":\"max_tokens is too large\",\"param\":\"max_tokens\",\"code\":\"invalid_value\"}}", false, false },
        { 400, "{\"error\":{\"message\":\"max_completion_tokens is too large\",\"param\":\"max_completion_tokens\",\"code\":\"invalid_value\"}}", false, false },
        { 400, "{\"error\":{\"message\":\"no max_tokens, please\"}}", false, false },
        { 400, "{\"error\":{\"code\":\"unsupported_parameter\",\"param\":\"temperature\"}}", false, false },
        { 400, "{\"error\":{\"code\":\"unsupported_parameter\"}}", false, false },
        { 404, "{\"error\":{\"code\":\"unsupported_parameter\",\"param\":\"max_tokens\"}}", false, false },
        { 500, "{\"error\":{\"message\":\"" TAKES_NEWER "\"}}", false, false },
        { 400, "", false, false },
        { 400, TAKES_NEWER, false, false },
        { 400, "[]", false, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct sv body = sv_from(all[i].body);
        is_int(completion_is_misnamed(all[i].status, body, COMPLETION_OLDER_BOUND), all[i].older, "max_tokens: %d %.*s", all[i].status, SV_FMT(body));
        is_int(completion_is_misnamed(all[i].status, body, COMPLETION_NEWER_BOUND), all[i].newer, "max_completion_tokens: %d %.*s", all[i].status, SV_FMT(body));
    }
}

int main(void)
{
    test_rows();
    test_render();
    test_arguments();
    test_bounds();
    test_shown();
    test_denied();
    test_misnamed();
    return done_testing();
}
