/* SPDX-License-Identifier: MIT
 * The question to the AI: what was said before, in order, and everything that is to be answered; and what its answer means. */
#include "config.h"

#include "lib/log.h"
#include "store/store_history.h"
#include "turn/action_tools.h"
#include "turn/reason.h"
#include "turn/running.h"

#define BOT_RETRY_MS 5000 /* a bot that cannot be used is mended by a person */

static void ask(struct turn *turn);

/* ---- a conversation that the store has forgotten ---- */

struct recall {
    struct turns *t;
    char key[MESSAGE_ID_MAX + 1];
    struct sv id;
    char token[ID_TOKEN_SIZE];
    struct arena *a;
    struct sv *entries; /* until it is known whether they may be used */
    size_t entries_n;
};

static bool has_message(struct arena *a, const struct sv *items, size_t n, struct sv message_id)
{
    bool found = false;
    for (size_t i = 0; !found && i < n; i++) {
        struct message_item m;
        struct err e;
        found = message_look(items[i], &m, &e) == 0 && m.message_id_json.p != NULL &&
                sv_eq(message_text(a, m.message_id_json), message_id);
    }
    return found;
}

/* A reply that somebody else gave stands in the context before the archive was asked: it may come from there a second time. */
static bool has_synced_reply(const struct sv *items, size_t n, const struct message_item *reply)
{
    bool found = false;
    for (size_t i = 0; !found && i < n; i++) {
        struct message_item m;
        struct err e;
        found = message_look(items[i], &m, &e) == 0 && sv_eq(m.role, SV("assistant")) && sv_eq(m.content_json, reply->content_json);
    }
    return found;
}

/* False: the store has the message itself, since whatever nothing answers is archived at once. A person's message that it does not have came
 * when another store was in force, or before this one forgot the conversation: the person's time goes on. */
static bool is_news(struct turn *turn, struct sv entry)
{
    struct message_item m;
    struct err e;
    if (message_look(entry, &m, &e) != 0)
        return true; /* gather() says what is wrong with it */
    if (m.content_json.n <= 2)
        return false; /* a reply that nothing was asked for: synced.c */
    struct sv id = m.message_id_json.p != NULL ? message_text(turn->context_arena, m.message_id_json) : SV_NONE;
    if (id.p != NULL && (has_message(turn->context_arena, turn->context, turn->context_n, id) ||
                         has_message(turn->context_arena, turn->covered, turn->covered_n, id)))
        return false;
    if (id.p == NULL && sv_eq(m.role, SV("assistant")) && has_synced_reply(turn->context, turn->context_n, &m))
        return false;
    int64_t until_ms = m.timestamp_ms + turn->policy.human_lease_ms;
    if (sv_eq(m.role, SV("agent")) && until_ms > turns_store_now(turn->t) && until_ms > turn->silent_until_ms)
        turn->silent_until_ms = until_ms;
    return true;
}

/* The archive's entries come before those that the store has: some message that nothing answers may have come first. */
static void take_recalled(struct turn *turn, const struct sv *entries, size_t n)
{
    struct sv *list = arena_array(turn->context_arena, n + turn->context_n + 1, sizeof(*list));
    turn->recalled = arena_array(turn->a, n + 1, sizeof(*turn->recalled));
    for (size_t i = 0; list != NULL && turn->recalled != NULL && i < n; i++) {
        if (!is_news(turn, entries[i]))
            continue;
        struct sv entry = arena_sv(turn->a, entries[i]);
        if (entry.p == NULL)
            return;
        turn->recalled[turn->recalled_n++] = entry;
    }
    if (list == NULL || turn->recalled == NULL)
        return;
    if (turn->recalled_n > 0)
        memcpy(list, turn->recalled, turn->recalled_n * sizeof(*list));
    if (turn->context_n > 0)
        memcpy(list + turn->recalled_n, turn->context, turn->context_n * sizeof(*list));
    turn->context = list;
    turn->context_n += turn->recalled_n;
    turn->recall_done = true;
}

struct turn *turn_asker(const struct turns *t, struct sv id, const char *token)
{
    struct turn *turn = map_find(t->running, id);
    return turn != NULL && turn->state == TURN_CONTEXT && strcmp(turn->record.token, token) == 0 ? turn : NULL;
}

static struct turn *asker(const struct recall *r)
{
    return turn_asker(r->t, r->id, r->token);
}

