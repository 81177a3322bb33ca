/* SPDX-License-Identifier: MIT
 * The record as JSON. One table names each member once for both directions; a member that is zero is not written. */
#include "config.h"

#include <stddef.h>
#include <stdio.h>

#include "turn/conversation.h"

static const char *const phases[] = {
    [PHASE_IDLE] = "idle",       [PHASE_WAITING] = "waiting", [PHASE_THINKING] = "thinking",
    [PHASE_SENDING] = "sending", [PHASE_QUEUED] = "queued",
};

enum kind { TEXT, I64, U64, U32, FLAG };

struct member {
    const char *key;
    enum kind kind;
    size_t offset, size;
};

#define MEMBER(k, type, field) \
    { .key = (k), .kind = (type), .offset = offsetof(struct conversation, field), .size = sizeof(((struct conversation *)NULL)->field) }

static const struct member members[] = {
    MEMBER("created", I64, created_ms),
    MEMBER("activity", I64, activity_ms),
    MEMBER("user", TEXT, user_id),
    MEMBER("last_id", TEXT, last_message_id),
    MEMBER("last_at", I64, last_message_ms),
    MEMBER("seq", U64, seq),
    MEMBER("total", I64, total),
    MEMBER("earlier", I64, earlier_n),
    MEMBER("earlier_total", I64, earlier_total),
    MEMBER("closed", FLAG, closed),
    MEMBER("archived", FLAG, archived),
    MEMBER("context", U32, context_n),
    MEMBER("bot", TEXT, bot_id),
    MEMBER("recalled", FLAG, recalled),
    MEMBER("past", FLAG, past_known),
    MEMBER("listed", FLAG, listed),
    MEMBER("pending", U32, pending_n),
    MEMBER("oldest", I64, oldest_ms),
    MEMBER("newer", I64, newer_ms),
    MEMBER("told", FLAG, told),
    MEMBER("job", FLAG, job),
    MEMBER("newer_job", FLAG, newer_job),
    MEMBER("turn", TEXT, turn_id),
    MEMBER("next_turn", TEXT, next_turn_id),
    MEMBER("covered", U32, covered_n),
    MEMBER("cancelled", U32, cancelled_n),
    MEMBER("cancelled_turn", TEXT, cancelled_turn_id),
    MEMBER("cancelled_after", I64, cancelled_after_ms),
    MEMBER("began", I64, began_ms),
    MEMBER("restarts", U32, restarts),
    MEMBER("attempts", U32, attempts),
    MEMBER("faults", U32, faults),
    MEMBER("opened", I64, opened_ms),
    MEMBER("wait_until", I64, wait_until_ms),
    MEMBER("retry_at", I64, retry_at_ms),
    MEMBER("reason", TEXT, reason),
    MEMBER("token", TEXT, token),
    MEMBER("lock", TEXT, lock_token),
    MEMBER("fence", U64, fence),
    MEMBER("owner", TEXT, owner),
    MEMBER("send_deadline", I64, send_deadline_ms),
    MEMBER("send_fence", U64, send_fence),
    MEMBER("sends", U32, sends),
    MEMBER("paused", FLAG, paused),
    MEMBER("paused_until", I64, paused_until_ms),
};

const char *phase_name(enum phase p)
{
    return phases[p];
}

static int64_t member_number(const struct member *m, const void *field)
{
    switch (m->kind) {
    case I64:
        return *(const int64_t *)field;
    case U64:
        return (int64_t) * (const uint64_t *)field;
    case U32:
        return (int64_t) * (const uint32_t *)field;
    case FLAG:
        return *(const bool *)field ? 1 : 0;
    case TEXT:
        break;
    }
    return 0;
}

/* [turn, covered, turn, covered ...] */
static void put_superseded(struct json_out *o, const struct conversation *c)
{
    json_key(o, "superseded");
    json_arr(o);
    for (size_t i = 0; i < c->superseded_n; i++) {
        json_str(o, sv_from(c->superseded[i].turn_id));
        json_int(o, c->superseded[i].covered_n);
    }
    json_arr_end(o);
}

void conversation_format(struct buf *b, const struct conversation *c)
{
    struct json_out o = { .b = b };
    json_obj(&o);
    json_kint(&o, "v", 1);
    json_kstr(&o, "phase", sv_from(phases[c->phase]));
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const struct member *m = &members[i];
        const void *field = (const char *)c + m->offset;
        if (m->kind == TEXT) {
            if (*(const char *)field != '\0')
                json_kstr(&o, m->key, sv_from(field));
            continue;
        }
        int64_t n = member_number(m, field);
        if (n != 0)
            json_kint(&o, m->key, n);
    }
    if (c->superseded_n > 0)
        put_superseded(&o, c);
    json_obj_end(&o);
}

static void member_read(const struct member *m, const json_t *j, void *field)
{
    int64_t n = m->kind == TEXT ? 0 : json_i64(j, m->key, 0);
    switch (m->kind) {
    case TEXT: {
        struct sv s = sv_cut_utf8(json_sv(j, m->key), m->size - 1);
        if (s.n > 0)
            memcpy(field, s.p, s.n);
        ((char *)field)[s.n] = '\0';
        break;
    }
    case I64:
        *(int64_t *)field = n;
        break;
    case U64:
        *(uint64_t *)field = n < 0 ? 0 : (uint64_t)n;
        break;
    case U32:
        *(uint32_t *)field = n < 0 || n > UINT32_MAX ? 0 : (uint32_t)n;
        break;
    case FLAG:
        *(bool *)field = n != 0;
        break;
    }
}

static void read_superseded(struct conversation *c, const json_t *list)
{
    size_t n = json_array_size(list) / 2;
    for (size_t i = 0; i < n && c->superseded_n < SUPERSEDED_MAX; i++) {
        const json_t *turn = json_array_get(list, 2 * i);
        json_int_t covered = json_integer_value(json_array_get(list, 2 * i + 1));
        if (!json_is_string(turn) || covered < 0 || covered > UINT32_MAX)
            return;
        struct superseded *s = &c->superseded[c->superseded_n++];
        struct sv id = sv_cut_utf8((struct sv){ json_string_value(turn), json_string_length(turn) }, sizeof(s->turn_id) - 1);
        if (id.n > 0)
            memcpy(s->turn_id, id.p, id.n);
        s->turn_id[id.n] = '\0';
        s->covered_n = (uint32_t)covered;
    }
}

int conversation_parse(struct sv record, struct conversation *c, struct err *e)
{
    *c = (struct conversation){ 0 };
    if (record.n == 0)
        return 0;
    json_t *j = json_read(record, false, e);
    if (j == NULL)
        return -1;
    struct sv phase = json_sv(j, "phase");
    bool known = false;
    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        if (sv_eq(phase, sv_from(phases[i]))) {
            c->phase = (enum phase)i;
            known = true;
        }
    }
    for (size_t i = 0; known && i < ARRAY_LEN(members); i++)
        member_read(&members[i], j, (char *)c + members[i].offset);
    if (c->covered_n > c->pending_n)
        c->covered_n = c->pending_n;
    if (c->cancelled_n > c->pending_n - c->covered_n)
        c->cancelled_n = c->pending_n - c->covered_n;
    if (known)
        read_superseded(c, json_object_get(j, "superseded"));
    json_decref(j);
    return known ? 0 : err_set(e, ERR_INVALID, "record without a phase");
}
