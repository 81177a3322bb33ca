/* SPDX-License-Identifier: MIT
 * See completion.h. Everything here comes from outside: the strict reader bounds depth, refuses NUL, bad UTF-8 and duplicate keys; here only shapes
 * are looked at. What an error says is kept as its code, type and parameter alone: its message may repeat a token or what a customer wrote. */
#include "config.h"

#include "lib/plain.h"
#include "outside/ai.h"
#include "outside/completion.h"
#include "outside/completion_calls.h"

enum { WORD_MAX = 40 }; /* what is longer is told as a credential is: not at all */

#define MASKED "[masked]"

void completion_init(struct completion *c)
{
    *c = (struct completion){ .text.max = COMPLETION_MAX, .refusal.max = COMPLETION_MAX, .prompt_tokens = -1, .completion_tokens = -1, .total_tokens = -1 };
}

void completion_fini(struct completion *c)
{
    buf_fini(&c->text);
    buf_fini(&c->refusal);
    buf_fini(&c->model);
    buf_fini(&c->finish);
    buf_fini(&c->unreadable);
    json_decref(c->extras);
    json_decref(c->pieces);
    completion_calls_fini(c);
    *c = (struct completion){ 0 };
}

/* ---- errors ---- */

/* A code as services write them: nothing that a log could be harmed by, or a customer be known from. */
static bool is_word(struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') || (s.p[i] >= '0' && s.p[i] <= '9') || strchr("_.-", s.p[i]) != NULL))
            return false;
    return s.n > 0;
}

/* A service may repeat there what was sent to it. */
static bool is_like_credential(struct sv word)
{
    static const char *const begins[] = { "sk-", "Bearer" };
    bool like = word.n > WORD_MAX;
    for (size_t i = 0; i < ARRAY_LEN(begins); i++)
        like = like || sv_eq_nocase((struct sv){ word.p, word.n < strlen(begins[i]) ? word.n : strlen(begins[i]) }, sv_from(begins[i]));
    return like;
}

static bool is_among(struct sv word, const char *const *list)
{
    for (; *list != NULL; list++)
        if (sv_eq_nocase(word, sv_from(*list)))
            return true;
    return false;
}

/* Codes are words, or the status that another service had. */
static int64_t number_of(const json_t *error, const char *name)
{
    const json_t *v = json_object_get(error, name);
    int64_t n = json_is_integer(v) ? json_integer_value(v) : 0;
    (void)sv_to_i64(json_sv(error, name), &n);
    return n;
}

static enum completion_denial denial_of_status(int64_t status)
{
    if (ai_is_denied_status(status))
        return DENIAL_ALL;
    return status >= 400 && status < 500 && status != 408 && status != 409 && status != 429 ? DENIAL_QUESTION : DENIAL_NONE;
}

/* What xAI, Gemini and Anthropic say with 400 of a key that is wrong, or of an account without money, and some gateways within a 200: no code tells it. */
static bool says_one_of(const json_t *error, const char *const *phrases)
{
    const char *message = json_is_string(error) ? json_string_value(error) : json_string_value(json_object_get(error, "message"));
    bool says = false;
    for (; message != NULL && !says && *phrases != NULL; phrases++)
        says = strcasestr(message, *phrases) != NULL;
    return says;
}

/* status 200: an error inside an answer. */
static enum completion_denial denial_of(int status, const json_t *error)
{
    static const char *const quota[] = { "insufficient_quota", "billing_hard_limit_reached", "billing_not_active", NULL };
    static const char *const all[] = { "authentication_error", "invalid_api_key", "not_found_error", "model_not_found", NULL };
    static const char *const phrases[] = { "incorrect api key", "invalid api key", "api key not valid", "credit balance is too low", NULL };
    static const char *const question[] = { "invalid_request_error", "permission_error", "permission_denied_error", "context_length_exceeded", NULL };
    struct sv code = json_sv(error, "code"), type = json_sv(error, "type");
    if (is_among(code, quota) || is_among(type, quota) || ((status == 200 || status == 400) && says_one_of(error, phrases)))
        return DENIAL_ALL;
    enum completion_denial denial = denial_of_status(status != 200 ? status : number_of(error, "code"));
    if (status == 200 && denial == DENIAL_NONE)
        denial = denial_of_status(number_of(error, "status"));
    if ((status == 200 || denial == DENIAL_QUESTION) && (is_among(code, all) || is_among(type, all)))
        return DENIAL_ALL;
    return status == 200 && denial == DENIAL_NONE && (is_among(code, question) || is_among(type, question)) ? DENIAL_QUESTION : denial;
}

