/*
 * Values of mount options. The C library's number parsers are not used: they take signs, blanks and
 * other bases, and a mount option with one of these is a mistake.
 */
#include "fs/fuse/option_value.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

/* Digits of the base; *ret_rest gets what follows. False when there is none, or too many. */
static bool digits(const char *text, unsigned base, uint64_t *ret, const char **ret_rest)
{
    uint64_t v = 0;
    const char *p = text;

    for (; *p >= '0' && (unsigned)(*p - '0') < base; p++) {
        if (v > (UINT64_MAX - base) / base)
            return false;
        v = v * base + (uint64_t)(*p - '0');
    }
    *ret = v;
    *ret_rest = p;
    return p > text;
}

bool option_number(const char *text, uint64_t *ret)
{
    const char *rest;
    uint64_t v;

    if (!digits(text, 10, &v, &rest) || *rest)
        return false;
    *ret = v;
    return true;
}

bool option_size(const char *text, uint64_t *ret)
{
    static const char units[] = "KkMmGgTt";
    unsigned shift = 0;
    const char *rest;
    uint64_t v;

    if (!digits(text, 10, &v, &rest))
        return false;
    if (*rest) {
        const char *unit = strchr(units, *rest);

        if (!unit || rest[1])
            return false;
        shift = (unsigned)((unit - units) / 2 + 1) * 10;
    }
    if (v > (uint64_t)INT64_MAX >> shift)
        return false;
    *ret = v << shift;
    return true;
}

bool option_mask(const char *text, uint32_t *ret)
{
    const char *rest;
    uint64_t v;

    if (!digits(text, 8, &v, &rest) || *rest || v > 0777)
        return false;
    *ret = (uint32_t)v;
    return true;
}

/* 2^32 - 1 means "unchanged" to chown(2) and can own nothing. */
static bool id_number(const char *text, uint32_t *ret)
{
    uint64_t v;

    if (!option_number(text, &v) || v >= UINT32_MAX)
        return false;
    *ret = (uint32_t)v;
    return true;
}

bool option_user(const char *text, uint32_t *ret)
{
    const struct passwd *p;

    if (id_number(text, ret))
        return true;
    p = *text ? getpwnam(text) : NULL;
    if (p)
        *ret = p->pw_uid;
    return p != NULL;
}

bool option_group(const char *text, uint32_t *ret)
{
    const struct group *g;

    if (id_number(text, ret))
        return true;
    g = *text ? getgrnam(text) : NULL;
    if (g)
        *ret = g->gr_gid;
    return g != NULL;
}
