/* SPDX-License-Identifier: MIT
 * /api/v1/chat/sessions/{session_id}: the session, its state, a message for it; what is known about a customer; and tickets. turn/session.h does the
 * work, here it becomes HTTP. */
#include "config.h"

#include "api/endpoint_admin.h"
#include "api/endpoint_session.h"
#include "api/owner.h"
#include "lib/clock.h"
#include "turn/ticket.h"

#define UNKNOWN "unknown_session", "This session is not known."
#define MINUTES_MIN 0.01      /* 600 ms */
#define MINUTES_MAX 5256000.0 /* ten years */

bool session_id_fits(struct request *r)
{
    return admin_id(r, UNKNOWN);
}

static void answer(void *arg, const struct control_answer *a)
{
    struct request *r = arg;

    if (a->http_status < 300)
        request_answer_cached(r, a->http_status, a->result, a->cache);
    else
        admin_answer(r, a);
}

/* To a user another's session and none are the same. */
static void answer_user(void *arg, const struct control_answer *a)
{
    struct request *r = arg;
    enum session_owner whose = session_owner_of(a, r->user_id);

    if (whose == SESSION_HIS)
        request_answer_cached(r, a->http_status, a->result, a->cache);
    else
        owner_refuse(r, whose);
}

void endpoint_session(struct request *r)
{
    bool user = r->role == ROLE_USER;

    if (user && r->args[0].n > MESSAGE_ID_MAX) {
        owner_refuse(r, SESSION_NOBODY_KNOWS_IT);
        return;
    }
    if (!session_id_fits(r))
        return;
    session_get(r->api->o.turns, r->args[0], user ? answer_user : answer, r);
    request_park(r);
}

/* ---- its state ---- */

#define UNSAID 2 /* of a flag */

static const char *const states[] = { "active", "closed", "archived", NULL };
_Static_assert(SESSION_ARCHIVED == 3, "states are in the order of enum session_status");

struct patch {
    int status; /* index into states; -1: not said */
    unsigned char check_reply;
    double minutes;
    int64_t until_ms;
};
_Static_assert(sizeof(bool) == sizeof(unsigned char), "a flag fits");

static const struct field patch_fields[] = {
    { .name = "status", .kind = FIELD_CHOICE, .choices = states, .offset = offsetof(struct patch, status) },
    { .name = "check_reply", .kind = FIELD_FLAG, .offset = offsetof(struct patch, check_reply) },
    { .name = "minutes", .kind = FIELD_NUMBER, .least = MINUTES_MIN, .most = MINUTES_MAX, .offset = offsetof(struct patch, minutes) },
    { .name = "until", .kind = FIELD_TIME, .offset = offsetof(struct patch, until_ms) },
};
static const struct patch patch_defaults = { .status = -1, .check_reply = UNSAID, .until_ms = -1 };

const struct input endpoint_session_patch_input = { .fields = patch_fields, .fields_n = ARRAY_LEN(patch_fields), .size = sizeof(struct patch),
                                                    .defaults = &patch_defaults };

/* What the table cannot check. False: answered. */
static bool is_right(struct request *r, const struct patch *p, int64_t now_ms)
{
    bool timed = p->minutes > 0 || p->until_ms >= 0;
    const char *field = p->until_ms >= 0 ? "until" : "minutes";

    if (p->status < 0 && p->check_reply == UNSAID)
        request_invalid(r, "body", "status", "Input should have status or check_reply", "missing");
    else if (timed && p->check_reply != 0)
        request_invalid(r, "body", field, "A time belongs to check_reply false", "unexpected");
    else if (p->minutes > 0 && p->until_ms >= 0)
        request_invalid(r, "body", "until", "Input should be either minutes or until", "one_of");
    else if (p->until_ms >= 0 && p->until_ms <= now_ms)
        request_invalid(r, "body", "until", "Input should be in the future", "datetime_future");
    else
        return true;
    return false;
}

