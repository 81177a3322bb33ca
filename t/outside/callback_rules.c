/* SPDX-License-Identifier: MIT
 * Which URLs a list allows, to which addresses these may lead, which settings are refused, and what is signed. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "outside/callback_rules.h"
#include "t/tap.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OTHER_SECRET "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static struct callback_rules *rules_of(const char *list)
{
    struct err e = { 0 };
    struct callback_rules *r = callback_rules_new(list, SECRET, &e);
    if (r == NULL)
        bail_out("%s: %s", list, e.text);
    return r;
}

/* ---- which URLs ---- */

struct url_case {
    const char *url;
    bool allowed;
};

struct list_case {
    const char *list;
    struct url_case urls[48];
};

static const struct list_case lists[] = {
    { "", { { "https://hooks.example.com/", false }, { "http://127.0.0.1/", false }, { "https://a", false } } },
    { "hooks.example.com",
      { { "https://hooks.example.com/", true },
        { "https://hooks.example.com", true },
        { "https://hooks.example.com/any/path?and=query", true },
        { "https://hooks.example.com:443/", true },
        { "HTTPS://HOOKS.Example.COM/x", true },
        { "https://hooks.example.com./x", true },
        { "http://hooks.example.com/", false },
        { "http://hooks.example.com:443/", false },
        { "https://hooks.example.com:80/", false },
        { "https://hooks.example.com:8443/", false },
        { "https://hooks.example.com:444/", false },
        { "https://a.hooks.example.com/", false },
        { "https://example.com/", false },
        { "https://xhooks.example.com/", false },
        { "https://hooks.example.com.evil/", false },
        { "https://hooks.example.comevil/", false },
        { "https://hooks.example.co/", false },
        { "https://hooks-example.com/", false },
        { "https://hooks.example.com@evil/", false },
        { "https://hooks.example.com:443@evil/", false },
        { "https://evil/hooks.example.com", false },
        { "https://evil?hooks.example.com", false },
        { "https://evil?@hooks.example.com", false },
        { "https://evil#@hooks.example.com/", false },
        { "https://evil\\@hooks.example.com/", false },
        { "https://hooks.example.com\\@evil/", false },
        { "https://hooks.example.com%2eevil/", false },
        { "https://hooks.example.com%00.evil/", false },
        { "https://hooks.example.com\t.evil/", false },
        { "https://hooks%2eexample%2ecom/", false },
        { "https://hooks.\xd0\xb5xample.com/", false },
        { "//hooks.example.com/", false },
        { "hooks.example.com", false },
        { "/hooks.example.com", false },
        { "ftp://hooks.example.com/", false },
        { "https://hooks.example.com../", false },
        { "https://.hooks.example.com/", false },
        { "https://10.0.0.1/", false },
        { "https://[::1]/", false } } },
    { "https://hooks.example.com/in",
      { { "https://hooks.example.com/in", true },
        { "https://hooks.example.com/in/", true },
        { "https://hooks.example.com/in/a/b", true },
        { "https://hooks.example.com/in?a=/../b", true },
        { "https://hooks.example.com/in//a", true },
        { "https://hooks.example.com/", false },
        { "https://hooks.example.com", false },
        { "https://hooks.example.com/inner", false },
        { "https://hooks.example.com/in.php", false },
        { "https://hooks.example.com/i", false },
        { "https://hooks.example.com/IN", false },
        { "https://hooks.example.com//in", false },
        { "https://hooks.example.com/a/in", false },
        { "https://hooks.example.com/%69n", false },
        { "https://hooks.example.com/in;a", false },
        { "https://hooks.example.com/in%2fa", false },
        { "https://hooks.example.com/in/../admin", false },
        { "https://hooks.example.com/in/%2e%2e/admin", false },
        { "https://hooks.example.com/in/.%2E/admin", false },
        { "https://hooks.example.com/in/%252e%252e/admin", false },
        { "https://hooks.example.com/in/..%2fadmin", false },
        { "https://hooks.example.com/in/..;/admin", false },
        { "https://hooks.example.com/in/..%5cadmin", false },
        { "https://hooks.example.com/in/..\\admin", false },
        { "https://hooks.example.com/admin/../in", false },
        { "https://hooks.example.com/?/in", false },
        { "http://hooks.example.com/in", false } } },
    { "https://hooks.example.com/in/,https://other.example:8443",
      { { "https://hooks.example.com/in/", true },
        { "https://hooks.example.com/in/a", true },
        { "https://hooks.example.com/in", false },
        { "https://hooks.example.com/inner", false },
        { "https://other.example:8443/", true },
        { "https://other.example:8443/x", true },
        { "https://other.example/", false },
        { "https://other.example:443/", false },
        { "http://other.example:8443/", false },
        { "https://hooks.example.com:8443/in/", false } } },
    { "*.example.com",
      { { "https://a.example.com/", true },
        { "https://a.b.c.example.com/x", true },
        { "https://A.EXAMPLE.com./", true },
        { "https://example.com/", false },
        { "https://.example.com/", false },
        { "https://aexample.com/", false },
        { "https://evil-example.com/", false },
        { "https://a.example.com.evil/", false },
        { "https://a.example.com:8443/", false },
        { "http://a.example.com/", false },
        { "https://*.example.com/", false },
        { "https://a@.example.com/", false },
        { "https://evil/.example.com", false } } },
    { "https://*.example.com:8443/in,http://plain.example",
      { { "https://a.example.com:8443/in/x", true },
        { "https://a.example.com:8443/out", false },
        { "https://a.example.com/in", false },
        { "http://plain.example/", true },
        { "http://plain.example:80/x", true },
        { "https://plain.example/", false },
        { "http://plain.example:443/", false },
        { "http://a.plain.example/", false } } },
    { "http://127.0.0.1:9000, http://[::1]:9000 ,https://8.8.8.8",
      { { "http://127.0.0.1:9000/", true },
        { "http://127.0.0.1.:9000/x", true },
        { "http://127.0.0.1/", false },
        { "http://127.0.0.1:9001/", false },
        { "https://127.0.0.1:9000/", false },
        { "http://127.0.0.2:9000/", false },
        { "http://127.1:9000/", false },
        { "http://2130706433:9000/", false },
        { "http://0x7f000001:9000/", false },
        { "http://0x7f.0.0.1:9000/", false },
        { "http://0177.0.0.1:9000/", false },
        { "http://127.0.0.01:9000/", false },
        { "http://localhost:9000/", false },
        { "http://[::1]:9000/", true },
        { "http://[0:0:0:0:0:0:0:1]:9000/", true },
        { "http://[::1]/", false },
        { "http://[::ffff:127.0.0.1]:9000/", false },
        { "http://[::127.0.0.1]:9000/", false },
        { "http://[::1%25lo]:9000/", false },
        { "http://0.0.0.0:9000/", false },
        { "http://[::]:9000/", false },
        { "https://8.8.8.8/dns", true },
        { "https://8.8.8.9/", false } } },
    { "10.0.0.0/8,fd00::/8",
      { { "http://10.0.0.1/", false },
        { "https://10.0.0.1/", false },
        { "https://[fd00::1]/", false },
        { "https://a/", false } } },
};

