/*
 * Locks of inodes, for operations that read, change and write back an inode's record. A lock exists
 * only while somebody holds or waits for it; two different inodes never share one.
 *
 * Order: inode_locks_take takes several in ascending order of inode number, so that no two
 * operations can wait for each other. Nobody takes locks while holding some.
 */
#ifndef FS_LOCK_H
#define FS_LOCK_H

#include <stdint.h>

enum {
    INODE_LOCKS_MAX = 4
};

struct inode_lock;
struct lock_table;

/* The inodes that one operation has locked; on the stack. */
struct inode_locks {
    struct inode_lock *held[INODE_LOCKS_MAX];
    int count;
};

int lock_table_new(struct lock_table **ret);
void lock_table_free(struct lock_table *t); /* NULL is allowed */
/* Lock up to INODE_LOCKS_MAX inodes; equal ones and zeros are taken once and not at all. -ENOMEM.
 */
int inode_locks_take(struct lock_table *t, const uint64_t *inos, int count,
                     struct inode_locks *ret);
void inode_locks_drop(struct lock_table *t, struct inode_locks *locks);
/*
 * As many as the caller likes: `sorted` ascends, without equal numbers and zeros. ret_held has room
 * for `count`. -ENOMEM, then none is held.
 */
int inode_locks_take_sorted(struct lock_table *t, const uint64_t *sorted, int count,
                            struct inode_lock **ret_held);
void inode_locks_drop_sorted(struct lock_table *t, struct inode_lock **held, int count);

#endif
