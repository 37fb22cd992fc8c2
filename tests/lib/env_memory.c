/*
 * The environment in memory: a list of files. A removed file lives on until it is closed.
 */
#include "lib/env_memory.h"

#include <errno.h>
#include <stdlib.h>

#include "lsm/base/check.h"
#include "lsm/base/err.h"
#include "lsm/base/mutex.h"

/* Holders of a reference: the list, and each reader and writer. All guarded by the store's mu. */
struct memory_file {
    struct memory_file *next;
    char *name;
    unsigned refs;
    struct buf bytes;
};

struct env_memory {
    struct env env;
    struct mutex mu;
    struct memory_file *files; /* [mu] oldest first */
    uint64_t len;              /* [mu] bytes of all files, also of removed ones that are open */
};

struct memory_writer {
    struct env_writer w;
    struct memory_file *file;
};

struct memory_reader {
    struct env_reader r;
    struct memory_file *file;
};

static struct env_memory *memory_of(struct env *env)
{
    return (struct env_memory *)env;
}

static void *must(void *p)
{
    CHECK(p);
    return p;
}

static struct memory_file **find_locked(struct env_memory *m, const char *name) REQUIRES(m->mu)
{
    struct memory_file **at = &m->files;

    while (*at && strcmp((*at)->name, name))
        at = &(*at)->next;
    return at;
}

static void unref_locked(struct env_memory *m, struct memory_file *file) REQUIRES(m->mu)
{
    if (--file->refs)
        return;
    m->len -= file->bytes.len;
    buf_free(&file->bytes);
    free(file->name);
    free(file);
}

static int remove_locked(struct env_memory *m, const char *name) REQUIRES(m->mu)
{
    struct memory_file **at = find_locked(m, name), *file = *at;

    if (!file)
        return -ENOENT;
    *at = file->next;
    unref_locked(m, file);
    return 0;
}

/* A new, empty file of that name, in the place of an old one, with a reference for the list. */
static struct memory_file *create_locked(struct env_memory *m, const char *name) REQUIRES(m->mu)
{
    struct memory_file *file = must(calloc(1, sizeof(*file))), **end;

    remove_locked(m, name);
    for (end = &m->files; *end; end = &(*end)->next)
        ;
    file->name = must(strdup(name));
    file->refs = 1;
    *end = file;
    return file;
}

static int append_locked(struct env_memory *m, struct memory_file *file, struct slice part)
    REQUIRES(m->mu)
{
    if (part.len > ENV_MEMORY_LEN_MAX - m->len)
        return err_raise(ENOSPC, "%s/%s: the memory is full", m->env.path, file->name);
    CHECK(!buf_append(&file->bytes, part.data, part.len));
    m->len += part.len;
    return 0;
}

/* --- Writing --- */

static int writer_create(struct env *env, const char *name, struct env_writer **ret)
{
    struct env_memory *m = memory_of(env);
    struct memory_writer *w = must(calloc(1, sizeof(*w)));

    w->w.env = env;
    w->w.name = must(strdup(name));
    mutex_lock(&m->mu);
    w->file = create_locked(m, name);
    w->file->refs++;
    mutex_unlock(&m->mu);
    *ret = &w->w;
    return 0;
}

static struct memory_file *file_of(struct env_writer *w)
{
    return ((struct memory_writer *)w)->file;
}

static int writer_truncate(struct env_writer *w, uint64_t len)
{
    struct env_memory *m = memory_of(w->env);
    struct buf *bytes = &file_of(w)->bytes;

    mutex_lock(&m->mu);
    if (len < bytes->len) {
        m->len -= bytes->len - (size_t)len;
        bytes->len = (size_t)len;
    }
    w->len = bytes->len;
    mutex_unlock(&m->mu);
    return 0;
}

static int writer_append(struct env_writer *w, const struct slice *parts, unsigned part_count)
{
    struct env_memory *m = memory_of(w->env);
    int err = 0;

    mutex_lock(&m->mu);
    for (unsigned i = 0; !err && i < part_count; i++)
        err = append_locked(m, file_of(w), parts[i]);
    mutex_unlock(&m->mu);
    writer_truncate(w, err ? w->len : UINT64_MAX);
    return err;
}

static int writer_sync(struct env_writer *w)
{
    (void)w;
    return 0;
}

static int writer_reserve(struct env_writer *w, uint64_t len)
{
    (void)w;
    (void)len;
    return 0;
}

static int writer_close(struct env_writer *w)
{
    struct env_memory *m = memory_of(w->env);

    mutex_lock(&m->mu);
    unref_locked(m, file_of(w));
    mutex_unlock(&m->mu);
    free(w->name);
    free(w);
    return 0;
}

/* --- Reading --- */

static int reader_open(struct env *env, const char *name, struct env_reader **ret)
{
    struct env_memory *m = memory_of(env);
    struct memory_reader *r;
    struct memory_file *file;

    mutex_lock(&m->mu);
    file = *find_locked(m, name);
    if (file)
        file->refs++;
    mutex_unlock(&m->mu);
    if (!file)
        return -ENOENT;
    r = must(calloc(1, sizeof(*r)));
    r->r.env = env;
    r->r.name = must(strdup(name));
    r->file = file;
    *ret = &r->r;
    return 0;
}

