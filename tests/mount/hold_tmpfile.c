/*
 * hold_tmpfile DIR BYTES [NAME]: make a file without a name in DIR, of mode 0666 less the umask,
 * with so many bytes that do not compress, say "ready", and hold it open until the end of standard
 * input. Then with NAME, link it there.
 */
#include <fcntl.h>
#include <unistd.h>

#include "check.h"
#include "file_pattern.h"

int main(int argc, char **argv)
{
    static uint64_t part[8192];
    uint64_t state = 1;
    size_t left;
    char byte;
    int fd;

    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: hold_tmpfile DIR BYTES [NAME]\n");
        return 2;
    }
    left = strtoul(argv[2], NULL, 10);
    fd = open(argv[1], O_TMPFILE | O_RDWR, 0666);
    CHECK_OK(fd);
    while (left) {
        size_t n = left < sizeof(part) ? left : sizeof(part);

        for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++)
            part[i] = pattern_next(&state);
        CHECK_TRUE(write(fd, part, n) == (ssize_t)n);
        left -= n;
    }
    printf("ready\n");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    if (argc == 4) {
        char path[64];

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        CHECK_OK(chdir(argv[1]));
        CHECK_OK(linkat(AT_FDCWD, path, AT_FDCWD, argv[3], AT_SYMLINK_FOLLOW));
    }
    return 0;
}
