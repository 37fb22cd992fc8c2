/*
 * What a loss of power has to decide at a point, and the disk that a decision makes.
 */
#include <stdlib.h>

#include "crash/power_loss_impl.h"
#include "lib/rng.h"
#include "lsm/base/check.h"

uint32_t name_after(const struct record_op *op, const struct loss_name *n)
{
    if (op->kind == RECORD_RENAME && strcmp(op->name, n->name) == 0)
        return DISK_NO_FILE;
    return op->file;
}

/* --- Choices --- */

static struct choice *add_choice(struct choices *c, enum choice_kind kind, uint32_t which)
{
    if (c->count == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 64;
        c->items = realloc(c->items, c->cap * sizeof(*c->items));
        CHECK(c->items);
    }
    c->items[c->count] =
        (struct choice){.kind = kind, .which = which, .event = c->events.count, .radix = 1};
    return &c->items[c->count++];
}

static void add_event(struct choices *c, struct choice *choice, uint32_t op)
{
    op_list_add(&c->events, op);
    choice->event_count++;
    choice->radix++;
}

/* The file's length after each pending operation, beginning with the durable one. */
static uint64_t len_after(const struct record_op *op, uint64_t len)
{
    if (op->kind == RECORD_LEN)
        return op->offset;
    return op->data && op->offset + op->len > len ? op->offset + op->len : len;
}

static void collect_len(const struct power_loss *p, struct choices *c, uint32_t file)
{
    const struct loss_file *f = &p->files[file];
    struct choice *choice = add_choice(c, CHOICE_LEN, file);
    uint64_t len = f->durable->len;

    for (size_t i = 0; i < f->pending.count; i++) {
        uint64_t next = len_after(&p->record->ops[f->pending.ops[i]], len);

        if (next != len)
            add_event(c, choice, f->pending.ops[i]);
        len = next;
    }
    if (choice->radix == 1)
        c->count--;
}

/* The bytes that an operation changes, of a file that is no longer than len_max: [begin, end). */
static void op_range(const struct record_op *op, uint64_t len_max, uint64_t *ret_begin,
                     uint64_t *ret_end)
{
    *ret_begin = op->offset;
    *ret_end = op->kind == RECORD_LEN ? len_max : op->offset + op->len;
    if (*ret_end < *ret_begin)
        *ret_end = *ret_begin;
}

/* The length up to which the file may hold anything but zeros. */
static uint64_t data_end(const struct power_loss *p, const struct loss_file *f)
{
    uint64_t end = f->durable->data_len;

    for (size_t i = 0; i < f->pending.count; i++) {
        const struct record_op *op = &p->record->ops[f->pending.ops[i]];

        if (op->kind == RECORD_WRITE && op->offset + op->len > end)
            end = op->offset + op->len;
    }
    return end;
}

static void collect_piece(const struct power_loss *p, struct choices *c, uint32_t file,
                          uint64_t piece, const struct loss_plan *plan)
{
    const struct loss_file *f = &p->files[file];
    uint64_t begin = piece * plan->piece_len, end = begin + plan->piece_len;
    uint64_t len_max = data_end(p, f);
    struct choice *choice = add_choice(c, CHOICE_PIECE, file);
    bool written = false;

    choice->piece = piece;
    for (size_t i = 0; i < f->pending.count; i++) {
        const struct record_op *op = &p->record->ops[f->pending.ops[i]];
        uint64_t from, to;

        op_range(op, len_max, &from, &to);
        if (from >= end || to <= begin)
            continue;
        add_event(c, choice, f->pending.ops[i]);
        written |= op->kind == RECORD_WRITE;
    }
    choice->radix += plan->garble && written;
    if (choice->radix == 1)
        c->count--;
}

static void collect_file(const struct power_loss *p, struct choices *c, uint32_t file,
                         const struct loss_plan *plan)
{
    const struct loss_file *f = &p->files[file];
    uint64_t end = data_end(p, f);

    if (!f->pending.count)
        return;
    collect_len(p, c, file);
    for (uint64_t piece = 0; piece * plan->piece_len < end; piece++)
        collect_piece(p, c, file, piece, plan);
}

