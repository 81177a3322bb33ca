/* SPDX-License-Identifier: MIT
 * Tables of what a service says to a question, and what becomes of it. */
#ifndef T_OUTSIDE_OPENAI_ROWS_H
#define T_OUTSIDE_OPENAI_ROWS_H

#include "t/outside/openai_rig.h"

enum { OPENAI_STEPS_MAX = 4, OPENAI_ROWS_MAX = 160 };

struct openai_row {
    const char *name;
    struct peer_step steps[OPENAI_STEPS_MAX];
    enum ai_outcome outcome;
    int requests;
    const char *actions;   /* as the turn takes them */
    const char *dropped;   /* NULL: [] */
    const char *error;     /* part of the error's text */
    const char *response;  /* part of ai_response */
    int64_t first_byte_ms, silence_ms, timeout_ms;
    int64_t retry_after_ms; /* at least; 0: none is said */
    int retries; /* 0: 2; -1: none */
    bool whole;  /* nobody listens: no stream is asked for */
};

#define ROW(n, first, rest, o, r, ...) { .name = (n), .steps = { first, UNPACK rest }, .outcome = (o), .requests = (r), .actions = __VA_ARGS__ }
#define UNPACK(...) __VA_ARGS__
#define RAW(...) { __VA_ARGS__ }

/* Asks as each row says, and checks what comes; each answer is sent in that many pieces. Rows in which a short time matters only once, with one piece. */
void openai_rows(struct rig *r, const struct openai_row *rows, size_t n, int pieces);

#endif
