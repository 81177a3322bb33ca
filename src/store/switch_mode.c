/* SPDX-License-Identifier: MIT
 * See switch_mode.h. Byte 0 of the file is locked by whoever leads, byte 1 + i by the process that has slot i (open file description
 * locks: fcntl(2)). The locks say nothing about the bytes' content. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/switch_mode.h"

#define MAGIC UINT64_C(0x746b73776974636a) /* the layout below; another layout gets another one */
#define SLOTS 512
#define MODE_BITS 2
#define HEARD_STEP_MS 20 /* so often at most the shared time is written */

struct slot {
    _Alignas(64) _Atomic uint64_t under_way[2]; /* primary, secondary */
    _Atomic uint64_t believes;
};

struct shared {
    _Atomic uint64_t magic; /* 0: a new file */
    _Atomic uint64_t word;  /* epoch, mode */
    _Atomic int64_t heard_ms;
    struct slot slots[SLOTS];
};

struct mode_file {
    struct shared *shared;
    int fd;
    unsigned slot;
};

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "shared between processes");

static struct mode_word unpack(uint64_t word)
{
    return (struct mode_word){ (enum mode)(word & ((1u << MODE_BITS) - 1)), word >> MODE_BITS };
}

static uint64_t pack(struct mode_word w)
{
    return w.epoch << MODE_BITS | (uint64_t)w.mode;
}

static struct flock byte_of(unsigned at, short type)
{
    return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)at, .l_len = 1 };
}

static bool lock_byte(int fd, unsigned at)
{
    struct flock l = byte_of(at, F_WRLCK);
    return fcntl(fd, F_OFD_SETLK, &l) == 0;
}

static bool is_locked_by_another(int fd, unsigned at)
{
    struct flock l = byte_of(at, F_WRLCK);
    return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

static int map(struct mode_file *m, const char *path, struct err *e)
{
    struct stat st;
    m->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (m->fd < 0)
        return err_set_errno(e, errno, "%s", path);
    if (fstat(m->fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        (st.st_size != 0 && st.st_size != (off_t)sizeof(struct shared)))
        return err_set(e, ERR_INVALID, "%s: not a file of the store switch", path);
    if (st.st_size == 0 && ftruncate(m->fd, (off_t)sizeof(struct shared)) != 0)
        return err_set_errno(e, errno, "%s", path);
    void *p = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
    if (p == MAP_FAILED)
        return err_set_errno(e, errno, "%s", path);
    m->shared = p;
    uint64_t magic = 0;
    if (!atomic_compare_exchange_strong(&m->shared->magic, &magic, MAGIC) && magic != MAGIC)
        return err_set(e, ERR_INVALID, "%s: not a file of this version's store switch", path);
    return 0;
}

static int take_slot(struct mode_file *m, const char *path, struct err *e)
{
    for (m->slot = 0; m->slot < SLOTS; m->slot++) {
        struct slot *s = &m->shared->slots[m->slot];
        if (!lock_byte(m->fd, 1 + m->slot))
            continue;
        atomic_store(&s->under_way[0], 0);
        atomic_store(&s->under_way[1], 0);
        atomic_store(&s->believes, 0);
        return 0;
    }
    return err_set(e, ERR_RANGE, "%s: more than %d processes", path, SLOTS);
}

struct mode_file *mode_open(const char *path, struct err *e)
{
    struct mode_file *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory");
        return NULL;
    }
    m->fd = -1;
    if (map(m, path, e) == 0 && take_slot(m, path, e) == 0)
        return m;
    mode_close(m);
    return NULL;
}

void mode_close(struct mode_file *m)
{
    if (m == NULL)
        return;
    if (m->shared != NULL)
        (void)munmap(m->shared, sizeof(*m->shared));
    if (m->fd >= 0)
        (void)close(m->fd); /* and its locks */
    free(m);
}

struct mode_word mode_now(const struct mode_file *m)
{
    return unpack(atomic_load(&m->shared->word));
}

bool mode_change(struct mode_file *m, struct mode_word from, enum mode to)
{
    uint64_t old = pack(from);
    return atomic_compare_exchange_strong(&m->shared->word, &old, pack((struct mode_word){ to, from.epoch + 1 }));
}

static _Atomic uint64_t *count_of(struct shared *s, unsigned slot, enum mode mode)
{
    return &s->slots[slot].under_way[mode == MODE_SECONDARY];
}

void mode_enter(struct mode_file *m, enum mode mode)
{
    atomic_fetch_add(count_of(m->shared, m->slot, mode), 1);
}

void mode_leave(struct mode_file *m, enum mode mode)
{
    atomic_fetch_sub(count_of(m->shared, m->slot, mode), 1);
}

uint64_t mode_under_way(const struct mode_file *m, enum mode mode)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < SLOTS; i++) {
        uint64_t n = atomic_load(count_of(m->shared, i, mode));
        if (n > 0 && (i == m->slot || is_locked_by_another(m->fd, 1 + i)))
            sum += n;
    }
    return sum;
}

void mode_heard(struct mode_file *m, int64_t now_ms)
{
    if (now_ms - atomic_load_explicit(&m->shared->heard_ms, memory_order_relaxed) >= HEARD_STEP_MS)
        atomic_store_explicit(&m->shared->heard_ms, now_ms, memory_order_relaxed);
}

int64_t mode_heard_ms(const struct mode_file *m)
{
    return atomic_load_explicit(&m->shared->heard_ms, memory_order_relaxed);
}

void mode_believe(struct mode_file *m, bool up)
{
    _Atomic uint64_t *mine = &m->shared->slots[m->slot].believes;
    if (atomic_load_explicit(mine, memory_order_relaxed) != (uint64_t)up)
        atomic_store_explicit(mine, up, memory_order_relaxed);
}

bool mode_others_believe(const struct mode_file *m)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        if (i != m->slot && atomic_load(&m->shared->slots[i].believes) != 0 && is_locked_by_another(m->fd, 1 + i))
            return true;
    }
    return false;
}

bool mode_lead(struct mode_file *m)
{
    return lock_byte(m->fd, 0);
}

void mode_follow(struct mode_file *m)
{
    struct flock l = byte_of(0, F_UNLCK);
    (void)fcntl(m->fd, F_OFD_SETLK, &l); /* unlocking what is locked does not fail */
}
