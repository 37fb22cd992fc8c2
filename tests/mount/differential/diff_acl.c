/*
 * Calls about POSIX ACLs, as the extended attributes that they are to the system: access and
 * default lists, mostly sound, some not.
 */
#include <linux/posix_acl_xattr.h>
#include <string.h>
#include <sys/xattr.h>
#include <xxhash.h>

#include "mount/differential/diff.h"

enum {
    ENTRY_COUNT_MAX = 8,
    USER_OBJ = 1,
    USER = 2,
    GROUP_OBJ = 4,
    GROUP = 8,
    MASK = 16,
    OTHER = 32
};

struct acl {
    struct posix_acl_xattr_header head;
    struct posix_acl_xattr_entry entries[ENTRY_COUNT_MAX];
};

static const char *acl_name(const struct step *st)
{
    return st->flags & 1 ? "system.posix_acl_default" : "system.posix_acl_access";
}

/* Bits of the seed say which entries there are; permissions follow from it too. */
static size_t acl_make(uint64_t seed, struct acl *ret)
{
    static const struct {
        uint16_t tag;
        uint32_t id;
        uint64_t needs; /* bits of the seed of which one must be set; 0: always there */
    } all[] = {
        {USER_OBJ, UINT32_MAX, 0},  {USER, 1001, 1},        {USER, 1002, 2},
        {GROUP_OBJ, UINT32_MAX, 0}, {GROUP, 2001, 4},       {GROUP, 1002, 8},
        {MASK, UINT32_MAX, 31},     {OTHER, UINT32_MAX, 0},
    };
    bool is_odd = (seed >> 50) % 16 == 0; /* one entry is left out, or the version is unknown */
    size_t count = 0, left_out = is_odd ? seed >> 54 & 7 : ENTRY_COUNT_MAX;

    ret->head.a_version = is_odd && seed >> 58 & 1 ? 1 : POSIX_ACL_XATTR_VERSION;
    for (size_t i = 0; i < ENTRY_COUNT_MAX; i++) {
        if (i == left_out || (all[i].needs && !(seed & all[i].needs)))
            continue;
        ret->entries[count].e_tag = all[i].tag;
        ret->entries[count].e_perm = seed >> (8 + 3 * i) & 7;
        ret->entries[count].e_id = all[i].id;
        count++;
    }
    return sizeof(ret->head) + count * sizeof(ret->entries[0]);
}

int64_t call_setacl(struct side *s, const struct step *st)
{
    struct acl acl;
    size_t len = acl_make(st->seed, &acl);

    (void)s;
    return setxattr(st->path, acl_name(st), &acl, len, 0);
}

int64_t call_getacl(struct side *s, const struct step *st)
{
    char buf[1024];
    ssize_t n = getxattr(st->path, acl_name(st), buf, sizeof(buf));

    if (n > 0)
        s->result->data = XXH3_64bits(buf, (size_t)n);
    return n;
}

int64_t call_removeacl(struct side *s, const struct step *st)
{
    (void)s;
    return removexattr(st->path, acl_name(st));
}
