/*
 * The recording environment: its files in memory, and the record. A file that is only read shares
 * its bytes with the image that it came from; so opening a store on one of many disks copies
 * little.
 */
#include "crash/env_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "crash/env_record_impl.h"
#include "lsm/base/check.h"

static char *copy_name(const char *name)
{
    char *copy = name ? strdup(name) : NULL;

    CHECK(!name || copy);
    return copy;
}

void record_add_locked(struct env_record *r, const struct record_op *op)
{
    struct record *rec = &r->record;
    struct record_op *added;

    if (rec->count == rec->cap) {
        rec->cap = rec->cap ? 2 * rec->cap : 256;
        rec->ops = realloc(rec->ops, rec->cap * sizeof(*rec->ops));
        CHECK(rec->ops);
    }
    added = &rec->ops[rec->count++];
    *added = *op;
    added->name = copy_name(op->name);
    added->to = copy_name(op->to);
    if (op->data) {
        added->data = malloc(op->len + 1);
        CHECK(added->data);
        memcpy(added->data, op->data, op->len);
    }
}

/* --- Files --- */

struct memory_file *memory_file_new_locked(struct env_record *r)
{
    struct memory_file *f = calloc(1, sizeof(*f));

    CHECK(f);
    f->refs = 1;
    f->number = r->record.file_count++;
    return f;
}

void memory_file_unref_locked(struct memory_file *f)
{
    if (!f || --f->refs)
        return;
    disk_bytes_unref(f->bytes);
    buf_free(&f->data);
    free(f);
}

static struct slice contents(const struct memory_file *f)
{
    return f->bytes ? slice_of(f->bytes->data, f->bytes->data_len) : buf_slice(&f->data);
}

/* Have data of its own, with at least `len` bytes of it. */
static void make_writable(struct memory_file *f, uint64_t len)
{
    if (f->bytes) {
        CHECK(buf_assign(&f->data, f->bytes->data, f->bytes->data_len) == 0);
        disk_bytes_unref(f->bytes);
        f->bytes = NULL;
    }
    if (f->data.len >= len)
        return;
    CHECK(buf_reserve(&f->data, (size_t)len - f->data.len) == 0);
    memset(f->data.data + f->data.len, 0, (size_t)len - f->data.len);
    f->data.len = (size_t)len;
}

void memory_write_locked(struct env_record *r, struct memory_file *f, uint64_t offset,
                         const struct slice *parts, unsigned part_count)
{
    uint64_t end = offset;

    for (unsigned i = 0; i < part_count; i++)
        end += parts[i].len;
    if (end == offset)
        return;
    make_writable(f, end);
    for (uint64_t i = 0, at = offset; i < part_count; at += parts[i++].len)
        if (parts[i].len)
            memcpy(f->data.data + at, parts[i].data, parts[i].len);
    if (end > f->len)
        f->len = end;
    record_add_locked(r, &(struct record_op){.kind = RECORD_WRITE,
                                             .file = f->number,
                                             .offset = offset,
                                             .len = (size_t)(end - offset),
                                             .data = f->data.data + offset});
}

void memory_zero_locked(struct env_record *r, struct memory_file *f, uint64_t offset, uint64_t len)
{
    record_add_locked(
        r, &(struct record_op){
               .kind = RECORD_WRITE, .file = f->number, .offset = offset, .len = (size_t)len});
}

void memory_set_len_locked(struct env_record *r, struct memory_file *f, uint64_t len)
{
    if (len == f->len)
        return;
    if (len < f->len) {
        make_writable(f, 0);
        if (f->data.len > len)
            f->data.len = (size_t)len;
    }
    f->len = len;
    record_add_locked(r, &(struct record_op){.kind = RECORD_LEN, .file = f->number, .offset = len});
}

size_t memory_read_locked(const struct memory_file *f, uint64_t offset, size_t len, void *buf)
{
    struct slice data = contents(f);
    size_t copied;

    if (offset >= f->len)
        return 0;
    if (len > f->len - offset)
        len = (size_t)(f->len - offset);
    copied = offset >= data.len ? 0 : data.len - (size_t)offset;
    if (copied > len)
        copied = len;
    if (copied)
        memcpy(buf, data.data + offset, copied);
    memset((uint8_t *)buf + copied, 0, len - copied);
    return len;
}

