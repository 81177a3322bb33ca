/* SPDX-License-Identifier: MIT
 * The way of one call through the switch: made on the store in force, held while there is none, made again or answered when the
 * store that had it did not answer. See store_switch.c for what is promised. Knows nothing of how the host changes. */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "store/switch_inside.h"

#define HELD_MAX 4096
#define HELD_BYTES_MAX (64u << 20) /* beyond what each call has anyway */
#define HELD_MS 1500               /* while the primary is away and the host has not gone over */
#define HELD_RETURNING_MS 10000
#define LOOK_HELD_MS 10
#define TAG_SHIFT 48
#define VERSION_MASK ((UINT64_C(1) << TAG_SHIFT) - 1)

static uint64_t tag_of(struct mode_word w)
{
    return (w.epoch - 1) << TAG_SHIFT; /* the first store of a new file: 0 */
}

/* ---- holding ---- */

static size_t bytes_of(const struct call *c)
{
    return c->arena != NULL ? arena_used(c->arena) : 0;
}

static bool hold(struct switch_ *w, struct call *c)
{
    if (w->held_n >= HELD_MAX || (!c->uncertain && !call_keep(c)) || w->held_bytes + bytes_of(c) > HELD_BYTES_MAX)
        return false;
    w->held_bytes += bytes_of(c);
    c->next = NULL;
    *w->held_last = c;
    w->held_last = &c->next;
    w->held_n++;
    switch_look_in(w, c->word.epoch != w->seen.epoch ? 0 : LOOK_HELD_MS);
    return true;
}

struct call *switch_take_held(struct switch_ *w)
{
    struct call *c = w->held;
    w->held = c->next;
    if (w->held == NULL)
        w->held_last = &w->held;
    w->held_n--;
    w->held_bytes -= bytes_of(c);
    return c;
}

static bool can_be_made(const struct switch_ *w, enum mode mode)
{
    return mode == MODE_SECONDARY || (mode == MODE_PRIMARY && store_is_up(w->primary));
}

static bool make(struct switch_ *w, struct call *c);

/* Only from the tick: a held call's answer never comes from inside a call. */
void switch_pump(struct switch_ *w)
{
    int64_t now_ms = clock_mono_ms();
    for (size_t n = w->held_n; n > 0 && w->held_n > 0 && !w->closed; n--) {
        struct call *c = switch_take_held(w);
        enum mode mode = switch_notice(w).mode;
        int64_t bound_ms = mode == MODE_RETURNING ? HELD_RETURNING_MS : HELD_MS;
        bool can = can_be_made(w, mode);
        if (can && c->uncertain)
            call_fail(c, STORE_CONFLICT);
        else if (can && make(w, c))
            continue;
        else if (!can && now_ms - c->began_ms >= bound_ms)
            call_fail(c, STORE_DOWN);
        else if (!hold(w, c))
            call_fail(c, STORE_DOWN);
    }
}

/* ---- answers ---- */

/* Made twice it would answer that there is no such letter. */
static bool changes_letters(const struct call *c)
{
    return c->is.letters.op == STORE_LETTERS_DROP || c->is.letters.op == STORE_LETTERS_AGAIN;
}

/* What an answer means that comes after the host has changed. False: the call is to be made again. */
static bool outlives(const struct call *c, enum store_status *status)
{
    switch (c->kind) {
    case CALL_LOAD:
    case CALL_LIST:
    case CALL_VALUE:
    case CALL_STAT:
    case CALL_SESSION:
    case CALL_FILL:
    case CALL_EVENTS:
    case CALL_HISTORY:
    case CALL_USER:
    case CALL_FIGURES:
    case CALL_PREFERENCES_PUT:
    case CALL_PREFERENCES:
    case CALL_ERASED_AT:
        return false;
    case CALL_LETTERS:
        return changes_letters(c);
    case CALL_APPLY:
        if ((*status == STORE_DONE && c->is.change.lease != STORE_LEASE_DROP) || *status == STORE_DUPLICATE)
            *status = STORE_CONFLICT;
        return true;
    case CALL_RENEW:
    case CALL_SAY:
        *status = STORE_LEASE_LOST;
        return true;
    case CALL_TAKE:
    case CALL_ACK:
    case CALL_RECOVER:
        return true;
    }
    return true;
}

