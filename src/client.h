/* SPDX-License-Identifier: MIT
 * turnkeeperctl's side of the admin socket: an argument list becomes one line, the answer goes to standard output, its end becomes an exit
 * code. Knows no command by what it does. */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>

#include "lib/buf.h"

struct client_options {
    const char *socket;
    bool json;
    int timeout_s; /* without any byte of an answer; 0: none */
    const char *about; /* stands behind an ERR of the daemon; NULL: nothing */
};

enum { CLIENT_REFUSED = 1 }; /* an ERR that is neither our mistake nor temporary: not found, too late ... */

/* The words of a command line as a line of the admin socket, without its end. "--max-age-hours 24" becomes max_age_hours=24, "--dry-run"
 * dry_run=1; behind "--" all are plain words. False: said on standard error why not. */
bool client_line(struct buf *line, int argc, char **argv);
/* `bot set FILE`: the rows of a JSON file ("-": standard input), one object, an array of them, or what `bot list --json` printed, as one line
 * each, in order. kind: BOT, CORE, PLATFORM. The exit code of the first that failed; the others are tried all the same. What is wrong with one of
 * several is said with its place and its name. */
int client_set(const struct client_options *o, const char *kind, const char *path);
/* Sends it, prints the answer. The exit code: 0, 1 refused, 64 usage, 69 no daemon there, 75 temporary. */
int client_run(const struct client_options *o, struct sv line);

#endif