/* --- Names --- */

struct memory_name *memory_find_locked(struct env_record *r, uint32_t dir_number, const char *name)
{
    struct memory_dir *dir = &r->dirs[dir_number];

    for (size_t i = 0; i < dir->count; i++)
        if (strcmp(dir->names[i].name, name) == 0)
            return &dir->names[i];
    return NULL;
}

static void set_name(struct env_record *r, uint32_t dir_number, const char *name,
                     struct memory_file *file) REQUIRES(r->mu)
{
    struct memory_dir *dir = &r->dirs[dir_number];
    struct memory_name *n = memory_find_locked(r, dir_number, name);

    if (file)
        file->refs++;
    if (n && file) {
        memory_file_unref_locked(n->file);
        n->file = file;
    } else if (n) {
        memory_file_unref_locked(n->file);
        free(n->name);
        *n = dir->names[--dir->count];
    } else if (file) {
        if (dir->count == dir->cap) {
            dir->cap = dir->cap ? 2 * dir->cap : 16;
            dir->names = realloc(dir->names, dir->cap * sizeof(*dir->names));
            CHECK(dir->names);
        }
        dir->names[dir->count++] = (struct memory_name){copy_name(name), file};
    }
}

void memory_bind_locked(struct env_record *r, uint32_t dir, const char *name,
                        struct memory_file *file)
{
    set_name(r, dir, name, file);
    record_add_locked(r, &(struct record_op){.kind = RECORD_NAME,
                                             .dir = dir,
                                             .name = (char *)(uintptr_t)name,
                                             .file = file ? file->number : DISK_NO_FILE});
}

/* --- Directories --- */

static void open_dir_locked(struct env_record *r, uint32_t dir, uint32_t parent, const char *path)
    REQUIRES(r->mu)
{
    struct record_env *e = &r->envs[dir];

    r->record.dirs[dir] = (struct record_dir){copy_name(path), parent};
    *e = (struct record_env){.head = {.env = {.ops = &env_record_ops, .path = copy_name(path)},
                                      .calls = &env_record_calls,
                                      .mu = &r->mu},
                             .owner = r,
                             .dir = dir};
}

int memory_make_dir_locked(struct env_record *r, uint32_t parent, const char *path,
                           uint32_t *ret_dir)
{
    uint32_t dir = 0;

    for (; dir < DISK_DIR_MAX && r->record.dirs[dir].path; dir++)
        if (strcmp(r->record.dirs[dir].path, path) == 0)
            return -EEXIST;
    CHECK(dir < DISK_DIR_MAX);
    open_dir_locked(r, dir, parent, path);
    record_add_locked(r, &(struct record_op){.kind = RECORD_MAKE_DIR, .dir = dir});
    *ret_dir = dir;
    return 0;
}

/* --- The whole --- */

static struct disk_image *copy_image(const struct disk_image *d)
{
    struct disk_image *copy = calloc(1, sizeof(*copy));

    CHECK(copy);
    for (size_t i = 0; i < d->file_count; i++)
        disk_image_add_file(copy, disk_bytes_ref(d->files[i]));
    for (uint32_t i = 0; i < DISK_DIR_MAX; i++) {
        if (!d->dirs[i].path)
            continue;
        disk_image_add_dir(copy, i, d->dirs[i].parent, d->dirs[i].path);
        for (size_t k = 0; k < d->dirs[i].count; k++)
            disk_image_add_name(copy, i, d->dirs[i].names[k].name, d->dirs[i].names[k].file);
    }
    return copy;
}

struct env_record *env_record_new(const struct disk_image *base, unsigned flags)
{
    struct env_record *r = calloc(1, sizeof(*r));
    struct memory_file **files = calloc(base->file_count + 1, sizeof(struct memory_file *));

    CHECK(r && files);
    mutex_init(&r->mu);
    cond_init(&r->held_cond);
    mutex_lock(&r->mu);
    r->flags = flags;
    r->record.base = copy_image(base);
    for (size_t i = 0; i < base->file_count; i++) {
        files[i] = memory_file_new_locked(r);
        files[i]->bytes = disk_bytes_ref(base->files[i]);
        files[i]->len = base->files[i]->len;
    }
    for (uint32_t i = 0; i < DISK_DIR_MAX; i++) {
        if (!base->dirs[i].path)
            continue;
        open_dir_locked(r, i, base->dirs[i].parent, base->dirs[i].path);
        for (size_t k = 0; k < base->dirs[i].count; k++)
            set_name(r, i, base->dirs[i].names[k].name, files[base->dirs[i].names[k].file]);
    }
    for (size_t i = 0; i < base->file_count; i++)
        memory_file_unref_locked(files[i]);
    free(files);
    mutex_unlock(&r->mu);
    return r;
}

