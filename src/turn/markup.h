/* SPDX-License-Identifier: MIT
 * The `history` of POST /api/v1/chat/message: <USER>...</USER><br><BOT>...</BOT><br>, as parts with decoded texts. Pure. The input is
 * whatever a client sent; the work is linear in its length.
 *
 *   history   = separator *( part separator )
 *   part      = "<USER>" text "</USER>" | "<BOT>" text "</BOT>"
 *   separator = any number of "<br>", "<br/>", "<br />" and white space, also none
 *
 * Tags are taken in any case, white space before their ">" is allowed, attributes are not. White space is that of ASCII and U+00A0.
 * Inside a part everything up to its own closing tag is text:
 *   - <br> in its three forms is a line feed;
 *   - whatever else looks like a tag (<b>, </BOT> inside a USER part, <USER id="1">) is text as it came;
 *   - an opening <USER> or <BOT> means that this part was not closed, which is an error;
 *   - character references are decoded once (lib/entity.h has the names); so &lt;/USER&gt; is text, and an unknown, unended or impossible
 *     one stays as it came: AT&T, &foo;, &#0;
 *   - CR LF and CR become LF, also where they were written as references;
 *   - white space around the text is dropped. A part that is empty then is dropped as well. */
#ifndef TURN_MARKUP_H
#define TURN_MARKUP_H

#include "lib/arena.h"
#include "lib/err.h"

#define MARKUP_PARTS_MAX 10000 /* the empty ones count */

struct markup_part {
    bool bot;       /* else the customer's */
    struct sv text; /* 1 to MESSAGE_CONTENT_MAX bytes, UTF-8 where the history was; not NUL terminated */
};

struct markup {
    const struct markup_part *parts; /* oldest first; at least one is the customer's */
    size_t n;
};

/* Everything in *out is the arena's, which gives up to the history's length plus 24 bytes a part. -1: ERR_INVALID, and *e says in one
 * sentence for the client what is wrong and at which character (the first is 1); or ERR_MEMORY. *out is empty then. */
int markup_parse(struct arena *a, struct sv history, struct markup *out, struct err *e) MUST_CHECK;

/* The USER parts that are to be answered, [begin, end), when the parts before `from` are known already: of the parts from `from` on, the last
 * run of USER parts. Where a BOT part comes last it is the run before that. begin == end: there is none. What is new and stands outside of
 * the run is history: before it, somebody has answered it elsewhere. */
struct markup_run {
    size_t begin, end;
};
struct markup_run markup_question(const struct markup_part *parts, size_t n, size_t from);

/* Length in bytes of the white space character that s begins with; 0: it begins with none. */
size_t markup_space(struct sv s);

#endif
