/*
 * differential run HOST MOUNT SEED PHASE     one phase on both, results and trees compared
 * differential trees HOST MOUNT              the trees compared
 * differential shrink HOST MOUNT SEED PHASE  phases 0 to PHASE from empty roots; few steps
 * differential shared MOUNT SEED JOBS PHASES processes that share one tree: no call may fail as
 * none ever should, and the tree is whole afterwards differential dump DIR                      the
 * tree as text
 *
 * Status: 0 alike, 1 different, 2 the test itself has failed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount/differential/diff_shrink.h"

static int run(char **args)
{
    uint64_t phase = strtoull(args[3], NULL, 10);
    struct sequence q = {
        .seed = strtoull(args[2], NULL, 10),
        .first = phase * PHASE_LEN,
        .end = (phase + 1) * PHASE_LEN,
        .roots = {args[0], args[1]},
        .has_fine_times = has_fine_times(args[0]),
    };
    bool equal;

    known_probe(args[1]);
    sequence_new(&q);
    equal = sequence_run(&q, true) == q.end && trees_equal(q.roots, true);
    sequence_free(&q);
    if (!equal)
        printf("differential: seed %s, phase %s\n", args[2], args[3]);
    return !equal;
}

static int trees(char **args)
{
    return !trees_equal((const char *const[]){args[0], args[1]}, true);
}

static int shrink(char **args)
{
    struct sequence q = {
        .seed = strtoull(args[2], NULL, 10),
        .end = (strtoull(args[3], NULL, 10) + 1) * PHASE_LEN,
        .roots = {args[0], args[1]},
        .has_fine_times = has_fine_times(args[0]),
    };
    bool found;

    known_probe(args[1]);
    sequence_new(&q);
    found = sequence_shrink(&q);
    sequence_free(&q);
    if (!found)
        printf("differential: run alone from empty directories, nothing differs\n");
    return found;
}

/* --- Sharing a tree --- */

struct share {
    uint64_t seed, phases;
};

/* What no call may fail with, whatever others do. */
static bool is_never_right(int err)
{
    switch (err) {
    case EIO:
    case ENOTCONN:
    case ECONNABORTED:
    case EUCLEAN:
    case ENOSYS:
    case EPROTO:
    case EFAULT:
    case ENOMEM:
        return true;
    default:
        return false;
    }
}

static int share_work(struct side *s, void *arg)
{
    const struct share *share = arg;
    static struct result result;
    static struct step st;

    s->is_shared = true;
    for (uint64_t n = 0; n < share->phases * PHASE_LEN; n++) {
        if (n % PHASE_LEN == 0)
            side_close_all(s);
        step_make(share->seed, n, &st);
        side_run(s, &st, &result);
        if (result.ret < 0 && is_never_right(result.err)) {
            printf("%s by ", strerrorname_np(result.err));
            step_print(&st);
            return 1;
        }
    }
    return 0;
}

static int dump_work(struct side *s, void *arg)
{
    (void)s;
    return tree_dump(*(int *)arg, true) ? 1 : 0;
}

static int dump(char **args)
{
    int out = dup(STDOUT_FILENO);

    return !in_root(args[0], true, dump_work, &out);
}

static int shared(char **args)
{
    long jobs = strtol(args[2], NULL, 10);
    int bad = 0, status;

    for (long i = 0; i < jobs; i++) {
        struct share share = {strtoull(args[1], NULL, 10) + (uint64_t)i,
                              strtoull(args[3], NULL, 10)};
        pid_t pid = fork();

        if (pid < 0)
            abort();
        if (pid == 0)
            _exit(!in_root(args[0], true, share_work, &share));
    }
    while (wait(&status) > 0)
        bad += status != 0;
    return bad != 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int count;
        int (*fn)(char **args);
    } commands[] = {
        {"run", 4, run},       {"trees", 2, trees}, {"shrink", 4, shrink},
        {"shared", 4, shared}, {"dump", 1, dump},
    };

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (argc == commands[i].count + 2 && !strcmp(argv[1], commands[i].name))
            return commands[i].fn(argv + 2);
    fprintf(stderr, "differential: see the head of diff_main.c\n");
    return 2;
}
