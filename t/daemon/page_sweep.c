/* SPDX-License-Identifier: MIT
 * The sweep of a page, against the double of the page API: every message that no webhook brought is taken, each once, whatever happens meanwhile. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/page_sweep.h"
#include "lib/clock.h"
#include "outside/http.h"
#include "t/lib/double_calls.h"
#include "t/lib/double_pages.h"
#include "t/tap.h"
#include "t/turn/rig.h"
#include "turn/page_platform.h"

#define PAGE "100"
#define WAIT_MS 60000
#define SOON_MS 300

struct stage {
    struct rig r;
    struct http *http;
    struct scene scene; /* of the double: only pages are asked for */
    struct pages *pages;
    struct page_peers peers;
    struct page_peer peer;
    struct page_sweep *sweep[2];
    bool in_rows; /* places are waited for as they are given */
    char url[64];
};

static struct stage st;

/* ---- the double ---- */

static void handle(void *arg, struct conn *c, const struct request *r)
{
    struct scene *d = arg;
    if (!pages_double_serve(d->pages, c, r))
        bail_out("the double was asked for something else");
}

static void gone(void *arg, struct conn *c, void *pending)
{
    (void)arg;
    (void)c;
    struct waiting *w = pending;
    w->gone(w);
}

static void ignore(void *arg, enum store_status status)
{
    (void)arg;
    (void)status;
}

static void turn(void)
{
    if (!st.in_rows) /* else each call would take its 1.2 seconds */
        store_put(st.r.store, SV("place:page:" PAGE ":read"), SV_NONE, 1000, ignore, NULL);
    loop_turn(st.r.loop, false);
    (void)usleep(50);
}

static void turn_for(int64_t ms)
{
    int64_t end_ms = clock_mono_ms() + ms;
    while (clock_mono_ms() < end_ms)
        turn();
}

static bool until(bool (*condition)(void))
{
    int64_t end_ms = clock_mono_ms() + WAIT_MS;
    while (!condition() && clock_mono_ms() < end_ms)
        turn();
    return condition();
}

struct heard {
    bool there;
    json_t *body;
};

static void hear(void *arg, const struct http_answer *a)
{
    struct heard *h = arg;
    h->there = true;
    h->body = a->outcome == HTTP_ANSWERED && a->status == 200 ? json_read(a->body, true, NULL) : NULL;
}

/* The caller's. text NULL: GET. */
static json_t *ask(const char *path, const char *text)
{
    struct heard h = { 0 };
    char url[256];
    (void)snprintf(url, sizeof url, "%s%s", st.url, path);
    const struct http_request q = { .url = url, .get = text == NULL, .body = text != NULL ? sv_from(text) : SV_NONE, .timeout_ms = WAIT_MS };
    if (http_post(st.http, &q, hear, &h) == NULL)
        bail_out("memory");
    while (!h.there)
        turn();
    if (h.body == NULL)
        bail_out("the double refuses %s %s", path, text != NULL ? text : "");
    return h.body;
}

static void control(const char *text)
{
    json_decref(ask("/pages/control", text));
}

static void say_as(const char *as, const char *conversation, const char *id, const char *text)
{
    char body[512];
    (void)snprintf(body, sizeof body,
                   "{\"messages\":[{\"page\":\"" PAGE "\",\"conversation_id\":\"%s\",\"as\":\"%s\",\"id\":\"%s\",\"text\":\"%s\"}]}", conversation, as, id, text);
    json_decref(ask("/pages/say", body));
}

/* Conversations c0 to c<n - 1>, the message of each m0 to m<n - 1>. */
static void say_many(int n)
{
    struct buf b = { 0 };
    buf_add(&b, SV("{\"messages\":["));
    for (int i = 0; i < n; i++)
        buf_printf(&b, "%s{\"page\":\"" PAGE "\",\"conversation_id\":\"c%d\",\"id\":\"m%d\",\"text\":\"hello\"}", i > 0 ? "," : "", i, i);
    buf_add(&b, SV("]}"));
    json_decref(ask("/pages/say", b.p));
    buf_fini(&b);
}

