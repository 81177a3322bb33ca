/* SPDX-License-Identifier: MIT
 * The registry: looks at the database about once a second, and when its version is another one makes all bots anew from the rows. The rows
 * are kept, so that a reload needs no database. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/backoff.h"
#include "lib/id.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "turn/bots_own.h"

#define LOOK_MS 900
#define AWAY_MS 500
#define AWAY_MAX_MS 2000
#define ROWS_CAP (256u << 20)

/* ---- rows ---- */

static void rows_free(struct rows *r)
{
    if (r == NULL)
        return;
    for (int i = 0; i < ARCHIVE_SERVICES; i++)
        map_free(r->by_name[i]);
    arena_free(r->a);
}

static int rows_add(struct rows *r, enum archive_service service, struct sv *to, struct sv text)
{
    *to = arena_sv(r->a, text);
    if (text.p != NULL && to->p == NULL)
        return -1;
    if (service == ARCHIVE_BOTS)
        return 0;
    json_t *row = json_read(text, false, NULL); /* what is no JSON has no name, and nobody finds it */
    struct sv name = json_sv(row, "name");
    int rc = name.p != NULL ? map_put(r->by_name[service], name, to, NULL) : 0;
    json_decref(row);
    return rc;
}

static struct rows *rows_new(const struct archive_services *s)
{
    struct arena *a = arena_new(0, ROWS_CAP);
    struct rows *r = a == NULL ? NULL : arena_alloc(a, sizeof(*r));
    int rc = 0;
    if (r == NULL) {
        arena_free(a);
        return NULL;
    }
    r->a = a;
    for (int k = 0; k < ARCHIVE_SERVICES && rc == 0; k++) {
        r->n[k] = s->rows_n[k];
        r->text[k] = arena_array(a, s->rows_n[k] + 1, sizeof(struct sv));
        r->by_name[k] = map_new();
        rc = r->text[k] == NULL || r->by_name[k] == NULL ? -1 : 0;
        for (size_t i = 0; rc == 0 && i < r->n[k]; i++)
            rc = rows_add(r, (enum archive_service)k, &r->text[k][i], s->rows[k][i]);
    }
    if (rc == 0)
        return r;
    rows_free(r);
    return NULL;
}

struct sv rows_find(const struct rows *r, enum archive_service service, struct sv name)
{
    const struct sv *text = map_find(r->by_name[service], name);
    return text != NULL ? *text : SV_NONE;
}

/* ---- what is in force ---- */

static void drop_one(void *arg, struct sv id, void *value)
{
    struct one_bot *o = value;
    (void)arg, (void)id;
    one_bot_list(o, false);
    bot_release(&o->bot);
}

static void drop(struct map *bots)
{
    if (bots != NULL)
        map_each(bots, drop_one, NULL);
    map_free(bots);
}

static void list_one(void *arg, struct sv id, void *value)
{
    (void)arg, (void)id;
    one_bot_list(value, true);
}

/* Once for each version of it, and for each other reason. */
static void tell_trouble(void *arg, struct sv id, void *value)
{
    const struct bots *b = arg;
    const struct bot *now = &((const struct one_bot *)value)->bot;
    const struct one_bot *before = b->bots != NULL ? map_find(b->bots, id) : NULL;
    const char *was = before != NULL ? before->bot.trouble : NULL;
    char version[24];
    (void)snprintf(version, sizeof(version), "%lld", (long long)now->version);
    if (now->trouble == NULL && was != NULL)
        log_info("a bot can be used again", "bot", now->bot_id, "#version", version, NULL);
    else if (now->trouble != NULL && (was == NULL || before->bot.version != now->version || strcmp(was, now->trouble) != 0))
        log_warning("a bot cannot be used: its messages wait", "bot", now->bot_id, "#version", version, "why", now->trouble, NULL);
}

static int add(struct bots *b, struct map *bots, struct sv row)
{
    struct one_bot *o = one_bot_new(b, row);
    void *old = NULL;
    if (o == NULL)
        return -1;
    if (o->bot.bot_id[0] == '\0') {
        log_warning("a row of bots names no bot", "why", o->bot.trouble, NULL);
        bot_release(&o->bot);
        return 0;
    }
    if (map_put(bots, sv_from(o->bot.bot_id), o, &old) != 0) {
        bot_release(&o->bot);
        return -1;
    }
    if (old != NULL)
        bot_release(&((struct one_bot *)old)->bot);
    return 0;
}

