/* SPDX-License-Identifier: MIT
 * The record's JSON form: nothing is lost, nothing is invented, whatever an older or newer version wrote. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "t/tap.h"
#include "store/store_backends.h"
#include "turn/conversation.h"
#include "turn/turn.h"

/* Whoever adds a member: to the table in conversation.c, to same(), here. */
#define RECORD_SIZE 1432

static void full(struct conversation *c, const char *filler, int64_t number)
{
    *c = (struct conversation){ .created_ms = number, .activity_ms = number - 1, .last_message_ms = number - 2, .seq = (uint64_t)number - 3,
                                .total = number - 4, .earlier_n = number - 16, .earlier_total = number - 17, .closed = true, .archived = true, .pending_n = UINT32_MAX, .oldest_ms = number - 5, .newer_ms = number - 6,
                                .phase = PHASE_SENDING, .covered_n = UINT32_MAX - 1, .began_ms = number - 7, .restarts = UINT32_MAX - 2,
                                .attempts = UINT32_MAX - 3, .faults = UINT32_MAX - 4, .opened_ms = number - 8, .wait_until_ms = number - 9,
                                .retry_at_ms = number - 10, .fence = (uint64_t)number - 11, .send_deadline_ms = number - 12,
                                .send_fence = (uint64_t)number - 13, .sends = UINT32_MAX - 5, .paused = true, .paused_until_ms = number - 14,
                                .context_n = UINT32_MAX - 6, .recalled = true, .past_known = true, .listed = true, .told = true, .job = true, .newer_job = true, .cancelled_n = 1, .cancelled_after_ms = number - 15,
                                .superseded_n = SUPERSEDED_MAX };
    for (size_t i = 0; i < SUPERSEDED_MAX; i++) {
        memset(c->superseded[i].turn_id, (int)('p' + i), sizeof(c->superseded[i].turn_id) - 1);
        c->superseded[i].covered_n = UINT32_MAX - (uint32_t)i;
    }
    struct {
        char *text;
        size_t size;
    } texts[] = {
        { c->user_id, sizeof(c->user_id) }, { c->last_message_id, sizeof(c->last_message_id) }, { c->turn_id, sizeof(c->turn_id) },
        { c->next_turn_id, sizeof(c->next_turn_id) }, { c->reason, sizeof(c->reason) }, { c->token, sizeof(c->token) },
        { c->owner, sizeof(c->owner) }, { c->bot_id, sizeof(c->bot_id) }, { c->lock_token, sizeof(c->lock_token) },
        { c->cancelled_turn_id, sizeof(c->cancelled_turn_id) },
    };
    size_t n = strlen(filler);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (size_t k = 0; k + n < texts[i].size; k += n)
            memcpy(texts[i].text + k, filler, n);
        texts[i].text[0] = (char)('a' + (int)i);
        if (n > 1)
            memcpy(texts[i].text, filler, n);
    }
}

#define SAME_INT(field) is_int(a->field, b->field, "%s: " #field, name)
#define SAME_STR(field) is_str(a->field, b->field, "%s: " #field, name)

static void same(const struct conversation *a, const struct conversation *b, const char *name)
{
    SAME_INT(created_ms);
    SAME_INT(activity_ms);
    SAME_STR(user_id);
    SAME_STR(last_message_id);
    SAME_INT(last_message_ms);
    SAME_INT(seq);
    SAME_INT(total);
    SAME_INT(earlier_n);
    SAME_INT(earlier_total);
    SAME_INT(closed);
    SAME_INT(archived);
    SAME_INT(pending_n);
    SAME_INT(oldest_ms);
    SAME_INT(newer_ms);
    SAME_INT(phase);
    SAME_STR(turn_id);
    SAME_STR(next_turn_id);
    SAME_INT(covered_n);
    SAME_INT(began_ms);
    SAME_INT(restarts);
    SAME_INT(attempts);
    SAME_INT(faults);
    SAME_INT(opened_ms);
    SAME_INT(wait_until_ms);
    SAME_INT(retry_at_ms);
    SAME_STR(reason);
    SAME_STR(token);
    SAME_INT(fence);
    SAME_STR(owner);
    SAME_INT(send_deadline_ms);
    SAME_INT(send_fence);
    SAME_INT(sends);
    SAME_INT(paused);
    SAME_INT(paused_until_ms);
    SAME_INT(context_n);
    SAME_INT(recalled);
    SAME_INT(past_known);
    SAME_INT(listed);
    SAME_STR(bot_id);
    SAME_INT(told);
    SAME_INT(job);
    SAME_INT(newer_job);
    SAME_STR(lock_token);
    SAME_INT(cancelled_n);
    SAME_STR(cancelled_turn_id);
    SAME_INT(cancelled_after_ms);
    SAME_INT(superseded_n);
    for (size_t i = 0; i < a->superseded_n && i < SUPERSEDED_MAX; i++) {
        SAME_STR(superseded[i].turn_id);
        SAME_INT(superseded[i].covered_n);
    }
}

