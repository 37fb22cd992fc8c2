/*
 * The inode record: its bytes, and reading and writing it.
 *
 * Numbers are varints, so that the record of a small file is about 30 bytes. The four times stand
 * in the order btime, atime, mtime, ctime, and one that equals the time before it is left out: a
 * new file has one time, a written one two. Seconds are signed 64-bit numbers (zigzag varints), so
 * that times before 1970 and after 2038 are as good as any.
 *
 * A record is valid if and only if its version is known, every field is there and in range for the
 * type of the inode, and nothing follows the last one.
 */
#include <inttypes.h>
#include <time.h>

#include "fs/acl_xattr.h"

enum {
    TIME_COUNT = 4,
    NSEC_PER_SEC = 1000000000,
    DIR_ENTRY_LEN = 32, /* what a directory's size shows for each entry */
    DIR_SIZE_UNIT = 4096,
};

/* So that no size that stat shows can overflow. */
#define DIR_ENTRY_COUNT_MAX ((uint64_t)1 << 56)

static uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t v)
{
    return (int64_t)((v >> 1) ^ (v & 1 ? UINT64_MAX : 0));
}

static bool time_eq(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static uint8_t *put_times(uint8_t *p, const struct inode *in)
{
    const struct timespec *times[TIME_COUNT] = {&in->btime, &in->atime, &in->mtime, &in->ctime};
    uint8_t *same = p++;

    *same = 0;
    for (int i = 0; i < TIME_COUNT; i++) {
        if (i && time_eq(times[i], times[i - 1])) {
            *same = (uint8_t)(*same | 1 << (i - 1));
            continue;
        }
        p = put_varint64(p, zigzag(times[i]->tv_sec));
        put_le32(p, (uint32_t)times[i]->tv_nsec);
        p += 4;
    }
    return p;
}

static bool take_times(struct slice *in, struct inode *ret)
{
    struct timespec *times[TIME_COUNT] = {&ret->btime, &ret->atime, &ret->mtime, &ret->ctime};
    struct slice same, nsec;
    uint64_t sec;

    if (!take_bytes(in, 1, &same) || same.data[0] >> (TIME_COUNT - 1))
        return false;
    for (int i = 0; i < TIME_COUNT; i++) {
        if (i && same.data[0] >> (i - 1) & 1) {
            *times[i] = *times[i - 1];
            continue;
        }
        if (!take_varint64(in, &sec) || !take_bytes(in, 4, &nsec))
            return false;
        times[i]->tv_sec = unzigzag(sec);
        times[i]->tv_nsec = get_le32(nsec.data);
        if (times[i]->tv_nsec >= NSEC_PER_SEC)
            return false;
    }
    return true;
}

size_t inode_encode(const struct inode *in, uint8_t *buf)
{
    uint8_t *p = buf;

    *p++ = INODE_VERSION;
    p = put_varint64(p, in->mode);
    p = put_varint64(p, in->uid);
    p = put_varint64(p, in->gid);
    p = put_varint64(p, in->nlink);
    p = put_varint64(p, in->flags);
    p = put_varint64(p, in->size);
    p = put_times(p, in);
    switch (in->mode & S_IFMT) {
    case S_IFREG:
        p = put_varint64(p, in->block_count);
        break;
    case S_IFDIR:
        p = put_varint64(p, in->parent);
        p = put_varint64(p, in->group);
        p = put_varint64(p, in->next_slot);
        break;
    case S_IFCHR:
    case S_IFBLK:
        p = put_varint64(p, in->rdev);
        break;
    case S_IFLNK:
        CHECK(in->target.len == in->size && in->size <= FS_SYMLINK_LEN_MAX);
        memcpy(p, in->target.data, in->target.len);
        p += in->target.len;
        break;
    default:
        break;
    }
    return (size_t)(p - buf);
}

/* What only an inode of this type has. False: damaged, or no such type. */
static bool take_type_fields(struct slice *in, struct inode *ret)
{
    switch (ret->mode & S_IFMT) {
    case S_IFREG:
        return ret->size <= FS_FILE_LEN_MAX && take_varint64(in, &ret->block_count);
    case S_IFDIR:
        return ret->size <= DIR_ENTRY_COUNT_MAX && take_varint64(in, &ret->parent) &&
               take_varint64(in, &ret->group) && take_varint32(in, &ret->next_slot) &&
               ret->parent > 0 && ret->parent < INODE_NUMBER_END && ret->group < INODE_GROUP_END &&
               ret->next_slot <= INODE_SLOT_COUNT;
    case S_IFCHR:
    case S_IFBLK:
        return ret->size == 0 && take_varint64(in, &ret->rdev);
    case S_IFLNK:
        return ret->size > 0 && ret->size <= FS_SYMLINK_LEN_MAX &&
               take_bytes(in, (size_t)ret->size, &ret->target) &&
               !memchr(ret->target.data, 0, ret->target.len);
    case S_IFIFO:
    case S_IFSOCK:
        return ret->size == 0;
    default:
        return false;
    }
}

static bool flags_ok(const struct inode *in)
{
    uint32_t acls = acl_flags_possible(in->mode);

    if (in->flags & ~(INODE_HAS_XATTR | acls))
        return false;
    return in->flags & INODE_HAS_XATTR || !(in->flags & acls);
}

static bool take_record(struct slice in, struct inode *ret)
{
    struct slice version;

    return take_bytes(&in, 1, &version) && take_varint32(&in, &ret->mode) &&
           take_varint32(&in, &ret->uid) && take_varint32(&in, &ret->gid) &&
           take_varint32(&in, &ret->nlink) && take_varint32(&in, &ret->flags) &&
           take_varint64(&in, &ret->size) && !(ret->mode & ~(uint32_t)(S_IFMT | 07777)) &&
           flags_ok(ret) && take_times(&in, ret) && take_type_fields(&in, ret) && in.len == 0;
}

int inode_decode(uint64_t ino, const void *data, size_t len, struct inode *ret)
{
    struct slice in = slice_of(data, len);
    struct inode tmp = {.ino = ino};

    if (len && in.data[0] != INODE_VERSION)
        return err_raise(ERR_INODE_RECORD, "inode %" PRIu64 ": record of unknown version %u", ino,
                         in.data[0]);
    if (!take_record(in, &tmp))
        return err_raise(ERR_INODE_RECORD, "inode %" PRIu64 ": record of %zu bytes is damaged", ino,
                         len);
    *ret = tmp;
    return 0;
}

/*
 * Space in bytes. The last block of a file is kept short, so a dense file takes what it is long;
 * where there are holes the blocks are counted whole, but never as more than the length, so that
 * programs that look for holes by comparing st_blocks with st_size find them.
 */
static uint64_t file_space(const struct inode *in, uint32_t block_len)
{
    uint64_t span = in->size / block_len + (in->size % block_len != 0);
    uint64_t space;

    if (in->block_count == span)
        return in->size;
    if (in->block_count > FS_FILE_LEN_MAX / block_len)
        return FS_FILE_LEN_MAX;
    space = in->block_count * block_len;
    return in->block_count < span && space > in->size ? in->size : space;
}

void inode_attr(const struct fs *fs, const struct inode *in, struct fs_attr *ret)
{
    struct fs_attr a = {
        .ino = in->ino,
        .mode = in->mode,
        .uid = in->uid,
        .gid = in->gid,
        .nlink = in->nlink,
        .size = in->size,
        .rdev = in->rdev,
        .atime = in->atime,
        .mtime = in->mtime,
        .ctime = in->ctime,
        .btime = in->btime,
    };

    if (S_ISREG(in->mode)) {
        uint64_t space = file_space(in, fs->super.block_len);

        a.blocks = space / 512 + (space % 512 != 0);
    } else if (S_ISDIR(in->mode)) {
        /* 32 bytes an entry, in units of 4 KiB: grows with the directory as people expect. */
        a.size = (in->size * DIR_ENTRY_LEN / DIR_SIZE_UNIT + 1) * DIR_SIZE_UNIT;
        a.blocks = 8;
    }
    *ret = a;
}

int inode_load(struct fs *fs, uint64_t ino, struct inode *ret, struct lsm_value *ret_value)
{
    struct key k;
    struct lsm_value v;
    int err;

    key_ino(&k, KEY_INODE, ino);
    err = lsm_get(fs->db, NULL, k.data, k.len, &v);
    if (err)
        return err == -ENOENT ? -ESTALE : err;
    err = inode_decode(ino, v.data, v.len, ret);
    if (err) {
        lsm_value_done(&v);
        return fs_report(fs, err);
    }
    *ret_value = v;
    return 0;
}

int inode_get(struct fs *fs, uint64_t ino, struct inode *ret)
{
    struct lsm_value v;
    int err = inode_load(fs, ino, ret, &v);

    if (err)
        return err;
    lsm_value_done(&v);
    ret->target = slice_of(NULL, 0);
    return 0;
}

int inode_put(struct lsm_batch *b, const struct inode *in)
{
    struct key k;
    uint8_t buf[INODE_RECORD_LEN_MAX];
    size_t len = inode_encode(in, buf);

    key_ino(&k, KEY_INODE, in->ino);
    return lsm_batch_put(b, k.data, k.len, buf, len);
}

void inode_now(struct timespec *ret)
{
    clock_gettime(CLOCK_REALTIME, ret);
}
