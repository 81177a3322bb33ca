/* SPDX-License-Identifier: MIT
 * See erase.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "t/archive/erase.h"

static struct sv must(struct sv s)
{
    if (s.p == NULL)
        bail_out("out of memory");
    return s;
}

/* ---- calls ---- */

static int compare(const void *pa, const void *pb)
{
    const struct sv *a = pa, *b = pb;
    int c = memcmp(a->p, b->p, a->n < b->n ? a->n : b->n);
    return c != 0 ? c : (a->n > b->n) - (a->n < b->n);
}

static struct sv join(struct rig *r, const struct sv *list, size_t n)
{
    struct sv *sorted = arena_array(r->arena, n + 1, sizeof(*sorted)), text = SV("");
    if (sorted == NULL)
        bail_out("out of memory");
    if (n > 0)
        memcpy(sorted, list, n * sizeof(*list));
    qsort(sorted, n, sizeof(*sorted), compare);
    for (size_t i = 0; i < n; i++)
        text = must(arena_printf(r->arena, "%.*s%s%.*s", SV_FMT(text), i > 0 ? "," : "", SV_FMT(sorted[i])));
    return text;
}

static void on_erased(void *arg, enum archive_status status, const struct archive_erased *got)
{
    struct erased *e = arg;

    if (e->inside)
        ok(false, "%s: an answer came from inside the call", e->r->name);
    e->count++;
    e->status = status;
    e->tables = SV("");
    for (size_t i = 0; got != NULL && i < got->tables_n; i++)
        if (!sv_eq(got->tables[i].value, SV("0")))
            e->tables = must(arena_printf(e->r->arena, "%.*s%s%.*s %.*s", SV_FMT(e->tables), e->tables.n > 0 ? ", " : "",
                                          SV_FMT(got->tables[i].key), SV_FMT(got->tables[i].value)));
    if (got == NULL)
        return;
    e->id = must(arena_sv(e->r->arena, got->erasure_id));
    e->messages = join(e->r, got->message_ids, got->message_ids_n);
    e->jobs = join(e->r, got->job_ids, got->job_ids_n);
}

void erase_start(struct rig *r, struct archive *a, struct erased *e, enum archive_subject subject, const char *id, int64_t at)
{
    *e = (struct erased){ .r = r, .inside = true };
    archive_erase(a, &(struct archive_erase){ subject, sv_from(id), RIG_NOW + at }, on_erased, e);
    e->inside = false;
}

static bool came(void *arg)
{
    return *(const int *)arg > 0;
}

void erase_wait(struct rig *r, const struct erased *e)
{
    if (!rig_until(r, came, (void *)(uintptr_t)&e->count))
        bail_out("%s: an erasure is not answered", r->name);
}

struct erased erase(struct rig *r, enum archive_subject subject, const char *id, int64_t at)
{
    struct erased e;
    erase_start(r, r->a, &e, subject, id, at);
    erase_wait(r, &e);
    return e;
}

struct erased erase_ids(struct rig *r, const char *session, int64_t at)
{
    struct erased e = { .r = r, .inside = true };
    archive_erase_ids(r->a, sv_from(session), RIG_NOW + at, on_erased, &e);
    e.inside = false;
    erase_wait(r, &e);
    return e;
}

struct done {
    int count;
    enum archive_status status;
};

static void on_done(void *arg, enum archive_status status)
{
    struct done *d = arg;
    d->count++;
    d->status = status;
}

static enum archive_status wait_done(struct rig *r, struct done *d)
{
    ok(d->count == 0, "%s: no answer from inside the call", r->name);
    if (!rig_until(r, came, &d->count))
        bail_out("%s: a call is not answered", r->name);
    return d->status;
}

enum archive_status erase_receipt(struct rig *r, struct sv id, const char *counts)
{
    struct done d = { 0 };
    archive_receipt(r->a, id, sv_from(counts), on_done, &d);
    return wait_done(r, &d);
}

enum archive_status erase_figures(struct rig *r, const struct archive_figure *list, size_t n, int64_t read)
{
    struct done d = { 0 };
    archive_figures_put(r->a, list, n, RIG_NOW + read, on_done, &d);
    return wait_done(r, &d);
}