static void round_trip(const struct conversation *c, const char *name)
{
    struct buf b = { 0 };
    struct conversation back;
    struct err e = { 0 };
    conversation_format(&b, c);
    ok(buf_ok(&b) && conversation_parse(buf_sv(&b), &back, &e) == 0, "%s: reads back %s", name, e.text);
    same(&back, c, name);
    diag("%s: %zu bytes", name, b.n);
    buf_fini(&b);
}

static void forms(void)
{
    struct conversation c = { 0 };
    is_int(sizeof(c), RECORD_SIZE, "no member that this test does not know");
    struct buf b = { 0 };
    conversation_format(&b, &c);
    is_sv(buf_sv(&b), SV("{\"v\":1,\"phase\":\"idle\"}"), "what is zero is not written");
    buf_fini(&b);
    round_trip(&c, "empty");
    full(&c, "x", INT64_MAX);
    round_trip(&c, "full");
    full(&c, "\xe1\xbb\x87", 1700000000123);
    round_trip(&c, "in Vietnamese");
    full(&c, "x", 1700000000123);
    memset(c.user_id, '"', sizeof(c.user_id) - 1); /* the longest that is let in, and each byte to be escaped */
    memset(c.last_message_id, '\\', sizeof(c.last_message_id) - 1);
    memset(c.bot_id, '"', sizeof(c.bot_id) - 1);
    uint32_t *counts[] = { &c.pending_n, &c.covered_n, &c.restarts, &c.attempts, &c.faults, &c.sends, &c.context_n, /* as the settings allow */
                           &c.superseded[0].covered_n, &c.superseded[1].covered_n, &c.superseded[2].covered_n };
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        *counts[i] = 100000;
    conversation_format(&b, &c);
    ok(b.n < 3072, "the largest record has %zu bytes, less than 3 KB", b.n);
    buf_clear(&b);
    char *ids[] = { c.user_id, c.last_message_id, c.bot_id };
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        snprintf(ids[i], 129, "%0128d", (int)i);
    conversation_format(&b, &c);
    ok(b.n < 2048, "with ids of 128 characters it has %zu, less than 2 KB", b.n);
    buf_fini(&b);
    const enum phase phases[] = { PHASE_IDLE, PHASE_WAITING, PHASE_THINKING, PHASE_SENDING, PHASE_QUEUED };
    const char *const names[] = { "idle", "waiting", "thinking", "sending", "queued" };
    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        c = (struct conversation){ .phase = phases[i] };
        is_str(phase_name(phases[i]), names[i], "a phase's name");
        round_trip(&c, names[i]);
    }
}

static void parse(struct sv text, struct conversation *c, int want, const char *name)
{
    struct err e = { 0 };
    memset(c, 0x55, sizeof(*c));
    is_int(conversation_parse(text, c, &e), want, "%s", name);
    is_int(e.code != ERR_NONE, want != 0, "%s: an error says so", name);
}

/* The format's own text is refused or taken, but never half read; what was taken can be written and read again. */
static void survives(const char *record, size_t n)
{
    struct conversation c, again;
    struct buf b = { 0 };
    struct err e;
    if (conversation_parse((struct sv){ record, n }, &c, &e) != 0)
        return;
    conversation_format(&b, &c);
    ok(buf_ok(&b) && conversation_parse(buf_sv(&b), &again, &e) == 0, "what was read can be written and read: %.*s", (int)n, record);
    buf_fini(&b);
}

