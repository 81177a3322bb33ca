/* SPDX-License-Identifier: MIT
 * One session as its user sees it, and putting it away. */
#include "config.h"

#include "turn/chat_find.h"
#include "turn/session.h"

static void tell_session(struct chat_find *f)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    chat_put_session(&o, f->session_id, &f->info);
    control_tell(&f->c, &b);
    control_end(&f->c);
}

static void begin(struct turns *t, const struct chat_who *who, struct sv session_id, void (*found)(struct chat_find *f), control_fn *fn, void *arg)
{
    struct chat_find *f = chat_find_begin(t, sizeof(*f), who, SV_NONE, session_id, fn, arg);

    if (f == NULL)
        return;
    f->unknown_code = "session_not_found";
    f->unknown_text = "Session not found";
    f->found = found;
    chat_find_go(f);
}

void chat_session(struct turns *t, const struct chat_who *who, struct sv session_id, control_fn *fn, void *arg)
{
    begin(t, who, session_id, tell_session, fn, arg);
}

/* ---- putting it away: the next message of its user takes it out again ---- */

static void tell_archived(struct chat_find *f)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    f->info.status = SV("archived");
    json_obj(&o);
    json_kstr(&o, "message", SV("Session archived successfully"));
    json_key(&o, "session");
    chat_put_session(&o, f->session_id, &f->info);
    json_obj_end(&o);
    control_tell(&f->c, &b);
    control_end(&f->c);
}

/* Erased in between: what it says of an unknown session is said in the words of the history. */
static void archived(void *arg, const struct control_answer *a)
{
    struct chat_find *f = arg;

    if (a->http_status == 200) {
        tell_archived(f);
        return;
    }
    if (a->http_status == 404 && f->who.admin)
        control_refuse(&f->c, 404, f->unknown_code, f->unknown_text, NULL);
    else if (a->http_status == 404)
        chat_refuse_access(&f->c);
    else
        control_refuse(&f->c, a->http_status, a->code, a->message, NULL);
    control_end(&f->c);
}

static void put_away(struct chat_find *f)
{
    const struct session_change change = { .status = SESSION_ARCHIVED };

    session_patch(f->c.t, f->session_id, &change, archived, f);
}

void chat_archive(struct turns *t, const struct chat_who *who, struct sv session_id, control_fn *fn, void *arg)
{
    begin(t, who, session_id, put_away, fn, arg);
}
