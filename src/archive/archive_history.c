/* SPDX-License-Identifier: MIT
 * The front of the port's second part. A wrong program aborts with one line in the log, as in archive.c. */
#include "config.h"

#include <stdlib.h>

#include "archive/archive_history.h"
#include "archive/archive_item.h"
#include "archive/export_place.h"
#include "lib/log.h"

static void must(bool what, const char *call, const char *says)
{
    if (what)
        return;
    log_error("archive: wrong call", "call", call, "needs", says, NULL);
    abort();
}

void archive_message_uuid(struct sv conversation_id, struct sv message_id, int64_t timestamp_ms, int64_t received_ms, int64_t seq, bool synced,
                          unsigned char out[ARCHIVE_UUID_BYTES])
{
    item_uuid_make(out, item_order_ms(timestamp_ms, received_ms, synced), seq, conversation_id, message_id);
}

void archive_history(struct archive *a, const struct archive_page *what, archive_page_fn *fn, void *arg)
{
    must(fn != NULL, "history", "a callback");
    must(what->recent_n == 0 || what->recent != NULL, "history", "the ids it is asked for");
    a->ops->history->page(a, what, fn, arg);
}

void archive_user_sessions(struct archive *a, struct sv user_id, size_t max, archive_sessions_fn *fn, void *arg)
{
    must(fn != NULL, "user_sessions", "a callback");
    must(max > 0, "user_sessions", "a maximum above 0");
    a->ops->history->sessions(a, user_id, max, fn, arg);
}

void archive_figures(struct archive *a, struct sv from, struct sv to, bool users, archive_figures_fn *fn, void *arg)
{
    must(fn != NULL, "figures", "a callback");
    a->ops->history->figures(a, from, to, users, fn, arg);
}

void archive_figures_put(struct archive *a, const struct archive_figure *list, size_t n, int64_t read_ms, archive_done_fn *fn, void *arg)
{
    must(fn != NULL, "figures_put", "a callback");
    must(n == 0 || list != NULL, "figures_put", "figures");
    a->ops->history->figures_put(a, list, n, read_ms, fn, arg);
}

void archive_preferences(struct archive *a, struct sv user_id, archive_pairs_fn *fn, void *arg)
{
    must(fn != NULL, "preferences", "a callback");
    a->ops->history->preferences(a, user_id, fn, arg);
}

void archive_preferences_put(struct archive *a, struct sv user_id, const struct archive_pair *pairs, size_t n, archive_done_fn *fn, void *arg)
{
    must(fn != NULL, "preferences_put", "a callback");
    must(n == 0 || pairs != NULL, "preferences_put", "pairs");
    a->ops->history->preferences_put(a, user_id, pairs, n, fn, arg);
}

void archive_erase(struct archive *a, const struct archive_erase *what, archive_erased_fn *fn, void *arg)
{
    must(fn != NULL, "erase", "a callback");
    must(what->id.p != NULL, "erase", "an id");
    a->ops->history->erase(a, what, fn, arg);
}

void archive_erase_ids(struct archive *a, struct sv session_id, int64_t at_ms, archive_erased_fn *fn, void *arg)
{
    must(fn != NULL, "erase_ids", "a callback");
    must(session_id.p != NULL, "erase_ids", "an id");
    a->ops->history->erase_ids(a, session_id, at_ms, fn, arg);
}

void archive_receipt(struct archive *a, struct sv erasure_id, struct sv counts, archive_done_fn *fn, void *arg)
{
    must(fn != NULL, "receipt", "a callback");
    must(counts.p != NULL, "receipt", "counts");
    a->ops->history->receipt(a, erasure_id, counts, fn, arg);
}

void archive_user_ids(struct archive *a, struct sv user_id, struct sv after, size_t max, archive_ids_fn *fn, void *arg)
{
    must(fn != NULL, "user_ids", "a callback");
    must(max > 0, "user_ids", "a maximum above 0");
    a->ops->history->ids(a, user_id, after, max, fn, arg);
}

void archive_export(struct archive *a, const struct archive_export *what, archive_export_fn *fn, void *arg)
{
    struct export_place place;

    must(fn != NULL, "export", "a callback");
    must(what->max > 0, "export", "a maximum above 0");
    must(export_place_read(what, &place), "export", "a position that it has answered");
    a->ops->history->export(a, what, fn, arg);
}
