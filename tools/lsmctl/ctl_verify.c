/*
 * lsmctl verify: read everything and say what is damaged. A store that does not even open is damage
 * that was found, too.
 */
#include "tools/facts.h"
#include "tools/lsmctl/lsmctl.h"
#include "tools/progress.h"

static const char help[] =
    "Usage: lsmctl verify [OPTION...] STORE\n"
    "Read everything that the store has on disk, compare it with its checksums, and print a line\n"
    "for each damage. Nothing is changed.\n"
    "\n"
    "      --json               print the findings as JSON\n" LSMCTL_HELP_STORE "\n"
    "Exit status: 0 nothing is damaged, 4 something is, 3 it could not be found out.\n";

struct verify {
    struct facts facts;
    json_t *damages; /* an array; facts owns it */
    bool json;
    struct progress progress;
};

static int on_damage(void *arg, const char *file, uint64_t offset, const char *text)
{
    struct verify *v = arg;
    json_t *o;

    if (v->json) {
        o = json_pack("{s:s, s:I, s:s}", "file", file, "offset", (json_int_t)offset, "text", text);
        if (!o || json_array_append_new(v->damages, o))
            v->facts.failed = true;
        return 0;
    }
    progress_clear(&v->progress);
    cli_put_name(stdout, file);
    printf(": offset %llu: ", (unsigned long long)offset);
    cli_put_name(stdout, text);
    putchar('\n');
    return 0;
}

static void on_progress(void *arg, uint64_t done_len, uint64_t total_len)
{
    struct verify *v = arg;

    progress_show(&v->progress, "verify", done_len, total_len);
}

static int report(struct verify *v, const struct args *args, int damage_count)
{
    int status = STATUS_OK;

    progress_clear(&v->progress);
    if (v->json) {
        facts_add(&v->facts, "damage_count", json_integer(damage_count));
        status = facts_print(&v->facts, true);
    } else if (!damage_count) {
        cli_put_name(stdout, args->store);
        printf(": nothing is damaged\n");
    }
    if (status || !damage_count)
        return status;
    cli_error("%s: %d %s found; see what can be done with: lsmctl repair --dry-run %s", args->store,
              damage_count, damage_count == 1 ? "damage was" : "damages were", args->store);
    return LSMCTL_DAMAGED;
}

static int verify(struct verify *v, const struct args *args)
{
    struct lsm_options options = args->options;
    struct lsm_db *db;
    int rc, status;

    options.read_only = true;
    rc = lsm_open(args->store, &options, &db);
    if (rc && !lsm_is_damage(rc))
        return lsmctl_error(args->store, rc);
    if (rc) {
        on_damage(v, "", 0, cli_reason(args->store, rc));
        return report(v, args, 1);
    }
    rc = lsm_verify(db, on_damage, on_progress, v);
    progress_clear(&v->progress);
    status = rc < 0 ? lsmctl_error(args->store, rc) : report(v, args, rc);
    return lsmctl_close(args, db, status);
}

static int run(int argc, char **argv)
{
    struct args args;
    struct verify v = {0};
    int status = args_parse(&args, argc, argv, ARGS_STORE | ARGS_JSON, 0, 0, "one store");

    if (status)
        return status == ARGS_DONE ? STATUS_OK : status;
    v.json = args.json;
    progress_init(&v.progress, true);
    facts_init(&v.facts);
    facts_add_name(&v.facts, "store", args.store);
    v.damages = json_array();
    facts_add(&v.facts, "damages", v.damages);
    status = verify(&v, &args);
    facts_done(&v.facts);
    return status;
}

const struct command lsmctl_verify =
    LSMCTL_COMMAND("verify", "read everything and name what is damaged", help, run);
