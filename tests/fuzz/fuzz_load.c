/*
 * An input is a byte, which says in which form (text, hexadecimal, with NULs), and what `lsmctl
 * load` gets on its standard input. What was loaded is printed and read as `lsmctl scan` prints it.
 */
#include <fcntl.h>
#include <getopt.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "lib/scratch.h"
#include "tools/bytes_text.h"
#include "tools/lsmctl/lsmctl.h"

static char *dir;

static const struct cli_program program = {.name = "fuzz_load", .status_failed = LSMCTL_FAILED};

static void clean_up(void)
{
    scratch_free(dir);
    dir = NULL;
}

/* What is printed is read back as the same bytes. */
static void print_and_read(struct slice s, bool hex)
{
    char *text = bytes_text(s, hex);
    struct buf again = {0};
    const char *why;

    CHECK(text);
    CHECK(!bytes_parse(slice_str(text), hex, &again, &why));
    CHECK(slice_eq(buf_slice(&again), s));
    buf_free(&again);
    free(text);
}

static void load(const char *form, struct slice in)
{
    char *argv[] = {
        (char *)"load", (char *)"--create", (char *)"--quiet", (char *)form, NULL, NULL};
    const char *store = scratch_path(dir, "store");
    FILE *old = stdin;

    argv[4] = (char *)store;
    stdin = fmemopen((void *)in.data, in.len, "r");
    CHECK(stdin);
    optind = 0;
    lsmctl_load.run(5, argv);
    fclose(stdin);
    stdin = old;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const forms[] = {"--cache-bytes=1M", "--hex", "--null"};
    struct slice in = slice_of(data, len);
    unsigned form = fuzz_byte(&in) % 3;
    struct buf b = {0};
    const char *why;

    if (!dir) {
        dir = scratch_new();
        cli_program = &program;
        cli_command = &lsmctl_load;
        cli_name = program.name;
        atexit(clean_up);
    }
    print_and_read(in, form == 1);
    bytes_parse(in, form == 1, &b, &why);
    buf_free(&b);
    if (in.len)
        load(forms[form], in);
    return 0;
}
