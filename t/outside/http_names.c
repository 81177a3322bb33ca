/* SPDX-License-Identifier: MIT
 * A name server that does not answer: the calls that wait for it end in their time, and the loop goes on meanwhile. getaddrinfo is this file's: of names in
 * ".slow" it comes back when it is told to. */
#include "config.h"

#include <dirent.h>
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "t/outside/rig.h"
#include "t/tap.h"

#define CALLS 3

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool server_answers;
static atomic_int asked;

int getaddrinfo(const char *restrict name, const char *restrict service, const struct addrinfo *restrict hints, struct addrinfo **restrict result)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");

    memcpy(&real, &symbol, sizeof(real));
    if (name == NULL || strstr(name, ".slow") == NULL)
        return real(name, service, hints, result);
    atomic_fetch_add(&asked, 1);
    (void)pthread_mutex_lock(&lock);
    while (!server_answers)
        (void)pthread_cond_wait(&changed, &lock);
    (void)pthread_mutex_unlock(&lock);
    return EAI_AGAIN;
}

/* The server answers after so long whatever happens: a loop that waits for it is to fail here, not to hang. */
static void *answer_late(void *seconds)
{
    (void)sleep(*(unsigned *)seconds);
    (void)pthread_mutex_lock(&lock);
    server_answers = true;
    (void)pthread_cond_broadcast(&changed);
    (void)pthread_mutex_unlock(&lock);
    return NULL;
}

static int threads(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/task");

    while (dir != NULL && readdir(dir) != NULL)
        n++;
    if (dir != NULL)
        (void)closedir(dir);
    return n - 2; /* "." and ".." */
}

static bool all_heard(void *arg)
{
    const struct heard *h = arg;
    int n = 0;

    for (int i = 0; i < CALLS; i++)
        n += h[i].times;
    return n == CALLS;
}

static bool all_asked(void *arg)
{
    (void)arg;
    return atomic_load(&asked) == CALLS + 1;
}

int main(void)
{
    static const struct peer_step step = { .answer = PEER_OK(2, "{}") };
    unsigned patience_s = 20;
    struct rig r;
    struct heard h[CALLS] = { 0 }, other = { 0 };
    pthread_t server;
    int before = threads();

    rig_open(&r, NULL);
    ok(pthread_create(&server, NULL, answer_late, &patience_s) == 0, "a name server that is slow");
    int64_t begun_ms = clock_mono_ms();
    const struct http_request q = { .url = "http://name.slow/", .timeout_ms = 700 }, unwanted = { .url = "http://nobody.slow/", .timeout_ms = PLENTY_MS };
    for (int i = 0; i < CALLS; i++)
        ok(http_post(r.http, &q, hear, &h[i]) != NULL, "a call that needs it");
    struct http_call *c = http_post(r.http, &unwanted, hear, &other);
    rig_until(&r, all_asked, NULL);
    if (c != NULL)
        http_abort(c);
    ok(clock_mono_ms() - begun_ms < 15000, "aborting another one does not wait for it");
    rig_until(&r, all_heard, h);
    ok(clock_mono_ms() - begun_ms < 15000, "nor do those whose time is over");
    for (int i = 0; i < CALLS; i++) {
        is_str(http_outcomes[h[i].answer.outcome], "not sent", "%s", h[i].answer.err.text);
        heard_free(&h[i]);
    }
    is_int(other.times, 0, "who aborted hears nothing");
    struct peer *p = peer_start(&step, 1);
    rig_post(&r, &(struct http_request){ .url = rig_url(peer_port(p), "/"), .timeout_ms = PLENTY_MS }, &other);
    is_str(http_outcomes[other.answer.outcome], "answered", "others go on");
    rig_close(&r);
    ok(clock_mono_ms() - begun_ms < 15000, "nor does the end of all");
    peer_stop(p);
    heard_free(&other);
    (void)pthread_cancel(server);
    (void)pthread_join(server, NULL);
    patience_s = 0;
    (void)answer_late(&patience_s);
    for (int i = 0; i < 2000 && threads() > before; i++)
        (void)usleep(10000);
    is_int(threads(), before, "when the server answers, the threads that asked it end");
    return done_testing();
}
