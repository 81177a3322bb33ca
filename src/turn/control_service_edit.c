/* SPDX-License-Identifier: MIT
 * Rows as an administrator changes them: looked at here, changed by the archive in one transaction, in force in this process at once and in the
 * others with their next look. */
#include "config.h"

#include "lib/log.h"
#include "turn/control_service.h"

#define DETAILS_MAX 100
#define TRIES_MAX 4
#define USERS_SHOWN_MAX 100

struct edit {
    struct service_call s;
    enum control_service_op op;
    struct archive_edit edit;
    json_t *row;        /* whole; NULL: of DELETE */
    struct buf text, detail;
    struct json_out out; /* of detail */
    size_t problems;
    unsigned tries;
};

static void put_line(void *arg, const struct row_problem *p)
{
    struct edit *q = arg;
    struct json_out *o = &q->out;
    if (q->problems++ >= DETAILS_MAX)
        return;
    json_obj(o);
    json_key(o, "loc");
    json_arr(o);
    json_str(o, SV("body"));
    for (size_t i = 0; i < p->loc_n; i++)
        json_str(o, sv_from(p->loc[i]));
    json_arr_end(o);
    json_kstr(o, "msg", sv_from(p->msg));
    json_kstr(o, "type", sv_from(p->type));
    json_obj_end(o);
}

static void wrong(struct edit *q, const char *field, const char *msg, const char *type)
{
    const struct row_problem p = { .loc = { field }, .loc_n = field != NULL, .msg = msg, .type = type };
    put_line(q, &p);
}

static void end(struct edit *q)
{
    json_decref(q->row);
    buf_fini(&q->text);
    buf_fini(&q->detail);
    control_end(&q->s.c);
}

static void invalid(void *arg)
{
    struct edit *q = arg;
    json_arr_end(&q->out);
    control_invalid(&q->s.c, "validation_error", "Some fields are missing or wrong.", &q->detail);
    end(q);
}

static void short_of_memory(void *arg)
{
    struct edit *q = arg;
    control_refuse(&q->s.c, 503, "unavailable", "Memory is short.", NULL);
    end(q);
}

static struct edit *begin(struct turns *t, struct bots *b, enum archive_service kind, struct sv name, control_fn *fn, void *arg)
{
    struct edit *q = service_begin(t, b, kind, name, sizeof(*q), fn, arg);
    if (q == NULL)
        return NULL;
    q->edit = (struct archive_edit){ .service = kind, .name = q->s.name };
    q->out.b = &q->detail;
    json_arr(&q->out);
    return q;
}

/* ---- what the archive says ---- */

static void edited(void *arg, enum archive_status status, enum archive_edited result, struct sv row);

static void try_it(struct edit *q)
{
    q->tries++;
    archive_edit(q->s.c.t->o.archive, &q->edit, edited, q);
}

/* The bots that name what was to be deleted. */
static void users(void *arg, enum archive_status status, const struct archive_services *s)
{
    struct edit *q = arg;
    const char *member = q->s.kind == ARCHIVE_AI_CORES ? "ai_core" : "platform";
    struct sv named = status == ARCHIVE_DONE ? service_find(s, q->s.kind, q->s.name) : SV_NONE;
    json_t *target = named.p != NULL ? json_read(named, false, NULL) : NULL;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    size_t n = 0;
    json_obj(&o);
    json_key(&o, "bots");
    json_arr(&o);
    for (size_t i = 0; target != NULL && i < s->rows_n[ARCHIVE_BOTS] && n < USERS_SHOWN_MAX; i++) {
        json_t *bot = json_read(s->rows[ARCHIVE_BOTS][i], false, NULL);
        if (sv_eq(json_sv(bot, member), json_sv(target, "name")) && ++n > 0)
            json_str(&o, json_sv(bot, "bot_id"));
        json_decref(bot);
    }
    json_arr_end(&o);
    json_obj_end(&o);
    json_decref(target);
    control_refuse(&q->s.c, 409, "in_use", "Bots use it: change them first.", &b);
    end(q);
}

