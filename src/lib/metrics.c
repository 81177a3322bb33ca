/* SPDX-License-Identifier: MIT
 * A slot belongs to the process that holds the kernel's lock (open file description lock, fcntl(2)) on its bytes; the kernel gives the lock
 * back when that process dies, whatever way. A slot is never emptied: the next process goes on adding to what stands in it, so the sum over
 * all slots is the sum of all time, and there is no moment at which a crash could count something twice or not at all.
 *
 * The head's bytes are the door: whoever opens holds their lock while it looks at the file or begins it. A file that is not ours (another
 * layout, cut off, foreign) may be mapped by others: it is replaced by a new one under its name, never changed. */
#include "config.h"

#include "lib/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"

#define MAGIC UINT64_C(0x314d4b54cafe0d0a) /* changes with the layout of this file's own structs */
#define SUB_BITS 3                         /* eight buckets a power of two */
#define EXPONENT_MAX 40
#define BUCKETS ((EXPONENT_MAX - SUB_BITS + 1) * (1 << SUB_BITS) + 1)
#define PAGE 4096u
#define DOOR_PATIENCE_MS 2000
#define DOOR_PAUSE_NS 1000000L
#define REPLACED_MAX 8 /* how often a file may be replaced while it is being opened */

struct times {
    _Atomic uint64_t sum_us;
    _Atomic uint64_t buckets[BUCKETS];
};

struct slot {
    _Atomic uint64_t counters[METRICS_COUNTERS_MAX];
    struct times times[METRICS_HISTOGRAMS_MAX];
};

struct head {
    uint64_t magic; /* written last */
    uint32_t layout;
    _Atomic uint32_t used; /* slots that were ever taken: the first ones */
};

#define SLOT_SIZE ((sizeof(struct slot) + PAGE - 1) / PAGE * PAGE)
#define SLOT_AT(i) (PAGE + (size_t)(i) * SLOT_SIZE)
#define FILE_SIZE SLOT_AT(METRICS_SLOTS_MAX)

struct metrics {
    struct slot *own;
    int fd;          /* -1: alone */
    char *map;       /* NULL: alone */
    struct slot *alone;
};

/* ---- buckets ---- */

static size_t bucket_of(uint64_t us)
{
    if (us >= UINT64_C(1) << EXPONENT_MAX)
        return BUCKETS - 1;
    if (us < 1u << SUB_BITS)
        return (size_t)us;
    unsigned exponent = 63u - (unsigned)__builtin_clzll(us);
    return ((exponent - SUB_BITS + 1) << SUB_BITS) + ((us >> (exponent - SUB_BITS)) & ((1u << SUB_BITS) - 1));
}

/* The largest number of a bucket. */
static uint64_t bucket_end(size_t bucket)
{
    if (bucket >= BUCKETS - 1)
        return UINT64_C(1) << EXPONENT_MAX;
    if (bucket < 1u << SUB_BITS)
        return bucket;
    unsigned shift = (unsigned)(bucket >> SUB_BITS) - 1;
    return (((uint64_t)(1u << SUB_BITS) + (bucket & ((1u << SUB_BITS) - 1)) + 1) << shift) - 1;
}

/* ---- locks ---- */

static int lock(int fd, size_t at, size_t n)
{
    struct flock f = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)at, .l_len = (off_t)n };
    int rc;
    do
        rc = fcntl(fd, F_OFD_SETLK, &f);
    while (rc != 0 && errno == EINTR);
    return rc;
}

static void unlock_door(int fd)
{
    struct flock f = { .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_len = PAGE };
    (void)fcntl(fd, F_OFD_SETLK, &f);
}

/* By trying again: a holder that was stopped must not stop everybody else. */
static int lock_door(int fd, const char *path, struct err *e)
{
    int64_t until_ms = clock_mono_ms() + DOOR_PATIENCE_MS;
    for (int tries = 0; lock(fd, 0, PAGE) != 0; tries++) {
        if (errno != EAGAIN && errno != EACCES)
            return err_set_errno(e, errno, "%s cannot be locked", path);
        if (clock_mono_ms() >= until_ms || tries > DOOR_PATIENCE_MS)
            return err_set(e, ERR_UNAVAILABLE, "%s is kept locked by another process", path);
        (void)nanosleep(&(struct timespec){ .tv_nsec = DOOR_PAUSE_NS }, NULL);
    }
    return 0;
}

/* ---- the file ---- */

