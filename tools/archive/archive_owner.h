/*
 * Owners by name, both ways. The last one asked for is remembered: most of a tree has one owner.
 */
#ifndef TOOLS_ARCHIVE_OWNER_H
#define TOOLS_ARCHIVE_OWNER_H

#include <stdbool.h>
#include <stdint.h>

enum {
    OWNER_NAME_LEN = 256
};

struct owner_name {
    bool known; /* the rest says something */
    bool found; /* there is such an owner */
    uint32_t id;
    char name[OWNER_NAME_LEN];
};

/* All zeros is empty. */
struct owner_names {
    struct owner_name user, group;
};

/* *ret is set when this machine knows the name; NULL and "" are none. */
void owner_uid_of_name(struct owner_names *o, const char *name, uint32_t *ret);
void owner_gid_of_name(struct owner_names *o, const char *name, uint32_t *ret);
/* NULL when this machine knows none. Valid until the next call. */
const char *owner_name_of_uid(struct owner_names *o, uint32_t uid);
const char *owner_name_of_gid(struct owner_names *o, uint32_t gid);

#endif