static void log_done(const struct edit *q, struct sv row)
{
    static const char *const verbs[] = { [ARCHIVE_INSERT] = "created", [ARCHIVE_REPLACE] = "replaced", [ARCHIVE_DELETE] = "deleted" };
    json_t *now = row.p != NULL ? json_read(row, false, NULL) : NULL;
    struct sv name = json_sv(now, row_key(q->s.kind));
    char text[MESSAGE_ID_MAX + 1];
    (void)snprintf(text, sizeof(text), "%.*s", SV_FMT(name.p != NULL ? name : q->s.name));
    log_info("configuration of bots was changed", "table", row_table(q->s.kind), "of", text, "change", verbs[q->edit.op], NULL);
    json_decref(now);
}

static void done(struct edit *q, struct sv row)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    log_done(q, row);
    if (q->s.bots != NULL)
        bots_look(q->s.bots);
    if (q->edit.op == ARCHIVE_DELETE) {
        json_t *was = row.p != NULL ? json_read(row, false, NULL) : NULL;
        struct sv name = json_sv(was, row_key(q->s.kind));
        json_obj(&o);
        json_kstr(&o, row_key(q->s.kind), name.p != NULL ? name : q->s.name);
        json_kbool(&o, "deleted", true);
        json_obj_end(&o);
        json_decref(was);
    } else if (!service_put_row(&o, q->s.kind, row, NULL)) {
        b.failed = true;
    }
    if (q->edit.op == ARCHIVE_INSERT)
        control_tell_made(&q->s.c, &b);
    else
        control_tell(&q->s.c, &b);
    end(q);
}

/* SET finds neither: what was there is gone, or somebody was quicker. */
static bool turn_round(struct edit *q, enum archive_edited result)
{
    bool gone = result == ARCHIVE_EDIT_UNKNOWN && q->edit.op == ARCHIVE_REPLACE;
    bool there = result == ARCHIVE_EDIT_EXISTS && q->edit.op == ARCHIVE_INSERT;
    if (q->op != CONTROL_SET || q->tries >= TRIES_MAX || !(gone || there))
        return false;
    q->edit.op = gone ? ARCHIVE_INSERT : ARCHIVE_REPLACE;
    try_it(q);
    return true;
}

static void refused(struct edit *q, enum archive_edited result)
{
    switch (result) {
    case ARCHIVE_EDIT_DONE: /* not here */
    case ARCHIVE_EDIT_UNKNOWN:
        service_unknown(&q->s);
        end(q);
        return;
    case ARCHIVE_EDIT_EXISTS:
        control_refuse(&q->s.c, 409, "exists", "There is one of this name already.", NULL);
        end(q);
        return;
    case ARCHIVE_EDIT_IN_USE:
        archive_services(q->s.c.t->o.archive, 0, users, q);
        return;
    case ARCHIVE_EDIT_STALE:
        control_refuse(&q->s.c, 409, "stale", "It has another version than the one that was to be changed.", NULL);
        end(q);
        return;
    case ARCHIVE_EDIT_NO_CORE:
        wrong(q, "ai_core", "There is no AI core of this name", "unknown_ai_core");
        invalid(q);
        return;
    case ARCHIVE_EDIT_NO_PLATFORM:
        wrong(q, "platform", "There is no platform of this name", "unknown_platform");
        invalid(q);
        return;
    case ARCHIVE_EDIT_REFUSED:
        wrong(q, NULL, "The database refuses this", "refused");
        invalid(q);
        return;
    }
}

static void edited(void *arg, enum archive_status status, enum archive_edited result, struct sv row)
{
    struct edit *q = arg;
    if (status != ARCHIVE_DONE) {
        control_refuse(&q->s.c, 503, "archive_unavailable", "The database gives no answer now; it is not known whether the change was made.", NULL);
        end(q);
    } else if (result == ARCHIVE_EDIT_DONE) {
        done(q, row);
    } else if (!turn_round(q, result)) {
        refused(q, result);
    }
}

