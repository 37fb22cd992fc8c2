/*
 * What fsck prints for programs: one JSON object.
 */
#include "tools/fsck_run.h"

void fsck_json_problem(struct fsck *f, const struct check_problem *problem)
{
    json_t *o =
        json_pack("{s:s, s:s}", "kind", check_kind_name(problem->kind), "text", problem->text);
    int rc = o ? 0 : -1;

    if (!rc && problem->ino)
        rc = json_object_set_new(o, "inode", json_integer((json_int_t)problem->ino));
    if (!rc && problem->path)
        rc = cli_json_name(o, "path", problem->path);
    if (!rc && problem->has_bytes)
        rc = json_object_set_new(o, "first_byte", json_integer((json_int_t)problem->first_byte)) ||
             json_object_set_new(o, "last_byte", json_integer((json_int_t)problem->last_byte));
    if (rc) {
        json_decref(o);
        f->no_memory = true;
    } else if (json_array_append_new(f->problems, o)) {
        f->no_memory = true;
    }
}

/* Of the problem that was told last. */
void fsck_json_outcome(struct fsck *f, enum repair_outcome outcome, const char *text)
{
    static const char *const words[] = {
        [REPAIR_DONE] = "repaired", [REPAIR_DECLINED] = "left", [REPAIR_FAILED] = "failed"};
    size_t count = json_array_size(f->problems);
    json_t *o = count ? json_array_get(f->problems, count - 1) : NULL;

    /* A problem that was only counted has no object. */
    if (!o || json_object_get(o, "outcome"))
        return;
    if (json_object_set_new(o, "outcome", json_string(words[outcome])) ||
        json_object_set_new(o, "action", json_string(text)))
        f->no_memory = true;
}

static json_t *kinds_json(const uint64_t kinds[CHECK_KIND_COUNT])
{
    json_t *o = json_object();
    int rc = o ? 0 : -1;

    for (int i = 0; i < CHECK_KIND_COUNT && !rc; i++) {
        if (kinds[i])
            rc = json_object_set_new(o, check_kind_name((enum check_kind)i),
                                     json_integer((json_int_t)kinds[i]));
    }
    if (!rc)
        return o;
    json_decref(o);
    return NULL;
}

static json_t *counts_json(const struct repair_result *result)
{
    const struct check_result *r = &result->last;

    return json_pack(
        "{s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "problem_kinds",
        kinds_json(r->problems), "repaired_kinds", kinds_json(result->repaired), "inodes",
        (json_int_t)r->inode_count, "directories", (json_int_t)r->directory_count, "files",
        (json_int_t)r->file_count, "symlinks", (json_int_t)r->symlink_count, "special_files",
        (json_int_t)r->special_count, "names", (json_int_t)r->name_count, "blocks",
        (json_int_t)r->block_count, "block_bytes", (json_int_t)r->block_len, "xattrs",
        (json_int_t)r->xattr_count, "orphans", (json_int_t)r->orphan_count);
}

int fsck_json_print(struct fsck *f, const struct repair_result *r, int status)
{
    bool clean = !r->last.problem_count && !r->gave_up;
    json_t *counts = f->no_memory ? NULL : counts_json(r);
    json_t *o = NULL;

    if (counts)
        o = json_pack("{s:b, s:I, s:I, s:I, s:i, s:i, s:o, s:O}", "clean", clean, "problem_count",
                      (json_int_t)r->last.problem_count, "found_count", (json_int_t)r->found_count,
                      "repaired_count", (json_int_t)r->repaired_count, "rounds",
                      (int)r->round_count, "status", status, "counts", counts, "problems",
                      f->problems);
    if (o && (cli_json_name(o, "store", f->store) ||
              (f->path && cli_json_name(o, "subtree", f->path)))) {
        json_decref(o);
        o = NULL;
    }
    return cli_json_print(o) ? FSCK_ERROR : status;
}
