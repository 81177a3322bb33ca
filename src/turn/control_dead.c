/* SPDX-License-Identifier: MIT
 * What was given up: listed, discarded, tried again. An item that the archive refused goes back to the queue; a turn that was given up gets
 * its messages back (control_revive.c). */
#include "config.h"

#include "turn/control_own.h"
#include "turn/control_revive.h"

#define LIMIT_MAX 500

struct dead {
    struct control_call c;
    struct sv id;
    size_t limit;
    struct buf items;
    bool listed, counted, down, more, callback;
    char last[ID_UUID_SIZE];
    int64_t total;
};

/* What stands in an item that is no turn. */
static bool is_callback(struct sv item)
{
    return sv_eq(json_raw_member(item, "type"), SV("\"callback\""));
}

static void unknown_letter(struct control_call *c)
{
    control_refuse(c, 404, "unknown_dead_letter", "There is no such dead letter.", NULL);
}

/* ---- the list ---- */

static void put_letter(struct json_out *o, const struct store_letter *letter)
{
    struct sv item = json_raw_member(letter->item, "item");
    struct sv at = json_raw_member(letter->item, "at"), attempts = json_raw_member(letter->item, "attempts");
    struct sv reason = json_raw_member(letter->item, "reason");
    bool turn = sv_eq(json_raw_member(letter->item, "type"), SV("\"turn\""));
    struct sv of = turn ? letter->item : item;
    struct sv conversation = json_raw_member(of, "conversation_id");
    if (conversation.p == NULL) /* what other services push may call it so */
        conversation = json_raw_member(of, "session_id");
    json_obj(o);
    json_kstr(o, "id", letter->id);
    json_kraw(o, "at", at.p != NULL ? at : SV("null"));
    json_kraw(o, "reason", reason.p != NULL ? reason : SV("null"));
    json_kraw(o, "attempts", attempts.p != NULL ? attempts : SV("null"));
    json_kstr(o, "type", turn ? SV("turn") : is_callback(item) ? SV("callback") : SV("history"));
    json_kraw(o, "conversation_id", conversation.p != NULL ? conversation : SV("null"));
    json_kraw(o, "item", turn ? letter->item : item.p != NULL ? item : SV("null"));
    json_obj_end(o);
}

static void tell_list(struct dead *q)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    if (!q->listed || !q->counted)
        return;
    if (q->down) {
        control_unavailable(&q->c);
    } else {
        json_obj(&o);
        json_kint(&o, "total", q->total);
        json_kraw(&o, "dead", buf_sv(&q->items));
        json_kstr(&o, "next_cursor", q->more ? sv_from(q->last) : SV_NONE);
        json_obj_end(&o);
        if (buf_ok(&q->items))
            control_tell(&q->c, &b);
        else
            control_refuse(&q->c, 503, "unavailable", "Memory is short.", &b);
    }
    buf_fini(&q->items);
    control_end(&q->c);
}

static void list_told(void *arg, enum store_status status, const struct store_letter *letters, size_t n)
{
    struct dead *q = arg;
    struct json_out o = { .b = &q->items };
    q->listed = true;
    q->down |= status != STORE_DONE;
    if (n > 0 && letters[n - 1].item.n == 0) /* more than one answer may have */
        q->limit = n - 1;
    q->more = n > q->limit;
    json_arr(&o);
    for (size_t i = 0; status == STORE_DONE && i < n && i < q->limit; i++) {
        put_letter(&o, &letters[i]);
        snprintf(q->last, sizeof(q->last), "%.*s", SV_FMT(letters[i].id));
    }
    json_arr_end(&o);
    tell_list(q);
}

static void total_told(void *arg, enum store_status status, const struct store_stat *stat)
{
    struct dead *q = arg;
    q->counted = true;
    q->down |= status != STORE_DONE;
    q->total = status == STORE_DONE ? stat->dead : 0;
    tell_list(q);
}

static void bad_cursor(void *arg)
{
    struct dead *q = arg;
    control_refuse(&q->c, 422, "bad_cursor", "The cursor is not one that this listing gave out.", NULL);
    control_end(&q->c);
}

