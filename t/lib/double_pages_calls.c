/* SPDX-License-Identifier: MIT
 * See double_pages_calls.h. One list, in order of arrival. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "t/lib/double_pages_calls.h"

enum { SECOND_US = 1000000 };

struct record {
    enum pages_kind kind;
    char *page, *conversation, *text, *id; /* the last three may be NULL */
    int64_t at_us, end_us;                 /* end 0: not yet */
    int status;                            /* 0: not answered, or cut */
    bool counted, limited, closed_early;
};

struct page_calls {
    struct record *list;
    size_t n, size;
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

struct page_calls *page_calls_new(void)
{
    struct page_calls *s = calloc(1, sizeof *s);
    if (s == NULL)
        abort();
    return s;
}

void page_calls_clear(struct page_calls *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->list[i].page);
        free(s->list[i].conversation);
        free(s->list[i].text);
        free(s->list[i].id);
    }
    free(s->list);
    *s = (struct page_calls){ 0 };
}

void page_calls_free(struct page_calls *s)
{
    page_calls_clear(s);
    free(s);
}

size_t page_calls_add(struct page_calls *s, enum pages_kind kind, struct sv page, struct sv conversation)
{
    if (s->n == s->size) {
        s->size = s->size > 0 ? s->size * 2 : 256;
        s->list = realloc(s->list, s->size * sizeof *s->list);
        if (s->list == NULL)
            abort();
    }
    s->list[s->n] = (struct record){
        .kind = kind, .page = copy(page), .conversation = conversation.n > 0 ? copy(conversation) : NULL, .at_us = clock_mono_us()
    };
    return s->n++;
}

bool page_calls_allow(struct page_calls *s, size_t call, int64_t limit)
{
    struct record *this = &s->list[call];
    int64_t counted = 0;
    for (size_t i = call; i > 0 && limit > 0; i--) {
        const struct record *r = &s->list[i - 1];
        if (this->at_us - r->at_us >= SECOND_US)
            break;
        if (r->counted && strcmp(r->page, this->page) == 0)
            counted++;
    }
    this->counted = limit == 0 || counted < limit;
    this->limited = !this->counted;
    return this->counted;
}

void page_calls_wrote(struct page_calls *s, size_t call, struct sv text, struct sv id)
{
    struct record *r = &s->list[call];
    if (text.n > 0) {
        free(r->text);
        r->text = copy(sv_cut_utf8(text, 120));
    }
    if (id.n > 0) {
        free(r->id);
        r->id = copy(id);
    }
}

void page_calls_ends(struct page_calls *s, size_t call, int status, bool closed_early)
{
    if (call >= s->n) /* it has been forgotten */
        return;
    s->list[call].status = status;
    s->list[call].closed_early = closed_early;
    s->list[call].end_us = clock_mono_us();
}

static bool fits(const char *is, struct sv want)
{
    return want.n == 0 || (is != NULL && sv_eq(sv_from(is), want));
}

void page_calls_write(const struct page_calls *s, struct json_out *o, struct sv page, struct sv conversation)
{
    json_arr(o);
    for (size_t i = 0; i < s->n; i++) {
        const struct record *r = &s->list[i];
        if (!fits(r->page, page) || !fits(r->conversation, conversation))
            continue;
        json_obj(o);
        json_kint(o, "n", (int64_t)i);
        json_kstr(o, "call", sv_from(rules_kind_name(r->kind)));
        json_kstr(o, "page", sv_from(r->page));
        json_kstr(o, "conversation_id", sv_from(r->conversation));
        json_kint(o, "at_us", r->at_us);
        json_kint(o, "end_us", r->end_us);
        json_kint(o, "status", r->status);
        json_kbool(o, "limited", r->limited);
        json_kbool(o, "closed_early", r->closed_early);
        json_kstr(o, "text", sv_from(r->text));
        json_kstr(o, "id", sv_from(r->id));
        json_obj_end(o);
    }
    json_arr_end(o);
}

struct figures {
    int64_t of[PAGES_ANY + 1], limited, unauthorized, max_in_second, first_us, last_us;
};

static void count(const struct page_calls *s, struct sv page, struct figures *f)
{
    size_t begin = 0;
    int64_t within = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct record *r = &s->list[i];
        if (!fits(r->page, page))
            continue;
        f->of[r->kind]++;
        f->of[PAGES_ANY]++;
        f->limited += r->limited;
        f->unauthorized += r->status == 401;
        f->first_us = f->first_us == 0 ? r->at_us : f->first_us;
        f->last_us = r->at_us;
        for (within++; r->at_us - s->list[begin].at_us >= SECOND_US; begin++)
            within -= fits(s->list[begin].page, page);
        if (within > f->max_in_second)
            f->max_in_second = within;
    }
}

void page_calls_stats(const struct page_calls *s, struct json_out *o, struct sv page, int64_t late_ms)
{
    struct figures f = { 0 };
    count(s, page, &f);
    json_obj(o);
    json_kint(o, "calls", f.of[PAGES_ANY]);
    json_kint(o, "sends", f.of[PAGES_SEND]);
    json_kint(o, "reads", f.of[PAGES_READ]);
    json_kint(o, "lists", f.of[PAGES_LIST]);
    json_kint(o, "limited", f.limited);
    json_kint(o, "unauthorized", f.unauthorized);
    json_kint(o, "max_in_second", f.max_in_second);
    json_kint(o, "first_us", f.first_us);
    json_kint(o, "last_us", f.last_us);
    json_kint(o, "late_ms", late_ms);
    json_obj_end(o);
}
