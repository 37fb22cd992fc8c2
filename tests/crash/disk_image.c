/*
 * Images of disks: sorted arrays, and bytes that are counted. The hash of a file's bytes is kept
 * with them, so that telling whether two images are equal does not read all of them again.
 */
#include "crash/disk_image.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "lsm/base/check.h"

struct disk_bytes *disk_bytes_new(const void *data, size_t data_len, uint64_t len)
{
    const uint8_t *p = data;
    struct disk_bytes *b;

    if (data_len > len)
        data_len = (size_t)len;
    while (data_len && p[data_len - 1] == 0)
        data_len--;
    b = malloc(sizeof(*b) + data_len);
    CHECK(b);
    b->refs = 1;
    b->len = len;
    b->data_len = data_len;
    if (data_len)
        memcpy(b->data, data, data_len);
    b->hash = XXH3_64bits_withSeed(b->data, data_len, len);
    return b;
}

struct disk_bytes *disk_bytes_ref(struct disk_bytes *b)
{
    __atomic_fetch_add(&b->refs, 1, __ATOMIC_RELAXED);
    return b;
}

void disk_bytes_unref(struct disk_bytes *b)
{
    if (b && __atomic_fetch_sub(&b->refs, 1, __ATOMIC_ACQ_REL) == 1)
        free(b);
}

struct disk_image *disk_image_new(void)
{
    struct disk_image *d = calloc(1, sizeof(*d));

    CHECK(d);
    disk_image_add_dir(d, DISK_DIR_TOP, DISK_DIR_TOP, "");
    disk_image_add_dir(d, DISK_DIR_STORE, DISK_DIR_TOP, "store");
    return d;
}

void disk_image_free(struct disk_image *d)
{
    if (!d)
        return;
    for (uint32_t i = 0; i < DISK_DIR_MAX; i++) {
        for (size_t k = 0; k < d->dirs[i].count; k++)
            free(d->dirs[i].names[k].name);
        free(d->dirs[i].names);
        free(d->dirs[i].path);
    }
    for (size_t i = 0; i < d->file_count; i++)
        disk_bytes_unref(d->files[i]);
    free(d->files);
    free(d);
}

void disk_image_add_dir(struct disk_image *d, uint32_t dir, uint32_t parent, const char *path)
{
    CHECK(dir < DISK_DIR_MAX && !d->dirs[dir].path);
    d->dirs[dir].path = strdup(path);
    CHECK(d->dirs[dir].path);
    d->dirs[dir].parent = parent;
}

uint32_t disk_image_add_file(struct disk_image *d, struct disk_bytes *bytes)
{
    if (d->file_count == d->file_cap) {
        d->file_cap = d->file_cap ? 2 * d->file_cap : 16;
        d->files = realloc(d->files, d->file_cap * sizeof(*d->files));
        CHECK(d->files);
    }
    d->files[d->file_count] = bytes;
    return (uint32_t)d->file_count++;
}

/* Where the name is, or belongs. */
static size_t place_of(const struct disk_dir *dir, const char *name, bool *ret_there)
{
    size_t i = 0;

    while (i < dir->count && strcmp(dir->names[i].name, name) < 0)
        i++;
    *ret_there = i < dir->count && strcmp(dir->names[i].name, name) == 0;
    return i;
}

void disk_image_add_name(struct disk_image *d, uint32_t dir_number, const char *name, uint32_t file)
{
    struct disk_dir *dir = &d->dirs[dir_number];
    bool there;
    size_t at = place_of(dir, name, &there);

    CHECK(!there);
    if (dir->count == dir->cap) {
        dir->cap = dir->cap ? 2 * dir->cap : 16;
        dir->names = realloc(dir->names, dir->cap * sizeof(*dir->names));
        CHECK(dir->names);
    }
    memmove(&dir->names[at + 1], &dir->names[at], (dir->count - at) * sizeof(*dir->names));
    dir->names[at] = (struct disk_name){strdup(name), file};
    CHECK(dir->names[at].name);
    dir->count++;
}

uint32_t disk_image_find(const struct disk_image *d, uint32_t dir, const char *name)
{
    bool there;
    size_t at = place_of(&d->dirs[dir], name, &there);

    return there ? d->dirs[dir].names[at].file : DISK_NO_FILE;
}

uint64_t disk_image_hash(const struct disk_image *d)
{
    uint64_t hash = 0;

    for (uint32_t i = 0; i < DISK_DIR_MAX; i++) {
        const struct disk_dir *dir = &d->dirs[i];

        if (!dir->path)
            continue;
        hash = XXH3_64bits_withSeed(dir->path, strlen(dir->path), hash);
        for (size_t k = 0; k < dir->count; k++) {
            hash = XXH3_64bits_withSeed(dir->names[k].name, strlen(dir->names[k].name), hash);
            hash =
                XXH3_64bits_withSeed(&d->files[dir->names[k].file]->hash, sizeof(uint64_t), hash);
        }
    }
    return hash;
}

/* --- Directories of the host --- */

static void load_file(struct disk_image *d, const char *path, const char *name)
{
    struct disk_bytes *bytes;
    struct stat st;
    char whole[4096];
    uint8_t *data;
    FILE *f;

    CHECK((size_t)snprintf(whole, sizeof(whole), "%s/%s", path, name) < sizeof(whole));
    f = fopen(whole, "re");
    CHECK(f && !fstat(fileno(f), &st));
    data = malloc((size_t)st.st_size + 1);
    CHECK(data && fread(data, 1, (size_t)st.st_size, f) == (size_t)st.st_size);
    fclose(f);
    bytes = disk_bytes_new(data, (size_t)st.st_size, (uint64_t)st.st_size);
    free(data);
    disk_image_add_name(d, DISK_DIR_STORE, name, disk_image_add_file(d, bytes));
}

struct disk_image *disk_image_load(const char *path)
{
    struct disk_image *d = disk_image_new();
    DIR *dir = opendir(path);
    struct dirent *entry;

    CHECK(dir);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "LOCK") != 0)
            load_file(d, path, entry->d_name);
    closedir(dir);
    return d;
}

static void save_file(const struct disk_bytes *bytes, const char *path)
{
    FILE *f = fopen(path, "we");

    CHECK(f && fwrite(bytes->data, 1, bytes->data_len, f) == bytes->data_len);
    CHECK(fflush(f) == 0 && ftruncate(fileno(f), (off_t)bytes->len) == 0);
    CHECK(fclose(f) == 0);
}

void disk_image_save(const struct disk_image *d, const char *path)
{
    char whole[4096];

    for (uint32_t i = DISK_DIR_STORE; i < DISK_DIR_MAX; i++) {
        const struct disk_dir *dir = &d->dirs[i];

        if (!dir->path)
            continue;
        snprintf(whole, sizeof(whole), "%s/%s", path, dir->path);
        CHECK(mkdir(whole, 0700) == 0);
        for (size_t k = 0; k < dir->count; k++) {
            snprintf(whole, sizeof(whole), "%s/%s/%s", path, dir->path, dir->names[k].name);
            save_file(d->files[dir->names[k].file], whole);
        }
    }
}
