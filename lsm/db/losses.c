/*
 * Losses: what a repair could not save, written down for whoever knows what the keys mean. Format:
 * lsm/FORMAT.md, "Losses".
 *
 * The file is replaced as a whole before the repair's switch of CURRENT. So a crash leaves losses
 * that have not happened yet, which the next repair finds again and appends once more, but never a
 * repaired store that does not know what it lost.
 */
#include "lsm/db/losses.h"

#include <stdio.h>
#include <xxhash.h>

#include "lsm/base/checksum.h"
#include "lsm/table/bloom.h"
#include "lsm/table/sst_salvage.h"

enum {
    RECORD_CHECKSUM = 0,
    RECORD_PAYLOAD_LEN = 8,
    RECORD_HEAD_LEN = 12,
    LOSSES_LEN_MAX = 1 << 30,
};

/* Which filter a record has. */
enum {
    FILTER_NONE,
    FILTER_OWN,
    FILTER_SAME, /* as the record before it */
};

static const char file_name[] = "LOSSES";
static const uint8_t magic[8] = {'F', 'L', 'U', 'X', 'L', 'O', 'S', '1'};

/* --- Records --- */

static int put_prefixed(struct buf *b, const void *data, size_t len)
{
    int err = buf_put_varint64(b, len);

    return err ? err : buf_append(b, data, len);
}

/* A bound: 0, or 1 and the key. */
static int put_bound(struct buf *b, const void *key, size_t len)
{
    int err = buf_put_varint64(b, key != NULL);

    return err || !key ? err : put_prefixed(b, key, len);
}

static int put_filter(struct losses *l, struct buf *b, const struct lsm_loss *loss)
{
    struct slice filter = slice_of(loss->filter, loss->filter_len);
    bool same = loss->filter && slice_eq(filter, buf_slice(&l->last_filter));
    int err = buf_put_varint64(b, !loss->filter ? FILTER_NONE : same ? FILTER_SAME : FILTER_OWN);

    if (!err && loss->filter && !same)
        err = put_prefixed(b, filter.data, filter.len);
    return err ? err : buf_assign(&l->last_filter, filter.data, filter.len);
}

static int put_payload(struct losses *l, struct buf *b, const struct lsm_loss *loss)
{
    const uint64_t numbers[] = {loss->kind,      (uint64_t)(loss->level + 1),
                                loss->offset,    loss->len,
                                loss->seqno_min, loss->seqno_max};
    int err = 0;

    for (size_t i = 0; !err && i < sizeof(numbers) / sizeof(numbers[0]); i++)
        err = buf_put_varint64(b, numbers[i]);
    if (!err)
        err = put_prefixed(b, loss->file, strlen(loss->file));
    if (!err)
        err = put_bound(b, loss->first, loss->first_len);
    if (!err)
        err = put_bound(b, loss->last, loss->last_len);
    return err ? err : put_filter(l, b, loss);
}

int losses_add(struct losses *l, const struct lsm_loss *loss)
{
    size_t at = l->bytes.len;
    int err = buf_reserve(&l->bytes, RECORD_HEAD_LEN);
    uint8_t *head;

    if (err)
        return err;
    memset(l->bytes.data + at, 0, RECORD_HEAD_LEN);
    l->bytes.len += RECORD_HEAD_LEN;
    err = put_payload(l, &l->bytes, loss);
    if (err) {
        l->bytes.len = at;
        return err;
    }
    head = l->bytes.data + at;
    put_le32(head + RECORD_PAYLOAD_LEN, (uint32_t)(l->bytes.len - at - RECORD_HEAD_LEN));
    put_le64(head + RECORD_CHECKSUM,
             XXH3_64bits(head + RECORD_PAYLOAD_LEN, l->bytes.len - at - RECORD_PAYLOAD_LEN));
    l->count++;
    return 0;
}

void losses_done(struct losses *l)
{
    buf_free(&l->bytes);
    buf_free(&l->last_filter);
    l->count = 0;
}

