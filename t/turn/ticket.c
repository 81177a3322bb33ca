/* SPDX-License-Identifier: MIT
 * Tests of src/turn/ticket.c: a ticket is what was made, by whoever has the secret, and nothing else is one. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/digest.h"
#include "t/tap.h"
#include "turn/ticket.h"

#define NOW 1700000000000LL

static struct arena *a;

static struct tickets *with(const char *secrets)
{
    struct err e;
    struct tickets *t = tickets_new(secrets, &e);
    if (t == NULL)
        bail_out("no tickets: %s", e.text);
    return t;
}

static struct ticket sample(void)
{
    return (struct ticket){ .session_id = SV("chat \"1\"/\xE1\xBB\x87"), .sender_id = SV("user_123"), .sender_type = SENDER_USER,
                            .expires_ms = NOW + TICKET_MS };
}

static void test_round(void)
{
    struct tickets *t = with("secret");
    struct ticket in = sample(), out;
    struct sv text = ticket_make(t, a, &in);

    ok(text.n > 0 && text.n < 300, "a ticket is short: %zu bytes", text.n);
    ok(ticket_check(t, a, text, NOW, &out), "and is one");
    is_sv(out.session_id, in.session_id, "its session");
    is_sv(out.sender_id, in.sender_id, "its sender");
    is_int(out.sender_type, SENDER_USER, "the sender's type");
    is_int(out.expires_ms, in.expires_ms, "its end");
    in.sender_id = SV_NONE;
    in.sender_type = SENDER_AGENT;
    ok(ticket_check(t, a, ticket_make(t, a, &in), NOW, &out), "without a sender");
    is_sv(out.sender_id, SV_NONE, "none is said");
    is_int(out.sender_type, SENDER_AGENT, "but a type");
    tickets_free(t);
}

static void test_time(void)
{
    struct tickets *t = with("secret");
    struct ticket in = sample(), out;
    struct sv text = ticket_make(t, a, &in);

    ok(ticket_check(t, a, text, NOW + TICKET_MS - 1, &out), "good for ten minutes");
    ok(!ticket_check(t, a, text, NOW + TICKET_MS, &out), "and not longer");
    in.expires_ms++;
    text = ticket_make(t, a, &in);
    ok(ticket_check(t, a, text, NOW + TICKET_MS, &out), "parts of a second count as a whole one");
    tickets_free(t);
}

static void test_rotation(void)
{
    struct tickets *old = with("old"), *both = with(" new , old "), *new = with("new");
    struct ticket in = sample(), out;
    struct sv of_old = ticket_make(old, a, &in), of_both = ticket_make(both, a, &in);

    ok(ticket_check(both, a, of_old, NOW, &out), "a ticket of the old secret is good while both are listed");
    ok(!ticket_check(new, a, of_old, NOW, &out), "and not after that");
    ok(ticket_check(new, a, of_both, NOW, &out), "the first secret of the list signs");
    ok(!ticket_check(old, a, of_both, NOW, &out), "not the last one");
    tickets_free(old);
    tickets_free(both);
    tickets_free(new);
}

/* Every byte of a ticket counts. */
static void test_tampering(void)
{
    struct tickets *t = with("secret");
    struct ticket in = sample(), out;
    struct sv text = ticket_make(t, a, &in);
    char *changed = arena_str(a, text);
    int accepted = 0;

    for (size_t i = 0; i < text.n; i++) {
        for (int c = 0; c < 256; c++) {
            if ((char)c == text.p[i])
                continue;
            changed[i] = (char)c;
            accepted += ticket_check(t, a, (struct sv){ changed, text.n }, NOW, &out);
        }
        changed[i] = text.p[i];
        arena_reset(a);
        text = ticket_make(t, a, &in); /* the same text again: nothing in it is random */
        changed = arena_str(a, text);
    }
    is_int(accepted, 0, "no byte can be another one");
    for (size_t n = 0; n < text.n; n++)
        accepted += ticket_check(t, a, (struct sv){ text.p, n }, NOW, &out);
    is_int(accepted, 0, "none can be left out at the end");
    for (size_t n = 1; n < text.n; n++)
        accepted += ticket_check(t, a, (struct sv){ text.p + n, text.n - n }, NOW, &out);
    is_int(accepted, 0, "nor at the beginning");
    for (const char *more = "=. \nA"; *more != '\0'; more++)
        accepted += ticket_check(t, a, arena_printf(a, "%.*s%c", SV_FMT(text), *more), NOW, &out);
    accepted += ticket_check(t, a, arena_printf(a, " %.*s", SV_FMT(text)), NOW, &out);
    accepted += ticket_check(t, a, arena_printf(a, "%.*s==", SV_FMT(text)), NOW, &out);
    accepted += ticket_check(t, a, SV_NONE, NOW, &out) + ticket_check(t, a, SV("."), NOW, &out);
    is_int(accepted, 0, "nothing may stand around it, no padding either");
    tickets_free(t);
}