/* A letter's id: a UUID in lower case. */
static bool is_cursor(struct sv s)
{
    bool is = s.n == ID_UUID_SIZE - 1;
    for (size_t i = 0; is && i < s.n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        is = dash ? s.p[i] == '-' : (s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f');
    }
    return is;
}

void control_dead_list(struct turns *t, struct sv cursor, size_t limit, control_fn *fn, void *arg)
{
    struct dead *q = control_begin(t, sizeof(*q), fn, arg);
    if (q == NULL)
        return;
    q->limit = limit == 0 ? 1 : limit > LIMIT_MAX ? LIMIT_MAX : limit;
    q->id = cursor.n > 0 ? arena_sv(q->c.a, cursor) : SV_NONE;
    if (cursor.n > 0 && !is_cursor(cursor)) {
        loop_soon(t->o.loop, bad_cursor, q);
        return;
    }
    if (cursor.n > 0 && q->id.p == NULL) {
        control_short_of_memory(&q->c);
        return;
    }
    struct store_letters what = { .op = STORE_LETTERS_LIST, .id = q->id, .max = q->limit + 1 };
    store_letters(t->o.store, &what, list_told, q);
    store_stat(t->o.store, total_told, q);
}

/* ---- one letter ---- */

static void tell_done(struct dead *q, const char *what)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "id", q->id);
    json_kbool(&o, what, true);
    json_kstr(&o, "type", q->callback ? SV("callback") : SV("history"));
    json_obj_end(&o);
    control_tell(&q->c, &b);
}

static void discarded(void *arg, enum store_status status, const struct store_letter *letters, size_t n)
{
    struct dead *q = arg;
    (void)letters;
    if (status != STORE_DONE) {
        control_unavailable(&q->c);
    } else if (n == 0) {
        unknown_letter(&q->c);
    } else {
        struct buf b = { 0 };
        struct json_out o = { .b = &b };
        json_obj(&o);
        json_kstr(&o, "id", q->id);
        json_kbool(&o, "discarded", true);
        json_obj_end(&o);
        control_tell(&q->c, &b);
    }
    control_end(&q->c);
}

static void queued(void *arg, enum store_status status, const struct store_letter *letters, size_t n)
{
    struct dead *q = arg;
    (void)letters;
    if (status != STORE_DONE)
        control_unavailable(&q->c);
    else if (n == 0)
        unknown_letter(&q->c);
    else
        tell_done(q, "retried");
    control_end(&q->c);
}

static void got(void *arg, enum store_status status, const struct store_letter *letters, size_t n)
{
    struct dead *q = arg;
    if (status != STORE_DONE || n == 0) {
        if (status != STORE_DONE)
            control_unavailable(&q->c);
        else
            unknown_letter(&q->c);
        control_end(&q->c);
        return;
    }
    struct sv text = letters[0].item;
    if (sv_eq(json_raw_member(text, "type"), SV("\"turn\""))) {
        revive(&q->c, q->id, text);
        return;
    }
    struct sv item = json_raw_member(text, "item");
    if (item.n == 0 || item.p[0] != '{') {
        control_refuse(&q->c, 409, "not_retryable", "The letter holds nothing that could be tried again.", NULL);
        control_end(&q->c);
        return;
    }
    q->callback = is_callback(item);
    struct store_letters what = { .op = STORE_LETTERS_AGAIN, .id = q->id, .item = item,
                                  .queue = q->callback ? STORE_QUEUE_CALLBACKS : STORE_QUEUE_MESSAGES };
    store_letters(q->c.t->o.store, &what, queued, q);
}

static void begin(struct turns *t, struct sv id, enum store_letters_op op, store_letters_fn *then, control_fn *fn, void *arg)
{
    struct dead *q = control_begin(t, sizeof(*q), fn, arg);
    if (q == NULL || control_is_spooling(&q->c))
        return;
    q->id = arena_sv(q->c.a, id);
    if (q->id.p == NULL) {
        control_short_of_memory(&q->c);
        return;
    }
    struct store_letters what = { .op = op, .id = q->id };
    store_letters(t->o.store, &what, then, q);
}

void control_dead_retry(struct turns *t, struct sv id, control_fn *fn, void *arg)
{
    begin(t, id, STORE_LETTERS_GET, got, fn, arg);
}

void control_dead_discard(struct turns *t, struct sv id, control_fn *fn, void *arg)
{
    begin(t, id, STORE_LETTERS_DROP, discarded, fn, arg);
}
