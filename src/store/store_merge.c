/* SPDX-License-Identifier: MIT
 * Going back from the host's state file to the shared store, as a chain of asynchronous steps:
 *
 *   values:        some small values of `from` -> put into `to`, removed from `from`      until there are none (store_merge_values.c)
 *   preferences:   those of one user, the same
 *   conversation:  the next whole one of `from`, with a part of each queue                until there is none
 *     seen:        the same in `to`, with the mark that says whether this very state was taken over before
 *     marks:       what `to` knows of each message that `from` knows
 *     history:     what `to` knows of it, and whether it was erased there (store_merge_history.c)
 *     apply:       everything in one step, with that mark
 *     forget:      removed from `from`
 *
 * Killed anywhere and run again it ends the same: a step that was done is recognised by its mark, one that was not is
 * done then. The first trouble ends the merge with its status; what was not forgotten is still in `from`. Knows of the
 * contents only that a pending item names its message ("message_id") and that a mark with a "status" has its answer. */
#include "config.h"

#include <stdlib.h>

#include "lib/json.h"
#include "lib/log.h"
#include "store/store_merge_inside.h"

#define ARENA_MAX (256u << 20)
#define MARK_TTL_MS (48 * 3600 * INT64_C(1000)) /* of the merge's own mark */
#define LOADS_MAX 64                            /* at a time */
#define TRIES_MAX 10                            /* other hosts may work on the same conversation */
#define PLACEHOLDER 1                           /* version of a record that is made only to be forgotten at once */

/* One of several loads that run side by side. */
struct lookup {
    struct merge *m;
    struct known *known;
};

static void look_at_target(struct merge *m);

void merge_finish(struct merge *m, enum store_status status)
{
    store_status_fn *fn = m->fn;
    void *arg = m->arg;
    arena_free(m->arena);
    free(m);
    fn(arg, status);
}

bool merge_keep(struct merge *m, struct sv *s)
{
    if (s->p == NULL)
        return true;
    *s = arena_sv(m->arena, *s);
    return s->p != NULL;
}

bool merge_keep_all(struct merge *m, const struct sv **items, size_t n)
{
    struct sv *kept = arena_array(m->arena, n + 1, sizeof *kept);
    for (size_t i = 0; kept != NULL && i < n; i++) {
        kept[i] = (*items)[i];
        if (!merge_keep(m, &kept[i]))
            return false;
    }
    *items = kept;
    return kept != NULL;
}

static bool keep_queues(struct merge *m, struct sqlite_whole *w)
{
    bool kept = true;
    for (size_t q = 0; kept && q < STORE_QUEUES; q++)
        kept = merge_keep_all(m, &w->queues[q].at, w->queues[q].n);
    return kept;
}

static bool keep_letters(struct merge *m, const struct store_letter **letters, size_t n)
{
    struct store_letter *kept = arena_array(m->arena, n + 1, sizeof *kept);
    for (size_t i = 0; kept != NULL && i < n; i++) {
        kept[i] = (*letters)[i];
        if (!merge_keep(m, &kept[i].id) || !merge_keep(m, &kept[i].item))
            return false;
    }
    *letters = kept;
    return kept != NULL;
}

/* ---- the end of a conversation's step ---- */

static void forgotten(void *arg, enum store_status status)
{
    struct merge *m = arg;
    if (status != STORE_DONE)
        merge_finish(m, status);
    else
        merge_next_conversation(m);
}

/* merged false: it never was, its key is given up. */
static void forget(struct merge *m, bool merged)
{
    store_sqlite_ask(m->from, &(struct op){ .kind = OP_FORGET, .ask.forget = { m->whole.id, m->whole.key, merged } },
                     &(struct answer){ .kind = ANSWER_STATUS, .fn.status = forgotten, .arg = m });
}

static void unmade(void *arg, enum store_status status, const struct store_applied *a)
{
    struct merge *m = arg;
    (void)a;
    if (status == STORE_DONE || status == STORE_CONFLICT) /* CONFLICT: somebody has come back to it at once */
        forget(m, true);
    else
        merge_finish(m, status);
}

