/* SPDX-License-Identifier: MIT
 * The table, and the way of a line: words, name, arguments, function, answer. */
#include "config.h"

#include <stdlib.h>

#include "daemon/command_own.h"
#include "daemon/table.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"

#define ARENA_MAX (64u << 20)
#define ANSWER_MAX (4u << 20) /* bytes of one answer */

static void help(struct call *c);
static void ping(struct call *c);
static void version(struct call *c);

/* In the order of HELP. */
static const struct command table[] = {
    { "HELP", "[command]", "this list, or what one command does", 0, 2, help },
    { "PING", "", "answers PONG", 0, 0, ping },
    { "VERSION", "", "the daemon's version", 0, 0, version },
    { "SHOW STATUS", "", "this daemon, and how much there is to do", 0, 0, command_status },
    { "SHOW CONFIG", "", "the effective configuration, secrets masked", 0, 0, command_config },
    { "SHOW LEASES", "[limit=100]", "running turns and who holds their leases", 0, 1, command_leases },
    { "SHOW QUEUE", "", "what waits for the archive and for receivers of callbacks", 0, 0, command_queue },
    { "SHOW DEAD", "[limit=50] [cursor=...]", "dead letters, newest first", 0, 2, command_dead },
    { "SHOW JOBS", "[limit=100]", "turns that run or wait, oldest first", 0, 1, command_jobs },
    { "SHOW BACKENDS", "", "store, archive, AI and platform", 0, 0, command_backends },
    { "SHOW STATS", "", "figures of all processes", 0, 0, command_stats },
    { "SHOW WORKERS", "", "live processes of this host, and the last heartbeat", 0, 0, command_workers },
    { "GET", "<conversation>", "the whole state of a conversation", 1, 1, command_get },
    { "EXPLAIN", "<conversation> [<message>]", "why the bot did or did not answer", 1, 2, command_explain },
    { "CANCEL", "<conversation>", "ends the running turn", 1, 1, command_cancel },
    { "PAUSE", "[<conversation>]", "silences the bot in a conversation; without one this daemon begins no turns", 0, 1, command_pause },
    { "RESUME", "[<conversation>]", "takes a pause back", 0, 1, command_resume },
    { "CLEANUP", "[max_age_hours=24] [dry_run=1]", "forgets conversations that have been idle for so long", 0, 2, command_cleanup },
    { "SWEEP", "", "looks now for what is due or has lost its owner, and for messages that no webhook brought", 0, 0, command_sweep },
    { "ARCHIVE", "", "carries message_queue into the archive now", 0, 0, command_archive },
    { "RETRY", "<id>", "gives a dead letter another try", 1, 1, command_retry },
    { "DISCARD", "<id>", "throws a dead letter away", 1, 1, command_discard },
    { "BOT LIST", "[limit=50] [cursor=...]", "bots of the database, by name", 0, 2, command_service_list },
    { "BOT SHOW", "<bot>", "one bot, and why it cannot be used if so", 1, 1, command_service_show },
    { "BOT SET", "<JSON>", "creates or replaces a bot", 1, COMMAND_REST, command_service_set },
    { "BOT DELETE", "<bot> [version=N]", "deletes a bot", 1, 2, command_service_delete },
    { "CORE LIST", "[limit=50] [cursor=...]", "AI cores that bots may name", 0, 2, command_service_list },
    { "CORE SHOW", "<core>", "one AI core", 1, 1, command_service_show },
    { "CORE SET", "<JSON>", "creates or replaces an AI core", 1, COMMAND_REST, command_service_set },
    { "CORE DELETE", "<core> [version=N]", "deletes an AI core that no bot names", 1, 2, command_service_delete },
    { "PLATFORM LIST", "[limit=50] [cursor=...]", "platforms that bots may name", 0, 2, command_service_list },
    { "PLATFORM SHOW", "<platform>", "one platform", 1, 1, command_service_show },
    { "PLATFORM SET", "<JSON>", "creates or replaces a platform", 1, COMMAND_REST, command_service_set },
    { "PLATFORM DELETE", "<platform> [version=N]", "deletes a platform that no bot names", 1, 2, command_service_delete },
    { "RELOAD", "", "reads the configuration anew, as HUP does", 0, 0, command_reload },
    { "LOG LEVEL", "<level>", "DEBUG, INFO, WARNING or ERROR, until the next reload", 1, 1, command_log_level },
    { "DRAIN", "[timeout_s=N]", "begins no turns, and waits until none runs here; RESUME takes it back", 0, 1, command_drain },
    { "SHUTDOWN", "", "ends this daemon as TERM does", 0, 0, command_shutdown },
};

