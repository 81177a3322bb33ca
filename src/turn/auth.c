/* SPDX-License-Identifier: MIT
 * Tokens. Every check compares SHA-256 digests with all configured ones, in the same order, to the end. What is none of them may be a JSON Web
 * Token: that is a matter of signatures, and of its claims (auth_claims.c). */
#include "config.h"

#include <stdlib.h>

#include "turn/auth.h"
#include "turn/auth_claims.h"

#define TOKENS_MAX 32 /* of both roles together */
#define JWT_MEMORY (4 * JWT_BYTES_MAX)

struct token {
    unsigned char digest[DIGEST_SIZE];
    enum auth_role role;
};

struct auth {
    size_t n;
    struct token tokens[TOKENS_MAX];
    struct jwt_keys *keys; /* NULL: JWTs are off */
};

/* What may stand after "Bearer ". Two headers that a web server has joined have a space in them. */
static bool is_token(struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    }
    return s.n > 0;
}

static int add_tokens(struct auth *a, const char *list, enum auth_role role, struct err *e)
{
    struct sv rest = sv_from(list != NULL ? list : "");

    while (rest.p != NULL) {
        struct sv token = sv_trim(sv_split(&rest, ','));
        if (token.n == 0)
            return err_set(e, ERR_INVALID, "a token of the %s is empty", auth_role_name(role));
        if (!is_token(token))
            return err_set(e, ERR_INVALID, "a token of the %s has characters that no client can send",
                           auth_role_name(role));
        if (a->n == TOKENS_MAX)
            return err_set(e, ERR_RANGE, "more than %d tokens", TOKENS_MAX);
        digest_sha256(token, a->tokens[a->n].digest);
        a->tokens[a->n++].role = role;
    }
    return 0;
}

struct auth *auth_new(const char *platform_tokens, const char *admin_tokens, const struct jwt_options *jwt, struct err *e)
{
    struct auth *a = calloc(1, sizeof(*a));

    if (a == NULL) {
        (void)err_set(e, ERR_MEMORY, "out of memory");
        return NULL;
    }
    int rc = add_tokens(a, platform_tokens, ROLE_PLATFORM, e) != 0 ? -1 : add_tokens(a, admin_tokens, ROLE_ADMIN, e);
    if (rc == 0 && jwt != NULL && jwt_is_on(jwt)) {
        a->keys = jwt_keys_new(jwt, e);
        rc = a->keys != NULL ? 0 : -1;
    }
    if (rc == 0)
        return a;
    auth_free(a);
    return NULL;
}

void auth_free(struct auth *a)
{
    if (a != NULL)
        jwt_keys_free(a->keys);
    free(a);
}

/* "Bearer" SP token (RFC 6750 2.1; the scheme in any case, RFC 7235 2.1), and no more. */
static struct sv bearer(struct sv authorization)
{
    struct sv token = authorization;
    struct sv scheme = sv_split(&token, ' ');

    if (!sv_eq_nocase(scheme, SV("Bearer")))
        return SV_NONE;
    while (token.n > 0 && token.p[0] == ' ')
        token = (struct sv){ token.p + 1, token.n - 1 };
    return is_token(token) ? token : SV_NONE;
}

/* One of the configured tokens? All of them are compared. */
static enum auth_role role_of(const struct auth *a, const unsigned char digest[DIGEST_SIZE])
{
    unsigned roles = 0;

    for (size_t i = 0; i < a->n; i++)
        roles |= (unsigned)digest_equal(digest, a->tokens[i].digest) << a->tokens[i].role;
    if ((roles & 1u << ROLE_ADMIN) != 0)
        return ROLE_ADMIN;
    return (roles & 1u << ROLE_PLATFORM) != 0 ? ROLE_PLATFORM : ROLE_NOBODY;
}

static void check_jwt(const struct auth *a, struct sv token, int64_t now_ms, struct auth_identity *out)
{
    struct arena *memory = arena_new(0, JWT_MEMORY);
    const json_t *claims;
    enum jwt_verdict v = memory != NULL ? jwt_verify(a->keys, token, now_ms, memory, &claims) : JWT_NO_MEMORY;

    if (v == JWT_GOOD)
        auth_claims(claims, out);
    else
        out->why = jwt_verdict_text(v);
    arena_free(memory);
}

enum auth_role auth_check(const struct auth *a, struct sv authorization, int64_t now_ms, struct auth_identity *out)
{
    struct sv token = bearer(authorization);
    unsigned char digest[DIGEST_SIZE];

    *out = (struct auth_identity){ .role = ROLE_NOBODY, .why = authorization.p == NULL ? "no credential" : "no bearer token" };
    if (token.p == NULL)
        return ROLE_NOBODY;
    digest_sha256(token, digest);
    out->role = role_of(a, digest);
    if (out->role != ROLE_NOBODY)
        memcpy(out->credential, digest, sizeof(digest));
    else if (a->keys != NULL && memchr(token.p, '.', token.n) != NULL)
        check_jwt(a, token, now_ms, out);
    else
        out->why = "an unknown token";
    if (out->role != ROLE_NOBODY)
        out->why = NULL;
    return out->role;
}

bool auth_allows(enum auth_role role, enum auth_access access)
{
    switch (access) {
    case ACCESS_PUBLIC:
        return true;
    case ACCESS_STATUS:
    case ACCESS_PLATFORM:
    case ACCESS_WEBHOOK:
        return role == ROLE_PLATFORM || role == ROLE_ADMIN;
    case ACCESS_CHAT:
        return role >= ROLE_USER;
    case ACCESS_SESSION:
        return role >= ROLE_TICKET;
    case ACCESS_USER:
        return role == ROLE_USER || role == ROLE_ADMIN;
    case ACCESS_ADMIN:
        return role == ROLE_ADMIN;
    }
    return false;
}

const char *auth_role_name(enum auth_role role)
{
    switch (role) {
    case ROLE_PLATFORM:
        return "platform";
    case ROLE_ADMIN:
        return "admin";
    case ROLE_USER:
        return "user";
    case ROLE_TICKET:
        return "ticket";
    case ROLE_NOBODY:
        break;
    }
    return "nobody";
}
