/*
 * The manifest: replay gives the state that was written; after every truncation a prefix that was
 * acknowledged, or a refusal; after every flipped bit the right state, the state before the last
 * record if that was hit, or a refusal. And CURRENT is believed only when it is exact.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/scratch.h"
#include "lsm/base/err.h"
#include "lsm/version/version.h"

enum {
    EDITS = 6 /* after the first record */
};

static char *dir;
static struct env *env;
static struct table_store store;

static int setup(void **state)
{
    (void)state;
    dir = scratch_new();
    if (env_posix_open(dir, 0, &env))
        return -1;
    store.env = env;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    env_close(env);
    scratch_free(dir);
    return 0;
}

static struct table_meta *table(uint64_t number, const char *from, const char *to, uint64_t seqno)
{
    struct sst_stats stats = {
        .file_len = number * 100, .entry_count = 10, .seqno_min = seqno, .seqno_max = seqno + 5};
    struct table_meta *m;

    assert_int_equal(
        table_meta_new(number, number, &stats, slice_str(from), slice_str(to), false, &m), 0);
    return m;
}

static void add(struct version_edit *e, unsigned level, uint64_t number, const char *from,
                const char *to)
{
    struct table_meta *m = table(number, from, to, number * 10);

    assert_int_equal(edit_add_table(e, level, m), 0);
    table_meta_unref(m, &store);
}

static void name_snapshot(struct named_snapshots *s, const char *name, uint64_t seqno)
{
    struct named_snapshot one;

    assert_int_equal(named_snapshot_init(slice_str(name), seqno, 5 * seqno, &one), 0);
    assert_int_equal(named_snapshots_add(s, &one), 0);
}

/* The i-th edit of the story: flushes, and at the end a compaction. */
static struct version_edit story(unsigned i)
{
    struct version_edit e = {.has_log_number = true,
                             .log_number = 50 + i,
                             .has_flushed_seqno = true,
                             .flushed_seqno = 1000 + i};
    char name[2] = {(char)('z' - i), 0};

    /* Each edit names a snapshot, and removes the one before it but one. */
    name_snapshot(&e.snapshots_added, name, 1000 + i);
    name[0] = (char)(name[0] + 2);
    if (i >= 2)
        name_snapshot(&e.snapshots_removed, name, 0);
    if (i < EDITS - 1) {
        add(&e, 0, 20 + i, "a", i % 2 ? "m" : "zebra");
        return e;
    }
    for (unsigned j = 0; j < EDITS - 1; j++)
        assert_int_equal(edit_remove_table(&e, 0, 20 + j), 0);
    add(&e, 6, 40, "a", "k");
    add(&e, 6, 41, "l", "zebra");
    return e;
}

/* A short text of all that a state says. */
static void fingerprint(const struct manifest_state *s, struct buf *ret)
{
    ret->len = 0;
    assert_int_equal(buf_printf(ret, "log %d seqno %d;", (int)s->log_number, (int)s->flushed_seqno),
                     0);
    for (unsigned n = 0; n < LEVEL_COUNT; n++) {
        for (size_t i = 0; i < s->version->levels[n].count; i++) {
            const struct table_meta *m = s->version->levels[n].tables[i];

            assert_int_equal(
                buf_printf(ret, " %u:%d len %d ..", n, (int)m->number, (int)m->stats.file_len), 0);
            assert_int_equal(buf_append_escaped(ret, m->largest), 0);
        }
    }
    for (size_t i = 0; i < s->snapshots.count; i++) {
        const struct named_snapshot *one = &s->snapshots.list[i];

        assert_int_equal(buf_printf(ret, " snapshot %d %d ", (int)one->seqno, (int)one->time_ns),
                         0);
        assert_int_equal(buf_append_escaped(ret, named_snapshot_name(one)), 0);
    }
}

/* The states after 0, 1, ... EDITS edits, and where the file ended then. */
struct written {
    struct buf states[EDITS + 1];
    uint64_t ends[EDITS + 1];
    struct buf file;
};

