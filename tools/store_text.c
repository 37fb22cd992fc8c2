/*
 * What the commands print of a file system, as text. Every function takes whatever a damaged store
 * may hold: an impossible type is "?".
 */
#include "tools/store_text.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/fs.h"
#include "tools/cli.h"

void uuid_text(const uint8_t uuid[16], char buf[UUID_TEXT_LEN])
{
    size_t at = 0;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            buf[at++] = '-';
        at += (size_t)snprintf(buf + at, 3, "%02x", uuid[i]);
    }
}

static const struct {
    uint32_t type;
    char letter;
    const char *name;
} types[] = {
    {S_IFREG, '-', "regular file"},  {S_IFDIR, 'd', "directory"},
    {S_IFLNK, 'l', "symbolic link"}, {S_IFCHR, 'c', "character device"},
    {S_IFBLK, 'b', "block device"},  {S_IFIFO, 'p', "fifo"},
    {S_IFSOCK, 's', "socket"},
};

static int type_index(uint32_t mode)
{
    for (int i = 0; i < (int)(sizeof(types) / sizeof(types[0])); i++) {
        if (types[i].type == (mode & S_IFMT))
            return i;
    }
    return -1;
}

const char *type_text(uint32_t mode)
{
    int i = type_index(mode);

    return i < 0 ? "unknown" : types[i].name;
}

void mode_text(uint32_t mode, char buf[MODE_TEXT_LEN])
{
    static const char letters[] = "rwxrwxrwx";
    int type = type_index(mode);

    buf[0] = '?';
    if (type >= 0)
        buf[0] = types[type].letter;
    for (int i = 0; i < 9; i++)
        buf[1 + i] = (char)(mode & (0400u >> i) ? letters[i] : '-');
    if (mode & S_ISUID)
        buf[3] = mode & S_IXUSR ? 's' : 'S';
    if (mode & S_ISGID)
        buf[6] = mode & S_IXGRP ? 's' : 'S';
    if (mode & S_ISVTX)
        buf[9] = mode & S_IXOTH ? 't' : 'T';
    buf[10] = 0;
}

bool parse_block_size(const char *text, uint32_t *ret)
{
    uint64_t len;

    if (!cli_parse_size(text, &len) || len < FS_BLOCK_LEN_MIN || len > FS_BLOCK_LEN_MAX ||
        len & (len - 1))
        return false;
    *ret = (uint32_t)len;
    return true;
}
