/*
 * Mounting: from the command's arguments to the loop that serves the kernel, and back.
 *
 * Order. The background process is forked before the store is opened; the signals are blocked
 * before the first thread is made; the store is open before the kernel knows of the mount. At the
 * end the threads that use the session stop first, then the mount goes, then the store is closed,
 * which purges orphans and makes everything durable.
 *
 * A daemon that is killed loses nothing that it acknowledged; the next mount detaches its remains.
 */
#include "fs/fuse/mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/exposed.h"
#include "fs/fuse/cache_drop.h"
#include "fs/fuse/daemonize.h"
#include "fs/fuse/committer.h"
#include "fs/fuse/control.h"
#include "fs/fuse/init_reply.h"
#include "fs/fuse/mount_log.h"
#include "fs/fuse/mount_options.h"
#include "fs/fuse/mount_point.h"
#include "fs/fuse/raw_ops.h"
#include "fs/fuse/reaper.h"
#include "fs/fuse/remount.h"
#include "fs/fuse/ring.h"
#include "fs/fuse/session.h"
#include "fs/fuse/stopper.h"
#include "fs/fuse/workers.h"
#include "lsm/base/err.h"

enum {
    LOCK_WAIT_MS = 10000, /* umount returns before the last daemon has closed the store */
    READAHEAD_KB = 1024,
};

/* What is to be mounted where. */
struct plan {
    struct mount_options options;
    char *store; /* absolute paths */
    char *dir;
    int report; /* to the waiting parent; -1 in the foreground */
};

static void log_failure(const char *what, const char *name, int err)
{
    const char *detail = lsm_detail();

    mount_log(LSM_LOG_ERROR, "%s %s: %s", what, name, *detail ? detail : lsm_strerror(err));
}

/* --- The store --- */

/* -ENOTEMPTY, which is not logged, when it holds what is no beginning of a store. */
static int store_make(const char *path)
{
    const struct fs_mkfs_options options = {.root_uid = getuid(), .root_gid = getgid()};
    int err = fs_mkfs(path, &options);

    if (err == -ENOTEMPTY)
        return err;
    if (err < 0)
        log_failure("cannot make the store", path, err);
    else
        mount_log(LSM_LOG_INFO, "made a new store: %s", path);
    return err;
}

/*
 * May be made into a store: a killed mount leaves an empty directory, or some plain files, which
 * fs_mkfs knows.
 */
static bool is_beginning(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *d;
    bool answer = dir != NULL;
    struct stat st;

    while (answer && (d = readdir(dir)))
        answer = strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
                 (!fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode));
    if (dir)
        closedir(dir);
    return answer;
}

/*
 * A store that is mounted stays locked: waiting is for one that was unmounted just now and whose
 * daemon has not ended yet.
 */
static unsigned lock_wait_ms(const struct plan *p)
{
    return mount_point_of_store(p->store) ? 0 : LOCK_WAIT_MS;
}

/* Missing, or left behind half made, as opening it has told. */
static bool is_to_be_made(const char *path, int err)
{
    return err == -ENOENT || err == -ERR_STORE_MISSING || err == -ERR_NO_FILE_SYSTEM ||
           (err == -ERR_STORE_NOT_ONE && is_beginning(path));
}

/* The store holds what permissions in the mount keep from others. */
static void warn_exposed(const char *store)
{
    char text[1024];

    if (exposed_find(store, text, sizeof(text)) > 0)
        mount_log(LSM_LOG_WARN, "%s", text);
}

static int store_open(const struct plan *p, struct fs **ret)
{
    const struct fs_options options = {
        .read_only = p->options.read_only,
        .lock_wait_ms = lock_wait_ms(p),
        .cache_len = p->options.cache_len,
        .no_acl = p->options.no_acl,
        .size_max = p->options.size_max,
        .no_compress = p->options.no_compress,
        .clear_set_id = owner_view_any(&p->options.view),
        .log = mount_log_text,
    };
    int err;

    err_clear();
    err = fs_open(p->store, &options, ret);
    if (is_to_be_made(p->store, err) && !options.read_only) {
        err = store_make(p->store);
        if (err < 0 && err != -ENOTEMPTY)
            return -1;
        err_clear();
        err = fs_open(p->store, &options, ret);
    }
    if (err < 0) {
        log_failure("cannot open the store", p->store, err);
        return -1;
    }
    warn_exposed(p->store);
    return 0;
}

/* --- The session --- */

