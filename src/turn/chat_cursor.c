/* SPDX-License-Identifier: MIT
 * 1 byte of form, 8 of time (big endian), 16 of id, 4 of an HMAC over them with the session's id for a key. */
#include "config.h"

#include "lib/digest.h"
#include "turn/chat_cursor.h"

#define FORM 1
#define BODY_BYTES (1 + 8 + CHAT_UUID_BYTES)
#define CHECK_BYTES 4
#define BYTES (BODY_BYTES + CHECK_BYTES)
_Static_assert(DIGEST_BASE64_SIZE(BYTES) <= CHAT_CURSOR_SIZE, "a cursor fits");

static void sum(struct sv session_id, const unsigned char *body, unsigned char out[CHECK_BYTES])
{
    unsigned char digest[DIGEST_SIZE];
    struct sv part = { (const char *)body, BODY_BYTES };

    digest_hmac(session_id, &part, 1, digest);
    memcpy(out, digest, CHECK_BYTES);
}

void chat_cursor_make(struct sv session_id, const struct chat_key *key, char out[CHAT_CURSOR_SIZE])
{
    unsigned char bytes[BYTES] = { FORM };

    for (int i = 0; i < 8; i++)
        bytes[1 + i] = (unsigned char)((uint64_t)key->ms >> (56 - 8 * i));
    memcpy(bytes + 9, key->id, CHAT_UUID_BYTES);
    sum(session_id, bytes, bytes + BODY_BYTES);
    (void)digest_base64url((struct sv){ (const char *)bytes, BYTES }, out);
}

bool chat_cursor_read(struct sv session_id, struct sv cursor, struct chat_key *key)
{
    unsigned char bytes[BYTES], check[CHECK_BYTES];
    size_t n = 0;
    uint64_t ms = 0;

    if (!digest_from_base64url(cursor, bytes, sizeof(bytes), &n) || n != BYTES || bytes[0] != FORM)
        return false;
    sum(session_id, bytes, check);
    if (memcmp(check, bytes + BODY_BYTES, CHECK_BYTES) != 0)
        return false;
    for (int i = 0; i < 8; i++)
        ms = ms << 8 | bytes[1 + i];
    key->ms = (int64_t)ms;
    memcpy(key->id, bytes + 9, CHAT_UUID_BYTES);
    return true;
}
