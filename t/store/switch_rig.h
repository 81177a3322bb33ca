/* SPDX-License-Identifier: MIT
 * What the tests of the store switch share: a place with a redis-server, a state file and a mode file, and one open switch on it that is
 * asked one thing at a time. */
#ifndef T_STORE_SWITCH_RIG_H
#define T_STORE_SWITCH_RIG_H

#include <stdatomic.h>

#include "store/store_backends.h"
#include "store/store_session.h"
#include "t/store/redis_server.h"
#include "t/tap.h"

struct place {
    char dir[64], mode[96], state[96];
    struct redis_server redis;
};

void place_clean(struct place *p); /* its files, while no store is open */
bool place_open(struct place *p);  /* false: no redis-server is installed */
void place_close(struct place *p);
/* The server's further words: nothing is kept over its death. */
extern const char *const no_disk[];

struct rig {
    struct loop *loop;
    struct place *at;
    struct store *s;
    struct store *redis, *sqlite; /* the switch's */
    unsigned answers, events, joins;
    enum store_status status;
    struct store_view view;
    uint64_t version;
    char batch[300];
    size_t n;
    struct store_stat stat;
    _Atomic bool *die; /* at the first join of all processes when this is true, which it is not any more then; NULL: never */
};

#define LEASE .lease = STORE_LEASE_TAKE, .lease_token = SV("tok"), .lease_ttl_ms = 600000
#define CHANGE(id, version, ...)                                                                                       \
    (&(struct store_change){ .conversation_id = sv_from(id), .expect_version = (version), __VA_ARGS__ })

void rig_open_as(struct rig *r, struct loop *l, struct place *at, enum store_fallback fallback);
void rig_open(struct rig *r, struct loop *l, struct place *at);
void rig_close(struct rig *r);
enum store_status wait_for(struct rig *r);
enum store_status load(struct rig *r, const char *id, const char *message_id);
void ask_apply(struct rig *r, const struct store_change *change);
enum store_status apply(struct rig *r, const struct store_change *change);
int join(void *arg, struct arena *a, const struct store_join *in, struct store_joined *out);

/* Callbacks: they count and keep. */
void on_load(void *arg, enum store_status status, const struct store_view *view);
void on_apply(void *arg, enum store_status status, const struct store_applied *applied);
void on_status(void *arg, enum store_status status);
void on_batch(void *arg, enum store_status status, const struct store_batch *batch);
void on_stat(void *arg, enum store_status status, const struct store_stat *stat);
void on_list(void *arg, enum store_status status, const struct store_listing *listing);
void on_letters(void *arg, enum store_status status, const struct store_letter *letters, size_t n);
void on_value(void *arg, enum store_status status, struct sv value);

/* For loop_until. */
bool is_redis(void *arg);
bool is_sqlite(void *arg);

#endif
