/* SPDX-License-Identifier: MIT
 * What every program does before and after its own work: options, configuration, log, signals' exit codes (sysexits(3)). */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "settings.h"

enum { EXIT_FINE = 0, EXIT_USE = 64, EXIT_UNREACHABLE = 69, EXIT_LATER = 75, EXIT_CONF = 78 };

struct program {
    const char *name;     /* for messages, kept by pointer */
    const char *synopsis; /* after the name in the usage line */
    const char *help;     /* what it is, and options of its own; whole lines */
    const char *options;  /* getopt letters besides h V c: t T */
    /* One of its own options; -1: wrong (it has said why). NULL: none. */
    int (*option)(void *arg, int letter, const char *value);
    void *arg;
    const char *(*built)(void); /* a line of -V about how it was built. NULL: none */
    bool loose; /* runs without what the others need (tokens): settings_read instead of settings_load, but for -t */
};

/* Options, settings and log. Returns when the program is to run: settings filled, `first` the index of the first operand. Else it has done what
 * was asked (-h, -V, -t, -T) or said what is wrong, and the exit code is in *exit_code: returns false. connect: what -tt does besides; it tells what it finds. */
bool program_start(const struct program *p, int argc, char **argv, struct settings *s, struct arena *a, int *first, int *exit_code,
                   void (*connect)(const struct settings *s, settings_finding_fn *fn, void *arg));

/* TERM and INT (USR1, too, where `usr1`) wait until there is somebody who drains: a program that starts would be killed by them. */
void program_hold_signals(bool hold, bool usr1);

#endif