static void test_urls(void)
{
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        struct callback_rules *r = rules_of(lists[i].list);
        for (const struct url_case *u = lists[i].urls; u < lists[i].urls + ARRAY_LEN(lists[i].urls) && u->url != NULL;
             u++) {
            struct target t;
            bool allowed = target_parse(&t, sv_from(u->url), NULL) == 0 && callback_rules_allow(r, &t);
            is_int(allowed, u->allowed, "list %zu, URL %td", i, u - lists[i].urls);
        }
        callback_rules_free(r);
    }
}

/* ---- which addresses ---- */

static const struct {
    const char *list, *url, *address;
    unsigned port;
    bool may;
} connects[] = {
    { "hooks.example.com", "https://hooks.example.com/", "8.8.8.8", 443, true },
    { "hooks.example.com", "https://hooks.example.com/", "2606:4700::1", 443, true },
    { "hooks.example.com", "https://hooks.example.com/", "8.8.8.8", 22, false },
    { "hooks.example.com", "https://hooks.example.com/", "127.0.0.1", 443, false },
    { "hooks.example.com", "https://hooks.example.com/", "10.0.0.1", 443, false },
    { "hooks.example.com", "https://hooks.example.com/", "169.254.169.254", 443, false },
    { "hooks.example.com", "https://hooks.example.com/", "100.64.0.1", 443, false },
    { "hooks.example.com", "https://hooks.example.com/", "0.0.0.0", 443, false },
    { "hooks.example.com", "https://hooks.example.com/", "::1", 443, false },
    { "hooks.example.com", "https://hooks.example.com/", "::ffff:127.0.0.1", 443, false },
    { "hooks.example.com", "https://hooks.example.com/", "64:ff9b::7f00:1", 443, false },
    { "hooks.example.com", "https://hooks.example.com/", "fd00::1", 443, false },
    { "http://localhost:9000", "http://localhost:9000/", "127.0.0.1", 9000, false },
    { "http://localhost:9000", "http://localhost:9000/", "::1", 9000, false },
    /* a net lifts the bar for names */
    { "hooks.example.com,10.0.0.0/8", "https://hooks.example.com/", "10.255.0.1", 443, true },
    { "hooks.example.com,10.0.0.0/8", "https://hooks.example.com/", "11.0.0.1", 443, true },
    { "hooks.example.com,10.0.0.0/8", "https://hooks.example.com/", "192.168.0.1", 443, false },
    { "hooks.example.com,10.0.0.0/8", "https://hooks.example.com/", "::ffff:10.0.0.1", 443, false },
    { "hooks.example.com,10.0.0.0/8", "https://hooks.example.com/", "10.0.0.1", 6379, false },
    { "hooks.example.com,64:ff9b::/96", "https://hooks.example.com/", "64:ff9b::808:808", 443, true },
    /* an address that is given literally is good for itself, and for a name with the same scheme, port and path */
    { "http://127.0.0.1:9000", "http://127.0.0.1:9000/", "127.0.0.1", 9000, true },
    { "http://127.0.0.1:9000", "http://127.0.0.1:9000/", "127.0.0.1", 9001, false },
    { "http://127.0.0.1:9000", "http://127.0.0.1:9000/", "127.0.0.2", 9000, false },
    { "http://127.0.0.1:9000", "http://127.0.0.1:9000/", "8.8.8.8", 9000, false },
    { "http://[::1]:9000", "http://[::1]:9000/", "::1", 9000, true },
    { "https://8.8.8.8", "https://8.8.8.8/", "8.8.8.8", 443, true },
    { "http://localhost:9000,http://127.0.0.1:9000", "http://localhost:9000/", "127.0.0.1", 9000, true },
    { "http://localhost:9000,http://127.0.0.1:9000", "http://localhost:9000/", "::1", 9000, false },
    { "http://localhost:9000,http://127.0.0.1:9001", "http://localhost:9000/", "127.0.0.1", 9000, false },
    { "http://localhost:9000,http://127.0.0.1:9000/in", "http://localhost:9000/out", "127.0.0.1", 9000, false },
    { "hooks.example.com,http://127.0.0.1:443", "https://hooks.example.com/", "127.0.0.1", 443, false },
    { "http://10.0.0.1,10.0.0.0/8", "http://10.0.0.1/", "10.0.0.2", 80, false },
};

