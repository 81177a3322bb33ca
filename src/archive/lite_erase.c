/* SPDX-License-Identifier: MIT
 * SQLite has one writer at a time: whoever writes behind an erasure finds it, whoever wrote before it is deleted. The salt is read each time: it is one
 * row, and a restored file has another one. */
#include "config.h"

#include "archive/item_erased.h"
#include "archive/lite_erase.h"
#include "lib/clock.h"

#define ROWS_AT_ONCE 200

/* ---- who was erased ---- */

/* SHA-256 of the salt, the subject, ':' and the name. */
static int hash(struct lite *l, struct arena *a, enum archive_subject subject, struct sv name, unsigned char out[DIGEST_SIZE])
{
    int rc = lite_ask(l, LITE_ERASE_SALT, NULL, 0);
    struct sv salt = rc > 0 ? lite_value(l, LITE_ERASE_SALT, 0) : SV_NONE, word = sv_from(erased_word(subject));
    char *text = salt.p != NULL ? arena_array(a, salt.n + word.n + 1 + name.n, 1) : NULL;

    if (text != NULL) {
        memcpy(text, salt.p, salt.n);
        memcpy(text + salt.n, word.p, word.n);
        text[salt.n + word.n] = ':';
        memcpy(text + salt.n + word.n + 1, name.p, name.n);
        digest_sha256((struct sv){ text, salt.n + word.n + 1 + name.n }, out);
    }
    lite_end(l, LITE_ERASE_SALT);
    return text != NULL ? 0 : -1;
}

static int look_up(struct lite *l, struct arena *a, enum archive_subject subject, struct sv name, int64_t since_ms, int64_t *at_ms)
{
    unsigned char hashed[DIGEST_SIZE];
    const struct lite_arg args[] = { lite_b(hashed, sizeof(hashed)), lite_i(since_ms) };
    int rc;

    *at_ms = ITEM_NEVER_ERASED;
    if (hash(l, a, subject, name, hashed) != 0)
        return -1;
    rc = lite_ask(l, LITE_ERASE_WHEN, args, ARRAY_LEN(args));
    if (rc > 0)
        *at_ms = lite_int(l, LITE_ERASE_WHEN, 0);
    lite_end(l, LITE_ERASE_WHEN);
    return rc < 0 ? -1 : 0;
}

static int younger(struct lite *l, int64_t since_ms)
{
    const struct lite_arg arg = lite_i(since_ms);
    int rc = lite_ask(l, LITE_ERASE_YOUNGER, &arg, 1);

    lite_end(l, LITE_ERASE_YOUNGER);
    return rc;
}

int lite_erased_since(struct lite *l, enum archive_subject subject, struct sv name, int64_t since_ms, int64_t *at_ms)
{
    struct arena *a;
    int rc = younger(l, since_ms);

    *at_ms = ITEM_NEVER_ERASED;
    if (rc <= 0)
        return rc;
    a = arena_new(0, name.n + 65536);
    rc = a != NULL ? look_up(l, a, subject, name, since_ms, at_ms) : -1;
    arena_free(a);
    return rc;
}

struct looking {
    struct lite *l;
    struct arena *arena;
    int64_t since_ms;
    bool failed;
};

static void earliest(void *arg, enum archive_subject subject, struct sv name, int64_t since_ms)
{
    struct looking *k = arg;

    (void)subject, (void)name;
    if (since_ms < k->since_ms)
        k->since_ms = since_ms;
}

static int64_t erased(void *arg, enum archive_subject subject, struct sv name)
{
    struct looking *k = arg;
    int64_t at_ms;

    if (k->failed || look_up(k->l, k->arena, subject, name, k->since_ms, &at_ms) != 0) {
        k->failed = true;
        return ITEM_NEVER_ERASED;
    }
    return at_ms;
}

int lite_cut(struct lite *l, struct arena *a, struct item *item)
{
    struct looking k = { .l = l, .arena = a, .since_ms = INT64_MAX };
    int rc;

    item_subjects(item, earliest, &k);
    rc = k.since_ms < INT64_MAX ? younger(l, k.since_ms) : 0;
    if (rc <= 0)
        return rc < 0 ? -1 : 1;
    rc = item_cut(a, item, erased, &k);
    return k.failed ? -1 : rc;
}

