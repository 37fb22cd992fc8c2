/*
 * Making the steps: everything about step N follows from the seed and N.
 *
 * Names come from a small set, so that most paths meet something; offsets and lengths crowd around
 * the borders of pages and blocks; users and umask stay for some steps before they change.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "mount/differential/diff.h"
#include "lib/rng.h"

const char *const call_names[CALL_COUNT] = {
#define X(name, weight, uses) #name,
#include "mount/differential/calls.def"
#undef X
};

const unsigned call_uses[CALL_COUNT] = {
#define X(name, weight, uses) uses,
#include "mount/differential/calls.def"
#undef X
};

static const unsigned weights[CALL_COUNT] = {
#define X(name, weight, uses) weight,
#include "mount/differential/calls.def"
#undef X
};

static bool one_in(struct rng *r, unsigned n)
{
    return rng_below(r, n) == 0;
}

static enum call call_pick(struct rng *r)
{
    unsigned total = 0;
    uint64_t at;

    for (size_t i = 0; i < CALL_COUNT; i++)
        total += weights[i];
    at = rng_below(r, total);
    for (size_t i = 0;; i++) {
        if (at < weights[i])
            return (enum call)i;
        at -= weights[i];
    }
}

/* --- Paths --- */

static void name_add(struct rng *r, char *path)
{
    static const char *const odd[] = {".", "..", "\n\x01", "\xc3\xa4 b", "-", "a.b", ".h"};
    size_t len = strlen(path);
    uint64_t kind = rng_below(r, 100);

    if (kind < 93) {
        path[len] = (char)('a' + rng_below(r, 5));
        path[len + 1] = 0;
    } else if (kind < 98) {
        strcat(path, odd[rng_below(r, sizeof(odd) / sizeof(odd[0]))]);
    } else {
        /* The longest name, and one byte more. */
        size_t name_len = kind == 98 ? 255 : 255 + (size_t)rng_below(r, 2);

        memset(path + len, 'n', name_len);
        path[len + name_len] = 0;
    }
}

static void path_make(struct rng *r, bool may_be_absolute, char *path)
{
    static const unsigned char depths[] = {1, 1, 1, 2, 2, 2, 2, 3, 3, 3};
    unsigned depth = depths[rng_below(r, sizeof(depths))];

    path[0] = 0;
    if (one_in(r, 150))
        return;
    if (may_be_absolute && one_in(r, 20))
        strcat(path, "/");
    for (unsigned i = 0; i < depth; i++) {
        if (i)
            strcat(path, "/");
        name_add(r, path);
    }
    if (one_in(r, 30))
        strcat(path, "/");
}

/* --- Numbers --- */

static uint64_t near_multiple(struct rng *r, uint64_t unit, uint64_t count)
{
    uint64_t at = unit * rng_below(r, count);
    uint64_t off = rng_below(r, 7);

    if (off < 3)
        return at + off;
    return at >= 2 && off < 5 ? at - (off - 2) : at;
}

static uint64_t offset_make(struct rng *r)
{
    uint64_t kind = rng_below(r, 100);

    if (kind < 35)
        return rng_below(r, 20000);
    if (kind < 55)
        return near_multiple(r, 4096, 40);
    if (kind < 75)
        return near_multiple(r, 65536, 8);
    if (kind < 97)
        return rng_below(r, 400000);
    return rng_next(r) >> (22 + rng_below(r, 20)); /* below 4 TiB, most far below */
}

static uint64_t len_make(struct rng *r)
{
    uint64_t kind = rng_below(r, 100);

    if (kind < 3)
        return 0;
    if (kind < 35)
        return 1 + rng_below(r, 100);
    if (kind < 70)
        return 1 + rng_below(r, 9000);
    if (kind < 85)
        return near_multiple(r, 4096, 20);
    if (kind < 92)
        return near_multiple(r, 65536, 4);
    return rng_below(r, DATA_LEN_MAX);
}

static uint32_t mode_make(struct rng *r)
{
    static const uint16_t usual[] = {0777, 0755, 0700, 0644, 0666, 0600};

    if (rng_below(r, 10) < 7)
        return usual[rng_below(r, sizeof(usual) / sizeof(usual[0]))];
    return (uint32_t)rng_below(r, 07777 + 1);
}

static uint32_t id_make(struct rng *r)
{
    static const uint32_t ids[] = {0, 1001, 1002, 2001, 2002, 4294967294U, UINT32_MAX};

    return ids[rng_below(r, sizeof(ids) / sizeof(ids[0]))];
}

/* --- Flags, by call --- */

static int open_flags(struct rng *r)
{
    static const int ways[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR};
    static const struct {
        int flag;
        unsigned one_in;
    } more[] = {
        {O_CREAT, 2},     {O_EXCL, 10},      {O_TRUNC, 8},   {O_APPEND, 6},
        {O_NOFOLLOW, 15}, {O_DIRECTORY, 12}, {O_PATH, 25},   {O_SYNC, 40},
        {O_NOATIME, 40},  {O_TMPFILE, 40},   {O_DIRECT, 25}, {O_DSYNC, 40},
    };
    int flags = ways[rng_below(r, 5)];

    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
        if (one_in(r, more[i].one_in))
            flags |= more[i].flag;
    /* Whether O_DIRECT needs an aligned end of the file is each file system's own. */
    if (flags & O_APPEND)
        flags &= ~O_DIRECT;
    return flags;
}

