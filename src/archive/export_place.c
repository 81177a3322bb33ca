/* SPDX-License-Identifier: MIT
 * A letter for the table, of actions the number, ':' and the key as it is. */
#include "config.h"

#include "archive/archive_item.h"
#include "archive/export_place.h"
#include "archive/history_entry.h"

static const char letters[EXPORT_TABLES] = { 's', 'm', 'a', 'j', 'c', 'p', 'f' };

static enum export_table first_of(bool session)
{
    return session ? EXPORT_SESSION : EXPORT_CUSTOMER;
}

static bool is_of_session(enum export_table t)
{
    return t < EXPORT_CUSTOMER;
}

/* Of a key that is compared as a UUID or a day the form is known; others are any text. */
static bool is_key(enum export_table table, struct sv key)
{
    unsigned char uuid[ITEM_UUID_BYTES];

    if (key.n == 0)
        return true;
    switch (table) {
    case EXPORT_MESSAGES:
    case EXPORT_ACTIONS:
    case EXPORT_JOBS:
        return item_uuid_parse(key, uuid);
    case EXPORT_SESSION:
    case EXPORT_CUSTOMER:
        return false; /* one row */
    case EXPORT_FIGURES:
        return history_is_day(key);
    case EXPORT_PREFERENCES:
        return memchr(key.p, '\0', key.n) == NULL && sv_is_utf8(key);
    }
    return false;
}

bool export_place_read(const struct archive_export *what, struct export_place *out)
{
    bool session = what->session_id.p != NULL;
    struct sv key = what->position, head;
    const char *letter;

    *out = (struct export_place){ .table = first_of(session), .key = SV(""), .position = -1 };
    if (key.n == 0)
        return true;
    head = sv_split(&key, ':');
    letter = head.n > 0 ? memchr(letters, head.p[0], sizeof(letters)) : NULL;
    if (letter == NULL || key.p == NULL)
        return false;
    out->table = (enum export_table)(letter - letters);
    out->key = key;
    if (out->table == EXPORT_ACTIONS && key.n > 0 && !sv_to_i64((struct sv){ head.p + 1, head.n - 1 }, &out->position))
        return false;
    return is_of_session(out->table) == session && is_key(out->table, key);
}

struct sv export_place_write(struct arena *a, const struct export_place *p)
{
    if (p->table == EXPORT_ACTIONS && p->key.n > 0)
        return arena_printf(a, "%c%lld:%.*s", letters[p->table], (long long)p->position, SV_FMT(p->key));
    return arena_printf(a, "%c:%.*s", letters[p->table], SV_FMT(p->key));
}

bool export_place_next(struct export_place *p)
{
    if (p->table == EXPORT_JOBS || p->table == EXPORT_FIGURES)
        return false;
    *p = (struct export_place){ .table = p->table + 1, .key = SV(""), .position = -1 };
    return true;
}
