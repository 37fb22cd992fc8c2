/*
 * Opening and closing a file system, and what concerns it as a whole.
 *
 * Nothing in memory is needed to answer a request but what opening reads: the superblock facts. The
 * set of orphans and the lease of groups can be built again from the store, so a killed process
 * loses nothing. A damaged orphan does not keep the file system from opening: its removal is tried
 * again next time, and the checker repairs it.
 */
#include <stdlib.h>

#include "fs/impl.h"
#include "fs/super.h"

enum {
    STAT_BLOCK_LEN = 4096,
};
/* There is no table of inodes that could fill up: a number that no program takes for small, and
 * that fits into 32 bits for those that count so. */
#define STAT_FILE_COUNT ((fsfilcnt_t)1 << 31)

int fs_report(const struct fs *fs, int err)
{
    if (err && lsm_is_damage(err) && fs->options.log)
        fs->options.log(fs->options.log_arg, LSM_LOG_ERROR, err_detail());
    return err;
}

static void fs_free(struct fs *fs)
{
    orphans_free(fs->orphans);
    lock_table_free(fs->locks);
    mutex_done(&fs->group_mu);
    mutex_done(&fs->rename_mu);
    free(fs);
}

static int fs_new(const struct fs_options *options, struct fs **ret)
{
    struct fs *fs = calloc(1, sizeof(*fs));
    int err;

    if (!fs)
        return -ENOMEM;
    if (options)
        fs->options = *options;
    fs->read_only = fs->options.read_only;
    mutex_init(&fs->group_mu);
    mutex_init(&fs->rename_mu);
    err = lock_table_new(&fs->locks);
    if (!err)
        err = orphans_new(&fs->orphans);
    if (err) {
        fs_free(fs);
        return err;
    }
    *ret = fs;
    return 0;
}

static int store_open(struct fs *fs, const char *path)
{
    struct lsm_options lo;

    super_store_options(&lo);
    lo.read_only = fs->read_only;
    lo.lock_wait_ms = fs->options.lock_wait_ms;
    if (fs->options.cache_len)
        lo.cache_bytes = fs->options.cache_len;
    lo.compress = !fs->options.no_compress;
    lo.size_max = fs->options.size_max;
    lo.log = fs->options.log;
    lo.log_arg = fs->options.log_arg;
    return lsm_open(path, &lo, &fs->db);
}

/*
 * What a repair of the engine has lost must be marked before anybody reads: until then an older
 * version of what is lost would pass for it.
 */
static int losses_check(struct fs *fs)
{
    int count = lsm_losses(fs->db, NULL, NULL);

    if (count <= 0)
        return count;
    return err_raise(ERR_LOSSES_PENDING,
                     "the store was repaired, but nobody has looked at what it lost; run "
                     "fsck.fluxfs -y");
}

/* The store is open. */
static int start(struct fs *fs)
{
    struct super_facts facts;
    int err = fs_report(fs, losses_check(fs));

    if (!err)
        err = fs_report(fs, super_get(fs->db, fs->read_only, &facts));
    if (err)
        return err;
    fs->super = facts.super;
    memcpy(fs->hash_secret, facts.secret, sizeof(fs->hash_secret));
    fs->group_next = fs->group_leased_until = facts.group_next;
    atomic_init(&fs->unlabelled, facts.unlabelled);
    if (!fs->read_only)
        orphans_purge_all(fs);
    return 0;
}

int fs_open(const char *path, const struct fs_options *options, struct fs **ret)
{
    struct fs *fs;
    int err = fs_new(options, &fs);

    if (err)
        return err;
    err = store_open(fs, path);
    if (!err) {
        err = start(fs);
        if (err)
            super_store_close(fs->db, err);
    }
    if (err)
        fs_free(fs);
    else
        *ret = fs;
    return err;
}

int fs_open_on(struct lsm_db *db, const struct fs_options *options, struct fs **ret)
{
    struct fs *fs;
    int err = fs_new(options, &fs);

    if (err)
        return err;
    fs->db = db;
    err = start(fs);
    if (err)
        fs_free(fs);
    else
        *ret = fs;
    return err;
}

int fs_close(struct fs *fs)
{
    int err = 0, close_err;

    if (!fs)
        return 0;
    if (!fs->read_only && orphans_any(fs->orphans))
        err = orphans_purge_all(fs);
    close_err = lsm_close(fs->db);
    fs_free(fs);
    return close_err ? close_err : err;
}

const struct fs_super *fs_super(const struct fs *fs)
{
    return &fs->super;
}

struct lsm_db *fs_db(struct fs *fs)
{
    return fs->db;
}

int fs_commit(struct fs *fs, struct lsm_batch *b, bool urgent)
{
    int err = lsm_write(fs->db, b, urgent ? LSM_WRITE_URGENT : 0);

    lsm_batch_free(b);
    return err;
}

int fs_sync(struct fs *fs)
{
    return fs->read_only ? 0 : lsm_sync(fs->db);
}

int fs_statvfs(struct fs *fs, struct statvfs *ret)
{
    uint64_t total, free_len, avail;
    int err = lsm_disk_space(fs->db, &total, &free_len, &avail);

    if (err)
        return err;
    memset(ret, 0, sizeof(*ret));
    /* Both alike: statvfs(3) counts in f_frsize, but callers of statfs(2) multiply by f_bsize. */
    ret->f_bsize = ret->f_frsize = STAT_BLOCK_LEN;
    ret->f_blocks = total / STAT_BLOCK_LEN;
    ret->f_bfree = free_len / STAT_BLOCK_LEN;
    ret->f_bavail = avail / STAT_BLOCK_LEN;
    ret->f_files = ret->f_ffree = ret->f_favail = STAT_FILE_COUNT;
    ret->f_fsid = get_le64(fs->super.uuid);
    ret->f_flag = fs->read_only ? ST_RDONLY : 0;
    ret->f_namemax = FS_NAME_LEN_MAX;
    return 0;
}
