/* SPDX-License-Identifier: MIT
 * archive_erase and archive_receipt in SQLite. An erasure goes a few rows at a time, and behind whoever waits: a large session holds up neither the
 * others of this process nor, by the lock of the file, those of other ones. When it takes longer than a call may, it is answered DOWN and goes on. */
#include "config.h"

#include "archive/archive_sqlite_inside.h"
#include "archive/lite_erase.h"
#include "archive/lite_erase_sql.h"

#define PATIENCE_ROWS 2000 /* for its deadline */

int sqlite_erase_some(struct sqlite *s, struct lite_erasure *e)
{
    int rc = lite_begin(s->lite, true), more = 1;

    if (rc != 0)
        return -1;
    if (e->said)
        more = lite_erase_some(s->lite, e);
    else
        rc = lite_erase_say(s->lite, e);
    if (rc != 0 || more < 0) {
        lite_rollback(s->lite);
        return -1;
    }
    if (lite_commit(s->lite, more > 0) != 0)
        return -1;
    s->commits++;
    e->said = true;
    if (more > 0)
        return 1;
    return e->wipe ? lite_wipe(s->lite, LITE_ERASE_WIPED) : 0;
}

struct erase_call {
    archive_erased_fn *fn;
    struct lite_erasure erasure;
    struct archive_erased answer;
};

static int run_erase(struct sqlite *s, struct job *j)
{
    struct erase_call *c = j->data;
    int rc = sqlite_erase_some(s, &c->erasure);

    return rc == 0 ? erase_tally_answer(&c->erasure.tally, sv_from(c->erasure.id), &c->answer) : rc;
}

static void answer_erase(struct job *j, enum archive_status status)
{
    struct erase_call *c = j->data;

    c->fn(j->arg, status, status == ARCHIVE_DONE ? &c->answer : NULL);
}

static struct job *erase_job(struct archive *a, const struct job_type *type, const struct archive_erase *what, archive_erased_fn *fn, void *arg)
{
    struct job *j = sqlite_job_new(a, type, sizeof(struct erase_call), arg);
    struct erase_call *c = j->data;

    c->fn = fn;
    c->erasure.what = *what;
    c->erasure.what.id = arena_sv(j->arena, what->id);
    c->erasure.tally.arena = j->arena;
    return j;
}

static void submit(struct job *j)
{
    const struct erase_call *c = j->data;

    sqlite_job_submit(j, c->erasure.what.id.p != NULL);
}

void lite_erase_call(struct archive *a, const struct archive_erase *what, archive_erased_fn *fn, void *arg)
{
    static const struct job_type type = { JOB_ALONE, "the archive does not erase", run_erase, answer_erase };
    struct job *j = erase_job(a, &type, what, fn, arg);

    j->n = PATIENCE_ROWS;
    submit(j);
}

static int run_ids(struct sqlite *s, struct job *j)
{
    struct erase_call *c = j->data;
    int rc = lite_erase_ids(s->lite, &c->erasure);

    return rc == 0 ? erase_tally_answer(&c->erasure.tally, SV(""), &c->answer) : rc;
}

void lite_erase_ids_call(struct archive *a, struct sv session_id, int64_t at_ms, archive_erased_fn *fn, void *arg)
{
    static const struct job_type type = { JOB_READS, "the archive cannot be read", run_ids, answer_erase };

    submit(erase_job(a, &type, &(struct archive_erase){ ARCHIVE_SESSION, session_id, at_ms }, fn, arg));
}

struct receipt_call {
    archive_done_fn *fn;
    struct sv erasure_id, counts;
};

static int run_receipt(struct sqlite *s, struct job *j)
{
    const struct receipt_call *c = j->data;

    return lite_erase_receipt(s->lite, c->erasure_id, c->counts);
}

static void answer_receipt(struct job *j, enum archive_status status)
{
    const struct receipt_call *c = j->data;

    c->fn(j->arg, status);
}

void lite_receipt_call(struct archive *a, struct sv erasure_id, struct sv counts, archive_done_fn *fn, void *arg)
{
    static const struct job_type type = { JOB_WRITES, "the archive does not take a receipt", run_receipt, answer_receipt };
    struct job *j = sqlite_job_new(a, &type, sizeof(struct receipt_call), arg);
    struct receipt_call *c = j->data;

    c->fn = fn;
    c->erasure_id = arena_sv(j->arena, erasure_id);
    c->counts = arena_sv(j->arena, counts);
    sqlite_job_submit(j, c->erasure_id.p != NULL && c->counts.p != NULL);
}
