/* SPDX-License-Identifier: MIT
 * The stage of page_platform.c and page_looks.c: a server that says what it is told, the memory store, and instances that come and go. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_backends.h"
#include "t/tap.h"
#include "t/turn/page_rig.h"

struct rig rig;
static struct store *store;
struct peer *peer;
static struct pages *pages;
struct platform *platform;

/* ---- messages as they are read ---- */

const char *page_reads(const char *messages)
{
    static char texts[4][2048];
    static unsigned next;
    char *at = texts[next++ % ARRAY_LEN(texts)];
    (void)snprintf(at, sizeof texts[0], "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n{\"messages\":[%s]}", strlen(messages) + 15, messages);
    return at;
}

/* ---- the stage ---- */

struct platform *page_instance(int64_t calls_per_second)
{
    struct err e = { 0 };
    const struct page_platform_options o = { .loop = rig.loop, .store = store, .pages = pages, .page_id = "p1", .calls_per_second = calls_per_second };
    struct platform *p = page_platform_open(&o, &e);
    if (p == NULL)
        bail_out("%s", e.text);
    return p;
}

void page_begin(const struct peer_step *steps, int n)
{
    struct err e = { 0 };
    store = store_memory_open(rig.loop, 0);
    peer = peer_start(steps, n);
    const struct pages_options o = { .url = rig_url(peer_port(peer), ""), .tokens = "p1=t1,p2=t2", .token = "" };
    pages = pages_open(rig.loop, rig.http, &o, &e);
    if (store == NULL || pages == NULL)
        bail_out("%s", e.text);
    platform = page_instance(5);
}

void page_end(void)
{
    platform_close(platform);
    pages_close(pages);
    store_close(store);
    peer_stop(peer);
}

/* As if its process had been killed and another one goes on. */
void page_killed(void)
{
    platform_close(platform);
    platform = page_instance(5);
}

void page_tell(void *arg, const struct platform_answer *a)
{
    struct page_told *t = arg;
    t->times++;
    t->answer = *a;
}

bool page_was_told(void *arg)
{
    return ((struct page_told *)arg)->times > 0;
}

static const char *const outcomes[] = {
    [PLATFORM_SENT] = "sent",         [PLATFORM_FAILED] = "failed",   [PLATFORM_UNREACHABLE] = "unreachable",
    [PLATFORM_TOO_LATE] = "too late", [PLATFORM_UNKNOWN] = "unknown", [PLATFORM_PART] = "part",
};

struct platform_request page_request(const char *actions, bool again)
{
    return (struct platform_request){ .body = SV(BODY), .idempotency_key = SV("turn-1"), .conversation_id = SV("c1"), .actions = sv_from(actions), .again = again,
                                      .timeout_ms = 20000 };
}

struct page_told page_deliver(const struct platform_request *q)
{
    struct page_told t = { 0 };
    if (platform_send(platform, q, page_tell, &t) == NULL || t.times != 0)
        bail_out("an answer from inside the call");
    rig_until(&rig, page_was_told, &t);
    return t;
}

struct page_told page_say(const char *actions, bool again)
{
    struct platform_request q = page_request(actions, again);
    return page_deliver(&q);
}

void is_outcome(const struct page_told *t, enum platform_outcome want, const char *name)
{
    is_str(outcomes[t->answer.outcome], outcomes[want], "%s (%s)", name, t->answer.err.text);
}

/* Methods and texts of what was asked: "POST hi|GET|". */
void is_asked(const char *want, const char *name)
{
    struct buf b = { 0 };
    for (int i = 0; i < peer_requests(peer); i++) {
        const char *got = peer_request(peer, i), *text = strstr(got, "\"message\":\"");
        buf_printf(&b, "%.*s", (int)strcspn(got, " "), got);
        if (text != NULL)
            buf_printf(&b, " %.*s", (int)strcspn(text + 11, "\""), text + 11);
        buf_addc(&b, '|');
    }
    is_str(b.p != NULL ? b.p : "", want, "%s", name);
    buf_fini(&b);
}

struct got {
    bool there;
    char value[128];
};

static void take(void *arg, enum store_status status, struct sv value)
{
    struct got *g = arg;
    g->there = true;
    (void)snprintf(g->value, sizeof g->value, "%s%.*s", status == STORE_DONE ? "" : "down ", SV_FMT(value.p != NULL ? value : SV("(none)")));
}

static bool is_there(void *arg)
{
    return ((struct got *)arg)->there;
}

const char *page_stored(const char *name)
{
    static struct got g;
    g = (struct got){ 0 };
    store_get(store, sv_from(name), take, &g);
    rig_until(&rig, is_there, &g);
    return g.value;
}

static void put_done(void *arg, enum store_status status)
{
    *(bool *)arg = status == STORE_DONE;
}

static bool is_true(void *arg)
{
    return *(bool *)arg;
}

void page_put(const char *name, const char *value)
{
    bool there = false;
    store_put(store, sv_from(name), sv_from(value), 60000, put_done, &there);
    rig_until(&rig, is_true, &there);
}

const char *page_mark(const char *text)
{
    static char name[PAGE_ECHO_SIZE];
    page_echo_text(name, SV("p1"), SV("c1"), sv_from(text));
    return name;
}
