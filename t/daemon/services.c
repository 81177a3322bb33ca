/* SPDX-License-Identifier: MIT
 * BOT, CORE and PLATFORM: what each line asks of turn/control_services.h, and what an administrator reads then. The other side is a double. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/command.h"
#include "daemon/words.h"
#include "lib/loop.h"
#include "t/lib/control_double.h"
#include "t/tap.h"

static struct loop *loop;
static struct commands *commands;
static char *answer;

static void on_answer(void *arg, struct sv text)
{
    (void)arg;
    if (answer != NULL)
        bail_out("answered twice");
    answer = strndup(text.p, text.n);
}

static const char *ask(struct sv line)
{
    free(answer);
    answer = NULL;
    buf_clear(&control_seen);
    commands_run(commands, line, on_answer, NULL);
    for (int i = 0; i < 100 && answer == NULL; i++)
        loop_turn(loop, false);
    return answer != NULL ? answer : "(none)";
}

static void questions(void)
{
    static const struct {
        int line;
        const char *text, *asked;
    } table[] = {
        { __LINE__, "BOT LIST", "rows of bots 50 -" },
        { __LINE__, "core list limit=2 cursor=x", "rows of ai_cores 2 x" },
        { __LINE__, "Platform List cursor=\"a b\"", "rows of platforms 50 a b" },
        { __LINE__, "BOT SHOW sales", "row of bots sales" },
        { __LINE__, "CORE SHOW \"a b\"", "row of ai_cores a b" },
        { __LINE__, "PLATFORM SHOW p", "row of platforms p" },
        { __LINE__, "BOT DELETE sales", "delete bots sales 0" },
        { __LINE__, "BOT DELETE sales version=3", "delete bots sales 3" },
        { __LINE__, "BOT DELETE version=3", "delete bots version=3 0" },
        { __LINE__, "CORE DELETE c", "delete ai_cores c 0" },
        { __LINE__, "PLATFORM DELETE p version=9", "delete platforms p 9" },
        { __LINE__, "BOT SET {\"bot_id\":\"a b\",\"x\":\"\\u0041\\\"\\\\ --json\"}", "set bots - {\"bot_id\":\"a b\",\"x\":\"\\u0041\\\"\\\\ --json\"} 0" },
        { __LINE__, "  core   set   { \"a\" :  1 }  ", "set ai_cores - { \"a\" :  1 } 0" },
        { __LINE__, "PLATFORM SET [1,2] --json", "set platforms - [1,2] 0" },
        { __LINE__, "PLATFORM SET x y z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18", "set platforms - x y z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 0" },
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        has_str(ask(sv_from(table[i].text)), "OK\n", "line %d: answered", table[i].line);
        is_sv(buf_sv(&control_seen), sv_from(table[i].asked), "line %d: what is asked", table[i].line);
    }
}

static void refusals(void)
{
    static const struct {
        int line;
        const char *text, *answer;
    } table[] = {
        { __LINE__, "BOT", "ERR unknown_command behind BOT stands LIST, SHOW, SET or DELETE: see HELP BOT\n" },
        { __LINE__, "bot sell x", "ERR unknown_command behind BOT stands LIST, SHOW, SET or DELETE: see HELP BOT\n" },
        { __LINE__, "Show", "ERR unknown_command behind SHOW stands STATUS, CONFIG, LEASES, QUEUE, DEAD, JOBS, BACKENDS, STATS or WORKERS: see HELP SHOW\n" },
        { __LINE__, "LOG 3", "ERR unknown_command behind LOG stands LEVEL: see HELP LOG\n" },
        { __LINE__, "BOTS", "ERR unknown_command there is no such command: see HELP\n" },
        { __LINE__, "BO", "ERR unknown_command there is no such command: see HELP\n" },
        { __LINE__, "BOT SET", "ERR bad_arguments usage: BOT SET <JSON>\n" },
        { __LINE__, "BOT SET   ", "ERR bad_arguments usage: BOT SET <JSON>\n" },
        { __LINE__, "BOT SET \xFF", "ERR bad_line the line is not UTF-8\n" },
        { __LINE__, "BOT SHOW", "ERR bad_arguments usage: BOT SHOW <bot>\n" },
        { __LINE__, "BOT SHOW \"\"", "ERR bad_arguments an id is 1 to 256 bytes without control characters\n" },
        { __LINE__, "CORE LIST limit=501", "ERR bad_arguments limit is a number from 1 to 500\n" },
        { __LINE__, "CORE LIST x", "ERR bad_arguments unknown argument: see HELP\n" },
        { __LINE__, "PLATFORM DELETE p 3", "ERR bad_arguments behind the name stands version=N, the version that is to be deleted\n" },
        { __LINE__, "PLATFORM DELETE p version=0", "ERR bad_arguments behind the name stands version=N, the version that is to be deleted\n" },
        { __LINE__, "PLATFORM DELETE", "ERR bad_arguments usage: PLATFORM DELETE <platform> [version=N]\n" },
    };
    int before = atomic_load(&control_calls);
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        is_str(ask(sv_from(table[i].text)), table[i].answer, "line %d", table[i].line);
    is_int(atomic_load(&control_calls), before, "nobody was asked");
}

#define TEXT(s) { s, sizeof(s) - 1 }

static void answers(void)
{
    static const struct {
        int line;
        const char *text;
        struct control_answer answer;
        const char *said;
    } table[] = {
        { __LINE__, "BOT SET {}", { .http_status = 201, .result = TEXT("{\"bot_id\":\"a\"}") }, "bot_id  a\nOK\n" },
        { __LINE__, "BOT SET {} --json", { .http_status = 201, .result = TEXT("{\"bot_id\":\"a\"}") }, "{\"bot_id\":\"a\"}\nOK\n" },
        { __LINE__, "BOT SET {}",
          { .http_status = 422, .code = "validation_error", .message = "Some fields are missing or wrong.",
            .detail = TEXT("[{\"loc\":[\"body\",\"settings\",\"debounce_ms\"],\"msg\":\"Too much\",\"type\":\"x\"},{\"loc\":[\"body\"],\"msg\":\"No\",\"type\":\"y\"}]") },
          "ERR validation_error settings.debounce_ms: Too much; No\n" },
        { __LINE__, "BOT SHOW a", { .http_status = 404, .code = "unknown_bot", .message = "There is none." }, "ERR unknown_bot There is none.\n" },
        { __LINE__, "CORE DELETE a", { .http_status = 409, .code = "in_use", .message = "M.", .result = TEXT("{\"bots\":[\"b\"]}") }, "ERR in_use M.\n" },
        { __LINE__, "BOT LIST", { .http_status = 503, .code = "no_database", .message = "M." }, "ERR unavailable M.\n" },
        { __LINE__, "BOT LIST",
          { .http_status = 200, .result = TEXT("{\"bots\":[{\"bot_id\":\"a\",\"name\":\"A\",\"ai_core\":null,\"platform\":\"p\",\"system_prompt\":\"long\","
                                               "\"enabled\":true,\"settings\":{\"x\":1},\"version\":3,\"updated_at\":1699123456.789}],\"total\":1,\"next_cursor\":null}") },
          "total  1\n\nbots:\nBOT_ID  NAME  AI_CORE  PLATFORM  ENABLED  VERSION  UPDATED_AT\n"
          "a       A     -        p         yes      3        2023-11-04T18:44:16.789Z\nOK\n" },
        { __LINE__, "CORE LIST --json", { .http_status = 200, .result = TEXT("{\"ai_cores\":[{\"x\":1}],\"total\":1}") },
          "{\"ai_cores\":[{\"x\":1}],\"total\":1}\nOK\n" },
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        control_script.answer = table[i].answer;
        is_str(ask(sv_from(table[i].text)), table[i].said, "line %d", table[i].line);
    }
    control_script.answer = (struct control_answer){ 0 };
}

int main(void)
{
    loop = loop_new();
    control_double_open(loop);
    const struct commands_options o = { .loop = loop };
    commands = commands_new(&o);
    questions();
    refusals();
    answers();
    commands_free(commands);
    loop_free(loop);
    buf_fini(&control_seen);
    free(answer);
    return done_testing();
}
