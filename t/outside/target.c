/* SPDX-License-Identifier: MIT
 * URLs that are read, in the one form in which they are written again, and URLs that are refused. Then millions of bytes of
 * damaged ones: whatever is let through is read by libcurl just as it was here. */
#include "config.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outside/target.h"
#include "t/tap.h"

static const struct {
    const char *text, *url, *host;
    unsigned port;
    const char *path;
} good[] = {
    { "https://hooks.example.com/a", "https://hooks.example.com/a", "hooks.example.com", 443, "/a" },
    { "https://hooks.example.com", "https://hooks.example.com/", "hooks.example.com", 443, "/" },
    { "http://h", "http://h/", "h", 80, "/" },
    { "HTTPS://Hooks.EXAMPLE.com/A", "https://hooks.example.com/A", "hooks.example.com", 443, "/A" },
    { "hTtP://h/", "http://h/", "h", 80, "/" },
    { "https://h.example./x", "https://h.example/x", "h.example", 443, "/x" },
    { "https://h:443/", "https://h/", "h", 443, "/" },
    { "http://h:80/", "http://h/", "h", 80, "/" },
    { "http://h:443/", "http://h:443/", "h", 443, "/" },
    { "https://h:80/", "https://h:80/", "h", 80, "/" },
    { "https://h.:8443?x", "https://h:8443/?x", "h", 8443, "/" },
    { "https://h:1/", "https://h:1/", "h", 1, "/" },
    { "https://h:65535/", "https://h:65535/", "h", 65535, "/" },
    { "https://h?a=b", "https://h/?a=b", "h", 443, "/" },
    { "https://h/?", "https://h/?", "h", 443, "/" },
    { "https://h/a/b?u=https://x@y/../z&v=%2e%2e?", "https://h/a/b?u=https://x@y/../z&v=%2e%2e?", "h", 443, "/a/b" },
    { "https://h/a@b:c/~d_e-f.g", "https://h/a@b:c/~d_e-f.g", "h", 443, "/a@b:c/~d_e-f.g" },
    { "https://h/..a/b../...", "https://h/..a/b../...", "h", 443, "/..a/b../..." },
    { "https://h//a//", "https://h//a//", "h", 443, "//a//" },
    { "https://h/%41%20%c3%a9", "https://h/%41%20%c3%a9", "h", 443, "/%41%20%c3%a9" },
    { "https://h/a;b=c/d,e!$&'()*+", "https://h/a;b=c/d,e!$&'()*+", "h", 443, "/a;b=c/d,e!$&'()*+" },
    { "https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "/" },
    { "https://my_service.example/", "https://my_service.example/", "my_service.example", 443, "/" },
    { "https://1.example/", "https://1.example/", "1.example", 443, "/" },
    { "https://127.0.0.1.example/", "https://127.0.0.1.example/", "127.0.0.1.example", 443, "/" },
    { "https://0x7f.example/", "https://0x7f.example/", "0x7f.example", 443, "/" },
    { "https://0x7g/", "https://0x7g/", "0x7g", 443, "/" },
    { "http://127.0.0.1:9000/", "http://127.0.0.1:9000/", "127.0.0.1", 9000, "/" },
    { "http://127.0.0.1.:9000/", "http://127.0.0.1:9000/", "127.0.0.1", 9000, "/" },
    { "http://[::1]:9000/x", "http://[::1]:9000/x", "::1", 9000, "/x" },
    { "http://[0:0:0:0:0:0:0:1]/", "http://[::1]/", "::1", 80, "/" },
    { "http://[2001:DB8::0A]/", "http://[2001:db8::a]/", "2001:db8::a", 80, "/" },
    { "http://[::ffff:7f00:1]/", "http://[::ffff:127.0.0.1]/", "::ffff:127.0.0.1", 80, "/" },
};

static const char *const bad[] = {
    "",
    "/",
    "//",
    "h",
    "//h/",
    "//h/a",
    "/a",
    "?",
    "h/a",
    "https",
    "https:",
    "https:/",
    "https://",
    "https:///",
    "https:///h/",
    "https:h",
    "https:/h/",
    "https//h/",
    "://h/",
    ":h",
    "ftp://h/",
    "file:///etc/passwd",
    "file://h/",
    "gopher://h/",
    "javascript:alert(1)",
    "data:,x",
    "ws://h/",
    "httpss://h/",
    "xhttps://h/",
    "https://https://h/",
    "http:s//h",
    "url:https://h/",
    /* hosts */
    "https://?a",
    "https://#",
    "https://:443/",
    "https://./",
    "https://../",
    "https://.h/",
    "https://h..",
    "https://h../",
    "https://a..b/",
    "https://-h/",
    "https://h-/",
    "https://a.-b.c/",
    "https://h!/",
    "https://h*/",
    "https://*.example.com/",
    "https://a,b/",
    "https://h;x/",
    "https://h&x/",
    "https://(h)/",
    "https://h%2eexample/",
    "https://%68/",
    "https://h%00.example/",
    "https://h%40evil/",
    "https://ex%61mple/",
    "https://h\xc3\xa9.example/",
    "https://\xef\xbd\x8c\xef\xbd\x8f.example/",
    "https://h\xe3\x80\x82xample/",
    "https://\xe2\x91\xa0\xe2\x91\xa1.1/",
    /* users */
    "https://hooks.example.com@evil/",
    "https://u@h/",
    "https://u:p@h/",
    "https://@h/",
    "https://:@h/",
    "https://h@",
    "https://h:443@evil/",
    "https://h@evil:443/",
    "https://a@b@c/",
    "https://hooks.example.com:443:@evil/",
    "https://[::1]@evil/",
    /* what libraries read differently */
    "https:\\\\h\\",
    "https://h\\@evil/",
    "https://evil\\.h/",
    "https://h/a\\b",
    "https:/\\h/",
    "https://h\\/",
    "https://h/#f",
    "https://h#@evil/",
    "https://h/?a#b",
    "https://evil#.h/",
    "https://evil?.h\\",
    " https://h/",
    "https://h/ ",
    "https://h/a b",
    "https://h /",
    "https://\th/",
    "https://h/\r\nX: y",
    "https://h\n/",
    "https://h/\x01",
    "https://h/\x7f",
    "https://h/\xff",
    "\xef\xbb\xbfhttps://h/",
    "ht\ntps://h/",
    "https://h/<a>",
    "https://h/\"",
    "https://h/{a}",
    "https://h/a|b",
    "https://h/a^b",
    "https://h/`",
    "https://h/?a=\"",
    "https://h/[",
    "https://h/?[",
    "https://{h,i}/",
    "https://h[1-9]/",
    /* addresses in old clothes */
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0x7f000001/",
    "http://0X7F000001/",
    "http://0x7f.1/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://0177.0.0.1/",
    "http://0177.0.0.01/",
    "http://127.0.0.01/",
    "http://127.0.0.0x1/",
    "http://127.0.0.1../",
    "http://127.0.0/",
    "http://0/",
    "http://1/",
    "http://0x/",
    "http://a.0x/",
    "http://a.1/",
    "http://256.1.1.1/",
    "http://1.2.3.4.5/",
    "http://127.0.0.256/",
    "http://4294967296/",
    "http://127.0.0.-1/",
    "http://127.0.0.1%00/",
    "http://a.1./",
    "http://0x7f000001./",
    "http://[127.0.0.1]/",
    "http://[]/",
    "http://[/",
    "http://]/",
    "http://[::1/",
    "http://::1/",
    "http://::1]/",
    "http://[::1]x/",
    "http://[::1]x:80/",
    "http://x[::1]/",
    "http://[[::1]]/",
    "http://[::1%25lo]/",
    "http://[fe80::1%lo]/",
    "http://[::1]]/",
    "http://[v1.x]/",
    "http://[::1].example/",
    "http://[::1]./",
    "http://[0::0::1]/",
    "http://[::127.1]/",
    "http://[h]/",
    /* ports */
    "https://h:",
    "https://h:/",
    "https://h:0/",
    "https://h:65536/",
    "https://h:99999999999999999999/",
    "https://h:-1/",
    "https://h:+1/",
    "https://h:0443/",
    "https://h:443a/",
    "https://h:a/",
    "https://h:4 43/",
    "https://h:443:443/",
    "https://h::443/",
    "https://h:%34/",
    "https://h:0x1bb/",
    "https://h:443.0/",
    "http://[::1]:/",
    "http://[::1]:0/",
    "http://[::1]::80/",
    "http://[::1]80/",
    /* paths */
    "https://h/..",
    "https://h/../",
    "https://h/.",
    "https://h/./a",
    "https://h/a/../b",
    "https://h/a/..",
    "https://h/a/./b",
    "https://h/%2e%2e/",
    "https://h/%2E%2e",
    "https://h/.%2e/a",
    "https://h/%2e./a",
    "https://h/%2e/",
    "https://h/a/%2e%2e%2fb",
    "https://h/a%2f..%2fb",
    "https://h/a%2F%2e%2e",
    "https://h/%252e%252e/",
    "https://h/%25252e%25252e/",
    "https://h/%25%32%65%25%32%65/",
    "https://h/a%5c..%5cb",
    "https://h/a%5Cb",
    "https://h/%255c",
    "https://h/..;/a",
    "https://h/..;x=y/a",
    "https://h/.;/a",
    "https://h/%2e%2e%3b/a",
    "https://h/..%3b/",
    "https://h/a%00",
    "https://h/%0d%0aX",
    "https://h/%250a",
    "https://h/%7f",
    "https://h/%c0%ae%c0%ae/",
    "https://h/%c0%af",
    "https://h/%ff",
    "https://h/%",
    "https://h/%2",
    "https://h/%zz",
    "https://h/%2g",
    "https://h/a%",
    "https://h/?%",
    "https://h/?a=%zz",
    "https://h/..?x",
};

static void test_good(void)
{
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct target t;
        struct err e = { 0 };
        if (!ok(target_parse(&t, sv_from(good[i].text), &e) == 0, "%s is read: %s", good[i].text, e.text))
            continue;
        is_str(t.url, good[i].url, "%s: its one form", good[i].text);
        is_str(t.host, good[i].host, "%s: host", good[i].text);
        is_int(t.port, good[i].port, "%s: port", good[i].text);
        is_sv(t.path, sv_from(good[i].path), "%s: path", good[i].text);
        is_int(t.tls, t.url[4] == 's', "%s: scheme", good[i].text);
    }
}

