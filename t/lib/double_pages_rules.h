/* SPDX-License-Identifier: MIT
 * How the page API is to behave, as POST /pages/control says: options, and rules that make calls go wrong. The fields are described in double_pages.c. */
#ifndef T_LIB_DOUBLE_PAGES_RULES_H
#define T_LIB_DOUBLE_PAGES_RULES_H

#include "lib/json.h"

enum pages_kind { PAGES_SEND, PAGES_READ, PAGES_LIST, PAGES_ANY };
enum pages_do {
    PAGES_DO_NOTHING,       /* but what delay_ms says */
    PAGES_DO_STATUS,
    PAGES_DO_SUCCESS_FALSE,
    PAGES_DO_HANG,
    PAGES_DO_CUT,           /* RST */
    PAGES_DO_HALF,          /* half of the answer, then closed */
    PAGES_DO_BODY,
    PAGES_DO_SLOW,          /* the answer trickles over slow_ms */
    PAGES_DO_DUPLICATE_ID,  /* the message gets the id of the last one that the API made */
};

struct pages_rule {
    struct pages_rule *next;
    int kind, does; /* of the enums above */
    char *page, *conversation, *text; /* NULL: any; text: is in the message */
    char *body;                       /* NULL: of the kind */
    int64_t skip, times;              /* calls that pass first; calls that go wrong then (0: all) */
    int64_t status, retry_after, delay_ms, slow_ms;
    bool store; /* a send takes effect */
    int64_t used;
};

struct pages_options {
    int64_t limit, retry_after, visible_after;
    bool numeric_ids, no_originals;
    char *webhook_url, *webhook_auth, *webhook_secret, *webhook_token;
    int64_t webhook_timeout_ms, webhook_retries, webhook_retry_ms, connections;
    int64_t echo_times, echo_delay_ms;
    bool echo_first;
};

struct pages_rules {
    struct pages_options options;
    struct pages_rule *first, **last; /* in order of coming */
    json_t *tokens;                   /* page → token */
};

void rules_init(struct pages_rules *r);
void rules_fini(struct pages_rules *r);
/* -1: a field that is none, or is wrong; what stands before it has taken effect. */
int rules_update(struct pages_rules *r, const json_t *control, struct err *e);
void rules_write(const struct pages_rules *r, struct json_out *o);
/* The rule for this call, which it counts for; NULL: all goes well. */
const struct pages_rule *rules_match(struct pages_rules *r, enum pages_kind kind, struct sv page, struct sv conversation, struct sv text);
const char *rules_kind_name(enum pages_kind kind);

#endif
