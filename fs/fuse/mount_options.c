/*
 * Parsing -o. Every option is either ours, one that libfuse or the kernel takes, or one that
 * mount(8) leaves in the list for others and that is dropped. Anything else is refused by name: a
 * misspelt option must not be silently without effect, and neither must one that asks for what is
 * not done.
 */
#include "fs/fuse/mount_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/fuse/mount_log.h"
#include "fs/fuse/option_value.h"
#include "fs/fuse/session.h"

enum {
    COMMIT_S_DEFAULT = 5,
    COMMIT_S_MAX = 3600
};
#define CACHE_LEN_MIN ((uint64_t)1 << 20)
#define CACHE_LEN_MAX ((uint64_t)1 << 42)
#define SIZE_MIN      ((uint64_t)16 << 20)

static int refuse(const char *option, const char *why)
{
    mount_log(LSM_LOG_ERROR, "option '%s': %s", option, why);
    return -1;
}

static int set_commit(struct mount_options *o, const char *value)
{
    uint64_t v;

    if (!option_number(value, &v) || v < 1 || v > COMMIT_S_MAX)
        return refuse("commit", "must be a number of seconds, 1 to 3600");
    o->commit_s = (unsigned)v;
    return 0;
}

static int set_cache(struct mount_options *o, const char *value)
{
    uint64_t v;

    if (!option_size(value, &v))
        return refuse("cache", "must be a size such as 256M, with K, M, G or T");
    if (v < CACHE_LEN_MIN || v > CACHE_LEN_MAX || v > SIZE_MAX / 4)
        return refuse("cache", "must be at least 1M, and fit into memory");
    o->cache_len = (size_t)v;
    return 0;
}

static int set_size(struct mount_options *o, const char *value)
{
    uint64_t v;

    if (!option_size(value, &v))
        return refuse("size", "must be a size such as 20G, with K, M, G or T");
    if (v < SIZE_MIN)
        return refuse("size", "must be at least 16M");
    o->size_max = v;
    return 0;
}

static int set_compress(struct mount_options *o, const char *value)
{
    if (strcmp(value, "lz4") != 0 && strcmp(value, "none") != 0)
        return refuse("compress", "must be lz4 or none; there are no levels");
    o->no_compress = strcmp(value, "none") == 0;
    return 0;
}

static int set_uid(struct mount_options *o, const char *value)
{
    if (!option_user(value, &o->view.uid))
        return refuse("uid", "must be a user's number or name");
    o->view.has_uid = true;
    return 0;
}

static int set_gid(struct mount_options *o, const char *value)
{
    if (!option_group(value, &o->view.gid))
        return refuse("gid", "must be a group's number or name");
    o->view.has_gid = true;
    return 0;
}

static int set_fmask(struct mount_options *o, const char *value)
{
    if (!option_mask(value, &o->view.fmask))
        return refuse("fmask", "must be an octal number, 0 to 777");
    o->view.has_fmask = true;
    return 0;
}

static int set_dmask(struct mount_options *o, const char *value)
{
    if (!option_mask(value, &o->view.dmask))
        return refuse("dmask", "must be an octal number, 0 to 777");
    o->view.has_dmask = true;
    return 0;
}

static int set_umask(struct mount_options *o, const char *value)
{
    if (!option_mask(value, &o->view.fmask))
        return refuse("umask", "must be an octal number, 0 to 777");
    o->view.dmask = o->view.fmask;
    o->view.has_fmask = o->view.has_dmask = true;
    return 0;
}

struct option {
    const char *name; /* ending in '=' when a value follows; in '*' for any that begin so */
    enum {
        IGNORE, /* for mount(8) and others */
        PASS,   /* for libfuse or the kernel */
        ON,     /* ours: a flag */
        OFF,
        VALUE,  /* ours: a value */
        NOTE,   /* has no effect, and that is said: why */
        REFUSE, /* why */
        KERNEL, /* what the kernel shows of a mount, and mount(8) gives back to change it */
    } what;
    size_t flag;
    int (*set)(struct mount_options *o, const char *value);
    const char *why;
};

#define FLAG(name) offsetof(struct mount_options, name)

static const char no_atime[] = "reading does not change access times here; the mount is noatime";