/* Neither side has a record: the one that was needed to bring marks and items over goes again. */
static void unmake(struct merge *m)
{
    struct store_change c = { .conversation_id = m->whole.id, .expect_version = PLACEHOLDER, .forget = true };
    store_apply(m->to, &c, unmade, m);
}

static void applied(void *arg, enum store_status status, const struct store_applied *a)
{
    struct merge *m = arg;
    (void)a;
    if (status == STORE_DONE && m->whole.record.p == NULL && m->seen.version == 0)
        unmake(m);
    else if (status == STORE_DONE || status == STORE_DUPLICATE)
        forget(m, true);
    else if (status == STORE_CONFLICT && ++m->tries < TRIES_MAX)
        look_at_target(m);
    else
        merge_finish(m, status == STORE_CONFLICT ? STORE_DOWN : status);
}

/* ---- what goes over ---- */

struct sv merge_member(struct merge *m, struct sv item, const char *name)
{
    json_t *o = json_read_in(m->arena, item, false, NULL);
    return o != NULL ? json_sv(o, name) : SV_NONE;
}

static bool is_answered(struct merge *m, struct sv mark)
{
    if (mark.p == NULL)
        return false;
    json_t *o = json_read_in(m->arena, mark, false, NULL);
    return o != NULL && json_object_get(o, "status") != NULL;
}

static const struct known *find_known(const struct merge *m, struct sv message_id)
{
    for (size_t i = 0; message_id.p != NULL && i < m->known_n; i++) {
        if (sv_eq(m->known[i].message_id, message_id))
            return &m->known[i];
    }
    return NULL;
}

/* Both lists, each item with what the other side says of it. */
struct pending {
    struct store_waiting *ours, *theirs;
};

static bool look_at_pending(struct merge *m, struct pending *p)
{
    const struct sqlite_whole *w = &m->whole;
    size_t ours_n = w->pending_n, theirs_n = m->seen.pending_n;
    *p = (struct pending){ arena_array(m->arena, ours_n + 1, sizeof *p->ours), arena_array(m->arena, theirs_n + 1, sizeof *p->theirs) };
    struct sv *ids = arena_array(m->arena, theirs_n + 1, sizeof *ids); /* of theirs */
    if (p->ours == NULL || p->theirs == NULL || ids == NULL)
        return false;
    for (size_t i = 0; i < theirs_n; i++) {
        ids[i] = merge_member(m, m->seen.pending[i], "message_id");
        const struct known *k = find_known(m, ids[i]);
        p->theirs[i] = (struct store_waiting){ .answered = k != NULL && is_answered(m, k->ours), .same = SIZE_MAX };
    }
    for (size_t i = 0; i < ours_n; i++) {
        struct sv id = merge_member(m, w->pending[i], "message_id");
        const struct known *k = find_known(m, id);
        p->ours[i] = (struct store_waiting){ .answered = k != NULL && is_answered(m, k->theirs), .same = SIZE_MAX };
        for (size_t j = 0; id.p != NULL && j < theirs_n; j++) {
            if (ids[j].p == NULL || !sv_eq(ids[j], id))
                continue;
            p->ours[i].same = j;
            p->theirs[j].same = i;
            p->ours[i].answered = p->theirs[j].answered = p->ours[i].answered || p->theirs[j].answered;
        }
    }
    return true;
}

/* Marks with an answer win; what `to` has answered itself stays. */
static bool select_marks(struct merge *m, struct store_change *c)
{
    struct store_pair *marks = arena_array(m->arena, m->known_n + 1, sizeof *marks);
    for (size_t i = 0; marks != NULL && i < m->known_n; i++) {
        const struct known *k = &m->known[i];
        if (k->ours.p == NULL || (k->theirs.p != NULL && (is_answered(m, k->theirs) || !is_answered(m, k->ours))))
            continue;
        marks[c->marks_n++] = (struct store_pair){ k->message_id, k->ours };
    }
    c->marks = marks;
    c->mark_ttl_ms = m->mark_ttl_ms;
    c->mark_new = (struct store_pair){ m->whole.key, SV("{\"status\":\"merged\"}") };
    return marks != NULL;
}