/* ---- the end of a call ---- */

static void look_stopped(struct commands *c)
{
    if (c->stopping && c->calls_n == 0 && c->stopped != NULL) {
        loop_soon(c->o.loop, c->stopped, c->stopped_arg);
        c->stopped = NULL;
    }
}

static void call_free(struct call *c)
{
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    c->owner->calls_n--;
    loop_timer_free(c->timer);
    arena_free(c->a);
}

static void end(struct call *c, struct sv answer)
{
    struct commands *owner = c->owner;
    c->fn(c->arg, answer);
    call_free(c);
    look_stopped(owner);
}

/* The last line is the only one that begins like it. */
static void add_body(struct buf *b, struct sv text)
{
    while (text.n > 0) {
        struct sv line = sv_split(&text, '\n');
        if (sv_eq(line, SV("OK")) || sv_starts(line, SV("ERR ")))
            buf_addc(b, ' ');
        buf_add(b, line);
        buf_addc(b, '\n');
    }
}

void call_err(struct call *c, const char *code, struct sv text)
{
    struct buf b = { 0 };
    buf_printf(&b, "ERR %s ", code);
    for (size_t i = 0; i < text.n; i++)
        buf_addc(&b, (unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7F ? '?' : text.p[i]);
    buf_addc(&b, '\n');
    end(c, buf_ok(&b) ? buf_sv(&b) : SV("ERR unavailable no memory\n"));
    buf_fini(&b);
}

void call_text(struct call *c, struct sv json, struct sv text)
{
    struct buf b = { .max = ANSWER_MAX };
    if (c->json) {
        buf_add(&b, json);
        buf_addc(&b, '\n');
    } else {
        add_body(&b, text);
    }
    buf_add(&b, SV("OK\n"));
    if (buf_ok(&b))
        end(c, buf_sv(&b));
    else
        call_err(c, "too_large", SV("the answer is too large: ask for less"));
    buf_fini(&b);
}

json_t *call_parse(struct call *c, struct sv json)
{
    struct err e = { .text = "no answer" };
    json_t *j = json.p == NULL ? NULL : json_read_in(c->a, json, true, &e);
    if (j == NULL)
        call_err(c, "internal", sv_from(e.text));
    return j;
}

void call_json(struct call *c, struct sv json)
{
    if (c->json) {
        call_text(c, json, SV_NONE);
        return;
    }
    json_t *j = call_parse(c, json);
    if (j == NULL)
        return;
    struct buf b = { .max = ANSWER_MAX };
    table_format(&b, j);
    if (buf_ok(&b))
        call_text(c, json, buf_sv(&b));
    else
        call_err(c, "too_large", SV("the answer is too large: ask for less"));
    buf_fini(&b);
}

void call_out(struct call *c, struct buf *b)
{
    struct sv json = buf_ok(b) ? arena_sv(c->a, buf_sv(b)) : SV_NONE;
    buf_fini(b);
    if (json.p == NULL)
        call_err(c, "unavailable", SV("no memory"));
    else
        call_json(c, json);
}

/* Everything that is wrong with a row, in one line: "settings.debounce_ms: Input should be ...; name: Field required". */
static void call_detail(struct call *c, const struct control_answer *answer)
{
    json_t *all = call_parse(c, answer->detail);
    struct buf b = { 0 };
    if (all == NULL)
        return;
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *one = json_array_get(all, i), *loc = json_object_get(one, "loc");
        buf_add(&b, i > 0 ? SV("; ") : SV(""));
        for (size_t k = 1; k < json_array_size(loc); k++)
            buf_printf(&b, "%s%s", k > 1 ? "." : "", json_string_value(json_array_get(loc, k)));
        buf_add(&b, json_array_size(loc) > 1 ? SV(": ") : SV(""));
        buf_add(&b, json_sv(one, "msg"));
    }
    call_err(c, answer->code, buf_ok(&b) && b.n > 0 ? buf_sv(&b) : sv_from(answer->message));
    buf_fini(&b);
}

void call_control(void *call, const struct control_answer *answer)
{
    struct call *c = call;
    if (answer->http_status == 200 || answer->http_status == 201)
        call_json(c, answer->result);
    else if (answer->detail.p != NULL)
        call_detail(c, answer);
    else if (answer->http_status == 503 && answer->code == NULL)
        call_json(c, answer->result); /* health that says "unhealthy" */
    else
        call_err(c, answer->http_status == 503 ? "unavailable" : answer->code, sv_from(answer->message));
}