static void others(void)
{
    struct conversation c;
    const struct conversation none = { 0 };
    parse(SV_NONE, &c, 0, "no record");
    same(&c, &none, "no record");
    parse(SV(""), &c, 0, "an empty record");
    same(&c, &none, "an empty record");
    parse(SV("{\"phase\":\"waiting\",\"pending\":3,\"v\":9,\"shiny\":{\"new\":[1]}}"), &c, 0, "a newer version's record");
    is_int(c.phase, PHASE_WAITING, "what is known of it is read");
    is_int(c.pending_n, 3, "also its numbers");
    parse(SV("{\"phase\":\"queued\",\"pending\":-1,\"covered\":4294967296,\"fence\":-5,\"turn\":7,\"seq\":\"7\",\"closed\":true,\"user\":null}"), &c,
          0, "members of other types and ranges");
    is_int(c.pending_n, 0, "a negative count is none");
    is_int(c.covered_n, 0, "nor is one that is too large");
    is_int(c.fence, 0, "a negative fence is none");
    is_str(c.turn_id, "", "a number is no turn");
    is_int(c.seq, 0, "a text is no number");
    is_int(c.closed, 0, "a flag is a number");
    parse(SV("{\"phase\":\"thinking\",\"pending\":2,\"covered\":3}"), &c, 0, "a snapshot of more than there is");
    is_int(c.covered_n, 2, "is one of all there is");
    parse(SV("{\"phase\":\"queued\",\"superseded\":[\"a\",1,\"b\",2,\"c\"]}"), &c, 0, "half a superseded turn");
    is_int(c.superseded_n, 2, "is none");
    parse(SV("{\"phase\":\"queued\",\"superseded\":[\"a\",1,2,\"b\",\"c\",-1]}"), &c, 0, "superseded turns of other types");
    is_int(c.superseded_n, 1, "are none");
    parse(SV("{\"phase\":\"queued\",\"superseded\":[\"a\",1,\"b\",2,\"c\",3,\"d\",4,\"e\",5]}"), &c, 0, "more superseded turns than fit");
    is_int(c.superseded_n, SUPERSEDED_MAX, "are read as far as they fit");
    parse(SV("{\"phase\":\"dreaming\"}"), &c, -1, "an unknown phase");
    parse(SV("{\"pending\":3}"), &c, -1, "no phase");
    parse(SV("{\"phase\":\"idle\""), &c, -1, "cut off");
    parse(SV("[\"phase\"]"), &c, -1, "an array");
    parse(SV("nonsense"), &c, -1, "nonsense");
    char wide[600];
    struct buf b = { 0 };
    for (size_t i = 0; i < 150; i++)
        memcpy(wide + 3 * i, "\xe1\xbb\x87", 3);
    wide[450] = '\0';
    buf_printf(&b, "{\"phase\":\"idle\",\"user\":\"a%s\",\"reason\":\"%s\"}", wide, wide);
    parse(buf_sv(&b), &c, 0, "texts that are too long");
    ok(sv_is_utf8(sv_from(c.user_id)) && strlen(c.user_id) == 256, "are cut between two characters, to %zu bytes", strlen(c.user_id));
    ok(sv_is_utf8(sv_from(c.reason)) && strlen(c.reason) == 45, "each to its size, here %zu bytes", strlen(c.reason));
    survives(b.p, b.n);
    buf_fini(&b);
    const char record[] = "{\"v\":1,\"phase\":\"sending\",\"user\":\"u\\u00e1\",\"fence\":17,\"pending\":2,\"token\":\"k\"}";
    char bent[sizeof(record)];
    for (size_t i = 0; i + 1 < sizeof(record); i++) {
        survives(record, i);
        for (size_t bit = 0; bit < 8; bit++) {
            memcpy(bent, record, sizeof(record));
            bent[i] = (char)(bent[i] ^ (1 << bit));
            survives(bent, sizeof(record) - 1);
        }
    }
}

/* ---- two records of one ---- */

static struct sv record_of(struct arena *a, int64_t activity_ms, bool paused, int64_t until_ms)
{
    struct conversation c = { .created_ms = 1, .activity_ms = activity_ms, .paused = paused, .paused_until_ms = until_ms };
    struct buf b = { 0 };
    conversation_format(&b, &c);
    struct sv text = arena_sv(a, buf_sv(&b));
    buf_fini(&b);
    return text;
}

