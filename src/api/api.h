/* SPDX-License-Identifier: MIT
 * The HTTP side of a responder: takes requests from the web server's FastCGI socket, hands them to the turn engine, answers.
 *
 *   api_open(&options, &e)          accepts from here on
 *   loop_run(...)
 *   on TERM: api_drain(a, fn, arg)  accepts nothing more, ends event streams; fn when all that was accepted has its answer. turns_drain,
 *                                   called at the same moment, sees to it that waiting clients get theirs
 *   api_close(a)                    outside the loop's callbacks, before turns_free */
#ifndef API_API_H
#define API_API_H

#include <stddef.h>

#include "lib/err.h"
#include "lib/jwt.h"
#include "lib/loop.h"
#include "turn/message.h"

struct api;
struct archive;
struct callback;
struct hub;
struct bots;
struct route;
struct store;
struct turns;

/* Whether webhooks of this page are taken, and which bot answers it: its id is written, "" is the default one. Loop thread. */
typedef bool api_page_fn(void *arg, struct sv page_id, char bot_id[MESSAGE_ID_MAX + 1]);

struct api_options {
    struct loop *loop;
    struct turns *turns;
    struct store *store;     /* asked whether it is up, no more */
    struct archive *archive; /* the same; NULL: none is configured */
    struct bots *bots;       /* told of changes to their rows; NULL: none */
    struct hub *hub;         /* of events */
    const struct callback *callback; /* asked where results may go */
    int listen_fd;           /* 0 for a FastCGI program; api_is_listener() says whether it can be used */

    const char *platform_tokens, *admin_tokens; /* PANCAKE_ACCESS_TOKEN, ADMIN_ACCESS_TOKEN: lists with commas */
    struct jwt_options jwt;                     /* JWT_*; its files are read anew by each reload */
    const char *cors_origins;                   /* CORS_ORIGINS: list with commas, "*" for all, "" for none */
    const char *base_path;                      /* before all paths: "" or "/chat" */
    int64_t body_max;                           /* MAX_BODY_BYTES, at most 16 MiB */
    int64_t in_flight_max;    /* MAX_IN_FLIGHT; 0: what the descriptor limit carries at two a request */
    int64_t sync_wait_ms;     /* SYNC_WAIT_MS */
    const char *webhook_secrets; /* PANCAKE_WEBHOOK_SECRET: list with commas; NULL, "": none */
    bool webhooks_fetched;       /* what no webhook could bring is fetched later: so few need to be told that theirs failed */
    int64_t webhook_deadline_ms; /* PANCAKE_WEBHOOK_DEADLINE_MS; 0: 2,000 */
    api_page_fn *page;        /* NULL: no page is known */
    void *page_arg;
    int64_t rate_limit;       /* RATE_LIMIT_PER_MINUTE; 0: none */
    bool closed_status;       /* PUBLIC_STATUS=no: the handler's status needs a credential */
    unsigned readers_max;     /* threads; 0: all that are possible (64) */
    int64_t read_timeout_ms;  /* to read a whole request; 0: 30,000 */
    int64_t write_timeout_ms; /* without progress; 0: 30,000 */
    int64_t keepalive_ms;     /* a line of comment on each event stream as often as this; 0: 15,000 */

    const struct route *routes; /* who serves what; NULL: all endpoints of this program. Stays the caller's */
    size_t routes_n;
};

/* A listening socket. When descriptor 0 is none, the program was started by hand: say how it is meant, exit 64. */
bool api_is_listener(int fd);
/* CORS_ORIGINS: would api_open take it? */
int api_check_origins(const char *list, struct err *e) MUST_CHECK;
/* -1 (ERR_INVALID: a token, key, secret, origin or base path; ERR_RANGE; ERR_IO: a file of keys). */
struct api *api_open(const struct api_options *o, struct err *e) MUST_CHECK;
/* Takes over tokens, keys, secrets, origins, body_max, in_flight_max, sync_wait_ms, webhook_deadline_ms, rate_limit, closed_status. -1: nothing has changed. Loop thread. */
int api_reload(struct api *a, const struct api_options *o, struct err *e) MUST_CHECK;
void api_drain(struct api *a, loop_fn *fn, void *arg);
/* Connections that are still open are cut. NULL is allowed. */
void api_close(struct api *a);

/* Figures since the start. */
struct api_stat {
    uint64_t requests; /* answered, refusals among them */
    uint64_t refused;  /* 401 and 403 */
    uint64_t busy;     /* 503 for want of room */
    uint64_t limited;  /* 429 */
    int64_t in_flight, in_flight_max, connections;
    int64_t streams; /* open, of the connections */
};
void api_stat(const struct api *a, struct api_stat *out);

#endif