static int calls(const char *which)
{
    json_t *stats = ask("/pages/stats", NULL);
    int n = (int)json_i64(stats, which, -1);
    json_decref(stats);
    return n;
}

/* ---- the store ---- */

struct got {
    bool there;
    char text[64];
};

static void got(void *arg, enum store_status status, struct sv value)
{
    struct got *g = arg;
    g->there = true;
    (void)snprintf(g->text, sizeof g->text, "%.*s", SV_FMT(status == STORE_DONE && value.p != NULL ? value : SV("")));
}

static const char *value(const char *what)
{
    static struct got g;
    char name[64];
    (void)snprintf(name, sizeof name, "page:" PAGE ":%s", what);
    g = (struct got){ 0 };
    store_get(st.r.store, sv_from(name), got, &g);
    while (!g.there)
        turn();
    return g.text;
}

/* ago_ms < 0: removed. */
static void put(const char *what, int64_t ago_ms)
{
    char name[64], text[24];
    (void)snprintf(name, sizeof name, "page:" PAGE ":%s", what);
    (void)snprintf(text, sizeof text, "%lld", (long long)(clock_wall_ms() - ago_ms));
    store_put(st.r.store, sv_from(name), ago_ms < 0 ? SV_NONE : sv_from(text), 600000, ignore, NULL);
    turn();
}

struct pending {
    bool there;
    char text[8192];
};

static void loaded(void *arg, enum store_status status, const struct store_view *v)
{
    struct pending *p = arg;
    size_t n = 0;
    p->there = true;
    for (size_t i = 0; status == STORE_DONE && i < v->pending_n && n < sizeof p->text; i++) {
        struct sv id = json_raw_member(v->pending[i], "message_id"); /* with its quotes */
        n += (size_t)snprintf(p->text + n, sizeof p->text - n, "%.*s ", (int)id.n - 2, id.p + 1);
    }
}

/* The ids of what waits for an answer, in its order. */
static const char *waits(const char *conversation)
{
    static struct pending p;
    memset(&p, 0, sizeof p);
    store_load(st.r.store, &(struct store_load){ .conversation_id = sv_from(conversation), .want_lists = true }, loaded, &p);
    while (!p.there)
        turn();
    return p.text;
}

/* ---- the stage ---- */

static bool bot(void *arg, struct sv page_id, char bot_id[MESSAGE_ID_MAX + 1])
{
    (void)arg;
    (void)page_id;
    bot_id[0] = '\0';
    return true;
}

static void daemon_start(int n, int64_t every_ms)
{
    const struct page_sweep_options o = { .loop = st.r.loop, .store = st.r.store, .turns = st.r.turns, .peers = &st.peers, .bot = bot, .every_ms = every_ms,
                                          .calls_per_second = 5, .look_ms = 20, .retry_ms = 40 };
    st.sweep[n] = page_sweep_new(&o);
    if (st.sweep[n] == NULL)
        bail_out("memory");
}

static void set(void *arg)
{
    *(bool *)arg = true;
}

static void daemon_stop(int n)
{
    bool done = false;
    int64_t end_ms = clock_mono_ms() + WAIT_MS;
    page_sweep_stop(st.sweep[n], set, &done);
    while (!done && clock_mono_ms() < end_ms)
        turn();
    ok(done, "the daemon ends");
}

