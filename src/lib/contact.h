/* SPDX-License-Identifier: MIT
 * Finds telephone numbers and e-mail addresses in what people write, in Vietnamese and English. Pure, allocates nothing, no locale.
 * Telephone numbers:
 *  - of Viet Nam, after 0, 84, 0084 or +84: mobile ones (3, 5, 7, 8, 9 and 8 digits), the eleven digits of before 2018 (0162.. becomes 032..),
 *    landlines by the area codes in force. 84 without a plus sign is followed by a mobile number or stands alone: carriers' codes begin with 84 too.
 *  - of other countries only after + or 00, 8 to 15 digits; where the country is in the table here, with as many digits as it has. Twelve digits in
 *    one run that can be a citizen's identity number (00 and a province) are one.
 *  - digits in groups of two or more (or all of them alone), between them a space, point, hyphen or parentheses; digits of full width count.
 *  - none: hotlines (1800, 1900), a run that is too long or goes on, dates, decimal fractions, amounts before a currency, masked digits, digits
 *    that touch a letter (but "sdt09..", "09..nha"), that stand in a URL (but zalo.me/ and wa.me/) or after # _ @ $.
 *  - none after a word that names something else: "STK", "CCCD", "MST", "OTP", "ma don" .. up to seven words before it in the same sentence;
 *    "don hang", "order", "ma", a bank's name .. directly before it or with "cua em la", "number is" between. The nearest word counts, so
 *    that "ma don .. sdt 09.." is a telephone's; so does "cho", "for", "with" right before it. With and without diacritics, composed or not.
 * E-mail addresses: of RFC 5322, 3.4.1, a dot-atom of ASCII of at most 64 bytes (in a text without the rarer characters: those of a word and + - %
 * & ' ~), and a domain of two or more labels of letters, digits and hyphens, of at most 63 bytes, the last of letters; 254 bytes in all. None in a URL. */
#ifndef LIB_CONTACT_H
#define LIB_CONTACT_H

#include "lib/sv.h"

#define CONTACT_PHONE_SIZE 17  /* "+" and at most 15 digits (ITU-T E.164, 6.1), and a NUL */
#define CONTACT_EMAIL_SIZE 255 /* RFC 5321, 4.5.3.1.3: 254 bytes, and a NUL */

struct contact {
    char phone[CONTACT_PHONE_SIZE]; /* E.164; "": none */
    char email[CONTACT_EMAIL_SIZE]; /* the local part as written, the domain in small letters; "": none */
};

/* The last of each kind in the text, which is what somebody who corrects himself means. True: there is any. `text` is UTF-8; bytes that are not
 * separate words. Its time grows with the text's length alone. */
bool contact_find(struct sv text, struct contact *out);
/* What somebody calls a telephone number or an address ("phone": "0912 345 678"), as a whole but for blanks around it; false: it is none, and out
 * is "". */
bool contact_phone(struct sv text, char out[CONTACT_PHONE_SIZE]);
bool contact_email(struct sv text, char out[CONTACT_EMAIL_SIZE]);

#endif
