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
    mutex_init(&d->slots_mu);
    cond_init(&d->wake);
    d->slots = NULL;
    d->over = false;
    atomic_init(&d->sleeps, false);
}

void watchdog_done(struct watchdog *d)
{
    struct watch_slot *next;

    for (struct watch_slot *s = d->slots; s; s = next) {
        next = s->next;
        free(s);
    }
    cond_done(&d->wake);
    mutex_done(&d->slots_mu);
    mutex_done(&d->mu);
}

struct watch_slot *watchdog_slot_new(struct watchdog *d)
{
    struct watch_slot *slot = aligned_alloc(_Alignof(struct watch_slot), sizeof(*slot));

    if (!slot)
        return NULL;
    memset(slot, 0, sizeof(*slot));
    mutex_lock(&d->slots_mu);
    slot->next = d->slots;
    d->slots = slot;
    mutex_unlock(&d->slots_mu);
    return slot;
}

void watchdog_join(struct watch_slot *slot)
{
    atomic_store(&slot->waiting, &waiting_here);
}

static void wake(struct watchdog *d)
{
    if (!atomic_exchange(&d->sleeps, false))
        return;
    mutex_lock(&d->slots_mu);
    cond_signal(&d->wake);
    mutex_unlock(&d->slots_mu);
}

void watchdog_begin(struct watchdog *d, struct watch_slot *slot, const struct fuse_buf *message)
{
    struct fuse_in_header head = {.opcode = 0};

    if (!(message->flags & FUSE_BUF_IS_FD) && message->size >= sizeof(head))
        memcpy(&head, message->mem, sizeof(head));
    atomic_store_explicit(&slot->opcode, head.opcode, memory_order_relaxed);
    atomic_store_explicit(&slot->ino, head.nodeid, memory_order_relaxed);
    atomic_fetch_add(&slot->began, 1);
    if (atomic_load(&d->sleeps))
        wake(d);
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

/* --- The thread --- */

/* Whether any request is under way; with `look`, slow ones are told. */
static bool any_under_way(struct watchdog *d, bool look)
{
    struct watch_slot *slot;
    uint64_t now = now_ns();
    bool any = false;

    mutex_lock(&d->slots_mu);
    slot = d->slots;
    mutex_unlock(&d->slots_mu);
    /* Without the lock: the log may be slow. */
    for (; slot; slot = slot->next)
        any |= look ? watchdog_look(d, slot, now)
                    : atomic_load(&slot->began) != atomic_load(&slot->ended);
    return any;
}

static void sleep_until_request(struct watchdog *d)
{
    atomic_store(&d->sleeps, true);
    /* One that began before it could see that. */
    if (any_under_way(d, false))
        atomic_store(&d->sleeps, false);
    mutex_lock(&d->slots_mu);
    while (atomic_load(&d->sleeps) && !d->over)
        cond_wait(&d->wake, &d->slots_mu);
    mutex_unlock(&d->slots_mu);
}

/* False when it is over. */
static bool wait_for_next_look(struct watchdog *d)
{
    bool over, in_time = true;

    mutex_lock(&d->slots_mu);
    while (!d->over && in_time)
        in_time = cond_wait_ms(&d->wake, &d->slots_mu, watchdog_look_ms(d));
    over = d->over;
    mutex_unlock(&d->slots_mu);
    return !over;
}

static void *watch(void *arg)
{
    struct watchdog *d = arg;

    do {
        if (!any_under_way(d, true))
            sleep_until_request(d);
    } while (wait_for_next_look(d));
    return NULL;
}

int watchdog_start(struct watchdog *d)
{
    return -pthread_create(&d->thread, NULL, watch, d);
}

void watchdog_stop(struct watchdog *d)
{
    mutex_lock(&d->slots_mu);
    d->over = true;
    cond_signal(&d->wake);
    mutex_unlock(&d->slots_mu);
    pthread_join(d->thread, NULL);
}
