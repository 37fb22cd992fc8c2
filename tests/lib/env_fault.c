/*
 * The fault-injecting environment: its controls, what it knows of each file, and the crash.
 *
 * A crash rewrites the files that had unsynced bytes through the wrapped environment, which need
 * only offer env.h. Memory is not checked but CHECKed: this is for tests.
 */
#include "lib/env_fault.h"

#include <stdlib.h>
#include <time.h>

#include "lib/env_fault_impl.h"
#include "lib/rng.h"
#include "lsm/base/check.h"
#include "lsm/base/err.h"

struct fault_file *fault_file_new_locked(struct env_fault *f, const char *name)
{
    struct fault_file *file = calloc(1, sizeof(*file));

    CHECK(file);
    file->name = strdup(name);
    CHECK(file->name);
    file->next = f->files;
    f->files = file;
    return file;
}

struct fault_file *fault_file_find_locked(struct env_fault *f, const char *name)
{
    for (struct fault_file *file = f->files; file; file = file->next)
        if (!file->removed && strcmp(file->name, name) == 0)
            return file;
    return NULL;
}

static uint64_t extent(uint64_t len, uint64_t reserved)
{
    return len > reserved ? len : reserved;
}

int fault_file_resize_locked(struct env_fault *f, struct fault_file *file, uint64_t len,
                             uint64_t reserved)
{
    uint64_t old = extent(file->len, file->reserved), now = extent(len, reserved);

    /* A removed file that is still written to is nobody's space: near enough for tests. */
    if (!file->removed) {
        if (f->limit && now > old && f->used + (now - old) > f->limit)
            return err_raise(ENOSPC, "%s/%s: the simulated disk is full", f->env.path, file->name);
        f->used += now - old;
        if (now < old)
            cond_broadcast(&f->used_less);
    }
    file->len = len;
    file->reserved = reserved;
    if (file->synced_len > len)
        file->synced_len = len;
    return 0;
}

/* What is there at the beginning is durable. */
static int add_existing(void *arg, const char *name)
{
    struct env_fault *f = arg;
    struct env_reader *r;
    struct fault_file *file;
    uint64_t len;
    int err = env_reader_open(f->base, name, &r);

    if (err)
        return err;
    err = env_reader_len(r, &len);
    env_reader_close(r);
    if (err)
        return err;
    mutex_lock(&f->mu);
    file = fault_file_new_locked(f, name);
    file->len = file->synced_len = len;
    file->name_synced = true;
    f->used += len;
    mutex_unlock(&f->mu);
    return 0;
}

static void free_files_locked(struct env_fault *f) REQUIRES(f->mu)
{
    struct fault_file *file;

    while ((file = f->files)) {
        f->files = file->next;
        buf_free(&file->contents);
        free(file->name);
        free(file);
    }
    f->used = 0;
}

static void free_fault(struct env_fault *f)
{
    mutex_lock(&f->mu);
    free_files_locked(f);
    mutex_unlock(&f->mu);
    cond_done(&f->used_less);
    mutex_done(&f->mu);
    free(f->env.path);
    free(f);
}

int env_fault_open(struct env *base, struct env_fault **ret)
{
    struct env_fault *f = calloc(1, sizeof(*f));
    int err;

    CHECK(f);
    mutex_init(&f->mu);
    cond_init(&f->used_less);
    f->base = base;
    f->env = (struct env){
        .ops = &env_fault_ops, .path = strdup(base->path), .read_only = base->read_only};
    CHECK(f->env.path);
    err = env_list(base, add_existing, f);
    if (err) {
        free_fault(f);
        return err;
    }
    *ret = f;
    return 0;
}

void env_fault_close(struct env_fault *f)
{
    if (!f)
        return;
    env_close(f->base);
    free_fault(f);
}

struct env *env_fault_env(struct env_fault *f)
{
    return &f->env;
}

void env_fault_fail(struct env_fault *f, unsigned kinds, uint64_t nth, int code, bool forever)
{
    mutex_lock(&f->mu);
    f->fail_kinds = kinds;
    f->fail_in = nth;
    f->fail_code = code;
    f->fail_forever = forever;
    f->happened = false;
    mutex_unlock(&f->mu);
}

void env_fault_fail_way(struct env_fault *f, enum env_fault_way way)
{
    mutex_lock(&f->mu);
    f->fail_way = way;
    mutex_unlock(&f->mu);
}

