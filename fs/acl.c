/*
 * POSIX ACLs: decoding with every rule that a list must keep, and how lists and modes go together.
 *
 * Entries stand in the order of their tags, whose values ascend. Users and groups may be named more
 * than once, in any order, as the kernel allows: the first that matches counts.
 */
#include "fs/acl.h"

#include <errno.h>

#include "lsm/base/check.h"
#include "lsm/base/codec.h"

enum {
    VERSION = 2,
    PERM_ALL = 7,
};

static bool is_named(uint16_t tag)
{
    return tag == ACL_TAG_USER || tag == ACL_TAG_GROUP;
}

static bool entry_ok(const struct acl_entry *e)
{
    switch (e->tag) {
    case ACL_TAG_USER:
    case ACL_TAG_GROUP:
        return e->perm <= PERM_ALL && e->id != ACL_ID_NONE;
    case ACL_TAG_USER_OBJ:
    case ACL_TAG_GROUP_OBJ:
    case ACL_TAG_MASK:
    case ACL_TAG_OTHER:
        return e->perm <= PERM_ALL;
    default:
        return false;
    }
}

/* The entries are in order, and those that must be there once are. */
static bool entries_ok(const struct acl *a)
{
    unsigned seen = 0;

    for (size_t i = 0; i < a->count; i++) {
        const struct acl_entry *e = &a->entries[i];

        if (!entry_ok(e))
            return false;
        if (i && (is_named(e->tag) ? e->tag < e[-1].tag : e->tag <= e[-1].tag))
            return false;
        seen |= e->tag;
    }
    if (seen & (ACL_TAG_USER | ACL_TAG_GROUP) && !(seen & ACL_TAG_MASK))
        return false;
    return seen & ACL_TAG_USER_OBJ && seen & ACL_TAG_GROUP_OBJ && seen & ACL_TAG_OTHER;
}

int acl_decode(const void *data, size_t len, struct acl *ret)
{
    const uint8_t *p = data;

    ret->count = 0;
    if (len < ACL_HEAD_LEN)
        return -EINVAL;
    if (get_le32(p) != VERSION)
        return -EOPNOTSUPP;
    len -= ACL_HEAD_LEN;
    p += ACL_HEAD_LEN;
    if (len % ACL_ENTRY_LEN)
        return -EINVAL;
    if (len / ACL_ENTRY_LEN > ACL_ENTRY_COUNT_MAX)
        return -E2BIG;
    for (; len; len -= ACL_ENTRY_LEN, p += ACL_ENTRY_LEN) {
        struct acl_entry *e = &ret->entries[ret->count++];

        e->tag = (uint16_t)get_le32(p);
        e->perm = (uint16_t)(get_le32(p) >> 16);
        e->id = is_named(e->tag) ? get_le32(p + 4) : ACL_ID_NONE;
    }
    return ret->count == 0 || entries_ok(ret) ? 0 : -EINVAL;
}

size_t acl_encode(const struct acl *a, uint8_t *buf)
{
    uint8_t *p = buf + ACL_HEAD_LEN;

    put_le32(buf, VERSION);
    for (size_t i = 0; i < a->count; i++, p += ACL_ENTRY_LEN) {
        put_le32(p, a->entries[i].tag | (uint32_t)a->entries[i].perm << 16);
        put_le32(p + 4, a->entries[i].id);
    }
    return (size_t)(p - buf);
}

/* The tag's entry, or -1. */
static int find(const struct acl *a, enum acl_tag tag)
{
    for (size_t i = 0; i < a->count; i++)
        if (a->entries[i].tag == tag)
            return (int)i;
    return -1;
}

bool acl_has_mask(const struct acl *a)
{
    return find(a, ACL_TAG_MASK) >= 0;
}

/* The entries that a mode's bits for owner, group and others stand for. The list is not empty. */
static void mode_entries(const struct acl *a, int ret[3])
{
    ret[0] = find(a, ACL_TAG_USER_OBJ);
    ret[1] = find(a, ACL_TAG_MASK);
    if (ret[1] < 0)
        ret[1] = find(a, ACL_TAG_GROUP_OBJ);
    ret[2] = find(a, ACL_TAG_OTHER);
    CHECK(ret[0] >= 0 && ret[1] >= 0 && ret[2] >= 0);
}

uint32_t acl_mode(const struct acl *a)
{
    uint32_t mode = 0;
    int at[3];

    mode_entries(a, at);
    for (int i = 0; i < 3; i++)
        mode = mode << 3 | a->entries[at[i]].perm;
    return mode;
}

void acl_set_mode(struct acl *a, uint32_t mode)
{
    int at[3];

    mode_entries(a, at);
    for (int i = 0; i < 3; i++)
        a->entries[at[i]].perm = (uint16_t)(mode >> (6 - 3 * i) & PERM_ALL);
}
