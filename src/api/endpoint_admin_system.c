/* SPDX-License-Identifier: MIT
 * /api/v1/admin/health, /stats and system/cleanup: all conversations together. */
#include "config.h"

#include "api/endpoint_admin.h"

#define HOURS 24.0
#define HOURS_MAX 876000.0 /* a hundred years */
#define HOUR_MS 3600000.0

void endpoint_admin_health(struct request *r)
{
    control_health(r->api->o.turns, admin_answer_state, r);
}

void endpoint_admin_cache(struct request *r)
{
    control_cache(r->api->o.turns, admin_answer, r);
}

void endpoint_admin_stats(struct request *r)
{
    control_stats(r->api->o.turns, admin_answer, r);
}

struct cleanup_query {
    double max_age_hours;
    bool dry_run;
};

static const struct field cleanup_fields[] = {
    { .name = "max_age_hours",
      .kind = FIELD_NUMBER,
      .least = 0,
      .most = HOURS_MAX,
      .offset = offsetof(struct cleanup_query, max_age_hours) },
    { .name = "dry_run", .kind = FIELD_FLAG, .offset = offsetof(struct cleanup_query, dry_run) },
};
static const struct cleanup_query cleanup_defaults = { .max_age_hours = HOURS };

const struct input endpoint_admin_cleanup_query = { .fields = cleanup_fields,
                                                    .fields_n = ARRAY_LEN(cleanup_fields),
                                                    .size = sizeof(struct cleanup_query),
                                                    .defaults = &cleanup_defaults };

/* A long one is answered with "complete":false while the client still waits; asking again goes on. */
void endpoint_admin_cleanup(struct request *r)
{
    const struct cleanup_query *q = r->query;
    int64_t wait_ms = r->api->o.sync_wait_ms;
    const struct control_cleanup what = { .max_age_ms = (int64_t)(q->max_age_hours * HOUR_MS),
                                          .dry_run = q->dry_run,
                                          .within_ms = wait_ms > 0 ? wait_ms : 1 };

    admin_log(r, q->dry_run ? SV("dry run") : SV_NONE);
    control_cleanup(r->api->o.turns, &what, admin_answer, r);
}
