/* SPDX-License-Identifier: MIT
 * What becomes of a webhook: a customer's message is one for a job, one of the page is an echo of ours or a person's, and what tells of a change of a message that
 * is known is a message of its own. Deliveries come in any order, each any number of times. docs/peers.md, section 3. */
#include "config.h"

#include <stdlib.h>

#include "lib/digest.h"
#include "lib/log.h"
#include "turn/page_platform.h"
#include "turn/turn_parts.h"
#include "turn/webhook.h"

#define ECHO_MARGIN_MS 3600000 /* marks are written a little before the message, by another clock */
#define CHANGE_SUFFIX_MAX 9    /* "~removed", "~<8 hex>" */
#define LONG_ID_BYTES 16       /* of the digest in the id of a change of a message whose own id leaves no room */

struct submission {
    struct turns *t;
    struct arena *a;
    struct message m;
    struct sv request_id, traceparent;
    struct sv page_id, plain;
    struct sv id; /* the platform's */
    bool edited, removed, fetched, answered_elsewhere;
    char by_id[PAGE_ECHO_SIZE], by_text[PAGE_ECHO_SIZE];
    struct sv key; /* of the delivery that an echo is of */
    webhook_fn *fn;
    void *arg;
};

static void end(struct submission *s, enum webhook_result result)
{
    struct turns *t = s->t;

    s->fn(s->arg, result, s->id);
    arena_free(s->a);
    t->transactions--;
    turns_look_drained(t);
}

/* ---- the engine ---- */

static void submit(struct submission *s, turn_answer_fn *fn)
{
    const struct submit_options o = { .as_job = true, .patient = true, .changed = s->edited || s->removed, .fetched = s->fetched,
                                      .answered_elsewhere = s->answered_elsewhere, .request_id = s->request_id, .traceparent = s->traceparent };

    turns_submit(s->t, &s->m, &o, fn, s);
}

static enum webhook_result result_of(const struct turn_answer *answer)
{
    switch (answer->status) {
    case ANSWER_COMPLETED:
    case ANSWER_LOCKED:
    case ANSWER_RESTART_NEEDED:
    case ANSWER_RECORDED:
    case ANSWER_PROCESSING:
    case ANSWER_QUEUED:
    case ANSWER_CANCELLED:
    case ANSWER_FAILED:
        return json_raw_member(answer->result, "replayed").p != NULL ? WEBHOOK_DUPLICATE : WEBHOOK_ACCEPTED;
    case ANSWER_TURN_RUNNING: /* on_newer reject: it is not remembered */
    case ANSWER_FULL:
    case ANSWER_UNAVAILABLE:
    case ANSWER_TOO_LARGE: /* for the memory that there is: a webhook's body is bounded */
        return WEBHOOK_NOT_NOW;
    }
    return WEBHOOK_NOT_NOW;
}

/* The metadata, with one more member. SV_NONE: memory. */
static struct sv metadata_with(struct submission *s, const char *key)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    struct sv rest = json_raw_inside(s->m.metadata), name, value;

    json_obj(&o);
    while (json_raw_next(&rest, &name, &value)) {
        json_name(&o, name);
        json_raw(&o, value);
    }
    json_kstr(&o, key, s->id);
    json_obj_end(&o);
    struct sv metadata = buf_ok(&b) ? arena_sv(s->a, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return metadata;
}

/* The id of the change, the same for each way in which its text is told; where the platform counts edits, another one for a wording that comes back. Which message it is of stands in the metadata, so that an overlong id may be a digest
 * here. */
static struct sv changed_id(struct submission *s)
{
    char hash[17], all[2 * LONG_ID_BYTES + 1];
    struct sv id = s->id;

    message_hash_of(s->plain.n > 0 ? s->plain : s->m.content, s->m.metadata, hash);
    if (id.n > MESSAGE_ID_MAX - CHANGE_SUFFIX_MAX) {
        digest_hex(id, LONG_ID_BYTES, all);
        id = sv_from(all);
    }
    return s->removed ? arena_printf(s->a, "%.*s~removed", SV_FMT(id)) : arena_printf(s->a, "%.*s~%.8s", SV_FMT(id), hash);
}

