/* SPDX-License-Identifier: MIT
 * What a list of origins must look like. A file of its own, since programs without an HTTP side check their configuration too. */
#include "config.h"

#include "api/api.h"
#include "lib/sv.h"

/* "*", or scheme://host[:port] as browsers send it. */
static bool is_origin(struct sv s)
{
    struct sv rest = s;

    if (sv_eq(s, SV("*")))
        return true;
    if (sv_starts(s, SV("https://")))
        rest = (struct sv){ s.p + 8, s.n - 8 };
    else if (sv_starts(s, SV("http://")))
        rest = (struct sv){ s.p + 7, s.n - 7 };
    else
        return false;
    for (size_t i = 0; i < rest.n; i++) {
        if (rest.p[i] <= ' ' || rest.p[i] > '~' || rest.p[i] == '/')
            return false;
    }
    return rest.n > 0;
}

int api_check_origins(const char *list, struct err *e)
{
    struct sv rest = sv_from(list);

    while (rest.n > 0) {
        if (!is_origin(sv_trim(sv_split(&rest, ','))))
            return err_set(e, ERR_INVALID, "CORS_ORIGINS: an origin is not like https://example.org");
    }
    return 0;
}
