/* SPDX-License-Identifier: MIT
 * See rig.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "t/tap.h"
#include "t/turn/rig.h"

const struct policy rig_policy = {
    .on_newer = ON_NEWER_RESTART, .max_wait_ms = 10000, .restart_max = 3, .pending_max = 500, .lease_ttl_ms = 30000,
    .human_lease_ms = 1800000, .ai_timeout_ms = 30000, .send_timeout_ms = 10000, .sends_max = 3, .attempts_max = 3,
    .retry_for_ms = 86400000, .retry_base_ms = 10, .retry_cap_ms = 20,
};

/* ---- the AI ---- */

struct ai_call {
    struct rig_ai *rig;
    ai_fn *fn;
    void *arg;
    char text[64];
    bool dropped;
};

static void ai_now(void *arg)
{
    struct ai_call *c = arg;
    struct rig_ai *rig = c->rig;
    if (c->dropped) {
        free(c);
        return;
    }
    char text[128];
    snprintf(text, sizeof(text), "{\"response_text\":\"%s\",\"processing_time_ms\":1.5,\"model_used\":\"m\"}", c->text);
    struct ai_answer a = { .outcome = rig->outcome, .took_ms = 1, .retry_after_ms = -1 };
    a.response = json_read(sv_from(rig->reply != NULL ? rig->reply : text), false, NULL);
    a.actions = rig->actions != NULL ? json_read(sv_from(rig->actions), true, NULL) : NULL;
    rig->running--;
    c->fn(c->arg, &a);
    json_decref(a.response);
    json_decref(a.actions);
    free(c);
}

static struct ai_call *ask(struct ai *ai, const struct ai_request *r, ai_fn *fn, void *arg)
{
    struct rig_ai *rig = CONTAINER_OF(ai, struct rig_ai, ai);
    struct ai_call *c = calloc(1, sizeof(*c));
    *c = (struct ai_call){ .rig = rig, .fn = fn, .arg = arg };
    snprintf(c->text, sizeof(c->text), "answer %d", ++rig->calls);
    rig->partial = r->partial;
    rig->partial_arg = arg;
    rig->tools = r->tools.p != NULL && r->fault != NULL;
    if (++rig->running > rig->running_max)
        rig->running_max = rig->running;
    struct buf b = { 0 };
    for (size_t i = 0; i < r->messages_n; i++)
        buf_printf(&b, "%.*s:%.*s|", SV_FMT(r->messages[i].role), (int)r->messages[i].content_json.n - 2, r->messages[i].content_json.p + 1);
    snprintf(rig->seen, sizeof(rig->seen), "%s", b.p != NULL ? b.p : "");
    buf_fini(&b);
    if (rig->hold)
        rig->held = c;
    else
        loop_soon(rig->loop, ai_now, c);
    return c;
}

static void ai_drop(struct ai *ai, struct ai_call *c)
{
    struct rig_ai *rig = CONTAINER_OF(ai, struct rig_ai, ai);
    rig->aborted++;
    rig->running--;
    if (rig->held == c) {
        rig->held = NULL;
        free(c);
    } else {
        c->dropped = true;
    }
}

static void ai_shut(struct ai *ai)
{
    (void)ai;
}

static const struct ai_ops ai_ops = { .name = "rig", .ask = ask, .abort = ai_drop, .close = ai_shut };

static const struct ai_ops streaming_ops = { .name = "rig", .ask = ask, .abort = ai_drop, .close = ai_shut, .streams = true };

void rig_ai_streams(struct rig *r)
{
    r->ai.ai.ops = &streaming_ops;
}

void rig_ai_release(struct rig *r)
{
    struct ai_call *c = r->ai.held;
    r->ai.held = NULL;
    if (c != NULL)
        loop_soon(r->loop, ai_now, c);
}

/* ---- the platform ---- */

struct platform_call {
    struct rig_platform *rig;
    platform_fn *fn;
    platform_place_fn *place_fn;
    void *arg;
    size_t n;
    bool dropped;
};

