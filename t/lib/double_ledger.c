/* SPDX-License-Identifier: MIT
 * See double_ledger.h. What is known when a call arrives is rendered once ("head"); its end is added when it is shown.
 * An entry is named by its number; numbers of before a reset are above what is there now or carry another generation,
 * and are ignored. */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/map.h"
#include "t/lib/double_ledger.h"

struct conversation {
    int64_t running, max_running;
    int64_t fence; /* highest that was applied */
};

struct entry {
    char *head; /* JSON members without the closing brace */
    struct conversation *conversation;
    char *conversation_id;
    bool ai;
    bool ended, closed_early;
    int status;
    int64_t end_ms;
};

struct ledger {
    int fd;
    bool quiet;
    uint32_t generation;
    struct entry *entries;
    size_t n, size;
    struct map *conversations; /* id → struct conversation */
    struct map *turns;         /* Idempotency-Key applied → itself */
    struct map *covered;       /* conversation, NUL, message id → itself */
    int64_t ai_calls, ai_running, ai_max_running, ai_max_parallel, ai_closed_early;
    int64_t platform_posts, platform_applied, platform_cut, platform_running, platform_closed_early;
    int64_t duplicate_keys, duplicate_messages, fence_regressions;
};

static void *need(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

static void free_value(void *arg, struct sv key, void *value)
{
    (void)arg;
    (void)key;
    free(value);
}

static void clear(struct ledger *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->entries[i].head);
        free(l->entries[i].conversation_id);
    }
    map_each(l->conversations, free_value, NULL);
    map_free(l->conversations);
    map_free(l->turns);
    map_free(l->covered);
    free(l->entries);
}

void ledger_reset(struct ledger *l)
{
    if (l->conversations != NULL)
        clear(l);
    *l = (struct ledger){ .fd = l->fd, .quiet = l->quiet, .generation = l->generation + 1 };
    l->conversations = need(map_new());
    l->turns = need(map_new());
    l->covered = need(map_new());
}

struct ledger *ledger_open(const char *path, bool quiet)
{
    struct ledger *l = need(calloc(1, sizeof *l));
    l->quiet = quiet;
    l->fd = -1;
    if (*path != '\0') {
        l->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (l->fd < 0) {
            perror(path);
            free(l);
            return NULL;
        }
    }
    ledger_reset(l);
    return l;
}

void ledger_close(struct ledger *l)
{
    clear(l);
    if (l->fd >= 0)
        (void)close(l->fd);
    free(l);
}

static struct conversation *conversation_of(struct ledger *l, struct sv id)
{
    struct conversation *c = map_find(l->conversations, id);
    if (c != NULL)
        return c;
    c = need(calloc(1, sizeof *c));
    if (map_put(l->conversations, id, c, NULL) != 0)
        abort();
    return c;
}

/* Adds; true when it was there already. */
static bool seen(struct map *m, struct sv key)
{
    if (map_find(m, key) != NULL)
        return true;
    if (map_put(m, key, m, NULL) != 0)
        abort();
    return false;
}

/* ---- entries ---- */

static char *head_of(const struct ledger_call *c, bool ai, const char *extra_name, int64_t extra)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "conversation_id", c->conversation_id);
    json_kstr(&o, "turn_id", c->turn_id);
    json_kstr(&o, "request_id", c->request_id);
    json_kstr(&o, "traceparent", c->traceparent);
    json_kstr(&o, "path", c->path);
    json_kbool(&o, "authorized", c->authorization.n > 0);
    json_kstr(&o, "authorization", c->authorization);
    json_kval(&o, "message_ids", c->message_ids);
    if (ai) {
        json_kstr(&o, "nonce", c->nonce);
        json_kint(&o, "messages", c->messages);
        json_kval(&o, "message_id", json_object_get(c->body, "message_id"));
        if (c->keep)
            json_kval(&o, "body", c->body);
        json_kval(&o, "bot", json_object_get(c->body, "bot"));
    } else {
        json_kstr(&o, "mode", sv_from(c->mode));
        json_kbool(&o, "applied", c->applied);
        json_kval(&o, "fence", json_object_get(c->body, "fence"));
        json_kval(&o, "distributed_lock_id", json_object_get(c->body, "distributed_lock_id"));
        json_kval(&o, "actions", json_object_get(c->body, "actions"));
        json_kval(&o, "ai_response", json_object_get(c->body, "ai_response"));
    }
    json_kint(&o, extra_name, extra);
    json_kint(&o, "start_ms", clock_wall_ms());
    return need(buf_take(&b));
}

