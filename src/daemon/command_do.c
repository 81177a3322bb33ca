/* SPDX-License-Identifier: MIT
 * Commands that change something: conversations, dead letters, this daemon. Each is one line in the log, so that it can be seen later what an
 * administrator did. What they do to conversations is decided in turn/, as for the HTTP API. */
#include "config.h"

#include "daemon/command_own.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"

#define HOURS_MAX 876000 /* a hundred years */
#define LOOK_EVERY_MS 50

static void note(const struct call *c)
{
    char *what = c->n > 0 ? arena_str(c->a, c->args[0]) : NULL;
    log_info("an administrator's command", "command", c->command->name, "about", what != NULL ? what : "", NULL);
}

/* ---- conversations ---- */

void command_get(struct call *c)
{
    if (call_id(c, 0))
        control_show(c->owner->o.turns, c->args[0], call_control, c);
}

void command_cancel(struct call *c)
{
    if (!call_id(c, 0))
        return;
    note(c);
    control_cancel(c->owner->o.turns, c->args[0], call_control, c);
}

/* This daemon's own taking of new work. */
static void pause_work(struct call *c, bool yes)
{
    const struct command_hooks *h = &c->owner->o.hooks;
    if (h->pause_work == NULL) {
        call_err(c, "unavailable", SV("this daemon takes no work"));
        return;
    }
    note(c);
    h->pause_work(h->arg, yes);
    if (yes)
        call_text(c, SV("{\"paused\":true}"), SV("this daemon begins no turns until RESUME; what runs goes on"));
    else
        call_text(c, SV("{\"paused\":false}"), SV("this daemon takes work"));
}

void command_pause(struct call *c)
{
    if (c->n == 0) {
        pause_work(c, true);
    } else if (call_id(c, 0)) {
        note(c);
        control_pause(c->owner->o.turns, c->args[0], 0, call_control, c);
    }
}

void command_resume(struct call *c)
{
    if (c->n == 0) {
        pause_work(c, false);
    } else if (call_id(c, 0)) {
        note(c);
        control_resume(c->owner->o.turns, c->args[0], call_control, c);
    }
}

/* ---- duties, now ---- */

/* Hours, decimals allowed; absent: 24. */
static bool hours_of(struct sv text, int64_t *ms)
{
    struct sv fraction = text;
    struct sv whole = sv_split(&fraction, '.');
    uint64_t n = 24, decimals = 0, scale = 1;
    if (text.p != NULL && !sv_to_u64(whole, &n))
        return false;
    if (fraction.p != NULL && (fraction.n > 6 || !sv_to_u64(fraction, &decimals)))
        return false;
    for (size_t i = 0; i < fraction.n; i++)
        scale *= 10;
    if (n > HOURS_MAX)
        return false;
    *ms = (int64_t)(n * 3600000 + decimals * 3600000 / scale);
    return true;
}

void command_cleanup(struct call *c)
{
    static const char *const names[] = { "max_age_hours", "dry_run", NULL };
    struct sv dry = call_value(c, "dry_run");
    int64_t max_age_ms;
    bool yes = sv_eq(dry, SV("1")) || sv_eq_nocase(dry, SV("true")) || sv_eq_nocase(dry, SV("yes"));
    bool no = dry.p == NULL || sv_eq(dry, SV("0")) || sv_eq_nocase(dry, SV("false")) || sv_eq_nocase(dry, SV("no"));
    if (!call_only(c, names))
        return;
    if (!hours_of(call_value(c, "max_age_hours"), &max_age_ms)) {
        call_err(c, "bad_arguments", SV("max_age_hours is a number from 0 to 876000"));
        return;
    }
    if (!yes && !no) {
        call_err(c, "bad_arguments", SV("dry_run is 0 or 1"));
        return;
    }
    note(c);
    const struct control_cleanup what = { .max_age_ms = max_age_ms, .dry_run = yes };
    control_cleanup(c->owner->o.turns, &what, call_control, c);
}

