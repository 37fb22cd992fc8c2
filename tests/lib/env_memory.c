/*
 * The environment in memory: a list of files. A removed file lives on until it is closed.
 */
#include "lib/env_memory.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/memory_handles.h"
#include "lsm/base/check.h"
#include "lsm/base/err.h"

/* Holders of a reference: the list, and each reader and writer. All guarded by the store's mu. */
struct memory_file {
    struct memory_file *next;
    char *name;
    unsigned refs;
    struct buf bytes;
};

struct env_memory {
    struct memory_head head;
    struct mutex mu;
    struct memory_file *files; /* [mu] oldest first */
    uint64_t len;              /* [mu] bytes of all files, also of removed ones that are open */
};

struct memory_writer {
    struct env_writer w;
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
        return err_raise(ENOSPC, "%s/%s: the memory is full", m->head.env.path, file->name);
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

/* --- For memory_handles.c --- */

static void *open_locked(struct env *env, const char *name) NO_TSA
{
    struct memory_file *file = *find_locked(memory_of(env), name);

    if (file)
        file->refs++;
    return file;
}

static void close_locked(struct env *env, void *file) NO_TSA
{
    unref_locked(memory_of(env), file);
}

static uint64_t len_locked(const void *file)
{
    return ((const struct memory_file *)file)->bytes.len;
}

static size_t read_locked(const void *file, uint64_t offset, size_t len, void *buf)
{
    const struct buf *bytes = &((const struct memory_file *)file)->bytes;

    if (offset >= bytes->len)
        return 0;
    if (len > bytes->len - (size_t)offset)
        len = bytes->len - (size_t)offset;
    if (len)
        memcpy(buf, bytes->data + offset, len);
    return len;
}

static const char *nth_name_locked(struct env *env, size_t n) NO_TSA
{
    const struct memory_file *file = memory_of(env)->files;

    while (file && n--)
        file = file->next;
    return file ? file->name : NULL;
}

static const struct memory_calls memory_calls = {
    open_locked, close_locked, len_locked, read_locked, nth_name_locked,
};

/* --- The directory --- */

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

static const struct env_ops memory_ops = {
    .writer_create = writer_create,
    .writer_append = writer_append,
    .writer_sync = writer_sync,
    .writer_reserve = writer_reserve,
    .writer_truncate = writer_truncate,
    .writer_close = writer_close,
    .remove = remove_file,
    .replace_small = replace_small,
    .sync_file = sync_file,
    .sync_dir = sync_dir,
    .space = space,
    .keep_aside = sync_file,
    MEMORY_HANDLE_OPS,
};

struct env *env_memory_new(void)
{
    struct env_memory *m = must(calloc(1, sizeof(*m)));

    m->head = (struct memory_head){.env = {.ops = &memory_ops, .path = must(strdup("memory"))},
                                   .calls = &memory_calls,
                                   .mu = &m->mu};
    mutex_init(&m->mu);
    return &m->head.env;
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
