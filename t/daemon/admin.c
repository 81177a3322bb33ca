/* SPDX-License-Identifier: MIT
 * The wire of the admin socket with peers that behave badly: half lines, garbage, lines without an end, many at once, those that never read, those
 * that leave while their command runs. After each of them the next one is served as if nothing had been. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/admin.h"
#include "daemon/socket_file.h"
#include "daemon/words.h"
#include "lib/alive.h"
#include "lib/clock.h"
#include "t/lib/control_double.h"
#include "t/tap.h"
#include "t/turn/rig.h"

static struct rig r;
static struct commands *commands;
static struct admin *admin;
static char dir[64], path[96];
static bool paused, ended;

/* ---- peers ---- */

struct peer {
    int fd;
    bool closed; /* by the daemon */
    struct buf in;
};

static int connect_to(const char *at)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", at);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void look(struct peer *p)
{
    while (!p->closed) {
        char *to = buf_room(&p->in, 65536);
        ssize_t n = to != NULL ? recv(p->fd, to, 65536, 0) : -1;
        if (n > 0)
            buf_grown(&p->in, (size_t)n);
        else if (n == 0 || errno != EAGAIN)
            p->closed = true;
        else
            break;
    }
}

static void turn(void)
{
    loop_turn(r.loop, false);
    (void)poll(NULL, 0, 1);
}

static void say(struct peer *p, struct sv text)
{
    int64_t until_ms = clock_mono_ms() + 20000;
    while (text.n > 0 && !p->closed && clock_mono_ms() < until_ms) {
        ssize_t n = send(p->fd, text.p, text.n, MSG_NOSIGNAL);
        if (n > 0)
            text = (struct sv){ text.p + n, text.n - (size_t)n };
        else if (errno == EAGAIN)
            turn();
        else
            break;
    }
}

/* Until what has come ends in `end`, or the daemon has closed. */
static const char *hear(struct peer *p, const char *end)
{
    size_t n = strlen(end);
    int64_t until_ms = clock_mono_ms() + 20000;
    do {
        turn();
        look(p);
    } while (!p->closed && !(p->in.n >= n && memcmp(p->in.p + p->in.n - n, end, n) == 0) && clock_mono_ms() < until_ms);
    return p->in.p != NULL ? p->in.p : "";
}

static struct peer *peer_new(void)
{
    struct peer *p = calloc(1, sizeof(*p));
    p->fd = connect_to(path);
    if (p->fd < 0)
        bail_out("connect: %d", errno);
    return p;
}

static void peer_free(struct peer *p)
{
    (void)close(p->fd);
    buf_fini(&p->in);
    free(p);
    turn();
}

static bool pongs(void)
{
    struct peer *p = peer_new();
    say(p, SV("PING\n"));
    bool yes = strcmp(hear(p, "OK\n"), "PONG\nOK\n") == 0;
    peer_free(p);
    return yes;
}

/* One line; the whole answer. */
static const char *ask(const char *line)
{
    static char answer[65536];
    struct peer *p = peer_new();
    say(p, sv_from(line));
    say(p, SV("\n"));
    int64_t until_ms = clock_mono_ms() + 20000;
    const char *text;
    do {
        text = hear(p, "\n");
    } while (strstr(text, "OK\n") == NULL && strstr(text, "ERR ") == NULL && !p->closed && clock_mono_ms() < until_ms);
    (void)snprintf(answer, sizeof(answer), "%s", text);
    peer_free(p);
    return answer;
}

/* ---- the daemon ---- */

static void pause_work(void *arg, bool yes)
{
    (void)arg;
    paused = yes;
}

static bool is_paused(void *arg)
{
    (void)arg;
    return paused;
}

static int reload(void *arg, struct err *e)
{
    (void)arg;
    return err_set(e, ERR_RANGE, "x.conf:3: no such setting");
}

static void end_it(void *arg)
{
    (void)arg;
    ended = true;
}

static void config(void *arg, FILE *out)
{
    (void)arg;
    fputs("A=\"x # y\" # default\nSECRET=*** # a.conf:7\n", out);
}