/* ---- the erasure ---- */

int lite_erase_say(struct lite *l, struct lite_erasure *e)
{
    unsigned char hashed[DIGEST_SIZE];
    int rc;

    id_uuid7(e->id);
    e->name = item_is_id(e->what.id) ? e->what.id : SV(""); /* nothing of any other can be here */
    if (hash(l, e->tally.arena, e->what.subject, e->name, hashed) != 0)
        return -1;
    const struct lite_arg args[] = { lite_s(sv_from(e->id)), lite_s(sv_from(erased_word(e->what.subject))), lite_b(hashed, sizeof(hashed)),
                                     lite_i(e->what.at_ms), lite_i(clock_wall_ms()) };
    rc = lite_ask(l, LITE_ERASE_SAY, args, ARRAY_LEN(args));
    if (rc > 0) {
        struct sv id = lite_value(l, LITE_ERASE_SAY, 0);
        if (id.n == ID_UUID_SIZE - 1)
            memcpy(e->id, id.p, id.n);
        e->made_ms = lite_int(l, LITE_ERASE_SAY, 1);
        rc = lite_next(l, LITE_ERASE_SAY);
    }
    return rc;
}

struct step {
    unsigned statement;
    size_t args;       /* of name, time, limit, made_at, time of the last message */
    const char *table; /* NULL: nothing goes */
    bool repeats;      /* while it finds ROWS_AT_ONCE */
};
static const struct step of_session[] = {
    { LITE_ERASE_MESSAGES, 3, "messages", true },
    { LITE_ERASE_ACTIONS, 3, "message_actions", true },
    { LITE_ERASE_JOBS, 3, "jobs", true },
    { LITE_ERASE_ORPHANS, 1, "message_actions", false },
    { LITE_ERASE_SESSIONS, 2, "chat_sessions", false },
    { LITE_ERASE_CONVERSATION, 1, "conversations", false },
    { LITE_ERASE_RECOUNT, 5, NULL, false },
    { LITE_ERASE_SESSION, 2, NULL, false },
    { LITE_ERASE_SAID_HERE, 2, "customers", false },
    { LITE_ERASE_SAID_HERE_TOO, 2, "customers", false },
    { LITE_ERASE_LETTERS, 4, "dead_letters", false },
};
static const struct step of_user[] = {
    { LITE_ERASE_CUSTOMER, 2, "customers", false },
    { LITE_ERASE_CUSTOMER_TOO, 2, "customers", false },
    { LITE_ERASE_PREFERENCES, 4, "user_preferences", false },
    { LITE_ERASE_FOLD, 2, NULL, false },
    { LITE_ERASE_FIGURES, 1, "daily_analytics", false },
};

static size_t steps_of(const struct lite_erasure *e, const struct step **steps)
{
    switch (e->what.subject) {
    case ARCHIVE_SESSION:
        *steps = of_session;
        return ARRAY_LEN(of_session);
    case ARCHIVE_USER:
        *steps = of_user;
        return ARRAY_LEN(of_user);
    }
    return 0;
}

/* The time of the last message that is left; 0: none is. */
static int last_ms(struct lite *l, const struct lite_erasure *e, int64_t *ms)
{
    const struct lite_arg name = lite_s(e->name);
    int rc = lite_ask(l, LITE_ERASE_LAST, &name, 1);

    *ms = rc > 0 ? item_uuid_ms(lite_value(l, LITE_ERASE_LAST, 0)) : 0;
    lite_end(l, LITE_ERASE_LAST);
    return rc < 0 ? -1 : 0;
}

/* Rows of messages and jobs say their ids, and whether those are asked for. */
static int take_ids(struct lite *l, struct lite_erasure *e, const struct step *s, const struct lite_arg *args, int64_t *went)
{
    struct erase_ids *ids = s->statement == LITE_ERASE_JOBS ? &e->tally.jobs : &e->tally.messages;
    int rc;

    for (rc = lite_ask(l, s->statement, args, s->args); rc > 0; rc = lite_next(l, s->statement)) {
        ++*went;
        if (lite_int(l, s->statement, 1) != 0 && erase_tally_id(&e->tally, ids, lite_value(l, s->statement, 0)) != 0) {
            lite_end(l, s->statement);
            return -1;
        }
    }
    return rc;
}

