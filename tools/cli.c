/*
 * What all subcommands share. See cli.h.
 */
#include "tools/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/fs.h"
#include "lsm/base/err.h"
#include "tools/mountinfo.h"
#include "tools/store_lock.h"

const struct command *cli_command;
const char *cli_name = "fluxfs";
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
    return STATUS_FAILED;
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

/* The engine's own words, without a path that the message begins with anyhow. */
static const char *reason(const char *store, int err)
{
    const char *text = lsm_detail();
    size_t len = strlen(store);

    if (!*text)
        return lsm_strerror(err);
    if (!strncmp(text, store, len) && !strncmp(text + len, ": ", 2))
        text += len + 2;
    return text;
}

static int locked_error(const char *store)
{
    struct mount_entry mount;
    long pid = store_lock_pid(store);
    char who[64] = "another process";

    if (pid > 0)
        snprintf(who, sizeof(who), "process %ld", pid);
    if (mountinfo_find_store(store, &mount) == 1) {
        cli_error("%s: the store is in use by %s; unmount it first (fluxfs umount %s)", store, who,
                  mount.dir);
        mount_entry_done(&mount);
        return STATUS_FAILED;
    }
    return cli_error("%s: the store is in use by %s; unmount it first (fluxfs umount DIR), or wait "
                     "until that process has ended",
                     store, who);
}

int cli_store_error(const char *store, int err)
{
    switch (-err) {
    case ERR_STORE_LOCKED:
        return locked_error(store);
    case ERR_STORE_MISSING:
        return cli_error("%s: there is no store; make one with: fluxfs mkfs %s", store, store);
    case ERR_STORE_NOT_ONE:
        return cli_error("%s: not a FluxFS store: it has no SUPERBLOCK", store);
    case ERR_STORE_EXISTS:
        return cli_error("%s: there is a store already; it was left as it is", store);
    case ERR_NO_FILE_SYSTEM:
        return cli_error("%s: %s", store, lsm_strerror(err));
    case ENOMEM:
        return cli_error("%s: out of memory", store);
    default:
        break;
    }
    if (lsm_is_damage(err))
        return cli_error("%s: damaged: %s (see all damage with: fluxfs fsck %s)", store,
                         reason(store, err), store);
    return cli_error("%s: %s", store, reason(store, err));
}

int cli_path_error(const char *store, const char *path, int err)
{
    /* What a path can be guilty of has no words of the engine, which may be of an older failure. */
    switch (-err) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
    case ESTALE:
    case ELOOP:
    case EINVAL:
    case ENOMEM:
        return cli_error("%s: %s: %s", store, path, lsm_strerror(err));
    default:
        return cli_error("%s: %s: %s", store, path, reason(store, err));
    }
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

/* Bytes of the UTF-8 character at p; 0 when there is none. jansson is the judge. */
static size_t utf8_len(const char *p)
{
    for (size_t len = 1; len <= 4 && strnlen(p, len) == len; len++) {
        json_t *one = json_stringn(p, len);

        if (one) {
            json_decref(one);
            return len;
        }
    }
    return 0;
}

/* The name with U+FFFD for what is no UTF-8, to be freed. */
static char *replace_bad_utf8(const char *name)
{
    size_t cap = strlen(name) * 3 + 1, len = 0;
    char *text = malloc(cap);

    while (text && *name) {
        size_t n = utf8_len(name);

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
        /* What stdout refused is told by main, once. */
        return no_memory ? cli_error("out of memory") : STATUS_FAILED;
    }
    json_decref(object);
    return STATUS_OK;
}
