/*
 * lsmctl stats: all figures that the engine has of a store. The counters are of the time that it is
 * open, which here is a moment: those that could only be 0 stay in the JSON, for the sake of what
 * reads it, and in the text.
 */
#include "tools/facts.h"
#include "tools/lsmctl/lsmctl.h"

static const char help[] =
    "Usage: lsmctl stats [OPTION...] STORE\n"
    "Print the figures of a store. It is opened for that, read-only, so what counts since opening\n"
    "counts what this took.\n"
    "\n"
    "      --json               print as JSON\n" LSMCTL_HELP_STORE;

static void add_state(struct facts *f, const struct lsm_stats *s)
{
    facts_add_int(f, "format_version", s->format_version);
    facts_add_int(f, "sequence_number", s->seqno);
    facts_add_int(f, "synced_sequence_number", s->synced_seqno);
    facts_add_levels(f, s);
    facts_add_int(f, "log_bytes", s->wal_len);
    facts_add_int(f, "memtables", s->memtable_count);
    facts_add_int(f, "memtable_bytes", s->memtable_len);
    facts_add_int(f, "blob_files", s->blob_count);
    facts_add_int(f, "blob_bytes", s->blob_len);
    facts_add_int(f, "blob_garbage_bytes", s->blob_garbage_len);
    facts_add_int(f, "snapshots", s->snapshot_count);
    facts_add_int(f, "disk_total_bytes", s->disk_total_len);
    facts_add_int(f, "disk_free_bytes", s->disk_free_len);
}

static void add_counters(struct facts *f, const struct lsm_stats *s)
{
    facts_add_int(f, "writes", s->write_count);
    facts_add_int(f, "write_bytes", s->write_len);
    facts_add_int(f, "log_write_bytes", s->wal_write_len);
    facts_add_int(f, "log_syncs", s->wal_sync_count);
    facts_add_int(f, "flushes", s->flush_count);
    facts_add_int(f, "flush_write_bytes", s->flush_write_len);
    facts_add_int(f, "compactions", s->compact_count);
    facts_add_int(f, "moves", s->move_count);
    facts_add_int(f, "compact_read_bytes", s->compact_read_len);
    facts_add_int(f, "compact_write_bytes", s->compact_write_len);
    facts_add_int(f, "blob_write_bytes", s->blob_write_len);
    facts_add_int(f, "blob_collect_write_bytes", s->blob_collect_write_len);
    facts_add_int(f, "delays", s->delay_count);
    facts_add_int(f, "delay_microseconds", s->delay_us);
    facts_add_int(f, "cache_hits", s->cache_hits);
    facts_add_int(f, "cache_misses", s->cache_misses);
    facts_add_int(f, "cache_bytes", s->cache_len);
}

static void add_running(struct facts *f, const struct lsm_stats *s)
{
    facts_add_int(f, "workers", s->worker_count);
    facts_add(f, "io_uring", json_boolean(s->io_uring));
    facts_add_name(f, "io_uring_text", s->io_uring_text);
    facts_add_int(f, "sticky_error", (uint64_t)lsm_errno(s->sticky_err));
    facts_add_name(f, "sticky_text", s->sticky_text);
}

static int print_stats(const struct args *args, const struct lsm_stats *s)
{
    struct facts f;
    int status;

    facts_init(&f);
    facts_add_name(&f, "store", args->store);
    add_state(&f, s);
    add_counters(&f, s);
    add_running(&f, s);
    status = facts_print(&f, args->json);
    facts_done(&f);
    return status;
}

static int run(int argc, char **argv)
{
    struct lsm_stats stats;
    struct args args;
    struct lsm_db *db;
    int status = args_parse(&args, argc, argv, ARGS_STORE | ARGS_JSON, 0, 0, "one store"), err;

    if (status)
        return status == ARGS_DONE ? STATUS_OK : status;
    status = lsmctl_open_to_read(&args, &db);
    if (status)
        return status;
    err = lsm_stats(db, &stats);
    status = err ? lsmctl_error(args.store, err) : print_stats(&args, &stats);
    return lsmctl_close(&args, db, status);
}

const struct command lsmctl_stats =
    LSMCTL_COMMAND("stats", "print the figures of a store", help, run);