/* What a context item is about: a message, or the reply of a turn. */
static struct sv subject(struct merge *m, struct sv item)
{
    struct sv id = merge_member(m, item, "message_id");
    return id.p != NULL ? id : merge_member(m, item, "turn_id");
}

/* Context of ours that theirs does not have. */
static bool select_context(struct merge *m, struct store_change *c)
{
    const struct sqlite_whole *w = &m->whole;
    struct sv *add = arena_array(m->arena, w->context_n + 1, sizeof *add);
    struct sv *subjects = arena_array(m->arena, m->seen.context_n + 1, sizeof *subjects);
    if (add == NULL || subjects == NULL)
        return false;
    for (size_t i = 0; i < m->seen.context_n; i++)
        subjects[i] = subject(m, m->seen.context[i]);
    for (size_t i = 0; i < w->context_n; i++) {
        struct sv about = subject(m, w->context[i]);
        bool there = false;
        for (size_t k = 0; k < m->seen.context_n && !there; k++)
            there = sv_eq(m->seen.context[k], w->context[i]) ||
                    (about.p != NULL && subjects[k].p != NULL && sv_eq(subjects[k], about));
        if (!there)
            add[c->context_add_n++] = w->context[i];
    }
    c->context_add = add;
    c->context_max = 0; /* the next turn cuts it */
    return true;
}

/* One list, of which what is before `at` is done with. */
struct side {
    const struct sv *items;
    const struct store_waiting *of;
    size_t n, at;
    bool *taken, *others_taken;
};

/* The next front_n items that are left go to `all`, but for those that the other list has brought. */
static void take(struct side *s, size_t front_n, struct sv *all, size_t *n)
{
    for (; s->at < s->n && front_n > 0; s->at++) {
        const struct store_waiting *w = &s->of[s->at];
        if (w->answered)
            continue;
        front_n--;
        if (w->same != SIZE_MAX && s->others_taken[w->same])
            continue;
        s->taken[s->at] = true;
        all[(*n)++] = s->items[s->at];
    }
}

/* Replaced as a whole when more than an addition at its end is needed. */
static bool write_pending(struct merge *m, struct store_change *c, const struct pending *p, const struct store_joined *joined)
{
    size_t ours_n = m->whole.pending_n, theirs_n = m->seen.pending_n, n = 0, kept = 0;
    struct sv *all = arena_array(m->arena, ours_n + theirs_n + 1, sizeof *all);
    bool *taken = arena_array(m->arena, ours_n + theirs_n + 1, sizeof *taken);
    if (all == NULL || taken == NULL)
        return false;
    struct side theirs = { .items = m->seen.pending, .of = p->theirs, .n = theirs_n, .taken = taken + ours_n, .others_taken = taken };
    struct side ours = { .items = m->whole.pending, .of = p->ours, .n = ours_n, .taken = taken, .others_taken = taken + ours_n };
    take(&theirs, joined->new_front_n, all, &n);
    take(&ours, joined->old_front_n, all, &n);
    take(&theirs, SIZE_MAX, all, &n);
    take(&ours, SIZE_MAX, all, &n);
    while (kept < theirs_n && kept < n && all[kept].p == m->seen.pending[kept].p)
        kept++;
    bool only_adds = kept == theirs_n;
    c->pending_drop = only_adds ? 0 : theirs_n;
    kept = only_adds ? kept : 0;
    c->pending_add = n > kept ? all[kept] : SV_NONE;
    c->pending_more = &all[kept] + 1;
    c->pending_more_n = n > kept ? n - kept - 1 : 0;
    return true;
}

static bool any_left(const struct store_waiting *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!items[i].answered)
            return true;
    return false;
}

/* A record that cannot be joined must not keep a host in its fallback for ever: the shared store's stays (or ours,
 * where it has none), due at once. */
