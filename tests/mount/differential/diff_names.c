/*
 * Calls that open, make, move and remove names, and listings.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <xxhash.h>

#include "mount/differential/diff.h"

int64_t call_open(struct side *s, const struct step *st)
{
    int fd =
        openat(side_base(s, st), st->path, st->flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, st->mode);

    if (fd < 0)
        return -1;
    if (s->fds[st->slot] >= 0)
        close(s->fds[st->slot]);
    s->fds[st->slot] = fd;
    s->is_direct[st->slot] = st->flags & O_DIRECT;
    return st->slot;
}

int64_t call_close(struct side *s, const struct step *st)
{
    int fd = side_fd(s, st->slot);

    s->fds[st->slot] = -1;
    return close(fd);
}

int64_t call_rename(struct side *s, const struct step *st)
{
    int base = side_base(s, st);

    return renameat2(base, st->path, base, st->path2, (unsigned)st->flags);
}

int64_t call_link(struct side *s, const struct step *st)
{
    int base = side_base(s, st);

    return linkat(base, st->path, base, st->path2, st->flags);
}

/* A name for what is open; an unlinked file must not come back. */
int64_t call_linkfd(struct side *s, const struct step *st)
{
    return linkat(side_fd(s, st->slot), "", side_base(s, st), st->path, AT_EMPTY_PATH);
}

int64_t call_symlink(struct side *s, const struct step *st)
{
    return symlinkat(st->path2, side_base(s, st), st->path);
}

int64_t call_readlink(struct side *s, const struct step *st)
{
    char target[STEP_PATH_LEN_MAX + 1] = "";
    ssize_t n = readlinkat(side_base(s, st), st->path, target,
                           st->flags & 1 ? sizeof(target) : 1 + st->len % 20);

    if (n > 0)
        s->result->data = XXH3_64bits(target, (size_t)n);
    return n;
}

int64_t call_unlink(struct side *s, const struct step *st)
{
    return unlinkat(side_base(s, st), st->path, 0);
}

int64_t call_mkdir(struct side *s, const struct step *st)
{
    return mkdirat(side_base(s, st), st->path, st->mode);
}

int64_t call_rmdir(struct side *s, const struct step *st)
{
    return unlinkat(side_base(s, st), st->path, AT_REMOVEDIR);
}

/* The devices are /dev/null and /dev/zero: opening them does no harm. */
int64_t call_mknod(struct side *s, const struct step *st)
{
    static const mode_t types[] = {S_IFIFO, S_IFSOCK, S_IFCHR, S_IFREG, 0, S_IFDIR, S_IFBLK};
    mode_t type = types[st->seed % 7];
    dev_t dev = type == S_IFCHR   ? makedev(1, 3 + 2 * (unsigned)(st->seed >> 32 & 1))
                : type == S_IFBLK ? makedev(259, 0xfffff)
                                  : 0;

    return mknodat(side_base(s, st), st->path, st->mode | type, dev);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

/* Each name must be there once, and be what the listing says. */
static uint64_t list_check(struct side *s, int fd, struct listed *all, size_t count)
{
    uint64_t hash = 0;

    qsort(all, count, sizeof(*all), by_name);
    for (size_t i = 0; i < count; i++) {
        const char *name = all[i].name;
        struct stat st;

        if (i > 0 && strcmp(name, all[i - 1].name) == 0)
            side_broken(s, "'%s' is listed twice", name);
        if (strcmp(name, "..") != 0 && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            side_broken(s, "'%s' is listed, but not there: %s", name, strerror(errno));
        else if (strcmp(name, "..") != 0 && st.st_ino != all[i].ino)
            side_broken(s, "'%s' is listed with another inode number", name);
        hash = XXH3_64bits_withSeed(name, strlen(name), hash + all[i].type);
    }
    return hash;
}

/* A listing that begins at an offset must give what followed there in the whole listing. */
static void list_from_middle(struct side *s, int fd, size_t buf_len, const struct listed *all,
                             size_t count, size_t from)
{
    struct listed *rest = NULL;
    ssize_t n = -1;

    if (lseek(fd, all[from].offset, SEEK_SET) >= 0)
        n = list_read(fd, buf_len, &rest);
    if (n < 0 || (size_t)n != count - from - 1)
        side_broken(s, "a listing from entry %zu of %zu has %zd entries", from, count, n);
    for (ssize_t i = 0; i < n && (size_t)i < count - from - 1; i++)
        if (strcmp(rest[i].name, all[from + 1 + (size_t)i].name) != 0)
            side_broken(s, "a listing that begins in the middle has other names");
    if (n >= 0)
        list_free(rest, (size_t)n);
}

int64_t call_list(struct side *s, const struct step *st)
{
    size_t buf_len = 512 + st->len % 4000;
    int fd = openat(side_base(s, st), st->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct listed *all;
    ssize_t count;

    if (fd < 0)
        return -1;
    count = list_read(fd, buf_len, &all);
    if (count < 0) {
        close(fd);
        return -1;
    }
    if (count > 0 && st->flags & 1)
        list_from_middle(s, fd, buf_len, all, (size_t)count, (size_t)(st->seed % (size_t)count));
    side_become(s, 0);
    s->result->data = list_check(s, fd, all, (size_t)count);
    list_free(all, (size_t)count);
    close(fd);
    return count;
}
