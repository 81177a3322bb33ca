/* SPDX-License-Identifier: MIT
 * Tests of src/client_set.c and src/client.c: what `bot set FILE` sends to the socket, line by line, and what a person reads when rows of a file
 * are refused. The daemon is a process of the test that answers as it is told. */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "program.h"
#include "t/tap.h"

static char directory[] = "/tmp/tk-client-XXXXXX";
static char in_path[64], lines_path[64], errors_path[64];
static struct sockaddr_un at = { .sun_family = AF_UNIX };

static void answer_one(int fd, FILE *lines, const char *answer)
{
    char line[4096];
    size_t n = 0;
    while (n < sizeof(line) - 1 && read(fd, line + n, 1) == 1 && line[n++] != '\n')
        ;
    line[n] = '\0';
    (void)fputs(line, lines);
    (void)fflush(lines);
    if (write(fd, answer, strlen(answer)) < 0)
        _exit(1);
    (void)close(fd);
}

/* One connection for each answer, and no more. */
static pid_t begin_daemon(const char *const *answers)
{
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)unlink(at.sun_path);
    if (server < 0 || bind(server, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(server, 8) != 0)
        bail_out("no socket at %s", at.sun_path);
    pid_t pid = fork();
    if (pid != 0) {
        (void)close(server);
        return pid;
    }
    FILE *lines = fopen(lines_path, "w");
    (void)alarm(60);
    for (size_t i = 0; lines != NULL && answers[i] != NULL; i++)
        answer_one(accept(server, NULL, NULL), lines, answers[i]);
    _exit(lines != NULL ? 0 : 1);
}

static void write_file(const char *text)
{
    FILE *f = fopen(in_path, "w");
    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
        bail_out("cannot write %s", in_path);
}

static const char *text_of(const char *path)
{
    static char text[4096];
    FILE *f = fopen(path, "r");
    size_t n = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;
    text[n] = '\0';
    if (f != NULL)
        (void)fclose(f);
    return text;
}

/* The exit code; standard error goes to errors_path. */
static int set(const char *kind, const char *file, const char *const *answers)
{
    const struct client_options o = { .socket = at.sun_path, .timeout_s = 30 };
    int status, keep = dup(STDERR_FILENO), errors = open(errors_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    write_file(file);
    pid_t pid = begin_daemon(answers);
    if (keep < 0 || errors < 0 || pid < 0 || dup2(errors, STDERR_FILENO) < 0)
        bail_out("no way to catch standard error");
    int exit_code = client_set(&o, kind, in_path);
    (void)fflush(stderr);
    (void)dup2(keep, STDERR_FILENO);
    (void)close(keep);
    (void)close(errors);
    ok(waitpid(pid, &status, 0) == pid && status == 0, "every row was sent");
    return exit_code;
}

static void several(void)
{
    static const char *const answers[] = { "OK\n", "ERR validation_error name: Field required\n", "ERR stale It is.\n", "OK\n", NULL };
    is_int(set("BOT", "[{\"bot_id\":\"a\",\"name\":\"A\"},{\"bot_id\":\"b\"},{\"bot_id\":\"c\\u001b[\",\"name\":\"C\"},{\"bot_id\":\"d\",\"name\":\"D\"}]", answers),
           CLIENT_REFUSED, "two of four are refused");
    is_str(text_of(errors_path), "turnkeeperctl: validation_error name: Field required (row 2 of 4: b)\nturnkeeperctl: stale It is. (row 3 of 4: c?[)\n",
           "which ones");
    is_str(text_of(lines_path), "BOT SET {\"bot_id\":\"a\",\"name\":\"A\"}\nBOT SET {\"bot_id\":\"b\"}\nBOT SET {\"bot_id\":\"c\\u001b[\",\"name\":\"C\"}\n"
                                "BOT SET {\"bot_id\":\"d\",\"name\":\"D\"}\n", "all were tried");
    static const char *const no[] = { "ERR validation_error No.\n", "ERR validation_error No.\n", NULL };
    is_int(set("CORE", "{\"ai_cores\":[{\"name\":\"x\"},7]}", no), CLIENT_REFUSED, "what a list printed");
    is_str(text_of(errors_path), "turnkeeperctl: validation_error No. (row 1 of 2: x)\nturnkeeperctl: validation_error No. (row 2 of 2)\n",
           "a row without a name has its place");
}

static void alone(void)
{
    static const char *const no[] = { "ERR validation_error name: Field required\n", NULL }, *const yes[] = { "OK\n", NULL };
    is_int(set("PLATFORM", "{\"provider\":\"log\"}", no), CLIENT_REFUSED, "a single row");
    is_str(text_of(errors_path), "turnkeeperctl: validation_error name: Field required\n", "needs no place");
    is_int(set("PLATFORM", "{\"name\":\"p\",\"provider\":\"log\"}", yes), EXIT_FINE, "and one that is fine");
    is_str(text_of(errors_path), "", "says nothing");
}

int main(void)
{
    if (mkdtemp(directory) == NULL)
        bail_out("no directory");
    (void)snprintf(in_path, sizeof(in_path), "%s/in", directory);
    (void)snprintf(lines_path, sizeof(lines_path), "%s/lines", directory);
    (void)snprintf(errors_path, sizeof(errors_path), "%s/errors", directory);
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/socket", directory);
    several();
    alone();
    (void)unlink(in_path);
    (void)unlink(lines_path);
    (void)unlink(errors_path);
    (void)unlink(at.sun_path);
    (void)rmdir(directory);
    return done_testing();
}
