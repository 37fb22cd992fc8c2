/*
 * From entries of libarchive to frames.
 *
 * Times of directories are kept until the end, as what comes later in the archive is put into them:
 * that, and one buffer, is all the memory that it takes.
 *
 * What tar has no type for, a socket, is written by our export as a FIFO with an attribute (see
 * tree_attribute.h).
 */
#include "tools/archive/archive_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "tools/archive/archive_acl.h"
#include "tools/archive/archive_owner.h"
#include "tools/archive/archive_path.h"
#include "tools/archive/interrupt.h"
#include "tools/archive/pax_time.h"
#include "tools/archive/tree_attribute.h"

enum {
    PUSH_LEN = 1 << 20
};

struct dir_times {
    char *path;
    struct timespec atime, mtime;
};

struct source {
    struct archive *a;
    struct archive_input *in;
    const struct archive_source_options *options;
    struct archive_report *report;
    struct tree_sink sink;
    struct buf frames;
    struct dir_times *dirs;
    size_t dir_count, dir_cap;
    uint64_t absolute_count;
    struct timespec now;
    struct owner_names owners;
};

/* How reading goes on. Positive numbers are an enum archive_source_end. */
enum {
    GO_ON = -1
};

static int push(struct source *s)
{
    archive_report_progress(s->report, "import", archive_input_done(s->in),
                            archive_input_total(s->in));
    if (!s->frames.len)
        return GO_ON;
    return s->sink.push(s->sink.arg, &s->frames) ? (int)ARCHIVE_SOURCE_SINK : GO_ON;
}

/* After a frame was added, or not. */
static int framed(struct source *s, int err)
{
    if (err)
        return ARCHIVE_SOURCE_MEMORY;
    return s->frames.len >= PUSH_LEN ? push(s) : GO_ON;
}

/* --- What an entry says --- */

