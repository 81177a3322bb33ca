/* SPDX-License-Identifier: MIT
 * See answer_block.h. */
#include "config.h"

#include "outside/answer_block.h"
#include "outside/completion.h"
#include "outside/thoughts.h"

enum {
    BARE_MAX = 8, /* lines that begin with { and may be the object that the text ends with */
};

static const char fence[] = "```";
static const size_t fence_n = sizeof(fence) - 1;
static const char *const members[] = { "actions", "response_text", "intent", "confidence", "entities" };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* ---- is it ours? ---- */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == '$';
}

/* Also as those write it who do not know JSON: in other quotation marks, with backslashes; bare: or in none. */
static bool has_name(struct sv s, const char *name, bool bare)
{
    const char *end = s.p + s.n;
    size_t n = strlen(name);
    for (const char *at = s.p; (at = memmem(at, (size_t)(end - at), name, n)) != NULL; at += n) {
        const char *to = at + n;
        while (to < end && strchr("\\\"'\xe2\x80\x9c\x9d\x98\x99", *to) != NULL)
            to++;
        bool quoted = to > at + n;
        while (to < end && is_blank(*to))
            to++;
        if (to < end && *to == ':' && (quoted || bare) && (at == s.p || !is_word(at[-1])))
            return true;
    }
    return false;
}

static bool has_our_names(struct sv s, bool bare)
{
    bool colon = memchr(s.p, ':', s.n) != NULL, has = colon && has_name(s, "type", false) && has_name(s, "data", false);
    for (size_t i = 0; colon && !has && i < ARRAY_LEN(members); i++)
        has = has_name(s, members[i], bare);
    return has;
}

static bool is_right(const json_t *value, const char *name)
{
    if (strcmp(name, "actions") == 0)
        return json_is_array(value);
    if (strcmp(name, "confidence") == 0)
        return json_is_number(value);
    return strcmp(name, "entities") == 0 ? json_is_object(value) : json_is_string(value);
}

enum kind { THEIRS, KNOWN, BROKEN, NOTHING };

static enum kind kind_of_object(const json_t *j)
{
    bool ours = false, right = false, wrong = false, said = false; /* said: something is there that is not null */
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const json_t *value = json_object_get(j, members[i]);
        bool fits = is_right(value, members[i]);
        ours |= value != NULL;
        said |= value != NULL && !json_is_null(value);
        right |= fits;
        wrong |= i < 2 && value != NULL && !json_is_null(value) && !fits; /* what is to be done or said would be lost */
    }
    if (!ours)
        return THEIRS;
    return !wrong && (right || !said) && completion_is_flat(j) ? KNOWN : BROKEN;
}

static bool is_action(const json_t *value)
{
    return json_is_string(json_object_get(value, "type")) && json_is_object(json_object_get(value, "data"));
}

/* A list of actions becomes the object that has it; anything else stays. value is taken; NULL: memory. */
static json_t *with_actions(json_t *value)
{
    size_t i;
    json_t *one;
    bool all = json_is_array(value);
    json_array_foreach(value, i, one) all = all && is_action(one);
    return all ? json_pack("{s:o}", "actions", value) : value;
}

static bool begins(struct sv s)
{
    return s.n > 0 && (s.p[0] == '{' || s.p[0] == '[');
}

/* named: it is said to be JSON. *j: of a KNOWN one. */
static enum kind kind_of(struct sv text, bool named, json_t **j)
{
    *j = NULL;
    if (named && (text.n == 0 || sv_eq(text, SV("null"))))
        return NOTHING;
    if (!begins(text))
        return THEIRS;
    bool ends = text.p[text.n - 1] == (text.p[0] == '{' ? '}' : ']');
    json_t *value = ends ? json_read(text, false, NULL) : NULL;
    if (named && value != NULL && json_object_size(value) + json_array_size(value) == 0) {
        json_decref(value);
        return NOTHING;
    }
    if (named)
        value = with_actions(value);
    enum kind kind = value != NULL ? kind_of_object(value) : has_our_names(text, named) ? BROKEN : THEIRS;
    if (kind == KNOWN)
        *j = value;
    else
        json_decref(value);
    return kind;
}

/* ---- fences ---- */

static const char *find(const char *from, const char *end)
{
    return memmem(from, (size_t)(end - from), fence, fence_n);
}

/* Behind ```, and a word for JSON after it or nothing. */
static const char *content_of(const char *at, const char *end, bool *named)
{
    at += fence_n;
    *named = end - at >= 4 && sv_eq_nocase((struct sv){ at, 4 }, SV("json"));
    if (*named)
        at += 4;
    if (*named && at < end && (*at == 'c' || *at == '5') && (end - at == 1 || is_blank(at[1]) || at[1] == '`'))
        at++;
    return at;
}

