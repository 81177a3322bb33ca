/* SPDX-License-Identifier: MIT
 * GET /api/chathistory/{userId}/export: all of a user as JSON lines. The next piece is asked for when the web server has taken the one before, so an
 * export of any size waits with one of them. The last line is {"type":"end"}; an export without it is not whole. */
#include "config.h"

#include <stdlib.h>

#include "api/endpoint_admin.h"
#include "api/endpoint_history.h"

#define RETRY_AFTER_MS 1000

struct exporting {
    struct request *r;
    struct chat_export *x;
    bool begun; /* the headers are out */
};

/* Nobody reads it any more. */
static void on_gone(void *arg)
{
    struct exporting *e = arg;

    chat_export_stop(e->x);
    free(e);
}

static void on_room(void *arg)
{
    struct exporting *e = arg;

    chat_export_go(e->x);
}

static void on_piece(void *arg, struct sv lines)
{
    struct exporting *e = arg;

    if (!e->begun) {
        e->begun = true;
        request_on_closed(e->r, NULL, NULL);
        request_lines(e->r, on_gone, on_room, e);
    }
    if (request_lines_write(e->r, lines))
        chat_export_go(e->x);
}

static void on_end(void *arg, const struct control_answer *a)
{
    struct exporting *e = arg;
    struct request *r = e->r;
    bool begun = e->begun;

    free(e);
    if (begun) { /* that it is whole says its last line */
        request_lines_end(r);
        return;
    }
    request_on_closed(r, NULL, NULL);
    history_answer(r, a);
}

void endpoint_history_export(struct request *r)
{
    const struct chat_who who = history_who(r);
    struct exporting *e;

    if (!history_id_fits(r, 0, "user_not_found", "User not found"))
        return;
    e = calloc(1, sizeof(*e));
    if (e == NULL) {
        request_fail(r, PROBLEM_UNAVAILABLE, RETRY_AFTER_MS);
        return;
    }
    if (r->role == ROLE_ADMIN)
        admin_log(r, r->args[0]);
    e->r = r;
    e->x = chat_export_new(r->api->o.turns, &who, r->args[0], on_piece, on_end, e);
    if (e->x != NULL)
        request_on_closed(r, on_gone, e);
    request_park(r);
}
