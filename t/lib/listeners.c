/* SPDX-License-Identifier: MIT
 * A crowd of listeners, for tests: server-sent events and WebSockets in one thread, which check every event that they get.
 *
 *   t/lib/listeners --port N --token T [--sse N] [--ws N] [--sessions K] [--prefix P] [--straight PATH] [--hot N] [--deaf N] [--slow PERCENT]
 *                   [--now PERCENT] [--pace N] [--seed N]
 *
 * --port: the web server's, on 127.0.0.1; --straight: the Unix socket that every second WebSocket goes to instead. Sessions are P0 to P(K-1); --hot: so
 * many listeners of each kind are all P0's, --deaf: so many of these do not read until they are told to; --slow: of the others, read little at a time; --now: begin
 * with what happens after they came (the others: after=0). --pace: how many are connecting at once.
 *
 * All connect at once, and again after each loss, from the event that they saw last. Commands, a line each:
 *   report        a line of JSON: figures since the beginning, and for each session the lowest and the highest event that a listener has seen last
 *   chaos R       from now on cut R connections a second, in turn by reset, by closing and by saying so first. 0: none
 *   all           cut all that are open
 *   wake          the deaf read
 *   ticket I T    half of the listeners of session I come with this ticket from now on
 *   quit          as the end of the input */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "t/lib/listeners.h"

enum { COMMAND_MAX = 4096, BEAT_MS = 20, TRIES = 16 };

