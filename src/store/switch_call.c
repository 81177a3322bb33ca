/* SPDX-License-Identifier: MIT
 * See switch_call.h. Ids fit into the call itself; only what is larger gets an arena. */
#include "config.h"

#include <stdlib.h>

#include "store/switch_call.h"

#define BYTES_MAX (STORE_ID_MAX * 2)
#define KEPT_MAX (16u << 20)

struct call *call_new(const struct call *from)
{
    struct call *c = malloc(sizeof(*c) + BYTES_MAX);
    if (c == NULL)
        return NULL;
    *c = *from;
    return c;
}

void call_free(struct call *c)
{
    if (c == NULL)
        return;
    arena_free(c->arena);
    free(c);
}

/* `used`: of the call's own bytes. */
static bool keep(struct call *c, size_t *used, struct sv *s)
{
    if (s->p == NULL)
        return true;
    if (s->n <= BYTES_MAX - *used) {
        char *to = c->bytes + *used;
        if (s->n > 0)
            memcpy(to, s->p, s->n);
        *used += s->n;
        s->p = to;
        return true;
    }
    if (c->arena == NULL)
        c->arena = arena_new(0, KEPT_MAX);
    if (c->arena == NULL)
        return false;
    *s = arena_sv(c->arena, *s);
    return s->p != NULL;
}

static bool keep_list(struct call *c, size_t *used, const struct sv **list, size_t n)
{
    if (n == 0)
        return true;
    if (c->arena == NULL)
        c->arena = arena_new(0, KEPT_MAX);
    struct sv *kept = c->arena != NULL ? arena_array(c->arena, n, sizeof(*kept)) : NULL;
    for (size_t i = 0; kept != NULL && i < n; i++) {
        kept[i] = (*list)[i];
        if (!keep(c, used, &kept[i]))
            return false;
    }
    *list = kept;
    return kept != NULL;
}

static bool keep_pairs(struct call *c, size_t *used, const struct store_pair **pairs, size_t n)
{
    if (n == 0)
        return true;
    if (c->arena == NULL)
        c->arena = arena_new(0, KEPT_MAX);
    struct store_pair *kept = c->arena != NULL ? arena_array(c->arena, n, sizeof(*kept)) : NULL;
    for (size_t i = 0; kept != NULL && i < n; i++) {
        kept[i] = (*pairs)[i];
        if (!keep(c, used, &kept[i].key) || !keep(c, used, &kept[i].value))
            return false;
    }
    *pairs = kept;
    return kept != NULL;
}

static bool keep_counts(struct call *c, size_t *used, struct store_history_change *h)
{
    if (h->counts_n == 0)
        return true;
    if (c->arena == NULL)
        c->arena = arena_new(0, KEPT_MAX);
    struct store_count *kept = c->arena != NULL ? arena_array(c->arena, h->counts_n, sizeof(*kept)) : NULL;
    for (size_t i = 0; kept != NULL && i < h->counts_n; i++) {
        kept[i] = h->counts[i];
        if (!keep(c, used, &kept[i].metric))
            return false;
    }
    h->counts = kept;
    return kept != NULL;
}

static bool keep_history(struct call *c, size_t *used, struct store_change *ch)
{
    if (ch->history == NULL)
        return true;
    struct store_history_change *h = &c->history;
    *h = *ch->history;
    ch->history = h;
    return keep(c, used, &h->user_id) && keep(c, used, &h->day) && keep_list(c, used, &h->entries, h->entries_n) &&
           keep_pairs(c, used, &h->fields, h->fields_n) && keep_counts(c, used, h);
}

static bool keep_erase(struct call *c, size_t *used, struct store_change *ch)
{
    if (ch->erase == NULL)
        return true;
    struct store_erase *e = &c->erase;
    *e = *ch->erase;
    ch->erase = e;
    return keep(c, used, &e->user_id) && keep_list(c, used, &e->jobs, e->jobs_n) && keep(c, used, &e->day_metric) &&
           keep(c, used, &e->day_into);
}

static bool keep_letters(struct call *c, size_t *used, struct store_change *ch)
{
    if (ch->letters_n == 0)
        return true;
    if (c->arena == NULL)
        c->arena = arena_new(0, KEPT_MAX);
    struct store_letter *kept = c->arena != NULL ? arena_array(c->arena, ch->letters_n, sizeof(*kept)) : NULL;
    for (size_t i = 0; kept != NULL && i < ch->letters_n; i++) {
        kept[i] = ch->letters[i];
        if (!keep(c, used, &kept[i].id) || !keep(c, used, &kept[i].item))
            return false;
    }
    ch->letters = kept;
    return kept != NULL;
}

static bool keep_session(struct call *c, size_t *used, struct store_change *ch)
{
    if (ch->session == NULL)
        return true;
    c->session = *ch->session;
    ch->session = &c->session;
    return keep(c, used, &c->session.view) && keep_list(c, used, &c->session.events, c->session.events_n);
}

