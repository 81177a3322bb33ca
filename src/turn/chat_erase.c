/* SPDX-License-Identifier: MIT
 * An erasure: who may, one session, and what every erasure ends with. docs/history.md has the whole picture.
 *
 *   begun before? ──> whose is it? ──> noted as begun ──> session ──> dead letters ──> receipt ──> no longer begun ──> answer
 *   all of a user: ────────────────────────────────────> sessions, until there is none, himself (chat_erase_user.c) ─┘
 *
 * What fails leaves what was done; asked again it goes on. That it was begun is noted, with whose it is: when its record is gone, nobody else knows. */
#include "config.h"

#include "lib/clock.h"
#include "turn/chat_erase.h"

/* ---- what has become of it ---- */

void chat_erasure_failed(struct chat_erasure *e, enum erase_end how)
{
    if (e->end == ERASE_DONE)
        e->end = how;
}

void chat_erasure_tables(struct chat_erasure *e, const struct archive_erased *a)
{
    for (size_t i = 0; i < a->tables_n; i++) {
        size_t k = 0;
        int64_t rows = 0;
        if (!sv_to_i64(a->tables[i].value, &rows))
            continue;
        while (k < e->tables_n && !sv_eq(e->tables[k].table, a->tables[i].key))
            k++;
        if (k == ARCHIVE_TABLES_MAX)
            continue;
        if (k == e->tables_n) {
            e->tables[k].table = arena_sv(e->f.c.a, a->tables[i].key);
            e->tables_n += e->tables[k].table.p != NULL;
        }
        e->tables[k].rows += rows;
    }
}

void chat_erasure_note(struct chat_erasure *e, struct sv id, const struct erased_session *s)
{
    int64_t *at = arena_alloc(e->f.c.a, sizeof(*at));

    if (at == NULL) {
        chat_erasure_failed(e, ERASE_MEMORY);
        return;
    }
    *at = s->at_ms;
    if (map_put(e->sessions, id, at, NULL) != 0)
        chat_erasure_failed(e, ERASE_MEMORY);
    if (s->end != ERASE_DONE)
        chat_erasure_failed(e, s->end);
    e->sessions_n += s->was_there;
    e->messages += s->counts.messages;
    e->jobs += s->counts.jobs;
    e->events += s->counts.events;
    chat_erasure_tables(e, &s->archive);
}

/* ---- the answer ---- */

static void erasure_end(struct chat_erasure *e)
{
    map_free(e->sessions);
    control_end(&e->f.c);
}

static void refuse(struct chat_erasure *e)
{
    switch (e->end) {
    case ERASE_DONE:
        break;
    case ERASE_STORE_DOWN:
        control_unavailable(&e->f.c);
        break;
    case ERASE_ARCHIVE_DOWN:
        control_refuse(&e->f.c, 503, "archive_unavailable", "The archive gives no answer now: what it has goes when it is back. Ask again to be sure.", NULL);
        break;
    case ERASE_CONTENDED:
        control_refuse(&e->f.c, 503, "contended", "Too much is written to it at this moment.", NULL);
        break;
    case ERASE_BEHIND:
        control_refuse(&e->f.c, 503, "archive_behind", "There is so much of it that the archive has to catch up first: ask again.", NULL);
        break;
    case ERASE_MEMORY:
        control_refuse(&e->f.c, 503, "unavailable", "Memory is short.", NULL);
        break;
    }
}

void chat_erasure_counts(struct json_out *o, int64_t messages, int64_t jobs, int64_t events)
{
    json_kint(o, "store_messages", messages);
    json_kint(o, "store_jobs", jobs);
    json_kint(o, "store_events", events);
}

static void put_counts(struct json_out *o, const struct chat_erasure *e)
{
    json_obj(o);
    json_kint(o, "messages", e->messages);
    json_kint(o, "jobs", e->jobs);
    json_kint(o, "events", e->events);
    json_kint(o, "deadLetters", e->letters);
    json_obj_end(o);
}

