/* SPDX-License-Identifier: MIT
 * Text for people, without control characters. What ends a line by Unicode (UAX #14: VT, FF, CR, CR LF, NEL, U+2028, U+2029) is a line feed; the other
 * controls (C0 but the tab, DEL, C1) are left out. Whatever makes up characters stays: joiners, combining marks, variation selectors, bidirectional
 * marks. Linear. */
#ifndef LIB_PLAIN_H
#define LIB_PLAIN_H

#include "lib/json.h"

/* Appends it. text: UTF-8. Of the beginning of a text it makes the beginning of what it makes of all of it. */
void plain_add(struct buf *b, struct sv text);
/* Nothing would be left of it but blanks, tabs and line feeds. */
bool plain_is_blank(struct sv text);
/* The value with all strings in it plain (names of members stay as they are): a new reference, to the value itself where nothing is to be done, else to
 * a copy. NULL: memory. */
json_t *plain_json(const json_t *value) MUST_CHECK;

#endif
