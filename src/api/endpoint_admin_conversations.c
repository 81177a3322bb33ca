/* SPDX-License-Identifier: MIT
 * /api/v1/admin/conversations and /api/v1/admin/messages: which ones there are, what state one is in, what became of a message, and what an
 * administrator does to one. Knows how to ask, not what the answers say. */
#include "config.h"

#include "api/endpoint_admin.h"
#include "lib/clock.h"

#define LIMIT 50
#define LIMIT_MAX 500
#define CURSOR_MAX 2048       /* bytes; an id can be in it */
#define MINUTES_MIN 0.01      /* 600 ms */
#define MINUTES_MAX 5256000.0 /* ten years */
#define UNKNOWN "unknown_conversation", "This conversation is not known."

/* ---- the list ---- */

struct list_query {
    int64_t limit;
    struct sv cursor;
    int state;
};

static const char *const states[] = {
    [CONTROL_ALL] = "all", [CONTROL_ACTIVE] = "active", [CONTROL_STUCK] = "stuck", [CONTROL_PAUSED] = "paused", NULL,
};

static const struct field list_fields[] = {
    { .name = "limit", .kind = FIELD_INT, .least = 1, .most = LIMIT_MAX, .offset = offsetof(struct list_query, limit) },
    { .name = "cursor", .kind = FIELD_TEXT, .max = CURSOR_MAX, .offset = offsetof(struct list_query, cursor) },
    { .name = "state", .kind = FIELD_CHOICE, .choices = states, .offset = offsetof(struct list_query, state) },
};
static const struct list_query list_defaults = { .limit = LIMIT, .state = CONTROL_ALL };

const struct input endpoint_admin_list_query = { .fields = list_fields,
                                                 .fields_n = ARRAY_LEN(list_fields),
                                                 .size = sizeof(struct list_query),
                                                 .defaults = &list_defaults };

void endpoint_admin_list(struct request *r)
{
    const struct list_query *q = r->query;
    const struct control_list what = { .state = (enum control_state)q->state,
                                       .cursor = q->cursor,
                                       .limit = (size_t)q->limit };

    control_list(r->api->o.turns, &what, admin_answer, r);
}

/* ---- one ---- */

void endpoint_admin_show(struct request *r)
{
    if (!admin_id(r, UNKNOWN))
        return;
    control_show(r->api->o.turns, r->args[0], admin_answer, r);
}

void endpoint_admin_cancel(struct request *r)
{
    if (!admin_id(r, UNKNOWN))
        return;
    admin_log(r, r->args[0]);
    control_cancel(r->api->o.turns, r->args[0], admin_answer, r);
}

void endpoint_admin_resume(struct request *r)
{
    if (!admin_id(r, UNKNOWN))
        return;
    admin_log(r, r->args[0]);
    control_resume(r->api->o.turns, r->args[0], admin_answer, r);
}

struct pause {
    double minutes;   /* 0: not said */
    int64_t until_ms; /* the same */
};

static const struct field pause_fields[] = {
    { .name = "minutes",
      .kind = FIELD_NUMBER,
      .least = MINUTES_MIN,
      .most = MINUTES_MAX,
      .offset = offsetof(struct pause, minutes) },
    { .name = "until", .kind = FIELD_TIME, .offset = offsetof(struct pause, until_ms) },
};

static const struct pause pause_defaults = { .until_ms = -1 };

const struct input endpoint_admin_pause_input = { .fields = pause_fields,
                                                  .fields_n = ARRAY_LEN(pause_fields),
                                                  .size = sizeof(struct pause),
                                                  .defaults = &pause_defaults,
                                                  .optional = true };

void endpoint_admin_pause(struct request *r)
{
    const struct pause *p = r->input;
    int64_t now_ms = clock_wall_ms(), until_ms = 0;

    if (!admin_id(r, UNKNOWN))
        return;
    if (p->minutes > 0 && p->until_ms >= 0) {
        request_invalid(r, "body", "until", "Input should be either minutes or until", "one_of");
        return;
    }
    if (p->until_ms >= 0 && p->until_ms <= now_ms) {
        request_invalid(r, "body", "until", "Input should be in the future", "datetime_future");
        return;
    }
    if (p->minutes > 0)
        until_ms = now_ms + (int64_t)(p->minutes * 60000.0);
    else if (p->until_ms >= 0)
        until_ms = p->until_ms;
    admin_log(r, r->args[0]);
    control_pause(r->api->o.turns, r->args[0], until_ms, admin_answer, r);
}

/* ---- one message ---- */

struct fate_query {
    struct sv conversation_id;
};

static const struct field fate_fields[] = {
    { .name = "conversation_id",
      .kind = FIELD_ID,
      .required = true,
      .max = MESSAGE_ID_MAX,
      .offset = offsetof(struct fate_query, conversation_id) },
};

const struct input endpoint_admin_fate_query = { .fields = fate_fields,
                                                 .fields_n = ARRAY_LEN(fate_fields),
                                                 .size = sizeof(struct fate_query) };

void endpoint_admin_fate(struct request *r)
{
    const struct fate_query *q = r->query;

    if (!admin_id(r, "unknown_message", "This message is not known."))
        return;
    control_fate(r->api->o.turns, q->conversation_id, r->args[0], admin_answer, r);
}
