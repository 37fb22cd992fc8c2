/*
 * fluxfs umount: unmount, then wait until the daemon has closed the store, so that everything is
 * on disk when the command returns. The kernel alone does not wait: umount(2) returns when the
 * daemon has been told. As umount.fluxfs and umount.fuse.fluxfs it is what umount(8) calls for such
 * mounts, so that umount(8) waits as well.
 */
#include <errno.h>
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

static const char help[] =
    "Usage: fluxfs umount [-fl] DIR|STORE\n"
    "       umount.fluxfs DIR [-flnrv]\n"
    "Unmount, and wait until everything is on disk.\n"
    "\n"
    "  -l, --lazy   also when it is in use: it disappears now and ends when nobody uses it any\n"
    "               more; this is not waited for\n"
    "  -f, --force  when it is in use and its daemon hangs, break its connection: programs that\n"
    "               wait for it get errors, and so does all that they still have open there\n"
    "  -h, --help   this text\n"
    "\n"
    "A mount that is in use is left alone; \"fuser -vm DIR\" shows who uses it. The mount of a\n"
    "daemon that has died is unmounted, too.\n";

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
    if (live_mount_answers(dir))
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

static void tell_slow(long pid)
{
    fprintf(stderr, "%s: waiting for process %ld to bring everything to disk\n", cli_name, pid);
}

/* Unmount, and wait until all is on disk. */
static int unmount_and_wait(const struct mount_entry *mount, int flags)
{
    long pid = store_lock_pid(mount->source);
    ino_t connection = live_mount_connection(mount->minor);
    int status, err = 0;

    /* Where the daemon goes on, nothing else would bring it to disk; that is known too late. */
    if (live_mount_answers(mount->dir))
        err = live_mount_sync(mount->dir);
    status = unmount(mount->dir, flags);
    if (status)
        return status;
    if (!is_mounted_elsewhere(mount, connection)) {
        store_lock_wait(mount->source, pid, tell_slow);
        return STATUS_OK;
    }
    fprintf(stderr, "%s: %s: still mounted elsewhere; its daemon goes on\n", cli_name, mount->dir);
    if (err && err != -ENOTCONN)
        return cli_error("%s: not everything could be brought to disk: %s", mount->dir,
                         strerror(-err));
    return STATUS_OK;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"lazy", no_argument, NULL, 'l'},
                                            {"force", no_argument, NULL, 'f'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    /* umount(8) passes -n (no mtab), -v, -r (read-only when busy: not done), -N and -t as well. */
    const char *letters = cli_by_alias ? ":hlfnrvN:t:" : ":hlf";
    struct mount_entry mount = {0};
    int c, status, flags = 0;

    while ((c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
        if (c == 'h')
            return cli_help();
        if (c == '?' || c == ':')
            return cli_bad_option(c, argv);
        if (c == 'N')
            return cli_error("unmounting in another namespace (-N %s) is not supported", optarg);
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
    if (flags & MNT_DETACH)
        status = unmount(mount.dir, flags);
    else
        status = unmount_and_wait(&mount, flags);
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