/* What the right key signed, and what is no ticket all the same. */
static void test_payloads(void)
{
    static const struct {
        const char *payload;
        bool good;
    } table[] = {
        { "{\"v\":1,\"sid\":\"c\",\"exp\":1700000600,\"typ\":\"user\"}", true },
        { "{\"v\":2,\"sid\":\"c\",\"exp\":1700000600,\"typ\":\"user\"}", false },
        { "{\"sid\":\"c\",\"exp\":1700000600,\"typ\":\"user\"}", false },
        { "{\"v\":1,\"exp\":1700000600,\"typ\":\"user\"}", false },
        { "{\"v\":1,\"sid\":\"\",\"exp\":1700000600,\"typ\":\"user\"}", false },
        { "{\"v\":1,\"sid\":\"c\",\"exp\":\"1700000600\",\"typ\":\"user\"}", false },
        { "{\"v\":1,\"sid\":\"c\",\"exp\":9223372036854775807,\"typ\":\"user\"}", false },
        { "{\"v\":1,\"sid\":\"c\",\"exp\":1700000600,\"typ\":\"boss\"}", false },
        { "{\"v\":1,\"sid\":\"c\",\"exp\":1700000600}", false },
        { "{\"v\":1,\"sid\":\"c\",\"exp\":1700000600,\"typ\":\"user\",\"snd\":\"\"}", false },
        { "{\"v\":1,\"sid\":\"c\",\"sid\":\"d\",\"exp\":1700000600,\"typ\":\"user\"}", false },
        { "[]", false },
        { "no JSON", false },
    };
    struct tickets *t = with("secret");
    unsigned char key[DIGEST_SIZE], mac[DIGEST_SIZE];
    struct ticket out;

    digest_stretch(SV("secret"), SV("turnkeeper ticket 1"), 20000, key);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char text[512], signature[64];
        struct sv signed_text = { text, digest_base64url(sv_from(table[i].payload), text) };
        digest_hmac((struct sv){ (const char *)key, sizeof(key) }, &signed_text, 1, mac);
        (void)digest_base64url((struct sv){ (const char *)mac, sizeof(mac) }, signature);
        is_int(ticket_check(t, a, arena_printf(a, "%s.%s", text, signature), NOW, &out), table[i].good, "%s", table[i].payload);
    }
    tickets_free(t);
}

static void test_limits(void)
{
    struct tickets *t = with("secret");
    struct ticket in = sample(), out;
    char id[MESSAGE_ID_MAX + 1], long_text[TICKET_BYTES_MAX + 2];
    struct err e;

    memset(id, '"', sizeof(id));
    in.session_id = in.sender_id = (struct sv){ id, MESSAGE_ID_MAX };
    struct sv text = ticket_make(t, a, &in);
    ok(text.n > 0 && text.n <= TICKET_BYTES_MAX && ticket_check(t, a, text, NOW, &out), "the longest ids fit: %zu bytes", text.n);
    in.session_id.n++;
    is_sv(ticket_make(t, a, &in), SV_NONE, "a session id that is too long");
    in.session_id = SV("");
    is_sv(ticket_make(t, a, &in), SV_NONE, "an empty one");
    in = sample();
    in.sender_id = (struct sv){ id, sizeof(id) };
    is_sv(ticket_make(t, a, &in), SV_NONE, "a sender's id that is too long");
    memset(long_text, 'A', sizeof(long_text));
    ok(!ticket_check(t, a, (struct sv){ long_text, sizeof(long_text) }, NOW, &out), "a text that is too long");
    tickets_free(t);
    static const char *const none[] = { NULL, "", " ", " , ," };
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        t = tickets_new(none[i], &e);
        ok(t == NULL && e.code == ERR_INVALID, "no secret: \"%s\"", none[i] != NULL ? none[i] : "NULL");
        tickets_free(t);
    }
}

int main(void)
{
    a = arena_new(0, 4u << 20);
    if (a == NULL)
        bail_out("no memory");
    test_round();
    test_time();
    test_rotation();
    test_tampering();
    test_payloads();
    test_limits();
    arena_free(a);
    return done_testing();
}
