/* SPDX-License-Identifier: MIT
 * /api/v1/admin/queue: what waits for the archive, and what was given up. */
#include "config.h"

#include "api/endpoint_admin.h"

#define LIMIT 50
#define LIMIT_MAX 500
#define CURSOR_MAX 2048
#define UNKNOWN "unknown_dead_letter", "There is no dead letter of this id."

void endpoint_admin_queue(struct request *r)
{
    control_queue(r->api->o.turns, admin_answer, r);
}

struct dead_query {
    int64_t limit;
    struct sv cursor;
};

static const struct field dead_fields[] = {
    { .name = "limit", .kind = FIELD_INT, .least = 1, .most = LIMIT_MAX, .offset = offsetof(struct dead_query, limit) },
    { .name = "cursor", .kind = FIELD_TEXT, .max = CURSOR_MAX, .offset = offsetof(struct dead_query, cursor) },
};
static const struct dead_query dead_defaults = { .limit = LIMIT };

const struct input endpoint_admin_dead_query = { .fields = dead_fields,
                                                 .fields_n = ARRAY_LEN(dead_fields),
                                                 .size = sizeof(struct dead_query),
                                                 .defaults = &dead_defaults };

void endpoint_admin_dead(struct request *r)
{
    const struct dead_query *q = r->query;

    control_dead_list(r->api->o.turns, q->cursor, (size_t)q->limit, admin_answer, r);
}

void endpoint_admin_dead_retry(struct request *r)
{
    if (!admin_id(r, UNKNOWN))
        return;
    admin_log(r, r->args[0]);
    control_dead_retry(r->api->o.turns, r->args[0], admin_answer, r);
}

void endpoint_admin_dead_discard(struct request *r)
{
    if (!admin_id(r, UNKNOWN))
        return;
    admin_log(r, r->args[0]);
    control_dead_discard(r->api->o.turns, r->args[0], admin_answer, r);
}
