/* SPDX-License-Identifier: MIT
 * See chat_prompt.h. Texts of the context are JSON strings already, and are passed on as such: they are counted and, where one is too long, cut
 * between two characters, but not taken apart. */
#include "config.h"

#include "outside/chat_prompt.h"

enum { TWELFTHS = 12, OF_ASCII = 3, OF_OTHERS = 8, OF_MESSAGE = 4 * TWELFTHS };

#define AGENT "[agent] "
#define LEFT_OUT "[What was said before this is left out.]\\n"

static const char with_tools[] =
    "Your answer's text is what the customer reads. The tools do the other things that can be done in this conversation: call one only when it is needed, and do "
    "not write about the call.";
static const char without_tools[] = "Your answer's text is what the customer reads.";
static const char block[] =
    " At the end of an answer there may be one block ```json {\"intent\": \"...\", \"confidence\": 0.0 to 1.0, \"entities\": {...}} ``` with what the customer "
    "wants; the customer does not see it.";
static const char actions_in_block[] =
    " Where more than a text is to be done, that block also has \"actions\", a list of {\"type\": \"...\", \"data\": {...}}; these are the types, each with the schema of "
    "its data:\n";

static const char unreadable[] =
    "[The JSON in your answer cannot be read, so nobody was told anything. Write all of the answer again: the customer's text first, then, where it is needed, one "
    "block ```json ... ``` that is valid JSON.]";

/* ---- costs ---- */

static struct sv inside(struct sv json_string)
{
    return json_string.n >= 2 ? (struct sv){ json_string.p + 1, json_string.n - 2 } : SV("");
}

static bool is_escaped_surrogate(const char *p, size_t n)
{
    return n >= 12 && p[1] == 'u' && (p[2] == 'd' || p[2] == 'D') && strchr("89abAB", p[3]) != NULL && p[6] == '\\' && p[7] == 'u';
}

