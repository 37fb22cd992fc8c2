/*
 * The bucket is kept as a moment: the one up to which the writing so far has used the rate up.
 * Writing moves it forward by the time that the bytes are worth. It lags behind the clock by
 * BURST_NS at most: that is the bucket's size, so an idle hour does not buy a second of full speed.
 */
#include "lsm/compact/rate_limit.h"

enum {
    BURST_NS = 100 * 1000 * 1000
};

#define NS_PER_S UINT64_C(1000000000)

void rate_limit_init(struct rate_limit *r, uint64_t len_per_s, uint64_t now_ns)
{
    r->len_per_s = len_per_s;
    r->paid_ns = now_ns > BURST_NS ? now_ns - BURST_NS : 0;
}

/* What len bytes are worth in time, without overflow on the way. */
static uint64_t worth_ns(const struct rate_limit *r, uint64_t len)
{
    double ns = (double)len * (double)NS_PER_S / (double)r->len_per_s;

    return ns < (double)(UINT64_MAX / 4) ? (uint64_t)ns : UINT64_MAX / 4;
}

uint64_t rate_limit_take(struct rate_limit *r, uint64_t len, uint64_t now_ns)
{
    uint64_t worth;

    if (r->len_per_s == 0)
        return now_ns;
    if (now_ns > BURST_NS && r->paid_ns < now_ns - BURST_NS)
        r->paid_ns = now_ns - BURST_NS;
    worth = worth_ns(r, len);
    r->paid_ns = r->paid_ns > UINT64_MAX - worth ? UINT64_MAX : r->paid_ns + worth;
    return r->paid_ns > now_ns ? r->paid_ns : now_ns;
}
