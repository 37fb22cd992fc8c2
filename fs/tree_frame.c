/*
 * Frames of a tree: making them, and doing what they say. The format is in tree_frame.h.
 */
#include "fs/tree_frame.h"

#include <errno.h>
#include <stdlib.h>

#include "lsm/base/codec.h"

/* --- Making --- */

static size_t frame_begin(struct buf *b, enum tree_frame_type type, int *err)
{
    const uint8_t head[TREE_FRAME_HEAD_LEN] = {0, 0, 0, 0, (uint8_t)type};

    *err = buf_append(b, head, sizeof(head));
    return b->len;
}

/* `start` as frame_begin gave it. On failure the frame is taken back. */
static int frame_end(struct buf *b, size_t start, int err)
{
    size_t len = b->len - start;

    if (!err && len > TREE_FRAME_LEN_MAX)
        err = -E2BIG;
    if (!err)
        put_le32(b->data + start - TREE_FRAME_HEAD_LEN, (uint32_t)len);
    else if (start >= TREE_FRAME_HEAD_LEN)
        b->len = start - TREE_FRAME_HEAD_LEN;
    return err;
}

static int put_time(struct buf *b, const struct timespec *t)
{
    uint64_t sec = (uint64_t)t->tv_sec;
    int err = buf_put_varint64(b, sec << 1 ^ (t->tv_sec < 0 ? UINT64_MAX : 0));

    return err ? err : buf_put_varint64(b, (uint64_t)t->tv_nsec);
}

int tree_field_string(struct buf *b, const char *s)
{
    return buf_put_prefixed(b, slice_str(s));
}

static int put_entry(struct buf *b, const struct tree_entry *e)
{
    uint8_t link = e->hard_link ? 2 : e->link ? 1 : 0;
    int err = buf_put_varint64(b, e->mode);

    if (!err)
        err = buf_put_varint64(b, e->uid);
    if (!err)
        err = buf_put_varint64(b, e->gid);
    if (!err)
        err = buf_put_varint64(b, e->rdev);
    if (!err)
        err = put_time(b, &e->atime);
    if (!err)
        err = put_time(b, &e->mtime);
    if (!err)
        err = buf_append(b, &link, 1);
    if (!err)
        err = tree_field_string(b, e->path);
    if (!err && link)
        err = tree_field_string(b, e->link);
    return err;
}

int tree_frame_entry(struct buf *b, const struct tree_entry *e)
{
    size_t start;
    int err;

    if (strlen(e->path) > TREE_FRAME_PATH_LEN_MAX ||
        (e->link && strlen(e->link) > TREE_FRAME_PATH_LEN_MAX))
        return -ENAMETOOLONG;
    start = frame_begin(b, TREE_FRAME_ENTRY, &err);
    return err ? err : frame_end(b, start, put_entry(b, e));
}

int tree_frame_xattr(struct buf *b, const char *name, const void *value, size_t len)
{
    int err;
    size_t start = frame_begin(b, TREE_FRAME_XATTR, &err);

    if (err)
        return err;
    err = tree_field_string(b, name);
    return frame_end(b, start, err ? err : buf_append(b, value, len));
}

int tree_frame_data(struct buf *b, uint64_t offset, const void *data, size_t len)
{
    int err;
    size_t start = frame_begin(b, TREE_FRAME_DATA, &err);

    if (err)
        return err;
    err = buf_put_varint64(b, offset);
    return frame_end(b, start, err ? err : buf_append(b, data, len));
}

int tree_frame_end(struct buf *b, uint64_t size)
{
    int err;
    size_t start = frame_begin(b, TREE_FRAME_END, &err);

    return err ? err : frame_end(b, start, buf_put_varint64(b, size));
}

int tree_frame_drop(struct buf *b)
{
    int err;
    size_t start = frame_begin(b, TREE_FRAME_DROP, &err);

    return err ? err : frame_end(b, start, 0);
}

int tree_frame_times(struct buf *b, const char *path, const struct timespec *atime,
                     const struct timespec *mtime)
{
    int err;
    size_t start = frame_begin(b, TREE_FRAME_TIMES, &err);

    if (err)
        return err;
    err = put_time(b, atime);
    if (!err)
        err = put_time(b, mtime);
    return frame_end(b, start, err ? err : tree_field_string(b, path));
}

/* --- Taking --- */

