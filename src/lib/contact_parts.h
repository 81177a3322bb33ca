/* SPDX-License-Identifier: MIT
 * What contact.c is made of: characters and Vietnamese letters (contact_letter.c), words that say what a number is (contact_word.c), numbers
 * (contact_phone.c), addresses (contact_email.c). Each looks at a bounded number of bytes, and never past the text. */
#ifndef LIB_CONTACT_PARTS_H
#define LIB_CONTACT_PARTS_H

#include "lib/contact.h"

struct glyph {
    uint32_t c; /* full-width ASCII as ASCII; U+FFFD: a byte that is no UTF-8 */
    size_t n;   /* bytes; 0: the text's end (or begin), c is 0 then */
};
/* The character at `i`, and the one that ends there. */
struct glyph contact_at(struct sv text, size_t i);
struct glyph contact_before(struct sv text, size_t i);

struct letter {
    char base;      /* a to z; '?': a letter of another alphabet that has capitals; 0: no letter */
    uint16_t marks; /* one bit for each diacritic */
};
struct letter contact_letter(uint32_t c);
/* The bit of a combining diacritic; 0: it is none. */
uint16_t contact_mark(uint32_t c);
static inline bool contact_digit(uint32_t c)
{
    return c >= '0' && c <= '9';
}
bool contact_line_break(uint32_t c);
bool contact_space(uint32_t c); /* a line break is one too */
/* Takes no room: marks of direction, joiners, what makes an emoji of a digit. */
bool contact_unseen(uint32_t c);
/* ASCII letters and digits. */
bool contact_alnum(char c);

enum word_kind { WORD_OTHER, WORD_PHONE, WORD_TRAP, WORD_NEAR_TRAP, WORD_FILLER, WORD_NUMBER, WORD_TOWARDS };
/* The letters that end at `end` or begin at `begin`, as one word. */
struct spelled {
    size_t begin, end;
    enum word_kind kind;
    bool code; /* a few capitals: "DH", "SKU" */
};
struct spelled contact_word_before(struct sv text, size_t end);
/* Whether the words before `begin` or after `end` say that the number there is no telephone's. */
bool contact_named_other(struct sv text, size_t begin, size_t end);
/* Whether what touches or follows the number's end may: not a currency, a mask, the rest of a code. */
bool contact_may_follow(struct sv text, size_t begin, size_t end);

struct number {
    char e164[CONTACT_PHONE_SIZE];
    size_t begin, end;
    bool one_run; /* not in groups */
};
/* The number whose first digit is at `i`; a + before it is found. False: these digits are none, whatever stands around them. */
bool contact_number(struct sv text, size_t i, struct number *out);

/* The address around the @ at `at`. */
bool contact_address(struct sv text, size_t at, char out[CONTACT_EMAIL_SIZE]);

#endif
