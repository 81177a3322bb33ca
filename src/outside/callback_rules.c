/* SPDX-License-Identifier: MIT
 * See callback_rules.h. Signatures follow Standard Webhooks 1.0 (symmetric, v1). Whatever is wrong is found when the rules
 * are made: an entry that would silently allow less or more than it seems to say is an error. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/digest.h"
#include "outside/callback_rules.h"

enum {
    ENTRIES_MAX = 1000,
    SECRETS_MAX = 8,
    SECRET_MIN = 24, /* bytes; both are the specification's */
    SECRET_MAX = 64,
};

struct entry {       /* a destination */
    bool tls, below; /* below: every name that ends in a dot and the host */
    bool is_address;
    unsigned port;
    struct address address;
    char *host;
    char *path; /* NULL: any */
};

struct secret {
    unsigned char bytes[SECRET_MAX];
    size_t n;
};

struct callback_rules {
    struct entry *entries;
    size_t entries_n;
    struct address_net *nets;
    size_t nets_n;
    struct secret secrets[SECRETS_MAX];
    size_t secrets_n;
};

/* ---- reading the list ---- */

static int bad_entry(struct sv text, const char *why, struct err *e)
{
    bool secret = memchr(text.p, '@', text.n) != NULL; /* a password, perhaps */
    struct sv shown = secret || !sv_is_utf8(text) ? SV("...") : sv_cut_utf8(text, 100);
    return err_set(e, ERR_INVALID, "CALLBACK_ALLOWLIST: \"%.*s\": %s", SV_FMT(shown), why);
}

/* Scheme and port; without a scheme there is no port and no path either, since they would be those of which scheme? */
static int read_where(struct entry *x, struct sv text, const struct target_parts *p, struct err *e)
{
    struct err why;
    x->tls = p->scheme.p == NULL || sv_eq_nocase(p->scheme, SV("https"));
    if (!x->tls && !sv_eq_nocase(p->scheme, SV("http")))
        return bad_entry(text, "must begin with https:// or http://, or be a name alone", e);
    if (p->scheme.p == NULL && (p->port.p != NULL || p->path.p != NULL))
        return bad_entry(text, "needs https:// in front, with its port or path", e);
    x->port = x->tls ? 443 : 80;
    if (p->port.p != NULL && target_port(p->port, &x->port, &why) != 0)
        return bad_entry(text, why.text, e);
    if (p->path.n > 0 && target_path(p->path, &why) != 0)
        return bad_entry(text, why.text, e);
    return 0;
}

static int read_entry(struct callback_rules *r, struct sv text, struct err *e)
{
    struct entry *x = &r->entries[r->entries_n];
    struct target_parts p;
    struct err why;
    char host[TARGET_HOST_MAX + 1];
    if (address_net_parse(text, &r->nets[r->nets_n])) {
        r->nets_n++;
        return 0;
    }
    target_split(text, &p);
    if (read_where(x, text, &p, e) != 0)
        return -1;
    x->below = sv_starts(p.host, SV("*."));
    if (x->below)
        p.host = (struct sv){ p.host.p + 2, p.host.n - 2 };
    if (target_host(p.host, host, &x->is_address, &x->address, &why) != 0)
        return bad_entry(text, why.text, e);
    if (x->below && x->is_address)
        return bad_entry(text, "an address has nothing below it", e);
    x->host = strdup(host);
    x->path = p.path.n > 0 ? strndup(p.path.p, p.path.n) : NULL;
    if (x->host == NULL || (p.path.n > 0 && x->path == NULL)) {
        free(x->host);
        free(x->path);
        return err_set(e, ERR_MEMORY, "no memory");
    }
    r->entries_n++;
    return 0;
}

