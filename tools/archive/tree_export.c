/*
 * From the tree to entries of libarchive.
 *
 * Files with several names are remembered by number, with their first path: that, and a piece of
 * contents, is the memory that it takes. Holes are told to libarchive, which leaves them out; it
 * wants to be given zeros for them all the same, and looks at none.
 */
#include "tools/archive/tree_export.h"

#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "tools/archive/archive_acl.h"
#include "tools/archive/archive_owner.h"
#include "tools/archive/interrupt.h"
#include "tools/archive/pax_time.h"
#include "tools/archive/tree_attribute.h"
#include "tools/archive/tree_list.h"

enum {
    READ_LEN = 1 << 20,
    PROGRESS_COUNT = 64, /* so many objects between two looks at the clock */
};
#define ZEROS_LEN ((size_t)1 << 30) /* of address space; no memory */

struct linked {
    uint64_t ino;
    char *path;
    UT_hash_handle hh;
};

struct export
{
    struct fs *fs;
    struct archive *a; /* of out */
    struct archive_output *out;
    struct archive_report *report;
    struct tree_put_stats *stats;
    bool names;
    struct owner_names owners;
    struct linked *linked;
    struct archive_entry *entry;
    const uint8_t *zeros;
    char *xattr_names; /* FS_XATTR_LIST_LEN_MAX */
    uint8_t *xattr_value;
    uint64_t object_count;
};

/* Positive answers, as errors of the system are negative. */
enum {
    GO_ON = 0,
    END_OUTPUT = TREE_EXPORT_OUTPUT,
    END_INTERRUPTED = TREE_EXPORT_INTERRUPTED,
    END_MEMORY = TREE_EXPORT_MEMORY,
};

static void tell(struct export *x, const char *path, const char *what, int err)
{
    archive_report_problem(x->report, path, "%s: %s", what,
                           lsm_is_damage(err) && *lsm_detail() ? lsm_detail() : lsm_strerror(err));
}

/* --- Attributes --- */

static int add_value(struct export *x, const char *path, const char *name, ssize_t len)
{
    int type = !strcmp(name, "system.posix_acl_access")    ? ARCHIVE_ENTRY_ACL_TYPE_ACCESS
               : !strcmp(name, "system.posix_acl_default") ? ARCHIVE_ENTRY_ACL_TYPE_DEFAULT
                                                           : 0;
    int err = 0;

    if (!type)
        archive_entry_xattr_add_entry(x->entry, name, x->xattr_value, (size_t)len);
    else
        err = archive_acl_set(x->entry, type, x->xattr_value, (size_t)len);
    if (err == -EINVAL)
        tell(x, path, name, err);
    return err == -ENOMEM ? END_MEMORY : GO_ON;
}

static int add_xattrs(struct export *x, const char *path, const struct fs_attr *attr)
{
    ssize_t len = fs_listxattr(x->fs, attr->ino, x->xattr_names, FS_XATTR_LIST_LEN_MAX);

    if (len < 0)
        tell(x, path, "its attributes cannot be read", (int)len);
    for (const char *name = x->xattr_names; len > 0 && name < x->xattr_names + len;
         name += strlen(name) + 1) {
        ssize_t n = fs_getxattr(x->fs, attr->ino, name, x->xattr_value, FS_XATTR_VALUE_LEN_MAX);
        int r = GO_ON;

        if (n < 0)
            tell(x, path, name, (int)n);
        else
            r = add_value(x, path, name, n);
        if (r != GO_ON)
            return r;
    }
    return GO_ON;
}

/* --- Hard links --- */

