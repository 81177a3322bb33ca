/* SPDX-License-Identifier: MIT
 * What of a history is new, and what its arrival leaves behind. The markup has no names for messages. They are made of what was said by whom for the
 * how-manieth time, and in which part of a day, so that a store that knows nothing of another one's messages, as during an outage, gives the same
 * ones, and the two can be joined; but not the one that the same words had last week. Knows nothing of who asked. */
#include "config.h"

#include <stdio.h>

#include "lib/clock.h"
#include "lib/digest.h"
#include "turn/intake.h"
#include "turn/overlap.h"
#include "turn/reason.h"
#include "turn/recent.h"
#include "turn/step_parts.h"

#define NEW_MAX 1000 /* parts of one request; more of the customer's newest when as many may wait */
#define SAID_LOOKED_AT 200 /* parts before one that are compared with it */
#define NAMES_FOR_MS (6 * 3600 * INT64_C(1000)) /* shorter than any mark is kept: an equal name is noticed */

void intake_lock_id(char out[ID_UUID_SIZE], const char *token)
{
    if (strlen(token) != ID_TOKEN_SIZE - 1)
        out[0] = '\0';
    else
        (void)snprintf(out, ID_UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", token, token + 8, token + 12, token + 16, token + 20);
}

/* ---- what is new ---- */

/* What is stored, in the order in which it came: a message that waited while later ones were answered stands before them here, as it does with
 * its platform, and not where its answer put it. */
struct entry {
    struct overlap_entry is;
    struct sv id; /* SV_NONE for replies */
    uint64_t order; /* in which this host accepted it, where that is known; 0: it is not */
    size_t pending; /* its place in the pending list; SIZE_MAX: it does not wait here */
};

struct stored {
    struct entry *entries;
    size_t n;
};

static int add(struct stored *s, struct arena *a, const struct sv *items, size_t n, bool pending)
{
    for (size_t i = 0; i < n; i++) {
        struct message_item m;
        struct err e;
        if (message_look(items[i], &m, &e) != 0)
            continue; /* whoever asks the AI tells of it */
        struct sv text = message_text(a, m.content_json);
        if (text.p == NULL)
            return -1;
        s->entries[s->n++] = (struct entry){ .is = { .user = sv_eq(m.role, SV("user")), .text = text,
                                                     .at_ms = m.received_ms != 0 ? m.received_ms : m.timestamp_ms },
                                             .id = m.message_id_json.p != NULL ? message_text(a, m.message_id_json) : SV_NONE,
                                             .pending = pending ? i : SIZE_MAX };
    }
    return 0;
}

static struct entry *find(const struct stored *s, struct sv id)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->entries[i].id.p != NULL && sv_eq(s->entries[i].id, id))
            return &s->entries[i];
    return NULL;
}

/* The shared store is away, and knew what neither the one that stands in nor the archive knows. There must be room for RECENT_OF_MAX more. */
static int add_recent(struct intake *r, struct transact *x, struct stored *s)
{
    struct recent_message *recent = arena_array(x->scratch, RECENT_OF_MAX, sizeof(*recent));
    if (recent == NULL)
        return -1;
    size_t n = recent_of(r->t->o.recent, r->h.conversation_id, clock_wall_ms() - RECENT_MS, recent, RECENT_OF_MAX);
    for (size_t i = 0; i < n; i++) {
        struct entry *known = find(s, sv_from(recent[i].id));
        if (known == NULL) {
            known = &s->entries[s->n++];
            *known = (struct entry){ .is = { .user = true, .text = SV(""), .key = recent[i].key, .at_ms = recent[i].at_ms },
                                     .id = sv_from(recent[i].id), .pending = SIZE_MAX };
        }
        known->order = recent[i].order;
    }
    return 0;
}

/* What one request brought has one time. */
static bool is_later(const struct entry *a, const struct entry *b)
{
    return a->is.at_ms != b->is.at_ms ? a->is.at_ms > b->is.at_ms : a->order != 0 && b->order != 0 && a->order > b->order;
}

/* Insertion sort: stable, and the list comes nearly sorted. */
static void sort(struct stored *s)
{
    for (size_t i = 1; i < s->n; i++) {
        struct entry moved = s->entries[i];
        size_t j = i;
        for (; j > 0 && is_later(&s->entries[j - 1], &moved); j--)
            s->entries[j] = s->entries[j - 1];
        s->entries[j] = moved;
    }
}

static int gather(struct intake *r, struct transact *x, struct stored *s)
{
    s->entries = arena_array(x->scratch, r->recalled_n + x->context_n + x->pending_n + RECENT_OF_MAX, sizeof(*s->entries));
    if (s->entries == NULL || add(s, x->scratch, r->recalled, r->recalled_n, false) != 0 ||
        add(s, x->scratch, x->context, x->context_n, false) != 0 || add(s, x->scratch, x->pending, x->pending_n, true) != 0)
        return -1;
    if (r->t->o.recent != NULL && store_is_standing_in(r->t->o.store) && add_recent(r, x, s) != 0)
        return -1;
    sort(s);
    return 0;
}

