/*
 * An input is a list of changes to the keys and values of a small file system, behind its back.
 * Each begins with a byte that says what (modulo 5), and then
 *
 *     0  put: a byte with the key's length, the key, a byte with the value's length, the value
 *     1  give the nth key (a byte) another value: a byte with its length, the value
 *     2  overwrite in the nth key's value: a byte with the place, a byte with the length, the bytes
 *     3  delete the nth key
 *     4  give the nth key's value to another key: a byte with its length, the key
 *
 * It is mounted, looked at, checked, repaired, and written to.
 */
#include "fuzz/change.h"
#include "fuzz/fixed.h"
#include "fuzz/tree.h"
#include "lsm/db/db.h"

enum {
    BASE_KEY_COUNT_MAX = 200,
    CHANGE_COUNT_MAX = 64
};

static struct env *base;
static struct buf base_keys[BASE_KEY_COUNT_MAX], base_values[BASE_KEY_COUNT_MAX];
static unsigned base_key_count;

static struct lsm_db *open_db(struct env *env)
{
    struct lsm_options o;
    struct lsm_db *db;

    fuzz_tree_options(&o);
    CHECK(!db_open(env, &o, &db));
    return db;
}

static void make_base(void)
{
    struct lsm_db *db;
    struct lsm_iter *it;

    fixed_begin();
    base = env_memory_new();
    fuzz_tree_make(base);
    db = open_db(base);
    CHECK(!lsm_iter_new(db, NULL, NULL, 0, NULL, 0, &it));
    for (int more = lsm_iter_first(it); more > 0; more = lsm_iter_next(it)) {
        size_t len;
        const void *p = lsm_iter_key(it, &len);

        CHECK(base_key_count < BASE_KEY_COUNT_MAX);
        CHECK(!buf_append(&base_keys[base_key_count], p, len));
        p = lsm_iter_value(it, &len);
        CHECK(!buf_append(&base_values[base_key_count++], p, len));
    }
    lsm_iter_free(it);
    CHECK(!lsm_close(db));
}

static void put(struct lsm_batch *b, struct slice key, struct slice value)
{
    if (key.len)
        CHECK(!lsm_batch_put(b, key.data, key.len, value.data, value.len));
}

static void put_overwritten(struct lsm_batch *b, unsigned n, struct slice *in)
{
    unsigned place = fuzz_byte(in);
    struct slice bytes = fuzz_bytes(in, fuzz_byte(in));
    uint8_t *copy = fuzz_copy(buf_slice(&base_values[n]));

    for (size_t i = 0; i < bytes.len && place + i < base_values[n].len; i++)
        copy[place + i] = bytes.data[i];
    put(b, buf_slice(&base_keys[n]), slice_of(copy, base_values[n].len));
    free(copy);
}

static void change_one(struct lsm_batch *b, struct slice *in)
{
    unsigned what = fuzz_byte(in) % 5, n = what ? fuzz_byte(in) % base_key_count : 0;
    struct slice key = buf_slice(&base_keys[n]), value = buf_slice(&base_values[n]);

    if (what == 0 || what == 4)
        key = fuzz_bytes(in, fuzz_byte(in));
    if (what == 0 || what == 1)
        value = fuzz_bytes(in, fuzz_byte(in));
    if (what == 2)
        put_overwritten(b, n, in);
    else if (what == 3)
        CHECK(!lsm_batch_delete(b, key.data, key.len));
    else
        put(b, key, value);
}

/* Only a file system that a newer program made is not judged, and what shows no sign of one. */
static void must_check(struct lsm_db *db)
{
    int err = fuzz_tree_check(db);

    if (err >= 0 || err == -ERR_SUPERBLOCK_VERSION || err == -ERR_SUPERBLOCK_FEATURE ||
        err == -ERR_NO_FILE_SYSTEM)
        return;
    fprintf(stderr, "the check ended with: %s: %s\n", lsm_strerror(err), lsm_detail());
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice in = slice_of(data, len);
    struct lsm_batch *b;
    struct lsm_db *db;
    struct env *env;

    if (!base)
        make_base();
    fixed_begin();
    env = env_memory_copy(base);
    db = open_db(env);
    CHECK(!lsm_batch_new(&b));
    for (unsigned i = 0; in.len && i < CHANGE_COUNT_MAX; i++)
        change_one(b, &in);
    CHECK(!lsm_write(db, b, 0));
    lsm_batch_free(b);
    fuzz_tree_use(db, false);
    must_check(db);
    fuzz_tree_repair(db);
    fuzz_tree_use(db, true);
    CHECK(!lsm_close(db));
    env_memory_free(env);
    return 0;
}
