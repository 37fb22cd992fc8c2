/*
 * The checker's first pass: the facts of the file system under 'S', and that the store holds keys
 * of no other kind. A fact that is damaged is told, and what depends on it is not judged: without
 * the secret no hash of a name, without the block length no place of a block. What a newer program
 * has written is not repaired: its keys would look like damage.
 */
#include <stdio.h>

#include "fs/check/check_impl.h"
#include "fs/super.h"

/* A fact of exactly len bytes, when it is there. */
static bool fact(struct check *c, const char *name, void *ret, size_t len)
{
    char key[32];
    struct lsm_value v;
    bool ok;
    int n = snprintf(key, sizeof(key), "%c%s", KEY_SUPER, name);

    if (lsm_get(c->db, c->snapshot, key, (size_t)n, &v))
        return false;
    ok = v.len == len;
    if (ok)
        memcpy(ret, v.data, len);
    lsm_value_done(&v);
    return ok;
}

/* Some fact is bad; take the others one by one. */
static void take_good_facts(struct check *c)
{
    uint8_t block_len[4], group_next[8];

    if (fact(c, "block_len", block_len, sizeof(block_len)) &&
        super_block_len_ok(get_le32(block_len)))
        c->block_len = get_le32(block_len);
    if (fact(c, "group_next", group_next, sizeof(group_next)) &&
        get_le64(group_next) <= INODE_GROUP_END)
        c->group_next = get_le64(group_next);
    c->has_secret = fact(c, "secret", c->hash_secret, sizeof(c->hash_secret));
}

enum {
    REMAINS_MAX = 1000 /* keys that are looked at */
};

/* Whether a key with its value is one that no other program is likely to have written. */
typedef bool is_ours_fn(struct slice key, struct slice value);

static bool is_record(struct slice key, struct slice value)
{
    uint64_t ino = key.len == KEY_INODE_LEN ? get_be64(key.data + 1) : 0;
    struct inode in;

    return ino && ino < CHECK_INO_END && !inode_decode(ino, value.data, value.len, &in);
}

static bool is_entry(struct slice key, struct slice value)
{
    uint64_t parent, hash, ino;
    struct slice name;
    uint32_t type;

    return dirent_key_decode(key.data, key.len, &parent, &hash, &name) && parent &&
           parent < CHECK_INO_END && dirent_value_decode(value.data, value.len, &ino, &type);
}

/* One of the first keys of the tag is. */
static bool has_ours(struct check *c, enum key_tag tag, is_ours_fn *is_ours)
{
    uint8_t lower = (uint8_t)tag, upper = (uint8_t)(tag + 1);
    struct lsm_iter *it;
    bool found = false;
    int rc = lsm_iter_new(c->db, c->snapshot, &lower, 1, &upper, 1, &it);

    if (rc)
        return false;
    rc = lsm_iter_first(it);
    for (int i = 0; i < REMAINS_MAX && rc == 1 && !found; i++, rc = lsm_iter_next(it)) {
        struct slice key, value;

        key.data = lsm_iter_key(it, &key.len);
        value.data = lsm_iter_value(it, &value.len);
        found = is_ours(key, value);
    }
    lsm_iter_free(it);
    return found;
}

/*
 * Whether a store without the fact "format" held a file system. Bytes have to say so: a key alone,
 * the root's for one, may be that of another program, whose data a repair would delete.
 */
static bool has_remains(struct check *c)
{
    uint8_t secret[HASH_SECRET_LEN], block_len[4];

    if (fact(c, "block_len", block_len, sizeof(block_len)) &&
        super_block_len_ok(get_le32(block_len)))
        return true;
    return fact(c, "secret", secret, sizeof(secret)) || has_ours(c, KEY_INODE, is_record) ||
           has_ours(c, KEY_DIRENT, is_entry);
}

/* What the user tells counts where the file system does not say otherwise. */
static int take_told_block_len(struct check *c)
{
    uint32_t told = c->options->block_len;

    if (told && !super_block_len_ok(told))
        return err_raise(EINVAL, "block size %u: must be a power of two from %u to %u", told,
                         (unsigned)FS_BLOCK_LEN_MIN, (unsigned)FS_BLOCK_LEN_MAX);
    if (told && c->block_len && told != c->block_len)
        return err_raise(EINVAL, "the file system says that its block size is %u, not %u",
                         c->block_len, told);
    c->block_len = told ? told : c->block_len;
    return 0;
}

int check_super(struct check *c)
{
    struct super_facts facts;
    char text[512];
    int err = c->options->repair ? super_check_repairable(c->db) : 0;

    if (err)
        return err;
    err = super_get(c->db, true, &facts);
    if (!err) {
        c->block_len = facts.super.block_len;
        c->group_next = facts.group_next;
        memcpy(c->hash_secret, facts.secret, sizeof(c->hash_secret));
        c->has_secret = true;
        return take_told_block_len(c);
    }
    snprintf(text, sizeof(text), "%s", *lsm_detail() ? lsm_detail() : lsm_strerror(err));
    if (err == -ERR_NO_FILE_SYSTEM && has_remains(c))
        snprintf(text, sizeof(text), "superblock fact \"format\" is missing");
    else if (!lsm_is_damage(err))
        return err;
    take_good_facts(c);
    err = take_told_block_len(c);
    if (err)
        return err;
    return check_found(c, &(struct check_finding){.kind = CHECK_SUPER, .fix = FIX_FACTS}, "%s",
                       text);
}

/* No keys in [lower, upper); upper 0: no bound. The first and the count are one finding. */
static int check_gap(struct check *c, uint8_t lower, uint8_t upper)
{
    struct check_finding f = {
        .kind = CHECK_KEY,
        .fix = FIX_KEYS_DELETE,
        .key = slice_of(&lower, 1),
        .value = slice_of(&upper, upper ? 1 : 0),
    };
    struct lsm_iter *it;
    unsigned long long count = 0;
    uint8_t first = 0;
    int rc = lsm_iter_new(c->db, c->snapshot, &lower, 1, upper ? &upper : NULL, upper ? 1 : 0, &it);

    if (rc)
        return rc;
    for (rc = lsm_iter_first(it); rc == 1; rc = lsm_iter_next(it)) {
        size_t len;

        if (!count++)
            first = *(const uint8_t *)lsm_iter_key(it, &len);
    }
    lsm_iter_free(it);
    if (lsm_is_damage(rc))
        rc = check_found(c, &(struct check_finding){.kind = CHECK_UNREADABLE}, "%s", lsm_detail());
    if (rc >= 0 && count)
        rc = check_found(c, &f, "%llu keys of an unknown kind, the first is 0x%02x", count, first);
    return rc < 0 ? rc : 0;
}

int check_keys(struct check *c)
{
    static const uint8_t tags[] = {KEY_BLOCK,  KEY_DIRENT, KEY_INODE,
                                   KEY_ORPHAN, KEY_SUPER,  KEY_XATTR};
    uint8_t lower = 0;
    int err = 0;

    for (size_t i = 0; i < sizeof(tags) && !err; i++) {
        err = lower < tags[i] ? check_gap(c, lower, tags[i]) : 0;
        lower = (uint8_t)(tags[i] + 1);
    }
    return err ? err : check_gap(c, lower, 0);
}
