/* SPDX-License-Identifier: MIT
 * All of a user: round after round his sessions, as store and archive know them, until there is none that this erasure has not met; then himself:
 * customer, preferences, figures.
 *
 * Up to when? When the store has no session of his any more, everything that was accepted before it was asked for them is gone, and that
 * is the time. While he goes on writing there is always one: then it is the time at which the erasure began, and what he wrote since stays. */
#include "config.h"

#include "turn/chat_erase.h"
#include "turn/queue_passed.h"

#define ROUNDS_MAX 20
#define IDS_MAX 200

static void next_round(struct chat_erasure *e);
static void next_session(struct chat_erasure *e);

/* ---- himself ---- */

static void preferences_gone(void *arg, enum store_status status)
{
    struct chat_erasure *e = arg;

    if (status != STORE_DONE)
        chat_erasure_failed(e, ERASE_STORE_DOWN);
    chat_erasure_letters(e);
}

static void drop_preferences(struct chat_erasure *e)
{
    store_preferences_put(e->f.c.t->o.store, e->f.user_id, NULL, 0, preferences_gone, e);
}

static void erase_up_to(struct chat_erasure *e, int64_t at_ms);

static void user_erased(void *arg, enum archive_status status, const struct archive_erased *a)
{
    struct chat_erasure *e = arg;

    if (status != ARCHIVE_DONE) {
        chat_erasure_failed(e, ERASE_ARCHIVE_DOWN);
    } else {
        chat_erasure_tables(e, a);
        e->erasure_id = arena_sv(e->f.c.a, a->erasure_id);
    }
    if (status == ARCHIVE_DONE && e->himself_ms != e->at_ms)
        erase_up_to(e, e->at_ms);
    else
        drop_preferences(e);
}

static void erase_up_to(struct chat_erasure *e, int64_t at_ms)
{
    const struct archive_erase what = { .subject = ARCHIVE_USER, .id = e->f.user_id, .at_ms = at_ms };

    e->himself_ms = at_ms;
    archive_erase(e->f.c.t->o.archive, &what, user_erased, e);
}

/* First as of the beginning, as a daemon was told: what that one has deleted is counted there. */
static void erase_himself(struct chat_erasure *e)
{
    e->at_ms = e->all_gone ? e->asked_ms : e->began_ms;
    if (e->f.c.t->o.archive != NULL)
        erase_up_to(e, e->began_ms);
    else
        drop_preferences(e);
}

/* ---- sessions ---- */

/* Once, whoever names it. */
static void meet(struct chat_erasure *e, struct sv id)
{
    struct erase_todo *one;
    static const int64_t not_yet = 0;

    if (map_find(e->sessions, id) != NULL)
        return;
    one = arena_alloc(e->f.c.a, sizeof(*one));
    if (one != NULL)
        one->id = arena_sv(e->f.c.a, id);
    if (one == NULL || one->id.p == NULL || map_put(e->sessions, id, (void *)(uintptr_t)&not_yet, NULL) != 0) {
        chat_erasure_failed(e, ERASE_MEMORY);
        return;
    }
    *e->last = one;
    e->last = &one->next;
}

static void receipt_written(void *arg, enum archive_status status)
{
    struct chat_erasure *e = arg;

    if (status != ARCHIVE_DONE)
        chat_erasure_failed(e, ERASE_ARCHIVE_DOWN);
    next_session(e);
}

static void session_erased(void *arg, const struct erased_session *s)
{
    struct chat_erasure *e = arg;
    struct sv id = e->first->id;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    e->first = e->first->next;
    chat_erasure_note(e, id, s);
    if (s->end != ERASE_DONE || s->archive.erasure_id.n == 0) {
        next_session(e);
        return;
    }
    json_obj(&o);
    chat_erasure_counts(&o, s->counts.messages, s->counts.jobs, s->counts.events);
    json_obj_end(&o);
    if (buf_ok(&b)) {
        archive_receipt(e->f.c.t->o.archive, s->archive.erasure_id, buf_sv(&b), receipt_written, e);
    } else {
        chat_erasure_failed(e, ERASE_MEMORY);
        next_session(e);
    }
    buf_fini(&b);
}

