/* SPDX-License-Identifier: MIT
 * What all of an administrator's endpoints have in common: turn/control.h does the work, and its answer is passed on as it is; here it
 * becomes HTTP. Everything that changes something is logged with the request that asked for it. These requests keep their scratch memory
 * while they wait: there are never more than some dozens. */
#include "config.h"

#include <stdio.h>

#include "api/endpoint_admin.h"
#include "lib/log.h"

static void fail(struct request *r, const struct control_answer *a)
{
    const char *code = a->code != NULL ? a->code : "internal_error";
    const char *message = a->message != NULL ? a->message : "Something went wrong.";
    struct request_error e = { .status = a->http_status,
                               .code = sv_from(code),
                               .text = sv_from(message),
                               .more = a->result,
                               .retry_after_ms = a->retry_after_ms };
    struct buf detail = { 0 };
    struct json_out o = { .b = &detail };

    if (a->detail.p != NULL) {
        e.detail = a->detail;
    } else if (a->http_status == 422) { /* only the cursor is not checked by the table */
        json_arr(&o);
        validate_line(&o, "query", "cursor", message, code);
        json_arr_end(&o);
        e.detail = buf_sv(&detail);
    }
    if (buf_ok(&detail))
        request_error(r, &e);
    else
        request_fail(r, PROBLEM_INTERNAL, 0);
    buf_fini(&detail);
}

void admin_answer(void *arg, const struct control_answer *a)
{
    struct request *r = arg;

    if (a->http_status == 200 || a->http_status == 201)
        request_answer(r, a->http_status, a->result);
    else
        fail(r, a);
}

void admin_answer_state(void *arg, const struct control_answer *a)
{
    struct request *r = arg;

    if (a->result.p != NULL)
        request_answer(r, a->http_status, a->result);
    else
        fail(r, a);
}

bool admin_id(struct request *r, const char *code, const char *message)
{
    if (r->args[0].n <= MESSAGE_ID_MAX)
        return true;
    request_error(r, &(struct request_error){ .status = 404, .code = sv_from(code), .text = sv_from(message) });
    return false;
}

void admin_log(const struct request *r, struct sv what)
{
    char id[MESSAGE_ID_MAX + 1];

    if (LOG_INFO < log_threshold)
        return;
    (void)snprintf(id, sizeof(id), "%.*s", SV_FMT(what));
    log_info("an administrator's request", "request_id", r->id, "method", cgi_method_name(r->method), "route",
             r->route->path, "of", id, NULL);
}
