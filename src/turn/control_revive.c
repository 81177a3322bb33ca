/* SPDX-License-Identifier: MIT
 * A turn that was given up gets its messages back: they are pending again, in their old order, and a turn is opened or joined. Only
 * when each of them still says that it failed in that very turn: the marks are read first, each with the record's version, and the change
 * is made at that version or not at all. A mark that has expired is looked up in the archive. */
#include "config.h"

#include "lib/digest.h"
#include "turn/control_revive.h"
#include "turn/reason.h"

#define TRIES_MAX 20

struct revived { /* one message */
    struct revival *owner;
    struct sv item, id;
    char hash[17];
    uint64_t seq;
    int64_t received_ms;
    bool failed, ours; /* its mark: failed in the letter's turn; brought back by this very letter */
};

struct revival {
    struct control_call *call;
    struct sv id, letter, conversation_id, turn_id;
    struct revived *messages;
    size_t messages_n, open;
    uint64_t version;
    int64_t read_ms; /* store time of the first mark */
    bool began, moved, down; /* began: a version is known; moved: another one came between */
    unsigned tries;
    char new_turn[ID_UUID_SIZE];
};

static void load_marks(struct revival *q);

/* ---- answers ---- */

static void refuse(struct revival *q, int http_status, const char *code, const char *message)
{
    control_refuse(q->call, http_status, code, message, NULL);
    control_end(q->call);
}

static void unavailable(struct revival *q)
{
    control_unavailable(q->call);
    control_end(q->call);
}

static void tell_revived(struct revival *q)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "id", q->id);
    json_kbool(&o, "retried", true);
    json_kstr(&o, "type", SV("turn"));
    json_kstr(&o, "conversation_id", q->conversation_id);
    json_kstr(&o, "turn_id", q->new_turn[0] != '\0' ? sv_from(q->new_turn) : SV_NONE);
    json_kint(&o, "messages", (int64_t)q->messages_n);
    json_obj_end(&o);
    control_tell(q->call, &b);
    control_end(q->call);
}

static void letter_dropped(void *arg, enum store_status status, const struct store_letter *letters, size_t n)
{
    struct revival *q = arg;
    (void)letters, (void)n;
    if (status == STORE_DONE)
        tell_revived(q);
    else /* asked again, it finds its own mark and drops the letter */
        unavailable(q);
}

static void drop_letter(struct revival *q)
{
    struct store_letters what = { .op = STORE_LETTERS_DROP, .id = q->id };
    store_letters(q->call->t->o.store, &what, letter_dropped, q);
}

/* ---- the change ---- */

static bool precedes(struct sv item, uint64_t seq)
{
    struct message_item m;
    struct err e;
    return message_look(item, &m, &e) == 0 && m.seq < seq;
}

/* All that is pending anew: what a running turn covers stays in front, the rest in the order of arrival. Both lists are sorted. */
static int fill_pending(struct transact *x, struct store_change *c, const struct revival *q)
{
    struct sv *list = arena_array(x->scratch, x->pending_n + q->messages_n, sizeof(*list));
    if (list == NULL)
        return -1;
    size_t n = 0, i = 0, covered = x->before.covered_n < x->pending_n ? x->before.covered_n : x->pending_n;
    while (i < covered)
        list[n++] = x->pending[i++];
    for (size_t k = 0; k < q->messages_n; k++) {
        while (i < x->pending_n && precedes(x->pending[i], q->messages[k].seq))
            list[n++] = x->pending[i++];
        list[n++] = q->messages[k].item;
    }
    while (i < x->pending_n)
        list[n++] = x->pending[i++];
    c->pending_more = list;
    c->pending_more_n = n;
    c->pending_drop = x->pending_n;
    c->pending_drop_to_context = false;
    return 0;
}