static void change_answered(void *arg, const struct turn_answer *answer)
{
    struct submission *s = arg;

    end(s, result_of(answer));
}

static void answered(void *arg, const struct turn_answer *answer)
{
    struct submission *s = arg;
    enum webhook_result result = result_of(answer);

    if (!answer->other_content || result != WEBHOOK_DUPLICATE || (!s->edited && !s->removed)) {
        end(s, result);
        return;
    }
    s->m.message_id = changed_id(s);
    if (!s->removed) /* a removal has said so the first time, too */
        s->m.metadata = metadata_with(s, "edits");
    if (s->m.message_id.p == NULL || s->m.metadata.p == NULL)
        end(s, WEBHOOK_NOT_NOW);
    else
        submit(s, change_answered);
}

/* Under its own id first. A removal that is seen before its message takes the id: what comes under it later is a duplicate. */
static void submit_first(struct submission *s)
{
    if (s->removed)
        s->m.metadata = metadata_with(s, "removes");
    if (s->m.metadata.p == NULL)
        end(s, WEBHOOK_NOT_NOW);
    else
        submit(s, answered);
}

/* ---- echoes ---- */

static void id_marked(void *arg, enum store_status status)
{
    (void)status; /* the text's mark is there, and says the same */
    end(arg, WEBHOOK_OWN);
}

/* Its next delivery, and what becomes of it later, is known by its id. */
static void mark_id(struct submission *s)
{
    store_put(s->t->o.store, sv_from(s->by_id), s->key, PAGE_ECHO_TTL_MS, id_marked, s);
}

static void text_marked(void *arg, enum store_status status)
{
    if (status != STORE_DONE)
        log_warning("that a reply has arrived could not be kept", NULL); /* an unknown outcome costs one more look */
    mark_id(arg);
}

static void somebody_elses(struct submission *s)
{
    int64_t now_ms = turns_store_now(s->t);

    if (s->m.timestamp_ms < now_ms - (PAGE_ECHO_TTL_MS - ECHO_MARGIN_MS)) /* a mark may have been there */
        end(s, WEBHOOK_LEFT);
    else
        submit_first(s);
}

static void mark_text(struct submission *s, struct sv value)
{
    static const struct sv before = { PAGE_ECHO_SEEN, sizeof(PAGE_ECHO_SEEN) - 1 };
    struct sv key = sv_starts(value, before) ? (struct sv){ value.p + before.n, value.n - before.n } : value;
    struct sv seen = arena_printf(s->a, PAGE_ECHO_SEEN "%.*s", SV_FMT(key));

    s->key = arena_sv(s->a, key);
    if (seen.p == NULL || s->key.p == NULL)
        end(s, WEBHOOK_NOT_NOW);
    else
        store_put(s->t->o.store, sv_from(s->by_text), seen, PAGE_ECHO_TTL_MS, text_marked, s);
}

static void text_looked_up(void *arg, enum store_status status, struct sv value)
{
    struct submission *s = arg;

    if (status != STORE_DONE)
        end(s, WEBHOOK_NOT_NOW);
    else if (value.p != NULL)
        mark_text(s, value);
    else
        somebody_elses(s);
}

static bool is_of(struct sv mark, struct sv key)
{
    static const struct sv before = { PAGE_ECHO_SEEN, sizeof(PAGE_ECHO_SEEN) - 1 };

    return sv_eq(mark, key) || (sv_starts(mark, before) && sv_eq((struct sv){ mark.p + before.n, mark.n - before.n }, key));
}

/* The platform names echoes by the ids that it has answered: the mark of that reply's text has done its work, and whoever writes the same words now is a person. */
static void text_is_spent(void *arg, enum store_status status, struct sv value)
{
    struct submission *s = arg;

    if (status == STORE_DONE && is_of(value, s->key))
        store_put(s->t->o.store, sv_from(s->by_text), SV_NONE, PAGE_ECHO_TTL_MS, id_marked, s);
    else
        end(s, WEBHOOK_OWN);
}

