/*
 * Compressions and the endings of names that mean them.
 */
#include "tools/archive/compression.h"

#include <string.h>

static const struct compression none = {"none", NULL, false};
static const struct compression gzip = {"gzip", archive_write_add_filter_gzip, false};
static const struct compression bzip2 = {"bzip2", archive_write_add_filter_bzip2, false};
static const struct compression xz = {"xz", archive_write_add_filter_xz, true};
static const struct compression zstd = {"zstd", archive_write_add_filter_zstd, true};
static const struct compression lz4 = {"lz4", archive_write_add_filter_lz4, false};
static const struct compression lzma = {"lzma", archive_write_add_filter_lzma, false};
static const struct compression lzip = {"lzip", archive_write_add_filter_lzip, false};

static const struct compression *const all[] = {&none, &gzip, &bzip2, &xz,
                                                &zstd, &lz4,  &lzma,  &lzip};

static const struct {
    const char *ending;
    const struct compression *compression;
} endings[] = {
    {".gz", &gzip},    {".tgz", &gzip},  {".taz", &gzip},  {".bz2", &bzip2}, {".tbz", &bzip2},
    {".tbz2", &bzip2}, {".tz2", &bzip2}, {".xz", &xz},     {".txz", &xz},    {".zst", &zstd},
    {".tzst", &zstd},  {".lz4", &lz4},   {".lzma", &lzma}, {".tlz", &lzma},  {".lz", &lzip},
};

const struct compression *compression_of_file(const char *file)
{
    size_t len = strlen(file);

    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t n = strlen(endings[i].ending);

        if (len > n && !strcmp(file + len - n, endings[i].ending))
            return endings[i].compression;
    }
    return &none;
}

const struct compression *compression_of_name(const char *name)
{
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (!strcmp(all[i]->name, name))
            return all[i];
    return NULL;
}
