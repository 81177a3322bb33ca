/* SPDX-License-Identifier: MIT
 * Dead letters that speak of what was erased are dropped, page by page, newest first. A letter is about a conversation and perhaps a user, and holds what
 * was received at some time; one that cannot be read, whoever pushed it, goes when a name that was erased stands anywhere in it. */
#include "config.h"

#include <stdlib.h>

#include "turn/erase.h"

#define PAGE 50
#define SCRATCH_CAP (128u << 20) /* the longest item twice */

struct sweep {
    struct turns *t;
    struct arena *a; /* of one page */
    struct erase_letters what;
    char after[ID_UUID_SIZE];
    struct sv *doomed;
    size_t doomed_n, open;
    bool more, down;
    int64_t dropped;
    erase_letters_fn *fn;
    void *arg;
};

static void next_page(struct sweep *s);

static void end(struct sweep *s)
{
    struct turns *t = s->t;
    s->fn(s->arg, s->down ? STORE_DOWN : STORE_DONE, s->dropped);
    arena_free(s->a);
    free(s);
    t->transactions--;
    turns_look_drained(t);
}

/* ---- which ---- */

struct found {
    const struct sweep *s;
    struct sv text;
    bool yes;
};

static void look_for(void *arg, struct sv id, void *value)
{
    struct found *f = arg;
    (void)value;
    f->yes = f->yes || memmem(f->text.p, f->text.n, id.p, id.n) != NULL;
}

static bool stands_in(const struct sweep *s, struct sv text)
{
    struct found f = { .s = s, .text = text };
    map_each(s->what.sessions, look_for, &f);
    return f.yes || (s->what.user_id.n > 0 && memmem(text.p, text.n, s->what.user_id.p, s->what.user_id.n) != NULL);
}

static bool names_user(const json_t *of, struct sv user_id)
{
    static const char *const keys[] = { "sender_id", "user_id", "userId" };
    bool yes = false;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        yes = yes || (user_id.n > 0 && sv_eq(json_sv(of, keys[i]), user_id));
    return yes;
}

/* When the first thing that it tells of was received; 0: it does not say. */
static int64_t received_ms(const json_t *of)
{
    const json_t *first = json_object_get(of, "message");
    if (first == NULL)
        first = json_array_get(json_object_get(of, "messages"), 0);
    int64_t ms = json_i64(first, "received", 0);
    return ms > 0 ? ms : json_i64(of, "at", 0);
}

static bool is_doomed(struct sweep *s, struct sv text)
{
    json_t *letter = json_read_in(s->a, text, false, NULL);
    bool turn = sv_eq(json_sv(letter, "type"), SV("turn"));
    json_t *of = turn ? letter : json_object_get(letter, "item");
    if (!json_is_object(of))
        return stands_in(s, text);
    struct sv id = json_sv(of, "conversation_id").p != NULL ? json_sv(of, "conversation_id") : json_sv(of, "session_id");
    const int64_t *at_ms = id.n > 0 ? map_find(s->what.sessions, id) : NULL;
    int64_t ms = received_ms(of);
    return (at_ms != NULL && ms <= *at_ms) || (ms <= s->what.user_at_ms && names_user(of, s->what.user_id));
}

/* ---- a page ---- */

static void dropped(void *arg, enum store_status status, const struct store_letter *letters, size_t n)
{
    struct sweep *s = arg;
    (void)letters;
    s->down = s->down || status != STORE_DONE;
    s->dropped += status == STORE_DONE && n > 0;
    if (--s->open > 0)
        return;
    if (s->down || !s->more)
        end(s);
    else
        next_page(s);
}

static void page_done(void *arg)
{
    struct sweep *s = arg;
    s->dropped--; /* none of the letters: the page itself */
    dropped(s, STORE_DONE, NULL, 1);
}

static void drop_all(struct sweep *s)
{
    s->open = s->doomed_n + 1;
    for (size_t i = 0; i < s->doomed_n; i++) {
        const struct store_letters what = { .op = STORE_LETTERS_DROP, .id = s->doomed[i] };
        store_letters(s->t->o.store, &what, dropped, s);
    }
    loop_soon(s->t->o.loop, page_done, s);
}

static void listed(void *arg, enum store_status status, const struct store_letter *letters, size_t n)
{
    struct sweep *s = arg;
    s->doomed = arena_array(s->a, n + 1, sizeof(*s->doomed));
    s->doomed_n = 0;
    s->down = status != STORE_DONE || s->doomed == NULL;
    s->more = !s->down && n > 0 && (n == PAGE || letters[n - 1].item.n == 0);
    for (size_t i = 0; !s->down && i < n; i++) {
        if (letters[i].item.n == 0 && i > 0) /* it begins the next page */
            break;
        snprintf(s->after, sizeof(s->after), "%.*s", SV_FMT(letters[i].id));
        if (!is_doomed(s, letters[i].item))
            continue;
        s->doomed[s->doomed_n] = arena_sv(s->a, letters[i].id);
        s->down = s->doomed[s->doomed_n++].p == NULL;
    }
    if (s->down)
        end(s);
    else
        drop_all(s);
}

static void next_page(struct sweep *s)
{
    const struct store_letters what = { .op = STORE_LETTERS_LIST, .id = s->after[0] != '\0' ? sv_from(s->after) : SV_NONE, .max = PAGE };
    arena_reset(s->a);
    store_letters(s->t->o.store, &what, listed, s);
}

/* ---- the beginning ---- */

struct refusal {
    erase_letters_fn *fn;
    void *arg;
};

static void refuse(void *arg)
{
    struct refusal r = *(struct refusal *)arg;
    free(arg);
    r.fn(r.arg, STORE_FULL, 0);
}

void erase_letters(struct turns *t, const struct erase_letters *what, erase_letters_fn *fn, void *arg)
{
    struct sweep *s = malloc(sizeof(*s));
    struct arena *a = arena_new(0, SCRATCH_CAP);
    if (s == NULL || a == NULL) {
        struct refusal *r = malloc(sizeof(*r));
        if (r == NULL)
            abort(); /* as loop_soon would */
        *r = (struct refusal){ fn, arg };
        free(s);
        arena_free(a);
        loop_soon(t->o.loop, refuse, r);
        return;
    }
    *s = (struct sweep){ .t = t, .a = a, .what = *what, .fn = fn, .arg = arg };
    t->transactions++;
    next_page(s);
}