void endpoint_session_patch(struct request *r)
{
    const struct patch *p = r->input;
    int64_t now_ms = clock_wall_ms();
    struct session_change change = { .status = p->status < 0 ? SESSION_KEEP : (enum session_status)(p->status + 1) };

    if (!session_id_fits(r) || !is_right(r, p, now_ms))
        return;
    if (p->check_reply != UNSAID)
        change.reply = p->check_reply ? SESSION_REPLY_ON : SESSION_REPLY_OFF;
    if (p->minutes > 0)
        change.until_ms = now_ms + (int64_t)(p->minutes * 60000.0);
    else if (p->until_ms >= 0)
        change.until_ms = p->until_ms;
    if (r->role == ROLE_ADMIN)
        admin_log(r, r->args[0]);
    session_patch(r->api->o.turns, r->args[0], &change, answer, r);
    request_park(r);
}

/* ---- a message ---- */

static void submit(struct request *r)
{
    const struct session_submit s = { .session_id = r->args[0], .message = r->input, .request_id = sv_from(r->id),
                                      .traceparent = r->traceparent };
    struct session_message *m = r->input;

    if (r->role == ROLE_USER) { /* whatever the body says */
        m->sender_id = r->user_id;
        m->sender_type = SENDER_USER;
    }

    if (r->args[0].n == 0 || r->args[0].n > MESSAGE_ID_MAX) {
        request_invalid(r, "path", "session_id", "Input should have 1 to 256 bytes", "string_too_long");
        return;
    }
    session_submit(r->api->o.turns, &s, answer, r);
    request_park(r);
}

void endpoint_session_message(struct request *r)
{
    owner_check(r, r->args[0], true, submit);
}

struct sv endpoint_session_conversation(const struct request *r)
{
    return r->args[0];
}

/* ---- customers ---- */

void endpoint_customer(struct request *r)
{
    if (r->role == ROLE_USER && !sv_eq(r->args[0], r->user_id)) {
        request_fail(r, PROBLEM_FORBIDDEN, 0);
        return;
    }
    if (!admin_id(r, "unknown_customer", "Nothing is known about this customer."))
        return;
    session_customer(r->api->o.turns, r->args[0], answer, r);
    request_park(r);
}

/* ---- tickets ---- */

struct ticket_wish {
    struct sv session_id, sender_id;
    int sender_type;
};

static const char *const sender_types[] = { [SENDER_USER] = "user", [SENDER_AGENT] = "agent", [SENDER_BOT] = "bot", [SENDER_SYSTEM] = "system", NULL };

static const struct field ticket_fields[] = {
    { .name = "session_id", .kind = FIELD_ID, .required = true, .max = MESSAGE_ID_MAX, .offset = offsetof(struct ticket_wish, session_id) },
    { .name = "sender_id", .kind = FIELD_ID, .max = MESSAGE_ID_MAX, .offset = offsetof(struct ticket_wish, sender_id) },
    { .name = "sender_type", .kind = FIELD_CHOICE, .choices = sender_types, .offset = offsetof(struct ticket_wish, sender_type) },
};

const struct input endpoint_ticket_input = { .fields = ticket_fields, .fields_n = ARRAY_LEN(ticket_fields), .size = sizeof(struct ticket_wish) };
/* Of a user it is known who he is. */
const struct input endpoint_ticket_user_input = { .fields = ticket_fields, .fields_n = 1, .size = sizeof(struct ticket_wish) };

static void make_ticket(struct request *r)
{
    const struct ticket_wish *w = r->input;
    bool user = r->role == ROLE_USER;
    const struct ticket ticket = { .session_id = w->session_id, .sender_id = user ? r->user_id : w->sender_id,
                                   .sender_type = user ? SENDER_USER : (enum sender_type)w->sender_type,
                                   .expires_ms = clock_wall_ms() + TICKET_MS };
    struct sv text = request_ticket(r, &ticket);
    struct buf *body = request_body(r);
    struct json_out o = { .b = body };

    if (text.p == NULL) {
        request_fail(r, PROBLEM_UNAVAILABLE, 1000);
        return;
    }
    json_obj(&o);
    json_kstr(&o, "ticket", text);
    json_kstr(&o, "session_id", w->session_id);
    json_kms(&o, "expires_at", ticket.expires_ms);
    json_kint(&o, "expires_in", TICKET_MS / 1000);
    json_obj_end(&o);
    request_answer(r, 201, buf_sv(body));
}

void endpoint_ticket(struct request *r)
{
    const struct ticket_wish *w = r->input;

    owner_check(r, w->session_id, false, make_ticket);
}
