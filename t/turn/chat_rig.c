/* SPDX-License-Identifier: MIT
 * See chat_rig.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/clock.h"
#include "t/tap.h"
#include "t/turn/chat_rig.h"
#include "t/turn/history_ask.h"

const char *chat_cache = "";

/* ---- the gate ---- */

/* An answer of an archive that is away. */
struct nothing {
    archive_context_fn *context;
    archive_message_fn *outcome; /* of a message or job */
    archive_session_fn *session;
    archive_page_fn *page;
    archive_sessions_fn *sessions;
    archive_figures_fn *figures;
    archive_pairs_fn *pairs;
    archive_done_fn *done;
    archive_erased_fn *erased;
    archive_ids_fn *ids;
    archive_export_fn *export;
    void *arg;
};

static void say_nothing(void *arg)
{
    struct nothing n = *(struct nothing *)arg;

    free(arg);
    if (n.context != NULL)
        n.context(n.arg, ARCHIVE_DOWN, NULL, 0);
    if (n.outcome != NULL)
        n.outcome(n.arg, ARCHIVE_DOWN, SV_NONE);
    if (n.session != NULL)
        n.session(n.arg, ARCHIVE_DOWN, SV_NONE, SV_NONE);
    if (n.page != NULL)
        n.page(n.arg, ARCHIVE_DOWN, NULL);
    if (n.sessions != NULL)
        n.sessions(n.arg, ARCHIVE_DOWN, NULL, 0);
    if (n.figures != NULL)
        n.figures(n.arg, ARCHIVE_DOWN, NULL, 0);
    if (n.pairs != NULL)
        n.pairs(n.arg, ARCHIVE_DOWN, NULL, 0);
    if (n.done != NULL)
        n.done(n.arg, ARCHIVE_DOWN);
    if (n.erased != NULL)
        n.erased(n.arg, ARCHIVE_DOWN, NULL);
    if (n.ids != NULL)
        n.ids(n.arg, ARCHIVE_DOWN, NULL, 0);
    if (n.export != NULL)
        n.export(n.arg, ARCHIVE_DOWN, NULL, 0, SV_NONE);
}

/* The real archive, or NULL: it is away, and `what` is told. */
static struct archive *pass(struct archive *a, struct nothing what)
{
    struct gate *g = (struct gate *)(void *)a;
    struct nothing *n;

    if (!g->away)
        return g->real;
    n = malloc(sizeof(*n));
    if (n == NULL)
        abort();
    *n = what;
    loop_soon(g->loop, say_nothing, n);
    return NULL;
}

static void context(struct archive *a, struct sv id, size_t max, archive_context_fn *fn, void *arg)
{
    if ((a = pass(a, (struct nothing){ .context = fn, .arg = arg })) != NULL)
        archive_context(a, id, max, fn, arg);
}

static void message(struct archive *a, struct sv id, struct sv message_id, archive_message_fn *fn, void *arg)
{
    if ((a = pass(a, (struct nothing){ .outcome = fn, .arg = arg })) != NULL)
        archive_message(a, id, message_id, fn, arg);
}

static void job(struct archive *a, struct sv id, archive_job_fn *fn, void *arg)
{
    if ((a = pass(a, (struct nothing){ .outcome = fn, .arg = arg })) != NULL)
        archive_job(a, id, fn, arg);
}

static void session(struct archive *a, struct sv id, int64_t before_ms, archive_session_fn *fn, void *arg)
{
    if ((a = pass(a, (struct nothing){ .session = fn, .arg = arg })) != NULL)
        archive_session(a, id, before_ms, fn, arg);
}

static void customer(struct archive *a, struct sv id, archive_customer_fn *fn, void *arg)
{
    if ((a = pass(a, (struct nothing){ .outcome = fn, .arg = arg })) != NULL)
        archive_customer(a, id, fn, arg);
}

static void page(struct archive *a, const struct archive_page *what, archive_page_fn *fn, void *arg)
{
    if ((a = pass(a, (struct nothing){ .page = fn, .arg = arg })) != NULL)
        archive_history(a, what, fn, arg);
}

