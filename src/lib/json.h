/* SPDX-License-Identifier: MIT
 * JSON: jansson to read (strictly) and a small streaming writer to write, so that a body is parsed once and dumped once.
 * This header is the only place that includes jansson.h. json_object_set_new and friends steal their argument even when
 * they fail (jansson 2.14): never decref after them. */
#ifndef LIB_JSON_H
#define LIB_JSON_H

#include <jansson.h>
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"

#define JSON_DEPTH_MAX 32

/* Parses the whole of `text`: UTF-8 only, no NUL, no duplicate keys, depth at most JSON_DEPTH_MAX (checked before the parse),
 * any value at top level when `any`, else object or array. NULL with *e set (ERR_INVALID, or ERR_RANGE for a number
 * beyond 64 bits or a double; the text never quotes the input). */
json_t *json_read(struct sv text, bool any, struct err *e) MUST_CHECK;
/* As json_read, for what a service writes that cuts its text between 16-bit units, or has NULs in it: instead of half a surrogate pair (\ud83d alone, RFC 8259
 * section 8.2) there is U+FFFD, instead of an escaped NUL nothing. Without an error's text. */
json_t *json_read_mended(struct sv text) MUST_CHECK;
/* Behind the brace that closes the one at `at`, as far as braces and quotation marks tell, whatever else stands between; NULL: it is not closed before `end`. */
const char *json_past_object(const char *at, const char *end);
/* As json_read; the value lives as long as the arena. */
json_t *json_read_in(struct arena *a, struct sv text, bool any, struct err *e) MUST_CHECK;
/* Compact dump, appended. */
void json_dump_to(struct buf *b, const json_t *value);

/* Members of an object; `fallback`/SV_NONE when absent or of another type. The bytes live as long as the value. */
struct sv json_sv(const json_t *object, const char *key);
int64_t json_i64(const json_t *object, const char *key, int64_t fallback);
double json_f64(const json_t *object, const char *key, double fallback); /* integers too */
bool json_bool(const json_t *object, const char *key, bool fallback);

/* Without a parse, for JSON that this program wrote itself: the raw value of a member of an object (strings with their quotes and escapes),
 * SV_NONE when it is not there. Never for what came from outside: on anything but well-formed JSON the result is merely some part
 * of the input. */
struct sv json_raw_member(struct sv object, const char *key);
/* What stands inside an array's or object's brackets; SV_NONE for other values. */
struct sv json_raw_inside(struct sv value);
/* The next element of an array (key NULL), or member of an object (*key is its name, without quotes, escapes left in): *rest begins as
 * json_raw_inside and shrinks. False at the end. */
bool json_raw_next(struct sv *rest, struct sv *key, struct sv *value);

/* The writer. Commas are put where they belong: call in document order. Depth at most JSON_DEPTH_MAX * 2. */
struct json_out {
    struct buf *b;
    bool comma;
};
void json_obj(struct json_out *o);      /* { */
void json_obj_end(struct json_out *o);  /* } */
void json_arr(struct json_out *o);
void json_arr_end(struct json_out *o);
void json_key(struct json_out *o, const char *key); /* key is a literal without characters to escape */
void json_name(struct json_out *o, struct sv name);  /* the same for any name */
void json_str(struct json_out *o, struct sv s);     /* SV_NONE writes null; s must be UTF-8 */
void json_int(struct json_out *o, int64_t n);
void json_num(struct json_out *o, double n);        /* NaN and infinities write null */
void json_ms(struct json_out *o, int64_t ms);       /* seconds with three decimals: 1699123456.789 */
void json_true_false(struct json_out *o, bool yes);
void json_nul(struct json_out *o);
void json_raw(struct json_out *o, struct sv json);  /* one whole JSON value, copied */
void json_val(struct json_out *o, const json_t *value); /* NULL writes null */
/* key and value in one call */
void json_kstr(struct json_out *o, const char *key, struct sv s);
void json_kint(struct json_out *o, const char *key, int64_t n);
void json_kbool(struct json_out *o, const char *key, bool yes);
void json_kms(struct json_out *o, const char *key, int64_t ms);
void json_kraw(struct json_out *o, const char *key, struct sv json);
void json_kval(struct json_out *o, const char *key, const json_t *value);

#endif
