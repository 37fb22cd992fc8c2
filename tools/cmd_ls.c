/*
 * fluxfs ls: list a directory of a store without a mount, sorted by name, as ls(1) does. Walking
 * down (-R) keeps the directories still to be listed on a stack of its own, so that the depth of a
 * tree is no limit.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "tools/commands.h"
#include "tools/store_open.h"
#include "tools/store_text.h"

static const char help[] =
    "Usage: fluxfs ls [OPTION...] STORE [PATH]\n"
    "List a directory (the root unless PATH is given) of a store that is not mounted.\n"
    "\n"
    "  -l           one line per entry with mode, links, owner, size and time\n"
    "  -R           directories below, too\n"
    "  -a           names that begin with a dot, too\n"
    "      --json   print the entries as a JSON array\n"
    "  -h, --help   this text\n";

struct entry {
    char *name;
    struct fs_attr attr;
};

/* A directory's entries. All zeros is empty. */
struct listing {
    struct entry *entries;
    size_t count, cap;
};

/* A directory still to be listed. */
struct pending {
    char *path;
    uint64_t ino;
};

struct ls {
    struct fs *fs;
    const char *store;
    bool long_form, recursive, all, json;
    json_t *array; /* of entries; NULL without --json */
    bool printed;  /* something, so that an empty line goes before the next directory */
    struct pending *stack;
    size_t stack_count, stack_cap;
};

static void listing_done(struct listing *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->entries[i].name);
    free(l->entries);
    *l = (struct listing){0};
}

static int listing_add(struct listing *l, const char *name, const struct fs_attr *attr)
{
    if (l->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct entry *entries = reallocarray(l->entries, cap, sizeof(*entries));

        if (!entries)
            return -ENOMEM;
        l->entries = entries;
        l->cap = cap;
    }
    l->entries[l->count].name = strdup(name);
    if (!l->entries[l->count].name)
        return -ENOMEM;
    l->entries[l->count++].attr = *attr;
    return 0;
}

static int on_entry(void *arg, const struct fs_dirent *entry)
{
    return listing_add(arg, entry->name, entry->attr);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static bool is_hidden(const struct ls *ls, const char *name)
{
    return *name == '.' && !ls->all;
}

static bool is_dots(const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..");
}

static char *join_path(const char *dir, const char *name)
{
    char *path;

    return asprintf(&path, "%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", name) < 0 ? NULL
                                                                                            : path;
}

static int push(struct ls *ls, const char *dir, const char *name, uint64_t ino)
{
    if (ls->stack_count == ls->stack_cap) {
        size_t cap = ls->stack_cap ? ls->stack_cap * 2 : 64;
        struct pending *stack = reallocarray(ls->stack, cap, sizeof(*stack));

        if (!stack)
            return -ENOMEM;
        ls->stack = stack;
        ls->stack_cap = cap;
    }
    ls->stack[ls->stack_count].path = name ? join_path(dir, name) : strdup(dir);
    ls->stack[ls->stack_count].ino = ino;
    return ls->stack[ls->stack_count].path ? (ls->stack_count++, 0) : -ENOMEM;
}

/* The target of a symlink, or NULL. */
static const char *target_of(struct ls *ls, const struct fs_attr *attr,
                             char buf[FS_SYMLINK_LEN_MAX + 1])
{
    if (!S_ISLNK(attr->mode) || fs_readlink(ls->fs, attr->ino, buf, FS_SYMLINK_LEN_MAX + 1) < 0)
        return NULL;
    return buf;
}

static void print_long(const struct fs_attr *attr)
{
    char mode[MODE_TEXT_LEN], when[TIME_TEXT_LEN];

    mode_text(attr->mode, mode);
    time_text(&attr->mtime, 0, when);
    printf("%s %3u %5u %5u ", mode, attr->nlink, attr->uid, attr->gid);
    if (S_ISCHR(attr->mode) || S_ISBLK(attr->mode))
        printf("%5u, %5u", major(attr->rdev), minor(attr->rdev));
    else
        printf("%12llu", (unsigned long long)attr->size);
    printf(" %s ", when);
}

static void print_entry(struct ls *ls, const char *name, const struct fs_attr *attr)
{
    char buf[FS_SYMLINK_LEN_MAX + 1];
    const char *target = ls->long_form ? target_of(ls, attr, buf) : NULL;

    if (ls->long_form)
        print_long(attr);
    cli_put_name(stdout, name);
    if (target) {
        fputs(" -> ", stdout);
        cli_put_name(stdout, target);
    }
    putchar('\n');
    ls->printed = true;
}

static double seconds(const struct timespec *t)
{
    return (double)t->tv_sec + (double)t->tv_nsec / 1e9;
}

static int json_entry(struct ls *ls, const char *path, const struct fs_attr *a)
{
    char buf[FS_SYMLINK_LEN_MAX + 1], mode[16];
    const char *target = target_of(ls, a, buf);
    json_t *o;

    snprintf(mode, sizeof(mode), "%04o", a->mode & 07777);
    o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f}", "type",
                  type_text(a->mode), "mode", mode, "inode", (json_int_t)a->ino, "nlink",
                  (json_int_t)a->nlink, "uid", (json_int_t)a->uid, "gid", (json_int_t)a->gid,
                  "size", (json_int_t)a->size, "blocks_512", (json_int_t)a->blocks, "atime",
                  seconds(&a->atime), "mtime", seconds(&a->mtime), "ctime", seconds(&a->ctime),
                  "btime", seconds(&a->btime));
    if (!o || cli_json_name(o, "path", path) || (target && cli_json_name(o, "target", target))) {
        json_decref(o);
        return -ENOMEM;
    }
    return json_array_append_new(ls->array, o) ? -ENOMEM : 0;
}

