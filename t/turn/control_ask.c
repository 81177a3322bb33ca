/* SPDX-License-Identifier: MIT
 * See control_ask.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/tap.h"
#include "t/turn/control_ask.h"

void asked_fn(void *arg, const struct control_answer *answer)
{
    struct asked *q = arg;
    if (q->http_status != 0)
        bail_out("an administrator was answered twice");
    q->http_status = answer->http_status;
    snprintf(q->code, sizeof(q->code), "%s", answer->code != NULL ? answer->code : "");
    q->result = answer->result.p != NULL ? json_read(answer->result, false, NULL) : NULL;
    if (answer->http_status == 200 && q->result == NULL)
        bail_out("an answer that is not JSON: %.*s", SV_FMT(answer->result));
    if (answer->http_status != 200 && (answer->message == NULL || answer->code == NULL))
        bail_out("a refusal without a reason");
}

bool asked_wait(struct rig *r, const struct asked *q)
{
    for (int i = 0; i < 20000 && q->http_status == 0; i++) {
        loop_turn(r->loop, false);
        if (i > 300)
            usleep(100);
    }
    return q->http_status != 0;
}

void asked_forget(struct asked *q)
{
    json_decref(q->result);
    *q = (struct asked){ 0 };
}

static void wait_for(struct rig *r, struct asked *q)
{
    if (q->http_status != 0)
        bail_out("an answer from inside the call");
    if (!asked_wait(r, q))
        bail_out("an administrator gets no answer");
}

void ask_cancel(struct rig *r, const char *conversation, struct asked *q)
{
    *q = (struct asked){ 0 };
    control_cancel(r->turns, sv_from(conversation), asked_fn, q);
    wait_for(r, q);
}

void ask_show(struct rig *r, const char *conversation, struct asked *q)
{
    *q = (struct asked){ 0 };
    control_show(r->turns, sv_from(conversation), asked_fn, q);
    wait_for(r, q);
}

void ask_fate(struct rig *r, const char *conversation, const char *message, struct asked *q)
{
    *q = (struct asked){ 0 };
    control_fate(r->turns, sv_from(conversation), sv_from(message), asked_fn, q);
    wait_for(r, q);
}

void ask_list(struct rig *r, enum control_state state, const char *cursor, size_t limit, struct asked *q)
{
    struct control_list what = { .state = state, .cursor = sv_from(cursor), .limit = limit };
    *q = (struct asked){ 0 };
    control_list(r->turns, &what, asked_fn, q);
    wait_for(r, q);
}

void ask_cleanup(struct rig *r, int64_t max_age_ms, bool dry_run, struct asked *q)
{
    struct control_cleanup what = { .max_age_ms = max_age_ms, .dry_run = dry_run };
    *q = (struct asked){ 0 };
    control_cleanup(r->turns, &what, asked_fn, q);
    wait_for(r, q);
}

void ask_health(struct rig *r, struct asked *q)
{
    *q = (struct asked){ 0 };
    control_health(r->turns, asked_fn, q);
    wait_for(r, q);
}

void ask_stats(struct rig *r, struct asked *q)
{
    *q = (struct asked){ 0 };
    control_stats(r->turns, asked_fn, q);
    wait_for(r, q);
}

void ask_dead(struct rig *r, struct asked *q)
{
    *q = (struct asked){ 0 };
    control_dead_list(r->turns, SV_NONE, 50, asked_fn, q);
    wait_for(r, q);
}

/* ---- what was answered ---- */

static const json_t *at(const struct asked *q, const char *path)
{
    const json_t *j = q->result;
    struct sv rest = sv_from(path);
    while (j != NULL && rest.n > 0) {
        char key[64];
        struct sv part = sv_split(&rest, '/');
        uint64_t n = 0;
        snprintf(key, sizeof(key), "%.*s", SV_FMT(part));
        j = json_is_array(j) && sv_to_u64(part, &n) ? json_array_get(j, n) : json_object_get(j, key);
    }
    return j;
}

const char *asked_str(const struct asked *q, const char *path)
{
    const char *s = json_string_value(at(q, path));
    return s != NULL ? s : "(none)";
}

int64_t asked_int(const struct asked *q, const char *path)
{
    const json_t *j = at(q, path);
    return json_is_number(j) ? (int64_t)json_number_value(j) : -1;
}

bool asked_bool(const struct asked *q, const char *path)
{
    return json_is_true(at(q, path));
}

size_t asked_count(const struct asked *q, const char *path)
{
    return json_array_size(at(q, path));
}

const char *asked_steps(const struct asked *q, const char *path, const char *const *turns, size_t turns_n)
{
    static char text[1024];
    const json_t *steps = json_object_get(at(q, path), "steps");
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        const char *turn = json_string_value(json_object_get(step, "turn_id"));
        char name[2] = "-";
        for (size_t k = 0; turn != NULL && k < turns_n; k++) {
            if (strcmp(turn, turns[k]) == 0)
                name[0] = (char)('A' + (int)k);
        }
        if (!json_is_string(json_object_get(step, "reason")))
            bail_out("a step without a reason");
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s:%s", i > 0 ? " " : "", json_string_value(json_object_get(step, "step")), name);
    }
    return text;
}
