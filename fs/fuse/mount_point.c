/*
 * The mount point.
 *
 * A daemon that was killed leaves its mount behind: every access fails with ENOTCONN until
 * somebody unmounts it. Mounting again does that, so that a killed daemon is healed by the same
 * command that started it. A second mount on a living one is refused; the kernel would stack it
 * silently.
 *
 * What is mounted is read from /proc/self/mountinfo, which asks no file system: touching our own
 * mount before its daemon answers requests would wait for ever.
 */
#include "fs/fuse/mount_point.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <mntent.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/fuse/mount_log.h"

#define FS_TYPE "fuse.fluxfs"

extern char **environ;

struct mount_entry {
    unsigned major, minor;
    char type[64];
};

char *path_absolute(const char *path)
{
    char *copy, *slash, *parent = NULL, *ret = realpath(path, NULL);
    const char *base;
    size_t len;

    if (ret || (errno != ENOENT && errno != ENOTCONN))
        return ret;
    copy = strdup(path);
    len = copy ? strlen(copy) : 0;
    while (len > 1 && copy[len - 1] == '/')
        copy[--len] = 0;
    if (!copy || len == 0) {
        free(copy);
        errno = copy ? ENOENT : ENOMEM;
        return NULL;
    }
    slash = strrchr(copy, '/');
    base = slash ? slash + 1 : copy;
    if (*base == 0 || strcmp(base, ".") == 0 || strcmp(base, "..") == 0) {
        ret = realpath(copy, NULL);
    } else {
        if (slash)
            *slash = 0;
        parent = realpath(slash ? (*copy ? copy : "/") : ".", NULL);
        if (parent && asprintf(&ret, "%s/%s", parent[1] ? parent : "", base) < 0)
            ret = NULL;
    }
    free(parent);
    free(copy);
    return ret;
}

bool path_is_inside(const char *path, const char *dir)
{
    size_t len = strlen(dir);

    if (strcmp(dir, "/") == 0)
        return true;
    return strncmp(path, dir, len) == 0 && (path[len] == 0 || path[len] == '/');
}

/* mountinfo writes blanks and the like as backslash and three octal digits. */
static void unescape(char *s)
{
    char *to = s;

    while (*s) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
            s[3] >= '0' && s[3] <= '7') {
            *to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 4;
        } else {
            *to++ = *s++;
        }
    }
    *to = 0;
}

/* One line: ID PARENT MAJOR:MINOR ROOT DIR OPTIONS TAGS... - TYPE SOURCE OPTIONS. */
static bool line_parse(char *line, const char *dir, struct mount_entry *ret)
{
    char *rest = NULL, *field, *at = line;
    bool dash = false;

    for (int i = 0; (field = strtok_r(at, " \n", &rest)) != NULL; i++) {
        at = NULL;
        if (i == 2 && sscanf(field, "%u:%u", &ret->major, &ret->minor) != 2)
            return false;
        if (i == 4) {
            unescape(field);
            if (strcmp(field, dir) != 0)
                return false;
        }
        if (dash) {
            snprintf(ret->type, sizeof(ret->type), "%s", field);
            return true;
        }
        dash = i > 5 && strcmp(field, "-") == 0;
    }
    return false;
}

/* What is mounted on top of exactly this directory. */
static bool mount_find(const char *dir, struct mount_entry *ret)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t cap = 0;
    bool found = false;

    if (!f)
        return false;
    while (getline(&line, &cap, f) > 0) {
        struct mount_entry e = {.major = 0};

        if (line_parse(line, dir, &e)) {
            *ret = e;
            found = true;
        }
    }
    free(line);
    fclose(f);
    return found;
}

static int run_fusermount(const char *dir, bool lazy)
{
    char *const argv[] = {(char *)(uintptr_t) "fusermount3",
                          (char *)(uintptr_t) "-u",
                          (char *)(uintptr_t)(lazy ? "-qz" : "-q"),
                          (char *)(uintptr_t) "--",
                          (char *)(uintptr_t)dir,
                          NULL};
    posix_spawnattr_t attr;
    sigset_t none;
    pid_t pid;
    int status, err;

    /* The signals that end a daemon are blocked here, and must not be there. */
    sigemptyset(&none);
    err = posix_spawnattr_init(&attr);
    if (err)
        return -err;
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    err = posix_spawnp(&pid, argv[0], NULL, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    if (err)
        return -err;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBUSY;
}

int mount_point_detach(const char *dir, bool lazy)
{
    if (umount2(dir, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
        return 0;
    return errno == EPERM ? run_fusermount(dir, lazy) : -errno;
}

/* Detach what a dead daemon has left. */
static int detach_stale(const char *dir)
{
    int err = mount_point_detach(dir, true);

    if (err) {
        mount_log(LSM_LOG_ERROR, "%s: cannot unmount what a dead daemon left there: %s", dir,
                  strerror(-err));
        return -1;
    }
    mount_log(LSM_LOG_WARN, "%s: unmounted what a dead daemon left there", dir);
    return 0;
}

/* Refuse a living mount of ours, detach dead ones. */
static int clear_mounts(const char *dir)
{
    struct mount_entry e;
    struct statvfs st;

    /* Each round takes one dead mount off a stack of them. */
    while (mount_find(dir, &e) && strcmp(e.type, FS_TYPE) == 0) {
        /*
         * The kernel may know the attributes of the directory still, but not these numbers. A
         * daemon that ends at this moment aborts the question, or with io_uring cancels it.
         */
        if (statvfs(dir, &st) == 0 ||
            (errno != ENOTCONN && errno != ECONNABORTED && errno != ECANCELED)) {
            mount_log(LSM_LOG_ERROR, "%s: a FluxFS store is mounted there already", dir);
            return -1;
        }
        if (detach_stale(dir) < 0)
            return -1;
    }
    return 0;
}

static int check_empty(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    bool empty = true;

    if (!d) {
        mount_log(LSM_LOG_ERROR, "%s: %s", dir, strerror(errno));
        return -1;
    }
    while (empty && (e = readdir(d)) != NULL)
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    closedir(d);
    if (empty)
        return 0;
    mount_log(LSM_LOG_ERROR, "%s is not empty; mount elsewhere, or hide its files with -o nonempty",
              dir);
    return -1;
}

int mount_point_prepare(const char *dir, bool nonempty)
{
    struct stat st;

    if (clear_mounts(dir) < 0)
        return -1;
    if (stat(dir, &st) < 0) {
        mount_log(LSM_LOG_ERROR, "cannot mount on %s: %s", dir, strerror(errno));
        return -1;
    }
    if (!S_ISDIR(st.st_mode)) {
        mount_log(LSM_LOG_ERROR, "cannot mount on %s: it is no directory", dir);
        return -1;
    }
    return nonempty ? 0 : check_empty(dir);
}

void mount_point_set_readahead(const char *dir, unsigned len_kb)
{
    struct mount_entry e;
    char path[96];
    FILE *f;

    if (!mount_find(dir, &e) || strcmp(e.type, FS_TYPE) != 0)
        return;
    snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", e.major, e.minor);
    f = fopen(path, "we");
    if (!f)
        return;
    fprintf(f, "%u\n", len_kb);
    fclose(f);
}

bool mount_point_of_store(const char *store)
{
    FILE *f = setmntent("/proc/self/mounts", "re");
    struct mntent *m;
    bool found = false;

    while (f && !found && (m = getmntent(f)))
        found = !strcmp(m->mnt_type, "fuse.fluxfs") && !strcmp(m->mnt_fsname, store);
    if (f)
        endmntent(f);
    return found;
}
