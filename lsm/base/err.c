/*
 * The error table, generated from err.def, and the thread's last description.
 */
#include "lsm/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char detail[1024];

static const struct {
    int as_errno;
    const char *text;
} table[] = {
#define X(errno_, name, text) {errno_, text},
#include "lsm/base/err.def"
#undef X
};

int err_raise(int code, const char *fmt, ...)
{
    va_list ap;
    char text[sizeof(detail)];

    /* The arguments may quote the previous detail, so format aside first. */
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    memcpy(detail, text, sizeof(detail));
    return -code;
}

const char *err_detail(void)
{
    return detail;
}

void err_clear(void)
{
    detail[0] = 0;
}

/* The table's index of a private code, or -1 for an errno. */
static int index_of(int err)
{
    int i = -err - ERR_PRIVATE_FIRST - 1;

    return i >= 0 && i < (int)(sizeof(table) / sizeof(table[0])) ? i : -1;
}

int err_to_errno(int err)
{
    int i = index_of(err);

    if (err >= 0)
        return 0;
    return i < 0 ? -err : table[i].as_errno;
}

const char *err_text(int err)
{
    int i = index_of(err);

    if (err >= 0)
        return "success";
    if (i >= 0)
        return table[i].text;
    return strerrordesc_np(-err) ? strerrordesc_np(-err) : "unknown error";
}

int err_is_damage(int err)
{
    int i = index_of(err);

    return i >= 0 && table[i].as_errno == EIO;
}
