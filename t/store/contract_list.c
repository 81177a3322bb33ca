/* SPDX-License-Identifier: MIT
 * Promises about what is not one conversation's: listings page by page, forgetting, dead letters, the first items that nobody has
 * archived yet. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "t/store/contract.h"

#define LETTER(n) SV("019a0000-0000-7000-8000-00000000000" #n)

static void place(struct rig *r, const char *id, int64_t score_ms)
{
    struct store_change c = CHANGE(id, 0, .record = sv_from(id), .due_ms = score_ms, .in = STORE_IN_ACTIVE | STORE_IN_WAITING,
                                   .activity_ms = score_ms, .active_ms = score_ms, .waiting_ms = score_ms);
    if (apply(r, &c)->status != STORE_DONE)
        bail_out("%s: cannot write a conversation", r->backend->name);
}

/* Ids of a page, joined by commas. */
static struct sv page(struct rig *r, const struct store_list *what)
{
    struct call *c = list(r, what);
    return c->status == STORE_DONE ? joined(r, c->items, c->n) : SV("(not done)");
}

/* All of a listing in pages of `max`, each with the cursor that the one before ended with. */
static struct sv all_pages(struct rig *r, struct store_list what, size_t max)
{
    struct sv parts[64];
    size_t n = 0;
    what.max = max;
    for (;;) {
        struct call *c = list(r, &what);
        if (c->status != STORE_DONE || c->n > max || n == ARRAY_LEN(parts))
            return SV("(wrong)");
        if (c->n == 0)
            return joined(r, parts, n);
        parts[n++] = joined(r, c->items, c->n);
        what.after_id = c->items[c->n - 1];
        what.after_ms = c->listing.items[c->n - 1].score_ms;
    }
}

/* Seven of one score between others, and ids whose order is that of their bytes. */
static int64_t fill(struct rig *r)
{
    static const char *const ids[] = { "b", "a", "a:1", "B", "é", "c", "aa" };
    int64_t now_ms = load(r, "none")->now_ms;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        place(r, ids[i], now_ms - 1000);
    place(r, "early", now_ms - 2000);
    place(r, "late", now_ms - 500);
    place(r, "later", now_ms + LONG_MS);
    return now_ms;
}

static void listings(struct rig *r)
{
    is_sv(page(r, &(struct store_list){ .index = STORE_ACTIVITY, .max = 5 }), SV(""), "nothing is listed");
    is_sv(page(r, &(struct store_list){ .max = 5, .after_id = SV("x"), .after_ms = 7, .newest_first = true }), SV(""),
          "nor behind a cursor");
    int64_t now_ms = fill(r);
    const enum store_index all[] = { STORE_DUE, STORE_ACTIVITY, STORE_ACTIVE, STORE_WAITING };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct store_list what = { .index = all[i] };
        for (size_t max = 1; max <= 11; max += max == 4 ? 6 : 1) {
            what.newest_first = false;
            is_sv(all_pages(r, what, max), SV("early,B,a,a:1,aa,b,c,é,late,later"), "listing %zu by %zu", i, max);
            what.newest_first = true;
            is_sv(all_pages(r, what, max), SV("later,late,é,c,b,aa,a:1,a,B,early"), "and backwards");
        }
    }
    is_sv(page(r, &(struct store_list){ .index = STORE_PAUSED, .max = 5 }), SV(""), "none is paused");
    struct store_list what = { .index = STORE_DUE, .min_ms = now_ms - 1000, .max_ms = now_ms - 500 };
    is_sv(all_pages(r, what, 3), SV("B,a,a:1,aa,b,c,é,late"), "both bounds are included");
    what.newest_first = true;
    is_sv(all_pages(r, what, 3), SV("late,é,c,b,aa,a:1,a,B"), "backwards too");
    what.min_ms = what.max_ms = now_ms - 700;
    is_sv(all_pages(r, what, 3), SV(""), "nothing in between");
    struct call *c = list(r, &(struct store_list){ .index = STORE_ACTIVITY, .max = 1, .newest_first = true });
    ok(c->n == 1 && c->listing.items[0].score_ms == now_ms + LONG_MS, "with its score");
    ok(c->listing.now_ms >= now_ms && c->listing.now_ms < now_ms + LONG_MS, "and the store's clock");
}