static int reader_read(struct env_reader *r, uint64_t offset, size_t len, void *buf,
                       size_t *ret_len)
{
    struct env_memory *m = memory_of(r->env);
    const struct buf *bytes = &((struct memory_reader *)r)->file->bytes;

    mutex_lock(&m->mu);
    if (offset >= bytes->len)
        len = 0;
    else if (len > bytes->len - (size_t)offset)
        len = bytes->len - (size_t)offset;
    if (len)
        memcpy(buf, bytes->data + offset, len);
    mutex_unlock(&m->mu);
    *ret_len = len;
    return 0;
}

static int reader_len(struct env_reader *r, uint64_t *ret_len)
{
    struct env_memory *m = memory_of(r->env);

    mutex_lock(&m->mu);
    *ret_len = ((struct memory_reader *)r)->file->bytes.len;
    mutex_unlock(&m->mu);
    return 0;
}

static void reader_prefetch(struct env_reader *r, uint64_t offset, uint64_t len)
{
    (void)r;
    (void)offset;
    (void)len;
}

static void reader_close(struct env_reader *r)
{
    struct env_memory *m = memory_of(r->env);

    mutex_lock(&m->mu);
    unref_locked(m, ((struct memory_reader *)r)->file);
    mutex_unlock(&m->mu);
    free(r->name);
    free(r);
}

/* --- The directory --- */

/* `each` may call the environment, so it gets copies of the names. */
static int list(struct env *env, int (*each)(void *arg, const char *name), void *arg)
{
    struct env_memory *m = memory_of(env);
    char **names = NULL;
    size_t count = 0;
    int answer = 0;

    mutex_lock(&m->mu);
    for (struct memory_file *file = m->files; file; file = file->next) {
        names = must(realloc(names, (count + 1) * sizeof(*names)));
        names[count++] = must(strdup(file->name));
    }
    mutex_unlock(&m->mu);
    for (size_t i = 0; i < count; i++) {
        if (!answer)
            answer = each(arg, names[i]);
        free(names[i]);
    }
    free(names);
    return answer;
}

static int remove_file(struct env *env, const char *name)
{
    struct env_memory *m = memory_of(env);
    int err;

    mutex_lock(&m->mu);
    err = remove_locked(m, name);
    mutex_unlock(&m->mu);
    return err;
}

static int replace_small(struct env *env, const char *name, struct slice contents)
{
    struct env_memory *m = memory_of(env);
    int err;

    mutex_lock(&m->mu);
    err = append_locked(m, create_locked(m, name), contents);
    mutex_unlock(&m->mu);
    return err;
}

/* Durable, or kept aside, is what is there. */
static int sync_file(struct env *env, const char *name)
{
    struct env_memory *m = memory_of(env);
    bool found;

    mutex_lock(&m->mu);
    found = *find_locked(m, name) != NULL;
    mutex_unlock(&m->mu);
    return found ? 0 : -ENOENT;
}

static int sync_dir(struct env *env)
{
    (void)env;
    return 0;
}

static int space(struct env *env, uint64_t *ret_total, uint64_t *ret_free)
{
    struct env_memory *m = memory_of(env);

    mutex_lock(&m->mu);
    *ret_total = ENV_MEMORY_LEN_MAX;
    *ret_free = ENV_MEMORY_LEN_MAX - m->len;
    mutex_unlock(&m->mu);
    return 0;
}

static void close_nothing(struct env *env)
{
    (void)env;
}

static const struct env_ops memory_ops = {
    .writer_create = writer_create,
    .writer_append = writer_append,
    .writer_sync = writer_sync,
    .writer_reserve = writer_reserve,
    .writer_truncate = writer_truncate,
    .writer_close = writer_close,
    .reader_open = reader_open,
    .reader_read = reader_read,
    .reader_len = reader_len,
    .reader_prefetch = reader_prefetch,
    .reader_close = reader_close,
    .list = list,
    .remove = remove_file,
    .replace_small = replace_small,
    .sync_file = sync_file,
    .sync_dir = sync_dir,
    .space = space,
    .keep_aside = sync_file,
    .close = close_nothing,
};

struct env *env_memory_new(void)
{
    struct env_memory *m = must(calloc(1, sizeof(*m)));

    m->env = (struct env){.ops = &memory_ops, .path = must(strdup("memory"))};
    mutex_init(&m->mu);
    return &m->env;
}

struct env *env_memory_copy(struct env *from)
{
    struct env *env = env_memory_new();
    const char *name;
    struct buf *b;

    for (unsigned n = 0; (b = env_memory_nth(from, n, &name)); n++)
        env_memory_put(env, name, buf_slice(b));
    return env;
}

void env_memory_free(struct env *env)
{
    struct env_memory *m = memory_of(env);

    if (!env)
        return;
    mutex_lock(&m->mu);
    while (m->files) {
        CHECK(m->files->refs == 1);
        remove_locked(m, m->files->name);
    }
    mutex_unlock(&m->mu);
    mutex_done(&m->mu);
    free(env->path);
    free(m);
}

void env_memory_put(struct env *env, const char *name, struct slice contents)
{
    CHECK(!replace_small(env, name, contents));
}

struct buf *env_memory_nth(struct env *env, unsigned n, const char **ret_name)
{
    struct memory_file *file = memory_of(env)->files;

    while (file && n--)
        file = file->next;
    if (!file)
        return NULL;
    *ret_name = file->name;
    return &file->bytes;
}
