/* SPDX-License-Identifier: MIT
 * The port's front. A wrong program (no callback, no items) aborts with one line in the log; what depends on data from outside is the
 * backends' to answer. */
#include "config.h"

#include <stdlib.h>

#include "archive/archive.h"
#include "lib/log.h"

static void must(bool what, const char *call, const char *says)
{
    if (what)
        return;
    log_error("archive: wrong call", "call", call, "needs", says, NULL);
    abort();
}

void archive_write(struct archive *a, const struct sv *items, size_t n, archive_write_fn *fn, void *arg)
{
    must(fn != NULL, "write", "a callback");
    must(n == 0 || items != NULL, "write", "items");
    a->ops->write(a, items, n, fn, arg);
}

void archive_context(struct archive *a, struct sv conversation_id, size_t max, archive_context_fn *fn, void *arg)
{
    must(fn != NULL, "context", "a callback");
    must(max > 0, "context", "a maximum above 0");
    a->ops->context(a, conversation_id, max, fn, arg);
}

void archive_message(struct archive *a, struct sv conversation_id, struct sv message_id, archive_message_fn *fn, void *arg)
{
    must(fn != NULL, "message", "a callback");
    a->ops->message(a, conversation_id, message_id, fn, arg);
}

void archive_job(struct archive *a, struct sv job_id, archive_job_fn *fn, void *arg)
{
    must(fn != NULL, "job", "a callback");
    a->ops->job(a, job_id, fn, arg);
}

void archive_session(struct archive *a, struct sv session_id, int64_t before_ms, archive_session_fn *fn, void *arg)
{
    must(fn != NULL, "session", "a callback");
    a->ops->session(a, session_id, before_ms, fn, arg);
}

void archive_customer(struct archive *a, struct sv sender_id, archive_customer_fn *fn, void *arg)
{
    must(fn != NULL, "customer", "a callback");
    a->ops->customer(a, sender_id, fn, arg);
}

void archive_services(struct archive *a, int64_t known, archive_services_fn *fn, void *arg)
{
    must(fn != NULL, "services", "a callback");
    a->ops->services(a, known, fn, arg);
}

void archive_edit(struct archive *a, const struct archive_edit *edit, archive_edit_fn *fn, void *arg)
{
    must(fn != NULL, "edit", "a callback");
    must(edit->op == ARCHIVE_INSERT || edit->name.p != NULL, "edit", "a name");
    must(edit->op == ARCHIVE_DELETE || edit->row.p != NULL, "edit", "a row");
    a->ops->edit(a, edit, fn, arg);
}

void archive_stat(struct archive *a, archive_stat_fn *fn, void *arg)
{
    must(fn != NULL, "stat", "a callback");
    a->ops->stat(a, fn, arg);
}

void archive_retain(struct archive *a, int64_t older_than_ms, size_t max, archive_retain_fn *fn, void *arg)
{
    must(fn != NULL, "retain", "a callback");
    must(max > 0, "retain", "a maximum above 0");
    a->ops->retain(a, older_than_ms, max, fn, arg);
}

const char *archive_name(const struct archive *a)
{
    return a->ops->name;
}

bool archive_is_up(const struct archive *a)
{
    return a->ops->is_up(a);
}

void archive_close(struct archive *a)
{
    if (a != NULL)
        a->ops->close(a);
}
