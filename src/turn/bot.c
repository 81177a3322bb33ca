/* SPDX-License-Identifier: MIT
 * One bot, made from its row, the rows that it names, and the default bot for what none of them says. */
#include "config.h"

#include "lib/log.h"
#include "outside/platform.h"
#include "turn/bot_row.h"
#include "turn/bots_own.h"
#include "turn/message.h"

#define ARENA_CAP (1u << 20)
#define MINUTE_MS 60000
#define HOUR_MS 3600000
#define NAME_SHOWN_MAX 80 /* bytes of a name inside a sentence */

/* ---- a row ---- */

struct first {
    struct arena *a;
    struct sv text; /* SV_NONE: none yet */
};

static void note_first(void *arg, const struct row_problem *p)
{
    struct first *f = arg;
    struct buf b = { 0 };
    if (f->text.p != NULL)
        return;
    for (size_t i = 0; i < p->loc_n; i++)
        buf_printf(&b, "%s%.80s", i > 0 ? "." : "", p->loc[i]);
    buf_printf(&b, "%s%s", p->loc_n > 0 ? ": " : "", p->msg);
    f->text = arena_sv(f->a, buf_ok(&b) ? buf_sv(&b) : SV("memory is short"));
    buf_fini(&b);
}

static void release(void *value)
{
    json_decref(value);
}

json_t *row_read(struct arena *a, enum archive_service service, struct sv text, const char *environment, const char **trouble)
{
    struct err e;
    struct first first = { .a = a, .text = SV_NONE };
    json_t *raw = json_read(text, false, &e), *row;
    *trouble = NULL;
    if (raw == NULL) {
        if (e.code != ERR_MEMORY)
            *trouble = "its row is not JSON";
        return NULL;
    }
    row = json_is_object(raw) ? row_in(service, raw, environment) : json_incref(raw);
    json_decref(raw);
    if (row == NULL || arena_defer(a, release, row) != 0)
        return NULL;
    if (row_check_effective(service, row, note_first, &first) == 0)
        return row;
    *trouble = first.text.p != NULL ? first.text.p : "memory is short";
    return NULL;
}

/* ---- the bot ---- */

static void in_trouble(struct one_bot *o, const char *what, struct sv name, const char *why)
{
    struct sv shown = sv_cut_utf8(name, NAME_SHOWN_MAX);
    struct sv text = name.p != NULL ? arena_printf(o->a, "%s \"%.*s\": %s", what, SV_FMT(shown), why) : arena_printf(o->a, "%s: %s", what, why);
    if (o->bot.trouble == NULL)
        o->bot.trouble = text.p != NULL ? text.p : "memory is short";
}

/* What the bot's row names in `field`. False: memory. What it names and is not there, or not usable, is trouble. */
static bool take_backend(struct one_bot *o, const json_t *row, const char *field, enum archive_service service, struct backend **to)
{
    struct sv name = json_sv(row, field);
    struct sv text = name.p != NULL ? rows_find(o->owner->rows, service, name) : SV_NONE;
    *to = NULL;
    if (name.p == NULL)
        return true;
    if (text.p == NULL) {
        in_trouble(o, field, name, "there is none of this name");
        return true;
    }
    *to = backend_hold(o->owner, service, name, text);
    if (*to != NULL && (*to)->trouble != NULL)
        in_trouble(o, field, name, (*to)->trouble);
    return *to != NULL;
}

static bool reads_back(const struct platform *platform)
{
    return platform != NULL && strcmp(platform_name(platform), "pages_fm") == 0;
}

static void set_policy(struct one_bot *o, const json_t *row)
{
    struct policy *p = &o->bot.policy;
    p->on_newer = (enum on_newer)row_setting_choice(ARCHIVE_BOTS, row, "on_newer", (int)p->on_newer);
    p->debounce_ms = row_setting(row, "debounce_ms", p->debounce_ms);
    p->max_wait_ms = row_setting(row, "max_wait_ms", p->max_wait_ms);
    p->restart_max = (uint32_t)row_setting(row, "restart_max", p->restart_max);
    p->pending_max = (uint32_t)row_setting(row, "pending_max", p->pending_max);
    p->human_lease_ms = row_setting(row, "human_lease_minutes", p->human_lease_ms / MINUTE_MS) * MINUTE_MS;
    p->attempts_max = (uint32_t)row_setting(row, "job_max_attempts", p->attempts_max);
    p->retry_for_ms = row_setting(row, "retry_for_hours", p->retry_for_ms / HOUR_MS) * HOUR_MS;
    o->bot.context_max = (size_t)row_setting(row, "context_messages", (int64_t)o->bot.context_max);
    if (o->core != NULL && o->core->timeout_ms > 0)
        p->ai_timeout_ms = o->core->timeout_ms;
    if (row_setting(row, "ai_timeout", 0) > 0)
        p->ai_timeout_ms = row_setting(row, "ai_timeout", 0) * 1000;
    if (o->platform != NULL && o->platform->timeout_ms > 0)
        p->send_timeout_ms = o->platform->timeout_ms;
    if (o->platform != NULL && o->platform->idempotent_said)
        p->send_idempotent = o->platform->idempotent;
    else if (o->platform != NULL && reads_back(o->owner->base.platform))
        p->send_idempotent = false; /* what the default bot's platform can says nothing about this one */
}

