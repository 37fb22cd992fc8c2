/*
 * Thin wrappers; waits use the monotonic clock so that setting the time cannot stretch them.
 */
#include "lsm/base/mutex.h"

#include <errno.h>
#include <time.h>

#include "lsm/base/check.h"

void mutex_init(struct mutex *mu)
{
    CHECK(pthread_mutex_init(&mu->m, NULL) == 0);
}

void mutex_done(struct mutex *mu)
{
    CHECK(pthread_mutex_destroy(&mu->m) == 0);
}

void mutex_lock(struct mutex *mu) NO_TSA
{
    CHECK(pthread_mutex_lock(&mu->m) == 0);
}

void mutex_unlock(struct mutex *mu) NO_TSA
{
    CHECK(pthread_mutex_unlock(&mu->m) == 0);
}

bool mutex_trylock(struct mutex *mu) NO_TSA
{
    int err = pthread_mutex_trylock(&mu->m);

    CHECK(err == 0 || err == EBUSY);
    return err == 0;
}

void cond_init(struct cond *c)
{
    pthread_condattr_t attr;

    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&c->c, &attr) == 0);
    pthread_condattr_destroy(&attr);
}

void cond_done(struct cond *c)
{
    CHECK(pthread_cond_destroy(&c->c) == 0);
}

void cond_wait(struct cond *c, struct mutex *mu)
{
    CHECK(pthread_cond_wait(&c->c, &mu->m) == 0);
}

bool cond_wait_ms(struct cond *c, struct mutex *mu, uint64_t timeout_ms)
{
    struct timespec until;
    int err;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    err = pthread_cond_timedwait(&c->c, &mu->m, &until);
    CHECK(err == 0 || err == ETIMEDOUT);
    return err == 0;
}

void cond_signal(struct cond *c)
{
    pthread_cond_signal(&c->c);
}

void cond_broadcast(struct cond *c)
{
    pthread_cond_broadcast(&c->c);
}
