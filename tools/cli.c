/*
 * What all subcommands of all programs share. See cli.h.
 */
#include "tools/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lsm/lsm.h"
#include "tools/bytes_text.h"

const struct cli_program *cli_program;
const struct command *cli_command;
const char *cli_name = "";
bool cli_by_alias;

/* Text that quotes file names or bytes of a store must not steer the terminal that it goes to. */
static void put_message(const char *fmt, va_list ap)
{
    char *text;

    fflush(stdout);
    fprintf(stderr, "%s: ", cli_name);
    if (vasprintf(&text, fmt, ap) >= 0) {
        cli_put_name(stderr, text);
        free(text);
    }
    fputc('\n', stderr);
}

int cli_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    put_message(fmt, ap);
    va_end(ap);
    return cli_program->status_failed;
}

int cli_usage_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    put_message(fmt, ap);
    va_end(ap);
    fprintf(stderr, "Try '%s --help'.\n", cli_name);
    return cli_command ? cli_command->status_usage : STATUS_USAGE;
}

int cli_bad_option(int c, char **argv)
{
    const char *word = argv[optind - 1];

    if (c == ':' && !strncmp(word, "--", 2))
        return cli_usage_error("option %s needs a value", word);
    if (c == ':')
        return cli_usage_error("option -%c needs a value", optopt);
    if (optopt && strncmp(word, "--", 2))
        return cli_usage_error("unknown option -%c", optopt);
    if (optopt)
        return cli_usage_error("option %s takes no value", word);
    return cli_usage_error("unknown option %s", word);
}

int cli_help(void)
{
    fputs(cli_command->help, stdout);
    return STATUS_OK;
}

int cli_place(int argc, char **argv, int count, const char *names, const char **place)
{
    const int words = argc - optind;

    if (words < count || words > count + 1)
        return cli_usage_error("name %s", names);
    if (words > count && *argv[optind + count])
        *place = argv[optind + count];
    return STATUS_OK;
}

const char *cli_reason(const char *store, int err)
{
    const char *text = lsm_detail();
    size_t len = strlen(store);

    if (!*text)
        return lsm_strerror(err);
    if (!strncmp(text, store, len) && !strncmp(text + len, ": ", 2))
        text += len + 2;
    return text;
}

bool cli_parse_size(const char *text, uint64_t *ret)
{
    static const char units[] = "kmgt";
    const char *unit;
    unsigned long long v;
    unsigned shift = 0;
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    v = strtoull(text, &end, 10);
    if (errno)
        return false;
    if (*end) {
        unit = strchr(units, *end | 0x20);
        if (unit) {
            shift = 10 * (unsigned)(unit - units + 1);
            end++;
        }
        if (*end && strcmp(end, "B") && !(unit && !strcmp(end, "iB")))
            return false;
    }
    if (v > UINT64_MAX >> shift)
        return false;
    *ret = (uint64_t)v << shift;
    return true;
}

const char *cli_size_text(uint64_t len, char buf[32])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = (double)len;
    unsigned unit = 0;

    while (v >= 1024 && unit < 6) {
        v /= 1024;
        unit++;
    }
    if (!unit || len % (UINT64_C(1) << (10 * unit)) == 0)
        snprintf(buf, 32, "%.0f %s", v, unit || len != 1 ? units[unit] : "byte");
    else
        snprintf(buf, 32, "%.1f %s", v, units[unit]);
    return buf;
}

void cli_put_name(FILE *out, const char *name)
{
    const unsigned char *p = (const unsigned char *)name;

    if (!isatty(fileno(out))) {
        fputs(name, out);
        return;
    }
    for (; *p; p++) {
        /* U+0080 to U+009F are control characters too. */
        if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
            fprintf(out, "\\x%02x\\x%02x", p[0], p[1]);
            p++;
        } else if (*p < 0x20 || *p == 0x7f) {
            fprintf(out, "\\x%02x", *p);
        } else {
            fputc(*p, out);
        }
    }
}

/* The name with U+FFFD for what is no UTF-8, to be freed. */
static char *replace_bad_utf8(const char *name)
{
    size_t cap = strlen(name) * 3 + 1, len = 0;
    char *text = malloc(cap);

    while (text && *name) {
        size_t n = utf8_char_len((const uint8_t *)name, strlen(name));

        memcpy(text + len, n ? name : "\xef\xbf\xbd", n ? n : 3);
        len += n ? n : 3;
        name += n ? n : 1;
    }
    if (text)
        text[len] = 0;
    return text;
}

static char *hex_of(const char *name)
{
    size_t len = strlen(name);
    char *hex = malloc(2 * len + 1);

    for (size_t i = 0; hex && i < len; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)name[i]);
    if (hex)
        hex[2 * len] = 0;
    return hex;
}

int cli_json_name(json_t *object, const char *key, const char *name)
{
    json_t *whole = json_string(name);
    char key_hex[64];
    char *text, *hex;
    int rc = -1;

    if (whole)
        return json_object_set_new(object, key, whole);
    snprintf(key_hex, sizeof(key_hex), "%s_hex", key);
    text = replace_bad_utf8(name);
    hex = hex_of(name);
    if (text && hex && !json_object_set_new(object, key, json_string(text)))
        rc = json_object_set_new(object, key_hex, json_string(hex));
    free(text);
    free(hex);
    return rc;
}

int cli_json_print(json_t *object)
{
    if (!object || json_dumpf(object, stdout, JSON_INDENT(2)) || putchar('\n') == EOF) {
        bool no_memory = !object;

        json_decref(object);
        /* What stdout refused is told by cli_main, once. */
        return no_memory ? cli_error("out of memory") : cli_program->status_failed;
    }
    json_decref(object);
    return STATUS_OK;
}