static void next_session(struct chat_erasure *e)
{
    bool is_first = e->sessions_n == 0;

    if (e->end == ERASE_STORE_DOWN || e->end == ERASE_MEMORY) { /* there is no use in going on */
        chat_erasure_letters(e);
    } else if (e->first != NULL) {
        const struct erase_session what = { .id = e->first->id, .user_id = e->f.user_id, .figures = true,
                                            .user_at_ms = is_first ? e->began_ms : 0 };
        erase_session(e->f.c.t, &what, session_erased, e);
    } else {
        next_round(e);
    }
}

/* ---- which ---- */

static void all_met(struct chat_erasure *e)
{
    if (e->first != NULL && e->rounds < ROUNDS_MAX)
        next_session(e);
    else if (e->end == ERASE_STORE_DOWN || e->end == ERASE_MEMORY)
        chat_erasure_letters(e);
    else
        erase_himself(e);
}

static void ask_archive(struct chat_erasure *e);

static void got_ids(void *arg, enum archive_status status, const struct sv *ids, size_t n)
{
    struct chat_erasure *e = arg;

    if (status != ARCHIVE_DONE) {
        chat_erasure_failed(e, ERASE_ARCHIVE_DOWN);
        all_met(e);
        return;
    }
    for (size_t i = 0; i < n; i++)
        meet(e, ids[i]);
    e->after = n > 0 ? arena_sv(e->f.c.a, ids[n - 1]) : SV_NONE;
    if (n == IDS_MAX && e->after.p != NULL)
        ask_archive(e);
    else
        all_met(e);
}

static void queue_has_passed(void *arg, enum queue_passed how, int64_t now_ms)
{
    struct chat_erasure *e = arg;

    (void)now_ms;
    if (how == QUEUE_STORE_DOWN)
        chat_erasure_failed(e, ERASE_STORE_DOWN);
    else if (how == QUEUE_BEHIND)
        chat_erasure_failed(e, ERASE_BEHIND);
    ask_archive(e);
}

static void ask_archive(struct chat_erasure *e)
{
    if (e->f.c.t->o.archive != NULL)
        archive_user_ids(e->f.c.t->o.archive, e->f.user_id, e->after, IDS_MAX, got_ids, e);
    else
        all_met(e);
}

static void got_sessions(void *arg, enum store_status status, const struct store_user_session *sessions, size_t n)
{
    struct chat_erasure *e = arg;

    if (status != STORE_DONE) {
        chat_erasure_failed(e, ERASE_STORE_DOWN);
        chat_erasure_letters(e);
        return;
    }
    e->all_gone = n == 0;
    for (size_t i = 0; i < n; i++)
        meet(e, sessions[i].id);
    e->after = SV_NONE;
    if (n >= history_sessions_max(e->f.c.t) && e->f.c.t->o.archive != NULL) /* older ones may wait for the archive, which will know them */
        queue_passed(e->f.c.t, 0, ERASE_BEHIND_MS, queue_has_passed, e);
    else
        ask_archive(e);
}

static void got_time(void *arg, enum store_status status, const struct store_stat *stat)
{
    struct chat_erasure *e = arg;

    if (status != STORE_DONE) {
        chat_erasure_failed(e, ERASE_STORE_DOWN);
        chat_erasure_letters(e);
        return;
    }
    e->asked_ms = stat->now_ms;
    if (e->began_ms == 0)
        e->began_ms = stat->now_ms;
    store_user(e->f.c.t->o.store, e->f.user_id, got_sessions, e);
}

static void next_round(struct chat_erasure *e)
{
    e->rounds++;
    e->first = NULL;
    e->last = &e->first;
    store_stat(e->f.c.t->o.store, got_time, e);
}

void chat_erasure_user(struct chat_erasure *e)
{
    next_round(e);
}
