/* SPDX-License-Identifier: MIT
 * Recent history, figures and preferences in Redis. What an apply writes of them is in store_redis_write.c. Knows nothing of what they say. */
#include "config.h"

#include <stdlib.h>

#include "store/store_redis_inside.h"

/* Field, value, field, value; what is no text counts as empty. *pairs is to be freed; NULL: memory is short. */
static size_t pairs_of(const struct redis_reply *flat, struct store_pair **pairs)
{
    size_t n = flat->n / 2;
    *pairs = calloc(n + 1, sizeof(**pairs));
    for (size_t i = 0; *pairs != NULL && i < n; i++) {
        struct sv key = redis_text(flat, 2 * i), value = redis_text(flat, 2 * i + 1);
        (*pairs)[i] = (struct store_pair){ key.p != NULL ? key : SV(""), value.p != NULL ? value : SV("") };
    }
    return n;
}

static void fill(struct sv *list, const struct redis_reply *from)
{
    for (size_t i = 0; i < from->n; i++) {
        struct sv text = redis_text(from, i);
        list[i] = text.p != NULL ? text : SV("");
    }
}

/* ---- one conversation ---- */

/* What was allocated for an answer. */
struct kept {
    struct sv *lists;
    struct store_pair *fields;
};

static enum store_status history_of(struct redis *r, const struct redis_call *call, const struct redis_reply *reply,
                                    struct store_history *h, struct kept *k)
{
    struct redis_reply head = redis_item(reply, 0), pending = redis_item(reply, 1), fields = redis_item(reply, 2),
                       entries = redis_item(reply, 3), time = redis_item(reply, 4);
    struct sv version = redis_text(&head, 0);
    if (version.p != NULL && !sv_to_u64(version, &h->version))
        return redis_odd(r, "history: version");
    h->now_ms = redis_heard_time(r, call, &time);
    if (h->now_ms == 0)
        return redis_odd(r, "history: TIME");
    h->record = h->version > 0 ? redis_text(&head, 1) : SV_NONE;
    k->lists = calloc(pending.n + entries.n + 1, sizeof(*k->lists));
    h->fields_n = pairs_of(&fields, &k->fields);
    if (k->lists == NULL || k->fields == NULL)
        return STORE_DOWN;
    fill(k->lists, &pending);
    fill(k->lists + pending.n, &entries);
    h->pending = k->lists;
    h->pending_n = pending.n;
    h->entries = k->lists + pending.n;
    h->entries_n = entries.n;
    h->fields = k->fields;
    return STORE_DONE;
}

static void on_history(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct redis *r = call->owner;
    struct store_history h = { 0 };
    struct kept k = { 0 };
    enum store_status status = redis_status(r, outcome, reply, "history");
    if (status == STORE_DONE)
        status = history_of(r, call, reply, &h, &k);
    ((store_history_fn *)call->fn)(call->arg, status, status == STORE_DONE ? &h : NULL);
    free(k.lists);
    free(k.fields);
}

static void redis_history(struct store *s, struct sv id, struct sv user_id, store_history_fn *fn, void *arg)
{
    struct redis *r = redis_of(s);
    struct redis_call call = { .done = on_history, .owner = r, .fn = (void (*)(void))fn, .arg = arg };
    bool user = user_id.p != NULL;
    struct buf *b = redis_link_begin_script(r->link, SCRIPT_HISTORY, 3 + user, 0);
    if (b != NULL) {
        redis_key_conversation(b, id, KEY_RECORD);
        redis_key_conversation(b, id, KEY_PENDING);
        redis_key_history(b, id, KEY_INFO);
        if (user)
            redis_key_entries(b, user_id, id);
    }
    if (b == NULL || !redis_link_end(r->link, &call))
        redis_refuse(r, &(struct answer){ .kind = ANSWER_HISTORY, .fn.history = fn, .arg = arg });
}

/* ---- a user's sessions: who they are, then what they say ---- */

struct asking {
    struct redis *r;
    store_user_fn *fn;
    void *arg;
    struct arena *arena;
    struct sv user_id;
    struct store_user_session *at;
    size_t n;
};

#define ASKING_MAX (64u << 20)