static void record_free(struct record *rec)
{
    for (size_t i = 0; i < rec->count; i++) {
        free(rec->ops[i].name);
        free(rec->ops[i].to);
        free(rec->ops[i].data);
    }
    free(rec->ops);
    for (uint32_t i = 0; i < DISK_DIR_MAX; i++)
        free(rec->dirs[i].path);
    disk_image_free(rec->base);
}

void env_record_free(struct env_record *r)
{
    if (!r)
        return;
    for (uint32_t i = 0; i < DISK_DIR_MAX; i++) {
        for (size_t k = 0; k < r->dirs[i].count; k++) {
            memory_file_unref_locked(r->dirs[i].names[k].file);
            free(r->dirs[i].names[k].name);
        }
        free(r->dirs[i].names);
        free(r->envs[i].head.env.path);
    }
    record_free(&r->record);
    cond_done(&r->held_cond);
    mutex_done(&r->mu);
    free(r);
}

struct env *env_record_env(struct env_record *r)
{
    return &r->envs[DISK_DIR_STORE].head.env;
}

struct env *env_record_env_of(struct env_record *r, const char *path)
{
    struct env *env = NULL;

    mutex_lock(&r->mu);
    for (uint32_t i = 0; i < DISK_DIR_MAX && !env; i++)
        if (r->record.dirs[i].path && strcmp(r->record.dirs[i].path, path) == 0)
            env = &r->envs[i].head.env;
    mutex_unlock(&r->mu);
    return env;
}

void env_record_hold(struct env_record *r, const char *end)
{
    mutex_lock(&r->mu);
    r->held = end;
    cond_broadcast(&r->held_cond);
    mutex_unlock(&r->mu);
}

static void set_killed(struct env_record *r, bool killed)
{
    mutex_lock(&r->mu);
    r->killed = killed;
    mutex_unlock(&r->mu);
}

void env_record_kill(struct env_record *r)
{
    set_killed(r, true);
}

void env_record_revive(struct env_record *r)
{
    set_killed(r, false);
}

size_t env_record_point(struct env_record *r)
{
    size_t point;

    mutex_lock(&r->mu);
    point = r->record.count;
    mutex_unlock(&r->mu);
    return point;
}

const struct record *env_record_get(struct env_record *r)
{
    return &r->record;
}

struct disk_image *env_record_image(struct env_record *r)
{
    struct disk_image *d = disk_image_new();
    uint32_t *index;

    mutex_lock(&r->mu);
    index = malloc((r->record.file_count + 1) * sizeof(*index));
    CHECK(index);
    memset(index, 0xff, (r->record.file_count + 1) * sizeof(*index));
    for (uint32_t i = DISK_DIR_STORE; i < DISK_DIR_MAX && r->record.dirs[i].path; i++) {
        if (i > DISK_DIR_STORE)
            disk_image_add_dir(d, i, r->record.dirs[i].parent, r->record.dirs[i].path);
        for (size_t k = 0; k < r->dirs[i].count; k++) {
            const struct memory_file *f = r->dirs[i].names[k].file;
            struct slice data = contents(f);

            if (index[f->number] == DISK_NO_FILE)
                index[f->number] =
                    disk_image_add_file(d, disk_bytes_new(data.data, data.len, f->len));
            disk_image_add_name(d, i, r->dirs[i].names[k].name, index[f->number]);
        }
    }
    mutex_unlock(&r->mu);
    free(index);
    return d;
}

uint64_t env_record_used(struct env_record *r)
{
    uint64_t used = 0;

    mutex_lock(&r->mu);
    for (uint32_t i = 0; i < DISK_DIR_MAX; i++)
        for (size_t k = 0; k < r->dirs[i].count; k++)
            used += r->dirs[i].names[k].file->len;
    mutex_unlock(&r->mu);
    return used;
}
