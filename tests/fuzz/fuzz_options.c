/*
 * An input is a byte, which says what the rest is: a list of mount options, the value of one, or a
 * size or count as the commands take them.
 */
#include "fuzz/fuzz.h"

#include "fs/fuse/mount_options.h"
#include "fs/fuse/option_value.h"
#include "tools/cli.h"
#include "tools/lsmctl/ctl_args.h"

/* What a mount was made with is told so that it can be parsed, and means the same then. */
static void parse_list(const char *text)
{
    char told[MOUNT_OPTIONS_TEXT_LEN], told_again[MOUNT_OPTIONS_TEXT_LEN];
    struct mount_options o, again, remount;

    mount_options_have_remount(text);
    if (mount_options_parse(text, NULL, &o))
        return;
    mount_options_text(&o, told);
    CHECK(!mount_options_parse(told, NULL, &again));
    mount_options_text(&again, told_again);
    CHECK(strcmp(told, told_again) == 0);
    if (!mount_options_parse(text, &again, &remount))
        mount_options_done(&remount);
    mount_options_done(&again);
    mount_options_done(&o);
}

static void parse_value(const char *text)
{
    uint64_t v;
    uint32_t id;

    option_number(text, &v);
    if (option_size(text, &v))
        CHECK(v <= INT64_MAX);
    if (option_mask(text, &id))
        CHECK(id <= 0777);
    option_user(text, &id);
    option_group(text, &id);
}

static void parse_size(const char *text)
{
    char said[32];
    uint64_t v;

    if (cli_parse_size(text, &v))
        fuzz_read_all(slice_str(cli_size_text(v, said)));
    args_parse_count(text, &v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice in = slice_of(data, len);
    unsigned what = fuzz_byte(&in) % 3;
    char *text = malloc(in.len + 1);

    CHECK(text);
    if (in.len)
        memcpy(text, in.data, in.len);
    text[in.len] = 0;
    if (what == 0)
        parse_list(text);
    else if (what == 1)
        parse_value(text);
    else
        parse_size(text);
    free(text);
    return 0;
}
