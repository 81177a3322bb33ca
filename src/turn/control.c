/* SPDX-License-Identifier: MIT
 * What all questions of an administrator have in common: how they begin, are answered and end, and the pieces of JSON that several of
 * them show. Decides nothing. */
#include "config.h"

#include <stdlib.h>

#include "lib/log.h"
#include "turn/control_own.h"
#include "turn/running.h"
#include "turn/step_parts.h"

#define CONTROL_ARENA_CAP (64u << 20)
#define RETRY_MS 1000
#define STUCK_AFTER_MS 120000

/* Without an arena: enough to refuse with. */
static void refuse_soon(struct turns *t, control_fn *fn, void *arg)
{
    struct control_call *c = malloc(sizeof(*c));
    if (c == NULL)
        abort(); /* as loop_soon would */
    *c = (struct control_call){ .t = t, .fn = fn, .arg = arg };
    t->transactions++;
    control_short_of_memory(c);
}

void *control_begin(struct turns *t, size_t size, control_fn *fn, void *arg)
{
    struct arena *a = arena_new(0, CONTROL_ARENA_CAP);
    struct control_call *c = a == NULL ? NULL : arena_alloc(a, size);
    if (c == NULL) {
        arena_free(a);
        refuse_soon(t, fn, arg);
        return NULL;
    }
    *c = (struct control_call){ .t = t, .a = a, .fn = fn, .arg = arg };
    t->transactions++;
    return c;
}

static void tell(struct control_call *c, const struct control_answer *answer)
{
    control_fn *fn = c->fn;
    c->fn = NULL;
    if (fn != NULL)
        fn(c->arg, answer);
}

static void tell_result(struct control_call *c, int http_status, struct buf *result)
{
    if (!buf_ok(result))
        control_refuse(c, 503, "unavailable", "Memory is short.", NULL);
    else
        tell(c, &(struct control_answer){ .http_status = http_status, .result = buf_sv(result), .cache = c->cache });
    buf_fini(result);
}

void control_tell(struct control_call *c, struct buf *result)
{
    tell_result(c, 200, result);
}

void control_tell_made(struct control_call *c, struct buf *result)
{
    tell_result(c, 201, result);
}

void control_tell_accepted(struct control_call *c, struct buf *result)
{
    tell_result(c, 202, result);
}

void control_invalid(struct control_call *c, const char *code, const char *message, struct buf *detail)
{
    if (buf_ok(detail))
        tell(c, &(struct control_answer){ .http_status = 422, .code = code, .message = message, .detail = buf_sv(detail) });
    else
        control_refuse(c, 503, "unavailable", "Memory is short.", NULL);
    buf_fini(detail);
}

void control_refuse(struct control_call *c, int http_status, const char *code, const char *message, struct buf *result)
{
    struct control_answer answer = { .http_status = http_status, .code = code, .message = message, .result = SV_NONE, .cache = c->cache,
                                     .retry_after_ms = http_status == 503 ? RETRY_MS : 0 };
    if (result != NULL && buf_ok(result))
        answer.result = buf_sv(result);
    tell(c, &answer);
    if (result != NULL)
        buf_fini(result);
}

void control_unavailable(struct control_call *c)
{
    control_refuse(c, 503, "store_unavailable", "The store gives no answer now.", NULL);
}

static void short_of_memory(void *arg)
{
    control_refuse(arg, 503, "unavailable", "Memory is short.", NULL);
    control_end(arg);
}

void control_short_of_memory(struct control_call *c)
{
    loop_soon(c->t->o.loop, short_of_memory, c);
}

static void spooling(void *arg)
{
    control_unavailable(arg);
    control_end(arg);
}

bool control_is_spooling(struct control_call *c)
{
    bool is = store_is_spooling(c->t->o.store);
    if (is)
        loop_soon(c->t->o.loop, spooling, c);
    return is;
}

void control_end(struct control_call *c)
{
    struct turns *t = c->t;
    if (c->a != NULL)
        arena_free(c->a);
    else
        free(c);
    t->transactions--;
    turns_look_drained(t);
}

/* ---- pieces ---- */

void control_tell_owner(struct turns *t, struct sv conversation_id)
{
    struct turn *turn = map_find(t->running, conversation_id);
    if (turn != NULL)
        turn_hint(turn);
}

void control_put_ms(struct json_out *o, const char *key, int64_t ms)
{
    json_key(o, key);
    if (ms > 0)
        json_ms(o, ms);
    else
        json_nul(o);
}

void control_put_pause(struct json_out *o, const struct conversation *c, int64_t now_ms)
{
    bool silent = step_is_paused(c, now_ms);
    json_kbool(o, "check_reply", !silent);
    control_put_ms(o, "check_reply_until", silent ? c->paused_until_ms : 0);
}

int64_t control_stuck_after_ms(const struct turns *t)
{
    return t->o.stuck_after_ms > 0 ? t->o.stuck_after_ms : STUCK_AFTER_MS;
}

bool control_is_stuck(const struct turns *t, const struct conversation *c, int64_t now_ms, int64_t due_ms)
{
    bool leased = c->phase == PHASE_WAITING || c->phase == PHASE_THINKING || c->phase == PHASE_SENDING;
    bool waits = c->pending_n > 0 && c->oldest_ms != 0 && now_ms - c->oldest_ms > control_stuck_after_ms(t);
    return waits || (leased && due_ms != 0 && now_ms - due_ms > CONTROL_OVERDUE_MS);
}

/* ---- the queue ---- */

int64_t control_oldest_item_ms(const struct store_stat *s)
{
    int64_t oldest_ms = INT64_MAX;
    for (size_t i = 0; i < s->heads_n; i++) {
        int64_t at_ms = 0;
        if (!sv_to_i64(json_raw_member(s->heads[i], "at"), &at_ms)) /* pushed by somebody else */
            return 0;
        oldest_ms = at_ms < oldest_ms ? at_ms : oldest_ms;
    }
    return s->heads_n == 0 && s->queue + s->queue_taken > 0 ? 0 : oldest_ms;
}
