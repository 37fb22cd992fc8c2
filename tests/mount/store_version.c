/*
 * store_version SUPERBLOCK VERSION FEATURES: write a format version and incompatible feature bits
 * into both copies of a superblock, with right checksums, as a later program may have done.
 * Independent of the engine's own code: the offsets here are those of lsm/FORMAT.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    COPY_LEN = 4096,
    VERSION_AT = 8,
    INCOMPAT_AT = 32,
    CHECKSUM_AT = COPY_LEN - 8,
};

static void put_le(uint8_t *p, uint64_t v, int len)
{
    for (int i = 0; i < len; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

int main(int argc, char **argv)
{
    uint8_t copy[COPY_LEN];
    int fd;

    if (argc != 4)
        return 2;
    fd = open(argv[1], O_RDWR);
    if (fd < 0 || pread(fd, copy, COPY_LEN, 0) != COPY_LEN) {
        fprintf(stderr, "store_version: %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    put_le(copy + VERSION_AT, strtoull(argv[2], NULL, 0), 4);
    put_le(copy + INCOMPAT_AT, strtoull(argv[3], NULL, 0), 8);
    put_le(copy + CHECKSUM_AT, XXH3_64bits(copy, CHECKSUM_AT), 8);
    if (pwrite(fd, copy, COPY_LEN, 0) != COPY_LEN ||
        pwrite(fd, copy, COPY_LEN, COPY_LEN) != COPY_LEN || close(fd) != 0) {
        fprintf(stderr, "store_version: %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    return 0;
}
