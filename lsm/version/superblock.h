/*
 * The superblock: identity, format version and feature bits of a store, in the file SUPERBLOCK, two
 * copies. Format: lsm/FORMAT.md, "Superblock". Written once by mkfs-like creation and when feature
 * bits change, always through env_replace_small.
 */
#ifndef LSM_VERSION_SUPERBLOCK_H
#define LSM_VERSION_SUPERBLOCK_H

#include "lsm/env/env.h"

enum {
    LSM_FORMAT_VERSION = 1,
    SUPERBLOCK_UUID_LEN = 16
};

/* Feature bits. compat: an older program may ignore; ro_compat: may only read; incompat: refuse. */
enum {
    /* ro_compat: the manifest names snapshots, which an older program would compact away. */
    FEATURE_NAMED_SNAPSHOTS = 1 << 0,

    /* incompat: values may lie in blob files. */
    FEATURE_BLOBS = 1 << 0,
    /* incompat: an entry may refer to a record that was written for another key. */
    FEATURE_SHARED_BLOBS = 1 << 1,

    FEATURES_COMPAT_KNOWN = 0,
    FEATURES_RO_COMPAT_KNOWN = FEATURE_NAMED_SNAPSHOTS,
    FEATURES_INCOMPAT_KNOWN = FEATURE_BLOBS | FEATURE_SHARED_BLOBS,
};

struct superblock {
    uint32_t version;
    uint64_t compat, ro_compat, incompat;
    uint8_t uuid[SUPERBLOCK_UUID_LEN];
    uint64_t created_ns; /* CLOCK_REALTIME */
};

/* A new one with a random uuid. */
int superblock_init(struct superblock *ret);
int superblock_write(struct env *env, const struct superblock *sb);
/*
 * Read and judge: the first whole copy counts. ERR_STORE_NOT_ONE when the file is missing,
 * ERR_SUPERBLOCK_MAGIC, _CHECKSUM, _VERSION (newer), _FEATURE (an unknown incompat bit, or an
 * unknown ro_compat bit unless env is read-only). *ret_damaged_copies (may be NULL) gets 0 or 1.
 */
int superblock_read(struct env *env, struct superblock *ret, unsigned *ret_damaged_copies);
int superblock_to_text(struct env *env, int (*put)(void *arg, const char *line), void *arg);

#endif