static void begin(void)
{
    static const struct server_ops ops = { handle, gone };
    struct err e = { 0 };
    st = (struct stage){ .in_rows = false };
    rig_open(&st.r, &rig_policy);
    st.http = http_open(st.r.loop, &(struct http_options){ 0 }, &e);
    st.scene.pages = pages_double_open(st.r.loop);
    st.scene.server = server_open(st.r.loop, 0, &ops, &st.scene);
    if (st.http == NULL || st.scene.pages == NULL || st.scene.server == NULL)
        bail_out("no double");
    (void)snprintf(st.url, sizeof st.url, "http://127.0.0.1:%d", server_port(st.scene.server));
    st.pages = pages_open(st.r.loop, st.http, &(struct pages_options){ .url = st.url, .tokens = PAGE "=t1", .token = "" }, &e);
    if (st.pages == NULL)
        bail_out("%s", e.text);
    st.peer.pages = st.pages;
    page_peers_enter(&st.peers, &st.peer);
    control("{\"tokens\":{\"" PAGE "\":\"t1\"},\"limit\":0}");
}

static void close_all(void)
{
    for (int n = 0; n < 2; n++)
        page_sweep_end(st.sweep[n]);
    page_peers_leave(&st.peer);
    pages_close(st.pages);
    http_close(st.http);
    server_close(st.scene.server);
    pages_double_close(st.scene.pages);
    rig_close(&st.r);
    for (int n = 0; n < 2; n++)
        page_sweep_free(st.sweep[n]);
}

static void end(void)
{
    for (int n = 0; n < 2; n++)
        if (st.sweep[n] != NULL)
            daemon_stop(n);
    close_all();
}

static bool swept(void)
{
    return *value("swept") != '\0';
}

static bool all_there(int n)
{
    int missing = 0;
    char conversation[16], want[16];
    for (int i = 0; i < n; i++) {
        (void)snprintf(conversation, sizeof conversation, "c%d", i);
        (void)snprintf(want, sizeof want, "m%d ", i);
        missing += strcmp(waits(conversation), want) != 0;
    }
    return missing == 0;
}

static void test_all(void)
{
    char want[2048], id[16];
    size_t n = 0;
    begin();
    for (int i = 0; i < 70; i++) {
        (void)snprintf(id, sizeof id, "x%d", i);
        n += (size_t)snprintf(want + n, sizeof want - n, "%s ", id);
        say_as("customer", "much", id, "one of many");
    }
    say_many(125);
    put("seen", 60000);
    put("deferred", 30000);
    daemon_start(0, 0);
    ok(until(swept), "a page is swept");
    ok(all_there(125), "conversations of three pages of the listing: each message is there once");
    is_str(waits("much"), want, "messages of three pages, oldest first");
    is_int(calls("reads"), 128, "no conversation was read twice");
    is_str(value("deferred"), "", "nothing is deferred any more");
    turn_for(SOON_MS);
    is_str(value("behind"), "", "nothing is behind");
    is_str(value("sweeper"), "", "the lease is given back");
    is_str(value("seen"), value("swept"), "the page was seen when the sweep began");
    int lists = calls("lists");
    say_as("customer", "soon", "n1", "said a moment later");
    daemon_start(1, 0);
    turn_for(2 * SOON_MS);
    is_str(waits("soon"), "n1 ", "a daemon that starts a moment later looks again");
    put("swept", -1);
    put("deferred", 0);
    ok(until(swept), "a second one");
    ok(calls("lists") > lists, "is made for what was deferred");
    ok(all_there(125), "and changes nothing");
    is_str(waits("much"), want, "at all");
    end();
}

static void test_taken(void)
{
    begin();
    say_many(2);
    put("seen", 60000);
    put("sweeper", 0);
    daemon_start(0, 0);
    turn_for(SOON_MS);
    is_int(calls("calls"), 0, "what another daemon sweeps is left to it");
    put("sweeper", -1);
    ok(until(swept), "and is not, once its lease has ended");
    ok(all_there(2), "all is there");
    end();
}

static bool some_read(void)
{
    return calls("reads") >= 10;
}

static bool listed(void)
{
    return calls("lists") > 0;
}

static bool three_lists(void)
{
    return calls("lists") >= 3;
}