/* ---- what is asked for ---- */

/* The row's text, now that it has its name. */
static void go(struct edit *q)
{
    json_dump_to(&q->text, q->row);
    if (!buf_ok(&q->text)) {
        short_of_memory(q);
        return;
    }
    q->edit.row = buf_sv(&q->text);
    if (q->edit.name.p == NULL)
        q->edit.name = json_sv(q->row, row_key(q->s.kind));
    try_it(q);
}

static void go_soon(void *arg)
{
    go(arg);
}

/* REPLACE of a row that does not say its name again. */
static void found(void *arg, enum archive_status status, const struct archive_services *s)
{
    struct edit *q = arg;
    struct sv text = status == ARCHIVE_DONE ? service_find(s, q->s.kind, q->s.name) : SV_NONE;
    json_t *row = text.p != NULL ? json_read(text, false, NULL) : NULL;
    json_t *name = json_object_get(row, row_key(q->s.kind));
    int rc = name != NULL ? json_object_set(q->row, row_key(q->s.kind), name) : 0;
    json_decref(row);
    if (status != ARCHIVE_DONE) {
        service_away(&q->s);
        end(q);
    } else if (name == NULL) {
        service_unknown(&q->s);
        end(q);
    } else if (rc != 0) {
        short_of_memory(q);
    } else {
        go(q);
    }
}

/* True: q->row is right, but for a name that is not there. */
static bool take_row(struct edit *q, struct sv text, bool *nameless)
{
    struct err e = { .text = "no JSON" };
    json_t *row = json_read(text, true, &e);
    const char *key = row_key(q->s.kind);
    *nameless = q->op == CONTROL_REPLACE && json_is_object(row) && json_object_get(row, key) == NULL;
    if (row == NULL) {
        wrong(q, NULL, e.text, "json_invalid");
        return false;
    }
    if (*nameless && json_object_set_new(row, key, json_string("x")) != 0) /* it is looked at, and then replaced */
        wrong(q, NULL, "Memory is short", "memory");
    (void)row_check(q->s.kind, row, put_line, q);
    const json_t *version = json_object_get(row, "version");
    if (q->op != CONTROL_CREATE && q->edit.expect_version == 0 && version != NULL && !json_is_null(version)) {
        q->edit.expect_version = json_is_integer(version) ? json_integer_value(version) : -1;
        if (q->edit.expect_version < 1)
            wrong(q, "version", "Input should be a valid integer greater than 0", "int_type");
    }
    q->row = q->problems == 0 ? row_whole(q->s.kind, row) : NULL;
    json_decref(row);
    return q->problems == 0;
}

void control_services_write(struct turns *t, struct bots *b, const struct control_service *what, control_fn *fn, void *arg)
{
    struct edit *q = begin(t, b, what->kind, what->op == CONTROL_REPLACE ? what->name : SV_NONE, fn, arg);
    bool nameless;
    if (q == NULL)
        return;
    q->op = what->op;
    q->edit.op = what->op == CONTROL_CREATE ? ARCHIVE_INSERT : ARCHIVE_REPLACE;
    q->edit.expect_version = what->expect_version;
    if (!take_row(q, what->row, &nameless))
        loop_soon(t->o.loop, invalid, q);
    else if (q->row == NULL)
        loop_soon(t->o.loop, short_of_memory, q);
    else if (nameless)
        archive_services(t->o.archive, 0, found, q);
    else
        loop_soon(t->o.loop, go_soon, q);
}

void control_services_delete(struct turns *t, struct bots *b, enum archive_service kind, struct sv name, int64_t expect_version, control_fn *fn,
                             void *arg)
{
    struct edit *q = begin(t, b, kind, name, fn, arg);
    if (q == NULL)
        return;
    q->edit.op = ARCHIVE_DELETE;
    q->edit.expect_version = expect_version;
    try_it(q);
}