static struct store_joined join_records(struct merge *m, const struct pending *p)
{
    struct store_join in = { .old = m->whole.record,
                             .new_ = m->seen.record,
                             .old_pending = p->ours,
                             .new_pending = p->theirs,
                             .old_pending_n = m->whole.pending_n,
                             .new_pending_n = m->seen.pending_n,
                             .now_ms = m->seen.now_ms };
    struct store_joined out = { 0 };
    if (m->join(m->join_arg, m->arena, &in, &out) == 0)
        return out;
    log_error("merge: the two records of a conversation cannot be joined", "kept",
              in.new_.p != NULL ? "shared" : "local", NULL);
    out = (struct store_joined){ .record = in.new_.p != NULL ? in.new_ : in.old,
                                 .due_ms = in.now_ms,
                                 .in = any_left(p->ours, in.old_pending_n) || any_left(p->theirs, in.new_pending_n) ? STORE_IN_WAITING : 0,
                                 .activity_ms = in.now_ms,
                                 .waiting_ms = in.now_ms };
    if (out.record.p == NULL)
        out.record = SV("{}");
    return out;
}

void merge_apply_all(struct merge *m)
{
    const struct sqlite_items *items = &m->whole.queues[STORE_QUEUE_MESSAGES];
    const struct sqlite_items *callbacks = &m->whole.queues[STORE_QUEUE_CALLBACKS];
    struct pending p;
    bool made = m->whole.record.p == NULL && m->seen.version == 0;
    /* what was cached knows nothing of the other side; numbers go on above those that either has given out */
    struct store_session_change session = { .view_op = STORE_VIEW_DROP, .seq_least = (uint64_t)m->whole.last };
    struct store_change c = { .conversation_id = m->whole.id,
                              .expect_version = m->seen.version,
                              .first_version = made ? PLACEHOLDER : 0,
                              .lease = STORE_LEASE_DROP,
                              .queue_add = items->at,
                              .queue_add_n = items->n,
                              .callbacks_add = callbacks->at,
                              .callbacks_add_n = callbacks->n,
                              .letters = m->whole.letters,
                              .letters_n = m->whole.letters_n,
                              .session = &session,
                              .decided_ms = m->erased_ms + 1,
                              .finishing = true };
    bool ready = look_at_pending(m, &p) && select_marks(m, &c) && select_context(m, &c) && merge_history(m, &c.history);
    struct store_joined joined = { 0 };
    if (ready) {
        joined = join_records(m, &p);
        ready = write_pending(m, &c, &p, &joined);
    }
    if (!ready) {
        merge_finish(m, STORE_FULL);
        return;
    }
    c.record = joined.record;
    c.due_ms = joined.due_ms;
    c.in = joined.in;
    c.activity_ms = joined.activity_ms;
    c.active_ms = joined.active_ms;
    c.waiting_ms = joined.waiting_ms;
    c.paused_ms = joined.paused_ms;
    store_apply(m->to, &c, applied, m);
}

/* ---- what is there ---- */

static void ask_marks(struct merge *m);

static void mark_read(void *arg, enum store_status status, const struct store_view *v)
{
    struct lookup *l = arg;
    struct merge *m = l->m;
    if (status == STORE_DONE) {
        l->known->theirs = v->mark;
        if (!merge_keep(m, &l->known->theirs))
            m->trouble = STORE_FULL;
    } else {
        m->trouble = status;
    }
    if (--m->under_way > 0)
        return;
    if (m->trouble != STORE_DONE)
        merge_finish(m, m->trouble);
    else
        ask_marks(m);
}

/* The next portion; when there is none left, all is known. */
static void ask_marks(struct merge *m)
{
    size_t n = m->known_n - m->asked_n < LOADS_MAX ? m->known_n - m->asked_n : LOADS_MAX;
    struct lookup *l = arena_array(m->arena, n + 1, sizeof *l);
    if (l == NULL) {
        merge_finish(m, STORE_FULL);
        return;
    }
    if (n == 0) {
        merge_see_history(m);
        return;
    }
    m->under_way = n;
    for (size_t i = 0; i < n; i++) {
        l[i] = (struct lookup){ m, &m->known[m->asked_n++] };
        store_load(m->to, &(struct store_load){ m->whole.id, l[i].known->message_id, false }, mark_read, &l[i]);
    }
}