static int fill_marks(struct transact *x, struct store_change *c, const struct revival *q)
{
    struct store_pair *marks = arena_array(x->scratch, q->messages_n, sizeof(*marks));
    struct buf b = { 0 };
    bool fits = marks != NULL;
    for (size_t i = 0; fits && i < q->messages_n; i++) {
        const struct revived *m = &q->messages[i];
        struct json_out o = { .b = &b };
        buf_clear(&b);
        json_obj(&o);
        json_kint(&o, "seq", (int64_t)m->seq);
        json_kstr(&o, "turn", sv_from(x->decision.turn_id));
        json_kstr(&o, "h", sv_from(m->hash));
        json_kint(&o, "received", m->received_ms);
        json_kstr(&o, "revived", q->id);
        json_obj_end(&o);
        marks[i] = (struct store_pair){ m->id, buf_ok(&b) ? arena_sv(x->scratch, buf_sv(&b)) : SV_NONE };
        fits = marks[i].value.p != NULL;
    }
    buf_fini(&b);
    c->marks = marks;
    c->marks_n = q->messages_n;
    return fits ? 0 : -1;
}

static int fill_revival(struct transact *x, struct store_change *c)
{
    struct revival *q = x->arg;
    const struct conversation *n = &x->decision.next;
    struct sv id = sv_from(x->decision.turn_id);
    snprintf(q->new_turn, sizeof(q->new_turn), "%s", x->decision.turn_id);
    if (x->decision.named_next || x->before.phase == PHASE_IDLE) {
        c->job = (struct store_pair){ id, job_format(x->scratch, id, x->id, "queued", n, x->event.now_ms, n->pending_n, SV_NONE, NULL,
                                                     q->messages[0].id) };
        if (c->job.value.p == NULL)
            return -1;
        c->job_ttl_ms = JOB_OPEN_TTL_MS;
    }
    return fill_pending(x, c, q) != 0 ? -1 : fill_marks(x, c, q);
}

static void again(struct revival *q)
{
    if (++q->tries < TRIES_MAX)
        load_marks(q);
    else
        unavailable(q);
}

/* Whoever was told the job that was given up is shown what becomes of it now. */
static void lead_on(const struct revival *q)
{
    const char *from = arena_str(q->call->a, q->turn_id);
    if (from != NULL)
        job_alias(q->call->t, from, q->new_turn);
}

static void applied(struct transact *x)
{
    struct revival *q = x->arg;
    if (x->status == TRANSACT_STRANGE) { /* the conversation has gone on since its marks were read */
        again(q);
        return;
    }
    if (x->status != TRANSACT_DONE) {
        unavailable(q);
        return;
    }
    if (x->decision.verdict == VERDICT_REJECTED) {
        refuse(q, 409, "bot_paused", "The bot is silent in this conversation: resume it first.");
    } else if (x->decision.verdict == VERDICT_FULL) {
        refuse(q, 409, "too_many_pending", "Too many messages of this conversation wait already.");
    } else {
        lead_on(q);
        drop_letter(q);
    }
}

static void put_back(struct revival *q)
{
    struct transact *x = transact_new(q->call->t, q->conversation_id, EVENT_REVIVE, applied, q);
    if (x == NULL) {
        unavailable(q);
        return;
    }
    x->event.revive_n = (uint32_t)q->messages_n;
    x->event.revive_seq = q->messages[q->messages_n - 1].seq;
    x->want_lists = true;
    x->only_this = true;
    x->this_version = q->version;
    x->decided_ms = q->read_ms;
    x->fill = fill_revival;
    transact_go(x);
}

/* ---- the marks ---- */

static void look_done(struct revival *q)
{
    bool all_failed = true, all_ours = true;
    if (--q->open > 0)
        return;
    for (size_t i = 0; i < q->messages_n; i++) {
        all_failed = all_failed && q->messages[i].failed;
        all_ours = all_ours && q->messages[i].ours;
    }
    if (q->down)
        unavailable(q);
    else if (q->moved)
        again(q);
    else if (all_ours) /* done before, only the letter stayed */
        drop_letter(q);
    else if (!all_failed)
        refuse(q, 409, "already_answered", "Its messages have come to another end meanwhile.");
    else
        put_back(q);
}

