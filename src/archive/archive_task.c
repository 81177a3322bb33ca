/* SPDX-License-Identifier: MIT
 * What an AI calls entities has no fixed form: a value that cannot be used is passed over, never refused. Only the members that the item itself has
 * must be what the document says. */
#include "config.h"

#include "archive/archive.h"
#include "archive/archive_task.h"
#include "lib/clock.h"
#include "lib/contact.h"
#include "lib/json.h"

#define VALUE_DEPTH 4 /* {"phone":[{"value":["0912 345 678"]}]} */
#define NAME_CHARACTERS 200
#define ADDRESS_CHARACTERS 500

static const struct door_place top = { NULL, 0 };

/* ---- update_session_status ---- */

static int read_check_reply(struct door *d, struct item_state *state)
{
    scan_at check = scan_member(&d->scan, 0, "check_reply"), until = scan_member(&d->scan, 0, "check_reply_until");

    state->until_ms = -1;
    if (!door_absent(d, until) && door_ms(d, 0, "check_reply_until", &top, -1, &state->until_ms) != 0)
        return -1;
    if (door_absent(d, check))
        return state->until_ms < 0 ? 0 : door_refuse(d, &top, "check_reply_until", "says nothing without check_reply");
    state->check_reply = scan_is(&d->scan, check, SCAN_TRUE);
    state->has_check_reply = state->check_reply || scan_is(&d->scan, check, SCAN_FALSE);
    return state->has_check_reply ? 0 : door_refuse(d, &top, "check_reply", "must be true or false");
}

int task_state(struct door *d, struct item *out)
{
    static const char *const statuses[] = { "active", "closed", "archived" };
    struct item_state *state = arena_alloc(d->arena, sizeof(*state));

    if (state == NULL)
        return err_set(d->e, ERR_MEMORY, "out of memory");
    state->status = door_word(d, 0, "status", statuses, ARRAY_LEN(statuses));
    if (state->status == NULL && !door_absent(d, scan_member(&d->scan, 0, "status")))
        return door_refuse(d, &top, "status", "must be active, closed or archived");
    if (door_ms(d, 0, "at", &top, -1, &out->at_ms) != 0 || read_check_reply(d, state) != 0)
        return -1;
    if (state->status == NULL && !state->has_check_reply)
        return door_refuse(d, &top, "status", "must be there, or check_reply");
    item_uuid_make(state->id, out->at_ms, 0, out->conversation_id, SV(""));
    out->state = state;
    return 0;
}

/* ---- extract_customer_info ---- */

static bool is_space(const char *p, size_t n, size_t *bytes)
{
    *bytes = 1;
    if (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
        return true;
    *bytes = 2; /* a space that must not end a line */
    return n >= 2 && (unsigned char)p[0] == 0xc2 && (unsigned char)p[1] == 0xa0;
}

/* Lines become one, what stands around is cut off. Too long, empty, or with control characters (C0, DEL, C1): SV_NONE. */
static int take_text(struct door *d, struct sv text, size_t max, struct sv *out)
{
    char *p = arena_array(d->arena, text.n + 1, 1);
    size_t n = 0, end = 0, characters = 0, bytes;

    if (p == NULL)
        return err_set(d->e, ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (is_space(text.p + i, text.n - i, &bytes)) {
            if (n > 0)
                p[n++] = ' ';
            characters += n > 0;
            i += bytes - 1;
            continue;
        }
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)text.p[i + 1] < 0xa0)) /* UTF-8: a byte follows */
            return 0;
        characters += (c & 0xc0) != 0x80;
        p[n++] = (char)c;
        end = n;
    }
    characters -= n - end; /* spaces behind */
    if (end > 0 && characters <= max)
        *out = (struct sv){ p, end };
    return 0;
}

static int keep(struct door *d, bool found, const char *text, struct sv *out)
{
    if (!found)
        return 0;
    *out = arena_sv(d->arena, sv_from(text));
    return out->p != NULL ? 0 : err_set(d->e, ERR_MEMORY, "out of memory");
}

static int take(struct door *d, enum item_field field, struct sv text, struct sv *out)
{
    char phone[CONTACT_PHONE_SIZE], email[CONTACT_EMAIL_SIZE];

    switch (field) {
    case ITEM_PHONE:
        return keep(d, contact_phone(text, phone), phone, out);
    case ITEM_EMAIL:
        return keep(d, contact_email(text, email), email, out);
    case ITEM_NAME:
        return take_text(d, text, NAME_CHARACTERS, out);
    case ITEM_ADDRESS:
        return take_text(d, text, ADDRESS_CHARACTERS, out);
    }
    return 0;
}

/* A string, for telephones a whole number, of an array the last that can be used, of an object its value or text. Else *out stays. */
static int take_value(struct door *d, enum item_field field, scan_at v, unsigned depth, struct sv *out)
{
    static const char *const inside[] = { "value", "text" };
    struct sv text, before = *out;
    int64_t number;

    if (v == SCAN_NONE || depth == 0)
        return 0;
    if (scan_is(&d->scan, v, SCAN_STRING))
        return door_string(d, v, &text) == 0 ? take(d, field, text, out) : -1;
    if (scan_is(&d->scan, v, SCAN_NUMBER))
        return field == ITEM_PHONE && scan_i64(&d->scan, v, &number) && number > 0 ? take(d, field, scan_raw(&d->scan, v), out) : 0;
    for (scan_at at = scan_first(&d->scan, v); at != SCAN_NONE; at = scan_after(&d->scan, v, at))
        if (take_value(d, field, at, depth - 1, out) != 0)
            return -1;
    for (size_t i = 0; scan_is(&d->scan, v, SCAN_OBJECT) && i < ARRAY_LEN(inside) && out->p == before.p; i++)
        if (take_value(d, field, scan_member(&d->scan, v, inside[i]), depth - 1, out) != 0)
            return -1;
    return 0;
}

