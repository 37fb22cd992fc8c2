/*
 * What calls do to names and contents, in memory.
 */
#include <stdio.h>
#include <string.h>

#include "mount/check.h"
#include "mount/file_pattern.h"
#include "mount/kills/kills.h"

unsigned state_links(const struct state *s, int file)
{
    unsigned count = 0;

    for (unsigned i = 0; i < SLOT_COUNT; i++)
        count += s->slots[i] == file;
    return count;
}

static int unused_file(const struct state *s)
{
    int i = 0;

    while (i < SLOT_COUNT && state_links(s, i) > 0)
        i++;
    /* A name was to be made, so there is a file without one. */
    CHECK_TRUE(i < SLOT_COUNT);
    return i;
}

static void set_size(struct file *f, uint32_t size)
{
    if (size > f->size)
        memset(f->bytes + f->size, 0, size - f->size);
    f->size = size;
}

static void apply_write(struct file *f, const struct op *op, uint32_t len)
{
    static _Thread_local uint8_t pattern[FILE_LEN_MAX];

    if (len == 0)
        return;
    if (f->size < op->offset + len)
        set_size(f, op->offset + len);
    pattern_fill(op->seed, pattern, op->len);
    memcpy(f->bytes + op->offset, pattern, len);
}

static void apply_punch(struct file *f, const struct op *op)
{
    uint32_t end = op->offset + op->len < f->size ? op->offset + op->len : f->size;

    if (op->offset < end)
        memset(f->bytes + op->offset, 0, end - op->offset);
}

static void apply_create(struct state *s, const struct op *op)
{
    int file = unused_file(s);

    s->slots[op->a] = file;
    s->files[file].size = 0;
    s->files[file].mode = 0644;
    s->files[file].mark = 0;
}

/* From the source's beginning. */
static void apply_copy(struct state *s, const struct op *op)
{
    const struct file *from = &s->files[s->slots[op->a]];
    struct file *to = &s->files[s->slots[op->b]];

    if (to->size < op->len)
        set_size(to, op->len);
    memcpy(to->bytes, from->bytes, op->len);
}

static void apply_names(struct state *s, const struct op *op)
{
    int a = s->slots[op->a], b = s->slots[op->b];

    if (op->kind == OP_LINK) {
        s->slots[op->b] = a;
    } else if (op->kind == OP_EXCHANGE) {
        s->slots[op->a] = b;
        s->slots[op->b] = a;
    } else if (op->kind == OP_UNLINK) {
        s->slots[op->a] = -1;
    } else if (a != b) { /* two names of one file: a rename does nothing */
        s->slots[op->b] = a;
        s->slots[op->a] = -1;
    }
}

void state_apply(struct state *s, const struct op *op, uint32_t len)
{
    struct file *f = s->slots[op->a] < 0 ? NULL : &s->files[s->slots[op->a]];

    switch (op->kind) {
    case OP_CREATE:
        apply_create(s, op);
        break;
    case OP_WRITE:
        apply_write(f, op, len);
        break;
    case OP_TRUNCATE:
        set_size(f, op->len);
        break;
    case OP_PUNCH:
        apply_punch(f, op);
        break;
    case OP_CHMOD:
        f->mode = op->seed & 0777;
        break;
    case OP_SETXATTR:
        f->mark = op->seed;
        break;
    case OP_COPY:
        apply_copy(s, op);
        break;
    case OP_RENAME:
    case OP_EXCHANGE:
    case OP_LINK:
    case OP_UNLINK:
        apply_names(s, op);
        break;
    case OP_FSYNC:
    case OP_FSYNC_DIR:
    case OP_KIND_COUNT:
        break;
    }
}

static const char *compare_files(const struct file *want, const struct file *found)
{
    if (want->size != found->size)
        return "a length";
    if (want->mode != found->mode)
        return "a mode";
    if (want->mark != found->mark)
        return "an extended attribute";
    return memcmp(want->bytes, found->bytes, want->size) == 0 ? NULL : "contents";
}