static bool take_bound(struct slice *in, const void **ret, size_t *ret_len)
{
    uint64_t there;
    struct slice key;

    if (!take_varint64(in, &there) || there > 1)
        return false;
    if (!there)
        return true;
    if (!take_prefixed(in, &key))
        return false;
    *ret = key.data;
    *ret_len = key.len;
    return true;
}

/* The first payload of *in, which is cut off; false when it is damaged. */
static bool take_record(struct slice *in, struct slice *ret_payload)
{
    struct slice head;
    uint64_t checksum;

    if (!take_bytes(in, RECORD_HEAD_LEN, &head))
        return false;
    checksum = get_le64(head.data + RECORD_CHECKSUM);
    return take_bytes(in, get_le32(head.data + RECORD_PAYLOAD_LEN), ret_payload) &&
           checksum_matches(checksum,
                            XXH3_64bits(head.data + RECORD_PAYLOAD_LEN, ret_payload->len + 4));
}

/* *filter: that of the record before, and then of this one. */
static bool decode(struct slice in, struct slice *filter, char file[64], struct lsm_loss *ret)
{
    uint64_t kind, level, which;
    struct slice name;

    *ret = (struct lsm_loss){.file = file};
    if (!take_varint64(&in, &kind) || !take_varint64(&in, &level) ||
        !take_varint64(&in, &ret->offset) || !take_varint64(&in, &ret->len) ||
        !take_varint64(&in, &ret->seqno_min) || !take_varint64(&in, &ret->seqno_max) ||
        !take_prefixed(&in, &name) || !take_bound(&in, &ret->first, &ret->first_len) ||
        !take_bound(&in, &ret->last, &ret->last_len) || !take_varint64(&in, &which))
        return false;
    if (kind < LSM_LOSS_ENTRIES || kind > LSM_LOSS_FACTS || level > LEVEL_COUNT || name.len >= 64)
        return false;
    if (level && ret->seqno_max > SEQNO_MAX) /* of a table everything is known */
        return false;
    if (which == FILTER_NONE)
        *filter = slice_of(NULL, 0);
    else if (which == FILTER_OWN ? !take_prefixed(&in, filter) : which != FILTER_SAME)
        return false;
    memcpy(file, name.data, name.len);
    file[name.len] = 0;
    ret->kind = (enum lsm_loss_kind)kind;
    ret->level = (int)level - 1;
    ret->filter = filter->len ? filter->data : NULL;
    ret->filter_len = filter->len;
    return true;
}

/* --- The file --- */

static int read_file(struct env *env, struct buf *ret)
{
    int err = env_read_small(env, file_name, LOSSES_LEN_MAX, ret);

    /* There is none: an empty one. */
    return err == -ENOENT ? buf_assign(ret, magic, sizeof(magic)) : err;
}

int losses_write(struct env *env, const struct losses *l)
{
    struct buf file = {0};
    int err;

    if (!l->count)
        return 0;
    err = read_file(env, &file);
    if (!err)
        err = buf_append(&file, l->bytes.data, l->bytes.len);
    if (!err)
        err = env_replace_small(env, file_name, buf_slice(&file));
    buf_free(&file);
    return err;
}

static int read_records(struct slice in, int (*each)(void *arg, const struct lsm_loss *loss),
                        void *arg)
{
    struct slice filter = {0}, head, payload;
    struct lsm_loss loss;
    char file[64];
    int count = 0, err;

    if (!take_bytes(&in, sizeof(magic), &head) || memcmp(head.data, magic, sizeof(magic)))
        in = slice_of("?", 1);
    while (in.len) {
        bool whole = take_record(&in, &payload) && decode(payload, &filter, file, &loss);

        if (!whole) {
            loss = loss_of_kind(LSM_LOSS_ORDER, file_name);
            in.len = 0;
        }
        count++;
        err = each ? each(arg, &loss) : 0;
        if (err)
            return err;
    }
    return count;
}