static void sessions(struct archive *a, struct sv user_id, size_t max, archive_sessions_fn *fn, void *arg)
{
    if ((a = pass(a, (struct nothing){ .sessions = fn, .arg = arg })) != NULL)
        archive_user_sessions(a, user_id, max, fn, arg);
}

static void figures(struct archive *a, struct sv from, struct sv to, bool users, archive_figures_fn *fn, void *arg)
{
    if ((a = pass(a, (struct nothing){ .figures = fn, .arg = arg })) != NULL)
        archive_figures(a, from, to, users, fn, arg);
}

static void preferences(struct archive *a, struct sv user_id, archive_pairs_fn *fn, void *arg)
{
    if ((a = pass(a, (struct nothing){ .pairs = fn, .arg = arg })) != NULL)
        archive_preferences(a, user_id, fn, arg);
}

static void preferences_put(struct archive *a, struct sv user_id, const struct archive_pair *pairs, size_t n, archive_done_fn *fn, void *arg)
{
    if ((a = pass(a, (struct nothing){ .done = fn, .arg = arg })) != NULL)
        archive_preferences_put(a, user_id, pairs, n, fn, arg);
}

struct held {
    struct archive_erase what;
    archive_erased_fn *fn;
    void *arg;
    char id[STORE_ID_MAX + 1];
};

static void erase(struct archive *a, const struct archive_erase *what, archive_erased_fn *fn, void *arg)
{
    struct gate *g = (struct gate *)(void *)a;

    if (g->holds) {
        struct held *h = calloc(1, sizeof(*h));
        if (h == NULL || g->held != NULL || what->id.n >= sizeof(h->id))
            bail_out("an erasure cannot be held");
        *h = (struct held){ .what = *what, .fn = fn, .arg = arg };
        memcpy(h->id, what->id.p, what->id.n);
        h->what.id.p = h->id;
        g->held = h;
        return;
    }
    if ((a = pass(a, (struct nothing){ .erased = fn, .arg = arg })) != NULL)
        archive_erase(a, what, fn, arg);
}

static void erase_ids(struct archive *a, struct sv id, int64_t at_ms, archive_erased_fn *fn, void *arg)
{
    if ((a = pass(a, (struct nothing){ .erased = fn, .arg = arg })) != NULL)
        archive_erase_ids(a, id, at_ms, fn, arg);
}

static void receipt(struct archive *a, struct sv id, struct sv counts, archive_done_fn *fn, void *arg)
{
    if ((a = pass(a, (struct nothing){ .done = fn, .arg = arg })) != NULL)
        archive_receipt(a, id, counts, fn, arg);
}

static void user_ids(struct archive *a, struct sv user_id, struct sv after, size_t max, archive_ids_fn *fn, void *arg)
{
    if ((a = pass(a, (struct nothing){ .ids = fn, .arg = arg })) != NULL)
        archive_user_ids(a, user_id, after, max, fn, arg);
}

static void export(struct archive *a, const struct archive_export *what, archive_export_fn *fn, void *arg)
{
    if ((a = pass(a, (struct nothing){ .export = fn, .arg = arg })) != NULL)
        archive_export(a, what, fn, arg);
}

static bool is_up(const struct archive *a)
{
    return !((const struct gate *)(const void *)a)->away;
}

static const struct archive_history_ops history_ops = { .page = page, .sessions = sessions, .figures = figures, .preferences = preferences,
                                                        .preferences_put = preferences_put, .erase = erase, .erase_ids = erase_ids, .receipt = receipt,
                                                        .ids = user_ids, .export = export };
static const struct archive_ops ops = { .name = "Gate", .history = &history_ops, .context = context, .message = message, .job = job,
                                        .session = session, .customer = customer, .is_up = is_up };

/* ---- the rig ---- */

