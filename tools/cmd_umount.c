/*
 * fluxfs umount: unmount, then wait until the daemon has closed the store, so that everything is
 * on disk when the command returns. The kernel alone does not wait: umount(2) returns when the
 * daemon has been told. As umount.fluxfs and umount.fuse.fluxfs it is what umount(8) calls for such
 * mounts, so that umount(8) waits as well.
 *
 * A disk that never answers must not take the command along. So all that asks the mount or the
 * store is done by a child (supervise.h). The status is never 0 before all that was written is on
 * disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/commands.h"
#include "tools/live_mount.h"
#include "tools/mountinfo.h"
#include "tools/store_lock.h"
#include "tools/supervise.h"

static const char help[] =
    "Usage: fluxfs umount [-fl] [-T SECONDS] DIR|STORE\n"
    "       umount.fluxfs DIR [-flnrv]\n"
    "Unmount, and wait until everything is on disk, as long as it takes.\n"
    "\n"
    "  -T, --timeout SECONDS   give up when it takes longer: the status is 3\n"
    "  -l, --lazy   also when it is in use, or its disk does not answer: it disappears, and ends\n"
    "               when nobody uses it any more. What was written is brought to disk first, for\n"
    "               five seconds or those of -T; when that is not enough the status is 3\n"
    "  -f, --force  when it is in use and its daemon hangs, break its connection: programs that\n"
    "               wait for it get errors, and so does all that they still have open there\n"
    "  -h, --help   this text\n"
    "\n"
    "A mount that is in use is left alone; \"fuser -vm DIR\" shows who uses it. The mount of a\n"
    "daemon that has died is unmounted, too. Status 3: not everything is on disk yet.\n";

enum {
    STATUS_NOT_ON_DISK = 3, /* in the manual */
    LAZY_MS = 5000,
    TIMEOUT_S_MAX = 1000000,
};

/* What the command does, and how far it is. In memory that the child shares. */
struct job {
    /* Set at the beginning, then constant. */
    const struct mount_entry *mount;
    int flags; /* MNT_DETACH, MNT_FORCE or 0 */
    ino_t connection;
    long limit_ms; /* -1: none */

    /* Set by the child. */
    long pid;       /* of the daemon; 0: not known */
    int sync_err;   /* what bringing everything to disk gave: -EINPROGRESS before, -errno */
    bool unmounted; /* and not shown elsewhere */
};

/* The mount of a store can be reached only where nothing has been mounted over it. */
static int check_uncovered(const char *target, const struct mount_entry *mount)
{
    struct mount_entry top = {0};
    int status = STATUS_OK;
    int rc = mountinfo_find_dir(mount->dir, &top);

    if (rc < 0)
        return cli_error("/proc/self/mountinfo: %s", strerror(-rc));
    if (rc == 0 || top.minor != mount->minor || strcmp(top.type, mount->type) != 0)
        status = cli_error("%s: mounted at %s, but something else is mounted over it", target,
                           mount->dir);
    mount_entry_done(&top);
    return status;
}

static int find_by_store(const char *target, struct mount_entry *ret)
{
    int status, rc = mountinfo_find_store(target, ret);

    if (rc < 0)
        return cli_error("/proc/self/mountinfo: %s", strerror(-rc));
    if (rc == 0 && access(target, F_OK) && errno != ENOTCONN)
        return cli_error("%s: %s", target, strerror(errno));
    if (rc == 0)
        return cli_error("%s: not mounted", target);
    status = check_uncovered(target, ret);
    if (status)
        mount_entry_done(ret);
    return status;
}

/* Find the mount that the user means: by its directory or by its store. */
static int find_mount(const char *target, struct mount_entry *ret)
{
    int rc = mountinfo_find_dir(target, ret);

    if (rc < 0)
        return cli_error("/proc/self/mountinfo: %s", strerror(-rc));
    if (rc == 0)
        return find_by_store(target, ret);
    if (!strcmp(ret->type, MOUNT_TYPE))
        return STATUS_OK;
    cli_error("%s: not a FluxFS mount: its type is %s", target, ret->type);
    mount_entry_done(ret);
    return STATUS_FAILED;
}

