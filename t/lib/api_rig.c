/* SPDX-License-Identifier: MIT
 * Doubles behind the HTTP side, and the thread that runs it. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/json.h"
#include "lib/log.h"
#include "t/lib/api_rig.h"
#include "t/lib/control_double.h"
#include "t/lib/jobs_double.h"
#include "t/lib/webhook_double.h"
#include "t/tap.h"

#define WAIT_STEP_MS 5
#define WAIT_STEPS 4000

struct rig_script rig_script;
struct rig_seen rig_seen;

static struct loop *the_loop;
static pthread_t thread;

/* ---- the turn engine ---- */

struct pending {
    struct pending *next;
    struct loop_timer *timer;
    turn_answer_fn *fn;
    void *arg;
    char message_id[MESSAGE_ID_MAX + 1];
};

static struct pending *held;

static void respond(struct pending *p)
{
    struct buf result = { 0 };
    struct json_out o = { .b = &result };
    struct turn_answer a = { .status = rig_script.status, .retry_after_ms = rig_script.retry_after_ms };

    a.http_status = rig_script.http_status != 0 ? rig_script.http_status : 200;
    if (rig_script.result != NULL) {
        a.result = sv_from(rig_script.result);
    } else {
        json_obj(&o);
        json_kstr(&o, "status", SV("completed"));
        json_kstr(&o, "message_id", sv_from(p->message_id));
        if (atomic_load(&rig_script.result_size) > 0) {
            json_key(&o, "filler");
            buf_addc(&result, '"');
            for (size_t i = 0; i < atomic_load(&rig_script.result_size); i++)
                buf_addc(&result, (char)('a' + i % 26));
            buf_addc(&result, '"');
            o.comma = true;
        }
        json_obj_end(&o);
        a.result = buf_sv(&result);
    }
    atomic_fetch_sub(&rig_seen.waiting, 1);
    p->fn(p->arg, &a);
    buf_fini(&result);
}

static void on_time(void *arg)
{
    struct pending *p = arg;

    if (atomic_load(&rig_script.hold)) {
        p->next = held;
        held = p;
        return;
    }
    respond(p);
    loop_timer_free(p->timer);
    free(p);
}

static void keep(struct buf *b, struct sv s)
{
    buf_clear(b);
    buf_add(b, s);
}

void turns_submit(struct turns *t, const struct message *m, const struct submit_options *o, turn_answer_fn *fn,
                  void *arg)
{
    struct pending *p = calloc(1, sizeof(*p));

    (void)t;
    if (p == NULL)
        abort();
    p->fn = fn;
    p->arg = arg;
    memcpy(p->message_id, m->message_id.p, m->message_id.n);
    keep(&rig_seen.conversation_id, m->conversation_id);
    keep(&rig_seen.message_id, m->message_id);
    keep(&rig_seen.content, m->content);
    keep(&rig_seen.sender_id, m->sender_id);
    keep(&rig_seen.metadata, m->metadata);
    keep(&rig_seen.attachments, m->attachments);
    keep(&rig_seen.traceparent, o->traceparent);
    keep(&rig_seen.request_id, o->request_id);
    rig_seen.sender_type = m->sender_type;
    rig_seen.timestamp_ms = m->timestamp_ms;
    rig_seen.wait_ms = o->wait_ms;
    atomic_store(&rig_seen.respond_async, o->respond_async);
    p->timer = loop_timer_new(the_loop, on_time, p);
    if (p->timer == NULL)
        abort();
    loop_timer_set(p->timer, atomic_load(&rig_script.delay_ms));
    atomic_fetch_add(&rig_seen.waiting, 1);
    atomic_fetch_add(&rig_seen.submits, 1);
}

/* ---- the ports ---- */

static char a_store, an_archive, an_engine;

bool store_is_up(const struct store *s)
{
    (void)s;
    return atomic_load(&rig_script.store_up);
}

void (*rig_count)(struct sv name, int64_t ttl_ms, store_value_fn *fn, void *arg);

void store_count(struct store *s, struct sv name, int64_t ttl_ms, store_value_fn *fn, void *arg)
{
    (void)s;
    if (rig_count == NULL)
        abort();
    rig_count(name, ttl_ms, fn, arg);
}

bool store_is_standing_in(const struct store *s)
{
    (void)s;
    return atomic_load(&rig_script.standing_in);
}