void chat_file_make(char path[64])
{
    const char *top = getenv("top_srcdir");
    char dir[256];
    int applied;
    struct err e = { 0 };

    (void)snprintf(path, 64, "/tmp/chat-rig.XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0 || close(fd) != 0)
        bail_out("no temporary file");
    (void)snprintf(dir, sizeof(dir), "%s/sql/sqlite", top != NULL ? top : ".");
    if (migrate_sqlite(path, dir, &applied, &e) != 0)
        bail_out("no tables: %s", e.text);
}

void chat_file_remove(const char *path)
{
    char beside[80];

    (void)unlink(path);
    (void)snprintf(beside, sizeof(beside), "%s.lock", path);
    (void)unlink(beside);
    (void)snprintf(beside, sizeof(beside), "%s-journal", path);
    (void)unlink(beside);
}

void chat_open(struct chat_rig *c, const char *path, unsigned failing)
{
    struct err e;

    rig_open_failing(&c->r, &rig_policy, failing, false);
    c->gate = (struct gate){ .archive = { &ops }, .loop = c->r.loop };
    if (path == NULL)
        return;
    c->gate.real = archive_sqlite_open(c->r.loop, path, &e);
    if (c->gate.real == NULL)
        bail_out("no archive: %s", e.text);
    turns_free(c->r.turns);
    c->r.options.archive = &c->gate.archive;
    c->r.turns = turns_new(&c->r.options, &e);
    if (c->r.turns == NULL)
        bail_out("no engine");
}

void chat_close(struct chat_rig *c)
{
    turns_free(c->r.turns);
    c->r.turns = NULL;
    if (c->gate.real != NULL)
        archive_close(c->gate.real);
    rig_close(&c->r);
}

void chat_gate_wait(struct chat_rig *c)
{
    for (int i = 0; i < 20000 && c->gate.held == NULL; i++) {
        loop_turn(c->r.loop, false);
        if (i > 300)
            usleep(100);
    }
    if (c->gate.held == NULL)
        bail_out("no erasure comes to the archive");
}

void chat_gate_release(struct chat_rig *c)
{
    struct held *h = c->gate.held;

    c->gate.held = NULL;
    c->gate.holds = false;
    archive_erase(c->gate.real, &h->what, h->fn, h->arg);
    free(h);
}

static void said(void *arg, const struct turn_answer *answer)
{
    *(int *)arg = answer->http_status;
}

void chat_say(struct chat_rig *c, const char *user, const char *session_id, const char *id, const char *text, int64_t timestamp_ms)
{
    struct message m = { .conversation_id = sv_from(session_id), .message_id = sv_from(id), .content = sv_from(text), .sender_id = sv_from(user),
                         .sender_type = SENDER_USER, .timestamp_ms = timestamp_ms };
    struct submit_options o = { .wait_ms = 60000, .respond_async = c->r.ai.hold };
    int *status = calloc(1, sizeof(*status));

    if (status == NULL)
        abort();
    turns_submit(c->r.turns, &m, &o, said, status);
    for (int i = 0; i < 20000 && *status == 0; i++) {
        loop_turn(c->r.loop, false);
        if (i > 300)
            usleep(100);
    }
    if (*status == 0)
        bail_out("a message gets no answer");
    free(status);
}

static void written(void *arg, enum archive_status status, const char *const *verdicts)
{
    size_t *n = arg;

    for (size_t i = 0; status == ARCHIVE_DONE && i < *n; i++)
        if (verdicts[i] != NULL)
            bail_out("an item is refused: %s", verdicts[i]);
    *n = status == ARCHIVE_DONE ? 0 : SIZE_MAX;
}

void chat_write_archive(struct chat_rig *c)
{
    size_t n = history_items(&c->r), left = n;
    struct sv *items = calloc(n + 1, sizeof(*items));

    for (size_t i = 0; i < n; i++)
        items[i] = sv_from(history_item(i));
    if (n > 0)
        archive_write(c->gate.real, items, n, written, &left);
    for (int i = 0; i < 50000 && left != 0 && left != SIZE_MAX; i++) {
        loop_turn(c->r.loop, false);
        usleep(100);
    }
    if (left != 0)
        bail_out("the archive takes nothing");
    free(items);
}

/* ---- questions ---- */

/* asked_fn, for answers that are arrays, too. */
static void answered(void *arg, const struct control_answer *a)
{
    struct asked *q = arg;

    chat_cache = a->cache != NULL ? a->cache : "";
    if (q->http_status != 0)
        bail_out("a reader was answered twice");
    q->http_status = a->http_status;
    (void)snprintf(q->code, sizeof(q->code), "%s", a->code != NULL ? a->code : "");
    q->result = a->result.p != NULL ? json_read(a->result, true, NULL) : NULL;
    if (a->http_status == 200 && q->result == NULL)
        bail_out("an answer that is not JSON: %.*s", SV_FMT(a->result));
}

static void wait_for(struct chat_rig *c, struct asked *q)
{
    if (q->http_status != 0)
        bail_out("an answer from inside the call");
    if (!asked_wait(&c->r, q))
        bail_out("a reader gets no answer");
}

struct chat_who chat_by(const char *user)
{
    return (struct chat_who){ .admin = user == NULL, .user_id = sv_from(user) };
}

struct chat_page chat_page_of(const char *by, const char *user, const char *session_id, int64_t n, int64_t size)
{
    return (struct chat_page){ .who = chat_by(by), .user_id = sv_from(user), .session_id = sv_from(session_id), .page = n, .page_size = size,
                               .from_ms = INT64_MIN, .to_ms = INT64_MAX, .cursor = SV_NONE };
}

void ask_page(struct chat_rig *c, const struct chat_page *p, struct asked *q)
{
    asked_forget(q);
    chat_page(c->r.turns, p, answered, q);
    wait_for(c, q);
}

void ask_session(struct chat_rig *c, const char *by, const char *session_id, struct asked *q)
{
    const struct chat_who who = chat_by(by);

    asked_forget(q);
    chat_session(c->r.turns, &who, sv_from(session_id), answered, q);
    wait_for(c, q);
}

void ask_archive(struct chat_rig *c, const char *by, const char *session_id, struct asked *q)
{
    const struct chat_who who = chat_by(by);

    asked_forget(q);
    chat_archive(c->r.turns, &who, sv_from(session_id), answered, q);
    wait_for(c, q);
}

void ask_sessions(struct chat_rig *c, const char *by, const char *user, struct asked *q)
{
    const struct chat_who who = chat_by(by);

    asked_forget(q);
    chat_sessions(c->r.turns, &who, sv_from(user), answered, q);
    wait_for(c, q);
}

void ask_figures(struct chat_rig *c, const char *from, const char *to, struct asked *q)
{
    asked_forget(q);
    chat_analytics(c->r.turns, sv_from(from), sv_from(to), answered, q);
    wait_for(c, q);
}

void ask_preferences(struct chat_rig *c, const char *by, const char *user, struct asked *q)
{
    const struct chat_who who = chat_by(by);

    asked_forget(q);
    chat_preferences(c->r.turns, &who, sv_from(user), answered, q);
    wait_for(c, q);
}

void put_preferences(struct chat_rig *c, const char *by, const char *user, const char *const *pairs, struct asked *q)
{
    const struct chat_who who = chat_by(by);
    struct chat_preference list[8];
    size_t n = 0;

    for (; pairs[2 * n] != NULL; n++)
        list[n] = (struct chat_preference){ sv_from(pairs[2 * n]), sv_from(pairs[2 * n + 1]) };
    asked_forget(q);
    chat_preferences_put(c->r.turns, &who, sv_from(user), list, n, answered, q);
    wait_for(c, q);
}

void ask_erase(struct chat_rig *c, const char *by, const char *user, const char *session_id, struct asked *q)
{
    const struct chat_who who = chat_by(by);

    asked_forget(q);
    chat_erase(c->r.turns, &who, sv_from(user), sv_from(session_id), answered, q);
    wait_for(c, q);
}

const char *page_text(const struct asked *q)
{
    static char text[4000];
    const json_t *list = json_object_get(q->result, "messages");
    size_t n = 0;

    text[0] = '\0';
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *m = json_array_get(list, i);
        struct sv reply = json_sv(m, "aiResponse");
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.*s%s%.*s", i > 0 ? " " : "", SV_FMT(json_sv(m, "messageId")), reply.p != NULL ? "=" : "",
                              SV_FMT(reply));
    }
    return text;
}