/* The store has answered. True: the caller is to be told *status. */
static bool is_final(struct call *c, enum store_status *status)
{
    struct switch_ *w = c->w;
    bool primary = c->word.mode == MODE_PRIMARY;
    if (w->closed)
        return true;
    mode_leave(w->mode, c->word.mode);
    if (primary && *status != STORE_DOWN)
        mode_heard(w->mode, clock_mono_ms());
    bool moved = switch_notice(w).epoch != c->word.epoch;
    if (!moved && *status != STORE_DOWN)
        return true;
    if (*status != STORE_DOWN)
        return outlives(c, status) || !hold(w, c);
    if (!moved && (!primary || store_is_up(w->primary)))
        return true; /* it said no, and is there */
    if (!moved && (w->down_since_ms == 0 || c->made_ms < w->down_since_ms))
        w->down_since_ms = c->made_ms; /* it has not been there since */
    if (c->kind == CALL_ACK || c->kind == CALL_RECOVER || c->kind == CALL_SAY || (c->kind == CALL_LETTERS && changes_letters(c)))
        return true;
    c->uncertain = c->kind == CALL_APPLY;
    switch_look_in(w, 0);
    return !hold(w, c);
}

static void on_load(void *arg, enum store_status status, const struct store_view *view)
{
    struct call *c = arg;
    if (!is_final(c, &status))
        return;
    if (status != STORE_DONE || view == NULL) {
        call_fail(c, status != STORE_DONE ? status : STORE_DOWN);
        return;
    }
    struct store_view v = *view;
    if (v.version > 0)
        v.version |= tag_of(c->word);
    c->fn.load(c->arg, status, &v);
    call_free(c);
}

static void on_apply(void *arg, enum store_status status, const struct store_applied *applied)
{
    struct call *c = arg;
    if (!is_final(c, &status))
        return;
    if (applied == NULL || (status != STORE_DONE && status != STORE_DUPLICATE)) {
        call_fail(c, status);
        return;
    }
    struct store_applied a = *applied;
    if (a.version > 0)
        a.version |= tag_of(c->word);
    c->fn.apply(c->arg, status, &a);
    call_free(c);
}

static void on_status(void *arg, enum store_status status)
{
    struct call *c = arg;
    if (!is_final(c, &status))
        return;
    if (c->kind == CALL_ACK && status == STORE_DONE && !c->w->closed)
        (void)map_take(c->w->batches, c->is.ack.batch);
    c->fn.status(c->arg, status);
    call_free(c);
}

static void on_list(void *arg, enum store_status status, const struct store_listing *listing)
{
    struct call *c = arg;
    if (!is_final(c, &status))
        return;
    c->fn.list(c->arg, status, status == STORE_DONE ? listing : NULL);
    call_free(c);
}

static void on_letters(void *arg, enum store_status status, const struct store_letter *letters, size_t n)
{
    struct call *c = arg;
    if (!is_final(c, &status))
        return;
    c->fn.letters(c->arg, status, letters, n);
    call_free(c);
}

static void on_batch(void *arg, enum store_status status, const struct store_batch *batch)
{
    struct call *c = arg;
    struct switch_ *w = c->w;
    if (!is_final(c, &status))
        return;
    /* Without the note its acknowledgement goes to the store in force: at worst the batch comes again when this process is gone. */
    if (status == STORE_DONE && batch->name.n > 0 && !w->closed)
        (void)!map_put(w->batches, batch->name, c->word.mode == MODE_PRIMARY ? &w->primary : &w->secondary, NULL);
    c->fn.batch(c->arg, status, batch);
    call_free(c);
}

static void on_value(void *arg, enum store_status status, struct sv value)
{
    struct call *c = arg;
    if (!is_final(c, &status))
        return;
    c->fn.value(c->arg, status, value);
    call_free(c);
}

static void on_stat(void *arg, enum store_status status, const struct store_stat *stat)
{
    struct call *c = arg;
    if (!is_final(c, &status))
        return;
    c->fn.stat(c->arg, status, stat);
    call_free(c);
}

static void on_session(void *arg, enum store_status status, const struct store_session *session)
{
    struct call *c = arg;
    if (!is_final(c, &status))
        return;
    c->fn.session(c->arg, status, status == STORE_DONE ? session : NULL);
    call_free(c);
}

