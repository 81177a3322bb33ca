/* SPDX-License-Identifier: MIT
 *   PARSING, some items a round of the loop, so that a large batch does not hold up the turns of this process
 *      └─> SENDING the next range of items, one transaction ──done──> the next range, or the end
 *              │ refused because of the data: the range is cut in halves, both come next; a single item is poison
 *              │ refused because of another transaction (deadlock): the same range again, a little later
 *              │ refused alone for what time may cure: put aside until all others are written, then sent again, a little later each time
 *              │ refused without a word whose fault it is: TRIAL
 *              │ refused by the guard, since some of it was erased: ASKING who it was; what is left of the range comes again
 *              └ lost, or refused for another cause: DOWN
 *          TRIAL with harmless items ──done──> the same range again: from now on it is the data's fault
 *              └ refused or lost: DOWN
 * When all is written, ERASING what the batch says is to be erased, one after another.
 * k poison items among n cost about k * log2(n / k) more transactions; everything else is kept at once.
 *
 * What does not come to an answer is written again by whoever asked, so it must not go on for ever. The writer remembers the item on which it lost
 * the server when that was sent alone (a loss makes ranges shorter until it is). Before that one is sent again the server is tried with harmless items
 * in the same conversation; that it takes these and is lost on that one, ATTEMPTS times, is a verdict. */
#include "config.h"

#include <stdlib.h>

#include "archive/archive_trial.h"
#include "archive/item_erased.h"
#include "archive/pg_batch.h"
#include "archive/pg_erase.h"
#include "archive/pg_guard.h"
#include "archive/pg_write.h"
#include "lib/backoff.h"
#include "lib/log.h"
#include "lib/loop.h"

#define PARSE_AT_ONCE 200
#define RANGE_BYTES_MAX (8u << 20) /* of items in one transaction, when the server is quick */
#define RANGE_ITEMS_MAX 2000
#define RETRIES_MAX 6
#define SUSPECTS_MAX 64
#define ATTEMPTS 5 /* with an item that is refused for what time may cure */
#define ARENA_FIRST 65536
#define ARENA_MAX (512u << 20)

enum stage { STAGE_PARSING, STAGE_SENDING, STAGE_TRIAL, STAGE_RETRY, STAGE_ASKING, STAGE_ERASING };

struct range {
    size_t begin, end; /* of valid[] */
};

struct write {
    struct write *next, **link; /* among the writer's */
    struct pg_writer *writer;   /* NULL: freed, only the posted step is left */
    enum stage stage;
    archive_write_fn *fn;
    void *arg;

    struct arena *arena; /* parsed items and reasons */
    const struct sv *items;
    size_t n, parsed_n;
    struct item *parsed;
    const struct item **valid; /* those of which there is something to write: first all with messages, then the tasks */
    size_t valid_n;
    const char **verdicts;

    struct range *left; /* a stack: what is left to send */
    size_t left_n;
    struct range now;
    size_t *aside; /* single items to be sent again */
    size_t aside_n;
    unsigned retries;  /* races lost in a row */
    unsigned attempts; /* with each of what is left, when it was aside: refused so often already */
    bool works;                 /* the server has taken something, or said what is wrong with it */
    bool cleared;               /* the next answer is to the trial for the item to come, or was */
    bool was_up;                /* the server, when `now` was sent */
    struct pg_batch *batch;
    struct pg_query question; /* who was erased */
    size_t erasing; /* of the items: those before it that erase have done so */
    struct loop_timer *timer;
};

struct pg_writer {
    struct loop *loop;
    struct pg_pool *pool;
    struct write *writes;
    size_t range_bytes; /* shrinks with each loss, grows with each write that is done */
    struct suspect {
        uint64_t hash; /* of the item's text */
        unsigned losses; /* 0: free */
    } suspects[SUSPECTS_MAX]; /* forgotten when a write is done */
};

static void send_next(struct write *w);

/* ---- the end ---- */

static void unlink_write(struct write *w)
{
    *w->link = w->next;
    if (w->next != NULL)
        w->next->link = w->link;
}

static void write_free(struct write *w)
{
    pg_batch_free(w->batch);
    loop_timer_free(w->timer);
    arena_free(w->arena);
    free(w);
}

