/* SPDX-License-Identifier: MIT
 * Keys in PEM files (RFC 7468), taken apart into numbers by libcrypto. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "lib/jwt_key.h"

#define FILE_MAX 1048576
#define EC_BYTES 32

struct sv jwt_file(const char *path, struct arena *a, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold the program */
    char *text = fd >= 0 ? arena_alloc(a, FILE_MAX + 1) : NULL;
    size_t n = 0;
    ssize_t got = 0;

    if (fd < 0) {
        (void)err_set_errno(e, errno, "%s cannot be read", path);
        return SV_NONE;
    }
    while (text != NULL && n <= FILE_MAX && ((got = read(fd, text + n, FILE_MAX + 1 - n)) > 0 || (got < 0 && errno == EINTR)))
        n += got > 0 ? (size_t)got : 0;
    if (text == NULL)
        (void)err_set(e, ERR_MEMORY, "out of memory");
    else if (got < 0)
        (void)err_set_errno(e, errno, "%s cannot be read", path);
    else if (n == 0 || n > FILE_MAX)
        (void)err_set(e, ERR_RANGE, n == 0 ? "%s is empty" : "%s is too large", path);
    (void)close(fd);
    return text != NULL && got >= 0 && n > 0 && n <= FILE_MAX ? (struct sv){ text, n } : SV_NONE;
}

/* A number of the key, at least `width` bytes. SV_NONE: it has none, or memory. */
static struct sv number(const EVP_PKEY *key, const char *name, int width, struct arena *a)
{
    struct sv out = SV_NONE;
    BIGNUM *n = NULL;

    if (EVP_PKEY_get_bn_param(key, name, &n) == 1) {
        int size = BN_num_bytes(n) > width ? BN_num_bytes(n) : width;
        unsigned char *room = arena_alloc(a, (size_t)size);
        if (room != NULL && BN_bn2binpad(n, room, size) == size)
            out = (struct sv){ (const char *)room, (size_t)size };
    }
    BN_clear_free(n);
    return out;
}

static int take_rsa(const EVP_PKEY *key, bool private, struct arena *a, struct jwt_material *out)
{
    *out = (struct jwt_material){ .alg = JWT_RS256, .n = number(key, OSSL_PKEY_PARAM_RSA_N, 0, a), .e = number(key, OSSL_PKEY_PARAM_RSA_E, 0, a) };
    if (private)
        out->private = number(key, OSSL_PKEY_PARAM_RSA_D, 0, a);
    return out->n.p != NULL && out->e.p != NULL && (!private || out->private.p != NULL) ? 0 : -1;
}

static int take_ec(const EVP_PKEY *key, bool private, struct arena *a, struct jwt_material *out)
{
    char group[32];
    size_t n;

    if (EVP_PKEY_get_group_name(key, group, sizeof(group), &n) != 1 || strcmp(group, "prime256v1") != 0)
        return -1;
    *out = (struct jwt_material){ .alg = JWT_ES256, .x = number(key, OSSL_PKEY_PARAM_EC_PUB_X, EC_BYTES, a),
                                  .y = number(key, OSSL_PKEY_PARAM_EC_PUB_Y, EC_BYTES, a) };
    if (private)
        out->private = number(key, OSSL_PKEY_PARAM_PRIV_KEY, EC_BYTES, a);
    return out->x.p != NULL && out->y.p != NULL && (!private || out->private.p != NULL) ? 0 : -1;
}

/* Where libcrypto would ask the terminal. */
static int no_password(char *room, int size, int writing, void *arg)
{
    (void)room;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

static int read_pem(const char *path, bool private, struct arena *a, struct jwt_material *out, struct err *e)
{
    struct sv text = jwt_file(path, a, e);
    const char *kind = private ? "private" : "public";
    EVP_PKEY *key = NULL;
    BIO *bio;
    int rc = -1;

    if (text.p == NULL)
        return -1;
    bio = BIO_new_mem_buf(text.p, (int)text.n);
    if (bio != NULL)
        key = private ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL);
    BIO_free(bio);
    if (key == NULL)
        rc = err_set(e, ERR_INVALID, "%s holds no %s key in PEM", path, kind);
    else if (EVP_PKEY_is_a(key, "RSA"))
        rc = take_rsa(key, private, a, out);
    else if (EVP_PKEY_is_a(key, "EC"))
        rc = take_ec(key, private, a, out);
    if (key != NULL && rc != 0)
        (void)err_set(e, ERR_INVALID, "%s holds a %s key that is neither RSA nor EC on P-256", path, kind);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return rc;
}

int jwt_pem_public(const char *path, struct arena *a, struct jwt_material *out, struct err *e)
{
    return read_pem(path, false, a, out, e);
}

int jwt_pem_private(const char *path, struct arena *a, struct jwt_material *out, struct err *e)
{
    return read_pem(path, true, a, out, e);
}
