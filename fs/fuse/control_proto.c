/*
 * Frames of the control socket as bytes. The format is in control_proto.h.
 */
#include "fs/fuse/control_proto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lsm/base/codec.h"

static int frame_put(struct buf *b, enum control_frame_type type, const struct buf *payload)
{
    uint8_t head[TREE_FRAME_HEAD_LEN];
    int err = buf_reserve(b, sizeof(head) + payload->len);

    if (err)
        return err;
    put_le32(head, (uint32_t)payload->len);
    head[4] = (uint8_t)type;
    err = buf_append(b, head, sizeof(head));
    if (!err && payload->len)
        err = buf_append(b, payload->data, payload->len);
    return err;
}

int control_put_empty(struct buf *b, enum control_frame_type type)
{
    const struct buf nothing = {NULL, 0, 0};

    return frame_put(b, type, &nothing);
}

int control_put_hello(struct buf *b, const struct control_hello *h)
{
    struct buf p = {NULL, 0, 0};
    int err = buf_put_varint64(&p, CONTROL_VERSION);

    if (!err)
        err = buf_put_varint64(&p, h->flags);
    if (!err)
        err = buf_put_varint64(&p, h->uid);
    if (!err)
        err = buf_put_varint64(&p, h->gid);
    if (!err)
        err = tree_field_string(&p, h->dir);
    if (!err)
        err = frame_put(b, CONTROL_HELLO, &p);
    buf_free(&p);
    return err;
}

int control_put_refused(struct buf *b, int err_code, const char *path, const char *text)
{
    struct buf p = {NULL, 0, 0};
    int err = buf_put_varint64(&p, (uint64_t)err_code);

    if (!err)
        err = tree_field_string(&p, path);
    if (!err)
        err = tree_field_string(&p, text);
    if (!err)
        err = frame_put(b, CONTROL_REFUSED, &p);
    buf_free(&p);
    return err;
}

int control_put_end(struct buf *b, const struct control_end *e)
{
    const struct tree_put_stats *s = &e->stats;
    const uint64_t numbers[] = {s->files,  s->dirs,     s->symlinks, s->hard_links,
                                s->others, s->data_len, s->refused};
    struct buf p = {NULL, 0, 0};
    int err = buf_put_varint64(&p, (uint64_t)e->err);

    if (!err)
        err = tree_field_string(&p, e->text);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && !err; i++)
        err = buf_put_varint64(&p, numbers[i]);
    if (!err)
        err = frame_put(b, CONTROL_END, &p);
    buf_free(&p);
    return err;
}

int control_take_hello(struct slice in, struct control_hello *ret)
{
    struct control_hello h = {.dir = NULL};
    uint64_t version;
    int err;

    if (!take_varint64(&in, &version) || version != CONTROL_VERSION ||
        !take_varint32(&in, &h.flags) || h.flags & ~(uint32_t)CONTROL_KEEP_OLD ||
        !take_varint32(&in, &h.uid) || !take_varint32(&in, &h.gid))
        return -EBADMSG;
    err = tree_field_take_string(&in, &h.dir);
    if (!err && in.len)
        err = -EBADMSG;
    if (err)
        free(h.dir);
    else
        *ret = h;
    return err;
}

int control_take_refused(struct slice in, int *ret_err, char **ret_path, char **ret_text)
{
    char *path = NULL, *text = NULL;
    uint32_t code;
    int err = -EBADMSG;

    if (take_varint32(&in, &code) && code < 4096)
        err = tree_field_take_string(&in, &path);
    if (!err)
        err = tree_field_take_string(&in, &text);
    if (!err && in.len)
        err = -EBADMSG;
    if (err) {
        free(path);
        free(text);
        return err;
    }
    *ret_err = (int)code;
    *ret_path = path;
    *ret_text = text;
    return 0;
}

int control_take_end(struct slice in, struct control_end *ret)
{
    struct control_end e;
    struct tree_put_stats *s = &e.stats;
    uint64_t *const numbers[] = {&s->files,  &s->dirs,     &s->symlinks, &s->hard_links,
                                 &s->others, &s->data_len, &s->refused};
    char *text = NULL;
    uint32_t code;
    int err = -EBADMSG;

    if (take_varint32(&in, &code) && code < 4096)
        err = tree_field_take_string(&in, &text);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && !err; i++)
        err = take_varint64(&in, numbers[i]) ? 0 : -EBADMSG;
    if (!err && in.len)
        err = -EBADMSG;
    if (!err) {
        e.err = (int)code;
        snprintf(e.text, sizeof(e.text), "%s", text);
        *ret = e;
    }
    free(text);
    return err;
}
