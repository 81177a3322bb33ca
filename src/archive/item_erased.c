/* SPDX-License-Identifier: MIT
 * A reply stays with what is left of its turn: it was said to the messages that came after the erasure, too. */
#include "config.h"

#include "archive/item_erased.h"

const char *erased_word(enum archive_subject subject)
{
    switch (subject) {
    case ARCHIVE_SESSION:
        return "session";
    case ARCHIVE_USER:
        return "user";
    }
    return NULL;
}

static bool is_user(const struct item_message *m)
{
    return strcmp(m->sender_type, "user") == 0;
}

void item_subjects(const struct item *item, item_subject_fn *fn, void *arg)
{
    int64_t since_ms = INT64_MAX;
    const struct item_message *m = item->messages, *end = m + item->messages_n;

    for (; m < end; m++)
        if (m->received_ms < since_ms)
            since_ms = m->received_ms;
    if (item->messages_n > 0)
        fn(arg, ARCHIVE_SESSION, item->conversation_id, since_ms);
    else if (item->state != NULL || item->customer != NULL)
        fn(arg, ARCHIVE_SESSION, item->conversation_id, item->at_ms);
    for (m = item->messages; m < end; m++) {
        const struct item_message *first = m;
        since_ms = m->received_ms;
        for (; m + 1 < end && strcmp(m[1].sender_type, first->sender_type) == 0 && sv_eq(m[1].sender_id, first->sender_id); m++)
            if (m[1].received_ms < since_ms)
                since_ms = m[1].received_ms;
        if (is_user(first))
            fn(arg, ARCHIVE_USER, first->sender_id, since_ms);
    }
    if (item->customer != NULL)
        fn(arg, ARCHIVE_USER, item->customer->sender_id, item->at_ms);
}

static int cut_messages(struct arena *a, struct item *item, int64_t session_ms, item_erased_fn *fn, void *arg)
{
    struct item_message *left = arena_array(a, item->messages_n, sizeof(*left));
    struct sv user = SV_NONE;
    int64_t user_ms = ITEM_NEVER_ERASED;
    size_t n = 0, newest = 0;

    if (left == NULL)
        return -1;
    for (size_t i = 0; i < item->messages_n; i++) {
        const struct item_message *m = &item->messages[i];
        if (is_user(m) && (user.p == NULL || !sv_eq(user, m->sender_id))) {
            user = m->sender_id;
            user_ms = fn(arg, ARCHIVE_USER, user);
        }
        if (m->received_ms <= session_ms || (is_user(m) && m->received_ms <= user_ms))
            continue;
        if (n > 0 && m->seq >= left[newest].seq)
            newest = n;
        left[n++] = *m;
    }
    item->messages = left;
    item->messages_n = n;
    item->newest = newest;
    return n > 0;
}

int item_cut(struct arena *a, struct item *item, item_erased_fn *fn, void *arg)
{
    bool task = item->state != NULL || item->customer != NULL;
    int64_t session_ms;

    if (item->messages_n == 0 && !task)
        return 1;
    session_ms = fn(arg, ARCHIVE_SESSION, item->conversation_id);
    if (item->messages_n > 0)
        return cut_messages(a, item, session_ms, fn, arg);
    if (item->at_ms <= session_ms)
        return 0;
    return item->customer == NULL || item->at_ms > fn(arg, ARCHIVE_USER, item->customer->sender_id);
}
