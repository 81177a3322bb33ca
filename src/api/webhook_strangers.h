/* SPDX-License-Identifier: MIT
 * Webhooks of pages that nobody here has a token for: who has mistyped a page's id must find it in the log, and nobody may fill the log with invented ones. So each
 * page is told once a minute, and no more pages than the table holds. Of one process. Pure. */
#ifndef API_WEBHOOK_STRANGERS_H
#define API_WEBHOOK_STRANGERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/digest.h"
#include "lib/sv.h"

#define WEBHOOK_STRANGERS_MAX 32
#define WEBHOOK_STRANGERS_MS INT64_C(60000)

/* Zero-filled: none has come. */
struct webhook_strangers {
    struct {
        int64_t told_ms;
        unsigned char page[DIGEST_SIZE]; /* of its id */
    } of[WEBHOOK_STRANGERS_MAX];
    size_t n;
    uint64_t untold;
};

/* One came for this page (SV_NONE or "": one without a proper id). True: say so; *untold is how many came since the last time that were not told. False: not now. */
bool webhook_strangers_tell(struct webhook_strangers *s, struct sv page_id, int64_t now_ms, uint64_t *untold);

#endif
