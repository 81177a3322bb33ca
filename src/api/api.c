/* SPDX-License-Identifier: MIT
 * Opening, reloading, draining and closing of the HTTP side. */
#include "config.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "api/endpoints.h"
#include "lib/json.h"
#include "turn/ticket.h"

#define BODY_MAX (16 << 20)
#define TIMEOUT_MS 30000
#define WEBHOOK_DEADLINE_MS 2000
#define KEEPALIVE_MS 15000 /* web servers and what lies before them give up after 60 s and more */
#define LIMIT_PERCENT 90   /* of the descriptors are for requests, two each */

bool api_is_listener(int fd)
{
    return fcgi_is_listener(fd);
}

static int check_base_path(const char *path, struct err *e)
{
    size_t n = strlen(path);

    if (n == 0 || (path[0] == '/' && path[n - 1] != '/' && strpbrk(path, "?#% ") == NULL))
        return 0;
    return err_set(e, ERR_INVALID, "a base path begins with '/' and does not end with it");
}

static void free_rules(struct request_rules *rules)
{
    auth_free(rules->auth);
    tickets_free(rules->tickets);
    webhook_keys_free(rules->webhook_keys);
    free(rules->origins);
}

static int make_rules(const struct api_options *o, struct request_rules *rules, struct err *e)
{
    *rules = (struct request_rules){ .body_max = o->body_max, .closed_status = o->closed_status };
    if (o->body_max < 1 || o->body_max > BODY_MAX)
        return err_set(e, ERR_RANGE, "a body is limited to 1 to %d bytes", BODY_MAX);
    if (o->in_flight_max < 0 || o->sync_wait_ms < 0 || o->rate_limit < 0 || o->webhook_deadline_ms < 0)
        return err_set(e, ERR_RANGE, "limits and times are not negative");
    if (api_check_origins(o->cors_origins, e) != 0)
        return -1;
    rules->auth = auth_new(o->platform_tokens, o->admin_tokens, &o->jwt, e);
    if (rules->auth == NULL)
        return -1;
    rules->tickets = tickets_new(o->admin_tokens, e);
    rules->webhook_keys = rules->tickets != NULL ? webhook_keys_new(o->webhook_secrets, e) : NULL;
    rules->origins = strdup(o->cors_origins);
    if (rules->origins == NULL)
        (void)err_set(e, ERR_MEMORY, "out of memory");
    if (rules->webhook_keys != NULL && rules->origins != NULL)
        return 0;
    free_rules(rules);
    return -1;
}

static int64_t room(int64_t configured)
{
    struct rlimit limit;

    if (configured > 0)
        return configured;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > 1 << 20)
        limit.rlim_cur = 1 << 20;
    return (int64_t)limit.rlim_cur * LIMIT_PERCENT / 100 / 2;
}

static void take_limits(struct api *a, const struct api_options *o)
{
    a->o.sync_wait_ms = o->sync_wait_ms;
    a->o.webhook_deadline_ms = o->webhook_deadline_ms > 0 ? o->webhook_deadline_ms : WEBHOOK_DEADLINE_MS;
    a->o.webhooks_fetched = o->webhooks_fetched;
    a->o.rate_limit = o->rate_limit;
    atomic_store(&a->in_flight_max, room(o->in_flight_max));
}

static void forget_strings(struct api_options *o)
{
    o->platform_tokens = o->admin_tokens = o->cors_origins = o->base_path = o->webhook_secrets = NULL;
    o->jwt = (struct jwt_options){ 0 };
}

static struct fcgi *open_fcgi(struct api *a, const struct api_options *o, struct err *e)
{
    const struct fcgi_options fo = {
        .loop = o->loop,
        .listen_fd = o->listen_fd,
        .readers_max = o->readers_max > 0 ? o->readers_max : FCGI_READERS_MAX,
        .read_timeout_ms = o->read_timeout_ms > 0 ? o->read_timeout_ms : TIMEOUT_MS,
        .write_timeout_ms = o->write_timeout_ms > 0 ? o->write_timeout_ms : TIMEOUT_MS,
    };

    return fcgi_open(&fo, &request_ops, a, e);
}

struct api *api_open(const struct api_options *o, struct err *e)
{
    struct request_rules rules;
    struct api *a;

    if (check_base_path(o->base_path, e) != 0 || make_rules(o, &rules, e) != 0)
        return NULL;
    a = calloc(1, sizeof(*a));
    if (a == NULL) {
        free_rules(&rules);
        (void)err_set(e, ERR_MEMORY, "out of memory");
        return NULL;
    }
    a->o = *o;
    forget_strings(&a->o);
    a->rules = rules;
    a->routes = o->routes != NULL ? o->routes : endpoints;
    a->routes_n = o->routes != NULL ? o->routes_n : endpoints_n;
    a->o.keepalive_ms = o->keepalive_ms > 0 ? o->keepalive_ms : KEEPALIVE_MS;
    take_limits(a, o);
    (void)pthread_rwlock_init(&a->lock, NULL);
    json_object_seed(0); /* before there are threads that read JSON */
    a->base_path = strdup(o->base_path);
    a->streams.timer = loop_timer_new(o->loop, request_stream_keep_alive, a);
    a->webhooks.pages = webhook_pages_new(o->loop, o->store, e);
    if (a->base_path == NULL || a->streams.timer == NULL)
        (void)err_set(e, ERR_MEMORY, "out of memory");
    else if (a->webhooks.pages != NULL)
        a->fcgi = open_fcgi(a, o, e);
    if (a->fcgi != NULL)
        return a;
    api_close(a);
    return NULL;
}

int api_reload(struct api *a, const struct api_options *o, struct err *e)
{
    struct request_rules fresh, old;

    if (make_rules(o, &fresh, e) != 0)
        return -1;
    (void)pthread_rwlock_wrlock(&a->lock);
    old = a->rules;
    a->rules = fresh;
    (void)pthread_rwlock_unlock(&a->lock);
    free_rules(&old);
    take_limits(a, o);
    return 0;
}

void api_drain(struct api *a, loop_fn *fn, void *arg)
{
    fcgi_drain(a->fcgi, fn, arg);
}

void api_close(struct api *a)
{
    if (a == NULL)
        return;
    fcgi_close(a->fcgi);
    loop_timer_free(a->streams.timer);
    webhook_pages_free(a->webhooks.pages);
    free_rules(&a->rules);
    free(a->base_path);
    buf_fini(&a->body);
    buf_fini(&a->answer);
    (void)pthread_rwlock_destroy(&a->lock);
    free(a);
}

void api_stat(const struct api *a, struct api_stat *out)
{
    *out = (struct api_stat){
        .requests = a->requests,
        .refused = atomic_load(&a->refused),
        .busy = atomic_load(&a->busy),
        .limited = atomic_load(&a->limited),
        .in_flight = atomic_load(&a->in_flight),
        .in_flight_max = atomic_load(&a->in_flight_max),
        .connections = (int64_t)fcgi_live(a->fcgi),
        .streams = atomic_load(&a->streams.n),
    };
}
