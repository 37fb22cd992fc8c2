/*
 * The fault-injecting environment's calls: count, fail when it is time, account for space, pass on.
 *
 * The lock is not held while the wrapped environment works, so that a test sees the same
 * concurrency as without the wrapper.
 */
#include <stdlib.h>

#include "lib/env_fault_impl.h"
#include "lsm/base/check.h"
#include "lsm/base/err.h"

struct fault_writer {
    struct env_writer head;
    struct env_writer *base;
    struct fault_file *file;
    int broken; /* [mu] the error of a failed sync */
};

struct fault_reader {
    struct env_reader head;
    struct env_reader *base;
};

/* What the call of this thread that begin has failed does all the same. */
static _Thread_local enum env_fault_way way;

static int begin(struct env_fault *f, unsigned kind, const char *name);

/* Whether a call of this kind fails now. */
static int begin_locked(struct env_fault *f, unsigned kind, const char *name) REQUIRES(f->mu)
{
    if (f->origin)
        return begin(f->origin, kind, name);
    way = ENV_FAULT_BEFORE;
    f->calls[__builtin_ctz(kind)]++;
    if (!f->fail_code || !(f->fail_kinds & kind))
        return 0;
    if (f->fail_in > 0 && --f->fail_in > 0)
        return 0;
    if (f->happened && !f->fail_forever)
        return 0;
    f->happened = true;
    way = f->fail_way;
    return err_raise(f->fail_code, "%s/%s: injected: %s", f->env.path, name,
                     err_text(-f->fail_code));
}

static int begin(struct env_fault *f, unsigned kind, const char *name)
{
    int err;

    mutex_lock(&f->mu);
    err = begin_locked(f, kind, name);
    mutex_unlock(&f->mu);
    return err;
}

static int begin_writing(struct fault_writer *w, unsigned kind)
{
    struct env_fault *f = env_fault_of(w->head.env);
    int err;

    mutex_lock(&f->mu);
    err = begin_locked(f, kind, w->head.name);
    if (!err && w->broken)
        err = err_raise(-w->broken, "%s/%s: refused: an earlier sync failed", f->env.path,
                        w->head.name);
    mutex_unlock(&f->mu);
    return err;
}

static int resize(struct fault_writer *w, uint64_t len, uint64_t reserved)
{
    struct env_fault *f = env_fault_of(w->head.env);
    int err;

    mutex_lock(&f->mu);
    err = fault_file_resize_locked(f, w->file, len, reserved);
    mutex_unlock(&f->mu);
    return err;
}

/* The new file's state; one of the same name keeps its name's durability. */
static struct fault_file *note_created(struct env_fault *f, const char *name)
{
    struct fault_file *old, *file;

    mutex_lock(&f->mu);
    old = fault_file_find_locked(f, name);
    if (old) {
        (void)fault_file_resize_locked(f, old, 0, 0);
        old->removed = old->removal_synced = true;
    }
    file = fault_file_new_locked(f, name);
    file->name_synced = old && old->name_synced;
    f->writer_count++;
    mutex_unlock(&f->mu);
    return file;
}

static int create_with(struct env *env, const char *name,
                       int (*create)(struct env *env, const char *name, struct env_writer **ret),
                       struct env_writer **ret)
{
    struct env_fault *f = env_fault_of(env);
    struct fault_writer *w = calloc(1, sizeof(*w));
    int err = begin(f, ENV_FAULT_CREATE, name);

    CHECK(w);
    if (err)
        fault_part_create(f->base, name, way);
    else
        err = create(f->base, name, &w->base);
    if (err) {
        free(w);
        return err;
    }
    w->head.env = env;
    w->head.name = strdup(name);
    CHECK(w->head.name);
    w->file = note_created(f, name);
    *ret = &w->head;
    return 0;
}

static int writer_create(struct env *env, const char *name, struct env_writer **ret)
{
    return create_with(env, name, env_writer_create, ret);
}

static int writer_create_behind(struct env *env, const char *name, struct env_writer **ret)
{
    return create_with(env, name, env_writer_create_behind, ret);
}