static bool keep_change(struct call *c, size_t *used, struct store_change *ch)
{
    return keep(c, used, &ch->conversation_id) && keep(c, used, &ch->need_token) && keep(c, used, &ch->lease_token) &&
           keep(c, used, &ch->record) && keep(c, used, &ch->mark_new.key) && keep(c, used, &ch->mark_new.value) &&
           keep_pairs(c, used, &ch->marks, ch->marks_n) && keep(c, used, &ch->pending_add) &&
           keep_list(c, used, &ch->pending_more, ch->pending_more_n) &&
           keep_list(c, used, &ch->context_add, ch->context_add_n) &&
           keep_list(c, used, &ch->queue_add, ch->queue_add_n) &&
           keep_list(c, used, &ch->callbacks_add, ch->callbacks_add_n) && keep_letters(c, used, ch) &&
           keep(c, used, &ch->job.key) && keep(c, used, &ch->job.value) && keep_session(c, used, ch) &&
           keep_history(c, used, ch) && keep_erase(c, used, ch) && keep(c, used, &ch->event);
}

static void keep_place(struct call *c, struct store_value *v)
{
    if (v->place == NULL)
        return;
    c->place = *v->place;
    c->place.name = v->name;
    v->place = &c->place;
}

bool call_keep(struct call *c)
{
    size_t used = 0;
    if (c->kept)
        return true;
    switch (c->kind) {
    case CALL_LOAD:
        c->kept = keep(c, &used, &c->is.load.conversation_id) && keep(c, &used, &c->is.load.message_id);
        break;
    case CALL_APPLY:
        c->kept = keep_change(c, &used, &c->is.change);
        break;
    case CALL_RENEW:
        c->kept = keep(c, &used, &c->is.renew.id) && keep(c, &used, &c->is.renew.token);
        break;
    case CALL_TAKE:
        c->kept = keep(c, &used, &c->is.take.owner);
        break;
    case CALL_ACK:
        c->kept = keep(c, &used, &c->is.ack.batch); /* its items are not: it is never made again */
        break;
    case CALL_LIST:
        c->kept = keep(c, &used, &c->is.list.after_id);
        break;
    case CALL_LETTERS:
        c->kept = keep(c, &used, &c->is.letters.id) && keep(c, &used, &c->is.letters.item);
        break;
    case CALL_VALUE:
        c->kept = keep(c, &used, &c->is.value.name) && keep(c, &used, &c->is.value.value);
        keep_place(c, &c->is.value);
        break;
    case CALL_SESSION:
        c->kept = keep(c, &used, &c->is.session);
        break;
    case CALL_FILL:
        c->kept = keep(c, &used, &c->is.fill.conversation_id) && keep(c, &used, &c->is.fill.view) &&
                  keep(c, &used, &c->is.fill.customer);
        break;
    case CALL_EVENTS:
        c->kept = keep(c, &used, &c->is.events.id);
        break;
    case CALL_HISTORY:
    case CALL_USER:
    case CALL_FIGURES:
    case CALL_PREFERENCES_PUT:
    case CALL_PREFERENCES:
    case CALL_ERASED_AT:
        c->kept = keep(c, &used, &c->is.history.id) && keep(c, &used, &c->is.history.user_id) &&
                  keep_pairs(c, &used, &c->is.history.pairs, c->is.history.n);
        break;
    case CALL_RECOVER:
    case CALL_STAT:
        c->kept = true;
        break;
    }
    return c->kept;
}

void call_fail(struct call *c, enum store_status status)
{
    switch (c->kind) {
    case CALL_LOAD:
        c->fn.load(c->arg, status, NULL);
        break;
    case CALL_APPLY:
        c->fn.apply(c->arg, status, NULL);
        break;
    case CALL_LIST:
        c->fn.list(c->arg, status, NULL);
        break;
    case CALL_TAKE:
        c->fn.batch(c->arg, status, NULL);
        break;
    case CALL_LETTERS:
        c->fn.letters(c->arg, status, NULL, 0);
        break;
    case CALL_VALUE:
        c->fn.value(c->arg, status, SV_NONE);
        break;
    case CALL_STAT:
        c->fn.stat(c->arg, status, NULL);
        break;
    case CALL_SESSION:
        c->fn.session(c->arg, status, NULL);
        break;
    case CALL_EVENTS:
        c->fn.events(c->arg, status, NULL);
        break;
    case CALL_HISTORY:
        c->fn.history(c->arg, status, NULL);
        break;
    case CALL_USER:
        c->fn.user(c->arg, status, NULL, 0);
        break;
    case CALL_FIGURES:
    case CALL_PREFERENCES:
        c->fn.pairs(c->arg, status, NULL, 0);
        break;
    case CALL_ERASED_AT:
        c->fn.erased(c->arg, status, 0);
        break;
    case CALL_RENEW:
    case CALL_ACK:
    case CALL_RECOVER:
    case CALL_FILL:
    case CALL_PREFERENCES_PUT:
        c->fn.status(c->arg, status);
        break;
    }
    call_free(c);
}