/* *went: how many rows. */
static int take_step(struct lite *l, struct lite_erasure *e, const struct step *s, int64_t *went)
{
    int64_t last = 0;

    *went = 0;
    if (s->statement == LITE_ERASE_RECOUNT && last_ms(l, e, &last) != 0)
        return -1;
    const struct lite_arg args[] = { lite_s(e->name), lite_i(e->what.at_ms), lite_i(ROWS_AT_ONCE), lite_i(e->made_ms), lite_i(last) };
    if (s->statement == LITE_ERASE_JOBS || s->statement == LITE_ERASE_MESSAGES)
        return take_ids(l, e, s, args, went);
    if (lite_do(l, s->statement, args, s->args) != 0)
        return -1;
    *went = lite_changes(l);
    return 0;
}

static int tell(struct lite *l, struct lite_erasure *e, const char *table, int64_t n)
{
    struct sv counts;

    if (erase_tally_rows(&e->tally, sv_from(table), n) != 0)
        return -1;
    if (n == 0)
        return 0;
    if (lite_do(l, LITE_ERASE_DUE, NULL, 0) != 0)
        return -1;
    counts = arena_printf(e->tally.arena, "{\"%s\":%lld}", table, (long long)n);
    return counts.p != NULL ? lite_erase_receipt(l, sv_from(e->id), counts) : -1;
}

/* Others may have deleted some of it who were told the same. */
static int take_receipt(struct lite *l, struct lite_erasure *e)
{
    const struct lite_arg id = lite_s(sv_from(e->id));
    int rc;

    for (rc = lite_ask(l, LITE_ERASE_TOLD, &id, 1); rc > 0; rc = lite_next(l, LITE_ERASE_TOLD))
        erase_tally_in_all(&e->tally, lite_value(l, LITE_ERASE_TOLD, 0), lite_int(l, LITE_ERASE_TOLD, 1));
    lite_end(l, LITE_ERASE_TOLD);
    return rc;
}

int lite_erase_some(struct lite *l, struct lite_erasure *e)
{
    const struct step *steps;
    size_t n = steps_of(e, &steps);

    while (e->step < n) {
        const struct step *s = &steps[e->step];
        int64_t went;
        if (take_step(l, e, s, &went) != 0 || (s->table != NULL && tell(l, e, s->table, went) != 0))
            return -1;
        if (s->repeats && went == ROWS_AT_ONCE)
            return 1;
        e->step++;
    }
    if (take_receipt(l, e) != 0)
        return -1;
    n = lite_ask(l, LITE_ERASE_IS_DUE, NULL, 0) > 0;
    e->wipe = n > 0 && lite_int(l, LITE_ERASE_IS_DUE, 0) != 0;
    lite_end(l, LITE_ERASE_IS_DUE);
    return n > 0 ? 0 : -1;
}

static int known(struct lite *l, struct lite_erasure *e, unsigned statement, struct erase_ids *ids)
{
    const struct lite_arg args[] = { lite_s(e->what.id), lite_i(e->what.at_ms) };
    int rc;

    for (rc = lite_ask(l, statement, args, ARRAY_LEN(args)); rc > 0; rc = lite_next(l, statement)) {
        if (erase_tally_id(&e->tally, ids, lite_value(l, statement, 0)) != 0)
            break;
    }
    lite_end(l, statement);
    return rc == 0 ? 0 : -1;
}

int lite_erase_ids(struct lite *l, struct lite_erasure *e)
{
    if (!item_is_id(e->what.id))
        return 0;
    return known(l, e, LITE_ERASE_KNOWN_MESSAGES, &e->tally.messages) == 0 && known(l, e, LITE_ERASE_KNOWN_JOBS, &e->tally.jobs) == 0 ? 0 : -1;
}

int lite_erase_receipt(struct lite *l, struct sv erasure_id, struct sv counts)
{
    const struct lite_arg args[] = { lite_s(erasure_id), lite_s(counts) };

    return lite_do(l, LITE_ERASE_RECEIPT, args, ARRAY_LEN(args));
}
