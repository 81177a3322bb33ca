/* SPDX-License-Identifier: MIT
 * Borrowed bytes: a pointer and a length, never freed through this type and not NUL terminated.
 * { NULL, 0 } is "absent"; { "", 0 } is "empty". Passed by value. */
#ifndef LIB_SV_H
#define LIB_SV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sv {
    const char *p;
    size_t n;
};

#define SV(literal) ((struct sv){ "" literal, sizeof(literal) - 1 })
#define SV_NONE ((struct sv){ NULL, 0 })
/* for "%.*s" */
#define SV_FMT(s) (int)(s).n, (s).p != NULL ? (s).p : ""

static inline struct sv sv_from(const char *text)
{
    return (struct sv){ text, text != NULL ? strlen(text) : 0 };
}

static inline bool sv_eq(struct sv a, struct sv b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Case is ignored for ASCII letters only, whatever the locale. */
bool sv_eq_nocase(struct sv a, struct sv b);
bool sv_starts(struct sv s, struct sv prefix);
/* Leading and trailing spaces and tabs removed. */
struct sv sv_trim(struct sv s);
/* Line ends, CR and LF, too. */
struct sv sv_trim_space(struct sv s);
/* Splits at the first `sep`: returns what is before it, leaves the rest in *s (SV_NONE when there was no `sep`). */
struct sv sv_split(struct sv *s, char sep);
/* Decimal, whole string, no sign for the unsigned one. False: not a number or out of range; *out is untouched. */
bool sv_to_u64(struct sv s, uint64_t *out);
bool sv_to_i64(struct sv s, int64_t *out);
/* 0 to 15, letters in either case; -1: not a hexadecimal digit. */
int sv_hex_digit(char c);
/* Well-formed UTF-8 (RFC 3629: no overlongs, no surrogates, at most U+10FFFF). */
bool sv_is_utf8(struct sv s);
/* A control character (C0, DEL, C1) anywhere in UTF-8. */
bool sv_has_control(struct sv s);
/* The longest prefix of at most `max` bytes that does not cut a code point. `s` must be UTF-8. */
struct sv sv_cut_utf8(struct sv s, size_t max);

#endif