static void recall_over(struct recall *r)
{
    struct turn *turn = asker(r);
    struct turns *t = r->t;
    t->transactions--;
    arena_free(r->a);
    turns_look_drained(t);
    if (turn != NULL && turn->silent_until_ms != 0)
        turn_gate(turn, true);
    else if (turn != NULL)
        ask(turn);
}

static void got_past(void *arg, enum archive_status status, struct sv session, struct sv customer)
{
    struct recall *r = arg;
    struct turn *turn = asker(r);
    (void)customer;
    if (turn != NULL && status == ARCHIVE_DONE && session.p != NULL)
        turn->past = arena_alloc(turn->a, sizeof(*turn->past));
    if (turn != NULL && turn->past != NULL) {
        session_past_read(session, turn->past);
        if (turn->past->silent_until_ms > turns_store_now(turn->t) && turn->past->silent_until_ms > turn->silent_until_ms)
            turn->silent_until_ms = turn->past->silent_until_ms;
    }
    recall_over(r);
}

static struct sv *move_entries(struct arena *a, const struct sv *from, size_t n)
{
    struct sv *to = arena_array(a, n, sizeof(*to));
    for (size_t i = 0; to != NULL && i < n; i++) {
        to[i] = arena_sv(a, from[i]);
        if (to[i].p == NULL)
            return NULL;
    }
    return to;
}

/* The archive may have what was erased a moment longer than the store: this conversation has begun anew, and nothing from before belongs to it. */
static void may_recall(void *arg, enum store_status status, int64_t erased_ms)
{
    struct recall *r = arg;
    struct turn *turn = asker(r);
    bool may = turn != NULL && status == STORE_DONE && erased_ms == 0;
    if (may)
        take_recalled(turn, r->entries, r->entries_n);
    if (may && turn->recall_done && turn->past == NULL)
        archive_session(r->t->o.archive, r->id, turn->record.created_ms, got_past, r);
    else
        recall_over(r);
}

static void recalled(void *arg, enum archive_status status, const struct sv *entries, size_t n)
{
    struct recall *r = arg;
    struct turn *turn = asker(r);
    if (turn != NULL && status == ARCHIVE_DONE && n > 0) {
        r->entries = move_entries(r->a, entries, n);
        r->entries_n = n;
        if (r->entries != NULL) {
            store_erased_at(r->t->o.store, r->id, may_recall, r);
            return;
        }
    } else if (turn != NULL && status == ARCHIVE_DONE) {
        take_recalled(turn, NULL, 0);
        turn->no_past = turn->recall_done;
    }
    recall_over(r);
}

static bool recall(struct turn *turn)
{
    struct turns *t = turn->t;
    struct arena *a = arena_new(0, 8192);
    struct recall *r = a == NULL ? NULL : arena_alloc(a, sizeof(*r));
    if (r == NULL) {
        arena_free(a);
        return false;
    }
    r->t = t;
    r->a = a;
    memcpy(r->key, turn->id.p, turn->id.n);
    r->id = (struct sv){ r->key, turn->id.n };
    memcpy(r->token, turn->record.token, sizeof(r->token));
    turn->state = TURN_CONTEXT;
    t->transactions++;
    archive_context(t->o.archive, turn->id, turn_bot(turn)->context_max, recalled, r);
    return true;
}

/* Its record is new, or its turns so far did not get an answer from the archive. Once a reply of an own turn stands in the context, the archive may have
 * it, too. */
static bool may_have_been_forgotten(const struct turn *turn)
{
    bool maybe = !turn->record.recalled;
    for (size_t i = 0; maybe && i < turn->context_n; i++) {
        struct message_item m;
        struct err e;
        maybe = message_look(turn->context[i], &m, &e) != 0 || !sv_eq(m.role, SV("assistant")) ||
                json_raw_member(turn->context[i], "synced").p != NULL;
    }
    return maybe;
}

void turn_think(struct turn *turn)
{
    if (turn->handing_back) {
        turn->state = TURN_THINKING;
        turn_hand_back(turn);
        return;
    }
    if (may_have_been_forgotten(turn) && turn->t->o.archive != NULL && archive_is_up(turn->t->o.archive) && recall(turn))
        return;
    ask(turn);
}

/* ---- the answer ---- */

