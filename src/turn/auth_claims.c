/* SPDX-License-Identifier: MIT
 * The claims that count: a user's id, and the roles that stand for the tokens of the configuration. A token that says one of them in a form that cannot be
 * right is nobody's, rather than what the rest of it would make of it. */
#include "config.h"

#include <stdio.h>

#include "turn/auth_claims.h"

#define NET_ROLE "http://schemas.microsoft.com/ws/2008/06/identity/claims/role" /* ClaimTypes.Role of .NET */

/* Case counts, as in .NET's User.IsInRole. */
static void take_role(const json_t *v, enum auth_role *role)
{
    struct sv name = json_is_string(v) ? (struct sv){ json_string_value(v), json_string_length(v) } : SV_NONE;

    if (sv_eq(name, SV("Admin")))
        *role = ROLE_ADMIN;
    else if (sv_eq(name, SV("Platform")) && *role == ROLE_NOBODY)
        *role = ROLE_PLATFORM;
}

static enum auth_role role_of(const json_t *claims)
{
    static const char *const names[] = { "role", "roles", NET_ROLE };
    enum auth_role role = ROLE_NOBODY;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const json_t *v = json_object_get(claims, names[i]), *one;
        size_t at;
        take_role(v, &role);
        json_array_foreach (v, at, one)
            take_role(one, &role);
    }
    return role;
}

/* False: what is there cannot be anybody's id. "": there is none. */
static bool take_user(const json_t *claims, char id[AUTH_USER_MAX + 1])
{
    const json_t *v = json_object_get(claims, "userId");
    struct sv text;

    if (json_is_integer(v)) { /* as many databases number their users; .NET reads it as text, too */
        (void)snprintf(id, AUTH_USER_MAX + 1, "%lld", (long long)json_integer_value(v));
        return true;
    }
    if (v == NULL)
        v = json_object_get(claims, "sub");
    if (v == NULL)
        return true;
    text = json_is_string(v) ? (struct sv){ json_string_value(v), json_string_length(v) } : SV_NONE;
    if (text.n == 0 || text.n > AUTH_USER_MAX || sv_has_control(text))
        return false;
    memcpy(id, text.p, text.n);
    id[text.n] = '\0';
    return true;
}

/* Tokens come and go; who bears them is the same. */
static void set_credential(struct auth_identity *who, const char *user)
{
    char text[AUTH_USER_MAX + 32];
    int n = snprintf(text, sizeof(text), "jwt %s %s", auth_role_name(who->role), user);

    digest_sha256((struct sv){ text, (size_t)n }, who->credential);
}

void auth_claims(const json_t *claims, struct auth_identity *out)
{
    char user[AUTH_USER_MAX + 1] = "";

    if (!take_user(claims, user)) {
        out->why = "the token's userId or sub is no id";
        return;
    }
    out->role = role_of(claims);
    if (out->role == ROLE_NOBODY && user[0] == '\0') {
        out->why = "the token names neither a user nor a role";
        return;
    }
    if (out->role == ROLE_NOBODY) {
        out->role = ROLE_USER;
        memcpy(out->user_id, user, sizeof(user));
    }
    set_credential(out, user);
}
