/* SPDX-License-Identifier: MIT
 * What a webhook of Pancake's page API says. Its public description is thin: ids may be numbers, members may be missing, and there are more kinds of attachments than it
 * names. So everything that is needed is checked, and nothing else is looked at. Pure. */
#include "config.h"

#include <math.h>

#include "lib/clock.h"
#include "turn/page_platform.h"
#include "turn/webhook.h"
#include "turn/webhook_own.h"

#define NAME_MAX_BYTES 256
#define CHANNEL_MAX 32
#define PLACEHOLDERS_MAX 32
#define SECONDS_MAX 1e11 /* more are milliseconds */
#define YEAR_10000_MS 253402300800000.0

struct reading {
    struct arena *a;
    struct sv page_id;
    const json_t *data, *conversation, *message, *from;
    struct webhook *out;
    bool short_of_memory;
};

static int wrong(struct webhook *out, const char *why)
{
    out->kind = WEBHOOK_WRONG;
    out->why = why;
    return 0;
}

/* SV_NONE: there is none that can be used. */
static struct sv id_of(struct reading *r, const json_t *v)
{
    struct sv s = SV_NONE;

    if (json_is_integer(v)) {
        s = arena_printf(r->a, "%lld", (long long)json_integer_value(v));
        r->short_of_memory = r->short_of_memory || s.p == NULL;
    } else if (json_is_string(v)) {
        s = (struct sv){ json_string_value(v), json_string_length(v) };
    }
    return s.n > 0 && s.n <= MESSAGE_ID_MAX && !sv_has_control(s) ? s : SV_NONE;
}

/* The object says of itself that it is another page's. */
static bool is_elsewhere(struct reading *r, const json_t *object)
{
    const json_t *v = json_object_get(object, "page_id");

    return v != NULL && !json_is_null(v) && !sv_eq(id_of(r, v), r->page_id);
}

static struct sv text_of(const json_t *v)
{
    return json_is_string(v) ? (struct sv){ json_string_value(v), json_string_length(v) } : SV_NONE;
}

static bool is_blank(struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (memchr(" \t\r\n", s.p[i], 4) == NULL)
            return false;
    }
    return true;
}

/* ---- its time ---- */

/* 0: none that can be used. Times without a zone are UTC. */
static int64_t time_of(const json_t *v)
{
    int64_t ms = 0;

    if (json_is_string(v))
        return clock_parse(json_string_value(v), &ms) && ms > 0 && (double)ms < YEAR_10000_MS ? ms : 0;
    double n = json_is_number(v) ? json_number_value(v) : 0;
    n = n < SECONDS_MAX ? n * 1000 : n;
    return n >= 1 && n < YEAR_10000_MS ? (int64_t)llround(n) : 0;
}

static int64_t timestamp(const json_t *message)
{
    static const char *const names[] = { "inserted_at", "created_at", "created_time" };
    int64_t ms = 0;

    for (size_t i = 0; ms == 0 && i < ARRAY_LEN(names); i++)
        ms = time_of(json_object_get(message, names[i]));
    return ms;
}

/* ---- its content ---- */

static struct sv html_text(struct reading *r, struct sv html)
{
    struct buf b = { 0 };

    webhook_text(&b, html);
    struct sv s = buf_ok(&b) ? arena_sv(r->a, b.n > 0 ? buf_sv(&b) : SV("")) : SV_NONE;
    r->short_of_memory = r->short_of_memory || s.p == NULL;
    buf_fini(&b);
    return s;
}

static const struct {
    const char *type, *shown;
} placeholders[] = {
    { "image", "[image]" }, { "photo", "[image]" }, { "animated_image", "[image]" }, { "gif", "[image]" },  { "video", "[video]" },
    { "audio", "[audio]" }, { "voice", "[audio]" }, { "sticker", "[sticker]" },      { "file", "[file]" },  { "document", "[file]" },
};

