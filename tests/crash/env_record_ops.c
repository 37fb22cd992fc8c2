/*
 * The recording environment's calls. Nothing ever fails but for what the caller did wrong, and
 * after env_record_kill: failing calls are tested with lib/env_fault.h.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "crash/env_record_impl.h"
#include "lsm/base/check.h"
#include "lsm/base/err.h"

enum {
    SLOW_TRIES = 50 /* times that a slow sync gives way */
};

#define DISK_LEN (UINT64_C(64) << 30)

struct memory_writer {
    struct env_writer head;
    struct memory_file *file;
    uint64_t reserved;
};

static struct env_record *owner_of(struct env *env)
{
    return record_env_of(env)->owner;
}

static char *copy_name(const char *name)
{
    char *copy = strdup(name);

    CHECK(copy);
    return copy;
}

/* Whether changes still come through. */
static int refuse_locked(struct env_record *r) REQUIRES(r->mu)
{
    return r->killed ? err_raise(EIO, "the process has ended") : 0;
}

/* The file, emptied, with a name. */
static struct memory_file *create_locked(struct env_record *r, uint32_t dir, const char *name)
    REQUIRES(r->mu)
{
    struct memory_name *there = memory_find_locked(r, dir, name);
    struct memory_file *f = there ? there->file : memory_file_new_locked(r);

    if (there) {
        f->refs++;
        memory_set_len_locked(r, f, 0);
    } else {
        memory_bind_locked(r, dir, name, f);
    }
    return f;
}

/* Let others work, until one has changed something, if one will. */
static void give_way_locked(struct env_record *r) REQUIRES(r->mu)
{
    size_t point = r->record.count;

    for (unsigned i = 0; i < SLOW_TRIES && (r->flags & ENV_RECORD_SLOW); i++) {
        mutex_unlock(&r->mu);
        sched_yield();
        mutex_lock(&r->mu);
        if (r->record.count != point)
            return;
    }
}

/* It begins now, and ends when it is recorded. */
static void sync_locked(struct env_record *r, const struct memory_file *f) REQUIRES(r->mu)
{
    size_t covers = r->record.count;

    give_way_locked(r);
    record_add_locked(
        r, &(struct record_op){.kind = RECORD_SYNC, .file = f->number, .covers = covers});
}

static void sync_dir_locked(struct env_record *r, uint32_t dir) REQUIRES(r->mu)
{
    size_t covers = r->record.count;

    give_way_locked(r);
    record_add_locked(r,
                      &(struct record_op){.kind = RECORD_SYNC_DIR, .dir = dir, .covers = covers});
}

static bool is_held_locked(struct env_record *r, const char *name) REQUIRES(r->mu)
{
    size_t len = strlen(name), end_len = r->held ? strlen(r->held) : 0;

    return r->held && len >= end_len && strcmp(name + len - end_len, r->held) == 0;
}

static int writer_create(struct env *env, const char *name, struct env_writer **ret)
{
    struct env_record *r = owner_of(env);
    struct memory_writer *w = calloc(1, sizeof(*w));
    int err;

    CHECK(w);
    mutex_lock(&r->mu);
    while (is_held_locked(r, name))
        cond_wait(&r->held_cond, &r->mu);
    err = refuse_locked(r);
    if (!err)
        w->file = create_locked(r, record_env_of(env)->dir, name);
    mutex_unlock(&r->mu);
    if (err) {
        free(w);
        return err;
    }
    w->head.env = env;
    w->head.name = copy_name(name);
    *ret = &w->head;
    return 0;
}

static int writer_append(struct env_writer *head, const struct slice *parts, unsigned part_count)
{
    struct memory_writer *w = (struct memory_writer *)head;
    struct env_record *r = owner_of(head->env);

    int err;

    mutex_lock(&r->mu);
    err = refuse_locked(r);
    if (!err)
        memory_write_locked(r, w->file, head->len, parts, part_count);
    mutex_unlock(&r->mu);
    for (unsigned i = 0; i < part_count && !err; i++)
        head->len += parts[i].len;
    return err;
}

static int writer_sync(struct env_writer *head)
{
    struct env_record *r = owner_of(head->env);
    int err;

    mutex_lock(&r->mu);
    err = refuse_locked(r);
    if (!err)
        sync_locked(r, ((struct memory_writer *)head)->file);
    mutex_unlock(&r->mu);
    return err;
}

