/*
 * shutdown_disk DIR: the file system that holds DIR stops at once, as by a loss of power: nothing
 * that waits in memory reaches the disk any more. For tests of what was made durable, on a file
 * system of their own.
 */
#include <fcntl.h>
#include <linux/ioctl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The same number and flags for ext4 and xfs. */
#define SHUTDOWN_IOCTL _IOR('X', 125, uint32_t)

enum {
    SHUTDOWN_NO_LOG_FLUSH = 2
};

int main(int argc, char **argv)
{
    uint32_t flags = SHUTDOWN_NO_LOG_FLUSH;
    int fd;

    if (argc != 2) {
        fprintf(stderr, "usage: shutdown_disk DIR\n");
        return 2;
    }
    fd = open(argv[1], O_RDONLY | O_DIRECTORY);
    if (fd < 0 || ioctl(fd, SHUTDOWN_IOCTL, &flags)) {
        perror(argv[1]);
        return 1;
    }
    return 0;
}
