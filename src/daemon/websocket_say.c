/* SPDX-License-Identifier: MIT
 * What a client says: messages for its session, with the members of the POST, and {"type":"ping"} for browsers, whose scripts see no pings.
 * "id" may be any string; it comes back with the answer, which has no "seq":
 *   {"type":"accepted","id":..,"accepted":true,"message_id":..,"check_reply":..,"job_id":..}
 *   {"type":"error","id":..,"code":"..","error":"..","detail":[..]} */
#include "config.h"

#include <stdlib.h>

#include "daemon/websocket_own.h"
#include "lib/log.h"

#define ARENA_BYTES (1u << 20)
#define ID_MAX 256

/* One submission, until its answer has come. */
struct say {
    struct websocket *w;
    struct peer *p; /* NULL: the client is gone */
    struct say *next, *previous;
    size_t n;
    char id[]; /* n bytes; SIZE_MAX: none was given */
};

static struct sv id_of(const struct say *s)
{
    return s->n == SIZE_MAX ? SV_NONE : (struct sv){ s->id, s->n };
}

/* ---- answers ---- */

static void begin(struct json_out *o, const char *type, struct sv id)
{
    json_obj(o);
    json_kstr(o, "type", sv_from(type));
    if (id.p != NULL)
        json_kstr(o, "id", id);
}

static void finish(struct peer *p, struct json_out *o)
{
    json_obj_end(o);
    if (buf_ok(o->b))
        peer_put(p, buf_sv(o->b));
    else
        peer_close(p, CLOSE_LATER);
    buf_fini(o->b);
}

static void put_error(struct peer *p, struct sv id, const char *code, const char *text, struct sv detail)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    begin(&o, "error", id);
    json_kstr(&o, "code", sv_from(code));
    json_kstr(&o, "error", sv_from(text));
    if (detail.p != NULL)
        json_kraw(&o, "detail", detail);
    finish(p, &o);
}

/* result: an object with at least one member, as this program writes them. */
static void put_accepted(struct peer *p, struct sv id, struct sv result)
{
    struct sv inside = { result.p + 1, result.n - 2 };
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    begin(&o, "accepted", id);
    buf_addc(&b, ',');
    buf_add(&b, inside);
    finish(p, &o);
}

static void put_pong(struct peer *p, struct sv id)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    begin(&o, "pong", id);
    finish(p, &o);
}

/* ---- submissions ---- */

static struct say **list_of(struct say *s)
{
    return s->p != NULL ? &s->p->says : &s->w->orphans;
}

static void link_in(struct say *s)
{
    struct say **list = list_of(s);

    s->previous = NULL;
    s->next = *list;
    if (s->next != NULL)
        s->next->previous = s;
    *list = s;
}

static void link_out(struct say *s)
{
    *(s->previous != NULL ? &s->previous->next : list_of(s)) = s->next;
    if (s->next != NULL)
        s->next->previous = s->previous;
}

void say_orphan(struct peer *p)
{
    struct say *s;

    while ((s = p->says) != NULL) {
        link_out(s);
        s->p = NULL;
        link_in(s);
    }
    p->says_n = 0;
}

static void on_answer(void *arg, const struct control_answer *a)
{
    struct say *s = arg;
    struct websocket *w = s->w;
    struct peer *p = s->p;

    link_out(s);
    if (p != NULL) {
        p->says_n--;
        if (a->code == NULL && a->http_status < 300)
            put_accepted(p, id_of(s), a->result);
        else
            put_error(p, id_of(s), a->code, a->message, a->detail);
        peer_look_deaf(p);
    }
    free(s);
    websocket_look_stopped(w);
}

static struct say *say_new(struct peer *p, struct sv id)
{
    struct say *s = malloc(sizeof(*s) + id.n);

    if (s == NULL)
        return NULL;
    *s = (struct say){ .w = p->w, .p = p, .n = id.p != NULL ? id.n : SIZE_MAX };
    if (id.n > 0)
        memcpy(s->id, id.p, id.n);
    link_in(s);
    p->says_n++;
    return s;
}

/* The ticket says who is writing, whatever the message says. False: memory. */
static bool force_sender(const struct peer *p, json_t *body)
{
    if (!p->forced)
        return true;
    return json_object_set_new(body, "sender_type", json_string(sender_type_name(p->sender_type))) == 0 &&
           (p->sender_id == NULL || json_object_set_new(body, "sender_id", json_string(p->sender_id)) == 0);
}

static void submit(struct peer *p, json_t *body, struct sv id, struct arena *a)
{
    const struct websocket_options *o = &p->w->o;
    struct session_message message;
    struct buf detail = { 0 };
    int wrong = force_sender(p, body) ? validate(&session_message_input, body, a, &message, &detail) : -1;
    struct say *s = wrong == 0 ? say_new(p, id) : NULL;

    if (wrong > 0) {
        put_error(p, id, "validation_error", "Some fields are missing or wrong.", buf_sv(&detail));
    } else if (s == NULL) {
        put_error(p, id, "internal_error", "Memory is short: try again later.", SV_NONE);
    } else {
        const struct session_submit what = { .session_id = sv_from(p->session_id), .message = &message };
        peer_look_deaf(p);
        o->submit(o->turns, &what, on_answer, s);
    }
    buf_fini(&detail);
}

static void act(struct peer *p, json_t *body, struct arena *a)
{
    struct sv type = json_sv(body, "type"), id = json_sv(body, "id");
    const json_t *any_id = json_object_get(body, "id"), *any_type = json_object_get(body, "type");

    if ((any_id != NULL && id.p == NULL) || id.n > ID_MAX)
        put_error(p, SV_NONE, "bad_id", "id must be a string of at most 256 bytes.", SV_NONE);
    else if (sv_eq(type, SV("ping")))
        put_pong(p, id);
    else if (any_type == NULL || sv_eq(type, SV("message")))
        submit(p, body, id, a);
    else
        put_error(p, id, "unknown_type", "type must be message or ping.", SV_NONE);
}

void say(struct peer *p, struct sv text)
{
    struct arena *a = arena_new(0, p->w->o.message_max + ARENA_BYTES);
    struct err e;
    json_t *body = a != NULL ? json_read_in(a, text, false, &e) : NULL;

    if (a == NULL)
        peer_close(p, CLOSE_LATER);
    else if (body == NULL)
        put_error(p, SV_NONE, "invalid_json", e.text, SV_NONE);
    else if (!json_is_object(body))
        put_error(p, SV_NONE, "invalid_json", "A message must be a JSON object.", SV_NONE);
    else
        act(p, body, a);
    arena_free(a);
}
