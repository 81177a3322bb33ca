/* SPDX-License-Identifier: MIT
 * A double of src/turn/chat*.c for tests of the HTTP side: says what it was asked (t/lib/control_double.h), answers what it is told. Link it before the
 * library. */
#include "config.h"

#include <inttypes.h>

#include "t/lib/control_double.h"
#include "turn/chat.h"

/* "admin", or whose token it is. */
#define WHO(w) SV_FMT((w)->admin ? SV("admin") : (w)->user_id)

static struct sv said(struct sv s)
{
    return s.p != NULL ? s : SV("-");
}

void chat_page(struct turns *t, const struct chat_page *p, control_fn *fn, void *arg)
{
    (void)t;
    control_double_take(fn, arg, "page %.*s: %.*s %.*s %" PRId64 " of %" PRId64 " from %" PRId64 " to %" PRId64 " %s%.*s", WHO(&p->who), SV_FMT(p->user_id),
                        SV_FMT(p->session_id), p->page, p->page_size, p->from_ms == INT64_MIN ? -1 : p->from_ms, p->to_ms == INT64_MAX ? -1 : p->to_ms,
                        p->by_cursor ? "behind " : "", SV_FMT(p->cursor));
}

void chat_sessions(struct turns *t, const struct chat_who *who, struct sv user_id, control_fn *fn, void *arg)
{
    (void)t;
    control_double_take(fn, arg, "sessions %.*s: %.*s", WHO(who), SV_FMT(user_id));
}

void chat_session(struct turns *t, const struct chat_who *who, struct sv session_id, control_fn *fn, void *arg)
{
    (void)t;
    control_double_take(fn, arg, "session %.*s: %.*s", WHO(who), SV_FMT(session_id));
}

void chat_archive(struct turns *t, const struct chat_who *who, struct sv session_id, control_fn *fn, void *arg)
{
    (void)t;
    control_double_take(fn, arg, "archive %.*s: %.*s", WHO(who), SV_FMT(session_id));
}

void chat_sync(struct turns *t, const struct chat_exchange *list, size_t n, bool several, control_fn *fn, void *arg)
{
    const struct chat_exchange *e = &list[n - 1];

    (void)t;
    control_double_take(fn, arg, "sync %zu %s: %.*s %.*s %.*s [%.*s] [%.*s] %" PRId64 " %.*s", n, several ? "several" : "one", SV_FMT(said(e->message_id)),
                        SV_FMT(e->user_id), SV_FMT(e->session_id), SV_FMT(said(e->user_message)), SV_FMT(said(e->ai_response)), e->timestamp_ms,
                        SV_FMT(said(e->metadata)));
}

void chat_erase(struct turns *t, const struct chat_who *who, struct sv user_id, struct sv session_id, control_fn *fn, void *arg)
{
    (void)t;
    control_double_take(fn, arg, "erase %.*s: %.*s %.*s", WHO(who), SV_FMT(user_id), SV_FMT(said(session_id)));
}

struct chat_export *chat_export_new(struct turns *t, const struct chat_who *who, struct sv user_id, chat_piece_fn *piece, control_fn *fn, void *arg)
{
    (void)t, (void)piece;
    control_double_take(fn, arg, "export %.*s: %.*s", WHO(who), SV_FMT(user_id));
    return NULL;
}

void chat_export_go(struct chat_export *x)
{
    (void)x;
}

void chat_export_stop(struct chat_export *x)
{
    (void)x;
}

void chat_analytics(struct turns *t, struct sv from, struct sv to, control_fn *fn, void *arg)
{
    (void)t;
    control_double_take(fn, arg, "analytics %.*s %.*s", SV_FMT(from), SV_FMT(said(to)));
}

void chat_preferences(struct turns *t, const struct chat_who *who, struct sv user_id, control_fn *fn, void *arg)
{
    (void)t;
    control_double_take(fn, arg, "preferences %.*s: %.*s", WHO(who), SV_FMT(user_id));
}

void chat_preferences_put(struct turns *t, const struct chat_who *who, struct sv user_id, const struct chat_preference *list, size_t n, control_fn *fn,
                          void *arg)
{
    struct buf b = { 0 };

    (void)t;
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, " %.*s=%.*s", SV_FMT(list[i].key), SV_FMT(list[i].value));
    control_double_take(fn, arg, "put %.*s: %.*s%.*s", WHO(who), SV_FMT(user_id), SV_FMT(buf_sv(&b)));
    buf_fini(&b);
}