static int read_list(struct callback_rules *r, struct sv list, struct err *e)
{
    size_t n = 0;
    for (struct sv rest = list; rest.p != NULL; n++)
        (void)sv_split(&rest, ',');
    if (n > ENTRIES_MAX)
        return err_set(e, ERR_RANGE, "CALLBACK_ALLOWLIST has more than %d entries", ENTRIES_MAX);
    r->entries = calloc(n, sizeof(*r->entries));
    r->nets = calloc(n, sizeof(*r->nets));
    if (r->entries == NULL || r->nets == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    while (list.p != NULL) {
        struct sv text = sv_trim(sv_split(&list, ','));
        if (text.n > 0 && read_entry(r, text, e) != 0)
            return -1;
    }
    return 0;
}

/* ---- reading the secrets ---- */

static int read_secrets(struct callback_rules *r, struct sv list, struct err *e)
{
    while (list.p != NULL) {
        struct sv text = sv_trim(sv_split(&list, ','));
        if (text.n == 0)
            continue;
        if (r->secrets_n == SECRETS_MAX)
            return err_set(e, ERR_RANGE, "CALLBACK_SECRET has more than %d secrets", SECRETS_MAX);
        struct secret *s = &r->secrets[r->secrets_n];
        if (sv_starts(text, SV("whsec_")))
            text = (struct sv){ text.p + 6, text.n - 6 };
        if (!digest_from_base64(text, s->bytes, sizeof(s->bytes), &s->n) || s->n < SECRET_MIN)
            return err_set(e, ERR_INVALID, "CALLBACK_SECRET: secret %zu is not whsec_ and the base64 of %d to %d bytes",
                           r->secrets_n + 1, SECRET_MIN, SECRET_MAX);
        r->secrets_n++;
    }
    return 0;
}

void callback_rules_free(struct callback_rules *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->entries_n; i++) {
        free(r->entries[i].host);
        free(r->entries[i].path);
    }
    free(r->entries);
    free(r->nets);
    explicit_bzero(r->secrets, sizeof(r->secrets));
    free(r);
}

struct callback_rules *callback_rules_new(const char *allowlist, const char *secrets, struct err *e)
{
    struct callback_rules *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory");
        return NULL;
    }
    int rc = read_list(r, sv_from(allowlist), e);
    if (rc == 0)
        rc = read_secrets(r, sv_from(secrets), e);
    if (rc == 0 && r->secrets_n == 0 && r->entries_n + r->nets_n > 0)
        rc = err_set(e, ERR_INVALID,
                     "CALLBACK_SECRET is empty, but CALLBACK_ALLOWLIST is not: callbacks are always signed");
    if (rc == 0)
        return r;
    callback_rules_free(r);
    return NULL;
}

/* ---- asking ---- */

/* "/x" covers "/x" and "/x/y", "/x/" only what is below it. */
static bool covers_path(const struct entry *x, struct sv path)
{
    struct sv prefix = sv_from(x->path);
    if (x->path == NULL)
        return true;
    return sv_starts(path, prefix) && (path.n == prefix.n || prefix.p[prefix.n - 1] == '/' || path.p[prefix.n] == '/');
}

static bool covers_host(const struct entry *x, const struct target *t)
{
    size_t n = strlen(t->host), m = strlen(x->host);
    if (t->is_address || x->is_address)
        return t->is_address && x->is_address && address_eq(&t->address, &x->address);
    if (!x->below)
        return strcmp(t->host, x->host) == 0;
    return n > m + 1 && t->host[n - m - 1] == '.' && strcmp(t->host + n - m, x->host) == 0;
}

static bool covers(const struct entry *x, const struct target *t)
{
    return x->tls == t->tls && x->port == t->port && covers_path(x, t->path);
}

bool callback_rules_allow(const struct callback_rules *r, const struct target *t)
{
    for (size_t i = 0; i < r->entries_n; i++)
        if (covers(&r->entries[i], t) && covers_host(&r->entries[i], t))
            return true;
    return false;
}

/* A private address is good when an entry that allows this URL but for its name gives it literally, or when it is in one
 * of the nets. */
bool callback_rules_may_connect(const struct callback_rules *r, const struct target *t, const struct address *a,
                                unsigned port)
{
    if (port != t->port || (t->is_address && !address_eq(&t->address, a)))
        return false;
    if (address_is_public(a))
        return true;
    for (size_t i = 0; i < r->entries_n; i++)
        if (r->entries[i].is_address && address_eq(&r->entries[i].address, a) && covers(&r->entries[i], t))
            return true;
    for (size_t i = 0; i < r->nets_n; i++)
        if (address_in(a, &r->nets[i]))
            return true;
    return false;
}

void callback_rules_sign(const struct callback_rules *r, struct sv id, int64_t timestamp_s, struct sv body,
                         struct buf *out)
{
    char time[24], text[DIGEST_BASE64_SIZE(DIGEST_SIZE)];
    unsigned char digest[DIGEST_SIZE];
    (void)snprintf(time, sizeof(time), "%lld", (long long)timestamp_s);
    const struct sv parts[] = { id, SV("."), sv_from(time), SV("."), body };
    for (size_t i = 0; i < r->secrets_n; i++) {
        digest_hmac((struct sv){ (const char *)r->secrets[i].bytes, r->secrets[i].n }, parts, ARRAY_LEN(parts), digest);
        (void)digest_base64((struct sv){ (const char *)digest, sizeof(digest) }, text);
        buf_add(out, i > 0 ? SV(" v1,") : SV("v1,"));
        buf_add(out, sv_from(text));
    }
}