static void until_now(struct rig *r)
{
    (void)fill(r);
    struct store_list what = { .index = STORE_DUE, .until_now = true, .max = 9 };
    struct call *c = list(r, &what);
    ok(c->n == 9 && c->next_ms > 0 && c->next_ms <= LONG_MS, "all up to now, and when the next one comes");
    what.max = 8;
    c = list(r, &what);
    ok(c->n == 8 && c->next_ms == 0, "not all: at once");
    what.newest_first = true;
    c = list(r, &what);
    is_sv(joined(r, c->items, c->n), SV("late,é,c,b,aa,a:1,a,B"), "backwards from now");
    what.after_id = SV("B");
    what.after_ms = c->listing.items[7].score_ms;
    c = list(r, &what);
    is_sv(joined(r, c->items, c->n), SV("early"), "the rest");
    ok(c->next_ms > 0, "then nothing until then");
    c = list(r, &(struct store_list){ .index = STORE_PAUSED, .until_now = true, .max = 1 });
    is_int(c->next_ms, -1, "or never");
}

static void cursors(struct rig *r)
{
    int64_t now_ms = fill(r);
    struct store_list what = { .index = STORE_ACTIVITY, .max = 3, .after_id = SV("aa"), .after_ms = now_ms - 1000 };
    is_int(apply(r, &CHANGE("aa", 1, .forget = true))->status, STORE_DONE, "the one at the cursor vanishes");
    is_sv(page(r, &what), SV("b,c,é"), "the page begins behind where it was");
    what.newest_first = true;
    is_sv(page(r, &what), SV("a:1,a,B"), "in both directions");
    place(r, "aa", now_ms - 100);
    is_sv(page(r, &what), SV("a:1,a,B"), "it has moved on");
    what.newest_first = false;
    is_sv(page(r, &what), SV("b,c,é"), "the cursor has not");
    what.after_id = SV("zzz");
    is_sv(page(r, &what), SV("é,late,aa"), "an id that never was");
    what.after_ms = now_ms - 1500;
    is_sv(page(r, &what), SV("B,a,a:1"), "a score that never was");
    what.min_ms = now_ms - 600;
    is_sv(page(r, &what), SV("late,aa,later"), "a cursor before the bound");
    what = (struct store_list){ .index = STORE_ACTIVITY, .max = 9, .after_id = SV("x"), .after_ms = -1 };
    is_int(list(r, &what)->status, STORE_FULL, "a cursor that cannot be is refused");
}

static void records(struct rig *r)
{
    (void)fill(r);
    struct store_list what = { .index = STORE_ACTIVITY, .max = 100, .want_records = true, .newest_first = true };
    struct call *c = list(r, &what);
    unsigned wrong = c->n != 10;
    for (size_t i = 0; i < c->n; i++)
        wrong += !sv_eq(c->listing.items[i].record, c->listing.items[i].id);
    is_int(wrong, 0, "each with its record");
    what.want_records = false;
    c = list(r, &what);
    ok(c->n == 10 && c->listing.items[0].record.p == NULL, "or without, when not wanted");
    is_int(apply(r, &CHANGE("late", 1, .record = SV("")))->status, STORE_DONE, "an apply lists anew");
    is_sv(page(r, &(struct store_list){ .index = STORE_WAITING, .max = 100 }), SV("early,B,a,a:1,aa,b,c,é,later"),
          "and takes out of what it does not name");
    is_sv(page(r, &(struct store_list){ .index = STORE_DUE, .max = 100 }), SV("early,B,a,a:1,aa,b,c,é,later"),
          "nor is it due");
}

/* ---- forget ---- */

