/* SPDX-License-Identifier: MIT
 * Words of a command line become claims. */
#include "config.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "program.h"
#include "token.h"

#define EXPIRES_IN "1h"
#define EXPIRES_MAX_S (10 * 366 * 86400LL)
#define ID_MAX 256

struct wish {
    const char *user, *role, *expires_in, *issuer, *audience;
    int64_t expires_s;
    struct jwt_signing with;
};

static int misuse(const char *why)
{
    fprintf(stderr, "turnkeeperctl token: %s. See turnkeeperctl --help\n", why);
    return EXIT_USE;
}

static const char **place_of(struct wish *w, int letter)
{
    switch (letter) {
    case 'u':
        return &w->user;
    case 'r':
        return &w->role;
    case 'e':
        return &w->expires_in;
    case 'i':
        return &w->issuer;
    case 'a':
        return &w->audience;
    case 'k':
        return &w->with.private_key_file;
    case 'K':
        return &w->with.kid;
    default:
        return NULL;
    }
}

static bool parse(struct wish *w, int argc, char **argv)
{
    static const struct option options[] = {
        { "user", required_argument, NULL, 'u' },     { "role", required_argument, NULL, 'r' },     { "expires-in", required_argument, NULL, 'e' },
        { "issuer", required_argument, NULL, 'i' },   { "audience", required_argument, NULL, 'a' }, { "key", required_argument, NULL, 'k' },
        { "kid", required_argument, NULL, 'K' },      { NULL, 0, NULL, 0 },
    };
    int letter;

    optind = 0; /* of GNU: begin anew */
    while ((letter = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        const char **to = place_of(w, letter);
        if (to == NULL)
            return false;
        *to = optarg;
    }
    if (optind < argc)
        fprintf(stderr, "turnkeeperctl token: what is \"%s\"?\n", argv[optind]);
    return optind == argc;
}

/* "90", "90s", "5m", "1h", "30d". 0: none of these, or too long. */
static int64_t seconds(const char *text)
{
    static const struct { char unit; int64_t s; } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
    struct sv number = sv_from(text);
    int64_t each = 1;
    uint64_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(units) && number.n > 0; i++) {
        if (number.p[number.n - 1] == units[i].unit) {
            each = units[i].s;
            number.n--;
            break;
        }
    }
    return sv_to_u64(number, &n) && n <= (uint64_t)(EXPIRES_MAX_S / each) ? (int64_t)n * each : 0;
}

/* NULL: fine. */
static const char *wrong_with(const struct wish *w)
{
    struct sv user = sv_from(w->user);

    if (w->user == NULL && w->role == NULL)
        return "who is it for? --user ID, or --role Admin|Platform";
    if (w->user != NULL && (user.n == 0 || user.n > ID_MAX || sv_has_control(user) || !sv_is_utf8(user)))
        return "a user's id has 1 to 256 bytes and no control character";
    if (w->role != NULL && strcmp(w->role, "Admin") != 0 && strcmp(w->role, "Platform") != 0)
        return "a role is Admin or Platform";
    if (w->expires_s <= 0)
        return "--expires-in is a number with s, m, h or d behind it, ten years at most";
    if (!sv_is_utf8(sv_from(w->issuer)) || !sv_is_utf8(sv_from(w->audience)) || !sv_is_utf8(sv_from(w->with.kid)))
        return "issuer, audience and kid are UTF-8";
    return NULL;
}

static void put(struct json_out *o, const char *key, const char *value)
{
    if (value != NULL && *value != '\0')
        json_kstr(o, key, sv_from(value));
}

static void put_claims(struct buf *b, const struct wish *w)
{
    struct json_out o = { .b = b };
    int64_t now_s = clock_wall_ms() / 1000;

    json_obj(&o);
    put(&o, "sub", w->user);
    put(&o, "userId", w->user);
    put(&o, "role", w->role);
    put(&o, "iss", w->issuer);
    put(&o, "aud", w->audience);
    json_kint(&o, "iat", now_s);
    json_kint(&o, "exp", now_s + w->expires_s);
    json_obj_end(&o);
}

static int print_token(const struct wish *w)
{
    struct buf claims = { 0 }, token = { 0 };
    struct err e;
    int rc = -1;

    put_claims(&claims, w);
    if (!buf_ok(&claims))
        (void)err_set(&e, ERR_MEMORY, "no memory");
    else
        rc = jwt_sign(&w->with, buf_sv(&claims), &token, &e);
    if (rc == 0)
        printf("%.*s\n", SV_FMT(buf_sv(&token)));
    else
        fprintf(stderr, "turnkeeperctl token: %s%s\n", w->with.private_key_file == NULL && e.code == ERR_RANGE ? "JWT_SECRET: " : "", e.text);
    buf_fini(&claims);
    buf_fini(&token);
    return rc == 0 ? EXIT_FINE : EXIT_CONF;
}

int token_run(const struct settings *s, int argc, char **argv)
{
    struct wish w = { .expires_in = EXPIRES_IN, .issuer = s->jwt_issuer, .audience = s->jwt_audience };
    const char *wrong;

    if (!parse(&w, argc, argv))
        return EXIT_USE; /* it has been said why */
    w.expires_s = seconds(w.expires_in);
    wrong = wrong_with(&w);
    if (wrong != NULL)
        return misuse(wrong);
    if (w.with.private_key_file == NULL && s->jwt_secret[0] == '\0') {
        fprintf(stderr, "turnkeeperctl token: JWT_SECRET is not set; --key FILE signs with a private key\n");
        return EXIT_CONF;
    }
    w.with.secret = s->jwt_secret;
    return print_token(&w);
}
