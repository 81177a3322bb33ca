/* SPDX-License-Identifier: MIT
 * Blocking, with poll(2) for the time limit. The daemon answers lines; all but the last one are passed on as they come, so a long
 * answer needs no memory here. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"
#include "daemon/words.h"
#include "lib/clock.h"
#include "program.h"

#define PATIENCE_MS 2000 /* then a person is told that it goes on */

static void complain(const char *what, const char *detail)
{
    fprintf(stderr, "turnkeeperctl: %s%s%s\n", what, detail != NULL ? ": " : "", detail != NULL ? detail : "");
}

/* ---- the line ---- */

/* Options that a command may have; a flag has no value. */
static const struct {
    const char *option, *name;
    bool flag;
} options[] = {
    { "--max-age-hours", "max_age_hours", false },
    { "--dry-run", "dry_run", true },
    { "--limit", "limit", false },
    { "--cursor", "cursor", false },
    { "--timeout-s", "timeout_s", false },
};

static void add(struct buf *line, const char *word)
{
    if (line->n > 0)
        buf_addc(line, ' ');
    words_add(line, sv_from(word));
}

static void add_value(struct buf *line, const char *name, const char *value)
{
    struct buf word = { 0 };
    buf_printf(&word, "%s=%s", name, value);
    if (buf_ok(&word))
        add(line, word.p);
    else
        line->failed = true;
    buf_fini(&word);
}

/* How many arguments it took; 0: no option of ours, or its value is missing. */
static int add_option(struct buf *line, int left, char **argv)
{
    const char *equals = strchr(argv[0], '=');
    size_t n = equals != NULL ? (size_t)(equals - argv[0]) : strlen(argv[0]);
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (strlen(options[i].option) != n || strncmp(options[i].option, argv[0], n) != 0)
            continue;
        if (equals == NULL && !options[i].flag && left < 2)
            return 0;
        add_value(line, options[i].name, equals != NULL ? equals + 1 : options[i].flag ? "1" : argv[1]);
        return equals != NULL || options[i].flag ? 1 : 2;
    }
    return 0;
}

bool client_line(struct buf *line, int argc, char **argv)
{
    bool plain = false;
    for (int i = 0; i < argc; i++) {
        if (!plain && strcmp(argv[i], "--") == 0) {
            plain = true;
        } else if (!plain && strncmp(argv[i], "--", 2) == 0) {
            int taken = add_option(line, argc - i, argv + i);
            if (taken == 0) {
                complain("unknown option, or its value is missing", argv[i]);
                return false;
            }
            i += taken - 1;
        } else {
            add(line, argv[i]);
        }
    }
    return buf_ok(line) && line->n < WORDS_LINE_MAX - sizeof(" --json");
}

/* ---- the connection ---- */

static int open_socket(const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof(at.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(at.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
        int why = errno;
        (void)close(fd);
        errno = why;
        fd = -1;
    }
    return fd;
}

/* What the daemon says before it closes is read in any case, so a failure here is not the end. */
static void send_all(int fd, struct sv text)
{
    while (text.n > 0) {
        ssize_t n = send(fd, text.p, text.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        text = (struct sv){ text.p + n, text.n - (size_t)n };
    }
}

/* Waits for more; says to a person at a terminal that it goes on. 1: there is something, 0: the time is over, -1: an error. */
static int wait_more(int fd, int timeout_s)
{
    int64_t began_ms = clock_mono_ms();
    bool told = false;
    struct pollfd p = { .fd = fd, .events = POLLIN };
    while (true) {
        int64_t waited_ms = clock_mono_ms() - began_ms;
        if (timeout_s > 0 && waited_ms >= (int64_t)timeout_s * 1000)
            return 0;
        int rc = poll(&p, 1, PATIENCE_MS / 4);
        if (rc < 0 && errno == EINTR)
            continue;
        if (rc != 0) {
            if (told)
                fputs("\r\033[K", stderr);
            return rc;
        }
        if (waited_ms >= PATIENCE_MS && isatty(STDERR_FILENO)) {
            fprintf(stderr, "\rturnkeeperctl: the daemon is at it, %d s", (int)(waited_ms / 1000));
            told = true;
        }
    }
}

static int code_of(struct sv rest)
{
    static const struct {
        const char *code;
        int exit_code;
    } codes[] = {
        { "unavailable", EXIT_LATER },     { "busy", EXIT_LATER },    { "timeout", EXIT_LATER },
        { "unknown_command", EXIT_USE },   { "bad_line", EXIT_USE },  { "bad_arguments", EXIT_USE },
        { "line_too_long", EXIT_USE },
    };
    struct sv code = sv_split(&rest, ' ');
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (sv_eq(code, sv_from(codes[i].code)))
            return codes[i].exit_code;
    return CLIENT_REFUSED;
}

/* Whole lines in `in`: passes them on. The exit code once the last one was there, else -1. */
static int pass_on(struct buf *in, const char *about)
{
    char *end;
    while (in->n > 0 && (end = memchr(in->p, '\n', in->n)) != NULL) {
        struct sv line = { in->p, (size_t)(end - in->p) };
        if (sv_eq(line, SV("OK")))
            return EXIT_FINE;
        if (sv_starts(line, SV("ERR "))) {
            struct sv text = { line.p + 4, line.n - 4 };
            fprintf(stderr, "turnkeeperctl: %.*s%s%s%s\n", SV_FMT(text), about != NULL ? " (" : "", about != NULL ? about : "", about != NULL ? ")" : "");
            return code_of(text);
        }
        (void)fwrite(line.p, 1, line.n + 1, stdout);
        buf_consume(in, line.n + 1);
    }
    return -1;
}

static int read_answer(int fd, const struct client_options *o)
{
    struct buf in = { .max = 8u << 20 };
    int exit_code = -1;
    while (exit_code < 0) {
        int rc = wait_more(fd, o->timeout_s);
        char *to = rc > 0 ? buf_room(&in, 65536) : NULL;
        ssize_t n = to != NULL ? recv(fd, to, 65536, 0) : -1;
        if (rc == 0)
            complain("the daemon does not answer in time", NULL);
        else if (n <= 0)
            complain("the daemon has closed the connection", NULL);
        if (n <= 0)
            break;
        buf_grown(&in, (size_t)n);
        exit_code = pass_on(&in, o->about);
    }
    buf_fini(&in);
    return exit_code < 0 ? EXIT_LATER : exit_code;
}

int client_run(const struct client_options *o, struct sv line)
{
    struct buf text = { 0 };
    if (memchr(line.p, '\n', line.n) != NULL || memchr(line.p, '\r', line.n) != NULL) {
        complain("a command is one line", NULL);
        return EXIT_USE;
    }
    int fd = open_socket(o->socket);
    if (fd < 0) {
        fprintf(stderr, "turnkeeperctl: no daemon answers at %s: %s\n", o->socket, strerror(errno));
        return errno == EACCES || errno == EPERM ? CLIENT_REFUSED : errno == ENAMETOOLONG ? EXIT_CONF : EXIT_UNREACHABLE;
    }
    buf_add(&text, line);
    buf_add(&text, o->json ? SV(" --json\n") : SV("\n"));
    int exit_code = EXIT_LATER;
    if (buf_ok(&text)) {
        send_all(fd, buf_sv(&text));
        exit_code = read_answer(fd, o);
    }
    if (fflush(stdout) != 0 && exit_code == EXIT_FINE)
        exit_code = EXIT_LATER;
    buf_fini(&text);
    (void)close(fd);
    return exit_code;
}