/* Said once, though it is tried with every look. */
static void tell_short(struct bots *b)
{
    if (!b->short_of_memory)
        log_error("no memory for the bots: they stay as they were", NULL);
    b->short_of_memory = true;
}

/* From b->rows. -1: memory; what was in force stays. */
static int make_all(struct bots *b)
{
    struct map *bots = map_new();
    int rc = bots == NULL ? -1 : 0;
    for (size_t i = 0; rc == 0 && i < b->rows->n[ARCHIVE_BOTS]; i++)
        rc = add(b, bots, b->rows->text[ARCHIVE_BOTS][i]);
    if (rc != 0) {
        tell_short(b);
        drop(bots);
        return -1;
    }
    b->short_of_memory = false;
    map_each(bots, tell_trouble, b);
    map_each(bots, list_one, NULL);
    struct map *before = b->bots;
    b->bots = bots;
    drop(before);
    return 0;
}

static void take(struct bots *b, const struct archive_services *s)
{
    struct rows *rows = rows_new(s), *before = b->rows;
    char n[24], version[24];
    if (rows == NULL) {
        tell_short(b);
        return;
    }
    b->rows = rows;
    if (make_all(b) != 0) {
        b->rows = before;
        rows_free(rows);
        return;
    }
    rows_free(before);
    b->version = s->version;
    (void)snprintf(n, sizeof(n), "%zu", map_count(b->bots));
    (void)snprintf(version, sizeof(version), "%lld", (long long)s->version);
    if (before != NULL || map_count(b->bots) > 0)
        log_info("bots are as the database has them now", "#bots", n, "#version", version, NULL);
}

/* ---- waiting ---- */

static void waiter_in(struct bots_waiter **list, struct bots_waiter *w)
{
    w->next = *list;
    w->at = list;
    if (w->next != NULL)
        w->next->at = &w->next;
    *list = w;
}

void bots_await_no_more(struct bots_waiter *w)
{
    if (w->at == NULL)
        return;
    *w->at = w->next;
    if (w->next != NULL)
        w->next->at = w->at;
    w->at = NULL;
}

/* Whoever begins to wait meanwhile is in the other list. */
static void call_waiters(struct bots *b)
{
    while (b->during != NULL) {
        struct bots_waiter *w = b->during;
        bots_await_no_more(w);
        w->fn(w->arg);
    }
}

bool bots_await(struct bots *b, struct bots_waiter *w)
{
    if (b->stopped || b->o.archive == NULL || !archive_is_up(b->o.archive))
        return false;
    waiter_in(&b->waiting, w);
    bots_look(b);
    return true;
}

static void forget_waiters(struct bots_waiter **list)
{
    while (*list != NULL)
        bots_await_no_more(*list);
}

/* ---- looking ---- */

static void next_look(struct bots *b)
{
    if (b->again)
        loop_timer_set(b->look, 0);
    else if (b->failures > 0)
        loop_timer_set(b->look, backoff_ms(b->failures - 1, AWAY_MS, AWAY_MAX_MS));
    else
        loop_timer_set(b->look, b->o.look_ms + (int64_t)id_random_below((uint64_t)b->o.look_ms / 5 + 1));
    b->again = false;
}

static void is_away(struct bots *b)
{
    b->failures += b->failures < 1000;
    if (b->away || (b->rows == NULL && b->failures < 2)) /* a program that starts is not yet connected */
        return;
    b->away = true;
    if (b->rows != NULL)
        log_warning("the database does not answer: bots stay as they are", NULL);
    else
        log_warning("the database does not answer: nothing is known of bots, and the default bot stands in for all", NULL);
}

/* A database whose migrations are still to be run, as all are for a moment. */
static void has_no_tables(struct bots *b)
{
    b->failures += b->failures < 1000;
    if (b->no_tables)
        return;
    b->no_tables = true;
    if (b->rows != NULL)
        log_warning("the database has lost its tables of bots: bots stay as they are", NULL);
    else
        log_info("the database has no tables for bots yet: a daemon that starts makes them, or turnkeeperctl migrate", NULL);
}

static void looked(void *arg, enum archive_status status, const struct archive_services *s)
{
    struct bots *b = arg;
    b->asking = false;
    if (b->stopped)
        return;
    if (status == ARCHIVE_DONE) {
        if (b->away)
            log_info("the database answers again: bots are looked after", NULL);
        b->away = b->no_tables = false;
        b->failures = 0;
        if (s->changed)
            take(b, s);
    } else if (status == ARCHIVE_NO_TABLES) {
        has_no_tables(b);
    } else {
        is_away(b);
    }
    next_look(b);
    call_waiters(b);
}

