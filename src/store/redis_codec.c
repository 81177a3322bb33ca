/* SPDX-License-Identifier: MIT
 * See redis_codec.h. hiredis' reader asks for each object that it has read; ours lie in one arena, an array's members side by
 * side, so that a reply costs no allocation of its own and is forgotten in one step. Strings are copied: the reader moves its
 * buffer while a reply is still incomplete. */
#include "config.h"

#include <stdlib.h>

#include <hiredis/hiredis.h>
#include <hiredis/read.h>

#include "lib/arena.h"
#include "store/redis_codec.h"

/* The reader's idea of how many elements an array has. */
#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

#define ARENA_FIRST 16384
#define READER_KEEPS 65536 /* an empty buffer over this size is given back */
#define DIGITS_MAX 24

struct redis_codec {
    redisReader *reader;
    struct arena *arena; /* of the reply that is being read or was handed out last */
    size_t max_bytes;
    bool handed_out;
};

/* ---- commands ---- */

/* Writes the digits in front of `end`; returns their first. */
static char *digits(char *end, uint64_t number)
{
    do {
        *--end = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return end;
}

static char *put_length(char *p, char kind, size_t n)
{
    char text[DIGITS_MAX], *end = text + sizeof(text), *at = digits(end, n);
    size_t len = (size_t)(end - at);
    *p++ = kind;
    memcpy(p, at, len);
    p += len;
    *p++ = '\r';
    *p++ = '\n';
    return p;
}

static char *put_bytes(char *p, struct sv s)
{
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return p + s.n;
}

void redis_write_head(struct buf *b, size_t argc)
{
    char *p = buf_room(b, DIGITS_MAX + 3);
    if (p != NULL)
        buf_grown(b, (size_t)(put_length(p, '*', argc) - p));
}

void redis_write_joined(struct buf *b, const struct sv *parts, size_t n)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += parts[i].n;
    char *p = buf_room(b, total + DIGITS_MAX + 5), *at;
    if (p == NULL)
        return;
    at = put_length(p, '$', total);
    for (size_t i = 0; i < n; i++)
        at = put_bytes(at, parts[i]);
    *at++ = '\r';
    *at++ = '\n';
    buf_grown(b, (size_t)(at - p));
}

void redis_write(struct buf *b, struct sv arg)
{
    char *p = buf_room(b, arg.n + DIGITS_MAX + 5), *at;
    if (p == NULL)
        return;
    at = put_bytes(put_length(p, '$', arg.n), arg);
    *at++ = '\r';
    *at++ = '\n';
    buf_grown(b, (size_t)(at - p));
}

