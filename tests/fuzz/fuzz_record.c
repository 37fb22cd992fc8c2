/*
 * An input is a byte, which says what the rest is: an inode's record, the key of a directory entry,
 * its value, an ACL as a program hands it in, the stored ACL of an inode, or the value of a block.
 */
#include "fuzz/fuzz.h"

#include "fs/acl_xattr.h"
#include "fs/inode.h"
#include "fs/key.h"
#include "fs/lost_mark.h"

/* What could be decoded is the same when it is encoded and decoded again. */
static void decode_inode(struct slice in)
{
    static uint8_t first[INODE_RECORD_LEN_MAX], second[INODE_RECORD_LEN_MAX];
    struct inode inode, again;
    size_t len;

    if (inode_decode(7, in.data, in.len, &inode))
        return;
    len = inode_encode(&inode, first);
    CHECK(!inode_decode(7, first, len, &again));
    CHECK(inode_encode(&again, second) == len && !memcmp(first, second, len));
    inode_is_dense(&inode, 4096);
}

static void decode_dirent(struct slice in)
{
    uint64_t parent, hash, ino;
    struct slice name;
    uint32_t type;
    struct key k;

    if (dirent_key_decode(in.data, in.len, &parent, &hash, &name)) {
        CHECK(name.len <= 255);
        key_dirent(&k, parent, hash, (const char *)name.data, name.len);
        CHECK(slice_eq(slice_of(k.data, k.len), in));
    }
    if (dirent_value_decode(in.data, in.len, &ino, &type))
        CHECK(!(type & ~(uint32_t)S_IFMT));
}

static void decode_acl(struct slice in)
{
    uint8_t bytes[ACL_LEN_MAX];
    struct acl a, again;
    size_t len;

    if (acl_decode(in.data, in.len, &a))
        return;
    len = acl_encode(&a, bytes);
    CHECK(len <= ACL_LEN_MAX && !acl_decode(bytes, len, &again) && again.count == a.count);
    if (!a.count)
        return;
    CHECK(!(acl_mode(&a) & ~0777u));
    acl_set_mode(&a, 0640);
    CHECK(acl_mode(&a) == 0640);
    acl_has_mask(&a);
}

static void judge_stored_acl(struct slice in)
{
    const char *fault = acl_stored_fault(ACL_ACCESS, in.data, in.len);

    fuzz_read_all(slice_str(fault ? fault : ""));
    fault = acl_stored_fault(ACL_DEFAULT, in.data, in.len);
    fuzz_read_all(slice_str(fault ? fault : ""));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t *copy = fuzz_copy(slice_of(data, len));
    struct slice in = slice_of(copy, len);

    switch (fuzz_byte(&in) % 5) {
    case 0:
        decode_inode(in);
        break;
    case 1:
        decode_dirent(in);
        break;
    case 2:
        decode_acl(in);
        break;
    case 3:
        judge_stored_acl(in);
        break;
    default:
        block_is_lost(in.data, in.len, 4096);
        break;
    }
    free(copy);
    return 0;
}
