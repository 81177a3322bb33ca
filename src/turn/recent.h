/* SPDX-License-Identifier: MIT
 * What customers wrote lately, as this host has accepted it: a ring in a small file that all its processes map. While the shared store is away,
 * and before the archive has everything that it knew, this is how a history that comes in is recognised. Holds hashes, no texts. A hint: what
 * is not there (too long ago, another host) is taken for new. */
#ifndef TURN_RECENT_H
#define TURN_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/sv.h"

#define RECENT_ID_MAX 40   /* longer message ids are not remembered */
#define RECENT_OF_MAX 64  /* of one conversation are enough to know a history by */
#define RECENT_MS 3600000 /* so long the archive may be behind what was accepted */

struct recent;

struct recent_message {
    uint64_t order; /* of being accepted on this host */
    uint64_t key;   /* overlap_key of its text */
    int64_t at_ms;
    char id[RECENT_ID_MAX + 1];
};

/* Made 0600 when it is not there. NULL with *e: not to be opened or mapped, another kind of file. */
struct recent *recent_open(const char *path, struct err *e) MUST_CHECK;
void recent_close(struct recent *r); /* NULL is allowed */
/* now_ms: wall clock. */
void recent_add(struct recent *r, struct sv conversation_id, struct sv message_id, uint64_t key, int64_t now_ms);
/* Whether the message was accepted then. */
bool recent_has(const struct recent *r, struct sv conversation_id, struct sv message_id, int64_t since_ms);
/* Those of the conversation that were accepted at since_ms or later, oldest first; of more than max the newest. */
size_t recent_of(const struct recent *r, struct sv conversation_id, int64_t since_ms, struct recent_message *out, size_t max);

#endif
