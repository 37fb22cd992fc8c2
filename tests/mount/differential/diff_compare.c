/*
 * Running a sequence on both sides and comparing what they saw.
 *
 * The sides run at the same time and know nothing of each other. A side that waits for ever is
 * killed, and the step it did not finish is the one that differs.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount/differential/diff_compare.h"

enum {
    SIDE_SECONDS_MAX = 200
};

const char *const side_names[SIDE_COUNT] = {"ext4", "mount"};

bool has_fine_times(const char *root)
{
    enum {
        TRIES = 64
    };
    int fd = open(root, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    struct stat before, after;
    bool fine = fd >= 0;

    for (int i = 0; fine && i < TRIES; i++) {
        fine = fstat(fd, &before) == 0 && pwrite(fd, "x", 1, 0) == 1 && fstat(fd, &after) == 0 &&
               (before.st_mtim.tv_nsec != after.st_mtim.tv_nsec ||
                before.st_mtim.tv_sec != after.st_mtim.tv_sec);
    }
    if (fd >= 0)
        close(fd);
    return fine;
}

void sequence_new(struct sequence *q)
{
    size_t len = (size_t)(q->end - q->first) * sizeof(struct result);

    for (int i = 0; i < SIDE_COUNT; i++) {
        q->results[i] = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (q->results[i] == MAP_FAILED)
            abort();
    }
}

void sequence_free(struct sequence *q)
{
    for (int i = 0; i < SIDE_COUNT; i++)
        munmap(q->results[i], (size_t)(q->end - q->first) * sizeof(struct result));
}

static pid_t start_in_root(const char *root, bool is_mount, int (*work)(struct side *s, void *arg),
                           void *arg)
{
    static struct side side;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid < 0)
        abort();
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    side.is_mount = is_mount;
    alarm(SIDE_SECONDS_MAX);
    side_enter(&side, root);
    pid = work(&side, arg);
    fflush(stdout);
    _exit(pid);
}

static bool has_ended_well(pid_t pid)
{
    int status = 0;

    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool in_root(const char *root, bool is_mount, int (*work)(struct side *s, void *arg), void *arg)
{
    return has_ended_well(start_in_root(root, is_mount, work, arg));
}

static int run_steps(struct side *s, void *arg)
{
    const struct sequence *q = arg;
    struct result *results = q->results[s->is_mount ? MOUNT : HOST];
    static struct step st;

    for (uint64_t n = q->first; n < q->end; n++) {
        if (n % PHASE_LEN == 0)
            side_close_all(s);
        results[n - q->first].is_done = false;
        if (q->skipped && q->skipped[n - q->first])
            continue;
        step_make(q->seed, n, &st);
        side_run(s, &st, &results[n - q->first]);
    }
    return 0;
}

/* --- Comparing --- */

static bool seen_equal(const struct sequence *q, const struct seen *a, const struct seen *b)
{
    return a->err == b->err && a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
           a->nlink == b->nlink && a->size == b->size && a->rdev == b->rdev &&
           a->atime == b->atime && a->mtime == b->mtime &&
           (a->changed == b->changed || !q->has_fine_times);
}

static bool result_equal(const struct sequence *q, const struct result *a, const struct result *b)
{
    bool equal = a->is_done && b->is_done && a->ret == b->ret && a->err == b->err &&
                 a->data == b->data && !a->broken[0] && !b->broken[0];

    for (size_t i = 0; equal && i < SEEN_COUNT; i++)
        equal = seen_equal(q, &a->seen[i], &b->seen[i]);
    return equal;
}

static void time_print(const char *what, int64_t t)
{
    if (t == TIME_NOW)
        printf(" %s=now", what);
    else
        printf(" %s=%" PRId64 " ns", what, t);
}

static void seen_print(const struct seen *seen, const char *what)
{
    if (seen->err) {
        printf("        %s: %s\n", what, strerror(seen->err));
    } else if (seen->mode) {
        printf("        %s: mode=%o %d:%d nlink=%" PRIu64 " size=%" PRIu64 " rdev=%" PRIx64, what,
               seen->mode, (int)seen->uid, (int)seen->gid, seen->nlink, seen->size, seen->rdev);
        time_print("atime", seen->atime);
        time_print("mtime", seen->mtime);
        printf(" changed:%s%s%s%s\n", seen->changed & 1 ? " atime" : "",
               seen->changed & 2 ? " mtime" : "", seen->changed & 4 ? " ctime" : "",
               seen->changed & 8 ? " another object" : "");
    }
}

