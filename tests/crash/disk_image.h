/*
 * What lies on a disk, as a value: directories, the names in them, and the bytes of the files that
 * the names stand for. Two names may stand for one file. An image is made once and then only read;
 * the bytes of a file are shared between images and counted.
 *
 * Everything aborts when memory is short. An image belongs to one thread at a time; the counts of
 * bytes are atomic.
 */
#ifndef TESTS_CRASH_DISK_IMAGE_H
#define TESTS_CRASH_DISK_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "lsm/base/slice.h"

enum {
    DISK_DIR_TOP,   /* the directory above all others; holds no files */
    DISK_DIR_STORE, /* "store" in it */
    DISK_DIR_MAX = 8
};
#define DISK_NO_FILE UINT32_MAX

/* The contents of a file: `len` bytes, of which those behind data_len are zeros. */
struct disk_bytes {
    unsigned refs;
    uint64_t len;
    size_t data_len;
    uint64_t hash;
    uint8_t data[];
};

/* Copies data; zeros at its end, below len, are left out. The caller has a reference. */
struct disk_bytes *disk_bytes_new(const void *data, size_t data_len, uint64_t len);
struct disk_bytes *disk_bytes_ref(struct disk_bytes *b);
void disk_bytes_unref(struct disk_bytes *b); /* NULL is allowed */

struct disk_name {
    char *name;
    uint32_t file; /* index */
};

struct disk_dir {
    char *path; /* from the top; NULL: no such directory */
    uint32_t parent;
    struct disk_name *names; /* ascending */
    size_t count, cap;
};

struct disk_image {
    struct disk_dir dirs[DISK_DIR_MAX];
    struct disk_bytes **files;
    size_t file_count, file_cap;
};

/* With the top and an empty directory "store" in it. */
struct disk_image *disk_image_new(void);
void disk_image_free(struct disk_image *d); /* NULL is allowed */
void disk_image_add_dir(struct disk_image *d, uint32_t dir, uint32_t parent, const char *path);
/* Takes the reference over; the answer is the file's index. */
uint32_t disk_image_add_file(struct disk_image *d, struct disk_bytes *bytes);
/* The name must not be there. */
void disk_image_add_name(struct disk_image *d, uint32_t dir, const char *name, uint32_t file);
/* The file's index or DISK_NO_FILE. */
uint32_t disk_image_find(const struct disk_image *d, uint32_t dir, const char *name);
/* Equal for equal directories, names and bytes. */
uint64_t disk_image_hash(const struct disk_image *d);

/* Read the plain files of a directory of the host, LOCK excepted, as the directory `store`. */
struct disk_image *disk_image_load(const char *path);
/* Write all directories below the directory `path` of the host, which must be there. */
void disk_image_save(const struct disk_image *d, const char *path);

#endif
