/* SPDX-License-Identifier: MIT
 *   SAY, alone: no batch is being written at that moment, and each one after it looks first
 *     └─> the subject's steps, one after another; one that finds as many rows as it may comes once more
 *           └─> the receipt, which also counts what others have deleted who were told the same
 * A transaction that another one was in the way of is made again: nothing of it remained. */
#include "config.h"

#include <stdlib.h>

#include "archive/archive_item.h"
#include "archive/erase_tally.h"
#include "archive/item_erased.h"
#include "archive/pg_erase.h"
#include "archive/pg_erase_sql.h"
#include "lib/id.h"
#include "lib/log.h"

#define ARENA_MAX (256u << 20)
#define ROWS_AT_ONCE 2000
#define TRIES_MAX 20
#define QUERIES_MAX 4

/* One transaction. */
struct step {
    bool repeats; /* while it finds ROWS_AT_ONCE */
    size_t n;
    const struct pg_statement *statements[QUERIES_MAX];
};

#define ERASE(which) &pg_erase_sql[PG_ERASE_##which]
static const struct step of_session[] = {
    { true, 1, { ERASE(MESSAGES) } },
    { true, 1, { ERASE(ACTIONS) } },
    { true, 1, { ERASE(JOBS) } },
    { false, 1, { ERASE(ORPHANS) } },
    { false, 4, { ERASE(HOLD), ERASE(CONVERSATION), ERASE(RECOUNT), ERASE(SESSION) } },
    { false, 1, { ERASE(SAID_HERE) } },
    { false, 1, { ERASE(SAID_HERE_TOO) } },
    { false, 1, { ERASE(LETTERS) } },
};
static const struct step of_user[] = {
    { false, 1, { ERASE(CUSTOMER) } },
    { false, 1, { ERASE(CUSTOMER_TOO) } },
    { false, 2, { &pg_history_sql[PG_HISTORY_EDITOR], ERASE(PREFERENCES) } },
    { false, 1, { ERASE(FIGURES) } },
};
static const struct step of_ids[] = {
    { false, 1, { ERASE(KNOWN) } },
};

struct call {
    struct arena *arena;
    struct pg_pool *pool;
    enum archive_subject subject;
    const struct step *step, *end; /* the next one */
    struct pg_query queries[QUERIES_MAX];
    size_t queries_n;
    struct sv say[4], params[4];
    char time[8], limit[8], id[ID_UUID_SIZE];
    int tries;
    pg_outcome_fn *done;
    struct erase_tally tally;
    archive_erased_fn *fn;
    archive_done_fn *receipt;
    void *arg;
};

static void *must_have(void *p)
{
    if (p == NULL) {
        log_error("out of memory: an erasure in the archive", NULL);
        abort();
    }
    return p;
}

static struct call *call_new(struct pg_pool *p, void *arg)
{
    struct arena *a = must_have(arena_new(0, ARENA_MAX));
    struct call *c = must_have(arena_alloc(a, sizeof(*c)));

    c->arena = a;
    c->pool = p;
    c->arg = arg;
    c->tally.arena = a;
    return c;
}

static struct sv keep(struct call *c, struct sv text)
{
    return (struct sv){ must_have(arena_str(c->arena, text)), text.n };
}

/* ---- one transaction ---- */

static void send_again(struct call *c);

static void on_outcome(void *arg, const struct pg_outcome *o)
{
    struct call *c = arg;

    if (o->status == PG_REFUSED && strncmp(o->sqlstate, "40", 2) == 0 && ++c->tries < TRIES_MAX) {
        send_again(c);
        return;
    }
    if (o->status == PG_REFUSED)
        log_warning("PostgreSQL refuses an erasure", "statement", c->queries[c->queries_n - 1].statement->name, "sqlstate", o->sqlstate, "reason",
                    o->text, NULL);
    c->tries = 0;
    c->done(c, o);
}

static void send_again(struct call *c)
{
    pg_pool_run(c->pool, PG_WRITE,
                &(struct pg_request){ .queries = c->queries, .n = c->queries_n, .transaction = true, .fn = on_outcome, .arg = c });
}

/* ---- the erasure ---- */

static void finish(struct call *c, enum archive_status status)
{
    struct archive_erased e;

    if (status == ARCHIVE_DONE && erase_tally_answer(&c->tally, sv_from(c->id), &e) != 0)
        status = ARCHIVE_DOWN;
    c->fn(c->arg, status, status == ARCHIVE_DONE ? &e : NULL);
    arena_free(c->arena);
}

/* *most: of one table. */
static int count(struct call *c, const struct pg_outcome *o, int64_t *most)
{
    struct sv before = SV_NONE;

    *most = 0;
    for (size_t row = 0; row < pg_rows(o); row++) {
        struct sv table = pg_value(o, row, 0), id = pg_value(o, row, 2);
        int64_t n = 0;
        (void)sv_to_i64(pg_value(o, row, 1), &n);
        if (!sv_eq(table, before) && erase_tally_rows(&c->tally, table, n) != 0)
            return -1;
        before = table;
        if (id.p != NULL && erase_tally_id(&c->tally, sv_eq(table, SV("jobs")) ? &c->tally.jobs : &c->tally.messages, id) != 0)
            return -1;
        *most = n > *most ? n : *most;
    }
    return 0;
}

