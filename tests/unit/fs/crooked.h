/*
 * For the tests of repairs: a random tree of everything, and damage as no single key shows it:
 * whole stretches of keys gone, directories in each other, wrong records, lists without inodes,
 * damage to lost+found. What it touches is written down (damage.h).
 */
#ifndef TESTS_FS_CROOKED_H
#define TESTS_FS_CROOKED_H

#include "fs/acl_xattr.h"
#include "unit/fs/damage.h"

/* u::rwx,u:7:r-x,g::r-x,m::r-x,o::r-x */
static const uint8_t list[] = {
    2,    0, 0, 0,                     /* version */
    0x01, 0, 7, 0, 255, 255, 255, 255, /* owner */
    0x02, 0, 5, 0, 7,   0,   0,   0,   /* user 7 */
    0x04, 0, 5, 0, 255, 255, 255, 255, /* owning group */
    0x10, 0, 5, 0, 255, 255, 255, 255, /* mask */
    0x20, 0, 5, 0, 255, 255, 255, 255, /* others */
};

static inline void del_record(struct fixture *f, uint64_t ino)
{
    struct key k;

    key_ino(&k, KEY_INODE, ino);
    del(f, &k);
}

struct crooked {
    struct fixture *f;
    struct damage d;
    struct kv_model before;
    uint64_t dirs[64], files[256];
    size_t dir_count, file_count;
    uint64_t lost; /* lost+found; 0: none */
};

static inline uint64_t below(struct crooked *c, uint64_t n)
{
    return rng_below(&c->d.rng, n);
}

static inline uint64_t any_dir(struct crooked *c)
{
    return c->dirs[below(c, c->dir_count)];
}

static inline uint64_t any_file(struct crooked *c)
{
    return c->file_count ? c->files[below(c, c->file_count)] : FS_ROOT_INO;
}

/* An inode, or a number that none has. */
static inline uint64_t any_number(struct crooked *c)
{
    switch (below(c, 4)) {
    case 0:
        return any_dir(c);
    case 1:
        return below(c, 6) << 16 | below(c, 20);
    default:
        return any_file(c);
    }
}

static inline void take_inodes(struct crooked *c)
{
    for (size_t i = 0; i < c->before.count; i++) {
        const struct kv_pair *p = &c->before.pairs[i];
        struct inode in;
        uint64_t ino;

        if (p->key.data[0] != KEY_INODE)
            continue;
        ino = get_be64(p->key.data + 1);
        assert_int_equal(inode_decode(ino, p->value.data, p->value.len, &in), 0);
        if (S_ISDIR(in.mode) && c->dir_count < 64)
            c->dirs[c->dir_count++] = ino;
        else if (!S_ISDIR(in.mode) && c->file_count < 256)
            c->files[c->file_count++] = ino;
    }
}

/* The record as it is by now; false when there is none. A symlink's target is not kept. */
static inline bool record(struct crooked *c, uint64_t ino, struct inode *ret)
{
    struct lsm_value v;
    struct key k;
    bool good;

    touch(&c->d, ino);
    key_ino(&k, KEY_INODE, ino);
    if (lsm_get(fs_db(c->f->fs), NULL, k.data, k.len, &v))
        return false;
    good = !inode_decode(ino, v.data, v.len, ret) && !S_ISLNK(ret->mode);
    lsm_value_done(&v);
    return good;
}

/* Keys that follow each other, as in a table or a block of one. */
static inline void lose_stretch(struct crooked *c)
{
    static const char tags[] = "DIBX";
    uint8_t tag = (uint8_t)tags[below(c, 4)];
    uint64_t skip = below(c, 40), count = 1 + below(c, below(c, 2) ? 400 : 8);

    for (size_t i = 0; i < c->before.count && count; i++) {
        const struct kv_pair *p = &c->before.pairs[i];

        if (p->key.data[0] != tag)
            continue;
        if (skip) {
            skip--;
            continue;
        }
        count--;
        touch_key(&c->d, slice_of_buf(&p->key), slice_of_buf(&p->value));
        assert_int_equal(lsm_delete(fs_db(c->f->fs), p->key.data, p->key.len, 0), 0);
    }
}