static void fill_one(struct rig *r)
{
    int64_t now_ms = load(r, "c")->now_ms;
    struct store_change c = CHANGE(
        "c", 0, .lease = STORE_LEASE_TAKE, .lease_token = SV("t"), .lease_ttl_ms = LONG_MS,
        .mark_new = { SV("m"), SV("seen") }, .pending_add = SV("p"), .context_add = LIST(SV("x"), SV("y")),
        .context_add_n = 2, .job = { SV("j"), SV("done") }, .job_ttl_ms = LONG_MS, .due_ms = now_ms - 1,
        .in = STORE_IN_ACTIVE | STORE_IN_WAITING | STORE_IN_PAUSED, .activity_ms = now_ms, .active_ms = now_ms,
        .waiting_ms = now_ms, .paused_ms = now_ms, .queue_add = LIST(SV("q")), .queue_add_n = 1);
    if (apply(r, &c)->status != STORE_DONE)
        bail_out("%s: cannot write a conversation", r->backend->name);
}

/* As callers do it: the store chooses where the new record begins. */
static uint64_t begin_anew(struct rig *r)
{
    struct call *c = rig_call(r);
    store_apply(r->s, &(struct store_change){ .conversation_id = SV("c"), .record = SV("r") }, rig_applied, c);
    rig_wait(r, c);
    is_int(c->status, STORE_DONE, "a new one begins");
    is_int((int64_t)load(r, "c")->version, (int64_t)c->applied.version, "with the version that was told");
    return c->applied.version;
}

/* Whoever has decided about a conversation before it was forgotten decided about another one. */
static void another_life(struct rig *r)
{
    uint64_t before = begin_anew(r);
    is_int(apply(r, &CHANGE("c", before))->applied.version, (int64_t)before + 1, "the next version");
    is_int(apply(r, &CHANGE("c", before + 1, .forget = true))->status, STORE_DONE, "it is forgotten");
    uint64_t now = begin_anew(r);
    is_int(apply(r, &CHANGE("c", before))->status, STORE_CONFLICT, "what was decided before it was forgotten is refused");
    is_int(apply(r, &CHANGE("c", before, .forget = true))->status, STORE_CONFLICT, "and does not forget it");
    is_int(apply(r, &CHANGE("c", now))->applied.version, (int64_t)now + 1, "what was decided since is not");
    is_int(apply(r, &CHANGE("c", before + 1))->status, STORE_CONFLICT, "nor is its next version one of before");
    is_int(apply(r, &CHANGE("c", now + 1, .forget = true))->status, STORE_DONE, "it is forgotten again");
    is_int(apply(r, &CHANGE("c", 0, .first_version = 5))->applied.version, 5, "it begins where it is told to");
}

/* A record that was lost leaves members of listings behind in some stores: they go, and nothing is made. */
static void forget_the_lost(struct rig *r)
{
    struct call *c = apply(r, &CHANGE("c", 0, .forget = true, .event = SV("gone")));
    ok(c->status == STORE_DONE && c->applied.version == 0, "what has no record is forgotten");
    is_int(load(r, "c")->version, 0, "no record is made");
    is_int(stat_of(r)->conversations, 0, "nor listed");
    fill_one(r);
    is_int(apply(r, &CHANGE("c", 0, .forget = true))->status, STORE_CONFLICT, "what has one is not");
    is_int((int64_t)load(r, "c")->pending_n, 1, "all is as it was");
    is_int(apply(r, &CHANGE("c", 1, .forget = true))->status, STORE_DONE, "forgotten");
    is_int(apply(r, &CHANGE("c", 0, .forget = true))->status, STORE_DONE, "and once more");
    is_sv(load(r, "c")->mark, SV("seen"), "the mark stays");
    is_int(apply(r, &CHANGE("c", 0))->applied.version, 1, "and it may begin anew");
    is_int(stat_of(r)->conversations, 1, "as one");
}

