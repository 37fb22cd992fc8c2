/*
 * Finding the few steps that matter.
 */
#ifndef TESTS_MOUNT_DIFFERENTIAL_DIFF_SHRINK_H
#define TESTS_MOUNT_DIFFERENTIAL_DIFF_SHRINK_H

#include "mount/differential/diff_compare.h"

/* Print the steps; false when the sequence, run alone from empty roots, shows no difference. */
bool sequence_shrink(struct sequence *q);

#endif