static void tell(struct chat_erasure *e)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    json_obj(&o);
    json_kstr(&o, "message", SV("Chat history deleted successfully"));
    json_key(&o, "receipt");
    json_obj(&o);
    json_kstr(&o, "id", e->erasure_id.n > 0 ? e->erasure_id : SV_NONE);
    chat_put_time(&o, "erasedAt", e->at_ms);
    json_kstr(&o, "subject", e->whole ? SV("user") : SV("session"));
    json_kint(&o, "sessions", e->sessions_n);
    json_key(&o, "store");
    put_counts(&o, e);
    json_key(&o, "archive");
    json_obj(&o);
    for (size_t i = 0; i < e->tables_n; i++) {
        json_name(&o, e->tables[i].table);
        json_int(&o, e->tables[i].rows);
    }
    json_obj_end(&o);
    json_obj_end(&o);
    json_obj_end(&o);
    control_tell(&e->f.c, &b);
}

static void no_longer_begun(void *arg, enum store_status status)
{
    struct chat_erasure *e = arg;

    if (status != STORE_DONE)
        chat_erasure_failed(e, ERASE_STORE_DOWN);
    if (e->end == ERASE_DONE)
        tell(e);
    else
        refuse(e);
    erasure_end(e);
}

static struct sv begun_name(struct chat_erasure *e)
{
    return arena_printf(e->f.c.a, "erasing:%.*s", SV_FMT(e->f.session_id));
}

static void finish(struct chat_erasure *e)
{
    struct sv name = e->whole || e->end != ERASE_DONE ? SV_NONE : begun_name(e);

    if (name.p != NULL)
        store_put(e->f.c.t->o.store, name, SV_NONE, 0, no_longer_begun, e);
    else
        no_longer_begun(e, STORE_DONE);
}

static void receipt_written(void *arg, enum archive_status status)
{
    struct chat_erasure *e = arg;

    if (status != ARCHIVE_DONE)
        chat_erasure_failed(e, ERASE_ARCHIVE_DOWN);
    finish(e);
}

static void write_receipt(struct chat_erasure *e)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    if (e->end != ERASE_DONE || e->erasure_id.n == 0) {
        finish(e);
        return;
    }
    json_obj(&o);
    chat_erasure_counts(&o, e->messages, e->jobs, e->events);
    json_kint(&o, "store_dead_letters", e->letters);
    json_obj_end(&o);
    if (buf_ok(&b)) {
        archive_receipt(e->f.c.t->o.archive, e->erasure_id, buf_sv(&b), receipt_written, e);
    } else {
        chat_erasure_failed(e, ERASE_MEMORY);
        finish(e);
    }
    buf_fini(&b);
}

static void letters_dropped(void *arg, enum store_status status, int64_t dropped)
{
    struct chat_erasure *e = arg;

    e->letters += dropped;
    if (status != STORE_DONE)
        chat_erasure_failed(e, ERASE_STORE_DOWN);
    write_receipt(e);
}

void chat_erasure_letters(struct chat_erasure *e)
{
    const struct erase_letters what = { .sessions = e->sessions, .user_id = e->whole ? e->f.user_id : SV_NONE, .user_at_ms = e->at_ms };

    erase_letters(e->f.c.t, &what, letters_dropped, e);
}

/* ---- one session ---- */

static void session_erased(void *arg, const struct erased_session *s)
{
    struct chat_erasure *e = arg;

    chat_erasure_note(e, e->f.session_id, s);
    e->at_ms = s->at_ms;
    e->erasure_id = arena_sv(e->f.c.a, s->archive.erasure_id);
    chat_erasure_letters(e);
}

static void give_up(struct chat_erasure *e)
{
    chat_erasure_failed(e, ERASE_STORE_DOWN);
    refuse(e);
    erasure_end(e);
}

