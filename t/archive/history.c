/* SPDX-License-Identifier: MIT
 * See history.h. */
#include "config.h"

#include <stdlib.h>

#include "t/archive/history.h"

unsigned history_below(unsigned n)
{
    static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 20) % n);
}

/* ---- copies ---- */

static void came(struct history_answer *h, enum archive_status status, size_t n)
{
    if (h->inside)
        ok(false, "%s: an answer came from inside the call", h->r->name);
    h->count++;
    h->status = status;
    h->n = n;
}

static void *room(struct history_answer *h, size_t n, size_t size)
{
    void *p = arena_array(h->r->arena, n + 1, size);
    if (p == NULL)
        bail_out("out of memory");
    return p;
}

static struct sv copy(struct history_answer *h, struct sv s)
{
    struct sv c = arena_sv(h->r->arena, s);
    if (c.p == NULL && s.p != NULL)
        bail_out("out of memory");
    return c;
}

static void on_page(void *arg, enum archive_status status, const struct archive_pages *p)
{
    struct history_answer *h = arg;
    struct archive_exchange *list = room(h, p != NULL ? p->n : 0, sizeof(*list));
    bool *known = room(h, h->known_n, sizeof(*known));

    came(h, status, p != NULL ? p->n : 0);
    h->total = p != NULL ? p->total : -2;
    for (size_t i = 0; p != NULL && i < p->n; i++) {
        const struct archive_exchange *x = &p->list[i];
        list[i] = *x;
        list[i].message_id = copy(h, x->message_id);
        list[i].sender_id = copy(h, x->sender_id);
        list[i].content = copy(h, x->content);
        list[i].reply = copy(h, x->reply);
        list[i].metadata = copy(h, x->metadata);
        list[i].status = copy(h, x->status);
        list[i].reason = copy(h, x->reason);
        list[i].turn_id = copy(h, x->turn_id);
    }
    for (size_t i = 0; p != NULL && i < h->known_n; i++)
        known[i] = p->known[i];
    h->exchanges = list;
    h->known = known;
}

static void on_sessions(void *arg, enum archive_status status, const struct archive_user_session *list, size_t n)
{
    struct history_answer *h = arg;
    struct archive_user_session *sessions = room(h, n, sizeof(*sessions));

    came(h, status, n);
    for (size_t i = 0; i < n; i++) {
        sessions[i] = list[i];
        sessions[i].session_id = copy(h, list[i].session_id);
        sessions[i].status = copy(h, list[i].status);
    }
    h->sessions = sessions;
}

static void on_ids(void *arg, enum archive_status status, const struct sv *list, size_t n)
{
    struct history_answer *h = arg;
    struct sv *ids = room(h, n, sizeof(*ids));

    came(h, status, n);
    for (size_t i = 0; i < n; i++)
        ids[i] = copy(h, list[i]);
    h->ids = ids;
}

static void on_figures(void *arg, enum archive_status status, const struct archive_figure *list, size_t n)
{
    struct history_answer *h = arg;
    struct archive_figure *figures = room(h, n, sizeof(*figures));

    came(h, status, n);
    for (size_t i = 0; i < n; i++)
        figures[i] = (struct archive_figure){ copy(h, list[i].day), copy(h, list[i].metric), list[i].value };
    h->figures = figures;
}

static void on_pairs(void *arg, enum archive_status status, const struct archive_pair *list, size_t n)
{
    struct history_answer *h = arg;
    struct archive_pair *pairs = room(h, n, sizeof(*pairs));

    came(h, status, n);
    for (size_t i = 0; i < n; i++)
        pairs[i] = (struct archive_pair){ copy(h, list[i].key), copy(h, list[i].value) };
    h->pairs = pairs;
}

static void on_done(void *arg, enum archive_status status)
{
    came(arg, status, 0);
}

/* ---- calls ---- */

static void begin(struct rig *r, struct history_answer *h)
{
    *h = (struct history_answer){ .r = r, .inside = true };
}

void history_start_page(struct rig *r, struct archive *a, struct history_answer *h, const struct archive_page *p)
{
    begin(r, h);
    h->known_n = p->recent_n;
    archive_history(a, p, on_page, h);
    h->inside = false;
}

void history_start_sessions(struct rig *r, struct archive *a, struct history_answer *h, struct sv user, size_t max)
{
    begin(r, h);
    archive_user_sessions(a, user, max, on_sessions, h);
    h->inside = false;
}

void history_start_ids(struct rig *r, struct archive *a, struct history_answer *h, struct sv user, struct sv after, size_t max)
{
    begin(r, h);
    archive_user_ids(a, user, after, max, on_ids, h);
    h->inside = false;
}

void history_start_figures(struct rig *r, struct archive *a, struct history_answer *h, struct sv from, struct sv to, bool users)
{
    begin(r, h);
    archive_figures(a, from, to, users, on_figures, h);
    h->inside = false;
}

void history_start_figures_put(struct rig *r, struct archive *a, struct history_answer *h, const struct archive_figure *list, size_t n, int64_t read_ms)
{
    begin(r, h);
    archive_figures_put(a, list, n, read_ms, on_done, h);
    h->inside = false;
}

void history_start_preferences(struct rig *r, struct archive *a, struct history_answer *h, struct sv user)
{
    begin(r, h);
    archive_preferences(a, user, on_pairs, h);
    h->inside = false;
}

void history_start_preferences_put(struct rig *r, struct archive *a, struct history_answer *h, struct sv user, const struct archive_pair *pairs, size_t n)
{
    begin(r, h);
    archive_preferences_put(a, user, pairs, n, on_done, h);
    h->inside = false;
}

static bool answered(void *arg)
{
    return ((const struct history_answer *)arg)->count > 0;
}

void history_wait(struct rig *r, const struct history_answer *h)
{
    if (!rig_until(r, answered, (void *)(uintptr_t)h))
        bail_out("%s: a call was not answered", r->name);
}

static struct history_answer *fresh(struct rig *r)
{
    struct history_answer *h = arena_alloc(r->arena, sizeof(*h));
    if (h == NULL)
        bail_out("out of memory");
    return h;
}

const struct history_answer *history_page(struct rig *r, const struct archive_page *p)
{
    struct history_answer *h = fresh(r);
    history_start_page(r, r->a, h, p);
    history_wait(r, h);
    return h;
}

const struct history_answer *history_sessions(struct rig *r, const char *user, size_t max)
{
    struct history_answer *h = fresh(r);
    history_start_sessions(r, r->a, h, sv_from(user), max);
    history_wait(r, h);
    return h;
}
