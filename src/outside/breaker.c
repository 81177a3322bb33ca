/* SPDX-License-Identifier: MIT
 * The states are few, and each change of state is one function that writes one log line. Time passes without a timer: an open breaker whose
 * time is over is half-open when it is asked. */
#include "config.h"

#include "outside/breaker.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/id.h"
#include "lib/log.h"

#define ROOM_FIRST 2    /* calls at once after a good probe */
#define ROOM_ENOUGH 512 /* from here on no bound */
#define CROWDED_MS 250  /* how long those are refused who find no room */

struct breaker {
    const char *name;
    unsigned failures_max;
    int64_t open_ms;

    enum breaker_state state;
    unsigned failures, opened_in_row;
    int64_t until_mono_ms; /* OPEN */
    bool probing;          /* HALF_OPEN: the probe is under way */
    unsigned room;         /* RECOVERING */
    uint64_t opened, refused, in_flight;
};

struct breaker *breaker_new(const char *name, unsigned failures, int64_t open_ms)
{
    struct breaker *b = calloc(1, sizeof(*b));
    if (b != NULL)
        *b = (struct breaker){ .name = name, .failures_max = failures, .open_ms = open_ms };
    return b;
}

void breaker_set(struct breaker *b, unsigned failures, int64_t open_ms)
{
    b->failures_max = failures;
    b->open_ms = open_ms;
}

void breaker_free(struct breaker *b)
{
    free(b);
}

/* ---- changes ---- */

/* A little less than the period, so that the processes of a host do not probe together. */
static int64_t period_ms(const struct breaker *b)
{
    int64_t ms = b->open_ms > 0 ? b->open_ms : 1;
    for (unsigned i = 0; i < b->opened_in_row && ms < BREAKER_OPEN_MAX_MS; i++)
        ms *= 2;
    if (ms > BREAKER_OPEN_MAX_MS)
        ms = BREAKER_OPEN_MAX_MS;
    return ms - (int64_t)id_random_below((uint64_t)ms / 4 + 1);
}

static void open_it(struct breaker *b, int64_t said_ms)
{
    char failures[16], text[24];
    int64_t ms = period_ms(b);
    if (said_ms > BREAKER_SAID_MAX_MS)
        said_ms = BREAKER_SAID_MAX_MS;
    if (said_ms > ms)
        ms = said_ms;
    b->state = BREAKER_OPEN;
    b->probing = false;
    b->in_flight = 0; /* those of before do not count any more */
    b->until_mono_ms = clock_mono_ms() + ms;
    b->opened++;
    b->opened_in_row++;
    snprintf(failures, sizeof(failures), "%u", b->failures);
    snprintf(text, sizeof(text), "%lld", (long long)ms);
    log_warning("circuit open: calls are put off", "upstream", b->name, "#failures", failures, "#open_ms", text, NULL);
}

static void half_open(struct breaker *b)
{
    b->state = BREAKER_HALF_OPEN;
    b->probing = false;
    log_info("circuit half-open: one call tries", "upstream", b->name, NULL);
}

static void recover(struct breaker *b)
{
    b->state = BREAKER_RECOVERING;
    b->room = ROOM_FIRST;
    b->probing = false;
    log_info("circuit recovering: calls come back a few at a time", "upstream", b->name, NULL);
}

static void close_it(struct breaker *b)
{
    b->state = BREAKER_CLOSED;
    b->opened_in_row = 0;
    log_info("circuit closed", "upstream", b->name, NULL);
}

/* ---- calls ---- */

bool breaker_ask(struct breaker *b, struct breaker_call *c)
{
    bool refused = false;
    if (b->state == BREAKER_OPEN && clock_mono_ms() >= b->until_mono_ms)
        half_open(b);
    switch (b->state) {
    case BREAKER_CLOSED:
        break;
    case BREAKER_OPEN:
        refused = true;
        break;
    case BREAKER_HALF_OPEN:
        refused = b->probing;
        b->probing = true;
        break;
    case BREAKER_RECOVERING:
        refused = b->in_flight >= b->room;
        break;
    }
    b->refused += refused;
    b->in_flight += !refused;
    *c = (struct breaker_call){ .era = b->opened, .probe = b->state == BREAKER_HALF_OPEN };
    return !refused;
}

static bool is_of_now(const struct breaker *b, const struct breaker_call *c)
{
    return c->era == b->opened;
}

/* One that was asked before it opened says as much as a probe. */
void breaker_good(struct breaker *b, const struct breaker_call *c)
{
    b->in_flight -= is_of_now(b, c);
    b->failures = 0;
    switch (b->state) {
    case BREAKER_CLOSED:
        return;
    case BREAKER_OPEN:
    case BREAKER_HALF_OPEN:
        recover(b);
        return;
    case BREAKER_RECOVERING:
        if (++b->room >= ROOM_ENOUGH)
            close_it(b);
        return;
    }
}

void breaker_bad(struct breaker *b, const struct breaker_call *c, int64_t said_ms, bool busy)
{
    if (!is_of_now(b, c))
        return;
    b->in_flight--;
    if (busy && b->state == BREAKER_CLOSED)
        return;
    b->failures++;
    if (b->failures_max > 0 && (b->state == BREAKER_HALF_OPEN || b->failures >= b->failures_max))
        open_it(b, said_ms);
    else if (b->state == BREAKER_HALF_OPEN)
        close_it(b); /* switched off meanwhile */
}

void breaker_gone(struct breaker *b, const struct breaker_call *c)
{
    if (!is_of_now(b, c))
        return;
    b->in_flight--;
    if (c->probe && b->state == BREAKER_HALF_OPEN)
        b->probing = false;
}

int64_t breaker_wait_ms(const struct breaker *b)
{
    int64_t left_ms = b->until_mono_ms - clock_mono_ms();
    switch (b->state) {
    case BREAKER_CLOSED:
        return 0;
    case BREAKER_OPEN:
        return left_ms > 0 ? left_ms : 0;
    case BREAKER_HALF_OPEN:
        return b->probing ? CROWDED_MS : 0;
    case BREAKER_RECOVERING:
        return b->in_flight >= b->room ? CROWDED_MS : 0;
    }
    return 0;
}

void breaker_stat(const struct breaker *b, struct breaker_stat *out)
{
    *out = (struct breaker_stat){ .state = b->state, .failures = b->failures, .opened = b->opened, .refused = b->refused,
                                  .in_flight = b->in_flight };
    if (b->state == BREAKER_OPEN)
        out->left_ms = breaker_wait_ms(b);
}

static const char *const names[] = {
    [BREAKER_CLOSED] = "closed", [BREAKER_OPEN] = "open", [BREAKER_HALF_OPEN] = "half_open", [BREAKER_RECOVERING] = "recovering",
};
_Static_assert(ARRAY_LEN(names) == BREAKER_RECOVERING + 1, "a name for each state");

const char *breaker_state_name(enum breaker_state s)
{
    return names[s];
}