static void result_print(const struct result *r, const char *side)
{
    static const char *const whats[SEEN_COUNT] = {"object", "its directory", "second object",
                                                  "its directory"};

    if (!r->is_done) {
        printf("    %s: did not finish\n", side);
        return;
    }
    printf("    %s: %" PRId64 " %s data=%016" PRIx64 "\n", side, r->ret,
           r->ret < 0 ? strerrorname_np(r->err) : "", r->data);
    if (r->broken[0])
        printf("        broken: %s\n", r->broken);
    for (size_t i = 0; i < SEEN_COUNT; i++)
        seen_print(&r->seen[i], whats[i]);
}

static void difference_print(const struct sequence *q, uint64_t n)
{
    static struct step st;

    step_make(q->seed, n, &st);
    step_print(&st);
    for (int i = 0; i < SIDE_COUNT; i++)
        result_print(&q->results[i][n - q->first], side_names[i]);
}

uint64_t sequence_run(const struct sequence *q, bool tells)
{
    pid_t pids[SIDE_COUNT];
    bool good[SIDE_COUNT];

    for (int i = 0; i < SIDE_COUNT; i++)
        pids[i] = start_in_root(q->roots[i], i == MOUNT, run_steps, (void *)(uintptr_t)q);
    for (int i = 0; i < SIDE_COUNT; i++)
        good[i] = has_ended_well(pids[i]);
    for (uint64_t n = q->first; n < q->end; n++) {
        uint64_t at = n - q->first;

        if (q->skipped && q->skipped[at])
            continue;
        if (result_equal(q, &q->results[HOST][at], &q->results[MOUNT][at]))
            continue;
        if (tells)
            difference_print(q, n);
        return n;
    }
    if (!good[HOST] || !good[MOUNT]) {
        printf("differential: a process has not ended well\n");
        exit(2);
    }
    return q->end;
}

/* --- Trees --- */

static int dump_work(struct side *s, void *arg)
{
    (void)s;
    return tree_dump(*(int *)arg, true) ? 3 : 0;
}

/* The dump as a stream, and whether the tree is whole in itself. */
static FILE *tree_read(const char *root, bool is_mount, bool *whole)
{
    int fd = memfd_create("tree", MFD_CLOEXEC);
    FILE *f = fdopen(fd, "r");

    if (!f)
        abort();
    *whole = in_root(root, is_mount, dump_work, &fd);
    rewind(f);
    return f;
}

static ssize_t line_read(FILE *f, char **line, size_t *cap)
{
    ssize_t n = getline(line, cap, f);

    if (n < 0 && *line)
        **line = 0;
    return n;
}

static void faults_print(FILE *f, const char *side)
{
    char *line = NULL;
    size_t cap = 0;

    rewind(f);
    while (getline(&line, &cap, f) >= 0)
        if (strncmp(line, "FAULT", 5) == 0)
            printf("    %s: %s", side, line);
    free(line);
}

static bool lines_equal(FILE *const f[SIDE_COUNT], bool tells)
{
    char *lines[SIDE_COUNT] = {0};
    size_t caps[SIDE_COUNT] = {0};
    ssize_t len[SIDE_COUNT];
    bool equal;

    do {
        for (int i = 0; i < SIDE_COUNT; i++)
            len[i] = line_read(f[i], &lines[i], &caps[i]);
        equal = len[HOST] == len[MOUNT] && (len[HOST] < 0 || !strcmp(lines[HOST], lines[MOUNT]));
    } while (equal && len[HOST] >= 0);
    for (int i = 0; i < SIDE_COUNT; i++) {
        if (!equal && tells)
            printf("    %s: %s%s", side_names[i], len[i] < 0 ? "(end)" : lines[i],
                   len[i] < 0 ? "\n" : "");
        free(lines[i]);
    }
    return equal;
}

bool trees_equal(const char *const roots[SIDE_COUNT], bool tells)
{
    FILE *f[SIDE_COUNT];
    bool whole[SIDE_COUNT], equal;

    for (int i = 0; i < SIDE_COUNT; i++)
        f[i] = tree_read(roots[i], i == MOUNT, &whole[i]);
    equal = lines_equal(f, tells);
    for (int i = 0; i < SIDE_COUNT; i++) {
        if (!whole[i] && tells)
            faults_print(f[i], side_names[i]);
        fclose(f[i]);
    }
    return equal && whole[HOST] && whole[MOUNT];
}
