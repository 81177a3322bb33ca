/* SPDX-License-Identifier: MIT
 * Formats error texts. Must not allocate: it is called when memory is short. */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/err.h"

int err_set(struct err *e, enum err_code code, const char *format, ...)
{
    va_list args;

    if (e == NULL)
        return -1;
    e->code = code;
    va_start(args, format);
    if (vsnprintf(e->text, sizeof(e->text), format, args) < 0)
        e->text[0] = '\0';
    va_end(args);
    return -1;
}

int err_set_errno(struct err *e, int number, const char *format, ...)
{
    char reason[80];
    va_list args;
    int n;

    if (e == NULL)
        return -1;
    e->code = number == ENOMEM ? ERR_MEMORY : ERR_IO;
    va_start(args, format);
    n = vsnprintf(e->text, sizeof(e->text), format, args);
    va_end(args);
    if (n < 0)
        n = 0;
    if ((size_t)n < sizeof(e->text))
        (void)snprintf(e->text + n, sizeof(e->text) - (size_t)n, ": %s", strerror_r(number, reason, sizeof(reason)));
    return -1;
}