static const char *placeholder(const json_t *attachment)
{
    struct sv type = json_sv(attachment, "type");
    struct sv major = sv_split(&type, '/'); /* some say image/jpeg */

    for (size_t i = 0; i < ARRAY_LEN(placeholders); i++) {
        if (sv_eq_nocase(major, sv_from(placeholders[i].type)))
            return placeholders[i].shown;
    }
    return "[attachment]";
}

/* The attachments that are objects, as JSON; what stands for them where there is no text. */
static void attachments(struct reading *r, struct sv *list, struct sv *shown)
{
    const json_t *v = json_object_get(r->message, "attachments"), *one;
    struct buf b = { 0 }, text = { 0 };
    struct json_out o = { .b = &b };
    size_t n = 0, i;

    json_arr(&o);
    json_array_foreach(v, i, one) {
        if (!json_is_object(one))
            continue;
        json_val(&o, one);
        if (n++ < PLACEHOLDERS_MAX)
            buf_printf(&text, "%s%s", n > 1 ? " " : "", placeholder(one));
    }
    json_arr_end(&o);
    if (n > 0) {
        *list = buf_ok(&b) ? arena_sv(r->a, buf_sv(&b)) : SV_NONE;
        *shown = buf_ok(&text) ? arena_sv(r->a, buf_sv(&text)) : SV_NONE;
        r->short_of_memory = r->short_of_memory || list->p == NULL || shown->p == NULL;
    }
    buf_fini(&b);
    buf_fini(&text);
}

/* SV_NONE: it has none at all. */
static struct sv content(struct reading *r, struct sv shown)
{
    struct sv text = text_of(json_object_get(r->message, "original_message"));

    if (is_blank(text)) {
        struct sv html = text_of(json_object_get(r->message, "message"));
        text = html_text(r, html.n > 0 ? html : text_of(json_object_get(r->message, "content")));
    }
    if (is_blank(text))
        text = shown;
    return is_blank(text) ? SV_NONE : sv_cut_utf8(text, MESSAGE_CONTENT_MAX);
}

/* ---- who, and what else is kept ---- */

static struct sv post_id(struct reading *r)
{
    struct sv id = id_of(r, json_object_get(r->conversation, "post_id"));

    if (id.p == NULL)
        id = id_of(r, json_object_get(r->message, "post_id"));
    return id.p != NULL ? id : id_of(r, json_object_get(json_object_get(r->data, "post"), "id"));
}

static struct sv channel(const struct reading *r)
{
    struct sv type = json_sv(r->conversation, "type");

    if (type.n == 0)
        type = json_sv(r->message, "type");
    return type.n > 0 && type.n <= CHANNEL_MAX && !sv_has_control(type) ? type : SV("INBOX");
}

/* edits: how often it was edited. */
static struct sv metadata(struct reading *r, bool page, size_t edits)
{
    struct sv post = post_id(r), name = json_sv(r->from, page ? "admin_name" : "name");
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    if (!page && name.n == 0)
        name = json_sv(json_object_get(r->conversation, "from"), "name");
    json_obj(&o);
    json_kstr(&o, "page_id", r->page_id);
    json_kstr(&o, "channel", channel(r));
    if (post.p != NULL)
        json_kstr(&o, "post_id", post);
    if (name.n > 0)
        json_kstr(&o, page ? "agent_name" : "customer_name", sv_cut_utf8(name, NAME_MAX_BYTES));
    if (edits > 1)
        json_kint(&o, "edit_number", (int64_t)edits);
    json_obj_end(&o);
    struct sv s = buf_ok(&b) ? arena_sv(r->a, buf_sv(&b)) : SV_NONE;
    r->short_of_memory = r->short_of_memory || s.p == NULL;
    buf_fini(&b);
    return s;
}

/* A person of the page. */
static struct sv person(struct reading *r)
{
    struct sv id = id_of(r, json_object_get(r->from, "admin_id"));

    if (id.p == NULL)
        id = id_of(r, json_object_get(r->from, "uid"));
    if (id.p != NULL)
        return id;
    id = sv_cut_utf8(arena_printf(r->a, "page:%.*s", SV_FMT(r->page_id)), MESSAGE_ID_MAX);
    r->short_of_memory = r->short_of_memory || id.p == NULL;
    return id;
}

