/*
 * Something is parked only while its class is full. Places get free by admission_leave alone, one
 * at a time, and each of them hands out one: so whatever is parked is served in the end, in the
 * order of arrival within its class. What frees space goes first.
 *
 * The kernel sends no request that depends on another one that it has no answer to, so it does not
 * matter in which order they are served.
 */
#include "fs/fuse/admission.h"

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <linux/falloc.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>

struct parked {
    struct parked *next;
    struct fuse_buf message;
};

/* Cutting a file frees space, other attributes take some. */
static enum admission_class class_of_setattr(const struct fuse_buf *message)
{
    struct fuse_setattr_in in = {.valid = 0};

    if (message->size >= sizeof(struct fuse_in_header) + sizeof(in))
        memcpy(&in, (const char *)message->mem + sizeof(struct fuse_in_header), sizeof(in));
    return in.valid & FATTR_SIZE ? ADMIT_FREES : ADMIT_CHANGES;
}

static enum admission_class class_of_fallocate(const struct fuse_buf *message)
{
    struct fuse_fallocate_in in = {.mode = 0};

    if (message->size >= sizeof(struct fuse_in_header) + sizeof(in))
        memcpy(&in, (const char *)message->mem + sizeof(struct fuse_in_header), sizeof(in));
    return in.mode & FALLOC_FL_PUNCH_HOLE ? ADMIT_FREES : ADMIT_CHANGES;
}

enum admission_class admission_class_of(const struct fuse_buf *message)
{
    struct fuse_in_header head = {.opcode = 0};

    if (message->flags & FUSE_BUF_IS_FD || message->size < sizeof(head))
        return ADMIT_READS;
    memcpy(&head, message->mem, sizeof(head));
    switch (head.opcode) {
    case FUSE_WRITE:
    case FUSE_SYMLINK:
    case FUSE_MKNOD:
    case FUSE_MKDIR:
    case FUSE_RENAME:
    case FUSE_RENAME2:
    case FUSE_LINK:
    case FUSE_CREATE:
    case FUSE_TMPFILE:
    case FUSE_SETXATTR:
    case FUSE_COPY_FILE_RANGE:
    case FUSE_FSYNC:
    case FUSE_FSYNCDIR:
    case FUSE_SYNCFS:
        return ADMIT_CHANGES;
    case FUSE_SETATTR:
        return class_of_setattr(message);
    case FUSE_FALLOCATE:
        return class_of_fallocate(message);
    case FUSE_UNLINK:
    case FUSE_RMDIR:
    case FUSE_REMOVEXATTR:
        return ADMIT_FREES;
    default:
        return ADMIT_READS;
    }
}

void admission_init(struct admission *a, unsigned changes_max, unsigned all_max,
                    size_t parked_len_max)
{
    memset(a, 0, sizeof(*a));
    a->changes_max = changes_max;
    a->all_max = all_max;
    a->parked_len_max = parked_len_max;
    for (int i = 0; i < ADMIT_READS; i++)
        a->last_next[i] = &a->first[i];
    mutex_init(&a->mu);
    cond_init(&a->room_cond);
}

void admission_done(struct admission *a)
{
    for (int i = 0; i < ADMIT_READS; i++) {
        while (a->first[i]) {
            struct parked *p = a->first[i];

            a->first[i] = p->next;
            free(p->message.mem);
            free(p);
        }
    }
    cond_done(&a->room_cond);
    mutex_done(&a->mu);
}

static bool is_free_locked(const struct admission *a, enum admission_class class)
{
    return a->running[ADMIT_CHANGES] + a->running[ADMIT_FREES] < a->all_max &&
           (class == ADMIT_FREES || a->running[ADMIT_CHANGES] < a->changes_max);
}

/* False when there is no room for it, or no memory. */
static bool park_locked(struct admission *a, enum admission_class class, struct fuse_buf *message)
{
    struct parked *p;
    void *mem;

    if (message->size > a->parked_len_max - a->parked_len)
        return false;
    p = malloc(sizeof(*p));
    if (!p)
        return false;
    /* Its memory has room for the longest message. */
    mem = realloc(message->mem, message->size);
    *p = (struct parked){.message = *message};
    if (mem)
        p->message.mem = mem;
    a->parked_len += message->size;
    *a->last_next[class] = p;
    a->last_next[class] = &p->next;
    *message = (struct fuse_buf){.mem = NULL};
    return true;
}

bool admission_enter(struct admission *a, enum admission_class class, struct fuse_buf *message)
{
    bool parked = false;

    if (class == ADMIT_READS)
        return true;
    mutex_lock(&a->mu);
    while (!a->over && (a->first[class] || !is_free_locked(a, class))) {
        parked = park_locked(a, class, message);
        if (parked)
            break;
        cond_wait(&a->room_cond, &a->mu);
    }
    a->running[class] += !parked;
    mutex_unlock(&a->mu);
    return !parked;
}

static void take_locked(struct admission *a, enum admission_class class, struct fuse_buf *ret)
{
    struct parked *p = a->first[class];

    a->first[class] = p->next;
    if (!p->next)
        a->last_next[class] = &a->first[class];
    *ret = p->message;
    a->parked_len -= p->message.size;
    a->running[class]++;
    free(p);
}

bool admission_leave(struct admission *a, enum admission_class class, struct fuse_buf *ret,
                     enum admission_class *ret_class)
{
    bool found = false;

    if (class == ADMIT_READS)
        return false;
    mutex_lock(&a->mu);
    a->running[class]--;
    for (int i = ADMIT_READS - 1; !found && i >= 0 && !a->over; i--) {
        found = a->first[i] && is_free_locked(a, (enum admission_class)i);
        if (found) {
            *ret_class = (enum admission_class)i;
            take_locked(a, *ret_class, ret);
        }
    }
    cond_broadcast(&a->room_cond);
    mutex_unlock(&a->mu);
    return found;
}

void admission_end(struct admission *a)
{
    mutex_lock(&a->mu);
    a->over = true;
    cond_broadcast(&a->room_cond);
    mutex_unlock(&a->mu);
}
