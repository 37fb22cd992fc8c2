/*
 * The kernel waits until each queue has an entry, for each core that the machine could ever have.
 * So all threads and their io_urings are made before it is told that there will be any. If it then
 * refuses an entry it goes on with /dev/fuse, and so does the daemon.
 */
#include "fs/fuse/ring.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fs/fuse/mount_log.h"
#include "fs/fuse/ring_entry.h"
#include "fs/fuse/watchdog.h"
#include "lsm/base/mutex.h"

enum {
    THREAD_COUNT = 128, /* about so many threads are divided among the queues, */
    DEPTH_MIN = 2,      /* but a queue has at least */
    DEPTH_MAX = 48,     /* and at most so many: all but one may wait for a disk */
    FD_SHARE = 8,       /* one in so many descriptors may be that of a ring */
};

struct server {
    struct rings *rings;
    struct ring_entry entry;
    pthread_t thread;
};

struct rings {
    struct ring_config config;
    struct server *servers;
    unsigned core_count, depth; /* entry i is of the queue of core i % core_count */
    unsigned started;

    struct mutex mu;
    struct cond cond;
    unsigned ready; /* [mu] threads that have all they need, or know what they lack */
    int err;        /* [mu] what one of them lacks */
    bool go;        /* [mu] */
    bool over;      /* [mu] */
};

/* Say that this thread has all it needs, or what it lacks, and wait. True: go. */
static bool report_and_wait(struct rings *r, int err)
{
    bool go;

    mutex_lock(&r->mu);
    r->ready++;
    if (err && !r->err)
        r->err = err;
    cond_broadcast(&r->cond);
    while (!r->go && !r->over)
        cond_wait(&r->cond, &r->mu);
    go = !r->over;
    mutex_unlock(&r->mu);
    return go;
}

static void *server_main(void *arg)
{
    struct server *s = arg;
    int err = ring_entry_begin(&s->entry);

    if (report_and_wait(s->rings, err) && !err)
        ring_entry_serve(&s->entry);
    if (!err)
        ring_entry_end(&s->entry);
    return NULL;
}

/* Entries of each queue; 0 when descriptors are too few. Most of them are for the store. */
static unsigned depth_for(unsigned cores)
{
    unsigned depth = THREAD_COUNT / cores;
    struct rlimit limit;

    depth = depth < DEPTH_MIN ? DEPTH_MIN : depth > DEPTH_MAX ? DEPTH_MAX : depth;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur / FD_SHARE / cores >= depth)
        return depth;
    depth = (unsigned)(limit.rlim_cur / FD_SHARE / cores);
    return depth < DEPTH_MIN ? 0 : depth;
}

static int wait_until_ready(struct rings *r)
{
    int err;

    mutex_lock(&r->mu);
    while (r->ready < r->started)
        cond_wait(&r->cond, &r->mu);
    err = r->err;
    mutex_unlock(&r->mu);
    return err;
}

static size_t memory_len(const struct rings *r)
{
    return r->config.page_len + r->config.payload_len;
}

static int server_start(struct rings *r, struct server *s, unsigned core)
{
    void *memory =
        mmap(NULL, memory_len(r), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int err;

    if (memory == MAP_FAILED)
        return -errno;
    s->rings = r;
    s->entry.config = &r->config;
    s->entry.core = core;
    s->entry.memory = memory;
    s->entry.slot = watchdog_slot_new(r->config.dog);
    err = !s->entry.slot ? ENOMEM : pthread_create(&s->thread, NULL, server_main, s);
    if (err) {
        munmap(memory, memory_len(r));
        return -err;
    }
    r->started++;
    return 0;
}

static int start_all(struct rings *r)
{
    int err = 0;

    for (unsigned i = 0; !err && i < r->core_count * r->depth; i++)
        err = server_start(r, &r->servers[i], i % r->core_count);
    if (!err)
        err = wait_until_ready(r);
    return err;
}

int rings_new(struct fuse_session *se, struct watchdog *dog, size_t payload_len,
              bool (*first)(void *arg, const struct fuse_buf *message), void *arg,
              struct rings **ret)
{
    /* Of all that there could ever be, as the kernel counts its queues. */
    long cores = sysconf(_SC_NPROCESSORS_CONF);
    unsigned depth;
    struct rings *r;
    int err;

    if (cores < 1 || cores > RING_CORE_COUNT_MAX)
        return -ENOTSUP;
    depth = depth_for((unsigned)cores);
    if (!depth)
        return -EMFILE;
    r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->config = (struct ring_config){.se = se,
                                     .dog = dog,
                                     .first = first,
                                     .first_arg = arg,
                                     .page_len = (size_t)sysconf(_SC_PAGESIZE),
                                     .payload_len = payload_len,
                                     .stop_fd = eventfd(0, EFD_CLOEXEC)};
    err = r->config.stop_fd < 0 ? -errno : 0;
    mutex_init(&r->mu);
    cond_init(&r->cond);
    r->core_count = (unsigned)cores;
    r->depth = depth;
    r->servers = calloc((size_t)r->core_count * depth, sizeof(*r->servers));
    if (!err)
        err = !r->servers ? -ENOMEM : start_all(r);
    if (err) {
        rings_free(r);
        return err;
    }
    *ret = r;
    return 0;
}

void rings_go(struct rings *r)
{
    mutex_lock(&r->mu);
    r->go = true;
    cond_broadcast(&r->cond);
    mutex_unlock(&r->mu);
}

bool rings_serve(const struct rings *r)
{
    for (unsigned core = 0; core < r->core_count; core++) {
        unsigned refused = 0;

        for (unsigned i = core; i < r->core_count * r->depth; i += r->core_count)
            refused += atomic_load(&r->servers[i].entry.refused);
        if (refused == r->depth)
            return false;
    }
    return true;
}

void rings_free(struct rings *r)
{
    uint64_t one = 1;

    if (!r)
        return;
    mutex_lock(&r->mu);
    r->over = true;
    cond_broadcast(&r->cond);
    mutex_unlock(&r->mu);
    if (r->config.stop_fd >= 0 && write(r->config.stop_fd, &one, sizeof(one)) < 0)
        mount_log(LSM_LOG_ERROR, "io_uring: cannot stop: %s", strerror(errno));
    for (unsigned i = 0; i < r->started; i++) {
        pthread_join(r->servers[i].thread, NULL);
        munmap(r->servers[i].entry.memory, memory_len(r));
    }
    if (r->config.stop_fd >= 0)
        close(r->config.stop_fd);
    free(r->servers);
    cond_done(&r->cond);
    mutex_done(&r->mu);
    free(r);
}