static void test_bad(void)
{
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct target t;
        struct err e = { 0 };
        ok(target_parse(&t, sv_from(bad[i]), &e) == -1 && (e.code == ERR_INVALID || e.code == ERR_RANGE) &&
               e.text[0] != '\0',
           "refused, number %zu: %s", i, e.text);
    }
    struct target t;
    struct err e;
    ok(target_parse(&t, SV("https://h/\0a"), &e) == -1, "refused: a NUL: %s", e.text);
    ok(target_parse(&t, SV("https://h\0.example/"), &e) == -1, "refused: a NUL in the host");
    ok(target_parse(&t, SV_NONE, &e) == -1, "refused: nothing at all");
}

/* What the one who named the URL is told. */
static void test_texts(void)
{
    static const char *const rows[][2] = {
        { "", "empty" },
        { "h/", "https://" },
        { "https://hooks.example.com@evil/", "a user in front of its host" },
        { "https://u:p@h/", "a user in front of its host" },
        { "https:///x", "no host" },
        { "https://h/#f", "a fragment" },
        { "https://h/ ", "a blank" },
        { "https://127.1/", "nor an address in its usual form" },
        { "https://[::1/", "in brackets" },
        { "https://h:0/", "from 1 to 65535" },
        { "https://h/<", "the path has a character that must be escaped" },
        { "https://h/..", "a segment . or .." },
        { "https://h/?<", "the query has a character that must be escaped" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct target t;
        struct err e = { 0 };
        is_int(target_parse(&t, sv_from(rows[i][0]), &e), -1, "refused, text %zu", i);
        has_str(e.text, rows[i][1], "and why");
    }
}

/* prefix, then n times c */
static struct sv filled(char *out, const char *prefix, char c, size_t n)
{
    size_t m = strlen(prefix);
    memcpy(out, prefix, m);
    memset(out + m, c, n);
    return (struct sv){ out, m + n };
}

static void test_long(void)
{
    char text[8192];
    struct target t;
    struct err e = { 0 };
    ok(target_parse(&t, filled(text, "https://h/", 'a', TARGET_URL_MAX - 10), &e) == 0, "as long as allowed: %s",
       e.text);
    is_int(strlen(t.url), TARGET_URL_MAX, "and written whole");
    ok(target_parse(&t, filled(text, "https://h/", 'a', TARGET_URL_MAX - 9), &e) == -1 && e.code == ERR_RANGE,
       "a byte more: %s", e.text);
    ok(target_parse(&t, filled(text, "https://h?", 'a', TARGET_URL_MAX - 10), &e) == 0,
       "a long query, which gains a slash");
    is_int(strlen(t.url), TARGET_URL_MAX + 1, "and is written whole");
    ok(target_parse(&t, filled(text, "https://", 'a', 63), &e) == 0, "a label of 63 characters");
    ok(target_parse(&t, filled(text, "https://", 'a', 64), &e) == -1, "one of 64: %s", e.text);
    struct sv name = filled(text, "https://", 'a', 254);
    for (size_t i = 50; i < 254; i += 50)
        text[8 + i] = '.';
    name.n = 8 + 253;
    ok(target_parse(&t, name, &e) == 0 && strlen(t.host) == 253, "a name of 253 characters");
    name.n++;
    ok(target_parse(&t, name, &e) == -1, "one of 254: %s", e.text);
}

/* ---- damaged ---- */

static uint64_t state = 88172645463325252U;

static size_t below(size_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state >> 11) % n;
}