void env_fault_cut_power(struct env_fault *f)
{
    env_fault_fail_way(f, ENV_FAULT_BEFORE);
    env_fault_fail(f, ENV_FAULT_ALL, 1, EIO, true);
}

bool env_fault_happened(struct env_fault *f)
{
    bool happened;

    mutex_lock(&f->mu);
    happened = f->happened;
    mutex_unlock(&f->mu);
    return happened;
}

uint64_t env_fault_calls(struct env_fault *f, unsigned kinds)
{
    uint64_t count = 0;

    mutex_lock(&f->mu);
    for (unsigned i = 0; i < FAULT_KIND_COUNT; i++)
        if (kinds & (1u << i))
            count += f->calls[i];
    mutex_unlock(&f->mu);
    return count;
}

void env_fault_refuse_links(struct env_fault *f, bool refuse)
{
    mutex_lock(&f->mu);
    f->no_links = refuse;
    mutex_unlock(&f->mu);
}

void env_fault_limit(struct env_fault *f, uint64_t len)
{
    mutex_lock(&f->mu);
    f->limit = len;
    mutex_unlock(&f->mu);
}

uint64_t env_fault_used(struct env_fault *f)
{
    uint64_t used;

    mutex_lock(&f->mu);
    used = f->used;
    mutex_unlock(&f->mu);
    return used;
}

bool env_fault_wait_used_below(struct env_fault *f, uint64_t len)
{
    time_t give_up = time(NULL) + 60;
    bool below;

    mutex_lock(&f->mu);
    while (f->used >= len && time(NULL) < give_up)
        cond_wait_ms(&f->used_less, &f->mu, 1000);
    below = f->used < len;
    mutex_unlock(&f->mu);
    return below;
}

void env_fault_remember_removed(struct env_fault *f)
{
    mutex_lock(&f->mu);
    f->remember_removed = true;
    mutex_unlock(&f->mu);
}

static int rewrite(struct env *base, const char *name, struct slice contents)
{
    struct env_writer *w;
    int err = env_writer_create(base, name, &w), close_err;

    if (err)
        return err;
    err = env_writer_append(w, &contents, 1);
    close_err = env_writer_close(w);
    return err ? err : close_err;
}

/* Let the file lose its unsynced bytes, or some. */
static int crash_bytes(struct env_fault *f, const struct fault_file *file, unsigned flags,
                       struct rng *rng)
{
    uint64_t keep = file->synced_len;
    struct buf b = {0};
    int err;

    if (flags & ENV_FAULT_KEEP_BYTES)
        keep += rng_below(rng, file->len - file->synced_len + 1);
    if (keep == file->len)
        return 0;
    err = env_read_small(f->base, file->name, SIZE_MAX / 2, &b);
    if (!err && keep < b.len) {
        if ((flags & ENV_FAULT_KEEP_LEN) && rng_below(rng, 2))
            memset(b.data + keep, 0, b.len - (size_t)keep);
        else
            b.len = (size_t)keep;
        err = rewrite(f->base, file->name, buf_slice(&b));
    }
    buf_free(&b);
    return err;
}

static int crash_file_locked(struct env_fault *f, const struct fault_file *file, unsigned flags,
                             struct rng *rng) REQUIRES(f->mu)
{
    if (file->removed) {
        if (!(flags & ENV_FAULT_RESURRECT) || file->removal_synced || rng_below(rng, 2) ||
            fault_file_find_locked(f, file->name))
            return 0;
        return rewrite(f->base, file->name, buf_slice(&file->contents));
    }
    if (!file->name_synced && !((flags & ENV_FAULT_KEEP_NAMES) && rng_below(rng, 2)))
        return env_remove(f->base, file->name);
    return crash_bytes(f, file, flags, rng);
}

int env_fault_crash(struct env_fault *f, unsigned flags, uint64_t seed)
{
    struct rng rng = {seed};
    int err = 0;

    mutex_lock(&f->mu);
    if (f->writer_count)
        err = -EBUSY;
    for (struct fault_file *file = f->files; file && !err; file = file->next)
        err = crash_file_locked(f, file, flags, &rng);
    if (!err) {
        free_files_locked(f);
        f->fail_code = 0;
    }
    mutex_unlock(&f->mu);
    return err ? err : env_list(f->base, add_existing, f);
}