/* The store that stands in does not know the pauses of the one that was there before. */
static void joined_pauses(void)
{
    static const struct {
        const char *name;
        bool here, there, silent;
        int64_t here_until, there_until, until;
    } rows[] = {
        { "neither", false, false, false, 0, 0, 0 },
        { "until resumed, before the outage", false, true, true, 0, 0, 0 },
        { "until resumed, during the outage", true, false, true, 0, 0, 0 },
        { "for a while", false, true, true, 0, 5000, 5000 },
        { "for two whiles", true, true, true, 6000, 5000, 6000 },
        { "for a while and until resumed", true, true, true, 6000, 0, 0 },
        { "which is over", false, true, false, 0, 999, 0 },
    };
    struct arena *a = arena_new(0, 1u << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct store_join in = { .old = record_of(a, 900, rows[i].here, rows[i].here_until),
                                 .new_ = record_of(a, 100, rows[i].there, rows[i].there_until), .now_ms = 1000 };
        struct store_joined out;
        struct conversation c;
        struct err e;
        is_int(turns_join(NULL, a, &in, &out), 0, "a pause %s: joined", rows[i].name);
        is_int(conversation_parse(out.record, &c, &e), 0, "a record");
        ok(c.paused == rows[i].silent, "%s", rows[i].silent ? "silent" : "not silent");
        is_int(c.paused_until_ms, rows[i].until, "until");
        ok(((out.in & STORE_IN_PAUSED) != 0) == rows[i].silent, "listed as that");
    }
    arena_free(a);
}

static struct sv record_counting(struct arena *a, int64_t total, int64_t earlier_total)
{
    struct conversation c = { .created_ms = 1, .activity_ms = 5, .total = total, .earlier_total = earlier_total, .past_known = earlier_total > 0,
                              .listed = true };
    struct buf b = { 0 };
    conversation_format(&b, &c);
    struct sv text = total < 0 ? SV_NONE : arena_sv(a, buf_sv(&b));
    buf_fini(&b);
    return text;
}

/* Each side counts its own; the past that the archive told to either was there before both. */
static void joined_totals(void)
{
    static const struct {
        const char *name;
        int64_t here, here_earlier, there, there_earlier, total, earlier;
        bool past;
    } rows[] = {
        { "new on both sides", 2, 0, 3, 0, 5, 0, false },
        { "known here alone", 2, 0, -1, 0, 2, 0, false },
        { "recalled here alone, unknown there", 9, 7, -1, 0, 9, 7, true },
        { "recalled here, never forgotten there", 9, 7, 30, 0, 32, 0, false },
        { "recalled on both sides", 9, 7, 8, 7, 10, 7, true },
        { "nothing here", 0, 0, 4, 3, 4, 3, true },
    };
    struct arena *a = arena_new(0, 1u << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct store_join in = { .old = record_counting(a, rows[i].here, rows[i].here_earlier),
                                 .new_ = record_counting(a, rows[i].there, rows[i].there_earlier), .now_ms = 1000 };
        struct store_joined out;
        struct conversation c;
        struct err e;
        is_int(turns_join(NULL, a, &in, &out), 0, "%s: joined", rows[i].name);
        is_int(conversation_parse(out.record, &c, &e), 0, "a record");
        is_int(c.total, rows[i].total, "customer messages");
        is_int(c.earlier_total, rows[i].earlier, "of them from before");
        ok(c.past_known == rows[i].past, "the past is %sknown", rows[i].past ? "" : "not ");
        ok(!c.listed, "what the store lists is to be written anew");
    }
    arena_free(a);
}

static struct sv record_in(struct arena *a, enum phase phase, size_t pending_n, uint32_t covered_n, int64_t activity_ms)
{
    struct conversation c = { .created_ms = 1, .activity_ms = activity_ms, .phase = phase, .pending_n = (uint32_t)pending_n, .covered_n = covered_n };
    if (phase != PHASE_IDLE)
        id_uuid7(c.turn_id);
    if (phase == PHASE_QUEUED)
        c.retry_at_ms = 5000;
    if (phase == PHASE_SENDING) {
        c.sends = 1;
        c.send_fence = (uint64_t)activity_ms;
        c.send_deadline_ms = 5000 + activity_ms;
    }
    struct buf b = { 0 };
    conversation_format(&b, &c);
    struct sv text = arena_sv(a, buf_sv(&b));
    buf_fini(&b);
    return text;
}

/* Lists as a word for each item: "a" to "z" a message, the same letter is the same one; upper case: the other side has answered it. */
static struct store_waiting *waiting_of(struct arena *a, const char *list, const char *other)
{
    struct store_waiting *w = arena_array(a, strlen(list) + 1, sizeof(*w));
    for (size_t i = 0; w != NULL && list[i] != '\0'; i++) {
        const char *same = strchr(other, list[i]);
        w[i] = (struct store_waiting){ .answered = list[i] < 'a', .same = same != NULL ? (size_t)(same - other) : SIZE_MAX };
    }
    return w;
}

