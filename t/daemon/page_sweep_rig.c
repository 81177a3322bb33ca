/* SPDX-License-Identifier: MIT
 * See page_sweep_rig.h. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "store/store_count.h"
#include "t/daemon/page_sweep_rig.h"
#include "t/lib/double_calls.h"
#include "t/lib/double_pages.h"
#include "t/tap.h"

#define WAIT_MS 60000

struct stage stage;

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

void stage_ignore(void *arg, enum store_status status)
{
    (void)arg;
    (void)status;
}

void stage_turn(void)
{
    if (!stage.in_rows) /* else each call would take its 1.2 seconds */
        store_put(stage.r.store, SV("place:page:" PAGE ":read"), SV_NONE, 1000, stage_ignore, NULL);
    loop_turn(stage.r.loop, false);
    (void)usleep(50);
}

void stage_turn_for(int64_t ms)
{
    int64_t end_ms = clock_mono_ms() + ms;
    while (clock_mono_ms() < end_ms)
        stage_turn();
}

bool stage_until(bool (*condition)(void))
{
    int64_t end_ms = clock_mono_ms() + WAIT_MS;
    while (!condition() && clock_mono_ms() < end_ms)
        stage_turn();
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
static json_t *stage_ask(const char *path, const char *text)
{
    struct heard h = { 0 };
    char url[256];
    (void)snprintf(url, sizeof url, "%s%s", stage.url, path);
    const struct http_request q = { .url = url, .get = text == NULL, .body = text != NULL ? sv_from(text) : SV_NONE, .timeout_ms = WAIT_MS };
    if (http_post(stage.http, &q, hear, &h) == NULL)
        bail_out("memory");
    while (!h.there)
        stage_turn();
    if (h.body == NULL)
        bail_out("the double refuses %s %s", path, text != NULL ? text : "");
    return h.body;
}

void stage_control(const char *text)
{
    json_decref(stage_ask("/pages/control", text));
}

void stage_say_as(const char *as, const char *conversation, const char *id, const char *text)
{
    char body[512];
    (void)snprintf(body, sizeof body,
                   "{\"messages\":[{\"page\":\"" PAGE "\",\"conversation_id\":\"%s\",\"as\":\"%s\",\"id\":\"%s\",\"text\":\"%s\"}]}", conversation, as, id, text);
    json_decref(stage_ask("/pages/say", body));
}

void stage_remove(const char *conversation, const char *id)
{
    char body[256];
    (void)snprintf(body, sizeof body, "{\"messages\":[{\"page\":\"" PAGE "\",\"conversation_id\":\"%s\",\"remove\":\"%s\"}]}", conversation, id);
    json_decref(stage_ask("/pages/say", body));
}

void stage_say_many(int n)
{
    struct buf b = { 0 };
    buf_add(&b, SV("{\"messages\":["));
    for (int i = 0; i < n; i++)
        buf_printf(&b, "%s{\"page\":\"" PAGE "\",\"conversation_id\":\"c%d\",\"id\":\"m%d\",\"text\":\"hello\"}", i > 0 ? "," : "", i, i);
    buf_add(&b, SV("]}"));
    json_decref(stage_ask("/pages/say", b.p));
    buf_fini(&b);
}

int stage_calls(const char *which)
{
    json_t *stats = stage_ask("/pages/stats", NULL);
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

const char *stage_value(const char *what)
{
    static struct got g;
    char name[64];
    (void)snprintf(name, sizeof name, "page:" PAGE ":%s", what);
    g = (struct got){ 0 };
    store_get(stage.r.store, sv_from(name), got, &g);
    while (!g.there)
        stage_turn();
    return g.text;
}

int64_t stage_row_ms(const char *row)
{
    struct got g = { 0 };
    char name[64];
    int64_t ms = 0;
    (void)snprintf(name, sizeof name, "place:page:" PAGE ":%s", row);
    store_place(stage.r.store, &(struct store_place){ .name = sv_from(name), .every_ms = 1, .n = 1 }, got, &g);
    while (!g.there)
        stage_turn();
    return sv_to_i64(sv_from(g.text), &ms) ? -ms : 0;
}

void stage_put(const char *what, int64_t ago_ms)
{
    char name[64], text[24];
    (void)snprintf(name, sizeof name, "page:" PAGE ":%s", what);
    (void)snprintf(text, sizeof text, "%lld", (long long)(clock_wall_ms() - ago_ms));
    store_put(stage.r.store, sv_from(name), ago_ms < 0 ? SV_NONE : sv_from(text), 600000, stage_ignore, NULL);
    stage_turn();
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

const char *stage_waits(const char *conversation)
{
    static struct pending p;
    memset(&p, 0, sizeof p);
    store_load(stage.r.store, &(struct store_load){ .conversation_id = sv_from(conversation), .want_lists = true }, loaded, &p);
    while (!p.there)
        stage_turn();
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

void stage_daemon_start(int n, int64_t every_ms)
{
    const struct page_sweep_options o = { .loop = stage.r.loop, .store = stage.r.store, .turns = stage.r.turns, .peers = &stage.peers, .bot = bot, .every_ms = every_ms,
                                          .calls_per_second = 5, .look_ms = 20, .retry_ms = 40, .row_ms = stage.row_ms, .read_most = stage.read_most };
    stage.sweep[n] = page_sweep_new(&o);
    if (stage.sweep[n] == NULL)
        bail_out("memory");
}

static void set(void *arg)
{
    *(bool *)arg = true;
}

void stage_daemon_stop(int n)
{
    bool done = false;
    int64_t end_ms = clock_mono_ms() + WAIT_MS;
    page_sweep_stop(stage.sweep[n], set, &done);
    while (!done && clock_mono_ms() < end_ms)
        stage_turn();
    ok(done, "the daemon ends");
}

void stage_begin_with(const struct policy *policy)
{
    static const struct server_ops ops = { handle, gone };
    struct err e = { 0 };
    stage = (struct stage){ .in_rows = false };
    rig_open(&stage.r, policy);
    stage.http = http_open(stage.r.loop, &(struct http_options){ 0 }, &e);
    stage.scene.pages = pages_double_open(stage.r.loop);
    stage.scene.server = server_open(stage.r.loop, 0, &ops, &stage.scene);
    if (stage.http == NULL || stage.scene.pages == NULL || stage.scene.server == NULL)
        bail_out("no double");
    (void)snprintf(stage.url, sizeof stage.url, "http://127.0.0.1:%d", server_port(stage.scene.server));
    stage.pages = pages_open(stage.r.loop, stage.http, &(struct pages_options){ .url = stage.url, .tokens = PAGE "=t1", .token = "" }, &e);
    if (stage.pages == NULL)
        bail_out("%s", e.text);
    stage.peer.pages = stage.pages;
    page_peers_enter(&stage.peers, &stage.peer);
    stage_control("{\"tokens\":{\"" PAGE "\":\"t1\"},\"limit\":0}");
}

void stage_begin(void)
{
    stage_begin_with(&rig_policy);
}

void stage_close(void)
{
    for (int n = 0; n < 2; n++)
        page_sweep_end(stage.sweep[n]);
    page_peers_leave(&stage.peer);
    pages_close(stage.pages);
    http_close(stage.http);
    server_close(stage.scene.server);
    pages_double_close(stage.scene.pages);
    rig_close(&stage.r);
    for (int n = 0; n < 2; n++)
        page_sweep_free(stage.sweep[n]);
}

void stage_end(void)
{
    for (int n = 0; n < 2; n++)
        if (stage.sweep[n] != NULL)
            stage_daemon_stop(n);
    stage_close();
}

bool stage_swept(void)
{
    return *stage_value("swept") != '\0';
}

void stage_visits(const char *conversation)
{
    for (int i = 0; i < 10; i++)
        rig_visit(&stage.r, conversation);
}
