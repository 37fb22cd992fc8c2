/* --help, like a manual page. */
#include <stdio.h>

#include "bench/kvbench/config.h"
#include "bench/kvbench/engine.h"
#include "bench/kvbench/workload.h"

static const char top[] =
    "NAME\n"
    "    kvbench - the same work on liblsm, RocksDB and LevelDB, measured side by side\n"
    "\n"
    "SYNOPSIS\n"
    "    kvbench [OPTION...]\n"
    "\n"
    "DESCRIPTION\n"
    "    Runs each workload on each engine in turn, every one in a process of its own, and prints\n"
    "    what they did in a second and the ratio of ours to the better of the others. Keys have "
    "24\n"
    "    bytes; LZ4 halves the values. Every engine gets 64 MiB of memtable, 512 MiB of cache,\n"
    "    filters of 10 bits a key, and compression. The answers of every read are checked.\n"
    "\n"
    "OPTIONS\n"
    "    --engines LIST      of those below; default all that are built in\n"
    "    --workloads LIST    of those below; default all. What one needs is run before it, "
    "unshown.\n"
    "    --value-len LIST    lengths of values in bytes, such as 100,4K,64K; default 100\n"
    "    --count N           keys; default 1000000, but at most 1 GiB of values\n"
    "    --threads N         of the workloads that have no number of their own; default 1\n"
    "    --rounds N          how often; medians are shown; default 1. The engines' order changes\n"
    "                        from round to round.\n"
    "    --seconds S         a run that is no fill or overwrite ends after so long; default 20\n"
    "    --calm S            background work has settled after so long without any; default 0.3\n"
    "    --timeout S         a run that takes longer has failed; default 1800\n"
    "    --seed N            of all that is random; default 1\n"
    "    --dir DIR           where a scratch directory is made, on the disk to be measured; "
    "default\n"
    "                        $TMPDIR or /var/tmp\n"
    "    --keep              leave the stores there\n"
    "    --json FILE         write all figures of all runs\n"
    "    --plot FILE.png     draw the ratios (needs gnuplot)\n"
    "    --lsm-set NAME=N    an option of ours other than it is; a list, or several times\n"
    "    -h, --help          this text\n";

static const char bottom[] =
    "\n"
    "FIGURES\n"
    "    ops/s               of the foreground: what the caller saw\n"
    "    settled             seconds from then until the background work stood still\n"
    "    written             bytes sent to the disk's cache, up to then (write_bytes of\n"
    "                        /proc/self/io), by bytes of keys and values that the caller wrote\n"
    "    memory              the most that the process had resident, mapped files included\n"
    "    processor           time of all threads, up to then\n"
    "    space               of the store when it was closed\n"
    "    goal                a ratio of operations, at least; or of bytes and memory, at most\n"
    "\n"
    "EXIT STATUS\n"
    "    0   every run worked, fast or slow\n"
    "    1   a run failed: an engine gave an error or a wrong answer\n"
    "    2   wrong usage\n";

void help_print(void)
{
    fputs(top, stdout);
    printf("\nENGINES\n");
    for (size_t i = 0; engine_at(i); i++)
        printf("    %-19s %s; %s\n", engine_at(i)->name, engine_at(i)->version(),
               engine_at(i)->settings);
    printf("\nWORKLOADS\n");
    for (size_t i = 0; workload_at(i); i++)
        printf("    %-19s %s\n", workload_at(i)->name, workload_at(i)->summary);
    printf("\nNAMES FOR --lsm-set (see lsm.h)\n");
    for (size_t i = 0; lsm_setting_name(i); i++)
        printf("    %s\n", lsm_setting_name(i));
    fputs(bottom, stdout);
}
