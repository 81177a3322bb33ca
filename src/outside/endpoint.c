/* SPDX-License-Identifier: MIT
 * See endpoint.h. */
#include "config.h"

#include "outside/endpoint.h"
#include "outside/http.h"

int endpoint_set(struct endpoint *to, const struct endpoint_options *o, struct err *e)
{
    struct endpoint fresh = { 0 }, old = *to;
    http_join_url(&fresh.url, o->url, o->path);
    if (*o->token != '\0')
        buf_printf(&fresh.authorization, "Bearer %s", o->token);
    buf_add(&fresh.model, sv_from(o->model));
    buf_add(&fresh.prompt, sv_from(o->prompt));
    bool fits = buf_ok(&fresh.url) && buf_ok(&fresh.authorization) && buf_ok(&fresh.model) && buf_ok(&fresh.prompt);
    int rc = fits ? http_check_url(o->url, e) : err_set(e, ERR_MEMORY, "no memory");
    if (rc == 0)
        rc = http_check_url(fresh.url.p, e);
    if (rc == 0) {
        fresh.changes = old.changes + !(sv_eq(buf_sv(&fresh.url), buf_sv(&old.url)) && sv_eq(buf_sv(&fresh.model), buf_sv(&old.model)));
        *to = fresh;
    }
    endpoint_fini(rc == 0 ? &old : &fresh);
    return rc;
}

void endpoint_fini(struct endpoint *x)
{
    buf_fini(&x->url);
    buf_fini(&x->authorization);
    buf_fini(&x->model);
    buf_fini(&x->prompt);
}
