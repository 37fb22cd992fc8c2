/*
 * The checker's first phase: the store below the file system. It needs no store that opens.
 *
 * All files are read and verified. What cannot be read is told as what it means: files by path with
 * the ranges of bytes that are lost. With leave to repair, a damaged store is made whole again, and
 * lost blocks are marked (lost_mark.h), so that no read gives old bytes or zeros in their place.
 */
#ifndef FS_CHECK_STORE_H
#define FS_CHECK_STORE_H

#include "fs/check/fsck.h"

enum check_store_mode {
    CHECK_STORE_LOOK, /* change nothing */
    CHECK_STORE_SAFE, /* repair what loses nothing */
    CHECK_STORE_ALL,  /* repair everything, at the price of what is lost */
};

struct check_store_result {
    bool openable;         /* the store opens: the file system can be checked */
    uint64_t repair_count; /* repairs that the engine made */
    bool damage_left;      /* there is damage that was not repaired */
};

/*
 * Check, and repair, the store at `path`. Problems are told and counted in *ret_found as check_run
 * does it, those that are repaired too; of the options problem, problem_max, block_len, info and
 * progress count. Negative when the check could not be done: the store is in use, no store, memory,
 * the disk is full. A repair that was interrupted is completed by the next one.
 */
int check_store_run(const char *path, enum check_store_mode mode,
                    const struct check_options *options, struct check_result *ret_found,
                    struct check_store_result *ret);

#endif