static void write_all(struct written *w)
{
    struct manifest_state s = {.log_number = 3,
                               .flushed_seqno = 4,
                               .next_file = 100,
                               .log_numbers_end = 1124},
                          again;
    struct version_edit empty = {0};
    struct manifest *m;

    memset(w, 0, sizeof(*w));
    assert_int_equal(version_apply(&store, NULL, &empty, &s.version), 0);
    assert_int_equal(manifest_create(env, 12, &s, &m), 0);
    manifest_state_done(&s);
    for (unsigned i = 0;; i++) {
        struct version_edit e;

        w->ends[i] = manifest_len(m);
        assert_int_equal(manifest_replay(env, &store, &again), 0);
        assert_true(again.manifest_number == 12 && again.torn_len == 0 && again.next_file == 100);
        assert_true(again.log_numbers_end == 1124);
        fingerprint(&again, &w->states[i]);
        manifest_state_done(&again);
        if (i == EDITS)
            break;
        e = story(i);
        assert_int_equal(manifest_append(m, &e), 0);
        edit_done(&e, &store);
    }
    manifest_close(m);
    assert_int_equal(env_read_small(env, "MANIFEST-00000012", 1 << 20, &w->file), 0);
    assert_int_equal(w->file.len, w->ends[EDITS]);
}

static void written_free(struct written *w)
{
    for (unsigned i = 0; i <= EDITS; i++)
        buf_free(&w->states[i]);
    buf_free(&w->file);
}

