/* SPDX-License-Identifier: MIT
 * Whether an event is the one that this listener has to get now, and the same that others got under its number. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "t/lib/listeners.h"

enum { SHOWN = 160, COMPLAINTS_MAX = 40 };

void check_fails(struct link *l, const char *what, struct sv bytes)
{
    static int told;

    if (told++ < COMPLAINTS_MAX)
        fprintf(stderr, "listener %zu (%s, %s), behind %llu: %s: %.*s\n", (size_t)(l - l->c->links), l->kind == LINK_WS ? "WebSocket" : "SSE", l->s->id,
                (unsigned long long)l->seen, what, (int)(bytes.n < SHOWN ? bytes.n : SHOWN), bytes.n > 0 ? bytes.p : "");
}

/* FNV-1a; never 0. */
static uint64_t digest_of(struct sv text)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < text.n; i++)
        h = (h ^ (unsigned char)text.p[i]) * 1099511628211u;
    return h | 1;
}

static bool has(struct sv text, const char *part)
{
    return memmem(text.p, text.n, part, strlen(part)) != NULL;
}

/* {"seq":n,  0: it does not begin so. */
static uint64_t seq_of(struct sv event)
{
    struct sv rest = event;
    uint64_t seq = 0;

    if (!sv_starts(event, SV("{\"seq\":")))
        return 0;
    rest.p += 7;
    rest.n -= 7;
    return sv_to_u64(sv_split(&rest, ','), &seq) ? seq : 0;
}

static void compare(struct link *l, uint64_t seq, struct sv event)
{
    struct tally *n = &l->c->n;
    char own[SESSION_ID_SIZE + 32];

    (void)snprintf(own, sizeof(own), "\"session_id\":\"%s\"", l->s->id);
    uint64_t digest = digest_of(event);
    bool other = seq < HEARD_MAX && l->s->heard[seq] != 0 && l->s->heard[seq] != digest;
    if (other || !has(event, own)) {
        n->differing++;
        check_fails(l, "another text", event);
    }
    if (seq < HEARD_MAX)
        l->s->heard[seq] = digest;
}

static void count(struct link *l, uint64_t seq, struct sv event)
{
    struct tally *n = &l->c->n;

    if (l->begun && seq <= l->seen) {
        if (l->owed > 0) {
            n->out_of_order++;
            l->owed--;
        } else {
            n->doubled++;
        }
        check_fails(l, "not the next one", event);
        return;
    }
    if (l->begun && seq > l->seen + 1) {
        n->missed += seq - l->seen - 1;
        l->owed += seq - l->seen - 1;
        check_fails(l, "a gap before", event);
    }
    l->begun = true;
    l->seen = seq;
}

void check_event(struct link *l, struct sv id, struct sv event)
{
    struct tally *n = &l->c->n;
    uint64_t seq = seq_of(event), named = seq;

    if (seq == 0 || (id.p != NULL && (!sv_to_u64(id, &named) || named != seq))) {
        n->malformed++;
        check_fails(l, "no event", event);
        return;
    }
    n->events++;
    if (has(event, "\"type\":\"reset\"")) {
        n->resets++;
        l->seen = seq;
        l->begun = true;
        check_fails(l, "a reset", event);
        return;
    }
    compare(l, seq, event);
    count(l, seq, event);
}
