/* SPDX-License-Identifier: MIT
 * The web server's side of FastCGI, record by record, so that a test can send what no web server sends.
 * Records are put into a buffer, sent in pieces at will, and an answer is read to its end. Blocking, with a bound on every wait. */
#ifndef T_LIB_FCGI_CLIENT_H
#define T_LIB_FCGI_CLIENT_H

#include "lib/buf.h"

enum { REC_BEGIN = 1, REC_ABORT = 2, REC_END = 3, REC_PARAMS = 4, REC_STDIN = 5, REC_STDOUT = 6, REC_GET_VALUES = 9 };
enum { ROLE_IS_RESPONDER = 1, ROLE_IS_AUTHORIZER = 2 };

struct fcgi_answer {
    struct buf out; /* what came on STDOUT: CGI headers and body */
    int status;     /* of the Status line; 0: none came */
    bool ended;     /* END_REQUEST, complete */
    bool closed;    /* the connection was closed after it */
    bool reset;     /* ... with an error */
};

void put_record(struct buf *b, int type, int id, struct sv content, int padding);
void put_begin(struct buf *b, int id, int role, bool keep);
/* One name and value in the wire's form, without a record around it. */
void put_pair(struct buf *b, const char *name, struct sv value);
/* All parameters of a request as one stream of records, ended. pairs: name, value, name, value, ..., NULL */
void put_params(struct buf *b, int id, const char *const *pairs);
/* The body as a stream of records, ended. */
void put_stdin(struct buf *b, int id, struct sv body);
/* A whole request: method, uri, and for a body Content-Length and application/json; more: further pairs or NULL. */
void put_request(struct buf *b, const char *method, const char *uri, const char *const *more, struct sv body);

int client_connect(const char *path);
/* False: the other side is gone. */
bool client_send(int fd, struct sv bytes);
/* Until the connection is closed, or wait_ms without anything new. Does not close. */
void client_read(int fd, struct fcgi_answer *a, int wait_ms);
/* Until the end of the request: the connection may stay open. */
void client_read_kept(int fd, struct fcgi_answer *a, int wait_ms);
/* Connect, send, read, close. */
void client_ask(const char *path, struct sv request, struct fcgi_answer *a);
void answer_fini(struct fcgi_answer *a);
/* The value of a header, SV_NONE: not there. */
struct sv answer_header(const struct fcgi_answer *a, const char *name);
struct sv answer_body(const struct fcgi_answer *a);

#endif