static void put_file(const char *name, const void *data, size_t len)
{
    char path[400];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static void put_manifest(const struct written *w, size_t len)
{
    put_file("MANIFEST-00000012", w->file.data, len);
}

/* Replay; the number of edits that the state holds, or an error. */
static int replayed(const struct written *w)
{
    struct manifest_state s;
    struct buf text = {0};
    int err = manifest_replay(env, &store, &s), found = -1;

    if (err)
        return err;
    fingerprint(&s, &text);
    for (int i = 0; i <= EDITS; i++) {
        if (slice_eq(buf_slice(&text), buf_slice(&w->states[i])))
            found = i;
    }
    assert_true(found >= 0);
    buf_free(&text);
    manifest_state_done(&s);
    return found;
}

static void replay_gives_every_state_that_was_written(void **state)
{
    struct written w;

    (void)state;
    write_all(&w);
    assert_int_equal(replayed(&w), EDITS);
    written_free(&w);
}

static void after_every_truncation_replay_gives_what_was_whole(void **state)
{
    struct written w;

    (void)state;
    write_all(&w);
    for (size_t len = w.file.len + 1; len-- > 0;) {
        int want = -ERR_MANIFEST_DAMAGED;

        for (int i = 0; i <= EDITS; i++)
            want = len >= w.ends[i] ? i : want;
        put_manifest(&w, len);
        assert_int_equal(replayed(&w), want);
    }
    written_free(&w);
}

static void a_torn_tail_of_zeros_or_garbage_is_cut_off(void **state)
{
    struct written w;

    (void)state;
    write_all(&w);
    for (unsigned fill = 0; fill < 256; fill += 51) {
        for (size_t keep = w.ends[EDITS - 1]; keep < w.ends[EDITS]; keep++) {
            struct buf b = {0};

            assert_int_equal(buf_append(&b, w.file.data, w.file.len), 0);
            memset(b.data + keep, (int)fill, b.len - keep);
            put_file("MANIFEST-00000012", b.data, b.len);
            /* Filling may change nothing where the record's own bytes are like that. */
            if (memcmp(b.data, w.file.data, b.len) != 0)
                assert_int_equal(replayed(&w), EDITS - 1);
            buf_free(&b);
        }
    }
    written_free(&w);
}

static void every_flipped_bit_is_refused_unless_it_is_in_the_last_record(void **state)
{
    struct written w;

    (void)state;
    write_all(&w);
    for (size_t i = 0; i < w.file.len; i++) {
        for (unsigned bit = 0; bit < 8; bit += (unsigned)(i % 3) + 1) {
            int want = i < w.ends[EDITS - 1] ? -ERR_MANIFEST_DAMAGED : EDITS - 1;

            w.file.data[i] ^= (uint8_t)(1u << bit);
            put_manifest(&w, w.file.len);
            assert_int_equal(replayed(&w), want);
            w.file.data[i] ^= (uint8_t)(1u << bit);
        }
    }
    written_free(&w);
}

static void damage_is_told_with_file_and_offset(void **state)
{
    struct written w;
    char want[64];

    (void)state;
    write_all(&w);
    w.file.data[w.ends[1] + 3] ^= 1;
    put_manifest(&w, w.file.len);
    assert_int_equal(replayed(&w), -ERR_MANIFEST_DAMAGED);
    snprintf(want, sizeof(want), "MANIFEST-00000012: the record at offset %d", (int)w.ends[1]);
    assert_non_null(strstr(err_detail(), want));
    written_free(&w);
}

static void records_of_another_manifest_do_not_count(void **state)
{
    struct written w;
    struct manifest_state s = {.log_number = 3, .flushed_seqno = 4, .next_file = 100};
    struct version_edit empty = {0};
    struct buf b = {0};
    struct manifest *m;

    (void)state;
    write_all(&w);
    assert_int_equal(version_apply(&store, NULL, &empty, &s.version), 0);
    assert_int_equal(manifest_create(env, 13, &s, &m), 0);
    manifest_close(m);
    manifest_state_done(&s);
    /* Same lengths, so the old file's records stand where this one's would. */
    assert_int_equal(env_read_small(env, "MANIFEST-00000013", 1 << 20, &b), 0);
    assert_int_equal(b.len, w.ends[0]);
    assert_int_equal(buf_append(&b, w.file.data + b.len, w.file.len - b.len), 0);
    put_file("MANIFEST-00000013", b.data, b.len);
    assert_int_equal(replayed(&w), 0);
    buf_free(&b);
    written_free(&w);
}

static void a_new_manifest_holds_the_whole_state(void **state)
{
    struct manifest_state s, again;
    struct buf a = {0}, b = {0};
    struct written w;
    struct manifest *m;

    (void)state;
    write_all(&w);
    put_manifest(&w, w.ends[EDITS - 2]);
    assert_int_equal(manifest_replay(env, &store, &s), 0);
    assert_int_equal(manifest_create(env, 14, &s, &m), 0);
    manifest_close(m);
    assert_int_equal(manifest_replay(env, &store, &again), 0);
    assert_true(again.manifest_number == 14);
    fingerprint(&s, &a);
    fingerprint(&again, &b);
    assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
    manifest_state_done(&s);
    manifest_state_done(&again);
    buf_free(&a);
    buf_free(&b);
    written_free(&w);
}

static void current_is_believed_only_when_it_is_exact(void **state)
{
    static const char *const bad[] = {"",
                                      "\n",
                                      "MANIFEST-00000012",
                                      "MANIFEST-00000012\n\n",
                                      "MANIFEST-00000012 \n",
                                      "MANIFEST-0000012\n",
                                      "MANIFEST-000000012\n",
                                      "MANIFEST-00000000\n",
                                      "MANIFEST-0000001x\n",
                                      "MANIFEST-+0000012\n",
                                      "manifest-00000012\n",
                                      "../MANIFEST-00000012\n",
                                      "MANIFEST-99999999999999999999999\n",
                                      ("MANIFEST-00000012 and a long text that is no name at all "
                                       "and goes on for ever\n")};
    struct written w;

    (void)state;
    write_all(&w);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put_file("CURRENT", bad[i], strlen(bad[i]));
        assert_int_equal(replayed(&w), -ERR_CURRENT_DAMAGED);
    }
    put_file("CURRENT", "MANIFEST-00000012\0\n", 19);
    assert_int_equal(replayed(&w), -ERR_CURRENT_DAMAGED);
    put_file("CURRENT", "MANIFEST-00000099\n", 18);
    assert_int_equal(replayed(&w), -ERR_FILE_MISSING);
    env_remove(env, "CURRENT");
    assert_int_equal(replayed(&w), -ERR_CURRENT_DAMAGED);
    put_file("CURRENT", "MANIFEST-00000012\n", 18);
    assert_int_equal(replayed(&w), EDITS);
    written_free(&w);
}

