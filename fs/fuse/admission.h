/*
 * Which requests may be served at once. What changes the file system can wait long: for a full disk
 * to get room, or for a disk that stands still. If all workers did that, nobody would answer what
 * needs no disk. So only some of them may serve changes, and some more what frees space, for which
 * others may be waiting; the rest always serve the reading requests. A change beyond that is
 * parked: its message is kept, and it is handed out when one before it has ended.
 *
 * All functions may be called from any thread.
 */
#ifndef FS_FUSE_ADMISSION_H
#define FS_FUSE_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>

#include "lsm/base/mutex.h"

struct fuse_buf;
struct parked;

enum admission_class {
    ADMIT_CHANGES, /* and syncs */
    ADMIT_FREES,   /* changes that free space */
    ADMIT_READS,   /* all else: always admitted */
};

struct admission {
    /* Constant. */
    unsigned changes_max, all_max; /* so many changes at once; so many of both kinds */
    size_t parked_len_max;         /* bytes of messages */

    struct mutex mu; /* order: leaf */
    struct cond room_cond;
    unsigned running[ADMIT_READS];                               /* [mu] */
    struct parked *first[ADMIT_READS], **last_next[ADMIT_READS]; /* [mu] in order of arrival */
    size_t parked_len;                                           /* [mu] */
    bool over;                                                   /* [mu] */
};

enum admission_class admission_class_of(const struct fuse_buf *message);

void admission_init(struct admission *a, unsigned changes_max, unsigned all_max,
                    size_t parked_len_max);
/* Frees what is parked, too. */
void admission_done(struct admission *a);
/*
 * True: to be served now, and admission_leave is to be called afterwards. False: it was parked, and
 * `message` is empty, without memory. Where too much is parked already, or memory is missing, it
 * waits until a request has left.
 */
bool admission_enter(struct admission *a, enum admission_class class, struct fuse_buf *message);
/*
 * A request of this class has ended. True when one that was parked is to be served instead:
 * *ret, whose memory the caller frees, of *ret_class, and admission_leave again afterwards.
 */
bool admission_leave(struct admission *a, enum admission_class class, struct fuse_buf *ret,
                     enum admission_class *ret_class);
/* Serving has ended: nobody waits, and nothing more is handed out. */
void admission_end(struct admission *a);

#endif
