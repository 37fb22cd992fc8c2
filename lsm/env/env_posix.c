/*
 * The default environment: a directory of the host, opened once and then used through its
 * descriptor, so that neither a change of the working directory nor a rename of the store's path
 * can lead a later call elsewhere. Writers are in env_posix_writer.c, readers in
 * env_posix_reader.c, the lock in env_posix_lock.c, other directories in env_posix_branch.c; this
 * file opens the directory and changes it.
 *
 * A crash can leave NAME.tmp of a replacement that was not finished; the next replacement of the
 * same name removes it first, and never writes to it: where a rename is not one change of the disk
 * (ext2, ext4 without a journal) it can be a second name of the file itself. Names created or
 * removed since the last sync of the directory may be there or not.
 */
#include "lsm/env/env_posix.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lsm/base/err.h"

int env_posix_raise(const struct env *env, const char *name, const char *doing, int errnum)
{
    if (errnum == EDQUOT)
        errnum = ENOSPC;
    return err_raise(errnum, "%s%s%s: cannot %s: %s", env->path, name ? "/" : "", name ? name : "",
                     doing, err_text(-errnum));
}

int env_posix_openat(int dir_fd, const char *name, int flags)
{
    int fd;

    do
        fd = openat(dir_fd, name, flags | O_CLOEXEC | O_NOCTTY, 0600);
    while (fd < 0 && errno == EINTR);
    return fd;
}

int env_posix_open_file(const struct env_posix *e, const char *name, int flags)
{
    int fd = -1;

    if (e->env.read_only)
        fd = env_posix_openat(e->dir_fd, name, flags | O_NOATIME);
    if (!e->env.read_only || (fd < 0 && errno == EPERM))
        fd = env_posix_openat(e->dir_fd, name, flags);
    return fd;
}

int env_posix_fsync(int fd, bool data_only)
{
    int err;

    do
        err = data_only ? fdatasync(fd) : fsync(fd);
    while (err && errno == EINTR);
    return err;
}

static bool is_plain_file(int dir_fd, const struct dirent *d)
{
    struct stat st;

    if (d->d_type != DT_UNKNOWN)
        return d->d_type == DT_REG;
    return !fstatat(dir_fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode);
}

int env_posix_list_all(struct env *env, int (*each)(void *arg, const char *name, bool plain),
                       void *arg)
{
    /* A descriptor of its own: listings at the same time must not share a position. */
    int answer = 0, fd = env_posix_open_file(env_posix_of(env), ".", O_RDONLY | O_DIRECTORY);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *d;

    if (!dir) {
        int errnum = errno;

        if (fd >= 0)
            close(fd);
        return env_posix_raise(env, NULL, "list the directory", errnum);
    }
    while (!answer && (errno = 0, d = readdir(dir))) {
        if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
            answer = each(arg, d->d_name, is_plain_file(fd, d));
    }
    if (!answer && errno)
        answer = env_posix_raise(env, NULL, "list the directory", errno);
    closedir(dir);
    return answer;
}

struct plain_listing {
    int (*each)(void *arg, const char *name);
    void *arg;
};

static int pass_plain(void *arg, const char *name, bool plain)
{
    const struct plain_listing *l = arg;

    return plain ? l->each(l->arg, name) : 0;
}

static int list(struct env *env, int (*each)(void *arg, const char *name), void *arg)
{
    struct plain_listing l = {each, arg};

    return env_posix_list_all(env, pass_plain, &l);
}

struct adding {
    int dir_fd;
    uint64_t len;
};

/* One that is removed meanwhile takes nothing. */
static int add_used(void *arg, const char *name)
{
    struct adding *a = arg;
    struct stat st;

    if (!fstatat(a->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW)) {
        uint64_t len = (uint64_t)st.st_size, taken = (uint64_t)st.st_blocks * 512;

        a->len += taken > len ? taken : len;
    }
    return 0;
}

static int used(struct env *env, uint64_t *ret_len)
{
    struct adding a = {.dir_fd = env_posix_of(env)->dir_fd};
    int err = list(env, add_used, &a);

    if (!err)
        *ret_len = a.len;
    return err;
}

static int remove_file(struct env *env, const char *name)
{
    if (!unlinkat(env_posix_of(env)->dir_fd, name, 0))
        return 0;
    return errno == ENOENT ? -ENOENT : env_posix_raise(env, name, "remove", errno);
}

/* Write and sync a new file; on failure it is gone again. */
static int write_small(struct env *env, const char *name, struct slice contents)
{
    int dir_fd = env_posix_of(env)->dir_fd;
    int errnum, fd = env_posix_openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
    const char *doing = "write";
    uint64_t len;

    if (fd < 0)
        return env_posix_raise(env, name, "create", errno);
    errnum = env_posix_write(fd, &contents, 1, 0, &len);
    if (!errnum && env_posix_fsync(fd, false)) {
        errnum = errno;
        doing = "sync";
    }
    if (close(fd) && errno != EINTR && !errnum)
        errnum = errno;
    if (!errnum)
        return 0;
    unlinkat(dir_fd, name, 0);
    return env_posix_raise(env, name, doing, errnum);
}

/* The kernel keeps dirty pages by file, not by descriptor: any one will do. */
static int sync_file(struct env *env, const char *name)
{
    int errnum, fd = env_posix_openat(env_posix_of(env)->dir_fd, name, O_RDONLY | O_NOFOLLOW);

    if (fd < 0)
        return errno == ENOENT ? -ENOENT : env_posix_raise(env, name, "open", errno);
    errnum = env_posix_fsync(fd, false) ? errno : 0;
    close(fd);
    return errnum ? env_posix_raise(env, name, "sync", errnum) : 0;
}