/* Run fusermount3 and keep what it complains of. Its exit status, or -errno. */
static int run_fusermount(const char *dir, bool lazy, char *text, size_t text_len)
{
    static char *const envp[] = {"LC_ALL=C",
                                 "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/"
                                 "bin:/sbin:/bin",
                                 NULL};
    char *const argv[] = {"fusermount3", lazy ? "-uz" : "-u", "--", (char *)(uintptr_t)dir, NULL};
    posix_spawn_file_actions_t actions;
    int pipe_fds[2], status = 0, err;
    size_t len = 0;
    ssize_t n;
    pid_t pid;

    if (pipe2(pipe_fds, O_CLOEXEC))
        return -errno;
    err = posix_spawn_file_actions_init(&actions);
    if (!err)
        err = posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDERR_FILENO);
    if (!err)
        err = posix_spawnp(&pid, argv[0], &actions, NULL, argv, envp);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_fds[1]);
    if (err) {
        close(pipe_fds[0]);
        return -err;
    }
    while ((n = read(pipe_fds[0], text + len, text_len - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = 0;
    close(pipe_fds[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int busy_error(const char *dir)
{
    return cli_error("%s: in use: a program has a file open there or works in it; find it with: "
                     "fuser -vm %s",
                     dir, dir);
}

/* Whoever may not unmount asks fusermount3, which is setuid root. */
static int unmount_as_user(const char *dir, bool lazy)
{
    char text[1024] = "";
    int rc = run_fusermount(dir, lazy, text, sizeof(text));

    if (rc == 0)
        return STATUS_OK;
    if (rc == -ENOENT)
        return cli_error("%s: fusermount3 was not found: install fuse3, or unmount as root", dir);
    if (rc < 0)
        return cli_error("%s: fusermount3 cannot be run: %s", dir, strerror(-rc));
    if (strstr(text, "busy"))
        return busy_error(dir);
    text[strcspn(text, "\n")] = 0;
    return cli_error("%s: cannot be unmounted: %s", dir,
                     *text ? text : "fusermount3 failed without a word");
}

/*
 * Whatever the flags: MNT_FORCE makes the kernel end the connection before it looks whether the
 * mount is in use, so that every program there loses its files. It is for daemons that have ended,
 * or hang.
 */
static int umount_root(const char *dir, int flags)
{
    if (!umount2(dir, UMOUNT_NOFOLLOW | (flags & MNT_DETACH)))
        return 0;
    if (errno != EBUSY || !(flags & MNT_FORCE))
        return -errno;
    if (!live_mount_ask(dir))
        return -EBUSY;
    return umount2(dir, UMOUNT_NOFOLLOW | flags) ? -errno : 0;
}

/* flags: MNT_DETACH, MNT_FORCE or 0. */
static int unmount(const char *dir, int flags)
{
    int err;

    if (!geteuid()) {
        err = umount_root(dir, flags);
        if (!err)
            return STATUS_OK;
        if (err == -EBUSY)
            return busy_error(dir);
        if (err != -EPERM)
            return cli_error("%s: cannot be unmounted: %s", dir, strerror(-err));
    }
    return unmount_as_user(dir, flags & MNT_DETACH);
}

/*
 * The same mount may show elsewhere, after mount --bind or in another mount namespace: then the
 * daemon goes on, and waiting for its end would be waiting for somebody else. The kernel lists the
 * connection as long as any is left. `connection` is what it was before.
 */
static bool is_mounted_elsewhere(const struct mount_entry *mount, ino_t connection)
{
    struct mount_entry other = {0};
    bool found;

    if (connection)
        return live_mount_connection(mount->minor) == connection;
    found = mountinfo_find_same(mount, &other) == 1;
    mount_entry_done(&other);
    return found;
}

static void tell_slow(const void *arg)
{
    const struct job *job = arg;

    if (job->pid)
        fprintf(stderr, "%s: waiting for process %ld to bring everything to disk\n", cli_name,
                job->pid);
    else
        fprintf(stderr, "%s: waiting for the disk of %s\n", cli_name, job->mount->source);
}

static int not_on_disk(const struct job *job, const char *what)
{
    if (job->pid)
        fprintf(stderr, "%s: %s: %s, but not everything is on disk yet; process %ld works on it\n",
                cli_name, job->mount->dir, what, job->pid);
    else
        fprintf(stderr, "%s: %s: %s, but not everything is on disk yet\n", cli_name,
                job->mount->dir, what);
    return STATUS_NOT_ON_DISK;
}

/* What a daemon has written and cannot sync any more, because it has died: 0 or -errno. */
static int sync_store(const char *store)
{
    int fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    err = syncfs(fd) ? -errno : 0;
    close(fd);
    return err;
}

/* Returns a descriptor that keeps the mount in use, or -1. */
static int sync_mount(struct job *job)
{
    int fd = -1, err;

    job->pid = store_lock_pid(job->mount->source);
    err = live_mount_ask(job->mount->dir);
    if (!err) {
        fd = live_mount_open(job->mount->dir);
        err = fd < 0 ? fd : live_mount_sync(fd);
    }
    job->sync_err = err == -ENOTCONN ? sync_store(job->mount->source) : err;
    return fd < 0 ? -1 : fd;
}

static int sync_status(const struct job *job)
{
    if (!job->sync_err)
        return STATUS_OK;
    if (job->sync_err == -EINPROGRESS || job->sync_err == -ETIMEDOUT)
        return not_on_disk(job, "its daemon goes on");
    return cli_error("%s: not everything could be brought to disk: %s", job->mount->dir,
                     strerror(-job->sync_err));
}

/* The child: unmount, and wait until all is on disk. */
static int unmount_work(void *arg)
{
    struct job *job = arg;
    int status, fd;

    /* Where the daemon goes on, nothing else would bring it to disk; that is known too late. */
    fd = sync_mount(job);
    if (fd >= 0)
        close(fd);
    status = unmount(job->mount->dir, job->flags);
    if (status)
        return status;
    if (is_mounted_elsewhere(job->mount, job->connection)) {
        fprintf(stderr, "%s: %s: still mounted elsewhere; its daemon goes on\n", cli_name,
                job->mount->dir);
        return sync_status(job);
    }
    job->unmounted = true;
    store_lock_wait(job->mount->source, job->pid);
    /* A daemon that said nothing has closed the store after all, or has ended without. */
    if (job->sync_err == -ETIMEDOUT)
        job->sync_err = sync_store(job->mount->source);
    return sync_status(job);
}

static int supervised_status(const struct job *job, int status)
{
    return status < 0
               ? cli_error("%s: no process can wait for it: %s", job->mount->dir, strerror(-status))
               : status;
}

static int unmount_and_wait(struct job *job)
{
    int status = supervise(unmount_work, job, job->limit_ms, tell_slow);

    if (status == -ETIMEDOUT)
        return not_on_disk(job, job->unmounted ? "unmounted" : "still mounted");
    return status < 0
               ? cli_error("%s: no process can wait for it: %s", job->mount->dir, strerror(-status))
               : status;
}

/* The child. What is written until the mount disappears is to be on disk, too. */
static int unmount_lazily_work(void *arg)
{
    struct job *job = arg;
    int status, fd = sync_mount(job), sync_err = job->sync_err;

    job->sync_err = -EINPROGRESS;
    status = unmount(job->mount->dir, job->flags);
    if (status)
        return status;
    job->unmounted = true;
    if (!sync_err && fd >= 0)
        sync_err = live_mount_sync(fd);
    job->sync_err = sync_err;
    return sync_status(job);
}

/* The mount disappears in any case. */
static int unmount_lazily(struct job *job)
{
    int status =
        supervise(unmount_lazily_work, job, job->limit_ms < 0 ? LAZY_MS : job->limit_ms, tell_slow);

    if (status != -ETIMEDOUT)
        return supervised_status(job, status);
    status = job->unmounted ? STATUS_OK : unmount(job->mount->dir, job->flags);
    return status ? status : not_on_disk(job, "unmounted");
}

static int start(const struct mount_entry *mount, int flags, long limit_ms)
{
    struct job *job = supervise_alloc(sizeof(*job));

    if (!job)
        return cli_error("%s", strerror(errno));
    *job = (struct job){
        .mount = mount,
        .flags = flags,
        .connection = live_mount_connection(mount->minor),
        .limit_ms = limit_ms,
        .sync_err = -EINPROGRESS,
    };
    return flags & MNT_DETACH ? unmount_lazily(job) : unmount_and_wait(job);
}

static int parse_timeout(const char *text, long *ret_ms)
{
    char *end;
    long seconds;

    errno = 0;
    seconds = strtol(text, &end, 10);
    if (errno || end == text || *end || seconds < 0 || seconds > TIMEOUT_S_MAX)
        return cli_usage_error("\"%s\" is not a number of seconds from 0 to %d", text,
                               TIMEOUT_S_MAX);
    *ret_ms = seconds * 1000;
    return STATUS_OK;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"timeout", required_argument, NULL, 'T'},
                                            {"lazy", no_argument, NULL, 'l'},
                                            {"force", no_argument, NULL, 'f'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    /* umount(8) passes -n (no mtab), -v, -r (read-only when busy: not done), -N and -t as well. */
    const char *letters = cli_by_alias ? ":hlfnrvN:t:T:" : ":hlfT:";
    struct mount_entry mount = {0};
    int c, status, flags = 0;
    long limit_ms = -1;

    while ((c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
        if (c == 'h')
            return cli_help();
        if (c == '?' || c == ':')
            return cli_bad_option(c, argv);
        if (c == 'N')
            return cli_error("unmounting in another namespace (-N %s) is not supported", optarg);
        if (c == 'T' && parse_timeout(optarg, &limit_ms))
            return STATUS_USAGE;
        if (c == 'l')
            flags |= MNT_DETACH;
        else if (c == 'f')
            flags |= MNT_FORCE;
    }
    if (argc - optind != 1)
        return cli_usage_error("name one mounted directory or one store");
    status = find_mount(argv[optind], &mount);
    if (status)
        return status;
    status = start(&mount, flags, limit_ms);
    mount_entry_done(&mount);
    return status;
}

const struct command command_umount = {
    .name = "umount",
    .alias = "umount.fluxfs",
    .summary = "unmount and wait until everything is on disk",
    .help = help,
    .run = run,
    .status_usage = STATUS_USAGE,
    .status_output = STATUS_FAILED,
};