static void open_all(void)
{
    rig_open(&r, &rig_policy);
    control_double_open(r.loop);
    (void)snprintf(dir, sizeof(dir), "/tmp/tk-admin-XXXXXX");
    if (mkdtemp(dir) == NULL)
        bail_out("mkdtemp");
    (void)snprintf(path, sizeof(path), "%s/admin.sock", dir);
    const struct commands_options c = {
        .loop = r.loop, .store = r.store, .alive = r.alive, .turns = r.turns, .ai = "ai", .platform = "platform", .drain_ms = 1000,
        .hooks = { .pause_work = pause_work, .is_paused = is_paused, .reload = reload, .shutdown = end_it, .config = config },
    };
    const struct admin_options o = { .path = path, .idle_ms = 300, .stall_ms = 300 };
    struct err e = { .text = "" };
    commands = commands_new(&c);
    admin = admin_open(r.loop, commands, &o, &e);
    ok(admin != NULL && admin_is_listening(admin), "it listens%s", e.text);
}

static void flag(void *arg)
{
    *(bool *)arg = true;
}

static void close_all(void)
{
    bool stopped = false;
    commands_stop(commands, flag, &stopped);
    for (int i = 0; i < 5000 && !stopped; i++)
        turn();
    ok(stopped, "the commands stop");
    admin_close(admin);
    ok(access(path, F_OK) != 0, "its file is gone");
    commands_free(commands);
    (void)strcat(strncpy(path, dir, sizeof(path) - 20), "/admin.sock.lock");
    (void)unlink(path);
    (void)rmdir(dir);
    rig_close(&r);
}

/* ---- tests ---- */

