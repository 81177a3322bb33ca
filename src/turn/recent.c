/* SPDX-License-Identifier: MIT
 * See recent.h. A writer takes the next slot by counting up, and a slot carries the number under which it was written: 0 while that is
 * going on, so a reader (or a successor of a writer that was killed there) sees what is not whole, and passes it by. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/digest.h"
#include "turn/recent.h"

#define MAGIC UINT64_C(0x746b726563656e01) /* the layout below; another layout gets another one */
#define SLOTS 8192

struct slot {
    _Atomic uint64_t number;
    uint64_t conversation, key;
    int64_t at_ms;
    char id[RECENT_ID_MAX + 1];
};

struct ring {
    _Atomic uint64_t magic; /* 0: a new file */
    _Atomic uint64_t last;
    struct slot slots[SLOTS];
};

struct recent {
    struct ring *ring;
};

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "shared between processes");

static int map(struct recent *r, int fd, const char *path, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_size != 0 && st.st_size != (off_t)sizeof(struct ring)))
        return err_set(e, ERR_INVALID, "%s: not a file of recent messages", path);
    if (st.st_size == 0 && ftruncate(fd, (off_t)sizeof(struct ring)) != 0)
        return err_set_errno(e, errno, "%s", path);
    void *p = mmap(NULL, sizeof(struct ring), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return err_set_errno(e, errno, "%s", path);
    r->ring = p;
    uint64_t magic = 0;
    if (!atomic_compare_exchange_strong(&r->ring->magic, &magic, MAGIC) && magic != MAGIC)
        return err_set(e, ERR_INVALID, "%s: not a file of this version's recent messages", path);
    return 0;
}

struct recent *recent_open(const char *path, struct err *e)
{
    struct recent *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory");
        return NULL;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = fd < 0 ? err_set_errno(e, errno, "%s", path) : map(r, fd, path, e);
    if (fd >= 0)
        (void)close(fd); /* the map stays */
    if (rc == 0)
        return r;
    recent_close(r);
    return NULL;
}

void recent_close(struct recent *r)
{
    if (r == NULL)
        return;
    if (r->ring != NULL)
        (void)munmap(r->ring, sizeof(*r->ring));
    free(r);
}

static uint64_t number_of(struct sv conversation_id)
{
    unsigned char digest[DIGEST_SIZE];
    uint64_t n;
    digest_sha256(conversation_id, digest);
    memcpy(&n, digest, sizeof(n));
    return n;
}

void recent_add(struct recent *r, struct sv conversation_id, struct sv message_id, uint64_t key, int64_t now_ms)
{
    if (message_id.n == 0 || message_id.n > RECENT_ID_MAX)
        return;
    uint64_t number = atomic_fetch_add(&r->ring->last, 1) + 1;
    struct slot *s = &r->ring->slots[number % SLOTS];
    atomic_store_explicit(&s->number, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    s->conversation = number_of(conversation_id);
    s->key = key;
    s->at_ms = now_ms;
    memcpy(s->id, message_id.p, message_id.n);
    s->id[message_id.n] = '\0';
    atomic_store_explicit(&s->number, number, memory_order_release);
}

/* False: it is not whole, or written over, or about another conversation, or from too long ago. */
static bool read_slot(const struct slot *s, uint64_t number, uint64_t conversation, int64_t since_ms, struct recent_message *m)
{
    if (atomic_load_explicit(&s->number, memory_order_acquire) != number || s->conversation != conversation || s->at_ms < since_ms)
        return false;
    m->order = number;
    m->key = s->key;
    m->at_ms = s->at_ms;
    memcpy(m->id, s->id, sizeof(m->id));
    atomic_thread_fence(memory_order_acquire);
    m->id[RECENT_ID_MAX] = '\0';
    return atomic_load_explicit(&s->number, memory_order_relaxed) == number;
}

bool recent_has(const struct recent *r, struct sv conversation_id, struct sv message_id, int64_t since_ms)
{
    uint64_t conversation = number_of(conversation_id), last = atomic_load(&r->ring->last);
    struct recent_message m;
    for (uint64_t i = 0; i < SLOTS && i < last; i++)
        if (read_slot(&r->ring->slots[(last - i) % SLOTS], last - i, conversation, since_ms, &m) && sv_eq(sv_from(m.id), message_id))
            return true;
    return false;
}

/* From the newest slot back, so that what is found first counts. */
size_t recent_of(const struct recent *r, struct sv conversation_id, int64_t since_ms, struct recent_message *out, size_t max)
{
    uint64_t conversation = number_of(conversation_id), last = atomic_load(&r->ring->last);
    size_t n = 0;
    for (uint64_t i = 0; i < SLOTS && i < last && n < max; i++)
        n += read_slot(&r->ring->slots[(last - i) % SLOTS], last - i, conversation, since_ms, &out[n]);
    for (size_t i = 0; i < n / 2; i++) {
        struct recent_message m = out[i];
        out[i] = out[n - 1 - i];
        out[n - 1 - i] = m;
    }
    return n;
}