static void known_by_id(struct submission *s, struct sv key)
{
    s->key = arena_sv(s->a, key);
    if (s->key.p == NULL || s->removed)
        end(s, WEBHOOK_OWN);
    else
        store_get(s->t->o.store, sv_from(s->by_text), text_is_spent, s);
}

static void id_looked_up(void *arg, enum store_status status, struct sv value)
{
    struct submission *s = arg;

    if (status != STORE_DONE)
        end(s, WEBHOOK_NOT_NOW);
    else if (value.p != NULL)
        known_by_id(s, value);
    else if (s->removed) /* a person's, or not: nothing is to be said to it, and nobody has taken over by it */
        end(s, WEBHOOK_LEFT);
    else
        store_get(s->t->o.store, sv_from(s->by_text), text_looked_up, s);
}

static void look_for_echo(struct submission *s)
{
    page_echo_id(s->by_id, s->page_id, s->id);
    page_echo_text(s->by_text, s->page_id, s->m.conversation_id, s->plain);
    store_get(s->t->o.store, sv_from(s->by_id), id_looked_up, s);
}

/* ---- the door ---- */

static struct sv copy(struct arena *a, struct sv s, bool *failed)
{
    struct sv c = s.p != NULL ? arena_sv(a, s) : SV_NONE;

    *failed = *failed || (s.p != NULL && c.p == NULL);
    return c;
}

static struct submission *submission_new(struct turns *t, struct sv page_id, const struct webhook *w, const struct webhook_options *o)
{
    struct arena *a = arena_new(1024, TURN_ARENA_CAP);
    struct submission *s = a == NULL ? NULL : arena_alloc(a, sizeof(*s));
    const struct message *m = &w->message;
    bool failed = s == NULL;

    if (failed) {
        arena_free(a);
        return NULL;
    }
    *s = (struct submission){ .t = t, .a = a, .edited = w->edited, .removed = w->removed, .fetched = o->fetched,
                              .answered_elsewhere = o->answered_elsewhere };
    s->m = (struct message){ .conversation_id = copy(a, m->conversation_id, &failed),
                             .message_id = copy(a, m->message_id, &failed),
                             .content = copy(a, m->content, &failed),
                             .sender_id = copy(a, m->sender_id, &failed),
                             .sender_type = m->sender_type,
                             .timestamp_ms = m->timestamp_ms > 0 ? m->timestamp_ms : turns_store_now(t),
                             .metadata = copy(a, m->metadata, &failed),
                             .attachments = copy(a, m->attachments, &failed),
                             .bot_id = copy(a, o->bot_id, &failed) };
    s->id = s->m.message_id;
    s->page_id = copy(a, page_id, &failed);
    s->plain = copy(a, w->plain, &failed);
    s->request_id = copy(a, o->request_id, &failed);
    s->traceparent = copy(a, o->traceparent, &failed);
    if (!failed)
        return s;
    arena_free(a);
    return NULL;
}

/* What needs no store, or finds no memory. */
struct outright {
    webhook_fn *fn;
    void *arg;
    enum webhook_result result;
};

static void say(void *arg)
{
    struct outright *o = arg;

    o->fn(o->arg, o->result, SV_NONE);
    free(o);
}

static void say_soon(struct turns *t, enum webhook_result result, webhook_fn *fn, void *arg)
{
    struct outright *o = malloc(sizeof(*o));

    if (o == NULL)
        abort(); /* as loop_soon would */
    *o = (struct outright){ fn, arg, result };
    loop_soon(t->o.loop, say, o);
}

void webhook_submit(struct turns *t, struct sv page_id, const struct webhook *w, const struct webhook_options *o, webhook_fn *fn, void *arg)
{
    bool message = w->kind == WEBHOOK_CUSTOMER || w->kind == WEBHOOK_PAGE;
    struct submission *s = message ? submission_new(t, page_id, w, o) : NULL;

    if (s == NULL) {
        say_soon(t, message ? WEBHOOK_NOT_NOW : WEBHOOK_LEFT, fn, arg);
        return;
    }
    s->fn = fn;
    s->arg = arg;
    t->transactions++;
    if (w->kind == WEBHOOK_PAGE)
        look_for_echo(s);
    else
        submit_first(s);
}