/* A send that is open stays open, over its own messages: it may have reached the platform, so none of them is answered again. */
static void joined_sends(void)
{
    static const struct {
        const char *name, *here, *there; /* pending lists; of here: the store that is left */
        enum phase here_is, there_is;
        uint32_t here_covers, there_covers;
        enum phase phase;
        uint32_t covers, pending;
        size_t here_front, there_front;
        bool repeatable;
    } rows[] = {
        { "nothing", "", "", PHASE_IDLE, PHASE_IDLE, 0, 0, PHASE_IDLE, 0, 0, 0, 0, true },
        { "what waits on both sides", "ab", "bc", PHASE_QUEUED, PHASE_THINKING, 0, 2, PHASE_QUEUED, 0, 3, 0, 0, true },
        { "sent here", "a", "", PHASE_SENDING, PHASE_IDLE, 1, 0, PHASE_SENDING, 1, 1, 1, 0, true },
        { "sent here, and it waits there", "a", "a", PHASE_SENDING, PHASE_QUEUED, 1, 0, PHASE_SENDING, 1, 1, 1, 0, true },
        { "sent here, and it waits there behind another", "bc", "ab", PHASE_SENDING, PHASE_QUEUED, 1, 0, PHASE_SENDING, 1, 3, 1, 0, true },
        { "sent there", "b", "ab", PHASE_QUEUED, PHASE_SENDING, 0, 1, PHASE_SENDING, 1, 2, 0, 1, true },
        { "sent there, one of two was answered here", "", "Abc", PHASE_IDLE, PHASE_SENDING, 0, 2, PHASE_SENDING, 1, 2, 0, 1, true },
        { "sent there, and answered here", "b", "Ab", PHASE_QUEUED, PHASE_SENDING, 0, 1, PHASE_QUEUED, 0, 1, 0, 0, true },
        { "sent on both sides", "a", "a", PHASE_SENDING, PHASE_SENDING, 1, 1, PHASE_SENDING, 1, 1, 1, 1, false },
        { "two sends", "bc", "a", PHASE_SENDING, PHASE_SENDING, 1, 1, PHASE_SENDING, 2, 3, 1, 1, false },
        { "two sends, of which one waits there", "bc", "ab", PHASE_SENDING, PHASE_SENDING, 1, 1, PHASE_SENDING, 2, 3, 1, 1, false },
    };
    struct arena *a = arena_new(0, 1u << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct store_join in = { .old = record_in(a, rows[i].here_is, strlen(rows[i].here), rows[i].here_covers, 900),
                                 .new_ = record_in(a, rows[i].there_is, strlen(rows[i].there), rows[i].there_covers, 100),
                                 .old_pending = waiting_of(a, rows[i].here, rows[i].there), .old_pending_n = strlen(rows[i].here),
                                 .new_pending = waiting_of(a, rows[i].there, rows[i].here), .new_pending_n = strlen(rows[i].there),
                                 .now_ms = 1000 };
        struct store_joined out;
        struct conversation c;
        struct err e;
        is_int(turns_join(NULL, a, &in, &out), 0, "%s: joined", rows[i].name);
        is_int(conversation_parse(out.record, &c, &e), 0, "a record");
        is_str(phase_name(c.phase), phase_name(rows[i].phase), "%s: phase", rows[i].name);
        ok(c.covered_n == rows[i].covers && c.pending_n == rows[i].pending, "%s: %u of %u", rows[i].name, c.covered_n, c.pending_n);
        ok(out.old_front_n == rows[i].here_front && out.new_front_n == rows[i].there_front, "%s: its messages come first", rows[i].name);
        if (c.phase == PHASE_SENDING)
            is_int(c.retry_at_ms, 0, "%s: not between two attempts", rows[i].name);
        if (c.phase == PHASE_SENDING)
            ok((c.sends == 1) == rows[i].repeatable, "%s: %s", rows[i].name, rows[i].repeatable ? "may be repeated" : "is never repeated");
    }
    arena_free(a);
}

int main(void)
{
    joined_pauses();
    joined_totals();
    joined_sends();
    forms();
    others();
    return done_testing();
}