static void write_line(const struct ledger *l, const char *event, size_t entry, const char *head)
{
    if (l->fd < 0)
        return;
    struct buf b = { 0 };
    buf_printf(&b, "{\"event\":\"%s\",\"entry\":%zu,%s}\n", event, entry, head + 1);
    if (!buf_ok(&b) || write(l->fd, b.p, b.n) != (ssize_t)b.n) {
        perror("ledger");
        abort(); /* a ledger that lies is worse than none */
    }
    buf_fini(&b);
}

static size_t add_entry(struct ledger *l, const struct ledger_call *c, bool ai, struct conversation *conversation,
                        char *head)
{
    if (l->n == l->size) {
        l->size = l->size == 0 ? 1024 : l->size * 2;
        l->entries = need(realloc(l->entries, l->size * sizeof *l->entries));
    }
    struct entry *e = &l->entries[l->n];
    *e = (struct entry){ .head = head, .ai = ai, .conversation = conversation };
    e->conversation_id = need(strndup(c->conversation_id.n > 0 ? c->conversation_id.p : "", c->conversation_id.n));
    write_line(l, ai ? "ai_start" : "platform", l->n, head);
    return l->n++;
}

/* Entry numbers that callers hold carry the generation, so that a call that outlives a reset does no harm. */
static size_t handle_of(const struct ledger *l, size_t entry)
{
    return ((size_t)l->generation << 32) | entry;
}

static struct entry *entry_of(struct ledger *l, size_t handle)
{
    size_t at = handle & 0xffffffffu;
    return (handle >> 32) == l->generation && at < l->n ? &l->entries[at] : NULL;
}

static bool current(const struct ledger *l, size_t handle)
{
    return (handle >> 32) == l->generation;
}

static void end_entry(struct ledger *l, size_t handle, const char *event, int status, bool closed_early)
{
    struct entry *e = entry_of(l, handle);
    if (e == NULL)
        return;
    e->ended = true;
    e->closed_early = closed_early;
    e->status = status;
    e->end_ms = clock_wall_ms();
    if (e->ai)
        e->conversation->running--;
    if (l->fd < 0)
        return;
    struct buf b = { 0 };
    buf_printf(&b, "{\"status\":%d,\"closed_early\":%s,\"end_ms\":%lld", status, closed_early ? "true" : "false",
               (long long)e->end_ms);
    write_line(l, event, handle & 0xffffffffu, need(b.p));
    buf_fini(&b);
}

/* ---- AI ---- */

size_t ledger_ai_start(struct ledger *l, const struct ledger_call *c)
{
    l->ai_calls++;
    if (++l->ai_running > l->ai_max_running)
        l->ai_max_running = l->ai_running;
    if (l->quiet)
        return handle_of(l, 0);
    struct conversation *conversation = conversation_of(l, c->conversation_id);
    if (++conversation->running > conversation->max_running)
        conversation->max_running = conversation->running;
    if (conversation->running > l->ai_max_parallel)
        l->ai_max_parallel = conversation->running;
    return handle_of(l, add_entry(l, c, true, conversation, head_of(c, true, "parallel", conversation->running)));
}

void ledger_ai_end(struct ledger *l, size_t entry, int status, bool closed_early)
{
    if (!current(l, entry))
        return;
    l->ai_running--;
    if (closed_early)
        l->ai_closed_early++;
    end_entry(l, entry, "ai_end", status, closed_early);
}

/* ---- platform ---- */

