/*
 * What losses mean, in words, with the paths of files; and the marks that keep lost blocks from
 * being read.
 *
 * The paths of files are found by one pass over all names: those of what is lost and of directories
 * are kept, within the checker's budget of memory. Where names are lost as well, numbers stand for
 * paths.
 */
#include <stdio.h>

#include "fs/check/check_impl.h"
#include "fs/check/loss.h"
#include "fs/lost_mark.h"

enum {
    MARKS_PER_BATCH = 1 << 18
};

struct teller {
    struct check check; /* for names and paths only */
    struct check_result unused;
    const struct check_options *options;
    struct check_result *result;
    const struct lost_list *lost;
};

/* --- Paths --- */

static bool is_wanted(const struct lost_list *l, uint64_t ino)
{
    size_t low = 0, high = l->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (l->items[mid].ino < ino)
            low = mid + 1;
        else
            high = mid;
    }
    return low < l->count && l->items[low].ino == ino;
}

static int collect_names(struct teller *t)
{
    struct check *c = &t->check;
    struct check_stream s;
    int err = check_stream_open(c, KEY_DIRENT, &s);

    for (; !err && s.ino != CHECK_INO_NONE; err = check_stream_next(&s)) {
        struct check_entry entry;
        uint64_t ino = s.value.len == DIRENT_VALUE_LEN ? get_le64(s.value.data) : 0;

        /* Directories are on the way to what is wanted. */
        if (!ino || ino >= CHECK_INO_END || s.key.len < KEY_DIRENT_HEAD_LEN ||
            (s.value.data[8] != S_IFDIR >> 12 && !is_wanted(t->lost, ino)))
            continue;
        entry = (struct check_entry){ino << 4 | (s.value.data[8] & 0xf), s.ino,
                                     get_be64(s.key.data + KEY_INODE_LEN)};
        err = sort_spill_add(c->entries, &entry);
        if (err)
            break;
    }
    check_stream_done(&s);
    if (!err)
        err = sort_spill_finish(c->entries);
    c->names_known = !err;
    return err;
}

/* --- Words --- */

/* The last byte of a block that the file has; the block's own end where its length is not known. */
static uint64_t last_byte(struct teller *t, const struct lost *l)
{
    uint64_t end = (l->last + 1) * t->lost->block_len;
    struct lsm_value v;
    struct inode in;
    struct key k;

    key_ino(&k, KEY_INODE, l->ino);
    if (lsm_get(t->check.db, NULL, k.data, k.len, &v))
        return end - 1;
    if (!inode_decode(l->ino, v.data, v.len, &in) && in.size && in.size < end)
        end = in.size;
    lsm_value_done(&v);
    return end - 1;
}

static void tell_one(struct teller *t, const struct lost *l)
{
    static const char *const words[] = {
        [LOST_BLOCKS] = "bytes %llu to %llu are lost",
        [OLD_BLOCKS] = "bytes %llu to %llu may be older than they should be, in part",
        [OLD_INODE] = "owner, permissions, times and length may be older than they should be",
        [OLD_ENTRIES] = "entries of this directory may be missing or older than they should be",
        [OLD_XATTRS] = "extended attributes may be older than they should be",
        [LOST_XATTRS] = "an extended attribute is lost",
    };
    bool contents = l->kind == LOST_BLOCKS || l->kind == OLD_BLOCKS;
    char text[160];
    struct check_problem p = {
        .kind = l->kind == LOST_BLOCKS || l->kind == LOST_XATTRS ? CHECK_LOST : CHECK_OLD,
        .ino = l->ino,
        .has_bytes = contents,
        .text = text,
    };

    t->result->problem_count++;
    t->result->problems[p.kind]++;
    if (!t->options->problem ||
        (t->options->problem_max && t->result->problem_count > t->options->problem_max))
        return;
    if (contents) {
        p.first_byte = l->first * t->lost->block_len;
        p.last_byte = last_byte(t, l);
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof(text), words[l->kind], (unsigned long long)p.first_byte,
             (unsigned long long)p.last_byte);
#pragma GCC diagnostic pop
    if (check_path(&t->check, l->ino, NULL))
        p.path = (const char *)t->check.path.data;
    t->options->problem(t->options->arg, &p);
}

int lost_tell(struct lsm_db *db, const struct lost_list *lost, const struct check_options *options,
              struct check_result *result)
{
    const struct check_options quiet = {.memory_len = options->memory_len};
    struct teller t = {
        .check = {.db = db, .options = &quiet}, .options = options, .result = result, .lost = lost};
    int err;

    if (!lost->count)
        return 0;
    t.check.result = &t.unused;
    err = check_lists_new(&t.check);
    if (!err)
        err = collect_names(&t);
    for (size_t i = 0; i < lost->count && !err; i++)
        tell_one(&t, &lost->items[i]);
    check_lists_free(&t.check);
    buf_free(&t.check.path);
    buf_free(&t.check.dir_path);
    return err;
}

/* --- Marks --- */

static int write_marks(struct lsm_db *db, struct lsm_batch *b)
{
    int err = lsm_batch_count(b) ? lsm_write(db, b, LSM_WRITE_SYNC) : 0;

    lsm_batch_clear(b);
    return err;
}

int lost_mark_blocks(struct lsm_db *db, const struct lost_list *lost)
{
    struct lsm_batch *b;
    int err = lsm_batch_new(&b);

    for (size_t i = 0; i < lost->count && !err; i++) {
        const struct lost *l = &lost->items[i];

        for (uint64_t n = l->first; l->kind == LOST_BLOCKS && n <= l->last && !err; n++) {
            err = block_mark_lost(b, l->ino, n, lost->block_len);
            if (!err && lsm_batch_count(b) >= MARKS_PER_BATCH)
                err = write_marks(db, b);
        }
    }
    if (!err)
        err = write_marks(db, b);
    lsm_batch_free(b);
    return err;
}
