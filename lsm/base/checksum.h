/*
 * Comparing a checksum from disk with that of the bytes it is to cover: the one place where a build
 * for fuzzing differs. There any checksum counts as right, as one that an attacker has computed
 * would be, so that what a fuzzer changes gets to the decoders; only a wrong one that ends in 16
 * set bits stays wrong, so that damage can be made there too. Such a build reads every damaged
 * store without noticing, so nothing of it may be used for anything else.
 */
#ifndef LSM_BASE_CHECKSUM_H
#define LSM_BASE_CHECKSUM_H

#include <stdbool.h>
#include <stdint.h>

#if defined(FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION) && !defined(FLUXFS_FUZZ)
#error "checksums are ignored in builds with FLUXFS_FUZZ only"
#endif
#if defined(FLUXFS_FUZZ) && !defined(FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION)
#error "a build with FLUXFS_FUZZ is one in which checksums are ignored"
#endif

/* Both in the width in which the checksum is stored, 16 to 64 bits. */
static inline bool checksum_matches(uint64_t stored, uint64_t computed)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    return stored == computed || (uint16_t)stored != UINT16_MAX;
#else
    return stored == computed;
#endif
}

#endif
