/*
 * The process that was started forks before the store is opened, so that the lock of the store and
 * all threads belong to the daemon. It waits on a pipe for one byte: the exit status. Until then
 * the child writes what goes wrong to the stderr that both share. A child that dies says nothing,
 * and the end of the pipe says so.
 */
#include "fs/fuse/daemonize.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/fuse/mount.h"
#include "fs/fuse/mount_log.h"

static int wait_for_report(int fd, pid_t child)
{
    unsigned char status;
    ssize_t n;

    do
        n = read(fd, &status, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1)
        return status;
    waitpid(child, NULL, 0);
    mount_log(LSM_LOG_ERROR, "the daemon ended before the mount was usable");
    return MOUNT_EXIT_FAILURE;
}

int daemonize_fork(int *ret_status, int *ret_report)
{
    int fds[2];
    pid_t child;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    fflush(NULL);
    child = fork();
    if (child < 0) {
        int err = -errno;

        close(fds[0]);
        close(fds[1]);
        return err;
    }
    if (child == 0) {
        /* A pipe of the caller's that the daemon kept open would keep its reader waiting. */
        if (fds[1] > 3)
            close_range(3, (unsigned)fds[1] - 1, 0);
        close_range((unsigned)fds[1] + 1, ~0U, 0);
        *ret_report = fds[1];
        return 0;
    }
    close(fds[1]);
    *ret_status = wait_for_report(fds[0], child);
    close(fds[0]);
    return 1;
}

void daemonize_detach(void)
{
    int null = open("/dev/null", O_RDWR);

    setsid();
    if (chdir("/") < 0)
        mount_log(LSM_LOG_WARN, "cannot change to the root directory");
    if (null < 0)
        return;
    fflush(NULL);
    for (int fd = 0; fd <= 2; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
}

void daemonize_report(int report, int status)
{
    unsigned char byte = (unsigned char)status;
    ssize_t n;

    if (report < 0)
        return;
    /* The parent may have been killed; then nobody needs to know. */
    do
        n = write(report, &byte, 1);
    while (n < 0 && errno == EINTR);
    close(report);
}