/* How many of r->parts, which it makes, are known. SIZE_MAX: memory is short. */
static size_t count_known(struct intake *r, struct transact *x, const struct stored *s, size_t *last)
{
    struct overlap_entry *entries = arena_array(x->scratch, s->n + 1, sizeof(*entries));
    if (entries == NULL)
        return SIZE_MAX;
    for (size_t i = 0; i < s->n; i++)
        entries[i] = s->entries[i].is;
    struct overlap_room *room = arena_array(x->scratch, r->h.parts_n + 1, sizeof(*room));
    struct markup_part *parts = arena_array(x->scratch, r->h.parts_n + 1, sizeof(*parts));
    size_t *places = arena_array(x->scratch, r->h.parts_n + 1, sizeof(*places));
    if (room == NULL || parts == NULL || places == NULL)
        return SIZE_MAX;
    size_t known = overlap_known(entries, s->n, r->h.parts, r->h.parts_n, last, room);
    r->parts_n = 0;
    for (size_t i = 0; i < r->h.parts_n; i++) {
        if (room[i].known)
            continue;
        parts[r->parts_n] = r->h.parts[i];
        places[r->parts_n++] = i;
    }
    r->parts = parts;
    r->places = places;
    return known < r->parts_n ? known : r->parts_n;
}

/* Which job has the last message that was recognised. */
static void note_known(struct intake *r, const struct transact *x, const struct stored *s, size_t last)
{
    const struct conversation *c = &x->before;
    const struct entry *e = last != SIZE_MAX ? &s->entries[last] : NULL;
    r->last_id = e != NULL && e->id.p != NULL ? arena_sv(r->a, e->id) : SV_NONE;
    r->job_id[0] = '\0';
    if (e == NULL || e->pending == SIZE_MAX || c->phase == PHASE_IDLE)
        return;
    size_t place = e->pending;
    if (place >= c->covered_n && place - c->covered_n < c->cancelled_n)
        return; /* its end is only to be written down */
    bool next = (c->phase == PHASE_THINKING || c->phase == PHASE_SENDING) && place >= c->covered_n && c->next_turn_id[0] != '\0';
    step_copy(r->job_id, sizeof(r->job_id), next ? c->next_turn_id : c->turn_id);
    r->consolidated = next ? c->pending_n - c->covered_n : c->pending_n;
    intake_lock_id(r->lock_id, c->token[0] != '\0' ? c->token : c->lock_token);
}

/* How often the same was said before the i-th part, by what is stored and by the parts that are new. */
static size_t said_before(const struct intake *r, const struct stored *s, size_t known, size_t i)
{
    const struct markup_part *part = &r->parts[i];
    uint64_t key = overlap_key(!part->bot, part->text);
    size_t n = 0;
    for (size_t k = 0; k < s->n; k++) {
        const struct overlap_entry *e = &s->entries[k].is;
        n += e->user != part->bot && (e->key != 0 ? e->key == key : sv_eq(e->text, part->text));
    }
    for (size_t k = i > known + SAID_LOOKED_AT ? i - SAID_LOOKED_AT : known; k < i; k++)
        n += r->parts[k].bot == part->bot && sv_eq(r->parts[k].text, part->text);
    return n + (i > known + SAID_LOOKED_AT ? i : 0); /* further back it only has to be another number */
}

static const char *make_id(struct intake *r, const struct markup_part *part, size_t before, int64_t now_ms)
{
    unsigned char digest[DIGEST_SIZE];
    char *id = arena_alloc(r->a, ID_UUID_SIZE);
    struct buf b = { 0 };
    buf_add(&b, r->h.conversation_id);
    buf_printf(&b, "%c%c%zu %u %lld%c", '\0', part->bot ? 'B' : 'U', before, r->salt, (long long)(now_ms / NAMES_FOR_MS), '\0');
    buf_add(&b, part->text);
    bool made = id != NULL && buf_ok(&b);
    if (made) {
        digest_sha256(buf_sv(&b), digest);
        id_uuid8(id, digest);
    }
    buf_fini(&b);
    return made ? id : NULL;
}

static int make_message(struct intake *r, const struct stored *s, size_t known, size_t i, int64_t now_ms, struct message *m)
{
    const struct markup_part *part = &r->parts[i];
    const char **name = &r->names[r->places[i]];
    if (*name == NULL)
        *name = make_id(r, part, said_before(r, s, known, i), now_ms);
    if (*name == NULL)
        return -1;
    *m = (struct message){ .conversation_id = r->h.conversation_id, .message_id = sv_from(*name), .content = part->text, .timestamp_ms = now_ms };
    m->sender_type = part->bot ? SENDER_BOT : SENDER_USER;
    m->sender_id = part->bot ? SV("bot") : r->h.sender_id;
    return 0;
}