static void forget(struct rig *r)
{
    is_int(apply(r, &CHANGE("c", 3, .forget = true))->status, STORE_CONFLICT, "there is nothing to forget");
    fill_one(r);
    is_int(apply(r, &CHANGE("c", 2, .forget = true))->status, STORE_CONFLICT, "of another version");
    const struct store_view *v = load(r, "c");
    ok(v->version == 1 && v->pending_n == 1 && v->context_n == 2 && v->lease_token.p != NULL, "all is as it was");
    is_int(stat_of(r)->paused, 1, "and where it was");
    struct call *c = apply(r, &CHANGE("c", 1, .forget = true, .event = SV("forgot c")));
    ok(c->status == STORE_DONE && c->applied.version == 0, "of this version");
    v = load(r, "c");
    ok(v->version == 0 && v->record.p == NULL && v->pending_n == 0 && v->context_n == 0, "record and lists are gone");
    ok(v->lease_token.p == NULL && v->lease_left_ms == 0, "and the lock");
    is_sv(v->mark, SV("seen"), "the mark stays");
    is_sv(get(r, "job:j"), SV("done"), "and the job");
    const struct store_stat *n = stat_of(r);
    ok(n->conversations == 0 && n->active == 0 && n->waiting == 0 && n->paused == 0 && n->due == 0 && n->day == 0,
       "it is listed nowhere");
    is_int(n->queue, 1, "what waits for the archive stays");
    is_int(renew(r, "c", "t", LONG_MS), STORE_LEASE_LOST, "its owner has lost it");
    is_int(apply(r, &CHANGE("c", 1))->status, STORE_CONFLICT, "nobody goes on with it");
    is_int(apply(r, &CHANGE("c", 1, .forget = true))->status, STORE_CONFLICT, "nor forgets it again");
    c = apply(r, &CHANGE("c", 0, .mark_new = { SV("m"), SV("again") }));
    ok(c->status == STORE_DUPLICATE && sv_eq(c->applied.mark, SV("seen")), "a message that comes again is known");
    is_int(stat_of(r)->conversations, 0, "and brings nothing back");
    is_int(apply(r, &CHANGE("c", 0, .mark_new = { SV("m2"), SV("new") }, .pending_add = SV("p2")))->status, STORE_DONE,
           "a new one begins anew");
    v = load_of(r, SV("c"), SV("m2"));
    ok(v->version == 1 && v->pending_n == 1 && sv_eq(v->mark, SV("new")), "from version 1");
    is_sv(load(r, "c")->mark, SV("seen"), "beside what was known");
    is_int(apply(r, &CHANGE("c", 1, .forget = true))->status, STORE_DONE, "forgotten again");
    v = load_of(r, SV("c"), SV("m2"));
    ok(v->version == 0 && sv_eq(v->mark, SV("new")), "the marks of both lives stay");
    is_sv(load(r, "c")->mark, SV("seen"), "both");
    place(r, "plain", 1);
    is_int(apply(r, &CHANGE("plain", 1, .forget = true))->status, STORE_DONE, "one without marks");
    place(r, "plain", 1);
    is_int(stat_of(r)->conversations, 1, "and it begins anew, too");
}

static bool heard_forgetting(struct rig *r, void *arg)
{
    (void)arg;
    return r->event.p != NULL && sv_eq(r->event, SV("forgot c"));
}

static void forget_is_told(struct rig *r)
{
    fill_one(r);
    (void)apply(r, &CHANGE("c", 1, .forget = true, .event = SV("forgot c")));
    ok(rig_until(r, heard_forgetting, NULL), "every subscriber hears of it");
}

/* ---- dead letters ---- */

static struct sv letters_of(struct rig *r, const struct store_letters *what)
{
    struct call *c = letters(r, what);
    struct sv items[16];
    if (c->status != STORE_DONE || c->n > ARRAY_LEN(items))
        return SV("(not done)");
    for (size_t i = 0; i < c->n; i++)
        items[i] = c->letters[i].item;
    return joined(r, items, c->n);
}

