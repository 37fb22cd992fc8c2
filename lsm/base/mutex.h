/*
 * Mutex and condition variable, annotated for clang's -Wthread-safety. They cannot fail: an error
 * from pthread here is a bug, and CHECK says so.
 */
#ifndef LSM_BASE_MUTEX_H
#define LSM_BASE_MUTEX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __clang__
#define TSA(x) __attribute__((x))
#else
#define TSA(x)
#endif
#define CAPABILITY(name) TSA(capability(name))
#define GUARDED_BY(mu)   TSA(guarded_by(mu))
#define REQUIRES(mu)     TSA(requires_capability(mu))
#define EXCLUDES(mu)     TSA(locks_excluded(mu))
#define ACQUIRE(mu)      TSA(acquire_capability(mu))
#define RELEASE(mu)      TSA(release_capability(mu))
#define NO_TSA           TSA(no_thread_safety_analysis)

struct CAPABILITY("mutex") mutex {
    pthread_mutex_t m;
};

struct cond {
    pthread_cond_t c; /* on CLOCK_MONOTONIC */
};

void mutex_init(struct mutex *mu);
void mutex_done(struct mutex *mu);
void mutex_lock(struct mutex *mu) ACQUIRE(mu);
void mutex_unlock(struct mutex *mu) RELEASE(mu);
/* Whether the lock was taken. */
bool mutex_trylock(struct mutex *mu) TSA(try_acquire_capability(true, mu));

void cond_init(struct cond *c);
void cond_done(struct cond *c);
void cond_wait(struct cond *c, struct mutex *mu) REQUIRES(mu);
/* False when `timeout_ms` passed without a signal. */
bool cond_wait_ms(struct cond *c, struct mutex *mu, uint64_t timeout_ms) REQUIRES(mu);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);

#endif
