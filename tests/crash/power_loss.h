/*
 * What a loss of power can leave, at any point of a record (env_record.h).
 *
 * Durable is: what a sync of the file covered, of its bytes and length; a name, or that there is
 * none, once its directory was synced. Everything else is decided piece by piece, each by itself:
 *
 *   - a name stands for what it stood for at the last sync of its directory, or after any later
 *     change of it. So what was created can be missing, what was removed come back, and of a rename
 *     only one half be there;
 *   - so is a directory there or not, with all that is in it;
 *   - a file has the length of its last sync or that after any later change of it, whatever became
 *     of the bytes; where it is longer than those there are zeros;
 *   - each piece (512 or 4096 bytes, at a multiple of that) holds the bytes of the file's last
 *     sync, or those after any later write to it: so writes are lost, kept, torn and put into
 *     another order. With `garble` also others than any that were ever written, in those places
 *     only that were written since: random ones, or those of a file that is gone, at that place, as
 * if its space had been used again.
 *
 * A file is gone when no name stands for it.
 *
 * Which of these are tried: when all combinations are no more than exhaustive_max, all of them.
 * Otherwise the chosen ones (nothing is kept; all is; one thing differs from that; everything that
 * came before a moment is kept and nothing else), at most chosen_max of them, spread evenly; and
 * `samples` by chance.
 */
#ifndef TESTS_CRASH_POWER_LOSS_H
#define TESTS_CRASH_POWER_LOSS_H

#include "crash/env_record.h"

struct power_loss;

/* At point 0. The record must outlive it. */
struct power_loss *power_loss_new(const struct record *record);
void power_loss_free(struct power_loss *p);
size_t power_loss_point(const struct power_loss *p);
/* Go on by one operation. */
void power_loss_step(struct power_loss *p);

struct loss_plan {
    unsigned piece_len; /* 512 or 4096 */
    bool garble;
    uint64_t exhaustive_max;
    uint64_t chosen_max;
    uint64_t samples;
    uint64_t seed;
};

struct loss_count {
    uint64_t points, all_points; /* points; of these, where everything possible was tried */
    uint64_t disks;
};

/*
 * Hand out the disks of this point, with their numbers, until `each` answers non-zero, which is
 * returned. Equal disks may come several times. The image is valid during the call. Counts are
 * added to *count.
 */
int power_loss_each(const struct power_loss *p, const struct loss_plan *plan,
                    int (*each)(void *arg, const struct disk_image *disk, uint64_t number),
                    void *arg, struct loss_count *count);

#endif
