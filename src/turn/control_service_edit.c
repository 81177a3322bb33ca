/* SPDX-License-Identifier: MIT
 * Rows as an administrator changes them: looked at here, changed by the archive in one transaction, in force in this process at once and in the
 * others with their next look. */
#include "config.h"

#include "lib/log.h"
#include "turn/control_service.h"

#define DETAILS_MAX 100
#define TRIES_MAX 4
#define USERS_SHOWN_MAX 100

/* The members of a bot that name other rows. */
static const struct reference {
    const char *member, *msg, *type;
    enum archive_service kind;
} references[] = {
    { "ai_core", "There is no AI core of this name", "unknown_ai_core", ARCHIVE_AI_CORES },
    { "platform", "There is no platform of this name", "unknown_platform", ARCHIVE_PLATFORMS },
};

struct edit {
    struct service_call s;
    enum control_service_op op;
    struct archive_edit edit;
    json_t *row;        /* whole; NULL: of DELETE, or something is wrong */
    bool nameless;      /* REPLACE: the row does not say its name again */
    struct sv id;       /* REPLACE: what the row says; SV_NONE: nothing */
    struct sv named[ARRAY_LEN(references)]; /* whom a bot names; SV_NONE: nobody, or something was told of it */
    struct buf text, detail;
    struct json_out out; /* of detail */
    size_t problems;
    unsigned tries;
};

static void put_line(void *arg, const struct row_problem *p)
{
    struct edit *q = arg;
    struct json_out *o = &q->out;
    for (size_t i = 0; p->loc_n == 1 && i < ARRAY_LEN(references); i++)
        if (strcmp(p->loc[0], references[i].member) == 0)
            q->named[i] = SV_NONE;
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

static void unknown(struct edit *q, size_t i)
{
    wrong(q, references[i].member, references[i].msg, references[i].type);
}

static void look_at_names(struct edit *q, const struct archive_services *s)
{
    for (size_t i = 0; i < ARRAY_LEN(references); i++)
        if (q->named[i].p != NULL && service_find(s, references[i].kind, q->named[i]).p == NULL)
            unknown(q, i);
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

/* The archive names the first that is wrong. */
static void others(void *arg, enum archive_status status, const struct archive_services *s)
{
    struct edit *q = arg;
    if (status == ARCHIVE_DONE)
        look_at_names(q, s);
    invalid(q);
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
        unknown(q, 0);
        archive_services(q->s.c.t->o.archive, 0, others, q);
        return;
    case ARCHIVE_EDIT_NO_PLATFORM: /* its core is there: that is looked for first */
        unknown(q, 1);
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

/* -1: memory. */
static int take_name(struct edit *q, const json_t *stored)
{
    const char *key = row_key(q->s.kind);
    return q->nameless ? json_object_set(q->row, key, json_object_get(stored, key)) : 0;
}

/* What only the rows that there are can tell: the name of one that does not say it again, whose its id is, and whether those are there that it
 * names. The last is asked here when other things are wrong, so that all is told at once; else the archive judges it. */
static void looked(void *arg, enum archive_status status, const struct archive_services *s)
{
    struct edit *q = arg;
    struct sv text = status == ARCHIVE_DONE && q->op == CONTROL_REPLACE ? service_find(s, q->s.kind, q->s.name) : SV_NONE;
    json_t *stored = text.p != NULL ? json_read(text, false, NULL) : NULL;
    if (stored != NULL && q->id.p != NULL && !sv_eq(q->id, json_sv(stored, "id")))
        wrong(q, "id", "This is not the id of the row that the path names", "foreign_id");
    if (status == ARCHIVE_DONE && q->problems > 0)
        look_at_names(q, s);
    if (q->problems > 0) {
        invalid(q);
    } else if (status != ARCHIVE_DONE) {
        service_away(&q->s);
        end(q);
    } else if (stored == NULL) {
        service_unknown(&q->s);
        end(q);
    } else if (take_name(q, stored) != 0) {
        short_of_memory(q);
    } else {
        go(q);
    }
    json_decref(stored);
}

static void check_version(struct edit *q, const json_t *row)
{
    const json_t *version = json_object_get(row, "version");
    if (q->op == CONTROL_CREATE || q->edit.expect_version != 0 || version == NULL || json_is_null(version))
        return;
    q->edit.expect_version = json_is_integer(version) ? json_integer_value(version) : -1;
    if (q->edit.expect_version < 1)
        wrong(q, "version", "Input should be a valid integer greater than 0", "int_type");
}

static void check_own_id(struct edit *q, const json_t *row)
{
    const json_t *id = json_object_get(row, "id");
    if (q->op != CONTROL_REPLACE || id == NULL || json_is_null(id))
        return;
    q->id = arena_sv(q->s.c.a, json_sv(row, "id"));
    if (!json_is_string(id))
        wrong(q, "id", "Input should be a valid string", "string_type");
    else if (q->id.p == NULL)
        wrong(q, NULL, "Memory is short", "memory");
}

/* q->row is there when nothing is wrong yet and memory was not short. */
static void take_row(struct edit *q, struct sv text)
{
    struct err e = { .text = "no JSON" };
    json_t *row = json_read(text, true, &e);
    const char *key = row_key(q->s.kind);
    if (row == NULL) {
        wrong(q, NULL, e.text, "json_invalid");
        return;
    }
    q->nameless = q->op == CONTROL_REPLACE && json_is_object(row) && json_object_get(row, key) == NULL;
    if (q->nameless && json_object_set_new(row, key, json_string("x")) != 0) /* it is looked at, and then replaced */
        wrong(q, NULL, "Memory is short", "memory");
    for (size_t i = 0; q->s.kind == ARCHIVE_BOTS && i < ARRAY_LEN(references); i++)
        q->named[i] = arena_sv(q->s.c.a, json_sv(row, references[i].member));
    (void)row_check(q->s.kind, row, put_line, q);
    check_version(q, row);
    check_own_id(q, row);
    q->row = q->problems == 0 ? row_whole(q->s.kind, row) : NULL;
    json_decref(row);
}

void control_services_write(struct turns *t, struct bots *b, const struct control_service *what, control_fn *fn, void *arg)
{
    struct edit *q = begin(t, b, what->kind, what->op == CONTROL_REPLACE ? what->name : SV_NONE, fn, arg);
    if (q == NULL)
        return;
    q->op = what->op;
    q->edit.op = what->op == CONTROL_CREATE ? ARCHIVE_INSERT : ARCHIVE_REPLACE;
    q->edit.expect_version = what->expect_version;
    take_row(q, what->row);
    bool names = q->named[0].p != NULL || q->named[1].p != NULL;
    if (q->problems > 0 ? names || q->id.p != NULL : q->row != NULL && (q->nameless || q->id.p != NULL))
        archive_services(t->o.archive, 0, looked, q);
    else if (q->problems > 0)
        loop_soon(t->o.loop, invalid, q);
    else if (q->row == NULL)
        loop_soon(t->o.loop, short_of_memory, q);
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