/* The kernel's flags. Access times never change, so the mount shows noatime. */
static int add_flags(const struct mount_options *o, char **list)
{
    const struct {
        bool on;
        const char *name;
    } flags[] = {
        {o->read_only, "ro"},
        {!o->read_only, "rw"},
        {true, "noatime"},
        {o->noexec, "noexec"},
        {o->sync, "sync"},
        {o->sync || o->dirsync, "dirsync"},
        {o->allow_other, "allow_other"},
        {o->debug, "debug"},
        {o->suid, "suid"},
        {!o->suid, "nosuid"},
        {o->dev, "dev"},
        {!o->dev, "nodev"},
    };

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (flags[i].on && fuse_opt_add_opt(list, flags[i].name) < 0)
            return -1;
    return 0;
}

static int add_args(const struct plan *p, struct fuse_args *args)
{
    const struct mount_options *o = &p->options;
    char *list = NULL, *source = NULL;
    int r = -1;

    if (asprintf(&source, "fsname=%s", p->store) < 0)
        source = NULL;
    if (source && fuse_opt_add_opt(&list, "default_permissions,subtype=fluxfs") == 0 &&
        fuse_opt_add_opt_escaped(&list, source) == 0 && add_flags(o, &list) == 0 &&
        (!o->passed || fuse_opt_add_opt(&list, o->passed) == 0) &&
        fuse_opt_add_arg(args, "fluxfs") == 0 && fuse_opt_add_arg(args, "-o") == 0 &&
        fuse_opt_add_arg(args, list) == 0)
        r = 0;
    free(list);
    free(source);
    return r;
}

static struct fuse_session *session_new(const struct plan *p, struct mount *m)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    struct fuse_session *se = NULL;

    if (add_args(p, &args) == 0)
        se = fuse_session_new(&args, &fuse_ops, sizeof(fuse_ops), m);
    fuse_opt_free_args(&args);
    if (!se)
        mount_log(LSM_LOG_ERROR, "cannot make a FUSE session");
    return se;
}

/* A mount is of use without it, too: some file systems below have no sockets. */
static struct control *control_open(const struct plan *p, struct mount *m)
{
    struct control *control = NULL;
    int err = control_start(m, p->store, &control);

    if (err)
        mount_log(LSM_LOG_WARN, "%s: no control socket, so that nothing can be imported: %s",
                  p->store, strerror(-err));
    return control;
}

/* Mounted and, if wanted, in the background: start the helpers, serve, and stop them. */
static int serve(const struct plan *p, struct mount *m)
{
    struct committer *committer = NULL;
    struct control *control = NULL;
    struct stopper *stopper = NULL;
    int err = reaper_start(m->fs, m->se, &m->reaper);

    if (!err && !p->options.read_only)
        err = committer_start(m->fs, p->options.commit_s, &committer);
    if (!err && m->sync_names)
        err = cache_drop_start(m->se, &m->cache_drop);
    if (!err)
        err = stopper_start(m->se, p->dir, &stopper);
    if (!err && !p->options.read_only)
        control = control_open(p, m);
    if (!err)
        err = watchdog_start(&m->dog);
    if (!err) {
        daemonize_report(p->report, 0);
        mount_log(LSM_LOG_INFO, "mounted %s on %s", p->store, p->dir);
        err = workers_run(m->se, &m->dog, raw_ops_serve, m);
        rings_free(m->rings);
        watchdog_stop(&m->dog);
        if (err)
            mount_log(LSM_LOG_ERROR, "serving %s ended: %s", p->dir,
                      strerror(err < 0 ? -err : err));
    } else {
        mount_log(LSM_LOG_ERROR, "cannot start a thread: %s", strerror(-err));
        daemonize_report(p->report, MOUNT_EXIT_FAILURE);
    }
    stopper_stop(stopper);
    control_stop(control);
    committer_stop(committer);
    cache_drop_stop(m->cache_drop);
    reaper_stop(m->reaper);
    return err ? -1 : 0;
}

static int mount_and_serve(const struct plan *p, struct mount *m)
{
    int r = -1;

    m->se = session_new(p, m);
    if (m->se && fuse_session_mount(m->se, p->dir) == 0) {
        init_reply_hook(m);
        mount_point_set_readahead(p->dir, READAHEAD_KB);
        if (p->report >= 0) {
            daemonize_detach();
            mount_log_to_syslog(p->store);
        }
        r = serve(p, m);
        fuse_session_unmount(m->se);
    } else {
        if (m->se)
            mount_log(LSM_LOG_ERROR, "cannot mount on %s", p->dir);
        daemonize_report(p->report, MOUNT_EXIT_FAILURE);
    }
    if (m->se)
        fuse_session_destroy(m->se);
    return r;
}

static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/*
 * The C library would give every thread a heap of its own and keep in each what was freed there:
 * 380 to 560 MB resident were seen after long runs, with a cache of 64 MiB and memtables of 96 at
 * most. Two heaps are enough where one thread serves at a time, and pieces of memtables, of up to a
 * mebibyte, go back to the system when they are freed.
 */