static void an_edit_that_cannot_apply_is_refused_with_its_place(void **state)
{
    struct manifest_state s = {.log_number = 3, .flushed_seqno = 4, .next_file = 100};
    struct version_edit e = {0};
    struct manifest *m;

    (void)state;
    assert_int_equal(version_apply(&store, NULL, &e, &s.version), 0);
    assert_int_equal(manifest_create(env, 15, &s, &m), 0);
    manifest_state_done(&s);
    assert_int_equal(edit_remove_table(&e, 2, 77), 0);
    assert_int_equal(manifest_append(m, &e), 0);
    edit_done(&e, &store);
    manifest_close(m);
    assert_int_equal(manifest_replay(env, &store, &s), -ERR_MANIFEST_DAMAGED);
    assert_non_null(strstr(err_detail(), "MANIFEST-00000015: record at offset"));
}

static void snapshots_that_cannot_be_added_or_removed_are_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct manifest_state s = {.log_number = 3, .flushed_seqno = 4, .next_file = 100}, again;
        struct version_edit e = {0}, none = {0};
        struct manifest *m;

        name_snapshot(&s.snapshots, "taken", 3);
        assert_int_equal(version_apply(&store, NULL, &none, &s.version), 0);
        assert_int_equal(manifest_create(env, 20 + i, &s, &m), 0);
        name_snapshot(i ? &e.snapshots_added : &e.snapshots_removed, i ? "taken" : "free", 4);
        assert_int_equal(manifest_append(m, &e), 0);
        manifest_close(m);
        assert_int_equal(manifest_replay(env, &store, &again), -ERR_MANIFEST_DAMAGED);
        assert_non_null(strstr(err_detail(), "snapshot"));
        edit_done(&e, &store);
        manifest_state_done(&s);
    }
}

static void thousands_of_snapshots_are_replayed_in_order(void **state)
{
    struct manifest_state s = {.log_number = 3, .flushed_seqno = 4, .next_file = 100}, again;
    struct version_edit none = {0};
    struct manifest *m;

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%u", i * 7919 % 5000);
        name_snapshot(&s.snapshots, name, 10000 - i);
    }
    assert_int_equal(version_apply(&store, NULL, &none, &s.version), 0);
    assert_int_equal(manifest_create(env, 30, &s, &m), 0);
    manifest_close(m);
    assert_int_equal(manifest_replay(env, &store, &again), 0);
    assert_int_equal(again.snapshots.count, 5000);
    assert_int_equal(named_snapshots_newest(&again.snapshots), 10000);
    assert_null(named_snapshots_find(&again.snapshots, slice_str("5000")));
    named_snapshots_cut(&again.snapshots, 7500);
    assert_int_equal(again.snapshots.count, 2500);
    named_snapshots_sort_by_age(&again.snapshots);
    for (unsigned i = 0; i < 2500; i++)
        assert_true(again.snapshots.list[i].seqno == 5001 + i);
    manifest_state_done(&again);
    manifest_state_done(&s);
}

static void overlapping_tables_of_a_level_are_refused(void **state)
{
    struct manifest_state s = {.log_number = 3, .flushed_seqno = 4, .next_file = 100};
    struct version_edit e = {0};
    struct manifest *m;

    (void)state;
    add(&e, 3, 21, "a", "m");
    add(&e, 3, 22, "m", "z");
    assert_int_equal(version_apply(&store, NULL, &e, &s.version), 0);
    assert_int_equal(manifest_create(env, 16, &s, &m), 0);
    manifest_close(m);
    manifest_state_done(&s);
    edit_done(&e, &store);
    assert_int_equal(manifest_replay(env, &store, &s), -ERR_LEVEL_ORDER);
}

static void numbers_in_use_are_never_given_out_again(void **state)
{
    struct manifest_state s = {.log_number = 3, .flushed_seqno = 4, .next_file = 5};
    struct version_edit e = {0};
    struct manifest *m;

    (void)state;
    assert_int_equal(version_apply(&store, NULL, &e, &s.version), 0);
    assert_int_equal(manifest_create(env, 17, &s, &m), 0);
    manifest_state_done(&s);
    assert_int_equal(manifest_replay(env, &store, &s), 0);
    assert_true(s.next_file == 18);
    manifest_state_done(&s);
    add(&e, 3, 221, "a", "m");
    assert_int_equal(manifest_append(m, &e), 0);
    edit_done(&e, &store);
    manifest_close(m);
    assert_int_equal(manifest_replay(env, &store, &s), 0);
    assert_true(s.next_file == 222);
    manifest_state_done(&s);
}

