/*
 * The superblock. Format: lsm/FORMAT.md, "Superblock".
 *
 * The file holds the same 4096 bytes twice, so that one bad sector does not cost the identity of
 * the store. Both copies are written at once through env_replace_small: a crash leaves the old file
 * or the new one. A copy is whole if and only if its magic and its checksum are right; the first
 * whole copy counts. Magic, version and the checksum's place will never move, so that any program
 * can tell a newer store from a damaged one.
 */
#include "lsm/version/superblock.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>
#include <xxhash.h>

#include "lsm/base/checksum.h"
#include "lsm/base/codec.h"
#include "lsm/base/err.h"

enum {
    COPY_LEN = 4096,
    COPY_COUNT = 2,
    SB_MAGIC = 0,
    SB_VERSION = 8,
    SB_RESERVED = 12,
    SB_COMPAT = 16,
    SB_RO_COMPAT = 24,
    SB_INCOMPAT = 32,
    SB_UUID = 40,
    SB_CREATED = 56,
    SB_END = 64,
    SB_CHECKSUM = COPY_LEN - 8,
};

_Static_assert(SB_UUID + SUPERBLOCK_UUID_LEN == SB_CREATED, "the uuid fills its field");
_Static_assert(SB_END <= SB_CHECKSUM, "the fields end before the checksum");

static const char file_name[] = "SUPERBLOCK";
static const uint8_t magic[8] = {'F', 'L', 'U', 'X', 'L', 'S', 'M', '1'};

/* What a superblock file holds: LEN bytes, and zeros for what is missing. */
struct sb_file {
    size_t len;
    uint8_t data[COPY_COUNT * COPY_LEN];
};

enum copy_state {
    COPY_WHOLE,
    COPY_NO_MAGIC,
    COPY_CHECKSUM,
};