static void tame_heaps(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 512 << 10);
    mallopt(M_TRIM_THRESHOLD, 4 << 20);
}

/*
 * Whether this kernel enforces labels: it lists SELinux's own file system then. Where it cannot be
 * told it is taken to.
 */
static bool kernel_has_selinux(void)
{
    FILE *list = fopen("/proc/filesystems", "re");
    char line[64];
    bool found = false;

    if (!list)
        return true;
    while (!found && fgets(line, sizeof(line), list))
        found = strstr(line, "selinuxfs") != NULL;
    fclose(list);
    return found;
}

/* The daemon's life. Returns its exit status. */
static int run(const struct plan *p)
{
    struct mount m = {.view = p->options.view,
                      .sync_names = p->options.sync || p->options.dirsync,
                      .sync_all = p->options.sync};
    int r, err;

    mount_options_text(&p->options, m.options_text);
    tame_heaps();
    raise_file_limit();
    stopper_block_signals();
    if (store_open(p, &m.fs) < 0) {
        daemonize_report(p->report, MOUNT_EXIT_FAILURE);
        return MOUNT_EXIT_FAILURE;
    }
    m.block_len = fs_super(m.fs)->block_len;
    m.debug = p->options.debug;
    m.acl = !p->options.no_acl;
    m.selinux = kernel_has_selinux();
    m.no_io_uring = p->options.no_io_uring;
    watchdog_init(&m.dog, 0);
    m.no_export = p->options.no_export;
    r = mount_and_serve(p, &m);
    watchdog_done(&m.dog);
    err = fs_close(m.fs);
    if (err < 0)
        log_failure("closing the store", p->store, err);
    return r < 0 || err < 0 ? MOUNT_EXIT_FAILURE : 0;
}

/* --- Before --- */

static int paths_find(const struct fuse_mount_options *o, struct plan *p)
{
    p->store = path_absolute(o->store);
    if (!p->store) {
        mount_log(LSM_LOG_ERROR, "%s: %s", o->store, strerror(errno));
        return -1;
    }
    p->dir = path_absolute(o->mount_point);
    if (!p->dir) {
        mount_log(LSM_LOG_ERROR, "%s: %s", o->mount_point, strerror(errno));
        return -1;
    }
    if (path_is_inside(p->store, p->dir)) {
        mount_log(LSM_LOG_ERROR, "the store %s must not lie inside its mount point %s", p->store,
                  p->dir);
        return -1;
    }
    if (path_is_inside(p->dir, p->store)) {
        mount_log(LSM_LOG_ERROR, "the mount point %s must not lie inside its store %s", p->dir,
                  p->store);
        return -1;
    }
    return 0;
}

/* Nothing is mounted here: what is there already is changed. */
static int remount_run(const struct fuse_mount_options *o, struct plan *p)
{
    if (paths_find(o, p) < 0)
        return MOUNT_EXIT_FAILURE;
    return remount(p->store, p->dir, o->options) < 0 ? MOUNT_EXIT_FAILURE : 0;
}

static int mount_planned(struct plan *p, bool foreground)
{
    int status, r;

    if (foreground)
        return run(p);
    r = daemonize_fork(&status, &p->report);
    if (r < 0) {
        mount_log(LSM_LOG_ERROR, "cannot fork: %s", strerror(-r));
        return MOUNT_EXIT_FAILURE;
    }
    if (r > 0)
        return status;
    /* The daemon must not go on in the code that called us. */
    status = run(p);
    free(p->store);
    free(p->dir);
    mount_options_done(&p->options);
    exit(status);
}

const char *fluxfs_mount_help(void)
{
    return mount_options_help();
}

int fluxfs_mount_run(const struct fuse_mount_options *options)
{
    struct plan p = {.report = -1};
    int status = MOUNT_EXIT_FAILURE;

    mount_log_init(options->foreground ? LSM_LOG_INFO : LSM_LOG_WARN);
    if (mount_options_have_remount(options->options)) {
        status = remount_run(options, &p);
        free(p.store);
        free(p.dir);
        return status;
    }
    if (mount_options_parse(options->options, NULL, &p.options) < 0)
        return MOUNT_EXIT_USAGE;
    if (p.options.debug || options->verbose)
        mount_log_init(LSM_LOG_DEBUG);
    if (paths_find(options, &p) == 0 && mount_point_prepare(p.dir, p.options.nonempty) == 0)
        status = mount_planned(&p, options->foreground);
    free(p.store);
    free(p.dir);
    mount_options_done(&p.options);
    return status;
}
