/* SPDX-License-Identifier: MIT
 * Tokens made: for tests, and for whoever has the keys but no identity provider. */
#include "config.h"

#include "lib/jwt_key.h"

#define ARENA_MAX (4u << 20)

int jwt_sign(const struct jwt_signing *with, struct sv claims, struct buf *out, struct err *e)
{
    struct arena *a = arena_new(0, ARENA_MAX);
    struct jwt_material m = { .alg = JWT_HS256, .secret = sv_from(with->secret) };
    struct jwt_key key = { 0 };
    int rc = 0;

    if (a == NULL)
        return err_set(e, ERR_MEMORY, "out of memory");
    if (with->private_key_file != NULL)
        rc = jwt_pem_private(with->private_key_file, a, &m, e);
    if (rc == 0)
        rc = jwt_key_init(&key, &m, sv_from(with->kid), e);
    if (rc == 0)
        rc = jwt_key_sign(&key, claims, out, e);
    jwt_key_fini(&key);
    arena_free(a);
    return rc;
}
