/* Settings of our engine by name, for experiments: --lsm-set NAME=VALUE. */
#ifndef KVBENCH_LSM_SETTINGS_H
#define KVBENCH_LSM_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lsm_options;

enum {
    LSM_SETTING_COUNT_MAX = 32,
};

struct lsm_setting {
    unsigned field; /* into the table of names */
    uint64_t value;
};

/* "block_len=16K". False when there is no such name, or the value is no number or size. */
bool lsm_setting_parse(const char *text, struct lsm_setting *ret);
void lsm_settings_apply(const struct lsm_setting *settings, size_t count,
                        struct lsm_options *options);
/* The i-th name; NULL behind the last. */
const char *lsm_setting_name(size_t i);

#endif