static void on_events(void *arg, enum store_status status, const struct store_events *events)
{
    struct call *c = arg;
    if (!is_final(c, &status))
        return;
    c->fn.events(c->arg, status, status == STORE_DONE ? events : NULL);
    call_free(c);
}

static void on_history(void *arg, enum store_status status, const struct store_history *history)
{
    struct call *c = arg;
    if (!is_final(c, &status))
        return;
    if (status != STORE_DONE || history == NULL) {
        call_fail(c, status != STORE_DONE ? status : STORE_DOWN);
        return;
    }
    struct store_history h = *history;
    if (h.version > 0)
        h.version |= tag_of(c->word);
    c->fn.history(c->arg, status, &h);
    call_free(c);
}

static void on_user(void *arg, enum store_status status, const struct store_user_session *sessions, size_t n)
{
    struct call *c = arg;
    if (!is_final(c, &status))
        return;
    c->fn.user(c->arg, status, sessions, n);
    call_free(c);
}

static void on_pairs(void *arg, enum store_status status, const struct store_pair *pairs, size_t n)
{
    struct call *c = arg;
    if (!is_final(c, &status))
        return;
    c->fn.pairs(c->arg, status, pairs, n);
    call_free(c);
}

static void on_erased(void *arg, enum store_status status, int64_t at_ms)
{
    struct call *c = arg;
    if (!is_final(c, &status))
        return;
    c->fn.erased(c->arg, status, at_ms);
    call_free(c);
}

/* ---- calls ---- */

static bool is_of_this_time(const struct call *c, uint64_t version)
{
    return version == 0 || (version & ~VERSION_MASK) == tag_of(c->word);
}

/* A view of another time is not written; the customer is. */
static void pass_fill(struct call *c, struct store *s)
{
    struct store_session_fill fill = c->is.fill;
    if (!is_of_this_time(c, fill.version))
        fill.view = SV_NONE;
    fill.version &= VERSION_MASK;
    store_session_fill(s, &fill, on_status, c);
}

/* What begins in the store that stands in counts its events from the clock: above all that the other one has given out. */
static void begin_count(struct call *c)
{
    struct store_change *change = &c->is.change;
    if (c->word.mode != MODE_SECONDARY || change->forget || change->expect_version > 0)
        return;
    uint64_t now_ms = (uint64_t)clock_wall_ms();
    if (change->session != NULL)
        c->session = *change->session;
    else
        c->session = (struct store_session_change){ 0 };
    if (c->session.seq_least < now_ms)
        c->session.seq_least = now_ms;
    change->session = &c->session;
}

static void pass_history(struct call *c, struct store *s)
{
    struct sv id = c->is.history.id, user_id = c->is.history.user_id;
    if (c->kind == CALL_HISTORY)
        store_history(s, id, user_id, on_history, c);
    else if (c->kind == CALL_USER)
        store_user(s, user_id, on_user, c);
    else if (c->kind == CALL_FIGURES)
        store_figures(s, id, on_pairs, c);
    else if (c->kind == CALL_PREFERENCES)
        store_preferences(s, user_id, on_pairs, c);
    else if (c->kind == CALL_PREFERENCES_PUT)
        store_preferences_put(s, user_id, c->is.history.pairs, c->is.history.n, on_status, c);
    else
        store_erased_at(s, id, on_erased, c);
}

