/*
 * The store of `kills` while no daemon has it: the checker, and named snapshots.
 */
#ifndef KILLS_STORE_H
#define KILLS_STORE_H

#include <stdint.h>
#include <sys/types.h>

enum {
    SNAPSHOT_COUNT_MAX = 3
};

struct store {
    const char *fluxfs, *lsmctl, *path;
    const char *lose_command; /* takes away what is not synced; NULL: nothing does */
    struct {
        char name[32];
        uint64_t digest; /* of all that it shows */
    } snapshots[SNAPSHOT_COUNT_MAX];
    unsigned count;
    uint64_t made, makers_killed, read;
};

/* Start a program; its standard output goes to *ret_fd, a pipe, unless ret_fd is NULL. */
pid_t store_spawn(const char *const *words, int *ret_fd);
void store_lose(const struct store *s);
/* fsck -n finds nothing. */
void store_check(const struct store *s);
/* The snapshots show what they did; perhaps another is made, and the oldest removed. */
void store_snapshots(struct store *s, uint64_t round, uint64_t random);

#endif
