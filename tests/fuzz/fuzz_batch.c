/* An input is a batch: the payload of a record of a log, or what a write hands in. */
#include "fuzz/fuzz.h"
#include "lsm/db/db.h"
#include "lsm/wal/batch.h"

enum {
    BOUND = 65536 /* bytes; a patch may ask for a gibibyte of zeros */
};

static void *hold(void *arg, uint64_t number)
{
    CHECK(number);
    return arg;
}

static void release(void *object, bool flushed)
{
    (void)object;
    (void)flushed;
}

static void look_up(struct memtable *mt, struct slice key)
{
    struct lookup l = {.key = key, .snapshot = SEQNO_MAX, .fold.value_len_max = BOUND};
    struct slice value, ref;

    fold_begin(&l.fold);
    if (!memtable_lookup(mt, &l)) {
        fold_end(&l.fold);
        if (!fold_base_ref(&l.fold, &ref) && fold_value(&l.fold, &value) > 0)
            fuzz_read_all(value);
    }
    fold_done(&l.fold);
}

static void walk(struct memtable *mt)
{
    struct buf last = {0};
    struct iter *it;

    CHECK(!memtable_iter_new(mt, &it));
    for (iter_seek_first(it); it->valid; iter_next(it)) {
        CHECK(!last.len || ikey_cmp(buf_slice(&last), it->key) < 0);
        CHECK(!buf_assign(&last, it->key.data, it->key.len));
        fuzz_read_all(it->value);
    }
    CHECK(!it->err);
    iter_free(it);
    buf_free(&last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t *copy = fuzz_copy(slice_of(data, len));
    struct slice batch = slice_of(copy, len), in = batch;
    struct buf again = {0};
    struct memtable_files files = {hold, release, &files};
    struct memtable *mt;
    struct batch_op op;
    uint64_t count, found = 0, len_max = 0;
    int answer = batch_check(batch, VALUE_LEN_MAX, &count);

    while (batch_next(&in, &op) > 0 && ++found) {
        if (value_len_of(op.kind, op.value) > len_max)
            len_max = value_len_of(op.kind, op.value);
        CHECK(!batch_append(&again, op.kind, op.key, op.value));
    }
    if (!answer) {
        CHECK(found == count && len_max <= VALUE_LEN_MAX);
        CHECK(batch_check(batch, BOUND, &count) == (len_max > BOUND ? -ERR_VALUE_LEN : 0));
        CHECK(!batch_check(buf_slice(&again), VALUE_LEN_MAX, &count) && found == count);
        CHECK(!memtable_new(7, &mt));
        memtable_set_files(mt, &files);
        CHECK(!batch_insert(mt, batch, 1));
        CHECK(memtable_entry_count(mt) == count);
        walk(mt);
        for (in = batch; batch_next(&in, &op) > 0;)
            look_up(mt, op.key);
        memtable_unref(mt);
    }
    buf_free(&again);
    free(copy);
    return 0;
}
