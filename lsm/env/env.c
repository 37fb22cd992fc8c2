/*
 * The calls of env.h, passed on to the environment that implements them.
 *
 * What every environment must refuse is refused here: changes through one that was opened
 * read-only, and names that could leave the store's directory (names also come from disk, where
 * CURRENT names a manifest). A missing file is a plain -ENOENT, which callers expect and nobody
 * reports; everything else arrives with a text that names the file.
 */
#include "lsm/env/env.h"

#include "lsm/base/err.h"
#include "lsm/base/waiting.h"

enum {
    NAME_LEN_MAX = 200 /* leaves room for ".tmp" below every host's limit of 255 */
};

static int check_name(const struct env *env, const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > NAME_LEN_MAX || name[0] == '.' || strchr(name, '/'))
        return err_raise(EINVAL, "%s: not a name of a store's file: %.*s", env->path, NAME_LEN_MAX,
                         name);
    return 0;
}

static int check_change(const struct env *env, const char *name)
{
    if (env->read_only)
        return err_raise(ERR_READ_ONLY, "%s/%s: the store is open read-only", env->path, name);
    return check_name(env, name);
}

void env_close(struct env *env)
{
    if (env)
        env->ops->close(env);
}

int env_writer_create(struct env *env, const char *name, struct env_writer **ret)
{
    const char *before = waiting_begin("a new file on the store's disk");
    int err = check_change(env, name);

    if (!err)
        err = env->ops->writer_create(env, name, ret);
    waiting_end(before);
    return err;
}

int env_writer_create_behind(struct env *env, const char *name, struct env_writer **ret)
{
    int err = check_change(env, name);

    if (err)
        return err;
    if (!env->ops->writer_create_behind)
        return env->ops->writer_create(env, name, ret);
    return env->ops->writer_create_behind(env, name, ret);
}

static void note_grown(struct env *env, uint64_t len)
{
    atomic_fetch_add_explicit(&env->grown_len, len, memory_order_relaxed);
}

static void note_shrunk(struct env *env)
{
    atomic_fetch_add_explicit(&env->shrunk_count, 1, memory_order_relaxed);
}

int env_writer_append(struct env_writer *w, const struct slice *parts, unsigned part_count)
{
    const char *waiting = waiting_begin("a write to the store's disk");
    uint64_t before = w->len;
    int err = w->env->ops->writer_append(w, parts, part_count);

    note_grown(w->env, w->len - before);
    waiting_end(waiting);
    return err;
}

int env_writer_append_sync(struct env_writer *w, const struct slice *parts, unsigned part_count)
{
    uint64_t before = w->len;
    const char *waiting;
    int err;

    if (!w->env->ops->writer_append_sync) {
        err = env_writer_append(w, parts, part_count);
        return err ? err : env_writer_sync(w);
    }
    waiting = waiting_begin("a write to the store's disk and its sync");
    err = w->env->ops->writer_append_sync(w, parts, part_count);
    note_grown(w->env, w->len - before);
    waiting_end(waiting);
    return err;
}

int env_writer_sync(struct env_writer *w)
{
    const char *before = waiting_begin("the store's disk to sync");
    int err = w->env->ops->writer_sync(w);

    waiting_end(before);
    return err;
}

int env_writer_reserve(struct env_writer *w, uint64_t len)
{
    const char *before = waiting_begin("space on the store's disk to be reserved");
    int err;

    if (len > w->len)
        note_grown(w->env, len - w->len);
    err = w->env->ops->writer_reserve(w, len);
    waiting_end(before);
    return err;
}

void env_writer_zero(struct env_writer *w, uint64_t len)
{
    if (w->env->ops->writer_zero)
        w->env->ops->writer_zero(w, len);
}

int env_writer_truncate(struct env_writer *w, uint64_t len)
{
    const char *before = waiting_begin("a file to be cut on the store's disk");
    int err;

    note_shrunk(w->env);
    err = w->env->ops->writer_truncate(w, len);
    waiting_end(before);
    return err;
}