#define KEYS_MAX 6

static int read_entities(struct door *d, scan_at entities, struct sv fields[ITEM_FIELDS])
{
    static const char *const keys[ITEM_FIELDS][KEYS_MAX] = {
        [ITEM_PHONE] = { "phone", "phone_number", "telephone", "tel", "mobile" },
        [ITEM_EMAIL] = { "email", "e_mail", "mail" },
        [ITEM_NAME] = { "name", "full_name", "fullname", "customer_name", "person", "person_name" },
        [ITEM_ADDRESS] = { "address", "location", "shipping_address" },
    };

    if (door_absent(d, entities))
        return 0;
    if (!scan_is(&d->scan, entities, SCAN_OBJECT))
        return door_refuse(d, &top, "entities", "must be an object");
    for (unsigned f = 0; f < ITEM_FIELDS; f++)
        for (size_t i = 0; i < KEYS_MAX && keys[f][i] != NULL && fields[f].p == NULL; i++)
            if (take_value(d, f, scan_member(&d->scan, entities, keys[f][i]), VALUE_DEPTH, &fields[f]) != 0)
                return -1;
    return 0;
}

/* What the entities have said already stays. */
static int read_content(struct door *d, scan_at content, struct sv fields[ITEM_FIELDS])
{
    struct contact found;
    struct sv text;

    if (door_absent(d, content))
        return 0;
    if (door_string(d, content, &text) != 0)
        return -1;
    if (text.p == NULL)
        return door_refuse(d, &top, "content", "must be a string");
    if (text.n > ITEM_CONTENT_MAX)
        return door_refuse(d, &top, "content", "has more than 65536 bytes");
    if (!contact_find(text, &found))
        return 0;
    if (fields[ITEM_PHONE].p == NULL && keep(d, found.phone[0] != '\0', found.phone, &fields[ITEM_PHONE]) != 0)
        return -1;
    return fields[ITEM_EMAIL].p == NULL ? keep(d, found.email[0] != '\0', found.email, &fields[ITEM_EMAIL]) : 0;
}

static int make_source(struct door *d, const struct item *item, struct sv message_id, struct sv *out)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    json_obj(&o);
    json_kstr(&o, "conversation_id", item->conversation_id);
    json_kstr(&o, "message_id", message_id);
    json_kint(&o, "at", item->at_ms);
    json_obj_end(&o);
    *out = buf_ok(&b) ? arena_sv(d->arena, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return out->p != NULL ? 0 : err_set(d->e, ERR_MEMORY, "out of memory");
}

int task_customer(struct door *d, struct item *out)
{
    struct item_customer *c = arena_alloc(d->arena, sizeof(*c));
    struct sv message_id = SV_NONE;
    bool found = false;

    if (c == NULL)
        return err_set(d->e, ERR_MEMORY, "out of memory");
    if (door_id(d, 0, "sender_id", &top, &c->sender_id) != 0 || door_ms(d, 0, "at", &top, -1, &out->at_ms) != 0)
        return -1;
    if (!door_absent(d, scan_member(&d->scan, 0, "message_id")) && door_id(d, 0, "message_id", &top, &message_id) != 0)
        return -1;
    if (read_entities(d, scan_member(&d->scan, 0, "entities"), c->fields) != 0 ||
        read_content(d, scan_member(&d->scan, 0, "content"), c->fields) != 0)
        return -1;
    for (unsigned f = 0; f < ITEM_FIELDS; f++)
        found = found || c->fields[f].p != NULL;
    if (!found)
        return 0;
    item_uuid_make(c->id, out->at_ms, 0, SV(""), c->sender_id);
    out->customer = c;
    return make_source(d, out, message_id, &c->source);
}

/* ---- erase ---- */

/* Whoever is erased is refused up to then: a time in other units must not shut him out for good. Clocks may differ. */
#define ERASE_AHEAD_MS (INT64_C(24) * 60 * 60 * 1000)

int task_erase(struct door *d, struct item *out)
{
    struct item_erase *erase = arena_alloc(d->arena, sizeof(*erase));

    if (erase == NULL)
        return err_set(d->e, ERR_MEMORY, "out of memory");
    erase->user = door_absent(d, scan_member(&d->scan, 0, "conversation_id"));
    if (door_id(d, 0, erase->user ? "user_id" : "conversation_id", &top, &erase->id) != 0 || door_ms(d, 0, "at", &top, -1, &out->at_ms) != 0)
        return -1;
    if (out->at_ms > clock_wall_ms() + ERASE_AHEAD_MS)
        return door_refuse(d, &top, "at", "lies in the future");
    if (!erase->user)
        out->conversation_id = erase->id;
    out->erase = erase;
    return 0;
}

/* ---- afterwards ---- */

bool archive_item_customer(struct arena *a, struct sv item, struct sv *conversation_id, struct sv *sender_id)
{
    struct item parsed;
    struct err e = { 0 };

    if (item.p == NULL || memmem(item.p, item.n, "extract_customer_info", strlen("extract_customer_info")) == NULL)
        return false; /* most items are another kind, and need not be read a second time */
    if (item_parse(a, item, &parsed, &e) != 0 || parsed.customer == NULL)
        return false;
    *conversation_id = parsed.conversation_id;
    *sender_id = parsed.customer->sender_id;
    return true;
}