/* The first character of what is inside a JSON string: its bytes and what it costs. */
static size_t character(struct sv s, int64_t *cost)
{
    unsigned char first = (unsigned char)s.p[0];
    *cost = OF_ASCII;
    if (first == '\\' && s.n >= 2) {
        if (s.p[1] != 'u' || s.n < 6)
            return 2;
        *cost = memcmp(s.p + 2, "00", 2) == 0 && s.p[4] < '8' ? OF_ASCII : OF_OTHERS;
        return is_escaped_surrogate(s.p, s.n) ? 12 : 6;
    }
    if (first < 0x80)
        return 1;
    size_t n = 1;
    while (n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n++;
    *cost = OF_OTHERS;
    return n;
}

static int64_t cost_inside(struct sv s)
{
    int64_t sum = 0, cost;
    while (s.n > 0) {
        size_t n = character(s, &cost);
        s = (struct sv){ s.p + n, s.n - n };
        sum += cost;
    }
    return sum;
}

int64_t chat_prompt_cost(struct sv json_string)
{
    return cost_inside(inside(json_string));
}

/* The end of it that costs at most `most`. */
static struct sv newest_part(struct sv s, int64_t whole, int64_t most)
{
    int64_t cost;
    while (s.n > 0 && whole > most) {
        size_t n = character(s, &cost);
        s = (struct sv){ s.p + n, s.n - n };
        whole -= cost;
    }
    return s;
}

/* ---- messages ---- */

static void add_message(struct json_out *o, struct sv role, const char *before, struct sv content_inside)
{
    json_obj(o);
    json_kstr(o, "role", role);
    json_key(o, "content");
    buf_addc(o->b, '"');
    buf_add(o->b, sv_from(before));
    buf_add(o->b, content_inside);
    buf_addc(o->b, '"');
    o->comma = true;
    json_obj_end(o);
}

/* What the model is told first, as the inside of a JSON string. */
static void render_system(struct buf *b, const struct chat_prompt_options *o, const struct ai_request *r)
{
    struct sv of_bot = inside(json_raw_member(r->bot, "system_prompt"));
    struct buf text = { 0 };
    struct json_out out = { .b = &text };
    struct sv fixed = o->tools && r->tools.n > 0 ? sv_from(with_tools) : sv_from(without_tools);
    struct buf all = { 0 };
    if (json_raw_member(r->bot, "system_prompt").n < 2 || json_raw_member(r->bot, "system_prompt").p[0] != '"')
        of_bot = SV("");
    if (of_bot.n == 0 && o->system_prompt.n > 0)
        buf_add(&all, o->system_prompt);
    if (of_bot.n > 0 || all.n > 0)
        buf_add(&all, SV("\n\n"));
    buf_add(&all, fixed);
    buf_add(&all, sv_from(block));
    if (!o->tools && r->tools.n > 0) {
        buf_add(&all, sv_from(actions_in_block));
        buf_add(&all, r->tools);
    }
    json_str(&out, buf_sv(&all));
    buf_add(b, of_bot);
    buf_add(b, inside(buf_sv(&text)));
    b->failed |= !buf_ok(&all) || !buf_ok(&text);
    buf_fini(&all);
    buf_fini(&text);
}

static int64_t message_cost(const struct ai_message *m)
{
    return chat_prompt_cost(m->content_json) + OF_MESSAGE + (sv_eq(m->role, SV("agent")) ? (int64_t)sizeof(AGENT) * OF_ASCII : 0);
}

static bool is_said(const struct ai_message *m)
{
    return m->content_json.n > 2;
}

/* Where what is to be answered begins: behind the last answer. */
static size_t first_open(const struct ai_request *r)
{
    size_t i = r->messages_n;
    while (i > 0 && !sv_eq(r->messages[i - 1].role, SV("assistant")))
        i--;
    return i;
}

struct choice {
    size_t from;  /* the first message that is passed on */
    bool cut;     /* of that one only as much as costs `room`, since even what is to be answered is too much */
    int64_t room;
};

static struct choice choose(const struct ai_request *r, int64_t budget)
{
    size_t open = first_open(r), i = r->messages_n;
    int64_t cost = 0;
    while (i > 0 && (!is_said(&r->messages[i - 1]) || cost + message_cost(&r->messages[i - 1]) <= budget)) {
        i--;
        cost += is_said(&r->messages[i]) ? message_cost(&r->messages[i]) : 0;
    }
    if (i <= open || i == 0)
        return (struct choice){ .from = i };
    int64_t about = OF_MESSAGE + (int64_t)sizeof(LEFT_OUT) * OF_ASCII + (int64_t)sizeof(AGENT) * OF_ASCII;
    return (struct choice){ .from = i - 1, .cut = true, .room = budget - cost > about ? budget - cost - about : 0 };
}

static void add_chosen(struct json_out *o, const struct ai_message *m, const struct choice *c, bool first)
{
    bool agent = sv_eq(m->role, SV("agent"));
    struct sv role = agent ? SV("assistant") : m->role, text = inside(m->content_json);
    const char *before = agent ? AGENT : "";
    if (first && c->cut) {
        text = newest_part(text, cost_inside(text), c->room);
        before = agent ? LEFT_OUT AGENT : LEFT_OUT;
    }
    add_message(o, role, before, text);
}

static void add_messages(struct json_out *o, const struct ai_request *r, int64_t budget)
{
    struct choice c = choose(r, budget);
    size_t said = 0;
    for (size_t i = c.from; i < r->messages_n; i++) {
        if (!is_said(&r->messages[i]))
            continue;
        add_chosen(o, &r->messages[i], &c, i == c.from);
        said++;
    }
    if (said == 0) {
        json_obj(o);
        json_kstr(o, "role", SV("user"));
        json_kstr(o, "content", r->message.p != NULL ? r->message : SV(""));
        json_obj_end(o);
    }
}

/* ---- the rest ---- */

/* Members without the braces around them. */
static void render_rest(struct buf *b, const struct chat_prompt_options *o, const struct ai_request *r)
{
    struct json_out out = { .b = b };
    json_kstr(&out, "model", o->model);
    if (o->tools && r->tools.n > 0) {
        json_kraw(&out, "tools", r->tools);
        json_kstr(&out, "tool_choice", SV("auto"));
    }
    if (r->partial == NULL)
        return;
    json_kbool(&out, "stream", true);
    if (o->stream_usage)
        json_kraw(&out, "stream_options", SV("{\"include_usage\":true}"));
}

void chat_prompt_init(struct chat_prompt *p, const struct chat_prompt_options *o, const struct ai_request *r)
{
    struct buf system = { 0 };
    struct json_out out = { .b = &p->messages };
    int64_t whole = o->context_tokens * TWELFTHS, left;
    p->answer_tokens = o->answer_tokens;
    render_rest(&p->rest, o, r);
    render_system(&system, o, r);
    add_message(&out, SV("system"), "", buf_sv(&system));
    left = whole - cost_inside(buf_sv(&system)) - OF_MESSAGE - (o->tools ? (int64_t)r->tools.n * OF_ASCII : 0);
    add_messages(&out, r, left > whole / 4 ? left : whole / 4); /* however much is said about the work, the work is seen */
    p->messages.failed |= !buf_ok(&system);
    buf_fini(&system);
}

void chat_prompt_add_round(struct chat_prompt *p, const struct completion *c, chat_prompt_verdict_fn *verdict, void *arg)
{
    struct json_out o = { .b = &p->messages, .comma = true };
    struct buf id = { 0 };
    completion_render(&o, c);
    for (size_t i = 0; i < c->calls_n; i++) {
        const char *why = verdict(arg, i);
        completion_call_id(&id, c, i);
        json_obj(&o);
        json_kstr(&o, "role", SV("tool"));
        json_kstr(&o, "tool_call_id", buf_sv(&id));
        json_key(&o, "content");
        if (why == NULL)
            json_str(&o, SV("{\"ok\":true}"));
        else {
            char text[160];
            (void)snprintf(text, sizeof(text), "{\"error\":\"%s\",\"advice\":\"Call it again as it should be, or answer without it.\"}", why);
            json_str(&o, sv_from(text));
        }
        json_obj_end(&o);
    }
    p->messages.failed |= !buf_ok(&id);
    buf_fini(&id);
}

void chat_prompt_add_unreadable(struct chat_prompt *p)
{
    struct json_out o = { .b = &p->messages, .comma = true };
    json_obj(&o);
    json_kstr(&o, "role", SV("user"));
    json_kstr(&o, "content", sv_from(unreadable));
    json_obj_end(&o);
}

void chat_prompt_render(struct buf *b, const struct chat_prompt *p)
{
    buf_addc(b, '{');
    buf_add(b, buf_sv(&p->rest));
    if (p->answer_tokens > 0)
        buf_printf(b, ",\"%s\":%lld", completion_bound_name(p->bound), (long long)p->answer_tokens);
    buf_add(b, SV(",\"messages\":["));
    buf_add(b, buf_sv(&p->messages));
    buf_add(b, SV("]}"));
    b->failed |= !chat_prompt_ok(p);
}

bool chat_prompt_ok(const struct chat_prompt *p)
{
    return buf_ok(&p->messages) && buf_ok(&p->rest);
}

void chat_prompt_fini(struct chat_prompt *p)
{
    buf_fini(&p->messages);
    buf_fini(&p->rest);
}