bool archive_is_up(const struct archive *a)
{
    (void)a;
    return atomic_load(&rig_script.archive_up);
}

struct store *rig_store(void)
{
    return (struct store *)(void *)&a_store;
}

struct archive *rig_archive(void)
{
    return (struct archive *)(void *)&an_archive;
}

struct turns *rig_turns(void)
{
    return (struct turns *)(void *)&an_engine;
}

void rig_doubles(struct loop *loop)
{
    the_loop = loop;
    jobs_double_open(loop);
    control_double_open(loop);
    webhook_double_open(loop);
    atomic_store(&rig_script.store_up, true);
    atomic_store(&rig_script.archive_up, true);
}

/* ---- the rig ---- */

int rig_listen(const char *path, int backlog)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, backlog) != 0)
        return -1;
    return fd;
}

struct api_options rig_options(void)
{
    return (struct api_options){
        .turns = rig_turns(),
        .store = rig_store(),
        .archive = rig_archive(),
        .platform_tokens = RIG_PLATFORM ",platform-token-2",
        .admin_tokens = RIG_ADMIN,
        .cors_origins = "",
        .base_path = "",
        .body_max = 262144,
        .sync_wait_ms = 60000,
    };
}

static void *run(void *arg)
{
    loop_run(arg);
    return NULL;
}

void rig_start(struct rig *r, const struct api_options *o)
{
    struct api_options own = *o;
    struct err e;

    *r = (struct rig){ .dir = "/tmp/tk-api-XXXXXX" };
    if (mkdtemp(r->dir) == NULL)
        bail_out("mkdtemp: %s", strerror(errno));
    (void)snprintf(r->path, sizeof(r->path), "%s/s", r->dir);
    r->listen_fd = rig_listen(r->path, 1024);
    if (r->listen_fd < 0)
        bail_out("listen: %s", strerror(errno));
    r->loop = loop_new();
    if (r->loop == NULL)
        bail_out("no loop");
    log_threshold = LOG_ERROR; /* refusals are wanted here */
    rig_doubles(r->loop);
    own.loop = r->loop;
    own.listen_fd = r->listen_fd;
    r->api = api_open(&own, &e);
    if (r->api == NULL)
        bail_out("api_open: %s", e.text);
    if (pthread_create(&thread, NULL, run, r->loop) != 0)
        bail_out("no thread");
}

struct errand {
    loop_fn *fn;
    void *arg;
    atomic_bool done;
};

static void on_errand(void *arg)
{
    struct errand *errand = arg;

    errand->fn(errand->arg);
    atomic_store(&errand->done, true);
}

void rig_run(struct rig *r, loop_fn *fn, void *arg)
{
    struct errand errand = { .fn = fn, .arg = arg };

    if (!loop_post(r->loop, on_errand, &errand) || !rig_wait(&errand.done))
        bail_out("the loop does not run");
}

static void release(void *arg)
{
    (void)arg;
    atomic_store(&rig_script.hold, false);
    while (held != NULL) {
        struct pending *p = held;
        held = p->next;
        on_time(p);
    }
}

void rig_answer_all(struct rig *r)
{
    rig_run(r, release, NULL);
}

static void on_drained(void *arg)
{
    struct rig *r = arg;

    atomic_store(&r->drained, true);
}

static void drain(void *arg)
{
    struct rig *r = arg;

    api_drain(r->api, on_drained, r);
}

void rig_drain(struct rig *r)
{
    rig_run(r, drain, r);
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

void rig_stop(struct rig *r)
{
    if (!loop_post(r->loop, stop_loop, r->loop))
        bail_out("loop_post");
    (void)pthread_join(thread, NULL);
    api_close(r->api);
    loop_free(r->loop);
    (void)close(r->listen_fd);
    (void)unlink(r->path);
    (void)rmdir(r->dir);
}

bool rig_wait(const atomic_bool *what)
{
    for (int i = 0; i < WAIT_STEPS && !atomic_load(what); i++)
        (void)poll(NULL, 0, WAIT_STEP_MS);
    return atomic_load(what);
}

bool rig_wait_int(const atomic_int *what, int value)
{
    for (int i = 0; i < WAIT_STEPS && atomic_load(what) != value; i++)
        (void)poll(NULL, 0, WAIT_STEP_MS);
    return atomic_load(what) == value;
}
