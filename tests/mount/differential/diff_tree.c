/*
 * A whole tree as text: one line for each object, sorted by path, with all that two file systems
 * must agree on. Contents are given as a hash of the pages that are not all zero, so that holes and
 * zeros are the same.
 *
 * It is also a check of one tree alone: a file has as many names as its link count says, a
 * directory two and one for each subdirectory. What fails is a line of its own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "mount/differential/diff.h"

enum {
    PAGE_LEN = 4096,
    TREE_PATH_LEN_MAX = 65536,
    XATTR_ROOM = 65536
};

struct file {
    uint64_t ino, nlink, found;
    char *path; /* the first one */
};

struct tree {
    FILE *out;
    bool with_times;
    char path[TREE_PATH_LEN_MAX];
    struct file *files; /* those with more than one link */
    size_t file_count;
    int fault_count;
};

static void fault(struct tree *t, const char *what, const char *name)
{
    fprintf(t->out, "\nFAULT %s%s%s: %s (%s)\n", t->path, *t->path ? "/" : "", name, what,
            strerror(errno));
    t->fault_count++;
}

static void print_bytes(FILE *out, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (c > ' ' && c <= '~' && c != '\\')
            fputc(c, out);
        else
            fprintf(out, "\\x%02x", c);
    }
}

/* Of the pages from `at` to `end` that are not all zero; -1 for an error. */
static int hash_pages(int fd, uint64_t at, uint64_t end, uint64_t *hash)
{
    static const uint8_t zero[PAGE_LEN];
    static uint8_t buf[64 * PAGE_LEN];

    at = at / PAGE_LEN * PAGE_LEN;
    while (at < end) {
        uint64_t left = (end - at + PAGE_LEN - 1) / PAGE_LEN * PAGE_LEN;
        ssize_t n = pread(fd, buf, left < sizeof(buf) ? (size_t)left : sizeof(buf), (off_t)at);

        if (n < 0)
            return -1;
        if (n == 0)
            return 0;
        memset(buf + n, 0, sizeof(buf) - (size_t)n);
        for (size_t i = 0; i < (size_t)n; i += PAGE_LEN)
            if (memcmp(buf + i, zero, PAGE_LEN) != 0)
                *hash += XXH3_64bits_withSeed(buf + i, PAGE_LEN, at + i);
        at += (uint64_t)n;
        /* A read may end inside of a page only at the end of the file. */
        if (n % PAGE_LEN)
            return 0;
    }
    return 0;
}

static int hash_contents(int fd, uint64_t size, uint64_t *ret)
{
    uint64_t at = 0;
    int err = 0;

    *ret = 0;
    while (err == 0 && at < size) {
        off_t from = lseek(fd, (off_t)at, SEEK_DATA);
        off_t end = from < 0 ? from : lseek(fd, from, SEEK_HOLE);

        if (end < 0)
            return errno == ENXIO ? 0 : -1;
        err = hash_pages(fd, (uint64_t)from, (uint64_t)end, ret);
        at = (uint64_t)end;
    }
    return err;
}

static void print_time(struct tree *t, const struct timespec *ts)
{
    time_t now = time(NULL);

    if (ts->tv_sec > now - 86400 && ts->tv_sec < now + 86400)
        fputs(" now", t->out);
    else
        fprintf(t->out, " %lld.%09ld", (long long)ts->tv_sec, ts->tv_nsec);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_xattr(struct tree *t, const char *path, const char *name)
{
    static char value[XATTR_ROOM];
    ssize_t n = lgetxattr(path, name, value, sizeof(value));

    fputc(' ', t->out);
    print_bytes(t->out, name, strlen(name));
    fputc('=', t->out);
    if (n < 0) /* the kernel does not give a security.capability that makes no sense */
        fputs(strerrorname_np(errno), t->out);
    print_bytes(t->out, value, n < 0 ? 0 : (size_t)n);
}

/* `path` is relative to the working directory, which is the object's directory. */
static void print_xattrs(struct tree *t, const char *path)
{
    static char list[XATTR_ROOM];
    const char *names[256];
    size_t count = 0;
    ssize_t n = llistxattr(path, list, sizeof(list));

    if (n < 0)
        fault(t, "listxattr", path);
    for (ssize_t at = 0; at < n && count < 256; at += (ssize_t)strlen(list + at) + 1)
        names[count++] = list + at;
    qsort(names, count, sizeof(*names), by_text);
    for (size_t i = 0; i < count; i++)
        print_xattr(t, path, names[i]);
}

/* A file with many names is told by the first one. */
static const char *first_path(struct tree *t, const struct stat *st, const char *name)
{
    char full[TREE_PATH_LEN_MAX];

    for (size_t i = 0; i < t->file_count; i++) {
        if (t->files[i].ino == st->st_ino) {
            t->files[i].found++;
            return t->files[i].path;
        }
    }
    t->files = realloc(t->files, (t->file_count + 1) * sizeof(*t->files));
    if (!t->files)
        abort();
    snprintf(full, sizeof(full), "%.60000s/%s", t->path, name);
    t->files[t->file_count++] = (struct file){st->st_ino, st->st_nlink, 1, strdup(full)};
    return NULL;
}

static void print_contents(struct tree *t, const struct stat *st, const char *name)
{
    char target[STEP_PATH_LEN_MAX * 5];
    uint64_t hash = 0;

    if (S_ISLNK(st->st_mode)) {
        ssize_t n = readlink(name, target, sizeof(target));

        if (n != st->st_size)
            fault(t, "readlink", name);
        fputs(" -> ", t->out);
        print_bytes(t->out, target, n < 0 ? 0 : (size_t)n);
    } else if (S_ISREG(st->st_mode)) {
        int fd = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0 || hash_contents(fd, (uint64_t)st->st_size, &hash) != 0)
            fault(t, "cannot be read", name);
        if (fd >= 0)
            close(fd);
        fprintf(t->out, " %016" PRIx64, hash);
    }
}