static void finish(struct write *w, enum archive_status status)
{
    unlink_write(w);
    w->fn(w->arg, status, status == ARCHIVE_DONE ? w->verdicts : NULL);
    write_free(w);
}

/* ---- what a refusal means ---- */

enum blame { BLAME_ITEM, BLAME_PERHAPS, BLAME_RIVAL, BLAME_ERASED, BLAME_LOSS, BLAME_SERVER, BLAME_UNCLEAR };

static enum blame blame(const char *sqlstate)
{
    static const struct {
        const char *prefix;
        enum blame whose;
    } table[] = { /* PostgreSQL, appendix A; the first that fits */
        { "22", BLAME_ITEM },      { "54", BLAME_ITEM },      { "23", BLAME_PERHAPS }, /* what another one is just writing or erasing */
        { "40", BLAME_RIVAL },     { "55P03", BLAME_RIVAL }, { PG_GUARD_SQLSTATE, BLAME_ERASED },
        { "57014", BLAME_LOSS }, /* the server's own deadline */
        { "53200", BLAME_LOSS }, /* more memory than there is */
        { "08", BLAME_SERVER },    { "25", BLAME_SERVER },    { "28", BLAME_SERVER },  { "3D", BLAME_SERVER },
        { "53", BLAME_SERVER },    { "57", BLAME_SERVER },    { "58", BLAME_SERVER },  { "42501", BLAME_SERVER },
        { "42703", BLAME_SERVER }, /* a column is missing: a migration has not been applied yet */
        { "42883", BLAME_SERVER }, /* or a function */
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strncmp(sqlstate, table[i].prefix, strlen(table[i].prefix)) == 0)
            return table[i].whose;
    return BLAME_UNCLEAR;
}

static bool is_single(const struct write *w)
{
    return w->now.end - w->now.begin == 1;
}

static struct sv text_of(const struct write *w, size_t valid)
{
    return w->items[w->valid[valid] - w->parsed];
}

static void accuse(struct write *w, struct sv reason)
{
    w->verdicts[w->valid[w->now.begin] - w->parsed] = reason.p != NULL ? reason.p : "PostgreSQL refused it";
}

static void later(struct write *w, unsigned tries)
{
    w->stage = STAGE_RETRY;
    loop_timer_set(w->timer, backoff_ms(tries, 10, 200));
}

/* All that was put aside, in its order. */
static void take_up(struct write *w)
{
    while (w->aside_n > 0) {
        size_t i = w->aside[--w->aside_n];
        w->left[w->left_n++] = (struct range){ i, i + 1 };
    }
    later(w, ++w->attempts);
}

/* ---- an item on which the server is lost ---- */

