/* SPDX-License-Identifier: MIT
 * Messages that were read, as webhooks. First all that the page wrote, then all that the customer wrote, each oldest first: where a person has answered meanwhile, that
 * is known before the bot hears of the question. What a person has written after is an answer to it, however long ago that was: it is recorded. Echoes are known by
 * their marks; they silence nobody and answer nothing, whenever they come. */
#include "config.h"

#include "daemon/page_sweep_own.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "turn/webhook.h"

#define SCRATCH_MAX (16u << 20)
#define NOT_NOW_MOST 10

static void write_event(struct buf *b, const struct swept_page *p, const json_t *message)
{
    struct json_out o = { .b = b };
    json_obj(&o);
    json_kstr(&o, "event_type", SV("messaging"));
    json_kstr(&o, "page_id", sv_from(p->id));
    json_key(&o, "data");
    json_obj(&o);
    json_kraw(&o, "conversation", p->run.listed[p->run.at].about);
    json_kval(&o, "message", message);
    json_obj_end(&o);
    json_obj_end(&o);
}

/* False: memory is short. */
static bool read_event(struct arena *a, const struct swept_page *p, struct sv event, struct webhook *w)
{
    struct err e;
    const json_t *body = json_read_in(a, event, false, &e);
    if (body == NULL && e.code != ERR_MEMORY) {
        *w = (struct webhook){ .kind = WEBHOOK_WRONG, .why = "JSON that no webhook may have" };
        return true;
    }
    return body != NULL && webhook_read(a, sv_from(p->id), body, w, &e) == 0;
}

static enum sweep_age keep(struct swept_page *p, struct sv event, const struct webhook *w)
{
    struct sweep_run *r = &p->run;
    struct sv copy = r->items_n < SWEEP_RUN ? arena_sv(r->a, event) : SV_NONE;
    if (copy.p == NULL)
        return SWEEP_NO_ROOM;
    r->items[r->items_n++] = (struct sweep_item){ copy, w->kind == WEBHOOK_PAGE, w->removed };
    return SWEEP_NEW;
}

enum sweep_age sweep_keep(struct swept_page *p, json_t *message)
{
    struct arena *a = arena_new(0, SCRATCH_MAX);
    struct buf b = { 0 };
    struct webhook w;
    enum sweep_age age = SWEEP_NEW;
    write_event(&b, p, message);
    if (a == NULL || !buf_ok(&b) || !read_event(a, p, buf_sv(&b), &w)) {
        age = SWEEP_NO_ROOM;
    } else if (w.kind == WEBHOOK_WRONG) {
        log_warning("a message of the page API cannot be read", "page_id", p->id, "why", w.why, NULL);
        p->run.found.unread++;
    } else if (w.kind == WEBHOOK_CUSTOMER || w.kind == WEBHOOK_PAGE) {
        if (w.message.timestamp_ms > 0 && w.message.timestamp_ms < p->run.since_ms)
            age = SWEEP_OLD;
        else
            age = keep(p, buf_sv(&b), &w);
    }
    buf_fini(&b);
    arena_free(a);
    return age;
}

/* ---- in order ---- */

/* The next one, or items_n: `taken` counts the page's messages first, then the customer's. */
static size_t next(const struct sweep_run *r)
{
    size_t skip = r->taken;
    for (int page = 1; page >= 0; page--) {
        for (size_t i = r->items_n; i-- > 0;) {
            if (r->items[i].page == (page == 1) && skip-- == 0)
                return i;
        }
    }
    return r->items_n;
}

/* A person wrote it, or who knows: what is too old to say stands for a person's, since a customer who has one answer must not get another. What was taken back is
 * no answer. */
static bool is_persons(const struct sweep_item *item, enum webhook_result result)
{
    return item->page && !item->removed && result != WEBHOOK_OWN;
}

static bool is_answered(const struct sweep_run *r, size_t i)
{
    return !r->items[i].page && (r->persons_before || r->persons < i);
}

static void taken(void *arg, enum webhook_result result, struct sv message_id)
{
    struct swept_page *p = arg;
    struct sweep_run *r = &p->run;
    (void)message_id;
    if (!sweep_heard(p))
        return;
    if (result == WEBHOOK_NOT_NOW) {
        const char *why = "a message could not be accepted";
        r->again++;
        if (!store_is_up(p->all->o.store) && r->again > NOT_NOW_MOST)
            sweep_over(p, why);
        else if (r->again > NOT_NOW_MOST || sweep_was_left(p))
            sweep_leave(p, why);
        else
            sweep_after(p, p->all->o.retry_ms / 2, sweep_take);
        return;
    }
    size_t i = next(r);
    if (is_persons(&r->items[i], result) && i < r->persons)
        r->persons = i;
    r->again = 0;
    r->taken++;
    r->found.accepted += result == WEBHOOK_ACCEPTED;
    r->found.answered += result == WEBHOOK_ACCEPTED && is_answered(r, i);
    r->found.duplicates += result == WEBHOOK_DUPLICATE;
    r->found.own += result == WEBHOOK_OWN;
    r->found.left += result == WEBHOOK_LEFT;
    sweep_take(p);
}

void sweep_take(struct swept_page *p)
{
    struct sweep_run *r = &p->run;
    size_t i = next(r);
    struct webhook w;
    if (r->taken == 0)
        r->persons = r->items_n;
    if (i == r->items_n) {
        r->persons_before = r->persons_before || r->persons < r->items_n;
        arena_reset(r->a);
        r->items_n = r->taken = 0;
        sweep_read_on(p);
        return;
    }
    struct arena *a = arena_new(0, SCRATCH_MAX);
    if (a == NULL || !read_event(a, p, r->items[i].event, &w)) {
        arena_free(a);
        sweep_over(p, "memory is short");
        return;
    }
    const struct webhook_options o = { .bot_id = p->bot_id[0] != '\0' ? sv_from(p->bot_id) : SV_NONE, .fetched = true, .answered_elsewhere = is_answered(r, i) };
    sweep_ask(p);
    webhook_submit(p->all->o.turns, sv_from(p->id), &w, &o, taken, p);
    arena_free(a);
}
