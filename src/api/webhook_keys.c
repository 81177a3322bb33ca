/* SPDX-License-Identifier: MIT
 * The secrets of webhooks. A signature needs them as they are, so they are kept, and wiped when they go. */
#include "config.h"

#include <stdlib.h>

#include "api/webhook_keys.h"
#include "lib/digest.h"

#define KEYS_MAX 16

struct webhook_keys {
    char *text; /* what `key` points into */
    size_t size;
    size_t n;
    struct sv key[KEYS_MAX];
    unsigned char digest[KEYS_MAX][DIGEST_SIZE];
};

static int add(struct webhook_keys *k, struct sv list, struct err *e)
{
    struct sv rest = list;

    while (rest.p != NULL && list.n > 0) {
        struct sv one = sv_trim(sv_split(&rest, ','));
        if (one.n == 0)
            return err_set(e, ERR_INVALID, "PANCAKE_WEBHOOK_SECRET: one of them is empty");
        if (k->n == KEYS_MAX)
            return err_set(e, ERR_RANGE, "PANCAKE_WEBHOOK_SECRET: more than %d", KEYS_MAX);
        digest_sha256(one, k->digest[k->n]);
        k->key[k->n++] = one;
    }
    return 0;
}

struct webhook_keys *webhook_keys_new(const char *list, struct err *e)
{
    struct webhook_keys *k = calloc(1, sizeof(*k));

    if (k != NULL)
        k->text = strdup(list != NULL ? list : "");
    if (k == NULL || k->text == NULL) {
        free(k);
        (void)err_set(e, ERR_MEMORY, "out of memory");
        return NULL;
    }
    k->size = strlen(k->text);
    if (add(k, (struct sv){ k->text, k->size }, e) == 0)
        return k;
    webhook_keys_free(k);
    return NULL;
}

void webhook_keys_free(struct webhook_keys *k)
{
    if (k == NULL)
        return;
    explicit_bzero(k->text, k->size);
    free(k->text);
    free(k);
}

bool webhook_keys_have(const struct webhook_keys *k, struct sv secret)
{
    unsigned char digest[DIGEST_SIZE];
    unsigned found = 0;

    digest_sha256(secret, digest);
    for (size_t i = 0; i < k->n; i++)
        found |= (unsigned)digest_equal(digest, k->digest[i]);
    return found != 0;
}

static bool read_hex(struct sv text, unsigned char out[DIGEST_SIZE])
{
    if (text.n != (size_t)2 * DIGEST_SIZE)
        return false;
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        int high = sv_hex_digit(text.p[2 * i]), low = sv_hex_digit(text.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

bool webhook_keys_signed(const struct webhook_keys *k, struct sv header, struct sv body)
{
    struct sv hex = header, method = sv_split(&hex, '=');
    unsigned char said[DIGEST_SIZE], digest[DIGEST_SIZE];
    unsigned found = 0;

    if (!sv_eq(method, SV("sha256")) || !read_hex(hex, said))
        return false;
    for (size_t i = 0; i < k->n; i++) {
        digest_hmac(k->key[i], &body, 1, digest);
        found |= (unsigned)digest_equal(digest, said);
    }
    return found != 0;
}