static void collect_name(const struct power_loss *p, struct choices *c, size_t i, bool *reached)
{
    const struct loss_name *n = &p->names[i];
    struct choice *choice = add_choice(c, CHOICE_NAME, (uint32_t)i);

    if (n->durable != DISK_NO_FILE)
        reached[n->durable] = true;
    for (size_t k = 0; k < n->pending.count; k++) {
        uint32_t file = name_after(&p->record->ops[n->pending.ops[k]], n);

        if (file != DISK_NO_FILE)
            reached[file] = true;
        add_event(c, choice, n->pending.ops[k]);
    }
    if (choice->radix == 1)
        c->count--;
}

void choices_collect(const struct power_loss *p, const struct loss_plan *plan, struct choices *ret)
{
    struct choices c = {.piece_len = plan->piece_len, .seed = plan->seed};
    bool *reached = calloc(p->record->file_count + 1, sizeof(*reached));

    CHECK(reached);
    for (uint32_t i = 0; i < DISK_DIR_MAX; i++)
        if (p->dir_pending[i].count)
            add_event(&c, add_choice(&c, CHOICE_DIR, i), p->dir_pending[i].ops[0]);
    for (size_t i = 0; i < p->name_count; i++)
        collect_name(p, &c, i, reached);
    for (uint32_t i = 0; i < p->record->file_count; i++) {
        if (reached[i])
            collect_file(p, &c, i, plan);
        else if (p->files[i].durable->data_len)
            op_list_add(&c.gone, i);
    }
    free(reached);
    *ret = c;
}

void choices_done(struct choices *c)
{
    free(c->items);
    free(c->events.ops);
    free(c->gone.ops);
}

bool choice_keeps(const struct choices *c, const struct choice *choice, unsigned pick, uint32_t op)
{
    if (pick > choice->event_count)
        pick = (unsigned)choice->event_count;
    return pick > 0 && op <= c->events.ops[choice->event + pick - 1];
}

/* --- Files --- */

struct building {
    const struct power_loss *p;
    const struct choices *c; /* NULL: everything is kept */
    const unsigned *picks;
    size_t first, end; /* the choices of the file that is being built */
    uint32_t file;
    struct buf data;
};

/* Other bytes than were written, at times only from some place in the piece on. */
static void garbage(struct building *b, uint64_t piece, uint8_t *to, uint64_t offset, size_t len)
{
    struct rng rng = {b->c->seed ^ (b->p->point * 1021 + piece * 31 + b->file)};
    const struct disk_bytes *other = NULL;
    uint64_t kind = rng_below(&rng, 3), from;

    if (kind == 2 && b->c->gone.count)
        other = b->p->files[b->c->gone.ops[rng_below(&rng, b->c->gone.count)]].durable;

    from = piece * b->c->piece_len + (rng_below(&rng, 2) ? 0 : rng_below(&rng, b->c->piece_len));
    for (size_t i = from > offset ? (size_t)(from - offset) : 0; i < len; i++) {
        if (kind == 0)
            to[i] = (uint8_t)rng_next(&rng);
        else if (kind == 1)
            to[i] = 0xff;
        else
            to[i] = other && offset + i < other->data_len ? other->data[offset + i] : 0x5a;
    }
}

/* Do to [begin, end), which lies within a piece, what the operation did. */
static void change(struct building *b, const struct record_op *op, uint64_t piece, bool garbled,
                   uint64_t begin, uint64_t end)
{
    uint8_t *to = b->data.data + begin;
    size_t len = (size_t)(end - begin);

    if (op->kind == RECORD_WRITE && op->data)
        memcpy(to, op->data + (begin - op->offset), len);
    else
        memset(to, 0, len);
    if (garbled && op->kind == RECORD_WRITE)
        garbage(b, piece, to, begin, len);
}

static void apply(struct building *b, uint32_t number, uint64_t piece_len)
{
    const struct record_op *op = &b->p->record->ops[number];
    size_t at = b->first;
    uint64_t begin, end;

    op_range(op, b->data.len, &begin, &end);
    if (end > b->data.len)
        end = b->data.len;
    for (uint64_t from = begin, to; from < end; from = to) {
        uint64_t piece = from / piece_len;
        unsigned pick;

        to = (piece + 1) * piece_len < end ? (piece + 1) * piece_len : end;
        if (!b->c) {
            change(b, op, piece, false, from, to);
            continue;
        }
        while (at < b->end &&
               (b->c->items[at].kind != CHOICE_PIECE || b->c->items[at].piece < piece))
            at++;
        CHECK(at < b->end && b->c->items[at].piece == piece);
        pick = b->picks[at];
        if (choice_keeps(b->c, &b->c->items[at], pick, number))
            change(b, op, piece, pick > b->c->items[at].event_count, from, to);
    }
}

