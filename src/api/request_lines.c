/* SPDX-License-Identifier: MIT
 * Answers of JSON lines that nobody knows the number of: written as fast as they are read. A client that stops reading is dropped after the write
 * timeout. */
#include "config.h"

#include "api/request.h"

#define BUFFER_MAX (1u << 20) /* behind a piece that waits; whoever writes waits for it anyway */

void request_lines(struct request *r, loop_fn *gone, loop_fn *room, void *arg)
{
    bool whole = request_format(r, &(struct reply){ .status = 200, .lines = true }).n > 0;

    fcgi_stream(&r->f, buf_sv(&r->api->answer), BUFFER_MAX, gone, arg);
    fcgi_stream_on_room(&r->f, room);
    if (!whole || r->method == CGI_HEAD)
        fcgi_stream_leave(&r->f);
    request_park(r);
}

bool request_lines_write(struct request *r, struct sv lines)
{
    return fcgi_stream_write(&r->f, lines) == 0 && fcgi_stream_waiting(&r->f) == 0;
}

void request_lines_end(struct request *r)
{
    fcgi_stream_end(&r->f);
}