static bool is_fence(const char *at, const char *end)
{
    return (size_t)(end - at) >= fence_n && memcmp(at, fence, fence_n) == 0;
}

/* Goes through the text once: what follows a backslash is passed over. odd: behind an odd number of quotation marks. */
struct cursor {
    const char *at;
    bool odd;
};

/* For fences, which are looked at in their order. A cursor is never set back, so that all of them take time in proportion to the text. */
struct marks {
    const char *end;
    struct cursor here, closing[2]; /* closing[odd]: at a fence that is odd, or not */
    const char *line;               /* a fence that begins a line */
};

static struct marks marks_of(struct sv text)
{
    struct cursor c = { text.p, false };
    return (struct marks){ text.p + text.n, c, { c, c }, text.p };
}

static void step(struct cursor *c, const char *end)
{
    if (*c->at == '"')
        c->odd = !c->odd;
    c->at += *c->at == '\\' && end - c->at > 1 ? 2 : 1;
}

static void go(struct cursor *c, const char *to, const char *end)
{
    while (c->at < to)
        step(c, end);
}

/* The fence at `at` stands where no string is, if none is where what it holds begins, which is at `from`. Else a backslash is before it, or a quotation mark
 * too many in the comments between. */
static bool is_plain(struct marks *m, const char *at, const char *from)
{
    go(&m->here, at, m->end);
    struct cursor of_fence = m->here;
    go(&m->here, from, m->end);
    return of_fence.at == at && of_fence.odd == m->here.odd;
}

/* Where what begins at `from`, where m->here is, ends: at the first fence that no string holds; there is none: at the first one that begins a line. */
static const char *closing_of(struct marks *m, const char *from)
{
    bool odd = m->here.odd;
    struct cursor *c = &m->closing[odd];
    while (c->at < m->end && (c->at < from || c->odd != odd || !is_fence(c->at, m->end)))
        step(c, m->end);
    if (c->at < m->end)
        return c->at;
    while (m->line < m->end && (m->line <= from || m->line[-1] != '\n')) {
        const char *next = find(m->line < from ? from : m->line + 1, m->end);
        m->line = next != NULL ? next : m->end;
    }
    return m->line;
}

struct found {
    enum kind kind;
    struct sv before, content, after;
    json_t *known;
};

/* Lines of comment in front of it are no part of the JSON. */
static struct sv without_comments(struct sv s)
{
    while (sv_starts(s, SV("//"))) {
        const char *line = memchr(s.p, '\n', s.n);
        s = line != NULL ? sv_trim_space((struct sv){ line, s.n - (size_t)(line - s.p) }) : SV("");
    }
    return s;
}

static void place(struct found *f, struct sv text, const char *at, const char *from, const char *to)
{
    const char *end = text.p + text.n;
    size_t left = (size_t)(end - to), of_fence = left < fence_n ? left : fence_n;
    f->before = sv_trim_space((struct sv){ text.p, (size_t)(at - text.p) });
    f->content = sv_trim_space((struct sv){ from, (size_t)(to - from) });
    f->after = sv_trim_space((struct sv){ to + of_fence, left - of_fence });
}

static struct sv behind_blanks(const char *from, const char *end)
{
    while (from < end && is_blank(*from))
        from++;
    return (struct sv){ from, (size_t)(end - from) };
}

/* The fence at `at`. What of several of them is looked at does not overlap, but in two ways: where one is in a string of the other. So a fence that is not
 * plain, which may be in any number of others, ends at the next one. */
static bool look(struct found *f, struct sv text, const char *at, struct marks *m)
{
    const char *end = text.p + text.n;
    bool named;
    const char *from = content_of(at, end, &named);
    if (!named && !begins(behind_blanks(from, end)))
        return false;
    const char *next = find(from, end), *to = next != NULL ? next : end; /* the last fence may be forgotten */
    place(f, text, at, from, to);
    f->content = named ? without_comments(f->content) : f->content;
    if (begins(f->content)) {
        from = f->content.p;
        to = is_plain(m, at, from) ? closing_of(m, from) : to;
        place(f, text, at, from, to);
    }
    f->kind = kind_of(f->content, named, &f->known);
    if (f->kind == THEIRS && named && to == end && begins(f->content) && memchr(f->content.p, ':', f->content.n) == NULL)
        f->kind = BROKEN;
    return f->kind != THEIRS;
}

/* The last fence of all closes one of the customer's, where both begin a line, and opens none. */
static bool closes(struct sv text, const char *at, bool open)
{
    const char *end = text.p + text.n;
    bool named;
    (void)content_of(at, end, &named);
    return open && !named && at[-1] == '\n' && find(at + 1, end) == NULL;
}

