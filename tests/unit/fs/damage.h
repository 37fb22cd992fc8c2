/*
 * For the tests of repairs: a random tree, and random damage to the keys of its store, with the
 * inodes that it touches written down.
 */
#ifndef TESTS_FS_DAMAGE_H
#define TESTS_FS_DAMAGE_H

#include "lib/rng.h"
#include "unit/fs/fsck_fixture.h"

enum {
    TREE_DIRS_MAX = 12,
    TOUCHED_MAX = 4096
};

/* --- A random tree --- */

static inline void random_file(struct fixture *f, struct rng *rng, uint64_t ino)
{
    static uint8_t data[BLOCK_LEN * 5];
    struct fs_attr a;

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)rng_next(rng);
    assert_int_equal(fs_write(f->fs, ino, rng_below(rng, 3) * rng_below(rng, BLOCK_LEN * 4), data,
                              1 + rng_below(rng, sizeof(data) - 1)),
                     0);
    if (!rng_below(rng, 4)) {
        a.size = rng_below(rng, BLOCK_LEN * 8);
        assert_int_equal(fs_setattr(f->fs, ino, &a, FS_SET_SIZE, &a), 0);
    }
    if (!rng_below(rng, 3))
        assert_int_equal(fs_setxattr(f->fs, ino, "user.x", data, rng_below(rng, 50), 0), 0);
}

static inline void random_tree(struct fixture *f, struct rng *rng, unsigned count)
{
    uint64_t dirs[TREE_DIRS_MAX] = {FS_ROOT_INO}, file = 0;
    unsigned dir_count = 1;
    struct fs_attr a;
    char name[32];

    for (unsigned i = 0; i < count; i++) {
        uint64_t parent = dirs[rng_below(rng, dir_count)];

        snprintf(name, sizeof(name), "n%u", i);
        switch (rng_below(rng, 8)) {
        case 0:
        case 1:
            if (dir_count < TREE_DIRS_MAX)
                dirs[dir_count++] = make_dir(f->fs, parent, name);
            break;
        case 2:
            assert_int_equal(fs_symlink(f->fs, parent, name, "a/b", &cred0, &a), 0);
            break;
        case 3:
            make(f->fs, parent, name, S_IFIFO | 0600);
            break;
        case 4:
            if (file)
                assert_int_equal(fs_link(f->fs, file, parent, name, &a), 0);
            break;
        case 5:
            make_file(f->fs, parent, name);
            break;
        default:
            file = make_file(f->fs, parent, name);
            random_file(f, rng, file);
        }
    }
}

/* --- Damage --- */

struct damage {
    struct rng rng;
    uint64_t touched[TOUCHED_MAX]; /* inodes that may look different after the repair */
    size_t touched_count;
    bool names; /* entries may have moved: the secret was damaged */
};

static inline void touch(struct damage *d, uint64_t ino)
{
    assert_true(d->touched_count < TOUCHED_MAX);
    d->touched[d->touched_count++] = ino;
}

static inline void touch_key(struct damage *d, struct slice key, struct slice value)
{
    touch(d, key_owner(key, value));
    if (key.len >= KEY_INODE_LEN)
        touch(d, get_be64(key.data + 1));
    if (slice_eq(key, slice_str("Ssecret")))
        d->names = true;
}

static inline void damage_put(struct damage *d, struct lsm_db *db, struct slice key,
                              struct slice value)
{
    touch_key(d, key, value);
    assert_int_equal(lsm_put(db, key.data, key.len, value.data, value.len, 0), 0);
}

/* Another value of the key: bits turned, cut off, made longer. */
static inline void damage_value(struct damage *d, struct lsm_db *db, struct slice key,
                                struct slice value)
{
    uint8_t buf[BLOCK_LEN * 2];
    size_t len = value.len;

    assert_true(len < sizeof(buf) - 64);
    if (len)
        memcpy(buf, value.data, len);
    switch (rng_below(&d->rng, 3)) {
    case 0:
        len = rng_below(&d->rng, len + 1);
        break;
    case 1:
        for (size_t n = 1 + rng_below(&d->rng, 40); n; n--)
            buf[len++] = (uint8_t)rng_next(&d->rng);
        break;
    default:
        for (size_t n = rng_below(&d->rng, 4); len && n; n--)
            buf[rng_below(&d->rng, len)] ^= (uint8_t)(1 + rng_below(&d->rng, 255));
    }
    /* Another version or feature is no damage: it belongs to a newer program. */
    if (slice_eq(key, slice_str("Sformat")) && len == SUPER_FORMAT_LEN)
        len--;
    damage_put(d, db, key, slice_of(buf, len));
}

