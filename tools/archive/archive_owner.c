/*
 * Owners by name.
 */
#include "tools/archive/archive_owner.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

static bool is_name(const char *name)
{
    return name && *name && strlen(name) < OWNER_NAME_LEN;
}

static void remember(struct owner_name *n, bool found, uint32_t id, const char *name)
{
    n->known = true;
    n->found = found && is_name(name);
    n->id = id;
    snprintf(n->name, sizeof(n->name), "%s", is_name(name) ? name : "");
}

void owner_uid_of_name(struct owner_names *o, const char *name, uint32_t *ret)
{
    if (!is_name(name))
        return;
    if (!o->user.known || strcmp(o->user.name, name)) {
        const struct passwd *p = getpwnam(name);

        remember(&o->user, p != NULL, p ? p->pw_uid : 0, name);
    }
    if (o->user.found)
        *ret = o->user.id;
}

void owner_gid_of_name(struct owner_names *o, const char *name, uint32_t *ret)
{
    if (!is_name(name))
        return;
    if (!o->group.known || strcmp(o->group.name, name)) {
        const struct group *g = getgrnam(name);

        remember(&o->group, g != NULL, g ? g->gr_gid : 0, name);
    }
    if (o->group.found)
        *ret = o->group.id;
}

const char *owner_name_of_uid(struct owner_names *o, uint32_t uid)
{
    if (!o->user.known || o->user.id != uid) {
        const struct passwd *p = getpwuid(uid);

        remember(&o->user, p != NULL, uid, p ? p->pw_name : NULL);
    }
    return o->user.found ? o->user.name : NULL;
}

const char *owner_name_of_gid(struct owner_names *o, uint32_t gid)
{
    if (!o->group.known || o->group.id != gid) {
        const struct group *g = getgrgid(gid);

        remember(&o->group, g != NULL, gid, g ? g->gr_name : NULL);
    }
    return o->group.found ? o->group.name : NULL;
}