static const struct option options[] = {
    {"ro", ON, FLAG(read_only), NULL, NULL},
    {"rw", OFF, FLAG(read_only), NULL, NULL},
    {"suid", ON, FLAG(suid), NULL, NULL},
    {"nosuid", OFF, FLAG(suid), NULL, NULL},
    {"dev", ON, FLAG(dev), NULL, NULL},
    {"nodev", OFF, FLAG(dev), NULL, NULL},
    {"exec", OFF, FLAG(noexec), NULL, NULL},
    {"noexec", ON, FLAG(noexec), NULL, NULL},
    {"sync", ON, FLAG(sync), NULL, NULL},
    {"async", OFF, FLAG(sync), NULL, NULL},
    {"dirsync", ON, FLAG(dirsync), NULL, NULL},
    {"allow_other", ON, FLAG(allow_other), NULL, NULL},
    {"acl", OFF, FLAG(no_acl), NULL, NULL},
    {"noacl", ON, FLAG(no_acl), NULL, NULL},
    {"noexport", ON, FLAG(no_export), NULL, NULL},
    {"io_uring", OFF, FLAG(no_io_uring), NULL, NULL},
    {"no_io_uring", ON, FLAG(no_io_uring), NULL, NULL},
    {"nonempty", ON, FLAG(nonempty), NULL, NULL},
    {"debug", ON, FLAG(debug), NULL, NULL},
    {"remount", ON, FLAG(remount), NULL, NULL},
    {"commit=", VALUE, 0, set_commit, NULL},
    {"cache=", VALUE, 0, set_cache, NULL},
    {"size=", VALUE, 0, set_size, NULL},
    {"compress=", VALUE, 0, set_compress, NULL},
    {"compress", OFF, FLAG(no_compress), NULL, NULL},
    {"uid=", VALUE, 0, set_uid, NULL},
    {"gid=", VALUE, 0, set_gid, NULL},
    {"umask=", VALUE, 0, set_umask, NULL},
    {"fmask=", VALUE, 0, set_fmask, NULL},
    {"dmask=", VALUE, 0, set_dmask, NULL},
    {"allow_root", REFUSE, 0, NULL,
     "what the kernel has cached it shows to everybody; allow_other lets all users in, and "
     "permissions are always checked"},
    {"fsname=", REFUSE, 0, NULL, "the source of the mount is always the path of its store"},
    {"subtype=", REFUSE, 0, NULL, "the type of the mount is always fuse.fluxfs"},
    {"strictatime", REFUSE, 0, NULL, no_atime},
    {"atime", NOTE, 0, NULL, no_atime},
    {"relatime", NOTE, 0, NULL, no_atime},
    {"diratime", NOTE, 0, NULL, no_atime},
    {"noatime", IGNORE, 0, NULL, NULL}, /* always so */
    {"nodiratime", IGNORE, 0, NULL, NULL},
    {"norelatime", IGNORE, 0, NULL, NULL},
    {"nostrictatime", IGNORE, 0, NULL, NULL},
    {"lazytime", IGNORE, 0, NULL, NULL}, /* permits, and demands nothing */
    {"nolazytime", IGNORE, 0, NULL, NULL},
    {"context=", PASS, 0, NULL, NULL},
    {"fscontext=", PASS, 0, NULL, NULL},
    {"defcontext=", PASS, 0, NULL, NULL},
    {"rootcontext=", PASS, 0, NULL, NULL},
    {"default_permissions", IGNORE, 0, NULL, NULL}, /* always on */
    {"defaults", IGNORE, 0, NULL, NULL},
    {"auto", IGNORE, 0, NULL, NULL},
    {"noauto", IGNORE, 0, NULL, NULL},
    {"nofail", IGNORE, 0, NULL, NULL},
    {"_netdev", IGNORE, 0, NULL, NULL},
    {"user", IGNORE, 0, NULL, NULL},
    {"user=", IGNORE, 0, NULL, NULL},
    {"users", IGNORE, 0, NULL, NULL},
    {"nouser", IGNORE, 0, NULL, NULL},
    {"nousers", IGNORE, 0, NULL, NULL},
    {"owner", IGNORE, 0, NULL, NULL},
    {"noowner", IGNORE, 0, NULL, NULL},
    {"group", IGNORE, 0, NULL, NULL},
    {"nogroup", IGNORE, 0, NULL, NULL},
    {"silent", IGNORE, 0, NULL, NULL},
    {"loud", IGNORE, 0, NULL, NULL},
    {"nomand", IGNORE, 0, NULL, NULL},
    {"helper=", IGNORE, 0, NULL, NULL},
    {"uhelper=", IGNORE, 0, NULL, NULL},
    {"comment=", IGNORE, 0, NULL, NULL},
    {"x-*", IGNORE, 0, NULL, NULL},
    {"X-*", IGNORE, 0, NULL, NULL},
    {"user_id=", KERNEL, 0, NULL, NULL},
    {"group_id=", KERNEL, 0, NULL, NULL},
    {"max_read=", KERNEL, 0, NULL, NULL},
    {"blksize=", KERNEL, 0, NULL, NULL},
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

static int pass(struct mount_options *o, const char *text)
{
    return fuse_opt_add_opt(&o->passed, text) < 0 ? refuse(text, "out of memory") : 0;
}

static int apply(struct mount_options *o, const struct option *option, const char *text,
                 const char *value)
{
    switch (option->what) {
    case ON:
    case OFF:
        *(bool *)((char *)o + option->flag) = option->what == ON;
        return 0;
    case VALUE:
        return option->set(o, value);
    case PASS:
        return pass(o, text);
    case NOTE:
        mount_log(LSM_LOG_WARN, "option '%s': %s", text, option->why);
        return 0;
    case REFUSE:
        return refuse(text, option->why);
    case KERNEL:
        return o->remount ? 0 : refuse(text, "is the kernel's, and cannot be set");
    default:
        return 0;
    }
}

/* A word that is no option: perhaps one without its value, or with one. */
static int refuse_unknown(const char *text)
{
    size_t len = strcspn(text, "=");

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        const char *name = options[i].name;

        if (strncmp(name, text, len) == 0 && name[len] == (text[len] ? 0 : '='))
            return refuse(text, text[len] ? "takes no value" : "needs a value behind a '='");
    }
    return refuse(text, "unknown; fluxfs mount --help lists the options");
}

