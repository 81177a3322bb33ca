/* SPDX-License-Identifier: MIT
 * A webhook of Pancake's page API: what it means, and what becomes of it. docs/peers.md, section 3. The same for what the endpoint gets and what a sweep fetches. */
#ifndef TURN_WEBHOOK_H
#define TURN_WEBHOOK_H

#include "lib/json.h"
#include "turn/turn.h"

enum webhook_kind {
    WEBHOOK_CUSTOMER, /* a customer wrote: to be answered */
    WEBHOOK_PAGE,     /* the page wrote: an echo of ours, or a person */
    WEBHOOK_OTHER,    /* nothing to do with messages (conversation, post, connect_status, subscription, unknown ones) */
    WEBHOOK_WRONG,    /* not what the API sends: `why` */
};

/* Borrowed from the body, or in the arena. */
struct webhook {
    enum webhook_kind kind;
    const char *why;
    struct message message; /* CUSTOMER, PAGE: conversation_id, message_id, content (as it is now), sender, timestamp, metadata, attachments */
    struct sv plain;        /* page_text_plain of it */
    bool edited, removed;   /* this tells of a change of a message that may be known */
};
/* Pure. page_id: of the path; a body that names another page is WRONG. -1: memory. */
int webhook_read(struct arena *a, struct sv page_id, const json_t *body, struct webhook *out, struct err *e) MUST_CHECK;

struct webhook_options {
    struct sv bot_id;  /* SV_NONE: the default bot */
    struct sv request_id, traceparent;
    /* of what was fetched instead of being told at once */
    bool fetched;            /* a person's message silences the bot from when it was written */
    bool answered_elsewhere; /* CUSTOMER: a person has written to the customer since: it is recorded, and nothing answers it */
};
enum webhook_result {
    WEBHOOK_ACCEPTED,  /* stored: it must not be sent again */
    WEBHOOK_DUPLICATE, /* here before, and it says nothing new */
    WEBHOOK_OWN,       /* an echo of ours */
    WEBHOOK_LEFT,      /* OTHER; a message of the page that is too old to say who wrote it, or that was taken back */
    WEBHOOK_NOT_NOW,   /* the store cannot be asked, or is full, or too many messages wait: again later */
};
typedef void webhook_fn(void *arg, enum webhook_result result, struct sv message_id);
/* CUSTOMER, PAGE, OTHER. fn exactly once, never from inside the call. Everything is copied. */
void webhook_submit(struct turns *t, struct sv page_id, const struct webhook *w, const struct webhook_options *o, webhook_fn *fn, void *arg);

#endif