/* Take all names of a directory away. */
static inline void lose_names(struct crooked *c, uint64_t ino)
{
    for (size_t i = 0; i < c->before.count; i++) {
        struct slice key = slice_of_buf(&c->before.pairs[i].key);
        struct slice value = slice_of_buf(&c->before.pairs[i].value);

        if (key.data[0] != KEY_DIRENT || key_owner(key, value) != ino)
            continue;
        touch_key(&c->d, key, value);
        assert_int_equal(lsm_delete(fs_db(c->f->fs), key.data, key.len, 0), 0);
    }
}

static inline void add_name(struct crooked *c, uint64_t parent, const char *name, uint64_t ino,
                            uint32_t type)
{
    touch(&c->d, parent);
    touch(&c->d, ino);
    add_entry(c->f, parent, name, ino, type);
}

/* Which directory of a loop is taken out depends on all: none of them is looked at afterwards. */
static inline void misplace_dir(struct crooked *c)
{
    uint64_t dir = any_dir(c);
    char name[32];

    for (size_t i = 0; i < c->dir_count; i++)
        touch(&c->d, c->dirs[i]);
    if (dir != FS_ROOT_INO && below(c, 3))
        lose_names(c, dir);
    snprintf(name, sizeof(name), "misplaced%llu", (unsigned long long)below(c, 3));
    add_name(c, below(c, 4) ? any_dir(c) : any_number(c), name, dir, S_IFDIR);
}

static inline void misname(struct crooked *c)
{
    static const uint32_t types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO};
    char name[32];

    snprintf(name, sizeof(name), "n%llu", (unsigned long long)below(c, 40));
    if (!below(c, 4))
        snprintf(name, sizeof(name), "lost+found");
    /* It may take the place of another. */
    c->d.names = true;
    for (size_t i = 0; i < c->before.count; i++) {
        const struct kv_pair *p = &c->before.pairs[i];

        if (p->key.data[0] == KEY_DIRENT &&
            slice_eq(slice_of(p->key.data + KEY_DIRENT_HEAD_LEN, p->key.len - KEY_DIRENT_HEAD_LEN),
                     slice_str(name)))
            touch_key(&c->d, slice_of_buf(&p->key), slice_of_buf(&p->value));
    }
    add_name(c, any_number(c), name, any_number(c), types[below(c, 4)]);
}

static inline void crook_list(struct crooked *c)
{
    uint64_t ino = any_number(c);
    struct inode in;
    struct key k;

    acl_key(&k, ino, below(c, 2) ? ACL_ACCESS : ACL_DEFAULT);
    touch(&c->d, ino);
    put(c->f, &k, list, below(c, 3) ? sizeof(list) : (size_t)below(c, sizeof(list)));
    if (below(c, 2) && record(c, ino, &in)) {
        in.flags = (uint32_t)below(c, 8);
        store(c->f, &in);
    }
}

static inline void crook_record(struct crooked *c)
{
    static const uint32_t types[] = {S_IFREG, S_IFDIR, S_IFIFO, S_IFSOCK};
    struct inode in;

    if (!record(c, below(c, 2) ? any_dir(c) : any_file(c), &in))
        return;
    switch (below(c, 6)) {
    case 0:
        in.mode = (in.mode & ~(uint32_t)S_IFMT) | types[below(c, 4)];
        break;
    case 1:
        in.next_slot = (uint32_t)below(c, 8);
        break;
    case 2:
        in.group = below(c, 6);
        break;
    case 3:
        in.nlink = (uint32_t)below(c, 5);
        break;
    case 4:
        in.parent = any_number(c);
        break;
    default:
        in.size = below(c, BLOCK_LEN * 6);
        in.block_count = below(c, 4);
    }
    store(c->f, &in);
}

static inline void crook_block(struct crooked *c)
{
    static uint8_t data[BLOCK_LEN + 100];
    uint64_t ino = any_number(c);

    touch(&c->d, ino);
    memset(data, 'b', sizeof(data));
    put_block(c->f, ino, below(c, 12), data,
              below(c, 2) ? BLOCK_LEN : (size_t)below(c, sizeof(data)));
}

