/*
 * Parsing -o. Every option is either ours, one that libfuse or the kernel takes, or one that
 * mount(8) leaves in the list for others and that is dropped. Anything else is refused by name: a
 * misspelt option must not be silently without effect.
 */
#include "fs/fuse/mount_options.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/fuse/mount_log.h"
#include "fs/fuse/session.h"

enum {
    COMMIT_S_DEFAULT = 5,
    COMMIT_S_MAX = 3600
};
#define CACHE_LEN_MIN ((uint64_t)1 << 20)

static int refuse(const char *option, const char *why)
{
    mount_log(LSM_LOG_ERROR, "option '%s': %s", option, why);
    return -1;
}

static int set_ro(struct mount_options *o, const char *value)
{
    (void)value;
    o->read_only = true;
    return 0;
}

static int set_rw(struct mount_options *o, const char *value)
{
    (void)value;
    o->read_only = false;
    return 0;
}

static int set_nonempty(struct mount_options *o, const char *value)
{
    (void)value;
    o->nonempty = true;
    return 0;
}

static int set_debug(struct mount_options *o, const char *value)
{
    (void)value;
    o->debug = true;
    return 0;
}

/* libfuse keeps others out of the requests that it serves itself. */
static int set_allow_root(struct mount_options *o, const char *value)
{
    (void)value;
    o->allow_root = true;
    return 0;
}

static int set_acl(struct mount_options *o, const char *value)
{
    (void)value;
    o->no_acl = false;
    return 0;
}

static int set_noacl(struct mount_options *o, const char *value)
{
    (void)value;
    o->no_acl = true;
    return 0;
}

static int set_noexport(struct mount_options *o, const char *value)
{
    (void)value;
    o->no_export = true;
    return 0;
}

static int set_suid(struct mount_options *o, const char *value)
{
    (void)value;
    o->suid = true;
    return 0;
}

static int set_nosuid(struct mount_options *o, const char *value)
{
    (void)value;
    o->suid = false;
    return 0;
}

static int set_dev(struct mount_options *o, const char *value)
{
    (void)value;
    o->dev = true;
    return 0;
}

static int set_nodev(struct mount_options *o, const char *value)
{
    (void)value;
    o->dev = false;
    return 0;
}

/* A decimal number; *ret_rest gets what stands behind it. False when there is none or it is too
 * large. */
static bool parse_number(const char *text, uint64_t *ret, const char **ret_rest)
{
    uint64_t v = 0;
    const char *p = text;

    for (; *p >= '0' && *p <= '9'; p++) {
        if (v > (UINT64_MAX - 9) / 10)
            return false;
        v = v * 10 + (uint64_t)(*p - '0');
    }
    *ret = v;
    *ret_rest = p;
    return p > text;
}

static int set_commit(struct mount_options *o, const char *value)
{
    const char *rest;
    uint64_t v;

    if (!parse_number(value, &v, &rest) || *rest || v < 1 || v > COMMIT_S_MAX)
        return refuse("commit", "must be a number of seconds, 1 to 3600");
    o->commit_s = (unsigned)v;
    return 0;
}

static int set_cache(struct mount_options *o, const char *value)
{
    static const char units[] = "KMGT";
    const char *rest, *unit;
    unsigned shift = 0;
    uint64_t v;

    if (!parse_number(value, &v, &rest))
        return refuse("cache", "must be a size such as 256M");
    if (*rest) {
        unit = strchr(units, *rest >= 'a' && *rest <= 'z' ? *rest - 'a' + 'A' : *rest);
        if (!unit || rest[1])
            return refuse("cache", "must be a size such as 256M, with K, M, G or T");
        shift = (unsigned)(unit - units + 1) * 10;
    }
    if (v > ((uint64_t)SIZE_MAX / 4) >> shift || v << shift < CACHE_LEN_MIN)
        return refuse("cache", "must be at least 1M, and fit into memory");
    o->cache_len = (size_t)(v << shift);
    return 0;
}

static int refuse_remount(struct mount_options *o, const char *value)
{
    (void)o;
    (void)value;
    return refuse("remount", "a FluxFS mount cannot change its options; unmount it and mount it "
                             "again");
}

static int refuse_fsname(struct mount_options *o, const char *value)
{
    (void)o;
    (void)value;
    return refuse("fsname", "the source of the mount is always the path of its store");
}