static void platform_now(void *arg)
{
    struct platform_call *c = arg;
    if (!c->dropped) {
        struct platform_answer a = { .outcome = c->rig->outcome, .actions_executed = (int64_t)c->n, .impossible = c->rig->impossible, .retry_after_ms = -1 };
        c->fn(c->arg, &a);
    }
    free(c);
}

static void note_request(struct rig_platform *rig, const struct platform_request *r)
{
    rig->last_again = r->again;
    snprintf(rig->last_message_id, sizeof(rig->last_message_id), "%.*s", SV_FMT(r->message_id));
    snprintf(rig->last_metadata, sizeof(rig->last_metadata), "%.*s", SV_FMT(r->metadata));
    snprintf(rig->last_actions, sizeof(rig->last_actions), "%.*s", SV_FMT(r->actions));
}

static struct platform_call *deliver(struct platform *p, const struct platform_request *r, platform_fn *fn, void *arg)
{
    struct rig_platform *rig = CONTAINER_OF(p, struct rig_platform, platform);
    struct platform_call *c = calloc(1, sizeof(*c));
    *c = (struct platform_call){ .rig = rig, .fn = fn, .arg = arg, .n = r->actions_n };
    rig->sent++;
    rig->sent_ms = clock_mono_ms();
    rig->early += rig->sent_ms < rig->place_ms;
    note_request(rig, r);
    snprintf(rig->last_key, sizeof(rig->last_key), "%.*s", SV_FMT(r->idempotency_key));
    snprintf(rig->last_body, sizeof(rig->last_body), "%.*s", SV_FMT(r->body));
    if (rig->hold)
        rig->held = c;
    else
        loop_soon(rig->loop, platform_now, c);
    return c;
}

static void place_now(void *arg)
{
    struct platform_call *c = arg;
    struct platform_place place = c->rig->place;
    place.at_ms += clock_mono_ms();
    if (!c->dropped)
        c->rig->place_ms = place.at_ms;
    if (!c->dropped)
        c->place_fn(c->arg, &place);
    free(c);
}

static struct platform_call *give_place(struct platform *p, const struct platform_request *r, platform_place_fn *fn, void *arg)
{
    struct rig_platform *rig = CONTAINER_OF(p, struct rig_platform, platform);
    if (rig->fail_place)
        return NULL;
    struct platform_call *c = calloc(1, sizeof(*c));
    *c = (struct platform_call){ .rig = rig, .place_fn = fn, .arg = arg };
    rig->places++;
    note_request(rig, r);
    if (rig->hold_place)
        rig->held_place = c;
    else
        loop_soon(rig->loop, place_now, c);
    return c;
}

static void platform_drop(struct platform *p, struct platform_call *c)
{
    struct rig_platform *rig = CONTAINER_OF(p, struct rig_platform, platform);
    rig->places_aborted += c->place_fn != NULL;
    if (rig->held == c || rig->held_place == c) {
        *(rig->held == c ? &rig->held : &rig->held_place) = NULL;
        free(c);
    } else {
        c->dropped = true;
    }
}

static void platform_shut(struct platform *p)
{
    (void)p;
}

static const struct platform_ops platform_ops = { .name = "rig", .send = deliver, .abort = platform_drop, .close = platform_shut };

static const struct platform_ops place_ops = { .name = "rig", .send = deliver, .abort = platform_drop, .close = platform_shut, .place = give_place };

void rig_give_places(struct rig *r)
{
    r->platform.platform.ops = &place_ops;
}

void rig_place_release(struct rig *r)
{
    struct platform_call *c = r->platform.held_place;
    r->platform.held_place = NULL;
    if (c != NULL)
        loop_soon(r->loop, place_now, c);
}

void rig_platform_release(struct rig *r)
{
    struct platform_call *c = r->platform.held;
    r->platform.held = NULL;
    if (c != NULL)
        loop_soon(r->loop, platform_now, c);
}

