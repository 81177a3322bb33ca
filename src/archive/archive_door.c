/* SPDX-License-Identifier: MIT
 * Each function reads one member. Reasons name the member and say what it should be; they never quote what it is. */
#include "config.h"

#include "archive/archive_door.h"
#include "archive/archive_item.h"

int door_refuse(const struct door *d, const struct door_place *at, const char *member, const char *what)
{
    if (at->list == NULL)
        return err_set(d->e, ERR_INVALID, "%s: %s", member, what);
    return err_set(d->e, ERR_INVALID, "%s[%zu].%s: %s", at->list, at->index, member, what);
}

bool door_is_plain(struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return true;
}

bool door_absent(const struct door *d, scan_at v)
{
    return v == SCAN_NONE || scan_is(&d->scan, v, SCAN_NULL);
}

int door_string(struct door *d, scan_at v, struct sv *out)
{
    *out = SV_NONE;
    if (!scan_is(&d->scan, v, SCAN_STRING))
        return 0;
    *out = scan_string(&d->scan, v, d->arena);
    return out->p != NULL ? 0 : err_set(d->e, ERR_MEMORY, "out of memory");
}

int door_id(struct door *d, scan_at object, const char *key, const struct door_place *at, struct sv *out)
{
    if (door_string(d, scan_member(&d->scan, object, key), out) != 0)
        return -1;
    if (out->p == NULL)
        return door_refuse(d, at, key, "must be a string");
    if (out->n == 0 || out->n > ITEM_ID_MAX)
        return door_refuse(d, at, key, "must have 1 to 1024 bytes");
    return door_is_plain(*out) ? 0 : door_refuse(d, at, key, "has control characters");
}

int door_count(struct door *d, scan_at object, const char *key, const struct door_place *at, int64_t max, int64_t *out)
{
    scan_at v = scan_member(&d->scan, object, key);
    int64_t n = -1;

    *out = 0;
    if (door_absent(d, v))
        return 0;
    if (scan_is(&d->scan, v, SCAN_NUMBER) && !scan_i64(&d->scan, v, &n)) {
        double f = scan_f64(&d->scan, v);
        n = f >= 0 && f < 9e15 ? (int64_t)f : -1;
    }
    if (n < 0 || n > max)
        return door_refuse(d, at, key, "must be a number that is not negative, nor too large");
    *out = n;
    return 0;
}

int door_ms(struct door *d, scan_at object, const char *key, const struct door_place *at, int64_t fallback, int64_t *out)
{
    scan_at v = scan_member(&d->scan, object, key);
    int64_t ms;

    *out = fallback;
    if (v == SCAN_NONE && fallback >= 0)
        return 0;
    if (!scan_is(&d->scan, v, SCAN_NUMBER))
        return door_refuse(d, at, key, "must be a number of milliseconds");
    if (!scan_i64(&d->scan, v, &ms)) {
        double f = scan_f64(&d->scan, v);
        ms = f <= 0 ? 0 : f >= (double)DOOR_MS_MAX ? DOOR_MS_MAX : (int64_t)f;
    }
    *out = ms < 0 ? 0 : ms > DOOR_MS_MAX ? DOOR_MS_MAX : ms;
    return 0;
}

int door_text(struct door *d, scan_at object, const char *key, const struct door_place *at, size_t max, struct sv *out)
{
    scan_at v = scan_member(&d->scan, object, key);

    *out = SV_NONE;
    if (door_absent(d, v))
        return 0;
    if (door_string(d, v, out) != 0)
        return -1;
    if (out->p == NULL)
        return door_refuse(d, at, key, "must be a string");
    *out = sv_cut_utf8(*out, max);
    return 0;
}

int door_json(struct door *d, scan_at object, const char *key, const struct door_place *at, enum scan_type type, struct sv *out)
{
    scan_at v = scan_member(&d->scan, object, key);

    *out = SV_NONE;
    if (door_absent(d, v))
        return 0;
    if (!scan_is(&d->scan, v, type))
        return door_refuse(d, at, key, type == SCAN_OBJECT ? "must be an object" : "must be an array");
    *out = scan_raw(&d->scan, v);
    return 0;
}

const char *door_word(const struct door *d, scan_at object, const char *key, const char *const *words, size_t n)
{
    scan_at v = scan_member(&d->scan, object, key);

    for (size_t i = 0; i < n && scan_is(&d->scan, v, SCAN_STRING); i++) {
        struct sv raw = scan_raw(&d->scan, v);
        if (sv_eq((struct sv){ raw.p + 1, raw.n - 2 }, sv_from(words[i])))
            return words[i];
    }
    return NULL;
}

int door_object(const struct door *d, scan_at v, const struct door_place *at)
{
    if (!scan_is(&d->scan, v, SCAN_OBJECT))
        return door_refuse(d, at, "*", "must be an object");
    return scan_unique(&d->scan, v) ? 0 : door_refuse(d, at, "*", "has a member twice, or more than 64");
}