static bool is_tar(struct archive *a)
{
    return (archive_format(a) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;
}

static struct timespec time_or_now(const struct source *s, bool set, time_t sec, long nsec)
{
    struct timespec t = {.tv_sec = sec, .tv_nsec = nsec};

    if (!set || nsec < 0 || nsec >= 1000000000)
        return s->now;
    return is_tar(s->a) ? pax_time_of_libarchive(t) : t;
}

static void take_owner(struct source *s, struct archive_entry *ae, struct tree_entry *e)
{
    e->uid = s->options->uid;
    e->gid = s->options->gid;
    if (s->options->fixed_owner) {
        e->mode &= ~(uint32_t)(S_ISUID | S_ISGID);
        return;
    }
    e->uid = (uint32_t)archive_entry_uid(ae);
    e->gid = (uint32_t)archive_entry_gid(ae);
    if (s->options->names) {
        owner_uid_of_name(&s->owners, archive_entry_uname(ae), &e->uid);
        owner_gid_of_name(&s->owners, archive_entry_gname(ae), &e->gid);
    }
}

static bool owner_fits(struct archive_entry *ae)
{
    la_int64_t uid = archive_entry_uid(ae), gid = archive_entry_gid(ae);

    return uid >= 0 && uid < UINT32_MAX && gid >= 0 && gid < UINT32_MAX;
}

static bool is_socket(struct archive_entry *ae)
{
    const char *name;
    const void *value;
    size_t len;

    if (archive_entry_filetype(ae) != AE_IFIFO)
        return false;
    archive_entry_xattr_reset(ae);
    while (archive_entry_xattr_next(ae, &name, &value, &len) == ARCHIVE_OK)
        if (!strcmp(name, TREE_ATTRIBUTE_SOCKET))
            return true;
    return false;
}

static uint32_t mode_of(struct archive_entry *ae)
{
    uint32_t mode = archive_entry_perm(ae) & 07777;

    if (is_socket(ae))
        return mode | S_IFSOCK;
    return mode | (archive_entry_filetype(ae) ? archive_entry_filetype(ae) : S_IFREG);
}

static void entry_fill(struct source *s, struct archive_entry *ae, struct tree_entry *e)
{
    e->mode = mode_of(ae);
    take_owner(s, ae, e);
    if (S_ISCHR(e->mode) || S_ISBLK(e->mode))
        e->rdev =
            makedev((unsigned)archive_entry_rdevmajor(ae), (unsigned)archive_entry_rdevminor(ae));
    e->mtime = time_or_now(s, archive_entry_mtime_is_set(ae), archive_entry_mtime(ae),
                           archive_entry_mtime_nsec(ae));
    e->atime = time_or_now(s, archive_entry_atime_is_set(ae), archive_entry_atime(ae),
                           archive_entry_atime_nsec(ae));
}

static int dir_remember(struct source *s, const struct tree_entry *e)
{
    struct dir_times *d;

    if (s->dir_count == s->dir_cap) {
        size_t cap = s->dir_cap ? s->dir_cap * 2 : 256;

        d = reallocarray(s->dirs, cap, sizeof(*d));
        if (!d)
            return -ENOMEM;
        s->dirs = d;
        s->dir_cap = cap;
    }
    d = &s->dirs[s->dir_count];
    *d = (struct dir_times){strdup(e->path), e->atime, e->mtime};
    if (!d->path)
        return -ENOMEM;
    s->dir_count++;
    return 0;
}

/* --- Attributes and ACLs --- */

static int xattr_frame(struct source *s, struct archive_entry *ae, const char *name,
                       const void *value, size_t len)
{
    char *decoded = is_tar(s->a) ? tree_attribute_decode(name) : strdup(name);
    int err = -ENOMEM;

    if (!decoded)
        return err;
    if (!strcmp(decoded, TREE_ATTRIBUTE_SOCKET) ||
        (s->options->fixed_owner && !strcmp(decoded, "security.capability")))
        err = 0;
    else
        err = tree_frame_xattr(&s->frames, decoded, value, len);
    if (err == -E2BIG) {
        archive_report_problem(s->report, archive_entry_pathname(ae),
                               "its attribute %s has %zu bytes, and was left out", decoded, len);
        err = 0;
    }
    free(decoded);
    return err;
}

static int acl_frame(struct source *s, struct archive_entry *ae, int type, const char *name)
{
    uint8_t value[ACL_LEN_MAX];
    int len = archive_acl_get(ae, type, value);

    if (len < 0)
        archive_report_problem(s->report, archive_entry_pathname(ae),
                               "its ACL %s is none that can be kept", name);
    return len > 0 ? tree_frame_xattr(&s->frames, name, value, (size_t)len) : 0;
}

static int attributes(struct source *s, struct archive_entry *ae)
{
    const char *name;
    const void *value;
    size_t len;
    int err = 0;

    archive_entry_xattr_reset(ae);
    while (!err && archive_entry_xattr_next(ae, &name, &value, &len) == ARCHIVE_OK)
        err = xattr_frame(s, ae, name, value, len);
    if (!err)
        err = acl_frame(s, ae, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, "system.posix_acl_access");
    if (!err)
        err = acl_frame(s, ae, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, "system.posix_acl_default");
    if (archive_entry_acl_types(ae) & ARCHIVE_ENTRY_ACL_TYPE_NFS4)
        archive_report_problem(s->report, archive_entry_pathname(ae), "its NFSv4 ACL was left out");
    return err;
}

/* --- Contents --- */

static int data_frames(struct source *s, uint64_t offset, const uint8_t *data, size_t len)
{
    int r = GO_ON;

    while (len && r == GO_ON) {
        size_t n = len < TREE_FRAME_DATA_LEN_MAX ? len : TREE_FRAME_DATA_LEN_MAX;

        r = framed(s, tree_frame_data(&s->frames, offset, data, n));
        offset += n;
        data += n;
        len -= n;
    }
    return r;
}

/* Of the entry that is open: all its contents, and its end. */
static int contents(struct source *s, struct archive_entry *ae, const char *path)
{
    uint64_t end = 0;

    for (;;) {
        const void *data;
        size_t len;
        la_int64_t offset;
        int r = interrupted() ? ARCHIVE_FATAL : archive_read_data_block(s->a, &data, &len, &offset);

        if (r == ARCHIVE_EOF)
            break;
        if (r == ARCHIVE_RETRY)
            continue;
        if (r < ARCHIVE_WARN || offset < 0) {
            int answer = framed(s, tree_frame_drop(&s->frames));

            if (answer == GO_ON && r > ARCHIVE_FATAL)
                archive_report_problem(s->report, path, "was left out: %s",
                                       archive_error_string(s->a));
            return answer == GO_ON && r == ARCHIVE_FATAL ? (int)ARCHIVE_SOURCE_DAMAGED : answer;
        }
        r = data_frames(s, (uint64_t)offset, data, len);
        if (r != GO_ON)
            return r;
        end = (uint64_t)offset + len;
    }
    if (archive_entry_size_is_set(ae) && (uint64_t)archive_entry_size(ae) > end &&
        archive_entry_size(ae) > 0 && !(archive_entry_hardlink(ae) && !end))
        end = (uint64_t)archive_entry_size(ae);
    return framed(s, tree_frame_end(&s->frames, end));
}

/* --- Entries --- */

static void tell_absolute(struct source *s, const char *name)
{
    if (!s->absolute_count++)
        archive_report_note(s->report, name, "an absolute name: leading slashes are dropped");
}

/* The path of a name, cleaned. NULL with *ret_memory unchanged: it was told, and is left out. */
static char *path_of(struct source *s, const char *name, bool *ret_memory)
{
    bool absolute;
    char *path;

    if (!name || !*name) {
        archive_report_problem(s->report, NULL, "an entry without a name was left out");
        return NULL;
    }
    path = archive_path_clean(name, &absolute);
    if (!path)
        *ret_memory = true;
    else if (absolute)
        tell_absolute(s, name);
    return path;
}

static int entry_frames(struct source *s, struct archive_entry *ae, struct tree_entry *e)
{
    int err = tree_frame_entry(&s->frames, e);

    if (err == -ENAMETOOLONG) {
        archive_report_problem(s->report, NULL,
                               "an entry with a name of more than 256 KiB was "
                               "left out");
        return GO_ON;
    }
    if (!err && !e->hard_link)
        err = attributes(s, ae);
    if (!err && !e->hard_link && S_ISDIR(e->mode))
        err = dir_remember(s, e);
    if (err)
        return ARCHIVE_SOURCE_MEMORY;
    return contents(s, ae, e->path);
}

static int entry(struct source *s, struct archive_entry *ae)
{
    struct tree_entry e = {.hard_link = archive_entry_hardlink(ae) != NULL};
    bool memory = false;
    char *path = path_of(s, archive_entry_pathname(ae), &memory), *link = NULL;
    int r = GO_ON;

    if (path && e.hard_link)
        link = path_of(s, archive_entry_hardlink(ae), &memory);
    e.path = path;
    e.link = e.hard_link ? link : archive_entry_symlink(ae);
    if (memory) {
        r = ARCHIVE_SOURCE_MEMORY;
    } else if (path && !s->options->fixed_owner && !owner_fits(ae)) {
        archive_report_problem(s->report, path, "was left out: its owner is no number of 32 bits");
    } else if (path && (link || !e.hard_link)) {
        entry_fill(s, ae, &e);
        r = entry_frames(s, ae, &e);
    }
    free(path);
    free(link);
    return r;
}

/*
 * That a name is no UTF-8, or cannot be expressed in the locale, is no loss: its bytes are kept.
 */
static void tell_warning(struct source *s, struct archive_entry *ae)
{
    const char *text = archive_error_string(s->a);

    if (text && !strstr(text, "can't be converted"))
        archive_report_note(s->report, archive_entry_pathname(ae), "%s", text);
}

static int entries(struct source *s)
{
    struct archive_entry *ae;
    int r = GO_ON;

    while (r == GO_ON) {
        int header = interrupted() ? ARCHIVE_FATAL : archive_read_next_header(s->a, &ae);

        if (header == ARCHIVE_EOF)
            return archive_input_drain(s->in) ? ARCHIVE_SOURCE_DAMAGED : ARCHIVE_SOURCE_WHOLE;
        if (header == ARCHIVE_FATAL)
            return ARCHIVE_SOURCE_DAMAGED;
        if (header == ARCHIVE_RETRY)
            continue;
        if (header == ARCHIVE_WARN)
            tell_warning(s, ae);
        if (header == ARCHIVE_FAILED)
            archive_report_problem(s->report, NULL, "an entry was left out: %s",
                                   archive_error_string(s->a));
        else
            r = entry(s, ae);
    }
    return r;
}

static int times_frames(struct source *s)
{
    int r = GO_ON;

    /* The last word on a directory that comes twice comes last. */
    for (size_t i = 0; i < s->dir_count && r == GO_ON; i++) {
        struct dir_times *d = &s->dirs[i];

        r = framed(s, tree_frame_times(&s->frames, d->path, &d->atime, &d->mtime));
    }
    return r == GO_ON ? push(s) : r;
}

static void source_done(struct source *s)
{
    for (size_t i = 0; i < s->dir_count; i++)
        free(s->dirs[i].path);
    free(s->dirs);
    buf_free(&s->frames);
}

enum archive_source_end archive_source_run(struct archive_input *in,
                                           const struct archive_source_options *options,
                                           struct tree_sink sink, struct archive_report *report,
                                           char *text, size_t text_len)
{
    struct source s = {.a = archive_input_archive(in),
                       .in = in,
                       .options = options,
                       .report = report,
                       .sink = sink};
    int end, r = GO_ON;

    clock_gettime(CLOCK_REALTIME, &s.now);
    end = entries(&s);
    if (end == ARCHIVE_SOURCE_DAMAGED) {
        const char *why = archive_error_string(s.a);

        snprintf(text, text_len, "%s", why ? why : "it cannot be read");
        if (interrupted())
            end = ARCHIVE_SOURCE_INTERRUPTED;
    }
    if (end != ARCHIVE_SOURCE_SINK && end != ARCHIVE_SOURCE_MEMORY)
        r = times_frames(&s);
    if (s.absolute_count > 1)
        archive_report_note(report, NULL, "%llu names were absolute",
                            (unsigned long long)s.absolute_count);
    source_done(&s);
    return r == GO_ON ? (enum archive_source_end)end : (enum archive_source_end)r;
}
