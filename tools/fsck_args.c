/*
 * The command line of fluxfs fsck. It takes what fsck(8), boot scripts and habits pass: the modes
 * of e2fsck, options that mean nothing here, and -C with its descriptor attached or apart.
 */
#include <stdlib.h>
#include <string.h>

#include "lsm/lsm.h"
#include "tools/commands.h"
#include "tools/fsck_run.h"
#include "tools/store_text.h"

static bool is_number(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text) && strlen(text) < 7;
}

/* "-C5", "-C 5", "-C": descriptor 0, and none, mean a bar. A minus asks to be silent at first. */
static bool parse_progress(struct fsck *f, char **argv, int argc)
{
    const char *text = optarg;

    if (!text && optind < argc && is_number(argv[optind]))
        text = argv[optind++];
    if (text && *text == '-' && is_number(text + 1))
        return true;
    if (text && !is_number(text))
        return false;
    f->progress_fd = text ? atoi(text) : 0;
    f->bar = !f->progress_fd;
    return true;
}

static bool set_mode(struct fsck *f, enum fsck_mode mode, bool *modes)
{
    modes[mode] = true;
    f->mode = mode;
    return modes[FSCK_CHECK] + modes[FSCK_SAFE] + modes[FSCK_ALL] <= 1;
}

/* One option; -1, or an exit status. */
static int take_option(struct fsck *f, int c, int argc, char **argv, bool *modes)
{
    uint64_t size;

    switch (c) {
    case 'n':
    case 'p':
    case 'a':
    case 'y':
        if (!set_mode(f, c == 'n' ? FSCK_CHECK : c == 'y' ? FSCK_ALL : FSCK_SAFE, modes))
            return cli_usage_error("only one of -n, -p (or -a) and -y can be given");
        return -1;
    case 'C':
        if (!parse_progress(f, argv, argc))
            return cli_usage_error("-C takes the number of a file descriptor");
        return -1;
    case 'J':
        f->json = true;
        return -1;
    case 'v':
        f->verbose = true;
        return -1;
    case 'P':
        f->path = optarg;
        return -1;
    case 'S':
        if (!parse_block_size(optarg, &f->block_len))
            return cli_usage_error("--block-size takes a power of two from 4K to 1M");
        return -1;
    case 'B':
        f->backup = optarg;
        return -1;
    case 'M':
        if (!cli_parse_size(optarg, &size) || size < FSCK_MEMORY_MIN)
            return cli_usage_error("--memory takes a size such as 512M, at least 16M");
        f->memory_len = (size_t)size;
        return -1;
    case 'V':
        printf("fsck.fluxfs %s\n", lsm_version());
        return FSCK_CLEAN;
    case 'h':
        return cli_help();
    case '?':
    case ':':
        return cli_bad_option(c, argv);
    default: /* f, r, l, T, t: nothing to do */
        return -1;
    }
}

int fsck_args_parse(int argc, char **argv, struct fsck *ret)
{
    static const struct option long_options[] = {{"json", no_argument, NULL, 'J'},
                                                 {"path", required_argument, NULL, 'P'},
                                                 {"backup", required_argument, NULL, 'B'},
                                                 {"memory", required_argument, NULL, 'M'},
                                                 {"block-size", required_argument, NULL, 'S'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {0}};
    struct fsck f = {0};
    bool modes[FSCK_ALL + 1] = {false};
    int c;

    while ((c = getopt_long(argc, argv, ":npayfrC::VvTt:lh", long_options, NULL)) != -1) {
        int status = take_option(&f, c, argc, argv, modes);

        if (status >= 0)
            return status;
    }
    if (argc - optind != 1)
        return cli_usage_error("name one store");
    f.store = argv[optind];
    /* Nobody can answer a question that is not seen. */
    if (f.json && f.mode == FSCK_ASK)
        f.mode = FSCK_CHECK;
    if (f.backup && f.mode == FSCK_CHECK)
        return cli_usage_error("--backup is for a repair; -n changes nothing");
    *ret = f;
    return -1;
}
