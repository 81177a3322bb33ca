/* SPDX-License-Identifier: MIT
 * The HTTP side as a FastCGI program with doubles behind it: what web servers are tested against, and what /health is measured with.
 *
 *   t/lib/responder [--delay-ms N] [--in-flight N] [--body-max N] [--cors LIST] [--base-path P] [--readers N]
 *                   [--keepalive-ms N] [--write-timeout-ms N]
 *
 * Listens on descriptor 0. Besides the endpoints: t/lib/stream_rig.h. Tokens: platform-token-1, admin-token-1. TERM drains; USR1 prints its figures on stderr. */
#include "config.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"
#include "t/lib/api_rig.h"
#include "t/lib/stream_rig.h"

static struct loop *loop;
static struct api *api;

static void on_drained(void *arg)
{
    loop_stop(arg);
}

static void on_term(void *arg)
{
    (void)arg;
    api_drain(api, on_drained, loop);
}

static void on_usr1(void *arg)
{
    struct api_stat s;

    (void)arg;
    api_stat(api, &s);
    (void)fprintf(stderr, "requests %llu refused %llu busy %llu in_flight %lld connections %lld streams %lld\n",
                  (unsigned long long)s.requests, (unsigned long long)s.refused, (unsigned long long)s.busy,
                  (long long)s.in_flight, (long long)s.connections, (long long)s.streams);
}

static void read_options(int argc, char **argv, struct api_options *o)
{
    static const struct option known[] = {
        { "delay-ms", required_argument, NULL, 'd' },
        { "in-flight", required_argument, NULL, 'f' },
        { "body-max", required_argument, NULL, 'b' },
        { "cors", required_argument, NULL, 'c' },
        { "base-path", required_argument, NULL, 'p' },
        { "readers", required_argument, NULL, 'r' },
        { "keepalive-ms", required_argument, NULL, 'k' },
        { "write-timeout-ms", required_argument, NULL, 'w' },
        { NULL, 0, NULL, 0 },
    };
    int letter;

    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (letter) {
        case 'd':
            atomic_store(&rig_script.delay_ms, strtoll(optarg, NULL, 10));
            break;
        case 'f':
            o->in_flight_max = strtoll(optarg, NULL, 10);
            break;
        case 'b':
            o->body_max = strtoll(optarg, NULL, 10);
            break;
        case 'c':
            o->cors_origins = optarg;
            break;
        case 'p':
            o->base_path = optarg;
            break;
        case 'r':
            o->readers_max = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'k':
            o->keepalive_ms = strtoll(optarg, NULL, 10);
            break;
        case 'w':
            o->write_timeout_ms = strtoll(optarg, NULL, 10);
            break;
        default:
            exit(64);
        }
    }
}

int main(int argc, char **argv)
{
    struct api_options o = rig_options();
    struct loop_signal *term, *usr1;
    struct err e;

    if (log_open("responder", NULL, LOG_WARNING, &e) != 0)
        return 75;
    read_options(argc, argv, &o);
    loop = loop_new();
    if (loop == NULL)
        return 75;
    rig_doubles(loop);
    o.loop = loop;
    o.routes = stream_rig_routes(&o.routes_n);
    api = api_open(&o, &e);
    if (api == NULL) {
        (void)fprintf(stderr, "%s\n", e.text);
        return 78;
    }
    term = loop_signal_new(loop, SIGTERM, on_term, NULL);
    usr1 = loop_signal_new(loop, SIGUSR1, on_usr1, NULL);
    loop_run(loop);
    loop_signal_free(term);
    loop_signal_free(usr1);
    api_close(api);
    loop_free(loop);
    return 0;
}