static const char *part_of(CURLU *u, CURLUPart part, unsigned flags, char *out, size_t size)
{
    char *got = NULL;
    (void)snprintf(out, size, "%s", curl_url_get(u, part, &got, flags) == CURLUE_OK ? got : "(none)");
    curl_free(got);
    return out;
}

/* Whether curl reads `text` as a URL with the same scheme, host, port and path. */
static bool curl_agrees(const char *text, const struct target *t)
{
    char got[4096], want[4096];
    bool v6 = t->is_address && t->address.size == 16;
    CURLU *u = curl_url();
    bool same = curl_url_set(u, CURLUPART_URL, text, 0) == CURLUE_OK;
    same = same && strcmp(part_of(u, CURLUPART_SCHEME, 0, got, sizeof(got)), t->tls ? "https" : "http") == 0;
    (void)snprintf(want, sizeof(want), "%u", t->port);
    same = same && strcmp(part_of(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, got, sizeof(got)), want) == 0;
    (void)snprintf(want, sizeof(want), v6 ? "[%s]" : "%s", t->host);
    struct sv host = sv_from(part_of(u, CURLUPART_HOST, 0, got, sizeof(got)));
    host.n -= host.n > 0 && host.p[host.n - 1] == '.';
    same = same && (v6 || sv_eq_nocase(host, sv_from(want))); /* curl keeps the way in which an address is written */
    same = same && sv_eq(sv_from(part_of(u, CURLUPART_PATH, 0, got, sizeof(got))), t->path);
    same = same && strcmp(part_of(u, CURLUPART_USER, 0, got, sizeof(got)), "(none)") == 0;
    same = same && strcmp(part_of(u, CURLUPART_FRAGMENT, 0, got, sizeof(got)), "(none)") == 0;
    curl_url_cleanup(u);
    return same;
}

