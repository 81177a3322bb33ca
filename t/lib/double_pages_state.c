/* SPDX-License-Identifier: MIT
 * See double_pages_state.h. Lists are short (a test's): they are searched from one end to the other, but for conversations, which have a map. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/map.h"
#include "t/lib/double_pages_state.h"

enum { READ_MAX = 30, LIST_MAX = 60 };

struct pages_state {
    struct map *by_id; /* page, a newline, conversation → struct page_conversation, borrowed */
    struct page_conversation **all;
    size_t n, size;
    uint64_t ids;
    int64_t last_us;
    char *last_api_id;
};

static char *copy(struct sv s)
{
    char *text = malloc(s.n + 1);
    if (text == NULL)
        abort();
    if (s.n > 0)
        memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return text;
}

static void *grown(void *list, size_t n, size_t *size)
{
    if (n < *size)
        return list;
    *size = *size > 0 ? *size * 2 : 16;
    list = realloc(list, *size * sizeof(void *));
    if (list == NULL)
        abort();
    return list;
}

struct pages_state *state_new(void)
{
    struct pages_state *s = calloc(1, sizeof *s);
    if (s == NULL || (s->by_id = map_new()) == NULL)
        abort();
    return s;
}

static void message_free(struct page_message *m)
{
    free(m->id);
    free(m->text);
    free(m->reply_to);
    json_decref(m->attachments);
    json_decref(m->earlier);
    free(m);
}

static void conversation_free(struct page_conversation *c)
{
    for (size_t i = 0; i < c->n; i++)
        message_free(c->messages[i]);
    free(c->messages);
    free(c->page);
    free(c->id);
    free(c->type);
    free(c->post_id);
    free(c->customer_id);
    free(c->customer_name);
    free(c);
}

void state_clear(struct pages_state *s)
{
    for (size_t i = 0; i < s->n; i++)
        conversation_free(s->all[i]);
    free(s->all);
    free(s->last_api_id);
    map_free(s->by_id);
    *s = (struct pages_state){ .by_id = map_new(), .ids = s->ids, .last_us = s->last_us };
    if (s->by_id == NULL)
        abort();
}

void state_free(struct pages_state *s)
{
    state_clear(s);
    map_free(s->by_id);
    free(s);
}

/* ---- finding and making ---- */

static void key_of(struct buf *b, struct sv page, struct sv conversation)
{
    buf_add(b, page);
    buf_addc(b, '\n');
    buf_add(b, conversation);
}

struct page_conversation *state_find(struct pages_state *s, struct sv page, struct sv conversation)
{
    struct buf key = { 0 };
    key_of(&key, page, conversation);
    struct page_conversation *c = map_find(s->by_id, buf_sv(&key));
    buf_fini(&key);
    return c;
}

struct page_conversation *state_conversation(struct pages_state *s, const struct pages_place *p)
{
    struct page_conversation *c = state_find(s, p->page, p->conversation);
    if (c != NULL)
        return c;
    struct buf key = { 0 }, customer = { 0 };
    key_of(&key, p->page, p->conversation);
    buf_printf(&customer, "customer-of-%.*s", SV_FMT(p->conversation));
    c = calloc(1, sizeof *c);
    if (c == NULL || map_put(s->by_id, buf_sv(&key), c, NULL) != 0)
        abort();
    c->page = copy(p->page);
    c->id = copy(p->conversation);
    c->type = copy(p->type.n > 0 ? p->type : SV("INBOX"));
    c->post_id = p->post_id.n > 0 ? copy(p->post_id) : NULL;
    c->customer_id = copy(p->customer_id.n > 0 ? p->customer_id : buf_sv(&customer));
    c->customer_name = copy(p->customer_name.n > 0 ? p->customer_name : SV("A Customer"));
    s->all = grown(s->all, s->n, &s->size);
    s->all[s->n++] = c;
    buf_fini(&key);
    buf_fini(&customer);
    return c;
}

struct page_message *state_message(struct page_conversation *c, struct sv id)
{
    for (size_t i = c->n; i > 0; i--)
        if (sv_eq(sv_from(c->messages[i - 1]->id), id))
            return c->messages[i - 1];
    return NULL;
}

static int64_t next_us(struct pages_state *s)
{
    int64_t now = clock_wall_ms() * 1000;
    s->last_us = now > s->last_us ? now : s->last_us + 1;
    return s->last_us;
}

struct page_message *state_add(struct pages_state *s, struct page_conversation *c, const struct pages_new *n)
{
    struct page_message *m = calloc(1, sizeof *m);
    char id[32];
    if (m == NULL)
        abort();
    (void)snprintf(id, sizeof id, "%llu", 770000000000000ULL + (unsigned long long)++s->ids);
    m->id = copy(n->id.n > 0 ? n->id : sv_from(id));
    m->text = copy(n->text);
    m->reply_to = n->reply_to.n > 0 ? copy(n->reply_to) : NULL;
    m->attachments = n->attachments != NULL ? json_deep_copy(n->attachments) : NULL;
    m->who = n->who;
    m->at_us = next_us(s);
    m->visible_at = c->reads + n->hidden_reads;
    c->updated_us = m->at_us;
    c->messages = grown(c->messages, c->n, &c->size);
    c->messages[c->n++] = m;
    if (m->who == PAGES_API) {
        free(s->last_api_id);
        s->last_api_id = copy(sv_from(m->id));
    }
    return m;
}

