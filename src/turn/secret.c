/* SPDX-License-Identifier: MIT
 * Reading secrets. A file is read at once, on the caller's thread: it is one line of a local file, and only a regular one is opened in
 * earnest, so that nothing can wait here. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "turn/secret.h"

#define SECRET_MAX 8192

static const char *refuse(struct err *e, const char *name, const char *why)
{
    (void)err_set(e, ERR_INVALID, "%.150s %s", name, why);
    return NULL;
}

static ssize_t read_file(const char *path, char text[SECRET_MAX + 1])
{
    struct stat st;
    size_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -1;
    int why = fstat(fd, &st) != 0 ? errno : S_ISREG(st.st_mode) ? 0 : EINVAL;
    while (why == 0 && n <= SECRET_MAX) {
        ssize_t got = read(fd, text + n, SECRET_MAX + 1 - n);
        if (got == 0)
            break;
        if (got > 0)
            n += (size_t)got;
        else if (errno != EINTR)
            why = errno;
    }
    (void)close(fd);
    errno = why;
    return why == 0 ? (ssize_t)n : -1;
}

/* Visible ASCII: what a header carries as it is. */
static const char *keep(struct arena *a, const char *name, struct sv value, struct err *e)
{
    if (value.n == 0)
        return refuse(e, name, "is empty");
    if (value.n > SECRET_MAX)
        return refuse(e, name, "is too long for a secret");
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] <= ' ' || value.p[i] > '~')
            return refuse(e, name, "holds a character that no secret has");
    const char *copy = arena_str(a, value);
    if (copy == NULL)
        (void)err_set(e, ERR_MEMORY, "no memory");
    return copy;
}

const char *secret_read(struct arena *a, const char *name, struct err *e)
{
    char text[SECRET_MAX + 1];
    if (strncmp(name, "env:", 4) == 0) {
        const char *value = getenv(name + 4);
        return value == NULL ? refuse(e, name, "is not set") : keep(a, name, sv_from(value), e);
    }
    if (strncmp(name, "file:", 5) != 0)
        return refuse(e, "a secret's name", "begins with env: or file:");
    ssize_t n = read_file(name + 5, text);
    if (n < 0) {
        (void)err_set_errno(e, errno, "%.150s cannot be read", name);
        return NULL;
    }
    struct sv rest = { text, (size_t)n };
    struct sv line = sv_split(&rest, '\n');
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    const char *value = keep(a, name, line, e);
    explicit_bzero(text, sizeof(text));
    return value;
}
