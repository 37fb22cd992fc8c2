/*
 * libarchive and zlib are not linked in, so their own allocations cannot be made to fail. Instead a
 * call of them is what has no memory: it does nothing, and says so as they do. There is no kernel
 * to be told that names are others now; that is counted.
 */
#include "fault/archive_calls.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdatomic.h>
#include <zlib.h>

#include "lib/call_faults_impl.h"

struct fuse_session;

static atomic_uint named_count;

unsigned archive_calls_named(void)
{
    return atomic_exchange(&named_count, 0);
}

static bool no_memory(struct archive *a)
{
    if (call_faults_begin(CALL_ALLOC) != CALL_FAILS)
        return false;
    if (a)
        archive_set_error(a, ENOMEM, "Can't allocate memory");
    return true;
}

REAL(struct archive *, archive_read_new, void)
{
    return no_memory(NULL) ? NULL : __real_archive_read_new();
}

REAL(int, archive_read_next_header, struct archive *a, struct archive_entry **ret)
{
    return no_memory(a) ? ARCHIVE_FATAL : __real_archive_read_next_header(a, ret);
}

REAL(int, archive_read_data_block, struct archive *a, const void **ret, size_t *ret_len,
     la_int64_t *ret_offset)
{
    return no_memory(a) ? ARCHIVE_FATAL
                        : __real_archive_read_data_block(a, ret, ret_len, ret_offset);
}

REAL(struct archive *, archive_write_new, void)
{
    return no_memory(NULL) ? NULL : __real_archive_write_new();
}

REAL(int, archive_write_header, struct archive *a, struct archive_entry *e)
{
    return no_memory(a) ? ARCHIVE_FATAL : __real_archive_write_header(a, e);
}

REAL(la_ssize_t, archive_write_data, struct archive *a, const void *data, size_t len)
{
    return no_memory(a) ? ARCHIVE_FATAL : __real_archive_write_data(a, data, len);
}

REAL(int, archive_write_finish_entry, struct archive *a)
{
    return no_memory(a) ? ARCHIVE_FATAL : __real_archive_write_finish_entry(a);
}

REAL(int, archive_write_close, struct archive *a)
{
    return no_memory(a) ? ARCHIVE_FATAL : __real_archive_write_close(a);
}

REAL(struct archive_entry *, archive_entry_new, void)
{
    return no_memory(NULL) ? NULL : __real_archive_entry_new();
}

REAL(int, archive_entry_acl_add_entry, struct archive_entry *e, int type, int permset, int tag,
     int id, const char *name)
{
    return no_memory(NULL) ? ARCHIVE_FATAL
                           : __real_archive_entry_acl_add_entry(e, type, permset, tag, id, name);
}

/* libarchive calls the real one, but the linker wants this one to be seen by it. */
#pragma GCC visibility push(default)
REAL(int, inflateInit2_, z_streamp z, int bits, const char *version, int len)
{
    return no_memory(NULL) ? Z_MEM_ERROR : __real_inflateInit2_(z, bits, version, len);
}
#pragma GCC visibility pop

/* --- A kernel that knows nothing, and so has nothing to forget --- */

REAL(int, fuse_lowlevel_notify_inval_entry, struct fuse_session *se, uint64_t parent,
     const char *name, size_t len)
{
    (void)se;
    (void)parent;
    (void)name;
    (void)len;
    atomic_fetch_add(&named_count, 1);
    return -ENOENT;
}

REAL(int, fuse_lowlevel_notify_inval_inode, struct fuse_session *se, uint64_t ino, int64_t offset,
     int64_t len)
{
    (void)se;
    (void)ino;
    (void)offset;
    (void)len;
    return -ENOENT;
}