/* The first path of an inode with several names; NULL when this is the first. */
static int first_path(struct export *x, const char *path, const struct fs_attr *attr,
                      const char **ret)
{
    struct linked *l;

    *ret = NULL;
    if (S_ISDIR(attr->mode) || attr->nlink < 2)
        return GO_ON;
    HASH_FIND(hh, x->linked, &attr->ino, sizeof(attr->ino), l);
    if (l) {
        *ret = l->path;
        return GO_ON;
    }
    l = calloc(1, sizeof(*l));
    if (l)
        l->path = strdup(path);
    if (!l || !l->path) {
        free(l);
        return END_MEMORY;
    }
    l->ino = attr->ino;
    HASH_ADD(hh, x->linked, ino, sizeof(l->ino), l);
    if (l->hh.tbl)
        return GO_ON;
    free(l->path);
    free(l);
    return END_MEMORY;
}

static void linked_free(struct export *x)
{
    struct linked *l, *next;

    HASH_ITER (hh, x->linked, l, next) {
        HASH_DEL(x->linked, l);
        free(l->path);
        free(l);
    }
}

/* --- Contents --- */

static int write_all(struct export *x, const void *data, size_t len)
{
    const uint8_t *p = data;

    while (len) {
        la_ssize_t n = archive_write_data(x->a, p, len);

        if (n <= 0 || archive_output_failed(x->out))
            return END_OUTPUT;
        p += n;
        len -= (size_t)n;
    }
    return GO_ON;
}

static int write_zeros(struct export *x, uint64_t len)
{
    int r = GO_ON;

    while (len && r == GO_ON) {
        size_t n = len < ZEROS_LEN ? (size_t)len : ZEROS_LEN;

        r = interrupted() ? END_INTERRUPTED : write_all(x, x->zeros, n);
        len -= n;
    }
    return r;
}

/* Contents from offset on, *len bytes at most: what was read, which is written. */
static int write_piece(struct export *x, const char *path, uint64_t ino, uint64_t offset,
                       size_t *len)
{
    struct fs_read r;
    int err = fs_read(x->fs, ino, offset, *len, &r), answer = GO_ON;

    if (err && *len > fs_super(x->fs)->block_len) {
        *len = fs_super(x->fs)->block_len - (size_t)(offset % fs_super(x->fs)->block_len);
        err = fs_read(x->fs, ino, offset, *len, &r);
    }
    if (err) {
        archive_report_problem(x->report, path,
                               "bytes %llu to %llu cannot be read, and are zeros in the archive: "
                               "%s",
                               (unsigned long long)offset, (unsigned long long)(offset + *len - 1),
                               *lsm_detail() ? lsm_detail() : lsm_strerror(err));
        return write_zeros(x, *len);
    }
    for (int i = 0; i < r.iov_count && answer == GO_ON; i++)
        answer = write_all(x, r.iov[i].iov_base, r.iov[i].iov_len);
    if (answer == GO_ON && r.len < *len)
        answer = write_zeros(x, *len - r.len);
    fs_read_done(&r);
    return answer;
}

static int write_range(struct export *x, const char *path, uint64_t ino, uint64_t offset,
                       uint64_t end)
{
    int r = GO_ON;

    while (offset < end && r == GO_ON) {
        size_t len = end - offset < READ_LEN ? (size_t)(end - offset) : READ_LEN;

        if (interrupted())
            return END_INTERRUPTED;
        r = write_piece(x, path, ino, offset, &len);
        offset += len;
        x->stats->data_len += len;
        archive_report_progress(x->report, "export", x->stats->data_len, 0);
    }
    return r;
}

static bool has_holes(const struct fs_attr *attr)
{
    return S_ISREG(attr->mode) && attr->blocks < attr->size / 512;
}

/* The piece of data at or behind `offset`: 1, 0 for none, or an error. */
static int next_data(struct export *x, const struct fs_attr *attr, uint64_t offset,
                     uint64_t *ret_start, uint64_t *ret_end)
{
    int err;

    if (offset >= attr->size)
        return 0;
    err = fs_lseek(x->fs, attr->ino, offset, SEEK_DATA, ret_start);
    if (!err)
        err = fs_lseek(x->fs, attr->ino, *ret_start, SEEK_HOLE, ret_end);
    return err == -ENXIO ? 0 : err ? err : 1;
}

