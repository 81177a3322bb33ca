/* SPDX-License-Identifier: MIT
 * The socket that WebSockets come in at. */
#include "config.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/websocket_own.h"
#include "daemon/websocket_place.h"
#include "lib/loop.h"

#define BACKLOG 1024

static int listen_address(struct websocket *w, struct err *e)
{
    static const int yes = 1;
    struct addrinfo *a;

    if (websocket_place_read(w->listen, &a, e) != 0)
        return -1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 && bind(fd, a->ai_addr, a->ai_addrlen) == 0 &&
                listen(fd, BACKLOG) == 0;
    int why = errno;
    freeaddrinfo(a);
    if (good) {
        w->file = (struct socket_file){ .fd = fd };
        return 0;
    }
    if (fd >= 0)
        (void)close(fd);
    return err_set_errno(e, why, "%s", w->listen);
}

int websocket_listen(struct websocket *w, struct err *e)
{
    /* Open to all who can reach it, whoever the web server runs as: who connects without a credential gets nothing but a 401, as from
     * the web server itself. */
    return w->is_file ? socket_file_open(&w->file, w->listen, 0666, e) : listen_address(w, e);
}

int websocket_accept(struct websocket *w)
{
    static const int yes = 1;
    int fd = socket_file_accept(&w->file);

    if (fd >= 0 && !w->is_file)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    return fd;
}

void websocket_deafen(struct websocket *w)
{
    loop_fd_free(w->accepting);
    w->accepting = NULL;
    if (w->is_file)
        socket_file_close(&w->file, w->listen);
    else if (w->file.fd >= 0)
        (void)close(w->file.fd);
    w->file.fd = -1;
}