/* The orphan's mark, or the counter of groups. */
static inline void crook_fact(struct crooked *c)
{
    struct key k;
    uint64_t ino = any_number(c);

    if (!below(c, 3)) {
        assert_int_equal(super_write_group_next(fs_db(c->f->fs), 1 + below(c, 3)), 0);
        return;
    }
    touch(&c->d, ino);
    key_ino(&k, KEY_ORPHAN, ino);
    put(c->f, &k, "", 0);
}

/* A key that is too long, with a value that may be that of an entry. */
static inline void crook_key(struct crooked *c)
{
    static const char tags[] = "DDDIBXO";
    uint8_t key[2000], value[DIRENT_VALUE_LEN];
    size_t len = KEY_DIRENT_HEAD_LEN + (size_t)below(c, below(c, 2) ? 300 : 1900);
    uint64_t ino = any_number(c), named = any_number(c);

    for (size_t i = 0; i < len; i++)
        key[i] = (uint8_t)rng_next(&c->d.rng);
    key[0] = (uint8_t)tags[below(c, sizeof(tags) - 1)];
    put_be64(key + 1, ino);
    put_le64(value, named);
    value[8] = (uint8_t)(below(c, 3) ? S_IFREG >> 12 : below(c, 256));
    touch(&c->d, ino);
    touch(&c->d, named);
    assert_int_equal(lsm_put(fs_db(c->f->fs), key, len, value, sizeof(value), 0), 0);
}

/* The place where repairs put what they find. */
static inline void crook_lost_found(struct crooked *c)
{
    uint64_t lost = c->lost;
    struct inode in;

    if (!lost)
        return;
    touch(&c->d, FS_ROOT_INO);
    switch (below(c, 5)) {
    case 0:
        add_name(c, lost, "lost+found", lost, S_IFDIR);
        break;
    case 1:
        add_name(c, FS_ROOT_INO, "lost+found", any_number(c), S_IFDIR);
        touch(&c->d, lost);
        break;
    case 2:
        del_record(c->f, lost);
        touch(&c->d, lost);
        break;
    case 3:
        if (record(c, lost, &in)) {
            in.mode = S_IFREG | 0600;
            store(c->f, &in);
        }
        break;
    default:
        add_name(c, any_dir(c), "moved", lost, S_IFDIR);
        drop_entry(c->f, FS_ROOT_INO, "lost+found");
    }
}

static inline void damage_key(struct crooked *c)
{
    damage_one(&c->d, fs_db(c->f->fs), &c->before);
}

static inline void grow_crooked(struct crooked *c)
{
    struct fs *fs = c->f->fs;
    struct fs_attr a;

    random_tree(c->f, &c->d.rng, 20 + (unsigned)below(c, 50));
    if (below(c, 2)) {
        c->lost = make_dir(fs, FS_ROOT_INO, "lost+found");
        random_file(c->f, &c->d.rng, make_file(fs, c->lost, "#65537"));
        make_file(fs, make_dir(fs, c->lost, "#131072"), "n1");
    }
    take_keys(fs_db(fs), &c->before);
    take_inodes(c);
    kv_clear(&c->before);
    for (int i = 0; i < 4; i++) {
        uint64_t ino = below(c, 2) ? any_dir(c) : any_file(c);

        assert_int_equal(fs_getattr(fs, ino, &a), 0);
        if (!S_ISLNK(a.mode))
            assert_int_equal(fs_setxattr(fs, ino, "system.posix_acl_access", list, sizeof(list), 0),
                             0);
    }
    assert_int_equal(fs_setxattr(fs, any_dir(c), "system.posix_acl_default", list, sizeof(list), 0),
                     0);
    take_keys(fs_db(fs), &c->before);
}

/* Some damages, of any kinds. */
static inline void crook(struct crooked *c, unsigned count)
{
    static void (*const kinds[])(struct crooked * c) = {
        lose_stretch, misplace_dir, misname,          crook_list, crook_record,
        crook_block,  crook_fact,   crook_lost_found, damage_key, crook_key,
    };

    while (count--)
        kinds[below(c, sizeof(kinds) / sizeof(kinds[0]))](c);
}

#endif