/* ---- arguments ---- */

bool call_id(struct call *c, size_t i)
{
    struct sv id = c->args[i];
    bool fine = id.n > 0 && id.n <= MESSAGE_ID_MAX;
    for (size_t k = 0; fine && k < id.n; k++)
        fine = (unsigned char)id.p[k] >= 0x20 && id.p[k] != 0x7F;
    if (!fine)
        call_err(c, "bad_arguments", SV("an id is 1 to 256 bytes without control characters"));
    return fine;
}

static bool is_value(struct sv word, const char *name, struct sv *value)
{
    size_t n = strlen(name);
    if (word.n <= n || word.p[n] != '=' || !sv_eq_nocase((struct sv){ word.p, n }, sv_from(name)))
        return false;
    *value = (struct sv){ word.p + n + 1, word.n - n - 1 };
    return true;
}

struct sv call_value(const struct call *c, const char *name)
{
    struct sv value = SV_NONE;
    for (size_t i = 0; i < c->n; i++)
        if (is_value(c->args[i], name, &value))
            break;
    return value;
}

bool call_number(struct call *c, const char *name, int64_t lo, int64_t hi, int64_t fallback, int64_t *out)
{
    struct sv value = call_value(c, name), text;
    *out = fallback;
    if (value.p == NULL)
        return true;
    if (sv_to_i64(value, out) && *out >= lo && *out <= hi)
        return true;
    text = arena_printf(c->a, "%s is a number from %lld to %lld", name, (long long)lo, (long long)hi);
    call_err(c, "bad_arguments", text.p != NULL ? text : SV("a number is out of its range"));
    return false;
}

bool call_only(struct call *c, const char *const *names)
{
    for (size_t i = 0; i < c->n; i++) {
        struct sv value;
        const char *const *name = names;
        while (*name != NULL && !is_value(c->args[i], *name, &value))
            name++;
        for (size_t k = 0; *name != NULL && k < i; k++)
            if (is_value(c->args[k], *name, &value)) {
                call_err(c, "bad_arguments", SV("an argument stands there twice"));
                return false;
            }
        if (*name == NULL) {
            call_err(c, "bad_arguments", SV("unknown argument: see HELP"));
            return false;
        }
    }
    return true;
}

/* ---- the simplest commands ---- */

/* Whether the words from `from` on are this command's name; how many of them. 0: no. */
static size_t is_command(const struct command *command, const struct sv *words, size_t n)
{
    struct sv rest = sv_from(command->name);
    for (size_t i = 0; i < n; i++)
        if (!sv_eq_nocase(sv_split(&rest, ' '), words[i]))
            return 0;
        else if (rest.p == NULL)
            return i + 1;
    return 0;
}

static void help(struct call *c)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    size_t shown = 0;
    json_arr(&o);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct sv name = sv_from(table[i].name), first = name;
        first = sv_split(&first, ' ');
        if (c->n > 0 && is_command(&table[i], c->args, c->n) != c->n && !(c->n == 1 && sv_eq_nocase(first, c->args[0])))
            continue;
        struct sv usage = arena_printf(c->a, "%s%s%s", table[i].name, table[i].args[0] != '\0' ? " " : "", table[i].args);
        json_obj(&o);
        json_kstr(&o, "command", usage);
        json_kstr(&o, "help", sv_from(table[i].help));
        json_obj_end(&o);
        shown++;
    }
    json_arr_end(&o);
    if (shown > 0) {
        call_out(c, &b);
    } else {
        buf_fini(&b);
        call_err(c, "unknown_command", SV("there is no such command: see HELP"));
    }
}

static void ping(struct call *c)
{
    call_text(c, SV("{\"pong\":true}"), SV("PONG"));
}

static void version(struct call *c)
{
    call_text(c, SV("{\"name\":\"turnkeeperd\",\"version\":\"" PACKAGE_VERSION "\"}"), SV("turnkeeperd " PACKAGE_VERSION));
}

/* ---- a line ---- */

static struct call *call_new(struct commands *owner, command_fn *fn, void *arg)
{
    struct arena *a = arena_new(0, ARENA_MAX);
    struct call *c = a == NULL ? NULL : arena_alloc(a, sizeof(*c));
    if (c == NULL) {
        arena_free(a);
        return NULL;
    }
    *c = (struct call){ .owner = owner, .a = a, .fn = fn, .arg = arg, .link = &owner->calls, .next = owner->calls };
    if (c->next != NULL)
        c->next->link = &c->next;
    owner->calls = c;
    owner->calls_n++;
    return c;
}

