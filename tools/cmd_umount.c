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
#include "tools/mountinfo.h"
#include "tools/store_lock.h"

static const char help[] =
    "Usage: fluxfs umount [-l] DIR|STORE\n"
    "       umount.fluxfs DIR [-flnrv]\n"
    "Unmount, and wait until everything is on disk.\n"
    "\n"
    "  -l, --lazy   also when it is in use: it disappears now and ends when nobody uses it any\n"
    "               more; this is not waited for\n"
    "  -h, --help   this text\n"
    "\n"
    "A mount that is in use is left alone; \"fuser -vm DIR\" shows who uses it. The mount of a\n"
    "daemon that has died is unmounted, too.\n";

/* Find the mount that the user means: by its directory or by its store. */
static int find_mount(const char *target, struct mount_entry *ret)
{
    int rc = mountinfo_find_dir(target, ret);

    if (rc == 1 && !strcmp(ret->type, MOUNT_TYPE))
        return 0;
    if (rc == 1) {
        cli_error("%s: not a FluxFS mount: its type is %s", target, ret->type);
        mount_entry_done(ret);
        return STATUS_FAILED;
    }
    if (!rc)
        rc = mountinfo_find_store(target, ret);
    if (rc == 1)
        return 0;
    if (rc < 0)
        return cli_error("/proc/self/mountinfo: %s", strerror(-rc));
    if (access(target, F_OK) && errno != ENOTCONN)
        return cli_error("%s: %s", target, strerror(errno));
    return cli_error("%s: not mounted", target);
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

/* flags: MNT_DETACH, MNT_FORCE or 0. */
static int unmount(const char *dir, int flags)
{
    if (!geteuid()) {
        if (!umount2(dir, UMOUNT_NOFOLLOW | flags))
            return STATUS_OK;
        if (errno == EBUSY)
            return busy_error(dir);
        if (errno != EPERM)
            return cli_error("%s: cannot be unmounted: %s", dir, strerror(errno));
    }
    return unmount_as_user(dir, flags & MNT_DETACH);
}

/*
 * The same mount may show elsewhere, after mount --bind or in another mount namespace: then the
 * daemon goes on, and waiting for its end would be waiting for somebody else. The kernel lists the
 * connection as long as any is left.
 */
static bool is_mounted_elsewhere(const struct mount_entry *mount)
{
    struct mount_entry other = {0};
    bool found = mountinfo_find_store(mount->source, &other) == 1;
    char path[64];

    mount_entry_done(&other);
    snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u", mount->minor);
    if (!found && access(path, F_OK))
        return false;
    fprintf(stderr, "%s: %s: still mounted elsewhere; its daemon goes on\n", cli_name, mount->dir);
    return true;
}

static void tell_slow(long pid)
{
    fprintf(stderr, "%s: waiting for process %ld to bring everything to disk\n", cli_name, pid);
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {
        {"lazy", no_argument, NULL, 'l'}, {"help", no_argument, NULL, 'h'}, {0}};
    /* umount(8) passes -n (no mtab), -v, -r (read-only when busy: not done), -N and -t as well. */
    const char *letters = cli_by_alias ? ":hlfnrvN:t:" : ":hl";
    struct mount_entry mount = {0};
    long pid;
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
    pid = store_lock_pid(mount.source);
    status = unmount(mount.dir, flags);
    if (!status && !(flags & MNT_DETACH) && !is_mounted_elsewhere(&mount))
        store_lock_wait(mount.source, pid, tell_slow);
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
