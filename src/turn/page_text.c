/* SPDX-License-Identifier: MIT
 * Actions as text: one function for each kind of action that says something. Labels are looked for under the names that AI services use for them. */
#include "config.h"

#include "turn/page_split.h"
#include "turn/page_text.h"

#define ENOUGH (1u << 20) /* bytes of one action: far more than a reply may have, so what is behind them would be left out anyway */

/* The first of these members that is a text. */
static struct sv first_text(const json_t *object, const char *const *names)
{
    struct sv found = SV_NONE;
    for (size_t i = 0; found.n == 0 && names[i] != NULL; i++)
        found = json_sv(object, names[i]);
    return found;
}

static void add(struct buf *b, struct sv text)
{
    if (b->n < ENOUGH)
        buf_add(b, sv_cut_utf8(text, ENOUGH));
}

static void add_line(struct buf *b, struct sv line)
{
    line = sv_trim(line);
    if (line.n == 0)
        return;
    if (b->n > 0 && b->p[b->n - 1] != '\n')
        add(b, SV("\n"));
    add(b, line);
}

/* A choice or field is a text, or an object with one. */
static struct sv label_of(const json_t *value)
{
    static const char *const names[] = { "title", "label", "text", "name", "content", "payload", "value", NULL };
    if (json_is_string(value))
        return (struct sv){ json_string_value(value), json_string_length(value) };
    return first_text(value, names);
}

static void add_choices(struct buf *b, const json_t *list)
{
    size_t i, n = 0;
    const json_t *one;
    json_array_foreach(list, i, one) {
        struct sv label = sv_trim(label_of(one));
        if (label.n == 0 || b->n >= ENOUGH)
            continue;
        if (b->n > 0)
            buf_addc(b, '\n');
        buf_printf(b, "%zu. ", ++n);
        add(b, label);
    }
}

static void add_labels(struct buf *b, const json_t *list)
{
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one) add_line(b, label_of(one));
}

static struct sv link_of(const json_t *element)
{
    static const char *const names[] = { "url", "link", "item_url", "web_url", NULL };
    struct sv link = first_text(element, names);
    const json_t *button;
    size_t i;
    if (link.n == 0)
        link = first_text(json_object_get(element, "default_action"), names);
    json_array_foreach(json_object_get(element, "buttons"), i, button) {
        if (link.n == 0)
            link = first_text(button, names);
    }
    return link;
}

/* A paragraph each. */
static void add_elements(struct buf *b, const json_t *list)
{
    static const char *const subtitles[] = { "subtitle", "description", NULL };
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one) {
        if (b->n > 0)
            add(b, SV("\n\n"));
        add_line(b, label_of(one));
        add_line(b, first_text(one, subtitles));
        add_line(b, link_of(one));
    }
}

/* ---- one action ---- */

/* False: it has no counterpart here. */
static bool say(struct buf *b, struct sv type, const json_t *data)
{
    struct sv message = json_sv(data, "message");
    if (sv_eq(type, SV("send_message"))) {
        add(b, message);
    } else if (sv_eq(type, SV("send_quick_replies"))) {
        add(b, message);
        add_choices(b, json_object_get(data, "quick_replies"));
    } else if (sv_eq(type, SV("send_carousel"))) {
        add(b, message);
        add_elements(b, json_object_get(data, "elements"));
    } else if (sv_eq(type, SV("collect_info"))) {
        add(b, message);
        if (sv_trim(message).n == 0)
            add_labels(b, json_object_get(data, "fields"));
    } else {
        return false;
    }
    return true;
}

static bool needs_no_call(struct sv type)
{
    return sv_eq(type, SV("transfer_to_agent")) || sv_eq(type, SV("end_conversation"));
}

/* All of them, or none; of a text that alone is more than a reply may be, its beginning. True: all of them, and there
 * were some; *full: not all. */
static bool add_pieces(struct page_text *out, size_t action, struct sv text, size_t chars_max, bool *full)
{
    size_t before = out->n;
    for (struct sv piece; (piece = page_split_next(&text, chars_max)).n > 0;) {
        *full = out->n == PAGE_PIECES_MAX;
        if (*full) {
            out->n = before > 0 ? before : out->n;
            for (size_t i = before; i < out->n; i++)
                out->pieces[i].action = PAGE_ACTION_CUT;
            return false;
        }
        out->pieces[out->n++] = (struct page_piece){ piece, action };
    }
    return out->n > before;
}

int page_text(struct arena *a, struct sv actions, size_t chars_max, struct page_text *out, struct err *e)
{
    const json_t *list = json_read_in(a, actions, false, e), *one;
    bool full = false;
    size_t i;
    *out = (struct page_text){ 0 };
    if (list == NULL)
        return -1;
    if (!json_is_array(list))
        return err_set(e, ERR_INVALID, "not an array of actions");
    json_array_foreach(list, i, one) {
        struct buf b = { 0 };
        struct sv type = json_sv(one, "type");
        bool says = !full && say(&b, type, json_object_get(one, "data"));
        struct sv text = b.n > 0 && buf_ok(&b) ? arena_sv(a, buf_sv(&b)) : SV_NONE;
        bool lost = !buf_ok(&b) || (b.n > 0 && text.p == NULL);
        buf_fini(&b);
        if (lost)
            return err_set(e, ERR_MEMORY, "no memory for a reply's text");
        bool added = says && add_pieces(out, i, text, chars_max, &full);
        if (added || needs_no_call(type))
            out->executed++;
        else
            out->not_executed++;
    }
    return 0;
}

size_t page_chars_max(struct sv page_id)
{
    return sv_starts(page_id, SV("igo_")) ? 1000 : sv_starts(page_id, SV("ttm_")) ? 500 : 2000;
}