struct seen {
    unsigned lines, records, adds, damages, stop_after;
};

static int see(void *arg, const char *line)
{
    struct seen *seen = arg;

    seen->lines++;
    seen->records += strncmp(line, "record at", 9) == 0;
    seen->adds += strncmp(line, "  add level", 11) == 0;
    seen->damages += strncmp(line, "damage at", 9) == 0 || strncmp(line, "torn tail", 9) == 0;
    return seen->stop_after && seen->lines == seen->stop_after ? 77 : 0;
}

static void the_text_goes_on_behind_a_damaged_place(void **state)
{
    struct seen seen = {0};
    struct written w;

    (void)state;
    write_all(&w);
    assert_int_equal(manifest_to_text(env, "MANIFEST-00000012", see, &seen), 0);
    assert_true(seen.records == EDITS + 1 && seen.adds == EDITS + 1 && seen.damages == 0);
    w.file.data[w.ends[1] + 20] ^= 1;
    put_manifest(&w, w.file.len - 3);
    seen = (struct seen){0};
    assert_int_equal(manifest_to_text(env, "MANIFEST-00000012", see, &seen), 0);
    assert_true(seen.records == EDITS - 1 && seen.damages == 2);
    seen = (struct seen){.stop_after = 2};
    assert_int_equal(manifest_to_text(env, "MANIFEST-00000012", see, &seen), 77);
    assert_int_equal(manifest_to_text(env, "../x", see, &seen), -EINVAL);
    assert_int_equal(manifest_to_text(env, "MANIFEST-00000098", see, &seen), -ENOENT);
    written_free(&w);
}

static int failing_sync(struct env_writer *w)
{
    return err_raise(EIO, "%s: made to fail", w->name);
}

static void after_a_failed_sync_a_manifest_takes_nothing_more(void **state)
{
    struct manifest_state s = {.log_number = 3, .flushed_seqno = 4, .next_file = 5};
    const struct env_ops *ops = env->ops;
    struct env_ops failing = *ops;
    struct version_edit e = {0};
    struct manifest *m, *none = NULL;

    (void)state;
    failing.writer_sync = failing_sync;
    assert_int_equal(version_apply(&store, NULL, &e, &s.version), 0);
    assert_int_equal(manifest_create(env, 18, &s, &m), 0);
    env->ops = &failing;
    assert_int_equal(manifest_append(m, &e), -EIO);
    /* A manifest whose creation fails leaves CURRENT, and no file. */
    assert_int_equal(manifest_create(env, 19, &s, &none), -EIO);
    assert_null(none);
    env->ops = ops;
    assert_int_equal(manifest_append(m, &e), -EIO);
    manifest_close(m);
    manifest_state_done(&s);
    assert_int_equal(manifest_replay(env, &store, &s), 0);
    assert_true(s.manifest_number == 18);
    manifest_state_done(&s);
    assert_int_equal(env_remove(env, "MANIFEST-00000019"), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replay_gives_every_state_that_was_written),
        cmocka_unit_test(after_every_truncation_replay_gives_what_was_whole),
        cmocka_unit_test(a_torn_tail_of_zeros_or_garbage_is_cut_off),
        cmocka_unit_test(every_flipped_bit_is_refused_unless_it_is_in_the_last_record),
        cmocka_unit_test(damage_is_told_with_file_and_offset),
        cmocka_unit_test(records_of_another_manifest_do_not_count),
        cmocka_unit_test(a_new_manifest_holds_the_whole_state),
        cmocka_unit_test(current_is_believed_only_when_it_is_exact),
        cmocka_unit_test(an_edit_that_cannot_apply_is_refused_with_its_place),
        cmocka_unit_test(snapshots_that_cannot_be_added_or_removed_are_refused),
        cmocka_unit_test(thousands_of_snapshots_are_replayed_in_order),
        cmocka_unit_test(overlapping_tables_of_a_level_are_refused),
        cmocka_unit_test(numbers_in_use_are_never_given_out_again),
        cmocka_unit_test(the_text_goes_on_behind_a_damaged_place),
        cmocka_unit_test(after_a_failed_sync_a_manifest_takes_nothing_more),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
