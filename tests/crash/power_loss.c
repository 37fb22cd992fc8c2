/*
 * Going through a record, and which of the possible disks are made.
 */
#include "crash/power_loss.h"

#include <stdlib.h>

#include "crash/power_loss_impl.h"
#include "lib/rng.h"
#include "lsm/base/check.h"

void op_list_add(struct op_list *l, size_t op)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 8;
        l->ops = realloc(l->ops, l->cap * sizeof(*l->ops));
        CHECK(l->ops);
    }
    l->ops[l->count++] = (uint32_t)op;
}

static struct loss_name *name_of(struct power_loss *p, uint32_t dir, const char *name)
{
    for (size_t i = 0; i < p->name_count; i++)
        if (p->names[i].dir == dir && strcmp(p->names[i].name, name) == 0)
            return &p->names[i];
    if (p->name_count == p->name_cap) {
        p->name_cap = p->name_cap ? 2 * p->name_cap : 32;
        p->names = realloc(p->names, p->name_cap * sizeof(*p->names));
        CHECK(p->names);
    }
    p->names[p->name_count] = (struct loss_name){.dir = dir, .name = name, .durable = DISK_NO_FILE};
    return &p->names[p->name_count++];
}

struct power_loss *power_loss_new(const struct record *record)
{
    const struct disk_image *base = record->base;
    struct power_loss *p = calloc(1, sizeof(*p));

    CHECK(p);
    p->record = record;
    p->files = calloc(record->file_count + 1, sizeof(*p->files));
    CHECK(p->files);
    for (uint32_t i = 0; i < record->file_count; i++)
        p->files[i].durable =
            i < base->file_count ? disk_bytes_ref(base->files[i]) : disk_bytes_new(NULL, 0, 0);
    for (uint32_t i = 0; i < DISK_DIR_MAX; i++) {
        p->dir_durable[i] = base->dirs[i].path != NULL;
        for (size_t k = 0; k < base->dirs[i].count; k++)
            name_of(p, i, base->dirs[i].names[k].name)->durable = base->dirs[i].names[k].file;
    }
    return p;
}

void power_loss_free(struct power_loss *p)
{
    for (uint32_t i = 0; i < p->record->file_count; i++) {
        disk_bytes_unref(p->files[i].durable);
        free(p->files[i].pending.ops);
    }
    for (size_t i = 0; i < p->name_count; i++)
        free(p->names[i].pending.ops);
    for (uint32_t i = 0; i < DISK_DIR_MAX; i++)
        free(p->dir_pending[i].ops);
    free(p->files);
    free(p->names);
    free(p);
}

size_t power_loss_point(const struct power_loss *p)
{
    return p->point;
}

/* How many of the operations come before the point. */
static size_t count_before(const struct op_list *l, size_t point)
{
    size_t n = l->count;

    while (n && l->ops[n - 1] >= point)
        n--;
    return n;
}

static void drop_first(struct op_list *l, size_t count)
{
    if (!count)
        return;
    memmove(l->ops, l->ops + count, (l->count - count) * sizeof(*l->ops));
    l->count -= count;
}

/* What was written before the sync began is durable. */
static void sync_file(struct power_loss *p, const struct record_op *op)
{
    struct loss_file *f = &p->files[op->file];
    size_t all = f->pending.count, covered = count_before(&f->pending, op->covers);
    struct disk_bytes *kept;

    f->pending.count = covered;
    kept = loss_file_kept(p, op->file);
    disk_bytes_unref(f->durable);
    f->durable = kept;
    f->pending.count = all;
    drop_first(&f->pending, covered);
}

static void sync_dir(struct power_loss *p, uint32_t dir, size_t covers)
{
    for (size_t i = 0; i < p->name_count; i++) {
        struct loss_name *n = &p->names[i];
        size_t covered = n->dir == dir ? count_before(&n->pending, covers) : 0;

        if (!covered)
            continue;
        n->durable = name_after(&p->record->ops[n->pending.ops[covered - 1]], n);
        drop_first(&n->pending, covered);
    }
    for (uint32_t i = 0; i < DISK_DIR_MAX; i++) {
        if (!count_before(&p->dir_pending[i], covers) || p->record->dirs[i].parent != dir)
            continue;
        p->dir_durable[i] = true;
        p->dir_pending[i].count = 0;
    }
}

void power_loss_step(struct power_loss *p)
{
    const struct record_op *op = &p->record->ops[p->point];

    switch (op->kind) {
    case RECORD_WRITE:
    case RECORD_LEN:
        op_list_add(&p->files[op->file].pending, p->point);
        break;
    case RECORD_SYNC:
        sync_file(p, op);
        break;
    case RECORD_RENAME:
        op_list_add(&name_of(p, op->dir, op->to)->pending, p->point);
        op_list_add(&name_of(p, op->dir, op->name)->pending, p->point);
        break;
    case RECORD_NAME:
        op_list_add(&name_of(p, op->dir, op->name)->pending, p->point);
        break;
    case RECORD_MAKE_DIR:
        op_list_add(&p->dir_pending[op->dir], p->point);
        break;
    case RECORD_SYNC_DIR:
        sync_dir(p, op->dir, op->covers);
        break;
    }
    p->point++;
}