static int fallocate_mode(struct rng *r)
{
    static const int modes[] = {
        0,
        0,
        FALLOC_FL_KEEP_SIZE,
        FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
        FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
        FALLOC_FL_ZERO_RANGE,
        FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
        FALLOC_FL_PUNCH_HOLE,
    };

    return modes[rng_below(r, sizeof(modes) / sizeof(modes[0]))];
}

static int flags_make(struct rng *r, enum call call)
{
    switch (call) {
    case CALL_open:
        return open_flags(r);
    case CALL_fallocate:
        return fallocate_mode(r);
    case CALL_lseek: {
        static const int whences[] = {SEEK_SET, SEEK_CUR, SEEK_END};
        return whences[rng_below(r, 3)];
    }
    case CALL_rename: {
        static const int flags[] = {0, 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE};
        return flags[rng_below(r, 7)];
    }
    case CALL_setxattr:
    case CALL_fsetxattr: {
        static const int flags[] = {0, 0, 0, XATTR_CREATE, XATTR_REPLACE};
        return flags[rng_below(r, 5)];
    }
    case CALL_link:
        return one_in(r, 3) ? AT_SYMLINK_FOLLOW : 0;
    case CALL_access:
        return (int)rng_below(r, 8);
    default: /* a bit for each choice that a call makes */
        return (int)rng_below(r, 256);
    }
}

void step_make(uint64_t seed, uint64_t number, struct step *ret)
{
    static const mode_t umasks[] = {0, 0, 022, 077};
    struct rng r = {seed * UINT64_C(0x2545f4914f6cdd1d) + number};
    struct rng slow = {seed * UINT64_C(0x2545f4914f6cdd1d) + (number / 16) + (UINT64_C(1) << 60)};
    struct step st = {.number = number, .base = NO_SLOT};

    rng_next(&r);
    st.user = rng_below(&slow, 2) ? 0 : (unsigned)rng_below(&slow, USER_COUNT);
    st.umask = umasks[rng_below(&slow, 4)];
    st.call = call_pick(&r);
    if (one_in(&r, 6) && !(call_uses[st.call] & USES_CWD))
        st.base = (int)rng_below(&r, SLOT_COUNT);
    st.slot = (int)rng_below(&r, SLOT_COUNT);
    st.slot2 = (int)rng_below(&r, SLOT_COUNT);
    st.flags = flags_make(&r, st.call);
    st.mode = mode_make(&r);
    st.uid = id_make(&r);
    st.gid = id_make(&r);
    /* Who may ask for no change depends on setgid, which they do not agree on (diff_known.c). */
    if (st.uid == UINT32_MAX && st.gid == UINT32_MAX)
        st.gid = side_users[1].gid;
    st.offset = offset_make(&r);
    st.len = len_make(&r);
    st.looks_before = one_in(&r, 2);
    st.seed = rng_next(&r);
    path_make(&r, st.base == NO_SLOT, st.path);
    path_make(&r, st.base == NO_SLOT, st.path2);
    *ret = st;
}

static void path_print(const char *what, const char *path)
{
    printf(" %s=\"", what);
    for (const char *p = path; *p; p++) {
        size_t run = strspn(p, "n");

        if (run > 20) {
            printf("n*%zu", run);
            p += run - 1;
        } else if ((unsigned char)*p < ' ' || (unsigned char)*p > '~') {
            printf("\\x%02x", (unsigned char)*p);
        } else {
            putchar(*p);
        }
    }
    putchar('"');
}

void step_print(const struct step *st)
{
    unsigned uses = call_uses[st->call];

    printf("%llu: %s uid=%u umask=%03o", (unsigned long long)st->number, call_names[st->call],
           (unsigned)side_users[st->user].uid, (unsigned)st->umask);
    if (st->base != NO_SLOT && uses & (USES_PATH | USES_PATH2))
        printf(" base=%d", st->base);
    if (uses & USES_SLOT)
        printf(" slot=%d", st->slot);
    if (uses & USES_SLOT2)
        printf(" slot2=%d", st->slot2);
    if (uses & USES_PATH)
        path_print("path", st->path);
    if (uses & USES_PATH2 || st->call == CALL_symlink)
        path_print("path2", st->path2);
    printf(" flags=%#x mode=%#o uid=%d gid=%d offset=%llu len=%llu%s\n", (unsigned)st->flags,
           (unsigned)st->mode, (int)st->uid, (int)st->gid, (unsigned long long)st->offset,
           (unsigned long long)st->len, st->looks_before ? " (looked before)" : "");
}

void data_fill(uint64_t seed, uint8_t *buf, size_t len)
{
    struct rng r = {seed};
    size_t i = 0;

    if (seed % 8 == 0) { /* zeros that were written are contents like any other */
        memset(buf, 0, len);
        return;
    }
    while (i < len) {
        uint64_t v = rng_next(&r);
        size_t run = seed % 8 < 4 ? 1 + (v >> 8) % 64 : 1;

        for (; run > 0 && i < len; run--)
            buf[i++] = (uint8_t)v;
    }
}
