/*
 * Instead of libFuzzer: runs the target with every file that is named, and with every file of the
 * directories that are named. A target that finds something wrong does not return. Having run
 * nothing is a failure.
 */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"

static unsigned run_count;

static void run_file(const char *path)
{
    struct buf b = {0};
    FILE *in = fopen(path, "rb");
    uint8_t *data;
    size_t got;

    CHECK(in);
    do {
        CHECK(!buf_reserve(&b, 4096));
        got = fread(b.data + b.len, 1, 4096, in);
        b.len += got;
    } while (got);
    CHECK(!ferror(in));
    fclose(in);
    /* Told before it is run, so that the last line names who crashed. */
    printf("%s\n", path);
    fflush(stdout);
    data = fuzz_copy(buf_slice(&b));
    LLVMFuzzerTestOneInput(data, b.len);
    free(data);
    buf_free(&b);
    run_count++;
}

static void run_dir(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);

    CHECK(count >= 0);
    for (int i = 0; i < count; i++) {
        char file[4096];

        snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            run_file(file);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat st;

        CHECK(!stat(argv[i], &st));
        if (S_ISDIR(st.st_mode))
            run_dir(argv[i]);
        else
            run_file(argv[i]);
    }
    printf("%u inputs\n", run_count);
    return run_count ? 0 : 1;
}
