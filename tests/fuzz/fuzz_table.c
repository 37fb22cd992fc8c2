/* An input is the table 00000009.sst. */
#include "fuzz/fuzz.h"
#include "lsm/table/sst.h"
#include "lsm/table/sst_salvage.h"

static int on_damage(void *arg, int err, uint64_t offset, uint64_t len)
{
    (void)arg;
    (void)offset;
    (void)len;
    CHECK(err < 0);
    return 0;
}

static int on_entry(void *arg, struct slice ikey, struct slice value)
{
    struct buf *last = arg;

    CHECK(ikey.len > IKEY_TRAILER_LEN);
    CHECK(!last->len || ikey_cmp(buf_slice(last), ikey) < 0);
    CHECK(!buf_assign(last, ikey.data, ikey.len));
    fuzz_read_all(value);
    return 0;
}

static int on_rangedel(void *arg, const struct rangedel *del)
{
    (void)arg;
    fuzz_read_all(del->start);
    fuzz_read_all(del->end);
    return 0;
}

static int on_lost(void *arg, const struct sst_loss *loss)
{
    (void)arg;
    fuzz_read_all(slice_str(loss->text));
    if (loss->from)
        fuzz_read_all(*loss->from);
    if (loss->to)
        fuzz_read_all(*loss->to);
    return 0;
}

static int on_part(void *arg, struct slice user, uint64_t len)
{
    (void)arg;
    (void)len;
    fuzz_read_all(user);
    return 0;
}

static void look_up(struct sst *t, struct slice ikey)
{
    struct lookup l = {.key = ikey_user(ikey), .snapshot = SEQNO_MAX};

    fold_begin(&l.fold);
    sst_lookup(t, &l);
    fold_done(&l.fold);
}

static void walk(struct sst *t, unsigned flags)
{
    struct buf some = {0};
    struct iter *it;
    unsigned moves = 0;

    if (sst_iter_new(t, flags, &it))
        return;
    for (iter_seek_first(it); it->valid && moves++ < FUZZ_MOVE_COUNT_MAX; iter_next(it)) {
        fuzz_read_all(it->value);
        if (moves % 8 == 1) {
            CHECK(!buf_assign(&some, it->key.data, it->key.len));
            look_up(t, buf_slice(&some));
        }
    }
    if (some.len) {
        iter_seek(it, buf_slice(&some));
        iter_seek_prev(it, buf_slice(&some));
    }
    moves = 0;
    for (iter_seek_last(it); it->valid && moves++ < FUZZ_MOVE_COUNT_MAX; iter_prev(it))
        fuzz_read_all(it->key);
    iter_free(it);
    buf_free(&some);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct env *env = env_memory_new();
    struct buf last = {0};
    struct sst_salvage_calls calls = {on_entry, on_rangedel, on_lost, &last};
    struct block_cache *cache;
    struct sst *t;

    env_memory_put(env, "00000009.sst", slice_of(data, len));
    CHECK(!block_cache_new(1 << 20, &cache));
    if (!sst_open(env, cache, 9, &t)) {
        sst_verify(t, 65536, on_damage, NULL);
        sst_verify(t, 65536, NULL, NULL);
        walk(t, 0);
        walk(t, SST_ITER_NO_CACHE | SST_ITER_READAHEAD);
        sst_to_text(t, false, fuzz_put_line, NULL);
        sst_each_part(t, on_part, NULL);
        sst_unref(t);
    }
    sst_salvage(env, 9, &calls);
    block_cache_free(cache);
    buf_free(&last);
    env_memory_free(env);
    return 0;
}