static void take_step(struct call *c);

static void on_step(void *arg, const struct pg_outcome *o)
{
    struct call *c = arg;
    int64_t most;

    if (o->status != PG_DONE || count(c, o, &most) != 0) {
        finish(c, ARCHIVE_DOWN);
        return;
    }
    if (!c->step->repeats || most < ROWS_AT_ONCE)
        c->step++;
    take_step(c);
}

static void on_told(void *arg, const struct pg_outcome *o)
{
    struct call *c = arg;

    for (size_t row = 0; row < pg_rows(o); row++) {
        int64_t n = 0;
        if (sv_to_i64(pg_value(o, row, 1), &n)) /* what is none is nobody's count */
            erase_tally_in_all(&c->tally, pg_value(o, row, 0), n);
    }
    finish(c, o->status == PG_DONE ? ARCHIVE_DONE : ARCHIVE_DOWN);
}

static void ask_receipt(struct call *c)
{
    c->queries[0] = (struct pg_query){ ERASE(TOLD), c->params };
    c->queries_n = 1;
    c->done = on_told;
    send_again(c);
}

static void take_step(struct call *c)
{
    if (c->step == c->end && c->id[0] != '\0') {
        ask_receipt(c);
        return;
    }
    if (c->step == c->end) {
        finish(c, ARCHIVE_DONE);
        return;
    }
    c->queries_n = c->step->n;
    for (size_t i = 0; i < c->step->n; i++)
        c->queries[i] = (struct pg_query){ c->step->statements[i], c->params };
    c->done = on_step;
    send_again(c);
}

static void on_said(void *arg, const struct pg_outcome *o)
{
    struct call *c = arg;
    struct sv id = o->status == PG_DONE && pg_rows(o) == 1 ? pg_value(o, 0, 0) : SV_NONE;

    if (id.p == NULL || id.n >= sizeof(c->id)) {
        finish(c, ARCHIVE_DOWN);
        return;
    }
    memcpy(c->id, id.p, id.n);
    c->id[id.n] = '\0';
    take_step(c);
}

static void bigint(char to[8], int64_t n)
{
    const uint64_t wire = htobe64((uint64_t)n);

    memcpy(to, &wire, sizeof(wire));
}

/* An id that cannot be in a database: nothing is there, nothing can come. It is said all the same, by another name, so that there is a receipt. */
static struct sv nameable(struct call *c, struct sv id)
{
    return item_is_id(id) ? keep(c, id) : SV("");
}

void pg_erase_ids(struct pg_pool *p, struct sv session_id, int64_t at_ms, archive_erased_fn *fn, void *arg)
{
    struct call *c = call_new(p, arg);

    c->fn = fn;
    c->step = of_ids;
    c->end = of_ids + ARRAY_LEN(of_ids);
    c->params[0] = nameable(c, session_id);
    c->params[1] = pg_time(c->time, at_ms);
    c->params[2] = c->params[3] = SV_NONE;
    take_step(c);
}

void pg_erase(struct pg_pool *p, const struct archive_erase *what, archive_erased_fn *fn, void *arg)
{
    struct call *c = call_new(p, arg);
    struct sv name = nameable(c, what->id);

    c->fn = fn;
    c->subject = what->subject;
    switch (what->subject) {
    case ARCHIVE_SESSION:
        c->step = of_session;
        c->end = of_session + ARRAY_LEN(of_session);
        break;
    case ARCHIVE_USER:
        c->step = of_user;
        c->end = of_user + ARRAY_LEN(of_user);
        break;
    }
    id_uuid7(c->id);
    bigint(c->limit, ROWS_AT_ONCE);
    c->say[0] = keep(c, sv_from(c->id));
    c->say[1] = sv_from(erased_word(what->subject));
    c->say[2] = c->params[0] = name;
    c->say[3] = c->params[1] = pg_time(c->time, what->at_ms);
    c->params[2] = (struct sv){ c->id, ID_UUID_SIZE - 1 };
    c->params[3] = (struct sv){ c->limit, sizeof(c->limit) };
    c->queries[0] = (struct pg_query){ ERASE(ALONE), NULL };
    c->queries[1] = (struct pg_query){ ERASE(SAY), c->say };
    c->queries_n = 2;
    c->done = on_said;
    send_again(c);
}

/* ---- the receipt ---- */

static void on_receipt(void *arg, const struct pg_outcome *o)
{
    struct call *c = arg;

    c->receipt(c->arg, o->status == PG_DONE ? ARCHIVE_DONE : ARCHIVE_DOWN);
    arena_free(c->arena);
}

void pg_receipt(struct pg_pool *p, struct sv erasure_id, struct sv counts, archive_done_fn *fn, void *arg)
{
    struct call *c = call_new(p, arg);
    unsigned char uuid[ITEM_UUID_BYTES];

    c->receipt = fn;
    c->params[0] = item_uuid_parse(erasure_id, uuid) ? keep(c, erasure_id) : SV_NONE; /* no other has a receipt */
    c->params[1] = keep(c, counts);
    c->queries[0] = (struct pg_query){ ERASE(RECEIPT), c->params };
    c->queries_n = 1;
    c->done = on_receipt;
    send_again(c);
}
