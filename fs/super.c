/*
 * Facts of the file system as a whole. mkfs writes them in one batch with the root directory, so
 * that a file system is there as a whole or not at all; later only "group_next" changes, and
 * "unlabelled" goes. A reader
 * asks "format" first: it says whether the others can be understood.
 */
#include "fs/super.h"

#include <stdio.h>

#include "fs/inode.h"
#include "fs/lost_mark.h"
#include "lsm/base/err.h"

_Static_assert(FS_BLOCK_LEN_MAX >= FS_XATTR_VALUE_LEN_MAX, "no value is longer than a block");

static const char FACT_UNLABELLED[] = "unlabelled";

static void fact_key(struct key *k, const char *name)
{
    size_t len = strlen(name);

    k->data[0] = KEY_SUPER;
    memcpy(k->data + 1, name, len);
    k->len = len + 1;
}

static int fact_put(struct lsm_batch *b, const char *name, const void *value, size_t len)
{
    struct key k;

    fact_key(&k, name);
    return lsm_batch_put(b, k.data, k.len, value, len);
}

/* Copy the fact's value of len_min to len_max bytes into ret. -ENOENT when it is missing. */
static int fact_get(struct lsm_db *db, const char *name, size_t len_min, size_t len_max, void *ret,
                    size_t *ret_len)
{
    struct key k;
    struct lsm_value v;
    int err;

    fact_key(&k, name);
    err = lsm_get(db, NULL, k.data, k.len, &v);
    if (err)
        return err;
    if (v.len < len_min || v.len > len_max) {
        err = err_raise(ERR_SUPER_RECORD, "superblock fact \"%s\": %zu bytes, expected %zu to %zu",
                        name, v.len, len_min, len_max);
    } else {
        if (v.len)
            memcpy(ret, v.data, v.len);
        *ret_len = v.len;
    }
    lsm_value_done(&v);
    return err;
}

/* As fact_get for a fact that must be there, with a fixed length. */
static int fact_need(struct lsm_db *db, const char *name, size_t len, void *ret)
{
    size_t got;
    int err = fact_get(db, name, len, len, ret, &got);

    if (err == -ENOENT)
        return err_raise(ERR_SUPER_RECORD, "superblock fact \"%s\" is missing", name);
    return err;
}

bool super_block_len_ok(uint64_t len)
{
    return len >= FS_BLOCK_LEN_MIN && len <= FS_BLOCK_LEN_MAX && !(len & (len - 1));
}

int super_put(struct lsm_batch *b, const struct super_facts *facts)
{
    uint8_t format[SUPER_FORMAT_LEN], block_len[4], created[8], group_next[8];
    int err;

    put_le32(format, SUPER_VERSION);
    put_le32(format + 4, SUPER_COMPAT);
    put_le32(format + 8, SUPER_RO_COMPAT);
    put_le32(format + 12, SUPER_INCOMPAT);
    put_le32(block_len, facts->super.block_len);
    put_le64(created, (uint64_t)facts->super.created_sec);
    put_le64(group_next, facts->group_next);
    err = fact_put(b, "format", format, sizeof(format));
    if (!err)
        err = fact_put(b, "uuid", facts->super.uuid, sizeof(facts->super.uuid));
    if (!err)
        err = fact_put(b, "label", facts->super.label, strlen(facts->super.label));
    if (!err)
        err = fact_put(b, "block_len", block_len, sizeof(block_len));
    if (!err)
        err = fact_put(b, "secret", facts->secret, sizeof(facts->secret));
    if (!err)
        err = fact_put(b, "created", created, sizeof(created));
    if (!err)
        err = fact_put(b, "group_next", group_next, sizeof(group_next));
    if (!err && facts->unlabelled)
        err = fact_put(b, FACT_UNLABELLED, "", 0);
    return err;
}

static int format_check(struct lsm_db *db, bool read_only)
{
    uint8_t format[SUPER_FORMAT_LEN];
    size_t len;
    uint32_t unknown;
    int err = fact_get(db, "format", sizeof(format), sizeof(format), format, &len);

    if (err == -ENOENT)
        return err_raise(ERR_NO_FILE_SYSTEM, "the store holds no file system: it was made by "
                                             "another program, or mkfs did not finish");
    if (err)
        return err;
    if (get_le32(format) != SUPER_VERSION)
        return err_raise(ERR_SUPERBLOCK_VERSION,
                         "the file system has format version %u, this program knows %u",
                         get_le32(format), (unsigned)SUPER_VERSION);
    unknown = get_le32(format + 12) & ~(uint32_t)SUPER_INCOMPAT;
    if (unknown)
        return err_raise(ERR_SUPERBLOCK_FEATURE,
                         "the file system uses incompatible features 0x%x that this program does "
                         "not know",
                         unknown);
    unknown = get_le32(format + 8) & ~(uint32_t)SUPER_RO_COMPAT;
    if (unknown && !read_only)
        return err_raise(ERR_SUPERBLOCK_FEATURE,
                         "the file system uses features 0x%x that this program does not know: it "
                         "can only be opened read-only",
                         unknown);
    return 0;
}

