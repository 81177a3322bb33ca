/* SPDX-License-Identifier: MIT
 * What an administrator does to the rows of bots, ai_cores and platforms. The same for the HTTP API and the daemon's admin socket, as all of
 * control.h. Everything is checked here, whoever asks.
 *
 * 503 `no_database` when there is none, `archive_unavailable` while it is away. A row goes out as it is stored, times in seconds; secrets as the
 * names that they are, and what is no name as "***". */
#ifndef TURN_CONTROL_SERVICES_H
#define TURN_CONTROL_SERVICES_H

#include "turn/bots.h"
#include "turn/control.h"

struct control_page {
    struct sv cursor; /* next_cursor of the page before; SV_NONE or "": the first. Wrong: 422 `bad_cursor` */
    size_t limit;     /* 1 to 500; a page of much text may have fewer */
};
/* {"bots|ai_cores|platforms":[rows],"total":n,"next_cursor":...|null}, by name. */
void control_services_list(struct turns *t, enum archive_service kind, const struct control_page *page, control_fn *fn, void *arg);
/* `name`: bot_id or name, or the UUID. The row; of a bot also "trouble": why this process cannot use it, or null. 404 `unknown_bot`,
 * `unknown_ai_core`, `unknown_platform`. */
void control_services_show(struct turns *t, struct bots *b, enum archive_service kind, struct sv name, control_fn *fn, void *arg);

enum control_service_op {
    CONTROL_CREATE,  /* 201; 409 `exists` */
    CONTROL_REPLACE, /* 200; 404. All of the row: what is not said has its default */
    CONTROL_SET,     /* 200 or 201: whichever of the two is possible */
};
struct control_service {
    enum archive_service kind;
    enum control_service_op op;
    struct sv name;         /* of REPLACE; the row may name it otherwise, or not at all */
    struct sv row;          /* a JSON object */
    int64_t expect_version; /* of REPLACE and SET; 0: what "version" in the row says, if it is there. Another one is stored: 409 `stale` */
};
/* The row as it is then. 422 with every field that is wrong; `unknown_ai_core` and `unknown_platform` for names that a bot has, `foreign_id` for the
 * "id" of another row than the one that REPLACE names. Afterwards `b` (NULL: none) looks at the database at once. */
void control_services_write(struct turns *t, struct bots *b, const struct control_service *what, control_fn *fn, void *arg);
/* {"bot_id"|"name":...,"deleted":true}. 409 `in_use` with the "bots" that name it. */
void control_services_delete(struct turns *t, struct bots *b, enum archive_service kind, struct sv name, int64_t expect_version, control_fn *fn,
                             void *arg);

#endif
