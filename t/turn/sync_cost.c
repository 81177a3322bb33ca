/* SPDX-License-Identifier: MIT
 * What it costs to be told of exchanges (chat_sync), on the memory store and on a Redis server: no test, for whoever changes it.
 * Usage: t/turn/sync_cost [exchanges of each kind]. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/clock.h"
#include "t/store/redis_server.h"
#include "t/turn/rig.h"
#include "turn/chat.h"

#define SESSIONS 10000
#define AT_ONCE_MAX 64
#define CALL_MAX 100

struct kind {
    const char *name;
    size_t call_n, per_session, at_once;
};

static const struct kind kinds[] = {
    { "100 of 100 sessions", 100, 1, 8 }, { "100 of 10 sessions", 100, 10, 8 }, { "100 of one session", 100, 100, 8 }, { "one, 64 at once", 1, 1, 64 },
};

static struct {
    struct rig *r;
    const struct kind *kind;
    size_t left, open, made, failed;
} run;

static int64_t used_us(int who)
{
    struct rusage u;
    getrusage(who, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000) + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

/* Of the server, by its own count. */
static int64_t server_us(const struct redis_server *s)
{
    const char *text = redis_server_say(s, "INFO cpu");
    const char *sys = strstr(text, "used_cpu_sys:"), *user = strstr(text, "used_cpu_user:");
    return sys == NULL || user == NULL ? 0 : (int64_t)((strtod(sys + 13, NULL) + strtod(user + 14, NULL)) * 1e6);
}

static void call(void);

static void told(void *arg, const struct control_answer *a)
{
    (void)arg;
    run.failed += a->http_status != 200;
    run.open--;
    call();
}

static void call(void)
{
    static char names[CALL_MAX][3][40];
    struct chat_exchange list[CALL_MAX];
    size_t n = run.kind->call_n;
    if (run.left < n)
        return;
    for (size_t i = 0; i < n; i++) {
        size_t number = run.made++, session = (number / run.kind->per_session * 7919) % SESSIONS;
        (void)snprintf(names[i][0], 40, "%08zx-0000-7000-8000-%012zx", session, number);
        (void)snprintf(names[i][1], 40, "session-%zu", session);
        (void)snprintf(names[i][2], 40, "user-%zu", session / 3);
        list[i] = (struct chat_exchange){ .message_id = sv_from(names[i][0]), .session_id = sv_from(names[i][1]), .user_id = sv_from(names[i][2]),
                                          .user_message = SV("Xin chào, tôi muốn hỏi về đơn hàng của tôi, nó đã được gửi chưa?"),
                                          .ai_response = SV("Chào bạn! Đơn hàng của bạn đã được gửi hôm qua và sẽ đến trong hai ngày tới."),
                                          .timestamp_ms = -1, .metadata = SV("{\"channel\":\"web\"}") };
    }
    run.left -= n;
    run.open++;
    chat_sync(run.r->turns, list, n, n > 1, told, NULL);
}

static void measure(struct rig *r, const struct kind *kind, size_t n, const struct redis_server *server, const char *store)
{
    int64_t began_us = clock_mono_us(), own_us = used_us(RUSAGE_SELF), theirs_us = server != NULL ? server_us(server) : 0;
    run.r = r;
    run.kind = kind;
    run.left = n;
    run.failed = 0;
    for (size_t i = 0; i < kind->at_once; i++)
        call();
    while (run.open > 0)
        loop_turn(r->loop, true);
    double us = (double)(clock_mono_us() - began_us), per = (double)(used_us(RUSAGE_SELF) - own_us) / (double)n;
    double per_server = server != NULL ? (double)(server_us(server) - theirs_us) / (double)n : 0;
    (void)printf("%-7s %-20s %8.0f/s  %6.1f us here, %6.1f us in the server, each; %zu failed\n", store, kind->name, (double)n * 1e6 / us, per, per_server,
                 run.failed);
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 20000;
    struct redis_server server;
    static const char *const more[] = { "--save", "", NULL };
    struct rig r;
    struct err e;
    rig_open(&r, &rig_policy);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        measure(&r, &kinds[i], n, NULL, "memory");
    if (redis_server_open(&server, more)) {
        const struct store_redis_options o = { .host = "127.0.0.1", .port = server.port, .unix_path = "", .user = "", .password = "",
                                               .command_timeout_ms = 10000 };
        turns_free(r.turns);
        rig_settle(&r);
        store_close(r.store);
        r.store = r.options.store = store_redis_open(r.loop, &o, &e);
        r.turns = turns_new(&r.options, &e);
        for (int i = 0; i < 1000 && !store_is_up(r.store); i++)
            loop_turn(r.loop, true);
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
            measure(&r, &kinds[i], n, &server, "Redis");
    }
    rig_close(&r);
    redis_server_close(&server);
    return 0;
}
