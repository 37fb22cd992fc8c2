/* The fields of struct lsm_options that may be set by name, with the width of each. */
#include "bench/kvbench/lsm_settings.h"

#include <string.h>

#include "bench/kvbench/config.h"
#include "lsm/lsm.h"

static const struct {
    const char *name;
    size_t offset, width; /* bytes, in struct lsm_options */
} fields[] = {
#define FIELD(name)                                                                                \
    {                                                                                              \
#name, offsetof(struct lsm_options, name), sizeof(((struct lsm_options *)0)->name)         \
    }
    FIELD(cache_bytes),
    FIELD(memtable_len),
    FIELD(memtable_count_max),
    FIELD(block_len),
    FIELD(table_len),
    FIELD(level_base_len),
    FIELD(level_ratio),
    FIELD(l0_compact_count),
    FIELD(filter_bits_per_key),
    FIELD(compress),
    FIELD(blob_len_min),
    FIELD(blob_file_len),
    FIELD(blob_garbage_percent),
    FIELD(worker_count),
    FIELD(pin_workers),
    FIELD(worker_nice),
    FIELD(rate_limit_len),
    FIELD(io_uring),
    FIELD(table_prefix_len),
#undef FIELD
};

enum {
    FIELD_COUNT = sizeof(fields) / sizeof(fields[0])
};

const char *lsm_setting_name(size_t i)
{
    return i < FIELD_COUNT ? fields[i].name : NULL;
}

bool lsm_setting_parse(const char *text, struct lsm_setting *ret)
{
    size_t name_len = strcspn(text, "=");

    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if (strlen(fields[i].name) != name_len || strncmp(fields[i].name, text, name_len))
            continue;
        ret->field = i;
        return text[name_len] == '=' && config_parse_number(text + name_len + 1, &ret->value) &&
               (fields[i].width == 8 || ret->value >> (8 * fields[i].width) == 0) &&
               (fields[i].width > 1 || ret->value <= 1);
    }
    return false;
}

void lsm_settings_apply(const struct lsm_setting *settings, size_t count,
                        struct lsm_options *options)
{
    for (size_t i = 0; i < count; i++) {
        size_t width = fields[settings[i].field].width;
        char *at = (char *)options + fields[settings[i].field].offset;
        uint64_t v64 = settings[i].value;
        uint32_t v32 = (uint32_t)v64;
        bool v1 = v64 != 0;

        memcpy(at, width == 8 ? (void *)&v64 : width == 4 ? (void *)&v32 : (void *)&v1, width);
    }
}