static void judge(struct revived *m, const json_t *mark, const char *turn_key)
{
    struct revival *q = m->owner;
    m->failed = sv_eq(json_sv(mark, "status"), SV("failed")) && sv_eq(json_sv(mark, turn_key), q->turn_id);
    m->ours = sv_eq(json_sv(mark, "revived"), q->id) && json_sv(mark, "status").p == NULL;
}

static void outcome_found(void *arg, enum archive_status status, struct sv outcome)
{
    struct revived *m = arg;
    struct revival *q = m->owner;
    if (status != ARCHIVE_DONE)
        q->down = true;
    else
        judge(m, outcome.p != NULL ? json_read_in(q->call->a, outcome, false, NULL) : NULL, "turn_id");
    look_done(q);
}

static void mark_loaded(void *arg, enum store_status status, const struct store_view *v)
{
    struct revived *m = arg;
    struct revival *q = m->owner;
    if (status != STORE_DONE) {
        q->down = true;
        look_done(q);
        return;
    }
    q->moved |= q->began && v->version != q->version;
    if (!q->began)
        q->read_ms = v->now_ms;
    q->began = true;
    q->version = v->version;
    if (v->mark.p == NULL && q->call->t->o.archive != NULL) {
        archive_message(q->call->t->o.archive, q->conversation_id, m->id, outcome_found, m);
        return;
    }
    judge(m, v->mark.p != NULL ? json_read_in(q->call->a, v->mark, false, NULL) : NULL, "turn");
    look_done(q);
}

static void load_marks(struct revival *q)
{
    q->began = q->moved = q->down = false;
    q->open = q->messages_n;
    for (size_t i = 0; i < q->messages_n; i++) {
        struct store_load what = { .conversation_id = q->conversation_id, .message_id = q->messages[i].id };
        store_load(q->call->t->o.store, &what, mark_loaded, &q->messages[i]);
    }
}

/* ---- the letter ---- */

/* False: not a letter that could be read. */
static bool read_letter(struct revival *q)
{
    struct arena *a = q->call->a;
    struct sv rest = json_raw_inside(json_raw_member(q->letter, "messages")), item;
    size_t n = 0;
    for (struct sv r = rest; json_raw_next(&r, NULL, &item);)
        n++;
    q->conversation_id = message_text(a, json_raw_member(q->letter, "conversation_id"));
    q->turn_id = message_text(a, json_raw_member(q->letter, "turn_id"));
    q->messages = arena_array(a, n + 1, sizeof(*q->messages));
    if (n == 0 || q->messages == NULL || q->conversation_id.n == 0 || q->turn_id.n == 0)
        return false;
    while (json_raw_next(&rest, NULL, &item)) {
        struct message_item m;
        struct err e;
        struct revived *to = &q->messages[q->messages_n++];
        if (message_look(item, &m, &e) != 0)
            return false;
        struct sv content = message_text(a, m.content_json);
        *to = (struct revived){ .owner = q, .item = item, .id = message_text(a, m.message_id_json), .seq = m.seq,
                                .received_ms = m.received_ms };
        if (to->id.n == 0 || to->id.n > STORE_ID_MAX || content.p == NULL)
            return false;
        message_hash_of(content, json_raw_member(item, "metadata"), to->hash);
    }
    return true;
}

void revive(struct control_call *call, struct sv id, struct sv letter)
{
    struct revival *q = arena_alloc(call->a, sizeof(*q));
    if (q == NULL) {
        control_short_of_memory(call);
        return;
    }
    *q = (struct revival){ .call = call, .id = id, .letter = arena_sv(call->a, letter) };
    if (q->letter.p != NULL && read_letter(q))
        load_marks(q);
    else
        refuse(q, 409, "not_retryable", "The letter holds nothing that could be tried again.");
}