static void commands_and_errors(void)
{
    static const struct {
        const char *line, *answer;
    } rows[] = {
        { "PING", "PONG\nOK\n" },
        { "  ping  ", "PONG\nOK\n" },
        { "Ping --json", "{\"pong\":true}\nOK\n" },
        { "PING\r", "PONG\nOK\n" },
        { "version", "turnkeeperd " PACKAGE_VERSION "\nOK\n" },
        { "", "ERR unknown_command an empty line: see HELP\n" },
        { "PONG", "ERR unknown_command there is no such command: see HELP\n" },
        { "SHOW", "ERR unknown_command behind SHOW stands STATUS, CONFIG, LEASES, QUEUE, DEAD, JOBS, BACKENDS, STATS or WORKERS: see HELP SHOW\n" },
        { "SHOW NOTHING", "ERR unknown_command behind SHOW stands STATUS, CONFIG, LEASES, QUEUE, DEAD, JOBS, BACKENDS, STATS or WORKERS: see HELP SHOW\n" },
        { "PING x", "ERR bad_arguments usage: PING \n" },
        { "GET", "ERR bad_arguments usage: GET <conversation>\n" },
        { "GET \"\"", "ERR bad_arguments an id is 1 to 256 bytes without control characters\n" },
        { "GET \"a\\nb\"", "ERR bad_arguments an id is 1 to 256 bytes without control characters\n" },
        { "GET \"a", "ERR bad_line a quote has no end\n" },
        { "CLEANUP max_age_hours=x", "ERR bad_arguments max_age_hours is a number from 0 to 876000\n" },
        { "CLEANUP max_age_hours=-1", "ERR bad_arguments max_age_hours is a number from 0 to 876000\n" },
        { "CLEANUP max_age_hours=1.", "ERR bad_arguments max_age_hours is a number from 0 to 876000\n" },
        { "CLEANUP max_age_hours=876001", "ERR bad_arguments max_age_hours is a number from 0 to 876000\n" },
        { "CLEANUP dry_run=maybe", "ERR bad_arguments dry_run is 0 or 1\n" },
        { "CLEANUP x=1", "ERR bad_arguments unknown argument: see HELP\n" },
        { "CLEANUP dry_run=1 dry_run=0", "ERR bad_arguments an argument stands there twice\n" },
        { "SHOW DEAD limit=501", "ERR bad_arguments limit is a number from 1 to 500\n" },
        { "LOG LEVEL LOUD", "ERR bad_arguments a level is DEBUG, INFO, WARNING or ERROR\n" },
        { "RELOAD", "ERR refused x.conf:3: no such setting\n" },
        { "SWEEP", "ERR unavailable this daemon does not sweep\n" },
        { "ARCHIVE", "ERR unavailable this daemon archives nothing\n" },
        { "SHOW CONFIG", "A=\"x # y\" # default\nSECRET=*** # a.conf:7\nOK\n" },
        { "SHOW CONFIG --json", "[{\"setting\":\"A\",\"value\":\"\\\"x # y\\\"\",\"source\":\"default\"},"
                                "{\"setting\":\"SECRET\",\"value\":\"***\",\"source\":\"a.conf:7\"}]\nOK\n" },
        { "HELP ping", "COMMAND  HELP\nPING     answers PONG\nOK\n" },
        { "HELP no such", "ERR unknown_command there is no such command: see HELP\n" },
        { "SHOW LEASES --json", "{\"leases\":[]}\nOK\n" },
        { "SHOW JOBS --json", "{\"jobs\":[]}\nOK\n" },
        { "LOG LEVEL ERROR", "the log level is ERROR until the next reload\nOK\n" },
        { "LOG LEVEL INFO --json", "{\"log_level\":\"INFO\"}\nOK\n" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        is_str(ask(rows[i].line), rows[i].answer, "%s", rows[i].line);
}

static void control_calls_made(void)
{
    static const struct {
        const char *line, *seen;
    } rows[] = {
        { "GET c1", "show c1" },
        { "GET \"a b\"", "show a b" },
        { "EXPLAIN c1 m1", "fate c1 m1" },
        { "CANCEL \"--json\"", "cancel --json" },
        { "PAUSE c1", "pause c1 0" },
        { "RESUME c1", "resume c1" },
        { "SHOW QUEUE", "queue" },
        { "SHOW DEAD limit=7 cursor=abc", "dead 7 abc" },
        { "SHOW STATS", "stats" },
        { "RETRY d1", "retry d1" },
        { "DISCARD d1", "discard d1" },
        { "CLEANUP", "cleanup 86400000 real within 0" },
        { "CLEANUP dry_run=1 max_age_hours=2", "cleanup 7200000 dry within 0" },
        { "CLEANUP max_age_hours=0.25", "cleanup 900000 real within 0" },
        { "CLEANUP max_age_hours=1.05", "cleanup 3780000 real within 0" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        has_str(ask(rows[i].line), "OK\n", "%s: an answer", rows[i].line);
        is_sv(buf_sv(&control_seen), sv_from(rows[i].seen), "%s: what is asked", rows[i].line);
    }
    control_script.answer = (struct control_answer){ .http_status = 409, .code = "too_late", .message = "A reply\nis going out." };
    is_str(ask("CANCEL c1"), "ERR too_late A reply?is going out.\n", "a refusal is one line");
    control_script.answer = (struct control_answer){ .http_status = 503, .code = "store_down", .message = "No store." };
    is_str(ask("CANCEL c1"), "ERR unavailable No store.\n", "what is temporary has one name");
    control_script.answer = (struct control_answer){ .http_status = 200, .result = SV("[{\"OK\":\"\"},{\"OK\":\"OK\"}]") };
    is_str(ask("GET c1"), " OK\n-\n OK\nOK\n", "only the last line can be taken for the last line");
    control_script.answer = (struct control_answer){ 0 };
}

static void explains(void)
{
    control_script.answer = (struct control_answer){
        .http_status = 200,
        .result = SV("{\"conversation_id\":\"c\",\"message_id\":\"m\",\"status\":\"recorded\",\"reason\":\"bot_paused\",\"superseded\":[]}")
    };
    is_str(ask("EXPLAIN c m"),
           "m: The bot was silent in this conversation, because a person had taken over or it was paused.\nOK\n", "why the bot was silent");
    has_str(ask("EXPLAIN c m --json"), "{\"explanation\":[\"m: The bot was silent", "the same as JSON");
    control_script.answer.result = SV("{\"message_id\":\"m\",\"status\":\"odd\",\"reason\":\"newest_reason\"}");
    is_str(ask("EXPLAIN c m"), "m: Its state is \"odd\".\nm: The reason that was written down is \"newest_reason\".\nOK\n",
           "what the table does not know is shown as it is");
}

static void explains_who_works(void)
{
    char dead[128], state[512];
    struct sv rest = sv_from(alive_name(r.alive)), host = sv_split(&rest, '.');
    (void)snprintf(dead, sizeof(dead), "%.*s.2147483647.%032d", SV_FMT(host), 0);
    const struct { const char *phase, *held, *owner, *says; } rows[] = {
        { "thinking", "true", "o.1.x", "The bot may answer here.\nA turn is running; its lease is held by o.1.x.\nOK\n" },
        { "sending", "true", "o.1.x", "A reply is on its way to the platform; the lease is held by o.1.x.\n" },
        { "waiting", "true", "o.1.x", "A burst is being collected; its lease is held by o.1.x.\n" },
        { "thinking", "false", "o.1.x", "A turn was running, but its lease is over (o.1.x)" },
        { "thinking", "true", dead, "another one goes on at the latest in 1.5 s.\n" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        (void)snprintf(state, sizeof(state), "{\"phase\":\"%s\",\"lease\":{\"held\":%s,\"owner\":\"%s\",\"left_ms\":1500}}",
                       rows[i].phase, rows[i].held, rows[i].owner);
        control_script.answer = (struct control_answer){ .http_status = 200, .result = sv_from(state) };
        has_str(ask("EXPLAIN c"), rows[i].says, "who works on it: %s, held %s", rows[i].phase, rows[i].held);
    }
    control_script.answer.result = SV("{\"check_reply\":false,\"retry_at\":1893456000,\"pending\":1,\"pending_messages\":[{}],\"archived_only\":true}");
    has_str(ask("EXPLAIN c"), "resumes it.\nNo turn is running.\n1 message waits for an answer.\nThe next try is due at 2030-01-01T00:00:00.000Z.\n"
            "Nothing was said here for so long", "nobody: until when, who knows more");
}

static void many_lines_at_once(void)
{
    struct peer *p = peer_new();
    struct buf b = { 0 };
    for (int i = 0; i < 5000; i++)
        buf_add(&b, SV("PING\n"));
    buf_add(&b, SV("VERSION\n"));
    say(p, buf_sv(&b));
    int64_t until_ms = clock_mono_ms() + 20000;
    while (strstr(hear(p, "\n"), "turnkeeperd") == NULL && !p->closed && clock_mono_ms() < until_ms)
        ;
    hear(p, "OK\n");
    is_int(p->in.n, 5000 * 8 + strlen("turnkeeperd " PACKAGE_VERSION "\nOK\n"), "5,001 lines in one go: all answered, in order");
    peer_free(p);
    buf_fini(&b);
}

static void half_lines(void)
{
    struct peer *p = peer_new();
    for (const char *c = "PING\n"; *c != '\0'; c++) {
        say(p, (struct sv){ c, 1 });
        turn();
    }
    is_str(hear(p, "OK\n"), "PONG\nOK\n", "a line byte by byte");
    say(p, SV("PIN"));
    is_str(hear(p, "never"), "PONG\nOK\n", "half a line is answered by nothing");
    ok(p->closed, "and its connection is closed after a time");
    peer_free(p);
    p = peer_new();
    say(p, SV("PING"));
    (void)shutdown(p->fd, SHUT_WR);
    hear(p, "never");
    ok(p->closed && p->in.n == 0, "an end in the middle of a line is no command");
    peer_free(p);
    p = peer_new();
    hear(p, "never");
    ok(p->closed, "who says nothing is dropped");
    peer_free(p);
}

static void garbage_and_long_lines(void)
{
    struct buf b = { 0 };
    struct peer *p = peer_new();
    say(p, SV("\x16\x03\x01\x02\n\xff\xfe\x80\nGET \x01\nPING\n"));
    is_str(hear(p, "PONG\nOK\n"),
           "ERR bad_line a control character must be escaped\nERR bad_line the line is not UTF-8\n"
           "ERR bad_line a control character must be escaped\nPONG\nOK\n", "garbage, and then a command");
    peer_free(p);

    for (size_t i = 0; i < (1u << 20); i++)
        buf_addc(&b, 'x');
    p = peer_new();
    say(p, buf_sv(&b));
    is_str(hear(p, "bytes\n"), "ERR line_too_long a line has at most 262144 bytes\n", "a line of 1 MB");
    (void)shutdown(p->fd, SHUT_WR);
    hear(p, "never");
    ok(p->closed, "is the connection's last");
    peer_free(p);

    b.n = WORDS_LINE_MAX - 2;
    memcpy(b.p, "PING", 4);
    memset(b.p + 4, ' ', b.n - 4);
    buf_addc(&b, '\n');
    p = peer_new();
    say(p, buf_sv(&b));
    is_str(hear(p, "OK\n"), "PONG\nOK\n", "one of 256 KiB is a line");
    peer_free(p);
    buf_fini(&b);
    ok(pongs(), "the next one is served");
}

static void hundred_at_once(void)
{
    enum { N = 128 };
    struct peer *p[N + 5];
    int served = 0, refused = 0;
    for (int i = 0; i < N + 5; i++) {
        p[i] = peer_new();
        turn();
    }
    for (int i = 0; i < N + 5; i++)
        say(p[i], SV("PING\n"));
    for (int i = 0; i < N + 5; i++) {
        const char *text = hear(p[i], "\n");
        if (strstr(text, "ERR busy") == NULL)
            text = hear(p[i], "OK\n");
        served += strcmp(text, "PONG\nOK\n") == 0;
        refused += strcmp(text, "ERR busy too many connections\n") == 0;
    }
    is_int(served, N, "128 at once are served");
    is_int(refused, 5, "the others are told that there are too many");
    for (int i = 0; i < N + 5; i++)
        peer_free(p[i]);
    for (int i = 0; i < 50; i++)
        turn();
    ok(pongs(), "the next one is served");
}

static void never_reads(void)
{
    struct peer *p = peer_new();
    struct buf big = { 0 };
    buf_add(&big, SV("[\""));
    for (size_t i = 0; i < (2u << 20); i++)
        buf_addc(&big, 'y');
    buf_add(&big, SV("\"]"));
    control_script.answer = (struct control_answer){ .http_status = 200, .result = buf_sv(&big) };
    say(p, SV("GET c1 --json\n"));
    for (int i = 0; i < 50; i++)
        turn();
    ok(pongs(), "beside one who does not read another one is served");
    int64_t until_ms = clock_mono_ms() + 2000;
    while (clock_mono_ms() < until_ms)
        turn();
    hear(p, "never");
    ok(p->closed && p->in.n < big.n, "who does not read for a time is dropped: %zu of %zu bytes", p->in.n, big.n);
    peer_free(p);
    p = peer_new();
    say(p, SV("GET c1 --json\n"));
    hear(p, "\nOK\n");
    is_int(p->in.n, big.n + 4, "who reads gets all of it");
    peer_free(p);
    while (big.n < (5u << 20))
        buf_addc(&big, ' ');
    control_script.answer.result = buf_sv(&big);
    is_str(ask("GET c1 --json"), "ERR too_large the answer is too large: ask for less\n", "an answer has a bound");
    control_script.answer = (struct control_answer){ 0 };
    buf_fini(&big);
}

static void leaves_while_running(void)
{
    struct peer *p = peer_new();
    atomic_store(&control_script.hold, true);
    int calls = control_calls;
    say(p, SV("CANCEL c1\nPING\n"));
    for (int i = 0; i < 1000 && control_calls == calls; i++)
        turn();
    is_int(control_calls, calls + 1, "a command runs");
    peer_free(p);
    ok(pongs(), "its peer is gone; another one is served");
    control_double_release(NULL);
    for (int i = 0; i < 20; i++)
        turn();
    ok(pongs(), "its answer finds nobody, and harms nobody");
}

static void drains(void)
{
    is_str(ask("DRAIN --json"), "{\"drained\":true,\"running\":0}\nOK\n", "DRAIN with nothing running");
    ok(paused, "no new work");
    has_str(ask("SHOW STATUS"), "paused", "SHOW STATUS says so");
    has_str(ask("RESUME"), "takes work\nOK\n", "RESUME");
    ok(!paused, "work again");
    struct rig_answer a;
    r.ai.hold = true;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    for (int i = 0; i < 1000 && r.ai.held == NULL; i++)
        turn();
    is_str(ask("DRAIN timeout_s=0"), "ERR timeout 1 turns still run; no new ones begin\n", "DRAIN while a turn runs");
    struct peer *p = peer_new();
    say(p, SV("DRAIN\n"));
    for (int i = 0; i < 100; i++)
        turn();
    look(p);
    is_int(p->in.n, 0, "it waits for the turn");
    r.ai.hold = false;
    rig_ai_release(&r);
    has_str(hear(p, "OK\n"), "nothing runs here", "and answers when it is over");
    peer_free(p);
    (void)rig_until(&r, &a);
    rig_forget(&a);
    pause_work(NULL, false);
}

static void owns_its_file(void)
{
    struct socket_file other;
    struct err e;
    struct stat st;
    ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0660, "the file's mode is 0660");
    ok(socket_file_open(&other, path, 0660, &e) != 0 && e.code == ERR_UNAVAILABLE, "a live daemon's socket is not taken: %s", e.text);
    ok(pongs(), "it goes on");
    char stale[128], plain[128];
    (void)snprintf(stale, sizeof(stale), "%s/stale.sock", dir);
    ok(socket_file_open(&other, stale, 0660, &e) == 0, "another one");
    (void)close(other.fd); /* as a crash leaves it */
    ok(access(stale, F_OK) == 0 && connect_to(stale) < 0, "a dead daemon's file");
    ok(socket_file_open(&other, stale, 0660, &e) == 0, "is replaced");
    (void)unlink(stale);
    struct socket_file third;
    ok(socket_file_open(&third, stale, 0660, &e) == 0, "somebody removed it by hand; a third one takes the name");
    socket_file_close(&other, stale);
    ok(access(stale, F_OK) == 0, "the end of the one before does not remove the third one's file");
    socket_file_close(&third, stale);
    ok(access(stale, F_OK) != 0, "its own end does");
    (void)snprintf(plain, sizeof(plain), "%s/plain", dir);
    FILE *out = fopen(plain, "w");
    (void)fclose(out);
    ok(socket_file_open(&other, plain, 0660, &e) != 0 && access(plain, F_OK) == 0, "a file that is no socket stays: %s", e.text);
    char longer[200];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    ok(socket_file_open(&other, longer, 0660, &e) != 0 && e.code == ERR_RANGE, "a path that is too long");
    (void)unlink(plain);
    (void)strcat(plain, ".lock");
    (void)unlink(plain);
    (void)strcat(stale, ".lock");
    (void)unlink(stale);
}

/* Another user's process, where this test may become one. */
static void refuses_strangers(void)
{
    if (geteuid() != 0) {
        skip("not root: cannot be another user");
        return;
    }
    ok(chmod(dir, 0711) == 0 && chmod(path, 0666) == 0, "the file lets everybody in");
    int out[2];
    if (pipe(out) != 0)
        bail_out("pipe");
    pid_t pid = fork();
    if (pid == 0) {
        char text[256];
        ssize_t n = 0;
        if (setgid(65534) == 0 && setuid(65534) == 0) {
            int fd = connect_to(path);
            struct pollfd wait = { .fd = fd, .events = POLLIN };
            if (fd >= 0 && send(fd, "PING\n", 5, MSG_NOSIGNAL) == 5 && poll(&wait, 1, 20000) == 1)
                n = recv(fd, text, sizeof(text), 0);
        }
        (void)!write(out[1], text, n > 0 ? (size_t)n : 0);
        _exit(0);
    }
    int status;
    int64_t until_ms = clock_mono_ms() + 20000;
    while (waitpid(pid, &status, WNOHANG) == 0 && clock_mono_ms() < until_ms)
        turn();
    char text[256] = "";
    (void)close(out[1]);
    (void)!read(out[0], text, sizeof(text) - 1);
    (void)close(out[0]);
    is_str(text, "ERR denied only root, the daemon's user and the members of the socket's group may use this\n", "but the daemon does not");
    (void)chmod(path, 0660);
    ok(pongs(), "root is served");
}

int main(void)
{
    open_all();
    commands_and_errors();
    control_calls_made();
    explains();
    explains_who_works();
    many_lines_at_once();
    half_lines();
    garbage_and_long_lines();
    hundred_at_once();
    never_reads();
    leaves_while_running();
    drains();
    owns_its_file();
    refuses_strangers();
    is_str(ask("SHUTDOWN --json"), "{\"shutting_down\":true}\nOK\n", "SHUTDOWN is answered");
    ok(ended, "and done");
    close_all();
    return done_testing();
}