static void add_map(struct export *x, const char *path, const struct fs_attr *attr)
{
    uint64_t start, end = 0;
    int r;

    while ((r = next_data(x, attr, end, &start, &end)) > 0)
        archive_entry_sparse_add_entry(x->entry, (la_int64_t)start, (la_int64_t)(end - start));
    if (r < 0) {
        archive_entry_sparse_clear(x->entry); /* what it does not have would be left out */
        tell(x, path, "its holes cannot be found, and are zeros in the archive", r);
    } else if (!archive_entry_sparse_count(x->entry))
        archive_entry_sparse_add_entry(x->entry, (la_int64_t)attr->size, 0);
}

static int write_sparse(struct export *x, const char *path, const struct fs_attr *attr)
{
    uint64_t at = 0, start, end;
    int r = GO_ON, more;

    while (r == GO_ON && (more = next_data(x, attr, at, &start, &end)) > 0) {
        r = write_zeros(x, start - at);
        if (r == GO_ON)
            r = write_range(x, path, attr->ino, start, end);
        at = end;
    }
    if (r != GO_ON)
        return r;
    if (more < 0)
        tell(x, path, "not all of it can be found again, and the rest is zeros in the archive",
             more);
    return write_zeros(x, attr->size - at);
}

/* --- Objects --- */

static void fill_owner(struct export *x, const struct fs_attr *attr)
{
    archive_entry_set_uid(x->entry, attr->uid);
    archive_entry_set_gid(x->entry, attr->gid);
    if (!x->names)
        return;
    archive_entry_copy_uname(x->entry, owner_name_of_uid(&x->owners, attr->uid));
    archive_entry_copy_gname(x->entry, owner_name_of_gid(&x->owners, attr->gid));
}

static void fill(struct export *x, const char *path, const struct fs_attr *attr)
{
    struct timespec mtime = pax_time_for_libarchive(attr->mtime);
    struct timespec atime = pax_time_for_libarchive(attr->atime);
    bool is_socket = S_ISSOCK(attr->mode);

    archive_entry_clear(x->entry);
    archive_entry_copy_pathname(x->entry, *path ? path : "./");
    archive_entry_set_mode(x->entry, is_socket ? S_IFIFO | (attr->mode & 07777) : attr->mode);
    archive_entry_set_size(x->entry, S_ISREG(attr->mode) ? (la_int64_t)attr->size : 0);
    archive_entry_set_mtime(x->entry, mtime.tv_sec, mtime.tv_nsec);
    archive_entry_set_atime(x->entry, atime.tv_sec, atime.tv_nsec);
    fill_owner(x, attr);
    if (S_ISCHR(attr->mode) || S_ISBLK(attr->mode)) {
        archive_entry_set_rdevmajor(x->entry, major(attr->rdev));
        archive_entry_set_rdevminor(x->entry, minor(attr->rdev));
    }
    if (is_socket)
        archive_entry_xattr_add_entry(x->entry, TREE_ATTRIBUTE_SOCKET, "1", 1);
}

/* A name that is no UTF-8 is a warning, and is kept byte by byte. 1: left out, and told. */
static int write_header(struct export *x, const char *path)
{
    int r = archive_write_header(x->a, x->entry);

    if (r == ARCHIVE_FATAL || archive_output_failed(x->out))
        return END_OUTPUT;
    if (r >= ARCHIVE_WARN)
        return GO_ON;
    archive_report_problem(x->report, path, "was left out: %s",
                           archive_error_string(x->a) ? archive_error_string(x->a)
                                                      : "the format has no place for it");
    return -1;
}

static int put_symlink(struct export *x, const char *path, const struct fs_attr *attr)
{
    char target[FS_SYMLINK_LEN_MAX + 1];
    int err = fs_readlink(x->fs, attr->ino, target, sizeof(target));

    if (err) {
        tell(x, path, "was left out", err);
        return -1;
    }
    archive_entry_copy_symlink(x->entry, target);
    return GO_ON;
}

