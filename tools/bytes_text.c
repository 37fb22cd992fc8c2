/*
 * Bytes as text on one line. See bytes_text.h.
 *
 * C1 control characters (U+0080 to U+009F) are escaped as well: terminals obey them.
 */
#include "tools/bytes_text.h"

#include <errno.h>
#include <stdlib.h>

static const char hex_digits[] = "0123456789abcdef";

/* The least code point that a sequence of so many bytes may stand for: no other is its shortest. */
static const uint32_t utf8_least[] = {0, 0, 0x80, 0x800, 0x10000};

size_t utf8_char_len(const uint8_t *p, size_t len)
{
    size_t n;
    uint32_t c;

    if (!len)
        return 0;
    if (*p < 0x80)
        return 1;
    n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
    if (*p < 0xc0 || *p >= 0xf8 || n > len)
        return 0;
    c = *p & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3fu);
    }
    if (c < utf8_least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    return n;
}

static void put_escape(FILE *out, uint8_t byte)
{
    switch (byte) {
    case '\t':
        fputs("\\t", out);
        break;
    case '\n':
        fputs("\\n", out);
        break;
    case '\\':
        fputs("\\\\", out);
        break;
    default:
        fprintf(out, "\\x%02x", byte);
        break;
    }
}

static void put_hex(FILE *out, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        putc(hex_digits[s.data[i] >> 4], out);
        putc(hex_digits[s.data[i] & 15], out);
    }
}

void bytes_put(FILE *out, struct slice s, bool hex)
{
    if (hex) {
        put_hex(out, s);
        return;
    }
    for (size_t i = 0; i < s.len;) {
        const uint8_t *p = s.data + i;
        size_t n = utf8_char_len(p, s.len - i);

        if (n == 1 && *p >= 0x20 && *p != 0x7f && *p != '\\') {
            putc(*p, out);
        } else if (n > 1 && !(n == 2 && p[0] == 0xc2 && p[1] < 0xa0)) {
            fwrite(p, 1, n, out);
        } else {
            n = 1;
            put_escape(out, *p);
        }
        i += n;
    }
}

char *bytes_text(struct slice s, bool hex)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return NULL;
    bytes_put(out, s, hex);
    if (!fclose(out))
        return text;
    free(text);
    return NULL;
}

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte of two digits at p; -1 when they are none. */
static int hex_byte(const uint8_t *p, size_t len)
{
    if (len < 2 || digit_of(p[0]) < 0 || digit_of(p[1]) < 0)
        return -1;
    return digit_of(p[0]) << 4 | digit_of(p[1]);
}

static int parse_hex(struct slice text, struct buf *ret, const char **ret_why)
{
    int err = buf_reserve(ret, text.len / 2);

    for (size_t i = 0; !err && i < text.len; i += 2) {
        int byte = hex_byte(text.data + i, text.len - i);

        if (byte < 0) {
            *ret_why = "it is not an even number of hexadecimal digits";
            return -EINVAL;
        }
        ret->data[ret->len++] = (uint8_t)byte;
    }
    return err;
}

/* One escape at p, behind its backslash: the byte, and how long it is; -1 when it is none. */
static int parse_escape(const uint8_t *p, size_t len, size_t *ret_len)
{
    *ret_len = 1;
    switch (len ? *p : 0) {
    case 't':
        return '\t';
    case 'n':
        return '\n';
    case '\\':
        return '\\';
    case 'x':
        *ret_len = 3;
        return hex_byte(p + 1, len - 1);
    default:
        return -1;
    }
}

int bytes_parse(struct slice text, bool hex, struct buf *ret, const char **ret_why)
{
    size_t i = 0;
    int err;

    if (hex)
        return parse_hex(text, ret, ret_why);
    err = buf_reserve(ret, text.len);
    while (!err && i < text.len) {
        size_t n = 1;
        int byte = text.data[i++];

        if (byte == '\\') {
            byte = parse_escape(text.data + i, text.len - i, &n);
            i += n;
        }
        if (byte < 0) {
            *ret_why = "a backslash must begin one of \\t, \\n, \\\\ and \\xNN";
            return -EINVAL;
        }
        ret->data[ret->len++] = (uint8_t)byte;
    }
    return err;
}