static void print_object(struct tree *t, const struct stat *st, const char *name)
{
    const char *first = NULL;

    print_bytes(t->out, t->path, strlen(t->path));
    fputc('/', t->out);
    print_bytes(t->out, name, strlen(name));
    fprintf(t->out, " %o %u:%u n%ju %jd r%jx", (unsigned)mode_known(st->st_mode),
            (unsigned)st->st_uid, (unsigned)st->st_gid, (uintmax_t)st->st_nlink,
            S_ISDIR(st->st_mode) ? (intmax_t)0 : (intmax_t)st->st_size, (uintmax_t)st->st_rdev);
    if (t->with_times && times_known(st)) {
        print_time(t, &st->st_atim);
        print_time(t, &st->st_mtim);
    }
    if (!S_ISDIR(st->st_mode) && st->st_nlink > 1)
        first = first_path(t, st, name);
    print_contents(t, st, name);
    print_xattrs(t, name);
    if (first) {
        fputs(" is ", t->out);
        print_bytes(t->out, first, strlen(first));
    }
    fputc('\n', t->out);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

static void walk(struct tree *t, const struct stat *dir_stat);

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* One name of the working directory; 1 for a directory. */
static uint64_t walk_entry(struct tree *t, const struct listed *entry)
{
    size_t len = strlen(t->path);
    struct stat st;

    if (is_dots(entry->name))
        return 0;
    if (lstat(entry->name, &st) != 0) {
        fault(t, "is listed, but not there", entry->name);
        return 0;
    }
    if (st.st_ino != entry->ino || (st.st_mode & S_IFMT) != DTTOIF((mode_t)entry->type))
        fault(t, "is not what the listing says", entry->name);
    print_object(t, &st, entry->name);
    if (!S_ISDIR(st.st_mode))
        return 0;
    if (len + strlen(entry->name) + 2 > sizeof(t->path) || chdir(entry->name) != 0) {
        fault(t, "cannot be entered", entry->name);
        return 1;
    }
    snprintf(t->path + len, sizeof(t->path) - len, "/%s", entry->name);
    walk(t, &st);
    t->path[len] = 0;
    if (chdir("..") != 0)
        abort();
    return 1;
}

/* The working directory. */
static void walk(struct tree *t, const struct stat *dir_stat)
{
    int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct listed *all = NULL;
    ssize_t count = fd < 0 ? -1 : list_read(fd, 8192, &all);
    uint64_t dirs = 0;

    if (fd >= 0)
        close(fd);
    if (count < 0) {
        fault(t, "cannot be listed", ".");
        return;
    }
    qsort(all, (size_t)count, sizeof(*all), by_name);
    for (ssize_t i = 0; i < count; i++)
        dirs += walk_entry(t, &all[i]);
    if (dir_stat->st_nlink != dirs + 2)
        fault(t, "a directory's link count is wrong", ".");
    list_free(all, (size_t)count);
}

int tree_dump(int out, bool with_times)
{
    static struct tree t;
    struct stat st;

    t.with_times = with_times;
    t.out = fdopen(out, "w");
    if (!t.out || chdir("/") != 0 || stat(".", &st) != 0)
        abort();
    walk(&t, &st);
    for (size_t i = 0; i < t.file_count; i++)
        if (t.files[i].found != t.files[i].nlink)
            fault(&t, "a file's link count is wrong", t.files[i].path);
    fclose(t.out);
    return t.fault_count;
}