int env_writer_close(struct env_writer *w)
{
    return w ? w->env->ops->writer_close(w) : 0;
}

int env_reader_open(struct env *env, const char *name, struct env_reader **ret)
{
    int err = check_name(env, name);

    return err ? err : env->ops->reader_open(env, name, ret);
}

int env_reader_read(struct env_reader *r, uint64_t offset, size_t len, void *buf, size_t *ret_len)
{
    const char *before = waiting_begin("a read of the store's disk");
    int err = r->env->ops->reader_read(r, offset, len, buf, ret_len);

    waiting_end(before);
    return err;
}

/* --- Many reads --- */

enum {
    STRETCH_COUNT_MAX = 256, /* reads that are done as one; each takes two parts */
};

static bool follows(const struct env_read *r, const struct env_read *before)
{
    uint64_t end = before->offset + before->len;

    return r->reader == before->reader && r->offset >= end && r->offset - end <= ENV_GAP_MAX;
}

/* Whether all of them are one stretch of a file. */
static bool is_stretch(const struct env_read *reads, size_t count)
{
    size_t i = 1;

    while (i < count && follows(&reads[i], &reads[i - 1]))
        i++;
    return i == count && count > 1 && count <= STRETCH_COUNT_MAX;
}

/* All as one. False when not all bytes came, for whatever reason. */
static bool read_stretch(struct env_read *reads, size_t count)
{
    struct env_reader *r = reads[0].reader;
    uint64_t end = reads[0].offset;
    struct iovec parts[2 * STRETCH_COUNT_MAX];
    uint8_t gap[ENV_GAP_MAX]; /* what is in a gap goes there, and is forgotten */
    unsigned part_count = 0;
    size_t got = 0;

    for (size_t i = 0; i < count; i++) {
        if (reads[i].offset > end)
            parts[part_count++] = (struct iovec){gap, (size_t)(reads[i].offset - end)};
        parts[part_count++] = (struct iovec){reads[i].buf, reads[i].len};
        end = reads[i].offset + reads[i].len;
        reads[i].ret_len = reads[i].len;
        reads[i].ret_err = 0;
    }
    return r->env->ops->reader_read_parts &&
           r->env->ops->reader_read_parts(r, reads[0].offset, parts, part_count, &got) == 0 &&
           got == end - reads[0].offset;
}

static void read_in_turn(struct env_read *reads, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct env_read *r = &reads[i];

        r->ret_len = 0;
        r->ret_err = env_reader_read(r->reader, r->offset, r->len, r->buf, &r->ret_len);
    }
}

int env_read_many(struct env *env, struct env_read *reads, size_t count)
{
    const char *before = waiting_begin("a read of the store's disk");
    int err = 0;

    if (is_stretch(reads, count) && read_stretch(reads, count))
        ; /* all came */
    else if (env->ops->read_many && count > 1)
        env->ops->read_many(env, reads, count);
    else
        read_in_turn(reads, count);
    waiting_end(before);
    /* The last one that failed left its words. */
    for (size_t i = 0; i < count; i++)
        err = reads[i].ret_err ? reads[i].ret_err : err;
    return err;
}

int env_reader_len(struct env_reader *r, uint64_t *ret_len)
{
    return r->env->ops->reader_len(r, ret_len);
}

void env_reader_prefetch(struct env_reader *r, uint64_t offset, uint64_t len)
{
    r->env->ops->reader_prefetch(r, offset, len);
}

void env_reader_close(struct env_reader *r)
{
    if (r)
        r->env->ops->reader_close(r);
}

