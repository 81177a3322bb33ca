/* SPDX-License-Identifier: MIT
 * Where WebSockets are listened for: a Unix socket or an address of this host. */
#include "config.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "daemon/websocket_place.h"

/* "[::1]:8001" and the like. Only numbers: nothing here may ask a name server. */
static int read_address(const char *text, struct addrinfo **out)
{
    static const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
                                           .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
    const char *colon = strrchr(text, ':');
    char host[64];
    size_t n = colon != NULL ? (size_t)(colon - text) : 0;

    if (n == 0 || n >= sizeof(host) || colon[1] == '\0' || strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return -1;
    memcpy(host, text, n);
    host[n] = '\0';
    if (host[0] == '[' && host[n - 1] == ']') {
        memmove(host, host + 1, n);
        host[n - 2] = '\0';
    } else if (strchr(host, ':') != NULL) {
        return -1;
    }
    return getaddrinfo(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, colon + 1, &hints, out) == 0 ? 0 : -1;
}

bool websocket_place_is_file(const char *listen)
{
    return strchr(listen, '/') != NULL;
}

int websocket_place_read(const char *listen, struct addrinfo **out, struct err *e)
{
    if (read_address(listen, out) == 0)
        return 0;
    return err_set(e, ERR_RANGE, "neither the path of a Unix socket nor host:port with an address in numbers or localhost");
}

int websocket_place_check(const char *listen, struct err *e)
{
    struct addrinfo *found;

    if (websocket_place_is_file(listen)) {
        size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
        return strlen(listen) <= room ? 0 : err_set(e, ERR_RANGE, "the path of a socket must have at most %zu bytes", room);
    }
    if (websocket_place_read(listen, &found, e) != 0)
        return -1;
    freeaddrinfo(found);
    return 0;
}
