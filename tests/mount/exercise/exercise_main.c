/*
 * exercise DIR MODEL SEED FIRST END: steps FIRST to END - 1 of the seed on DIR/file0 and DIR/file1.
 *
 * MODEL0 and MODEL1 hold what the two files must hold; both must be missing or empty at the
 * beginning. First the files are compared with them, at the end they are brought up to date. What
 * was stored through maps has been written by then, so that a daemon may be killed.
 *
 * Status: 0 alike; 1 not, with seed and step, and with the steps that touched the first wrong byte.
 */
#include <stdarg.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mount/check.h"
#include "mount/exercise/exercise.h"

enum {
    REPORT_STEPS_MAX = 25
};

static void where(const struct exercise *x)
{
    printf("exercise: seed %llu, step %llu of a run from %llu on:\n", (unsigned long long)x->seed,
           (unsigned long long)x->now, (unsigned long long)x->first);
    if (x->now >= x->first)
        step_print(x->now, &x->steps[x->now - x->first]);
}

void wrong(const struct exercise *x, const char *format, ...)
{
    va_list args;

    where(x);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
    _exit(1);
}

/* Sizes are what truncating changes, at any distance. */
static bool step_touches(const struct step *st, unsigned file, uint64_t offset)
{
    if (st->call == CALL_reopen || st->call == CALL_sync || st->call == CALL_forget_pages)
        return st->file == file;
    if (st->file == file && (st->call == CALL_truncate || st->call == CALL_append))
        return true;
    if (st->file == file && st->offset <= offset && offset < st->offset + st->len)
        return true;
    return false;
}

static void print_history(const struct exercise *x, unsigned file, uint64_t offset)
{
    uint64_t shown[REPORT_STEPS_MAX], count = 0;

    for (uint64_t n = x->now; n > x->first && count < REPORT_STEPS_MAX; n--)
        if (step_touches(&x->steps[n - 1 - x->first], file, offset))
            shown[count++] = n - 1;
    printf("the last steps that touched it:\n");
    while (count > 0) {
        count--;
        step_print(shown[count], &x->steps[shown[count] - x->first]);
    }
}

void compare(const struct exercise *x, unsigned file, uint64_t offset, const uint8_t *found,
             uint64_t len)
{
    const uint8_t *want = x->models[file].bytes + offset;
    uint64_t at = 0, count = 0, last = 0;

    if (memcmp(want, found, len) == 0)
        return;
    while (want[at] == found[at])
        at++;
    for (uint64_t i = at; i < len; i++)
        if (want[i] != found[i]) {
            count++;
            last = i;
        }
    where(x);
    printf("file %u of %llu bytes: byte %llu is %02x, must be %02x; %llu bytes differ, the last at "
           "%llu\n",
           file, (unsigned long long)x->models[file].size, (unsigned long long)(offset + at),
           found[at], want[at], (unsigned long long)count, (unsigned long long)(offset + last));
    print_history(x, file, offset + at);
    fflush(stdout);
    _exit(1);
}

/* A map that reaches behind the end, or an I/O error in a page. */
static void bus_caught(int sig)
{
    static const char text[] = "exercise: SIGBUS\n";

    (void)sig;
    if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0)
        _exit(2);
    _exit(1);
}

static void run(struct exercise *x, uint64_t end)
{
    for (x->now = x->first; x->now < end; x->now++) {
        struct step *st = &x->steps[x->now - x->first];

        step_make(x, x->now, st);
        step_run(x, st);
    }
}

int main(int argc, char **argv)
{
    static struct exercise x;
    static char paths[FILE_COUNT][4096], models[FILE_COUNT][4096];
    uint64_t end;

    if (argc != 6) {
        fprintf(stderr, "exercise: see the head of exercise_main.c\n");
        return 2;
    }
    signal(SIGBUS, bus_caught);
    x.seed = strtoull(argv[3], NULL, 10);
    x.first = x.now = strtoull(argv[4], NULL, 10);
    end = strtoull(argv[5], NULL, 10);
    x.steps = calloc(end - x.first + 1, sizeof(*x.steps));
    CHECK_TRUE(x.steps);
    x.steps[0].call = x.steps[end - x.first].call = CALL_compare;
    for (unsigned i = 0; i < FILE_COUNT; i++) {
        snprintf(paths[i], sizeof(paths[i]), "%s/file%u", argv[1], i);
        snprintf(models[i], sizeof(models[i]), "%s%u", argv[2], i);
        model_load(&x.models[i], models[i]);
        opened_open(&x.files[i], paths[i]);
        compare_all(&x, i, x.seed + x.first);
    }
    run(&x, end);
    x.now = end;
    for (unsigned i = 0; i < FILE_COUNT; i++) {
        compare_all(&x, i, x.seed + end);
        CHECK_OK(msync(x.files[i].map, FILE_LEN_MAX, MS_SYNC));
        opened_close(&x.files[i]);
        model_store(&x.models[i], models[i]);
        free(x.models[i].bytes);
    }
    free(x.steps);
    return 0;
}