static uint64_t picked_len(const struct building *b, const struct loss_file *f)
{
    uint64_t len = f->durable->len;

    for (size_t i = 0; i < f->pending.count; i++) {
        const struct record_op *op = &b->p->record->ops[f->pending.ops[i]];
        const struct choice *choice = b->c && b->first < b->end ? &b->c->items[b->first] : NULL;

        if (choice && (choice->kind != CHOICE_LEN ||
                       !choice_keeps(b->c, choice, b->picks[b->first], f->pending.ops[i])))
            break;
        len = len_after(op, len);
    }
    return len;
}

static struct disk_bytes *build(struct building *b, uint32_t file)
{
    const struct loss_file *f = &b->p->files[file];
    uint64_t end = data_end(b->p, f);
    struct disk_bytes *bytes;

    if (!f->pending.count)
        return disk_bytes_ref(f->durable);
    b->file = file;
    CHECK(buf_reserve(&b->data, (size_t)end + 1) == 0);
    memset(b->data.data, 0, (size_t)end);
    memcpy(b->data.data, f->durable->data, f->durable->data_len);
    b->data.len = (size_t)end;
    for (size_t i = 0; i < f->pending.count; i++)
        apply(b, f->pending.ops[i], b->c ? b->c->piece_len : UINT32_MAX);
    bytes = disk_bytes_new(b->data.data, b->data.len, picked_len(b, f));
    buf_free(&b->data);
    return bytes;
}

struct disk_bytes *loss_file_kept(const struct power_loss *p, uint32_t file)
{
    struct building b = {.p = p};

    return build(&b, file);
}

/* --- The whole disk --- */

static uint32_t picked_file(const struct power_loss *p, const struct choices *c, unsigned pick,
                            const struct choice *choice)
{
    const struct loss_name *n = &p->names[choice->which];

    if (pick == 0)
        return n->durable;
    return name_after(&p->record->ops[c->events.ops[choice->event + pick - 1]], n);
}

/* The image's file for one of the record, which is built when it is first asked for. */
static uint32_t file_of(struct disk_image *d, struct building *b, uint32_t *index, uint32_t file)
{
    if (index[file] != DISK_NO_FILE)
        return index[file];
    b->first = 0;
    while (b->first < b->c->count &&
           (b->c->items[b->first].kind < CHOICE_LEN || b->c->items[b->first].which != file))
        b->first++;
    b->end = b->first;
    while (b->end < b->c->count && b->c->items[b->end].which == file)
        b->end++;
    return index[file] = disk_image_add_file(d, build(b, file));
}

static void add_dirs(const struct power_loss *p, const struct choices *c, const unsigned *picks,
                     struct disk_image *d)
{
    bool there[DISK_DIR_MAX];

    memcpy(there, p->dir_durable, sizeof(there));
    for (size_t i = 0; i < c->count; i++)
        if (c->items[i].kind == CHOICE_DIR)
            there[c->items[i].which] = picks[i] > 0;
    for (uint32_t i = DISK_DIR_STORE + 1; i < DISK_DIR_MAX; i++)
        if (there[i])
            disk_image_add_dir(d, i, p->record->dirs[i].parent, p->record->dirs[i].path);
}

struct disk_image *loss_image(const struct power_loss *p, const struct choices *c,
                              const unsigned *picks)
{
    struct disk_image *d = disk_image_new();
    struct building b = {.p = p, .c = c, .picks = picks};
    uint32_t *index = malloc((p->record->file_count + 1) * sizeof(*index));
    size_t at = 0;

    CHECK(index);
    memset(index, 0xff, (p->record->file_count + 1) * sizeof(*index));
    add_dirs(p, c, picks, d);
    while (at < c->count && c->items[at].kind == CHOICE_DIR)
        at++;
    for (size_t i = 0; i < p->name_count; i++) {
        const struct loss_name *n = &p->names[i];
        uint32_t file = n->durable;

        if (at < c->count && c->items[at].kind == CHOICE_NAME && c->items[at].which == i) {
            file = picked_file(p, c, picks[at], &c->items[at]);
            at++;
        }
        if (file != DISK_NO_FILE && d->dirs[n->dir].path)
            disk_image_add_name(d, n->dir, n->name, file_of(d, &b, index, file));
    }
    free(index);
    return d;
}
