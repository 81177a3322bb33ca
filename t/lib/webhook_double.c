/* SPDX-License-Identifier: MIT
 * See webhook_double.h. */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/store.h"
#include "t/lib/webhook_double.h"

#define VALUES_MAX 16

struct webhook_script webhook_script;
struct buf webhook_seen;
atomic_int webhook_submits, webhook_double_puts;

static struct loop *the_loop;

void webhook_double_open(struct loop *loop)
{
    the_loop = loop;
}

/* ---- turn/webhook.c ---- */

struct told {
    struct told *next;
    webhook_fn *fn;
    void *arg;
    char id[MESSAGE_ID_MAX + 1];
};

static struct told *held;

static void tell(void *arg)
{
    struct told *t = arg;
    enum webhook_result result = atomic_load(&webhook_script.result);

    if (atomic_load(&webhook_script.hold)) {
        t->next = held;
        held = t;
        return;
    }
    t->fn(t->arg, result, t->id[0] != '\0' ? sv_from(t->id) : SV_NONE);
    free(t);
}

void webhook_submit(struct turns *turns, struct sv page_id, const struct webhook *w, const struct webhook_options *o, webhook_fn *fn, void *arg)
{
    struct told *t = calloc(1, sizeof(*t));

    (void)turns;
    if (t == NULL)
        abort();
    t->fn = fn;
    t->arg = arg;
    (void)snprintf(t->id, sizeof(t->id), "%.*s", SV_FMT(w->message.message_id));
    buf_clear(&webhook_seen);
    buf_printf(&webhook_seen, "%.*s %d %.*s %.*s %s %.*s", SV_FMT(page_id), (int)w->kind, SV_FMT(w->message.message_id), SV_FMT(w->message.content),
               o->bot_id.p != NULL ? o->bot_id.p : "-", SV_FMT(o->request_id));
    loop_soon(the_loop, tell, t);
    atomic_fetch_add(&webhook_submits, 1);
}

void webhook_double_release(void *arg)
{
    (void)arg;
    atomic_store(&webhook_script.hold, false);
    while (held != NULL) {
        struct told *t = held;
        held = t->next;
        tell(t);
    }
}

/* ---- small values ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { char name[300], value[64]; } values[VALUES_MAX];
static size_t values_n;

static size_t place_of(const char *name)
{
    size_t i = 0;

    while (i < values_n && strcmp(values[i].name, name) != 0)
        i++;
    return i;
}

const char *webhook_double_value(const char *name)
{
    static char copy[64];
    (void)pthread_mutex_lock(&lock);
    size_t i = place_of(name);
    bool there = i < values_n;
    if (there)
        memcpy(copy, values[i].value, sizeof(copy));
    (void)pthread_mutex_unlock(&lock);
    return there ? copy : NULL;
}

void webhook_double_put(const char *name, const char *value)
{
    (void)pthread_mutex_lock(&lock);
    size_t i = place_of(name);
    if (i == VALUES_MAX)
        abort();
    values_n += i == values_n;
    (void)snprintf(values[i].name, sizeof(values[i].name), "%s", name);
    (void)snprintf(values[i].value, sizeof(values[i].value), "%s", value);
    (void)pthread_mutex_unlock(&lock);
}

void webhook_double_forget(void)
{
    (void)pthread_mutex_lock(&lock);
    values_n = 0;
    (void)pthread_mutex_unlock(&lock);
    atomic_store(&webhook_double_puts, 0);
}

struct stored {
    store_status_fn *put;
    store_value_fn *get;
    void *arg;
    char name[300];
};

static void on_stored(void *arg)
{
    struct stored *s = arg;
    bool down = atomic_load(&webhook_script.store_down);

    if (s->put != NULL)
        s->put(s->arg, down ? STORE_DOWN : STORE_DONE);
    else
        s->get(s->arg, down ? STORE_DOWN : STORE_DONE, down ? SV_NONE : sv_from(webhook_double_value(s->name)));
    free(s);
}

static void soon(struct sv name, store_status_fn *put, store_value_fn *get, void *arg)
{
    struct stored *s = calloc(1, sizeof(*s));

    if (s == NULL)
        abort();
    *s = (struct stored){ .put = put, .get = get, .arg = arg };
    (void)snprintf(s->name, sizeof(s->name), "%.*s", SV_FMT(name));
    loop_soon(the_loop, on_stored, s);
}

void store_put(struct store *s, struct sv name, struct sv value, int64_t ttl_ms, store_status_fn *fn, void *arg)
{
    char own[300], text[64];

    (void)s;
    (void)snprintf(own, sizeof(own), "%.*s", SV_FMT(name));
    (void)snprintf(text, sizeof(text), "%.*s", SV_FMT(value));
    if (ttl_ms <= 0)
        abort();
    if (!atomic_load(&webhook_script.store_down)) {
        webhook_double_put(own, text);
        atomic_fetch_add(&webhook_double_puts, 1);
    }
    soon(name, fn, NULL, arg);
}

void store_get(struct store *s, struct sv name, store_value_fn *fn, void *arg)
{
    (void)s;
    soon(name, NULL, fn, arg);
}
