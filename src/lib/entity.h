/* SPDX-License-Identifier: MIT
 * Character references of HTML: &lt; &#233; &#xE9;.
 * Names (case counts): the 96 of Latin-1 (HTML 4.01, section 24.2.1: nbsp to yuml), quot amp apos lt gt (also AMP LT GT QUOT), and of the
 * symbols those that exported chats have: ndash mdash lsquo rsquo sbquo ldquo rdquo bdquo lsaquo rsaquo hellip bull euro trade lrm rlm zwj
 * zwnj ensp emsp thinsp OElig oelig. The semicolon must be there. */
#ifndef LIB_ENTITY_H
#define LIB_ENTITY_H

#include "lib/sv.h"

/* Length in bytes of the reference that `s` begins with, and what it means. 0: there is none, *code_point is untouched: unknown, not
 * ended, or a number that is no character of text (0, a surrogate, past U+10FFFF, a control character other than tab, LF and CR). */
size_t entity_decode(struct sv s, uint32_t *code_point);
/* A code point as UTF-8; its length. Never longer than the reference that it came from. */
size_t entity_utf8(uint32_t code_point, char out[4]);

#endif
