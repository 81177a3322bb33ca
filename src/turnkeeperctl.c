/* SPDX-License-Identifier: MIT
 * turnkeeperctl: what an administrator runs by hand or from cron. */
#include "config.h"

#include <string.h>

#include "program.h"
#include "setup.h"

static int migrate(const struct settings *s, struct arena *a)
{
    struct err e;
    int applied;
    if (setup_migrate(s, a, &applied, &e) != 0) {
        fprintf(stderr, "turnkeeperctl: %s\n", e.text);
        return e.code == ERR_RANGE || e.code == ERR_INVALID ? EXIT_CONF : EXIT_UNREACHABLE;
    }
    printf(applied == 0 ? "the schema is up to date\n" : "applied %d migration(s)\n", applied);
    return EXIT_FINE;
}

static const struct {
    const char *name;
    int (*run)(const struct settings *s, struct arena *a);
} commands[] = {
    { "migrate", migrate },
};

int main(int argc, char **argv)
{
    static const struct program program = {
        .name = "turnkeeperctl",
        .synopsis = "COMMAND",
        .help = "Commands:\n"
                "  migrate            apply missing migrations to the archive",
        .options = "",
    };
    struct arena *a = arena_new(0, 1u << 20);
    struct settings settings;
    int first, exit_code;
    if (a == NULL)
        return EXIT_LATER;
    if (program_start(&program, argc, argv, &settings, a, &first, &exit_code, setup_connect)) {
        exit_code = EXIT_USE;
        for (size_t i = 0; first + 1 == argc && i < ARRAY_LEN(commands); i++)
            if (strcmp(argv[first], commands[i].name) == 0)
                exit_code = commands[i].run(&settings, a);
        if (exit_code == EXIT_USE)
            fprintf(stderr, "turnkeeperctl: which command? See turnkeeperctl --help\n");
    }
    arena_free(a);
    return exit_code;
}