static int writer_reserve(struct env_writer *head, uint64_t len)
{
    struct memory_writer *w = (struct memory_writer *)head;
    struct env_record *r = owner_of(head->env);

    int err;

    if (!(r->flags & ENV_RECORD_RESERVES) || len <= head->len || len <= w->reserved)
        return 0;
    mutex_lock(&r->mu);
    err = refuse_locked(r);
    if (!err)
        memory_set_len_locked(r, w->file, len);
    mutex_unlock(&r->mu);
    if (!err)
        w->reserved = len;
    return err;
}

static void writer_zero(struct env_writer *head, uint64_t len)
{
    struct memory_writer *w = (struct memory_writer *)head;
    struct env_record *r = owner_of(head->env);

    if (len > w->reserved || len <= head->len)
        return;
    mutex_lock(&r->mu);
    if (!r->killed)
        memory_zero_locked(r, w->file, head->len, len - head->len);
    mutex_unlock(&r->mu);
}

static int writer_truncate(struct env_writer *head, uint64_t len)
{
    struct memory_writer *w = (struct memory_writer *)head;
    struct env_record *r = owner_of(head->env);

    int err;

    if (len > head->len)
        return err_raise(EINVAL, "%s: cannot cut beyond its end", head->name);
    mutex_lock(&r->mu);
    err = refuse_locked(r);
    if (!err)
        memory_set_len_locked(r, w->file, len);
    mutex_unlock(&r->mu);
    if (err)
        return err;
    head->len = len;
    w->reserved = 0;
    return 0;
}

static int writer_close(struct env_writer *head)
{
    struct memory_writer *w = (struct memory_writer *)head;
    struct env_record *r = owner_of(head->env);

    mutex_lock(&r->mu);
    if (w->reserved > head->len && !r->killed)
        memory_set_len_locked(r, w->file, head->len);
    memory_file_unref_locked(w->file);
    mutex_unlock(&r->mu);
    free(head->name);
    free(w);
    return 0;
}

/* --- For memory_handles.c --- */

static void *open_locked(struct env *env, const char *name) NO_TSA
{
    struct memory_name *n = memory_find_locked(owner_of(env), record_env_of(env)->dir, name);

    if (!n)
        return NULL;
    n->file->refs++;
    return n->file;
}

static void close_locked(struct env *env, void *file)
{
    (void)env;
    memory_file_unref_locked(file);
}

static uint64_t len_locked(const void *file)
{
    return ((const struct memory_file *)file)->len;
}

static size_t read_locked(const void *file, uint64_t offset, size_t len, void *buf)
{
    return memory_read_locked(file, offset, len, buf);
}

static const char *nth_name_locked(struct env *env, size_t n) NO_TSA
{
    const struct memory_dir *dir = &owner_of(env)->dirs[record_env_of(env)->dir];

    return n < dir->count ? dir->names[n].name : NULL;
}

const struct memory_calls env_record_calls = {
    open_locked, close_locked, len_locked, read_locked, nth_name_locked,
};

/* --- Names --- */

static int remove_file(struct env *env, const char *name)
{
    struct env_record *r = owner_of(env);
    uint32_t dir = record_env_of(env)->dir;
    int err;

    mutex_lock(&r->mu);
    err = refuse_locked(r);
    if (!err && !memory_find_locked(r, dir, name))
        err = -ENOENT;
    if (!err)
        memory_bind_locked(r, dir, name, NULL);
    mutex_unlock(&r->mu);
    return err;
}

/* One operation for both names. */
static void rename_locked(struct env_record *r, uint32_t dir, const char *from, const char *to)
    REQUIRES(r->mu)
{
    struct memory_file *f = memory_find_locked(r, dir, from)->file;
    size_t count = r->record.count;
    struct record_op *op;

    f->refs++;
    memory_bind_locked(r, dir, to, f);
    memory_bind_locked(r, dir, from, NULL);
    memory_file_unref_locked(f);
    /* What binding has recorded becomes the rename. */
    op = &r->record.ops[count];
    free(op[1].name);
    op->kind = RECORD_RENAME;
    op->to = op->name;
    op->name = copy_name(from);
    r->record.count = count + 1;
}

static int replace_small(struct env *env, const char *name, struct slice bytes)
{
    struct env_record *r = owner_of(env);
    uint32_t dir = record_env_of(env)->dir;
    struct memory_file *f;
    char tmp[256];
    int err;

    snprintf(tmp, sizeof(tmp), "%s.tmp", name);
    mutex_lock(&r->mu);
    err = refuse_locked(r);
    if (!err) {
        if (memory_find_locked(r, dir, tmp))
            memory_bind_locked(r, dir, tmp, NULL);
        f = create_locked(r, dir, tmp);
        memory_write_locked(r, f, 0, &bytes, 1);
        sync_locked(r, f);
        memory_file_unref_locked(f);
        rename_locked(r, dir, tmp, name);
        sync_dir_locked(r, dir);
    }
    mutex_unlock(&r->mu);
    return err;
}

