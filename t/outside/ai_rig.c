/* SPDX-License-Identifier: MIT
 * See ai_rig.h. */
#include "config.h"

#include "t/outside/ai_rig.h"
#include "t/tap.h"

const char *const ai_outcomes[] = {
    [AI_ANSWERED] = "answered", [AI_UNREACHABLE] = "unreachable", [AI_REFUSED] = "refused", [AI_INVALID] = "invalid",
};

void tell(void *arg, const struct ai_answer *a)
{
    struct told *t = arg;
    t->times++;
    t->answer = *a;
    json_incref(a->response);
    json_incref(a->actions);
}

void tell_partial(void *arg, struct sv text)
{
    struct told *t = arg;
    t->partials++;
    buf_clear(&t->partial);
    buf_add(&t->partial, text);
    buf_add(&t->all, text);
    buf_addc(&t->all, '|');
    if (!sv_is_utf8(text))
        bail_out("a partial text that is no UTF-8");
    if (t->abort != NULL)
        ai_abort(t->ai, *t->abort);
}

void told_free(struct told *t)
{
    json_decref(t->answer.response);
    json_decref(t->answer.actions);
    buf_fini(&t->partial);
    buf_fini(&t->all);
    *t = (struct told){ 0 };
}

bool was_told(void *arg)
{
    return ((struct told *)arg)->times > 0;
}

void ask_and_wait(struct rig *r, struct ai *ai, const struct ai_request *q, struct told *t)
{
    told_free(t);
    if (ai_ask(ai, q, tell, t) == NULL || t->times != 0)
        bail_out("an answer from inside the call");
    rig_until(r, was_told, t);
}
