/* SPDX-License-Identifier: MIT
 * Not a test: what a message costs on its way into the archive, in CPU time of this process and of the server.
 * Usage: cost [messages [batch [conversations [erasures]]]]; erasures: of others, younger than the messages, so that each name is looked up. One turn a message with reply and one action, as a completed turn of the seed's size. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "archive/archive_item.h"
#include "t/archive/rig.h"

static double cpu_us(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static unsigned conversation_of(unsigned i, unsigned conversations)
{
    return (unsigned)(((uint64_t)i * 2654435761u >> 5) % conversations);
}

static struct sv make(struct arena *a, unsigned i, unsigned conversations)
{
    char turn[37];
    rig_uuid(i, turn);
    return arena_printf(
        a,
        "{\"type\":\"turn\",\"v\":1,\"conversation_id\":\"conv_%08u\",\"turn_id\":\"%s\",\"seq\":%u,\"status\":\"completed\",\"at\":%lld,"
        "\"messages\":[{\"message_id\":\"msg_%010u\",\"content\":\"T\xc3\xb4i mu\xe1\xbb\x91n \xc4\x91\xe1\xba\xb7t l\xe1\xbb\x8b" "ch kh\xc3\xa1m b\xe1\xbb\x87nh\","
        "\"sender_id\":\"user_%u\",\"sender_type\":\"user\",\"timestamp\":%lld,\"received\":%lld,\"seq\":%u,"
        "\"metadata\":{\"platform\":\"web\",\"user_agent\":\"Mozilla/5.0...\"}}],"
        "\"actions\":[{\"type\":\"send_message\",\"data\":{\"message\":\"T\xc3\xb4i s\xe1\xba\xbd gi\xc3\xbap b\xe1\xba\xa1n \xc4\x91\xe1\xba\xb7t l\xe1\xbb\x8b" "ch.\"},\"status\":\"executed\"}],"
        "\"reply\":{\"response_text\":\"T\xc3\xb4i s\xe1\xba\xbd gi\xc3\xbap b\xe1\xba\xa1n \xc4\x91\xe1\xba\xb7t l\xe1\xbb\x8b" "ch.\",\"intent\":\"book_appointment\",\"confidence\":0.95,"
        "\"entities\":{\"service_type\":\"medical_checkup\"},\"processing_time_ms\":1234.5,\"model_used\":\"gpt-4\"},\"ai_ms\":1234,"
        "\"restarts\":0,\"fence\":%lld,\"storage\":\"Redis\"}",
        conversation_of(i, conversations), turn, i, (long long)(RIG_NOW + i), i, i % conversations,
        (long long)(RIG_NOW + i), (long long)(RIG_NOW + i), i, (long long)(RIG_NOW + i));
}

static unsigned number(int argc, char **argv, int at, unsigned fallback)
{
    uint64_t n;
    return argc > at && sv_to_u64(sv_from(argv[at]), &n) && n > 0 && n < 100000000 ? (unsigned)n : fallback;
}

static void measure(struct rig *r, struct sv *items, unsigned n, unsigned batch)
{
    double own = cpu_us(CLOCK_PROCESS_CPUTIME_ID), wall = cpu_us(CLOCK_MONOTONIC);
    long long server = r->server != NULL ? pgserver_cpu_us(r->server) : 0;

    for (unsigned i = 0; i < n; i += batch)
        if (!rig_kept(r, items + i, n - i < batch ? n - i : batch))
            bail_out("a batch was not kept");
    own = cpu_us(CLOCK_PROCESS_CPUTIME_ID) - own;
    wall = cpu_us(CLOCK_MONOTONIC) - wall;
    server = r->server != NULL ? pgserver_cpu_us(r->server) - server : 0;
    (void)printf("%-10s %u messages by %u: own %.1f us, server %.1f us, wall %.1f us a message\n", r->name, n, batch, own / n,
                 (double)server / n, wall / n);
}

/* ---- questions: what a new conversation's first turn asks ---- */

struct asking {
    struct rig *r;
    unsigned left, running, next;
    unsigned conversations; /* 0: ask for unknown ones */
};

static void ask_more(struct asking *q);

static void on_context(void *arg, enum archive_status status, const struct sv *entries, size_t n)
{
    struct asking *q = arg;

    (void)entries;
    if (status != ARCHIVE_DONE || (n > 0) != (q->conversations > 0))
        bail_out("a question was not answered");
    q->running--;
    ask_more(q);
}

