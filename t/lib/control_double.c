/* SPDX-License-Identifier: MIT
 * Every call of turn/control.h becomes one line and one answer, later, on the loop. */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "t/lib/control_double.h"
#include "turn/control_services.h"

struct control_script control_script;
struct buf control_seen;
atomic_int control_calls;

struct call {
    struct call *next;
    control_fn *fn;
    void *arg;
};

static struct loop *the_loop;
static struct call *held;

static void respond(void *arg)
{
    struct call *c = arg;
    struct control_answer a = control_script.answer;

    if (atomic_load(&control_script.hold)) {
        c->next = held;
        held = c;
        return;
    }
    if (a.http_status == 0) {
        a.http_status = 200;
        a.result = SV("{\"ok\":true}");
    }
    c->fn(c->arg, &a);
    free(c);
}

void control_double_open(struct loop *loop)
{
    the_loop = loop;
}

void control_double_release(void *arg)
{
    (void)arg;
    atomic_store(&control_script.hold, false);
    while (held != NULL) {
        struct call *c = held;
        held = c->next;
        respond(c);
    }
}

static void begin(const char *name)
{
    buf_clear(&control_seen);
    buf_add(&control_seen, sv_from(name));
}

static void add(struct sv s)
{
    buf_addc(&control_seen, ' ');
    buf_add(&control_seen, s.p != NULL ? s : SV("-"));
}

static void later(control_fn *fn, void *arg)
{
    struct call *c = calloc(1, sizeof(*c));

    if (c == NULL)
        abort();
    c->fn = fn;
    c->arg = arg;
    atomic_fetch_add(&control_calls, 1);
    loop_soon(the_loop, respond, c);
}

void control_double_take(control_fn *fn, void *arg, const char *format, ...)
{
    char text[512];
    va_list list;

    va_start(list, format);
    (void)vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    begin(text);
    later(fn, arg);
}

void control_cache(struct turns *t, control_fn *fn, void *arg)
{
    (void)t;
    begin("cache");
    later(fn, arg);
}

static void of_one(const char *name, struct sv id, control_fn *fn, void *arg)
{
    begin(name);
    add(id);
    later(fn, arg);
}

void control_cancel(struct turns *t, struct sv conversation_id, control_fn *fn, void *arg)
{
    (void)t;
    of_one("cancel", conversation_id, fn, arg);
}

void control_cancel_job(struct turns *t, struct sv job_id, control_fn *fn, void *arg)
{
    (void)t;
    of_one("cancel_job", job_id, fn, arg);
}

void control_handler(struct turns *t, control_fn *fn, void *arg)
{
    (void)t;
    begin("handler");
    later(fn, arg);
}

void control_pause(struct turns *t, struct sv conversation_id, int64_t until_ms, control_fn *fn, void *arg)
{
    (void)t;
    begin("pause");
    add(conversation_id);
    buf_printf(&control_seen, " %" PRId64, until_ms);
    later(fn, arg);
}

void control_resume(struct turns *t, struct sv conversation_id, control_fn *fn, void *arg)
{
    (void)t;
    of_one("resume", conversation_id, fn, arg);
}

void control_show(struct turns *t, struct sv conversation_id, control_fn *fn, void *arg)
{
    (void)t;
    of_one("show", conversation_id, fn, arg);
}

void control_fate(struct turns *t, struct sv conversation_id, struct sv message_id, control_fn *fn, void *arg)
{
    (void)t;
    begin("fate");
    add(conversation_id);
    add(message_id);
    later(fn, arg);
}

void control_list(struct turns *t, const struct control_list *what, control_fn *fn, void *arg)
{
    static const char *const states[] = { "all", "active", "stuck", "paused" };

    (void)t;
    begin("list");
    buf_printf(&control_seen, " %s %zu", states[what->state], what->limit);
    add(what->cursor);
    later(fn, arg);
}

void control_health(struct turns *t, control_fn *fn, void *arg)
{
    (void)t;
    begin("health");
    later(fn, arg);
}

void control_stats(struct turns *t, control_fn *fn, void *arg)
{
    (void)t;
    begin("stats");
    later(fn, arg);
}

void control_cleanup(struct turns *t, const struct control_cleanup *what, control_fn *fn, void *arg)
{
    (void)t;
    begin("cleanup");
    buf_printf(&control_seen, " %" PRId64 " %s within %" PRId64, what->max_age_ms, what->dry_run ? "dry" : "real",
               what->within_ms);
    later(fn, arg);
}

void control_queue(struct turns *t, control_fn *fn, void *arg)
{
    (void)t;
    begin("queue");
    later(fn, arg);
}

void control_dead_list(struct turns *t, struct sv cursor, size_t limit, control_fn *fn, void *arg)
{
    (void)t;
    begin("dead");
    buf_printf(&control_seen, " %zu", limit);
    add(cursor);
    later(fn, arg);
}

void control_dead_retry(struct turns *t, struct sv id, control_fn *fn, void *arg)
{
    (void)t;
    of_one("retry", id, fn, arg);
}

void control_dead_discard(struct turns *t, struct sv id, control_fn *fn, void *arg)
{
    (void)t;
    of_one("discard", id, fn, arg);
}

/* ---- turn/control_services.h: "write set bots NAME ROW 3" ---- */

static const char *const tables[] = { [ARCHIVE_BOTS] = "bots", [ARCHIVE_AI_CORES] = "ai_cores", [ARCHIVE_PLATFORMS] = "platforms" };

void control_services_list(struct turns *t, enum archive_service kind, const struct control_page *page, control_fn *fn, void *arg)
{
    (void)t;
    begin("rows of ");
    buf_printf(&control_seen, "%s %zu", tables[kind], page->limit);
    add(page->cursor);
    later(fn, arg);
}

void control_services_show(struct turns *t, struct bots *b, enum archive_service kind, struct sv name, control_fn *fn, void *arg)
{
    (void)t, (void)b;
    begin("row of ");
    buf_add(&control_seen, sv_from(tables[kind]));
    add(name);
    later(fn, arg);
}

void control_services_write(struct turns *t, struct bots *b, const struct control_service *what, control_fn *fn, void *arg)
{
    static const char *const ops[] = { [CONTROL_CREATE] = "create", [CONTROL_REPLACE] = "replace", [CONTROL_SET] = "set" };

    (void)t, (void)b;
    begin(ops[what->op]);
    add(sv_from(tables[what->kind]));
    add(what->name);
    add(what->row);
    buf_printf(&control_seen, " %" PRId64, what->expect_version);
    later(fn, arg);
}

void control_services_delete(struct turns *t, struct bots *b, enum archive_service kind, struct sv name, int64_t expect_version, control_fn *fn,
                             void *arg)
{
    (void)t, (void)b;
    begin("delete");
    add(sv_from(tables[kind]));
    add(name);
    buf_printf(&control_seen, " %" PRId64, expect_version);
    later(fn, arg);
}
