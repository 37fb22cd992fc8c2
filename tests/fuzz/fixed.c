/*
 * Each look at the wall clock is two milliseconds later than the one before. Other clocks are as
 * they are: they are waited for.
 */
#include "fuzz/fixed.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/random.h>
#include <time.h>

enum {
    STEP_NS = 2000000,
    NS_PER_S = 1000000000
};

static atomic_uint_fast64_t now_ns, next_random;

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
ssize_t __wrap_getrandom(void *buf, size_t len, unsigned flags);

void fixed_begin(void)
{
    atomic_store(&now_ns, UINT64_C(1700000000) * NS_PER_S);
    atomic_store(&next_random, 1);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
    uint64_t t;

    if (clock != CLOCK_REALTIME)
        return __real_clock_gettime(clock, ret);
    t = atomic_fetch_add(&now_ns, STEP_NS);
    *ret = (struct timespec){(time_t)(t / NS_PER_S), (long)(t % NS_PER_S)};
    return 0;
}

ssize_t __wrap_getrandom(void *buf, size_t len, unsigned flags)
{
    uint8_t *p = buf;

    (void)flags;
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(atomic_fetch_add(&next_random, 1) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
    return (ssize_t)len;
}
