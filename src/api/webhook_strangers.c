/* SPDX-License-Identifier: MIT
 * See webhook_strangers.h. A page whose minute is over leaves its place to the next one, the oldest first. */
#include "config.h"

#include <string.h>

#include "api/webhook_strangers.h"

/* Its place, else the one that is free, or was told longest ago. */
static size_t place_of(struct webhook_strangers *s, const unsigned char page[DIGEST_SIZE])
{
    size_t oldest = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (memcmp(s->of[i].page, page, DIGEST_SIZE) == 0)
            return i;
        if (s->of[i].told_ms < s->of[oldest].told_ms)
            oldest = i;
    }
    return s->n < WEBHOOK_STRANGERS_MAX ? s->n : oldest;
}

bool webhook_strangers_tell(struct webhook_strangers *s, struct sv page_id, int64_t now_ms, uint64_t *untold)
{
    unsigned char page[DIGEST_SIZE];

    digest_sha256(page_id, page);
    size_t i = place_of(s, page);
    if (i < s->n && now_ms - s->of[i].told_ms < WEBHOOK_STRANGERS_MS) {
        s->untold++;
        return false;
    }
    s->n += i == s->n;
    s->of[i].told_ms = now_ms;
    memcpy(s->of[i].page, page, DIGEST_SIZE);
    *untold = s->untold;
    s->untold = 0;
    return true;
}
