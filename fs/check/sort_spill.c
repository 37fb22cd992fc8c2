/*
 * An external merge sort. Items are collected in an array that takes half of the budget; qsort may
 * take as much again. A full array is sorted and appended to the temporary file as a *run*. At the
 * end the runs are merged, as many at once as the budget has buffers for, until there is one.
 *
 * The merge writes behind what it reads, so the file grows to twice the items; the space of runs
 * that were read is given back where the disk can do that.
 *
 * Items that fit into the array never touch the disk. The file has lost its name before the first
 * byte is written: whatever ends the process, nothing is left behind.
 */
#include "fs/check/sort_spill.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lsm/base/check.h"
#include "lsm/base/err.h"

enum {
    BUFFER_LEN = 64 << 10, /* of a run that is read or written; a window of sort_spill_get */
    JUMP_LEN = 4 << 10,    /* a window behind a jump */
};

/* Items that stand in order in the file. */
struct run {
    uint64_t offset; /* bytes */
    uint64_t count;
};

struct sort_spill {
    struct sort_spill_options options;
    char dir[256];
    uint64_t count;

    uint8_t *items; /* the array; freed when the file has everything */
    size_t item_count, item_cap, item_max;

    int fd; /* -1: nothing was spilled */
    uint64_t file_len;
    struct run *runs;
    size_t run_count, run_cap;

    /* After finish, with a file. */
    uint8_t *window;
    uint64_t window_first, window_count; /* places */
};

/* --- The file --- */

static int disk_error(const struct sort_spill *s, const char *what, int errnum)
{
    return err_raise(errnum, "cannot %s a temporary file in %s: %s", what, s->dir,
                     strerror(errnum));
}

static int open_file(struct sort_spill *s)
{
    char path[300];
    int fd = open(s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) {
        snprintf(path, sizeof(path), "%s/fluxfs-sort-XXXXXX", s->dir);
        fd = mkostemp(path, O_CLOEXEC);
        if (fd < 0)
            return disk_error(s, "make", errno);
        unlink(path);
    }
    s->fd = fd;
    return 0;
}