const char *state_compare(const struct state *want, const struct state *found)
{
    for (unsigned i = 0; i < SLOT_COUNT; i++) {
        const char *what;

        if ((want->slots[i] < 0) != (found->slots[i] < 0))
            return "a name";
        for (unsigned j = 0; j < i; j++)
            if ((want->slots[i] == want->slots[j]) != (found->slots[i] == found->slots[j]))
                return "which names are of one file";
        if (want->slots[i] < 0)
            continue;
        what = compare_files(&want->files[want->slots[i]], &found->files[found->slots[i]]);
        if (what)
            return what;
    }
    return NULL;
}

/* What is chosen needs a file at a; b is another slot, empty or not. */
static bool is_possible(const struct state *s, const struct op *op)
{
    bool has_a = s->slots[op->a] >= 0, has_b = s->slots[op->b] >= 0;

    switch (op->kind) {
    case OP_CREATE:
        return !has_a;
    case OP_LINK:
        return has_a && !has_b;
    case OP_EXCHANGE:
        return has_a && has_b;
    case OP_COPY:
        return has_a && has_b && s->slots[op->a] != s->slots[op->b] &&
               s->files[s->slots[op->a]].size > 0;
    case OP_FSYNC_DIR:
        return true;
    default:
        return has_a;
    }
}

bool is_sync(enum op_kind kind)
{
    return kind == OP_FSYNC || kind == OP_FSYNC_DIR;
}

static const enum op_kind mix[] = {
    OP_CREATE, OP_CREATE,   OP_CREATE, OP_WRITE,  OP_WRITE,    OP_WRITE,  OP_WRITE,
    OP_WRITE,  OP_TRUNCATE, OP_PUNCH,  OP_RENAME, OP_RENAME,   OP_RENAME, OP_EXCHANGE,
    OP_LINK,   OP_UNLINK,   OP_CHMOD,  OP_COPY,   OP_SETXATTR, OP_FSYNC,  OP_FSYNC_DIR};

void op_choose(const struct state *s, bool seldom_syncs, uint64_t *random, struct op *op)
{
    static const uint32_t lens[] = {10, 3000, 20000, FILE_LEN_MAX};

    do {
        op->kind = mix[pattern_next(random) % (sizeof(mix) / sizeof(mix[0]))];
        op->a = (unsigned)(pattern_next(random) % SLOT_COUNT);
        op->b = (op->a + 1 + (unsigned)(pattern_next(random) % (SLOT_COUNT - 1))) % SLOT_COUNT;
    } while (!is_possible(s, op) ||
             (seldom_syncs && is_sync(op->kind) && pattern_next(random) % 16 != 0));
    op->seed = pattern_next(random) | 1;
    op->len = 1 + (uint32_t)(pattern_next(random) % lens[pattern_next(random) % 4]);
    op->offset = (uint32_t)(pattern_next(random) % (FILE_LEN_MAX - op->len + 1));
    if (op->kind == OP_WRITE && op->seed & 2) { /* near the end, so that files don't fill up */
        uint32_t size = s->files[s->slots[op->a]].size;

        op->offset = size < FILE_LEN_MAX - op->len ? size : FILE_LEN_MAX - op->len;
    }
    if (op->kind == OP_COPY && op->len > s->files[s->slots[op->a]].size)
        op->len = s->files[s->slots[op->a]].size;
}

void op_print(unsigned number, const struct op *op)
{
    static const char *const names[OP_KIND_COUNT] = {"create",
                                                     "write",
                                                     "truncate",
                                                     "punch",
                                                     "rename",
                                                     "exchange",
                                                     "link",
                                                     "unlink",
                                                     "chmod",
                                                     "setxattr",
                                                     "copy from",
                                                     "fsync",
                                                     "fsync of a directory"};

    printf("  call %u: %s slot %u (%u), offset %u, length %u, seed %llx\n", number, names[op->kind],
           op->a, op->b, op->offset, op->len, (unsigned long long)op->seed);
}