/* Parts [known, n) become messages: those outside of the run are history. */
static int make_messages(struct intake *r, struct transact *x, const struct stored *s, size_t known, const struct markup_run *run)
{
    size_t n = r->parts_n - known, at = 0, users = 0;
    r->others = arena_array(r->a, n, sizeof(*r->others));
    if (r->others == NULL)
        return -1;
    for (size_t i = known; i < r->parts_n; i++)
        if ((i < run->begin || i >= run->end) && make_message(r, s, known, i, x->event.now_ms, &r->others[at++]) != 0)
            return -1;
    r->history_n = at;
    for (size_t i = 0; i < at; i++)
        users += r->others[i].sender_type == SENDER_USER;
    for (size_t i = run->begin; i + 1 < run->end; i++)
        if (make_message(r, s, known, i, x->event.now_ms, &r->others[at++]) != 0)
            return -1;
    if (make_message(r, s, known, run->end - 1, x->event.now_ms, &r->newest) != 0)
        return -1;
    for (size_t i = r->history_n; i < at; i++)
        r->others[i].metadata = r->h.metadata;
    r->newest.metadata = r->h.metadata;
    r->newest.bot_id = r->h.bot_id;
    r->newest.callback_url = r->h.callback_url;
    r->newest.request_id = r->h.request_id;
    r->newest.traceparent = r->h.traceparent;
    x->history = r->others;
    x->older = &r->others[r->history_n];
    x->event.history_n = (uint32_t)r->history_n;
    x->event.history_users_n = (uint32_t)users;
    x->event.together_n = (uint32_t)(run->end - run->begin);
    x->event.message = &r->newest;
    return 0;
}

/* Requests may overtake each other: one that holds a single text comes late when that text waits for its answer already. (Where it has been
 * answered, the customer says it again.) SIZE_MAX: it does not wait. */
static size_t waits_already(const struct intake *r, const struct stored *s)
{
    if (r->h.parts_n != 1)
        return SIZE_MAX;
    for (size_t i = 0; i < s->n; i++)
        if (s->entries[i].pending != SIZE_MAX && sv_eq(s->entries[i].is.text, r->h.parts[0].text))
            return i;
    return SIZE_MAX;
}

bool intake_look(struct transact *x)
{
    struct intake *r = x->arg;
    struct stored s = { 0 };
    struct markup_run run;
    size_t last = SIZE_MAX;
    if (gather(r, x, &s) != 0)
        return false;
    size_t known = count_known(r, x, &s, &last);
    if (known == SIZE_MAX)
        return false;
    run = markup_question(r->parts, r->parts_n, known);
    size_t late = waits_already(r, &s);
    if (run.begin == run.end || late != SIZE_MAX) {
        note_known(r, x, &s, run.begin == run.end ? last : late);
        return false;
    }
    r->last_id = SV_NONE;
    size_t max = x->policy->pending_max;
    if (run.end - run.begin > max) /* more could never wait: they are told as what came before */
        run.begin = run.end - max;
    if (r->parts_n - known > NEW_MAX) { /* a history of years: what is further back is no help to anybody, and others would wait for it */
        size_t from = r->parts_n - NEW_MAX;
        known = from < run.begin ? from : run.begin;
    }
    return make_messages(r, x, &s, known, &run) == 0;
}

/* ---- what it leaves behind ---- */

static int fill_marks(struct transact *x, struct store_change *c)
{
    const struct intake *r = x->arg;
    size_t older_n = x->event.together_n - 1;
    uint64_t seq = x->decision.next.seq;
    char hash[17];
    struct store_pair *marks = arena_array(x->scratch, older_n + 1, sizeof(*marks));
    if (marks == NULL)
        return -1;
    for (size_t i = 0; i <= older_n; i++) {
        const struct message *m = i < older_n ? &x->older[i] : &r->newest;
        message_hash(m, hash);
        marks[i] = (struct store_pair){ m->message_id, arrival_mark(x, seq - older_n + i, hash) };
        if (marks[i].value.p == NULL)
            return -1;
    }
    c->mark_new = marks[older_n];
    c->marks = marks;
    c->marks_n = older_n;
    return 0;
}

/* History is kept at once; so is what nothing answers. */
static int fill_items(struct transact *x, struct store_change *c)
{
    const struct intake *r = x->arg;
    const struct decision *d = &x->decision;
    size_t together_n = x->event.together_n, n = r->history_n + (d->verdict == VERDICT_RECORDED ? together_n : 0);
    uint64_t first = d->next.seq - together_n - r->history_n + 1;
    struct sv *items = arena_array(x->scratch, n + 1, sizeof(*items));
    if (items == NULL)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const struct message *m = i < r->history_n ? &x->history[i] : i + 1 < r->history_n + together_n ? &x->older[i - r->history_n] : &r->newest;
        items[i] = arrival_item(x, m, first + i, i < r->history_n ? REASON_HISTORY : d->reason);
        if (items[i].p == NULL)
            return -1;
    }
    c->queue_add = items;
    c->queue_add_n = n;
    return 0;
}

int intake_fill(struct transact *x, struct store_change *c)
{
    const struct intake *r = x->arg;
    if (fill_marks(x, c) != 0 || fill_items(x, c) != 0)
        return -1;
    return x->decision.verdict == VERDICT_RECORDED ? 0 : arrival_job(x, c, r->newest.message_id);
}