/* What must hold for any bytes. */
static bool holds(struct sv text, bool *taken)
{
    struct target t, again;
    struct err e = { 0 };
    char copy[TARGET_URL_MAX + 1];
    *taken = target_parse(&t, text, &e) == 0;
    if (!*taken)
        return e.text[0] != '\0' && (e.code == ERR_INVALID || e.code == ERR_RANGE);
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return target_parse(&again, sv_from(t.url), &e) == 0 && strcmp(again.url, t.url) == 0 && curl_agrees(t.url, &t) &&
           curl_agrees(copy, &t);
}

/* A few bytes replaced, removed or put in: of what has a meaning somewhere, or any. */
static size_t damage(char *text, size_t n, size_t max)
{
    static const char telling[] = "/:@.?#[]%\\;25eExX01f-_ \t\r\n&=,+*~";
    for (size_t times = 1 + below(4); times > 0; times--) {
        size_t at = below(n + 1);
        char c = below(4) > 0 ? telling[below(sizeof(telling))] : (char)below(256);
        switch (below(3)) {
        case 0:
            if (at < n)
                text[at] = c;
            break;
        case 1:
            if (at < n)
                memmove(text + at, text + at + 1, --n - at);
            break;
        default:
            if (n < max) {
                memmove(text + at + 1, text + at, n++ - at);
                text[at] = c;
            }
        }
    }
    return n;
}

static void test_damaged(void)
{
    enum { ROUNDS = 300000 };
    int taken = 0, wrong = 0;
    for (int i = 0; i < ROUNDS; i++) {
        char text[512];
        bool yes;
        size_t from = below(ARRAY_LEN(good) + ARRAY_LEN(bad));
        const char *base = from < ARRAY_LEN(good) ? good[from].text : bad[from - ARRAY_LEN(good)];
        size_t n = strlen(base);
        memcpy(text, base, n);
        n = damage(text, n, sizeof(text));
        if (!holds((struct sv){ text, n }, &yes) && wrong++ < 5)
            diag("round %d: %.*s", i, (int)n, text);
        taken += yes;
    }
    is_int(wrong, 0, "what is let through is read by curl in the same way");
    ok(taken > ROUNDS / 50 && taken < ROUNDS, "%d of %d damaged URLs were let through", taken, ROUNDS);
}

int main(void)
{
    test_good();
    test_bad();
    test_texts();
    test_long();
    test_damaged();
    return done_testing();
}