static int writer_append(struct env_writer *head, const struct slice *parts, unsigned part_count)
{
    struct fault_writer *w = (struct fault_writer *)head;
    uint64_t old_len = head->len, reserved, len = old_len;
    int err = begin_writing(w, ENV_FAULT_APPEND);

    if (err)
        fault_part_append(w->base, parts, part_count, way);
    for (unsigned i = 0; i < part_count; i++)
        len += parts[i].len;
    mutex_lock(&env_fault_of(head->env)->mu);
    reserved = w->file->reserved;
    mutex_unlock(&env_fault_of(head->env)->mu);
    if (!err)
        err = resize(w, len, reserved);
    if (err)
        return err;
    err = env_writer_append(w->base, parts, part_count);
    if (err)
        (void)resize(w, old_len, 0);
    else
        head->len = len;
    return err;
}

static int writer_sync(struct env_writer *head)
{
    struct fault_writer *w = (struct fault_writer *)head;
    struct env_fault *f = env_fault_of(head->env);
    uint64_t len;
    int err;

    mutex_lock(&f->mu);
    len = w->file->len;
    mutex_unlock(&f->mu);
    err = begin_writing(w, ENV_FAULT_SYNC);
    if (!err)
        err = env_writer_sync(w->base);
    else if (way == ENV_FAULT_LATE)
        (void)env_writer_sync(w->base);
    mutex_lock(&f->mu);
    if (err && !w->broken)
        w->broken = err;
    if (!err && len > w->file->synced_len)
        w->file->synced_len = len;
    mutex_unlock(&f->mu);
    return err;
}

static int writer_reserve(struct env_writer *head, uint64_t len)
{
    struct fault_writer *w = (struct fault_writer *)head;
    struct env_fault *f = env_fault_of(head->env);
    int err = begin_writing(w, ENV_FAULT_RESERVE);
    uint64_t old = 0;

    mutex_lock(&f->mu);
    if (!err) {
        old = w->file->reserved;
        err = fault_file_resize_locked(f, w->file, w->file->len, len > old ? len : old);
    }
    mutex_unlock(&f->mu);
    if (err)
        return err;
    err = env_writer_reserve(w->base, len);
    if (err)
        (void)resize(w, head->len, old);
    return err;
}

/* Zeros where there were none: a crash leaves the same. */
static void writer_zero(struct env_writer *head, uint64_t len)
{
    struct fault_writer *w = (struct fault_writer *)head;

    if (!begin_writing(w, ENV_FAULT_ZERO))
        env_writer_zero(w->base, len);
}

static int writer_truncate(struct env_writer *head, uint64_t len)
{
    struct fault_writer *w = (struct fault_writer *)head;
    int err = begin_writing(w, ENV_FAULT_TRUNCATE);

    if (!err)
        err = env_writer_truncate(w->base, len);
    else if (way == ENV_FAULT_LATE)
        (void)env_writer_truncate(w->base, len);
    if (!err)
        err = resize(w, len, 0);
    if (!err)
        head->len = len;
    return err;
}

static int writer_close(struct env_writer *head)
{
    struct fault_writer *w = (struct fault_writer *)head;
    struct env_fault *f = env_fault_of(head->env);
    int err = env_writer_close(w->base);

    mutex_lock(&f->mu);
    if (!err && w->broken)
        err = w->broken;
    (void)fault_file_resize_locked(f, w->file, w->file->len, 0);
    f->writer_count--;
    mutex_unlock(&f->mu);
    free(head->name);
    free(w);
    return err;
}

static int reader_open(struct env *env, const char *name, struct env_reader **ret)
{
    struct env_fault *f = env_fault_of(env);
    struct fault_reader *r = calloc(1, sizeof(*r));
    int err = begin(f, ENV_FAULT_OPEN, name);

    CHECK(r);
    if (!err)
        err = env_reader_open(f->base, name, &r->base);
    if (err) {
        free(r);
        return err;
    }
    r->head.env = env;
    r->head.name = strdup(name);
    CHECK(r->head.name);
    *ret = &r->head;
    return 0;
}

static int reader_read(struct env_reader *head, uint64_t offset, size_t len, void *buf,
                       size_t *ret_len)
{
    int err = begin(env_fault_of(head->env), ENV_FAULT_READ, head->name);

    return err ? err
               : env_reader_read(((struct fault_reader *)head)->base, offset, len, buf, ret_len);
}

