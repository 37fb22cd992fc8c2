/*
 * Each byte of a small store is damaged in turn. Before a repair every read gives the right bytes
 * or an error, and the checker notices; after fsck -y it gives the right bytes or an error as well,
 * a second run finds nothing, and where nothing was lost nothing differs.
 *
 * A damaged end of the log cannot be told from one that a loss of power has torn: then the store is
 * as it was before the last operations. A byte of padding, and the file LOCK, do not matter.
 *
 * A sample by default; TEST_ROUNDS=0 damages every byte.
 */
#include "unit/fs/damage_fixture.h"

struct place {
    size_t file;
    size_t offset;
};

static struct place place_of(const struct damage_store *s, size_t at)
{
    struct place p = {0, at};

    while (p.offset >= s->files[p.file].len)
        p.offset -= s->files[p.file++].len;
    return p;
}

static void damage(struct damage_store *s, struct place p, uint8_t with)
{
    struct store_file *f = &s->files[p.file];

    f->data[p.offset] ^= with;
    put_file(s->path, f->name, f->data, f->len);
    f->data[p.offset] ^= with;
}

/* A log, or a blob file: an operation whose large value is damaged ends the log as well. */
static bool is_log(const struct store_file *f)
{
    return strstr(f->name, ".wal") || strstr(f->name, ".blob");
}

struct counts {
    unsigned unnoticed, exact, refused, losses;
    unsigned unnoticed_by_file[STORE_FILES_MAX];
};

static void fail_at(const struct damage_store *s, struct place p, const struct told *told,
                    const struct outcome *o, const char *what)
{
    fail_msg("%s at %zu: %s; missing %u, errors %u, wrong %u (%s), odd %u\n%s",
             s->files[p.file].name, p.offset, what, o->missing, o->errors, o->wrong, o->wrong_path,
             o->odd, told->all);
}

/* Only reading. */
static void look(struct damage_store *s, struct place p, struct counts *c)
{
    struct check_store_result r;
    struct outcome o = {0};
    struct told told;
    struct fs *fs;
    int err = check_at(s->path, CHECK_STORE_LOOK, &told, &r);
    bool noticed = err || told.problems;

    fs = damage_open(s->path, true, &err);
    if (!fs) {
        c->refused++;
        if (!noticed)
            fail_at(s, p, &told, &o, "it does not open, and fsck finds nothing");
        return;
    }
    compare_image(fs, &s->states[s->state_count - 1], &o);
    if (!is_exact(&o) && is_log(&s->files[p.file]) && is_some_state(s, fs))
        o = (struct outcome){0};
    else if (o.wrong || o.odd || o.missing)
        fail_at(s, p, &told, &o, "wrong before the repair");
    else if (o.errors && !noticed)
        fail_at(s, p, &told, &o, "fsck finds nothing");
    c->unnoticed += !noticed;
    c->unnoticed_by_file[p.file] += !noticed;
    fs_close(fs);
}

static void repair(struct damage_store *s, struct place p, struct counts *c)
{
    struct outcome o = {0};
    struct told told, again;
    uint64_t left = 0;
    struct fs *fs;
    int err = repair_at(s->path, &told, &left);

    if (err || left)
        fail_at(s, p, &told, &o, err ? lsm_detail() : "not all was repaired");
    err = repair_at(s->path, &again, &left);
    if (err || again.problems)
        fail_at(s, p, &again, &o, "a second run finds something");
    fs = damage_open(s->path, true, &err);
    if (!fs)
        fail_at(s, p, &told, &o, lsm_detail());
    compare_image(fs, &s->states[s->state_count - 1], &o);
    if (is_exact(&o) || (is_log(&s->files[p.file]) && is_some_state(s, fs)))
        c->exact++;
    else if (o.wrong && !told.old)
        fail_at(s, p, &told, &o, "wrong after the repair");
    else if (!told.problems)
        fail_at(s, p, &told, &o, "something is lost, and not told");
    else
        c->losses++;
    fs_close(fs);
}

static void one(struct damage_store *s, struct place p, uint8_t with, struct counts *c)
{
    damage(s, p, with);
    look(s, p, c);
    repair(s, p, c);
    restore(s);
}

static void each_read_of_a_damaged_store_is_right_or_an_error(void **state)
{
    struct damage_store *s = damage_new();
    struct rng rng = {rng_seed(1)};
    const char *env = getenv("TEST_ROUNDS");
    size_t rounds = env ? strtoul(env, NULL, 10) : 120;
    struct counts c = {0};

    (void)state;
    for (size_t i = 0; i < (rounds ? rounds : s->total_len); i++) {
        struct place p = place_of(s, rounds ? rng_below(&rng, s->total_len) : i);
        uint8_t with = rounds ? (uint8_t)(1 + rng_below(&rng, 255)) : 0x41;

        if (strcmp(s->files[p.file].name, "LOCK") != 0)
            one(s, p, with, &c);
    }
    print_message("%zu bytes: %u unnoticed, %u refused to open; after repair %u whole, %u with "
                  "losses\n",
                  s->total_len, c.unnoticed, c.refused, c.exact, c.losses);
    for (size_t i = 0; i < s->file_count; i++) {
        if (c.unnoticed_by_file[i])
            print_message("  %s, %zu bytes: %u unnoticed\n", s->files[i].name, s->files[i].len,
                          c.unnoticed_by_file[i]);
    }
    damage_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_read_of_a_damaged_store_is_right_or_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