static void begun(void *arg, enum store_status status)
{
    struct chat_erasure *e = arg;
    const struct erase_session what = { .id = e->f.session_id, .user_id = e->f.user_id };

    if (status == STORE_DONE) {
        erase_session(e->f.c.t, &what, session_erased, e);
        return;
    }
    give_up(e);
}

static void erase_it(struct chat_find *f)
{
    struct chat_erasure *e = (struct chat_erasure *)(void *)f;
    struct sv name = begun_name(e);

    e->sessions = map_new();
    if (name.p == NULL || e->sessions == NULL) {
        chat_erasure_failed(e, ERASE_MEMORY);
        refuse(e);
        erasure_end(e);
    } else {
        store_put(f->c.t->o.store, name, f->user_id, f->c.t->o.mark_ttl_ms, begun, e);
    }
}

/* An administrator may have it erased as often as he likes. */
static void got_erased(void *arg, enum store_status status, int64_t at_ms)
{
    struct chat_erasure *e = arg;

    if (status != STORE_DONE)
        give_up(e);
    else if (at_ms != 0)
        erase_it(&e->f);
    else
        chat_find_go(&e->f);
}

static void got_begun(void *arg, enum store_status status, struct sv user_id)
{
    struct chat_erasure *e = arg;
    bool his = e->f.who.admin || sv_eq(e->f.who.user_id, e->f.user_id);

    if (status != STORE_DONE)
        give_up(e);
    else if (user_id.n > 0 && his && sv_eq(user_id, e->f.user_id))
        erase_it(&e->f);
    else if (e->f.who.admin)
        store_erased_at(e->f.c.t->o.store, e->f.session_id, got_erased, e);
    else
        chat_find_go(&e->f);
}

/* ---- the question ---- */

static void refuse_user(void *arg)
{
    chat_refuse_access(arg);
    control_end(arg);
}

static void refuse_standing_in(void *arg)
{
    control_refuse(arg, 503, "store_standing_in", "Another store stands in for the one that has everything: nothing can be erased until it is back.", NULL);
    control_end(arg);
}

static bool stands_in(const struct turns *t)
{
    return store_is_standing_in(t->o.store) || store_is_spooling(t->o.store);
}

static void erase_user(struct turns *t, const struct chat_who *who, struct sv user_id, control_fn *fn, void *arg)
{
    struct chat_erasure *e = control_begin(t, sizeof(*e), fn, arg);

    if (e == NULL)
        return;
    e->whole = true;
    e->f.who = *who;
    e->f.user_id = arena_sv(e->f.c.a, user_id);
    e->sessions = map_new();
    if (!who->admin && !sv_eq(who->user_id, user_id)) {
        map_free(e->sessions);
        loop_soon(t->o.loop, refuse_user, e);
    } else if (stands_in(t)) {
        map_free(e->sessions);
        loop_soon(t->o.loop, refuse_standing_in, e);
    } else if (e->f.user_id.p == NULL || e->sessions == NULL) {
        map_free(e->sessions);
        control_short_of_memory(&e->f.c);
    } else {
        chat_erasure_user(e);
    }
}

void chat_erase(struct turns *t, const struct chat_who *who, struct sv user_id, struct sv session_id, control_fn *fn, void *arg)
{
    if (session_id.p == NULL) {
        erase_user(t, who, user_id, fn, arg);
        return;
    }
    struct chat_erasure *e = chat_find_begin(t, sizeof(*e), who, user_id, session_id, fn, arg);
    if (e == NULL)
        return;
    struct sv name = begun_name(e);
    e->f.unknown_code = "session_not_found";
    e->f.unknown_text = "Session not found";
    e->f.found = erase_it;
    if (stands_in(t))
        loop_soon(t->o.loop, refuse_standing_in, e);
    else if (name.p == NULL)
        control_short_of_memory(&e->f.c);
    else
        store_get(t->o.store, name, got_begun, e);
}