/* Number of message ids that an earlier applied POST of the conversation covered already. */
static int64_t cover(struct ledger *l, const struct ledger_call *c)
{
    int64_t twice = 0;
    size_t i;
    json_t *id;
    json_array_foreach(c->message_ids, i, id)
    {
        if (!json_is_string(id))
            continue;
        struct buf key = { 0 };
        buf_add(&key, c->conversation_id);
        buf_addc(&key, '\0');
        buf_add(&key, (struct sv){ json_string_value(id), json_string_length(id) });
        if (seen(l->covered, buf_sv(&key)))
            twice++;
        buf_fini(&key);
    }
    return twice;
}

static int64_t apply(struct ledger *l, const struct ledger_call *c, struct conversation *conversation)
{
    int64_t twice = cover(l, c);
    int64_t fence = json_i64(c->body, "fence", 0);
    l->duplicate_messages += twice;
    if (c->turn_id.n > 0 && seen(l->turns, c->turn_id))
        l->duplicate_keys++;
    if (fence < conversation->fence)
        l->fence_regressions++;
    else
        conversation->fence = fence;
    return twice;
}

size_t ledger_platform(struct ledger *l, const struct ledger_call *c)
{
    l->platform_posts++;
    l->platform_running++;
    if (c->applied)
        l->platform_applied++;
    if (l->quiet)
        return handle_of(l, 0);
    struct conversation *conversation = conversation_of(l, c->conversation_id);
    int64_t twice = c->applied ? apply(l, c, conversation) : 0;
    return handle_of(l, add_entry(l, c, false, conversation, head_of(c, false, "covered_twice", twice)));
}

void ledger_platform_end(struct ledger *l, size_t entry, int status, bool closed_early)
{
    if (!current(l, entry))
        return;
    l->platform_running--;
    if (closed_early)
        l->platform_closed_early++;
    end_entry(l, entry, "platform_end", status, closed_early);
}

void ledger_platform_cut(struct ledger *l)
{
    l->platform_cut++;
}

/* ---- showing ---- */

static void render_part(const struct ledger *l, bool ai, struct sv conversation_id, struct json_out *o)
{
    struct buf one = { 0 };
    json_arr(o);
    for (size_t i = 0; i < l->n; i++) {
        const struct entry *e = &l->entries[i];
        if (e->ai != ai || (conversation_id.p != NULL && !sv_eq(conversation_id, sv_from(e->conversation_id))))
            continue;
        buf_clear(&one);
        buf_printf(&one, "%s,\"entry\":%zu,\"ended\":%s,\"status\":%d,\"closed_early\":%s,\"end_ms\":", e->head, i,
                   e->ended ? "true" : "false", e->status, e->closed_early ? "true" : "false");
        if (e->ended)
            buf_i64(&one, e->end_ms);
        else
            buf_add(&one, SV("null"));
        buf_addc(&one, '}');
        json_raw(o, buf_sv(&one));
    }
    json_arr_end(o);
    buf_fini(&one);
}

void ledger_render(const struct ledger *l, struct sv conversation_id, struct json_out *o)
{
    json_obj(o);
    json_key(o, "ai");
    render_part(l, true, conversation_id, o);
    json_key(o, "platform");
    render_part(l, false, conversation_id, o);
    json_obj_end(o);
}

void ledger_stats(const struct ledger *l, struct json_out *o)
{
    json_obj(o);
    json_kint(o, "ai_calls", l->ai_calls);
    json_kint(o, "ai_running", l->ai_running);
    json_kint(o, "ai_max_running", l->ai_max_running);
    json_kint(o, "ai_max_parallel_per_conversation", l->ai_max_parallel);
    json_kint(o, "ai_closed_early", l->ai_closed_early);
    json_kint(o, "platform_posts", l->platform_posts);
    json_kint(o, "platform_applied", l->platform_applied);
    json_kint(o, "platform_running", l->platform_running);
    json_kint(o, "platform_closed_early", l->platform_closed_early);
    json_kint(o, "platform_cut", l->platform_cut);
    json_kint(o, "duplicate_keys", l->duplicate_keys);
    json_kint(o, "duplicate_messages", l->duplicate_messages);
    json_kint(o, "fence_regressions", l->fence_regressions);
    json_kint(o, "conversations", (int64_t)map_count(l->conversations));
    json_obj_end(o);
}
