/*
 * lsmctl snapshot: named snapshots. A command of commands: its first word says which.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bytes_text.h"
#include "tools/lsmctl/lsmctl.h"
#include "tools/time_text.h"

static const char help[] =
    "Usage: lsmctl snapshot create [OPTION...] STORE NAME\n"
    "       lsmctl snapshot remove [OPTION...] STORE NAME\n"
    "       lsmctl snapshot list [OPTION...] STORE\n"
    "Make, remove or list named snapshots. get and scan look into one with --snapshot NAME.\n"
    "What a snapshot shows keeps its place on disk until it is removed, and compacted away.\n"
    "\n"
    "      --hex                names are hexadecimal digits\n"
    "      --json               list prints a JSON array\n" LSMCTL_HELP_STORE "\n"
    "Exit status: 1 when there is no such snapshot.\n";

typedef int change_fn(struct lsm_db *db, const void *name, size_t name_len);

static int change(const struct args *args, change_fn *one)
{
    struct buf name = {0};
    struct lsm_db *db;
    int status, err;

    if (args->word_count != 1)
        return cli_usage_error("name a store and a snapshot");
    status = lsmctl_parse(args, "name", args->words[0], &name);
    if (!status)
        status = lsmctl_open_to_write(args, &db);
    if (!status) {
        err = one(db, name.data, name.len);
        if (err == -ENOENT)
            status = lsmctl_not_found(args->store, "there is no such snapshot");
        else if (err == -EEXIST)
            status = cli_error("%s: there is a snapshot of that name already", args->store);
        else if (err)
            status = lsmctl_error(args->store, err);
        status = lsmctl_close(args, db, status);
    }
    buf_free(&name);
    return status;
}

struct listing {
    const struct args *args;
    json_t *array; /* NULL without --json */
};

static int add_json(const struct listing *l, const struct lsm_snapshot_info *info, const char *when)
{
    char *name = bytes_text(slice_of(info->name, info->name_len), l->args->hex);
    json_t *o = NULL;

    if (name)
        o = json_pack("{s:s, s:I, s:I, s:s}", "name", name, "sequence_number",
                      (json_int_t)info->seqno, "time_ns", (json_int_t)info->time_ns, "time", when);
    free(name);
    return o && !json_array_append_new(l->array, o) ? 0 : -ENOMEM;
}

static int print_one(void *arg, const struct lsm_snapshot_info *info)
{
    const struct listing *l = arg;
    char when[TIME_TEXT_LEN];

    time_ns_text(info->time_ns, when);
    if (l->array)
        return add_json(l, info, when);
    bytes_put(stdout, slice_of(info->name, info->name_len), l->args->hex);
    printf("\t%llu\t%s\n", (unsigned long long)info->seqno, when);
    return ferror(stdout);
}

static int list(const struct args *args)
{
    struct listing l = {.args = args, .array = args->json ? json_array() : NULL};
    struct lsm_db *db;
    int status, err;

    if (args->word_count)
        return cli_usage_error("name one store");
    if (args->json && !l.array)
        return cli_error("out of memory");
    status = lsmctl_open_to_read(args, &db);
    if (!status) {
        err = lsm_snapshot_list(db, print_one, &l);
        /* A positive answer is print_one's. */
        if (err < 0)
            status = lsmctl_error(args->store, err);
        status = lsmctl_close(args, db, status);
    }
    if (!status && l.array)
        status = cli_json_print(json_incref(l.array));
    json_decref(l.array);
    return status;
}

static int run(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    struct args args;
    /* An option may stand where the word should be: --help does. */
    int skip = *word && *word != '-';
    int status = args_parse(&args, argc - skip, argv + skip, ARGS_STORE | ARGS_HEX | ARGS_JSON, 0,
                            1, "create, remove or list, a store, and a snapshot");

    if (status)
        return status == ARGS_DONE ? STATUS_OK : status;
    if (!strcmp(word, "create"))
        return change(&args, lsm_snapshot_create);
    if (!strcmp(word, "remove"))
        return change(&args, lsm_snapshot_remove);
    if (!strcmp(word, "list"))
        return list(&args);
    return cli_usage_error("\"%s\" is none of create, remove and list", word);
}

const struct command lsmctl_snapshot =
    LSMCTL_COMMAND("snapshot", "make, remove or list named snapshots", help, run);