int tree_frame_take(struct slice *in, uint8_t *ret_type, struct slice *ret_payload)
{
    uint32_t len;

    if (in->len < TREE_FRAME_HEAD_LEN)
        return 0;
    len = get_le32(in->data);
    if (len > TREE_FRAME_LEN_MAX)
        return -EBADMSG;
    if (in->len - TREE_FRAME_HEAD_LEN < len)
        return 0;
    *ret_type = in->data[4];
    *ret_payload = slice_of(in->data + TREE_FRAME_HEAD_LEN, len);
    in->data += TREE_FRAME_HEAD_LEN + len;
    in->len -= TREE_FRAME_HEAD_LEN + len;
    return 1;
}

static bool take_time(struct slice *in, struct timespec *ret)
{
    uint64_t sec, nsec;

    if (!take_varint64(in, &sec) || !take_varint64(in, &nsec) || nsec >= 1000000000)
        return false;
    ret->tv_sec = (time_t)(sec >> 1 ^ (sec & 1 ? UINT64_MAX : 0));
    ret->tv_nsec = (long)nsec;
    return true;
}

int tree_field_take_string(struct slice *in, char **ret)
{
    struct slice s;

    if (!take_prefixed(in, &s) || s.len > TREE_FRAME_PATH_LEN_MAX ||
        (s.len && memchr(s.data, 0, s.len)))
        return -EBADMSG;
    *ret = malloc(s.len + 1);
    if (!*ret)
        return -ENOMEM;
    if (s.len)
        memcpy(*ret, s.data, s.len);
    (*ret)[s.len] = 0;
    return 0;
}

static int take_entry(struct slice *in, struct tree_entry *e, char **path, char **link)
{
    struct slice kind;
    int err;

    if (!take_varint32(in, &e->mode) || !take_varint32(in, &e->uid) ||
        !take_varint32(in, &e->gid) || !take_varint64(in, &e->rdev) || !take_time(in, &e->atime) ||
        !take_time(in, &e->mtime) || !take_bytes(in, 1, &kind) || kind.data[0] > 2)
        return -EBADMSG;
    err = tree_field_take_string(in, path);
    if (!err && kind.data[0])
        err = tree_field_take_string(in, link);
    e->hard_link = kind.data[0] == 2;
    e->path = *path;
    e->link = *link;
    return err ? err : in->len ? -EBADMSG : 0;
}

static int apply_entry(struct tree_put *t, struct slice in)
{
    struct tree_entry e = {.path = NULL};
    char *path = NULL, *link = NULL;
    int err = take_entry(&in, &e, &path, &link);

    if (!err)
        err = tree_put_begin(t, &e);
    free(path);
    free(link);
    return err;
}

static int apply_xattr(struct tree_put *t, struct slice in)
{
    char *name = NULL;
    int err = tree_field_take_string(&in, &name);

    if (!err)
        err = tree_put_xattr(t, name, in.data, in.len);
    free(name);
    return err;
}

static int apply_data(struct tree_put *t, struct slice in)
{
    uint64_t offset;

    if (!take_varint64(&in, &offset) || !in.len || in.len > TREE_FRAME_DATA_LEN_MAX)
        return -EBADMSG;
    return tree_put_data(t, offset, in.data, in.len);
}

static int apply_end(struct tree_put *t, struct slice in)
{
    uint64_t size;

    return take_varint64(&in, &size) && !in.len ? tree_put_end(t, size) : -EBADMSG;
}

static int apply_times(struct tree_put *t, struct slice in)
{
    struct timespec atime, mtime;
    char *path = NULL;
    int err = -EBADMSG;

    if (take_time(&in, &atime) && take_time(&in, &mtime))
        err = tree_field_take_string(&in, &path);
    if (!err)
        err = in.len ? -EBADMSG : tree_put_times(t, path, &atime, &mtime);
    free(path);
    return err;
}

int tree_frame_apply(struct tree_put *t, uint8_t type, struct slice payload)
{
    int err;

    switch (type) {
    case TREE_FRAME_ENTRY:
        err = apply_entry(t, payload);
        break;
    case TREE_FRAME_XATTR:
        err = apply_xattr(t, payload);
        break;
    case TREE_FRAME_DATA:
        err = apply_data(t, payload);
        break;
    case TREE_FRAME_END:
        err = apply_end(t, payload);
        break;
    case TREE_FRAME_DROP:
        err = payload.len ? -EBADMSG : tree_put_drop(t);
        break;
    case TREE_FRAME_TIMES:
        err = apply_times(t, payload);
        break;
    default:
        return -EBADMSG;
    }
    /* Frames out of order. */
    return err == -EINVAL ? -EBADMSG : err;
}