static void pass(struct call *c, struct store *s)
{
    switch (c->kind) {
    case CALL_LOAD:
        store_load(s, &c->is.load, on_load, c);
        return;
    case CALL_APPLY:
        store_apply(s, &c->is.change, on_apply, c);
        return;
    case CALL_RENEW:
        store_renew(s, c->is.renew.id, c->is.renew.token, c->is.renew.ttl_ms, on_status, c);
        return;
    case CALL_LIST:
        store_list(s, &c->is.list, on_list, c);
        return;
    case CALL_TAKE:
        store_take(s, c->is.take.queue, c->is.take.owner, c->is.take.max, on_batch, c);
        return;
    case CALL_ACK:
        store_ack(s, &c->is.ack, on_status, c);
        return;
    case CALL_RECOVER:
        store_recover(s, c->is.recover.queue, c->is.recover.is_dead, c->is.recover.arg, on_status, c);
        return;
    case CALL_LETTERS:
        store_letters(s, &c->is.letters, on_letters, c);
        return;
    case CALL_VALUE:
        s->ops->value(s, &c->is.value, on_value, c);
        return;
    case CALL_STAT:
        store_stat(s, on_stat, c);
        return;
    case CALL_SESSION:
        store_session(s, c->is.session, on_session, c);
        return;
    case CALL_FILL:
        pass_fill(c, s);
        return;
    case CALL_EVENTS:
        store_events(s, c->is.events.id, c->is.events.after, on_events, c);
        return;
    case CALL_SAY:
        store_event_say(s, &c->is.say, on_status, c);
        return;
    case CALL_HISTORY:
    case CALL_USER:
    case CALL_FIGURES:
    case CALL_PREFERENCES_PUT:
    case CALL_PREFERENCES:
    case CALL_ERASED_AT:
        pass_history(c, s);
        return;
    }
}

/* Counted before the mode is looked at once more: whoever leads the way back sees the count, or we see the change. */
static bool enter(struct switch_ *w, struct call *c, enum mode mode, struct mode_word word)
{
    mode_enter(w->mode, mode);
    if (mode_now(w->mode).epoch != word.epoch) {
        mode_leave(w->mode, mode);
        return false;
    }
    c->word = (struct mode_word){ mode, word.epoch };
    c->made_ms = clock_mono_ms();
    return true;
}

/* False: there is no store to make it on now. */
static bool make(struct switch_ *w, struct call *c)
{
    struct mode_word word = switch_notice(w);
    if (!can_be_made(w, word.mode) || !enter(w, c, word.mode, word))
        return false;
    if (c->kind == CALL_APPLY) {
        if (!is_of_this_time(c, c->is.change.expect_version)) { /* a decision of another time */
            mode_leave(w->mode, word.mode);
            answers_later(
                w->answers,
                answer_new(&(struct answer){
                    .kind = ANSWER_APPLY, .status = STORE_CONFLICT, .fn.apply = c->fn.apply, .arg = c->arg }));
            call_free(c);
            return true;
        }
        c->is.change.expect_version &= VERSION_MASK;
        begin_count(c);
    }
    pass(c, switch_store(w, word.mode));
    return true;
}

/* Tells later, as no answer comes from inside a call. */
static void refuse_now(void *arg, enum store_status status, const void *what)
{
    (void)what;
    call_fail(arg, status);
}

static void refuse(struct switch_ *w, struct call *c)
{
    answers_later(w->answers, answer_new(&(struct answer){
                                  .kind = ANSWER_OTHER, .status = STORE_DOWN, .fn.other = refuse_now, .arg = c }));
}

static struct call *begin(struct switch_ *w, const struct call *from)
{
    struct call *c = call_new(from);
    if (c == NULL)
        abort(); /* as answer_new: there is no way to tell the caller */
    c->w = w;
    c->began_ms = clock_mono_ms();
    c->word.epoch = w->seen.epoch;
    return c;
}

void switch_submit(struct switch_ *w, const struct call *from)
{
    struct call *c = begin(w, from);
    if (w->closed) {
        refuse(w, c);
        return;
    }
    /* an apply is not made again once it was made, so what it points to need not be kept; it is when it is held now */
    if (c->kind != CALL_APPLY && !call_keep(c)) {
        refuse(w, c);
        return;
    }
    if (!make(w, c) && (c->kind == CALL_SAY || !hold(w, c)))
        refuse(w, c);
}

/* Goes where the batch is, not where the host is. Not held: whoever has a batch can ask again. */
void switch_submit_ack(struct switch_ *w, const struct call *from)
{
    struct call *c = begin(w, from);
    struct mode_word word = w->closed ? w->seen : switch_notice(w);
    const void *at = map_find(w->batches, from->is.ack.batch);
    enum mode mode = at == NULL ? word.mode : at == &w->primary ? MODE_PRIMARY : MODE_SECONDARY;
    if (w->closed || word.mode == MODE_RETURNING || !can_be_made(w, mode) || !call_keep(c) ||
        !enter(w, c, mode, word)) {
        refuse(w, c);
        return;
    }
    pass(c, switch_store(w, mode));
}
