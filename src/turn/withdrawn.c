/* SPDX-License-Identifier: MIT
 * Which messages are still to be answered when some are about others. Most turns have none that is: those cost one look at each item. */
#include "config.h"

#include "turn/message.h"
#include "turn/withdrawn.h"

struct item {
    struct sv id, about; /* SV_NONE: none */
    bool edits, removes;
    int64_t number;  /* of the edit that it is; 0: the first, or it does not say */
    size_t answered; /* replies that stand before it */
};

/* False: memory is short. */
static bool read_about(struct arena *a, struct sv raw, struct item *item)
{
    struct sv metadata = json_raw_member(raw, "metadata");
    struct sv edits = json_raw_member(metadata, "edits"), removes = json_raw_member(metadata, "removes");
    struct sv about = removes.p != NULL ? removes : edits;

    item->number = message_edit_number(metadata);
    if (about.n < 2 || about.p[0] != '"')
        return true;
    item->about = message_text(a, about);
    item->removes = item->about.p != NULL && removes.p != NULL;
    item->edits = item->about.p != NULL && !item->removes;
    return item->about.p != NULL;
}

static bool is_reply(struct sv raw)
{
    struct message_item m;
    struct err e;

    return message_look(raw, &m, &e) == 0 && sv_eq(m.role, SV("assistant"));
}

/* The message that it is, or is an edit of. */
static struct sv subject(const struct item *item)
{
    return item->edits ? item->about : item->id;
}

/* By the one at k: the i-th, which stands in the same stretch. */
static bool withdraws(const struct item *items, size_t k, size_t i)
{
    const struct item *by = &items[k], *of = &items[i];

    if (i == k || of->answered != by->answered)
        return false;
    if (by->removes)
        return sv_eq(of->id, by->about) || sv_eq(subject(of), by->about);
    return subject(by).n > 0 && sv_eq(subject(of), subject(by)) && (by->number > of->number || (by->edits && by->number == of->number && i < k));
}

bool withdrawn_select(struct arena *a, const struct sv *items, size_t n, bool *left)
{
    struct item *list = arena_array(a, n + 1, sizeof(*list));
    size_t answered = 0, about = 0;

    if (list == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        left[i] = true;
        answered += is_reply(items[i]);
        list[i].answered = answered;
        if (!read_about(a, items[i], &list[i]))
            return false;
        about += list[i].about.p != NULL;
    }
    for (size_t i = 0; about > 0 && i < n; i++) {
        struct sv id = json_raw_member(items[i], "message_id");
        list[i].id = id.n > 1 ? message_text(a, id) : SV_NONE;
        if (id.n > 1 && id.p[0] == '"' && list[i].id.p == NULL)
            return false;
    }
    for (size_t k = 0; about > 0 && k < n; k++) {
        if (list[k].about.p == NULL && list[k].number == 0)
            continue;
        for (size_t i = 0; i < n; i++)
            left[i] = left[i] && !withdraws(list, k, i);
        left[k] = left[k] && !list[k].removes;
    }
    return true;
}