enum archive_status erase_preference(struct rig *r, const char *user, const char *key, const char *value)
{
    struct done d = { 0 };
    archive_preferences_put(r->a, sv_from(user), &(struct archive_pair){ sv_from(key), sv_from(value) }, 1, on_done, &d);
    return wait_done(r, &d);
}

/* ---- items ---- */

struct sv erase_message(struct rig *r, const char *conversation, const char *message, const char *sender, int64_t received)
{
    long long ms = (long long)(RIG_NOW + received);
    return must(arena_printf(r->arena, "{\"type\":\"save_message\",\"conversation_id\":\"%s\",\"message\":{\"message_id\":\"%s\",\"content\":\"" CANARY " %s\","
                             "\"sender_id\":\"%s\",\"sender_type\":\"user\",\"timestamp\":%lld,\"received\":%lld,\"seq\":1,"
                             "\"metadata\":{\"page\":\"" CANARY "\"}}}", conversation, message, message, sender, ms, ms));
}

struct sv erase_item(struct rig *r, const char *conversation, const char *user, int64_t at)
{
    struct sv where = conversation != NULL ? must(arena_printf(r->arena, ",\"conversation_id\":\"%s\"", conversation)) : SV("");
    struct sv who = user != NULL ? must(arena_printf(r->arena, ",\"user_id\":\"%s\"", user)) : SV("");
    return must(arena_printf(r->arena, "{\"type\":\"erase\",\"v\":1%.*s%.*s,\"at\":%lld}", SV_FMT(where), SV_FMT(who), (long long)(RIG_NOW + at)));
}

struct sv erase_customer(struct rig *r, const char *conversation, const char *sender, const char *name, const char *phone, int64_t at)
{
    struct sv member = phone != NULL ? must(arena_printf(r->arena, ",\"phone\":\"%s\"", phone)) : SV("");
    return must(arena_printf(r->arena, "{\"type\":\"extract_customer_info\",\"conversation_id\":\"%s\",\"sender_id\":\"%s\",\"at\":%lld,"
                             "\"entities\":{\"name\":\"%s\"%.*s}}", conversation, sender, (long long)(RIG_NOW + at), name, SV_FMT(member)));
}

struct sv erase_state(struct rig *r, const char *conversation, const char *status, int64_t at)
{
    return must(arena_printf(r->arena, "{\"type\":\"update_session_status\",\"conversation_id\":\"%s\",\"at\":%lld,\"status\":\"%s\"}", conversation,
                             (long long)(RIG_NOW + at), status));
}

/* ---- looking ---- */

static long find_in(FILE *f, const char *text)
{
    size_t size = 1 << 20, n = 0, got, length = strlen(text);
    char *all = malloc(size);
    long found = 0;

    while (all != NULL && (got = fread(all + n, 1, size - n, f)) > 0) {
        n += got;
        if (n == size)
            all = realloc(all, size *= 2);
    }
    if (all == NULL)
        bail_out("out of memory");
    for (const char *p = all; (p = memmem(p, n - (size_t)(p - all), text, length)) != NULL; p++)
        found++;
    free(all);
    return found;
}

long erase_find(struct rig *r, const char *text)
{
    static const char *const beside[] = { "", "-journal", "-wal" };
    long found = 0;

    for (size_t i = 0; r->server == NULL && i < ARRAY_LEN(beside); i++) {
        struct sv path = must(arena_printf(r->arena, "%s%s", r->place, beside[i]));
        FILE *f = fopen(path.p, "rb");
        found += f != NULL ? find_in(f, text) : 0;
        if (f != NULL)
            (void)fclose(f);
    }
    if (r->server != NULL && system("command -v pg_dump > /dev/null") != 0)
        return -1;
    if (r->server != NULL) {
        struct sv command = must(arena_printf(r->arena, "pg_dump --inserts -d \"%s\"", r->place));
        FILE *f = popen(command.p, "r");
        if (f == NULL)
            bail_out("pg_dump cannot be run");
        found = find_in(f, text);
        if (pclose(f) != 0)
            bail_out("pg_dump fails: %s", command.p);
    }
    return found;
}
