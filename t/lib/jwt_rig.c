/* SPDX-License-Identifier: MIT
 * See jwt_rig.h. Files: rsa.pub rsa2.pub weak.pub ec.pub ec2.pub p384.pub ed.pub, and *.key with the private ones. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "lib/digest.h"
#include "t/lib/jwt_rig.h"
#include "t/tap.h"

static const char *const names[RIG_KEYS] = { "rsa", "rsa2", "weak", "ec", "ec2", "p384", "ed" };
static EVP_PKEY *keys[RIG_KEYS];
static char dir[] = "/tmp/tk-jwt-XXXXXX";

const char *jwt_rig_path(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *p = paths[next++ % ARRAY_LEN(paths)];

    (void)snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
    return p;
}

void jwt_rig_write(const char *name, const char *text)
{
    FILE *f = fopen(jwt_rig_path(name), "w");

    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
        bail_out("%s cannot be written", name);
}

static void write_pem(enum rig_key i)
{
    char name[32];
    FILE *f;

    (void)snprintf(name, sizeof(name), "%s.pub", names[i]);
    f = fopen(jwt_rig_path(name), "w");
    if (f == NULL || PEM_write_PUBKEY(f, keys[i]) != 1 || fclose(f) != 0)
        bail_out("no public key");
    (void)snprintf(name, sizeof(name), "%s.key", names[i]);
    f = fopen(jwt_rig_path(name), "w");
    if (f == NULL || PEM_write_PrivateKey(f, keys[i], NULL, NULL, 0, NULL, NULL) != 1 || fclose(f) != 0)
        bail_out("no private key");
}

void jwt_rig_begin(void)
{
    if (mkdtemp(dir) == NULL)
        bail_out("no directory");
    keys[RIG_RSA] = EVP_RSA_gen(2048);
    keys[RIG_RSA_OTHER] = EVP_RSA_gen(2048);
    keys[RIG_RSA_WEAK] = EVP_RSA_gen(1024);
    keys[RIG_EC] = EVP_EC_gen("P-256");
    keys[RIG_EC_OTHER] = EVP_EC_gen("P-256");
    keys[RIG_EC_384] = EVP_EC_gen("P-384");
    keys[RIG_ED] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    for (int i = 0; i < RIG_KEYS; i++) {
        if (keys[i] == NULL)
            bail_out("no key %s", names[i]);
        write_pem((enum rig_key)i);
    }
}

void jwt_rig_end(void)
{
    char command[128];

    for (int i = 0; i < RIG_KEYS; i++)
        EVP_PKEY_free(keys[i]);
    (void)snprintf(command, sizeof(command), "rm -r %s", dir);
    if (system(command) != 0)
        diag("%s stays", dir);
}

/* ---- JWK ---- */

void rig_base64url(struct buf *b, struct sv s)
{
    static char room[DIGEST_BASE64_SIZE(65536)];

    buf_add(b, (struct sv){ room, digest_base64url(s, room) });
}

static void put_number(struct buf *b, enum rig_key key, const char *member, const char *param, int width)
{
    unsigned char room[1024];
    BIGNUM *n = NULL;
    int size;

    if (EVP_PKEY_get_bn_param(keys[key], param, &n) != 1)
        bail_out("no number %s", param);
    size = BN_num_bytes(n) > width ? BN_num_bytes(n) : width;
    (void)BN_bn2binpad(n, room, size);
    BN_free(n);
    buf_printf(b, ",\"%s\":\"", member);
    rig_base64url(b, (struct sv){ (const char *)room, (size_t)size });
    buf_addc(b, '"');
}

void rig_jwk(struct buf *b, enum rig_key key, const char *members)
{
    bool rsa = key <= RIG_RSA_WEAK;
    int width = key == RIG_EC_384 ? 48 : 32;

    buf_printf(b, "{%s\"kty\":\"%s\"", members, rsa ? "RSA" : "EC");
    if (rsa) {
        put_number(b, key, "n", OSSL_PKEY_PARAM_RSA_N, 0);
        put_number(b, key, "e", OSSL_PKEY_PARAM_RSA_E, 0);
    } else {
        buf_printf(b, ",\"crv\":\"%s\"", key == RIG_EC_384 ? "P-384" : "P-256");
        put_number(b, key, "x", OSSL_PKEY_PARAM_EC_PUB_X, width);
        put_number(b, key, "y", OSSL_PKEY_PARAM_EC_PUB_Y, width);
    }
    buf_addc(b, '}');
}

void rig_jwk_oct(struct buf *b, const char *secret, const char *members)
{
    buf_printf(b, "{%s\"kty\":\"oct\",\"k\":\"", members);
    rig_base64url(b, sv_from(secret));
    buf_add(b, SV("\"}"));
}

/* ---- signatures ---- */

struct bytes {
    unsigned char p[1024];
    size_t n;
};

static struct bytes mac(struct sv key, struct sv text, const EVP_MD *md)
{
    struct bytes out;
    unsigned n = 0;

