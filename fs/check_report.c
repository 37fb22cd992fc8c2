/*
 * How the checker tells what it finds: every problem is counted, the first problem_max are told,
 * with the path where one can be found. Finding a path reads the store, so that it is not done for
 * what is only counted.
 */
#include <stdarg.h>
#include <stdio.h>

#include "fs/check_impl.h"

/* Details of the engine may quote what is on disk. */
static void make_printable(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
    }
}

/* Whether this problem is to be told; counts it in either case. */
static bool count(struct check *c, enum check_kind kind)
{
    c->result->problem_count++;
    c->result->problems[kind]++;
    return c->options->problem &&
           (!c->options->problem_max || c->result->problem_count <= c->options->problem_max);
}

static void tell(struct check *c, enum check_kind kind, uint64_t ino, const char *path,
                 const char *fmt, va_list ap)
{
    char text[1024];

    vsnprintf(text, sizeof(text), fmt, ap);
    make_printable(text);
    c->options->problem(c->options->arg, &(struct check_problem){
                                             .kind = kind,
                                             .ino = ino,
                                             .path = path,
                                             .text = text,
                                         });
}

int check_problem(struct check *c, enum check_kind kind, const char *fmt, ...)
{
    va_list ap;

    if (count(c, kind)) {
        va_start(ap, fmt);
        tell(c, kind, 0, NULL, fmt, ap);
        va_end(ap);
    }
    return 0;
}

int check_inode_problem(struct check *c, enum check_kind kind, uint64_t ino, const char *fmt, ...)
{
    va_list ap;

    if (count(c, kind)) {
        bool found = check_path(c, ino, 0);

        va_start(ap, fmt);
        tell(c, kind, ino, found ? (const char *)c->path.data : NULL, fmt, ap);
        va_end(ap);
    }
    return 0;
}

int check_link_problem(struct check *c, enum check_kind kind, uint64_t ino, uint64_t parent,
                       const char *fmt, ...)
{
    va_list ap;

    if (count(c, kind)) {
        bool found = check_path(c, ino, parent);

        va_start(ap, fmt);
        tell(c, kind, ino, found ? (const char *)c->path.data : NULL, fmt, ap);
        va_end(ap);
    }
    return 0;
}

int check_entry_problem(struct check *c, enum check_kind kind, uint64_t parent, struct slice name,
                        const char *fmt, ...)
{
    bool found;
    va_list ap;

    if (!count(c, kind))
        return 0;
    found = check_path(c, parent, 0);
    if (found) {
        /* The path ends with its NUL; a NUL in an illegal name would end it early, so show it. */
        c->path.len--;
        if (c->path.len > 1 && buf_append(&c->path, "/", 1))
            return -ENOMEM;
        for (size_t i = 0; i < name.len; i++) {
            int err = name.data[i] ? buf_append(&c->path, &name.data[i], 1)
                                   : buf_append(&c->path, "\\x00", 4);

            if (err)
                return err;
        }
        if (buf_append(&c->path, "", 1))
            return -ENOMEM;
    }
    va_start(ap, fmt);
    tell(c, kind, 0, found ? (const char *)c->path.data : NULL, fmt, ap);
    va_end(ap);
    return 0;
}

void check_progress(struct check *c, enum check_phase phase, uint64_t ino)
{
    /* Groups are handed out in order, so the group that is being read tells how far it is. */
    if (c->options->progress)
        c->options->progress(c->options->arg, phase, ino >> 16, c->group_next);
}
