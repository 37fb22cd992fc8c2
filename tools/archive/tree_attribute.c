/*
 * Names of extended attributes in tar archives. libarchive encodes them when it writes, but does
 * not decode them when it reads.
 */
#include "tools/archive/tree_attribute.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

char *tree_attribute_decode(const char *name)
{
    char *decoded = malloc(strlen(name) + 1), *p = decoded;

    if (!decoded)
        return NULL;
    while (*name) {
        if (name[0] == '%' && isxdigit((unsigned char)name[1]) &&
            isxdigit((unsigned char)name[2])) {
            *p++ = (char)(digit(name[1]) << 4 | digit(name[2]));
            name += 3;
        } else {
            *p++ = *name++;
        }
    }
    *p = 0;
    return decoded;
}