static const struct command *find(const struct sv *words, size_t n, size_t *taken)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if ((*taken = is_command(&table[i], words, n)) > 0)
            return &table[i];
    return NULL;
}

/* A command that takes the rest of its line as it is. */
static const struct command *find_rest(struct sv line, struct sv *rest)
{
    struct sv words[2];
    line = sv_trim(line);
    for (size_t i = 0; i < 2; i++) {
        words[i] = sv_split(&line, ' ');
        line = sv_trim(line);
    }
    *rest = line;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].max == COMMAND_REST && is_command(&table[i], words, 2) == 2)
            return &table[i];
    return NULL;
}

/* Says so, and what stands behind the first word if that begins names. */
static void no_command(struct call *c, struct sv word)
{
    struct sv all[ARRAY_LEN(table)], first = SV_NONE;
    struct buf b = { 0 };
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct sv rest = sv_from(table[i].name), begin = sv_split(&rest, ' ');
        if (rest.p == NULL || !sv_eq_nocase(begin, word))
            continue;
        first = begin;
        all[n++] = rest;
    }
    buf_printf(&b, "behind %.*s stands ", SV_FMT(first));
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s%.*s", i == 0 ? "" : i + 1 < n ? ", " : " or ", SV_FMT(all[i]));
    buf_printf(&b, ": see HELP %.*s", SV_FMT(first));
    call_err(c, "unknown_command", n > 0 && buf_ok(&b) ? buf_sv(&b) : SV("there is no such command: see HELP"));
    buf_fini(&b);
}

static void wrong_count(struct call *c)
{
    struct sv text = arena_printf(c->a, "usage: %s %s", c->command->name, c->command->args);
    call_err(c, "bad_arguments", text.p != NULL ? text : SV("wrong number of arguments"));
}

static void run(struct call *c)
{
    if (c->n < c->command->min || c->n > c->command->max) {
        wrong_count(c);
        return;
    }
    log_debug("admin command", "command", c->command->name, NULL);
    c->command->run(c);
}

static void run_rest(struct call *c, struct sv rest)
{
    c->n = rest.n > 0;
    c->args[0] = arena_sv(c->a, rest);
    if (!sv_is_utf8(rest))
        call_err(c, "bad_line", SV("the line is not UTF-8"));
    else if (rest.n > 0 && c->args[0].p == NULL)
        call_err(c, "unavailable", SV("no memory"));
    else
        run(c);
}

void commands_run(struct commands *owner, struct sv line, command_fn *fn, void *arg)
{
    struct sv words[WORDS_MAX], rest;
    struct err e;
    size_t n, taken = 0;
    if (owner->stopping) {
        fn(arg, SV("ERR unavailable this daemon is about to end\n"));
        return;
    }
    struct call *c = call_new(owner, fn, arg);
    if (c == NULL) {
        fn(arg, SV("ERR unavailable no memory\n"));
        return;
    }
    c->json = words_take_json(&line);
    c->command = find_rest(line, &rest);
    if (c->command != NULL) {
        run_rest(c, rest);
        return;
    }
    if (words_split(c->a, line, words, &n, &e) != 0) {
        call_err(c, e.code == ERR_MEMORY ? "unavailable" : "bad_line", sv_from(e.text));
        return;
    }
    c->command = n > 0 ? find(words, n, &taken) : NULL;
    if (c->command == NULL && n > 0) {
        no_command(c, words[0]);
        return;
    }
    if (c->command == NULL) {
        call_err(c, "unknown_command", SV("an empty line: see HELP"));
        return;
    }
    c->n = n - taken;
    memcpy(c->args, words + taken, c->n * sizeof(*words));
    run(c);
}

struct commands *commands_new(const struct commands_options *o)
{
    struct commands *c = calloc(1, sizeof(*c));
    if (c != NULL)
        *c = (struct commands){ .o = *o, .began_mono_ms = clock_mono_ms(), .began_ms = clock_wall_ms() };
    return c;
}

void commands_stop(struct commands *c, void (*stopped)(void *arg), void *arg)
{
    struct call *next;
    c->stopping = true;
    c->stopped = stopped;
    c->stopped_arg = arg;
    for (struct call *call = c->calls; call != NULL; call = next) {
        next = call->next;
        if (call->timer != NULL)
            call_err(call, "unavailable", SV("this daemon is about to end"));
    }
    look_stopped(c);
}

void commands_free(struct commands *c)
{
    if (c == NULL)
        return;
    while (c->calls != NULL)
        call_free(c->calls);
    free(c);
}