static const struct option {
    const char *name; /* ending in '=' when a value follows; in '*' for any that begin so */
    enum {
        IGNORE, /* for mount(8) and others */
        PASS,   /* for libfuse or the kernel */
        OURS
    } what;
    int (*set)(struct mount_options *o, const char *value);
} options[] = {
    {"ro", OURS, set_ro},
    {"rw", OURS, set_rw},
    {"suid", OURS, set_suid},
    {"nosuid", OURS, set_nosuid},
    {"dev", OURS, set_dev},
    {"nodev", OURS, set_nodev},
    {"acl", OURS, set_acl},
    {"noacl", OURS, set_noacl},
    {"noexport", OURS, set_noexport},
    {"commit=", OURS, set_commit},
    {"cache=", OURS, set_cache},
    {"nonempty", OURS, set_nonempty},
    {"debug", OURS, set_debug},
    {"remount", OURS, refuse_remount},
    {"fsname=", OURS, refuse_fsname},
    {"subtype=", OURS, refuse_fsname},
    {"allow_other", PASS, NULL},
    {"allow_root", PASS, set_allow_root},
    {"exec", PASS, NULL},
    {"noexec", PASS, NULL},
    {"atime", PASS, NULL},
    {"noatime", PASS, NULL},
    {"sync", PASS, NULL},
    {"async", PASS, NULL},
    {"dirsync", PASS, NULL},
    {"context=", PASS, NULL},
    {"fscontext=", PASS, NULL},
    {"defcontext=", PASS, NULL},
    {"rootcontext=", PASS, NULL},
    {"default_permissions", IGNORE, NULL}, /* always on */
    {"defaults", IGNORE, NULL},
    {"relatime", IGNORE, NULL},
    {"norelatime", IGNORE, NULL},
    {"strictatime", IGNORE, NULL},
    {"nostrictatime", IGNORE, NULL},
    {"diratime", IGNORE, NULL},
    {"nodiratime", IGNORE, NULL},
    {"lazytime", IGNORE, NULL},
    {"nolazytime", IGNORE, NULL},
    {"auto", IGNORE, NULL},
    {"noauto", IGNORE, NULL},
    {"nofail", IGNORE, NULL},
    {"_netdev", IGNORE, NULL},
    {"user", IGNORE, NULL},
    {"user=", IGNORE, NULL},
    {"users", IGNORE, NULL},
    {"nouser", IGNORE, NULL},
    {"owner", IGNORE, NULL},
    {"group", IGNORE, NULL},
    {"helper=", IGNORE, NULL},
    {"uhelper=", IGNORE, NULL},
    {"comment=", IGNORE, NULL},
    {"x-*", IGNORE, NULL},
    {"X-*", IGNORE, NULL},
};

/* Whether `text` is this option; *ret_value gets what stands behind the '='. */
static bool option_is(const struct option *option, const char *text, const char **ret_value)
{
    size_t len = strlen(option->name);
    char last = option->name[len - 1];

    *ret_value = "";
    if (last == '*')
        return strncmp(text, option->name, len - 1) == 0;
    if (last != '=')
        return strcmp(text, option->name) == 0;
    *ret_value = text + len;
    return strncmp(text, option->name, len) == 0;
}

static int option_apply(struct mount_options *o, const char *text)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        const char *value;

        if (!option_is(&options[i], text, &value))
            continue;
        if (options[i].what == PASS && fuse_opt_add_opt(&o->passed, text) < 0)
            return refuse(text, "out of memory");
        return options[i].set ? options[i].set(o, value) : 0;
    }
    return refuse(text, "unknown; fluxfs mount --help lists the options");
}

int mount_options_parse(const char *text, struct mount_options *ret)
{
    bool root = geteuid() == 0;
    struct mount_options o = {.commit_s = COMMIT_S_DEFAULT, .suid = root, .dev = root};
    char *copy = strdup(text ? text : ""), *rest = copy, *one;
    int r = copy ? 0 : refuse("-o", "out of memory");

    while (r == 0 && (one = strsep(&rest, ",")) != NULL)
        if (*one)
            r = option_apply(&o, one);
    free(copy);
    if (r < 0) {
        mount_options_done(&o);
        return -1;
    }
    *ret = o;
    return 0;
}

void mount_options_done(struct mount_options *o)
{
    free(o->passed);
    o->passed = NULL;
}

const char *mount_options_help(void)
{
    return "  ro, rw              read-only or not (rw)\n"
           "  commit=SECONDS      make writes durable at least so often, 1 to 3600 (5)\n"
           "  cache=SIZE          memory for recent changes and for blocks read (160M)\n"
           "  acl, noacl          access control lists or none (acl); ls -l is quicker without\n"
           "  noexport            no file handles, as an overlay with all directories here needs\n"
           "  allow_other         let other users in; permissions are always checked\n"
           "  allow_root          let root in\n"
           "  suid, nosuid        set-id programs work or not (suid for root, nosuid for others)\n"
           "  dev, nodev          device files work or not (dev for root, nodev for others)\n"
           "  exec, noexec        programs may be run or not (exec)\n"
           "  sync                every write is durable when it returns\n"
           "  dirsync             accepted and without effect: fsync the directory\n"
           "  noatime             as always: reading does not change access times\n"
           "  nonempty            the mount point may hold files; they are hidden\n"
           "  debug               log every request of the kernel\n"
           "What only mount(8) and fstab(5) use (defaults, noauto, nofail, _netdev, user, x-...)\n"
           "is accepted and has no effect. A mount cannot be changed by remount.\n";
}