static uint64_t hash_of(struct sv s) /* FNV-1a */
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < s.n; i++)
        hash = (hash ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* Of a valid item; NULL: nothing is held against it. */
static struct suspect *find_suspect(const struct write *w, size_t valid)
{
    struct pg_writer *writer = w->writer;
    uint64_t hash = writer->suspects[0].losses > 0 ? hash_of(text_of(w, valid)) : 0;

    for (size_t i = 0; i < SUSPECTS_MAX && writer->suspects[i].losses > 0; i++)
        if (writer->suspects[i].hash == hash)
            return &writer->suspects[i];
    return NULL;
}

static void suspect(const struct write *w)
{
    struct pg_writer *writer = w->writer;
    struct suspect *s = find_suspect(w, w->now.begin);

    for (size_t i = 0; s == NULL && i < SUSPECTS_MAX; i++)
        if (writer->suspects[i].losses == 0 || i == SUSPECTS_MAX - 1) {
            s = &writer->suspects[i];
            *s = (struct suspect){ .hash = hash_of(text_of(w, w->now.begin)) };
        }
    if (s != NULL)
        s->losses++;
}

static void lost(struct write *w)
{
    size_t bytes = 0;

    for (size_t i = w->now.begin; i < w->now.end; i++)
        bytes += text_of(w, i).n;
    if (w->was_up)
        w->writer->range_bytes = bytes / 4 + 1;
    if (w->was_up && is_single(w))
        suspect(w);
    finish(w, ARCHIVE_DOWN);
}

/* ---- refused ---- */

static void send_trial(struct write *w, const struct item *like);

static void halve(struct write *w)
{
    size_t half = (w->now.end - w->now.begin) / 2;

    w->left[w->left_n++] = (struct range){ w->now.begin + half, w->now.end };
    w->left[w->left_n++] = (struct range){ w->now.begin, w->now.begin + half };
}

static void ask_who(struct write *w);

static void refused(struct write *w, const struct pg_outcome *o)
{
    enum blame whose = blame(o->sqlstate);

    if (whose == BLAME_ERASED && w->retries++ < RETRIES_MAX) {
        ask_who(w);
        return;
    }
    if (whose == BLAME_RIVAL && w->retries++ < RETRIES_MAX) {
        w->left[w->left_n++] = w->now;
        later(w, w->retries);
        return;
    }
    if (whose == BLAME_RIVAL || whose == BLAME_ERASED || whose == BLAME_LOSS || whose == BLAME_SERVER) {
        log_warning("the archive does not take a batch", "sqlstate", o->sqlstate, "reason", o->text, NULL);
        if (whose == BLAME_SERVER || whose == BLAME_ERASED)
            finish(w, ARCHIVE_DOWN);
        else
            lost(w);
        return;
    }
    if (whose == BLAME_UNCLEAR && !w->works) {
        log_warning("PostgreSQL refuses a batch", "sqlstate", o->sqlstate, "reason", o->text, NULL);
        w->left[w->left_n++] = w->now;
        send_trial(w, NULL);
        return;
    }
    if (!is_single(w)) {
        halve(w);
    } else if (whose != BLAME_ITEM && w->attempts + 1 < ATTEMPTS) {
        w->aside[w->aside_n++] = w->now.begin;
    } else {
        accuse(w, arena_printf(w->arena, "PostgreSQL refused it: %s (%s)", o->text, o->sqlstate));
        w->works = true; /* it looked at this item and said why not */
    }
    send_next(w);
}

/* ---- erased before it came ---- */

/* What is left of the range stands at its beginning. False: memory is short. */
static bool cut(struct write *w)
{
    size_t kept = w->now.begin;

    for (size_t i = w->now.begin; i < w->now.end; i++) {
        struct item *item = &w->parsed[w->valid[i] - w->parsed];
        int left = item_cut(w->arena, item, pg_guard_erased, pg_batch_guard(w->batch));
        if (left < 0)
            return false;
        if (left > 0)
            w->valid[kept++] = item;
    }
    w->now.end = kept;
    return true;
}

static void on_who(void *arg, const struct pg_outcome *o)
{
    struct write *w = arg;

    if (o->status != PG_DONE) {
        finish(w, ARCHIVE_DOWN);
        return;
    }
    w->works = true;
    pg_guard_learn(pg_batch_guard(w->batch), o);
    if (!cut(w)) {
        log_error("out of memory: a batch for the archive", NULL);
        finish(w, ARCHIVE_DOWN);
        return;
    }
    if (w->now.end > w->now.begin)
        w->left[w->left_n++] = w->now;
    send_next(w);
}

static void ask_who(struct write *w)
{
    w->stage = STAGE_ASKING;
    w->question = pg_guard_question(pg_batch_guard(w->batch));
    pg_pool_run(w->writer->pool, PG_WRITE, &(struct pg_request){ .queries = &w->question, .n = 1, .fn = on_who, .arg = w });
}

/* ---- sending ---- */

static void on_outcome(void *arg, const struct pg_outcome *o)
{
    struct write *w = arg;

    switch (o->status) {
    case PG_DONE:
        w->works = true;
        w->retries = 0;
        send_next(w);
        return;
    case PG_REFUSED:
        refused(w, o);
        return;
    case PG_LOST:
        lost(w);
        return;
    }
}

static void on_trial(void *arg, const struct pg_outcome *o)
{
    struct write *w = arg;

    if (o->status != PG_DONE) {
        if (o->status == PG_REFUSED)
            log_warning("the archive takes nothing", "sqlstate", o->sqlstate, "reason", o->text, NULL);
        finish(w, ARCHIVE_DOWN);
        return;
    }
    w->works = true;
    send_next(w);
}

static void send_batch(struct write *w, const struct item *const *items, size_t n, pg_outcome_fn *fn)
{
    struct pg_request r = { .transaction = true, .trial = fn == on_trial, .fn = fn, .arg = w };

    if (pg_batch_fill(w->batch, items, n, !r.trial) != 0) {
        log_error("out of memory: a batch for the archive", NULL);
        finish(w, ARCHIVE_DOWN);
        return;
    }
    r.queries = pg_batch_queries(w->batch, &r.n);
    pg_pool_run(w->writer->pool, PG_WRITE, &r);
}

static void send_trial(struct write *w, const struct item *like)
{
    struct item *items = arena_array(w->arena, TRIAL_ITEMS, sizeof(*items));

    w->stage = STAGE_TRIAL;
    w->cleared = like != NULL;
    if (items == NULL || trial_items(w->arena, like, items) != 0) {
        log_error("out of memory: a batch for the archive", NULL);
        finish(w, ARCHIVE_DOWN);
        return;
    }
    send_batch(w, (const struct item *[]){ &items[0], &items[1], &items[2] }, TRIAL_ITEMS, on_trial);
}

/* The next range, as long as the server can take it; a suspect alone. Tasks do not come into one transaction with messages: pg_sql.c says why. */
static void take_range(struct write *w)
{
    struct range r = w->left[--w->left_n];
    size_t bytes = 0, end = r.begin;
    bool alone = find_suspect(w, r.begin) != NULL;

    while (end < r.end && end - r.begin < (alone ? 1 : RANGE_ITEMS_MAX) && bytes < w->writer->range_bytes &&
           (alone || find_suspect(w, end) == NULL))
        bytes += text_of(w, end++).n;
    if (end < r.end)
        w->left[w->left_n++] = (struct range){ end, r.end };
    w->now = (struct range){ r.begin, end };
}

static void all_done(struct write *w)
{
    struct pg_writer *writer = w->writer;

    if (writer->range_bytes < RANGE_BYTES_MAX)
        writer->range_bytes *= 2;
    memset(writer->suspects, 0, sizeof(writer->suspects));
    finish(w, ARCHIVE_DONE);
}

/* ---- what is to be erased ---- */

static void erase_next(struct write *w);

static void on_erased(void *arg, enum archive_status status, const struct archive_erased *e)
{
    struct write *w = arg;

    (void)e; /* its receipt is in the database */
    if (status == ARCHIVE_DONE)
        erase_next(w);
    else
        finish(w, ARCHIVE_DOWN);
}

static void erase_next(struct write *w)
{
    const struct item *item = NULL;

    w->stage = STAGE_ERASING;
    for (; item == NULL && w->erasing < w->n; w->erasing++)
        if (w->verdicts[w->erasing] == NULL && w->parsed[w->erasing].erase != NULL)
            item = &w->parsed[w->erasing];
    if (item == NULL) {
        all_done(w);
        return;
    }
    pg_erase(w->writer->pool, &(struct archive_erase){ .subject = item->erase->user ? ARCHIVE_USER : ARCHIVE_SESSION, .id = item->erase->id,
                                                       .at_ms = item->at_ms }, on_erased, w);
}

static void send_next(struct write *w)
{
    bool cleared = w->cleared;
    const struct suspect *s;

    w->cleared = false;
    if (w->left_n == 0 && w->aside_n > 0) {
        take_up(w);
        return;
    }
    if (w->left_n == 0) {
        erase_next(w);
        return;
    }
    w->stage = STAGE_SENDING;
    take_range(w);
    s = find_suspect(w, w->now.begin);
    if (s != NULL && !cleared) {
        w->left[w->left_n++] = w->now;
        send_trial(w, w->valid[w->now.begin]);
        return;
    }
    if (s != NULL && s->losses >= ATTEMPTS) {
        accuse(w, arena_printf(w->arena, "PostgreSQL was lost on it %u times, and took others", s->losses));
        send_next(w);
        return;
    }
    w->was_up = pg_pool_is_up(w->writer->pool);
    send_batch(w, w->valid + w->now.begin, w->now.end - w->now.begin, on_outcome);
}

static void on_timer(void *arg)
{
    send_next(arg);
}

/* ---- parsing ---- */

/* False: memory is short. */
static bool parse_one(struct write *w, size_t i)
{
    struct err e = { 0 };

    if (item_parse(w->arena, w->items[i], &w->parsed[i], &e) == 0)
        return true;
    w->verdicts[i] = arena_str(w->arena, sv_from(e.text));
    return e.code != ERR_MEMORY && w->verdicts[i] != NULL;
}

/* What is to be sent, as two ranges; on the stack the last one comes first. */
static void line_up(struct write *w)
{
    size_t messages_n;

    for (size_t i = 0; i < w->n; i++)
        if (w->verdicts[i] == NULL && w->parsed[i].messages_n > 0)
            w->valid[w->valid_n++] = &w->parsed[i];
    messages_n = w->valid_n;
    for (size_t i = 0; i < w->n; i++)
        if (w->verdicts[i] == NULL && (w->parsed[i].state != NULL || w->parsed[i].customer != NULL))
            w->valid[w->valid_n++] = &w->parsed[i];
    if (w->valid_n > messages_n)
        w->left[w->left_n++] = (struct range){ messages_n, w->valid_n };
    if (messages_n > 0)
        w->left[w->left_n++] = (struct range){ 0, messages_n };
}

/* Posted once more until all items are read; the first time it also keeps the callback out of the call. */
static void parse_some(void *arg)
{
    struct write *w = arg;
    size_t end;

    if (w->writer == NULL) {
        write_free(w);
        return;
    }
    do {
        end = w->parsed_n + PARSE_AT_ONCE < w->n ? w->parsed_n + PARSE_AT_ONCE : w->n;
        for (; w->parsed_n < end; w->parsed_n++) {
            if (!parse_one(w, w->parsed_n)) {
                log_error("out of memory: items for the archive", NULL);
                finish(w, ARCHIVE_DOWN);
                return;
            }
        }
    } while (w->parsed_n < w->n && !loop_post(w->writer->loop, parse_some, w));
    if (w->parsed_n == w->n) {
        line_up(w);
        send_next(w);
    }
}

/* ---- the beginning ---- */

static int allocate(struct write *w, size_t n)
{
    w->arena = arena_new(ARENA_FIRST, ARENA_MAX);
    if (w->arena == NULL)
        return -1;
    w->parsed = arena_array(w->arena, n, sizeof(*w->parsed));
    w->valid = arena_array(w->arena, n, sizeof(const struct item *));
    w->verdicts = arena_array(w->arena, n, sizeof(const char *));
    w->left = arena_array(w->arena, n + 2, sizeof(*w->left)); /* ranges are disjoint and not empty */
    w->aside = arena_array(w->arena, n, sizeof(*w->aside));
    w->batch = pg_batch_new();
    w->timer = loop_timer_new(w->writer->loop, on_timer, w);
    if (w->parsed == NULL || w->valid == NULL || w->verdicts == NULL || w->left == NULL || w->aside == NULL || w->batch == NULL)
        return -1;
    return w->timer != NULL ? 0 : -1;
}

void pg_writer_write(struct pg_writer *writer, const struct sv *items, size_t n, archive_write_fn *fn, void *arg)
{
    struct write *w = calloc(1, sizeof(*w));

    if (w == NULL) {
        log_error("out of memory: a batch for the archive", NULL);
        abort();
    }
    *w = (struct write){ .writer = writer, .items = items, .n = n, .fn = fn, .arg = arg };
    if (allocate(w, n) != 0 || !loop_post(writer->loop, parse_some, w)) {
        log_error("out of memory: a batch for the archive", NULL);
        abort();
    }
    w->link = &writer->writes;
    w->next = writer->writes;
    if (w->next != NULL)
        w->next->link = &w->next;
    writer->writes = w;
}

struct pg_writer *pg_writer_new(struct loop *l, struct pg_pool *p)
{
    struct pg_writer *writer = calloc(1, sizeof(*writer));

    if (writer != NULL)
        *writer = (struct pg_writer){ .loop = l, .pool = p, .range_bytes = RANGE_BYTES_MAX };
    return writer;
}

void pg_writer_free(struct pg_writer *writer)
{
    if (writer == NULL)
        return;
    while (writer->writes != NULL) {
        struct write *w = writer->writes;
        unlink_write(w);
        w->fn(w->arg, ARCHIVE_DOWN, NULL);
        if (w->stage == STAGE_PARSING)
            w->writer = NULL; /* its posted step frees it */
        else
            write_free(w);
    }
    free(writer);
}
