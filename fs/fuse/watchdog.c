/*
 * The watchdog. A worker says that a request has ended by `ended`, and then looks at `told`; the
 * watcher sets `told`, and then looks at `ended`. So one of them at least knows of the other, and
 * the lock makes the end the second line.
 */
#include "fs/fuse/watchdog.h"

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/fuse/mount_log.h"
#include "fs/fuse/opcode.h"

enum {
    LIMIT_MS = 10000,
    LOOKS = 16, /* so many within the limit */
};

#define NS_PER_MS UINT64_C(1000000)

void watchdog_init(struct watchdog *d, unsigned limit_ms)
{
    const char *text = getenv("FLUXFS_SLOW_REQUEST_MS");

    if (!limit_ms && text)
        limit_ms = (unsigned)strtoul(text, NULL, 10);
    d->limit_ms = limit_ms ? limit_ms : LIMIT_MS;
    mutex_init(&d->mu);
}

void watchdog_done(struct watchdog *d)
{
    mutex_done(&d->mu);
}

void watchdog_join(struct watch_slot *slot)
{
    atomic_store(&slot->waiting, &waiting_here);
}

void watchdog_begin(struct watch_slot *slot, const struct fuse_buf *message)
{
    struct fuse_in_header head = {.opcode = 0};

    if (!(message->flags & FUSE_BUF_IS_FD) && message->size >= sizeof(head))
        memcpy(&head, message->mem, sizeof(head));
    atomic_store_explicit(&slot->opcode, head.opcode, memory_order_relaxed);
    atomic_store_explicit(&slot->ino, head.nodeid, memory_order_relaxed);
    atomic_fetch_add(&slot->began, 1);
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* "FSYNC of inode 65537": the worker is at it still, or just no more. */
static void name_request(const struct watch_slot *slot, char ret[64])
{
    snprintf(ret, 64, "%s of inode %llu", opcode_name(atomic_load(&slot->opcode)),
             (unsigned long long)atomic_load(&slot->ino));
}

static void tell_end(struct watchdog *d, struct watch_slot *slot, unsigned long n)
{
    char name[64];

    mutex_lock(&d->mu);
    if (atomic_load(&slot->told) == n) {
        name_request(slot, name);
        mount_log(LSM_LOG_WARN, "slow: %s has ended after %.1f s", name,
                  (double)(now_ns() - slot->seen_ns) / 1e9);
        atomic_store(&slot->told, 0);
    }
    mutex_unlock(&d->mu);
}

void watchdog_end(struct watchdog *d, struct watch_slot *slot)
{
    unsigned long n = atomic_fetch_add(&slot->ended, 1) + 1;

    if (atomic_load(&slot->told) == n)
        tell_end(d, slot, n);
}

static void tell_slow(struct watchdog *d, struct watch_slot *slot, uint64_t taken_ns)
{
    waiting_note *note = atomic_load(&slot->waiting);
    const char *what = note ? atomic_load(note) : NULL;
    char name[64];

    mutex_lock(&d->mu);
    atomic_store(&slot->told, slot->seen);
    if (atomic_load(&slot->ended) >= slot->seen) {
        /* It has ended at this very moment, after less than twice the limit: no more of it. */
        atomic_store(&slot->told, 0);
    } else {
        name_request(slot, name);
        mount_log(LSM_LOG_WARN, "slow: %s takes %.1f s so far; %s%s", name, (double)taken_ns / 1e9,
                  what ? "it waits for " : "what it waits for is not known", what ? what : "");
    }
    mutex_unlock(&d->mu);
}

bool watchdog_look(struct watchdog *d, struct watch_slot *slot, uint64_t now)
{
    unsigned long ended = atomic_load(&slot->ended), began = atomic_load(&slot->began);

    if (began == ended)
        return false;
    if (began != slot->seen) {
        /* Under the lock: the end of the one before may just be told. */
        mutex_lock(&d->mu);
        slot->seen = began;
        slot->seen_ns = now;
        mutex_unlock(&d->mu);
    } else if (now - slot->seen_ns >= d->limit_ms * NS_PER_MS &&
               atomic_load(&slot->told) != slot->seen) {
        tell_slow(d, slot, now - slot->seen_ns);
    }
    return true;
}

unsigned watchdog_look_ms(const struct watchdog *d)
{
    return d->limit_ms > LOOKS ? d->limit_ms / LOOKS : 1;
}
