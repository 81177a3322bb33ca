/* SPDX-License-Identifier: MIT
 * Tickets: signed text. The signature is looked at before anything of the text is read. */
#include "config.h"

#include <stdlib.h>

#include "lib/digest.h"
#include "turn/ticket.h"

#define SECRETS_MAX 32
#define ROUNDS 20000 /* some milliseconds for each secret, once */
#define SALT SV("turnkeeper ticket 1")

struct key {
    unsigned char bytes[DIGEST_SIZE];
};

struct tickets {
    size_t n;
    struct key keys[SECRETS_MAX]; /* the first one signs */
};

struct tickets *tickets_new(const char *secrets, struct err *e)
{
    struct sv rest = sv_from(secrets);
    struct tickets *t = calloc(1, sizeof(*t));

    if (t == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory for tickets");
        return NULL;
    }
    while (rest.p != NULL && t->n < SECRETS_MAX) {
        struct sv secret = sv_trim(sv_split(&rest, ','));
        if (secret.n > 0)
            digest_stretch(secret, SALT, ROUNDS, t->keys[t->n++].bytes);
    }
    if (t->n > 0)
        return t;
    (void)err_set(e, ERR_INVALID, "there is no secret to sign tickets with");
    tickets_free(t);
    return NULL;
}

void tickets_free(struct tickets *t)
{
    free(t);
}

static void sign(const struct key *key, struct sv text, unsigned char out[DIGEST_SIZE])
{
    digest_hmac((struct sv){ (const char *)key->bytes, DIGEST_SIZE }, &text, 1, out);
}

static bool fits(struct sv id)
{
    return id.n > 0 && id.n <= MESSAGE_ID_MAX;
}

/* Appends s. */
static void add_base64url(struct buf *b, struct sv s)
{
    char *room = buf_room(b, DIGEST_BASE64_SIZE(s.n));

    if (room != NULL)
        buf_grown(b, digest_base64url(s, room));
}

static void add_payload(struct buf *b, const struct ticket *ticket)
{
    struct json_out o = { .b = b };

    json_obj(&o);
    json_kint(&o, "v", 1);
    json_kstr(&o, "sid", ticket->session_id);
    json_kint(&o, "exp", (ticket->expires_ms + 999) / 1000);
    if (ticket->sender_id.p != NULL)
        json_kstr(&o, "snd", ticket->sender_id);
    json_kstr(&o, "typ", sv_from(sender_type_name(ticket->sender_type)));
    json_obj_end(&o);
}

struct sv ticket_make(const struct tickets *t, struct arena *a, const struct ticket *ticket)
{
    struct buf payload = { .max = TICKET_BYTES_MAX }, text = { .max = 2 * TICKET_BYTES_MAX };
    unsigned char mac[DIGEST_SIZE];
    struct sv made = SV_NONE;

    if (!fits(ticket->session_id) || (ticket->sender_id.p != NULL && !fits(ticket->sender_id)))
        return SV_NONE;
    add_payload(&payload, ticket);
    if (buf_ok(&payload))
        add_base64url(&text, buf_sv(&payload));
    if (text.n > 0) {
        sign(&t->keys[0], buf_sv(&text), mac);
        buf_addc(&text, '.');
        add_base64url(&text, (struct sv){ (const char *)mac, sizeof(mac) });
        if (buf_ok(&text) && text.n <= TICKET_BYTES_MAX)
            made = arena_sv(a, buf_sv(&text));
    }
    buf_fini(&payload);
    buf_fini(&text);
    return made;
}

/* Is it from us? All keys are tried, to the end. */
static bool is_signed(const struct tickets *t, struct sv text, struct sv signature)
{
    unsigned char theirs[DIGEST_SIZE], ours[DIGEST_SIZE];
    unsigned hits = 0;
    size_t n;

    if (!digest_from_base64url(signature, theirs, sizeof(theirs), &n) || n != sizeof(theirs))
        return false;
    for (size_t i = 0; i < t->n; i++) {
        sign(&t->keys[i], text, ours);
        hits |= (unsigned)digest_equal(ours, theirs);
    }
    return hits != 0;
}

static bool read_payload(struct arena *a, struct sv text, struct ticket *out)
{
    unsigned char *bytes = arena_alloc(a, TICKET_BYTES_MAX);
    struct err e;
    size_t n;

    if (bytes == NULL || !digest_from_base64url(text, bytes, TICKET_BYTES_MAX, &n))
        return false;
    const json_t *says = json_read_in(a, (struct sv){ (const char *)bytes, n }, false, &e);
    int64_t expires_s = json_i64(says, "exp", 0);
    if (says == NULL || json_i64(says, "v", 0) != 1 || expires_s <= 0 || expires_s > INT64_MAX / 1000)
        return false;
    *out = (struct ticket){ .session_id = json_sv(says, "sid"), .sender_id = json_sv(says, "snd"), .expires_ms = expires_s * 1000 };
    return fits(out->session_id) && (out->sender_id.p == NULL || fits(out->sender_id)) &&
           sender_type_parse(json_sv(says, "typ"), &out->sender_type);
}

bool ticket_check(const struct tickets *t, struct arena *a, struct sv text, int64_t now_ms, struct ticket *out)
{
    struct sv signature = text, payload;

    if (text.n == 0 || text.n > TICKET_BYTES_MAX)
        return false;
    payload = sv_split(&signature, '.');
    return payload.n > 0 && is_signed(t, payload, signature) && read_payload(a, payload, out) && now_ms < out->expires_ms;
}