static int read_all(struct env_reader *r, size_t len_max, struct buf *b)
{
    uint64_t len;
    size_t got;
    int err = env_reader_len(r, &len);

    if (err)
        return err;
    if (len > len_max)
        return err_raise(EFBIG, "%s/%s: has %llu bytes, at most %zu are expected", r->env->path,
                         r->name, (unsigned long long)len, len_max);
    err = buf_reserve(b, (size_t)len);
    if (!err)
        err = env_reader_read(r, 0, (size_t)len, b->data, &got);
    if (!err)
        b->len = got;
    return err;
}

int env_read_small(struct env *env, const char *name, size_t len_max, struct buf *ret)
{
    struct env_reader *r;
    struct buf b = {0};
    int err = env_reader_open(env, name, &r);

    if (err)
        return err;
    err = read_all(r, len_max, &b);
    env_reader_close(r);
    if (err) {
        buf_free(&b);
        return err;
    }
    buf_free(ret);
    *ret = b;
    return 0;
}

int env_list(struct env *env, int (*each)(void *arg, const char *name), void *arg)
{
    return env->ops->list(env, each, arg);
}

int env_remove(struct env *env, const char *name)
{
    int err = check_change(env, name);

    if (err)
        return err;
    note_shrunk(env);
    return env->ops->remove(env, name);
}

int env_replace_small(struct env *env, const char *name, struct slice contents)
{
    const char *before = waiting_begin("a small file to be replaced on the store's disk");
    int err = check_change(env, name);

    if (!err) {
        note_grown(env, contents.len);
        err = env->ops->replace_small(env, name, contents);
    }
    waiting_end(before);
    return err;
}

int env_sync_file(struct env *env, const char *name)
{
    int err = check_change(env, name);

    return err ? err : env->ops->sync_file(env, name);
}

int env_sync_dir(struct env *env)
{
    const char *before = waiting_begin("the store's directory to sync");
    int err = env->ops->sync_dir(env);

    waiting_end(before);
    return err;
}

int env_space(struct env *env, uint64_t *ret_total, uint64_t *ret_free)
{
    return env->ops->space(env, ret_total, ret_free);
}

struct adding {
    struct env *env;
    uint64_t len;
};

static int add_len(void *arg, const char *name)
{
    struct adding *a = arg;
    struct env_reader *r;
    uint64_t len = 0;
    int err = env_reader_open(a->env, name, &r);

    if (err)
        return err == -ENOENT ? 0 : err; /* removed meanwhile */
    err = env_reader_len(r, &len);
    env_reader_close(r);
    a->len += len;
    return err;
}

int env_used(struct env *env, uint64_t *ret_len)
{
    struct adding a = {.env = env};
    int err;

    if (env->ops->used)
        return env->ops->used(env, ret_len);
    err = env_list(env, add_len, &a);
    if (!err)
        *ret_len = a.len;
    return err;
}

void env_growth(struct env *env, struct env_growth *ret)
{
    *ret = (struct env_growth){
        .len = atomic_load_explicit(&env->grown_len, memory_order_relaxed),
        .shrunk_count = atomic_load_explicit(&env->shrunk_count, memory_order_relaxed),
    };
}

int env_branch(struct env *env, const char *path, struct env **ret)
{
    if (!env->ops->branch)
        return err_raise(ENOTSUP, "%s: no other store can be made from it", env->path);
    return env->ops->branch(env, path, ret);
}

int env_link_out(struct env *env, const char *name, struct env *branch)
{
    int err = check_change(branch, name);

    if (err)
        return err;
    return env->ops->link_out ? env->ops->link_out(env, name, branch) : -ENOTSUP;
}

void env_discard(struct env *branch)
{
    branch->ops->discard(branch);
}

const char *env_uring_why_not(struct env *env)
{
    return env->ops->uring_why_not ? env->ops->uring_why_not(env) : "not asked for";
}

int env_keep_aside(struct env *env, const char *name)
{
    int err = check_change(env, name);

    if (!err && !env->ops->keep_aside)
        err =
            err_raise(ENOTSUP, "%s/%s: this environment cannot keep files aside", env->path, name);
    return err ? err : env->ops->keep_aside(env, name);
}