static void ask_more(struct asking *q)
{
    while (q->left > 0 && q->running < 32) {
        char id[32];
        if (q->conversations > 0)
            (void)snprintf(id, sizeof(id), "conv_%08u", conversation_of(q->next++ % 1000, q->conversations));
        else
            (void)snprintf(id, sizeof(id), "new_%u", q->next++);
        q->left--;
        q->running++;
        archive_context(q->r->a, sv_from(id), 40, on_context, q);
    }
}

static bool asked(void *arg)
{
    const struct asking *q = arg;
    return q->left == 0 && q->running == 0;
}

static void questions(struct rig *r, unsigned n, unsigned conversations)
{
    struct asking q = { .r = r, .left = n, .conversations = conversations };
    double own = cpu_us(CLOCK_PROCESS_CPUTIME_ID), wall = cpu_us(CLOCK_MONOTONIC);
    long long server = r->server != NULL ? pgserver_cpu_us(r->server) : 0;

    ask_more(&q);
    if (!rig_until(r, asked, &q))
        bail_out("questions were not answered");
    own = cpu_us(CLOCK_PROCESS_CPUTIME_ID) - own;
    wall = cpu_us(CLOCK_MONOTONIC) - wall;
    server = r->server != NULL ? pgserver_cpu_us(r->server) - server : 0;
    (void)printf("%-10s context of %s conversation: own %.1f us, server %.1f us, wall %.1f us\n", r->name, conversations > 0 ? "a known" : "an unknown", own / n,
                 (double)server / n, wall / n);
}

static void parse_only(struct sv *items, unsigned n)
{
    double own = cpu_us(CLOCK_PROCESS_CPUTIME_ID);

    for (unsigned i = 0; i < n; i++) {
        struct arena *a = arena_new(0, 1u << 20);
        struct item item;
        if (item_parse(a, items[i], &item, NULL) != 0)
            bail_out("an item is not one");
        arena_free(a);
    }
    (void)printf("%-10s %.1f us a message of %zu bytes\n", "parse", (cpu_us(CLOCK_PROCESS_CPUTIME_ID) - own) / n, items[0].n);
}

static void erase_others(struct rig *r, unsigned n)
{
    struct sv sql = arena_printf(r->arena, r->server != NULL
                                               ? "INSERT INTO erasures (id, subject, subject_hash, salt, erased_at) SELECT gen_random_uuid(), 'user',"
                                                 " erasure_hash('user', 'gone_' || i), salt, now() FROM erasure_salt, generate_series(1, %u) i"
                                               : "WITH RECURSIVE i (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < %u) INSERT INTO erasures"
                                                 " (id, subject, subject_hash, salt, erased_at) SELECT i, 'user', randomblob(32), salt, 9000000000000"
                                                 " FROM erasure_salt, i", n);

    if (n > 0)
        (void)rig_query(r, sql.p);
}

int main(int argc, char **argv)
{
    unsigned n = number(argc, argv, 1, 50000), batch = number(argc, argv, 2, 500), conversations = number(argc, argv, 3, 5000);
    unsigned erasures = number(argc, argv, 4, 0);
    struct arena *a = arena_new(0, 1u << 30);
    struct sv *items = arena_array(a, n, sizeof(*items));
    const char *why;
    struct pgserver *server = pgserver_start(&why);
    struct rig r;

    for (unsigned i = 0; items != NULL && i < n; i++)
        items[i] = make(a, i, conversations);
    if (items == NULL || items[n - 1].p == NULL)
        bail_out("out of memory");
    parse_only(items, n);
    rig_open(&r, NULL, NULL);
    erase_others(&r, erasures);
    measure(&r, items, n, batch);
    questions(&r, 10000, 0);
    questions(&r, 10000, conversations);
    rig_close(&r);
    if (server != NULL) {
        rig_open(&r, server, "cost");
        erase_others(&r, erasures);
        measure(&r, items, n, batch);
        measure(&r, items, n, batch); /* all of it again: nothing changes */
        questions(&r, 10000, 0);
        questions(&r, 10000, conversations);
        rig_close(&r);
        pgserver_end(server);
    } else {
        (void)printf("%s\n", why);
    }
    arena_free(a);
    return 0;
}
