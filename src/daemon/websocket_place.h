/* SPDX-License-Identifier: MIT
 * What WEBSOCKET_LISTEN says, whether or not WebSockets are built in. */
#ifndef DAEMON_WEBSOCKET_PLACE_H
#define DAEMON_WEBSOCKET_PLACE_H

#include <stdbool.h>

#include "lib/err.h"

struct addrinfo;

/* Has it a slash? */
bool websocket_place_is_file(const char *listen);
/* Of one that is no file; freeaddrinfo when done. -1: it is no address (ERR_RANGE). */
int websocket_place_read(const char *listen, struct addrinfo **out, struct err *e) MUST_CHECK;
/* Either. -1: ERR_RANGE. */
int websocket_place_check(const char *listen, struct err *e) MUST_CHECK;

#endif