/* ---- the rig ---- */

void rig_open(struct rig *r, const struct policy *policy)
{
    rig_open_failing(r, policy, 0, false);
}

void rig_open_failing(struct rig *r, const struct policy *policy, unsigned n, bool after)
{
    struct err e = { 0 };
    *r = (struct rig){ .loop = loop_new() };
    snprintf(r->dir, sizeof(r->dir), "/tmp/turn-rig.XXXXXX");
    if (mkdtemp(r->dir) == NULL)
        bail_out("no temporary directory");
    r->alive = alive_open(r->dir, &e);
    r->store = store_memory_open(r->loop, 0);
    if (n > 0)
        r->store = store_fail_open(r->loop, r->store, n, false, after);
    r->ai = (struct rig_ai){ .ai = { .ops = &ai_ops }, .loop = r->loop };
    r->platform = (struct rig_platform){ .platform = { .ops = &platform_ops }, .loop = r->loop };
    r->options = (struct turns_options){ .loop = r->loop, .store = r->store, .ai = &r->ai.ai, .platform = &r->platform.platform,
                                         .alive = r->alive, .policy = *policy, .bot_id = "default", .bot_name = "Default Bot",
                                         .context_max = 40, .mark_ttl_ms = 172800000, .answer_ttl_ms = 3600000 };
    r->turns = turns_new(&r->options, &e);
    if (r->alive == NULL || r->store == NULL || r->turns == NULL)
        bail_out("the rig cannot be built");
}

void rig_close(struct rig *r)
{
    turns_free(r->turns);
    rig_settle(r);
    store_close(r->store);
    alive_close(r->alive);
    rmdir(r->dir);
    loop_free(r->loop);
}

void rig_settle(struct rig *r)
{
    for (int i = 0; i < 300; i++)
        loop_turn(r->loop, false);
}

bool rig_until(struct rig *r, const struct rig_answer *a)
{
    for (int i = 0; i < 20000 && a->http_status == 0; i++) {
        loop_turn(r->loop, false);
        if (i > 300)
            usleep(100);
    }
    return a->http_status != 0;
}

static void answered(void *arg, const struct turn_answer *answer)
{
    struct rig_answer *out = arg;
    if (out->http_status != 0)
        bail_out("a client was answered twice");
    out->http_status = answer->http_status;
    out->result = answer->result.p != NULL ? json_read(answer->result, false, NULL) : NULL;
}

void rig_send(struct rig *r, const char *conversation, const char *id, const char *text, const char *sender_type, struct rig_answer *out)
{
    struct message m = { .conversation_id = sv_from(conversation), .message_id = sv_from(id), .content = sv_from(text),
                         .sender_id = SV("customer"), .timestamp_ms = clock_wall_ms() };
    struct submit_options o = { .wait_ms = 60000 };
    sender_type_parse(sv_from(sender_type), &m.sender_type);
    *out = (struct rig_answer){ 0 };
    turns_submit(r->turns, &m, &o, answered, out);
}

static void visited(void *arg)
{
    *(bool *)arg = true;
}

void rig_visit(struct rig *r, const char *conversation)
{
    bool done = false;
    turns_begin(r->turns, sv_from(conversation), visited, &done);
    for (int i = 0; i < 1000 && !done; i++)
        loop_turn(r->loop, false);
    rig_settle(r);
}

const char *rig_str(const struct rig_answer *a, const char *key)
{
    const char *s = json_string_value(json_object_get(a->result, key));
    return s != NULL ? s : "(none)";
}

const char *rig_in(const struct rig_answer *a, const char *object, const char *key)
{
    const char *s = json_string_value(json_object_get(json_object_get(a->result, object), key));
    return s != NULL ? s : "(none)";
}

void rig_forget(struct rig_answer *a)
{
    json_decref(a->result);
    *a = (struct rig_answer){ 0 };
}