static struct sv plain(struct reading *r, struct sv text)
{
    struct buf b = { 0 };

    page_text_plain(&b, text);
    struct sv s = buf_ok(&b) ? arena_sv(r->a, b.n > 0 ? buf_sv(&b) : SV("")) : SV_NONE;
    r->short_of_memory = r->short_of_memory || s.p == NULL;
    buf_fini(&b);
    return s;
}

/* ---- as a whole ---- */

static int read_message(struct reading *r)
{
    struct webhook *w = r->out;
    struct sv conversation_id = id_of(r, json_object_get(r->conversation, "id"));
    struct sv id = id_of(r, json_object_get(r->message, "id")), from = id_of(r, json_object_get(r->from, "id")), shown = SV_NONE;
    const json_t *history = json_object_get(r->message, "edit_history");
    bool page = from.p != NULL && (sv_eq(from, r->page_id) || id_of(r, json_object_get(r->from, "admin_id")).p != NULL);

    if (conversation_id.p == NULL)
        conversation_id = id_of(r, json_object_get(r->message, "conversation_id"));
    if (conversation_id.p == NULL)
        return wrong(w, "data.conversation.id should be an id");
    if (id.p == NULL)
        return wrong(w, "data.message.id should be an id");
    if (from.p == NULL)
        return wrong(w, "data.message.from.id should be an id");
    w->edited = json_array_size(history) > 0;
    w->removed = json_is_true(json_object_get(r->message, "is_removed"));
    w->message = (struct message){ .conversation_id = conversation_id, .message_id = id, .sender_type = page ? SENDER_AGENT : SENDER_USER,
                                   .sender_id = page ? person(r) : from, .timestamp_ms = timestamp(r->message) };
    attachments(r, &w->message.attachments, &shown);
    w->message.content = w->removed ? SV(WEBHOOK_REMOVED) : content(r, shown);
    if (w->removed)
        w->message.attachments = SV_NONE;
    if (w->message.content.p == NULL) { /* nothing that anybody could answer */
        w->message = (struct message){ 0 };
        w->edited = w->removed = false;
        w->kind = WEBHOOK_OTHER;
        return 0;
    }
    w->message.metadata = metadata(r, page, w->removed ? 0 : json_array_size(history));
    w->plain = plain(r, w->message.content);
    w->kind = page ? WEBHOOK_PAGE : WEBHOOK_CUSTOMER;
    return 0;
}

static int read_event(struct reading *r, const json_t *body)
{
    const json_t *type = json_object_get(body, "event_type");
    bool said = type != NULL && !json_is_null(type);

    r->data = json_object_get(body, "data");
    r->conversation = json_object_get(r->data, "conversation");
    r->message = json_object_get(r->data, "message");
    r->from = json_object_get(r->message, "from");
    if (!json_is_object(body))
        return wrong(r->out, "it should be an object");
    if (is_elsewhere(r, body) || is_elsewhere(r, r->data) || is_elsewhere(r, r->conversation) || is_elsewhere(r, r->message))
        return wrong(r->out, "page_id should be the page of the path");
    if (said && !json_is_string(type))
        return wrong(r->out, "event_type should be a string");
    if (said && !sv_eq(text_of(type), SV("messaging")))
        return 0;
    if (!json_is_object(r->data))
        return wrong(r->out, "data should be an object");
    if (!said && r->message == NULL)
        return 0;
    if (!json_is_object(r->message))
        return wrong(r->out, "data.message should be an object");
    return read_message(r);
}

int webhook_read(struct arena *a, struct sv page_id, const json_t *body, struct webhook *out, struct err *e)
{
    struct reading r = { .a = a, .page_id = page_id, .out = out };

    *out = (struct webhook){ .kind = WEBHOOK_OTHER };
    int rc = read_event(&r, body);
    return r.short_of_memory ? err_set(e, ERR_MEMORY, "no memory to read a webhook") : rc;
}
