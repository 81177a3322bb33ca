/* SPDX-License-Identifier: MIT
 * POST /webhooks/pancake/{page_id}: an event of Pancake's page API in, a quick answer out. What it means and what becomes of it is turn/webhook.c's; here it is
 * decided what the platform is told, which switches a webhook off that fails too often. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/endpoints.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/log.h"
#include "turn/webhook.h"

#define RETRY_MS 5000

const struct input endpoint_webhook_input = { .whole = true, .size = sizeof(struct sv) };

/* Lives until webhook_submit has told its result; the request may have its answer before. */
struct waiting {
    struct api *api;
    struct request *r; /* NULL: answered, or gone */
    struct loop_timer *timer;
    size_t page_n;
    char page_id[MESSAGE_ID_MAX + 1];
};

/* ---- answers ---- */

static void answer(struct request *r, struct sv message_id, const char *mark)
{
    struct buf *body = request_body(r);
    struct json_out o = { .b = body };

    json_obj(&o);
    json_kbool(&o, "success", true);
    if (message_id.p != NULL)
        json_kstr(&o, "message_id", message_id);
    if (mark != NULL) {
        json_key(&o, mark);
        json_true_false(&o, true);
    }
    json_obj_end(&o);
    request_answer(r, 200, buf_sv(body));
}

static void not_accepted(struct request *r, struct sv page_id, enum problem p)
{
    struct api *a = r->api;
    bool was = a->webhooks.guard.deferring, may_fail = !a->o.webhooks_fetched || webhook_guard_may_fail(&a->webhooks.guard, clock_mono_ms());
    char name[MESSAGE_ID_MAX + 1];

    webhook_pages_missed(a->webhooks.pages, page_id);
    if (may_fail) {
        request_fail(r, p, RETRY_MS);
        return;
    }
    (void)snprintf(name, sizeof(name), "%.*s", SV_FMT(page_id));
    if (!was)
        log_error("too many webhooks could not be accepted: they are answered as if they were, and fetched later", "page_id", name, NULL);
    answer(r, SV_NONE, "deferred");
}

static void accepted(struct waiting *w)
{
    webhook_guard_accepted(&w->api->webhooks.guard);
    webhook_pages_accepted(w->api->webhooks.pages, (struct sv){ w->page_id, w->page_n });
}

static void tell(struct waiting *w, enum webhook_result result, struct sv message_id)
{
    struct request *r = w->r;

    w->r = NULL;
    request_on_closed(r, NULL, NULL);
    switch (result) {
    case WEBHOOK_ACCEPTED:
        accepted(w);
        answer(r, message_id, NULL);
        return;
    case WEBHOOK_DUPLICATE:
        accepted(w);
        answer(r, message_id, "duplicate");
        return;
    case WEBHOOK_OWN:
        accepted(w);
        answer(r, message_id, "echo");
        return;
    case WEBHOOK_LEFT: /* the store was not needed: this says nothing of whether others could be accepted */
        answer(r, message_id, "ignored");
        return;
    case WEBHOOK_NOT_NOW:
        not_accepted(r, (struct sv){ w->page_id, w->page_n }, PROBLEM_UNAVAILABLE);
        return;
    }
}

/* ---- the wait ---- */

static void on_result(void *arg, enum webhook_result result, struct sv message_id)
{
    struct waiting *w = arg;

    if (w->r != NULL)
        tell(w, result, message_id);
    loop_timer_free(w->timer);
    free(w);
}

static void on_deadline(void *arg)
{
    struct waiting *w = arg;

    if (w->r != NULL)
        tell(w, WEBHOOK_NOT_NOW, SV_NONE);
}

static void on_closed(void *arg)
{
    struct waiting *w = arg;

    w->r = NULL;
}

static struct waiting *waiting_new(struct request *r, struct sv page_id)
{
    struct waiting *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    w->api = r->api;
    w->r = r;
    w->page_n = page_id.n;
    memcpy(w->page_id, page_id.p, page_id.n);
    w->timer = loop_timer_new(r->api->o.loop, on_deadline, w);
    if (w->timer != NULL)
        return w;
    free(w);
    return NULL;
}

/* ---- the door ---- */