static int apply_text(struct mount_options *o, const char *text)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        const char *value;

        if (option_is(&options[i], text, &value))
            return apply(o, &options[i], text, value);
    }
    return refuse_unknown(text);
}

/* Split at commas, except within double quotes, as SELinux contexts have them. */
static char *next_word(char **rest)
{
    char *word = *rest, *p = word;
    bool quoted = false;

    if (!word)
        return NULL;
    for (; *p && (quoted || *p != ','); p++)
        quoted ^= *p == '"';
    *rest = *p ? p + 1 : NULL;
    *p = 0;
    return word;
}

static bool has_word(const char *text, const char *wanted)
{
    char *copy = strdup(text ? text : ""), *rest = copy, *word;
    bool found = false;

    while (!found && (word = next_word(&rest)) != NULL)
        found = strcmp(word, wanted) == 0;
    free(copy);
    return found;
}

bool mount_options_have_remount(const char *text)
{
    return has_word(text, "remount");
}

/*
 * Foreign owners must not lend their rights: a program that is set-id here, or a device file, was
 * made by somebody else than whom it is shown to belong to.
 */
static int check_rights(struct mount_options *o, const char *text)
{
    static const char *const words[] = {"suid", "dev"};
    bool *const flags[] = {&o->suid, &o->dev};

    for (int i = 0; i < 2; i++) {
        if (!*flags[i])
            continue;
        if (owner_view_any(&o->view)) {
            if (has_word(text, words[i]))
                return refuse(words[i], "not together with uid=, gid= or a mask: files are shown "
                                        "with owners that did not make them");
            *flags[i] = false;
        } else if (geteuid() != 0) {
            return refuse(words[i], "only root can allow it");
        }
    }
    return 0;
}

int mount_options_parse(const char *text, const struct mount_options *base,
                        struct mount_options *ret)
{
    bool root = geteuid() == 0;
    struct mount_options o = {.commit_s = COMMIT_S_DEFAULT, .suid = root, .dev = root};
    char *copy = strdup(text ? text : ""), *rest = copy, *word;
    int r = copy ? 0 : refuse("-o", "out of memory");

    if (base)
        o = *base;
    o.passed = NULL;
    o.remount = mount_options_have_remount(text);
    while (r == 0 && (word = next_word(&rest)) != NULL)
        if (*word)
            r = apply_text(&o, word);
    free(copy);
    if (r == 0)
        r = check_rights(&o, text);
    /* An ACL would say something else than the permissions that are shown. */
    o.no_acl |= owner_view_any(&o.view);
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

void mount_options_text(const struct mount_options *o, char ret[MOUNT_OPTIONS_TEXT_LEN])
{
    const struct owner_view *v = &o->view;
    FILE *f = fmemopen(ret, MOUNT_OPTIONS_TEXT_LEN, "w");

    ret[0] = 0;
    if (!f)
        return;
    fprintf(f, "%s,commit=%u,compress=%s", o->read_only ? "ro" : "rw", o->commit_s,
            o->no_compress ? "none" : "lz4");
    if (o->cache_len)
        fprintf(f, ",cache=%zu", o->cache_len);
    if (o->size_max)
        fprintf(f, ",size=%llu", (unsigned long long)o->size_max);
    if (v->has_uid)
        fprintf(f, ",uid=%u", v->uid);
    if (v->has_gid)
        fprintf(f, ",gid=%u", v->gid);
    if (v->has_fmask)
        fprintf(f, ",fmask=%03o", v->fmask);
    if (v->has_dmask)
        fprintf(f, ",dmask=%03o", v->dmask);
    fprintf(f, "%s%s%s%s%s%s%s%s", o->sync ? ",sync" : "", o->dirsync ? ",dirsync" : "",
            o->no_acl ? ",noacl" : "", o->no_export ? ",noexport" : "",
            o->no_io_uring ? ",no_io_uring" : "", o->allow_other ? ",allow_other" : "",
            o->nonempty ? ",nonempty" : "", o->debug ? ",debug" : "");
    fclose(f);
}
