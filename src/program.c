/* SPDX-License-Identifier: MIT
 * Options that all programs share. */
#include "config.h"

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "lib/log.h"
#include "program.h"

static const struct option long_options[] = {
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'V' },
    { "config", required_argument, NULL, 'c' },
    { "test", no_argument, NULL, 't' },
    { "dump", no_argument, NULL, 'T' },
    { "example", no_argument, NULL, 'E' },
    { NULL, 0, NULL, 0 },
};

static void usage(const struct program *p, FILE *out)
{
    fprintf(out, "usage: %s [options]%s%s\n", p->name, p->synopsis[0] != '\0' ? " " : "", p->synopsis);
}

static void help(const struct program *p)
{
    usage(p, stdout);
    printf("%s\n"
           "  -c, --config FILE  read this configuration file (KEY=value lines)\n"
           "  -t, --test         check the configuration and exit; -tt connects too\n"
           "  -T, --dump         print the effective configuration, secrets masked\n"
           "      --example      print a commented example of the configuration\n"
           "  -h, --help         this text\n"
           "  -V, --version      the version\n"
           "\n"
           "Exit codes: 0, 64 usage, 69 unavailable, 75 temporary failure, 78 configuration.\n",
           p->help);
}

struct asked {
    const char *path;
    int test;
    bool dump;
};

/* 0: go on; 1: done; -1: usage. */
static int parse(const struct program *p, int argc, char **argv, struct asked *asked)
{
    char letters[64];
    snprintf(letters, sizeof(letters), "+hVc:tT%s", p->options);
    int letter;
    while ((letter = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
        switch (letter) {
        case 'h':
            help(p);
            return 1;
        case 'V':
            printf("%s %s\n", p->name, PACKAGE_VERSION);
            if (p->built != NULL)
                printf("%s\n", p->built());
            return 1;
        case 'E':
            settings_example(stdout);
            return 1;
        case 'c':
            asked->path = optarg;
            break;
        case 't':
            asked->test++;
            break;
        case 'T':
            asked->dump = true;
            break;
        default:
            if (letter == '?' || p->option == NULL || p->option(p->arg, letter, optarg) != 0) {
                usage(p, stderr);
                return -1;
            }
        }
    }
    return 0;
}

struct findings {
    const char *program;
    unsigned wrong, doubts;
};

static void tell(void *arg, bool wrong, const char *text)
{
    struct findings *f = arg;
    fprintf(stderr, "%s: %s%s\n", f->program, wrong ? "" : "warning: ", text);
    if (wrong)
        f->wrong++;
    else
        f->doubts++;
}

static int test(const struct program *p, const struct settings *s, const struct asked *asked,
                void (*connect)(const struct settings *, settings_finding_fn *, void *))
{
    struct findings f = { .program = p->name };
    if (asked->dump)
        settings_dump(stdout);
    if (asked->test > 0)
        settings_doubts(s, tell, &f);
    if (asked->test > 1 && connect != NULL)
        connect(s, tell, &f);
    if (f.wrong > 0)
        return EXIT_UNREACHABLE;
    if (asked->test > 0)
        printf(f.doubts > 0 ? "%s: the configuration can be used, but for the warnings above\n" : "%s: the configuration is fine\n", p->name);
    return EXIT_FINE;
}

bool program_start(const struct program *p, int argc, char **argv, struct settings *s, struct arena *a, int *first, int *exit_code,
                   void (*connect)(const struct settings *s, settings_finding_fn *fn, void *arg))
{
    struct asked asked = { 0 };
    struct err e;
    enum log_level level = LOG_INFO;
    int rc = parse(p, argc, argv, &asked);
    *exit_code = rc < 0 ? EXIT_USE : EXIT_FINE;
    if (rc != 0)
        return false;
    *first = optind;
    rc = p->loose && asked.test == 0 ? settings_read(s, asked.path, a, &e) : settings_load(s, asked.path, a, &e);
    if (rc != 0) {
        fprintf(stderr, "%s: %s\n", p->name, e.text);
        *exit_code = EXIT_CONF;
        return false;
    }
    if (asked.test > 0 || asked.dump) {
        *exit_code = test(p, s, &asked, connect);
        return false;
    }
    log_level_parse(s->log_level, &level);
    if (log_open(p->name, s->log_file, s->debug ? LOG_DEBUG : level, &e) != 0) {
        fprintf(stderr, "%s: %s\n", p->name, e.text);
        *exit_code = EXIT_CONF;
        return false;
    }
    if (!p->loose)
        settings_doubts(s, settings_log_doubt, NULL);
    return true;
}

void program_hold_signals(bool hold, bool usr1)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (usr1)
        sigaddset(&set, SIGUSR1);
    (void)pthread_sigmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}