/* A key of a known or unknown kind with a number of the neighbourhood. */
static inline void damage_new_key(struct damage *d, struct lsm_db *db, const struct kv_model *m)
{
    static const char tags[] = "BDIOXBDIOXQ";
    const struct kv_pair *p = &m->pairs[rng_below(&d->rng, m->count)];
    uint8_t key[64];
    size_t len = 1 + rng_below(&d->rng, 30);

    for (size_t i = 0; i < len; i++)
        key[i] = (uint8_t)rng_next(&d->rng);
    if (len >= KEY_INODE_LEN)
        put_be64(key + 1, rng_below(&d->rng, UINT64_C(6) << 16));
    if (rng_below(&d->rng, 2) && len >= KEY_BLOCK_LEN)
        put_be64(key + 9, rng_below(&d->rng, 100));
    key[0] = (uint8_t)tags[rng_below(&d->rng, sizeof(tags) - 1)];
    if (rng_below(&d->rng, 4))
        len = key[0] == KEY_BLOCK                           ? KEY_BLOCK_LEN
              : key[0] == KEY_INODE || key[0] == KEY_ORPHAN ? KEY_INODE_LEN
                                                            : len;
    touch(d, len >= KEY_INODE_LEN ? get_be64(key + 1) : 0);
    if (kv_get(m, slice_of(key, len)))
        touch_key(d, slice_of(key, len), slice_of_buf(&kv_get(m, slice_of(key, len))->value));
    damage_put(d, db, slice_of(key, len), slice_of_buf(&p->value));
}

/*
 * One of the keys; not the block length, which cannot always be told again when damage has hit
 * blocks and the ends of files as well: it is then left alone (test_repair_facts.c).
 */
static inline const struct kv_pair *damage_pick(struct damage *d, const struct kv_model *m)
{
    const struct kv_pair *p;

    do
        p = &m->pairs[rng_below(&d->rng, m->count)];
    while (p->key.len == 10 && !memcmp(p->key.data, "Sblock_len", 10));
    return p;
}

/* One random damage to a key of the store as it was at first. */
static inline void damage_one(struct damage *d, struct lsm_db *db, const struct kv_model *m)
{
    const struct kv_pair *p = damage_pick(d, m);
    const struct kv_pair *q = damage_pick(d, m);
    struct slice key = slice_of_buf(&p->key), value = slice_of_buf(&p->value);

    touch_key(d, key, value);
    switch (rng_below(&d->rng, 4)) {
    case 0:
        assert_int_equal(lsm_delete(db, key.data, key.len, 0), 0);
        break;
    case 1:
        damage_value(d, db, key, value);
        break;
    case 2:
        if (q->key.data[0] == KEY_SUPER || key.data[0] == KEY_SUPER)
            break;
        touch_key(d, slice_of_buf(&q->key), slice_of_buf(&q->value));
        damage_put(d, db, slice_of_buf(&q->key), value);
        damage_put(d, db, key, slice_of_buf(&q->value));
        break;
    default:
        damage_new_key(d, db, m);
    }
}

/* What no damage has touched is as it was: records, contents and attributes, and names. */
static inline void assert_untouched(const struct damage *d, struct lsm_db *db,
                                    const struct kv_model *before)
{
    struct kv_model now;

    take_keys(db, &now);
    for (size_t i = 0; i < before->count; i++) {
        struct slice key = slice_of_buf(&before->pairs[i].key);
        struct slice value = slice_of_buf(&before->pairs[i].value);
        uint64_t ino = key_owner(key, value);
        bool entry = key.data[0] == KEY_DIRENT;
        struct inode in;
        const struct kv_pair *pair;

        if (!ino || in_list(ino, d->touched, d->touched_count) ||
            (entry && (d->names || in_list(get_be64(key.data + 1), d->touched, d->touched_count))))
            continue;
        /* Directories change with what they hold. */
        if (key.data[0] == KEY_INODE && !inode_decode(ino, value.data, value.len, &in) &&
            S_ISDIR(in.mode))
            continue;
        pair = kv_get(&now, key);
        if (!pair || !slice_eq(slice_of_buf(&pair->value), value)) {
            print_error("key %c of inode %llu, which was not damaged, has %s\n", key.data[0],
                        (unsigned long long)ino, pair ? "changed" : "gone");
            fail();
        }
    }
    kv_clear(&now);
}

/* After a repair: what is new finds its place, everything agrees, nothing is found. Closes it. */
static inline void expect_usable(struct fixture *f)
{
    make_file(f->fs, make_dir(f->fs, FS_ROOT_INO, "after the repair"), "file");
    everything_agrees(f->fs);
    expect_clean(f);
    assert_int_equal(fs_close(f->fs), 0);
}

/* TEST_ROUNDS seeds, from TEST_SEED on: one, or the usual number when that is not given either. */
static inline void damage_rounds(void (*run)(uint64_t seed), uint64_t usual)
{
    const char *rounds = getenv("TEST_ROUNDS");
    uint64_t seed = rng_seed(1), count = rounds ? strtoull(rounds, NULL, 0) : usual;

    if (getenv("TEST_SEED") && !rounds)
        count = 1;
    for (uint64_t i = 0; i < count; i++) {
        print_message("seed %llu\n", (unsigned long long)(seed + i));
        run(seed + i);
    }
}

#endif
