/*
 * lsmctl repair: make a damaged store openable again. A repair that is interrupted can be run
 * again.
 */
#include "tools/facts.h"
#include "tools/lsmctl/lsmctl.h"

static const char help[] =
    "Usage: lsmctl repair [OPTION...] STORE\n"
    "Make a store that refuses to open for damage openable again, losing only what is damaged.\n"
    "Values longer than --value-bytes-max are deleted, so give it only for a store that was made\n"
    "to harm. What cannot be read is moved into the directory \"lost\" in the store. A line is "
    "printed for\n"
    "all that is found and done. Make a copy of the store first, if there is room for one.\n"
    "\n"
    "      --dry-run            change nothing, print what would be done\n"
    "      --json               print it as JSON\n" LSMCTL_HELP_STORE_OF(
        "1G") "\n"
              "Exit status: 0 nothing is damaged any more, 4 with --dry-run when something is, 3 "
              "when it\n"
              "could not be repaired.\n";

struct repair {
    struct facts facts;
    json_t *findings; /* an array; facts owns it */
    bool json;
};

static int on_finding(void *arg, const char *file, const char *text)
{
    struct repair *r = arg;
    json_t *o;

    if (r->json) {
        o = json_pack("{s:s, s:s}", "file", file, "text", text);
        if (!o || json_array_append_new(r->findings, o))
            r->facts.failed = true;
        return 0;
    }
    if (*file) {
        cli_put_name(stdout, file);
        fputs(": ", stdout);
    }
    cli_put_name(stdout, text);
    putchar('\n');
    return 0;
}

static int report(struct repair *r, const struct args *args, int count)
{
    int status = STATUS_OK;

    if (r->json) {
        facts_add(&r->facts, "count", json_integer(count));
        facts_add(&r->facts, "dry_run", json_boolean(args->dry_run));
        status = facts_print(&r->facts, true);
    } else {
        cli_put_name(stdout, args->store);
        if (!count)
            printf(": nothing is to be repaired\n");
        else
            printf(": %d %s %s repaired\n", count, count == 1 ? "thing" : "things",
                   args->dry_run ? "would be"
                   : count == 1  ? "was"
                                 : "were");
    }
    return !status && count && args->dry_run ? LSMCTL_DAMAGED : status;
}

static int run(int argc, char **argv)
{
    struct args args;
    struct repair r = {0};
    int status =
            args_parse(&args, argc, argv, ARGS_STORE | ARGS_LONG_VALUES | ARGS_DRY_RUN | ARGS_JSON,
                       0, 0, "one store"),
        rc;

    if (status)
        return status == ARGS_DONE ? STATUS_OK : status;
    r.json = args.json;
    facts_init(&r.facts);
    facts_add_name(&r.facts, "store", args.store);
    r.findings = json_array();
    facts_add(&r.facts, "findings", r.findings);
    rc = lsm_repair(args.store, &args.options, args.dry_run, on_finding, &r);
    status = rc < 0 ? lsmctl_error(args.store, rc) : report(&r, &args, rc);
    facts_done(&r.facts);
    return status;
}

const struct command lsmctl_repair =
    LSMCTL_COMMAND("repair", "make a damaged store openable again", help, run);
