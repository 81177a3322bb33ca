/* SPDX-License-Identifier: MIT
 * What Pancake knows, as far as its page API shows it: conversations of pages and their messages, in order of arrival, and how the API writes
 * them. Knows no HTTP and never misbehaves. */
#ifndef T_LIB_DOUBLE_PAGES_STATE_H
#define T_LIB_DOUBLE_PAGES_STATE_H

#include "lib/json.h"

enum pages_who { PAGES_CUSTOMER, PAGES_STAFF, PAGES_API }; /* who wrote: the last two as the page */

struct page_message {
    char *id, *text;
    char *reply_to;      /* of a comment's reply: the comment; NULL: none */
    json_t *attachments; /* array, or NULL */
    json_t *earlier;     /* array of its texts before edits, or NULL */
    enum pages_who who;
    bool removed;
    int64_t at_us; /* since 1970 UTC; no two of a state are the same */
    uint64_t visible_at; /* reads of its conversation after which it is shown */
};

struct page_conversation {
    char *page, *id, *type, *post_id, *customer_id, *customer_name;
    struct page_message **messages; /* oldest first */
    size_t n, size;
    uint64_t reads;
    int64_t updated_us;
};

struct pages_state;
struct pages_state *state_new(void);
void state_free(struct pages_state *s);
void state_clear(struct pages_state *s);

struct pages_place { /* where a message goes; the conversation is made when it is not there */
    struct sv page, conversation;
    struct sv type, post_id, customer_id, customer_name; /* of a new one; SV_NONE: INBOX, none, made of the conversation's id */
};
struct page_conversation *state_conversation(struct pages_state *s, const struct pages_place *p);
struct page_conversation *state_find(struct pages_state *s, struct sv page, struct sv conversation);
struct page_message *state_message(struct page_conversation *c, struct sv id);

struct pages_new {
    struct sv id; /* SV_NONE: the next one */
    struct sv text, reply_to;
    const json_t *attachments;
    enum pages_who who;
    uint64_t hidden_reads; /* reads that do not show it yet */
};
struct page_message *state_add(struct pages_state *s, struct page_conversation *c, const struct pages_new *n);
void state_edit(struct pages_state *s, struct page_conversation *c, struct page_message *m, struct sv text);
void state_remove(struct pages_state *s, struct page_conversation *c, struct page_message *m);
/* The id of the newest message of the page's API before this one; SV_NONE: there is none. */
struct sv state_last_id(const struct pages_state *s);

struct pages_style {
    bool numeric_ids;  /* ids that are digits are written as numbers */
    bool no_originals; /* original_message is left out */
};
void state_write_id(struct json_out *o, const struct pages_style *y, struct sv id);
void state_write_message(struct json_out *o, const struct pages_style *y, const struct page_conversation *c, const struct page_message *m);
/* What GET .../messages answers, as one read. */
void state_write_read(struct json_out *o, const struct pages_style *y, struct page_conversation *c, uint64_t skip);
/* What GET .../conversations answers; seconds, both inclusive. */
void state_write_list(struct pages_state *s, struct json_out *o, struct sv page, int64_t since_s, int64_t until_s, struct sv after);
/* The webhook that tells of the message as it is now. */
void state_write_webhook(struct json_out *o, const struct pages_style *y, const struct page_conversation *c, const struct page_message *m);
/* What people see: all conversations, or one. */
void state_write_ledger(struct pages_state *s, struct json_out *o, struct sv conversation);

#endif