int super_check_repairable(struct lsm_db *db)
{
    uint8_t format[SUPER_FORMAT_LEN];
    uint32_t compat, ro_compat;
    size_t len;

    if (fact_get(db, "format", sizeof(format), sizeof(format), format, &len))
        return 0;
    compat = get_le32(format + 4) & ~(uint32_t)SUPER_COMPAT;
    ro_compat = get_le32(format + 8) & ~(uint32_t)SUPER_RO_COMPAT;
    if (!compat && !ro_compat)
        return 0;
    return err_raise(ERR_SUPERBLOCK_FEATURE,
                     "the file system uses features (0x%x, 0x%x) that this program does not know: "
                     "it can check, but not repair it",
                     compat, ro_compat);
}

static int label_get(struct lsm_db *db, char *ret)
{
    size_t len;
    int err = fact_get(db, "label", 0, FS_LABEL_LEN_MAX, ret, &len);

    if (err == -ENOENT)
        len = 0;
    else if (err)
        return err;
    ret[len] = 0;
    if (strlen(ret) != len)
        return err_raise(ERR_SUPER_RECORD, "superblock fact \"label\" holds a zero byte");
    return 0;
}

/* A fact that only saves questions: one that is damaged is as good as none. */
static bool is_unlabelled(struct lsm_db *db)
{
    size_t len;

    return fact_get(db, FACT_UNLABELLED, 0, 0, NULL, &len) == 0;
}

int super_delete_unlabelled(struct lsm_batch *b)
{
    struct key k;

    fact_key(&k, FACT_UNLABELLED);
    return lsm_batch_delete(b, k.data, k.len);
}

int super_get_group_next(struct lsm_db *db, uint64_t *ret)
{
    uint8_t value[8];
    uint64_t group_next;
    int err = fact_need(db, "group_next", sizeof(value), value);

    if (err)
        return err;
    group_next = get_le64(value);
    /* Group 0 is the root's own: a lease that began there would give out numbers in use. */
    if (group_next == 0 || group_next > INODE_GROUP_END)
        return err_raise(ERR_SUPER_RECORD, "superblock fact \"group_next\" is %llu",
                         (unsigned long long)group_next);
    *ret = group_next;
    return 0;
}

int super_get(struct lsm_db *db, bool read_only, struct super_facts *ret)
{
    struct super_facts f;
    uint8_t block_len[4], created[8];
    int err;

    memset(&f, 0, sizeof(f));
    err = format_check(db, read_only);
    if (!err)
        err = fact_need(db, "uuid", sizeof(f.super.uuid), f.super.uuid);
    if (!err)
        err = label_get(db, f.super.label);
    if (!err)
        err = fact_need(db, "block_len", sizeof(block_len), block_len);
    if (!err)
        err = fact_need(db, "secret", sizeof(f.secret), f.secret);
    if (!err)
        err = fact_need(db, "created", sizeof(created), created);
    if (!err)
        err = super_get_group_next(db, &f.group_next);
    if (err)
        return err;
    f.unlabelled = is_unlabelled(db);
    f.super.block_len = get_le32(block_len);
    f.super.created_sec = (int64_t)get_le64(created);
    if (!super_block_len_ok(f.super.block_len))
        return err_raise(ERR_SUPER_RECORD, "superblock fact \"block_len\" is %u",
                         f.super.block_len);
    *ret = f;
    return 0;
}

int super_write_group_next(struct lsm_db *db, uint64_t group_next)
{
    struct key k;
    uint8_t value[8];

    fact_key(&k, "group_next");
    put_le64(value, group_next);
    return lsm_put(db, k.data, k.len, value, sizeof(value), 0);
}

void super_store_options(struct lsm_options *ret)
{
    lsm_options_default(ret);
    /* Names, inodes and contents grow side by side: no table shall span two kinds of keys. */
    ret->table_prefix_len = 1;
    /* Flushing and compacting take what time the programs leave. */
    ret->worker_nice = 10;
    /* Nothing is longer than a lost block: a store that was made to harm costs no more. */
    ret->value_len_max = FS_BLOCK_LEN_MAX + LOST_MARK_LEN;
}

int super_store_close(struct lsm_db *db, int err)
{
    char text[512];
    int close_err;

    snprintf(text, sizeof(text), "%s", err_detail());
    close_err = lsm_close(db);
    if (!err)
        return close_err;
    return *text ? err_raise(-err, "%s", text) : err;
}