/* Into an empty file that nobody has mapped. */
static int begin_file(int fd, const char *path, uint32_t layout, struct err *e)
{
    struct head head = { .magic = MAGIC, .layout = layout };
    int rc = posix_fallocate(fd, 0, PAGE);
    if (rc != 0)
        return err_set_errno(e, rc, "%s", path);
    if (ftruncate(fd, (off_t)FILE_SIZE) != 0 || pwrite(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
        return err_set_errno(e, errno, "%s", path);
    return 0;
}

/* Whoever has the old one mapped keeps it. The door of the old one is ours, so nobody else does this now. */
static int replace_file(const char *path, uint32_t layout, struct err *e)
{
    char name[4096];
    int n = snprintf(name, sizeof(name), "%s.new", path);
    if (n < 0 || (size_t)n >= sizeof(name))
        return err_set(e, ERR_RANGE, "%s: the name is too long", path);
    (void)unlink(name); /* of one who was killed here */
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set_errno(e, errno, "%s", name);
    int rc = begin_file(fd, name, layout, e);
    if (rc == 0 && rename(name, path) != 0)
        rc = err_set_errno(e, errno, "%s", path);
    (void)close(fd);
    return rc;
}

static bool is_ours(int fd, const struct stat *st, uint32_t layout)
{
    struct head head;
    return st->st_size == (off_t)FILE_SIZE && pread(fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head) && head.magic == MAGIC &&
           head.layout == layout && atomic_load(&head.used) <= METRICS_SLOTS_MAX;
}

/* With the door locked. 1: it is what stands under that name and may be mapped; 0: look again; -1: it cannot be had. */
static int look_at_file(int fd, const char *path, uint32_t layout, struct err *e)
{
    struct stat own, named;
    if (fstat(fd, &own) != 0)
        return err_set_errno(e, errno, "%s", path);
    if (!S_ISREG(own.st_mode))
        return err_set(e, ERR_INVALID, "%s is no ordinary file", path);
    if (stat(path, &named) != 0 || named.st_dev != own.st_dev || named.st_ino != own.st_ino)
        return 0;
    if (is_ours(fd, &own, layout))
        return 1;
    if (own.st_size == 0)
        return begin_file(fd, path, layout, e) == 0 ? 1 : -1;
    return replace_file(path, layout, e) == 0 ? 0 : -1;
}

/* Opened, ours, its door locked. */
static int open_file(const char *path, uint32_t layout, struct err *e)
{
    for (int i = 0; i < REPLACED_MAX; i++) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0)
            return err_set_errno(e, errno, "%s", path);
        int rc = lock_door(fd, path, e);
        if (rc == 0)
            rc = look_at_file(fd, path, layout, e);
        if (rc > 0)
            return fd;
        (void)close(fd);
        if (rc < 0)
            return -1;
    }
    return err_set(e, ERR_UNAVAILABLE, "%s is being replaced again and again", path);
}

/* The first slot that nobody holds; its pages are made now, since a full disk would be a signal later. */
static int take_slot(struct metrics *m, const char *path, struct err *e)
{
    struct head *head = (struct head *)m->map;
    for (uint32_t i = 0; i < METRICS_SLOTS_MAX; i++) {
        if (lock(m->fd, SLOT_AT(i), SLOT_SIZE) != 0)
            continue;
        int rc = posix_fallocate(m->fd, (off_t)SLOT_AT(i), (off_t)SLOT_SIZE);
        if (rc != 0)
            return err_set_errno(e, rc, "%s", path);
        m->own = (struct slot *)(m->map + SLOT_AT(i));
        if (atomic_load(&head->used) <= i)
            atomic_store(&head->used, i + 1);
        return 0;
    }
    return err_set(e, ERR_UNAVAILABLE, "%s: all %d slots are in use", path, METRICS_SLOTS_MAX);
}

static void leave_file(struct metrics *m)
{
    if (m->map != NULL)
        (void)munmap(m->map, FILE_SIZE);
    if (m->fd >= 0)
        (void)close(m->fd); /* gives the locks back */
    m->map = NULL;
    m->own = NULL;
    m->fd = -1;
}

static int join_file(struct metrics *m, const char *path, uint32_t layout, struct err *e)
{
    m->fd = open_file(path, layout, e);
    if (m->fd < 0)
        return -1;
    m->map = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
    int rc = 0;
    if (m->map == MAP_FAILED) {
        m->map = NULL;
        rc = err_set_errno(e, errno, "%s cannot be mapped", path);
    }
    if (rc == 0)
        rc = take_slot(m, path, e);
    unlock_door(m->fd);
    if (rc != 0)
        leave_file(m);
    return rc;
}

