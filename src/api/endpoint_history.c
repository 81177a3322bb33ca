/* SPDX-License-Identifier: MIT
 * /api/chathistory: what a user reads of his history and does to a session of it, and the figures of days for administrators. turn/chat.h does the work
 * and says who may have what; here it becomes HTTP. */
#include "config.h"

#include "api/endpoint_admin.h"
#include "api/endpoint_history.h"
#include "lib/clock.h"
#include "turn/message.h"

#define PAGE_MAX 2147483647
#define PAGE_SIZE_MAX 100
#define CURSOR_BYTES_MAX 256
#define DAY_MS (86400 * INT64_C(1000))
#define DAYS_MAX 366
#define DAY_BYTES 10 /* yyyy-MM-dd */

struct chat_who history_who(const struct request *r)
{
    return (struct chat_who){ .admin = r->role == ROLE_ADMIN, .user_id = r->user_id };
}

bool history_id_fits(struct request *r, size_t argument, const char *code, const char *message)
{
    if (r->args[argument].n > 0 && r->args[argument].n <= MESSAGE_ID_MAX)
        return true;
    if (r->role != ROLE_ADMIN)
        request_fail(r, PROBLEM_FORBIDDEN, 0);
    else
        request_error(r, &(struct request_error){ .status = 404, .code = sv_from(code), .text = sv_from(message), .detail = SV_NONE, .more = SV_NONE });
    return false;
}

void history_answer(void *arg, const struct control_answer *a)
{
    struct request *r = arg;

    if (a->http_status < 300)
        request_answer_cached(r, a->http_status, a->result, a->cache);
    else
        admin_answer(r, a);
}

/* ---- a page ---- */

struct page_query {
    int64_t page, page_size, from_ms, to_ms;
    struct sv cursor;
};

static const struct field page_fields[] = {
    { .name = "page", .kind = FIELD_INT, .least = 1, .most = PAGE_MAX, .offset = offsetof(struct page_query, page) },
    { .name = "pageSize", .kind = FIELD_INT, .least = 1, .most = PAGE_SIZE_MAX, .offset = offsetof(struct page_query, page_size) },
    { .name = "fromDate", .kind = FIELD_TIME, .day_too = true, .text_only = true, .offset = offsetof(struct page_query, from_ms) },
    { .name = "toDate", .kind = FIELD_TIME, .day_too = true, .text_only = true, .offset = offsetof(struct page_query, to_ms) },
    { .name = "cursor", .kind = FIELD_TEXT, .empty_too = true, .max = CURSOR_BYTES_MAX, .offset = offsetof(struct page_query, cursor) },
};
static const struct page_query page_defaults = { .page = 1, .from_ms = INT64_MIN, .to_ms = INT64_MAX };

static void check_page(struct check *c, const void *target)
{
    const struct page_query *q = target;

    if (q->from_ms > q->to_ms)
        validate_wrong(c, "toDate", "date_order", "Input should not be before fromDate");
}

const struct input endpoint_history_query = { .fields = page_fields, .fields_n = ARRAY_LEN(page_fields), .size = sizeof(struct page_query),
                                              .defaults = &page_defaults, .any_case = true, .also = check_page };

#define NO_HISTORY "history_not_found", "Chat history not found"
#define NO_SESSION "session_not_found", "Session not found"
#define NO_USER "user_not_found", "User not found"

void endpoint_history(struct request *r)
{
    const struct page_query *q = r->query;
    const struct chat_page page = { .who = history_who(r), .user_id = r->args[0], .session_id = r->args[1], .page = q->page,
                                    .page_size = q->page_size, .from_ms = q->from_ms, .to_ms = q->to_ms, .by_cursor = q->cursor.p != NULL,
                                    .cursor = q->cursor };

    if (!history_id_fits(r, 0, NO_HISTORY) || !history_id_fits(r, 1, NO_HISTORY))
        return;
    chat_page(r->api->o.turns, &page, history_answer, r);
    request_park(r);
}

/* ---- sessions ---- */

void endpoint_history_sessions(struct request *r)
{
    const struct chat_who who = history_who(r);

    if (!history_id_fits(r, 0, NO_USER))
        return;
    chat_sessions(r->api->o.turns, &who, r->args[0], history_answer, r);
    request_park(r);
}

void endpoint_history_session(struct request *r)
{
    const struct chat_who who = history_who(r);

    if (!history_id_fits(r, 0, NO_SESSION))
        return;
    chat_session(r->api->o.turns, &who, r->args[0], history_answer, r);
    request_park(r);
}

void endpoint_history_archive(struct request *r)
{
    const struct chat_who who = history_who(r);

    if (!history_id_fits(r, 0, NO_SESSION))
        return;
    if (r->role == ROLE_ADMIN)
        admin_log(r, r->args[0]);
    chat_archive(r->api->o.turns, &who, r->args[0], history_answer, r);
    request_park(r);
}

/* ---- figures ---- */

struct days_query { int64_t from_ms, to_ms; };

static const struct field days_fields[] = {
    { .name = "from", .kind = FIELD_DAY, .required = true, .offset = offsetof(struct days_query, from_ms) },
    { .name = "to", .kind = FIELD_DAY, .required = true, .offset = offsetof(struct days_query, to_ms) },
};
static const struct days_query days_defaults = { .from_ms = -1, .to_ms = -1 };

static void check_days(struct check *c, const void *target)
{
    const struct days_query *q = target;

    if (q->from_ms < 0 || q->to_ms < 0) /* said already */
        return;
    if (q->to_ms < q->from_ms)
        validate_wrong(c, "to", "date_order", "Input should not be before from");
    else if ((q->to_ms - q->from_ms) / DAY_MS >= DAYS_MAX)
        validate_wrong(c, "to", "date_range", "Input should be at most 366 days, from and to included");
}

const struct input endpoint_history_days_query = { .fields = days_fields, .fields_n = ARRAY_LEN(days_fields), .size = sizeof(struct days_query),
                                                   .defaults = &days_defaults, .any_case = true, .also = check_days };

void endpoint_history_days(struct request *r)
{
    const struct days_query *q = r->query;
    char from[25], to[25];

    clock_format(q->from_ms, from);
    clock_format(q->to_ms, to);
    chat_analytics(r->api->o.turns, (struct sv){ from, DAY_BYTES }, (struct sv){ to, DAY_BYTES }, history_answer, r);
    request_park(r);
}

void endpoint_history_day(struct request *r)
{
    const char *day = arena_str(r->f.scratch, r->args[0]);
    int64_t ms;

    if (day == NULL) {
        request_fail(r, PROBLEM_INTERNAL, 0);
    } else if (r->args[0].n != DAY_BYTES || !clock_parse_day(day, &ms) || ms < 0) {
        request_invalid(r, "path", "date", "Input should be a date, yyyy-MM-dd, from 1970 to 9999", "date_parsing");
    } else {
        chat_analytics(r->api->o.turns, r->args[0], SV_NONE, history_answer, r);
        request_park(r);
    }
}
