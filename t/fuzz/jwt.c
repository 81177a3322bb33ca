/* SPDX-License-Identifier: MIT
 * Any bytes as a token (lib/jwt.h), and as the header and claims of one that is signed with the right key: none without that signature is good, and whatever is
 * good has what every good one has. t/fuzz/markup.c says how libFuzzer runs a target. */
#include "config.h"

#include <stdlib.h>

#include "lib/digest.h"
#include "lib/jwt.h"
#include "t/fuzz/fuzz.h"

#define SECRET "a-secret-of-32-bytes-and-a-few-more"
#define NOW_MS INT64_C(1700000000000)

const char fuzz_name[] = "jwt";
const char *const fuzz_words[] = {
    "{\"alg\":\"HS256\"}", "{\"exp\":1700000300}", "\"alg\":\"none\"", "\"kid\":\"a\"", "\"crit\":[\"b64\"]", "\"exp\":", "\"nbf\":", "\"aud\":[\"a\"]",
    "\"iss\":\"x\"", "\"sub\":\"u1\"", "\n", ",", "{", "}", "[", "]", "\"", "\\u0000", "\\ud800", "1e999", "9223372036854775808", "-0", "\xC3\x28", "eyJ", "=", ".",
    "..", "_-", NULL,
};

static struct jwt_keys *keys(void)
{
    static struct jwt_keys *made;
    const struct jwt_options o = { .secret = SECRET };
    struct err e;

    if (made == NULL)
        made = jwt_keys_new(&o, &e);
    must(made != NULL);
    return made;
}

static enum jwt_verdict verify(struct sv token)
{
    struct arena *a = arena_new(0, 4 * JWT_BYTES_MAX);
    const json_t *claims;
    enum jwt_verdict v;

    must(a != NULL);
    v = jwt_verify(keys(), token, NOW_MS, a, &claims);
    must((v == JWT_GOOD) == (claims != NULL));
    must(v != JWT_NO_MEMORY && jwt_verdict_text(v) != NULL);
    if (v == JWT_GOOD) {
        must(json_is_object(claims) && json_is_number(json_object_get(claims, "exp")));
        must(json_f64(claims, "exp", 0) + JWT_LEEWAY_S > (double)NOW_MS / 1000 && json_object_get(claims, "aud") == NULL);
    }
    arena_free(a);
    return v;
}

static void add(struct buf *b, struct sv s)
{
    char *room = buf_room(b, DIGEST_BASE64_SIZE(s.n));

    must(room != NULL);
    buf_grown(b, digest_base64url(s, room));
}

/* The first line is the header, the rest the claims. */
static void sign(struct sv header, struct sv claims, struct buf *b)
{
    unsigned char mac[DIGEST_SIZE];
    struct sv text;

    add(b, header);
    buf_addc(b, '.');
    add(b, claims);
    text = buf_sv(b);
    digest_hmac(SV(SECRET), &text, 1, mac);
    buf_addc(b, '.');
    add(b, (struct sv){ (const char *)mac, sizeof(mac) });
    must(buf_ok(b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv claims = { (const char *)data, size }, header = sv_split(&claims, '\n');
    struct buf b = { 0 };
    enum jwt_verdict v;

    must(verify((struct sv){ (const char *)data, size }) != JWT_GOOD);
    if (claims.p == NULL)
        claims = SV("");
    sign(header, claims, &b);
    v = verify(buf_sv(&b));
    must(v != JWT_BAD_SIGNATURE && (v == JWT_TOO_LONG) == (b.n > JWT_BYTES_MAX));
    b.p[b.n - 2] = b.p[b.n - 2] == 'A' ? 'B' : 'A'; /* all of its bits count */
    must(verify(buf_sv(&b)) != JWT_GOOD);
    buf_fini(&b);
    return 0;
}