/* --- Which disks --- */

struct trying {
    const struct power_loss *p;
    struct choices c;
    unsigned *picks;
    uint64_t number; /* of the next disk */
    int (*each)(void *arg, const struct disk_image *disk, uint64_t number);
    void *arg;
};

static int try_one(struct trying *t)
{
    struct disk_image *d = loss_image(t->p, &t->c, t->picks);
    int answer = t->each(t->arg, d, t->number++);

    disk_image_free(d);
    return answer;
}

/* How many combinations there are, or max + 1 when there are more than max. */
static uint64_t combinations(const struct choices *c, uint64_t max)
{
    uint64_t n = 1;

    for (size_t i = 0; i < c->count && n <= max; i++)
        n *= c->items[i].radix;
    return n <= max ? n : max + 1;
}

/* Count on, as a number whose digits have different bases; false at the end. */
static bool next_combination(struct trying *t)
{
    for (size_t i = 0; i < t->c.count; i++) {
        if (++t->picks[i] < t->c.items[i].radix)
            return true;
        t->picks[i] = 0;
    }
    return false;
}

static int try_all(struct trying *t)
{
    int answer;

    do
        answer = try_one(t);
    while (!answer && next_combination(t));
    return answer;
}

static void pick_edge(struct trying *t, bool keep)
{
    for (size_t i = 0; i < t->c.count; i++)
        t->picks[i] = keep ? (unsigned)t->c.items[i].event_count : 0;
}

/* Keep what happened before the operation. */
static void pick_before(struct trying *t, uint32_t op)
{
    for (size_t i = 0; i < t->c.count; i++) {
        const struct choice *choice = &t->c.items[i];

        t->picks[i] = 0;
        while (t->picks[i] < choice->event_count &&
               t->c.events.ops[choice->event + t->picks[i]] < op)
            t->picks[i]++;
    }
}

/* The chosen disks: see power_loss.h. How many there are, or, with `which` below, that one. */
static uint64_t choose(struct trying *t, uint64_t which)
{
    uint64_t n = 2;

    if (which < 2)
        pick_edge(t, which == 1);
    for (size_t i = 0; i < t->c.count; i++) {
        unsigned radix = t->c.items[i].radix;

        /* Every other pick over nothing, then over everything. */
        for (unsigned k = 0; which >= n && which < n + 2 * radix && k < 2 * radix; k++) {
            if (which != n + k)
                continue;
            pick_edge(t, k >= radix);
            t->picks[i] = k % radix;
        }
        n += 2 * radix;
    }
    for (size_t i = 0; i < t->c.events.count; i++, n++)
        if (which == n)
            pick_before(t, t->c.events.ops[i]);
    return n;
}

static int try_chosen(struct trying *t, uint64_t max)
{
    uint64_t count = choose(t, UINT64_MAX), wanted = count < max ? count : max;
    int answer = 0;

    for (uint64_t i = 0; i < wanted && !answer; i++) {
        choose(t, i * count / wanted);
        answer = try_one(t);
    }
    return answer;
}

static int try_samples(struct trying *t, const struct loss_plan *plan)
{
    struct rng rng = {plan->seed ^ (t->p->point * 0x9e3779b97f4a7c15u) ^ plan->piece_len};
    int answer = 0;

    for (uint64_t n = 0; n < plan->samples && !answer; n++) {
        uint64_t bias = rng_below(&rng, 4); /* 0, 1: by chance; 2: mostly lost; 3: mostly kept */

        pick_edge(t, bias == 3);
        for (size_t i = 0; i < t->c.count; i++)
            if (bias < 2 || rng_below(&rng, 4) == 0)
                t->picks[i] = (unsigned)rng_below(&rng, t->c.items[i].radix);
        answer = try_one(t);
    }
    return answer;
}

int power_loss_each(const struct power_loss *p, const struct loss_plan *plan,
                    int (*each)(void *arg, const struct disk_image *disk, uint64_t number),
                    void *arg, struct loss_count *count)
{
    struct trying t = {.p = p, .each = each, .arg = arg};
    int answer;
    bool all;

    choices_collect(p, plan, &t.c);
    t.picks = calloc(t.c.count + 1, sizeof(*t.picks));
    CHECK(t.picks);
    all = combinations(&t.c, plan->exhaustive_max) <= plan->exhaustive_max;
    answer = all ? try_all(&t) : try_chosen(&t, plan->chosen_max);
    if (!all && !answer)
        answer = try_samples(&t, plan);
    count->points++;
    count->all_points += all;
    count->disks += t.number;
    free(t.picks);
    choices_done(&t.c);
    return answer;
}
