/* SPDX-License-Identifier: MIT
 * Tests src/store/store_switch.c on histories: what a host gathers of them on both of its stores while its redis-server is stopped and
 * continued, calls that wait meanwhile, and calls that are refused. */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "store/store_history.h"
#include "t/store/switch_rig.h"

struct heard {
    struct rig *r;
    char text[400]; /* entries, fields, sessions or figures */
    uint64_t version;
    int64_t at_ms;
};

static void put(struct heard *h, struct sv text)
{
    size_t n = strlen(h->text);
    (void)snprintf(h->text + n, sizeof h->text - n, "%.*s ", SV_FMT(text));
}

static void put_pairs(struct heard *h, const struct store_pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put(h, pairs[i].key);
        put(h, pairs[i].value);
    }
}

static void on_history(void *arg, enum store_status status, const struct store_history *history)
{
    struct heard *h = arg;
    for (size_t i = 0; history != NULL && i < history->entries_n; i++)
        put(h, history->entries[i]);
    h->version = history != NULL ? history->version : 0;
    on_status(h->r, status);
}

static void on_user(void *arg, enum store_status status, const struct store_user_session *sessions, size_t n)
{
    struct heard *h = arg;
    for (size_t i = 0; i < n; i++) {
        put(h, sessions[i].id);
        put_pairs(h, sessions[i].fields, sessions[i].fields_n);
    }
    on_status(h->r, status);
}

static void on_pairs(void *arg, enum store_status status, const struct store_pair *pairs, size_t n)
{
    put_pairs(arg, pairs, n);
    on_status(((struct heard *)arg)->r, status);
}

static void on_erased(void *arg, enum store_status status, int64_t at_ms)
{
    ((struct heard *)arg)->at_ms = at_ms;
    on_status(((struct heard *)arg)->r, status);
}

static void tell(struct rig *r, uint64_t version, const char *message, const char *activity)
{
    char text[40];
    (void)snprintf(text, sizeof text, "{\"messageId\":\"%s\"}", message);
    const struct sv entry = sv_from(text);
    const struct store_pair field = { SV("lastActivity"), sv_from(activity) };
    const struct store_count count = { SV("total_messages"), 1 };
    const struct store_history_change h = { .user_id = SV("u"), .entries = &entry, .entries_n = 1, .entries_max = 9, .fields = &field,
                                            .fields_n = 1, .ttl_ms = 600000, .day = SV("2026-01-31"), .counts = &count, .counts_n = 1,
                                            .counts_ttl_ms = 600000 };
    is_int(apply(r, CHANGE("c", version, .history = &h)), STORE_DONE, "%s is told of", message);
}

static void read_all(struct rig *r, const char *entries, const char *sessions, const char *figures)
{
    struct heard h = { .r = r };
    store_history(r->s, SV("c"), SV("u"), on_history, &h);
    ok(wait_for(r) == STORE_DONE && strcmp(h.text, entries) == 0, "entries: %s", h.text);
    is_int(h.version, r->version, "its version is the one that applies have");
    h.text[0] = '\0';
    store_user(r->s, SV("u"), on_user, &h);
    ok(wait_for(r) == STORE_DONE && strcmp(h.text, sessions) == 0, "sessions: %s", h.text);
    h.text[0] = '\0';
    store_figures(r->s, SV("2026-01-31"), on_pairs, &h);
    ok(wait_for(r) == STORE_DONE && strcmp(h.text, figures) == 0, "figures: %s", h.text);
}

static void over_and_back(struct loop *l, struct place *at)
{
    struct rig r;
    struct heard h = { .r = &r };
    rig_open(&r, l, at);
    tell(&r, 0, "m1", "2026-01-31T10");
    read_all(&r, "{\"messageId\":\"m1\"} ", "c lastActivity 2026-01-31T10 ", "total_messages 1 ");
    redis_server_signal(&at->redis, SIGSTOP);
    store_history(r.s, SV("c"), SV("u"), on_history, &h);
    ok(wait_for(&r) == STORE_DONE && is_sqlite(&r) && h.text[0] == '\0', "stopped: a read waits and is made where the host is then");
    tell(&r, 0, "m2", "2026-01-31T11");
    read_all(&r, "{\"messageId\":\"m2\"} ", "c lastActivity 2026-01-31T11 ", "total_messages 1 ");
    struct store_erased counts = { 0 };
    (void)apply(&r, CHANGE("e", 0, .pending_add = SV("{\"message_id\":\"x\"}")));
    struct store_change c = { .conversation_id = SV("e"), .expect_version = r.version, .forget = true, .mark_ttl_ms = 600000,
                              .erase = &(struct store_erase){ .at_ms = 77, .counts = &counts } };
    store_apply(r.s, &c, on_apply, &r);
    ok(wait_for(&r) == STORE_DONE && counts.messages == 1, "an erasure is passed on, and says what it took");
    store_erased_at(r.s, SV("e"), on_erased, &h);
    ok(wait_for(&r) == STORE_DONE && h.at_ms == 77, "and is known");
    store_preferences_put(r.s, SV("u"), &(struct store_pair){ SV("language"), SV("de") }, 1, on_status, &r);
    is_int(wait_for(&r), STORE_DONE, "preferences are put");
    redis_server_signal(&at->redis, SIGCONT);
    ok(loop_until(l, is_redis, &r), "continued: the host is back");
    (void)load(&r, "c", "m");
    r.version = r.view.version;
    read_all(&r, "{\"messageId\":\"m2\"} {\"messageId\":\"m1\"} ", "c lastActivity 2026-01-31T11 ", "total_messages 2 ");
    h.text[0] = '\0';
    store_preferences(r.s, SV("u"), on_pairs, &h);
    ok(wait_for(&r) == STORE_DONE && strcmp(h.text, "language de ") == 0, "preferences: %s", h.text);
    ok(strcmp(redis_server_say(&at->redis, "LRANGE chat_history:u:c 0 -1"), "{\"messageId\":\"m2\"} {\"messageId\":\"m1\"}") == 0,
       "under their names in Redis");
    store_erased_at(r.s, SV("e"), on_erased, &h);
    ok(wait_for(&r) == STORE_DONE && h.at_ms == 77, "what was erased is known there, too");
    rig_close(&r);
}

static void refused(struct loop *l, struct place *at)
{
    struct rig r;
    struct heard h = { .r = &r };
    place_clean(at);
    rig_open(&r, l, at);
    (void)load(&r, "c", "m");
    redis_server_signal(&at->redis, SIGSTOP);
    store_history(r.s, SV("c"), SV("u"), on_history, &h);
    store_user(r.s, SV("u"), on_user, &h);
    store_figures(r.s, SV("2026-01-31"), on_pairs, &h);
    store_preferences(r.s, SV("u"), on_pairs, &h);
    store_preferences_put(r.s, SV("u"), NULL, 0, on_status, &r);
    store_erased_at(r.s, SV("c"), on_erased, &h);
    unsigned before = r.answers;
    store_close(r.s);
    is_int(before, 0, "none is answered from inside a call");
    is_int(r.answers, 6, "each is answered before close returns");
    is_int(r.status, STORE_DOWN, "with DOWN");
    redis_server_signal(&at->redis, SIGCONT);
    loop_turn(l, false);
    loop_turn(l, false);
}

int main(void)
{
    struct place at;
    if (!place_open(&at))
        return skip_all("redis-server is not installed");
    struct loop *l = loop_new();
    over_and_back(l, &at);
    refused(l, &at);
    place_close(&at);
    loop_free(l);
    return done_testing();
}
