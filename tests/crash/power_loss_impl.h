/*
 * What the files of power_loss share.
 */
#ifndef TESTS_CRASH_POWER_LOSS_IMPL_H
#define TESTS_CRASH_POWER_LOSS_IMPL_H

#include "crash/power_loss.h"

/* Numbers of operations of the record. */
struct op_list {
    uint32_t *ops;
    size_t count, cap;
};

void op_list_add(struct op_list *l, size_t op);

struct loss_file {
    struct disk_bytes *durable;
    struct op_list pending; /* writes and lengths */
};

struct loss_name {
    uint32_t dir;
    const char *name;       /* the record's, or its base's */
    uint32_t durable;       /* file or DISK_NO_FILE */
    struct op_list pending; /* changes of it */
};

struct power_loss {
    const struct record *record;
    size_t point;
    struct loss_file *files;
    struct loss_name *names;
    size_t name_count, name_cap;
    bool dir_durable[DISK_DIR_MAX];
    struct op_list dir_pending[DISK_DIR_MAX]; /* one operation, or none */
};

/* Something that the loss of power decides. */
struct choice {
    enum choice_kind {
        CHOICE_DIR,
        CHOICE_NAME,
        CHOICE_LEN,
        CHOICE_PIECE
    } kind;
    uint32_t which;            /* directory, index of the name, file */
    uint64_t piece;            /* its number in the file */
    size_t event, event_count; /* in choices.events: pick n keeps what the first n did */
    unsigned radix;            /* event_count + 1, and one more that garbles */
};

struct choices {
    struct choice *items; /* those of a file are together, pieces ascending */
    size_t count, cap;
    struct op_list events;
    struct op_list gone; /* not operations but files: those that no name can stand for any more */
    unsigned piece_len;
    uint64_t seed;
};

void choices_collect(const struct power_loss *p, const struct loss_plan *plan, struct choices *ret);
void choices_done(struct choices *c);
/* What a name stands for after the operation, which changes it. */
uint32_t name_after(const struct record_op *op, const struct loss_name *n);
/* Does the choice, with this pick, keep what the operation did? */
bool choice_keeps(const struct choices *c, const struct choice *choice, unsigned pick, uint32_t op);

/* The disk that the picks, one for each choice, make. */
struct disk_image *loss_image(const struct power_loss *p, const struct choices *c,
                              const unsigned *picks);
/* The file's bytes when everything is kept. */
struct disk_bytes *loss_file_kept(const struct power_loss *p, uint32_t file);

#endif
