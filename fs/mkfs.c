/*
 * Making a file system: a new store of the engine, and one durable batch with all superblock facts
 * and the root directory. A crash before that batch leaves a store without keys, which fs_open
 * refuses as such and which mkfs fills.
 */
#include <sys/random.h>

#include "fs/impl.h"
#include "fs/super.h"

static int random_fill(void *buf, size_t len)
{
    uint8_t *p = buf;

    while (len) {
        ssize_t n = getrandom(p, len, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_raise(errno, "no random bytes from the system");
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

/* A store may be there if it holds nothing: an interrupted mkfs leaves one. */
static int check_no_keys(const char *path, struct lsm_db *db)
{
    struct lsm_iter *it;
    int found, err = lsm_iter_new(db, NULL, NULL, 0, NULL, 0, &it);

    if (err)
        return err;
    found = lsm_iter_first(it);
    lsm_iter_free(it);
    if (found > 0)
        return err_raise(ERR_STORE_EXISTS, "%s holds a store already", path);
    return found;
}

static int facts_init(const struct fs_mkfs_options *o, const struct timespec *now,
                      struct super_facts *ret)
{
    const char *label = o->label ? o->label : "";
    uint32_t block_len = o->block_len ? o->block_len : FS_BLOCK_LEN_DEFAULT;
    int err;

    memset(ret, 0, sizeof(*ret));
    if (!super_block_len_ok(block_len))
        return err_raise(EINVAL, "block size %u: must be a power of two from %u to %u", block_len,
                         (unsigned)FS_BLOCK_LEN_MIN, (unsigned)FS_BLOCK_LEN_MAX);
    if (strlen(label) > FS_LABEL_LEN_MAX)
        return err_raise(EINVAL, "the label is longer than %u bytes", (unsigned)FS_LABEL_LEN_MAX);
    for (const char *p = label; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return err_raise(EINVAL, "the label holds a control character");
    if (o->root_mode & ~07777u)
        return err_raise(EINVAL, "mode 0%o of the root directory has bits beyond 07777",
                         o->root_mode);
    err = random_fill(ret->super.uuid, sizeof(ret->super.uuid));
    if (!err)
        err = random_fill(ret->secret, sizeof(ret->secret));
    if (err)
        return err;
    /* RFC 4122, version 4. */
    ret->super.uuid[6] = (uint8_t)((ret->super.uuid[6] & 0x0f) | 0x40);
    ret->super.uuid[8] = (uint8_t)((ret->super.uuid[8] & 0x3f) | 0x80);
    ret->super.block_len = block_len;
    ret->super.created_sec = now->tv_sec;
    memcpy(ret->super.label, label, strlen(label));
    ret->group_next = 1;
    ret->unlabelled = true;
    return 0;
}

static int write_all(struct lsm_db *db, const struct super_facts *facts, const struct inode *root)
{
    struct lsm_batch *b;
    int err = lsm_batch_new(&b);

    if (err)
        return err;
    err = super_put(b, facts);
    if (!err)
        err = inode_put(b, root);
    if (!err)
        err = lsm_write(db, b, LSM_WRITE_SYNC);
    lsm_batch_free(b);
    return err;
}

int fs_mkfs(const char *path, const struct fs_mkfs_options *options)
{
    static const struct fs_mkfs_options none;
    const struct fs_mkfs_options *o = options ? options : &none;
    struct inode root = {
        .ino = FS_ROOT_INO,
        .mode = S_IFDIR | (o->root_mode ? o->root_mode : 0755),
        .uid = o->root_uid,
        .gid = o->root_gid,
        .nlink = 2,
        .parent = FS_ROOT_INO,
    };
    struct super_facts facts;
    struct lsm_options lo;
    struct lsm_db *db;
    int err;

    inode_now(&root.btime);
    root.atime = root.mtime = root.ctime = root.btime;
    err = facts_init(o, &root.btime, &facts);
    if (err)
        return err;
    super_store_options(&lo);
    lo.create = true;
    err = lsm_open(path, &lo, &db);
    if (err == -ERR_STORE_NOT_ONE)
        return err_raise(ENOTEMPTY, "%s", err_detail());
    if (err)
        return err;
    err = check_no_keys(path, db);
    if (!err)
        err = write_all(db, &facts, &root);
    return super_store_close(db, err);
}
