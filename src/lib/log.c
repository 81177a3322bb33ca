/* SPDX-License-Identifier: MIT
 * Writes log lines. A line is built on the stack and leaves in one write(2), so that lines of threads and of processes
 * that share a file or a pipe do not mix; hence at most PIPE_BUF bytes a line. What does not fit is left out and
 * "cut":true says so. A line that cannot be written is lost: logging never blocks or fails the work. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/sv.h"

#define LINE_MAX_BYTES 4096
#define VALUE_MAX_BYTES 1024
#define TAIL "\"cut\":true}\n"
#define TEXT_END (LINE_MAX_BYTES - sizeof(TAIL) - 2) /* a closing quote, a comma and the tail always fit behind it */

_Atomic(enum log_level) log_threshold = LOG_INFO;

static const char *program = "turnkeeper";
static char *path; /* NULL: stderr */
static atomic_int out = STDERR_FILENO;

struct line {
    size_t n;
    bool cut;
    char p[LINE_MAX_BYTES];
};

static const char *const names[] = {
    [LOG_DEBUG] = "DEBUG", [LOG_INFO] = "INFO", [LOG_WARNING] = "WARNING", [LOG_ERROR] = "ERROR"
};

static int open_file(const char *name, struct err *e)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);

    return fd >= 0 ? fd : err_set_errno(e, errno, "log file %s", name);
}

int log_open(const char *program_, const char *path_, enum log_level level, struct err *e)
{
    char *copy = NULL;
    int fd = STDERR_FILENO;

    if (path_ != NULL && path_[0] != '\0') {
        fd = open_file(path_, e);
        if (fd < 0)
            return -1;
        copy = strdup(path_);
        if (copy == NULL) {
            (void)close(fd);
            return err_set(e, ERR_MEMORY, "out of memory");
        }
    }
    log_close();
    program = program_;
    path = copy;
    out = fd;
    log_threshold = level;
    return 0;
}

int log_reopen(struct err *e)
{
    int fd, rc;

    if (path == NULL)
        return 0;
    fd = open_file(path, e);
    if (fd < 0)
        return -1;
    rc = dup3(fd, out, O_CLOEXEC); /* the number stays, so that other threads may go on writing */
    if (rc < 0)
        (void)err_set_errno(e, errno, "log file %s", path);
    (void)close(fd);
    return rc < 0 ? -1 : 0;
}

int log_move(const char *path_, struct err *e)
{
    bool file = path_ != NULL && path_[0] != '\0';
    char *copy = file ? strdup(path_) : NULL;
    int fd = file ? open_file(path_, e) : STDERR_FILENO, rc = 0;

    if (fd < 0 || (file && copy == NULL)) {
        if (fd >= 0) {
            (void)close(fd);
            (void)err_set(e, ERR_MEMORY, "out of memory");
        }
        free(copy);
        return -1;
    }
    if (out == STDERR_FILENO)
        out = fd; /* stderr itself is never closed */
    else {
        rc = dup3(fd, out, O_CLOEXEC) < 0 ? err_set_errno(e, errno, "log file") : 0;
        if (file)
            (void)close(fd);
    }
    if (rc != 0) {
        free(copy);
        return -1;
    }
    free(path);
    path = copy;
    return 0;
}

void log_close(void)
{
    int fd = atomic_exchange(&out, STDERR_FILENO);

    if (fd != STDERR_FILENO)
        (void)close(fd);
    free(path);
    path = NULL;
}