static void read_many(struct env *env, struct env_read *reads, size_t count)
{
    struct env_fault *f = env_fault_of(env);
    struct env_read *base = calloc(count, sizeof(*base));
    size_t base_count = 0;

    CHECK(base);
    for (size_t i = 0; i < count; i++) {
        reads[i].ret_len = 0;
        reads[i].ret_err = begin(f, ENV_FAULT_READ, reads[i].reader->name);
        if (reads[i].ret_err)
            continue;
        base[base_count] = reads[i];
        base[base_count++].reader = ((struct fault_reader *)reads[i].reader)->base;
    }
    (void)env_read_many(f->base, base, base_count);
    for (size_t i = 0, n = 0; i < count; i++) {
        if (reads[i].ret_err)
            continue;
        reads[i].ret_len = base[n].ret_len;
        reads[i].ret_err = base[n++].ret_err;
    }
    free(base);
}

static int reader_len(struct env_reader *head, uint64_t *ret_len)
{
    int err = begin(env_fault_of(head->env), ENV_FAULT_READ, head->name);

    return err ? err : env_reader_len(((struct fault_reader *)head)->base, ret_len);
}

static void reader_prefetch(struct env_reader *head, uint64_t offset, uint64_t len)
{
    env_reader_prefetch(((struct fault_reader *)head)->base, offset, len);
}

static void reader_close(struct env_reader *head)
{
    env_reader_close(((struct fault_reader *)head)->base);
    free(head->name);
    free(head);
}

static int list(struct env *env, int (*each)(void *arg, const char *name), void *arg)
{
    int err = begin(env_fault_of(env), ENV_FAULT_LIST, "");

    return err ? err : env_list(env_fault_of(env)->base, each, arg);
}

static int remove_file(struct env *env, const char *name)
{
    struct env_fault *f = env_fault_of(env);
    struct fault_file *file;
    struct buf contents = {0};
    int err = begin(f, ENV_FAULT_REMOVE, name);
    bool remember;

    mutex_lock(&f->mu);
    remember = f->remember_removed;
    mutex_unlock(&f->mu);
    if (!err && remember)
        err = env_read_small(f->base, name, SIZE_MAX / 2, &contents);
    if (!err)
        err = env_remove(f->base, name);
    mutex_lock(&f->mu);
    file = err ? NULL : fault_file_find_locked(f, name);
    if (file) {
        (void)fault_file_resize_locked(f, file, file->len, 0);
        f->used -= file->len;
        cond_broadcast(&f->used_less);
        file->removed = true;
        file->removal_synced = !remember || !file->name_synced;
        if (contents.len > file->synced_len)
            contents.len = (size_t)file->synced_len;
        file->contents = contents;
        contents = (struct buf){0};
    }
    mutex_unlock(&f->mu);
    buf_free(&contents);
    return err;
}

static int replace_small(struct env *env, const char *name, struct slice contents)
{
    struct env_fault *f = env_fault_of(env);
    struct fault_file *file;
    int err;

    mutex_lock(&f->mu);
    err = begin_locked(f, ENV_FAULT_REPLACE, name);
    file = err ? NULL : fault_file_find_locked(f, name);
    if (!err && !file)
        file = fault_file_new_locked(f, name);
    if (!err)
        err = fault_file_resize_locked(f, file, contents.len, 0);
    mutex_unlock(&f->mu);
    if (err)
        fault_part_replace(f->base, name, contents, way);
    else
        err = env_replace_small(f->base, name, contents);
    if (err)
        return err;
    mutex_lock(&f->mu);
    file->synced_len = contents.len;
    file->name_synced = true;
    mutex_unlock(&f->mu);
    return 0;
}

static int sync_file(struct env *env, const char *name)
{
    struct env_fault *f = env_fault_of(env);
    struct fault_file *file;
    uint64_t len = 0;
    int err = begin(f, ENV_FAULT_SYNC, name);

    mutex_lock(&f->mu);
    file = fault_file_find_locked(f, name);
    if (file)
        len = file->len;
    mutex_unlock(&f->mu);
    if (!err)
        err = env_sync_file(f->base, name);
    if (err || !file)
        return err;
    mutex_lock(&f->mu);
    if (len > file->synced_len)
        file->synced_len = len;
    mutex_unlock(&f->mu);
    return 0;
}

