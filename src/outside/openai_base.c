/* SPDX-License-Identifier: MIT
 * See openai_base.h. */
#include "config.h"

#include <string.h>
#include <strings.h>

#include "outside/openai_base.h"

static struct sv without_slashes(struct sv s)
{
    while (s.n > 0 && s.p[s.n - 1] == '/')
        s.n--;
    return s;
}

/* Nothing of what is before the path. */
static bool cut(struct sv *s, size_t keep, struct sv end)
{
    if (s->n <= keep + end.n || strncasecmp(s->p + s->n - end.n, end.p, end.n) != 0)
        return false;
    s->n -= end.n;
    return true;
}

struct sv openai_base(struct sv url)
{
    struct sv base = without_slashes(url);
    const char *host = url.n > 0 ? memmem(url.p, url.n, "://", 3) : NULL;
    size_t keep = host != NULL ? (size_t)(host - url.p) + 3 : 0;
    if (!cut(&base, keep, SV("/completions")))
        return SV_NONE;
    base = without_slashes(base);
    (void)cut(&base, keep, SV("/chat"));
    return without_slashes(base);
}
