/*
 * File handles, as NFS uses them.
 *
 *     handle_check save FILE OUT       write FILE's handle to OUT
 *     handle_check cat MOUNT IN        open the handle in IN, print the file, or "stale"
 *     handle_check stat MOUNT IN       print its inode number and type, without opening it
 *     handle_check list MOUNT IN       the names in a directory
 *     handle_check crafted MOUNT IN    try handles that nobody gave out; none may be accepted but
 *                                      by chance, and none may do harm
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static struct {
    struct file_handle head;
    unsigned char bytes[MAX_HANDLE_SZ];
} handle;

static void save(const char *file, const char *out)
{
    FILE *f = fopen(out, "w");
    int mount_id;

    CHECK_TRUE(f);
    handle.head.handle_bytes = MAX_HANDLE_SZ;
    CHECK_OK(name_to_handle_at(AT_FDCWD, file, &handle.head, &mount_id, 0));
    CHECK_TRUE(fwrite(&handle, sizeof(handle), 1, f) == 1);
    CHECK_TRUE(fclose(f) == 0);
}

static void load(const char *in)
{
    FILE *f = fopen(in, "r");

    CHECK_TRUE(f && fread(&handle, sizeof(handle), 1, f) == 1);
    fclose(f);
}

/* -1 and a word when the handle is stale. */
static int open_handle(int mount, int flags)
{
    int fd = open_by_handle_at(mount, &handle.head, flags);

    if (fd >= 0)
        return fd;
    if (errno != ESTALE) {
        fprintf(stderr, "open_by_handle_at: %s\n", strerror(errno));
        exit(1);
    }
    printf("stale\n");
    return -1;
}

static void cat(int mount)
{
    int fd = open_handle(mount, O_RDONLY);
    char buf[4096];
    ssize_t n;

    if (fd < 0)
        return;
    while ((n = read(fd, buf, sizeof(buf))) > 0)
        fwrite(buf, 1, (size_t)n, stdout);
    CHECK_TRUE(n == 0);
    close(fd);
}

static void print_stat(int mount)
{
    int fd = open_handle(mount, O_PATH);
    struct stat st;

    if (fd < 0)
        return;
    CHECK_OK(fstatat(fd, "", &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
    printf("%llu %o\n", (unsigned long long)st.st_ino, st.st_mode & S_IFMT);
    close(fd);
}

static void list(int mount)
{
    int fd = open_handle(mount, O_RDONLY | O_DIRECTORY);
    struct dirent *d;
    DIR *dir;

    if (fd < 0)
        return;
    dir = fdopendir(fd);
    CHECK_TRUE(dir);
    while ((d = readdir(dir)))
        printf("%s\n", d->d_name);
    closedir(dir);
}

/* The bytes are the kernel's: a 64-bit nodeid in two halves, and a generation. */
static void crafted(int mount)
{
    static const uint64_t numbers[] = {
        0,
        2,
        3,
        65535,
        1ULL << 32,
        (1ULL << 52) - 1,
        1ULL << 52,
        (1ULL << 52) | 1,
        0xfffULL << 52,
        INT64_MAX,
        1ULL << 63,
        UINT64_MAX - 1,
        UINT64_MAX,
    };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        for (uint32_t generation = 0; generation < 3; generation++) {
            uint32_t halves[3] = {(uint32_t)(numbers[i] >> 32), (uint32_t)numbers[i], generation};
            int fd;

            memcpy(handle.head.f_handle, halves, sizeof(halves));
            fd = open_by_handle_at(mount, &handle.head, O_RDONLY);
            if (fd >= 0) {
                fprintf(stderr, "inode %llu, generation %u was opened\n",
                        (unsigned long long)numbers[i], generation);
                exit(1);
            }
            CHECK_TRUE(errno == ESTALE || errno == EINVAL || errno == EIO);
        }
    }
}

int main(int argc, char **argv)
{
    int mount;

    if (argc != 4) {
        fprintf(stderr, "usage: handle_check save|cat|stat|list|crafted PLACE FILE\n");
        return 2;
    }
    if (strcmp(argv[1], "save") == 0) {
        save(argv[2], argv[3]);
        return 0;
    }
    mount = open(argv[2], O_RDONLY | O_DIRECTORY);
    CHECK_OK(mount);
    load(argv[3]);
    if (strcmp(argv[1], "cat") == 0)
        cat(mount);
    else if (strcmp(argv[1], "stat") == 0)
        print_stat(mount);
    else if (strcmp(argv[1], "list") == 0)
        list(mount);
    else
        crafted(mount);
    return 0;
}