struct control {
    struct crowd crowd;
    struct loop_fd *input;
    struct loop_timer *beat;
    struct buf line;
    double cuts_per_second, cuts_due;
    int64_t beat_ms;
    unsigned turn; /* of the ways to cut */
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

/* xorshift64* */
unsigned crowd_random(struct crowd *c, unsigned below)
{
    c->random ^= c->random >> 12;
    c->random ^= c->random << 25;
    c->random ^= c->random >> 27;
    return (unsigned)((c->random * 2685821657736338717u) >> 33) % below;
}

/* ---- cuts ---- */

static void cut_one(struct control *t)
{
    struct crowd *c = &t->crowd;

    for (int i = 0; i < TRIES; i++) {
        struct link *l = &c->links[crowd_random(c, (unsigned)c->links_n)];
        if (l->state != LINK_OPEN || l->leaving || !l->begun || (l->pace == PACE_DEAF && c->asleep))
            continue;
        link_cut(l, (enum cut_way)(t->turn++ % CUT_WAYS));
        return;
    }
}

static void cut_all(struct control *t)
{
    for (size_t i = 0; i < t->crowd.links_n; i++) {
        struct link *l = &t->crowd.links[i];
        if (l->state == LINK_OPEN && !l->leaving)
            link_cut(l, (enum cut_way)(t->turn++ % CUT_WAYS));
    }
}

static void on_beat(void *arg)
{
    struct control *t = arg;
    int64_t now_ms = clock_mono_ms();

    t->cuts_due += t->cuts_per_second * (double)(now_ms - t->beat_ms) / 1000;
    t->beat_ms = now_ms;
    for (; t->cuts_due >= 1; t->cuts_due--)
        cut_one(t);
    loop_timer_set(t->beat, BEAT_MS);
}

/* ---- the report ---- */

struct marks {
    uint64_t lowest, highest, listeners;
};

static void put_sessions(struct json_out *o, const struct crowd *c, const struct marks *marks)
{
    json_key(o, "sessions");
    json_arr(o);
    for (int i = 0; i < c->plan.sessions; i++) {
        if (marks[i].listeners == 0)
            continue;
        json_obj(o);
        json_kstr(o, "id", sv_from(c->sessions[i].id));
        json_kint(o, "listeners", (int64_t)marks[i].listeners);
        json_kint(o, "lowest", (int64_t)marks[i].lowest);
        json_kint(o, "highest", (int64_t)marks[i].highest);
        json_obj_end(o);
    }
    json_arr_end(o);
}

static void put_tally(struct json_out *o, const struct tally *n)
{
    const struct {
        const char *name;
        uint64_t n;
    } all[] = {
        { "events", n->events }, { "doubled", n->doubled }, { "missed", n->missed }, { "out_of_order", n->out_of_order },
        { "differing", n->differing }, { "malformed", n->malformed }, { "resets", n->resets }, { "pings", n->pings }, { "cuts", n->cuts },
        { "dropped", n->dropped }, { "reconnects", n->reconnects }, { "refused", n->refused }, { "failed", n->failed },
        { "last_refusal", (uint64_t)n->last_refusal },
    };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        json_kint(o, all[i].name, (int64_t)all[i].n);
}

/* connected: of each kind. behind: have not seen what another one of their session has. */
static void put_links(struct json_out *o, const struct crowd *c, struct marks *marks)
{
    int64_t connected[LINK_KINDS] = { 0 }, behind = 0, unbegun = 0;

    for (size_t i = 0; i < c->links_n; i++) {
        const struct link *l = &c->links[i];
        struct marks *m = &marks[l->s - c->sessions];
        connected[l->kind] += l->state == LINK_OPEN && !l->leaving;
        unbegun += !l->begun;
        m->lowest = m->listeners == 0 || l->seen < m->lowest ? l->seen : m->lowest;
        m->highest = l->seen > m->highest ? l->seen : m->highest;
        m->listeners++;
    }
    for (size_t i = 0; i < c->links_n; i++)
        behind += c->links[i].seen < marks[c->links[i].s - c->sessions].highest;
    json_kint(o, "sse", connected[LINK_SSE]);
    json_kint(o, "ws", connected[LINK_WS]);
    json_kint(o, "behind", behind);
    json_kint(o, "unbegun", unbegun);
}

static void report(const struct crowd *c)
{
    struct marks *marks = calloc((size_t)c->plan.sessions, sizeof(*marks));
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    if (marks == NULL)
        die("calloc");
    json_obj(&o);
    put_links(&o, c, marks);
    put_tally(&o, &c->n);
    put_sessions(&o, c, marks);
    json_obj_end(&o);
    buf_addc(&b, '\n');
    if (!buf_ok(&b))
        die("report");
    (void)fwrite(b.p, 1, b.n, stdout);
    (void)fflush(stdout);
    buf_fini(&b);
    free(marks);
}

/* ---- commands ---- */

static void wake(struct crowd *c)
{
    c->asleep = false;
    for (size_t i = 0; i < c->links_n; i++)
        link_wake(&c->links[i]);
}

static void take_ticket(struct crowd *c, const char *words)
{
    char *end;
    long i = strtol(words, &end, 10);

    if (i >= 0 && i < c->plan.sessions && *end == ' ')
        (void)snprintf(c->sessions[i].ticket, TICKET_SIZE, "%s", end + 1);
}

static void obey(struct control *t, const char *line)
{
    if (strcmp(line, "report") == 0)
        report(&t->crowd);
    else if (strncmp(line, "chaos ", 6) == 0)
        t->cuts_per_second = strtod(line + 6, NULL);
    else if (strcmp(line, "all") == 0)
        cut_all(t);
    else if (strcmp(line, "wake") == 0)
        wake(&t->crowd);
    else if (strncmp(line, "ticket ", 7) == 0)
        take_ticket(&t->crowd, line + 7);
    else if (strcmp(line, "quit") == 0)
        loop_stop(t->crowd.loop);
    else
        fprintf(stderr, "listeners: what is \"%s\"?\n", line);
}

static void on_input(void *arg, int events)
{
    struct control *t = arg;
    char *room = buf_room(&t->line, COMMAND_MAX), *end;
    ssize_t n = room != NULL ? read(STDIN_FILENO, room, COMMAND_MAX) : 0;

    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        loop_stop(t->crowd.loop);
        return;
    }
    buf_grown(&t->line, (size_t)n);
    while ((end = memchr(t->line.p, '\n', t->line.n)) != NULL) {
        *end = '\0';
        obey(t, t->line.p);
        buf_consume(&t->line, (size_t)(end - t->line.p) + 1);
    }
}

/* ---- the crowd ---- */

static void make_sessions(struct crowd *c)
{
    c->sessions = calloc((size_t)c->plan.sessions, sizeof(*c->sessions));
    if (c->sessions == NULL)
        die("calloc");
    for (int i = 0; i < c->plan.sessions; i++) {
        (void)snprintf(c->sessions[i].id, SESSION_ID_SIZE, "%s%d", c->plan.prefix, i);
        c->sessions[i].heard = calloc(HEARD_MAX, sizeof(*c->sessions[i].heard));
        if (c->sessions[i].heard == NULL)
            die("calloc");
    }
}

static void make_link(struct crowd *c, struct link *l, enum link_kind kind, int i)
{
    const struct plan *p = &c->plan;
    int session = i < p->hot ? 0 : i % p->sessions;
    bool deaf = i < p->deaf && i < p->hot, now = i % 100 < p->now_percent && !deaf, slow = (i + 50) % 100 < p->slow_percent && session > 0;

    *l = (struct link){ .c = c, .kind = kind, .begun = !now, .by_ticket = (i / p->sessions) % 2 == 1, .s = &c->sessions[session],
                        .pace = deaf ? PACE_DEAF : slow ? PACE_SLOW : PACE_QUICK,
                        .straight = kind == LINK_WS && p->straight != NULL && i % 2 == 1 };
    if (!link_init(l))
        die("listener");
}

