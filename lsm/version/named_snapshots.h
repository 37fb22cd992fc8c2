/*
 * The list of named snapshots, as the manifest keeps it, and the fields of an edit that change it.
 * Format: lsm/FORMAT.md, "Manifest".
 */
#ifndef LSM_VERSION_NAMED_SNAPSHOTS_H
#define LSM_VERSION_NAMED_SNAPSHOTS_H

#include "lsm/base/slice.h"

struct named_snapshot {
    uint64_t seqno;   /* it shows everything up to it */
    uint64_t time_ns; /* CLOCK_REALTIME */
    uint8_t name_len; /* 1 to 255 */
    uint8_t name[255];
};

/* Ascending by name; no name twice. All zeros is an empty list. Whoever holds it guards it. */
struct named_snapshots {
    struct named_snapshot *list;
    size_t count, cap;
};

/* An entry with that name, for named_snapshots_add. -EINVAL for a length that no name has. */
int named_snapshot_init(struct slice name, uint64_t seqno, uint64_t time_ns,
                        struct named_snapshot *ret);
struct slice named_snapshot_name(const struct named_snapshot *s); /* borrows from s */
/* NULL when there is none; valid until the list changes. */
const struct named_snapshot *named_snapshots_find(const struct named_snapshots *s,
                                                  struct slice name);
int named_snapshots_add(struct named_snapshots *s, const struct named_snapshot *one); /* -EEXIST */
int named_snapshots_remove(struct named_snapshots *s, struct slice name);             /* -ENOENT */
/* *ret gets memory of its own; it need not be initialised. */
int named_snapshots_copy(const struct named_snapshots *s, struct named_snapshots *ret);
/* Oldest first: by sequence number, then time, then name. It is no longer searchable then. */
void named_snapshots_sort_by_age(struct named_snapshots *s);
/* Remove those above seqno. */
void named_snapshots_cut(struct named_snapshots *s, uint64_t seqno);
uint64_t named_snapshots_newest(const struct named_snapshots *s); /* seqno; 0 for none */
void named_snapshots_done(struct named_snapshots *s);             /* it is empty then */

/* The payload of the field that adds one; appended. That of removal is the name. */
int named_snapshot_encode(const struct named_snapshot *s, struct buf *ret);
bool named_snapshot_decode(struct slice in, struct named_snapshot *ret);

#endif