static int show(struct ls *ls, const char *dir, const struct entry *e)
{
    char *path;
    int err;

    if (!ls->json) {
        print_entry(ls, e->name, &e->attr);
        return 0;
    }
    path = join_path(dir, e->name);
    err = path ? json_entry(ls, path, &e->attr) : -ENOMEM;
    free(path);
    return err;
}

/* Show one directory, and push those in it in reverse, so that they come up in order. */
static int list_dir(struct ls *ls, const char *path, uint64_t ino)
{
    struct listing l = {0};
    unsigned undo;
    int err = fs_readdir(ls->fs, ino, 0, true, on_entry, &l, &undo);

    if (err > 0)
        err = 0;
    if (l.count)
        qsort(l.entries, l.count, sizeof(*l.entries), by_name);
    if (ls->recursive && !ls->json) {
        printf("%s", ls->printed ? "\n" : "");
        cli_put_name(stdout, path);
        printf(":\n");
        ls->printed = true;
    }
    /* JSON has no use for "." and "..". */
    for (size_t i = 0; i < l.count && !err && !ferror(stdout); i++) {
        if (!is_hidden(ls, l.entries[i].name) && !(ls->json && is_dots(l.entries[i].name)))
            err = show(ls, path, &l.entries[i]);
    }
    for (size_t i = l.count; ls->recursive && i-- > 0 && !err;) {
        const struct entry *e = &l.entries[i];

        if (S_ISDIR(e->attr.mode) && !is_dots(e->name) && !is_hidden(ls, e->name))
            err = push(ls, path, e->name, e->attr.ino);
    }
    listing_done(&l);
    return err;
}

/* Directories that cannot be read are told, and the others are listed. */
static int list_all(struct ls *ls)
{
    int status = STATUS_OK;

    while (ls->stack_count) {
        struct pending next = ls->stack[--ls->stack_count];
        int err = ferror(stdout) ? 0 : list_dir(ls, next.path, next.ino);

        if (err)
            status = cli_path_error(ls->store, next.path, err);
        free(next.path);
    }
    free(ls->stack);
    return status;
}

static int list_path(struct ls *ls, const char *path)
{
    struct fs_attr attr;
    int status = store_resolve(ls->fs, ls->store, path, &attr);
    int err;

    if (status)
        return status;
    if (S_ISDIR(attr.mode)) {
        err = push(ls, path, NULL, attr.ino);
    } else if (ls->json) {
        err = json_entry(ls, path, &attr);
    } else {
        print_entry(ls, path, &attr);
        err = 0;
    }
    return err ? cli_path_error(ls->store, path, err) : list_all(ls);
}

static int run_on(struct ls *ls, const char *path)
{
    int status = store_open(ls->store, &ls->fs);

    if (status)
        return status;
    ls->array = ls->json ? json_array() : NULL;
    status = ls->json && !ls->array ? cli_error("out of memory") : list_path(ls, path);
    if (ls->array && !status)
        status = cli_json_print(ls->array);
    else
        json_decref(ls->array);
    fs_close(ls->fs);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"json", no_argument, NULL, 'J'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct ls ls = {0};
    const char *path = "/";
    int c, status;

    while ((c = getopt_long(argc, argv, ":lRah", long_options, NULL)) != -1) {
        if (c == 'h')
            return cli_help();
        if (c == '?' || c == ':')
            return cli_bad_option(c, argv);
        ls.long_form |= c == 'l';
        ls.recursive |= c == 'R';
        ls.all |= c == 'a';
        ls.json |= c == 'J';
    }
    status = cli_place(argc, argv, 1, "one store and at most one path in it", &path);
    if (status)
        return status;
    ls.store = argv[optind];
    return run_on(&ls, path);
}

const struct command command_ls = {
    .name = "ls",
    .summary = "list a directory of a store that is not mounted",
    .help = help,
    .run = run,
    .status_usage = STATUS_USAGE,
    .status_output = STATUS_FAILED,
};