static void make_links(struct crowd *c)
{
    c->links_n = (size_t)(c->plan.listeners[LINK_SSE] + c->plan.listeners[LINK_WS]);
    c->links = calloc(c->links_n, sizeof(*c->links));
    if (c->links == NULL)
        die("calloc");
    size_t at = 0;
    for (int kind = 0; kind < LINK_KINDS; kind++) {
        for (int i = 0; i < c->plan.listeners[kind]; i++)
            make_link(c, &c->links[at++], (enum link_kind)kind, i);
    }
    for (size_t i = 0; i < c->links_n; i++)
        link_start(&c->links[i]);
}

static void read_plan(struct crowd *c, int argc, char **argv)
{
    enum { PORT, TOKEN, SSE, WS, SESSIONS, PREFIX, STRAIGHT, HOT, DEAF, SLOW, NOW, PACE, SEED };
    static const struct option options[] = {
        { "port", required_argument, NULL, PORT },         { "token", required_argument, NULL, TOKEN }, { "sse", required_argument, NULL, SSE },
        { "ws", required_argument, NULL, WS },             { "sessions", required_argument, NULL, SESSIONS },
        { "prefix", required_argument, NULL, PREFIX },     { "straight", required_argument, NULL, STRAIGHT },
        { "hot", required_argument, NULL, HOT },           { "deaf", required_argument, NULL, DEAF },   { "slow", required_argument, NULL, SLOW },
        { "now", required_argument, NULL, NOW },           { "pace", required_argument, NULL, PACE },   { "seed", required_argument, NULL, SEED },
        { 0 },
    };
    struct plan *p = &c->plan;
    int *numbers[] = { [PORT] = &p->port, [SSE] = &p->listeners[LINK_SSE], [WS] = &p->listeners[LINK_WS], [SESSIONS] = &p->sessions,
                       [HOT] = &p->hot,   [DEAF] = &p->deaf, [SLOW] = &p->slow_percent, [NOW] = &p->now_percent, [PACE] = &p->pace };
    int which;

    *p = (struct plan){ .sessions = 10, .pace = 50, .prefix = "s", .token = "" };
    c->random = 88172645463325252u;
    while ((which = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (which == TOKEN)
            p->token = optarg;
        else if (which == PREFIX)
            p->prefix = optarg;
        else if (which == STRAIGHT)
            p->straight = optarg;
        else if (which == SEED)
            c->random ^= strtoull(optarg, NULL, 10) << 8;
        else if (which >= 0 && which < (int)ARRAY_LEN(numbers))
            *numbers[which] = (int)strtol(optarg, NULL, 10);
        else
            exit(64);
    }
    if (p->port <= 0 || p->sessions <= 0 || p->pace <= 0 || optind != argc || p->listeners[LINK_SSE] + p->listeners[LINK_WS] <= 0) {
        fputs("usage: see the top of t/lib/listeners.c\n", stderr);
        exit(64);
    }
}

static void free_crowd(struct crowd *c)
{
    for (size_t i = 0; i < c->links_n; i++)
        link_free(&c->links[i]);
    for (int i = 0; i < c->plan.sessions; i++)
        free(c->sessions[i].heard);
    free(c->links);
    free(c->sessions);
}

int main(int argc, char **argv)
{
    struct control t = { .beat_ms = clock_mono_ms() };
    struct rlimit limit;

    read_plan(&t.crowd, argc, argv);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    t.crowd.loop = loop_new();
    t.crowd.asleep = true;
    t.input = loop_fd_new(t.crowd.loop, STDIN_FILENO, on_input, &t);
    t.beat = loop_timer_new(t.crowd.loop, on_beat, &t);
    if (t.input == NULL || t.beat == NULL || fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) != 0)
        die("start");
    loop_fd_want(t.input, LOOP_READ);
    loop_timer_set(t.beat, BEAT_MS);
    make_sessions(&t.crowd);
    make_links(&t.crowd);
    loop_run(t.crowd.loop);
    report(&t.crowd);
    free_crowd(&t.crowd);
    loop_fd_free(t.input);
    loop_timer_free(t.beat);
    buf_fini(&t.line);
    loop_free(t.crowd.loop);
    return 0;
}
