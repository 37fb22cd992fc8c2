/*
 * For tests whose tables are files in a directory of the host.
 */
#ifndef TESTS_UNIT_TABLE_DIRECTORY_H
#define TESTS_UNIT_TABLE_DIRECTORY_H

#include "table_fixture.h"

static const struct sst_builder_options usual = {.block_len = 4096,
                                                 .partition_len = 8192,
                                                 .restart_interval = 16,
                                                 .filter_bits_per_key = 10,
                                                 .compress = true};

static char *dir;
static struct env *env;

static inline int set_up(void **state)
{
    (void)state;
    dir = scratch_new();
    return env_posix_open(dir, ENV_CREATE, &env);
}

static inline int tear_down(void **state)
{
    (void)state;
    env_close(env);
    scratch_free(dir);
    return 0;
}

#endif