static void target_seen(void *arg, enum store_status status, const struct store_view *v)
{
    struct merge *m = arg;
    if (status != STORE_DONE) {
        merge_finish(m, status);
        return;
    }
    m->seen = *v;
    if (v->mark.p != NULL && m->whole.record.p == NULL && v->version == PLACEHOLDER) { /* made by us, and nobody has come since */
        unmake(m);
        return;
    }
    if (v->mark.p != NULL || m->whole.is_stale) {
        forget(m, v->mark.p != NULL);
        return;
    }
    if (!merge_keep(m, &m->seen.record) || !merge_keep_all(m, &m->seen.pending, v->pending_n) ||
        !merge_keep_all(m, &m->seen.context, v->context_n)) {
        merge_finish(m, STORE_FULL);
        return;
    }
    m->asked_n = 0;
    ask_marks(m);
}

static void look_at_target(struct merge *m)
{
    store_load(m->to, &(struct store_load){ m->whole.id, m->whole.key, true }, target_seen, m);
}

/* All messages of ours: those with a mark, and pending ones whose mark has expired. */
static bool list_known(struct merge *m)
{
    const struct sqlite_whole *w = &m->whole;
    m->known_n = 0;
    m->mark_ttl_ms = MARK_TTL_MS;
    m->known = arena_array(m->arena, w->marks_n + w->pending_n + 1, sizeof *m->known);
    if (m->known == NULL)
        return false;
    for (size_t i = 0; i < w->marks_n; i++) {
        struct known *k = &m->known[m->known_n++];
        *k = (struct known){ .message_id = w->marks[i].message_id, .ours = w->marks[i].value };
        if (!merge_keep(m, &k->message_id) || !merge_keep(m, &k->ours))
            return false;
        if (w->marks[i].left_ms > m->mark_ttl_ms)
            m->mark_ttl_ms = w->marks[i].left_ms;
    }
    for (size_t i = 0; i < w->pending_n; i++) {
        struct sv id = merge_member(m, w->pending[i], "message_id");
        if (id.n > 0 && id.n <= STORE_ID_MAX && find_known(m, id) == NULL)
            m->known[m->known_n++] = (struct known){ .message_id = id };
    }
    return true;
}

static void conversation_read(void *arg, enum store_status status, const void *what)
{
    struct merge *m = arg;
    struct sqlite_whole *w = &m->whole;
    if (status != STORE_DONE || what == NULL) {
        merge_finish(m, status);
        return;
    }
    *w = *(const struct sqlite_whole *)what;
    m->tries = 0;
    if (!merge_keep(m, &w->id) || !merge_keep(m, &w->record) || !merge_keep(m, &w->key) || !merge_keep_all(m, &w->pending, w->pending_n) ||
        !merge_keep_all(m, &w->context, w->context_n) || !keep_queues(m, w) ||
        !keep_letters(m, &w->letters, w->letters_n) || !merge_keep_history(m, w) || !list_known(m)) {
        merge_finish(m, STORE_FULL);
        return;
    }
    look_at_target(m);
}

void merge_next_conversation(struct merge *m)
{
    arena_reset(m->arena);
    store_sqlite_ask(m->from, &(struct op){ .kind = OP_WHOLE },
                     &(struct answer){ .kind = ANSWER_OTHER, .fn.other = conversation_read, .arg = m });
}

void store_merge(struct store *from, struct store *to, store_join_fn *join, void *join_arg, store_status_fn *fn,
                 void *arg)
{
    struct merge *m = calloc(1, sizeof *m);
    if (from->ops != &store_sqlite_ops) {
        log_error("merge: only a SQLite store can be emptied", NULL);
        abort();
    }
    if (m == NULL || (m->arena = arena_new(0, ARENA_MAX)) == NULL)
        abort(); /* nobody could be told */
    m->from = from;
    m->to = to;
    m->join = join;
    m->join_arg = join_arg;
    m->fn = fn;
    m->arg = arg;
    merge_next_values(m);
}
