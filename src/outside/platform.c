/* SPDX-License-Identifier: MIT
 * The port's front: hands each call to the backend. */
#include "config.h"

#include "outside/platform.h"

struct platform_call *platform_send(struct platform *p, const struct platform_request *r, platform_fn *fn, void *arg)
{
    return p->ops->send(p, r, fn, arg);
}

void platform_abort(struct platform *p, struct platform_call *call)
{
    if (call != NULL)
        p->ops->abort(p, call);
}

void platform_stop(struct platform *p, struct platform_call *call)
{
    if (call != NULL && p->ops->stop != NULL)
        p->ops->stop(p, call);
}

struct platform_call *platform_place(struct platform *p, const struct platform_request *r, platform_place_fn *fn, void *arg)
{
    return p->ops->place != NULL ? p->ops->place(p, r, fn, arg) : NULL;
}

bool platform_has_places(const struct platform *p)
{
    return p->ops->place != NULL;
}

int64_t platform_wait_ms(const struct platform *p)
{
    return p->ops->wait_ms != NULL ? p->ops->wait_ms(p) : 0;
}

const char *platform_name(const struct platform *p)
{
    return p->ops->name;
}

bool platform_talks_only(const struct platform *p)
{
    return p->ops->talks_only;
}

void platform_close(struct platform *p)
{
    if (p != NULL)
        p->ops->close(p);
}