static void test_addresses(void)
{
    for (size_t i = 0; i < ARRAY_LEN(connects); i++) {
        struct callback_rules *r = rules_of(connects[i].list);
        struct target t;
        struct address a;
        bool ready = target_parse(&t, sv_from(connects[i].url), NULL) == 0 && callback_rules_allow(r, &t) &&
                     address_parse(sv_from(connects[i].address), &a);
        ok(ready, "%s is allowed by %s", connects[i].url, connects[i].list);
        if (ready)
            is_int(callback_rules_may_connect(r, &t, &a, connects[i].port), connects[i].may, "and %s lead to %s",
                   connects[i].may ? "may" : "must not", connects[i].address);
        callback_rules_free(r);
    }
}

/* ---- settings ---- */

static void test_settings(void)
{
    static const struct {
        const char *list, *secrets, *text; /* text: part of the error; NULL: good */
    } cases[] = {
        { "", "", NULL },
        { " , ", "", NULL },
        { "", SECRET, NULL },
        { "a.example", SECRET, NULL },
        { " a.example , ,b.example,", " " SECRET " , " OTHER_SECRET, NULL },
        { "a.example", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", NULL },
        { "a.example", "", "CALLBACK_SECRET is empty" },
        { "10.0.0.0/8", " ", "CALLBACK_SECRET is empty" },
        { "a.example", "whsec_", "secret 1" },
        { "a.example", SECRET ",whsec_short", "secret 2" },
        { "", "!", "secret 1" },
        { "a.example", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRY=", "secret 1" },            /* 23 bytes */
        { "a.example", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "secret 1" }, /* not padded */
        { "a.example", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
          NULL }, /* 64 */
        { "a.example", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
          "secret 1" },
        { "a.example", SECRET "," SECRET "," SECRET "," SECRET "," SECRET "," SECRET "," SECRET "," SECRET "," SECRET,
          "more than 8" },
        { "ftp://a.example", SECRET, "must begin with" },
        { "https:a.example", SECRET, "https:// in front" },
        { "a.example:8443", SECRET, "https:// in front" },
        { "a.example/in", SECRET, "https:// in front" },
        { "10.0.0.1/8", SECRET, "https:// in front" },
        { "10.0.0.0/33", SECRET, "https:// in front" },
        { "https://", SECRET, "no host" },
        { "https:///x", SECRET, "no host" },
        { "*", SECRET, "neither a name" },
        { "*.", SECRET, "no host" },
        { "*.*.example.com", SECRET, "neither a name" },
        { "a.*.example.com", SECRET, "neither a name" },
        { "*example.com", SECRET, "neither a name" },
        { "*.10.0.0.1", SECRET, "nothing below" },
        { "https://*.[::1]", SECRET, "nothing below" },
        { "127.1", SECRET, "neither a name" },
        { "https://a b", SECRET, "neither a name" },
        { "https://h\xc3\xa9.example", SECRET, "neither a name" },
        { "https://a.example:0", SECRET, "1 to 65535" },
        { "https://a.example:", SECRET, "1 to 65535" },
        { "https://a.example/?q", SECRET, "must be escaped" },
        { "https://a.example/#f", SECRET, "must be escaped" },
        { "https://a.example?q", SECRET, "must be escaped" },
        { "https://a.example/../b", SECRET, "segment" },
        { "https://user:hunter2@a.example", SECRET, "CALLBACK_ALLOWLIST" },
        { "good.example,bad..example", SECRET, "\"bad..example\"" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = { 0 };
        struct callback_rules *r = callback_rules_new(cases[i].list, cases[i].secrets, &e);
        is_int(r != NULL, cases[i].text == NULL, "settings %zu: %s", i, e.text);
        if (cases[i].text != NULL)
            has_str(e.text, cases[i].text, "and the error says so");
        ok(strstr(e.text, "hunter2") == NULL && strstr(e.text, "whsec_short") == NULL, "no secret in the error");
        callback_rules_free(r);
    }
    struct buf many = { 0 };
    struct err e = { 0 };
    for (int i = 0; i < 1001; i++)
        buf_add(&many, SV("a.example,"));
    ok(callback_rules_new(many.p, SECRET, &e) == NULL && e.code == ERR_RANGE, "too many entries: %s", e.text);
    buf_fini(&many);
}

/* ---- signatures ---- */

static void test_signature(void)
{
    struct err e = { 0 };
    struct buf out = { 0 };
    struct callback_rules *r = callback_rules_new("", SECRET, &e);
    callback_rules_sign(r, SV("msg_p5jXN8AQM9LWM0D4loKWxJek"), 1614265330, SV("{\"test\": 2432232314}"), &out);
    is_sv(buf_sv(&out), SV("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="), "the example of Standard Webhooks");
    callback_rules_free(r);
    buf_clear(&out);
    r = callback_rules_new("", OTHER_SECRET "," SECRET, &e);
    callback_rules_sign(r, SV("msg_p5jXN8AQM9LWM0D4loKWxJek"), 1614265330, SV("{\"test\": 2432232314}"), &out);
    is_int(out.n, 2 * 47 + 1, "two secrets, two signatures with a space between them");
    is_sv(((struct sv){ out.p + 47, 48 }), SV(" v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
          "in the order of the secrets");
    ok(sv_starts(buf_sv(&out), SV("v1,")) && memcmp(out.p, out.p + 48, 47) != 0, "which differ");
    callback_rules_free(r);
    buf_fini(&out);
}

int main(void)
{
    test_urls();
    test_addresses();
    test_settings();
    test_signature();
    return done_testing();
}
