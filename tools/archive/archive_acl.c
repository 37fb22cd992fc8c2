/*
 * ACLs between libarchive's entries and values of attributes. Users and groups are numbers: names
 * that an archive has beside them are those of another machine.
 */
#include "tools/archive/archive_acl.h"

#include <archive.h>
#include <errno.h>
#include <stdlib.h>

static const struct {
    int archive;
    enum acl_tag tag;
} tags[] = {
    {ARCHIVE_ENTRY_ACL_USER_OBJ, ACL_TAG_USER_OBJ},   {ARCHIVE_ENTRY_ACL_USER, ACL_TAG_USER},
    {ARCHIVE_ENTRY_ACL_GROUP_OBJ, ACL_TAG_GROUP_OBJ}, {ARCHIVE_ENTRY_ACL_GROUP, ACL_TAG_GROUP},
    {ARCHIVE_ENTRY_ACL_MASK, ACL_TAG_MASK},           {ARCHIVE_ENTRY_ACL_OTHER, ACL_TAG_OTHER},
};

static bool has_id(enum acl_tag tag)
{
    return tag == ACL_TAG_USER || tag == ACL_TAG_GROUP;
}

static int entry_convert(int permset, int tag, int id, struct acl_entry *ret)
{
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        if (tags[i].archive != tag)
            continue;
        if (has_id(tags[i].tag) && id < 0)
            return -EINVAL;
        ret->tag = (uint16_t)tags[i].tag;
        ret->perm = (uint16_t)(permset & 7);
        ret->id = has_id(tags[i].tag) ? (uint32_t)id : ACL_ID_NONE;
        return 0;
    }
    return -EINVAL;
}

static int by_tag_and_id(const void *a, const void *b)
{
    const struct acl_entry *x = a, *y = b;

    if (x->tag != y->tag)
        return x->tag < y->tag ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

int archive_acl_get(struct archive_entry *e, int type, uint8_t *buf)
{
    struct acl a = {.count = 0};
    int entry_type, permset, tag, id, r;
    const char *name;

    if (!(archive_entry_acl_types(e) & type) || archive_entry_acl_reset(e, type) <= 0)
        return 0;
    while ((r = archive_entry_acl_next(e, type, &entry_type, &permset, &tag, &id, &name)) ==
           ARCHIVE_OK) {
        if (a.count == ACL_ENTRY_COUNT_MAX || entry_convert(permset, tag, id, &a.entries[a.count]))
            return -EINVAL;
        a.count++;
    }
    if (r != ARCHIVE_EOF)
        return -EINVAL;
    qsort(a.entries, a.count, sizeof(a.entries[0]), by_tag_and_id);
    return a.count ? (int)acl_encode(&a, buf) : 0;
}

int archive_acl_set(struct archive_entry *e, int type, const void *value, size_t len)
{
    struct acl a;

    if (acl_decode(value, len, &a))
        return -EINVAL;
    for (size_t n = 0; n < a.count; n++) {
        const struct acl_entry *x = &a.entries[n];

        for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
            if (x->tag == tags[i].tag &&
                archive_entry_acl_add_entry(e, type, x->perm, tags[i].archive,
                                            has_id(tags[i].tag) ? (int)x->id : -1,
                                            NULL) != ARCHIVE_OK)
                return -ENOMEM;
    }
    return 0;
}
