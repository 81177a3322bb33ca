/* SPDX-License-Identifier: MIT
 * BOT, CORE and PLATFORM: the configuration of bots, as the HTTP API has it under /admin/bots and the like. What may stand in a row, and what
 * becomes of it, is turn/'s. */
#include "config.h"

#include "daemon/command_own.h"
#include "lib/log.h"
#include "turn/control_services.h"

static enum archive_service kind_of(const struct call *c)
{
    if (sv_starts(sv_from(c->command->name), SV("BOT ")))
        return ARCHIVE_BOTS;
    return sv_starts(sv_from(c->command->name), SV("CORE ")) ? ARCHIVE_AI_CORES : ARCHIVE_PLATFORMS;
}

static void note(const struct call *c, struct sv about)
{
    char *what = arena_str(c->a, about);
    log_info("an administrator's command", "command", c->command->name, "about", what != NULL ? what : "", NULL);
}

/* ---- LIST ---- */

/* What fits into a line of a table; all of it is in the JSON. */
static void put_summary(struct json_out *o, enum archive_service kind, const json_t *row)
{
    static const char *const columns[][8] = {
        [ARCHIVE_BOTS] = { "bot_id", "name", "ai_core", "platform", "enabled", "version", "updated_at", NULL },
        [ARCHIVE_AI_CORES] = { "name", "provider", "base_url", "model", "api_key", "version", "updated_at", NULL },
        [ARCHIVE_PLATFORMS] = { "name", "provider", "base_url", "token", "deliver", "version", "updated_at", NULL },
    };
    json_obj(o);
    for (size_t i = 0; columns[kind][i] != NULL; i++)
        json_kval(o, columns[kind][i], json_object_get(row, columns[kind][i]));
    json_obj_end(o);
}

static void listed(void *arg, const struct control_answer *answer)
{
    struct call *c = arg;
    static const char *const names[] = { [ARCHIVE_BOTS] = "bots", [ARCHIVE_AI_CORES] = "ai_cores", [ARCHIVE_PLATFORMS] = "platforms" };
    enum archive_service kind = kind_of(c);
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    if (answer->http_status != 200 || c->json) {
        call_control(c, answer);
        return;
    }
    json_t *all = call_parse(c, answer->result);
    if (all == NULL)
        return;
    const json_t *rows = json_object_get(all, names[kind]), *next = json_object_get(all, "next_cursor");
    json_obj(&o);
    json_kval(&o, "total", json_object_get(all, "total"));
    if (json_is_string(next))
        json_kval(&o, "next_cursor", next);
    json_key(&o, names[kind]);
    json_arr(&o);
    for (size_t i = 0; i < json_array_size(rows); i++)
        put_summary(&o, kind, json_array_get(rows, i));
    json_arr_end(&o);
    json_obj_end(&o);
    call_out(c, &b);
}

void command_service_list(struct call *c)
{
    static const char *const names[] = { "limit", "cursor", NULL };
    int64_t limit;
    if (!call_only(c, names) || !call_number(c, "limit", 1, 500, 50, &limit))
        return;
    const struct control_page page = { .cursor = call_value(c, "cursor"), .limit = (size_t)limit };
    control_services_list(c->owner->o.turns, kind_of(c), &page, listed, c);
}

/* ---- one ---- */

void command_service_show(struct call *c)
{
    if (call_id(c, 0))
        control_services_show(c->owner->o.turns, c->owner->o.bots, kind_of(c), c->args[0], call_control, c);
}

void command_service_set(struct call *c)
{
    const struct control_service what = { .kind = kind_of(c), .op = CONTROL_SET, .row = c->args[0] };
    note(c, SV("")); /* the row may hold anything */
    control_services_write(c->owner->o.turns, c->owner->o.bots, &what, call_control, c);
}

void command_service_delete(struct call *c)
{
    struct sv version = call_value(c, "version");
    int64_t n = 0;
    if (!call_id(c, 0))
        return;
    if (c->n > 1 && (!sv_starts(c->args[1], SV("version=")) || !sv_to_i64(version, &n) || n < 1)) {
        call_err(c, "bad_arguments", SV("behind the name stands version=N, the version that is to be deleted"));
        return;
    }
    note(c, c->args[0]);
    control_services_delete(c->owner->o.turns, c->owner->o.bots, kind_of(c), c->args[0], n, call_control, c);
}
