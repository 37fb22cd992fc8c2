/*
 * A stream of keys of one tag that survives damage. When a move fails because bytes are damaged,
 * the stream looks for the nearest key behind the damage that can be read, in steps that double,
 * and notes the inodes in between: what they seem to lack proves nothing.
 */
#include "fs/check/check_impl.h"

enum {
    HOLE_COUNT_MAX = 1000 /* then the rest of the stream counts as lost */
};

/* Take in the key that the iterator stands on; false when it is no key of its tag. */
static bool take_key(struct check_stream *s)
{
    size_t key_len, value_len;
    const void *key = lsm_iter_key(s->it, &key_len);
    const void *value = lsm_iter_value(s->it, &value_len);

    s->key = slice_of(key, key_len);
    s->value = slice_of(value, value_len);
    if (key_len < KEY_INODE_LEN)
        return false;
    s->ino = get_be64(s->key.data + 1);
    return s->ino > 0 && s->ino < CHECK_INO_END;
}

static int seek(struct check_stream *s, uint64_t ino, uint64_t second)
{
    struct key k;

    key_block(&k, ino, second);
    k.data[0] = (uint8_t)s->tag;
    return lsm_iter_seek(s->it, k.data, k.len);
}

/*
 * Within inode ino: the nearest place behind `second` that can be read, by doubling steps, then by
 * halving the last one. The answer is that of the last seek.
 */
static int seek_within(struct check_stream *s, uint64_t ino, uint64_t second)
{
    uint64_t bad = second, good = 0;
    int rc = -ERR_SST_BLOCK_CHECKSUM;

    for (unsigned i = 0; i < 63 && UINT64_MAX - second >= UINT64_C(1) << i && !good; i++) {
        rc = seek(s, ino, second + (UINT64_C(1) << i));
        if (!lsm_is_damage(rc))
            good = second + (UINT64_C(1) << i);
        else
            bad = second + (UINT64_C(1) << i);
    }
    if (!good || rc < 0)
        return rc;
    while (good - bad > 1) {
        uint64_t mid = bad + (good - bad) / 2;

        rc = seek(s, ino, mid);
        if (rc < 0 && !lsm_is_damage(rc))
            return rc;
        if (rc < 0)
            bad = mid;
        else
            good = mid;
    }
    return seek(s, ino, good);
}

/* Seek behind (ino, second), in this inode or in a later one. */
static int seek_behind(struct check_stream *s, uint64_t ino, uint64_t second)
{
    bool has_second = s->tag == KEY_BLOCK || s->tag == KEY_DIRENT;
    int rc = has_second ? seek_within(s, ino, second) : -ERR_SST_BLOCK_CHECKSUM;

    if (!lsm_is_damage(rc))
        return rc;
    for (unsigned i = 0; i < 52; i++) {
        uint64_t next = ino + (UINT64_C(1) << i);

        rc = seek(s, next, 0);
        if (lsm_is_damage(rc) && has_second)
            rc = seek_within(s, next, 0);
        if (!lsm_is_damage(rc))
            return rc;
    }
    return rc;
}

/* The stream failed behind key (ino, second). Returns as a move of an iterator does. */
static int recover(struct check_stream *s, uint64_t ino, uint64_t second)
{
    int rc = check_found(s->check, &(struct check_finding){.kind = CHECK_UNREADABLE}, "%s",
                         lsm_detail());

    if (rc)
        return rc;
    s->has_hole = true;
    s->hole_first = ino;
    s->hole_last = CHECK_INO_NONE;
    if (++s->hole_count > HOLE_COUNT_MAX) {
        s->gave_up = true;
        return 0;
    }
    rc = seek_behind(s, ino, second);
    if (lsm_is_damage(rc)) {
        s->gave_up = true;
        return 0;
    }
    if (rc == 1) {
        size_t len;
        const uint8_t *key = lsm_iter_key(s->it, &len);

        if (len >= KEY_INODE_LEN)
            s->hole_last = get_be64(key + 1);
    }
    return rc;
}

/* Settle on the next good key after a move that returned rc. */
static int settle(struct check_stream *s, uint64_t ino, uint64_t second, int rc)
{
    for (;;) {
        if (lsm_is_damage(rc))
            rc = recover(s, ino, second);
        if (rc < 0)
            return rc;
        if (rc == 0) {
            s->ino = CHECK_INO_NONE;
            return 0;
        }
        if (take_key(s))
            return 0;
        rc = check_found(
            s->check,
            &(struct check_finding){.kind = CHECK_KEY, .fix = FIX_KEY_DELETE, .key = s->key},
            "a key of kind %c has %zu bytes or an impossible number", (char)s->tag, s->key.len);
        if (!rc)
            rc = lsm_iter_next(s->it);
    }
}

int check_stream_open(struct check *c, enum key_tag tag, struct check_stream *ret)
{
    uint8_t lower = (uint8_t)tag, upper = (uint8_t)(tag + 1);
    int err;

    *ret = (struct check_stream){.check = c, .tag = tag, .ino = CHECK_INO_NONE};
    err = lsm_iter_new(c->db, c->snapshot, &lower, 1, &upper, 1, &ret->it);
    return err ? err : settle(ret, 0, 0, lsm_iter_first(ret->it));
}

int check_stream_next(struct check_stream *s)
{
    uint64_t ino = s->ino, second = 0;

    if (ino == CHECK_INO_NONE)
        return 0;
    if (s->key.len >= KEY_BLOCK_LEN && (s->tag == KEY_BLOCK || s->tag == KEY_DIRENT))
        second = get_be64(s->key.data + KEY_INODE_LEN);
    return settle(s, ino, second, lsm_iter_next(s->it));
}

int check_stream_seek(struct check_stream *s, uint64_t ino)
{
    struct key k;

    key_ino(&k, s->tag, ino);
    return settle(s, ino, 0, lsm_iter_seek(s->it, k.data, k.len));
}

void check_stream_done(struct check_stream *s)
{
    lsm_iter_free(s->it);
    s->it = NULL;
}
