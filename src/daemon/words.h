/* SPDX-License-Identifier: MIT
 * A line of the admin socket: words between blanks, where "..." holds anything, with backslash escapes. The daemon takes lines apart with
 * this and turnkeeperctl puts them together, so that no id, whatever it holds, can become a second word or a second line. Knows no command. */
#ifndef DAEMON_WORDS_H
#define DAEMON_WORDS_H

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"

#define WORDS_LINE_MAX 262144 /* bytes of one line, its end included */
#define WORDS_MAX 16

/* Inside quotes: \" \\ \n \r \t and \xHH. A quoted part may stand inside a word (limit="5"). The words live in the arena. -1, ERR_INVALID: not
 * UTF-8, a control character outside an escape, a quote without its end, an unknown escape, more than WORDS_MAX words. */
int words_split(struct arena *a, struct sv line, struct sv words[WORDS_MAX], size_t *n, struct err *e) MUST_CHECK;
/* Whether the line ends in a bare --json: then it is removed. */
bool words_take_json(struct sv *line);
/* Appends one word, in quotes where it needs them (also before "--", which then is no option): words_split gives the same bytes back. */
void words_add(struct buf *b, struct sv word);

#endif