/* What is behind the header. */
static int put_contents(struct export *x, const char *path, const struct fs_attr *attr)
{
    int r = GO_ON;

    if (S_ISREG(attr->mode) && has_holes(attr) && archive_entry_sparse_count(x->entry))
        r = write_sparse(x, path, attr);
    else if (S_ISREG(attr->mode))
        r = write_range(x, path, attr->ino, 0, attr->size);
    if (r == GO_ON &&
        (archive_write_finish_entry(x->a) < ARCHIVE_WARN || archive_output_failed(x->out)))
        r = END_OUTPUT;
    return r;
}

/* -1: it was left out, and told. */
static int put(struct export *x, const char *path, const struct fs_attr *attr)
{
    const char *first;
    int r = first_path(x, path, attr, &first);

    if (r != GO_ON)
        return r;
    fill(x, path, attr);
    if (first) {
        archive_entry_copy_hardlink(x->entry, first);
        archive_entry_set_size(x->entry, 0);
    } else {
        if (S_ISLNK(attr->mode))
            r = put_symlink(x, path, attr);
        if (r == GO_ON)
            r = add_xattrs(x, path, attr);
        if (r == GO_ON && has_holes(attr))
            add_map(x, path, attr);
    }
    if (r == GO_ON)
        r = write_header(x, path);
    if (r == GO_ON && !first)
        r = put_contents(x, path, attr);
    if (r == GO_ON)
        tree_put_count(x->stats, attr->mode, first != NULL);
    return r;
}

static int on_object(void *arg, const char *path, const struct fs_attr *attr)
{
    struct export *x = arg;
    int r;

    if (interrupted())
        return END_INTERRUPTED;
    if (x->object_count++ % PROGRESS_COUNT == 0)
        archive_report_progress(x->report, "export", x->stats->data_len, 0);
    r = put(x, path, attr);
    return r < 0 ? GO_ON : r;
}

static void on_broken(void *arg, const char *path, int err)
{
    tell(arg, path, "cannot be listed to its end", err);
}

static int run(struct export *x, const struct fs_attr *top, const char *name)
{
    const struct tree_list_calls calls = {on_object, on_broken, x};
    int r = on_object(x, S_ISDIR(top->mode) ? "" : name, top);

    if (r != GO_ON || !S_ISDIR(top->mode))
        return r;
    r = tree_list(x->fs, top->ino, &calls);
    return r < 0 ? END_MEMORY : r;
}

enum tree_export_end tree_export(struct fs *fs, const struct fs_attr *top, const char *name,
                                 bool names, struct archive_output *out,
                                 struct archive_report *report, struct tree_put_stats *ret)
{
    struct export x = {.fs = fs,
                       .a = archive_output_archive(out),
                       .out = out,
                       .report = report,
                       .stats = ret,
                       .names = names};
    void *zeros =
        mmap(NULL, ZEROS_LEN, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int r = END_MEMORY;

    *ret = (struct tree_put_stats){.files = 0};
    x.entry = archive_entry_new();
    x.xattr_names = malloc(FS_XATTR_LIST_LEN_MAX);
    x.xattr_value = malloc(FS_XATTR_VALUE_LEN_MAX);
    if (zeros != MAP_FAILED && x.entry && x.xattr_names && x.xattr_value) {
        x.zeros = zeros;
        r = run(&x, top, name);
    }
    if (zeros != MAP_FAILED)
        munmap(zeros, ZEROS_LEN);
    archive_entry_free(x.entry);
    linked_free(&x);
    free(x.xattr_names);
    free(x.xattr_value);
    return r == END_OUTPUT && interrupted() ? TREE_EXPORT_INTERRUPTED : (enum tree_export_end)r;
}