static void warn_of_stranger(struct request *r)
{
    char page_id[MESSAGE_ID_MAX + 1], more[24];
    const char *name = request_page(r, page_id);
    uint64_t untold;

    if (!webhook_strangers_tell(&r->api->webhooks.strangers, name != NULL ? sv_from(name) : SV_NONE, clock_mono_ms(), &untold))
        return;
    (void)snprintf(more, sizeof(more), "%" PRIu64, untold);
    log_warning("a webhook is for a page that nobody answers here: PANCAKE_PAGE_TOKENS (with PANCAKE_PROVIDER=pages_fm) does not have it, nor does a row of platforms",
                "request_id", r->id, "page_id", name, "#not_logged", untold > 0 ? more : NULL, NULL);
}

static void unknown_page(struct request *r)
{
    warn_of_stranger(r);
    request_error(r, &(struct request_error){ .status = 404, .code = SV("unknown_page"), .text = SV("No page of this id is configured.") });
}

static bool is_known(const struct request *r, struct sv page_id, char bot_id[MESSAGE_ID_MAX + 1])
{
    const struct api_options *o = &r->api->o;

    bot_id[0] = '\0';
    return page_id.n > 0 && page_id.n <= MESSAGE_ID_MAX && o->page != NULL && o->page(o->page_arg, page_id, bot_id);
}

static void refuse(struct request *r, const char *why)
{
    struct buf detail = { 0 };
    struct json_out o = { .b = &detail };
    char page_id[MESSAGE_ID_MAX + 1];

    json_arr(&o);
    json_obj(&o);
    json_key(&o, "loc");
    json_arr(&o);
    json_str(&o, SV("body"));
    json_arr_end(&o);
    json_kstr(&o, "msg", sv_from(why));
    json_kstr(&o, "type", SV("webhook"));
    json_obj_end(&o);
    json_arr_end(&o);
    log_warning("a webhook is not what the page API sends", "request_id", r->id, "page_id", request_page(r, page_id), "why", why, NULL);
    if (buf_ok(&detail))
        request_error(r, &(struct request_error){ .status = problem_status(PROBLEM_FIELDS), .code = sv_from(problem_code(PROBLEM_FIELDS)),
                                                  .text = SV("This is no webhook of the page API."), .detail = buf_sv(&detail) });
    else
        request_fail(r, PROBLEM_INTERNAL, 0);
    buf_fini(&detail);
}

static void submit(struct request *r, struct sv page_id, const struct webhook *hook, const char *bot_id)
{
    const struct webhook_options o = { .bot_id = *bot_id != '\0' ? sv_from(bot_id) : SV_NONE, .request_id = sv_from(r->id), .traceparent = r->traceparent };
    struct waiting *w = waiting_new(r, page_id);

    if (w == NULL) {
        not_accepted(r, page_id, PROBLEM_UNAVAILABLE);
        return;
    }
    loop_timer_set(w->timer, r->api->o.webhook_deadline_ms - (int64_t)request_took_ms(r));
    webhook_submit(r->api->o.turns, page_id, hook, &o, on_result, w);
    request_on_closed(r, on_closed, w);
    request_park(r);
}

void endpoint_webhook(struct request *r)
{
    struct sv page_id = r->args[0];
    char bot_id[MESSAGE_ID_MAX + 1];
    struct webhook hook;
    struct err e;

    if (!is_known(r, page_id, bot_id)) {
        unknown_page(r);
        return;
    }
    const json_t *body = json_read_in(r->f.scratch, *(const struct sv *)r->input, true, &e);
    if (body == NULL || webhook_read(r->f.scratch, page_id, body, &hook, &e) != 0)
        not_accepted(r, page_id, PROBLEM_UNAVAILABLE); /* it has been read once: memory is short */
    else if (hook.kind == WEBHOOK_WRONG)
        refuse(r, hook.why);
    else
        submit(r, page_id, &hook, bot_id);
}

void endpoint_webhook_busy(struct request *r)
{
    char bot_id[MESSAGE_ID_MAX + 1];

    if (is_known(r, r->args[0], bot_id))
        not_accepted(r, r->args[0], PROBLEM_BUSY);
    else
        unknown_page(r);
}
