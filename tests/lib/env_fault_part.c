/*
 * What a call that fails has done before.
 */
#include <stdio.h>

#include "lib/env_fault_impl.h"
#include "lsm/base/check.h"

enum {
    PART_COUNT_MAX = 300
};

void fault_part_append(struct env_writer *base, const struct slice *parts, unsigned part_count,
                       enum env_fault_way way)
{
    struct slice some[PART_COUNT_MAX];
    uint64_t len = base->len;
    size_t left = 0;

    if (way == ENV_FAULT_BEFORE)
        return;
    CHECK(part_count <= PART_COUNT_MAX);
    for (unsigned i = 0; i < part_count; i++)
        left += parts[i].len;
    if (way == ENV_FAULT_HALF)
        left /= 2;
    for (unsigned i = 0; i < part_count; i++) {
        some[i] = slice_of(parts[i].data, parts[i].len < left ? parts[i].len : left);
        left -= some[i].len;
    }
    if (!env_writer_append(base, some, part_count))
        (void)env_writer_truncate(base, len);
}

void fault_part_create(struct env *base, const char *name, enum env_fault_way way)
{
    struct env_writer *w;

    if (way == ENV_FAULT_LATE && !env_writer_create(base, name, &w))
        (void)env_writer_close(w);
}

void fault_part_replace(struct env *base, const char *name, struct slice contents,
                        enum env_fault_way way)
{
    const struct slice half = slice_of(contents.data, contents.len / 2);
    struct env_writer *w;
    char tmp[256];

    if (way == ENV_FAULT_LATE)
        (void)env_replace_small(base, name, contents);
    snprintf(tmp, sizeof(tmp), "%s.tmp", name);
    if (way != ENV_FAULT_HALF || env_writer_create(base, tmp, &w))
        return;
    (void)env_writer_append(w, &half, 1);
    (void)env_writer_close(w);
}