    if (HMAC(md, key.p, (int)key.n, (const unsigned char *)text.p, text.n, out.p, &n) == NULL)
        bail_out("no HMAC");
    out.n = n;
    return out;
}

static struct bytes sign(enum rig_key key, struct sv text, const EVP_MD *md, bool pss)
{
    struct bytes out = { .n = sizeof(out.p) };
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pc = NULL;
    bool good = EVP_DigestSignInit(c, &pc, md, NULL, keys[key]) == 1;

    if (good && pss)
        good = EVP_PKEY_CTX_set_rsa_padding(pc, RSA_PKCS1_PSS_PADDING) == 1 && EVP_PKEY_CTX_set_rsa_pss_saltlen(pc, RSA_PSS_SALTLEN_DIGEST) == 1;
    if (!good || EVP_DigestSign(c, out.p, &out.n, (const unsigned char *)text.p, text.n) != 1)
        bail_out("no signature");
    EVP_MD_CTX_free(c);
    return out;
}

static struct bytes resized(struct bytes b, size_t n)
{
    for (size_t i = b.n; i < n; i++)
        b.p[i] = 0;
    b.n = n;
    return b;
}

/* r and s, each as wide as the curve (RFC 7518 3.4). */
static struct bytes raw(struct bytes der, int width)
{
    const unsigned char *p = der.p;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der.n);
    struct bytes out = { .n = 2 * (size_t)width };

    if (sig == NULL)
        bail_out("no signature");
    (void)BN_bn2binpad(ECDSA_SIG_get0_r(sig), out.p, width);
    (void)BN_bn2binpad(ECDSA_SIG_get0_s(sig), out.p + width, width);
    ECDSA_SIG_free(sig);
    return out;
}

static struct bytes mac_public(struct sv text, bool der)
{
    BIO *b = BIO_new(BIO_s_mem());
    struct bytes out;
    char *p;
    long n;

    if ((der ? i2d_PUBKEY_bio(b, keys[RIG_RSA]) : PEM_write_bio_PUBKEY(b, keys[RIG_RSA])) != 1)
        bail_out("no public key");
    n = BIO_get_mem_data(b, &p);
    out = mac((struct sv){ p, (size_t)n }, text, EVP_sha256());
    BIO_free(b);
    return out;
}

static struct bytes signature(struct sv text, enum rig_how how)
{
    const EVP_MD *md = EVP_sha256();

    switch (how) {
    case RIG_HS256: return mac(SV(RIG_SECRET), text, md);
    case RIG_HS256_OTHER: return mac(SV(RIG_OTHER_SECRET), text, md);
    case RIG_HS256_PEM: return mac_public(text, false);
    case RIG_HS256_DER: return mac_public(text, true);
    case RIG_HS256_EMPTY: return mac(SV(""), text, md);
    case RIG_HS256_HALF: return resized(mac(SV(RIG_SECRET), text, md), 16);
    case RIG_HS256_LONGER: return resized(mac(SV(RIG_SECRET), text, md), 33);
    case RIG_HS384: return mac(SV(RIG_SECRET), text, EVP_sha384());
    case RIG_HS512: return mac(SV(RIG_SECRET), text, EVP_sha512());
    case RIG_RS256: return sign(RIG_RSA, text, md, false);
    case RIG_RS256_OTHER: return sign(RIG_RSA_OTHER, text, md, false);
    case RIG_RS384: return sign(RIG_RSA, text, EVP_sha384(), false);
    case RIG_RS512: return sign(RIG_RSA, text, EVP_sha512(), false);
    case RIG_PS256: return sign(RIG_RSA, text, md, true);
    case RIG_ES256: return raw(sign(RIG_EC, text, md, false), 32);
    case RIG_ES256_OTHER: return raw(sign(RIG_EC_OTHER, text, md, false), 32);
    case RIG_ES256_DER: return sign(RIG_EC, text, md, false);
    case RIG_ES256_LONGER: return resized(raw(sign(RIG_EC, text, md, false), 32), 65);
    case RIG_ES384: return raw(sign(RIG_EC_384, text, EVP_sha384(), false), 48);
    case RIG_ES256_ON_384: return raw(sign(RIG_EC_384, text, md, false), 48);
    case RIG_ZEROS_32: return (struct bytes){ .n = 32 };
    case RIG_ZEROS_64: return (struct bytes){ .n = 64 };
    case RIG_NOTHING: break;
    }
    return (struct bytes){ .n = 0 };
}

void rig_token(struct buf *b, struct sv header, struct sv claims, enum rig_how how)
{
    size_t before = b->n;
    struct bytes s;

    rig_base64url(b, header);
    buf_addc(b, '.');
    rig_base64url(b, claims);
    s = signature((struct sv){ b->p + before, b->n - before }, how);
    buf_addc(b, '.');
    rig_base64url(b, (struct sv){ (const char *)s.p, s.n });
}
