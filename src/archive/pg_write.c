/* SPDX-License-Identifier: MIT
 *   PARSING, some items a round of the loop, so that a large batch does not hold up the turns of this process
 *      └─> SENDING the next range of items, one transaction ──done──> the next range, or the end
 *              │ refused because of the data: the range is cut in halves, both come next; a single item is poison
 *              │ refused because of another transaction (deadlock): the same range again, a little later
 *              └ lost, or refused for another cause: DOWN
 * k poison items among n cost about k * log2(n / k) more transactions; everything else is kept at once.
 * Some refusals do not say whose fault they are (a missing table, an internal error). They are the item's when another range
 * went through, and the server's when none did. */
#include "config.h"

#include <stdlib.h>

#include "archive/pg_batch.h"
#include "archive/pg_write.h"
#include "lib/backoff.h"
#include "lib/log.h"
#include "lib/loop.h"

#define PARSE_AT_ONCE 200
#define RANGE_BYTES_MAX (8u << 20) /* of items in one transaction ... */
#define RANGE_BYTES_MIN (64u << 10) /* ... and when the server is so slow that more does not get done in time */
#define RANGE_ITEMS_MAX 2000
#define RETRIES_MAX 6
#define UNCLEAR_MAX 24 /* refusals, when nothing has gone through: enough to find one bad item in 65,536 and to try its neighbours */
#define ARENA_FIRST 65536
#define ARENA_MAX (512u << 20)

enum stage { STAGE_PARSING, STAGE_SENDING, STAGE_RETRY };

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
    const struct item **valid; /* those that passed the door */
    size_t valid_n;
    const char **verdicts;

    struct range *left; /* a stack: what is left to send */
    size_t left_n;
    struct range now;
    unsigned retries;
    bool done_some, suspects; /* a range was committed; an item was refused without it being clear whose fault that was */
    unsigned unclear;         /* such refusals so far */
    struct pg_batch *batch;
    struct loop_timer *timer;
};