void state_edit(struct pages_state *s, struct page_conversation *c, struct page_message *m, struct sv text)
{
    if (m->earlier == NULL)
        m->earlier = json_array();
    json_array_append_new(m->earlier, json_string(m->text));
    free(m->text);
    m->text = copy(text);
    c->updated_us = next_us(s);
}

void state_remove(struct pages_state *s, struct page_conversation *c, struct page_message *m)
{
    m->removed = true;
    c->updated_us = next_us(s);
}

struct sv state_last_id(const struct pages_state *s)
{
    return sv_from(s->last_api_id);
}

/* ---- how the API writes it ---- */

static void write_time(struct json_out *o, const char *key, int64_t us)
{
    char text[25];
    struct buf b = { 0 };
    clock_format(us / 1000, text);
    buf_printf(&b, "%.23s%03d", text, (int)(us % 1000)); /* the Z gives way */
    json_kstr(o, key, buf_sv(&b));
    buf_fini(&b);
}

/* The text as a browser is to show it. */
static void add_markup(struct buf *b, struct sv text)
{
    buf_add(b, SV("<div>"));
    for (size_t i = 0; i < text.n; i++) {
        switch (text.p[i]) {
        case '&':
            buf_add(b, SV("&amp;"));
            break;
        case '<':
            buf_add(b, SV("&lt;"));
            break;
        case '>':
            buf_add(b, SV("&gt;"));
            break;
        case '"':
            buf_add(b, SV("&quot;"));
            break;
        case '\'':
            buf_add(b, SV("&#39;"));
            break;
        case '\n':
            buf_add(b, SV("<br>"));
            break;
        default:
            buf_addc(b, text.p[i]);
        }
    }
    buf_add(b, SV("</div>"));
}

void state_write_id(struct json_out *o, const struct pages_style *y, struct sv id)
{
    uint64_t number;
    if (y->numeric_ids && sv_to_u64(id, &number))
        json_int(o, (int64_t)number);
    else
        json_str(o, id);
}

static void write_from(struct json_out *o, const struct page_conversation *c, enum pages_who who)
{
    json_key(o, "from");
    json_obj(o);
    json_kstr(o, "id", sv_from(who == PAGES_CUSTOMER ? c->customer_id : c->page));
    json_kstr(o, "name", who == PAGES_CUSTOMER ? sv_from(c->customer_name) : SV("The Page"));
    if (who == PAGES_CUSTOMER) {
        json_kstr(o, "page_customer_id", SV("0192f0c4-0000-7000-8000-000000000001"));
    } else if (who == PAGES_STAFF) {
        json_kstr(o, "admin_id", SV("0192f0c4-0000-7000-8000-00000000000a"));
        json_kstr(o, "admin_name", SV("A Person"));
    }
    json_obj_end(o);
}

void state_write_message(struct json_out *o, const struct pages_style *y, const struct page_conversation *c, const struct page_message *m)
{
    struct buf markup = { 0 };
    if (m->text[0] != '\0')
        add_markup(&markup, sv_from(m->text));
    json_obj(o);
    json_key(o, "id");
    state_write_id(o, y, sv_from(m->id));
    json_kstr(o, "conversation_id", sv_from(c->id));
    json_kstr(o, "page_id", sv_from(c->page));
    json_kstr(o, "type", sv_from(c->type));
    json_kstr(o, "message", markup.n > 0 ? buf_sv(&markup) : SV(""));
    if (!y->no_originals)
        json_kstr(o, "original_message", sv_from(m->text));
    write_from(o, c, m->who);
    write_time(o, "inserted_at", m->at_us);
    json_kbool(o, "is_removed", m->removed);
    json_kbool(o, "is_hidden", false);
    json_kbool(o, "has_phone", false);
    json_key(o, "attachments");
    if (m->attachments != NULL)
        json_val(o, m->attachments);
    else
        json_raw(o, SV("[]"));
    if (m->reply_to != NULL)
        json_kstr(o, "parent_id", sv_from(m->reply_to));
    json_key(o, "edit_history");
    if (m->earlier == NULL) {
        json_nul(o);
    } else {
        size_t i;
        const json_t *text;
        json_arr(o);
        json_array_foreach(m->earlier, i, text)
        {
            json_obj(o);
            json_kstr(o, "message", sv_from(json_string_value(text)));
            json_obj_end(o);
        }
        json_arr_end(o);
    }
    json_obj_end(o);
    buf_fini(&markup);
}