static void end(struct asking *q, enum store_status status, const struct store_user_session *at, size_t n)
{
    store_user_fn *fn = q->fn;
    void *arg = q->arg;
    struct arena *arena = q->arena;
    free(q);
    fn(arg, status, at, n);
    arena_free(arena);
}

static void on_fields(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct asking *q = call->arg;
    enum store_status status = redis_status(q->r, outcome, reply, "user: fields");
    size_t n = 0;
    for (size_t i = 0; status == STORE_DONE && i < reply->n && i < q->n; i++) {
        struct redis_reply flat = redis_item(reply, i);
        struct store_pair *fields = arena_array(q->arena, flat.n / 2 + 1, sizeof(*fields));
        if (fields == NULL) {
            status = STORE_DOWN;
            break;
        }
        if (flat.n < 2)
            continue;
        for (size_t k = 0; k < flat.n / 2; k++)
            fields[k] = (struct store_pair){ redis_text(&flat, 2 * k), redis_text(&flat, 2 * k + 1) };
        q->at[n++] = (struct store_user_session){ q->at[i].id, fields, flat.n / 2 };
    }
    end(q, status, status == STORE_DONE ? q->at : NULL, status == STORE_DONE ? n : 0);
}

static bool ask_fields(struct asking *q, const struct redis_reply *ids)
{
    q->at = arena_array(q->arena, ids->n, sizeof(*q->at));
    for (size_t i = 0; q->at != NULL && i < ids->n; i++) {
        q->at[i].id = arena_sv(q->arena, redis_text(ids, i));
        if (q->at[i].id.p == NULL)
            return false;
    }
    q->n = ids->n;
    struct buf *b = q->at != NULL ? redis_link_begin_script(q->r->link, SCRIPT_USER, 1 + q->n, q->n) : NULL;
    if (b == NULL)
        return false;
    redis_key_history(b, q->user_id, KEY_USER);
    for (size_t i = 0; i < q->n; i++)
        redis_key_history(b, q->at[i].id, KEY_INFO);
    for (size_t i = 0; i < q->n; i++)
        redis_write(b, q->at[i].id);
    return redis_link_end(q->r->link, &(struct redis_call){ .done = on_fields, .owner = q->r, .arg = q });
}

static void on_members(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct asking *q = call->arg;
    enum store_status status = redis_status(q->r, outcome, reply, "user");
    if (status != STORE_DONE || reply->n == 0)
        end(q, status, NULL, 0);
    else if (!ask_fields(q, reply))
        end(q, redis_link_is_up(q->r->link) ? STORE_FULL : STORE_DOWN, NULL, 0);
}

static void redis_user(struct store *s, struct sv user_id, store_user_fn *fn, void *arg)
{
    struct redis *r = redis_of(s);
    struct asking *q = calloc(1, sizeof(*q));
    struct arena *arena = arena_new(0, ASKING_MAX);
    struct sv kept = q != NULL && arena != NULL ? arena_sv(arena, user_id) : SV_NONE;
    struct buf *b = kept.p != NULL ? redis_link_begin(r->link) : NULL;
    if (b != NULL) {
        *q = (struct asking){ .r = r, .fn = fn, .arg = arg, .arena = arena, .user_id = kept };
        redis_write_head(b, 2);
        redis_write(b, SV("SMEMBERS"));
        redis_key_history(b, user_id, KEY_USER);
        if (redis_link_end(r->link, &(struct redis_call){ .done = on_members, .owner = r, .arg = q }))
            return;
    }
    free(q);
    arena_free(arena);
    redis_refuse(r, &(struct answer){ .kind = ANSWER_USER, .fn.user = fn, .arg = arg });
}

static void on_trim(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    (void)redis_status(call->owner, outcome, reply, "user_trim"); /* the next session that comes asks for it again */
}