static void say(struct err *e, enum completion_denial denial, const char *what, const json_t *error)
{
    static const char *const names[] = { "type", "code", "param" };
    char words[3 * (WORD_MAX + 2) + 1] = "";
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct sv word = json_sv(error, names[i]);
        if (is_word(word) && is_like_credential(word))
            word = SV(MASKED);
        else if (!is_word(word))
            continue;
        n += (size_t)snprintf(words + n, sizeof(words) - n, "%s%.*s", n > 0 ? ", " : "", SV_FMT(word));
    }
    if (n == 0 && number_of(error, "code") != 0)
        (void)snprintf(words, sizeof(words), "%lld", (long long)number_of(error, "code"));
    (void)err_set(e, denial != DENIAL_NONE ? ERR_REFUSED : ERR_UNAVAILABLE, "%s%s%s", what, words[0] != '\0' ? ": " : "", words);
}

/* {"error":{...}}, {"error":"..."}, {"object":"error",...}; NULL: none of them. */
static const json_t *error_of(const json_t *root)
{
    const json_t *error = json_object_get(root, "error");
    if (error != NULL && !json_is_null(error) && !json_is_false(error))
        return error;
    return sv_eq(json_sv(root, "object"), SV("error")) ? root : NULL;
}

enum completion_denial completion_denial_of(int status, struct sv body, struct err *e)
{
    json_t *root = json_read(body, false, NULL);
    const json_t *error = error_of(root);
    char what[64];
    enum completion_denial denial = denial_of(status, error != NULL ? error : root);
    (void)snprintf(what, sizeof(what), "the AI service answered with status %d", status);
    say(e, denial, what, error != NULL ? error : root);
    json_decref(root);
    return denial;
}

const char *completion_bound_name(enum completion_bound b)
{
    static const char *const names[] = { [COMPLETION_OLDER_BOUND] = "max_tokens", [COMPLETION_NEWER_BOUND] = "max_completion_tokens" };
    return names[b];
}

/* OpenAI says it by code and parameter; what stands between passes on the message alone, and Azure has no other
 * (https://github.com/openai/openai-python/issues/1724). Such a message has the newer name in it, whichever is wanted. */
bool completion_is_misnamed(int status, struct sv body, enum completion_bound said)
{
    static const char *const codes[] = { "unsupported_parameter", "unknown_parameter", NULL };
    json_t *root = status == 400 ? json_read(body, false, NULL) : NULL;
    const json_t *error = error_of(root);
    struct sv param = json_sv(error, "param"), newer = sv_from(completion_bound_name(COMPLETION_NEWER_BOUND));
    struct sv message = json_is_string(error) ? (struct sv){ json_string_value(error), json_string_length(error) } : json_sv(error, "message");
    bool misnamed = param.n > 0 ? sv_eq(param, sv_from(completion_bound_name(said))) && is_among(json_sv(error, "code"), codes)
                                : message.n > 0 && memmem(message.p, message.n, newer.p, newer.n) != NULL;
    json_decref(root);
    return misnamed;
}

/* ---- pieces of an answer ---- */

static void add_string(struct completion *c, struct buf *to, const json_t *v)
{
    if (json_is_string(v))
        buf_add(to, (struct sv){ json_string_value(v), json_string_length(v) });
    else if (v != NULL && !json_is_null(v))
        c->broken = true;
}

/* A string, null, or a list of parts of which some are text. */
static void add_content(struct completion *c, const json_t *content)
{
    size_t i;
    json_t *part;
    if (!json_is_array(content)) {
        add_string(c, &c->text, content);
        return;
    }
    json_array_foreach(content, i, part)
    {
        struct sv type = json_sv(part, "type");
        if (sv_eq(type, SV("text")))
            add_string(c, &c->text, json_object_get(part, "text"));
        else if (sv_eq(type, SV("refusal")))
            add_string(c, &c->refusal, json_object_get(part, "refusal"));
    }
}