void redis_write_i64(struct buf *b, int64_t number)
{
    char text[DIGITS_MAX], *end = text + sizeof(text);
    char *at = digits(end, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
    if (number < 0)
        *--at = '-';
    redis_write(b, (struct sv){ at, (size_t)(end - at) });
}

/* ---- the reader's objects ---- */

/* Members lie in their array; only the reply itself is an object of its own. */
static struct redis_reply *object(const redisReadTask *t, enum redis_type type)
{
    const struct redis_codec *c = t->privdata;
    struct redis_reply *r;
    if (t->parent != NULL) {
        const struct redis_reply *array = t->parent->obj;
        r = (struct redis_reply *)(uintptr_t)&array->items[t->idx];
    } else {
        r = arena_alloc(c->arena, sizeof(*r));
    }
    if (r != NULL)
        r->type = type;
    return r;
}

static void *make_string(const redisReadTask *t, char *p, size_t n)
{
    const struct redis_codec *c = t->privdata;
    enum redis_type type = t->type == REDIS_REPLY_ERROR    ? REDIS_ERROR
                           : t->type == REDIS_REPLY_STATUS ? REDIS_STATUS
                                                           : REDIS_STRING;
    struct redis_reply *r = object(t, type);
    if (r == NULL)
        return NULL;
    r->text = arena_sv(c->arena, (struct sv){ p, n });
    return r->text.p != NULL ? r : NULL;
}

static void *make_array(const redisReadTask *t, element_count n)
{
    const struct redis_codec *c = t->privdata;
    struct redis_reply *r = object(t, REDIS_ARRAY);
    if (r == NULL)
        return NULL;
    if (n > 0)
        r->items = arena_array(c->arena, (size_t)n, sizeof(*r));
    if (n > 0 && r->items == NULL)
        return NULL;
    r->n = n > 0 ? (size_t)n : 0;
    return r;
}

static void *make_integer(const redisReadTask *t, long long number)
{
    struct redis_reply *r = object(t, REDIS_INTEGER);
    if (r != NULL)
        r->integer = number;
    return r;
}

static void *make_nil(const redisReadTask *t)
{
    return object(t, REDIS_NIL);
}

static void forget(void *object_)
{
    (void)object_; /* the arena's */
}

static redisReplyObjectFunctions makers = {
    .createString = make_string,
    .createArray = make_array,
    .createInteger = make_integer,
    .createNil = make_nil,
    .freeObject = forget,
};

/* ---- replies ---- */

struct redis_codec *redis_codec_new(size_t max_bytes)
{
    struct redis_codec *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->max_bytes = max_bytes;
    c->arena = arena_new(ARENA_FIRST, max_bytes);
    if (c->arena == NULL || redis_codec_reset(c) != 0) {
        redis_codec_free(c);
        return NULL;
    }
    return c;
}

void redis_codec_free(struct redis_codec *c)
{
    if (c == NULL)
        return;
    if (c->reader != NULL)
        redisReaderFree(c->reader);
    arena_free(c->arena);
    free(c);
}

int redis_codec_reset(struct redis_codec *c)
{
    if (c->reader != NULL)
        redisReaderFree(c->reader);
    arena_reset(c->arena);
    c->handed_out = false;
    c->reader = redisReaderCreateWithFunctions(&makers);
    if (c->reader == NULL)
        return -1;
    c->reader->privdata = c;
    c->reader->maxbuf = READER_KEEPS;
    return 0;
}

int redis_codec_feed(struct redis_codec *c, struct sv bytes, struct err *e)
{
    if (c->reader == NULL)
        return err_set(e, ERR_MEMORY, "no reader");
    if (bytes.n > c->max_bytes - (c->reader->len - c->reader->pos))
        return err_set(e, ERR_PROTOCOL, "a reply is over %zu bytes", c->max_bytes);
    if (redisReaderFeed(c->reader, bytes.p, bytes.n) != REDIS_OK)
        return err_set(e, ERR_MEMORY, "%s", c->reader->errstr);
    return 0;
}

int redis_codec_next(struct redis_codec *c, bool keep, const struct redis_reply **reply, struct err *e)
{
    void *got = NULL;
    if (c->reader == NULL)
        return err_set(e, ERR_MEMORY, "no reader");
    if (c->handed_out && !keep) {
        arena_reset(c->arena);
        c->handed_out = false;
    }
    if (redisReaderGetReply(c->reader, &got) != REDIS_OK)
        return err_set(e, c->reader->err == REDIS_ERR_OOM ? ERR_MEMORY : ERR_PROTOCOL, "%s", c->reader->errstr);
    if (got == NULL)
        return 0;
    c->handed_out = true;
    *reply = got;
    return 1;
}

struct redis_reply redis_item(const struct redis_reply *array, size_t i)
{
    return i < array->n ? array->items[i] : (struct redis_reply){ .type = REDIS_NIL };
}

struct sv redis_text(const struct redis_reply *array, size_t i)
{
    return i < array->n && array->items[i].type == REDIS_STRING ? array->items[i].text : SV_NONE;
}

int64_t redis_number(const struct redis_reply *r, int64_t fallback)
{
    int64_t number = fallback;
    if (r->type == REDIS_INTEGER)
        return r->integer;
    if (r->type == REDIS_STRING && !sv_to_i64(r->text, &number))
        return fallback;
    return number;
}

int64_t redis_time_ms(const struct redis_reply *r)
{
    struct redis_reply seconds = redis_item(r, 0), micros = redis_item(r, 1);
    int64_t s = redis_number(&seconds, 0), us = redis_number(&micros, 0);
    return s > 0 && s < INT64_MAX / 2000 && us >= 0 && us < 1000000 ? s * 1000 + us / 1000 : 0;
}