static const char *const outcomes[] = {
    [AI_ANSWERED] = REASON_ANSWERED, [AI_UNREACHABLE] = REASON_AI_UNREACHABLE, [AI_REFUSED] = REASON_AI_REFUSED,
    [AI_DENIED] = REASON_AI_DENIED, [AI_INVALID] = REASON_AI_INVALID_ANSWER,
};

/* Who is not let in waits as for a service that is away: it may be mended, and no message is to blame. */
static const enum failure failures[] = {
    [AI_UNREACHABLE] = FAILURE_UNREACHABLE, [AI_REFUSED] = FAILURE_REFUSED, [AI_DENIED] = FAILURE_UNREACHABLE, [AI_INVALID] = FAILURE_INVALID,
};

static void answered(void *arg, const struct ai_answer *answer)
{
    struct turn *turn = arg;
    struct err e;
    turn->ai_call = NULL;
    int64_t out_us = turn_came_back(turn);
    turn->retry_after_ms = answer->retry_after_ms > 0 ? answer->retry_after_ms : 0;
    turn->not_asked = answer->circuit_open;
    if (answer->circuit_open) { /* which was logged when it opened */
        turn_ai_failed(turn, FAILURE_UNREACHABLE, REASON_AI_CIRCUIT_OPEN);
        return;
    }
    turn->ai_us += out_us;
    turns_count(turn->t, FIGURE_AI_CALLS);
    turns_time(turn->t, FIGURE_AI_TIME, out_us);
    if (answer->outcome != AI_ANSWERED)
        turns_count(turn->t, FIGURE_AI_FAILURES);
    if (answer->outcome == AI_ANSWERED) {
        if (actions_extract(turn->a, answer->response, answer->actions, &turn->reply, &e) != 0) {
            turn_ai_failed(turn, FAILURE_INVALID, REASON_AI_ANSWER_TOO_LARGE);
            return;
        }
        turn->reply.ai_ms = answer->took_ms;
        turn->has_reply = turn->ai_answered = true;
        if (!turn->deciding) /* else an interruption is being looked at, and goes on from there */
            turn_place(turn);
        return;
    }
    log_warning("the AI gave no answer", "request_id", turn->client.request_id.p, "conversation_id", turn->id.p, "turn_id", turn->record.turn_id, "outcome",
                outcomes[answer->outcome], "error", answer->err.text, NULL);
    turn_ai_failed(turn, failures[answer->outcome], outcomes[answer->outcome]);
}

/* ---- the question ---- */

static size_t gather(struct message_item *to, const struct sv *items, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct err e;
        if (message_look(items[i], &to[kept], &e) == 0)
            kept++;
        else
            log_error("an item of the context cannot be read", "error", e.text, NULL);
    }
    message_sort(to, kept);
    return kept;
}

/* Messages of a turn that was given up stand in the context, and again where they are answered after all: the last place counts. Arrival numbers
 * show whether that can be. */
static size_t drop_repeated(struct message_item *items, size_t before, size_t n)
{
    uint64_t seq = 0;
    bool in_order = true;
    for (size_t i = 0; i < n; i++) {
        if (items[i].message_id_json.p == NULL)
            continue; /* a reply */
        in_order = in_order && items[i].seq > seq;
        seq = items[i].seq;
    }
    size_t kept = 0;
    for (size_t i = 0; i < before; i++) {
        bool again = false;
        for (size_t k = i + 1; !in_order && !again && items[i].message_id_json.p != NULL && k < n; k++)
            again = sv_eq(items[i].message_id_json, items[k].message_id_json);
        if (!again)
            items[kept++] = items[i];
    }
    memmove(&items[kept], &items[before], (n - before) * sizeof(items[0]));
    return kept;
}

static struct sv bot_json(struct arena *a, const struct bot *bot)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    if (bot->json.p != NULL)
        return bot->json;
    json_obj(&o);
    json_kstr(&o, "id", sv_from(bot->bot_id));
    json_kstr(&o, "name", sv_from(bot->name));
    json_obj_end(&o);
    struct sv s = buf_ok(&b) ? arena_sv(a, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return s;
}

/* Nobody waits for a job's turn here: the request is that of its newest message. */
static void adopt_request(struct turn *turn, struct sv newest)
{
    if (turn->client.request_id.p != NULL)
        return;
    struct sv id = json_raw_member(newest, "request_id"), trace = json_raw_member(newest, "traceparent");
    turn->client.request_id = id.p != NULL ? message_text(turn->a, id) : SV_NONE;
    turn->client.traceparent = trace.p != NULL ? message_text(turn->a, trace) : SV_NONE;
}