/* Strings of a stream are parts of one, which is put together when it is wanted. */
static void keep_piece(struct completion *c, const char *key, json_t *value)
{
    json_t *before = json_object_get(c->pieces, key);
    c->pieces_bytes += json_string_length(value);
    if (c->pieces == NULL)
        c->pieces = json_object();
    if (c->pieces_bytes > COMPLETION_MAX)
        (void)json_object_set_new(c->pieces, key, json_null());
    else if (before == NULL)
        (void)json_object_set_new(c->pieces, key, json_pack("[O]", value));
    else if (json_is_array(before))
        (void)json_array_append(before, value);
}

static void keep_extra(struct completion *c, const char *key, json_t *value)
{
    json_t *before = json_object_get(c->extras, key);
    if (c->extras == NULL)
        c->extras = json_object();
    if (json_is_string(value)) {
        (void)json_object_del(c->extras, key);
        keep_piece(c, key, value);
        return;
    }
    (void)json_object_del(c->pieces, key);
    if (json_is_array(before) && json_is_array(value)) {
        (void)json_array_extend(before, value);
    } else {
        (void)json_object_set_new(c->extras, key, json_deep_copy(value));
    }
}

static void add_message(struct completion *c, json_t *message, bool whole)
{
    static const char *const known[] = { "role", "content", "refusal", "tool_calls", "function_call", NULL };
    const json_t *calls = json_object_get(message, "tool_calls"), *old = json_object_get(message, "function_call");
    size_t i;
    json_t *call;
    add_content(c, json_object_get(message, "content"));
    add_string(c, &c->refusal, json_object_get(message, "refusal"));
    c->broken |= calls != NULL && !json_is_null(calls) && !json_is_array(calls);
    json_array_foreach(calls, i, call) c->broken |= !completion_calls_add(c, call, whole);
    if (json_is_object(old) && !json_is_array(calls)) { /* before there were tools: one call, without an id */
        call = json_pack("{s:O}", "function", old);
        c->broken |= call == NULL || !completion_calls_add(c, call, whole);
        json_decref(call);
    }
    for (void *at = json_object_iter(message); at != NULL; at = json_object_iter_next(message, at))
        if (!json_is_null(json_object_iter_value(at)) && !is_among(sv_from(json_object_iter_key(at)), known))
            keep_extra(c, json_object_iter_key(at), json_object_iter_value(at));
}

static void add_choice(struct completion *c, const json_t *choice)
{
    json_t *delta = json_object_get(choice, "delta"), *message = json_object_get(choice, "message");
    struct sv finish = json_sv(choice, "finish_reason");
    if (json_is_object(message))
        add_message(c, message, true);
    else if (json_is_object(delta))
        add_message(c, delta, false);
    if (finish.n > 0) {
        buf_clear(&c->finish);
        buf_add(&c->finish, finish);
    }
}

static void add_usage(struct completion *c, const json_t *usage)
{
    if (!json_is_object(usage))
        return;
    c->prompt_tokens = json_i64(usage, "prompt_tokens", c->prompt_tokens);
    c->completion_tokens = json_i64(usage, "completion_tokens", c->completion_tokens);
    c->total_tokens = json_i64(usage, "total_tokens", c->total_tokens);
}

static void add_root(struct completion *c, const json_t *root)
{
    const json_t *error = error_of(root), *choices = json_object_get(root, "choices");
    size_t i;
    json_t *choice;
    if (error != NULL && c->error.code == ERR_NONE) {
        c->denial = denial_of(200, error);
        say(&c->error, c->denial, "the AI service answered with an error", error);
    }
    c->broken |= choices != NULL && !json_is_null(choices) && !json_is_array(choices);
    json_array_foreach(choices, i, choice) if (json_i64(choice, "index", 0) == 0) add_choice(c, choice);
    add_usage(c, json_object_get(root, "usage"));
    if (c->model.n == 0)
        buf_add(&c->model, json_sv(root, "model"));
}

void completion_add(struct completion *c, struct sv data)
{
    data = sv_trim(data);
    if (sv_eq(data, SV("[DONE]"))) {
        c->done = true;
        return;
    }
    if (data.n == 0 || c->done)
        return;
    json_t *root = json_read(data, false, NULL);
    if (root == NULL)
        root = json_read_mended(data);
    if (json_is_object(root))
        add_root(c, root);
    else if (c->finish.n == 0) /* else the answer is there, whatever a service says behind it, or was cut off saying */
        c->broken = true;
    json_decref(root);
}