static void write_conversation(struct json_out *o, const struct page_conversation *c)
{
    const struct page_message *last = c->n > 0 ? c->messages[c->n - 1] : NULL;
    json_obj(o);
    json_kstr(o, "id", sv_from(c->id));
    json_kstr(o, "page_id", sv_from(c->page));
    json_kstr(o, "type", sv_from(c->type));
    write_from(o, c, PAGES_CUSTOMER);
    json_kraw(o, "assignee_ids", SV("[]"));
    json_kraw(o, "tags", SV("[]"));
    json_kbool(o, "seen", last != NULL && last->who != PAGES_CUSTOMER);
    json_kbool(o, "is_replied", last != NULL && last->who != PAGES_CUSTOMER);
    json_kint(o, "message_count", (int64_t)c->n);
    json_kstr(o, "snippet", last != NULL ? sv_cut_utf8(sv_from(last->text), 80) : SV(""));
    if (c->n > 0)
        write_time(o, "inserted_at", c->messages[0]->at_us);
    write_time(o, "updated_at", c->updated_us);
    if (c->post_id != NULL)
        json_kstr(o, "post_id", sv_from(c->post_id));
    json_obj_end(o);
}

void state_write_read(struct json_out *o, const struct pages_style *y, struct page_conversation *c, uint64_t skip)
{
    size_t written = 0;
    json_obj(o);
    json_kbool(o, "success", true);
    json_kbool(o, "can_inbox", true);
    json_kbool(o, "is_banned", false);
    json_key(o, "messages");
    json_arr(o);
    if (c != NULL)
        c->reads++;
    for (size_t i = c != NULL ? c->n : 0; i > 0 && written < READ_MAX; i--) {
        const struct page_message *m = c->messages[i - 1];
        if (m->visible_at >= c->reads)
            continue;
        if (skip > 0) {
            skip--;
            continue;
        }
        state_write_message(o, y, c, m);
        written++;
    }
    json_arr_end(o);
    json_obj_end(o);
}

static int by_update(const void *a, const void *b)
{
    const struct page_conversation *x = *(struct page_conversation *const *)a, *y = *(struct page_conversation *const *)b;
    return x->updated_us < y->updated_us ? 1 : x->updated_us > y->updated_us ? -1 : 0;
}

void state_write_list(struct pages_state *s, struct json_out *o, struct sv page, int64_t since_s, int64_t until_s, struct sv after)
{
    bool begun = after.n == 0;
    size_t written = 0;
    if (s->n > 1)
        qsort(s->all, s->n, sizeof *s->all, by_update);
    json_obj(o);
    json_kbool(o, "success", true);
    json_key(o, "conversations");
    json_arr(o);
    for (size_t i = 0; i < s->n && written < LIST_MAX; i++) {
        const struct page_conversation *c = s->all[i];
        int64_t at_s = c->updated_us / 1000000;
        if (!sv_eq(sv_from(c->page), page) || at_s < since_s || at_s > until_s)
            continue;
        if (begun) {
            write_conversation(o, c);
            written++;
        } else {
            begun = sv_eq(sv_from(c->id), after);
        }
    }
    json_arr_end(o);
    json_obj_end(o);
}

void state_write_webhook(struct json_out *o, const struct pages_style *y, const struct page_conversation *c, const struct page_message *m)
{
    json_obj(o);
    json_kstr(o, "page_id", sv_from(c->page));
    json_kstr(o, "event_type", SV("messaging"));
    json_key(o, "data");
    json_obj(o);
    json_key(o, "conversation");
    write_conversation(o, c);
    json_key(o, "message");
    state_write_message(o, y, c, m);
    json_key(o, "post");
    if (c->post_id != NULL) {
        json_obj(o);
        json_kstr(o, "id", sv_from(c->post_id));
        json_kstr(o, "type", SV("photo"));
        json_obj_end(o);
    } else {
        json_nul(o);
    }
    json_obj_end(o);
    json_obj_end(o);
}

/* ---- what people see ---- */

static void write_seen(struct json_out *o, const struct page_message *m)
{
    static const char *const who[] = { [PAGES_CUSTOMER] = "customer", [PAGES_STAFF] = "staff", [PAGES_API] = "page" };
    json_obj(o);
    json_kstr(o, "id", sv_from(m->id));
    json_kstr(o, "who", sv_from(who[m->who]));
    json_kstr(o, "text", sv_from(m->text));
    json_kint(o, "at_us", m->at_us);
    if (m->reply_to != NULL)
        json_kstr(o, "reply_to", sv_from(m->reply_to));
    if (m->removed)
        json_kbool(o, "removed", true);
    json_obj_end(o);
}

void state_write_ledger(struct pages_state *s, struct json_out *o, struct sv conversation)
{
    json_obj(o);
    for (size_t i = 0; i < s->n; i++) {
        const struct page_conversation *c = s->all[i];
        if (conversation.n > 0 && !sv_eq(sv_from(c->id), conversation))
            continue;
        json_name(o, sv_from(c->id));
        json_obj(o);
        json_kstr(o, "page", sv_from(c->page));
        json_kstr(o, "type", sv_from(c->type));
        json_kint(o, "reads", (int64_t)c->reads);
        json_key(o, "messages");
        json_arr(o);
        for (size_t k = 0; k < c->n; k++)
            write_seen(o, c->messages[k]);
        json_arr_end(o);
        json_obj_end(o);
    }
    json_obj_end(o);
}