struct pg_writer {
    struct loop *loop;
    struct pg_pool *pool;
    struct write *writes;
    size_t range_bytes; /* halved by each loss, doubled by each success */
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

static void finish_all(struct write *w)
{
    finish(w, w->suspects && !w->done_some ? ARCHIVE_DOWN : ARCHIVE_DONE);
}

/* ---- what a refusal means ---- */

enum blame { BLAME_ITEM, BLAME_RIVAL, BLAME_SERVER, BLAME_UNCLEAR };

static enum blame blame(const char *sqlstate)
{
    static const struct {
        const char *prefix;
        enum blame whose;
    } table[] = { /* PostgreSQL, appendix A */
        { "22", BLAME_ITEM },   { "23", BLAME_ITEM },   { "54", BLAME_ITEM },   { "40", BLAME_RIVAL },  { "55P03", BLAME_RIVAL },
        { "08", BLAME_SERVER }, { "25", BLAME_SERVER }, { "28", BLAME_SERVER }, { "3D", BLAME_SERVER }, { "53", BLAME_SERVER },
        { "57", BLAME_SERVER }, { "58", BLAME_SERVER }, { "42501", BLAME_SERVER },
        { "42703", BLAME_SERVER }, /* a column is missing: a migration has not been applied yet */
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strncmp(sqlstate, table[i].prefix, strlen(table[i].prefix)) == 0)
            return table[i].whose;
    return BLAME_UNCLEAR;
}

static void accuse(struct write *w, const struct pg_outcome *o, bool sure)
{
    size_t index = (size_t)(w->valid[w->now.begin] - w->parsed);
    struct sv reason = arena_printf(w->arena, "PostgreSQL refused it: %s (%s)", o->text, o->sqlstate);

    w->verdicts[index] = reason.p != NULL ? reason.p : "PostgreSQL refused it";
    w->suspects = w->suspects || !sure;
    w->done_some = w->done_some || sure; /* the server works: it looked at this item and said why not */
}

static void retry(struct write *w)
{
    w->stage = STAGE_RETRY;
    loop_timer_set(w->timer, backoff_ms(w->retries, 10, 200));
}

static void refused(struct write *w, const struct pg_outcome *o)
{
    enum blame whose = blame(o->sqlstate);
    size_t half;

    if (whose == BLAME_RIVAL && w->retries++ < RETRIES_MAX) {
        w->left[w->left_n++] = w->now;
        retry(w);
        return;
    }
    if (whose == BLAME_RIVAL || whose == BLAME_SERVER) {
        log_warning("the archive does not take a batch", "sqlstate", o->sqlstate, "reason", o->text, NULL);
        finish(w, ARCHIVE_DOWN);
        return;
    }
    if (whose == BLAME_UNCLEAR && w->unclear++ == 0)
        log_warning("PostgreSQL refuses a batch", "sqlstate", o->sqlstate, "reason", o->text, NULL);
    if (w->unclear > UNCLEAR_MAX && !w->done_some) {
        finish(w, ARCHIVE_DOWN);
        return;
    }
    half = (w->now.end - w->now.begin) / 2;
    if (half == 0) {
        accuse(w, o, whose == BLAME_ITEM);
    } else {
        w->left[w->left_n++] = (struct range){ w->now.begin + half, w->now.end };
        w->left[w->left_n++] = (struct range){ w->now.begin, w->now.begin + half };
    }
    send_next(w);
}

/* ---- sending ---- */

static void on_outcome(void *arg, const struct pg_outcome *o)
{
    struct write *w = arg;

    switch (o->status) {
    case PG_DONE:
        if (w->writer->range_bytes < RANGE_BYTES_MAX)
            w->writer->range_bytes *= 2;
        w->done_some = true;
        w->retries = 0;
        send_next(w);
        return;
    case PG_REFUSED:
        refused(w, o);
        return;
    case PG_LOST:
        if (w->writer->range_bytes > RANGE_BYTES_MIN)
            w->writer->range_bytes /= 2;
        finish(w, ARCHIVE_DOWN);
        return;
    }
}

static void send_next(struct write *w)
{
    struct pg_request r = { .transaction = true, .fn = on_outcome, .arg = w };

    if (w->left_n == 0) {
        finish_all(w);
        return;
    }
    w->stage = STAGE_SENDING;
    w->now = w->left[--w->left_n];
    if (pg_batch_fill(w->batch, w->valid + w->now.begin, w->now.end - w->now.begin) != 0) {
        log_error("out of memory: a batch for the archive", NULL);
        finish(w, ARCHIVE_DOWN);
        return;
    }
    r.queries = pg_batch_queries(w->batch, &r.n);
    pg_pool_run(w->writer->pool, PG_WRITE, &r);
}

static void on_timer(void *arg)
{
    send_next(arg);
}

/* One range for all, unless that is too much for one transaction; on the stack the last one comes first. */
static void cut_ranges(struct write *w)
{
    size_t bytes = 0, end = w->valid_n;

    for (size_t i = w->valid_n; i > 0; i--) {
        bytes += w->items[w->valid[i - 1] - w->parsed].n;
        if (end - i + 1 < RANGE_ITEMS_MAX && bytes < w->writer->range_bytes && i > 1)
            continue;
        w->left[w->left_n++] = (struct range){ i - 1, end };
        end = i - 1;
        bytes = 0;
    }
}

/* ---- parsing ---- */

/* False: memory is short. */
static bool parse_one(struct write *w, size_t i)
{
    struct err e = { 0 };

    if (item_parse(w->arena, w->items[i], &w->parsed[i], &e) == 0) {
        w->valid[w->valid_n++] = &w->parsed[i];
        return true;
    }
    w->verdicts[i] = arena_str(w->arena, sv_from(e.text));
    return e.code != ERR_MEMORY && w->verdicts[i] != NULL;
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
        cut_ranges(w);
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
    w->batch = pg_batch_new();
    w->timer = loop_timer_new(w->writer->loop, on_timer, w);
    if (w->parsed == NULL || w->valid == NULL || w->verdicts == NULL || w->left == NULL || w->batch == NULL)
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
