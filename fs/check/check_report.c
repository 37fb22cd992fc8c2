/*
 * How the checker tells what it finds: every problem is counted, the first problem_max are told,
 * with the path where one can be found. Finding a path reads the store, so that it is not done for
 * what is only counted.
 */
#include <stdarg.h>
#include <stdio.h>

#include "fs/check/check_impl.h"

void check_make_printable(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f)
            *text = '?';
    }
}

/* The path ends with its NUL; one in an illegal name would end it early, so it is shown as text. */
static int append_name(struct check *c, struct slice name)
{
    int err = 0;

    c->path.len--;
    if (c->path.len > 1)
        err = buf_append(&c->path, "/", 1);
    for (size_t i = 0; i < name.len && !err; i++)
        err = name.data[i] ? buf_append(&c->path, &name.data[i], 1)
                           : buf_append(&c->path, "\\x00", 4);
    return err ? err : buf_append(&c->path, "", 1);
}

/* The path of what was found, in c->path; NULL when none can be told. */
static const char *path_of(struct check *c, const struct check_finding *f)
{
    struct check_entry entry = {f->ino << 4, f->parent, f->hash};
    bool found;

    if (f->key.len >= KEY_DIRENT_HEAD_LEN && f->key.data[0] == KEY_DIRENT && !f->ino)
        found = check_path(c, f->parent, NULL) &&
                !append_name(c, slice_of(f->key.data + KEY_DIRENT_HEAD_LEN,
                                         f->key.len - KEY_DIRENT_HEAD_LEN));
    else
        found = f->ino && check_path(c, f->ino, f->parent ? &entry : NULL);
    return found ? (const char *)c->path.data : NULL;
}

int check_found(struct check *c, const struct check_finding *finding, const char *fmt, ...)
{
    const struct check_options *o = c->options;
    struct check_problem problem = {
        .kind = finding->kind, .ino = finding->ino, .finding = finding, .check = c};
    uint64_t number = ++c->result->problem_count;
    char text[1024];
    va_list ap;

    c->result->problems[finding->kind]++;
    c->damaged |= finding->kind == CHECK_STORE_DAMAGE || finding->kind == CHECK_UNREADABLE;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    check_make_printable(text);
    problem.text = text;
    if (o->problem && (!o->problem_max || number <= o->problem_max)) {
        problem.path = path_of(c, finding);
        o->problem(o->arg, &problem);
    }
    return o->repair ? o->repair(o->arg, &problem) : 0;
}

void check_progress(struct check *c, enum check_phase phase, uint64_t ino)
{
    /* Groups are handed out in order, so the group that is being read tells how far it is. */
    if (c->options->progress)
        c->options->progress(c->options->arg, phase, ino >> 16, c->group_next);
}
