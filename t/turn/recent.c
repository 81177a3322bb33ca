/* SPDX-License-Identifier: MIT
 * The ring of what was accepted lately: what one process writes another one reads, in order, bounded, whatever happens to writers. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/tap.h"
#include "turn/recent.h"

static char path[64];

static struct recent *opened(void)
{
    struct err e;
    struct recent *r = recent_open(path, &e);
    if (r == NULL)
        bail_out("%s: %s", path, e.text);
    return r;
}

static void basics(void)
{
    struct recent *r = opened(), *other = opened();
    struct recent_message m[4];
    is_int((int)recent_of(r, SV("c1"), 0, m, 4), 0, "a new file knows nothing");
    recent_add(r, SV("c1"), SV("m1"), 11, 1000);
    recent_add(r, SV("c2"), SV("m1"), 12, 2000);
    recent_add(other, SV("c1"), SV("m2"), 13, 3000);
    recent_add(r, SV("c1"), SV("12345678901234567890123456789012345678901"), 14, 4000);
    recent_add(r, SV("c1"), SV("m3"), 15, 5000);
    is_int((int)recent_of(other, SV("c1"), 0, m, 4), 3, "of one conversation, by all who have it open; long ids are left out");
    is_str(m[0].id, "m1", "the oldest first");
    is_str(m[2].id, "m3", "the newest last");
    ok(m[0].key == 11 && m[1].key == 13 && m[2].key == 15 && m[0].order < m[1].order, "with their texts' keys");
    is_int((int)recent_of(r, SV("c1"), 3000, m, 4), 2, "since some time");
    is_int((int)recent_of(r, SV("c1"), 0, m, 2), 2, "or so many");
    is_str(m[0].id, "m2", "of which the newest count");
    ok(recent_has(r, SV("c1"), SV("m2"), 3000) && !recent_has(r, SV("c1"), SV("m2"), 3001) && !recent_has(r, SV("c2"), SV("m2"), 0) &&
           !recent_has(r, SV("c1"), SV("m"), 0), "one by its name");
    recent_close(other);
    recent_close(r);
    r = opened();
    is_int((int)recent_of(r, SV("c1"), 0, m, 4), 3, "it outlives its processes");
    recent_close(r);
    recent_close(NULL);
}

static void around(void)
{
    struct recent *r = opened();
    struct recent_message *m = calloc(16384, sizeof(*m));
    char id[16];
    if (m == NULL)
        bail_out("no memory");
    for (int i = 0; i < 20000; i++) {
        (void)snprintf(id, sizeof(id), "n%d", i);
        recent_add(r, SV("c3"), sv_from(id), (uint64_t)i + 1, 6000);
    }
    size_t n = recent_of(r, SV("c3"), 0, m, 16384);
    ok(n > 4096 && n < 16384, "it forgets what is old: %zu", n);
    is_str(m[n - 1].id, "n19999", "not what is new");
    is_int((int)recent_of(r, SV("c1"), 0, m, 4), 0, "others too");
    free(m);
    recent_close(r);
}

/* Four write at once: nothing is torn. */
static void together(void)
{
    struct recent *r = opened();
    struct recent_message *m = calloc(16384, sizeof(*m));
    pid_t pids[4];
    int status, wrong = 0;
    if (m == NULL)
        bail_out("no memory");
    for (int k = 0; k < 4; k++) {
        pids[k] = fork();
        if (pids[k] != 0)
            continue;
        for (int i = 0; i < 20000; i++) {
            char id[16];
            (void)snprintf(id, sizeof(id), "%d-%d", k, i);
            recent_add(r, SV("c4"), sv_from(id), (uint64_t)k * 100000 + (uint64_t)i, 7000);
        }
        _exit(0);
    }
    for (int round = 0; round < 50; round++) {
        size_t n = recent_of(r, SV("c4"), 0, m, 16384);
        for (size_t i = 0; i < n; i++) {
            char id[48];
            (void)snprintf(id, sizeof(id), "%d-%d", (int)(m[i].key / 100000), (int)(m[i].key % 100000));
            wrong += strcmp(id, m[i].id) != 0 || (i > 0 && m[i].order <= m[i - 1].order);
        }
    }
    for (int k = 0; k < 4; k++)
        if (waitpid(pids[k], &status, 0) != pids[k] || status != 0)
            bail_out("a writer has failed");
    is_int(wrong, 0, "what is read is whole and in order");
    is_int((int)(recent_of(r, SV("c4"), 0, m, 16384) > 4096), 1, "and there");
    free(m);
    recent_close(r);
}

static void no_ring(void)
{
    struct err e = { 0 };
    ok(recent_open("/nonexistent/x", &e) == NULL, "a path that cannot be opened");
    FILE *f = fopen(path, "w");
    if (f == NULL || fputs("something else", f) < 0 || fclose(f) != 0)
        bail_out("%s cannot be written", path);
    ok(recent_open(path, &e) == NULL, "a file of another kind");
    has_str(e.text, "not a file of recent messages", "says so");
}

int main(void)
{
    (void)snprintf(path, sizeof(path), "/tmp/recent.%ld", (long)getpid());
    basics();
    around();
    together();
    no_ring();
    (void)unlink(path);
    return done_testing();
}