static int write_at(struct sort_spill *s, const uint8_t *data, size_t len, uint64_t offset)
{
    while (len) {
        ssize_t n = pwrite(s->fd, data, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return disk_error(s, "write", n ? errno : ENOSPC);
        data += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

static int read_at(struct sort_spill *s, uint8_t *data, size_t len, uint64_t offset)
{
    while (len) {
        ssize_t n = pread(s->fd, data, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return disk_error(s, "read", n ? errno : EIO);
        data += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

/* --- Collecting --- */

int sort_spill_new(const struct sort_spill_options *options, struct sort_spill **ret)
{
    struct sort_spill *s = calloc(1, sizeof(*s));
    const char *dir = getenv("TMPDIR");

    if (!s)
        return -ENOMEM;
    s->options = *options;
    if (s->options.memory_len < SORT_SPILL_MEMORY_MIN)
        s->options.memory_len = SORT_SPILL_MEMORY_MIN;
    s->item_max = s->options.memory_len / 2 / options->item_len;
    s->fd = -1;
    snprintf(s->dir, sizeof(s->dir), "%s", dir && *dir ? dir : "/tmp");
    *ret = s;
    return 0;
}

void sort_spill_free(struct sort_spill *s)
{
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    free(s->items);
    free(s->runs);
    free(s->window);
    free(s);
}

static void sort_items(struct sort_spill *s)
{
    if (s->options.compare && s->item_count)
        qsort(s->items, s->item_count, s->options.item_len, s->options.compare);
}

static int add_run(struct sort_spill *s, struct run run)
{
    if (s->run_count == s->run_cap) {
        size_t cap = s->run_cap ? s->run_cap * 2 : 64;
        struct run *grown = reallocarray(s->runs, cap, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        s->runs = grown;
        s->run_cap = cap;
    }
    s->runs[s->run_count++] = run;
    return 0;
}

/* Move the array into the file, as a run. */
static int spill(struct sort_spill *s)
{
    size_t len = s->item_count * s->options.item_len;
    int err = s->fd < 0 ? open_file(s) : 0;

    if (err)
        return err;
    sort_items(s);
    err = write_at(s, s->items, len, s->file_len);
    if (!err && !s->options.compare && s->run_count)
        s->runs[0].count += s->item_count; /* it goes on where the last one ended */
    else if (!err)
        err = add_run(s, (struct run){s->file_len, s->item_count});
    s->file_len += len;
    s->item_count = 0;
    return err;
}

static int grow(struct sort_spill *s)
{
    size_t cap = s->item_cap ? s->item_cap * 2 : 1024;
    uint8_t *grown;

    if (cap > s->item_max)
        cap = s->item_max;
    grown = reallocarray(s->items, cap, s->options.item_len);
    if (!grown)
        return -ENOMEM;
    s->items = grown;
    s->item_cap = cap;
    return 0;
}

int sort_spill_add(struct sort_spill *s, const void *item)
{
    int err = 0;

    if (s->item_count == s->item_max)
        err = spill(s);
    else if (s->item_count == s->item_cap)
        err = grow(s);
    if (err)
        return err;
    memcpy(s->items + s->item_count++ * s->options.item_len, item, s->options.item_len);
    s->count++;
    return 0;
}

/* --- Merging --- */

/* A run that is being read. */
struct input {
    struct run left; /* in the file */
    uint8_t *buffer;
    size_t at, count; /* items in the buffer */
};

struct merge {
    struct sort_spill *s;
    struct input *inputs;
    size_t *heap; /* indexes of inputs, the smallest item first */
    size_t input_count, heap_count;
    size_t buffer_items;
    uint8_t *memory, *out;
    size_t out_count;
    uint64_t out_offset;
};

static const uint8_t *head(const struct merge *m, size_t input)
{
    return m->inputs[input].buffer + m->inputs[input].at * m->s->options.item_len;
}

/* 1 when the input has an item, 0 at its end. */
static int fill(struct merge *m, struct input *in)
{
    size_t n = in->left.count < m->buffer_items ? (size_t)in->left.count : m->buffer_items;
    int err;

    if (!n)
        return 0;
    err = read_at(m->s, in->buffer, n * m->s->options.item_len, in->left.offset);
    if (err)
        return err;
    /* The disk may have the space back; it does not matter when it will not. */
    (void)fallocate(m->s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)in->left.offset,
                    (off_t)(n * m->s->options.item_len));
    in->left.offset += n * m->s->options.item_len;
    in->left.count -= n;
    in->at = 0;
    in->count = n;
    return 1;
}

static void sift_down(struct merge *m, size_t at)
{
    for (;;) {
        size_t least = at, child = at * 2 + 1, tmp;

        for (size_t i = child; i < child + 2 && i < m->heap_count; i++) {
            if (m->s->options.compare(head(m, m->heap[i]), head(m, m->heap[least])) < 0)
                least = i;
        }
        if (least == at)
            return;
        tmp = m->heap[at];
        m->heap[at] = m->heap[least];
        m->heap[least] = tmp;
        at = least;
    }
}

static int flush_out(struct merge *m)
{
    size_t len = m->out_count * m->s->options.item_len;
    int err = write_at(m->s, m->out, len, m->out_offset);

    m->out_offset += len;
    m->out_count = 0;
    return err;
}

static int merge_items(struct merge *m)
{
    size_t item_len = m->s->options.item_len;
    int err = 0;

    while (!err && m->heap_count) {
        struct input *in = &m->inputs[m->heap[0]];
        int more = 1;

        memcpy(m->out + m->out_count++ * item_len, head(m, m->heap[0]), item_len);
        if (++in->at == in->count)
            more = fill(m, in);
        if (more < 0)
            return more;
        if (!more)
            m->heap[0] = m->heap[--m->heap_count];
        sift_down(m, 0);
        if (m->out_count == m->buffer_items)
            err = flush_out(m);
    }
    return err ? err : flush_out(m);
}

static int merge_open(struct merge *m, size_t run_count)
{
    size_t item_len = m->s->options.item_len;

    m->buffer_items = BUFFER_LEN / item_len ? BUFFER_LEN / item_len : 1;
    m->inputs = calloc(run_count, sizeof(*m->inputs));
    m->heap = calloc(run_count, sizeof(*m->heap));
    m->memory = reallocarray(NULL, run_count + 1, m->buffer_items * item_len);
    if (!m->inputs || !m->heap || !m->memory)
        return -ENOMEM;
    m->out = m->memory + run_count * m->buffer_items * item_len;
    for (size_t i = 0; i < run_count; i++) {
        int more;

        m->inputs[i].left = m->s->runs[i];
        m->inputs[i].buffer = m->memory + i * m->buffer_items * item_len;
        more = fill(m, &m->inputs[i]);
        if (more < 0)
            return more;
        if (more)
            m->heap[m->heap_count++] = i;
    }
    for (size_t i = m->heap_count / 2; i-- > 0;)
        sift_down(m, i);
    return 0;
}

/* Merge the first runs into one, which comes last. */
static int merge_runs(struct sort_spill *s, size_t run_count)
{
    struct merge m = {.s = s, .input_count = run_count, .out_offset = s->file_len};
    struct run out = {s->file_len, 0};
    int err = merge_open(&m, run_count);

    for (size_t i = 0; i < run_count; i++)
        out.count += s->runs[i].count;
    if (!err)
        err = merge_items(&m);
    free(m.inputs);
    free(m.heap);
    free(m.memory);
    if (err)
        return err;
    s->file_len = m.out_offset;
    memmove(s->runs, s->runs + run_count, (s->run_count - run_count) * sizeof(*s->runs));
    s->run_count -= run_count;
    return add_run(s, out);
}

int sort_spill_finish(struct sort_spill *s)
{
    size_t fan_in = s->options.memory_len / BUFFER_LEN - 1;
    int err = 0;

    if (s->fd < 0) {
        sort_items(s);
        return 0;
    }
    if (s->item_count)
        err = spill(s);
    free(s->items);
    s->items = NULL;
    while (!err && s->run_count > 1)
        err = merge_runs(s, s->run_count < fan_in ? s->run_count : fan_in);
    s->window = malloc(BUFFER_LEN > s->options.item_len ? BUFFER_LEN : s->options.item_len);
    return err ? err : s->window ? 0 : -ENOMEM;
}

uint64_t sort_spill_count(const struct sort_spill *s)
{
    return s->count;
}

/* --- Asking --- */

/* Long where places are asked for one after the other, short where they jump. */
static int move_window(struct sort_spill *s, uint64_t place)
{
    bool follows = place == s->window_first + s->window_count || place + 1 == s->window_first;
    size_t len = follows ? BUFFER_LEN : JUMP_LEN;
    uint64_t items = len / s->options.item_len ? len / s->options.item_len : 1;
    uint64_t first = place / items * items;
    uint64_t n = s->count - first < items ? s->count - first : items;
    int err = read_at(s, s->window, (size_t)(n * s->options.item_len),
                      s->runs[0].offset + first * s->options.item_len);

    if (err)
        return err;
    s->window_first = first;
    s->window_count = n;
    return 0;
}

int sort_spill_get(struct sort_spill *s, uint64_t place, const void **ret)
{
    int err;

    CHECK(place < s->count);
    if (s->fd < 0) {
        *ret = s->items + place * s->options.item_len;
        return 0;
    }
    if (place < s->window_first || place >= s->window_first + s->window_count) {
        err = move_window(s, place);
        if (err)
            return err;
    }
    *ret = s->window + (place - s->window_first) * s->options.item_len;
    return 0;
}