void command_sweep(struct call *c)
{
    const struct command_hooks *h = &c->owner->o.hooks;
    if (h->sweep == NULL) {
        call_err(c, "unavailable", SV("this daemon does not sweep"));
        return;
    }
    note(c);
    h->sweep(h->arg);
    call_text(c, SV("{\"sweeping\":true}"), SV("looking for what is due or has lost its owner"));
}

void command_archive(struct call *c)
{
    const struct command_hooks *h = &c->owner->o.hooks;
    if (h->archive_now == NULL || c->owner->o.archive == NULL) {
        call_err(c, "unavailable", SV("this daemon archives nothing"));
        return;
    }
    note(c);
    h->archive_now(h->arg);
    control_queue(c->owner->o.turns, call_control, c);
}

/* ---- dead letters ---- */

void command_retry(struct call *c)
{
    if (!call_id(c, 0))
        return;
    note(c);
    control_dead_retry(c->owner->o.turns, c->args[0], call_control, c);
}

void command_discard(struct call *c)
{
    if (!call_id(c, 0))
        return;
    note(c);
    control_dead_discard(c->owner->o.turns, c->args[0], call_control, c);
}

/* ---- this daemon ---- */

void command_reload(struct call *c)
{
    const struct command_hooks *h = &c->owner->o.hooks;
    struct err e = { .text = "" };
    if (h->reload == NULL) {
        call_err(c, "unavailable", SV("this daemon does not reload"));
        return;
    }
    note(c);
    if (h->reload(h->arg, &e) != 0)
        call_err(c, "refused", sv_from(e.text));
    else
        call_text(c, SV("{\"reloaded\":true}"), SV("the configuration was read anew"));
}

void command_log_level(struct call *c)
{
    enum log_level level;
    char *name = arena_str(c->a, c->args[0]);
    if (name == NULL || !log_level_parse(name, &level)) {
        call_err(c, "bad_arguments", SV("a level is DEBUG, INFO, WARNING or ERROR"));
        return;
    }
    note(c);
    log_threshold = level;
    struct sv json = arena_printf(c->a, "{\"log_level\":\"%s\"}", log_level_name(level));
    struct sv text = arena_printf(c->a, "the log level is %s until the next reload", log_level_name(level));
    call_text(c, json, text);
}

struct drain {
    int64_t until_mono_ms;
};

static void look_drained(void *arg)
{
    struct call *c = arg;
    const struct drain *d = c->state;
    size_t running = turns_running(c->owner->o.turns);
    if (running == 0) {
        call_text(c, SV("{\"drained\":true,\"running\":0}"), SV("nothing runs here any more; RESUME takes work again"));
    } else if (clock_mono_ms() >= d->until_mono_ms) {
        struct sv text = arena_printf(c->a, "%zu turns still run; no new ones begin", running);
        call_err(c, "timeout", text);
    } else {
        loop_timer_set(c->timer, LOOK_EVERY_MS);
    }
}

void command_drain(struct call *c)
{
    static const char *const names[] = { "timeout_s", NULL };
    const struct command_hooks *h = &c->owner->o.hooks;
    struct drain *d = arena_alloc(c->a, sizeof(*d));
    int64_t seconds;
    if (!call_only(c, names) || !call_number(c, "timeout_s", 0, 3600, (c->owner->o.drain_ms + 999) / 1000, &seconds))
        return;
    c->timer = loop_timer_new(c->owner->o.loop, look_drained, c);
    if (h->pause_work == NULL || d == NULL || c->timer == NULL) {
        call_err(c, "unavailable", SV("this daemon cannot be drained"));
        return;
    }
    note(c);
    h->pause_work(h->arg, true);
    d->until_mono_ms = clock_mono_ms() + seconds * 1000;
    c->state = d;
    loop_timer_set(c->timer, 0);
}

void command_shutdown(struct call *c)
{
    struct command_hooks h = c->owner->o.hooks;
    if (h.shutdown == NULL) {
        call_err(c, "unavailable", SV("this daemon cannot be ended from here"));
        return;
    }
    note(c);
    call_text(c, SV("{\"shutting_down\":true}"), SV("draining, then the end"));
    h.shutdown(h.arg);
}
