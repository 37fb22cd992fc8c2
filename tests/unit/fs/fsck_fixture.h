/*
 * For the tests of repairs: what the store held, running a repair as -p and -y do, and the course
 * of every test: found, left or repaired, nothing found any more, nothing else changed.
 */
#ifndef TESTS_FSCK_FIXTURE_H
#define TESTS_FSCK_FIXTURE_H

#include "lib/kv_load.h"
#include "unit/fs/check_fixture.h"

/* --- What the store holds --- */

static inline void take_keys(struct lsm_db *db, struct kv_model *ret)
{
    assert_int_equal(kv_load(db, NULL, ret), 0);
}

static inline struct slice slice_of_buf(const struct buf *b)
{
    return slice_of(b->data, b->len);
}

/* The inode that a key belongs to: of an entry, the one that it names. 0: a fact. */
static inline uint64_t key_owner(struct slice key, struct slice value)
{
    if (key.data[0] == KEY_DIRENT)
        return value.len == DIRENT_VALUE_LEN ? get_le64(value.data) : 0;
    return key.data[0] == KEY_SUPER || key.len < KEY_INODE_LEN ? 0 : get_be64(key.data + 1);
}

static inline bool in_list(uint64_t ino, const uint64_t *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == ino)
            return true;
    }
    return false;
}

/* All keys of inodes that are not in the list, and the entries that name them, are as before. */
static inline void assert_same_but(struct fixture *f, const struct kv_model *before,
                                   const uint64_t *list, size_t count)
{
    struct kv_model now;

    take_keys(fs_db(f->fs), &now);
    for (size_t i = 0; i < before->count; i++) {
        struct slice key = slice_of_buf(&before->pairs[i].key);
        struct slice value = slice_of_buf(&before->pairs[i].value);
        uint64_t ino = key_owner(key, value);
        const struct kv_pair *pair;

        if (!ino || in_list(ino, list, count))
            continue;
        pair = kv_get(&now, key);
        if (!pair || !slice_eq(slice_of_buf(&pair->value), value)) {
            print_error("a key %c of inode %llu has changed\n", key.data[0],
                        (unsigned long long)ino);
            fail();
        }
    }
    kv_clear(&now);
}

/* The store holds what it held, exactly. */
static inline void assert_same(struct fixture *f, const struct kv_model *before)
{
    struct kv_model now;

    assert_same_but(f, before, NULL, 0);
    take_keys(fs_db(f->fs), &now);
    assert_int_equal(now.count, before->count);
    for (size_t i = 0; i < now.count; i++)
        assert_true(
            slice_eq(slice_of_buf(&now.pairs[i].value), slice_of_buf(&before->pairs[i].value)));
    kv_clear(&now);
}

/* --- Repairs --- */

struct repair_run_arg {
    bool only_safe;
    bool verbose;
    unsigned declined, done, failed;
};

static inline bool repair_decide(void *arg, const struct check_problem *p, bool safe,
                                 const char *what)
{
    const struct repair_run_arg *a = arg;

    assert_non_null(p->finding);
    assert_non_null(what);
    return safe || !a->only_safe;
}

static inline void repair_outcome(void *arg, const struct check_problem *p,
                                  enum repair_outcome outcome, const char *text)
{
    struct repair_run_arg *a = arg;

    assert_non_null(text);
    if (a->verbose)
        print_error("%s %s: %s: %d %s\n", check_kind_name(p->kind), p->path ? p->path : "", p->text,
                    outcome, text);
    a->declined += outcome == REPAIR_DECLINED;
    a->done += outcome == REPAIR_DONE;
    a->failed += outcome == REPAIR_FAILED;
}

static inline void repair_told(void *arg, const struct check_problem *p)
{
    assert_non_null(arg);
    assert_non_null(p->text);
}

static inline struct repair_run_arg repair_db(struct lsm_db *db, bool only_safe,
                                              struct repair_result *ret)
{
    struct repair_run_arg arg = {.only_safe = only_safe,
                                 .verbose = getenv("REPAIR_VERBOSE") != NULL};
    struct repair_options o = {.check = {.problem = repair_told, .skip_store = true, .arg = &arg},
                               .decide = repair_decide,
                               .outcome = repair_outcome};

    assert_int_equal(repair_run(db, &o, ret), 0);
    assert_false(ret->gave_up);
    assert_int_equal(arg.done, ret->repaired_count);
    /* What failed at first and was done in a later round was found once. */
    assert_in_range(ret->found_count, arg.done + arg.declined,
                    arg.done + arg.declined + arg.failed);
    return arg;
}

static inline struct repair_run_arg repair(struct fixture *f, bool only_safe)
{
    struct repair_result r;

    return repair_db(fs_db(f->fs), only_safe, &r);
}

static inline void put_block(struct fixture *f, uint64_t ino, uint64_t number, const void *data,
                             size_t len)
{
    struct key k;

    key_block(&k, ino, number);
    put(f, &k, data, len);
}

/* Every problem that a check finds is of one of the kinds, and there is one of the first. */
static inline void expect_only(struct fixture *f, enum check_kind kind, enum check_kind also)
{
    struct found found;
    bool good;

    run_check(f, &found);
    good = found.result.problems[kind] > 0;
    for (size_t i = 0; i < found.count; i++)
        good &= found.problems[i].kind == kind || found.problems[i].kind == also;
    if (!good) {
        print_error("expected only %s\n", check_kind_name(kind));
        print_found(&found);
        fail();
    }
}

/*
 * The course: a check finds only this kind (and `also`) and changes nothing; -p leaves all of it,
 * or repairs it when it is safe; -y repairs it; nothing is found any more.
 */
static inline void expect_repair_also(struct fixture *f, enum check_kind kind, enum check_kind also,
                                      bool safe)
{
    struct repair_run_arg p, y;
    struct kv_model damaged;

    take_keys(fs_db(f->fs), &damaged);
    expect_only(f, kind, also);
    assert_same(f, &damaged);
    p = repair(f, true);
    if (!safe) {
        assert_int_equal(p.done, 0);
        assert_same(f, &damaged);
        y = repair(f, false);
        assert_true(y.done > 0);
    } else {
        assert_true(p.done > 0);
    }
    kv_clear(&damaged);
    expect_clean(f);
    assert_int_equal(repair(f, false).done, 0);
    everything_agrees(f->fs);
}

static inline void expect_repair(struct fixture *f, enum check_kind kind, bool safe)
{
    expect_repair_also(f, kind, kind, safe);
}

/* The inode at "/lost+found/NAME"; 0 when there is none. */
static inline uint64_t in_lost_found(struct fixture *f, const char *name)
{
    uint64_t lost = ino_of(f->fs, FS_ROOT_INO, "lost+found");

    return lost ? ino_of(f->fs, lost, name) : 0;
}

static inline const char *number_name(uint64_t ino, const char *suffix, char buf[64])
{
    snprintf(buf, 64, "#%llu%s", (unsigned long long)ino, suffix);
    return buf;
}

#endif