int losses_read(struct env *env, int (*each)(void *arg, const struct lsm_loss *loss), void *arg)
{
    struct buf file = {0};
    int err = read_file(env, &file);

    if (!err)
        err = read_records(buf_slice(&file), each, arg);
    buf_free(&file);
    return err;
}

int losses_copy(struct env *from, struct env *to)
{
    struct buf file = {0};
    int err = env_read_small(from, file_name, LOSSES_LEN_MAX, &file);

    if (!err)
        err = env_replace_small(to, file_name, buf_slice(&file));
    buf_free(&file);
    return err == -ENOENT ? 0 : err;
}

int losses_remove(struct env *env)
{
    int err = env_remove(env, file_name);

    if (err == -ENOENT)
        return 0;
    return err ? err : env_sync_dir(env);
}

/* --- Of a table --- */

static void set_range(struct lsm_loss *loss, struct slice first, struct slice last)
{
    loss->first = first.data;
    loss->first_len = first.len;
    loss->last = last.data;
    loss->last_len = last.len;
}

/*
 * Where nothing was read before the damage, it begins at offset 0: so the first key tells whether
 * it was read itself (losses_covered.c).
 */
static int tell_entries(struct lsm_loss loss, bool first_read,
                        int (*each)(void *arg, const struct lsm_loss *loss), void *arg)
{
    if (!first_read) {
        loss.len += loss.offset;
        loss.offset = 0;
    }
    return each(arg, &loss);
}

int losses_each_of_table(const struct sst_loss *sst_loss, const char *file, int level,
                         const struct table_meta *old,
                         int (*each)(void *arg, const struct lsm_loss *loss), void *arg)
{
    struct lsm_loss loss = loss_of_kind(LSM_LOSS_ENTRIES, file);
    struct slice smallest = {0}, largest = {0};
    int err = 0;

    loss.offset = sst_loss->offset;
    loss.len = sst_loss->len;
    loss.level = level;
    if (old) {
        smallest = old->smallest;
        largest = old->largest;
        loss.seqno_min = old->stats.seqno_min;
        loss.seqno_max = old->stats.seqno_max;
    }
    set_range(&loss, sst_loss->from ? *sst_loss->from : smallest,
              sst_loss->to ? *sst_loss->to : largest);
    if (sst_loss->filter) {
        loss.filter = sst_loss->filter->data;
        loss.filter_len = sst_loss->filter->len;
    }
    if (sst_loss->entries)
        err = tell_entries(loss, sst_loss->from != NULL, each, arg);
    loss.kind = LSM_LOSS_DELETIONS;
    /* What was read before the damage says nothing of the keys that tombstones covered. */
    set_range(&loss, smallest, largest);
    loss.filter = NULL;
    loss.filter_len = 0;
    if (!err && sst_loss->deletions)
        err = each(arg, &loss);
    return err;
}

/* --- The API --- */

int lsm_losses(struct lsm_db *db, int (*each)(void *arg, const struct lsm_loss *loss), void *arg)
{
    err_clear();
    return losses_read(db->env, each, arg);
}

int lsm_losses_forget(struct lsm_db *db)
{
    err_clear();
    if (db->options.read_only)
        return err_raise(ERR_READ_ONLY, "%s: the store is open read-only", db->env->path);
    return losses_remove(db->env);
}

bool lsm_loss_concerns(const struct lsm_loss *loss, const void *key, size_t key_len)
{
    struct slice k = slice_of(key, key_len);

    if (loss->kind == LSM_LOSS_FACTS ||
        (loss->first && slice_cmp(k, slice_of(loss->first, loss->first_len)) < 0) ||
        (loss->last && slice_cmp(k, slice_of(loss->last, loss->last_len)) > 0))
        return false;
    return !loss->filter ||
           bloom_may_contain(slice_of(loss->filter, loss->filter_len), bloom_hash(k));
}