void completion_add_whole(struct completion *c, struct sv body)
{
    completion_add(c, body);
    c->done = true;
}

/* ---- what it comes to ---- */

static bool calls_are_whole(const struct completion *c)
{
    bool whole = true;
    for (size_t i = 0; whole && i < c->calls_n; i++) {
        json_t *arguments = completion_arguments(&c->calls[i], NULL);
        whole = arguments != NULL;
        json_decref(arguments);
    }
    return whole;
}

static bool fits(const struct completion *c)
{
    bool fit = buf_ok(&c->text) && buf_ok(&c->refusal) && buf_ok(&c->model) && buf_ok(&c->finish);
    for (size_t i = 0; fit && i < c->calls_n; i++)
        fit = buf_ok(&c->calls[i].arguments);
    return fit;
}

enum completion_state completion_judge(const struct completion *c, struct err *e)
{
    static const char *const good[] = { "stop", "tool_calls", "function_call", NULL };
    struct sv finish = buf_sv(&c->finish);
    bool ended = is_among(finish, good), something = !plain_is_blank(completion_said(c, NULL)) || c->calls_n > 0;
    if (!fits(c))
        return (void)err_set(e, ERR_RANGE, "the AI service's answer is too large"), COMPLETION_LARGE;
    if (c->error.code != ERR_NONE) {
        *e = c->error;
        return c->denial != DENIAL_NONE ? COMPLETION_DENIED : COMPLETION_ERROR;
    }
    if (c->broken)
        return (void)err_set(e, ERR_INVALID, "the AI service's answer is no completion"), COMPLETION_BROKEN;
    if (c->refusal.n > 0)
        return (void)err_set(e, ERR_REFUSED, "the model refuses to answer"), COMPLETION_REFUSED;
    if (sv_eq_nocase(finish, SV("content_filter")))
        return (void)err_set(e, ERR_REFUSED, "the AI service's filter withholds the answer (content_filter)"), COMPLETION_REFUSED;
    if (sv_eq_nocase(finish, SV("length")))
        return (void)err_set(e, ERR_RANGE, "the answer is longer than the AI service lets it be (length)"), COMPLETION_LENGTH;
    if (sv_eq_nocase(finish, SV("error")))
        return (void)err_set(e, ERR_UNAVAILABLE, "the AI service gave up within its answer"), COMPLETION_ERROR;
    if ((ended || c->done) && !something)
        return (void)err_set(e, ERR_INVALID, "the AI service's answer is empty"), COMPLETION_EMPTY;
    if (ended || (c->done && calls_are_whole(c)))
        return COMPLETION_GOOD;
    return (void)err_set(e, ERR_UNAVAILABLE, "the AI service's answer ends before its end"), COMPLETION_CUT;
}

struct sv completion_said(const struct completion *c, enum thoughts *how)
{
    struct sv said;
    enum thoughts found = thoughts_in(buf_sv(&c->text), &said);
    if (how != NULL)
        *how = found;
    return said;
}

/* How much of the text stands in front of the first line that begins with {. */
static size_t before_object(struct sv text)
{
    bool begins = true;
    size_t i = 0;
    while (i < text.n && !(begins && text.p[i] == '{')) {
        begins = text.p[i] == '\n' || (begins && strchr(" \t\r", text.p[i]) != NULL);
        i++;
    }
    return i;
}

struct sv completion_shown(const struct completion *c)
{
    enum thoughts how;
    struct sv text = completion_said(c, &how);
    if (thoughts_behind_blanks(text).n == 0 || how == THOUGHTS_MAYBE || (how == THOUGHTS_NONE && c->hides))
        return SV("");
    const char *block = memmem(text.p, text.n, "```", 3);
    if (block != NULL)
        text.n = (size_t)(block - text.p);
    text.n = before_object(text);
    text.n = c->tools ? completion_calls_before(text) : text.n;
    while (text.n > 0 && strchr("` \t\r\n", text.p[text.n - 1]) != NULL)
        text.n--;
    return text;
}