static struct sv put_json(struct one_bot *o, const json_t *row)
{
    struct buf b = { 0 };
    struct json_out out = { .b = &b };
    const char *model = o->core != NULL ? o->core->model : NULL;
    json_obj(&out);
    json_kstr(&out, "id", sv_from(o->bot.bot_id));
    json_kstr(&out, "name", sv_from(o->bot.name));
    json_kint(&out, "version", o->bot.version);
    json_kstr(&out, "system_prompt", json_sv(row, "system_prompt"));
    json_kval(&out, "settings", json_object_get(row, "settings"));
    json_kstr(&out, "model", sv_from(model));
    json_obj_end(&out);
    struct sv s = buf_ok(&b) ? arena_sv(o->a, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return s;
}

static bool fill(struct one_bot *o, const json_t *row)
{
    const struct bot *base = &o->owner->base;
    if (!take_backend(o, row, "ai_core", ARCHIVE_AI_CORES, &o->core) ||
        !take_backend(o, row, "platform", ARCHIVE_PLATFORMS, &o->platform))
        return false;
    set_policy(o, row);
    o->bot.ai = o->core != NULL ? o->core->ai : json_sv(row, "ai_core").p != NULL ? NULL : base->ai;
    o->bot.platform = o->platform != NULL ? o->platform->platform : json_sv(row, "platform").p != NULL ? NULL : base->platform;
    o->bot.deliver = o->platform != NULL ? o->platform->deliver : base->deliver;
    o->bot.json = put_json(o, row);
    return o->bot.json.p != NULL;
}

/* Names and version of a row that may be wrong in everything else. What it does not say clearly does not silence a bot: its messages wait. */
static bool introduce(struct one_bot *o, const json_t *row)
{
    struct sv id = json_sv(row, "bot_id"), name = json_sv(row, "name");
    o->bot.bot_id = arena_str(o->a, id.n <= MESSAGE_ID_MAX ? id : SV_NONE);
    o->bot.name = arena_str(o->a, name.p != NULL ? name : id);
    o->bot.version = json_i64(row, "version", 0);
    o->bot.enabled = json_bool(row, "enabled", true);
    return o->bot.bot_id != NULL && o->bot.name != NULL;
}

static bool make(struct one_bot *o, struct sv text)
{
    const char *why;
    const json_t *row = row_read(o->a, ARCHIVE_BOTS, text, o->owner->o.environment, &why);
    if (row != NULL)
        return introduce(o, row) && fill(o, row);
    if (why == NULL)
        return false;
    json_t *raw = json_read(text, false, NULL);
    bool known = introduce(o, raw);
    json_decref(raw);
    in_trouble(o, "its row cannot be used", SV_NONE, why);
    return known;
}

struct one_bot *one_bot_new(struct bots *b, struct sv row)
{
    struct arena *a = arena_new(0, ARENA_CAP);
    struct one_bot *o = a == NULL ? NULL : arena_alloc(a, sizeof(*o));
    if (o == NULL) {
        arena_free(a);
        return NULL;
    }
    *o = (struct one_bot){ .owner = b, .a = a, .holders = 1,
                           .bot = { .policy = b->base.policy, .context_max = b->base.context_max, .deliver = b->base.deliver, .json = SV("{}") } };
    b->held++;
    if (make(o, row))
        return o;
    bot_release(&o->bot);
    return NULL;
}

void one_bot_list(struct one_bot *o, bool yes)
{
    if (o->listed == yes)
        return;
    o->listed = yes;
    if (o->core != NULL)
        o->core->listed += yes ? 1 : (size_t)-1;
    if (o->platform != NULL)
        o->platform->listed += yes ? 1 : (size_t)-1;
}

struct bot *bot_hold(struct bot *bot)
{
    if (bot != NULL)
        CONTAINER_OF(bot, struct one_bot, bot)->holders++;
    return bot;
}

void bot_release(struct bot *bot)
{
    struct one_bot *o = bot != NULL ? CONTAINER_OF(bot, struct one_bot, bot) : NULL;
    if (o == NULL || --o->holders > 0)
        return;
    backend_release(o->core);
    backend_release(o->platform);
    o->owner->held--;
    arena_free(o->a);
}