void redis_user_trim(struct redis *r, const struct redis_reply *crowd)
{
    struct redis_reply ids = redis_item(crowd, 2);
    struct sv key = redis_text(crowd, 0), max = redis_text(crowd, 1);
    struct buf *b = key.p != NULL && max.p != NULL ? redis_link_begin_script(r->link, SCRIPT_USER_TRIM, 1 + ids.n, 1 + ids.n) : NULL;
    if (b == NULL)
        return;
    redis_write(b, key);
    for (size_t i = 0; i < ids.n; i++)
        redis_key_history(b, redis_text(&ids, i), KEY_INFO);
    redis_write(b, max);
    for (size_t i = 0; i < ids.n; i++)
        redis_write(b, redis_text(&ids, i));
    (void)!redis_link_end(r->link, &(struct redis_call){ .done = on_trim, .owner = r });
}

/* ---- hashes: figures, preferences ---- */

static void on_pairs(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct store_pair *pairs = NULL;
    enum store_status status = redis_status(call->owner, outcome, reply, "hash");
    size_t n = status == STORE_DONE ? pairs_of(reply, &pairs) : 0;
    if (status == STORE_DONE && pairs == NULL)
        status = STORE_DOWN;
    ((store_pairs_fn *)call->fn)(call->arg, status, status == STORE_DONE ? pairs : NULL, status == STORE_DONE ? n : 0);
    free(pairs);
}

static void ask_hash(struct redis *r, struct sv id, enum history_key which, store_pairs_fn *fn, void *arg)
{
    struct redis_call call = { .done = on_pairs, .owner = r, .fn = (void (*)(void))fn, .arg = arg };
    struct buf *b = redis_link_begin(r->link);
    if (b != NULL) {
        redis_write_head(b, 2);
        redis_write(b, SV("HGETALL"));
        redis_key_history(b, id, which);
    }
    if (b == NULL || !redis_link_end(r->link, &call))
        redis_refuse(r, &(struct answer){ .kind = ANSWER_PAIRS, .fn.pairs = fn, .arg = arg });
}

static void redis_figures(struct store *s, struct sv day, store_pairs_fn *fn, void *arg)
{
    ask_hash(redis_of(s), day, KEY_DAY, fn, arg);
}

static void redis_preferences(struct store *s, struct sv user_id, store_pairs_fn *fn, void *arg)
{
    ask_hash(redis_of(s), user_id, KEY_PREFERENCES, fn, arg);
}

static void on_put(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct redis *r = call->owner;
    enum store_status status = redis_status(r, outcome, reply, "preferences");
    if (status == STORE_DONE)
        status = redis_code(r, reply, "preferences");
    ((store_status_fn *)call->fn)(call->arg, status);
}

static void redis_preferences_put(struct store *s, struct sv user_id, const struct store_pair *pairs, size_t n, store_status_fn *fn,
                                  void *arg)
{
    struct redis *r = redis_of(s);
    struct buf *b = redis_link_begin_script(r->link, SCRIPT_PREFERENCES, 1, 2 * n);
    if (b != NULL) {
        redis_key_history(b, user_id, KEY_PREFERENCES);
        for (size_t i = 0; i < n; i++) {
            redis_write(b, pairs[i].key);
            redis_write(b, pairs[i].value);
        }
    }
    redis_end_status(r, b != NULL ? on_put : NULL, fn, arg);
}

/* ---- what was erased ---- */

static void on_erased(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    enum store_status status = redis_status(call->owner, outcome, reply, "erased_at");
    ((store_erased_fn *)call->fn)(call->arg, status, status == STORE_DONE ? redis_number(reply, 0) : 0);
}

static void redis_erased_at(struct store *s, struct sv id, store_erased_fn *fn, void *arg)
{
    struct redis *r = redis_of(s);
    struct redis_call call = { .done = on_erased, .owner = r, .fn = (void (*)(void))fn, .arg = arg };
    struct buf *b = redis_link_begin(r->link);
    if (b != NULL) {
        redis_write_head(b, 2);
        redis_write(b, SV("GET"));
        redis_key_history(b, id, KEY_ERASED);
    }
    if (b == NULL || !redis_link_end(r->link, &call))
        redis_refuse(r, &(struct answer){ .kind = ANSWER_ERASED, .fn.erased = fn, .arg = arg });
}

const struct store_history_ops redis_history_ops = {
    .history = redis_history,
    .user = redis_user,
    .figures = redis_figures,
    .preferences_put = redis_preferences_put,
    .preferences = redis_preferences,
    .erased_at = redis_erased_at,
};