static int sync_dir(struct env *env)
{
    if (env_posix_fsync(env_posix_of(env)->dir_fd, false))
        return env_posix_raise(env, NULL, "sync the directory", errno);
    return 0;
}

static int replace_small(struct env *env, const char *name, struct slice contents)
{
    int err, errnum, dir_fd = env_posix_of(env)->dir_fd;
    char tmp[256];

    snprintf(tmp, sizeof(tmp), "%s.tmp", name);
    if (unlinkat(dir_fd, tmp, 0) && errno != ENOENT)
        return env_posix_raise(env, tmp, "remove", errno);
    err = write_small(env, tmp, contents);
    if (err)
        return err;
    if (renameat(dir_fd, tmp, dir_fd, name)) {
        errnum = errno;
        unlinkat(dir_fd, tmp, 0);
        return env_posix_raise(env, name, "replace", errnum);
    }
    return sync_dir(env);
}

static int space(struct env *env, uint64_t *ret_total, uint64_t *ret_free)
{
    struct statvfs st;
    int err;

    do
        err = fstatvfs(env_posix_of(env)->dir_fd, &st);
    while (err && errno == EINTR);
    if (err)
        return env_posix_raise(env, NULL, "ask for free space", errno);
    if (st.f_blocks == 0) {
        *ret_total = *ret_free = ENV_SPACE_UNKNOWN;
        return 0;
    }
    *ret_total = (uint64_t)st.f_blocks * st.f_frsize;
    *ret_free = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}

void env_posix_done(struct env_posix *e)
{
    if (e->lock_fd >= 0)
        close(e->lock_fd);
    if (e->dir_fd >= 0)
        close(e->dir_fd);
    free(e->env.path);
    fd_cache_done(&e->fds);
}

static void close_env(struct env *env)
{
    env_posix_done(env_posix_of(env));
    free(env_posix_of(env));
}

const struct env_ops env_posix_ops = {
    .writer_create = env_posix_writer_create,
    .writer_append = env_posix_writer_append,
    .writer_sync = env_posix_writer_sync,
    .writer_reserve = env_posix_writer_reserve,
    .writer_zero = env_posix_writer_zero,
    .writer_truncate = env_posix_writer_truncate,
    .writer_close = env_posix_writer_close,
    .reader_open = env_posix_reader_open,
    .reader_read = env_posix_reader_read,
    .reader_read_parts = env_posix_reader_read_parts,
    .reader_len = env_posix_reader_len,
    .reader_prefetch = env_posix_reader_prefetch,
    .reader_close = env_posix_reader_close,
    .list = list,
    .remove = remove_file,
    .replace_small = replace_small,
    .sync_file = sync_file,
    .sync_dir = sync_dir,
    .space = space,
    .used = used,
    .branch = env_posix_branch,
    .link_out = env_posix_link_out,
    .discard = env_posix_discard,
    .keep_aside = env_posix_keep_aside,
    .close = close_env,
};

/* Make the directory's own name durable, as far as we may look at its parent. */
static int sync_parent(struct env_posix *e)
{
    int err, errnum, fd = env_posix_openat(e->dir_fd, "..", O_RDONLY | O_DIRECTORY);

    if (fd < 0 && errno == EACCES)
        return 0;
    if (fd < 0)
        return env_posix_raise(&e->env, NULL, "open the directory above", errno);
    err = env_posix_fsync(fd, false);
    errnum = errno;
    close(fd);
    return err ? env_posix_raise(&e->env, NULL, "sync the directory above", errnum) : 0;
}

/*
 * Is what is written over a reserved or written place put into that place? Known of few file
 * systems only. Another one (btrfs) puts it elsewhere: then zeros ahead save nothing, and use up
 * what was reserved for records.
 */
static bool overwrites_in_place(int dir_fd)
{
    struct statfs st;
    int err;

    do
        err = fstatfs(dir_fd, &st);
    while (err && errno == EINTR);
    return !err && (st.f_type == EXT4_SUPER_MAGIC || st.f_type == XFS_SUPER_MAGIC);
}

static int open_dir(struct env_posix *e, bool create)
{
    const char *path = e->env.path;

    if (create && mkdir(path, 0700) && errno != EEXIST)
        return env_posix_raise(&e->env, NULL, "create the directory", errno);
    e->dir_fd = env_posix_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
    if (e->dir_fd < 0 && errno == ENOENT)
        return err_raise(ERR_STORE_MISSING, "%s: there is no store: %s", path, err_text(-ENOENT));
    if (e->dir_fd < 0 && errno == ENOTDIR)
        return err_raise(ERR_STORE_NOT_ONE, "%s: not a store: not a directory", path);
    if (e->dir_fd < 0)
        return env_posix_raise(&e->env, NULL, "open the directory", errno);
    e->overwrites = overwrites_in_place(e->dir_fd);
    return create ? sync_parent(e) : 0;
}

int env_posix_init(struct env_posix *e, const char *path, unsigned flags)
{
    int err = -ENOMEM;

    fd_cache_init(&e->fds, fd_cache_default_max());
    around_budget_init(&e->around);
    e->env.ops = &env_posix_ops;
    e->env.read_only = flags & ENV_READ_ONLY;
    e->env.path = strdup(path);
    e->dir_fd = e->lock_fd = -1;
    if (e->env.path)
        err = open_dir(e, (flags & ENV_CREATE) && !e->env.read_only);
    if (!err && !(flags & ENV_NO_LOCK))
        err = env_posix_lock(e);
    return err;
}

int env_posix_open(const char *path, unsigned flags, struct env **ret)
{
    struct env_posix *e = calloc(1, sizeof(*e));
    int err;

    if (!e)
        return -ENOMEM;
    err = env_posix_init(e, path, flags);
    if (err) {
        close_env(&e->env);
        return err;
    }
    *ret = &e->env;
    return 0;
}
