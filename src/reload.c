/* SPDX-License-Identifier: MIT
 * One reading after the other: each has an arena of its own, which goes when the next one has been taken over. What does not reload keeps the
 * value of the first reading, whose arena is the program's. */
#include "config.h"

#include "lib/buf.h"
#include "lib/log.h"
#include "reload.h"

#define ARENA_CAP (1u << 20)

struct changes {
    struct buf taken, restart; /* names with blanks between */
};

static void note(void *arg, const char *name, bool taken)
{
    struct changes *c = arg;
    struct buf *b = taken ? &c->taken : &c->restart;
    buf_printf(b, "%s%s", b->n > 0 ? " " : "", name);
}

static const char *text(struct buf *b)
{
    buf_addc(b, '\0');
    return buf_ok(b) ? b->p : "";
}

static void tell(struct changes *c)
{
    bool restart = c->restart.n > 0;
    log_info("configuration reloaded", "changed", text(&c->taken), NULL);
    if (restart)
        log_warning("changed settings that need a restart", "settings", text(&c->restart), NULL);
    buf_fini(&c->taken);
    buf_fini(&c->restart);
}

static void set_log(const struct settings *s)
{
    enum log_level level = LOG_INFO;
    struct err e;
    (void)log_level_parse(s->log_level, &level);
    log_threshold = s->debug ? LOG_DEBUG : level;
    if (log_move(s->log_file, &e) != 0)
        log_error("the log file cannot be opened, the old one stays", "error", e.text, NULL);
}

static int take(struct reload *r, const struct settings_again *again, struct err *e)
{
    const struct settings *fresh = settings_of(again);
    struct changes changes = { 0 };
    struct err why;
    if (setup_check_change(fresh, e) != 0 || (r->also != NULL && r->also(r->arg, fresh, e) != 0))
        return -1;
    settings_adopt(r->settings, again, note, &changes);
    set_log(r->settings);
    tell(&changes);
    settings_doubts(r->settings, settings_log_doubt, NULL);
    if (setup_change(r->setup, r->settings, &why) != 0) /* nothing but memory can be the reason */
        log_error("the addresses of AI and platform stay as they were", "error", why.text, NULL);
    return 0;
}

int reload_now(void *arg, struct err *e)
{
    struct reload *r = arg;
    struct err reopened;
    struct arena *a = arena_new(0, ARENA_CAP);
    if (log_reopen(&reopened) != 0) /* also when the configuration is refused: it may be about rotated logs only */
        log_error("the log file cannot be opened anew", "error", reopened.text, NULL);
    struct settings_again *again = a == NULL ? NULL : settings_again(a, e);
    if (a == NULL)
        (void)err_set(e, ERR_MEMORY, "no memory");
    if (again == NULL || take(r, again, e) != 0) {
        log_error("the new configuration is refused, the old one stays", "error", e->text, NULL);
        arena_free(a);
        return -1;
    }
    arena_free(r->arena);
    r->arena = a;
    return 0;
}

void reload_fini(struct reload *r)
{
    arena_free(r->arena);
    r->arena = NULL;
}
