/* SPDX-License-Identifier: MIT
 * turnkeeperctl: what an administrator runs by hand or from cron. All but `migrate` and `token` is a line to a daemon's admin socket: who may connect
 * there is the daemon's to say, so no token is needed here. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client.h"
#include "program.h"
#include "setup.h"
#include "token.h"

#define TIMEOUT_S 300

static int migrate(struct arena *a)
{
    struct err e;
    int applied;
    struct settings_again *s = settings_again(a, &e); /* with all checks: this one works on the database itself */
    if (s == NULL) {
        fprintf(stderr, "turnkeeperctl: %s\n", e.text);
        return EXIT_CONF;
    }
    if (setup_migrate(settings_of(s), a, &applied, &e) != 0) {
        fprintf(stderr, "turnkeeperctl: %s\n", e.text);
        return e.code == ERR_RANGE || e.code == ERR_INVALID ? EXIT_CONF : EXIT_UNREACHABLE;
    }
    printf(applied == 0 ? "the schema is up to date\n" : "applied %d migration(s)\n", applied);
    return EXIT_FINE;
}

/* First words of the daemon's commands; what follows them is its to judge. */
static const char *const commands[] = {
    "help", "ping", "version", "show", "get", "explain", "cancel", "pause", "resume", "cleanup", "sweep",
    "archive", "retry", "discard", "bot", "core", "platform", "reload", "log", "drain", "shutdown",
};

static const char help_text[] =
    "Commands (a daemon must be running for all but token and migrate):\n"
    "  ping, version                       is the daemon there?\n"
    "  show status|config|leases|queue|dead|jobs|backends|stats|workers\n"
    "  get ID                              the whole state of a conversation\n"
    "  explain ID [MESSAGE]                why the bot did or did not answer\n"
    "  cancel ID                           end the running turn\n"
    "  pause [ID], resume [ID]             silence the bot there; without ID: this daemon begins no turns\n"
    "  cleanup [--max-age-hours 24] [--dry-run]\n"
    "  sweep, archive                      do it now\n"
    "  retry ID, discard ID                of a dead letter (show dead)\n"
    "  bot list [--limit N] [--cursor C]   bots of the database; also core (AI cores) and platform\n"
    "  bot show ID, bot delete ID [version=N]\n"
    "  bot set FILE|-                      create or replace: JSON of one, or an array of them\n"
    "  reload, log level LEVEL             this daemon\n"
    "  drain [--timeout-s N], shutdown     this daemon\n"
    "  raw LINE                            a line as it is\n"
    "  token --user ID | --role Admin|Platform [--expires-in 1h] [--issuer I] [--audience A] [--key FILE] [--kid K]\n"
    "                                      a JSON Web Token, signed with JWT_SECRET, or with the private key of a PEM file\n"
    "  migrate                             apply missing migrations to the archive\n"
    "Options besides those below, anywhere before \"--\":\n"
    "  --json             JSON instead of a table\n"
    "  --socket PATH      the daemon's admin socket (default: from the configuration)\n"
    "Exit code 1: the daemon refused (not found, too late).";

/* Takes --json and --socket out of argv. False: --socket has no value. */
static bool take_options(struct client_options *o, int *argc, char **argv)
{
    int to = 1, i = 1;
    for (; i < *argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0)
            o->json = true;
        else if (strncmp(argv[i], "--socket=", 9) == 0)
            o->socket = argv[i] + 9;
        else if (strcmp(argv[i], "--socket") == 0 && i + 1 < *argc)
            o->socket = argv[++i];
        else if (strcmp(argv[i], "--socket") == 0)
            return false;
        else
            argv[to++] = argv[i];
    }
    for (; i < *argc; i++)
        argv[to++] = argv[i];
    argv[to] = NULL;
    *argc = to;
    return true;
}

static int misuse(void)
{
    fprintf(stderr, "turnkeeperctl: which command? See turnkeeperctl --help\n");
    return EXIT_USE;
}

static int misuse_of(const char *word)
{
    fprintf(stderr, "turnkeeperctl: %s set FILE, or - for standard input\n", word);
    return EXIT_USE;
}

static int unknown(const char *word)
{
    fprintf(stderr, "turnkeeperctl: there is no command \"%s\". See turnkeeperctl --help\n", word);
    return EXIT_USE;
}

/* `ai-core` is another word for `core`. The daemon's word for a kind of row, or NULL. */
static const char *kind_of(const char *word)
{
    static const char *const kinds[][2] = { { "bot", "BOT" }, { "core", "CORE" }, { "ai-core", "CORE" }, { "platform", "PLATFORM" } };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcasecmp(word, kinds[i][0]) == 0)
            return kinds[i][1];
    return NULL;
}

static bool is_command(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcasecmp(word, commands[i]) == 0)
            return true;
    return false;
}

static int ask(const struct client_options *o, int argc, char **argv)
{
    struct buf line = { 0 };
    int exit_code = EXIT_USE;
    bool raw = strcmp(argv[0], "raw") == 0;
    const char *command = argv[strcmp(argv[0], "--") == 0]; /* client_line() heeds the "--" */
    char core[] = "core";
    if (kind_of(argv[0]) != NULL && argc > 1 && strcasecmp(argv[1], "set") == 0)
        return argc == 3 ? client_set(o, kind_of(argv[0]), argv[2]) : misuse_of(argv[0]);
    if (strcasecmp(command, "ai-core") == 0)
        command = argv[command != argv[0]] = core;
    if (!raw && !is_command(command))
        return unknown(command);
    for (int i = 1; raw && i < argc; i++)
        buf_printf(&line, "%s%s", i > 1 ? " " : "", argv[i]);
    if (raw ? argc > 1 && buf_ok(&line) : client_line(&line, argc, argv))
        exit_code = client_run(o, buf_sv(&line));
    else if (raw)
        exit_code = misuse();
    buf_fini(&line);
    return exit_code;
}

static int run(struct client_options *o, const struct settings *s, struct arena *a, int argc, char **argv)
{
    size_t plain = argc > 0 && strcmp(argv[0], "--") == 0;
    if ((size_t)argc == plain)
        return misuse();
    if (strcmp(argv[plain], "raw") == 0 || strcmp(argv[plain], "migrate") == 0 || strcmp(argv[plain], "token") == 0) {
        argv += plain;
        argc -= (int)plain;
    }
    if (strcmp(argv[0], "migrate") == 0)
        return argc == 1 ? migrate(a) : misuse();
    if (strcmp(argv[0], "token") == 0)
        return token_run(s, argc, argv);
    if (o->socket == NULL)
        o->socket = settings_admin_socket(s, a);
    return o->socket == NULL ? EXIT_LATER : ask(o, argc, argv);
}

int main(int argc, char **argv)
{
    static const struct program program = {
        .name = "turnkeeperctl",
        .synopsis = "COMMAND",
        .help = help_text,
        .options = "",
        .loose = true,
    };
    struct client_options o = { .timeout_s = TIMEOUT_S };
    struct arena *a = arena_new(0, 1u << 20);
    struct settings settings;
    int first, exit_code;
    if (a == NULL)
        return EXIT_LATER;
    if (!take_options(&o, &argc, argv))
        exit_code = misuse();
    else if (program_start(&program, argc, argv, &settings, a, &first, &exit_code, setup_connect)) {
        if (first > 1 && strcmp(argv[first - 1], "--") == 0)
            first--; /* the parser of the common options has eaten it, and it says what the words behind it are */
        exit_code = run(&o, &settings, a, argc - first, argv + first);
    }
    arena_free(a);
    return exit_code;
}