static void look(void *arg)
{
    struct bots *b = arg;
    b->asking = true;
    while (b->waiting != NULL) {
        struct bots_waiter *w = b->waiting;
        bots_await_no_more(w);
        waiter_in(&b->during, w);
    }
    archive_services(b->o.archive, b->version, looked, b);
}

void bots_look(struct bots *b)
{
    if (b->o.archive == NULL || b->stopped)
        return;
    if (b->asking) /* that answer may be from before the change */
        b->again = true;
    else
        loop_timer_set(b->look, 0);
}

void bots_set_base(struct bots *b, const struct bot *base)
{
    b->base = *base;
    if (b->rows == NULL || b->stopped)
        return;
    for (struct backend *k = b->live; k != NULL; k = k->next)
        backend_hide(k);
    if (make_all(b) != 0)
        b->version = 0; /* once more, when it is looked at next */
}

/* ---- finding ---- */

struct bot *bots_find(struct bots *b, struct sv bot_id)
{
    struct one_bot *o = b->bots != NULL && bot_id.n > 0 ? map_find(b->bots, bot_id) : NULL;
    return o != NULL ? bot_hold(&o->bot) : NULL;
}

struct page_search {
    struct sv page_id;
    struct one_bot *found;
};

static bool is_better(const struct bot *a, const struct bot *b)
{
    bool a_works = a->enabled && a->trouble == NULL, b_works = b->enabled && b->trouble == NULL;
    return a_works != b_works ? a_works : strcmp(a->bot_id, b->bot_id) < 0;
}

static void search_one(void *arg, struct sv id, void *value)
{
    struct page_search *s = arg;
    struct one_bot *o = value;
    (void)id;
    if (o->platform != NULL && o->platform->page_id != NULL && sv_eq(sv_from(o->platform->page_id), s->page_id) &&
        (s->found == NULL || is_better(&o->bot, &s->found->bot)))
        s->found = o;
}

struct bot *bots_find_page(struct bots *b, struct sv page_id)
{
    struct page_search s = { .page_id = page_id };
    if (b->bots != NULL)
        map_each(b->bots, search_one, &s);
    return s.found != NULL ? bot_hold(&s.found->bot) : NULL;
}

bool bots_is_known(const struct bots *b)
{
    return b->rows != NULL;
}

bool bots_is_settled(const struct bots *b)
{
    return b->rows != NULL || b->failures > 0 || b->o.archive == NULL;
}

/* ---- life ---- */

static void close_unused(void *arg)
{
    backends_close(arg);
}

struct bots *bots_new(const struct bots_options *o, struct err *e)
{
    struct bots *b = calloc(1, sizeof(*b));
    bool whole = b != NULL;
    if (whole) {
        *b = (struct bots){ .o = *o, .base = *o->base };
        b->o.look_ms = o->look_ms > 0 ? o->look_ms : LOOK_MS;
        b->look = loop_timer_new(o->loop, look, b);
        b->close = loop_timer_new(o->loop, close_unused, b);
        whole = b->look != NULL && b->close != NULL;
        for (int i = 0; i < ARCHIVE_SERVICES; i++)
            whole = (b->backends[i] = map_new()) != NULL && whole;
    }
    if (!whole) {
        (void)err_set(e, ERR_MEMORY, "no memory for the bots");
        bots_free(b);
        return NULL;
    }
    if (o->archive != NULL)
        loop_timer_set(b->look, 0);
    return b;
}

void bots_stop(struct bots *b)
{
    if (b == NULL || b->stopped)
        return;
    b->stopped = true;
    forget_waiters(&b->waiting);
    forget_waiters(&b->during);
    loop_timer_free(b->look);
    b->look = NULL;
    drop(b->bots);
    b->bots = NULL;
    backends_close(b);
}

void bots_free(struct bots *b)
{
    if (b == NULL)
        return;
    bots_stop(b);
    if (b->held > 0 || b->asking) {
        log_error("bots: freed while somebody holds a bot, or before the archive was closed", NULL);
        abort();
    }
    backends_close(b);
    loop_timer_free(b->close);
    for (int i = 0; i < ARCHIVE_SERVICES; i++)
        map_free(b->backends[i]);
    rows_free(b->rows);
    free(b);
}