/* While the first page of the listing is worked on, conversations of later ones, and the one that the second page begins behind, come to the front. */
static void test_moving(void)
{
    begin();
    say_many(150);
    put("seen", 60000);
    daemon_start(0, 0);
    ok(until(some_read), "a sweep is under way");
    say_as("customer", "c20", "e1", "moves");
    say_as("customer", "c90", "e2", "moves"); /* the 60th */
    say_as("customer", "c91", "e3", "moves");
    say_as("customer", "c0", "e4", "moves");
    ok(until(swept), "it ends");
    int missing = 0;
    for (int i = 0; i < 150; i++) {
        char c[16], m[16];
        (void)snprintf(c, sizeof c, "c%d", i);
        (void)snprintf(m, sizeof m, "m%d ", i);
        missing += strstr(waits(c), m) == NULL;
    }
    is_int(missing, 0, "nothing is missed between pages");
    end();
}

static void visits(const char *conversation)
{
    for (int i = 0; i < 10; i++)
        rig_visit(&st.r, conversation);
}

static void test_who_answers(void)
{
    char mark[PAGE_ECHO_SIZE];
    begin();
    say_as("customer", "staffed", "s1", "hello");
    say_as("staff", "staffed", "s2", "I see to it");
    say_as("customer", "echoed", "e1", "hello");
    say_as("page", "echoed", "e2", "as the bot said");
    say_as("customer", "echoed", "e3", "and more");
    page_echo_text(mark, SV(PAGE), SV("echoed"), SV("as the bot said"));
    store_put(st.r.store, sv_from(mark), SV("sent"), 60000, ignore, NULL);
    put("seen", 60000);
    daemon_start(0, 0);
    ok(until(swept), "a page is swept");
    visits("staffed");
    is_int(st.r.ai.calls, 0, "where a person has answered the bot does not");
    visits("echoed");
    is_int(st.r.ai.calls, 1, "its own echo silences nobody");
    has_str(st.r.ai.seen, "user:hello|", "the first message is asked about");
    has_str(st.r.ai.seen, "user:and more|", "and the second");
    end();
}

static void test_limited(void)
{
    begin();
    say_many(3);
    put("seen", 60000);
    control("{\"rules\":[{\"call\":\"list\",\"do\":\"status\",\"status\":429,\"retry_after\":1,\"times\":1},"
            "{\"call\":\"read\",\"do\":\"status\",\"status\":429,\"retry_after\":-1,\"skip\":1,\"times\":1}]}");
    int64_t began_ms = clock_mono_ms();
    daemon_start(0, 0);
    ok(until(swept), "a page that says \"too many\" is swept all the same");
    ok(clock_mono_ms() - began_ms >= 2000, "after as long as it said, and as is usual");
    is_int(calls("lists") + calls("reads"), 6, "both calls are made again");
    ok(all_there(3), "all is there");
    end();
}

static bool is_behind(void)
{
    return *value("behind") != '\0' && *value("deferred") == '\0' && *value("sweeper") == '\0';
}

static void test_failing(void)
{
    begin();
    say_many(5);
    put("seen", 1000);
    put("deferred", 30000);
    control("{\"rules\":[{\"call\":\"read\",\"do\":\"status\",\"status\":500,\"skip\":2,\"times\":6}]}");
    daemon_start(0, 0);
    ok(until(is_behind), "a sweep that fails leaves what is behind");
    ok(!swept(), "and does not count");
    ok(until(swept), "it is made again");
    turn_for(SOON_MS);
    is_str(value("behind"), "", "to its end");
    ok(all_there(5), "all is there, once");
    end();
}

static void test_refused(void)
{
    begin();
    say_many(3);
    put("seen", 60000);
    control("{\"rules\":[{\"call\":\"read\",\"conversation_id\":\"c1\",\"do\":\"status\",\"status\":404}]}");
    daemon_start(0, 0);
    ok(until(swept), "a conversation that cannot be read holds up none");
    is_str(waits("c0"), "m0 ", "the next one is there");
    is_str(waits("c1"), "", "it is not");
    end();
}

