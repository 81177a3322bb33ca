/* SPDX-License-Identifier: MIT
 * What control_services.c (reading) and control_service_edit.c (changing) share. Nobody else includes this. */
#ifndef TURN_CONTROL_SERVICE_H
#define TURN_CONTROL_SERVICE_H

#include "turn/bot_row.h"
#include "turn/control_own.h"
#include "turn/control_services.h"

/* One question about rows: first member of each one's own struct. */
struct service_call {
    struct control_call c;
    struct bots *bots; /* NULL: none */
    enum archive_service kind;
    struct sv name;
};

/* As control_begin, of a question about `name` (copied; SV_NONE: none). NULL: it has been answered, or will be from the loop: memory is
 * short, or there is no database. */
void *service_begin(struct turns *t, struct bots *b, enum archive_service kind, struct sv name, size_t size, control_fn *fn, void *arg) MUST_CHECK;
void service_unknown(struct service_call *q); /* 404; tells only */
void service_away(struct service_call *q);    /* 503; the same */
/* The row of a bot_id, name or UUID, names first; SV_NONE: there is none. */
struct sv service_find(const struct archive_services *s, enum archive_service kind, struct sv name);
bool service_put_row(struct json_out *o, enum archive_service kind, struct sv row, struct bots *b); /* b: whose "trouble" is shown. False: no JSON, or memory */

#endif