/* Names that were there before the sync began are durable after it. */
static int sync_dir(struct env *env)
{
    struct env_fault *f = env_fault_of(env);
    struct fault_file *newest;
    int err = begin(f, ENV_FAULT_SYNC_DIR, "");

    mutex_lock(&f->mu);
    newest = f->files;
    mutex_unlock(&f->mu);
    if (!err)
        err = env_sync_dir(f->base);
    else if (way == ENV_FAULT_LATE)
        (void)env_sync_dir(f->base);
    if (err)
        return err;
    mutex_lock(&f->mu);
    for (struct fault_file *file = newest; file; file = file->next) {
        file->name_synced = true;
        if (file->removed) {
            file->removal_synced = true;
            buf_free(&file->contents);
        }
    }
    mutex_unlock(&f->mu);
    return 0;
}

static int space(struct env *env, uint64_t *ret_total, uint64_t *ret_free)
{
    struct env_fault *f = env_fault_of(env);
    uint64_t limit, used;
    int err = begin(f, ENV_FAULT_SPACE, "");

    mutex_lock(&f->mu);
    limit = f->limit;
    used = f->used;
    mutex_unlock(&f->mu);
    if (err || limit == 0)
        return err ? err : env_space(f->base, ret_total, ret_free);
    *ret_total = limit;
    *ret_free = limit > used ? limit - used : 0;
    return 0;
}

static const char *uring_why_not(struct env *env)
{
    return env_uring_why_not(env_fault_of(env)->base);
}

/* Fails as a creation does. What is aside is durable. */
static int keep_aside(struct env *env, const char *name)
{
    int err = begin(env_fault_of(env), ENV_FAULT_CREATE, name);

    return err ? err : env_keep_aside(env_fault_of(env)->base, name);
}

/* The wrapper outlives the stores that are opened on it, but for a branch: see env_fault_env. */
static void close_env(struct env *env)
{
    struct env_fault *f = env_fault_of(env);

    if (!f->origin)
        return;
    CHECK(env_fault_crash(f, 0, 0) == 0);
    env_fault_close(f);
}

static int branch(struct env *env, const char *path, struct env **ret)
{
    struct env_fault *f = env_fault_of(env), *made;
    struct env *base;
    int err = begin(f, ENV_FAULT_CREATE, path);

    if (!err)
        err = env_branch(f->base, path, &base);
    if (err)
        return err;
    CHECK(env_fault_open(base, &made) == 0);
    made->origin = f;
    *ret = &made->env;
    return 0;
}

static int link_out(struct env *env, const char *name, struct env *to)
{
    struct env_fault *f = env_fault_of(env), *made = env_fault_of(to);
    struct fault_file *file;
    struct env_reader *r;
    int err;

    mutex_lock(&f->mu);
    err = f->no_links ? -ENOTSUP : begin_locked(f, ENV_FAULT_LINK, name);
    mutex_unlock(&f->mu);
    if (!err)
        err = env_link_out(f->base, name, made->base);
    if (err)
        return err;
    CHECK(env_reader_open(made->base, name, &r) == 0);
    mutex_lock(&made->mu);
    file = fault_file_new_locked(made, name);
    CHECK(env_reader_len(r, &file->len) == 0);
    file->synced_len = file->len; /* only synced files are linked */
    made->used += file->len;
    mutex_unlock(&made->mu);
    env_reader_close(r);
    return 0;
}

static void discard(struct env *env)
{
    struct env_fault *f = env_fault_of(env);

    env_discard(f->base);
    f->base = NULL;
    env_fault_close(f);
}

const struct env_ops env_fault_ops = {
    .writer_create = writer_create,
    .writer_create_behind = writer_create_behind,
    .writer_append = writer_append,
    .writer_sync = writer_sync,
    .writer_reserve = writer_reserve,
    .writer_zero = writer_zero,
    .writer_truncate = writer_truncate,
    .writer_close = writer_close,
    .reader_open = reader_open,
    .reader_read = reader_read,
    .read_many = read_many,
    .reader_len = reader_len,
    .reader_prefetch = reader_prefetch,
    .reader_close = reader_close,
    .list = list,
    .remove = remove_file,
    .replace_small = replace_small,
    .sync_file = sync_file,
    .sync_dir = sync_dir,
    .space = space,
    .branch = branch,
    .link_out = link_out,
    .discard = discard,
    .uring_why_not = uring_why_not,
    .keep_aside = keep_aside,
    .close = close_env,
};
