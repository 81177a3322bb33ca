/* SPDX-License-Identifier: MIT
 * The marks by which a message of the page is known as our own: one of its text, one of its id. Pure. */
#include "config.h"

#include <stdio.h>

#include "lib/digest.h"
#include "turn/page_platform.h"
#include "turn/webhook_own.h"

#define MARK_BYTES 16

/* Length of the white space character that s begins with; 0: none. Those that platforms put in and take out: ASCII's, U+00A0, U+200B, U+FEFF. */
static size_t space(struct sv s)
{
    if (memchr(" \t\n\v\f\r", s.p[0], 6) != NULL)
        return 1;
    if (sv_starts(s, SV("\xC2\xA0")))
        return 2;
    return sv_starts(s, SV("\xE2\x80\x8B")) || sv_starts(s, SV("\xEF\xBB\xBF")) ? 3 : 0;
}

void page_text_plain(struct buf *b, struct sv text)
{
    struct buf shown = { 0 };
    bool apart = false;
    size_t start = b->n;

    webhook_text(&shown, text);
    b->failed = b->failed || !buf_ok(&shown);
    for (size_t i = 0; i < shown.n;) {
        size_t n = space((struct sv){ shown.p + i, shown.n - i });
        if (n == 0) {
            if (apart && b->n > start)
                buf_addc(b, ' ');
            buf_addc(b, shown.p[i]);
        }
        apart = n > 0;
        i += n > 0 ? n : 1;
    }
    buf_fini(&shown);
}

/* The parts are told apart by a byte that no id has. */
static void mark(char out[PAGE_ECHO_SIZE], const char *kind, struct sv page_id, struct sv of, struct sv text)
{
    const struct sv parts[] = { sv_from(kind), SV("\n"), page_id, SV("\n"), of, SV("\n"), text };
    unsigned char digest[DIGEST_SIZE];
    size_t n = (size_t)snprintf(out, PAGE_ECHO_SIZE, "echo:");

    digest_hmac(SV("echo"), parts, ARRAY_LEN(parts), digest);
    for (size_t i = 0; i < MARK_BYTES; i++)
        n += (size_t)snprintf(out + n, PAGE_ECHO_SIZE - n, "%02x", digest[i]);
}

void page_echo_text(char out[PAGE_ECHO_SIZE], struct sv page_id, struct sv conversation_id, struct sv plain)
{
    mark(out, "text", page_id, conversation_id, plain);
}

void page_echo_id(char out[PAGE_ECHO_SIZE], struct sv page_id, struct sv message_id)
{
    mark(out, "id", page_id, message_id, SV(""));
}
