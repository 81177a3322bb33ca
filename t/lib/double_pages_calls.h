/* SPDX-License-Identifier: MIT
 * Every call that the page API got, with the moment of its arrival, and the limit of calls that a page may have in a second. */
#ifndef T_LIB_DOUBLE_PAGES_CALLS_H
#define T_LIB_DOUBLE_PAGES_CALLS_H

#include "t/lib/double_pages_rules.h"

struct page_calls;
struct page_calls *page_calls_new(void);
void page_calls_free(struct page_calls *s);
void page_calls_clear(struct page_calls *s);

/* It has come now. The number of its record. */
size_t page_calls_add(struct page_calls *s, enum pages_kind kind, struct sv page, struct sv conversation);
/* Whether the page has had fewer than limit calls within the second that ends with this one; then it counts. 0: no limit. */
bool page_calls_allow(struct page_calls *s, size_t call, int64_t limit);
/* What is known of it later; SV_NONE leaves a text as it is. */
void page_calls_wrote(struct page_calls *s, size_t call, struct sv text, struct sv id);
void page_calls_ends(struct page_calls *s, size_t call, int status, bool closed_early);

/* All of a page's, or of a conversation's; SV_NONE: whatever it is. */
void page_calls_write(const struct page_calls *s, struct json_out *o, struct sv page, struct sv conversation);
/* calls, sends, reads, lists, limited (by the page's limit), unauthorized, max_in_second (of any second that begins anywhere), first_us, last_us. */
void page_calls_stats(const struct page_calls *s, struct json_out *o, struct sv page, int64_t late_ms);

#endif