/* The first one that is ours. False: there is none. */
static bool fenced(struct sv text, struct found *f, struct marks *m)
{
    const char *end = text.p + text.n;
    bool open = false;
    for (const char *at = find(text.p, end); at != NULL; at = find(at + 1, end)) {
        if (!closes(text, at, open) && look(f, text, at, m))
            return true;
        open = !open && (at == text.p || at[-1] == '\n');
    }
    return false;
}

/* ---- without a fence ---- */

/* A member's name stands first in it. */
static bool begins_as_object(struct sv s)
{
    size_t i = 1;
    if (s.n == 0 || s.p[0] != '{')
        return false;
    while (i < s.n && (is_blank(s.p[i]) || strchr("\"'\\", s.p[i]) != NULL))
        i++;
    while (i < s.n && is_word(s.p[i]))
        i++;
    while (i < s.n && (is_blank(s.p[i]) || strchr("\"'\\", s.p[i]) != NULL))
        i++;
    return i < s.n && s.p[i] == ':';
}

/* The next { that begins a line outside of fences; NULL: there is none. *in_fence is kept for the next call. */
static const char *next_bare(const char *at, const char *end, const char *begin, bool *in_fence)
{
    bool begins = at == begin;
    for (; at < end; at++) {
        if (is_fence(at, end)) {
            *in_fence = !*in_fence;
            at += fence_n - 1;
        }
        if (begins && *at == '{' && !*in_fence)
            return at;
        begins = *at == '\n' || (begins && is_blank(*at));
    }
    return NULL;
}

/* The object that the text ends with, where it is ours. What closes and is not the end is the customer's, whatever it is. */
static bool bare(struct sv text, struct found *f)
{
    const char *end = text.p + text.n, *at = text.p;
    bool in_fence = false;
    for (int i = 0; i < BARE_MAX && (at = next_bare(at, end, text.p, &in_fence)) != NULL;) {
        struct sv object = { at, (size_t)(end - at) };
        const char *to = begins_as_object(object) ? json_past_object(at, end) : at + 1;
        bool ends = to == end || to == NULL;
        at = to != NULL ? to : at + 1;
        if (!ends)
            continue;
        f->before = sv_trim_space((struct sv){ text.p, (size_t)(object.p - text.p) });
        f->content = object;
        f->kind = kind_of(object, false, &f->known);
        if (f->kind != THEIRS)
            return true;
        i++;
    }
    return false;
}

/* ---- all of them ---- */

static void add_line(struct buf *to, struct sv line)
{
    if (line.n == 0)
        return;
    if (to->n > 0)
        buf_addc(to, '\n');
    buf_add(to, line);
}

/* j is taken. */
static int merge(struct answer_block *b, json_t *j)
{
    json_t *actions = json_object_get(b->known, "actions"), *more = json_object_get(j, "actions");
    int failed = 0;
    if (b->known == NULL) {
        b->known = j;
        return 0;
    }
    if (json_is_array(actions) && json_is_array(more))
        failed = json_array_extend(actions, more);
    else if (json_is_array(more))
        failed = json_object_set(b->known, "actions", more);
    failed |= json_object_update_missing(b->known, j);
    json_decref(j);
    return failed;
}

static int take(struct answer_block *b, enum kind kind, struct sv content, json_t *known)
{
    if (kind == KNOWN)
        return merge(b, known);
    if (kind == BROKEN)
        add_line(&b->broken, content);
    return 0;
}

static int read_all(struct sv text, struct answer_block *b)
{
    struct sv left = sv_trim_space(thoughts_behind_blanks(text)); /* a mark of the byte order, too */
    struct marks m = marks_of(left);
    struct found f = { 0 };
    bool whole = true;
    f.kind = begins_as_object(left) ? kind_of(left, false, &f.known) : THEIRS;
    if (f.kind != THEIRS)
        return take(b, f.kind, left, f.known);
    while (left.n > 0 && fenced(left, &f, &m)) {
        add_line(&b->rest, f.before);
        left = f.after;
        whole = false;
        if (take(b, f.kind, f.content, f.known) != 0)
            return -1;
    }
    if (bare(left, &f)) {
        add_line(&b->rest, f.before);
        return take(b, f.kind, f.content, f.known);
    }
    if (whole)
        buf_add(&b->rest, text);
    else
        add_line(&b->rest, left);
    return 0;
}

int answer_block_read(struct sv text, struct answer_block *out)
{
    int failed = read_all(text, out);
    struct sv said = json_sv(out->known, "response_text");
    if (said.n > 0) {
        buf_clear(&out->rest);
        buf_add(&out->rest, said);
    }
    return failed == 0 && buf_ok(&out->rest) && buf_ok(&out->broken) ? 0 : -1;
}

void answer_block_fini(struct answer_block *b)
{
    json_decref(b->known);
    buf_fini(&b->rest);
    buf_fini(&b->broken);
    *b = (struct answer_block){ 0 };
}