int superblock_init(struct superblock *ret)
{
    struct superblock sb = {.version = LSM_FORMAT_VERSION};
    struct timespec now;
    ssize_t len;

    do {
        len = getrandom(sb.uuid, sizeof(sb.uuid), 0);
    } while (len < 0 && errno == EINTR);
    if (len != (ssize_t)sizeof(sb.uuid))
        return err_raise(len < 0 ? errno : EIO, "no random bytes for the store's uuid");
    /* The marks of a random uuid, RFC 4122. */
    sb.uuid[6] = (uint8_t)((sb.uuid[6] & 0x0f) | 0x40);
    sb.uuid[8] = (uint8_t)((sb.uuid[8] & 0x3f) | 0x80);
    if (clock_gettime(CLOCK_REALTIME, &now))
        return err_raise(errno, "the clock cannot be read");
    sb.created_ns = (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
    *ret = sb;
    return 0;
}

static void copy_encode(const struct superblock *sb, uint8_t p[COPY_LEN])
{
    memset(p, 0, COPY_LEN);
    memcpy(p + SB_MAGIC, magic, sizeof(magic));
    put_le32(p + SB_VERSION, sb->version);
    put_le64(p + SB_COMPAT, sb->compat);
    put_le64(p + SB_RO_COMPAT, sb->ro_compat);
    put_le64(p + SB_INCOMPAT, sb->incompat);
    memcpy(p + SB_UUID, sb->uuid, SUPERBLOCK_UUID_LEN);
    put_le64(p + SB_CREATED, sb->created_ns);
    put_le64(p + SB_CHECKSUM, XXH3_64bits(p, SB_CHECKSUM));
}

/* Copy I of the file: one that is cut short is damaged, even if only zeros are missing. */
static enum copy_state copy_decode(const struct sb_file *file, unsigned i, struct superblock *ret)
{
    const uint8_t *p = file->data + i * COPY_LEN;

    if (memcmp(p + SB_MAGIC, magic, sizeof(magic)) != 0)
        return COPY_NO_MAGIC;
    if (file->len < (i + 1) * COPY_LEN)
        return COPY_CHECKSUM;
    if (!checksum_matches(get_le64(p + SB_CHECKSUM), XXH3_64bits(p, SB_CHECKSUM)))
        return COPY_CHECKSUM;
    ret->version = get_le32(p + SB_VERSION);
    ret->compat = get_le64(p + SB_COMPAT);
    ret->ro_compat = get_le64(p + SB_RO_COMPAT);
    ret->incompat = get_le64(p + SB_INCOMPAT);
    memcpy(ret->uuid, p + SB_UUID, SUPERBLOCK_UUID_LEN);
    ret->created_ns = get_le64(p + SB_CREATED);
    return COPY_WHOLE;
}

int superblock_write(struct env *env, const struct superblock *sb)
{
    uint8_t file[COPY_COUNT * COPY_LEN];

    for (unsigned i = 0; i < COPY_COUNT; i++)
        copy_encode(sb, file + i * COPY_LEN);
    return env_replace_small(env, file_name, slice_of(file, sizeof(file)));
}

static int read_file(struct env *env, struct sb_file *ret)
{
    struct env_reader *r;
    int err = env_reader_open(env, file_name, &r);

    if (err == -ENOENT)
        return err_raise(ERR_STORE_NOT_ONE, "%s: not a store: it has no file %s", env->path,
                         file_name);
    if (err)
        return err;
    memset(ret, 0, sizeof(*ret));
    err = env_reader_read(r, 0, sizeof(ret->data), ret->data, &ret->len);
    env_reader_close(r);
    return err;
}

/* May this program use a store with that superblock? */
static int judge(const struct env *env, const struct superblock *sb)
{
    uint64_t incompat = sb->incompat & ~(uint64_t)FEATURES_INCOMPAT_KNOWN;
    uint64_t ro_compat = sb->ro_compat & ~(uint64_t)FEATURES_RO_COMPAT_KNOWN;

    if (sb->version == 0 || sb->version > LSM_FORMAT_VERSION)
        return err_raise(ERR_SUPERBLOCK_VERSION,
                         "%s: format version %" PRIu32
                         ", this program knows 1 to %d: use a newer one",
                         file_name, sb->version, LSM_FORMAT_VERSION);
    if (incompat)
        return err_raise(ERR_SUPERBLOCK_FEATURE,
                         "%s: unknown feature bits %#" PRIx64 ": use a newer program", file_name,
                         incompat);
    if (ro_compat && !env->read_only)
        return err_raise(ERR_SUPERBLOCK_FEATURE,
                         "%s: feature bits %#" PRIx64
                         " that this program may only read: open it read-only, or use a newer one",
                         file_name, ro_compat);
    return 0;
}

int superblock_read(struct env *env, struct superblock *ret, unsigned *ret_damaged_copies)
{
    struct sb_file file;
    struct superblock sb;
    enum copy_state first, second;
    int err = read_file(env, &file);

    if (err)
        return err;
    second = copy_decode(&file, 1, &sb);
    first = copy_decode(&file, 0, &sb); /* last, so that the first whole copy counts */
    if (first != COPY_WHOLE && second != COPY_WHOLE) {
        if (first == COPY_NO_MAGIC && second == COPY_NO_MAGIC)
            return err_raise(ERR_SUPERBLOCK_MAGIC, "%s: neither copy has the magic number",
                             file_name);
        return err_raise(ERR_SUPERBLOCK_CHECKSUM, "%s: both copies are damaged", file_name);
    }
    err = judge(env, &sb);
    if (err)
        return err;
    if (ret_damaged_copies)
        *ret_damaged_copies =
            file.len < sizeof(file.data) || memcmp(file.data, file.data + COPY_LEN, COPY_LEN) != 0;
    *ret = sb;
    return 0;
}

static int copy_to_text(const struct superblock *sb, unsigned copy,
                        int (*put)(void *arg, const char *line), void *arg)
{
    const uint8_t *u = sb->uuid;
    char line[256];
    int err;

    snprintf(line, sizeof(line), "copy %u: version %" PRIu32 ", created %" PRIu64 ".%09" PRIu64,
             copy, sb->version, sb->created_ns / 1000000000, sb->created_ns % 1000000000);
    err = put(arg, line);
    if (err)
        return err;
    snprintf(line, sizeof(line),
             "copy %u: uuid %02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             copy, u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
             u[13], u[14], u[15]);
    err = put(arg, line);
    if (err)
        return err;
    snprintf(line, sizeof(line),
             "copy %u: features compat %#" PRIx64 ", ro_compat %#" PRIx64 ", incompat %#" PRIx64,
             copy, sb->compat, sb->ro_compat, sb->incompat);
    return put(arg, line);
}

int superblock_to_text(struct env *env, int (*put)(void *arg, const char *line), void *arg)
{
    struct sb_file file;
    int err = read_file(env, &file);

    for (unsigned i = 0; i < COPY_COUNT && !err; i++) {
        struct superblock sb;
        enum copy_state state = copy_decode(&file, i, &sb);
        char line[64];

        if (state == COPY_WHOLE) {
            err = copy_to_text(&sb, i, put, arg);
            continue;
        }
        snprintf(line, sizeof(line), "copy %u: damaged: %s", i,
                 state == COPY_NO_MAGIC ? "no magic number" : "checksum mismatch");
        err = put(arg, line);
    }
    return err;
}