static void test_two(void)
{
    begin();
    say_many(20);
    put("seen", 60000);
    put("deferred", 1000);
    daemon_start(0, 0);
    daemon_start(1, 0);
    ok(until(swept), "two daemons");
    turn_for(2 * SOON_MS);
    is_int(calls("lists"), 1, "sweep a page once");
    is_int(calls("reads"), 20, "and read each conversation once");
    ok(all_there(20), "all is there, once");
    end();
}

static void test_restart(void)
{
    begin();
    say_many(40);
    put("seen", 60000);
    put("deferred", 30000);
    daemon_start(0, 0);
    ok(until(some_read), "a sweep is under way");
    daemon_stop(0);
    page_sweep_end(st.sweep[0]);
    page_sweep_free(st.sweep[0]);
    ok(is_behind(), "its end leaves what is behind, and the lease");
    put("deferred", 0); /* somebody says so meanwhile */
    daemon_start(0, 0);
    ok(until(swept), "the next daemon makes it anew");
    ok(all_there(40), "all is there, once");
    end();
}

static void test_unknown(void)
{
    begin();
    say_many(3);
    daemon_start(0, 0);
    ok(until(swept), "a page of which nothing is known");
    is_int(calls("calls"), 0, "begins now");
    ok(*value("seen") != '\0', "which is noted");
    is_str(waits("c0"), "", "what was before is left");
    put("swept", -1);
    put("seen", -1);
    put("deferred", 0);
    ok(until(swept), "where something is deferred");
    ok(all_there(3), "it is a day that is looked at");
    end();
}

static void test_periodic(void)
{
    begin();
    say_many(1);
    put("seen", 60000);
    daemon_start(0, 200);
    ok(until(three_lists), "now and then it is looked again");
    end();
    begin();
    put("seen", 60000);
    daemon_start(0, 0);
    ok(until(swept), "or once");
    turn_for(2 * SOON_MS);
    is_int(calls("lists"), 1, "and then never");
    put("swept", 60000);
    page_sweep_set(st.sweep[0], 3600000, 5);
    turn_for(SOON_MS);
    is_int(calls("lists"), 1, "nor soon");
    page_sweep_set(st.sweep[0], 1000, 5);
    put("swept", 60000);
    turn_for(SOON_MS);
    is_int(calls("lists"), 2, "but when it is to be sooner");
    page_sweep_set(st.sweep[0], 0, 5);
    put("swept", 60000);
    page_sweep_all(st.sweep[0]);
    turn_for(2 * SOON_MS);
    is_int(calls("lists"), 3, "and when the store has come back");
    end();
}

static void test_places(void)
{
    begin();
    say_many(2);
    put("seen", 60000);
    st.in_rows = true;
    int64_t began_ms = clock_mono_ms();
    daemon_start(0, 0);
    ok(until(swept), "a page is swept");
    ok(clock_mono_ms() - began_ms >= 2400 - 10, "each call in its place: %lld ms", (long long)(clock_mono_ms() - began_ms));
    end();
}

/* The process goes while a call is under way, or a place is waited for. */
static void test_cut(void)
{
    begin();
    say_many(2);
    put("seen", 60000);
    st.in_rows = true;
    daemon_start(0, 0);
    ok(until(listed), "a place is waited for");
    close_all();
    begin();
    put("seen", 60000);
    control("{\"rules\":[{\"call\":\"list\",\"do\":\"hang\"}]}");
    daemon_start(0, 0);
    ok(until(listed), "a call is not answered");
    close_all();
}

int main(void)
{
    test_cut();
    test_all();
    test_moving();
    test_who_answers();
    test_limited();
    test_failing();
    test_refused();
    test_two();
    test_taken();
    test_restart();
    test_unknown();
    test_periodic();
    test_places();
    return done_testing();
}