/* What is answered already in the order of its (clamped) time, then what is to be answered in the order of its time: the question comes last
 * whatever the clocks say. */
static struct ai_call *put_question(struct turn *turn, struct arena *a, const struct question *q)
{
    size_t max = q->context_n + q->covered_n;
    struct message_item *items = arena_array(a, max + 1, sizeof(*items));
    struct ai_message *messages = arena_array(a, max + 1, sizeof(*messages));
    if (items == NULL || messages == NULL)
        return NULL;
    size_t before = gather(items, q->context, q->context_n);
    size_t n = before + gather(items + before, q->covered, q->covered_n);
    if (n == before)
        return NULL;
    size_t kept = drop_repeated(items, before, n);
    n -= before - kept;
    for (size_t i = 0; i < n; i++)
        messages[i] = (struct ai_message){ .role = items[i].role, .content_json = items[i].content_json,
                                           .timestamp_ms = items[i].timestamp_ms, .message_id_json = items[i].message_id_json };
    turn->context_size = n;
    adopt_request(turn, items[n - 1].raw);
    struct ai_request r = {
        .conversation_id = turn->id,
        .message_id = message_text(a, items[n - 1].message_id_json),
        .message = message_text(a, items[n - 1].content_json),
        .messages = messages,
        .messages_n = n,
        .metadata = json_raw_member(items[n - 1].raw, "metadata"),
        .bot = bot_json(a, turn_bot(turn)),
        .turn_id = sv_from(turn->record.turn_id),
        .request_id = turn->client.request_id,
        .traceparent = turn->client.traceparent,
        .timeout_ms = turn->policy.ai_timeout_ms,
        .partial = turn->partial != NULL ? turn_partial : NULL,
    };
    if (ai_can_stream(turn_bot(turn)->ai)) {
        const struct bot *bot = turn_bot(turn);
        r.tools = action_tools(a, bot->deliver && bot->platform != NULL && platform_talks_only(bot->platform));
        r.fault = action_fault;
        if (r.tools.p == NULL)
            return NULL;
    }
    return ai_ask(turn_bot(turn)->ai, &r, answered, turn);
}

static void forget_context(struct turn *turn)
{
    arena_free(turn->context_arena);
    turn->context_arena = NULL;
    turn->context = NULL;
    turn->context_n = 0;
}

static void ask(struct turn *turn)
{
    const struct bot *bot = turn_bot(turn);
    struct question q;
    int selected = turn_select(turn, &q);
    if (selected == 0 && q.covered_n == 0 && turn->covered_n > 0) {
        forget_context(turn);
        turn_leave_unasked(turn);
        return;
    }
    bool usable = bot->ai != NULL && (bot->platform != NULL || !bot->deliver);
    int64_t wait_ms = usable && bot->deliver ? platform_wait_ms(bot->platform) : 0; /* an answer that could not be sent is not asked for */
    if (usable && wait_ms == 0 && ai_can_stream(bot->ai) && turn_look_for_listeners(turn, ask))
        return;
    turn->state = TURN_THINKING;
    turn_goes_out(turn);
    turn->not_asked = !usable || wait_ms > 0;
    turn->ai_call = turn->not_asked || selected != 0 ? NULL : put_question(turn, turn->context_arena, &q);
    forget_context(turn);
    if (!usable) {
        log_debug("a bot cannot be used, its turn waits", "conversation_id", turn->id.p, "bot_id", bot->bot_id, "why", bot->trouble, NULL);
        turn->retry_after_ms = BOT_RETRY_MS;
        turn_ai_failed(turn, FAILURE_UNREACHABLE, REASON_BOT_UNUSABLE);
    } else if (wait_ms > 0) {
        turn->retry_after_ms = wait_ms;
        turn_ai_failed(turn, FAILURE_UNREACHABLE, REASON_PLATFORM_CIRCUIT_OPEN);
    } else if (turn->ai_call == NULL) {
        log_error("no memory to ask the AI; the turn is put back", "conversation_id", turn->id.p, NULL);
        turn_ai_failed(turn, FAILURE_INVALID, REASON_OUT_OF_MEMORY);
    } else if (turn->hinted) {
        turn_gate(turn, true);
    }
}