/* A list has an end that anybody can bear; what does not fit is announced. */
static void large_letters(struct rig *r)
{
    size_t size = STORE_LIST_BYTES * 2 / 3;
    char *text = calloc(1, size);
    if (text == NULL)
        bail_out("no memory");
    memset(text, 'x', size);
    const struct sv large = { text, size };
    for (uint64_t n = 0; n < 4; n++) {
        const struct store_letter l = { n == 0 ? LETTER(1) : n == 1 ? LETTER(2) : n == 2 ? LETTER(3) : LETTER(4), large };
        is_int(apply(r, &CHANGE("c", n, .letters = &l, .letters_n = 1))->status, STORE_DONE, "a large letter");
    }
    struct call *c = letters(r, &(struct store_letters){ .max = 10 });
    is_int(c->n, 3, "two and one more");
    ok(c->n == 3 && c->letters[0].item.n == size && c->letters[1].item.n == size, "two are whole");
    ok(c->n == 3 && sv_eq(c->letters[2].id, LETTER(2)) && c->letters[2].item.n == 0, "the third is only named");
    c = letters(r, &(struct store_letters){ .max = 10, .id = LETTER(3) });
    ok(c->n == 2 && sv_eq(c->letters[1].id, LETTER(1)) && c->letters[1].item.n == size, "the next page has the rest");
    c = letters(r, &(struct store_letters){ .op = STORE_LETTERS_GET, .id = LETTER(2) });
    ok(c->n == 1 && c->letters[0].item.n == size, "each can be had");
    free(text);
}

static void dead_letters(struct rig *r)
{
    is_sv(letters_of(r, &(struct store_letters){ .max = 10 }), SV(""), "there are none");
    const struct store_letter first[] = { { LETTER(3), SV("three") }, { LETTER(1), SV("one") } };
    is_int(apply(r, &CHANGE("c", 0, .letters = first, .letters_n = 2))->status, STORE_DONE, "two given up");
    is_int(apply(r, &CHANGE("c", 0, .letters = &(struct store_letter){ LETTER(9), SV("no") }, .letters_n = 1))->status,
           STORE_CONFLICT, "none with a conflict");
    (void)apply(r, &CHANGE("c", 1, .queue_add = LIST(SV("q1"), SV("q2")), .queue_add_n = 2));
    const struct store_batch *b = take(r, "o", 1);
    const struct store_letter more[] = { { LETTER(2), SV("two") }, { LETTER(4), SV("four") } };
    is_int(ack(r, &(struct store_ack){ .batch = b->name, .dead = more, .dead_n = 2 }), STORE_DONE, "two from a batch");
    is_int(ack(r, &(struct store_ack){ .batch = b->name, .dead = &(struct store_letter){ LETTER(9), SV("no") }, .dead_n = 1 }),
           STORE_DONE, "none from a batch that is gone");
    is_int(stat_of(r)->dead, 4, "four are counted");
    (void)apply(r, &CHANGE("c", 2, .letters = &(struct store_letter){ LETTER(1), SV("one") }, .letters_n = 1));
    is_int(stat_of(r)->dead, 4, "the same one twice is one");
    struct store_letters what = { .max = 3 };
    is_sv(letters_of(r, &what), SV("four,three,two"), "the newest first");
    what.id = LETTER(2);
    is_sv(letters_of(r, &what), SV("one"), "page by page");
    what.id = LETTER(1);
    is_sv(letters_of(r, &what), SV(""), "to the end");
    what = (struct store_letters){ .op = STORE_LETTERS_GET, .id = LETTER(3) };
    struct call *c = letters(r, &what);
    ok(c->n == 1 && sv_eq(c->letters[0].id, LETTER(3)) && sv_eq(c->letters[0].item, SV("three")), "one of them");
    what.id = SV("nonsense");
    ok(letters(r, &what)->status == STORE_DONE && letters(r, &what)->n == 0, "one that is not there");
    what = (struct store_letters){ .op = STORE_LETTERS_DROP, .id = LETTER(3) };
    is_sv(letters_of(r, &what), SV("three"), "dropped");
    is_sv(letters_of(r, &what), SV(""), "once");
    what = (struct store_letters){ .op = STORE_LETTERS_AGAIN, .id = LETTER(2), .item = SV("two again") };
    is_sv(letters_of(r, &what), SV("two"), "another gets a second chance");
    is_sv(letters_of(r, &what), SV(""), "one");
    is_int(stat_of(r)->dead, 2, "two are left");
    is_sv(letters_of(r, &(struct store_letters){ .max = 9, .id = LETTER(3) }), SV("one"),
          "behind one that is there no more");
    is_sv(drain(r), SV("q2,two again"), "at the queue's end");
    what.id = SV("");
    is_int(letters(r, &what)->status, STORE_FULL, "an empty id is none");
}

