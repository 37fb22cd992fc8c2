/*
 * The table of workloads, in the order in which they are run: those that read a store come before
 * those that spoil it.
 */
#include "bench/kvbench/workload.h"

#include <string.h>

static uint64_t all(uint64_t count)
{
    return count;
}

static uint64_t a_tenth(uint64_t count)
{
    return count / 10 + 1;
}

static uint64_t by_multi_get(uint64_t count)
{
    return count / MULTI_GET_COUNT + 1;
}

static uint64_t synced(uint64_t count)
{
    return count < 20000 ? count : 20000;
}

static uint64_t five(uint64_t count)
{
    (void)count;
    return 5;
}

static uint64_t without_end(uint64_t count)
{
    (void)count;
    return UINT64_MAX;
}

static const struct workload workloads[] = {
    {.name = "fillseq",
     .summary = "every key once, in order, into an empty store",
     .store = "sequential",
     .flags = WORKLOAD_FRESH | WORKLOAD_WRITES | WORKLOAD_WHOLE,
     .steps = all,
     .step = step_fill_in_order},
    {.name = "fillrandom",
     .summary = "every key once, in random order, into an empty store",
     .store = "random",
     .flags = WORKLOAD_FRESH | WORKLOAD_WRITES | WORKLOAD_WHOLE,
     .steps = all,
     .step = step_fill_shuffled},
    {.name = "open",
     .summary = "open the filled store, with a log of 1000 writes to replay; 5 times",
     .needs = "fillrandom",
     .store = "random",
     .flags = WORKLOAD_OPENS | WORKLOAD_READS,
     .threads = 1,
     .steps = five,
     .step = step_open},
    {.name = "readcold",
     .summary = "random reads that hit, nothing cached at the start",
     .needs = "fillrandom",
     .store = "random",
     .flags = WORKLOAD_COLD | WORKLOAD_READS,
     .steps = a_tenth,
     .step = step_read},
    {.name = "readrandom",
     .summary = "random reads that hit, after as many to warm up",
     .needs = "fillrandom",
     .store = "random",
     .flags = WORKLOAD_READS,
     .steps = all,
     .prepare = prepare_reads,
     .step = step_read},
    {.name = "readmissing",
     .summary = "reads of keys that lie among those that exist, but do not",
     .needs = "fillrandom",
     .store = "random",
     .flags = WORKLOAD_READS,
     .steps = all,
     .prepare = prepare_reads,
     .step = step_read_missing},
    {.name = "multiget",
     .summary = "32 random keys at once",
     .needs = "fillrandom",
     .store = "random",
     .flags = WORKLOAD_READS,
     .steps = by_multi_get,
     .prepare = prepare_reads,
     .step = step_multi_get},
    {.name = "seekrandom",
     .summary = "a new iterator, a seek, 10 entries",
     .needs = "fillrandom",
     .store = "random",
     .flags = WORKLOAD_READS,
     .steps = a_tenth,
     .prepare = prepare_reads,
     .step = step_seek},
    {.name = "scanforward",
     .summary = "all entries in order; counted and timed by the entry, percentiles by 100",
     .needs = "fillrandom",
     .store = "random",
     .flags = WORKLOAD_READS,
     .threads = 1,
     .steps = without_end,
     .step = step_scan_forward,
     .check = check_scan_of_all},
    {.name = "scanbackward",
     .summary = "all entries from the last to the first; as above",
     .needs = "fillrandom",
     .store = "random",
     .flags = WORKLOAD_READS,
     .threads = 1,
     .steps = without_end,
     .step = step_scan_backward,
     .check = check_scan_of_all},
    {.name = "syncwrite1",
     .summary = "1 thread, random order, every write durable when it returns",
     .store = "synced",
     .flags = WORKLOAD_FRESH,
     .threads = 1,
     .steps = synced,
     .step = step_put_durably},
    {.name = "syncwrite8",
     .summary = "the same with 8 threads",
     .store = "synced",
     .flags = WORKLOAD_FRESH,
     .threads = 8,
     .steps = synced,
     .step = step_put_durably},
    {.name = "overwrite",
     .summary = "as many writes as there are keys, each to a random one",
     .needs = "fillrandom",
     .store = "random",
     .flags = WORKLOAD_WRITES | WORKLOAD_WHOLE,
     .steps = all,
     .step = step_overwrite},
    {.name = "readcompacting",
     .summary = "random reads right after overwriting half as often, while compaction works",
     .needs = "fillrandom",
     .store = "random",
     .steps = all,
     .prepare = prepare_overwrites,
     .step = step_read},
    {.name = "mixed",
     .summary = "4 threads, each half random reads and half overwrites",
     .needs = "fillrandom",
     .store = "random",
     .threads = 4,
     .steps = all,
     .step = step_read_or_write},
    {.name = "patch",
     .summary =
         "4 KiB overwritten inside of values of 64 KiB and more (others: read, modify, write)",
     .needs = "fillrandom",
     .store = "random",
     .flags = WORKLOAD_WRITES,
     .threads = 1,
     .value_len_min = 64 << 10,
     .steps = all,
     .step = step_patch,
     .check = check_patches},
    {.name = "deleterange",
     .summary = "1000 ranges deleted, a quarter of the store (LevelDB: found and deleted by 1000)",
     .needs = "fillrandom",
     .store = "random",
     .threads = 1,
     .steps = delete_range_steps,
     .step = step_delete_range},
    {.name = "scandeleted",
     .summary = "scanforward right after a second quarter was deleted so",
     .needs = "deleterange",
     .store = "random",
     .threads = 1,
     .steps = without_end,
     .prepare = prepare_deletions,
     .step = step_scan_forward,
     .check = check_scan_of_rest},
};

const struct workload *workload_at(size_t i)
{
    return i < sizeof(workloads) / sizeof(workloads[0]) ? &workloads[i] : NULL;
}

const struct workload *workload_find(const char *name)
{
    for (size_t i = 0; workload_at(i); i++) {
        if (!strcmp(workload_at(i)->name, name))
            return workload_at(i);
    }
    return NULL;
}