struct metrics *metrics_open(const char *path, uint32_t layout, struct err *e)
{
    struct metrics *m = calloc(1, sizeof(*m));
    *e = (struct err){ 0 };
    if (m == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory for figures");
        return NULL;
    }
    m->fd = -1;
    if (path != NULL && join_file(m, path, layout, e) == 0)
        return m;
    m->own = m->alone = calloc(1, sizeof(*m->alone));
    if (m->alone == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory for figures");
        free(m);
        return NULL;
    }
    return m;
}

void metrics_close(struct metrics *m)
{
    if (m == NULL)
        return;
    leave_file(m);
    free(m->alone);
    free(m);
}

/* ---- counting ---- */

void metrics_add(struct metrics *m, unsigned counter, uint64_t n)
{
    if (m != NULL && counter < METRICS_COUNTERS_MAX)
        (void)atomic_fetch_add_explicit(&m->own->counters[counter], n, memory_order_relaxed);
}

void metrics_time(struct metrics *m, unsigned histogram, uint64_t us)
{
    if (m == NULL || histogram >= METRICS_HISTOGRAMS_MAX)
        return;
    struct times *t = &m->own->times[histogram];
    (void)atomic_fetch_add_explicit(&t->sum_us, us, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&t->buckets[bucket_of(us)], 1, memory_order_relaxed);
}

/* ---- sums ---- */

static uint32_t used_slots(const struct metrics *m)
{
    uint32_t n = m->map == NULL ? 1 : atomic_load(&((struct head *)m->map)->used);
    return n < METRICS_SLOTS_MAX ? n : METRICS_SLOTS_MAX;
}

static struct slot *slot_at(const struct metrics *m, uint32_t i)
{
    return m->map == NULL ? m->alone : (struct slot *)(m->map + SLOT_AT(i));
}

uint64_t metrics_count(const struct metrics *m, unsigned counter)
{
    uint64_t sum = 0;
    if (m == NULL || counter >= METRICS_COUNTERS_MAX)
        return 0;
    for (uint32_t i = 0, n = used_slots(m); i < n; i++)
        sum += atomic_load_explicit(&slot_at(m, i)->counters[counter], memory_order_relaxed);
    return sum;
}

/* The end of the bucket that holds the n-th smallest of the durations; parts: of a thousand. */
static uint64_t quantile(const uint64_t *buckets, uint64_t n, unsigned parts)
{
    uint64_t rank = n / 1000 * parts + (n % 1000 * parts + 999) / 1000, seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += buckets[i];
        if (seen >= rank)
            return bucket_end(i);
    }
    return 0;
}

void metrics_times(const struct metrics *m, unsigned histogram, struct metrics_times *out)
{
    uint64_t sums[BUCKETS] = { 0 };
    *out = (struct metrics_times){ 0 };
    if (m == NULL || histogram >= METRICS_HISTOGRAMS_MAX)
        return;
    for (uint32_t i = 0, n = used_slots(m); i < n; i++) {
        struct times *t = &slot_at(m, i)->times[histogram];
        out->sum_us += atomic_load_explicit(&t->sum_us, memory_order_relaxed);
        for (size_t b = 0; b < BUCKETS; b++)
            sums[b] += atomic_load_explicit(&t->buckets[b], memory_order_relaxed);
    }
    for (size_t b = 0; b < BUCKETS; b++)
        out->n += sums[b];
    if (out->n == 0)
        return;
    out->p50_us = quantile(sums, out->n, 500);
    out->p95_us = quantile(sums, out->n, 950);
    out->p99_us = quantile(sums, out->n, 990);
}

/* The own lock is no obstacle to its holder's own question, so it is counted without asking. */
unsigned metrics_processes(const struct metrics *m)
{
    unsigned held = 1;
    if (m == NULL)
        return 0;
    for (uint32_t i = 0, n = m->map == NULL ? 0 : used_slots(m); i < n; i++) {
        struct flock f = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)SLOT_AT(i), .l_len = (off_t)SLOT_SIZE };
        held += fcntl(m->fd, F_OFD_GETLK, &f) == 0 && f.l_type != F_UNLCK;
    }
    return held;
}
