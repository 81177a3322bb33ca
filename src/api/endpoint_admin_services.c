/* SPDX-License-Identifier: MIT
 * /api/v1/admin/bots, /ai-cores and /platforms: one set of functions for the three, which differ in their path alone. What may stand in a
 * row is turn/'s to say. */
#include "config.h"

#include "api/endpoint_admin.h"
#include "turn/control_services.h"

#define LIMIT 50
#define LIMIT_MAX 500
#define CURSOR_MAX 1024
#define VERSION_MAX 9007199254740991.0 /* as far as every JSON reader counts */
#define SERVICES "/api/v1/admin/"

static const struct kind {
    const char *path, *code, *unknown;
} kinds[] = {
    [ARCHIVE_BOTS] = { SERVICES "bots", "unknown_bot", "There is no bot of this name." },
    [ARCHIVE_AI_CORES] = { SERVICES "ai-cores", "unknown_ai_core", "There is no AI core of this name." },
    [ARCHIVE_PLATFORMS] = { SERVICES "platforms", "unknown_platform", "There is no platform of this name." },
};
_Static_assert(ARRAY_LEN(kinds) == ARCHIVE_SERVICES, "every kind of row has its path");

static enum archive_service kind_of(const struct request *r)
{
    size_t i = 0;

    while (i < ARRAY_LEN(kinds) - 1 && !sv_starts(sv_from(r->route->path), sv_from(kinds[i].path)))
        i++;
    return (enum archive_service)i;
}

static bool has_id(struct request *r)
{
    const struct kind *k = &kinds[kind_of(r)];

    return admin_id(r, k->code, k->unknown);
}

/* ---- all of them ---- */

struct list_query {
    int64_t limit;
    struct sv cursor;
};

static const struct field list_fields[] = {
    { .name = "limit", .kind = FIELD_INT, .least = 1, .most = LIMIT_MAX, .offset = offsetof(struct list_query, limit) },
    { .name = "cursor", .kind = FIELD_TEXT, .max = CURSOR_MAX, .offset = offsetof(struct list_query, cursor) },
};
static const struct list_query list_defaults = { .limit = LIMIT };

const struct input endpoint_admin_services_query = { .fields = list_fields,
                                                     .fields_n = ARRAY_LEN(list_fields),
                                                     .size = sizeof(struct list_query),
                                                     .defaults = &list_defaults };

void endpoint_admin_services(struct request *r)
{
    const struct list_query *q = r->query;
    const struct control_page page = { .cursor = q->cursor, .limit = (size_t)q->limit };

    control_services_list(r->api->o.turns, kind_of(r), &page, admin_answer, r);
}

/* ---- one ---- */

struct version_query {
    int64_t version; /* 0: not said */
};

static const struct field version_fields[] = {
    { .name = "version",
      .kind = FIELD_INT,
      .least = 1,
      .most = VERSION_MAX,
      .offset = offsetof(struct version_query, version) },
};

const struct input endpoint_admin_service_query = { .fields = version_fields,
                                                    .fields_n = ARRAY_LEN(version_fields),
                                                    .size = sizeof(struct version_query) };
const struct input endpoint_admin_service_input = { .size = sizeof(struct sv), .whole = true };

void endpoint_admin_service(struct request *r)
{
    if (has_id(r))
        control_services_show(r->api->o.turns, r->api->o.bots, kind_of(r), r->args[0], admin_answer, r);
}

static void write_row(struct request *r, const struct control_service *what)
{
    admin_log(r, what->name);
    control_services_write(r->api->o.turns, r->api->o.bots, what, admin_answer, r);
}

void endpoint_admin_service_create(struct request *r)
{
    const struct sv *row = r->input;

    write_row(r, &(struct control_service){ .kind = kind_of(r), .op = CONTROL_CREATE, .row = *row });
}

void endpoint_admin_service_replace(struct request *r)
{
    const struct sv *row = r->input;
    const struct version_query *q = r->query;

    if (has_id(r))
        write_row(r, &(struct control_service){ .kind = kind_of(r),
                                                .op = CONTROL_REPLACE,
                                                .name = r->args[0],
                                                .row = *row,
                                                .expect_version = q->version });
}

void endpoint_admin_service_delete(struct request *r)
{
    const struct version_query *q = r->query;

    if (!has_id(r))
        return;
    admin_log(r, r->args[0]);
    control_services_delete(r->api->o.turns, r->api->o.bots, kind_of(r), r->args[0], q->version, admin_answer, r);
}
