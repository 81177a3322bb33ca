/* SPDX-License-Identifier: MIT
 * What went wrong, for callers that must tell a person or a client. Fixed size, no allocation.
 * "Not found" is never an error: functions that look something up say so in their result. */
#ifndef LIB_ERR_H
#define LIB_ERR_H

#include "lib/attr.h"

enum err_code {
    ERR_NONE = 0,
    ERR_MEMORY,      /* an arena's cap, or the allocator */
    ERR_INVALID,     /* input that breaks its format */
    ERR_RANGE,       /* well-formed input outside its limits */
    ERR_IO,          /* a system call failed */
    ERR_UNAVAILABLE, /* a server could not be reached, or not in time */
    ERR_PROTOCOL,    /* a peer answered something it must not */
    ERR_REFUSED,     /* a peer understood and said no */
    ERR_INTERNAL,    /* our own mistake */
};

struct err {
    enum err_code code;
    char text[240];
};

/* Fills *e (which may be NULL) and returns -1, so that a function can `return err_set(...)`. Cuts overlong texts. */
int err_set(struct err *e, enum err_code code, const char *format, ...) PRINTF_LIKE(3, 4);
/* As err_set, with ": " and the text of `number` (an errno value) appended. */
int err_set_errno(struct err *e, int number, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
