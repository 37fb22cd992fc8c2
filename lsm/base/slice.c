/*
 * Growing buffers: capacity doubles, so that appending costs amortised constant time.
 */
#include "lsm/base/slice.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int buf_reserve(struct buf *b, size_t more)
{
    size_t need = b->len + more, cap = b->cap ? b->cap : 64;
    uint8_t *data;

    if (need < more)
        return -ENOMEM;
    if (need <= b->cap)
        return 0;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    data = realloc(b->data, cap);
    if (!data)
        return -ENOMEM;
    b->data = data;
    b->cap = cap;
    return 0;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
    int err = buf_reserve(b, len);

    if (err)
        return err;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    return 0;
}

int buf_assign(struct buf *b, const void *data, size_t len)
{
    size_t old_len = b->len;
    int err;

    b->len = 0;
    err = buf_append(b, data, len);
    if (err)
        b->len = old_len;
    return err;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int len, err;

    va_start(ap, fmt);
    len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (len < 0)
        return -EINVAL;
    err = buf_reserve(b, (size_t)len + 1);
    if (err)
        return err;
    va_start(ap, fmt);
    vsnprintf((char *)b->data + b->len, (size_t)len + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)len;
    return 0;
}

int buf_append_escaped(struct buf *b, struct slice s)
{
    int err = 0;

    for (size_t i = 0; i < s.len && !err; i++) {
        if (s.data[i] >= 0x20 && s.data[i] < 0x7f && s.data[i] != '\\')
            err = buf_append(b, &s.data[i], 1);
        else
            err = buf_printf(b, "\\x%02x", (unsigned)s.data[i]);
    }
    return err;
}

void buf_free(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}