/* ---- numbers ---- */

static bool has_head(const struct store_stat *n, struct sv item)
{
    for (size_t i = 0; i < n->heads_n; i++) {
        if (sv_eq(n->heads[i], item))
            return true;
    }
    return false;
}

static void heads(struct rig *r)
{
    is_int(stat_of(r)->heads_n, 0, "nothing waits");
    struct sv items[] = { SV("1"), SV("2"), SV("3"), SV("4"), SV("5"), SV("6") };
    (void)apply(r, &CHANGE("q", 0, .queue_add = items, .queue_add_n = 6));
    const struct store_stat *n = stat_of(r);
    ok(n->heads_n == 1 && has_head(n, SV("1")), "the queue's first");
    struct sv first = take(r, "a", 2)->name;
    (void)take(r, "b", 2);
    n = stat_of(r);
    ok(has_head(n, SV("1")) && has_head(n, SV("3")) && has_head(n, SV("5")), "and that of each batch");
    (void)ack(r, &(struct store_ack){ .batch = first });
    ok(!has_head(stat_of(r), SV("1")), "until it is archived");
    (void)recover(r, "b");
    n = stat_of(r);
    ok(n->heads_n >= 1 && n->heads_n <= 2 && has_head(n, SV("3")), "what came back is the first again");
    char owner[16];
    (void)drain(r);
    struct sv many[20];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = SV("x");
    many[0] = SV("oldest");
    (void)apply(r, &CHANGE("q", 1, .queue_add = many, .queue_add_n = ARRAY_LEN(many)));
    for (int i = 0; i < 19; i++) {
        (void)snprintf(owner, sizeof owner, "o%d", i);
        (void)take(r, owner, 1);
    }
    n = stat_of(r);
    ok(n->heads_n >= 16 && n->heads_n <= 20 && has_head(n, SV("oldest")), "of many batches: %zu", n->heads_n);
    for (int i = 0; i < 19; i++) { /* the oldest item in the youngest batch */
        (void)snprintf(owner, sizeof owner, "o%d", i);
        (void)recover(r, owner);
    }
    for (int i = 18; i >= 0; i--) {
        (void)snprintf(owner, sizeof owner, "p%d", i);
        (void)take(r, owner, 1);
    }
    ok(has_head(stat_of(r), SV("oldest")), "whichever batch has the oldest item");
}

static void ages(struct rig *r)
{
    int64_t now_ms = load(r, "none")->now_ms, minute = 60000;
    const int64_t ages_ms[] = { 0, 59 * minute, 61 * minute, 23 * 60 * minute, 25 * 60 * minute, -minute };
    for (size_t i = 0; i < ARRAY_LEN(ages_ms); i++)
        place(r, (char[]){ (char)('a' + (int)i), '\0' }, now_ms - ages_ms[i]);
    const struct store_stat *n = stat_of(r);
    is_int(n->conversations, 6, "six");
    is_int(n->recent, 3, "three of the last hour");
    is_int(n->day, 5, "five of the last day");
    ok(n->now_ms >= now_ms && n->now_ms < now_ms + LONG_MS, "by the store's clock");
    ok(n->text.n >= 2 && n->text.p[0] == '{', "and figures of its own: %.*s", SV_FMT(n->text));
}

const struct rig_case list_cases[] = {
    { .name = "listings page by page", .run = listings },
    { .name = "listed until now", .run = until_now },
    { .name = "cursors of what is gone", .run = cursors },
    { .name = "listed records", .run = records },
    { .name = "forget", .run = forget },
    { .name = "forget what is lost", .run = forget_the_lost },
    { .name = "another life", .run = another_life },
    { .name = "forgetting is told", .run = forget_is_told },
    { .name = "large dead letters", .run = large_letters },
    { .name = "dead letters", .run = dead_letters },
    { .name = "first items", .run = heads },
    { .name = "ages", .run = ages },
    { 0 },
};