static int sync_file(struct env *env, const char *name)
{
    struct env_record *r = owner_of(env);
    struct memory_name *n;
    int err;

    mutex_lock(&r->mu);
    err = refuse_locked(r);
    n = memory_find_locked(r, record_env_of(env)->dir, name);
    if (!err && n)
        sync_locked(r, n->file);
    mutex_unlock(&r->mu);
    return err || n ? err : -ENOENT;
}

static int sync_dir(struct env *env)
{
    struct env_record *r = owner_of(env);
    int err;

    mutex_lock(&r->mu);
    err = refuse_locked(r);
    if (!err)
        sync_dir_locked(r, record_env_of(env)->dir);
    mutex_unlock(&r->mu);
    return err;
}

static int space(struct env *env, uint64_t *ret_total, uint64_t *ret_free)
{
    uint64_t used = env_record_used(owner_of(env));

    *ret_total = DISK_LEN;
    *ret_free = DISK_LEN - used;
    return 0;
}

/* Made and opened as the host's is: its name is durable at once. */
static int branch(struct env *env, const char *path, struct env **ret)
{
    struct env_record *r = owner_of(env);
    uint32_t dir;
    int err;

    mutex_lock(&r->mu);
    err = memory_make_dir_locked(r, DISK_DIR_TOP, path, &dir);
    if (!err)
        sync_dir_locked(r, DISK_DIR_TOP);
    mutex_unlock(&r->mu);
    if (err)
        return err_raise(-err, "%s: there is something already", path);
    *ret = &r->envs[dir].head.env;
    return 0;
}

static int link_out(struct env *env, const char *name, struct env *to)
{
    struct env_record *r = owner_of(env);
    struct memory_name *n;
    int err = 0;

    mutex_lock(&r->mu);
    n = memory_find_locked(r, record_env_of(env)->dir, name);
    if (!n)
        err = -ENOENT;
    else if (memory_find_locked(r, record_env_of(to)->dir, name))
        err = -EEXIST;
    else
        memory_bind_locked(r, record_env_of(to)->dir, name, n->file);
    mutex_unlock(&r->mu);
    return err ? err_raise(-err, "%s: cannot be linked", name) : 0;
}

static void discard(struct env *env)
{
    struct env_record *r = owner_of(env);
    struct memory_dir *dir = &r->dirs[record_env_of(env)->dir];

    mutex_lock(&r->mu);
    while (dir->count) {
        char *name = copy_name(dir->names[0].name);

        memory_bind_locked(r, record_env_of(env)->dir, name, NULL);
        free(name);
    }
    mutex_unlock(&r->mu);
}

/* As the host's: a second name in the directory `lost`, which is synced, and then this one. */
static int keep_aside(struct env *env, const char *name)
{
    struct env_record *r = owner_of(env);
    struct memory_name *n, *other = NULL;
    uint32_t dir = record_env_of(env)->dir, lost = 0;
    char as[256];

    mutex_lock(&r->mu);
    n = memory_find_locked(r, dir, name);
    if (!n) {
        mutex_unlock(&r->mu);
        return -ENOENT;
    }
    if (memory_make_dir_locked(r, dir, "store/lost", &lost))
        while (strcmp(r->record.dirs[lost].path, "store/lost") != 0)
            lost++;
    snprintf(as, sizeof(as), "%s", name);
    for (unsigned i = 1; (other = memory_find_locked(r, lost, as)) && other->file != n->file; i++)
        snprintf(as, sizeof(as), "%s.%u", name, i);
    if (!other)
        memory_bind_locked(r, lost, as, n->file);
    sync_dir_locked(r, lost);
    sync_dir_locked(r, dir);
    mutex_unlock(&r->mu);
    return 0;
}

const struct env_ops env_record_ops = {
    .writer_create = writer_create,
    .writer_append = writer_append,
    .writer_sync = writer_sync,
    .writer_reserve = writer_reserve,
    .writer_zero = writer_zero,
    .writer_truncate = writer_truncate,
    .writer_close = writer_close,
    .remove = remove_file,
    .replace_small = replace_small,
    .sync_file = sync_file,
    .sync_dir = sync_dir,
    .space = space,
    .branch = branch,
    .link_out = link_out,
    .discard = discard,
    .keep_aside = keep_aside,
    MEMORY_HANDLE_OPS,
};
