/* SPDX-License-Identifier: MIT
 * Built without libwebsockets: there is no push over WebSocket, and everything that asks for it is told so. */
#include "config.h"

#include "daemon/websocket.h"

struct websocket *websocket_open(const struct websocket_options *o, struct err *e)
{
    (void)o;
    (void)err_set(e, ERR_UNAVAILABLE, "this turnkeeper was built without WebSockets");
    return NULL;
}

int websocket_set(struct websocket *w, const struct websocket_options *o, struct err *e)
{
    (void)w, (void)o, (void)e;
    return 0;
}

void websocket_stop(struct websocket *w, void (*done)(void *arg), void *arg)
{
    (void)w;
    done(arg);
}

void websocket_free(struct websocket *w)
{
    (void)w;
}

void websocket_stat(const struct websocket *w, struct websocket_stat *out)
{
    (void)w;
    *out = (struct websocket_stat){ 0 };
}

const char *websocket_library(void)
{
    return NULL;
}