bool log_level_parse(const char *name, enum log_level *level)
{
    if (strcasecmp(name, "WARN") == 0) {
        *level = LOG_WARNING;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcasecmp(name, names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

const char *log_level_name(enum log_level level)
{
    return names[level];
}

/* False when there is no room; nothing is added then. */
static bool add(struct line *l, const char *p, size_t n)
{
    if (l->n + n > TEXT_END)
        return false;
    memcpy(l->p + l->n, p, n);
    l->n += n;
    return true;
}

/* Length of the sequence at p that can stand in a line as it is; 0: the byte must be escaped. */
static size_t plain(const char *p, size_t n)
{
    unsigned char c = (unsigned char)p[0];

    if (c < 0x80)
        return c >= 0x20 && c != 0x7F && c != '"' && c != '\\';
    for (size_t len = 2; len <= 4 && len <= n; len++)
        if (sv_is_utf8((struct sv){ p, len }))
            return c == 0xC2 && (unsigned char)p[1] < 0xA0 ? 0 : len; /* U+0080 to U+009F are control characters */
    return 0;
}

/* \\xff for a byte of invalid UTF-8, else JSON's escapes; the number of bytes read. */
static size_t add_escape(struct line *l, const char *p, size_t n, bool *fits)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char c = (unsigned char)p[0];
    char text[6] = { '\\', (char)c };

    if (c == '"' || c == '\\') {
        *fits = add(l, text, 2);
        return 1;
    }
    if (c == 0xC2 && n > 1 && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xA0) {
        c = (unsigned char)p[1];
        *fits = add(l, (const char[]){ '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] }, 6);
        return 2;
    }
    if (c >= 0x80)
        *fits = add(l, (const char[]){ '\\', '\\', 'x', digits[c >> 4], digits[c & 15] }, 5);
    else
        *fits = add(l, (const char[]){ '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] }, 6);
    return 1;
}

static void add_text(struct line *l, const char *text)
{
    size_t n = strnlen(text, VALUE_MAX_BYTES + 1);
    bool fits = true;

    if (n > VALUE_MAX_BYTES) {
        n = VALUE_MAX_BYTES;
        while (n > VALUE_MAX_BYTES - 3 && ((unsigned char)text[n] & 0xC0) == 0x80)
            n--;
        l->cut = true;
    }
    for (size_t i = 0; i < n && fits;) {
        size_t len = plain(text + i, n - i);
        if (len > 0) {
            fits = add(l, text + i, len);
            i += len;
        } else {
            i += add_escape(l, text + i, n - i, &fits);
        }
    }
    l->cut |= !fits;
}

static bool is_number(const char *text)
{
    size_t sign = text[0] == '-', n = strspn(text + sign, "0123456789");

    return n > 0 && n < 20 && text[sign + n] == '\0' && (n == 1 || text[sign] != '0');
}

static void add_number(struct line *l, const char *name, const char *value)
{
    size_t before = l->n;

    if (add(l, "\"", 1) && add(l, name, strlen(name)) && add(l, "\":", 2) && add(l, value, strlen(value)) && add(l, ",", 1))
        return;
    l->n = before;
    l->cut = true;
}

static void add_pair(struct line *l, const char *name, const char *value)
{
    size_t before = l->n;
    bool number = name[0] == '#';

    name += number;
    if (value == NULL)
        return;
    if (number && is_number(value)) {
        add_number(l, name, value);
        return;
    }
    if (!add(l, "\"", 1) || !add(l, name, strlen(name)) || !add(l, "\":\"", 3)) {
        l->n = before;
        l->cut = true;
        return;
    }
    add_text(l, value);
    memcpy(l->p + l->n, "\",", 2);
    l->n += 2;
}

static void write_line(const struct line *l)
{
    size_t done = 0;

    while (done < l->n) {
        ssize_t n = write(out, l->p + done, l->n - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        done += (size_t)n;
    }
}

void log_write(enum log_level level, const char *message, ...)
{
    int saved = errno;
    struct line l;
    char number[12];
    char when[25];
    const char *name;
    va_list args;
    size_t at = sizeof(number) - 1;

    l.n = 0;
    l.cut = false;
    number[at] = '\0';
    for (long pid = getpid(); pid > 0; pid /= 10)
        number[--at] = (char)('0' + pid % 10);
    clock_format(clock_wall_ms(), when);
    (void)add(&l, "{", 1);
    add_pair(&l, "time", when);
    add_pair(&l, "level", names[level]);
    add_pair(&l, "program", program);
    (void)add(&l, "\"pid\":", 6);
    (void)add(&l, number + at, sizeof(number) - 1 - at);
    (void)add(&l, ",", 1);
    add_pair(&l, "message", message);
    va_start(args, message);
    while ((name = va_arg(args, const char *)) != NULL)
        add_pair(&l, name, va_arg(args, const char *));
    va_end(args);
    if (l.cut) {
        memcpy(l.p + l.n, TAIL, sizeof(TAIL) - 1);
        l.n += sizeof(TAIL) - 1;
    } else {
        memcpy(l.p + l.n - 1, "}\n", 2);
        l.n++;
    }
    write_line(&l);
    errno = saved;
}
