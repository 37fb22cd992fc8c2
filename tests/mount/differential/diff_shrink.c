/*
 * Shrinking: the fewest steps that still make the sides differ, found by leaving out ever smaller
 * pieces. Both roots are emptied before each try, and no daemon is restarted in between: a
 * difference that needs that is not found again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mount/differential/diff_shrink.h"

enum {
    SHRINK_SECONDS_MAX = 100
};

/* As new, also its own attributes. */
static void root_renew(const char *root)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        execlp("rm", "rm", "-rf", root, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0 || mkdir(root, 0777) != 0 ||
        chmod(root, 0777) != 0)
        abort();
}

enum {
    IN_TREES = CALL_COUNT,
    NOWHERE
};

/* The call that differs first, IN_TREES when only the trees do, or NOWHERE. */
static unsigned where_differs(struct sequence *q, bool tells, uint64_t *ret_step)
{
    static struct step st;
    uint64_t n;

    for (int i = 0; i < SIDE_COUNT; i++)
        root_renew(q->roots[i]);
    n = sequence_run(q, tells);
    if (ret_step)
        *ret_step = n;
    if (n == q->end)
        return trees_equal(q->roots, tells) ? NOWHERE : IN_TREES;
    step_make(q->seed, n, &st);
    return st.call;
}

/* Leave out what can be, and have the sides still differ in `where`. */
static void pieces_skip(struct sequence *q, bool *skipped, size_t piece, unsigned where,
                        time_t deadline)
{
    size_t count = (size_t)(q->end - q->first);
    bool *kept = malloc(count * sizeof(*kept));

    if (!kept)
        abort();
    for (size_t at = 0; at < count && time(NULL) < deadline; at += piece) {
        size_t len = count - at < piece ? count - at : piece;

        if (!memchr(skipped + at, 0, len))
            continue;
        memcpy(kept, skipped, count * sizeof(*kept));
        memset(skipped + at, 1, len * sizeof(*skipped));
        if (where_differs(q, false, NULL) != where)
            memcpy(skipped, kept, count * sizeof(*kept));
    }
    free(kept);
}

static void steps_print(const struct sequence *q)
{
    static struct step st;

    for (uint64_t n = q->first; n < q->end; n++) {
        if (q->skipped[n - q->first])
            continue;
        step_make(q->seed, n, &st);
        step_print(&st);
    }
}

bool sequence_shrink(struct sequence *q)
{
    size_t count = (size_t)(q->end - q->first);
    time_t deadline = time(NULL) + SHRINK_SECONDS_MAX;
    bool *skipped = calloc(count, sizeof(*skipped));
    uint64_t step;
    unsigned where;

    if (!skipped)
        abort();
    q->skipped = skipped;
    where = where_differs(q, false, &step);
    if (where == NOWHERE) {
        free(skipped);
        return false;
    }
    if (step < q->end) /* what comes behind it does not matter */
        memset(skipped + (step - q->first) + 1, 1, count - (size_t)(step - q->first) - 1);
    for (size_t piece = count / 2; piece > 0; piece /= 2)
        pieces_skip(q, skipped, piece, where, deadline);
    printf("Shrunk to:\n");
    steps_print(q);
    printf("where they differ:\n");
    where_differs(q, true, NULL);
    q->skipped = NULL;
    free(skipped);
    return true;
}
